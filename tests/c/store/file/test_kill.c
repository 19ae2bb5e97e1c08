/* SPDX-License-Identifier: MIT */
/*
 * Processes that are killed at any moment: the file stays intact, and every confirmed put survives.
 * Four processes write. The test kills and replaces one of them a thousand times or, on a slow
 * machine, as often as the time limit allows.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_folder.h"
#include "support.h"

enum { WRITERS = 4, KILLS = 1000, KILLS_MIN = 100, TIME_LIMIT_MS = 40000, SLOTS = 16 };
enum { ROUNDS = 150, ROUNDS_MIN = 15 };

/* The last confirmed number of each writer and slot, in memory shared with the parent. */
static _Atomic(int64_t) (*confirmed)[SLOTS];

static int create_folder(void **state) {
  (void)state;
  file_folder_create(&folder);
  confirmed = mmap(NULL, sizeof *confirmed * WRITERS, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(confirmed != MAP_FAILED);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  munmap(confirmed, sizeof *confirmed * WRITERS);
  file_folder_remove(&folder);
  return 0;
}

static void put_or_exit(cachette *handle, const char *key, cachette_slice value) {
  cachette_error error;
  if (cachette_put(handle, cachette_str(key), value, 0, &error) == CACHETTE_OK) return;
  fprintf(stderr, "%s\n", error.message);
  _exit(1);
}

/* Puts growing numbers under a few keys in turn, with values of varying length. */
static void write_forever(int writer, int64_t number) {
  cachette *handle = file_folder_open(&folder, "timeout", "30", "ttl", "3600", NULL);
  for (;; number++) {
    static char value[3000];
    char key[32];
    int slot = (int)(number % SLOTS);
    snprintf(key, sizeof key, "%d:%d", writer, slot);
    memset(value, ' ', sizeof value);
    size_t size = 30 + (size_t)(number * 7919 % 2900);
    snprintf(value, sizeof value, "%lld", (long long)number);
    put_or_exit(handle, key, (cachette_slice){value, size});
    atomic_store(&confirmed[writer][slot], number);
    usleep(300); /* lets the other writers proceed */
  }
}

static pid_t start_writer(int writer, int64_t number) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) write_forever(writer, number);
  return pid;
}

/* Kills a writer. Checks that it was still running, because a writer exits only on a failure. */
static void kill_writer(pid_t pid) {
  int status;
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static int64_t stored_number(cachette *handle, int writer, int slot) {
  char key[32];
  cachette_slice value;
  cachette_error error;
  snprintf(key, sizeof key, "%d:%d", writer, slot);
  int code = cachette_fetch(handle, cachette_str(key), &value, NULL, &error);
  if (code < 0) fail_msg("%s", error.message);
  if (code == 0) return 0;
  int64_t number = strtoll(value.data, NULL, 10);
  assert_int_equal(value.size, 30 + (size_t)(number * 7919 % 2900));
  cachette_free(value.data);
  return number;
}

/*
 * Checks that the last confirmed number of a killed writer is stored in each slot. A later number
 * may be stored instead, if the writer was killed before it recorded the confirmation.
 */
static int64_t check_writer(cachette *handle, int writer) {
  int64_t last = 0;
  for (int slot = 0; slot < SLOTS; slot++) {
    int64_t expected = atomic_load(&confirmed[writer][slot]),
            found = stored_number(handle, writer, slot);
    if (found != expected && found != expected + SLOTS && (expected != 0 || found != slot))
      fail_msg("%lld was put, and %lld is there", (long long)expected, (long long)found);
    atomic_store(&confirmed[writer][slot], found);
    if (found > last) last = found;
  }
  return last;
}

static void check_integrity(void) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  assert_int_equal(sqlite3_open_v2(folder.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  sqlite3_busy_timeout(db, 10000);
  assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                   SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  assert_string_equal(sqlite3_column_text(statement, 0), "ok");
  sqlite3_finalize(statement);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void killed_writers_lose_nothing(void **state) {
  pid_t writers[WRITERS];
  int kills = 0;
  (void)state;
  cachette *handle = file_folder_open(&folder, "timeout", "30", NULL);
  for (int i = 0; i < WRITERS; i++) writers[i] = start_writer(i, 1);
  srand(1);
  for (int64_t end = monotonic_ms() + TIME_LIMIT_MS; kills < KILLS && monotonic_ms() < end;
       kills++) {
    int writer = rand() % WRITERS;
    usleep((useconds_t)(rand() % 5000));
    kill_writer(writers[writer]);
    int64_t last = check_writer(handle, writer);
    if (kills % 50 == 49) check_integrity();
    writers[writer] = start_writer(writer, last + 1);
  }
  for (int i = 0; i < WRITERS; i++) kill_writer(writers[i]);
  for (int i = 0; i < WRITERS; i++) assert_true(check_writer(handle, i) > 0);
  check_integrity();
  cachette_close(handle);
  check_integrity();
  print_message("# %d writers were killed\n", kills);
  assert_true(kills >= KILLS_MIN);
}

/* Creates and closes the file in a loop. Runs in processes that are killed. */
static void open_and_close(void) {
  for (int i = 0;; i++) {
    cachette *handle = file_folder_open(&folder, "timeout", "30", NULL);
    put_or_exit(handle, "key", cachette_str("value"));
    cachette_close(handle);
    if (i % 3 == 2) unlink(folder.path);
  }
}

static void a_kill_while_the_file_is_created_or_closed_loses_nothing(void **state) {
  (void)state;
  int rounds = 0;
  for (int64_t end = monotonic_ms() + TIME_LIMIT_MS; rounds < ROUNDS && monotonic_ms() < end;
       rounds++) {
    pid_t pids[2];
    for (int j = 0; j < 2; j++) {
      pids[j] = fork();
      if (pids[j] == 0) open_and_close();
    }
    usleep((useconds_t)(rand() % 20000));
    for (int j = 0; j < 2; j++) kill_writer(pids[j]);
    cachette *handle = file_folder_open(&folder, "timeout", "30", NULL);
    put_text(handle, "key", "value", 0);
    assert_true(has_text(handle, "key", "value"));
    cachette_close(handle);
    check_integrity();
  }
  assert_true(rounds >= ROUNDS_MIN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(killed_writers_lose_nothing),
      TEST(a_kill_while_the_file_is_created_or_closed_loses_nothing),
  };
  return cmocka_run_group_tests_name("file_kill", tests, NULL, NULL);
}
