/* SPDX-License-Identifier: MIT */
/*
 * Rules of reading Cache-Control: it fails closed. Each row has a form that somebody's cache has
 * misread, or one that differs from it by a byte.
 */
#include "http_rules.h"

#define GET "GET http://example.com/a"

/* What a response with this Cache-Control does. */
#define FRESH_FOR(source, control, seconds) \
  RULE(source, "", {0, GET, "200\nCache-Control: " control, "stored | lifetime=" #seconds})
#define REFUSED(source, control, reason) \
  RULE(source, "", {0, GET, "200\nCache-Control: " control, "not stored: " reason})

static void names_have_no_case(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("CVE-2026-8404", "max-age=60, NO-STORE", "no-store"),
      REFUSED("CVE-2026-8404", "max-age=60, No-StOrE", "no-store"),
      REFUSED("CVE-2026-8404", "max-age=60, Private", "private"),
      REFUSED("CVE-2026-8404", "max-age=60, No-Cache", "no-cache"),
      FRESH_FOR("9111 5.2", "MaX-aGe=60", 60),
      FRESH_FOR("9111 5.2", "S-MaxAge=60", 60),
      REFUSED("9111 5.2.3: another name", "maxage=60", "no-freshness"),
      REFUSED("9111 5.2.3: another name", "max_age=60", "no-freshness"),
      FRESH_FOR("9111 5.2.3: another name", "max-age=60, no-stores", 60),
      FRESH_FOR("9111 5.2.3: another name", "max-age=60, xprivate", 60),
      FRESH_FOR("9111 5.2.3: another name", "max-age=60, no_cache", 60),
  };
  check_rules(rules);
}

static void lists_are_read_to_their_end(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("9110 5.3: lines", "max-age=60\nCache-Control: no-store", "no-store"),
      REFUSED("9110 5.3: lines", "no-store\nCache-Control: max-age=60", "no-store"),
      REFUSED("9110 5.3: a name of another case", "max-age=60\ncache-control: private", "private"),
      REFUSED("9110 5.6.1: empty members", "max-age=60,,, ,no-store", "no-store"),
      REFUSED("9110 5.6.1: no blanks", "max-age=60,no-store,foo", "no-store"),
      REFUSED("9110 5.6.1: tabs", "max-age=60^I,^Ino-store^I", "no-store"),
      FRESH_FOR("9110 5.6.1: empty members", ",, max-age=60 ,", 60),
      REFUSED("no comma", "max-age=60 no-store", "no-store"),
      REFUSED("a semicolon for a comma", "max-age=60; no-store", "no-store"),
      REFUSED("a semicolon for a comma", "private; max-age=60", "private"),
      REFUSED("a control character", "max-age=60, no-store^K", "no-store"),
      REFUSED("a control character", "max-age=60, ^Kprivate", "private"),
      REFUSED("a no-break space", "max-age=60, no-store\xc2\xa0", "no-store"),
      REFUSED("a no-break space", "max-age=60, \xc2\xa0private", "private"),
      FRESH_FOR("9110 5.6.4: a directive in quotes is none", "foo=\"no-store\", max-age=60", 60),
      FRESH_FOR("9110 5.6.4", "foo=\"a, private\", max-age=60", 60),
      FRESH_FOR("9110 5.6.4: an escaped quote", "foo=\"\\\", no-store\", max-age=60", 60),
      REFUSED("9110 5.6.4: an escaped backslash", "foo=\"\\\\\", no-store", "no-store"),
      REFUSED("9110 5.6.4: a lifetime in quotes", "foo=\"max-age=60\"", "no-freshness"),
      FRESH_FOR("9110 5.6.4: beside another one", "foo=\"max-age=60\", max-age=1", 1),
      FRESH_FOR("9110 5.6.4: beside another one", "max-age=1, foo=\"max-age=60\"", 1),
      REFUSED("9110 5.6.4: a quote without end", "max-age=60, foo=\"bar, no-store", "no-store"),
      REFUSED("9110 5.6.4: a quote without end", "foo=\"bar, private, max-age=60", "private"),
      REFUSED("9110 5.6.4: a quote in the middle", "max-age=60, a\"b, private, \"c", "private"),
      REFUSED("9110 5.6.4: single quotes are none", "foo='a, no-store, b', max-age=60", "no-store"),
  };
  check_rules(rules);
}

