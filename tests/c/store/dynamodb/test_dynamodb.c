/* SPDX-License-Identifier: MIT */
/* The DynamoDB store through the C API. tests/python/test_dynamodb.py has more tests. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dynamodb_server.h"
#include "peer.h"
#include "support.h"

static struct dynamodb_server server;

static int start(void **state) {
  (void)state;
  dynamodb_server_share(&server);
  return 0;
}

static int stop(void **state) {
  (void)state;
  dynamodb_server_kill(&server);
  return 0;
}

static cachette *open_with_prefix(const char *prefix) {
  return dynamodb_open(&server, "key_prefix", prefix, "consistent_read", "true", NULL);
}

static void expect_number(cachette *handle, cachette_op *op, int64_t number) {
  cachette_error error = {.message = ""};
  op->error = &error;
  if (cachette_run(handle, op) < 0) fail_msg("%s", error.message);
  assert_int_equal(op->number, number);
}

static void many_keys_are_sent_in_batches(void **state) {
  (void)state;
  enum { COUNT = 260 };
  cachette *handle = open_with_prefix("batches:");
  static cachette_item items[COUNT];
  static char keys[COUNT][16];
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "ns:%d", i);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str(keys[i])};
  }
  expect_number(handle, &(cachette_op){.verb = CACHETTE_PUT, .items = items, .count = COUNT},
                COUNT);
  cachette_op fetch = {.verb = CACHETTE_FETCH, .items = items, .count = COUNT};
  expect_number(handle, &fetch, COUNT);
  for (int i = 0; i < COUNT; i++) assert_slice(items[i].value, keys[i]);
  cachette_op_deinit(&fetch);
  expect_number(handle, &(cachette_op){.verb = CACHETTE_EXISTS, .items = items, .count = COUNT},
                COUNT);
  expect_number(handle, &(cachette_op){.verb = CACHETTE_CLEAR, .items = items, .count = 100}, 100);
  cachette_item name = {.key = cachette_str("ns")};
  cachette_op clear = {.verb = CACHETTE_CLEAR_NAMESPACE, .items = &name, .count = 1};
  expect_number(handle, &clear, COUNT - 100);
  assert_int_equal(name.status, CACHETTE_HIT);
  cachette_close(handle);
}

static void an_op_may_have_duplicate_keys(void **state) {
  (void)state;
  cachette *handle = open_with_prefix("duplicates:");
  cachette_item items[] = {{.key = cachette_str("a"), .value = cachette_str("1")},
                           {.key = cachette_str("b"), .value = cachette_str("2")},
                           {.key = cachette_str("a"), .value = cachette_str("3")},
                           {.key = cachette_str("a"), .value = cachette_str("4")}};
  expect_number(handle, &(cachette_op){.verb = CACHETTE_PUT, .items = items, .count = 4}, 4);
  cachette_op fetch = {.verb = CACHETTE_FETCH, .items = items, .count = 4};
  expect_number(handle, &fetch, 4);
  assert_slice(items[0].value, "4");
  assert_slice(items[1].value, "2");
  assert_slice(items[2].value, "4");
  assert_slice(items[3].value, "4");
  cachette_op_deinit(&fetch);
  cachette_op flush = {.verb = CACHETTE_FLUSH};
  expect_number(handle, &flush, 2);
  cachette_close(handle);
}

/* The first add and the last touch take effect. Each touch counts. */
static void duplicate_keys_take_effect_in_order(void **state) {
  (void)state;
  enum { COUNT = 12 };
  static char values[COUNT][8];
  cachette_item items[COUNT];
  cachette *handle = open_with_prefix("order:");
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < COUNT; i++) {
      snprintf(values[i], sizeof values[i], "%d", i);
      items[i] = (cachette_item){.key = cachette_str("a"), .value = cachette_str(values[i])};
    }
    cachette_op add = {
        .verb = CACHETTE_PUT, .flags = CACHETTE_IF_ABSENT, .items = items, .count = COUNT};
    expect_number(handle, &add, 1);
    assert_int_equal(items[0].status, CACHETTE_MISS);
    assert_true(has_text(handle, "a", "0"));
    for (int i = 0; i < COUNT; i++) items[i].ttl_ms = (i + 1) * 1000000;
    expect_number(handle, &(cachette_op){.verb = CACHETTE_TOUCH, .items = items, .count = COUNT},
                  COUNT);
    cachette_slice value;
    int64_t ttl_ms;
    assert_int_equal(cachette_fetch(handle, cachette_str("a"), &value, &ttl_ms, NULL), 1);
    cachette_free(value.data);
    assert_true(ttl_ms > (COUNT - 1) * 1000000);
    expect_number(handle, &(cachette_op){.verb = CACHETTE_CLEAR, .items = items, .count = COUNT},
                  1);
    assert_int_equal(items[0].status, CACHETTE_HIT);
  }
  cachette_close(handle);
}

