/* SPDX-License-Identifier: MIT */
/* The binary form of a stored response. Every head is read in a block of exactly its size. */
#include "http/record.h"

#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "support.h"

/* ---- Comparing ---- */

static void expect_slice(cachette_slice slice, cachette_slice expected) {
  assert_int_equal(slice.size, expected.size);
  if (slice.size > 0) assert_memory_equal(slice.data, expected.data, slice.size);
}

static void expect_numbers(const cachette__http_stored *stored,
                           const cachette__http_stored *expected) {
  assert_int_equal(stored->status, expected->status);
  assert_int_equal(stored->flags, expected->flags);
  assert_int_equal(stored->requested_ms, expected->requested_ms);
  assert_int_equal(stored->received_ms, expected->received_ms);
  assert_int_equal(stored->date_ms, expected->date_ms);
  assert_int_equal(stored->initial_age_ms, expected->initial_age_ms);
  assert_int_equal(stored->lifetime_ms, expected->lifetime_ms);
  assert_int_equal(stored->while_revalidate_ms, expected->while_revalidate_ms);
  assert_int_equal(stored->if_error_ms, expected->if_error_ms);
  assert_int_equal(stored->last_modified_ms, expected->last_modified_ms);
  assert_int_equal(stored->generation, expected->generation);
  assert_int_equal(stored->epoch, expected->epoch);
  assert_int_equal(stored->body_size, expected->body_size);
  assert_int_equal(stored->first_byte, expected->first_byte);
  assert_int_equal(stored->total_size, expected->total_size);
  assert_int_equal(stored->body_checksum, expected->body_checksum);
}

static void expect_content(cachette_slice record, const struct record *content) {
  cachette__http_stored stored;
  assert_true(cachette__http_record_get(record, &stored));
  expect_numbers(&stored, &content->stored);
  expect_slice(stored.etag, content->stored.etag);
  expect_slice(stored.key, content->stored.key);
  expect_slice(stored.vary, content->stored.vary);
  expect_slice(stored.variants, content->stored.variants);
  assert_int_equal(stored.tag_count, content->tag_count);
  for (size_t i = 0; i < content->tag_count; i++)
    expect_slice(cachette__http_record_tag_at(&stored, i), content->tags[i]);
  assert_int_equal(stored.field_count, content->field_count);
  for (size_t i = 0; i < content->field_count; i++) {
    cachette_http_field field = cachette__http_record_field(&stored, i);
    expect_slice(field.name, content->fields[i].name);
    expect_slice(field.value, content->fields[i].value);
  }
}

/* Reads the head alone, and with a body behind it. */
static void expect_round_trip(const struct record *content) {
  enum { BODY = 5 };
  size_t size;
  unsigned char *head = record_write(content, &size);
  expect_content((cachette_slice){head, size}, content);
  unsigned char *record = malloc(size + BODY);
  assert_non_null(record);
  memcpy(record, head, size);
  memset(record + size, 0, BODY);
  expect_content((cachette_slice){record, size + BODY}, content);
  assert_int_equal(cachette_http_record_head_size((cachette_slice){record, size + BODY}), size);
  free(record);
  free(head);
}

/* ---- Round trips ---- */

static void a_record_is_read_as_it_was_written(void **state) {
  (void)state;
  static const struct record bare = {.stored = {.status = 599, .total_size = -1}};
  struct record full = record_small;
  full.field_count = LENGTH(record_fields);
  full.tag_count = LENGTH(record_tags);
  struct record unknown = record_small;
  unknown.stored.last_modified_ms = -1;
  const struct record contents[] = {
      bare,
      record_small,
      full,
      unknown,
      record_partial(0, 9, 9),
      record_partial(0, 0, 0),
      record_partial(INT64_MAX - 9, 9, INT64_MAX),
      record_index(0),
      record_index(sizeof record_keys),
  };
  for (size_t i = 0; i < LENGTH(contents); i++) expect_round_trip(&contents[i]);
}

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

