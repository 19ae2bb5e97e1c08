/* SPDX-License-Identifier: MIT */
/*
 * Clears all entries whose keys begin with `head`, which is a namespace or the key prefix. For text
 * keys this is a range of the index. MongoDB sorts keys that are bytes by length first, so the
 * store reads all of these, which are rare, and compares them itself.
 */
#include <string.h>

#include "internal.h"

/*
 * Writes the exclusive end of the range of texts that begin with `head`: the smallest text after
 * that range. It is `head`, cut after its last character that has a successor, with that character
 * replaced by its successor. `end` has space for `size` + 8 bytes. Returns the size of the end; 0:
 * the range has none.
 */
static size_t find_end(const char *head, size_t size, char *end) {
  while (size > 0) {
    do size--;
    while (size > 0 && ((unsigned char)head[size] & 0xc0) == 0x80);
    bson_unichar_t next = bson_utf8_get_char(head + size) + 1;
    if (next == 0xd800) next = 0xe000; /* skip the surrogates, which are not characters */
    if (next > 0x10ffff) continue;
    uint32_t width;
    memcpy(end, head, size);
    bson_utf8_from_unichar(next, end + size, &width);
    return size + width;
  }
  return 0;
}

/* Appends the condition that the key is text and begins with `head`. False: out of memory. */
static bool append_range(bson_t *filter, cachette_slice head) {
  enum { EXTRA = 8 };
  char *end = cachette__malloc(head.size + EXTRA);
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

/* Which entries to clear. */
enum which { LIVE, EXPIRED, ALL };

static void append_which(bson_t *filter, enum which which, int64_t now_ms) {
  if (which == LIVE) cachette__mongo_append_live(filter, now_ms);
  if (which == EXPIRED) cachette__mongo_append_expired(filter, now_ms);
}

static bool clear_text(cachette__mongo_job *job, mongoc_collection_t *collection,
                       cachette_slice head, enum which which, int64_t *count) {
  bson_t filter = BSON_INITIALIZER;
  bool done = head.size == 0 || append_range(&filter, head);
  append_which(&filter, which, job->now_ms);
  if (done)
    done = cachette__mongo_delete(job, collection, &filter, false, count);
  else
    cachette__op_copy_fail_memory(&job->op);
  bson_destroy(&filter);
  return done;
}

/* Keys to delete by one command. */
struct batch {
  bson_t list;
  uint32_t count;
};

static bool delete_batch(cachette__mongo_job *job, mongoc_collection_t *collection,
                         struct batch *batch, enum which which, int64_t *count) {
  bson_t filter = BSON_INITIALIZER, condition;
  if (batch->count == 0) return true;
  BSON_APPEND_DOCUMENT_BEGIN(&filter, "key", &condition);
  BSON_APPEND_ARRAY(&condition, "$in", &batch->list);
  bson_append_document_end(&filter, &condition);
  append_which(&filter, which, job->now_ms);
  bool done = !cachette__mongo_out_of_time(job) &&
              cachette__mongo_delete(job, collection, &filter, false, count);
  bson_destroy(&filter);
  bson_reinit(&batch->list);
  batch->count = 0;
  return done;
}

/* Adds the document's key to the batch if it begins with `head`. */
static void add_key(struct batch *batch, const bson_t *document, cachette_slice head) {
  cachette_slice key;
  char buffer[16];
  const char *index;
  if (!cachette__mongo_get_bytes(document, "key", &key) || key.size < head.size ||
      memcmp(key.data, head.data, head.size) != 0)
    return;
  bson_uint32_to_string(batch->count++, &index, buffer, sizeof buffer);
  BSON_APPEND_BINARY(&batch->list, index, BSON_SUBTYPE_BINARY, key.data, (uint32_t)key.size);
}

static bool clear_bytes(cachette__mongo_job *job, mongoc_collection_t *collection,
                        cachette_slice head, enum which which, int64_t *count) {
  enum { KEYS_MAX = 1000, BYTES_MAX = 4 << 20 };
  struct batch batch = {BSON_INITIALIZER, 0};
  bson_t *filter = BCON_NEW("key", "{", "$type", "binData", "}");
  bson_t *options = BCON_NEW("projection", "{", "_id", BCON_INT32(0), "key", BCON_INT32(1), "}");
  mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, options, NULL);
  const bson_t *document;
  bool done = true;
  while (done && mongoc_cursor_next(cursor, &document)) {
    add_key(&batch, document, head);
    if (batch.count == KEYS_MAX || batch.list.len > BYTES_MAX)
      done = delete_batch(job, collection, &batch, which, count);
  }
  bson_error_t error;
  if (done && mongoc_cursor_error(cursor, &error)) {
    cachette__mongo_fail_job(job, &error);
    done = false;
  }
  if (done) done = delete_batch(job, collection, &batch, which, count);
  mongoc_cursor_destroy(cursor);
  bson_destroy(options);
  bson_destroy(filter);
  bson_destroy(&batch.list);
  return done;
}

static bool clear(cachette__mongo_job *job, mongoc_collection_t *collection, cachette_slice head,
                  enum which which, int64_t *count) {
  if (bson_utf8_validate(head.data, head.size, true) &&
      !clear_text(job, collection, head, which, count))
    return false;
  return head.size == 0 || clear_bytes(job, collection, head, which, count);
}

void cachette__mongo_clear_namespace(cachette__mongo_job *job, mongoc_collection_t *collection,
                                     cachette__item_copy *item) {
  int64_t count = 0;
  if (!clear(job, collection, item->key, LIVE, &count)) return;
  item->status = count > 0 ? CACHETTE_HIT : CACHETTE_MISS;
  job->op.number += count;
}

/* Clears the live entries first, because the op counts only those. */
void cachette__mongo_flush(cachette__mongo_job *job, mongoc_collection_t *collection) {
  int64_t rest = 0;
  cachette_slice prefix = cachette_str(job->shared->settings->prefix);
  if (clear(job, collection, prefix, LIVE, &job->op.number))
    clear(job, collection, prefix, ALL, &rest);
}

void cachette__mongo_flush_expired(cachette__mongo_job *job, mongoc_collection_t *collection) {
  clear(job, collection, cachette_str(job->shared->settings->prefix), EXPIRED, &job->op.number);
}
