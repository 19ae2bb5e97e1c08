/* SPDX-License-Identifier: MIT */
#include "update.h"

#include <string.h>

#include "conditional.h"
#include "date.h"
#include "entity_tag.h"
#include "range.h"
#include "storable.h"
#include "text.h"
#include "usable.h"
#include "vary.h"

/* ---- Validators ---- */

/* How a validator of a response compares with that of the stored one. */
enum comparison {
  ABSENT,  /* the response has none */
  UNKNOWN, /* the stored response has none */
  SAME,
  DIFFERENT
};

/* Compares the entity tags as a 304 needs it (RFC 9111, 4.3.4): a strong one strongly, a weak one
 * weakly. A malformed one may be any. */
static enum comparison compare_tags(const cachette__http_answered *answered,
                                    const cachette__http_stored *stored) {
  cachette__http_entity_tag old, new;
  cachette_slice value;
  bool is_known = cachette__http_tag_parse(stored->etag, &old);
  if (!cachette__http_has(&answered->message, CACHETTE__HTTP_ETAG)) return ABSENT;
  bool is_valid = cachette__http_single(&answered->message, CACHETTE__HTTP_ETAG, &value) &&
                  cachette__http_tag_parse(value, &new);
  if (!is_valid) return is_known ? DIFFERENT : ABSENT;
  if (!is_known) return UNKNOWN;
  return cachette__http_tag_equals(&old, &new, !new.weak) ? SAME : DIFFERENT;
}

static enum comparison compare_dates(const cachette__http_answered *answered,
                                     const cachette__http_stored *stored) {
  cachette_slice value;
  int64_t seconds, now_s = cachette__http_second_of(answered->response->received_ms);
  bool is_valid = cachette__http_single(&answered->message, CACHETTE__HTTP_LAST_MODIFIED, &value) &&
                  cachette__http_date_parse(value, now_s, &seconds);
  if (!is_valid) return ABSENT;
  if (stored->last_modified_ms < 0) return UNKNOWN;
  return seconds == cachette__http_second_of(stored->last_modified_ms) ? SAME : DIFFERENT;
}

/* Returns whether both have the same strong entity tag. */
static bool has_same_strong_tag(const cachette__http_answered *answered,
                                const cachette__http_stored *stored) {
  cachette__http_entity_tag old, new;
  cachette_slice value;
  return cachette__http_single(&answered->message, CACHETTE__HTTP_ETAG, &value) &&
         cachette__http_tag_parse(value, &new) && cachette__http_tag_parse(stored->etag, &old) &&
         cachette__http_tag_equals(&old, &new, true);
}

/* Returns whether the stored response still matches the request, and varies on all that the new
 * response varies on. It may vary on more. */
static bool varies_alike(const cachette_http_policy *policy, const cachette__http_asked *asked,
                         const cachette__http_answered *answered,
                         const cachette__http_stored *stored) {
  const cachette__http_message *response = &answered->message;
  unsigned char none[1];
  if (!cachette__http_has(response, CACHETTE__HTTP_VARY)) return true;
  if (cachette__http_vary_check(policy, response) != CACHETTE_HTTP_BECAUSE_NONE) return false;
  if (!cachette__http_vary_matches(policy, asked, stored->vary)) return false;
  /* With the same values, the selector of both grows exactly if there is a further name. */
  return cachette__http_vary_write(policy, asked, response, stored->vary, none, 0) ==
         stored->vary.size;
}

/* ---- Relations ---- */

/* Returns whether a 304 to our validators is about the stored response (RFC 9111, 4.3.4). */
static bool confirms(const cachette__http_answered *answered, const cachette__http_stored *stored) {
  enum comparison dates = compare_dates(answered, stored);
  cachette__http_entity_tag tag;
  cachette_slice value;
  switch (compare_tags(answered, stored)) {
    case SAME:
      return true;
    case ABSENT: /* it answers our conditions, so what it does not name did not change */
      return dates == ABSENT || dates == SAME;
    case UNKNOWN: /* a strong tag needs another strong validator beside it */
      return dates == SAME &&
             cachette__http_single(&answered->message, CACHETTE__HTTP_ETAG, &value) &&
             cachette__http_tag_parse(value, &tag) &&
             (tag.weak || cachette__http_has_strong_date(stored));
    default:
      return false;
  }
}

