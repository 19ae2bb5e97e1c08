/* SPDX-License-Identifier: MIT */
#include "binary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REQUEST = 0x80, RESPONSE = 0x81 }; /* the first byte */

/* Status codes. */
enum {
  STATUS_OK = 0x00,
  STATUS_ABSENT = 0x01,
  STATUS_EXISTS = 0x02,
  STATUS_TOO_LARGE = 0x03,
  STATUS_NOT_STORED = 0x05,
  STATUS_NO_NUMBER = 0x06,
  STATUS_AUTH = 0x20,
  STATUS_UNKNOWN = 0x81,
  STATUS_NO_MEMORY = 0x82
};

/* The messages of the text protocol for these. */
static const struct {
  unsigned status;
  const char *words;
} errors[] = {
    {STATUS_TOO_LARGE, "object too large"},  {STATUS_NO_NUMBER, "non-numeric"},
    {STATUS_AUTH, "authentication failure"}, {STATUS_UNKNOWN, "unknown binary command"},
    {STATUS_NO_MEMORY, "out of memory"},
};

/* ---- Numbers, most significant byte first ---- */

static char *put(char *at, uint64_t number, size_t size) {
  for (size_t i = 0; i < size; i++) at[i] = (char)(number >> 8 * (size - 1 - i));
  return at + size;
}

static uint64_t get(const char *at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; i++) number = number << 8 | (unsigned char)at[i];
  return number;
}

/* ---- Writing ---- */

void cachette__binary_extra(cachette__binary_command *command, uint64_t number, size_t size) {
  put(command->extras + command->extras_size, number, size);
  command->extras_size += size;
}

size_t cachette__binary_size(const cachette__binary_command *command) {
  return CACHETTE__BINARY_HEAD + command->extras_size + command->key.size + command->value.size;
}

static char *append(char *at, const void *data, size_t size) {
  if (size > 0) memcpy(at, data, size);
  return at + size;
}

char *cachette__binary_write(const cachette__binary_command *command, char *at) {
  at = put(at, REQUEST, 1);
  at = put(at, command->verb, 1);
  at = put(at, command->key.size, 2);
  at = put(at, command->extras_size, 1);
  at = put(at, 0, 3); /* the data type, and the virtual bucket */
  at = put(at, cachette__binary_size(command) - CACHETTE__BINARY_HEAD, 4);
  at = put(at, command->opaque, 4);
  at = put(at, command->cas, 8);
  at = append(at, command->extras, command->extras_size);
  at = append(at, command->key.data, command->key.size);
  return append(at, command->value.data, command->value.size);
}

/* ---- Reading ---- */

void cachette__binary_init(cachette__binary *parser) {
  *parser = (cachette__binary){.value = false};
}

/* The header of a reply. */
typedef struct header {
  unsigned verb, status;
  size_t key, extras, body; /* bytes */
} header;

static int fail(const char **reason, const char *words) {
  *reason = words;
  return CACHETTE_EBACKEND;
}

static void set_line(cachette__binary *parser, cachette__meta_token *token, const char *words) {
  snprintf(parser->text, sizeof parser->text, "%s", words);
  token->line = cachette_str(parser->text);
}

/* Reads the next part of a value. Returns false if no byte of it has arrived. */
static bool read_value(cachette__binary *parser, cachette_slice bytes, size_t *used,
                       cachette__meta_token *token) {
  size_t left = parser->size - parser->offset;
  size_t part = left < bytes.size ? left : bytes.size;
  token->type = CACHETTE__META_VALUE;
  token->size = parser->size;
  token->offset = parser->offset;
  token->bytes = (cachette_slice){bytes.data, part};
  parser->offset += part;
  *used += part;
  token->end = part == left;
  if (token->end) cachette__binary_init(parser);
  return part > 0 || token->end;
}

/* Reads the flags before a value, and as much of the value as has arrived. */
static int begin_value(cachette__binary *parser, const header *head, cachette_slice bytes,
                       size_t *used, cachette__meta_token *token, const char **reason) {
  static const size_t flags = 4;
  const char *text = bytes.data;
  if (head->extras != flags || head->key > 0) return fail(reason, "a value without its flags");
  if (head->body - flags > CACHETTE__META_VALUE_MAX) return fail(reason, "a value is too large");
  if (bytes.size < CACHETTE__BINARY_HEAD + flags) return CACHETTE__META_MORE;
  *used = CACHETTE__BINARY_HEAD + flags;
  token->has_flags = true;
  token->flags = (uint32_t)get(text + CACHETTE__BINARY_HEAD, flags);
  token->line = (cachette_slice){text, *used};
  parser->value = true;
  parser->size = head->body - flags;
  parser->offset = 0;
  read_value(parser, (cachette_slice){text + *used, bytes.size - *used}, used, token);
  return CACHETTE__META_TOKEN;
}

