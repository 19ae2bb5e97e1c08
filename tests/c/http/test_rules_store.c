/* SPDX-License-Identifier: MIT */
/* Rules of storing (RFC 9111, 3): may a response be stored, and how long is it fresh? Who may see
 * it: test_rules_share.c. Odd forms of Cache-Control: test_rules_control.c. */
#include "http_rules.h"

#define GET "GET http://example.com/a"
#define FRESH "\nCache-Control: max-age=60"
#define TAG "\nETag: \"a\""

#define STORED(source, policy, response) RULE(source, policy, {0, GET, response, "stored"})
#define FRESH_FOR(source, policy, response, seconds) \
  RULE(source, policy, {0, GET, response, "stored | lifetime=" #seconds})
#define REFUSED(source, policy, response, reason) \
  RULE(source, policy, {0, GET, response, "not stored: " reason})

/* The same for a request with a range. */
#define PART GET "\nRange: bytes=0-4"
#define PART_STORED(source, policy, response) RULE(source, policy, {0, PART, response, "stored"})
#define PART_REFUSED(source, policy, response, reason) \
  RULE(source, policy, {0, PART, response, "not stored: " reason})

/* A field is not kept, or it is. */
#define LOSES(source, policy, response, name) \
  RULE(source, policy, {0, GET, response, NULL}, {1, GET, NULL, "hit 200 | " name ": none"})
#define KEEPS(source, policy, response, name, value) \
  RULE(source, policy, {0, GET, response, NULL}, {1, GET, NULL, "hit 200 | " name ": " value})

static void explicit_freshness_makes_a_final_status_cacheable(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      STORED("9111 3: 200", "", "200" FRESH),
      STORED("9111 3: 203", "", "203" FRESH),
      STORED("9111 3: 204", "", "204" FRESH),
      STORED("9111 3: an unknown one", "", "299" FRESH),
      STORED("9111 3: 301", "", "301" FRESH),
      STORED("9111 3: 302", "", "302" FRESH),
      STORED("9111 3: 303", "", "303" FRESH),
      STORED("9111 3: 307", "", "307" FRESH),
      STORED("9111 3: 308", "", "308" FRESH),
      STORED("9111 3: 400", "", "400" FRESH),
      STORED("9111 3: 403", "", "403" FRESH),
      STORED("9111 3: 404", "", "404" FRESH),
      STORED("9111 3: 410", "", "410" FRESH),
      STORED("9111 3: an unknown one", "", "499" FRESH),
      STORED("9111 3: 500", "", "500" FRESH),
      STORED("9111 3: 502", "", "502" FRESH),
      STORED("9111 3: 503", "", "503" FRESH),
      STORED("9111 3: 504", "", "504" FRESH),
      STORED("9111 3: an unknown one", "", "599" FRESH),
      REFUSED("9111 3: not a status", "", "600" FRESH, "status"),
      REFUSED("8470 5.2: 425", "", "425" FRESH, "status"),
      REFUSED("6585 3: 428", "", "428" FRESH, "status"),
      REFUSED("6585 4: 429", "", "429" FRESH, "status"),
      REFUSED("6585 5: 431", "", "431" FRESH, "status"),
      REFUSED("6585 6: 511", "", "511" FRESH, "status"),
      REFUSED("6585 6: also where all is allowed", "rfc", "511" FRESH, "status"),
      REFUSED("9110 15.4.5: 304 is no response of its own", "", "304" FRESH, "not-modified"),
      /* Cache poisoning by errors (CPDoS), and CVE-2025-49826: nothing says that they may. */
      REFUSED("CPDoS: 400", "ttl=30 heuristic", "400\nLast-Modified: @-1000", "status"),
      REFUSED("CPDoS: 403", "ttl=30 heuristic", "403\nLast-Modified: @-1000", "status"),
      REFUSED("CPDoS: 500", "ttl=30 heuristic", "500\nLast-Modified: @-1000", "status"),
      REFUSED("CPDoS: 503", "ttl=30 heuristic", "503\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.3.5: a 204 with a body", "", "204" FRESH "\n\nx", "incomplete"),
      REFUSED("CVE-2025-49826: 204", "ttl=30", "204", "no-freshness"),
      REFUSED("CPDoS: 404", "ttl=30", "404", "no-freshness"),
      REFUSED("CPDoS: 501", "ttl=30", "501", "no-freshness"),
  };
  check_rules(rules);
}

static void without_freshness_the_policy_decides(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("9111 3", "", "200", "no-freshness"),
      REFUSED("9111 3: safe", "", "200\nLast-Modified: @-1000", "no-freshness"),
      REFUSED("9111 3: nothing to estimate", "heuristic", "200", "no-freshness"),
      FRESH_FOR("default", "ttl=30", "200", 30),
      FRESH_FOR("default: 203", "ttl=30", "203", 30),
      FRESH_FOR("default: 300", "ttl=30", "300", 30),
      FRESH_FOR("default: 301", "ttl=30", "301", 30),
      FRESH_FOR("default: 308", "ttl=30", "308", 30),
      REFUSED("default: 302", "ttl=30", "302", "status"),
      FRESH_FOR("default: what the origin says is more", "ttl=30", "200" FRESH, 60),
      REFUSED("default: also that it is stale", "ttl=30", "200\nCache-Control: max-age=0",
              "not-fresh"),
      REFUSED("9111 4.2.2: explicit, though invalid", "ttl=30", "200\nExpires: 0", "not-fresh"),
      REFUSED("CVE-2026-24472: not against no-store", "ttl=30", "200\nCache-Control: no-store",
              "no-store"),
      REFUSED("CVE-2026-24472: not against private", "ttl=30", "200\nCache-Control: private",
              "private"),
      FRESH_FOR("9111 4.2.2: a tenth", "heuristic", "200\nDate: @0\nLast-Modified: @-1000", 100),
      FRESH_FOR("9111 4.2.2: of Date minus Last-Modified", "heuristic",
                "200\nDate: @-10\nLast-Modified: @-1010", 100),
      FRESH_FOR("9111 4.2.2: a day", "heuristic", "200\nDate: @0\nLast-Modified: @-864000", 86400),
      FRESH_FOR("9111 4.2.2: at most a day", "heuristic", "200\nDate: @0\nLast-Modified: @-864010",
                86400),
      FRESH_FOR("9111 4.2.2: Last-Modified alone", "heuristic", "200\nLast-Modified: @-1000", 100),
      REFUSED("9110 8.8.2.1: not a date", "heuristic", "200\nLast-Modified: yesterday",
              "no-freshness"),
      RULE("9111 4.2.2: a query does not matter", "heuristic",
           {0, GET "?b", "200\nLast-Modified: @-1000", "stored | lifetime=100"}),
      FRESH_FOR("9111 4.2.2: Last-Modified in the future", "heuristic", "200\nLast-Modified: @10",
                0),
      REFUSED("9110 8.8.2: two of them", "heuristic",
              "200\nLast-Modified: @-1000\nLast-Modified: @-2000", "no-freshness"),
      FRESH_FOR("9110 15.3.5: 204", "heuristic", "204\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.3.4: 203", "heuristic", "203\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.4.1: 300", "heuristic", "300\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.4.2: 301", "heuristic", "301\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.4.9: 308", "heuristic", "308\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.5.5: 404", "heuristic", "404\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.5.6: 405", "heuristic", "405\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.5.11: 410", "heuristic", "410\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.5.15: 414", "heuristic", "414\nLast-Modified: @-1000", 100),
      FRESH_FOR("9110 15.6.2: 501", "heuristic", "501\nLast-Modified: @-1000", 100),
      REFUSED("9110 15.1: 201", "heuristic", "201\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 202", "heuristic", "202\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 302", "heuristic", "302\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 303", "heuristic", "303\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 307", "heuristic", "307\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 502", "heuristic", "502\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 504", "heuristic", "504\nLast-Modified: @-1000", "status"),
      REFUSED("9110 15.1: 599", "heuristic", "599\nLast-Modified: @-1000", "status"),
      FRESH_FOR("9111 4.2.2: but public", "heuristic",
                "599\nLast-Modified: @-1000\nCache-Control: public", 100),
      REFUSED("9111 4.2.2: safe", "", "599\nLast-Modified: @-1000\nCache-Control: public",
              "no-freshness"),
      REFUSED("9111 5.2.2.9: public is no lifetime", "", "200\nCache-Control: public",
              "no-freshness"),
      REFUSED("9111 5.2.2.2: nor is must-revalidate", "", "200\nCache-Control: must-revalidate",
              "no-freshness"),
      REFUSED("8246 2: nor is immutable", "", "200\nCache-Control: immutable", "no-freshness"),
      REFUSED("5861 3: nor is stale-while-revalidate", "",
              "200\nCache-Control: stale-while-revalidate=60", "no-freshness"),
      STORED("9111 4.2.2: explicit, so nothing is estimated", "heuristic",
             "200\nLast-Modified: @-1000\nExpires: 0"),
      FRESH_FOR("9111 4.2.2: the lifetime is over", "heuristic",
                "200\nLast-Modified: @-1000\nExpires: 0", 0),
      FRESH_FOR("9111 4.2.1: an odd number is explicit, too", "heuristic",
                "200\nLast-Modified: @-1000\nCache-Control: max-age=x", 0),
  };
  check_rules(rules);
}

