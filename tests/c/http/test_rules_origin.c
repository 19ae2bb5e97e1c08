/* SPDX-License-Identifier: MIT */
/* After the origin: validation, HEAD, parts and errors. */
#include "http_rules.h"

#define A "GET http://a.com/"
#define HEAD "HEAD http://a.com/"
#define OK "200\nCache-Control: max-age=60"
#define TAG OK "\nETag: \"a\""
#define DATED OK "\nLast-Modified: @-100"
#define FRESHEN "revalidate stale, freshen 200"
#define REFETCH "revalidate stale, refetch changed, invalidates, stored"

/* A stored response, and what the origin answers when it is asked to validate it. */
#define VALID(source, stored, origin, expected) \
  RULE(source, "", {0, A, stored, NULL}, {60, A, origin, expected})

/* ---- 304 ---- */

static void a_304_freshens_what_is_stored(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 4.3.4", "", {0, A, TAG "\nX: 1", NULL},
           {60, A, "304\nETag: \"a\"\nX: 2\nCache-Control: max-age=100",
            FRESHEN " | X: 2 | body=hello | lifetime=100 | Age: 0"},
           {159, A, NULL, "hit 200 | X: 2 | Age: 99 | body=hello"},
           {160, A, "304\nETag: \"a\"", FRESHEN}),
      /* All fields but those of the body, whatever their names begin with. */
      VALID("9111 3.2", TAG "\nX: 1\nY: 1", "304\nETag: \"a\"\nX: 2", FRESHEN " | X: 2 | Y: 1"),
      VALID("9111 3.2", TAG "\nX: 1\nX: 2", "304\nETag: \"a\"\nx: 3", FRESHEN " | X: 3"),
      VALID("9111 3.2", TAG "\nX: 1", "304\nETag: \"a\"\nX: 2\nX: 3", FRESHEN " | X: 2, 3"),
      VALID("9111 3.2", TAG "\nContent-Foo: 1", "304\nETag: \"a\"\nContent-Foo: 2",
            FRESHEN " | Content-Foo: 2"),
      VALID("9111 3.2", TAG "\nContent-Length: 5", "304\nETag: \"a\"\nContent-Length: 9",
            FRESHEN " | Content-Length: 5 | body=hello"),
      VALID("9111 3.2", TAG "\nContent-Encoding: gzip", "304\nETag: \"a\"\nContent-Encoding: br",
            FRESHEN " | Content-Encoding: gzip"),
      VALID("9111 3.1", TAG, "304\nETag: \"a\"\nConnection: x\nX: 1\nY: 1",
            FRESHEN " | X: none | Y: 1 | Connection: none"),
      /* Freshness is computed anew. */
      VALID("9111 4.3.4", TAG, "304\nETag: \"a\"", FRESHEN " | lifetime=60 | ttl=60 | Age: 0"),
      VALID("9111 4.3.4", TAG, "304\nETag: \"a\"\nAge: 10", FRESHEN " | ttl=50 | Age: 10"),
      VALID("9111 4.3.4", TAG, "304\nETag: \"a\"\nDate: @40", FRESHEN " | ttl=40 | Age: 20"),
      VALID("9110 6.6.1", TAG "\nDate: @0", "304\nETag: \"a\"",
            FRESHEN " | Age: 0 | Date: Sun, 06 Nov 2044 08:50:37 GMT"),
      RULE("9111 5.2.2.4", "", {0, A, TAG, NULL},
           {60, A, "304\nETag: \"a\"\nCache-Control: no-cache", FRESHEN},
           {61, A, "304\nETag: \"a\"", FRESHEN}),
      RULE("9111 4.3.4", "", {0, A, "200\nCache-Control: no-cache\nETag: \"a\"", NULL},
           {1, A, "304\nETag: \"a\"\nCache-Control: max-age=60", FRESHEN},
           {2, A, NULL, "hit 200 | Age: 1"}),
      RULE("9111 5.2.2.2", "",
           {0, A, "200\nCache-Control: max-age=60, stale-while-revalidate=60\nETag: \"a\"", NULL},
           {120, A, "304\nETag: \"a\"\nCache-Control: max-age=60, must-revalidate", FRESHEN},
           {200, A, "304\nETag: \"a\"", FRESHEN}),
      /* Other statuses are stored, and so freshened. */
      RULE("9111 4.3.3", "", {0, A, "404\nCache-Control: max-age=60\nETag: \"a\"", NULL},
           {60, A, "304\nETag: \"a\"", "revalidate stale, freshen 404"}),
      RULE("9211 2.5", "", {0, A, TAG, NULL}, {60, A, "304\nETag: \"a\"", FRESHEN " | records=1"}),
  };
  check_rules(rules);
}

