/* SPDX-License-Identifier: MIT */
/* Checks the structure of a table, and measures what its upkeep costs. */
#ifndef CACHETTE_TESTS_TABLE_PROBE_H
#define CACHETTE_TESTS_TABLE_PROBE_H

#include "table/table.h"

/*
 * Walks a table, which no other thread may be using. Each slot's entry lies in a segment of its
 * shard, hashes to that slot's bucket, and occurs once. Each segment's counts match its entries.
 * The queues are linked both ways. No segment is in two lists. All bytes together are within the
 * limit. Returns NULL, or what is wrong.
 */
const char *table_check(cachette__table *table);

/* Fetches one key, whose item has a buffer that its value fits. */
void table_fetch_one(cachette__table *table, cachette_item *item, int64_t now_ms);

/* The effort of evictions so far: entries looked at, plus KiB moved. */
uint64_t table_effort(cachette__table *table);

#endif
