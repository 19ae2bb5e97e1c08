/* SPDX-License-Identifier: MIT */
/* Threads of a store's own: where jobs run, how many at a time, and what a close leaves behind. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/common/pool.h"
#include "support.h"

enum { MANY = 500, THREADS = 4, LONG_MS = 20000, SHORT_MS = 100 };

/* What the jobs of a pool share: counts, and a gate that holds those up which are told to wait. */
typedef struct hall {
  uv_mutex_t mutex;
  uv_cond_t changed;
  int threads, left; /* that came, and that went */
  int begun, at_once, most_at_once;
  int dropped, dropped_late, done;
  int refusals; /* threads that are not let in yet */
  bool open, freed;
  pthread_t freed_by;
  bool drops_slowly;
} hall;

typedef struct task {
  cachette__job job;
  hall *hall;
  bool waits;
  bool on_other_thread, signals_blocked, let_in;
  pthread_t submitter;
} task;

static uv_loop_t loop;

/* ---- The pool's functions ---- */

static void *enter_hall(void *shared) {
  hall *self = shared;
  uv_mutex_lock(&self->mutex);
  bool refused = self->refusals > 0;
  if (refused)
    self->refusals--;
  else
    self->threads++;
  uv_mutex_unlock(&self->mutex);
  return refused ? NULL : self;
}

static void leave_hall(void *shared, void *thread) {
  hall *self = shared;
  uv_mutex_lock(&self->mutex);
  self->left += thread == shared;
  uv_mutex_unlock(&self->mutex);
}

static void free_hall(void *shared) {
  hall *self = shared;
  uv_mutex_lock(&self->mutex);
  self->freed = true;
  self->freed_by = pthread_self();
  uv_cond_broadcast(&self->changed);
  uv_mutex_unlock(&self->mutex);
}

static const cachette__pool_kind kind = {enter_hall, leave_hall, free_hall};

static void work(cachette__job *job, void *thread) {
  task *self = (task *)job;
  hall *place = self->hall;
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  self->signals_blocked = sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGINT) == 1;
  self->on_other_thread = !pthread_equal(self->submitter, pthread_self());
  self->let_in = thread == place;
  uv_mutex_lock(&place->mutex);
  place->begun++;
  if (++place->at_once > place->most_at_once) place->most_at_once = place->at_once;
  uv_cond_broadcast(&place->changed);
  while (self->waits && !place->open) uv_cond_wait(&place->changed, &place->mutex);
  place->at_once--;
  uv_mutex_unlock(&place->mutex);
}

static void done(cachette__job *job) {
  task *self = (task *)job;
  assert_true(self->on_other_thread);
  assert_true(self->signals_blocked);
  assert_true(pthread_equal(self->submitter, pthread_self()));
  self->hall->done++;
  free(self);
}

static void drop(cachette__job *job) {
  task *self = (task *)job;
  if (self->hall->drops_slowly) usleep(50000);
  uv_mutex_lock(&self->hall->mutex);
  self->hall->dropped++;
  self->hall->dropped_late += self->hall->freed;
  uv_cond_broadcast(&self->hall->changed);
  uv_mutex_unlock(&self->hall->mutex);
  free(self);
}

/* ---- What the tests do ---- */

static void hall_init(hall *self) {
  memset(self, 0, sizeof *self);
  uv_mutex_init(&self->mutex);
  uv_cond_init(&self->changed);
}

static void hall_deinit(hall *self) {
  uv_cond_destroy(&self->changed);
  uv_mutex_destroy(&self->mutex);
}

static cachette__pool *open_pool(hall *place, unsigned threads) {
  cachette__pool *pool = NULL;
  hall_init(place);
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(cachette__pool_new(&loop, threads, &kind, place, &pool), CACHETTE_OK);
  return pool;
}

static void run_loop_down(void) {
  while (uv_loop_close(&loop) == UV_EBUSY) uv_run(&loop, UV_RUN_ONCE);
}