static void restrictions_count_with_any_argument(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      REFUSED("9111 5.2.2.5", "max-age=60, no-store=", "no-store"),
      REFUSED("9111 5.2.2.5", "max-age=60, no-store=0", "no-store"),
      REFUSED("9111 5.2.2.5", "max-age=60, no-store=\"\"", "no-store"),
      REFUSED("9111 5.2.2.5", "max-age=60, no-store=\"b\"", "no-store"),
      REFUSED("9111 5.2.2.5", "max-age=60, no-store = b", "no-store"),
      FRESH_FOR("9111 5.2.2.7: qualified", "max-age=60, private=\"b\"", 60),
      FRESH_FOR("9111 5.2.2.7: qualified", "max-age=60, private=\"b, c\"", 60),
      REFUSED("CVE-2026-13697: no names", "max-age=60, private=\"\"", "private"),
      REFUSED("CVE-2026-13697: no names", "max-age=60, private=\",\"", "private"),
      REFUSED("CVE-2026-13697: no names", "max-age=60, private=\" \"", "private"),
      REFUSED("CVE-2026-13697: no argument", "max-age=60, private=", "private"),
      REFUSED("CVE-2026-13697: both forms", "max-age=60, private, private=\"b\"", "private"),
      REFUSED("CVE-2026-13697: both forms", "max-age=60, private=\"b\", private", "private"),
      REFUSED("CVE-2026-14643: a blank before =", "max-age=60, private =\"b\"", "private"),
      REFUSED("CVE-2026-14643: a blank after =", "max-age=60, private= \"b\"", "private"),
      REFUSED("CVE-2026-14643: a tab", "max-age=60, private^I=\"b\"", "private"),
      REFUSED("9111 5.2.2.7: a token", "max-age=60, private=b", "private"),
      REFUSED("9111 5.2.2.7: single quotes", "max-age=60, private='b'", "private"),
      REFUSED("9111 5.2.2.7: a number", "max-age=60, private=0", "private"),
      REFUSED("9110 5.1: not a name", "max-age=60, private=\"b c\"", "private"),
      REFUSED("9110 5.1: not a name", "max-age=60, private=\"b, *?(\"", "private"),
      REFUSED("9110 5.6.4: no quote at the end", "max-age=60, private=\"b", "private"),
      REFUSED("9110 5.6.4: something behind it", "max-age=60, private=\"b\"c", "private"),
      FRESH_FOR("9111 5.2.2.4: qualified", "max-age=60, no-cache=\"b\"", 60),
      REFUSED("9111 5.2.2.4: no names", "max-age=60, no-cache=\"\"", "no-cache"),
      REFUSED("9111 5.2.2.4: no names", "max-age=60, no-cache=\", ,\"", "no-cache"),
      REFUSED("9111 5.2.2.4: no argument", "max-age=60, no-cache=", "no-cache"),
      REFUSED("9111 5.2.2.4: both forms", "max-age=60, no-cache=\"b\", no-cache", "no-cache"),
      REFUSED("CVE-2026-14643: a blank after =", "max-age=60, no-cache= \"b\"", "no-cache"),
      REFUSED("CVE-2026-14643: a blank before =", "max-age=60, no-cache =\"b\"", "no-cache"),
      REFUSED("9111 5.2.2.4: a token", "max-age=60, no-cache=b", "no-cache"),
      REFUSED("9110 5.1: not a name", "max-age=60, no-cache=\"b:\"", "no-cache"),
  };
  check_rules(rules);
}