static void lifetimes_come_from_the_first_that_applies(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      FRESH_FOR("9111 4.2.1: max-age", "", "200\nCache-Control: max-age=60", 60),
      FRESH_FOR("9111 4.2.1: s-maxage", "", "200\nCache-Control: s-maxage=60", 60),
      FRESH_FOR("9111 4.2.1: Expires minus Date", "", "200\nDate: @-10\nExpires: @60", 70),
      FRESH_FOR("9111 4.2.1: s-maxage before max-age", "",
                "200\nCache-Control: s-maxage=60, max-age=6", 60),
      FRESH_FOR("9111 4.2.1: in any order", "", "200\nCache-Control: max-age=6, s-maxage=60", 60),
      FRESH_FOR("9111 4.2.1: in lines", "",
                "200\nCache-Control: max-age=6\nCache-Control: s-maxage=60", 60),
      FRESH_FOR("9111 5.2.2.10: private caches have max-age", "private",
                "200\nCache-Control: max-age=6, s-maxage=60", 6),
      REFUSED("9111 5.2.2.10: or nothing", "private", "200\nCache-Control: s-maxage=60",
              "no-freshness"),
      FRESH_FOR("9111 5.3: max-age before Expires", "", "200\nExpires: @600" FRESH, 60),
      FRESH_FOR("9111 5.3: even if it is past", "", "200\nExpires: @-600" FRESH, 60),
      FRESH_FOR("9111 5.3: even if it is invalid", "", "200\nExpires: 0" FRESH, 60),
      FRESH_FOR("9111 4.2.1: all three", "",
                "200\nExpires: @-10\nCache-Control: max-age=0, s-maxage=60", 60),
      REFUSED("9111 5.3: max-age=0 before Expires", "",
              "200\nExpires: @60\nCache-Control: max-age=0", "not-fresh"),
      REFUSED("9111 5.2.2.10: s-maxage=0 before max-age", "",
              "200\nCache-Control: max-age=60, s-maxage=0", "not-fresh"),
      FRESH_FOR("9111 4.2.1: without Date, the time of receipt", "", "200\nExpires: @60", 60),
      FRESH_FOR("9111 4.2.1: an invalid Date", "", "200\nDate: foo\nExpires: @60", 60),
      FRESH_FOR("9111 5.3: one second", "", "200\nDate: @0\nExpires: @1", 1),
      REFUSED("9111 4.2: none", "", "200\nDate: @0\nExpires: @0", "not-fresh"),
      REFUSED("9111 5.3: past", "", "200\nDate: @0\nExpires: @-1", "not-fresh"),
      REFUSED("9111 5.3: Date is later", "", "200\nDate: @70\nExpires: @60", "not-fresh"),
      REFUSED("9111 5.3: 0", "", "200\nExpires: 0", "not-fresh"),
      REFUSED("9111 5.3: -1", "", "200\nExpires: -1", "not-fresh"),
      REFUSED("9111 5.3: empty", "", "200\nExpires:", "not-fresh"),
      REFUSED("9111 4.2.1: two Expires", "", "200\nExpires: @60\nExpires: @70", "not-fresh"),
      FRESH_FOR("9111 4.2.1: the same Expires twice", "", "200\nExpires: @60\nExpires: @60", 60),
      REFUSED("9111 4.2.1: one of them invalid", "", "200\nExpires: @60\nExpires: 0", "not-fresh"),
      FRESH_FOR("9110 5.6.7: IMF-fixdate", "", "200\nExpires: Sun, 06 Nov 2044 08:50:37 GMT", 60),
      FRESH_FOR("9110 5.6.7: RFC 850", "", "200\nExpires: Sunday, 06-Nov-44 08:50:37 GMT", 60),
      FRESH_FOR("9110 5.6.7: asctime", "", "200\nExpires: Sun Nov  6 08:50:37 2044", 60),
      FRESH_FOR("9111 4.2: the case does not matter", "",
                "200\nExpires: sUN, 06 nOV 2044 08:50:37 gmt", 60),
      REFUSED("9111 4.2: another zone", "", "200\nExpires: Sun, 06 Nov 2044 08:50:37 UTC",
              "not-fresh"),
      REFUSED("9110 5.6.7: two digits of a year", "", "200\nExpires: Sun, 06 Nov 44 08:50:37 GMT",
              "not-fresh"),
      REFUSED("9110 5.6.7: one digit of an hour", "", "200\nExpires: Sun, 06 Nov 2044 8:50:37 GMT",
              "not-fresh"),
      REFUSED("9110 5.6.7: no comma", "", "200\nExpires: Sun 06 Nov 2044 08:50:37 GMT",
              "not-fresh"),
      REFUSED("9110 5.6.7: two blanks", "", "200\nExpires: Sun, 06  Nov 2044 08:50:37 GMT",
              "not-fresh"),
      REFUSED("9110 5.6.7: dashes", "", "200\nExpires: Sun, 06-Nov-2044 08:50:37 GMT", "not-fresh"),
      REFUSED("9110 5.6.7: periods", "", "200\nExpires: Sun, 06 Nov 2044 08.50.37 GMT",
              "not-fresh"),
  };
  check_rules(rules);
}

