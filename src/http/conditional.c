/* SPDX-License-Identifier: MIT */
#include "conditional.h"

#include "date.h"
#include "entity_tag.h"
#include "range.h"

/* A request and the stored response that answers it. */
typedef struct subject {
  const cachette__http_asked *asked;
  const cachette__http_message *request;
  const cachette__http_stored *stored;
  cachette__http_entity_tag tag; /* of the stored response, */
  bool has_tag;                  /* if it has one */
  int64_t now_s;
} subject;

/* Finds the date in a field that has exactly one line. False: it is absent or malformed, and so it
 * does not count (RFC 9110, 13.1.3 and 13.1.4). */
static bool find_date(const subject *self, enum cachette__http_name name, int64_t *seconds) {
  cachette_slice value;
  return cachette__http_single(self->request, name, &value) &&
         cachette__http_date_parse(value, self->now_s, seconds);
}

static bool has(const subject *self, enum cachette__http_name name) {
  return cachette__http_has(self->request, name);
}

/* ---- Conditions ---- */

/* All lines are one list, in which nothing may be malformed, and `*` must be alone. */
static bool if_match(const subject *self) {
  cachette_slice line;
  bool matches = false;
  size_t lines = 0, anys = 0;
  for (size_t at = 0; cachette__http_line(self->request, CACHETTE__HTTP_IF_MATCH, &at, &line);) {
    cachette__http_tag_list list = {line, 0};
    cachette__http_entity_tag tag;
    enum cachette__http_tag_item item;
    lines++;
    while ((item = cachette__http_tag_next(&list, &tag)) != CACHETTE__HTTP_TAG_END) {
      if (item == CACHETTE__HTTP_TAG_MALFORMED) return false;
      if (item == CACHETTE__HTTP_TAG_ANY)
        anys++;
      else if (self->has_tag && cachette__http_tag_equals(&self->tag, &tag, true))
        matches = true;
    }
  }
  return anys > 0 ? lines == 1 : matches;
}

/* Returns whether the client has the stored response already. */
static bool if_none_match_is_false(const subject *self) {
  const cachette__http_entity_tag *tag = self->has_tag ? &self->tag : NULL;
  cachette_slice line;
  for (size_t at = 0;
       cachette__http_line(self->request, CACHETTE__HTTP_IF_NONE_MATCH, &at, &line);) {
    if (cachette__http_tag_list_matches(line, tag, false)) return true;
  }
  return false;
}

/* Without Last-Modified, the response is as old as its Date (RFC 9111, 4.3.2). */
static bool is_unmodified(const subject *self, int64_t since) {
  const cachette__http_stored *stored = self->stored;
  bool is_known = stored->last_modified_ms >= 0;
  return cachette__http_second_of(is_known ? stored->last_modified_ms : stored->date_ms) <= since;
}

/* Returns the status that the conditions lead to, or 0 if they permit the response. */
static int precondition(const subject *self) {
  int64_t date;
  int status = self->stored->status;
  if (status < 200 || status > 299) return 0; /* RFC 9110, 13.2.1 */
  /* What they would be about is the resource, not what this POST has found. */
  if (self->asked->method == CACHETTE__HTTP_POST) return 0;
  if (has(self, CACHETTE__HTTP_IF_MATCH)) { /* RFC 9110, 13.1.1 */
    if (!if_match(self)) return 412;
  } else if (self->stored->last_modified_ms >= 0 &&
             find_date(self, CACHETTE__HTTP_IF_UNMODIFIED_SINCE, &date)) { /* 13.1.4 */
    if (!is_unmodified(self, date)) return 412;
  }
  if (has(self, CACHETTE__HTTP_IF_NONE_MATCH)) /* RFC 9110, 13.1.2 */
    return if_none_match_is_false(self) ? 304 : 0;
  if (find_date(self, CACHETTE__HTTP_IF_MODIFIED_SINCE, &date) && is_unmodified(self, date))
    return 304; /* RFC 9110, 13.1.3 */
  return 0;
}

/* ---- Ranges ---- */

