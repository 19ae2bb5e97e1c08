/* SPDX-License-Identifier: MIT */
/* What a response to an unsafe request makes invalid. Each row names its rule, and the section that
 * has it. */
#include "http/invalidate.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/key.h"
#include "http_message.h"

#define URI "https://example.com/a/b?c"
#define POST "POST " URI "\n"
#define GROUPS "Cache-Group-Invalidation: "

enum { ITEMS_MAX = 4 };

static const struct row {
  const char *rule, *request, *response;
  const char *expected[ITEMS_MAX]; /* URIs, and groups behind a '#' */
} rows[] = {
    /* Methods. */
    {"9111 4.4: POST", POST, "200", {URI}},
    {"9111 4.4: PUT", "PUT " URI, "200", {URI}},
    {"9111 4.4: DELETE", "DELETE " URI, "200", {URI}},
    {"9111 4.4: PATCH", "PATCH " URI, "200", {URI}},
    {"9111 4.4: an unknown method", "M-SEARCH " URI, "200", {URI}},
    {"9111 4.4: PURGE is one", "PURGE " URI, "200", {URI}},
    {"9110 9.1: methods have case", "get " URI, "200", {URI}},
    {"9110 9.2.1: GET is safe", "GET " URI, "200", {0}},
    {"9110 9.2.1: HEAD is safe", "HEAD " URI, "200", {0}},
    {"9110 9.2.1: OPTIONS is safe", "OPTIONS " URI, "200", {0}},
    {"9110 9.2.1: TRACE is safe", "TRACE " URI, "200", {0}},
    {"10008 2: QUERY is safe", "QUERY " URI "\nContent-Type: a/b", "200", {0}},
    {"4918 9.1: PROPFIND is safe", "PROPFIND " URI, "207", {0}},
    {"4918 9.3: MKCOL is not", "MKCOL " URI, "201", {URI}},

    /* Statuses. */
    {"9111 4.4: 201", POST, "201", {URI}},
    {"9111 4.4: 204", POST, "204", {URI}},
    {"9111 4.4: 299", POST, "299", {URI}},
    {"9111 4.4: 302", POST, "302", {URI}},
    {"9111 4.4: 303", POST, "303", {URI}},
    {"9111 4.4: 304", POST, "304", {URI}},
    {"9111 4.4: 399", POST, "399", {URI}},
    {"9111 4.4: 400 is an error", POST, "400", {0}},
    {"9111 4.4: 404 is an error", POST, "404", {0}},
    {"9111 4.4: 412 is an error", POST, "412", {0}},
    {"9111 4.4: 500 is an error", POST, "500", {0}},
    {"9111 4.4: 599 is an error", POST, "599", {0}},
    {"9111 4.4: nor what an error names", POST, "500\nLocation: /x\n" GROUPS "\"g\"", {0}},

    /* Location and Content-Location. */
    {"9111 4.4: Location",
     POST,
     "201\nLocation: https://example.com/x",
     {URI, "https://example.com/x"}},
    {"9111 4.4: Content-Location",
     POST,
     "200\nContent-Location: https://example.com/x",
     {URI, "https://example.com/x"}},
    {"9111 4.4: both",
     POST,
     "201\nContent-Location: /x\nLocation: /y",
     {URI, "https://example.com/y", "https://example.com/x"}},
    {"9110 10.2.2: a path", POST, "201\nLocation: /x", {URI, "https://example.com/x"}},
    {"9110 10.2.2: a relative path", POST, "201\nLocation: x", {URI, "https://example.com/a/x"}},
    {"9110 10.2.2: up", POST, "201\nLocation: ../x", {URI, "https://example.com/x"}},
    {"9110 10.2.2: a query", POST, "201\nLocation: ?x", {URI, "https://example.com/a/b?x"}},
    {"9110 10.2.2: a host", POST, "201\nLocation: //example.com/x", {URI, "https://example.com/x"}},
    {"9110 10.2.2: a fragment does not count",
     POST,
     "201\nLocation: /x#y",
     {URI, "https://example.com/x"}},
    {"9110 4.2.3: the default port",
     POST,
     "201\nLocation: https://example.com:443/x",
     {URI, "https://example.com/x"}},
    {"9110 4.2.3: hosts have no case",
     POST,
     "201\nLocation: HTTPS://EXAMPLE.com/x",
     {URI, "https://example.com/x"}},
    {"9111 4.4: another host", POST, "201\nLocation: https://example.org/x", {URI}},
    {"9111 4.4: a host that begins like it",
     POST,
     "201\nLocation: https://example.com.org/x",
     {URI}},
    {"9111 4.4: a host that ends like it", POST, "201\nLocation: https://www.example.com/x", {URI}},
    {"9111 4.4: another port", POST, "201\nLocation: https://example.com:444/x", {URI}},
    {"9111 4.4: another scheme", POST, "201\nLocation: http://example.com/x", {URI}},
    {"9111 4.4: the other scheme's port", POST, "201\nLocation: http://example.com:443/x", {URI}},
    {"9111 4.4: a host like it, as user",
     POST,
     "201\nLocation: https://example.com@example.org/x",
     {URI}},
    {"9111 4.4: no host, relative to another", POST, "201\nLocation: //example.org/x", {URI}},
    {"9110 10.2.2: no http URI", POST, "201\nLocation: mailto:a@b", {URI}},
    {"9110 10.2.2: two lines", POST, "201\nLocation: /x\nLocation: /y", {URI}},
    {"9111 4.4: one of another host, one of this",
     POST,
     "201\nLocation: https://example.org/x\nContent-Location: /y",
     {URI, "https://example.com/y"}},

    /* Groups. */
    {"9875 3: a group", POST, "200\n" GROUPS "\"g\"", {URI, "#g"}},
    {"9875 3: groups", POST, "200\n" GROUPS "\"g\", \"h\"", {URI, "#g", "#h"}},
    {"9875 3: in lines", POST, "200\n" GROUPS "\"g\"\n" GROUPS "\"h\"", {URI, "#g", "#h"}},
    {"9875 3: behind URIs",
     POST,
     "201\nLocation: /x\n" GROUPS "\"g\"",
     {URI, "https://example.com/x", "#g"}},
    {"9875 3: case counts", POST, "200\n" GROUPS "\"G\"", {URI, "#G"}},
    {"9875 3: parameters do not", POST, "200\n" GROUPS "\"g\";a=1", {URI, "#g"}},
    {"9651 3.3.3: escapes", POST, "200\n" GROUPS "\"a\\\"b\\\\c\"", {URI, "#a\"b\\c"}},
    {"9875 3: a token is no group", POST, "200\n" GROUPS "g", {URI}},
    {"9875 3: beside a group", POST, "200\n" GROUPS "g, 1, (\"i\"), \"h\"", {URI, "#h"}},
    {"9651 4.2: malformed", POST, "200\n" GROUPS "\"g\", \"h", {URI}},
    {"9651 4.2: a comma at the end", POST, "200\n" GROUPS "\"g\",", {URI}},
    {"9651 4.2: nothing", POST, "200\n" GROUPS, {URI}},
    {"9875 2: Cache-Groups is another field", POST, "200\nCache-Groups: \"g\"", {URI}},
    {"9875 3: GET invalidates nothing", "GET " URI, "200\n" GROUPS "\"g\"", {0}},
    {"9875 3: nor does an error", POST, "503\n" GROUPS "\"g\"", {0}},
    {"9875 3: DELETE", "DELETE " URI, "204\n" GROUPS "\"g\"", {URI, "#g"}},
};

