/* SPDX-License-Identifier: MIT */
/* What all backends have in common: counters, touch, exists, put if absent, ping, cancelling. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memcached_server.h"
#include "redis_server.h"
#ifdef WITH_DYNAMODB
#include "dynamodb_server.h"
#endif
#ifdef WITH_FILE
#include "file_folder.h"
#endif
#ifdef WITH_MONGODB
#include "mongod_server.h"
#endif
#include "support.h"

static struct redis_server redis;
static struct memcached_server memcached, with_sasl;
static char sasl_directory[64];

static cachette *open_in_memory(void) { return open_memory(NULL); }

static cachette *open_on_redis(void) {
  return open_cache(options_with("backend", "redis", "redis_url", redis.url, "key_prefix",
                                 "verbs:", "timeout", "5", NULL));
}

static cachette *open_on_memcached(void) {
  return open_cache(options_with("backend", "memcached", "memcached_host", memcached.host,
                                 "key_prefix", "verbs:", "timeout", "5", NULL));
}

static cachette *open_on_memcached_with_sasl(void) {
  return open_cache(options_with("backend", "memcached", "memcached_host", with_sasl.host,
                                 "memcached_auth", "sasl", "memcached_username", "user",
                                 "memcached_password", "secret", "timeout", "5", NULL));
}

#ifdef WITH_MONGODB
static struct mongod_server mongod;

static cachette *open_on_mongodb(void) {
  return open_cache(options_with("backend", "mongodb", "mongodb_url", mongod.url, "key_prefix",
                                 "verbs:", "timeout", "5", NULL));
}
#endif

#ifdef WITH_DYNAMODB
static struct dynamodb_server dynamodb;

static cachette *open_on_dynamodb(void) {
  return dynamodb_open(&dynamodb, "key_prefix", "verbs:", "consistent_read", "true", NULL);
}
#endif

#ifdef WITH_FILE
static cachette *open_on_file(void) { return file_folder_open(&folder, NULL); }
#endif

struct backend {
  cachette *(*open)(void); /* does not connect yet */
  bool is_memcached;       /* TTLs in whole seconds, counters from 0 to 2^64 - 1 */
};

static const struct backend in_memory = {open_in_memory, false}, on_redis = {open_on_redis, false},
                            on_memcached = {open_on_memcached, true},
                            on_memcached_with_sasl = {open_on_memcached_with_sasl, true};
#ifdef WITH_DYNAMODB
static const struct backend on_dynamodb = {open_on_dynamodb, false};
#endif
#ifdef WITH_FILE
static const struct backend on_file = {open_on_file, false};
#endif
#ifdef WITH_MONGODB
static const struct backend on_mongodb = {open_on_mongodb, false};
#endif

static bool is_memcached(void **state) { return ((const struct backend *)*state)->is_memcached; }

static cachette *open_only(void **state) { return ((const struct backend *)*state)->open(); }

static cachette *open_empty(void **state) {
  cachette *handle = open_only(state);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  return handle;
}

/* Returns a short TTL, in milliseconds. */
static int64_t short_ttl(void **state) { return is_memcached(state) ? 1000 : 20; }

/* Waits until a short TTL has expired. */
static void wait_for_short_ttl(void **state) { usleep(is_memcached(state) ? 1500000 : 50000); }

/* Returns the value of a counter. memcached stops at zero. */
static int64_t bounded(void **state, int64_t number) {
  return is_memcached(state) && number < 0 ? 0 : number;
}

/* Returns whether the value of a key is this number. memcached pads numbers with spaces. */
static bool has_number(cachette *handle, const char *key, int64_t number) {
  cachette_slice value;
  char text[32] = "", *end;
  assert_int_equal(cachette_fetch(handle, cachette_str(key), &value, NULL, NULL), 1);
  assert_true(value.size < sizeof text);
  memcpy(text, value.data, value.size);
  cachette_free(value.data);
  return strtoll(text, &end, 10) == number && strspn(end, " ") == strlen(end);
}

static int start_servers(void **state) {
  (void)state;
  static const char *const sasl[] = {"-S", NULL};
  redis_server_start(&redis, NULL);
  memcached_server_start(&memcached, NULL);
  memcached_sasl_open(sasl_directory, sizeof sasl_directory);
  memcached_server_start(&with_sasl, sasl);
#ifdef WITH_DYNAMODB
  dynamodb_server_share(&dynamodb);
#endif
#ifdef WITH_FILE
  file_folder_create(&folder);
#endif
#ifdef WITH_MONGODB
  mongod_server_share(&mongod);
#endif
  return 0;
}

