/* SPDX-License-Identifier: MIT */
/* Vary: which fields of a request select among stored responses. */
#include "http/vary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/normalize.h"
#include "http_message.h"

#define REFUSE \
  { 0 }
#define PRIVATE \
  { .sharing = CACHETTE_HTTP_PRIVATE }
#define ALLOW \
  { .vary_allow = CACHETTE_HTTP_VARY_COOKIE | CACHETTE_HTTP_VARY_AUTHORIZATION }
#define NORMALIZE \
  { .normalize = CACHETTE_HTTP_ACCEPT_ENCODING | CACHETTE_HTTP_ACCEPT_LANGUAGE }

/* A request that was asked, and what belongs to it. */
struct asked {
  cachette_http_request *request;
  cachette__http_asked asked;
};

static struct asked ask(const cachette_http_policy *policy, const char *fields) {
  char text[1024];
  struct asked asked;
  snprintf(text, sizeof text, "GET https://a/\n%s", fields);
  asked.request = http_request_new(text);
  assert_int_equal(cachette__http_ask(policy, asked.request, &asked.asked),
                   CACHETTE_HTTP_BECAUSE_NONE);
  return asked;
}

/* Looks through a response with these fields. The caller frees `message->fields`. */
static void answer(cachette__http_message *message, const char *fields) {
  assert_true(cachette__http_look_through(message, http_fields_new(fields)));
}

