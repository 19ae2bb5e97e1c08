/* SPDX-License-Identifier: MIT */
/* What the rules need to know of a request: why it passes, its method, credentials, cookies. */
#include "http/request.h"

#include <stdio.h>
#include <string.h>

#include "http_message.h"

/* Shared by all tests: a policy, and a request that was asked. */
static const cachette_slice session[] = {{"session", 7}, {"sid", 3}};
static const cachette_slice language[] = {{"lang", 4}};

/* ---- Why a request passes ---- */

#define U "https://example.com/"
#define H "\nHost: example.com"

#define NONE CACHETTE_HTTP_BECAUSE_NONE
#define MALFORMED CACHETTE_HTTP_BECAUSE_MALFORMED
#define METHOD CACHETTE_HTTP_BECAUSE_METHOD
#define OVERRIDE CACHETTE_HTTP_BECAUSE_OVERRIDE
#define BODY CACHETTE_HTTP_BECAUSE_BODY
#define HOST CACHETTE_HTTP_BECAUSE_HOST

struct bypass_case {
  const char *request;
  enum cachette_http_reason reason;
  enum cachette__http_method method;
  const char *body;
};

static void check_bypass(const cachette_http_policy *policy, const struct bypass_case *cases,
                         size_t count) {
  for (size_t i = 0; i < count; i++) {
    cachette__http_asked asked;
    cachette_http_request *request = http_request_new(cases[i].request);
    if (cases[i].body != NULL) request->body = cachette_str(cases[i].body);
    enum cachette_http_reason reason = cachette__http_ask(policy, request, &asked);
    if (reason != cases[i].reason || asked.method != cases[i].method)
      fail_msg("case %zu: %s: reason %d, method %d", i, cases[i].request, (int)reason,
               (int)asked.method);
    http_request_free(request);
  }
}

