/* SPDX-License-Identifier: MIT */
/* The behaviour of the file store. ../test_verbs.c tests what all backends have in common. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_folder.h"
#include "support.h"

static int64_t file_size(const char *tail) {
  char path[256];
  struct stat state;
  snprintf(path, sizeof path, "%s%s", folder.path, tail);
  return stat(path, &state) == 0 ? (int64_t)state.st_size : -1;
}

/* Runs an SQL query on the file and returns the resulting number. */
static int64_t query(const char *text) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  assert_int_equal(sqlite3_open_v2(folder.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
  int64_t number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  return number;
}

static int64_t run_verb(cachette *handle, enum cachette_verb verb, const char *key) {
  struct probe probe;
  if (probe_run(handle, &probe, verb, key) < 0) fail_msg("%s", probe.error.message);
  return probe.op.number;
}

/* Puts `count` entries whose values have `size` bytes, in ops of up to a hundred. */
static void fill(cachette *handle, const char *format, int from, int count, size_t size,
                 int64_t ttl_ms) {
  enum { BATCH = 100 };
  char keys[BATCH][32];
  cachette_item items[BATCH];
  void *value = calloc(1, size);
  for (int done = 0; done < count;) {
    int batch = count - done < BATCH ? count - done : BATCH;
    for (int i = 0; i < batch; i++) {
      snprintf(keys[i], sizeof keys[i], format, from + done + i);
      items[i] =
          (cachette_item){.key = cachette_str(keys[i]), .value = {value, size}, .ttl_ms = ttl_ms};
    }
    cachette_error error = {.message = ""};
    cachette_op op = {
        .verb = CACHETTE_PUT, .items = items, .count = (size_t)batch, .error = &error};
    if (cachette_run(handle, &op) < 0 || op.number != batch) fail_msg("%s", error.message);
    done += batch;
  }
  free(value);
}

/* Returns how many of these keys exist, without fetching them. */
static int count_present(cachette *handle, const char *format, int from, int count) {
  int found = 0;
  for (int i = from; i < from + count; i++) {
    char key[32];
    snprintf(key, sizeof key, format, i);
    found += (int)run_verb(handle, CACHETTE_EXISTS, key);
  }
  return found;
}

/* ---- Persistence ---- */

static void entries_survive_a_restart(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "a", "value", 900000);
  put_text(handle, "empty", "", 900000);
  put_text(handle, "short", "value", 50);
  cachette_close(handle);
  assert_int_equal(file_size("-wal"), -1);
  usleep(60000);
  handle = file_folder_open(&folder, "backend", "pickle", NULL);
  assert_true(has_text(handle, "a", "value"));
  assert_true(has_text(handle, "empty", ""));
  assert_false(has_key(handle, "short"));
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str("a"), &value, &ttl_ms, NULL), 1);
  cachette_free(value.data);
  assert_in_range(ttl_ms, 800000, 900000 - 60);
  cachette_close(handle);
}

static void stored_values_are_plain(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "key_prefix", "app:", NULL);
  put_text(handle, "a", "value", 0);
  cachette_close(handle);
  assert_int_equal(query("PRAGMA application_id"), 0x43616368);
  assert_int_equal(query("SELECT count(*) FROM entry"), 1);
  assert_int_equal(query("SELECT count(*) FROM entry WHERE key = CAST('app:a' AS BLOB) AND "
                         "value = CAST('value' AS BLOB)"),
                   1);
  assert_int_equal(query("SELECT abs(expires / 1000 - 60 - strftime('%s', 'now')) < 10 FROM entry"),
                   1);
}

static void a_relative_path_survives_a_change_of_folder(void **state) {
  (void)state;
  char before[PATH_MAX];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder.name), 0);
  cachette *handle = file_folder_open(&folder, "pickle_path", "cache.db", NULL);
  assert_int_equal(chdir(before), 0);
  put_text(handle, "a", "value", 0);
  cachette_close(handle);
  assert_true(file_size("") > 0);
}

