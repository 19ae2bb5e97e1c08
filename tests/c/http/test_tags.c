/* SPDX-License-Identifier: MIT */
/* The tags of stored responses, written to a record and read back. */
#include "http/tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/key.h"
#include "http_message.h"

enum { TEXT_MAX = 1 << 17 };

#define GET "GET https://example.com/a"

/* Returns the canonical key of a request, in a block of its size. The caller frees it with
 * http_free(). */
static cachette_slice canonical_of(const char *text) {
  static const cachette_http_policy policy = {.cache_post = true};
  unsigned char bytes[1024];
  cachette__http_asked asked;
  cachette_http_request *request = http_request_new(text);
  assert_int_equal(cachette__http_ask(&policy, request, &asked), CACHETTE_HTTP_BECAUSE_NONE);
  size_t size = cachette__http_key_write(&policy, &asked, bytes, sizeof bytes);
  assert_true(size <= sizeof bytes);
  http_request_free(request);
  return http_copy(bytes, size);
}

/* Writes the head of a record with tags. The caller frees it. */
static cachette_slice write_record(cachette__http_tags *tags) {
  cachette__http_tag_space space;
  cachette__http_stored stored = {.status = 200, .total_size = -1, .key = tags->canonical};
  cachette__http_source source = {cachette__http_next_tag, tags};
  tags->space = &space;
  size_t size = cachette__http_record_measure(&stored, NULL, &source);
  unsigned char *head = malloc(size);
  assert_non_null(head);
  cachette__http_record_put(&stored, NULL, &source, head);
  return (cachette_slice){head, size};
}

/* Returns the tags of a record as text, with a bar behind each. */
static const char *text_of(cachette_slice record) {
  static char text[TEXT_MAX];
  size_t used = 0;
  cachette_http_record_info info;
  assert_int_equal(cachette_http_record_describe(record, &info), CACHETTE_OK);
  for (size_t i = 0; i < info.tag_count; i++) {
    cachette_slice tag = cachette_http_record_tag(record, i);
    assert_true(used + tag.size + 1 < sizeof text);
    memcpy(text + used, tag.data, tag.size);
    used += tag.size;
    text[used++] = '|';
  }
  text[used] = '\0';
  return text;
}

/* Returns the tags of a response to a request. `stored` and `extra` may be NULL. */
static const char *tags_of(const char *request, const char *fields, const cachette_slice *stored,
                           const cachette_http_extra *extra) {
  cachette__http_message message;
  cachette__http_stored decoded;
  cachette_slice canonical = canonical_of(request);
  cachette_http_fields lines = http_fields_new(fields);
  assert_true(cachette__http_look_through(&message, lines));
  if (stored != NULL) assert_true(cachette__http_record_get(*stored, &decoded));
  cachette__http_tags tags = {
      .extra = extra,
      .response = &message,
      .stored = stored != NULL ? &decoded : NULL,
      .canonical = canonical,
  };
  cachette_slice record = write_record(&tags);
  const char *text = text_of(record);
  http_free(record);
  http_fields_free(lines);
  http_free(canonical);
  return text;
}

/* ---- Fields ---- */

#define GROUP "https://example.com "
#define LONG_32 "abcdefghijklmnopqrstuvwxyz012345"

