/* SPDX-License-Identifier: MIT */
/*
 * The parser of Structured Fields: what a field means, and which fields are refused.
 * The tests write a parsed field as text:
 *
 *     k=(a "b");x, :aGk=:      k=(ta sb);x=b1, x6869
 *
 * A letter for its type precedes each value: i(nteger), d(ecimal, in thousandths), b(oolean),
 * D(ate), t(oken), s(tring), x (bytes, in hexadecimal), u (display string).
 */
#include "http/structured.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "structured_copy.h"
#include "support.h"

enum { TEXT_MAX = 4096, LINES_MAX = 4 };

#define LIST CACHETTE__SF_LIST
#define DICTIONARY CACHETTE__SF_DICTIONARY
#define ITEM CACHETTE__SF_ITEM

/* ---- A parsed field as text ---- */

struct text {
  char characters[TEXT_MAX];
  size_t size;
};

static void add(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t rest = sizeof text->characters - text->size;
  int size = vsnprintf(text->characters + text->size, rest, format, arguments);
  va_end(arguments);
  assert_true(size >= 0 && (size_t)size < rest);
  text->size += (size_t)size;
}

static void add_value(struct text *text, const cachette__sf_item *item) {
  unsigned char decoded[TEXT_MAX];
  if (item->key.size > 0) add(text, "%.*s=", (int)item->key.size, (const char *)item->key.data);
  if (item->type == CACHETTE__SF_INNER) return;
  add(text, "%c", "idbDtsxu"[item->type]);
  if (item->type <= CACHETTE__SF_DATE) {
    add(text, "%" PRId64, item->number);
    return;
  }
  size_t size = cachette__sf_decode(item, decoded, sizeof decoded);
  assert_true(size <= item->text.size);
  for (size_t i = 0; i < size; i++)
    add(text, item->type == CACHETTE__SF_BYTES ? "%02x" : "%c", decoded[i]);
}

static void add_parameters(struct text *text, cachette_slice parameters) {
  cachette__sf_item parameter;
  while (cachette__sf_next_parameter(&parameters, &parameter)) {
    add(text, ";");
    add_value(text, &parameter);
  }
  assert_int_equal(parameters.size, 0);
}

static void add_items(struct text *text, cachette_slice items) {
  cachette__sf_item item;
  add(text, "(");
  for (const char *gap = ""; cachette__sf_next_item(&items, &item); gap = " ") {
    add(text, "%s", gap);
    add_value(text, &item);
    add_parameters(text, item.parameters);
  }
  assert_int_equal(items.size, 0);
  add(text, ")");
}

/* Returns false if the field is refused, and checks that it then has no members. */
static bool describe(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count,
                     struct text *text) {
  cachette__sf field;
  cachette__sf_item member;
  bool is_valid = cachette__sf_begin(&field, kind, lines, count);
  text->size = 0;
  add(text, "%s", "");
  while (cachette__sf_next(&field, &member)) {
    add(text, "%s", text->size > 0 ? ", " : "");
    add_value(text, &member);
    if (member.type == CACHETTE__SF_INNER) add_items(text, member.text);
    add_parameters(text, member.parameters);
  }
  assert_true(is_valid || text->size == 0);
  return is_valid;
}

/* ---- Lines in blocks of their exact size, which detects reads beyond their ends ---- */

static cachette_slice line_of(const char *bytes, size_t size) {
  char *copy = test_malloc(size);
  if (size > 0) memcpy(copy, bytes, size);
  return (cachette_slice){copy, size};
}

static bool describe_bytes(enum cachette__sf_kind kind, const char *bytes, size_t size,
                           struct text *text) {
  cachette_slice line = line_of(bytes, size);
  bool is_valid = describe(kind, &line, 1, text);
  test_free((void *)line.data);
  return is_valid;
}

