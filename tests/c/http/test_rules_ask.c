/* SPDX-License-Identifier: MIT */
/* Rules of what requests ask for (RFC 9111, 5.2.1; RFC 8246), in the three modes of a policy. */
#include "http_rules.h"

#define GET "GET http://example.com/a"
#define CC GET "\nCache-Control: "
#define TAGGED "200\nETag: \"a\"\nCache-Control: max-age=60"
#define PLAIN "200\nCache-Control: max-age=60"

/* What a request gets, some seconds after another one stored a response. */
#define ASK(source, policy, response, at_s, request, expected) \
  RULE(source, policy, {0, GET, response, NULL}, {at_s, request, NULL, expected})

static void no_cache_asks_for_validation(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASK("9111 5.2.1.4", "full", TAGGED, 1, CC "no-cache",
          "revalidate request | coalesce=0 | if-error=0"),
      ASK("9111 5.2.1.4: one for all", "", TAGGED, 1, CC "no-cache",
          "revalidate request | coalesce=1"),
      ASK("9111 5.2.1: advisory", "ignore", TAGGED, 1, CC "no-cache", "hit 200"),
      ASK("9111 5.2.1.4: without validator", "full", PLAIN, 1, CC "no-cache", "miss request"),
      ASK("9111 5.2.1.4: without validator", "", PLAIN, 1, CC "no-cache",
          "miss request | coalesce=1"),
      ASK("9111 5.2.1.4: no case", "full", TAGGED, 1, CC "No-Cache", "revalidate request"),
      ASK("9111 5.2.1.4: in a list", "full", TAGGED, 1, CC "foo, no-cache", "revalidate request"),
      ASK("9111 5.2.1.4: in lines", "full", TAGGED, 1, CC "foo\nCache-Control: no-cache",
          "revalidate request"),
      ASK("9111 5.2.1.4: an argument", "full", TAGGED, 1, CC "no-cache=\"b\"",
          "revalidate request"),
      ASK("9111 5.2.3: another directive", "full", TAGGED, 1, CC "no-caches", "hit 200"),
      ASK("9111 5.2.3: in quotes", "full", TAGGED, 1, CC "foo=\"no-cache\"", "hit 200"),
      ASK("9111 5.2.3: private means nothing here", "full", TAGGED, 1, CC "private", "hit 200"),
      ASK("9111 5.2.1.4: of a stale response", "full", TAGGED, 60, CC "no-cache",
          "revalidate stale"),
      ASK("9111 5.2.1.4: in the stale window", "full", TAGGED ", stale-while-revalidate=10", 61,
          CC "no-cache", "revalidate stale"),
      ASK("9111 5.2.1.4: in the stale window", "", TAGGED ", stale-while-revalidate=10", 61,
          CC "no-cache", "revalidate stale"),
      ASK("9111 5.2.1: in the stale window", "ignore", TAGGED ", stale-while-revalidate=10", 61,
          CC "no-cache", "stale 200 refresh"),
      ASK("9111 5.2.1.4: max-stale does not soften it", "full", TAGGED, 61,
          CC "no-cache, max-stale", "revalidate stale"),
      ASK("9111 5.4: Pragma", "full", TAGGED, 1, GET "\nPragma: no-cache", "revalidate request"),
      ASK("9111 5.4: Pragma", "", TAGGED, 1, GET "\nPragma: no-cache", "revalidate request"),
      ASK("9111 5.4: Pragma", "ignore", TAGGED, 1, GET "\nPragma: no-cache", "hit 200"),
      ASK("9111 5.4: no case", "full", TAGGED, 1, GET "\npragma: No-Cache", "revalidate request"),
      ASK("9111 5.4: in a list", "full", TAGGED, 1, GET "\nPragma: foo, no-cache",
          "revalidate request"),
      ASK("9111 5.4: another word", "full", TAGGED, 1, GET "\nPragma: no-caches", "hit 200"),
      ASK("9111 5.4: only without Cache-Control", "full", TAGGED, 1,
          GET "\nPragma: no-cache\nCache-Control: foo", "hit 200"),
      RULE("9111 4.3.4: and the response is freshened", "full", {0, GET, TAGGED, NULL},
           {30, CC "no-cache", "304", "revalidate request, freshen 200 | > If-None-Match: \"a\""},
           {89, GET, NULL, "hit 200 | Age: 59"}),
      RULE("9111 4.3.3: or replaced", "full", {0, GET, TAGGED, NULL},
           {30, CC "no-cache", PLAIN "\n\nnew", "revalidate request, stored"},
           {31, GET, NULL, "hit 200 | body=new"}),
      RULE("safe: a client does not cause errors", "", {0, GET, TAGGED, NULL},
           {1, CC "no-cache", "down", "revalidate request, stale 200 | body=hello"}),
      RULE("9111 5.2.1.4: in full, it may", "full", {0, GET, TAGGED, NULL},
           {1, CC "no-cache", "down", "revalidate request, not stored: origin-error"}),
  };
  check_rules(rules);
}

