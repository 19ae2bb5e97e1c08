/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <stdlib.h>

#include "support.h"

#define SLICE(text) \
  { text, sizeof(text) - 1 }

static bool next_field(const void *data, size_t *at, cachette_http_field *field) {
  const struct record *record = data;
  if (*at == record->field_count) return false;
  *field = record->fields[(*at)++];
  return true;
}

static bool next_tag(const void *data, size_t *at, cachette_http_field *field) {
  const struct record *record = data;
  if (*at == record->tag_count) return false;
  *field = (cachette_http_field){.value = record->tags[(*at)++]};
  return true;
}

unsigned char *record_write(const struct record *record, size_t *size) {
  cachette__http_source fields = {next_field, record}, tags = {next_tag, record};
  *size = cachette__http_record_measure(&record->stored, &fields, &tags);
  unsigned char *head = malloc(*size);
  assert_non_null(head);
  cachette__http_record_put(&record->stored, &fields, &tags, head);
  return head;
}

bool record_is_valid(const unsigned char *head, size_t size) {
  cachette__http_stored stored;
  return cachette__http_record_get((cachette_slice){head, size}, &stored);
}

bool record_is_read(const struct record *record) {
  size_t size;
  unsigned char *head = record_write(record, &size);
  bool result = record_is_valid(head, size);
  free(head);
  return result;
}

/* ---- Content ---- */

const cachette_http_field record_fields[RECORD_FIELDS] = {
    {SLICE("Date"), SLICE("Sun, 06 Nov 1994 08:49:37 GMT")},
    {SLICE("X-Empty"), {NULL, 0}},
    {SLICE("X-Bytes"), SLICE("a\tb \x80\xff")},
    {SLICE("x"), SLICE("1")},
    {SLICE("x"), SLICE("2")},
};
const cachette_slice record_tags[RECORD_TAGS] = {SLICE("blog"), SLICE("https://example.com a b")};

/* Two names; the second one was not in the request. */
static const char selector[] =
    "\0\x06"
    "accept\0\0\0\x03*/*\0\x07x-theme\xff\xff\xff\xff";

const unsigned char record_keys[2 * CACHETTE_HTTP_KEY_SIZE] = {1, 2, 3};

const struct record record_small = {
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
               .epoch = UINT64_C(0x0807060504030201),
               .etag = SLICE("\"e\""),
               .key = SLICE("key"),
               .vary = SLICE(selector)},
    .fields = record_fields,
    .field_count = 2,
    .tags = record_tags,
    .tag_count = 1,
};

struct record record_partial(int64_t first, int64_t size, int64_t total) {
  struct record record = record_small;
  record.stored.status = 206;
  record.stored.first_byte = first;
  record.stored.body_size = size;
  record.stored.total_size = total;
  return record;
}

struct record record_index(size_t variants) {
  struct record record = record_small;
  record.stored.flags = CACHETTE__HTTP_INDEX;
  record.stored.variants = (cachette_slice){record_keys, variants};
  record.field_count = 0;
  return record;
}
