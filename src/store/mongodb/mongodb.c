/* SPDX-License-Identifier: MIT */
/* The store: ops become jobs, and jobs that are done complete their ops. */
#include <stdatomic.h>
#include <stdio.h>

#include "../../base/clock.h"
#include "client.h"

extern const cachette__store_vtable cachette__mongodb_store;

enum {
  CLOSE_PATIENCE_MS = 250, /* for threads whose server is there, a few would do */
  PAUSE_LEAST_MS = 250,    /* before somebody looks again for a server that could not be found; */
  PAUSE_MOST_MS = 4000     /* doubled each time */
};

typedef struct mongodb {
  cachette__store base;
  cachette__pool *pool;
  cachette__mongo_shared *shared; /* the pool's; in place while that is open */
  cachette__events *events;
} mongodb;

/* ---- What jobs share ---- */

/* libmongoc prints warnings of its own; what is wrong comes back as an error. */
static void say_nothing(mongoc_log_level_t level, const char *domain, const char *message,
                        void *data) {
  (void)level;
  (void)domain;
  (void)message;
  (void)data;
}

static void init_libmongoc(void) {
  mongoc_log_set_handler(say_nothing, NULL);
  mongoc_init();
}

/* Every call of ours comes after this; it may be called again. The handler is set only once, so
 * that a program which sets one of its own after that keeps it. */
static void begin_libmongoc(void) {
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, init_libmongoc);
}

static void free_shared(void *data) {
  cachette__mongo_shared *shared = data;
  if (shared->clients != NULL) mongoc_client_pool_destroy(shared->clients);
  cachette__mongo_settings_deinit(&shared->settings);
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

static int new_shared(const cachette_options *options, cachette__mongo_shared **made,
                      cachette_error *error) {
  cachette__mongo_shared *shared = cachette__calloc(1, sizeof *shared);
  if (shared == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = cachette__mongo_settings_read(options, &shared->settings, error);
  if (code < 0) {
    cachette__free(shared);
    return code;
  }
  if (!init_locks(shared)) {
    cachette__mongo_settings_deinit(&shared->settings);
    cachette__free(shared);
    return cachette__fail(error, CACHETTE_EBACKEND, NULL, "The system has no more locks.");
  }
  *made = shared;
  return CACHETTE_OK;
}

static void *init_thread(void *shared) {
  (void)shared;
  return cachette__calloc(1, sizeof(cachette__mongo_thread));
}

static void fini_thread(void *data, void *thread_data) {
  cachette__mongo_shared *shared = data;
  cachette__mongo_thread *thread = thread_data;
  if (thread == NULL) return;
  if (thread->usual.client != NULL) {
    mongoc_collection_destroy(thread->usual.collection);
    mongoc_client_pool_push(shared->clients, thread->usual.client);
  }
  cachette__mongo_disconnect_patient(thread);
  cachette__free(thread);
}

static const cachette__pool_kind kind = {init_thread, fini_thread, free_shared};

/* ---- Jobs ---- */

/*
 * libmongoc looks for a server for as long as it may, in each thread anew. So once it has found
 * none, ops fail at once for the same reason, but for one at a time, which looks again; until
 * libmongoc, which goes on looking in a thread of its own, has found one.
 */
static bool must_fail(const mongodb *self, const cachette__mongo_way *way) {
  if (way->lost.code == CACHETTE_OK || way->found != self->shared->found) return false;
  return way->looking || cachette__machine_now() < way->look_ms;
}

static cachette__mongo_way *way_of(cachette__mongo_shared *shared, enum cachette_verb verb) {
  bool reads = verb == CACHETTE_FETCH || verb == CACHETTE_EXISTS || verb == CACHETTE_PING;
  return reads ? &shared->reads : &shared->writes;
}

static void learn(const cachette__mongo_job *job) {
  cachette__mongo_way *way = way_of(job->shared, job->verb);
  if (job->looks) way->looking = false;
  if (job->lost && !job->shared->heard) return; /* it may only be slow to connect */
  if (job->lost) {
    way->lost = job->error;
    way->found = job->found;
    way->pause_ms = job->looks ? way->pause_ms * 2 : PAUSE_LEAST_MS;
    if (way->pause_ms > PAUSE_MOST_MS) way->pause_ms = PAUSE_MOST_MS;
    way->look_ms = cachette__machine_now() + way->pause_ms;
  } else if (job->code != CACHETTE_ETIMEDOUT) {
    way->lost.code = CACHETTE_OK;
  }
}

static void free_job(cachette__job *base) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  cachette__copy_free(job->items, job->count);
  cachette__free(job);
}

static void work(cachette__job *base, void *thread) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  if (thread == NULL)
    job->code = cachette__fail(&job->error, CACHETTE_ENOMEM, NULL, NULL);
  else
    cachette__mongo_work(job, thread);
}

static void done(cachette__job *base) {
  cachette__mongo_job *job = (cachette__mongo_job *)base;
  cachette_op *op = job->op;
  int code = job->code;
  learn(job);
  if (op != NULL && job->error.code < 0)
    cachette__fail(op->error, job->error.code, job->error.subject, "%s", job->error.message);
  if (op != NULL && code == CACHETTE_OK) {
    op->number = job->number;
    cachette__copy_give(job->items, job->count, op);
  }
  free_job(base);
  if (op != NULL) cachette__op_complete(op, code);
}

/* ---- Their making ---- */

