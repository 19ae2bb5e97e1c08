/* SPDX-License-Identifier: MIT */
#include "request.h"

#include "../base/slice.h"
#include "text.h"
#include "uri.h"

/* Maximum bytes of a path or a query. Sizes in keys have 4 bytes. */
enum { TARGET_MAX = 1 << 24 };

/* ---- Method ---- */

static bool is_same(cachette_slice text, cachette_slice other) {
  return text.size == other.size && cachette__begins(text, 0, other);
}

static bool is(cachette_slice text, const char *word) { return is_same(text, cachette_str(word)); }

/* Methods have case (RFC 9110, 9.1): "get" is an unknown one, and thus unsafe. */
static enum cachette__http_method known_method(cachette_slice method) {
  static const char *const safe[] = {"OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"};
  if (is(method, "GET")) return CACHETTE__HTTP_GET;
  if (is(method, "HEAD")) return CACHETTE__HTTP_HEAD;
  if (is(method, "QUERY")) return CACHETTE__HTTP_QUERY;
  if (is(method, "POST")) return CACHETTE__HTTP_POST;
  for (size_t i = 0; i < sizeof safe / sizeof *safe; i++) {
    if (is(method, safe[i])) return CACHETTE__HTTP_SAFE;
  }
  return CACHETTE__HTTP_UNSAFE;
}

static enum cachette__http_method method_of(const cachette_http_policy *policy,
                                            cachette_slice method) {
  enum cachette__http_method known = known_method(method);
  return known != CACHETTE__HTTP_POST || policy->cache_post ? known : CACHETTE__HTTP_UNSAFE;
}

bool cachette_http_is_safe(cachette_slice method) {
  enum cachette__http_method known = known_method(method);
  return known != CACHETTE__HTTP_POST && known != CACHETTE__HTTP_UNSAFE;
}

/* Fields with which a client tells the application that the request is another one. */
static bool has_override(const cachette__http_message *message) {
  return cachette__http_has(message, CACHETTE__HTTP_X_HTTP_METHOD) ||
         cachette__http_has(message, CACHETTE__HTTP_X_HTTP_METHOD_OVERRIDE) ||
         cachette__http_has(message, CACHETTE__HTTP_X_METHOD_OVERRIDE) ||
         cachette__http_has(message, CACHETTE__HTTP_X_ORIGINAL_URL) ||
         cachette__http_has(message, CACHETTE__HTTP_X_REWRITE_URL);
}

/* ---- Target ---- */

static bool is_target_part(cachette_slice text) {
  return text.size <= TARGET_MAX && !cachette__http_is_dangerous(text) &&
         cachette__http_find(text, '#') == text.size;
}

/* Returns whether a target has the form that it has for all methods but CONNECT and OPTIONS
 * (RFC 9112, 3.2): a path, and maybe a query. A `#` belongs to neither; servers differ in what they
 * make of it. */
static bool is_target(const cachette_http_request *request) {
  bool has_path = request->path.size == 0 || cachette__http_at(request->path, 0) == '/';
  return has_path && is_target_part(request->path) && is_target_part(request->query);
}

/*
 * Finds the authority (RFC 9110, 7.2). False: there is none, or it is in doubt, since an
 * application that looks at Host must not see another host than the key has: Host occurs twice
 * (RFC 9112, 3.2), it is invalid, or it differs from the authority of the request line.
 */
static bool find_authority(const cachette_http_request *request, cachette__http_asked *asked) {
  cachette_slice found, line;
  const cachette__http_message *message = &asked->message;
  bool has_host = cachette__http_has(message, CACHETTE__HTTP_HOST);
  bool has_authority = request->authority.size > 0;
  if (!cachette__http_scheme_is_known(request->scheme)) return false;
  if (has_host && !cachette__http_single(message, CACHETTE__HTTP_HOST, &line)) return false;
  if (!has_host && !has_authority) return false;
  found = has_authority ? request->authority : line;
  if (!cachette__http_authority_split(request->scheme, found, &asked->host, &asked->port))
    return false;
  if (has_host && has_authority && !cachette__http_authority_equals(request->scheme, found, line))
    return false;
  asked->authority = found;
  return true;
}

/* ---- Body ---- */

/* Finds the number in Content-Length; -1: it is not there. False: it is invalid, or there are
 * several. */
static bool find_length(const cachette__http_message *message, int64_t *length) {
  cachette_slice line;
  *length = -1;
  if (!cachette__http_has(message, CACHETTE__HTTP_CONTENT_LENGTH)) return true;
  return cachette__http_single(message, CACHETTE__HTTP_CONTENT_LENGTH, &line) &&
         cachette__http_number(line, INT64_MAX, length);
}

/* Returns whether a GET or HEAD has a body ("fat GET"): an application may read it, but it is not
 * in the key (RFC 9110, 9.3.1). */
static bool has_body(const cachette_http_request *request, const cachette__http_message *message) {
  int64_t length;
  return request->has_body || request->body.size > 0 ||
         cachette__http_has(message, CACHETTE__HTTP_TRANSFER_ENCODING) ||
         !find_length(message, &length) || length > 0;
}

/* Returns whether the body of a QUERY or a POST is here as a whole, so that it can be in the key.
 */
static bool is_whole(const cachette_http_request *request, const cachette__http_message *message) {
  int64_t length;
  bool is_chunked = cachette__http_has(message, CACHETTE__HTTP_TRANSFER_ENCODING);
  if (!find_length(message, &length)) return false;
  if (length >= 0) return !is_chunked && (uint64_t)length == request->body.size;
  return request->body.size > 0 || (!request->has_body && !is_chunked);
}

