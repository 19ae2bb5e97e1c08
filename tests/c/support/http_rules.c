/* SPDX-License-Identifier: MIT */
#include "http_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_policy.h"
#include "http_shelf.h"

enum { FIELDS_MAX = 64 };

struct text {
  char bytes[16384];
  size_t size;
};

/* One step that is being played. */
struct player {
  const cachette_http_policy *policy;
  struct http_shelf *shelf;
  cachette_http_exchange exchange;
  cachette_http_request *request;
  const struct http_stored *stored; /* what decide() saw last; or NULL */
  struct text verdict, answer, forwarded, body;
  bool is_answered;
};

/* ---- Text ---- */

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t space = sizeof text->bytes - text->size;
  int size = vsnprintf(text->bytes + text->size, space, format, arguments);
  va_end(arguments);
  assert_true(size >= 0 && (size_t)size < space);
  text->size += (size_t)size;
}

static void clear(struct text *text) {
  text->size = 0;
  text->bytes[0] = '\0';
}

/* Begins the next part of the verdict. */
static struct text *next(struct player *self) {
  if (self->verdict.size > 0) add(&self->verdict, ", ");
  return &self->verdict;
}

/* Returns a copy of the text before `end`, or of all; `rest` becomes what follows it, or NULL. */
static char *cut(const char *text, const char *end, const char **rest) {
  const char *at = strstr(text, end);
  *rest = at != NULL ? at + strlen(end) : NULL;
  char *part = at != NULL ? strndup(text, (size_t)(at - text)) : strdup(text);
  assert_non_null(part);
  return part;
}

static void list_fields(struct text *text, const cachette_http_field *fields, size_t count) {
  assert_true(count <= FIELDS_MAX);
  clear(text);
  for (size_t i = 0; i < count; i++)
    add(text, "%.*s: %.*s\n", (int)fields[i].name.size, (const char *)fields[i].name.data,
        (int)fields[i].value.size, (const char *)fields[i].value.data);
}

/* Adds the values of a field, joined. */
static void add_field(struct text *text, const struct text *lines, const char *name, size_t size) {
  bool found = false;
  for (const char *at = lines->bytes; *at != '\0'; at = strchr(at, '\n') + 1) {
    if (strncasecmp(at, name, size) != 0 || at[size] != ':') continue;
    const char *value = at + size + 2;
    add(text, "%s%.*s", found ? ", " : "", (int)strcspn(value, "\n"), value);
    found = true;
  }
  if (!found) add(text, "none");
}

/* ---- Messages ---- */

static cachette_http_request *request_of(const char *text) {
  const char *body;
  char *head = cut(text, "\n\n", &body);
  cachette_http_request *request = http_request_new(head);
  free(head);
  if (body == NULL) return request;
  request->body = http_copy(body, strlen(body));
  request->has_body = true;
  return request;
}

static void free_request(cachette_http_request *request) {
  http_free(request->body);
  http_request_free(request);
}

/* What the origin does with one request. */
struct reply {
  cachette_http_response *response; /* NULL: it does not answer */
  cachette_slice body;
  int64_t now_ms;
};

static struct reply reply_of(const char *text, int64_t now_ms) {
  static uint64_t random;
  struct reply reply = {NULL, {NULL, 0}, now_ms};
  if (strcmp(text, "down") == 0) return reply;
  const char *body;
  char *head = cut(text, "\n\n", &body);
  reply.response = http_response_new(head);
  reply.response->requested_ms += now_ms - HTTP_NOW_MS;
  reply.response->received_ms += now_ms - HTTP_NOW_MS;
  reply.now_ms = reply.response->received_ms;
  reply.response->random = ++random;
  free(head);
  if (body == NULL) body = reply.response->status == 204 ? "" : "hello";
  reply.body = http_copy(body, strlen(body));
  return reply;
}

static void free_reply(struct reply *reply) {
  if (reply->response == NULL) return;
  http_response_free(reply->response);
  http_free(reply->body);
}

/* ---- Answers ---- */