static void the_client_gets_what_it_asked_for(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 4.3.3", "", {0, A, TAG, NULL},
           {60, A "\nIf-None-Match: \"a\"", "304\nETag: \"a\"",
            "revalidate stale, freshen 304 | body="},
           {61, A, NULL, "hit 200 | body=hello"}),
      /* Our validator is not the client's: it gets what it does not have. */
      RULE("9111 4.3.2", "", {0, A, TAG, NULL},
           {60, A "\nIf-None-Match: \"x\"", "304\nETag: \"a\"", FRESHEN " | body=hello"}),
      RULE("9111 4.3.2", "", {0, A, DATED, NULL},
           {60, A "\nIf-Modified-Since: @-100", "304\nLast-Modified: @-100",
            "revalidate stale, freshen 304"}),
      RULE("9111 4.3.2", "", {0, A, DATED, NULL},
           {60, A "\nIf-Modified-Since: @-101", "304\nLast-Modified: @-100", FRESHEN}),
      RULE("9110 13.1.1", "", {0, A, TAG, NULL},
           {60, A "\nIf-Match: \"x\"", "412\n\n",
            "miss request, not stored: status | > If-Match: \"x\" | > If-None-Match: none"}),
      /* A 304 to the client's own validator is not ours to store or to answer from. */
      RULE("9111 4.3.3", "",
           {0, A "\nIf-None-Match: \"x\"", "304\nETag: \"x\"\nCache-Control: max-age=60",
            "not stored: not-modified | records=0"},
           {1, A, OK, NULL}),
      RULE("9111 4.3.3", "", {0, A, TAG, NULL},
           {1, A "\nAuthorization: x\nIf-None-Match: \"a\"", "304\nETag: \"a\"\n\n",
            "miss credentials, not stored: not-modified | body="},
           {2, A, NULL, "hit 200 | Age: 2"}),
      RULE("9111 4.3.3", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {1, A "\nX: 2\nIf-None-Match: \"b\"", "304\nETag: \"b\"\n\n",
            "miss vary-miss, not stored: not-modified | body="},
           {2, A "\nX: 1", NULL, "hit 200 | body=hello"}),
      RULE("9111 4.3.3", "", {0, A, OK, NULL},
           {60, A "\nIf-None-Match: \"a\"", "304\nETag: \"a\"\n\n",
            "miss stale, not stored: not-modified | body="}),
      RULE("9111 4.3.3", "", {0, A, TAG, NULL},
           {60, A, OK "\n\nnew", "revalidate stale, stored | body=new"},
           {61, A, NULL, "hit 200 | body=new | ETag: none"}),
  };
  check_rules(rules);
}