static void a_response_may_be_stale_when_it_comes(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      STORED("9111 5.1: Age", "", "200\nAge: 59" FRESH),
      REFUSED("9111 5.1: Age", "", "200\nAge: 60" FRESH, "not-fresh"),
      STORED("9111 4.3: but it can be validated", "", "200\nAge: 60" FRESH TAG),
      STORED("9111 4.3: by its date", "", "200\nAge: 60\nLast-Modified: @-9" FRESH),
      STORED("5861 3: or used when stale", "",
             "200\nAge: 60\nCache-Control: max-age=60, stale-while-revalidate=10"),
      REFUSED("5861 3: but not so long", "",
              "200\nAge: 70\nCache-Control: max-age=60, stale-while-revalidate=10", "not-fresh"),
      REFUSED("9111 4.2.3: the delay counts", "", "200 received=1000\nAge: 59" FRESH, "not-fresh"),
      STORED("9111 4.2.3: a shorter one", "", "200 received=999\nAge: 59" FRESH),
      STORED("9111 5.1: the first member", "", "200\nAge: 0, 60" FRESH),
      REFUSED("9111 5.1: the first member", "", "200\nAge: 60, 0" FRESH, "not-fresh"),
      STORED("9111 5.1: the first line", "", "200\nAge: 0\nAge: 60" FRESH),
      REFUSED("9111 5.1: the first line", "", "200\nAge: 60\nAge: 0" FRESH, "not-fresh"),
      STORED("9111 5.1: not a number", "", "200\nAge: abc" FRESH),
      STORED("9111 5.1: negative", "", "200\nAge: -60" FRESH),
      STORED("9111 5.1: a decimal", "", "200\nAge: 60.0" FRESH),
      REFUSED("9111 1.2.2: 2^31", "", "200\nAge: 2147483648" FRESH, "not-fresh"),
      REFUSED("9111 1.2.2: 2^32", "", "200\nAge: 4294967296" FRESH, "not-fresh"),
      REFUSED("9111 1.2.2: 2^64", "", "200\nAge: 18446744073709551616" FRESH, "not-fresh"),
      REFUSED("9111 1.2.2: as long as the longest lifetime", "",
              "200\nAge: 2147483648\nCache-Control: max-age=99999999999", "not-fresh"),
      STORED("9111 4.2.3: Date", "", "200\nDate: @-59" FRESH),
      REFUSED("9111 4.2.3: Date", "", "200\nDate: @-60" FRESH, "not-fresh"),
      STORED("9111 4.2.3: a clock that is fast", "", "200\nDate: @600" FRESH),
      REFUSED("9111 4.2.3: the larger of both", "", "200\nDate: @600\nAge: 60" FRESH, "not-fresh"),
      REFUSED("9111 4.2.3: the larger of both", "", "200\nDate: @-60\nAge: 0" FRESH, "not-fresh"),
      REFUSED("9111 3: max-age=0", "", "200\nCache-Control: max-age=0", "not-fresh"),
      FRESH_FOR("9111 4.3: max-age=0 with a validator", "", "200\nCache-Control: max-age=0" TAG, 0),
      REFUSED("9110 8.8.3: an invalid one", "", "200\nETag: a\nCache-Control: max-age=0",
              "not-fresh"),
  };
  check_rules(rules);
}

