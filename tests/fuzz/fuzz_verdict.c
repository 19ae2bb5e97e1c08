/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes whole exchanges: a request and its response, which may be stored, and then a second
 * request, which the stored response may answer. An input is
 *
 *     12 bytes        the policy, sizes of bodies, times and mishaps; see read_world()
 *     messages        as text (messages.h): request, response, request, response
 *
 * What is checked does not depend on how the rules are implemented: it compares the texts of the
 * messages.
 */
#include <string.h>

#include "http/text.h"
#include "messages.h"

#define BEGIN_MS (INT64_C(2362034977) * 1000)
#define AGE_MAX_MS (INT64_C(2147483648) * 1000)

enum { NUMBERS = 12, RECORDS_MAX = 8, LISTED_MAX = 64 };

/* ---- The world ---- */

struct record {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  unsigned char *bytes; /* head and body */
  size_t head, body;
  bool is_index,
      is_original; /* original: of the first response only, which was not updated since */
};

struct world {
  struct blocks blocks;
  cachette_http_policy policy;
  cachette_http_request requests[2];
  cachette_http_response responses[2];
  size_t bodies[2];
  bool ignores_keys; /* the store returns what it has, under whichever key */
  bool is_down;      /* the origin does not answer the second request */
  bool is_damaged;   /* a byte of each head is changed */
  unsigned char place;
  struct record records[RECORDS_MAX];
  size_t record_count;
  int64_t now_ms, later_ms; /* of the second request; and a time after it */
};

static const cachette_slice targeted[] = {{"CDN-Cache-Control", 17}};
static const cachette_slice key_cookies[] = {{"lang", 4}};
static const cachette_slice session_cookies[] = {{"sid", 3}};

static void read_policy(const uint8_t *numbers, cachette_http_policy *policy) {
  unsigned a = numbers[0], b = numbers[1], c = numbers[2], d = numbers[3];
  policy->sharing = a & 1 ? CACHETTE_HTTP_PRIVATE : CACHETTE_HTTP_SHARED;
  policy->set_cookie = (enum cachette_http_set_cookie)((a >> 1 & 3) % 3);
  policy->query = (enum cachette_http_query)((a >> 3 & 3) % 3);
  policy->request_control = (enum cachette_http_control)((a >> 5 & 3) % 3);
  policy->max_stale = a >> 7 & 1;
  policy->heuristic = b & 1;
  policy->cache_post = b >> 1 & 1;
  policy->forward_preconditions = b >> 2 & 1;
  policy->store_partial = b >> 3 & 1;
  policy->trust_cookies = b >> 4 & 1;
  policy->trust_must_revalidate = b >> 5 & 1;
  policy->targeted = targeted;
  policy->targeted_count = b >> 6 & 1;
  if (b >> 7 & 1) policy->no_vary_search = cachette_str("key-order, params=(\"a\")");
  policy->normalize = c & 3;
  policy->vary_allow = c >> 2 & 3;
  policy->default_ttl_ms = c >> 4 & 1 ? 5000 : 0;
  policy->stale_while_revalidate_ms = c >> 5 & 1 ? 10000 : 0;
  policy->stale_if_error_ms = c >> 6 & 1 ? 20000 : 0;
  policy->max_body = c >> 7 & 1 ? 16 : 0;
  policy->key_cookies = key_cookies;
  policy->key_cookie_count = d & 1;
  policy->session_cookies = session_cookies;
  policy->session_cookie_count = d >> 1 & 1;
}

