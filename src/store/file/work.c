/* SPDX-License-Identifier: MIT */
/* Runs a batch on a thread of the pool: its jobs become transactions, which are retried where that
 * may help. */
#include "../../base/clock.h"
#include "internal.h"

static void fail_job(cachette__file_job *job, const cachette_error *error) {
  job->op.code = cachette__fail(&job->op.error, error->code, error->subject, "%s", error->message);
  job->more = false;
}

/* Whether a job needs no more work: it failed, or its op was detached. */
static bool is_finished(const cachette__file_job *job) {
  return job->op.code < 0 || atomic_load_explicit(&job->detached, memory_order_relaxed);
}

/* Rolls back a failed transaction, unless SQLite already did. */
static void roll_back(cachette__file_thread *thread) {
  if (thread->db == NULL || sqlite3_get_autocommit(thread->db)) return;
  sqlite3_exec(thread->db, "ROLLBACK", NULL, NULL, NULL);
}

/* Whether there is time for another try. */
static bool has_time(const cachette__file_thread *thread) {
  return !atomic_load(&thread->shared->closing) && cachette__machine_now() < thread->stop_ms;
}

/*
 * Rolls back a failed transaction. Returns whether the caller may try again; if not, `error` is
 * filled. `*checkpoint`: whether a checkpoint may still be tried if the disk is full; set to false
 * when it was.
 */
static bool recover(cachette__file_thread *thread, int code, bool *checkpoint,
                    cachette_error *error) {
  cachette__file_fail(thread, code, error);
  roll_back(thread);
  if (cachette__file_is_corrupt(code))
    return cachette__file_set_aside(thread, error) == CACHETTE_OK;
  if (cachette__file_is_interrupted(code) || cachette__file_is_gone(thread))
    return has_time(thread);
  if ((code & 0xff) != SQLITE_FULL || !*checkpoint || thread->db == NULL) return false;
  /* Even a delete needs space in the log. A checkpoint frees some. */
  *checkpoint = false;
  sqlite3_wal_checkpoint_v2(thread->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  return true;
}

/* ---- Reading ---- */

static int read_transaction(cachette__file_thread *thread, cachette__file_job *job) {
  bool many = job->op.count > 1;
  int code = many ? cachette__file_run(thread, CACHETTE__FILE_BEGIN_READ, NULL) : SQLITE_OK;
  if (code == SQLITE_OK) code = cachette__file_read(thread, job);
  if (code == SQLITE_OK && many) code = cachette__file_run(thread, CACHETTE__FILE_COMMIT, NULL);
  return code;
}

/* Connects the thread. If that fails, sets `*retry` to whether another try may help, and fills
 * `error`. */
static bool try_to_connect(cachette__file_thread *thread, bool *retry, cachette_error *error) {
  int status = cachette__file_connect(thread, error);
  *retry = status == CACHETTE_ETIMEDOUT && has_time(thread);
  return status == CACHETTE_OK;
}

static void read_job(cachette__file_thread *thread, cachette__file_job *job) {
  cachette_error error = {.code = CACHETTE_OK};
  bool checkpoint = true, done = false, retry;
  thread->stop_ms = job->stop_ms;
  while (!done && !is_finished(job)) {
    cachette__file_enter();
    if (try_to_connect(thread, &retry, &error)) {
      int code = read_transaction(thread, job);
      done = code == SQLITE_OK;
      retry = !done && recover(thread, code, &checkpoint, &error);
    }
    cachette__file_leave();
    if (!done && !retry) fail_job(job, &error);
  }
}

static void read_batch(cachette__file_batch *batch, cachette__file_thread *thread) {
  for (cachette__file_job *job = batch->jobs.first; job != NULL; job = job->next)
    read_job(thread, job);
  cachette__file_enter();
  cachette__file_measure_if_due(thread);
  cachette__file_leave();
}

/* ---- Writing ---- */

/* The jobs of one transaction: a whole list, or only its first job. */
struct group {
  cachette__file_job *first;
  bool single;
};

static cachette__file_job *next_of(const struct group *group, const cachette__file_job *job) {
  return group->single ? NULL : job->next;
}

static bool is_group_finished(const struct group *group) {
  for (const cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_finished(job)) return false;
  return true;
}

/* SQLite stops at the earliest deadline of the jobs. */
static void set_stop(cachette__file_thread *thread, const struct group *group) {
  thread->stop_ms = INT64_MAX;
  for (const cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_finished(job) && job->stop_ms < thread->stop_ms) thread->stop_ms = job->stop_ms;
}

static void fail_group(const struct group *group, const cachette_error *error,
                       bool only_timed_out) {
  int64_t now = cachette__machine_now();
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_finished(job) && (!only_timed_out || job->stop_ms <= now)) fail_job(job, error);
}

/* Returns unfinished jobs to the queue, so that the others complete now. */
static void requeue(const struct group *group) {
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    if (!is_finished(job)) job->more = true;
}

static void begin_job(cachette__file_job *job) {
  if (is_finished(job)) return;
  job->op.error.code = CACHETTE_OK;
  job->more = false;
  job->saved.number = job->op.number;
  job->saved.index = job->index;
}

static void restore_jobs(const struct group *group) {
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job)) {
    if (is_finished(job)) continue;
    job->op.number = job->saved.number;
    job->index = job->saved.index;
    job->more = false;
  }
}

