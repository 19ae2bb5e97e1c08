/* SPDX-License-Identifier: MIT */
/*
 * What is done key by key. Conditions make it atomic: one that fails comes back as an error of its
 * own, with the item that stands there.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client.h"

enum { WIDTH = 16 }; /* calls of an op at a time */

#define NAMES "\"ExpressionAttributeNames\":"
#define KEEPS_OLD ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\""

/* ---- Writing ---- */

void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action) {
  call->action = action;
  cachette__text_clear(&call->body);
  cachette__text_printf(&call->body, "{\"TableName\":\"%s\"", job->client->settings->table);
}

void cachette__dynamo_add_key(cachette__text *body, cachette_slice key) {
  cachette__text_puts(body, "{\"key\":{\"S\":");
  cachette__text_string(body, key);
  cachette__text_puts(body, "}}");
}

void cachette__dynamo_add_now(cachette__text *body) {
  int64_t now = cachette__epoch_now();
  cachette__text_printf(body,
                        ",\"ExpressionAttributeValues\":{\":now\":{\"N\":\"%" PRId64
                        "\"},\":ms\":{\"N\":\"%" PRId64 "\"}",
                        now / 1000, now);
}

/* Adds when an entry ends, as two values by their names. */
static void add_times(cachette__text *body, const char *end, const char *end_ms, int64_t ttl_ms) {
  int64_t time = cachette__epoch_now() + ttl_ms;
  cachette__text_printf(body, "\"%s\":{\"N\":\"%" PRId64 "\"},\"%s\":{\"N\":\"%" PRId64 "\"}", end,
                        (time + 999) / 1000, end_ms, time);
}

/* Adds an item without its value: what is added behind has to end with a value and a brace. */
static void begin_item(cachette__dynamo_job *job, cachette__text *body, size_t place) {
  const cachette__dynamo_key *key = &job->entries[place].key;
  cachette__text_puts(body, "{\"key\":{\"S\":");
  cachette__text_string(body, key->text);
  cachette__text_puts(body, "},");
  add_times(body, "expires", "expires_at", job->op->items[place].ttl_ms);
  if (key->raw.size > 0) {
    cachette__text_puts(body, ",\"raw\":{\"B\":\"");
    cachette__text_base64(body, key->raw);
    cachette__text_puts(body, "\"}");
  }
  cachette__text_puts(body, ",\"value\":");
}

void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t place) {
  begin_item(job, body, place);
  cachette__text_puts(body, "{\"B\":\"");
  cachette__text_base64(body, job->op->items[place].value);
  cachette__text_puts(body, "\"}}");
}

/* Begins a call about one entry, up to its key. */
static void begin_key(cachette__dynamo_job *job, cachette__dynamo_call *call, const char *action,
                      size_t place) {
  call->place = place;
  cachette__dynamo_begin(job, call, action);
  cachette__text_puts(&call->body, ",\"Key\":");
  cachette__dynamo_add_key(&call->body, job->entries[place].key.text);
}

static bool wants_entry(const cachette__dynamo_job *job) { return job->next < job->count; }

/* ---- Fetch, exists, ping ---- */

static void write_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  bool wants_value = job->op->verb == CACHETTE_FETCH;
  call->is_safe = true;
  begin_key(job, call, "GetItem", job->next++);
  if (job->client->settings->consistent_read)
    cachette__text_puts(&call->body, ",\"ConsistentRead\":true");
  if (!wants_value)
    cachette__text_puts(
        &call->body, ",\"ProjectionExpression\":\"#e,#a\"," NAMES "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__text_puts(&call->body, "}");
}

static void fail_value(cachette__dynamo_job *job, size_t place) {
  cachette_error error;
  char text[32];
  cachette__key_text(job->op->items[place].key, text, sizeof text);
  cachette__fail(&error, CACHETTE_EBACKEND, text,
                 "The item \"%s\" in the table \"%.100s\" is none of a cache: it has no binary "
                 "\"value\".",
                 text, job->client->settings->table);
  cachette__dynamo_fail_item(job, place, &error);
}

