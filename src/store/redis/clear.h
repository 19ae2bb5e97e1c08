/* SPDX-License-Identifier: MIT */
/* Clears by pattern: ops that remove all keys which start with the same text. */
#ifndef CACHETTE_REDIS_CLEAR_H
#define CACHETTE_REDIS_CLEAR_H

#include "router.h"

/* Returns whether an op needs a clear by pattern. */
static inline bool cachette__redis_clears(const cachette__redis_settings *settings,
                                          const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && settings->prefix.size > 0);
}

/* Starts a clear by pattern, which completes the op. */
void cachette__redis_clear_start(cachette__redis_router *router, cachette_op *op);

/* Releases the op of a clear by pattern. */
void cachette__redis_clear_detach(cachette_op *op);

/* Returns why the op of a clear has no result, or NULL if the reason is unknown. */
const cachette_error *cachette__redis_clear_reason(const cachette_op *op);

/* Returns the name of the server that the op of a clear waits for. */
const char *cachette__redis_clear_server(const cachette_op *op);

#endif
