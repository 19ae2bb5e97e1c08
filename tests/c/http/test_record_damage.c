/* SPDX-License-Identifier: MIT */
/* Damaged and forged records. Every head is read in a block of exactly its size. */
#include "http/record.h"

#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "support.h"

#define SLICE(text) \
  { text, sizeof(text) - 1 }

enum { CHECKSUM = 8, COVERED = 16, HEAD_SIZE = 16, SIZES = 136, COUNTS = 152, TABLES = 160 };

/* Makes the checksum right again. */
static void seal(unsigned char *head, size_t size) {
  const cachette_slice covered = {head + COVERED, size - COVERED};
  uint64_t checksum = cachette__http_body_checksum(&covered, 1);
  for (size_t i = 0; i < 8; i++) head[CHECKSUM + i] = (unsigned char)(checksum >> 8 * i);
}

/* ---- Damage ---- */

static void a_record_with_any_byte_changed_is_none(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = head[i];
    for (unsigned change = 1; change < 256; change++) {
      head[i] = (unsigned char)(byte ^ change);
      if (record_is_valid(head, size)) fail_msg("byte %zu changed by %02x", i, change);
    }
    head[i] = byte;
  }
  assert_true(record_is_valid(head, size));
  free(head);
}

static void a_record_that_is_cut_off_in_its_head_is_none(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  for (size_t cut = 0; cut < size; cut++) {
    unsigned char *block = malloc(cut > 0 ? cut : 1);
    assert_non_null(block);
    memcpy(block, head, cut);
    if (record_is_valid(block, cut)) fail_msg("the first %zu bytes of %zu", cut, size);
    free(block);
  }
  assert_false(record_is_valid(NULL, 0));
  free(head);
}

/* ---- Forgery: the checksum is right, the rest is not ---- */

static void write_number(unsigned char *bytes, size_t size, uint64_t number) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(number >> 8 * i);
}

/* Where `record_small` has what. */
enum {
  NAME_ENDS = TABLES,
  TEXT_ENDS = NAME_ENDS + 2 * 4,
  KEY = TEXT_ENDS + (1 + 1 + 2) * 4,
  NAMES = KEY + 3 + 28,
  NAMES_SIZE = 4 + 7,
  TEXTS = NAMES + NAMES_SIZE,
  TEXTS_SIZE = 3 + 4 + 29,
};

/* A number of `record_small` that is replaced. Some are followed by the nearest one that is
 * accepted. */
