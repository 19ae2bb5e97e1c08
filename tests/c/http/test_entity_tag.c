/* SPDX-License-Identifier: MIT */
/* Entity tags, and the lists of them in If-Match and If-None-Match. */
#include "http/entity_tag.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* A text in a block of its own size, so that ASan finds each read beyond it: cmocka's
 * test_malloc() would hide some behind its guard bytes. NULL: it is empty. */
static cachette_slice heap_slice(const char *text, size_t size) {
  char *bytes = size > 0 ? malloc(size) : NULL;
  if (size > 0) memcpy(bytes, text, size);
  return (cachette_slice){bytes, size};
}

static void free_slice(cachette_slice slice) { free((void *)slice.data); }

static cachette__http_entity_tag tag_of(const char *text) {
  cachette__http_entity_tag tag = {0};
  if (!cachette__http_tag_parse(cachette_str(text), &tag)) fail_msg("%s is not a tag", text);
  return tag;
}

/* ---- One tag ---- */

static void a_tag_is_a_quoted_text_without_escapes(void **state) {
  (void)state;
  enum { NONE, STRONG, WEAK };
  static const struct {
    const char *section;
    const char *text;
    int kind;
  } cases[] = {
      {"9110 8.8.3: the example", "\"xyzzy\"", STRONG},
      {"9110 8.8.3: the example", "W/\"xyzzy\"", WEAK},
      {"9110 8.8.3: the example", "\"\"", STRONG},
      {"9110 8.8.3: empty and weak", "W/\"\"", WEAK},
      {"9110 8.8.3: a comma", "\"a,b\"", STRONG},
      {"9110 8.8.3: a backslash", "\"a\\b\"", STRONG},
      {"9110 8.8.3: a backslash before the end", "\"a\\\"", STRONG},
      {"9110 8.8.3: no escaped quote", "\"a\\\"b\"", NONE},
      {"9110 8.8.3: etagc begins at !", "\"!\"", STRONG},
      {"9110 8.8.3: etagc ends at ~", "\"#~\"", STRONG},
      {"9110 8.8.3: obs-text", "\"\x80\xff\"", STRONG},
      {"9110 8.8.3: no DEL", "\"\x7f\"", NONE},
      {"9110 8.8.3: no space", "\"a b\"", NONE},
      {"9110 8.8.3: no tab", "\"a\tb\"", NONE},
      {"9110 8.8.3: no CR", "\"a\rb\"", NONE},
      {"9110 8.8.3: no LF", "\"a\nb\"", NONE},
      {"9110 8.8.3: no control character", "\"\x1f\"", NONE},
      {"9110 8.8.3: W is case-sensitive", "w/\"a\"", NONE},
      {"9110 8.8.3: W/", "W\"a\"", NONE},
      {"9110 8.8.3: W/", "/\"a\"", NONE},
      {"9110 8.8.3: W/", "W\\\"a\"", NONE},
      {"9110 8.8.3: W/", "W/W/\"a\"", NONE},
      {"9110 8.8.3: no space after W/", "W/ \"a\"", NONE},
      {"9110 8.8.3: W/ in the quotes", "\"W/a\"", STRONG},
      {"9110 8.8.3: another letter", "S/\"a\"", NONE},
      {"9110 8.8.3: quotes are needed", "xyzzy", NONE},
      {"9110 8.8.3: quotes are needed", "W/xyzzy", NONE},
      {"9110 8.8.3: quotes are needed", "'a'", NONE},
      {"9110 8.8.3: both quotes", "\"a", NONE},
      {"9110 8.8.3: both quotes", "a\"", NONE},
      {"9110 8.8.3: both quotes", "\"", NONE},
      {"9110 8.8.3: both quotes", "W/\"", NONE},
      {"9110 8.8.3: a weak flag alone", "W/", NONE},
      {"9110 8.8.3: a weak flag alone", "W", NONE},
      {"9110 8.8.3: nothing", "", NONE},
      {"9110 8.8.3: one tag", "\"a\"\"b\"", NONE},
      {"9110 8.8.3: one tag", "\"a\", \"b\"", NONE},
      {"9110 8.8.3: one tag", "\"a\",", NONE},
      {"9110 8.8.3: nothing beside it", " \"a\"", NONE},
      {"9110 8.8.3: nothing beside it", "\"a\" ", NONE},
      {"9110 8.8.3: nothing beside it", "\"a\"-gzip", NONE},
      {"9110 13.1.1: * is not a tag", "*", NONE},
      {"9110 13.1.1: \"*\" is", "\"*\"", STRONG},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_entity_tag tag = {.weak = true};
    cachette_slice text = heap_slice(cases[i].text, strlen(cases[i].text));
    bool is_tag = cachette__http_tag_parse(text, &tag);
    if (is_tag != (cases[i].kind != NONE) || tag.weak != (cases[i].kind != STRONG))
      fail_msg("RFC %s: %s", cases[i].section, cases[i].text);
    if (is_tag)
      assert_slice(tag.opaque, cases[i].text + (cases[i].kind == WEAK ? 2 : 0));
    else
      assert_null(tag.opaque.data);
    free_slice(text);
  }
}