static int64_t random_ms(unsigned *seed) {
  uint64_t bits = (uint64_t)next_random(seed) << 48 | (uint64_t)next_random(seed) << 32 |
                  (uint64_t)next_random(seed) << 16 | next_random(seed);
  return (int64_t)(bits % (uint64_t)CACHETTE__HTTP_MS_MAX >> next_random(seed) % 59);
}

/* Returns a piece of a text of 256 characters. */
static cachette_slice random_piece(unsigned *seed, const char *text, size_t least, size_t most) {
  size_t size = least + next_random(seed) % (most - least + 1);
  return (cachette_slice){text + next_random(seed) % (256 - size), size};
}

static void a_random_record_is_read_as_it_was_written(void **state) {
  (void)state;
  enum { FIELDS = 40, TAGS = 20 };
  char names[256], values[256];
  for (int i = 0; i < 256; i++) {
    names[i] = (char)('a' + i % 26);
    values[i] = i == 0 || i == '\r' || i == '\n' ? ' ' : (char)i;
  }
  unsigned seed = 1;
  for (int round = 0; round < 2000; round++) {
    cachette_http_field fields[FIELDS];
    cachette_slice tags[TAGS];
    for (size_t i = 0; i < FIELDS; i++) {
      fields[i].name = random_piece(&seed, names, 1, 30);
      fields[i].value = random_piece(&seed, values, 0, 200);
    }
    for (size_t i = 0; i < TAGS; i++) tags[i] = random_piece(&seed, values, 1, 60);
    struct record content = record_small;
    content.fields = fields;
    content.field_count = next_random(&seed) % (FIELDS + 1);
    content.tags = tags;
    content.tag_count = next_random(&seed) % (TAGS + 1);
    content.stored.etag = random_piece(&seed, values, 0, 40);
    content.stored.key = random_piece(&seed, values, 0, 100);
    content.stored.status = 200 + (int)next_random(&seed) % 400;
    content.stored.received_ms = random_ms(&seed);
    content.stored.lifetime_ms = random_ms(&seed);
    content.stored.last_modified_ms = random_ms(&seed) - 1;
    content.stored.body_size = random_ms(&seed);
    expect_round_trip(&content);
  }
}

static void times_and_durations_are_moved_into_their_range(void **state) {
  (void)state;
  struct record content = record_small;
  content.stored.date_ms = INT64_C(-62135596800000); /* Mon, 01 Jan 0001 00:00:00 GMT */
  content.stored.last_modified_ms = -5000;
  content.stored.requested_ms = INT64_MIN;
  content.stored.initial_age_ms = -1;
  content.stored.lifetime_ms = INT64_MAX;
  content.stored.if_error_ms = CACHETTE__HTTP_MS_MAX + 1;
  size_t size;
  unsigned char *head = record_write(&content, &size);
  content.stored.date_ms = content.stored.requested_ms = content.stored.initial_age_ms = 0;
  content.stored.last_modified_ms = -1;
  content.stored.lifetime_ms = content.stored.if_error_ms = CACHETTE__HTTP_MS_MAX;
  expect_content((cachette_slice){head, size}, &content);
  free(head);
}

static void a_head_of_4_gib_is_refused(void **state) {
  (void)state;
  cachette__http_stored stored = record_small.stored;
  size_t others = cachette__http_record_measure(&stored, NULL, NULL) - stored.key.size;
  stored.key.size = UINT32_MAX - others; /* the key is not read */
  assert_int_equal(cachette__http_record_measure(&stored, NULL, NULL), UINT32_MAX);
  stored.key.size++;
  assert_int_equal(cachette__http_record_measure(&stored, NULL, NULL), 0);
}

