/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of an exchange fails in turn. Begin then returns ENOMEM; later, the response is
 * answered but not stored. The usual path allocates nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"
#include "http_shelf.h"
#include "nomem.h"

#define A "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60\nETag: \"a\""
#define VARY OK "\nVary: X"

enum { LONG = 2000, FIELDS_MAX = 32 };

/* An exchange, and what the store has. */
struct play {
  cachette_http_policy policy;
  cachette_http_request *request;
  cachette_http_response *response;
  cachette_slice body;
  struct http_shelf shelf;
  int64_t now_ms;
  enum cachette_http_action action; /* the last one, if no allocation fails */
};

/* ---- One exchange ---- */

static const struct http_stored *decide(struct play *self, cachette_http_exchange *exchange) {
  const struct http_stored *stored;
  do {
    stored = http_shelf_get(&self->shelf, exchange->key);
    cachette_slice head = {NULL, 0};
    if (stored != NULL) head = stored->head;
    cachette_http_decide(exchange, head, self->now_ms);
  } while (exchange->action == CACHETTE_HTTP_VARIANT);
  return stored;
}

/* Writes what is to be stored. Returns it, for the caller to free. */
static cachette_slice write_head(cachette_http_exchange *exchange, cachette_slice body) {
  size_t size = cachette_http_record_size(exchange, NULL);
  unsigned char *head = malloc(size);
  assert_non_null(head);
  assert_int_equal(cachette_http_record_write(exchange, NULL, &body, 1, head), 0);
  return (cachette_slice){head, size};
}

static cachette_slice write_index(const cachette_http_exchange *exchange) {
  size_t size = cachette_http_index_size(exchange);
  unsigned char *bytes = malloc(size);
  assert_non_null(bytes);
  cachette_http_index_write(exchange, bytes);
  return (cachette_slice){bytes, size};
}

/* Writes the records of an exchange, and keeps them if `keeps` is set. */
static void store(struct play *self, cachette_http_exchange *exchange,
                  const struct http_stored *stored, bool keeps) {
  cachette_slice body = stored != NULL ? stored->body : self->body;
  cachette_slice head = write_head(exchange, body);
  if (keeps) http_shelf_put(&self->shelf, exchange->key, head, body);
  http_free(head);
  if (!exchange->store_index) return;
  cachette_slice index = write_index(exchange);
  if (keeps) http_shelf_put(&self->shelf, exchange->index_key, index, (cachette_slice){NULL, 0});
  http_free(index);
}

static bool is_from_store(enum cachette_http_action action) {
  return action == CACHETTE_HTTP_HIT || action == CACHETTE_HTTP_FRESHEN;
}

/* Checks that the client has its answer, whether or not it is stored. */
static void expect_answer(struct play *self, cachette_http_exchange *exchange) {
  cachette_http_field fields[FIELDS_MAX];
  const cachette_http_response *origin = is_from_store(exchange->action) ? NULL : self->response;
  size_t count = cachette_http_answer(exchange, origin, false, fields, FIELDS_MAX);
  assert_in_range(count, 1, FIELDS_MAX);
  cachette_http_fields all = {fields, count};
  assert_slice(http_value(all, "ETag"), "\"a\"");
  assert_true(http_value(all, "Cache-Status").size > 0);
}

static int run(struct play *self, cachette_http_exchange *exchange, bool keeps) {
  const struct http_stored *stored = decide(self, exchange);
  if (exchange->action != CACHETTE_HTTP_HIT)
    cachette_http_receive(exchange, self->response, self->now_ms);
  bool is_lost = exchange->not_stored == CACHETTE_HTTP_BECAUSE_NO_MEMORY;
  expect_answer(self, exchange);
  if (exchange->action == CACHETTE_HTTP_STORE) store(self, exchange, NULL, keeps);
  if (exchange->action == CACHETTE_HTTP_FRESHEN && !is_lost) store(self, exchange, stored, keeps);
  if (is_lost) return CACHETTE_ENOMEM;
  assert_int_equal(exchange->action, self->action);
  return CACHETTE_OK;
}

static int play(void *data) {
  struct play *self = data;
  cachette_http_exchange exchange;
  int code = cachette_http_begin(&exchange, &self->policy, self->request);
  if (code < 0) return code;
  code = run(self, &exchange, false);
  cachette_http_end(&exchange);
  return code;
}

