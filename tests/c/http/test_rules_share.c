/* SPDX-License-Identifier: MIT */
/* Rules of sharing: what is stored of responses to requests with credentials, of those that set
 * cookies or vary, and which field says so (RFC 9111, 3.5 and 4.1; RFC 9213). */
#include "http_rules.h"

#define GET "GET http://example.com/a"
#define AUTH GET "\nAuthorization: Basic eA=="
#define COOKIE GET "\nCookie: sid=1"
#define FRESH "\nCache-Control: max-age=60"
#define TAG "\nETag: \"a\""

#define STORED(source, policy, request, response) \
  RULE(source, policy, {0, request, response, "stored"})
#define REFUSED(source, policy, request, response, reason) \
  RULE(source, policy, {0, request, response, "not stored: " reason})
#define FRESH_FOR(source, policy, response, seconds) \
  RULE(source, policy, {0, GET, response, "stored | lifetime=" #seconds})

static void credentials_need_a_permission(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      STORED("9111 3.5: none", "", GET, "200" FRESH),
      REFUSED("9111 3.5: Authorization", "", AUTH, "200" FRESH, "credentials"),
      REFUSED("9111 3.5: Authorization", "rfc", AUTH, "200" FRESH, "credentials"),
      REFUSED("9111 3.5: without regard to case", "", GET "\nauthorization: x", "200" FRESH,
              "credentials"),
      REFUSED("9111 3.5: an empty one", "", GET "\nAuthorization:", "200" FRESH, "credentials"),
      STORED("9111 3.5: another field", "", GET "\nAuthorizations: x", "200" FRESH),
      STORED("9111 3.5: a private cache", "private", AUTH, "200" FRESH),
      REFUSED("9111 3.5: Expires does not permit it", "", AUTH, "200\nExpires: @60", "credentials"),
      STORED("9111 3.5: public", "", AUTH, "200\nCache-Control: public, max-age=60"),
      STORED("9111 3.5: s-maxage", "", AUTH, "200\nCache-Control: s-maxage=60"),
      REFUSED("9111 3.5: must-revalidate, if it is not trusted", "", AUTH,
              "200\nCache-Control: must-revalidate, max-age=60", "credentials"),
      STORED("9111 3.5: must-revalidate", "trust-mr", AUTH,
             "200\nCache-Control: must-revalidate, max-age=60"),
      STORED("9111 3.5: must-revalidate", "rfc", AUTH,
             "200\nCache-Control: must-revalidate, max-age=60"),
      REFUSED("9111 3.5: proxy-revalidate", "rfc", AUTH,
              "200\nCache-Control: proxy-revalidate, max-age=60", "credentials"),
      REFUSED("9111 3.5: immutable", "rfc", AUTH, "200\nCache-Control: immutable, max-age=60",
              "credentials"),
      REFUSED("9111 3.5: public with an argument", "", AUTH,
              "200\nCache-Control: public=x, max-age=60", "credentials"),
      REFUSED("9111 3.5: another directive", "", AUTH, "200\nCache-Control: publi, max-age=60",
              "credentials"),
      REFUSED("9111 3.5: public and private", "", AUTH,
              "200\nCache-Control: public, private, max-age=60", "private"),
      REFUSED("9111 3.5: Pragma", "", AUTH, "200\nPragma: public" FRESH, "credentials"),
      REFUSED("a cookie is a credential", "", COOKIE, "200" FRESH, "credentials"),
      STORED("a cookie and public", "", COOKIE, "200\nCache-Control: public, max-age=60"),
      REFUSED("a cookie and must-revalidate", "trust-mr", COOKIE,
              "200\nCache-Control: must-revalidate, max-age=60", "credentials"),
      STORED("a cookie that is trusted", "trust-cookies", COOKIE, "200" FRESH),
      STORED("9111: cookies are no matter of it", "rfc", COOKIE, "200" FRESH),
      REFUSED("a session cookie", "session=sid", COOKIE, "200" FRESH, "credentials"),
      STORED("another cookie", "session=sie", COOKIE, "200" FRESH),
      REFUSED("a session cookie among others", "session=x,sid", GET "\nCookie: a=1; sid=2",
              "200" FRESH, "credentials"),
      REFUSED("a session cookie on a second line", "session=sid",
              GET "\nCookie: a=1\nCookie: sid=2", "200" FRESH, "credentials"),
      STORED("a name in a value", "session=sid", GET "\nCookie: a=sid", "200" FRESH),
      STORED("a key cookie", "key=sid", COOKIE, "200" FRESH),
      REFUSED("a key cookie and another one", "key=sid", COOKIE "; b=2", "200" FRESH,
              "credentials"),
      STORED("a cookie in a private cache", "private", COOKIE, "200" FRESH),
      REFUSED("trusted cookies are no Authorization", "trust-cookies", AUTH, "200" FRESH,
              "credentials"),
      RULE("9110 7.6.1: Connection does not hide it", "",
           {0, GET "\nConnection: authorization\nAuthorization: x", "200" FRESH, "pass malformed"}),
      RULE("9110 7.6.1: nor cookies", "",
           {0, GET "\nConnection: cookie\nCookie: sid=1", "200" FRESH, "pass malformed"}),
      STORED("9110 11.7.2: Proxy-Authorization is the proxy's", "",
             GET "\nProxy-Authorization: Basic eA==", "200" FRESH),
  };
  check_rules(rules);
}

static void set_cookie_is_for_one_client(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("CVE-2022-24894", "", GET, "200\nSet-Cookie: a=b" FRESH, "set-cookie"),
      REFUSED("without regard to case", "", GET, "200\nset-cookie: a=b" FRESH, "set-cookie"),
      REFUSED("an empty one", "", GET, "200\nSet-Cookie:" FRESH, "set-cookie"),
      REFUSED("Set-Cookie2", "", GET, "200\nSet-Cookie2: a=b" FRESH, "set-cookie"),
      STORED("another field", "", GET, "200\nSet-Cookie3: a=b" FRESH),
      REFUSED("public says nothing of cookies", "", GET,
              "200\nSet-Cookie: a=b\nCache-Control: public, max-age=60", "set-cookie"),
      REFUSED("CVE-2026-48588: with Vary", "vary-cookie", COOKIE,
              "200\nSet-Cookie: a=b\nVary: Cookie" FRESH, "set-cookie"),
      RULE("strip", "strip", {0, GET, "200\nSet-Cookie: a=b\nSet-Cookie2: a=b" FRESH, NULL},
           {1, GET, NULL, "hit 200 | Set-Cookie: none | Set-Cookie2: none"}),
      RULE("strip: the first client has it", "strip",
           {0, GET, "200\nSet-Cookie: a=b" FRESH, "stored | Set-Cookie: a=b"}),
      RULE("9111 7.3: store", "store", {0, GET, "200\nSet-Cookie: a=b" FRESH, NULL},
           {1, GET, NULL, "hit 200 | Set-Cookie: a=b"}),
      RULE("9111 7.3: in lines", "rfc", {0, GET, "200\nSet-Cookie: a=b\nSet-Cookie: c" FRESH, NULL},
           {1, GET, NULL, "hit 200 | Set-Cookie: a=b, c"}),
      RULE("9111 5.2.2.4: no-cache=\"set-cookie\"", "store",
           {0, GET, "200\nSet-Cookie: a=b\nCache-Control: max-age=60, no-cache=\"set-cookie\"",
            NULL},
           {1, GET, NULL, "hit 200 | Set-Cookie: none"}),
  };
  check_rules(rules);
}

