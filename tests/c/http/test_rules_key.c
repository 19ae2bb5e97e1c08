/* SPDX-License-Identifier: MIT */
/* Rules of the key: which requests share a stored response, and which have nothing to do with it.
 */
#include "http_rules.h"

#define A "http://example.com/a"
#define FRESH "200\nCache-Control: max-age=60"
#define TYPE "\nContent-Type: text/plain"
#define ASK "POST " A TYPE "\n\n"

/* The second request is answered with what was stored for the first, or it is not. */
#define SAME(source, policy, first, second) \
  RULE(source, policy, {0, first, FRESH, NULL}, {1, second, NULL, "hit 200"})
#define OTHER(source, policy, first, second) \
  RULE(source, policy, {0, first, FRESH, NULL}, {1, second, NULL, "miss uri-miss"})

/* A request has nothing to do with what is stored, and its response changes nothing there. */
#define PASSES(source, policy, request, reason)                \
  RULE(source, policy, {0, "GET " A, FRESH "\n\nfirst", NULL}, \
       {1, request, FRESH, "pass " reason}, {2, "GET " A, NULL, "hit 200 | body=first"})

#define HUNDRED                                        \
  "01234567890123456789012345678901234567890123456789" \
  "01234567890123456789012345678901234567890123456789"
#define THOUSAND HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED

static void the_uri_is_the_key(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("9111 2", "", "GET " A, "GET " A),
      OTHER("9111 2", "", "GET " A, "GET http://example.com/b"),
      OTHER("9111 2", "", "GET " A, "GET " A "a"),
      OTHER("9111 2", "", "GET " A, "GET http://example.com/"),
      SAME("9111 2: other fields are no part of it", "", "GET " A "\nAccept: a/b",
           "GET " A "\nAccept: a/c"),
      OTHER("9110 4.2.2: the scheme", "", "GET " A, "GET https://example.com/a"),
      SAME("9110 4.2.3: the scheme has no case", "", "GET " A, "GET HTTP://example.com/a"),
      SAME("9110 4.2.3: the host has no case", "", "GET " A, "GET http://EXAMPLE.com/a"),
      OTHER("9110 4.2.3: the path has case", "", "GET " A, "GET http://example.com/A"),
      OTHER("9110 4.2.3: the query has case", "", "GET " A "?a", "GET " A "?A"),
      SAME("9110 4.2.3: an empty path is /", "", "GET http://example.com",
           "GET http://example.com/"),
      OTHER("9110 4.2.3: but it ends the path", "", "GET " A, "GET " A "/"),
      SAME("9110 4.2.3: default port", "", "GET " A, "GET http://example.com:80/a"),
      SAME("9110 4.2.3: default port", "", "GET https://example.com/a",
           "GET https://example.com:443/a"),
      SAME("3986 6.2.3: an empty port", "", "GET " A, "GET http://example.com:/a"),
      OTHER("9110 4.2.3: default port of the other scheme", "", "GET " A,
            "GET http://example.com:443/a"),
      OTHER("9110 4.2.3: a port", "", "GET " A, "GET http://example.com:8080/a"),
      OTHER("9110 4.2.3: ports", "", "GET http://example.com:8080/a",
            "GET http://example.com:8081/a"),
      SAME("9110 4.2.3: an IPv6 address", "", "GET http://[::1]/a", "GET http://[::1]:80/a"),
      OTHER("9110 4.2.3: another one", "", "GET http://[::1]/a", "GET http://[::2]/a"),
      OTHER("3986 3.2.2: a dot at the end", "", "GET " A, "GET http://example.com./a"),
      OTHER("9110 4.2.3: %2F is not /", "", "GET " A "/b", "GET " A "%2Fb"),
      OTHER("9110 4.2.3: dots are not resolved", "", "GET " A, "GET http://example.com/./a"),
      OTHER("9110 4.2.3: nor slashes joined", "", "GET " A, "GET http://example.com//a"),
      OTHER("9110 4.2.3: raw bytes", "", "GET " A "%2e", "GET " A "%2E"),
      OTHER("CVE-2026-25480: k- and k45", "", "GET " A "k-", "GET " A "k45"),
      OTHER("CVE-2026-25480: the Kelvin sign", "", "GET " A "K", "GET " A "%E2%84%AA"),
      OTHER("9111 2: host and path do not run together", "", "GET http://example.com/a/b",
            "GET http://example.co/m/a/b"),
      SAME("9111 2: a long URI", "", "GET " A "?" THOUSAND THOUSAND "1",
           "GET " A "?" THOUSAND THOUSAND "1"),
      OTHER("9111 2: a long URI", "", "GET " A "?" THOUSAND THOUSAND "1",
            "GET " A "?" THOUSAND THOUSAND "2"),
  };
  check_rules(rules);
}