static void directives_forbid_storing(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("9111 5.2.2.5: no-store", "", "200\nCache-Control: no-store", "no-store"),
      REFUSED("9111 5.2.2.5", "rfc", "200\nCache-Control: max-age=60, no-store", "no-store"),
      REFUSED("9111 5.2.2.5", "private", "200\nCache-Control: max-age=60, no-store", "no-store"),
      REFUSED("9111 5.2.2.5: with Expires", "", "200\nExpires: @60\nCache-Control: no-store",
              "no-store"),
      REFUSED("9111 5.2.2.5: and public", "", "200\nCache-Control: public, max-age=60, no-store",
              "no-store"),
      REFUSED("9111 5.2.2.5: and s-maxage", "", "200\nCache-Control: s-maxage=60, no-store",
              "no-store"),
      STORED("9111 5.2.2.3: must-understand lifts it", "",
             "200\nCache-Control: max-age=60, no-store, must-understand"),
      REFUSED("9111 5.2.2.3: with an argument it is odd", "",
              "200\nCache-Control: max-age=60, no-store, must-understand=1", "no-store"),
      STORED("9111 5.2.2.3: 404 is understood", "",
             "404\nCache-Control: max-age=60, no-store, must-understand"),
      REFUSED("9111 5.2.2.3: 599 is not", "",
              "599\nCache-Control: max-age=60, no-store, must-understand", "no-store"),
      REFUSED("9111 3: nor without no-store", "", "599\nCache-Control: max-age=60, must-understand",
              "not-understood"),
      REFUSED("9111 5.2.2.3: nor is 299", "", "299\nCache-Control: max-age=60, must-understand",
              "not-understood"),
      REFUSED("9111 5.2.2.3: another directive", "",
              "200\nCache-Control: max-age=60, no-store, must-understan", "no-store"),
      REFUSED("9111 5.2.2.7: private", "", "200\nCache-Control: private, max-age=60", "private"),
      REFUSED("9111 5.2.2.7", "rfc", "200\nCache-Control: private, max-age=60", "private"),
      STORED("9111 5.2.2.7: a private cache", "private", "200\nCache-Control: private, max-age=60"),
      REFUSED("9111 4.2.1: the strictest counts", "",
              "200\nCache-Control: public, private, max-age=60", "private"),
      REFUSED("9111 5.2.2.7: and s-maxage", "", "200\nCache-Control: private, s-maxage=60",
              "private"),
      REFUSED("9111 5.2.2.4: no-cache, without validator", "",
              "200\nCache-Control: no-cache, max-age=60", "no-cache"),
      STORED("9111 5.2.2.4: with a validator", "", "200\nCache-Control: no-cache, max-age=60" TAG),
      STORED("9111 5.2.2.4: without a lifetime", "", "200\nCache-Control: no-cache" TAG),
      STORED("9111 5.2.2.4: its date", "", "200\nCache-Control: no-cache\nLast-Modified: @-1000"),
      STORED("9111 5.4: Pragma means nothing here", "", "200\nPragma: no-cache" FRESH),
      STORED("9111 5.2.3: unknown directives", "", "200\nCache-Control: foo, bar=1, max-age=60"),
      STORED("9111 5.2.2.6: no-transform", "", "200\nCache-Control: no-transform, max-age=60"),
      STORED("9111 5.2.2.8: proxy-revalidate", "",
             "200\nCache-Control: proxy-revalidate, max-age=60"),
  };
  check_rules(rules);
}