static void odd_numbers_are_careful(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      FRESH_FOR("9111 1.2.2", "max-age=1", 1),
      REFUSED("9111 1.2.2", "max-age=0", "not-fresh"),
      FRESH_FOR("9111 1.2.2: zeros before it", "max-age=060", 60),
      FRESH_FOR("9111 5.2: quotes", "max-age=\"60\"", 60),
      REFUSED("9111 5.2: single quotes", "max-age='60'", "not-fresh"),
      REFUSED("9111 1.2.2: negative", "max-age=-60", "not-fresh"),
      REFUSED("9111 1.2.2: a sign", "max-age=+60", "not-fresh"),
      REFUSED("9111 1.2.2: a decimal", "max-age=60.0", "not-fresh"),
      REFUSED("9111 1.2.2: a letter before", "max-age=a60", "not-fresh"),
      REFUSED("9111 1.2.2: a letter behind", "max-age=60a", "not-fresh"),
      REFUSED("9111 1.2.2: hexadecimal", "max-age=0x60", "not-fresh"),
      REFUSED("9111 1.2.2: an exponent", "max-age=6e1", "not-fresh"),
      REFUSED("CVE-2007-1863: no argument", "max-age", "not-fresh"),
      REFUSED("CVE-2007-1863: no argument", "max-age=", "not-fresh"),
      REFUSED("CVE-2007-1863: no argument", "s-maxage, max-age=60", "not-fresh"),
      REFUSED("9111 5.2: an empty argument", "max-age=\"\"", "not-fresh"),
      REFUSED("9111 5.2: a blank before =", "max-age =60", "not-fresh"),
      REFUSED("9111 5.2: a blank after =", "max-age= 60", "not-fresh"),
      REFUSED("9111 1.2.2: a blank inside", "max-age=6 0", "not-fresh"),
      REFUSED("9111 5.2: no quote at the end", "max-age=\"60", "not-fresh"),
      FRESH_FOR("9111 1.2.2: 2^31 - 1", "max-age=2147483647", 2147483647),
      FRESH_FOR("9111 1.2.2: 2^31", "max-age=2147483648", 2147483648),
      FRESH_FOR("9111 1.2.2: 2^31 + 1", "max-age=2147483649", 2147483648),
      FRESH_FOR("9111 1.2.2: 2^32", "max-age=4294967296", 2147483648),
      FRESH_FOR("9111 1.2.2: 2^64 + 1", "max-age=18446744073709551617", 2147483648),
      FRESH_FOR("9111 1.2.2: long", "max-age=999999999999999999999999999999999999999", 2147483648),
      FRESH_FOR("9111 4.2.1: the smallest counts", "max-age=60, max-age=30", 30),
      FRESH_FOR("9111 4.2.1: in any order", "max-age=30, max-age=60", 30),
      FRESH_FOR("9111 4.2.1: in lines", "max-age=30\nCache-Control: max-age=60", 30),
      REFUSED("9111 4.2.1: zero", "max-age=60, max-age=0", "not-fresh"),
      REFUSED("9111 4.2.1: an odd one is zero", "max-age=60, max-age=x", "not-fresh"),
      FRESH_FOR("9111 4.2.1: of s-maxage, too", "s-maxage=60, s-maxage=30", 30),
      FRESH_FOR("9111 4.2.1: each by itself", "s-maxage=60, max-age=x", 60),
      REFUSED("9111 4.2.1: an odd s-maxage", "s-maxage=x, max-age=60", "not-fresh"),
      REFUSED("8246 2: immutable is no lifetime", "immutable=60", "no-freshness"),
      FRESH_FOR("9111 5.2: an argument of public", "public=x, max-age=60", 60),
  };
  check_rules(rules);
}

/* The same forms in a response that can be validated, and a client that asks again at once. */
static void odd_numbers_do_not_forbid_validation(void **state) {
  (void)state;
  static const struct http_rule rules[] = {
      RULE("9111 1.2.2", "", {0, GET, "200\nETag: \"a\"\nCache-Control: max-age=1", NULL},
           {0, GET, NULL, "hit 200"}),
      RULE("9111 1.2.2", "", {0, GET, "200\nETag: \"a\"\nCache-Control: max-age=0", NULL},
           {0, GET, NULL, "revalidate stale"}),
      RULE("9111 1.2.2: odd", "", {0, GET, "200\nETag: \"a\"\nCache-Control: max-age=1s", NULL},
           {0, GET, NULL, "revalidate stale"}),
      RULE("9111 5.2.2.4", "",
           {0, GET, "200\nETag: \"a\"\nCache-Control: max-age=1, no-cache=", NULL},
           {0, GET, NULL, "revalidate stale"}),
      RULE("9111 5.2.2.4: another name", "",
           {0, GET, "200\nETag: \"a\"\nCache-Control: max-age=1, no-cach=", NULL},
           {0, GET, NULL, "hit 200"}),
  };
  check_rules(rules);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_have_no_case),
      cmocka_unit_test(lists_are_read_to_their_end),
      cmocka_unit_test(restrictions_count_with_any_argument),
      cmocka_unit_test(odd_numbers_are_careful),
      cmocka_unit_test(odd_numbers_do_not_forbid_validation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
