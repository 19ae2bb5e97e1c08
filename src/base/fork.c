/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include <pthread.h>

#include "cachette.h"

unsigned cachette__fork_generation;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watch_status;

static void in_child(void) { cachette__fork_generation++; }

static void watch(void) {
  watch_status = pthread_atfork(NULL, NULL, in_child) == 0 ? CACHETTE_OK : CACHETTE_ENOMEM;
}

int cachette__fork_watch(void) {
  pthread_once(&once, watch);
  return watch_status;
}
