/* SPDX-License-Identifier: MIT */
/*
 * The field names that the rules know, and where the fields of a message are. Each message is
 * looked through once; then a rule finds a field without comparing names.
 */
#ifndef CACHETTE_HTTP_NAMES_H
#define CACHETTE_HTTP_NAMES_H

#include "cachette/http.h"

/* Sorted by length, which is how a name is looked up. At most 64. */
#define CACHETTE__HTTP_NAMES(X)                           \
  X(TE, "te")                                             \
  X(AGE, "age")                                           \
  X(DATE, "date")                                         \
  X(ETAG, "etag")                                         \
  X(HOST, "host")                                         \
  X(VARY, "vary")                                         \
  X(RANGE, "range")                                       \
  X(COOKIE, "cookie")                                     \
  X(PRAGMA, "pragma")                                     \
  X(EXPIRES, "expires")                                   \
  X(TRAILER, "trailer")                                   \
  X(UPGRADE, "upgrade")                                   \
  X(WARNING, "warning")                                   \
  X(IF_MATCH, "if-match")                                 \
  X(IF_RANGE, "if-range")                                 \
  X(LOCATION, "location")                                 \
  X(CACHE_TAG, "cache-tag")                               \
  X(CONNECTION, "connection")                             \
  X(KEEP_ALIVE, "keep-alive")                             \
  X(SET_COOKIE, "set-cookie")                             \
  X(CACHE_GROUPS, "cache-groups")                         \
  X(CACHE_STATUS, "cache-status")                         \
  X(CONTENT_TYPE, "content-type")                         \
  X(AUTHORIZATION, "authorization")                       \
  X(CACHE_CONTROL, "cache-control")                       \
  X(CONTENT_RANGE, "content-range")                       \
  X(IF_NONE_MATCH, "if-none-match")                       \
  X(LAST_MODIFIED, "last-modified")                       \
  X(SURROGATE_KEY, "surrogate-key")                       \
  X(X_HTTP_METHOD, "x-http-method")                       \
  X(X_REWRITE_URL, "x-rewrite-url")                       \
  X(CONTENT_LENGTH, "content-length")                     \
  X(NO_VARY_SEARCH, "no-vary-search")                     \
  X(X_ORIGINAL_URL, "x-original-url")                     \
  X(ACCEPT_ENCODING, "accept-encoding")                   \
  X(ACCEPT_LANGUAGE, "accept-language")                   \
  X(CONTENT_ENCODING, "content-encoding")                 \
  X(CONTENT_LANGUAGE, "content-language")                 \
  X(CONTENT_LOCATION, "content-location")                 \
  X(PROXY_CONNECTION, "proxy-connection")                 \
  X(IF_MODIFIED_SINCE, "if-modified-since")               \
  X(SURROGATE_CONTROL, "surrogate-control")               \
  X(TRANSFER_ENCODING, "transfer-encoding")               \
  X(X_METHOD_OVERRIDE, "x-method-override")               \
  X(PROXY_AUTHENTICATE, "proxy-authenticate")             \
  X(IF_UNMODIFIED_SINCE, "if-unmodified-since")           \
  X(PROXY_AUTHORIZATION, "proxy-authorization")           \
  X(AVAILABLE_DICTIONARY, "available-dictionary")         \
  X(X_HTTP_METHOD_OVERRIDE, "x-http-method-override")     \
  X(CACHE_GROUP_INVALIDATION, "cache-group-invalidation") \
  X(PROXY_AUTHENTICATION_INFO, "proxy-authentication-info")

enum cachette__http_name {
#define CACHETTE__HTTP_NAME(name, text) CACHETTE__HTTP_##name,
  CACHETTE__HTTP_NAMES(CACHETTE__HTTP_NAME)
#undef CACHETTE__HTTP_NAME
      CACHETTE__HTTP_OTHER /* any other name */
};

/* Returns the known name that equals `name`, or OTHER. */
enum cachette__http_name cachette__http_name_of(cachette_slice name);

/* Returns a known name in lower case. */
cachette_slice cachette__http_name_text(enum cachette__http_name name);

/* A message whose fields were looked through. It points to the fields. */
typedef struct cachette__http_message {
  cachette_http_fields fields;
  uint64_t present;                     /* a bit for each known name that occurs */
  uint64_t repeated;                    /* a bit for each that occurs in several lines */
  uint16_t first[CACHETTE__HTTP_OTHER]; /* the first line of each name that occurs */
} cachette__http_message;

/*
 * Looks through the fields of a message. False: a name is not a token, a value has CR, LF or NUL,
 * there are more than 65,535 lines, or they have more than a gigabyte. Such a message must neither
 * be stored nor answered from the cache, since a parser of another mind may see other fields in it.
 * Fields are found even so; if there are too many, only the first ones.
 */
bool cachette__http_look_through(cachette__http_message *message, cachette_http_fields fields);

static inline bool cachette__http_has(const cachette__http_message *message,
                                      enum cachette__http_name name) {
  return (message->present >> name & 1) != 0;
}

/*
 * Walks over the lines of a field. Begin with `*at` 0. False: there is no further line.
 *   value  filled with the line's value, without whitespace at its ends
 */
bool cachette__http_line(const cachette__http_message *message, enum cachette__http_name name,
                         size_t *at, cachette_slice *value);

/* Finds the value of a field that has exactly one line. False: it has none, or several. */
bool cachette__http_single(const cachette__http_message *message, enum cachette__http_name name,
                           cachette_slice *value);

/*
 * Returns whether a field belongs to one connection only (RFC 9110, 7.6.1) or to one hop of
 * authentication (RFC 9111, 3.1), so that it is neither stored nor forwarded: Connection and what
 * it lists, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-*.
 */
bool cachette__http_is_hop_by_hop(const cachette__http_message *message,
                                  const cachette_http_field *field);

/* Returns whether Connection lists a known field that is for all recipients, which is forbidden
 * (RFC 9110, 7.6.1). Those who obey it and those who do not would see different messages. */
bool cachette__http_lists_end_to_end(const cachette__http_message *message);

#endif