static void requests_pass_for_a_reason(void **state) {
  (void)state;
  static const struct bypass_case cases[] = {
      {"GET " U, NONE, CACHETTE__HTTP_GET, NULL},
      {"HEAD " U, NONE, CACHETTE__HTTP_HEAD, NULL},
      {"GET " U "?a=b", NONE, CACHETTE__HTTP_GET, NULL},
      /* Methods have case (RFC 9110, 9.1), and unknown ones are unsafe (RFC 9111, 4.4). */
      {"get " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"GETS " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"GE " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"POST " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"PUT " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"DELETE " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"PATCH " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"M-SEARCH " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"PURGE " U, METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"OPTIONS " U, METHOD, CACHETTE__HTTP_SAFE, NULL},
      {"OPTIONS *" H, METHOD, CACHETTE__HTTP_SAFE, NULL},
      {"TRACE " U, METHOD, CACHETTE__HTTP_SAFE, NULL},
      {"PROPFIND " U, METHOD, CACHETTE__HTTP_SAFE, NULL},
      {"REPORT " U, METHOD, CACHETTE__HTTP_SAFE, NULL},
      {"SEARCH " U, METHOD, CACHETTE__HTTP_SAFE, NULL},
      /* Malformed messages (RFC 9110, 5.1 and 5.5; RFC 9112, 3.2). */
      {"GET " U "\nA: a^Jb", MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nA: ^@", MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nA : 1", MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"PUT " U "\nA : 1", MALFORMED, CACHETTE__HTTP_UNSAFE, NULL},
      {"G(T " U, MALFORMED, CACHETTE__HTTP_UNSAFE, NULL},
      {"GET *" H, MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"GET /a#b" H, MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"GET /a?b#c" H, MALFORMED, CACHETTE__HTTP_GET, NULL},
      {"GET /a%23b" H, HOST, CACHETTE__HTTP_GET, NULL}, /* below: no scheme in this form */
      /* Overrides: the application takes the request for another one. */
      {"GET " U "\nX-HTTP-Method: POST", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nx-http-method-override: DELETE", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"HEAD " U "\nX-Method-Override: POST", OVERRIDE, CACHETTE__HTTP_HEAD, NULL},
      {"GET " U "\nX-HTTP-Method-Override:", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nX-Original-URL: /admin", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nX-Rewrite-URL: /admin", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"POST " U "\nX-HTTP-Method: GET", METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"GET " U "\nX-HTTP-Methods: POST", NONE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "?_method=POST", NONE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nX-Forwarded-Host: evil", NONE, CACHETTE__HTTP_GET, NULL},
      /* A GET with a body (RFC 9110, 9.3.1). */
      {"GET " U "\nContent-Length: 0", NONE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: 00", NONE, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: 1", BODY, CACHETTE__HTTP_GET, NULL},
      {"HEAD " U "\nContent-Length: 1", BODY, CACHETTE__HTTP_HEAD, NULL},
      {"GET " U "\nContent-Length:", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: -0", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: 0, 0", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: 0\nContent-Length: 0", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nContent-Length: 99999999999999999999", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nTransfer-Encoding: chunked", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U "\nTransfer-Encoding: identity", BODY, CACHETTE__HTTP_GET, NULL},
      {"GET " U, BODY, CACHETTE__HTTP_GET, "x"},
      /* QUERY needs a type and its whole body (RFC 10008, 2 and 2.7). */
      {"QUERY " U "\nContent-Type: a/b", NONE, CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U "\nContent-Type: a/b", NONE, CACHETTE__HTTP_QUERY, NULL},
      {"QUERY " U "\nContent-Type: a/b\nContent-Length: 1", NONE, CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U "\nContent-Type: a/b\nContent-Length: 2", BODY, CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U "\nContent-Type: a/b\nContent-Length: 0", BODY, CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U "\nContent-Type: a/b\nContent-Length: 1", BODY, CACHETTE__HTTP_QUERY, NULL},
      {"QUERY " U "\nContent-Type: a/b\nContent-Length: x", BODY, CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U "\nContent-Type: a/b\nTransfer-Encoding: chunked", NONE, CACHETTE__HTTP_QUERY,
       "x"},
      {"QUERY " U "\nContent-Type: a/b\nTransfer-Encoding: chunked", BODY, CACHETTE__HTTP_QUERY,
       NULL},
      {"QUERY " U "\nContent-Type: a\nTransfer-Encoding: chunked\nContent-Length: 1", BODY,
       CACHETTE__HTTP_QUERY, "x"},
      {"QUERY " U, BODY, CACHETTE__HTTP_QUERY, "x"},
      {"query " U "\nContent-Type: a/b", METHOD, CACHETTE__HTTP_UNSAFE, "x"},
      /* The first reason counts. */
      {"PUT *\nX-HTTP-Method: GET\nContent-Length: 1", METHOD, CACHETTE__HTTP_UNSAFE, NULL},
      {"GET " U "\nX-HTTP-Method: GET\nContent-Length: 1", OVERRIDE, CACHETTE__HTTP_GET, NULL},
      {"GET /\nContent-Length: 1", BODY, CACHETTE__HTTP_GET, NULL},
  };
  const cachette_http_policy policy = {0};
  check_bypass(&policy, cases, LENGTH(cases));
}

static void post_is_cached_only_if_the_policy_says_so(void **state) {
  (void)state;
  static const struct bypass_case cases[] = {
      {"POST " U, NONE, CACHETTE__HTTP_POST, "x"},
      {"POST " U, NONE, CACHETTE__HTTP_POST, NULL},
      {"POST " U "\nContent-Length: 2", BODY, CACHETTE__HTTP_POST, "x"},
      {"POST " U "\nX-HTTP-Method: PUT", OVERRIDE, CACHETTE__HTTP_POST, "x"},
      {"post " U, METHOD, CACHETTE__HTTP_UNSAFE, "x"},
      {"PUT " U, METHOD, CACHETTE__HTTP_UNSAFE, "x"},
  };
  const cachette_http_policy policy = {.cache_post = true};
  check_bypass(&policy, cases, LENGTH(cases));
}

static void safe_methods_are_known_without_a_request(void **state) {
  (void)state;
  static const char *const safe[] = {"GET",   "HEAD",     "QUERY",  "OPTIONS",
                                     "TRACE", "PROPFIND", "REPORT", "SEARCH"};
  static const char *const unsafe[] = {"",       "POST",  "PUT",      "DELETE", "PATCH",
                                       "get",    "GE",    "GETS",     "PURGE",  "MKCOL",
                                       "OPTION", "MERGE", "M-SEARCH", "SEARCH "};
  for (size_t i = 0; i < LENGTH(safe); i++)
    if (!cachette_http_is_safe(cachette_str(safe[i]))) fail_msg("%s", safe[i]);
  for (size_t i = 0; i < LENGTH(unsafe); i++)
    if (cachette_http_is_safe(cachette_str(unsafe[i]))) fail_msg("%s", unsafe[i]);
  assert_false(cachette_http_is_safe((cachette_slice){NULL, 0}));
}

static void a_body_on_its_way_counts_as_one(void **state) {
  (void)state;
  cachette__http_asked asked;
  const cachette_http_policy policy = {0};
  cachette_http_request *request = http_request_new("GET " U "\nContent-Type: a/b");
  request->has_body = true;
  assert_int_equal(cachette__http_ask(&policy, request, &asked), BODY);
  request->method.size = 0;
  assert_int_equal(cachette__http_ask(&policy, request, &asked), MALFORMED);
  http_request_free(request);
  request = http_request_new("QUERY " U "\nContent-Type: a/b");
  request->has_body = true; /* but it is not here */
  assert_int_equal(cachette__http_ask(&policy, request, &asked), BODY);
  request->body = cachette_str("x");
  assert_int_equal(cachette__http_ask(&policy, request, &asked), NONE);
  http_request_free(request);
}

static void control_characters_in_the_target_are_malformed(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    bool is_valid;
  } cases[] = {{"/a b", true},
               {"/\xff", true},
               {"/\x01", true},
               {"/a%0D%0A", true},
               {"", true},
               {"/a\rb", false},
               {"/a\nb", false},
               {"/a#", false},
               {"*", false},
               {"a", false},
               {"http://example.com/", false}};
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_asked asked;
    cachette_http_request request = {.method = cachette_str("GET"), .scheme = cachette_str("http")};
    request.authority = cachette_str("a");
    request.path = http_copy(cases[i].bytes, strlen(cases[i].bytes));
    if ((cachette__http_ask(&policy, &request, &asked) == NONE) != cases[i].is_valid)
      fail_msg("case %zu", i);
    http_free(request.path);
    request.path = cachette_str("/");
    request.query = cachette_str(cases[i].bytes);
    bool is_clean = strpbrk(cases[i].bytes, "\r\n#") == NULL;
    assert_int_equal(cachette__http_ask(&policy, &request, &asked) == NONE, is_clean);
    request.query = (cachette_slice){"a\0b", 3};
    assert_int_equal(cachette__http_ask(&policy, &request, &asked), MALFORMED);
  }
}

static void a_target_of_more_than_16_megabytes_passes(void **state) {
  (void)state;
  enum { MOST = 1 << 24 };
  char *path = test_malloc(MOST + 1);
  memset(path, '/', MOST + 1);
  cachette__http_asked asked;
  const cachette_http_policy policy = {0};
  cachette_http_request request = {.method = cachette_str("GET"), .scheme = cachette_str("http")};
  request.authority = cachette_str("a");
  request.path = (cachette_slice){path, MOST};
  assert_int_equal(cachette__http_ask(&policy, &request, &asked), NONE);
  request.path.size++;
  assert_int_equal(cachette__http_ask(&policy, &request, &asked), MALFORMED);
  test_free(path);
}

/* ---- The host ---- */

static void the_host_must_be_valid_and_not_in_doubt(void **state) {
  (void)state;
  static const struct {
    const char *scheme, *authority, *fields;
    const char *expected; /* NULL: the request passes */
  } cases[] = {
      {"https", "example.com", "", "example.com"},
      {"https", "", "Host: example.com", "example.com"},
      {"https", "", "Host: example.com:8080", "example.com:8080"},
      {"http", "EXAMPLE.com", "", "EXAMPLE.com"},
      {"HTTP", "a", "", "a"},
      {"https", "a", "Host: a", "a"},
      {"https", "a", "Host: A:443", "a"},
      {"http", "a:80", "Host: a", "a:80"},
      {"https", "a:", "Host: a", "a:"},
      {"https", "xn--bcher-kva.example", "", "xn--bcher-kva.example"},
      {"https", "under_score.example", "", "under_score.example"},
      {"https", "example.com.", "", "example.com."},
      {"https", "192.0.2.1:8", "", "192.0.2.1:8"},
      {"https", "[::1]", "", "[::1]"},
      {"https", "[::1]:80", "", "[::1]:80"},
      {"https", "[2001:DB8::192.0.2.1]", "", "[2001:DB8::192.0.2.1]"},
      {"https", "a:65535", "", "a:65535"},
      /* None, or in doubt. */
      {"https", "", "", NULL},
      {"https", "", "Host:", NULL},
      {"https", "", "Host: a\nHost: a", NULL}, /* RFC 9112, 3.2 */
      {"https", "", "Host: a\nHost: b", NULL},
      {"https", "a", "Host: a\nHost: a", NULL},
      {"https", "a", "Host: b", NULL},
      {"https", "a", "Host: a.", NULL},
      {"https", "a", "Host:", NULL},
      {"https", "a", "Host: a:80", NULL},
      {"http", "a", "Host: a:443", NULL},
      {"https", "a", "Host: a@a", NULL},
      /* Not a host and a port. */
      {"https", "a,b", "", NULL},
      {"https", "a b", "", NULL},
      {"https", "a@b", "", NULL},
      {"https", "user:secret@b", "", NULL}, /* RFC 9110, 4.2.4 */
      {"https", "a/b", "", NULL},
      {"https", "a?b", "", NULL},
      {"https", "a#b", "", NULL},
      {"https", "a%62", "", NULL},
      {"https", "a\\b", "", NULL},
      {"https", "a;b", "", NULL},
      {"https",
       "b\xc3\xbc"
       "cher.example",
       "", NULL},
      {"https", ":80", "", NULL},
      {"https", "a:x", "", NULL},
      {"https", "a:80x", "", NULL},
      {"https", "a:-1", "", NULL},
      {"https", "a:+1", "", NULL},
      {"https", "a:65536", "", NULL},
      {"https", "a:99999999999999999999", "", NULL},
      {"https", "a:80:80", "", NULL},
      {"https", "::1", "", NULL},
      {"https", "[::1", "", NULL},
      {"https", "[::1]a", "", NULL},
      {"https", "[::g]", "", NULL},
      {"https", "[]", "", NULL},
      {"https", "[1.2.3.4]", "", NULL},
      {"https", "[v1.a]", "", NULL},
      {"https", "[fe80::1%25eth0]", "", NULL},
      {"https", "", "Host: a, b", NULL},
      {"https", "", "Host: http://a", NULL},
      /* Not http or https. */
      {"", "a", "", NULL},
      {"ftp", "a", "", NULL},
      {"httpx", "a", "", NULL},
      {"htt", "a", "", NULL},
  };
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_asked asked;
    cachette_http_request request = {.method = cachette_str("GET"), .path = cachette_str("/")};
    request.scheme = http_copy(cases[i].scheme, strlen(cases[i].scheme));
    request.authority = http_copy(cases[i].authority, strlen(cases[i].authority));
    request.fields = http_fields_new(cases[i].fields);
    enum cachette_http_reason reason = cachette__http_ask(&policy, &request, &asked);
    const char *expected = cases[i].expected;
    if (reason != (expected != NULL ? NONE : HOST)) fail_msg("case %zu: %d", i, (int)reason);
    assert_slice(asked.authority, expected != NULL ? expected : "");
    http_free(request.scheme);
    http_free(request.authority);
    http_fields_free(request.fields);
  }
}

