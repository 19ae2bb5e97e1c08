/* SPDX-License-Identifier: MIT */
/*
 * What is done key by key. Conditions make it atomic: one that fails comes back as an error of its
 * own, with the item that stands there.
 *
 * A counter's value is bytes, for every client to read, and DynamoDB cannot count in bytes. So a
 * new value is set on the condition that the old one still stands, and if another client was faster
 * it is tried again with what it put.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client.h"

enum { WIDTH = 16 }; /* calls of an op at a time */

#define NAMES "\"ExpressionAttributeNames\":"
#define KEEPS_OLD ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\""

/* ---- Writing -------------------------------------------------------------------------------- */

void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action) {
  call->action = action;
  cachette__text_clear(&call->body);
  cachette__text_printf(&call->body, "{\"TableName\":\"%s\"", job->client->settings.table);
}

void cachette__dynamo_add_key(cachette__text *body, cachette_slice key) {
  cachette__text_puts(body, "{\"key\":{\"S\":");
  cachette__text_string(body, key);
  cachette__text_puts(body, "}}");
}

void cachette__dynamo_add_now(cachette__text *body) {
  int64_t now = cachette__dynamo_now();
  cachette__text_printf(body,
                        ",\"ExpressionAttributeValues\":{\":now\":{\"N\":\"%" PRId64 ".%03d\"}",
                        now / 1000, (int)(now % 1000));
}

/* Whole seconds, as earlier releases wrote them and the server's own time to live wants them. */
static int64_t end_of(int64_t ttl_ms) { return (cachette__dynamo_now() + ttl_ms + 999) / 1000; }

static void add_item(cachette__dynamo_job *job, cachette__text *body, size_t place,
                     cachette_slice value) {
  const cachette__dynamo_key *key = &job->entries[place].key;
  cachette__text_puts(body, "{\"key\":{\"S\":");
  cachette__text_string(body, key->text);
  cachette__text_puts(body, "},\"value\":{\"B\":\"");
  cachette__text_base64(body, value);
  cachette__text_printf(body, "\"},\"expires\":{\"N\":\"%" PRId64 "\"}",
                        end_of(job->op->items[place].ttl_ms));
  if (key->raw.size > 0) {
    cachette__text_puts(body, ",\"raw\":{\"B\":\"");
    cachette__text_base64(body, key->raw);
    cachette__text_puts(body, "\"}");
  }
  cachette__text_puts(body, "}");
}

void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t place) {
  add_item(job, body, place, job->op->items[place].value);
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

/* ---- Fetch, exists, ping -------------------------------------------------------------------- */

static void write_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  bool wants_value = job->op->verb == CACHETTE_FETCH;
  call->is_safe = true;
  begin_key(job, call, "GetItem", job->next++);
  if (job->client->settings.consistent_read)
    cachette__text_puts(&call->body, ",\"ConsistentRead\":true");
  if (!wants_value)
    cachette__text_puts(&call->body,
                        ",\"ProjectionExpression\":\"#e\"," NAMES "{\"#e\":\"expires\"}");
  cachette__text_puts(&call->body, "}");
}

static void fail_value(cachette__dynamo_job *job, size_t place) {
  cachette_error error;
  char text[32];
  cachette__key_text(job->op->items[place].key, text, sizeof text);
  cachette__fail(&error, CACHETTE_EBACKEND, text,
                 "The item \"%s\" in the table \"%.100s\" is none of a cache: it has no binary "
                 "\"value\".",
                 text, job->client->settings.table);
  cachette__dynamo_fail_item(job, place, &error);
}

static void take_value(cachette__dynamo_job *job, size_t place, json_object *item) {
  cachette_item *into = &job->op->items[place];
  cachette_slice value;
  size_t size;
  if (!cachette__dynamo_attribute(item, "value", "B", &value) ||
      !cachette__dynamo_decoded_size(value, &size)) {
    fail_value(job, place);
    return;
  }
  into->status = CACHETTE_HIT;
  into->ttl_ms = cachette__dynamo_time_left(item);
  void *bytes = cachette__item_place(job->op, into, size);
  if (bytes != NULL) cachette__dynamo_decode(value, bytes);
}