static int remove_servers(void **state) {
  (void)state;
  redis_server_remove(&redis);
  memcached_server_kill(&memcached);
  memcached_server_kill(&with_sasl);
  memcached_sasl_close(sasl_directory);
#ifdef WITH_DYNAMODB
  dynamodb_server_kill(&dynamodb);
#endif
#ifdef WITH_FILE
  file_folder_remove(&folder);
#endif
#ifdef WITH_MONGODB
  mongod_server_remove(&mongod);
#endif
  return 0;
}

static void a_counter_is_stored_as_digits(void **state) {
  cachette *handle = open_empty(state);
  int64_t sum;
  assert_int_equal(increment(handle, "visits", 0, &sum, NULL), CACHETTE_MISS);
  assert_int_equal(sum, 0);
  assert_true(has_text(handle, "visits", "0"));
  assert_int_equal(increment(handle, "visits", 41, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(increment(handle, "visits", 1, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 42);
  assert_true(has_text(handle, "visits", "42"));
  assert_int_equal(increment(handle, "visits", -50, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, bounded(state, -8));
  assert_true(has_number(handle, "visits", sum));
  put_text(handle, "visits", "1000", 0);
  assert_int_equal(increment(handle, "visits", 7, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 1007);
  cachette_close(handle);
}

static void a_counter_keeps_its_ttl(void **state) {
  cachette *handle = open_empty(state);
  cachette_item item = {.key = cachette_str("new"), .amount = 1, .ttl_ms = 30000};
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  assert_int_equal(item.status, CACHETTE_MISS);
  assert_in_range(time_left(handle, "new"), 25000, 30000);
  item.ttl_ms = 900000;
  item.amount = 1;
  assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
  assert_int_equal(item.amount, 2);
  assert_in_range(time_left(handle, "new"), 25000, 30000);
  int64_t sum;
  increment(handle, "default", 1, &sum, NULL);
  assert_in_range(time_left(handle, "default"), 55000, 60000);
  cachette_close(handle);
}

static void an_expired_counter_restarts(void **state) {
  cachette *handle = open_empty(state);
  for (int i = 0; i < 2; i++) {
    cachette_item item = {.key = cachette_str("short"), .amount = 5, .ttl_ms = short_ttl(state)};
    assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, &item, 1), 1);
    assert_int_equal(item.amount, 5);
    assert_int_equal(item.status, CACHETTE_MISS);
    wait_for_short_ttl(state);
  }
  cachette_close(handle);
}

static void values_that_are_not_counters_are_not_changed(void **state) {
  static const char *const values[] = {"", "-", "abc", "1.5", "--1", "0x10",
                                       "1234567890123456789012345678901234567890",
                                       /* memcached reads these as numbers. */
                                       "+1", " 1", "1\n", "9223372036854775808", "007", "-0"};
  cachette *handle = open_empty(state);
  size_t count = is_memcached(state) ? LENGTH(values) - 6 : LENGTH(values);
  for (size_t i = 0; i < count; i++) {
    cachette_error error = {.code = 0};
    int64_t sum;
    put_text(handle, "key", values[i], 0);
    assert_int_equal(increment(handle, "key", 1, &sum, &error), CACHETTE_ECODEC);
    assert_int_equal(error.code, CACHETTE_ECODEC);
    assert_string_equal(error.subject, "key");
    assert_non_null(strstr(error.message, "\"key\" is not a counter"));
    assert_true(has_text(handle, "key", values[i]));
  }
  cachette_close(handle);
}

static void a_counter_stays_within_64_bits(void **state) {
  static const struct {
    const char *value;
    int64_t amount;
  } cases[] = {{"9223372036854775807", 1},
               {"1", INT64_MAX},
               {"-9223372036854775808", -1},
               {"-1", INT64_MIN}};
  cachette *handle = open_empty(state);
  int64_t sum;
  size_t count = is_memcached(state) ? 2 : LENGTH(cases);
  for (size_t i = 0; i < count; i++) {
    cachette_error error = {.code = 0};
    put_text(handle, "key", cases[i].value, 0);
    assert_int_equal(increment(handle, "key", cases[i].amount, &sum, &error), CACHETTE_EINVAL);
    assert_non_null(strstr(error.message, "\"key\" would exceed the range"));
    assert_true(has_number(handle, "key", strtoll(cases[i].value, NULL, 10)));
    assert_int_equal(increment(handle, "key", 0, &sum, &error), CACHETTE_HIT);
  }
  put_text(handle, "key", "9223372036854775807", 0);
  assert_int_equal(increment(handle, "key", -INT64_MAX, &sum, NULL), CACHETTE_HIT);
  assert_int_equal(sum, 0);
  assert_int_equal(increment(handle, "low", INT64_MIN, &sum, NULL), CACHETTE_MISS);
  assert_true(has_number(handle, "low", bounded(state, INT64_MIN)));
  cachette_close(handle);
}

static void one_op_increments_many_counters(void **state) {
  enum { COUNT = 300 };
  cachette *handle = open_empty(state);
  static cachette_item items[COUNT];
  char keys[COUNT][16];
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < COUNT; i++) {
      snprintf(keys[i], sizeof keys[i], "counter:%d", i);
      items[i] = (cachette_item){.key = cachette_str(keys[i]), .amount = i - 100};
    }
    put_text(handle, "counter:7", "none", 0);
    assert_int_equal(run_items(handle, CACHETTE_INCREMENT, 0, items, COUNT), COUNT - 1);
    for (int i = 0; i < COUNT; i++) {
      assert_int_equal(items[i].status, i == 7      ? CACHETTE_ECODEC
                                        : round > 1 ? CACHETTE_HIT
                                                    : CACHETTE_MISS);
      if (i != 7) assert_int_equal(items[i].amount, bounded(state, round * (i - 100)));
    }
  }
  cachette_close(handle);
}

static void a_touch_changes_only_the_ttl(void **state) {
  cachette *handle = open_empty(state);
  put_text(handle, "a", "value", 0);
  put_text(handle, "b", "other", 0);
  cachette_item items[] = {{.key = cachette_str("a"), .ttl_ms = 900000},
                           {.key = cachette_str("absent"), .ttl_ms = 900000},
                           {.key = cachette_str("b"), .ttl_ms = short_ttl(state)}};
  assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, items, 3), 2);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_HIT);
  assert_in_range(time_left(handle, "a"), 890000, 900000);
  assert_true(has_text(handle, "a", "value"));
  wait_for_short_ttl(state);
  assert_false(has_key(handle, "b"));
  assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, &items[2], 1), 0);
  items[0].ttl_ms = 0;
  assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, items, 1), 1);
  assert_in_range(time_left(handle, "a"), 55000, 60000);
  cachette_close(handle);
}

