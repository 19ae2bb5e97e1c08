/* SPDX-License-Identifier: MIT */
/*
 * The bytes of an envelope. These functions read and write them, and do nothing else: no I/O, no
 * allocation, no cryptography.
 *
 *     0  C1 63 68      magic: C1 begins neither UTF-8 nor what any codec writes
 *     3  02            version
 *     4  fields        to the end, each:
 *
 *        type          1 byte; the bit 80 marks a critical field
 *        length        of the content: LEB128, 7 bits a byte, the lowest first, at most 9 bytes
 *        content
 *
 *     83  signature    32 bytes; if there is one, it is the first field
 *     82  compression  the method, 1 byte, and the size of the value, 4 bytes, the lowest first;
 *                      absent: the value is not compressed
 *     81  value        compressed or not
 *
 * The fields behind the signature may come in any order. A reader skips a field that it does not
 * know, unless the field is critical: then it refuses the envelope. If a type comes twice, the
 * first one counts.
 *
 * The signature stands first so that its position cannot depend on what it covers, and so that a
 * reader can check it before it looks at any other field.
 */
#ifndef CACHETTE_LAYER_ENVELOPE_FIELDS_H
#define CACHETTE_LAYER_ENVELOPE_FIELDS_H

#include "cachette.h"

enum {
  CACHETTE__ENVELOPE_MAGIC = 4,     /* bytes of magic and version */
  CACHETTE__ENVELOPE_VERSION = 2,   /* that is written */
  CACHETTE__FIELD_HEAD_MAX = 1 + 9, /* bytes of a field before its content, at most */
  CACHETTE__SIGNATURE_SIZE = 32,    /* bytes of a signature */
};

enum cachette__field {
  CACHETTE__FIELD_CRITICAL = 0x80,
  CACHETTE__FIELD_VALUE = 0x81,
  CACHETTE__FIELD_COMPRESSION = 0x82,
  CACHETTE__FIELD_SIGNATURE = 0x83
};

/* An envelope of any version without its signature. */
typedef struct cachette__signed_parts {
  const unsigned char *signature; /* NULL: there is none */
  cachette_slice parts[2];        /* the bytes before and after it, which it covers */
} cachette__signed_parts;

/* The version of an envelope. 0: this is not an envelope. */
int cachette__envelope_version(cachette_slice stored);

/* Finds the signature of an envelope of version 2. The fields to read are `parts[1]`. */
void cachette__envelope_split(cachette_slice stored, cachette__signed_parts *envelope);

enum cachette__fields_status {
  CACHETTE__FIELDS_OK,
  CACHETTE__FIELDS_DAMAGED,
  CACHETTE__FIELDS_UNKNOWN /* a critical field has a type that this version does not know */
};

/* Checks all fields behind the signature. */
enum cachette__fields_status cachette__fields_check(cachette_slice fields);

/* Finds the content of the first field of a type. The fields must have passed the check. */
bool cachette__fields_find(cachette_slice fields, enum cachette__field type,
                           cachette_slice *content);

/* Writes magic and version. Returns where the first field begins. */
unsigned char *cachette__envelope_begin(unsigned char *bytes);

/* Writes type and length of a field. Returns where its content begins. */
unsigned char *cachette__field_begin(unsigned char *bytes, enum cachette__field type, size_t size);

#endif
