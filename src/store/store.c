/* SPDX-License-Identifier: MIT */
/* Which store answers to which backend's name. */
#include "store.h"

#include <string.h>

#include "../error.h"
#include "memory/memory.h"

static const cachette__store_vtable *const stores[] = {
    &cachette__memory_store,
};

int cachette__store_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  const char *backend = cachette__options_text(context->options, CACHETTE__OPTION_backend);
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
    if (strcmp(stores[i]->name, backend) == 0) return stores[i]->open(context, store, error);
  return cachette__fail(error, CACHETTE_EUNSUPPORTED, "backend",
                        "The \"%s\" backend is not part of this build of cachette.", backend);
}