/* Serializes what a line means. Returns false if the line is refused. */
static bool rewrite(enum cachette__sf_kind kind, const char *bytes, size_t size,
                    struct text *text) {
  int status;
  cachette_slice line = line_of(bytes, size);
  bool is_valid = structured_copy(kind, &line, 1, text->characters, sizeof text->characters - 1,
                                  &status, &text->size);
  test_free((void *)line.data);
  if (!is_valid) return false;
  assert_int_equal(status, 0);
  text->characters[text->size] = '\0';
  return true;
}

/* ---- Valid fields ---- */

struct row {
  const char *section; /* of RFC 9651 */
  enum cachette__sf_kind kind;
  const char *field, *meaning;
  const char *canonical; /* NULL: as the field */
};

static const struct row valid[] = {
    {"4.2", ITEM, "  a  ", "ta", "a"},
    {"4.2", LIST, "  a  ", "ta", "a"},
    {"4.2", DICTIONARY, "  a  ", "a=b1", "a"},
    {"4.2", LIST, "", "", NULL},
    {"4.2", LIST, "   ", "", ""},
    {"4.2", DICTIONARY, "", "", NULL},
    {"4.2.1", LIST, "a", "ta", NULL},
    {"4.2.1", LIST, "a,b", "ta, tb", "a, b"},
    {"4.2.1", LIST, "a \t,\t b", "ta, tb", "a, b"},
    {"4.2.1", LIST, "a\t", "ta", "a"},
    {"4.2.1", LIST, "a, a", "ta, ta", NULL},
    {"4.2.1", LIST, "1;a;b=2, (3);c", "i1;a=b1;b=i2, (i3);c=b1", NULL},
    {"4.2.1.2", LIST, "()", "()", NULL},
    {"4.2.1.2", LIST, "(  )", "()", "()"},
    {"4.2.1.2", LIST, "(  a   b  )", "(ta tb)", "(a b)"},
    {"4.2.1.2", LIST, "(a;x b;y=1);z", "(ta;x=b1 tb;y=i1);z=b1", NULL},
    {"4.2.1.2", LIST, "(\")\" \"(\"), ()", "(s) s(), ()", NULL},
    {"4.2.2", DICTIONARY, "a=1,b=2", "a=i1, b=i2", "a=1, b=2"},
    {"4.2.2", DICTIONARY, "a, b;x, c=?0", "a=b1, b=b1;x=b1, c=b0", NULL},
    {"4.2.2", DICTIONARY, "a=?1;x=?1", "a=b1;x=b1", "a;x"},
    {"4.2.2", DICTIONARY, "a=(1 2);q, b=()", "a=(i1 i2);q=b1, b=()", NULL},
    {"4.2.2", DICTIONARY, "a=1, b, a=2", "a=i1, b=b1, a=i2", NULL},
    {"4.2.3.2", ITEM, "a;  b;c=1", "ta;b=b1;c=i1", "a;b;c=1"},
    {"4.2.3.2", ITEM, "a;b=?0;b=c", "ta;b=b0;b=tc", NULL},
    {"4.2.3.3", ITEM, "a;*=1;*-_.9z", "ta;*=i1;*-_.9z=b1", NULL},
    {"4.2.4", ITEM, "0", "i0", NULL},
    {"4.2.4", ITEM, "-0", "i0", "0"},
    {"4.2.4", ITEM, "0042", "i42", "42"},
    {"4.2.4", ITEM, "999999999999999", "i999999999999999", NULL},
    {"4.2.4", ITEM, "-999999999999999", "i-999999999999999", NULL},
    {"4.2.4", ITEM, "000000000000001", "i1", "1"},
    {"4.2.4", ITEM, "1.5", "d1500", NULL},
    {"4.2.4", ITEM, "-0.05", "d-50", NULL},
    {"4.2.4", ITEM, "-0.0", "d0", "0.0"},
    {"4.2.4", ITEM, "1.000", "d1000", "1.0"},
    {"4.2.4", ITEM, "1.010", "d1010", "1.01"},
    {"4.2.4", ITEM, "1.001", "d1001", NULL},
    {"4.2.4", ITEM, "999999999999.999", "d999999999999999", NULL},
    {"4.2.4", ITEM, "-999999999999.999", "d-999999999999999", NULL},
    {"4.2.5", ITEM, "\"\"", "s", NULL},
    {"4.2.5", ITEM, "\"a, b;c\"", "sa, b;c", NULL},
    {"4.2.5", ITEM, "\"\\\"\\\\\"", "s\"\\", NULL},
    {"4.2.5", ITEM, "\" ~\"", "s ~", NULL},
    {"4.2.6", ITEM, "*", "t*", NULL},
    {"4.2.6", ITEM, "A/b:c", "tA/b:c", NULL},
    {"4.2.6", ITEM, "a!#$%&'*+-.^_`|~:/9", "ta!#$%&'*+-.^_`|~:/9", NULL},
    {"4.2.7", ITEM, "::", "x", NULL},
    {"4.2.7", ITEM, ":AP8=:", "x00ff", NULL},
    {"4.2.7", ITEM, ":AP8:", "x00ff", ":AP8=:"},
    {"4.2.7", ITEM, ":AP9=:", "x00ff", ":AP8=:"},
    {"4.2.7", ITEM, ":Zg:", "x66", ":Zg==:"},
    {"4.2.7", ITEM, ":Zg==:", "x66", NULL},
    {"4.2.7", ITEM, ":+/+/:", "xfbffbf", NULL},
    {"4.2.7", ITEM, ":+/+/Zm8=:", "xfbffbf666f", NULL},
    {"4.2.8", ITEM, "?0", "b0", NULL},
    {"4.2.8", ITEM, "?1;a", "b1;a=b1", NULL},
    {"4.2.9", ITEM, "@0", "D0", NULL},
    {"4.2.9", ITEM, "@-1659578233", "D-1659578233", NULL},
    {"4.2.9", ITEM, "@999999999999999", "D999999999999999", NULL},
    {"4.2.10", ITEM, "%\"\"", "u", NULL},
    {"4.2.10", ITEM, "%\"a\\ b\"", "ua\\ b", NULL},
    {"4.2.10", ITEM, "%\"f%c3%bc\"", "uf\xc3\xbc", NULL},
    {"4.2.10", ITEM, "%\"%61%25%22\"", "ua%\"", "%\"a%25%22\""},
    {"4.2.10", ITEM, "%\"%7f%0a\"", "u\x7f\n", NULL},
    {"4.2.10", ITEM, "%\"%df%bf%e0%a0%80%ed%9f%bf%ee%80%80\"",
     "u\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", NULL},
    {"4.2.10", ITEM, "%\"%f0%90%80%80%f4%8f%bf%bf\"", "u\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", NULL},
    {"RFC 9211", LIST, "Edge;hit;ttl=376, \"o\\\\x\";fwd=uri-miss;detail=\"a\"",
     "tEdge;hit=b1;ttl=i376, so\\x;fwd=turi-miss;detail=sa", NULL},
    {"RFC 9875", LIST, "\"scripts\", \"a\";x=1", "sscripts, sa;x=i1", NULL},
    {"No-Vary-Search", DICTIONARY, "params, except=(\"x\" \"\"), key-order=?0",
     "params=b1, except=(sx s), key-order=b0", NULL},
    {"RFC 9213", DICTIONARY, "max-age=600, private, x=\"y\";z",
     "max-age=i600, private=b1, x=sy;z=b1", NULL},
};

