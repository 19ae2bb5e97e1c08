/* SPDX-License-Identifier: MIT */
/*
 * The thread pool of a store: on which threads jobs run, how many run concurrently, and what a
 * close frees.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/common/pool.h"
#include "support.h"

enum { MANY = 500, THREADS = 4, LONG_MS = 20000, SHORT_MS = 100 };

/* What the jobs of a pool share: counters, and a gate that some jobs wait for. */
typedef struct record {
  uv_mutex_t mutex;
  uv_cond_t changed;
  int threads, threads_ended;
  int started, running, max_running;
  int dropped, dropped_late, done;
  int init_failures; /* how many more thread inits fail */
  bool open, freed;
  pthread_t freed_by;
  bool drops_slowly;
} record;

typedef struct task {
  cachette__job job;
  record *record;
  bool waits;
  bool on_other_thread, signals_blocked, has_thread_state;
  pthread_t submitter;
} task;

static uv_loop_t loop;

/* ---- The pool's functions ---- */

static void *init_thread(void *shared) {
  record *self = shared;
  uv_mutex_lock(&self->mutex);
  bool fails = self->init_failures > 0;
  if (fails)
    self->init_failures--;
  else
    self->threads++;
  uv_mutex_unlock(&self->mutex);
  return fails ? NULL : self;
}

static void deinit_thread(void *shared, void *thread) {
  record *self = shared;
  uv_mutex_lock(&self->mutex);
  self->threads_ended += thread == shared;
  uv_mutex_unlock(&self->mutex);
}

static void free_record(void *shared) {
  record *self = shared;
  uv_mutex_lock(&self->mutex);
  self->freed = true;
  self->freed_by = pthread_self();
  uv_cond_broadcast(&self->changed);
  uv_mutex_unlock(&self->mutex);
}

static const cachette__pool_kind kind = {init_thread, deinit_thread, free_record};

static void work(cachette__job *job, void *thread) {
  task *self = (task *)job;
  record *counts = self->record;
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  self->signals_blocked = sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGINT) == 1;
  self->on_other_thread = !pthread_equal(self->submitter, pthread_self());
  self->has_thread_state = thread == counts;
  uv_mutex_lock(&counts->mutex);
  counts->started++;
  if (++counts->running > counts->max_running) counts->max_running = counts->running;
  uv_cond_broadcast(&counts->changed);
  while (self->waits && !counts->open) uv_cond_wait(&counts->changed, &counts->mutex);
  counts->running--;
  uv_mutex_unlock(&counts->mutex);
}

static void done(cachette__job *job) {
  task *self = (task *)job;
  assert_true(self->on_other_thread);
  assert_true(self->signals_blocked);
  assert_true(pthread_equal(self->submitter, pthread_self()));
  self->record->done++;
  free(self);
}

static void drop(cachette__job *job) {
  task *self = (task *)job;
  if (self->record->drops_slowly) usleep(50000);
  uv_mutex_lock(&self->record->mutex);
  self->record->dropped++;
  self->record->dropped_late += self->record->freed;
  uv_cond_broadcast(&self->record->changed);
  uv_mutex_unlock(&self->record->mutex);
  free(self);
}

/* ---- Helpers ---- */

static void record_init(record *self) {
  memset(self, 0, sizeof *self);
  uv_mutex_init(&self->mutex);
  uv_cond_init(&self->changed);
}

static void record_deinit(record *self) {
  uv_cond_destroy(&self->changed);
  uv_mutex_destroy(&self->mutex);
}

static cachette__pool *open_pool(record *counts, unsigned threads) {
  cachette__pool *pool = NULL;
  record_init(counts);
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(cachette__pool_new(&loop, threads, &kind, counts, &pool), CACHETTE_OK);
  return pool;
}

static void close_loop(void) {
  while (uv_loop_close(&loop) == UV_EBUSY) uv_run(&loop, UV_RUN_ONCE);
}

