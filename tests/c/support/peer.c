/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

uv_loop_t loop;

/* A server's thread must not use cmocka's assertions, which jump to the test's own stack. */
#define must(condition)                                                                    \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
      abort();                                                                             \
    }                                                                                      \
  } while (0)

char pattern_at(size_t place) { return (char)(place * 31 + place / 251); }

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

/* ---- The server ---- */

int listen_on(const char *address, uint16_t port, int backlog) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  must(fd >= 0 && inet_pton(AF_INET, address, &name.sin_addr) == 1);
  must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
  must(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  must(listen(fd, backlog) == 0);
  return fd;
}

uint16_t port_of(int fd) {
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  must(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
  return ntohs(name.sin_port);
}

uint16_t free_port(void) {
  int fd = listen_on("127.0.0.1", 0, 1);
  uint16_t port = port_of(fd);
  close(fd);
  return port;
}

static void *run_peer(void *data) {
  peer *self = data;
  sigset_t signals; /* so that one that comes is the client's fault */
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
  for (;;) {
    struct pollfd fds[] = {{self->listener, POLLIN, 0}, {self->wake[0], POLLIN, 0}};
    must(poll(fds, 2, -1) > 0 || errno == EINTR);
    if (fds[0].revents != 0) {
      int fd = accept(self->listener, NULL, NULL);
      must(fd >= 0);
      self->serve(self, fd);
      close(fd);
      self->served++;
      sem_post(&self->done);
    } else if (fds[1].revents != 0) {
      return NULL;
    }
  }
}

static void start(peer *self, void (*serve)(peer *self, int fd)) {
  self->serve = serve;
  self->slice = 70000;
  must(sem_init(&self->done, 0, 0) == 0 && sem_init(&self->go, 0, 0) == 0);
  must(pipe(self->wake) == 0);
  must(pthread_create(&self->thread, NULL, run_peer, self) == 0);
}

void peer_start(peer *self, void (*serve)(peer *self, int fd)) {
  *self = (peer){.listener = listen_on("127.0.0.1", 0, 16)};
  self->port = port_of(self->listener);
  start(self, serve);
}

int listen_unix(const char *path, int backlog) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  must(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  must(listen(fd, backlog) == 0);
  return fd;
}

void peer_start_unix(peer *self, void (*serve)(peer *self, int fd)) {
  *self = (peer){.port = 0};
  snprintf(self->path, sizeof self->path, "/tmp/cachette-peer-%d.sock", (int)getpid());
  unlink(self->path);
  self->listener = listen_unix(self->path, 16);
  start(self, serve);
}

void peer_stop(peer *self) {
  must(write(self->wake[1], "", 1) == 1);
  must(pthread_join(self->thread, NULL) == 0);
  close(self->wake[0]);
  close(self->wake[1]);
  close(self->listener);
  if (self->path[0] != '\0') unlink(self->path);
  sem_destroy(&self->done);
  sem_destroy(&self->go);
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) != 0) must(errno == EINTR);
}

void peer_wait(peer *self) { wait_for(&self->done); }

bool peer_write(int fd, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    at += count;
    size -= (size_t)count;
  }
  return true;
}

void serve_echo(peer *self, int fd) {
  char *data = malloc(self->slice);
  must(data != NULL);
  uint32_t random = 7;
  for (;;) {
    ssize_t count = recv(fd, data, next_random(&random) % self->slice + 1, 0);
    if (count <= 0) break;
    for (ssize_t sent = 0; sent < count;) {
      size_t size = next_random(&random) % (size_t)(count - sent) + 1;
      if (!peer_write(fd, data + sent, size)) goto end;
      sent += (ssize_t)size;
    }
  }
end:
  free(data);
}

void serve_silence(peer *self, int fd) {
  (void)self;
  char data[4096];
  while (recv(fd, data, sizeof data, 0) > 0) continue;
}