static void vary_may_forbid_storing(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      STORED("9111 4.1: a name", "", GET, "200\nVary: Accept" FRESH),
      STORED("9111 4.1: names", "", GET, "200\nVary: Accept, B,C" FRESH),
      STORED("9110 5.6.1: empty members", "", GET, "200\nVary: , Accept,," FRESH),
      STORED("9111 4.1: no name", "", GET, "200\nVary:" FRESH),
      REFUSED("CVE-2026-6907: *", "", GET, "200\nVary: *" FRESH, "vary-any"),
      REFUSED("CVE-2026-6907: *", "rfc", GET, "200\nVary: *" FRESH, "vary-any"),
      REFUSED("CVE-2026-6907: *", "private", GET, "200\nVary: *" FRESH, "vary-any"),
      REFUSED("9110 12.5.5: before names", "", GET, "200\nVary: *, Accept" FRESH, "vary-any"),
      REFUSED("9110 12.5.5: after names", "", GET, "200\nVary: Accept, *" FRESH, "vary-any"),
      REFUSED("9110 12.5.5: twice", "", GET, "200\nVary: *, *" FRESH, "vary-any"),
      REFUSED("9110 12.5.5: after nothing", "", GET, "200\nVary: , *" FRESH, "vary-any"),
      REFUSED("9110 12.5.5: on the second line", "", GET, "200\nVary: Accept\nVary: *" FRESH,
              "vary-any"),
      REFUSED("9110 12.5.5: on the first line", "", GET, "200\nVary: *\nVary: Accept" FRESH,
              "vary-any"),
      REFUSED("CVE-2026-48587: tabs", "", GET, "200\nVary: Accept,^I*^I" FRESH, "vary-any"),
      REFUSED("9110 5.1: not a name", "", GET, "200\nVary: Accept B" FRESH, "vary-any"),
      REFUSED("9110 5.1: not a name", "", GET, "200\nVary: \"*\"" FRESH, "vary-any"),
      REFUSED("9110 5.1: not a name", "", GET, "200\nVary: Accept;q=1" FRESH, "vary-any"),
      REFUSED("CVE-2026-44457: Cookie", "", GET, "200\nVary: Cookie" FRESH, "vary-user"),
      REFUSED("CVE-2026-48587: blanks", "", GET, "200\nVary: Accept,  Cookie  , B" FRESH,
              "vary-user"),
      REFUSED("CVE-2026-44457: no case", "", GET, "200\nVary: cOOKIE" FRESH, "vary-user"),
      REFUSED("CVE-2026-44457: Authorization", "", GET, "200\nVary: Authorization" FRESH,
              "vary-user"),
      STORED("another name", "", GET, "200\nVary: Cookies" FRESH),
      STORED("vary_allow: Cookie", "vary-cookie", GET, "200\nVary: Cookie" FRESH),
      REFUSED("vary_allow: not Authorization", "vary-cookie", GET, "200\nVary: Authorization" FRESH,
              "vary-user"),
      STORED("vary_allow: Authorization", "vary-auth", GET, "200\nVary: Authorization" FRESH),
      REFUSED("vary_allow: not Cookie", "vary-auth", GET, "200\nVary: Cookie" FRESH, "vary-user"),
      REFUSED("vary_allow: not *", "vary-cookie vary-auth", GET, "200\nVary: Cookie, *" FRESH,
              "vary-any"),
      RULE("CVE-2025-71381: Vary of a request means nothing", "",
           {0, GET "\nVary: *", "200" FRESH, NULL}, {1, GET, NULL, "hit 200 | Vary: none"}),
  };
  check_rules(rules);
}

