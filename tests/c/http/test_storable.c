/* SPDX-License-Identifier: MIT */
/* May a response be stored, and how long is it kept? Who may see it: test_storable_audience.c. */
#include <string.h>

#include "http_storing.h"
#include "support.h"

static void some_methods_have_responses_that_are_stored(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"3: GET", "", "GET /", "200" FRESH, ""},
      {"RFC 9110, 9.3.2: HEAD has no body", "", "HEAD /", "200" FRESH, "method"},
      {"RFC 10008: QUERY", "", "QUERY /", "200" FRESH, ""},
      {"RFC 9110, 9.3.3: POST", "", "POST /", "200" FRESH, "method"},
      {"RFC 9110, 9.3.3: POST, opted in", "post", "POST /", "200" FRESH, ""},
      {"RFC 9110, 9.3.3: POST needs explicit freshness", "post", "POST /", "200", "no-freshness"},
      {"RFC 9110, 9.3.3: not a default", "post ttl=60", "POST /", "200", "no-freshness"},
      {"RFC 9110, 9.3.3: not a heuristic", "post heuristic", "POST /", "200\nLast-Modified: @-1000",
       "no-freshness"},
      {"RFC 9110, 9.3.3: not no-cache alone", "post", "POST /",
       "200\nCache-Control: no-cache\nETag: \"a\"", "no-freshness"},
      {"RFC 9110, 9.3.3: Expires is explicit", "post", "POST /", "200\nExpires: @60", ""},
      {"RFC 10008: QUERY may have a default", "ttl=60", "QUERY /", "200", ""},
      {"RFC 9110, 9.2.2: PUT", "", "PUT /", "200" FRESH, "method"},
      {"RFC 9110, 9.2.2: DELETE", "", "DELETE /", "200" FRESH, "method"},
      {"RFC 9110, 9.3.7: OPTIONS", "", "OPTIONS *", "200" FRESH, "method"},
      {"4.4: an unknown method", "", "M-SEARCH /", "200" FRESH, "method"},
      {"3: method before status", "", "PUT /", "304" FRESH, "method"},
  };
  check_storing(rows, LENGTH(rows));
}

