/* SPDX-License-Identifier: MIT */
/*
 * Keeping the file to its limit, which is one of pages in use: those that have ended go first, then
 * the hand of the clock goes round. And giving back what is free.
 */
#include "../../base/clock.h"
#include "client.h"

enum {
  ROUND = 64,        /* entries that the hand looks at together */
  ENDED = 64,        /* entries that have ended, removed together */
  OVERHEAD = 65536,  /* bytes of a file that are not for entries, at most */
  SLICE_PAGES = 512, /* given back in one transaction */
  KEPT_PAGES = 256,  /* that may be free without being given back */
  ROOM_MS = 25,      /* that making room may take in any case */
  MEASURE_MS = 1000  /* between two looks of one who only reads */
};

static int64_t limit_pages(const cachette__file_thread *thread) {
  return thread->shared->settings.limit / 4096;
}

int64_t cachette__file_entry_most(const cachette__file_settings *settings) {
  return settings->limit - settings->limit / 64 - OVERHEAD;
}

int cachette__file_measure(cachette__file_thread *thread, int64_t *pages, int64_t *free_pages) {
  cachette__file_shared *shared = thread->shared;
  int code = cachette__file_run(thread, CACHETTE__FILE_PAGES, pages);
  if (code == SQLITE_OK) code = cachette__file_run(thread, CACHETTE__FILE_FREE_PAGES, free_pages);
  if (code != SQLITE_OK) return code;
  int64_t used = *pages - *free_pages;
  atomic_store(&shared->bytes, used * 4096);
  atomic_store(&shared->nearly_full, used > limit_pages(thread) / 4 * 3);
  atomic_store(&shared->crowded, used > limit_pages(thread));
  atomic_store(&shared->untidy, *free_pages > KEPT_PAGES && *free_pages > *pages / 4);
  thread->measured_ms = cachette__machine_now();
  return SQLITE_OK;
}

/* Others may have filled the file meanwhile. */
void cachette__file_measure_again(cachette__file_thread *thread) {
  int64_t pages, free_pages;
  if (thread->db == NULL || cachette__machine_now() < thread->measured_ms + MEASURE_MS) return;
  cachette__file_measure(thread, &pages, &free_pages);
}

/* ---- Notes ---- */

void cachette__file_note(cachette__file_thread *thread, int64_t id) {
  cachette__file_shared *shared = thread->shared;
  if (!atomic_load_explicit(&shared->nearly_full, memory_order_relaxed)) return;
  uv_mutex_lock(&shared->mutex);
  int64_t *place = &shared->notes[(uint64_t)id % CACHETTE__FILE_NOTES];
  shared->noted += *place != id;
  *place = id;
  uv_mutex_unlock(&shared->mutex);
}

static unsigned take_notes(cachette__file_shared *shared, int64_t ids[CACHETTE__FILE_NOTES]) {
  unsigned count = 0;
  uv_mutex_lock(&shared->mutex);
  for (unsigned i = 0; shared->noted > 0 && i < CACHETTE__FILE_NOTES; i++) {
    if (shared->notes[i] != 0) ids[count++] = shared->notes[i];
    shared->notes[i] = 0;
  }
  shared->noted = 0;
  uv_mutex_unlock(&shared->mutex);
  return count;
}

int cachette__file_put_notes(cachette__file_thread *thread) {
  int64_t ids[CACHETTE__FILE_NOTES];
  unsigned count = take_notes(thread->shared, ids);
  if (count == 0) return SQLITE_OK;
  sqlite3_stmt *use = cachette__file_statement(thread, CACHETTE__FILE_USE);
  if (use == NULL) return sqlite3_extended_errcode(thread->db);
  int code = SQLITE_OK;
  for (unsigned i = 0; i < count && code == SQLITE_OK; i++) {
    sqlite3_bind_int64(use, 1, ids[i]);
    code = cachette__file_step(use);
  }
  return code;
}

void cachette__file_forget_idle(cachette__file_shared *shared) {
  int64_t ids[CACHETTE__FILE_NOTES];
  take_notes(shared, ids);
  atomic_store(&shared->crowded, false);
  atomic_store(&shared->untidy, false);
}

