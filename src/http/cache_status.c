/* SPDX-License-Identifier: MIT */
#include "cache_status.h"

#include <string.h>

#include "structured.h"

/* ---- Writing ---- */

/* The parameters are written as text, and not as items of a structured field, because each answer
 * has this field. What is written are constants that are tokens, and numbers. */
typedef struct status_line {
  char *text;
  size_t capacity, size; /* `size` counts what did not fit, too */
} status_line;

static void put(status_line *line, const char *text) {
  size_t size = strlen(text);
  if (line->size < line->capacity && size <= line->capacity - line->size)
    memcpy(line->text + line->size, text, size);
  line->size += size;
}

static void add_token(status_line *line, const char *key, const char *token) {
  put(line, key);
  put(line, token);
}

/* Numbers have at most 15 digits (RFC 9651, 3.3.1). */
static void add_number(status_line *line, const char *key, int64_t number) {
  char digits[24];
  size_t at = sizeof digits;
  uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  if (left > UINT64_C(999999999999999)) left = UINT64_C(999999999999999);
  digits[--at] = '\0';
  do {
    digits[--at] = (char)('0' + left % 10);
    left /= 10;
  } while (left > 0);
  if (number < 0) digits[--at] = '-';
  add_token(line, key, digits + at);
}

/* The parameter fwd (RFC 9211, 2.2); `detail` becomes the reason if fwd cannot tell it. */
static const char *forward_token(enum cachette_http_reason reason, const char **detail) {
  const char *token = cachette_http_reason_token(reason);
  switch (reason) {
    case CACHETTE_HTTP_BECAUSE_URI_MISS:
    case CACHETTE_HTTP_BECAUSE_VARY_MISS:
    case CACHETTE_HTTP_BECAUSE_EXPIRED:
    case CACHETTE_HTTP_BECAUSE_REQUEST:
    case CACHETTE_HTTP_BECAUSE_PARTIAL:
    case CACHETTE_HTTP_BECAUSE_METHOD:
      return token;
    case CACHETTE_HTTP_BECAUSE_DAMAGED:
      *detail = token;
      return "miss";
    case CACHETTE_HTTP_BECAUSE_CHANGED:
      *detail = token;
      return "stale";
    default:
      *detail = token;
      return "bypass";
  }
}

static void add_forwarded(status_line *line, const cachette_http_exchange *exchange, int status,
                          enum cachette_http_reason collapsed, const char **detail) {
  bool is_forwarded = exchange->forwarded != CACHETTE_HTTP_BECAUSE_NONE;
  add_token(line, ";fwd=", forward_token(is_forwarded ? exchange->forwarded : collapsed, detail));
  if (status != 0) add_number(line, ";fwd-status=", status);
  if (exchange->action == CACHETTE_HTTP_STORE || exchange->action == CACHETTE_HTTP_FRESHEN) {
    if (exchange->not_stored == CACHETTE_HTTP_BECAUSE_NONE) put(line, ";stored");
  }
  if (collapsed != CACHETTE_HTTP_BECAUSE_NONE) put(line, ";collapsed");
}

/* Whole seconds, rounded down, so that a stale response never has 0. */
static int64_t seconds(int64_t milliseconds) {
  return milliseconds >= 0 ? milliseconds / 1000 : -((999 - milliseconds) / 1000);
}

static bool has_ttl(const cachette_http_exchange *exchange) {
  return exchange->action == CACHETTE_HTTP_HIT || exchange->action == CACHETTE_HTTP_STALE ||
         exchange->action == CACHETTE_HTTP_FRESHEN;
}

/* Writes the name of the cache. Returns its size; 0: it is not a token. */
static size_t write_name(cachette_slice name, char *text, size_t capacity) {
  cachette__sf_writer writer;
  cachette__sf_writer_begin(&writer, CACHETTE__SF_LIST, text, capacity);
  cachette__sf_item cache = cachette__sf_token(name.size > 0 ? name : cachette_str("cachette"));
  cachette__sf_write_member(&writer, &cache);
  size_t size = 0;
  return cachette__sf_writer_end(&writer, &size) == CACHETTE_OK ? size : 0;
}

size_t cachette__http_status_write(const cachette_http_exchange *exchange, cachette_slice name,
                                   int status, enum cachette_http_reason collapsed, char *text,
                                   size_t capacity) {
  status_line line = {text, capacity, write_name(name, text, capacity)};
  if (line.size == 0) return 0;
  const char *detail = "";
  if (exchange->not_stored != CACHETTE_HTTP_BECAUSE_NONE)
    detail = cachette_http_reason_token(exchange->not_stored);
  if (exchange->action == CACHETTE_HTTP_ERROR)
    detail = "only-if-cached";
  else if (exchange->forwarded != CACHETTE_HTTP_BECAUSE_NONE ||
           collapsed != CACHETTE_HTTP_BECAUSE_NONE)
    add_forwarded(&line, exchange, status, collapsed, &detail);
  else
    put(&line, ";hit");
  if (has_ttl(exchange)) add_number(&line, ";ttl=", seconds(exchange->ttl_ms));
  if (*detail != '\0') add_token(&line, ";detail=", detail);
  return line.size <= capacity ? line.size : 0;
}

/* ---- Reading ---- */

static bool is_text(const cachette__sf_item *item) {
  return item->type == CACHETTE__SF_STRING || item->type == CACHETTE__SF_TOKEN;
}

static bool is_true(const cachette__sf_item *item) {
  return item->type == CACHETTE__SF_BOOLEAN && item->number == 1;
}

static void read_parameter(const cachette__sf_item *item, cachette__http_status *status) {
  if (cachette__sf_is(item->key, "hit")) status->hit = is_true(item);
  if (cachette__sf_is(item->key, "stored")) status->stored = is_true(item);
  if (cachette__sf_is(item->key, "collapsed")) status->collapsed = is_true(item);
  if (cachette__sf_is(item->key, "fwd") && item->type == CACHETTE__SF_TOKEN)
    status->forwarded = item->text;
  if (cachette__sf_is(item->key, "fwd-status") && item->type == CACHETTE__SF_INTEGER)
    status->forwarded_status = item->number;
  if (cachette__sf_is(item->key, "ttl") && item->type == CACHETTE__SF_INTEGER) {
    status->has_ttl = true;
    status->ttl_s = item->number;
  }
  if (cachette__sf_is(item->key, "key") && item->type == CACHETTE__SF_STRING)
    status->key = item->text;
  if (cachette__sf_is(item->key, "detail") && is_text(item)) status->detail = item->text;
}

bool cachette__http_status_read(const cachette_slice *lines, size_t count, size_t index,
                                cachette__http_status *status) {
  cachette__sf field;
  cachette__sf_item member, parameter;
  if (!cachette__sf_begin(&field, CACHETTE__SF_LIST, lines, count)) return false;
  do {
    if (!cachette__sf_next(&field, &member)) return false;
  } while (index-- > 0);
  if (!is_text(&member)) return false;
  *status = (cachette__http_status){.cache = member.text, .forwarded_status = -1};
  cachette_slice rest = member.parameters;
  while (cachette__sf_next_parameter(&rest, &parameter)) read_parameter(&parameter, status);
  return true;
}
