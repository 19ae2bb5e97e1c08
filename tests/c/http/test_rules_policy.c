/* SPDX-License-Identifier: MIT */
/* Each member of a policy changes what it says, and nothing else. */
#include "http_rules.h"

#define A "GET http://a.com/"
#define OK "200\nCache-Control: max-age=60"
#define BARE "200"
#define MISS "miss vary-miss, stored"

/* ---- Who shares what ---- */

static void sharing(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 5.2.2.7", "", {0, A, OK ", private", "not stored: private"}),
      RULE("9111 5.2.2.7", "private", {0, A, OK ", private", NULL}, {1, A, NULL, "hit 200"}),
      RULE("9111 3.5", "", {0, A "\nAuthorization: x", OK, "not stored: credentials"}),
      RULE("9111 3.5", "private", {0, A "\nAuthorization: x", OK, NULL}, {1, A, NULL, "hit 200"}),
      RULE("9111 5.2.2.10", "", {0, A, "200\nCache-Control: s-maxage=60", NULL},
           {59, A, NULL, "hit 200"}),
      RULE("9111 5.2.2.10", "private",
           {0, A, "200\nCache-Control: s-maxage=60", "not stored: no-freshness"}),
      RULE("9111 5.2.2.10", "private", {0, A, OK ", s-maxage=9", NULL}, {59, A, NULL, "hit 200"}),
      RULE("9111 5.2.2.10", "", {0, A, OK ", s-maxage=9", NULL}, {9, A, OK, "miss stale, stored"}),
      RULE("9213 2.2", "private cdn", {0, A, OK "\nCDN-Cache-Control: no-store", "stored"}),
      RULE("9213 2.2", "cdn", {0, A, OK "\nCDN-Cache-Control: no-store", "not stored: no-store"}),
      /* A private cache is no reason to store these. */
      RULE("9111 5.2.2.5", "private", {0, A, OK ", no-store", "not stored: no-store"}),
      RULE("9111 4.1", "private", {0, A, OK "\nVary: *", "not stored: vary-any"}),
      RULE("9111 7.3", "private", {0, A, OK "\nSet-Cookie: a=b", "not stored: set-cookie"}),
  };
  check_rules(rules);
}

static void set_cookie(void **state) {
  (void)state;
#define COOKIE OK "\nSet-Cookie: a=b"
  static const struct http_rule rules[] = {
      RULE("9111 7.3", "", {0, A, COOKIE, "not stored: set-cookie | Set-Cookie: a=b"}),
      RULE("9111 7.3", "strip", {0, A, COOKIE, "stored | Set-Cookie: a=b"},
           {1, A, NULL, "hit 200 | Set-Cookie: none"}),
      RULE("9111 7.3", "store", {0, A, COOKIE, NULL}, {1, A, NULL, "hit 200 | Set-Cookie: a=b"}),
      RULE("6265 5.2", "", {0, A, OK "\nset-cookie: a=b", "not stored: set-cookie"}),
      RULE("2965 3.2", "", {0, A, OK "\nSet-Cookie2: a=b", "not stored: set-cookie"}),
      RULE("6265 5.2", "", {0, A, OK "\nSet-Cookies: a=b", "stored"}),
      /* Lines of Set-Cookie are not a list. */
      RULE("9110 5.3", "store", {0, A, COOKIE "\nSet-Cookie: c=d", NULL},
           {1, A, NULL, "hit 200 | Set-Cookie: a=b, c=d"}),
      RULE("9111 5.2.2.7", "store",
           {0, A, COOKIE "\nCache-Control: private", "not stored: private"}),
      RULE("CVE-2026-48588", "strip", {0, A, COOKIE "\nVary: Cookie", "not stored: vary-user"}),
  };
  check_rules(rules);
}