static void a_nul_does_not_end_a_host(void **state) {
  (void)state;
  static const struct {
    const char *bytes;
    size_t size;
  } cases[] = {{"a\0b", 3}, {"a\0", 2}, {"\0", 1}, {"[::1\0", 5}, {"[::1\0]", 6}, {"[\0", 2}};
  const cachette_http_policy policy = {0};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_asked asked;
    cachette_http_request request = {.method = cachette_str("GET"), .scheme = cachette_str("http")};
    request.path = cachette_str("/");
    request.authority = http_copy(cases[i].bytes, cases[i].size);
    if (cachette__http_ask(&policy, &request, &asked) != HOST) fail_msg("case %zu", i);
    http_free(request.authority);
  }
}

/* ---- Credentials, cookies ---- */

static void credentials_are_authorization_and_cookies(void **state) {
  (void)state;
  enum { DEFAULT, SESSION, KEYED, BOTH, TRUST, PRIVATE };
  static const cachette_http_policy policies[] = {
      [SESSION] = {.session_cookies = session, .session_cookie_count = LENGTH(session)},
      [KEYED] = {.key_cookies = language, .key_cookie_count = LENGTH(language)},
      [BOTH] = {.session_cookies = session,
                .session_cookie_count = LENGTH(session),
                .key_cookies = language,
                .key_cookie_count = LENGTH(language)},
      [TRUST] = {.trust_cookies = true},
      [PRIVATE] = {.sharing = CACHETTE_HTTP_PRIVATE},
  };
  static const struct {
    const char *fields;
    int policy;
    bool has_credentials, has_authorization;
  } cases[] = {
      {"", DEFAULT, false, false},
      {"Authorization: Basic eA==", DEFAULT, true, true},
      {"authorization:", DEFAULT, true, true},
      {"Authorization: x", TRUST, true, true},
      {"Authorization: x", PRIVATE, false, true},
      {"Authorization: x", SESSION, true, true},
      {"Proxy-Authorization: x", DEFAULT, false, false},
      {"Cookie: a=1", DEFAULT, true, false},
      {"Cookie: a=1", TRUST, false, false},
      {"Cookie: a=1", PRIVATE, false, false},
      {"Cookie: a=1", SESSION, false, false},
      {"Cookie: a=1", KEYED, true, false},
      {"Cookie:", DEFAULT, false, false},
      {"Cookie: ;", DEFAULT, false, false},
      {"Cookie: ; ;", DEFAULT, false, false},
      {"Cookie: a", DEFAULT, true, false},
      {"Cookie: =a", DEFAULT, true, false},
      {"Cookie: =", DEFAULT, true, false},
      {"Cookie: session=1", SESSION, true, false},
      {"Cookie: sid=", SESSION, true, false},
      {"Cookie: sid", SESSION, true, false},
      {"Cookie: SID=1", SESSION, false, false}, /* names of cookies have case (RFC 6265, 5.3) */
      {"Cookie: sid2=1", SESSION, false, false},
      {"Cookie: si=1", SESSION, false, false},
      {"Cookie: a=sid; b=session", SESSION, false, false},
      {"Cookie: a=1; sid=2", SESSION, true, false},
      {"Cookie: a=1;sid=2", SESSION, true, false},
      {"Cookie: a=1 ;\tsid =2", SESSION, true, false},
      {"Cookie: a=\"1; sid=2\"", SESSION, true, false},     /* quotes do not protect a semicolon */
      {"Cookie: a=1\nCookie: sid=2", SESSION, true, false}, /* RFC 9113, 8.2.3 */
      {"Cookie: a=1, sid=2", SESSION, false, false},
      {"Cookie: lang=de", KEYED, false, false},
      {"Cookie: lang=de; lang=fr", KEYED, false, false},
      {"Cookie: lang=de; a=1", KEYED, true, false},
      {"Cookie: LANG=de", KEYED, true, false},
      {"Cookie: lang=de; a=1", BOTH, false, false},
      {"Cookie: lang=de; sid=1", BOTH, true, false},
      {"Set-Cookie: a=1", DEFAULT, false, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128];
    snprintf(text, sizeof text, "GET " U "\n%s", cases[i].fields);
    cachette__http_asked asked;
    cachette_http_request *request = http_request_new(text);
    assert_int_equal(cachette__http_ask(&policies[cases[i].policy], request, &asked), NONE);
    if (asked.has_credentials != cases[i].has_credentials ||
        asked.has_authorization != cases[i].has_authorization)
      fail_msg("case %zu: %s", i, cases[i].fields);
    http_request_free(request);
  }
}

