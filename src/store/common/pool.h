/* SPDX-License-Identifier: MIT */
/*
 * Threads of a store's own, for a client library that blocks.
 *
 *     handle's thread   submit -> queue ------------------------------+   +-> done
 *                                                                     v   |
 *     a thread          init -> (take a job -> work -> finished) ... -> fini
 *
 * A thread is started when a job finds none idle, up to the bound, and stays until the pool is
 * closed. Threads block all signals but those of faults, so that none of the application's handlers
 * runs on them.
 *
 * A job is the store's: the head of a struct that owns whatever `work` reads and writes (not the
 * op, which may end above meanwhile). From cachette__pool_submit() on the pool has it, and gives it
 * back exactly once: by `done`, by `drop`, or by a cachette__pool_cancel() that returns true.
 *
 * Nothing waits for a job that hangs. What jobs share (`shared`) and the pool's own memory go with
 * the last that uses them, be it a thread that comes back long after the close.
 */
#ifndef CACHETTE_STORE_POOL_H
#define CACHETTE_STORE_POOL_H

#include <stdatomic.h>
#include <uv.h>

#include "cachette.h"

typedef struct cachette__pool cachette__pool;

typedef struct cachette__job cachette__job;
struct cachette__job {
  /* On a thread of the pool. `thread` is what thread_init gave there, NULL included. */
  void (*work)(cachette__job *job, void *thread);
  /* On the handle's thread, from its loop, when the work is done. Frees the job. */
  void (*done)(cachette__job *job);
  /* Instead of `done`, on any thread, when the pool was closed meanwhile. Frees the job, and must
   * touch nothing of the store's but `shared`, which is still there, and not call the pool. */
  void (*drop)(cachette__job *job);

  /* The pool's own. */
  struct {
    cachette__job *next;          /* in the queue, or among the finished */
    cachette__job *newer, *older; /* among all; the handle's thread alone uses them */
    _Atomic(int) state;
  } priv;
};

typedef struct cachette__pool_kind {
  /* On each new thread, before its first job, and before the next if NULL came of it; and on its
   * way out, whatever came of it. Both may be NULL. */
  void *(*thread_init)(void *shared);
  void (*thread_fini)(void *shared, void *thread);
  /*
   * Frees what the jobs share; none of them is left. On the last thread to leave; in
   * cachette__pool_close() if there was never any. May be NULL.
   */
  void (*free_shared)(void *shared);
} cachette__pool_kind;

/*
 * Makes a pool on the handle's loop; no thread yet. `kind` stays in place; `shared` is the pool's
 * from now on if this succeeds. Errors: ENOMEM, EBACKEND.
 */
int cachette__pool_new(uv_loop_t *loop, unsigned most_threads, const cachette__pool_kind *kind,
                       void *shared, cachette__pool **pool);

/*
 * Hands a job over, its three functions set. Errors, with which it stays the caller's: EBACKEND (no
 * thread could be started, and there is none).
 */
int cachette__pool_submit(cachette__pool *pool, cachette__job *job);

/*
 * Takes a job back that was not begun: true, and it is the caller's again. False: its work runs or
 * is done; its `done` or `drop` comes, and has to know by itself that nobody waits any more.
 */
bool cachette__pool_cancel(cachette__pool *pool, cachette__job *job);

/*
 * Closes the pool, but not from inside a `done`; jobs that are with it are dropped, those whose
 * work runs when it returns. Waits for the threads, but no longer than `patience_ms`; those that
 * are still at work then are left to themselves. What is on the loop goes with the loop's next
 * turns.
 *
 * In a forked child (`forked`) there are no threads, and what they were about is in no state to be
 * touched: jobs that none had begun are dropped; the rest, `shared` included if there was any
 * thread, is left as it is.
 */
void cachette__pool_close(cachette__pool *pool, int64_t patience_ms, bool forked);

#endif
