/* SPDX-License-Identifier: MIT */
/*
 * The seam between the cache and what keeps its entries. A store is a folder beside this
 * file that closes with one `const cachette__store_vtable`; a layer (src/layer/) has the same
 * vtable and a store beneath it.
 *
 * Everything here runs on the thread that uses the handle.
 */
#ifndef CACHETTE_STORE_H
#define CACHETTE_STORE_H

#include <uv.h>

#include "../base/op.h"
#include "../config/options.h"

typedef struct cachette__store_vtable cachette__store_vtable;

/* The head of every store's own struct. */
typedef struct cachette__store {
  const cachette__store_vtable *vtable;
} cachette__store;

/*
 * What stores and layers tell the one above, without having been asked. They do so on the thread
 * that uses the handle: from inside the loop, or of a call into them but open and close. The one
 * above may read what it is given until it returns; it must not call into whom it hears.
 */
typedef struct cachette__events cachette__events;
struct cachette__events {
  /* Something that an operator should read: a sentence. */
  void (*notice)(cachette__events *events, const char *message);

  /* A server says that the entry of a key has changed or is gone. */
  void (*invalidated)(cachette__events *events, cachette_slice key);

  /* A connection ended, so what a server would have told since then was not heard. */
  void (*lost)(cachette__events *events);
};

/* Who ends ops of a layer's own when their time is over, or the handle is closed: the core. */
typedef struct cachette__deadlines cachette__deadlines;
struct cachette__deadlines {
  /* Gives an op its time, and watches it until it is removed. False: out of memory, or the handle
   * is being closed. */
  bool (*add)(cachette__deadlines *deadlines, cachette_op *op);
  void (*remove)(cachette__deadlines *deadlines, cachette_op *op);
};

/* What a store or layer is given to open with; all but the struct itself stays in place until it is
 * closed. */
typedef struct cachette__store_context {
  uv_loop_t *loop;
  const cachette_options *options;
  cachette__settings *settings; /* of the store; NULL: it has none */
  cachette__events *events;
  cachette__deadlines *deadlines;
} cachette__store_context;

struct cachette__store_vtable {
  /* Every op is complete when submit returns. */
  bool immediate;

  /* Reads the options that only this store understands. NULL: there are none. Errors: ECONFIG,
   * ENOMEM. */
  int (*settings)(const cachette_options *options, cachette__settings **settings,
                  cachette_error *error);

  /* Looks for options that are valid but probably a mistake. Fills `warning` and returns true if
   * there is one. May be NULL. */
  bool (*warn)(const cachette_options *options, cachette_error *warning);

  /* Makes a store; on failure fills `error` and returns its code. No op is sent before. */
  int (*open)(const cachette__store_context *context, cachette__store **store,
              cachette_error *error);

  /*
   * Carries out an op whose arguments have been checked: keys and times to live are in their
   * range (put: `ttl_ms` is never 0), `count` is at least 1 where the verb has items, `now_ms` is
   * set. Ends in exactly one cachette__op_complete(), unless detach comes first.
   */
  void (*submit)(cachette__store *store, cachette_op *op);

  /*
   * The op ends now: forget it, and do not complete it. Only who holds it is told, which is the
   * store or layer that it was submitted to last. What was sent stays sent; its late answer is
   * dropped. A store that has answers for some of the items marks the others with ETIMEDOUT: if the
   * op's time is over, those answers are given. NULL for who never holds an op: an immediate store,
   * most layers.
   */
  void (*detach)(cachette__store *store, cachette_op *op);

  /*
   * Why an op has no answer, whose time is over: it fails with that. A code of ETIMEDOUT: what
   * stands there is only said behind the usual sentence. Who holds the op is asked, before detach,
   * and the answer stays in place until then. NULL: nothing is known. As a whole NULL: nothing ever
   * is.
   */
  const cachette_error *(*reason)(cachette__store *store, const cachette_op *op);

  /* The name of the server that an op waits for, or with NULL of all, for messages; in place until
   * the store is closed. NULL: there is none. */
  const char *(*server)(const cachette__store *store, const cachette_op *op);

  /* Fills what the store knows of the lower half of the struct; the rest stands at -1. */
  void (*stats)(cachette__store *store, cachette_stats *stats);

  /*
   * Closes and frees the store; every op has been detached. What it has on the loop it closes with
   * uv_close(), and its memory may go in the last callback: the loop is run until
   * nothing is left on it. If `forked`, loop and connections are the parent's: close descriptors,
   * free memory, but touch no loop and send nothing.
   */
  void (*close)(cachette__store *store, bool forked);
};

/* Hands an op down; whoever takes it holds it until it completes or hands it on. */
static inline void cachette__store_submit(cachette__store *store, cachette_op *op) {
  op->priv.holder = store;
  store->vtable->submit(store, op);
}

#endif
