/* SPDX-License-Identifier: MIT */
/* What each Cache-Control line means. Inputs are heap blocks of exactly their size. */
#include "http/cache_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directives.h"

struct meaning {
  const char *rule, *line, *expected;
};

static const struct meaning meanings[] = {
    {"9111 5.2.2.5", "no-store", "no-store"},
    {"9111 5.2.2.5", "NO-STORE", "no-store"},
    {"9111 5.2.2.5", "No-Store", "no-store"},
    {"9111 5.2.2.5", "xno-store", ""},
    {"9111 5.2.2.5", "no-storex", ""},
    {"9111 5.2.2.5", "no_store", ""},
    {"9111 5.2.2.5", "no-store=\"x\"", "no-store"},
    {"9111 5.2.2.5", "no-store=x", "no-store"},
    {"9111 5.2.2.5", "no-store=", "no-store"},
    {"9111 5.2.2.5", "no-store=\"", "no-store"},
    {"9111 5.2.2.5", "no-store foo", "no-store"},
    {"9111 5.2.2.5", "no-store;foo", "no-store"},
    {"9111 5.2.2.5", ";no-store", "no-store"},
    {"9111 5.2.2.5", "no-store,", "no-store"},
    {"9111 5.2.2.5", "foo no-store", "no-store"},
    {"9111 5.2.2.5", "no-store@", "no-store"},
    {"9111 5.2.2.4", "no-cache", "no-cache"},
    {"9111 5.2.2.4", "no-cache=\"set-cookie\"", "no-cache[]"},
    {"9111 5.2.2.4", "No-Cache=\"a, b\"", "no-cache[]"},
    {"9111 5.2.2.4", "no-cache=\"\"", "no-cache"},
    {"9111 5.2.2.4", "no-cache=a", "no-cache"},
    {"9111 5.2.2.4", "no-cache=\"a b\"", "no-cache"},
    {"9111 5.2.2.4", "no-cache =\"a\"", "no-cache"},
    {"9111 5.2.2.4", "no-cache= \"a\"", "no-cache"},
    {"9111 5.2.2.4", "no-cache=\"a\";b", "no-cache"},
    {"9111 5.2.2.4", "no-cache, no-cache=\"a\"", "no-cache no-cache[]"},
    {"9111 5.2.2.7", "private", "private"},
    {"9111 5.2.2.7", "Private", "private"},
    {"9111 5.2.2.7", "PRIVATE", "private"},
    {"9111 5.2.2.7", "private=\"a\"", "private[]"},
    {"9111 5.2.2.7", "private=\"a, b\"", "private[]"},
    {"9111 5.2.2.7", "private=\"a,b\"", "private[]"},
    {"9111 5.2.2.7", "private=\"a\tb\"", "private"},
    {"9111 5.2.2.7", "private=\", a\"", "private[]"},
    {"9111 5.2.2.7", "private=\"\"", "private"},
    {"9111 5.2.2.7", "private=\" \"", "private"},
    {"9111 5.2.2.7", "private=\",\"", "private"},
    {"9111 5.2.2.7", "private=set-cookie", "private"},
    {"9111 5.2.2.7", "private=", "private"},
    {"9111 5.2.2.7", "private=\"", "private"},
    {"9111 5.2.2.7", "private=\"a", "private"},
    {"9111 5.2.2.7", "private=a\"", "private"},
    {"9111 5.2.2.7", "private=a\"b\"", "private"},
    {"9111 5.2.2.7", "private=\"a\"b", "private"},
    {"9111 5.2.2.7", "private=\"a\" b", "private"},
    {"9111 5.2.2.7", "private='a'", "private"},
    {"9111 5.2.2.7", "private=\"a\\b\"", "private"},
    {"9111 5.2.2.7", "private=\"\\\"a\\\"\"", "private"},
    {"9111 5.2.2.7", "private=\"a:b\"", "private"},
    {"9111 5.2.2.7", "private=\"5\"", "private"},
    {"9111 5.2.2.7", "private =x", "private"},
    {"9111 5.2.2.7", "private =\"a\"", "private"},
    {"9111 5.2.2.7", "private= \"a\"", "private"},
    {"9111 5.2.2.7", "private = \"a\"", "private"},
    {"9111 5.2.2.7", "private\t=\"a\"", "private"},
    {"9111 5.2.2.7", "private;foo", "private"},
    {"9111 5.2.2.7", "private foo", "private"},
    {"9111 5.2.2.7", "private\xa0", "private"},
    {"9111 5.2.2.7", "private==\"a\"", "private"},
    {"9111 5.2.2.7", "private=\"a\"=b", "private"},
    {"9111 5.2.2.7", "private(a)", "private"},
    {"9111 5.2.2.7", "private, public", "private public"},
    {"9111 5.2.2.7", "private, private=\"a\"", "private private[]"},
    {"9111 5.2.2.7", "private=\"a\", private=\"\"", "private private[]"},
    {"9111 5.2.2.7", "privat", ""},
    {"9111 5.2.2.7", "private-", ""},
    {"9111 5.2.2.2", "must-revalidate", "must-revalidate"},
    {"9111 5.2.2.2", "Must-Revalidate", "must-revalidate"},
    {"9111 5.2.2.2", "must-revalidate=x", "must-revalidate"},
    {"9111 5.2.2.2", "must-revalidate;", "must-revalidate"},
    {"9111 5.2.2.2", "must-revalidat", ""},
    {"9111 5.2.2.8", "proxy-revalidate", "proxy-revalidate"},
    {"9111 5.2.2.8", "proxy-revalidate=\"a\"", "proxy-revalidate"},
    {"9111 5.2.2.8", "proxy-revalidate foo", "proxy-revalidate"},
    {"9111 5.2.2.6", "no-transform", "no-transform"},
    {"9111 5.2.2.6", "no-transform=1", "no-transform"},
    {"9111 5.2.1.7", "only-if-cached", "only-if-cached"},
    {"9111 5.2.1.7", "Only-If-Cached=1", "only-if-cached"},
    {"9111 5.2.1.7", "only-if-cached;", "only-if-cached"},
    {"9111 5.2.2.9", "public", "public"},
    {"9111 5.2.2.9", "Public", "public"},
    {"9111 5.2.2.9", "public=x", ""},
    {"9111 5.2.2.9", "public=\"\"", ""},
    {"9111 5.2.2.9", "public=", ""},
    {"9111 5.2.2.9", "public;", ""},
    {"9111 5.2.2.9", "public foo", ""},
    {"9111 5.2.2.9", "max-age=60 public", "max-age=0"},
    {"9111 5.2.2.9", "public, foo bar", "public"},
    {"8246 2", "immutable", "immutable"},
    {"8246 2", "IMMUTABLE", "immutable"},
    {"8246 2", "immutable=1", ""},
    {"8246 2", "immutable;", ""},
    {"9111 5.2.2.3", "must-understand", "must-understand"},
    {"9111 5.2.2.3", "must-understand, no-store", "no-store must-understand"},
    {"9111 5.2.2.3", "must-understand=x", ""},
    {"9111 5.2.2.3", "must-understand;no-store", "no-store"},
    {"9111 5.2.2.1", "max-age=60", "max-age=60"},
    {"9111 5.2.2.1", "Max-Age=60", "max-age=60"},
    {"9111 5.2.2.1", "max-age=0", "max-age=0"},
    {"9111 5.2.2.1", "max-age=007", "max-age=7"},
    {"9111 5.2.2.1", "max-age=\"60\"", "max-age=60"},
    {"9111 5.2.2.1", "max-age", "max-age=0"},
    {"9111 5.2.2.1", "max-age=", "max-age=0"},
    {"9111 5.2.2.1", "max-age=\"\"", "max-age=0"},
    {"9111 5.2.2.1", "max-age=-1", "max-age=0"},
    {"9111 5.2.2.1", "max-age=+1", "max-age=0"},
    {"9111 5.2.2.1", "max-age=1.5", "max-age=0"},
    {"9111 5.2.2.1", "max-age=60.0", "max-age=0"},
    {"9111 5.2.2.1", "max-age=1e3", "max-age=0"},
    {"9111 5.2.2.1", "max-age=0x10", "max-age=0"},
    {"9111 5.2.2.1", "max-age=abc", "max-age=0"},
    {"9111 5.2.2.1", "max-age=60a", "max-age=0"},
    {"9111 5.2.2.1", "max-age=a60", "max-age=0"},
    {"9111 5.2.2.1", "max-age='60'", "max-age=0"},
    {"9111 5.2.2.1", "max-age=\" 60\"", "max-age=0"},
    {"9111 5.2.2.1", "max-age=\"60 \"", "max-age=0"},
    {"9111 5.2.2.1", "max-age=\"6\\0\"", "max-age=0"},
    {"9111 5.2.2.1", "max-age=\"60", "max-age=0"},
    {"9111 5.2.2.1", "max-age=60\"", "max-age=0"},
    {"9111 5.2.2.1", "max-age =60", "max-age=0"},
    {"9111 5.2.2.1", "max-age= 60", "max-age=0"},
    {"9111 5.2.2.1", "max-age = 60", "max-age=0"},
    {"9111 5.2.2.1", "max-age=6 0", "max-age=0"},
    {"9111 5.2.2.1", "max-age=60;", "max-age=0"},
    {"9111 5.2.2.1", "max-age=60 ", "max-age=60"},
    {"9111 5.2.2.1", "max-age=60\t,", "max-age=60"},
    {"9111 5.2.2.1", "max-age:60", "max-age=0"},
    {"9111 5.2.2.1", "max-age=6,0", "max-age=6"},
    {"9111 5.2.2.1", "max-age,60", "max-age=0"},
    {"9111 5.2.2.1", "max-age=,60", "max-age=0"},
    {"9111 5.2.2.1", "maxage=60", ""},
    {"9111 5.2.2.1", "max-age60=1", ""},
    {"9111 5.2.2.1",
     "max-age=6\xb2"
     "0",
     "max-age=0"},
    {"9111 1.2.2", "max-age=2147483647", "max-age=2147483647"},
    {"9111 1.2.2", "max-age=2147483648", "max-age=2147483648"},
    {"9111 1.2.2", "max-age=2147483649", "max-age=2147483648"},
    {"9111 1.2.2", "max-age=9223372036854775808", "max-age=2147483648"},
    {"9111 1.2.2", "max-age=18446744073709551676", "max-age=2147483648"},
    {"9111 1.2.2", "max-age=\"99999999999999999999999999\"", "max-age=2147483648"},
    {"9111 1.2.2", "s-maxage=4294967356", "s-maxage=2147483648"},
    {"9111 5.2.2.10", "s-maxage=60", "s-maxage=60"},
    {"9111 5.2.2.10", "S-MaxAge=\"60\"", "s-maxage=60"},
    {"9111 5.2.2.10", "s-maxage", "s-maxage=0"},
    {"9111 5.2.2.10", "s-maxage=x", "s-maxage=0"},
    {"9111 5.2.2.10", "s-maxage=60, max-age=30", "max-age=30 s-maxage=60"},
    {"9111 5.2.2.10", "s-max-age=60", ""},
    {"9111 4.2.1, duplicates", "max-age=60, max-age=30", "max-age=30"},
    {"9111 4.2.1, duplicates", "max-age=30, max-age=60", "max-age=30"},
    {"9111 4.2.1, duplicates", "max-age=60, max-age=x", "max-age=0"},
    {"9111 4.2.1, duplicates", "max-age=60, max-age=60", "max-age=60"},
    {"9111 4.2.1, duplicates", "s-maxage=5, s-maxage=7", "s-maxage=5"},
    {"9111 4.2.1, duplicates", "stale-if-error=5, stale-if-error=7", "stale-if-error=5"},
    {"9111 4.2.1, duplicates", "stale-while-revalidate=9, stale-while-revalidate=7",
     "stale-while-revalidate=7"},
    {"9111 4.2.1, duplicates", "max-age=60, max-age =30", "max-age=0"},
    {"5861 3", "stale-while-revalidate=60", "stale-while-revalidate=60"},
    {"5861 3", "Stale-While-Revalidate=\"60\"", "stale-while-revalidate=60"},
    {"5861 3", "stale-while-revalidate", "stale-while-revalidate=0"},
    {"5861 3", "stale-while-revalidate=-5", "stale-while-revalidate=0"},
    {"5861 3", "stale-while-revalidate=60;", "stale-while-revalidate=0"},
    {"5861 4", "stale-if-error=60", "stale-if-error=60"},
    {"5861 4", "stale-if-error=x", "stale-if-error=0"},
    {"5861 4", "stale-if-error = 60", "stale-if-error=0"},
    {"5861 4", "stale-if-errors=60", ""},
    {"9111 5.2.1.3", "min-fresh=60", "min-fresh=60"},
    {"9111 5.2.1.3", "min-fresh=60, min-fresh=90", "min-fresh=90"},
    {"9111 5.2.1.3", "min-fresh=90, min-fresh=60", "min-fresh=90"},
    {"9111 5.2.1.3", "min-fresh=0", "min-fresh=0"},
    {"9111 5.2.1.3", "min-fresh=6x", "min-fresh=2147483648"},
    {"9111 5.2.1.3", "min-fresh", "min-fresh=2147483648"},
    {"9111 5.2.1.3", "min-fresh =60", "min-fresh=2147483648"},
    {"9111 5.2.1.2", "max-stale=60", "max-stale=60"},
    {"9111 5.2.1.2", "max-stale", "max-stale=2147483648"},
    {"9111 5.2.1.2", "max-stale, max-stale=60", "max-stale=60"},
    {"9111 5.2.1.2", "max-stale=60, max-stale", "max-stale=60"},
    {"9111 5.2.1.2", "max-stale=60, max-stale=30", "max-stale=30"},
    {"9111 5.2.1.2", "max-stale=x", "max-stale=0"},
    {"9111 5.2.1.2", "max-stale=", "max-stale=0"},
    {"9111 5.2.1.2", "max-stale=\"\"", "max-stale=0"},
    {"9111 5.2.1.2", "max-stale;", "max-stale=0"},
    {"9111 5.2.1.2", "max-stale =60", "max-stale=0"},
    {"9110 5.6.1, lists", "", ""},
    {"9110 5.6.1, lists", ",", ""},
    {"9110 5.6.1, lists", " ", ""},
    {"9110 5.6.1, lists", " , ,", ""},
    {"9110 5.6.1, lists", "private,", "private"},
    {"9110 5.6.1, lists", ",private", "private"},
    {"9110 5.6.1, lists", " private ", "private"},
    {"9110 5.6.1, lists", "\tprivate\t,\tno-store\t", "no-store private"},
    {"9110 5.6.1, lists", "no-store,private", "no-store private"},
    {"9110 5.6.1, lists", "no-store,,private", "no-store private"},
    {"9110 5.6.1, lists", "a,b,no-store,c", "no-store"},
    {"9111 5.2.3, unknown", "foo", ""},
    {"9111 5.2.3, unknown", "foo=bar", ""},
    {"9111 5.2.3, unknown", "foo=\"bar\"", ""},
    {"9111 5.2.3, unknown", "foo, max-age=60", "max-age=60"},
    {"9111 5.2.3, unknown", "foo=1, bar, max-age=60, baz=\"q\"", "max-age=60"},
    {"9111 5.2.3, unknown", "post-check=0, pre-check=0", ""},
    {"9111 5.2.3, unknown", "community=\"UCI\", private", "private"},
    {"9110 5.6.4, quoted strings", "foo=\"no-store\"", ""},
    {"9110 5.6.4, quoted strings", "foo=\"bar, no-store\"", ""},
    {"9110 5.6.4, quoted strings", "foo=\"max-age=60\", max-age=1", "max-age=1"},
    {"9110 5.6.4, quoted strings", "max-age=1, foo=\"max-age=60\"", "max-age=1"},
    {"9110 5.6.4, quoted strings", "foo=\"\\\", no-store, \\\"\"", ""},
    {"9110 5.6.4, quoted strings", "foo=\"\\\\\", no-store", "no-store"},
    {"9110 5.6.4, quoted strings", "foo=\"\xc3\xa9\", max-age=5", "max-age=5"},
    {"9110 5.6.4, quoted strings", "foo=\"a\tb\", max-age=5", "max-age=5"},
    {"in doubt: quotes", "foo=\"bar, no-store", "no-store"},
    {"in doubt: quotes", "a\"b, private, \"c", "private"},
    {"in doubt: quotes", "\"private\"", "private"},
    {"in doubt: quotes", "\"no-store", "no-store"},
    {"in doubt: quotes", "foo=\"private, bar", "private"},
    {"in doubt: quotes", "foo=\"max-age=60, bar", "max-age=0"},
    {"in doubt: quotes", "max-age=60, foo=\"", "max-age=0"},
    {"in doubt: quotes", "max-age=60, \"foo\"", "max-age=0"},
    {"in doubt: quotes", "public, \"", ""},
    {"in doubt: quotes", "public, max-age=60, a\"b, s-maxage=5", "max-age=0 s-maxage=0"},
    {"in doubt: quotes", "foo=\"bar\"baz, no-store", "no-store"},
    {"in doubt: quotes", "foo=\"bar\" \"no-store\"", "no-store"},
    {"in doubt: quotes", "foo=\"a\\\", no-store", "no-store"},
    {"in doubt: quotes", "foo=\"a\\", ""},
    {"in doubt: quotes", "min-fresh=5, \"", "min-fresh=2147483648"},
    {"in doubt: quotes", "max-stale, \"", "max-stale=0"},
    {"in doubt: quotes", "private=\"a\", \"", "private"},
    {"in doubt: quotes", "stale-if-error=5, immutable, \"", "stale-if-error=0"},
    {"in doubt: quotes", "foo = \"bar, private\"", "private"},
    {"in doubt: control characters (9110 5.5)", "no-store\r\n", "no-store"},
    {"in doubt: control characters (9110 5.5)", "max-age=60\r\nprivate", "private max-age=0"},
    {"in doubt: control characters (9110 5.5)", "public\n, max-age=60", "max-age=0"},
    {"in doubt: control characters (9110 5.5)", "max-age=60\x01", "max-age=0"},
    {"in doubt: control characters (9110 5.5)",
     "foo=\"a\x01"
     "b\", max-age=60",
     "max-age=0"},
    {"in doubt: control characters (9110 5.5)", "foo=\"a\\\x01\", public", ""},
    {"in doubt: control characters (9110 5.5)", "max-age=60, a\x7f", "max-age=0"},
    {"in doubt: control characters (9110 5.5)", "private\x0b", "private"},
    {"in doubt: elements", "max-age=60;private", "private max-age=0"},
    {"in doubt: elements", "max-age=60 private", "private max-age=0"},
    {"in doubt: elements", "private max-age=60", "private max-age=0"},
    {"in doubt: elements", "max-age=60, foo bar", "max-age=60"},
    {"in doubt: elements", "foo bar, max-age=60", "max-age=60"},
    {"in doubt: elements", "max-age=60, foo =bar, public", "public max-age=60"},
    {"in doubt: elements", "foo max-age=60", "max-age=0"},
    {"in doubt: elements", "max-age=60;s-maxage=30, max-stale=5",
     "max-age=0 s-maxage=0 max-stale=5"},
    {"in doubt: elements", "foo=private;", "private"},
    {"in doubt: elements", "no-cache; max-age=60", "no-cache max-age=0"},
    {"in doubt: elements", "foo@no-store", "no-store"},
    {"in doubt: elements", "foo=,no-store", "no-store"},
    {"in doubt: elements", "=no-store", "no-store"},
    {"advisory: private in odd case", "pRiVaTe, max-age=60", "private max-age=60"},
    {"advisory: private with an argument", "private=, max-age=60", "private max-age=60"},
    {"advisory: private with an argument", "private=\"\", max-age=60", "private max-age=60"},
    {"advisory: private with an argument", "private=true, max-age=60", "private max-age=60"},
    {"advisory: private with an argument", "max-age=60, private = \"x\"", "private max-age=0"},
    {"advisory: no-cache with blanks", "no-cache = x, max-age=60", "no-cache max-age=60"},
};

