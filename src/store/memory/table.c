/* SPDX-License-Identifier: MIT */
/*
 * A hash table of chained entries under one lock, in the order in which they were put; the
 * oldest goes when there is no room.
 *
 *     buckets[hash]  ->  entry -> entry (chain)
 *     oldest <-> entry <-> entry <-> newest
 */
#include "table.h"

#include <string.h>
#include <uv.h>

#include "../../alloc.h"
#include "../../error.h"
#include "../../slice.h"
#include "siphash.h"

typedef struct entry {
  struct entry *chain;
  struct entry *older, *newer;
  uint64_t hash;
  int64_t expires_ms;
  size_t value_size;
  uint32_t key_size;
  unsigned char bytes[]; /* key, value */
} entry;

struct cachette__table {
  uv_mutex_t lock; /* guards everything below */
  uint64_t hash_key[2];
  entry **buckets;
  size_t bucket_count; /* a power of two */
  entry *oldest, *newest;
  size_t entries, bytes, limit;
  int64_t evictions, expirations;
};

enum { FIRST_BUCKETS = 256 };

static size_t size_of(const entry *each) {
  return sizeof *each + each->key_size + each->value_size;
}

/* ---- Life cycle ----------------------------------------------------------------- */

cachette__table *cachette__table_new(size_t limit) {
  cachette__table *table = cachette__calloc(1, sizeof *table);
  if (table == NULL) return NULL;
  table->limit = limit;
  table->bucket_count = FIRST_BUCKETS;
  table->bytes = FIRST_BUCKETS * sizeof(entry *);
  table->buckets = cachette__calloc(FIRST_BUCKETS, sizeof(entry *));
  if (table->buckets == NULL) goto fail;
  if (uv_random(NULL, NULL, table->hash_key, sizeof table->hash_key, 0, NULL) < 0) goto fail;
  if (uv_mutex_init(&table->lock) < 0) goto fail;
  return table;

fail:
  cachette__free(table->buckets);
  cachette__free(table);
  return NULL;
}

void cachette__table_free(cachette__table *table) {
  for (entry *each = table->oldest, *next; each != NULL; each = next) {
    next = each->newer;
    cachette__free(each);
  }
  uv_mutex_destroy(&table->lock);
  cachette__free(table->buckets);
  cachette__free(table);
}

void cachette__table_lock(cachette__table *table) { uv_mutex_lock(&table->lock); }

void cachette__table_unlock(cachette__table *table) { uv_mutex_unlock(&table->lock); }

/* ---- Links ---------------------------------------------------------------------- */

static entry **find_locked(cachette__table *table, cachette_slice key, uint64_t hash) {
  entry **link = &table->buckets[hash & (table->bucket_count - 1)];
  for (; *link != NULL; link = &(*link)->chain)
    if ((*link)->hash == hash && (*link)->key_size == key.size &&
        memcmp((*link)->bytes, key.data, key.size) == 0)
      break;
  return link;
}

static void remove_locked(cachette__table *table, entry **link) {
  entry *gone = *link;
  *link = gone->chain;
  *(gone->older != NULL ? &gone->older->newer : &table->oldest) = gone->newer;
  *(gone->newer != NULL ? &gone->newer->older : &table->newest) = gone->older;
  table->entries--;
  table->bytes -= size_of(gone);
  cachette__free(gone);
}

static entry **link_of_locked(cachette__table *table, const entry *each) {
  entry **link = &table->buckets[each->hash & (table->bucket_count - 1)];
  while (*link != each) link = &(*link)->chain;
  return link;
}

static void insert_locked(cachette__table *table, entry *fresh) {
  entry **bucket = &table->buckets[fresh->hash & (table->bucket_count - 1)];
  fresh->chain = *bucket;
  *bucket = fresh;
  fresh->newer = NULL;
  fresh->older = table->newest;
  *(table->newest != NULL ? &table->newest->newer : &table->oldest) = fresh;
  table->newest = fresh;
  table->entries++;
  table->bytes += size_of(fresh);
}

/* Doubles the buckets when chains get long; without memory they stay as they are. */
static void grow_locked(cachette__table *table) {
  if (table->entries <= table->bucket_count) return;
  size_t count = 2 * table->bucket_count;
  entry **buckets = cachette__calloc(count, sizeof *buckets);
  if (buckets == NULL) return;
  for (entry *each = table->oldest; each != NULL; each = each->newer) {
    entry **bucket = &buckets[each->hash & (count - 1)];
    each->chain = *bucket;
    *bucket = each;
  }
  cachette__free(table->buckets);
  table->bytes += (count - table->bucket_count) * sizeof *buckets;
  table->buckets = buckets;
  table->bucket_count = count;
}

static void make_room_locked(cachette__table *table, int64_t now_ms) {
  while (table->bytes > table->limit && table->oldest != table->newest) {
    if (table->oldest->expires_ms <= now_ms)
      table->expirations++;
    else
      table->evictions++;
    remove_locked(table, link_of_locked(table, table->oldest));
  }
}

/* ---- Verbs ------------------------------------------------------------------------ */

/* The live entry of the key, or NULL; one whose time is over is removed. */
static entry *find_live_locked(cachette__table *table, cachette_slice key, uint64_t hash,
                               int64_t now_ms) {
  entry **link = find_locked(table, key, hash);
  if (*link == NULL || (*link)->expires_ms > now_ms) return *link;
  table->expirations++;
  remove_locked(table, link);
  return NULL;
}

