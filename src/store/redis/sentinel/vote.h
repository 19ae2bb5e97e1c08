/* SPDX-License-Identifier: MIT */
/* Which primary the sentinels name: the one that most of those that answered name. */
#ifndef CACHETTE_REDIS_SENTINEL_VOTE_H
#define CACHETTE_REDIS_SENTINEL_VOTE_H

#include <stddef.h>
#include <stdint.h>

typedef struct cachette__redis_vote {
  unsigned candidate; /* a number for its address */
  uint64_t epoch;     /* of the configuration that made it the primary */
  const char *id;     /* of the sentinel; "": unknown. A sentinel has one vote */
} cachette__redis_vote;

typedef struct cachette__redis_outcome {
  unsigned candidate; /* NO_NODE: nobody has more votes than the others, nor a higher epoch */
  size_t votes;       /* for it */
  uint64_t epoch;     /* the highest one among these */
} cachette__redis_outcome;

/* Counts the votes. Of candidates with as many votes, the one with the highest epoch is chosen: an
 * epoch is given to one failover only, by a majority of the sentinels. */
cachette__redis_outcome cachette__redis_count_votes(const cachette__redis_vote *votes,
                                                    size_t count);

#endif
