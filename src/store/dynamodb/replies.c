/* SPDX-License-Identifier: MIT */
/* Converts replies to results: attributes in DynamoDB's JSON, then the replies of each command. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "internal.h"

/* ---- Attributes ---- */

bool cachette__dynamo_attribute(json_t *item, const char *name, const char *type,
                                cachette_slice *text) {
  json_t *attribute = cachette__json_member(item, name, JSON_OBJECT);
  json_t *value = cachette__json_member(attribute, type, JSON_STRING);
  if (value == NULL) return false;
  *text = (cachette_slice){json_string_value(value), (size_t)json_string_length(value)};
  return true;
}

/* Reads a number, which DynamoDB may write in any format. Returns 0 if it is missing or not
 * positive. */
static int64_t read_number(json_t *item, const char *name) {
  cachette_slice digits;
  if (!cachette__dynamo_attribute(item, name, "N", &digits)) return 0;
  double number = strtod(digits.data, NULL);
  return number > 0 ? (int64_t)(number < 1e15 ? number : 1e15) : 0;
}

/* `expires_at` refines `expires` if it lies within the second before. See add_times() in
 * commands.c. */
int64_t cachette__dynamo_time_left(json_t *item) {
  int64_t expires_ms = read_number(item, "expires") * 1000;
  int64_t early_ms = expires_ms - read_number(item, "expires_at");
  if (early_ms > 0 && early_ms < 1000) expires_ms -= early_ms;
  return expires_ms - cachette__epoch_now();
}

bool cachette__dynamo_is_live(json_t *item) { return cachette__dynamo_time_left(item) > 0; }

bool cachette__dynamo_decoded_size(cachette_slice text, size_t *size) {
  const char *bytes = text.data;
  if (text.size % 4 != 0 || text.size > INT_MAX) return false;
  *size = text.size / 4 * 3;
  for (size_t i = 1; i <= 2 && i <= text.size && bytes[text.size - i] == '='; i++) --*size;
  for (size_t i = 0; i < text.size; i++) {
    unsigned char low = (unsigned char)(bytes[i] | 0x20);
    bool digit = (low >= 'a' && low <= 'z' && bytes[i] > 0) || (bytes[i] >= '0' && bytes[i] <= '9');
    bool padding = bytes[i] == '=' && i + 2 >= text.size;
    if (!digit && !padding && bytes[i] != '+' && bytes[i] != '/') return false;
  }
  return true;
}

/* OpenSSL writes whole groups of three bytes, so the last group goes through a buffer. */
bool cachette__dynamo_decode(cachette_slice text, void *bytes) {
  const unsigned char *from = text.data;
  unsigned char *to = bytes, last[3];
  size_t size;
  if (!cachette__dynamo_decoded_size(text, &size)) return false;
  if (text.size == 0) return true;
  size_t whole = text.size / 4 - 1;
  if (whole > 0 && EVP_DecodeBlock(to, from, (int)(whole * 4)) < 0) return false;
  if (EVP_DecodeBlock(last, from + whole * 4, 4) < 0) return false;
  memcpy(to + whole * 3, last, size - whole * 3);
  return true;
}

/* ---- Results ---- */

static void fail_value(cachette__dynamo_job *job, size_t index) {
  cachette_error error;
  char text[32];
  cachette__key_text(job->op->items[index].key, text, sizeof text);
  cachette__fail(
      &error, CACHETTE_EBACKEND, text,
      "The item \"%s\" in the table \"%.100s\" is not a cache entry: it has no binary \"value\".",
      text, job->store->settings->table);
  cachette__dynamo_fail_item(job, index, &error);
}

/* A counter that was incremented is stored as a number; its value is the digits. */
static void take_value(cachette__dynamo_job *job, size_t index, json_t *item) {
  cachette_item *to = &job->op->items[index];
  cachette_slice value;
  bool is_number = cachette__dynamo_attribute(item, "value", "N", &value);
  size_t size = is_number ? value.size : 0;
  if (!is_number && (!cachette__dynamo_attribute(item, "value", "B", &value) ||
                     !cachette__dynamo_decoded_size(value, &size))) {
    fail_value(job, index);
    return;
  }
  to->status = CACHETTE_HIT;
  to->ttl_ms = cachette__dynamo_time_left(item);
  void *bytes = cachette__item_alloc(job->op, to, size);
  if (bytes != NULL && is_number)
    memcpy(bytes, value.data, size);
  else if (bytes != NULL)
    cachette__dynamo_decode(value, bytes);
}

void cachette__dynamo_take_item(cachette__dynamo_job *job, size_t index, json_t *item) {
  if (!cachette__dynamo_is_live(item)) return; /* the item remains a miss */
  if (job->op->verb == CACHETTE_FETCH)
    take_value(job, index, item);
  else
    job->op->items[index].status = CACHETTE_HIT;
}

enum cachette__dynamo_outcome cachette__dynamo_take_get(cachette__dynamo_job *job,
                                                        cachette__dynamo_call *call,
                                                        const cachette__dynamo_reply *reply) {
  json_t *item = cachette__json_member(reply->json, "Item", JSON_OBJECT);
  if (job->op->verb != CACHETTE_PING) cachette__dynamo_take_item(job, call->index, item);
  return CACHETTE__DYNAMO_DONE;
}

void cachette__dynamo_take_too_large(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette_error error;
  char text[32];
  cachette__key_text(job->op->items[call->index].key, text, sizeof text);
  cachette__fail(&error, CACHETTE_ETOOBIG, text,
                 "The value of \"%s\" has %zu bytes; a DynamoDB item has at most 400 KB, key "
                 "included.",
                 text, job->op->items[call->index].value.size);
  cachette__dynamo_fail_item(job, call->index, &error);
}

enum cachette__dynamo_outcome cachette__dynamo_take_put(cachette__dynamo_job *job,
                                                        cachette__dynamo_call *call,
                                                        const cachette__dynamo_reply *reply) {
  if (job->entries[call->index].too_large || reply->code == CACHETTE_ETOOBIG)
    cachette__dynamo_take_too_large(job, call);
  return CACHETTE__DYNAMO_DONE;
}

enum cachette__dynamo_outcome cachette__dynamo_take_add(cachette__dynamo_job *job,
                                                        cachette__dynamo_call *call,
                                                        const cachette__dynamo_reply *reply) {
  if (job->entries[call->index].too_large || reply->code == CACHETTE_ETOOBIG)
    cachette__dynamo_take_too_large(job, call);
  else if (reply->code < 0)
    job->op->items[call->index].status = CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

enum cachette__dynamo_outcome cachette__dynamo_take_touch(cachette__dynamo_job *job,
                                                          cachette__dynamo_call *call,
                                                          const cachette__dynamo_reply *reply) {
  job->op->items[call->index].status = reply->code < 0 ? CACHETTE_MISS : CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}

enum cachette__dynamo_outcome cachette__dynamo_take_delete(cachette__dynamo_job *job,
                                                           cachette__dynamo_call *call,
                                                           const cachette__dynamo_reply *reply) {
  json_t *old = cachette__json_member(reply->json, "Attributes", JSON_OBJECT);
  if (cachette__dynamo_is_live(old)) job->op->items[call->index].status = CACHETTE_HIT;
  return CACHETTE__DYNAMO_DONE;
}
