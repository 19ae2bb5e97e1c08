/* SPDX-License-Identifier: MIT */
/*
 * Queries as a part of the key. A row has two queries, and whether they have the same bytes. NULL
 * is a URI without '?'.
 */
#include "http/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"

#define KEEP CACHETTE_HTTP_QUERY_KEEP
#define DROP CACHETTE_HTTP_QUERY_DROP
#define SORT CACHETTE_HTTP_QUERY_SORT

struct query_case {
  enum cachette_http_query mode;
  const char *variance; /* No-Vary-Search */
  const char *left, *right;
  bool is_same;
};

static cachette_slice query_of(const char *text) {
  if (text == NULL) return (cachette_slice){NULL, 0};
  cachette_slice query = http_copy(text, strlen(text));
  if (query.data == NULL) query.data = malloc(1); /* empty, but there */
  return query;
}

/* Writes into a block of exactly the size that is needed. The caller frees it. */
static cachette_slice write(const cachette_http_policy *policy, cachette_slice query) {
  size_t size = cachette__http_query_write(policy, query, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  assert_int_equal(cachette__http_query_write(policy, query, bytes, size), size);
  return (cachette_slice){bytes, size};
}

static bool is_same(const cachette_http_policy *policy, const char *left, const char *right) {
  cachette_slice queries[] = {query_of(left), query_of(right)};
  cachette_slice bytes[] = {write(policy, queries[0]), write(policy, queries[1])};
  bool same =
      bytes[0].size == bytes[1].size && memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0;
  for (size_t i = 0; i < 2; i++) {
    http_free(queries[i]);
    http_free(bytes[i]);
  }
  return same;
}

static void check(const struct query_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    cachette_slice variance = {NULL, 0};
    if (cases[i].variance != NULL)
      variance = http_copy(cases[i].variance, strlen(cases[i].variance));
    const cachette_http_policy policy = {.query = cases[i].mode, .no_vary_search = variance};
    if (is_same(&policy, cases[i].left, cases[i].right) != cases[i].is_same ||
        is_same(&policy, cases[i].right, cases[i].left) != cases[i].is_same)
      fail_msg("case %zu: %s and %s", i, cases[i].left, cases[i].right);
    assert_true(is_same(&policy, cases[i].left, cases[i].left));
    http_free(variance);
  }
}

static void a_query_is_kept_byte_for_byte(void **state) {
  (void)state;
  static const struct query_case cases[] = {
      {KEEP, NULL, "a=1", "a=1", true},    {KEEP, NULL, NULL, NULL, true},
      {KEEP, NULL, NULL, "", false}, /* RFC 3986, 6.2.3: "/?" is another URI than "/" */
      {KEEP, NULL, "a=1", "a=2", false},   {KEEP, NULL, "a=1", "A=1", false},
      {KEEP, NULL, "a", "a=", false},      {KEEP, NULL, "a=1&b=2", "b=2&a=1", false},
      {KEEP, NULL, "a=1", "a=1&", false},  {KEEP, NULL, "a=1", "&a=1", false},
      {KEEP, NULL, "%61=1", "a=1", false}, {KEEP, NULL, "a=%2f", "a=%2F", false},
      {KEEP, NULL, "a+b", "a%20b", false}, {KEEP, NULL, "a=1;b=2", "a=1&b=2", false},
      {KEEP, NULL, "?", "", false},        {KEEP, "", "a=1&b=2", "b=2&a=1", false},
  };
  check(cases, LENGTH(cases));
}

static void a_query_is_dropped(void **state) {
  (void)state;
  static const struct query_case cases[] = {
      {DROP, NULL, "a=1", "b", true},
      {DROP, NULL, NULL, "", true},
      {DROP, NULL, NULL, "a=1", true},
      {DROP, "key-order", "a=1", "b=2", true},
      {DROP, "params=(\"a\")", "b=1", NULL, true},
  };
  check(cases, LENGTH(cases));
}