static void a_valid_field_has_its_meaning_and_its_canonical_form(void **state) {
  (void)state;
  struct text text;
  for (size_t i = 0; i < LENGTH(valid); i++) {
    const struct row *row = &valid[i];
    const char *canonical = row->canonical != NULL ? row->canonical : row->field;
    if (!describe_bytes(row->kind, row->field, strlen(row->field), &text))
      fail_msg("%s: %s is refused", row->section, row->field);
    assert_string_equal(text.characters, row->meaning);
    assert_true(rewrite(row->kind, row->field, strlen(row->field), &text));
    assert_string_equal(text.characters, canonical);
    assert_true(rewrite(row->kind, canonical, strlen(canonical), &text));
    assert_string_equal(text.characters, canonical);
  }
}

/* ---- Refused fields ---- */

struct bad {
  const char *section;
  enum cachette__sf_kind kind;
  const char *field;
};

static const struct bad refused[] = {
    {"4.2: no item", ITEM, ""},
    {"4.2: no item", ITEM, "  "},
    {"4.2: only spaces may surround an item", ITEM, "\ta"},
    {"4.2: only spaces may surround an item", ITEM, "a\t"},
    {"4.2: only spaces may precede a list", LIST, "\ta"},
    {"4.2: something follows the item", ITEM, "a b"},
    {"4.2: something follows the item", ITEM, "a, b"},
    {"4.2: an item is not an inner list", ITEM, "(a)"},
    {"4.2: not ASCII", ITEM, "\xc3\xbc"},
    {"4.2: not ASCII", LIST, "a, \xe2\x82\xac"},
    {"4.2.1: a trailing comma", LIST, "a,"},
    {"4.2.1: a trailing comma", LIST, "a, "},
    {"4.2.1: an empty member", LIST, "a,,b"},
    {"4.2.1: an empty member", LIST, ",a"},
    {"4.2.1: no comma", LIST, "a b"},
    {"4.2.1: not a list's separator", LIST, "a; b; c d"},
    {"4.2.1.2: no end", LIST, "("},
    {"4.2.1.2: no end", LIST, "(a"},
    {"4.2.1.2: no end", LIST, "(a "},
    {"4.2.1.2: no space between items", LIST, "(a\"b\")"},
    {"4.2.1.2: a tab between items", LIST, "(a\tb)"},
    {"4.2.1.2: a comma between items", LIST, "(a, b)"},
    {"4.2.1.2: nested", LIST, "((a))"},
    {"4.2.1.2: an end too many", LIST, "(a))"},
    {"4.2.1.2: parameters without an item", LIST, "(;a)"},
    {"4.2.1.2: a space before the semicolon", LIST, "(a ; x)"},
    {"4.2.2: no key", DICTIONARY, "=1"},
    {"4.2.2: no value", DICTIONARY, "a="},
    {"4.2.2: a space before the value", DICTIONARY, "a= 1"},
    {"4.2.2: a space after the key", DICTIONARY, "a =1"},
    {"4.2.2: a trailing comma", DICTIONARY, "a=1,"},
    {"4.2.2: no comma", DICTIONARY, "a b"},
    {"4.2.2: a member without a key", DICTIONARY, "a, (b)"},
    {"4.2.3.2: no key", ITEM, "a;"},
    {"4.2.3.2: no key", ITEM, "a;;b"},
    {"4.2.3.2: no value", ITEM, "a;b="},
    {"4.2.3.2: a space before the value", ITEM, "a;b= 1"},
    {"4.2.3.2: a space after the key", ITEM, "a;b =1"},
    {"4.2.3.2: a space before the semicolon", ITEM, "a ;b"},
    {"4.2.3.2: a tab before the key", ITEM, "a;\tb"},
    {"4.2.3.2: an inner list", ITEM, "a;b=(c)"},
    {"4.2.3.3: an upper-case key", DICTIONARY, "A=1"},
    {"4.2.3.3: an upper-case key", DICTIONARY, "aB=1"},
    {"4.2.3.3: a key that begins with a digit", DICTIONARY, "1a"},
    {"4.2.3.3: a key that begins with a hyphen", ITEM, "a;-b"},
    {"4.2.4: no digits", ITEM, "-"},
    {"4.2.4: no digits", ITEM, "--1"},
    {"4.2.4: a sign", ITEM, "+1"},
    {"4.2.4: sixteen digits", ITEM, "1000000000000000"},
    {"4.2.4: sixteen digits", ITEM, "0000000000000001"},
    {"4.2.4: sixteen digits", ITEM, "-9999999999999999999999999999"},
    {"4.2.4: thirteen digits before the point", ITEM, "1000000000000.0"},
    {"4.2.4: no digit before the point", ITEM, ".5"},
    {"4.2.4: no digit before the point", ITEM, "-.5"},
    {"4.2.4: no digit after the point", ITEM, "5."},
    {"4.2.4: no digit after the point", LIST, "5., 6"},
    {"4.2.4: four digits after the point", ITEM, "1.0000"},
    {"4.2.4: two points", ITEM, "1.5.0"},
    {"4.2.4: an exponent", ITEM, "1e3"},
    {"4.2.5: no end", ITEM, "\""},
    {"4.2.5: no end", ITEM, "\"a\\\""},
    {"4.2.5: no end", ITEM, "\"a\\"},
    {"4.2.5: another escape", ITEM, "\"\\a\""},
    {"4.2.5: a control character", ITEM, "\"\t\""},
    {"4.2.5: a control character", ITEM, "\"\x7f\""},
    {"4.2.5: not ASCII", ITEM, "\"\xc3\xbc\""},
    {"4.2.5: single quotes", ITEM, "'a'"},
    {"4.2.6: another first character", ITEM, "!a"},
    {"4.2.6: another character", ITEM, "a@"},
    {"4.2.6: another character", ITEM, "a(b"},
    {"4.2.7: no end", ITEM, ":Zg=="},
    {"4.2.7: no end", ITEM, ":"},
    {"4.2.7: a single digit", ITEM, ":Z:"},
    {"4.2.7: a single digit", ITEM, ":Zm9vZ:"},
    {"4.2.7: a part of the padding", ITEM, ":Zg=:"},
    {"4.2.7: too much padding", ITEM, ":Zm8==:"},
    {"4.2.7: too much padding", ITEM, ":Zm9v=:"},
    {"4.2.7: too much padding", ITEM, ":Zg===:"},
    {"4.2.7: padding alone", ITEM, ":==:"},
    {"4.2.7: digits after padding", ITEM, ":Zg==Zg==:"},
    {"4.2.7: the URL alphabet", ITEM, ":-_-_:"},
    {"4.2.7: a space", ITEM, ":Zm 8=:"},
    {"4.2.8: no value", ITEM, "?"},
    {"4.2.8: another value", ITEM, "?2"},
    {"4.2.8: another value", ITEM, "?t"},
    {"4.2.8: more", ITEM, "?10"},
    {"4.2.9: no number", ITEM, "@"},
    {"4.2.9: a decimal", ITEM, "@1.0"},
    {"4.2.9: a space", ITEM, "@ 1"},
    {"4.2.9: two signs", ITEM, "@@1"},
    {"4.2.10: no quote", ITEM, "%"},
    {"4.2.10: no quote", ITEM, "%a"},
    {"4.2.10: no end", ITEM, "%\""},
    {"4.2.10: no end", ITEM, "%\"%22"},
    {"4.2.10: no second digit", ITEM, "%\"%a\""},
    {"4.2.10: upper-case digits", ITEM, "%\"f%C3%BC\""},
    {"4.2.10: another digit", ITEM, "%\"%6g\""},
    {"4.2.10: a control character", ITEM, "%\"\n\""},
    {"4.2.10: not encoded", ITEM, "%\"\xc3\xbc\""},
    {"4.2.10: not UTF-8", ITEM, "%\"%80\""},
    {"4.2.10: not UTF-8", ITEM, "%\"%c3\""},
    {"4.2.10: not UTF-8", ITEM, "%\"%c3a\""},
    {"4.2.10: not UTF-8", ITEM, "%\"%ff\""},
    {"4.2.10: not the shortest form", ITEM, "%\"%c1%bf\""},
    {"4.2.10: not the shortest form", ITEM, "%\"%e0%9f%bf\""},
    {"4.2.10: not the shortest form", ITEM, "%\"%f0%8f%bf%bf\""},
    {"4.2.10: a surrogate", ITEM, "%\"%ed%a0%80\""},
    {"4.2.10: beyond Unicode", ITEM, "%\"%f4%90%80%80\""},
    {"4.2.10: beyond Unicode", ITEM, "%\"%f5%80%80%80\""},
    {"RFC 9875: an inner list without an end", LIST, "\"scripts\", \"a\";x=("},
};

