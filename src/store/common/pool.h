/* SPDX-License-Identifier: MIT */
/*
 * A thread pool for a store whose client library blocks.
 *
 *     handle's thread   submit -> queue ------------------------------+   +-> done
 *                                                                     v   |
 *     a thread          init -> (take a job -> work -> finished) ... -> fini
 *
 * The pool starts a thread when a job finds none idle, up to the maximum. Threads run until the
 * pool is closed. They block all signals but those of faults such as SIGSEGV, so that none of the
 * application's signal handlers runs on them.
 *
 * A job is the head of a struct of the store's, which owns whatever `work` reads and writes. It
 * does not own the op, which may be completed or cancelled meanwhile. cachette__pool_submit() gives
 * the job to the pool. The pool returns it exactly once: by `done`, by `drop`, or by a
 * cachette__pool_cancel() that returns true.
 *
 * Closing does not wait for a job that hangs. `shared`, which the jobs share, and the pool's own
 * memory are freed by the last that uses them. That may be a thread which returns from its job long
 * after the close.
 */
#ifndef CACHETTE_STORE_POOL_H
#define CACHETTE_STORE_POOL_H

#include <stdatomic.h>
#include <uv.h>

#include "cachette.h"

typedef struct cachette__pool cachette__pool;

typedef struct cachette__job cachette__job;
struct cachette__job {
  /* On a thread of the pool. `thread` is what thread_init returned there, even if that is NULL. */
  void (*work)(cachette__job *job, void *thread);
  /* On the handle's thread, from its loop, when the work is done. Frees the job. */
  void (*done)(cachette__job *job);
  /* Instead of `done`, on any thread, when the pool was closed meanwhile. Frees the job. It must
   * not call the pool, nor touch anything of the store but `shared`, which still exists. */
  void (*drop)(cachette__job *job);

  /* For the pool's use. */
  struct {
    cachette__job *next;          /* in the queue, or of the finished jobs */
    cachette__job *newer, *older; /* of all jobs; for the handle's thread alone */
    _Atomic(int) state;
  } priv;
};

typedef struct cachette__pool_kind {
  /* thread_init runs on each new thread before its first job; if it returns NULL, again before the
   * next. thread_fini runs before the thread exits, even with NULL. Both may be NULL. */
  void *(*thread_init)(void *shared);
  void (*thread_fini)(void *shared, void *thread);
  /*
   * Frees what the jobs share, when no job is left. On the last thread to exit; in
   * cachette__pool_close() if there was no thread. May be NULL.
   */
  void (*free_shared)(void *shared);
} cachette__pool_kind;

/*
 * Makes a pool on the handle's loop, without any thread yet. `kind` must outlive it. On success the
 * pool owns `shared`. Errors: ENOMEM, EBACKEND.
 */
int cachette__pool_new(uv_loop_t *loop, unsigned most_threads, const cachette__pool_kind *kind,
                       void *shared, cachette__pool **pool);

/*
 * Submits a job, whose three functions are set. Errors: EBACKEND (there is no thread, and none
 * could be started); the job still belongs to the caller then.
 */
int cachette__pool_submit(cachette__pool *pool, cachette__job *job);

/*
 * Cancels a job. True: no thread had begun it, and it belongs to the caller again. False: its work
 * runs or is done. Then its `done` or `drop` still runs, and must know that nobody waits any more.
 */
bool cachette__pool_cancel(cachette__pool *pool, cachette__job *job);

/*
 * Closes the pool. Must not be called from a `done`. All jobs are dropped, running ones when their
 * work returns. Waits up to `patience_ms` for the threads; those that still work are detached. The
 * pool's handle on the loop is closed in the loop's next turns.
 *
 * In a forked child (`forked`) there are no threads, and what they worked on may be in any state.
 * So only jobs that no thread had begun are dropped. The rest stays as it is, `shared` included if
 * there was a thread.
 */
void cachette__pool_close(cachette__pool *pool, int64_t patience_ms, bool forked);

#endif