static void parameters_are_sorted_by_name(void **state) {
  (void)state;
  static const struct query_case cases[] = {
      {SORT, NULL, "a=1&b=2", "b=2&a=1", true},
      {SORT, NULL, "c&b&a", "a&b&c", true},
      {SORT, NULL, "b=1&a=1&b=2", "b=1&b=2&a=1", true},
      {SORT, NULL, "b=1&a=1&b=2", "b=2&b=1&a=1", false}, /* equal names keep their order */
      {SORT, NULL, "a=1&a=2", "a=2&a=1", false},
      {SORT, NULL, "a=1", "a=2", false},
      {SORT, NULL, "a", "a=", false},
      {SORT, NULL, "a&a=", "a=&a", false},
      {SORT, NULL, NULL, "", false},
      {SORT, NULL, "", "&", false},
      {SORT, NULL, "a&", "a", false},
      {SORT, NULL, "a&", "&a", true},
      {SORT, NULL, "ab=1&a=2", "a=2&ab=1", true},
      {SORT, NULL, "a=b&c", "a&b=c", false},
      {SORT, NULL, "a=1&b=2", "a=1b=2&", false},
      {SORT, NULL, "A=1&a=2", "a=2&A=1", true},
      {SORT, NULL, "%61=1", "a=1", false},           /* raw */
      {SORT, NULL, "%61=1&a=2", "a=2&%61=1", false}, /* the same name for a server */
      {SORT, NULL, "%61=1&b=2", "b=2&%61=1", true},
      {SORT, NULL, "a+b=1&a%20b=2", "a%20b=2&a+b=1", false},
      {SORT, NULL, "a%=1&a%25=2", "a%25=2&a%=1", false},
      {SORT, NULL, "a%2=1&a%252=2", "a%252=2&a%2=1", false},
      {SORT, NULL, "a;b=1&a=2", "a=2&a;b=1", true},
      {SORT, NULL, "a=1&b=2;c=3", "b=2&c=3;a=1", false},
      {SORT, NULL, "\xff=1&\xfe=2", "\xfe=2&\xff=1", true},
      {SORT, NULL, "=1&=2", "=2&=1", false},
  };
  check(cases, LENGTH(cases));
}