static void exists_reports_which_keys_exist(void **state) {
  cachette *handle = open_empty(state);
  put_text(handle, "a", "value", 0);
  put_text(handle, "empty", "", 0);
  put_text(handle, "short", "value", short_ttl(state));
  wait_for_short_ttl(state);
  cachette_item items[] = {{.key = cachette_str("a")},
                           {.key = cachette_str("absent")},
                           {.key = cachette_str("short")},
                           {.key = cachette_str("empty")}};
  cachette_stats before = stats_of(handle);
  assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, items, 4), 2);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_MISS);
  assert_int_equal(items[3].status, CACHETTE_HIT);
  assert_null(items[0].value.data);
  cachette_stats after = stats_of(handle);
  assert_int_equal(after.hits, before.hits);
  assert_int_equal(after.misses, before.misses);
  cachette_close(handle);
}

static void put_if_absent_keeps_an_existing_entry(void **state) {
  cachette *handle = open_empty(state);
  put_text(handle, "a", "first", 0);
  cachette_item items[] = {
      {.key = cachette_str("a"), .value = cachette_str("second"), .ttl_ms = 900000},
      {.key = cachette_str("b"), .value = cachette_str("second"), .ttl_ms = 900000}};
  assert_int_equal(run_items(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 2), 1);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_true(has_text(handle, "a", "first"));
  assert_in_range(time_left(handle, "a"), 50000, 60000);
  assert_true(has_text(handle, "b", "second"));
  assert_in_range(time_left(handle, "b"), 890000, 900000);
  put_text(handle, "short", "first", short_ttl(state));
  wait_for_short_ttl(state);
  items[0].key = cachette_str("short");
  assert_int_equal(run_items(handle, CACHETTE_PUT, CACHETTE_IF_ABSENT, items, 1), 1);
  assert_true(has_text(handle, "short", "second"));
  cachette_close(handle);
}

