/* SPDX-License-Identifier: MIT */
/*
 * Which entries stay: S3-FIFO with an admission that learns.
 *
 * The ground is S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023): new entries pass through a small queue, a tenth of the shard; those used there move to the
 * main queue, in which an entry that was used since its last turn gets another; hashes of what was
 * evicted are kept for a while as ghosts, and what comes back while its ghost is there goes to the
 * main queue at once. A hit writes the entry's use count, and nothing when that is full.
 *
 * A loop over more entries than fit defeats that: each is evicted just before it comes back. So
 * three things are measured, where entries are evicted and where they come back, never on a hit:
 *
 *   regret    how many of the entries evicted from the main queue come back soon
 *   profit    how many of the entries that their ghost let into the main queue are used there
 *   second    how many of the entries that were used just once in the small queue, and evicted,
 * come back
 *
 * While regret outweighs profit, fewer and fewer ghosts let their entry into the main queue, down
 * to one in 32, and the small queue shrinks: what is in the main queue stays, and gets its hits.
 * One use in the small queue is enough for the main queue where `second` says that it pays.
 */
#ifndef CACHETTE_TABLE_POLICY_H
#define CACHETTE_TABLE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHETTE__SMALL, CACHETTE__MAIN, CACHETTE__QUEUES };

/* The use byte of a slot: hits since the last turn, and whether a ghost let the entry in. */
enum { CACHETTE__USE_MOST = 3, CACHETTE__USE_COUNT = 3, CACHETTE__USE_GUEST = 4 };

/* The use after one more hit; the same if there is nothing to write. */
static inline unsigned cachette__policy_used(unsigned use) {
  return (use & CACHETTE__USE_COUNT) < CACHETTE__USE_MOST ? use + 1 : use;
}

typedef struct cachette__policy {
  ptrdiff_t ghost_distance; /* from this struct to the ghosts, in bytes */
  size_t ghost_room;        /* bytes */
  uint32_t ghost_sets;      /* a power of two, or 0 */
  uint32_t window;          /* ghosts younger than this count */
  uint32_t clock;           /* evictions */
  uint32_t samples;
  float admission, credit;
  float regret, profit, second, promise;
} cachette__policy;

/* How a shard stands when the policy is asked. */
typedef struct cachette__standing {
  size_t entries;
  uint64_t small, main; /* words that live in the queues */
  uint64_t slack;       /* words within which queues are as large as they should be */
  bool filling;         /* nothing had to be evicted yet */
} cachette__standing;

typedef struct cachette__placing {
  uint32_t queue;
  unsigned use;
} cachette__placing;

typedef struct cachette__verdict {
  bool keep;
  unsigned use; /* of an entry that is kept, in the main queue */
} cachette__verdict;

/* Begins with `room` bytes of zeros for ghosts, in the mapping in which the struct lies. */
void cachette__policy_init(cachette__policy *policy, void *ghosts, size_t room);

/* Where a new entry goes. */
cachette__placing cachette__policy_admit(cachette__policy *policy, uint64_t hash,
                                         const cachette__standing *standing);

/* From which queue to evict. */
uint32_t cachette__policy_choose(const cachette__policy *policy,
                                 const cachette__standing *standing);

/* What becomes of the oldest entry of a queue; if it is evicted, its ghost is kept. */
cachette__verdict cachette__policy_judge(cachette__policy *policy, uint32_t queue, unsigned use,
                                         uint64_t hash, size_t entries);

/* Fits the ghosts to the number of entries. Returns by how many bytes their memory grew (or, below
 * 0, shrank). */
ptrdiff_t cachette__policy_fit(cachette__policy *policy, size_t entries);

/* Where the ghosts end, and memory that they do not use begins. */
void *cachette__policy_ghosts_end(cachette__policy *policy);

#endif