static void the_query_counts_as_the_policy_says(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("9111 2", "", "GET " A "?b=1", "GET " A "?b=1"),
      OTHER("CVE-2026-30246: the query is left out", "", "GET " A "?b=1", "GET " A "?b=2"),
      OTHER("CVE-2026-30246", "", "GET " A, "GET " A "?b"),
      OTHER("9110 4.2.3: an empty query is one", "", "GET " A, "GET " A "?"),
      OTHER("percent-encoded ?", "", "GET " A "?b=1", "GET " A "%3Fb=1"),
      OTHER("percent-encoded ?, the other way", "", "GET " A "%3Fb=1", "GET " A "?b=1"),
      OTHER("a second ?", "", "GET " A "?b?c", "GET " A "%3Fb?c"),
      OTHER("9110 4.2.3: order", "", "GET " A "?b=1&c=2", "GET " A "?c=2&b=1"),
      SAME("sort", "sort", "GET " A "?b=1&c=2", "GET " A "?c=2&b=1"),
      OTHER("sort: another value", "sort", "GET " A "?b=1&c=2", "GET " A "?c=1&b=2"),
      OTHER("sort: equal names keep their order", "sort", "GET " A "?b=1&b=2", "GET " A "?b=2&b=1"),
      OTHER("sort: only & parts parameters (CVE-2021-23336)", "sort", "GET " A "?b=1;c=2",
            "GET " A "?c=2;b=1"),
      OTHER("sort: parameters do not run together", "sort", "GET " A "?b=1&c=2",
            "GET " A "?b=1c=2"),
      OTHER("sort: an empty query is still one", "sort", "GET " A, "GET " A "?"),
      SAME("drop", "drop", "GET " A "?b=1", "GET " A "?b=2"),
      SAME("drop", "drop", "GET " A, "GET " A "?b=1"),
      OTHER("drop: the path counts", "drop", "GET " A "?b=1", "GET " A "a?b=1"),
      OTHER("drop: %3F does not begin a query", "drop", "GET " A "?b=1", "GET " A "%3Fb=1"),
      SAME("No-Vary-Search: params", "search=params=(\"utm\")", "GET " A "?b=1&utm=x",
           "GET " A "?b=1"),
      SAME("No-Vary-Search: params", "search=params=(\"utm\")", "GET " A "?utm=x&b=1",
           "GET " A "?b=1&utm=y"),
      OTHER("No-Vary-Search: another parameter", "search=params=(\"utm\")", "GET " A "?b=1&utm=x",
            "GET " A "?b=2&utm=x"),
      OTHER("No-Vary-Search: a longer name", "search=params=(\"utm\")", "GET " A "?utm=x",
            "GET " A "?utms=x"),
      OTHER("No-Vary-Search: names have case", "search=params=(\"utm\")", "GET " A "?b=1",
            "GET " A "?b=1&UTM=x"),
      OTHER("No-Vary-Search: order still counts", "search=params=(\"utm\")", "GET " A "?b=1&c=2",
            "GET " A "?c=2&b=1"),
      SAME("No-Vary-Search: key-order", "search=key-order", "GET " A "?b=1&c=2",
           "GET " A "?c=2&b=1"),
      OTHER("No-Vary-Search: key-order, values", "search=key-order", "GET " A "?b=1&c=2",
            "GET " A "?c=2&b=2"),
      SAME("No-Vary-Search: except", "search=except=(\"b\")", "GET " A "?b=1&c=2",
           "GET " A "?b=1&c=3"),
      OTHER("No-Vary-Search: except", "search=except=(\"b\")", "GET " A "?b=1&c=2",
            "GET " A "?b=2&c=2"),
      OTHER("CVE-2021-23336: a parameter cloaked in a dropped one", "search=params=(\"utm\")",
            "GET " A "?b=1&utm=x;b=2", "GET " A "?b=1"),
  };
  check_rules(rules);
}

