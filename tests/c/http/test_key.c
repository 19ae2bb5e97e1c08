/* SPDX-License-Identifier: MIT */
/*
 * The key of a request. A row has two requests, and whether they have the same key: those that
 * differ by one byte which an application may look at must not.
 */
#include "http/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"

static const cachette_slice languages[] = {{"lang", 4}, {"theme", 5}};

#define DEFAULT \
  { 0 }
#define SORTED \
  { .query = CACHETTE_HTTP_QUERY_SORT }
#define DROPPED \
  { .query = CACHETTE_HTTP_QUERY_DROP }
#define WITHOUT_UTM                              \
  {                                              \
    .no_vary_search = { "params=(\"utm\")", 14 } \
  }
#define POSTED \
  { .cache_post = true }
#define COOKIES \
  { .key_cookies = languages, .key_cookie_count = LENGTH(languages) }

/* Writes the canonical bytes into a block of exactly their size. The caller frees it. */
static cachette_slice write(const cachette_http_policy *policy, const cachette__http_asked *asked) {
  size_t size = cachette__http_key_write(policy, asked, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  assert_int_equal(cachette__http_key_write(policy, asked, bytes, size), size);
  return (cachette_slice){bytes, size};
}

static bool equals(cachette_slice left, cachette_slice right) {
  return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

/* Returns the key of a request as text, in which the text behind "\n\n" is the body. */
static cachette_slice key_of(const cachette_http_policy *policy, const char *text) {
  char head[1024];
  cachette__http_asked asked;
  const char *body = strstr(text, "\n\n");
  snprintf(head, sizeof head, "%.*s", (int)(body != NULL ? (size_t)(body - text) : strlen(text)),
           text);
  cachette_http_request *request = http_request_new(head);
  if (body != NULL) request->body = http_copy(body + 2, strlen(body + 2));
  enum cachette_http_reason reason = cachette__http_ask(policy, request, &asked);
  if (reason == CACHETTE_HTTP_BECAUSE_HOST || reason == CACHETTE_HTTP_BECAUSE_MALFORMED)
    fail_msg("not a request with a key: %s", text);
  cachette_slice key = write(policy, &asked);
  assert_true(key.size > 0);
  http_free(request->body);
  http_request_free(request);
  return key;
}

/* ---- Pairs ---- */

static void requests_have_the_same_key_only_if_they_ask_for_the_same(void **state) {
  (void)state;
  static const struct {
    cachette_http_policy policy;
    const char *left, *right;
    bool is_same;
  } cases[] = {
#define G "GET https://example.com"
      /* Methods (RFC 9110, 9.3.2; RFC 9111, 4). */
      {DEFAULT, G "/", G "/", true},
      {DEFAULT, G "/", "HEAD https://example.com/", true},
      {DEFAULT, G "/", "PUT https://example.com/", true}, /* the key that it invalidates */
      {DEFAULT, G "/", "OPTIONS https://example.com/", true},
      {DEFAULT, G "/", "QUERY https://example.com/\nContent-Type: a", false},
      {POSTED, G "/", "POST https://example.com/", false},
      {DEFAULT, G "/", "POST https://example.com/", true}, /* not cached: unsafe */
      {POSTED, "POST https://example.com/\nContent-Type: a",
       "QUERY https://example.com/\nContent-Type: a", false},
      /* The scheme (RFC 9110, 4.2.3). */
      {DEFAULT, G "/", "GET http://example.com/", false},
      {DEFAULT, G "/", "GET HTTPS://example.com/", true},
      {DEFAULT, G "/", "GET https://example.com/\nX-Forwarded-Proto: http", true},
      /* The host (RFC 9110, 4.2.3 and 7.2): its case and the default port do not matter. */
      {DEFAULT, G "/", "GET https://EXAMPLE.com/", true},
      {DEFAULT, G "/", "GET https://example.com:443/", true},
      {DEFAULT, G "/", "GET https://example.com:/", true},
      {DEFAULT, "GET http://example.com:80/", "GET http://example.com/", true},
      {DEFAULT, "GET http://example.com:443/", "GET http://example.com/", false},
      {DEFAULT, G "/", "GET https://example.com:80/", false},
      {DEFAULT, G "/", "GET https://example.com:8443/", false},
      {DEFAULT, G "/", "GET https://example.com:0443/", false},
      {DEFAULT, "GET https://example.com:8443/", "GET https://example.com:8444/", false},
      {DEFAULT, G "/", "GET https://example.com./", false},
      {DEFAULT, G "/", "GET https://example.con/", false},
      {DEFAULT, G "/", "GET https://www.example.com/", false},
      {DEFAULT, "GET https://[::1]/", "GET https://[::2]/", false},
      {DEFAULT, "GET https://[::A]/", "GET https://[::a]:443/", true},
      {DEFAULT, "GET https://[::1]:8/", "GET https://[::1]/", false},
      {DEFAULT, G "/", G "/\nHost: example.com", true},
      {DEFAULT, G "/", G "/\nHost: EXAMPLE.COM:443", true},
      /* What only claims to be the host (web cache poisoning). */
      {DEFAULT, G "/", G "/\nX-Forwarded-Host: evil", true},
      {DEFAULT, G "/", G "/\nForwarded: host=evil", true},
      {DEFAULT, G "/", G "/\nX-Host: evil", true},
      /* The path: raw bytes. */
      {DEFAULT, G "/a", G "/b", false},
      {DEFAULT, G "/a", G "/A", false},
      {DEFAULT, G "/a", G "/a/", false},
      {DEFAULT, G "/a", G "//a", false},
      {DEFAULT, G "/a", G "/./a", false},
      {DEFAULT, G "/b", G "/a/../b", false},
      {DEFAULT, G "/a", G "/%61", false},
      {DEFAULT, G "/%2f", G "/%2F", false},
      {DEFAULT, G "/a/b", G "/a%2Fb", false},
      {DEFAULT, G "/a?b=1", G "/a%3Fb=1", false}, /* an encoded question mark */
      {DEFAULT, G "/a%3Fb=1", G "/a%3fb=1", false},
      {DEFAULT, G "/a", G "/a%23b", false},
      {DEFAULT, G "/a", G "/a%00", false},
      {DEFAULT, G "/a", G "/a;b", false},
      {DEFAULT, G "/a", G "/a.css", false},
      {DEFAULT, G "/a\\b", G "/a/b", false},
      {DEFAULT, G "/", G "", true}, /* RFC 9110, 4.2.3: an empty path is "/" */
      {DEFAULT, G "?a", G "/?a", true},
      /* The query: as it is, unless the policy says otherwise. */
      {DEFAULT, G "/?a=1", G "/?a=2", false},
      {DEFAULT, G "/?a=1", G "/", false}, /* a query left out of the key */
      {DEFAULT, G "/?", G "/", false},
      {DEFAULT, G "/?a=1&b=2", G "/?b=2&a=1", false},
      {DEFAULT, G "/?a?b", G "/?a%3Fb", false},
      {DEFAULT, G "/?_method=POST", G "/", false},
      {SORTED, G "/?a=1&b=2", G "/?b=2&a=1", true},
      {SORTED, G "/?a=1", G "/?a=2", false},
      {DROPPED, G "/?a=1", G "/?a=2", true},
      {DROPPED, G "/?a=1", G "/", true},
      {DROPPED, G "/a%3Fb", G "/a", false},
      {WITHOUT_UTM, G "/?utm=1", G "/", true},
      {WITHOUT_UTM, G "/?utm=1&a", G "/?a=&utm=2", true},
      {WITHOUT_UTM, G "/?a", G "/", false},
      {WITHOUT_UTM, G "/?a", G "/?b", false},
      /* Other fields are for Vary. */
      {DEFAULT, G "/", G "/\nAccept-Encoding: gzip", true},
      {DEFAULT, G "/", G "/\nAuthorization: x", true},
      {DEFAULT, G "/", G "/\nCookie: lang=de", true},
      {DEFAULT, G "/\nContent-Type: a", G "/\nContent-Type: b", true},
  /* The body of a QUERY, and what describes it (RFC 10008, 2.7). */
#define Q "QUERY https://example.com/\nContent-Type: "
      {DEFAULT, Q "a\n\nx", Q "a\n\nx", true},
      {DEFAULT, Q "a\n\nx", Q "a\n\ny", false},
      {DEFAULT, Q "a\n\nx", Q "a\n\nx ", false},
      {DEFAULT, Q "a\n\nx", Q "a", false},
      {DEFAULT, Q "a\n\nx", Q "b\n\nx", false},
      {DEFAULT, Q "a\n\nx", Q "A\n\nx", false},
      {DEFAULT, Q "a\n\nx", Q "a;b=c\n\nx", false},
      {DEFAULT, Q "a\nContent-Type: b\n\nx", Q "a, b\n\nx", false},
      {DEFAULT, Q "a\nContent-Encoding: gzip\n\nx", Q "a\n\nx", false},
      {DEFAULT, Q "a\nContent-Encoding: gzip\n\nx", Q "a\nContent-Encoding: br\n\nx", false},
      {DEFAULT, Q "a\nContent-Encoding:\n\nx", Q "a\n\nx", false},
      {DEFAULT, Q "a\nContent-Language: de\n\nx", Q "a\n\nx", false},
      {DEFAULT, Q "a\nContent-Language: de\n\nx", Q "a\nContent-Encoding: de\n\nx", false},
      {DEFAULT, Q "a\nAccept: a\n\nx", Q "a\n\nx", true},
      {DEFAULT, Q "a\nContent-Length: 1\n\nx", Q "a\n\nx", true},
      {POSTED, "POST https://example.com/\n\na=1", "POST https://example.com/\n\na=2", false},
      {POSTED, "POST https://example.com/\n\na=1", "POST https://example.com/?a=1\n\n", false},
      /* Cookies of the policy. */
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: lang=fr", false},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: lang=de; id=7", true},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: id=7;lang=de", true},
      {COOKIES, G "/\nCookie: lang=de; theme=x", G "/\nCookie: theme=x; lang=de", true},
      {COOKIES, G "/\nCookie: lang=de; theme=x", G "/\nCookie: lang=x; theme=de", false},
      {COOKIES, G "/\nCookie: lang=de; theme=x", G "/\nCookie: lang=de\nCookie: theme=x", true},
      {COOKIES, G "/\nCookie: id=7", G "/", true},
      {COOKIES, G "/\nCookie: lang=", G "/", false},
      {COOKIES, G "/\nCookie: lang", G "/", false},
      {COOKIES, G "/\nCookie: lang", G "/\nCookie: lang=", false},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: lang= de", false},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: lang=DE", false},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: lang=de; lang=de", false},
      {COOKIES, G "/\nCookie: lang=a; lang=b", G "/\nCookie: lang=b; lang=a", false},
      {COOKIES, G "/\nCookie: lang=de", G "/\nCookie: Lang=de", false},
      {COOKIES, G "/\nCookie: lang=theme", G "/\nCookie: theme=lang", false},
      {COOKIES, G "/\nCookie: lang; theme=a", G "/\nCookie: lang=a; theme", false},
      {DEFAULT, G "/\nCookie: lang=de", G "/\nCookie: lang=fr", true},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice left = key_of(&cases[i].policy, cases[i].left);
    cachette_slice right = key_of(&cases[i].policy, cases[i].right);
    if (equals(left, right) != cases[i].is_same)
      fail_msg("case %zu: %s and %s", i, cases[i].left, cases[i].right);
    unsigned char digests[2][CACHETTE_HTTP_KEY_SIZE];
    cachette__http_digest(left, digests[0]);
    cachette__http_digest(right, digests[1]);
    assert_int_equal(memcmp(digests[0], digests[1], sizeof *digests) == 0, cases[i].is_same);
    http_free(left);
    http_free(right);
  }
}