static void cookies_are_walked_over(void **state) {
  (void)state;
  static const struct {
    const char *fields, *cookies; /* <name> or <name|value> */
  } cases[] = {
      {"", ""},
      {"Cookie: a=1", "<a|1>"},
      {"Cookie: a=1; b=2", "<a|1><b|2>"},
      {"Cookie: a=1;b=2;", "<a|1><b|2>"},
      {"Cookie: ;; a=1", "<a|1>"},
      {"Cookie: a=", "<a|>"},
      {"Cookie: a", "<a>"},
      {"Cookie: =a", "<|a>"},
      {"Cookie: a=b=c", "<a|b=c>"},
      {"Cookie: a = b ; c", "<a| b><c>"},
      {"Cookie: a=\"b;c\"", "<a|\"b><c\">"},
      {"Cookie: a=1\nA: b\nCookie:\nCookie: c=2", "<a|1><c|2>"},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128] = "";
    cachette__http_message message;
    cachette_http_fields fields = http_fields_new(cases[i].fields);
    assert_true(cachette__http_look_through(&message, fields));
    size_t at = 0;
    cachette_slice rest = {NULL, 0}, name, value;
    while (cachette__http_next_cookie(&message, &at, &rest, &name, &value)) {
      strcat(text, "<");
      strncat(text, name.size > 0 ? name.data : "", name.size);
      if (value.data != NULL) strncat(strcat(text, "|"), value.data, value.size);
      strcat(text, ">");
    }
    if (strcmp(text, cases[i].cookies) != 0) fail_msg("case %zu: %s", i, text);
    http_fields_free(fields);
  }
}