/* Writes a selector into a block of exactly its size. The caller frees it. */
static cachette_slice write(const cachette_http_policy *policy, const cachette__http_asked *asked,
                            const cachette__http_message *response, cachette_slice known) {
  size_t size = cachette__http_vary_write(policy, asked, response, known, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  assert_int_equal(cachette__http_vary_write(policy, asked, response, known, bytes, size), size);
  cachette_slice selector = http_copy(bytes, size);
  free(bytes);
  return selector;
}

/* Returns the selector of a request's fields for the fields of a response. */
static cachette_slice selector_of(const cachette_http_policy *policy, const char *response,
                                  const char *fields) {
  cachette__http_message message;
  answer(&message, response);
  struct asked asked = ask(policy, fields);
  cachette_slice selector = write(policy, &asked.asked, &message, (cachette_slice){NULL, 0});
  http_request_free(asked.request);
  http_fields_free(message.fields);
  return selector;
}

/* ---- May it be stored ---- */

static void vary_decides_whether_a_response_is_stored(void **state) {
  (void)state;
  static const struct {
    cachette_http_policy policy;
    const char *fields;
    enum cachette_http_reason reason;
  } cases[] = {
#define ANY CACHETTE_HTTP_BECAUSE_VARY_ANY
#define USER CACHETTE_HTTP_BECAUSE_VARY_USER
#define NONE CACHETTE_HTTP_BECAUSE_NONE
      {REFUSE, "", NONE},
      {REFUSE, "Vary:", NONE},
      {REFUSE, "Vary: ,", NONE},
      {REFUSE, "Vary: Accept", NONE},
      {REFUSE, "Vary: Accept, Accept-Encoding", NONE},
      {REFUSE, "vary: accept", NONE},
      {REFUSE, "Vary: X-Unknown", NONE},
      /* `*` anywhere (RFC 9111, 4.1; RFC 9110, 12.5.5) */
      {REFUSE, "Vary: *", ANY},
      {REFUSE, "Vary:  * ", ANY},
      {REFUSE, "Vary: ^I*^I", ANY},
      {REFUSE, "Vary: *, *", ANY},
      {REFUSE, "Vary: *,Accept", ANY},
      {REFUSE, "Vary: Accept,*", ANY},
      {REFUSE, "Vary: Accept , * ", ANY},
      {REFUSE, "Vary: , *", ANY},
      {REFUSE, "Vary: Accept\nVary: *", ANY},
      {REFUSE, "Vary: *\nVary: Accept", ANY},
      {REFUSE, "Vary:\nVary: *", ANY},
      {REFUSE, "Vary: Cookie, *", ANY},
      {PRIVATE, "Vary: *", ANY},
      {ALLOW, "Vary: *", ANY},
      {REFUSE, "A: *", NONE},
      /* Names that are none */
      {REFUSE, "Vary: Accept Cookie", ANY},
      {REFUSE, "Vary: \"Accept\"", ANY},
      {REFUSE, "Vary: Accept;q=1", ANY},
      {REFUSE, "Vary: Accept: x", ANY},
      {REFUSE, "Vary: Accept\xc3\xa4", ANY},
      {REFUSE, "Vary: \"Accept, *", ANY},
      {REFUSE, "Vary: Acc^Aept", ANY},
      {REFUSE, "Vary: Accept; Cookie", ANY},
      /* Fields that tell users apart */
      {REFUSE, "Vary: Cookie", USER},
      {REFUSE, "Vary: cookie", USER},
      {REFUSE, "Vary: Accept, COOKIE ", USER},
      {REFUSE, "Vary: Accept\nVary: Cookie", USER},
      {REFUSE, "Vary: Authorization", USER},
      {REFUSE, "Vary: Cookies", NONE},
      {REFUSE, "Vary: Cooki", NONE},
      {REFUSE, "Vary: Set-Cookie", NONE},
      {REFUSE, "Vary: Authorization2", NONE},
      {PRIVATE, "Vary: Cookie, Authorization", NONE},
      {ALLOW, "Vary: Cookie, Authorization", NONE},
      {{.vary_allow = CACHETTE_HTTP_VARY_COOKIE}, "Vary: Cookie", NONE},
      {{.vary_allow = CACHETTE_HTTP_VARY_COOKIE}, "Vary: Authorization", USER},
      {{.vary_allow = CACHETTE_HTTP_VARY_AUTHORIZATION}, "Vary: Cookie", USER},
      {{.vary_allow = CACHETTE_HTTP_VARY_AUTHORIZATION}, "Vary: Authorization", NONE},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_message message;
    answer(&message, cases[i].fields);
    if (cachette__http_vary_check(&cases[i].policy, &message) != cases[i].reason)
      fail_msg("case %zu: %s", i, cases[i].fields);
    http_fields_free(message.fields);
  }
}

static void a_name_of_more_than_65535_characters_is_refused(void **state) {
  (void)state;
  size_t size = (size_t)UINT16_MAX + 1;
  char *name = test_malloc(size);
  memset(name, 'a', size);
  cachette_http_field line = {cachette_str("Vary"), {name, size - 1}};
  cachette__http_message message;
  const cachette_http_policy policy = {0};
  assert_true(cachette__http_look_through(&message, (cachette_http_fields){&line, 1}));
  assert_int_equal(cachette__http_vary_check(&policy, &message), NONE);
  line.value.size++;
  assert_int_equal(cachette__http_vary_check(&policy, &message), ANY);
  test_free(name);
}

/* ---- Matching ---- */

static void a_request_matches_if_it_has_the_same_values(void **state) {
  (void)state;
  static const struct {
    cachette_http_policy policy;
    const char *vary, *stored, *presented;
    bool matches;
  } cases[] = {
      {REFUSE, "", "A: 1", "A: 2", true},
      {REFUSE, "Vary:", "A: 1", "A: 2", true},
      {REFUSE, "Vary: A", "A: 1", "A: 1", true},
      {REFUSE, "Vary: A", "A: 1", "A: 2", false},
      {REFUSE, "Vary: A", "A: 1", "a: 1", true},
      {REFUSE, "Vary: a", "A: 1", "A: 1", true},
      {REFUSE, "Vary: A", "A: 1", "A: 1\nB: 2", true},
      {REFUSE, "Vary: A", "A: x", "A: X", false}, /* case of values counts */
      {REFUSE, "Vary: A", "A: 1", "A: 12", false},
      {REFUSE, "Vary: A", "A: 12", "A: 1", false},
      {REFUSE, "Vary: A", "A: 1", "AA: 1", false},
      /* Absent, and empty */
      {REFUSE, "Vary: A", "", "", true},
      {REFUSE, "Vary: A", "A: 1", "", false},
      {REFUSE, "Vary: A", "", "A: 1", false},
      {REFUSE, "Vary: A", "", "A:", false},
      {REFUSE, "Vary: A", "A:", "", false},
      {REFUSE, "Vary: A", "A:", "A:", true},
      {REFUSE, "Vary: A", "A:", "A: ,", false},
      {REFUSE, "Vary: Accept", "Accept:", "", false},
      {REFUSE, "Vary: Accept", "", "", true},
      /* Lines are joined, and trimmed (RFC 9111, 4.1) */
      {REFUSE, "Vary: A", "A: 1, 2", "A: 1\nA: 2", true},
      {REFUSE, "Vary: A", "A: 1\nB: 3\nA: 2", "A: 1, 2", true},
      {REFUSE, "Vary: A", "A: 1\nA: 2", "A: 2\nA: 1", false},
      {REFUSE, "Vary: A", "A: 1\nA: 2", "A: 1,2", false}, /* nobody knows its syntax */
      {REFUSE, "Vary: A", "A: 1", "A: ^I1 ^I", true},
      {REFUSE, "Vary: A", "A: 1 2", "A: 1  2", false},
      {REFUSE, "Vary: A", "A: 1", "A: 1\nA:", false},
      {REFUSE, "Vary: A", "A: 1, ", "A: 1\nA:", false},
      {REFUSE, "Vary: A", "A: , 1", "A:\nA: 1", true},
      {REFUSE, "Vary: Accept", "Accept: a\nAccept: b", "Accept: a, b", true},
      {REFUSE, "Vary: Accept", "Accept: a\nAccept: b", "Accept: a", false},
      /* Several names; values that concatenate */
      {REFUSE, "Vary: A, B", "A: 1\nB: 2", "B: 2\nA: 1", true},
      {REFUSE, "Vary: A, B", "A: 1\nB: 2", "A: 1\nB: 3", false},
      {REFUSE, "Vary: A, B", "A: 1\nB: 2", "A: 2\nB: 2", false},
      {REFUSE, "Vary: A, B", "A: 1\nB: 23", "A: 12\nB: 3", false},
      {REFUSE, "Vary: A, B", "A: 1\nB: 2", "A: 2\nB: 1", false},
      {REFUSE, "Vary: A, B", "A: 1", "B: 1", false},
      {REFUSE, "Vary: A, B", "A: 12", "A: 1\nB: 2", false},
      {REFUSE, "Vary: A, B", "A:", "B:", false},
      {REFUSE, "Vary: A, B", "", "", true},
      {REFUSE, "Vary: A\nVary: B", "A: 1\nB: 2", "A: 1\nB: 3", false},
      {REFUSE, "Vary: A, A, a", "A: 1", "A: 1", true},
      {REFUSE, "Vary: AB", "AB: 1", "A: 1\nB: 1", false},
      {REFUSE, "Vary: A, B, C", "A: 1\nC: 3", "A: 1\nC: 3", true},
      {REFUSE, "Vary: A, B, C", "A: 1\nC: 3", "A: 1\nB: 2\nC: 3", false},
      /* Without normalization every byte counts */
      {REFUSE, "Vary: Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: GZIP", false},
      {REFUSE, "Vary: Accept-Encoding", "Accept-Encoding: a, b", "Accept-Encoding: b, a", false},
      {REFUSE, "Vary: Accept-Language", "Accept-Language: de", "Accept-Language: DE", false},
      {{.normalize = CACHETTE_HTTP_ACCEPT_LANGUAGE},
       "Vary: Accept-Encoding",
       "Accept-Encoding: gzip",
       "Accept-Encoding: GZIP",
       false},
      {{.normalize = CACHETTE_HTTP_ACCEPT_ENCODING},
       "Vary: Accept-Language",
       "Accept-Language: de",
       "Accept-Language: DE",
       false},
      {NORMALIZE, "Vary: Accept", "Accept: a/b", "Accept: A/B", false},
      {NORMALIZE, "Vary: Available-Dictionary",
       "Available-Dictionary: :YQ==:", "Available-Dictionary: :yq==:", false},
      {NORMALIZE, "Vary: Accept-Encoding", "Accept-Encoding: gzip;q=1.0, br",
       "Accept-Encoding: BR\nAccept-Encoding: x-gzip", true},
      {NORMALIZE, "Vary: Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", false},
      {NORMALIZE, "Vary: Accept-Encoding", "Accept-Encoding:", "", false},
      {NORMALIZE, "Vary: Accept-Encoding", "Accept-Encoding: identity", "Accept-Encoding:", true},
      {NORMALIZE, "Vary: Accept-Language", "Accept-Language: de, en;q=0.5",
       "Accept-Language: en;q=0.1,DE", true},
      {NORMALIZE, "Vary: Accept-Language", "Accept-Language: de, en", "Accept-Language: en, de",
       false},
      {NORMALIZE, "Vary: Accept-Language", "Accept-Language:", "", false},
      /* Fields of users, where they are allowed */
      {ALLOW, "Vary: Cookie", "Cookie: a=1", "Cookie: a=2", false},
      {ALLOW, "Vary: Cookie", "Cookie: a=1", "", false},
      {ALLOW, "Vary: Authorization", "Authorization: a", "", false},
      {ALLOW, "Vary: Authorization", "Authorization: a", "Authorization: b", false},
      {ALLOW, "Vary: Authorization", "Authorization: a", "Authorization: a", true},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    unsigned char keys[2][CACHETTE_HTTP_KEY_SIZE];
    const cachette_slice canonical = {"key", 3};
    cachette_slice selector = selector_of(&cases[i].policy, cases[i].vary, cases[i].stored);
    struct asked stored = ask(&cases[i].policy, cases[i].stored);
    struct asked presented = ask(&cases[i].policy, cases[i].presented);
    assert_true(cachette__http_vary_matches(&cases[i].policy, &stored.asked, selector));
    bool matches = cachette__http_vary_matches(&cases[i].policy, &presented.asked, selector);
    if (matches != cases[i].matches) fail_msg("case %zu: %s", i, cases[i].presented);
    /* So do the keys of the variants. */
    cachette__http_vary_key(&cases[i].policy, &stored.asked, canonical, selector, 7, keys[0]);
    cachette__http_vary_key(&cases[i].policy, &presented.asked, canonical, selector, 7, keys[1]);
    assert_int_equal(memcmp(keys[0], keys[1], sizeof *keys) == 0, matches);
    http_free(selector);
    http_request_free(stored.request);
    http_request_free(presented.request);
  }
}

/* ---- Normalization ---- */

/* Returns the value that a request has in the selector of one name. */
static void value_of(const char *name, const char *values, char *text) {
  char vary[64], fields[1024], *at = fields;
  const cachette_http_policy policy = NORMALIZE;
  snprintf(vary, sizeof vary, "Vary: %s", name);
  at += sprintf(at, "%s: ", name);
  for (; *values != '\0'; values++) /* `|` begins another line */
    at += *values == '|' ? sprintf(at, "\n%s: ", name) : sprintf(at, "%c", *values);
  cachette_slice selector = selector_of(&policy, vary, fields);
  size_t head = 2 + strlen(name) + 4;
  assert_true(selector.size >= head);
  memcpy(text, (const char *)selector.data + head, selector.size - head);
  text[selector.size - head] = '\0';
  http_free(selector);
}

struct normalized {
  const char *values, *expected;
};

static void check_normalized(const char *name, const struct normalized *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char text[1024], again[1024];
    value_of(name, cases[i].values, text);
    if (strcmp(text, cases[i].expected) != 0) fail_msg("case %zu: %s", i, text);
    value_of(name, text, again); /* it normalizes to itself */
    assert_string_equal(again, text);
  }
}