static void a_request_without_a_valid_host_has_no_key(void **state) {
  (void)state;
  static const char *const requests[] = {"GET /",
                                         "PUT https:///",
                                         "PUT https://a,b/",
                                         "PUT https://a/\nHost: b",
                                         "OPTIONS *\nHost: a",
                                         "PUT ftp://a/",
                                         "PUT https://u@a/",
                                         "GET https://a/#b"};
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(requests); i++) {
    cachette__http_asked asked;
    unsigned char bytes[64];
    cachette_http_request *request = http_request_new(requests[i]);
    cachette__http_ask(&policy, request, &asked);
    if (cachette__http_key_write(&policy, &asked, bytes, sizeof bytes) != 0)
      fail_msg("case %zu", i);
    http_request_free(request);
  }
}

/* ---- Parts ---- */

static void a_key_begins_with_that_of_its_uri(void **state) {
  (void)state;
  static const struct {
    cachette_http_policy policy;
    const char *request, *uri, *origin;
    bool is_special;
  } cases[] = {
      {DEFAULT, G "/a?b", G "/a?b", "https://example.com", false},
      {DEFAULT, "HEAD http://A:8/", "GET http://a:8/", "http://a:8", false},
      {DEFAULT, "DELETE HTTPS://A:443", "GET https://a/", "https://a", false},
      {DEFAULT, Q "a\n\nx", G "/", "https://example.com", true},
      {POSTED, "POST http://[::B]/?x\n\n", "GET http://[::b]/?x", "http://[::b]", true},
      {COOKIES, G "/\nCookie: lang=de", G "/", "https://example.com", true},
      {COOKIES, G "/\nCookie: id=7", G "/", "https://example.com", false},
      {WITHOUT_UTM, G "/?utm=1", G "/", "https://example.com", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char origin[64];
    cachette_slice key = key_of(&cases[i].policy, cases[i].request);
    cachette_slice uri = key_of(&cases[i].policy, cases[i].uri);
    if (!equals(cachette__http_key_uri(key), uri)) fail_msg("case %zu", i);
    assert_int_equal(cachette__http_key_is_special(key), cases[i].is_special);
    size_t size = cachette__http_key_origin(key, origin, sizeof origin);
    assert_slice(((cachette_slice){origin, size}), cases[i].origin);
    assert_int_equal(cachette__http_key_origin(key, NULL, 0), size);
    http_free(key);
    http_free(uri);
  }
}

/* Cut off anywhere, as by damage. */
static void damaged_keys_are_read_no_further_than_they_go(void **state) {
  (void)state;
  const cachette_http_policy policy = COOKIES;
  cachette_slice key = key_of(&policy, Q "a\nCookie: lang=de\n\nx");
  for (size_t size = 0; size < key.size; size++) {
    char origin[64], reference[] = "?x";
    unsigned char bytes[256];
    cachette_slice cut = http_copy(key.data, size);
    assert_true(cachette__http_key_uri(cut).size <= size);
    cachette__http_key_is_special(cut);
    cachette__http_key_origin(cut, origin, sizeof origin);
    cachette__http_key_of_uri(&policy, cut, cachette_str(reference), bytes, sizeof bytes);
    http_free(cut);
  }
  http_free(key);
}

static void a_key_writes_what_fits_and_tells_its_size(void **state) {
  (void)state;
  const cachette_http_policy policies[] = {COOKIES, SORTED, WITHOUT_UTM};
  const char *text = "QUERY https://a/b/c?d=%31&e\nContent-Type: a\nCookie: lang=de";
  for (size_t i = 0; i < LENGTH(policies); i++) {
    cachette__http_asked asked;
    cachette_http_request *request = http_request_new(text);
    cachette__http_ask(&policies[i], request, &asked);
    cachette_slice whole = write(&policies[i], &asked), reference = cachette_str("../d/e?f=g&h");
    size_t most = cachette__http_key_of_uri(&policies[i], whole, reference, NULL, 0);
    for (size_t capacity = 0; capacity < whole.size; capacity++) {
      unsigned char *bytes = malloc(capacity + 1); /* ASan sees what is written behind it */
      assert_int_equal(cachette__http_key_write(&policies[i], &asked, bytes, capacity), whole.size);
      size_t size = cachette__http_key_of_uri(&policies[i], whole, reference, bytes, capacity);
      assert_int_equal(size, most);
      free(bytes);
    }
    http_free(whole);
    http_request_free(request);
  }
}

/* ---- References ---- */

/* Returns the canonical bytes of a reference, in a block of their size; empty: it is refused. */
static cachette_slice resolve(const cachette_http_policy *policy, cachette_slice base,
                              const char *reference) {
  cachette_slice text = http_copy(reference, strlen(reference));
  size_t size = cachette__http_key_of_uri(policy, base, text, NULL, 0);
  unsigned char *bytes = malloc(size + 1);
  assert_int_equal(cachette__http_key_of_uri(policy, base, text, bytes, size), size);
  http_free(text);
  return (cachette_slice){bytes, size};
}

static void references_are_resolved(void **state) {
  (void)state;
  static const struct {
    const char *base, *reference, *expected; /* NULL: refused */
  } cases[] = {
#define B "http://a/b/c/d;p?q"
      /* RFC 3986, 5.4.1 */
      {B, "g", "http://a/b/c/g"},
      {B, "./g", "http://a/b/c/g"},
      {B, "g/", "http://a/b/c/g/"},
      {B, "/g", "http://a/g"},
      {B, "//g", "http://g/"},
      {B, "?y", "http://a/b/c/d;p?y"},
      {B, "g?y", "http://a/b/c/g?y"},
      {B, "#s", "http://a/b/c/d;p?q"},
      {B, "g#s", "http://a/b/c/g"},
      {B, "g?y#s", "http://a/b/c/g?y"},
      {B, ";x", "http://a/b/c/;x"},
      {B, "g;x", "http://a/b/c/g;x"},
      {B, "g;x?y#s", "http://a/b/c/g;x?y"},
      {B, "", "http://a/b/c/d;p?q"},
      {B, ".", "http://a/b/c/"},
      {B, "./", "http://a/b/c/"},
      {B, "..", "http://a/b/"},
      {B, "../", "http://a/b/"},
      {B, "../g", "http://a/b/g"},
      {B, "../..", "http://a/"},
      {B, "../../", "http://a/"},
      {B, "../../g", "http://a/g"},
      /* 5.4.2 */
      {B, "../../../g", "http://a/g"},
      {B, "../../../../g", "http://a/g"},
      {B, "/./g", "http://a/g"},
      {B, "/../g", "http://a/g"},
      {B, "g.", "http://a/b/c/g."},
      {B, ".g", "http://a/b/c/.g"},
      {B, "g..", "http://a/b/c/g.."},
      {B, "..g", "http://a/b/c/..g"},
      {B, "...", "http://a/b/c/..."},
      {B, "./../g", "http://a/b/g"},
      {B, "./g/.", "http://a/b/c/g/"},
      {B, "g/./h", "http://a/b/c/g/h"},
      {B, "g/../h", "http://a/b/c/h"},
      {B, "g;x=1/./y", "http://a/b/c/g;x=1/y"},
      {B, "g;x=1/../y", "http://a/b/c/y"},
      {B, "g?y/./x", "http://a/b/c/g?y/./x"},
      {B, "g?y/../x", "http://a/b/c/g?y/../x"},
      {B, "g#s/../x", "http://a/b/c/g"},
      {B, "g?#", "http://a/b/c/g?"},
      {B, "?", "http://a/b/c/d;p?"},
      {B, "a//../g", "http://a/b/c/a/g"},
      {B, "a/b/../../..", "http://a/b/"},
      {B, "/a/../..", "http://a/"},
      {B, "/a/..//b", "http://a//b"},
      {B, "%2e%2e/g", "http://a/b/c/%2e%2e/g"}, /* not a dot segment: not decoded */
      {B, "g%2F..", "http://a/b/c/g%2F.."},
      {B, "g?a#b?c", "http://a/b/c/g?a"},
      /* Absolute, and of another authority */
      {B, "http://x/y?z", "http://x/y?z"},
      {B, "HTTPS://X:443/y", "https://x/y"},
      {B, "http://x/a/../b", "http://x/b"},
      {B, "http://x", "http://x/"},
      {B, "http://x?y", "http://x/?y"},
      {B, "http://x#y", "http://x/"},
      {B, "//x:80/y", "http://x/y"},
      {"https://a/", "//x:443/y", "https://x/y"},
      {"https://a:8/", "/y", "https://a:8/y"},
      {"http://a", "g", "http://a/g"},
      {"http://a?q", "", "http://a/?q"},
      {"http://a/b?q", "c?", "http://a/c?"},
      /* Refused */
      {B, "g:h", NULL},
      {B, "http:g", NULL},
      {B, "http:/g", NULL},
      {B, "http:", NULL},
      {B, ":", NULL},
      {B, "ftp://a/", NULL},
      {B, "mailto:a@b", NULL},
      {B, "javascript:x", NULL},
      {B, "http://", NULL},
      {B, "//", NULL},
      {B, "///g", NULL},
      {B, "http:///g", NULL},
      {B, "http://user@a/", NULL},
      {B, "//user:secret@a/", NULL},
      {B, "http://a,b/", NULL},
      {B, "http://a b/", NULL},
      {B, "g h", NULL},
      {B, "g\n", NULL},
      {B, "g\x7f", NULL},
      {B, "g#\t", NULL},
      {B, "//a:x/", NULL},
      {B, "//[::1/", NULL},
      {B, "//a\\b/", NULL},
  };
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128];
    snprintf(text, sizeof text, "GET %s", cases[i].base);
    cachette_slice base = key_of(&policy, text), expected = {NULL, 0};
    snprintf(text, sizeof text, "GET %s", cases[i].expected);
    if (cases[i].expected != NULL) expected = key_of(&policy, text);
    cachette_slice key = resolve(&policy, base, cases[i].reference);
    bool is_right = expected.data != NULL ? equals(key, expected) : key.size == 0;
    if (!is_right) fail_msg("case %zu: %s", i, cases[i].reference);
    http_free(base);
    http_free(expected);
    http_free(key);
  }
}

