/* SPDX-License-Identifier: MIT */
/* Three memcached servers, and caches on one or all of them. */
#ifndef CACHETTE_TESTS_MEMCACHED_CLUSTER_H
#define CACHETTE_TESTS_MEMCACHED_CLUSTER_H

#include "memcached_server.h"
#include "support.h"

enum { SERVERS = 3 };

extern struct memcached_server servers[SERVERS];
extern char all_hosts[256]; /* as the option `memcached_host` has them */

/* Set-up and tear-down of all tests of a program. */
int cluster_start(void **state);
int cluster_kill(void **state);

/* Set-up of each test: the servers are empty. */
int cluster_empty(void **state);

/* A cache on these hosts, with one more option or NULL; on the first server; on all of them. */
cachette *open_on(const char *hosts, const char *name, const char *value);
cachette *open_one(void);
cachette *open_all(void);

#endif
