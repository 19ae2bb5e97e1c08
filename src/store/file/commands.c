/* SPDX-License-Identifier: MIT */
/* Runs the verbs, one statement or more for each item. */
#include <inttypes.h>
#include <stdio.h>

#include "internal.h"

static cachette_slice column_bytes(sqlite3_stmt *row, int column) {
  const void *data = sqlite3_column_blob(row, column);
  return (cachette_slice){data, (size_t)sqlite3_column_bytes(row, column)};
}

/* Finds the live entry of an item. Returns SQLITE_ROW, SQLITE_DONE or an error of SQLite. */
static int find(sqlite3_stmt *statement, const cachette__file_job *job,
                const cachette__item_copy *item) {
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms);
  return sqlite3_step(statement);
}

static int end_find(sqlite3_stmt *statement, int code) {
  sqlite3_reset(statement);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- Reading ---- */

static void take_value(cachette__file_job *job, cachette__item_copy *item, sqlite3_stmt *row) {
  cachette_slice value = column_bytes(row, 2);
  if (value.data == NULL && value.size > 0) { /* SQLite is out of memory */
    item->status = cachette__fail(&job->op.error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  item->status = CACHETTE_HIT;
  item->ttl_ms = sqlite3_column_int64(row, 1) - job->now_ms;
  cachette__op_copy_found(&job->op, item, value);
}

static int fetch(cachette__file_thread *thread, cachette__file_job *job,
                 cachette__item_copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_FETCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  item->status = CACHETTE_MISS;
  cachette__free(item->found);
  item->found = NULL;
  int code = find(statement, job, item);
  if (code == SQLITE_ROW) {
    take_value(job, item, statement);
    cachette__file_record_hit(thread, sqlite3_column_int64(statement, 0));
  }
  return end_find(statement, code);
}

static int exists(cachette__file_thread *thread, cachette__file_job *job,
                  cachette__item_copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_EXISTS);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  int code = find(statement, job, item);
  item->status = code == SQLITE_ROW ? CACHETTE_HIT : CACHETTE_MISS;
  return end_find(statement, code);
}

int cachette__file_read(cachette__file_thread *thread, cachette__file_job *job) {
  int code = SQLITE_OK;
  if (job->op.verb == CACHETTE_PING)
    return cachette__file_run(thread, CACHETTE__FILE_GET_HAND, NULL);
  for (size_t i = 0; i < job->op.count && code == SQLITE_OK; i++)
    code = job->op.verb == CACHETTE_FETCH ? fetch(thread, job, &job->op.items[i])
                                          : exists(thread, job, &job->op.items[i]);
  return code;
}

/* ---- Writing ---- */

/* Puts a value. Also enforces the limit each time the transaction has put UNCHECKED_MAX bytes, so
 * that the file does not grow far beyond it. */
static int put_value(cachette__file_thread *thread, cachette__file_job *job,
                     const cachette__item_copy *item, cachette_slice value,
                     enum cachette__file_statement which) {
  enum { UNCHECKED_MAX = 1 << 18 };
  sqlite3_stmt *statement = cachette__file_statement(thread, which);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms + item->ttl_ms);
  int code = cachette__file_bind(statement, 3, value);
  if (which == CACHETTE__FILE_ADD) sqlite3_bind_int64(statement, 4, job->now_ms);
  if (code == SQLITE_OK) code = cachette__file_step(statement);
  if (code != SQLITE_OK || sqlite3_changes(thread->db) == 0) return code;
  thread->transaction.unchecked += (int64_t)(item->key.size + value.size) + 1;
  if (thread->transaction.unchecked < UNCHECKED_MAX) return SQLITE_OK;
  return cachette__file_enforce_limit(thread, job->now_ms);
}

/* Fails an item that is too large. Removes its old value, so that no fetch finds it; a put if
 * absent leaves it. */
static int fail_too_large(cachette__file_thread *thread, cachette__file_job *job,
                          cachette__item_copy *item, int64_t max) {
  char text[32];
  cachette__key_text(cachette__op_copy_key(&job->op, item), text, sizeof text);
  item->status = cachette__fail(&job->op.error, CACHETTE_ETOOBIG, text,
                                "The value of \"%s\" has %zu bytes; \"file_limit\" allows %" PRId64
                                " for key and value together.",
                                text, item->value.size, max);
  if (job->op.flags & CACHETTE_IF_ABSENT) return SQLITE_OK;
  sqlite3_stmt *remove = cachette__file_statement(thread, CACHETTE__FILE_REMOVE);
  if (remove == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(remove, 1, item->key);
  return cachette__file_step(remove);
}

static int put(cachette__file_thread *thread, cachette__file_job *job, cachette__item_copy *item) {
  int64_t max = cachette__file_entry_max(thread->shared->settings);
  int64_t sqlite_max = sqlite3_limit(thread->db, SQLITE_LIMIT_LENGTH, -1) - (1 << 17);
  if (sqlite_max < max) max = sqlite_max;
  bool add = job->op.flags & CACHETTE_IF_ABSENT;
  if ((int64_t)(item->key.size + item->value.size) > max)
    return fail_too_large(thread, job, item, max);
  int64_t saved = sqlite3_total_changes(thread->db);
  int code =
      put_value(thread, job, item, item->value, add ? CACHETTE__FILE_ADD : CACHETTE__FILE_PUT);
  bool done = sqlite3_total_changes(thread->db) != saved;
  item->status = add && !done ? CACHETTE_HIT : CACHETTE_MISS;
  return code;
}

static int run_change(cachette__file_thread *thread, cachette__item_copy *item,
                      sqlite3_stmt *statement) {
  int code = cachette__file_step(statement);
  if (code == SQLITE_OK)
    item->status = sqlite3_changes(thread->db) > 0 ? CACHETTE_HIT : CACHETTE_MISS;
  return code;
}

static int touch(cachette__file_thread *thread, cachette__file_job *job,
                 cachette__item_copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_TOUCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms + item->ttl_ms);
  sqlite3_bind_int64(statement, 3, job->now_ms);
  return run_change(thread, item, statement);
}

static int clear(cachette__file_thread *thread, cachette__file_job *job,
                 cachette__item_copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_CLEAR);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms);
  return run_change(thread, item, statement);
}

