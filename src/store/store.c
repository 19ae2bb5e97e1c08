/* SPDX-License-Identifier: MIT */
/* Which store answers to which backend's name. */
#include "store.h"

#include <string.h>

#include "memcached/memcached.h"
#include "memory/memory.h"
#include "module.h"
#include "none.h"
#include "redis/redis.h"

static const cachette__store_vtable *const stores[] = {
    &cachette__memory_store, &cachette__none_store,   &cachette__memcached_store,
    &cachette__redis_store,  &cachette__valkey_store,
};

/* The store that the options name; EUNSUPPORTED: it is not part of this build. */
static int find(const cachette_options *options, const cachette__store_vtable **store,
                cachette_error *error) {
  const char *backend = cachette__options_text(options, CACHETTE__OPTION_backend);
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
    if (strcmp(stores[i]->name, backend) != 0) continue;
    *store = stores[i];
    return CACHETTE_OK;
  }
  return cachette__module_find(backend, store, error);
}

int cachette__store_check(const cachette_options *options, cachette_error *error) {
  const cachette__store_vtable *vtable;
  if (find(options, &vtable, NULL) < 0 || vtable->check == NULL) return CACHETTE_OK;
  return vtable->check(options, error);
}

bool cachette__store_warn(const cachette_options *options, cachette_error *warning) {
  const cachette__store_vtable *vtable;
  if (find(options, &vtable, NULL) < 0 || vtable->warn == NULL) return false;
  return vtable->warn(options, warning);
}

int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  const cachette__store_vtable *vtable;
  int code = find(context->options, &vtable, error);
  return code < 0 ? code : vtable->open(context, store, error);
}
