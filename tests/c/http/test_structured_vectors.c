/* SPDX-License-Identifier: MIT */
/*
 * Runs the public test vectors for Structured Fields, which lie beside this repository, or in the
 * folder CACHETTE_TEST_STRUCTURED_FIELDS. A file is an array of cases:
 *
 *     raw, header_type      the lines of a field, and its kind
 *     expected              what they mean: a field is made into the same JSON and compared
 *     must_fail, can_fail   the lines must, or may, be refused
 *     canonical             the serialization of `expected`, if it differs from `raw`
 *
 * A case without `raw` only tests serializing.
 */
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/structured.h"
#include "support.h"

enum { TEXT_MAX = 65536 };

static const char *folder;

/* ---- Base32, in which the vectors write bytes (RFC 4648, 6) ---- */

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static size_t encode_base32(const unsigned char *bytes, size_t size, char *text) {
  size_t written = 0;
  unsigned bits = 0, count = 0;
  for (size_t i = 0; i < size; i++) {
    bits = bits << 8 | bytes[i];
    for (count += 8; count >= 5; count -= 5) text[written++] = base32[bits >> (count - 5) & 31];
  }
  if (count > 0) text[written++] = base32[bits << (5 - count) & 31];
  while (written % 8 != 0) text[written++] = '=';
  return written;
}

static size_t decode_base32(const char *text, unsigned char *bytes) {
  size_t written = 0;
  unsigned bits = 0, count = 0;
  for (; *text != '\0' && *text != '='; text++) {
    const char *digit = strchr(base32, *text);
    assert_non_null(digit);
    bits = bits << 5 | (unsigned)(digit - base32);
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes[written++] = (unsigned char)(bits >> count);
  }
  return written;
}

/* ---- A parsed field as JSON ---- */

static json_t *typed(const char *type, json_t *value) {
  return json_pack("{s:s, s:o}", "__type", type, "value", value);
}

static json_t *text_to_json(const cachette__sf_item *item) {
  static unsigned char bytes[TEXT_MAX];
  static char encoded[2 * TEXT_MAX];
  size_t size = cachette__sf_decode(item, bytes, sizeof bytes);
  assert_true(size <= sizeof bytes);
  if (item->type == CACHETTE__SF_BYTES)
    return typed("binary", json_stringn(encoded, encode_base32(bytes, size, encoded)));
  json_t *text = json_stringn((const char *)bytes, size);
  if (item->type == CACHETTE__SF_STRING) return text;
  return typed(item->type == CACHETTE__SF_TOKEN ? "token" : "displaystring", text);
}

static json_t *value_to_json(const cachette__sf_item *item) {
  switch (item->type) {
    case CACHETTE__SF_INTEGER:
      return json_integer(item->number);
    case CACHETTE__SF_DECIMAL:
      return json_real((double)item->number / 1000);
    case CACHETTE__SF_BOOLEAN:
      return json_boolean(item->number);
    case CACHETTE__SF_DATE:
      return typed("date", json_integer(item->number));
    default:
      return text_to_json(item);
  }
}

/* Of several values with the same key the last one counts, at the position of the first. */
static void set_key(json_t *pairs, cachette_slice key, json_t *value) {
  json_t *name = json_stringn(key.data, key.size);
  for (size_t i = 0; i < json_array_size(pairs); i++) {
    json_t *pair = json_array_get(pairs, i);
    if (!json_equal(json_array_get(pair, 0), name)) continue;
    json_array_set_new(pair, 1, value);
    json_decref(name);
    return;
  }
  json_array_append_new(pairs, json_pack("[o, o]", name, value));
}

static json_t *parameters_to_json(cachette_slice parameters) {
  json_t *pairs = json_array();
  cachette__sf_item parameter;
  while (cachette__sf_next_parameter(&parameters, &parameter))
    set_key(pairs, parameter.key, value_to_json(&parameter));
  return pairs;
}

static json_t *member_to_json(const cachette__sf_item *member) {
  json_t *value;
  if (member->type == CACHETTE__SF_INNER) {
    cachette_slice rest = member->text;
    cachette__sf_item item;
    value = json_array();
    while (cachette__sf_next_item(&rest, &item))
      json_array_append_new(value, member_to_json(&item));
  } else {
    value = value_to_json(member);
  }
  return json_pack("[o, o]", value, parameters_to_json(member->parameters));
}

/* Returns NULL if the field is refused. */
static json_t *field_to_json(enum cachette__sf_kind kind, const cachette_slice *lines,
                             size_t count) {
  cachette__sf field;
  cachette__sf_item member;
  if (!cachette__sf_begin(&field, kind, lines, count)) return NULL;
  if (kind == CACHETTE__SF_ITEM) {
    assert_true(cachette__sf_next(&field, &member));
    return member_to_json(&member);
  }
  json_t *members = json_array();
  while (cachette__sf_next(&field, &member)) {
    if (kind == CACHETTE__SF_DICTIONARY)
      set_key(members, member.key, member_to_json(&member));
    else
      json_array_append_new(members, member_to_json(&member));
  }
  return members;
}