void full_socket_open(struct full_socket *self, const char *address, uint16_t port) {
  self->listener = listen_on(address, port, 0);
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  must(getsockname(self->listener, (struct sockaddr *)&name, &size) == 0);
  for (size_t i = 0; i < LENGTH(self->filler); i++) {
    int fd = self->filler[i] = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    must(connect(fd, (struct sockaddr *)&name, size) == 0 || errno == EINPROGRESS);
  }
}

void full_socket_close(struct full_socket *self) {
  for (size_t i = 0; i < LENGTH(self->filler); i++) close(self->filler[i]);
  close(self->listener);
}

/* ---- Names ---- */

/* libuv's calls of getaddrinfo() come here, for a program's own symbols go before a library's. */

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef void freeaddrinfo_fn(struct addrinfo *);

static struct name { char name[256], addresses[64]; } names[16];
static size_t name_count;
static bool held;
static sem_t release;

static struct entry {
  struct addrinfo info;
  struct sockaddr_storage address;
  bool used;
} entries[16];

void resolver_set(const char *name, const char *addresses) {
  size_t i = 0;
  while (i < name_count && strcmp(names[i].name, name) != 0) i++;
  must(i < LENGTH(names));
  if (i == name_count) name_count++;
  snprintf(names[i].name, sizeof names[i].name, "%s", name);
  snprintf(names[i].addresses, sizeof names[i].addresses, "%s", addresses);
}

void resolver_hold(bool on) {
  held = on;
  if (on) must(sem_init(&release, 0, 0) == 0);
}

void resolver_release(void) { sem_post(&release); }

static struct addrinfo *make_entry(const char *address, uint16_t port) {
  size_t i = 0;
  while (entries[i].used) must(++i < LENGTH(entries));
  entries[i] = (struct entry){.used = true};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&entries[i].address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&entries[i].address;
  struct addrinfo *info = &entries[i].info;
  info->ai_socktype = SOCK_STREAM;
  info->ai_addr = (struct sockaddr *)&entries[i].address;
  if (uv_ip4_addr(address, port, v4) == 0) {
    info->ai_family = AF_INET;
    info->ai_addrlen = sizeof *v4;
  } else {
    must(uv_ip6_addr(address, port, v6) == 0);
    info->ai_family = AF_INET6;
    info->ai_addrlen = sizeof *v6;
  }
  return info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  size_t i = 0;
  while (i < name_count && (host == NULL || strcmp(names[i].name, host) != 0)) i++;
  if (i == name_count) {
    getaddrinfo_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo"); /* as POSIX has it */
    return real(host, service, hints, found);
  }
  if (held) wait_for(&release);
  if (names[i].addresses[0] == '\0') return EAI_NONAME;
  char text[64], *rest = NULL;
  snprintf(text, sizeof text, "%s", names[i].addresses);
  struct addrinfo **tail = found;
  for (char *each = strtok_r(text, " ", &rest); each != NULL; each = strtok_r(NULL, " ", &rest)) {
    *tail = make_entry(each, (uint16_t)atoi(service));
    tail = &(*tail)->ai_next;
  }
  return 0;
}

