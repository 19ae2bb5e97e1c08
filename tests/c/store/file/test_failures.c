/* SPDX-License-Identifier: MIT */
/*
 * The file store when the file is foreign, damaged, locked or removed, or its disk is full or
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

static const char *beside(const char *tail) {
  static char path[256];
  snprintf(path, sizeof path, "%s%s", folder.path, tail);
  return path;
}

static bool is_there(const char *tail) { return access(beside(tail), F_OK) == 0; }

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

/* Runs SQL on a file by SQLite alone. */
static void execute(sqlite3 *db, const char *text) {
  char *fault = NULL;
  if (sqlite3_exec(db, text, NULL, NULL, &fault) != SQLITE_OK) fail_msg("%s: %s", text, fault);
}

static sqlite3 *open_by_hand(const char *path) {
  sqlite3 *db;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  assert_int_equal(sqlite3_open_v2(path, &db, flags, NULL), SQLITE_OK);
  return db;
}

/* Puts a value. Returns the code; the reason is in `error`. */
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

/* ---- Files that are not ours ---- */

/* Checks that the file is refused, that no byte of it changes, and that no other file is made. */
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
  assert_false(is_there("-wal") || is_there("-shm") || is_there("-journal") ||
               is_there(".cachette-new"));
}

static void a_foreign_file_is_refused_and_left(void **state) {
  static const char pickle[] =
      "\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01k\x94K\x01s.";
  static char zeros[5000];
  (void)state;
  write_file(folder.path, pickle, sizeof pickle - 1);
  expect_refused("not a cache of cachette's");
  write_file(folder.path, zeros, sizeof zeros);
  expect_refused("not a cache of cachette's");
  write_file(folder.path, "SQLite format 3", 16);
  expect_refused("not a cache of cachette's");
}

static void a_foreign_database_is_refused_and_left(void **state) {
  (void)state;
  sqlite3 *db = open_by_hand(folder.path);
  execute(db, "PRAGMA journal_mode = WAL; CREATE TABLE entry (id); INSERT INTO entry VALUES (1)");
  sqlite3_close(db);
  expect_refused("not a cache of cachette's");
}

static void a_file_of_a_newer_version_is_refused_and_left(void **state) {
  (void)state;
  cachette_close(file_folder_open(&folder, NULL));
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  cachette_close(handle);
  sqlite3 *db = open_by_hand(folder.path);
  execute(db, "PRAGMA user_version = 2");
  sqlite3_close(db);
  expect_refused("of a newer version");
}

static void a_folder_instead_of_the_file_is_refused(void **state) {
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  assert_int_equal(mkdir(folder.path, 0700), 0);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "is no file"));
  cachette_close(handle);
  assert_int_equal(rmdir(folder.path), 0);
}

static void an_empty_file_becomes_ours(void **state) {
  (void)state;
  write_file(folder.path, "", 0);
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  cachette_close(handle);
  handle = file_folder_open(&folder, NULL);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
}

