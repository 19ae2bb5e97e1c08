/* SPDX-License-Identifier: MIT */
/*
 * Makes each allocation of some work fail in turn: the first, then the second, and so on, until the
 * work runs without a failure and must succeed. Checks after each run that no block and no
 * descriptor is leaked.
 */
#ifndef CACHETTE_TESTS_NOMEM_H
#define CACHETTE_TESTS_NOMEM_H

#include "cachette.h"

/*
 * The work under test. Returns 0 if it succeeded, which it may despite a failed allocation if it
 * can do without that memory.
 */
typedef int nomem_work(void *data);

/* Runs the work until each allocation has failed once. Returns how many there are. */
long nomem_each(nomem_work *work, void *data);

/* The same for work that must fail whenever an allocation fails. */
long nomem_each_needed(nomem_work *work, void *data);

/* Like nomem_each(), but after the first `all` allocations only every `step`th one fails. */
long nomem_some(nomem_work *work, void *data, long all, long step);

/* ---- Stores ---- */

#define NOMEM_VALUE "value of some length, which needs a buffer"

/* One operation. */
struct nomem_call {
  enum cachette_verb verb;
  unsigned flags;
  const char *keys[4];
  const char *value; /* to put; NULL means NOMEM_VALUE, which every hit of a fetch must have */
  int64_t amount;
  int refused; /* how many failures it has even with enough memory */
};

struct nomem_store {
  cachette_options *options;
  const struct nomem_call *calls;
  size_t count;
  int allowed[3]; /* error codes that calls may return besides ENOMEM */
};

/*
 * The work for a `struct nomem_store`: opens a cache, makes the calls and closes it. Returns how
 * many calls and items failed, without those in `refused`.
 */
int nomem_use_store(void *store);

#endif
