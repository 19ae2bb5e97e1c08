/* SPDX-License-Identifier: MIT */
/* The MongoDB store with invalid settings, a wrong login, a failing server, and forks. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mongod_server.h"
#include "peer.h"
#include "store/common/module.h"
#include "store/registry.h"
#include "support.h"

#define MARGIN_MS 5000 /* tolerance for a busy machine */

static struct mongod_server server;

static int start_server(void **state) {
  (void)state;
  mongod_server_start(&server, NULL);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  mongod_server_remove(&server);
  return 0;
}

static cachette *open_at(const char *url, const char *timeout) {
  return open_cache(
      options_with("backend", "mongodb", "mongodb_url", url, "timeout", timeout, NULL));
}

static void pause_ms(long ms) {
  const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

/* ---- Settings ---- */

static void errors_name_an_invalid_setting(void **state) {
  (void)state;
  static const struct {
    const char *name, *value, *message;
  } cases[] = {
      {"mongodb_url", "mongo://h", "must begin with mongodb://"},
      {"mongodb_url", "redis://user:hunter2@h", "must begin with mongodb://"},
      {"mongodb_url", "mongodb://user:hun/ter2@h", "write %2F"},
      {"mongodb_url", "mongodb://user:hunter2@", "is not valid"},
      {"mongodb_url", "mongodb://user:hunter2@h:port", "port"},
      {"mongodb_url", "mongodb://user:hunter2@h/?w=hunter2&tls=hunter2x&Password=hunter2",
       "libmongoc cannot parse it"},
      {"mongodb_url", "mongodb+srv://user:hunter2@h", "is not valid"},
      {"database_name", "a.b", "database name must not contain"},
      {"database_name", "a b", "database name must not contain"},
      {"database_name", "a$", "database name must not contain"},
      {"database_name", "0123456789012345678901234567890123456789012345678901234567890123",
       "at most 63 bytes"},
      {"table_name", "a$b", "must not contain $"},
      {"table_name", "system.users", "begin with \"system.\""},
      {"table_name", ".a", "must not begin or end with a dot"},
      {"table_name", "a.", "must not begin or end with a dot"},
      {"table_name", "a..b", "two dots in a row"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_options *options = options_with("backend", "mongodb", "mongodb_url", server.url,
                                             cases[i].name, cases[i].value, NULL);
    cachette_error error = {.code = 0};
    assert_int_equal(cachette_options_check(options, &error, 1), 1);
    assert_int_equal(error.code, CACHETTE_ECONFIG);
    assert_string_equal(error.subject, cases[i].name);
    if (strstr(error.message, cases[i].message) == NULL) fail_msg("%s", error.message);
    if (strstr(error.message, "hun") != NULL) fail_msg("%s", error.message);
    cachette *handle;
    assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_ECONFIG);
    cachette_options_free(options);
  }
}

static void certificate_and_key_must_be_one_file(void **state) {
  (void)state;
  cachette_options *options =
      options_with("backend", "mongodb", "mongodb_url", "mongodb://h/?tls=true", "tls_cert_file",
                   "a.pem", "tls_key_file", "b.pem", NULL);
  cachette_error error = {.code = 0};
  assert_int_equal(cachette_options_check(options, &error, 1), 1);
  assert_string_equal(error.subject, "tls_key_file");
  assert_non_null(strstr(error.message, "one PEM file"));
  cachette_options_free(options);
}

/* ---- Users ---- */

static const char *const with_auth[] = {"--auth", NULL};

/* Starts a server that requires passwords. */
static void start_secured(struct mongod_server *secured) {
  mongod_server_start(secured, NULL);
  mongod_command(secured->url, "admin",
                 "{\"createUser\": \"writer\", \"pwd\": \"hunter2\", \"roles\": "
                 "[{\"role\": \"readWrite\", \"db\": \"cachette-db\"}]}");
  mongod_command(secured->url, "admin",
                 "{\"createUser\": \"reader\", \"pwd\": \"hunter2\", \"roles\": "
                 "[{\"role\": \"read\", \"db\": \"cachette-db\"}]}");
  mongod_command(secured->url, "admin",
                 "{\"createRole\": \"plain\", \"roles\": [], \"privileges\": [{\"resource\": "
                 "{\"db\": \"cachette-db\", \"collection\": \"cachette\"}, \"actions\": "
                 "[\"find\", \"insert\", \"update\", \"remove\"]}]}");
  mongod_command(secured->url, "admin",
                 "{\"createUser\": \"plain\", \"pwd\": \"hunter2\", \"roles\": [\"plain\"]}");
  mongod_command(secured->url, "admin", "{\"fsync\": 1}"); /* else the kill could lose the users */
  mongod_server_kill(secured);
  mongod_server_restart(secured, with_auth);
}

static cachette *open_as(const struct mongod_server *secured, const char *user) {
  char url[160];
  snprintf(url, sizeof url, "mongodb://%s@127.0.0.1:%d/?authSource=admin", user, secured->port);
  return open_at(url, "10");
}

static void expect_failure(cachette *handle, enum cachette_verb verb, int code, const char *text) {
  struct probe probe;
  probe_init(&probe, verb, "key");
  probe.item.value = cachette_str("value");
  int status = cachette_run(handle, &probe.op);
  if (status == CACHETTE_OK) status = probe.item.status;
  assert_int_equal(status, code);
  if (strstr(probe.error.message, text) == NULL || strstr(probe.error.message, "hunter") != NULL)
    fail_msg("%s", probe.error.message);
}

static void a_wrong_login_or_missing_rights_are_reported(void **state) {
  (void)state;
  struct mongod_server secured;
  start_secured(&secured);
  cachette *handle = open_as(&secured, "writer:hunter2");
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);

  handle = open_as(&secured, "writer:hunter3");
  expect_failure(handle, CACHETTE_FETCH, CACHETTE_EBACKEND, "refuses the user name or password");
  expect_failure(handle, CACHETTE_PUT, CACHETTE_EBACKEND, "refuses the user name or password");
  cachette_close(handle);

  handle = open_as(&secured, "reader:hunter2");
  assert_true(has_text(handle, "key", "value"));
  expect_failure(handle, CACHETTE_PUT, CACHETTE_EBACKEND, "grant the role readWrite");
  expect_failure(handle, CACHETTE_CLEAR, CACHETTE_EBACKEND, "grant the role readWrite");
  expect_failure(handle, CACHETTE_INCREMENT, CACHETTE_EBACKEND, "grant the role readWrite");
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);

  handle = open_as(&secured, "plain:hunter2"); /* a user that may not create indexes */
  put_text(handle, "key", "other", 0);
  assert_true(has_text(handle, "key", "other"));
  cachette_close(handle);

  handle = open_at(secured.url, "10");
  expect_failure(handle, CACHETTE_FETCH, CACHETTE_EBACKEND, "grant the role readWrite");
  cachette_close(handle);
  mongod_server_remove(&secured);
}

