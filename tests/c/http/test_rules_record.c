/* SPDX-License-Identifier: MIT */
/*
 * A store may return anything: the record of another request, of another version, a part of one,
 * damaged bytes. Whatever is decided with it, it must be a miss, never the response to another
 * request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"
#include "http_policy.h"

#define A "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60\nETag: \"a\""
#define QUERY "QUERY http://a.com/\nContent-Type: a/b"

/* ---- Records ---- */

/* What an exchange writes; slices are blocks of their exact size. */
struct written {
  cachette_slice head, index;
  unsigned char key[CACHETTE_HTTP_KEY_SIZE], index_key[CACHETTE_HTTP_KEY_SIZE];
};

static cachette_http_request *new_request(const char *text, const char *body) {
  cachette_http_request *request = http_request_new(text);
  if (body == NULL) return request;
  request->body = http_copy(body, strlen(body));
  request->has_body = true;
  return request;
}

static void free_request(cachette_http_request *request) {
  http_free(request->body);
  http_request_free(request);
}

static cachette_slice new_bytes(size_t size) {
  void *bytes = malloc(size);
  assert_non_null(bytes);
  return (cachette_slice){bytes, size};
}

static void write_records(cachette_http_exchange *exchange, const char *body,
                          struct written *written) {
  cachette_slice part = cachette_str(body);
  written->head = new_bytes(cachette_http_record_size(exchange, NULL));
  assert_int_equal(
      cachette_http_record_write(exchange, NULL, &part, 1, (unsigned char *)written->head.data), 0);
  memcpy(written->key, exchange->key, sizeof written->key);
  memcpy(written->index_key, exchange->index_key, sizeof written->index_key);
  written->index = (cachette_slice){NULL, 0};
  if (!exchange->store_index) return;
  written->index = new_bytes(cachette_http_index_size(exchange));
  cachette_http_index_write(exchange, (unsigned char *)written->index.data);
}

/* Stores the response to a request. `before` is what is stored for its URI already; or empty. */
static struct written store(const cachette_http_policy *policy, const char *request_text,
                            const char *request_body, const char *response_text,
                            cachette_slice before) {
  static uint64_t random;
  struct written written;
  cachette_http_exchange exchange;
  cachette_http_request *request = new_request(request_text, request_body);
  cachette_http_response *response = http_response_new(response_text);
  response->random = ++random;
  assert_int_equal(cachette_http_begin(&exchange, policy, request), 0);
  cachette_http_decide(&exchange, before, HTTP_NOW_MS);
  if (exchange.action == CACHETTE_HTTP_VARIANT)
    cachette_http_decide(&exchange, (cachette_slice){NULL, 0}, HTTP_NOW_MS);
  cachette_http_receive(&exchange, response, HTTP_NOW_MS);
  assert_int_equal(exchange.action, CACHETTE_HTTP_STORE);
  write_records(&exchange, "hello", &written);
  cachette_http_end(&exchange);
  http_response_free(response);
  free_request(request);
  return written;
}

static void free_written(struct written *written) {
  http_free(written->head);
  http_free(written->index);
}

/* Decides with a record, or first an index and then a record. Returns the reason to forward, or
 * NONE if the record answers. */
static enum cachette_http_reason decide(const cachette_http_policy *policy, const char *text,
                                        const char *body, cachette_slice first,
                                        cachette_slice second) {
  cachette_http_exchange exchange;
  cachette_http_request *request = new_request(text, body);
  assert_int_equal(cachette_http_begin(&exchange, policy, request), 0);
  cachette_http_decide(&exchange, first, HTTP_NOW_MS);
  if (exchange.action == CACHETTE_HTTP_VARIANT)
    cachette_http_decide(&exchange, second, HTTP_NOW_MS);
  enum cachette_http_reason reason = exchange.forwarded;
  bool is_hit = exchange.action == CACHETTE_HTTP_HIT;
  assert_int_equal(exchange.action, is_hit ? CACHETTE_HTTP_HIT : CACHETTE_HTTP_MISS);
  assert_int_equal(is_hit, reason == CACHETTE_HTTP_BECAUSE_NONE);
  cachette_http_end(&exchange);
  free_request(request);
  return reason;
}

/* ---- Records of other requests ---- */

/* Two requests, of which the second is given the record of the first. */
struct pair {
  const char *source, *policy, *first, *first_body, *second, *second_body;
  bool is_same; /* it is a record for both */
};

