/* SPDX-License-Identifier: MIT */
/*
 * The tables of this process, by name. Handles with the same name share a table; it is freed with
 * the last handle. All functions are thread-safe. All tables are locked during a fork, so that they
 * are consistent in the child.
 */
#ifndef CACHETTE_MEMORY_SHARED_H
#define CACHETTE_MEMORY_SHARED_H

#include "../../table/table.h"

/*
 * Finds the table with this name, or creates it with a limit in bytes. With a NULL or empty name,
 * always creates a private table. Release it with cachette__shared_release(). Errors: ENOMEM;
 * ECONFIG if the table exists with another limit.
 */
int cachette__shared_acquire(const char *name, size_t limit, cachette__table **table,
                             cachette_error *error);

/* Releases a table, and frees it if no other handle uses it. */
void cachette__shared_release(cachette__table *table);

#endif