static void an_invalid_field_is_refused_and_has_no_members(void **state) {
  (void)state;
  struct text text;
  for (size_t i = 0; i < LENGTH(refused); i++) {
    const struct bad *row = &refused[i];
    if (describe_bytes(row->kind, row->field, strlen(row->field), &text))
      fail_msg("%s: %s is accepted", row->section, row->field);
  }
}

static void an_error_in_the_last_member_refuses_the_first(void **state) {
  (void)state;
  struct text text;
  char field[TEXT_MAX];
  for (size_t i = 0; i < LENGTH(refused); i++) {
    if (refused[i].kind != LIST) continue;
    snprintf(field, sizeof field, "first, %s", refused[i].field);
    /* Blanks are allowed there, and so is what precedes no list. */
    if (strcmp(refused[i].field, "\ta") == 0) continue;
    if (describe_bytes(LIST, field, strlen(field), &text))
      fail_msg("%s: %s is accepted", refused[i].section, field);
  }
}

static void a_nul_is_no_character_of_any_value(void **state) {
  (void)state;
  static const char fields[][5] = {"a\0b", "\"\0\"", ":\0:", "1\0", "%\"\0\"", "?1\0", "\0"};
  static const size_t sizes[] = {3, 3, 3, 2, 4, 3, 1};
  struct text text;
  for (size_t i = 0; i < LENGTH(sizes); i++)
    assert_false(describe_bytes(ITEM, fields[i], sizes[i], &text));
}

