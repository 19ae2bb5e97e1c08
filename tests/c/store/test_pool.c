/* SPDX-License-Identifier: MIT */
/*
 * The thread pool of a store: where jobs run, how many at a time, and what a close leaves behind.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/common/pool.h"
#include "support.h"

enum { MANY = 500, THREADS = 4, LONG_MS = 20000, SHORT_MS = 100 };

/* What the jobs of a pool share: counts, and a gate for jobs that are to wait. */
typedef struct record {
  uv_mutex_t mutex;
  uv_cond_t changed;
  int threads, left; /* threads that began, and that ended */
  int begun, at_once, most_at_once;
  int dropped, dropped_late, done;
  int refusals; /* how many inits of threads are still to fail */
  bool open, freed;
  pthread_t freed_by;
  bool drops_slowly;
} record;

typedef struct task {
  cachette__job job;
  record *record;
  bool waits;
  bool on_other_thread, signals_blocked, let_in;
  pthread_t submitter;
} task;

static uv_loop_t loop;

/* ---- The pool's functions ---- */

static void *enter(void *shared) {
  record *self = shared;
  uv_mutex_lock(&self->mutex);
  bool refused = self->refusals > 0;
  if (refused)
    self->refusals--;
  else
    self->threads++;
  uv_mutex_unlock(&self->mutex);
  return refused ? NULL : self;
}

static void leave(void *shared, void *thread) {
  record *self = shared;
  uv_mutex_lock(&self->mutex);
  self->left += thread == shared;
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

static const cachette__pool_kind kind = {enter, leave, free_record};

static void work(cachette__job *job, void *thread) {
  task *self = (task *)job;
  record *seen = self->record;
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  self->signals_blocked = sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGINT) == 1;
  self->on_other_thread = !pthread_equal(self->submitter, pthread_self());
  self->let_in = thread == seen;
  uv_mutex_lock(&seen->mutex);
  seen->begun++;
  if (++seen->at_once > seen->most_at_once) seen->most_at_once = seen->at_once;
  uv_cond_broadcast(&seen->changed);
  while (self->waits && !seen->open) uv_cond_wait(&seen->changed, &seen->mutex);
  seen->at_once--;
  uv_mutex_unlock(&seen->mutex);
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

/* ---- What the tests do ---- */

static void record_init(record *self) {
  memset(self, 0, sizeof *self);
  uv_mutex_init(&self->mutex);
  uv_cond_init(&self->changed);
}

static void record_deinit(record *self) {
  uv_cond_destroy(&self->changed);
  uv_mutex_destroy(&self->mutex);
}

static cachette__pool *open_pool(record *seen, unsigned threads) {
  cachette__pool *pool = NULL;
  record_init(seen);
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(cachette__pool_new(&loop, threads, &kind, seen, &pool), CACHETTE_OK);
  return pool;
}

static void run_loop_down(void) {
  while (uv_loop_close(&loop) == UV_EBUSY) uv_run(&loop, UV_RUN_ONCE);
}

static task *submit(cachette__pool *pool, record *seen, bool waits) {
  task *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->job = (cachette__job){.work = work, .done = done, .drop = drop};
  self->record = seen;
  self->waits = waits;
  self->submitter = pthread_self();
  assert_int_equal(cachette__pool_submit(pool, &self->job), CACHETTE_OK);
  return self;
}

/* Waits until one of the record's counts is there. */
static void await_count(record *seen, const int *count, int wanted) {
  uv_mutex_lock(&seen->mutex);
  while (*count < wanted) uv_cond_wait(&seen->changed, &seen->mutex);
  uv_mutex_unlock(&seen->mutex);
}

static void open_gate(record *seen) {
  uv_mutex_lock(&seen->mutex);
  seen->open = true;
  uv_cond_broadcast(&seen->changed);
  uv_mutex_unlock(&seen->mutex);
}

static void await_freed(record *seen) {
  uv_mutex_lock(&seen->mutex);
  while (!seen->freed) uv_cond_wait(&seen->changed, &seen->mutex);
  uv_mutex_unlock(&seen->mutex);
}

/* ---- Tests ---- */

static void jobs_run_on_other_threads_and_come_back(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, THREADS);
  for (int i = 0; i < MANY; i++) {
    submit(pool, &seen, false);
    if (i % 7 == 0) uv_run(&loop, UV_RUN_NOWAIT);
  }
  while (seen.done < MANY) uv_run(&loop, UV_RUN_ONCE);
  assert_in_range(seen.threads, 1, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(seen.left, seen.threads);
  assert_true(seen.freed);
  assert_int_equal(seen.begun, MANY);
  assert_int_equal(seen.dropped, 0);
  run_loop_down();
  record_deinit(&seen);
}

static void threads_are_started_as_needed_and_no_more_than_allowed(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, THREADS);
  for (int i = 0; i < THREADS + 3; i++) {
    submit(pool, &seen, true);
    await_count(&seen, &seen.begun, i < THREADS ? i + 1 : THREADS);
  }
  assert_int_equal(seen.threads, THREADS);
  assert_int_equal(seen.at_once, THREADS);
  open_gate(&seen);
  while (seen.done < THREADS + 3) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(seen.threads, THREADS);
  assert_int_equal(seen.most_at_once, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  run_loop_down();
  record_deinit(&seen);
}

/* A thread whose init fails, for lack of memory, tries again at a later job. */
static void a_thread_whose_init_failed_tries_again(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, 1);
  seen.refusals = 2;
  for (int i = 0; i < 4; i++) {
    task *each = submit(pool, &seen, true);
    await_count(&seen, &seen.begun, i + 1);
    assert_int_equal(each->let_in, i >= 2);
    open_gate(&seen);
    while (seen.done <= i) uv_run(&loop, UV_RUN_ONCE);
    seen.open = false;
  }
  assert_int_equal(seen.threads, 1);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(seen.left, 1);
  run_loop_down();
  record_deinit(&seen);
}