static void parameters_that_do_not_matter_are_left_out(void **state) {
  (void)state;
#define UTM "params=(\"utm\" \"id\")"
#define ONLY "except=(\"a\" \"b\")"
  static const struct query_case cases[] = {
      /* params */
      {KEEP, UTM, "a=1&utm=2", "a=1", true},
      {KEEP, UTM, "utm=2", NULL, true},
      {KEEP, UTM, "utm=2", "", true},
      {KEEP, UTM, NULL, "", true},
      {KEEP, UTM, "utm", "utm=1&utm=2&id", true},
      {KEEP, UTM, "a=1&utm=2&b=3", "a=1&b=3&id=4", true},
      {KEEP, UTM, "a=1&b=3", "b=3&a=1", false},
      {KEEP, UTM, "a=1", "a=2", false},
      {KEEP, UTM, "UTM=1", NULL, false},
      {KEEP, UTM, "utm2=1", NULL, false},
      {KEEP, UTM, "ut=1", NULL, false},
      {KEEP, UTM, "u%74m=1", NULL, true},
      {KEEP, UTM, "u%54m=1", NULL, false},
      {KEEP, UTM, "a=utm", NULL, false},
      {KEEP, UTM, "utm;a=1", NULL, false}, /* a server may split at the semicolon */
      {KEEP, UTM, "utm=1;a=1", NULL, false},
      {KEEP, UTM, "utm=1;a=1", "utm=1;a=2", false},
      {KEEP, UTM, "utm=1%3Ba=1", NULL, true},
      {KEEP, "params=(\"a b\")", "a+b=1", NULL, true},
      {KEEP, "params=(\"a+b\")", "a%20b=1", NULL, true},
      {KEEP, "params=(\"a%2Bb\")", "a%2bb=1", NULL, true},
      {KEEP, "params=(\"a%2Bb\")", "a+b=1", NULL, false},
      {KEEP, "params=(\"%C3%A9+%E6%B0%97\")", "\xc3\xa9 \xe6\xb0\x97=1", NULL, true},
      {KEEP, "params=(\"\\\"\")", "%22=1", NULL, true},
      {KEEP, "params=(\"\\\\\")", "\\=1", NULL, true},
      {KEEP, "params=(\"\\\\\\\"\")", "\\\"=1", NULL, true},
      {KEEP, "params=(\"\\\\\")", "\\\\=1", NULL, false},
      {KEEP, "params=(\"\")", "=1", NULL, true},
      {KEEP, "params=(\"a\");x, params=(\"b\");y", "b=1", NULL, true}, /* the last one counts */
      {KEEP, "params=(\"a\"), params=(\"b\")", "a=1", NULL, false},
      {KEEP, "params=(\"a\";x=1 \"b\")", "a=1", NULL, true},
      /* What remains is compared decoded. */
      {KEEP, UTM, "a=", "a", true},
      {KEEP, UTM, "%61=%31", "a=1", true},
      {KEEP, UTM, "a=+", "a=%20", true},
      {KEEP, UTM, "a=%", "a=%25", true},
      {KEEP, UTM, "a=%2g", "a=%252g", true},
      {KEEP, UTM, "a=%2", "a=%252", true},
      {KEEP, UTM, "a&&b", "a&b", true},
      {KEEP, UTM, "&a&", "a", true},
      {KEEP, UTM, "a=1&b", "a=1b", false},
      {KEEP, UTM, "ab=c", "a=bc", false},
      {KEEP, UTM, "a%3Db=c", "a=b%3Dc", false},
      {KEEP, UTM, "a=b%26c=d", "a=b&c=d", false},
      {KEEP, UTM, "a%00=", "a=%00", false},
      {KEEP, UTM, "a=%00%00%00%01b", "a&b", false},
      {KEEP, UTM, "=", NULL, false},
      {KEEP, UTM, "=", "", false},
      {KEEP, UTM, "a=%f6", "a=%f7", false},
      /* key-order */
      {KEEP, "key-order", "a=1&b=2", "b=2&a=1", true},
      {KEEP, "key-order", "a=1&a=2", "a=2&a=1", false},
      {KEEP, "key-order", "a=1&%61=2", "%61=2&a=1", false},
      {KEEP, "key-order", "a=1&b=2&a=3", "b=2&a=1&a=3", true},
      {KEEP, "key-order", NULL, "", true},
      {KEEP, "key-order", "a=1", "a=2", false},
      {KEEP, "key-order=?1", "a=1&b=2", "b=2&a=1", true},
      {KEEP, "key-order, " UTM, "a=1&utm=3&b=2", "b=2&a=1", true},
      {SORT, UTM, "a=1&utm=3&b=2", "b=2&a=1", true},
      {SORT, UTM, "a=1&a=2", "a=2&a=1", false},
      /* except: alone in the newest text, beside params in older ones */
      {KEEP, ONLY, "a=1&c=2", "a=1", true},
      {KEEP, ONLY, "a=1&b=2", "a=1", false},
      {KEEP, ONLY, "c", NULL, true},
      {KEEP, ONLY, "a=1&b=2", "b=2&a=1", false},
      {KEEP, ONLY ", key-order", "a=1&b=2", "b=2&c&a=1", true},
      {KEEP, "params, " ONLY, "a=1&c=2", "a=1", true},
      {KEEP, "params=?1, " ONLY, "a=1&c=2", "a=2", false},
      {KEEP, "params", "a=1&c=2", NULL, true},
      {KEEP, "params", "a=1;b", "a=2;b", false},
      {KEEP, "except=()", "a=1&c=2", NULL, true},
      {KEEP, "params, except=()", "a=1", "b", true},
      /* Unknown members do nothing. */
      {KEEP, UTM ", foo", "utm=1", NULL, true},
      {KEEP, "foo=(a)", "a", "a=", false},
  };
  check(cases, LENGTH(cases));
}