static void a_304_may_be_about_something_else(void **state) {
  (void)state;
#define ANEW "\n--\n200\nCache-Control: max-age=60\nETag: \"b\"\n\nnew"
  static const struct http_rule rules[] = {
      VALID("9111 4.3.4", TAG, "304\nETag: \"b\"" ANEW,
            REFETCH " | body=new | > If-None-Match: none | > If-Modified-Since: none"),
      VALID("9111 4.3.4", TAG, "304\nETag: \"aa\"" ANEW, REFETCH),
      VALID("9111 4.3.4", TAG, "304\nETag: W/\"b\"" ANEW, REFETCH),
      VALID("9111 4.3.4", TAG, "304\nETag: W/\"a\"", FRESHEN),
      VALID("9111 4.3.4", OK "\nETag: W/\"a\"", "304\nETag: W/\"a\"", FRESHEN),
      VALID("9111 4.3.4", OK "\nETag: W/\"a\"", "304\nETag: \"a\"" ANEW, REFETCH),
      VALID("9111 4.3.4", DATED, "304\nLast-Modified: @-100", FRESHEN),
      VALID("9111 4.3.4", DATED, "304\nLast-Modified: @-99" ANEW, REFETCH),
      VALID("9111 4.3.4", TAG, "304", FRESHEN),
      VALID("CVE-2026-116630", TAG, "304\nETag: \"a\"\nX: 1^J2" ANEW, REFETCH " | X: none"),
      /* Other names in Vary. */
      RULE("9111 4.1", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {60, A "\nX: 1", "304\nETag: \"a\"\nVary: X", FRESHEN},
           {61, A "\nX: 1", NULL, "hit 200"}, {61, A "\nX: 2", OK, "miss vary-miss, stored"}),
      RULE("9111 4.1", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {60, A "\nX: 1", "304\nETag: \"a\"", FRESHEN}, {61, A "\nX: 1", NULL, "hit 200"}),
      RULE("9111 4.1", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {60, A "\nX: 1", "304\nETag: \"a\"\nVary: Y" ANEW, REFETCH}),
      RULE("9111 4.1", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {60, A "\nX: 1", "304\nETag: \"a\"\nVary: X, Y" ANEW, REFETCH}),
      VALID("9111 4.1", TAG, "304\nETag: \"a\"\nVary: Y" ANEW, REFETCH),
      VALID("9111 4.1", TAG, "304\nETag: \"a\"\nVary: *" ANEW, REFETCH),
      /* The answer to the second request may be stored, or not. */
      VALID("9111 4.3.4", TAG, "304\nETag: \"b\"\n--\n200\nCache-Control: no-store",
            "revalidate stale, refetch changed, invalidates, not stored: no-store"),
      VALID("9111 4.3.4", TAG, "304\nETag: \"b\"\n--\ndown",
            "revalidate stale, refetch changed, invalidates, not stored: origin-error"),
  };
  check_rules(rules);
}

static void a_304_may_forbid_to_keep_it(void **state) {
  (void)state;
#define FORBID(source, policy, fields, expected)                   \
  RULE(source, policy, {0, A, TAG, NULL},                          \
       {60, A, "304\nETag: \"a\"\n" fields, FRESHEN " " expected}, \
       {61, A, OK, "stored | records=1"})
  static const struct http_rule rules[] = {
      FORBID("9111 5.2.2.5", "", "Cache-Control: no-store",
             "not kept: no-store, invalidates | body=hello | records=0"),
      FORBID("9111 5.2.2.7", "", "Cache-Control: private", "not kept: private, invalidates"),
      FORBID("9111 5.2.2.7", "", "Cache-Control: PRIVATE , max-age=60",
             "not kept: private, invalidates"),
      FORBID("CVE-2022-24894", "", "Set-Cookie: a=b", "not kept: set-cookie, invalidates"),
      RULE("CVE-2022-24894", "strip", {0, A, TAG, NULL},
           {60, A, "304\nETag: \"a\"\nSet-Cookie: a=b", FRESHEN " | Set-Cookie: none"},
           {61, A, NULL, "hit 200 | Set-Cookie: none"}),
      RULE("9111 7.3", "store", {0, A, TAG, NULL},
           {60, A, "304\nETag: \"a\"\nSet-Cookie: a=b", FRESHEN " | Set-Cookie: a=b"},
           {61, A, NULL, "hit 200 | Set-Cookie: a=b"}),
      RULE("9111 5.2.2.7", "private", {0, A, TAG, NULL},
           {60, A, "304\nETag: \"a\"\nCache-Control: private, max-age=60", FRESHEN},
           {61, A, NULL, "hit 200"}),
      /* A client's wish is not the origin's: what others may use stays. */
      RULE("9111 5.2.1.5", "", {0, A, TAG, NULL},
           {60, A "\nCache-Control: no-store", "304\nETag: \"a\"",
            FRESHEN " not kept: no-store | records=1"},
           {61, A, "304\nETag: \"a\"", FRESHEN}),
      /* Nor do a client's credentials take it from others. */
      RULE("9111 3.5", "trust-mr", {0, A, TAG, NULL},
           {60, A "\nAuthorization: x", "304\nETag: \"a\"",
            FRESHEN " not kept: credentials | records=1"},
           {61, A, "304\nETag: \"a\"", FRESHEN}, {62, A "\nAuthorization: x", NULL, "hit 200"}),
      /* It has lost its validator, and its lifetime is over. */
      RULE("9111 4.2", "", {0, A, TAG, NULL},
           {60, A, "304 received=5000\nCache-Control: max-age=5, no-cache=\"etag\"\nETag: \"a\"",
            FRESHEN " not kept: not-fresh, invalidates | records=0"}),
  };
  check_rules(rules);
}