static bool is_body_in_the_way(const cachette__http_asked *asked) {
  if (asked->method <= CACHETTE__HTTP_HEAD) return has_body(asked->request, &asked->message);
  bool needs_type = asked->method == CACHETTE__HTTP_QUERY; /* RFC 10008, 2 */
  return (needs_type && !cachette__http_has(&asked->message, CACHETTE__HTTP_CONTENT_TYPE)) ||
         !is_whole(asked->request, &asked->message);
}

/* ---- Cookies ---- */

bool cachette__http_next_cookie(const cachette__http_message *message, size_t *at,
                                cachette_slice *rest, cachette_slice *name, cachette_slice *value) {
  while (rest->size > 0 || cachette__http_line(message, CACHETTE__HTTP_COOKIE, at, rest)) {
    size_t end = cachette__http_find(*rest, ';');
    cachette_slice cookie = cachette__http_trim(cachette__http_first(*rest, end));
    *rest = cachette__http_from(*rest, end < rest->size ? end + 1 : end);
    size_t equals = cachette__http_find(cookie, '=');
    *name = cachette__http_trim(cachette__http_first(cookie, equals));
    *value =
        equals < cookie.size ? cachette__http_from(cookie, equals + 1) : (cachette_slice){NULL, 0};
    if (cookie.size > 0) return true;
  }
  return false;
}

static bool has_name(const cachette_slice *names, size_t count, cachette_slice name) {
  for (size_t i = 0; i < count; i++) {
    if (is_same(names[i], name)) return true;
  }
  return false;
}

static bool has_cookie_credential(const cachette_http_policy *policy,
                                  const cachette__http_message *message) {
  size_t at = 0;
  cachette_slice rest = {NULL, 0}, name, value;
  if (policy->trust_cookies) return false;
  while (cachette__http_next_cookie(message, &at, &rest, &name, &value)) {
    bool is_credential = policy->session_cookie_count > 0
                             ? has_name(policy->session_cookies, policy->session_cookie_count, name)
                             : !has_name(policy->key_cookies, policy->key_cookie_count, name);
    if (is_credential) return true;
  }
  return false;
}

/* ---- Control ---- */

/* Pragma counts only without Cache-Control (RFC 9111, 5.4). It is a list of directives. */
static void add_pragma(const cachette__http_message *message,
                       cachette__http_cache_control *control) {
  cachette_slice line, directive;
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_PRAGMA, &at, &line);) {
    while (cachette__http_next(&line, &directive)) {
      if (cachette__http_is(directive, "no-cache")) control->directives |= CACHETTE__HTTP_NO_CACHE;
    }
  }
}

void cachette__http_request_control(const cachette__http_message *message,
                                    cachette__http_cache_control *control) {
  cachette_slice line;
  cachette__http_cache_control_init(control);
  for (size_t at = 0; cachette__http_line(message, CACHETTE__HTTP_CACHE_CONTROL, &at, &line);)
    cachette__http_cache_control_add(control, line);
  if (!cachette__http_has(message, CACHETTE__HTTP_CACHE_CONTROL)) add_pragma(message, control);
}

static void read_control(const cachette_http_policy *policy, cachette__http_asked *asked) {
  if (policy->request_control == CACHETTE_HTTP_CONTROL_IGNORE)
    cachette__http_cache_control_init(&asked->control);
  else
    cachette__http_request_control(&asked->message, &asked->control);
}

static void read_fields(const cachette_http_policy *policy, cachette__http_asked *asked) {
  const cachette__http_message *message = &asked->message;
  read_control(policy, asked);
  asked->has_authorization = cachette__http_has(message, CACHETTE__HTTP_AUTHORIZATION);
  asked->has_credentials = policy->sharing == CACHETTE_HTTP_SHARED &&
                           (asked->has_authorization || has_cookie_credential(policy, message));
  asked->has_conditions = cachette__http_has(message, CACHETTE__HTTP_IF_NONE_MATCH) ||
                          cachette__http_has(message, CACHETTE__HTTP_IF_MODIFIED_SINCE) ||
                          cachette__http_has(message, CACHETTE__HTTP_IF_MATCH) ||
                          cachette__http_has(message, CACHETTE__HTTP_IF_UNMODIFIED_SINCE);
}

enum cachette_http_reason cachette__http_ask(const cachette_http_policy *policy,
                                             const cachette_http_request *request,
                                             cachette__http_asked *asked) {
  asked->request = request;
  asked->authority = (cachette_slice){NULL, 0};
  asked->arrived_ms = INT64_MAX;
  asked->method = method_of(policy, request->method);
  bool is_clean = cachette__http_look_through(&asked->message, request->fields);
  read_fields(policy, asked);
  is_clean = is_clean && cachette__http_is_token(request->method);
  bool is_plain = asked->method <= CACHETTE__HTTP_POST;
  bool has_target = is_target(request);
  bool has_authority = has_target && find_authority(request, asked);
  bool is_ambiguous = is_plain && cachette__http_lists_end_to_end(&asked->message);
  if (!is_clean || is_ambiguous || (is_plain && !has_target))
    return CACHETTE_HTTP_BECAUSE_MALFORMED;
  if (!is_plain) return CACHETTE_HTTP_BECAUSE_METHOD;
  if (has_override(&asked->message)) return CACHETTE_HTTP_BECAUSE_OVERRIDE;
  if (is_body_in_the_way(asked)) return CACHETTE_HTTP_BECAUSE_BODY;
  return has_authority ? CACHETTE_HTTP_BECAUSE_NONE : CACHETTE_HTTP_BECAUSE_HOST;
}