static void one_op_clears_several_namespaces(void **state) {
  (void)state;
  cachette *handle = open_with_prefix("names:");
  put_text(handle, "a:1", "x", 0);
  put_text(handle, "c:1", "x", 0);
  put_text(handle, "c:2", "x", 0);
  put_text(handle, "cc:1", "x", 0);
  cachette_item names[] = {
      {.key = cachette_str("a")}, {.key = cachette_str("b")}, {.key = cachette_str("c")}};
  cachette_op clear = {.verb = CACHETTE_CLEAR_NAMESPACE, .items = names, .count = 3};
  expect_number(handle, &clear, 3);
  assert_int_equal(names[0].status, CACHETTE_HIT);
  assert_int_equal(names[1].status, CACHETTE_MISS);
  assert_int_equal(names[2].status, CACHETTE_HIT);
  assert_true(has_key(handle, "cc:1"));
  expect_number(handle, &(cachette_op){.verb = CACHETTE_FLUSH}, 1);
  cachette_close(handle);
}

static void each_prefix_is_a_separate_cache(void **state) {
  (void)state;
  cachette *one = open_with_prefix("one:"), *two = open_with_prefix("two:");
  put_text(one, "key", "1", 0);
  put_text(two, "key", "2", 0);
  expect_number(one, &(cachette_op){.verb = CACHETTE_FLUSH}, 1);
  assert_true(has_text(two, "key", "2"));
  put_text(two, "brief", "2", 30);
  usleep(60000);
  expect_number(one, &(cachette_op){.verb = CACHETTE_FLUSH_EXPIRED}, 0);
  expect_number(two, &(cachette_op){.verb = CACHETTE_FLUSH_EXPIRED}, 1);
  expect_number(two, &(cachette_op){.verb = CACHETTE_FLUSH}, 1);
  cachette_close(two);
  cachette_close(one);
}

static void cancelled_ops_do_not_affect_others(void **state) {
  (void)state;
  struct probe probes[40];
  cachette *handle = open_with_prefix("cancelled:");
  for (int round = 0; round < 5; round++) {
    for (size_t i = 0; i < LENGTH(probes); i++) {
      probe_init(&probes[i], i % 5 == 0 ? CACHETTE_FLUSH : CACHETTE_FETCH, "key");
      probe_submit(handle, &probes[i]);
    }
    for (size_t i = 0; i < LENGTH(probes); i += 2) cachette_cancel(handle, &probes[i].op);
    for (size_t i = 1; i < LENGTH(probes); i += 2)
      assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
    for (size_t i = 0; i < LENGTH(probes); i += 2) probe_expect(&probes[i], CACHETTE_ECANCELED);
  }
  cachette_close(handle);
}

static void a_close_completes_pending_ops(void **state) {
  (void)state;
  struct probe probes[10];
  cachette *handle = open_with_prefix("closed:");
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_init(&probes[i], CACHETTE_FETCH, "key");
    probe_submit(handle, &probes[i]);
  }
  cachette_close(handle);
  for (size_t i = 0; i < LENGTH(probes); i++) probe_expect(&probes[i], CACHETTE_ECLOSED);
}

/* The first `done` closes the handle while the other ops are pending. */
static void close_inside(struct probe *probe) {
  cachette **handle = probe->data;
  cachette_close(*handle);
  *handle = NULL;
}