/* ---- HEAD ---- */

static void head_freshens_or_invalidates(void **state) {
  (void)state;
#define OUTDATE "revalidate stale, not stored: method, invalidates"
#define BY_HEAD(source, stored, origin, expected, then) \
  RULE(source, "", {0, A, stored, NULL}, {60, HEAD, origin "\n\n", expected}, then)
#define GONE \
  { 61, A, OK, "stored" }
#define FRESH \
  { 61, A, NULL, "hit 200 | Age: 1 | body=hello" }
  static const struct http_rule rules[] = {
      BY_HEAD("9111 4.3.5", TAG, TAG, FRESHEN " | body=", FRESH),
      BY_HEAD("9111 4.3.5", TAG, TAG "\nContent-Length: 5", FRESHEN " | Content-Length: 5", FRESH),
      BY_HEAD("9111 4.3.5", TAG, TAG "\nContent-Length: 6", OUTDATE, GONE),
      BY_HEAD("9111 4.3.5", TAG, OK "\nETag: \"b\"\nContent-Length: 5", OUTDATE, GONE),
      BY_HEAD("9111 4.3.5", DATED, DATED, FRESHEN, FRESH),
      BY_HEAD("9111 4.3.5", DATED, OK "\nLast-Modified: @-99", OUTDATE, GONE),
      BY_HEAD("9111 4.3.5", DATED "\nETag: \"a\"", OK "\nETag: \"a\"\nLast-Modified: @-99", OUTDATE,
              GONE),
      RULE("9111 4.3.5", "", {0, A, TAG "\nX: 1", NULL},
           {60, HEAD, "200\nETag: \"a\"\nX: 2\nCache-Control: max-age=100\n\n", FRESHEN " | X: 2"},
           {159, A, NULL, "hit 200 | X: 2 | Age: 99"}),
      BY_HEAD("9111 4.3.4", TAG, "304\nETag: \"a\"", FRESHEN " | body=", FRESH),
      RULE("9111 4.3.5", "", {0, A, TAG, NULL},
           {60, HEAD, "404\nCache-Control: max-age=60\n\n", "revalidate stale, not stored: method"},
           {61, A, "304\nETag: \"a\"", FRESHEN}),
      RULE("9111 4.3.5", "", {0, HEAD, TAG "\n\n", "not stored: method | records=0"}),
  };
  check_rules(rules);
}

/* ---- Parts ---- */