static void vary_allow(void **state) {
  (void)state;
#define USER(name, value) A "\n" name ": " value
  static const struct http_rule rules[] = {
      RULE("CVE-2026-44457", "trust-cookies", {0, A, OK "\nVary: Cookie", "not stored: vary-user"}),
      RULE("CVE-2026-44457", "trust-cookies vary-cookie",
           {0, USER("Cookie", "a=1"), OK "\nVary: Cookie", NULL},
           {1, USER("Cookie", "a=1"), NULL, "hit 200"},
           {2, USER("Cookie", "a=2"), OK "\nVary: Cookie", MISS}, {3, A, OK, MISS}),
      RULE("CVE-2026-44457", "", {0, A, OK "\nVary: Authorization", "not stored: vary-user"}),
      RULE("CVE-2026-44457", "vary-cookie",
           {0, A, OK "\nVary: Authorization", "not stored: vary-user"}),
      RULE("CVE-2026-44457", "vary-auth", {0, A, OK "\nVary: Cookie", "not stored: vary-user"}),
      RULE("CVE-2026-44457", "vary-auth",
           {0, USER("Authorization", "a"), OK ", public\nVary: Authorization", NULL},
           {1, USER("Authorization", "a"), NULL, "hit 200"},
           {2, USER("Authorization", "b"), OK, "miss vary-miss, not stored: credentials"}),
      RULE("CVE-2026-6907", "vary-cookie vary-auth",
           {0, A, OK "\nVary: *", "not stored: vary-any"}),
  };
  check_rules(rules);
}

static void cookies(void **state) {
  (void)state;
#define SENDS(cookies) A "\nCookie: " cookies
  static const struct http_rule rules[] = {
      RULE("9111 3.5", "", {0, SENDS("a=1"), OK, "not stored: credentials"}),
      RULE("9111 3.5", "", {0, A, OK, NULL}, {1, SENDS("a=1"), OK, "miss credentials"}),
      RULE("9111 3.5", "trust-cookies", {0, SENDS("a=1"), OK, NULL},
           {1, SENDS("a=2"), NULL, "hit 200"}, {2, A, NULL, "hit 200"}),
      RULE("9111 3.5", "trust-cookies", {0, A "\nAuthorization: x", OK, "not stored: credentials"}),
      /* Cookies that select are no credentials. */
      RULE("9111 2", "key=lang", {0, SENDS("lang=de"), OK, NULL},
           {1, SENDS("lang=de"), NULL, "hit 200"}, {2, SENDS("lang=en"), OK, "stored"},
           {3, A, OK, "stored"}),
      RULE("9111 2", "key=lang", {0, SENDS("lang=de; a=1"), OK, "not stored: credentials"}),
      RULE("9111 2", "key=lang", {0, SENDS("LANG=de"), OK, "not stored: credentials"}),
      /* Only those that are named are credentials. */
      RULE("9111 3.5", "session=sid", {0, SENDS("a=1"), OK, NULL},
           {1, SENDS("a=2"), NULL, "hit 200"}),
      RULE("9111 3.5", "session=sid", {0, SENDS("a=1; sid=1"), OK, "not stored: credentials"}),
      RULE("9111 3.5", "session=sid",
           {0, SENDS("a=1\nCookie: sid=1"), OK, "not stored: credentials"}),
      RULE("9111 3.5", "session=sid", {0, SENDS("sids=1"), OK, NULL}),
      RULE("9111 3.5", "key=lang session=sid", {0, SENDS("lang=de; a=1"), OK, NULL},
           {1, SENDS("a=2; lang=de"), NULL, "hit 200"},
           {2, SENDS("lang=de; sid=1"), OK, "miss credentials"}),
  };
  check_rules(rules);
}

static void trust_must_revalidate(void **state) {
  (void)state;
#define USER_ASKS A "\nAuthorization: x"
#define MUST OK ", must-revalidate"
  static const struct http_rule rules[] = {
      RULE("9111 3.5", "", {0, USER_ASKS, MUST, "not stored: credentials"}),
      RULE("9111 3.5", "trust-mr", {0, USER_ASKS, MUST, NULL}, {1, A, NULL, "hit 200"}),
      RULE("9111 3.5", "trust-mr", {0, USER_ASKS, OK, "not stored: credentials"}),
      RULE("9111 3.5", "trust-mr",
           {0, USER_ASKS, OK ", proxy-revalidate", "not stored: credentials"}),
      RULE("9111 3.5", "", {0, A, OK, NULL}, {1, USER_ASKS, OK, "miss credentials"}),
      RULE("9111 3.5", "trust-mr", {0, A, OK, NULL}, {1, USER_ASKS, NULL, "hit 200"}),
      RULE("9111 3.5", "", {0, USER_ASKS, OK ", public", NULL}, {1, USER_ASKS, NULL, "hit 200"}),
      RULE("9111 3.5", "", {0, USER_ASKS, OK ", s-maxage=60", NULL}, {1, A, NULL, "hit 200"}),
      RULE("9111 3.5", "trust-mr", {0, A "\nCookie: a=1", MUST, "not stored: credentials"}),
  };
  check_rules(rules);
}

/* ---- Keys ---- */

