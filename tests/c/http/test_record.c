/* SPDX-License-Identifier: MIT */
/* The binary form of a stored response. Every head is read in a block of exactly its size. */
#include "http/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define SLICE(text) \
  { text, sizeof(text) - 1 }

enum { CHECKSUM = 8, COVERED = 16, HEAD_SIZE = 16, SIZES = 128, COUNTS = 144, TABLES = 152 };

/* ---- Writing ---- */

/* What a record is written from. */
struct content {
  cachette__http_stored stored;
  const cachette_http_field *fields;
  const cachette_slice *tags;
  size_t field_count, tag_count;
};

static bool next_field(const void *data, size_t *at, cachette_http_field *field) {
  const struct content *content = data;
  if (*at == content->field_count) return false;
  *field = content->fields[(*at)++];
  return true;
}

static bool next_tag(const void *data, size_t *at, cachette_http_field *field) {
  const struct content *content = data;
  if (*at == content->tag_count) return false;
  *field = (cachette_http_field){.value = content->tags[(*at)++]};
  return true;
}

/* Returns the head in a block of exactly its size, which the caller frees with test_free(). */
static unsigned char *write_head(const struct content *content, size_t *size) {
  cachette__http_source fields = {next_field, content}, tags = {next_tag, content};
  *size = cachette__http_record_measure(&content->stored, &fields, &tags);
  unsigned char *head = test_malloc(*size);
  cachette__http_record_put(&content->stored, &fields, &tags, head);
  return head;
}

/* Makes the checksum right again. */
static void seal(unsigned char *head, size_t size) {
  const cachette_slice covered = {head + COVERED, size - COVERED};
  uint64_t checksum = cachette__http_body_checksum(&covered, 1);
  for (size_t i = 0; i < 8; i++) head[CHECKSUM + i] = (unsigned char)(checksum >> 8 * i);
}

static bool is_record(const unsigned char *head, size_t size) {
  cachette__http_stored stored;
  return cachette__http_record_get((cachette_slice){head, size}, &stored);
}

/* Writes and reads. */
static bool is_read(const struct content *content) {
  size_t size;
  unsigned char *head = write_head(content, &size);
  bool result = is_record(head, size);
  test_free(head);
  return result;
}

/* ---- Content ---- */

static const cachette_http_field some_fields[] = {
    {SLICE("Date"), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")},
    {SLICE("X-Empty"), {NULL, 0}},
    {SLICE("X-Bytes"), SLICE("a\tb \x80\xff")},
    {SLICE("x"), SLICE("1")},
    {SLICE("x"), SLICE("2")},
};
static const cachette_slice some_tags[] = {SLICE("blog"), SLICE("https://example.com a b")};

/* Two names; the second one was not in the request. */
static const char selector[] =
    "\0\x06"
    "accept\0\0\0\x03*/*\0\x07x-theme\xff\xff\xff\xff";

static const unsigned char two_keys[2 * CACHETTE_HTTP_KEY_SIZE] = {1, 2, 3};

static const struct content small = {
    .stored = {.status = 200,
               .flags = CACHETTE__HTTP_FOR_ALL,
               .requested_ms = 1000,
               .received_ms = 2000,
               .date_ms = 3000,
               .initial_age_ms = 4000,
               .lifetime_ms = 5000,
               .while_revalidate_ms = 6000,
               .if_error_ms = 7000,
               .last_modified_ms = 8000,
               .generation = UINT64_C(0x8877665544332211),
               .body_size = 9,
               .total_size = -1,
               .body_checksum = UINT64_C(0xffeeddccbbaa9988),
               .etag = SLICE("\"e\""),
               .key = SLICE("key"),
               .vary = SLICE(selector)},
    .fields = some_fields,
    .field_count = 2,
    .tags = some_tags,
    .tag_count = 1,
};

static struct content partial(int64_t first, int64_t size, int64_t total) {
  struct content content = small;
  content.stored.status = 206;
  content.stored.first_byte = first;
  content.stored.body_size = size;
  content.stored.total_size = total;
  return content;
}

static struct content index_record(size_t variants) {
  struct content content = small;
  content.stored.flags = CACHETTE__HTTP_INDEX;
  content.stored.variants = (cachette_slice){two_keys, variants};
  content.field_count = 0;
  return content;
}

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
  assert_int_equal(stored->body_size, expected->body_size);
  assert_int_equal(stored->first_byte, expected->first_byte);
  assert_int_equal(stored->total_size, expected->total_size);
  assert_int_equal(stored->body_checksum, expected->body_checksum);
}

