/* SPDX-License-Identifier: MIT */
#include "address_map.h"

#include <string.h>
#include <strings.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "../../net/url.h"

static const char out_of_memory[] = "";

/* Returns what is wrong with the address, or NULL. */
static const char *parse_address(const char *text, size_t size, cachette__redis_address *address) {
  int port = -1;
  const char *problem =
      cachette__url_parse_host((cachette_slice){text, size}, &address->host, &port);
  if (problem != NULL) return *problem == '\0' ? out_of_memory : problem;
  if (address->host == NULL) return "an address has no host";
  if (port < 0) return "an address has no port";
  address->port = (uint16_t)port;
  return NULL;
}

static const char *parse_pair(const char *text, size_t size, cachette__redis_address_map *map) {
  const char *equals = memchr(text, '=', size);
  cachette__redis_address_pair *pair = &map->pairs[map->count++];
  if (size == 0) return "a pair of addresses is empty";
  if (equals == NULL) return "a pair of addresses has no \"=\"";
  size_t length = (size_t)(equals - text);
  if (memchr(equals + 1, '=', size - length - 1) != NULL)
    return "a pair of addresses has more than one \"=\"";
  const char *problem = parse_address(text, length, &pair->announced);
  if (problem == NULL) problem = parse_address(equals + 1, size - length - 1, &pair->used);
  if (problem != NULL) return problem;
  cachette_slice host = cachette_str(pair->announced.host);
  const cachette__redis_address *first =
      cachette__redis_address_map_find(map, host, pair->announced.port);
  return first == &pair->used ? NULL : "an address is mapped twice";
}

static const char *parse_pairs(const char *text, cachette__redis_address_map *map) {
  size_t count = 1;
  for (const char *at = text; *at != '\0'; at++) count += *at == ',';
  map->pairs = cachette__calloc(count, sizeof *map->pairs);
  if (map->pairs == NULL) return out_of_memory;
  for (size_t i = 0; i < count; i++) {
    size_t size = strcspn(text, ",");
    const char *problem = parse_pair(text, size, map);
    if (problem != NULL) return problem;
    text += size + 1;
  }
  return NULL;
}

int cachette__redis_address_map_parse(const char *text, cachette__redis_address_map *map,
                                      cachette_error *error) {
  cachette__redis_address_map parsed = {.count = 0};
  const char *problem = *text != '\0' ? parse_pairs(text, &parsed) : NULL;
  if (problem == NULL) {
    *map = parsed;
    return CACHETTE_OK;
  }
  cachette__redis_address_map_deinit(&parsed);
  if (problem == out_of_memory) return cachette__fail(error, CACHETTE_ENOMEM, "address_map", NULL);
  char redacted[64];
  cachette__value_text(text, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, "address_map",
                        "The \"address_map\" value \"%s\" is not valid: %s. It looks like "
                        "10.0.0.1:6379=127.0.0.1:7000, and pairs are separated by commas.",
                        redacted, problem);
}

const cachette__redis_address *cachette__redis_address_map_find(
    const cachette__redis_address_map *map, cachette_slice host, uint16_t port) {
  for (size_t i = 0; i < map->count; i++) {
    const cachette__redis_address *announced = &map->pairs[i].announced;
    if (announced->port == port && strlen(announced->host) == host.size &&
        strncasecmp(announced->host, host.data, host.size) == 0)
      return &map->pairs[i].used;
  }
  return NULL;
}

void cachette__redis_address_map_deinit(cachette__redis_address_map *map) {
  for (size_t i = 0; i < map->count; i++) {
    cachette__free(map->pairs[i].announced.host);
    cachette__free(map->pairs[i].used.host);
  }
  cachette__free(map->pairs);
  *map = (cachette__redis_address_map){.count = 0};
}
