/* SPDX-License-Identifier: MIT */
/*
 * What all handles of one settings object know about their primary, and who asks the sentinels. So
 * a thousand handles do not ask a thousand times as often as one.
 *
 * One handle is the watcher: it stays connected to the sentinels, and asks them regularly. Its
 * lease expires, as the loop of its handle may not run any more. A handle that is in trouble asks,
 * too; but only one at a time, and each result is for all.
 *
 * Threads may share an agreement.
 */
#ifndef CACHETTE_REDIS_SENTINEL_AGREEMENT_H
#define CACHETTE_REDIS_SENTINEL_AGREEMENT_H

#include "../cluster/map.h"

typedef struct cachette__redis_agreement cachette__redis_agreement;

/* Returns an agreement without a primary, or NULL if out of memory. */
cachette__redis_agreement *cachette__redis_agreement_new(void);

/* No handle may use it any more. NULL is allowed. */
void cachette__redis_agreement_free(cachette__redis_agreement *agreement);

/* Returns the version of the map: 0 if there is none. It is cheap. */
unsigned cachette__redis_agreement_version(const cachette__redis_agreement *agreement);

/* Returns a reference to the map, and its version. NULL: there is none. */
cachette__redis_map *cachette__redis_agreement_map(cachette__redis_agreement *agreement,
                                                   unsigned *version);

/* ---- Who asks ---- */

/* Makes the handle the watcher, or renews its lease, unless another one is. `owner` identifies the
 * handle. Returns whether it is the watcher. */
bool cachette__redis_agreement_watch(cachette__redis_agreement *agreement, const void *owner,
                                     int64_t now_ms);

/*
 * Starts to ask, if nobody does so and the last time is at least `age_ms` ago. Returns 0, and then
 * the caller ends it with one of the functions below. Else returns after how many milliseconds to
 * try again.
 */
int64_t cachette__redis_agreement_begin(cachette__redis_agreement *agreement, const void *owner,
                                        int64_t now_ms, int64_t age_ms);

/* ---- Results ---- */

/* The sentinels agree on this map, whose reference is taken over, since this epoch. */
void cachette__redis_agreement_publish(cachette__redis_agreement *agreement, const void *owner,
                                       cachette__redis_map *map, uint64_t epoch);

/* The sentinels could not be asked, or do not know the primary. */
void cachette__redis_agreement_fail(cachette__redis_agreement *agreement, const void *owner,
                                    const cachette_error *error);

/* There is no result, or the handle is closed. */
void cachette__redis_agreement_end(cachette__redis_agreement *agreement, const void *owner);

/* Gives up what the handle has. */
void cachette__redis_agreement_leave(cachette__redis_agreement *agreement, const void *owner);

/* Returns when the sentinels began to be asked for the last result; 0: there is none. `failure`: if
 * it is not NULL, set to the error, or to code 0. */
int64_t cachette__redis_agreement_checked(cachette__redis_agreement *agreement,
                                          cachette_error *failure);

/* Returns the epoch of the map. */
uint64_t cachette__redis_agreement_epoch(cachette__redis_agreement *agreement);

#endif