static void query(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("CVE-2026-30246", "", {0, A "?a=1", OK, NULL}, {1, A "?a=2", OK, "stored"},
           {2, A, OK, "stored"}),
      RULE("CVE-2026-30246", "", {0, A "?a=1&b=2", OK, NULL}, {1, A "?b=2&a=1", OK, "stored"}),
      RULE("9111 2", "drop", {0, A "?a=1", OK, NULL}, {1, A "?a=2", NULL, "hit 200"},
           {2, A, NULL, "hit 200"}, {3, A "b", OK, "stored"}),
      RULE("9111 2", "sort", {0, A "?a=1&b=2", OK, NULL}, {1, A "?b=2&a=1", NULL, "hit 200"},
           {2, A "?a=1&b=3", OK, "stored"}),
      RULE("9111 2", "sort", {0, A "?a=1&a=2", OK, NULL}, {1, A "?a=2&a=1", OK, "stored"}),
      RULE("No-Vary-Search", "search=params=(\"utm\")", {0, A "?a=1&utm=x", OK, NULL},
           {1, A "?a=1", NULL, "hit 200"}, {2, A "?a=2&utm=x", OK, "stored"}),
      RULE("No-Vary-Search", "search=key-order", {0, A "?a=1&b=2", OK, NULL},
           {1, A "?b=2&a=1", NULL, "hit 200"}, {2, A "?b=2", OK, "stored"}),
      RULE("No-Vary-Search", "search=except=(\"a\")", {0, A "?a=1&b=2", OK, NULL},
           {1, A "?a=1&c=3", NULL, "hit 200"}, {2, A "?a=2", OK, "stored"}),
      /* Whatever the policy: what is forwarded is not what is in the key. */
      RULE("10008 2.7", "", {0, "POST http://a.com/\n\nq", OK, "pass method, invalidates"}),
      RULE("9110 9.3.3", "post", {0, "POST http://a.com/\n\nq", OK, "stored, invalidates"},
           {1, "POST http://a.com/\n\nq", NULL, "hit 200"},
           {2, "POST http://a.com/\n\nr", OK, "stored, invalidates"}, {3, A, OK, "stored"}),
      RULE("9110 9.3.3", "post ttl=60",
           {0, "POST http://a.com/\n\nq", BARE, "not stored: no-freshness, invalidates"}),
  };
  check_rules(rules);
}

static void normalize(void **state) {
  (void)state;
#define ENCODING(value) A "\nAccept-Encoding: " value
#define LANGUAGE(value) A "\nAccept-Language: " value
#define BY_ENCODING OK "\nVary: Accept-Encoding"
#define BY_LANGUAGE OK "\nVary: Accept-Language"
  static const struct http_rule rules[] = {
      RULE("9111 4.1", "", {0, ENCODING("gzip, br"), BY_ENCODING, NULL},
           {1, ENCODING("br, gzip"), BY_ENCODING, MISS}),
      RULE("9111 4.1", "encoding", {0, ENCODING("gzip, br"), BY_ENCODING, NULL},
           {1, ENCODING("br;q=0.5, GZIP"), NULL, "hit 200"},
           {2, ENCODING("gzip"), BY_ENCODING, MISS}),
      RULE("9110 12.5.3", "encoding", {0, ENCODING("gzip, br"), BY_ENCODING, NULL},
           {1, ENCODING("gzip, br;q=0"), BY_ENCODING, MISS}),
      RULE("9111 4.1", "encoding", {0, LANGUAGE("en, de"), BY_LANGUAGE, NULL},
           {1, LANGUAGE("EN, de"), BY_LANGUAGE, MISS}),
      RULE("9111 4.1", "language", {0, LANGUAGE("en, de"), BY_LANGUAGE, NULL},
           {1, LANGUAGE("EN, DE"), NULL, "hit 200"}, {2, LANGUAGE("de;q=0.5, en"), NULL, "hit 200"},
           {3, LANGUAGE("de, en;q=0.5"), BY_LANGUAGE, MISS}),
      RULE("9111 4.1", "language", {0, ENCODING("gzip, br"), BY_ENCODING, NULL},
           {1, ENCODING("br, gzip"), BY_ENCODING, MISS}),
      RULE("9842 2.2", "encoding language",
           {0, A "\nAvailable-Dictionary: :a:", OK "\nVary: Available-Dictionary", NULL},
           {1, A "\nAvailable-Dictionary: :A:", OK, MISS}),
      /* What is forwarded stays as it is. */
      RULE("9110 12.5.3", "encoding",
           {0, ENCODING("br;q=0.5, GZIP"), BY_ENCODING,
            "stored | > Accept-Encoding: br;q=0.5, GZIP"}),
  };
  check_rules(rules);
}

