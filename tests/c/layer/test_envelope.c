/* SPDX-License-Identifier: MIT */
/* Signature and compression: what is stored, what is refused, and how ops travel through the layer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer/envelope.h"
#include "layer/seal.h"
#include "nomem.h"
#include "slow_store.h"
#include "support.h"

#define SECRET "0123456789abcdef-first"
#define OTHER "0123456789abcdef-other"

/* A handle on the in-memory store "shared" with these options. */
static cachette *open_with(const char *name, const char *value, const char *second,
                           const char *second_value) {
  return open_cache(options_with("memory_name", "shared", name, value, second, second_value, NULL));
}

static cachette *open_plain(void) { return open_with(NULL, NULL, NULL, NULL); }

/* The bytes under a key, as they are stored. */
static cachette_slice stored(const char *key) {
  cachette *plain = open_plain();
  cachette_slice value;
  assert_int_equal(cachette_fetch(plain, cachette_str(key), &value, NULL, NULL), CACHETTE_HIT);
  cachette_close(plain);
  return value;
}

static void store(const char *key, const void *bytes, size_t size) {
  cachette *plain = open_plain();
  cachette_slice value = {bytes, size};
  assert_int_equal(cachette_put(plain, cachette_str(key), value, 0, NULL), 0);
  cachette_close(plain);
}

static void put_bytes(cachette *handle, const char *key, const void *bytes, size_t size) {
  cachette_error error;
  cachette_slice value = {bytes, size};
  if (cachette_put(handle, cachette_str(key), value, 0, &error) < 0) fail_msg("%s", error.message);
}

static void expect_bytes(cachette *handle, const char *key, const void *bytes, size_t size) {
  cachette_error error = {.message = "a miss"};
  cachette_slice value;
  int64_t ttl_ms;
  if (cachette_fetch(handle, cachette_str(key), &value, &ttl_ms, &error) != CACHETTE_HIT)
    fail_msg("%s: %s", key, error.message);
  assert_int_equal(value.size, size);
  assert_memory_equal(value.data, bytes, size);
  assert_in_range(ttl_ms, 1, 60000);
  cachette_free(value.data);
}

static void expect_refused(cachette *handle, const char *key, const char *words) {
  cachette_error error = {.message = ""};
  cachette_slice value;
  int status = cachette_fetch(handle, cachette_str(key), &value, NULL, &error);
  assert_int_equal(status, CACHETTE_ECODEC);
  assert_string_equal(error.subject, key);
  assert_non_null(strstr(error.message, words));
}

/* ---- Round trips ---- */

static const char *const ways[][4] = {
    {"secret", SECRET, NULL, NULL},
    {"compression", "zlib", NULL, NULL},
    {"compression", "zstd", NULL, NULL},
    {"compression", "zlib", "secret", SECRET},
    {"compression", "zstd", "secret", SECRET},
};

#define for_each_way(handle)                                                                   \
  for (size_t way = 0; way < LENGTH(ways); way++)                                              \
    for (cachette *handle = open_with(ways[way][0], ways[way][1], ways[way][2], ways[way][3]); \
         handle != NULL; cachette_close(handle), handle = NULL)

static void values_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 13, 45, 1023, 1024, 1025, 3000, 100000, 3000000};
  char *bytes = malloc(3000000);
  for_each_way(handle) {
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

static void many_come_back_and_absent_ones_are_absent(void **state) {
  (void)state;
  enum { COUNT = 100 };
  char keys[COUNT][8];
  static char values[COUNT][2000], buffers[COUNT][1000];
  for_each_way(handle) {
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
      bool placed = i % 2 == 1 && (size_t)i * 20 <= sizeof buffers[i];
      if (placed) assert_ptr_equal(items[i].value.data, buffers[i]);
    }
    assert_int_equal(items[COUNT - 1].status, CACHETTE_MISS);
    assert_null(items[COUNT - 1].value.data);
    cachette_op_deinit(&op);
    op = (cachette_op){.verb = CACHETTE_FLUSH};
    assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  }
}

