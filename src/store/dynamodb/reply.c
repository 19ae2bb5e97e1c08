/* SPDX-License-Identifier: MIT */
/* What replies hold, in DynamoDB's JSON. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "client.h"

json_object *cachette__dynamo_member(json_object *object, const char *name, enum json_type type) {
  json_object *member = NULL;
  if (!json_object_is_type(object, json_type_object)) return NULL;
  if (!json_object_object_get_ex(object, name, &member)) return NULL;
  return json_object_is_type(member, type) ? member : NULL;
}

bool cachette__dynamo_attribute(json_object *item, const char *name, const char *type,
                                cachette_slice *text) {
  json_object *attribute = cachette__dynamo_member(item, name, json_type_object);
  json_object *value = cachette__dynamo_member(attribute, type, json_type_string);
  if (value == NULL) return false;
  *text =
      (cachette_slice){json_object_get_string(value), (size_t)json_object_get_string_len(value)};
  return true;
}

int64_t cachette__dynamo_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t cachette__dynamo_time_left(json_object *item) {
  cachette_slice digits;
  if (!cachette__dynamo_attribute(item, "expires", "N", &digits)) return 0;
  double seconds = strtod(digits.data, NULL); /* a number of DynamoDB's may have any form */
  if (!(seconds > 0)) return 0;
  if (seconds > 1e15) seconds = 1e15;
  return (int64_t)seconds * 1000 - cachette__dynamo_now();
}

bool cachette__dynamo_lives(json_object *item) { return cachette__dynamo_time_left(item) > 0; }

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
