/* SPDX-License-Identifier: MIT */
/*
 * Clearing many entries in slices, each in a transaction with what else waits, so that nobody waits
 * for long. What was put after a sweep began is not its own, else it might never end while others
 * fill.
 */
#include <string.h>

#include "client.h"

enum { SLICE = 256 }; /* entries */

/*
 * Binds the least bytes behind all that begin with `head`; if its bytes are the highest there are,
 * bytes that are behind any key. SQLite's code.
 */
static int bind_end(sqlite3_stmt *statement, int place, cachette_slice head) {
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
  int code = sqlite3_bind_blob64(statement, place, end, end_size, SQLITE_TRANSIENT);
  cachette__free(end);
  return code;
}

/* A slice of what begins with `head`, or of all if that is empty. */
static int sweep_slice(cachette__file_thread *thread, cachette__file_job *job, cachette_slice head,
                       int *count, int *live) {
  int code = SQLITE_OK;
  bool all = head.size == 0;
  sqlite3_stmt *sweep =
      cachette__file_statement(thread, all ? CACHETTE__FILE_SWEEP_ALL : CACHETTE__FILE_SWEEP_KEYS);
  if (sweep == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(sweep, 1, job->last_id);
  sqlite3_bind_int(sweep, 2, SLICE);
  sqlite3_bind_int64(sweep, 3, job->now_ms);
  if (!all) {
    cachette__file_bind(sweep, 4, head);
    code = bind_end(sweep, 5, head);
  }
  *count = *live = 0;
  if (code != SQLITE_OK) return code;
  while ((code = sqlite3_step(sweep)) == SQLITE_ROW) {
    ++*count;
    *live += sqlite3_column_int(sweep, 0);
  }
  sqlite3_reset(sweep);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int cachette__file_sweep_ended(cachette__file_thread *thread, int64_t now_ms, cachette_slice prefix,
                               int most, int64_t *count) {
  sqlite3_stmt *sweep = cachette__file_statement(thread, CACHETTE__FILE_SWEEP_ENDED);
  if (sweep == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int(sweep, 2, most);
  sqlite3_bind_int64(sweep, 3, now_ms);
  if (prefix.size > 0)
    cachette__file_bind(sweep, 4, prefix);
  else
    sqlite3_bind_null(sweep, 4);
  int code = cachette__file_step(sweep);
  if (code != SQLITE_OK) return code;
  *count += sqlite3_changes(thread->db);
  thread->now.expired += sqlite3_changes(thread->db);
  return SQLITE_OK;
}

/* Goes on with the next item, or ends the sweep. */
static void end_item(cachette__file_job *job) {
  job->place++;
  job->more = job->place < job->count;
}

static int sweep_keys(cachette__file_thread *thread, cachette__file_job *job) {
  int count, live;
  bool of_item = job->verb == CACHETTE_CLEAR_NAMESPACE;
  cachette__copy *item = of_item ? &job->items[job->place] : NULL;
  cachette_slice head = of_item ? item->key : cachette_str(thread->shared->settings.prefix);
  int code = sweep_slice(thread, job, head, &count, &live);
  if (code != SQLITE_OK) return code;
  job->number += live;
  if (of_item && live > 0) item->status = CACHETTE_HIT;
  job->more = true;
  if (count < SLICE) end_item(job);
  return SQLITE_OK;
}

static int sweep_ended(cachette__file_thread *thread, cachette__file_job *job) {
  int64_t count = 0;
  cachette_slice prefix = cachette_str(thread->shared->settings.prefix);
  int code = cachette__file_sweep_ended(thread, job->now_ms, prefix, SLICE, &count);
  job->number += count;
  job->more = count == SLICE;
  return code;
}

int cachette__file_sweep(cachette__file_thread *thread, cachette__file_job *job) {
  if (job->verb == CACHETTE_FLUSH_EXPIRED) return sweep_ended(thread, job);
  if (job->last_id == 0) {
    int code = cachette__file_run(thread, CACHETTE__FILE_LAST, &job->last_id);
    if (code != SQLITE_OK) return code;
  }
  if (job->last_id == 0) { /* there is nothing */
    job->more = false;
    return SQLITE_OK;
  }
  return sweep_keys(thread, job);
}