/* Returns the size of the whole that a stored response is, or is a part of. */
static int64_t whole_size(const cachette__http_stored *stored) {
  return cachette__http_is_part(stored) ? stored->total_size : stored->body_size;
}

/* Returns whether a HEAD response has the values of the stored one (RFC 9111, 4.3.5). One without
 * any validator tells nothing, so it does not agree. */
static bool agrees(const cachette__http_answered *answered, const cachette__http_stored *stored) {
  enum comparison dates = compare_dates(answered, stored);
  cachette_slice tag;
  if (stored->status != 200 && stored->status != 206) return false;
  if (answered->content_length >= 0 && answered->content_length != whole_size(stored)) return false;
  if (!cachette__http_has(&answered->message, CACHETTE__HTTP_ETAG)) return dates == SAME;
  return cachette__http_single(&answered->message, CACHETTE__HTTP_ETAG, &tag) && tag.size > 0 &&
         tag.size == stored->etag.size && memcmp(tag.data, stored->etag.data, tag.size) == 0 &&
         (dates == SAME || dates == ABSENT);
}

/* Returns whether a 206 is of the same representation and has bytes beside or among the stored ones
 * (RFC 9111, 3.4; RFC 9110, 15.3.7.3). */
static bool completes(const cachette__http_answered *answered,
                      const cachette__http_stored *stored) {
  cachette__http_combination combination;
  return (stored->status == 200 || stored->status == 206) &&
         has_same_strong_tag(answered, stored) &&
         cachette__http_combine_ranges(answered, stored, &combination);
}

enum cachette__http_relation cachette__http_relate(const cachette_http_policy *policy,
                                                   const cachette__http_asked *asked,
                                                   const cachette__http_answered *answered,
                                                   const cachette__http_stored *stored,
                                                   bool was_validated) {
  int status = answered->response->status;
  bool is_safe = asked->method == CACHETTE__HTTP_GET || asked->method == CACHETTE__HTTP_HEAD ||
                 asked->method == CACHETTE__HTTP_QUERY;
  bool is_related = stored != NULL && is_safe && !cachette__http_is_withheld(policy, asked, stored);
  if (status == 304) {
    if (!is_related || !was_validated) return CACHETTE__HTTP_NOT_OURS;
    bool is_about_it = !answered->is_malformed && varies_alike(policy, asked, answered, stored) &&
                       confirms(answered, stored);
    return is_about_it ? CACHETTE__HTTP_FRESHENS : CACHETTE__HTTP_CONTRADICTS;
  }
  if (!is_related || answered->is_malformed) return CACHETTE__HTTP_UNRELATED;
  if (asked->method == CACHETTE__HTTP_HEAD && status == 200)
    return varies_alike(policy, asked, answered, stored) && agrees(answered, stored)
               ? CACHETTE__HTTP_FRESHENS
               : CACHETTE__HTTP_OUTDATES;
  bool is_part = asked->method == CACHETTE__HTTP_GET && status == 206 && policy->store_partial;
  return is_part && varies_alike(policy, asked, answered, stored) && completes(answered, stored)
             ? CACHETTE__HTTP_COMPLETES
             : CACHETTE__HTTP_UNRELATED;
}

/* ---- Fields ---- */

/* Returns whether a field says how the bytes of a body are framed or encoded. That of the stored
 * body stays as it was (RFC 9111, 3.2). */
static bool is_of_body(enum cachette__http_name name) {
  return name == CACHETTE__HTTP_CONTENT_LENGTH || name == CACHETTE__HTTP_CONTENT_ENCODING ||
         name == CACHETTE__HTTP_CONTENT_RANGE;
}