/* Copies the entry out, or returns false if `place` is too small. */
static bool copy_out(const entry *found, int64_t now_ms, cachette_item *item, void *place,
                     size_t size) {
  if (found->value_size > size || place == NULL) return false;
  memcpy(place, found->bytes + found->key_size, found->value_size);
  item->value = (cachette_slice){place, found->value_size};
  item->ttl_ms = found->expires_ms - now_ms;
  item->status = CACHETTE_HIT;
  return true;
}

void cachette__table_fetch(cachette__table *table, cachette_op *op, cachette_item *item) {
  int64_t now_ms = op->priv.now_ms;
  uint64_t hash = cachette__siphash13(table->hash_key, item->key.data, item->key.size);
  void *place = item->buffer;
  size_t size = item->buffer_size;
  /* The value may have changed while its place was sought; then another place is. */
  for (;;) {
    uv_mutex_lock(&table->lock);
    const entry *found = find_live_locked(table, item->key, hash, now_ms);
    bool copied = found != NULL && copy_out(found, now_ms, item, place, size);
    size_t wanted = found != NULL ? found->value_size : 0;
    uv_mutex_unlock(&table->lock);
    if (copied) return;
    if (found == NULL) {
      cachette__item_drop(op, item);
      return;
    }
    place = cachette__item_place(op, item, wanted);
    size = wanted;
    if (place == NULL) return;
  }
}

/* What the key's entry will be; NULL when out of memory. */
static entry *make_entry(const cachette_item *item, uint64_t hash, int64_t now_ms) {
  entry *fresh = cachette__malloc(sizeof *fresh + item->key.size + item->value.size);
  if (fresh == NULL) return NULL;
  fresh->hash = hash;
  fresh->expires_ms = now_ms < INT64_MAX - item->ttl_ms ? now_ms + item->ttl_ms : INT64_MAX;
  fresh->key_size = (uint32_t)item->key.size;
  fresh->value_size = item->value.size;
  memcpy(fresh->bytes, item->key.data, item->key.size);
  if (item->value.size > 0)
    memcpy(fresh->bytes + item->key.size, item->value.data, item->value.size);
  return fresh;
}

static int fail_size(const cachette__table *table, const cachette_item *item,
                     cachette_error *error) {
  char key[32];
  cachette__key_text(item->key, key, sizeof key);
  return cachette__fail(error, CACHETTE_ETOOBIG, key,
                        "The value of \"%s\" has %zu bytes; the in-memory backend takes up to a "
                        "quarter of \"memory_limit\", here %zu.",
                        key, item->value.size, table->limit / 4);
}

int cachette__table_put(cachette__table *table, const cachette_item *item, int64_t now_ms,
                        cachette_error *error) {
  if (item->value.size > table->limit / 4) {
    cachette__table_clear(table, item->key, now_ms);
    return fail_size(table, item, error);
  }
  uint64_t hash = cachette__siphash13(table->hash_key, item->key.data, item->key.size);
  entry *fresh = make_entry(item, hash, now_ms);
  if (fresh == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  uv_mutex_lock(&table->lock);
  bool stood = find_live_locked(table, item->key, hash, now_ms) != NULL;
  if (stood) remove_locked(table, find_locked(table, item->key, hash));
  insert_locked(table, fresh);
  grow_locked(table);
  make_room_locked(table, now_ms);
  uv_mutex_unlock(&table->lock);
  return stood ? CACHETTE_HIT : CACHETTE_MISS;
}

int cachette__table_clear(cachette__table *table, cachette_slice key, int64_t now_ms) {
  uint64_t hash = cachette__siphash13(table->hash_key, key.data, key.size);
  uv_mutex_lock(&table->lock);
  bool live = find_live_locked(table, key, hash, now_ms) != NULL;
  if (live) remove_locked(table, find_locked(table, key, hash));
  uv_mutex_unlock(&table->lock);
  return live;
}

static bool in_namespace(const entry *each, cachette_slice name) {
  return each->key_size > name.size && each->bytes[name.size] == ':' &&
         memcmp(each->bytes, name.data, name.size) == 0;
}

/* Removes the live entries of a namespace (NULL: of all) if `live`, and all whose time is over. */
static int64_t sweep(cachette__table *table, const cachette_slice *name, bool live,
                     int64_t now_ms) {
  int64_t removed_live = 0, expired = 0;
  uv_mutex_lock(&table->lock);
  for (entry *each = table->oldest, *next; each != NULL; each = next) {
    next = each->newer;
    if (each->expires_ms <= now_ms)
      expired++;
    else if (live && (name == NULL || in_namespace(each, *name)))
      removed_live++;
    else
      continue;
    remove_locked(table, link_of_locked(table, each));
  }
  table->expirations += expired;
  uv_mutex_unlock(&table->lock);
  return live ? removed_live : expired;
}

int64_t cachette__table_clear_namespace(cachette__table *table, cachette_slice name,
                                        int64_t now_ms) {
  return sweep(table, &name, true, now_ms);
}

int64_t cachette__table_flush(cachette__table *table, int64_t now_ms) {
  return sweep(table, NULL, true, now_ms);
}

int64_t cachette__table_flush_expired(cachette__table *table, int64_t now_ms) {
  return sweep(table, NULL, false, now_ms);
}

void cachette__table_stats(cachette__table *table, cachette_stats *stats) {
  uv_mutex_lock(&table->lock);
  stats->entries = (int64_t)table->entries;
  stats->bytes = (int64_t)table->bytes;
  stats->limit = (int64_t)table->limit;
  stats->evictions = table->evictions;
  stats->expirations = table->expirations;
  uv_mutex_unlock(&table->lock);
}