static void accept_encoding_becomes_a_set(void **state) {
  (void)state;
  static const struct normalized cases[] = {
      {"gzip", "gzip"},
      {"GZip", "gzip"},
      {"gzip, br", "br,gzip"},
      {"br,gzip", "br,gzip"},
      {"br|gzip", "br,gzip"},
      {" br ,, gzip ,", "br,gzip"},
      {"gzip, gzip", "gzip"},
      {"x-gzip", "gzip"}, /* RFC 9110, 8.4.1.3 */
      {"x-gzip, gzip", "gzip"},
      {"X-Compress", "compress"},
      {"gzip;q=0.5, br;q=1", "br,gzip"},
      {"gzip ; q=0.001", "gzip"},
      {"gzip;Q=1.000", "gzip"},
      {"gzip;q=1.", "gzip"},
      {"gzip;q=0, br", "br"}, /* RFC 9110, 12.5.3: not acceptable */
      {"gzip;q=0.000, br", "br"},
      {"gzip;q=0", ""},
      {"", ""},
      {",", ""},
      {"identity", ""}, /* always acceptable, unless it is refused */
      {"identity, gzip", "gzip"},
      {"identity;q=0.5, gzip", "gzip"},
      {"identity;q=0", "identity;q=0"},
      {"identity;q=0, gzip", "gzip,identity;q=0"},
      {"zstd, identity;q=0, gzip", "gzip,zstd,identity;q=0"},
      {"*;q=0", "identity;q=0"},
      {"gzip, *;q=0", "gzip,identity;q=0"},
      {"gzip, *;q=0, identity;q=0.1", "gzip"},
      {"*", "*"},
      {"*, gzip", "*,gzip"},
      {"*, gzip;q=0", "*,gzip;q=0"},
      {"br;q=0, *;q=0.1, gzip;q=0", "*,br;q=0,gzip;q=0"},
      {"*, identity;q=0", "*,identity;q=0"},
      {"*, identity", "*"},
      /* Used as it is, if it is malformed */
      {"gzip;q=2", "gzip;q=2"},
      {"GZIP;q=1.001", "GZIP;q=1.001"},
      {"GZIP;q=0.0001", "GZIP;q=0.0001"},
      {"GZIP;q=-1", "GZIP;q=-1"},
      {"GZIP;q=.5", "GZIP;q=.5"},
      {"GZIP;q=00", "GZIP;q=00"},
      {"GZIP;q=", "GZIP;q="},
      {"GZIP;q", "GZIP;q"},
      {"GZIP;", "GZIP;"},
      {"GZIP;x=1", "GZIP;x=1"},
      {"GZIP;q=1;q=0", "GZIP;q=1;q=0"},
      {"GZIP;q=\"1\"", "GZIP;q=\"1\""},
      {"GZIP; q =1", "GZIP; q =1"},
      {"GZIP br", "GZIP br"},
      {"\"GZIP\"", "\"GZIP\""},
      {"GZIP, (", "GZIP, ("},
      {"GZIP, gzip;q=0", "GZIP, gzip;q=0"}, /* both accepted and refused */
      {"GZIP, *, *;q=0", "GZIP, *, *;q=0"},
      {"GZIP|br;x", "GZIP, br;x"},
  };
  check_normalized("Accept-Encoding", cases, LENGTH(cases));
}

