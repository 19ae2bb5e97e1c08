/* SPDX-License-Identifier: MIT */
/* What a response makes invalid, and how the responses of one URI live beside each other. */
#include "http_rules.h"

#define A "GET http://a.com/"
#define B "GET http://a.com/b"
#define OK "200\nCache-Control: max-age=60"
#define UNSAFE "pass method, invalidates"

/* A stored response, a request for the same URI, and then the first request again. */
#define AFTER(source, method, status, expected, ...)                                 \
  RULE(source, "", {0, A, OK, NULL}, {1, method " http://a.com/", status, expected}, \
       {2, A, __VA_ARGS__})
#define GONE OK, "stored"
#define THERE NULL, "hit 200"

/* ---- Invalidation ---- */

static void changes_make_stored_responses_invalid(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      AFTER("9111 4.4", "POST", "200", UNSAFE, OK, "stored | records=1"),
      AFTER("9111 4.4", "PUT", "201", UNSAFE, GONE),
      AFTER("9111 4.4", "DELETE", "204", UNSAFE, GONE),
      AFTER("9111 4.4", "PATCH", "299", UNSAFE, GONE),
      AFTER("9111 4.4", "POST", "303", UNSAFE, GONE),
      AFTER("9111 4.4", "POST", "399", UNSAFE, GONE),
      AFTER("9111 4.4", "POST", "400", "pass method", THERE),
      AFTER("9111 4.4", "POST", "404", "pass method", THERE),
      AFTER("9111 4.4", "DELETE", "500", "pass method", THERE),
      AFTER("9111 4.4", "POST", "down", "pass method, not stored: origin-error", THERE),
      /* Unknown methods may be unsafe. Methods have case. */
      AFTER("9111 4.4", "M-SEARCH", "200", UNSAFE, GONE),
      AFTER("9111 4.4", "FOO", "200", UNSAFE, GONE),
      AFTER("9111 4.4", "options", "200", UNSAFE, GONE),
      AFTER("9110 9.2.1", "OPTIONS", "200", "pass method", THERE),
      AFTER("9110 9.2.1", "TRACE", "200", "pass method", THERE),
      AFTER("4918 9.1", "PROPFIND", "200", "pass method", THERE),
      AFTER("3253 3.6", "REPORT", "200", "pass method", THERE),
      /* Only of this URI. */
      RULE("9111 4.4", "", {0, A "?a", OK, NULL}, {1, "POST http://a.com/", "200", UNSAFE},
           {2, A "?a", NULL, "hit 200"}),
      RULE("9111 4.4", "", {0, A "?a", OK, NULL}, {1, "POST http://a.com/?a", "200", UNSAFE},
           {2, A "?a", OK, "stored"}),
      RULE("9111 4.4", "", {0, A, OK, NULL}, {1, "POST http://A.com:80", "200", UNSAFE},
           {2, A, OK, "stored"}),
      RULE("9111 4.4", "", {0, A, OK, NULL}, {1, "POST http://b.com/", "200", UNSAFE},
           {2, A, NULL, "hit 200"}),
      RULE("9111 4.4", "", {0, A, OK, NULL}, {1, "POST https://a.com/", "200", UNSAFE},
           {2, A, NULL, "hit 200"}),
      /* All that is stored of it: each variant, and answers to each query. */
      RULE("9111 4.4", "", {0, A "\nX: 1", OK "\nVary: X", NULL},
           {1, A "\nX: 2", OK "\nVary: X", "miss vary-miss, stored"},
           {2, "POST http://a.com/", "200", UNSAFE}, {3, A "\nX: 1", OK "\nVary: X", "stored"},
           {4, A "\nX: 2", OK "\nVary: X", "miss vary-miss, stored"}),
      RULE("9111 4.4", "", {0, "QUERY http://a.com/\nContent-Type: a/b\n\nq", OK, NULL},
           {1, "QUERY http://a.com/\nContent-Type: a/b\n\nq", NULL, "hit 200"},
           {2, "POST http://a.com/", "200", UNSAFE},
           {3, "QUERY http://a.com/\nContent-Type: a/b\n\nq", OK, "stored"}),
      /* A safe request invalidates nothing, whatever its response says. */
      RULE("10008 2", "", {0, A, OK, NULL},
           {1, "QUERY http://a.com/\nContent-Type: a/b\n\nq", OK "\nLocation: /", NULL},
           {2, A, NULL, "hit 200"}),
  };
  check_rules(rules);
}