/* ---- How long ---- */

/* Until when room may be made now. */
static int64_t find_end(const cachette__file_thread *thread, int64_t now) {
  int64_t others_ms = now - thread->now.begun_ms - thread->now.room_ms;
  int64_t most_ms = ROOM_MS + 2 * others_ms - thread->now.room_ms;
  int64_t left_ms = (thread->until_ms - now) / 2;
  return now + (most_ms < left_ms ? most_ms : left_ms);
}

/* ---- The clock ---- */

/* What the hand passes. */
struct round {
  int64_t end_ms;   /* when its time is over */
  int64_t from, to; /* where it was, and is */
  int64_t goal;     /* the last entry of its turn */
  int64_t evicted[ROUND];
  int count, seen;
};

/* Looks at the next entries. */
static int look(cachette__file_thread *thread, struct round *round) {
  sqlite3_stmt *next = cachette__file_statement(thread, CACHETTE__FILE_ROUND);
  if (next == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(next, 1, round->from);
  sqlite3_bind_int(next, 2, ROUND);
  sqlite3_bind_int64(next, 3, round->goal);
  round->to = round->from;
  round->count = round->seen = 0;
  int code;
  while ((code = sqlite3_step(next)) == SQLITE_ROW) {
    round->to = sqlite3_column_int64(next, 0);
    round->seen++;
    if (sqlite3_column_type(next, 1) == SQLITE_NULL) round->evicted[round->count++] = round->to;
  }
  sqlite3_reset(next);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int is_over(cachette__file_thread *thread, bool *over) {
  int64_t pages = 0, free_pages = 0;
  int code = cachette__file_measure(thread, &pages, &free_pages);
  *over = pages - free_pages > limit_pages(thread);
  return code;
}

static bool is_late(const struct round *round) { return cachette__machine_now() >= round->end_ms; }

/* Removes what was found, until there is room or no time; the hand stays at the last that it
 * decided on. */
static int evict(cachette__file_thread *thread, struct round *round, bool *over) {
  int code = SQLITE_OK;
  sqlite3_stmt *remove = cachette__file_statement(thread, CACHETTE__FILE_EVICT);
  if (remove == NULL) return sqlite3_extended_errcode(thread->db);
  bool on = true;
  for (int i = 0; i < round->count && on && code == SQLITE_OK; i++) {
    sqlite3_bind_int64(remove, 1, round->evicted[i]);
    code = cachette__file_step(remove);
    thread->now.evicted++;
    if (code == SQLITE_OK) code = is_over(thread, over);
    on = *over && !is_late(round);
    if (!on) round->to = round->evicted[i];
  }
  return code;
}

/* Entries that it passed have to be used again to be kept the next time. */
static int pass(cachette__file_thread *thread, const struct round *round) {
  sqlite3_stmt *unuse = cachette__file_statement(thread, CACHETTE__FILE_UNUSE);
  if (unuse == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(unuse, 1, round->from);
  sqlite3_bind_int64(unuse, 2, round->to);
  return cachette__file_step(unuse);
}

static int get_hand(cachette__file_thread *thread, struct round *round) {
  sqlite3_stmt *get = cachette__file_statement(thread, CACHETTE__FILE_HAND);
  if (get == NULL) return sqlite3_extended_errcode(thread->db);
  int code = sqlite3_step(get);
  round->from = sqlite3_column_int64(get, 0);
  round->goal = sqlite3_column_int64(get, 1);
  sqlite3_reset(get);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int set_hand(cachette__file_thread *thread, const struct round *round) {
  sqlite3_stmt *set = cachette__file_statement(thread, CACHETTE__FILE_SET_HAND);
  if (set == NULL) return sqlite3_extended_errcode(thread->db);
  sqlite3_bind_int64(set, 1, round->from);
  sqlite3_bind_int64(set, 2, round->goal);
  return cachette__file_step(set);
}

/* Begins a turn: of all that is there, but for what this transaction puts. */
static int begin_turn(cachette__file_thread *thread, struct round *round) {
  round->to = 0;
  int64_t first_new = thread->now.first_new;
  if (first_new == 0) return cachette__file_run(thread, CACHETTE__FILE_LAST, &round->goal);
  round->goal = first_new - 1;
  return SQLITE_OK;
}

/*
 * The turn that it is in ends; the next clears the uses, and one more takes all. If there still is
 * no room then what this transaction put has to go as well.
 */
static int turn_hand(cachette__file_thread *thread, int64_t end_ms) {
  enum { TURNS = 4 };
  struct round round = {.end_ms = end_ms};
  bool over = true;
  int code = get_hand(thread, &round);
  for (int turns = 0; code == SQLITE_OK && over && turns <= TURNS && !is_late(&round);
       round.from = round.to) {
    code = look(thread, &round);
    if (code == SQLITE_OK) code = evict(thread, &round, &over);
    if (code == SQLITE_OK) code = pass(thread, &round);
    if (round.seen > 0 || code != SQLITE_OK) continue;
    if (++turns == TURNS) thread->now.first_new = 0;
    code = begin_turn(thread, &round);
  }
  return code == SQLITE_OK ? set_hand(thread, &round) : code;
}

static int remove_ended(cachette__file_thread *thread, int64_t now_ms, int64_t end_ms, bool *over) {
  int64_t count = ENDED;
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *over && count == ENDED && cachette__machine_now() < end_ms) {
    count = 0;
    code = cachette__file_sweep_ended(thread, now_ms, (cachette_slice){NULL, 0}, ENDED, &count);
    if (code == SQLITE_OK) code = is_over(thread, over);
  }
  return code;
}

int cachette__file_make_room(cachette__file_thread *thread, int64_t now_ms) {
  bool over = false;
  int64_t begin_ms = cachette__machine_now(), end_ms = find_end(thread, begin_ms);
  thread->now.unswept = 0;
  int code = is_over(thread, &over);
  if (code == SQLITE_OK && over) code = cachette__file_put_notes(thread);
  if (code == SQLITE_OK && over) code = remove_ended(thread, now_ms, end_ms, &over);
  if (code == SQLITE_OK && over) code = turn_hand(thread, end_ms);
  thread->now.room_ms += cachette__machine_now() - begin_ms;
  return code;
}

/* ---- Idly ---- */

/* Whether there is something better to do. */
static bool is_wanted(cachette__file_thread *thread) {
  cachette__file_shared *shared = thread->shared;
  uv_mutex_lock(&shared->mutex);
  bool waits = shared->writes.waiting.first != NULL;
  uv_mutex_unlock(&shared->mutex);
  return waits || atomic_load(&shared->closing) || cachette__file_forking();
}

/* The options' own clock is for the handle's thread alone. */
static int64_t idle_now(const cachette__file_settings *settings) {
  return settings->clock.now == NULL ? cachette__epoch_now() : 0;
}

int cachette__file_make_room_idly(cachette__file_thread *thread) {
  cachette__file_shared *shared = thread->shared;
  int code = SQLITE_OK;
  bool on = true;
  while (code == SQLITE_OK && on && atomic_load(&shared->crowded) && !is_wanted(thread)) {
    thread->until_ms = cachette__machine_now() + MEASURE_MS;
    code = cachette__file_begin(thread);
    if (code == SQLITE_OK) code = cachette__file_make_room(thread, idle_now(&shared->settings));
    on = thread->now.evicted + thread->now.expired > 0;
    if (code == SQLITE_OK) code = cachette__file_commit(thread);
  }
  if (!on) atomic_store(&shared->crowded, false); /* there is nothing left to go */
  return code;
}

/* What cannot be given back now is with a later call. */
void cachette__file_tidy(cachette__file_thread *thread) {
  int64_t pages = 0, free_pages = 0;
  char text[48];
  sqlite3_snprintf(sizeof text, text, "PRAGMA incremental_vacuum(%d)", SLICE_PAGES);
  while (!is_wanted(thread) && atomic_load(&thread->shared->untidy)) {
    if (sqlite3_exec(thread->db, text, NULL, NULL, NULL) != SQLITE_OK) break;
    if (cachette__file_measure(thread, &pages, &free_pages) != SQLITE_OK) break;
  }
  atomic_store(&thread->shared->untidy, false);
  sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
