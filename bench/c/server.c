/* SPDX-License-Identifier: MIT */
/*
 * Measures fetches from a server over one connection, next to the minimal program: a blocking
 * socket that sends all requests in flight in one write and reads until their replies are complete.
 *
 *     server redis|memcached [--quick]      starts a server on a free port
 *
 * Both are timed in turns, round by round. The table contains medians.
 */
#include <arpa/inet.h>
#include <cachette.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_SIZE = 100, MAX_DEPTH = 256, MAX_ROUNDS = 21, BIG_SIZE = 1 << 20 };

/* A server, and the bytes of a fetch of "user:1" and of "big". */
struct protocol {
  const char *name, *title, *option, *address; /* address: a format for the port */
  const char *const *words;                    /* of the command line, after the port */
  const char *command, *big_command;
  const char *head, *big_head, *tail; /* of the replies */
};

static const char *const redis_words[] = {"--save", "", "--logfile", "/dev/null", NULL};
static const char *const memcached_words[] = {"-U", "0", "-u", "nobody", "-I", "2m", NULL};

static const struct protocol protocols[] = {
    {"redis", "Redis", "redis_url", "redis://127.0.0.1:%d", redis_words,
     "*2\r\n$3\r\nGET\r\n$6\r\nuser:1\r\n", "*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", "$100\r\n",
     "$1048576\r\n", "\r\n"},
    {"memcached", "memcached", "memcached_host", "127.0.0.1:%d", memcached_words, "mg user:1 v\r\n",
     "mg big v\r\n", "VA 100\r\n", "VA 1048576\r\n", "\r\n"},
};

static const struct protocol *protocol;

static pid_t server;
static char directory[] = "/tmp/cachette-bench-XXXXXX";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void stop_server(void) {
  if (server <= 0) return;
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
  rmdir(directory);
}

static struct sockaddr_in address_of(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int connect_to(int port) {
  int peer = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = address_of(port);
  if (connect(peer, (struct sockaddr *)&address, sizeof address) < 0) {
    close(peer);
    return -1;
  }
  setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return peer;
}

static int free_port(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = address_of(0);
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) < 0) fail("bind");
  getsockname(listener, (struct sockaddr *)&address, &size);
  close(listener);
  return ntohs(address.sin_port);
}