#define CDN(value) "\nCDN-Cache-Control: " value
#define NO_STORE "\nCache-Control: no-store"

static void a_targeted_field_counts_instead_of_cache_control(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      FRESH_FOR("9213 2.2", "cdn", "200" CDN("max-age=30"), 30),
      FRESH_FOR("9213 2.2: Cache-Control is ignored", "cdn", "200" CDN("max-age=30") FRESH, 30),
      FRESH_FOR("9213 2.2: even if it forbids", "cdn", "200" CDN("max-age=30") NO_STORE, 30),
      FRESH_FOR("9213 2.2: no-cache, too", "cdn",
                "200" CDN("max-age=30") "\nCache-Control: no-cache, private", 30),
      FRESH_FOR("9213 2.2: and Expires", "cdn", "200" CDN("max-age=30") "\nExpires: 0", 30),
      REFUSED("9213 2.2: so it is no lifetime", "cdn", GET, "200" CDN("public") "\nExpires: @60",
              "no-freshness"),
      REFUSED("9213 2.2: nor is max-age", "cdn", GET, "200" CDN("foo") FRESH, "no-freshness"),
      REFUSED("9213 2.2: no-store", "cdn", GET, "200" CDN("no-store") FRESH, "no-store"),
      REFUSED("9213 2.2: no-store", "cdn", GET, "200" CDN("max-age=30, no-store"), "no-store"),
      REFUSED("9213 2.2: private", "cdn", GET, "200" CDN("private") FRESH, "private"),
      REFUSED("9213 2.2: no-cache", "cdn", GET, "200" CDN("no-cache") FRESH, "no-cache"),
      REFUSED("9213 2.2: max-age=0", "cdn", GET, "200" CDN("max-age=0") FRESH, "not-fresh"),
      FRESH_FOR("9213 2.2: s-maxage", "cdn", "200" CDN("max-age=30, s-maxage=20"), 20),
      FRESH_FOR("9213 2.2: not on the list", "", "200" CDN("no-store") FRESH, 60),
      REFUSED("9213 2.2: not on the list", "", GET, "200" CDN("max-age=30") NO_STORE, "no-store"),
      FRESH_FOR("9213 2.4: the suffix means nothing", "cdn",
                "200\nFoo-Cache-Control: no-store" FRESH, 60),
      FRESH_FOR("9213 3.1: the policy of the RFC", "rfc", "200" CDN("max-age=30") NO_STORE, 30),
      FRESH_FOR("9213 2.2: a private cache", "private cdn", "200" CDN("no-store") FRESH, 60),
      FRESH_FOR("9213 2.1: empty", "cdn", "200\nCDN-Cache-Control:" FRESH, 60),
      REFUSED("9213 2.1: empty", "cdn", GET, "200\nCDN-Cache-Control:" NO_STORE, "no-store"),
      FRESH_FOR("9213 2.1: malformed", "cdn", "200" CDN("max-age=30, &&&") FRESH, 60),
      REFUSED("9213 2.1: malformed", "cdn", GET, "200" CDN("max-age=30, &&&") NO_STORE, "no-store"),
      REFUSED("9213 2.1: keys are lower case", "cdn", GET, "200" CDN("Max-Age=30") NO_STORE,
              "no-store"),
      REFUSED("9213 2.1: no blank before =", "cdn", GET, "200" CDN("max-age =30") NO_STORE,
              "no-store"),
      REFUSED("9213 2.1: no blank after =", "cdn", GET, "200" CDN("max-age= 30") NO_STORE,
              "no-store"),
      REFUSED("9213 2.1: a comma at the end", "cdn", GET, "200" CDN("max-age=30,") NO_STORE,
              "no-store"),
      REFUSED("9213 2.1: a string is no number", "cdn", GET, "200" CDN("max-age=\"30\""),
              "not-fresh"),
      REFUSED("9213 2.1: nor is a decimal", "cdn", GET, "200" CDN("max-age=30.0"), "not-fresh"),
      REFUSED("9213 2.1: nor a token", "cdn", GET, "200" CDN("max-age=a30"), "not-fresh"),
      REFUSED("9213 2.1: negative", "cdn", GET, "200" CDN("max-age=-30"), "not-fresh"),
      FRESH_FOR("9213 2.1: large", "cdn", "200" CDN("max-age=99999999999"), 2147483648),
      FRESH_FOR("9213 2.1: parameters", "cdn", "200" CDN("max-age=30;a=1"), 30),
      REFUSED("9213 2.1: parameters", "cdn", GET, "200" CDN("private;a=1"), "private"),
      FRESH_FOR("9213 2.1: a parameter is no directive", "cdn", "200" CDN("max-age=30;no-store"),
                30),
      RULE("9213 2.1: qualified", "cdn",
           {0, GET, "200\nB: x\nC: y" CDN("max-age=30, private=\"b\""), NULL},
           {1, GET, NULL, "hit 200 | B: none | C: y"}),
      REFUSED("9213 2.1: a token is no list of names", "cdn", GET,
              "200" CDN("max-age=30, private=b"), "private"),
      STORED("9651 3.2: permissions, too: the last", "cdn", AUTH,
             "200" CDN("max-age=30, public=?0, public")),
      REFUSED("9651 3.2: permissions, too: the last", "cdn", AUTH,
              "200" CDN("max-age=30, public, public=?0"), "credentials"),
      FRESH_FOR("9651 3.2: a key twice: the careful value", "cdn",
                "200" CDN("max-age=60, max-age=10"), 10),
      FRESH_FOR("9651 3.2: also if it is not the last", "cdn", "200" CDN("max-age=10, max-age=60"),
                10),
      REFUSED("9213 2.1: false restricts, too", "cdn", GET, "200" CDN("max-age=30, no-store=?0"),
              "no-store"),
      REFUSED("9213 2.1: a list is no qualified private", "cdn", GET,
              "200" CDN("max-age=30, private=(\"b\")"), "private"),
      FRESH_FOR("9651 4.2: lines", "cdn", "200" CDN("foo") CDN("max-age=30"), 30),
      REFUSED("9651 4.2: one of them malformed", "cdn", GET,
              "200" CDN("&") CDN("max-age=30") NO_STORE, "no-store"),
      FRESH_FOR("9213 2.2: the first on the list", "my,cdn",
                "200" CDN("max-age=30") "\nMy-Cache-Control: max-age=20", 20),
      FRESH_FOR("9213 2.2: which is absent", "my,cdn", "200" CDN("max-age=30") FRESH, 30),
      FRESH_FOR("9213 2.2: which is malformed", "my,cdn",
                "200" CDN("max-age=30") "\nMy-Cache-Control: &", 30),
      FRESH_FOR("9213 2.2: which is empty", "my,cdn",
                "200" CDN("max-age=30") "\nMy-Cache-Control:", 30),
      REFUSED("9213 2.2: not the most permissive", "my,cdn", GET,
              "200" CDN("max-age=30") "\nMy-Cache-Control: no-store", "no-store"),
      STORED("9111 3.5: its public permits", "cdn", AUTH, "200" CDN("public, max-age=30")),
      REFUSED("9111 3.5: that of Cache-Control does not", "cdn", AUTH,
              "200" CDN("max-age=30") "\nCache-Control: public", "credentials"),
      RULE("9213 3: it is sent on", "cdn", {0, GET, "200" CDN("max-age=30") NO_STORE, NULL},
           {1, GET, NULL, "hit 200 | CDN-Cache-Control: max-age=30 | Cache-Control: no-store"}),
      REFUSED("Surrogate-Control is none of it", "rfc", GET,
              "200\nSurrogate-Control: max-age=30" NO_STORE, "no-store"),
  };
  check_rules(rules);
}

