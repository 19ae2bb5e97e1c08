/* SPDX-License-Identifier: MIT */
/*
 * Each allocation fails in turn: the first, then the second, and so on until the work makes no
 * more. Each time no block and no descriptor may be left; and when none failed the work must
 * succeed.
 */
#ifndef CACHETTE_TESTS_NOMEM_H
#define CACHETTE_TESTS_NOMEM_H

#include "cachette.h"

/* The work under test. Returns 0 if it succeeded. It may while an allocation fails, if it can do
 * without that memory. */
typedef int nomem_work(void *data);

/* Returns how many allocations the work makes. */
long nomem_each(nomem_work *work, void *data);

/* The same for work that cannot do without any: it must fail whenever an allocation did. */
long nomem_each_needed(nomem_work *work, void *data);

/* The same as nomem_each(), but after the first `all` allocations only every `step`th fails. */
long nomem_some(nomem_work *work, void *data, long all, long step);

/* ---- Stores ---- */

#define NOMEM_VALUE "value of some length, which needs a buffer"

/* One operation. */
struct nomem_call {
  enum cachette_verb verb;
  unsigned flags;
  const char *keys[4];
  const char *value; /* of each key that is put; NULL is NOMEM_VALUE, which is what keys must hold
                        when they are fetched */
  int64_t amount;
  int refused; /* failures that it has with enough memory, too */
};

struct nomem_store {
  cachette_options *options;
  const struct nomem_call *calls;
  size_t count;
  int allowed[2]; /* the codes with which calls may fail besides ENOMEM */
};

/* Opens a cache, makes the calls and closes it. Returns how many calls and items failed that need
 * not. The work of a `struct nomem_store`. */
int nomem_use_store(void *store);

#endif
