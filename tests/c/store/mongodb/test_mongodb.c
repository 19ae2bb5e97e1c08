/* SPDX-License-Identifier: MIT */
/* The MongoDB store against a real server: what is stored, and what each verb does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mongod_server.h"
#include "support.h"

#define DATABASE "cachette-test"
#define COLLECTION "entries"

static struct mongod_server server;
static mongoc_client_t *other; /* another client of the server */
static mongoc_collection_t *entries;

static int start_server(void **state) {
  (void)state;
  mongod_server_share(&server);
  other = mongoc_client_new(server.url);
  assert_non_null(other);
  entries = mongoc_client_get_collection(other, DATABASE, COLLECTION);
  return 0;
}

static int remove_server(void **state) {
  (void)state;
  mongoc_collection_drop(entries, NULL);
  mongoc_collection_destroy(entries);
  mongoc_client_destroy(other);
  mongod_server_remove(&server);
  return 0;
}

static int drop_entries(void **state) {
  (void)state;
  mongoc_collection_drop(entries, NULL); /* fails if the collection does not exist */
  return 0;
}

static cachette *open_with(const char *name, const char *value) {
  return open_cache(options_with("backend", "mongodb", "mongodb_url", server.url, "database_name",
                                 DATABASE, "table_name", COLLECTION, "timeout", "10", name, value,
                                 NULL));
}

static cachette *open_mongodb(void) { return open_with(NULL, NULL); }

static void put(cachette *handle, const char *key, const char *value) {
  put_text(handle, key, value, 0);
}

/* ---- The other client ---- */

static bson_t *parse(const char *json) {
  bson_error_t error;
  bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
  if (document == NULL) fail_msg("%s", error.message);
  return document;
}

static void insert(const char *json) {
  bson_error_t error;
  bson_t *document = parse(json);
  if (!mongoc_collection_insert_one(entries, document, NULL, NULL, &error))
    fail_msg("%s", error.message);
  bson_destroy(document);
}

/* Inserts like cachette 0.1.x, with a 32-bit time. `expires` is in seconds from now. */
static void insert_old(const char *key, const char *value, int expires) {
  bson_error_t error;
  bson_t *document =
      BCON_NEW("key", BCON_UTF8(key), "value",
               BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)value, (uint32_t)strlen(value)),
               "expires", BCON_INT32((int32_t)time(NULL) + expires));
  if (!mongoc_collection_insert_one(entries, document, NULL, NULL, &error))
    fail_msg("%s", error.message);
  bson_destroy(document);
}

static int64_t count(const char *filter) {
  bson_error_t error;
  bson_t *query = parse(filter);
  int64_t found = mongoc_collection_count_documents(entries, query, NULL, NULL, NULL, &error);
  if (found < 0) fail_msg("%s", error.message);
  bson_destroy(query);
  return found;
}

/* Returns the document of a key. The caller destroys it. */
static bson_t *find(const char *key) {
  bson_t *query = BCON_NEW("key", BCON_UTF8(key));
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(entries, query, NULL, NULL);
  const bson_t *document;
  assert_true(mongoc_cursor_next(cursor, &document));
  bson_t *copy = bson_copy(document);
  assert_false(mongoc_cursor_next(cursor, &document));
  mongoc_cursor_destroy(cursor);
  bson_destroy(query);
  return copy;
}

/* Returns whether an index with these fields exists, such as {"name": "key_1", "unique": true}. */
static bool has_index(const char *fields) {
  bson_t *wanted = parse(fields);
  bson_iter_t field, found;
  mongoc_cursor_t *indexes = mongoc_collection_find_indexes_with_opts(entries, NULL);
  const bson_t *index;
  bool has = false;
  while (!has && mongoc_cursor_next(indexes, &index)) {
    has = bson_iter_init(&field, wanted);
    while (has && bson_iter_next(&field)) {
      has = bson_iter_init_find(&found, index, bson_iter_key(&field));
      if (has && BSON_ITER_HOLDS_UTF8(&field))
        has = strcmp(bson_iter_utf8(&found, NULL), bson_iter_utf8(&field, NULL)) == 0;
      else if (has)
        has = bson_iter_as_int64(&found) == bson_iter_as_int64(&field);
    }
  }
  mongoc_cursor_destroy(indexes);
  bson_destroy(wanted);
  return has;
}

