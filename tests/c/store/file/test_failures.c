/* SPDX-License-Identifier: MIT */
/*
 * The file store when its file is foreign, damaged, locked or removed, or its disk is full or
 * read-only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_folder.h"
#include "support.h"

static const char *path_with_suffix(const char *suffix) {
  static char path[256];
  snprintf(path, sizeof path, "%s%s", folder.path, suffix);
  return path;
}

static bool file_exists(const char *suffix) { return access(path_with_suffix(suffix), F_OK) == 0; }

static void write_file(const char *path, const void *data, size_t size) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(file >= 0);
  assert_int_equal(write(file, data, size), size);
  close(file);
}

static size_t read_file(const char *path, char *data, size_t size) {
  int file = open(path, O_RDONLY);
  assert_true(file >= 0);
  ssize_t count = read(file, data, size);
  close(file);
  assert_true(count >= 0);
  return (size_t)count;
}

/* Runs SQL directly through SQLite. */
static void execute(sqlite3 *db, const char *text) {
  char *reason = NULL;
  if (sqlite3_exec(db, text, NULL, NULL, &reason) != SQLITE_OK) fail_msg("%s: %s", text, reason);
}

static sqlite3 *open_with_sqlite(const char *path) {
  sqlite3 *db;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  assert_int_equal(sqlite3_open_v2(path, &db, flags, NULL), SQLITE_OK);
  return db;
}

/* Puts a value. Returns the code of the call and fills `error`. */
static int try_put(cachette *handle, const char *key, size_t size, cachette_error *error) {
  void *value = calloc(1, size + 1);
  error->message[0] = '\0';
  int code = cachette_put(handle, cachette_str(key), (cachette_slice){value, size}, 0, error);
  free(value);
  return code;
}

static int try_fetch(cachette *handle, const char *key, cachette_error *error) {
  cachette_slice value;
  int code = cachette_fetch(handle, cachette_str(key), &value, NULL, error);
  if (code == 1) cachette_free(value.data);
  return code;
}

/* ---- Foreign files ---- */

/* Checks that the file is refused and not changed, and that no other file is created. */
static void expect_refused(const char *reason) {
  static char before[1 << 16], after[1 << 16];
  cachette_error error;
  size_t size = read_file(folder.path, before, sizeof before);
  cachette *handle = file_folder_open(&folder, NULL);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, reason));
  assert_string_equal(error.subject, "pickle_path");
  assert_int_equal(try_fetch(handle, "key", &error), CACHETTE_EBACKEND);
  cachette_close(handle);
  assert_int_equal(read_file(folder.path, after, sizeof after), size);
  assert_memory_equal(before, after, size);
  assert_false(file_exists("-wal") || file_exists("-shm") || file_exists("-journal") ||
               file_exists(".cachette-new"));
}

static void a_foreign_file_is_refused_and_not_changed(void **state) {
  static const char pickle[] =
      "\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01k\x94K\x01s.";
  static char zeros[5000];
  (void)state;
  write_file(folder.path, pickle, sizeof pickle - 1);
  expect_refused("not a cachette file");
  write_file(folder.path, zeros, sizeof zeros);
  expect_refused("not a cachette file");
  write_file(folder.path, "SQLite format 3", 16);
  expect_refused("not a cachette file");
}

static void a_foreign_database_is_refused_and_not_changed(void **state) {
  (void)state;
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "PRAGMA journal_mode = WAL; CREATE TABLE entry (id); INSERT INTO entry VALUES (1)");
  sqlite3_close(db);
  expect_refused("not a cachette file");
}

static void a_file_of_a_newer_version_is_refused_and_not_changed(void **state) {
  (void)state;
  cachette_close(file_folder_open(&folder, NULL));
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  cachette_close(handle);
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "PRAGMA user_version = 2");
  sqlite3_close(db);
  expect_refused("from a newer version");
}

