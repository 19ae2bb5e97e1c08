/* SPDX-License-Identifier: MIT */
/* A client's conditions and ranges, answered from the store: 304, 412, 206 and 416. */
#include "http_rules.h"

#define A "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60"
#define TAG OK "\nETag: \"a\""
#define WEAK OK "\nETag: W/\"a\""
#define DATED OK "\nLast-Modified: @-100"

/* A response, and the answer to a request a second later that has a field. */
#define ROW(source, response, field, expected) \
  RULE(source, "", {0, A, response, NULL}, {1, A "\n" field, NULL, expected})

/* ---- 304 ---- */

static void clients_are_told_that_they_have_it(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ROW("9110 13.1.2", TAG, "If-None-Match: \"a\"", "hit 304 | body= | Content-Length: none"),
      ROW("9110 13.1.2", TAG, "If-None-Match: \"b\"", "hit 200 | body=hello | Content-Length: 5"),
      ROW("9110 13.1.2", TAG, "If-None-Match: \"A\"", "hit 200"),
      ROW("9110 13.1.2", TAG, "If-None-Match: \"aa\"", "hit 200"),
      ROW("9110 8.8.3.2", TAG, "If-None-Match: W/\"a\"", "hit 304"),
      ROW("9110 8.8.3", TAG, "If-None-Match: w/\"a\"", "hit 200"),
      ROW("9110 8.8.3.2", WEAK, "If-None-Match: \"a\"", "hit 304"),
      ROW("9110 8.8.3.2", WEAK, "If-None-Match: W/\"a\"", "hit 304 | ETag: W/\"a\""),
      ROW("9110 13.1.2", TAG, "If-None-Match: \"x\", \"a\"", "hit 304"),
      ROW("9110 13.1.2", TAG, "If-None-Match: \"x\", \"ab\"", "hit 200"),
      ROW("9110 5.3", TAG, "If-None-Match: \"x\"\nIf-None-Match: \"a\"", "hit 304"),
      ROW("9110 13.1.2", TAG, "If-None-Match: *", "hit 304"),
      ROW("9110 13.1.2", OK, "If-None-Match: *", "hit 304"),
      ROW("9110 13.1.2", OK, "If-None-Match: \"a\"", "hit 200"),
      ROW("9110 8.8.3", TAG, "If-None-Match: a", "hit 200"),
      ROW("9110 8.8.3", OK "\nETag: \"a,b\"", "If-None-Match: \"a,b\"", "hit 304"),
      ROW("9110 8.8.3", OK "\nETag: \"a,b\"", "If-None-Match: \"a\", \"b\"", "hit 200"),
      ROW("9110 13.1.3", DATED, "If-Modified-Since: @-100", "hit 304"),
      ROW("9110 13.1.3", DATED, "If-Modified-Since: @-101", "hit 200"),
      ROW("9110 13.1.3", DATED, "If-Modified-Since: @-99", "hit 304"),
      ROW("9110 5.6.7", DATED, "If-Modified-Since: Sunday, 06-Nov-44 08:49:37 GMT", "hit 304"),
      ROW("9110 5.6.7", DATED, "If-Modified-Since: Sun Nov  6 08:49:37 2044", "hit 304"),
      ROW("9110 13.1.3", DATED, "If-Modified-Since: tomorrow", "hit 200"),
      ROW("9110 13.1.3", DATED, "If-Modified-Since: @-9\nIf-Modified-Since: @-9", "hit 200"),
      /* Without Last-Modified, a response is as old as its Date, or its receipt. */
      ROW("9111 4.3.2", OK "\nDate: @-50", "If-Modified-Since: @-50", "hit 304"),
      ROW("9111 4.3.2", OK "\nDate: @-50", "If-Modified-Since: @-51", "hit 200"),
      ROW("9111 4.3.2", OK, "If-Modified-Since: @0", "hit 304"),
      ROW("9111 4.3.2", OK, "If-Modified-Since: @-1", "hit 200"),
      /* If-None-Match wins, in both directions. */
      ROW("9111 4.3.2", DATED "\nETag: \"a\"", "If-None-Match: \"b\"\nIf-Modified-Since: @-9",
          "hit 200"),
      ROW("9111 4.3.2", DATED "\nETag: \"a\"", "If-None-Match: \"a\"\nIf-Modified-Since: @-200",
          "hit 304"),
      RULE("9110 13.1.2", "", {0, A, TAG, NULL},
           {1, "HEAD http://a.com/\nIf-None-Match: \"a\"", NULL, "hit 304"}),
      /* Conditions are for responses that succeeded. */
      ROW("9110 13.2.1", "404\nCache-Control: max-age=60\nETag: \"a\"", "If-None-Match: \"a\"",
          "hit 404"),
      ROW("9110 13.2.1", "301\nCache-Control: max-age=60\nETag: \"a\"", "If-None-Match: \"a\"",
          "hit 301"),
      RULE("5861 3", "", {0, A, TAG "\nCache-Control: stale-while-revalidate=30", NULL},
           {70, A "\nIf-None-Match: \"a\"", NULL, "stale 304 refresh | Age: 70"}),
  };
  check_rules(rules);
}

