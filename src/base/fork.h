/* SPDX-License-Identifier: MIT */
/* How many forks lie between the first process and this one; a handle of an older one is not ours.
 */
#ifndef CACHETTE_FORK_H
#define CACHETTE_FORK_H

/* Starts the count; called by whoever opens something. Returns 0 or a negative code. */
int cachette__fork_watch(void);

/* Goes up by one in each forked child, before any code of the child runs. */
extern unsigned cachette__fork_generation;

#endif
