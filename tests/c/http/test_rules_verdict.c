/* SPDX-License-Identifier: MIT */
/* Verdicts, the fields of answers from the store, and the fields that are forwarded. */
#include "http_rules.h"

#define A "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60"
#define TAG OK "\nETag: \"a\""
#define DATED OK "\nLast-Modified: @-100"

/* ---- Answers ---- */

static void fresh_responses_answer(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      /* A response is fresh while its lifetime exceeds its age. */
      RULE("9111 4.2", "", {0, A, OK, NULL}, {0, A, NULL, "hit 200 | ttl=60 | body=hello"}),
      RULE("9111 4.2", "", {0, A, OK, NULL}, {59, A, NULL, "hit 200 | ttl=1 | body=hello"}),
      RULE("9111 4.2", "", {0, A, OK, NULL},
           {60, A, OK "\n\nnew", "miss stale, stored | body=new"}),
      RULE("9111 4.2", "", {0, A, TAG, NULL}, {59, A, NULL, "hit 200"}),
      RULE("9111 4.2", "", {0, A, TAG, NULL},
           {60, A, TAG "\n\nnew", "revalidate stale, stored | body=new"}),
      /* Statuses are answered as they were stored. */
      RULE("9111 4", "", {0, A, "404\nCache-Control: max-age=60\n\nno", NULL},
           {1, A, NULL, "hit 404 | body=no"}),
      RULE("9111 4", "", {0, A, "301\nCache-Control: max-age=60\nLocation: /b", NULL},
           {1, A, NULL, "hit 301 | Location: /b"}),
      RULE("9110 15.3.5", "", {0, A, "204\nCache-Control: max-age=60", NULL},
           {1, A, NULL, "hit 204 | Content-Length: none | body="}),
      RULE("9111 4", "", {0, A, OK "\n\n", NULL},
           {1, A, NULL, "hit 200 | Content-Length: 0 | body="}),
      /* HEAD is answered from GET, but not the other way round. */
      RULE("9110 9.3.2", "", {0, A, TAG, NULL},
           {1, "HEAD http://a.com/", NULL,
            "hit 200 | Content-Length: 5 | ETag: \"a\" | Age: 1 | body="}),
      RULE("9110 9.3.2", "", {0, "HEAD http://a.com/", OK, "not stored: method"}, {1, A, OK, NULL}),
      RULE("9110 9.3.2", "", {0, A, "504\nCache-Control: max-age=60", NULL},
           {1, "HEAD http://a.com/", NULL, "hit 504 | Content-Length: 5 | body="}),
      /* What is about conditions or a range is no answer for those who sent none. */
      RULE("CPDoS HHO", "",
           {0, A "\nRange: bytes=9-", "416\nCache-Control: max-age=60", "not stored: status"}),
      RULE("CPDoS HHO", "",
           {0, A "\nIf-Match: \"x\"", "412\nCache-Control: max-age=60", "not stored: status"}),
      /* A response without a body may announce the length of another one. */
      RULE("9110 9.3.2", "", {0, A, OK "\nContent-Length: 5", NULL},
           {1, "HEAD http://a.com/", NULL, "hit 200 | Content-Length: 5"}),
      /* Framing belongs to a connection. */
      RULE("9112 6.1", "", {0, A, OK "\nTransfer-Encoding: chunked", NULL},
           {1, A, NULL, "hit 200 | Content-Length: 5 | Transfer-Encoding: none"}),
  };
  check_rules(rules);
}