static const struct {
  const char *text;
  size_t offset, size;
  uint64_t number;
  bool accepted;
} forgeries[] = {
    {"another magic", 0, 4, 0x50544869, false},
    {"an older version", 4, 4, 0, false},
    {"a newer version", 4, 4, 2, false},
    {"a version of another byte", 4, 4, 0x101, false},
    {"this version", 4, 4, 1, true},
    {"a status below the final ones", 20, 2, 199, false},
    {"the first final status", 20, 2, 200, true},
    {"a status above all classes", 20, 2, 600, false},
    {"the last status", 20, 2, 599, true},
    {"no status", 20, 2, 0, false},
    {"a flag that is not known", 22, 2, 64, false},
    {"the highest flag", 22, 2, 0x8000, false},
    {"all flags of a response", 22, 2, 62, true},
    {"an index with fields", 22, 2, 1, false},
    {"a negative request time", 24, 8, UINT64_MAX, false},
    {"a negative response time", 32, 8, UINT64_MAX, false},
    {"the beginning of time", 32, 8, 0, true},
    {"a negative date", 40, 8, UINT64_MAX, false},
    {"a negative age", 48, 8, UINT64_MAX, false},
    {"a negative lifetime", 56, 8, UINT64_MAX, false},
    {"the shortest lifetime", 56, 8, 0, true},
    {"a lifetime that sums overflow", 56, 8, CACHETTE__HTTP_MS_MAX + 1, false},
    {"the longest lifetime", 56, 8, CACHETTE__HTTP_MS_MAX, true},
    {"a lifetime of all bits but the sign", 56, 8, INT64_MAX, false},
    {"a negative window of stale-while-revalidate", 64, 8, UINT64_MAX, false},
    {"a negative window of stale-if-error", 72, 8, UINT64_MAX, false},
    {"no last modification", 80, 8, UINT64_MAX, true},
    {"a negative last modification", 80, 8, UINT64_MAX - 1, false},
    {"any generation", 88, 8, UINT64_MAX, true},
    {"a negative size of the body", 96, 8, UINT64_MAX, false},
    {"an empty body", 96, 8, 0, true},
    {"a whole response that begins later", 104, 8, 1, false},
    {"a negative first byte", 104, 8, UINT64_MAX, false},
    {"a body of more than the whole", 112, 8, 8, false},
    {"a body of all of the whole", 112, 8, 9, true},
    {"a negative total size", 112, 8, UINT64_MAX - 1, false},
    {"any checksum of the body", 120, 8, 0, true},
    {"any epoch", 128, 8, UINT64_MAX, true},
    {"a head without the last byte", HEAD_SIZE, 4, TEXTS + TEXTS_SIZE - 1, false},
    {"a head of no size", HEAD_SIZE, 4, 0, false},
    {"a head that ends in its numbers", HEAD_SIZE, 4, TABLES - 1, false},
    {"a head that is larger than the record", HEAD_SIZE, 4, UINT32_MAX, false},
    {"a key that is one byte shorter", SIZES, 4, 2, false},
    {"a key beyond the head", SIZES, 4, UINT32_MAX, false},
    {"a selector that is one byte shorter", SIZES + 4, 4, 27, false},
    {"a selector beyond the head", SIZES + 4, 4, UINT32_MAX, false},
    {"a response with a variant", SIZES + 8, 4, 32, false},
    {"variants beyond the head", SIZES + 8, 4, UINT32_MAX, false},
    {"names that are one byte shorter", SIZES + 12, 4, NAMES_SIZE - 1, false},
    {"names that are one byte longer", SIZES + 12, 4, NAMES_SIZE + 1, false},
    {"names beyond the head", SIZES + 12, 4, UINT32_MAX, false},
    {"a field less", COUNTS, 4, 1, false},
    {"a field more", COUNTS, 4, 3, false},
    {"fields beyond the head", COUNTS, 4, UINT32_MAX, false},
    {"fields whose table has 4 GiB", COUNTS, 4, UINT32_C(1) << 29, false},
    {"a tag less", COUNTS + 4, 4, 0, false},
    {"a tag more", COUNTS + 4, 4, 2, false},
    {"tags beyond the head", COUNTS + 4, 4, UINT32_MAX, false},
    {"tags whose table has 4 GiB", COUNTS + 4, 4, UINT32_C(1) << 30, false},
    {"an empty name", NAME_ENDS, 4, 0, false},
    {"the shortest name", NAME_ENDS, 4, 1, true},
    {"a name that leaves none for the next", NAME_ENDS, 4, NAMES_SIZE, false},
    {"a name that leaves one character", NAME_ENDS, 4, NAMES_SIZE - 1, true},
    {"a name beyond the names", NAME_ENDS, 4, UINT32_MAX, false},
    {"a last name that ends before the names", NAME_ENDS + 4, 4, NAMES_SIZE - 1, false},
    {"a last name that ends in the texts", NAME_ENDS + 4, 4, NAMES_SIZE + 1, false},
    {"no entity tag", TEXT_ENDS, 4, 0, true},
    {"an entity tag that leaves none for the tag", TEXT_ENDS, 4, 7, false},
    {"an entity tag that leaves one character", TEXT_ENDS, 4, 6, true},
    {"an entity tag behind the tag", TEXT_ENDS, 4, 8, false},
    {"an entity tag beyond the texts", TEXT_ENDS, 4, UINT32_MAX, false},
    {"an empty tag", TEXT_ENDS + 4, 4, 3, false},
    {"a tag beyond the texts", TEXT_ENDS + 4, 4, TEXTS_SIZE + 1, false},
    {"a tag that leaves no value", TEXT_ENDS + 4, 4, TEXTS_SIZE, true},
    {"a value that ends before it begins", TEXT_ENDS + 8, 4, 6, false},
    {"an empty value", TEXT_ENDS + 8, 4, 7, true},
    {"a last value that ends early", TEXT_ENDS + 12, 4, TEXTS_SIZE - 1, false},
    {"a last value that ends late", TEXT_ENDS + 12, 4, TEXTS_SIZE + 1, false},
    {"a last value at the highest offset", TEXT_ENDS + 12, 4, UINT32_MAX, false},
    {"another key", KEY, 1, 0, true},
    {"a NUL in a name", NAMES, 1, 0, false},
    {"a colon in a name", NAMES, 1, ':', false},
    {"a space in a name", TEXTS - 1, 1, ' ', false},
    {"a byte above ASCII in a name", NAMES, 1, 0x80, false},
    {"another name", NAMES, 1, 'd', true},
    {"a CR in the entity tag", TEXTS, 1, '\r', false},
    {"an LF in a tag", TEXTS + 3, 1, '\n', false},
    {"a CR in a value", TEXTS + 7, 1, '\r', false},
    {"a NUL at the end", TEXTS + TEXTS_SIZE - 1, 1, 0, false},
    {"a tab in a value", TEXTS + 7, 1, '\t', true},
};

