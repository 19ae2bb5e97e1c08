/* SPDX-License-Identifier: MIT */
/*
 * The queues of a shard as logs: entries are appended at the head, one behind the other, and
 * drained segment by segment from the tail.
 *
 *     tail                                                     head
 *     [ e e . e e ][ . e e e . ][ e e ..... long ..... ][ e e e      ]
 *           '-- dead: replaced, cleared, expired or moved; the index does not know it any more
 *
 * All of it is called with the shard's lock held.
 */
#ifndef CACHETTE_TABLE_LOG_H
#define CACHETTE_TABLE_LOG_H

#include "arena.h"

typedef struct cachette__log {
  uint32_t head, tail; /* segments, or CACHETTE__NO_SEGMENT */
  uint32_t count;      /* of segments */
  uint64_t live;       /* words */
} cachette__log;

/* Segments taken and not in a log yet, linked by `next`. */
typedef struct cachette__spares {
  uint32_t first;
  uint32_t count;
} cachette__spares;

void cachette__log_init(cachette__log *log);

/* How many more segments an entry of so many words needs at the head. */
uint32_t cachette__log_need(const cachette__arena *arena, const cachette__log *log, uint64_t words);

/* Appends room for an entry, with spares that must suffice. Returns its position. */
uint64_t cachette__log_append(cachette__arena *arena, cachette__log *log, uint32_t queue,
                              cachette__spares *spares, uint64_t words, int64_t expires_ms);

/* Adds `words` of an entry to what lives in its segments, or takes them off. */
void cachette__log_account(cachette__arena *arena, cachette__log *log, uint64_t position,
                           uint64_t words, bool alive);

/* Takes a segment out of its log; the caller gives it back to the arena. */
void cachette__log_unlink(cachette__arena *arena, cachette__log *log, uint32_t segment);

#endif
