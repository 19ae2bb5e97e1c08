/* SPDX-License-Identifier: MIT */
/* A connection's statements, each prepared when first used, and its transactions. */
#include <string.h>

#include "../../base/clock.h"
#include "internal.h"

static const char *const texts[CACHETTE__FILE_STATEMENTS] = {
    [CACHETTE__FILE_BEGIN_READ] = "BEGIN",
    [CACHETTE__FILE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [CACHETTE__FILE_COMMIT] = "COMMIT",
    [CACHETTE__FILE_FETCH] = "SELECT id, expires, value FROM entry WHERE key = ?1 AND expires > ?2",
    [CACHETTE__FILE_EXISTS] = "SELECT 1 FROM entry WHERE key = ?1 AND expires > ?2",
    [CACHETTE__FILE_PUT] = "REPLACE INTO entry (key, expires, value) VALUES (?1, ?2, ?3)",
    [CACHETTE__FILE_ADD] =
        "INSERT INTO entry (key, expires, value) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE "
        "SET expires = excluded.expires, value = excluded.value WHERE entry.expires <= ?4",
    [CACHETTE__FILE_SET] = "UPDATE entry SET value = ?2 WHERE id = ?1",
    [CACHETTE__FILE_TOUCH] = "UPDATE entry SET expires = ?2 WHERE key = ?1 AND expires > ?3",
    [CACHETTE__FILE_CLEAR] = "DELETE FROM entry WHERE key = ?1 AND expires > ?2",
    [CACHETTE__FILE_REMOVE] = "DELETE FROM entry WHERE key = ?1",
    [CACHETTE__FILE_LAST_ID] = "SELECT max(id) FROM entry",
    [CACHETTE__FILE_COUNT] = "SELECT count(*) FROM entry WHERE expires > ?1",
    [CACHETTE__FILE_CLEAR_ALL] =
        "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE id <= ?1 ORDER BY id LIMIT ?2) "
        "RETURNING expires > ?3",
    [CACHETTE__FILE_CLEAR_RANGE] =
        "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE key >= ?4 AND key < ?5 "
        "AND id <= ?1 LIMIT ?2) RETURNING expires > ?3",
    /* The plus stops SQLite from using the index on the key. */
    [CACHETTE__FILE_CLEAR_EXPIRED] =
        "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE expires <= ?3 "
        "AND (?4 IS NULL OR substr(+key, 1, length(?4)) = ?4) LIMIT ?2)",
    [CACHETTE__FILE_PAGES] = "PRAGMA page_count",
    [CACHETTE__FILE_FREE_PAGES] = "PRAGMA freelist_count",
    [CACHETTE__FILE_GET_HAND] = "SELECT hand, goal FROM state",
    [CACHETTE__FILE_SET_HAND] = "UPDATE state SET hand = ?1, goal = ?2",
    [CACHETTE__FILE_SCAN] =
        "SELECT entry.id, used.id FROM entry LEFT JOIN used ON used.id = entry.id "
        "WHERE entry.id > ?1 AND entry.id <= ?3 ORDER BY entry.id LIMIT ?2",
    [CACHETTE__FILE_EVICT] = "DELETE FROM entry WHERE id = ?1",
    [CACHETTE__FILE_MARK_USED] = "INSERT OR IGNORE INTO used (id) VALUES (?1)",
    [CACHETTE__FILE_MARK_UNUSED] = "DELETE FROM used WHERE id > ?1 AND id <= ?2",
};

sqlite3_stmt *cachette__file_statement(cachette__file_thread *thread,
                                       enum cachette__file_statement which) {
  sqlite3_stmt **statement = &thread->statements[which];
  if (*statement == NULL)
    sqlite3_prepare_v3(thread->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
  return *statement;
}

int cachette__file_step(sqlite3_stmt *statement) {
  int code;
  do code = sqlite3_step(statement);
  while (code == SQLITE_ROW);
  /* sqlite3_reset() would only return the same code. */
  sqlite3_reset(statement);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int cachette__file_run(cachette__file_thread *thread, enum cachette__file_statement which,
                       int64_t *number) {
  sqlite3_stmt *statement = cachette__file_statement(thread, which);
  if (statement == NULL) return sqlite3_extended_errcode(thread->db);
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW && number != NULL) *number = sqlite3_column_int64(statement, 0);
  sqlite3_reset(statement);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

int cachette__file_bind(sqlite3_stmt *statement, int index, cachette_slice bytes) {
  if (bytes.size == 0) return sqlite3_bind_zeroblob(statement, index, 0);
  return sqlite3_bind_blob64(statement, index, bytes.data, bytes.size, SQLITE_STATIC);
}

int cachette__file_begin(cachette__file_thread *thread) {
  int code = cachette__file_run(thread, CACHETTE__FILE_BEGIN_WRITE, NULL);
  memset(&thread->transaction, 0, sizeof thread->transaction);
  thread->transaction.start_ms = cachette__machine_now();
  return code;
}

int cachette__file_commit(cachette__file_thread *thread) {
  int code = cachette__file_run(thread, CACHETTE__FILE_COMMIT, NULL);
  if (code != SQLITE_OK) return code;
  atomic_fetch_add(&thread->shared->evictions, thread->transaction.evicted);
  atomic_fetch_add(&thread->shared->expirations, thread->transaction.expired);
  return SQLITE_OK;
}