static void a_left_over_log_does_no_harm(void **state) {
  static char noise[40000];
  (void)state;
  memset(noise, 0x5a, sizeof noise);
  write_file(beside("-wal"), noise, sizeof noise);
  write_file(beside("-shm"), noise, sizeof noise);
  write_file(beside(".cachette-new"), noise, sizeof noise);
  write_file(beside(".new"), noise, sizeof noise); /* which is none of ours */
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
  assert_false(is_there(".cachette-new"));
  assert_true(is_there(".new"));
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

/* Overwrites all of the file but its header. */
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

/* The first op reports it. The later ones use a new file. */
static void expect_set_aside(cachette *handle) {
  cachette_error error;
  char notice[256];
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  int code = try_fetch(handle, "fill:1", &error);
  assert_int_equal(code, CACHETTE_EBACKEND);
  assert_non_null(strstr(error.message, "was damaged. It was set aside"));
  assert_true(cachette_take_notice(handle, notice, sizeof notice));
  assert_string_equal(notice, error.message);
  assert_false(cachette_take_notice(handle, notice, sizeof notice));
  assert_int_equal(try_fetch(handle, "fill:1", &error), 0);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  assert_true(is_there(".damaged"));
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

static void a_file_that_was_cut_is_set_aside(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, 100, 1000);
  cachette_close(handle);
  assert_int_equal(truncate(folder.path, 3 * 4096), 0);
  /* Through the layers, too. */
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
    sqlite3 *db = open_by_hand(folder.path);
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
  int told = 0;
  (void)state;
  for (int i = 0; i < COUNT; i++) {
    handles[i] = file_folder_open(&folder, NULL);
    fill(handles[i], 100, 1000);
  }
  sqlite3 *db = open_by_hand(folder.path);
  execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  damage();
  execute(db, "PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_close(db);
  for (int i = 0; i < COUNT; i++) {
    char key[32];
    snprintf(key, sizeof key, "fill:%d", i);
    told += try_put(handles[i], key, 5000, &error) < 0;
    assert_int_equal(try_put(handles[i], key, 5000, &error), CACHETTE_OK);
  }
  assert_in_range(told, 1, COUNT);
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
 * Of ops that wait together, one with a shorter time-out fails with the reason, and the others go
 * on.
 */
static void each_op_waits_for_a_lock_until_its_deadline(void **state) {
  (void)state;
  struct probe first, hasty, patient;
  cachette *handle = file_folder_open(&folder, "timeout", "60", NULL);
  put_text(handle, "key", "value", 0);
  sqlite3 *db = open_by_hand(folder.path);
  execute(db, "BEGIN IMMEDIATE");
  probe_init(&first, CACHETTE_PUT, "first");
  probe_init(&hasty, CACHETTE_PUT, "hasty");
  probe_init(&patient, CACHETTE_PUT, "patient");
  first.op.timeout_ms = 500; /* the others wait until then */
  hasty.op.timeout_ms = 3000;
  patient.op.timeout_ms = 60000;
  probe_submit(handle, &first);
  probe_submit(handle, &patient);
  probe_submit(handle, &hasty);
  assert_int_equal(probe_wait(handle, &first), CACHETTE_ETIMEDOUT);
  assert_int_equal(probe_wait(handle, &hasty), CACHETTE_ETIMEDOUT);
  assert_non_null(strstr(hasty.error.message, "was in use by others until time was up"));
  assert_true(cachette_op_pending(&patient.op));
  execute(db, "COMMIT");
  assert_int_equal(probe_wait(handle, &patient), CACHETTE_OK);
  assert_true(has_key(handle, "patient"));
  assert_false(has_key(handle, "hasty"));
  sqlite3_close(db);
  cachette_close(handle);
}

static void a_foreign_lock_is_waited_for_until_the_deadline(void **state) {
  cachette_error error;
  (void)state;
  cachette *handle = file_folder_open(&folder, "timeout", "0.4", NULL);
  put_text(handle, "key", "value", 0);
  sqlite3 *db = open_by_hand(folder.path);
  execute(db, "BEGIN IMMEDIATE");
  int64_t begin = monotonic_ms();
  assert_int_equal(try_put(handle, "other", 10, &error), CACHETTE_ETIMEDOUT);
  assert_in_range(monotonic_ms() - begin, 300, 4000);
  assert_non_null(strstr(error.message, "was in use by others until time was up"));
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
  sqlite3 *db = open_by_hand(folder.path);
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

static void a_removed_folder_may_come_back(void **state) {
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

/* Returns how often the handle wakes its loop in that time. */
static int count_wakes(cachette *handle, int64_t ms) {
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

/* The times of hits cannot be written then, and must not be tried again and again. */
static void a_removed_folder_costs_no_busy_loop(void **state) {
  enum { COUNT = 900, WHILE_MS = 1000 };
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
  usleep(500000); /* it is done, but not completed yet */
  file_folder_remove(&folder);
  assert_in_range(count_wakes(handle, WHILE_MS), 0, 100);
  assert_false(cachette_op_pending(&op));
  assert_true(op.number > COUNT / 2);
  cachette_op_deinit(&op);
  assert_int_equal(mkdir(folder.name, 0700), 0);
  assert_int_equal(try_put(handle, "key", 10, &error), CACHETTE_OK);
  cachette_close(handle);
}

/* Mounts a small disk on the folder; run it in a child, with which the mount goes away. */
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
  /* A small value may still fit, a large one does not, and clearing helps. */
  struct probe probe;
  child_assert(probe_run(handle, &probe, CACHETTE_FLUSH, "-") == CACHETTE_OK);
  child_assert(probe.op.number == puts - 1);
  child_assert(try_put(handle, "fill:1", 20000, &error) == CACHETTE_OK);
  cachette_close(handle);
  handle = file_folder_open(&folder, NULL);
  child_assert(has_key(handle, "fill:1"));
  cachette_close(handle);
}

static void a_full_disk_is_reported_and_recovered_from(void **state) {
  (void)state;
  run_in_child(fill_disk, NULL);
}

static void begin_on_full_disk(void *data) {
  cachette_error error;
  static char noise[1 << 20];
  (void)data;
  mount_disk("size=1m");
  int file = open(beside(".other"), O_WRONLY | O_CREAT, 0600);
  while (write(file, noise, sizeof noise) > 0) continue;
  close(file);
  cachette *handle = file_folder_open(&folder, NULL);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_EBACKEND);
  child_assert(strstr(error.message, "its disk is full") != NULL);
  child_assert(unlink(beside(".other")) == 0);
  child_assert(try_put(handle, "key", 10, &error) == CACHETTE_OK);
  cachette_close(handle);
}

static void on_a_full_disk_no_file_is_created(void **state) {
  (void)state;
  run_in_child(begin_on_full_disk, NULL);
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
      TEST(a_foreign_file_is_refused_and_left),
      TEST(a_foreign_database_is_refused_and_left),
      TEST(a_file_of_a_newer_version_is_refused_and_left),
      TEST(a_folder_instead_of_the_file_is_refused),
      TEST(an_empty_file_becomes_ours),
      TEST(a_left_over_log_does_no_harm),
      TEST(a_damaged_file_is_set_aside),
      TEST(a_file_that_was_cut_is_set_aside),
      TEST(a_file_without_its_tables_is_set_aside),
      TEST(damage_in_use_is_set_aside_once),
      TEST(a_removed_file_is_created_again),
      TEST(a_foreign_lock_is_waited_for_until_the_deadline),
      TEST(each_op_waits_for_a_lock_until_its_deadline),
      TEST(a_close_does_not_wait_for_a_lock),
      TEST(a_removed_folder_may_come_back),
      TEST(a_removed_folder_costs_no_busy_loop),
      TEST(a_full_disk_is_reported_and_recovered_from),
      TEST(on_a_full_disk_no_file_is_created),
      TEST(a_read_only_disk_is_reported),
  };
  return cmocka_run_group_tests_name("file_faults", tests, NULL, NULL);
}
