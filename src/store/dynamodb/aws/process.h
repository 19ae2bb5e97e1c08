/* SPDX-License-Identifier: MIT */
/*
 * Runs a program without a shell, on a loop, and collects its output.
 *
 * This does not use uv_spawn(), because that installs a SIGCHLD handler for the whole process and
 * later resets it to the default. The host may have its own handler, as uvloop does. Instead the
 * loop waits for the end of the output and then polls waitpid().
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_PROCESS_H
#define CACHETTE_STORE_DYNAMODB_AWS_PROCESS_H

#include <uv.h>

#include "text.h"

typedef struct cachette__process cachette__process;

enum cachette__process_end {
  CACHETTE__PROCESS_EXITED,          /* `status` is the exit status */
  CACHETTE__PROCESS_KILLED,          /* `status` is the signal */
  CACHETTE__PROCESS_TIMED_OUT,       /* it was killed after the time-out */
  CACHETTE__PROCESS_TOO_MUCH_OUTPUT, /* it was killed because it printed too much */
  CACHETTE__PROCESS_NO_MEMORY
};

typedef struct cachette__process_result {
  enum cachette__process_end end;
  int status;
  const cachette__text *output, *error_output; /* stdout, and the start of stderr */
} cachette__process_result;

/*
 * Starts the program words[0], which is looked up on PATH; a NULL ends `words`. `done` is called
 * once, from the loop, and `process` is freed after that. Returns 0 or an errno.
 */
int cachette__process_start(uv_loop_t *loop, char *const *words, int64_t timeout_ms,
                            void (*done)(const cachette__process_result *result, void *data),
                            void *data, cachette__process **process);

/*
 * Kills the program; `done` is not called. The memory is freed in the last callback of uv_close().
 * If `forked`, the program and the loop belong to the parent and are left alone.
 */
void cachette__process_stop(cachette__process *process, bool forked);

#endif
