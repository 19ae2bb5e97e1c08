/* SPDX-License-Identifier: MIT */
/*
 * Age, lifetime, stale windows and validators of a response. A row has the policy, the response,
 * and what is found, in seconds:
 *
 *     explicit 60 age 10 swr 5 sie 7 date -10 modified -100 etag "a" bytes 2/10 must
 *
 *     explicit 60   where the lifetime comes from, and how long it is; none: it is not known
 *     age           on arrival, if it is not 0
 *     swr, sie      stale-while-revalidate and stale-if-error, if they are not 0
 *     date          relative to HTTP_NOW, if it is not HTTP_NOW
 *     modified      the same for Last-Modified, if it is valid
 *     bytes         of a 206: the first byte, and the size of the whole
 *     must          never stale; validate: no-cache; immutable; own: stale only in its own windows
 */
#include "http/freshness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"
#include "http_policy.h"
#include "support.h"

struct found {
  enum cachette__http_life life;
  cachette__http_stored stored;
};

static struct found find(const cachette_http_policy *policy,
                         const cachette_http_response *response) {
  struct found found;
  cachette__http_answered answered;
  /* Nothing of what was there before may be left. */
  memset(&found, 0xa5, sizeof found);
  memset(&answered, 0xa5, sizeof answered);
  cachette__http_look_at_response(policy, response, &answered);
  found.life = cachette__http_find_freshness(policy, &answered, &found.stored);
  return found;
}

/* ---- As text ---- */

struct text {
  char bytes[256];
  size_t size;
};

static void add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t rest = sizeof text->bytes - text->size;
  int size = vsnprintf(text->bytes + text->size, rest, format, arguments);
  va_end(arguments);
  assert_true(size >= 0 && (size_t)size < rest);
  text->size += (size_t)size;
}

static void add_seconds(struct text *text, const char *label, int64_t ms) {
  add(text, " %s%s%" PRId64, label, ms < 0 ? "-" : "", (ms < 0 ? -ms : ms) / 1000);
  if (ms % 1000 != 0) add(text, ".%03" PRId64, (ms < 0 ? -ms : ms) % 1000);
}

static struct text describe(const struct found *found) {
  static const char *const lives[] = {"none", "explicit", "default", "heuristic"};
  const cachette__http_stored *stored = &found->stored;
  struct text text = {.size = 0};
  add(&text, "%s", lives[found->life]);
  if (found->life != CACHETTE__HTTP_LIFE_NONE || stored->lifetime_ms != 0)
    add_seconds(&text, "", stored->lifetime_ms);
  if (stored->initial_age_ms != 0) add_seconds(&text, "age ", stored->initial_age_ms);
  if (stored->while_revalidate_ms != 0) add_seconds(&text, "swr ", stored->while_revalidate_ms);
  if (stored->if_error_ms != 0) add_seconds(&text, "sie ", stored->if_error_ms);
  if (stored->date_ms != HTTP_NOW_MS) add_seconds(&text, "date ", stored->date_ms - HTTP_NOW_MS);
  if (stored->last_modified_ms != -1)
    add_seconds(&text, "modified ", stored->last_modified_ms - HTTP_NOW_MS);
  if (stored->etag.size > 0)
    add(&text, " etag %.*s", (int)stored->etag.size, (const char *)stored->etag.data);
  if (stored->total_size >= 0)
    add(&text, " bytes %" PRId64 "/%" PRId64, stored->first_byte, stored->total_size);
  if ((stored->flags & CACHETTE__HTTP_NEVER_STALE) != 0) add(&text, " must");
  if ((stored->flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0) add(&text, " validate");
  if ((stored->flags & CACHETTE__HTTP_NEVER_CHANGES) != 0) add(&text, " immutable");
  if ((stored->flags & CACHETTE__HTTP_OWN_WINDOWS) != 0) add(&text, " own");
  return text;
}

struct row {
  const char *rule, *policy, *response, *found;
};

static void check(const struct row *rows, size_t count) {
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    cachette_http_policy policy = http_policy(rows[i].policy);
    cachette_http_response *response = http_response_new(rows[i].response);
    struct found found = find(&policy, response);
    assert_int_equal(found.stored.status, response->status);
    assert_int_equal(found.stored.requested_ms, response->requested_ms);
    assert_int_equal(found.stored.received_ms, response->received_ms);
    struct text text = describe(&found);
    http_response_free(response);
    if (strcmp(text.bytes, rows[i].found) == 0) continue;
    print_error("%s [%s]\n%s\n  expected: %s\n  found:    %s\n", rows[i].rule, rows[i].policy,
                rows[i].response, rows[i].found, text.bytes);
    wrong++;
  }
  assert_int_equal(wrong, 0);
}

