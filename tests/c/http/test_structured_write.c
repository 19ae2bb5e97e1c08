/* SPDX-License-Identifier: MIT */
/* The writer of Structured Fields: what is serialized, and what is refused. */
#include "http/structured.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "support.h"

enum { TEXT_MAX = 4096 };

#define LIST CACHETTE__SF_LIST
#define DICTIONARY CACHETTE__SF_DICTIONARY
#define ITEM CACHETTE__SF_ITEM

/* ---- Values ---- */

static cachette__sf_item item_of(enum cachette__sf_type type, const char *text, int64_t number) {
  return (cachette__sf_item){.type = type, .text = cachette_str(text), .number = number};
}

#define NUMBER(type, number, expected) \
  { CACHETTE__SF_##type, "", number, expected }
#define TEXT(type, text, expected) \
  { CACHETTE__SF_##type, text, 0, expected }
#define MAX CACHETTE__SF_NUMBER_MAX

/* RFC 9651, 4.1.4 to 4.1.11. */
static const struct {
  enum cachette__sf_type type;
  const char *text;
  int64_t number;
  const char *expected; /* NULL: it is not serializable */
} values[] = {
    NUMBER(INTEGER, 0, "0"),
    NUMBER(INTEGER, -10, "-10"),
    NUMBER(INTEGER, MAX, "999999999999999"),
    NUMBER(INTEGER, -MAX, "-999999999999999"),
    NUMBER(INTEGER, MAX + 1, NULL),
    NUMBER(INTEGER, -MAX - 1, NULL),
    NUMBER(INTEGER, INT64_MAX, NULL),
    NUMBER(INTEGER, INT64_MIN, NULL),
    NUMBER(DECIMAL, 0, "0.0"),
    NUMBER(DECIMAL, 1, "0.001"),
    NUMBER(DECIMAL, -10, "-0.01"),
    NUMBER(DECIMAL, 1500, "1.5"),
    NUMBER(DECIMAL, 10203, "10.203"),
    NUMBER(DECIMAL, MAX, "999999999999.999"),
    NUMBER(DECIMAL, -MAX, "-999999999999.999"),
    NUMBER(DECIMAL, MAX + 1, NULL),
    NUMBER(DECIMAL, INT64_MIN, NULL),
    NUMBER(BOOLEAN, 0, "?0"),
    NUMBER(BOOLEAN, 1, "?1"),
    NUMBER(BOOLEAN, 2, NULL),
    NUMBER(DATE, -1, "@-1"),
    NUMBER(DATE, MAX, "@999999999999999"),
    NUMBER(DATE, MAX + 1, NULL),
    TEXT(TOKEN, "a", "a"),
    TEXT(TOKEN, "*a/b:c", "*a/b:c"),
    TEXT(TOKEN, "", NULL),
    TEXT(TOKEN, "1a", NULL),
    TEXT(TOKEN, "a b", NULL),
    TEXT(TOKEN, "a,", NULL),
    TEXT(TOKEN, "\xc3\xbc", NULL),
    TEXT(STRING, "", "\"\""),
    TEXT(STRING, "a\"b\\", "\"a\\\"b\\\\\""),
    TEXT(STRING, "a\nb", NULL),
    TEXT(STRING, "a\x7f", NULL),
    TEXT(STRING, "\xc3\xbc", NULL),
    TEXT(BYTES, "", "::"),
    TEXT(BYTES, "f", ":Zg==:"),
    TEXT(BYTES, "fo", ":Zm8=:"),
    TEXT(BYTES, "foo", ":Zm9v:"),
    TEXT(BYTES, "\xff\xef\xbe\xff", ":/+++/w==:"),
    TEXT(DISPLAY, "", "%\"\""),
    TEXT(DISPLAY, "a \"%\\", "%\"a %22%25\\\""),
    TEXT(DISPLAY, "\xc3\xbc\n\x7f", "%\"%c3%bc%0a%7f\""),
    TEXT(DISPLAY, "\xc3", NULL),
    TEXT(DISPLAY, "\xed\xa0\x80", NULL),
    NUMBER(INNER, 0, NULL),
};

static void a_value_is_serialized_or_refused(void **state) {
  (void)state;
  char text[TEXT_MAX];
  for (size_t i = 0; i < LENGTH(values); i++) {
    size_t size = 77;
    cachette__sf_writer writer;
    cachette__sf_item item = item_of(values[i].type, values[i].text, values[i].number);
    cachette__sf_writer_begin(&writer, ITEM, text, sizeof text);
    cachette__sf_write_member(&writer, &item);
    int status = cachette__sf_writer_end(&writer, &size);
    if (status != (values[i].expected != NULL ? 0 : CACHETTE_EINVAL)) fail_msg("case %zu", i);
    if (status == 0) assert_slice(((cachette_slice){text, size}), values[i].expected);
    if (status != 0) assert_int_equal(size, 77);
  }
}

/* RFC 9651, 4.1.5. */
static void a_decimal_is_rounded_to_thousandths_and_to_even(void **state) {
  (void)state;
  static const struct {
    double number;
    int64_t thousandths; /* INT64_MIN: it is not a decimal */
  } cases[] = {
      {0, 0},
      {1.5, 1500},
      {0.0015, 2},
      {0.0025, 2},
      {-0.0015, -2},
      {-0.0025, -2},
      {0.0004, 0},
      {9.9995, 10000},
      {999999999999.999, MAX},
      {-999999999999.999, -MAX},
      {999999999999.9996, INT64_MIN},
      {1e12, INT64_MIN},
      {-1e300, INT64_MIN},
      {INFINITY, INT64_MIN},
      {-INFINITY, INT64_MIN},
      {NAN, INT64_MIN},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__sf_item item = cachette__sf_decimal(cases[i].number);
    assert_int_equal(item.type, CACHETTE__SF_DECIMAL);
    if (item.number != cases[i].thousandths) fail_msg("case %zu: %" PRId64, i, item.number);
  }
}

/* ---- Calls ---- */

/*
 * The calls to a writer, as characters: m(ember), M (with a key), i(tem), ( an inner list, [ one
 * with a key, ) its end, ; a parameter, ! one with a bad key, ? one that is true, l one that is an
 * inner list.
 */
static void call(cachette__sf_writer *writer, char action) {
  cachette__sf_item item = item_of(CACHETTE__SF_TOKEN, "v", 0);
  if (strchr("M[;?l", action) != NULL) item.key = cachette_str("k");
  if (action == '!') item.key = cachette_str("K");
  if (strchr("([l", action) != NULL) item.type = CACHETTE__SF_INNER;
  if (action == '?')
    item = (cachette__sf_item){.key = item.key, .type = CACHETTE__SF_BOOLEAN, .number = 1};
  if (strchr("mM([", action) != NULL)
    cachette__sf_write_member(writer, &item);
  else if (action == 'i')
    cachette__sf_write_item(writer, &item);
  else if (action == ')')
    cachette__sf_write_inner_end(writer);
  else
    cachette__sf_write_parameter(writer, &item);
}

static const struct {
  enum cachette__sf_kind kind;
  const char *calls, *expected;
} calls[] = {
    {LIST, "", ""},
    {DICTIONARY, "", ""},
    {ITEM, "", NULL},
    {ITEM, "m;?", "v;k=v;k"},
    {ITEM, "mm", NULL},
    {ITEM, "M", NULL},
    {ITEM, "()", NULL},
    {LIST, "mm;m", "v, v;k=v, v"},
    {LIST, "(ii;)?", "(v v;k=v);k"},
    {LIST, "()m()", "(), v, ()"},
    {LIST, "(", NULL},
    {LIST, "(m)", NULL},
    {LIST, "(()", NULL},
    {LIST, "(;)", NULL},
    {LIST, "m)", NULL},
    {LIST, "i", NULL},
    {LIST, "mi", NULL},
    {LIST, ";m", NULL},
    {LIST, "M", NULL},
    {LIST, "m!", NULL},
    {LIST, "ml", NULL},
    {DICTIONARY, "M[i]", NULL},
    {DICTIONARY, "M[i);", "k=v, k=(v);k=v"},
    {DICTIONARY, "m", NULL},
    {DICTIONARY, "(", NULL},
};

static int write_calls(size_t row, char *buffer, size_t capacity, size_t *size) {
  cachette__sf_writer writer;
  cachette__sf_writer_begin(&writer, calls[row].kind, buffer, capacity);
  for (const char *each = calls[row].calls; *each != '\0'; each++) call(&writer, *each);
  return cachette__sf_writer_end(&writer, size);
}

static void calls_that_make_no_field_are_refused(void **state) {
  (void)state;
  char text[TEXT_MAX];
  for (size_t i = 0; i < LENGTH(calls); i++) {
    size_t size;
    int status = write_calls(i, text, sizeof text, &size);
    if (status != (calls[i].expected != NULL ? 0 : CACHETTE_EINVAL))
      fail_msg("%s: %d", calls[i].calls, status);
    if (status == 0) assert_slice(((cachette_slice){text, size}), calls[i].expected);
  }
}

static void a_small_buffer_is_never_exceeded_and_the_size_is_told(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(calls); i++) {
    if (calls[i].expected == NULL) continue;
    size_t whole = strlen(calls[i].expected);
    for (size_t capacity = 0; capacity <= whole; capacity++) {
      size_t size = 0;
      char *buffer = test_malloc(capacity); /* detects writes beyond its ends */
      int status = write_calls(i, capacity > 0 ? buffer : NULL, capacity, &size);
      assert_int_equal(status, capacity < whole ? CACHETTE_ETOOBIG : 0);
      assert_int_equal(size, whole);
      test_free(buffer);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_is_serialized_or_refused),
      cmocka_unit_test(a_decimal_is_rounded_to_thousandths_and_to_even),
      cmocka_unit_test(calls_that_make_no_field_are_refused),
      cmocka_unit_test(a_small_buffer_is_never_exceeded_and_the_size_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
