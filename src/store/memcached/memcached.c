/* SPDX-License-Identifier: MIT */
/* The store: ops fan out to the nodes that have their keys. */
#include "memcached.h"

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "internal.h"

/* ---- Ops ---- */

static void send_part(cachette__mc_part *part, bool clears) {
  const cachette_error *error;
  const char *reason;
  int code = cachette__link_connect(&part->node->pipeline.link, &error);
  if (code < 0) {
    cachette__mc_fail_part(part, code, error->message);
  } else if (clears) {
    cachette__mc_clear_start(part);
  } else {
    code = cachette__mc_push(part, cachette__mc_part_bytes(part), &reason);
    if (code < 0) cachette__mc_fail_part(part, code, reason);
  }
}

static void fan_out(cachette__memcached *self, cachette_op *op) {
  bool clears = cachette__mc_clears(self, op);
  cachette__mc_fanout *fanout = cachette__mc_fanout_new(self, op, clears);
  if (fanout == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->priv.below = (uintptr_t)fanout;
  for (size_t i = 0; i < fanout->part_count; i++)
    if (cachette__mc_part_is_used(&fanout->parts[i])) send_part(&fanout->parts[i], clears);
  cachette__mc_fanout_release(fanout);
}

static void memcached_submit(cachette__store *store, cachette_op *op) {
  cachette__memcached *self = (cachette__memcached *)store;
  if (op->verb == CACHETTE_FLUSH_EXPIRED) { /* the server removes expired entries itself */
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  if (cachette__mc_clears(self, op) && cachette__mc_clear_refuse(self, op)) return;
  if (self->discovery != NULL) cachette__mc_discovery_catch_up(self->discovery);
  if (self->list != NULL)
    fan_out(self, op);
  else
    cachette__mc_discovery_wait(self->discovery, op);
}

static void memcached_detach(cachette__store *store, cachette_op *op) {
  const cachette__memcached *self = (cachette__memcached *)store;
  if (cachette__mc_discovery_has(op)) {
    cachette__mc_discovery_detach(self->discovery, op);
    return;
  }
  cachette__mc_fanout *fanout = (cachette__mc_fanout *)op->priv.below;
  int64_t waited_ms = op->timeout_ms > 0 ? op->timeout_ms : self->settings->timeout_ms;
  for (size_t i = 0; i < fanout->part_count; i++) {
    cachette__mc_part *part = &fanout->parts[i];
    if (!part->pending) continue;
    cachette__mc_mark_timed_out(part);
    cachette__pipeline_abandoned(&part->node->pipeline, op->priv.deadline_ms, waited_ms);
  }
  fanout->op = NULL;
}

static void memcached_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats; /* a server's statistics need a command, and they count all its clients */
}

/* Any of the op's servers may be the one that it waits for. */
static const cachette_error *memcached_reason(cachette__store *store, const cachette_op *op) {
  const cachette__mc_fanout *fanout = (const cachette__mc_fanout *)op->priv.below;
  const cachette_error *hint = NULL;
  if (cachette__mc_discovery_has(op))
    return cachette__mc_discovery_reason(((cachette__memcached *)store)->discovery);
  for (size_t i = 0; i < fanout->part_count && hint == NULL; i++)
    if (cachette__mc_part_is_used(&fanout->parts[i]))
      hint = cachette__link_hint(&fanout->parts[i].node->pipeline.link);
  return hint;
}

static const char *memcached_server(const cachette__store *store, const cachette_op *op) {
  if (op != NULL && cachette__mc_discovery_has(op))
    return cachette__mc_discovery_server(((const cachette__memcached *)store)->discovery);
  const cachette__mc_fanout *fanout = op != NULL ? (cachette__mc_fanout *)op->priv.below : NULL;
  for (size_t i = 0; fanout != NULL && i < fanout->part_count; i++)
    if (fanout->parts[i].pending) return fanout->parts[i].node->pipeline.name;
  return ((const cachette__memcached *)store)->name;
}

/* ---- Open and close ---- */

static void on_timer_closed(uv_handle_t *handle) { cachette__mc_handle_closed(handle->data); }

static void memcached_close(cachette__store *store, bool forked) {
  cachette__memcached *self = (cachette__memcached *)store;
  self->closing = true;
  cachette__mc_clear_close(self);
  cachette__mc_nodes_close(self, forked);
  if (self->discovery != NULL) cachette__mc_discovery_close(self->discovery, forked);
  cachette__mc_list_release(self->list);
  if (forked)
    cachette__mc_store_free(self);
  else
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}

/* Gets the servers: those of the options, or a discovery that looks for them. */
static bool get_servers(cachette__memcached *self) {
  cachette__memcached_hosts *hosts = self->settings->hosts;
  cachette__mc_name_servers(self, hosts);
  if (self->settings->published != NULL) return cachette__mc_discovery_start(self);
  cachette__mc_list *list = cachette__mc_list_new(self, cachette__memcached_hosts_retain(hosts));
  if (list != NULL) cachette__mc_list_use(self, list);
  return list != NULL;
}

static int memcached_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error) {
  cachette__memcached *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__memcached_store;
  self->loop = context->loop;
  self->events = context->events;
  self->settings = (const cachette__memcached_settings *)context->settings;
  self->submit = fan_out;
  if (!get_servers(self)) {
    cachette__mc_store_free(self);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  uv_timer_init(self->loop, &self->timer);
  self->timer.data = self;
  self->open_handles++;
  *store = &self->base;
  return CACHETTE_OK;
}

const cachette__store_vtable cachette__memcached_store = {
    .settings = cachette__memcached_settings_new,
    .warn = cachette__memcached_warn,
    .open = memcached_open,
    .submit = memcached_submit,
    .detach = memcached_detach,
    .stats = memcached_stats,
    .reason = memcached_reason,
    .server = memcached_server,
    .close = memcached_close,
};