/* A request and a response to it. */
struct scene {
  cachette_http_policy policy;
  cachette_http_request *request;
  cachette_http_response *response;
  cachette__http_asked asked;
  cachette__http_answered answered;
  cachette_slice canonical;
  unsigned char digest[CACHETTE_HTTP_KEY_SIZE]; /* of it */
};

static void begin(struct scene *scene, const char *request, const char *response) {
  unsigned char bytes[1024];
  scene->request = http_request_new(request);
  scene->response = http_response_new(response);
  cachette__http_ask(&scene->policy, scene->request, &scene->asked);
  cachette__http_look_at_response(&scene->policy, scene->response, &scene->answered);
  size_t size = cachette__http_key_write(&scene->policy, &scene->asked, bytes, sizeof bytes);
  assert_true(size > 0 && size <= sizeof bytes);
  scene->canonical = http_copy(bytes, size);
  cachette__http_digest(scene->canonical, scene->digest);
}

static void end(struct scene *scene) {
  http_free(scene->canonical);
  http_response_free(scene->response);
  http_request_free(scene->request);
}

/* Writes an item in the form of a row. `space` is a block whose end ASan knows. */
static bool describe(const struct scene *scene, size_t index, char *space, size_t capacity,
                     const char *const uris[ITEMS_MAX], char text[256]) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE], other[CACHETTE_HTTP_KEY_SIZE];
  static const unsigned char zeros[CACHETTE_HTTP_KEY_SIZE];
  static const char origin[] = "https://example.com ";
  cachette_slice tag;
  memset(key, 0xee, sizeof key);
  if (!cachette__http_invalidated_item(&scene->policy, &scene->asked, &scene->answered,
                                       scene->canonical, scene->digest, index, key, space, capacity,
                                       &tag))
    return false;
  strcpy(text, "an unknown URI");
  if (memcmp(key, zeros, sizeof key) == 0) {
    assert_true(tag.size >= sizeof origin - 1);
    assert_memory_equal(tag.data, origin, sizeof origin - 1);
    snprintf(text, 256, "#%.*s", (int)(tag.size - (sizeof origin - 1)),
             (const char *)tag.data + sizeof origin - 1);
    return true;
  }
  for (size_t i = 0; i < ITEMS_MAX && uris[i] != NULL; i++) {
    if (*uris[i] == '#') continue;
    assert_int_equal(cachette_http_uri_key(&scene->policy, cachette_str(uris[i]), other), 0);
    if (memcmp(key, other, sizeof key) == 0) strcpy(text, uris[i]);
  }
  if (tag.size == 0) return true;
  char expected[4 + 2 * CACHETTE_HTTP_KEY_SIZE + 1] = "uri ";
  for (size_t i = 0; i < sizeof key; i++) sprintf(expected + 4 + 2 * i, "%02x", key[i]);
  assert_slice(tag, expected);
  return true;
}

