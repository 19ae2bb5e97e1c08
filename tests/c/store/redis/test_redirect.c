/* SPDX-License-Identifier: MIT */
/* The Redis store in a cluster whose nodes reply as the test tells them to. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "nomem.h"
#include "peer.h"
#include "support.h"

enum { NODES = 3, WORDS = 8, WORD = 256, REPLY = 2048 };

/* A command as the node receives it. */
struct command {
  int count;
  char words[WORDS][WORD];
};

/* A node of the cluster. The reply to a command is written by `script`, which is called with the
 * lock held. */
static struct node {
  peer peer;                         /* must be first */
  int commands, slots_asked, opened; /* how many; `slots_asked`: CLUSTER SLOTS */
} nodes[NODES];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*script)(struct node *node, const struct command *command, char *reply);
static int step; /* for the scripts */

static bool is(const struct command *command, const char *word) {
  return strcasecmp(command->words[0], word) == 0;
}

static uint16_t port(int node) { return nodes[node].peer.port; }

/* Writes a map of the cluster: each node in the list has an equal share of the slots. `host` NULL:
 * the null of the protocol. */
static void write_map(char *reply, const char *host, const int *list, int count, int last_slot) {
  int size = snprintf(reply, REPLY, "*%d\r\n", count);
  for (int i = 0; i < count; i++) {
    char name[64] = "$-1\r\n";
    if (host != NULL) snprintf(name, sizeof name, "$%zu\r\n%s\r\n", strlen(host), host);
    int begin = 16384 * i / count, end = i + 1 < count ? 16384 * (i + 1) / count - 1 : last_slot;
    size += snprintf(reply + size, (size_t)(REPLY - size), "*3\r\n:%d\r\n:%d\r\n*2\r\n%s:%d\r\n",
                     begin, end, name, port(list[i]));
  }
}

/* What every script replies to the commands that it does not care about. */
static void reply_usually(struct node *node, const struct command *command, char *reply) {
  static const int first[] = {0};
  if (is(command, "HELLO"))
    snprintf(reply, REPLY, "%%1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n");
  else if (is(command, "CLUSTER"))
    write_map(reply, "127.0.0.1", first, 1, 16383);
  else if (is(command, "GET"))
    snprintf(reply, REPLY, "$5\r\nvalue\r\n");
  else
    snprintf(reply, REPLY, "+OK\r\n");
  (void)node;
}

/* Reads a line without its CR LF. Returns false at the end of the stream. */
static bool read_line(FILE *in, char *line, int size) {
  if (fgets(line, size, in) == NULL) return false;
  line[strcspn(line, "\r\n")] = '\0';
  return true;
}

static bool read_command(FILE *in, struct command *command) {
  char line[64];
  if (!read_line(in, line, sizeof line)) return false;
  must(line[0] == '*');
  command->count = atoi(line + 1);
  must(command->count <= WORDS);
  for (int i = 0; i < command->count; i++) {
    if (!read_line(in, line, sizeof line)) return false;
    size_t size = (size_t)atoi(line + 1);
    must(size < WORD);
    if (fread(command->words[i], 1, size + 2, in) != size + 2) return false;
    command->words[i][size] = '\0';
  }
  return true;
}

static void serve(peer *self, int fd) {
  struct node *node = (struct node *)self;
  struct command command;
  char reply[REPLY];
  FILE *in = fdopen(dup(fd), "r");
  must(in != NULL);
  pthread_mutex_lock(&lock);
  node->opened++;
  pthread_mutex_unlock(&lock);
  while (read_command(in, &command)) {
    pthread_mutex_lock(&lock);
    node->commands++;
    node->slots_asked += is(&command, "CLUSTER");
    reply[0] = '\0';
    script(node, &command, reply);
    if (reply[0] == '\0') reply_usually(node, &command, reply);
    pthread_mutex_unlock(&lock);
    if (!peer_write(fd, reply, strlen(reply))) break;
  }
  fclose(in);
}