static void each_line_has_its_meaning(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(meanings); i++) {
    char text[DIRECTIVE_TEXT];
    control result = directives_parse(meanings[i].line, strlen(meanings[i].line));
    directives_describe(&result, text);
    if (strcmp(text, meanings[i].expected) != 0)
      fail_msg("%s: `%s` is `%s`, not `%s`", meanings[i].rule, meanings[i].line, text,
               meanings[i].expected);
  }
}

static void nul_is_in_doubt_as_other_control_characters_are(void **state) {
  (void)state;
  static const char line[] = "public, max-age=60\0, private";
  char text[DIRECTIVE_TEXT];
  control result = directives_parse(line, sizeof line - 1);
  directives_describe(&result, text);
  assert_string_equal(text, "private max-age=0");
}

static void no_line_is_no_directive(void **state) {
  (void)state;
  control result, empty;
  cachette__http_cache_control_init(&result);
  empty = result;
  cachette__http_cache_control_add(&result, (cachette_slice){NULL, 0});
  assert_true(directives_are_same(&result, &empty));
  assert_int_equal(result.directives, 0);
  for (size_t i = 0; i < LENGTH(directive_numbers); i++)
    assert_int_equal(directive_number(&result, i), -1);
}

static void a_number_of_any_length_is_at_most_the_largest(void **state) {
  (void)state;
  char line[16 + 1000] = "max-age=";
  for (size_t digits = 1; digits <= 1000; digits++) {
    strcat(line, "9");
    int64_t expected = digits < 10 ? atoll(line + 8) : CACHETTE__HTTP_SECONDS_MAX;
    assert_int_equal(directives_parse(line, strlen(line)).max_age, expected);
  }
}

