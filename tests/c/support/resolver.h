/* SPDX-License-Identifier: MIT */
/* A fake resolver, which replaces the system's in each program that links it. */
#ifndef CACHETTE_TESTS_RESOLVER_H
#define CACHETTE_TESTS_RESOLVER_H

#include <stdbool.h>

/*
 * Sets the addresses of a name, separated by spaces. Without any the name does not exist. The
 * system's resolver looks up all other names.
 */
void resolver_set(const char *name, const char *addresses);

/* While paused, each answer waits for one resolver_release(). */
void resolver_pause(bool paused);
void resolver_release(void);

#endif
