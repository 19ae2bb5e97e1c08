/* SPDX-License-Identifier: MIT */
#include "range.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* Splits a text at the first `separator`. False: there is none. */
static bool split(cachette_slice text, char separator, cachette_slice *left,
                  cachette_slice *right) {
  const char *found = text.size > 0 ? memchr(text.data, separator, text.size) : NULL;
  if (found == NULL) return false;
  size_t size = (size_t)(found - (const char *)text.data);
  *left = cachette__http_first(text, size);
  *right = cachette__http_from(text, size + 1);
  return true;
}

/* ---- Range ---- */

/* Takes the one element of a list. False: there are none, or several. Whitespace is allowed around
 * commas only (RFC 9110, 5.6.1.2). */
static bool take_only(cachette_slice list, cachette_slice *element) {
  cachette_slice other;
  if (cachette__http_trim(list).size != list.size) return false;
  return cachette__http_next(&list, element) && !cachette__http_next(&list, &other);
}

bool cachette__http_range_parse(cachette_slice text, cachette__http_range_spec *spec) {
  cachette__http_range_spec found = {-1, -1, -1};
  cachette_slice unit, set, range, first, last;
  if (!split(text, '=', &unit, &set) || !cachette__http_is(unit, "bytes")) return false;
  if (!take_only(set, &range) || !split(range, '-', &first, &last)) return false;
  if (first.size == 0) {
    if (!cachette__http_number(last, INT64_MAX, &found.suffix)) return false;
  } else {
    if (!cachette__http_number(first, INT64_MAX, &found.first)) return false;
    if (last.size > 0 && !cachette__http_number(last, INT64_MAX, &found.last)) return false;
    if (last.size > 0 && found.last < found.first) return false; /* RFC 9110, 14.1.1: invalid */
  }
  *spec = found;
  return true;
}

enum cachette__http_range_result cachette__http_range_select(cachette_slice text, int64_t size,
                                                             int64_t *first, int64_t *last) {
  cachette__http_range_spec spec;
  if (!cachette__http_range_parse(text, &spec)) return CACHETTE__HTTP_RANGE_NONE;
  /* RFC 9110, 14.1.2: a suffix may be longer than the representation, but not empty. */
  if (spec.suffix == 0) return CACHETTE__HTTP_RANGE_UNSATISFIABLE;
  if (spec.suffix > 0) {
    /* A suffix of nothing is satisfiable, but no Content-Range could tell its positions. */
    if (size <= 0) return CACHETTE__HTTP_RANGE_NONE;
    spec.first = spec.suffix < size ? size - spec.suffix : 0;
  }
  if (spec.first >= size) return CACHETTE__HTTP_RANGE_UNSATISFIABLE;
  *first = spec.first;
  *last = spec.last >= 0 && spec.last < size ? spec.last : size - 1;
  return CACHETTE__HTTP_RANGE_SATISFIABLE;
}

/* ---- Content-Range ---- */

/* A number that was cut to INT64_MAX would be another range, so this is none. */
static bool read_exactly(cachette_slice text, int64_t *number) {
  return cachette__http_number(text, INT64_MAX, number) && *number < INT64_MAX;
}

static bool is_star(cachette_slice text) { return cachette__http_is(text, "*"); }

bool cachette__http_content_range_parse(cachette_slice text, cachette__http_content_range *range) {
  cachette__http_content_range found = {-1, -1, -1};
  cachette_slice unit, rest, positions, total, first, last;
  if (!split(text, ' ', &unit, &rest) || !cachette__http_is(unit, "bytes")) return false;
  if (!split(rest, '/', &positions, &total)) return false;
  if (!is_star(total) && !read_exactly(total, &found.total)) return false;
  if (is_star(positions)) {
    if (found.total < 0) return false; /* nothing is known then */
  } else {
    if (!split(positions, '-', &first, &last)) return false;
    if (!read_exactly(first, &found.first) || !read_exactly(last, &found.last)) return false;
    /* RFC 9110, 14.4: such a range must not be combined with anything. */
    if (found.last < found.first || (found.total >= 0 && found.total <= found.last)) return false;
  }
  *range = found;
  return true;
}

size_t cachette__http_content_range_format(const cachette__http_content_range *range,
                                           char text[CACHETTE__HTTP_CONTENT_RANGE_SIZE]) {
  const size_t size = CACHETTE__HTTP_CONTENT_RANGE_SIZE;
  int length;
  if (range->first < 0)
    length = snprintf(text, size, "bytes */%" PRId64, range->total);
  else if (range->total < 0)
    length = snprintf(text, size, "bytes %" PRId64 "-%" PRId64 "/*", range->first, range->last);
  else
    length = snprintf(text, size, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->first,
                      range->last, range->total);
  return (size_t)length;
}