static void keys_and_values_may_be_any_bytes(void **state) {
  (void)state;
  enum { LARGE = 5 << 20 };
  static char key[CACHETTE_KEY_MAX];
  char *large = malloc(LARGE);
  for (int i = 0; i < LARGE; i++) large[i] = (char)(i * 7 + i / 251);
  cachette *handle = file_folder_open(&folder, NULL);
  memset(key, 0xff, sizeof key);
  cachette_slice keys[] = {{"\0", 1}, {"\0a", 2}, {key, sizeof key}, {key, sizeof key - 1}};
  for (size_t i = 0; i < LENGTH(keys); i++) {
    cachette_slice value = {large, LARGE - i}, got;
    assert_int_equal(cachette_put(handle, keys[i], value, 0, NULL), CACHETTE_OK);
    assert_int_equal(cachette_fetch(handle, keys[i], &got, NULL, NULL), 1);
    assert_int_equal(got.size, value.size);
    assert_memory_equal(got.data, large, got.size);
    cachette_free(got.data);
  }
  assert_int_equal(run_verb(handle, CACHETTE_FLUSH, "-"), LENGTH(keys));
  cachette_close(handle);
  free(large);
}

static void handles_see_each_others_puts(void **state) {
  (void)state;
  cachette *one = file_folder_open(&folder, NULL), *other = file_folder_open(&folder, NULL);
  for (int i = 0; i < 50; i++) {
    char text[16];
    snprintf(text, sizeof text, "%d", i);
    put_text(i % 2 == 0 ? one : other, "key", text, 0);
    assert_true(has_text(i % 2 == 0 ? other : one, "key", text));
  }
  cachette_close(one);
  assert_true(has_text(other, "key", "49"));
  cachette_close(other);
}

/* ---- Time ---- */

static void entries_expire_by_the_clock_of_the_options(void **state) {
  (void)state;
  int64_t now = 1000;
  cachette_options *options = options_with("backend", "file", "pickle_path", folder.path, NULL);
  cachette_options_set_clock(options, fake_clock, &now);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_options_free(options);
  put_text(handle, "a", "value", 500);
  put_text(handle, "b", "value", 1000);
  now += 499;
  assert_true(has_key(handle, "a"));
  now += 1;
  assert_false(has_key(handle, "a"));
  assert_true(has_key(handle, "b"));
  assert_int_equal(run_verb(handle, CACHETTE_CLEAR, "a"), 0);
  assert_int_equal(run_verb(handle, CACHETTE_FLUSH_EXPIRED, "-"), 1);
  now += 500;
  assert_int_equal(run_verb(handle, CACHETTE_FLUSH, "-"), 0);
  cachette_close(handle);
  assert_int_equal(query("SELECT count(*) FROM entry"), 0);
}

static void a_put_removes_expired_entries(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, "old:%d", 0, 20, 10, 20);
  usleep(40000);
  put_text(handle, "new", "value", 0);
  cachette_close(handle);
  assert_int_equal(query("SELECT count(*) FROM entry"), 1);
}

/* ---- Clearing ---- */

static void a_large_namespace_is_cleared_completely(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, "ns:%d", 0, 1500, 100, 0);
  fill(handle, "ns:old:%d", 0, 300, 100, 20);
  static const char *const others[] = {"ns", "ns;", "ns9", "nr:1", "n", "NS:1"};
  for (size_t i = 0; i < LENGTH(others); i++) put_text(handle, others[i], "value", 0);
  usleep(40000);
  assert_int_equal(run_verb(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 1500);
  assert_int_equal(run_verb(handle, CACHETTE_CLEAR_NAMESPACE, "ns"), 0);
  for (size_t i = 0; i < LENGTH(others); i++) assert_true(has_key(handle, others[i]));
  cachette_item items[] = {
      {.key = cachette_str("a")}, {.key = cachette_str("absent")}, {.key = cachette_str("b")}};
  fill(handle, "a:%d", 0, 300, 10, 0);
  fill(handle, "b:%d", 0, 256, 10, 0);
  cachette_op op = {.verb = CACHETTE_CLEAR_NAMESPACE, .items = items, .count = 3};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  assert_int_equal(op.number, 556);
  assert_int_equal(items[0].status, CACHETTE_HIT);
  assert_int_equal(items[1].status, CACHETTE_MISS);
  assert_int_equal(items[2].status, CACHETTE_HIT);
  cachette_close(handle);
  assert_int_equal(query("SELECT count(*) FROM entry"), LENGTH(others));
}

