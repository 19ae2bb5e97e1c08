/* SPDX-License-Identifier: MIT */
/*
 * Clears many entries in chunks. Each chunk shares a transaction with the other jobs that wait, so
 * that no job waits long. Entries put after the clear started stay; otherwise the clear might never
 * end while other clients put.
 */
#include <string.h>

#include "internal.h"

enum { CHUNK = 256 }; /* entries */

/*
 * Binds the exclusive end of the range of keys that begin with `head`: the smallest key after that
 * range. If each byte of `head` is 0xff, the range has no such end, and a key longer than any other
 * is bound. Returns SQLite's code.
 */
static int bind_end(sqlite3_stmt *statement, int index, cachette_slice head) {
  const unsigned char *bytes = head.data;
  size_t size = head.size;
  while (size > 0 && bytes[size - 1] == 0xff) size--;
  size_t end_size = size > 0 ? size : CACHETTE_KEY_MAX + head.size + 1;
  unsigned char *end = cachette__malloc(end_size);
  if (end == NULL) return SQLITE_NOMEM;
  if (size > 0) {
    memcpy(end, bytes, size);
    end[size - 1]++;
  } else {
    memset(end, 0xff, end_size);
  }
  int code = sqlite3_bind_blob64(statement, index, end, end_size, SQLITE_TRANSIENT);
  cachette__free(end);
  return code;
}

/* Clears a chunk of the entries whose keys begin with `head`, which may be empty. Adds the number
 * of cleared entries to `count`, and of those that had not expired to `live`. */
static int clear_chunk(cachette__file_thread *thread, cachette__file_job *job, cachette_slice head,
                       int *count, int *live) {
  int code = SQLITE_OK;
  bool all = head.size == 0;
  sqlite3_stmt *clear =
      cachette__file_statement(thread, all ? CACHETTE__FILE_CLEAR_ALL : CACHETTE__FILE_CLEAR_RANGE);
  if (clear == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(clear, 1, job->last_id);
  sqlite3_bind_int(clear, 2, CHUNK);
  sqlite3_bind_int64(clear, 3, job->now_ms);
  if (!all) {
    cachette__file_bind(clear, 4, head);
    code = bind_end(clear, 5, head);
  }
  if (code != SQLITE_OK) return code;
  while ((code = sqlite3_step(clear)) == SQLITE_ROW) {
    ++*count;
    *live += sqlite3_column_int(clear, 0);
  }
  sqlite3_reset(clear);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int cachette__file_clear_expired(cachette__file_thread *thread, int64_t now_ms,
                                 cachette_slice prefix, int max, int64_t *count) {
  sqlite3_stmt *clear = cachette__file_statement(thread, CACHETTE__FILE_CLEAR_EXPIRED);
  if (clear == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int(clear, 2, max);
  sqlite3_bind_int64(clear, 3, now_ms);
  if (prefix.size > 0)
    cachette__file_bind(clear, 4, prefix);
  else
    sqlite3_bind_null(clear, 4);
  int code = cachette__file_step(clear);
  if (code != SQLITE_OK) return code;
  *count += sqlite3_changes(thread->db);
  thread->transaction.expired += sqlite3_changes(thread->db);
  return SQLITE_OK;
}

/* Moves on to the next item, if any. */
static void finish_item(cachette__file_job *job) {
  job->index++;
  job->more = job->index < job->op.count;
}

static int clear_keys(cachette__file_thread *thread, cachette__file_job *job) {
  int count = 0, live = 0;
  bool is_namespace = job->op.verb == CACHETTE_CLEAR_NAMESPACE;
  cachette__item_copy *item = is_namespace ? &job->op.items[job->index] : NULL;
  cachette_slice head = is_namespace ? item->key : cachette_str(thread->shared->settings->prefix);
  int code = clear_chunk(thread, job, head, &count, &live);
  if (code != SQLITE_OK) return code;
  job->op.number += live;
  if (is_namespace && live > 0) item->status = CACHETTE_HIT;
  job->more = true;
  if (count < CHUNK) finish_item(job);
  return SQLITE_OK;
}

static int clear_expired(cachette__file_thread *thread, cachette__file_job *job) {
  int64_t count = 0;
  cachette_slice prefix = cachette_str(thread->shared->settings->prefix);
  int code = cachette__file_clear_expired(thread, job->now_ms, prefix, CHUNK, &count);
  job->op.number += count;
  job->more = count == CHUNK;
  return code;
}

int cachette__file_clear(cachette__file_thread *thread, cachette__file_job *job) {
  if (job->op.verb == CACHETTE_FLUSH_EXPIRED) return clear_expired(thread, job);
  if (job->last_id == 0) {
    int code = cachette__file_run(thread, CACHETTE__FILE_LAST_ID, &job->last_id);
    if (code != SQLITE_OK) return code;
  }
  if (job->last_id == 0) { /* the file has no entries */
    job->more = false;
    return SQLITE_OK;
  }
  return clear_keys(thread, job);
}