/* ---- The server ---- */

static void errors_name_an_unreachable_server(void **state) {
  (void)state;
  cachette *handle = open_at("mongodb://127.0.0.1:1/", "2");
  int64_t before = monotonic_ms();
  expect_failure(handle, CACHETTE_FETCH, CACHETTE_EUNAVAILABLE,
                 "MongoDB at 127.0.0.1:1 cannot be reached");
  assert_in_range(monotonic_ms() - before, 0, 2000 + MARGIN_MS);
  cachette_close(handle);
}

static void a_server_that_hangs_does_not_block_the_caller(void **state) {
  (void)state;
  enum { MANY = 30, TIMEOUT_MS = 500 };
  static struct probe probes[MANY];
  cachette *handle = open_at(server.url, "0.5");
  put_text(handle, "key", "value", 0);
  mongod_server_stop(&server);
  int64_t before = monotonic_ms();
  for (int i = 0; i < MANY; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_ETIMEDOUT);
    assert_non_null(strstr(probes[i].error.message, "MongoDB at 127.0.0.1"));
    assert_non_null(strstr(probes[i].error.message, "did not answer within 0.5 s"));
  }
  assert_in_range(monotonic_ms() - before, TIMEOUT_MS - 10, TIMEOUT_MS + MARGIN_MS);
  mongod_server_continue(&server);
  for (int i = 0; i < 100 && probe_run(handle, &probes[0], CACHETTE_EXISTS, "key") < 0; i++)
    pause_ms(20);
  assert_int_equal(probes[0].op.number, 1);

  mongod_server_stop(&server);
  for (int i = 0; i < MANY; i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  pause_ms(50); /* the threads start running */
  before = monotonic_ms();
  cachette_close(handle);
  assert_in_range(monotonic_ms() - before, 0, TIMEOUT_MS + MARGIN_MS);
  for (int i = 0; i < MANY; i++) probe_expect(&probes[i], CACHETTE_ECLOSED);
  mongod_server_continue(&server);
  handle = open_at(server.url, "5");
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

/*
 * When libmongoc closes, it ends its sessions and waits for the answer of the server.
 * cachette_close() must not wait for that.
 */
static void a_close_does_not_wait_for_a_server_that_hangs(void **state) {
  (void)state;
  enum { ROUNDS = 10, IDLE = 4 };
  struct probe probes[IDLE];
  for (int round = 0; round < ROUNDS; round++) {
    cachette *handle = open_at(server.url, "30");
    put_text(handle, "key", "value", 0);
    for (int i = 0; i < IDLE; i++) {
      probe_init(&probes[i], CACHETTE_EXISTS, "key");
      probe_submit(handle, &probes[i]);
    }
    for (int i = 0; i < IDLE; i++) assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
    mongod_server_stop(&server);
    int64_t before = monotonic_ms();
    cachette_close(handle);
    int64_t waited = monotonic_ms() - before;
    mongod_server_continue(&server);
    assert_in_range(waited, 0, MARGIN_MS);
  }
}

/* The server does not answer the connection attempt, as behind a firewall. */
static void a_close_does_not_wait_for_a_connection_attempt(void **state) {
  (void)state;
  enum { ROUNDS = 5 };
  struct full_socket full;
  struct probe probe;
  char url[64];
  full_socket_open(&full, "127.0.0.1", 0);
  snprintf(url, sizeof url, "mongodb://127.0.0.1:%u", port_of(full.listener));
  for (int round = 0; round < ROUNDS; round++) {
    cachette_options *options = options_with("backend", "mongodb", "mongodb_url", url, "timeout",
                                             "20", "connect_timeout", "20", NULL);
    cachette *handle;
    assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
    cachette_options_free(options);
    probe_init(&probe, CACHETTE_FETCH, "key");
    probe_submit(handle, &probe);
    pause_ms(50); /* the connection attempt has started */
    int64_t before = monotonic_ms();
    cachette_close(handle);
    assert_in_range(monotonic_ms() - before, 0, MARGIN_MS);
    probe_expect(&probe, CACHETTE_ECLOSED);
  }
  full_socket_close(&full);
}

static void a_restarted_server_is_used_again(void **state) {
  (void)state;
  cachette *handle = open_at(server.url, "5");
  put_text(handle, "key", "value", 0);
  struct probe probe;
  for (int i = 0; i < 8; i++) assert_true(has_key(handle, "key"));
  mongod_server_kill(&server);
  mongod_server_restart(&server, NULL);
  /* The old connections are broken. The op opens a new one. */
  assert_int_equal(probe_run(handle, &probe, CACHETTE_EXISTS, "key"), CACHETTE_OK);
  mongod_server_kill(&server);
  probe_init(&probe, CACHETTE_FETCH, "key");
  probe.op.timeout_ms = 300;
  assert_true(cachette_run(handle, &probe.op) < 0);
  mongod_server_restart(&server, NULL);
  for (int i = 0; i < 100 && probe_run(handle, &probe, CACHETTE_EXISTS, "key") < 0; i++)
    pause_ms(20);
  assert_int_equal(probe.op.status, CACHETTE_OK);
  put_text(handle, "key", "again", 0);
  assert_true(has_text(handle, "key", "again"));
  cachette_close(handle);
}

/* Otherwise each op would wait for three quarters of the timeout, 75 s together. */
static void many_ops_on_a_missing_server_wait_for_one_timeout(void **state) {
  (void)state;
  enum { MANY = 50 };
  struct probe probe, other;
  mongod_server_kill(&server);
  cachette *handle = open_at(server.url, "2");
  int64_t before = monotonic_ms();
  for (int i = 0; i < MANY; i++) {
    probe_run(handle, &probe, CACHETTE_FETCH, "key");
    assert_int_equal(probe.op.status, CACHETTE_EUNAVAILABLE);
    assert_non_null(strstr(probe.error.message, "cannot be reached"));
  }
  assert_in_range(monotonic_ms() - before, 1000, 1500 + MARGIN_MS);
  /* A ping blocks no other op, and can be cancelled. */
  pause_ms(300);
  probe_init(&probe, CACHETTE_FETCH, "key");
  probe.op.timeout_ms = 100;
  probe_submit(handle, &probe);
  for (int i = 0; i < MANY; i++) {
    probe_run(handle, &other, CACHETTE_FETCH, "key");
    assert_int_equal(other.op.status, CACHETTE_EUNAVAILABLE);
  }
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_ETIMEDOUT);
  mongod_server_restart(&server, NULL);
  for (int i = 0; i < 500 && probe_run(handle, &probe, CACHETTE_EXISTS, "key") < 0; i++)
    pause_ms(20);
  assert_int_equal(probe.op.status, CACHETTE_OK);
  cachette_close(handle);
}

