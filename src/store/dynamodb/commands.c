/* SPDX-License-Identifier: MIT */
/*
 * Commands of one key, and the parts of bodies that all commands write. Conditions make the
 * commands atomic; the reply to a failed condition is ConditionalCheckFailedException.
 */
#include <inttypes.h>

#include "internal.h"

enum { CONCURRENCY = 16 };

#define NAMES "\"ExpressionAttributeNames\":"

/* ---- Writing ---- */

void cachette__dynamo_begin(cachette__dynamo_job *job, cachette__dynamo_call *call,
                            const char *action) {
  call->action = action;
  cachette__text_clear(&call->body);
  cachette__text_printf(&call->body, "{\"TableName\":\"%s\"", job->store->settings->table);
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

/* Adds the expiry of an entry as two values with these names. */
static void add_times(cachette__text *body, const char *seconds, const char *ms, int64_t ttl_ms) {
  int64_t time = cachette__epoch_now() + ttl_ms;
  cachette__text_printf(body, "\"%s\":{\"N\":\"%" PRId64 "\"},\"%s\":{\"N\":\"%" PRId64 "\"}",
                        seconds, (time + 999) / 1000, ms, time);
}

/* Begins an item. The value and a closing brace must follow. */
static void begin_item(cachette__dynamo_job *job, cachette__text *body, size_t index) {
  const cachette__dynamo_key *key = &job->entries[index].key;
  cachette__text_puts(body, "{\"key\":{\"S\":");
  cachette__text_string(body, key->text);
  cachette__text_puts(body, "},");
  add_times(body, "expires", "expires_at", job->op->items[index].ttl_ms);
  if (key->raw.size > 0) {
    cachette__text_puts(body, ",\"raw\":{\"B\":\"");
    cachette__text_base64(body, key->raw);
    cachette__text_puts(body, "\"}");
  }
  cachette__text_puts(body, ",\"value\":");
}

void cachette__dynamo_add_item(cachette__dynamo_job *job, cachette__text *body, size_t index) {
  begin_item(job, body, index);
  cachette__text_puts(body, "{\"B\":\"");
  cachette__text_base64(body, job->op->items[index].value);
  cachette__text_puts(body, "\"}}");
}

void cachette__dynamo_begin_key(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                const char *action, size_t index) {
  call->index = index;
  cachette__dynamo_begin(job, call, action);
  cachette__text_puts(&call->body, ",\"Key\":");
  cachette__dynamo_add_key(&call->body, job->entries[index].key.text);
}

/* ---- Fetch, exists, ping ---- */

static void write_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  bool wants_value = job->op->verb == CACHETTE_FETCH;
  call->is_idempotent = true;
  cachette__dynamo_begin_key(job, call, "GetItem", job->next++);
  if (job->store->settings->consistent_read)
    cachette__text_puts(&call->body, ",\"ConsistentRead\":true");
  if (!wants_value)
    cachette__text_puts(
        &call->body, ",\"ProjectionExpression\":\"#e,#a\"," NAMES "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__text_puts(&call->body, "}");
}

/* ---- Put ---- */

void cachette__dynamo_begin_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  begin_item(job, &call->body, call->index);
}

void cachette__dynamo_add_if_absent(cachette__text *body) {
  cachette__text_puts(body, ",\"ConditionExpression\":\"NOT " CACHETTE__DYNAMO_IS_LIVE "\"," NAMES
                            "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__dynamo_add_now(body);
  cachette__text_puts(body, "}");
}

/* Deletes the old entry, so that no fetch finds it; with IF_ABSENT, only if it has expired. */
void cachette__dynamo_write_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                      size_t index) {
  call->is_idempotent = true;
  cachette__dynamo_begin_key(job, call, "DeleteItem", index);
  if (job->op->flags & CACHETTE_IF_ABSENT) {
    cachette__text_puts(&call->body, ",\"ConditionExpression\":\"" CACHETTE__DYNAMO_IS_EXPIRED
                                     "\"," NAMES "{" CACHETTE__DYNAMO_TIMES "}");
    cachette__dynamo_add_now(&call->body);
    cachette__text_puts(&call->body, "}");
  }
  cachette__text_puts(&call->body, "}");
}

static void write_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  size_t index = call->index = job->next++;
  if (job->entries[index].too_large) {
    cachette__dynamo_write_too_large(job, call, index);
    return;
  }
  call->is_idempotent = true;
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  cachette__dynamo_add_item(job, &call->body, index);
  cachette__text_puts(&call->body, "}");
}

static void write_add(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  size_t index = call->index = job->next++;
  if (job->entries[index].too_large) {
    cachette__dynamo_write_too_large(job, call, index);
    return;
  }
  cachette__dynamo_begin(job, call, "PutItem");
  cachette__text_puts(&call->body, ",\"Item\":");
  cachette__dynamo_add_item(job, &call->body, index);
  cachette__dynamo_add_if_absent(&call->body);
  cachette__text_puts(&call->body, "}");
}

/* ---- Touch ---- */

static void write_touch(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_idempotent = true;
  cachette__dynamo_begin_key(job, call, "UpdateItem", job->next++);
  cachette__text_puts(&call->body,
                      ",\"UpdateExpression\":\"SET #e = :end, #a = :end_ms\","
                      "\"ConditionExpression\":\"" CACHETTE__DYNAMO_IS_LIVE "\"," NAMES
                      "{" CACHETTE__DYNAMO_TIMES "}");
  cachette__dynamo_add_now(&call->body);
  cachette__text_puts(&call->body, ",");
  add_times(&call->body, ":end", ":end_ms", job->op->items[call->index].ttl_ms);
  cachette__text_puts(&call->body, "}}");
}

/* ---- Delete ---- */

/* After a resend the entry may be gone already, so the count may be too low. */
static void write_delete(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_idempotent = true;
  cachette__dynamo_begin_key(job, call, "DeleteItem", job->next++);
  cachette__text_puts(&call->body, ",\"ReturnValues\":\"ALL_OLD\"}");
}

/* ---- The commands ---- */

#define COMMAND(write, take) \
  { CONCURRENCY, false, cachette__dynamo_has_next_entry, write, take }

const cachette__dynamo_command cachette__dynamo_fetch =
    COMMAND(write_get, cachette__dynamo_take_get);
const cachette__dynamo_command cachette__dynamo_put = COMMAND(write_put, cachette__dynamo_take_put);
const cachette__dynamo_command cachette__dynamo_add = COMMAND(write_add, cachette__dynamo_take_add);
const cachette__dynamo_command cachette__dynamo_touch =
    COMMAND(write_touch, cachette__dynamo_take_touch);
const cachette__dynamo_command cachette__dynamo_delete =
    COMMAND(write_delete, cachette__dynamo_take_delete);