static void a_folder_instead_of_the_file_is_refused(void **state) {
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  assert_int_equal(mkdir(folder.path, 0700), 0);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "is not a regular file"));
  cachette_close(handle);
  assert_int_equal(rmdir(folder.path), 0);
}

static void an_empty_file_is_used(void **state) {
  (void)state;
  write_file(folder.path, "", 0);
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  cachette_close(handle);
  handle = file_folder_open(&folder, NULL);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_left_over_log_is_ignored(void **state) {
  static char noise[40000];
  (void)state;
  memset(noise, 0x5a, sizeof noise);
  write_file(path_with_suffix("-wal"), noise, sizeof noise);
  write_file(path_with_suffix("-shm"), noise, sizeof noise);
  write_file(path_with_suffix(".cachette-new"), noise, sizeof noise);
  write_file(path_with_suffix(".new"), noise, sizeof noise); /* not a file of the store */
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
  assert_false(file_exists(".cachette-new"));
  assert_true(file_exists(".new"));
}

/* ---- Damage ---- */

static void fill(cachette *handle, int count, size_t size) {
  for (int i = 0; i < count; i++) {
    char key[32];
    cachette_error error;
    snprintf(key, sizeof key, "fill:%d", i);
    if (try_put(handle, key, size, &error) < 0) fail_msg("%s", error.message);
  }
}

/* Overwrites the file except its header. */
static void damage(void) {
  static char noise[4096];
  struct stat state;
  memset(noise, 0xa5, sizeof noise);
  int file = open(folder.path, O_RDWR);
  assert_true(file >= 0);
  assert_int_equal(fstat(file, &state), 0);
  for (off_t at = 100; at < state.st_size; at += (off_t)sizeof noise)
    assert_true(pwrite(file, noise, sizeof noise, at) > 0);
  close(file);
}

/* Checks that the first op reports the damage and that later ops use a new file. */
static void expect_set_aside(cachette *handle) {
  cachette_error error;
  char notice[256];
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  int code = try_fetch(handle, "fill:1", &error);
  assert_int_equal(code, CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "was damaged. It was renamed"));
  assert_true(cachette_take_notice(handle, notice, sizeof notice));
  assert_string_equal(notice, error.message);
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  assert_int_equal(try_fetch(handle, "fill:1", &error), 0);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  assert_true(file_exists(".damaged"));
}

static void a_damaged_file_is_set_aside(void **state) {
  (void)state;
  for (int round = 0; round < 2; round++) {
    cachette *handle = file_folder_open(&folder, NULL);
    fill(handle, 100, 1000);
    cachette_close(handle);
    damage();
    handle = file_folder_open(&folder, NULL);
    expect_set_aside(handle);
    cachette_close(handle);
    handle = file_folder_open(&folder, NULL);
    assert_true(has_text(handle, "key", "value"));
    cachette_close(handle);
  }
}

static void a_truncated_file_is_set_aside(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, 100, 1000);
  cachette_close(handle);
  assert_int_equal(truncate(folder.path, 3 * 4096), 0);
  /* The same through the envelope layer. */
  handle = file_folder_open(&folder, "secret", "of sixteen bytes and more", "accept_plain", "true",
                            NULL);
  expect_set_aside(handle);
  cachette_close(handle);
}

static void a_file_without_its_tables_is_set_aside(void **state) {
  static const char *const tables[] = {"entry", "used", "state"};
  (void)state;
  for (size_t i = 0; i < LENGTH(tables); i++) {
    char text[64];
    cachette *handle = file_folder_open(&folder, NULL);
    fill(handle, 10, 100);
    cachette_close(handle);
    sqlite3 *db = open_with_sqlite(folder.path);
    snprintf(text, sizeof text, "DROP TABLE %s", tables[i]);
    execute(db, text);
    sqlite3_close(db);
    handle = file_folder_open(&folder, NULL);
    expect_set_aside(handle);
    cachette_close(handle);
  }
}

