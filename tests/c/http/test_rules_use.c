/* SPDX-License-Identifier: MIT */
/* Rules of using what is stored (RFC 9111, 4.2 and 5.2.2): its age, whether it is fresh, and when
 * it may be used although it is stale. What requests ask for: test_rules_ask.c. */
#include "http_rules.h"

#define GET "GET http://example.com/a"
#define FRESH "\nCache-Control: max-age=60"
#define TAG "\nETag: \"a\""

/* What a second request gets, some seconds after the first one stored the response. */
#define USE(source, policy, response, at_s, expected) \
  RULE(source, policy, {0, GET, response, NULL}, {at_s, GET, NULL, expected})

/* The same if the origin is asked and does this. */
#define ASKS(source, policy, response, at_s, origin, expected) \
  RULE(source, policy, {0, GET, response, NULL}, {at_s, GET, origin, expected})

static void age_is_counted_from_the_request(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      USE("9111 4.2.3", "", "200" FRESH, 0, "hit 200 | Age: 0 | age=0 | ttl=60"),
      USE("9111 4.2.3: resident time", "", "200" FRESH, 59, "hit 200 | Age: 59 | age=59 | ttl=1"),
      USE("9111 4.2.3: Age", "", "200\nAge: 10" FRESH, 5, "hit 200 | Age: 15"),
      USE("9111 5.1: one Age replaces another", "", "200\nAge: 10\nAge: 20" FRESH, 5,
          "hit 200 | Age: 15"),
      USE("9111 4.2.3: apparent age", "", "200\nDate: @-10" FRESH, 5, "hit 200 | Age: 15"),
      USE("9111 4.2.3: the larger one", "", "200\nDate: @-10\nAge: 20" FRESH, 5,
          "hit 200 | Age: 25"),
      USE("9111 4.2.3: the larger one", "", "200\nDate: @-20\nAge: 10" FRESH, 5,
          "hit 200 | Age: 25"),
      USE("9111 4.2.3: Date in the future", "", "200\nDate: @100" FRESH, 5, "hit 200 | Age: 5"),
      USE("9111 4.2.3: the delay", "", "200 received=10000" FRESH, 15, "hit 200 | Age: 15"),
      USE("9111 4.2.3: the delay and Age", "", "200 received=10000\nAge: 10" FRESH, 15,
          "hit 200 | Age: 25"),
      USE("9111 4.2.3: Date is not corrected by the delay", "",
          "200 received=10000\nDate: @0" FRESH, 15, "hit 200 | Age: 15"),
      USE("9111 5.1: an invalid Age", "", "200\nAge: 1O" FRESH, 5, "hit 200 | Age: 5"),
      USE("9111 4.2.3: a clock that was set back", "", "200" FRESH, -100, "hit 200 | Age: 0"),
      USE("9111 4.2.3: and Age stays", "", "200\nAge: 10" FRESH, -100, "hit 200 | Age: 10"),
      USE("9111 4: Date is that of the origin", "",
          "200\nDate: Sun, 06 Nov 2044 08:49:35 GMT" FRESH, 5,
          "hit 200 | Date: Sun, 06 Nov 2044 08:49:35 GMT | Age: 7"),
      USE("9110 6.6.1: without one, the time of receipt", "", "200" FRESH, 5,
          "hit 200 | Date: Sun, 06 Nov 2044 08:49:37 GMT | Age: 5"),
      RULE("9111 5.1: the origin's Age is sent on", "",
           {0, GET, "200\nAge: 7" FRESH, "stored | Age: 7"}),
  };
  check_rules(rules);
}