/* Converts a counter of 8 bytes to digits. */
static int take_counter(cachette__binary *parser, const header *head, const char *body,
                        cachette__meta_token *token, const char **reason) {
  if (head->body != 8 || head->extras + head->key > 0) return fail(reason, "a counter is invalid");
  snprintf(parser->text, sizeof parser->text, "%" PRIu64, get(body, 8));
  token->type = CACHETTE__META_VALUE;
  token->line = token->bytes = cachette_str(parser->text);
  token->size = token->bytes.size;
  return CACHETTE__META_TOKEN;
}

/* Converts a statistic to a line of `stats`, or to an empty line if it is too long. None of the
 * statistics that are used is so long. */
static int take_statistic(cachette__binary *parser, const header *head, const char *body,
                          cachette__meta_token *token) {
  const char *name = body + head->extras, *value = name + head->key;
  size_t size = head->body - head->extras - head->key;
  token->type = CACHETTE__META_LINE;
  if (head->key == 0)
    set_line(parser, token, "END");
  else if (head->key + size + 7 > sizeof parser->text)
    set_line(parser, token, "");
  else
    snprintf(parser->text, sizeof parser->text, "STAT %.*s %.*s", (int)head->key, name, (int)size,
             value);
  token->line = cachette_str(parser->text);
  return CACHETTE__META_TOKEN;
}

static int take_error(cachette__binary *parser, const header *head, cachette__meta_token *token) {
  token->type = CACHETTE__META_ERROR;
  snprintf(parser->text, sizeof parser->text, "status 0x%02x", head->status);
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].status == head->status)
      snprintf(parser->text, sizeof parser->text, "%s", errors[i].words);
  token->line = cachette_str(parser->text);
  return CACHETTE__META_TOKEN;
}

/* Takes a reply that has arrived completely. */
static int take(cachette__binary *parser, const header *head, const char *body,
                cachette__meta_token *token, const char **reason) {
  token->end = true;
  set_line(parser, token, "");
  switch (head->status) {
    case STATUS_OK:
      break;
    case STATUS_ABSENT:
      token->type = CACHETTE__META_MISS;
      return CACHETTE__META_TOKEN;
    case STATUS_EXISTS:
    case STATUS_NOT_STORED:
      token->type = CACHETTE__META_NOT_STORED;
      return CACHETTE__META_TOKEN;
    default:
      return take_error(parser, head, token);
  }
  if (head->verb == CACHETTE__BINARY_INCREMENT || head->verb == CACHETTE__BINARY_DECREMENT)
    return take_counter(parser, head, body, token, reason);
  if (head->verb == CACHETTE__BINARY_STAT) return take_statistic(parser, head, body, token);
  token->type = head->verb == CACHETTE__BINARY_NOOP ? CACHETTE__META_NOOP : CACHETTE__META_HEADER;
  return CACHETTE__META_TOKEN;
}

int cachette__binary_read(cachette__binary *parser, cachette_slice bytes, size_t *used,
                          cachette__meta_token *token, const char **reason) {
  const char *text = bytes.data;
  *used = 0;
  *token = (cachette__meta_token){.type = CACHETTE__META_LINE};
  if (parser->value)
    return read_value(parser, bytes, used, token) ? CACHETTE__META_TOKEN : CACHETTE__META_MORE;
  if (bytes.size > 0 && (unsigned char)text[0] != RESPONSE)
    return fail(reason, "an answer is not in the binary protocol, which SASL requires");
  if (bytes.size < CACHETTE__BINARY_HEAD) return CACHETTE__META_MORE;
  const header head = {
      .verb = (unsigned)get(text + 1, 1),
      .status = (unsigned)get(text + 6, 2),
      .key = get(text + 2, 2),
      .extras = get(text + 4, 1),
      .body = get(text + 8, 4),
  };
  if (head.key + head.extras > head.body) return fail(reason, "the sizes of an answer disagree");
  token->has_opaque = true;
  token->opaque = (uint32_t)get(text + 12, 4);
  token->cas = get(text + 16, 8);
  bool is_get = head.verb == CACHETTE__BINARY_GET || head.verb == CACHETTE__BINARY_TOUCH_GET ||
                head.verb == CACHETTE__BINARY_CONFIG;
  if (is_get && head.status == STATUS_OK)
    return begin_value(parser, &head, bytes, used, token, reason);
  if (head.body > CACHETTE__BINARY_BODY_MAX) return fail(reason, "an answer is too long");
  if (bytes.size < CACHETTE__BINARY_HEAD + head.body) return CACHETTE__META_MORE;
  *used = CACHETTE__BINARY_HEAD + head.body;
  return take(parser, &head, text + CACHETTE__BINARY_HEAD, token, reason);
}
