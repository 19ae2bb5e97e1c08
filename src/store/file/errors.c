/* SPDX-License-Identifier: MIT */
/* Converts errors of SQLite and the system. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

bool cachette__file_is_corrupt(int code) {
  return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

bool cachette__file_is_interrupted(int code) {
  int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_INTERRUPT || primary == SQLITE_LOCKED;
}

static bool is_full(int number) { return number == ENOSPC || number == EDQUOT; }

static int fail_full(const cachette__file_settings *settings, cachette_error *error) {
  return cachette__fail(
      error, CACHETTE_EBACKEND, "pickle_path",
      "%s cannot grow: its disk is full. Free some space, or lower \"file_limit\".",
      settings->name);
}

int cachette__file_fail_system(const cachette__file_settings *settings, int number,
                               cachette_error *error) {
  if (is_full(number)) return fail_full(settings, error);
  return cachette__fail(error, CACHETTE_EUNAVAILABLE, "pickle_path",
                        "%s cannot be used: %s. Set \"pickle_path\" to a file in an existing "
                        "folder that this program can write to.",
                        settings->name, strerror(number));
}

/* Finds the errno for a file that cannot be opened or written, if SQLite does not know it. */
static int find_reason(const cachette__file_settings *settings) {
  if (access(settings->folder, R_OK | W_OK | X_OK) != 0) return errno;
  if (access(settings->path, R_OK | W_OK) != 0 && errno != ENOENT) return errno;
  return EACCES;
}

int cachette__file_fail(const cachette__file_thread *thread, int code, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  int number = thread->db != NULL ? sqlite3_system_errno(thread->db) : 0;
  switch (code & 0xff) {
    case SQLITE_NOMEM:
      return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
      return cachette__fail(error, CACHETTE_ETIMEDOUT, "pickle_path",
                            "%s stayed locked until the operation timed out.", settings->name);
    case SQLITE_FULL:
      return fail_full(settings, error);
    case SQLITE_TOOBIG:
      return cachette__fail(error, CACHETTE_ETOOBIG, NULL, NULL);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      if (number == 0 || number == ENOENT) number = find_reason(settings);
      return cachette__file_fail_system(settings, number, error);
    case SQLITE_IOERR:
      if (is_full(number)) return fail_full(settings, error);
      return cachette__fail(error, CACHETTE_EBACKEND, "pickle_path",
                            "%s could not be read or written: %s (%s).", settings->name,
                            number != 0 ? strerror(number) : "the system gave no reason",
                            sqlite3_errstr(code));
    default:
      return cachette__fail(error, CACHETTE_EBACKEND, "pickle_path", "%s: SQLite says: %s.",
                            settings->name,
                            thread->db != NULL ? sqlite3_errmsg(thread->db) : sqlite3_errstr(code));
  }
}