static void the_status_must_be_final_and_cacheable(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"3: 200", "", "GET /", "200" FRESH, ""},
      {"3: 201, explicit", "", "GET /", "201" FRESH, ""},
      {"3: 204, explicit", "", "GET /", "204" FRESH, ""},
      {"3: 299, explicit", "", "GET /", "299" FRESH, ""},
      {"3: 302, explicit", "", "GET /", "302" FRESH, ""},
      {"3: 400, explicit", "", "GET /", "400" FRESH, ""},
      {"3: 403, explicit", "", "GET /", "403" FRESH, ""},
      {"3: 404, explicit", "", "GET /", "404" FRESH, ""},
      {"RFC 9110, 15.5.13: 412 is about conditions", "", "GET /", "412" FRESH, "status"},
      {"RFC 9110, 15.5.17: 416 is about a range", "", "GET /", "416" FRESH, "status"},
      {"RFC 9110, 15.5.18: 417 is about Expect", "", "GET /", "417" FRESH, "status"},
      {"3: 418, explicit", "", "GET /", "418" FRESH, ""},
      {"3: 499, explicit", "", "GET /", "499" FRESH, ""},
      {"3: 500, explicit", "", "GET /", "500" FRESH, ""},
      {"3: 503, Expires", "", "GET /", "503\nExpires: @60", ""},
      {"3: 599, s-maxage", "", "GET /", "599\nCache-Control: s-maxage=60", ""},
      {"RFC 8470, 5.2: 425", "", "GET /", "425" FRESH, "status"},
      {"RFC 8470, 5.2: not its neighbor", "", "GET /", "426" FRESH, ""},
      {"RFC 6585, 3: 428", "", "GET /", "428" FRESH, "status"},
      {"RFC 6585, 4: 429", "", "GET /", "429" FRESH, "status"},
      {"RFC 6585, 5: 431", "", "GET /", "431" FRESH, "status"},
      {"RFC 6585, 6: 511", "", "GET /", "511" FRESH, "status"},
      {"RFC 6585, 6: not its neighbor", "", "GET /", "510" FRESH, ""},
      {"3: 600", "", "GET /", "600" FRESH, "status"},
      {"3: 199", "", "GET /", "199" FRESH, "status"},
      {"3: 103", "", "GET /", "103" FRESH, "status"},
      {"3: 0", "", "GET /", "0" FRESH, "status"},
      {"3: a negative status", "", "GET /", "-200" FRESH, "status"},
      {"4.3.3: 304", "", "GET /", "304" FRESH, "not-modified"},
      {"3: 201 without freshness", "heuristic", "GET /", "201\nLast-Modified: @-1000", "status"},
      {"3: 202 without freshness", "heuristic", "GET /", "202\nLast-Modified: @-1000", "status"},
      {"3: 302 without freshness", "heuristic", "GET /", "302\nLast-Modified: @-1000", "status"},
      {"3: 400 without freshness", "heuristic ttl=60", "GET /", "400\nLast-Modified: @-1000",
       "status"},
      {"3: 403 without freshness", "heuristic ttl=60", "GET /", "403\nLast-Modified: @-1000",
       "status"},
      {"3: 500 without freshness", "heuristic ttl=60", "GET /", "500\nLast-Modified: @-1000",
       "status"},
      {"3: 503 without freshness", "heuristic ttl=60", "GET /", "503\nLast-Modified: @-1000",
       "status"},
      {"3: 599 without freshness", "heuristic", "GET /", "599\nLast-Modified: @-1000", "status"},
      {"3: 599, public", "heuristic", "GET /", "599\nLast-Modified: @-1000\nCache-Control: public",
       ""},
      {"3: 403 and no-cache is not explicit", "", "GET /",
       "403\nCache-Control: no-cache\nETag: \"a\"", "status"},
      {"3: 404 and no-cache", "", "GET /", "404\nCache-Control: no-cache\nETag: \"a\"", ""},
  };
  check_storing(rows, LENGTH(rows));
}

static void no_store_is_obeyed(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"5.2.2.5: no-store", "", "GET /", "200\nCache-Control: no-store", "no-store"},
      {"5.2.2.5: with freshness", "", "GET /", "200\nCache-Control: max-age=60, no-store",
       "no-store"},
      {"5.2.2.5: in another line", "", "GET /", "200" FRESH "\nCache-Control: no-store",
       "no-store"},
      {"5.2.2.5: in any case", "", "GET /", "200\nCache-Control: max-age=60, No-StOrE", "no-store"},
      {"5.2.2.5: with an argument", "", "GET /", "200\nCache-Control: max-age=60, no-store=x",
       "no-store"},
      {"5.2.2.5: blanks round it", "", "GET /", "200\nCache-Control: max-age=60 ,  no-store ",
       "no-store"},
      {"5.2.2.5: behind an open quote", "", "GET /",
       "200\nCache-Control: max-age=60, a=\"b, no-store", "no-store"},
      {"5.2.2.5: a name that has it in front", "", "GET /",
       "200\nCache-Control: max-age=60, no-stores", ""},
      {"5.2.2.5: inside a quoted argument", "", "GET /",
       "200\nCache-Control: max-age=60, a=\"no-store\"", ""},
      {"5.2.2.5: in a private cache, too", "private", "GET /",
       "200\nCache-Control: max-age=60, no-store", "no-store"},
      {"5.2.2.5: beats public", "rfc", "GET /", "200\nCache-Control: public, no-store, max-age=60",
       "no-store"},
      {"5.2.1.5: of the request", "", "GET /\nCache-Control: no-store", "200" FRESH, "no-store"},
      {"5.2.1.5: of the request, full", "full", "GET /\nCache-Control: no-store", "200" FRESH,
       "no-store"},
      {"5.2.1.5: of the request, ignored", "ignore", "GET /\nCache-Control: no-store", "200" FRESH,
       ""},
      {"5.2.1.4: no-cache of the request does not matter", "full", "GET /\nCache-Control: no-cache",
       "200" FRESH, ""},
      {"5.2.2.3: must-understand, a status that is understood", "", "GET /",
       "200\nCache-Control: no-store, must-understand, max-age=60", ""},
      {"5.2.2.3: 404", "", "GET /", "404\nCache-Control: no-store, must-understand, max-age=60",
       ""},
      {"5.2.2.3: 302", "", "GET /", "302\nCache-Control: no-store, must-understand, max-age=60",
       ""},
      {"5.2.2.3: 401", "", "GET /", "401\nCache-Control: no-store, must-understand, max-age=60",
       ""},
      {"5.2.2.3: 500", "", "GET /", "500\nCache-Control: no-store, must-understand, max-age=60",
       ""},
      {"5.2.2.3: 499", "", "GET /", "499\nCache-Control: no-store, must-understand, max-age=60",
       "no-store"},
      {"5.2.2.3: 505", "", "GET /", "505\nCache-Control: no-store, must-understand, max-age=60",
       ""},
      {"5.2.2.3: 506", "", "GET /", "506\nCache-Control: no-store, must-understand, max-age=60",
       "no-store"},
      {"5.2.2.3: 599", "", "GET /", "599\nCache-Control: no-store, must-understand, max-age=60",
       "no-store"},
      {"5.2.2.3: 599 without no-store", "", "GET /",
       "599\nCache-Control: must-understand, max-age=60", "not-understood"},
      {"5.2.2.3: 200 without no-store", "", "GET /",
       "200\nCache-Control: must-understand, max-age=60", ""},
      {"5.2.2.3: with an argument it is not the directive", "", "GET /",
       "200\nCache-Control: no-store, must-understand=1, max-age=60", "no-store"},
      {"5.2.2.3: no-store of the request counts", "", "GET /\nCache-Control: no-store",
       "200\nCache-Control: must-understand, max-age=60", "no-store"},
  };
  check_storing(rows, LENGTH(rows));
}