static cachette__mongo_job *new_job(mongodb *self, cachette_op *op) {
  const char *prefix = self->shared->settings.prefix;
  cachette__mongo_job *job = cachette__malloc(sizeof *job + cachette__copy_size(op, prefix));
  if (job == NULL) return NULL;
  *job = (cachette__mongo_job){
      .job = {.work = work, .done = done, .drop = free_job},
      .shared = self->shared,
      .op = op,
      .verb = op->verb,
      .flags = op->flags,
      .deadline_ms = op->priv.deadline_ms,
      .timeout_ms = op->timeout_ms > 0 ? op->timeout_ms : self->shared->settings.timeout_ms,
      .now_ms = cachette__epoch_now(),
      .found = self->shared->found,
      .count = cachette__copy_count(op),
  };
  cachette__copy_make(op, prefix, job->items);
  return job;
}

/* ---- The indexes' job ---- */

typedef struct index_job {
  cachette__job job;
  cachette__mongo_shared *shared;
  cachette__events *events;
} index_job;

static void make_indexes(cachette__job *base, void *thread) {
  cachette__mongo_shared *shared = ((index_job *)base)->shared;
  if (thread == NULL)
    cachette__mongo_indexes_postpone(shared);
  else
    cachette__mongo_indexes_make(shared, thread);
}

static void free_index_job(cachette__job *base) { cachette__free(base); }

static void tell_of_twins(const cachette__mongo_shared *shared, cachette__events *events) {
  char message[512], shown[61];
  cachette__value_text(shared->settings.collection, shown, sizeof shown);
  snprintf(message, sizeof message,
           "%s has some keys twice in the collection \"%s\", so the index on them is not unique. "
           "Remove the collection's old entries to have it made.",
           shared->settings.name, shown);
  events->notice(events, message);
}

static void indexes_done(cachette__job *base) {
  const index_job *job = (index_job *)base;
  if (atomic_exchange(&job->shared->twins, false)) tell_of_twins(job->shared, job->events);
  free_index_job(base);
}

/* Has the indexes made, if it is time. If it cannot be done now it is done with a later op. */
static void submit_indexes(mongodb *self) {
  if (!cachette__mongo_indexes_due(self->shared)) return;
  index_job *job = cachette__malloc(sizeof *job);
  if (job == NULL) {
    cachette__mongo_indexes_postpone(self->shared);
    return;
  }
  *job = (index_job){
      .job = {.work = make_indexes, .done = indexes_done, .drop = free_index_job},
      .shared = self->shared,
      .events = self->events,
  };
  if (cachette__pool_submit(self->pool, &job->job) == CACHETTE_OK) return;
  cachette__mongo_indexes_postpone(self->shared);
  cachette__free(job);
}

/* ---- The vtable ---- */

static int check(const cachette_options *options, cachette_error *error) {
  cachette__mongo_settings settings;
  begin_libmongoc();
  int code = cachette__mongo_settings_read(options, &settings, error);
  if (code == CACHETTE_OK) cachette__mongo_settings_deinit(&settings);
  return code;
}

static int open_mongodb(const cachette__store_context *context, cachette__store **store,
                        cachette_error *error) {
  begin_libmongoc();
  mongodb *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__mongodb_store;
  self->events = context->events;
  int code = new_shared(context->options, &self->shared, error);
  if (code < 0) goto fail;
  code = cachette__pool_new(context->loop, self->shared->settings.threads, &kind, self->shared,
                            &self->pool);
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

static void submit(cachette__store *store, cachette_op *op) {
  mongodb *self = (mongodb *)store;
  cachette__mongo_way *way = way_of(self->shared, op->verb);
  if (must_fail(self, way)) {
    cachette__op_fail(op, way->lost.code, NULL, "%s", way->lost.message);
    return;
  }
  cachette__mongo_job *job = new_job(self, op);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  if (op->verb == CACHETTE_PUT || op->verb == CACHETTE_INCREMENT) submit_indexes(self);
  op->priv.below = (uintptr_t)job;
  job->looks = way->lost.code < 0;
  if (cachette__pool_submit(self->pool, &job->job) == CACHETTE_OK) {
    if (job->looks) way->looking = true;
    return;
  }
  free_job(&job->job);
  cachette__op_fail(op, CACHETTE_EBACKEND, NULL,
                    "No thread could be started for the MongoDB backend.");
}

static void detach(cachette__store *store, cachette_op *op) {
  mongodb *self = (mongodb *)store;
  cachette__mongo_job *job = (cachette__mongo_job *)op->priv.below;
  if (cachette__pool_cancel(self->pool, &job->job)) {
    if (job->looks) way_of(self->shared, job->verb)->looking = false;
    free_job(&job->job);
  } else {
    job->op = NULL;
  }
}

static const char *server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const mongodb *)store)->shared->settings.name;
}

/* What the server holds it would have to be asked. */
static void stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats;
}

static void close_mongodb(cachette__store *store, bool forked) {
  mongodb *self = (mongodb *)store;
  int64_t patience_ms = self->shared->settings.timeout_ms;
  if (patience_ms > CLOSE_PATIENCE_MS) patience_ms = CLOSE_PATIENCE_MS;
  cachette__pool_close(self->pool, patience_ms, forked);
  cachette__free(self);
}

const cachette__store_vtable cachette__mongodb_store = {
    .name = "mongodb",
    .check = check,
    .open = open_mongodb,
    .submit = submit,
    .detach = detach,
    .server = server,
    .stats = stats,
    .close = close_mongodb,
};