/* Removes a few expired entries and enforces the limit, in the jobs' transaction. */
static int clean_up(cachette__file_thread *thread, int64_t now_ms) {
  enum { EXPIRED_MAX = 32 };
  int64_t pages, free_pages, expired = 0;
  if (thread->transaction.unchecked == 0)
    return cachette__file_measure(thread, &pages, &free_pages);
  cachette_slice all = {NULL, 0};
  int code = cachette__file_clear_expired(thread, now_ms, all, EXPIRED_MAX, &expired);
  return code == SQLITE_OK ? cachette__file_enforce_limit(thread, now_ms) : code;
}

/* Runs all jobs in one transaction. Returns SQLite's code. */
static int write_transaction(cachette__file_thread *thread, const struct group *group) {
  int64_t now = 0;
  for (cachette__file_job *job = group->first; job != NULL; job = next_of(group, job))
    begin_job(job);
  int code = cachette__file_begin(thread);
  if (code == SQLITE_OK && atomic_load(&thread->shared->nearly_full)) {
    code = cachette__file_run(thread, CACHETTE__FILE_LAST_ID, &thread->transaction.first_new);
    thread->transaction.first_new++;
  }
  for (cachette__file_job *job = group->first; code == SQLITE_OK && job != NULL;
       job = next_of(group, job)) {
    if (is_finished(job)) continue;
    code = cachette__file_write(thread, job);
    now = job->now_ms;
  }
  if (code == SQLITE_OK) code = clean_up(thread, now);
  return code == SQLITE_OK ? cachette__file_commit(thread) : code;
}

/*
 * On a full disk no entry can be deleted, because a delete writes to the log first. But a flush of
 * all entries can remove the file. Returns whether it did; then the job is done.
 */
static bool flush_full_disk(cachette__file_thread *thread, const struct group *group, int code,
                            cachette_error *error) {
  cachette__file_job *job = group->first;
  if ((code & 0xff) != SQLITE_FULL || !group->single || job->op.verb != CACHETTE_FLUSH ||
      thread->shared->settings->prefix[0] != '\0' || thread->db == NULL)
    return false;
  sqlite3_stmt *count = cachette__file_statement(thread, CACHETTE__FILE_COUNT);
  if (count == NULL) return false;
  sqlite3_bind_int64(count, 1, job->now_ms);
  if (cachette__file_run(thread, CACHETTE__FILE_COUNT, &job->op.number) != SQLITE_OK) return false;
  job->op.number += job->saved.number;
  return cachette__file_remove(thread, error) == CACHETTE_OK;
}

/* Returns false if the jobs must run in separate transactions. */
static bool write_group(cachette__file_thread *thread, const struct group *group) {
  cachette_error error = {.code = CACHETTE_OK};
  bool checkpoint = true, done = false, split = false, timed_out = false, retry;
  while (!done && !split && !timed_out && !is_group_finished(group)) {
    set_stop(thread, group);
    cachette__file_enter();
    if (try_to_connect(thread, &retry, &error)) {
      int code = write_transaction(thread, group);
      done = code == SQLITE_OK;
      if (!done) restore_jobs(group);
      retry = !done && recover(thread, code, &checkpoint, &error);
      if (!done && !retry) done = flush_full_disk(thread, group, code, &error);
      split = !done && !retry && !cachette__file_is_interrupted(code) &&
              !cachette__file_is_corrupt(code) && !group->single;
    }
    cachette__file_leave();
    if (done || retry || split) continue;
    timed_out = error.code == CACHETTE_ETIMEDOUT && !atomic_load(&thread->shared->closing);
    fail_group(group, &error, timed_out);
  }
  if (timed_out) requeue(group);
  return !split;
}

/* Stores hits, enforces the limit and shrinks the file while no job waits. Work that fails is
 * dropped instead of retried in a loop; it becomes due again later. */
static void do_idle_work(cachette__file_thread *thread) {
  enum { IDLE_TIMEOUT_MS = 200 };
  cachette_error error;
  int code = SQLITE_ERROR;
  thread->stop_ms = cachette__machine_now() + IDLE_TIMEOUT_MS;
  cachette__file_enter();
  if (cachette__file_connect(thread, &error) == CACHETTE_OK) {
    code = cachette__file_begin(thread);
    if (code == SQLITE_OK) code = cachette__file_store_hits(thread);
    if (code == SQLITE_OK) code = cachette__file_commit(thread);
    if (code == SQLITE_OK) code = cachette__file_enforce_limit_when_idle(thread);
    roll_back(thread);
    thread->stop_ms = INT64_MAX;
    if (code == SQLITE_OK) cachette__file_shrink(thread);
  }
  if (code != SQLITE_OK) cachette__file_drop_idle_work(thread->shared);
  cachette__file_leave();
}

static void write_batch(cachette__file_batch *batch, cachette__file_thread *thread) {
  struct group all = {batch->jobs.first, false};
  if (all.first == NULL)
    do_idle_work(thread);
  else if (!write_group(thread, &all))
    for (cachette__file_job *job = all.first; job != NULL; job = job->next)
      write_group(thread, &(struct group){job, true});
}

void cachette__file_work(cachette__file_batch *batch, cachette__file_thread *thread) {
  cachette__file_queue_take(batch);
  if (batch->queue == &batch->shared->writes)
    write_batch(batch, thread);
  else
    read_batch(batch, thread);
}