/* RFC 9110, 13.1.5: only a strong validator tells that the parts will fit together. */
static bool if_range(const subject *self) {
  cachette_slice value;
  cachette__http_entity_tag tag;
  int64_t date;
  if (!has(self, CACHETTE__HTTP_IF_RANGE)) return true;
  if (!cachette__http_single(self->request, CACHETTE__HTTP_IF_RANGE, &value)) return false;
  if (cachette__http_tag_parse(value, &tag))
    return self->has_tag && cachette__http_tag_equals(&self->tag, &tag, true);
  return cachette__http_has_strong_date(self->stored) &&
         cachette__http_date_parse(value, self->now_s, &date) &&
         date == cachette__http_second_of(self->stored->last_modified_ms);
}

/* Finds the range that is wanted of a representation of `size` bytes. NONE: all of it is. */
static enum cachette__http_range_result find_range(const subject *self, int64_t size,
                                                   int64_t *first, int64_t *last) {
  cachette_slice value;
  /* RFC 9110, 14.2: other methods have no ranges. */
  if (self->asked->method != CACHETTE__HTTP_GET) return CACHETTE__HTTP_RANGE_NONE;
  if (!cachette__http_single(self->request, CACHETTE__HTTP_RANGE, &value) || !if_range(self))
    return CACHETTE__HTTP_RANGE_NONE;
  return cachette__http_range_select(value, size, first, last);
}

static void select_nothing(cachette__http_selection *selection, int status) {
  *selection = (cachette__http_selection){.status = status};
}

/* Selects from the whole body of a 200. */
static void select_range(const subject *self, cachette__http_selection *selection) {
  int64_t first, last;
  switch (find_range(self, self->stored->body_size, &first, &last)) {
    case CACHETTE__HTTP_RANGE_NONE:
      break;
    case CACHETTE__HTTP_RANGE_SATISFIABLE:
      *selection = (cachette__http_selection){206, true, first, last - first + 1};
      break;
    case CACHETTE__HTTP_RANGE_UNSATISFIABLE: /* RFC 9110, 15.5.17 */
      select_nothing(selection, 416);
      break;
  }
}

/* The same for a part (RFC 9111, 3.3). False: the stored part does not have what is wanted. */
static bool select_of_part(const subject *self, cachette__http_selection *selection) {
  const cachette__http_stored *stored = self->stored;
  int64_t first, last;
  switch (find_range(self, stored->total_size, &first, &last)) {
    case CACHETTE__HTTP_RANGE_NONE:
      return false;
    case CACHETTE__HTTP_RANGE_UNSATISFIABLE:
      /* A total of 0 or less is one that is not known. */
      if (stored->total_size <= 0) return false;
      select_nothing(selection, 416);
      return true;
    case CACHETTE__HTTP_RANGE_SATISFIABLE:
      break;
  }
  first = cachette__http_minus(first, stored->first_byte);
  last = cachette__http_minus(last, stored->first_byte);
  if (first < 0 || last >= stored->body_size) return false;
  *selection = (cachette__http_selection){206, true, first, last - first + 1};
  return true;
}

bool cachette__http_select(const cachette__http_asked *asked, const cachette__http_stored *stored,
                           int64_t now_ms, cachette__http_selection *selection) {
  bool send_body = asked->method != CACHETTE__HTTP_HEAD;
  *selection = (cachette__http_selection){stored->status, send_body, 0, stored->body_size};
  bool has_range = cachette__http_has(&asked->message, CACHETTE__HTTP_RANGE);
  if (!asked->has_conditions && !has_range && !cachette__http_is_part(stored)) return true;
  subject self = {.asked = asked, .request = &asked->message, .stored = stored};
  self.now_s = cachette__http_second_of(now_ms);
  self.has_tag = cachette__http_tag_parse(stored->etag, &self.tag);
  int status = precondition(&self);
  if (status != 0) {
    select_nothing(selection, status);
    return true;
  }
  if (cachette__http_is_part(stored)) return select_of_part(&self, selection);
  if (stored->status == 200) select_range(&self, selection);
  return true;
}