static void read_world(struct world *world, const uint8_t *numbers, cachette_slice text) {
  read_policy(numbers, &world->policy);
  if (numbers[3] == 255) world->policy = cachette_http_policy_rfc();
  world->ignores_keys = numbers[3] >> 2 & 1;
  world->is_down = numbers[3] >> 3 & 1;
  world->is_damaged = (numbers[3] >> 4 & 15) == 15;
  world->bodies[0] = numbers[4];
  world->bodies[1] = numbers[5];
  world->place = numbers[6];
  world->now_ms = BEGIN_MS + (int64_t)(numbers[7] | numbers[8] << 8) * 100 - 1000;
  world->later_ms = world->now_ms + ((int64_t)numbers[9] << numbers[10] % 40);
  for (size_t i = 0; i < 2; i++) {
    cachette_http_response *response = &world->responses[i];
    read_request(&world->blocks, &text, &world->requests[i]);
    read_response(&world->blocks, &text, response);
    response->received_ms = i == 0 ? BEGIN_MS : world->now_ms;
    response->requested_ms = response->received_ms - numbers[11];
    response->random = i;
  }
}

static const struct record *find_record(const struct world *world, const unsigned char *key,
                                        bool after_index) {
  for (size_t i = world->record_count; i-- > 0;) {
    const struct record *record = &world->records[i];
    bool is_key = memcmp(record->key, key, sizeof record->key) == 0;
    if (is_key || (world->ignores_keys && !(after_index && record->is_index))) return record;
  }
  return NULL;
}

/* Adds a record in a block of its exact size. Returns where its body begins. */
static unsigned char *add_record(struct world *world, const unsigned char *key, size_t head,
                                 size_t body) {
  CHECK(world->record_count < RECORDS_MAX && head > 0);
  struct record *record = &world->records[world->record_count++];
  *record = (struct record){.head = head, .body = body, .bytes = malloc(head + body)};
  CHECK(record->bytes != NULL);
  memcpy(record->key, key, sizeof record->key);
  return record->bytes + head;
}

/* ---- What messages say ---- */

static bool is_blank_or_comma(char character) {
  return cachette__http_is_blank(character) || character == ',';
}

static bool has_field(cachette_http_fields fields, const char *name) {
  for (size_t i = 0; i < fields.count; i++) {
    if (cachette__http_equals(fields.list[i].name, cachette_str(name))) return true;
  }
  return false;
}

/* Returns whether a line has a word between commas, blanks and ends. */
static bool has_word(cachette_slice line, const char *word) {
  size_t size = strlen(word);
  for (size_t i = 0; i + size <= line.size; i++) {
    cachette_slice found = {(const char *)line.data + i, size};
    bool begins = i == 0 || is_blank_or_comma(cachette__http_at(line, i - 1));
    bool ends = i + size == line.size || is_blank_or_comma(cachette__http_at(line, i + size));
    if (begins && ends && cachette__http_equals(found, cachette_str(word))) return true;
  }
  return false;
}

/* Returns whether any line of a field has a word. Quotes may hide it: such lines do not count. */
static bool says(cachette_http_fields fields, const char *name, const char *word) {
  for (size_t i = 0; i < fields.count; i++) {
    const cachette_http_field *field = &fields.list[i];
    bool is_it = cachette__http_equals(field->name, cachette_str(name));
    if (is_it && cachette__http_find(field->value, '"') == field->value.size &&
        has_word(field->value, word))
      return true;
  }
  return false;
}