/* Each op fails or uses the new file, which stays intact. */
static void damage_in_use_is_set_aside_once(void **state) {
  enum { COUNT = 4 };
  cachette *handles[COUNT];
  cachette_error error;
  int failures = 0;
  (void)state;
  for (int i = 0; i < COUNT; i++) {
    handles[i] = file_folder_open(&folder, NULL);
    fill(handles[i], 100, 1000);
  }
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  damage();
  execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_close(db);
  for (int i = 0; i < COUNT; i++) {
    char key[32];
    snprintf(key, sizeof key, "fill:%d", i);
    failures += try_put(handles[i], key, 5000, &error) < 0;
    assert_int_equal(try_put(handles[i], key, 5000, &error), CACHETTE_OK);
  }
  assert_in_range(failures, 1, COUNT);
  for (int i = 0; i < COUNT; i++) {
    char key[32];
    snprintf(key, sizeof key, "fill:%d", i);
    for (int j = 0; j < COUNT; j++) assert_true(has_key(handles[j], key));
  }
  for (int i = 0; i < COUNT; i++) cachette_close(handles[i]);
  cachette *handle = file_folder_open(&folder, NULL);
  assert_true(has_key(handle, "fill:3"));
  cachette_close(handle);
}

static void a_removed_file_is_created_again(void **state) {
  (void)state;
  cachette *one = file_folder_open(&folder, NULL), *other = file_folder_open(&folder, NULL);
  for (int round = 0; round < 10; round++) {
    put_text(one, "key", "value", 0);
    assert_true(has_key(other, "key"));
    assert_int_equal(unlink(folder.path), 0);
    assert_false(has_key(other, "key"));
    put_text(other, "other", "value", 0);
    assert_true(has_key(one, "other"));
  }
  cachette_close(one);
  assert_true(has_key(other, "other"));
  cachette_close(other);
}

/* ---- Locks ---- */

/*
 * When several ops wait for a lock, the one with a shorter timeout fails with the reason, and the
 * others keep waiting.
 */
static void each_waiting_op_has_its_own_deadline(void **state) {
  (void)state;
  struct probe first, brief, lasting;
  cachette *handle = file_folder_open(&folder, "timeout", "60", NULL);
  put_text(handle, "key", "value", 0);
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "BEGIN IMMEDIATE");
  probe_init(&first, CACHETTE_PUT, "first");
  probe_init(&brief, CACHETTE_PUT, "hasty");
  probe_init(&lasting, CACHETTE_PUT, "patient");
  first.op.timeout_ms = 500; /* the others stay queued until then */
  brief.op.timeout_ms = 3000;
  lasting.op.timeout_ms = 60000;
  probe_submit(handle, &first);
  probe_submit(handle, &lasting);
  probe_submit(handle, &brief);
  assert_int_equal(probe_wait(handle, &first), CACHETTE_ETIMEDOUT);
  assert_int_equal(probe_wait(handle, &brief), CACHETTE_ETIMEDOUT);
  assert_non_null(strstr(brief.error.message, "stayed locked until the operation timed out"));
  assert_true(cachette_op_pending(&lasting.op));
  execute(db, "COMMIT");
  assert_int_equal(probe_wait(handle, &lasting), CACHETTE_OK);
  assert_true(has_key(handle, "patient"));
  assert_false(has_key(handle, "hasty"));
  sqlite3_close(db);
  cachette_close(handle);
}