/* ---- Control, conditions ---- */

static void pragma_counts_only_without_cache_control(void **state) {
  (void)state;
  static const struct {
    const char *fields;
    enum cachette_http_control mode;
    bool no_cache, no_store;
  } cases[] = {
      {"", CACHETTE_HTTP_CONTROL_SAFE, false, false},
      {"Cache-Control: no-cache", CACHETTE_HTTP_CONTROL_SAFE, true, false},
      {"Cache-Control: no-cache", CACHETTE_HTTP_CONTROL_FULL, true, false},
      {"Cache-Control: no-cache, no-store", CACHETTE_HTTP_CONTROL_IGNORE, false, false},
      {"Cache-Control: x\nCache-Control: no-store", CACHETTE_HTTP_CONTROL_FULL, false, true},
      {"Pragma: no-cache", CACHETTE_HTTP_CONTROL_FULL, true, false}, /* RFC 9111, 5.4 */
      {"Pragma: NO-cache", CACHETTE_HTTP_CONTROL_SAFE, true, false},
      {"Pragma: foo, no-cache", CACHETTE_HTTP_CONTROL_FULL, true, false},
      {"Pragma: foo\nPragma: no-cache", CACHETTE_HTTP_CONTROL_FULL, true, false},
      {"Pragma: \"no-cache\"", CACHETTE_HTTP_CONTROL_FULL, false, false},
      {"Pragma: no-store", CACHETTE_HTTP_CONTROL_FULL, false, false},
      {"Pragma: no-cache", CACHETTE_HTTP_CONTROL_IGNORE, false, false},
      {"Pragma: no-cache\nCache-Control: x", CACHETTE_HTTP_CONTROL_FULL, false, false},
      {"Pragma: no-cache\nCache-Control:", CACHETTE_HTTP_CONTROL_FULL, false, false},
      {"Pragma: x\nCache-Control: no-cache", CACHETTE_HTTP_CONTROL_FULL, true, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128];
    snprintf(text, sizeof text, "GET " U "\n%s", cases[i].fields);
    cachette__http_asked asked;
    const cachette_http_policy policy = {.request_control = cases[i].mode};
    cachette_http_request *request = http_request_new(text);
    assert_int_equal(cachette__http_ask(&policy, request, &asked), NONE);
    bool no_cache = (asked.control.directives & CACHETTE__HTTP_NO_CACHE) != 0;
    bool no_store = (asked.control.directives & CACHETTE__HTTP_NO_STORE) != 0;
    if (no_cache != cases[i].no_cache || no_store != cases[i].no_store) fail_msg("case %zu", i);
    http_request_free(request);
  }
}