/* Returns whether a text occurs anywhere in a field. */
static bool mentions(cachette_http_fields fields, const char *name, const char *text) {
  size_t size = strlen(text);
  for (size_t i = 0; i < fields.count; i++) {
    cachette_slice value = fields.list[i].value;
    if (!cachette__http_equals(fields.list[i].name, cachette_str(name))) continue;
    for (size_t at = 0; at + size <= value.size; at++) {
      cachette_slice found = {(const char *)value.data + at, size};
      if (cachette__http_equals(found, cachette_str(text))) return true;
    }
  }
  return false;
}

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size &&
         (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/* ---- Invariants of an answer from a record ---- */

/* What RFC 9111, 3 and 3.5 forbid a shared cache, and the policy in addition. */
static void check_may_have(const struct world *world, const cachette_http_request *request) {
  const cachette_http_policy *policy = &world->policy;
  cachette_http_fields response = world->responses[0].fields;
  if (policy->targeted_count > 0 && has_field(response, "CDN-Cache-Control")) return;
  CHECK(!says(response, "Cache-Control", "no-store") ||
        mentions(response, "Cache-Control", "must-understand"));
  if (policy->sharing == CACHETTE_HTTP_PRIVATE) return;
  CHECK(!says(response, "Cache-Control", "private"));
  CHECK(policy->set_cookie != CACHETTE_HTTP_COOKIE_REFUSE || !has_field(response, "Set-Cookie"));
  bool is_credential = has_field(request->fields, "Authorization") ||
                       has_field(world->requests[0].fields, "Authorization");
  CHECK(!is_credential || policy->trust_must_revalidate ||
        mentions(response, "Cache-Control", "public") ||
        mentions(response, "Cache-Control", "s-maxage"));
}

/* RFC 9111, 5.2.2. */
static void check_directives(const struct world *world, enum cachette_http_action action) {
  cachette_http_fields response = world->responses[0].fields;
  bool is_shared = world->policy.sharing == CACHETTE_HTTP_SHARED;
  if (world->policy.targeted_count > 0 && has_field(response, "CDN-Cache-Control")) return;
  CHECK(!says(response, "Cache-Control", "no-cache"));
  if (action != CACHETTE_HTTP_STALE) return;
  CHECK(!says(response, "Cache-Control", "must-revalidate"));
  CHECK(!is_shared || !says(response, "Cache-Control", "proxy-revalidate"));
}

/* The values of a field without blanks: the most that may be ignored (RFC 9111, 4.1). */
static size_t squeeze(cachette_http_fields fields, cachette_slice name, char *text,
                      size_t capacity) {
  size_t size = 0;
  for (size_t i = 0; i < fields.count; i++) {
    cachette_slice value = fields.list[i].value;
    if (!cachette__http_equals(fields.list[i].name, name)) continue;
    if (size < capacity) text[size++] = ',';
    for (size_t at = 0; at < value.size && size < capacity; at++) {
      if (!cachette__http_is_blank(cachette__http_at(value, at)))
        text[size++] = cachette__http_at(value, at);
    }
  }
  return size;
}

static void check_vary(const struct world *world, const cachette_http_request *request) {
  cachette_http_fields response = world->responses[0].fields;
  for (size_t i = 0; i < response.count; i++) {
    cachette_slice rest = response.list[i].value, name;
    if (!cachette__http_equals(response.list[i].name, cachette_str("Vary"))) continue;
    while (cachette__http_next(&rest, &name)) {
      char first[512], second[512];
      CHECK(!cachette__http_equals(name, cachette_str("*")));
      bool is_normalized = cachette__http_equals(name, cachette_str("Accept-Encoding")) ||
                           cachette__http_equals(name, cachette_str("Accept-Language"));
      if (is_normalized && world->policy.normalize != 0) continue;
      size_t size = squeeze(world->requests[0].fields, name, first, sizeof first);
      CHECK(squeeze(request->fields, name, second, sizeof second) == size);
      CHECK(size == 0 || memcmp(first, second, size) == 0);
    }
  }
}

/* A record answers only the request that it was stored for. */
static void check_key(const struct world *world, const cachette_http_request *request) {
  const cachette_http_request *first = &world->requests[0];
  bool is_slash = first->path.size + request->path.size == 1; /* an empty path is "/" */
  CHECK(is_same(first->path, request->path) || is_slash);
  CHECK(cachette__http_equals(first->scheme, request->scheme));
  bool is_exact = world->policy.query == CACHETTE_HTTP_QUERY_KEEP &&
                  world->policy.no_vary_search.size == 0 && !is_slash;
  if (is_exact) CHECK(is_same(first->query, request->query));
  if (is_exact) CHECK((first->query.data == NULL) == (request->query.data == NULL));
  bool has_port = cachette__http_find(first->authority, ':') < first->authority.size ||
                  cachette__http_find(request->authority, ':') < request->authority.size;
  if (first->authority.size > 0 && request->authority.size > 0 && !has_port)
    CHECK(cachette__http_equals(first->authority, request->authority));
}

static void check_times(const struct world *world, const cachette_http_exchange *exchange) {
  CHECK(exchange->age_ms >= 0 && exchange->age_ms <= AGE_MAX_MS);
  int64_t stay_ms = world->now_ms - BEGIN_MS;
  CHECK(exchange->age_ms >= stay_ms || exchange->action == CACHETTE_HTTP_FRESHEN);
  if (exchange->action == CACHETTE_HTTP_HIT) CHECK(exchange->ttl_ms > 0);
}

static void check_body(const cachette_http_exchange *exchange, const struct record *record) {
  CHECK(exchange->body_first >= 0 && exchange->body_size >= 0);
  CHECK((uint64_t)exchange->body_first <= record->body);
  CHECK((uint64_t)exchange->body_size <= record->body - (size_t)exchange->body_first);
  bool has_none = exchange->status == 304 || exchange->status == 412 || exchange->status == 416;
  if (has_none) CHECK(!exchange->send_body && exchange->body_size == 0);
  CHECK(exchange->status >= 200 && exchange->status <= 599);
}

/* ---- Invariants of listed fields ---- */

typedef size_t list_fields(cachette_http_exchange *exchange, const cachette_http_response *origin,
                           cachette_http_field *fields, size_t capacity);

static size_t list_answer(cachette_http_exchange *exchange, const cachette_http_response *origin,
                          cachette_http_field *fields, size_t capacity) {
  return cachette_http_answer(exchange, origin, false, fields, capacity);
}

static size_t list_forward(cachette_http_exchange *exchange, const cachette_http_response *origin,
                           cachette_http_field *fields, size_t capacity) {
  (void)origin;
  return cachette_http_forward(exchange, fields, capacity);
}

/* Lists fields, which must be as many, and the same, with less capacity. */
static cachette_http_fields check_list(list_fields *list, cachette_http_exchange *exchange,
                                       const cachette_http_response *origin,
                                       cachette_http_field fields[LISTED_MAX]) {
  cachette_http_field part[LISTED_MAX];
  size_t half = list(exchange, origin, NULL, 0) / 2;
  size_t count = list(exchange, origin, part, half);
  CHECK(list(exchange, origin, fields, LISTED_MAX) == count && count <= LISTED_MAX);
  for (size_t i = 0; i < half; i++) {
    CHECK(is_same(part[i].name, fields[i].name));
    CHECK(is_same(part[i].value, fields[i].value));
  }
  return (cachette_http_fields){fields, count};
}

static size_t count_of(cachette_http_fields fields, const char *name) {
  size_t count = 0;
  for (size_t i = 0; i < fields.count; i++)
    count += cachette__http_equals(fields.list[i].name, cachette_str(name));
  return count;
}

static void check_answer_fields(const struct world *world, cachette_http_exchange *exchange) {
  static const char *const hop_by_hop[] = {"Connection", "Keep-Alive", "Transfer-Encoding",
                                           "Upgrade",    "TE",         "Proxy-Connection"};
  cachette_http_field list[LISTED_MAX];
  cachette_http_fields fields = check_list(list_answer, exchange, NULL, list);
  for (size_t i = 0; i < sizeof hop_by_hop / sizeof *hop_by_hop; i++)
    CHECK(!has_field(fields, hop_by_hop[i]));
  for (size_t i = 0; i < fields.count; i++) {
    CHECK(cachette__http_is_token(fields.list[i].name));
    CHECK(!cachette__http_is_dangerous(fields.list[i].value));
  }
  CHECK(count_of(fields, "Age") == 1 && count_of(fields, "Content-Length") <= 1);
  CHECK(count_of(fields, "Date") >= 1 && count_of(fields, "Content-Range") <= 1);
  CHECK(has_field(fields, "Cache-Status"));
  CHECK(world->policy.set_cookie == CACHETTE_HTTP_COOKIE_STORE || !has_field(fields, "Set-Cookie"));
}

/* Checks an answer from a record. */
static void check_answer(const struct world *world, const cachette_http_request *request,
                         cachette_http_exchange *exchange, const struct record *record) {
  CHECK(record != NULL && !record->is_index);
  check_times(world, exchange);
  check_body(exchange, record);
  check_key(world, request);
  check_answer_fields(world, exchange);
  if (!record->is_original) return;
  check_may_have(world, request);
  check_vary(world, request);
  if (exchange->action != CACHETTE_HTTP_FRESHEN) check_directives(world, exchange->action);
}

/* ---- An exchange ---- */

/* Decides, with the records of the store. Returns the last one. */
static const struct record *decide(const struct world *world, cachette_http_exchange *exchange,
                                   int64_t now_ms) {
  const struct record *record;
  size_t steps = 0;
  do {
    record = find_record(world, exchange->key, steps > 0);
    cachette_slice bytes = {NULL, 0};
    if (record != NULL) bytes = (cachette_slice){record->bytes, record->head + record->body};
    cachette_http_decide(exchange, bytes, now_ms);
    CHECK(++steps <= 2);
  } while (exchange->action == CACHETTE_HTTP_VARIANT);
  return record;
}

static void store_index(struct world *world, const cachette_http_exchange *exchange) {
  size_t size = cachette_http_index_size(exchange);
  unsigned char *end = add_record(world, exchange->index_key, size, 0);
  cachette_http_index_write(exchange, end - size);
  struct record *record = &world->records[world->record_count - 1];
  record->is_index = true;
  CHECK(cachette_http_record_head_size((cachette_slice){record->bytes, size}) == size);
}

/* Writes a record of the body, or of the body that it makes together with the stored one. */
static void store(struct world *world, cachette_http_exchange *exchange, cachette_slice body,
                  const struct record *base, bool is_original) {
  cachette_slice stored = {NULL, 0};
  if (base != NULL) stored = (cachette_slice){base->bytes + base->head, base->body};
  size_t size = cachette_http_combine(exchange, stored, body, NULL);
  unsigned char *joined = block_new(&world->blocks, size);
  if (size > 0) {
    CHECK(cachette_http_combine(exchange, stored, body, joined) == size);
    body = (cachette_slice){joined, size};
  }
  size_t head = cachette_http_record_size(exchange, NULL);
  unsigned char *end = add_record(world, exchange->key, head, body.size);
  struct record *record = &world->records[world->record_count - 1];
  record->is_original = is_original;
  if (cachette_http_record_write(exchange, NULL, &body, 1, record->bytes) < 0) {
    CHECK(exchange->not_stored != CACHETTE_HTTP_BECAUSE_NONE);
    free(record->bytes);
    world->record_count--;
    return;
  }
  if (body.size > 0) memcpy(end, body.data, body.size);
  cachette_slice whole = {record->bytes, head + body.size};
  CHECK(cachette_http_record_head_size(whole) == head);
  CHECK(cachette_http_record_matches(whole, &body, 1));
  if (exchange->store_index) store_index(world, exchange);
}

static void check_invalidated(cachette_http_exchange *exchange) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice tag;
  size_t count = 0;
  while (cachette_http_invalidated(exchange, count, key, &tag)) CHECK(++count < 4096);
  CHECK((count > 0) == exchange->invalidates);
}

