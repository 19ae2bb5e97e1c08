/* SPDX-License-Identifier: MIT */
/* Commands: mg, ms, md, ma and mn, each numbered by an opaque token that the reply carries back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/clock.h"
#include "internal.h"

enum {
  HEAD_MOST = 160,                  /* bytes of a command beside its key and value */
  ABSOLUTE_FROM = 30 * 24 * 60 * 60 /* seconds, above which memcached takes a time for a date */
};

static char *room(cachette__mc_node *node, size_t size) {
  return cachette__buffer_room(cachette__stream_output(node->link.stream), size);
}

static bool finish(cachette__mc_node *node, const char *end) {
  cachette__buffer *output = cachette__stream_output(node->link.stream);
  output->end = (size_t)(end - output->data);
  return true;
}

static char *append(char *at, const void *data, size_t size) {
  if (size > 0) memcpy(at, data, size);
  return at + size;
}

bool cachette__mc_encode_line(cachette__mc_node *node, const char *line) {
  size_t size = strlen(line);
  char *at = room(node, size + 2);
  return at != NULL && finish(node, append(append(at, line, size), "\r\n", 2));
}

/* Whole seconds, rounded up; as a date if there are many, which for the server has 31 bits. */
int64_t cachette__mc_seconds(int64_t ttl_ms) {
  int64_t seconds = ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  if (seconds <= ABSOLUTE_FROM) return seconds;
  int64_t end = cachette__epoch_now() / 1000 + seconds;
  return end < INT32_MAX ? end : INT32_MAX;
}

/* "mg KEY", and what else there is of a command, with its number. `value` may have no bytes but,
 * with `has_value`, still be there. */
static bool encode(cachette__mc_node *node, const char *word, const cachette__memcached_key *key,
                   const char *flags, const cachette_slice *value) {
  size_t size = value != NULL ? value->size : 0;
  char *at = room(node, HEAD_MOST + CACHETTE__MEMCACHED_KEY + size + 2);
  if (at == NULL) return false;
  at = append(append(at, word, strlen(word)), " ", 1);
  at = cachette__memcached_key_write(key, at);
  if (value != NULL) at += sprintf(at, " %zu", size);
  at += sprintf(at, "%s%s O%" PRIu32 "\r\n", key->base64 ? " b" : "", flags, node->asked++);
  if (value != NULL) at = append(append(at, value->data, size), "\r\n", 2);
  return finish(node, at);
}

bool cachette__mc_encode_delete(cachette__mc_node *node, const cachette__memcached_key *key) {
  return encode(node, "md", key, "", NULL);
}

static bool encode_put(cachette__mc_node *node, const cachette_op *op, const cachette_item *item,
                       const cachette__memcached_key *key) {
  char flags[40];
  snprintf(flags, sizeof flags, " T%" PRId64 "%s", cachette__mc_seconds(item->ttl_ms),
           op->flags & CACHETTE_IF_ABSENT ? " ME" : "");
  return encode(node, "ms", key, flags, &item->value);
}

static bool encode_zero(cachette__mc_node *node, const cachette_item *item,
                        const cachette__memcached_key *key) {
  const cachette_slice zero = {"0", 1};
  char flags[40];
  snprintf(flags, sizeof flags, " T%" PRId64 " ME", cachette__mc_seconds(item->ttl_ms));
  return encode(node, "ms", key, flags, &zero);
}

bool cachette__mc_encode_read(cachette__mc_node *node, const cachette_item *item, bool make) {
  cachette__memcached_key key;
  return cachette__memcached_key_make(node->store->settings->prefix, item->key, &key) &&
         (!make || encode_zero(node, item, &key)) && encode(node, "mg", &key, " v c t", NULL);
}

