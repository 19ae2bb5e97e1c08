/* SPDX-License-Identifier: MIT */
/* The vtable: open, submit, detach, close. An op becomes a job, which runs on a thread; the
 * finished job completes the op. */
#include "../../base/clock.h"
#include "internal.h"

extern const cachette__store_vtable cachette__mongodb_store;

enum { CLOSE_TIMEOUT_MS = 250 }; /* enough for threads whose server responds */

typedef struct mongodb {
  cachette__store base;
  cachette__mongo_shared *shared; /* owned by the pool */
} mongodb;

/* ---- Shared state ---- */

static void free_shared(void *data) {
  cachette__mongo_shared *shared = data;
  if (shared->clients != NULL) mongoc_client_pool_destroy(shared->clients);
  cachette__settings_release((cachette__settings *)shared->settings);
  uv_cond_destroy(&shared->indexes_changed);
  uv_mutex_destroy(&shared->indexes_mutex);
  uv_mutex_destroy(&shared->clients_mutex);
  cachette__free(shared);
}

static bool init_locks(cachette__mongo_shared *shared) {
  if (uv_mutex_init(&shared->clients_mutex) != 0) return false;
  if (uv_mutex_init(&shared->indexes_mutex) != 0) goto fail_indexes;
  if (uv_cond_init(&shared->indexes_changed) != 0) goto fail_changed;
  return true;

fail_changed:
  uv_mutex_destroy(&shared->indexes_mutex);
fail_indexes:
  uv_mutex_destroy(&shared->clients_mutex);
  return false;
}

static int new_shared(const cachette__store_context *context, cachette__mongo_shared **created,
                      cachette_error *error) {
  cachette__mongo_shared *shared = cachette__calloc(1, sizeof *shared);
  if (shared == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (!init_locks(shared)) {
    cachette__free(shared);
    return cachette__fail(error, CACHETTE_EBACKEND, NULL, "The system has no more locks.");
  }
  shared->settings = (const cachette__mongo_settings *)cachette__settings_retain(context->settings);
  shared->events = context->events;
  *created = shared;
  return CACHETTE_OK;
}

static void *init_thread(void *shared) {
  (void)shared;
  return cachette__calloc(1, sizeof(cachette__mongo_thread));
}

static void fini_thread(void *shared, void *thread) {
  if (thread == NULL) return;
  cachette__mongo_disconnect(shared, thread);
  cachette__free(thread);
}

static const cachette__pool_kind kind = {init_thread, fini_thread, free_shared};

/* ---- Jobs ---- */

static void free_job(cachette__job *base) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  cachette__op_copy_deinit(&job->op);
  cachette__free(job);
}

static void work(cachette__job *base, void *thread) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  if (thread == NULL)
    cachette__op_copy_fail_memory(&job->op);
  else
    cachette__mongo_work(job, thread);
}

static void done(cachette__job *base) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  int code = job->op.code;
  cachette__mongo_update_availability(job);
  cachette_op *op = cachette__op_copy_deliver(&job->op);
  free_job(base);
  if (op != NULL) cachette__op_complete(op, code);
}

static cachette__mongo_job *new_job(cachette__mongo_shared *shared, cachette_op *op) {
  const cachette__mongo_settings *settings = shared->settings;
  cachette__mongo_job *job =
      cachette__malloc(sizeof *job + cachette__op_copy_size(op, settings->prefix));
  if (job == NULL) return NULL;
  *job = (cachette__mongo_job){
      .job = {.work = work, .done = done, .drop = free_job},
      .shared = shared,
      .deadline_ms = op->priv.deadline_ms,
      .timeout_ms = op->timeout_ms > 0 ? op->timeout_ms : settings->timeout_ms,
      .now_ms = cachette__epoch_now(),
      .recoveries = shared->recoveries,
  };
  cachette__op_copy_init(&job->op, op, settings->prefix, job + 1);
  return job;
}

/* ---- The vtable ---- */

static int mongodb_open(const cachette__store_context *context, cachette__store **store,
                        cachette_error *error) {
  mongodb *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__mongodb_store;
  int code = new_shared(context, &self->shared, error);
  if (code < 0) goto fail;
  code = cachette__pool_new(context->loop, self->shared->settings->threads, &kind, self->shared,
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

static void mongodb_submit(cachette__store *store, cachette_op *op) {
  cachette__mongo_shared *shared = ((mongodb *)store)->shared;
  cachette__mongo_availability *availability = cachette__mongo_availability_of(shared, op->verb);
  if (cachette__mongo_is_unavailable(shared, availability)) {
    cachette__op_fail(op, availability->error.code, NULL, "%s", availability->error.message);
    return;
  }
  cachette__mongo_job *job = new_job(shared, op);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  if (cachette__mongo_inserts(op->verb)) cachette__mongo_indexes_submit(shared);
  op->priv.below = (uintptr_t)job;
  job->is_probe = availability->error.code < 0;
  if (cachette__pool_submit(shared->pool, &job->job) == CACHETTE_OK) {
    if (job->is_probe) availability->probing = true;
    return;
  }
  free_job(&job->job);
  cachette__op_fail(op, CACHETTE_EBACKEND, NULL,
                    "No thread could be started for the MongoDB backend.");
}

static void mongodb_detach(cachette__store *store, cachette_op *op) {
  cachette__mongo_shared *shared = ((mongodb *)store)->shared;
  cachette__mongo_job *job = (cachette__mongo_job *)op->priv.below;
  if (cachette__pool_cancel(shared->pool, &job->job)) {
    if (job->is_probe) cachette__mongo_availability_of(shared, job->op.verb)->probing = false;
    free_job(&job->job);
  } else {
    job->op.original = NULL;
  }
}

static const char *mongodb_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const mongodb *)store)->shared->settings->name;
}

/* Only the server knows its numbers. */
static void mongodb_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats;
}

static void mongodb_close(cachette__store *store, bool forked) {
  mongodb *self = (mongodb *)store;
  int64_t timeout_ms = self->shared->settings->timeout_ms;
  if (timeout_ms > CLOSE_TIMEOUT_MS) timeout_ms = CLOSE_TIMEOUT_MS;
  cachette__pool_close(self->shared->pool, timeout_ms, forked);
  cachette__free(self);
}

const cachette__store_vtable cachette__mongodb_store = {
    .settings = cachette__mongo_settings_new,
    .open = mongodb_open,
    .submit = mongodb_submit,
    .detach = mongodb_detach,
    .server = mongodb_server,
    .stats = mongodb_stats,
    .close = mongodb_close,
};
