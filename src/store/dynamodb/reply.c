/* SPDX-License-Identifier: MIT */
/* What replies hold, in DynamoDB's JSON. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "client.h"

json_t *cachette__dynamo_member(json_t *object, const char *name, json_type type) {
  json_t *member = json_object_get(object, name); /* NULL of what is no object, too */
  return member != NULL && json_typeof(member) == type ? member : NULL;
}

bool cachette__dynamo_attribute(json_t *item, const char *name, const char *type,
                                cachette_slice *text) {
  json_t *attribute = cachette__dynamo_member(item, name, JSON_OBJECT);
  json_t *value = cachette__dynamo_member(attribute, type, JSON_STRING);
  if (value == NULL) return false;
  *text = (cachette_slice){json_string_value(value), (size_t)json_string_length(value)};
  return true;
}

/* A number, which in DynamoDB may have any form; 0: there is none, or none above 0. */
static int64_t read_number(json_t *item, const char *name) {
  cachette_slice digits;
  if (!cachette__dynamo_attribute(item, name, "N", &digits)) return 0;
  double number = strtod(digits.data, NULL);
  return number > 0 ? (int64_t)(number < 1e15 ? number : 1e15) : 0;
}

/* `expires` rules, `expires_at` refines it within its second; see add_times(). */
int64_t cachette__dynamo_time_left(json_t *item) {
  int64_t end_ms = read_number(item, "expires") * 1000;
  int64_t early_ms = end_ms - read_number(item, "expires_at");
  if (early_ms > 0 && early_ms < 1000) end_ms -= early_ms;
  return end_ms - cachette__epoch_now();
}

bool cachette__dynamo_lives(json_t *item) { return cachette__dynamo_time_left(item) > 0; }

bool cachette__dynamo_decoded_size(cachette_slice text, size_t *size) {
  const char *bytes = text.data;
  if (text.size % 4 != 0 || text.size > INT_MAX) return false;
  *size = text.size / 4 * 3;
  for (size_t i = 1; i <= 2 && i <= text.size && bytes[text.size - i] == '='; i++) --*size;
  for (size_t i = 0; i < text.size; i++) {
    unsigned char low = (unsigned char)(bytes[i] | 0x20);
    bool digit = (low >= 'a' && low <= 'z' && bytes[i] > 0) || (bytes[i] >= '0' && bytes[i] <= '9');
    bool padding = bytes[i] == '=' && i + 2 >= text.size;
    if (!digit && !padding && bytes[i] != '+' && bytes[i] != '/') return false;
  }
  return true;
}

/* OpenSSL writes whole groups of three, so the last group goes by a place of its own. */
bool cachette__dynamo_decode(cachette_slice text, void *bytes) {
  const unsigned char *from = text.data;
  unsigned char *to = bytes, last[3];
  size_t size;
  if (!cachette__dynamo_decoded_size(text, &size)) return false;
  if (text.size == 0) return true;
  size_t whole = text.size / 4 - 1;
  if (whole > 0 && EVP_DecodeBlock(to, from, (int)(whole * 4)) < 0) return false;
  if (EVP_DecodeBlock(last, from + whole * 4, 4) < 0) return false;
  memcpy(to + whole * 3, last, size - whole * 3);
  return true;
}