static void requests_forbid_storing(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 5.2.1.5: no-store", "",
           {0, GET "\nCache-Control: no-store", "200" FRESH, "not stored: no-store"},
           {1, GET, NULL, "miss uri-miss"}),
      RULE("9111 5.2.1.5", "full",
           {0, GET "\nCache-Control: no-store", "200" FRESH, "not stored: no-store"}),
      RULE("9111 5.2.1.5: no case", "",
           {0, GET "\nCache-Control: No-Store", "200" FRESH, "not stored: no-store"}),
      RULE("9111 5.2.1: advisory", "ignore",
           {0, GET "\nCache-Control: no-store", "200" FRESH, NULL}, {1, GET, NULL, "hit 200"}),
      RULE("9111 5.2.1: others do not forbid it", "",
           {0, GET "\nCache-Control: no-stored", "200" FRESH, NULL}),
      RULE("9111 5.2.1.4: nor does no-cache", "full",
           {0, GET "\nCache-Control: no-cache", "200" FRESH, NULL}),
      RULE("9111 5.2.1.5: what is stored stays", "", {0, GET, "200" FRESH, NULL},
           {1, GET "\nCache-Control: no-store", NULL, "hit 200"}, {2, GET, NULL, "hit 200"}),
      RULE("9110 14.2: Range, answered with the whole", "",
           {0, GET "\nRange: bytes=0-1", "200" FRESH, NULL},
           {1, GET, NULL, "hit 200 | body=hello"}),
  };
  check_rules(rules);
}

