/* SPDX-License-Identifier: MIT */
/* Reads all entries of a table, while other threads use it. */
#ifndef CACHETTE_TESTS_TABLE_SNAPSHOT_H
#define CACHETTE_TESTS_TABLE_SNAPSHOT_H

#include "table/table.h"

/*
 * A copy of all entries, made in slices while others may write. Start with a struct that is all
 * zero. Then call table_snapshot_next() as long as it returns 1, or stop early with
 * table_snapshot_end(). An entry that exists unchanged from the first call to the last is
 * visited, perhaps twice. One that is put or removed meanwhile may be visited or not.
 */
typedef struct table_snapshot {
  uint32_t shard, bucket; /* to copy next */
  bool scanning;          /* in that shard */
  bool failed;            /* out of memory */
  unsigned char *data;    /* the slice: for each entry its sizes, time left, key and value */
  size_t size, capacity;
} table_snapshot;

/* Receives an entry. Key and value are valid until it returns. The table holds no lock. */
typedef void table_snapshot_visit(void *data, cachette_slice key, cachette_slice value,
                                  int64_t left_ms);

/* Visits a slice of the entries. Returns 1 if there are more, 0 at the end, or CACHETTE_ENOMEM. */
int table_snapshot_next(cachette__table *table, table_snapshot *snapshot, int64_t now_ms,
                        table_snapshot_visit *visit, void *data);
void table_snapshot_end(cachette__table *table, table_snapshot *snapshot);

#endif