static task *submit(cachette__pool *pool, record *counts, bool waits) {
  task *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->job = (cachette__job){.work = work, .done = done, .drop = drop};
  self->record = counts;
  self->waits = waits;
  self->submitter = pthread_self();
  assert_int_equal(cachette__pool_submit(pool, &self->job), CACHETTE_OK);
  return self;
}

/* Waits until a counter of the record reaches `wanted`. */
static void wait_for_count(record *counts, const int *count, int wanted) {
  uv_mutex_lock(&counts->mutex);
  while (*count < wanted) uv_cond_wait(&counts->changed, &counts->mutex);
  uv_mutex_unlock(&counts->mutex);
}

static void open_gate(record *counts) {
  uv_mutex_lock(&counts->mutex);
  counts->open = true;
  uv_cond_broadcast(&counts->changed);
  uv_mutex_unlock(&counts->mutex);
}

static void wait_until_freed(record *counts) {
  uv_mutex_lock(&counts->mutex);
  while (!counts->freed) uv_cond_wait(&counts->changed, &counts->mutex);
  uv_mutex_unlock(&counts->mutex);
}

/* ---- Tests ---- */

static void jobs_run_on_other_threads_and_complete_on_the_submitter(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, THREADS);
  for (int i = 0; i < MANY; i++) {
    submit(pool, &counts, false);
    if (i % 7 == 0) uv_run(&loop, UV_RUN_NOWAIT);
  }
  while (counts.done < MANY) uv_run(&loop, UV_RUN_ONCE);
  assert_in_range(counts.threads, 1, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(counts.threads_ended, counts.threads);
  assert_true(counts.freed);
  assert_int_equal(counts.started, MANY);
  assert_int_equal(counts.dropped, 0);
  close_loop();
  record_deinit(&counts);
}

static void threads_are_started_as_needed_up_to_the_limit(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, THREADS);
  for (int i = 0; i < THREADS + 3; i++) {
    submit(pool, &counts, true);
    wait_for_count(&counts, &counts.started, i < THREADS ? i + 1 : THREADS);
  }
  assert_int_equal(counts.threads, THREADS);
  assert_int_equal(counts.running, THREADS);
  open_gate(&counts);
  while (counts.done < THREADS + 3) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(counts.threads, THREADS);
  assert_int_equal(counts.max_running, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  close_loop();
  record_deinit(&counts);
}

/* A thread whose init fails, as when out of memory, retries it before a later job. */
static void a_failed_thread_init_is_retried(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, 1);
  counts.init_failures = 2;
  for (int i = 0; i < 4; i++) {
    task *each = submit(pool, &counts, true);
    wait_for_count(&counts, &counts.started, i + 1);
    assert_int_equal(each->has_thread_state, i >= 2);
    open_gate(&counts);
    while (counts.done <= i) uv_run(&loop, UV_RUN_ONCE);
    counts.open = false;
  }
  assert_int_equal(counts.threads, 1);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(counts.threads_ended, 1);
  close_loop();
  record_deinit(&counts);
}

static void a_queued_job_can_be_cancelled(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, 1);
  task *running = submit(pool, &counts, true);
  wait_for_count(&counts, &counts.started, 1);
  task *waiting[4];
  for (size_t i = 0; i < LENGTH(waiting); i++) waiting[i] = submit(pool, &counts, false);
  assert_false(cachette__pool_cancel(pool, &running->job));
  static const int order[] = {3, 0}; /* the last and the first */
  for (size_t i = 0; i < LENGTH(order); i++) {
    assert_true(cachette__pool_cancel(pool, &waiting[order[i]]->job));
    free(waiting[order[i]]);
  }
  submit(pool, &counts, false);
  open_gate(&counts);
  while (counts.done < 4) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(counts.started, 4);
  cachette__pool_close(pool, LONG_MS, false);
  close_loop();
  record_deinit(&counts);
}

