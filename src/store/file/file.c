/* SPDX-License-Identifier: MIT */
/* The store: ops become jobs, carriers take them to threads, and jobs that are done complete ops.
 */
#include <stdio.h>

#include "../../base/clock.h"
#include "client.h"

extern const cachette__store_vtable cachette__file_store;

enum {
  CLOSE_PATIENCE_MS = 250, /* for threads, which are told to stop; see also database.c */
  READ_MOST = 64,          /* jobs that a reader takes at once, so that others have some, too; */
  WRITE_MOST = 1000,       /* the writer takes what there is */
  NOTES_DUE = 256
};

typedef struct file {
  cachette__store base;
  cachette__pool *pool;
  cachette__file_shared *shared; /* the pool's; in place while that is open */
  cachette__events *events;
} file;

/* ---- Lists ---- */

static void append(cachette__file_list *list, cachette__file_job *job) {
  job->next = NULL;
  *list->tail = job;
  list->tail = &job->next;
}

static cachette__file_job *take_all(cachette__file_list *list) {
  cachette__file_job *first = list->first;
  list->first = NULL;
  list->tail = &list->first;
  return first;
}

static void free_job(cachette__file_job *job) {
  cachette__copy_free(job->items, job->count);
  cachette__free(job);
}

static void free_list(cachette__file_list *list) {
  cachette__file_job *job = take_all(list);
  while (job != NULL) {
    cachette__file_job *next = job->next;
    free_job(job);
    job = next;
  }
}

/* ---- What jobs share ---- */

static void free_shared(void *data) {
  cachette__file_shared *shared = data;
  free_list(&shared->reads.waiting);
  free_list(&shared->writes.waiting);
  cachette__file_settings_deinit(&shared->settings);
  uv_mutex_destroy(&shared->mutex);
  cachette__free(shared);
}

static void work(cachette__job *base, void *thread);
static void done(cachette__job *base);
static void drop(cachette__job *base);

static void init_lane(cachette__file_shared *shared, cachette__file_lane *lane, unsigned count,
                      unsigned most) {
  lane->waiting.tail = &lane->waiting.first;
  lane->count = count;
  lane->most = most;
  for (unsigned i = 0; i < count; i++) {
    cachette__file_carrier *carrier = &lane->carriers[i];
    *carrier = (cachette__file_carrier){
        .job = {.work = work, .done = done, .drop = drop},
        .shared = shared,
        .lane = lane,
    };
    carrier->load.tail = &carrier->load.first;
  }
}

