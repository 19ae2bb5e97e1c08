/* SPDX-License-Identifier: MIT */
/* Reads and writes the fields of a stored document. internal.h describes them. */
#include "internal.h"

enum { SECOND = 1000 };

/* Converts to seconds, rounded up; `ms` is not negative. */
static int64_t round_up(int64_t ms) { return (ms + SECOND - 1) / SECOND; }

void cachette__mongo_append_key(bson_t *document, const char *name, cachette_slice key) {
  if (bson_utf8_validate(key.data, key.size, true))
    bson_append_utf8(document, name, -1, key.data, (int)key.size);
  else
    bson_append_binary(document, name, -1, BSON_SUBTYPE_BINARY, key.data, (uint32_t)key.size);
}

/* An entry expires within the second before `expires`. In that second `expires_at` decides. */
void cachette__mongo_append_live(bson_t *filter, int64_t now_ms) {
  int64_t second = now_ms / SECOND;
  BCON_APPEND(filter, "$or", "[", /* */
              "{", "expires", "{", "$gt", BCON_INT64(second + 1), "}", "}", "{", "expires",
              BCON_INT64(second + 1), "expires_at", "{", "$not", "{", "$gt",
              BCON_DATE_TIME(second * SECOND), "$lte", BCON_DATE_TIME(now_ms), "}", "}", "}", "]");
}

void cachette__mongo_append_expired(bson_t *filter, int64_t now_ms) {
  int64_t second = now_ms / SECOND;
  BCON_APPEND(filter, "$or", "[", /* */
              "{", "expires", "{", "$lte", BCON_INT64(second), "}", "}", "{", "expires",
              BCON_INT64(second + 1), "expires_at", "{", "$gt", BCON_DATE_TIME(second * SECOND),
              "$lte", BCON_DATE_TIME(now_ms), "}", "}", "]");
}

void cachette__mongo_append_expiry(bson_t *document, int64_t now_ms, int64_t ttl_ms) {
  BSON_APPEND_INT64(document, "expires", round_up(now_ms + ttl_ms));
  BSON_APPEND_DATE_TIME(document, "expires_at", now_ms + ttl_ms);
}

int64_t cachette__mongo_time_left(const bson_t *document, int64_t now_ms) {
  bson_iter_t field;
  if (!bson_iter_init_find(&field, document, "expires")) return 0;
  int64_t expires = bson_iter_as_int64(&field);
  if (expires > INT64_MAX / SECOND) return INT64_MAX - now_ms;
  if (expires <= now_ms / SECOND) return 0;
  if (bson_iter_init_find(&field, document, "expires_at") && BSON_ITER_HOLDS_DATE_TIME(&field)) {
    int64_t at = bson_iter_date_time(&field);
    if (at > 0 && round_up(at) == expires) return at - now_ms;
  }
  return expires * SECOND - now_ms;
}

bool cachette__mongo_get_bytes(const bson_t *document, const char *name, cachette_slice *bytes) {
  bson_iter_t field;
  uint32_t size = 0;
  if (!bson_iter_init_find(&field, document, name)) return false;
  if (BSON_ITER_HOLDS_BINARY(&field)) {
    const uint8_t *data;
    bson_iter_binary(&field, NULL, &size, &data);
    *bytes = (cachette_slice){data, size};
    return true;
  }
  if (!BSON_ITER_HOLDS_UTF8(&field)) return false;
  const char *text = bson_iter_utf8(&field, &size);
  *bytes = (cachette_slice){text, size};
  return true;
}
