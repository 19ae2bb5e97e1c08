/* SPDX-License-Identifier: MIT */
#include "backends.h"

#include <stddef.h>
#include <string.h>

static const cachette__backend_info table[] = {
#define ROW(name, display, codec, store) {name, display, codec},
    CACHETTE__BACKENDS(ROW)
#undef ROW
};

const cachette__backend_info *cachette__backend_find(const char *name) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}