static void expect_content(cachette_slice record, const struct content *content) {
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
static void expect_round_trip(const struct content *content) {
  enum { BODY = 5 };
  size_t size;
  unsigned char *head = write_head(content, &size);
  expect_content((cachette_slice){head, size}, content);
  unsigned char *record = test_malloc(size + BODY);
  memcpy(record, head, size);
  memset(record + size, 0, BODY);
  expect_content((cachette_slice){record, size + BODY}, content);
  assert_int_equal(cachette_http_record_head_size((cachette_slice){record, size + BODY}), size);
  test_free(record);
  test_free(head);
}

/* ---- Round trips ---- */

static void a_record_is_read_as_it_was_written(void **state) {
  (void)state;
  static const struct content bare = {.stored = {.status = 599, .total_size = -1}};
  struct content full = small;
  full.field_count = LENGTH(some_fields);
  full.tag_count = LENGTH(some_tags);
  struct content unknown = small;
  unknown.stored.last_modified_ms = -1;
  const struct content contents[] = {
      bare,
      small,
      full,
      unknown,
      partial(0, 9, 9),
      partial(0, 0, 0),
      partial(INT64_MAX - 9, 9, INT64_MAX),
      index_record(0),
      index_record(sizeof two_keys),
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
    struct content content = small;
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
  struct content content = small;
  content.stored.date_ms = INT64_C(-62135596800000); /* Mon, 01 Jan 0001 00:00:00 GMT */
  content.stored.last_modified_ms = -5000;
  content.stored.requested_ms = INT64_MIN;
  content.stored.initial_age_ms = -1;
  content.stored.lifetime_ms = INT64_MAX;
  content.stored.if_error_ms = CACHETTE__HTTP_MS_MAX + 1;
  size_t size;
  unsigned char *head = write_head(&content, &size);
  content.stored.date_ms = content.stored.requested_ms = content.stored.initial_age_ms = 0;
  content.stored.last_modified_ms = -1;
  content.stored.lifetime_ms = content.stored.if_error_ms = CACHETTE__HTTP_MS_MAX;
  expect_content((cachette_slice){head, size}, &content);
  test_free(head);
}

static void a_head_of_4_gib_is_refused(void **state) {
  (void)state;
  cachette__http_stored stored = small.stored;
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
      0x63, 0x48, 0x54, 0x50, 0x01, 0x00, 0x00, 0x00, 0x71, 0x6a, 0xf5, 0x1b, 0xb2, 0x51, 0x02,
      0xce, 0xfe, 0x00, 0x00, 0x00, 0xc8, 0x00, 0x02, 0x00, 0xe8, 0x03, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0xd0, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xb8, 0x0b, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0xa0, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x88, 0x13, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x70, 0x17, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x58, 0x1b, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x22,
      0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x03, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00,
      0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x07,
      0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00, 0x24, 0x00, 0x00, 0x00, 0x6b, 0x65, 0x79, 0x00,
      0x06, 0x61, 0x63, 0x63, 0x65, 0x70, 0x74, 0x00, 0x00, 0x00, 0x03, 0x2a, 0x2f, 0x2a, 0x00,
      0x07, 0x78, 0x2d, 0x74, 0x68, 0x65, 0x6d, 0x65, 0xff, 0xff, 0xff, 0xff, 0x44, 0x61, 0x74,
      0x65, 0x58, 0x2d, 0x45, 0x6d, 0x70, 0x74, 0x79, 0x22, 0x65, 0x22, 0x62, 0x6c, 0x6f, 0x67,
      0x53, 0x75, 0x6e, 0x2c, 0x20, 0x30, 0x36, 0x20, 0x4e, 0x6f, 0x76, 0x20, 0x31, 0x39, 0x39,
      0x34, 0x20, 0x30, 0x38, 0x3a, 0x34, 0x39, 0x3a, 0x33, 0x37, 0x20, 0x47, 0x4d, 0x54};
  size_t size;
  unsigned char *head = write_head(&small, &size);
  assert_int_equal(size, sizeof golden);
  assert_memory_equal(head, golden, size);
  test_free(head);
}

/* ---- Damage ---- */

static void a_record_with_any_byte_changed_is_none(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = write_head(&small, &size);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = head[i];
    for (unsigned change = 1; change < 256; change++) {
      head[i] = (unsigned char)(byte ^ change);
      if (is_record(head, size)) fail_msg("byte %zu changed by %02x", i, change);
    }
    head[i] = byte;
  }
  assert_true(is_record(head, size));
  test_free(head);
}