static void accept_language_is_sorted_by_weight(void **state) {
  (void)state;
  static const struct normalized cases[] = {
      {"de", "de"},
      {"DE-at", "de-at"},
      {"de, en", "de,en"},
      {"en, de", "en,de"}, /* equal weights keep their order */
      {"de;q=0.5, en;q=0.5", "de,en"},
      {"en;q=0.5, de", "de,en"},
      {"fr;q=0.5, de;q=1.0", "de,fr"},
      {"a;q=0.1, b;q=0.2, c;q=0.3, d", "d,c,b,a"},
      {"a;q=0.123, b;q=0.124", "b,a"},
      {"de|en;q=0.9|fr", "de,fr,en"},
      {" en ,   de", "en,de"},
      {"de, *;q=0.1", "de,*"},
      {"*", "*"},
      {"", ""},
      {"de, en;q=0", "de"},
      {"en;q=0", ""},
      {"en, en-gb;q=0", "en,en-gb;q=0"}, /* a range that an accepted one contains */
      {"en-gb;q=0, en", "en,en-gb;q=0"},
      {"en-gb, en;q=0", "en-gb"},
      {"*, de;q=0", "*,de;q=0"},
      {"de, *;q=0", "de,*;q=0"},
      {"EN, x-1, zh-Hant-TW", "en,x-1,zh-hant-tw"},
      {"DE;q=2", "DE;q=2"},
      {"DE_de", "DE_de"},
      {"DE;level=1", "DE;level=1"},
      {"DE, \"en\"", "DE, \"en\""},
      {"DE en", "DE en"},
      {"DE,+", "DE,+"},
  };
  check_normalized("Accept-Language", cases, LENGTH(cases));
}