#define OWN(value) "\n(control): " value

/* What a decorator of a route says, say, which is not for clients. */
static void the_control_of_the_application_counts_instead_of_fields(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      FRESH_FOR("own control", "", "200" OWN("max-age=30"), 30),
      FRESH_FOR("own control: Cache-Control is ignored", "", "200" OWN("max-age=30") FRESH, 30),
      FRESH_FOR("own control: even if it forbids", "",
                "200" OWN("max-age=30") "\nCache-Control: no-cache, max-age=0", 30),
      REFUSED("own control: but not no-store", "", GET, "200" OWN("max-age=30") NO_STORE,
              "no-store"),
      REFUSED("own control: nor private", "", GET,
              "200" OWN("public, max-age=30") "\nCache-Control: private", "private"),
      REFUSED("own control: nor no-store in a private cache", "private", GET,
              "200" OWN("max-age=30") NO_STORE, "no-store"),
      FRESH_FOR("own control: and Expires", "", "200" OWN("max-age=30") "\nExpires: 0", 30),
      FRESH_FOR("own control: and Pragma", "", "200" OWN("max-age=30") "\nPragma: no-cache", 30),
      FRESH_FOR("own control: and a targeted field", "cdn", "200" OWN("max-age=30") CDN("no-store"),
                30),
      FRESH_FOR("own control: in a private cache", "private",
                "200" OWN("max-age=30") "\nCache-Control: private, max-age=5", 30),
      FRESH_FOR("own control: s-maxage", "", "200" OWN("max-age=30, s-maxage=20"), 20),
      FRESH_FOR("own control: an empty one is none", "", "200\n(control):" FRESH, 60),
      FRESH_FOR("own control: blanks around it", "", "200" OWN("max-age=30 , public"), 30),
      REFUSED("own control: no-store", "", GET, "200" OWN("no-store") FRESH, "no-store"),
      REFUSED("own control: no-store", "private", GET, "200" OWN("no-store") FRESH, "no-store"),
      REFUSED("own control: no-store", "rfc", GET, "200" OWN("no-store") CDN("max-age=30"),
              "no-store"),
      REFUSED("own control: private", "", GET, "200" OWN("private, max-age=30"), "private"),
      REFUSED("own control: it is all that is said", "", GET, "200" OWN("public") FRESH,
              "no-freshness"),
      REFUSED("own control: Expires does not add to it", "", GET,
              "200" OWN("public") "\nExpires: @60", "no-freshness"),
      REFUSED("own control: an odd one is careful", "", GET, "200" OWN("max-age=x") FRESH,
              "not-fresh"),
      REFUSED("own control: it does not permit credentials", "", AUTH, "200" OWN("max-age=30"),
              "credentials"),
      STORED("own control: unless it is public", "", AUTH, "200" OWN("max-age=30, public")),
      REFUSED("own control: that of Cache-Control is not", "", AUTH,
              "200" OWN("max-age=30") "\nCache-Control: public", "credentials"),
      REFUSED("own control: nor does it permit cookies", "", GET,
              "200" OWN("max-age=30, public") "\nSet-Cookie: a=b", "set-cookie"),
      REFUSED("own control: nor Vary: *", "", GET, "200" OWN("max-age=30, public") "\nVary: *",
              "vary-any"),
      RULE("own control: it is not sent", "",
           {0, GET, "200" OWN("max-age=30"), "stored | (control): none"},
           {1, GET, NULL, "hit 200 | (control): none | Cache-Control: none"}),
      RULE("own control: what clients are told stays", "",
           {0, GET, "200" OWN("max-age=30") "\nCache-Control: no-cache",
            "stored | Cache-Control: no-cache"},
           {1, GET, NULL, "hit 200 | Cache-Control: no-cache"}),
      RULE("own control: private=\"b\"", "",
           {0, GET, "200" OWN("max-age=30, private=\"b\"") "\nB: x\nC: y", NULL},
           {1, GET, NULL, "hit 200 | B: none | C: y"}),
      RULE("own control: that of Cache-Control, too", "",
           {0, GET, "200" OWN("max-age=30") "\nCache-Control: private=\"b\"\nB: x", NULL},
           {1, GET, NULL, "hit 200 | B: none"}),
      RULE("own control: stale-while-revalidate", "",
           {0, GET, "200" OWN("max-age=30, stale-while-revalidate=30"), NULL},
           {31, GET, NULL, "stale 200 refresh"}),
      RULE("own control: stale-if-error", "",
           {0, GET, "200" OWN("max-age=30, stale-if-error=30") TAG, NULL},
           {31, GET, "500", "revalidate stale, stale 200"}),
      RULE("own control: of a 304", "", {0, GET, "200" OWN("max-age=30") TAG, NULL},
           {31, GET, "304" OWN("max-age=20") TAG, "revalidate stale, freshen 200"},
           {50, GET, NULL, "hit 200"},
           {52, GET, "304" OWN("no-store") TAG,
            "revalidate stale, freshen 200 not kept: no-store, invalidates"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(credentials_need_a_permission),
      cmocka_unit_test(set_cookie_is_for_one_client),
      cmocka_unit_test(vary_may_forbid_storing),
      cmocka_unit_test(a_targeted_field_counts_instead_of_cache_control),
      cmocka_unit_test(the_control_of_the_application_counts_instead_of_fields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