static void parts_are_combined(void **state) {
  (void)state;
#define FIRST A "\nRange: bytes=0-2"
#define LAST A "\nRange: bytes=3-4"
#define HEL "206\nContent-Range: bytes 0-2/5\nCache-Control: max-age=60\nETag: \"a\"\n\nhel"
#define LO "206\nContent-Range: bytes 3-4/5\nCache-Control: max-age=60\nETag: \"a\"\n\nlo"
#define PART(fields, body) "206\nCache-Control: max-age=60\n" fields "\n\n" body
  static const struct http_rule rules[] = {
      RULE("9111 3.3", "", {0, FIRST, HEL, "not stored: range"}),
      RULE("9111 3.3", "partial", {0, FIRST, HEL, NULL},
           {1, FIRST, NULL, "hit 206 | body=hel | Content-Range: bytes 0-2/5 | Content-Length: 3"},
           {2, A "\nRange: bytes=1-1", NULL, "hit 206 | body=e | Content-Range: bytes 1-1/5"}),
      RULE("9111 3.4", "partial", {0, FIRST, HEL, NULL}, {1, LAST, LO, "miss partial, combined"},
           {2, A, NULL, "hit 200 | body=hello | Content-Range: none | Content-Length: 5"}),
      RULE("9111 3.4", "partial", {0, LAST, LO, NULL}, {1, FIRST, HEL, "miss partial, combined"},
           {2, A, NULL, "hit 200 | body=hello"}),
      RULE("9111 3.4", "partial", {0, FIRST, HEL, NULL},
           {1, A "\nRange: bytes=2-3", PART("Content-Range: bytes 2-3/5\nETag: \"a\"", "ll"),
            "miss partial, combined"},
           {2, A "\nRange: bytes=0-3", NULL, "hit 206 | body=hell | Content-Range: bytes 0-3/5"},
           {3, A, OK, "miss partial, stored"}),
      /* All of the client's request is missing, or some of it. */
      RULE("9111 3.3", "partial", {0, FIRST, HEL, NULL},
           {1, A, OK, "miss partial, stored | body=hello"}, {2, A, NULL, "hit 200"}),
      RULE("9111 3.3", "partial", {0, FIRST, HEL, NULL},
           {1, A "\nRange: bytes=2-3", OK, "miss partial, stored"}),
      /* Another representation replaces it. */
      RULE("9111 3.4", "partial", {0, FIRST, HEL, NULL},
           {1, LAST, PART("Content-Range: bytes 3-4/5\nETag: \"b\"", "lo"), "miss partial, stored"},
           {2, FIRST, HEL, "miss partial, stored"}),
      RULE(
          "9111 3.4", "partial", {0, FIRST, HEL, NULL},
          {1, LAST, PART("Content-Range: bytes 3-4/6\nETag: \"a\"", "lo"), "miss partial, stored"}),
      RULE("9111 3.4", "partial", {0, FIRST, HEL, NULL},
           {1, A "\nRange: bytes=4-4", PART("Content-Range: bytes 4-4/5\nETag: \"a\"", "o"),
            "miss partial, stored"}),
      /* Without a strong validator, or with a range that says nothing, it is of no use. */
      RULE("9111 3.4", "partial",
           {0, FIRST, PART("Content-Range: bytes 0-2/5\nETag: W/\"a\"", "hel"),
            "not stored: range"}),
      RULE("9111 3.4", "partial",
           {0, FIRST, PART("Content-Range: bytes 0-2/5", "hel"), "not stored: range"}),
      RULE("9110 14.4", "partial",
           {0, FIRST, PART("Content-Range: bytes 2-0/5\nETag: \"a\"", "hel"), "not stored: range"}),
      RULE("9110 14.4", "partial",
           {0, FIRST, PART("Content-Range: bytes 0-2/2\nETag: \"a\"", "hel"), "not stored: range"}),
      RULE("9110 14.4", "partial",
           {0, FIRST, PART("Content-Range: bites 0-2/5\nETag: \"a\"", "hel"), "not stored: range"}),
      RULE("9110 15.3.7", "partial", {0, FIRST, PART("ETag: \"a\"", "hel"), "not stored: range"}),
      RULE("9110 15.3.7.2", "partial",
           {0, FIRST, PART("Content-Type: multipart/byteranges; boundary=x\nETag: \"a\"", "hel"),
            "not stored: range"}),
      RULE("GHSA-8xcm-r25x-g524", "partial",
           {0, FIRST, PART("Content-Range: bytes 0-2/5\nContent-Length: 4\nETag: \"a\"", "hel"),
            "not stored: range"}),
      RULE("GHSA-8xcm-r25x-g524", "partial",
           {0, FIRST, PART("Content-Range: bytes 0-2/5\nETag: \"a\"", "he"),
            "not stored: incomplete"}),
      RULE("GHSA-8xcm-r25x-g524", "partial", {0, FIRST, HEL, NULL},
           {1, LAST, PART("Content-Range: bytes 3-4/5\nETag: \"a\"", "HELLO"),
            "miss partial, not stored: incomplete"},
           {2, FIRST, NULL, "hit 206 | body=hel"}),
      RULE("9111 3.3", "partial", {0, FIRST, HEL, NULL}, {60, FIRST, HEL, "miss stale, combined"}),
  };
  check_rules(rules);
}

/* ---- Errors ---- */

