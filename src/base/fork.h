/* SPDX-License-Identifier: MIT */
/*
 * Detects forks. An object that saves the fork generation when it is opened belongs to another
 * process as soon as the generation differs.
 */
#ifndef CACHETTE_FORK_H
#define CACHETTE_FORK_H

/* Starts counting forks on the first call. Call it before you read the generation. Any thread.
 * Errors: ENOMEM. */
int cachette__fork_watch(void);

/* The number of forks that lead to this process. It grows by one in each child before fork()
 * returns there. */
extern unsigned cachette__fork_generation;

#endif