static bool check_pair(const struct pair *pair) {
  cachette_http_policy policy = http_policy(pair->policy);
  struct written written =
      store(&policy, pair->first, pair->first_body, OK, (cachette_slice){NULL, 0});
  enum cachette_http_reason expected =
      pair->is_same ? CACHETTE_HTTP_BECAUSE_NONE : CACHETTE_HTTP_BECAUSE_DAMAGED;
  cachette_slice none = {NULL, 0};
  bool is_right =
      decide(&policy, pair->second, pair->second_body, written.head, none) == expected &&
      decide(&policy, pair->first, pair->first_body, written.head, none) ==
          CACHETTE_HTTP_BECAUSE_NONE;
  if (!is_right)
    print_error("%s: %s and %s (%s)\n", pair->source, pair->first, pair->second, pair->policy);
  free_written(&written);
  return is_right;
}

static void a_record_is_for_one_request(void **state) {
  (void)state;
#define GET(target) "GET http://a.com" target, NULL
#define URI(uri) "GET " uri, NULL
  static const struct pair pairs[] = {
      {"9111 2", "", GET("/"), GET("/"), true},
      {"9111 2", "", GET("/"), GET("/b"), false},
      {"9111 2", "", GET("/b"), GET("/B"), false},
      {"9111 2", "", GET("/b"), GET("/b/"), false},
      {"9111 2", "", GET("/b"), GET("//b"), false},
      {"9111 2", "", GET("/b"), GET("/./b"), false},
      {"9110 4.2.3", "", GET("/"), GET(""), true},
      {"9110 4.2.3", "", GET("/"), GET("?"), false},
      /* Percent signs are not decoded: an application may tell these apart. */
      {"CVE-2021-27577", "", GET("/a%3Fb"), GET("/a?b"), false},
      {"CVE-2021-27577", "", GET("/a%2Fb"), GET("/a/b"), false},
      {"CVE-2021-27577", "", GET("/%41"), GET("/A"), false},
      {"CVE-2021-27577", "", GET("/%2f"), GET("/%2F"), false},
      /* Query. */
      {"CVE-2026-30246", "", GET("/?a=1"), GET("/?a=2"), false},
      {"CVE-2026-30246", "", GET("/?a=1"), GET("/"), false},
      {"CVE-2026-30246", "", GET("/?"), GET("/"), false},
      {"CVE-2026-30246", "", GET("/?a&b"), GET("/?b&a"), false},
      {"CVE-2021-23336", "", GET("/?a=1;b=2"), GET("/?a=1&b=2"), false},
      {"9111 2", "drop", GET("/?a=1"), GET("/?a=2"), true},
      {"9111 2", "drop", GET("/b?a=1"), GET("/c?a=1"), false},
      {"9111 2", "sort", GET("/?a&b"), GET("/?b&a"), true},
      {"9111 2", "sort", GET("/?a&b"), GET("/?b&c"), false},
      /* Scheme, host and port. */
      {"9110 4.2.3", "", URI("http://a.com/"), URI("https://a.com/"), false},
      {"9110 4.2.3", "", URI("http://a.com/"), URI("HTTP://a.com/"), true},
      {"9110 4.2.3", "", URI("http://a.com/"), URI("http://b.com/"), false},
      {"9110 4.2.3", "", URI("http://a.com/"), URI("http://A.COM/"), true},
      {"9110 4.2.3", "", URI("http://a.com/"), URI("http://a.com:80/"), true},
      {"9110 4.2.3", "", URI("http://a.com/"), URI("http://a.com:8/"), false},
      {"9110 4.2.3", "", URI("https://a.com/"), URI("https://a.com:443/"), true},
      {"9110 4.2.3", "", URI("https://a.com/"), URI("https://a.com:80/"), false},
      {"GHSA-p6vj-j24g-56wp", "", URI("http://a.com/"), URI("http://a.com.b/"), false},
      {"CVE-2021-29479", "", URI("http://a.com/"), URI("http://a.com/\nX-Forwarded-Host: b"), true},
      {"CVE-2021-29479", "", URI("http://a.com/"), URI("http://b/\nX-Forwarded-Host: a.com"),
       false},
      /* Parts of the key are not just put one after another. */
      {"CVE-2026-25480", "", URI("http://a.com/b"), URI("http://a.co/mb"), false},
      {"CVE-2026-25480", "", URI("http://a.com/?b"), URI("http://a.com?/b"), false},
      {"CVE-2026-25480", "key=a,b", GET("/\nCookie: a=1; b=2"), GET("/\nCookie: a=12"), false},
      {"CVE-2026-25480", "key=a,b", GET("/\nCookie: a=1; b=2"), GET("/\nCookie: b=2; a=1"), true},
      {"CVE-2026-25480", "key=a,b", GET("/\nCookie: a=1"), GET("/\nCookie: b=1"), false},
      {"CVE-2026-25480", "key=a", GET("/\nCookie: a="), GET("/"), false},
      /* Methods. */
      {"9110 9.3.2", "", GET("/"), "HEAD http://a.com/", NULL, true},
      {"10008 2.7", "", GET("/"), QUERY, "q", false},
      {"10008 2.7", "", QUERY, "q", GET("/"), false},
      {"10008 2.7", "", QUERY, "q", QUERY, "q", true},
      {"10008 2.7", "", QUERY, "q", QUERY, "r", false},
      {"10008 2.7", "", QUERY, "q", QUERY, "qq", false},
      {"10008 2.7", "", QUERY, "q", QUERY "c", "q", false},
      {"10008 2.7", "", QUERY, "q", QUERY "\nContent-Encoding: gzip", "q", false},
      {"10008 2.7", "", QUERY, "q", QUERY "\nContent-Language: de", "q", false},
      {"10008 2.7", "", QUERY, "cq", QUERY "c", "q", false},
      {"9110 9.3.3", "post", "POST http://a.com/", "q", "POST http://a.com/", "q", true},
      {"9110 9.3.3", "post", "POST http://a.com/", "q", "POST http://a.com/", "r", false},
      {"9110 9.3.3", "post", "POST http://a.com/\nContent-Type: a/b", "q", QUERY, "q", false},
  };
  size_t wrong = 0;
  for (size_t i = 0; i < LENGTH(pairs); i++) wrong += !check_pair(&pairs[i]);
  assert_int_equal(wrong, 0);
}