static void long_values_are_used_as_they_are(void **state) {
  (void)state;
  char values[512] = "", text[1024];
  for (int i = 0; i < 32; i++) strcat(values, i > 0 ? ",A" : "A");
  value_of("Accept-Encoding", values, text);
  assert_string_equal(text, "a");
  value_of("Accept-Encoding", strcat(values, ",A"), text); /* one too many */
  assert_string_equal(text, values);
  memset(values, 'A', CACHETTE__HTTP_NORMALIZED_MAX);
  values[CACHETTE__HTTP_NORMALIZED_MAX] = '\0';
  value_of("Accept-Encoding", values, text);
  assert_int_equal(text[0], 'a');
  value_of("Accept-Encoding", strcat(values, "A"), text);
  assert_string_equal(text, values);
}

/* ---- Selectors ---- */

static void a_selector_has_sorted_and_unique_names(void **state) {
  (void)state;
  static const struct {
    const char *vary, *known, *fields;
    const char *expected; /* in hexadecimal digits, spaces do not count */
  } cases[] = {
      {"", "", "A: 1", ""},
      {"Vary: A", "", "A: 12", "0001 61 00000002 3132"},
      {"Vary: A", "", "", "0001 61 ffffffff"},
      {"Vary: A", "", "A:", "0001 61 00000000"},
      {"Vary: B, a", "", "B: 1", "0001 61 ffffffff 0001 62 00000001 31"},
      {"Vary: B, a, A, b", "", "B: 1", "0001 61 ffffffff 0001 62 00000001 31"},
      {"Vary: ab, a, B", "", "", "0001 61 ffffffff 0002 6162 ffffffff 0001 62 ffffffff"},
      {"Vary: A", "Vary: b", "A: 1\nB: 2", "0001 61 00000001 31 0001 62 00000001 32"},
      {"Vary: A", "Vary: a", "A: 1", "0001 61 00000001 31"},
      {"", "Vary: b, a", "A: 1", "0001 61 00000001 31 0001 62 ffffffff"},
      {"Vary: A\nVary: C", "Vary: B", "", "0001 61 ffffffff 0001 62 ffffffff 0001 63 ffffffff"},
  };
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[256] = "", expected[256] = "";
    cachette__http_message message;
    cachette_slice known = selector_of(&policy, cases[i].known, "A: old");
    answer(&message, cases[i].vary);
    struct asked asked = ask(&policy, cases[i].fields);
    cachette_slice selector =
        write(&policy, &asked.asked, *cases[i].vary != '\0' ? &message : NULL, known);
    for (size_t j = 0; j < selector.size; j++)
      sprintf(text + 2 * j, "%02x", ((const unsigned char *)selector.data)[j]);
    for (const char *at = cases[i].expected; *at != '\0'; at++) strncat(expected, at, *at != ' ');
    if (strcmp(text, expected) != 0) fail_msg("case %zu: %s", i, text);
    for (size_t size = 0; size < selector.size; size++) { /* as much as fits */
      unsigned char *bytes = malloc(size + 1);
      assert_int_equal(
          cachette__http_vary_write(&policy, &asked.asked, &message, known, bytes, size),
          selector.size);
      assert_int_equal(memcmp(bytes, selector.data, size), 0);
      free(bytes);
    }
    http_free(known);
    http_free(selector);
    http_fields_free(message.fields);
    http_request_free(asked.request);
  }
}

