/* SPDX-License-Identifier: MIT */
/*
 * SQLite keeps in memory which locks this process has on which file. A child would inherit that
 * memory but not the locks: its new connections would rely on locks that are not there, and could
 * corrupt the file for everybody. So connections are closed before a fork; parent and child open
 * new ones. A fork waits for the threads that use SQLite. It interrupts them, and they begin again.
 */
#include <pthread.h>

#include "internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned active;                /* threads that use SQLite */
static _Atomic(bool) forking;          /* also read without the lock */
static cachette__file_thread *threads; /* all of the process, newest first */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int register_status;

static void before_fork(void) {
  pthread_mutex_lock(&mutex);
  atomic_store(&forking, true);
  while (active > 0) pthread_cond_wait(&changed, &mutex);
  for (cachette__file_thread *each = threads; each != NULL; each = each->older)
    each->before_fork(each);
}

static void after_fork_in_parent(void) {
  atomic_store(&forking, false);
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

/* The child has none of the threads. */
static void after_fork_in_child(void) {
  pthread_mutex_init(&mutex, NULL);
  pthread_cond_init(&changed, NULL);
  atomic_store(&forking, false);
  threads = NULL;
}

static void register_handlers(void) {
  bool done = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0;
  register_status = done ? CACHETTE_OK : CACHETTE_ENOMEM;
}

int cachette__file_register_fork_handlers(void) {
  pthread_once(&once, register_handlers);
  return register_status;
}

void cachette__file_add_thread(cachette__file_thread *thread) {
  pthread_mutex_lock(&mutex);
  thread->newer = NULL;
  thread->older = threads;
  if (threads != NULL) threads->newer = thread;
  threads = thread;
  pthread_mutex_unlock(&mutex);
}

void cachette__file_remove_thread(cachette__file_thread *thread) {
  pthread_mutex_lock(&mutex);
  if (thread->older != NULL) thread->older->newer = thread->newer;
  *(thread->newer != NULL ? &thread->newer->older : &threads) = thread->older;
  pthread_mutex_unlock(&mutex);
}

void cachette__file_enter(void) {
  pthread_mutex_lock(&mutex);
  while (atomic_load(&forking)) pthread_cond_wait(&changed, &mutex);
  active++;
  pthread_mutex_unlock(&mutex);
}

void cachette__file_leave(void) {
  pthread_mutex_lock(&mutex);
  if (--active == 0) pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
}

bool cachette__file_forking(void) { return atomic_load_explicit(&forking, memory_order_relaxed); }