static bool wait_for_index(const char *fields) {
  for (int i = 0; i < 400 && !has_index(fields); i++) {
    const struct timespec pause = {0, 50000000};
    nanosleep(&pause, NULL);
  }
  return has_index(fields);
}

/* ---- Documents ---- */

static void other_clients_can_read_an_entry(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  assert_int_equal(
      cachette_put(handle, cachette_str("greeting"), cachette_str("hello"), 90500, NULL), 0);
  int64_t now = time(NULL);
  bson_t *document = find("greeting");
  bson_iter_t field;
  uint32_t size;
  const uint8_t *bytes;
  assert_true(bson_iter_init_find(&field, document, "value") && BSON_ITER_HOLDS_BINARY(&field));
  bson_iter_binary(&field, NULL, &size, &bytes);
  assert_int_equal(size, 5);
  assert_memory_equal(bytes, "hello", 5);
  assert_true(bson_iter_init_find(&field, document, "expires") && BSON_ITER_HOLDS_INT64(&field));
  int64_t expires = bson_iter_int64(&field);
  assert_in_range(expires, now + 80, now + 92);
  assert_true(bson_iter_init_find(&field, document, "expires_at") &&
              BSON_ITER_HOLDS_DATE_TIME(&field));
  int64_t at = bson_iter_date_time(&field);
  assert_in_range(at, expires * 1000 - 999, expires * 1000);
  assert_int_equal(bson_count_keys(document), 5); /* with _id and key */
  bson_destroy(document);
  cachette_close(handle);
}

static void entries_of_release_0_1_are_read(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  insert_old("live", "value", 100);
  insert_old("ended", "value", 0);
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str("live"), &value, &ttl_ms, NULL), 1);
  assert_slice(value, "value");
  assert_in_range(ttl_ms, 90000, 100000);
  cachette_free(value.data);
  assert_false(has_key(handle, "ended"));
  insert("{\"key\": \"no time\", \"value\": \"x\"}");
  assert_false(has_key(handle, "no time"));
  put(handle, "live", "other");
  assert_int_equal(count("{\"key\": \"live\"}"), 1);
  assert_true(has_text(handle, "live", "other"));
  cachette_close(handle);
}

/* cachette 0.1.x sets `expires` and does not change the date, which it does not know. */
static void an_outdated_date_is_ignored(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  char json[160];
  snprintf(json, sizeof json,
           "{\"key\": \"a\", \"value\": \"text\", \"expires\": %lld, "
           "\"expires_at\": {\"$date\": {\"$numberLong\": \"%lld\"}}}",
           (long long)time(NULL) + 50, (long long)(time(NULL) + 4000) * 1000);
  insert(json);
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str("a"), &value, &ttl_ms, NULL), 1);
  assert_slice(value, "text"); /* a string is read as bytes */
  assert_in_range(ttl_ms, 40000, 50000);
  cachette_free(value.data);
  cachette_close(handle);
}

static void a_value_of_another_type_is_an_error(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  insert("{\"key\": \"a\", \"value\": 7, \"expires\": 4000000000}");
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FETCH, "a"), CACHETTE_OK);
  assert_int_equal(probe.item.status, CACHETTE_ECODEC);
  assert_non_null(strstr(probe.error.message, "\"a\" has no binary"));
  cachette_close(handle);
}

/* ---- Keys and values ---- */

