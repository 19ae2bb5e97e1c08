/* SPDX-License-Identifier: MIT */
#include "response.h"

#include "text.h"

enum { TARGETED_LINES_MAX = 16 };

/* Collects the lines of a field that may have any name. Returns how many there are; those beyond
 * the array are not filled. */
static size_t collect(const cachette__http_message *message, cachette_slice name,
                      cachette_slice lines[TARGETED_LINES_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < message->fields.count; i++) {
    const cachette_http_field *field = &message->fields.list[i];
    if (field->name.size != name.size || !cachette__http_equals(field->name, name)) continue;
    if (count < TARGETED_LINES_MAX) lines[count] = cachette__http_trim(field->value);
    count++;
  }
  return count;
}

/* Finds the first targeted field that counts (RFC 9213, 2.2). */
static bool find_targeted(const cachette_http_policy *policy, cachette__http_answered *answered) {
  cachette_slice lines[TARGETED_LINES_MAX];
  for (size_t i = 0; i < policy->targeted_count; i++) {
    size_t count = collect(&answered->message, policy->targeted[i], lines);
    if (count > TARGETED_LINES_MAX) {
      /* No origin sends so many. Nobody reads them all, so nothing is stored. */
      answered->control.directives = CACHETTE__HTTP_NO_STORE;
    } else if (count == 0 ||
               !cachette__http_cache_control_targeted(&answered->control, lines, count)) {
      continue;
    }
    answered->targeted = policy->targeted[i];
    return true;
  }
  return false;
}

/* Finds the value of Content-Length; -1: there is none. False: it is malformed, or several values
 * differ, so that nobody can tell where the body ends (RFC 9110, 8.6). */
static bool find_length(const cachette__http_message *message, int64_t *length) {
  cachette_slice line, element;
  *length = -1;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CONTENT_LENGTH, &at, &line);) {
    bool found = false;
    for (; cachette__http_next(&line, &element); found = true) {
      int64_t number;
      if (!cachette__http_number(element, INT64_MAX, &number)) return false;
      if (*length >= 0 && *length != number) return false;
      *length = number;
    }
    if (!found) return false;
  }
  return true;
}

/* Adds the lines of Cache-Control. */
static void add_lines(const cachette__http_message *message,
                      cachette__http_cache_control *control) {
  cachette_slice line;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CACHE_CONTROL, &at, &line);)
    cachette__http_cache_control_add(control, line);
}

/* The application's own directives replace all others, except those that say that a response is not
 * for others at all: whoever wrote these knew better than a rule that stands elsewhere. */
static void use_own(cachette__http_answered *answered) {
  cachette__http_cache_control sent;
  cachette__http_cache_control_init(&sent);
  add_lines(&answered->message, &sent);
  answered->is_targeted = true;
  cachette__http_cache_control_add(&answered->control, answered->response->control);
  answered->control.directives |=
      sent.directives &
      (CACHETTE__HTTP_NO_STORE | CACHETTE__HTTP_PRIVATE | CACHETTE__HTTP_PRIVATE_FIELDS);
}

void cachette__http_look_at_response(const cachette_http_policy *policy,
                                     const cachette_http_response *response,
                                     cachette__http_answered *answered) {
  answered->response = response;
  answered->is_targeted = false;
  answered->content_length = -1;
  answered->targeted = (cachette_slice){NULL, 0};
  cachette__http_cache_control_init(&answered->control);
  answered->is_malformed = !cachette__http_look_through(&answered->message, response->fields) ||
                           !find_length(&answered->message, &answered->content_length) ||
                           cachette__http_lists_end_to_end(&answered->message);
  if (answered->is_malformed) {
    /* The fields may not have been looked through to their end. Do not trust what was found. */
    answered->control.directives = CACHETTE__HTTP_NO_STORE;
    return;
  }
  if (response->control.size > 0) {
    use_own(answered);
    return;
  }
  answered->is_targeted =
      policy->sharing == CACHETTE_HTTP_SHARED && find_targeted(policy, answered);
  if (!answered->is_targeted) add_lines(&answered->message, &answered->control);
}

