/* SPDX-License-Identifier: MIT */
/* A scripted endpoint that announces real memcached servers, and caches that discover them. */
#ifndef CACHETTE_TESTS_MEMCACHED_DISCOVERY_H
#define CACHETTE_TESTS_MEMCACHED_DISCOVERY_H

#include "memcached_cluster.h"
#include "memcached_endpoint.h"

enum { DISCOVERY_KEYS = 300, DISCOVERY_PERIOD_MS = 200, DISCOVERY_LONG_MS = 600 * 1000 };

extern struct endpoint endpoint;
extern char keys[DISCOVERY_KEYS][24];

/* Set-up and tear-down of a test: an endpoint, empty servers, and the shorter period. */
int discovery_set_up(void **state);
int discovery_tear_down(void **state);

/* Opens a cache on the endpoint, or on these endpoints with more options. */
cachette *discovery_open(void);
cachette *discovery_open_with(const char *hosts, const char *timeout, const char *const *more);

/* Runs the handle for at least this time. */
void discovery_run_for(cachette *handle, int ms);

/* Runs the handle until the endpoint was asked `count` times more, and the answer was taken. */
void discovery_wait_until_asked(cachette *handle, int count);

/* Puts all keys, with themselves as values. */
void discovery_put_all(cachette *handle);

/* Returns how many of the keys are hits, and checks their values. */
int discovery_count_hits(cachette *handle);

#endif