static void any_bytes_may_be_a_key(void **state) {
  (void)state;
  static const cachette_slice keys[] = {{"nul\0inside", 10},     {"\xff\xfe", 2}, {"\xff", 1},
                                        {"\xc3\xa4\xe2\x82", 4}, {"$where", 6},   {"a.b", 3},
                                        {"\xf0\x9f\x8d\xaf", 4}, {"x\xff", 2}};
  cachette *handle = open_mongodb();
  cachette_item items[LENGTH(keys)];
  char values[LENGTH(keys)][8];
  for (size_t i = 0; i < LENGTH(keys); i++) {
    snprintf(values[i], sizeof values[i], "%zu", i);
    items[i] = (cachette_item){.key = keys[i], .value = cachette_str(values[i])};
  }
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = LENGTH(keys)};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, LENGTH(keys));
  op.verb = CACHETTE_FETCH;
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, LENGTH(keys));
  for (size_t i = 0; i < LENGTH(keys); i++) assert_slice(items[i].value, values[i]);
  cachette_op_deinit(&op);
  op.verb = CACHETTE_CLEAR;
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, LENGTH(keys));
  assert_int_equal(count("{}"), 0);
  cachette_close(handle);
}

static void many_items_are_sent_in_few_commands(void **state) {
  (void)state;
  enum { COUNT = 2500 };
  static cachette_item items[COUNT];
  static char keys[COUNT][16];
  cachette *handle = open_mongodb();
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "key:%d", i / 2 * 2); /* each key twice */
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str(keys[i])};
  }
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = COUNT};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, COUNT);
  assert_int_equal(count("{}"), COUNT / 2);
  op.verb = CACHETTE_FETCH;
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, COUNT);
  for (int i = 0; i < COUNT; i++) assert_slice(items[i].value, keys[i]);
  cachette_op_deinit(&op);
  op.verb = CACHETTE_TOUCH;
  for (int i = 0; i < COUNT; i++) items[i].ttl_ms = 600000;
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, COUNT);
  int64_t min = time(NULL) + 500;
  char filter[80];
  snprintf(filter, sizeof filter, "{\"expires\": {\"$gt\": %lld}}", (long long)min);
  assert_int_equal(count(filter), COUNT / 2);
  cachette_close(handle);
}

static void a_value_too_large_is_refused_and_removes_the_old_one(void **state) {
  (void)state;
  enum { SIZE = 17 << 20 };
  cachette *handle = open_mongodb();
  put(handle, "large", "old");
  char *value = calloc(1, SIZE);
  assert_non_null(value);
  cachette_item items[] = {
      {.key = cachette_str("large"), .value = {value, SIZE}},
      {.key = cachette_str("small"), .value = cachette_str("x")},
      {.key = cachette_str("fits"), .value = {value, (16 << 20) - 512}},
  };
  cachette_error error;
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = 3, .error = &error};
  if (cachette_run(handle, &op) < 0) fail_msg("%s", error.message);
  assert_int_equal(op.number, 2);
  assert_int_equal(items[0].status, CACHETTE_ETOOBIG);
  assert_string_equal(error.subject, "large");
  assert_non_null(strstr(error.message, "at most 16 MB"));
  assert_false(has_key(handle, "large"));
  assert_true(has_text(handle, "small", "x"));
  assert_true(has_key(handle, "fits"));
  free(value);
  cachette_close(handle);
}

/* ---- Clearing ---- */

static int64_t run_key(cachette *handle, enum cachette_verb verb, const char *key) {
  struct probe probe;
  if (probe_run(handle, &probe, verb, key) < 0) fail_msg("%s", probe.error.message);
  return probe.op.number;
}