/* The answer to the client; `origin` is NULL if it is from the store. */
static void answer(struct player *self, const struct reply *origin) {
  cachette_http_exchange *exchange = &self->exchange;
  cachette_http_field fields[FIELDS_MAX];
  if (self->is_answered) return;
  self->is_answered = true;
  size_t count = cachette_http_answer(exchange, origin != NULL ? origin->response : NULL, false,
                                      fields, FIELDS_MAX);
  list_fields(&self->answer, fields, count);
  clear(&self->body);
  if (origin != NULL) {
    add(&self->body, "%.*s", (int)origin->body.size, (const char *)origin->body.data);
  } else if (exchange->send_body) {
    assert_non_null(self->stored);
    cachette_slice body = self->stored->body;
    assert_true(cachette_http_record_matches(self->stored->head, &body, 1));
    assert_in_range(exchange->body_first + exchange->body_size, 0, body.size);
    if (exchange->body_size > 0)
      add(&self->body, "%.*s", (int)exchange->body_size,
          (const char *)body.data + exchange->body_first);
  }
}

/* ---- Storing ---- */

static void store_index(struct player *self) {
  size_t size = cachette_http_index_size(&self->exchange);
  unsigned char *bytes = malloc(size);
  assert_non_null(bytes);
  cachette_http_index_write(&self->exchange, bytes);
  http_shelf_put(self->shelf, self->exchange.index_key, (cachette_slice){bytes, size},
                 (cachette_slice){NULL, 0});
  free(bytes);
}

/* Writes the record. False: the library finds that the body does not fit. */
static bool store(struct player *self, cachette_slice body) {
  size_t size = cachette_http_record_size(&self->exchange, NULL);
  unsigned char *head = malloc(size);
  assert_non_null(head);
  int code = cachette_http_record_write(&self->exchange, NULL, &body, 1, head);
  if (code == 0) {
    http_shelf_put(self->shelf, self->exchange.key, (cachette_slice){head, size}, body);
    if (self->exchange.store_index) store_index(self);
  }
  free(head);
  return code == 0;
}

static void store_new(struct player *self, const struct reply *reply) {
  bool is_head =
      self->request->method.size == 4 && memcmp(self->request->method.data, "HEAD", 4) == 0;
  assert_false(is_head); /* its body is not there */
  cachette_slice body = reply->body, stored = {NULL, 0};
  if (self->stored != NULL) stored = self->stored->body;
  size_t size = cachette_http_combine(&self->exchange, stored, reply->body, NULL);
  unsigned char *joined = size > 0 ? malloc(size) : NULL;
  if (size > 0) {
    assert_non_null(joined);
    assert_int_equal(cachette_http_combine(&self->exchange, stored, reply->body, joined), size);
    body = (cachette_slice){joined, size};
  }
  if (store(self, body))
    add(next(self), size > 0 ? "combined" : "stored");
  else
    add(next(self), "not stored: %s", cachette_http_reason_token(self->exchange.not_stored));
  free(joined);
}

static void freshen(struct player *self) {
  const cachette_http_exchange *exchange = &self->exchange;
  add(next(self), "freshen %d", exchange->status);
  if (exchange->not_stored != CACHETTE_HTTP_BECAUSE_NONE) {
    add(&self->verdict, " not kept: %s", cachette_http_reason_token(exchange->not_stored));
    return;
  }
  assert_true(exchange->keep_ms > 0);
  assert_true(store(self, self->stored->body));
}

static void invalidate(struct player *self) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice tag = {NULL, 0};
  size_t count = 0;
  for (; cachette_http_invalidated(&self->exchange, count, key, &tag); count++) {
    http_shelf_clear(self->shelf, key);
    if (tag.size > 0) http_shelf_clear_tag(self->shelf, tag);
  }
  assert_int_equal(self->exchange.invalidates, count > 0);
}

/* ---- Steps ---- */

static bool is_bypassed(const cachette_http_exchange *exchange) {
  return exchange->not_stored == exchange->forwarded;
}