static void bodies_are_whole_and_not_too_large(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      STORED("9111 3.3", "", "200\nContent-Length: 5" FRESH),
      REFUSED("9111 3.3: a byte is missing", "", "200\nContent-Length: 6" FRESH, "incomplete"),
      REFUSED("9112 6.3: a byte too many", "", "200\nContent-Length: 4" FRESH, "incomplete"),
      REFUSED("9111 3.3: all are missing", "", "200\nContent-Length: 5" FRESH "\n\n", "incomplete"),
      STORED("9111 3.3: an empty body", "", "200\nContent-Length: 0" FRESH "\n\n"),
      STORED("9111 3.3: a size that is known", "", "200 body=5" FRESH),
      REFUSED("9111 3.3: a size that is known", "", "200 body=6" FRESH, "incomplete"),
      REFUSED("9110 8.6: two sizes", "", "200\nContent-Length: 5\nContent-Length: 6" FRESH,
              "malformed"),
      REFUSED("9110 8.6: two sizes", "", "200\nContent-Length: 5, 6" FRESH, "malformed"),
      STORED("9110 8.6: the same twice", "", "200\nContent-Length: 5, 5" FRESH),
      REFUSED("9110 8.6: a sign", "", "200\nContent-Length: +5" FRESH, "malformed"),
      REFUSED("9110 8.6: a letter", "", "200\nContent-Length: 5a" FRESH, "malformed"),
      REFUSED("9110 8.6: empty", "", "200\nContent-Length:" FRESH, "malformed"),
      STORED("max_body", "max=5", "200" FRESH),
      REFUSED("max_body", "max=4", "200" FRESH, "too-large"),
      REFUSED("max_body: announced", "max=4", "200\nContent-Length: 5" FRESH, "too-large"),
      REFUSED("max_body: 1 MiB", "", "200\nContent-Length: 1048577" FRESH, "too-large"),
      REFUSED("max_body: 1 MiB", "", "200\nContent-Length: 1048576" FRESH, "incomplete"),
      REFUSED("max_body: known", "", "200 body=1048577" FRESH, "too-large"),
      REFUSED("9110 8.6: no size", "max=4", "200\nContent-Length: 99999999999999999999" FRESH,
              "too-large"),
      PART_REFUSED("9111 3.3: 206", "", "206\nContent-Range: bytes 0-4/10" FRESH TAG, "range"),
      RULE("Apache bug 49113: 206 is no 200", "rfc",
           {0, PART, "206\nContent-Range: bytes 0-4/10" FRESH TAG, NULL},
           {1, GET, NULL, "miss partial"}, {1, PART, NULL, "hit 206 | body=hello"}),
      PART_STORED("9111 3.3: opted in", "partial", "206\nContent-Range: bytes 0-4/10" FRESH TAG),
      PART_REFUSED("9111 3.4: a weak tag", "partial",
                   "206\nContent-Range: bytes 0-4/10\nETag: W/\"a\"" FRESH, "range"),
      PART_REFUSED("9111 3.4: no tag", "partial", "206\nContent-Range: bytes 0-4/10" FRESH,
                   "range"),
      PART_REFUSED("9110 15.3.7: no Content-Range", "partial", "206" FRESH TAG, "range"),
      PART_REFUSED("9110 14.4: an invalid one", "partial",
                   "206\nContent-Range: bytes 4-0/10" FRESH TAG, "range"),
      PART_REFUSED("9110 14.4: beyond the end", "partial",
                   "206\nContent-Range: bytes 0-4/4" FRESH TAG, "range"),
      PART_REFUSED("9110 14.4: another unit", "partial",
                   "206\nContent-Range: lines 0-4/10" FRESH TAG, "range"),
      PART_REFUSED("9110 14.6: several parts", "partial",
                   "206\nContent-Type: multipart/byteranges; boundary=x" FRESH TAG, "range"),
      PART_REFUSED("GHSA-8xcm-r25x-g524: another length", "partial",
                   "206\nContent-Range: bytes 0-5/10" FRESH TAG, "incomplete"),
      REFUSED("9110 15.3.7: nobody asked for a part", "partial",
              "206\nContent-Range: bytes 0-4/10" FRESH TAG, "range"),
      STORED("9110 14.4: Content-Range of a 200 means nothing", "",
             "200\nContent-Range: nonsense" FRESH),
  };
  check_rules(rules);
}

