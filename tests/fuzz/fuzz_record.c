/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the reader of stored responses. The first byte of an input selects the use of the others:
 *
 *     0   a record as it stands, whose checksum is almost always wrong
 *     1   a head whose magic, version, size and checksum are set right, so that only the other
 *         checks can refuse it
 *     2   the same, but its second byte says how many bytes of a body are behind the head
 *
 * What is accepted must be inside the bytes and free of what no message may have. Writing it again
 * must give the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/record.h"
#include "http/text.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { CHECKSUM = 8, COVERED = 16, HEAD_SIZE = 16 };

/* ---- Reading ---- */

static void check_inside(cachette_slice record, cachette_slice part) {
  const unsigned char *begin = record.data, *data = part.data;
  CHECK(data >= begin && part.size <= record.size);
  CHECK((size_t)(data - begin) <= record.size - part.size);
}

static void check_text(cachette_slice head, cachette_slice text) {
  check_inside(head, text);
  CHECK(!cachette__http_is_dangerous(text));
}

static void check_numbers(const cachette__http_stored *stored) {
  CHECK(stored->status >= 200 && stored->status <= 599);
  CHECK(stored->requested_ms >= 0 && stored->received_ms >= 0 && stored->date_ms >= 0);
  CHECK(stored->initial_age_ms >= 0 && stored->lifetime_ms >= 0);
  CHECK(stored->while_revalidate_ms >= 0 && stored->if_error_ms >= 0);
  CHECK(stored->last_modified_ms >= -1);
  CHECK(stored->body_size >= 0 && stored->first_byte >= 0 && stored->total_size >= -1);
  int64_t sum; /* the largest that the rules add up */
  CHECK(!__builtin_add_overflow(stored->received_ms, stored->lifetime_ms, &sum));
  CHECK(!__builtin_add_overflow(sum, stored->if_error_ms, &sum));
  CHECK(!__builtin_add_overflow(sum, stored->initial_age_ms, &sum));
  CHECK(stored->total_size == -1 || stored->first_byte + stored->body_size <= stored->total_size);
}

static void check_parts(cachette_slice head, const cachette__http_stored *stored) {
  check_inside(head, stored->key);
  check_inside(head, stored->vary);
  check_inside(head, stored->variants);
  check_text(head, stored->etag);
  for (size_t i = 0; i < stored->tag_count; i++) {
    cachette_slice tag = cachette__http_record_tag_at(stored, i);
    CHECK(tag.size > 0);
    check_text(head, tag);
  }
  for (size_t i = 0; i < stored->field_count; i++) {
    cachette_http_field field = cachette__http_record_field(stored, i);
    CHECK(cachette__http_is_token(field.name));
    check_text(head, field.name);
    check_text(head, field.value);
  }
}

/* ---- Writing ---- */

static bool next_field(const void *data, size_t *at, cachette_http_field *field) {
  const cachette__http_stored *stored = data;
  if (*at == stored->field_count) return false;
  *field = cachette__http_record_field(stored, (*at)++);
  return true;
}

static bool next_tag(const void *data, size_t *at, cachette_http_field *field) {
  const cachette__http_stored *stored = data;
  if (*at == stored->tag_count) return false;
  *field = (cachette_http_field){.value = cachette__http_record_tag_at(stored, (*at)++)};
  return true;
}

static void check_writing(cachette_slice head, const cachette__http_stored *stored) {
  cachette__http_source fields = {next_field, stored}, tags = {next_tag, stored};
  CHECK(cachette__http_record_measure(stored, &fields, &tags) == head.size);
  unsigned char *copy = malloc(head.size);
  CHECK(copy != NULL);
  cachette__http_record_put(stored, &fields, &tags, copy);
  CHECK(memcmp(copy, head.data, head.size) == 0);
  free(copy);
}

/* ---- One input ---- */

static void write_number(unsigned char *bytes, uint64_t number, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(number >> 8 * i);
}

/* Makes the first bytes of a head right. */
static void seal(unsigned char *head, size_t size) {
  if (size < HEAD_SIZE + 4) return;
  memcpy(head, "cHTP\1\0\0\0", CHECKSUM);
  write_number(head + HEAD_SIZE, size, 4);
  cachette_slice covered = {head + COVERED, size - COVERED};
  write_number(head + CHECKSUM, cachette__http_body_checksum(&covered, 1), 8);
}

/* Reads a record, and describes it. */
static void read_record(cachette_slice record) {
  cachette__http_stored stored;
  cachette_http_record_info info;
  bool is_record = cachette__http_record_get(record, &stored);
  CHECK(is_record == (cachette_http_record_describe(record, &info) == CACHETTE_OK));
  CHECK(cachette_http_record_head_size(record) == (is_record ? stored.head_size : 0));
  if (!is_record) return;
  CHECK(stored.head_size <= record.size);
  cachette_slice head = {record.data, stored.head_size};
  check_numbers(&stored);
  check_parts(head, &stored);
  check_writing(head, &stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  unsigned use = data[0] % 3;
  size_t skipped = use == 2 ? 2 : 1;
  size_t body = use == 2 ? data[1] : 0;
  size -= skipped;
  unsigned char *bytes = malloc(size > 0 ? size : 1);
  CHECK(bytes != NULL);
  memcpy(bytes, data + skipped, size);
  if (use > 0) seal(bytes, size - (body < size ? body : size));
  read_record((cachette_slice){bytes, size});
  free(bytes);
  return 0;
}