static void the_host_is_one_and_valid(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("9110 7.2: Host, if the target has none", "", "GET " A,
           "GET http:///a\nHost: example.com"),
      SAME("9110 7.2: Host has no case", "", "GET " A, "GET http:///a\nhost: Example.COM:80"),
      OTHER("9110 7.2: another Host", "", "GET http:///a\nHost: example.com",
            "GET http:///a\nHost: example.org"),
      SAME("9112 3.2.2: Host beside the target", "", "GET " A, "GET " A "\nHost: EXAMPLE.com:80"),
      PASSES("GHSA-p6vj-j24g-56wp: Host contradicts the target", "", "GET " A "\nHost: evil.com",
             "host"),
      RULE("GHSA-p6vj-j24g-56wp: and stores nothing", "",
           {0, "GET " A "\nHost: evil.com", FRESH, "pass host"},
           {1, "GET " A, NULL, "miss uri-miss"},
           {2, "GET http://evil.com/a", NULL, "miss uri-miss"}),
      PASSES("9112 3.2: no Host", "", "GET http:///a", "host"),
      PASSES("9112 3.2: an empty Host", "", "GET http:///a\nHost:", "host"),
      PASSES("9112 3.2: two Hosts", "", "GET http:///a\nHost: example.com\nHost: evil.com", "host"),
      PASSES("9112 3.2: the same Host twice", "",
             "GET http:///a\nHost: example.com\nHost: example.com", "host"),
      PASSES("9112 3.2: a list", "", "GET http:///a\nHost: example.com, evil.com", "host"),
      PASSES("CVE-2026-48710: a path in Host", "", "GET http:///a\nHost: example.com/a", "host"),
      PASSES("CVE-2026-48710: a query in Host", "", "GET http:///a\nHost: example.com?a", "host"),
      PASSES("9110 4.2.4: user information", "", "GET http:///a\nHost: me@example.com", "host"),
      PASSES("9110 4.2.4: in the target, too", "", "GET http://me@example.com/a", "host"),
      PASSES("3986 3.2.3: a port has digits", "", "GET http:///a\nHost: example.com:8o", "host"),
      PASSES("3986 3.2.2: a blank", "", "GET http:///a\nHost: exam ple.com", "host"),
      SAME("CVE-2021-29479: X-Forwarded-Host never counts", "", "GET " A,
           "GET " A "\nX-Forwarded-Host: evil.com"),
      SAME("X-Forwarded-Proto never counts", "", "GET " A, "GET " A "\nX-Forwarded-Proto: https"),
      SAME("X-Forwarded-Port never counts", "", "GET " A, "GET " A "\nX-Forwarded-Port: 8080"),
      SAME("Forwarded never counts", "", "GET " A, "GET " A "\nForwarded: host=evil.com"),
  };
  check_rules(rules);
}

