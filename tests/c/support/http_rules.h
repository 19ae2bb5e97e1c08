/* SPDX-License-Identifier: MIT */
/*
 * Tables of the rules of HTTP caching. A row is one rule, played through the public header with a
 * store of its own:
 *
 *     RULE("9111 4.2.1", "", {0, "GET http://a.com/", "200\nCache-Control: max-age=60", "stored"},
 *          {60, "GET http://a.com/", "304", "miss stale, not stored: not-modified"})
 *
 * that is: where the rule comes from, a policy (http_policy.h), and up to 12 steps. A step has
 *
 * - when it begins, in seconds after HTTP_NOW
 * - a request as in http_message.h; a body may follow an empty line
 * - the origin's response, also as in http_message.h, whose words count from the step's beginning:
 *   "200 received=5000" takes 5 seconds. NULL: the origin is not asked, or nobody waits for it;
 *   "down": it does not answer. A body may follow an empty line; without one it is "hello".
 *   "\n--\n" parts it from the answer to a second request (after "refetch").
 * - what is expected; NULL: "stored"
 *
 * What is expected is compared with what the steps of the exchange decide, joined by ", ":
 *
 * - decide: "hit 200", "stale 200", "stale 200 refresh", "error 504", "pass method", "revalidate
 *   stale", "miss vary-miss". "miss uri-miss" is left out if the origin is asked.
 * - receive: "stored", "combined", "not stored: private", "freshen 200", "freshen 200 not kept:
 *   no-store", "stale 200", "refetch changed", then "invalidates". "not stored" is left out if the
 *   reason is that of "pass".
 *
 * Behind " | " a row may name what else it is about:
 *
 * - "Age: 5": a field of the answer; its lines are joined by ", ", and "none" means that there are
 *   none
 * - "> If-None-Match: none": a field that is forwarded
 * - "body=ell": the body of the answer
 * - "age=5", "ttl=55", "keep=60", "lifetime=60" (of the record), all in seconds; "records=1": how
 *   many are in the store, with indexes; "coalesce=1", "if-error=1": flags of the verdict
 */
#ifndef CACHETTE_TESTS_HTTP_RULES_H
#define CACHETTE_TESTS_HTTP_RULES_H

#include "http_message.h"

enum { HTTP_STEPS = 12 };

struct http_step {
  int64_t at_s;
  const char *request, *origin, *expected;
};

struct http_rule {
  int line;
  const char *source, *policy;
  struct http_step steps[HTTP_STEPS];
};

#define RULE(source, policy, ...)             \
  {                                           \
    __LINE__, source, policy, { __VA_ARGS__ } \
  }

/* Plays all rows of a table, prints those that fail, and fails if there are any. */
#define check_rules(rules) http_rules_check(__FILE__, rules, LENGTH(rules))
void http_rules_check(const char *file, const struct http_rule *rules, size_t count);

#endif
