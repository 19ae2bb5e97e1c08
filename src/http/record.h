/* SPDX-License-Identifier: MIT */
/*
 * The binary form of a stored response: a head and, behind it or elsewhere, the body. Numbers are
 * little-endian.
 *
 *       0  "cHTP"
 *       4  version          4 bytes
 *       8  checksum         8 bytes: XXH3 of all that follows in the head
 *      16  head size        4 bytes
 *      20  status           2 bytes
 *      22  flags            2 bytes: enum cachette__http_stored_flag
 *      24  numbers          14 of 8 bytes: requested, received, date, initial age, lifetime,
 *                           window of stale-while-revalidate, of stale-if-error, last modified,
 *                           generation, body size, first byte, total size, checksum of the body,
 *                           epoch
 *     136  sizes            4 of 4 bytes: key, selector, variants, names
 *     152  counts           2 of 4 bytes: fields F, tags T
 *     160  ends of names    F of 4 bytes: where each field's name ends in `names`
 *          ends of texts    1 + T + F of 4 bytes: where each text ends in `texts`
 *          key              the canonical key; see key.h
 *          selector         see vary.h
 *          variants         32 bytes each
 *          names            of the fields, one after another
 *          texts            to the end of the head: entity tag, tags, values of the fields
 *
 * Names and texts are apart so that reading checks each in one pass: names for characters that no
 * token has, texts for CR, LF and NUL. All lengths come from ends, so they can neither overlap nor
 * leave a gap.
 *
 * Reading checks the checksum, then every size and offset; after that the parts are views of the
 * bytes. No allocation.
 */
#ifndef CACHETTE_HTTP_RECORD_H
#define CACHETTE_HTTP_RECORD_H

#include "cachette/http.h"

/* What the rules found when the response was stored (flags). */
enum cachette__http_stored_flag {
  CACHETTE__HTTP_INDEX = 1,           /* an index record: names of Vary and a generation only */
  CACHETTE__HTTP_FOR_ALL = 2,         /* may answer requests with credentials */
  CACHETTE__HTTP_ALWAYS_VALIDATE = 4, /* no-cache */
  CACHETTE__HTTP_NEVER_STALE = 8,     /* must-revalidate and its relatives */
  CACHETTE__HTTP_NEVER_CHANGES = 16,  /* immutable */
  CACHETTE__HTTP_OWN_WINDOWS = 32,    /* s-maxage with stale-*: stale only in these windows, so a
                                         request cannot ask for more with max-stale or
                                         stale-if-error */
  CACHETTE__HTTP_ALL_FLAGS = 63
};

/*
 * A stored response, decoded. After reading, the slices point into the record; before writing, they
 * may point anywhere.
 */
typedef struct cachette__http_stored {
  int status; /* 200 to 599 */
  unsigned flags;
  int64_t requested_ms, received_ms;
  int64_t date_ms;        /* the field Date, or received_ms */
  int64_t initial_age_ms; /* when it was received (RFC 9111, 4.2.3: corrected_initial_age) */
  int64_t lifetime_ms;
  int64_t while_revalidate_ms, if_error_ms; /* stale windows, which begin when the lifetime ends */
  int64_t last_modified_ms;                 /* -1: not known */
  uint64_t generation;
  uint64_t epoch;     /* the caller's; see cachette_http_extra */
  int64_t body_size;  /* of what is stored */
  int64_t first_byte; /* a partial response: where the stored part begins; else 0 */
  int64_t total_size; /* a partial response: the size of the whole; -1: the response is whole */
  uint64_t body_checksum;
  cachette_slice etag;     /* a valid entity tag, as in the field; empty: none */
  cachette_slice key;      /* the canonical key of the request; see key.h */
  cachette_slice vary;     /* what it varies on, in the form of vary.h; or empty */
  cachette_slice variants; /* an index record: the keys of its variants, 32 bytes each */

  /* After reading only. */
  size_t tag_count, field_count;
  size_t head_size;

  /* Private to record.c: views of the tables and of the characters that they index. */
  const unsigned char *name_ends, *text_ends;
  const char *names, *texts;
} cachette__http_stored;

/* The largest time and duration, in milliseconds: a few of them can be added without an overflow.
 * Larger ones are written as this one, and negative ones as 0. */
#define CACHETTE__HTTP_MS_MAX (INT64_C(1) << 59)

/* A sequence that is written: tags (with the name empty) or fields. `next` begins with `*at` 0 and
 * returns false at the end. It is walked several times and must be the same each time. */
typedef struct cachette__http_source {
  bool (*next)(const void *data, size_t *at, cachette_http_field *field);
  const void *data;
} cachette__http_source;

/* Returns the size of the head of a record. NULL sources are empty. 0: it has 4 GiB or more, which
 * no record can have. */
size_t cachette__http_record_measure(const cachette__http_stored *stored,
                                     const cachette__http_source *fields,
                                     const cachette__http_source *tags);

/*
 * Writes the head: as many bytes as were measured. What a head must not have is the caller's duty:
 * names are tokens, no text has CR, LF or NUL, no tag is empty, and `vary` is a selector. A head
 * that breaks this is written, but it cannot be read.
 */
void cachette__http_record_put(const cachette__http_stored *stored,
                               const cachette__http_source *fields,
                               const cachette__http_source *tags, unsigned char *head);

/* Decodes a record, of which the body may be missing. False: it is no record, of another version
 * or damaged; `stored` is undefined. */
bool cachette__http_record_get(cachette_slice record, cachette__http_stored *stored);

/* Returns a field of a decoded record; `index` is less than `field_count`. */
cachette_http_field cachette__http_record_field(const cachette__http_stored *stored, size_t index);

/* Returns a tag of a decoded record; `index` is less than `tag_count`. */
cachette_slice cachette__http_record_tag_at(const cachette__http_stored *stored, size_t index);

/* Returns the checksum of a body in parts. It does not depend on how the body is split. */
uint64_t cachette__http_body_checksum(const cachette_slice *parts, size_t count);

#endif