static void other_verbs_pass(void **state) {
  (void)state;
  for_each_way(handle) {
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
    assert_true(holds_text(handle, "ns:a", "value"));
    struct probe probe;
    assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"), CACHETTE_OK);
    assert_int_equal(probe.op.number, 1);
    assert_int_equal(stats_of(handle).hits, 1);
    assert_true(stats_of(handle).limit > 0);
  }
}

static void counters_are_refused_with_a_secret_alone(void **state) {
  (void)state;
  struct probe probe;
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  assert_int_equal(probe_run(handle, &probe, CACHETTE_INCREMENT, "n"), CACHETTE_EUNSUPPORTED);
  assert_non_null(strstr(probe.error.message, "not available with \"secret\""));
  cachette_close(handle);
  for (int way = 1; way <= 2; way++) {
    handle = open_with(ways[way][0], ways[way][1], NULL, NULL);
    probe_init(&probe, CACHETTE_INCREMENT, "n");
    probe.item.amount = 7;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_int_equal(probe.item.amount, 7);
    assert_true(holds_text(handle, "n", "7"));
    cachette_clear(handle, cachette_str("n"), NULL);
    cachette_close(handle);
  }
}

static void digits_without_an_envelope_are_a_counter(void **state) {
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
                                       "7                    " /* too long */};
  cachette *signing = open_with("secret", SECRET, NULL, NULL);
  for (int way = 1; way <= 2; way++) {
    cachette *handle = open_with(ways[way][0], ways[way][1], NULL, NULL);
    for (size_t i = 0; i < LENGTH(counters); i++) {
      store("n", counters[i], strlen(counters[i]));
      expect_bytes(handle, "n", counters[i], strlen(counters[i]));
      expect_refused(signing, "n", "counters are not signed");
    }
    for (size_t i = 0; i < LENGTH(others); i++) {
      store("n", others[i], strlen(others[i]));
      expect_refused(handle, "n", "was not put with \"compression\"");
      expect_refused(signing, "n", "is not signed; clear it");
    }
    cachette_close(handle);
  }
  cachette_close(signing);
}

/* ---- What is stored ---- */

static void the_layout_is_pinned(void **state) {
  (void)state;
  /* HMAC-SHA256 computed by Python's hmac module over the parts that seal.h names. */
  static const unsigned char expected[] = {
      0xc1, 'c',  'h',  1,    1,    5,    0,    0,    0,    0,    0,    0,    0,
      0xd3, 0x82, 0x74, 0x5b, 0xce, 0xe8, 0x47, 0x04, 0xeb, 0x3f, 0x25, 0x83, 0x78,
      0x0d, 0x0e, 0x9e, 0xfa, 0xfc, 0xc2, 0xd2, 0x19, 0x8b, 0x05, 0x02, 0x9c, 0x12,
      0xa6, 0x48, 0x74, 0x63, 0xd8, 0x6b, 'h',  'e',  'l',  'l',  'o'};
  cachette *handle = open_with("secret", SECRET, "codec", "json");
  put_text(handle, "greeting", "hello", 0);
  cachette_slice value = stored("greeting");
  assert_int_equal(value.size, sizeof expected);
  assert_memory_equal(value.data, expected, sizeof expected);
  cachette_free(value.data);
  cachette_close(handle);
}

static void values_are_compressed_from_the_threshold_on_if_that_helps(void **state) {
  (void)state;
  char zeros[2000] = {0};
  for (int way = 1; way <= 2; way++) {
    cachette *handle = open_with(ways[way][0], ways[way][1], "compression_threshold", "1500");
    put_bytes(handle, "key", zeros, 1499);
    cachette_slice value = stored("key");
    assert_int_equal(value.size, 13 + 1499);
    cachette_free(value.data);
    put_bytes(handle, "key", zeros, 1500);
    value = stored("key");
    assert_in_range(value.size, 14, 100);
    cachette_free(value.data);
    uint32_t seed = 1;
    char noise[2000];
    for (size_t i = 0; i < sizeof noise; i++)
      noise[i] = (char)((seed = seed * 1664525 + 1013904223) >> 24);
    put_bytes(handle, "key", noise, sizeof noise);
    value = stored("key");
    assert_int_equal(value.size, 13 + sizeof noise);
    cachette_free(value.data);
    cachette_close(handle);
  }
}