/* ---- JSON as a field ---- */

static cachette_slice slice_of(const json_t *text) {
  return (cachette_slice){json_string_value(text), json_string_length(text)};
}

static cachette__sf_item typed_from_json(const json_t *json) {
  static unsigned char bytes[TEXT_MAX];
  const char *type = json_string_value(json_object_get(json, "__type"));
  const json_t *value = json_object_get(json, "value");
  cachette__sf_item item = {.type = CACHETTE__SF_TOKEN, .text = slice_of(value)};
  if (strcmp(type, "date") == 0) {
    item.type = CACHETTE__SF_DATE;
    item.number = json_integer_value(value);
  } else if (strcmp(type, "displaystring") == 0) {
    item.type = CACHETTE__SF_DISPLAY;
  } else if (strcmp(type, "binary") == 0) {
    item.type = CACHETTE__SF_BYTES;
    assert_true(json_string_length(value) <= sizeof bytes);
    item.text = (cachette_slice){bytes, decode_base32(json_string_value(value), bytes)};
  } else {
    assert_string_equal(type, "token");
  }
  return item;
}

static cachette__sf_item value_from_json(const json_t *json) {
  if (json_is_integer(json)) return cachette__sf_integer(json_integer_value(json));
  if (json_is_real(json)) return cachette__sf_decimal(json_real_value(json));
  if (json_is_boolean(json)) return cachette__sf_boolean(json_is_true(json));
  if (json_is_string(json)) return cachette__sf_string(slice_of(json));
  if (json_is_array(json)) return (cachette__sf_item){.type = CACHETTE__SF_INNER};
  return typed_from_json(json);
}

static void write_parameters(cachette__sf_writer *writer, const json_t *pairs) {
  for (size_t i = 0; i < json_array_size(pairs); i++) {
    const json_t *pair = json_array_get(pairs, i);
    cachette__sf_item parameter = value_from_json(json_array_get(pair, 1));
    parameter.key = slice_of(json_array_get(pair, 0));
    cachette__sf_write_parameter(writer, &parameter);
  }
}

static void write_inner(cachette__sf_writer *writer, const json_t *items) {
  for (size_t i = 0; i < json_array_size(items); i++) {
    const json_t *pair = json_array_get(items, i);
    cachette__sf_item item = value_from_json(json_array_get(pair, 0));
    cachette__sf_write_item(writer, &item);
    write_parameters(writer, json_array_get(pair, 1));
  }
  cachette__sf_write_inner_end(writer);
}

static void write_member(cachette__sf_writer *writer, cachette_slice key, const json_t *json) {
  const json_t *value = json_array_get(json, 0);
  cachette__sf_item member = value_from_json(value);
  member.key = key;
  cachette__sf_write_member(writer, &member);
  if (member.type == CACHETTE__SF_INNER) write_inner(writer, value);
  write_parameters(writer, json_array_get(json, 1));
}

static int write_field(enum cachette__sf_kind kind, const json_t *json, char *text, size_t *size) {
  const cachette_slice none = {NULL, 0};
  cachette__sf_writer writer;
  cachette__sf_writer_begin(&writer, kind, text, TEXT_MAX);
  if (kind == CACHETTE__SF_ITEM) {
    write_member(&writer, none, json);
    return cachette__sf_writer_end(&writer, size);
  }
  for (size_t i = 0; i < json_array_size(json); i++) {
    const json_t *member = json_array_get(json, i);
    if (kind == CACHETTE__SF_DICTIONARY)
      write_member(&writer, slice_of(json_array_get(member, 0)), json_array_get(member, 1));
    else
      write_member(&writer, none, member);
  }
  return cachette__sf_writer_end(&writer, size);
}

/* ---- Cases ---- */

struct counts {
  int parsed, refused, may_be_refused, written, not_written;
};

static enum cachette__sf_kind kind_of(const json_t *vector) {
  const char *kind = json_string_value(json_object_get(vector, "header_type"));
  assert_non_null(kind);
  if (strcmp(kind, "list") == 0) return CACHETTE__SF_LIST;
  if (strcmp(kind, "dictionary") == 0) return CACHETTE__SF_DICTIONARY;
  assert_string_equal(kind, "item");
  return CACHETTE__SF_ITEM;
}

/* Parses the lines from blocks of their exact sizes, which detects reads beyond their ends. */
static json_t *parse(enum cachette__sf_kind kind, const json_t *raw) {
  enum { LINES = 8 };
  cachette_slice lines[LINES];
  size_t count = json_array_size(raw);
  assert_true(count <= LINES);
  for (size_t i = 0; i < count; i++) {
    cachette_slice line = slice_of(json_array_get(raw, i));
    char *copy = test_malloc(line.size);
    memcpy(copy, line.data, line.size);
    lines[i] = (cachette_slice){copy, line.size};
  }
  json_t *parsed = field_to_json(kind, lines, count);
  for (size_t i = 0; i < count; i++) test_free((void *)lines[i].data);
  return parsed;
}