static void conditions_are_found(void **state) {
  (void)state;
  static const struct {
    const char *fields;
    bool has_conditions;
  } cases[] = {
      {"If-None-Match: \"a\"", true},
      {"If-Modified-Since: x", true},
      {"If-Match: *", true},
      {"If-Unmodified-Since: x", true},
      {"If-None-Match:", true},
      {"If-Range: \"a\"", false}, /* a condition of Range only (RFC 9110, 13.1.5) */
      {"Range: bytes=0-", false},
      {"If: x", false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char text[128];
    snprintf(text, sizeof text, "GET " U "\n%s", cases[i].fields);
    cachette__http_asked asked;
    const cachette_http_policy policy = {0};
    cachette_http_request *request = http_request_new(text);
    cachette__http_ask(&policy, request, &asked);
    if (asked.has_conditions != cases[i].has_conditions) fail_msg("case %zu", i);
    http_request_free(request);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_pass_for_a_reason),
      cmocka_unit_test(post_is_cached_only_if_the_policy_says_so),
      cmocka_unit_test(safe_methods_are_known_without_a_request),
      cmocka_unit_test(a_body_on_its_way_counts_as_one),
      cmocka_unit_test(control_characters_in_the_target_are_malformed),
      cmocka_unit_test(a_target_of_more_than_16_megabytes_passes),
      cmocka_unit_test(the_host_must_be_valid_and_not_in_doubt),
      cmocka_unit_test(a_nul_does_not_end_a_host),
      cmocka_unit_test(credentials_are_authorization_and_cookies),
      cmocka_unit_test(cookies_are_walked_over),
      cmocka_unit_test(pragma_counts_only_without_cache_control),
      cmocka_unit_test(conditions_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