static void an_op_waits_for_a_foreign_lock_until_its_deadline(void **state) {
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, "timeout", "0.4", NULL);
  put_text(handle, "key", "value", 0);
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "BEGIN IMMEDIATE");
  int64_t begin = monotonic_ms();
  assert_int_equal(try_put(handle, "other", 10, &error), CACHETTE_ETIMEDOUT);
  assert_in_range(monotonic_ms() - begin, 300, 4000);
  assert_non_null(strstr(error.message, "stayed locked until the operation timed out"));
  assert_true(has_text(handle, "key", "value"));
  execute(db, "COMMIT");
  put_text(handle, "other", "value", 0);
  execute(db, "BEGIN IMMEDIATE");
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "third");
  probe.op.timeout_ms = 20000;
  probe_submit(handle, &probe);
  assert_true(has_key(handle, "other"));
  assert_true(cachette_op_pending(&probe.op));
  execute(db, "COMMIT");
  assert_int_equal(probe_wait(handle, &probe), CACHETTE_OK);
  sqlite3_close(db);
  cachette_close(handle);
}

static void a_close_does_not_wait_for_a_lock(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "timeout", "60", NULL);
  put_text(handle, "key", "value", 0);
  sqlite3 *db = open_with_sqlite(folder.path);
  execute(db, "BEGIN IMMEDIATE");
  struct probe probe;
  probe_init(&probe, CACHETTE_PUT, "other");
  probe_submit(handle, &probe);
  usleep(20000);
  int64_t begin = monotonic_ms();
  cachette_close(handle);
  assert_in_range(monotonic_ms() - begin, 0, 10000);
  probe_expect(&probe, CACHETTE_ECLOSED);
  execute(db, "COMMIT");
  sqlite3_close(db);
}

/* ---- The disk ---- */

static void a_removed_folder_may_be_created_again(void **state) {
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  file_folder_remove(&folder);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_EUNAVAILABLE);
  assert_non_null(strstr(error.message, "cache.db\" cannot be used: No such file"));
  assert_int_equal(mkdir(folder.name, 0700), 0);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_OK);
  cachette_close(handle);
}

/* Returns how often the handle wakes its host within this time. */
static int count_wake_ups(cachette *handle, int64_t ms) {
  struct pollfd watched = {.fd = cachette_fd(handle), .events = POLLIN};
  int count = 0;
  for (int64_t until = monotonic_ms() + ms; monotonic_ms() < until; count++) {
    int timeout = cachette_timeout(handle);
    int64_t left = until - monotonic_ms();
    poll(&watched, 1, timeout < 0 || timeout > left ? (int)left : timeout);
    cachette_process(handle);
  }
  return count;
}

/* Without the folder the times of hits cannot be written. The store must not retry in a loop. */
static void a_removed_folder_causes_no_busy_loop(void **state) {
  enum { COUNT = 900, DURATION_MS = 1000 };
  static char keys[COUNT][16];
  static cachette_item items[COUNT];
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = COUNT};
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  fill(handle, COUNT, 900);
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "fill:%d", i);
    items[i] = (cachette_item){.key = cachette_str(keys[i])};
  }
  cachette_submit(handle, &op);
  usleep(500000); /* the thread pool has finished the op, which has not completed yet */
  file_folder_remove(&folder);
  assert_in_range(count_wake_ups(handle, DURATION_MS), 0, 100);
  assert_false(cachette_op_pending(&op));
  assert_true(op.number > COUNT / 2);
  cachette_op_deinit(&op);
  assert_int_equal(mkdir(folder.name, 0700), 0);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_OK);
  cachette_close(handle);
}

/* Mounts a small disk on the folder. For a child process, whose exit unmounts it. */
static void mount_disk(const char *size) {
  int spaces = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
  if (unshare(spaces) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("tmpfs", folder.name, "tmpfs", 0, size) != 0) {
    fprintf(stderr, "This test mounts a tmpfs, and may not: %s. Run it as root.\n",
            strerror(errno));
    child_assert(!"mounted");
  }
}