static const struct {
  const char *fields, *tags;
} responses[] = {
    {"", ""},
    {"Cache-Control: max-age=1", ""},
    /* Surrogate-Key is separated by spaces. */
    {"Surrogate-Key: a", "a|"},
    {"Surrogate-Key: a b", "a|b|"},
    {"Surrogate-Key:   a   b  ", "a|b|"},
    {"Surrogate-Key: a,b c", "a,b|c|"},
    {"Surrogate-Key: a\nSurrogate-Key: b c", "a|b|c|"},
    {"Surrogate-Key: a b a", "a|b|"},
    {"Surrogate-Key: a A", "a|A|"},
    {"Surrogate-Key: a^Ib", "a^Ib|"},
    {"Surrogate-Key:", ""},
    {"SURROGATE-KEY: a", "a|"},
    /* Cache-Tag by commas. */
    {"Cache-Tag: a", "a|"},
    {"Cache-Tag: a,b", "a|b|"},
    {"Cache-Tag: a b , c", "a b|c|"},
    {"Cache-Tag: ,, a ,,", "a|"},
    {"Cache-Tag: \"a, b", "\"a|b|"},
    {"Cache-Tag: a\nCache-Tag: a, b", "a|b|"},
    {"Cache-Tag:", ""},
    /* Cache-Groups is a list of strings (RFC 9875, 2). */
    {"Cache-Groups: \"a\"", GROUP "a|"},
    {"Cache-Groups: \"a\", \"b\"", GROUP "a|" GROUP "b|"},
    {"Cache-Groups: \"a\"\nCache-Groups: \"b\"", GROUP "a|" GROUP "b|"},
    {"Cache-Groups: \"a\", \"a\"", GROUP "a|"},
    {"Cache-Groups: \"a\", \"A\"", GROUP "a|" GROUP "A|"},
    {"Cache-Groups: \"a\";x=1;y", GROUP "a|"},
    {"Cache-Groups: \"a\";x=1, \"a\";x=2", GROUP "a|"},
    {"Cache-Groups: \"a b,c\"", GROUP "a b,c|"},
    {"Cache-Groups: \"a\\\"b\\\\c\"", GROUP "a\"b\\c|"},
    {"Cache-Groups: \"" LONG_32 "\"", GROUP LONG_32 "|"},
    {"Cache-Groups: \"\"", GROUP "|"},
    {"Cache-Groups:", ""},
    /* Other members are ignored; a field that does not parse counts as absent (RFC 9651, 4.2). */
    {"Cache-Groups: \"a\", b, 1, ?1, :YQ==:, (\"c\"), \"d\"", GROUP "a|" GROUP "d|"},
    {"Cache-Groups: a", ""},
    {"Cache-Groups: \"a\", \"b", ""},
    {"Cache-Groups: \"a\",", ""},
    {"Cache-Groups: \"a\" \"b\"", ""},
    {"Cache-Groups: \"a\"\nCache-Groups: \"b", ""},
    /* All of them. */
    {"Cache-Groups: \"a\"\nCache-Tag: b, a\nSurrogate-Key: a c", "a|c|b|" GROUP "a|"},
    /* A tag that is another's group. */
    {"Cache-Tag: " GROUP "a\nCache-Groups: \"a\"", GROUP "a|"},
    {"Cache-Tag: " GROUP "a\nCache-Groups: \"b\"", GROUP "a|" GROUP "b|"},
};

static void tags_come_from_the_fields_of_the_response(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(responses); i++) {
    char expected[256];
    size_t used = 0; /* ^I is a tab */
    for (const char *at = responses[i].tags; *at != '\0'; at++) {
      bool is_tab = at[0] == '^' && at[1] == 'I';
      expected[used++] = is_tab ? '\t' : *at;
      if (is_tab) at++;
    }
    expected[used] = '\0';
    const char *tags = tags_of(GET, responses[i].fields, NULL, NULL);
    if (strcmp(tags, expected) != 0) fail_msg("%s: %s", responses[i].fields, tags);
  }
}

/* ---- Groups ---- */