static void answers_tell_their_age(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 5.1", "", {0, A, OK, NULL}, {0, A, NULL, "hit 200 | Age: 0"}),
      RULE("9111 5.1", "", {0, A, OK, NULL}, {10, A, NULL, "hit 200 | Age: 10"}),
      RULE("9111 4", "", {0, A, OK "\nAge: 30", "stored | Age: 30"},
           {10, A, NULL, "hit 200 | Age: 40 | ttl=20"}),
      RULE("9111 4.2.3", "", {0, A, OK "\nAge: 50", NULL}, {10, A, OK, "miss stale, stored"}),
      RULE("9111 4.2.3", "", {0, A, OK "\nAge: 49", NULL}, {10, A, NULL, "hit 200 | Age: 59"}),
      /* The first member of a list counts, and an invalid one does not. */
      RULE("9111 5.1", "", {0, A, OK "\nAge: 5, 30", NULL}, {10, A, NULL, "hit 200 | Age: 15"}),
      RULE("9111 5.1", "", {0, A, OK "\nAge: 30, 5", NULL}, {10, A, NULL, "hit 200 | Age: 40"}),
      RULE("9111 5.1", "", {0, A, OK "\nAge: 30\nAge: 5", NULL},
           {10, A, NULL, "hit 200 | Age: 40"}),
      RULE("9111 5.1", "", {0, A, OK "\nAge: -30", NULL}, {10, A, NULL, "hit 200 | Age: 10"}),
      /* Time on the way counts, too: from when the request was sent. */
      RULE("9111 4.2.3", "", {0, A, "200 received=5000\nCache-Control: max-age=60", NULL},
           {10, A, NULL, "hit 200 | Age: 10"}),
      RULE("9111 4.2.3", "", {0, A, "200 received=5000\nCache-Control: max-age=60\nAge: 30", NULL},
           {10, A, NULL, "hit 200 | Age: 40"}),
      /* An old Date is an age. */
      RULE("9111 4.2.3", "", {0, A, OK "\nDate: @-20", NULL}, {10, A, NULL, "hit 200 | Age: 30"}),
      RULE("9111 4.2.3", "", {0, A, OK "\nDate: @20", NULL}, {10, A, NULL, "hit 200 | Age: 10"}),
      RULE("9111 4.2.3", "", {0, A, OK "\nDate: @-20\nAge: 30", NULL},
           {10, A, NULL, "hit 200 | Age: 40"}),
      /* A clock that is set back makes no negative age. */
      RULE("9111 1.2.2", "", {0, A, OK, NULL}, {-10, A, NULL, "hit 200 | Age: 0 | ttl=60"}),
  };
  check_rules(rules);
}

static void answers_have_a_date(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9110 6.6.1", "", {0, A, OK, NULL},
           {10, A, NULL, "hit 200 | Date: Sun, 06 Nov 2044 08:49:37 GMT"}),
      RULE("9110 6.6.1", "", {0, A, OK "\nDate: @-20", NULL},
           {10, A, NULL, "hit 200 | Date: Sun, 06 Nov 2044 08:49:17 GMT"}),
      RULE("9110 6.6.1", "", {0, A, TAG, NULL},
           {10, A "\nIf-None-Match: \"a\"", NULL, "hit 304 | Date: Sun, 06 Nov 2044 08:49:37 GMT"}),
  };
  check_rules(rules);
}

static void fields_of_a_connection_are_not_stored(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 3.1", "", {0, A, OK "\nX-A: 1\nX-B: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: 1 | X-B: 2"}),
      RULE("9111 3.1", "", {0, A, OK "\nConnection: x-a\nX-A: 1\nX-B: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: none | X-B: 2 | Connection: none"}),
      RULE("9111 3.1", "", {0, A, OK "\nConnection: x-b, X-A\nX-A: 1\nX-C: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: none | X-C: 2"}),
      RULE("9110 7.6.1", "", {0, A, OK "\nKeep-Alive: timeout=5\nUpgrade: h2c\nTE: x", NULL},
           {1, A, NULL, "hit 200 | Keep-Alive: none | Upgrade: none | TE: none"}),
      RULE("9111 3.1", "", {0, A, OK "\nProxy-Authenticate: Basic\nProxy-Connection: close", NULL},
           {1, A, NULL, "hit 200 | Proxy-Authenticate: none | Proxy-Connection: none"}),
      RULE("9110 7.6.1", "",
           {0, A, OK "\nConnection: x-a\nX-A: 1\nX-B: 2", "stored | X-A: none | X-B: 2"}),
      /* Lines of a name keep their order. */
      RULE("9110 5.3", "", {0, A, OK "\nX-A: 1\nX-B: 0\nX-A: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: 1, 2"}),
      /* Fields that a qualified directive names are left out. */
      RULE("9111 5.2.2.7", "",
           {0, A, "200\nCache-Control: max-age=60, private=\"x-a\"\nX-A: 1\nX-B: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: none | X-B: 2"}),
      RULE("9111 5.2.2.4", "",
           {0, A, "200\nCache-Control: max-age=60, no-cache=\"x-a\"\nX-A: 1\nX-B: 2", NULL},
           {1, A, NULL, "hit 200 | X-A: none | X-B: 2"}),
  };
  check_rules(rules);
}

