/* SPDX-License-Identifier: MIT */
/* Rules of which requests a stored response may answer: the fields that it varies on (RFC 9111,
 * 4.1), and credentials (3.5). */
#include "http_rules.h"

#define GET "GET http://example.com/a"
#define FRESH "200\nCache-Control: max-age=60"
#define VARY(names) FRESH "\nVary: " names

/* The second request is answered with what was stored for the first, or it is not. */
#define SAME(source, policy, response, first, second) \
  RULE(source, policy, {0, GET first, response, NULL}, {1, GET second, NULL, "hit 200"})
#define OTHER(source, policy, response, first, second) \
  RULE(source, policy, {0, GET first, response, NULL}, {1, GET second, NULL, "miss vary-miss"})

static void named_fields_must_match(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("9111 4.1", "", VARY("B"), "\nB: 1", "\nB: 1"),
      OTHER("9111 4.1", "", VARY("B"), "\nB: 1", "\nB: 2"),
      OTHER("9111 4.1: a longer value", "", VARY("B"), "\nB: 1", "\nB: 11"),
      OTHER("9111 4.1: values have case", "", VARY("B"), "\nB: x", "\nB: X"),
      SAME("9111 4.1: names have none", "", VARY("b"), "\nB: 1", "\nb: 1"),
      SAME("9111 4.1: others do not matter", "", VARY("B"), "\nB: 1\nC: 1", "\nB: 1\nC: 2"),
      SAME("9111 4.1: absent", "", VARY("B"), "", ""),
      OTHER("9111 4.1: absent when it was stored", "", VARY("B"), "", "\nB: 1"),
      OTHER("9111 4.1: absent now", "", VARY("B"), "\nB: 1", ""),
      OTHER("CVE-2026-113593: empty is not absent", "", VARY("B"), "", "\nB:"),
      OTHER("CVE-2026-113593: absent is not empty", "", VARY("B"), "\nB:", ""),
      SAME("CVE-2026-113593: empty is empty", "", VARY("B"), "\nB:", "\nB:"),
      OTHER("9111 4.1: empty is not a value", "", VARY("B"), "\nB:", "\nB: 0"),
      SAME("9111 4.1: several names", "", VARY("B, C"), "\nB: 1\nC: 2", "\nC: 2\nB: 1"),
      OTHER("9111 4.1: the first differs", "", VARY("B, C"), "\nB: 1\nC: 2", "\nB: 2\nC: 2"),
      OTHER("9111 4.1: the second differs", "", VARY("B, C"), "\nB: 1\nC: 2", "\nB: 1\nC: 1"),
      OTHER("9111 4.1: exchanged", "", VARY("B, C"), "\nB: 1\nC: 2", "\nB: 2\nC: 1"),
      OTHER("9111 4.1: lines of Vary", "", VARY("B\nVary: C"), "\nB: 1\nC: 2", "\nB: 1\nC: 1"),
      OTHER("9111 4.1: lines of Vary", "", VARY("B\nVary: C"), "\nB: 1\nC: 2", "\nB: 2\nC: 2"),
      SAME("9111 4.1: a name twice", "", VARY("B, b"), "\nB: 1", "\nB: 1"),
      OTHER("9111 4.1: a name twice", "", VARY("B, b"), "\nB: 1", "\nB: 2"),
      OTHER("9110 5.6.1: empty members", "", VARY(", B,,"), "\nB: 1", "\nB: 2"),
      OTHER("concatenated values", "", VARY("B, C"), "\nB: 1\nC: 23", "\nB: 12\nC: 3"),
      OTHER("concatenated values", "", VARY("B, C"), "\nB: 12", "\nB: 1\nC: 2"),
      OTHER("a value that looks like a field", "", VARY("B, C"), "\nB: 1, C: 2", "\nB: 1\nC: 2"),
      SAME("9111 4.1: lines are joined", "", VARY("B"), "\nB: 1\nB: 2", "\nB: 1, 2"),
      OTHER("9111 4.1: in their order", "", VARY("B"), "\nB: 1\nB: 2", "\nB: 2, 1"),
      OTHER("9111 4.1: a line more", "", VARY("B"), "\nB: 1", "\nB: 1\nB: 1"),
      SAME("9110 5.5: blanks round the value", "", VARY("B"), "\nB: 1", "\nB:    1  "),
      SAME("9111 4.1: without Vary", "", FRESH, "\nB: 1", "\nB: 2"),
  };
  check_rules(rules);
}

