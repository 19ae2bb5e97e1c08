/* SPDX-License-Identifier: MIT */
/* What a step of an exchange leaves to the next one, where a step comes twice, late or in vain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"
#include "http_policy.h"

#define GET "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60"
#define TAG OK "\nETag: \"a\""

enum { FIELDS_MAX = 32 };

static const cachette_slice nothing = {NULL, 0};

/* ---- Steps ---- */

struct played {
  cachette_http_policy policy;
  cachette_http_request *request;
  cachette_http_response *responses[4];
  size_t count;
  cachette_http_exchange exchange;
};

static struct played *begin(const char *policy, const char *request) {
  struct played *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->policy = http_policy(policy);
  self->request = http_request_new(request);
  assert_int_equal(cachette_http_begin(&self->exchange, &self->policy, self->request), 0);
  return self;
}

static enum cachette_http_action decide(struct played *self, cachette_slice record, int64_t at_s) {
  cachette_http_decide(&self->exchange, record, HTTP_NOW_MS + at_s * 1000);
  return self->exchange.action;
}

/* Takes a response that came at a time, some seconds later. */
static enum cachette_http_action receive(struct played *self, const char *text, int64_t at_s,
                                         int64_t later_s) {
  cachette_http_response *response = http_response_new(text);
  assert_true(self->count < LENGTH(self->responses));
  self->responses[self->count++] = response;
  response->requested_ms += at_s * 1000;
  response->received_ms += at_s * 1000;
  response->random = (uint64_t)at_s + 1;
  cachette_http_receive(&self->exchange, response, HTTP_NOW_MS + (at_s + later_s) * 1000);
  return self->exchange.action;
}

static cachette_slice written(struct played *self, const char *body) {
  cachette_slice part = cachette_str(body);
  size_t size = cachette_http_record_size(&self->exchange, NULL);
  unsigned char *head = malloc(size);
  assert_non_null(head);
  assert_int_equal(cachette_http_record_write(&self->exchange, NULL, &part, 1, head), 0);
  return (cachette_slice){head, size};
}

static void end(struct played *self) {
  cachette_http_end(&self->exchange);
  for (size_t i = 0; i < self->count; i++) http_response_free(self->responses[i]);
  http_request_free(self->request);
  free(self);
}

/* Returns the record of a response that was asked for and came at a time. */
static cachette_slice stored(const char *policy, const char *request, const char *response,
                             int64_t at_s, const char *body) {
  struct played *self = begin(policy, request);
  assert_int_equal(decide(self, nothing, at_s), CACHETTE_HTTP_MISS);
  assert_int_equal(receive(self, response, at_s, 0), CACHETTE_HTTP_STORE);
  cachette_slice record = written(self, body);
  end(self);
  return record;
}

/* ---- Heads that were read ---- */

/* Decides by a head from a block that is freed before the answer. */
static void decide_by_head(struct played *self, cachette_slice record, int64_t at_s) {
  cachette_http_head *head = malloc(sizeof *head);
  assert_non_null(head);
  assert_true(cachette_http_head_read(head, record));
  cachette_http_decide_head(&self->exchange, head, HTTP_NOW_MS + at_s * 1000);
  free(head);
}

static void expect_same(struct played *left, struct played *right) {
  cachette_http_field lists[2][FIELDS_MAX];
  const cachette_http_exchange *one = &left->exchange, *other = &right->exchange;
  assert_int_equal(one->action, other->action);
  assert_int_equal(one->forwarded, other->forwarded);
  assert_int_equal(one->status, other->status);
  assert_int_equal(one->send_body, other->send_body);
  assert_int_equal(one->body_first, other->body_first);
  assert_int_equal(one->body_size, other->body_size);
  assert_int_equal(one->head_size, other->head_size);
  assert_int_equal(one->age_ms, other->age_ms);
  assert_int_equal(one->ttl_ms, other->ttl_ms);
  assert_memory_equal(one->key, other->key, sizeof one->key);
  size_t count = cachette_http_answer(&left->exchange, NULL, false, lists[0], FIELDS_MAX);
  assert_int_equal(cachette_http_answer(&right->exchange, NULL, false, lists[1], FIELDS_MAX),
                   count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(lists[0][i].value.size, lists[1][i].value.size);
    assert_memory_equal(lists[0][i].value.data, lists[1][i].value.data, lists[0][i].value.size);
  }
}