static void references_have_no_body_and_no_cookies(void **state) {
  (void)state;
  const cachette_http_policy policy = COOKIES;
  cachette_slice base =
      key_of(&policy, "QUERY http://a/b?c\nContent-Type: a\nCookie: lang=de\n\nx");
  cachette_slice uri = key_of(&policy, "GET http://a/b?c"), key = resolve(&policy, base, "#x");
  assert_true(equals(key, uri));
  http_free(key);
  key = resolve(&policy, base, "b?c");
  assert_true(equals(key, uri));
  http_free(base);
  http_free(uri);
  http_free(key);
}

static void the_query_of_a_reference_is_as_the_policy_says(void **state) {
  (void)state;
  static const struct {
    cachette_http_policy policy;
    const char *reference, *expected;
  } cases[] = {
      {SORTED, "b?y&x", "GET http://a/b?x&y"},   {SORTED, "", "GET http://a/b?d&c"},
      {DROPPED, "b?y", "GET http://a/b"},        {DROPPED, "?y", "GET http://a/b"},
      {WITHOUT_UTM, "?utm=1", "GET http://a/b"}, {WITHOUT_UTM, "", "GET http://a/b?d=&c&utm"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_slice base = key_of(&cases[i].policy, "GET http://a/b?d&c");
    cachette_slice key = resolve(&cases[i].policy, base, cases[i].reference);
    cachette_slice expected = key_of(&cases[i].policy, cases[i].expected);
    if (!equals(key, expected)) fail_msg("case %zu", i);
    http_free(base);
    http_free(key);
    http_free(expected);
  }
}

/* ---- Keys of URIs ---- */

static void a_uri_has_the_key_of_its_get(void **state) {
  (void)state;
  static const char *const uris[] = {"https://example.com/a?b",
                                     "http://A:80",
                                     "http://a/./b/../c",
                                     "http://a//",
                                     "http://a/%2e",
                                     "http://[::1]:8/?",
                                     "https://a/b?c?d"};
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    char text[128];
    snprintf(text, sizeof text, "GET %s", uris[i]);
    unsigned char expected[CACHETTE_HTTP_KEY_SIZE], key[CACHETTE_HTTP_KEY_SIZE];
    cachette_slice canonical = key_of(&policy, text), uri = http_copy(uris[i], strlen(uris[i]));
    cachette__http_digest(canonical, expected);
    assert_int_equal(cachette_http_uri_key(&policy, uri, key), CACHETTE_OK);
    if (memcmp(key, expected, sizeof key) != 0) fail_msg("%s", uris[i]);
    http_free(canonical);
    http_free(uri);
  }
}

