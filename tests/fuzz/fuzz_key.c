/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the key of a request. The first byte of an input is the policy and the method; its lines
 * are the parts of a request, another text for one of them, and a URI reference. Two requests must
 * have different keys exactly if they differ in a part that counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/key.h"
#include "http/query.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum part {
  SCHEME,
  AUTHORITY,
  PATH,
  QUERY,
  TYPE,
  BODY,
  COOKIE,
  CHANGE,
  REFERENCE,
  VARIANCE,
  PARTS
};

/* A request, each part in a block of exactly its size. */
struct request {
  cachette_slice parts[PARTS];
  cachette_http_field fields[2];
  cachette_http_request request;
  cachette__http_asked asked;
  bool has_key;
  cachette_slice key;
};

static cachette_slice copy(const void *bytes, size_t size) {
  void *block = malloc(size > 0 ? size : 1);
  CHECK(block != NULL);
  return (cachette_slice){size > 0 ? memcpy(block, bytes, size) : block, size};
}

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

static cachette_slice write_key(const cachette_http_policy *policy,
                                const cachette__http_asked *asked) {
  size_t size = cachette__http_key_write(policy, asked, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  CHECK(bytes != NULL && cachette__http_key_write(policy, asked, bytes, size) == size);
  return (cachette_slice){bytes, size};
}

static void ask(const cachette_http_policy *policy, unsigned method, struct request *made) {
  static const char *const methods[] = {"GET", "HEAD", "QUERY", "POST"};
  cachette_slice query = made->parts[QUERY];
  made->fields[0] = (cachette_http_field){cachette_str("Content-Type"), made->parts[TYPE]};
  made->fields[1] = (cachette_http_field){cachette_str("Cookie"), made->parts[COOKIE]};
  made->request = (cachette_http_request){
      .method = cachette_str(methods[method % 4]),
      .scheme = made->parts[SCHEME],
      .authority = made->parts[AUTHORITY],
      .path = made->parts[PATH],
      .fields = {made->fields, 2},
  };
  if (query.size > 0) /* the line has the `?`, too */
    made->request.query = (cachette_slice){(const char *)query.data + 1, query.size - 1};
  if (method % 4 >= 2) made->request.body = made->parts[BODY];
  enum cachette_http_reason reason = cachette__http_ask(policy, &made->request, &made->asked);
  made->has_key = reason == CACHETTE_HTTP_BECAUSE_NONE;
  made->key = write_key(policy, &made->asked);
  CHECK(!made->has_key || made->key.size > 0);
}

/* ---- What a key is ---- */

static void check_cut(const cachette_http_policy *policy, const struct request *made, size_t cut) {
  size_t capacity = made->key.size > 0 ? cut % made->key.size : 0;
  unsigned char *bytes = malloc(capacity + 1);
  CHECK(bytes != NULL);
  CHECK(cachette__http_key_write(policy, &made->asked, bytes, capacity) == made->key.size);
  free(bytes);
}

static void check_uri(const cachette_http_policy *policy, const struct request *made) {
  char origin[64];
  cachette_slice uri = cachette__http_key_uri(made->key), none = {"", 0};
  CHECK(is_same(cachette__http_key_uri(uri), uri));
  CHECK(cachette__http_key_is_special(made->key) == (uri.size < made->key.size));
  size_t size = cachette__http_key_origin(made->key, origin, sizeof origin);
  CHECK(size > strlen("http://"));
  size_t same = cachette__http_key_of_uri(policy, made->key, none, NULL, 0);
  unsigned char *bytes = malloc(same + 1);
  CHECK(bytes != NULL);
  cachette__http_key_of_uri(policy, made->key, none, bytes, same);
  CHECK(is_same((cachette_slice){bytes, same}, uri)); /* an empty reference is the URI itself */
  free(bytes);
}

/* A reference gives no key, or a URI's. */
static void check_reference(const cachette_http_policy *policy, cachette_slice base,
                            cachette_slice reference, size_t cut) {
  size_t size = cachette__http_key_of_uri(policy, base, reference, NULL, 0);
  if (size == 0) return;
  unsigned char *bytes = malloc(size + 1), *less = malloc(size + 1);
  CHECK(bytes != NULL && less != NULL);
  CHECK(cachette__http_key_of_uri(policy, base, reference, bytes, size) == size);
  cachette_slice key = {bytes, size};
  CHECK(is_same(cachette__http_key_uri(key), key));
  less[cut % size] = 0xee;
  CHECK(cachette__http_key_of_uri(policy, base, reference, less, cut % size) == size);
  CHECK(less[cut % size] == 0xee);
  free(bytes);
  free(less);
}

/* ---- Two requests ---- */

/* Normalizes an authority without the code under test. */
static void model(const struct request *made, char *text, size_t capacity) {
  cachette_slice authority = made->parts[AUTHORITY];
  const char *port = made->parts[SCHEME].size == strlen("https") ? ":443" : ":80";
  snprintf(text, capacity, "%.*s", (int)authority.size, (const char *)authority.data);
  size_t size = strlen(text), tail = strlen(port);
  if (size > 0 && text[size - 1] == ':')
    text[size - 1] = '\0';
  else if (size > tail && strcmp(text + size - tail, port) == 0)
    text[size - tail] = '\0';
}

static cachette_slice trim(cachette_slice text) {
  const char *begin = text.data, *end = begin + text.size;
  while (begin < end && (*begin == ' ' || *begin == '\t')) begin++;
  while (end > begin && (end[-1] == ' ' || end[-1] == '\t')) end--;
  return (cachette_slice){begin, (size_t)(end - begin)};
}

static bool is_same_path(cachette_slice left, cachette_slice right) {
  if (left.size == 0) return right.size <= 1; /* a path of one byte is "/" */
  return right.size == 0 ? left.size == 1 : is_same(left, right);
}

/* Returns whether the changed part counts as the same in both requests. */
static bool is_equal(const struct request *left, const struct request *right, enum part changed,
                     unsigned method) {
  char hosts[2][512];
  cachette_slice before = left->parts[changed], after = right->parts[changed];
  switch (changed) {
    case SCHEME:
    case AUTHORITY:
      model(left, hosts[0], sizeof hosts[0]);
      model(right, hosts[1], sizeof hosts[1]);
      return left->parts[SCHEME].size == right->parts[SCHEME].size &&
             strcasecmp(hosts[0], hosts[1]) == 0;
    case PATH:
      return is_same_path(before, after);
    case TYPE:
      return method % 4 < 2 || is_same(trim(before), trim(after));
    case BODY:
      return method % 4 < 2 || is_same(before, after);
    default: /* a query: its first byte stands for the `?`, whatever it is */
      return before.size == after.size &&
             (before.size < 2 || memcmp((const char *)before.data + 1, (const char *)after.data + 1,
                                        before.size - 1) == 0);
  }
}

static void check_pair(const cachette_http_policy *policy, struct request *left, unsigned method) {
  struct request right = *left;
  cachette_slice change = left->parts[CHANGE];
  if (change.size == 0 || !left->has_key) return;
  enum part changed = *(const unsigned char *)change.data % (BODY + 1);
  right.parts[changed] = copy((const char *)change.data + 1, change.size - 1);
  ask(policy, method, &right);
  if (right.has_key)
    CHECK(is_same(left->key, right.key) == is_equal(left, &right, changed, method));
  free((void *)right.parts[changed].data);
  free((void *)right.key.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const cachette_slice cookies[] = {{"c", 1}, {"d", 1}};
  if (size == 0 || size > 4096) return 0;
  struct request made = {0};
  const char *at = (const char *)data + 1, *end = (const char *)data + size;
  for (size_t i = 0; i < PARTS; i++) {
    const char *line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (line == NULL || i == PARTS - 1) line = end;
    made.parts[i] = copy(at, (size_t)(line - at));
    at = line < end ? line + 1 : end;
  }
  const cachette_http_policy keep = {.cache_post = true};
  const cachette_http_policy policy = {
      .cache_post = true,
      .query = (enum cachette_http_query)(*data >> 2 & 3) % 3,
      .key_cookies = cookies,
      .key_cookie_count = 2,
      .no_vary_search = made.parts[VARIANCE],
  };
  ask(&policy, *data, &made);
  if (made.has_key) check_uri(&policy, &made);
  check_cut(&policy, &made, *data);
  check_reference(&policy, made.key, made.parts[REFERENCE], *data);
  check_reference(&policy, made.parts[REFERENCE], made.parts[PATH], *data); /* a damaged base */
  check_reference(&policy, (cachette_slice){NULL, 0}, made.parts[REFERENCE], *data);
  free((void *)made.key.data);
  ask(&keep, *data, &made);
  check_pair(&keep, &made, *data);
  free((void *)made.key.data);
  for (size_t i = 0; i < PARTS; i++) free((void *)made.parts[i].data);
  return 0;
}
