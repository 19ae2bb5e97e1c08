/* SPDX-License-Identifier: MIT */
/* One sentinel: a node of its own, with other credentials than the servers. */
#ifndef CACHETTE_REDIS_SENTINEL_SENTINEL_H
#define CACHETTE_REDIS_SENTINEL_SENTINEL_H

#include "../router.h"
#include "report.h"

typedef struct cachette__redis_sentinel cachette__redis_sentinel;

/* What a sentinel tells its owner; NULL after it was closed. None of these closes the sentinel. */
typedef struct cachette__redis_sentinel_events {
  void (*answered)(void *owner, cachette__redis_sentinel *self); /* or failed */
  void (*switched)(void *owner);                                 /* our primary was replaced */
  void (*lost)(void *owner); /* a connection that has worked was lost */
} cachette__redis_sentinel_events;

struct cachette__redis_sentinel {
  cachette__redis_node node;
  cachette__redis_job job;
  const cachette__redis_sentinel_events *events;
  void *owner; /* NULL: closed */
  cachette__redis_router *router;
  cachette__target target;
  char *host, *tls_name; /* owned; NULL: the strings of the target belong to the settings */
  bool is_seed;          /* it is in the URL */
  bool is_listed;        /* another sentinel knows it */

  bool is_pending;      /* the job is in the pipeline */
  bool has_answered;    /* in this round: `report` is complete, or `error` tells why not */
  int64_t asked_ms;     /* when the job was pushed */
  bool is_subscribed;   /* to events */
  bool is_refused;      /* it does not permit that on this connection */
  bool works;           /* it has answered over this connection */
  cachette_error error; /* code 0: `report` is its answer */
  cachette__redis_report report;
  cachette__redis_news news;
};

/* Adds a sentinel, without connecting. `copies`: the strings of the target are copied. NULL: out of
 * memory. */
cachette__redis_sentinel *cachette__redis_sentinel_new(
    cachette__redis_router *router, const cachette__target *target, bool copies,
    const cachette__redis_sentinel_events *events, void *owner);

/* Asks it, and subscribes to its events. `answered` follows, unless it has answered already when
 * this returns. Does nothing if it is still pending. */
void cachette__redis_sentinel_ask(cachette__redis_sentinel *self, int64_t now_ms);

/* It does not answer: closes the connection. */
void cachette__redis_sentinel_give_up(cachette__redis_sentinel *self);

/* Closes and frees it. `forked`: as for a store. */
void cachette__redis_sentinel_close(cachette__redis_sentinel *self, bool forked);

#endif
