/* SPDX-License-Identifier: MIT */
#include "table_snapshot.h"

#include <string.h>

#include "base/alloc.h"
#include "table/internal.h"

enum {
  SLICE = 32,           /* buckets visited under one lock */
  SLICE_BYTES = 1 << 18 /* copied under one lock; an entry may exceed it */
};

/* The table counts time from its first put. */
static int64_t to_table_time(cachette__table *table, int64_t now_ms) {
  int64_t begin = atomic_load(&table->arena.header->epoch_ms);
  return begin != CACHETTE__NO_EPOCH && now_ms > begin ? now_ms - begin : 0;
}

/* Precedes the bytes of each entry in a snapshot's slice. */
typedef struct entry_header {
  size_t key_size, value_size;
  int64_t left_ms;
} entry_header;

typedef struct snapshot_visitor {
  cachette__visitor visitor;
  table_snapshot *snapshot;
} snapshot_visitor;

/* Returns space for `size` more bytes in the slice; NULL: out of memory. */
static unsigned char *grow_snapshot(table_snapshot *snapshot, size_t size) {
  if (snapshot->capacity - snapshot->size < size) {
    size_t capacity = snapshot->capacity > 0 ? snapshot->capacity : SLICE_BYTES;
    while (capacity - snapshot->size < size) capacity *= 2;
    unsigned char *data = cachette__realloc(snapshot->data, capacity);
    if (data == NULL) return NULL;
    snapshot->data = data;
    snapshot->capacity = capacity;
  }
  return snapshot->data + snapshot->size;
}

static bool copy_entry(cachette__visitor *visitor, cachette__shard_ref ref,
                       const cachette__entry *entry) {
  table_snapshot *snapshot = ((snapshot_visitor *)visitor)->snapshot;
  entry_header header = {entry->key_size, (size_t)entry->value_size,
                         entry->expires_ms - ref.now_ms};
  size_t bytes = header.key_size + header.value_size;
  unsigned char *at = grow_snapshot(snapshot, sizeof header + bytes);
  if (at == NULL) {
    snapshot->failed = true;
    return false;
  }
  memcpy(at, &header, sizeof header);
  cachette__entry_copy(ref.arena, entry, 0, bytes,
                       at + sizeof header); /* the value follows the key */
  snapshot->size += sizeof header + bytes;
  return false; /* the entry stays */
}

/* Copies buckets of the current shard into a slice. Returns false if that was its last bucket. */
static bool copy_slice(cachette__table *table, table_snapshot *snapshot, int64_t now_ms) {
  snapshot_visitor self = {.visitor.visit = copy_entry, .snapshot = snapshot};
  cachette__shard_ref ref =
      cachette__table_shard(table, snapshot->shard, to_table_time(table, now_ms));
  bool more = true;
  uv_mutex_lock(&ref.shard->lock);
  ref.shard->scans += !snapshot->scanning;
  snapshot->scanning = true;
  for (int i = 0; i < SLICE && more && !snapshot->failed && snapshot->size < SLICE_BYTES; i++)
    more = cachette__shard_scan_locked(ref, snapshot->bucket++, 1, &self.visitor);
  if (!more) {
    ref.shard->scans--;
    snapshot->scanning = false;
  }
  uv_mutex_unlock(&ref.shard->lock);
  return more;
}

static void visit_slice(const table_snapshot *snapshot, table_snapshot_visit *visit, void *data) {
  entry_header header;
  for (size_t at = 0; at < snapshot->size; at += header.key_size + header.value_size) {
    memcpy(&header, snapshot->data + at, sizeof header);
    at += sizeof header;
    const unsigned char *key = snapshot->data + at;
    visit(data, (cachette_slice){key, header.key_size},
          (cachette_slice){key + header.key_size, header.value_size}, header.left_ms);
  }
}

int table_snapshot_next(cachette__table *table, table_snapshot *snapshot, int64_t now_ms,
                        table_snapshot_visit *visit, void *data) {
  snapshot->size = 0;
  if (snapshot->shard < table->shard_count && !copy_slice(table, snapshot, now_ms)) {
    snapshot->shard++;
    snapshot->bucket = 0;
  }
  if (!snapshot->failed) {
    visit_slice(snapshot, visit, data);
    if (snapshot->shard < table->shard_count) return 1;
  }
  int code = snapshot->failed ? CACHETTE_ENOMEM : CACHETTE_OK;
  table_snapshot_end(table, snapshot);
  return code;
}

void table_snapshot_end(cachette__table *table, table_snapshot *snapshot) {
  if (snapshot->scanning) {
    cachette__shard_ref ref = cachette__table_shard(table, snapshot->shard, 0);
    uv_mutex_lock(&ref.shard->lock);
    ref.shard->scans--;
    uv_mutex_unlock(&ref.shard->lock);
  }
  cachette__free(snapshot->data);
  *snapshot = (table_snapshot){.shard = table->shard_count};
}