static void each_character_inside_the_quotes_is_as_the_grammar_says(void **state) {
  (void)state;
  for (int byte = 0; byte < 256; byte++) {
    char text[] = {'"', (char)byte, '"'};
    cachette__http_entity_tag tag;
    bool is_allowed = byte == 0x21 || (byte >= 0x23 && byte <= 0x7e) || byte >= 0x80;
    cachette_slice slice = heap_slice(text, sizeof text);
    assert_int_equal(cachette__http_tag_parse(slice, &tag), is_allowed);
    free_slice(slice);
  }
}

static void tags_are_compared_strongly_and_weakly(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *left, *right;
    bool strong, weak;
  } cases[] = {
      {"9110 8.8.3.2: the table", "W/\"1\"", "W/\"1\"", false, true},
      {"9110 8.8.3.2: the table", "W/\"1\"", "W/\"2\"", false, false},
      {"9110 8.8.3.2: the table", "W/\"1\"", "\"1\"", false, true},
      {"9110 8.8.3.2: the table", "\"1\"", "\"1\"", true, true},
      {"9110 8.8.3.2: another character", "\"1\"", "\"2\"", false, false},
      {"9110 8.8.3.2: case", "\"a\"", "\"A\"", false, false},
      {"9110 8.8.3.2: a prefix", "\"a\"", "\"ab\"", false, false},
      {"9110 8.8.3.2: empty", "\"\"", "\"\"", true, true},
      {"9110 8.8.3.2: empty", "\"\"", "\"a\"", false, false},
      {"9110 8.8.3.2: no escapes", "\"\\a\"", "\"a\"", false, false},
      {"9110 8.8.3.2: W/ in the quotes", "\"W/1\"", "W/\"1\"", false, false},
      {"9110 8.8.3.2: a suffix of an encoding", "\"1\"", "\"1-gzip\"", false, false},
      {"9110 8.8.3.2: bytes above 7F", "\"\xc3\xa4\"", "\"\xc3\xa4\"", true, true},
      {"9110 8.8.3.2: bytes above 7F", "\"\xc3\xa4\"", "\"\xc3\xa5\"", false, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_entity_tag left = tag_of(cases[i].left), right = tag_of(cases[i].right);
    if (cachette__http_tag_equals(&left, &right, true) != cases[i].strong ||
        cachette__http_tag_equals(&right, &left, true) != cases[i].strong ||
        cachette__http_tag_equals(&left, &right, false) != cases[i].weak ||
        cachette__http_tag_equals(&right, &left, false) != cases[i].weak)
      fail_msg("RFC %s: %s and %s", cases[i].section, cases[i].left, cases[i].right);
  }
}

/* ---- Lists ---- */

/* Writes the members of a list, each behind a blank: the tag, `*`, or `?` if it is malformed. */
static void write_members(cachette_slice line, char *text) {
  cachette__http_tag_list list = {.line = line};
  cachette__http_entity_tag tag;
  enum cachette__http_tag_item item;
  while ((item = cachette__http_tag_next(&list, &tag)) != CACHETTE__HTTP_TAG_END) {
    *text++ = ' ';
    if (item == CACHETTE__HTTP_TAG_ANY) *text++ = '*';
    if (item == CACHETTE__HTTP_TAG_MALFORMED) *text++ = '?';
    if (item != CACHETTE__HTTP_TAG_ONE) continue;
    if (tag.weak) text = strcpy(text, "W/") + 2;
    memcpy(text, tag.opaque.data, tag.opaque.size);
    text += tag.opaque.size;
  }
  *text = '\0';
  assert_int_equal(cachette__http_tag_next(&list, &tag), CACHETTE__HTTP_TAG_END);
}

