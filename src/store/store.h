/* SPDX-License-Identifier: MIT */
/*
 * The interface between the core and a store, which is where entries live. Each store is a folder
 * next to this file and defines one `const cachette__store_vtable`. A layer (src/layer/) implements
 * the same vtable and forwards to the store or layer below it.
 *
 * All functions here run on the handle's thread.
 */
#ifndef CACHETTE_STORE_H
#define CACHETTE_STORE_H

#include <uv.h>

#include "../base/op.h"
#include "../config/options.h"

typedef struct cachette__store_vtable cachette__store_vtable;

/* The first member of the struct of each store and layer. */
typedef struct cachette__store {
  const cachette__store_vtable *vtable;
} cachette__store;

/*
 * Events that a store or layer reports to the one above it. They are reported on the handle's
 * thread, from the loop or from within a call of the vtable, except open and close. The arguments
 * are valid during the call. A callback must not call the store or layer that reports the event.
 */
typedef struct cachette__events cachette__events;
struct cachette__events {
  /* A message for the operator, one sentence. */
  void (*notice)(cachette__events *events, const char *message);

  /* The server changed or removed the entry of this key. */
  void (*invalidated)(cachette__events *events, cachette_slice key);

  /* A connection was lost, so invalidations may have been missed. */
  void (*lost)(cachette__events *events);
};

/* The core's service for ops that a layer starts itself: it detaches them at their deadline, or
 * when the handle is closed. */
typedef struct cachette__deadlines cachette__deadlines;
struct cachette__deadlines {
  /* Sets the op's deadline and watches the op until remove(). Returns false if out of memory, or
   * if the handle is being closed. */
  bool (*add)(cachette__deadlines *deadlines, cachette_op *op);
  void (*remove)(cachette__deadlines *deadlines, cachette_op *op);
};

/* The arguments for opening a store or layer. What the pointers refer to is valid until it is
 * closed; the struct itself only during the call. */
typedef struct cachette__store_context {
  uv_loop_t *loop;
  const cachette_options *options;
  cachette__settings *settings; /* the store's; NULL: it has none */
  cachette__events *events;
  cachette__deadlines *deadlines;
} cachette__store_context;

struct cachette__store_vtable {
  /* True if submit completes every op before it returns. */
  bool immediate;

  /* Reads the options of this store into new settings, which the caller owns. NULL: the store has
   * no settings. Errors: ECONFIG, ENOMEM. */
  int (*settings)(const cachette_options *options, cachette__settings **settings,
                  cachette_error *error);

  /* Looks for an option that is valid but probably a mistake. Returns true and fills `warning` if
   * there is one. May be NULL. */
  bool (*warn)(const cachette_options *options, cachette_error *warning);

  /* Creates a store. On failure fills `error` and returns its code. */
  int (*open)(const cachette__store_context *context, cachette__store **store,
              cachette_error *error);

  /*
   * Executes an op. The core has checked its arguments: keys and times to live are in range (for a
   * put `ttl_ms` is never 0), `count` is at least 1 if the verb has items, `now_ms` is set. The
   * store calls cachette__op_complete() exactly once, now or later, unless detach comes first.
   */
  void (*submit)(cachette__store *store, cachette_op *op);

  /*
   * Releases a pending op, which the store must not use or complete afterwards. Called only on the
   * store or layer that the op was last submitted to. Commands that were sent are not recalled;
   * their late replies are dropped. If some items have results, the store sets the status of the
   * others to ETIMEDOUT, since the caller gets the partial results if the op timed out. NULL: it
   * never has a pending op. That is so for immediate stores and most layers.
   */
  void (*detach)(cachette__store *store, cachette_op *op);

  /*
   * Returns why an op that timed out has no result, or NULL if the reason is unknown. The op fails
   * with this error; with code ETIMEDOUT, its message is appended to that of the time-out. Called
   * before detach, on the store or layer that has the op; the error is valid until then. The
   * pointer to the function may be NULL.
   */
  const cachette_error *(*reason)(cachette__store *store, const cachette_op *op);

  /* Returns the name of the server that an op waits for, for messages; for a NULL op, the name of
   * all servers. Valid until the store is closed. The pointer is NULL if there is no server. */
  const char *(*server)(const cachette__store *store, const cachette_op *op);

  /* Fills those members of the lower half of the struct that the store knows. The others are -1. */
  void (*stats)(cachette__store *store, cachette_stats *stats);

  /*
   * Closes and frees the store. All ops have been detached. The store closes its libuv handles with
   * uv_close() and may free its memory in the last callback, as the core runs the loop until it is
   * empty. If `forked`, the loop and the connections belong to the parent process: close
   * descriptors and free memory, but do not use the loop, and send nothing.
   */
  void (*close)(cachette__store *store, bool forked);
};

/* Submits an op to the store or layer below, which has it until it completes it or submits it to
 * the next one. */
static inline void cachette__store_submit(cachette__store *store, cachette_op *op) {
  op->priv.holder = store;
  store->vtable->submit(store, op);
}

#endif
