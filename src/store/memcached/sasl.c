/* SPDX-License-Identifier: MIT */
/* The binary protocol, for servers with SASL: a part becomes commands. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "internal.h"

#define DO_NOT_CREATE UINT32_MAX /* as the time to live of an increment */

enum {
  CLOCK_SKEW_MAX = 60,  /* max seconds between the server's clock and ours */
  LINE_END = 0x0d0a0d0a /* ends the line for a server that expects the text protocol */
};

/* ---- Flags ---- */

static int64_t epoch_seconds(void) { return cachette__epoch_now() / 1000; }

/* Returns the flags of an item: the UNIX time at which it expires; see touch.c. */
static uint32_t flags_of(int64_t ttl_ms) {
  int64_t end = epoch_seconds() + ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  return (uint32_t)(end < INT32_MAX ? end : INT32_MAX);
}

int64_t cachette__mc_flags_ttl(uint32_t flags) {
  int64_t left = (int64_t)flags - epoch_seconds();
  if (flags > INT32_MAX || left < -CLOCK_SKEW_MAX) return 0;
  return left > 0 ? left * 1000 : 1;
}

/* ---- Writing ---- */

static bool append(cachette__mc_node *node, const cachette__binary_command *command) {
  cachette__buffer *output = cachette__pipeline_output(&node->pipeline);
  char *at = cachette__buffer_reserve(output, cachette__binary_size(command));
  if (at == NULL) return false;
  output->end = (size_t)(cachette__binary_write(command, at) - output->data);
  return true;
}

static bool append_plain(cachette__mc_node *node, enum cachette__binary_verb verb) {
  const cachette__binary_command command = {.verb = verb};
  return append(node, &command);
}

static void add_times(cachette__binary_command *command, int64_t ttl_ms) {
  cachette__binary_extra(command, flags_of(ttl_ms), 4);
  cachette__binary_extra(command, (uint64_t)cachette__mc_seconds(ttl_ms), 4);
}

/* ---- Items ---- */

static bool encode_zero(cachette__mc_node *node, const cachette_item *item, cachette_slice key) {
  cachette__binary_command command = {
      .verb = CACHETTE__BINARY_ADD, .opaque = node->next_command++, .key = key, .value = {"0", 1}};
  add_times(&command, item->ttl_ms);
  return append(node, &command);
}

static bool encode_read(cachette__mc_node *node, const cachette_item *item, bool create) {
  cachette__memcached_key made;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made)) return false;
  const cachette_slice key = {made.raw, made.size};
  if (create && !encode_zero(node, item, key)) return false;
  const cachette__binary_command command = {
      .verb = CACHETTE__BINARY_GET, .opaque = node->next_command++, .key = key};
  return append(node, &command);
}

/* A counter that is out of range cannot be incremented, so it is replaced. */
static bool encode_replace(cachette__mc_node *node, const cachette__mc_counter *counter,
                           cachette_slice key) {
  char digits[24];
  const size_t size = (size_t)sprintf(digits, "%" PRIu64, counter->target);
  cachette__binary_command command = {.verb = CACHETTE__BINARY_SET,
                                      .opaque = node->next_command++,
                                      .cas = counter->version,
                                      .key = key,
                                      .value = {digits, size}};
  if (counter->ttl > 0) {
    add_times(&command, 1000 * counter->ttl);
  } else { /* set by another client, so its TTL is unknown */
    cachette__binary_extra(&command, 0, 4);
    cachette__binary_extra(&command, 0, 4);
  }
  return append(node, &command);
}

static bool encode_write(cachette__mc_node *node, const cachette_item *item,
                         const cachette__mc_counter *counter) {
  cachette__memcached_key made;
  bool down = counter->target < counter->sum;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made)) return false;
  const cachette_slice key = {made.raw, made.size};
  if (cachette__mc_counter_is_out_of_range(counter)) return encode_replace(node, counter, key);
  uint64_t delta = down ? counter->sum - counter->target : counter->target - counter->sum;
  cachette__binary_command command = {
      .verb = down ? CACHETTE__BINARY_DECREMENT : CACHETTE__BINARY_INCREMENT,
      .opaque = node->next_command++,
      .cas = counter->version,
      .key = key};
  cachette__binary_extra(&command, delta, 8);
  cachette__binary_extra(&command, 0, 8);
  cachette__binary_extra(&command, DO_NOT_CREATE, 4);
  return append(node, &command);
}

/* As in the text protocol, the first command creates the counter; here it sets the flags too. */
static bool encode_increment(cachette__mc_node *node, const cachette_item *item,
                             cachette_slice key) {
  bool down = item->amount < 0;
  uint64_t delta = down ? 0 - (uint64_t)item->amount : (uint64_t)item->amount;
  if (cachette__mc_counter_is_large(item)) return encode_read(node, item, true);
  if (!encode_zero(node, item, key)) return false;
  cachette__binary_command command = {
      .verb = down ? CACHETTE__BINARY_DECREMENT : CACHETTE__BINARY_INCREMENT,
      .opaque = node->next_command++,
      .key = key};
  cachette__binary_extra(&command, delta, 8);
  cachette__binary_extra(&command, down ? 0 : delta, 8);
  cachette__binary_extra(&command, (uint64_t)cachette__mc_seconds(item->ttl_ms), 4);
  return append(node, &command);
}