/* ---- Lifetimes ---- */

static void lifetimes(void **state) {
  (void)state;
#define OLD "200\nLast-Modified: @-1000\nDate: @0"
  static const struct http_rule rules[] = {
      RULE("9111 4.2.2", "", {0, A, BARE, "not stored: no-freshness"}),
      RULE("9111 4.2.2", "ttl=60", {0, A, BARE, NULL}, {59, A, NULL, "hit 200"},
           {60, A, BARE, "miss stale, stored"}),
      RULE("9111 4.2.1", "ttl=60", {0, A, "200\nCache-Control: max-age=9", NULL},
           {9, A, BARE, "miss stale, stored"}),
      RULE("9111 4.2.1", "ttl=60",
           {0, A, "200\nCache-Control: max-age=0", "not stored: not-fresh"}),
      RULE("9111 5.3", "ttl=60", {0, A, "200\nExpires: 0", "not stored: not-fresh"}),
      RULE("CVE-2025-49826", "ttl=60", {0, A, "204", "not stored: no-freshness"}),
      RULE("CPDoS HHO", "ttl=60", {0, A, "400", "not stored: status"}),
      RULE("CPDoS HHO", "ttl=60", {0, A, "404", "not stored: no-freshness"}),
      RULE("9111 4.2.2", "ttl=60", {0, A, "301\nLocation: /b", NULL}),
      RULE("9111 4.2.2", "", {0, A, OLD, "not stored: no-freshness"}),
      RULE("9111 4.2.2", "heuristic", {0, A, OLD, "stored | lifetime=100"},
           {99, A, NULL, "hit 200"}, {100, A, OK, "revalidate stale, stored"}),
      RULE("9111 4.2.2", "heuristic",
           {0, A, OLD "\nCache-Control: max-age=9", "stored | lifetime=9"}),
      RULE("9111 4.2.2", "heuristic", {0, A, BARE, "not stored: no-freshness"}),
      RULE("9111 4.2.2", "heuristic",
           {0, A, "500\nLast-Modified: @-1000\nDate: @0", "not stored: status"}),
      RULE("5861 3", "", {0, A, OK, NULL}, {60, A, OK, "miss stale, stored"}),
      RULE("5861 3", "swr=30", {0, A, OK, NULL}, {89, A, NULL, "stale 200 refresh"},
           {90, A, OK, "miss stale, stored"}),
      RULE("5861 3", "swr=30", {0, A, OK ", stale-while-revalidate=0", NULL},
           {60, A, OK, "miss stale, stored"}),
      RULE("5861 3", "swr=30", {0, A, OK ", stale-while-revalidate=9", NULL},
           {69, A, OK, "miss stale, stored"}),
      RULE("5861 3", "sie=30", {0, A, OK, NULL}, {60, A, OK, "miss stale, stored"}),
      RULE("5861 4", "swr=30", {0, A, OK, NULL},
           {90, A, "down", "miss stale, not stored: origin-error"}),
      RULE("9111 4.2.4", "swr=30 sie=30", {0, A, OK ", must-revalidate", NULL},
           {60, A, "down", "miss stale, not stored: origin-error"}),
  };
  check_rules(rules);
}

static void sizes_of_bodies(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("max_body", "max=5", {0, A, OK, NULL}, {1, A, NULL, "hit 200"}),
      RULE("max_body", "max=4", {0, A, OK, "not stored: too-large"}),
      RULE("max_body", "max=4", {0, A, OK "\nContent-Length: 5", "not stored: too-large"}),
      RULE("max_body", "max=5", {0, A, OK "\nContent-Length: 5", NULL}),
      RULE("max_body", "", {0, A, OK "\nContent-Length: 1048577", "not stored: too-large"}),
      RULE("max_body", "", {0, A, OK "\nContent-Length: 1048576", "not stored: incomplete"}),
  };
  check_rules(rules);
}

/* ---- Requests' wishes ---- */