static void fresh_is_younger_than_the_lifetime(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      USE("9111 4.2", "", "200" FRESH, 59, "hit 200"),
      USE("9111 4.2", "", "200" FRESH, 60, "miss stale"),
      USE("9111 4.3.1: it can be validated", "", "200" FRESH TAG, 60,
          "revalidate stale | if-error=0 | coalesce=1"),
      USE("9111 4.3.1: by its date", "", "200\nLast-Modified: @-9" FRESH, 60, "revalidate stale"),
      USE("9110 8.8.2.1: not by another date", "", "200\nLast-Modified: 9" FRESH, 60, "miss stale"),
      USE("9110 8.8.3: not by an invalid tag", "", "200\nETag: a" FRESH, 60, "miss stale"),
      USE("9111 4.2.3: with Age", "", "200\nAge: 10" FRESH, 49, "hit 200"),
      USE("9111 4.2.3: with Age", "", "200\nAge: 10" FRESH, 50, "miss stale"),
      USE("9111 4.2.3: with the delay", "", "200 received=10000" FRESH, 59, "hit 200"),
      USE("9111 4.2.3: with the delay", "", "200 received=10000" FRESH, 60, "miss stale"),
      USE("9111 4.2.3: with Date", "", "200\nDate: @-10" FRESH, 49, "hit 200"),
      USE("9111 4.2.3: with Date", "", "200\nDate: @-10" FRESH, 50, "miss stale"),
      USE("9111 4.2.1: Expires", "", "200\nDate: @0\nExpires: @60", 59, "hit 200"),
      USE("9111 4.2.1: Expires", "", "200\nDate: @0\nExpires: @60", 60, "miss stale"),
      USE("9111 4.2.1: Expires, and Age", "", "200\nDate: @0\nExpires: @60\nAge: 10", 50,
          "miss stale"),
      USE("9111 4.2.1: Expires, and a fast clock", "", "200\nDate: @10\nExpires: @20\nAge: 8", 1,
          "hit 200"),
      USE("9111 4.2.1: Expires, and a fast clock", "", "200\nDate: @10\nExpires: @20\nAge: 8", 2,
          "miss stale"),
      USE("9111 4.2.1: Expires, and a slow clock", "", "200\nDate: @-10\nExpires: @10", 9,
          "hit 200"),
      USE("9111 4.2.1: Expires, and a slow clock", "", "200\nDate: @-10\nExpires: @10", 10,
          "miss stale"),
      USE("9111 4.2.2: heuristic", "heuristic", "200\nLast-Modified: @-1000", 99, "hit 200"),
      USE("9111 4.2.2: heuristic", "heuristic", "200\nLast-Modified: @-1000", 100,
          "revalidate stale"),
      USE("9111 4.2.2: a day", "heuristic", "200\nLast-Modified: @-9000000", 86399, "hit 200"),
      USE("9111 4.2.2: a day", "heuristic", "200\nLast-Modified: @-9000000", 86400,
          "revalidate stale"),
      USE("9111 1.2.2: the longest lifetime", "", "200\nCache-Control: max-age=99999999999",
          2147483647, "hit 200"),
      USE("9111 1.2.2: the longest lifetime", "", "200\nCache-Control: max-age=99999999999",
          2147483648, "miss stale"),
      USE("9111 5.2.2.10: s-maxage", "", "200\nCache-Control: s-maxage=60, max-age=600", 60,
          "miss stale"),
      USE("9111 5.2.2.10: s-maxage", "private", "200\nCache-Control: s-maxage=60, max-age=600", 60,
          "hit 200"),
      USE("9111 5.2.2.4: no-cache", "", "200\nCache-Control: no-cache, max-age=60" TAG, 1,
          "revalidate stale"),
      USE("9111 5.2.2.4: no-cache", "private", "200\nCache-Control: no-cache, max-age=60" TAG, 1,
          "revalidate stale"),
      USE("9111 5.2.2.4: no-cache", "ignore", "200\nCache-Control: no-cache, max-age=60" TAG, 1,
          "revalidate stale"),
      USE("9111 5.2.2.4: qualified", "", "200\nCache-Control: no-cache=\"b\", max-age=60" TAG, 1,
          "hit 200"),
      USE("9111 5.2.2.2: must-revalidate is fresh", "",
          "200\nCache-Control: must-revalidate, max-age=60" TAG, 59, "hit 200"),
      USE("9111 5.2.2.2: or not", "", "200\nCache-Control: must-revalidate, max-age=60" TAG, 60,
          "revalidate stale"),
      USE("9111 4: a status is answered as it is", "", "404" FRESH, 1, "hit 404 | body=hello"),
      USE("9111 4: and a redirect", "", "301\nLocation: /b" FRESH, 1, "hit 301 | Location: /b"),
      USE("9111 4: and an empty body", "", "204" FRESH, 1, "hit 204 | Content-Length: none"),
      USE("9110 8.6: the body has its length", "", "200" FRESH, 1,
          "hit 200 | Content-Length: 5 | body=hello"),
      USE("9211 2.1: a hit", "", "200" FRESH, 1, "hit 200 | Cache-Status: cachette;hit;ttl=59"),
      USE("9211 2.2: what is forwarded", "", "200" FRESH, 60, "miss stale | coalesce=1"),
  };
  check_rules(rules);
}

#define SWR "\nCache-Control: max-age=60, stale-while-revalidate=10"