static void without_the_options_values_are_plain(void **state) {
  (void)state;
  cachette *handle = open_with("compression", "none", "accept_plain", "true");
  put_text(handle, "key", "value", 0);
  cachette_slice value = stored("key");
  assert_slice(value, "value");
  cachette_free(value.data);
  cachette_close(handle);
}

static void each_way_of_compressing_reads_the_other(void **state) {
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

/* ---- What is refused ---- */

static void plain_values_are_read_only_if_the_options_say_so(void **state) {
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

static void what_others_signed_is_refused(void **state) {
  (void)state;
  cachette *ours = open_with("secret", SECRET, NULL, NULL);
  cachette *theirs = open_with("secret", OTHER, NULL, NULL);
  cachette *both = open_with("secret", SECRET "," OTHER, NULL, NULL);
  cachette *codec = open_with("secret", SECRET, "codec", "json");
  cachette *named = open_with("secret", SECRET, "codec_name", "own");
  cachette *unsigned_one = open_with("compression", "zlib", "accept_plain", "true");
  put_text(theirs, "key", "value", 0);
  expect_refused(ours, "key", "a signature that no key of \"secret\" made");
  expect_bytes(both, "key", "value", 5);
  put_text(both, "key", "value", 0);
  expect_bytes(ours, "key", "value", 5);
  expect_refused(theirs, "key", "a signature");
  expect_refused(codec, "key", "a signature");
  expect_refused(named, "key", "a signature");
  expect_refused(unsigned_one, "key", "no \"secret\"");
  put_text(unsigned_one, "key", "value", 0);
  expect_refused(ours, "key", "is not signed");
  cachette_close(ours);
  cachette_close(theirs);
  cachette_close(both);
  cachette_close(codec);
  cachette_close(named);
  cachette_close(unsigned_one);
}

static void a_value_moved_to_another_key_is_refused(void **state) {
  (void)state;
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  put_text(handle, "mine", "value", 0);
  cachette_slice value = stored("mine");
  store("yours", value.data, value.size);
  expect_bytes(handle, "mine", "value", 5);
  expect_refused(handle, "yours", "a signature");
  cachette_free(value.data);
  cachette_close(handle);
}

static void every_bit_that_flips_and_every_cut_is_refused(void **state) {
  (void)state;
  char text[300];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 7);
  for (int way = 3; way <= 5; way++) {
    cachette *handle = way < 5 ? open_with(ways[way][0], ways[way][1], "secret", SECRET)
                               : open_with("secret", SECRET, NULL, NULL);
    put_bytes(handle, "key", text, sizeof text);
    cachette_slice value = stored("key");
    unsigned char *bytes = malloc(value.size);
    memcpy(bytes, value.data, value.size);
    for (size_t bit = 0; bit < value.size * 8; bit++) {
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      store("key", bytes, value.size);
      expect_refused(handle, "key", "");
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t size = 0; size < value.size; size++) {
      store("key", bytes, size);
      expect_refused(handle, "key", "");
    }
    store("key", bytes, value.size);
    expect_bytes(handle, "key", text, sizeof text);
    free(bytes);
    cachette_free(value.data);
    cachette_close(handle);
  }
}

/* Unsigned, some damage goes unseen, but none may crash or give more bytes than were told. */
static void damage_without_a_signature_breaks_nothing(void **state) {
  (void)state;
  char text[3000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 7);
  for (int way = 1; way <= 2; way++) {
    cachette *handle = open_with(ways[way][0], ways[way][1], NULL, NULL);
    put_bytes(handle, "key", text, sizeof text);
    cachette_slice sealed = stored("key");
    unsigned char *bytes = malloc(sealed.size);
    int refused = 0;
    for (size_t bit = 0; bit < sealed.size * 8; bit++) {
      memcpy(bytes, sealed.data, sealed.size);
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      store("key", bytes, sealed.size);
      cachette_slice value;
      int status = cachette_fetch(handle, cachette_str("key"), &value, NULL, NULL);
      if (status == CACHETTE_HIT) cachette_free(value.data);
      refused += status == CACHETTE_ECODEC;
    }
    assert_true(refused > (int)sealed.size);
    free(bytes);
    cachette_free(sealed.data);
    cachette_close(handle);
  }
}

static void a_bomb_is_refused_before_anything_is_allocated(void **state) {
  (void)state;
  char zeros[5000] = {0};
  for (int way = 1; way <= 2; way++) {
    cachette *handle = open_with(ways[way][0], ways[way][1], NULL, NULL);
    put_bytes(handle, "key", zeros, sizeof zeros);
    cachette_slice sealed = stored("key");
    unsigned char *bytes = malloc(sealed.size);
    memcpy(bytes, sealed.data, sealed.size);
    memset(bytes + 5, 0xff, 8);
    store("key", bytes, sealed.size);
    expect_refused(handle, "key", "is damaged");
    memset(bytes + 5, 0, 8);
    bytes[5 + 3] = 0x7f; /* two GiB of some bytes */
    store("key", bytes, sealed.size);
    expect_refused(handle, "key", "is damaged");
    free(bytes);
    cachette_free(sealed.data);
    cachette_close(handle);
  }
}

static void one_value_that_is_refused_leaves_the_others(void **state) {
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

static void a_short_secret_is_a_fault(void **state) {
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

/* ---- Over a store that waits ---- */

static int open_slow_below(const cachette__store_context *context, cachette__store **store,
                           cachette_error *error) {
  static const cachette__layer_kind *const kinds[] = {&cachette__envelope_layer};
  return cachette__layers_open_over(kinds, 1, slow_store.open, context, store, error);
}

static cachette *open_over_slow(void) {
  cachette_options *options = options_with("secret", SECRET, "accept_plain", "true", NULL);
  cachette *handle;
  assert_int_equal(cachette__open_with(options, open_slow_below, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  return handle;
}

static void ops_travel_over_a_store_that_waits(void **state) {
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

static void ops_are_given_up_at_any_moment(void **state) {
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

static void a_failure_of_the_store_comes_up(void **state) {
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

static int work(void *options) {
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

static void each_allocation_fails(void **state) {
  (void)state;
  for (int way = 0; way < 3; way++) {
    cachette_options *options = options_with("memory_name", "nomem", ways[way][0], ways[way][1],
                                             "accept_plain", "true", NULL);
    assert_int_equal(work(options), CACHETTE_OK);
    assert_true(nomem_each(work, options) > 10);
    cachette_options_free(options);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_come_back),
      cmocka_unit_test(many_come_back_and_absent_ones_are_absent),
      cmocka_unit_test(other_verbs_pass),
      cmocka_unit_test(counters_are_refused_with_a_secret_alone),
      cmocka_unit_test(digits_without_an_envelope_are_a_counter),
      cmocka_unit_test(the_layout_is_pinned),
      cmocka_unit_test(values_are_compressed_from_the_threshold_on_if_that_helps),
      cmocka_unit_test(without_the_options_values_are_plain),
      cmocka_unit_test(each_way_of_compressing_reads_the_other),
      cmocka_unit_test(plain_values_are_read_only_if_the_options_say_so),
      cmocka_unit_test(what_others_signed_is_refused),
      cmocka_unit_test(a_value_moved_to_another_key_is_refused),
      cmocka_unit_test(every_bit_that_flips_and_every_cut_is_refused),
      cmocka_unit_test(damage_without_a_signature_breaks_nothing),
      cmocka_unit_test(a_bomb_is_refused_before_anything_is_allocated),
      cmocka_unit_test(one_value_that_is_refused_leaves_the_others),
      cmocka_unit_test(a_short_secret_is_a_fault),
      cmocka_unit_test_setup(ops_travel_over_a_store_that_waits, slow_reset),
      cmocka_unit_test_setup(ops_are_given_up_at_any_moment, slow_reset),
      cmocka_unit_test_setup(a_failure_of_the_store_comes_up, slow_reset),
      cmocka_unit_test(each_allocation_fails),
  };
  failing_allocator_install();
  /* Holds the store, so that what one handle puts another finds. */
  cachette *holder = open_plain();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  cachette_close(holder);
  return failed;
}