static int start_server(void) {
  char port_text[16];
  int port = free_port();
  snprintf(port_text, sizeof port_text, "%d", port);
  if (mkdtemp(directory) == NULL) fail("mkdtemp");
  server = fork();
  if (server == 0) {
    bool redis = strcmp(protocol->name, "redis") == 0;
    const char *words[16] = {redis ? "redis-server" : "memcached", redis ? "--port" : "-p",
                             port_text};
    size_t count = 3;
    for (const char *const *word = protocol->words; *word != NULL; word++) words[count++] = *word;
    if (chdir(directory) < 0) _exit(127);
    execvp(words[0], (char *const *)words);
    perror(words[0]);
    _exit(127);
  }
  atexit(stop_server);
  const struct timespec pause = {0, 10000000};
  for (int i = 0; i < 500; i++) {
    int peer = connect_to(port);
    if (peer >= 0) {
      close(peer);
      return port;
    }
    if (waitpid(server, NULL, WNOHANG) != 0) exit(1);
    nanosleep(&pause, NULL);
  }
  fprintf(stderr, "The server did not come up.\n");
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- The plain socket ---- */

static int plain;
static char plain_commands[MAX_DEPTH * 64];

static double time_plain(int depth, long count) {
  static char replies[1 << 16];
  const size_t command_size = strlen(protocol->command);
  const size_t reply_size = strlen(protocol->head) + VALUE_SIZE + strlen(protocol->tail);
  double start = now();
  for (long done = 0; done < count; done += depth) {
    size_t size = (size_t)depth * command_size, left = (size_t)depth * reply_size;
    if (send(plain, plain_commands, size, 0) != (ssize_t)size) fail("send");
    while (left > 0) {
      ssize_t got = recv(plain, replies, sizeof replies, 0);
      if (got <= 0) fail("recv");
      left -= (size_t)got;
    }
  }
  return now() - start;
}

/* ---- Ours ---- */

static cachette *cache;
static long left_to_submit;

struct call {
  cachette_op op;
  cachette_item item;
  char value[VALUE_SIZE];
};

static void on_done(cachette_op *op) {
  if (op->status != CACHETTE_OK || op->items->status != CACHETTE_HIT) {
    fprintf(stderr, "a fetch failed: %s\n", cachette_strerror(op->status));
    exit(1);
  }
  if (left_to_submit-- > 0) cachette_submit(cache, op);
}

static double time_ours(int depth, long count) {
  static struct call calls[MAX_DEPTH];
  left_to_submit = count - depth;
  double start = now();
  for (int i = 0; i < depth; i++) {
    struct call *call = &calls[i];
    memset(&call->op, 0, sizeof call->op);
    call->item = (cachette_item){
        .key = cachette_str("user:1"), .buffer = call->value, .buffer_size = VALUE_SIZE};
    call->op.verb = CACHETTE_FETCH;
    call->op.items = &call->item;
    call->op.count = 1;
    call->op.done = on_done;
    cachette_submit(cache, &call->op);
  }
  for (int i = 0; i < depth; i++)
    if (cachette_op_pending(&calls[i].op)) cachette_run(cache, &calls[i].op);
  return now() - start;
}

/* ---- Large values ---- */

static void *provide_buffer(cachette_op *op, cachette_item *item, size_t size) {
  (void)item;
  (void)size;
  return op->data;
}

static double time_big(long count) {
  static char value[BIG_SIZE];
  double start = now();
  for (long i = 0; i < count; i++) {
    cachette_item item = {.key = cachette_str("big")};
    cachette_op op = {
        .verb = CACHETTE_FETCH, .items = &item, .count = 1, .alloc = provide_buffer, .data = value};
    if (cachette_run(cache, &op) != CACHETTE_OK || item.value.size != BIG_SIZE) exit(1);
  }
  return now() - start;
}

static double time_plain_big(long count) {
  static char reply[BIG_SIZE + 64];
  const size_t reply_size = strlen(protocol->big_head) + BIG_SIZE + strlen(protocol->tail);
  double start = now();
  for (long i = 0; i < count; i++) {
    if (send(plain, protocol->big_command, strlen(protocol->big_command), 0) < 0) fail("send");
    for (size_t got = 0; got < reply_size;) {
      ssize_t more = recv(plain, reply + got, sizeof reply - got, 0);
      if (more <= 0) fail("recv");
      got += (size_t)more;
    }
  }
  return now() - start;
}

/* ---- The tables ---- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  return values[count / 2];
}

static void measure(int depth, long count, int rounds, double target) {
  double plain_times[MAX_ROUNDS], our_times[MAX_ROUNDS], ratios[MAX_ROUNDS];
  for (int i = 0; i < rounds; i++) {
    plain_times[i] = time_plain(depth, count);
    our_times[i] = time_ours(depth, count);
    ratios[i] = plain_times[i] / our_times[i];
  }
  double ratio = median(ratios, rounds);
  printf("%-28d  %12.0f  %12.0f  %6.0f%%", depth, (double)count / median(our_times, rounds),
         (double)count / median(plain_times, rounds), 100 * ratio);
  if (target > 0)
    printf("  at least %.0f%%: %s", 100 * target, ratio >= target ? "met" : "not met");
  printf("\n");
}

static void measure_big(long count, int rounds) {
  double plain_times[MAX_ROUNDS], our_times[MAX_ROUNDS], ratios[MAX_ROUNDS];
  for (int i = 0; i < rounds; i++) {
    plain_times[i] = time_plain_big(count);
    our_times[i] = time_big(count);
    ratios[i] = plain_times[i] / our_times[i];
  }
  double mib = (double)count * BIG_SIZE / (1 << 20);
  printf("%-28s  %8.0f MB/s  %8.0f MB/s  %6.0f%%\n", "1, values of 1 MiB",
         mib / median(our_times, rounds), mib / median(plain_times, rounds),
         100 * median(ratios, rounds));
}

static void open_cache(int port) {
  char address[64];
  snprintf(address, sizeof address, protocol->address, port);
  cachette_options *options = cachette_options_new();
  cachette_options_set(options, "backend", protocol->name, NULL);
  cachette_options_set(options, protocol->option, address, NULL);
  cachette_error error;
  if (cachette_open(options, &cache, &error) < 0) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  cachette_options_free(options);
}

static void put(const char *key, size_t size) {
  char *value = malloc(size);
  cachette_error error;
  memset(value, 'v', size);
  if (cachette_put(cache, cachette_str(key), (cachette_slice){value, size}, 3600000, &error) < 0) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  free(value);
}

int main(int argc, char **argv) {
  bool quick = argc > 2 && strcmp(argv[2], "--quick") == 0;
  for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
    if (argc > 1 && strcmp(argv[1], protocols[i].name) == 0) protocol = &protocols[i];
  if (protocol == NULL) {
    fprintf(stderr, "usage: server redis|memcached [--quick]\n");
    return 2;
  }
  int rounds = quick ? 1 : MAX_ROUNDS;
  int port = start_server();
  open_cache(port);
  put("user:1", VALUE_SIZE);
  put("big", BIG_SIZE);
  plain = connect_to(port);
  for (int i = 0; i < MAX_DEPTH; i++)
    memcpy(plain_commands + (size_t)i * strlen(protocol->command), protocol->command,
           strlen(protocol->command));
  printf("%s from C, one connection, values of %d bytes, fetches a second\n", protocol->title,
         VALUE_SIZE);
  printf("%-28s  %12s  %12s  %7s  target\n", "in flight", "ours", "plain socket", "ratio");
  measure(1, quick ? 100 : 5000, rounds, strcmp(protocol->name, "redis") == 0 ? 0.85 : 0);
  measure(16, quick ? 160 : 64000, rounds, 0);
  measure(64, quick ? 640 : 128000, rounds, 0.90);
  measure(256, quick ? 2560 : 128000, rounds, 0);
  measure_big(quick ? 2 : 50, rounds);
  cachette_close(cache);
  return 0;
}
