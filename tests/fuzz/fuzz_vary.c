/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes Vary. The first byte of an input is the policy; its lines are those of Vary, and of the
 * fields of two requests. A request matches a selector exactly if it has the same one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/normalize.h"
#include "http/vary.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { LINES = 16 };

/* A message, whose names and values are in blocks of exactly their size. */
struct message {
  cachette_http_field fields[LINES];
  cachette_http_request request;
  cachette__http_asked asked;
};

static cachette_slice copy(const void *bytes, size_t size) {
  void *block = malloc(size > 0 ? size : 1);
  CHECK(block != NULL);
  return (cachette_slice){size > 0 ? memcpy(block, bytes, size) : block, size};
}

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size &&
         (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

/* Adds a line. The first character of the text is the name. */
static void add(struct message *message, cachette_slice text) {
  static const char *const names[] = {"Vary", "Accept-Encoding",      "Accept-Language", "A", "B",
                                      "Ab",   "Available-Dictionary", "Cookie"};
  size_t count = message->request.fields.count;
  if (count == LINES || text.size == 0) return;
  const char *name = names[*(const unsigned char *)text.data % 8];
  message->fields[count].name = copy(name, strlen(name));
  message->fields[count].value = copy((const char *)text.data + 1, text.size - 1);
  message->request.fields = (cachette_http_fields){message->fields, count + 1};
}

static void free_message(struct message *message) {
  for (size_t i = 0; i < message->request.fields.count; i++) {
    free((void *)message->fields[i].name.data);
    free((void *)message->fields[i].value.data);
  }
}

static cachette_slice write_selector(const cachette_http_policy *policy,
                                     const struct message *message,
                                     const cachette__http_message *response, cachette_slice known) {
  size_t size = cachette__http_vary_write(policy, &message->asked, response, known, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  CHECK(bytes != NULL);
  if (size > 0) { /* as much as fits */
    bytes[size / 2] = 0xee;
    cachette__http_vary_write(policy, &message->asked, response, known, bytes, size / 2);
    CHECK(bytes[size / 2] == 0xee);
  }
  CHECK(cachette__http_vary_write(policy, &message->asked, response, known, bytes, size) == size);
  return (cachette_slice){bytes, size};
}

/* A selector of garbage names is well-formed, and has all names of a response. */
static void check_known(const cachette_http_policy *policy, const struct message *message,
                        const cachette__http_message *response, cachette_slice known) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette__http_vary_matches(policy, &message->asked, known);
  cachette__http_vary_key(policy, &message->asked, known, known, 0, key);
  cachette_slice both = write_selector(policy, message, response, known);
  cachette_slice again = write_selector(policy, message, NULL, both);
  CHECK(cachette__http_vary_matches(policy, &message->asked, both));
  CHECK(is_same(both, again));
  CHECK(cachette__http_vary_same_names(both, again));
  free((void *)both.data);
  free((void *)again.data);
}

static void check_pair(const cachette_http_policy *policy, const struct message *left,
                       const struct message *right, const cachette__http_message *response) {
  const cachette_slice none = {NULL, 0};
  unsigned char keys[2][CACHETTE_HTTP_KEY_SIZE];
  cachette_slice selectors[] = {write_selector(policy, left, response, none),
                                write_selector(policy, right, response, none)};
  bool matches = cachette__http_vary_matches(policy, &right->asked, selectors[0]);
  CHECK(cachette__http_vary_matches(policy, &left->asked, selectors[0]));
  CHECK(cachette__http_vary_same_names(selectors[0], selectors[1]));
  CHECK(matches == is_same(selectors[0], selectors[1]));
  cachette__http_vary_key(policy, &left->asked, none, selectors[0], 1, keys[0]);
  cachette__http_vary_key(policy, &right->asked, none, selectors[0], 1, keys[1]);
  CHECK(matches == (memcmp(keys[0], keys[1], sizeof *keys) == 0));
  free((void *)selectors[0].data);
  free((void *)selectors[1].data);
}

/* A normalized value normalizes to itself. */
static void check_normalized(const struct message *message, enum cachette__http_name name) {
  char space[2][CACHETTE__HTTP_NORMALIZED_MAX];
  cachette_slice value, again;
  cachette__http_message normalized;
  if (!cachette__http_has(&message->asked.message, name)) return;
  if (!cachette__http_normalize(&message->asked.message, name, space[0], &value)) return;
  const cachette_http_field field = {cachette__http_name_text(name), value};
  CHECK(cachette__http_look_through(&normalized, (cachette_http_fields){&field, 1}));
  CHECK(cachette__http_normalize(&normalized, name, space[1], &again));
  CHECK(is_same(value, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const cachette_http_policy policy = {.normalize = *data & 3, .vary_allow = *data >> 2 & 3};
  struct message messages[3] = {0}; /* the response and two requests */
  const char *at = (const char *)data + 1, *end = (const char *)data + size;
  for (size_t i = 0; i < 3 * LINES && at < end; i++) {
    const char *line = memchr(at, '\n', (size_t)(end - at));
    if (line == NULL) line = end;
    add(&messages[i % 3], (cachette_slice){at, (size_t)(line - at)});
    at = line < end ? line + 1 : end;
  }
  for (size_t i = 0; i < 3; i++) {
    cachette__http_ask(&policy, &messages[i].request, &messages[i].asked);
    check_normalized(&messages[i], CACHETTE__HTTP_ACCEPT_ENCODING);
    check_normalized(&messages[i], CACHETTE__HTTP_ACCEPT_LANGUAGE);
  }
  const cachette__http_message *response = &messages[0].asked.message;
  cachette__http_vary_check(&policy, response);
  check_pair(&policy, &messages[1], &messages[2], response);
  cachette_slice known = copy(data + 1, size - 1);
  check_known(&policy, &messages[1], response, known);
  free((void *)known.data);
  for (size_t i = 0; i < 3; i++) free_message(&messages[i]);
  return 0;
}
