/* SPDX-License-Identifier: MIT */
/*
 * Ranges of bytes: the fields Range (RFC 9110, 14.2) and Content-Range (14.4). Positions count from
 * 0, and the last one is included. Only one range is served: a request for several may always be
 * answered with the whole representation.
 */
#ifndef CACHETTE_HTTP_RANGE_H
#define CACHETTE_HTTP_RANGE_H

#include "cachette.h"

/* ---- Range ---- */

/*
 * A range as it was asked for. A number that is too large becomes INT64_MAX.
 *
 *     bytes=2-5    first 2, last 5, suffix -1
 *     bytes=2-     first 2, last -1, suffix -1      from 2 to the end
 *     bytes=-5     first -1, last -1, suffix 5      the last 5 bytes
 */
typedef struct cachette__http_range_spec {
  int64_t first, last, suffix;
} cachette__http_range_spec;

/* Parses a Range field, for when the size of the representation is not known. False: it is
 * malformed, or has several ranges or another unit; `spec` is unchanged. */
bool cachette__http_range_parse(cachette_slice text, cachette__http_range_spec *spec);

enum cachette__http_range_result {
  CACHETTE__HTTP_RANGE_NONE,         /* ignore the field: 200 */
  CACHETTE__HTTP_RANGE_SATISFIABLE,  /* 206 */
  CACHETTE__HTTP_RANGE_UNSATISFIABLE /* 416 */
};

/* Applies a Range field to a representation of `size` bytes. If it is satisfiable, `first` and
 * `last` are set, and 0 <= first <= last < size. */
enum cachette__http_range_result cachette__http_range_select(cachette_slice text, int64_t size,
                                                             int64_t *first, int64_t *last);

/* ---- Content-Range ---- */

/*
 *     bytes 2-5/10     first 2, last 5, total 10
 *     bytes 2-5/ *     first 2, last 5, total -1     (without the space)
 *     bytes * /10      first -1, last -1, total 10   (without the space): the range of a 416
 */
typedef struct cachette__http_content_range {
  int64_t first, last, total;
} cachette__http_content_range;

/* Parses a Content-Range field. False: it is malformed, contradicts itself, has another unit or a
 * number from INT64_MAX on; `range` is unchanged. */
bool cachette__http_content_range_parse(cachette_slice text, cachette__http_content_range *range);

enum { CACHETTE__HTTP_CONTENT_RANGE_SIZE = 72 }; /* enough for any, including the NUL */

/* Writes a Content-Range field with a NUL at its end. Returns its size without the NUL. */
size_t cachette__http_content_range_format(const cachette__http_content_range *range,
                                           char text[CACHETTE__HTTP_CONTENT_RANGE_SIZE]);

#endif
