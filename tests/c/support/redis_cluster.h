/* SPDX-License-Identifier: MIT */
/* A Redis Cluster for tests, on free ports of this machine. */
#ifndef CACHETTE_TESTS_REDIS_CLUSTER_H
#define CACHETTE_TESTS_REDIS_CLUSTER_H

#include "redis_server.h"

enum { REDIS_CLUSTER_MAX = 8 };

struct redis_cluster {
  struct redis_server nodes[REDIS_CLUSTER_MAX];
  char ids[REDIS_CLUSTER_MAX][41];
  int count, primaries;
  char config[REDIS_CLUSTER_MAX][96]; /* the files with the state of the nodes */
};

/* Starts a cluster whose first `primaries` nodes share the slots evenly. Each of the others is a
 * replica, of the first one and so on. Returns when all nodes agree and all replicas are
 * synchronised. The time after which a node counts as failed is 1 s. */
void redis_cluster_start(struct redis_cluster *cluster, int primaries, int replicas);

/* Kills all nodes and removes their files. */
void redis_cluster_remove(struct redis_cluster *cluster);

/* Starts a node again that was killed. */
void redis_cluster_restart(struct redis_cluster *cluster, int node);

/* Sends a command to a node, which must reply with OK. */
void redis_cluster_do(struct redis_cluster *cluster, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns the index of the primary that owns the slot of a key, as the cluster was started. */
int redis_cluster_owner(const struct redis_cluster *cluster, const char *key);

/* Returns the slot of a key, as the server computes it. */
int redis_cluster_slot(const struct redis_cluster *cluster, const char *key);

/* Waits until all nodes that run agree that this one owns the slot. */
void redis_cluster_wait_owner(const struct redis_cluster *cluster, int slot, int node);

/* Waits until the reply of a node to a command has a text. */
void redis_cluster_wait(const struct redis_cluster *cluster, int node, const char *command,
                        const char *text);

/* Moves a slot with its keys to another primary, as `redis-cli --cluster reshard` does. `keys`:
 * how many keys at most; -1: all, and then the new owner is announced. */
void redis_cluster_move(struct redis_cluster *cluster, int slot, int from, int to, int keys);

#endif
