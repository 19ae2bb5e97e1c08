/* SPDX-License-Identifier: MIT */
/* The memcached store: one multiplexed connection to each server, with meta commands. */
#ifndef CACHETTE_MEMCACHED_H
#define CACHETTE_MEMCACHED_H

#include "../store.h"

extern const cachette__store_vtable cachette__memcached_store;

#endif