/* ---- Tables ---- */

static void the_lifetime_is_what_the_response_tells(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"4.2.1: nothing tells it", "", "200", "none"},
      {"4.2.1: max-age", "", "200\nCache-Control: max-age=60", "explicit 60"},
      {"5.2.2.1: max-age=0", "", "200\nCache-Control: max-age=0", "explicit 0"},
      {"4.2.1: any status has one", "", "503\nCache-Control: max-age=60", "explicit 60"},
      {"4.2.1: an unknown status, too", "", "299\nCache-Control: max-age=60", "explicit 60"},
      {"4.2.1: s-maxage beats max-age", "", "200\nCache-Control: max-age=60, s-maxage=90",
       "explicit 90 must"},
      {"4.2.1: also if it is shorter", "", "200\nCache-Control: s-maxage=1, max-age=60",
       "explicit 1 must"},
      {"5.2.2.10: also s-maxage=0", "", "200\nCache-Control: s-maxage=0, max-age=60",
       "explicit 0 must"},
      {"5.2.2.10: s-maxage in another line", "",
       "200\nCache-Control: max-age=60\nCache-Control: "
       "s-maxage=90",
       "explicit 90 must"},
      {"5.2.2.10: not in a private cache", "private", "200\nCache-Control: max-age=60, s-maxage=90",
       "explicit 60"},
      {"5.2.2.10: a private cache has no other", "private", "200\nCache-Control: s-maxage=90",
       "none"},
      {"4.2.1: Expires minus Date", "", "200\nDate: @-5\nExpires: @60",
       "explicit 65 age 5 date -5"},
      {"4.2.1: Expires without Date", "", "200\nExpires: @60", "explicit 60"},
      {"4.2.1: Expires without Date, milliseconds count", "", "200 received=250\nExpires: @60",
       "explicit 59.750 age 0.250 date 0.250"},
      {"5.3: Expires with an invalid Date", "", "200\nDate: foo\nExpires: @60", "explicit 60"},
      {"5.3: Expires is Date", "", "200\nDate: @0\nExpires: @0", "explicit 0"},
      {"5.3: Expires before Date", "", "200\nDate: @0\nExpires: @-1", "explicit 0"},
      {"5.3: Expires before a Date in the future", "", "200\nDate: @400\nExpires: @300",
       "explicit 0 date 400"},
      {"5.3: max-age beats Expires", "", "200\nExpires: @60\nCache-Control: max-age=5",
       "explicit 5"},
      {"5.3: s-maxage beats Expires", "", "200\nExpires: @60\nCache-Control: s-maxage=5",
       "explicit 5 must"},
      {"5.3: max-age=0 beats Expires", "", "200\nExpires: @60\nCache-Control: max-age=0",
       "explicit 0"},
      {"5.3: max-age beats an invalid Expires", "", "200\nExpires: 0\nCache-Control: max-age=5",
       "explicit 5"},
      {"5.3: private and s-maxage: Expires counts", "private",
       "200\nExpires: @60\nCache-Control: s-maxage=5", "explicit 60"},
      {"5.3: Expires: 0 has expired", "", "200\nExpires: 0", "explicit 0"},
      {"5.3: an empty Expires has expired", "", "200\nExpires:", "explicit 0"},
      {"5.3: Expires in another time zone", "", "200\nExpires: Sun, 06 Nov 2044 09:49:37 UTC",
       "explicit 0"},
      {"5.3: Expires with seconds instead of a date", "", "200\nExpires: 3600", "explicit 0"},
      {"5.3: Expires in the form of RFC 850", "", "200\nExpires: Sunday, 06-Nov-44 09:49:37 GMT",
       "explicit 3600"},
      {"RFC 9110, 5.6.7: a year of two digits, 49 years ahead", "",
       "200\nExpires: Friday, 06-Nov-93 08:49:37 GMT", "explicit 1546300800"},
      {"RFC 9110, 5.6.7: it is in the past if it were more than 50 years ahead", "",
       "200\nExpires: Friday, 06-Nov-95 08:49:37 GMT", "explicit 0"},
      {"5.3: Expires in the form of asctime()", "", "200\nExpires: Sun Nov  6 09:49:37 2044",
       "explicit 3600"},
      {"4.2.1: several equal lines of Expires", "", "200\nExpires: @60\nExpires: @60",
       "explicit 60"},
      {"4.2.1: several that differ have expired", "", "200\nExpires: @60\nExpires: @61",
       "explicit 0"},
      {"4.2.1: one of several is invalid", "", "200\nExpires: @60\nExpires: -1", "explicit 0"},
      {"4.2.1: the first of several is invalid", "", "200\nExpires: -1\nExpires: @60",
       "explicit 0"},
      {"4.2.1: the smallest of several max-age", "", "200\nCache-Control: max-age=60, max-age=5",
       "explicit 5"},
      {"4.2.1: an invalid max-age is 0", "", "200\nExpires: @60\nCache-Control: max-age=abc",
       "explicit 0"},
      {"5.2.2.1: a negative max-age is 0", "", "200\nCache-Control: max-age=-60", "explicit 0"},
      {"1.2.2: 2^31", "", "200\nCache-Control: max-age=2147483648", "explicit 2147483648"},
      {"1.2.2: more than 2^31", "", "200\nCache-Control: max-age=2147483649",
       "explicit 2147483648"},
      {"1.2.2: more than 2^64", "", "200\nCache-Control: max-age=99999999999999999999",
       "explicit 2147483648"},
      {"1.2.2: an Expires of the year 9999", "", "200\nExpires: Fri, 31 Dec 9999 23:59:59 GMT",
       "explicit 2147483648"},
      {"1.2.2: an Expires of the year 1", "", "200\nExpires: Mon, 01 Jan 0001 00:00:00 GMT",
       "explicit 0"},
      {"5.4: Pragma of a response means nothing", "",
       "200\nPragma: no-cache\nCache-Control: max-age=60", "explicit 60"},
  };
  check(rows, LENGTH(rows));
}

