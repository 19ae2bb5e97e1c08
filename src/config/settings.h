/* SPDX-License-Identifier: MIT */
/*
 * What a store understood of the options: URLs, hosts, TLS files. It is read once, when the options
 * are checked, and shared by every handle that opens with them, on any thread. So it is immutable.
 *
 * A store's own settings struct begins with this one.
 */
#ifndef CACHETTE_CONFIG_SETTINGS_H
#define CACHETTE_CONFIG_SETTINGS_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct cachette__settings cachette__settings;
struct cachette__settings {
  void (*free)(cachette__settings *settings); /* called with the last release */
  _Atomic(unsigned) holders;                  /* beside the first */
};

static inline cachette__settings *cachette__settings_retain(cachette__settings *settings) {
  if (settings != NULL) atomic_fetch_add_explicit(&settings->holders, 1, memory_order_relaxed);
  return settings;
}

/* NULL is allowed. */
static inline void cachette__settings_release(cachette__settings *settings) {
  if (settings != NULL &&
      atomic_fetch_sub_explicit(&settings->holders, 1, memory_order_acq_rel) == 0)
    settings->free(settings);
}

#endif