static void each_prefix_is_a_separate_cache(void **state) {
  (void)state;
  cachette *one = file_folder_open(&folder, "key_prefix", "one:", NULL);
  cachette *other = file_folder_open(&folder, "key_prefix", "other:", NULL);
  cachette *highest = file_folder_open(&folder, "key_prefix", "\xff\xff", NULL);
  fill(one, "%d", 0, 400, 10, 0);
  fill(other, "%d", 0, 400, 10, 20);
  fill(highest, "%d", 0, 300, 10, 0);
  usleep(40000);
  assert_int_equal(run_verb(highest, CACHETTE_FLUSH, "-"), 300);
  assert_int_equal(run_verb(one, CACHETTE_FLUSH_EXPIRED, "-"), 0);
  assert_int_equal(run_verb(one, CACHETTE_FLUSH, "-"), 400);
  put_text(other, "key", "value", 0);
  assert_int_equal(run_verb(one, CACHETTE_FLUSH, "-"), 0);
  assert_true(has_key(other, "key"));
  cachette_close(highest);
  cachette_close(one);
  cachette_close(other);
}

static void a_link_is_followed(void **state) {
  (void)state;
  char link[256], other[256];
  snprintf(link, sizeof link, "%s/link", folder.name);
  snprintf(other, sizeof other, "%s/other", folder.name);
  /* The link points to a file that does not exist yet. */
  assert_int_equal(symlink("cache.db", link), 0);
  for (int round = 0; round < 2; round++) {
    cachette *handle = file_folder_open(&folder, "pickle_path", link, NULL);
    assert_int_equal(has_key(handle, "a"), round == 1);
    put_text(handle, "a", "value", 0);
    cachette_close(handle);
    assert_true(file_size("") > 0);
  }
  assert_int_equal(symlink(link, other), 0);
  cachette *handle = file_folder_open(&folder, "pickle_path", other, NULL);
  assert_true(has_text(handle, "a", "value"));
  cachette_close(handle);
  struct stat about;
  assert_true(lstat(link, &about) == 0 && S_ISLNK(about.st_mode));
  assert_true(lstat(other, &about) == 0 && S_ISLNK(about.st_mode));
}

static void a_circular_link_is_refused(void **state) {
  (void)state;
  cachette *handle;
  cachette_error error;
  assert_int_equal(symlink(folder.path, folder.path), 0);
  cachette_options *options =
      options_with("backend", "file", "pickle_path", folder.path, "timeout", "5", NULL);
  assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_ECONFIG);
  assert_string_equal(error.subject, "pickle_path");
  assert_non_null(strstr(error.message, "circular"));
  cachette_options_free(options);
}

static void a_path_must_name_a_file_in_an_existing_folder(void **state) {
  (void)state;
  static const struct {
    const char *backend, *path, *words; /* words: in the error; NULL: the path is valid */
  } cases[] = {
      {"pickle", "cache.file", NULL},
      {"pickle", "/tmp/cache.file", NULL},
      {"pickle", "/tmp", "not a regular file"},
      {"pickle", "/tmp/no-such-folder/", "names a folder"},
      {"pickle", "/no/such/folder/cache", "folder does not exist"},
      {"file", "/no/such/folder/cache", "folder does not exist"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cachette_error error = {.message = ""};
    cachette_options *options =
        options_with("backend", cases[i].backend, "pickle_path", cases[i].path, NULL);
    size_t count = cachette_options_check(options, &error, 1);
    cachette_options_free(options);
    if (count != (cases[i].words != NULL)) fail_msg("%s: %s", cases[i].path, error.message);
    if (count == 0) continue;
    assert_string_equal(error.subject, "pickle_path");
    if (strstr(error.message, cases[i].words) == NULL) fail_msg("%s", error.message);
  }
}

/* A clear goes by row ids, and must not remove entries that were put after it started. */
static void row_ids_are_never_reused(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "a", "value", 0);
  int64_t first = query("SELECT max(id) FROM entry");
  run_verb(handle, CACHETTE_CLEAR, "a");
  put_text(handle, "b", "value", 0);
  assert_true(query("SELECT max(id) FROM entry") > first);
  cachette_close(handle);
}

