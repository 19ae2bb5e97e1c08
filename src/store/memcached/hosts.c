/* SPDX-License-Identifier: MIT */
#include "hosts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"

enum { DEFAULT_PORT = 11211, WEIGHT_MAX = 1000 };

/* ---- Reading ---- */

/* `all` is the value of the option. If it contains a password, no part of it is displayed. */
static int fail(const char *all, const char *text, size_t size, const char *problem,
                cachette_error *error) {
  char redacted[64];
  cachette__value_text(all, redacted, sizeof redacted);
  if (strcmp(redacted, "***") != 0)
    cachette__key_text((cachette_slice){text, size}, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, "memcached_host",
                        "The \"memcached_host\" value \"%s\" is not valid: %s. It looks like "
                        "host[:port[:weight]], [v6]:port or /path/of/a/socket.",
                        redacted, problem);
}

/* Reads a number from 1 to `max`, and moves `at` after it. Returns 0 if it is not valid. */
static unsigned read_number(const char **at, const char *end, unsigned max) {
  unsigned number = 0;
  const char *begin = *at;
  for (; *at < end && **at >= '0' && **at <= '9' && number <= max; (*at)++)
    number = number * 10 + (unsigned)(**at - '0');
  return *at > begin && number <= max ? number : 0;
}

bool cachette__memcached_is_name(cachette_slice name) {
  const char *text = name.data;
  for (size_t i = 0; i < name.size; i++)
    if ((unsigned char)text[i] <= ' ' || strchr("/?#@[]%", text[i]) != NULL) return false;
  return name.size > 0;
}

/* Reads what follows a host: nothing, a port, or a port and a weight. */
static const char *read_tail(const char *at, const char *end, cachette__memcached_host *host) {
  if (at < end) {
    if (*at++ != ':') return "the address is not followed by a port";
    host->port = (uint16_t)read_number(&at, end, 65535);
    if (host->port == 0) return "its port is not a number from 1 to 65535";
  }
  if (at < end) {
    if (*at++ != ':') return "its port is not a number from 1 to 65535";
    host->weight = read_number(&at, end, WEIGHT_MAX);
    if (host->weight == 0 || at < end) return "its weight is not a number from 1 to 1000";
  }
  return NULL;
}

/* Reads one server. Returns NULL; or what is wrong with it; or "" if out of memory. */
static const char *read_host(const char *text, size_t size, cachette__memcached_host *host) {
  const char *end = text + size, *after;
  *host = (cachette__memcached_host){.port = DEFAULT_PORT, .weight = 1};
  if (size == 0) return "a server is missing";
  if (*text == '/') {
    host->path = cachette__strndup(text, size);
    return host->path != NULL ? NULL : "";
  }
  const char *name = text;
  if (*text == '[') {
    name++;
    after = memchr(name, ']', (size_t)(end - name));
    if (after == NULL) return "a bracket is not closed";
  } else {
    after = memchr(text, ':', size);
    if (after == NULL) after = end;
  }
  size_t length = (size_t)(after - name);
  if (memchr(text, '/', size) != NULL) return "it must not be a URL: remove the scheme and //";
  if (!cachette__memcached_is_name((cachette_slice){name, length})) return "it has no host";
  const char *problem = read_tail(after + (*text == '['), end, host);
  if (problem != NULL) return problem;
  host->host = cachette__strndup(name, length);
  return host->host != NULL ? NULL : "";
}

/* ---- Hashing ---- */