/* ---- Scenarios ---- */

static struct play *new_play(const char *request, const char *response) {
  struct play *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->request = http_request_new(request);
  self->response = http_response_new(response);
  self->body = http_copy("hello", 5);
  self->now_ms = HTTP_NOW_MS;
  self->action = CACHETTE_HTTP_STORE;
  return self;
}

static void free_play(struct play *self) {
  http_shelf_deinit(&self->shelf);
  http_request_free(self->request);
  http_response_free(self->response);
  http_free(self->body);
  free(self);
}

/* Stores the response, and goes on with another one after some seconds. */
static void go_on(struct play *self, int64_t seconds, const char *response,
                  enum cachette_http_action action) {
  cachette_http_exchange exchange;
  assert_int_equal(cachette_http_begin(&exchange, &self->policy, self->request), 0);
  assert_int_equal(run(self, &exchange, true), 0);
  cachette_http_end(&exchange);
  http_response_free(self->response);
  self->response = http_response_new(response);
  self->now_ms += seconds * 1000;
  self->response->requested_ms = self->response->received_ms = self->now_ms;
  self->action = action;
}

/* Makes each allocation fail. Returns how many there are; frees the play. */
static long fail_each(struct play *self) {
  long count = nomem_each_needed(play, self);
  free_play(self);
  return count;
}

static char *long_request(const char *fields) {
  char *text = malloc(LONG + 64);
  assert_non_null(text);
  int size = snprintf(text, LONG + 64, "GET http://a.com/%0*d%s", LONG, 0, fields);
  assert_in_range(size, LONG, LONG + 63);
  return text;
}

static struct play *new_long_play(const char *fields, const char *response) {
  char *text = long_request(fields);
  struct play *self = new_play(text, response);
  free(text);
  return self;
}

static void the_usual_path_allocates_nothing(void **state) {
  (void)state;
  assert_int_equal(fail_each(new_play(A, OK)), 0);
  struct play *hit = new_play(A, OK);
  go_on(hit, 1, OK, CACHETTE_HTTP_HIT);
  assert_int_equal(fail_each(hit), 0);
  struct play *valid = new_play(A, OK);
  go_on(valid, 60, "304\nETag: \"a\"", CACHETTE_HTTP_FRESHEN);
  assert_int_equal(fail_each(valid), 0);
  struct play *variant = new_play(A "\nX: 1", VARY);
  go_on(variant, 1, OK, CACHETTE_HTTP_HIT);
  assert_int_equal(fail_each(variant), 0);
}

static void a_long_request_cannot_begin(void **state) {
  (void)state;
  assert_int_equal(fail_each(new_long_play("", OK)), 1);
  struct play *hit = new_long_play("", OK);
  go_on(hit, 1, OK, CACHETTE_HTTP_HIT);
  assert_int_equal(fail_each(hit), 1);
}

static void a_variant_is_not_stored(void **state) {
  (void)state;
  assert_int_equal(fail_each(new_play(A "\nX: 1", VARY)), 1);
  assert_int_equal(fail_each(new_long_play("\nX: 1", VARY)), 2);
  struct play *valid = new_play(A "\nX: 1", VARY);
  go_on(valid, 60, "304\nETag: \"a\"", CACHETTE_HTTP_FRESHEN);
  assert_int_equal(fail_each(valid), 1);
  struct play *again = new_play(A "\nX: 1", VARY);
  go_on(again, 60, VARY, CACHETTE_HTTP_STORE);
  assert_int_equal(fail_each(again), 1);
}

/* ---- Keys ---- */

static int make_key(void *data) {
  const cachette_http_policy policy = {0};
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  return cachette_http_uri_key(&policy, cachette_str(data), key);
}

static void the_key_of_a_long_uri_needs_memory(void **state) {
  (void)state;
  char *text = long_request("");
  assert_int_equal(nomem_each_needed(make_key, text + strlen("GET ")), 1);
  free(text);
  static char short_uri[] = "http://a.com/";
  assert_int_equal(nomem_each_needed(make_key, short_uri), 0);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_usual_path_allocates_nothing),
      cmocka_unit_test(a_long_request_cannot_begin),
      cmocka_unit_test(a_variant_is_not_stored),
      cmocka_unit_test(the_key_of_a_long_uri_needs_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