static void what_is_no_absolute_uri_has_no_key(void **state) {
  (void)state;
  static const char *const uris[] = {
      "",       "/a",       "a",           "//a/",       "?a",      "http:",
      "http:a", "ftp://a/", "http://a@b/", "http://a /", "http://", "https://a:x"};
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(uris); i++) {
    unsigned char key[CACHETTE_HTTP_KEY_SIZE];
    cachette_slice uri = http_copy(uris[i], strlen(uris[i]));
    if (cachette_http_uri_key(&policy, uri, key) != CACHETTE_EINVAL) fail_msg("%s", uris[i]);
    http_free(uri);
  }
}

static void a_long_uri_needs_memory(void **state) {
  (void)state;
  enum { SIZE = 4000 };
  char text[SIZE + 1] = "GET http://a/", *uri = text + strlen("GET ");
  unsigned char expected[CACHETTE_HTTP_KEY_SIZE], key[CACHETTE_HTTP_KEY_SIZE];
  const cachette_http_policy policy = {0};
  cachette__http_asked asked;
  memset(uri + strlen(uri), 'b', SIZE - strlen(text));
  cachette_http_request *request = http_request_new(text);
  assert_int_equal(cachette__http_ask(&policy, request, &asked), CACHETTE_HTTP_BECAUSE_NONE);
  cachette_slice canonical = write(&policy, &asked);
  cachette__http_digest(canonical, expected);
  failing_allocator_arm(0);
  assert_int_equal(cachette_http_uri_key(&policy, cachette_str(uri), key), CACHETTE_ENOMEM);
  assert_int_equal(cachette_http_uri_key(&policy, cachette_str("http://a/"), key), CACHETTE_OK);
  failing_allocator_arm(-1);
  assert_int_equal(cachette_http_uri_key(&policy, cachette_str(uri), key), CACHETTE_OK);
  assert_memory_equal(key, expected, sizeof key);
  assert_int_equal(failing_allocator_live(), 0);
  http_free(canonical);
  http_request_free(request);
}