/* ---- The limit ---- */

/* Waits until the file is within its limit. Returns false on a timeout. */
static bool wait_for_limit(cachette *handle, int64_t limit) {
  int64_t until = monotonic_ms() + 30000;
  while (stats_of(handle).bytes > limit && monotonic_ms() < until)
    run_verb(handle, CACHETTE_PING, "-");
  return stats_of(handle).bytes <= limit;
}

static void the_file_stays_within_its_limit(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  for (int round = 0; round < 10; round++) {
    fill(handle, "small:%d", round * 300, 300, 900, 0);
    fill(handle, "large:%d", round * 10, 10, 30000, 0);
    assert_true(wait_for_limit(handle, 1 << 20));
  }
  assert_int_equal(stats_of(handle).limit, 1 << 20);
  cachette_close(handle);
  assert_in_range(file_size(""), 700000, (1 << 20) + 500000);
  assert_true(query("SELECT count(*) FROM entry") > 100);
}

static void the_oldest_unused_entry_is_evicted_first(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  put_text(handle, "used", "value", 0);
  fill(handle, "%d", 0, 800, 900, 0);
  for (int i = 800; i < 3000; i += 100) {
    assert_true(has_key(handle, "used"));
    fill(handle, "%d", i, 100, 900, 0);
  }
  assert_int_equal(count_present(handle, "%d", 0, 1500), 0);
  assert_int_equal(count_present(handle, "%d", 2300, 700), 700);
  fill(handle, "%d", 3000, 2500, 900, 0);
  assert_false(has_key(handle, "used"));
  cachette_close(handle);
}

static void expired_entries_are_evicted_before_live_ones(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  fill(handle, "live:%d", 0, 400, 900, 0);
  fill(handle, "ended:%d", 0, 500, 900, 20);
  usleep(40000);
  fill(handle, "new:%d", 0, 300, 900, 0);
  assert_int_equal(count_present(handle, "live:%d", 0, 400), 400);
  assert_int_equal(count_present(handle, "new:%d", 0, 300), 300);
  cachette_close(handle);
}

static void an_entry_is_evicted_even_if_all_are_used(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  fill(handle, "old:%d", 0, 900, 900, 0);
  for (int i = 0; i < 900; i++) {
    char key[32];
    snprintf(key, sizeof key, "old:%d", i);
    has_key(handle, key);
  }
  fill(handle, "new:%d", 0, 300, 900, 0);
  assert_int_equal(count_present(handle, "new:%d", 0, 300), 300);
  assert_in_range(count_present(handle, "old:%d", 0, 900), 500, 750);
  cachette_close(handle);
}

static void a_value_larger_than_the_limit_is_refused(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  static char value[1 << 20];
  cachette_error error;
  put_text(handle, "key", "old", 0);
  put_text(handle, "other", "value", 0);
  assert_int_equal(
      cachette_put(handle, cachette_str("key"), (cachette_slice){value, sizeof value}, 0, &error),
      CACHETTE_ETOOBIG);
  assert_non_null(strstr(error.message, "\"key\" has 1048576 bytes; \"file_limit\" allows"));
  assert_false(has_key(handle, "key"));
  assert_true(has_key(handle, "other"));
  cachette_slice largest = {value, (1 << 20) - (1 << 14) - (1 << 16) - 3};
  assert_int_equal(cachette_put(handle, cachette_str("key"), largest, 0, &error), CACHETTE_OK);
  assert_true(has_key(handle, "key"));
  cachette_close(handle);
}

