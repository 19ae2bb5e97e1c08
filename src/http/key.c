/* SPDX-License-Identifier: MIT */
#include "key.h"

#include "../base/alloc.h"
#include "../base/slice.h"
#include "output.h"
#include "query.h"
#include "text.h"
#include "uri.h"

/* ---- Parts ---- */

static size_t part_begin(cachette__http_output *output, char tag) {
  cachette__http_put_byte(output, (unsigned char)tag);
  return cachette__http_put_begin(output);
}

static void put_part(cachette__http_output *output, char tag, cachette_slice content) {
  size_t begin = part_begin(output, tag);
  cachette__http_put(output, content);
  cachette__http_put_end(output, begin);
}

/* Takes the next part off the front of canonical bytes. False: there is none. */
static bool next_part(cachette_slice *rest, char *tag, cachette_slice *content) {
  if (rest->size == 0) return false;
  *tag = cachette__http_at(*rest, 0);
  *rest = cachette__http_from(*rest, 1);
  return cachette__http_take(rest, 4, content);
}

/* Finds a part; `data` is NULL if it is absent. */
static cachette_slice find_part(cachette_slice canonical, char tag) {
  char found;
  cachette_slice content;
  while (next_part(&canonical, &found, &content)) {
    if (found == tag) return content;
  }
  return (cachette_slice){NULL, 0};
}

/* ---- URI ---- */

static void put_authority(cachette__http_output *output, cachette_slice host, cachette_slice port) {
  size_t begin = part_begin(output, 'a');
  cachette__http_put_lower(output, host);
  if (port.size > 0) cachette__http_put_byte(output, ':');
  cachette__http_put(output, port);
  cachette__http_put_end(output, begin);
}

/* Writes version, scheme and authority. */
static void put_origin(cachette__http_output *output, cachette_slice scheme, cachette_slice host,
                       cachette_slice port) {
  put_part(output, 'v', cachette_str("1"));
  size_t begin = part_begin(output, 's');
  cachette__http_put_lower(output, scheme);
  cachette__http_put_end(output, begin);
  put_authority(output, host, port);
}

static void put_path(cachette__http_output *output, cachette_slice path) {
  put_part(output, 'p', path.size > 0 ? path : cachette_str("/"));
}

/* Returns what is left of a buffer behind the bytes that were written. */
static size_t left(const cachette__http_output *output) {
  return output->size < output->capacity ? output->capacity - output->size : 0;
}

static unsigned char *end_of(const cachette__http_output *output) {
  return left(output) > 0 ? output->bytes + output->size : NULL;
}

static void put_query(cachette__http_output *output, const cachette_http_policy *policy,
                      cachette_slice query) {
  cachette__http_output before = *output;
  size_t begin = part_begin(output, 'q');
  size_t size = cachette__http_query_write(policy, query, end_of(output), left(output));
  output->size += size;
  if (size > 0)
    cachette__http_put_end(output, begin);
  else
    *output = before;
}

/* ---- Body and cookies ---- */

static void put_lines(cachette__http_output *output, const cachette__http_message *message,
                      enum cachette__http_name name, char tag) {
  cachette_slice line;
  for (size_t at = 0; cachette__http_line(message, name, &at, &line);) put_part(output, tag, line);
}

static void put_body(cachette__http_output *output, const cachette__http_asked *asked) {
  unsigned char digest[CACHETTE_HTTP_KEY_SIZE];
  bool is_query = asked->method == CACHETTE__HTTP_QUERY;
  put_part(output, 'm', cachette_str(is_query ? "QUERY" : "POST"));
  put_lines(output, &asked->message, CACHETTE__HTTP_CONTENT_TYPE, 't');
  put_lines(output, &asked->message, CACHETTE__HTTP_CONTENT_ENCODING, 'e');
  put_lines(output, &asked->message, CACHETTE__HTTP_CONTENT_LANGUAGE, 'l');
  cachette__http_digest(asked->request->body, digest);
  put_part(output, 'b', (cachette_slice){digest, sizeof digest});
}

/* Writes a cookie of the policy, unless the request lacks it: so a client without any cookie has
 * the key of the URI. */
static void put_cookie(cachette__http_output *output, const cachette__http_message *message,
                       cachette_slice wanted) {
  size_t at = 0;
  bool is_found = false;
  cachette_slice rest = {NULL, 0}, name, value;
  while (cachette__http_next_cookie(message, &at, &rest, &name, &value)) {
    if (name.size != wanted.size || !cachette__begins(name, 0, wanted)) continue;
    if (!is_found) put_part(output, 'c', name);
    if (value.data != NULL) put_part(output, 'w', value);
    is_found = true;
  }
}

