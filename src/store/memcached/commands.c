/* SPDX-License-Identifier: MIT */
/* The text protocol: a part becomes the meta commands mg, ms, md and ma, each with a number that
 * its reply repeats. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/clock.h"
#include "internal.h"

enum {
  HEAD_SIZE = 160,                  /* max bytes of a command without its key and value */
  ABSOLUTE_FROM = 30 * 24 * 60 * 60 /* more seconds are a UNIX time */
};

/* ---- Writing ---- */

static char *append(char *at, const void *data, size_t size) {
  if (size > 0) memcpy(at, data, size);
  return at + size;
}

bool cachette__mc_encode_line(cachette__mc_node *node, const char *line) {
  cachette__buffer *output = cachette__pipeline_output(&node->pipeline);
  size_t size = strlen(line);
  char *at = cachette__buffer_reserve(output, size + 2);
  if (at == NULL) return false;
  append(append(at, line, size), "\r\n", 2);
  output->end += size + 2;
  return true;
}

/* Rounds up. A UNIX time has 31 bits in the server. */
int64_t cachette__mc_seconds(int64_t ttl_ms) {
  int64_t seconds = ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  if (seconds <= ABSOLUTE_FROM) return seconds;
  int64_t end = cachette__epoch_now() / 1000 + seconds;
  return end < INT32_MAX ? end : INT32_MAX;
}

/* Encodes a command with its number. `value` is NULL if the command has none. */
static bool encode(cachette__mc_node *node, const char *word, const cachette__memcached_key *key,
                   const char *flags, const cachette_slice *value) {
  cachette__buffer *output = cachette__pipeline_output(&node->pipeline);
  size_t size = value != NULL ? value->size : 0;
  char *at = cachette__buffer_reserve(output, HEAD_SIZE + CACHETTE__MEMCACHED_KEY_MAX + size + 2);
  if (at == NULL) return false;
  at = append(append(at, word, strlen(word)), " ", 1);
  at = cachette__memcached_key_write(key, at);
  if (value != NULL) at += sprintf(at, " %zu", size);
  at += sprintf(at, "%s%s O%" PRIu32 "\r\n", key->base64 ? " b" : "", flags, node->next_command++);
  if (value != NULL) at = append(append(at, value->data, size), "\r\n", 2);
  output->end = (size_t)(at - output->data);
  return true;
}

/* ---- Items ---- */

bool cachette__mc_encode_delete(cachette__mc_node *node, const cachette__memcached_key *key) {
  return encode(node, "md", key, "", NULL);
}

static bool encode_put(cachette__mc_node *node, const cachette_item *item, bool if_absent,
                       const cachette_slice *value, const cachette__memcached_key *key) {
  char flags[40];
  snprintf(flags, sizeof flags, " T%" PRId64 "%s", cachette__mc_seconds(item->ttl_ms),
           if_absent ? " ME" : "");
  return encode(node, "ms", key, flags, value);
}

static bool encode_zero(cachette__mc_node *node, const cachette_item *item,
                        const cachette__memcached_key *key) {
  const cachette_slice zero = {"0", 1};
  return encode_put(node, item, true, &zero, key);
}

static bool encode_read(cachette__mc_node *node, const cachette_item *item, bool create) {
  cachette__memcached_key key;
  return cachette__memcached_key_make(node->store->settings->prefix, item->key, &key) &&
         (!create || encode_zero(node, item, &key)) && encode(node, "mg", &key, " v c t", NULL);
}

static bool encode_write(cachette__mc_node *node, const cachette_item *item,
                         const cachette__mc_counter *counter) {
  cachette__memcached_key key;
  char flags[80], digits[24];
  bool down = counter->target < counter->sum;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &key)) return false;
  if (cachette__mc_counter_is_out_of_range(counter)) {
    const cachette_slice value = {digits, (size_t)sprintf(digits, "%" PRIu64, counter->target)};
    snprintf(flags, sizeof flags, " C%" PRIu64 " T%" PRId64, counter->version,
             cachette__mc_seconds(1000 * counter->ttl));
    return encode(node, "ms", &key, flags, &value);
  }
  uint64_t delta = down ? counter->sum - counter->target : counter->target - counter->sum;
  snprintf(flags, sizeof flags, " C%" PRIu64 " D%" PRIu64 "%s", counter->version, delta,
           down ? " MD" : "");
  return encode(node, "ma", &key, flags, NULL);
}

/*
 * The first command creates the counter if it does not exist; its reply shows whether it existed.
 * If the counter expires in between, the second command creates it again.
 */
static bool encode_increment(cachette__mc_node *node, const cachette_item *item,
                             const cachette__memcached_key *key) {
  char flags[120];
  int64_t ttl = cachette__mc_seconds(item->ttl_ms);
  bool down = item->amount < 0;
  uint64_t delta = down ? 0 - (uint64_t)item->amount : (uint64_t)item->amount;
  if (cachette__mc_counter_is_large(item)) return encode_read(node, item, true);
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
      return encode_put(node, item, op->flags & CACHETTE_IF_ABSENT, &item->value, &key);
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

/* ---- The protocol ---- */

static int read_token(cachette__mc_node *node, cachette_slice input, size_t *used,
                      cachette__meta_token *token, const char **reason) {
  return cachette__meta_read(&node->meta, input, used, token, reason);
}

/*
 * The first "set" of a connection contains the user name and the password; its key is ignored. A
 * server without authentication stores it as an entry. So its key is our own, and it expires at
 * once.
 */
static bool encode_login(cachette__mc_node *node) {
  const cachette__memcached_settings *settings = node->store->settings;
  cachette__buffer *output = cachette__pipeline_output(&node->pipeline);
  size_t size = strlen(settings->username) + 1 + strlen(settings->password);
  char line[64];
  snprintf(line, sizeof line, "set cachette-login 0 -1 %zu", size);
  if (!cachette__mc_encode_line(node, line)) return false;
  char *at = cachette__buffer_reserve(output, size + 3);
  if (at == NULL) return false;
  snprintf(at, size + 3, "%s %s\r\n", settings->username, settings->password);
  output->end += size + 2;
  return true;
}

static bool encode_setup(cachette__mc_node *node) {
  return cachette__mc_encode_line(node, "version") &&
         cachette__mc_encode_line(node, "stats settings");
}

static bool encode_part(cachette__mc_part *part) {
  cachette__mc_node *node = part->node;
  const cachette_op *op = part->fanout->op;
  if (op->verb == CACHETTE_PING) return cachette__mc_encode_line(node, "mn");
  if (op->verb == CACHETTE_FLUSH)
    return cachette__mc_encode_line(node, "stats") && cachette__mc_encode_line(node, "flush_all");
  for (size_t i = 0; i < part->count; i++)
    if (!encode_item(node, op, cachette__mc_item(part, i))) return false;
  return true;
}

static bool encode_config(cachette__mc_node *node) {
  return cachette__mc_encode_line(node, "config get cluster");
}

const cachette__mc_protocol cachette__mc_text_protocol = {
    .read = read_token,
    .encode_login = encode_login,
    .encode_setup = encode_setup,
    .after_login = CACHETTE__MC_VERSION,
    .encode = encode_part,
    .encode_config = encode_config,
    .encode_read = encode_read,
    .encode_write = encode_write,
};