static void expect_items(const struct row *row) {
  struct scene scene = {.policy = {0}};
  begin(&scene, row->request, row->response);
  char text[256], *space = malloc(128);
  size_t index = 0;
  for (; describe(&scene, index, space, 128, row->expected, text); index++) {
    if (index >= ITEMS_MAX || row->expected[index] == NULL ||
        strcmp(text, row->expected[index]) != 0)
      fail_msg("%s: item %zu is %s", row->rule, index, text);
  }
  if (index < ITEMS_MAX && row->expected[index] != NULL)
    fail_msg("%s: no %s", row->rule, row->expected[index]);
  if (cachette__http_invalidates(&scene.asked, &scene.answered) != (index > 0))
    fail_msg("%s: invalidates", row->rule);
  free(space);
  end(&scene);
}

static void an_unsafe_request_invalidates_uris_and_groups(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(rows); i++) expect_items(&rows[i]);
}

static void what_invalidates_is_known_without_an_exchange(void **state) {
  (void)state;
  static const int statuses[] = {200, 207, 304, 399};
  static const int errors[] = {INT_MIN, -200, 0, 100, 199, 400, 599, INT_MAX};
  static const char *const fields[] = {"location", "LOCATION", "Content-Location",
                                       "cache-group-invalidation"};
  static const char *const harmless[] = {"", "locatio", "locations", "content-type",
                                         "cache-groups"};
  for (size_t i = 0; i < LENGTH(statuses); i++)
    if (!cachette_http_status_invalidates(statuses[i])) fail_msg("%d", statuses[i]);
  for (size_t i = 0; i < LENGTH(errors); i++)
    if (cachette_http_status_invalidates(errors[i])) fail_msg("%d", errors[i]);
  for (size_t i = 0; i < LENGTH(fields); i++)
    if (!cachette_http_field_invalidates(cachette_str(fields[i]))) fail_msg("%s", fields[i]);
  for (size_t i = 0; i < LENGTH(harmless); i++)
    if (cachette_http_field_invalidates(cachette_str(harmless[i]))) fail_msg("%s", harmless[i]);
}

/* ---- Tags of URIs ---- */

static size_t tag_size(const struct scene *scene, size_t index, size_t capacity) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  char *space = malloc(capacity > 0 ? capacity : 1);
  cachette_slice tag;
  assert_true(cachette__http_invalidated_item(&scene->policy, &scene->asked, &scene->answered,
                                              scene->canonical, scene->digest, index, key, space,
                                              capacity, &tag));
  size_t size = tag.size;
  free(space);
  return size;
}