static void a_forged_record_is_none(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  assert_int_equal(size, TEXTS + TEXTS_SIZE);
  for (size_t i = 0; i < LENGTH(forgeries); i++) {
    unsigned char *forged = malloc(size);
    assert_non_null(forged);
    memcpy(forged, head, size);
    write_number(forged + forgeries[i].offset, forgeries[i].size, forgeries[i].number);
    uint64_t announced = forgeries[i].offset == HEAD_SIZE ? forgeries[i].number : size;
    seal(forged, announced >= COVERED && announced < size ? (size_t)announced : size);
    if (record_is_valid(forged, size) != forgeries[i].accepted)
      fail_msg("%s is %s", forgeries[i].text, forgeries[i].accepted ? "refused" : "accepted");
    free(forged);
  }
  free(head);
}

/* Whatever one byte of a sealed head is, reading it stays inside the block. */
static void a_forged_byte_never_leads_out_of_the_head(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  for (size_t i = COVERED; i < size; i++) {
    unsigned char byte = head[i];
    for (unsigned change = 1; change < 256; change++) {
      cachette__http_stored stored;
      head[i] = (unsigned char)(byte ^ change);
      seal(head, size);
      if (!cachette__http_record_get((cachette_slice){head, size}, &stored)) continue;
      for (size_t at = 0; at < stored.field_count; at++) {
        cachette_http_field field = cachette__http_record_field(&stored, at);
        assert_true((const unsigned char *)field.value.data + field.value.size <= head + size);
        assert_true((const unsigned char *)field.name.data >= head + TABLES);
      }
    }
    head[i] = byte;
  }
  free(head);
}