static void run_parsing(const json_t *vector, const char *name, struct counts *counts) {
  const json_t *expected = json_object_get(vector, "expected");
  json_t *parsed = parse(kind_of(vector), json_object_get(vector, "raw"));
  bool must_fail = json_is_true(json_object_get(vector, "must_fail"));
  bool can_fail = json_is_true(json_object_get(vector, "can_fail"));
  if (must_fail && parsed != NULL) fail_msg("%s: accepted", name);
  if (!must_fail && !can_fail && parsed == NULL) fail_msg("%s: refused", name);
  if (parsed != NULL && !json_equal(parsed, expected))
    fail_msg("%s: %s", name, json_dumps(parsed, 0));
  if (parsed != NULL)
    counts->parsed++;
  else if (must_fail)
    counts->refused++;
  else
    counts->may_be_refused++;
  json_decref(parsed);
}

/* An empty field has no canonical lines, and all others have one. */
static void run_serializing(const json_t *vector, const char *name, struct counts *counts) {
  static char text[TEXT_MAX];
  const json_t *canonical = json_object_get(vector, "canonical");
  if (canonical == NULL) canonical = json_object_get(vector, "raw");
  size_t size;
  int status = write_field(kind_of(vector), json_object_get(vector, "expected"), text, &size);
  if (json_is_true(json_object_get(vector, "must_fail"))) {
    if (status != CACHETTE_EINVAL) fail_msg("%s: written as %.*s", name, (int)size, text);
    counts->not_written++;
    return;
  }
  if (status != 0) fail_msg("%s: not written", name);
  assert_true(json_array_size(canonical) <= 1);
  cachette_slice line = slice_of(json_array_get(canonical, 0));
  if (size != line.size || (size > 0 && memcmp(text, line.data, size) != 0))
    fail_msg("%s: written as %.*s", name, (int)size, text);
  counts->written++;
}

static void run(json_t *vectors, const char *file, struct counts *counts) {
  char name[256];
  if (json_array_size(vectors) == 0) fail_msg("%s has no test vectors", file);
  for (size_t i = 0; i < json_array_size(vectors); i++) {
    const json_t *vector = json_array_get(vectors, i);
    snprintf(name, sizeof name, "%s: %s", file, json_string_value(json_object_get(vector, "name")));
    if (json_object_get(vector, "raw") != NULL) run_parsing(vector, name, counts);
    if (json_object_get(vector, "expected") != NULL) run_serializing(vector, name, counts);
  }
  json_decref(vectors);
}

static void print_counts(const struct counts *counts) {
  print_message("# %d parsed, %d refused, %d refused that may be; %d written, %d not written\n",
                counts->parsed, counts->refused, counts->may_be_refused, counts->written,
                counts->not_written);
}

/* ---- Files ---- */

static void run_files(const char *pattern) {
  glob_t files;
  char path[4096];
  json_error_t error;
  struct counts counts = {0};
  snprintf(path, sizeof path, "%s/%s", folder, pattern);
  if (glob(path, 0, NULL, &files) != 0) fail_msg("there is no %s", path);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    json_t *vectors = json_load_file(files.gl_pathv[i], JSON_ALLOW_NUL, &error);
    if (vectors == NULL) fail_msg("%s: %s", files.gl_pathv[i], error.text);
    run(vectors, strrchr(files.gl_pathv[i], '/') + 1, &counts);
  }
  globfree(&files);
  print_counts(&counts);
}

static void fields_are_parsed_and_serialized_as_the_vectors_say(void **state) {
  (void)state;
  run_files("*.json");
}

static void values_are_serialized_as_the_vectors_say(void **state) {
  (void)state;
  run_files("serialisation/*.json");
}

static void large_fields_are_parsed_and_serialized_as_the_vectors_say(void **state) {
  (void)state;
  static const char file[] = "large-generated.json.xz";
  char command[4096];
  json_error_t error;
  struct counts counts = {0};
  if (system("xz --version >/dev/null 2>&1") != 0) {
    print_message("# there is no xz, so %s is not read\n", file);
    skip();
  }
  snprintf(command, sizeof command, "xz -dc '%s/%s'", folder, file);
  FILE *unpacked = popen(command, "r");
  assert_non_null(unpacked);
  json_t *vectors = json_loadf(unpacked, JSON_ALLOW_NUL, &error);
  assert_int_equal(pclose(unpacked), 0);
  if (vectors == NULL) fail_msg("%s: %s", file, error.text);
  run(vectors, file, &counts);
  print_counts(&counts);
}

int main(void) {
  folder = getenv("CACHETTE_TEST_STRUCTURED_FIELDS");
  if (folder == NULL) folder = STRUCTURED_FIELDS;
  if (access(folder, R_OK) != 0) {
    printf("1..0 # SKIP there is no folder %s\n", folder);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_parsed_and_serialized_as_the_vectors_say),
      cmocka_unit_test(values_are_serialized_as_the_vectors_say),
      cmocka_unit_test(large_fields_are_parsed_and_serialized_as_the_vectors_say),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
