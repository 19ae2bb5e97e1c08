/* SPDX-License-Identifier: MIT */
/* The field names that the rules know, and where the fields of a message are. */
#include "http/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"

static enum cachette__http_name name_of(const char *text, size_t size) {
  cachette_slice copy = http_copy(text, size);
  enum cachette__http_name name = cachette__http_name_of(copy);
  http_free(copy);
  return name;
}

/* ---- Names ---- */

static void every_known_name_is_found_in_any_case(void **state) {
  (void)state;
  for (int i = 0; i < CACHETTE__HTTP_OTHER; i++) {
    char text[64];
    enum cachette__http_name name = (enum cachette__http_name)i;
    cachette_slice lower = cachette__http_name_text(name);
    assert_true(lower.size < sizeof text);
    assert_int_equal(name_of(lower.data, lower.size), name);
    for (unsigned odd = 0; odd < 3; odd++) { /* each second letter upper, then all */
      for (size_t j = 0; j < lower.size; j++) {
        int character = ((const char *)lower.data)[j];
        text[j] = (char)(odd == 2 || j % 2 == odd ? toupper(character) : character);
      }
      assert_int_equal(name_of(text, lower.size), name);
    }
  }
}

/* Returns whether a text is a known name, found without the code under test. */
static bool is_known(const char *text, size_t size) {
  static const char *const texts[] = {
#define TEXT(name, text) text,
      CACHETTE__HTTP_NAMES(TEXT)
#undef TEXT
  };
  for (size_t i = 0; i < LENGTH(texts); i++) {
    if (strlen(texts[i]) == size && memcmp(texts[i], text, size) == 0) return true;
  }
  return false;
}

static void a_name_with_another_character_is_another_name(void **state) {
  (void)state;
  static const char others[] = {'\0', ' ', '!', '-', '0',    '@',   '[',
                                '_',  '`', 'a', 'z', '\x7f', '\xc5'};
  for (int i = 0; i < CACHETTE__HTTP_OTHER; i++) {
    cachette_slice known = cachette__http_name_text((enum cachette__http_name)i);
    char text[64];
    for (size_t j = 0; j < known.size; j++) {
      for (size_t k = 0; k < LENGTH(others); k++) {
        memcpy(text, known.data, known.size);
        text[j] = others[k];
        bool is_other = name_of(text, known.size) == CACHETTE__HTTP_OTHER;
        if (is_other == is_known(text, known.size)) fail_msg("%.*s", (int)known.size, text);
      }
    }
  }
}

static void a_longer_or_shorter_name_is_another_name(void **state) {
  (void)state;
  for (int i = 0; i < CACHETTE__HTTP_OTHER; i++) {
    cachette_slice known = cachette__http_name_text((enum cachette__http_name)i);
    char text[64];
    memcpy(text, known.data, known.size);
    text[known.size] = 's';
    assert_int_equal(name_of(text, known.size + 1), CACHETTE__HTTP_OTHER);
    if (!is_known(text, known.size - 1))
      assert_int_equal(name_of(text, known.size - 1), CACHETTE__HTTP_OTHER);
    assert_int_equal(name_of(text + 1, known.size), CACHETTE__HTTP_OTHER);
  }
  assert_int_equal(name_of("", 0), CACHETTE__HTTP_OTHER);
}

/* ---- Lines ---- */

/* Joins the lines of a field with `|`. */
static void join_lines(const cachette__http_message *message, enum cachette__http_name name,
                       char *text) {
  cachette_slice value;
  *text = '\0';
  for (size_t at = 0; cachette__http_line(message, name, &at, &value);) {
    strcat(text, "|");
    strncat(text, value.size > 0 ? value.data : "", value.size);
  }
}

