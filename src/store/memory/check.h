/* SPDX-License-Identifier: MIT */
/* For tests: whether a table is whole, and what its upkeep costs. */
#ifndef CACHETTE_MEMORY_CHECK_H
#define CACHETTE_MEMORY_CHECK_H

#include "table.h"

/*
 * Walks all of a table, which no other thread may be using: each slot's entry lies in a segment of
 * its shard, hashes to that slot's bucket, and stands once; each segment's figures are what its
 * entries add up to; the queues' links go both ways; no segment is in two places; the bytes add up
 * to no more than the limit. Returns NULL, or what is wrong.
 */
const char *cachette__table_check(cachette__table *table);

/* The effort that making room has taken so far: entries looked at, KiB moved. */
uint64_t cachette__table_effort(cachette__table *table);

#endif