static void done_may_close_the_handle(void **state) {
  (void)state;
  struct probe probes[10];
  cachette *handle = open_with_prefix("closed:");
  put_text(handle, "key", "value", 0);
  for (size_t i = 0; i < LENGTH(probes); i++) {
    probe_init(&probes[i], CACHETTE_EXISTS, "key");
    probes[i].then = close_inside;
    probes[i].data = &handle;
    probe_submit(handle, &probes[i]);
  }
  while (handle != NULL) {
    usleep(1000);
    cachette_process(handle);
  }
  for (size_t i = 0; i < LENGTH(probes); i++) assert_int_equal(probes[i].done, 1);
}

/*
 * When a connection attempt times out, libcurl closes the socket without notice. The handle must
 * still close, and the number of the descriptor must be reusable.
 */
static void a_connection_attempt_that_times_out_leaks_nothing(void **state) {
  (void)state;
  struct full_socket full;
  full_socket_open(&full, "127.0.0.1", 0);
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  assert_int_equal(getsockname(full.listener, (struct sockaddr *)&name, &size), 0);
  struct dynamodb_server unresponsive = {.pid = -1};
  snprintf(unresponsive.url, sizeof unresponsive.url, "http://127.0.0.1:%d", ntohs(name.sin_port));
  cachette *handle = dynamodb_open(&unresponsive, "timeout", "0.1", NULL);
  for (int i = 0; i < 5; i++) {
    struct probe probe;
    probe_init(&probe, CACHETTE_FETCH, "key");
    probe_submit(handle, &probe);
    assert_int_equal(probe_wait(handle, &probe), CACHETTE_ETIMEDOUT);
  }
  cachette_close(handle);
  full_socket_close(&full);
}

static void table_region_and_url_are_checked(void **state) {
  (void)state;
  static const struct {
    const char *option, *value, *words; /* words: in the error; NULL: the value is valid */
  } cases[] = {
      {"table_name", "abc", NULL},
      {"table_name", "My_Table-1.cache", NULL},
      {"table_name", "ab", "3 to 255 characters out of A-Z"},
      {"table_name", "a b c", "3 to 255 characters out of A-Z"},
      {"table_name",
       "t\xc3\xa4"
       "ble",
       "3 to 255 characters out of A-Z"},
      {"region", "us-gov-west-1", NULL},
      {"region", "ap-southeast-12", NULL},
      {"region", "Frankfurt", "like eu-central-1"},
      {"region", "eu-central", "like eu-central-1"},
      {"region", "eu--1", "like eu-central-1"},
      {"region", "eu-central-1a", "like eu-central-1"},
      {"dynamodb_url", "https://dynamodb.eu-central-1.amazonaws.com/", NULL},
      {"dynamodb_url", "localhost:8000", "is not valid"},
      {"dynamodb_url", "ftp://localhost", "http://host[:port]"},
      {"dynamodb_url", "http://user:secret@host", "without user name"},
  };
  cachette_close(dynamodb_open(&server, NULL)); /* loads the module, which checks the options */
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_error error = {.message = ""};
    cachette_options *options =
        options_with("backend", "dynamodb", cases[i].option, cases[i].value, NULL);
    size_t count = cachette_options_check(options, &error, 1);
    cachette_options_free(options);
    if (count != (cases[i].words != NULL)) fail_msg("%s: %s", cases[i].value, error.message);
    if (count == 0) continue;
    assert_string_equal(error.subject, cases[i].option);
    assert_null(strstr(error.message, "secret"));
    if (strstr(error.message, cases[i].words) == NULL) fail_msg("%s", error.message);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(many_keys_are_sent_in_batches),
      cmocka_unit_test(an_op_may_have_duplicate_keys),
      cmocka_unit_test(duplicate_keys_take_effect_in_order),
      cmocka_unit_test(one_op_clears_several_namespaces),
      cmocka_unit_test(each_prefix_is_a_separate_cache),
      cmocka_unit_test(cancelled_ops_do_not_affect_others),
      cmocka_unit_test(a_close_completes_pending_ops),
      cmocka_unit_test(done_may_close_the_handle),
      cmocka_unit_test(a_connection_attempt_that_times_out_leaks_nothing),
      cmocka_unit_test(table_region_and_url_are_checked),
  };
  return cmocka_run_group_tests_name("dynamodb", tests, start, stop);
}