/* Values that have no effect: then a query is compared byte for byte. */
static void an_invalid_no_vary_search_has_no_effect(void **state) {
  (void)state;
  static const char *const values[] = {
      "params=?0",
      "params=()",
      "key-order=?0",
      "key-order=?0, params=()", /* valid */
      "unknown",
      "key-order=\"x\"",
      "key-order=1",
      "key-order=a",
      "key-order=()",
      "params=\"a\"",
      "params=a",
      "params=1",
      "params=(a)",
      "params=(\"a\" b)",
      "params=(1)",
      "params=(\"a\"), except=(\"x\")",
      "params=(), except=()",
      "params=?0, except=(\"x\")",
      "params, except=(x)",
      "params, except=\"x\"",
      "params, except=?1",
      "params, except",
      "except=\"x\"",
      "except",
      "except=(x)",
      "params=(\"a\"",
      "params=(\"a\"),",
      ",",
      "(",
      "key-order;",
      "Key-Order",
      "PARAMS=(\"a\")",
      "params=(\"a\") key-order",
      "params=(\"a\",\"b\")",
      "params=(\"a\xc3\xa9\")",
      "key-order, params=a",
      "params=(\"a\"), key-order=1",
      "params=(\"a\"), params=a",
      "params=(:YQ==:)",
      "params=(%\"a\")",
  };
  for (size_t i = 0; i < LENGTH(values); i++) {
    const struct query_case cases[] = {
        {KEEP, values[i], "a=1", NULL, false},      {KEEP, values[i], "a=1&b", "b&a=1", false},
        {KEEP, values[i], "%61=1", "a=1", false},   {KEEP, values[i], "", NULL, false},
        {KEEP, values[i], "x=1", "x=1&a=1", false}, {SORT, values[i], "a", "a=", false},
    };
    check(cases, LENGTH(cases));
  }
}

