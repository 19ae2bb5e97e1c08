/* SPDX-License-Identifier: MIT */
/*
 * Keeps the pages in use below the file's limit: removes expired entries first, then evicts entries
 * by the CLOCK algorithm. Also returns free pages to the system.
 */
#include "../../base/clock.h"
#include "internal.h"

enum {
  SCAN_MAX = 64,        /* entries that the hand passes in one step */
  EXPIRED_MAX = 64,     /* expired entries that are removed in one step */
  OVERHEAD_MAX = 65536, /* bytes of a file that hold no entries */
  SHRINK_PAGES = 512,   /* free pages returned to the system in one transaction */
  ENFORCE_MS = 25,      /* base of the time to enforce the limit */
  MEASURE_MS = 1000     /* between two measurements by a thread that only reads */
};

static int64_t limit_pages(const cachette__file_thread *thread) {
  return thread->shared->settings->limit / CACHETTE__FILE_PAGE_SIZE;
}

int64_t cachette__file_entry_max(const cachette__file_settings *settings) {
  return settings->limit - settings->limit / 64 - OVERHEAD_MAX;
}

/* Other processes may have filled the file since. */
void cachette__file_measure_if_due(cachette__file_thread *thread) {
  int64_t pages, free_pages;
  if (thread->db == NULL || cachette__machine_now() < thread->measured_ms + MEASURE_MS) return;
  cachette__file_measure(thread, &pages, &free_pages);
}

/* ---- Hits ---- */

void cachette__file_record_hit(cachette__file_thread *thread, int64_t id) {
  cachette__file_shared *shared = thread->shared;
  if (!atomic_load_explicit(&shared->nearly_full, memory_order_relaxed)) return;
  uv_mutex_lock(&shared->mutex);
  int64_t *slot = &shared->hits[(uint64_t)id % CACHETTE__FILE_HITS];
  shared->hit_count += *slot != id;
  *slot = id;
  uv_mutex_unlock(&shared->mutex);
}

static unsigned take_hits(cachette__file_shared *shared, int64_t ids[CACHETTE__FILE_HITS]) {
  unsigned count = 0;
  uv_mutex_lock(&shared->mutex);
  for (unsigned i = 0; shared->hit_count > 0 && i < CACHETTE__FILE_HITS; i++) {
    if (shared->hits[i] != 0) ids[count++] = shared->hits[i];
    shared->hits[i] = 0;
  }
  shared->hit_count = 0;
  uv_mutex_unlock(&shared->mutex);
  return count;
}

int cachette__file_store_hits(cachette__file_thread *thread) {
  int64_t ids[CACHETTE__FILE_HITS];
  unsigned count = take_hits(thread->shared, ids);
  if (count == 0) return SQLITE_OK;
  sqlite3_stmt *use = cachette__file_statement(thread, CACHETTE__FILE_MARK_USED);
  if (use == NULL) return sqlite3_extended_errcode(thread->db);
  int code = SQLITE_OK;
  for (unsigned i = 0; i < count && code == SQLITE_OK; i++) {
    sqlite3_bind_int64(use, 1, ids[i]);
    code = cachette__file_step(use);
  }
  return code;
}

void cachette__file_drop_idle_work(cachette__file_shared *shared) {
  int64_t ids[CACHETTE__FILE_HITS];
  take_hits(shared, ids);
  atomic_store(&shared->over_limit, false);
  atomic_store(&shared->can_shrink, false);
}

/* ---- CLOCK ---- */

/* Returns when to stop enforcing the limit. See cachette__file_enforce_limit(). */
static int64_t find_deadline(const cachette__file_thread *thread, int64_t now) {
  int64_t others_ms = now - thread->transaction.start_ms - thread->transaction.enforce_ms;
  int64_t max_ms = ENFORCE_MS + 2 * others_ms - thread->transaction.enforce_ms;
  int64_t left_ms = (thread->stop_ms - now) / 2;
  return now + (max_ms < left_ms ? max_ms : left_ms);
}

/* One step of the hand. */
struct scan {
  int64_t deadline_ms;       /* when to stop */
  int64_t from, to;          /* the hand's old and new position */
  int64_t goal;              /* the last entry of the revolution */
  int64_t victims[SCAN_MAX]; /* the entries that were not used */
  int victim_count, entry_count;
};

