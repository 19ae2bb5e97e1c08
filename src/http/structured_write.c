/* SPDX-License-Identifier: MIT */
/* The writer follows the algorithms of RFC 9651, 4.1. */
#include <math.h>

#include "structured_text.h"

/* ---- Characters ---- */

static void put(cachette__sf_writer *writer, char character) {
  if (writer->size < writer->capacity) writer->buffer[writer->size] = character;
  writer->size++;
}

static void put_text(cachette__sf_writer *writer, cachette_slice text) {
  const char *characters = text.data;
  for (size_t i = 0; i < text.size; i++) put(writer, characters[i]);
}

static void fail_unless(cachette__sf_writer *writer, bool condition) {
  if (!condition) writer->failed = true;
}

/* ---- Numbers ---- */

static bool is_in_range(int64_t number) {
  return number >= -CACHETTE__SF_NUMBER_MAX && number <= CACHETTE__SF_NUMBER_MAX;
}

static void put_digits(cachette__sf_writer *writer, int64_t number) {
  int64_t unit = 1;
  while (number / unit >= 10) unit *= 10;
  for (; unit > 0; unit /= 10) put(writer, (char)('0' + number / unit % 10));
}

/* 4.1.4 */
static void put_integer(cachette__sf_writer *writer, int64_t number) {
  if (!is_in_range(number)) {
    writer->failed = true;
    return;
  }
  if (number < 0) put(writer, '-');
  put_digits(writer, number < 0 ? -number : number);
}

/* 4.1.5: at least one digit follows the point, and no zero follows the first one. */
static void put_decimal(cachette__sf_writer *writer, int64_t thousandths) {
  if (!is_in_range(thousandths)) {
    writer->failed = true;
    return;
  }
  if (thousandths < 0) put(writer, '-');
  int64_t number = thousandths < 0 ? -thousandths : thousandths, fraction = number % 1000;
  put_digits(writer, number / 1000);
  put(writer, '.');
  do {
    put(writer, (char)('0' + fraction / 100));
    fraction = fraction % 100 * 10;
  } while (fraction > 0);
}

static void put_boolean(cachette__sf_writer *writer, int64_t number) {
  fail_unless(writer, number == 0 || number == 1);
  put(writer, '?');
  put(writer, number != 0 ? '1' : '0');
}

/* ---- Texts ---- */

/* 4.1.7 */
static void put_token(cachette__sf_writer *writer, cachette_slice text) {
  fail_unless(writer, text.size > 0 && cachette__sf_token_size(text) == text.size);
  put_text(writer, text);
}

/* 4.1.6 */
static void put_string(cachette__sf_writer *writer, const cachette__sf_item *item) {
  unsigned char byte;
  cachette__sf_bytes bytes = cachette__sf_bytes_of(item);
  put(writer, '"');
  while (cachette__sf_next_byte(&bytes, &byte)) {
    fail_unless(writer, byte >= 0x20 && byte < 0x7f);
    if (byte == '"' || byte == '\\') put(writer, '\\');
    put(writer, (char)byte);
  }
  put(writer, '"');
}

/* 4.1.8 */
static void put_bytes(cachette__sf_writer *writer, const cachette__sf_item *item) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char byte;
  unsigned bits = 0, count = 0; /* the bits that are not yet written */
  size_t written = 0;
  cachette__sf_bytes bytes = cachette__sf_bytes_of(item);
  put(writer, ':');
  while (cachette__sf_next_byte(&bytes, &byte)) {
    bits = (bits << 8 | byte) & 0xffff;
    for (count += 8; count >= 6; written++) {
      count -= 6;
      put(writer, digits[bits >> count & 63]);
    }
  }
  if (count > 0) {
    put(writer, digits[bits << (6 - count) & 63]);
    written++;
  }
  for (; written % 4 != 0; written++) put(writer, '=');
  put(writer, ':');
}

/* 4.1.11 */
static void put_display(cachette__sf_writer *writer, const cachette__sf_item *item) {
  static const char digits[] = "0123456789abcdef";
  unsigned char byte;
  cachette__sf_bytes bytes = cachette__sf_bytes_of(item);
  fail_unless(writer, cachette__sf_is_utf8(item));
  put(writer, '%');
  put(writer, '"');
  while (cachette__sf_next_byte(&bytes, &byte)) {
    bool is_plain = byte >= 0x20 && byte < 0x7f && byte != '%' && byte != '"';
    put(writer, is_plain ? (char)byte : '%');
    if (is_plain) continue;
    put(writer, digits[byte >> 4]);
    put(writer, digits[byte & 15]);
  }
  put(writer, '"');
}

