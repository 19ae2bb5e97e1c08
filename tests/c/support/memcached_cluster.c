/* SPDX-License-Identifier: MIT */
#include "memcached_cluster.h"

#include <stdio.h>

struct memcached_server servers[SERVERS];
char all_hosts[256];

int cluster_start(void **state) {
  (void)state;
  for (int i = 0; i < SERVERS; i++) memcached_server_start(&servers[i], NULL);
  snprintf(all_hosts, sizeof all_hosts, "%s, %s:3,%s", servers[0].host, servers[1].host,
           servers[2].host);
  return 0;
}

int cluster_kill(void **state) {
  (void)state;
  for (int i = 0; i < SERVERS; i++) memcached_server_kill(&servers[i]);
  return 0;
}

int cluster_empty(void **state) {
  char reply[64];
  (void)state;
  for (int i = 0; i < SERVERS; i++) {
    memcached_server_command(&servers[i], "flush_all\r\n", reply, sizeof reply);
    assert_string_equal(reply, "OK\r\n");
  }
  return 0;
}

cachette *open_on(const char *hosts, const char *name, const char *value) {
  return open_cache(options_with("backend", "memcached", "memcached_host", hosts, "timeout", "5",
                                 name, value, NULL));
}

cachette *open_one(void) { return open_on(servers[0].host, NULL, NULL); }

cachette *open_all(void) { return open_on(all_hosts, NULL, NULL); }