static void a_list_is_read_member_by_member(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *line;
    const char *members;
  } cases[] = {
      {"9110 13.1.1: the example", "\"xyzzy\"", " \"xyzzy\""},
      {"9110 13.1.1: the example", "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"",
       " \"xyzzy\" \"r2d2xxxx\" \"c3piozzzz\""},
      {"9110 13.1.2: the example", "W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"",
       " W/\"xyzzy\" W/\"r2d2xxxx\" W/\"c3piozzzz\""},
      {"9110 13.1.1: *", "*", " *"},
      {"9110 5.5: whitespace around the value", " *\t", " *"},
      {"9110 13.1.1: * stands alone", "*, \"a\"", " ? \"a\""},
      {"9110 13.1.1: * stands alone", "\"a\", *", " \"a\" ?"},
      {"9110 13.1.1: * stands alone", "*,", " ?"},
      {"9110 13.1.1: * stands alone", ",*", " ?"},
      {"9110 13.1.1: * stands alone", "**", " ?"},
      {"9110 13.1.1: * stands alone", "*\"a\"", " ?"},
      {"9110 13.1.1: \"*\" is a tag", "\"*\"", " \"*\""},
      {"9110 5.6.1.2: no element", "", ""},
      {"9110 5.6.1.2: no element", " ", ""},
      {"9110 5.6.1.2: no element", ",", ""},
      {"9110 5.6.1.2: no element", " , ,\t", ""},
      {"9110 5.6.1.2: empty elements", ",\"a\"", " \"a\""},
      {"9110 5.6.1.2: empty elements", "\"a\",", " \"a\""},
      {"9110 5.6.1.2: empty elements", "\"a\", ,,\"b\"", " \"a\" \"b\""},
      {"9110 5.6.1.2: OWS", "\"a\",\"b\"", " \"a\" \"b\""},
      {"9110 5.6.1.2: OWS", "\"a\" \t,\t \"b\" ", " \"a\" \"b\""},
      {"9110 8.8.3: a comma in a tag", "\"a,b\"", " \"a,b\""},
      {"9110 8.8.3: a comma in a tag", "\"a,\",\",b\"", " \"a,\" \",b\""},
      {"9110 8.8.3: a backslash in a tag", "\"a\\\",\"b\"", " \"a\\\" \"b\""},
      {"9110 8.8.3: a backslash in a tag", "\"\\\", \"\\\"", " \"\\\" \"\\\""},
      {"9110 8.8.3: W is case-sensitive", "w/\"a\", \"b\"", " ? \"b\""},
      {"9110 8.8.3: no quotes", "a, \"b\"", " ? \"b\""},
      {"9110 8.8.3: no quotes", "\"a\", b, \"c\"", " \"a\" ? \"c\""},
      {"9110 8.8.3: no quotes", "a,b", " ? ?"},
      {"9110 8.8.3: a space in a tag", "\"a b\", \"c\"", " ? \"c\""},
      {"9110 8.8.3: a space and a comma in a tag", "\"a, b\", \"c\"", " ? \"c\""},
      {"9110 8.8.3: no comma between", "\"a\" \"b\"", " ?"},
      {"9110 8.8.3: no comma between", "\"a\"\"b\", \"c\"", " ? \"c\""},
      {"9110 8.8.3: another separator", "\"a\"; \"b\"", " ?"},
      {"9110 8.8.3: one quote", "\"a", " ?"},
      {"9110 8.8.3: one quote", "\"a, \"b\"", " ?"},
      {"9110 8.8.3: one quote", "\"b\", \"a", " \"b\" ?"},
      {"9110 8.8.3: one quote", "\"b\", a\", \"c\"", " \"b\" ?"},
      {"9110 8.8.3: W/ alone", "W/, \"a\"", " ? \"a\""},
      {"9110 8.8.3: a suffix", "\"a\"-gzip, \"b\"", " ? \"b\""},
      {"9110 5.5: a line feed", "\"a\"\n, \"b\"", " ? \"b\""},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char members[100];
    cachette_slice line = heap_slice(cases[i].line, strlen(cases[i].line));
    write_members(line, members);
    if (strcmp(members, cases[i].members) != 0)
      fail_msg("RFC %s: %s has%s", cases[i].section, cases[i].line, members);
    free_slice(line);
  }
}