/* ---- Damage ---- */

static enum cachette_http_reason decide_for_a(cachette_slice record) {
  const cachette_http_policy policy = {0};
  return decide(&policy, A, NULL, record, (cachette_slice){NULL, 0});
}

static struct written store_a(void) {
  const cachette_http_policy policy = {0};
  return store(&policy, A, NULL, OK "\nX: 1", (cachette_slice){NULL, 0});
}

static void a_part_of_a_head_is_a_miss(void **state) {
  (void)state;
  struct written written = store_a();
  for (size_t size = 1; size < written.head.size; size++) {
    cachette_slice part = http_copy(written.head.data, size);
    assert_int_equal(decide_for_a(part), CACHETTE_HTTP_BECAUSE_DAMAGED);
    assert_int_equal(cachette_http_record_head_size(part), 0);
    http_free(part);
  }
  assert_int_equal(decide_for_a((cachette_slice){NULL, 0}), CACHETTE_HTTP_BECAUSE_URI_MISS);
  assert_int_equal(decide_for_a(written.head), CACHETTE_HTTP_BECAUSE_NONE);
  free_written(&written);
}

/* Flips each bit of the first record, and decides with both. */
static void expect_damage(cachette_slice first, cachette_slice second, size_t flipped) {
  const cachette_http_policy policy = {0};
  cachette_slice copies[] = {http_copy(first.data, first.size),
                             http_copy(second.data, second.size)};
  unsigned char *bytes = (unsigned char *)copies[flipped].data;
  for (size_t bit = 0; bit < copies[flipped].size * 8; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    assert_int_equal(decide(&policy, A "\nX: 1", NULL, copies[0], copies[1]),
                     CACHETTE_HTTP_BECAUSE_DAMAGED);
    bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
  }
  http_free(copies[0]);
  http_free(copies[1]);
}

static void a_flipped_bit_is_a_miss(void **state) {
  (void)state;
  const cachette_http_policy policy = {0};
  cachette_slice none = {NULL, 0};
  struct written written = store_a();
  expect_damage(written.head, none, 0);
  free_written(&written);
  written = store(&policy, A "\nX: 1", NULL, OK "\nVary: X", none);
  assert_int_equal(decide(&policy, A "\nX: 1", NULL, written.index, written.head),
                   CACHETTE_HTTP_BECAUSE_NONE);
  expect_damage(written.index, written.head, 0);
  expect_damage(written.index, written.head, 1);
  free_written(&written);
}

static void other_bytes_are_a_miss(void **state) {
  (void)state;
  static const char *const texts[] = {
      "c",           "cHTP", "cHTP\1", "cHTQ", "HTTP/1.1 200 OK\r\n\r\nhello", "{\"status\": 200}",
      "\x80\x04\x95"};
  for (size_t i = 0; i < LENGTH(texts); i++) {
    cachette_slice text = http_copy(texts[i], strlen(texts[i]));
    assert_int_equal(decide_for_a(text), CACHETTE_HTTP_BECAUSE_DAMAGED);
    http_free(text);
  }
}

/* ---- Bodies ---- */

static bool matches(cachette_slice head, const char *body) {
  cachette_slice part = http_copy(body, strlen(body));
  bool matches = cachette_http_record_matches(head, &part, 1);
  http_free(part);
  return matches;
}

static void a_verdict_needs_no_body(void **state) {
  (void)state;
  struct written written = store_a();
  cachette_http_record_info info;
  assert_int_equal(cachette_http_record_head_size(written.head), written.head.size);
  assert_int_equal(cachette_http_record_describe(written.head, &info), 0);
  assert_int_equal(info.body_size, 5);
  assert_int_equal(decide_for_a(written.head), CACHETTE_HTTP_BECAUSE_NONE);
  free_written(&written);
}