static void the_method_counts(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9110 9.3.2: HEAD is answered from GET", "", {0, "GET " A, FRESH, NULL},
           {1, "HEAD " A, NULL, "hit 200 | body= | Content-Length: 5 | Age: 1"}),
      RULE("9110 9.3.2: HEAD has no body to store", "",
           {0, "HEAD " A, FRESH "\nContent-Length: 5\n\n", "not stored: method"},
           {1, "GET " A, NULL, "miss uri-miss"}),
      RULE("9110 9.1: methods have case", "", {0, "GET " A, FRESH, NULL},
           {1, "get " A, NULL, "pass method"}),
      RULE("9110 9.2.3: PUT", "", {0, "GET " A, FRESH, NULL}, {1, "PUT " A, NULL, "pass method"}),
      RULE("9110 9.2.3: DELETE", "", {0, "GET " A, FRESH, NULL},
           {1, "DELETE " A, NULL, "pass method"}),
      RULE("9110 9.2.3: PATCH", "", {0, "GET " A, FRESH, NULL},
           {1, "PATCH " A, NULL, "pass method"}),
      RULE("9110 9.3.6: CONNECT", "", {0, "GET " A, FRESH, NULL},
           {1, "CONNECT " A, NULL, "pass method"}),
      PASSES("9110 9.3.7: OPTIONS", "", "OPTIONS " A, "method"),
      PASSES("9110 9.3.8: TRACE", "", "TRACE " A, "method"),
      RULE("CVE-2026-85008: POST is neither answered nor stored", "", {0, "GET " A, FRESH, NULL},
           {1, "POST " A "\n\nx", NULL, "pass method"}),
      RULE("9110 9.3.3: POST, opted in", "post", {0, ASK "x", FRESH, "stored, invalidates"},
           {1, ASK "x", NULL, "hit 200"}, {2, ASK "y", NULL, "miss uri-miss"},
           {3, "POST " A "\nContent-Type: text/html\n\nx", NULL, "miss uri-miss"}),
      RULE("9110 9.3.3: no GET is answered from it", "post",
           {0, ASK "x", FRESH, "stored, invalidates"}, {1, "GET " A, NULL, "miss uri-miss"}),
      RULE("9110 9.3.3: no QUERY, either", "post", {0, ASK "x", FRESH, "stored, invalidates"},
           {1, "QUERY " A TYPE "\n\nx", NULL, "miss uri-miss"}),
      RULE("9110 9.3.3: nor others of this URI forgotten", "post",
           {0, ASK "x", FRESH, "stored, invalidates"}, {1, ASK "y", FRESH, "stored, invalidates"},
           {2, ASK "x", NULL, "hit 200"}),
      OTHER("POST: a GET does not answer it", "post", "GET " A, ASK "x"),
      SAME("10008 2.7: QUERY", "", "QUERY " A TYPE "\n\nx", "QUERY " A TYPE "\n\nx"),
      OTHER("10008 2.7: another body", "", "QUERY " A TYPE "\n\nx", "QUERY " A TYPE "\n\ny"),
      OTHER("10008 2.7: a longer body", "", "QUERY " A TYPE "\n\nx", "QUERY " A TYPE "\n\nxx"),
      OTHER("10008 2.7: another type", "", "QUERY " A TYPE "\n\nx",
            "QUERY " A "\nContent-Type: text/html\n\nx"),
      OTHER("10008 2.7: a coding", "", "QUERY " A TYPE "\n\nx",
            "QUERY " A TYPE "\nContent-Encoding: gzip\n\nx"),
      OTHER("10008 2.7: a language", "", "QUERY " A TYPE "\nContent-Language: en\n\nx",
            "QUERY " A TYPE "\nContent-Language: de\n\nx"),
      OTHER("10008 2.7: type and body do not run together", "",
            "QUERY " A "\nContent-Type: text/plain\n\nx",
            "QUERY " A "\nContent-Type: text/plai\n\nnx"),
      OTHER("10008 2.7: it is no GET", "", "QUERY " A TYPE "\n\nx", "GET " A),
      OTHER("10008 2.7: and a GET is no QUERY", "", "GET " A, "QUERY " A TYPE "\n\nx"),
      OTHER("10008 2.7: the URI counts, too", "", "QUERY " A TYPE "\n\nx",
            "QUERY " A "?b" TYPE "\n\nx"),
      SAME("10008 2.7: with its length", "", "QUERY " A TYPE "\nContent-Length: 1\n\nx",
           "QUERY " A TYPE "\n\nx"),
      PASSES("10008 2.7: a body that is not whole", "", "QUERY " A TYPE "\nContent-Length: 2\n\nx",
             "body"),
      PASSES("10008 2: QUERY needs a type", "", "QUERY " A "\n\nx", "body"),
  };
  check_rules(rules);
}

