/* SPDX-License-Identifier: MIT */
/*
 * Signature and compression: which values are read and which are refused, and how ops pass through
 * the layer. test_envelope_form.c tests the bytes of envelopes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/envelope/envelope.h"
#include "nomem.h"
#include "slow_store.h"
#include "stored.h"

#define OTHER "0123456789abcdef-other"

/* ---- Round trips ---- */

static const char *const configurations[][4] = {
    {"secret", SECRET, NULL, NULL},
    {"compression", "zlib", NULL, NULL},
    {"compression", "zstd", NULL, NULL},
    {"compression", "zlib", "secret", SECRET},
    {"compression", "zstd", "secret", SECRET},
};

#define for_each_configuration(handle)                                                       \
  for (size_t config = 0; config < LENGTH(configurations); config++)                         \
    for (cachette *handle = open_with(configurations[config][0], configurations[config][1],  \
                                      configurations[config][2], configurations[config][3]); \
         handle != NULL; cachette_close(handle), handle = NULL)

static void values_of_all_sizes_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 13, 45, 1023, 1024, 1025, 3000, 100000, 3000000};
  char *bytes = malloc(3000000);
  for_each_configuration(handle) {
    for (size_t i = 0; i < LENGTH(sizes); i++) {
      for (int random = 0; random < 2; random++) {
        uint32_t seed = 12345;
        for (size_t j = 0; j < sizes[i]; j++)
          bytes[j] = random ? (char)((seed = seed * 1664525 + 1013904223) >> 24) : (char)(j / 100);
        put_bytes(handle, "key", bytes, sizes[i]);
        expect_bytes(handle, "key", bytes, sizes[i]);
      }
    }
  }
  free(bytes);
}

static void one_op_fetches_present_and_absent_keys(void **state) {
  (void)state;
  enum { COUNT = 100 };
  char keys[COUNT][8];
  static char values[COUNT][2000], buffers[COUNT][1000];
  for_each_configuration(handle) {
    cachette_item items[COUNT] = {{.status = 0}};
    for (int i = 0; i < COUNT; i++) {
      snprintf(keys[i], sizeof keys[i], "m%d", i);
      memset(values[i], 'a' + i % 26, sizeof values[i]);
      items[i] =
          (cachette_item){.key = cachette_str(keys[i]), .value = {values[i], (size_t)i * 20}};
    }
    cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = COUNT - 10};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(op.number, COUNT - 10);
    assert_ptr_equal(items[5].value.data, values[5]);
    for (int i = 0; i < COUNT; i++) {
      items[i] = (cachette_item){.key = cachette_str(keys[i])};
      if (i % 2 == 1) items[i].buffer = buffers[i], items[i].buffer_size = sizeof buffers[i];
    }
    op = (cachette_op){.verb = CACHETTE_FETCH, .items = items, .count = COUNT};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(op.number, COUNT - 10);
    for (int i = 0; i < COUNT - 10; i++) {
      assert_int_equal(items[i].status, CACHETTE_HIT);
      assert_int_equal(items[i].value.size, i * 20);
      assert_memory_equal(items[i].value.data, values[i], (size_t)i * 20);
      bool fits_buffer = i % 2 == 1 && (size_t)i * 20 <= sizeof buffers[i];
      if (fits_buffer) assert_ptr_equal(items[i].value.data, buffers[i]);
    }
    assert_int_equal(items[COUNT - 1].status, CACHETTE_MISS);
    assert_null(items[COUNT - 1].value.data);
    cachette_op_deinit(&op);
    op = (cachette_op){.verb = CACHETTE_FLUSH};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  }
}

static void other_verbs_pass_through(void **state) {
  (void)state;
  for_each_configuration(handle) {
    put_text(handle, "ns:a", "value", 0);
    cachette_item item = {.key = cachette_str("ns:a"), .value = cachette_str("other")};
    cachette_op op = {.verb = CACHETTE_EXISTS, .items = &item, .count = 1};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(op.number, 1);
    op.verb = CACHETTE_TOUCH;
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(op.number, 1);
    op.verb = CACHETTE_PUT;
    op.flags = CACHETTE_IF_ABSENT;
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
    assert_int_equal(op.number, 0);
    assert_int_equal(item.status, CACHETTE_HIT);
    assert_true(has_text(handle, "ns:a", "value"));
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
    assert_int_equal(probe.op.number, 1);
    assert_int_equal(stats_of(handle).hits, 1);
    assert_true(stats_of(handle).limit > 0);
  }
}

