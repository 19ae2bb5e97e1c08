/* SPDX-License-Identifier: MIT */
/*
 * The options of a store in parsed form: URLs, hosts, TLS files. They are parsed once, when the
 * options are checked, and shared by every handle that is opened with those options, on any thread.
 * So settings are immutable and reference-counted.
 *
 * The settings struct of a store begins with this one.
 */
#ifndef CACHETTE_CONFIG_SETTINGS_H
#define CACHETTE_CONFIG_SETTINGS_H

#include <stdatomic.h>
#include <stddef.h>

typedef struct cachette__settings cachette__settings;
struct cachette__settings {
  void (*free)(cachette__settings *settings); /* called by the last release */
  _Atomic(unsigned) extra_references;         /* references beyond the first; 0 in new settings */
};

/* Adds a reference and returns `settings`. NULL is allowed. */
static inline cachette__settings *cachette__settings_retain(cachette__settings *settings) {
  if (settings != NULL)
    atomic_fetch_add_explicit(&settings->extra_references, 1, memory_order_relaxed);
  return settings;
}

/* Drops a reference, and frees the settings with the last one. NULL is allowed. */
static inline void cachette__settings_release(cachette__settings *settings) {
  if (settings != NULL &&
      atomic_fetch_sub_explicit(&settings->extra_references, 1, memory_order_acq_rel) == 0)
    settings->free(settings);
}

#endif