/* What Connection lists is not forwarded. So the origin answers as if it were not there, and its
 * response must not be stored for those who send the field to all. */
static void fields_that_the_origin_does_not_see_select_nothing(void **state) {
  (void)state;
#define HIDE(name) "\nConnection: " name
  static const struct http_rule rules[] = {
      RULE("9110 7.6.1", "", {0, GET HIDE("b") "\nB: fr", VARY("B") "\n\nen", "stored | > B: none"},
           {1, GET "\nB: fr", VARY("B") "\n\nfr", "miss vary-miss, stored | body=fr"},
           {2, GET, NULL, "hit 200 | body=en"},
           {3, GET HIDE("close, B") "\nB: de", NULL, "hit 200 | body=en"}),
      SAME("9110 7.6.1: another field", "", VARY("B"), HIDE("bb") "\nB: fr", "\nB: fr"),
      RULE("9110 7.6.1: a field for all", "",
           {0, GET HIDE("accept-language") "\nAccept-Language: fr", VARY("Accept-Language"),
            "pass malformed | > Accept-Language: none | records=0"}),
      RULE("9110 7.6.1: a cookie of the key", "key=lang",
           {0, GET HIDE("Cookie") "\nCookie: lang=fr", FRESH, "pass malformed | records=0"}),
      RULE("9110 7.6.1: the host", "", {0, GET HIDE("x, host"), FRESH, "pass malformed"}),
      RULE("9110 7.6.1: not hidden", "", {0, GET HIDE("x, hosts"), FRESH, NULL}),
      RULE("9110 7.6.1: those of a connection", "",
           {0, GET HIDE("TE, keep-alive, Upgrade, proxy-authorization"), FRESH, NULL}),
      RULE("9111 4.4: what passes anyway still invalidates", "", {0, GET, FRESH, NULL},
           {1, "PUT http://example.com/a" HIDE("cookie"), "200", "pass method, invalidates"}),
  };
  check_rules(rules);
}

static void values_are_normalized_only_if_the_policy_says_so(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      OTHER("9111 4.1: as they are", "", VARY("Accept-Encoding"), "\nAccept-Encoding: gzip, br",
            "\nAccept-Encoding: br, gzip"),
      SAME("9111 4.1: no order", "encoding", VARY("Accept-Encoding"), "\nAccept-Encoding: gzip, br",
           "\nAccept-Encoding: br, gzip"),
      SAME("9110 12.5.3: no case", "encoding", VARY("Accept-Encoding"), "\nAccept-Encoding: gzip",
           "\nAccept-Encoding: GZIP"),
      SAME("9110 8.4.1.3: x-gzip is gzip", "encoding", VARY("Accept-Encoding"),
           "\nAccept-Encoding: gzip", "\nAccept-Encoding: x-gzip"),
      OTHER("9110 12.5.3: one more", "encoding", VARY("Accept-Encoding"), "\nAccept-Encoding: gzip",
            "\nAccept-Encoding: gzip, br"),
      OTHER("9110 12.4.2: not acceptable", "encoding", VARY("Accept-Encoding"),
            "\nAccept-Encoding: gzip, br", "\nAccept-Encoding: gzip, br;q=0"),
      OTHER("9110 12.5.3: identity refused", "encoding", VARY("Accept-Encoding"),
            "\nAccept-Encoding: gzip", "\nAccept-Encoding: gzip, identity;q=0"),
      OTHER("9110 12.5.3: all others refused", "encoding", VARY("Accept-Encoding"),
            "\nAccept-Encoding: gzip", "\nAccept-Encoding: gzip, *;q=0"),
      SAME("9110 12.4.2: weights do not matter", "encoding", VARY("Accept-Encoding"),
           "\nAccept-Encoding: gzip", "\nAccept-Encoding: gzip;q=0.5"),
      OTHER("9110 12.4.2: but zero does", "encoding", VARY("Accept-Encoding"),
            "\nAccept-Encoding: gzip", "\nAccept-Encoding: gzip;q=0.0"),
      OTHER("4647 3.4: a part of a language refused", "language", VARY("Accept-Language"),
            "\nAccept-Language: en", "\nAccept-Language: en, en-gb;q=0"),
      OTHER("9110 12.5.3: absent accepts any", "encoding", VARY("Accept-Encoding"), "",
            "\nAccept-Encoding: identity"),
      OTHER("9110 12.5.3: empty accepts none", "encoding", VARY("Accept-Encoding"), "",
            "\nAccept-Encoding:"),
      OTHER("9111 4.1: the other flag", "language", VARY("Accept-Encoding"),
            "\nAccept-Encoding: gzip, br", "\nAccept-Encoding: br, gzip"),
      OTHER("9111 4.1: as they are", "", VARY("Accept-Language"), "\nAccept-Language: en, de",
            "\nAccept-Language: en, DE"),
      SAME("9110 12.5.4: no case", "language", VARY("Accept-Language"), "\nAccept-Language: en, de",
           "\nAccept-Language: en, DE"),
      SAME("9110 12.4.2: by weight", "language", VARY("Accept-Language"),
           "\nAccept-Language: de, en;q=0.5", "\nAccept-Language: en;q=0.5, de"),
      OTHER("9110 12.4.2: another weight", "language", VARY("Accept-Language"),
            "\nAccept-Language: de, en;q=0.5", "\nAccept-Language: de;q=0.5, en"),
      OTHER("9110 12.5.4: one more", "language", VARY("Accept-Language"), "\nAccept-Language: en",
            "\nAccept-Language: en, de"),
      OTHER("9842: a dictionary is as it is", "encoding language", VARY("Available-Dictionary"),
            "\nAvailable-Dictionary: :pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:",
            "\nAvailable-Dictionary: :PZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:"),
      OTHER("9111 4.1: other lists", "encoding language", VARY("Accept"), "\nAccept: a/b, c/d",
            "\nAccept: c/d, a/b"),
  };
  check_rules(rules);
}

