/* SPDX-License-Identifier: MIT */
#include "vote.h"

#include <stdbool.h>
#include <string.h>

#include "../cluster/map.h"

/* A name of a server and its address may both be in the URL. */
static bool is_repeated(const cachette__redis_vote *votes, size_t index) {
  for (size_t i = 0; i < index; i++)
    if (votes[i].id[0] != '\0' && strcmp(votes[i].id, votes[index].id) == 0) return true;
  return false;
}

static cachette__redis_outcome count_for(const cachette__redis_vote *votes, size_t count,
                                         unsigned candidate) {
  cachette__redis_outcome found = {.candidate = candidate};
  for (size_t i = 0; i < count; i++) {
    if (votes[i].candidate != candidate || is_repeated(votes, i)) continue;
    found.votes++;
    if (votes[i].epoch > found.epoch) found.epoch = votes[i].epoch;
  }
  return found;
}

cachette__redis_outcome cachette__redis_count_votes(const cachette__redis_vote *votes,
                                                    size_t count) {
  cachette__redis_outcome best = {.candidate = CACHETTE__REDIS_NO_NODE};
  bool is_tie = false;
  for (size_t i = 0; i < count; i++) {
    if (best.votes > 0 && votes[i].candidate == best.candidate) continue;
    cachette__redis_outcome next = count_for(votes, count, votes[i].candidate);
    if (next.votes < best.votes || (next.votes == best.votes && next.epoch < best.epoch)) continue;
    bool is_same = next.votes == best.votes && next.epoch == best.epoch;
    is_tie = is_same && next.votes > 0;
    best = next;
  }
  if (is_tie) best.candidate = CACHETTE__REDIS_NO_NODE;
  return best;
}