/* The first put waits for the creation of the indexes, which fails without a server, too. */
static void the_error_of_a_first_put_has_the_reason(void **state) {
  (void)state;
  cachette *handle = open_at("mongodb://127.0.0.1:1/", "2");
  expect_failure(handle, CACHETTE_PUT, CACHETTE_EUNAVAILABLE,
                 "MongoDB at 127.0.0.1:1 cannot be reached");
  cachette_close(handle);
  cachette_options *options =
      options_with("backend", "mongodb", "mongodb_url", "mongodb://127.0.0.1:1/", "timeout", "2",
                   "mongodb_pool_size", "1", NULL);
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  expect_failure(handle, CACHETTE_INCREMENT, CACHETTE_EUNAVAILABLE, "cannot be reached");
  cachette_close(handle);
}

static const char *const with_failpoints[] = {"--setParameter", "enableTestCommands=1", NULL};

static void fail_command(const struct mongod_server *at, const char *mode, const char *data) {
  char command[256];
  snprintf(command, sizeof command,
           "{\"configureFailPoint\": \"failCommand\", \"mode\": %s, \"data\": {%s}}", mode, data);
  mongod_command(at->url, "admin", command);
}

/*
 * A bulk write has two parts. The server refuses one item, and one part does not arrive. All items
 * without an error must be stored.
 */
