/* SPDX-License-Identifier: MIT */
/*
 * The file itself: made, opened, told from files that are not ours, and set aside.
 *
 * SQLite finds the two files beside a database (-wal and -shm) by the name alone, and a database
 * that gets those of another is destroyed. So whatever changes which file the name means is done
 * under a lock on the folder, and under the same lock, shared, files are opened and closed.
 *
 * The file is built under another name, and gets its own when it is whole. So what is found under
 * the name is a file of ours from its first byte on, or is not ours and stays as it is.
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
#include "client.h"

enum {
  APPLICATION = 0x43616368, /* "Cach", in SQLite's header */
  VERSION = 1,              /* of the tables */
  HEADER = 100,
  AT_VERSION = 60, /* places in it */
  AT_APPLICATION = 68,
  STEPS = 2000,             /* of SQLite's machine between two looks at the time */
  LOCK_PATIENCE_MS = 50,    /* for the folder's lock, by one who closes */
  NAME_ROOM = PATH_MAX + 64 /* for names of files beside the file, by what settings.c allows */
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

/* The log is given back to 4 MB whenever it has become longer. */
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

/* Whether whatever waits or works has to come to an end. */
static bool must_stop(const cachette__file_thread *thread) {
  return cachette__file_forking() ||
         atomic_load_explicit(&thread->shared->closing, memory_order_relaxed) ||
         cachette__machine_now() >= thread->until_ms;
}

static int on_busy(void *data, int count) {
  if (must_stop(data)) return 0;
  sleep_us(count < 4 ? 250 : count < 20 ? 1000 : 4000);
  return 1;
}

static int on_progress(void *data) { return must_stop(data); }

/* ---- The folder's lock ---- */

