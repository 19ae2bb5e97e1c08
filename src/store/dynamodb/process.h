/* SPDX-License-Identifier: MIT */
/*
 * Runs a program without a shell and collects what it prints, on a loop and without waiting for it.
 *
 * Not with uv_spawn(): that takes over SIGCHLD for the whole process and afterwards sets it to its
 * default, where the host may have a handler of its own, as uvloop does for its own children. So
 * the end of its output is watched for, and then the program asked for by its number.
 */
#ifndef CACHETTE_STORE_DYNAMODB_PROCESS_H
#define CACHETTE_STORE_DYNAMODB_PROCESS_H

#include <uv.h>

#include "text.h"

typedef struct cachette__process cachette__process;

enum cachette__process_end {
  CACHETTE__PROCESS_EXITED, /* `status` is what it exited with */
  CACHETTE__PROCESS_KILLED, /* by a signal, which `status` is */
  CACHETTE__PROCESS_LATE,   /* it did not end in time, and was killed */
  CACHETTE__PROCESS_LOUD,   /* it printed too much, and was killed */
  CACHETTE__PROCESS_NO_MEMORY
};

typedef struct cachette__process_result {
  enum cachette__process_end end;
  int status;
  const cachette__text *output, *complaints; /* of stdout and, its first part, of stderr */
} cachette__process_result;

/*
 * Starts the program words[0], looked for on PATH. `done` is called once, on the loop, never from
 * inside; the process is gone then. Returns 0 or, without a process, an errno.
 */
int cachette__process_start(uv_loop_t *loop, char *const *words, int64_t timeout_ms,
                            void (*done)(const cachette__process_result *result, void *data),
                            void *data, cachette__process **process);

/*
 * Kills it, without a call of `done`. What it has on the loop is closed with uv_close(), and its
 * memory goes in the last callback. If `forked` it is the parent's: it is let alone, and so is the
 * loop.
 */
void cachette__process_stop(cachette__process *process, bool forked);

#endif