static task *submit(cachette__pool *pool, hall *place, bool waits) {
  task *self = calloc(1, sizeof *self);
  assert_non_null(self);
  self->job = (cachette__job){.work = work, .done = done, .drop = drop};
  self->hall = place;
  self->waits = waits;
  self->submitter = pthread_self();
  assert_int_equal(cachette__pool_submit(pool, &self->job), CACHETTE_OK);
  return self;
}

/* Waits until one of the hall's counts is there. */
static void await_count(hall *place, const int *count, int wanted) {
  uv_mutex_lock(&place->mutex);
  while (*count < wanted) uv_cond_wait(&place->changed, &place->mutex);
  uv_mutex_unlock(&place->mutex);
}

static void open_gate(hall *place) {
  uv_mutex_lock(&place->mutex);
  place->open = true;
  uv_cond_broadcast(&place->changed);
  uv_mutex_unlock(&place->mutex);
}

static void await_freed(hall *place) {
  uv_mutex_lock(&place->mutex);
  while (!place->freed) uv_cond_wait(&place->changed, &place->mutex);
  uv_mutex_unlock(&place->mutex);
}

/* ---- Tests ---- */

static void jobs_run_elsewhere_and_come_back(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, THREADS);
  for (int i = 0; i < MANY; i++) {
    submit(pool, &place, false);
    if (i % 7 == 0) uv_run(&loop, UV_RUN_NOWAIT);
  }
  while (place.done < MANY) uv_run(&loop, UV_RUN_ONCE);
  assert_in_range(place.threads, 1, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(place.left, place.threads);
  assert_true(place.freed);
  assert_int_equal(place.begun, MANY);
  assert_int_equal(place.dropped, 0);
  run_loop_down();
  hall_deinit(&place);
}

static void threads_are_started_as_needed_and_no_more_than_allowed(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, THREADS);
  for (int i = 0; i < THREADS + 3; i++) {
    submit(pool, &place, true);
    await_count(&place, &place.begun, i < THREADS ? i + 1 : THREADS);
  }
  assert_int_equal(place.threads, THREADS);
  assert_int_equal(place.at_once, THREADS);
  open_gate(&place);
  while (place.done < THREADS + 3) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(place.threads, THREADS);
  assert_int_equal(place.most_at_once, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  run_loop_down();
  hall_deinit(&place);
}

/* One that could not be begun, for lack of memory, is begun with a later job. */
static void a_thread_that_was_not_let_in_tries_again(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, 1);
  place.refusals = 2;
  for (int i = 0; i < 4; i++) {
    task *each = submit(pool, &place, true);
    await_count(&place, &place.begun, i + 1);
    assert_int_equal(each->let_in, i >= 2);
    open_gate(&place);
    while (place.done <= i) uv_run(&loop, UV_RUN_ONCE);
    place.open = false;
  }
  assert_int_equal(place.threads, 1);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(place.left, 1);
  run_loop_down();
  hall_deinit(&place);
}

static void a_job_not_begun_can_be_taken_back(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, 1);
  task *running = submit(pool, &place, true);
  await_count(&place, &place.begun, 1);
  task *waiting[4];
  for (size_t i = 0; i < LENGTH(waiting); i++) waiting[i] = submit(pool, &place, false);
  assert_false(cachette__pool_cancel(pool, &running->job));
  static const int order[] = {3, 0}; /* the last one and the first one */
  for (size_t i = 0; i < LENGTH(order); i++) {
    assert_true(cachette__pool_cancel(pool, &waiting[order[i]]->job));
    free(waiting[order[i]]);
  }
  submit(pool, &place, false);
  open_gate(&place);
  while (place.done < 4) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(place.begun, 4);
  cachette__pool_close(pool, LONG_MS, false);
  run_loop_down();
  hall_deinit(&place);
}