/* Takes one response. Returns true if the origin is to be asked again. */
static bool receive(struct player *self, const struct reply *reply) {
  cachette_http_exchange *exchange = &self->exchange;
  cachette_http_receive(exchange, reply->response, reply->now_ms);
  invalidate(self); /* before anything is stored */
  switch (exchange->action) {
    case CACHETTE_HTTP_REFETCH:
      add(next(self), "refetch %s", cachette_http_reason_token(exchange->forwarded));
      if (exchange->invalidates) add(next(self), "invalidates");
      return true;
    case CACHETTE_HTTP_STORE:
      store_new(self, reply);
      break;
    case CACHETTE_HTTP_FRESHEN:
      freshen(self);
      break;
    case CACHETTE_HTTP_STALE:
      add(next(self), "stale %d", exchange->status);
      break;
    default:
      assert_int_equal(exchange->action, CACHETTE_HTTP_PASS);
      if (!is_bypassed(exchange))
        add(next(self), "not stored: %s", cachette_http_reason_token(exchange->not_stored));
  }
  if (exchange->invalidates) add(next(self), "invalidates");
  bool is_own = exchange->action == CACHETTE_HTTP_PASS || exchange->action == CACHETTE_HTTP_STORE;
  if (!is_own || reply->response != NULL) answer(self, is_own ? reply : NULL);
  return false;
}

static void ask_origin(struct player *self, const char *origin, int64_t now_ms) {
  cachette_http_field fields[FIELDS_MAX];
  bool again = true;
  while (again && origin != NULL) {
    size_t count = cachette_http_forward(&self->exchange, fields, FIELDS_MAX);
    list_fields(&self->forwarded, fields, count);
    char *text = cut(origin, "\n--\n", &origin);
    struct reply reply = reply_of(text, now_ms);
    again = receive(self, &reply);
    free_reply(&reply);
    free(text);
    now_ms = reply.now_ms;
  }
}

static void decide(struct player *self, int64_t now_ms) {
  cachette_http_exchange *exchange = &self->exchange;
  do {
    self->stored = http_shelf_get(self->shelf, exchange->key);
    cachette_slice head = {NULL, 0};
    if (self->stored != NULL) head = self->stored->head;
    cachette_http_decide(exchange, head, now_ms);
  } while (exchange->action == CACHETTE_HTTP_VARIANT);
}

static void add_decision(struct player *self, bool is_asked) {
  static const char *const names[] = {[CACHETTE_HTTP_PASS] = "pass",
                                      [CACHETTE_HTTP_MISS] = "miss",
                                      [CACHETTE_HTTP_HIT] = "hit",
                                      [CACHETTE_HTTP_STALE] = "stale",
                                      [CACHETTE_HTTP_REVALIDATE] = "revalidate",
                                      [CACHETTE_HTTP_ERROR] = "error"};
  const cachette_http_exchange *exchange = &self->exchange;
  bool is_miss = exchange->action == CACHETTE_HTTP_MISS &&
                 exchange->forwarded == CACHETTE_HTTP_BECAUSE_URI_MISS;
  if (is_miss && is_asked) return;
  assert_true(exchange->action < LENGTH(names) && names[exchange->action] != NULL);
  add(next(self), "%s ", names[exchange->action]);
  if (exchange->status != 0)
    add(&self->verdict, "%d%s", exchange->status, exchange->refresh ? " refresh" : "");
  else
    add(&self->verdict, "%s", cachette_http_reason_token(exchange->forwarded));
}

/* ---- Details ---- */

static size_t count_live(const struct http_shelf *shelf) {
  size_t count = 0;
  for (size_t i = 0; i < shelf->count; i++) count += shelf->list[i].is_live;
  return count;
}

static int64_t lifetime_of(const struct player *self) {
  const struct http_stored *stored = http_shelf_get(self->shelf, self->exchange.key);
  cachette_http_record_info info;
  if (stored == NULL) return -1;
  assert_int_equal(cachette_http_record_describe(stored->head, &info), 0);
  return info.lifetime_ms / 1000;
}

