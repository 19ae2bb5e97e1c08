/* SPDX-License-Identifier: MIT */
/*
 * The slot of a key in a Redis Cluster: a checksum of the key, or of its hash tag.
 *
 * https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
 *
 * Keys with the same hash tag have the same slot. The tag is the text between the first `{` and the
 * first `}` after it, unless it is empty: "user" in "{user}:1".
 */
#ifndef CACHETTE_REDIS_CLUSTER_SLOTS_H
#define CACHETTE_REDIS_CLUSTER_SLOTS_H

#include "cachette.h"

enum { CACHETTE__REDIS_SLOTS = 16384 };

/* Returns the slot of the key that is sent to the server: `prefix`, then `key`. A hash tag may be
 * in either, or begin in the prefix and end in the key. */
uint16_t cachette__redis_slot(cachette_slice prefix, cachette_slice key);

#endif