static void a_line_matches_a_tag_or_not(void **state) {
  (void)state;
  static const struct {
    const char *section;
    const char *line, *tag; /* tag NULL: the representation has none */
    bool if_match, if_none_match;
  } cases[] = {
      {"9110 13.1.1: the same tag", "\"a\"", "\"a\"", true, true},
      {"9110 13.1.1: another tag", "\"b\"", "\"a\"", false, false},
      {"9110 13.1.1: another tag", "\"A\"", "\"a\"", false, false},
      {"9110 13.1.1: the first", "\"a\", \"b\", \"c\"", "\"a\"", true, true},
      {"9110 13.1.1: the last", "\"b\", \"c\", \"a\"", "\"a\"", true, true},
      {"9110 13.1.1: none", "\"b\", \"c\", \"d\"", "\"a\"", false, false},
      {"9110 13.1.1: *", "*", "\"a\"", true, true},
      {"9110 13.1.1: *", "*", "W/\"a\"", true, true},
      {"9110 13.1.1: * without a tag", "*", NULL, true, true},
      {"9110 13.1.1: no tag", "\"a\"", NULL, false, false},
      {"9110 13.1.1: no tag", "\"\"", NULL, false, false},
      {"9110 13.1.1: If-Match is strong", "W/\"a\"", "W/\"a\"", false, true},
      {"9110 13.1.1: If-Match is strong", "W/\"a\"", "\"a\"", false, true},
      {"9110 13.1.1: If-Match is strong", "\"a\"", "W/\"a\"", false, true},
      {"9110 13.1.1: If-Match is strong", "W/\"a\", \"a\"", "\"a\"", true, true},
      {"9110 13.1.1: an empty line", "", "\"a\"", false, false},
      {"9110 13.1.1: an empty line", ",", "\"a\"", false, false},
      {"9110 8.8.3: a comma in the tag", "\"a,b\"", "\"a,b\"", true, true},
      {"9110 8.8.3: not a part of a tag", "\"a,b\"", "\"a\"", false, false},
      {"9110 8.8.3: not a part of a tag", "\"x,\",\"y\"", "\",\"", false, false},
      {"9110 8.8.3: a backslash in the tag", "\"a\\\", \"b\"", "\"b\"", true, true},
      {"9110 8.8.3: a malformed member before", "x, \"a\"", "\"a\"", false, true},
      {"9110 8.8.3: a malformed member behind", "\"a\", x", "\"a\"", false, true},
      {"9110 8.8.3: * beside others", "*, \"a\"", "\"a\"", false, true},
      {"9110 8.8.3: * beside others", "*, \"b\"", "\"a\"", false, false},
      {"9110 8.8.3: w/", "w/\"a\"", "\"a\"", false, false},
      {"9110 8.8.3: no quotes", "a", "\"a\"", false, false},
      {"9110 8.8.3: one quote", "\"a", "\"a\"", false, false},
      {"9110 8.8.3: one quote", "\"x, \"a\"", "\"a\"", false, false},
      {"9110 8.8.3: two tags without a comma", "\"a\"\"a\"", "\"a\"", false, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_entity_tag tag = {0};
    if (cases[i].tag != NULL) tag = tag_of(cases[i].tag);
    cachette_slice line = heap_slice(cases[i].line, strlen(cases[i].line));
    const cachette__http_entity_tag *one = cases[i].tag != NULL ? &tag : NULL;
    if (cachette__http_tag_list_matches(line, one, true) != cases[i].if_match ||
        cachette__http_tag_list_matches(line, one, false) != cases[i].if_none_match)
      fail_msg("RFC %s: %s", cases[i].section, cases[i].line);
    free_slice(line);
  }
}

/* What is behind a slice must not count: each part of a line is read in its own block, and in the
 * whole line. */
static void each_part_of_a_line_is_read_by_itself(void **state) {
  (void)state;
  static const char line[] = "\"a\\\", W/\"b,c\" ,x, *,W/\"\", \"d e\",\"f";
  for (size_t size = 0; size < sizeof line; size++) {
    char alone[100], inside[100];
    cachette_slice part = heap_slice(line, size);
    write_members(part, alone);
    write_members((cachette_slice){line, size}, inside);
    assert_string_equal(alone, inside);
    free_slice(part);
  }
}

/* ---- Random lists ---- */

/* A pseudo-random number below `count`; the same in each run. */
static unsigned pick(uint64_t *seed, unsigned count) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return (unsigned)((*seed >> 16) % count);
}

