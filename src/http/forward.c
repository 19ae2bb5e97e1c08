/* SPDX-License-Identifier: MIT */
/* The fields that the origin is sent (RFC 9111, 4.3.1). */
#include "date.h"
#include "exchange.h"
#include "listing.h"

/* Whether a field makes the request conditional or asks for a part. */
static bool is_condition(const cachette_http_field *field) {
  switch (cachette__http_name_of(field->name)) {
    case CACHETTE__HTTP_IF_MATCH:
    case CACHETTE__HTTP_IF_NONE_MATCH:
    case CACHETTE__HTTP_IF_MODIFIED_SINCE:
    case CACHETTE__HTTP_IF_UNMODIFIED_SINCE:
    case CACHETTE__HTTP_IF_RANGE:
    case CACHETTE__HTTP_RANGE:
      return true;
    default:
      return false;
  }
}

static void list_validators(cachette__http_state *state, cachette__http_listing *listing) {
  const cachette__http_stored *stored = &state->stored;
  if (stored->etag.size > 0)
    cachette__http_list_known(listing, CACHETTE__HTTP_IF_NONE_MATCH, stored->etag);
  if (stored->last_modified_ms < 0) return;
  cachette__http_date_format(stored->last_modified_ms / 1000, state->date);
  cachette__http_list_known(listing, CACHETTE__HTTP_IF_MODIFIED_SINCE, cachette_str(state->date));
}

size_t cachette_http_forward(cachette_http_exchange *exchange, cachette_http_field *fields,
                             size_t capacity) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  const cachette__http_message *message = &state->asked.message;
  cachette__http_listing listing = {fields, capacity, 0};
  for (size_t i = 0; i < message->fields.count; i++) {
    const cachette_http_field *field = &message->fields.list[i];
    if (cachette__http_is_hop_by_hop(message, field)) continue;
    if (state->question != CACHETTE__HTTP_ASK_AS_IS && is_condition(field)) continue;
    cachette__http_list(&listing, field->name, field->value);
  }
  if (state->question == CACHETTE__HTTP_ASK_VALIDATION) list_validators(state, &listing);
  return listing.count;
}