bool cachette__mc_encode_write(cachette__mc_node *node, const cachette_item *item,
                               const cachette__mc_count *count) {
  cachette__memcached_key key;
  char flags[80], digits[24];
  bool down = count->target < count->sum;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &key)) return false;
  if (cachette__mc_count_is_beyond(count)) {
    const cachette_slice value = {digits, (size_t)sprintf(digits, "%" PRIu64, count->target)};
    snprintf(flags, sizeof flags, " C%" PRIu64 " T%" PRId64, count->version,
             cachette__mc_seconds(1000 * count->left));
    return encode(node, "ms", &key, flags, &value);
  }
  uint64_t delta = down ? count->sum - count->target : count->target - count->sum;
  snprintf(flags, sizeof flags, " C%" PRIu64 " D%" PRIu64 "%s", count->version, delta,
           down ? " MD" : "");
  return encode(node, "ma", &key, flags, NULL);
}

/*
 * A counter is made first, if there is none, so that it is told from one that was there; should it
 * end in between, the second command makes it anew.
 */
static bool encode_increment(cachette__mc_node *node, const cachette_item *item,
                             const cachette__memcached_key *key) {
  char flags[120];
  int64_t ttl = cachette__mc_seconds(item->ttl_ms);
  bool down = item->amount < 0;
  uint64_t delta = down ? 0 - (uint64_t)item->amount : (uint64_t)item->amount;
  if (cachette__mc_count_is_large(item)) return cachette__mc_encode_read(node, item, true);
  if (!encode_zero(node, item, key)) return false;
  snprintf(flags, sizeof flags, " N%" PRId64 " J%" PRIu64 " D%" PRIu64 "%s v", ttl,
           down ? (uint64_t)0 : delta, delta, down ? " MD" : "");
  return encode(node, "ma", key, flags, NULL);
}

static bool encode_item(cachette__mc_node *node, const cachette_op *op, const cachette_item *item) {
  cachette__memcached_key key;
  char flags[40];
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &key)) return false;
  switch (op->verb) {
    case CACHETTE_FETCH:
      return encode(node, "mg", &key, op->flags & CACHETTE_WITH_TTL ? " v t" : " v", NULL);
    case CACHETTE_PUT:
      return encode_put(node, op, item, &key);
    case CACHETTE_EXISTS:
      return encode(node, "mg", &key, "", NULL);
    case CACHETTE_TOUCH:
      snprintf(flags, sizeof flags, " T%" PRId64, cachette__mc_seconds(item->ttl_ms));
      return encode(node, "mg", &key, flags, NULL);
    case CACHETTE_INCREMENT:
      return encode_increment(node, item, &key);
    default:
      return cachette__mc_encode_delete(node, &key);
  }
}

size_t cachette__mc_replies(const cachette__mc_travel *travel, size_t part) {
  switch (travel->verb) {
    case CACHETTE_FLUSH:
      return 2;
    case CACHETTE_PING:
      return 1;
    default:
      if (travel->parts[part].again) return travel->parts[part].kept_count;
      if (travel->parts[part].round != CACHETTE__MC_FIRST)
        return cachette__mc_count_replies(&travel->parts[part]);
      return travel->parts[part].count * (travel->verb == CACHETTE_INCREMENT ? 2 : 1);
  }
}

bool cachette__mc_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  const cachette_op *op = travel->op;
  if (travel->parts[part].round != CACHETTE__MC_FIRST)
    return cachette__mc_count_encode(node, travel, part);
  if (op->verb == CACHETTE_INCREMENT && !cachette__mc_count_prepare(travel, part)) return false;
  if (node->store->settings->sasl) return cachette__mc_sasl_encode(node, travel, part);
  if (op->verb == CACHETTE_PING) return cachette__mc_encode_line(node, "mn");
  if (op->verb == CACHETTE_FLUSH)
    return cachette__mc_encode_line(node, "stats") && cachette__mc_encode_line(node, "flush_all");
  for (size_t i = 0; i < travel->parts[part].count; i++)
    if (!encode_item(node, op, cachette__mc_item(travel, part, i))) return false;
  return true;
}