/* ---- Several lines ---- */

static control parse_two(const char *first, const char *second) {
  control result = directives_parse(first, strlen(first));
  directives_add(&result, second, strlen(second));
  return result;
}

static void lines_restrict_each_other_in_any_order(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(meanings); i++) {
    for (size_t j = 0; j < LENGTH(meanings); j++) {
      const char *one = meanings[i].line, *other = meanings[j].line;
      control alone = directives_parse(one, strlen(one));
      control both = parse_two(one, other), swapped = parse_two(other, one);
      if (!directives_are_same(&both, &swapped)) fail_msg("`%s` and `%s`", one, other);
      directives_check_restricted(&alone, &both, other);
      if (i == j && !directives_are_same(&alone, &both)) fail_msg("`%s`, twice", one);
    }
  }
}

/* Without quotes, each element is judged alone. */
static void a_damaged_element_without_quotes_leaves_the_others_alone(void **state) {
  (void)state;
  static const char *const damaged[] = {"foo bar", "foo =1", "=", "foo=", ";", "a@b", "\xff", "\\"};
  for (size_t i = 0; i < LENGTH(meanings); i++) {
    const char *line = meanings[i].line;
    if (directives_in_doubt(line, strlen(line))) continue;
    control alone = directives_parse(line, strlen(line));
    for (size_t j = 0; j < LENGTH(damaged); j++) {
      char before[DIRECTIVE_TEXT], after[DIRECTIVE_TEXT];
      snprintf(before, sizeof before, "%s, %s", damaged[j], line);
      snprintf(after, sizeof after, "%s, %s", line, damaged[j]);
      control one = directives_parse(before, strlen(before)),
              other = directives_parse(after, strlen(after));
      if (!directives_are_same(&alone, &one)) fail_msg("`%s`", before);
      if (!directives_are_same(&alone, &other)) fail_msg("`%s`", after);
    }
  }
}