static void the_first_valid_targeted_field_counts_alone(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"RFC 9213, 2.2: it replaces a shorter one", "cdn",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: it replaces a longer one", "cdn",
       "200\nCDN-Cache-Control: max-age=1\nCache-Control: max-age=60", "explicit 1"},
      {"RFC 9213, 2.2: not if the policy does not name it", "",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=60", "explicit 1"},
      {"RFC 9213, 2.2: Expires does not count", "cdn",
       "200\nExpires: @60\nCDN-Cache-Control: public", "none"},
      {"RFC 9213, 2.2: max-age=0, and Expires", "cdn",
       "200\nExpires: @60\nCDN-Cache-Control: max-age=0", "explicit 0"},
      {"RFC 9213, 2.2: an expired Expires does not count", "cdn",
       "200\nExpires: 0\nCDN-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: no-cache of Cache-Control does not count", "cdn",
       "200\nCache-Control: no-cache\nCDN-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: windows of Cache-Control do not count", "cdn",
       "200\nCache-Control: stale-if-error=9\nCDN-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: s-maxage of Cache-Control does not count", "cdn",
       "200\nCache-Control: s-maxage=9\nCDN-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: malformed, it is absent", "cdn",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=60, &&", "explicit 1"},
      {"RFC 9213, 2.2: empty, it is absent", "cdn",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control:", "explicit 1"},
      {"RFC 9213, 2.2: the first of two", "my,cdn",
       "200\nCDN-Cache-Control: max-age=1\nMy-Cache-Control: max-age=60", "explicit 60"},
      {"RFC 9213, 2.2: the first is malformed", "my,cdn",
       "200\nCDN-Cache-Control: max-age=1\nMy-Cache-Control: max-age =60", "explicit 1"},
      {"RFC 9213, 2.2: the first is empty", "my,cdn",
       "200\nCDN-Cache-Control: max-age=1\nMy-Cache-Control:", "explicit 1"},
      {"RFC 9213, 2.1: several lines are one dictionary", "cdn",
       "200\nCDN-Cache-Control: immutable\ncdn-cache-control: max-age=60", "explicit 60 immutable"},
      {"RFC 9213, 2.2: Age counts still", "cdn", "200\nAge: 7\nCDN-Cache-Control: max-age=60",
       "explicit 60 age 7"},
      {"RFC 9213, 2.2: a private cache uses none", "cdn private",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=60", "explicit 1"},
      {"RFC 9213, 3.1: the policy of the RFCs has it", "rfc",
       "200\nCache-Control: max-age=1\nCDN-Cache-Control: max-age=60", "explicit 60 sie 86400"},
  };
  check(rows, LENGTH(rows));
}

static void the_age_on_arrival_is_the_larger_of_two(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"4.2.3: Date is now", "", "200\nDate: @0", "none"},
      {"4.2.3: apparent_age", "", "200\nDate: @-30", "none age 30 date -30"},
      {"4.2.3: a Date in the future is no negative age", "", "200\nDate: @30", "none date 30"},
      {"4.2.3: Age", "", "200\nDate: @0\nAge: 7", "none age 7"},
      {"4.2.3: Age is larger", "", "200\nDate: @-3\nAge: 7", "none age 7 date -3"},
      {"4.2.3: apparent_age is larger", "", "200\nDate: @-9\nAge: 7", "none age 9 date -9"},
      {"4.2.3: response_delay is added to Age", "", "200 asked=-1500\nAge: 7", "none age 8.500"},
      {"4.2.3: response_delay without Age", "", "200 asked=-1500", "none age 1.500"},
      {"4.2.3: response_delay is not added to apparent_age", "", "200 asked=-1500\nDate: @-30",
       "none age 30 date -30"},
      {"4.2.3: a negative delay is none", "", "200 asked=1500\nAge: 7", "none age 7"},
      {"4.2.3: Date has no fraction of a second", "", "200 received=999 asked=999\nDate: @0",
       "none"},
      {"4.2.3: nor has what is compared with it", "", "200 received=1001 asked=1001\nDate: @0",
       "none age 1"},
      {"RFC 9110, 6.6.1: without Date, the time of receipt", "", "200 received=500 asked=500",
       "none date 0.500"},
      {"RFC 9110, 6.6.1: the same if it is invalid", "", "200\nDate: yesterday", "none"},
      {"RFC 9110, 6.6.1: of several Dates the earliest", "", "200\nDate: @-5\nDate: @-50",
       "none age 50 date -50"},
      {"RFC 9110, 6.6.1: in any order", "", "200\nDate: @-50\nDate: @-5", "none age 50 date -50"},
      {"RFC 9110, 6.6.1: of those that are valid", "", "200\nDate: x\nDate: @-5",
       "none age 5 date -5"},
      {"5.1: not a number", "", "200\nAge: abc", "none"},
      {"5.1: negative", "", "200\nAge: -7200", "none"},
      {"5.1: a decimal", "", "200\nAge: 7200.0", "none"},
      {"5.1: empty", "", "200\nAge:", "none"},
      {"5.1: the first member counts", "", "200\nAge: 0, 7200", "none"},
      {"5.1: the first member counts, if it is large", "", "200\nAge: 7200, 0", "none age 7200"},
      {"5.1: the first line counts", "", "200\nAge: 0\nAge: 7200", "none"},
      {"5.1: the first line counts, if it is large", "", "200\nAge: 7200\nAge: 0", "none age 7200"},
      {"5.1: an empty line has no member", "", "200\nAge:\nAge: 7200", "none age 7200"},
      {"5.1: an invalid first member", "", "200\nAge: x, 7200", "none"},
      {"1.2.2: 2^31", "", "200\nAge: 2147483648", "none age 2147483648"},
      {"1.2.2: more than 2^31", "", "200\nAge: 2147483649", "none age 2147483648"},
      {"1.2.2: more than 2^64", "", "200\nAge: 99999999999999999999", "none age 2147483648"},
      {"1.2.2: with a delay", "", "200 asked=-5\nAge: 2147483648", "none age 2147483648"},
      {"1.2.2: a Date of the year 1", "", "200\nDate: Mon, 01 Jan 0001 00:00:00 GMT",
       "none age 2147483648 date -64497631777"},
  };
  check(rows, LENGTH(rows));
}