static void stale_responses_answer_in_a_window(void **state) {
  (void)state;
#define WINDOW "200\nCache-Control: max-age=60, stale-while-revalidate=30"
  static const struct http_rule rules[] = {
      RULE("5861 3", "", {0, A, WINDOW, NULL}, {59, A, NULL, "hit 200"}),
      RULE("5861 3", "", {0, A, WINDOW, NULL},
           {60, A, NULL, "stale 200 refresh | Age: 60 | body=hello"}),
      RULE("5861 3", "", {0, A, WINDOW, NULL}, {89, A, NULL, "stale 200 refresh | ttl=-29"}),
      RULE("5861 3", "", {0, A, WINDOW, NULL}, {90, A, OK, "miss stale, stored"}),
      RULE("5861 3", "", {0, A, WINDOW "\nETag: \"a\"", NULL},
           {90, A, OK, "revalidate stale, stored"}),
      RULE("5861 3", "", {0, A, WINDOW, NULL},
           {70, A, OK "\n\nnew", "stale 200 refresh, stored | body=hello"},
           {71, A, NULL, "hit 200 | body=new"}),
      RULE("5861 3", "", {0, A, WINDOW, NULL},
           {70, "HEAD http://a.com/", NULL, "stale 200 refresh | body="}),
      /* Never past what forbids it. */
      RULE("9111 4.2.4", "", {0, A, WINDOW ", must-revalidate", NULL},
           {70, A, OK, "miss stale, stored"}),
      RULE("9111 4.2.4", "", {0, A, WINDOW ", proxy-revalidate", NULL},
           {70, A, OK, "miss stale, stored"}),
      RULE("9111 4.2.4", "private", {0, A, WINDOW ", proxy-revalidate", NULL},
           {70, A, NULL, "stale 200 refresh"}),
      RULE("9111 4.2.4", "", {0, A, WINDOW ", no-cache\nETag: \"a\"", NULL},
           {70, A, OK, "revalidate stale, stored"}),
      /* A refresh wants all of what everyone may use. */
      RULE("9111 4.3.1", "", {0, A, WINDOW, NULL},
           {70, A "\nRange: bytes=0-1", OK, "stale 206 refresh, stored | body=he | > Range: none"}),
      RULE("9111 4.3.1", "", {0, A, WINDOW "\nETag: \"a\"", NULL},
           {70, A "\nIf-None-Match: \"x\"", "304\nETag: \"a\"",
            "stale 200 refresh, freshen 200 | > If-None-Match: \"a\""},
           {71, A, NULL, "hit 200 | Age: 1"}),
      /* A refresh that fails leaves what is stored. */
      RULE("5861 3", "", {0, A, WINDOW ", stale-if-error=30", NULL},
           {70, A, "500", "stale 200 refresh, stale 200"}, {71, A, NULL, "stale 200 refresh"}),
  };
  check_rules(rules);
}

/* ---- Cache-Status ---- */