static void damaged_selectors_match_nothing(void **state) {
  (void)state;
  const cachette_http_policy policy = {0};
  struct asked asked = ask(&policy, "A: 1\nB: 2");
  cachette_slice whole = selector_of(&policy, "Vary: A, B, C", "A: 1\nB: 2");
  assert_true(cachette__http_vary_matches(&policy, &asked.asked, whole));
  size_t ends = 0; /* the selector may be cut between its entries */
  for (size_t size = 0; size < whole.size; size++) {
    unsigned char key[CACHETTE_HTTP_KEY_SIZE];
    cachette_slice cut = http_copy(whole.data, size);
    ends += cachette__http_vary_matches(&policy, &asked.asked, cut);
    assert_false(cachette__http_vary_same_names(whole, cut));
    assert_false(cachette__http_vary_same_names(cut, whole));
    cachette__http_vary_key(&policy, &asked.asked, whole, cut, 0, key);
    http_free(cut);
  }
  assert_int_equal(ends, 3);
  static const cachette_slice damaged[] = {{"\0\0\0\0\0\0", 6},
                                           {"\0\1a\0\0\0\2"
                                            "1",
                                            8},
                                           {"\0\1a\xff\xff\xff\xfe"
                                            "1",
                                            8},
                                           {"\xff\xff"
                                            "a\0\0\0\1"
                                            "1",
                                            8},
                                           {"\0\1a\0\0\0\1"
                                            "1\0",
                                            9},
                                           {"\0", 1}};
  for (size_t i = 0; i < LENGTH(damaged); i++) {
    cachette_slice copy = http_copy(damaged[i].data, damaged[i].size);
    if (cachette__http_vary_matches(&policy, &asked.asked, copy)) fail_msg("case %zu", i);
    assert_false(cachette__http_vary_same_names(copy, copy));
    http_free(copy);
  }
  http_free(whole);
  http_request_free(asked.request);
}