static void stale_responses_are_used_while_they_are_revalidated(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      USE("5861 3: fresh", "", "200" SWR, 59, "hit 200"),
      USE("5861 3: stale", "", "200" SWR, 60, "stale 200 refresh | Age: 60 | ttl=0 | body=hello"),
      USE("5861 3: in the window", "", "200" SWR, 69, "stale 200 refresh | Age: 69 | ttl=-9"),
      USE("5861 3: behind it", "", "200" SWR, 71, "miss stale"),
      USE("5861 3: behind it", "", "200" SWR TAG, 71, "revalidate stale"),
      USE("9111 4.2.4: nothing permits it", "", "200" FRESH, 61, "miss stale"),
      USE("policy", "swr=10", "200" FRESH, 69, "stale 200 refresh"),
      USE("policy", "swr=10", "200" FRESH, 71, "miss stale"),
      USE("policy: the response says more", "swr=30",
          "200\nCache-Control: max-age=60, stale-while-revalidate=10", 71, "miss stale"),
      USE("policy: the response says none", "swr=30",
          "200\nCache-Control: max-age=60, stale-while-revalidate=0", 61, "miss stale"),
      USE("5861 3: an odd number", "swr=30",
          "200\nCache-Control: max-age=60, stale-while-revalidate=x", 61, "miss stale"),
      USE("5861 3: no number", "swr=30", "200\nCache-Control: max-age=60, stale-while-revalidate",
          61, "miss stale"),
      USE("9111 4.2.4: must-revalidate", "", "200" SWR ", must-revalidate", 61, "miss stale"),
      USE("9111 4.2.4: must-revalidate", "swr=10", "200" FRESH ", must-revalidate", 61,
          "miss stale"),
      USE("9111 4.2.4: must-revalidate", "private", "200" SWR ", must-revalidate", 61,
          "miss stale"),
      USE("9111 5.2.2.8: proxy-revalidate", "", "200" SWR ", proxy-revalidate", 61, "miss stale"),
      USE("9111 5.2.2.8: a private cache", "private", "200" SWR ", proxy-revalidate", 61,
          "stale 200 refresh"),
      USE("9111 4.2.4: no-cache", "", "200" SWR ", no-cache" TAG, 61, "revalidate stale"),
      USE("9111 5.2.2.10: s-maxage", "swr=10", "200\nCache-Control: s-maxage=60", 61, "miss stale"),
      USE("9111 5.2.2.10: unless it is explicit", "",
          "200\nCache-Control: s-maxage=60, stale-while-revalidate=10", 61, "stale 200 refresh"),
      USE("9111 5.2.2.10: a private cache", "private swr=10",
          "200\nCache-Control: s-maxage=6, max-age=60", 61, "stale 200 refresh"),
      RULE("5861 3: the refresh is stored", "", {0, GET, "200" SWR, NULL},
           {61, GET, "200" FRESH "\n\nnew", "stale 200 refresh, stored | body=hello"},
           {62, GET, NULL, "hit 200 | body=new | Age: 1"}),
      RULE("5861 3: or freshens", "", {0, GET, "200" SWR TAG, NULL},
           {61, GET, "304", "stale 200 refresh, freshen 200 | body=hello | > If-None-Match: \"a\""},
           {62, GET, NULL, "hit 200 | body=hello | Age: 1"}),
      RULE("5861 3: an error changes nothing", "", {0, GET, "200" SWR, NULL},
           {61, GET, "500", "stale 200 refresh, not stored: status"},
           {62, GET, NULL, "stale 200 refresh | body=hello"}),
      RULE("5861 3: nor does no answer", "", {0, GET, "200" SWR, NULL},
           {61, GET, "down", "stale 200 refresh, not stored: origin-error"},
           {62, GET, NULL, "stale 200 refresh | body=hello"}),
      RULE("5861 3: the refresh is nobody's", "", {0, GET, "200" SWR TAG, NULL},
           {61, GET "\nIf-None-Match: \"b\"\nRange: bytes=0-1", "304",
            "stale 206 refresh, freshen 206 | > Range: none | > If-None-Match: \"a\""}),
      USE("9211 2: stale, but a hit", "", "200" SWR, 61,
          "stale 200 refresh | Cache-Status: cachette;hit;ttl=-1"),
  };
  check_rules(rules);
}

#define SIE "\nCache-Control: max-age=60, stale-if-error=10"