/* ---- Properties ---- */

/* A field that is accepted is accepted again, and unchanged, once it is canonical. */
static void expect_stable(const char *bytes, size_t size) {
  static const enum cachette__sf_kind kinds[] = {LIST, DICTIONARY, ITEM};
  struct text once, twice;
  for (size_t i = 0; i < LENGTH(kinds); i++) {
    if (!rewrite(kinds[i], bytes, size, &once)) continue;
    assert_true(rewrite(kinds[i], once.characters, once.size, &twice));
    assert_string_equal(once.characters, twice.characters);
    assert_true(describe_bytes(kinds[i], bytes, size, &once));
  }
}

static void every_beginning_of_a_field_is_valid_or_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(valid); i++) {
    for (size_t size = 0; size <= strlen(valid[i].field); size++)
      expect_stable(valid[i].field, size);
  }
}

static void a_field_with_any_byte_changed_is_valid_or_refused(void **state) {
  (void)state;
  static const char bytes[] = "\0\t \"%()*,-.09:;=?@AZ\\a_z~\x7f\x80\xff";
  char field[TEXT_MAX];
  for (size_t i = 0; i < LENGTH(valid); i++) {
    size_t size = strlen(valid[i].field);
    for (size_t at = 0; at < size; at++) {
      memcpy(field, valid[i].field, size);
      for (size_t byte = 0; byte < sizeof bytes - 1; byte++) {
        field[at] = bytes[byte];
        expect_stable(field, size);
      }
    }
  }
}