void freeaddrinfo(struct addrinfo *list) {
  struct entry *first = (struct entry *)list;
  if (first < entries || first >= entries + LENGTH(entries)) {
    freeaddrinfo_fn *real;
    *(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
    real(list);
    return;
  }
  for (; list != NULL; list = list->ai_next) {
    must(((struct entry *)list)->used); /* once only */
    ((struct entry *)list)->used = false;
  }
}

/* ---- The owner of a stream ---- */

/* Notes an event, which must come from inside the loop, and from a stream that is there. */
static void note(client *self, enum stage stage) {
  assert_false(self->in_call);
  assert_non_null(self->stream);
  self->told[stage]++;
}

static void go_on(client *self, enum stage stage) {
  if (self->then != NULL && self->stream != NULL) self->then(self, stage);
}

static void on_opened(void *owner) {
  client *self = owner;
  note(self, AT_OPENED);
  assert_int_equal(cachette__buffer_size(cachette__stream_output(self->stream)), 0);
  client_send(self, SIZE_MAX);
  go_on(self, AT_OPENED);
}

static char *on_room(void *owner, size_t *size) {
  client *self = owner;
  note(self, AT_ROOM);
  *size = self->room_size > 0 ? self->room_size : self->received * 7919 % sizeof self->room + 1;
  go_on(self, AT_ROOM);
  return self->no_room ? NULL : self->room;
}

static void on_received(void *owner, size_t size) {
  client *self = owner;
  note(self, AT_RECEIVED);
  assert_true(size > 0 && size <= sizeof self->room);
  for (size_t i = 0; i < size; i++, self->received++) {
    if (self->received < sizeof self->text - 1) self->text[self->received] = self->room[i];
    if (self->to_send > 0) assert_int_equal(self->room[i], pattern_at(self->received));
  }
  client_send(self, SIZE_MAX);
  go_on(self, AT_RECEIVED);
}

static void on_paused(void *owner) {
  client *self = owner;
  note(self, AT_PAUSED);
  go_on(self, AT_PAUSED);
}

static void on_closed(void *owner, bool was_open, const cachette_error *error) {
  client *self = owner;
  note(self, AT_CLOSED);
  assert_int_equal(was_open, self->told[AT_OPENED] > 0);
  self->was_open = was_open;
  self->sent = cachette__stream_sent(self->stream);
  self->error = *error;
  go_on(self, AT_CLOSED);
  self->stream = NULL;
}

const cachette__stream_events client_events = {
    .opened = on_opened,
    .room = on_room,
    .received = on_received,
    .paused = on_paused,
    .closed = on_closed,
};

void client_init(client *self, const char *host, uint16_t port, const char *path) {
  memset(self, 0, sizeof *self);
  self->target =
      (cachette__target){.host = host, .port = port, .path = path, .connect_timeout_ms = 20000};
}

int client_open(client *self) {
  self->in_call = true;
  int code = cachette__stream_open(&loop, &self->target, &client_events, self, &self->stream,
                                   &self->error);
  self->in_call = false;
  return code;
}

void client_send(client *self, size_t most) {
  size_t left = self->to_send - self->appended;
  size_t size = self->received * 104729 % 100000 + 1; /* as good as random */
  if (size > left) size = left;
  if (size > most) size = most;
  if (size == 0) return;
  char *room = cachette__buffer_room(cachette__stream_output(self->stream), size);
  if (room == NULL) {
    self->starved = true;
    client_close(self);
    return;
  }
  for (size_t i = 0; i < size; i++) room[i] = pattern_at(self->appended + i);
  cachette__stream_output(self->stream)->end += size;
  self->appended += size;
  self->in_call = true;
  cachette__stream_flush(self->stream);
  self->in_call = false;
}

void client_run(client *self) {
  while (self->stream != NULL && self->received < self->to_receive) uv_run(&loop, UV_RUN_ONCE);
}

void client_run_to_end(client *self) {
  while (self->stream != NULL) uv_run(&loop, UV_RUN_ONCE);
}

void client_close(client *self) {
  if (self->stream == NULL) return;
  self->in_call = true;
  cachette__stream_close(self->stream, false);
  self->in_call = false;
  self->stream = NULL;
}

int descriptor_to(uint16_t port) {
  for (int fd = 3; fd < 1024; fd++) {
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &size) == 0 && name.sin_family == AF_INET &&
        ntohs(name.sin_port) == port)
      return fd;
  }
  return -1;
}

/* ---- The loop ---- */

static int descriptors;

int loop_set_up(void **state) {
  (void)state;
  descriptors = count_descriptors();
  return uv_loop_init(&loop);
}

void loop_finish(void) {
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

int loop_tear_down(void **state) {
  (void)state;
  loop_finish();
  assert_int_equal(count_descriptors(), descriptors);
  return 0;
}

int loop_warm_up(void **state) {
  resolver_set("first.test", "127.0.0.1");
  if (loop_set_up(state) != 0) return -1;
  client self;
  client_init(&self, "first.test", free_port(), NULL);
  if (client_open(&self) != CACHETTE_OK) return -1;
  client_run_to_end(&self);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop);
}
