/* SPDX-License-Identifier: MIT */
/*
 * Many keys at a time: BatchGetItem and BatchWriteItem take so many, and may leave some undone,
 * which are then asked for again.
 */
#include "client.h"

/*
 * A body of more than a megabyte libcurl would announce first, and wait to be asked for it; so what
 * is put goes in smaller ones. One item alone stays below that, too.
 */
enum { READ_MOST = 100, WRITE_MOST = 25, WIDTH = 4, BYTES_MOST = 300000 };

static bool wants_entries(const cachette__dynamo_job *job) { return job->next < job->count; }

static bool is_twin(const cachette__dynamo_job *job, size_t place) {
  return job->entries[place].twin != place;
}

/* Gives the call the next places, as many as it may have. Those too big have calls of their own. */
static bool take_places(cachette__dynamo_job *job, cachette__dynamo_call *call, size_t most) {
  size_t bytes = 0;
  call->places = cachette__malloc(most * sizeof *call->places);
  for (; call->places != NULL && job->next < job->count && call->count < most; job->next++) {
    if (is_twin(job, job->next)) continue;
    if (job->entries[job->next].too_big || bytes > BYTES_MOST) break;
    call->places[call->count++] = job->next;
    const cachette__dynamo_key *key = &job->entries[job->next].key;
    bytes += key->text.size + key->raw.size;
    if (job->op->verb == CACHETTE_PUT) bytes += job->op->items[job->next].value.size;
  }
  return call->places != NULL;
}

/* The place, among the call's, of the entry that has the key of an item; SIZE_MAX: none. */
static size_t find_place(const cachette__dynamo_job *job, const cachette__dynamo_call *call,
                         json_t *item) {
  cachette_slice key;
  if (!cachette__dynamo_attribute(item, "key", "S", &key)) return SIZE_MAX;
  for (size_t i = 0; i < call->count; i++) {
    cachette_slice own = job->entries[call->places[i]].key.text;
    if (own.size == key.size && memcmp(own.data, key.data, key.size) == 0) return call->places[i];
  }
  return SIZE_MAX;
}

/* What a reply holds of our table, such as {"Responses": {"table": [...]}}; NULL if nothing. */
static json_t *of_table(const cachette__dynamo_job *job, const cachette__dynamo_reply *reply,
                        const char *name, json_type type) {
  json_t *tables = cachette__dynamo_member(reply->json, name, JSON_OBJECT);
  return cachette__dynamo_member(tables, job->client->settings->table, type);
}

/* Has the call be about what is left undone alone; its places are in the order of `left`. */
static enum cachette__dynamo_outcome again(cachette__dynamo_job *job, cachette__dynamo_call *call,
                                           const size_t *left, size_t count) {
  bool progress = count < call->count;
  memcpy(call->places, left, count * sizeof *left);
  call->count = count;
  job->client->retries++;
  call->conflicts = progress ? 0 : call->conflicts + 1;
  call->pause_ms = progress ? 0 : cachette__dynamo_jitter(job->client, call->conflicts);
  return CACHETTE__DYNAMO_AGAIN;
}

/* ---- Fetch, exists ---- */

static void write_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__text *body = &call->body;
  call->action = "BatchGetItem";
  cachette__text_clear(body);
  cachette__text_printf(body, "{\"RequestItems\":{\"%s\":{\"Keys\":[",
                        job->client->settings->table);
  for (size_t i = 0; i < call->count; i++) {
    if (i > 0) cachette__text_puts(body, ",");
    cachette__dynamo_add_key(body, job->entries[call->places[i]].key.text);
  }
  cachette__text_puts(body, "]");
  if (job->client->settings->consistent_read) cachette__text_puts(body, ",\"ConsistentRead\":true");
  if (job->op->verb == CACHETTE_EXISTS)
    cachette__text_puts(body,
                        ",\"ProjectionExpression\":\"#k,#e,#a\",\"ExpressionAttributeNames\":"
                        "{" CACHETTE__DYNAMO_TIMES ",\"#k\":\"key\"}");
  cachette__text_puts(body, "}}}");
}

static void start_get(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  if (take_places(job, call, READ_MOST))
    write_get(job, call);
  else
    call->body.failed = true;
}

static enum cachette__dynamo_outcome take_get(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  size_t left[READ_MOST], count = 0;
  json_t *items = of_table(job, reply, "Responses", JSON_ARRAY);
  for (size_t i = 0; items != NULL && i < json_array_size(items); i++) {
    json_t *item = json_array_get(items, i);
    size_t place = find_place(job, call, item);
    if (place != SIZE_MAX) cachette__dynamo_take_item(job, place, item);
  }
  json_t *undone = of_table(job, reply, "UnprocessedKeys", JSON_OBJECT);
  json_t *keys = cachette__dynamo_member(undone, "Keys", JSON_ARRAY);
  for (size_t i = 0; keys != NULL && i < json_array_size(keys) && count < READ_MOST; i++) {
    size_t place = find_place(job, call, json_array_get(keys, i));
    if (place != SIZE_MAX) left[count++] = place;
  }
  if (count == 0) return CACHETTE__DYNAMO_DONE;
  enum cachette__dynamo_outcome outcome = again(job, call, left, count);
  write_get(job, call);
  return outcome;
}

/* ---- Put ---- */

static void write_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  cachette__text *body = &call->body;
  call->action = "BatchWriteItem";
  cachette__text_clear(body);
  cachette__text_printf(body, "{\"RequestItems\":{\"%s\":[", job->client->settings->table);
  for (size_t i = 0; i < call->count; i++) {
    cachette__text_puts(body, i > 0 ? ",{\"PutRequest\":{\"Item\":" : "{\"PutRequest\":{\"Item\":");
    cachette__dynamo_add_item(job, body, call->places[i]);
    cachette__text_puts(body, "}}");
  }
  cachette__text_puts(body, "]}}");
}

static void start_put(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->is_safe = true;
  while (job->next < job->count - 1 && is_twin(job, job->next)) job->next++;
  if (job->entries[job->next].too_big)
    cachette__dynamo_write_refused(job, call, job->next++);
  else if (take_places(job, call, WRITE_MOST))
    write_put(job, call);
  else
    call->body.failed = true;
}

static enum cachette__dynamo_outcome take_put(cachette__dynamo_job *job,
                                              cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  size_t left[WRITE_MOST], count = 0;
  if (call->count == 0) {
    cachette__dynamo_take_refused(job, call);
    return CACHETTE__DYNAMO_DONE;
  }
  if (reply->code < 0) {
    cachette__dynamo_fail_job(job, &reply->error);
    return CACHETTE__DYNAMO_DONE;
  }
  json_t *undone = of_table(job, reply, "UnprocessedItems", JSON_ARRAY);
  for (size_t i = 0; undone != NULL && i < json_array_size(undone) && count < WRITE_MOST; i++) {
    json_t *put = cachette__dynamo_member(json_array_get(undone, i), "PutRequest", JSON_OBJECT);
    size_t place = find_place(job, call, cachette__dynamo_member(put, "Item", JSON_OBJECT));
    if (place != SIZE_MAX) left[count++] = place;
  }
  if (count == 0) return CACHETTE__DYNAMO_DONE;
  enum cachette__dynamo_outcome outcome = again(job, call, left, count);
  write_put(job, call);
  return outcome;
}

const cachette__dynamo_verb cachette__dynamo_fetch_many = {WIDTH, true, wants_entries, start_get,
                                                           take_get},
                            cachette__dynamo_put_many = {WIDTH, true, wants_entries, start_put,
                                                         take_put};