/* ---- Injective ---- */

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/* A request of which each part is one of a few texts, so that all parts are often equal. */
struct parts {
  const char *method, *scheme, *authority, *path, *query, *type, *body, *cookie;
};

static struct parts random_parts(unsigned *seed) {
  static const char *const methods[] = {"GET", "QUERY", "POST"}, *const schemes[] = {"http",
                                                                                     "https"};
  static const char *const authorities[] = {"a", "b", "a:8", "a:80", "A"};
  static const char *const paths[] = {"/", "/a", "/aq", "/q", "/\x02q"};
  static const char *const queries[] = {NULL, "", "a", "q", "aq"};
  static const char *const types[] = {"a", "ab", "b"}, *const bodies[] = {"", "a", "b"};
  static const char *const cookies[] = {NULL, "", "a", "b"};
#define ANY(list) list[next_random(seed) % LENGTH(list)]
  return (struct parts){ANY(methods), ANY(schemes), ANY(authorities), ANY(paths),
                        ANY(queries), ANY(types),   ANY(bodies),      ANY(cookies)};
#undef ANY
}

static cachette_slice slice_of(const char *text) {
  return text != NULL ? cachette_str(text) : (cachette_slice){NULL, 0};
}

static cachette_slice key_of_parts(const struct parts *parts) {
  static const cachette_http_policy policy = {
      .cache_post = true, .key_cookies = languages, .key_cookie_count = 1};
  char cookie[16];
  snprintf(cookie, sizeof cookie, "lang=%s", parts->cookie != NULL ? parts->cookie : "");
  const cachette_http_field fields[] = {{cachette_str("Content-Type"), slice_of(parts->type)},
                                        {cachette_str("Cookie"), cachette_str(cookie)}};
  bool is_get = strcmp(parts->method, "GET") == 0;
  const cachette_http_request request = {
      .method = slice_of(parts->method),
      .scheme = slice_of(parts->scheme),
      .authority = slice_of(parts->authority),
      .path = slice_of(parts->path),
      .query = slice_of(parts->query),
      .body = slice_of(is_get ? NULL : parts->body),
      .fields = {fields, parts->cookie != NULL ? 2 : 1},
  };
  cachette__http_asked asked;
  assert_int_equal(cachette__http_ask(&policy, &request, &asked), CACHETTE_HTTP_BECAUSE_NONE);
  return write(&policy, &asked);
}

