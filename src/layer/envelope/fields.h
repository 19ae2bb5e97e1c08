/* SPDX-License-Identifier: MIT */
/*
 * The format of envelopes. These functions only read and write bytes: no I/O, no allocation, no
 * cryptography.
 *
 *     0  C1 63 68      magic: no UTF-8 text and no codec's output begins with C1
 *     3  02            version
 *     4  fields        to the end, each:
 *
 *        type          1 byte; bit 0x80 marks a critical field
 *        length        of the content, as LEB128: 7 bits per byte, lowest first, at most 9 bytes
 *        content
 *
 *     83  signature    32 bytes; optional, but always the first field
 *     82  compression  the method, 1 byte; the size of the value, 4 bytes, lowest first; if this
 *                      field is missing, the value is not compressed
 *     81  value        compressed or not
 *
 * The other fields may have any order. A reader skips a field of an unknown type, unless the field
 * is critical: then it refuses the envelope. If a type occurs twice, the first field counts.
 *
 * The signature comes first so that its position does not depend on the bytes it covers, and so
 * that a reader can check it before it parses any other field.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_FIELDS_H
#define CACHETTE_LAYER_ENVELOPE_FIELDS_H

#include "cachette.h"

enum {
  CACHETTE__ENVELOPE_MAGIC = 4,     /* bytes of magic and version */
  CACHETTE__ENVELOPE_VERSION = 2,   /* the version that is written */
  CACHETTE__FIELD_HEAD_MAX = 1 + 9, /* maximum bytes of type and length */
  CACHETTE__SIGNATURE_SIZE = 32,    /* bytes of a signature */
};

enum cachette__field {
  CACHETTE__FIELD_CRITICAL = 0x80,
  CACHETTE__FIELD_VALUE = 0x81,
  CACHETTE__FIELD_COMPRESSION = 0x82,
  CACHETTE__FIELD_SIGNATURE = 0x83
};

/* An envelope of any version, split at its signature. The parts point into the stored bytes. */
typedef struct cachette__signed_parts {
  const unsigned char *signature; /* NULL: it is not signed */
  cachette_slice parts[2];        /* the bytes before and after the signature, which it covers */
} cachette__signed_parts;

/* Returns the version of an envelope; 0: `stored` is not an envelope. */
int cachette__envelope_version(cachette_slice stored);

/* Splits an envelope of version 2. `parts[1]` are the fields after the signature. */
void cachette__envelope_split(cachette_slice stored, cachette__signed_parts *envelope);

enum cachette__fields_status {
  CACHETTE__FIELDS_OK,
  CACHETTE__FIELDS_DAMAGED,
  CACHETTE__FIELDS_UNKNOWN /* a critical field has a type that this version does not know */
};

/* Checks all fields after the signature. */
enum cachette__fields_status cachette__fields_check(cachette_slice fields);

/* Finds the first field of a type. False: there is none. The fields must have passed
 * cachette__fields_check(). */
bool cachette__fields_find(cachette_slice fields, enum cachette__field type,
                           cachette_slice *content);

/* Writes magic and version. Returns a pointer to the first field. */
unsigned char *cachette__envelope_begin(unsigned char *bytes);

/* Writes type and length of a field. Returns a pointer to its content, which has `size` bytes. */
unsigned char *cachette__field_begin(unsigned char *bytes, enum cachette__field type, size_t size);

#endif