/* Closed by the tear-down, as the nodes serve until then. */
static cachette *handle;

static int start_nodes(void **state) {
  (void)state;
  step = 0;
  handle = NULL;
  for (int i = 0; i < NODES; i++) {
    memset(&nodes[i], 0, sizeof nodes[i]);
    peer_start(&nodes[i].peer, serve);
  }
  return 0;
}

static int stop_nodes(void **state) {
  (void)state;
  cachette_close(handle);
  for (int i = 0; i < NODES; i++) peer_stop(&nodes[i].peer);
  return 0;
}

static void open_first(const char *timeout) {
  char url[64];
  snprintf(url, sizeof url, "redis://127.0.0.1:%d", port(0));
  handle = open_cache(options_with("backend", "redis", "redis_url", url, "timeout", timeout, NULL));
}

static int index_of(const struct node *node) { return (int)(node - nodes); }

/* ---- MOVED ---- */

/* Each node sends the client to the next one. */
static void reply_storm(struct node *node, const struct command *command, char *reply) {
  if (is(command, "GET")) {
    step++;
    snprintf(reply, REPLY, "-MOVED 12539 127.0.0.1:%d\r\n", port((index_of(node) + 1) % NODES));
  }
}

static void an_op_is_redirected_five_times_at_most(void **state) {
  (void)state;
  script = reply_storm;
  open_first("30");
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "key"), CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(probe.error.message, "redirects to another server"));
  assert_int_equal(step, 6);
  assert_true(nodes[0].slots_asked + nodes[1].slots_asked + nodes[2].slots_asked <= 2);
}

/* The first connection to the node leads to another server, so to say. */
static void reply_itself(struct node *node, const struct command *command, char *reply) {
  if (is(command, "GET") && node->opened == 1)
    snprintf(reply, REPLY, "-MOVED 12539 127.0.0.1:%d\r\n", port(0));
}

static void a_node_that_redirects_to_itself_is_connected_to_anew(void **state) {
  (void)state;
  script = reply_itself;
  open_first("30");
  assert_true(has_text(handle, "key", "value"));
  assert_int_equal(nodes[0].opened, 2);
}

/* The host is empty: that of the node that redirects. */
static void reply_empty_host(struct node *node, const struct command *command, char *reply) {
  if (is(command, "GET") && index_of(node) == 0)
    snprintf(reply, REPLY, "-MOVED 12539 :%d\r\n", port(1));
}

static void a_redirection_without_a_host_means_the_same_host(void **state) {
  (void)state;
  script = reply_empty_host;
  open_first("30");
  assert_true(has_text(handle, "key", "value"));
  assert_true(nodes[1].opened == 1);
}

static void reply_nonsense(struct node *node, const struct command *command, char *reply) {
  static const char *const texts[] = {
      "-MOVED\r\n",           "-MOVED 1\r\n",         "-MOVED x 127.0.0.1:1\r\n",
      "-MOVED 99999 h:1\r\n", "-MOVED 12539 h:0\r\n", "-ASK 12539 127.0.0.1\r\n",
      "-MOVED 12539 ?:1\r\n"};
  (void)node;
  if (is(command, "GET") && step < (int)LENGTH(texts)) snprintf(reply, REPLY, "%s", texts[step++]);
}

static void redirections_that_are_not_valid_are_tried_again(void **state) {
  (void)state;
  script = reply_nonsense;
  open_first("30");
  assert_true(has_text(handle, "key", "value"));
  assert_int_equal(step, 7);
}

/* ---- ASK ---- */

