/* SPDX-License-Identifier: MIT */
/* Three memcached servers, and caches on one or all of them. */
#ifndef CACHETTE_TESTS_MEMCACHED_CLUSTER_H
#define CACHETTE_TESTS_MEMCACHED_CLUSTER_H

#include "memcached_server.h"
#include "support.h"

enum { SERVERS = 3 };

extern struct memcached_server servers[SERVERS];
extern char all_hosts[256]; /* a value for the option `memcached_host` */

/* Set-up and tear-down of a test program. */
int cluster_start(void **state);
int cluster_kill(void **state);

/* Set-up of a test: empties the servers. */
int cluster_empty(void **state);

/* Opens a cache on these hosts, with one more option or NULL. */
cachette *open_on(const char *hosts, const char *name, const char *value);

/* Opens a cache on the first server, or on all of them. */
cachette *open_one(void);
cachette *open_all(void);

#endif