static void a_close_drops_what_nobody_will_be_told(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, 1);
  submit(pool, &place, false);
  await_count(&place, &place.begun, 1);
  submit(pool, &place, true);
  await_count(&place, &place.begun, 2);
  submit(pool, &place, false);
  assert_int_equal(place.threads, 1);
  /* One is finished and not told of, one is at work, one is queued. */
  cachette__pool_close(pool, 0, false);
  open_gate(&place);
  await_freed(&place);
  assert_int_equal(place.done, 0);
  assert_int_equal(place.dropped, 3);
  assert_int_equal(place.begun, 2);
  run_loop_down();
  hall_deinit(&place);
}

static void what_jobs_share_is_there_until_the_last_is_dropped(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, THREADS);
  for (int i = 0; i < THREADS; i++) submit(pool, &place, true);
  await_count(&place, &place.begun, THREADS);
  open_gate(&place);
  usleep(50000); /* they are finished, but for their `done` */
  place.drops_slowly = true;
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(place.dropped, THREADS);
  assert_int_equal(place.dropped_late, 0);
  assert_true(place.freed);
  /* What it frees may be slow, so it is never the thread that closes. */
  assert_false(pthread_equal(place.freed_by, pthread_self()));
  run_loop_down();
  hall_deinit(&place);
}

static void a_job_that_hangs_is_left_behind(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, THREADS);
  submit(pool, &place, true);
  submit(pool, &place, false);
  await_count(&place, &place.begun, 2);
  int64_t before = machine_ms();
  cachette__pool_close(pool, SHORT_MS, false);
  int64_t waited = machine_ms() - before;
  assert_in_range(waited, SHORT_MS - 1, LONG_MS);
  run_loop_down();
  uv_mutex_lock(&place.mutex);
  assert_false(place.freed);
  uv_mutex_unlock(&place.mutex);
  open_gate(&place); /* long after the loop is gone, the thread comes back and clears up */
  await_freed(&place);
  assert_int_equal(place.dropped, 2);
  assert_int_equal(place.left, place.threads);
  hall_deinit(&place);
}

static void a_pool_that_was_not_used_has_no_threads(void **state) {
  (void)state;
  hall place;
  cachette__pool *pool = open_pool(&place, THREADS);
  cachette__pool_close(pool, LONG_MS, false);
  assert_int_equal(place.threads, 0);
  assert_true(place.freed);
  run_loop_down();
  hall_deinit(&place);
}

static void pools_come_and_go_while_jobs_run(void **state) {
  (void)state;
  for (int i = 0; i < 100; i++) {
    hall place;
    cachette__pool *pool = open_pool(&place, THREADS);
    for (int j = 0; j < i % 10; j++) submit(pool, &place, false);
    if (i % 3 == 0) uv_run(&loop, UV_RUN_NOWAIT);
    cachette__pool_close(pool, LONG_MS, false);
    assert_int_equal(place.done + place.dropped, i % 10);
    assert_true(place.freed);
    run_loop_down();
    hall_deinit(&place);
  }
}

static void without_memory_there_is_no_pool(void **state) {
  (void)state;
  hall place;
  hall_init(&place);
  assert_int_equal(uv_loop_init(&loop), 0);
  cachette__pool *pool = NULL;
  failing_allocator_arm(0);
  assert_int_equal(cachette__pool_new(&loop, THREADS, &kind, &place, &pool), CACHETTE_ENOMEM);
  failing_allocator_arm(-1);
  assert_null(pool);
  assert_false(place.freed);
  run_loop_down();
  hall_deinit(&place);
}

#define test(name) cmocka_unit_test(name)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(jobs_run_elsewhere_and_come_back),
      test(threads_are_started_as_needed_and_no_more_than_allowed),
      test(a_thread_that_was_not_let_in_tries_again),
      test(a_job_not_begun_can_be_taken_back),
      test(a_close_drops_what_nobody_will_be_told),
      test(what_jobs_share_is_there_until_the_last_is_dropped),
      test(a_job_that_hangs_is_left_behind),
      test(a_pool_that_was_not_used_has_no_threads),
      test(pools_come_and_go_while_jobs_run),
      test(without_memory_there_is_no_pool),
  };
  failing_allocator_install();
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
