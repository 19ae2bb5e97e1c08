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
 * A file calls only those below it:
 *
 *     watch.c      when to ask, and what a new primary means
 *     round.c      asks the sentinels, and decides
 *     members.c    which sentinels there are
 *     role.c       asks the server that they name for its role
 *     shard.c      what a sentinel tells becomes a map
 *     sentinel.c   one sentinel
 *     report.c     parses what it tells
 *     vote.c       counts the votes
 *     agreement.c  what the handles of a settings object share
 */
#ifndef CACHETTE_REDIS_SENTINEL_WATCH_H
#define CACHETTE_REDIS_SENTINEL_WATCH_H

#include "../../../base/clock.h"
#include "agreement.h"
#include "members.h"

struct cachette__redis_role_check;

typedef struct cachette__redis_watch cachette__redis_watch;
struct cachette__redis_watch {
  cachette__redis_router *router;
  cachette__redis_agreement *agreement;
  uv_timer_t timer;
  uv_timer_cb on_timer;
  void (*ended)(cachette__redis_watch *self); /* a round is over, see the agreement */
  int64_t due_ms;                             /* when it fires; 0: it is stopped */
  bool wanted;                                /* the primary may have changed */
  bool is_urgent;                             /* a sentinel says that it has */
  bool is_watcher;                            /* the handle has the lease */
  int64_t since_ms;                           /* since when `wanted` */
  unsigned tries;                             /* how often it was wanted in a row */
  unsigned version;                           /* of the map that the router has */

  /* The old primary, which answers what was sent, for a short time. */
  cachette__redis_node *retired; /* NULL: none; else the node of the place */
  size_t retired_place;
  int64_t retired_ms;

  /* The round: see round.c. */
  cachette__redis_members members;
  bool is_running;
  bool is_asking;         /* the sentinels; else the server that they name */
  int64_t started_ms;     /* of the current step */
  int64_t role_failed_ms; /* since when the server named is no primary, without a break; 0: it is */
  int64_t doubted_ms; /* since when one names another server than most, of a later epoch; or 0 */
  struct cachette__redis_role_check *role; /* NULL: none */
};

/* Becomes the router's finder. Returns false if out of memory. */
bool cachette__redis_watch_start(cachette__redis_router *router);

/* Sees to it that the timer fires in `delay_ms` at the latest. */
static inline void cachette__redis_watch_set_timer(cachette__redis_watch *self, int64_t delay_ms) {
  int64_t due_ms = cachette__machine_now() + delay_ms;
  if (self->router->closing || (self->due_ms != 0 && self->due_ms <= due_ms)) return;
  self->due_ms = due_ms;
  uv_update_time(self->timer.loop);
  uv_timer_start(&self->timer, self->on_timer, (uint64_t)delay_ms, 0);
}

/* ---- round.c ---- */

/* Starts a round; the agreement permits it. */
void cachette__redis_round_start(cachette__redis_watch *self, int64_t now_ms);

/* Looks at the time: gives up what has not answered. */
void cachette__redis_round_check(cachette__redis_watch *self, int64_t now_ms);

/* Returns after how many milliseconds to do so again. There is a round. */
int64_t cachette__redis_round_next(const cachette__redis_watch *self, int64_t now_ms);

#endif
