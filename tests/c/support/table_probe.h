/* SPDX-License-Identifier: MIT */
/* Checks the structure of a table, and measures the cost of evictions. */
#ifndef CACHETTE_TESTS_TABLE_PROBE_H
#define CACHETTE_TESTS_TABLE_PROBE_H

#include "table/table.h"

/*
 * Walks a table, which no other thread may use meanwhile. Checks that the entry of each slot lies
 * in a segment of its shard, hashes to the bucket of the slot, and occurs once; that the counts of
 * each segment match its entries; that the queues are linked both ways; that no segment is in two
 * lists; and that the table is within its limit. Returns NULL, or a description of the first error.
 */
const char *table_check(cachette__table *table);

/* Fetches one key. The item has a buffer that is large enough for the value. */
void table_fetch_one(cachette__table *table, cachette_item *item, int64_t now_ms);

/* Returns the effort of all evictions so far: entries scanned plus KiB moved. */
uint64_t table_effort(cachette__table *table);

#endif