static void some_requests_bypass_the_cache(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      PASSES("9110 9.3.1: a GET with a body", "", "GET " A "\n\nx", "body"),
      PASSES("9110 9.3.1: Content-Length", "", "GET " A "\nContent-Length: 1", "body"),
      SAME("9110 9.3.1: of nothing", "", "GET " A, "GET " A "\nContent-Length: 0"),
      PASSES("9110 9.3.1: Transfer-Encoding", "", "GET " A "\nTransfer-Encoding: chunked", "body"),
      PASSES("9110 9.3.2: a HEAD with a body", "", "HEAD " A "\nContent-Length: 1", "body"),
      PASSES("CPDoS HMO", "", "GET " A "\nX-HTTP-Method-Override: DELETE", "method-override"),
      PASSES("CPDoS HMO", "", "GET " A "\nx-http-method: POST", "method-override"),
      PASSES("CPDoS HMO", "", "GET " A "\nX-Method-Override: GET", "method-override"),
      SAME("CPDoS HMO: a name that is longer", "", "GET " A, "GET " A "\nX-Method-Overrides: POST"),
      PASSES("X-Original-URL", "", "GET " A "\nX-Original-URL: /admin", "method-override"),
      PASSES("X-Rewrite-URL", "", "GET " A "\nX-Rewrite-URL: /admin", "method-override"),
      PASSES("9110 5.5: LF", "", "GET " A "\nB: x^Jy", "malformed"),
      PASSES("9110 5.5: CR", "", "GET " A "\nB: x^My", "malformed"),
      PASSES("9110 5.5: NUL", "", "GET " A "\nB: x^@y", "malformed"),
      SAME("9110 5.5: a tab is none of them", "", "GET " A, "GET " A "\nB: x^Iy"),
      PASSES("9110 5.1: a name is a token", "", "GET " A "\nB C: x", "malformed"),
      PASSES("CVE-2021-27577: a fragment", "", "GET " A "#b", "malformed"),
      PASSES("CVE-2021-27577: in the query", "", "GET " A "?b#c", "malformed"),
      PASSES("CVE-2013-4484: no URI", "", "GET *\nHost: example.com", "malformed"),
  };
  check_rules(rules);
}

static void cookies_of_the_policy_are_part_of_the_key(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("key cookie", "key=lang", "GET " A "\nCookie: lang=de", "GET " A "\nCookie: lang=de"),
      OTHER("key cookie", "key=lang", "GET " A "\nCookie: lang=de", "GET " A "\nCookie: lang=en"),
      OTHER("key cookie: none", "key=lang", "GET " A "\nCookie: lang=de", "GET " A),
      OTHER("key cookie: empty is not none", "key=lang", "GET " A "\nCookie: lang=", "GET " A),
      OTHER("key cookies do not run together", "key=x,y", "GET " A "\nCookie: x=1; y=23",
            "GET " A "\nCookie: x=12; y=3"),
      OTHER("key cookies keep their names", "key=x,y", "GET " A "\nCookie: x=1",
            "GET " A "\nCookie: y=1"),
      SAME("key cookies have no order", "key=x,y", "GET " A "\nCookie: x=1; y=2",
           "GET " A "\nCookie: y=2; x=1"),
      SAME("other cookies, trusted", "key=lang trust-cookies", "GET " A "\nCookie: lang=de; x=1",
           "GET " A "\nCookie: lang=de; x=2"),
      SAME("6265 5.4: lines", "key=x,y", "GET " A "\nCookie: x=1; y=2",
           "GET " A "\nCookie: x=1\nCookie: y=2"),
      OTHER("6265 5.4: names have case", "key=lang trust-cookies", "GET " A "\nCookie: lang=de",
            "GET " A "\nCookie: Lang=de"),
      SAME("no key cookie, trusted", "trust-cookies", "GET " A "\nCookie: x=1",
           "GET " A "\nCookie: x=2"),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_uri_is_the_key),
      cmocka_unit_test(the_query_counts_as_the_policy_says),
      cmocka_unit_test(the_host_is_one_and_valid),
      cmocka_unit_test(the_method_counts),
      cmocka_unit_test(some_requests_bypass_the_cache),
      cmocka_unit_test(cookies_of_the_policy_are_part_of_the_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
