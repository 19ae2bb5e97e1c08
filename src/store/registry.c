/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <string.h>

#include "common/module.h"
#include "memcached/memcached.h"
#include "memory/memory.h"
#include "none.h"
#include "redis/redis.h"

/* Each backend and its store, which is either linked in or a module. */
static struct entry {
  const char *backend;
  const cachette__store_vtable *linked;
  cachette__module module;
} entries[] = {
#define LINKED(store) .linked = &cachette__##store##_store
#define MODULE(...) .module = {__VA_ARGS__, NULL}
#define ROW(name, display, codec, store) {.backend = name, store},
    CACHETTE__BACKENDS(ROW)
#undef ROW
#undef MODULE
#undef LINKED
};

int cachette__store_find(const char *backend, const cachette__store_vtable **store,
                         cachette_error *error) {
  struct entry *entry = entries;
  while (strcmp(entry->backend, backend) != 0) entry++;
  if (entry->linked == NULL) return cachette__module_open(&entry->module, backend, store, error);
  *store = entry->linked;
  return CACHETTE_OK;
}

static int find(const cachette_options *options, const cachette__store_vtable **store,
                cachette_error *error) {
  const char *backend = cachette__options_text(options, CACHETTE__OPTION_backend);
  return cachette__store_find(backend, store, error);
}

int cachette__store_check(const cachette_options *options, cachette_error *error) {
  const cachette__store_vtable *vtable;
  cachette__settings *settings;
  if (cachette__options_settings(options) != NULL) return CACHETTE_OK;
  if (find(options, &vtable, NULL) < 0 || vtable->settings == NULL) return CACHETTE_OK;
  int code = vtable->settings(options, &settings, error);
  if (code == CACHETTE_OK) cachette__options_set_settings(options, settings);
  return code;
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