static void a_304_guides_the_clients_cache(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ROW("9110 15.4.5", TAG "\nExpires: @60\nContent-Location: /b", "If-None-Match: \"a\"",
          "hit 304 | ETag: \"a\" | Cache-Control: max-age=60 | Content-Location: /b | "
          "Expires: Sun, 06 Nov 2044 08:50:37 GMT | Age: 1"),
      ROW("9110 15.4.5", TAG "\nVary: X", "If-None-Match: \"a\"", "hit 304 | Vary: X"),
      ROW("9110 15.4.5", TAG "\nContent-Type: a/b\nContent-Language: en\nLast-Modified: @-9",
          "If-None-Match: \"a\"",
          "hit 304 | Content-Type: none | Content-Language: none | Last-Modified: none"),
      ROW("9110 15.4.5", DATED, "If-Modified-Since: @-100",
          "hit 304 | Last-Modified: Sun, 06 Nov 2044 08:47:57 GMT"),
  };
  check_rules(rules);
}

/* ---- 412 ---- */

static void conditions_of_the_origin_may_fail(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ROW("9110 13.1.1", TAG, "If-Match: \"a\"", "hit 200"),
      ROW("9110 13.1.1", TAG, "If-Match: \"b\"", "hit 412 | body= | Content-Length: 0"),
      ROW("9110 13.1.1", TAG, "If-Match: \"b\", \"a\"", "hit 200"),
      ROW("9110 13.1.1", TAG, "If-Match: *", "hit 200"),
      ROW("9110 8.8.3.2", TAG, "If-Match: W/\"a\"", "hit 412"),
      ROW("9110 8.8.3.2", WEAK, "If-Match: W/\"a\"", "hit 412"),
      ROW("9110 8.8.3.2", WEAK, "If-Match: \"a\"", "hit 412"),
      ROW("9110 13.1.1", OK, "If-Match: \"a\"", "hit 412"),
      ROW("9110 13.1.4", DATED, "If-Unmodified-Since: @-100", "hit 200"),
      ROW("9110 13.1.4", DATED, "If-Unmodified-Since: @-101", "hit 412"),
      ROW("9110 13.1.4", DATED, "If-Unmodified-Since: yesterday", "hit 200"),
      ROW("9110 13.1.4", OK, "If-Unmodified-Since: @-101", "hit 200"),
      ROW("9110 13.2.2", DATED "\nETag: \"a\"", "If-Match: \"a\"\nIf-Unmodified-Since: @-101",
          "hit 200"),
      ROW("9110 13.2.2", TAG, "If-Match: \"b\"\nIf-None-Match: \"a\"", "hit 412"),
      ROW("9110 13.2.2", TAG, "If-Match: \"a\"\nIf-None-Match: \"a\"", "hit 304"),
      ROW("9110 13.2.1", "404\nCache-Control: max-age=60\nETag: \"a\"", "If-Match: \"b\"",
          "hit 404"),
  };
  check_rules(rules);
}

/* ---- 206 and 416 ---- */