static void put_value(cachette__sf_writer *writer, const cachette__sf_item *item) {
  switch (item->type) {
    case CACHETTE__SF_INTEGER:
      put_integer(writer, item->number);
      break;
    case CACHETTE__SF_DECIMAL:
      put_decimal(writer, item->number);
      break;
    case CACHETTE__SF_BOOLEAN:
      put_boolean(writer, item->number);
      break;
    case CACHETTE__SF_DATE: /* 4.1.10 */
      put(writer, '@');
      put_integer(writer, item->number);
      break;
    case CACHETTE__SF_TOKEN:
      put_token(writer, item->text);
      break;
    case CACHETTE__SF_STRING:
      put_string(writer, item);
      break;
    case CACHETTE__SF_BYTES:
      put_bytes(writer, item);
      break;
    case CACHETTE__SF_DISPLAY:
      put_display(writer, item);
      break;
    default: /* inner lists are not nested, and no parameter is one */
      writer->failed = true;
  }
}

/* Writes a key and its value. True is not written (4.1.1.2 and 4.1.2). */
static void put_keyed(cachette__sf_writer *writer, const cachette__sf_item *item) {
  fail_unless(writer, item->key.size > 0 && cachette__sf_key_size(item->key) == item->key.size);
  put_text(writer, item->key);
  if (item->type == CACHETTE__SF_BOOLEAN && item->number == 1) return;
  put(writer, '=');
  if (item->type != CACHETTE__SF_INNER) put_value(writer, item);
}

/* ---- Fields ---- */

void cachette__sf_writer_begin(cachette__sf_writer *writer, enum cachette__sf_kind kind,
                               char *buffer, size_t capacity) {
  *writer = (cachette__sf_writer){.kind = kind, .buffer = buffer, .capacity = capacity};
}

void cachette__sf_write_member(cachette__sf_writer *writer, const cachette__sf_item *member) {
  bool is_inner = member->type == CACHETTE__SF_INNER;
  fail_unless(writer, !writer->in_inner);
  fail_unless(writer, writer->kind != CACHETTE__SF_ITEM || (writer->members == 0 && !is_inner));
  if (writer->members++ > 0) put_text(writer, cachette_str(", "));
  if (writer->kind == CACHETTE__SF_DICTIONARY) {
    put_keyed(writer, member);
  } else {
    fail_unless(writer, member->key.size == 0);
    if (!is_inner) put_value(writer, member);
  }
  if (is_inner) put(writer, '(');
  writer->in_inner = is_inner;
  writer->has_value = !is_inner;
}

void cachette__sf_write_item(cachette__sf_writer *writer, const cachette__sf_item *item) {
  fail_unless(writer, writer->in_inner && item->key.size == 0);
  if (writer->has_value) put(writer, ' ');
  put_value(writer, item);
  writer->has_value = true;
}

void cachette__sf_write_inner_end(cachette__sf_writer *writer) {
  fail_unless(writer, writer->in_inner);
  put(writer, ')');
  writer->in_inner = false;
  writer->has_value = true;
}

void cachette__sf_write_parameter(cachette__sf_writer *writer, const cachette__sf_item *parameter) {
  fail_unless(writer, writer->has_value && parameter->type != CACHETTE__SF_INNER);
  put(writer, ';');
  put_keyed(writer, parameter);
}

int cachette__sf_writer_end(const cachette__sf_writer *writer, size_t *size) {
  bool is_missing = writer->kind == CACHETTE__SF_ITEM && writer->members == 0;
  if (writer->failed || writer->in_inner || is_missing) return CACHETTE_EINVAL;
  *size = writer->size;
  return writer->size > writer->capacity ? CACHETTE_ETOOBIG : 0;
}

/* ---- Values ---- */

cachette__sf_item cachette__sf_integer(int64_t number) {
  return (cachette__sf_item){.type = CACHETTE__SF_INTEGER, .number = number};
}

cachette__sf_item cachette__sf_boolean(bool value) {
  return (cachette__sf_item){.type = CACHETTE__SF_BOOLEAN, .number = value};
}

cachette__sf_item cachette__sf_token(cachette_slice text) {
  return (cachette__sf_item){.type = CACHETTE__SF_TOKEN, .text = text};
}

cachette__sf_item cachette__sf_string(cachette_slice text) {
  return (cachette__sf_item){.type = CACHETTE__SF_STRING, .text = text};
}

cachette__sf_item cachette__sf_decimal(double number) {
  double thousandths = rint(number * 1000); /* rint() rounds to even, as 4.1.5 wants it */
  bool is_decimal = fabs(thousandths) <= (double)CACHETTE__SF_NUMBER_MAX; /* false for a NaN */
  return (cachette__sf_item){.type = CACHETTE__SF_DECIMAL,
                             .number = is_decimal ? (int64_t)thousandths : INT64_MIN};
}