/* ---- Fields that are stored ---- */

/* Returns whether a qualified directive names a field. */
static bool is_named(const cachette__http_answered *answered, const char *directive,
                     cachette_slice field) {
  cachette_slice lines[TARGETED_LINES_MAX], line, own = answered->response->control;
  if (own.size > 0 && cachette__http_names_field(own, directive, field)) return true;
  if (answered->targeted.size > 0) {
    size_t count = collect(&answered->message, answered->targeted, lines);
    return count <= TARGETED_LINES_MAX &&
           cachette__http_targeted_names_field(lines, count, directive, field);
  }
  for (size_t at = 0;
       cachette__http_line(&answered->message, CACHETTE__HTTP_CACHE_CONTROL, &at, &line);) {
    if (cachette__http_names_field(line, directive, field)) return true;
  }
  return false;
}

/* Returns whether the control says that a field is for one user (RFC 9111, 5.2.2.7), or must not
 * be reused without validation (5.2.2.4). Since the rest of the response may be reused, the latter
 * is left out, too. */
static bool is_withheld(const cachette_http_policy *policy, const cachette__http_answered *answered,
                        cachette_slice field) {
  unsigned directives = answered->control.directives;
  if ((directives & CACHETTE__HTTP_PRIVATE_FIELDS) != 0 &&
      policy->sharing == CACHETTE_HTTP_SHARED && is_named(answered, "private", field))
    return true;
  return (directives & CACHETTE__HTTP_NO_CACHE_FIELDS) != 0 &&
         is_named(answered, "no-cache", field);
}

bool cachette__http_sets_cookie(cachette_slice field) {
  return cachette__http_is(field, "set-cookie") || cachette__http_is(field, "set-cookie2");
}

bool cachette__http_is_stored(const cachette_http_policy *policy,
                              const cachette__http_answered *answered,
                              const cachette_http_field *field) {
  /* The age is counted on from the record (RFC 9111, 5.1), and the range of a part is computed:
   * less of it may be sent, and it may become the whole (RFC 9111, 3.2 and 3.4). */
  if (cachette__http_is(field->name, "age")) return false;
  if (answered->response->status == 206 && cachette__http_is(field->name, "content-range"))
    return false;
  if (policy->set_cookie != CACHETTE_HTTP_COOKIE_STORE && cachette__http_sets_cookie(field->name))
    return false;
  if (cachette__http_is_hop_by_hop(&answered->message, field)) return false; /* RFC 9111, 3.1 */
  return !is_withheld(policy, answered, field->name);
}

/* ---- Body and range ---- */

int64_t cachette__http_announced_size(const cachette__http_answered *answered) {
  const cachette_http_response *response = answered->response;
  if (response->body_size >= 0) return response->body_size;
  if (response->status == 204 || response->status == 304) return -1; /* RFC 9110, 8.6 */
  /* RFC 9112, 6.3: Transfer-Encoding overrides Content-Length. */
  bool is_overridden = cachette__http_has(&answered->message, CACHETTE__HTTP_TRANSFER_ENCODING);
  return is_overridden ? -1 : answered->content_length;
}

static bool is_multipart(const cachette__http_message *message) {
  cachette_slice line, type;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CONTENT_TYPE, &at, &line);) {
    if (cachette__http_next_of(&line, ';', &type) &&
        cachette__http_is(type, "multipart/byteranges"))
      return true;
  }
  return false;
}

bool cachette__http_answered_range(const cachette__http_answered *answered,
                                   cachette__http_content_range *range) {
  /* Content-Range means nothing in most other responses (RFC 9110, 14.4). */
  if (answered->response->status != 206 || is_multipart(&answered->message)) return false;
  cachette_slice value;
  cachette__http_content_range found;
  if (!cachette__http_single(&answered->message, CACHETTE__HTTP_CONTENT_RANGE, &value) ||
      !cachette__http_content_range_parse(value, &found) || found.first < 0)
    return false;
  *range = found;
  return true;
}