static void counters_are_refused_only_with_a_secret(void **state) {
  (void)state;
  struct probe probe;
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_INCREMENT, "n"), CACHETTE_EUNSUPPORTED);
  assert_non_null(strstr(probe.error.message, "not available with \"secret\""));
  cachette_close(handle);
  for (int config = 1; config <= 2; config++) {
    handle = open_with(configurations[config][0], configurations[config][1], NULL, NULL);
    probe_init(&probe, CACHETTE_INCREMENT, "n");
    probe.item.amount = 7;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_int_equal(probe.item.amount, 7);
    assert_true(has_text(handle, "n", "7"));
    cachette_clear(handle, cachette_str("n"), NULL);
    cachette_close(handle);
  }
}

static void plain_digits_are_read_as_a_counter(void **state) {
  (void)state;
  static const char *const counters[] = {"0",          "7",
                                         "-12",        "9223372036854775807",
                                         "9 ",         "-9223372036854775808",
                                         "10        ", "99                  "};
  static const char *const others[] = {"",
                                       "-",
                                       "-0",
                                       "007",
                                       " 7",
                                       "7x",
                                       "7\n",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "   ",
                                       "+7",
                                       "7.",
                                       "- ",
                                       "7 7",
                                       "7                    " /* longer than 20 bytes */};
  cachette *signing = open_with("secret", SECRET, NULL, NULL);
  for (int config = 1; config <= 2; config++) {
    cachette *handle = open_with(configurations[config][0], configurations[config][1], NULL, NULL);
    for (size_t i = 0; i < LENGTH(counters); i++) {
      store("n", counters[i], strlen(counters[i]));
      expect_bytes(handle, "n", counters[i], strlen(counters[i]));
      expect_refused(signing, "n", "counters are never signed");
    }
    for (size_t i = 0; i < LENGTH(others); i++) {
      store("n", others[i], strlen(others[i]));
      expect_refused(handle, "n", "was stored without \"compression\"");
      expect_refused(signing, "n", "is not signed; clear it");
    }
    cachette_close(handle);
  }
  cachette_close(signing);
}

/* ---- Stored bytes ---- */

static void values_from_the_threshold_on_are_compressed_if_they_shrink(void **state) {
  (void)state;
  char zeros[2000] = {0};
  for (int config = 1; config <= 2; config++) {
    cachette *handle = open_with(configurations[config][0], configurations[config][1],
                                 "compression_threshold", "1500");
    put_bytes(handle, "key", zeros, 1499);
    cachette_slice value = stored("key");
    assert_int_equal(value.size, 7 + 1499);
    cachette_free(value.data);
    put_bytes(handle, "key", zeros, 1500);
    value = stored("key");
    assert_in_range(value.size, 12, 100);
    cachette_free(value.data);
    uint32_t seed = 1;
    char noise[2000];
    for (size_t i = 0; i < sizeof noise; i++)
      noise[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
    put_bytes(handle, "key", noise, sizeof noise);
    value = stored("key");
    assert_int_equal(value.size, 7 + sizeof noise);
    cachette_free(value.data);
    cachette_close(handle);
  }
}

static void values_are_plain_without_the_options(void **state) {
  (void)state;
  cachette *handle = open_with("compression", "none", "accept_plain", "true");
  put_text(handle, "key", "value", 0);
  cachette_slice value = stored("key");
  assert_slice(value, "value");
  cachette_free(value.data);
  cachette_close(handle);
}

static void each_compression_reads_the_other(void **state) {
  (void)state;
  char zeros[5000] = {0};
  cachette *zlib = open_with("compression", "zlib", NULL, NULL);
  cachette *zstd = open_with("compression", "zstd", NULL, NULL);
  put_bytes(zlib, "a", zeros, sizeof zeros);
  put_bytes(zstd, "b", zeros, sizeof zeros);
  expect_bytes(zstd, "a", zeros, sizeof zeros);
  expect_bytes(zlib, "b", zeros, sizeof zeros);
  cachette_close(zlib);
  cachette_close(zstd);
}

/* ---- Refused values ---- */

static void plain_values_are_read_only_with_accept_plain(void **state) {
  (void)state;
  store("plain", "value", 5);
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  expect_refused(handle, "plain", "is not signed");
  cachette_close(handle);
  handle = open_with("compression", "zlib", NULL, NULL);
  expect_refused(handle, "plain", "\"accept_plain\"");
  cachette_close(handle);
  handle = open_with("secret", SECRET, "accept_plain", "true");
  expect_bytes(handle, "plain", "value", 5);
  cachette_close(handle);
}

static void values_signed_with_another_key_are_refused(void **state) {
  (void)state;
  cachette *ours = open_with("secret", SECRET, NULL, NULL);
  cachette *theirs = open_with("secret", OTHER, NULL, NULL);
  cachette *both = open_with("secret", SECRET "," OTHER, NULL, NULL);
  cachette *codec = open_with("secret", SECRET, "codec", "json");
  cachette *named = open_with("secret", SECRET, "codec_name", "own");
  cachette *unsigned_handle = open_with("compression", "zlib", "accept_plain", "true");
  put_text(theirs, "key", "value", 0);
  expect_refused(ours, "key", "a signature that matches no key of \"secret\"");
  expect_bytes(both, "key", "value", 5);
  put_text(both, "key", "value", 0);
  expect_bytes(ours, "key", "value", 5);
  expect_refused(theirs, "key", "a signature");
  expect_refused(codec, "key", "a signature");
  expect_refused(named, "key", "a signature");
  expect_refused(unsigned_handle, "key", "no \"secret\"");
  put_text(unsigned_handle, "key", "value", 0);
  expect_refused(ours, "key", "is not signed");
  cachette_close(ours);
  cachette_close(theirs);
  cachette_close(both);
  cachette_close(codec);
  cachette_close(named);
  cachette_close(unsigned_handle);
}

static void a_refused_value_does_not_affect_the_others(void **state) {
  (void)state;
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  put_text(handle, "a", "1", 0);
  store("b", "plain", 5);
  store("c", "plain", 5);
  put_text(handle, "d", "2", 0);
  cachette_item items[] = {{.key = cachette_str("a")},
                           {.key = cachette_str("b")},
                           {.key = cachette_str("c")},
                           {.key = cachette_str("d")}};
  cachette_error error;
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = 4, .error = &error};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 2);
  assert_slice(items[0].value, "1");
  assert_int_equal(items[1].status, CACHETTE_ECODEC);
  assert_int_equal(items[2].status, CACHETTE_ECODEC);
  assert_null(items[2].value.data);
  assert_slice(items[3].value, "2");
  assert_string_equal(error.subject, "b");
  assert_int_equal(stats_of(handle).errors, 2);
  cachette_op_deinit(&op);
  cachette_close(handle);
}

