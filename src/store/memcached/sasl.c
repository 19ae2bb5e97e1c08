/* SPDX-License-Identifier: MIT */
/*
 * What is asked of servers with SASL, in the binary protocol.
 *
 * That protocol cannot ask for the time that an item has left, so it is kept in the item's flags:
 * the second of the epoch in which it ends. A touch has to change them too, so it has two rounds:
 *
 *     TOUCH_GET  sets the time, and brings the value and the number of its version
 *     SET        stores the same value with new flags, if that version still stands
 *
 * If it does not, somebody has put another value meanwhile, with a time of its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "binary.h"
#include "internal.h"

#define NOT_MADE UINT32_MAX /* the time to live with which a count makes no counter */

enum {
  CLOCKS_DIFFER = 60,   /* seconds, at most, between a server's clock and this one */
  LINE_END = 0x0d0a0d0a /* so that a server that expects lines answers that this is none */
};

/* An item that was touched, until its flags are. */
struct cachette__mc_kept {
  size_t place; /* in its part */
  uint64_t cas;
  char *data;
  size_t size;
};

/* ---- Flags ---- */

static int64_t epoch_seconds(void) { return cachette__epoch_now() / 1000; }

static uint32_t flags_of(int64_t ttl_ms) {
  int64_t end = epoch_seconds() + ttl_ms / 1000 + (ttl_ms % 1000 != 0);
  return (uint32_t)(end < INT32_MAX ? end : INT32_MAX);
}

int64_t cachette__mc_flags_ttl(uint32_t flags) {
  int64_t left = (int64_t)flags - epoch_seconds();
  if (flags > INT32_MAX || left < -CLOCKS_DIFFER) return 0; /* another writer's */
  return left > 0 ? left * 1000 : 1;
}

/* ---- Commands ---- */

static bool append(cachette__mc_node *node, const cachette__binary_command *command) {
  cachette__buffer *output = cachette__stream_output(node->link.stream);
  char *at = cachette__buffer_room(output, cachette__binary_size(command));
  if (at == NULL) return false;
  output->end = (size_t)(cachette__binary_write(command, at) - output->data);
  return true;
}

static bool append_plain(cachette__mc_node *node, enum cachette__binary_verb verb) {
  const cachette__binary_command command = {.verb = verb};
  return append(node, &command);
}

bool cachette__mc_sasl_greet(cachette__mc_node *node) {
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
  bool fine = append(node, &command);
  cachette__wipe(secret, size);
  cachette__free(secret);
  return fine;
}

bool cachette__mc_sasl_ask_settings(cachette__mc_node *node) {
  const cachette__binary_command command = {.verb = CACHETTE__BINARY_STAT,
                                            .key = cachette_str("settings")};
  return append(node, &command);
}

static void add_times(cachette__binary_command *command, int64_t ttl_ms) {
  cachette__binary_extra(command, flags_of(ttl_ms), 4);
  cachette__binary_extra(command, (uint64_t)cachette__mc_seconds(ttl_ms), 4);
}

static bool encode_zero(cachette__mc_node *node, const cachette_item *item, cachette_slice key) {
  cachette__binary_command command = {
      .verb = CACHETTE__BINARY_ADD, .opaque = node->asked++, .key = key, .value = {"0", 1}};
  add_times(&command, item->ttl_ms);
  return append(node, &command);
}

bool cachette__mc_sasl_encode_read(cachette__mc_node *node, const cachette_item *item, bool make) {
  cachette__memcached_key made;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made)) return false;
  const cachette_slice key = {made.raw, made.size};
  if (make && !encode_zero(node, item, key)) return false;
  const cachette__binary_command command = {
      .verb = CACHETTE__BINARY_GET, .opaque = node->asked++, .key = key};
  return append(node, &command);
}

bool cachette__mc_sasl_encode_write(cachette__mc_node *node, const cachette_item *item,
                                    const cachette__mc_count *count) {
  cachette__memcached_key made;
  bool down = count->target < count->sum;
  if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made)) return false;
  if (cachette__mc_count_is_beyond(count)) {
    char digits[24];
    const size_t size = (size_t)sprintf(digits, "%" PRIu64, count->target);
    cachette__binary_command put = {.verb = CACHETTE__BINARY_SET,
                                    .opaque = node->asked++,
                                    .cas = count->version,
                                    .key = {made.raw, made.size},
                                    .value = {digits, size}};
    if (count->left > 0) {
      add_times(&put, 1000 * count->left);
    } else { /* another writer's, who alone knows */
      cachette__binary_extra(&put, 0, 4);
      cachette__binary_extra(&put, 0, 4);
    }
    return append(node, &put);
  }
  cachette__binary_command command = {
      .verb = down ? CACHETTE__BINARY_DECREMENT : CACHETTE__BINARY_INCREMENT,
      .opaque = node->asked++,
      .cas = count->version,
      .key = {made.raw, made.size}};
  cachette__binary_extra(&command, down ? count->sum - count->target : count->target - count->sum,
                         8);
  cachette__binary_extra(&command, 0, 8);
  cachette__binary_extra(&command, NOT_MADE, 4);
  return append(node, &command);
}

