/* SPDX-License-Identifier: MIT */
/* Whom may a stored response be for? Directives, cookies, credentials and Vary. */
#include <string.h>

#include "http_storing.h"
#include "support.h"

static void private_is_obeyed_in_a_shared_cache(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"5.2.2.7", "", "GET /", "200\nCache-Control: private, max-age=60", "private"},
      {"5.2.2.7: a private cache", "private", "GET /", "200\nCache-Control: private, max-age=60",
       ""},
      {"5.2.2.7: in any case", "", "GET /", "200\nCache-Control: PrIvAtE, max-age=60", "private"},
      {"5.2.2.7: with s-maxage", "", "GET /", "200\nCache-Control: private, s-maxage=60",
       "private"},
      {"5.2.2.7: with public", "rfc", "GET /", "200\nCache-Control: public, private, max-age=60",
       "private"},
      {"5.2.2.7: qualified", "", "GET /", "200\nCache-Control: private=\"a\", max-age=60", ""},
      {"5.2.2.7: an empty argument", "", "GET /", "200\nCache-Control: private=\"\", max-age=60",
       "private"},
      {"5.2.2.7: only blanks in it", "", "GET /", "200\nCache-Control: private=\" \", max-age=60",
       "private"},
      {"5.2.2.7: an unquoted argument", "", "GET /", "200\nCache-Control: private=a, max-age=60",
       "private"},
      {"5.2.2.7: blanks before =", "", "GET /", "200\nCache-Control: private =\"a\", max-age=60",
       "private"},
      {"5.2.2.7: blanks after =", "", "GET /", "200\nCache-Control: private= \"a\", max-age=60",
       "private"},
      {"5.2.2.7: an open quote", "", "GET /", "200\nCache-Control: max-age=60, private=\"a",
       "private"},
      {"5.2.2.7: qualified and unqualified", "", "GET /",
       "200\nCache-Control: private=\"a\", max-age=60\nCache-Control: private", "private"},
      {"RFC 9213: of a targeted field", "cdn", "GET /",
       "200" FRESH "\nCDN-Cache-Control: private, max-age=60", "private"},
      {"RFC 9213: not of Cache-Control", "cdn", "GET /",
       "200\nCache-Control: private\nCDN-Cache-Control: max-age=60", ""},
  };
  check_storing(rows, LENGTH(rows));
}

static void a_targeted_field_makes_cache_control_ignored(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"RFC 9213, 2.2: no-store is ignored", "cdn", "GET /",
       "200\nCache-Control: no-store\nCDN-Cache-Control: max-age=60", ""},
      {"RFC 9213, 2.2: but not one of the targeted field", "cdn", "GET /",
       "200" FRESH "\nExpires: @60\nCDN-Cache-Control: no-store", "no-store"},
      {"RFC 9213, 2.2: without the field in the policy", "", "GET /",
       "200\nCache-Control: no-store\nCDN-Cache-Control: max-age=60", "no-store"},
      {"RFC 9213, 2.2: a malformed one is absent", "cdn", "GET /",
       "200\nCache-Control: no-store\nCDN-Cache-Control: max-age=60, &", "no-store"},
      {"RFC 9213, 2.2: an empty one is absent", "cdn", "GET /",
       "200\nCache-Control: no-store\nCDN-Cache-Control:", "no-store"},
      {"RFC 9213, 2.2: max-age is ignored", "cdn", "GET /", "200" FRESH "\nCDN-Cache-Control: foo",
       "no-freshness"},
      {"RFC 9213, 2.2: max-age of a wrong type is 0", "cdn", "GET /",
       "200" FRESH "\nCDN-Cache-Control: max-age=\"60\"", "not-fresh"},
      {"RFC 9213, 2.2: Expires is ignored", "cdn", "GET /",
       "200\nExpires: @60\nCDN-Cache-Control: foo", "no-freshness"},
      {"RFC 9213, 2.2: public of it counts", "cdn", "GET /\nAuthorization: a",
       "200\nCDN-Cache-Control: max-age=60, public", ""},
      {"RFC 9213, 2.2: public beside it does not", "cdn", "GET /\nAuthorization: a",
       "200\nCache-Control: public\nCDN-Cache-Control: max-age=60", "credentials"},
      {"RFC 9213, 2.2: the first of two", "my,cdn", "GET /",
       "200\nCDN-Cache-Control: no-store\nMy-Cache-Control: max-age=60", ""},
      {"RFC 9213, 2.2: the first of two, if it is valid", "my,cdn", "GET /",
       "200\nCDN-Cache-Control: no-store\nMy-Cache-Control: max-age=60,", "no-store"},
      {"RFC 9213, 2.2: a private cache ignores both", "my,cdn private", "GET /",
       "200" FRESH "\nCDN-Cache-Control: no-store\nMy-Cache-Control: no-store", ""},
  };
  check_storing(rows, LENGTH(rows));
}