size_t cachette__http_key_write(const cachette_http_policy *policy,
                                const cachette__http_asked *asked, unsigned char *bytes,
                                size_t capacity) {
  cachette__http_output output = {bytes, capacity, 0};
  const cachette_http_request *request = asked->request;
  if (asked->authority.size == 0) return 0;
  put_origin(&output, request->scheme, asked->host, asked->port);
  put_path(&output, request->path);
  put_query(&output, policy, request->query);
  if (asked->method == CACHETTE__HTTP_QUERY || asked->method == CACHETTE__HTTP_POST)
    put_body(&output, asked);
  for (size_t i = 0; i < policy->key_cookie_count; i++)
    put_cookie(&output, &asked->message, policy->key_cookies[i]);
  return output.size;
}

/* ---- Canonical bytes ---- */

cachette_slice cachette__http_key_uri(cachette_slice canonical) {
  char tag;
  cachette_slice rest = canonical, content;
  size_t size = 0;
  while (next_part(&rest, &tag, &content) && memchr("vsapq", tag, 5) != NULL)
    size = canonical.size - rest.size;
  return cachette__http_first(canonical, size);
}

bool cachette__http_key_is_special(cachette_slice canonical) {
  return cachette__http_key_uri(canonical).size < canonical.size;
}

size_t cachette__http_key_origin(cachette_slice canonical, char *text, size_t capacity) {
  cachette__http_output output = {(unsigned char *)text, capacity, 0};
  cachette__http_put(&output, find_part(canonical, 's'));
  cachette__http_put(&output, cachette_str("://"));
  cachette__http_put(&output, find_part(canonical, 'a'));
  return output.size;
}

/* ---- References ---- */

/* Writes the path of a reference without dot segments. */
static void put_resolved(cachette__http_output *output, cachette_slice base, cachette_slice path) {
  size_t begin = part_begin(output, 'p');
  output->size += cachette__http_path_resolve(base, path, end_of(output), left(output));
  cachette__http_put_end(output, begin);
}

/* Writes path and query of a reference without an authority (RFC 3986, 5.2.2). */
static void put_relative(cachette__http_output *output, const cachette_http_policy *policy,
                         cachette_slice base, const cachette__http_uri *uri) {
  cachette_slice path = find_part(base, 'p'), query = find_part(base, 'q');
  if (uri->path.size > 0)
    put_resolved(output, path, uri->path);
  else
    put_path(output, path);
  bool has_own = uri->path.size > 0 || uri->query.data != NULL;
  if (has_own)
    put_query(output, policy, uri->query);
  else if (query.data != NULL)
    put_part(output, 'q', query);
}

size_t cachette__http_key_of_uri(const cachette_http_policy *policy, cachette_slice base,
                                 cachette_slice reference, unsigned char *bytes, size_t capacity) {
  cachette__http_uri uri;
  cachette_slice host, port;
  cachette__http_output output = {bytes, capacity, 0};
  if (!cachette__http_uri_split(reference, &uri)) return 0;
  bool is_absolute = uri.scheme.data != NULL, has_authority = uri.authority.data != NULL;
  if (is_absolute ? !has_authority : base.size == 0) return 0;
  cachette_slice scheme = is_absolute ? uri.scheme : find_part(base, 's');
  cachette_slice authority = has_authority ? uri.authority : find_part(base, 'a');
  if (!cachette__http_scheme_is_known(scheme)) return 0;
  if (!cachette__http_authority_split(scheme, authority, &host, &port)) return 0;
  put_origin(&output, scheme, host, port);
  if (!has_authority) {
    put_relative(&output, policy, base, &uri);
    return output.size;
  }
  if (base.size == 0 || uri.path.size == 0)
    put_path(&output, uri.path);
  else
    put_resolved(&output, uri.path, uri.path);
  put_query(&output, policy, uri.query);
  return output.size;
}

int cachette_http_uri_key(const cachette_http_policy *policy, cachette_slice uri,
                          unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  enum { INLINE = 1024 };
  unsigned char space[INLINE], *bytes = space;
  const cachette_slice base = {NULL, 0};
  size_t size = cachette__http_key_of_uri(policy, base, uri, space, sizeof space);
  if (size == 0) return CACHETTE_EINVAL;
  if (size > sizeof space) {
    bytes = cachette__malloc(size);
    if (bytes == NULL) return CACHETTE_ENOMEM;
    cachette__http_key_of_uri(policy, base, uri, bytes, size);
  }
  cachette__http_digest((cachette_slice){bytes, size}, key);
  if (bytes != space) cachette__free(bytes);
  return CACHETTE_OK;
}