static void parts_of_a_partial_response_lie_in_the_whole(void **state) {
  (void)state;
  static const struct {
    int64_t first, size, total;
    bool accepted;
  } cases[] = {
      {0, 10, 10, true},
      {1, 10, 10, false},
      {5, 5, 10, true},
      {6, 5, 10, false},
      {10, 0, 10, true},
      {11, 0, 10, false},
      {INT64_MAX, INT64_MAX, 10, false},
      {INT64_MAX, 1, INT64_MAX, false},
      {INT64_MAX, 0, INT64_MAX, true},
      {0, INT64_MAX, INT64_MAX - 1, false},
      {-1, 5, 10, false},
      {0, -1, 10, false},
      {0, 10, -1, true},
      {1, 10, -1, false},
      {0, 10, -2, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct record content = record_partial(cases[i].first, cases[i].size, cases[i].total);
    if (record_is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
  }
}

static void an_index_has_variants_and_no_fields(void **state) {
  (void)state;
  for (size_t size = 0; size <= sizeof record_keys; size++) {
    struct record content = record_index(size);
    assert_int_equal(record_is_read(&content), size % CACHETTE_HTTP_KEY_SIZE == 0);
    if (size == 0) continue;
    content.stored.flags = 0; /* a response */
    assert_false(record_is_read(&content));
  }
  struct record content = record_index(0);
  content.field_count = 1;
  assert_false(record_is_read(&content));
}

/* See http/vary.h. */
static void a_malformed_selector_is_refused(void **state) {
  (void)state;
  static const struct {
    cachette_slice selector;
    bool accepted;
  } cases[] = {
      {SLICE(""), true},
      {SLICE("\0\1a\0\0\0\1x"), true},
      {SLICE("\0\1a\0\0\0\0"), true},
      {SLICE("\0\1a\xff\xff\xff\xff"), true},
      {SLICE("\0\1a\xff\xff\xff\xfe"), false},
      {SLICE("\0\1a\0\0\0\2x"), false},
      {SLICE("\0\1a\0\0\0\1xy"), false},
      {SLICE("\0\1a\0\0\0\1\r"), false},
      {SLICE("\0\1a\0\0\0\1\n"), false},
      {SLICE("\0\1a\0\0\0\1\0"), false},
      {SLICE("\0\1a\0\0\0\1\t"), true},
      {SLICE("\0\1:\0\0\0\1x"), false},
      {SLICE("\0\0\0\0\0\1x"), false},
      {SLICE("\1\0a\0\0\0\1x"), false},
      {SLICE("\0\1a\1\0\0\0x"), false},
      {SLICE("\0\1a\0\0\0"), false},
      {SLICE("\0\1a"), false},
      {SLICE("\0\1"), false},
      {SLICE("\0"), false},
      {SLICE("\0\1a\0\0\0\1x\0\1b\0\0\0\1y"), true},
      {SLICE("\0\1a\0\0\0\1x\0\1b\0\0\0\1"), false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct record content = record_small;
    content.stored.vary = cases[i].selector;
    if (record_is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
  }
}

/* The writer leaves this to its caller. A field that splits a message must not come back, whoever
 * stored it (RFC 9110, 5.5). */
static void a_dangerous_field_is_not_read(void **state) {
  (void)state;
  static const struct {
    cachette_http_field field;
    bool accepted;
  } cases[] = {
      {{SLICE("a"), SLICE("b")}, true},         {{SLICE("a"), SLICE("b\r\nc: d")}, false},
      {{SLICE("a"), SLICE("b\rc")}, false},     {{SLICE("a"), SLICE("b\nc")}, false},
      {{SLICE("a"), SLICE("b\0c")}, false},     {{SLICE("a"), SLICE("b\tc")}, true},
      {{SLICE("a"), SLICE("b\x7f\x01")}, true}, {{SLICE(""), SLICE("b")}, false},
      {{SLICE("a b"), SLICE("c")}, false},      {{SLICE("a:"), SLICE("b")}, false},
      {{SLICE("a\r\nb"), SLICE("c")}, false},   {{SLICE("!#$%&'*+-.^_`|~"), SLICE("")}, true},
      {{SLICE("a\0"), SLICE("b")}, false},      {{SLICE("\xc3\xa4"), SLICE("b")}, false},
      {{SLICE("(a)"), SLICE("b")}, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_http_field fields[] = {record_fields[0], cases[i].field, record_fields[1]};
    struct record content = record_small;
    content.fields = fields;
    content.field_count = LENGTH(fields);
    if (record_is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_record_with_any_byte_changed_is_none),
      cmocka_unit_test(a_record_that_is_cut_off_in_its_head_is_none),
      cmocka_unit_test(a_forged_record_is_none),
      cmocka_unit_test(a_forged_byte_never_leads_out_of_the_head),
      cmocka_unit_test(parts_of_a_partial_response_lie_in_the_whole),
      cmocka_unit_test(an_index_has_variants_and_no_fields),
      cmocka_unit_test(a_malformed_selector_is_refused),
      cmocka_unit_test(a_dangerous_field_is_not_read),
  };
  return cmocka_run_group_tests_name("record_damage", tests, NULL, NULL);
}