static void a_body_belongs_to_its_head(void **state) {
  (void)state;
  struct written written = store_a();
  static const char *const others[] = {"hellO", "iello", "hell", "hello!", "", "olleh"};
  assert_true(matches(written.head, "hello"));
  for (size_t i = 0; i < LENGTH(others); i++) assert_false(matches(written.head, others[i]));
  const cachette_slice parts[] = {{"he", 2}, {NULL, 0}, {"llo", 3}};
  assert_true(cachette_http_record_matches(written.head, parts, LENGTH(parts)));
  assert_false(cachette_http_record_matches(written.head, parts, LENGTH(parts) - 1));
  free_written(&written);
}

/* ---- Variants ---- */

static void a_variant_is_found_through_its_index_only(void **state) {
  (void)state;
  const cachette_http_policy policy = {0};
  cachette_slice none = {NULL, 0};
  struct written a = store(&policy, A "\nX: 1", NULL, OK "\nVary: X", none);
  struct written b = store(&policy, A "\nX: 2", NULL, OK "\nVary: X", a.index);
  struct written later = store(&policy, A "\nX: 1", NULL, OK "\nVary: X", none);
  static const struct {
    const char *request;
    bool second_index, later_head, is_other_head;
    enum cachette_http_reason reason;
  } cases[] = {
      {A "\nX: 1", true, false, false, CACHETTE_HTTP_BECAUSE_NONE},
      {A "\nX: 2", true, false, true, CACHETTE_HTTP_BECAUSE_NONE},
      /* The record of another variant, */
      {A "\nX: 1", true, false, true, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      {A "\nX: 2", true, false, false, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      /* a variant that is not listed, */
      {A "\nX: 2", false, false, true, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      {A "\nX: 3", true, false, true, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      {A, true, false, true, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      {A "\nX: 12", true, false, false, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      {A "\nX:", true, false, false, CACHETTE_HTTP_BECAUSE_VARY_MISS},
      /* and one of after the URI was cleared. */
      {A "\nX: 1", true, true, false, CACHETTE_HTTP_BECAUSE_VARY_MISS},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice head = cases[i].later_head ? later.head : a.head;
    if (cases[i].is_other_head) head = b.head;
    assert_int_equal(
        decide(&policy, cases[i].request, NULL, cases[i].second_index ? b.index : a.index, head),
        cases[i].reason);
  }
  /* An index is no response, and there is only one. */
  assert_int_equal(decide(&policy, A "\nX: 1", NULL, a.index, a.index),
                   CACHETTE_HTTP_BECAUSE_DAMAGED);
  assert_int_equal(decide(&policy, A "b\nX: 1", NULL, a.index, a.head),
                   CACHETTE_HTTP_BECAUSE_DAMAGED);
  assert_int_equal(decide(&policy, A "\nX: 1", NULL, a.index, none),
                   CACHETTE_HTTP_BECAUSE_VARY_MISS);
  free_written(&a);
  free_written(&b);
  free_written(&later);
}

/* Names of a URI's variants, of which an index lists the last 8. */
static void an_index_lists_the_last_eight(void **state) {
  (void)state;
  enum { COUNT = 12, LISTED = 8 };
  const cachette_http_policy policy = {0};
  struct written all[COUNT];
  cachette_slice index = {NULL, 0};
  char request[64];
  for (int i = 0; i < COUNT; i++) {
    snprintf(request, sizeof request, A "\nX: %d", i);
    all[i] = store(&policy, request, NULL, OK "\nVary: X", index);
    assert_int_equal(cachette_http_record_head_size(all[i].index), all[i].index.size);
    index = all[i].index;
  }
  for (int i = 0; i < COUNT; i++) {
    snprintf(request, sizeof request, A "\nX: %d", i);
    assert_int_equal(
        decide(&policy, request, NULL, index, all[i].head),
        i < COUNT - LISTED ? CACHETTE_HTTP_BECAUSE_VARY_MISS : CACHETTE_HTTP_BECAUSE_NONE);
  }
  for (int i = 0; i < COUNT; i++) free_written(&all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_record_is_for_one_request),
      cmocka_unit_test(a_part_of_a_head_is_a_miss),
      cmocka_unit_test(a_flipped_bit_is_a_miss),
      cmocka_unit_test(other_bytes_are_a_miss),
      cmocka_unit_test(a_verdict_needs_no_body),
      cmocka_unit_test(a_body_belongs_to_its_head),
      cmocka_unit_test(a_variant_is_found_through_its_index_only),
      cmocka_unit_test(an_index_lists_the_last_eight),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