/* Returns whether a field of the response becomes part of the updated one. */
static bool is_taken(const cachette__http_merge *merge, const cachette_http_field *field) {
  if (merge->stored != NULL && is_of_body(cachette__http_name_of(field->name))) return false;
  return cachette__http_is_stored(merge->policy, merge->answered, field);
}

/* Returns whether a stored field gives way to the response's fields of the same name. */
static bool is_replaced(const cachette__http_merge *merge, const cachette_http_field *stored) {
  const cachette__http_message *message = &merge->answered->message;
  enum cachette__http_name name = cachette__http_name_of(stored->name);
  if (name == CACHETTE__HTTP_DATE) return true;
  if (name != CACHETTE__HTTP_OTHER && !cachette__http_has(message, name)) return false;
  for (size_t i = 0; i < message->fields.count; i++) {
    const cachette_http_field *field = &message->fields.list[i];
    if (cachette__http_equals(field->name, stored->name) && is_taken(merge, field)) return true;
  }
  return false;
}

bool cachette__http_next_merged(const void *data, size_t *at, cachette_http_field *field) {
  const cachette__http_merge *merge = data;
  cachette_http_fields new = merge->answered->message.fields;
  size_t stored_count = merge->stored != NULL ? merge->stored->field_count : 0;
  while (*at < new.count) {
    *field = new.list[(*at)++];
    field->value = cachette__http_trim(field->value);
    if (is_taken(merge, field)) return true;
  }
  while (*at - new.count < stored_count) {
    *field = cachette__http_record_field(merge->stored, (*at)++ - new.count);
    if (!is_replaced(merge, field)) return true;
  }
  return false;
}

/* ---- Numbers ---- */

/* The fields of an updated response that its numbers come from. More than these is not read. */
enum { DECISIVE_MAX = 64 };
typedef struct decisive {
  cachette_http_field list[DECISIVE_MAX];
  size_t count;
  bool is_complete;
} decisive;

static bool is_targeted(const cachette_http_policy *policy, cachette_slice name) {
  for (size_t i = 0; i < policy->targeted_count; i++) {
    if (cachette__http_equals(policy->targeted[i], name)) return true;
  }
  return false;
}

static bool is_decisive(const cachette_http_policy *policy, cachette_slice name) {
  switch (cachette__http_name_of(name)) {
    case CACHETTE__HTTP_CACHE_CONTROL:
    case CACHETTE__HTTP_CONNECTION:
    case CACHETTE__HTTP_DATE:
    case CACHETTE__HTTP_ETAG:
    case CACHETTE__HTTP_EXPIRES:
    case CACHETTE__HTTP_LAST_MODIFIED:
    case CACHETTE__HTTP_PRAGMA:
    case CACHETTE__HTTP_VARY:
      return true;
    default:
      return is_targeted(policy, name);
  }
}

static void add(decisive *fields, const cachette_http_field *field) {
  if (fields->count == DECISIVE_MAX)
    fields->is_complete = false;
  else
    fields->list[fields->count++] = *field;
}

/* Age and Set-Cookie are not merged, but what the response says with them counts. */
static void find_decisive(const cachette__http_merge *merge, decisive *fields) {
  cachette_http_fields new = merge->answered->message.fields;
  cachette_http_field field;
  fields->count = 0;
  fields->is_complete = true;
  for (size_t i = 0; i < new.count; i++) {
    if (cachette__http_name_of(new.list[i].name) == CACHETTE__HTTP_AGE ||
        cachette__http_sets_cookie(new.list[i].name))
      add(fields, &new.list[i]);
  }
  for (size_t at = 0; cachette__http_next_merged(merge, &at, &field);) {
    if (is_decisive(merge->policy, field.name)) add(fields, &field);
  }
}

/* Decides about the updated response as if it came now. That it is a part was decided before, so it
 * is looked at as the whole; and a HEAD decides about a GET. */