/* Expired entries are removed in parts, so that no put waits for all of them. */
static void a_lowered_limit_is_reached_in_steps(void **state) {
  (void)state;
  enum { COUNT = 150000, LIMIT = 4 << 20 };
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, "%d", 0, COUNT, 100, 0);
  cachette_close(handle);
  handle = file_folder_open(&folder, "file_limit", "4M", "timeout", "0.5", NULL);
  put_text(handle, "new", "value", 0);
  assert_true(stats_of(handle).bytes > 2 * LIMIT);
  assert_true(wait_for_limit(handle, LIMIT));
  assert_true(has_text(handle, "new", "value"));
  assert_true(stats_of(handle).evictions > COUNT / 2);
  cachette_close(handle);
}

static void a_flush_does_not_evict_first(void **state) {
  (void)state;
  enum { COUNT = 60000 };
  struct probe probe;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, "%d", 0, COUNT, 100, 0);
  cachette_close(handle);
  handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  probe_init(&probe, CACHETTE_FLUSH, "-");
  probe.op.timeout_ms = 60000;
  probe_submit(handle, &probe);
  if (probe_wait(handle, &probe) < 0) fail_msg("%s", probe.error.message);
  assert_int_equal(probe.op.number + stats_of(handle).evictions, COUNT);
  assert_true(wait_for_limit(handle, 1 << 20));
  cachette_close(handle);
}

static void entries_that_one_handle_reads_survive_puts_of_another(void **state) {
  (void)state;
  enum { HOT = 400 };
  char key[32];
  cachette *writer = file_folder_open(&folder, "file_limit", "2M", NULL);
  fill(writer, "hot:%d", 0, HOT, 900, 0);
  fill(writer, "cold:%d", 0, 1400, 900, 0);
  cachette *reader = file_folder_open(&folder, "file_limit", "2M", NULL);
  int64_t until = monotonic_ms() + 20000;
  for (int used = 0; used < HOT / 2 && monotonic_ms() < until;
       used = (int)query("SELECT count(*) FROM used"))
    for (int i = 0; i < HOT; i++) {
      snprintf(key, sizeof key, "hot:%d", i);
      assert_true(has_key(reader, key));
    }
  assert_true(stats_of(reader).bytes > 1 << 20);
  fill(writer, "new:%d", 0, 800, 900, 0);
  assert_true(count_present(writer, "hot:%d", 0, HOT) >= HOT / 2);
  assert_true(count_present(writer, "cold:%d", 0, HOT) < HOT / 2);
  cachette_close(reader);
  cachette_close(writer);
}

/* A handle that only reads notices when other handles change the size of the file. */
static void a_reader_knows_the_size_of_the_file(void **state) {
  (void)state;
  cachette *writer = file_folder_open(&folder, NULL), *reader = file_folder_open(&folder, NULL);
  put_text(writer, "key", "value", 0);
  assert_int_equal(stats_of(reader).bytes, -1);
  assert_true(has_key(reader, "key"));
  assert_in_range(stats_of(reader).bytes, 4096, 1 << 16);
  fill(writer, "%d", 0, 2000, 900, 0);
  int64_t until = monotonic_ms() + 20000;
  while (stats_of(reader).bytes < 1 << 20 && monotonic_ms() < until) {
    assert_true(has_key(reader, "key"));
    usleep(50000);
  }
  assert_true(stats_of(reader).bytes > 1 << 20);
  cachette_close(reader);
  cachette_close(writer);
}

static void evictions_are_counted(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, "file_limit", "1M", NULL);
  assert_int_equal(stats_of(handle).evictions, 0);
  fill(handle, "ended:%d", 0, 20, 900, 1);
  usleep(5000);
  fill(handle, "%d", 0, 3000, 900, 0);
  int64_t found = query("SELECT count(*) FROM entry");
  assert_int_equal(stats_of(handle).expirations, 20);
  assert_int_equal(stats_of(handle).evictions, 3000 - found);
  cachette_close(handle);
}

static void free_space_is_returned_to_the_disk(void **state) {
  (void)state;
  cachette *handle = file_folder_open(&folder, NULL);
  fill(handle, "%d", 0, 300, 100000, 0);
  assert_int_equal(run_verb(handle, CACHETTE_FLUSH, "-"), 300);
  int64_t until = monotonic_ms() + 20000;
  while (query("PRAGMA page_count") > 2000 && monotonic_ms() < until)
    run_verb(handle, CACHETTE_PING, "-");
  assert_true(query("PRAGMA page_count") < 2000);
  cachette_close(handle);
  assert_in_range(file_size(""), 4096, 8 << 20);
}