/* ---- Lines ---- */

static const struct {
  enum cachette__sf_kind kind;
  const char *lines[LINES_MAX];
  const char *meaning; /* NULL: refused */
} several[] = {
    {LIST, {NULL}, ""},
    {DICTIONARY, {NULL}, ""},
    {ITEM, {NULL}, NULL},
    {LIST, {"a", "b"}, "ta, tb"},
    {LIST, {"a, b", "c", "d;x"}, "ta, tb, tc, td;x=b1"},
    {LIST, {" a\t", "\tb "}, "ta, tb"},
    {LIST, {"a,", "b"}, NULL},
    {LIST, {"a", ",b"}, NULL},
    {LIST, {"a", ""}, NULL},
    {LIST, {"", "a"}, NULL},
    {LIST, {"", ""}, NULL},
    {LIST, {"a", " ", "b"}, NULL},
    {LIST, {"a", "b", "!"}, NULL},
    {LIST, {"!", "b"}, NULL},
    {LIST, {"(a", "b)"}, NULL},
    {LIST, {"\"a", "b\""}, NULL},
    {LIST, {"a;", "b"}, NULL},
    {LIST, {"a", ";b"}, NULL},
    {DICTIONARY, {"a=1", "b, a=2"}, "a=i1, b=b1, a=i2"},
    {DICTIONARY, {"a=", "1"}, NULL},
    {DICTIONARY, {"a", "=1"}, NULL},
    {ITEM, {"a"}, "ta"},
    {ITEM, {"a", "b"}, NULL},
    {ITEM, {"a", ""}, NULL},
    {ITEM, {"", "a"}, NULL},
    {ITEM, {"\"a", "b\""}, NULL},
};

