/* SPDX-License-Identifier: MIT */
/*
 * The finder of a primary behind sentinels.
 *
 *     trouble, an event, every 10 s --> all sentinels are asked --> the votes are counted
 *          --> another primary? it is asked for its ROLE --> the map with it is published
 *
 * The map has one shard, which owns all slots. What the handles share is in agreement.h.
 *
 * A server that was the primary, and starts again after a failover, takes writes until the
 * sentinels notice, about ten seconds later; these writes are lost then. So the votes decide, and a
 * new connection to the primary is held until the sentinels have named it again just now. If no
 * sentinel answers, the last primary known is used.
 *
 *     watch.c      when to ask, and the life of the finder
 *     round.c      asks the sentinels, and decides
 *     sentinel.c   one sentinel
 *     report.c     parses what it tells
 *     vote.c       counts the votes
 *     agreement.c  what the handles of a settings object share
 */
#ifndef CACHETTE_REDIS_SENTINEL_WATCH_H
#define CACHETTE_REDIS_SENTINEL_WATCH_H

#include "agreement.h"
#include "sentinel.h"

enum {
  CACHETTE__REDIS_MAX_SENTINELS = 64,  /* maximum number of sentinels */
  CACHETTE__REDIS_ANSWER_MS = 2000 /* the maximum time for one to answer, and for ROLE */
};

typedef struct cachette__redis_watch {
  cachette__redis_router *router;
  cachette__redis_agreement *agreement;
  uv_timer_t timer;
  int64_t due_ms;   /* when it fires; 0: it is stopped */
  bool wanted;      /* the primary may have changed */
  bool is_urgent;   /* a sentinel says that it has */
  bool is_watcher;  /* the handle has the lease */
  int64_t since_ms; /* since when `wanted` */
  unsigned tries;   /* how often it was wanted in a row */
  unsigned version; /* of the map that the router has */

  /* The old primary, which answers what was sent, for a short time. */
  cachette__redis_node *retired; /* NULL: none; else the node of the place */
  size_t retired_place;
  int64_t retired_ms;

  /* The round: see round.c. */
  cachette__redis_sentinel *sentinels[CACHETTE__REDIS_MAX_SENTINELS];
  size_t sentinel_count;
  bool is_running;
  bool is_asking;          /* the sentinels; else the server that they name */
  int64_t started_ms;      /* of the current step */
  int64_t role_failed_ms;  /* since when the server named is no primary, without a break; 0: it is */
  struct role_check *role; /* NULL: none */
} cachette__redis_watch;

/* Becomes the router's finder. Returns false if out of memory. */
bool cachette__redis_watch_start(cachette__redis_router *router);

/* ---- watch.c, for round.c ---- */

/* Sees to it that the timer fires in `delay_ms` at the latest. */
void cachette__redis_watch_set_timer(cachette__redis_watch *self, int64_t delay_ms);

/* The round is over, and its result is in the agreement. */
void cachette__redis_watch_ended(cachette__redis_watch *self);

/* ---- round.c ---- */

/* Starts a round; the agreement permits it. */
void cachette__redis_round_start(cachette__redis_watch *self, int64_t now_ms);

/* Looks at the time: gives up what has not answered. */
void cachette__redis_round_check(cachette__redis_watch *self, int64_t now_ms);

/* Returns after how many milliseconds to do so again. There is a round. */
int64_t cachette__redis_round_next(const cachette__redis_watch *self, int64_t now_ms);

/* Closes the connections to the sentinels. There is no round. */
void cachette__redis_round_rest(cachette__redis_watch *self);

/* Ends it all. */
void cachette__redis_round_close(cachette__redis_watch *self, bool forked);

#endif
