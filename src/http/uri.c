/* SPDX-License-Identifier: MIT */
#include "uri.h"

#include <arpa/inet.h>
#include <string.h>

#include "text.h"

/* ---- Parts ---- */

/* Takes the part in front of the first character of `delimiters`, or of a NUL, off the front of
 * `rest`. */
static cachette_slice take_until(cachette_slice *rest, const char *delimiters) {
  size_t size = 0;
  while (size < rest->size && strchr(delimiters, cachette__http_at(*rest, size)) == NULL) size++;
  cachette_slice part = cachette__http_first(*rest, size);
  *rest = cachette__http_from(*rest, size);
  return part;
}

static bool begins_with(cachette_slice text, const char *head) {
  size_t size = strlen(head);
  return text.size >= size && memcmp(text.data, head, size) == 0;
}

static bool is_clean(cachette_slice text) {
  for (size_t i = 0; i < text.size; i++) {
    unsigned char byte = (unsigned char)cachette__http_at(text, i);
    if (byte <= ' ' || byte == 0x7f) return false;
  }
  return true;
}

bool cachette__http_uri_split(cachette_slice reference, cachette__http_uri *uri) {
  *uri = (cachette__http_uri){{NULL, 0}, {NULL, 0}, {"", 0}, {NULL, 0}};
  if (!is_clean(reference)) return false;
  if (reference.size == 0) return true;
  cachette_slice rest = reference;
  cachette_slice before_fragment = take_until(&rest, "#");
  cachette_slice scheme = take_until(&before_fragment, ":/?");
  if (begins_with(before_fragment, ":")) {
    uri->scheme = scheme;
    before_fragment = cachette__http_from(before_fragment, 1);
  } else {
    before_fragment = cachette__http_first(reference, scheme.size + before_fragment.size);
  }
  if (begins_with(before_fragment, "//")) {
    before_fragment = cachette__http_from(before_fragment, 2);
    uri->authority = take_until(&before_fragment, "/?");
  }
  uri->path = take_until(&before_fragment, "?");
  if (before_fragment.size > 0) uri->query = cachette__http_from(before_fragment, 1);
  return true;
}

/* ---- Authorities ---- */

bool cachette__http_scheme_is_known(cachette_slice scheme) {
  return cachette__http_is(scheme, "http") || cachette__http_is(scheme, "https");
}

static bool is_name_char(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || character == '-' || character == '.' ||
         character == '_' || character == '~';
}

static bool is_ipv6(cachette_slice text) {
  char address[INET6_ADDRSTRLEN];
  struct in6_addr parsed;
  if (text.size == 0 || text.size >= sizeof address) return false;
  memcpy(address, text.data, text.size);
  address[text.size] = '\0';
  return strlen(address) == text.size && inet_pton(AF_INET6, address, &parsed) == 1;
}

/* Returns the size of the host that an authority begins with; 0: there is none. */
static size_t host_size(cachette_slice authority) {
  size_t size = 0;
  if (!begins_with(authority, "[")) {
    while (size < authority.size && is_name_char(cachette__http_at(authority, size))) size++;
    return size;
  }
  cachette_slice rest = cachette__http_from(authority, 1);
  cachette_slice address = take_until(&rest, "]");
  return begins_with(rest, "]") && is_ipv6(address) ? address.size + 2 : 0;
}

static bool is_default_port(cachette_slice scheme, cachette_slice port) {
  const char *expected = cachette__http_is(scheme, "https") ? "443" : "80";
  return cachette__http_is(port, expected);
}

bool cachette__http_authority_split(cachette_slice scheme, cachette_slice authority,
                                    cachette_slice *host, cachette_slice *port) {
  enum { PORT_MAX = 65535 };
  int64_t number;
  size_t size = host_size(authority);
  if (size == 0) return false;
  cachette_slice found = cachette__http_from(authority, size);
  if (found.size > 0) {
    if (cachette__http_at(found, 0) != ':') return false;
    found = cachette__http_from(found, 1); /* it may be empty (RFC 3986, 3.2.3) */
    bool is_number = cachette__http_number(found, PORT_MAX + 1, &number);
    if (found.size > 0 && (!is_number || number > PORT_MAX)) return false;
  }
  *host = cachette__http_first(authority, size);
  *port = is_default_port(scheme, found) ? cachette__http_first(found, 0) : found;
  return true;
}

bool cachette__http_authority_equals(cachette_slice scheme, cachette_slice left,
                                     cachette_slice right) {
  cachette_slice hosts[2], ports[2];
  return cachette__http_authority_split(scheme, left, &hosts[0], &ports[0]) &&
         cachette__http_authority_split(scheme, right, &hosts[1], &ports[1]) &&
         cachette__http_equals(hosts[0], hosts[1]) && cachette__http_equals(ports[0], ports[1]);
}

/* ---- Paths ---- */

/* A path to resolve, in two parts: the directory of the base, and the reference. */
typedef struct joined {
  cachette_slice parts[2];
} joined;

static char at(const joined *path, size_t offset) {
  size_t size = path->parts[0].size;
  return offset < size ? cachette__http_at(path->parts[0], offset)
                       : cachette__http_at(path->parts[1], offset - size);
}

/* Joins a relative path to the directory of the base (5.2.3). */
static joined join(cachette_slice base, cachette_slice path) {
  if (begins_with(path, "/")) return (joined){{{path.data, 0}, path}};
  size_t size = base.size;
  while (size > 0 && cachette__http_at(base, size - 1) != '/') size--;
  bool is_absolute = size > 0 && begins_with(base, "/");
  return (joined){
      {is_absolute ? cachette__http_first(base, size) : (cachette_slice){"/", 1}, path}};
}

/* A segment is what follows a slash. Returns 1 for `.`, 2 for `..`, else 0. */
static size_t dots(const joined *path, size_t begin, size_t end) {
  size_t size = end - begin;
  if (size == 0 || size > 2 || at(path, begin) != '.') return 0;
  return size == 1 || at(path, begin + 1) == '.' ? size : 0;
}

/*
 * Walks over the segments from the last to the first, since then each `..` is met before what it
 * removes, and nothing that was written must be taken back. Returns the size of those that remain,
 * each with its slash. `end`: they are written in front of it; NULL: they are only counted.
 */
static size_t remove_dots(const joined *path, unsigned char *end) {
  size_t last = path->parts[0].size + path->parts[1].size, total = 0, skip = 0;
  bool is_last = true;
  while (last > 0) {
    size_t begin = last;
    while (at(path, begin - 1) != '/') begin--;
    size_t kind = dots(path, begin, last);
    size_t size = kind == 0 ? last - begin : 0;
    bool remains = kind == 0 ? skip == 0 : is_last; /* a last `.` or `..` leaves its slash */
    for (size_t i = 0; remains && end != NULL && i <= size; i++)
      end[(ptrdiff_t)i - (ptrdiff_t)(total + size + 1)] = (unsigned char)at(path, begin - 1 + i);
    if (remains) total += size + 1;
    if (kind == 2) skip++;
    if (kind == 0 && skip > 0) skip--;
    is_last = false;
    last = begin - 1;
  }
  return total;
}

size_t cachette__http_path_resolve(cachette_slice base, cachette_slice path, unsigned char *bytes,
                                   size_t capacity) {
  joined both = join(base, path);
  size_t size = remove_dots(&both, NULL);
  if (size > 0 && size <= capacity) remove_dots(&both, bytes + size);
  return size;
}