/* Valkey 9 redirects EXEC; Redis redirects the commands that are queued. */
static void reply_ask_at_exec(struct node *node, const struct command *command, char *reply) {
  static bool asking, in_multi;
  if (is(command, "MULTI")) in_multi = true;
  if (is(command, "ASKING")) asking = index_of(node) == 1;
  if (is(command, "EXEC") && !in_multi) {
    snprintf(reply, REPLY, "-ERR EXEC without MULTI\r\n");
  } else if (is(command, "EXEC") && index_of(node) == 0 && step > 0) {
    snprintf(reply, REPLY, "-ASK 12539 127.0.0.1:%d\r\n", port(1));
  } else if (is(command, "EXEC") && step > 0 && asking) {
    snprintf(reply, REPLY, "*2\r\n+OK\r\n:5\r\n");
  } else if (is(command, "EXEC")) {
    snprintf(reply, REPLY, "*0\r\n");
  } else if (is(command, "INCRBY") || (is(command, "SET") && in_multi)) {
    snprintf(reply, REPLY, "+QUEUED\r\n");
    step += is(command, "INCRBY");
  }
  if (is(command, "EXEC")) in_multi = false;
}

static void exec_may_be_redirected(void **state) {
  (void)state;
  script = reply_ask_at_exec;
  open_first("30");
  int64_t sum = 0;
  cachette_error error;
  int status = increment(handle, "key", 5, &sum, &error);
  if (status < 0) fail_msg("%s", error.message);
  assert_int_equal(sum, 5);
  assert_int_equal(step, 2);
  assert_int_equal(nodes[0].opened, 1);
}

/* Without transactions, a counter that has just expired gets its TTL in a step of its own. The
 * server with its slot changes at the command `moved_at`, which is redirected by `redirection`. */
static const char *moved_at, *redirection;

static void reply_moved_counter(struct node *node, const struct command *command, char *reply) {
  static bool counted;
  static int expiries;
  if (step == 0) counted = false, expiries = 0, step = 1;
  if (is(command, "EXEC"))
    snprintf(reply, REPLY, "-ERR unknown command\r\n");
  else if (is(command, "SET"))
    snprintf(reply, REPLY, "$-1\r\n");
  else if (counted && index_of(node) == 0 && is(command, moved_at))
    snprintf(reply, REPLY, "-%s 12539 127.0.0.1:%d\r\n", redirection, port(1));
  else if (is(command, "PTTL"))
    snprintf(reply, REPLY, ":%d\r\n", counted ? -1 : -2);
  else if (is(command, "INCRBY"))
    snprintf(reply, REPLY, ":%d\r\n", counted ? 10 : 5), counted = true;
  else if (is(command, "PEXPIRE"))
    snprintf(reply, REPLY, ":1\r\n"), expiries += index_of(node) == 1;
  if (expiries > 0) step = 2;
}

static void check_moved_counter(const char *at, const char *word) {
  script = reply_moved_counter;
  moved_at = at;
  redirection = word;
  open_first("30");
  int64_t sum = 0;
  cachette_error error;
  int status = increment(handle, "key", 5, &sum, &error);
  if (status < 0) fail_msg("%s", error.message);
  assert_int_equal(sum, 5);
  assert_int_equal(step, 2);
}

static void a_counter_gets_its_ttl_if_its_slot_moves_meanwhile(void **state) {
  (void)state;
  check_moved_counter("PTTL", "MOVED");
}

static void a_counter_gets_its_ttl_if_it_moves_when_that_is_set(void **state) {
  (void)state;
  check_moved_counter("PEXPIRE", "MOVED");
}

static void a_counter_gets_its_ttl_from_the_server_that_imports_it(void **state) {
  (void)state;
  check_moved_counter("PEXPIRE", "ASK");
}

/* ---- Refusals ---- */

static void reply_refusals(struct node *node, const struct command *command, char *reply) {
  static const char *const texts[] = {"-TRYAGAIN Multiple keys\r\n", "-CLUSTERDOWN Hash slot\r\n",
                                      "-LOADING Redis is loading\r\n"};
  (void)node;
  if (is(command, "GET") && step < 6) snprintf(reply, REPLY, "%s", texts[step++ % 3]);
}