static void a_head_that_was_read_decides_like_its_record(void **state) {
  (void)state;
  static const struct {
    const char *request;
    int64_t at_s;
    enum cachette_http_action action;
  } rows[] = {
      {GET, 10, CACHETTE_HTTP_HIT},
      {GET "\nIf-None-Match: \"a\"", 10, CACHETTE_HTTP_HIT},
      {GET "\nRange: bytes=1-2", 10, CACHETTE_HTTP_HIT},
      {GET "\nRange: bytes=9-", 10, CACHETTE_HTTP_HIT},
      {"HEAD http://a.com/", 10, CACHETTE_HTTP_HIT},
      {GET, 60, CACHETTE_HTTP_REVALIDATE},
      {"GET http://a.com/other", 10, CACHETTE_HTTP_MISS},
      {GET "\nCache-Control: only-if-cached", 60, CACHETTE_HTTP_ERROR},
      {GET "\nContent-Length: 5", 10, CACHETTE_HTTP_PASS},
  };
  cachette_slice record = stored("", GET, TAG, 0, "hello");
  for (size_t i = 0; i < LENGTH(rows); i++) {
    struct played *left = begin("", rows[i].request), *right = begin("", rows[i].request);
    for (int times = 0; times < 2; times++) {
      assert_int_equal(decide(left, record, rows[i].at_s), rows[i].action);
      decide_by_head(right, record, rows[i].at_s);
      expect_same(left, right);
    }
    end(left);
    end(right);
  }
  http_free(record);
}

static void a_head_of_an_index_leads_to_the_variant(void **state) {
  (void)state;
  struct played *first = begin("", GET "\nX: 1");
  decide(first, nothing, 0);
  assert_int_equal(receive(first, OK "\nVary: X", 0, 0), CACHETTE_HTTP_STORE);
  size_t size = cachette_http_index_size(&first->exchange);
  unsigned char *index = malloc(size);
  assert_non_null(index);
  cachette_http_index_write(&first->exchange, index);
  cachette_slice record = written(first, "hello");
  struct played *second = begin("", GET "\nX: 1");
  decide_by_head(second, (cachette_slice){index, size}, 1);
  assert_int_equal(second->exchange.action, CACHETTE_HTTP_VARIANT);
  assert_memory_equal(second->exchange.key, first->exchange.key, CACHETTE_HTTP_KEY_SIZE);
  decide_by_head(second, record, 1);
  assert_int_equal(second->exchange.action, CACHETTE_HTTP_HIT);
  end(second);
  end(first);
  free(index);
  http_free(record);
}

static void a_damaged_head_is_not_read(void **state) {
  (void)state;
  cachette_http_head head;
  cachette_slice record = stored("", GET, TAG, 0, "hello");
  size_t size = cachette_http_record_head_size(record);
  for (size_t i = 0; i < size; i++) {
    unsigned char *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, record.data, size);
    assert_true(cachette_http_head_read(&head, (cachette_slice){copy, size}));
    copy[i] ^= 1;
    assert_false(cachette_http_head_read(&head, (cachette_slice){copy, size}));
    free(copy);
    copy = malloc(i + 1);
    assert_non_null(copy);
    memcpy(copy, record.data, i);
    assert_false(cachette_http_head_read(&head, (cachette_slice){copy, i}));
    free(copy);
  }
  assert_false(cachette_http_head_read(&head, nothing));
  http_free(record);
}

/* ---- Late responses ---- */

static void what_ended_on_its_way_is_not_kept(void **state) {
  (void)state;
  struct played *self = begin("", GET);
  decide(self, nothing, 0);
  assert_int_equal(receive(self, OK "\nVary: X", 0, 60), CACHETTE_HTTP_PASS);
  assert_int_equal(self->exchange.not_stored, CACHETTE_HTTP_BECAUSE_NOT_FRESH);
  assert_int_equal(self->exchange.keep_ms, 0);
  assert_false(self->exchange.store_index);
  end(self);
}

