/* SPDX-License-Identifier: MIT */
#include "http_unstored.h"

#include <string.h>

enum { SETS = 256, WAYS = 4 };

typedef struct unstored {
  unsigned char *asked; /* NULL: the entry is empty */
  size_t size;
  uint64_t hash;
  bool is_suspended;
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  http_remembered known;
} unstored;

struct http_unstored {
  uint64_t number; /* of the last entry */
  unstored entries[SETS * WAYS];
};

/* ---- Life ---- */

http_unstored *http_unstored_new(void) { return PyMem_Calloc(1, sizeof(http_unstored)); }

/* The objects are strings and a pair of them: to delete them runs no Python code. */
static void clear(unstored *entry) {
  PyMem_Free(entry->asked);
  entry->asked = NULL;
  Py_CLEAR(entry->known.line);
  Py_CLEAR(entry->known.reason);
}

void http_unstored_free(http_unstored *self) {
  if (self == NULL) return;
  for (size_t i = 0; i < SETS * WAYS; i++) clear(&self->entries[i]);
  PyMem_Free(self);
}

/* ---- Entries ---- */

static bool is_of(const unstored *entry, cachette_slice asked, uint64_t hash) {
  return entry->asked != NULL && entry->hash == hash && entry->size == asked.size &&
         memcmp(entry->asked, asked.data, asked.size) == 0;
}

const http_remembered *http_unstored_find(const http_unstored *self, cachette_slice asked) {
  uint64_t hash = http_mix(0, asked);
  const unstored *set = &self->entries[hash % SETS * WAYS];
  for (size_t i = 0; i < WAYS; i++)
    if (is_of(&set[i], asked, hash)) return !set[i].is_suspended ? &set[i].known : NULL;
  return NULL;
}

/* Returns the entry of a request; or one that is empty; or the one that ends first. */
static unstored *place_of(unstored *set, cachette_slice asked, uint64_t hash) {
  unstored *found = set;
  for (size_t i = 0; i < WAYS; i++) {
    if (is_of(&set[i], asked, hash)) return &set[i];
    if (found->asked != NULL && (set[i].asked == NULL || set[i].known.until < found->known.until))
      found = &set[i];
  }
  return found;
}

void http_unstored_add(http_unstored *self, cachette_slice asked,
                       const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                       const http_remembered *known, double now) {
  uint64_t hash = http_mix(0, asked);
  unstored *place = place_of(&self->entries[hash % SETS * WAYS], asked, hash);
  bool is_same = is_of(place, asked, hash);
  if (is_same && place->is_suspended && place->known.until > now) return;
  unsigned char *copy = PyMem_Malloc(asked.size);
  if (copy == NULL) return;
  memcpy(copy, asked.data, asked.size);
  clear(place);
  *place = (unstored){.asked = copy, .size = asked.size, .hash = hash, .known = *known};
  memcpy(place->key, key, sizeof place->key);
  place->known.number = ++self->number;
  Py_XINCREF(known->line);
  Py_INCREF(known->reason);
}

void http_unstored_forget(http_unstored *self, const unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  for (size_t i = 0; i < SETS * WAYS; i++) {
    unstored *each = &self->entries[i];
    if (each->asked != NULL && memcmp(each->key, key, sizeof each->key) == 0) clear(each);
  }
}

void http_unstored_suspend(http_unstored *self, uint64_t number) {
  for (size_t i = 0; i < SETS * WAYS; i++)
    if (self->entries[i].known.number == number) self->entries[i].is_suspended = true;
}