static enum cachette_http_reason decide(const cachette_http_policy *policy,
                                        const cachette__http_asked *asked,
                                        const cachette__http_answered *answered,
                                        const cachette__http_stored *updated,
                                        const decisive *fields, cachette__http_stored *decided) {
  cachette_http_response response = *answered->response;
  response.status = updated->status == 206 ? 200 : updated->status;
  response.body_size = updated->body_size;
  response.fields = (cachette_http_fields){fields->list, fields->count};
  cachette__http_asked get = *asked;
  if (get.method == CACHETTE__HTTP_HEAD) get.method = CACHETTE__HTTP_GET;
  cachette__http_answered merged;
  cachette__http_look_at_response(policy, &response, &merged);
  enum cachette_http_reason reason = cachette__http_may_store(policy, &get, &merged, decided);
  return fields->is_complete ? reason : CACHETTE_HTTP_BECAUSE_MALFORMED;
}

/* Copies what follows from the fields. */
static void take_numbers(const cachette__http_stored *decided, cachette__http_stored *updated) {
  updated->flags = decided->flags;
  updated->requested_ms = decided->requested_ms;
  updated->received_ms = decided->received_ms;
  updated->date_ms = decided->date_ms;
  updated->initial_age_ms = decided->initial_age_ms;
  updated->lifetime_ms = decided->lifetime_ms;
  updated->while_revalidate_ms = decided->while_revalidate_ms;
  updated->if_error_ms = decided->if_error_ms;
  updated->last_modified_ms = decided->last_modified_ms;
  updated->etag = decided->etag;
}

/* Adds the bytes of a 206. */
static void add_bytes(const cachette__http_answered *answered, const cachette__http_stored *stored,
                      cachette__http_stored *updated) {
  cachette__http_combination all;
  if (!cachette__http_combine_ranges(answered, stored, &all)) return;
  updated->first_byte = all.first;
  updated->body_size = all.size;
  updated->total_size = all.total;
  updated->status = all.total < 0 ? 200 : 206; /* RFC 9110, 15.3.7.3 */
}

enum cachette_http_reason cachette__http_freshen(const cachette_http_policy *policy,
                                                 const cachette__http_asked *asked,
                                                 const cachette__http_answered *answered,
                                                 const cachette__http_stored *stored,
                                                 cachette__http_stored *updated) {
  const cachette__http_merge merge = {policy, answered, stored};
  cachette__http_stored decided = {0};
  decisive fields;
  *updated = *stored;
  if (answered->response->status == 206) add_bytes(answered, stored, updated);
  find_decisive(&merge, &fields);
  enum cachette_http_reason reason = decide(policy, asked, answered, updated, &fields, &decided);
  take_numbers(&decided, updated);
  return reason;
}

/* ---- Parts ---- */

static int64_t lesser_of(int64_t left, int64_t right) { return left < right ? left : right; }

static int64_t greater_of(int64_t left, int64_t right) { return left > right ? left : right; }

/* Finds the range of a 206. False: it does not tell the size of the whole, or its body is said to
 * have another size. */
static bool find_range(const cachette__http_answered *answered,
                       cachette__http_content_range *range) {
  if (!cachette__http_answered_range(answered, range)) return false;
  if (range->total < 0) return false;
  int64_t announced = cachette__http_announced_size(answered);
  return announced < 0 || announced == range->last - range->first + 1;
}

bool cachette__http_combine_ranges(const cachette__http_answered *answered,
                                   const cachette__http_stored *stored,
                                   cachette__http_combination *combination) {
  cachette__http_content_range range;
  if (!find_range(answered, &range) || range.total != whole_size(stored)) return false;
  bool is_part = cachette__http_is_part(stored);
  int64_t stored_first = is_part ? stored->first_byte : 0;
  int64_t stored_end = cachette__http_plus(stored_first, stored->body_size);
  int64_t end = range.last + 1; /* no number of a range is INT64_MAX */
  if (stored_first < 0 || stored_end < stored_first || stored_end > range.total) return false;
  if (range.first > stored_end || stored_first > end) return false;
  combination->first = lesser_of(range.first, stored_first);
  combination->size = greater_of(end, stored_end) - combination->first;
  combination->total = combination->size == range.total ? -1 : range.total;
  return true;
}