static void without_a_lifetime_the_policy_may_have_one(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"default_ttl", "ttl=30", "200", "default 30"},
      {"default_ttl: 203", "ttl=30", "203", "default 30"},
      {"default_ttl: 300", "ttl=30", "300", "default 30"},
      {"default_ttl: 301", "ttl=30", "301", "default 30"},
      {"default_ttl: 308", "ttl=30", "308", "default 30"},
      {"default_ttl: not 204, which may be an accident", "ttl=30", "204", "none"},
      {"default_ttl: not 404, which may be an attack", "ttl=30", "404", "none"},
      {"default_ttl: not 400", "ttl=30", "400", "none"},
      {"default_ttl: not 501", "ttl=30", "501", "none"},
      {"default_ttl: not 302", "ttl=30", "302", "none"},
      {"default_ttl: not a status beside one", "ttl=30", "201", "none"},
      {"default_ttl: not with max-age", "ttl=30", "200\nCache-Control: max-age=0", "explicit 0"},
      {"default_ttl: not with a malformed max-age", "ttl=30", "200\nCache-Control: max-age=x",
       "explicit 0"},
      {"default_ttl: not with a malformed Expires", "ttl=30", "200\nExpires: x", "explicit 0"},
      {"default_ttl: not with no-cache", "ttl=30", "200\nCache-Control: no-cache", "none validate"},
      {"default_ttl: with public", "ttl=30", "200\nCache-Control: public", "default 30"},
      {"default_ttl: not by public", "ttl=30", "404\nCache-Control: public", "none"},
      {"default_ttl: before a heuristic", "ttl=30 heuristic", "200\nLast-Modified: @-1000",
       "default 30 modified -1000"},
      {"default_ttl: at most 2^31 s", "ttl=9999999999", "200", "default 2147483648"},
      {"4.2.2: only if the policy has it", "", "200\nLast-Modified: @-1000", "none modified -1000"},
      {"4.2.2: a tenth", "heuristic", "200\nDate: @0\nLast-Modified: @-1000",
       "heuristic 100 modified -1000"},
      {"4.2.2: a tenth up to Date", "heuristic", "200\nDate: @-100\nLast-Modified: @-1000",
       "heuristic 90 age 100 date -100 modified -1000"},
      {"4.2.2: a tenth of a second", "heuristic", "200\nLast-Modified: @-1",
       "heuristic 0.100 modified -1"},
      {"4.2.2: at most a day", "heuristic", "200\nLast-Modified: @-864001",
       "heuristic 86400 modified -864001"},
      {"4.2.2: modified when Unix time began", "heuristic",
       "200\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT", "heuristic 86400 modified -2362034977"},
      {"4.2.2: just a day", "heuristic", "200\nLast-Modified: @-863990",
       "heuristic 86399 modified -863990"},
      {"4.2.2: modified now", "heuristic", "200\nLast-Modified: @0", "none modified 0"},
      {"4.2.2: modified in the future", "heuristic", "200\nLast-Modified: @9", "none modified 9"},
      {"4.2.2: modified after Date", "heuristic", "200\nDate: @-9\nLast-Modified: @-8",
       "none age 9 date -9 modified -8"},
      {"4.2.2: without Last-Modified", "heuristic", "200\nETag: \"a\"", "none etag \"a\""},
      {"4.2.2: Last-Modified is malformed", "heuristic", "200\nLast-Modified: 1", "none"},
      {"4.2.2: not with Expires", "heuristic", "200\nExpires: 0\nLast-Modified: @-1000",
       "explicit 0 modified -1000"},
      {"4.2.2: not with max-age", "heuristic",
       "200\nCache-Control: max-age=1\nLast-Modified: @-1000", "explicit 1 modified -1000"},
      {"4.2.2: not with no-cache", "heuristic",
       "200\nCache-Control: no-cache\nLast-Modified: @-1000", "none modified -1000 validate"},
      {"4.2.2: a private cache ignores s-maxage", "heuristic private",
       "200\nCache-Control: s-maxage=1\nLast-Modified: @-1000", "heuristic 100 modified -1000"},
      {"RFC 9213, 2.2: the same for Expires beside a targeted field", "heuristic cdn",
       "200\nExpires: 0\nCDN-Cache-Control: foo\nLast-Modified: @-1000",
       "heuristic 100 modified -1000"},
      {"4.2.2: of any status that is public", "heuristic",
       "599\nCache-Control: public\nLast-Modified: @-1000", "heuristic 100 modified -1000"},
  };
  check(rows, LENGTH(rows));
}