/* Forwards, and takes the response. Returns whether that is over. */
static bool ask_origin(struct world *world, cachette_http_exchange *exchange, size_t turn,
                       const struct record *record, int64_t now_ms) {
  cachette_http_field list[LISTED_MAX];
  cachette_http_response *response = &world->responses[turn];
  bool is_down = world->is_down && turn == 1;
  check_list(list_forward, exchange, NULL, list);
  cachette_http_receive(exchange, is_down ? NULL : response, now_ms);
  check_invalidated(exchange);
  cachette_slice body = {block_new(&world->blocks, world->bodies[turn]), world->bodies[turn]};
  memset((void *)body.data, (int)('a' + turn), body.size);
  switch (exchange->action) {
    case CACHETTE_HTTP_STORE:
      CHECK(!is_down && exchange->keep_ms > 0);
      check_list(list_answer, exchange, response, list);
      store(world, exchange, body, record, turn == 0);
      return true;
    case CACHETTE_HTTP_FRESHEN:
      CHECK(!is_down && record != NULL);
      check_answer(world, &world->requests[turn], exchange, record);
      body = (cachette_slice){record->bytes + record->head, record->body};
      if (exchange->keep_ms > 0) store(world, exchange, body, NULL, false);
      return true;
    case CACHETTE_HTTP_STALE:
      check_answer(world, &world->requests[turn], exchange, record);
      return true;
    case CACHETTE_HTTP_PASS:
      if (!is_down) check_list(list_answer, exchange, response, list);
      return true;
    default:
      CHECK(exchange->action == CACHETTE_HTTP_REFETCH && !is_down);
      return false;
  }
}