static void a_short_secret_is_an_error(void **state) {
  (void)state;
  static const char *const secrets[] = {"", "short", SECRET ",short", SECRET ",", ",", "x,y"};
  for (size_t i = 0; i < LENGTH(secrets); i++) {
    cachette_options *options = options_with("secret", secrets[i], NULL);
    cachette_error error;
    assert_int_equal(cachette_options_check(options, &error, 1), 1);
    assert_string_equal(error.subject, "secret");
    assert_non_null(strstr(error.message, "at least 16 bytes"));
    assert_null(strstr(error.message, "short"));
    cachette_options_free(options);
  }
}

/* ---- Over a slow store ---- */

static int open_envelope_over_slow(const cachette__store_context *context, cachette__store **store,
                                   cachette_error *error) {
  static const cachette__layer_kind *const kinds[] = {&cachette__envelope_layer};
  return cachette__layers_open_over(kinds, 1, slow_store.open, context, store, error);
}

static cachette *open_over_slow(void) {
  cachette_options *options = options_with("secret", SECRET, "accept_plain", "true", NULL);
  cachette *handle;
  assert_int_equal(cachette__open_with(options, open_envelope_over_slow, &handle, NULL),
                   CACHETTE_OK);
  cachette_options_free(options);
  return handle;
}

static void ops_pass_through_to_a_slow_store(void **state) {
  (void)state;
  static const enum cachette_verb verbs[] = {CACHETTE_FETCH, CACHETTE_PUT, CACHETTE_CLEAR,
                                             CACHETTE_FLUSH};
  slow_settings.delay_ms = 1;
  cachette *handle = open_over_slow();
  struct probe probes[4];
  for (int i = 0; i < 4; i++) {
    probe_init(&probes[i], verbs[i], "hit");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < 4; i++) {
    assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
    probe_expect(&probes[i], CACHETTE_OK);
    assert_ptr_equal(probes[i].op.items, &probes[i].item);
  }
  assert_slice(probes[0].item.value, "hit");
  cachette_op_deinit(&probes[0].op);
  cachette_close(handle);
}