/* ---- Batches ---- */

static void puts_of_one_turn_share_a_transaction(void **state) {
  (void)state;
  enum { COUNT = 300 };
  static struct probe probes[COUNT];
  static char keys[COUNT][16];
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "first", "value", 0);
  int64_t before = file_size("-wal");
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "%d", i);
    probe_init(&probes[i], CACHETTE_PUT, keys[i]);
    probes[i].item.value = cachette_str("value");
    probe_submit(handle, &probes[i]);
  }
  for (int i = 0; i < COUNT; i++) {
    probe_wait(handle, &probes[i]);
    probe_expect(&probes[i], CACHETTE_OK);
  }
  /* Separate transactions would write at least three pages each. */
  assert_in_range(file_size("-wal") - before, 4096, COUNT * 4096);
  assert_int_equal(count_present(handle, "%d", 0, COUNT), COUNT);
  cachette_close(handle);
}

/* In one transaction, many large puts would wait for each other and all miss the deadline. */
static void large_puts_of_one_turn_use_several_transactions(void **state) {
  (void)state;
  enum { COUNT = 64, SIZE = 1 << 20 };
  static struct probe probes[COUNT];
  static char keys[COUNT][16], value[SIZE];
  cachette *handle = file_folder_open(&folder, "timeout", "60", NULL);
  int done = 0, batches = 0;
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "%d", i);
    probe_init(&probes[i], CACHETTE_PUT, keys[i]);
    probes[i].item.value = (cachette_slice){value, SIZE};
    probe_submit(handle, &probes[i]);
  }
  for (int before = 0; done < COUNT; before = done) {
    cachette_process(handle);
    done = 0;
    for (int i = 0; i < COUNT; i++) done += probes[i].done;
    batches += done > before;
  }
  assert_in_range(batches, COUNT / 8, COUNT); /* up to 8 MB each */
  for (int i = 0; i < COUNT; i++) probe_expect(&probes[i], CACHETTE_OK);
  cachette_close(handle);
}

static void a_cancelled_op_does_not_affect_others(void **state) {
  (void)state;
  enum { COUNT = 200 };
  static struct probe probes[COUNT];
  cachette *handle = file_folder_open(&folder, NULL);
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < COUNT; i++) {
      static const enum cachette_verb verbs[] = {CACHETTE_PUT, CACHETTE_FETCH, CACHETTE_FLUSH,
                                                 CACHETTE_CLEAR_NAMESPACE, CACHETTE_INCREMENT};
      probe_init(&probes[i], verbs[i % 5], "ns:key");
      probes[i].item.value = cachette_str("value");
      probe_submit(handle, &probes[i]);
    }
    if (round % 2 == 1) cachette_process(handle);
    for (int i = 0; i < COUNT; i += 2)
      if (cachette_op_pending(&probes[i].op)) cachette_cancel(handle, &probes[i].op);
    for (int i = 1; i < COUNT; i += 2) probe_wait(handle, &probes[i]);
    for (int i = 0; i < COUNT; i++) {
      assert_int_equal(probes[i].done, 1);
      cachette_op_deinit(&probes[i].op);
    }
  }
  for (int i = 0; i < COUNT; i++) {
    probe_init(&probes[i], i % 2 ? CACHETTE_FETCH : CACHETTE_PUT, "key");
    probes[i].item.value = cachette_str("value");
    probe_submit(handle, &probes[i]);
  }
  cachette_close(handle);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(probes[i].done, 1);
    cachette_op_deinit(&probes[i].op);
  }
}

/* ---- Processes ---- */