static void each_verdict_has_a_cache_status(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9211 2.1", "",
           {0, A, OK,
            "stored | Cache-Status: "
            "cachette;fwd=uri-miss;fwd-status=200;stored"},
           {10, A, NULL, "hit 200 | Cache-Status: cachette;hit;ttl=50"}),
      RULE("9211 2", "name=edge", {0, A, OK, NULL},
           {10, A, NULL, "hit 200 | Cache-Status: edge;hit;ttl=50"}),
      /* Members of other caches stay, before ours; ours of the first answer is not stored. */
      RULE("9211 2", "", {0, A, OK "\nCache-Status: inner; hit", NULL},
           {10, A, NULL, "hit 200 | Cache-Status: inner; hit, cachette;hit;ttl=50"}),
      RULE("9211 2.1", "", {0, A, TAG, NULL},
           {10, A "\nIf-None-Match: \"a\"", NULL, "hit 304 | Cache-Status: cachette;hit;ttl=50"}),
      RULE("9211 2.4", "",
           {0, A, "200\nCache-Control: max-age=60, stale-while-revalidate=30", NULL},
           {70, A, NULL, "stale 200 refresh | Cache-Status: cachette;hit;ttl=-10"}),
      RULE("9211 2.2", "", {0, A, OK, NULL},
           {60, A, OK,
            "miss stale, stored | Cache-Status: cachette;fwd=stale;fwd-status=200;stored"}),
      RULE("9211 2.3", "", {0, A, TAG, NULL},
           {60, A, "304\nETag: \"a\"",
            "revalidate stale, freshen 200 | Cache-Status: "
            "cachette;fwd=stale;fwd-status=304;stored;ttl=60"}),
      RULE("9211 2.2", "", {0, A "\nX: 1", OK "\nVary: X", NULL},
           {1, A "\nX: 2", OK "\nVary: X",
            "miss vary-miss, stored | Cache-Status: cachette;fwd=vary-miss;fwd-status=200;stored"}),
      RULE("9211 2.8", "",
           {0, A, "200\nCache-Control: private, max-age=60",
            "not stored: private | Cache-Status: "
            "cachette;fwd=uri-miss;fwd-status=200;detail=private"}),
      RULE("9211 2.2", "full", {0, A, OK, NULL},
           {1, A "\nCache-Control: no-cache", OK,
            "miss request, stored | Cache-Status: "
            "cachette;fwd=request;fwd-status=200;stored"}),
      RULE("9211 2", "",
           {0, A "\nCache-Control: only-if-cached", NULL,
            "error 504 | Cache-Status: cachette;detail=only-if-cached"}),
  };
  check_rules(rules);
}

/* ---- Requests that are not for the cache ---- */

static void requests_pass(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9110 9.2.3", "", {0, "OPTIONS http://a.com/", OK, "pass method"}, {1, A, OK, NULL}),
      RULE("9110 9.2.3", "", {0, "TRACE http://a.com/", OK, "pass method"}, {1, A, OK, NULL}),
      RULE("9110 9.2.3", "", {0, "PUT http://a.com/", OK, "pass method, invalidates"},
           {1, A, OK, NULL}),
      RULE("9110 9.1", "", {0, "get http://a.com/", OK, "pass method, invalidates"},
           {1, A, OK, NULL}),
      RULE("9110 9.3.1", "", {0, A, OK, NULL}, {1, A "\n\nbody", OK, "pass body"},
           {2, A, NULL, "hit 200 | Age: 2"}),
      RULE("9110 9.3.1", "", {0, A, OK, NULL}, {1, A "\nContent-Length: 1", OK, "pass body"}),
      RULE("9110 9.3.1", "", {0, A, OK, NULL}, {1, A "\nContent-Length: 0", NULL, "hit 200"}),
      RULE("CPDoS HMO", "",
           {0, A "\nX-HTTP-Method-Override: POST", "404\nCache-Control: max-age=60",
            "pass method-override"},
           {1, A, OK, NULL}),
      RULE("CPDoS HMO", "", {0, A, OK, NULL},
           {1, A "\nX-HTTP-Method: POST", OK, "pass method-override"}),
      RULE("9112 3.2", "", {0, "GET http:///\nHost: a.com\nHost: b.com", OK, "pass host"}),
      RULE("9112 3.2", "", {0, "GET http:///\nHost: a.com", OK, NULL}, {1, A, NULL, "hit 200"}),
      RULE("9112 3.2", "", {0, "GET http:///", OK, "pass host"}),
      RULE("9110 5.5", "", {0, A "\nX: a^Jb", OK, "pass malformed"}),
      RULE("9110 5.5", "", {0, A "\nX: a^@b", OK, "pass malformed"}),
      RULE("10008 2", "", {0, "QUERY http://a.com/\n\nq", OK, "pass body"}),
  };
  check_rules(rules);
}