void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t place, json_object *item) {
  if (!cachette__dynamo_lives(item)) return; /* a miss, as it stands */
  if (job->op->verb == CACHETTE_FETCH)
    take_value(job, place, item);
  else
    job->op->items[place].status = CACHETTE_HIT;
}

static enum cachette__dynamo_outcome take_get(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  json_object *item = cachette__dynamo_member(reply->json, "Item", json_type_object);
  if (job->op->verb != CACHETTE_PING) cachette__dynamo_take_item(job, call->place, item);
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Put ------------------------------------------------------------------------------------ */

/* What stood there goes all the same, unless it was to stay. */
void cachette__dynamo_write_refused(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                    size_t place) {
  call->is_safe = true;
  begin_key(job, call, "DeleteItem", place);
  if (job->op->flags & CACHETTE_IF_ABSENT) {
    cachette__text_puts(&call->body,
                        ",\"ConditionExpression\":\"#e <= :now\"," NAMES "{\"#e\":\"expires\"}");
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

/* A PutItem of a value, where nothing stands or what stands there has ended. */
static void write_absent(cachette__dynamo_job *job, cachette__dynamo_call *call,
                         cachette_slice value) {
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  add_item(job, &call->body, call->place, value);
  cachette__text_puts(&call->body,
                      ",\"ConditionExpression\":\"attribute_not_exists(#k) OR #e <= :now\"," NAMES
                      "{\"#k\":\"key\",\"#e\":\"expires\"}");
  cachette__dynamo_add_now(&call->body);
  cachette__text_puts(&call->body, "}");
}

static void write_add(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  size_t place = call->place = job->next++;
  if (job->entries[place].too_big) {
    cachette__dynamo_write_refused(job, call, place);
    return;
  }
  write_absent(job, call, job->op->items[place].value);
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

/* ---- Touch ---------------------------------------------------------------------------------- */

static void write_touch(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  begin_key(job, call, "UpdateItem", job->next++);
  cachette__text_puts(&call->body,
                      ",\"UpdateExpression\":\"SET #e = :end\",\"ConditionExpression\":\"#e > "
                      ":now\"," NAMES "{\"#e\":\"expires\"}");
  cachette__dynamo_add_now(&call->body);
  cachette__text_printf(&call->body, ",\":end\":{\"N\":\"%" PRId64 "\"}}}",
                        end_of(job->op->items[call->place].ttl_ms));
}

static enum cachette__dynamo_outcome take_touch(cachette__dynamo_job *job,
                                                cachette__dynamo_call *call,
                                                const cachette__dynamo_reply *reply) {
  job->op->items[call->place].status = reply->code < 0 ? CACHETTE_MISS : CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Clear ---------------------------------------------------------------------------------- */

/* Carried out a second time it does not find the entry, so that the count may be too low. */
static void write_clear(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  begin_key(job, call, "DeleteItem", job->next++);
  cachette__text_puts(&call->body, ",\"ReturnValues\":\"ALL_OLD\"}");
}

static enum cachette__dynamo_outcome take_clear(cachette__dynamo_job *job,
                                                cachette__dynamo_call *call,
                                                const cachette__dynamo_reply *reply) {
  json_object *old = cachette__dynamo_member(reply->json, "Attributes", json_type_object);
  if (cachette__dynamo_lives(old)) job->op->items[call->place].status = CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

/* ---- Increment ------------------------------------------------------------------------------ */

enum { MAKE, ADD_UP, READ }; /* steps */

/* Makes the counter, unless it is there; then it comes back. */
static void write_make(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  char digits[CACHETTE__COUNTER_DIGITS + 1];
  int size = snprintf(digits, sizeof digits, "%" PRId64, job->op->items[call->place].amount);
  call->step = MAKE;
  write_absent(job, call, (cachette_slice){digits, (size_t)size});
  cachette__text_puts(&call->body, KEEPS_OLD "}");
}

static void write_add_up(cachette__dynamo_job *job, cachette__dynamo_call *call,
                         cachette_slice digits, cachette_slice old) {
  call->step = ADD_UP;
  begin_key(job, call, "UpdateItem", call->place);
  cachette__text_puts(&call->body,
                      ",\"UpdateExpression\":\"SET #v = :new\",\"ConditionExpression\":\"#v = :old "
                      "AND #e > :now\",\"ReturnValues\":\"UPDATED_NEW\"," NAMES
                      "{\"#v\":\"value\",\"#e\":\"expires\"}" KEEPS_OLD);
  cachette__dynamo_add_now(&call->body);
  cachette__text_puts(&call->body, ",\":new\":{\"B\":\"");
  cachette__text_base64(&call->body, digits);
  cachette__text_puts(&call->body, "\"},\":old\":{\"B\":\"");
  cachette__text_add(&call->body, old.data, old.size); /* in base64, as it came */
  cachette__text_puts(&call->body, "\"}}}");
}

/* Of a server that does not send what stands there along with a condition that failed. */
static void write_read(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->step = READ;
  begin_key(job, call, "GetItem", call->place);
  cachette__text_puts(&call->body, ",\"ConsistentRead\":true}");
}

static void write_increment(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->place = job->next++;
  write_make(job, call);
}

/* The counter that an item holds, in its own bytes; false: it cannot be one. */
static bool read_counter(json_object *item, cachette_slice *encoded, char *bytes, size_t *size) {
  return cachette__dynamo_attribute(item, "value", "B", encoded) &&
         cachette__dynamo_decoded_size(*encoded, size) && *size <= CACHETTE__COUNTER_DIGITS &&
         cachette__dynamo_decode(*encoded, bytes);
}

static enum cachette__dynamo_outcome add_up(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                            json_object *item) {
  char bytes[CACHETTE__COUNTER_DIGITS + 3], digits[CACHETTE__COUNTER_DIGITS];
  size_t size;
  cachette_slice encoded;
  cachette_error error;
  const cachette_item *asked = &job->op->items[call->place];
  cachette_item counter = {.key = asked->key, .amount = asked->amount};
  int code = CACHETTE_OK;
  if (!read_counter(item, &encoded, bytes, &size))
    code = cachette__counter_fail_value(asked->key, &error);
  else
    code = cachette__counter_add(&counter, (cachette_slice){bytes, size}, digits, &size, &error);
  if (code < 0) {
    cachette__dynamo_fail_item(job, call->place, &error);
    return CACHETTE__DYNAMO_DONE;
  }
  write_add_up(job, call, (cachette_slice){digits, size}, encoded);
  return CACHETTE__DYNAMO_AGAIN;
}

/* The sum that the call has set: what it had to add was added to what stood there. */
static int64_t sum_of(json_object *attributes) {
  cachette_slice encoded;
  char bytes[CACHETTE__COUNTER_DIGITS + 3];
  size_t size;
  int64_t sum = 0;
  if (read_counter(attributes, &encoded, bytes, &size))
    cachette__counter_read((cachette_slice){bytes, size}, &sum);
  return sum;
}

static enum cachette__dynamo_outcome take_increment(cachette__dynamo_job *job,
                                                    cachette__dynamo_call *call,
                                                    const cachette__dynamo_reply *reply) {
  cachette_item *item = &job->op->items[call->place];
  call->pause_ms = 0;
  if (reply->code == CACHETTE_OK && call->step == MAKE) return CACHETTE__DYNAMO_DONE;
  if (reply->code == CACHETTE_OK && call->step == ADD_UP) {
    item->status = CACHETTE_HIT;
    item->amount = sum_of(cachette__dynamo_member(reply->json, "Attributes", json_type_object));
    return CACHETTE__DYNAMO_DONE;
  }
  json_object *old = cachette__dynamo_member(reply->json, "Item", json_type_object);
  if (call->conflicts++ > 1) call->pause_ms = cachette__dynamo_jitter(job->client, 0);
  if (cachette__dynamo_lives(old)) return add_up(job, call, old);
  if (old == NULL && call->step != READ)
    write_read(job, call);
  else
    write_make(job, call);
  return CACHETTE__DYNAMO_AGAIN;
}

/* ---- All of them ---------------------------------------------------------------------------- */

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