static void only_some_statuses_have_a_heuristic_lifetime(void **state) {
  (void)state; /* RFC 9110, 15.1 */
  static const int known[] = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501};
  cachette_http_policy policy = http_policy("heuristic");
  cachette_http_response *response = http_response_new("200\nLast-Modified: @-1000");
  size_t next = 0;
  for (response->status = 200; response->status <= 599; response->status++) {
    bool is_known = next < LENGTH(known) && known[next] == response->status;
    if (is_known) next++;
    if ((find(&policy, response).life == CACHETTE__HTTP_LIFE_HEURISTIC) != is_known)
      fail_msg("status %d", response->status);
  }
  assert_int_equal(next, LENGTH(known));
  http_response_free(response);
}

static void stale_windows_are_those_of_the_response_or_of_the_policy(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"RFC 5861, 3", "", "200\nCache-Control: max-age=1, stale-while-revalidate=5",
       "explicit 1 swr 5"},
      {"RFC 5861, 4", "", "200\nCache-Control: max-age=1, stale-if-error=7", "explicit 1 sie 7"},
      {"RFC 5861: the policy's", "swr=50 sie=70", "200\nCache-Control: max-age=1",
       "explicit 1 swr 50 sie 70"},
      {"RFC 5861: each by itself", "swr=50 sie=70",
       "200\nCache-Control: max-age=1, stale-if-error=7", "explicit 1 swr 50 sie 7"},
      {"RFC 5861: an explicit 0", "swr=50 sie=70",
       "200\nCache-Control: max-age=1, stale-while-revalidate=0", "explicit 1 sie 70"},
      {"RFC 5861: a malformed one is 0", "swr=50 sie=70",
       "200\nCache-Control: max-age=1, stale-if-error=x", "explicit 1 swr 50"},
      {"RFC 5861: at most 2^31 s", "", "200\nCache-Control: max-age=1, stale-if-error=99999999999",
       "explicit 1 sie 2147483648"},
      {"RFC 5861: the policy's, at most 2^31 s", "swr=99999999999", "200\nCache-Control: max-age=1",
       "explicit 1 swr 2147483648"},
      {"5.2.2.2: must-revalidate", "swr=50 sie=70",
       "200\nCache-Control: max-age=1, must-revalidate", "explicit 1 must"},
      {"5.2.2.2: it beats explicit windows", "",
       "200\nCache-Control: max-age=1, must-revalidate, stale-while-revalidate=5, stale-if-error=7",
       "explicit 1 must"},
      {"5.2.2.2: in a private cache, too", "private sie=70",
       "200\nCache-Control: max-age=1, must-revalidate", "explicit 1 must"},
      {"5.2.2.8: proxy-revalidate", "sie=70", "200\nCache-Control: max-age=1, proxy-revalidate",
       "explicit 1 must"},
      {"5.2.2.8: not in a private cache", "sie=70 private",
       "200\nCache-Control: max-age=1, proxy-revalidate", "explicit 1 sie 70"},
      {"5.2.2.10: s-maxage", "swr=50 sie=70", "200\nCache-Control: s-maxage=1", "explicit 1 must"},
      {"5.2.2.10: not in a private cache", "sie=70 private",
       "200\nCache-Control: max-age=1, s-maxage=2", "explicit 1 sie 70"},
      {"5.2.2.10: s-maxage with a window of its own", "swr=50 sie=70",
       "200\nCache-Control: s-maxage=1, stale-if-error=7", "explicit 1 sie 7 own"},
      {"5.2.2.10: s-maxage with the other window", "swr=50 sie=70",
       "200\nCache-Control: s-maxage=1, stale-while-revalidate=5", "explicit 1 swr 5 own"},
      {"5.2.2.10: s-maxage with a window of 0", "swr=50 sie=70",
       "200\nCache-Control: s-maxage=1, stale-if-error=0", "explicit 1 own"},
      {"5.2.2.10: s-maxage with the other window of 0", "swr=50 sie=70",
       "200\nCache-Control: s-maxage=1, stale-while-revalidate=0", "explicit 1 own"},
      {"5.2.2.10: s-maxage with windows, and must-revalidate", "",
       "200\nCache-Control: s-maxage=1, stale-if-error=7, must-revalidate", "explicit 1 must own"},
      {"5.2.2.4: no-cache", "swr=50 sie=70", "200\nCache-Control: max-age=1, no-cache",
       "explicit 1 validate"},
      {"5.2.2.4: no-cache beats explicit windows", "",
       "200\nCache-Control: max-age=1, no-cache, stale-if-error=7", "explicit 1 validate"},
      {"5.2.2.4: a qualified one does not", "sie=70",
       "200\nCache-Control: max-age=1, no-cache=\"a\"", "explicit 1 sie 70"},
      {"5.2.2.4: an empty one is unqualified", "sie=70",
       "200\nCache-Control: max-age=1, no-cache=\"\"", "explicit 1 validate"},
      {"RFC 8246: immutable", "", "200\nCache-Control: max-age=1, immutable",
       "explicit 1 immutable"},
      {"RFC 8246: immutable has no argument", "", "200\nCache-Control: max-age=1, immutable=1",
       "explicit 1"},
  };
  check(rows, LENGTH(rows));
}