static void clients_may_want_only_what_is_stored(void **state) {
  (void)state;
#define ONLY A "\nCache-Control: only-if-cached"
  static const struct http_rule rules[] = {
      RULE("9111 5.2.1.7", "", {0, ONLY, NULL, "error 504 | body= | Content-Length: 0"}),
      RULE("9111 5.2.1.7", "", {0, A, OK, NULL}, {59, ONLY, NULL, "hit 200"}),
      RULE("9111 5.2.1.7", "", {0, A, OK, NULL}, {60, ONLY, NULL, "error 504"}),
      RULE("9111 5.2.1.7", "", {0, A, TAG, NULL}, {60, ONLY, NULL, "error 504"}),
      RULE("9111 5.2.1.7", "full", {0, A, OK, NULL}, {60, ONLY, NULL, "error 504"}),
      RULE("9111 5.2.1.7", "full", {0, A, OK, NULL}, {60, ONLY ", max-stale", NULL, "stale 200"}),
      RULE("9111 5.2.1.7", "ignore", {0, ONLY, OK, "stored"}),
      RULE("9111 5.2.1.7", "", {0, A "\nX: 1", OK "\nVary: X", NULL},
           {1, ONLY "\nX: 2", NULL, "error 504"}),
      RULE("9111 5.2.1.7", "",
           {0, A, "200\nCache-Control: max-age=60, stale-while-revalidate=30", NULL},
           {70, ONLY, NULL, "stale 200 refresh"}),
      RULE("9111 5.2.1.7", "", {0, A, OK, NULL}, {1, ONLY "\nAuthorization: x", NULL, "error 504"}),
  };
  check_rules(rules);
}

/* ---- What is forwarded ---- */

static void validation_requests_have_our_validators(void **state) {
  (void)state;
#define MODIFIED "> If-Modified-Since: Sun, 06 Nov 2044 08:47:57 GMT"
#define AGAIN "revalidate stale, stored | "
  static const struct http_rule rules[] = {
      RULE("9111 4.3.1", "", {0, A, TAG, NULL},
           {60, A, OK, AGAIN "> If-None-Match: \"a\" | > If-Modified-Since: none"}),
      RULE("9111 4.3.1", "", {0, A, OK "\nETag: W/\"a\"", NULL},
           {60, A, OK, AGAIN "> If-None-Match: W/\"a\""}),
      RULE("9111 4.3.1", "", {0, A, DATED, NULL},
           {60, A, OK, AGAIN MODIFIED " | > If-None-Match: none"}),
      RULE("9111 4.3.1", "", {0, A, DATED "\nETag: \"a\"", NULL},
           {60, A, OK, AGAIN "> If-None-Match: \"a\" | " MODIFIED}),
      /* Not those of the client, and no part. */
      RULE("9111 4.3.1", "", {0, A, TAG, NULL},
           {60, A "\nIf-None-Match: \"x\"\nIf-Modified-Since: @-9", OK,
            AGAIN "> If-None-Match: \"a\" | > If-Modified-Since: none"}),
      RULE("9111 4.3.1", "", {0, A, TAG, NULL},
           {60, A "\nRange: bytes=0-1\nIf-Range: \"x\"", OK,
            AGAIN "> Range: none | > If-Range: none"}),
      /* All else is the client's request. */
      RULE("9111 4.3.1", "", {0, A "\nX: 1", TAG "\nVary: X", NULL},
           {60, A "\nX: 1\nY: 2", TAG "\nVary: X",
            AGAIN "> X: 1 | > Y: 2 | > If-None-Match: \"a\""}),
      RULE("9111 5.2", "", {0, A, TAG, NULL},
           {60, A "\nCache-Control: max-age=0, x", OK, AGAIN "> Cache-Control: max-age=0, x"}),
      RULE("9110 7.6.1", "", {0, A, TAG, NULL},
           {60, A "\nConnection: y, close\nY: 1\nTE: trailers\nX: 2", OK,
            AGAIN "> Y: none | > Connection: none | > TE: none | > X: 2"}),
      /* Without a validator, a whole response is wanted. */
      RULE("9111 4.3.1", "", {0, A, OK, NULL},
           {60, A, OK, "miss stale, stored | > If-None-Match: none | > If-Modified-Since: none"}),
      RULE("9111 4.3.1", "", {0, A, OK "\nETag: a", NULL},
           {60, A, OK, "miss stale, stored | > If-None-Match: none"}),
  };
  check_rules(rules);
}