static void a_queued_job_can_be_cancelled(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, 1);
  task *running = submit(pool, &seen, true);
  await_count(&seen, &seen.begun, 1);
  task *waiting[4];
  for (size_t i = 0; i < LENGTH(waiting); i++) waiting[i] = submit(pool, &seen, false);
  assert_false(cachette__pool_cancel(pool, &running->job));
  static const int order[] = {3, 0}; /* the last one and the first one */
  for (size_t i = 0; i < LENGTH(order); i++) {
    assert_true(cachette__pool_cancel(pool, &waiting[order[i]]->job));
    free(waiting[order[i]]);
  }
  submit(pool, &seen, false);
  open_gate(&seen);
  while (seen.done < 4) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(seen.begun, 4);
  cachette__pool_close(pool, LONG_MS, false);
  run_loop_down();
  record_deinit(&seen);
}

static void a_close_drops_the_jobs_that_are_left(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, 1);
  submit(pool, &seen, false);
  await_count(&seen, &seen.begun, 1);
  submit(pool, &seen, true);
  await_count(&seen, &seen.begun, 2);
  submit(pool, &seen, false);
  assert_int_equal(seen.threads, 1);
  /* One is finished but not completed, one is running, one is queued. */
  cachette__pool_close(pool, 0, false);
  open_gate(&seen);
  await_freed(&seen);
  assert_int_equal(seen.done, 0);
  assert_int_equal(seen.dropped, 3);
  assert_int_equal(seen.begun, 2);
  run_loop_down();
  record_deinit(&seen);
}

static void shared_state_lives_until_the_last_job_is_dropped(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, THREADS);
  for (int i = 0; i < THREADS; i++) submit(pool, &seen, true);
  await_count(&seen, &seen.begun, THREADS);
  open_gate(&seen);
  usleep(50000); /* they are finished, but for their `done` */
  seen.drops_slowly = true;
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(seen.dropped, THREADS);
  assert_int_equal(seen.dropped_late, 0);
  assert_true(seen.freed);
  /* Freeing may be slow, so the thread that closes never does it. */
  assert_false(pthread_equal(seen.freed_by, pthread_self()));
  run_loop_down();
  record_deinit(&seen);
}

static void a_close_does_not_wait_for_a_job_that_hangs(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, THREADS);
  submit(pool, &seen, true);
  submit(pool, &seen, false);
  await_count(&seen, &seen.begun, 2);
  int64_t before = monotonic_ms();
  cachette__pool_close(pool, SHORT_MS, false);
  int64_t waited = monotonic_ms() - before;
  assert_in_range(waited, SHORT_MS - 1, LONG_MS);
  run_loop_down();
  uv_mutex_lock(&seen.mutex);
  assert_false(seen.freed);
  uv_mutex_unlock(&seen.mutex);
  open_gate(&seen); /* the thread comes back long after the loop is closed, and cleans up */
  await_freed(&seen);
  assert_int_equal(seen.dropped, 2);
  assert_int_equal(seen.left, seen.threads);
  record_deinit(&seen);
}

static void a_pool_that_was_not_used_has_no_threads(void **state) {
  (void)state;
  record seen;
  cachette__pool *pool = open_pool(&seen, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(seen.threads, 0);
  assert_true(seen.freed);
  run_loop_down();
  record_deinit(&seen);
}

static void pools_open_and_close_while_jobs_run(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    record seen;
    cachette__pool *pool = open_pool(&seen, THREADS);
    for (int j = 0; j < i % 10; j++) submit(pool, &seen, false);
    if (i % 3 == 0) uv_run(&loop, UV_RUN_NOWAIT);
    cachette__pool_close(pool, LONG_MS, false);
    assert_int_equal(seen.done + seen.dropped, i % 10);
    assert_true(seen.freed);
    run_loop_down();
    record_deinit(&seen);
  }
}

static void without_memory_there_is_no_pool(void **state) {
  (void)state;
  record seen;
  record_init(&seen);
  assert_int_equal(uv_loop_init(&loop), 0);
  cachette__pool *pool = NULL;
  failing_allocator_arm(0);
  assert_int_equal(cachette__pool_new(&loop, THREADS, &kind, &seen, &pool), CACHETTE_ENOMEM);
  failing_allocator_arm(-1);
  assert_null(pool);
  assert_false(seen.freed);
  run_loop_down();
  record_deinit(&seen);
}

#define test(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(jobs_run_on_other_threads_and_come_back),
      test(threads_are_started_as_needed_and_no_more_than_allowed),
      test(a_thread_whose_init_failed_tries_again),
      test(a_queued_job_can_be_cancelled),
      test(a_close_drops_the_jobs_that_are_left),
      test(shared_state_lives_until_the_last_job_is_dropped),
      test(a_close_does_not_wait_for_a_job_that_hangs),
      test(a_pool_that_was_not_used_has_no_threads),
      test(pools_open_and_close_while_jobs_run),
      test(without_memory_there_is_no_pool),
  };
  failing_allocator_install();
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