static void a_response_may_name_other_uris(void **state) {
  (void)state;
#define OTHER(source, target, uri, fields, ...)                             \
  RULE(source, "", {0, target, OK, NULL}, {1, "POST " uri, fields, UNSAFE}, \
       {2, target, __VA_ARGS__})
  static const struct http_rule rules[] = {
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: /", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "200\nContent-Location: /", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: http://a.com/", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: http://A.com:80", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: //a.com/", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: /#top", GONE),
      OTHER("3986 5.2", "GET http://a.com/c", "http://a.com/d/b", "201\nLocation: ../c", GONE),
      OTHER("3986 5.2", "GET http://a.com/d/c", "http://a.com/d/b", "201\nLocation: c", GONE),
      OTHER("3986 5.2", "GET http://a.com/b?c", "http://a.com/b", "201\nLocation: ?c", GONE),
      OTHER("9111 4.4", A, "http://a.com/b", "201\nLocation: /?", THERE),
      OTHER("9111 4.4", A, "http://a.com/b", "200\nLink: </>", THERE),
      /* Never those of another origin. */
      OTHER("9111 4.4", A, "http://b.com/", "201\nLocation: http://a.com/", THERE),
      OTHER("9111 4.4", A, "https://a.com/", "201\nLocation: http://a.com/", THERE),
      OTHER("9111 4.4", A, "http://a.com:81/", "201\nLocation: http://a.com/", THERE),
      OTHER("9111 4.4", A, "http://a.com.b/", "201\nContent-Location: http://a.com/", THERE),
      RULE("9111 4.4", "", {0, A, OK, NULL},
           {1, "POST http://a.com/b", "500\nLocation: /", "pass method"}, {2, A, NULL, "hit 200"}),
      RULE("9111 4.4", "", {0, A, OK, NULL}, {1, B, OK "\nLocation: /", "stored"},
           {2, A, NULL, "hit 200"}),
  };
  check_rules(rules);
}

static void groups_are_invalidated(void **state) {
  (void)state;
#define GROUPED(groups, invalidation, ...)                                                 \
  RULE("9875 3", "", {0, A, OK "\nCache-Groups: " groups, NULL},                           \
       {1, "POST http://a.com/b", "200\nCache-Group-Invalidation: " invalidation, UNSAFE}, \
       {2, A, __VA_ARGS__})
  static const struct http_rule rules[] = {
      GROUPED("\"g\"", "\"g\"", GONE),
      GROUPED("\"g\"", "\"h\"", THERE),
      GROUPED("\"g\"", "\"G\"", THERE),
      GROUPED("\"g\"", "\"gg\"", THERE),
      GROUPED("\"f\", \"g\"", "\"g\"", GONE),
      GROUPED("\"g\"", "\"f\", \"g\"", GONE),
      GROUPED("\"g\"", "\"f\"\nCache-Group-Invalidation: \"g\"", GONE),
      GROUPED("\"g\";x=1", "\"g\";y", GONE),
      GROUPED("g", "\"g\"", THERE),
      GROUPED("\"g\"", "g", THERE),
      GROUPED("\"g\"", "\"g", THERE),
      /* Groups belong to an origin. */
      RULE("9875 2.1", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, "POST http://b.com/", "200\nCache-Group-Invalidation: \"g\"", UNSAFE},
           {2, A, NULL, "hit 200"}),
      RULE("9875 2.1", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, "POST https://a.com/b", "200\nCache-Group-Invalidation: \"g\"", UNSAFE},
           {2, A, NULL, "hit 200"}),
      /* Only what an unsafe request has achieved. */
      RULE("9875 3", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, B, OK "\nCache-Group-Invalidation: \"g\"", "stored"}, {2, A, NULL, "hit 200"}),
      RULE("9875 3", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, "OPTIONS http://a.com/b", "200\nCache-Group-Invalidation: \"g\"", "pass method"},
           {2, A, NULL, "hit 200"}),
      RULE("9875 3", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, "POST http://a.com/b", "403\nCache-Group-Invalidation: \"g\"", "pass method"},
           {2, A, NULL, "hit 200"}),
      RULE("9875 2.2.1", "", {0, A, OK "\nCache-Groups: \"g\"", NULL},
           {1, B, OK "\nCache-Groups: \"g\"", NULL}, {2, "POST http://a.com/b", "200", UNSAFE},
           {3, A, NULL, "hit 200"}),
  };
  check_rules(rules);
}