/* ---- Fields of qualified directives ---- */

static void a_qualified_directive_names_its_fields(void **state) {
  (void)state;
  static const struct {
    const char *rule, *line, *directive, *field;
    bool names;
  } cases[] = {
      {"9111 5.2.2.7", "private=\"set-cookie\"", "private", "Set-Cookie", true},
      {"9111 5.2.2.7", "Private=\"Set-Cookie\"", "private", "set-cookie", true},
      {"9111 5.2.2.7", "private=\"a, set-cookie\"", "private", "set-cookie", true},
      {"9111 5.2.2.7", "private=\"set-cookie ,a\"", "private", "set-cookie", true},
      {"9111 5.2.2.7", "private=\",,set-cookie,\"", "private", "set-cookie", true},
      {"9111 5.2.2.7", "private=\"set-cookie2\"", "private", "set-cookie", false},
      {"9111 5.2.2.7", "private=\"set-cooki\"", "private", "set-cookie", false},
      {"9111 5.2.2.7", "max-age=1, private=\"b\"", "private", "b", true},
      {"9111 5.2.2.7", "private=\"a\", private=\"b\"", "private", "a", true},
      {"9111 5.2.2.7", "private=\"a\", private=\"b\"", "private", "b", true},
      {"9111 5.2.2.4", "no-cache=\"a\"", "no-cache", "a", true},
      {"9111 5.2.2.4", "no-cache=\"a\"", "private", "a", false},
      {"9111 5.2.2.4", "no-cache=\"a\", private=\"b\"", "no-cache", "b", false},
      {"unqualified", "private", "private", "a", false},
      {"unqualified", "private=a", "private", "a", false},
      {"unqualified", "private=\"\"", "private", "", false},
      {"unqualified", "private=\"a b\"", "private", "a", false},
      {"unqualified", "private=\"a, b c\"", "private", "a", false},
      {"unqualified", "private=\"a\\b\"", "private", "ab", false},
      {"in doubt", "private=\"a", "private", "a", false},
      {"in doubt", "private=\"a\", \"", "private", "a", false},
      {"in doubt", "private =\"a\"", "private", "a", false},
      {"in doubt", "private= \"a\"", "private", "a", false},
      {"another directive", "foo=\"private=a\"", "private", "a", false},
      {"another directive", "xprivate=\"a\"", "private", "a", false},
      {"empty", "", "private", "a", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    size_t size = strlen(cases[i].line);
    char *block = malloc(size);
    assert_non_null(block);
    memcpy(block, cases[i].line, size);
    bool names = cachette__http_names_field((cachette_slice){block, size}, cases[i].directive,
                                            cachette_str(cases[i].field));
    free(block);
    if (names != cases[i].names) fail_msg("%s: `%s`", cases[i].rule, cases[i].line);
  }
  assert_false(cachette__http_names_field((cachette_slice){NULL, 0}, "private", cachette_str("a")));
}

/* ---- Targeted fields ---- */

/* `absent` is what a field that counts as absent leaves behind. */
static const char absent[] = "absent";

static void a_targeted_field_is_a_dictionary(void **state) {
  (void)state;
  static const struct {
    const char *rule, *lines[3], *expected;
  } cases[] = {
      {"9213 2.1", {"max-age=60"}, "max-age=60"},
      {"9213 2.1", {"max-age=60, no-store"}, "no-store max-age=60"},
      {"9213 2.1", {"no-store=?1"}, "no-store"},
      {"9213 2.1", {"public, immutable, must-understand"}, "public immutable must-understand"},
      {"9213 2.1", {"max-age=60", "s-maxage=30"}, "max-age=60 s-maxage=30"},
      {"9213 2.1",
       {"stale-while-revalidate=5, stale-if-error=6"},
       "stale-while-revalidate=5 stale-if-error=6"},
      {"9213 2.1", {"private=\"a, b\""}, "private[]"},
      {"9213 2.1", {"no-cache=\"a\""}, "no-cache[]"},
      {"9213 2.1, parameters", {"max-age=60;x=1;private"}, "max-age=60"},
      {"9213 2.1, parameters", {"no-store;x=\"max-age\""}, "no-store"},
      {"9213 2.1, unknown", {"none"}, ""},
      {"9213 2.1, unknown", {"foo=1, max-age=60"}, "max-age=60"},
      {"9213 2.1, a wrong type", {"max-age=60.0"}, "max-age=0"},
      {"9213 2.1, a wrong type", {"max-age=\"60\""}, "max-age=0"},
      {"9213 2.1, a wrong type", {"max-age=abc"}, "max-age=0"},
      {"9213 2.1, a wrong type", {"max-age"}, "max-age=0"},
      {"9213 2.1, a wrong type", {"max-age=(60)"}, "max-age=0"},
      {"9213 2.1, a wrong type", {"max-age=@60"}, "max-age=0"},
      {"9213 2.1, a wrong type", {"s-maxage=:NjA=:"}, "s-maxage=0"},
      {"9213 2.1, a wrong type", {"public=1"}, ""},
      {"9213 2.1, a wrong type", {"public=\"x\""}, ""},
      {"9213 2.1, a wrong type", {"no-store=1"}, "no-store"},
      {"9213 2.1, a wrong type", {"no-store=?0"}, "no-store"},
      {"9213 2.1, a wrong type", {"private=a"}, "private"},
      {"9213 2.1, a wrong type", {"private=(\"a\")"}, "private"},
      {"9213 2.1, a wrong type", {"private=\"\""}, "private"},
      {"9213 2.1, a wrong type", {"private=\"a b\""}, "private"},
      {"9213 2.1, a wrong type", {"private=\"a\\\"b\""}, "private"},
      {"9213 2.1, a wrong type", {"public=?0"}, ""},
      {"9111 1.2.2", {"max-age=-1"}, "max-age=0"},
      {"9111 1.2.2", {"max-age=2147483649"}, "max-age=2147483648"},
      {"9111 1.2.2", {"max-age=999999999999999"}, "max-age=2147483648"},
      {"9651 4.2.2, the most careful", {"max-age=60, max-age=30"}, "max-age=30"},
      {"9651 4.2.2, the most careful", {"max-age=30, max-age=60"}, "max-age=30"},
      {"9651 4.2.2, the most careful", {"private, private=\"a\""}, "private private[]"},
      {"9651 4.2.2", {"public, public=?0"}, ""},
      {"9651 4.2.2", {"public=?0, public"}, "public"},
      {"9213 2.2, empty", {NULL}, absent},
      {"9213 2.2, empty", {""}, absent},
      {"9213 2.2, empty", {"  "}, absent},
      {"9213 2.2, an error", {"max-age=60, &&&"}, absent},
      {"9213 2.2, an error", {"max-age=60,"}, absent},
      {"9213 2.2, an error", {"max-age =60"}, absent},
      {"9213 2.2, an error", {"max-age=1000000000000000"}, absent},
      {"9213 2.2, an error", {"Max-Age=60"}, absent},
      {"9213 2.2, an error", {"no-store", "\""}, absent},
      {"9213 2.2, an error", {"private=\"a"}, absent},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[DIRECTIVE_TEXT];
    cachette_slice lines[3];
    size_t count = 0;
    for (; count < 3 && cases[i].lines[count] != NULL; count++) {
      size_t size = strlen(cases[i].lines[count]);
      char *block = malloc(size);
      assert_non_null(block);
      memcpy(block, cases[i].lines[count], size);
      lines[count] = (cachette_slice){block, size};
    }
    control result = directives_parse("proxy-revalidate", 16), before = result;
    if (cachette__http_cache_control_targeted(&result, lines, count)) {
      directives_describe(&result, text);
    } else {
      assert_true(directives_are_same(&result, &before));
      strcpy(text, absent);
    }
    while (count > 0) free((void *)lines[--count].data);
    if (strcmp(text, cases[i].expected) != 0)
      fail_msg("%s: `%s` is `%s`", cases[i].rule, cases[i].lines[0], text);
  }
}

static void a_targeted_field_names_fields_in_strings(void **state) {
  (void)state;
  static const struct {
    const char *lines[2], *directive, *field;
    bool names;
  } cases[] = {
      {{"private=\"a, b\""}, "private", "B", true},
      {{"max-age=1;x, private=\"a\";y"}, "private", "a", true},
      {{"max-age=1", "private=\"a\""}, "private", "a", true},
      {{"private=\"a\", private=\"b\""}, "private", "a", true},
      {{"private=\"a\", private=\"b\""}, "private", "b", true},
      {{"private=\"a\""}, "no-cache", "a", false},
      {{"private=\"ab\""}, "private", "a", false},
      {{"private=a"}, "private", "a", false},
      {{"private=\"a b\""}, "private", "a", false},
      {{"private=\"a\", &"}, "private", "a", false},
      {{NULL}, "private", "a", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice lines[2];
    size_t count = 0;
    for (; count < 2 && cases[i].lines[count] != NULL; count++)
      lines[count] = cachette_str(cases[i].lines[count]);
    if (cachette__http_targeted_names_field(lines, count, cases[i].directive,
                                            cachette_str(cases[i].field)) != cases[i].names)
      fail_msg("case %zu", i);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_line_has_its_meaning),
      cmocka_unit_test(nul_is_in_doubt_as_other_control_characters_are),
      cmocka_unit_test(no_line_is_no_directive),
      cmocka_unit_test(a_number_of_any_length_is_at_most_the_largest),
      cmocka_unit_test(lines_restrict_each_other_in_any_order),
      cmocka_unit_test(a_damaged_element_without_quotes_leaves_the_others_alone),
      cmocka_unit_test(a_qualified_directive_names_its_fields),
      cmocka_unit_test(a_targeted_field_is_a_dictionary),
      cmocka_unit_test(a_targeted_field_names_fields_in_strings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
