/* SPDX-License-Identifier: MIT */
/* The fields that the client is sent. */
#include "cache_status.h"
#include "date.h"
#include "exchange.h"
#include "listing.h"
#include "range.h"
#include "update.h"

/* Writes a number that is not negative to the end of a text. Every hit has two of them, and
 * snprintf() would take a third of its time. */
static cachette_slice write_number(char *text, size_t size, int64_t number) {
  size_t begin = size;
  uint64_t left = number > 0 ? (uint64_t)number : 0;
  do {
    text[--begin] = (char)('0' + left % 10);
    left /= 10;
  } while (left > 0);
  return (cachette_slice){text + begin, size - begin};
}

/* Whether a 304 has a field: what guides the client's cache (RFC 9110, 15.4.5). */
static bool is_in_304(const cachette__http_stored *stored, enum cachette__http_name name) {
  switch (name) {
    case CACHETTE__HTTP_CACHE_CONTROL:
    case CACHETTE__HTTP_CACHE_STATUS:
    case CACHETTE__HTTP_CONTENT_LOCATION:
    case CACHETTE__HTTP_DATE:
    case CACHETTE__HTTP_ETAG:
    case CACHETTE__HTTP_EXPIRES:
    case CACHETTE__HTTP_VARY:
      return true;
    case CACHETTE__HTTP_LAST_MODIFIED:
      return stored->etag.size == 0;
    default:
      return false;
  }
}

/* Whether an error that the cache found itself has a stored field. */
static bool is_in_error(enum cachette__http_name name) {
  return name == CACHETTE__HTTP_DATE || name == CACHETTE__HTTP_CACHE_STATUS;
}

/* Whether an answer has a stored field. */
static bool is_sent(const cachette_http_exchange *exchange, const cachette__http_stored *stored,
                    enum cachette__http_name name) {
  if (name == CACHETTE__HTTP_CONTENT_LENGTH) return false; /* it is computed */
  if (exchange->status == 304) return is_in_304(stored, name);
  if (exchange->status == 412 || exchange->status == 416) return is_in_error(name);
  return exchange->status != 206 || name != CACHETTE__HTTP_CONTENT_RANGE; /* this, too */
}

/* Lists the fields of a record, or of the record that is about to be written. */
static void list_stored(const cachette_http_exchange *exchange, const cachette__http_stored *stored,
                        cachette__http_listing *listing, bool *has_date) {
  const cachette__http_state *state = cachette__http_state_in(exchange);
  bool is_fresh = exchange->action == CACHETTE_HTTP_FRESHEN;
  cachette__http_merge merge = {state->policy, &state->answered, &state->stored};
  cachette_http_field field;
  size_t at = 0, count = is_fresh ? 0 : stored->field_count;
  while (is_fresh ? cachette__http_next_merged(&merge, &at, &field) : at < count) {
    if (!is_fresh) field = cachette__http_record_field(stored, at++);
    enum cachette__http_name name = cachette__http_name_of(field.name);
    if (name == CACHETTE__HTTP_DATE) *has_date = true;
    if (is_sent(exchange, stored, name)) cachette__http_list(listing, field.name, field.value);
  }
}

static void list_range(cachette_http_exchange *exchange, const cachette__http_stored *stored,
                       cachette__http_listing *listing) {
  int64_t total = stored->total_size >= 0 ? stored->total_size : stored->body_size;
  int64_t first = stored->first_byte + exchange->body_first;
  cachette__http_content_range range = {first, first + exchange->body_size - 1, total};
  if (exchange->status == 416) range.first = range.last = -1;
  cachette__http_state *state = cachette__http_state_of(exchange);
  size_t size = cachette__http_content_range_format(&range, state->range);
  cachette__http_list_known(listing, CACHETTE__HTTP_CONTENT_RANGE,
                            (cachette_slice){state->range, size});
}

/* Lists what the answer's body has: of a HEAD what that of the GET has; of an error nothing. */
static void list_length(cachette_http_exchange *exchange, cachette__http_listing *listing) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (exchange->status == 304 || exchange->status == 204) return;
  bool is_empty = exchange->status == 412 || exchange->status == 416 ||
                  exchange->action == CACHETTE_HTTP_ERROR; /* a 504 may also be stored */
  int64_t size = is_empty ? 0 : exchange->body_size;
  cachette__http_list_known(listing, CACHETTE__HTTP_CONTENT_LENGTH,
                            write_number(state->length, sizeof state->length, size));
}

static void list_times(cachette_http_exchange *exchange, const cachette__http_stored *stored,
                       cachette__http_listing *listing, bool has_date) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!has_date) {
    cachette__http_date_format(stored->date_ms / 1000, state->date);
    cachette__http_list_known(listing, CACHETTE__HTTP_DATE, cachette_str(state->date));
  }
  cachette__http_list_known(listing, CACHETTE__HTTP_AGE,
                            write_number(state->age, sizeof state->age, exchange->age_ms / 1000));
}

static void list_answer(cachette_http_exchange *exchange, cachette__http_listing *listing) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  bool is_fresh = exchange->action == CACHETTE_HTTP_FRESHEN, has_date = false;
  const cachette__http_stored *stored = is_fresh ? &state->result : &state->stored;
  list_stored(exchange, stored, listing, &has_date);
  if (exchange->status == 206 || exchange->status == 416) list_range(exchange, stored, listing);
  list_length(exchange, listing);
  list_times(exchange, stored, listing, has_date);
}

/* Lists the fields of a response. What receive() has looked through is not looked through again. */
static void list_origin(const cachette__http_state *state, const cachette_http_response *origin,
                        cachette__http_listing *listing) {
  cachette__http_message other;
  const cachette__http_message *message = &state->answered.message;
  bool is_known =
      state->has_response && state->answered.response == origin && !state->answered.is_malformed;
  bool is_valid = is_known || cachette__http_look_through(&other, origin->fields);
  if (!is_known) message = &other;
  for (size_t i = 0; i < origin->fields.count; i++) {
    const cachette_http_field *field = &origin->fields.list[i];
    if (is_valid && cachette__http_is_hop_by_hop(message, field)) continue;
    cachette__http_list(listing, field->name, field->value);
  }
}

/* Lists our member in a line of its own, behind those of caches that are nearer to the origin. */
static void list_status(cachette_http_exchange *exchange, bool collapsed,
                        cachette__http_listing *listing) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  int status = state->has_response ? state->answered.response->status : 0;
  size_t size = cachette__http_status_write(exchange, state->policy->name, status,
                                            collapsed ? state->missed : CACHETTE_HTTP_BECAUSE_NONE,
                                            state->status, sizeof state->status);
  if (size == 0) return;
  cachette__http_list_known(listing, CACHETTE__HTTP_CACHE_STATUS,
                            (cachette_slice){state->status, size});
}

size_t cachette_http_answer(cachette_http_exchange *exchange, const cachette_http_response *origin,
                            bool collapsed, cachette_http_field *fields, size_t capacity) {
  cachette__http_listing listing = {fields, capacity, 0};
  if (origin != NULL)
    list_origin(cachette__http_state_in(exchange), origin, &listing);
  else if (exchange->action == CACHETTE_HTTP_ERROR)
    list_length(exchange, &listing);
  else if (cachette__http_state_of(exchange)->has_stored)
    list_answer(exchange, &listing);
  list_status(exchange, collapsed, &listing);
  return listing.count;
}