static void a_miss_is_forwarded_as_it_is(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 4.3.2", "",
           {0, A "\nIf-None-Match: \"x\"\nX: 1", OK, "stored | > If-None-Match: \"x\" | > X: 1"}),
      RULE("9111 4.3.2", "",
           {0, A "\nRange: bytes=0-1\nIf-Range: \"x\"", OK,
            "stored | > Range: bytes=0-1 | > If-Range: \"x\""}),
      RULE("9110 7.6.1", "",
           {0, A "\nConnection: x\nX: 1\nUpgrade: h2c\nKeep-Alive: 1\nY: 1", OK,
            "stored | > X: none | > Upgrade: none | > Keep-Alive: none | > Y: 1"}),
      RULE("9110 7.6.1", "",
           {0, "OPTIONS http://a.com/\nConnection: x\nX: 1\nY: 1\nIf-Match: \"a\"", "200",
            "pass method | > X: none | > Y: 1 | > If-Match: \"a\""}),
      RULE("9111 5.2", "",
           {0, A "\nCache-Control: no-cache, x=1\nPragma: y", OK,
            "stored | > Cache-Control: no-cache, x=1 | > Pragma: y"}),
      RULE("9111 4.3.2", "", {0, A, TAG, NULL},
           {1, A "\nAuthorization: x\nIf-None-Match: \"x\"", OK,
            "miss credentials | > If-None-Match: \"x\" | "
            "> Authorization: x"}),
  };
  check_rules(rules);
}

static void some_responses_are_shared_by_those_who_wait(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 4", "", {0, A, OK, "stored | coalesce=1"}),
      RULE("9111 4", "", {0, A, TAG, NULL}, {60, A, OK, "revalidate stale, stored | coalesce=1"}),
      RULE("9111 4", "", {0, A "\nAuthorization: x", OK, "not stored: credentials | coalesce=0"}),
      RULE("9111 5.2.1.5", "",
           {0, A "\nCache-Control: no-store", OK, "not stored: no-store | coalesce=0"}),
      RULE("9111 4", "", {0, "HEAD http://a.com/", OK, "not stored: method | coalesce=0"}),
      RULE("9111 4", "", {0, A "\nRange: bytes=0-1", OK, "stored | coalesce=0"}),
      RULE("9111 4", "", {0, A "\nIf-None-Match: \"x\"", OK, "stored | coalesce=0"}),
      RULE("9111 5.2.1.4", "full", {0, A, OK, NULL},
           {1, A "\nCache-Control: no-cache", OK, "miss request, stored | coalesce=0"}),
      RULE("9111 5.2.1.4", "", {0, A, OK, NULL},
           {1, A "\nCache-Control: no-cache", OK, "miss request, stored | coalesce=1"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fresh_responses_answer),
      cmocka_unit_test(answers_tell_their_age),
      cmocka_unit_test(answers_have_a_date),
      cmocka_unit_test(fields_of_a_connection_are_not_stored),
      cmocka_unit_test(stale_responses_answer_in_a_window),
      cmocka_unit_test(each_verdict_has_a_cache_status),
      cmocka_unit_test(requests_pass),
      cmocka_unit_test(clients_may_want_only_what_is_stored),
      cmocka_unit_test(validation_requests_have_our_validators),
      cmocka_unit_test(a_miss_is_forwarded_as_it_is),
      cmocka_unit_test(some_responses_are_shared_by_those_who_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
