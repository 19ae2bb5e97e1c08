/* SPDX-License-Identifier: MIT */
/* Records for the tests: what they are written from, and heads in blocks of exactly their size. */
#ifndef CACHETTE_TESTS_RECORDS_H
#define CACHETTE_TESTS_RECORDS_H

#include "http/record.h"

enum { RECORD_FIELDS = 5, RECORD_TAGS = 2 };

/* What a record is written from. */
struct record {
  cachette__http_stored stored;
  const cachette_http_field *fields;
  const cachette_slice *tags;
  size_t field_count, tag_count;
};

extern const cachette_http_field record_fields[RECORD_FIELDS];
extern const cachette_slice record_tags[RECORD_TAGS];
extern const unsigned char record_keys[2 * CACHETTE_HTTP_KEY_SIZE];

/* A response with two of the fields, one of the tags, and a selector. */
extern const struct record record_small;

/* The same, but a part of the body. */
struct record record_partial(int64_t first, int64_t size, int64_t total);

/* The same, but an index with so many bytes of the keys. */
struct record record_index(size_t variants);

/* Writes a head. The caller frees it with free(). */
unsigned char *record_write(const struct record *record, size_t *size);

bool record_is_valid(const unsigned char *head, size_t size);

/* Writes a head, and returns whether it can be read. */
bool record_is_read(const struct record *record);

#endif