static void temporary_refusals_are_tried_again(void **state) {
  (void)state;
  script = reply_refusals;
  open_first("30");
  assert_true(has_text(handle, "key", "value"));
  assert_int_equal(step, 6);
}

static void reply_tryagain(struct node *node, const struct command *command, char *reply) {
  (void)node;
  if (is(command, "GET")) snprintf(reply, REPLY, "-TRYAGAIN Multiple keys\r\n");
}

static void at_the_deadline_the_reason_names_the_node(void **state) {
  (void)state;
  script = reply_tryagain;
  open_first("0.5");
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "key"), CACHETTE_EUNAVAILABLE);
  char name[64];
  snprintf(name, sizeof name, "127.0.0.1:%d is moving the keys", port(0));
  assert_non_null(strstr(probe.error.message, name));
}

/* ---- Maps ---- */

static void reply_null_host(struct node *node, const struct command *command, char *reply) {
  static const int all[] = {0, 1, 2};
  (void)node;
  if (is(command, "CLUSTER")) write_map(reply, NULL, all, 3, 16383);
}

static void a_null_host_is_the_node_that_was_asked(void **state) {
  (void)state;
  script = reply_null_host;
  open_first("30");
  assert_true(has_text(handle, "key", "value")); /* this one may be sent before the map is known */
  assert_true(has_text(handle, "a", "value"));
  assert_true(has_text(handle, "b", "value"));
  assert_true(has_text(handle, "c", "value"));
  assert_int_equal(nodes[1].opened + nodes[2].opened, 2);
}

/* After the first map, a node sends one that is empty or covers less; and the slot is lost. */
static void reply_less(struct node *node, const struct command *command, char *reply) {
  static const int all[] = {0, 1, 2};
  if (is(command, "CLUSTER") &&
      nodes[0].slots_asked + nodes[1].slots_asked + nodes[2].slots_asked == 1)
    write_map(reply, "127.0.0.1", all, 3, 16383);
  else if (is(command, "CLUSTER") && index_of(node) == 1)
    write_map(reply, "127.0.0.1", all, 2, 8191);
  else if (is(command, "CLUSTER"))
    snprintf(reply, REPLY, "*0\r\n");
  if (is(command, "GET") && step == 1) {
    step++;
    snprintf(reply, REPLY, "-CLUSTERDOWN The cluster is down\r\n");
  }
}

static void an_empty_map_or_half_a_map_replaces_no_good_one(void **state) {
  (void)state;
  script = reply_less;
  open_first("30");
  assert_true(has_text(handle, "key", "value"));
  assert_true(has_text(handle, "a", "value"));
  step = 1;
  for (int64_t start = monotonic_ms(); monotonic_ms() - start < 1500;) {
    assert_true(has_text(handle, "a", "value"));
    assert_true(has_text(handle, "b", "value"));
    assert_true(has_text(handle, "c", "value"));
  }
  pthread_mutex_lock(&lock);
  assert_true(nodes[0].slots_asked + nodes[1].slots_asked + nodes[2].slots_asked > 1);
  pthread_mutex_unlock(&lock);
}

/* A server that is loading its data accepts no client yet, so to say. */
static void reply_down(struct node *node, const struct command *command, char *reply) {
  (void)node;
  if (is(command, "CLUSTER")) snprintf(reply, REPLY, "-LOADING Redis is loading\r\n");
  if (is(command, "GET")) snprintf(reply, REPLY, "-CLUSTERDOWN Hash slot not served\r\n");
}

static void without_a_map_ops_fail_with_the_reason(void **state) {
  (void)state;
  script = reply_down;
  open_first("2");
  struct probe probe;
  int status = probe_run(handle, &probe, CACHETTE_FETCH, "key");
  assert_true(status < 0);
  assert_non_null(strstr(probe.error.message, "127.0.0.1:"));
}