/* Records outlive the program that wrote them. If this form changes, the version must, too. */
static void the_form_of_a_record_does_not_change(void **state) {
  (void)state;
  static const unsigned char golden[] = {
      0x63, 0x48, 0x54, 0x50, 0x01, 0x00, 0x00, 0x00, 0x88, 0x55, 0x50, 0x0e, 0xac, 0xc0, 0xed,
      0x3e, 0x06, 0x01, 0x00, 0x00, 0xc8, 0x00, 0x02, 0x00, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0xd0, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb8, 0x0b, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0xa0, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x13, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x70, 0x17, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x58, 0x1b, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x22,
      0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
      0x08, 0x03, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x00,
      0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x0b,
      0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00,
      0x24, 0x00, 0x00, 0x00, 0x6b, 0x65, 0x79, 0x00, 0x06, 0x61, 0x63, 0x63, 0x65, 0x70, 0x74,
      0x00, 0x00, 0x00, 0x03, 0x2a, 0x2f, 0x2a, 0x00, 0x07, 0x78, 0x2d, 0x74, 0x68, 0x65, 0x6d,
      0x65, 0xff, 0xff, 0xff, 0xff, 0x44, 0x61, 0x74, 0x65, 0x58, 0x2d, 0x45, 0x6d, 0x70, 0x74,
      0x79, 0x22, 0x65, 0x22, 0x62, 0x6c, 0x6f, 0x67, 0x53, 0x75, 0x6e, 0x2c, 0x20, 0x30, 0x36,
      0x20, 0x4e, 0x6f, 0x76, 0x20, 0x31, 0x39, 0x39, 0x34, 0x20, 0x30, 0x38, 0x3a, 0x34, 0x39,
      0x3a, 0x33, 0x37, 0x20, 0x47, 0x4d, 0x54};
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  assert_int_equal(size, sizeof golden);
  assert_memory_equal(head, golden, size);
  free(head);
}

/* ---- The body ---- */

static void the_checksum_of_a_body_does_not_depend_on_its_parts(void **state) {
  (void)state;
  static char body[1500]; /* above and below what the algorithm handles at once */
  for (size_t i = 0; i < sizeof body; i++) body[i] = (char)(i * 7);
  static const size_t sizes[] = {0, 1, 8, 16, 17, 128, 129, 240, 241, 256, 257, 1024, 1500};
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    cachette_slice whole = {body, sizes[i]};
    uint64_t expected = cachette__http_body_checksum(&whole, 1);
    for (size_t cut = 0; cut <= sizes[i]; cut++) {
      cachette_slice parts[] = {{body, cut}, {NULL, 0}, {body + cut, sizes[i] - cut}};
      if (cachette__http_body_checksum(parts, LENGTH(parts)) != expected)
        fail_msg("%zu bytes, cut at %zu", sizes[i], cut);
    }
    cachette_slice bytes[sizeof body];
    for (size_t at = 0; at < sizes[i]; at++) bytes[at] = (cachette_slice){body + at, 1};
    assert_int_equal(cachette__http_body_checksum(bytes, sizes[i]), expected);
  }
  /* The reference value of XXH3 for no bytes. */
  assert_int_equal(cachette__http_body_checksum(NULL, 0), UINT64_C(0x2d06800538d394c2));
}

static bool matches(cachette_slice record, const char *left, const char *right) {
  const cachette_slice parts[] = {cachette_str(left), cachette_str(right)};
  return cachette_http_record_matches(record, parts, LENGTH(parts));
}

static void a_body_matches_its_record_only(void **state) {
  (void)state;
  cachette_slice body = cachette_str("some body");
  struct record content = record_small;
  content.stored.body_size = (int64_t)body.size;
  content.stored.body_checksum = cachette__http_body_checksum(&body, 1);
  size_t size;
  unsigned char *head = record_write(&content, &size);
  cachette_slice record = {head, size};
  assert_true(cachette_http_record_matches(record, &body, 1));
  assert_true(matches(record, "some", " body"));
  assert_true(matches(record, "", "some body"));
  assert_false(matches(record, "some", " bodY"));
  assert_false(matches(record, "some", " bod"));
  assert_false(matches(record, "some", " body!"));
  assert_false(cachette_http_record_matches(record, NULL, 0));
  record.size--;
  assert_false(cachette_http_record_matches(record, &body, 1));
  free(head);
}