#define RANGED "GET /\nRange: bytes=2-5"
#define PART FRESH "\nContent-Range: bytes 2-5/10"

static void a_part_is_stored_if_it_can_be_combined(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"3.3: only if the policy has it", "", RANGED, "206\nETag: \"a\"" PART, "range"},
      {"3.3", "partial", RANGED, "206\nETag: \"a\"" PART, ""},
      {"3.3: QUERY", "partial", "QUERY /\nRange: bytes=2-5", "206\nETag: \"a\"" PART, ""},
      {"RFC 9110, 14.2: POST has no ranges", "partial post", "POST /\nRange: bytes=2-5",
       "206\nETag: \"a\"" PART, "range"},
      {"RFC 9110, 15.3.7: nobody asked for a range", "partial", "GET /", "206\nETag: \"a\"" PART,
       "range"},
      {"3.4: a weak tag", "partial", RANGED, "206\nETag: W/\"a\"" PART, "range"},
      {"3.4: no validator", "partial", RANGED, "206" PART, "range"},
      {"RFC 9110, 8.8.2.2: a strong date", "partial", RANGED,
       "206\nDate: @0\nLast-Modified: @-1" PART, ""},
      {"RFC 9110, 8.8.2.2: a strong date when Unix time began", "partial", RANGED,
       "206\nDate: @0\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT" PART, ""},
      {"RFC 9110, 8.8.2.2: in the same second", "partial", RANGED,
       "206\nDate: @0\nLast-Modified: @0" PART, "range"},
      {"RFC 9110, 8.8.2.2: without Date", "partial", RANGED, "206\nLast-Modified: @-100" PART,
       "range"},
      {"3.4: a weak tag and a strong date", "partial", RANGED,
       "206\nETag: W/\"a\"\nDate: @0\nLast-Modified: @-100" PART, "range"},
      {"RFC 9110, 14.4: without Content-Range", "partial", RANGED, "206\nETag: \"a\"" FRESH,
       "range"},
      {"RFC 9110, 14.4: a malformed one", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Range: bytes 5-2/10" FRESH, "range"},
      {"RFC 9110, 14.4: of unknown size", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Range: bytes 2-5/*" FRESH, "range"},
      {"RFC 9110, 14.4: an unsatisfied one", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Range: bytes */10" FRESH, "range"},
      {"RFC 9110, 14.4: two", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Range: bytes 2-5/10" PART, "range"},
      {"RFC 9110, 14.6: several parts", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Type: Multipart/ByteRanges; boundary=x" PART, "range"},
      {"RFC 9110, 14.6: another type", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Type: multipart/mixed; boundary=x" PART, ""},
      {"RFC 9110, 14.4: Content-Length agrees", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Length: 4" PART, ""},
      {"RFC 9110, 14.4: Content-Length does not", "partial", RANGED,
       "206\nETag: \"a\"\nContent-Length: 5" PART, "range"},
      {"RFC 9110, 14.4: the body does not agree", "partial", RANGED, "206 body=3\nETag: \"a\"" PART,
       "range"},
      {"RFC 9110, 14.4: there is no body", "partial", RANGED, "206 body=0\nETag: \"a\"" PART,
       "range"},
      {"max_body: the part is larger", "partial max=3", RANGED, "206\nETag: \"a\"" PART,
       "too-large"},
      {"max_body: only the whole is larger", "partial max=4", RANGED, "206\nETag: \"a\"" PART, ""},
      {"14.2: a 200 for a range is stored as a whole", "", RANGED, "200" FRESH, ""},
      {"RFC 9110, 14.4: Content-Range of a 200 means nothing", "", "GET /",
       "200\nContent-Range: x" FRESH, ""},
      {"RFC 9110, 14.4: nor does that of a 404", "", RANGED, "404\nContent-Range: bytes */10" FRESH,
       ""},
      {"416 without freshness", "heuristic ttl=60", RANGED,
       "416\nContent-Range: bytes */10\nLast-Modified: @-1000", "status"},
  };
  check_storing(rows, LENGTH(rows));
}

static void the_body_must_fit(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"max_body: 1 MiB", "", "GET /", "200 body=1048576" FRESH, ""},
      {"max_body: one byte more", "", "GET /", "200 body=1048577" FRESH, "too-large"},
      {"max_body: Content-Length", "", "GET /", "200\nContent-Length: 1048576" FRESH, ""},
      {"max_body: Content-Length, one more", "", "GET /", "200\nContent-Length: 1048577" FRESH,
       "too-large"},
      {"max_body: Content-Length beyond all numbers", "", "GET /",
       "200\nContent-Length: 99999999999999999999" FRESH, "too-large"},
      {"max_body: the policy's", "max=10", "GET /", "200 body=10" FRESH, ""},
      {"max_body: the policy's, one more", "max=10", "GET /", "200 body=11" FRESH, "too-large"},
      {"RFC 9110, 8.6: sizes differ", "", "GET /", "200 body=9\nContent-Length: 10" FRESH,
       "incomplete"},
      {"RFC 9110, 8.6: sizes differ, no body", "", "GET /", "200 body=0\nContent-Length: 10" FRESH,
       "incomplete"},
      {"RFC 9110, 8.6: sizes differ, Content-Length 0", "", "GET /",
       "200 body=10\nContent-Length: 0" FRESH, "incomplete"},
      {"RFC 9110, 8.6: sizes agree", "", "GET /", "200 body=10\nContent-Length: 10" FRESH, ""},
      {"RFC 9112, 6.3: Transfer-Encoding overrides it", "", "GET /",
       "200 body=9\nTransfer-Encoding: chunked\nContent-Length: 10" FRESH, ""},
      {"RFC 9110, 8.6: not a number", "", "GET /", "200\nContent-Length: 1x" FRESH, "malformed"},
      {"RFC 9110, 8.6: negative", "", "GET /", "200\nContent-Length: -1" FRESH, "malformed"},
      {"RFC 9110, 8.6: empty", "", "GET /", "200\nContent-Length:" FRESH, "malformed"},
      {"RFC 9110, 8.6: equal ones", "", "GET /", "200\nContent-Length: 5, 5" FRESH, ""},
      {"RFC 9110, 8.6: equal lines", "", "GET /", "200\nContent-Length: 5\nContent-Length: 5" FRESH,
       ""},
      {"RFC 9110, 8.6: different ones", "", "GET /", "200\nContent-Length: 5, 6" FRESH,
       "malformed"},
      {"RFC 9110, 8.6: different lines", "", "GET /",
       "200\nContent-Length: 5\nContent-Length: 6" FRESH, "malformed"},
  };
  check_storing(rows, LENGTH(rows));
}

static void dangerous_fields_refuse_the_response(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"RFC 9110, 5.5: CR", "", "GET /", "200\nX: a^Mb" FRESH, "malformed"},
      {"RFC 9110, 5.5: LF", "", "GET /", "200\nX: a^Jb" FRESH, "malformed"},
      {"RFC 9110, 5.5: NUL", "", "GET /", "200\nX: a^@b" FRESH, "malformed"},
      {"RFC 9110, 5.5: at the end", "", "GET /", "200\nX: a^J" FRESH, "malformed"},
      {"RFC 9110, 5.5: another control character", "", "GET /", "200\nX: a^Ab" FRESH, ""},
      {"RFC 9110, 5.1: LF in a name", "", "GET /", "200\nX^J: a" FRESH, "malformed"},
      {"RFC 9110, 5.1: a space in a name", "", "GET /", "200\nX : a" FRESH, "malformed"},
      {"RFC 9110, 5.1: an empty name", "", "GET /", "200\n: a" FRESH, "malformed"},
      {"RFC 9110, 7.6.1: Connection lists Cache-Control", "", "GET /",
       "200\nConnection: close, cache-CONTROL" FRESH, "malformed"},
      {"RFC 9110, 7.6.1: Connection lists Vary", "", "GET /", "200\nConnection: vary" FRESH,
       "malformed"},
      {"RFC 9110, 7.6.1: Connection lists a field of its own", "", "GET /",
       "200\nConnection: close, keep-alive, te, a" FRESH, ""},
      {"RFC 9110, 5.5: in a private cache", "private", "GET /", "200\nX: a^Jb" FRESH, "malformed"},
      {"RFC 9110, 5.5: before all else", "", "PUT /", "200\nX: a^Jb" FRESH, "malformed"},
  };
  check_storing(rows, LENGTH(rows));
}