static const char *const random_tags[] = {
    "\"\"",       "\"a\"", "W/\"a\"", "\",\"", "\"\\\"",
    "W/\"a,\\\"", "\"b\"", "\"W/\"",  "\"*\"", "W/\"\"",
};
static const char *const separators[] = {",", ", ", " ,", "\t,\t ", ",,", ", , "};

/* A list that was put together from known tags has these, and matches what one of them does. */
static void random_lists_have_the_members_that_they_were_made_of(void **state) {
  (void)state;
  uint64_t seed = 88172645463325252;
  for (int round = 0; round < 20000; round++) {
    char line[200] = "", expected[200] = "", members[200];
    cachette__http_entity_tag tag = tag_of(random_tags[pick(&seed, LENGTH(random_tags))]);
    bool matches[2] = {false, false};
    for (unsigned left = 1 + pick(&seed, 6); left > 0; left--) {
      const char *text = random_tags[pick(&seed, LENGTH(random_tags))];
      cachette__http_entity_tag member = tag_of(text);
      bool is_same = tag.opaque.size == member.opaque.size &&
                     memcmp(tag.opaque.data, member.opaque.data, tag.opaque.size) == 0;
      matches[false] |= is_same;
      matches[true] |= is_same && !tag.weak && !member.weak;
      strcat(strcat(expected, " "), text);
      strcat(line, text);
      if (left > 1) strcat(line, separators[pick(&seed, LENGTH(separators))]);
    }
    cachette_slice slice = heap_slice(line, strlen(line));
    write_members(slice, members);
    assert_string_equal(members, expected);
    assert_int_equal(cachette__http_tag_list_matches(slice, &tag, false), matches[false]);
    assert_int_equal(cachette__http_tag_list_matches(slice, &tag, true), matches[true]);
    free_slice(slice);
  }
}

/* If-Match permits a change, so a byte that makes a line malformed must not make it match. */
static void a_line_that_one_byte_damages_does_not_match_if_match(void **state) {
  (void)state;
  static const char good[] = "\"b\", \"c\"";
  cachette__http_entity_tag tag = tag_of("\"a\"");
  size_t matched = 0;
  for (size_t at = 0; at < sizeof good - 1; at++) {
    for (int byte = 0; byte < 256; byte++) {
      char line[sizeof good];
      memcpy(line, good, sizeof good);
      line[at] = (char)byte;
      cachette_slice slice = heap_slice(line, sizeof line - 1);
      if (cachette__http_tag_list_matches(slice, &tag, true)) matched++;
      free_slice(slice);
    }
  }
  assert_int_equal(matched, 2); /* where `a` replaces b and where it replaces c */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tag_is_a_quoted_text_without_escapes),
      cmocka_unit_test(each_character_inside_the_quotes_is_as_the_grammar_says),
      cmocka_unit_test(tags_are_compared_strongly_and_weakly),
      cmocka_unit_test(a_list_is_read_member_by_member),
      cmocka_unit_test(a_line_matches_a_tag_or_not),
      cmocka_unit_test(each_part_of_a_line_is_read_by_itself),
      cmocka_unit_test(random_lists_have_the_members_that_they_were_made_of),
      cmocka_unit_test(a_line_that_one_byte_damages_does_not_match_if_match),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
