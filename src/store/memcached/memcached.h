/* SPDX-License-Identifier: MIT */
/* The memcached store: one multiplexed, pipelined connection to each server. */
#ifndef CACHETTE_MEMCACHED_H
#define CACHETTE_MEMCACHED_H

#include "../store.h"

extern const cachette__store_vtable cachette__memcached_store;

#endif