/* A counter that was incremented is a number; as a value it is its digits. */
static void take_value(cachette__dynamo_job *job, size_t place, json_t *item) {
  cachette_item *into = &job->op->items[place];
  cachette_slice value;
  bool is_number = cachette__dynamo_attribute(item, "value", "N", &value);
  size_t size = is_number ? value.size : 0;
  if (!is_number && (!cachette__dynamo_attribute(item, "value", "B", &value) ||
                     !cachette__dynamo_decoded_size(value, &size))) {
    fail_value(job, place);
    return;
  }
  into->status = CACHETTE_HIT;
  into->ttl_ms = cachette__dynamo_time_left(item);
  void *bytes = cachette__item_place(job->op, into, size);
  if (bytes != NULL && is_number)
    memcpy(bytes, value.data, size);
  else if (bytes != NULL)
    cachette__dynamo_decode(value, bytes);
}

void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t place, json_t *item) {
  if (!cachette__dynamo_lives(item)) return; /* a miss, as it stands */
  if (job->op->verb == CACHETTE_FETCH)
    take_value(job, place, item);
  else
    job->op->items[place].status = CACHETTE_HIT;
}

static enum cachette__dynamo_outcome take_get(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  json_t *item = cachette__dynamo_member(reply->json, "Item", JSON_OBJECT);
  if (job->op->verb != CACHETTE_PING) cachette__dynamo_take_item(job, call->place, item);
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Put ---- */

/* What stood there goes all the same, unless it was to stay. */
void cachette__dynamo_write_refused(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                    size_t place) {
  call->is_safe = true;
  begin_key(job, call, "DeleteItem", place);
  if (job->op->flags & CACHETTE_IF_ABSENT) {
    cachette__text_puts(&call->body, ",\"ConditionExpression\":\"" CACHETTE__DYNAMO_ENDED
                                     "\"," NAMES "{" CACHETTE__DYNAMO_TIMES "}");
    cachette__dynamo_add_now(&call->body);
    cachette__text_puts(&call->body, "}");
  }
  cachette__text_puts(&call->body, "}");
}

void cachette__dynamo_take_refused(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette_error error;
  char text[32];
  cachette__key_text(job->op->items[call->place].key, text, sizeof text);
  cachette__fail(&error, CACHETTE_ETOOBIG, text,
                 "The value of \"%s\" has %zu bytes; an item of DynamoDB's may have 400 KB, key "
                 "included.",
                 text, job->op->items[call->place].value.size);
  cachette__dynamo_fail_item(job, call->place, &error);
}

static void write_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  size_t place = call->place = job->next++;
  if (job->entries[place].too_big) {
    cachette__dynamo_write_refused(job, call, place);
    return;
  }
  call->is_safe = true;
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  cachette__dynamo_add_item(job, &call->body, place);
  cachette__text_puts(&call->body, "}");
}

static enum cachette__dynamo_outcome take_put(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  if (job->entries[call->place].too_big || reply->code == CACHETTE_ETOOBIG)
    cachette__dynamo_take_refused(job, call);
  return CACHETTE__DYNAMO_DONE;
}

/* Begins a PutItem, up to the value. */
static void begin_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  begin_item(job, &call->body, call->place);
}

