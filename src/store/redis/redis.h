/* SPDX-License-Identifier: MIT */
/* The Redis and Valkey stores: one multiplexed, pipelined connection to one server. */
#ifndef CACHETTE_REDIS_H
#define CACHETTE_REDIS_H

#include "../store.h"

extern const cachette__store_vtable cachette__redis_store, cachette__valkey_store;

#endif
