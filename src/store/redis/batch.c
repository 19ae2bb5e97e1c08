/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <string.h>

void cachette__redis_batch_begin(cachette__redis_batch *self) {
  self->unlinking = false;
  self->keys.begin = self->keys.end = 0;
  self->foreign.begin = self->foreign.end = 0;
  self->key_count = 0;
  self->in_keys = self->in_key = false;
}

bool cachette__redis_batch_start(cachette__redis_batch *self, cachette_slice first,
                                 cachette_slice second, cachette_slice third) {
  cachette__redis_batch_begin(self);
  self->cursor[0] = '0';
  self->cursor_size = 1;
  self->pattern.begin = self->pattern.end = 0;
  return cachette__redis_pattern(&self->pattern, first, second, third);
}

bool cachette__redis_batch_is_last(const cachette__redis_batch *self) {
  return self->cursor_size == 1 && self->cursor[0] == '0';
}

void cachette__redis_batch_deinit(cachette__redis_batch *self) {
  cachette__buffer_deinit(&self->pattern);
  cachette__buffer_deinit(&self->keys);
  cachette__buffer_deinit(&self->foreign);
}

/* ---- Commands ---- */

/* Returns the size of the bulk string at `at`, and sets `key` to its text. */
static size_t read_bulk(const char *at, cachette_slice *key) {
  const char *digit = at + 1;
  size_t size = 0;
  for (; *digit != '\r'; digit++) size = 10 * size + (size_t)(*digit - '0');
  *key = (cachette_slice){digit + 2, size};
  return (size_t)(digit + 2 - at) + size + 2;
}

static bool append(cachette__buffer *output, const char *bytes, size_t size) {
  char *at = cachette__buffer_reserve(output, size);
  if (at == NULL) return false;
  memcpy(at, bytes, size);
  output->end += size;
  return true;
}

/* One UNLINK a key. */
static bool encode_each(const cachette__redis_batch *self, cachette__buffer *output,
                        cachette_slice word) {
  const char *at = self->keys.data + self->keys.begin;
  for (size_t i = 0; i < self->key_count; i++) {
    cachette_slice key;
    size_t size = read_bulk(at, &key);
    if (!cachette__redis_head(output, 2, word) || !append(output, at, size)) return false;
    at += size;
  }
  return true;
}

static size_t encode_unlink(cachette__redis_batch *self, const cachette__redis_node *node,
                            cachette__buffer *output) {
  cachette_slice word = cachette_str(node->unlink_refused ? "DEL" : "UNLINK");
  self->legacy = node->unlink_refused;
  self->replied = 0;
  self->foreign.begin = self->foreign.end = 0;
  if (self->each) return encode_each(self, output, word) ? self->key_count : 0;
  bool ok = cachette__redis_head(output, self->key_count + 1, word) &&
            append(output, self->keys.data + self->keys.begin, cachette__buffer_size(&self->keys));
  return ok ? 1 : 0;
}

size_t cachette__redis_batch_encode(cachette__redis_batch *self, const cachette__redis_node *node,
                                    cachette__buffer *output, bool each) {
  cachette_slice pattern = {self->pattern.data + self->pattern.begin,
                            cachette__buffer_size(&self->pattern)};
  cachette_slice cursor = {self->cursor, self->cursor_size};
  self->each = each;
  if (self->unlinking) return encode_unlink(self, node, output);
  return cachette__redis_scan(output, cursor, pattern) ? 1 : 0;
}

/* ---- Replies ---- */

void cachette__redis_batch_fail(cachette__redis_batch *self, int code, const char *message) {
  if (self->code < 0) return;
  self->code = code;
  memcpy(self->message, message, strnlen(message, sizeof self->message - 1));
}

static bool take_cursor(cachette__redis_batch *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK || token->size > sizeof self->cursor || token->size == 0)
    return false;
  memcpy(self->cursor + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    self->cursor_size = token->size;
    self->in_keys = true;
  }
  return true;
}

/* Appends a key as a bulk string of the next UNLINK. */
static bool take_key(cachette__redis_batch *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_BULK) return false;
  if (self->code < 0) return true;
  cachette__buffer *keys = &self->keys;
  if (!self->in_key) {
    /* Reserves space for the whole key; its bytes are copied as they arrive. */
    char *at = cachette__buffer_reserve(keys, token->size + 32);
    if (at == NULL) {
      cachette__redis_batch_fail(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
      return true;
    }
    at = cachette__redis_bulk_head(at, token->size);
    keys->end = (size_t)(at - keys->data) + token->size + 2;
    self->key_start = (size_t)(at - keys->data) - keys->begin;
    memcpy(at + token->size, "\r\n", 2);
    self->key_count++;
    self->in_key = true;
  }
  if (token->bytes.size > 0)
    memcpy(keys->data + keys->begin + self->key_start + token->offset, token->bytes.data,
           token->bytes.size);
  if (token->end) self->in_key = false;
  return true;
}

static bool take_scanned(cachette__redis_batch *self, const cachette__resp_token *token) {
  if (token->type == CACHETTE__RESP_ARRAY)
    return (token->depth == 0 && token->number == 2) || (token->depth == 1 && self->in_keys);
  if (token->depth == 1) return !self->in_keys && take_cursor(self, token);
  return token->depth == 2 && take_key(self, token);
}

static bool take_unlinked(cachette__redis_batch *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_INTEGER) return false;
  if (token->number > 0) self->removed += token->number;
  self->replied++;
  return true;
}

bool cachette__redis_batch_take(cachette__redis_batch *self, const cachette__resp_token *token) {
  return self->unlinking ? take_unlinked(self, token) : take_scanned(self, token);
}

/* ---- Keys on other servers ---- */

void cachette__redis_batch_note_foreign(cachette__redis_batch *self) {
  size_t index = self->each ? self->replied : 0;
  do {
    char *at = cachette__buffer_reserve(&self->foreign, sizeof index);
    if (at == NULL) {
      cachette__redis_batch_fail(self, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
      return;
    }
    memcpy(at, &index, sizeof index);
    self->foreign.end += sizeof index;
  } while (!self->each && ++index < self->key_count);
}

size_t cachette__redis_batch_count_foreign(const cachette__redis_batch *self) {
  return cachette__buffer_size(&self->foreign) / sizeof(size_t);
}

void cachette__redis_batch_list_foreign(const cachette__redis_batch *self, cachette_item *items,
                                        size_t prefix) {
  size_t count = cachette__redis_batch_count_foreign(self), found = 0, index;
  const char *at = self->keys.data + self->keys.begin;
  for (size_t i = 0; i < self->key_count && found < count; i++) {
    cachette_slice key;
    at += read_bulk(at, &key);
    memcpy(&index, self->foreign.data + self->foreign.begin + found * sizeof index, sizeof index);
    if (index != i) continue;
    items[found++].key = (cachette_slice){(const char *)key.data + prefix, key.size - prefix};
  }
}