static bool wait_for_lock(int folder, int how, int64_t until_ms, const cachette__file_thread *by) {
  while (flock(folder, how | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return true; /* it has none; then without */
    if (cachette__machine_now() >= until_ms || (by != NULL && must_stop(by))) return false;
    sleep_us(1000);
  }
  return true;
}

/* The folder, locked; or -1, and `error` is filled. */
static int lock_folder(const cachette__file_thread *thread, int how, cachette_error *error) {
  const cachette__file_settings *settings = &thread->shared->settings;
  int folder = open(settings->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    cachette__file_fail_system(settings, errno, error);
    return -1;
  }
  if (wait_for_lock(folder, how, thread->until_ms, thread)) return folder;
  close(folder);
  cachette__file_fail(thread, SQLITE_BUSY, error);
  return -1;
}

/* ---- What a file is ---- */

static uint32_t read_number(const unsigned char *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int fail_foreign(const cachette__file_settings *settings, const char *what,
                        cachette_error *error) {
  return cachette__fail(error, CACHETTE_EBACKEND, "pickle_path",
                        "%s is %s, and was left as it is. Let \"pickle_path\" name another file, "
                        "or move this one away.",
                        settings->name, what);
}

/*
 * Reads the file's first bytes. SQLite does it, for if we closed a descriptor of ours the system
 * would take from the process all locks that SQLite has on the file. How many bytes, or -1.
 */
static int read_header(const cachette__file_settings *settings, unsigned char header[HEADER]) {
  sqlite3_vfs *system = sqlite3_vfs_find(NULL);
  sqlite3_file *file = cachette__calloc(1, (size_t)system->szOsFile);
  char name[PATH_MAX + 8] = ""; /* SQLite wants more than one NUL behind it */
  if (file == NULL) return -1;
  snprintf(name, PATH_MAX, "%s", settings->path);
  int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, got, size = -1;
  if (system->xOpen(system, name, file, flags, &got) == SQLITE_OK) {
    int code = file->pMethods->xRead(file, header, HEADER, 0);
    size = code == SQLITE_OK ? HEADER : code == SQLITE_IOERR_SHORT_READ ? 0 : -1;
    file->pMethods->xClose(file);
  }
  cachette__free(file);
  return size;
}

static int check_ours(const cachette__file_settings *settings, const struct stat *state,
                      cachette_error *error) {
  unsigned char header[HEADER];
  if (!S_ISREG(state->st_mode)) return fail_foreign(settings, "no file", error);
  int size = read_header(settings, header);
  if (size < 0) return cachette__file_fail_system(settings, EACCES, error);
  if (size < HEADER || memcmp(header, "SQLite format 3", 16) != 0 ||
      read_number(header + AT_APPLICATION) != APPLICATION)
    return fail_foreign(settings, "not a cache of cachette's, but something else", error);
  if (read_number(header + AT_VERSION) > VERSION)
    return fail_foreign(settings, "of a newer version of cachette", error);
  return CACHETTE_OK;
}

/* ---- Making it ---- */

static void remove_beside(const char *path, const char *tail) {
  char name[NAME_ROOM];
  snprintf(name, sizeof name, "%s%s", path, tail);
  unlink(name);
}

static void remove_with_all(const char *path) {
  remove_beside(path, "");
  remove_beside(path, "-journal");
  remove_beside(path, "-wal");
  remove_beside(path, "-shm");
}

/* Under the folder's lock, while there is no file. */
static int make_file(cachette__file_thread *thread, cachette_error *error) {
  const cachette__file_settings *settings = &thread->shared->settings;
  char fresh[PATH_MAX + 32];
  snprintf(fresh, sizeof fresh, "%s.cachette-new", settings->path);
  remove_with_all(fresh);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(fresh, &thread->db, flags, NULL);
  if (code == SQLITE_OK) code = sqlite3_exec(thread->db, SCHEMA, NULL, NULL, NULL);
  if (code == SQLITE_OK)
    code = sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  int status = CACHETTE_OK;
  if (code != SQLITE_OK) status = cachette__file_fail(thread, code, error);
  sqlite3_close(thread->db);
  thread->db = NULL;
  if (status == CACHETTE_OK) {
    remove_beside(settings->path, "-journal"); /* of a file that was removed */
    remove_beside(settings->path, "-wal");
    remove_beside(settings->path, "-shm");
    if (rename(fresh, settings->path) != 0)
      status = cachette__file_fail_system(settings, errno, error);
  }
  if (status < 0) remove_with_all(fresh);
  return status;
}

/* Whether there is nothing yet under the name; an empty file is nothing. */
static bool is_missing(const cachette__file_settings *settings, struct stat *state) {
  if (stat(settings->path, state) != 0) return errno == ENOENT;
  return S_ISREG(state->st_mode) && state->st_size == 0;
}

static int make_if_missing(cachette__file_thread *thread, int folder, cachette_error *error) {
  const cachette__file_settings *settings = &thread->shared->settings;
  struct stat state;
  if (!is_missing(settings, &state)) return CACHETTE_OK;
  if (!wait_for_lock(folder, LOCK_EX, thread->until_ms, thread))
    return cachette__file_fail(thread, SQLITE_BUSY, error);
  return is_missing(settings, &state) ? make_file(thread, error) : CACHETTE_OK;
}

/* ---- Opening it ---- */

static void finalize_all(cachette__file_thread *thread) {
  for (int i = 0; i < CACHETTE__FILE_STATEMENTS; i++) {
    sqlite3_finalize(thread->statements[i]);
    thread->statements[i] = NULL;
  }
}

/* Of a file whose header says that it is ours, tables that are not there are damage. SQLite's code.
 */
static int check_tables(cachette__file_thread *thread) {
  static const enum cachette__file_statement of_each[] = {CACHETTE__FILE_FETCH, CACHETTE__FILE_USE,
                                                          CACHETTE__FILE_HAND};
  for (size_t i = 0; i < sizeof of_each / sizeof *of_each; i++) {
    if (cachette__file_statement(thread, of_each[i]) != NULL) continue;
    int code = sqlite3_extended_errcode(thread->db);
    return code == SQLITE_ERROR ? SQLITE_CORRUPT : code;
  }
  return cachette__file_run(thread, CACHETTE__FILE_HAND, NULL);
}

static int open_file(cachette__file_thread *thread, cachette_error *error) {
  int64_t pages, free_pages;
  const cachette__file_settings *settings = &thread->shared->settings;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  int code = sqlite3_open_v2(settings->path, &thread->db, flags, NULL);
  if (code == SQLITE_OK) {
    sqlite3_extended_result_codes(thread->db, 1);
    sqlite3_db_config(thread->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_handler(thread->db, on_busy, thread);
    sqlite3_progress_handler(thread->db, STEPS, on_progress, thread);
    code = sqlite3_exec(thread->db, SETTINGS, NULL, NULL, NULL);
  }
  if (code == SQLITE_OK) code = check_tables(thread);
  if (code == SQLITE_OK) code = cachette__file_measure(thread, &pages, &free_pages);
  if (code == SQLITE_OK) return CACHETTE_OK;
  if (cachette__file_is_damage(code)) return CACHETTE_ECODEC; /* for cachette__file_connect() */
  int status = cachette__file_fail(thread, code, error);
  finalize_all(thread);
  sqlite3_close(thread->db);
  thread->db = NULL;
  return status;
}

/* Whether the name still means the file that is open. */
static bool is_current(const cachette__file_thread *thread) {
  struct stat state;
  return stat(thread->shared->settings.path, &state) == 0 && state.st_dev == thread->device &&
         state.st_ino == thread->inode;
}

static int connect_locked(cachette__file_thread *thread, int folder, cachette_error *error) {
  const cachette__file_settings *settings = &thread->shared->settings;
  struct stat state;
  int status = make_if_missing(thread, folder, error);
  if (status < 0) return status;
  if (stat(settings->path, &state) != 0) return cachette__file_fail_system(settings, errno, error);
  thread->device = state.st_dev;
  thread->inode = state.st_ino;
  status = check_ours(settings, &state, error);
  return status < 0 ? status : open_file(thread, error);
}

int cachette__file_connect(cachette__file_thread *thread, cachette_error *error) {
  if (thread->db != NULL) {
    if (is_current(thread)) return CACHETTE_OK;
    cachette__file_disconnect(thread);
  }
  enum { TRIES = 8 };
  int status = CACHETTE_EBACKEND;
  for (int i = 0; i < TRIES && status < 0 && status != CACHETTE_ECODEC; i++) {
    int folder = lock_folder(thread, LOCK_SH, error);
    if (folder < 0) return error->code;
    status = connect_locked(thread, folder, error);
    close(folder);
    /* Somebody may remove the file while it is being opened, and does not ask for the lock. */
    if (status == CACHETTE_ETIMEDOUT || is_current(thread)) break;
  }
  if (status != CACHETTE_ECODEC) return status;
  status = cachette__file_set_aside(thread, error);
  return status < 0 ? status : cachette__file_connect(thread, error);
}

/* ---- Closing it ---- */

/*
 * The last connection to a file takes what is in the log into the file, and removes the log: by its
 * name, which must still be that of this file.
 */
void cachette__file_disconnect(cachette__file_thread *thread) {
  if (thread->db == NULL) return;
  const char *path = thread->shared->settings.folder;
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ours = folder >= 0 &&
              wait_for_lock(folder, LOCK_SH, cachette__machine_now() + LOCK_PATIENCE_MS, NULL) &&
              is_current(thread);
  if (!ours) sqlite3_db_config(thread->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
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

/* ---- Setting it aside ---- */

static bool rename_beside(const char *path, const char *tail) {
  char from[NAME_ROOM], to[NAME_ROOM];
  snprintf(from, sizeof from, "%s%s", path, tail);
  snprintf(to, sizeof to, "%s.damaged%s", path, tail);
  return rename(from, to) == 0;
}

/* The database goes last: until then whoever opens it waits for the lock anyway. */
static int rename_all(cachette__file_shared *shared, cachette_error *error) {
  const cachette__file_settings *settings = &shared->settings;
  rename_beside(settings->path, "-shm");
  rename_beside(settings->path, "-wal");
  if (!rename_beside(settings->path, "")) return cachette__file_fail_system(settings, errno, error);
  shared->moved = true;
  return cachette__fail(error, CACHETTE_EBACKEND, "pickle_path", CACHETTE__FILE_MOVED,
                        settings->name);
}

int cachette__file_set_aside(cachette__file_thread *thread, cachette_error *error) {
  int folder = lock_folder(thread, LOCK_EX, error);
  if (folder < 0) return error->code;
  int status = CACHETTE_OK;
  if (is_current(thread)) status = rename_all(thread->shared, error);
  close(folder);
  cachette__file_disconnect(thread);
  return status;
}

/* The name goes first here: nobody makes a new file before the lock is gone. */
int cachette__file_remove(cachette__file_thread *thread, cachette_error *error) {
  const cachette__file_settings *settings = &thread->shared->settings;
  int folder = lock_folder(thread, LOCK_EX, error);
  if (folder < 0) return error->code;
  int status = CACHETTE_OK;
  if (is_current(thread)) {
    if (unlink(settings->path) == 0)
      remove_with_all(settings->path);
    else
      status = cachette__file_fail_system(settings, errno, error);
  }
  close(folder);
  cachette__file_disconnect(thread);
  return status;
}