static bool encode_item(cachette__mc_node *node, const cachette_op *op, const cachette_item *item) {
  cachette__memcached_key made;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made)) return false;
  cachette__binary_command command = {.key = {made.raw, made.size}};
  if (op->verb == CACHETTE_INCREMENT) return encode_increment(node, item, command.key);
  command.opaque = node->next_command++;
  switch (op->verb) {
    case CACHETTE_PUT:
      command.verb = op->flags & CACHETTE_IF_ABSENT ? CACHETTE__BINARY_ADD : CACHETTE__BINARY_SET;
      command.value = item->value;
      add_times(&command, item->ttl_ms);
      break;
    case CACHETTE_TOUCH:
      command.verb = CACHETTE__BINARY_TOUCH_GET;
      cachette__binary_extra(&command, (uint64_t)cachette__mc_seconds(item->ttl_ms), 4);
      break;
    case CACHETTE_CLEAR:
      command.verb = CACHETTE__BINARY_DELETE;
      break;
    default: /* there is no command for exists alone */
      command.verb = CACHETTE__BINARY_GET;
  }
  return append(node, &command);
}

/* The second round of a touch. */
static bool encode_stores(cachette__mc_part *part) {
  cachette__mc_node *node = part->node;
  for (size_t i = 0; i < part->touched_count; i++) {
    const cachette__mc_touched *touched = &part->touched[i];
    const cachette_item *item = cachette__mc_item(part, touched->index);
    cachette__memcached_key made;
    if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made))
      return false;
    cachette__binary_command command = {
        .verb = CACHETTE__BINARY_SET,
        .opaque = node->next_command++,
        .cas = touched->cas,
        .key = {made.raw, made.size},
        .value = {touched->data, touched->size},
    };
    add_times(&command, item->ttl_ms);
    if (!append(node, &command)) return false;
  }
  return true;
}

/* ---- The protocol ---- */

static int read_token(cachette__mc_node *node, cachette_slice input, size_t *used,
                      cachette__meta_token *token, const char **reason) {
  return cachette__binary_read(&node->binary, input, used, token, reason);
}

static bool encode_login(cachette__mc_node *node) {
  const cachette__memcached_settings *settings = node->store->settings;
  size_t user = strlen(settings->username), password = strlen(settings->password);
  size_t size = 1 + user + 1 + password;
  char *secret = cachette__malloc(size);
  if (secret == NULL) return false;
  secret[0] = secret[1 + user] = '\0';
  memcpy(secret + 1, settings->username, user);
  memcpy(secret + 1 + user + 1, settings->password, password);
  const cachette__binary_command command = {
      .verb = CACHETTE__BINARY_AUTH,
      .opaque = LINE_END,
      .key = cachette_str("PLAIN"),
      .value = {secret, size},
  };
  bool ok = append(node, &command);
  cachette__wipe(secret, size);
  cachette__free(secret);
  return ok;
}

static bool encode_setup(cachette__mc_node *node) {
  const cachette__binary_command command = {.verb = CACHETTE__BINARY_STAT,
                                            .key = cachette_str("settings")};
  return append(node, &command);
}

static bool encode_config(cachette__mc_node *node) {
  const cachette__binary_command command = {.verb = CACHETTE__BINARY_CONFIG,
                                            .key = cachette_str("cluster")};
  return append(node, &command);
}

static bool encode_part(cachette__mc_part *part) {
  cachette__mc_node *node = part->node;
  const cachette_op *op = part->fanout->op;
  if (op->verb == CACHETTE_PING) return append_plain(node, CACHETTE__BINARY_NOOP);
  if (op->verb == CACHETTE_FLUSH)
    return append_plain(node, CACHETTE__BINARY_STAT) && append_plain(node, CACHETTE__BINARY_FLUSH);
  if (part->storing) return encode_stores(part);
  if (op->verb == CACHETTE_TOUCH && !cachette__mc_touch_prepare(part)) return false;
  for (size_t i = 0; i < part->count; i++)
    if (!encode_item(node, op, cachette__mc_item(part, i))) return false;
  return true;
}

const cachette__mc_protocol cachette__mc_binary_protocol = {
    .read = read_token,
    .encode_login = encode_login,
    .encode_setup = encode_setup,
    .after_login = CACHETTE__MC_SETTINGS,
    .encode = encode_part,
    .encode_config = encode_config,
    .encode_read = encode_read,
    .encode_write = encode_write,
};