static void a_record_without_a_body_matches_no_bytes(void **state) {
  (void)state;
  struct record contents[] = {record_small, record_index(sizeof record_keys)};
  contents[0].stored.body_checksum = cachette__http_body_checksum(NULL, 0);
  for (size_t i = 0; i < LENGTH(contents); i++) {
    contents[i].stored.body_size = 0;
    size_t size;
    unsigned char *head = record_write(&contents[i], &size);
    assert_true(cachette_http_record_matches((cachette_slice){head, size}, NULL, 0));
    assert_true(matches((cachette_slice){head, size}, "", ""));
    assert_false(matches((cachette_slice){head, size}, "", "x"));
    free(head);
  }
}

/* ---- Descriptions ---- */

static void a_record_is_described(void **state) {
  (void)state;
  cachette_http_record_info info;
  size_t size;
  unsigned char *head = record_write(&record_small, &size);
  assert_int_equal(cachette_http_record_describe((cachette_slice){head, size}, &info), CACHETTE_OK);
  assert_int_equal(info.status, 200);
  assert_int_equal(info.requested_ms, 1000);
  assert_int_equal(info.received_ms, 2000);
  assert_int_equal(info.lifetime_ms, 5000);
  assert_int_equal(info.body_size, 9);
  assert_int_equal(info.tag_count, 1);
  assert_false(info.is_index);
  free(head);
  struct record content = record_index(sizeof record_keys);
  head = record_write(&content, &size);
  assert_int_equal(cachette_http_record_describe((cachette_slice){head, size}, &info), CACHETTE_OK);
  assert_true(info.is_index);
  free(head);
}

static void what_is_no_record_is_not_described(void **state) {
  (void)state;
  cachette_slice record = cachette_str(
      "cHTP but then something that is longer than a head, which "
      "has numbers, sizes, counts, two tables of ends, a key, a "
      "selector, variants, names and texts");
  cachette_http_record_info info = {.status = 7};
  assert_int_equal(cachette_http_record_describe(record, &info), CACHETTE_ECODEC);
  assert_int_equal(info.status, 7);
  assert_int_equal(cachette_http_record_head_size(record), 0);
  assert_int_equal(cachette_http_record_tag(record, 0).size, 0);
  assert_false(cachette_http_record_matches(record, NULL, 0));
}

static void tags_are_read_by_their_index(void **state) {
  (void)state;
  struct record content = record_small;
  content.tag_count = LENGTH(record_tags);
  size_t size;
  unsigned char *head = record_write(&content, &size);
  cachette_slice record = {head, size};
  assert_slice(cachette_http_record_tag(record, 0), "blog");
  assert_slice(cachette_http_record_tag(record, 1), "https://example.com a b");
  assert_int_equal(cachette_http_record_tag(record, 2).size, 0);
  assert_int_equal(cachette_http_record_tag(record, SIZE_MAX).size, 0);
  free(head);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_record_is_read_as_it_was_written),
      cmocka_unit_test(a_random_record_is_read_as_it_was_written),
      cmocka_unit_test(times_and_durations_are_moved_into_their_range),
      cmocka_unit_test(a_head_of_4_gib_is_refused),
      cmocka_unit_test(the_form_of_a_record_does_not_change),
      cmocka_unit_test(the_checksum_of_a_body_does_not_depend_on_its_parts),
      cmocka_unit_test(a_body_matches_its_record_only),
      cmocka_unit_test(a_record_without_a_body_matches_no_bytes),
      cmocka_unit_test(a_record_is_described),
      cmocka_unit_test(what_is_no_record_is_not_described),
      cmocka_unit_test(tags_are_read_by_their_index),
  };
  return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