/* At first all nodes share the slots; after step 1 the last one has them all. */
static void reply_fewer(struct node *node, const struct command *command, char *reply) {
  static const int all[] = {0, 1, 2}, last[] = {2};
  (void)node;
  if (is(command, "CLUSTER") && step == 0) write_map(reply, "127.0.0.1", all, 3, 16383);
  if (is(command, "CLUSTER") && step > 0) write_map(reply, "127.0.0.1", last, 1, 16383);
  if (is(command, "GET") && step == 1) {
    step++;
    snprintf(reply, REPLY, "-CLUSTERDOWN The cluster is down\r\n");
  }
}

/* What a child cannot free: two connections that the loop of its parent is closing, and what is
 * created once. */
enum { LEFT = 8 };

struct closing {
  cachette_options *options;
  long blocks; /* that there were before */
};

static void close_and_count(void *data) {
  struct closing *self = data;
  cachette_close(handle);
  cachette_options_free(self->options);
  child_assert(failing_allocator_live() - self->blocks <= LEFT);
}

/* Another handle finds out that nodes are gone, so that this one removes them at its next op. */
static void a_child_frees_a_node_that_its_parent_is_closing(void **state) {
  (void)state;
  char url[64];
  struct closing closing = {NULL, failing_allocator_live()};
  script = reply_fewer;
  snprintf(url, sizeof url, "redis+cluster://127.0.0.1:%d", port(0));
  cachette_options *options =
      options_with("backend", "redis", "redis_url", url, "timeout", "10", NULL);
  cachette *other = NULL;
  assert_int_equal(cachette_open(options, &other, NULL), CACHETTE_OK);
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  assert_true(has_text(handle, "c", "value"));
  assert_true(has_text(other, "a", "value"));
  step = 1;
  for (bool asked = false; !asked;) {
    assert_true(has_text(other, "a", "value"));
    pthread_mutex_lock(&lock);
    asked = nodes[2].slots_asked > 0;
    pthread_mutex_unlock(&lock);
  }
  assert_true(has_text(other, "a", "value")); /* after the map, on the same connection */
  cachette_close(other);
  closing.options = options;
  struct probe probe;
  probe_init(&probe, CACHETTE_FETCH, "c");
  probe_submit(handle, &probe);
  run_in_child(close_and_count, &closing);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  cachette_op_deinit(&probe.op);
  cachette_options_free(options);
}

/* ---- Clears ---- */

/* Returns whether a command has a word. */
static bool has(const struct command *command, const char *word) {
  for (int i = 1; i < command->count; i++)
    if (strcmp(command->words[i], word) == 0) return true;
  return false;
}

/* The first node lists a key that it redirects. So the second one has gained a slot meanwhile, with
 * a key that nobody has listed yet. */
static void reply_scans(struct node *node, const struct command *command, char *reply) {
  static const char *const keys[] = {"ns:1", "ns:2"};
  int index = index_of(node);
  if (is(command, "SCAN") && index < 2)
    snprintf(reply, REPLY, "*2\r\n$1\r\n0\r\n*1\r\n$4\r\n%s\r\n", keys[index]);
  else if (is(command, "UNLINK") && index == 0)
    snprintf(reply, REPLY, "-MOVED 14076 127.0.0.1:%d\r\n", port(1));
  else if (is(command, "UNLINK"))
    snprintf(reply, REPLY, ":1\r\n"), step |= has(command, "ns:1") ? 1 : 2;
}

static void a_node_that_gains_slots_during_a_clear_is_scanned_too(void **state) {
  (void)state;
  script = reply_scans;
  open_first("30");
  struct probe probe;
  int status = probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns");
  if (status < 0) fail_msg("%s", probe.error.message);
  assert_int_equal(probe.op.number, 2);
  assert_int_equal(step, 3);
}

/* ---- Out of memory ---- */