static void validators_are_valid_single_and_stored(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"RFC 9110, 8.8.3: strong", "", "200\nETag: \"a\"", "none etag \"a\""},
      {"RFC 9110, 8.8.3: weak", "", "200\nETag: W/\"a\"", "none etag W/\"a\""},
      {"RFC 9110, 8.8.3: empty inside", "", "200\nETag: \"\"", "none etag \"\""},
      {"RFC 9110, 8.8.3: without quotes", "", "200\nETag: a", "none"},
      {"RFC 9110, 8.8.3: a lower-case w", "", "200\nETag: w/\"a\"", "none"},
      {"RFC 9110, 8.8.3: two lines", "", "200\nETag: \"a\"\nETag: \"a\"", "none"},
      {"RFC 9110, 8.8.3: empty", "", "200\nETag:", "none"},
      {"RFC 9110, 8.8.2", "", "200\nLast-Modified: @-5", "none modified -5"},
      {"RFC 9110, 8.8.2: two lines", "", "200\nLast-Modified: @-5\nLast-Modified: @-5", "none"},
      {"RFC 9110, 8.8.2: malformed", "", "200\nLast-Modified: now", "none"},
      {"RFC 9110, 8.8.2: at the start of Unix time", "",
       "200\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT", "none modified -2362034977"},
      {"RFC 9110, 8.8.2: before Unix time", "", "200\nLast-Modified: Wed, 31 Dec 1969 23:59:59 GMT",
       "none"},
      {"5.2.2.7: private=\"ETag\"", "", "200\nETag: \"a\"\nCache-Control: private=\"ETag\"",
       "none"},
      {"5.2.2.7: not in a private cache", "private",
       "200\nETag: \"a\"\nCache-Control: private=\"ETag\"", "none etag \"a\""},
      {"5.2.2.4: no-cache=\"last-modified\"", "private",
       "200\nLast-Modified: @-5\nCache-Control: no-cache=\"last-modified\"", "none"},
  };
  check(rows, LENGTH(rows));
}

