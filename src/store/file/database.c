/* SPDX-License-Identifier: MIT */
/*
 * The database file: creates, checks, opens, measures and removes it, and sets it aside if corrupt.
 *
 * SQLite finds the two files beside a database (-wal and -shm) by name alone. A database that opens
 * the files of another database becomes corrupt. So a process that changes which file the path
 * names holds an exclusive lock on the folder, and files are opened and closed under a shared lock.
 *
 * A new file is created under a temporary name and renamed when it is complete. So the file at the
 * path is either a complete cache, or somebody else's file, which is never changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../base/clock.h"
#include "internal.h"

enum {
  APPLICATION_ID = 0x43616368, /* "Cach", in SQLite's header */
  VERSION = 1,                 /* of the tables */
  HEADER_SIZE = 100,           /* bytes of SQLite's header */
  VERSION_OFFSET = 60,         /* offsets in the header */
  APPLICATION_OFFSET = 68,
  PROGRESS_STEPS = 2000,     /* of SQLite's virtual machine between two checks of the time */
  LOCK_TIMEOUT_MS = 50,      /* to wait for the folder's lock when the file is closed */
  NAME_SIZE = PATH_MAX + 64, /* for paths of files beside the database */
  FREE_PAGES_MAX = 256       /* free pages that the file may keep */
};

static const char SCHEMA[] =
    "PRAGMA page_size = 4096;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "BEGIN;"
    "CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, expires INTEGER NOT NULL, "
    "key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);"
    "CREATE INDEX entry_expires ON entry (expires);"
    "CREATE TABLE used (id INTEGER PRIMARY KEY);"
    "CREATE TABLE state (hand INTEGER NOT NULL, goal INTEGER NOT NULL);"
    "INSERT INTO state VALUES (0, 0);"
    "PRAGMA application_id = 0x43616368;"
    "PRAGMA user_version = 1;"
    "COMMIT";

/* A checkpoint truncates a larger write-ahead log to 4 MB. */
static const char SETTINGS[] =
    "PRAGMA synchronous = NORMAL;"
    "PRAGMA journal_size_limit = 4194304;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;";

static void sleep_us(long us) {
  struct timespec time = {0, us * 1000};
  nanosleep(&time, NULL);
}

/* ---- Waiting ---- */

/* Whether SQLite must stop waiting and working. */
static bool must_stop(const cachette__file_thread *thread) {
  return cachette__file_forking() ||
         atomic_load_explicit(&thread->shared->closing, memory_order_relaxed) ||
         cachette__machine_now() >= thread->stop_ms;
}

static int on_busy(void *data, int count) {
  if (must_stop(data)) return 0;
  sleep_us(count < 4 ? 250 : count < 20 ? 1000 : 4000);
  return 1;
}

static int on_progress(void *data) { return must_stop(data); }

/* ---- The folder's lock ---- */