static void selectors_are_compared_by_their_names(void **state) {
  (void)state;
  static const struct {
    const char *left, *right;
    bool is_same;
  } cases[] = {
      {"", "", true},
      {"Vary: A", "Vary: a", true},
      {"Vary: A, B", "Vary: b\nVary: a", true},
      {"Vary: A", "Vary: A, A", true},
      {"Vary: A", "", false},
      {"Vary: A", "Vary: B", false},
      {"Vary: A", "Vary: A, B", false},
      {"Vary: A, B", "Vary: AB", false},
      {"Vary: A, B", "Vary: A, C", false},
  };
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice left = selector_of(&policy, cases[i].left, "A: 1\nB: 2");
    cachette_slice right = selector_of(&policy, cases[i].right, "A: 2"); /* values do not count */
    if (cachette__http_vary_same_names(left, right) != cases[i].is_same ||
        cachette__http_vary_same_names(right, left) != cases[i].is_same)
      fail_msg("case %zu", i);
    http_free(left);
    http_free(right);
  }
}

static void the_key_of_a_variant_has_all_of_its_parts(void **state) {
  (void)state;
  static const struct {
    const char *canonical, *vary, *fields;
    uint64_t generation;
  } cases[] = {
      {"key", "Vary: A", "A: 1", 1},
      {"kez", "Vary: A", "A: 1", 1},
      {"key", "Vary: A", "A: 1", 2},
      {"key", "Vary: A", "A: 1", UINT64_C(1) << 63},
      {"key", "Vary: A", "A: 2", 1},
      {"key", "Vary: A", "A:", 1},
      {"key", "Vary: A", "", 1},
      {"key", "Vary: B", "B: 1", 1},
      {"key", "Vary: A, B", "A: 1", 1},
      {"key", "Vary: A, B", "A: 1\nB: 1", 1},
      {"key", "Vary: A, B", "A: 11\nB:", 1},
      {"key", "Vary: A, B", "A:\nB: 11", 1},
      {"key", "", "", 1},
      {"", "", "", 1},
  };
  unsigned char keys[LENGTH(cases)][CACHETTE_HTTP_KEY_SIZE];
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct asked asked = ask(&policy, cases[i].fields);
    cachette_slice selector = selector_of(&policy, cases[i].vary, "A: old"); /* names only count */
    cachette__http_vary_key(&policy, &asked.asked, cachette_str(cases[i].canonical), selector,
                            cases[i].generation, keys[i]);
    for (size_t j = 0; j < i; j++) {
      if (memcmp(keys[i], keys[j], sizeof *keys) == 0) fail_msg("cases %zu and %zu", i, j);
    }
    http_free(selector);
    http_request_free(asked.request);
  }
}