/* A TTL of 0 would be the store's default, which may be for ever. */
static void what_ended_while_it_was_validated_is_not_kept(void **state) {
  (void)state;
#define WITHOUT_TAG "304\nETag: \"a\"\nCache-Control: no-cache=\"etag\", max-age="
  static const struct {
    const char *response;
    enum cachette_http_reason not_stored;
  } rows[] = {
      {WITHOUT_TAG "60", CACHETTE_HTTP_BECAUSE_NOT_FRESH},
      {WITHOUT_TAG "61", CACHETTE_HTTP_BECAUSE_NONE},
  };
  cachette_slice record = stored("", GET, TAG, 0, "hello");
  for (size_t i = 0; i < LENGTH(rows); i++) {
    struct played *self = begin("", GET);
    assert_int_equal(decide(self, record, 60), CACHETTE_HTTP_REVALIDATE);
    assert_int_equal(receive(self, rows[i].response, 60, 60), CACHETTE_HTTP_FRESHEN);
    bool is_kept = rows[i].not_stored == CACHETTE_HTTP_BECAUSE_NONE;
    assert_int_equal(self->exchange.not_stored, rows[i].not_stored);
    assert_int_equal(self->exchange.keep_ms, is_kept ? 1000 : 0);
    assert_int_equal(self->exchange.invalidates, !is_kept);
    end(self);
  }
  http_free(record);
}

/* ---- Steps that come twice ---- */

static void a_response_that_is_taken_after_another_counts_alone(void **state) {
  (void)state;
#define PART(range) "206\nCache-Control: max-age=60\nETag: \"a\"\nContent-Range: bytes " range
#define RANGED(range) GET "\nRange: bytes=" range
  cachette_slice record = stored("partial", RANGED("0-2"), PART("0-2/5"), 0, "hel");
  struct played *self = begin("partial", RANGED("3-4"));
  assert_int_equal(decide(self, record, 1), CACHETTE_HTTP_MISS);
  assert_int_equal(receive(self, PART("3-4/5"), 1, 0), CACHETTE_HTTP_STORE);
  assert_int_equal(
      cachette_http_combine(&self->exchange, cachette_str("hel"), cachette_str("lo"), NULL), 5);
  assert_int_equal(receive(self, OK "\nX: 1", 2, 0), CACHETTE_HTTP_STORE);
  assert_int_equal(
      cachette_http_combine(&self->exchange, cachette_str("hel"), cachette_str("lo"), NULL), 0);
  cachette_slice whole = written(self, "HELLO");
  cachette_http_record_info info;
  assert_int_equal(cachette_http_record_describe(whole, &info), 0);
  assert_int_equal(info.status, 200);
  end(self);
  http_free(whole);
  http_free(record);
}

/* The origin has said that the stored response is not the current one. */
static void what_was_contradicted_does_not_answer_for_a_failure(void **state) {
  (void)state;
  cachette_slice record = stored("sie=60", GET, TAG, 0, "hello");
  struct played *self = begin("sie=60", GET);
  assert_int_equal(decide(self, record, 60), CACHETTE_HTTP_REVALIDATE);
  assert_true(self->exchange.usable_if_error);
  assert_int_equal(receive(self, "304\nETag: \"b\"", 60, 0), CACHETTE_HTTP_REFETCH);
  assert_false(self->exchange.usable_if_error);
  cachette_http_receive(&self->exchange, NULL, HTTP_NOW_MS + 60000);
  assert_int_equal(self->exchange.action, CACHETTE_HTTP_PASS);
  end(self);
  http_free(record);
}

/* ---- The body of the record ---- */

/* After receive() the record may be another one, so nothing is told of its body. */
static void decide_tells_where_the_body_begins(void **state) {
  (void)state;
  cachette_slice record = stored("sie=60", GET, TAG, 0, "hello");
  size_t head_size = cachette_http_record_head_size(record);
  assert_int_equal(head_size, record.size); /* the body is elsewhere */
  struct played *self = begin("sie=60", GET);
  assert_int_equal(decide(self, record, 1), CACHETTE_HTTP_HIT);
  assert_int_equal(self->exchange.head_size, head_size);
  assert_int_equal(decide(self, record, 60), CACHETTE_HTTP_REVALIDATE);
  assert_int_equal(self->exchange.head_size, 0);
  assert_int_equal(receive(self, "304", 60, 0), CACHETTE_HTTP_FRESHEN);
  assert_int_equal(self->exchange.head_size, 0);
  end(self);
  http_free(record);
}

/* ---- Those who wait ---- */

/* Returns what a request that waited finds if it decides again with what came at a time. */
static enum cachette_http_action again(const char *policy, const char *control, int64_t came_s) {
  char text[128];
  snprintf(text, sizeof text, GET "\nCache-Control: %s", control);
  cachette_slice before = stored(policy, GET, TAG, 0, "hello");
  cachette_slice after = stored(policy, GET, TAG, came_s, "HELLO");
  struct played *self = begin(policy, text);
  assert_int_equal(decide(self, before, 10), CACHETTE_HTTP_REVALIDATE);
  enum cachette_http_action action = decide(self, after, 12);
  end(self);
  http_free(before);
  http_free(after);
  return action;
}