static void clearing_a_namespace_keeps_similar_keys(void **state) {
  (void)state;
  static const char *const mine[] = {"user:", "user:1", "user:\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf",
                                     "user:\xff", "user::"};
  static const char *const others[] = {"user",  "users:1", "xuser:1", "u:1",
                                       "user;", "user9",   "\xff"};
  cachette *handle = open_mongodb();
  for (size_t i = 0; i < LENGTH(mine); i++) put(handle, mine[i], "x");
  for (size_t i = 0; i < LENGTH(others); i++) put(handle, others[i], "x");
  insert_old("user:old", "x", 100);
  insert_old("user:ended", "x", -5);
  assert_int_equal(run_key(handle, CACHETTE_CLEAR_NAMESPACE, "user"), LENGTH(mine) + 1);
  assert_int_equal(run_key(handle, CACHETTE_CLEAR_NAMESPACE, "user"), 0);
  for (size_t i = 0; i < LENGTH(others); i++) assert_true(has_key(handle, others[i]));
  cachette_close(handle);
}

static void pattern_characters_in_a_namespace_are_literal(void **state) {
  (void)state;
  static const char *const names[] = {".*", "^", "a|b", "[a]", "(", "\\", "$", "{\"$gt\": 1}"};
  cachette *handle = open_mongodb();
  for (size_t i = 0; i < LENGTH(names); i++) {
    char key[32];
    snprintf(key, sizeof key, "%s:1", names[i]);
    put(handle, key, "x");
    put(handle, "ab:1", "x");
    assert_int_equal(run_key(handle, CACHETTE_CLEAR_NAMESPACE, names[i]), 1);
    assert_true(has_key(handle, "ab:1"));
  }
  cachette_close(handle);
}

static void a_prefix_keeps_caches_apart(void **state) {
  (void)state;
  static const char *const prefixes[] = {"app:", "\xc3\xbf", "\xff\xff", "\xf4\x8f\xbf\xbf"};
  for (size_t i = 0; i < LENGTH(prefixes); i++) {
    cachette *plain = open_mongodb(), *apart = open_with("key_prefix", prefixes[i]);
    put(plain, "key", "plain");
    put(apart, "key", "apart");
    put(apart, "\xfe", "apart");
    put(apart, "other", "apart");
    assert_true(has_text(plain, "key", "plain"));
    assert_true(has_text(apart, "key", "apart"));
    char whole[32];
    snprintf(whole, sizeof whole, "%skey", prefixes[i]);
    assert_true(has_text(plain, whole, "apart"));
    assert_int_equal(run_key(apart, CACHETTE_FLUSH, "-"), 3);
    assert_true(has_text(plain, "key", "plain"));
    assert_int_equal(run_key(plain, CACHETTE_FLUSH, "-"), 1);
    cachette_close(apart);
    cachette_close(plain);
  }
}

static void a_flush_counts_live_entries_and_keeps_the_indexes(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  put(handle, "a", "x");
  insert_old("ended", "x", -5);
  insert_old("b", "x", 100);
  assert_int_equal(run_key(handle, CACHETTE_FLUSH, "-"), 2);
  assert_int_equal(count("{}"), 0);
  assert_true(wait_for_index("{\"name\": \"key_1\", \"unique\": 1}"));
  assert_true(wait_for_index("{\"name\": \"expires_at_1\", \"expireAfterSeconds\": 0}"));
  cachette_close(handle);
}

static void create_index(const char *index) {
  char command[256];
  snprintf(command, sizeof command, "{\"createIndexes\": \"%s\", \"indexes\": [%s]}", COLLECTION,
           index);
  mongod_command(server.url, DATABASE, command);
}

/* If the server refuses one index, the store still creates the other. */
static void a_conflicting_index_does_not_prevent_the_others(void **state) {
  (void)state;
  create_index("{\"key\": {\"expires_at\": 1}, \"name\": \"expires_at_1\"}");
  cachette *handle = open_mongodb();
  put(handle, "a", "x");
  assert_true(wait_for_index("{\"name\": \"key_1\", \"unique\": 1}"));
  assert_false(has_index("{\"name\": \"expires_at_1\", \"expireAfterSeconds\": 0}"));
  cachette_close(handle);
  drop_entries(NULL);
  create_index("{\"key\": {\"key\": 1}, \"name\": \"key_1\"}");
  handle = open_mongodb();
  put(handle, "a", "x");
  put(handle, "a", "y");
  assert_true(has_text(handle, "a", "y"));
  assert_true(wait_for_index("{\"name\": \"expires_at_1\", \"expireAfterSeconds\": 0}"));
  cachette_close(handle);
}

