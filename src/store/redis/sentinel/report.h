/* SPDX-License-Identifier: MIT */
/*
 * What one sentinel tells about a primary: the replies to a few commands, which are asked in one
 * go, as a value that does no I/O.
 *
 *     ADDRESS    SENTINEL GET-MASTER-ADDR-BY-NAME   where the primary is
 *     MASTER     SENTINEL MASTER                    since which epoch
 *     ID         SENTINEL MYID                      which sentinel this is
 *     SENTINELS  SENTINEL SENTINELS                 the others that watch it
 *     REPLICAS   SENTINEL REPLICAS                  only if replicas are read
 *
 * MASTER gives an address, too. But after a failover began, the sentinel that leads it changes that
 * one last, when all replicas follow the new primary, which may take seconds.
 */
#ifndef CACHETTE_REDIS_SENTINEL_REPORT_H
#define CACHETTE_REDIS_SENTINEL_REPORT_H

#include "../cluster/map.h"
#include "../resp.h"
#include "../writer.h"

enum cachette__redis_report_step {
  CACHETTE__REDIS_ADDRESS,
  CACHETTE__REDIS_MASTER,
  CACHETTE__REDIS_ID,
  CACHETTE__REDIS_SENTINELS,
  CACHETTE__REDIS_REPLICAS,
  CACHETTE__REDIS_REPORT_STEPS
};

enum {
  CACHETTE__REDIS_ID_SIZE = 40, /* bytes of a sentinel's identity */
  CACHETTE__REDIS_ROWS = 100    /* max sentinels, and max replicas; more are ignored */
};

/* A server as a sentinel announces it. */
typedef struct cachette__redis_announced {
  char host[CACHETTE__REDIS_HOST_MAX + 1]; /* "": not told, or too long */
  int64_t port;
  char id[CACHETTE__REDIS_ID_SIZE + 1]; /* of a sentinel; "": not told */
} cachette__redis_announced;

typedef struct cachette__redis_rows {
  cachette__redis_announced *rows; /* owned */
  size_t count;
} cachette__redis_rows;

typedef struct cachette__redis_report {
  cachette__redis_announced primary;    /* its `id` is that of the sentinel */
  uint64_t epoch;                       /* of the configuration that made it the primary */
  bool is_unknown;                      /* the sentinel watches no primary of this name */
  cachette__redis_rows peers, replicas; /* only replicas that are healthy */

  /* Private: the state of the parser. */
  unsigned step, position;
  char field[32], value[CACHETTE__REDIS_HOST_MAX + 1];
  size_t size; /* of the text that is being received */
  cachette__redis_announced row;
  uint64_t row_epoch;
  bool is_healthy, in_row;
} cachette__redis_report;

/* Frees what a report has, and empties it. */
void cachette__redis_report_reset(cachette__redis_report *report);

/* Appends the commands for the primary of this name. Returns their number; 0: out of memory. */
size_t cachette__redis_report_ask(cachette__buffer *output, cachette_slice name,
                                  bool with_replicas);

/* Takes a token of a reply, also of an error. Returns false if out of memory. `report->step` is the
 * command that the token answers, until its last token has been taken. */
bool cachette__redis_report_take(cachette__redis_report *report, const cachette__resp_token *token);

/* ---- Events ---- */

/* The push messages of a sentinel, of which one may be incomplete. All zero to start with. */
typedef struct cachette__redis_news {
  unsigned word;
  size_t size;
  bool is_message, is_switch; /* the first two words */
  char text[256];
} cachette__redis_news;

enum cachette__redis_event {
  CACHETTE__REDIS_NO_EVENT,
  CACHETTE__REDIS_SUBSCRIBED,
  CACHETTE__REDIS_SWITCHED /* the primary of this name was replaced */
};

/* Takes a token of a push. Returns what the push means once it is complete. */
enum cachette__redis_event cachette__redis_news_take(cachette__redis_news *news,
                                                     const cachette__resp_token *token,
                                                     cachette_slice name);

#endif