static void variants_are_kept_beside_each_other(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 4.1", "", {0, GET "\nB: 1", VARY("B") "\n\none", "stored | records=2"},
           {1, GET "\nB: 2", VARY("B") "\n\ntwo", "miss vary-miss, stored | records=3"},
           {2, GET "\nB: 1", NULL, "hit 200 | body=one"},
           {3, GET "\nB: 2", NULL, "hit 200 | body=two"}),
      RULE("9111 4.1: each has its age", "", {0, GET "\nB: 1", VARY("B"), NULL},
           {30, GET "\nB: 2", VARY("B"), "miss vary-miss, stored"},
           {61, GET "\nB: 1", NULL, "miss stale"}, {61, GET "\nB: 2", NULL, "hit 200 | Age: 31"}),
      RULE("9111 4.1: one is replaced, the other stays", "",
           {0, GET "\nB: 1", VARY("B") "\n\none", NULL},
           {30, GET "\nB: 2", VARY("B") "\n\ntwo", "miss vary-miss, stored"},
           {61, GET "\nB: 1", VARY("B") "\n\nnew", "miss stale, stored | records=3"},
           {62, GET "\nB: 2", NULL, "hit 200 | body=two"},
           {62, GET "\nB: 1", NULL, "hit 200 | body=new"}),
      RULE("9111 4.1: a variant is validated", "",
           {0, GET "\nB: 1", VARY("B") "\nETag: \"a\"", NULL},
           {60, GET "\nB: 1", "304",
            "revalidate stale, freshen 200 | > B: 1 | > If-None-Match: \"a\""},
           {61, GET "\nB: 1", NULL, "hit 200"}, {61, GET "\nB: 2", NULL, "miss vary-miss"}),
      RULE("9111 4.1: another Vary", "", {0, GET "\nB: 1\nC: 1", VARY("B") "\n\none", NULL},
           {1, GET "\nB: 2\nC: 1", VARY("C") "\n\ntwo", "miss vary-miss, stored"},
           {2, GET "\nB: 2\nC: 1", NULL, "hit 200 | body=two"},
           {2, GET "\nB: 2\nC: 2", NULL, "miss vary-miss"}),
      RULE("9111 4.1: one without Vary", "", {0, GET "\nB: 1", VARY("B") "\n\none", NULL},
           {1, GET "\nB: 2", FRESH "\n\ntwo", "miss vary-miss, stored"},
           {2, GET "\nB: 1", NULL, "hit 200 | body=one"},
           {2, GET "\nB: 2", NULL, "hit 200 | body=two"}),
      RULE("a URI has 8 variants: the oldest goes", "", {0, GET "\nB: 1", VARY("B"), NULL},
           {1, GET "\nB: 2", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 3", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 4", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 5", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 6", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 7", VARY("B"), "miss vary-miss, stored"},
           {1, GET "\nB: 8", VARY("B"), "miss vary-miss, stored"},
           {2, GET "\nB: 1", NULL, "hit 200"},
           {3, GET "\nB: 9", VARY("B"), "miss vary-miss, stored"},
           {4, GET "\nB: 1", NULL, "miss vary-miss"}, {4, GET "\nB: 2", NULL, "hit 200"}),
      RULE("9110 9.3.2: HEAD selects, too", "", {0, GET "\nB: 1", VARY("B"), NULL},
           {1, "HEAD http://example.com/a\nB: 1", NULL, "hit 200 | Content-Length: 5"},
           {1, "HEAD http://example.com/a\nB: 2", NULL, "miss vary-miss"}),
      RULE("9211 2.2: vary-miss", "", {0, GET "\nB: 1", VARY("B"), NULL},
           {1, GET "\nB: 2", VARY("B"),
            "miss vary-miss, stored | Cache-Status: "
            "cachette;fwd=vary-miss;fwd-status=200;stored"}),
      RULE("vary_allow: by cookie", "vary-cookie trust-cookies",
           {0, GET "\nCookie: a=1", VARY("Cookie"), NULL},
           {1, GET "\nCookie: a=1", NULL, "hit 200"},
           {1, GET "\nCookie: a=2", NULL, "miss vary-miss"}, {1, GET, NULL, "miss vary-miss"}),
  };
  check_rules(rules);
}

