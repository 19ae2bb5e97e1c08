/* SPDX-License-Identifier: MIT */
/* The store: ops become requests of its node. */
#include "redis.h"

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "router.h"

/* The store of a handle. */
typedef struct cachette__redis {
  cachette__store base;
  cachette__redis_router router;
} cachette__redis;

static cachette__redis_router *router_of(cachette__store *store) {
  return &((cachette__redis *)store)->router;
}

/* ---- Ops ---- */

static void redis_submit(cachette__store *store, cachette_op *op) {
  cachette__redis_router *router = router_of(store);
  bool has_keys = op->verb >= CACHETTE_FETCH && op->verb <= CACHETTE_CLEAR;
  if (has_keys && router->mode == CACHETTE__REDIS_PLAIN) /* the common case, so it is quick */
    cachette__redis_node_submit(router->plain, op, 0);
  else if (op->verb == CACHETTE_FLUSH_EXPIRED) /* the server removes expired entries itself */
    cachette__op_complete(op, CACHETTE_OK);
  else
    cachette__redis_router_submit(router, op);
}

static void redis_detach(cachette__store *store, cachette_op *op) {
  cachette__redis_router_detach(router_of(store), op);
}

static const cachette_error *redis_reason(cachette__store *store, const cachette_op *op) {
  return cachette__redis_router_reason(router_of(store), op);
}

static void redis_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats; /* a server's statistics need a command, and they count all its clients */
}

static const char *redis_server(const cachette__store *store, const cachette_op *op) {
  return cachette__redis_router_server(&((const cachette__redis *)store)->router, op);
}

/* ---- Open and close ---- */

static void redis_close(cachette__store *store, bool forked) {
  cachette__redis *self = (cachette__redis *)store;
  cachette__redis_router_close(&self->router, forked, cachette__free, self);
  if (forked) cachette__free(self);
}

static int redis_settings(const cachette_options *options, cachette__settings **settings,
                          cachette_error *error) {
  return cachette__redis_settings_new(options, CACHETTE__OPTION_redis_url, settings, error);
}

static int valkey_settings(const cachette_options *options, cachette__settings **settings,
                           cachette_error *error) {
  return cachette__redis_settings_new(options, CACHETTE__OPTION_valkey_url, settings, error);
}

static int open_store(const cachette__store_context *context, const cachette__store_vtable *vtable,
                      cachette__store **store, cachette_error *error) {
  cachette__redis *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = vtable;
  int code = cachette__redis_router_init(&self->router, context, error);
  if (code < 0) {
    cachette__free(self);
    return code;
  }
  *store = &self->base;
  return CACHETTE_OK;
}

static int redis_open(const cachette__store_context *context, cachette__store **store,
                      cachette_error *error) {
  return open_store(context, &cachette__redis_store, store, error);
}

static int valkey_open(const cachette__store_context *context, cachette__store **store,
                       cachette_error *error) {
  return open_store(context, &cachette__valkey_store, store, error);
}

const cachette__store_vtable cachette__redis_store = {
    .settings = redis_settings,
    .warn = cachette__redis_warn,
    .open = redis_open,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};

const cachette__store_vtable cachette__valkey_store = {
    .settings = valkey_settings,
    .warn = cachette__valkey_warn,
    .open = valkey_open,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};
