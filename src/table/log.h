/* SPDX-License-Identifier: MIT */
/*
 * The queues of a shard are logs: entries are appended at the head, and whole segments are emptied
 * from the tail.
 *
 *     tail                                                     head
 *     [ e e . e e ][ . e e e . ][ e e ..... long ..... ][ e e e      ]
 *           '-- dead: replaced, cleared, expired or moved; no longer in the index
 *
 * All functions require the shard's lock.
 */
#ifndef CACHETTE_TABLE_LOG_H
#define CACHETTE_TABLE_LOG_H

#include "arena.h"

typedef struct cachette__log {
  uint32_t head, tail; /* segments, or CACHETTE__NO_SEGMENT */
  uint32_t count;      /* of segments */
  uint64_t live;       /* words of entries in the index */
} cachette__log;

/* Segments that are allocated but not in a log yet, linked by `next`. */
typedef struct cachette__spares {
  uint32_t first;
  uint32_t count;
} cachette__spares;

void cachette__log_init(cachette__log *log);

/* How many more segments an entry of `words` words needs at the head. */
uint32_t cachette__log_segments_needed(const cachette__arena *arena, const cachette__log *log,
                                       uint64_t words);

/* Appends `words` words for an entry; there must be enough spares. Returns their position. */
uint64_t cachette__log_append(cachette__arena *arena, cachette__log *log, uint32_t queue,
                              cachette__spares *spares, uint64_t words, int64_t expires_ms);

/* Adds the words of an entry to the live words of its segments and its log, or subtracts them. */
void cachette__log_account(cachette__arena *arena, cachette__log *log, uint64_t position,
                           uint64_t words, bool alive);

/* Removes a segment from its log; the caller frees it. */
void cachette__log_unlink(cachette__arena *arena, cachette__log *log, uint32_t segment);

#endif
