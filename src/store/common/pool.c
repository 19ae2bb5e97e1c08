/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include "../../base/alloc.h"

enum { QUEUED, RUNNING, FINISHED };

enum { STACK_SIZE = 1 << 20 }; /* musl's default is too small for most libraries */

typedef struct worker {
  cachette__pool *pool;
  pthread_t id;
  bool exited; /* it no longer uses the pool, except to release it */
} worker;

struct cachette__pool {
  const cachette__pool_kind *kind;
  void *shared;
  unsigned max_threads;

  /* Used by the handle's thread only. */
  uv_async_t wake;
  cachette__job all; /* the head of the ring of all jobs */

  uv_mutex_t mutex; /* guards the members below */
  uv_cond_t job_queued, thread_exited;
  cachette__job *queue, **queue_tail;
  cachette__job *finished, **finished_tail;
  size_t queued;
  unsigned threads, idle;   /* started; waiting for a job */
  unsigned released_shared; /* threads that no longer use `shared` */
  unsigned references;      /* one for each thread, and one for the handle */
  bool closed;
  worker workers[];
};

/* ---- Lists ---- */

static void append(cachette__job ***tail, cachette__job *job) {
  job->priv.next = NULL;
  **tail = job;
  *tail = &job->priv.next;
}

static cachette__job *take_queued_locked(cachette__pool *pool) {
  cachette__job *job = pool->queue;
  pool->queue = job->priv.next;
  if (pool->queue == NULL) pool->queue_tail = &pool->queue;
  pool->queued--;
  return job;
}

static cachette__job *take_finished_locked(cachette__pool *pool) {
  cachette__job *finished = pool->finished;
  pool->finished = NULL;
  pool->finished_tail = &pool->finished;
  return finished;
}

static void add_to_all(cachette__pool *pool, cachette__job *job) {
  job->priv.newer = &pool->all;
  job->priv.older = pool->all.priv.older;
  job->priv.older->priv.newer = job;
  pool->all.priv.older = job;
}

static void remove_from_all(cachette__job *job) {
  job->priv.newer->priv.older = job->priv.older;
  job->priv.older->priv.newer = job->priv.newer;
}

static void drop_jobs(cachette__job *job) {
  while (job != NULL) {
    cachette__job *next = job->priv.next;
    job->drop(job);
    job = next;
  }
}

/* ---- Memory ---- */

static void free_pool(cachette__pool *pool) {
  uv_cond_destroy(&pool->thread_exited);
  uv_cond_destroy(&pool->job_queued);
  uv_mutex_destroy(&pool->mutex);
  cachette__free(pool);
}

static void release(cachette__pool *pool) {
  uv_mutex_lock(&pool->mutex);
  bool last = --pool->references == 0;
  uv_mutex_unlock(&pool->mutex);
  if (last) free_pool(pool);
}

static void free_shared(cachette__pool *pool) {
  if (pool->kind->free_shared != NULL) pool->kind->free_shared(pool->shared);
}

/* Called by a thread that no longer uses `shared`. The pool is closed, so no thread is started
 * meanwhile. */
static void release_shared(cachette__pool *pool) {
  uv_mutex_lock(&pool->mutex);
  bool last = ++pool->released_shared == pool->threads;
  uv_mutex_unlock(&pool->mutex);
  if (last) free_shared(pool);
}

/* ---- On a thread ---- */

/* Runs one job. Releases the lock while the job runs. */
static void run_job_locked(cachette__pool *pool, void **thread) {
  const cachette__pool_kind *kind = pool->kind;
  cachette__job *job = take_queued_locked(pool);
  atomic_store(&job->priv.state, RUNNING);
  uv_mutex_unlock(&pool->mutex);
  if (*thread == NULL && kind->thread_init != NULL) *thread = kind->thread_init(pool->shared);
  job->work(job, *thread);
  uv_mutex_lock(&pool->mutex);
  if (!pool->closed) {
    atomic_store(&job->priv.state, FINISHED);
    append(&pool->finished_tail, job);
    uv_async_send(&pool->wake); /* under the lock: `wake` exists until `closed` is set */
    return;
  }
  uv_mutex_unlock(&pool->mutex);
  job->drop(job);
  uv_mutex_lock(&pool->mutex);
}