static bool is_same_text(const char *left, const char *right) {
  return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static const char *normalized(const struct parts *parts) {
  bool is_http = strcmp(parts->scheme, "http") == 0;
  if (strcmp(parts->authority, "A") == 0) return "a";
  return is_http && strcmp(parts->authority, "a:80") == 0 ? "a" : parts->authority;
}

static bool is_same_request(const struct parts *left, const struct parts *right) {
  bool is_get = strcmp(left->method, "GET") == 0;
  return is_same_text(left->method, right->method) && is_same_text(left->scheme, right->scheme) &&
         is_same_text(normalized(left), normalized(right)) &&
         is_same_text(left->path, right->path) && is_same_text(left->query, right->query) &&
         is_same_text(left->cookie, right->cookie) &&
         (is_get ||
          (is_same_text(left->type, right->type) && is_same_text(left->body, right->body)));
}

static void different_requests_have_different_keys(void **state) {
  (void)state;
  unsigned seed = 19, same = 0;
  for (int i = 0; i < 100000; i++) {
    struct parts left = random_parts(&seed), right = left, other = random_parts(&seed);
    unsigned changes = next_random(&seed); /* change some parts only */
    if (changes & 1) right.method = other.method;
    if (changes & 2) right.scheme = other.scheme;
    if (changes & 4) right.authority = other.authority;
    if (changes & 8) right.path = other.path;
    if (changes & 16) right.query = other.query;
    if (changes & 32) right.type = other.type;
    if (changes & 64) right.body = other.body;
    if (changes & 128) right.cookie = other.cookie;
    cachette_slice keys[] = {key_of_parts(&left), key_of_parts(&right)};
    bool expected = is_same_request(&left, &right);
    assert_int_equal(equals(keys[0], keys[1]), expected);
    same += expected;
    http_free(keys[0]);
    http_free(keys[1]);
  }
  assert_in_range(same, 1000, 99000); /* both outcomes occur */
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_have_the_same_key_only_if_they_ask_for_the_same),
      cmocka_unit_test(a_request_without_a_valid_host_has_no_key),
      cmocka_unit_test(a_key_begins_with_that_of_its_uri),
      cmocka_unit_test(damaged_keys_are_read_no_further_than_they_go),
      cmocka_unit_test(a_key_writes_what_fits_and_tells_its_size),
      cmocka_unit_test(references_are_resolved),
      cmocka_unit_test(references_have_no_body_and_no_cookies),
      cmocka_unit_test(the_query_of_a_reference_is_as_the_policy_says),
      cmocka_unit_test(a_uri_has_the_key_of_its_get),
      cmocka_unit_test(what_is_no_absolute_uri_has_no_key),
      cmocka_unit_test(a_long_uri_needs_memory),
      cmocka_unit_test(different_requests_have_different_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
