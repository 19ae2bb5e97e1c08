/* SPDX-License-Identifier: MIT */
/*
 * HTTP dates (RFC 9110, 5.6.7): three forms are read, the first is written.
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT     RFC 850
 *     Sun Nov  6 08:49:37 1994           asctime()
 *
 * Times are seconds since 1970 in UTC, from the year 1 to 9999. The arithmetic is our own, because
 * the C library's depends on the locale and on the time zone.
 */
#ifndef CACHETTE_HTTP_DATE_H
#define CACHETTE_HTTP_DATE_H

#include "cachette.h"

enum { CACHETTE__HTTP_DATE_SIZE = 30 }; /* bytes of an IMF-fixdate, including the NUL */

/*
 * Parses a date. `now_s` decides which century a year of two digits belongs to. False: it is not a
 * date; `seconds` is unchanged. The grammar is strict: whitespace counts, and the day must exist in
 * its month. But case does not matter (RFC 9111, 4.2). A leap second is the first second of the
 * next minute.
 *
 * The weekday must be a name, but it may be another day's: nothing depends on it, and the digits
 * are what the sender computed.
 */
bool cachette__http_date_parse(cachette_slice text, int64_t now_s, int64_t *seconds);

/* Writes a time as an IMF-fixdate, with a NUL at its end. A time before the year 1 or after 9999
 * becomes the first or the last second of these years. */
void cachette__http_date_format(int64_t seconds, char text[CACHETTE__HTTP_DATE_SIZE]);

#endif