static void fill_and_clear(const char *name) {
  cachette *handle = file_folder_open(&folder, "file_limit", "2M", "timeout", "30", NULL);
  for (int i = 0; i < 60; i++) {
    char key[32], text[32];
    snprintf(key, sizeof key, "both:%d", i % 7);
    snprintf(text, sizeof text, "%s:%d", name, i);
    put_text(handle, text, text, 0);
    child_assert(has_text(handle, text, text));
    fill(handle, "both:%d", 0, 50, 2000, 0);
    run_verb(handle, i % 10 == 9 ? CACHETTE_FLUSH_EXPIRED : CACHETTE_CLEAR_NAMESPACE, "both");
  }
  child_assert(count_present(handle, strcmp(name, "one") == 0 ? "one:%d" : "two:%d", 0, 60) == 60);
  cachette_close(handle);
}

static pid_t start_filler(const char *name) {
  pid_t pid = fork();
  if (pid == 0) {
    fill_and_clear(name);
    _exit(0);
  }
  return pid;
}

static void expect_child(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void two_processes_can_clear_and_fill_concurrently(void **state) {
  (void)state;
  pid_t one = start_filler("one"), two = start_filler("two");
  expect_child(one);
  expect_child(two);
  assert_int_equal(query("SELECT count(*) FROM pragma_integrity_check "
                         "WHERE integrity_check = 'ok'"),
                   1);
}

static void use_in_child(void *data) {
  (void)data;
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "child", "value", 0);
  child_assert(has_text(handle, "parent", "value"));
  cachette_close(handle);
}

/* A process forks while the threads of its store read and write. */
static void a_process_may_fork_at_any_time(void **state) {
  (void)state;
  enum { COUNT = 40 };
  static struct probe probes[COUNT];
  cachette *handle = file_folder_open(&folder, NULL);
  put_text(handle, "parent", "value", 0);
  for (int round = 0; round < 25; round++) {
    for (int i = 0; i < COUNT; i++) {
      probe_init(&probes[i], i % 3 == 0 ? CACHETTE_INCREMENT : CACHETTE_FETCH,
                 i % 3 == 0 ? "counter" : "parent");
      probes[i].item.amount = 1;
      probe_submit(handle, &probes[i]);
    }
    run_in_child(use_in_child, NULL);
    for (int i = 0; i < COUNT; i++) {
      probe_wait(handle, &probes[i]);
      probe_expect(&probes[i], CACHETTE_OK);
      cachette_op_deinit(&probes[i].op);
    }
    assert_true(has_text(handle, "child", "value"));
  }
  assert_true(has_text(handle, "counter", "350"));
  cachette_close(handle);
  assert_int_equal(query("SELECT count(*) FROM pragma_integrity_check "
                         "WHERE integrity_check = 'ok'"),
                   1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(entries_survive_a_restart),
      TEST(stored_values_are_plain),
      TEST(a_relative_path_survives_a_change_of_folder),
      TEST(keys_and_values_may_be_any_bytes),
      TEST(handles_see_each_others_puts),
      TEST(entries_expire_by_the_clock_of_the_options),
      TEST(a_put_removes_expired_entries),
      TEST(a_large_namespace_is_cleared_completely),
      TEST(each_prefix_is_a_separate_cache),
      TEST(a_link_is_followed),
      TEST(a_circular_link_is_refused),
      TEST(a_path_must_name_a_file_in_an_existing_folder),
      TEST(row_ids_are_never_reused),
      TEST(the_file_stays_within_its_limit),
      TEST(a_lowered_limit_is_reached_in_steps),
      TEST(a_flush_does_not_evict_first),
      TEST(entries_that_one_handle_reads_survive_puts_of_another),
      TEST(a_reader_knows_the_size_of_the_file),
      TEST(evictions_are_counted),
      TEST(the_oldest_unused_entry_is_evicted_first),
      TEST(expired_entries_are_evicted_before_live_ones),
      TEST(an_entry_is_evicted_even_if_all_are_used),
      TEST(a_value_larger_than_the_limit_is_refused),
      TEST(free_space_is_returned_to_the_disk),
      TEST(puts_of_one_turn_share_a_transaction),
      TEST(large_puts_of_one_turn_use_several_transactions),
      TEST(a_cancelled_op_does_not_affect_others),
      TEST(two_processes_can_clear_and_fill_concurrently),
      TEST(a_process_may_fork_at_any_time),
  };
  return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