static void a_close_drops_the_remaining_jobs(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, 1);
  submit(pool, &counts, false);
  wait_for_count(&counts, &counts.started, 1);
  submit(pool, &counts, true);
  wait_for_count(&counts, &counts.started, 2);
  submit(pool, &counts, false);
  assert_int_equal(counts.threads, 1);
  /* One job has finished but not completed, one is running, one is queued. */
  cachette__pool_close(pool, 0, false);
  open_gate(&counts);
  wait_until_freed(&counts);
  assert_int_equal(counts.done, 0);
  assert_int_equal(counts.dropped, 3);
  assert_int_equal(counts.started, 2);
  close_loop();
  record_deinit(&counts);
}

static void shared_state_lives_until_the_last_job_is_dropped(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, THREADS);
  for (int i = 0; i < THREADS; i++) submit(pool, &counts, true);
  wait_for_count(&counts, &counts.started, THREADS);
  open_gate(&counts);
  usleep(50000); /* the jobs finish, and their `done` is pending */
  counts.drops_slowly = true;
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(counts.dropped, THREADS);
  assert_int_equal(counts.dropped_late, 0);
  assert_true(counts.freed);
  /* Freeing may be slow, so it never runs on the thread that closes. */
  assert_false(pthread_equal(counts.freed_by, pthread_self()));
  close_loop();
  record_deinit(&counts);
}

static void a_close_does_not_wait_for_a_job_that_hangs(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, THREADS);
  submit(pool, &counts, true);
  submit(pool, &counts, false);
  wait_for_count(&counts, &counts.started, 2);
  int64_t before = monotonic_ms();
  cachette__pool_close(pool, SHORT_MS, false);
  int64_t waited = monotonic_ms() - before;
  assert_in_range(waited, SHORT_MS - 1, LONG_MS);
  close_loop();
  uv_mutex_lock(&counts.mutex);
  assert_false(counts.freed);
  uv_mutex_unlock(&counts.mutex);
  open_gate(&counts); /* the thread cleans up after the loop is closed */
  wait_until_freed(&counts);
  assert_int_equal(counts.dropped, 2);
  assert_int_equal(counts.threads_ended, counts.threads);
  record_deinit(&counts);
}

static void an_unused_pool_has_no_threads(void **state) {
  (void)state;
  record counts;
  cachette__pool *pool = open_pool(&counts, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(counts.threads, 0);
  assert_true(counts.freed);
  close_loop();
  record_deinit(&counts);
}

static void pools_open_and_close_while_jobs_run(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    record counts;
    cachette__pool *pool = open_pool(&counts, THREADS);
    for (int j = 0; j < i % 10; j++) submit(pool, &counts, false);
    if (i % 3 == 0) uv_run(&loop, UV_RUN_NOWAIT);
    cachette__pool_close(pool, LONG_MS, false);
    assert_int_equal(counts.done + counts.dropped, i % 10);
    assert_true(counts.freed);
    close_loop();
    record_deinit(&counts);
  }
}

static void creating_a_pool_without_memory_fails(void **state) {
  (void)state;
  record counts;
  record_init(&counts);
  assert_int_equal(uv_loop_init(&loop), 0);
  cachette__pool *pool = NULL;
  failing_allocator_arm(0);
  assert_int_equal(cachette__pool_new(&loop, THREADS, &kind, &counts, &pool), CACHETTE_ENOMEM);
  failing_allocator_arm(-1);
  assert_null(pool);
  assert_false(counts.freed);
  close_loop();
  record_deinit(&counts);
}

#define test(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(jobs_run_on_other_threads_and_complete_on_the_submitter),
      test(threads_are_started_as_needed_up_to_the_limit),
      test(a_failed_thread_init_is_retried),
      test(a_queued_job_can_be_cancelled),
      test(a_close_drops_the_remaining_jobs),
      test(shared_state_lives_until_the_last_job_is_dropped),
      test(a_close_does_not_wait_for_a_job_that_hangs),
      test(an_unused_pool_has_no_threads),
      test(pools_open_and_close_while_jobs_run),
      test(creating_a_pool_without_memory_fails),
  };
  failing_allocator_install();
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