static void a_response_must_be_fresh_or_worth_validating(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"3: nothing tells it", "", "GET /", "200", "no-freshness"},
      {"3: only Date", "", "GET /", "200\nDate: @0", "no-freshness"},
      {"3: public alone is no freshness", "", "GET /", "200\nCache-Control: public",
       "no-freshness"},
      {"3: a private cache, private", "private", "GET /", "200\nCache-Control: private",
       "no-freshness"},
      {"3: a private cache, private and a validator, of any status", "private heuristic", "GET /",
       "403\nCache-Control: private\nETag: \"a\"", ""},
      {"3: not public", "private heuristic", "GET /", "403\nETag: \"a\"", "status"},
      {"3: must-revalidate alone is none", "", "GET /", "200\nCache-Control: must-revalidate",
       "no-freshness"},
      {"3: a validator without the heuristic", "", "GET /", "200\nETag: \"a\"", "no-freshness"},
      {"3: a validator with the heuristic", "heuristic", "GET /", "200\nETag: \"a\"", ""},
      {"3: public and a validator, of any status", "heuristic", "GET /",
       "201\nCache-Control: public\nETag: \"a\"", ""},
      {"4.2.2: neither lifetime nor validator", "heuristic", "GET /", "200", "no-freshness"},
      {"4.2.2: Last-Modified", "heuristic", "GET /", "404\nLast-Modified: @-1000", ""},
      {"4.2.2: Last-Modified in the future", "heuristic", "GET /", "200\nLast-Modified: @1000", ""},
      {"default_ttl", "ttl=60", "GET /", "200", ""},
      {"default_ttl: 204", "ttl=60", "GET /", "204", "no-freshness"},
      {"default_ttl: 404", "ttl=60", "GET /", "404", "no-freshness"},
      {"default_ttl: older than it", "ttl=60", "GET /", "200\nDate: @-60", "not-fresh"},
      {"default_ttl: with a query", "ttl=60", "GET /?a", "200", ""},
      {"4.2: max-age", "", "GET /", "200\nCache-Control: max-age=1", ""},
      {"4.2: max-age=0", "", "GET /", "200\nCache-Control: max-age=0", "not-fresh"},
      {"4.2: a malformed max-age", "", "GET /", "200\nCache-Control: max-age=1x", "not-fresh"},
      {"4.2: max-age=0 and a tag", "", "GET /", "200\nCache-Control: max-age=0\nETag: \"a\"", ""},
      {"4.2: max-age=0 and a malformed tag", "", "GET /", "200\nCache-Control: max-age=0\nETag: a",
       "not-fresh"},
      {"4.2: max-age=0 and Last-Modified", "", "GET /",
       "200\nCache-Control: max-age=0\nLast-Modified: @-9", ""},
      {"4.2: as old as its lifetime", "", "GET /", "200\nAge: 60" FRESH, "not-fresh"},
      {"4.2: a second younger", "", "GET /", "200\nAge: 59" FRESH, ""},
      {"4.2.3: by its Date", "", "GET /", "200\nDate: @-60" FRESH, "not-fresh"},
      {"4.2.3: by the delay", "", "GET /", "200 asked=-60000" FRESH, "not-fresh"},
      {"4.2.3: by a delay a little shorter", "", "GET /", "200 asked=-59999" FRESH, ""},
      {"5.3: Expires is now", "", "GET /", "200\nDate: @0\nExpires: @0", "not-fresh"},
      {"5.3: Expires: 0", "", "GET /", "200\nExpires: 0", "not-fresh"},
      {"5.3: Expires: 0, default_ttl", "ttl=60 heuristic", "GET /", "200\nExpires: 0", "not-fresh"},
      {"5.3: Expires: 0 and a tag", "", "GET /", "200\nExpires: 0\nETag: \"a\"", ""},
      {"RFC 5861, 3: in the window", "", "GET /",
       "200\nAge: 64\nCache-Control: max-age=60, stale-while-revalidate=5", ""},
      {"RFC 5861, 3: the window is over", "", "GET /",
       "200\nAge: 65\nCache-Control: max-age=60, stale-while-revalidate=5", "not-fresh"},
      {"RFC 5861, 4: in the window", "sie=5", "GET /", "200\nAge: 64" FRESH, ""},
      {"RFC 5861, 4: the longer window counts", "sie=5 swr=4", "GET /", "200\nAge: 64" FRESH, ""},
      {"5.2.2.2: must-revalidate has no window", "sie=5", "GET /",
       "200\nAge: 64\nCache-Control: max-age=60, must-revalidate", "not-fresh"},
      {"5.2.2.4: no-cache", "", "GET /", "200\nCache-Control: no-cache", "no-cache"},
      {"5.2.2.4: no-cache with freshness", "", "GET /", "200\nCache-Control: no-cache, max-age=60",
       "no-cache"},
      {"5.2.2.4: no-cache with a window", "", "GET /",
       "200\nCache-Control: no-cache, max-age=60, stale-while-revalidate=60", "no-cache"},
      {"5.2.2.4: no-cache and a tag", "", "GET /", "200\nCache-Control: no-cache\nETag: \"a\"", ""},
      {"5.2.2.4: no-cache and Last-Modified", "", "GET /",
       "200\nCache-Control: no-cache, max-age=9\nLast-Modified: @-9", ""},
      {"5.2.2.4: a qualified one", "", "GET /", "200\nCache-Control: no-cache=\"a\", max-age=60",
       ""},
      {"5.2.2.4: an odd one is unqualified", "", "GET /",
       "200\nCache-Control: no-cache=\"a b\", max-age=60", "no-cache"},
      {"5.2.2.4: it names the only validator", "", "GET /",
       "200\nCache-Control: no-cache, no-cache=\"etag\"\nETag: \"a\"", "no-cache"},
      {"5.2.2.10: s-maxage in a private cache", "private", "GET /",
       "200\nCache-Control: s-maxage=60", "no-freshness"},
      {"5.4: Pragma of a response", "", "GET /", "200\nPragma: no-cache" FRESH, ""},
      {"5.4: Pragma is not Cache-Control", "", "GET /", "200\nPragma: max-age=60", "no-freshness"},
  };
  check_storing(rows, LENGTH(rows));
}