/* A group belongs to one origin (RFC 9875, 2.1). */
static void groups_are_those_of_the_origin(void **state) {
  (void)state;
  static const struct {
    const char *request, *tag;
  } cases[] = {
      {"GET https://example.com/b?c", "https://example.com g|"},
      {"GET http://example.com/", "http://example.com g|"},
      {"GET https://example.com:8443/", "https://example.com:8443 g|"},
      {"GET https://example.com:443/", "https://example.com g|"},
      {"GET https://EXAMPLE.com/", "https://example.com g|"},
      {"GET https://www.example.com/", "https://www.example.com g|"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++)
    assert_string_equal(tags_of(cases[i].request, "Cache-Groups: \"g\"", NULL, NULL), cases[i].tag);
}

/* At least 32 groups of 32 characters must be supported (RFC 9875, 2), whatever else there is. */
static void groups_have_room_beside_any_number_of_tags(void **state) {
  (void)state;
  static char fields[TEXT_MAX];
  size_t used = 0;
  for (int i = 0; i < 2 * CACHETTE__HTTP_TAGS_MAX; i++)
    used += (size_t)sprintf(fields + used, "Surrogate-Key: tag%d\n", i);
  for (int i = 0; i < 32; i++)
    used += (size_t)sprintf(fields + used, "Cache-Groups: \"%032d\"\n", i);
  const char *tags = tags_of(GET, fields, NULL, NULL);
  assert_non_null(strstr(tags, "|tag446|"));
  assert_null(strstr(tags, "|tag447|"));
  for (int i = 0; i < 32; i++) {
    char tag[80];
    sprintf(tag, "|" GROUP "%032d|", i);
    assert_non_null(strstr(tags, tag));
  }
}

static void a_group_tag_that_does_not_fit_is_none(void **state) {
  (void)state;
  cachette_slice canonical = canonical_of(GET), group = cachette_str("g\\\"h");
  size_t size = strlen(GROUP "g\"h");
  for (size_t capacity = 0; capacity <= size + 1; capacity++) {
    char *text = malloc(capacity > 0 ? capacity : 1);
    assert_non_null(text);
    size_t written = cachette__http_group_tag(canonical, group, text, capacity);
    assert_int_equal(written, capacity >= size ? size : 0);
    if (written > 0) assert_memory_equal(text, GROUP "g\"h", size);
    free(text);
  }
  http_free(canonical);
}

/* ---- The application's tags, and limits ---- */

static void tags_of_the_application_come_first(void **state) {
  (void)state;
  const cachette_slice own[] = {cachette_str("own"), cachette_str("b"), cachette_str("own")};
  const cachette_http_extra extra = {.tags = own, .tag_count = LENGTH(own)};
  assert_string_equal(tags_of(GET, "Cache-Tag: a, b", NULL, &extra), "own|b|a|");
  assert_string_equal(tags_of(GET, "", NULL, &extra), "own|b|");
}

static void a_tag_that_cannot_be_stored_is_left_out(void **state) {
  (void)state;
  static char tag[CACHETTE__HTTP_TAG_MAX + 1];
  memset(tag, 'x', sizeof tag);
  const cachette_slice own[] = {
      {NULL, 0},   {tag, sizeof tag}, {"a\rb", 3}, {"a\nb", 3},
      {"a\0b", 3}, {"\0", 1},         {"a\tb", 3}, {tag, CACHETTE__HTTP_TAG_MAX},
  };
  const cachette_http_extra extra = {.tags = own, .tag_count = LENGTH(own)};
  const char *tags = tags_of(GET, "", NULL, &extra);
  assert_int_equal(strlen(tags), 4 + CACHETTE__HTTP_TAG_MAX + 1);
  assert_memory_equal(tags, "a\tb|x", 5);
}

/* The longest group leaves room for the origin and a space. */
static void a_group_that_is_too_long_is_left_out(void **state) {
  (void)state;
  enum { LONGEST = CACHETTE__HTTP_TAG_MAX - sizeof GROUP + 1 };
  for (int size = LONGEST; size <= LONGEST + 1; size++) {
    char fields[CACHETTE__HTTP_TAG_MAX + 64];
    sprintf(fields, "Cache-Groups: \"%0*d\", \"b\"", size, 7);
    const char *tags = tags_of(GET, fields, NULL, NULL);
    size_t other = strlen(GROUP "b|");
    assert_int_equal(strlen(tags), other + (size == LONGEST ? CACHETTE__HTTP_TAG_MAX + 1 : 0));
  }
}

/* ---- The URI ---- */

/* A key that has more than the URI cannot be computed from the URI, so a tag says which it is. */
static void a_special_key_is_tagged_with_its_uri(void **state) {
  (void)state;
  cachette_http_policy policy = {0};
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice uri = cachette_str("https://example.com/a");
  assert_int_equal(cachette_http_uri_key(&policy, uri, key), CACHETTE_OK);
  char tag[4 + 2 * sizeof key + 2] = "uri ";
  for (size_t i = 0; i < sizeof key; i++) sprintf(tag + 4 + 2 * i, "%02x", key[i]);
  tag[sizeof tag - 2] = '|';
  tag[sizeof tag - 1] = '\0';
  static const char special[] = "QUERY https://example.com/a\nContent-Type: text/plain";
  assert_string_equal(tags_of(special, "", NULL, NULL), tag);
  assert_string_equal(tags_of(GET, "", NULL, NULL), "");
}

/* ---- A response that is freshened ---- */

static void the_tags_of_the_stored_response_are_kept_once(void **state) {
  (void)state;
  static const char special[] = "QUERY https://example.com/a\nContent-Type: text/plain";
  const cachette_slice own[] = {cachette_str("own")};
  const cachette_http_extra extra = {.tags = own, .tag_count = LENGTH(own)};
  cachette__http_message message;
  cachette_http_fields lines = http_fields_new("Cache-Tag: a\nCache-Groups: \"g\"");
  cachette_slice canonical = canonical_of(special);
  assert_true(cachette__http_look_through(&message, lines));
  cachette__http_tags tags = {.extra = &extra, .response = &message, .canonical = canonical};
  cachette_slice record = write_record(&tags);
  char first[256];
  strcpy(first, text_of(record));
  assert_memory_equal(first, "own|a|" GROUP "g|uri ", strlen("own|a|" GROUP "g|uri "));
  /* Nothing new. */
  assert_string_equal(tags_of(special, "", &record, NULL), first);
  assert_string_equal(tags_of(special, "Cache-Groups: \"g\"", &record, &extra), first);
  assert_string_equal(tags_of(special, "Cache-Tag: own\nSurrogate-Key: a", &record, NULL), first);
  /* Something new. */
  char more[256];
  snprintf(more, sizeof more, "%sb|" GROUP "h|", first);
  assert_string_equal(tags_of(special, "Cache-Tag: b\nCache-Groups: \"h\", \"g\"", &record, NULL),
                      more);
  http_free(record);
  http_free(canonical);
  http_fields_free(lines);
}

/* A record that is full keeps all its tags, those of its groups and of its URI included. */
static void no_tag_of_the_stored_response_is_lost(void **state) {
  (void)state;
  static char fields[TEXT_MAX], first[TEXT_MAX];
  static const char special[] = "QUERY https://example.com/a\nContent-Type: text/plain";
  size_t used = (size_t)sprintf(fields, "Surrogate-Key:");
  for (int i = 0; i < CACHETTE__HTTP_TAGS_MAX; i++)
    used += (size_t)sprintf(fields + used, " tag%d", i);
  used += (size_t)sprintf(fields + used, "\nCache-Groups: \"first\"");
  for (int i = 0; i < 100; i++) used += (size_t)sprintf(fields + used, ", \"%d\"", i);
  cachette__http_message message;
  cachette_http_fields lines = http_fields_new(fields);
  cachette_slice canonical = canonical_of(special);
  assert_true(cachette__http_look_through(&message, lines));
  cachette__http_tags tags = {.response = &message, .canonical = canonical};
  cachette_slice record = write_record(&tags);
  cachette_http_record_info info;
  assert_int_equal(cachette_http_record_describe(record, &info), CACHETTE_OK);
  assert_int_equal(info.tag_count, CACHETTE__HTTP_TAGS_MAX);
  strcpy(first, text_of(record));
  assert_string_equal(tags_of(special, "Cache-Tag: new\nCache-Groups: \"new\"", &record, NULL),
                      first);
  http_free(record);
  http_free(canonical);
  http_fields_free(lines);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tags_come_from_the_fields_of_the_response),
      cmocka_unit_test(groups_are_those_of_the_origin),
      cmocka_unit_test(groups_have_room_beside_any_number_of_tags),
      cmocka_unit_test(a_group_tag_that_does_not_fit_is_none),
      cmocka_unit_test(tags_of_the_application_come_first),
      cmocka_unit_test(a_tag_that_cannot_be_stored_is_left_out),
      cmocka_unit_test(a_group_that_is_too_long_is_left_out),
      cmocka_unit_test(a_special_key_is_tagged_with_its_uri),
      cmocka_unit_test(the_tags_of_the_stored_response_are_kept_once),
      cmocka_unit_test(no_tag_of_the_stored_response_is_lost),
  };
  return cmocka_run_group_tests_name("tags", tests, NULL, NULL);
}