static void expect_lost_part_reported(const struct mongod_server *at) {
  enum { COUNT = 4, SIZE = 15 << 20, ROUNDS = 5 };
  static char value[SIZE], long_key[1100];
  const char *const keys[COUNT] = {long_key, "a", "b", "c"};
  cachette_item items[COUNT];
  cachette *handle = open_at(at->url, "20");
  put_text(handle, "key", "value", 0);
  memset(long_key, 'k', sizeof long_key - 1);
  for (int round = 0; round < ROUNDS; round++) {
    char mode[32];
    cachette_error error = {.code = 0};
    memset(value, '0' + round, SIZE);
    for (int i = 0; i < COUNT; i++)
      items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = {value, SIZE}};
    snprintf(mode, sizeof mode, "{\"skip\": %d}", round);
    fail_command(at, mode, "\"failCommands\": [\"update\"], \"closeConnection\": true");
    cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = COUNT, .error = &error};
    int code = cachette_run(handle, &op);
    fail_command(at, "\"off\"", "");
    if (code < 0) {
      assert_int_equal(code, CACHETTE_EUNAVAILABLE);
      continue;
    }
    assert_int_equal(items[0].status, CACHETTE_EBACKEND);
    for (int i = 1; i < COUNT; i++) {
      cachette_slice found;
      assert_true(items[i].status >= 0);
      assert_int_equal(cachette_fetch(handle, cachette_str(keys[i]), &found, NULL, NULL), 1);
      assert_memory_equal(found.data, value, SIZE);
      cachette_free(found.data);
    }
  }
  cachette_close(handle);
}

/* A temporary failure, as when a server steps down, must not prevent the indexes. */
static void expect_indexes_retried(const struct mongod_server *at) {
  struct probe probe;
  mongod_command(at->url, "cachette-db", "{\"dropDatabase\": 1}");
  fail_command(at, "{\"times\": 1}", "\"failCommands\": [\"createIndexes\"], \"errorCode\": 11602");
  cachette *handle = open_at(at->url, "10");
  put_text(handle, "key", "value", 0);
  mongoc_client_t *client = mongoc_client_new(at->url);
  mongoc_collection_t *entries = mongoc_client_get_collection(client, "cachette-db", "cachette");
  int found = 0;
  for (int i = 0; i < 200 && found < 3; i++) {
    const bson_t *index;
    pause_ms(50);
    assert_int_equal(probe_run(handle, &probe, CACHETTE_PUT, "key"), CACHETTE_OK);
    mongoc_cursor_t *indexes = mongoc_collection_find_indexes_with_opts(entries, NULL);
    for (found = 0; mongoc_cursor_next(indexes, &index);) found++;
    mongoc_cursor_destroy(indexes);
  }
  assert_int_equal(found, 3); /* with the one of _id */
  mongoc_collection_destroy(entries);
  mongoc_client_destroy(client);
  cachette_close(handle);
}