/* The store reports a foreign index that entries violate, and does not retry for ever. */
static void a_foreign_index_is_reported(void **state) {
  (void)state;
  static const enum cachette_verb verbs[] = {CACHETTE_PUT, CACHETTE_INCREMENT};
  create_index("{\"key\": {\"owner\": 1}, \"name\": \"owner_1\", \"unique\": true}");
  cachette *handle = open_mongodb();
  put(handle, "a", "x"); /* the one document without an owner */
  for (size_t i = 0; i < LENGTH(verbs); i++) {
    struct probe probe;
    probe_init(&probe, verbs[i], "b");
    probe.item.value = cachette_str("x");
    probe.item.amount = 1;
    int code = cachette_run(handle, &probe.op);
    if (code == CACHETTE_OK) code = probe.item.status;
    assert_int_equal(code, CACHETTE_EBACKEND);
    if (strstr(probe.error.message, "owner_1") == NULL) fail_msg("%s", probe.error.message);
  }
  cachette_close(handle);
}

/* Such an entry is a miss, and a put replaces it. */
static void an_entry_without_an_expiry_is_a_miss(void **state) {
  (void)state;
  static const char *const ends[] = {"", ", \"expires\": null", ", \"expires\": \"soon\"",
                                     ", \"expires\": {\"$numberDecimal\": \"9e9\"}",
                                     ", \"expires_at\": {\"$date\": {\"$numberLong\": \"1\"}}"};
  cachette *handle = open_mongodb();
  for (size_t i = 0; i < LENGTH(ends); i++) {
    char json[160];
    drop_entries(NULL);
    snprintf(json, sizeof json, "{\"key\": \"counter\", \"value\": \"7\"%s}", ends[i]);
    insert(json);
    snprintf(json, sizeof json, "{\"key\": \"added\", \"value\": \"7\"%s}", ends[i]);
    insert(json);
    assert_false(has_key(handle, "counter"));
    struct probe probe;
    probe_init(&probe, CACHETTE_INCREMENT, "counter");
    probe.item.amount = 2;
    if (cachette_run(handle, &probe.op) < 0) fail_msg("%s", probe.error.message);
    assert_int_equal(probe.item.amount, 2);
    probe_init(&probe, CACHETTE_PUT, "added");
    probe.op.flags = CACHETTE_IF_ABSENT;
    probe.item.value = cachette_str("new");
    if (cachette_run(handle, &probe.op) < 0) fail_msg("%s", probe.error.message);
    assert_int_equal(probe.item.status, CACHETTE_MISS);
    assert_true(has_text(handle, "added", "new"));
    assert_int_equal(count("{}"), 2);
  }
  cachette_close(handle);
}

static void a_value_too_large_is_not_added(void **state) {
  (void)state;
  static char value[17 << 20];
  struct probe probe;
  cachette *handle = open_mongodb();
  put(handle, "other", "x");
  probe_init(&probe, CACHETTE_PUT, "key");
  probe.op.flags = CACHETTE_IF_ABSENT;
  probe.item.value = (cachette_slice){value, sizeof value};
  cachette_run(handle, &probe.op);
  assert_int_equal(probe.item.status, CACHETTE_ETOOBIG);
  assert_non_null(strstr(probe.error.message, "MongoDB takes at most 16 MB"));
  assert_true(has_text(handle, "other", "x"));
  cachette_close(handle);
}

