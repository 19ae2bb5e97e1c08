/* SPDX-License-Identifier: MIT */
/*
 * The first handle of a configuration tells whether its ops wait for a server.
 *
 * If they do not, as with the in-memory store, all threads and event loops share that handle: an op
 * completes inside cachette_submit(), with the GIL held. The handle also keeps the entries alive
 * while loops come and go. If they do, the first loop or thread takes that handle, and each other
 * one opens its own (loop_handle.c, thread_handle.c).
 */
#include "handle.h"

#include "errors.h"

static int open_handle(config_object *config, ext_state *state, cachette **handle) {
  cachette_error error;
  int code = cachette_open(config->options, handle, &error);
  return code < 0 ? raise_error(state, code, &error) : 0;
}

/* Opens the shared handle. After a fork it replaces the old handle and closes that last, because
 * the old one keeps the entries alive. */
static int open_shared(config_object *config, ext_state *state) {
  cachette *opened;
  if (open_handle(config, state, &opened) < 0) return -1;
  cachette_close(config->handle);
  config->handle = opened;
  return 0;
}

int handle_probe(config_object *config, ext_state *state) {
  if (open_shared(config, state) < 0) return -1;
  config->waits = !cachette_immediate(config->handle);
  return config->waits;
}

cachette *handle_take(config_object *config, ext_state *state) {
  cachette *handle = config->handle;
  config->handle = NULL;
  if (handle != NULL && cachette_fd(handle) >= 0) return handle;
  cachette_close(handle); /* from before a fork, or NULL */
  return open_handle(config, state, &handle) == 0 ? handle : NULL;
}

int handle_submit(config_object *config, ext_state *state, cachette_op *op) {
  if (config->handle == NULL && open_shared(config, state) < 0) return -1;
  cachette_submit(config->handle, op);
  if (op->status != CACHETTE_EFORK) return 0;
  if (open_shared(config, state) < 0) return -1;
  cachette_submit(config->handle, op);
  return 0;
}

int handle_run(config_object *config, ext_state *state, cachette_op *op) {
  cachette_error error;
  op->error = &error;
  if (handle_submit(config, state, op) < 0) return -1;
  int status = op->status < 0 ? op->status : op->items[0].status;
  op->error = NULL;
  if (status >= 0) return 0;
  if (!PyErr_Occurred()) raise_error(state, status, &error);
  return op->status == CACHETTE_EINVAL ? HANDLE_INVALID : -1;
}

/* ---- Statistics ---- */

void stats_add(cachette_stats *sum, const cachette_stats *stats) {
#define HANDLE(name) sum->name += stats->name;
#define STORE(name)
#define ADD(name, owner, text) owner(name)
  CACHETTE_STATS(ADD)
#undef HANDLE
#undef STORE
#undef ADD
}

void stats_add_handle(cachette_stats *sum, const cachette *handle) {
  cachette_stats stats;
  if (handle != NULL && cachette_get_stats(handle, &stats, sizeof stats) == CACHETTE_OK)
    stats_add(sum, &stats);
}