static void failed_commands_are_reported_or_retried(void **state) {
  (void)state;
  struct mongod_server failing;
  mongod_server_start(&failing, with_failpoints);
  expect_lost_part_reported(&failing);
  expect_indexes_retried(&failing);
  mongod_server_remove(&failing);
}

static const char *const with_replicas[] = {"--replSet", "set", NULL};

/* A replica set of one server, which steps down as primary and is elected again. */
static void a_replica_set_is_followed(void **state) {
  (void)state;
  struct mongod_server member;
  struct probe probe;
  char url[512], command[256];
  mongod_server_start(&member, with_replicas);
  snprintf(command, sizeof command,
           "{\"replSetInitiate\": {\"_id\": \"set\", \"members\": [{\"_id\": 0, \"host\": "
           "\"127.0.0.1:%d\"}]}}",
           member.port);
  mongod_command(member.url, "admin", command);
  snprintf(url, sizeof url, "%s/?replicaSet=set&w=majority&readPreference=primaryPreferred",
           member.url);
  cachette *handle = open_at(url, "5");
  for (int i = 0; i < 200 && probe_run(handle, &probe, CACHETTE_PUT, "key") < 0; i++) pause_ms(50);
  assert_int_equal(probe.op.status, CACHETTE_OK);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  mongoc_client_t *client = mongoc_client_new(url);
  bson_t *step_down = BCON_NEW("replSetStepDown", BCON_INT32(2), "force", BCON_BOOL(true));
  /* The server closes the connection. */
  mongoc_client_command_simple(client, "admin", step_down, NULL, NULL, NULL);
  bson_destroy(step_down);
  mongoc_client_destroy(client);
  for (int i = 0; i < 400 && probe_run(handle, &probe, CACHETTE_PUT, "other") < 0; i++) {
    assert_true(strlen(probe.error.message) > 0);
    pause_ms(50);
  }
  assert_int_equal(probe.op.status, CACHETTE_OK);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
  handle = open_at(member.url, "5");
  cachette_close(handle);
  snprintf(url, sizeof url, "%s/?replicaSet=another", member.url);
  handle = open_at(url, "2");
  expect_failure(handle, CACHETTE_FETCH, CACHETTE_EUNAVAILABLE, "cannot be reached");
  cachette_close(handle);
  mongod_server_remove(&member);
}

static void every_op_completes_when_the_server_dies_under_load(void **state) {
  (void)state;
  enum { MANY = 60, ROUNDS = 3 };
  static struct probe probes[MANY];
  cachette *handle = open_at(server.url, "3");
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < MANY; i++) {
      static const enum cachette_verb verbs[] = {CACHETTE_PUT, CACHETTE_FETCH, CACHETTE_INCREMENT,
                                                 CACHETTE_CLEAR};
      probe_init(&probes[i], verbs[i % 4], i % 4 == 2 ? "counter" : "load");
      probes[i].item.value = cachette_str("value");
      probe_submit(handle, &probes[i]);
      if (i == MANY / 2) {
        cachette_process(handle);
        mongod_server_kill(&server);
      }
    }
    mongod_server_restart(&server, NULL);
    for (int i = 0; i < MANY; i++) {
      probe_wait(handle, &probes[i]);
      assert_int_equal(probes[i].done, 1);
      if (probes[i].op.status < 0) assert_true(strlen(probes[i].error.message) > 0);
      if (i % 4 == 1 && probes[i].item.status == CACHETTE_HIT)
        assert_slice(probes[i].item.value, "value");
      cachette_op_deinit(&probes[i].op);
    }
  }
  cachette_close(handle);
}

/* ---- Forks and modules ---- */

static void close_in_child(void *data) {
  cachette_close(data);
  cachette *own = open_at(server.url, "5");
  child_assert(has_text(own, "key", "parent's"));
  cachette_close(own);
}

static void a_child_opens_its_own_handle(void **state) {
  (void)state;
  cachette *handle = open_at(server.url, "5");
  put_text(handle, "key", "parent's", 0);
  run_in_child(close_in_child, handle);
  assert_true(has_text(handle, "key", "parent's"));
  cachette_close(handle);
}

