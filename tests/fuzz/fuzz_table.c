/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the table of the in-memory store with sequences of calls. Every hit must return the last
 * value put, and the structure of the table must be valid at the end.
 *
 * A call is five bytes: the operation, a key, two bytes of size or time, and one that varies the
 * rest.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "table/table.h"
#include "table_probe.h"
#include "table_snapshot.h"

enum { KEYS = 256, CALL = 5, LARGEST = 300000 };

/* The last put of a key. */
struct put {
  size_t size;
  unsigned char seed;
  int64_t expires_ms; /* 0: no entry */
};

static unsigned char bytes[LARGEST], fetched[LARGEST];

static void check(int truth) {
  if (!truth) abort();
}

/* Returns a key in one of two namespaces. A quarter of the keys are long. */
static cachette_slice key_of(unsigned char number) {
  static char text[2000];
  memset(text, 'k', sizeof text);
  text[0] = number % 2 ? 'a' : 'b';
  text[1] = ':';
  text[2] = (char)number;
  return (cachette_slice){text, number % 4 == 3 ? 1000 + number : 3};
}

static void put(cachette__table *table, struct put *each, const uint8_t *call, int64_t now) {
  size_t size = (size_t)(call[2] << 8 | call[3]) * (call[4] % 8 == 0 ? 5 : 1) % LARGEST;
  int64_t ttl_ms = 1 + call[4] * 10;
  memset(bytes, call[3] ^ call[4], size);
  cachette_item item = {.key = key_of(call[1]), .value = {bytes, size}, .ttl_ms = ttl_ms};
  int code = cachette__table_put(table, &item, now, NULL);
  if (code == CACHETTE_HIT) check(each->expires_ms > now);
  if (code == CACHETTE_ETOOBIG)
    each->expires_ms = 0;
  else
    *each = (struct put){size, call[3] ^ call[4], now + ttl_ms};
  check(code >= 0 || code == CACHETTE_ETOOBIG);
}

static void fetch(cachette__table *table, const struct put *each, const uint8_t *call,
                  int64_t now) {
  cachette_item item = {.key = key_of(call[1]), .buffer = fetched, .buffer_size = LARGEST};
  table_fetch_one(table, &item, now);
  if (item.status != CACHETTE_HIT) return;
  check(each->expires_ms > now && item.value.size == each->size);
  check(item.ttl_ms == each->expires_ms - now);
  memset(bytes, each->seed, each->size);
  check(memcmp(bytes, fetched, each->size) == 0);
}

static void check_entry(void *data, cachette_slice key, cachette_slice value, int64_t left_ms) {
  const struct put *puts = data;
  const struct put *each = &puts[((const unsigned char *)key.data)[2]];
  check(each->size == value.size && left_ms > 0);
}

static void remove_puts(struct put *puts, int first, int by) {
  for (int i = first; i < KEYS; i += by) puts[i].expires_ms = 0;
}

/* Clears a namespace, all entries or the expired ones, or takes a snapshot. */
static void call_on_all(cachette__table *table, struct put *puts, unsigned char choice,
                        int64_t now) {
  table_snapshot snapshot = {.shard = 0};
  if (choice < 8) {
    cachette__table_clear_namespace(table, cachette_str(choice % 2 ? "a" : "b"), now);
    remove_puts(puts, choice % 2, 2);
  } else if (choice < 10) {
    cachette__table_flush(table, now);
    remove_puts(puts, 0, 1);
  } else if (choice < 40) {
    cachette__table_flush_expired(table, now);
  } else if (choice < 50) {
    while (table_snapshot_next(table, &snapshot, now, check_entry, puts) == 1) continue;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct put puts[KEYS];
  memset(puts, 0, sizeof puts);
  cachette__table *table = cachette__table_new(1 << 20);
  int64_t now = 1;
  check(table != NULL);
  for (; size >= CALL; data += CALL, size -= CALL) {
    struct put *each = &puts[data[1]];
    switch (data[0] % 16) {
      case 0:
        if (cachette__table_clear(table, key_of(data[1]), now)) check(each->expires_ms > now);
        each->expires_ms = 0;
        break;
      case 1:
        now += data[2] << 4 | data[3];
        break;
      case 2:
        call_on_all(table, puts, data[1], now);
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        fetch(table, each, data, now);
        break;
      default:
        put(table, each, data, now);
    }
  }
  check(table_check(table) == NULL);
  cachette__table_free(table);
  return 0;
}