static int64_t number_of(const struct player *self, const char *name, size_t size) {
  const cachette_http_exchange *exchange = &self->exchange;
  const struct {
    const char *name;
    int64_t number;
  } numbers[] = {
      {"age", exchange->age_ms / 1000},
      {"ttl", exchange->ttl_ms / 1000},
      {"keep", exchange->keep_ms / 1000},
      {"lifetime", lifetime_of(self)},
      {"coalesce", exchange->coalesce},
      {"if-error", exchange->usable_if_error},
      {"records", (int64_t)count_live(self->shelf)},
  };
  for (size_t i = 0; i < LENGTH(numbers); i++) {
    if (strlen(numbers[i].name) == size && memcmp(numbers[i].name, name, size) == 0)
      return numbers[i].number;
  }
  fail_msg("unknown detail: %.*s", (int)size, name);
  return -1;
}

/* Adds what the exchange has in place of one detail that is expected, such as "Age: 5". */
static void add_detail(struct player *self, const char *detail) {
  struct text *verdict = &self->verdict;
  const char *name = *detail == '>' ? detail + 2 : detail;
  size_t size = strcspn(name, ":=");
  add(verdict, " | %.*s%c", (int)(name - detail + (ptrdiff_t)size), detail, name[size]);
  if (name[size] == ':') {
    add(verdict, " ");
    add_field(verdict, *detail == '>' ? &self->forwarded : &self->answer, name, size);
  } else if (size == 4 && memcmp(name, "body", 4) == 0) {
    add(verdict, "%s", self->body.bytes);
  } else {
    add(verdict, "%lld", (long long)number_of(self, name, size));
  }
}

static void add_details(struct player *self, const char *expected) {
  const char *at = expected;
  while ((at = strstr(at, " | ")) != NULL) add_detail(self, at += 3);
}

/* ---- Rows ---- */

/* Plays one step. Returns whether it does what is expected; if not, prints both. */
static bool play(struct player *self, const struct http_step *step, const char *expected) {
  int64_t now_ms = HTTP_NOW_MS + step->at_s * 1000;
  self->request = request_of(step->request);
  self->stored = NULL;
  self->is_answered = false;
  clear(&self->verdict);
  clear(&self->answer);
  clear(&self->forwarded);
  clear(&self->body);
  cachette_http_exchange *exchange = &self->exchange;
  assert_int_equal(cachette_http_begin(exchange, self->policy, self->request), 0);
  if (exchange->action != CACHETTE_HTTP_PASS) decide(self, now_ms);
  add_decision(self, step->origin != NULL);
  bool is_final = exchange->action == CACHETTE_HTTP_HIT ||
                  exchange->action == CACHETTE_HTTP_STALE ||
                  exchange->action == CACHETTE_HTTP_ERROR;
  bool refresh = exchange->refresh;
  if (is_final) answer(self, NULL);
  if (!is_final || refresh) ask_origin(self, step->origin, now_ms);
  add_details(self, expected);
  cachette_http_end(exchange);
  free_request(self->request);
  return strcmp(self->verdict.bytes, expected) == 0;
}

static bool check_rule(const char *file, const struct http_rule *rule) {
  static struct player player; /* too large for the stack */
  static struct http_shelf shelf;
  cachette_error error;
  cachette_http_policy policy = http_policy(rule->policy);
  if (cachette_http_policy_check(&policy, &error) < 0) fail_msg("%s", error.message);
  player.policy = &policy;
  player.shelf = &shelf;
  bool is_right = true;
  for (size_t i = 0; i < HTTP_STEPS && rule->steps[i].request != NULL && is_right; i++) {
    const char *expected = rule->steps[i].expected != NULL ? rule->steps[i].expected : "stored";
    is_right = play(&player, &rule->steps[i], expected);
    if (!is_right)
      print_error("%s:%d: %s (%s), step %zu:\n  expected: %s\n  but it is: %s\n", file, rule->line,
                  rule->source, rule->policy, i + 1, expected, player.verdict.bytes);
  }
  http_shelf_deinit(&shelf);
  return is_right;
}

void http_rules_check(const char *file, const struct http_rule *rules, size_t count) {
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) wrong += !check_rule(file, &rules[i]);
  if (wrong > 0) fail_msg("%zu of %zu rows fail", wrong, count);
}