/* Its condition: nothing stands there, or what does has ended, or does not say when it ends. */
static void add_if_absent(cachette__text *body) {
  cachette__text_puts(body, ",\"ConditionExpression\":\"NOT " CACHETTE__DYNAMO_LIVES "\"," NAMES
                            "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__dynamo_add_now(body);
  cachette__text_puts(body, "}");
}

static void write_add(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  size_t place = call->place = job->next++;
  if (job->entries[place].too_big) {
    cachette__dynamo_write_refused(job, call, place);
    return;
  }
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  cachette__dynamo_add_item(job, &call->body, place);
  add_if_absent(&call->body);
  cachette__text_puts(&call->body, "}");
}

static enum cachette__dynamo_outcome take_add(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  if (job->entries[call->place].too_big || reply->code == CACHETTE_ETOOBIG)
    cachette__dynamo_take_refused(job, call);
  else if (reply->code < 0)
    job->op->items[call->place].status = CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Touch ---- */

static void write_touch(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  begin_key(job, call, "UpdateItem", job->next++);
  cachette__text_puts(&call->body,
                      ",\"UpdateExpression\":\"SET #e = :end, #a = :end_ms\","
                      "\"ConditionExpression\":\"" CACHETTE__DYNAMO_LIVES "\"," NAMES
                      "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__dynamo_add_now(&call->body);
  cachette__text_puts(&call->body, ",");
  add_times(&call->body, ":end", ":end_ms", job->op->items[call->place].ttl_ms);
  cachette__text_puts(&call->body, "}}");
}

static enum cachette__dynamo_outcome take_touch(cachette__dynamo_job *job,
                                                cachette__dynamo_call *call,
                                                const cachette__dynamo_reply *reply) {
  job->op->items[call->place].status = reply->code < 0 ? CACHETTE_MISS : CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Clear ---- */

/* Carried out a second time it does not find the entry, so that the count may be too low. */
static void write_clear(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  begin_key(job, call, "DeleteItem", job->next++);
  cachette__text_puts(&call->body, ",\"ReturnValues\":\"ALL_OLD\"}");
}

static enum cachette__dynamo_outcome take_clear(cachette__dynamo_job *job,
                                                cachette__dynamo_call *call,
                                                const cachette__dynamo_reply *reply) {
  json_t *old = cachette__dynamo_member(reply->json, "Attributes", JSON_OBJECT);
  if (cachette__dynamo_lives(old)) job->op->items[call->place].status = CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Increment ---- */

/*
 * A counter is a number of the server's, for it to count with. One that was put is bytes; then what
 * they count, with what is added, is set as a number, on the condition that they still stand.
 */
enum { COUNT, MAKE, CONVERT }; /* steps */

/* Begins an UpdateItem of the counter, up to the condition on its value. */
static void begin_count(cachette__dynamo_job *job, cachette__dynamo_call *call, int step,
                        const char *update) {
  call->step = step;
  begin_key(job, call, "UpdateItem", call->place);
  cachette__text_puts(&call->body, ",\"ReturnValues\":\"UPDATED_NEW\"" KEEPS_OLD "," NAMES
                                   "{" CACHETTE__DYNAMO_TIMES ",\"#v\":\"value\"}");
  cachette__text_printf(
      &call->body,
      ",\"UpdateExpression\":\"SET #v = %s\",\"ConditionExpression\":\"" CACHETTE__DYNAMO_LIVES
      " AND #v ",
      update);
}

/* On the condition that the sum has 64 bits. */
static void write_count(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  int64_t by = job->op->items[call->place].amount;
  int64_t least = by < 0 ? INT64_MIN - by : INT64_MIN, most = by > 0 ? INT64_MAX - by : INT64_MAX;
  begin_count(job, call, COUNT, "#v + :by");
  cachette__text_puts(&call->body, "BETWEEN :least AND :most\"");
  cachette__dynamo_add_now(&call->body);
  cachette__text_printf(&call->body,
                        ",\":by\":{\"N\":\"%" PRId64 "\"},\":least\":{\"N\":\"%" PRId64
                        "\"},\":most\":{\"N\":\"%" PRId64 "\"}}}",
                        by, least, most);
}

static void write_make(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->step = MAKE;
  begin_put(job, call);
  cachette__text_printf(&call->body, "{\"N\":\"%" PRId64 "\"}}",
                        job->op->items[call->place].amount);
  add_if_absent(&call->body);
  cachette__text_puts(&call->body, "}");
}

static void write_convert(cachette__dynamo_job *job, cachette__dynamo_call *call, int64_t sum,
                          cachette_slice old) {
  begin_count(job, call, CONVERT, ":sum");
  cachette__text_puts(&call->body, "= :old\"");
  cachette__dynamo_add_now(&call->body);
  cachette__text_printf(&call->body, ",\":sum\":{\"N\":\"%" PRId64 "\"},\":old\":{\"B\":\"", sum);
  cachette__text_add(&call->body, old.data, old.size); /* in base64, as it came */
  cachette__text_puts(&call->body, "\"}}}");
}

static void write_increment(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->place = job->next++;
  write_count(job, call);
}

static enum cachette__dynamo_outcome fail_counter(cachette__dynamo_job *job,
                                                  const cachette__dynamo_call *call,
                                                  const cachette_error *error) {
  cachette__dynamo_fail_item(job, call->place, error);
  return CACHETTE__DYNAMO_DONE;
}

/* Sets the sum for bytes that are a counter. */
static enum cachette__dynamo_outcome convert(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                             cachette_slice old) {
  char bytes[CACHETTE__COUNTER_DIGITS + 3], digits[CACHETTE__COUNTER_DIGITS];
  size_t size;
  cachette_error error = {.code = CACHETTE_OK};
  const cachette_item *asked = &job->op->items[call->place];
  cachette_item counter = {.key = asked->key, .amount = asked->amount};
  bool may_be = cachette__dynamo_decoded_size(old, &size) && size <= CACHETTE__COUNTER_DIGITS &&
                cachette__dynamo_decode(old, bytes);
  if (may_be)
    cachette__counter_add(&counter, (cachette_slice){bytes, size}, digits, &size, &error);
  else
    cachette__counter_fail_value(asked->key, &error);
  if (error.code < 0) return fail_counter(job, call, &error);
  write_convert(job, call, counter.amount, old);
  return CACHETTE__DYNAMO_AGAIN;
}

static enum cachette__dynamo_outcome take_sum(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call, json_t *json) {
  cachette_item *item = &job->op->items[call->place];
  json_t *attributes = cachette__dynamo_member(json, "Attributes", JSON_OBJECT);
  cachette_slice digits;
  cachette_error error;
  if (call->step == MAKE) return CACHETTE__DYNAMO_DONE; /* it is what was added to nothing */
  item->status = CACHETTE_HIT;
  if (cachette__dynamo_attribute(attributes, "value", "N", &digits) &&
      cachette__counter_read(digits, &item->amount))
    return CACHETTE__DYNAMO_DONE;
  cachette__counter_fail_value(item->key, &error);
  return fail_counter(job, call, &error);
}

static enum cachette__dynamo_outcome take_increment(cachette__dynamo_job *job,
                                                    cachette__dynamo_call *call,
                                                    const cachette__dynamo_reply *reply) {
  if (reply->code == CACHETTE_OK) return take_sum(job, call, reply->json);
  json_t *old = cachette__dynamo_member(reply->json, "Item", JSON_OBJECT);
  cachette_slice key = job->op->items[call->place].key, value;
  cachette_error error;
  call->pause_ms = call->conflicts++ > 1 ? cachette__dynamo_jitter(job->client, 0) : 0;
  if (call->step == COUNT && cachette__dynamo_lives(old)) {
    if (cachette__dynamo_attribute(old, "value", "B", &value)) return convert(job, call, value);
    if (cachette__dynamo_attribute(old, "value", "N", &value))
      cachette__counter_fail_range(key, &error);
    else
      cachette__counter_fail_value(key, &error);
    return fail_counter(job, call, &error);
  }
  if (call->step == COUNT)
    write_make(job, call);
  else
    write_count(job, call);
  return CACHETTE__DYNAMO_AGAIN;
}

/* ---- All of them ---- */

const cachette__dynamo_verb cachette__dynamo_fetch = {WIDTH, false, wants_entry, write_get,
                                                      take_get},
                            cachette__dynamo_put = {WIDTH, false, wants_entry, write_put, take_put},
                            cachette__dynamo_add = {WIDTH, false, wants_entry, write_add, take_add},
                            cachette__dynamo_touch = {WIDTH, false, wants_entry, write_touch,
                                                      take_touch},
                            cachette__dynamo_increment = {WIDTH, false, wants_entry,
                                                          write_increment, take_increment},
                            cachette__dynamo_clear = {WIDTH, false, wants_entry, write_clear,
                                                      take_clear};
