/* SPDX-License-Identifier: MIT */
/* What carriers do on a thread. */
#include <string.h>

#include "../../base/clock.h"
#include "client.h"

enum { SIZE_MOST = 8 << 20 }; /* bytes of the jobs that a carrier takes at once, if not of one */

void cachette__file_fail_job(cachette__file_job *job, const cachette_error *error) {
  job->code = cachette__fail(&job->error, error->code, error->subject, "%s", error->message);
  job->more = false;
}

void cachette__file_take(cachette__file_carrier *carrier) {
  cachette__file_list *waiting = &carrier->lane->waiting, *load = &carrier->load;
  size_t size = 0;
  uv_mutex_lock(&carrier->shared->mutex);
  load->tail = &load->first;
  for (unsigned i = 0; i < carrier->lane->most && waiting->first != NULL; i++) {
    size += waiting->first->size;
    if (i > 0 && size > SIZE_MOST) break;
    *load->tail = waiting->first;
    load->tail = &waiting->first->next;
    waiting->first = waiting->first->next;
  }
  *load->tail = NULL;
  if (waiting->first == NULL) waiting->tail = &waiting->first;
  uv_mutex_unlock(&carrier->shared->mutex);
}

/* Whether nothing is to be done for a job any more. */
static bool is_settled(const cachette__file_job *job) {
  return job->code < 0 || atomic_load_explicit(&job->abandoned, memory_order_relaxed);
}

/* Ends a transaction that failed; if SQLite has ended it by itself there is nothing to do. */
static void roll_back(cachette__file_thread *thread) {
  if (thread->db == NULL || sqlite3_get_autocommit(thread->db)) return;
  sqlite3_exec(thread->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Whether what was cut short may be begun again. */
static bool has_time(const cachette__file_thread *thread) {
  return !atomic_load(&thread->shared->closing) && cachette__machine_now() < thread->until_ms;
}

/*
 * Ends a transaction that failed. True: all may be tried again. False: `error` tells why not.
 *   again   what may be tried once only; cleared when it was
 */
static bool recover(cachette__file_thread *thread, int code, bool *again, cachette_error *error) {
  cachette__file_fail(thread, code, error);
  roll_back(thread);
  if (cachette__file_is_damage(code)) return cachette__file_set_aside(thread, error) == CACHETTE_OK;
  if (cachette__file_is_wait(code) || cachette__file_is_gone(thread)) return has_time(thread);
  if ((code & 0xff) != SQLITE_FULL || !*again || thread->db == NULL) return false;
  /* To delete wants room in the log, and this gives it some. */
  *again = false;
  sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  return true;
}

/* ---- Reading ---- */

static int read_transaction(cachette__file_thread *thread, cachette__file_job *job) {
  bool many = job->count > 1;
  int code = many ? cachette__file_run(thread, CACHETTE__FILE_BEGIN_READ, NULL) : SQLITE_OK;
  if (code == SQLITE_OK) code = cachette__file_do_read(thread, job);
  if (code == SQLITE_OK && many) code = cachette__file_run(thread, CACHETTE__FILE_COMMIT, NULL);
  return code;
}

/* Connects; `retry` tells whether it may be tried again if that failed. */
static bool connect_for(cachette__file_thread *thread, bool *retry, cachette_error *error) {
  int status = cachette__file_connect(thread, error);
  *retry = status == CACHETTE_ETIMEDOUT && has_time(thread);
  return status == CACHETTE_OK;
}

static void read_job(cachette__file_thread *thread, cachette__file_job *job) {
  cachette_error error = {.code = CACHETTE_OK};
  bool again = true, done = false, retry;
  thread->until_ms = job->until_ms;
  while (!done && !is_settled(job)) {
    cachette__file_enter();
    if (connect_for(thread, &retry, &error)) {
      int code = read_transaction(thread, job);
      done = code == SQLITE_OK;
      retry = !done && recover(thread, code, &again, &error);
    }
    cachette__file_leave();
    if (!done && !retry) cachette__file_fail_job(job, &error);
  }
}

void cachette__file_read(cachette__file_carrier *carrier, cachette__file_thread *thread) {
  cachette__file_take(carrier);
  for (cachette__file_job *job = carrier->load.first; job != NULL; job = job->next)
    read_job(thread, job);
  cachette__file_enter();
  cachette__file_measure_again(thread);
  cachette__file_leave();
}

/* ---- Writing ---- */

/* The jobs that a transaction is of: all of a list, or its first alone. */
struct group {
  cachette__file_job *first;
  bool alone;
};

static cachette__file_job *next_of(const struct group *group, const cachette__file_job *job) {
  return group->alone ? NULL : job->next;
}

static bool is_group_settled(const struct group *group) {
  for (const cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_settled(job)) return false;
  return true;
}

/* SQLite waits as long as the first that has to know. */
static void set_patience(cachette__file_thread *thread, const struct group *group) {
  thread->until_ms = INT64_MAX;
  for (const cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_settled(job) && job->until_ms < thread->until_ms) thread->until_ms = job->until_ms;
}

static void fail_group(const struct group *group, const cachette_error *error, bool only_late) {
  int64_t now = cachette__machine_now();
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_settled(job) && (!only_late || job->until_ms <= now))
      cachette__file_fail_job(job, error);
}

/* Has those that are left come again with a load of their own, for the others are to be told now.
 */
static void put_off(const struct group *group) {
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_settled(job)) job->more = true;
}

static void begin_job(cachette__file_job *job) {
  if (is_settled(job)) return;
  job->error.code = CACHETTE_OK;
  job->more = false;
  job->before.number = job->number;
  job->before.place = job->place;
}

