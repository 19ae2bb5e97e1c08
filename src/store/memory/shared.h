/* SPDX-License-Identifier: MIT */
/*
 * The tables of this process by name. A table lives while a handle holds it. Any thread.
 * Around a fork all tables are locked, so that the child finds each of them whole.
 */
#ifndef CACHETTE_MEMORY_SHARED_H
#define CACHETTE_MEMORY_SHARED_H

#include "../../table/table.h"

/*
 * The table of that name, made if there is none; a NULL or empty name gives a table of its own.
 * Errors: ENOMEM; ECONFIG if the name is taken with another limit.
 */
int cachette__shared_acquire(const char *name, size_t limit, cachette__table **table,
                             cachette_error *error);

/* Gives a table back; the last to do so frees it. */
void cachette__shared_release(cachette__table *table);

#endif