/* Reads the next entries. */
static int read_entries(cachette__file_thread *thread, struct scan *scan) {
  sqlite3_stmt *next = cachette__file_statement(thread, CACHETTE__FILE_SCAN);
  if (next == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(next, 1, scan->from);
  sqlite3_bind_int(next, 2, SCAN_MAX);
  sqlite3_bind_int64(next, 3, scan->goal);
  scan->to = scan->from;
  scan->victim_count = scan->entry_count = 0;
  int code;
  while ((code = sqlite3_step(next)) == SQLITE_ROW) {
    scan->to = sqlite3_column_int64(next, 0);
    scan->entry_count++;
    if (sqlite3_column_type(next, 1) == SQLITE_NULL) scan->victims[scan->victim_count++] = scan->to;
  }
  sqlite3_reset(next);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int check_limit(cachette__file_thread *thread, bool *over) {
  int64_t pages = 0, free_pages = 0;
  int code = cachette__file_measure(thread, &pages, &free_pages);
  *over = pages - free_pages > limit_pages(thread);
  return code;
}

static bool is_out_of_time(const struct scan *scan) {
  return cachette__machine_now() >= scan->deadline_ms;
}

/* Evicts entries until the file is below its limit or the time is up. The hand then stops at the
 * last evicted entry. */
static int evict(cachette__file_thread *thread, struct scan *scan, bool *over) {
  int code = SQLITE_OK;
  sqlite3_stmt *remove = cachette__file_statement(thread, CACHETTE__FILE_EVICT);
  if (remove == NULL) return sqlite3_extended_errcode(thread->db);
  bool proceed = true;
  for (int i = 0; i < scan->victim_count && proceed && code == SQLITE_OK; i++) {
    sqlite3_bind_int64(remove, 1, scan->victims[i]);
    code = cachette__file_step(remove);
    thread->transaction.evicted++;
    if (code == SQLITE_OK) code = check_limit(thread, over);
    proceed = *over && !is_out_of_time(scan);
    if (!proceed) scan->to = scan->victims[i];
  }
  return code;
}

/* Marks the entries that the hand passed as unused. */
static int mark_unused(cachette__file_thread *thread, const struct scan *scan) {
  sqlite3_stmt *unuse = cachette__file_statement(thread, CACHETTE__FILE_MARK_UNUSED);
  if (unuse == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(unuse, 1, scan->from);
  sqlite3_bind_int64(unuse, 2, scan->to);
  return cachette__file_step(unuse);
}

static int get_hand(cachette__file_thread *thread, struct scan *scan) {
  sqlite3_stmt *get = cachette__file_statement(thread, CACHETTE__FILE_GET_HAND);
  if (get == NULL) return sqlite3_extended_errcode(thread->db);
  int code = sqlite3_step(get);
  scan->from = sqlite3_column_int64(get, 0);
  scan->goal = sqlite3_column_int64(get, 1);
  sqlite3_reset(get);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int set_hand(cachette__file_thread *thread, const struct scan *scan) {
  sqlite3_stmt *set = cachette__file_statement(thread, CACHETTE__FILE_SET_HAND);
  if (set == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(set, 1, scan->from);
  sqlite3_bind_int64(set, 2, scan->goal);
  return cachette__file_step(set);
}

/* Starts a revolution over all entries except those that this transaction puts. */
static int begin_revolution(cachette__file_thread *thread, struct scan *scan) {
  scan->to = 0;
  int64_t first_new = thread->transaction.first_new;
  if (first_new == 0) return cachette__file_run(thread, CACHETTE__FILE_LAST_ID, &scan->goal);
  scan->goal = first_new - 1;
  return SQLITE_OK;
}

/*
 * Moves the hand until the file is below its limit. First it completes the current revolution. The
 * next one marks all entries as unused, and one more evicts all of them. The last one also evicts
 * the entries that this transaction put.
 */
static int move_hand(cachette__file_thread *thread, int64_t deadline_ms) {
  enum { REVOLUTIONS = 4 };
  struct scan scan = {.deadline_ms = deadline_ms};
  bool over = true;
  int code = get_hand(thread, &scan);
  for (int revolutions = 0;
       code == SQLITE_OK && over && revolutions <= REVOLUTIONS && !is_out_of_time(&scan);
       scan.from = scan.to) {
    code = read_entries(thread, &scan);
    if (code == SQLITE_OK) code = evict(thread, &scan, &over);
    if (code == SQLITE_OK) code = mark_unused(thread, &scan);
    if (scan.entry_count > 0 || code != SQLITE_OK) continue;
    if (++revolutions == REVOLUTIONS) thread->transaction.first_new = 0;
    code = begin_revolution(thread, &scan);
  }
  return code == SQLITE_OK ? set_hand(thread, &scan) : code;
}

/* ---- The limit ---- */

static int remove_expired(cachette__file_thread *thread, int64_t now_ms, int64_t deadline_ms,
                          bool *over) {
  int64_t count = EXPIRED_MAX;
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *over && count == EXPIRED_MAX &&
         cachette__machine_now() < deadline_ms) {
    count = 0;
    code = cachette__file_clear_expired(thread, now_ms, (cachette_slice){NULL, 0}, EXPIRED_MAX,
                                        &count);
    if (code == SQLITE_OK) code = check_limit(thread, over);
  }
  return code;
}

int cachette__file_enforce_limit(cachette__file_thread *thread, int64_t now_ms) {
  bool over = false;
  int64_t start_ms = cachette__machine_now(), deadline_ms = find_deadline(thread, start_ms);
  thread->transaction.unchecked = 0;
  int code = check_limit(thread, &over);
  if (code == SQLITE_OK && over) code = cachette__file_store_hits(thread);
  if (code == SQLITE_OK && over) code = remove_expired(thread, now_ms, deadline_ms, &over);
  if (code == SQLITE_OK && over) code = move_hand(thread, deadline_ms);
  thread->transaction.enforce_ms += cachette__machine_now() - start_ms;
  return code;
}

/* ---- Idle work ---- */

/* Whether idle work must stop. */
static bool must_stop(cachette__file_thread *thread) {
  cachette__file_shared *shared = thread->shared;
  uv_mutex_lock(&shared->mutex);
  bool job_waits = shared->writes.waiting.first != NULL;
  uv_mutex_unlock(&shared->mutex);
  return job_waits || atomic_load(&shared->closing) || cachette__file_forking();
}

/* The time, or 0: only the handle's thread may read a clock in the options. */
static int64_t idle_now(const cachette__file_settings *settings) {
  return settings->clock.now == NULL ? cachette__epoch_now() : 0;
}

int cachette__file_enforce_limit_when_idle(cachette__file_thread *thread) {
  cachette__file_shared *shared = thread->shared;
  int code = SQLITE_OK;
  bool proceed = true;
  while (code == SQLITE_OK && proceed && atomic_load(&shared->over_limit) && !must_stop(thread)) {
    thread->stop_ms = cachette__machine_now() + MEASURE_MS;
    code = cachette__file_begin(thread);
    if (code == SQLITE_OK) code = cachette__file_enforce_limit(thread, idle_now(shared->settings));
    proceed = thread->transaction.evicted + thread->transaction.expired > 0;
    if (code == SQLITE_OK) code = cachette__file_commit(thread);
  }
  if (!proceed) atomic_store(&shared->over_limit, false); /* nothing is left to remove */
  return code;
}

/* If this fails, a later call tries again. */
void cachette__file_shrink(cachette__file_thread *thread) {
  int64_t pages = 0, free_pages = 0;
  char text[48];
  sqlite3_snprintf(sizeof text, text, "PRAGMA incremental_vacuum(%d)", SHRINK_PAGES);
  while (!must_stop(thread) && atomic_load(&thread->shared->can_shrink)) {
    if (sqlite3_exec(thread->db, text, NULL, NULL, NULL) != SQLITE_OK) break;
    if (cachette__file_measure(thread, &pages, &free_pages) != SQLITE_OK) break;
  }
  atomic_store(&thread->shared->can_shrink, false);
  sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