static void a_policy_may_have_valid_values_only(void **state) {
  (void)state;
  static const struct {
    const char *value;
    bool is_valid;
  } cases[] = {
      {"key-order", true},
      {"params=(\"a\")", true},
      {"params", true},
      {"except=(\"a\")", true},
      {"params, except=(\"a\")", true},
      {"key-order, params=(\"a\");x", true},
      {"params=()", true},
      {"key-order=?0", true},
      {"params=?0", true},
      {"param=(\"a\")", false},
      {"key-order, foo", false},
      {"params=(a)", false},
      {"params=(\"a\"", false},
      {"params=(\"a\"), except=(\"b\")", false},
      {"a b", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice value = http_copy(cases[i].value, strlen(cases[i].value));
    if (cachette__http_no_vary_search_is_valid(value) != cases[i].is_valid) fail_msg("case %zu", i);
    http_free(value);
  }
}

/* Writes `count` parameters p0 to pN, from the last to the first if `down`. */
static char *many(size_t count, bool down) {
  char *text = malloc(count * 8 + 1), *at = text;
  for (size_t i = 0; i < count; i++)
    at += sprintf(at, "%sp%zu", i > 0 ? "&" : "", down ? count - 1 - i : i);
  return text;
}

static void up_to_64_parameters_are_sorted(void **state) {
  (void)state;
  static const char *const variances[] = {NULL, "key-order"};
  for (size_t i = 0; i < LENGTH(variances); i++) {
    for (size_t count = CACHETTE__HTTP_SORT_MAX - 1; count <= CACHETTE__HTTP_SORT_MAX + 2;
         count++) {
      char *up = many(count, false), *down = many(count, true);
      const struct query_case cases[] = {
          {SORT, variances[i], up, down, count <= CACHETTE__HTTP_SORT_MAX},
          {SORT, variances[i], up, up + 1, false},
      };
      check(cases, LENGTH(cases));
      free(up);
      free(down);
    }
  }
}

static void parameters_that_do_not_matter_do_not_count_for_sorting(void **state) {
  (void)state;
  char *up = many(CACHETTE__HTTP_SORT_MAX, false), *down = many(CACHETTE__HTTP_SORT_MAX, true);
  char left[1024], right[1024];
  snprintf(left, sizeof left, "x&%s&x&&", up);
  snprintf(right, sizeof right, "%s&x", down);
  const struct query_case cases[] = {{SORT, "params=(\"x\")", left, right, true}};
  check(cases, LENGTH(cases));
  free(up);
  free(down);
}

static void a_query_writes_what_fits_and_tells_its_size(void **state) {
  (void)state;
  const cachette_http_policy policies[] = {{0},
                                           {.query = SORT},
                                           {.no_vary_search = {"params=(\"x\")", 12}},
                                           {.no_vary_search = {"key-order", 9}}};
  for (size_t i = 0; i < LENGTH(policies); i++) {
    cachette_slice query = query_of("b=%31&a=2&x&c"), whole = write(&policies[i], query);
    for (size_t capacity = 0; capacity < whole.size; capacity++) {
      unsigned char *bytes = test_malloc(capacity + 1);
      bytes[capacity] = 0xee;
      assert_int_equal(cachette__http_query_write(&policies[i], query, bytes, capacity),
                       whole.size);
      assert_int_equal(bytes[capacity], 0xee);
      test_free(bytes);
    }
    http_free(query);
    http_free(whole);
  }
}

/* ---- Properties ---- */

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/* Makes a query of few different characters, so that equal names and values are frequent. */
static void make_query(char *text, size_t most, unsigned *seed) {
  static const char *const pieces[] = {"a", "b", "&", "=",   "%61", "%",
                                       "+", ";", "x", "%3D", "%26", "&x"};
  *text = '\0';
  for (size_t count = next_random(seed) % most; count > 0; count--)
    strcat(text, pieces[next_random(seed) % LENGTH(pieces)]);
}

/* A model: decodes a query into "name\1value\1" without using the code under test. */
static void model(const char *query, bool drops_x, char *text) {
  char copy[128];
  strcpy(copy, query);
  *text = '\0';
  for (char *at = copy, *part; (part = strsep(&at, "&")) != NULL;) {
    char decoded[128] = "", raw[128];
    size_t used = 0;
    bool has_value = false;
    strcpy(raw, part);
    for (const char *c = part; *c != '\0'; c++) {
      unsigned byte;
      if (*c == '=' && !has_value)
        decoded[used++] = '\1', has_value = true;
      else if (*c == '+')
        decoded[used++] = ' ';
      else if (*c == '%' && strspn(c + 1, "0123456789abcdefABCDEF") >= 2)
        sscanf(c + 1, "%2x", &byte), decoded[used++] = (char)byte, c += 2;
      else
        decoded[used++] = *c;
    }
    if (!has_value) decoded[used++] = '\1';
    decoded[used++] = '\1';
    decoded[used] = '\0';
    bool is_ignored = drops_x && strncmp(decoded, "x\1", 2) == 0 && strchr(raw, ';') == NULL;
    if (*raw != '\0' && !is_ignored) strcat(text, decoded);
  }
}

static void pairs_are_the_same_exactly_if_they_decode_to_the_same(void **state) {
  (void)state;
  unsigned seed = 19, same = 0;
  const cachette_http_policy policy = {.no_vary_search = {"params=(\"x\")", 12}};
  for (int i = 0; i < 30000; i++) {
    char left[64], right[64], models[2][256];
    make_query(left, 7, &seed);
    make_query(right, 7, &seed);
    model(left, true, models[0]);
    model(right, true, models[1]);
    bool expected = strcmp(models[0], models[1]) == 0;
    if (is_same(&policy, left, right) != expected) fail_msg("%s and %s", left, right);
    same += expected && strcmp(left, right) != 0;
  }
  assert_true(same > 100); /* both outcomes occur */
}

static void sorting_never_merges_queries_of_different_parameters(void **state) {
  (void)state;
  unsigned seed = 7;
  const cachette_http_policy policy = {.query = SORT};
  for (int i = 0; i < 30000; i++) {
    char left[64], right[64];
    make_query(left, 8, &seed);
    make_query(right, 8, &seed);
    if (!is_same(&policy, left, right)) continue;
    size_t counts[2][256] = {{0}}; /* the same parameters have the same characters */
    for (const char *at = left; *at != '\0'; at++) counts[0][(unsigned char)*at]++;
    for (const char *at = right; *at != '\0'; at++) counts[1][(unsigned char)*at]++;
    assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_query_is_kept_byte_for_byte),
      cmocka_unit_test(a_query_is_dropped),
      cmocka_unit_test(parameters_are_sorted_by_name),
      cmocka_unit_test(parameters_that_do_not_matter_are_left_out),
      cmocka_unit_test(an_invalid_no_vary_search_has_no_effect),
      cmocka_unit_test(a_policy_may_have_valid_values_only),
      cmocka_unit_test(up_to_64_parameters_are_sorted),
      cmocka_unit_test(parameters_that_do_not_matter_do_not_count_for_sorting),
      cmocka_unit_test(a_query_writes_what_fits_and_tells_its_size),
      cmocka_unit_test(pairs_are_the_same_exactly_if_they_decode_to_the_same),
      cmocka_unit_test(sorting_never_merges_queries_of_different_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
