/* SPDX-License-Identifier: MIT */
/* Which store answers to which backend's name. */
#include "store.h"

#include <string.h>

#include "../error.h"
#include "memory/memory.h"
#include "redis/redis.h"

static const cachette__store_vtable *const stores[] = {
    &cachette__memory_store,
    &cachette__redis_store,
    &cachette__valkey_store,
};

static const cachette__store_vtable *find(const cachette_options *options) {
  const char *backend = cachette__options_text(options, CACHETTE__OPTION_backend);
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
    if (strcmp(stores[i]->name, backend) == 0) return stores[i];
  return NULL;
}

int cachette__store_check(const cachette_options *options, cachette_error *error) {
  const cachette__store_vtable *vtable = find(options);
  return vtable != NULL && vtable->check != NULL ? vtable->check(options, error) : CACHETTE_OK;
}

int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  const cachette__store_vtable *vtable = find(context->options);
  if (vtable != NULL) return vtable->open(context, store, error);
  return cachette__fail(error, CACHETTE_EUNSUPPORTED, "backend",
                        "The \"%s\" backend is not part of this build of cachette.",
                        cachette__options_text(context->options, CACHETTE__OPTION_backend));
}
