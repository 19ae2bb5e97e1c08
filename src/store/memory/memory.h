/* SPDX-License-Identifier: MIT */
/* The in-memory store: tables in this process, which handles share by name. */
#ifndef CACHETTE_MEMORY_H
#define CACHETTE_MEMORY_H

#include "../store.h"

extern const cachette__store_vtable cachette__memory_store;

#endif