static void max_age_and_min_fresh_limit_what_is_used(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASK("9111 5.2.1.1", "full", TAGGED, 10, CC "max-age=10", "hit 200"),
      ASK("9111 5.2.1.1", "full", TAGGED, 11, CC "max-age=10", "revalidate request | coalesce=0"),
      ASK("9111 5.2.1.1: one for all", "", TAGGED, 11, CC "max-age=10",
          "revalidate request | coalesce=1"),
      ASK("9111 5.2.1: advisory", "ignore", TAGGED, 11, CC "max-age=10", "hit 200"),
      ASK("9111 5.2.1.1: without validator", "full", PLAIN, 11, CC "max-age=10", "miss request"),
      ASK("9111 5.2.1.1: a reload", "full", TAGGED, 1, CC "max-age=0", "revalidate request"),
      ASK("9111 5.2.1.1: Age counts", "full",
          "200\nAge: 30\nETag: \"a\"\nCache-Control: max-age=60", 1, CC "max-age=30",
          "revalidate request"),
      ASK("9111 5.2.1.1: no longer lifetime", "full", TAGGED, 61, CC "max-age=100",
          "revalidate stale"),
      ASK("9111 1.2.2: an odd number is zero", "full", TAGGED, 1, CC "max-age=x",
          "revalidate request"),
      ASK("9111 1.2.2: no number", "full", TAGGED, 1, CC "max-age", "revalidate request"),
      ASK("9111 5.2.1.1: the smallest", "full", TAGGED, 11, CC "max-age=100, max-age=10",
          "revalidate request"),
      ASK("9111 1.2.2: large", "full", TAGGED, 11, CC "max-age=99999999999", "hit 200"),
      ASK("9111 5.2.2.10: s-maxage means nothing here", "full", TAGGED, 11, CC "s-maxage=10",
          "hit 200"),
      ASK("9111 5.2.1.1: in the stale window", "full", TAGGED ", stale-while-revalidate=10", 61,
          CC "max-age=60", "revalidate stale"),
      ASK("9111 5.2.1.3", "full", TAGGED, 10, CC "min-fresh=50", "hit 200"),
      ASK("9111 5.2.1.3", "full", TAGGED, 11, CC "min-fresh=50", "revalidate request | coalesce=0"),
      ASK("9111 5.2.1.3: one for all", "", TAGGED, 11, CC "min-fresh=50",
          "revalidate request | coalesce=1"),
      ASK("9111 5.2.1: advisory", "ignore", TAGGED, 11, CC "min-fresh=50", "hit 200"),
      ASK("9111 5.2.1.3: Age counts", "full",
          "200\nAge: 30\nETag: \"a\"\nCache-Control: max-age=60", 1, CC "min-fresh=30",
          "revalidate request"),
      ASK("9111 5.2.1.3: the largest", "full", TAGGED, 11, CC "min-fresh=50, min-fresh=1",
          "revalidate request"),
      ASK("9111 5.2.1.3: in the stale window", "full", TAGGED ", stale-while-revalidate=10", 61,
          CC "min-fresh=1", "revalidate stale"),
      ASK("9111 5.2.1.3: in the stale window", "full", TAGGED ", stale-while-revalidate=10", 61,
          GET, "stale 200 refresh"),
  };
  check_rules(rules);
}

