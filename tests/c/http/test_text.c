/* SPDX-License-Identifier: MIT */
/* The grammar that all HTTP fields share. Inputs are heap blocks of exactly their size. */
#include "http/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* Copies bytes to a block of their size, so that a read beyond it is detected. */
static cachette_slice copy(const char *text, size_t size) {
  char *block = malloc(size);
  assert_non_null(block);
  memcpy(block, text, size);
  return (cachette_slice){block, size};
}

static cachette_slice copy_text(const char *text) { return copy(text, strlen(text)); }

static void release(cachette_slice block) { free((void *)block.data); }

static const cachette_slice nothing = {NULL, 0};

/* ---- Characters ---- */

static void token_characters_are_letters_digits_and_fifteen_signs(void **state) {
  (void)state;
  for (int byte = 0; byte < 256; byte++) {
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    bool is_sign = byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
    bool expected = is_letter || is_sign || (byte >= '0' && byte <= '9');
    if (cachette__http_is_token_char((char)byte) != expected) fail_msg("byte %02x", (unsigned)byte);
  }
}

static void blanks_are_space_and_tab(void **state) {
  (void)state;
  for (int byte = 0; byte < 256; byte++)
    assert_true(cachette__http_is_blank((char)byte) == (byte == ' ' || byte == '\t'));
}

static void a_token_is_not_empty_and_has_token_characters_only(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is_token;
  } cases[] = {
      {"a", true},      {"no-cache", true}, {"~", true},         {"0", true},   {"", false},
      {"a b", false},   {" a", false},      {"a ", false},       {"a,", false}, {"a=b", false},
      {"\"a\"", false}, {"a\x7f", false},   {"\xc3\xa9", false}, {"@", false},  {"a/b", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice text = copy_text(cases[i].text);
    if (cachette__http_is_token(text) != cases[i].is_token) fail_msg("%s", cases[i].text);
    release(text);
  }
  assert_false(cachette__http_is_token(nothing));
  cachette_slice with_nul = copy("a\0b", 3);
  assert_false(cachette__http_is_token(with_nul));
  release(with_nul);
}

static void one_other_character_anywhere_makes_a_text_no_token(void **state) {
  (void)state;
  for (size_t size = 1; size <= 13; size++) {
    for (size_t at = 0; at < size; at++) {
      char bytes[13];
      memset(bytes, 'a', sizeof bytes);
      cachette_slice token = copy(bytes, size);
      assert_true(cachette__http_is_token(token));
      bytes[at] = ':';
      cachette_slice other = copy(bytes, size);
      if (cachette__http_is_token(other)) fail_msg("a colon at %zu of %zu", at, size);
      release(token);
      release(other);
    }
  }
}

/* ---- Comparing ---- */