static void a_record_that_is_cut_off_in_its_head_is_none(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = write_head(&small, &size);
  for (size_t cut = 0; cut < size; cut++) {
    unsigned char *block = test_malloc(cut > 0 ? cut : 1);
    memcpy(block, head, cut);
    if (is_record(block, cut)) fail_msg("the first %zu bytes of %zu", cut, size);
    test_free(block);
  }
  assert_false(is_record(NULL, 0));
  test_free(head);
}

/* ---- Forgery: the checksum is right, the rest is not ---- */

static void write_number(unsigned char *bytes, size_t size, uint64_t number) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(number >> 8 * i);
}

/* Where `small` has what. */
enum {
  NAME_ENDS = TABLES,
  TEXT_ENDS = NAME_ENDS + 2 * 4,
  KEY = TEXT_ENDS + (1 + 1 + 2) * 4,
  NAMES = KEY + 3 + 28,
  NAMES_SIZE = 4 + 7,
  TEXTS = NAMES + NAMES_SIZE,
  TEXTS_SIZE = 3 + 4 + 29,
};

/* A number of `small` that is replaced. Some are followed by the nearest one that is accepted. */
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
    {"a flag that is not known", 22, 2, 32, false},
    {"the highest flag", 22, 2, 0x8000, false},
    {"all flags of a response", 22, 2, 30, true},
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
  unsigned char *head = write_head(&small, &size);
  assert_int_equal(size, TEXTS + TEXTS_SIZE);
  for (size_t i = 0; i < LENGTH(forgeries); i++) {
    unsigned char *forged = test_malloc(size);
    memcpy(forged, head, size);
    write_number(forged + forgeries[i].offset, forgeries[i].size, forgeries[i].number);
    uint64_t announced = forgeries[i].offset == HEAD_SIZE ? forgeries[i].number : size;
    seal(forged, announced >= COVERED && announced < size ? (size_t)announced : size);
    if (is_record(forged, size) != forgeries[i].accepted)
      fail_msg("%s is %s", forgeries[i].text, forgeries[i].accepted ? "refused" : "accepted");
    test_free(forged);
  }
  test_free(head);
}

/* Whatever one byte of a sealed head is, reading it stays inside the block. */
static void a_forged_byte_never_leads_out_of_the_head(void **state) {
  (void)state;
  size_t size;
  unsigned char *head = write_head(&small, &size);
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
  test_free(head);
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
    struct content content = partial(cases[i].first, cases[i].size, cases[i].total);
    if (is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
  }
}

static void an_index_has_variants_and_no_fields(void **state) {
  (void)state;
  for (size_t size = 0; size <= sizeof two_keys; size++) {
    struct content content = index_record(size);
    assert_int_equal(is_read(&content), size % CACHETTE_HTTP_KEY_SIZE == 0);
    if (size == 0) continue;
    content.stored.flags = 0; /* a response */
    assert_false(is_read(&content));
  }
  struct content content = index_record(0);
  content.field_count = 1;
  assert_false(is_read(&content));
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
    struct content content = small;
    content.stored.vary = cases[i].selector;
    if (is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
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
    cachette_http_field fields[] = {some_fields[0], cases[i].field, some_fields[1]};
    struct content content = small;
    content.fields = fields;
    content.field_count = LENGTH(fields);
    if (is_read(&content) != cases[i].accepted) fail_msg("case %zu", i);
  }
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
  struct content content = small;
  content.stored.body_size = (int64_t)body.size;
  content.stored.body_checksum = cachette__http_body_checksum(&body, 1);
  size_t size;
  unsigned char *head = write_head(&content, &size);
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
  test_free(head);
}

