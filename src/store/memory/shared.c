/* SPDX-License-Identifier: MIT */
#include "shared.h"

#include <pthread.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"

typedef struct entry {
  struct entry *next;
  char *name; /* NULL: private to one handle */
  cachette__table *table;
  size_t limit;
  unsigned references;
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

/* Creates an entry with a new table. Returns NULL if out of memory. */
static entry *create(const char *name, size_t limit) {
  entry *created = cachette__calloc(1, sizeof *created);
  if (created == NULL) return NULL;
  created->limit = limit;
  created->references = 1;
  if (name != NULL) {
    created->name = cachette__strndup(name, strlen(name));
    if (created->name == NULL) goto fail;
  }
  created->table = cachette__table_new(limit);
  if (created->table == NULL) goto fail;
  return created;

fail:
  cachette__free(created->name);
  cachette__free(created);
  return NULL;
}

static int acquire_locked(const char *name, size_t limit, cachette__table **table,
                          cachette_error *error) {
  entry *found = name != NULL ? find(name) : NULL;
  if (found != NULL && found->limit != limit) {
    char redacted[65];
    cachette__value_text(name, redacted, sizeof redacted);
    return cachette__fail(error, CACHETTE_ECONFIG, "memory_limit",
                          "The in-memory store \"%s\" is already open with a \"memory_limit\" of "
                          "%zu bytes. All caches that share it must set the same limit.",
                          redacted, found->limit);
  }
  if (found != NULL) {
    found->references++;
  } else {
    found = create(name, limit);
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
  entry *released = *link;
  bool last = --released->references == 0;
  if (last) *link = released->next;
  pthread_mutex_unlock(&lock);
  if (!last) return;
  cachette__table_free(released->table);
  cachette__free(released->name);
  cachette__free(released);
}