/* As with meta commands: a counter is made first, which here gives it its flags too. */
static bool encode_increment(cachette__mc_node *node, const cachette_item *item,
                             cachette_slice key) {
  bool down = item->amount < 0;
  uint64_t delta = down ? 0 - (uint64_t)item->amount : (uint64_t)item->amount;
  if (cachette__mc_count_is_large(item)) return cachette__mc_sasl_encode_read(node, item, true);
  if (!encode_zero(node, item, key)) return false;
  cachette__binary_command command = {
      .verb = down ? CACHETTE__BINARY_DECREMENT : CACHETTE__BINARY_INCREMENT,
      .opaque = node->asked++,
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
  command.opaque = node->asked++;
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
    default: /* to ask whether something is there is to fetch it */
      command.verb = CACHETTE__BINARY_GET;
  }
  return append(node, &command);
}

/* ---- Touches ---- */

void cachette__mc_kept_free(cachette__mc_part *part) {
  for (size_t i = 0; i < part->kept_count; i++) cachette__free(part->kept[i].data);
  cachette__free(part->kept);
  part->kept = NULL;
  part->kept_count = 0;
}

/* The first round, which may be a second try of it. */
static bool prepare_touch(cachette__mc_part *part) {
  cachette__mc_kept_free(part);
  part->kept = cachette__calloc(part->count, sizeof *part->kept);
  return part->kept != NULL;
}

static bool encode_flags(cachette__mc_node *node, const cachette__mc_travel *travel, size_t part) {
  for (size_t i = 0; i < travel->parts[part].kept_count; i++) {
    const cachette__mc_kept *kept = &travel->parts[part].kept[i];
    const cachette_item *item = cachette__mc_item(travel, part, kept->place);
    cachette__memcached_key made;
    if (!cachette__memcached_key_make(node->store->settings->prefix, item->key, &made))
      return false;
    cachette__binary_command command = {
        .verb = CACHETTE__BINARY_SET,
        .opaque = node->asked++,
        .cas = kept->cas,
        .key = {made.raw, made.size},
        .value = {kept->data, kept->size},
    };
    add_times(&command, item->ttl_ms);
    if (!append(node, &command)) return false;
  }
  return true;
}

bool cachette__mc_keep(cachette__mc_travel *travel, size_t part, size_t place,
                       const cachette__meta_token *token) {
  cachette__mc_part *own = &travel->parts[part];
  cachette_item *item = cachette__mc_item(travel, part, place);
  bool begins = token->line.data != NULL;
  if (begins) {
    char *data = cachette__malloc(token->size + 1);
    item->status = data != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
    if (data != NULL)
      own->kept[own->kept_count++] =
          (cachette__mc_kept){.place = place, .cas = token->cas, .data = data, .size = token->size};
  }
  if (item->status == CACHETTE_HIT && token->bytes.size > 0)
    memcpy(own->kept[own->kept_count - 1].data + token->offset, token->bytes.data,
           token->bytes.size);
  return token->type == CACHETTE__META_VALUE;
}

cachette_item *cachette__mc_kept_item(const cachette__mc_travel *travel, size_t part,
                                      size_t place) {
  return cachette__mc_item(travel, part, travel->parts[part].kept[place].place);
}

void cachette__mc_touch_next(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  cachette__mc_part *own = &travel->parts[part];
  size_t bytes = 0;
  if (own->again || travel->op == NULL || own->kept_count == 0) return;
  own->again = true;
  for (size_t i = 0; i < own->kept_count; i++) bytes += own->kept[i].size;
  travel->open++;
  int code = cachette__mc_push(node, travel, NULL, part, bytes);
  if (code == CACHETTE_OK) return;
  travel->open--;
  for (size_t i = 0; i < own->kept_count; i++)
    cachette__mc_fail(travel, cachette__mc_kept_item(travel, part, i), code, "%s",
                      cachette_strerror(code));
}

/* ---- Ops ---- */

bool cachette__mc_sasl_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  const cachette_op *op = travel->op;
  cachette__mc_part *own = &travel->parts[part];
  if (op->verb == CACHETTE_PING) return append_plain(node, CACHETTE__BINARY_NOOP);
  if (op->verb == CACHETTE_FLUSH)
    return append_plain(node, CACHETTE__BINARY_STAT) && append_plain(node, CACHETTE__BINARY_FLUSH);
  if (own->again) return encode_flags(node, travel, part);
  if (op->verb == CACHETTE_TOUCH && !prepare_touch(own)) return false;
  for (size_t i = 0; i < own->count; i++)
    if (!encode_item(node, op, cachette__mc_item(travel, part, i))) return false;
  return true;
}