static void only_ascii_letters_have_no_case(void **state) {
  (void)state;
  static const struct {
    const char *left, *right;
    bool equal;
  } cases[] = {
      {"", "", true},          {"a", "A", true},     {"Z", "z", true},  {"ETag", "etag", true},
      {"a", "", false},        {"", "a", false},     {"a", "b", false}, {"ab", "a", false},
      {"ab", "ac", false},     {"[", "{", false},    {"@", "`", false}, {"Z[", "z{", false},
      {"\xc4", "\xe4", false}, {"-", "\x0d", false}, {"^", "~", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice left = copy_text(cases[i].left), right = copy_text(cases[i].right);
    if (cachette__http_equals(left, right) != cases[i].equal) fail_msg("case %zu", i);
    if (cachette__http_equals(right, left) != cases[i].equal) fail_msg("case %zu, swapped", i);
    release(left);
    release(right);
  }
  assert_true(cachette__http_equals(nothing, nothing));
}

static void a_text_is_a_name_of_the_same_length(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t size;
    const char *name;
    bool is;
  } cases[] = {
      {"vary", 4, "vary", true},   {"VARY", 4, "vary", true},
      {"Vary", 4, "vary", true},   {"var", 3, "vary", false},
      {"vary ", 5, "vary", false}, {"varx", 4, "vary", false},
      {"", 0, "", true},           {"a", 1, "", false},
      {"", 0, "a", false},         {"vary\0", 5, "vary", false},
      {"\0", 1, "", false},        {"va\0y", 4, "va", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice text = copy(cases[i].text, cases[i].size);
    if (cachette__http_is(text, cases[i].name) != cases[i].is) fail_msg("case %zu", i);
    release(text);
  }
  assert_true(cachette__http_is(nothing, ""));
  assert_false(cachette__http_is(nothing, "a"));
}

/* ---- Trimming and control characters ---- */

static void spaces_and_tabs_are_trimmed_at_both_ends(void **state) {
  (void)state;
  static const struct {
    const char *text, *trimmed;
  } cases[] = {
      {"a", "a"},
      {" a", "a"},
      {"a ", "a"},
      {"\t a\t ", "a"},
      {"a b", "a b"},
      {"", ""},
      {" ", ""},
      {" \t ", ""},
      {"\na", "\na"},
      {"a\r", "a\r"},
      {" \"a ", "\"a"},
      {"\xa0"
       "a",
       "\xa0"
       "a"},
      {"\va", "\va"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice text = copy_text(cases[i].text);
    assert_slice(cachette__http_trim(text), cases[i].trimmed);
    release(text);
  }
  assert_int_equal(cachette__http_trim(nothing).size, 0);
}

static void cr_lf_and_nul_are_dangerous_wherever_they_stand(void **state) {
  (void)state;
  for (int byte = 0; byte < 256; byte++) {
    for (size_t at = 0; at < 3; at++) {
      char bytes[3] = "aaa";
      bytes[at] = (char)byte;
      cachette_slice text = copy(bytes, sizeof bytes);
      assert_true(cachette__http_is_dangerous(text) == (byte == '\r' || byte == '\n' || byte == 0));
      release(text);
    }
  }
  assert_false(cachette__http_is_dangerous(nothing));
}

/* Sizes around the 8 and 32 characters that are looked at together, among characters that are
 * controls, too, or not ASCII. */
static void cr_lf_and_nul_are_dangerous_in_texts_of_any_size(void **state) {
  (void)state;
  for (size_t size = 4; size <= 75; size++) {
    char bytes[75];
    for (size_t at = 0; at < size; at++) {
      for (int byte = 0; byte < 256; byte++) {
        memset(bytes, at % 2 == 0 ? '\t' : '\x80', size);
        bytes[at] = (char)byte;
        cachette_slice text = copy(bytes, size);
        bool expected = byte == '\r' || byte == '\n' || byte == 0;
        if (cachette__http_is_dangerous(text) != expected)
          fail_msg("byte %02x at %zu of %zu", (unsigned)byte, at, size);
        release(text);
      }
    }
  }
}

/* ---- Lists ---- */

/* Writes the elements of a list between brackets. */
static void write_elements(cachette_slice rest, char separator, char *text, size_t size) {
  cachette_slice element;
  const char *end = (const char *)rest.data + rest.size;
  *text = '\0';
  while (separator == ',' ? cachette__http_next(&rest, &element)
                          : cachette__http_next_of(&rest, separator, &element)) {
    assert_true(element.size > 0 && (const char *)rest.data + rest.size == end);
    size_t used = strlen(text);
    snprintf(text + used, size - used, "[%.*s]", (int)element.size, (const char *)element.data);
  }
  assert_int_equal(rest.size, 0);
}

static void a_list_is_split_at_separators_outside_quotes(void **state) {
  (void)state;
  static const struct {
    const char *text;
    char separator;
    const char *elements;
  } cases[] = {
      {"a", ',', "[a]"},
      {"a,b", ',', "[a][b]"},
      {" a ,\tb\t", ',', "[a][b]"},
      {"a b, c", ',', "[a b][c]"},
      /* Empty elements (RFC 9110, 5.6.1.2). */
      {"", ',', ""},
      {",", ',', ""},
      {" , ,", ',', ""},
      {",a,,b,", ',', "[a][b]"},
      /* Quoted strings (RFC 9110, 5.6.4). */
      {"\"a,b\"", ',', "[\"a,b\"]"},
      {"a=\"b,c\", d", ',', "[a=\"b,c\"][d]"},
      {"a\"b,c\"d,e", ',', "[a\"b,c\"d][e]"},
      {"\"\",a", ',', "[\"\"][a]"},
      {"\" \" , a", ',', "[\" \"][a]"},
      {"\"a\\\",b\",c", ',', "[\"a\\\",b\"][c]"},
      {"\"a\\\\\",b", ',', "[\"a\\\\\"][b]"},
      {"a\\,b", ',', "[a\\][b]"},
      /* Without an end, a quoted string extends to the end of the list. */
      {"\"", ',', "[\"]"},
      {"a, \"b, c", ',', "[a][\"b, c]"},
      {"\"a,b\\", ',', "[\"a,b\\]"},
      {"\"a,b\\\"", ',', "[\"a,b\\\"]"},
      /* Other separators. */
      {"a;b, c ; d", ';', "[a][b, c][d]"},
      {"a;\"b;c\";", ';', "[a][\"b;c\"]"},
      {"a,b", ';', "[a,b]"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char elements[64];
    cachette_slice text = copy_text(cases[i].text);
    write_elements(text, cases[i].separator, elements, sizeof elements);
    if (strcmp(elements, cases[i].elements) != 0) fail_msg("%s: %s", cases[i].text, elements);
    release(text);
  }
}

static void an_empty_list_has_no_element_and_changes_nothing(void **state) {
  (void)state;
  cachette_slice rest = nothing, element = {"x", 1};
  assert_false(cachette__http_next(&rest, &element));
  assert_slice(element, "x");
  rest = cachette_str(" ,");
  assert_false(cachette__http_next(&rest, &element));
  assert_slice(element, "x");
}

/* ---- Numbers ---- */

static void digits_are_a_number_and_too_large_ones_the_largest(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t most, number; /* -1: not a number */
  } cases[] = {
      {"0", 9, 0},
      {"7", 9, 7},
      {"007", 9, 7},
      {"9", 9, 9},
      {"10", 9, 9},
      {"9", 5, 5},
      {"59", 5, 5},
      {"0", 0, 0},
      {"1", 0, 0},
      {"10", 0, 0},
      {"", 9, -1},
      {"-1", 9, -1},
      {"+1", 9, -1},
      {"1.5", 9, -1},
      {"1 ", 9, -1},
      {" 1", 9, -1},
      {"99x", 9, -1},
      {"0x1", 9, -1},
      {"/", 9, -1},
      {":", 9, -1},
      {"\xb2", 9, -1},
      {"2147483647", INT64_C(1) << 31, 2147483647},
      {"2147483648", INT64_C(1) << 31, 2147483648},
      {"2147483649", INT64_C(1) << 31, 2147483648},
      {"9223372036854775799", INT64_MAX, INT64_C(9223372036854775799)},
      {"9223372036854775800", INT64_MAX, INT64_C(9223372036854775800)},
      {"9223372036854775806", INT64_MAX, INT64_MAX - 1},
      {"9223372036854775807", INT64_MAX, INT64_MAX},
      {"9223372036854775806", INT64_MAX - 2, INT64_MAX - 2},
      {"9223372036854775808", INT64_MAX, INT64_MAX},
      {"9223372036854775807", INT64_MAX - 1, INT64_MAX - 1},
      {"18446744073709551616", INT64_MAX, INT64_MAX},
      {"18446744073709551617", 9, 9},
      {"99999999999999999999999999999999999999", 1 << 30, 1 << 30},
      {"99999999999999999999999999999999999999x", 1 << 30, -1},
      {"00000000000000000000000000000000000001", 1 << 30, 1},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    int64_t number = -1;
    cachette_slice text = copy_text(cases[i].text);
    bool is_number = cachette__http_number(text, cases[i].most, &number);
    if (is_number != (cases[i].number >= 0) || number != cases[i].number)
      fail_msg("%s: %lld", cases[i].text, (long long)number);
    release(text);
  }
  int64_t number = -1;
  assert_false(cachette__http_number(nothing, 9, &number));
  assert_int_equal(number, -1);
}

/* ---- Parts ---- */

static void parts_have_the_bytes_before_and_after_an_offset(void **state) {
  (void)state;
  cachette_slice text = copy_text("abc");
  for (size_t at = 0; at <= text.size; at++) {
    assert_slice(cachette__http_from(text, at), &"abc"[at]);
    assert_int_equal(cachette__http_first(text, at).size, at);
    assert_ptr_equal(cachette__http_first(text, at).data, text.data);
    if (at < text.size) assert_int_equal(cachette__http_at(text, at), "abc"[at]);
  }
  release(text);
  assert_null(cachette__http_from(nothing, 0).data);
  assert_int_equal(cachette__http_first(nothing, 0).size, 0);
}

/* Each pair of bytes, in short texts and in long ones, of which several bytes are compared at once.
 */
static void only_ascii_letters_match_in_any_case(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 7, 8, 9, 16, 19};
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    char *left = test_malloc(sizes[i]), *right = test_malloc(sizes[i]);
    memset(left, 'x', sizes[i]);
    memset(right, 'X', sizes[i]);
    cachette_slice texts[] = {{left, sizes[i]}, {right, sizes[i]}};
    for (int pair = 0; pair < 65536; pair++) {
      unsigned char bytes[] = {(unsigned char)(pair >> 8), (unsigned char)pair};
      bool are_letters = (bytes[0] | 0x20) >= 'a' && (bytes[0] | 0x20) <= 'z';
      bool expected = bytes[0] == bytes[1] || (are_letters && (bytes[0] ^ bytes[1]) == 0x20);
      size_t at = (size_t)pair % sizes[i];
      left[at] = (char)bytes[0];
      right[at] = (char)bytes[1];
      assert_int_equal(cachette__http_equals(texts[0], texts[1]), expected);
      assert_int_equal(cachette__http_compare(texts[0], texts[1]) == 0, expected);
      left[at] = 'x';
      right[at] = 'X';
    }
    texts[0].size--;
    assert_false(cachette__http_equals(texts[0], texts[1]));
    assert_true(cachette__http_compare(texts[0], texts[1]) < 0);
    test_free(left);
    test_free(right);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_ascii_letters_match_in_any_case),
      cmocka_unit_test(token_characters_are_letters_digits_and_fifteen_signs),
      cmocka_unit_test(blanks_are_space_and_tab),
      cmocka_unit_test(a_token_is_not_empty_and_has_token_characters_only),
      cmocka_unit_test(one_other_character_anywhere_makes_a_text_no_token),
      cmocka_unit_test(only_ascii_letters_have_no_case),
      cmocka_unit_test(a_text_is_a_name_of_the_same_length),
      cmocka_unit_test(spaces_and_tabs_are_trimmed_at_both_ends),
      cmocka_unit_test(cr_lf_and_nul_are_dangerous_wherever_they_stand),
      cmocka_unit_test(cr_lf_and_nul_are_dangerous_in_texts_of_any_size),
      cmocka_unit_test(a_list_is_split_at_separators_outside_quotes),
      cmocka_unit_test(an_empty_list_has_no_element_and_changes_nothing),
      cmocka_unit_test(digits_are_a_number_and_too_large_ones_the_largest),
      cmocka_unit_test(parts_have_the_bytes_before_and_after_an_offset),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
