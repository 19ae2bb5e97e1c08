/* SPDX-License-Identifier: MIT */
/*
 * Increments. A counter is stored as a number, so that the server can add to it. The steps:
 *
 *     ADD      adds the amount, if a live number exists. If not, the reply contains the old item:
 *     CREATE   there is no live entry: puts the amount
 *     CONVERT  the value is bytes, from a put: replaces them by the sum as a number
 *
 * If the condition of CREATE or CONVERT fails, another client was faster, and ADD is tried again.
 */
#include <inttypes.h>

#include "internal.h"

enum { CONCURRENCY = 16 };

enum { ADD, CREATE, CONVERT }; /* values of `step` */

#define NAMES "\"ExpressionAttributeNames\":"
#define RETURN_OLD ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\""

/* Begins an UpdateItem of the counter, up to the condition on the value. */
static void begin_update(cachette__dynamo_job *job, cachette__dynamo_call *call, int step,
                         const char *update) {
  call->step = step;
  cachette__dynamo_begin_key(job, call, "UpdateItem", call->index);
  cachette__text_puts(&call->body, ",\"ReturnValues\":\"UPDATED_NEW\"" RETURN_OLD "," NAMES
                                   "{" CACHETTE__DYNAMO_TIMES ",\"#v\":\"value\"}");
  cachette__text_printf(
      &call->body,
      ",\"UpdateExpression\":\"SET #v = %s\",\"ConditionExpression\":\"" CACHETTE__DYNAMO_IS_LIVE
      " AND #v ",
      update);
}

/* Adds the amount, on the condition that the sum fits into 64 bits. */
static void write_add(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  int64_t amount = job->op->items[call->index].amount;
  int64_t min = amount < 0 ? INT64_MIN - amount : INT64_MIN,
          max = amount > 0 ? INT64_MAX - amount : INT64_MAX;
  begin_update(job, call, ADD, "#v + :by");
  cachette__text_puts(&call->body, "BETWEEN :least AND :most\"");
  cachette__dynamo_add_now(&call->body);
  cachette__text_printf(&call->body,
                        ",\":by\":{\"N\":\"%" PRId64 "\"},\":least\":{\"N\":\"%" PRId64
                        "\"},\":most\":{\"N\":\"%" PRId64 "\"}}}",
                        amount, min, max);
}

static void write_create(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->step = CREATE;
  cachette__dynamo_begin_put(job, call);
  cachette__text_printf(&call->body, "{\"N\":\"%" PRId64 "\"}}",
                        job->op->items[call->index].amount);
  cachette__dynamo_add_if_absent(&call->body);
  cachette__text_puts(&call->body, "}");
}

static void write_convert(cachette__dynamo_job *job, cachette__dynamo_call *call, int64_t sum,
                          cachette_slice old) {
  begin_update(job, call, CONVERT, ":sum");
  cachette__text_puts(&call->body, "= :old\"");
  cachette__dynamo_add_now(&call->body);
  cachette__text_printf(&call->body, ",\":sum\":{\"N\":\"%" PRId64 "\"},\":old\":{\"B\":\"", sum);
  cachette__text_add(&call->body, old.data, old.size); /* base64, as received */
  cachette__text_puts(&call->body, "\"}}}");
}

static void write_increment(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->index = job->next++;
  write_add(job, call);
}

static enum cachette__dynamo_outcome fail_counter(cachette__dynamo_job *job,
                                                  const cachette__dynamo_call *call,
                                                  const cachette_error *error) {
  cachette__dynamo_fail_item(job, call->index, error);
  return CACHETTE__DYNAMO_DONE;
}

/* Replaces a counter in bytes by the sum. */
static enum cachette__dynamo_outcome convert(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                             cachette_slice old) {
  char bytes[CACHETTE__COUNTER_DIGITS + 3], digits[CACHETTE__COUNTER_DIGITS];
  size_t size;
  cachette_error error = {.code = CACHETTE_OK};
  const cachette_item *item = &job->op->items[call->index];
  cachette_item counter = {.key = item->key, .amount = item->amount};
  bool fits = cachette__dynamo_decoded_size(old, &size) && size <= CACHETTE__COUNTER_DIGITS &&
              cachette__dynamo_decode(old, bytes);
  if (fits)
    cachette__counter_add(&counter, (cachette_slice){bytes, size}, digits, &size, &error);
  else
    cachette__counter_fail_value(item->key, &error);
  if (error.code < 0) return fail_counter(job, call, &error);
  write_convert(job, call, counter.amount, old);
  return CACHETTE__DYNAMO_RESEND;
}

static enum cachette__dynamo_outcome take_sum(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call, json_t *json) {
  cachette_item *item = &job->op->items[call->index];
  json_t *attributes = cachette__json_member(json, "Attributes", JSON_OBJECT);
  cachette_slice digits;
  cachette_error error;
  if (call->step == CREATE) return CACHETTE__DYNAMO_DONE; /* the sum is the amount */
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
  json_t *old = cachette__json_member(reply->json, "Item", JSON_OBJECT);
  cachette_slice key = job->op->items[call->index].key, value;
  cachette_error error;
  call->pause_ms = call->conflicts++ > 1 ? cachette__dynamo_back_off(job->store, 0) : 0;
  if (call->step == ADD && cachette__dynamo_is_live(old)) {
    if (cachette__dynamo_attribute(old, "value", "B", &value)) return convert(job, call, value);
    if (cachette__dynamo_attribute(old, "value", "N", &value))
      cachette__counter_fail_range(key, &error);
    else
      cachette__counter_fail_value(key, &error);
    return fail_counter(job, call, &error);
  }
  if (call->step == ADD)
    write_create(job, call);
  else
    write_add(job, call);
  return CACHETTE__DYNAMO_RESEND;
}

const cachette__dynamo_command cachette__dynamo_increment = {
    CONCURRENCY, false, cachette__dynamo_has_next_entry, write_increment, take_increment};
