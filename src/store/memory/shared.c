/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include <pthread.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"

typedef struct entry {
  struct entry *next;
  char *name; /* or NULL: of one handle only */
  cachette__table *table;
  size_t limit;
  unsigned holders;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `entries` */
static entry *entries;

/* ---- Forks ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watch_status;

static void before_fork(void) {
  pthread_mutex_lock(&lock);
  for (entry *each = entries; each != NULL; each = each->next) cachette__table_lock(each->table);
}

static void after_fork(void) {
  for (entry *each = entries; each != NULL; each = each->next) cachette__table_unlock(each->table);
  pthread_mutex_unlock(&lock);
}

static void watch_forks(void) {
  watch_status =
      pthread_atfork(before_fork, after_fork, after_fork) == 0 ? CACHETTE_OK : CACHETTE_ENOMEM;
}

/* ---- Acquire and release ---- */

static entry *find(const char *name) {
  for (entry *each = entries; each != NULL; each = each->next)
    if (each->name != NULL && strcmp(each->name, name) == 0) return each;
  return NULL;
}

/* A new entry for a table of its own; NULL when out of memory. */
static entry *make(const char *name, size_t limit) {
  entry *made = cachette__calloc(1, sizeof *made);
  if (made == NULL) return NULL;
  made->limit = limit;
  made->holders = 1;
  if (name != NULL) {
    made->name = cachette__strndup(name, strlen(name));
    if (made->name == NULL) goto fail;
  }
  made->table = cachette__table_new(limit);
  if (made->table == NULL) goto fail;
  return made;

fail:
  cachette__free(made->name);
  cachette__free(made);
  return NULL;
}

static int acquire_locked(const char *name, size_t limit, cachette__table **table,
                          cachette_error *error) {
  entry *found = name != NULL ? find(name) : NULL;
  if (found != NULL && found->limit != limit) {
    char shown[65];
    cachette__value_text(name, shown, sizeof shown);
    return cachette__fail(error, CACHETTE_ECONFIG, "memory_limit",
                          "The in-memory store \"%s\" is open with a \"memory_limit\" of %zu "
                          "bytes; all that share it must give the same.",
                          shown, found->limit);
  }
  if (found != NULL) {
    found->holders++;
  } else {
    found = make(name, limit);
    if (found == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    found->next = entries;
    entries = found;
  }
  *table = found->table;
  return CACHETTE_OK;
}

int cachette__shared_acquire(const char *name, size_t limit, cachette__table **table,
                             cachette_error *error) {
  pthread_once(&once, watch_forks);
  if (watch_status < 0) return cachette__fail(error, watch_status, NULL, NULL);
  if (name != NULL && *name == '\0') name = NULL;
  pthread_mutex_lock(&lock);
  int code = acquire_locked(name, limit, table, error);
  pthread_mutex_unlock(&lock);
  return code;
}

void cachette__shared_release(cachette__table *table) {
  pthread_mutex_lock(&lock);
  entry **link = &entries;
  while ((*link)->table != table) link = &(*link)->next;
  entry *held = *link;
  bool last = --held->holders == 0;
  if (last) *link = held->next;
  pthread_mutex_unlock(&lock);
  if (!last) return;
  cachette__table_free(held->table);
  cachette__free(held->name);
  cachette__free(held);
}