static void open_without_module(void *data) {
  cachette_options *options = data;
  cachette *handle;
  cachette_error error;
  child_assert(cachette_options_check(options, NULL, 0) == 0);
  child_assert(cachette_open(options, &handle, &error) == CACHETTE_EUNSUPPORTED);
  child_assert(strstr(error.message, "\"dynamodb\" backend is not part of this build") != NULL);
  child_assert(strstr(error.message, "libcurl4-openssl-dev") != NULL);
  child_assert(strstr(error.message, "-Ddynamodb=enabled") != NULL);
}

static void a_missing_module_is_reported(void **state) {
  (void)state;
  cachette_options *options = options_with("backend", "dynamodb", "region", "eu-west-1", NULL);
  const char *folder = cachette__module_folder;
  cachette__module_folder = "/nonexistent";
  run_in_child(open_without_module, options);
  cachette__module_folder = folder;
  cachette_options_free(options);
}

static void open_broken_module(void *data) {
  const cachette__store_vtable *store;
  cachette_error error;
  child_assert(cachette__store_find(data, &store, &error) == CACHETTE_EUNSUPPORTED);
  child_assert(strstr(error.message, "could not be loaded") != NULL);
}

/* The module's file is not a shared object. */
static void a_module_that_cannot_be_loaded_is_reported(void **state) {
  (void)state;
  char folder[] = "/tmp/cachette-module-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/cachette-dynamodb.so", folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs("no module", file);
  fclose(file);
  const char *before = cachette__module_folder;
  cachette__module_folder = folder;
  char backend[] = "dynamodb";
  run_in_child(open_broken_module, backend);
  cachette__module_folder = before;
  unlink(path);
  rmdir(folder);
}

static void a_module_of_another_build_is_refused(void **state) {
  (void)state;
  const cachette__module_stamp own = CACHETTE__MODULE_STAMP;
  cachette__module_stamp stamps[] = {own, own, own};
  static const cachette__module_table table = {.cachette_str = cachette_str};
  char path[512];
  snprintf(path, sizeof path, "%s/cachette-mongodb.so", cachette__module_folder);
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) fail_msg("%s", dlerror());
  cachette__module_entry *entry;
  *(void **)&entry = dlsym(object, CACHETTE__MODULE_ENTRY);
  assert_non_null(entry);
  stamps[0].table--;
  stamps[1].version = "0.0.1";
  stamps[2].options++;
  for (size_t i = 0; i < LENGTH(stamps); i++) assert_null(entry(&stamps[i], &table));
  dlclose(object);
}

/* The timeout of an op may exceed the option "timeout". */
static void an_op_with_a_longer_timeout_waits_for_its_answer(void **state) {
  (void)state;
  cachette *handle = open_at(server.url, "0.3");
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "patient");
  probe.item.value = cachette_str("patient");
  probe.op.timeout_ms = 20000;
  if (cachette_run(handle, &probe.op) < 0) fail_msg("%s", probe.error.message);
  mongod_server_stop(&server);
  probe_init(&probe, CACHETTE_EXISTS, "patient");
  probe.op.timeout_ms = 20000;
  probe_submit(handle, &probe);
  for (int i = 0; i < 8; i++) {
    cachette_process(handle);
    pause_ms(100); /* in total longer than the option "timeout" */
  }
  assert_true(cachette_op_pending(&probe.op));
  mongod_server_continue(&server);
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  assert_int_equal(probe.item.status, CACHETTE_HIT);
  cachette_close(handle);
}

#define test(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(errors_name_an_invalid_setting),
      test(certificate_and_key_must_be_one_file),
      test(a_wrong_login_or_missing_rights_are_reported),
      test(errors_name_an_unreachable_server),
      test(a_server_that_hangs_does_not_block_the_caller),
      test(a_close_does_not_wait_for_a_server_that_hangs),
      test(a_close_does_not_wait_for_a_connection_attempt),
      test(an_op_with_a_longer_timeout_waits_for_its_answer),
      test(a_restarted_server_is_used_again),
      test(many_ops_on_a_missing_server_wait_for_one_timeout),
      test(the_error_of_a_first_put_has_the_reason),
      test(failed_commands_are_reported_or_retried),
      test(a_replica_set_is_followed),
      test(every_op_completes_when_the_server_dies_under_load),
      test(a_child_opens_its_own_handle),
      test(a_missing_module_is_reported),
      test(a_module_that_cannot_be_loaded_is_reported),
      test(a_module_of_another_build_is_refused),
  };
  mongoc_init();
  return cmocka_run_group_tests_name("mongodb_failures", tests, start_server, remove_server);
}
