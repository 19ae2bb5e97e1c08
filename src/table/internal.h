/* SPDX-License-Identifier: MIT */
/* The table struct and its shards. */
#ifndef CACHETTE_TABLE_INTERNAL_H
#define CACHETTE_TABLE_INTERNAL_H

#include "shard.h"
#include "table.h"

struct cachette__table {
  cachette__arena arena;
  uint32_t shard_count; /* a power of two */
  size_t limit;
};

static inline cachette__shard_ref cachette__table_shard(cachette__table *table, uint32_t number,
                                                        int64_t now_ms) {
  cachette__shard *shards = (cachette__shard *)table->arena.shards;
  return (cachette__shard_ref){&table->arena, &shards[number], now_ms};
}

#endif