static void max_stale_permits_stale_responses(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASK("9111 5.2.1.2", "full", TAGGED, 70, CC "max-stale=10", "stale 200 | Age: 70"),
      ASK("9111 5.2.1.2", "full", TAGGED, 71, CC "max-stale=10", "revalidate stale"),
      ASK("9111 5.2.1.2: without a number, any", "full", PLAIN, 3600, CC "max-stale", "stale 200"),
      ASK("9111 1.2.2: an odd number is zero", "full", PLAIN, 61, CC "max-stale=x", "miss stale"),
      ASK("9111 5.2.1.2: the smallest", "full", PLAIN, 71, CC "max-stale, max-stale=10",
          "miss stale"),
      ASK("safe: not from everyone", "", PLAIN, 61, CC "max-stale=10", "miss stale"),
      ASK("safe: unless opted in", "max-stale", PLAIN, 61, CC "max-stale=10", "stale 200"),
      ASK("9111 5.2.1: advisory", "ignore", PLAIN, 61, CC "max-stale=10", "miss stale"),
      ASK("9111 5.2.1.2: max-age permits less", "full", PLAIN, 70, CC "max-age=60, max-stale=10",
          "miss stale"),
      ASK("9111 5.2.2.2: must-revalidate", "full", TAGGED ", must-revalidate", 61, CC "max-stale",
          "revalidate stale"),
      ASK("9111 5.2.2.8: proxy-revalidate", "full", TAGGED ", proxy-revalidate", 61, CC "max-stale",
          "revalidate stale"),
      ASK("9111 5.2.2.8: a private cache", "private full", TAGGED ", proxy-revalidate", 61,
          CC "max-stale", "stale 200"),
      ASK("9111 5.2.2.10: s-maxage", "full", "200\nCache-Control: s-maxage=60", 61, CC "max-stale",
          "miss stale"),
      ASK("9111 5.2.2.10: also with a window of its own", "full",
          "200\nCache-Control: s-maxage=60, stale-while-revalidate=10", 71, CC "max-stale",
          "miss stale"),
      ASK("9111 5.2.2.4: no-cache", "full", TAGGED ", no-cache", 1, CC "max-stale",
          "revalidate stale"),
      ASK("9111 5.2.1.2: fresh is not stale", "full", PLAIN, 1, CC "max-stale=10", "hit 200"),
      RULE("5861 4: stale-if-error", "full", {0, GET, PLAIN, NULL},
           {61, CC "stale-if-error=10", "503", "miss stale, stale 200"}),
      RULE("5861 4: stale-if-error", "full", {0, GET, PLAIN, NULL},
           {71, CC "stale-if-error=10", "503", "miss stale, not stored: status"}),
      RULE("5861 4: safe: not from everyone", "", {0, GET, PLAIN, NULL},
           {61, CC "stale-if-error=10", "503", "miss stale, not stored: status"}),
      RULE("5861 4: safe: unless opted in", "max-stale", {0, GET, PLAIN, NULL},
           {61, CC "stale-if-error=10", "503", "miss stale, stale 200"}),
      RULE("5861 4: must-revalidate", "full", {0, GET, PLAIN ", must-revalidate", NULL},
           {61, CC "stale-if-error=10", "503", "miss stale, not stored: status"}),
  };
  check_rules(rules);
}

static void only_if_cached_never_forwards(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 5.2.1.7", "full", {0, CC "only-if-cached", NULL, "error 504 | Content-Length: 0"}),
      RULE("9111 5.2.1.7", "", {0, CC "only-if-cached", NULL, "error 504"}),
      RULE("9111 5.2.1: advisory", "ignore", {0, CC "only-if-cached", NULL, "miss uri-miss"}),
      RULE("9111 5.2.1.7: no case", "", {0, CC "Only-If-Cached", NULL, "error 504"}),
      RULE("9111 5.2.1.7: an argument", "", {0, CC "only-if-cached=0", NULL, "error 504"}),
      RULE("9111 5.2.3: another directive", "", {0, CC "only-if-cache", NULL, "miss uri-miss"}),
      RULE("9211 2: no member, or one that is no hit", "",
           {0, CC "only-if-cached", NULL,
            "error 504 | Cache-Status: cachette;detail=only-if-cached"}),
      ASK("9111 5.2.1.7: fresh", "", PLAIN, 1, CC "only-if-cached", "hit 200"),
      ASK("9111 5.2.1.7: stale", "", PLAIN, 61, CC "only-if-cached", "error 504"),
      ASK("9111 5.2.1.7: stale", "full", TAGGED, 61, CC "only-if-cached", "error 504"),
      ASK("9111 5.2.1.7: stale, accepted", "full", PLAIN, 61, CC "only-if-cached, max-stale",
          "stale 200"),
      ASK("9111 5.2.1.7: with no-cache", "full", TAGGED, 1, CC "only-if-cached, no-cache",
          "error 504"),
      ASK("9111 5.2.1.7: with no-cache", "", TAGGED, 1, CC "only-if-cached, no-cache", "error 504"),
      ASK("9111 5.2.1.7: too old", "full", TAGGED, 11, CC "only-if-cached, max-age=10",
          "error 504"),
      ASK("9111 5.2.1.7: another variant", "", PLAIN "\nVary: B", 1, CC "only-if-cached\nB: x",
          "error 504"),
      ASK("9111 5.2.1.7: with credentials", "", PLAIN, 1, CC "only-if-cached\nAuthorization: x",
          "error 504"),
      ASK("9111 5.2.1.7: HEAD", "", PLAIN, 1,
          "HEAD http://example.com/a\nCache-Control: only-if-cached", "hit 200"),
  };
  check_rules(rules);
}