static void cookies_are_set_for_one_user(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"7.3: Set-Cookie", "", "GET /", "200\nSet-Cookie: a=b" FRESH, "set-cookie"},
      {"7.3: in any case", "", "GET /", "200\nsEt-cOOkie: a=b" FRESH, "set-cookie"},
      {"7.3: an empty one", "", "GET /", "200\nSet-Cookie:" FRESH, "set-cookie"},
      {"7.3: Set-Cookie2", "", "GET /", "200\nSet-Cookie2: a=b" FRESH, "set-cookie"},
      {"7.3: public does not change it", "", "GET /",
       "200\nSet-Cookie: a=b\nCache-Control: public, max-age=60", "set-cookie"},
      {"7.3: nor does no-cache=\"set-cookie\"", "", "GET /",
       "200\nSet-Cookie: a=b\nCache-Control: no-cache=\"set-cookie\", max-age=60", "set-cookie"},
      {"7.3: in a private cache", "private", "GET /", "200\nSet-Cookie: a=b" FRESH, "set-cookie"},
      {"7.3: stripped", "strip", "GET /", "200\nSet-Cookie: a=b" FRESH, ""},
      {"7.3: stored", "store", "GET /", "200\nSet-Cookie: a=b" FRESH, ""},
      {"7.3: the policy of the RFCs", "rfc", "GET /", "200\nSet-Cookie: a=b" FRESH, ""},
      {"7.3: another field", "", "GET /", "200\nSet-Cookie3: a=b" FRESH, ""},
      {"7.3: listed in Connection", "", "GET /",
       "200\nConnection: set-cookie\nSet-Cookie: a=b" FRESH, "malformed"},
  };
  check_storing(rows, LENGTH(rows));
}

static void what_was_asked_with_credentials_is_not_shared(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"3.5: Authorization", "", "GET /\nAuthorization: a", "200" FRESH, "credentials"},
      {"3.5: an empty one", "", "GET /\nAuthorization:", "200" FRESH, "credentials"},
      {"3.5: a private cache", "private", "GET /\nAuthorization: a", "200" FRESH, ""},
      {"3.5: public", "", "GET /\nAuthorization: a", "200\nCache-Control: public, max-age=60", ""},
      {"3.5: public with an argument", "", "GET /\nAuthorization: a",
       "200\nCache-Control: public=1, max-age=60", "credentials"},
      {"3.5: s-maxage", "", "GET /\nAuthorization: a", "200\nCache-Control: s-maxage=60", ""},
      {"3.5: s-maxage=0, for validation", "", "GET /\nAuthorization: a",
       "200\nCache-Control: s-maxage=0\nETag: \"a\"", ""},
      {"3.5: must-revalidate", "", "GET /\nAuthorization: a",
       "200\nCache-Control: must-revalidate, max-age=60", "credentials"},
      {"3.5: must-revalidate, trusted", "trust-mr", "GET /\nAuthorization: a",
       "200\nCache-Control: must-revalidate, max-age=60", ""},
      {"3.5: trusted, but absent", "trust-mr", "GET /\nAuthorization: a", "200" FRESH,
       "credentials"},
      {"3.5: proxy-revalidate is not enough", "trust-mr", "GET /\nAuthorization: a",
       "200\nCache-Control: proxy-revalidate, max-age=60", "credentials"},
      {"3.5: the policy of the RFCs", "rfc", "GET /\nAuthorization: a",
       "200\nCache-Control: must-revalidate, max-age=60", ""},
      {"3.5: the policy of the RFCs, without a directive", "rfc", "GET /\nAuthorization: a",
       "200" FRESH, "credentials"},
      {"cookies are credentials", "", "GET /\nCookie: a=b", "200" FRESH, "credentials"},
      {"cookies, and public", "", "GET /\nCookie: a=b", "200\nCache-Control: public, max-age=60",
       ""},
      {"cookies, and s-maxage", "", "GET /\nCookie: a=b", "200\nCache-Control: s-maxage=60", ""},
      {"cookies, and must-revalidate", "trust-mr", "GET /\nCookie: a=b",
       "200\nCache-Control: must-revalidate, max-age=60", "credentials"},
      {"cookies and Authorization, and must-revalidate", "trust-mr",
       "GET /\nAuthorization: a\nCookie: a=b", "200\nCache-Control: must-revalidate, max-age=60",
       "credentials"},
      {"cookies that are trusted", "trust-cookies", "GET /\nCookie: a=b", "200" FRESH, ""},
      {"cookies that are trusted, and Authorization", "trust-cookies trust-mr",
       "GET /\nAuthorization: a\nCookie: a=b", "200\nCache-Control: must-revalidate, max-age=60",
       ""},
      {"cookies, in a private cache", "private", "GET /\nCookie: a=b", "200" FRESH, ""},
  };
  check_storing(rows, LENGTH(rows));
}

