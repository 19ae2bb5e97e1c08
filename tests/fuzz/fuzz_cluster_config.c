/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of the servers of a memcached cluster. The same reply must give the same list,
 * or the same refusal: whole, byte by byte, and in pieces, in both protocols. A list must be
 * consistent. The first byte of an input is the size of the pieces; the others are the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memcached/binary.h"
#include "store/memcached/cluster_config.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

struct reader {
  bool is_text, is_over, is_broken;
  cachette__meta meta;
  cachette__binary binary;
  cachette__cluster_config config;
};

/* Feeds the tokens of these bytes. Returns how many the parser consumed. */
static size_t read_tokens(struct reader *reader, const char *bytes, size_t size) {
  size_t at = 0;
  while (!reader->is_over) {
    cachette__meta_token token;
    const char *reason = NULL;
    size_t used = 0;
    cachette_slice rest = {bytes + at, size - at};
    int code = reader->is_text
                   ? cachette__meta_read(&reader->meta, rest, &used, &token, &reason)
                   : cachette__binary_read(&reader->binary, rest, &used, &token, &reason);
    at += used;
    if (code == CACHETTE__META_MORE) break;
    reader->is_broken = code < 0;
    reader->is_over = code < 0 || cachette__cluster_config_take(&reader->config, &token);
  }
  return at;
}

struct result {
  int code;       /* 1: the reply is not complete */
  bool is_broken; /* it is not the protocol: the pieces determine which tokens came before */
  const char *reason;
  char error[CACHETTE__CLUSTER_CONFIG_MESSAGE_MAX];
  uint64_t version;
  cachette__memcached_hosts *hosts;
};

/* Reads pieces of `step` bytes, each in a buffer of exactly its size. */
static struct result read_in_pieces(const char *bytes, size_t size, size_t step, bool is_text) {
  struct reader reader = {.is_text = is_text};
  struct result result = {.code = 1};
  cachette__meta_init(&reader.meta);
  cachette__binary_init(&reader.binary);
  cachette__cluster_config_init(&reader.config, is_text);
  size_t begin = 0;
  for (size_t end = 0; end < size && !reader.is_over;) {
    end = step > size - end ? size : end + step;
    char *copy = malloc(end - begin);
    CHECK(copy != NULL);
    memcpy(copy, bytes + begin, end - begin);
    begin += read_tokens(&reader, copy, end - begin);
    free(copy);
  }
  result.is_broken = reader.is_broken;
  if (reader.is_over && !reader.is_broken) {
    result.code = cachette__cluster_config_finish(&reader.config, &result.version, &result.hosts);
    result.reason = reader.config.reason;
    memcpy(result.error, reader.config.error, sizeof result.error);
    CHECK(result.code == CACHETTE_OK || result.reason != NULL);
  }
  cachette__cluster_config_deinit(&reader.config);
  return result;
}

static void check_hosts(const cachette__memcached_hosts *hosts) {
  CHECK(hosts->count > 0 && hosts->count <= CACHETTE__CLUSTER_CONFIG_SERVERS);
  for (size_t i = 0; i < hosts->count; i++) {
    const cachette__memcached_host *host = &hosts->list[i];
    CHECK(host->path == NULL && host->port > 0 && host->weight == 1 && host->host != NULL);
    CHECK(cachette__memcached_is_name(cachette_str(host->host)));
    CHECK(strlen(host->host) <= CACHETTE__CLUSTER_CONFIG_NAME);
    CHECK(host->address == NULL || cachette__memcached_is_name(cachette_str(host->address)));
    for (size_t j = 0; j < i; j++) CHECK(hosts->list[j].hash != host->hash);
  }
  CHECK(cachette__memcached_choose(hosts, cachette_str("key")) < hosts->count);
}

static void check_same(const struct result *one, const struct result *other) {
  if (one->is_broken || other->is_broken) {
    CHECK(one->code != CACHETTE_OK && other->code != CACHETTE_OK);
    return;
  }
  CHECK(one->code == other->code && one->reason == other->reason);
  CHECK(strcmp(one->error, other->error) == 0);
  if (one->code != CACHETTE_OK) return;
  CHECK(one->version == other->version && one->hosts->count == other->hosts->count);
  for (size_t i = 0; i < one->hosts->count; i++)
    CHECK(cachette__memcached_host_equals(&one->hosts->list[i], &other->hosts->list[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const size_t steps[] = {1, 1 + (size_t)data[0]};
  const char *bytes = (const char *)data + 1;
  size--;
  for (int is_text = 0; is_text < 2; is_text++) {
    struct result whole = read_in_pieces(bytes, size, size, is_text);
    if (whole.hosts != NULL) check_hosts(whole.hosts);
    for (size_t i = size > 2000; i < 2; i++) {
      struct result cut = read_in_pieces(bytes, size, steps[i], is_text);
      check_same(&whole, &cut);
      cachette__memcached_hosts_release(cut.hosts);
    }
    cachette__memcached_hosts_release(whole.hosts);
  }
  return 0;
}