static void undo_jobs(const struct group *group) {
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job)) {
    if (is_settled(job)) continue;
    job->number = job->before.number;
    job->place = job->before.place;
    job->more = false;
  }
}

int cachette__file_begin(cachette__file_thread *thread) {
  int code = cachette__file_run(thread, CACHETTE__FILE_BEGIN_WRITE, NULL);
  memset(&thread->now, 0, sizeof thread->now);
  thread->now.begun_ms = cachette__machine_now();
  return code;
}

int cachette__file_commit(cachette__file_thread *thread) {
  int code = cachette__file_run(thread, CACHETTE__FILE_COMMIT, NULL);
  if (code != SQLITE_OK) return code;
  atomic_fetch_add(&thread->shared->evictions, thread->now.evicted);
  atomic_fetch_add(&thread->shared->expirations, thread->now.expired);
  return SQLITE_OK;
}

/* What is to be done by the way, after jobs that ended at this time. */
static int clean_up(cachette__file_thread *thread, int64_t now_ms) {
  enum { ENDED_BY_THE_WAY = 32 };
  int64_t pages, free_pages, ended = 0;
  if (thread->now.unswept == 0) return cachette__file_measure(thread, &pages, &free_pages);
  cachette_slice all = {NULL, 0};
  int code = cachette__file_sweep_ended(thread, now_ms, all, ENDED_BY_THE_WAY, &ended);
  return code == SQLITE_OK ? cachette__file_make_room(thread, now_ms) : code;
}

/* All jobs in one transaction, with what has to be done by the way. SQLite's code. */
static int transact(cachette__file_thread *thread, const struct group *group) {
  int64_t now = 0;
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    begin_job(job);
  int code = cachette__file_begin(thread);
  if (code == SQLITE_OK && atomic_load(&thread->shared->nearly_full)) {
    code = cachette__file_run(thread, CACHETTE__FILE_LAST, &thread->now.first_new);
    thread->now.first_new++;
  }
  for (cachette__file_job *job = group->first; code == SQLITE_OK && job != NULL;
       job = next_of(group, job)) {
    if (is_settled(job)) continue;
    code = cachette__file_do_write(thread, job);
    now = job->now_ms;
  }
  if (code == SQLITE_OK) code = clean_up(thread, now);
  return code == SQLITE_OK ? cachette__file_commit(thread) : code;
}

/*
 * On a full disk nothing can be deleted, for that has to be written first. But all can go with the
 * file, by a flush of everything. True: it went, and the job is done.
 */
static bool flush_full(cachette__file_thread *thread, const struct group *group, int code,
                       cachette_error *error) {
  cachette__file_job *job = group->first;
  if ((code & 0xff) != SQLITE_FULL || !group->alone || job->verb != CACHETTE_FLUSH ||
      thread->shared->settings.prefix[0] != '\0' || thread->db == NULL)
    return false;
  sqlite3_stmt *count = cachette__file_statement(thread, CACHETTE__FILE_COUNT);
  if (count == NULL) return false;
  sqlite3_bind_int64(count, 1, job->now_ms);
  if (cachette__file_run(thread, CACHETTE__FILE_COUNT, &job->number) != SQLITE_OK) return false;
  job->number += job->before.number;
  return cachette__file_remove(thread, error) == CACHETTE_OK;
}

/* Returns false when the jobs have to be tried one by one. */
static bool write_group(cachette__file_thread *thread, const struct group *group) {
  cachette_error error = {.code = CACHETTE_OK};
  bool again = true, done = false, apart = false, late = false, retry;
  while (!done && !apart && !late && !is_group_settled(group)) {
    set_patience(thread, group);
    cachette__file_enter();
    if (connect_for(thread, &retry, &error)) {
      int code = transact(thread, group);
      done = code == SQLITE_OK;
      if (!done) undo_jobs(group);
      retry = !done && recover(thread, code, &again, &error);
      if (!done && !retry) done = flush_full(thread, group, code, &error);
      apart = !done && !retry && !cachette__file_is_wait(code) && !cachette__file_is_damage(code) &&
              !group->alone;
    }
    cachette__file_leave();
    if (done || retry || apart) continue;
    late = error.code == CACHETTE_ETIMEDOUT && !atomic_load(&thread->shared->closing);
    fail_group(group, &error, late);
  }
  if (late) put_off(group);
  return !apart;
}

/* Notes, room and free space, for which nobody waits. What cannot be done now is forgotten: it
 * comes up again by itself, and must not be tried over and over. */
static void work_idly(cachette__file_thread *thread) {
  enum { PATIENCE_MS = 200 };
  cachette_error error;
  int code = SQLITE_ERROR;
  thread->until_ms = cachette__machine_now() + PATIENCE_MS;
  cachette__file_enter();
  if (cachette__file_connect(thread, &error) == CACHETTE_OK) {
    code = cachette__file_begin(thread);
    if (code == SQLITE_OK) code = cachette__file_put_notes(thread);
    if (code == SQLITE_OK) code = cachette__file_commit(thread);
    if (code == SQLITE_OK) code = cachette__file_make_room_idly(thread);
    roll_back(thread);
    thread->until_ms = INT64_MAX;
    if (code == SQLITE_OK) cachette__file_tidy(thread);
  }
  if (code != SQLITE_OK) cachette__file_forget_idle(thread->shared);
  cachette__file_leave();
}

void cachette__file_write(cachette__file_carrier *carrier, cachette__file_thread *thread) {
  cachette__file_take(carrier);
  struct group all = {carrier->load.first, false};
  if (all.first == NULL)
    work_idly(thread);
  else if (!write_group(thread, &all))
    for (cachette__file_job *job = all.first; job != NULL; job = job->next)
      write_group(thread, &(struct group){job, true});
}
