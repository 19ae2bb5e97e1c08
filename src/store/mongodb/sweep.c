/* SPDX-License-Identifier: MIT */
/*
 * Clearing by what keys begin with. Keys that are text are a range of the index, from the beginning
 * to the least text behind all that begin with it. Keys that are bytes are ordered by their length
 * first, so those, which are rare, are read and compared here.
 */
#include <string.h>

#include "client.h"

/*
 * The least text behind all that begin with `head`, whose last character that has a next one is
 * replaced by that. Its size in `end`, which has room for 4 bytes more than `size`; 0: there is
 * none.
 */
static size_t find_end(const char *head, size_t size, char *end) {
  while (size > 0) {
    do size--;
    while (size > 0 && ((unsigned char)head[size] & 0xc0) == 0x80);
    bson_unichar_t next = bson_utf8_get_char(head + size) + 1;
    if (next == 0xd800) next = 0xe000; /* what is between is no character */
    if (next > 0x10ffff) continue;
    uint32_t width;
    memcpy(end, head, size);
    bson_utf8_from_unichar(next, end + size, &width);
    return size + width;
  }
  return 0;
}

/* Appends the condition that a key is text and begins with `head`. False: out of memory. */
static bool append_range(bson_t *filter, cachette_slice head) {
  enum { ROOM = 8 };
  char *end = cachette__malloc(head.size + ROOM);
  if (end == NULL) return false;
  size_t size = find_end(head.data, head.size, end);
  bson_t range;
  BSON_APPEND_DOCUMENT_BEGIN(filter, "key", &range);
  bson_append_utf8(&range, "$gte", -1, head.data, (int)head.size);
  if (size > 0) bson_append_utf8(&range, "$lt", -1, end, (int)size);
  bson_append_document_end(filter, &range);
  cachette__free(end);
  return true;
}

/* Which entries a sweep takes. */
enum which { LIVE, ENDED, ALL };

static void append_which(bson_t *filter, enum which which, int64_t now_ms) {
  if (which == LIVE) cachette__mongo_append_live(filter, now_ms);
  if (which == ENDED) cachette__mongo_append_ended(filter, now_ms);
}

static bool sweep_text(cachette__mongo_job *job, mongoc_collection_t *collection,
                       cachette_slice head, enum which which, int64_t *count) {
  bson_t filter = BSON_INITIALIZER;
  bool done = head.size == 0 || append_range(&filter, head);
  append_which(&filter, which, job->now_ms);
  if (done)
    done = cachette__mongo_delete(job, collection, &filter, false, count);
  else
    job->code = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
  bson_destroy(&filter);
  return done;
}

/* Keys that are bytes, of which some are deleted together. */
struct portion {
  bson_t list;
  uint32_t count;
};

static bool delete_portion(cachette__mongo_job *job, mongoc_collection_t *collection,
                           struct portion *portion, enum which which, int64_t *count) {
  bson_t filter = BSON_INITIALIZER, among;
  if (portion->count == 0) return true;
  BSON_APPEND_DOCUMENT_BEGIN(&filter, "key", &among);
  BSON_APPEND_ARRAY(&among, "$in", &portion->list);
  bson_append_document_end(&filter, &among);
  append_which(&filter, which, job->now_ms);
  bool done = !cachette__mongo_out_of_time(job) &&
              cachette__mongo_delete(job, collection, &filter, false, count);
  bson_destroy(&filter);
  bson_reinit(&portion->list);
  portion->count = 0;
  return done;
}

/* Takes a key into the portion, if it is one of those that are meant. */
static void take_key(struct portion *portion, const bson_t *document, cachette_slice head) {
  cachette_slice key;
  char buffer[16];
  const char *place;
  if (!cachette__mongo_get_bytes(document, "key", &key) || key.size < head.size ||
      memcmp(key.data, head.data, head.size) != 0)
    return;
  bson_uint32_to_string(portion->count++, &place, buffer, sizeof buffer);
  BSON_APPEND_BINARY(&portion->list, place, BSON_SUBTYPE_BINARY, key.data, (uint32_t)key.size);
}

static bool sweep_bytes(cachette__mongo_job *job, mongoc_collection_t *collection,
                        cachette_slice head, enum which which, int64_t *count) {
  enum { KEYS_MOST = 1000, BYTES_MOST = 4 << 20 };
  struct portion portion = {BSON_INITIALIZER, 0};
  bson_t *filter = BCON_NEW("key", "{", "$type", "binData", "}");
  bson_t *options = BCON_NEW("projection", "{", "_id", BCON_INT32(0), "key", BCON_INT32(1), "}");
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, options, NULL);
  const bson_t *document;
  bool done = true;
  while (done && mongoc_cursor_next(cursor, &document)) {
    take_key(&portion, document, head);
    if (portion.count == KEYS_MOST || portion.list.len > BYTES_MOST)
      done = delete_portion(job, collection, &portion, which, count);
  }
  bson_error_t fault;
  if (done && mongoc_cursor_error(cursor, &fault)) {
    cachette__mongo_fail(job, &fault);
    done = false;
  }
  if (done) done = delete_portion(job, collection, &portion, which, count);
  mongoc_cursor_destroy(cursor);
  bson_destroy(options);
  bson_destroy(filter);
  bson_destroy(&portion.list);
  return done;
}

/* Deletes what begins with `head`, be it text or not. */
static bool sweep(cachette__mongo_job *job, mongoc_collection_t *collection, cachette_slice head,
                  enum which which, int64_t *count) {
  if (bson_utf8_validate(head.data, head.size, true) &&
      !sweep_text(job, collection, head, which, count))
    return false;
  return head.size == 0 || sweep_bytes(job, collection, head, which, count);
}

void cachette__mongo_clear_namespace(cachette__mongo_job *job, mongoc_collection_t *collection,
                                     cachette__copy *item) {
  int64_t count = 0;
  if (!sweep(job, collection, item->key, LIVE, &count)) return;
  item->status = count > 0 ? CACHETTE_HIT : CACHETTE_MISS;
  job->number += count;
}

/* Live ones are counted; then the others go. */
void cachette__mongo_flush(cachette__mongo_job *job, mongoc_collection_t *collection) {
  int64_t rest = 0;
  cachette_slice prefix = cachette_str(job->shared->settings.prefix);
  if (sweep(job, collection, prefix, LIVE, &job->number))
    sweep(job, collection, prefix, ALL, &rest);
}

void cachette__mongo_flush_expired(cachette__mongo_job *job, mongoc_collection_t *collection) {
  sweep(job, collection, cachette_str(job->shared->settings.prefix), ENDED, &job->number);
}