static void a_record_without_a_body_matches_no_bytes(void **state) {
  (void)state;
  struct content contents[] = {small, index_record(sizeof two_keys)};
  contents[0].stored.body_checksum = cachette__http_body_checksum(NULL, 0);
  for (size_t i = 0; i < LENGTH(contents); i++) {
    contents[i].stored.body_size = 0;
    size_t size;
    unsigned char *head = write_head(&contents[i], &size);
    assert_true(cachette_http_record_matches((cachette_slice){head, size}, NULL, 0));
    assert_true(matches((cachette_slice){head, size}, "", ""));
    assert_false(matches((cachette_slice){head, size}, "", "x"));
    test_free(head);
  }
}

/* ---- Descriptions ---- */

static void a_record_is_described(void **state) {
  (void)state;
  cachette_http_record_info info;
  size_t size;
  unsigned char *head = write_head(&small, &size);
  assert_int_equal(cachette_http_record_describe((cachette_slice){head, size}, &info), CACHETTE_OK);
  assert_int_equal(info.status, 200);
  assert_int_equal(info.requested_ms, 1000);
  assert_int_equal(info.received_ms, 2000);
  assert_int_equal(info.lifetime_ms, 5000);
  assert_int_equal(info.body_size, 9);
  assert_int_equal(info.tag_count, 1);
  assert_false(info.is_index);
  test_free(head);
  struct content content = index_record(sizeof two_keys);
  head = write_head(&content, &size);
  assert_int_equal(cachette_http_record_describe((cachette_slice){head, size}, &info), CACHETTE_OK);
  assert_true(info.is_index);
  test_free(head);
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
  struct content content = small;
  content.tag_count = LENGTH(some_tags);
  size_t size;
  unsigned char *head = write_head(&content, &size);
  cachette_slice record = {head, size};
  assert_slice(cachette_http_record_tag(record, 0), "blog");
  assert_slice(cachette_http_record_tag(record, 1), "https://example.com a b");
  assert_int_equal(cachette_http_record_tag(record, 2).size, 0);
  assert_int_equal(cachette_http_record_tag(record, SIZE_MAX).size, 0);
  test_free(head);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_record_is_read_as_it_was_written),
      cmocka_unit_test(a_random_record_is_read_as_it_was_written),
      cmocka_unit_test(times_and_durations_are_moved_into_their_range),
      cmocka_unit_test(a_head_of_4_gib_is_refused),
      cmocka_unit_test(the_form_of_a_record_does_not_change),
      cmocka_unit_test(a_record_with_any_byte_changed_is_none),
      cmocka_unit_test(a_record_that_is_cut_off_in_its_head_is_none),
      cmocka_unit_test(a_forged_record_is_none),
      cmocka_unit_test(a_forged_byte_never_leads_out_of_the_head),
      cmocka_unit_test(parts_of_a_partial_response_lie_in_the_whole),
      cmocka_unit_test(an_index_has_variants_and_no_fields),
      cmocka_unit_test(a_malformed_selector_is_refused),
      cmocka_unit_test(a_dangerous_field_is_not_read),
      cmocka_unit_test(the_checksum_of_a_body_does_not_depend_on_its_parts),
      cmocka_unit_test(a_body_matches_its_record_only),
      cmocka_unit_test(a_record_without_a_body_matches_no_bytes),
      cmocka_unit_test(a_record_is_described),
      cmocka_unit_test(what_is_no_record_is_not_described),
      cmocka_unit_test(tags_are_read_by_their_index),
  };
  return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
