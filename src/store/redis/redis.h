/* SPDX-License-Identifier: MIT */
/* The stores that keep entries in a Redis or Valkey server. */
#ifndef CACHETTE_REDIS_H
#define CACHETTE_REDIS_H

#include "../store.h"

extern const cachette__store_vtable cachette__redis_store, cachette__valkey_store;

#endif