static void exit_thread(cachette__pool *pool, worker *self) {
  release_shared(pool);
  uv_mutex_lock(&pool->mutex);
  self->exited = true;
  uv_cond_signal(&pool->thread_exited);
  uv_mutex_unlock(&pool->mutex);
  release(pool);
}

static void *run_thread(void *data) {
  worker *self = data;
  cachette__pool *pool = self->pool;
  const cachette__pool_kind *kind = pool->kind;
  void *thread = NULL;
  uv_mutex_lock(&pool->mutex);
  while (!pool->closed) {
    if (pool->queued > 0) {
      run_job_locked(pool, &thread);
    } else {
      pool->idle++;
      uv_cond_wait(&pool->job_queued, &pool->mutex);
      pool->idle--;
    }
  }
  uv_mutex_unlock(&pool->mutex);
  if (kind->thread_fini != NULL) kind->thread_fini(pool->shared, thread);
  exit_thread(pool, self);
  return NULL;
}

/* Creates a thread that blocks all signals except those that the thread itself may raise. */
static bool create_thread(worker *created) {
  static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof synchronous / sizeof *synchronous; i++)
    sigdelset(&blocked, synchronous[i]);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int code = pthread_create(&created->id, &attributes, run_thread, created);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return code == 0;
}

static bool start_thread_locked(cachette__pool *pool) {
  worker *created = &pool->workers[pool->threads];
  *created = (worker){.pool = pool};
  if (!create_thread(created)) return false;
  pool->threads++;
  pool->references++;
  return true;
}

/* ---- On the handle's thread ---- */

static void on_wake(uv_async_t *wake) {
  cachette__pool *pool = wake->data;
  uv_mutex_lock(&pool->mutex);
  cachette__job *job = take_finished_locked(pool);
  uv_mutex_unlock(&pool->mutex);
  while (job != NULL) {
    cachette__job *next = job->priv.next;
    remove_from_all(job);
    job->done(job);
    job = next;
  }
}

static int init_parts(cachette__pool *pool, uv_loop_t *loop) {
  if (uv_mutex_init(&pool->mutex) != 0) return CACHETTE_EBACKEND;
  if (uv_cond_init(&pool->job_queued) != 0) goto fail_job_queued;
  if (uv_cond_init(&pool->thread_exited) != 0) goto fail_thread_exited;
  if (uv_async_init(loop, &pool->wake, on_wake) != 0) goto fail_wake;
  return CACHETTE_OK;

fail_wake:
  uv_cond_destroy(&pool->thread_exited);
fail_thread_exited:
  uv_cond_destroy(&pool->job_queued);
fail_job_queued:
  uv_mutex_destroy(&pool->mutex);
  return CACHETTE_EBACKEND;
}

int cachette__pool_new(uv_loop_t *loop, unsigned max_threads, const cachette__pool_kind *kind,
                       void *shared, cachette__pool **result) {
  cachette__pool *pool = cachette__calloc(1, sizeof *pool + max_threads * sizeof *pool->workers);
  if (pool == NULL) return CACHETTE_ENOMEM;
  int code = init_parts(pool, loop);
  if (code < 0) {
    cachette__free(pool);
    return code;
  }
  pool->kind = kind;
  pool->shared = shared;
  pool->max_threads = max_threads;
  pool->wake.data = pool;
  pool->all.priv.newer = pool->all.priv.older = &pool->all;
  pool->queue_tail = &pool->queue;
  pool->finished_tail = &pool->finished;
  pool->references = 1;
  *result = pool;
  return CACHETTE_OK;
}

