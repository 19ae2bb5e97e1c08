/* SPDX-License-Identifier: MIT */
/* The step of an exchange that writes what is to be stored. */
#include <string.h>

#include "exchange.h"
#include "range.h"
#include "storable.h"
#include "tags.h"
#include "vary.h"

/* The response that is updated or completed; NULL: a new one is stored. */
static const cachette__http_stored *base_of(const cachette_http_exchange *exchange) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  bool has_base = exchange->action == CACHETTE_HTTP_FRESHEN || state->is_combined;
  return has_base ? &state->stored : NULL;
}

typedef struct sources {
  cachette__http_merge merge;
  cachette__http_tags tags;
  cachette__http_tag_space space;
  cachette__http_source field, tag;
} sources;

static void init(sources *from, const cachette_http_exchange *exchange,
                 const cachette_http_extra *extra) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  const cachette__http_stored *base = base_of(exchange);
  from->merge = (cachette__http_merge){state->policy, &state->answered, base};
  from->tags =
      (cachette__http_tags){extra, &state->answered.message, base, state->canonical, &from->space};
  from->field = (cachette__http_source){cachette__http_next_merged, &from->merge};
  from->tag = (cachette__http_source){cachette__http_next_tag, &from->tags};
}

size_t cachette_http_record_size(const cachette_http_exchange *exchange,
                                 const cachette_http_extra *extra) {
  sources from;
  init(&from, exchange, extra);
  return cachette__http_record_measure(&cachette__http_state_in(exchange)->result, &from.field,
                                       &from.tag);
}

/* Whether a body has the size that is expected; if the response announced none, any size. */
static bool is_complete(const cachette_http_exchange *exchange, int64_t size) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  /* A part of a wrong size is not joined, but may have the size of the whole. */
  if (state->is_combined && !state->is_joined) return false;
  if (state->result.status == 204 && size > 0) return false; /* RFC 9110, 15.3.5 */
  bool is_part = state->answered.response->status == 206;    /* Content-Range tells its size */
  if (is_part || base_of(exchange) != NULL) return size == state->result.body_size;
  int64_t announced = cachette__http_announced_size(&state->answered);
  return announced < 0 || announced == size;
}

int cachette_http_record_write(cachette_http_exchange *exchange, const cachette_http_extra *extra,
                               const cachette_slice *body, size_t body_count, unsigned char *head) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  int64_t size = 0;
  for (size_t i = 0; i < body_count; i++) size += (int64_t)body[i].size;
  if (!is_complete(exchange, size)) {
    exchange->not_stored = CACHETTE_HTTP_BECAUSE_INCOMPLETE;
    return CACHETTE_EINVAL;
  }
  if (size > cachette__http_max_body(state->policy)) {
    exchange->not_stored = CACHETTE_HTTP_BECAUSE_TOO_LARGE;
    return CACHETTE_ETOOBIG;
  }
  state->result.body_size = size;
  state->result.body_checksum = cachette__http_body_checksum(body, body_count);
  state->result.epoch = extra != NULL ? extra->epoch : 0;
  sources from;
  init(&from, exchange, extra);
  cachette__http_record_put(&state->result, &from.field, &from.tag, head);
  return CACHETTE_OK;
}

size_t cachette_http_combine(cachette_http_exchange *exchange, cachette_slice stored_body,
                             cachette_slice part, unsigned char *joined) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!state->is_combined) return 0;
  cachette__http_content_range range;
  if (!cachette__http_answered_range(&state->answered, &range)) return 0;
  bool fits = (int64_t)part.size == range.last - range.first + 1 &&
              (int64_t)stored_body.size == state->stored.body_size;
  if (!fits) return 0;
  if (joined != NULL) {
    const cachette__http_combination *whole = &state->combination;
    memcpy(joined + (state->stored.first_byte - whole->first), stored_body.data, stored_body.size);
    memcpy(joined + (range.first - whole->first), part.data, part.size);
    state->is_joined = true;
  }
  return (size_t)state->combination.size;
}

/* ---- Index ---- */

/* Writes the keys of an index: the new variant first, then the others, without the oldest if there
 * are too many. Returns the bytes used. */
static size_t list_variants(const cachette_http_exchange *exchange, unsigned char *keys) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  memcpy(keys, exchange->key, CACHETTE_HTTP_KEY_SIZE);
  if (!state->extends_index) return CACHETTE_HTTP_KEY_SIZE;
  size_t known = state->index.variants.size;
  size_t most = (size_t)(CACHETTE__HTTP_VARIANTS_MAX - 1) * CACHETTE_HTTP_KEY_SIZE;
  if (known > most) known = most;
  if (known > 0) memcpy(keys + CACHETTE_HTTP_KEY_SIZE, state->index.variants.data, known);
  return CACHETTE_HTTP_KEY_SIZE + known;
}

/* Makes the index of the variant that is stored. */
static void make_index(const cachette_http_exchange *exchange, cachette__http_stored *index,
                       unsigned char *keys) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  *index = (cachette__http_stored){
      .status = state->result.status,
      .flags = CACHETTE__HTTP_INDEX,
      .requested_ms = state->result.requested_ms,
      .received_ms = state->result.received_ms,
      .date_ms = state->result.date_ms,
      .last_modified_ms = -1,
      .total_size = -1,
      .generation = state->result.generation,
      .key = state->canonical,
      .vary = state->result.vary,
      .variants = {keys, list_variants(exchange, keys)},
  };
}

size_t cachette_http_index_size(const cachette_http_exchange *exchange) {
  unsigned char keys[CACHETTE__HTTP_VARIANTS_MAX * CACHETTE_HTTP_KEY_SIZE];
  cachette__http_stored index;
  make_index(exchange, &index, keys);
  return cachette__http_record_measure(&index, NULL, NULL);
}

void cachette_http_index_write(const cachette_http_exchange *exchange, unsigned char *bytes) {
  unsigned char keys[CACHETTE__HTTP_VARIANTS_MAX * CACHETTE_HTTP_KEY_SIZE];
  cachette__http_stored index;
  make_index(exchange, &index, keys);
  cachette__http_record_put(&index, NULL, NULL, bytes);
}