static bool is_answer(enum cachette_http_action action) {
  return action == CACHETTE_HTTP_HIT || action == CACHETTE_HTTP_STALE;
}

static void run(struct world *world, size_t turn, int64_t now_ms) {
  cachette_http_exchange exchange;
  const struct record *record = NULL;
  CHECK(cachette_http_begin(&exchange, &world->policy, &world->requests[turn]) == CACHETTE_OK);
  if (exchange.action != CACHETTE_HTTP_PASS) record = decide(world, &exchange, now_ms);
  bool has_refresh = exchange.refresh;
  if (is_answer(exchange.action))
    check_answer(world, &world->requests[turn], &exchange, record);
  else
    has_refresh = exchange.action != CACHETTE_HTTP_ERROR;
  if (world->is_damaged && record != NULL)
    CHECK(exchange.action == CACHETTE_HTTP_MISS || exchange.action == CACHETTE_HTTP_ERROR);
  if (has_refresh && !ask_origin(world, &exchange, turn, record, now_ms))
    CHECK(ask_origin(world, &exchange, turn, record, now_ms));
  cachette_http_end(&exchange);
}

/* ---- Time ---- */

/* What is fresh was fresh before, and an age never decreases. */
static void check_time_passes(const struct world *world) {
  cachette_http_exchange before, after;
  CHECK(cachette_http_begin(&before, &world->policy, &world->requests[1]) == CACHETTE_OK);
  CHECK(cachette_http_begin(&after, &world->policy, &world->requests[1]) == CACHETTE_OK);
  if (before.action != CACHETTE_HTTP_PASS) {
    decide(world, &before, world->now_ms);
    decide(world, &after, world->later_ms);
    if (after.action == CACHETTE_HTTP_HIT) CHECK(before.action == CACHETTE_HTTP_HIT);
    if (is_answer(before.action) && is_answer(after.action))
      CHECK(after.age_ms >= before.age_ms && after.ttl_ms <= before.ttl_ms);
  }
  cachette_http_end(&before);
  cachette_http_end(&after);
}

static void damage(struct world *world) {
  for (size_t i = 0; i < world->record_count; i++) {
    struct record *record = &world->records[i];
    record->bytes[world->place * record->head / 256] ^= (unsigned char)(1U << world->place % 8);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < NUMBERS || size > 8192) return 0;
  struct world world = {.record_count = 0};
  read_world(&world, data, (cachette_slice){data + NUMBERS, size - NUMBERS});
  CHECK(cachette_http_policy_check(&world.policy, NULL) == CACHETTE_OK);
  run(&world, 0, BEGIN_MS);
  if (world.is_damaged) damage(&world);
  check_time_passes(&world);
  run(&world, 1, world.now_ms);
  for (size_t i = 0; i < world.record_count; i++) free(world.records[i].bytes);
  blocks_free(&world.blocks);
  return 0;
}
