/* SPDX-License-Identifier: MIT */
/*
 * The eviction policy: S3-FIFO with adaptive admission.
 *
 * S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): new entries
 * enter a small queue, a tenth of the shard. Entries that are used there move to the main queue. In
 * the main queue, an entry that was used since its last turn gets another turn. The hashes of
 * evicted entries are kept for a while in a ghost queue; an entry that returns while it has a ghost
 * enters the main queue at once. A hit writes the use count of the entry, and nothing if the count
 * is at its maximum.
 *
 * A loop over more entries than fit defeats this: each entry is evicted just before it returns. So
 * the policy measures three rates, at evictions and admissions, never at a hit:
 *
 *     regret          entries evicted from the main queue that return soon
 *     profit          entries admitted to the main queue by their ghost that are used there
 *     second_chance   entries evicted from the small queue after a single use that return
 *
 * While regret exceeds profit, fewer ghosts admit their entry to the main queue, down to one in 32,
 * and the small queue shrinks. So what is in the main queue stays, and gets its hits. A single use
 * in the small queue suffices for the main queue where `second_chance` says that this pays.
 */
#ifndef CACHETTE_TABLE_POLICY_H
#define CACHETTE_TABLE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHETTE__SMALL, CACHETTE__MAIN, CACHETTE__QUEUES };

/* The use byte of a slot: hits since the last turn, and whether a ghost admitted the entry. */
enum { CACHETTE__USE_MAX = 3, CACHETTE__USE_COUNT = 3, CACHETTE__USE_FROM_GHOST = 4 };

/* Returns the use byte after one more hit; the same value if there is nothing to write. */
static inline unsigned cachette__policy_used(unsigned use) {
  return (use & CACHETTE__USE_COUNT) < CACHETTE__USE_MAX ? use + 1 : use;
}

typedef struct cachette__policy {
  ptrdiff_t ghost_offset; /* bytes from this struct to the ghosts */
  size_t ghost_capacity;  /* max bytes of ghosts */
  uint32_t ghost_sets;    /* a power of two, or 0 */
  uint32_t window;        /* age in evictions up to which a ghost counts */
  uint32_t clock;         /* counts evictions */
  uint32_t samples;
  float admission; /* the share of ghosts that admit their entry */
  float credit;    /* a ghost admits its entry when this reaches 1 */
  float regret, profit, second_chance;
  float small_use; /* the share of entries that are used in the small queue */
} cachette__policy;

/* The state of a shard that a decision depends on. */
typedef struct cachette__policy_state {
  size_t entries;
  uint64_t small, main; /* live words of the queues */
  uint64_t slack;       /* tolerance of a queue's target size, in words */
  bool filling;         /* nothing has been evicted yet */
} cachette__policy_state;

typedef struct cachette__placement {
  uint32_t queue;
  unsigned use;
} cachette__placement;

typedef struct cachette__verdict {
  bool keep;
  unsigned use; /* for an entry that is kept, in the main queue */
} cachette__verdict;

/* Initializes a policy. The memory for ghosts is all zero, in the same mapping as the struct. */
void cachette__policy_init(cachette__policy *policy, void *ghosts, size_t capacity);

/* Returns the queue and the use byte of a new entry. */
cachette__placement cachette__policy_admit(cachette__policy *policy, uint64_t hash,
                                           const cachette__policy_state *state);

/* Returns the queue to evict from. */
uint32_t cachette__policy_choose_queue(const cachette__policy *policy,
                                       const cachette__policy_state *state);

/* Decides whether the oldest entry of a queue is kept or evicted; an evicted one leaves a ghost. */
cachette__verdict cachette__policy_judge(cachette__policy *policy, uint32_t queue, unsigned use,
                                         uint64_t hash, size_t entries);

/* Adapts the number of ghosts to the number of entries. Returns by how many bytes their memory
 * grew; negative: shrank. */
ptrdiff_t cachette__policy_resize_ghosts(cachette__policy *policy, size_t entries);

/* The end of the ghosts, and start of unused memory. */
void *cachette__policy_ghosts_end(cachette__policy *policy);

#endif