static void request_control(void **state) {
  (void)state;
#define WISH(directive) A "\nCache-Control: " directive
#define TAG OK "\nETag: \"a\""
  static const struct http_rule rules[] = {
      RULE("9111 5.2.1.4", "", {0, A, TAG, NULL},
           {1, WISH("no-cache"), TAG, "revalidate request, stored | coalesce=1"}),
      RULE("9111 5.2.1.4", "full", {0, A, TAG, NULL},
           {1, WISH("no-cache"), TAG, "revalidate request, stored | coalesce=0"}),
      RULE("9111 5.2.1.4", "ignore", {0, A, TAG, NULL}, {1, WISH("no-cache"), NULL, "hit 200"}),
      RULE("9111 5.4", "full", {0, A, TAG, NULL},
           {1, A "\nPragma: no-cache", TAG, "revalidate request, stored"}),
      RULE("9111 5.4", "ignore", {0, A, TAG, NULL}, {1, A "\nPragma: no-cache", NULL, "hit 200"}),
      RULE("9111 5.2.1.5", "", {0, WISH("no-store"), OK, "not stored: no-store"}),
      RULE("9111 5.2.1.5", "ignore", {0, WISH("no-store"), OK, "stored"}),
      RULE("9111 5.2.1.2", "", {0, A, TAG, NULL},
           {60, WISH("max-stale"), TAG, "revalidate stale, stored"}),
      RULE("9111 5.2.1.2", "max-stale", {0, A, TAG, NULL},
           {60, WISH("max-stale"), NULL, "stale 200"}),
      RULE("9111 5.2.1.2", "full", {0, A, TAG, NULL}, {60, WISH("max-stale"), NULL, "stale 200"}),
      RULE("9111 5.2.1.2", "ignore max-stale", {0, A, TAG, NULL},
           {60, WISH("max-stale"), TAG, "revalidate stale, stored"}),
      RULE("9111 5.2.1.2", "max-stale", {0, A, OK ", must-revalidate", NULL},
           {60, WISH("max-stale"), TAG, "miss stale, stored"}),
      RULE("9111 5.2.1.1", "full", {0, A, TAG, NULL}, {9, WISH("max-age=9"), NULL, "hit 200"},
           {10, WISH("max-age=9"), TAG, "revalidate request, stored"}),
      RULE("9111 5.2.1.3", "full", {0, A, TAG, NULL}, {9, WISH("min-fresh=51"), NULL, "hit 200"},
           {10, WISH("min-fresh=51"), TAG, "revalidate request, stored"}),
  };
  check_rules(rules);
}

static void forward_preconditions(void **state) {
  (void)state;
#define MATCH A "\nIf-Match: \"b\""
#define SINCE A "\nIf-Unmodified-Since: @-101"
  static const struct http_rule rules[] = {
      RULE("9110 13.1.1", "", {0, A, TAG, NULL}, {1, MATCH, NULL, "hit 412"}),
      RULE("9111 4.3.2", "forward-preconditions", {0, A, TAG, NULL},
           {1, MATCH, "412\n\n", "miss request, not stored: status | > If-Match: \"b\""},
           {2, A, NULL, "hit 200"}),
      RULE("9111 4.3.2", "forward-preconditions", {0, A, OK "\nLast-Modified: @-100", NULL},
           {1, SINCE, "412\n\n", "miss request, not stored: status"}, {2, A, NULL, "hit 200"}),
      /* Conditions for caches stay the cache's. */
      RULE("9111 4.3.2", "forward-preconditions", {0, A, TAG, NULL},
           {1, A "\nIf-None-Match: \"a\"", NULL, "hit 304"}),
  };
  check_rules(rules);
}

static void targeted(void **state) {
  (void)state;
#define CDN "\nCDN-Cache-Control: "
#define MY "\nMy-Cache-Control: "
  static const struct http_rule rules[] = {
      RULE("9213 2.2", "", {0, A, OK CDN "no-store", "stored"}),
      RULE("9213 2.2", "cdn", {0, A, OK CDN "max-age=9", "stored | lifetime=9"},
           {1, A, NULL, "hit 200 | CDN-Cache-Control: max-age=9"}),
      RULE("9213 2.2", "cdn",
           {0, A, "200\nCache-Control: no-store" CDN "max-age=9", "stored | lifetime=9"}),
      RULE("9213 2.2", "cdn", {0, A, "200\nExpires: @99" CDN "x", "not stored: no-freshness"}),
      RULE("9213 2.1", "cdn", {0, A, OK CDN "max-age=\"9\"", "not stored: not-fresh"}),
      RULE("9213 2.1", "cdn", {0, A, OK CDN "max-age=9, &", "stored | lifetime=60"}),
      RULE("9213 2.1", "cdn", {0, A, OK CDN, "stored | lifetime=60"}),
      RULE("9213 2.2", "my,cdn", {0, A, OK CDN "max-age=9" MY "max-age=8", "stored | lifetime=8"}),
      RULE("9213 2.2", "my,cdn", {0, A, OK CDN "max-age=9" MY "&", "stored | lifetime=9"}),
      RULE("9213 2.2", "cdn", {0, A, OK CDN "max-age=9" MY "max-age=8", "stored | lifetime=9"}),
  };
  check_rules(rules);
}