/* The first node redirects to the second one, which is handing the slot over to the third one. */
static void reply_both(struct node *node, const struct command *command, char *reply) {
  static bool asking, in_multi[NODES], queued;
  int index = index_of(node);
  int slot = has(command, "ns:1") ? 14076 : has(command, "ns:2") ? 1695 : 12539;
  bool is_keyed = is(command, "GET") || is(command, "INCRBY") || is(command, "UNLINK");
  if (is(command, "HELLO")) {
    in_multi[index] = false;
  } else if (is(command, "SCAN")) {
    reply_scans(node, command, reply);
  } else if (is(command, "MULTI")) {
    in_multi[index] = true, queued = false;
  } else if (is(command, "EXEC")) {
    const char *text = !in_multi[index] ? "-ERR EXEC without MULTI"
                       : !queued        ? "*0"
                                        : "*2\r\n+OK\r\n:5";
    snprintf(reply, REPLY, "%s\r\n", in_multi[index] && queued && index < 2 ? "-EXECABORT" : text);
    in_multi[index] = false;
  } else if (is_keyed && index == 0) {
    queued = in_multi[0];
    snprintf(reply, REPLY, "-MOVED %d 127.0.0.1:%d\r\n", slot, port(1));
  } else if (is_keyed && index == 1) {
    queued = in_multi[1];
    snprintf(reply, REPLY, "-ASK %d 127.0.0.1:%d\r\n", slot, port(2));
  } else if (is_keyed && in_multi[2]) {
    queued = true;
    snprintf(reply, REPLY, "+QUEUED\r\n");
  } else if (is(command, "SET") && in_multi[index]) {
    snprintf(reply, REPLY, "+QUEUED\r\n");
  } else if (is(command, "GET")) {
    must(asking);
    snprintf(reply, REPLY, "$%zu\r\n%s\r\n", strlen(NOMEM_VALUE), NOMEM_VALUE);
  } else if (is_keyed) {
    snprintf(reply, REPLY, ":1\r\n");
  }
  if (index == 2) asking = is(command, "ASKING");
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  static const struct nomem_call calls[] = {
      {CACHETTE_FETCH, .keys = {"key"}},
      {CACHETTE_INCREMENT, .keys = {"key"}, .amount = 5},
      {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
  };
  char url[64];
  script = reply_both;
  snprintf(url, sizeof url, "redis://127.0.0.1:%d", port(0));
  cachette_options *options =
      options_with("backend", "redis", "redis_url", url, "timeout", "5", NULL);
  struct nomem_store store = {
      options, calls, LENGTH(calls), {CACHETTE_EUNAVAILABLE, CACHETTE_EBACKEND}};
  assert_int_equal(nomem_use_store(&store), 0);
  for (int i = 0; i < NODES; i++) peer_wait(&nodes[i].peer); /* their descriptors count, too */
  assert_true(nomem_each(nomem_use_store, &store) > 40);
  cachette_options_free(options);
  handle = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_nodes, stop_nodes)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_op_is_redirected_five_times_at_most),
      TEST(a_node_that_redirects_to_itself_is_connected_to_anew),
      TEST(a_redirection_without_a_host_means_the_same_host),
      TEST(redirections_that_are_not_valid_are_tried_again),
      TEST(exec_may_be_redirected),
      TEST(a_counter_gets_its_ttl_if_its_slot_moves_meanwhile),
      TEST(a_counter_gets_its_ttl_if_it_moves_when_that_is_set),
      TEST(a_counter_gets_its_ttl_from_the_server_that_imports_it),
      TEST(temporary_refusals_are_tried_again),
      TEST(at_the_deadline_the_reason_names_the_node),
      TEST(a_null_host_is_the_node_that_was_asked),
      TEST(an_empty_map_or_half_a_map_replaces_no_good_one),
      TEST(without_a_map_ops_fail_with_the_reason),
      TEST(a_child_frees_a_node_that_its_parent_is_closing),
      TEST(a_node_that_gains_slots_during_a_clear_is_scanned_too),
      TEST(each_failing_allocation_is_handled),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
