/* SPDX-License-Identifier: MIT */
/* Whether a table is whole, and what its upkeep costs. */
#ifndef CACHETTE_TESTS_TABLE_PROBE_H
#define CACHETTE_TESTS_TABLE_PROBE_H

#include "table/table.h"

/*
 * Walks all of a table, which no other thread may be using: each slot's entry lies in a segment of
 * its shard, hashes to that slot's bucket, and stands once; each segment's figures are what its
 * entries add up to; the queues' links go both ways; no segment is in two places; the bytes add up
 * to no more than the limit. Returns NULL, or what is wrong.
 */
const char *table_check(cachette__table *table);

/* Fetches one key, whose item has a buffer that its value fits. */
void table_fetch_one(cachette__table *table, cachette_item *item, int64_t now_ms);

/* The effort that making room has taken so far: entries looked at, KiB moved. */
uint64_t table_effort(cachette__table *table);

#endif