static void stale_responses_answer_when_the_origin_fails(void **state) {
  (void)state;
#define LATE OK ", stale-if-error=30"
#define STALE "miss stale, stale 200"
#define FAILS(source, policy, stored, after, origin, expected) \
  RULE(source, policy, {0, A, stored, NULL}, {after, A, origin, expected})
  static const struct http_rule rules[] = {
      FAILS("5861 4", "", LATE, 89, "down", STALE " | if-error=1"),
      FAILS("5861 4", "", LATE, 90, "down", "miss stale, not stored: origin-error | if-error=0"),
      FAILS("5861 4", "", OK, 60, "down", "miss stale, not stored: origin-error"),
      FAILS("5861 4", "", LATE, 70, "500", STALE " | Age: 70"),
      FAILS("5861 4", "", LATE, 70, "502", STALE),
      FAILS("5861 4", "", LATE, 70, "503", STALE),
      FAILS("5861 4", "", LATE, 70, "504", STALE),
      FAILS("5861 4", "", LATE, 70, "501", "miss stale, not stored: no-freshness"),
      FAILS("5861 4", "", LATE, 70, "505", "miss stale, not stored: status"),
      FAILS("5861 4", "", LATE, 70, "404", "miss stale, not stored: no-freshness"),
      FAILS("5861 4", "", LATE "\nETag: \"a\"", 70, "down", "revalidate stale, stale 200"),
      FAILS("5861 4", "sie=30", OK, 89, "down", STALE),
      FAILS("5861 4", "sie=30", OK, 90, "down", "miss stale, not stored: origin-error"),
      FAILS("5861 4", "sie=30", OK ", stale-if-error=0", 70, "down",
            "miss stale, not stored: origin-error"),
      FAILS("9111 4.2.4", "", LATE ", must-revalidate", 70, "down",
            "miss stale, not stored: origin-error"),
      FAILS("9111 4.2.4", "", LATE ", proxy-revalidate", 70, "503",
            "miss stale, not stored: status"),
      FAILS("9111 4.2.4", "", LATE ", no-cache\nETag: \"a\"", 10, "down",
            "revalidate stale, not stored: origin-error"),
      FAILS("9111 5.2.2.10", "sie=30", "200\nCache-Control: s-maxage=60", 70, "down",
            "miss stale, not stored: origin-error"),
      FAILS("9111 5.2.2.10", "", "200\nCache-Control: s-maxage=60, stale-if-error=30", 70, "down",
            STALE),
      /* An error that is answered with a stale response does not replace it. */
      RULE("5861 4", "", {0, A, LATE, NULL}, {70, A, "503\nCache-Control: max-age=99", STALE},
           {71, A, "down", STALE " | Age: 71"}),
      RULE("5861 4", "", {0, A, LATE, NULL},
           {70, A "\nRange: bytes=0-1", "down", "miss stale, stale 206 | body=he"}),
      RULE("5861 4", "", {0, A, LATE "\nETag: \"a\"", NULL},
           {70, A "\nIf-None-Match: \"a\"", "503", "revalidate stale, stale 304"}),
      RULE("5861 4", "full", {0, A, OK, NULL},
           {70, A "\nCache-Control: stale-if-error=30", "down", STALE}),
      RULE("5861 4", "", {0, A, OK, NULL},
           {70, A "\nCache-Control: stale-if-error=30", "down",
            "miss stale, not stored: origin-error"}),
      RULE("5861 4", "full", {0, A, OK ", must-revalidate", NULL},
           {70, A "\nCache-Control: stale-if-error=30", "down",
            "miss stale, not stored: origin-error"}),
      RULE("9111 4", "", {0, A, "down", "not stored: origin-error"}),
      RULE("9111 3.5", "", {0, A, LATE, NULL},
           {1, A "\nAuthorization: x", "down", "miss credentials, not stored: origin-error"}),
      RULE(
          "9211 2.3", "", {0, A, LATE, NULL},
          {70, A, "503",
           STALE " | Cache-Status: cachette;fwd=stale;fwd-status=503;ttl=-10;detail=origin-error"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_304_freshens_what_is_stored),
      cmocka_unit_test(the_client_gets_what_it_asked_for),
      cmocka_unit_test(a_304_may_be_about_something_else),
      cmocka_unit_test(a_304_may_forbid_to_keep_it),
      cmocka_unit_test(head_freshens_or_invalidates),
      cmocka_unit_test(parts_are_combined),
      cmocka_unit_test(stale_responses_answer_when_the_origin_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