static void fill_disk(void *data) {
  cachette_error error;
  (void)data;
  mount_disk("size=2m");
  cachette *handle = file_folder_open(&folder, NULL);
  int code = CACHETTE_OK, puts = 0;
  for (; code == CACHETTE_OK && puts < 1000; puts++) {
    char key[32];
    snprintf(key, sizeof key, "fill:%d", puts);
    code = try_put(handle, key, 20000, &error);
  }
  child_assert(puts > 10 && puts < 1000);
  child_assert(code == CACHETTE_EBACKEND);
  child_assert(strstr(error.message, "its disk is full") != NULL);
  child_assert(has_key(handle, "fill:1"));
  /* A flush makes space for a large value. */
  struct probe probe;
  child_assert(probe_run(handle, &probe, CACHETTE_FLUSH, "-") == CACHETTE_OK);
  child_assert(probe.op.number == puts - 1);
  child_assert(try_put(handle, "fill:1", 20000, &error) == CACHETTE_OK);
  cachette_close(handle);
  handle = file_folder_open(&folder, NULL);
  child_assert(has_key(handle, "fill:1"));
  cachette_close(handle);
}

static void a_full_disk_is_reported_and_clearing_helps(void **state) {
  (void)state;
  run_in_child(fill_disk, NULL);
}

static void open_on_full_disk(void *data) {
  cachette_error error;
  static char noise[1 << 20];
  (void)data;
  mount_disk("size=1m");
  int file = open(path_with_suffix(".other"), O_WRONLY | O_CREAT, 0600);
  while (write(file, noise, sizeof noise) > 0) continue;
  close(file);
  cachette *handle = file_folder_open(&folder, NULL);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_EBACKEND);
  child_assert(strstr(error.message, "its disk is full") != NULL);
  child_assert(unlink(path_with_suffix(".other")) == 0);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_OK);
  cachette_close(handle);
}

static void creating_the_file_on_a_full_disk_fails(void **state) {
  (void)state;
  run_in_child(open_on_full_disk, NULL);
}

static void use_read_only(void *data) {
  cachette_error error;
  (void)data;
  mount_disk("size=4m");
  cachette *handle = file_folder_open(&folder, NULL);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_OK);
  cachette_close(handle);
  int flags = MS_REMOUNT | MS_RDONLY;
  child_assert(mount("tmpfs", folder.name, "tmpfs", (unsigned long)flags, "size=4m") == 0);
  handle = file_folder_open(&folder, NULL);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_EUNAVAILABLE);
  child_assert(strstr(error.message, "Read-only file system") != NULL);
  cachette_close(handle);
  snprintf(folder.path, sizeof folder.path, "%s/other.db", folder.name);
  handle = file_folder_open(&folder, NULL);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_EUNAVAILABLE);
  child_assert(strstr(error.message, "Read-only file system") != NULL);
  cachette_close(handle);
}

static void a_read_only_disk_is_reported(void **state) {
  (void)state;
  run_in_child(use_read_only, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_foreign_file_is_refused_and_not_changed),
      TEST(a_foreign_database_is_refused_and_not_changed),
      TEST(a_file_of_a_newer_version_is_refused_and_not_changed),
      TEST(a_folder_instead_of_the_file_is_refused),
      TEST(an_empty_file_is_used),
      TEST(a_left_over_log_is_ignored),
      TEST(a_damaged_file_is_set_aside),
      TEST(a_truncated_file_is_set_aside),
      TEST(a_file_without_its_tables_is_set_aside),
      TEST(damage_in_use_is_set_aside_once),
      TEST(a_removed_file_is_created_again),
      TEST(an_op_waits_for_a_foreign_lock_until_its_deadline),
      TEST(each_waiting_op_has_its_own_deadline),
      TEST(a_close_does_not_wait_for_a_lock),
      TEST(a_removed_folder_may_be_created_again),
      TEST(a_removed_folder_causes_no_busy_loop),
      TEST(a_full_disk_is_reported_and_clearing_helps),
      TEST(creating_the_file_on_a_full_disk_fails),
      TEST(a_read_only_disk_is_reported),
  };
  return cmocka_run_group_tests_name("file_failures", tests, NULL, NULL);
}
