/* SPDX-License-Identifier: MIT */
/*
 * What all handles of one settings object know about a discovered cluster: the latest list of its
 * servers, and when the endpoint may be asked again. So a thousand handles ask no more often than
 * one.
 *
 * A handle that wants a newer list takes the lease, asks an endpoint, and offers the list that it
 * got. The others take the list when its generation has changed. A lease expires, because the loop
 * of its handle may not run any more, and a forked child does not inherit it.
 *
 * Threads may share it.
 */
#ifndef CACHETTE_MEMCACHED_PUBLISHED_H
#define CACHETTE_MEMCACHED_PUBLISHED_H

#include "hosts.h"

typedef struct cachette__mc_published cachette__mc_published;

/* The time between two requests, in ms. Only tests change it, before they open a handle. */
extern int64_t cachette__mc_discovery_period_ms;

/* Returns an object without a list. `lease_ms`: how long a handle may ask. Returns NULL if out of
 * memory. */
cachette__mc_published *cachette__mc_published_new(int64_t lease_ms);

/* No handle may use it any more. NULL is allowed. */
void cachette__mc_published_free(cachette__mc_published *self);

/* Returns the number of lists so far: 0 if there is none. It is cheap. */
unsigned cachette__mc_published_generation(const cachette__mc_published *self);

/* Returns a reference to the list, and its generation. NULL: there is none. */
cachette__memcached_hosts *cachette__mc_published_hosts(cachette__mc_published *self,
                                                        unsigned *generation);

/*
 * Asks for the lease. `owner` identifies the handle. `wanted_ms`: when something last showed that
 * the list is old; if a request has succeeded since, the list is only due for the periodic request.
 * Returns 0 if the caller has the lease, until it calls end(). Else returns after how many
 * milliseconds to try again; and if there is no list because the last request failed, fills
 * `error`, whose code is otherwise 0.
 */
int64_t cachette__mc_published_begin(cachette__mc_published *self, const void *owner,
                                     int64_t wanted_ms, cachette_error *error);

/* Gives up the lease after a request. `error`: why it failed; NULL: its list was accepted. */
void cachette__mc_published_end(cachette__mc_published *self, const void *owner,
                                const cachette_error *error);

/* Gives up the lease before the request has an outcome. */
void cachette__mc_published_cancel(cachette__mc_published *self, const void *owner);

/* Offers a list, and takes over the reference. Returns its version if it was accepted or is the one
 * that is known; else the version that is known, which is newer. */
uint64_t cachette__mc_published_offer(cachette__mc_published *self, uint64_t version,
                                      cachette__memcached_hosts *hosts);

#endif
