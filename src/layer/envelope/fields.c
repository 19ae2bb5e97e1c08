/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <string.h>

enum { SIGNED_HEAD = CACHETTE__ENVELOPE_MAGIC + 2, LENGTH_MAX = CACHETTE__FIELD_HEAD_MAX - 1 };

static const unsigned char signed_head[SIGNED_HEAD] = {
    0xc1, 'c', 'h', CACHETTE__ENVELOPE_VERSION, CACHETTE__FIELD_SIGNATURE, CACHETTE__SIGNATURE_SIZE,
};

/* ---- Reading ---- */

/* Returns the bytes from an offset on. */
static cachette_slice after(cachette_slice bytes, size_t offset) {
  return (cachette_slice){(const unsigned char *)bytes.data + offset, bytes.size - offset};
}

int cachette__envelope_version(cachette_slice stored) {
  const unsigned char *bytes = stored.data;
  bool has_magic = stored.size >= CACHETTE__ENVELOPE_MAGIC && memcmp(bytes, signed_head, 3) == 0;
  return has_magic ? bytes[3] : 0;
}

void cachette__envelope_split(cachette_slice stored, cachette__signed_parts *envelope) {
  bool is_signed = stored.size >= SIGNED_HEAD + CACHETTE__SIGNATURE_SIZE &&
                   memcmp(stored.data, signed_head, SIGNED_HEAD) == 0;
  size_t head = is_signed ? SIGNED_HEAD : CACHETTE__ENVELOPE_MAGIC;
  envelope->signature = is_signed ? (const unsigned char *)stored.data + head : NULL;
  envelope->parts[0] = (cachette_slice){stored.data, head};
  envelope->parts[1] = after(stored, head + (is_signed ? CACHETTE__SIGNATURE_SIZE : 0));
}

/* Parses a length and removes it from the front of the bytes. False: it is damaged. */
static bool read_length(cachette_slice *bytes, uint64_t *length) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes->size && i < LENGTH_MAX; i++) {
    unsigned char byte = ((const unsigned char *)bytes->data)[i];
    sum |= (uint64_t)(byte & 0x7f) << 7 * i;
    if (byte & 0x80) continue;
    *bytes = after(*bytes, i + 1);
    *length = sum;
    return true;
  }
  return false;
}

/* Parses a field and removes it from the front of the fields. False: it is damaged. */
static bool next_field(cachette_slice *fields, unsigned *type, cachette_slice *content) {
  uint64_t length;
  *type = *(const unsigned char *)fields->data;
  cachette_slice rest = after(*fields, 1);
  if (!read_length(&rest, &length) || length > rest.size) return false;
  *content = (cachette_slice){rest.data, (size_t)length};
  *fields = after(rest, (size_t)length);
  return true;
}

enum cachette__fields_status cachette__fields_check(cachette_slice fields) {
  unsigned type;
  cachette_slice content;
  while (fields.size > 0) {
    if (!next_field(&fields, &type, &content) || type == CACHETTE__FIELD_SIGNATURE)
      return CACHETTE__FIELDS_DAMAGED;
    bool is_known = type == CACHETTE__FIELD_VALUE || type == CACHETTE__FIELD_COMPRESSION;
    if (!is_known && (type & CACHETTE__FIELD_CRITICAL)) return CACHETTE__FIELDS_UNKNOWN;
  }
  return CACHETTE__FIELDS_OK;
}

bool cachette__fields_find(cachette_slice fields, enum cachette__field type,
                           cachette_slice *content) {
  unsigned found;
  cachette_slice bytes;
  while (fields.size > 0 && next_field(&fields, &found, &bytes)) {
    if (found != (unsigned)type) continue;
    *content = bytes;
    return true;
  }
  return false;
}

/* ---- Writing ---- */

unsigned char *cachette__envelope_begin(unsigned char *bytes) {
  memcpy(bytes, signed_head, CACHETTE__ENVELOPE_MAGIC);
  return bytes + CACHETTE__ENVELOPE_MAGIC;
}

unsigned char *cachette__field_begin(unsigned char *bytes, enum cachette__field type, size_t size) {
  uint64_t length = size;
  *bytes++ = (unsigned char)type;
  for (; length > 0x7f; length >>= 7) *bytes++ = (unsigned char)(length | 0x80);
  *bytes++ = (unsigned char)length;
  return bytes;
}