static void parts_are_served_from_the_whole(void **state) {
  (void)state;
#define PART(first, last) "Content-Range: bytes " #first "-" #last "/5"
  static const struct http_rule rules[] = {
      ROW("9110 14.1.2", OK, "Range: bytes=0-1",
          "hit 206 | body=he | " PART(0, 1) " | Content-Length: 2"),
      ROW("9110 14.1.2", OK, "Range: bytes=1-", "hit 206 | body=ello | " PART(1, 4)),
      ROW("9110 14.1.2", OK, "Range: bytes=4-4", "hit 206 | body=o | " PART(4, 4)),
      ROW("9110 14.1.2", OK, "Range: bytes=3-99", "hit 206 | body=lo | " PART(3, 4)),
      ROW("9110 14.1.2", OK, "Range: bytes=-1", "hit 206 | body=o | " PART(4, 4)),
      ROW("9110 14.1.2", OK, "Range: bytes=-9", "hit 206 | body=hello | " PART(0, 4)),
      ROW("9110 14.1.2", OK, "Range: bytes=0-99999999999999999999",
          "hit 206 | body=hello | " PART(0, 4)),
      ROW("9110 14.1", OK, "Range: BYTES=0-1", "hit 206 | body=he"),
      /* None of it is there. */
      ROW("9110 15.5.17", OK, "Range: bytes=5-5",
          "hit 416 | body= | Content-Range: bytes */5 | Content-Length: 0"),
      ROW("9110 15.5.17", OK, "Range: bytes=99999999999999999999-", "hit 416"),
      ROW("9110 14.1.2", OK, "Range: bytes=-0", "hit 416"),
      ROW("9110 15.5.17", OK "\n\n", "Range: bytes=0-0", "hit 416 | Content-Range: bytes */0"),
      /* Malformed, several, or of another unit: the whole. */
      ROW("9110 14.1.1", OK, "Range: bytes=2-1", "hit 200 | body=hello | Content-Range: none"),
      ROW("9110 14.1.1", OK, "Range: bytes=", "hit 200"),
      ROW("9110 14.1.1", OK, "Range: bytes=-", "hit 200"),
      ROW("9110 14.1.1", OK, "Range: bytes=a-1", "hit 200"),
      ROW("9110 14.1.1", OK, "Range: bytes 0-1", "hit 200"),
      ROW("9110 14.1.1", OK, "Range: bites=0-1", "hit 200"),
      ROW("9110 14.2", OK, "Range: bytes=0-1, 3-4", "hit 200 | body=hello"),
      ROW("9110 14.2", OK, "Range: bytes=0-1\nRange: bytes=3-4", "hit 200"),
      ROW("CVE-2011-3192", OK, "Range: bytes=0-,0-,0-,0-", "hit 200"),
      /* Only of a GET that succeeded. */
      RULE("9110 14.2", "", {0, A, OK, NULL},
           {1, "HEAD http://a.com/\nRange: bytes=0-1", NULL, "hit 200 | Content-Length: 5"}),
      ROW("9110 14.2", "404\nCache-Control: max-age=60", "Range: bytes=0-1",
          "hit 404 | body=hello"),
      ROW("9110 15.3.7", TAG "\nContent-Type: a/b", "Range: bytes=0-1",
          "hit 206 | ETag: \"a\" | Content-Type: a/b | Cache-Control: max-age=60 | Age: 1"),
      ROW("9110 13.2.2", TAG, "Range: bytes=0-1\nIf-None-Match: \"a\"", "hit 304"),
      ROW("9110 13.2.2", TAG, "Range: bytes=0-1\nIf-None-Match: \"b\"", "hit 206"),
      ROW("9110 13.2.2", TAG, "Range: bytes=0-1\nIf-Match: \"b\"", "hit 412"),
      RULE("9111 4.3.4", "", {0, A, TAG, NULL},
           {60, A "\nRange: bytes=0-1", "304\nETag: \"a\"",
            "revalidate stale, freshen 206 | body=he | " PART(0, 1)}),
  };
  check_rules(rules);
}

static void a_part_must_fit_to_what_the_client_has(void **state) {
  (void)state;
#define IF "Range: bytes=0-1\nIf-Range: "
  static const struct http_rule rules[] = {
      ROW("9110 13.1.5", TAG, IF "\"a\"", "hit 206"),
      ROW("9110 13.1.5", TAG, IF "\"b\"", "hit 200 | body=hello"),
      ROW("9110 13.1.5", TAG, IF "W/\"a\"", "hit 200"),
      ROW("9110 13.1.5", WEAK, IF "W/\"a\"", "hit 200"),
      ROW("9110 13.1.5", WEAK, IF "\"a\"", "hit 200"),
      ROW("9110 13.1.5", OK, IF "\"a\"", "hit 200"),
      ROW("9110 13.1.5", TAG, IF "\"a\", \"a\"", "hit 200"),
      ROW("9110 13.1.5", TAG, IF "*", "hit 200"),
      ROW("9110 13.1.5", TAG, IF "\"a\"\nIf-Range: \"a\"", "hit 200"),
      ROW("9110 13.1.5", TAG, "If-Range: \"a\"", "hit 200"),
      ROW("9110 13.1.5", DATED "\nDate: @0", IF "@-100", "hit 206"),
      ROW("9110 13.1.5", DATED "\nDate: @0", IF "@-99", "hit 200"),
      ROW("9110 13.1.5", DATED "\nDate: @0", IF "@-101", "hit 200"),
      ROW("9110 13.1.5", DATED "\nDate: @0", IF "yesterday", "hit 200"),
      /* A response of the second in which it was modified may change once more in it. */
      ROW("9110 8.8.2.2", OK "\nLast-Modified: @-9\nDate: @-9", IF "@-9", "hit 200"),
      ROW("9110 8.8.2.2", OK "\nLast-Modified: @-9\nDate: @-8", IF "@-9", "hit 206"),
      /* It may be out of range, too. */
      ROW("9110 13.1.5", TAG, "Range: bytes=9-\nIf-Range: \"a\"", "hit 416"),
      ROW("9110 13.1.5", TAG, "Range: bytes=9-\nIf-Range: \"b\"", "hit 200"),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clients_are_told_that_they_have_it),
      cmocka_unit_test(a_304_guides_the_clients_cache),
      cmocka_unit_test(conditions_of_the_origin_may_fail),
      cmocka_unit_test(parts_are_served_from_the_whole),
      cmocka_unit_test(a_part_must_fit_to_what_the_client_has),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