static void no_store_of_a_request_is_no_matter_of_use(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASK("9111 5.2.1.5", "", PLAIN, 1, CC "no-store", "hit 200"),
      ASK("9111 5.2.1.5", "full", PLAIN, 1, CC "no-store", "hit 200"),
      ASK("9111 5.2.1.5: others may not share it", "", PLAIN, 61, CC "no-store",
          "miss stale | coalesce=0"),
      RULE("9111 5.2.1.5: it does not replace what is stored", "",
           {0, GET, PLAIN ", stale-if-error=60", NULL},
           {61, CC "no-store", PLAIN "\n\nnew", "miss stale, not stored: no-store | body=new"},
           {62, GET, "down", "miss stale, stale 200 | body=hello"}),
      RULE("9111 5.2.2.5: nor does a response with no-store", "",
           {0, GET, PLAIN ", stale-if-error=60", NULL},
           {61, GET, "200\nCache-Control: no-store\n\nnew",
            "miss stale, not stored: no-store | body=new"},
           {62, GET, "down", "miss stale, stale 200 | body=hello"}),
      ASK("9111 5.2.1.6: no-transform", "full", PLAIN, 1, CC "no-transform", "hit 200"),
  };
  check_rules(rules);
}

static void immutable_responses_are_not_reloaded(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      ASK("8246 2: a reload", "full", TAGGED ", immutable", 1, CC "max-age=0", "hit 200"),
      ASK("8246 2: a reload", "", TAGGED ", immutable", 1, CC "max-age=0", "hit 200"),
      ASK("8246 2: another directive", "full", TAGGED ", immutabl", 1, CC "max-age=0",
          "revalidate request"),
      ASK("8246 2: no case", "full", TAGGED ", Immutable", 1, CC "max-age=0", "hit 200"),
      ASK("8246 2: min-fresh", "full", TAGGED ", immutable", 11, CC "min-fresh=50", "hit 200"),
      ASK("8246 2.1: a forced reload", "full", TAGGED ", immutable", 1, CC "no-cache",
          "revalidate request"),
      ASK("8246 2.1: a forced reload", "", TAGGED ", immutable", 1, GET "\nPragma: no-cache",
          "revalidate request"),
      ASK("8246 2: only while it is fresh", "full", TAGGED ", immutable", 60, GET,
          "revalidate stale"),
      ASK("8246 2: only while it is fresh", "full", TAGGED ", immutable, stale-while-revalidate=10",
          61, CC "max-age=0", "revalidate stale"),
      ASK("8246 2: an odd form", "full", TAGGED ", immutable\"", 1, CC "max-age=0",
          "revalidate stale"),
      ASK("9111 5.2.2.4: no-cache is stricter", "full", TAGGED ", immutable, no-cache", 1, GET,
          "revalidate stale"),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_cache_asks_for_validation),
      cmocka_unit_test(max_age_and_min_fresh_limit_what_is_used),
      cmocka_unit_test(max_stale_permits_stale_responses),
      cmocka_unit_test(only_if_cached_never_forwards),
      cmocka_unit_test(no_store_of_a_request_is_no_matter_of_use),
      cmocka_unit_test(immutable_responses_are_not_reloaded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