static void the_size_of_the_body_is_what_was_announced(void **state) {
  (void)state;
  static const struct {
    const char *request, *response;
    int64_t body, first, total;
  } rows[] = {
      {"GET /", "200" FRESH, -1, 0, -1},
      {"GET /", "200 body=0" FRESH, 0, 0, -1},
      {"GET /", "200 body=7" FRESH, 7, 0, -1},
      {"GET /", "200\nContent-Length: 7" FRESH, 7, 0, -1},
      {"GET /", "200\nContent-Length: 7\nTransfer-Encoding: chunked" FRESH, -1, 0, -1},
      {"GET /", "204\nContent-Length: 7" FRESH, -1, 0, -1},
      {RANGED, "206\nETag: \"a\"" PART, 4, 2, 10},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    struct stored_result result = try_texts("partial", rows[i].request, rows[i].response);
    assert_int_equal(result.reason, CACHETTE_HTTP_BECAUSE_NONE);
    assert_int_equal(result.stored.body_size, rows[i].body);
    assert_int_equal(result.stored.first_byte, rows[i].first);
    assert_int_equal(result.stored.total_size, rows[i].total);
  }
}

/* ---- How long ---- */

static void a_record_is_kept_while_it_may_be_of_use(void **state) {
  (void)state;
  static const struct {
    const char *rule, *policy, *response;
    int64_t later_s, keep_s;
  } rows[] = {
      {"4.2: its lifetime", "", "200" FRESH, 0, 60},
      {"4.2: what is left of it", "", "200\nAge: 10" FRESH, 5, 45},
      {"4.2: nothing is left", "", "200" FRESH, 60, 0},
      {"4.2: long over", "", "200" FRESH, 6000, 0},
      {"4.2: the clock was set back", "", "200" FRESH, -100, 60},
      {"RFC 5861: the longer window", "swr=7 sie=9", "200" FRESH, 0, 69},
      {"RFC 5861: the other is longer", "swr=9 sie=7", "200" FRESH, 0, 69},
      {"4.3: 5 minutes for validation", "", "200\nETag: \"a\"" FRESH, 0, 360},
      {"4.3: also if it was stale on arrival", "", "200\nAge: 6000\nETag: \"a\"" FRESH, 0, 300},
      {"5.2.2.4: no-cache", "", "200\nCache-Control: no-cache\nETag: \"a\"", 0, 300},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette_http_policy policy = http_policy(rows[i].policy);
    cachette_http_request *request = http_request_new("GET /");
    cachette_http_response *response = http_response_new(rows[i].response);
    struct stored_result result = try_to_store(&policy, request, response);
    int64_t keep = cachette__http_keep_ms(&result.stored, HTTP_NOW_MS + rows[i].later_s * 1000);
    if (keep != rows[i].keep_s * 1000) fail_msg("%s: %lld", rows[i].rule, (long long)keep);
    http_request_free(request);
    http_response_free(response);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(some_methods_have_responses_that_are_stored),
      cmocka_unit_test(the_status_must_be_final_and_cacheable),
      cmocka_unit_test(no_store_is_obeyed),
      cmocka_unit_test(a_part_is_stored_if_it_can_be_combined),
      cmocka_unit_test(the_body_must_fit),
      cmocka_unit_test(dangerous_fields_refuse_the_response),
      cmocka_unit_test(a_response_must_be_fresh_or_worth_validating),
      cmocka_unit_test(the_size_of_the_body_is_what_was_announced),
      cmocka_unit_test(a_record_is_kept_while_it_may_be_of_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