static void a_206_has_its_range(void **state) {
  (void)state;
  static const struct row rows[] = {
      {"RFC 9110, 14.4", "", "206\nContent-Range: bytes 2-5/10", "none bytes 2/10"},
      {"RFC 9110, 14.4: all of it", "", "206\nContent-Range: bytes 0-9/10", "none bytes 0/10"},
      {"RFC 9110, 14.4: of unknown size", "", "206\nContent-Range: bytes 2-5/*", "none bytes 0/0"},
      {"RFC 9110, 14.4: unsatisfied", "", "206\nContent-Range: bytes */10", "none bytes 0/0"},
      {"RFC 9110, 14.4: malformed", "", "206\nContent-Range: bytes 5-2/10", "none bytes 0/0"},
      {"RFC 9110, 14.4: absent", "", "206", "none bytes 0/0"},
      {"RFC 9110, 14.4: two lines", "",
       "206\nContent-Range: bytes 2-5/10\nContent-Range: bytes 2-5/10", "none bytes 0/0"},
      {"RFC 9110, 14.6: several parts", "",
       "206\nContent-Type: multipart/byteranges; boundary=x\nContent-Range: bytes 2-5/10",
       "none bytes 0/0"},
      {"RFC 9110, 14.4: of another status", "", "200\nContent-Range: bytes 2-5/10", "none"},
  };
  check(rows, LENGTH(rows));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_lifetime_is_what_the_response_tells),
      cmocka_unit_test(the_first_valid_targeted_field_counts_alone),
      cmocka_unit_test(the_age_on_arrival_is_the_larger_of_two),
      cmocka_unit_test(without_a_lifetime_the_policy_may_have_one),
      cmocka_unit_test(only_some_statuses_have_a_heuristic_lifetime),
      cmocka_unit_test(stale_windows_are_those_of_the_response_or_of_the_policy),
      cmocka_unit_test(validators_are_valid_single_and_stored),
      cmocka_unit_test(a_206_has_its_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