static void ops_can_be_cancelled_timed_out_and_closed(void **state) {
  (void)state;
  slow_settings.delay_ms = 20;
  for (int ending = 0; ending < 3; ending++) {
    cachette *handle = open_over_slow();
    struct probe fetch, put, clear;
    probe_init(&fetch, CACHETTE_FETCH, "hit");
    probe_init(&put, CACHETTE_PUT, "key");
    probe_init(&clear, CACHETTE_CLEAR, "key");
    fetch.op.timeout_ms = put.op.timeout_ms = clear.op.timeout_ms = ending == 1 ? 2 : 1000;
    probe_submit(handle, &fetch);
    probe_submit(handle, &put);
    probe_submit(handle, &clear);
    int expected = CACHETTE_ECLOSED;
    if (ending == 0) {
      expected = CACHETTE_ECANCELED;
      assert_int_equal(cachette_cancel(handle, &put.op), CACHETTE_OK);
      assert_int_equal(cachette_cancel(handle, &fetch.op), CACHETTE_OK);
      assert_int_equal(cachette_cancel(handle, &clear.op), CACHETTE_OK);
    } else if (ending == 1) {
      expected = CACHETTE_ETIMEDOUT;
      probe_wait(handle, &fetch);
      probe_wait(handle, &put);
      probe_wait(handle, &clear);
    }
    cachette_close(handle);
    probe_expect(&fetch, expected);
    probe_expect(&put, expected);
    probe_expect(&clear, expected);
    assert_ptr_equal(fetch.op.items, &fetch.item);
  }
}

static void a_failure_of_the_store_reaches_the_caller(void **state) {
  (void)state;
  slow_settings.delay_ms = 1;
  slow_settings.failure = CACHETTE_EBACKEND;
  cachette *handle = open_over_slow();
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "hit"), CACHETTE_EBACKEND);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_PUT, "hit"), CACHETTE_EBACKEND);
  cachette_close(handle);
}

/* ---- Out of memory ---- */

static int put_and_fetch(void *options) {
  static const char text[3000] = "text";
  cachette *handle;
  int code = cachette_open(options, &handle, NULL);
  if (code < 0) return code;
  cachette_item items[] = {{.key = cachette_str("a"), .value = {text, sizeof text}},
                           {.key = cachette_str("b"), .value = {text, 10}}};
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = 2};
  code = cachette_run(handle, &op);
  if (code == CACHETTE_OK && op.number < 2) code = CACHETTE_ENOMEM;
  op.verb = CACHETTE_FETCH;
  int fetched = cachette_run(handle, &op);
  if (fetched == CACHETTE_OK && op.number < 2) fetched = CACHETTE_ENOMEM;
  for (int i = 0; i < 2 && fetched == CACHETTE_OK && code == CACHETTE_OK; i++)
    assert_memory_equal(items[i].value.data, text, items[i].value.size);
  cachette_op_deinit(&op);
  cachette_close(handle);
  return code < 0 ? code : fetched;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  for (int config = 0; config < 3; config++) {
    cachette_options *options =
        options_with("memory_name", "nomem", configurations[config][0], configurations[config][1],
                     "accept_plain", "true", NULL);
    assert_int_equal(put_and_fetch(options), CACHETTE_OK);
    assert_true(nomem_each(put_and_fetch, options) > 10);
    cachette_options_free(options);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_of_all_sizes_come_back),
      cmocka_unit_test(one_op_fetches_present_and_absent_keys),
      cmocka_unit_test(other_verbs_pass_through),
      cmocka_unit_test(counters_are_refused_only_with_a_secret),
      cmocka_unit_test(plain_digits_are_read_as_a_counter),
      cmocka_unit_test(values_from_the_threshold_on_are_compressed_if_they_shrink),
      cmocka_unit_test(values_are_plain_without_the_options),
      cmocka_unit_test(each_compression_reads_the_other),
      cmocka_unit_test(plain_values_are_read_only_with_accept_plain),
      cmocka_unit_test(values_signed_with_another_key_are_refused),
      cmocka_unit_test(a_refused_value_does_not_affect_the_others),
      cmocka_unit_test(a_short_secret_is_an_error),
      cmocka_unit_test_setup(ops_pass_through_to_a_slow_store, slow_reset),
      cmocka_unit_test_setup(ops_can_be_cancelled_timed_out_and_closed, slow_reset),
      cmocka_unit_test_setup(a_failure_of_the_store_reaches_the_caller, slow_reset),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  failing_allocator_install();
  /* Keeps the store open, so that handles share their entries. */
  cachette *holder = open_plain();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  cachette_close(holder);
  return failed;
}