/* ---- Variants ---- */

static void variants_live_beside_each_other(void **state) {
  (void)state;
#define VARY OK "\nVary: X"
#define MISS "miss vary-miss, stored"
  static const struct http_rule rules[] = {
      RULE("9111 4.1", "", {0, A "\nX: 1", VARY, "stored | records=2"},
           {1, A "\nX: 1", NULL, "hit 200"}),
      RULE("9111 4.1", "", {0, A "\nX: 1", VARY "\n\none", NULL},
           {1, A "\nX: 2", VARY "\n\ntwo", MISS " | records=3"},
           {2, A "\nX: 1", NULL, "hit 200 | body=one"},
           {3, A "\nX: 2", NULL, "hit 200 | body=two"}),
      /* Each is freshened and replaced by itself. */
      RULE("9111 4.3.4", "", {0, A "\nX: 1", VARY "\nETag: \"a\"", NULL},
           {1, A "\nX: 2", VARY "\nETag: \"b\"", MISS},
           {60, A "\nX: 1", "304\nETag: \"a\"\nY: 1", "revalidate stale, freshen 200 | records=3"},
           {60, A "\nX: 2", NULL, "hit 200 | Y: none | Age: 59"},
           {61, A "\nX: 2", VARY, "revalidate stale, stored | records=3"}),
      /* What varies on more than before begins a new generation. */
      RULE("9111 4.1", "", {0, A "\nX: 1", VARY, NULL}, {1, A "\nX: 2\nY: 1", VARY ", Y", MISS},
           {2, A "\nX: 1", VARY, MISS}, {3, A "\nX: 2\nY: 1", NULL, "hit 200"},
           {4, A "\nX: 2\nY: 2", VARY, MISS}),
      /* What varies on less is still only for who has the same fields. */
      RULE("9111 4.1", "", {0, A "\nX: 1", VARY, NULL}, {1, A "\nX: 2", OK "\n\nall", MISS},
           {2, A "\nX: 2", NULL, "hit 200 | body=all"},
           {3, A "\nX: 1", NULL, "hit 200 | body=hello"}, {4, A "\nX: 3", VARY, MISS}),
      /* What had no variants gets some. */
      RULE("9111 4.1", "", {0, A "\nX: 1", OK, NULL}, {60, A "\nX: 1", VARY, "miss stale, stored"},
           {61, A "\nX: 1", NULL, "hit 200"}, {62, A "\nX: 2", VARY, MISS}),
      /* A response that is not stored leaves the others. */
      RULE("9111 4.1", "", {0, A "\nX: 1", VARY, NULL},
           {1, A "\nX: 2", OK "\nVary: *", "miss vary-miss, not stored: vary-any"},
           {2, A "\nX: 1", NULL, "hit 200"}),
      RULE("CVE-2026-6907", "", {0, A "\nX: 1", VARY, NULL},
           {1, A "\nX: 1\nCache-Control: no-store", NULL, "hit 200"}),
      /* HEAD takes part. */
      RULE("9110 9.3.2", "", {0, A "\nX: 1", VARY, NULL},
           {1, "HEAD http://a.com/\nX: 1", NULL, "hit 200"},
           {2, "HEAD http://a.com/\nX: 2", VARY "\n\n", "miss vary-miss, not stored: method"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(changes_make_stored_responses_invalid),
      cmocka_unit_test(a_response_may_name_other_uris),
      cmocka_unit_test(groups_are_invalidated),
      cmocka_unit_test(variants_live_beside_each_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