static void fields_are_stored_but_those_of_the_connection(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      KEEPS("9111 3.1: unknown fields", "", "200\nB: x" FRESH, "B", "x"),
      KEEPS("9111 3.1: lines in their order", "", "200\nB: y\nB: x" FRESH, "B", "y, x"),
      KEEPS("9111 3.1: empty ones (CVE-2014-3581)", "", "200\nContent-Type:" FRESH, "Content-Type",
            ""),
      KEEPS("9111 3.1: ETag", "", "200" FRESH TAG, "ETag", "\"a\""),
      KEEPS("9111 3.1: Content-Encoding", "", "200\nContent-Encoding: b" FRESH, "Content-Encoding",
            "b"),
      KEEPS("9111 5.2: Cache-Control", "", "200\nCache-Control: Max-Age=60, foo", "Cache-Control",
            "Max-Age=60, foo"),
      LOSES("9111 3.1: Connection", "", "200\nConnection: close" FRESH, "Connection"),
      LOSES("9110 7.6.1: what it lists", "", "200\nConnection: b, c\nB: x" FRESH, "B"),
      LOSES("9110 7.6.1: without regard to case", "",
            "200\nConnection: c\nConnection: b\nB: x" FRESH, "B"),
      KEEPS("9110 7.6.1: not what it does not", "", "200\nConnection: bb\nB: x" FRESH, "B", "x"),
      REFUSED("9110 7.6.1: Connection may not hide what all must see", "",
              "200\nConnection: cache-control\nCache-Control: max-age=60, no-store", "malformed"),
      REFUSED("9110 7.6.1: Set-Cookie", "", "200\nConnection: set-cookie\nSet-Cookie: x" FRESH,
              "malformed"),
      REFUSED("9110 7.6.1: Vary", "", "200\nConnection: vary\nVary: *" FRESH, "malformed"),
      REFUSED("9110 7.6.1: Age", "", "200\nConnection: age\nAge: 70" FRESH, "malformed"),
      REFUSED("CVE-2022-45059: Content-Length", "",
              "200\nConnection: content-length\nContent-Length: 5" FRESH, "malformed"),
      LOSES("9110 7.6.1: Keep-Alive", "", "200\nKeep-Alive: x" FRESH, "Keep-Alive"),
      LOSES("9110 7.6.1: Proxy-Connection", "", "200\nProxy-Connection: x" FRESH,
            "Proxy-Connection"),
      LOSES("9110 7.6.1: TE", "", "200\nTE: x" FRESH, "TE"),
      LOSES("9110 7.6.1: Transfer-Encoding", "", "200\nTransfer-Encoding: chunked" FRESH,
            "Transfer-Encoding"),
      LOSES("9110 7.6.1: Upgrade", "", "200\nUpgrade: x" FRESH, "Upgrade"),
      LOSES("9111 3.1: Proxy-Authenticate", "", "200\nProxy-Authenticate: x" FRESH,
            "Proxy-Authenticate"),
      LOSES("9111 3.1: Proxy-Authentication-Info", "", "200\nProxy-Authentication-Info: x" FRESH,
            "Proxy-Authentication-Info"),
      LOSES("9111 3.1: Proxy-Authorization", "", "200\nProxy-Authorization: x" FRESH,
            "Proxy-Authorization"),
      LOSES("9111 5.2.2.4: fields of no-cache", "",
            "200\nCache-Control: max-age=60, no-cache=\"b\"\nB: x", "B"),
      KEEPS("9111 5.2.2.4: another field", "",
            "200\nCache-Control: max-age=60, no-cache=\"bb\"\nB: x", "B", "x"),
      LOSES("9111 5.2.2.7: fields of private", "",
            "200\nCache-Control: max-age=60, private=\"c, b\"\nB: x", "B"),
      KEEPS("9111 5.2.2.7: a private cache", "private",
            "200\nCache-Control: max-age=60, private=\"c, b\"\nB: x", "B", "x"),
      LOSES("CVE-2026-9678: a blank before the name", "",
            "200\nCache-Control: max-age=60, private=\" b\"\nB: x", "B"),
      LOSES("CVE-2026-9678: a tab before the name", "",
            "200\nCache-Control: max-age=60, no-cache=\"^Ib\"\nB: x", "B"),
      REFUSED("9110 5.5: LF", "", "200\nB: x^Jy" FRESH, "malformed"),
      REFUSED("9110 5.5: CR", "rfc", "200\nB: x^My" FRESH, "malformed"),
      REFUSED("9110 5.5: NUL", "", "200\nB: x^@y" FRESH, "malformed"),
      REFUSED("9110 5.1: a name is a token", "", "200\nB C: x" FRESH, "malformed"),
      KEEPS("9110 5.5: a tab is none of them", "", "200\nB: x^Iy" FRESH, "B", "x\ty"),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(explicit_freshness_makes_a_final_status_cacheable),
      cmocka_unit_test(without_freshness_the_policy_decides),
      cmocka_unit_test(lifetimes_come_from_the_first_that_applies),
      cmocka_unit_test(a_response_may_be_stale_when_it_comes),
      cmocka_unit_test(directives_forbid_storing),
      cmocka_unit_test(requests_forbid_storing),
      cmocka_unit_test(bodies_are_whole_and_not_too_large),
      cmocka_unit_test(fields_are_stored_but_those_of_the_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