static void all_who_wait_share_one_revalidation(void **state) {
  (void)state;
  assert_int_equal(again("", "no-cache", 11), CACHETTE_HTTP_HIT);
  assert_int_equal(again("", "no-cache", 10), CACHETTE_HTTP_HIT);
  assert_int_equal(again("", "no-cache", 9), CACHETTE_HTTP_REVALIDATE);
  assert_int_equal(again("", "max-age=0", 11), CACHETTE_HTTP_HIT);
  assert_int_equal(again("", "max-age=0", 9), CACHETTE_HTTP_REVALIDATE);
  assert_int_equal(again("full", "no-cache", 11), CACHETTE_HTTP_REVALIDATE);
  assert_int_equal(again("full", "max-age=0", 11), CACHETTE_HTTP_REVALIDATE);
}

/* ---- Keys ---- */

static void a_request_without_a_target_has_no_key(void **state) {
  (void)state;
  static const struct {
    const char *request;
    bool has_key;
  } rows[] = {{GET, true}, {GET "\nX: a^Jb", false}, {"GET http:///", false}};
  static const unsigned char none[CACHETTE_HTTP_KEY_SIZE];
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette_http_policy policy = http_policy("");
    cachette_http_exchange exchange;
    memset(&exchange, 'x', sizeof exchange);
    cachette_http_request *request = http_request_new(rows[i].request);
    assert_int_equal(cachette_http_begin(&exchange, &policy, request), 0);
    assert_int_equal(memcmp(exchange.key, none, sizeof none) != 0, rows[i].has_key);
    assert_int_equal(memcmp(exchange.index_key, none, sizeof none) != 0, rows[i].has_key);
    cachette_http_end(&exchange);
    http_request_free(request);
  }
}

/* ---- Answers ---- */

/* A longer name than a policy may have would leave no space for the rest. */
static void each_name_that_is_permitted_fits_into_cache_status(void **state) {
  (void)state;
  char name[101];
  memset(name, 'n', sizeof name);
  cachette_error error;
  cachette_http_policy policy = {.name = {name, sizeof name}};
  assert_int_equal(cachette_http_policy_check(&policy, &error), CACHETTE_ECONFIG);
  assert_string_equal(error.subject, "name");
  policy.name.size--;
  assert_int_equal(cachette_http_policy_check(&policy, &error), 0);
  cachette_http_field fields[FIELDS_MAX];
  struct played *self = begin("", GET "\nX-HTTP-Method-Override: x");
  self->policy.name = policy.name;
  receive(self, OK, 0, 0);
  size_t count = cachette_http_answer(&self->exchange, NULL, true, fields, FIELDS_MAX);
  assert_int_equal(count, 1);
  assert_memory_equal(fields[0].value.data, name, policy.name.size);
  end(self);
}

/* Without a response and without a record, there is nothing to list but the status of the cache. */
static void an_answer_from_nothing_has_only_a_cache_status(void **state) {
  (void)state;
  static const char *const requests[] = {GET, "PUT http://a.com/"};
  for (size_t i = 0; i < LENGTH(requests); i++) {
    cachette_http_field fields[FIELDS_MAX];
    struct played *self = begin("", requests[i]);
    decide(self, nothing, 0);
    cachette_http_receive(&self->exchange, NULL, HTTP_NOW_MS);
    assert_int_equal(cachette_http_answer(&self->exchange, NULL, false, fields, FIELDS_MAX), 1);
    assert_memory_equal(fields[0].name.data, "cache-status", fields[0].name.size);
    end(self);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_head_that_was_read_decides_like_its_record),
      cmocka_unit_test(a_head_of_an_index_leads_to_the_variant),
      cmocka_unit_test(a_damaged_head_is_not_read),
      cmocka_unit_test(what_ended_on_its_way_is_not_kept),
      cmocka_unit_test(what_ended_while_it_was_validated_is_not_kept),
      cmocka_unit_test(a_response_that_is_taken_after_another_counts_alone),
      cmocka_unit_test(what_was_contradicted_does_not_answer_for_a_failure),
      cmocka_unit_test(decide_tells_where_the_body_begins),
      cmocka_unit_test(all_who_wait_share_one_revalidation),
      cmocka_unit_test(a_request_without_a_target_has_no_key),
      cmocka_unit_test(each_name_that_is_permitted_fits_into_cache_status),
      cmocka_unit_test(an_answer_from_nothing_has_only_a_cache_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