static void lines_are_joined_with_commas(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(several); i++) {
    struct text text;
    cachette_slice lines[LINES_MAX];
    size_t count = 0;
    for (; count < LINES_MAX && several[i].lines[count] != NULL; count++)
      lines[count] = line_of(several[i].lines[count], strlen(several[i].lines[count]));
    bool is_valid = describe(several[i].kind, count > 0 ? lines : NULL, count, &text);
    if (is_valid != (several[i].meaning != NULL)) fail_msg("case %zu", i);
    if (is_valid) assert_string_equal(text.characters, several[i].meaning);
    for (size_t line = 0; line < count; line++) test_free((void *)lines[line].data);
  }
}

static void a_line_without_bytes_may_be_a_null_pointer(void **state) {
  (void)state;
  struct text text;
  const cachette_slice none = {NULL, 0};
  assert_true(describe(LIST, &none, 1, &text));
  assert_true(describe(DICTIONARY, &none, 1, &text));
  assert_false(describe(ITEM, &none, 1, &text));
}

/* ---- Keys ---- */

static void of_equal_keys_the_last_one_counts(void **state) {
  (void)state;
  const cachette_slice line = cachette_str("a=1, b=2;x=3;y;x=4, a=5, ab=6");
  cachette__sf field;
  cachette__sf_item member, parameter;
  assert_true(cachette__sf_begin(&field, DICTIONARY, &line, 1));
  assert_true(cachette__sf_find(&field, cachette_str("a"), &member));
  assert_int_equal(member.number, 5);
  assert_true(cachette__sf_find(&field, cachette_str("b"), &member));
  assert_int_equal(member.number, 2);
  assert_true(cachette__sf_find_parameter(member.parameters, cachette_str("x"), &parameter));
  assert_int_equal(parameter.number, 4);
  assert_false(cachette__sf_find_parameter(member.parameters, cachette_str("z"), &parameter));
  assert_false(cachette__sf_find(&field, cachette_str("A"), &member));
  assert_false(cachette__sf_find(&field, cachette_str(""), &member));
  /* To find is not to read on. */
  assert_true(cachette__sf_next(&field, &member));
  assert_int_equal(member.number, 1);
}

static void nothing_is_found_in_a_refused_field(void **state) {
  (void)state;
  const cachette_slice line = cachette_str("a=1, b=");
  cachette__sf field;
  cachette__sf_item member = {.number = 7};
  assert_false(cachette__sf_begin(&field, DICTIONARY, &line, 1));
  assert_false(cachette__sf_find(&field, cachette_str("a"), &member));
  assert_int_equal(member.number, 7);
}

