/* SPDX-License-Identifier: MIT */
/*
 * A thread pool for a store whose client library blocks.
 *
 *     handle's thread   submit -> queue --------+             +-> done
 *                                               v             |
 *     pool thread       thread_init -> (take a job -> work -> finished)... -> thread_fini
 *
 * The pool starts a thread if a job is submitted while no thread is idle, up to the maximum.
 * Threads run until the pool is closed. They block all signals except synchronous ones such as
 * SIGSEGV, so the application's signal handlers do not run on them.
 *
 * A job is the first member of a struct of the store, which owns everything that `work` reads and
 * writes. It does not own the op, which may be completed or cancelled meanwhile.
 * cachette__pool_submit() passes ownership of the job to the pool. The pool returns it exactly
 * once: to `done`, to `drop`, or by a cachette__pool_cancel() that returns true.
 *
 * Closing does not wait for a job that hangs. `shared` (the data that the jobs share) and the pool
 * are freed by their last user, which may be a thread whose job returns long after the close.
 */
#ifndef CACHETTE_STORE_POOL_H
#define CACHETTE_STORE_POOL_H

#include <stdatomic.h>
#include <uv.h>

#include "cachette.h"

typedef struct cachette__pool cachette__pool;

typedef struct cachette__job cachette__job;
struct cachette__job {
  /* Does the work, on a pool thread. `thread` is what thread_init returned on it, maybe NULL. */
  void (*work)(cachette__job *job, void *thread);
  /* Called on the handle's thread, from its loop, after the work is done. Frees the job. */
  void (*done)(cachette__job *job);
  /* Called instead of `done`, on any thread, if the pool was closed. Frees the job. Must not call
   * the pool, or use anything of the store except `shared`. */
  void (*drop)(cachette__job *job);

  /* Private to the pool. */
  struct {
    cachette__job *next;          /* in the queue, or in the list of finished jobs */
    cachette__job *newer, *older; /* in the ring of all jobs; handle's thread only */
    _Atomic(int) state;
  } priv;
};

typedef struct cachette__pool_kind {
  /* thread_init runs on each new thread before its first job; if it returns NULL, it runs again
   * before the next job. thread_fini runs before the thread exits. Both may be NULL. */
  void *(*thread_init)(void *shared);
  void (*thread_fini)(void *shared, void *thread);
  /* Frees `shared` after the last job. Called on the last thread that exits, or in
   * cachette__pool_close() if no thread was started. May be NULL. */
  void (*free_shared)(void *shared);
} cachette__pool_kind;

/*
 * Creates a pool on the handle's loop, without a thread. `kind` must outlive the pool. On success
 * the pool owns `shared`. Errors: ENOMEM, EBACKEND.
 */
int cachette__pool_new(uv_loop_t *loop, unsigned max_threads, const cachette__pool_kind *kind,
                       void *shared, cachette__pool **pool);

/*
 * Submits a job; its three functions must be set. Errors: EBACKEND if no thread is running and none
 * could be started. On failure the caller still owns the job.
 */
int cachette__pool_submit(cachette__pool *pool, cachette__job *job);

/*
 * Cancels a job. Returns true if no thread had started it; then the caller owns the job again.
 * Returns false if its work is running or done; then its `done` or `drop` is still called, and must
 * handle that the op no longer waits.
 */
bool cachette__pool_cancel(cachette__pool *pool, cachette__job *job);

/*
 * Closes the pool. Must not be called from a `done`. All jobs are dropped, running ones after their
 * work returns. Waits up to `timeout_ms` for the threads to exit, then detaches the others. The
 * pool's libuv handle is closed in the next iterations of the loop.
 *
 * In a forked child (`forked`) the threads do not exist, and their data may be in any state. So
 * only jobs that no thread had started are dropped. The rest is leaked, including `shared` if a
 * thread had been started.
 */
void cachette__pool_close(cachette__pool *pool, int64_t timeout_ms, bool forked);

#endif
