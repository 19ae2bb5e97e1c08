/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the builder of a cluster's map. The same reply must give the same map, or the same
 * refusal: whole, byte by byte, and in random pieces. A map must be consistent, also after slots
 * were adopted. The first byte of an input seeds sizes and slots. The others are the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/cluster/map_builder.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { NO_NODE = CACHETTE__REDIS_NO_NODE };

static char announced[] = "a", used[] = "b";
static cachette__redis_address_pair pair = {{announced, 1}, {used, 2}};
static const cachette__redis_address_map address_map = {&pair, 1};
static const cachette__redis_map_source source = {"10.0.0.9", NULL, "seed.example", &address_map};

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/* ---- Reading ---- */

struct reader {
  cachette__resp parser;
  cachette__redis_map_builder builder;
  bool is_over;   /* the reply is complete, or not the protocol */
  bool is_broken; /* it is not the protocol: the pieces determine which tokens came before */
};

/* Feeds the builder the tokens of these bytes. Returns how many the parser consumed. */
static size_t read_tokens(struct reader *reader, const char *bytes, size_t size) {
  size_t at = 0;
  while (!reader->is_over) {
    cachette__resp_token token;
    const char *reason = NULL;
    size_t consumed = 0;
    int status = cachette__resp_read(&reader->parser, (cachette_slice){bytes + at, size - at},
                                     &consumed, &token, &reason);
    at += consumed;
    if (status == CACHETTE__RESP_MORE) break;
    reader->is_broken = status < 0;
    reader->is_over = status < 0 || (token.last && !token.push);
    if (status < 0) break;
    int before = reader->builder.code;
    int code = cachette__redis_map_builder_take(&reader->builder, &token);
    CHECK(code == CACHETTE_OK || code == CACHETTE_EBACKEND);
    CHECK(before == CACHETTE_OK || code == before);
  }
  return at;
}

/* Reads pieces of 1 to `max` bytes, each in a buffer of exactly its size; 0: all in one piece. */
static cachette__redis_map *read_in_pieces(const char *bytes, size_t size, size_t max,
                                           unsigned seed, const char **reason) {
  struct reader reader = {.is_over = false};
  cachette__resp_init(&reader.parser);
  CHECK(cachette__redis_map_builder_init(&reader.builder, &source) == CACHETTE_OK);
  size_t begin = 0; /* [begin, end) are the bytes that the parser has not consumed */
  for (size_t end = 0; end < size && !reader.is_over;) {
    size_t piece = max == 0 ? size : 1 + next_random(&seed) % max;
    end = piece > size - end ? size : end + piece;
    char *copy = malloc(end - begin);
    CHECK(copy != NULL);
    memcpy(copy, bytes + begin, end - begin);
    begin += read_tokens(&reader, copy, end - begin);
    free(copy);
  }
  *reason = cachette__redis_map_builder_reason(&reader.builder);
  cachette__redis_map *map = cachette__redis_map_builder_finish(&reader.builder);
  CHECK(map == NULL || (*reason == NULL && !reader.is_broken));
  if (reader.is_broken) *reason = "it is not the protocol";
  cachette__redis_map_builder_deinit(&reader.builder);
  return map;
}

/* ---- Checks ---- */

/* Checks that a shard is a ring of all nodes with the same primary. */
static void check_ring(const cachette__redis_map *map, unsigned node) {
  unsigned size = 0, members = 0, primary = map->nodes[node].primary, each = node;
  do {
    each = map->nodes[each].next;
    CHECK(each < map->node_count && map->nodes[each].primary == primary);
    CHECK(++size <= map->node_count);
  } while (each != node);
  for (each = 0; each < map->node_count; each++) members += map->nodes[each].primary == primary;
  CHECK(size == members);
}

static void check_node(const cachette__redis_map *map, unsigned index) {
  const cachette__redis_map_node *node = &map->nodes[index];
  cachette_slice host = {node->host, strlen(node->host)};
  CHECK(host.size > 0 && host.size <= CACHETTE__REDIS_HOST_MAX && node->port > 0);
  CHECK(strpbrk(node->host, " /?#@\r\n\t,=") == NULL);
  CHECK(node->tls_name == NULL || strlen(node->tls_name) <= CACHETTE__REDIS_HOST_MAX);
  CHECK(cachette__redis_map_find(map, host, node->port) == index);
  CHECK(node->primary < map->node_count && map->nodes[node->primary].primary == node->primary);
  CHECK(node->primary == index || (node->slots == 0 && map->nodes[node->primary].slots > 0));
  check_ring(map, index);
}

static void check_map(const cachette__redis_map *map) {
  unsigned covered = 0;
  static unsigned slots[CACHETTE__REDIS_MAP_NODES];
  memset(slots, 0, sizeof slots);
  CHECK(map->node_count <= CACHETTE__REDIS_MAP_NODES);
  for (unsigned slot = 0; slot < CACHETTE__REDIS_SLOTS; slot++) {
    if (map->owner[slot] == NO_NODE) continue;
    CHECK(map->owner[slot] < map->node_count);
    slots[map->owner[slot]]++;
    covered++;
  }
  CHECK(map->covered == covered);
  for (unsigned i = 0; i < map->node_count; i++) {
    CHECK(map->nodes[i].slots == slots[i]);
    check_node(map, i);
  }
}

static bool is_same_text(const char *one, const char *other) {
  return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static void check_same(const cachette__redis_map *one, const cachette__redis_map *other) {
  CHECK((one == NULL) == (other == NULL));
  if (one == NULL) return;
  CHECK(cachette__redis_map_agrees(one, other) && one->node_count == other->node_count);
  CHECK(memcmp(one->owner, other->owner, sizeof one->owner) == 0);
  for (unsigned i = 0; i < one->node_count; i++) {
    const cachette__redis_map_node *a = &one->nodes[i], *b = &other->nodes[i];
    CHECK(strcmp(a->host, b->host) == 0 && a->port == b->port);
    CHECK(a->primary == b->primary && a->next == b->next);
    CHECK(is_same_text(a->tls_name, b->tls_name));
  }
}

/* Adopts slots, as redirections ask for, in a copy. */
static void change(const cachette__redis_map *map, unsigned seed) {
  cachette__redis_map *copy = cachette__redis_map_copy(map);
  CHECK(copy != NULL);
  check_same(map, copy);
  cachette__redis_map_locate(copy, &source, (cachette_slice){"new", 3}, 1 + seed % 3, NULL);
  for (int i = 0; i < 8 && copy->node_count > 0; i++) {
    unsigned slot = next_random(&seed) % CACHETTE__REDIS_SLOTS;
    unsigned node = next_random(&seed) % copy->node_count;
    cachette__redis_map_adopt(copy, slot, node);
    CHECK(copy->owner[slot] == node);
    check_map(copy);
  }
  cachette__redis_map_release(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  unsigned seed = data[0];
  const char *bytes = (const char *)data + 1, *reason, *other_reason;
  size--;
  cachette__redis_map *map = read_in_pieces(bytes, size, 0, 0, &reason);
  for (size_t max = 1; max <= 64; max += 1 + seed % 63) {
    if (max == 1 && size > 512) continue;
    cachette__redis_map *other = read_in_pieces(bytes, size, max, seed, &other_reason);
    CHECK(reason == other_reason);
    check_same(map, other);
    cachette__redis_map_release(other);
  }
  if (map != NULL) {
    check_map(map);
    change(map, seed);
  }
  cachette__redis_map_release(map);
  return 0;
}