/* Adds to an existing counter. */
static int add_to_counter(cachette__file_thread *thread, cachette__file_job *job,
                          cachette__item_copy *item, int64_t id, cachette_slice value) {
  char digits[CACHETTE__COUNTER_DIGITS];
  cachette_slice new_value = {digits, 0};
  cachette_item counter = {.key = cachette__op_copy_key(&job->op, item), .amount = item->amount};
  item->status = cachette__counter_add(&counter, value, digits, &new_value.size, &job->op.error);
  if (item->status < 0) return SQLITE_OK;
  item->sum = counter.amount;
  item->status = CACHETTE_HIT;
  sqlite3_stmt *set = cachette__file_statement(thread, CACHETTE__FILE_SET);
  if (set == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(set, 1, id);
  cachette__file_bind(set, 2, new_value);
  return cachette__file_step(set);
}

static int increment(cachette__file_thread *thread, cachette__file_job *job,
                     cachette__item_copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_FETCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  int code = find(statement, job, item);
  if (code == SQLITE_ROW) {
    code = add_to_counter(thread, job, item, sqlite3_column_int64(statement, 0),
                          column_bytes(statement, 2));
    sqlite3_reset(statement);
    return code;
  }
  sqlite3_reset(statement);
  if (code != SQLITE_DONE) return code;
  char digits[CACHETTE__COUNTER_DIGITS + 1];
  int size = snprintf(digits, sizeof digits, "%" PRId64, item->amount);
  item->sum = item->amount;
  item->status = CACHETTE_MISS;
  return put_value(thread, job, item, (cachette_slice){digits, (size_t)size}, CACHETTE__FILE_PUT);
}

int cachette__file_write(cachette__file_thread *thread, cachette__file_job *job) {
  static int (*const verbs[])(cachette__file_thread *, cachette__file_job *,
                              cachette__item_copy *) = {
      [CACHETTE_PUT] = put,
      [CACHETTE_TOUCH] = touch,
      [CACHETTE_INCREMENT] = increment,
      [CACHETTE_CLEAR] = clear,
  };
  int code = SQLITE_OK;
  if (job->op.verb >= CACHETTE_CLEAR_NAMESPACE) return cachette__file_clear(thread, job);
  for (size_t i = 0; i < job->op.count && code == SQLITE_OK; i++)
    code = verbs[job->op.verb](thread, job, &job->op.items[i]);
  return code;
}