static uint64_t fnv1a(uint64_t hash, const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

static const uint64_t fnv_offset = UINT64_C(0xcbf29ce484222325);

static uint64_t hash_name(const cachette__memcached_host *host) {
  char port[8];
  if (host->path != NULL) return fnv1a(fnv_offset, host->path, strlen(host->path));
  snprintf(port, sizeof port, ":%u", host->port);
  return fnv1a(fnv1a(fnv_offset, host->host, strlen(host->host)), port, strlen(port));
}

size_t cachette__memcached_choose(const cachette__memcached_hosts *hosts, cachette_slice key) {
  if (hosts->count == 1) return 0;
  uint64_t hash = mix(fnv1a(fnv_offset, key.data, key.size));
  size_t best = 0;
  double best_score = -1;
  for (size_t i = 0; i < hosts->count; i++) {
    double u = ((double)mix(hosts->list[i].hash ^ hash) + 0.5) / 18446744073709551616.0;
    double score = u < 1 ? hosts->list[i].weight / -log(u) : INFINITY;
    if (score <= best_score) continue;
    best_score = score;
    best = i;
  }
  return best;
}

/* ---- The list ---- */

static bool is_listed(const cachette__memcached_hosts *hosts, uint64_t hash) {
  for (size_t i = 0; i < hosts->count; i++)
    if (hosts->list[i].hash == hash) return true;
  return false;
}

cachette__memcached_hosts *cachette__memcached_hosts_new(size_t capacity) {
  cachette__memcached_hosts *hosts =
      cachette__calloc(1, sizeof *hosts + capacity * sizeof *hosts->list);
  if (hosts != NULL) atomic_init(&hosts->references, 1);
  return hosts;
}

bool cachette__memcached_hosts_add(cachette__memcached_hosts *hosts, cachette_slice name,
                                   cachette_slice address, uint16_t port) {
  cachette__memcached_host *host = &hosts->list[hosts->count];
  *host = (cachette__memcached_host){.port = port, .weight = 1};
  host->host = cachette__strndup(name.data, name.size);
  if (host->host == NULL) return false;
  host->hash = hash_name(host);
  if (is_listed(hosts, host->hash)) {
    cachette__free(host->host);
    return true;
  }
  hosts->count++; /* from now on it is released with the others */
  if (address.size == 0) return true;
  host->address = cachette__strndup(address.data, address.size);
  return host->address != NULL;
}

cachette__memcached_hosts *cachette__memcached_hosts_retain(cachette__memcached_hosts *hosts) {
  if (hosts != NULL) atomic_fetch_add_explicit(&hosts->references, 1, memory_order_relaxed);
  return hosts;
}

void cachette__memcached_hosts_release(cachette__memcached_hosts *hosts) {
  if (hosts == NULL) return;
  if (atomic_fetch_sub_explicit(&hosts->references, 1, memory_order_acq_rel) > 1) return;
  for (size_t i = 0; i < hosts->count; i++) {
    cachette__free(hosts->list[i].host);
    cachette__free(hosts->list[i].address);
    cachette__free(hosts->list[i].path);
  }
  cachette__free(hosts);
}

static bool is_same(const char *one, const char *other) {
  return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool cachette__memcached_host_equals(const cachette__memcached_host *one,
                                     const cachette__memcached_host *other) {
  return one->hash == other->hash && one->port == other->port && is_same(one->host, other->host) &&
         is_same(one->address, other->address) && is_same(one->path, other->path);
}

/* Reads one server and adds it. Returns the same as read_host(). */
static const char *add_host(cachette__memcached_hosts *hosts, const char *text, size_t size) {
  cachette__memcached_host *host = &hosts->list[hosts->count];
  const char *problem = read_host(text, size, host);
  if (problem != NULL) return problem;
  host->hash = hash_name(host);
  bool is_double = is_listed(hosts, host->hash);
  hosts->count++;
  return is_double ? "a server is listed twice" : NULL;
}

int cachette__memcached_hosts_parse(const char *text, cachette__memcached_hosts **hosts,
                                    cachette_error *error) {
  size_t capacity = 1;
  for (const char *at = text; *at != '\0'; at++) capacity += *at == ',';
  cachette__memcached_hosts *result = cachette__memcached_hosts_new(capacity);
  if (result == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  for (const char *at = text;; at++) {
    while (*at == ' ') at++;
    size_t size = strcspn(at, ","), length = size;
    while (length > 0 && at[length - 1] == ' ') length--;
    const char *problem = add_host(result, at, length);
    if (problem != NULL) {
      cachette__memcached_hosts_release(result);
      return *problem == '\0' ? cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL)
                              : fail(text, at, length, problem, error);
    }
    at += size;
    if (*at != '\0') continue;
    *hosts = result;
    return CACHETTE_OK;
  }
}