static void a_name_matches_with_its_case(void **state) {
  (void)state;
  assert_true(cachette__sf_is(cachette_str("hit"), "hit"));
  assert_false(cachette__sf_is(cachette_str("hit"), "Hit"));
  assert_false(cachette__sf_is(cachette_str("hit"), "hits"));
  assert_false(cachette__sf_is(cachette_str("hits"), "hit"));
  assert_true(cachette__sf_is((cachette_slice){NULL, 0}, ""));
}

/* ---- Decoding ---- */

static void a_text_is_decoded_if_the_buffer_is_large_enough(void **state) {
  (void)state;
  static const struct {
    const char *field, *text;
  } cases[] = {
      {"abc", "abc"}, {"\"a\\\\b\"", "a\\b"}, {":YWJj:", "abc"}, {"%\"a%c3%bc\"", "a\xc3\xbc"}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    const cachette_slice line = cachette_str(cases[i].field);
    cachette__sf field;
    cachette__sf_item item;
    assert_true(cachette__sf_begin(&field, ITEM, &line, 1));
    assert_true(cachette__sf_next(&field, &item));
    assert_int_equal(cachette__sf_decode(&item, NULL, 0), 3);
    char few[2] = {'.', '.'};
    assert_int_equal(cachette__sf_decode(&item, few, sizeof few), 3);
    assert_memory_equal(few, "..", 2);
    char *buffer = test_malloc(3); /* detects writes beyond its ends */
    assert_int_equal(cachette__sf_decode(&item, buffer, 3), 3);
    assert_memory_equal(buffer, cases[i].text, 3);
    test_free(buffer);
  }
}

static void numbers_have_no_text(void **state) {
  (void)state;
  const cachette__sf_item item = cachette__sf_integer(5);
  assert_int_equal(cachette__sf_decode(&item, NULL, 0), 0);
}

static void a_malformed_text_ends_where_it_is_malformed(void **state) {
  (void)state;
  static const struct {
    enum cachette__sf_type type;
    const char *text;
    size_t size;
  } cases[] = {
      {CACHETTE__SF_STRING, "a\\", 1},  {CACHETTE__SF_DISPLAY, "a%", 1},
      {CACHETTE__SF_DISPLAY, "a%c", 1}, {CACHETTE__SF_DISPLAY, "a%cg", 1},
      {CACHETTE__SF_BYTES, "YWI!", 2},  {CACHETTE__SF_BYTES, "Y", 0},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice text = line_of(cases[i].text, strlen(cases[i].text));
    cachette__sf_item item = {.type = cases[i].type, .text = text, .encoded = true};
    assert_int_equal(cachette__sf_decode(&item, NULL, 0), cases[i].size);
    test_free((void *)text.data);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_valid_field_has_its_meaning_and_its_canonical_form),
      cmocka_unit_test(an_invalid_field_is_refused_and_has_no_members),
      cmocka_unit_test(an_error_in_the_last_member_refuses_the_first),
      cmocka_unit_test(a_nul_is_no_character_of_any_value),
      cmocka_unit_test(every_beginning_of_a_field_is_valid_or_refused),
      cmocka_unit_test(a_field_with_any_byte_changed_is_valid_or_refused),
      cmocka_unit_test(lines_are_joined_with_commas),
      cmocka_unit_test(a_line_without_bytes_may_be_a_null_pointer),
      cmocka_unit_test(of_equal_keys_the_last_one_counts),
      cmocka_unit_test(nothing_is_found_in_a_refused_field),
      cmocka_unit_test(a_name_matches_with_its_case),
      cmocka_unit_test(a_text_is_decoded_if_the_buffer_is_large_enough),
      cmocka_unit_test(numbers_have_no_text),
      cmocka_unit_test(a_malformed_text_ends_where_it_is_malformed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