static void a_ping_is_answered(void **state) {
  cachette *handle = open_empty(state);
  cachette_error error = {.message = ""};
  cachette_op op = {.verb = CACHETTE_PING, .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  cachette_close(handle);
}

/* ---- Cancelled ops ---- */

static const enum cachette_verb verbs[] = {
    CACHETTE_FETCH,           CACHETTE_PUT,       CACHETTE_EXISTS,
    CACHETTE_TOUCH,           CACHETTE_INCREMENT, CACHETTE_CLEAR,
    CACHETTE_CLEAR_NAMESPACE, CACHETTE_FLUSH,     CACHETTE_PING};

static void submit(cachette *handle, struct probe *probe, enum cachette_verb verb,
                   const char *key) {
  probe_init(probe, verb, key);
  probe->item.value = cachette_str("value");
  probe->item.amount = 1;
  probe_submit(handle, probe);
}

static void cancel(cachette *handle, struct probe *probe) {
  if (!cachette_op_pending(&probe->op)) return;
  assert_int_equal(cachette_cancel(handle, &probe->op), CACHETTE_OK);
  probe_expect(probe, CACHETTE_ECANCELED);
}

static void expect_success(const struct probe *probe) {
  assert_int_equal(probe->done, 1);
  if (probe->op.status < 0) fail_msg("%s", probe->error.message);
}

/* The first op starts the connection and is cancelled before it is open. */
static void a_cancelled_first_op_does_not_take_the_next_answer(void **state) {
  cachette_close(open_empty(state));
  for (size_t i = 0; i < LENGTH(verbs); i++) {
    struct probe first, next;
    cachette *handle = open_only(state);
    submit(handle, &first, verbs[i], "first");
    cancel(handle, &first);
    submit(handle, &next, CACHETTE_PUT, "next");
    probe_wait(handle, &next);
    expect_success(&next);
    assert_true(has_text(handle, "next", "value"));
    cachette_close(handle);
  }
}

/* The same for cancelled ops between others. */
static void cancelled_ops_do_not_take_the_answers_of_others(void **state) {
  enum { ROUNDS = 6, CROWD = 40 };
  static struct probe crowd[CROWD];
  srand(16);
  cachette_close(open_empty(state));
  for (int round = 0; round < ROUNDS; round++) {
    cachette *handle = open_only(state);
    for (size_t i = 0; i < CROWD; i++) {
      /* A verb that does not affect the others. */
      submit(handle, &crowd[i], verbs[(size_t)rand() % 4], "key");
      if (rand() % 2) cancel(handle, &crowd[(size_t)rand() % (i + 1)]);
      if (round % 2 && rand() % 8 == 0) { /* the connection opens in the middle */
        struct probe ping;
        submit(handle, &ping, CACHETTE_PING, "-");
        probe_wait(handle, &ping);
        expect_success(&ping);
      }
    }
    for (size_t i = 0; i < CROWD; i++) {
      probe_wait(handle, &crowd[i]);
      if (crowd[i].op.status != CACHETTE_ECANCELED) expect_success(&crowd[i]);
      if (crowd[i].op.verb == CACHETTE_FETCH && crowd[i].item.status == CACHETTE_HIT)
        cachette_free(crowd[i].item.value.data);
    }
    cachette_close(handle);
  }
}

#define ON(name, test, backend) \
  { name " " #test, test, NULL, NULL, (void *)&(backend) }
#define EACH(name, backend)                                                                     \
  ON(name, a_counter_is_stored_as_digits, backend), ON(name, a_counter_keeps_its_ttl, backend), \
      ON(name, an_expired_counter_restarts, backend),                                           \
      ON(name, values_that_are_not_counters_are_not_changed, backend),                          \
      ON(name, a_counter_stays_within_64_bits, backend),                                        \
      ON(name, one_op_increments_many_counters, backend),                                       \
      ON(name, a_touch_changes_only_the_ttl, backend),                                          \
      ON(name, exists_reports_which_keys_exist, backend),                                       \
      ON(name, put_if_absent_keeps_an_existing_entry, backend),                                 \
      ON(name, a_ping_is_answered, backend),                                                    \
      ON(name, a_cancelled_first_op_does_not_take_the_next_answer, backend),                    \
      ON(name, cancelled_ops_do_not_take_the_answers_of_others, backend)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH("inmemory:", in_memory),     EACH("redis:", on_redis),
      EACH("memcached:", on_memcached), EACH("memcached, SASL:", on_memcached_with_sasl),
#ifdef WITH_DYNAMODB
      EACH("dynamodb:", on_dynamodb),
#endif
#ifdef WITH_FILE
      EACH("file:", on_file),
#endif
#ifdef WITH_MONGODB
      EACH("mongodb:", on_mongodb),
#endif
  };
  return cmocka_run_group_tests(tests, start_servers, remove_servers);
}
