/* SPDX-License-Identifier: MIT */
/* The verbs that go item by item. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

/* The key without the prefix, as the caller knows it. */
static cachette_slice own_key(const cachette__file_thread *thread, cachette_slice key) {
  size_t prefix = strlen(thread->shared->settings.prefix);
  return (cachette_slice){(const char *)key.data + prefix, key.size - prefix};
}

static cachette_slice column_bytes(sqlite3_stmt *row, int column) {
  const void *data = sqlite3_column_blob(row, column);
  return (cachette_slice){data, (size_t)sqlite3_column_bytes(row, column)};
}

/* The row of a statement that has a key and the time; SQLITE_ROW, SQLITE_DONE or an error. */
static int find(sqlite3_stmt *statement, const cachette__file_job *job,
                const cachette__copy *item) {
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms);
  return sqlite3_step(statement);
}

static int end_find(sqlite3_stmt *statement, int code) {
  sqlite3_reset(statement);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* ---- Reading ---- */

static void take_value(cachette__file_job *job, cachette__copy *item, sqlite3_stmt *row) {
  cachette_slice value = column_bytes(row, 2);
  item->found = cachette__malloc(value.size);
  if (item->found == NULL || (value.data == NULL && value.size > 0)) {
    item->status = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  if (value.size > 0) memcpy(item->found, value.data, value.size);
  item->found_size = value.size;
  item->ttl_ms = sqlite3_column_int64(row, 1) - job->now_ms;
  item->status = CACHETTE_HIT;
}

static int fetch(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_FETCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  item->status = CACHETTE_MISS;
  cachette__free(item->found);
  item->found = NULL;
  int code = find(statement, job, item);
  if (code == SQLITE_ROW) {
    take_value(job, item, statement);
    cachette__file_note(thread, sqlite3_column_int64(statement, 0));
  }
  return end_find(statement, code);
}

static int exists(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_EXISTS);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  int code = find(statement, job, item);
  item->status = code == SQLITE_ROW ? CACHETTE_HIT : CACHETTE_MISS;
  return end_find(statement, code);
}

int cachette__file_do_read(cachette__file_thread *thread, cachette__file_job *job) {
  int code = SQLITE_OK;
  if (job->verb == CACHETTE_PING) return cachette__file_run(thread, CACHETTE__FILE_HAND, NULL);
  for (size_t i = 0; i < job->count && code == SQLITE_OK; i++)
    code = job->verb == CACHETTE_FETCH ? fetch(thread, job, &job->items[i])
                                       : exists(thread, job, &job->items[i]);
  return code;
}

/* ---- Writing ---- */

/* Puts, and room for what is large is made before more of it comes. */
static int put_value(cachette__file_thread *thread, cachette__file_job *job,
                     const cachette__copy *item, cachette_slice value,
                     enum cachette__file_statement how) {
  enum { ROOM_EVERY = 1 << 18 };
  sqlite3_stmt *statement = cachette__file_statement(thread, how);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms + item->ttl_ms);
  int code = cachette__file_bind(statement, 3, value);
  if (how == CACHETTE__FILE_ADD) sqlite3_bind_int64(statement, 4, job->now_ms);
  if (code == SQLITE_OK) code = cachette__file_step(statement);
  if (code != SQLITE_OK || sqlite3_changes(thread->db) == 0) return code;
  thread->now.unswept += (int64_t)(item->key.size + value.size) + 1;
  return thread->now.unswept >= ROOM_EVERY ? cachette__file_make_room(thread, job->now_ms)
                                           : SQLITE_OK;
}

/* What stood there goes all the same, unless it was to stay. */
static int refuse(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item,
                  int64_t most) {
  char text[32];
  cachette__key_text(own_key(thread, item->key), text, sizeof text);
  item->status = cachette__fail(&job->error, CACHETTE_ETOOBIG, text,
                                "The value of \"%s\" has %zu bytes; by \"file_limit\" key and "
                                "value may have %" PRId64 " together.",
                                text, item->value.size, most);
  if (job->flags & CACHETTE_IF_ABSENT) return SQLITE_OK;
  sqlite3_stmt *remove = cachette__file_statement(thread, CACHETTE__FILE_REMOVE);
  if (remove == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(remove, 1, item->key);
  return cachette__file_step(remove);
}

static int put(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  int64_t most = cachette__file_entry_most(&thread->shared->settings);
  int64_t library = sqlite3_limit(thread->db, SQLITE_LIMIT_LENGTH, -1) - (1 << 17);
  if (library < most) most = library;
  bool add = job->flags & CACHETTE_IF_ABSENT;
  if ((int64_t)(item->key.size + item->value.size) > most) return refuse(thread, job, item, most);
  int64_t before = sqlite3_total_changes(thread->db);
  int code =
      put_value(thread, job, item, item->value, add ? CACHETTE__FILE_ADD : CACHETTE__FILE_PUT);
  bool done = sqlite3_total_changes(thread->db) != before;
  item->status = add && !done ? CACHETTE_HIT : CACHETTE_MISS;
  return code;
}

static int change(cachette__file_thread *thread, cachette__copy *item, sqlite3_stmt *statement) {
  int code = cachette__file_step(statement);
  if (code == SQLITE_OK)
    item->status = sqlite3_changes(thread->db) > 0 ? CACHETTE_HIT : CACHETTE_MISS;
  return code;
}

static int touch(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_TOUCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms + item->ttl_ms);
  sqlite3_bind_int64(statement, 3, job->now_ms);
  return change(thread, item, statement);
}

static int clear(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_CLEAR);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  cachette__file_bind(statement, 1, item->key);
  sqlite3_bind_int64(statement, 2, job->now_ms);
  return change(thread, item, statement);
}

/* Adds to what is there. */
static int count_up(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item,
                    int64_t id, cachette_slice value) {
  char digits[CACHETTE__COUNTER_DIGITS];
  cachette_slice fresh = {digits, 0};
  cachette_item counter = {.key = own_key(thread, item->key), .amount = item->amount};
  item->status = cachette__counter_add(&counter, value, digits, &fresh.size, &job->error);
  if (item->status < 0) return SQLITE_OK;
  item->sum = counter.amount;
  item->status = CACHETTE_HIT;
  sqlite3_stmt *set = cachette__file_statement(thread, CACHETTE__FILE_SET);
  if (set == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(set, 1, id);
  cachette__file_bind(set, 2, fresh);
  return cachette__file_step(set);
}

static int increment(cachette__file_thread *thread, cachette__file_job *job, cachette__copy *item) {
  sqlite3_stmt *statement = cachette__file_statement(thread, CACHETTE__FILE_FETCH);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  int code = find(statement, job, item);
  if (code == SQLITE_ROW) {
    code =
        count_up(thread, job, item, sqlite3_column_int64(statement, 0), column_bytes(statement, 2));
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

int cachette__file_do_write(cachette__file_thread *thread, cachette__file_job *job) {
  static int (*const verbs[])(cachette__file_thread *, cachette__file_job *, cachette__copy *) = {
      [CACHETTE_PUT] = put,
      [CACHETTE_TOUCH] = touch,
      [CACHETTE_INCREMENT] = increment,
      [CACHETTE_CLEAR] = clear,
  };
  int code = SQLITE_OK;
  if (job->verb >= CACHETTE_CLEAR_NAMESPACE) return cachette__file_sweep(thread, job);
  for (size_t i = 0; i < job->count && code == SQLITE_OK; i++)
    code = verbs[job->verb](thread, job, &job->items[i]);
  return code;
}