/* ---- Property ---- */

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

static void matching_is_equality_of_all_values(void **state) {
  (void)state;
  static const char *const values[] = {NULL, "", "1", "2", "12", "1, 2"};
  const cachette_http_policy policy = {0};
  unsigned seed = 19, same = 0;
  for (int i = 0; i < 20000; i++) {
    const char *chosen[2][3];
    char fields[2][128];
    bool is_same = true;
    for (size_t j = 0; j < 2; j++) {
      char *at = fields[j];
      *at = '\0';
      for (size_t k = 0; k < 3; k++) {
        bool copies = j == 1 && next_random(&seed) % 2 == 0;
        const char *value = copies ? chosen[0][k] : values[next_random(&seed) % LENGTH(values)];
        chosen[j][k] = value;
        if (value != NULL) at += sprintf(at, "%c: %s\n", (char)('A' + k), value);
        if (j == 1) is_same = is_same && value == chosen[0][k];
      }
    }
    cachette_slice selectors[] = {selector_of(&policy, "Vary: C, A, B", fields[0]),
                                  selector_of(&policy, "Vary: C, A, B", fields[1])};
    struct asked asked = ask(&policy, fields[1]);
    assert_int_equal(cachette__http_vary_matches(&policy, &asked.asked, selectors[0]), is_same);
    bool is_equal = selectors[0].size == selectors[1].size &&
                    memcmp(selectors[0].data, selectors[1].data, selectors[0].size) == 0;
    assert_int_equal(is_equal, is_same);
    same += is_same;
    http_free(selectors[0]);
    http_free(selectors[1]);
    http_request_free(asked.request);
  }
  assert_in_range(same, 500, 19500); /* both outcomes occur */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(vary_decides_whether_a_response_is_stored),
      cmocka_unit_test(a_name_of_more_than_65535_characters_is_refused),
      cmocka_unit_test(a_request_matches_if_it_has_the_same_values),
      cmocka_unit_test(accept_encoding_becomes_a_set),
      cmocka_unit_test(accept_language_is_sorted_by_weight),
      cmocka_unit_test(long_values_are_used_as_they_are),
      cmocka_unit_test(a_selector_has_sorted_and_unique_names),
      cmocka_unit_test(damaged_selectors_match_nothing),
      cmocka_unit_test(selectors_are_compared_by_their_names),
      cmocka_unit_test(the_key_of_a_variant_has_all_of_its_parts),
      cmocka_unit_test(matching_is_equality_of_all_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