static int new_shared(const cachette_options *options, cachette__file_shared **made,
                      cachette_error *error) {
  cachette__file_shared *shared = cachette__calloc(1, sizeof *shared);
  if (shared == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = cachette__file_settings_read(options, &shared->settings, error);
  if (code < 0) {
    cachette__free(shared);
    return code;
  }
  if (uv_mutex_init(&shared->mutex) != 0) {
    cachette__file_settings_deinit(&shared->settings);
    cachette__free(shared);
    return cachette__fail(error, CACHETTE_EBACKEND, NULL, "The system has no more locks.");
  }
  init_lane(shared, &shared->reads, CACHETTE__FILE_READERS, READ_MOST);
  init_lane(shared, &shared->writes, 1, WRITE_MOST);
  *made = shared;
  return CACHETTE_OK;
}

static void *init_thread(void *shared) {
  cachette__file_thread *thread = cachette__calloc(1, sizeof *thread);
  if (thread == NULL) return NULL;
  thread->shared = shared;
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

/* ---- Carriers ---- */

static void fail_load(cachette__file_carrier *carrier) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  cachette__file_take(carrier);
  for (cachette__file_job *job = carrier->load.first; job != NULL; job = job->next)
    cachette__file_fail_job(job, &error);
}

static void work(cachette__job *base, void *thread) {
  cachette__file_carrier *carrier = (cachette__file_carrier *)base;
  if (thread == NULL)
    fail_load(carrier);
  else if (carrier->lane == &carrier->shared->writes)
    cachette__file_write(carrier, thread);
  else
    cachette__file_read(carrier, thread);
}

static void drop(cachette__job *base) { free_list(&((cachette__file_carrier *)base)->load); }

static cachette__file_carrier *find_idle(cachette__file_lane *lane) {
  for (unsigned i = 0; i < lane->count; i++)
    if (!lane->carriers[i].busy) return &lane->carriers[i];
  return NULL;
}

/* Whether there is something to be done. */
static bool is_due(cachette__file_shared *shared, cachette__file_lane *lane) {
  uv_mutex_lock(&shared->mutex);
  bool notes = lane == &shared->writes && shared->noted >= NOTES_DUE;
  bool due = lane->waiting.first != NULL || notes;
  uv_mutex_unlock(&shared->mutex);
  if (due || lane != &shared->writes) return due;
  return atomic_load(&shared->untidy) || atomic_load(&shared->crowded);
}

static void fail_waiting(cachette__file_shared *shared, cachette__file_lane *lane) {
  uv_mutex_lock(&shared->mutex);
  cachette__file_job *job = take_all(&lane->waiting);
  uv_mutex_unlock(&shared->mutex);
  while (job != NULL) {
    cachette__file_job *next = job->next;
    cachette_op *op = job->op;
    free_job(job);
    if (op != NULL)
      cachette__op_fail(op, CACHETTE_EBACKEND, NULL, "No thread could be started for the cache.");
    job = next;
  }
}

/* Sends a carrier, if there is something for one. */
static void send_carrier(file *self, cachette__file_lane *lane) {
  cachette__file_carrier *carrier = find_idle(lane);
  if (carrier == NULL || !is_due(self->shared, lane)) return;
  carrier->busy = true;
  if (cachette__pool_submit(self->pool, &carrier->job) == CACHETTE_OK) return;
  carrier->busy = false;
  cachette__file_forget_idle(self->shared);
  fail_waiting(self->shared, lane);
}

/* ---- Jobs that are done ---- */

/* Ends a job, and its op if somebody still waits. */
static void end_job(cachette__file_job *job) {
  cachette_op *op = job->op;
  int code = job->code;
  if (op != NULL && job->error.code < 0)
    cachette__fail(op->error, job->error.code, job->error.subject, "%s", job->error.message);
  if (op != NULL && code == CACHETTE_OK) {
    op->number = job->number;
    cachette__copy_give(job->items, job->count, op);
  }
  free_job(job);
  if (op != NULL) cachette__op_complete(op, code);
}

/* Puts jobs before those that wait, which came after them. */
static void wait_before(cachette__file_shared *shared, cachette__file_list *waiting,
                        const cachette__file_list *more) {
  if (more->first == NULL) return;
  uv_mutex_lock(&shared->mutex);
  *more->tail = waiting->first;
  if (waiting->first == NULL) waiting->tail = more->tail;
  waiting->first = more->first;
  uv_mutex_unlock(&shared->mutex);
}

static void tell_that_it_moved(cachette__file_shared *shared) {
  char message[256];
  cachette__events *events = ((const file *)shared->store)->events;
  if (!atomic_exchange(&shared->moved, false)) return;
  snprintf(message, sizeof message, CACHETTE__FILE_MOVED, shared->settings.name);
  events->notice(events, message);
}

static void done(cachette__job *base) {
  cachette__file_carrier *carrier = (cachette__file_carrier *)base;
  cachette__file_shared *shared = carrier->shared;
  tell_that_it_moved(shared);
  cachette__file_list more = {NULL, &more.first};
  cachette__file_job *job = take_all(&carrier->load);
  carrier->busy = false;
  while (job != NULL) {
    cachette__file_job *next = job->next;
    if (job->more && job->op != NULL)
      append(&more, job);
    else
      end_job(job);
    job = next;
  }
  wait_before(shared, &carrier->lane->waiting, &more);
  send_carrier(shared->store, carrier->lane);
  if (carrier->lane == &shared->reads) send_carrier(shared->store, &shared->writes);
}

/* ---- Their making ---- */

/* The time as entries count it. */
static int64_t entry_now(const cachette__file_settings *settings, const cachette_op *op) {
  return settings->clock.now != NULL ? op->priv.now_ms : cachette__epoch_now();
}

/* A job gives up a little before its op does, so that its own reason is heard. */
static int64_t give_up_at(const cachette__file_settings *settings, const cachette_op *op) {
  enum { MOST_MS = 50 };
  int64_t timeout_ms = op->timeout_ms > 0 ? op->timeout_ms : settings->timeout_ms;
  int64_t early_ms = timeout_ms / 8 < MOST_MS ? timeout_ms / 8 : MOST_MS;
  return op->priv.deadline_ms - early_ms;
}

static cachette__file_job *new_job(file *self, cachette_op *op) {
  const cachette__file_settings *settings = &self->shared->settings;
  size_t size = cachette__copy_size(op, settings->prefix);
  cachette__file_job *job = cachette__malloc(sizeof *job + size);
  if (job == NULL) return NULL;
  *job = (cachette__file_job){
      .op = op,
      .verb = op->verb,
      .flags = op->flags,
      .until_ms = give_up_at(settings, op),
      .now_ms = entry_now(settings, op),
      .size = sizeof *job + size,
      .count = cachette__copy_count(op),
  };
  cachette__copy_make(op, settings->prefix, job->items);
  return job;
}

/* ---- The vtable ---- */

static int check(const cachette_options *options, cachette_error *error) {
  cachette__file_settings settings;
  int code = cachette__file_settings_read(options, &settings, error);
  if (code == CACHETTE_OK) cachette__file_settings_deinit(&settings);
  return code;
}

static int open_file(const cachette__store_context *context, cachette__store **store,
                     cachette_error *error) {
  int code = cachette__file_watch_forks();
  if (code < 0) return cachette__fail(error, code, NULL, NULL);
  file *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__file_store;
  self->events = context->events;
  code = new_shared(context->options, &self->shared, error);
  if (code < 0) goto fail;
  self->shared->store = self;
  code = cachette__pool_new(context->loop, CACHETTE__FILE_READERS + 1, &kind, self->shared,
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
  file *self = (file *)store;
  cachette__file_shared *shared = self->shared;
  bool reads =
      op->verb == CACHETTE_FETCH || op->verb == CACHETTE_EXISTS || op->verb == CACHETTE_PING;
  cachette__file_lane *lane = reads ? &shared->reads : &shared->writes;
  cachette__file_job *job = new_job(self, op);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->priv.below = (uintptr_t)job;
  uv_mutex_lock(&shared->mutex);
  append(&lane->waiting, job);
  uv_mutex_unlock(&shared->mutex);
  send_carrier(self, lane);
}

/* The job is dropped by whoever comes across it. */
static void detach(cachette__store *store, cachette_op *op) {
  cachette__file_job *job = (cachette__file_job *)op->priv.below;
  (void)store;
  job->op = NULL;
  atomic_store(&job->abandoned, true);
}

static const char *server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const file *)store)->shared->settings.name;
}

static void stats(cachette__store *store, cachette_stats *stats) {
  const cachette__file_shared *shared = ((const file *)store)->shared;
  int64_t bytes = atomic_load(&shared->bytes);
  if (bytes > 0) stats->bytes = bytes; /* else the file was not opened yet */
  stats->limit = shared->settings.limit;
  stats->evictions = atomic_load(&shared->evictions);
  stats->expirations = atomic_load(&shared->expirations);
}

static void close_file(cachette__store *store, bool forked) {
  file *self = (file *)store;
  if (!forked) atomic_store(&self->shared->closing, true);
  cachette__pool_close(self->pool, CLOSE_PATIENCE_MS, forked);
  cachette__free(self);
}

const cachette__store_vtable cachette__file_store = {
    .name = "file",
    .check = check,
    .open = open_file,
    .submit = submit,
    .detach = detach,
    .server = server,
    .stats = stats,
    .close = close_file,
};
