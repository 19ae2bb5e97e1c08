/* SPDX-License-Identifier: MIT */
/* The vtable: open, submit, detach, close. An op becomes a job, a batch of jobs runs on a thread,
 * and each finished job completes its op. */
#include <stdio.h>

#include "../../base/clock.h"
#include "internal.h"

extern const cachette__store_vtable cachette__file_store;

enum {
  CLOSE_TIMEOUT_MS = 250, /* the threads notice `closing` within this time; see also database.c */
  READ_BATCH_MAX = 64,    /* jobs in a batch, so that all readers get work */
  WRITE_BATCH_MAX = 1000, /* the writer takes all that wait */
  HITS_DUE = 256          /* recorded hits that start a batch even if no job waits */
};

typedef struct file {
  cachette__store base;
  cachette__file_shared *shared; /* owned by the pool */
} file;

/* ---- Shared state ---- */

static void free_shared(void *data) {
  cachette__file_shared *shared = data;
  cachette__file_list_free(&shared->reads.waiting);
  cachette__file_list_free(&shared->writes.waiting);
  cachette__settings_release((cachette__settings *)shared->settings);
  uv_mutex_destroy(&shared->mutex);
  cachette__free(shared);
}

static void work(cachette__job *base, void *thread);
static void done(cachette__job *base);
static void drop(cachette__job *base);

static void init_queue(cachette__file_shared *shared, cachette__file_queue *queue, unsigned count,
                       unsigned jobs_max) {
  queue->waiting.tail = &queue->waiting.first;
  queue->batch_count = count;
  queue->jobs_max = jobs_max;
  for (unsigned i = 0; i < count; i++) {
    cachette__file_batch *batch = &queue->batches[i];
    *batch = (cachette__file_batch){
        .job = {.work = work, .done = done, .drop = drop},
        .shared = shared,
        .queue = queue,
    };
    batch->jobs.tail = &batch->jobs.first;
  }
}