static void what_varies_without_bound_or_by_user_is_not_stored(void **state) {
  (void)state;
  static const struct storing rows[] = {
      {"4.1: a field", "", "GET /", "200\nVary: Accept" FRESH, ""},
      {"4.1: *", "", "GET /", "200\nVary: *" FRESH, "vary-any"},
      {"4.1: * with blanks", "", "GET /", "200\nVary: Accept ,  * " FRESH, "vary-any"},
      {"4.1: * in another line", "", "GET /", "200\nVary: Accept\nVary: *" FRESH, "vary-any"},
      {"4.1: * in a private cache", "private", "GET /", "200\nVary: *" FRESH, "vary-any"},
      {"4.1: not a token", "", "GET /", "200\nVary: Accept Cookie" FRESH, "vary-any"},
      {"Vary: Cookie", "", "GET /", "200\nVary: Cookie" FRESH, "vary-user"},
      {"Vary: Authorization", "", "GET /", "200\nVary: a, aUTHORIZATION" FRESH, "vary-user"},
      {"Vary: Cookie, allowed", "vary-cookie", "GET /", "200\nVary: Cookie" FRESH, ""},
      {"Vary: Authorization, the other is allowed", "vary-cookie", "GET /",
       "200\nVary: Authorization" FRESH, "vary-user"},
      {"Vary: Authorization, allowed", "vary-auth", "GET /", "200\nVary: Authorization" FRESH, ""},
      {"3.5: allowed, but the request has it", "vary-auth", "GET /\nAuthorization: a",
       "200\nVary: Authorization" FRESH, "credentials"},
      {"Vary: Cookie, in a private cache", "private", "GET /", "200\nVary: Cookie" FRESH, ""},
  };
  check_storing(rows, LENGTH(rows));
}

static void what_is_for_all_may_answer_requests_with_credentials(void **state) {
  (void)state;
  static const struct {
    const char *rule, *policy, *request, *response;
    bool for_all;
  } rows[] = {
      {"3.5: nothing says it", "", "GET /", "200" FRESH, false},
      {"3.5: public", "", "GET /", "200\nCache-Control: public, max-age=60", true},
      {"3.5: s-maxage", "", "GET /", "200\nCache-Control: s-maxage=60", true},
      {"3.5: must-revalidate", "", "GET /", "200\nCache-Control: must-revalidate, max-age=60",
       false},
      {"3.5: trusted: what was asked without credentials", "trust-mr", "GET /", "200" FRESH, true},
      {"3.5: trusted, and with Authorization", "trust-mr", "GET /\nAuthorization: a",
       "200\nCache-Control: must-revalidate, max-age=60", true},
      {"3.5: a targeted field", "cdn", "GET /", "200\nCDN-Cache-Control: public, max-age=60", true},
      {"3.5: public beside a targeted field", "cdn", "GET /",
       "200\nCache-Control: public\nCDN-Cache-Control: max-age=60", false},
      {"a private cache has one user", "private", "GET /\nAuthorization: a", "200" FRESH, true},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    struct stored_result result = try_texts(rows[i].policy, rows[i].request, rows[i].response);
    bool for_all = (result.stored.flags & CACHETTE__HTTP_FOR_ALL) != 0;
    if (result.reason != CACHETTE_HTTP_BECAUSE_NONE || for_all != rows[i].for_all)
      fail_msg("%s", rows[i].rule);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(private_is_obeyed_in_a_shared_cache),
      cmocka_unit_test(a_targeted_field_makes_cache_control_ignored),
      cmocka_unit_test(cookies_are_set_for_one_user),
      cmocka_unit_test(what_was_asked_with_credentials_is_not_shared),
      cmocka_unit_test(what_varies_without_bound_or_by_user_is_not_stored),
      cmocka_unit_test(what_is_for_all_may_answer_requests_with_credentials),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
