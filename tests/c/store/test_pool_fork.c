/* SPDX-License-Identifier: MIT */
/* A forked child closes the pool of its parent without having its threads. */
#include <stdlib.h>
#include <unistd.h>

#include "store/common/pool.h"
#include "support.h"

typedef struct task {
  cachette__job job;
  const int *gate; /* a pipe that the job reads from before it ends, or NULL */
} task;

static uv_loop_t loop;
static int started[2]; /* a pipe to which each job writes a byte when it starts */
static int done_count, drop_count, freed_count;

static void work(cachette__job *job, void *thread) {
  task *self = (task *)job;
  char byte;
  (void)thread;
  while (write(started[1], "x", 1) < 0) continue;
  while (self->gate != NULL && read(self->gate[0], &byte, 1) < 0) continue;
}

static void done(cachette__job *job) {
  done_count++;
  free(job);
}

static void drop(cachette__job *job) {
  drop_count++;
  free(job);
}

static void free_shared(void *shared) {
  (void)shared;
  freed_count++;
}

static const cachette__pool_kind kind = {.free_shared = free_shared};

static void submit(cachette__pool *pool, const int *gate) {
  task *self = calloc(1, sizeof *self);
  assert_non_null(self);
  *self = (task){.job = {.work = work, .done = done, .drop = drop}, .gate = gate};
  assert_int_equal(cachette__pool_submit(pool, &self->job), CACHETTE_OK);
}

static cachette__pool *open_pool(void) {
  cachette__pool *pool = NULL;
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(cachette__pool_new(&loop, 1, &kind, NULL, &pool), CACHETTE_OK);
  return pool;
}

static void close_pool(cachette__pool *pool) {
  cachette__pool_close(pool, 20000, false);
  while (uv_loop_close(&loop) == UV_EBUSY) uv_run(&loop, UV_RUN_ONCE);
}

static void close_while_a_job_runs(void *data) {
  cachette__pool_close(data, 20000, true);
  child_assert(done_count == 1);
  child_assert(drop_count == 2); /* the queued jobs */
  child_assert(freed_count == 0);
}

static void a_child_does_not_drop_running_jobs(void **state) {
  (void)state;
  int gate[2];
  char bytes[1];
  assert_int_equal(pipe(gate), 0);
  cachette__pool *pool = open_pool();
  submit(pool, NULL);
  assert_int_equal(read(started[0], bytes, 1), 1);
  while (done_count == 0) uv_run(&loop, UV_RUN_ONCE);
  for (int i = 0; i < 3; i++) submit(pool, gate);
  assert_int_equal(read(started[0], bytes, 1), 1); /* the first job has started */
  run_in_child(close_while_a_job_runs, pool);
  assert_int_equal(write(gate[1], "xxx", 3), 3);
  while (done_count < 4) uv_run(&loop, UV_RUN_ONCE);
  close_pool(pool);
  assert_int_equal(drop_count, 0);
  assert_int_equal(freed_count, 1);
  close(gate[0]);
  close(gate[1]);
}

static void close_unused(void *data) {
  freed_count = 0;
  cachette__pool_close(data, 20000, true);
  child_assert(freed_count == 1);
}

static void a_child_frees_queued_jobs(void **state) {
  (void)state;
  cachette__pool *pool = open_pool();
  run_in_child(close_unused, pool);
  close_pool(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_does_not_drop_running_jobs),
      cmocka_unit_test(a_child_frees_queued_jobs),
  };
  if (pipe(started) != 0) return 1;
  return cmocka_run_group_tests_name("pool_fork", tests, NULL, NULL);
}