static void lines_are_found_in_their_order(void **state) {
  (void)state;
  static const struct {
    const char *fields;
    enum cachette__http_name name;
    const char *lines;
  } cases[] = {
      {"", CACHETTE__HTTP_VARY, ""},
      {"A: 1", CACHETTE__HTTP_VARY, ""},
      {"Vary: 1", CACHETTE__HTTP_VARY, "|1"},
      {"Vary:", CACHETTE__HTTP_VARY, "|"},
      {"A: 0\nVary: 1\nB: 2", CACHETTE__HTTP_VARY, "|1"},
      {"Vary: 1\nvary: 2", CACHETTE__HTTP_VARY, "|1|2"},
      {"vArY: 1\nDate: 2\nVARY: 3\nVary: 4", CACHETTE__HTTP_VARY, "|1|3|4"},
      {"Date: 2\nVary: 1\nDate: 3\nVary:", CACHETTE__HTTP_VARY, "|1|"},
      {"Vary2: 1\nVar: 2", CACHETTE__HTTP_VARY, ""},
      {"TE: a\nDate: b\nTE: c", CACHETTE__HTTP_TE, "|a|c"},
      {"A: 1\nProxy-Authentication-Info: a", CACHETTE__HTTP_PROXY_AUTHENTICATION_INFO, "|a"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[64];
    cachette__http_message message;
    cachette_http_fields fields = http_fields_new(cases[i].fields);
    assert_true(cachette__http_look_through(&message, fields));
    join_lines(&message, cases[i].name, text);
    if (strcmp(text, cases[i].lines) != 0) fail_msg("case %zu: %s", i, text);
    assert_int_equal(cachette__http_has(&message, cases[i].name), *text != '\0');
    cachette_slice value;
    bool is_single = *text != '\0' && strchr(text + 1, '|') == NULL;
    assert_int_equal(cachette__http_single(&message, cases[i].name, &value), is_single);
    http_fields_free(fields);
  }
}

static void values_are_trimmed(void **state) {
  (void)state;
  cachette_http_field line = {cachette_str("Vary"), cachette_str("\t a b \t")};
  cachette__http_message message;
  cachette_slice value;
  assert_true(cachette__http_look_through(&message, (cachette_http_fields){&line, 1}));
  assert_true(cachette__http_single(&message, CACHETTE__HTTP_VARY, &value));
  assert_slice(value, "a b");
}

static void malformed_fields_are_refused_but_the_others_are_found(void **state) {
  (void)state;
  static const struct {
    const char *fields; /* before "Vary: 1" */
    bool is_clean;
  } cases[] = {
      {"A: 1", true},
      {"A: \"", true},
      {"!#$%&'*+-._|~09^`: 1", true},
      {"A: ^I", true},   /* a tab (RFC 9110, 5.5) */
      {"A: ^A", true},   /* another control character is for the application to judge */
      {"A: \xff", true}, /* obs-text */
      {"A: ^J", false},  /* LF */
      {"A: ^M", false},  /* CR */
      {"A: ^@", false},  /* NUL */
      {"A: a^Jb", false},
      {"Date: a^Mb", false},
      {": 1", false},   /* an empty name (RFC 9110, 5.1) */
      {"A : 1", false}, /* whitespace before the colon (RFC 9112, 5.1) */
      {" A: 1", false}, /* a folded line (RFC 9112, 5.2) */
      {"A B: 1", false},
      {"A\xc3\xa4: 1", false},
      {"A^@: 1", false},
      {"A(: 1", false},
      {"A^J: 1", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128];
    snprintf(text, sizeof text, "%s\nVary: 1", cases[i].fields);
    cachette__http_message message;
    cachette_http_fields fields = http_fields_new(text);
    if (cachette__http_look_through(&message, fields) != cases[i].is_clean) fail_msg("case %zu", i);
    assert_true(cachette__http_has(&message, CACHETTE__HTTP_VARY));
    http_fields_free(fields);
  }
}

static void there_may_be_65535_lines(void **state) {
  (void)state;
  size_t count = (size_t)UINT16_MAX + 1;
  cachette_http_field *list = test_malloc(count * sizeof *list);
  for (size_t i = 0; i < count; i++)
    list[i] = (cachette_http_field){cachette_str("a"), cachette_str("b")};
  list[count - 2].name = cachette_str("age");
  cachette__http_message message;
  cachette_slice value;
  assert_true(cachette__http_look_through(&message, (cachette_http_fields){list, count - 1}));
  assert_true(cachette__http_single(&message, CACHETTE__HTTP_AGE, &value));
  assert_false(cachette__http_look_through(&message, (cachette_http_fields){list, count}));
  assert_true(cachette__http_single(&message, CACHETTE__HTTP_AGE, &value));
  test_free(list);
}

static void sizes_are_limited(void **state) {
  (void)state;
  size_t size = (size_t)UINT16_MAX + 1;
  char *name = test_malloc(size);
  memset(name, 'a', size);
  cachette_http_field line = {{name, size - 1}, {"", 0}};
  cachette__http_message message;
  assert_true(cachette__http_look_through(&message, (cachette_http_fields){&line, 1}));
  line.name.size++;
  assert_false(cachette__http_look_through(&message, (cachette_http_fields){&line, 1}));
  test_free(name);
  cachette_http_field lines[1024]; /* a gigabyte, all in the same bytes, and the names */
  char *value = test_calloc(1, 1 << 20);
  memset(value, 'v', 1 << 20);
  for (size_t i = 0; i < LENGTH(lines); i++)
    lines[i] = (cachette_http_field){cachette_str("a"), {value, 1 << 20}};
  assert_true(cachette__http_look_through(&message, (cachette_http_fields){lines, 1023}));
  assert_false(cachette__http_look_through(&message, (cachette_http_fields){lines, 1024}));
  test_free(value);
}

/* ---- Hop-by-hop fields ---- */

static void fields_of_one_connection_are_known(void **state) {
  (void)state;
  static const struct {
    const char *connection, *name;
    bool is_hop_by_hop;
  } cases[] = {
      {NULL, "Connection", true}, /* RFC 9110, 7.6.1 */
      {NULL, "keep-alive", true},
      {NULL, "TE", true},
      {NULL, "Trailer", true},
      {NULL, "Transfer-Encoding", true},
      {NULL, "Upgrade", true},
      {NULL, "Proxy-Connection", true},
      {NULL, "Proxy-Authenticate", true}, /* RFC 9111, 3.1 */
      {NULL, "Proxy-Authentication-Info", true},
      {NULL, "Proxy-Authorization", true},
      {NULL, "Content-Encoding", false},
      {NULL, "Trailers", false},
      {NULL, "Authorization", false},
      {"a", "a", true},
      {"A", "a", true},
      {"a", "A", true},
      {"close, a", "a", true},
      {"close ,\ta ,b", "a", true},
      {"a;b", "a", false},
      {"ab", "a", false},
      {"a", "ab", false},
      {"close\nConnection: a", "a", true},
      {"close", "a", false},
      {"close, Foo", "foo", true},
      {"", "a", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128] = "";
    if (cases[i].connection != NULL)
      snprintf(text, sizeof text, "Connection: %s", cases[i].connection);
    cachette__http_message message;
    cachette_http_fields fields = http_fields_new(text);
    assert_true(cachette__http_look_through(&message, fields));
    const cachette_http_field field = {cachette_str(cases[i].name), {"", 0}};
    if (cachette__http_is_hop_by_hop(&message, &field) != cases[i].is_hop_by_hop)
      fail_msg("case %zu", i);
    http_fields_free(fields);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_known_name_is_found_in_any_case),
      cmocka_unit_test(a_name_with_another_character_is_another_name),
      cmocka_unit_test(a_longer_or_shorter_name_is_another_name),
      cmocka_unit_test(lines_are_found_in_their_order),
      cmocka_unit_test(values_are_trimmed),
      cmocka_unit_test(malformed_fields_are_refused_but_the_others_are_found),
      cmocka_unit_test(there_may_be_65535_lines),
      cmocka_unit_test(sizes_are_limited),
      cmocka_unit_test(fields_of_one_connection_are_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