#define AUTH "\nAuthorization: Basic eA=="
#define COOKIE "\nCookie: sid=1"
#define WITHHELD(source, policy, response, first, second) \
  RULE(source, policy, {0, GET first, response, NULL},    \
       {1, GET second, NULL, "miss credentials | coalesce=0 | if-error=0"})

static void credentials_need_a_permission(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      SAME("none", "", FRESH, "", ""),
      WITHHELD("stored without Authorization", "", FRESH, "", AUTH),
      WITHHELD("stored without a cookie", "", FRESH, "", COOKIE),
      SAME("9111 3.5: public", "", FRESH ", public", "", AUTH),
      WITHHELD("9111 3.5: another directive", "", FRESH ", publik", "", AUTH),
      SAME("9111 3.5: s-maxage", "", "200\nCache-Control: s-maxage=60", "", AUTH),
      SAME("9111 3.5: public, for a cookie", "", FRESH ", public", "", COOKIE),
      WITHHELD("must-revalidate, if it is not trusted", "", FRESH ", must-revalidate", "", AUTH),
      SAME("9111 3.5: must-revalidate", "trust-mr", FRESH ", must-revalidate", "", AUTH),
      SAME("9111 3.5: only the request that was stored matters", "trust-mr", FRESH, "", AUTH),
      SAME("9111 3.5: only the request that was stored matters", "rfc", FRESH, "", AUTH),
      SAME("9111 3.5: stored with Authorization", "", FRESH ", public", AUTH, ""),
      SAME("9111 3.5: for another one", "", FRESH ", public", AUTH, "\nAuthorization: Basic eQ=="),
      SAME("a private cache", "private", FRESH, "", AUTH),
      SAME("a private cache", "private", FRESH, AUTH, AUTH),
      SAME("cookies are trusted", "trust-cookies", FRESH, "", COOKIE),
      WITHHELD("but not Authorization", "trust-cookies", FRESH, "", AUTH),
      WITHHELD("a session cookie", "session=sid", FRESH, "", COOKIE),
      SAME("another cookie", "session=sie", FRESH, "", COOKIE),
      WITHHELD("an empty cookie of a session", "session=sid", FRESH, "", "\nCookie: sid="),
      RULE("what is stored stays for others", "", {0, GET, FRESH, NULL},
           {1, GET AUTH, FRESH "\n\nmine", "miss credentials | body=mine | records=1"},
           {2, GET, NULL, "hit 200 | body=hello"}),
      RULE("nor does it answer when the origin fails", "sie=60", {0, GET, FRESH, NULL},
           {61, GET AUTH, "down", "miss credentials, not stored: origin-error"},
           {61, GET, "down", "miss stale, stale 200"}),
      RULE("a 304 to its own validator is only the client's", "",
           {0, GET, FRESH "\nETag: \"a\"", NULL},
           {1, GET AUTH "\nIf-None-Match: \"a\"", "304",
            "miss credentials, not stored: not-modified | > If-None-Match: \"a\""}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(named_fields_must_match),
      cmocka_unit_test(fields_that_the_origin_does_not_see_select_nothing),
      cmocka_unit_test(values_are_normalized_only_if_the_policy_says_so),
      cmocka_unit_test(variants_are_kept_beside_each_other),
      cmocka_unit_test(credentials_need_a_permission),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