int cachette__pool_submit(cachette__pool *pool, cachette__job *job) {
  uv_mutex_lock(&pool->mutex);
  bool wanted = pool->queued >= pool->idle && pool->threads < pool->max_threads;
  if (wanted && !start_thread_locked(pool) && pool->threads == 0) {
    uv_mutex_unlock(&pool->mutex);
    return CACHETTE_EBACKEND;
  }
  atomic_store(&job->priv.state, QUEUED);
  append(&pool->queue_tail, job);
  pool->queued++;
  uv_cond_signal(&pool->job_queued);
  uv_mutex_unlock(&pool->mutex);
  add_to_all(pool, job);
  return CACHETTE_OK;
}

bool cachette__pool_cancel(cachette__pool *pool, cachette__job *job) {
  uv_mutex_lock(&pool->mutex);
  bool queued = atomic_load(&job->priv.state) == QUEUED;
  if (queued) {
    cachette__job **link = &pool->queue;
    while (*link != job) link = &(*link)->priv.next;
    *link = job->priv.next;
    if (*link == NULL) pool->queue_tail = link;
    pool->queued--;
  }
  uv_mutex_unlock(&pool->mutex);
  if (queued) remove_from_all(job);
  return queued;
}

/* ---- Closing ---- */

static unsigned count_exited_locked(const cachette__pool *pool) {
  unsigned count = 0;
  for (unsigned i = 0; i < pool->threads; i++) count += pool->workers[i].exited;
  return count;
}

static void await_threads_locked(cachette__pool *pool, int64_t timeout_ms) {
  uint64_t now = uv_hrtime();
  uint64_t until = now + (uint64_t)timeout_ms * 1000000;
  while (count_exited_locked(pool) < pool->threads && now < until) {
    uv_cond_timedwait(&pool->thread_exited, &pool->mutex, until - now);
    now = uv_hrtime();
  }
}

/* Joins the threads that have exited, and detaches the others. */
static void join_threads(cachette__pool *pool) {
  for (unsigned i = 0; i < pool->threads; i++) {
    uv_mutex_lock(&pool->mutex);
    bool exited = pool->workers[i].exited;
    uv_mutex_unlock(&pool->mutex);
    if (exited)
      pthread_join(pool->workers[i].id, NULL);
    else
      pthread_detach(pool->workers[i].id);
  }
}

static void on_closed(uv_handle_t *wake) { release(wake->data); }

/* The lock may be locked by a thread that does not exist in this process. So this uses only the
 * members of the handle's thread, and jobs that no thread had started. */
static void close_forked(cachette__pool *pool) {
  cachette__job *job = pool->all.priv.newer;
  while (job != &pool->all) {
    cachette__job *next = job->priv.newer;
    if (atomic_load(&job->priv.state) == QUEUED) job->drop(job);
    job = next;
  }
  if (pool->threads > 0) return;
  free_shared(pool);
  free_pool(pool);
}

void cachette__pool_close(cachette__pool *pool, int64_t timeout_ms, bool forked) {
  if (forked) {
    close_forked(pool);
    return;
  }
  /* Drops the jobs before a thread can exit, so that the last thread frees `shared`, which may take
   * long. This thread frees it only if no other was started. */
  uv_mutex_lock(&pool->mutex);
  pool->closed = true;
  drop_jobs(pool->queue);
  drop_jobs(take_finished_locked(pool));
  pool->queue = NULL;
  pool->queued = 0;
  uv_cond_broadcast(&pool->job_queued);
  uv_mutex_unlock(&pool->mutex);
  uv_close((uv_handle_t *)&pool->wake, on_closed);
  if (pool->threads == 0) free_shared(pool);
  uv_mutex_lock(&pool->mutex);
  await_threads_locked(pool, timeout_ms);
  uv_mutex_unlock(&pool->mutex);
  join_threads(pool);
}