static void names(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9211 2", "", {0, A, OK, NULL},
           {1, A, NULL, "hit 200 | Cache-Status: cachette;hit;ttl=59"}),
      RULE("9211 2", "name=edge-1", {0, A, OK, NULL},
           {1, A, NULL, "hit 200 | Cache-Status: edge-1;hit;ttl=59"}),
  };
  check_rules(rules);
}

/* ---- The policy of the RFCs ---- */

static void the_policy_of_the_rfcs(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 7.3", "rfc", {0, A, OK "\nSet-Cookie: a=b", NULL},
           {1, A, NULL, "hit 200 | Set-Cookie: a=b"}),
      RULE("9111 3.5", "rfc", {0, A "\nAuthorization: x", OK, "not stored: credentials"}),
      RULE("9111 3.5", "rfc", {0, A "\nAuthorization: x", OK ", must-revalidate", NULL},
           {1, A, NULL, "hit 200"}),
      RULE("9111 3.5", "rfc", {0, A "\nCookie: a=b", OK, NULL}, {1, A, NULL, "hit 200"}),
      RULE("9111 5.2.2.7", "rfc", {0, A, OK ", private", "not stored: private"}),
      RULE("9111 5.2.2.5", "rfc", {0, A, OK ", no-store", "not stored: no-store"}),
      RULE("9111 4.1", "rfc", {0, A, OK "\nVary: *", "not stored: vary-any"}),
      RULE("9213 3.1", "rfc", {0, A, "200\nCache-Control: no-store" CDN "max-age=60", NULL},
           {1, A, NULL, "hit 200"}),
      RULE("9213 3.1", "rfc", {0, A, OK CDN "none", "not stored: no-freshness"}),
      RULE("9111 4.2.2", "rfc", {0, A, OLD, "stored | lifetime=100"}),
      RULE("9111 4.2.2", "rfc", {0, A, BARE, "not stored: no-freshness"}),
      RULE("9111 4.2.4", "rfc", {0, A, OK, NULL}, {86459, A, "down", "miss stale, stale 200"}),
      RULE("9111 4.2.4", "rfc", {0, A, OK, NULL},
           {86460, A, "down", "miss stale, not stored: origin-error"}),
      RULE("9111 4.2.4", "rfc", {0, A, OK ", must-revalidate", NULL},
           {60, A, "down", "miss stale, not stored: origin-error"}),
      RULE("9111 4.2.4", "rfc", {0, A, OK, NULL}, {60, A, OK, "miss stale, stored"}),
      RULE("9111 5.2.1.2", "rfc", {0, A, OK, NULL}, {60, WISH("max-stale=1"), NULL, "stale 200"},
           {62, WISH("max-stale=1"), OK, "miss stale, stored"}),
      RULE("9111 5.2.1.4", "rfc", {0, A, TAG, NULL},
           {1, WISH("no-cache"), TAG, "revalidate request, stored"}),
      RULE("9111 3.3", "rfc",
           {0, A "\nRange: bytes=0-0",
            "206\nContent-Range: bytes 0-0/5\nETag: \"a\"\nCache-Control: max-age=60\n\nh", NULL}),
      RULE("9111 4.1", "rfc",
           {0, A "\nAccept-Language: en, de", OK "\nVary: Accept-Language", NULL},
           {1, A "\nAccept-Language: EN, DE", NULL, "hit 200"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sharing),
      cmocka_unit_test(set_cookie),
      cmocka_unit_test(vary_allow),
      cmocka_unit_test(cookies),
      cmocka_unit_test(trust_must_revalidate),
      cmocka_unit_test(query),
      cmocka_unit_test(normalize),
      cmocka_unit_test(lifetimes),
      cmocka_unit_test(sizes_of_bodies),
      cmocka_unit_test(request_control),
      cmocka_unit_test(forward_preconditions),
      cmocka_unit_test(targeted),
      cmocka_unit_test(names),
      cmocka_unit_test(the_policy_of_the_rfcs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
