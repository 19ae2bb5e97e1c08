/* SPDX-License-Identifier: MIT */
/*
 * Closes all connections before the process forks. Parent and child open new ones.
 *
 * SQLite records in memory which locks this process holds. A child would inherit that memory but
 * not the locks. Its connections would rely on locks that do not exist, and could corrupt the file.
 *
 * A fork interrupts the threads that use SQLite and waits for them. They retry after the fork.
 */
#include <pthread.h>

#include "internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the variables below */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned active;                /* threads between enter and leave */
static _Atomic(bool) forking;          /* also read without the mutex */
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

/* The child has none of the parent's threads. */
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