static void a_cached_post_leaves_the_answers_to_others(void **state) {
  (void)state;
  static const struct {
    bool is_cached;
    const char *response;
    size_t tag_size;
  } cases[] = {
      {false, "200\nCache-Control: max-age=9", 68},
      {true, "200\nCache-Control: max-age=9", 0},
      {true, "200\nCache-Control: s-maxage=9", 0},
      {true, "200\nExpires: @9", 0},
      {true, "200\nLast-Modified: @-9", 68},
      {true, "200\nCache-Control: no-store", 68},
      {true, "303", 68},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct scene scene = {.policy = {.cache_post = cases[i].is_cached}};
    begin(&scene, POST, cases[i].response);
    assert_true(cachette__http_invalidates(&scene.asked, &scene.answered));
    if (tag_size(&scene, 0, 128) != cases[i].tag_size) fail_msg("case %zu", i);
    end(&scene);
  }
}

/* A URI is still cleared by its key. A group is left out, and others are not. */
static void a_tag_that_does_not_fit_is_left_out(void **state) {
  (void)state;
  struct scene scene = {.policy = {0}};
  begin(&scene, POST, "200\n" GROUPS "\"0123456789\", \"g\"");
  assert_int_equal(tag_size(&scene, 0, 68), 68);
  assert_int_equal(tag_size(&scene, 0, 67), 0);
  assert_int_equal(tag_size(&scene, 0, 0), 0);
  assert_int_equal(tag_size(&scene, 1, 30), 30);
  assert_int_equal(tag_size(&scene, 2, 30), 21);
  assert_int_equal(tag_size(&scene, 1, 29), 21);
  end(&scene);
}

static void policies_count_for_uris_that_a_response_names(void **state) {
  (void)state;
  static const char *const uris[ITEMS_MAX] = {URI, "https://example.com/x?y"};
  struct scene scene = {.policy = {.query = CACHETTE_HTTP_QUERY_DROP}};
  begin(&scene, POST, "201\nLocation: /x?z");
  char text[256], space[128];
  assert_true(describe(&scene, 1, space, sizeof space, uris, text));
  assert_string_equal(text, "https://example.com/x?y");
  end(&scene);
}

static void too_many_lines_of_groups_are_ignored(void **state) {
  (void)state;
  for (int lines = 64; lines <= 65; lines++) {
    char text[4096] = "200\n";
    for (int i = 0; i < lines; i++) strcat(text, GROUPS "\"g\"\n");
    struct scene scene = {.policy = {0}};
    begin(&scene, POST, text);
    unsigned char key[CACHETTE_HTTP_KEY_SIZE];
    char space[128];
    cachette_slice tag;
    size_t index = 0;
    while (cachette__http_invalidated_item(&scene.policy, &scene.asked, &scene.answered,
                                           scene.canonical, scene.digest, index, key, space,
                                           sizeof space, &tag))
      index++;
    assert_int_equal(index, lines == 64 ? 65 : 1);
    end(&scene);
  }
}

/* A URI that is too long to be looked at invalidates nothing, and the rest is still found. */
static void a_very_long_location_is_left_out(void **state) {
  (void)state;
  for (size_t size = 3990; size < 4100; size++) {
    char text[8192] = "201\nLocation: /";
    memset(text + strlen(text), 'x', size - 1);
    strcat(text, "\nContent-Location: /y\n");
    /* http_message.h has lines of up to 4096 bytes. */
    if (size + 16 > 4096) break;
    struct scene scene = {.policy = {0}};
    begin(&scene, POST, text);
    unsigned char key[CACHETTE_HTTP_KEY_SIZE], other[CACHETTE_HTTP_KEY_SIZE];
    char space[128];
    cachette_slice tag;
    cachette_http_uri_key(&scene.policy, cachette_str("https://example.com/y"), other);
    bool is_found = false;
    for (size_t i = 0; cachette__http_invalidated_item(&scene.policy, &scene.asked, &scene.answered,
                                                       scene.canonical, scene.digest, i, key, space,
                                                       sizeof space, &tag);
         i++)
      is_found |= memcmp(key, other, sizeof key) == 0;
    assert_true(is_found);
    end(&scene);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_unsafe_request_invalidates_uris_and_groups),
      cmocka_unit_test(what_invalidates_is_known_without_an_exchange),
      cmocka_unit_test(a_cached_post_leaves_the_answers_to_others),
      cmocka_unit_test(a_tag_that_does_not_fit_is_left_out),
      cmocka_unit_test(policies_count_for_uris_that_a_response_names),
      cmocka_unit_test(too_many_lines_of_groups_are_ignored),
      cmocka_unit_test(a_very_long_location_is_left_out),
  };
  return cmocka_run_group_tests_name("invalidate", tests, NULL, NULL);
}