static void stale_responses_are_used_if_the_origin_fails(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASKS("5861 4: no answer", "", "200" SIE, 61, "down",
           "miss stale, stale 200 | if-error=1 | body=hello | Age: 61"),
      ASKS("5861 4: 500", "", "200" SIE, 61, "500", "miss stale, stale 200 | body=hello"),
      ASKS("9211 2.3: 500 is what the origin said", "", "200" SIE, 61, "500",
           "miss stale, stale 200 | Cache-Status: "
           "cachette;fwd=stale;fwd-status=500;ttl=-1;detail=origin-error"),
      ASKS("5861 4: 502", "", "200" SIE, 61, "502", "miss stale, stale 200"),
      ASKS("5861 4: 503", "", "200" SIE, 61, "503", "miss stale, stale 200"),
      ASKS("5861 4: 504", "", "200" SIE, 61, "504", "miss stale, stale 200"),
      ASKS("5861 4: even if it may be stored", "", "200" SIE, 61, "503" FRESH,
           "miss stale, stale 200"),
      ASKS("5861 4: 501 is no such error", "", "200" SIE, 61, "501",
           "miss stale, not stored: no-freshness"),
      ASKS("5861 4: nor is 505", "", "200" SIE, 61, "505", "miss stale, not stored: status"),
      ASKS("5861 4: nor is 404", "", "200" SIE, 61, "404" FRESH, "miss stale, stored"),
      ASKS("5861 4: nor is 429", "", "200" SIE, 61, "429", "miss stale, not stored: status"),
      ASKS("5861 4: 200", "", "200" SIE, 61, "200" FRESH "\n\nnew",
           "miss stale, stored | body=new"),
      ASKS("5861 4: in the window", "", "200" SIE, 69, "down", "miss stale, stale 200"),
      ASKS("5861 4: behind it", "", "200" SIE, 71, "down", "miss stale, not stored: origin-error"),
      ASKS("5861 4: behind it", "", "200" SIE, 71, "503" FRESH "\n\nnew",
           "miss stale, stored | body=new"),
      ASKS("5861 4: when it is validated", "", "200" SIE TAG, 61, "503",
           "revalidate stale, stale 200"),
      ASKS("9111 4.3.3: without permission", "", "200" FRESH TAG, 61, "503\n\nnew",
           "revalidate stale, not stored: status | body=new"),
      ASKS("9111 4.2.4: without permission", "", "200" FRESH, 61, "down",
           "miss stale, not stored: origin-error"),
      ASKS("policy", "sie=10", "200" FRESH, 69, "down", "miss stale, stale 200"),
      ASKS("policy", "sie=10", "200" FRESH, 71, "down", "miss stale, not stored: origin-error"),
      ASKS("policy: the response says none", "sie=10",
           "200\nCache-Control: max-age=60, stale-if-error=0", 61, "down",
           "miss stale, not stored: origin-error"),
      ASKS("policy of the RFC: a day", "rfc", "200" FRESH, 86459, "down", "miss stale, stale 200"),
      ASKS("policy of the RFC: a day", "rfc", "200" FRESH, 86461, "down",
           "miss stale, not stored: origin-error"),
      ASKS("9111 4.2.4: must-revalidate", "", "200" SIE ", must-revalidate", 61, "down",
           "miss stale, not stored: origin-error"),
      ASKS("9111 4.2.4: must-revalidate", "rfc", "200" FRESH ", must-revalidate" TAG, 61, "down",
           "revalidate stale, not stored: origin-error"),
      ASKS("9111 5.2.2.8: proxy-revalidate", "rfc", "200" FRESH ", proxy-revalidate", 61, "down",
           "miss stale, not stored: origin-error"),
      ASKS("9111 5.2.2.8: a private cache", "private sie=10", "200" FRESH ", proxy-revalidate", 61,
           "down", "miss stale, stale 200"),
      ASKS("9111 5.2.2.10: s-maxage", "rfc", "200\nCache-Control: s-maxage=60", 61, "down",
           "miss stale, not stored: origin-error"),
      ASKS("9111 5.2.2.10: unless it is explicit", "rfc",
           "200\nCache-Control: s-maxage=60, stale-if-error=10", 61, "down",
           "miss stale, stale 200"),
      ASKS("9111 4.2.4: no-cache", "", "200" SIE ", no-cache" TAG, 61, "down",
           "revalidate stale, not stored: origin-error"),
      ASKS("9111 4.2.4: no-cache", "rfc", "200" FRESH ", no-cache" TAG, 1, "503",
           "revalidate stale, not stored: status"),
      RULE("5861 4: the error is not stored", "", {0, GET, "200" SIE, NULL},
           {61, GET, "503" FRESH, "miss stale, stale 200"},
           {62, GET, "200" FRESH "\n\nnew", "miss stale, stored | body=new"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(age_is_counted_from_the_request),
      cmocka_unit_test(fresh_is_younger_than_the_lifetime),
      cmocka_unit_test(stale_responses_are_used_while_they_are_revalidated),
      cmocka_unit_test(stale_responses_are_used_if_the_origin_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