static bool wait_for_lock(int folder, int lock, int64_t stop_ms,
                          const cachette__file_thread *thread) {
  while (flock(folder, lock | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return true; /* this file system cannot lock folders */
    if (cachette__machine_now() >= stop_ms || (thread != NULL && must_stop(thread))) return false;
    sleep_us(1000);
  }
  return true;
}

/* Opens and locks the folder. Returns its descriptor; -1 on failure, with `error` filled. */
static int lock_folder(const cachette__file_thread *thread, int lock, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  int folder = open(settings->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    cachette__file_fail_system(settings, errno, error);
    return -1;
  }
  if (wait_for_lock(folder, lock, thread->stop_ms, thread)) return folder;
  close(folder);
  cachette__file_fail(thread, SQLITE_BUSY, error);
  return -1;
}

/* ---- The header ---- */

static uint32_t read_number(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int fail_foreign(const cachette__file_settings *settings, const char *what,
                        cachette_error *error) {
  return cachette__fail(
      error, CACHETTE_EBACKEND, "pickle_path",
      "%s is %s and was not changed. Set \"pickle_path\" to another file, or move this one away.",
      settings->name, what);
}

/*
 * Reads the file's header. Returns its size; 0 if the file is shorter, -1 on failure. Reads through
 * SQLite's VFS, because closing a descriptor of our own would release all locks that SQLite holds
 * on the file in this process.
 */
static int read_header(const cachette__file_settings *settings, unsigned char header[HEADER_SIZE]) {
  sqlite3_vfs *system = sqlite3_vfs_find(NULL);
  sqlite3_file *file = cachette__calloc(1, (size_t)system->szOsFile);
  char name[PATH_MAX + 8] = ""; /* SQLite requires several NULs at the end */
  if (file == NULL) return -1;
  snprintf(name, PATH_MAX, "%s", settings->path);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, actual_flags, size = -1;
  if (system->xOpen(system, name, file, flags, &actual_flags) == SQLITE_OK) {
    int code = file->pMethods->xRead(file, header, HEADER_SIZE, 0);
    size = code == SQLITE_OK ? HEADER_SIZE : code == SQLITE_IOERR_SHORT_READ ? 0 : -1;
    file->pMethods->xClose(file);
  }
  cachette__free(file);
  return size;
}

static int check_header(const cachette__file_settings *settings, const struct stat *state,
                        cachette_error *error) {
  unsigned char header[HEADER_SIZE];
  if (!S_ISREG(state->st_mode)) return fail_foreign(settings, "not a regular file", error);
  int size = read_header(settings, header);
  if (size < 0) return cachette__file_fail_system(settings, EACCES, error);
  if (size < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0 ||
      read_number(header + APPLICATION_OFFSET) != APPLICATION_ID)
    return fail_foreign(settings, "not a cachette file", error);
  if (read_number(header + VERSION_OFFSET) > VERSION)
    return fail_foreign(settings, "from a newer version of cachette", error);
  return CACHETTE_OK;
}

/* ---- Creation ---- */

static void remove_with_suffix(const char *path, const char *suffix) {
  char name[NAME_SIZE];
  snprintf(name, sizeof name, "%s%s", path, suffix);
  unlink(name);
}

static void remove_files(const char *path) {
  remove_with_suffix(path, "");
  remove_with_suffix(path, "-journal");
  remove_with_suffix(path, "-wal");
  remove_with_suffix(path, "-shm");
}

/* Creates the file. The caller holds the folder's exclusive lock, and the file does not exist. */
static int create_file(cachette__file_thread *thread, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  char temporary[PATH_MAX + 32];
  snprintf(temporary, sizeof temporary, "%s.cachette-new", settings->path);
  remove_files(temporary);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(temporary, &thread->db, flags, NULL);
  if (code == SQLITE_OK) code = sqlite3_exec(thread->db, SCHEMA, NULL, NULL, NULL);
  if (code == SQLITE_OK)
    code = sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  int status = CACHETTE_OK;
  if (code != SQLITE_OK) status = cachette__file_fail(thread, code, error);
  sqlite3_close(thread->db);
  thread->db = NULL;
  if (status == CACHETTE_OK) {
    remove_with_suffix(settings->path, "-journal"); /* left over from a removed file */
    remove_with_suffix(settings->path, "-wal");
    remove_with_suffix(settings->path, "-shm");
    if (rename(temporary, settings->path) != 0)
      status = cachette__file_fail_system(settings, errno, error);
  }
  if (status < 0) remove_files(temporary);
  return status;
}

/* Whether the file does not exist or is empty. */
static bool is_missing(const cachette__file_settings *settings, struct stat *state) {
  if (stat(settings->path, state) != 0) return errno == ENOENT;
  return S_ISREG(state->st_mode) && state->st_size == 0;
}

static int create_if_missing(cachette__file_thread *thread, int folder, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  struct stat state;
  if (!is_missing(settings, &state)) return CACHETTE_OK;
  if (!wait_for_lock(folder, LOCK_EX, thread->stop_ms, thread))
    return cachette__file_fail(thread, SQLITE_BUSY, error);
  return is_missing(settings, &state) ? create_file(thread, error) : CACHETTE_OK;
}

/* ---- Measuring ---- */

int cachette__file_measure(cachette__file_thread *thread, int64_t *pages, int64_t *free_pages) {
  cachette__file_shared *shared = thread->shared;
  int code = cachette__file_run(thread, CACHETTE__FILE_PAGES, pages);
  if (code == SQLITE_OK) code = cachette__file_run(thread, CACHETTE__FILE_FREE_PAGES, free_pages);
  if (code != SQLITE_OK) return code;
  int64_t used = *pages - *free_pages, limit = shared->settings->limit / CACHETTE__FILE_PAGE_SIZE;
  atomic_store(&shared->bytes, used * CACHETTE__FILE_PAGE_SIZE);
  atomic_store(&shared->nearly_full, used > limit / 4 * 3);
  atomic_store(&shared->over_limit, used > limit);
  atomic_store(&shared->can_shrink, *free_pages > FREE_PAGES_MAX && *free_pages > *pages / 4);
  thread->measured_ms = cachette__machine_now();
  return SQLITE_OK;
}

/* ---- Opening ---- */

static void finalize_all(cachette__file_thread *thread) {
  for (int i = 0; i < CACHETTE__FILE_STATEMENTS; i++) {
    sqlite3_finalize(thread->statements[i]);
    thread->statements[i] = NULL;
  }
}

/* Checks that the tables exist. The header says that the file is a cache, so without tables it is
 * corrupt. Returns SQLite's code. */
static int check_tables(cachette__file_thread *thread) {
  static const enum cachette__file_statement table_statements[] = {
      CACHETTE__FILE_FETCH, CACHETTE__FILE_MARK_USED, CACHETTE__FILE_GET_HAND};
  for (size_t i = 0; i < sizeof table_statements / sizeof *table_statements; i++) {
    if (cachette__file_statement(thread, table_statements[i]) != NULL) continue;
    int code = sqlite3_extended_errcode(thread->db);
    return code == SQLITE_ERROR ? SQLITE_CORRUPT : code;
  }
  return cachette__file_run(thread, CACHETTE__FILE_GET_HAND, NULL);
}

static int open_file(cachette__file_thread *thread, cachette_error *error) {
  int64_t pages, free_pages;
  const cachette__file_settings *settings = thread->shared->settings;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(settings->path, &thread->db, flags, NULL);
  if (code == SQLITE_OK) {
    sqlite3_extended_result_codes(thread->db, 1);
    sqlite3_db_config(thread->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_handler(thread->db, on_busy, thread);
    sqlite3_progress_handler(thread->db, PROGRESS_STEPS, on_progress, thread);
    code = sqlite3_exec(thread->db, SETTINGS, NULL, NULL, NULL);
  }
  if (code == SQLITE_OK) code = check_tables(thread);
  if (code == SQLITE_OK) code = cachette__file_measure(thread, &pages, &free_pages);
  if (code == SQLITE_OK) return CACHETTE_OK;
  if (cachette__file_is_corrupt(code))
    return CACHETTE_ECODEC; /* tells cachette__file_connect() to set the file aside */
  int status = cachette__file_fail(thread, code, error);
  finalize_all(thread);
  sqlite3_close(thread->db);
  thread->db = NULL;
  return status;
}

/* Whether the path still names the open file. */
static bool is_current(const cachette__file_thread *thread) {
  struct stat state;
  return stat(thread->shared->settings->path, &state) == 0 && state.st_dev == thread->device &&
         state.st_ino == thread->inode;
}

static int connect_locked(cachette__file_thread *thread, int folder, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  struct stat state;
  int status = create_if_missing(thread, folder, error);
  if (status < 0) return status;
  if (stat(settings->path, &state) != 0) return cachette__file_fail_system(settings, errno, error);
  thread->device = state.st_dev;
  thread->inode = state.st_ino;
  status = check_header(settings, &state, error);
  return status < 0 ? status : open_file(thread, error);
}

int cachette__file_connect(cachette__file_thread *thread, cachette_error *error) {
  if (thread->db != NULL) {
    if (is_current(thread)) return CACHETTE_OK;
    cachette__file_disconnect(thread);
  }
  enum { TRIES_MAX = 8 };
  int status = CACHETTE_EBACKEND;
  for (int i = 0; i < TRIES_MAX && status < 0 && status != CACHETTE_ECODEC; i++) {
    int folder = lock_folder(thread, LOCK_SH, error);
    if (folder < 0) return error->code;
    status = connect_locked(thread, folder, error);
    close(folder);
    /* Another program may remove the file without taking the lock. Then try again. */
    if (status == CACHETTE_ETIMEDOUT || is_current(thread)) break;
  }
  if (status != CACHETTE_ECODEC) return status;
  status = cachette__file_set_aside(thread, error);
  return status < 0 ? status : cachette__file_connect(thread, error);
}

/* ---- Closing ---- */

/*
 * The last connection to close checkpoints the log and removes it by name. It must not do so if the
 * path names another file by now, because the log is that file's.
 */
void cachette__file_disconnect(cachette__file_thread *thread) {
  if (thread->db == NULL) return;
  const char *path = thread->shared->settings->folder;
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool is_ours = folder >= 0 &&
                 wait_for_lock(folder, LOCK_SH, cachette__machine_now() + LOCK_TIMEOUT_MS, NULL) &&
                 is_current(thread);
  if (!is_ours) sqlite3_db_config(thread->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  finalize_all(thread);
  sqlite3_close(thread->db);
  thread->db = NULL;
  if (folder >= 0) close(folder);
}

bool cachette__file_is_gone(cachette__file_thread *thread) {
  if (thread->db == NULL || is_current(thread)) return false;
  cachette__file_disconnect(thread);
  return true;
}

/* ---- Setting aside and removing ---- */

static bool rename_with_suffix(const char *path, const char *suffix) {
  char from[NAME_SIZE], to[NAME_SIZE];
  snprintf(from, sizeof from, "%s%s", path, suffix);
  snprintf(to, sizeof to, "%s.damaged%s", path, suffix);
  return rename(from, to) == 0;
}

/* Renames the database last: another process that opens it meanwhile waits for the lock. */
static int rename_files(cachette__file_shared *shared, cachette_error *error) {
  const cachette__file_settings *settings = shared->settings;
  rename_with_suffix(settings->path, "-shm");
  rename_with_suffix(settings->path, "-wal");
  if (!rename_with_suffix(settings->path, ""))
    return cachette__file_fail_system(settings, errno, error);
  shared->was_set_aside = true;
  return cachette__fail(error, CACHETTE_EBACKEND, "pickle_path", CACHETTE__FILE_SET_ASIDE,
                        settings->name);
}

int cachette__file_set_aside(cachette__file_thread *thread, cachette_error *error) {
  int folder = lock_folder(thread, LOCK_EX, error);
  if (folder < 0) return error->code;
  int status = CACHETTE_OK;
  if (is_current(thread)) status = rename_files(thread->shared, error);
  close(folder);
  cachette__file_disconnect(thread);
  return status;
}

/* Removes the database first: no process creates a new one before the lock is released. */
int cachette__file_remove(cachette__file_thread *thread, cachette_error *error) {
  const cachette__file_settings *settings = thread->shared->settings;
  int folder = lock_folder(thread, LOCK_EX, error);
  if (folder < 0) return error->code;
  int status = CACHETTE_OK;
  if (is_current(thread)) {
    if (unlink(settings->path) == 0)
      remove_files(settings->path);
    else
      status = cachette__file_fail_system(settings, errno, error);
  }
  close(folder);
  cachette__file_disconnect(thread);
  return status;
}
