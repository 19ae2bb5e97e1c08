/* SPDX-License-Identifier: MIT */
#include "cache_status.h"

#include <string.h>

#include "structured.h"

/* ---- Writing ---- */

static void add(cachette__sf_writer *writer, const char *key, cachette__sf_item value) {
  value.key = cachette_str(key);
  cachette__sf_write_parameter(writer, &value);
}

static void add_token(cachette__sf_writer *writer, const char *key, const char *token) {
  add(writer, key, cachette__sf_token(cachette_str(token)));
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

static void add_forwarded(cachette__sf_writer *writer, const cachette_http_exchange *exchange,
                          int status, enum cachette_http_reason collapsed, const char **detail) {
  bool is_forwarded = exchange->forwarded != CACHETTE_HTTP_BECAUSE_NONE;
  add_token(writer, "fwd", forward_token(is_forwarded ? exchange->forwarded : collapsed, detail));
  if (status != 0) add(writer, "fwd-status", cachette__sf_integer(status));
  if (exchange->action == CACHETTE_HTTP_STORE || exchange->action == CACHETTE_HTTP_FRESHEN) {
    if (exchange->not_stored == CACHETTE_HTTP_BECAUSE_NONE)
      add(writer, "stored", cachette__sf_boolean(true));
  }
  if (collapsed != CACHETTE_HTTP_BECAUSE_NONE) add(writer, "collapsed", cachette__sf_boolean(true));
}

/* Whole seconds, rounded down, so that a stale response never has 0. */
static int64_t seconds(int64_t milliseconds) {
  return milliseconds >= 0 ? milliseconds / 1000 : -((999 - milliseconds) / 1000);
}

static bool has_ttl(const cachette_http_exchange *exchange) {
  return exchange->action == CACHETTE_HTTP_HIT || exchange->action == CACHETTE_HTTP_STALE ||
         exchange->action == CACHETTE_HTTP_FRESHEN;
}

size_t cachette__http_status_write(const cachette_http_exchange *exchange, cachette_slice name,
                                   int status, enum cachette_http_reason collapsed, char *text,
                                   size_t capacity) {
  cachette__sf_writer writer;
  cachette__sf_writer_begin(&writer, CACHETTE__SF_LIST, text, capacity);
  cachette__sf_item cache = cachette__sf_token(name.size > 0 ? name : cachette_str("cachette"));
  cachette__sf_write_member(&writer, &cache);
  const char *detail = "";
  if (exchange->not_stored != CACHETTE_HTTP_BECAUSE_NONE)
    detail = cachette_http_reason_token(exchange->not_stored);
  if (exchange->action == CACHETTE_HTTP_ERROR)
    detail = "only-if-cached";
  else if (exchange->forwarded != CACHETTE_HTTP_BECAUSE_NONE ||
           collapsed != CACHETTE_HTTP_BECAUSE_NONE)
    add_forwarded(&writer, exchange, status, collapsed, &detail);
  else
    add(&writer, "hit", cachette__sf_boolean(true));
  if (has_ttl(exchange)) add(&writer, "ttl", cachette__sf_integer(seconds(exchange->ttl_ms)));
  if (*detail != '\0') add_token(&writer, "detail", detail);
  size_t size = 0;
  return cachette__sf_writer_end(&writer, &size) == CACHETTE_OK ? size : 0;
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