/* So many keys that the store deletes them in batches. */
static void many_binary_keys_are_cleared(void **state) {
  (void)state;
  enum { COUNT = 2500 };
  static cachette_item items[COUNT];
  static char keys[COUNT][16];
  cachette *handle = open_mongodb();
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "\xff:%d", i);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str("x")};
  }
  cachette_op op = {.verb = CACHETTE_PUT, .items = items, .count = COUNT};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  put(handle, "\xfe:1", "x");
  assert_int_equal(run_key(handle, CACHETTE_CLEAR_NAMESPACE, "\xff"), COUNT);
  assert_int_equal(count("{}"), 1);
  cachette_close(handle);
}

static void flush_expired_removes_expired_entries(void **state) {
  (void)state;
  cachette *handle = open_mongodb();
  put(handle, "live", "x");
  insert_old("old", "x", 100);
  insert_old("ended", "x", 0);
  insert_old("ended long ago", "x", -1000);
  assert_int_equal(run_key(handle, CACHETTE_FLUSH_EXPIRED, "-"), 2);
  assert_int_equal(run_key(handle, CACHETTE_FLUSH_EXPIRED, "-"), 0);
  assert_int_equal(count("{}"), 2);
  cachette_close(handle);
}

static void the_server_removes_expired_entries(void **state) {
  (void)state;
  if (server.pid == 0) skip(); /* other servers remove entries only once a minute */
  cachette *handle = open_mongodb();
  assert_int_equal(cachette_put(handle, cachette_str("a"), cachette_str("x"), 20, NULL), 0);
  const struct timespec pause = {0, 50 * 1000 * 1000};
  for (int i = 0; i < 200 && count("{}") > 0; i++) nanosleep(&pause, NULL);
  assert_int_equal(count("{}"), 0);
  cachette_close(handle);
}

/* ---- Indexes ---- */

/* The thread that creates the indexes ends a little later than the put that waits for it. */
static void wait_for_notice(cachette *handle, char *notice, size_t size) {
  for (int i = 0; !cachette_take_notice(handle, notice, size); i++) {
    const struct timespec pause = {0, 5 * 1000 * 1000};
    assert_true(i < 1000);
    cachette_process(handle);
    nanosleep(&pause, NULL);
  }
}

static void a_notice_passes_through_the_layers(void **state) {
  (void)state;
  char notice[256];
  insert_old("twice", "first", 100);
  insert_old("twice", "second", 100);
  cachette *handle = open_with("compression", "zlib");
  put(handle, "other", "x");
  wait_for_notice(handle, notice, sizeof notice);
  assert_non_null(strstr(notice, "has duplicate keys in the collection"));
  cachette_close(handle);
}

static void duplicate_keys_are_handled(void **state) {
  (void)state;
  insert_old("twice", "first", 100);
  insert_old("twice", "second", 100);
  cachette *handle = open_mongodb();
  assert_true(has_key(handle, "twice"));
  char notice[256];
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  put(handle, "twice", "new");
  wait_for_notice(handle, notice, sizeof notice);
  assert_non_null(strstr(notice, "MongoDB at 127.0.0.1"));
  assert_non_null(strstr(notice, "has duplicate keys in the collection"));
  put(handle, "other", "x");
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  assert_true(has_text(handle, "twice", "new"));
  assert_int_equal(count("{\"key\": \"twice\"}"), 2);
  assert_int_equal(count("{\"key\": \"other\"}"), 1);
  bson_t *query =
      BCON_NEW("key", "twice", "value", BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"new", 3));
  assert_int_equal(mongoc_collection_count_documents(entries, query, NULL, NULL, NULL, NULL), 2);
  bson_destroy(query);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR, "twice"), CACHETTE_OK);
  assert_int_equal(probe.op.number, 1);
  assert_false(has_key(handle, "twice"));
  cachette_close(handle);
}

/* ---- Concurrency ---- */

enum { MANY = 64 };