static int new_shared(const cachette__store_context *context, cachette__file_shared **created,
                      cachette_error *error) {
  cachette__file_shared *shared = cachette__calloc(1, sizeof *shared);
  if (shared == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (uv_mutex_init(&shared->mutex) != 0) {
    cachette__free(shared);
    return cachette__fail(error, CACHETTE_EBACKEND, NULL, "The system has no more locks.");
  }
  shared->settings = (const cachette__file_settings *)cachette__settings_retain(context->settings);
  shared->events = context->events;
  init_queue(shared, &shared->reads, CACHETTE__FILE_READERS, READ_BATCH_MAX);
  init_queue(shared, &shared->writes, 1, WRITE_BATCH_MAX);
  *created = shared;
  return CACHETTE_OK;
}

static void *init_thread(void *shared) {
  cachette__file_thread *thread = cachette__calloc(1, sizeof *thread);
  if (thread == NULL) return NULL;
  thread->shared = shared;
  thread->before_fork = cachette__file_disconnect;
  cachette__file_add_thread(thread);
  return thread;
}

static void fini_thread(void *shared, void *data) {
  cachette__file_thread *thread = data;
  (void)shared;
  if (thread == NULL) return;
  cachette__file_enter();
  cachette__file_disconnect(thread);
  cachette__file_leave();
  cachette__file_remove_thread(thread);
  cachette__free(thread);
}

static const cachette__pool_kind kind = {init_thread, fini_thread, free_shared};

/* ---- Batches ---- */

/* Fails the jobs of a batch if its thread could not be initialised. */
static void fail_batch(cachette__file_batch *batch) {
  cachette__file_queue_take(batch);
  for (cachette__file_job *job = batch->jobs.first; job != NULL; job = job->next) {
    cachette__op_copy_fail_memory(&job->op);
    job->more = false;
  }
}

static void work(cachette__job *base, void *thread) {
  cachette__file_batch *batch = (cachette__file_batch *)base;
  if (thread == NULL)
    fail_batch(batch);
  else
    cachette__file_work(batch, thread);
}

static void drop(cachette__job *base) {
  cachette__file_list_free(&((cachette__file_batch *)base)->jobs);
}

static cachette__file_batch *find_idle(cachette__file_queue *queue) {
  for (unsigned i = 0; i < queue->batch_count; i++)
    if (!queue->batches[i].busy) return &queue->batches[i];
  return NULL;
}

/* Whether jobs wait in the queue or, for writes, idle work is due. */
static bool has_work(cachette__file_shared *shared, cachette__file_queue *queue) {
  uv_mutex_lock(&shared->mutex);
  bool hits = queue == &shared->writes && shared->hit_count >= HITS_DUE;
  bool due = queue->waiting.first != NULL || hits;
  uv_mutex_unlock(&shared->mutex);
  if (due || queue != &shared->writes) return due;
  return atomic_load(&shared->can_shrink) || atomic_load(&shared->over_limit);
}

static void fail_waiting(cachette__file_shared *shared, cachette__file_queue *queue) {
  uv_mutex_lock(&shared->mutex);
  cachette__file_job *job = cachette__file_list_take(&queue->waiting);
  uv_mutex_unlock(&shared->mutex);
  while (job != NULL) {
    cachette__file_job *next = job->next;
    cachette_op *op = job->op.original;
    cachette__file_job_free(job);
    if (op != NULL)
      cachette__op_fail(op, CACHETTE_EBACKEND, NULL, "No thread could be started for the cache.");
    job = next;
  }
}

/* Submits an idle batch to the pool if the queue has work. */
static void submit_batch(cachette__file_shared *shared, cachette__file_queue *queue) {
  cachette__file_batch *batch = find_idle(queue);
  if (batch == NULL || !has_work(shared, queue)) return;
  batch->busy = true;
  if (cachette__pool_submit(shared->pool, &batch->job) == CACHETTE_OK) return;
  batch->busy = false;
  cachette__file_drop_idle_work(shared);
  fail_waiting(shared, queue);
}

static void complete(cachette__file_job *job) {
  int code = job->op.code;
  cachette_op *op = cachette__op_copy_deliver(&job->op);
  cachette__file_job_free(job);
  if (op != NULL) cachette__op_complete(op, code);
}

static void report_set_aside(cachette__file_shared *shared) {
  char message[256];
  if (!atomic_exchange(&shared->was_set_aside, false)) return;
  snprintf(message, sizeof message, CACHETTE__FILE_SET_ASIDE, shared->settings->name);
  shared->events->notice(shared->events, message);
}

static void done(cachette__job *base) {
  cachette__file_batch *batch = (cachette__file_batch *)base;
  cachette__file_shared *shared = batch->shared;
  report_set_aside(shared);
  cachette__file_list more = {NULL, &more.first};
  cachette__file_job *job = cachette__file_list_take(&batch->jobs);
  batch->busy = false;
  while (job != NULL) {
    cachette__file_job *next = job->next;
    if (job->more && job->op.original != NULL)
      cachette__file_list_append(&more, job);
    else
      complete(job);
    job = next;
  }
  cachette__file_queue_prepend(shared, batch->queue, &more);
  submit_batch(shared, batch->queue);
  if (batch->queue == &shared->reads) submit_batch(shared, &shared->writes);
}

/* ---- Jobs ---- */

/* The current time of the clock that expires entries. */
static int64_t entry_now(const cachette__file_settings *settings, const cachette_op *op) {
  return settings->clock.now != NULL ? op->priv.now_ms : cachette__epoch_now();
}

/* A job gives up shortly before its op times out, so that the op fails with the job's error. */
static int64_t find_stop_time(const cachette__file_settings *settings, const cachette_op *op) {
  enum { EARLY_MAX_MS = 50 };
  int64_t timeout_ms = op->timeout_ms > 0 ? op->timeout_ms : settings->timeout_ms;
  int64_t early_ms = timeout_ms / 8 < EARLY_MAX_MS ? timeout_ms / 8 : EARLY_MAX_MS;
  return op->priv.deadline_ms - early_ms;
}

static cachette__file_job *new_job(cachette__file_shared *shared, cachette_op *op) {
  const cachette__file_settings *settings = shared->settings;
  size_t size = sizeof(cachette__file_job) + cachette__op_copy_size(op, settings->prefix);
  cachette__file_job *job = cachette__malloc(size);
  if (job == NULL) return NULL;
  *job = (cachette__file_job){
      .stop_ms = find_stop_time(settings, op),
      .now_ms = entry_now(settings, op),
      .size = size,
  };
  cachette__op_copy_init(&job->op, op, settings->prefix, job + 1);
  return job;
}

/* ---- The vtable ---- */

static int file_open(const cachette__store_context *context, cachette__store **store,
                     cachette_error *error) {
  int code = cachette__file_register_fork_handlers();
  if (code < 0) return cachette__fail(error, code, NULL, NULL);
  file *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__file_store;
  code = new_shared(context, &self->shared, error);
  if (code < 0) goto fail;
  code = cachette__pool_new(context->loop, CACHETTE__FILE_READERS + 1, &kind, self->shared,
                            &self->shared->pool);
  if (code < 0) {
    free_shared(self->shared);
    cachette__fail(error, code, NULL, NULL);
    goto fail;
  }
  *store = &self->base;
  return CACHETTE_OK;

fail:
  cachette__free(self);
  return code;
}

static void file_submit(cachette__store *store, cachette_op *op) {
  cachette__file_shared *shared = ((file *)store)->shared;
  cachette__file_queue *queue = cachette__is_read(op->verb) ? &shared->reads : &shared->writes;
  cachette__file_job *job = new_job(shared, op);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->priv.below = (uintptr_t)job;
  uv_mutex_lock(&shared->mutex);
  cachette__file_list_append(&queue->waiting, job);
  uv_mutex_unlock(&shared->mutex);
  submit_batch(shared, queue);
}

/* From now on the threads skip the job; done() frees it. */
static void file_detach(cachette__store *store, cachette_op *op) {
  cachette__file_job *job = (cachette__file_job *)op->priv.below;
  (void)store;
  job->op.original = NULL;
  atomic_store(&job->detached, true);
}

static const char *file_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const file *)store)->shared->settings->name;
}

static void file_stats(cachette__store *store, cachette_stats *stats) {
  const cachette__file_shared *shared = ((const file *)store)->shared;
  int64_t bytes = atomic_load(&shared->bytes);
  if (bytes > 0) stats->bytes = bytes; /* 0: the file was not opened yet */
  stats->limit = shared->settings->limit;
  stats->evictions = atomic_load(&shared->evictions);
  stats->expirations = atomic_load(&shared->expirations);
}

static void file_close(cachette__store *store, bool forked) {
  file *self = (file *)store;
  if (!forked) atomic_store(&self->shared->closing, true);
  cachette__pool_close(self->shared->pool, CLOSE_TIMEOUT_MS, forked);
  cachette__free(self);
}

const cachette__store_vtable cachette__file_store = {
    .settings = cachette__file_settings_new,
    .open = file_open,
    .submit = file_submit,
    .detach = file_detach,
    .server = file_server,
    .stats = file_stats,
    .close = file_close,
};