static void one_of_many_concurrent_adds_succeeds(void **state) {
  (void)state;
  for (int round = 0; round < 5; round++) {
    drop_entries(NULL);
    cachette *handle = open_mongodb();
    static struct probe probes[MANY];
    int won = 0;
    for (int i = 0; i < MANY; i++) {
      probe_init(&probes[i], CACHETTE_PUT, "lock");
      probes[i].op.flags = CACHETTE_IF_ABSENT;
      probes[i].item.value = cachette_str("mine");
      probe_submit(handle, &probes[i]);
    }
    for (int i = 0; i < MANY; i++) {
      assert_int_equal(probe_wait(handle, &probes[i]), CACHETTE_OK);
      won += probes[i].item.status == CACHETTE_MISS;
    }
    assert_int_equal(won, 1);
    assert_int_equal(count("{}"), 1);
    cachette_close(handle);
  }
}

static void no_increment_is_lost(void **state) {
  (void)state;
  cachette *handles[2] = {open_mongodb(), open_mongodb()};
  static struct probe probes[MANY];
  for (int i = 0; i < MANY; i++) {
    probe_init(&probes[i], CACHETTE_INCREMENT, "counter");
    probes[i].item.amount = i;
    probe_submit(handles[i % 2], &probes[i]);
  }
  for (int i = 0; i < MANY; i++) {
    if (probe_wait(handles[i % 2], &probes[i]) < 0) fail_msg("%s", probes[i].error.message);
    assert_true(probes[i].item.status >= 0);
  }
  char sum[16];
  snprintf(sum, sizeof sum, "%d", MANY * (MANY - 1) / 2);
  assert_true(has_text(handles[0], "counter", sum));
  assert_int_equal(count("{}"), 1);
  for (int i = 0; i < 2; i++) cachette_close(handles[i]);
}

static void ops_in_flight_can_be_cancelled_and_closed(void **state) {
  (void)state;
  cachette *handle = open_with("mongodb_pool_size", "2");
  static struct probe probes[MANY];
  for (int i = 0; i < MANY; i++) {
    probe_init(&probes[i], i % 2 ? CACHETTE_FETCH : CACHETTE_PUT, "key");
    if (i % 2 == 0) probes[i].item.value = cachette_str("value");
    probe_submit(handle, &probes[i]);
    if (i % 8 == 0) cachette_process(handle);
  }
  for (int i = 0; i < MANY; i += 3)
    if (cachette_op_pending(&probes[i].op)) {
      assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
      probe_expect(&probes[i], CACHETTE_ECANCELED);
    }
  for (int i = 0; i < MANY / 2; i++)
    if (cachette_op_pending(&probes[i].op)) cachette_run(handle, &probes[i].op);
  cachette_close(handle);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(probes[i].done, 1);
    cachette_op_deinit(&probes[i].op);
  }
}

#define test(name) cmocka_unit_test_setup(name, drop_entries)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(other_clients_can_read_an_entry),
      test(entries_of_release_0_1_are_read),
      test(an_outdated_date_is_ignored),
      test(a_value_of_another_type_is_an_error),
      test(any_bytes_may_be_a_key),
      test(many_items_are_sent_in_few_commands),
      test(a_value_too_large_is_refused_and_removes_the_old_one),
      test(clearing_a_namespace_keeps_similar_keys),
      test(pattern_characters_in_a_namespace_are_literal),
      test(a_prefix_keeps_caches_apart),
      test(a_flush_counts_live_entries_and_keeps_the_indexes),
      test(a_conflicting_index_does_not_prevent_the_others),
      test(a_foreign_index_is_reported),
      test(an_entry_without_an_expiry_is_a_miss),
      test(a_value_too_large_is_not_added),
      test(many_binary_keys_are_cleared),
      test(flush_expired_removes_expired_entries),
      test(the_server_removes_expired_entries),
      test(duplicate_keys_are_handled),
      test(a_notice_passes_through_the_layers),
      test(one_of_many_concurrent_adds_succeeds),
      test(no_increment_is_lost),
      test(ops_in_flight_can_be_cancelled_and_closed),
  };
  mongoc_init();
  return cmocka_run_group_tests_name("mongodb", tests, start_server, remove_server);
}
