/* SPDX-License-Identifier: MIT */
#include "url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/alloc.h"
#include "../base/error.h"

/* A part of the text. */
typedef struct span {
  const char *begin, *end;
} span;

static const char out_of_memory[] = "";

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static size_t span_size(span text) { return (size_t)(text.end - text.begin); }

static const char *find(span text, char delimiter) {
  return text.begin < text.end ? memchr(text.begin, delimiter, span_size(text)) : NULL;
}

static const char *find_last(span text, char delimiter) {
  for (const char *at = text.end; at > text.begin; at--)
    if (at[-1] == delimiter) return at - 1;
  return NULL;
}

/* Splits the text at a delimiter, or at its end if NULL. Keeps the first part, returns the rest. */
static span split_at(span *text, const char *delimiter) {
  span rest = {text->end, text->end};
  if (delimiter == NULL) return rest;
  rest.begin = delimiter + 1;
  text->end = delimiter;
  return rest;
}

static int hex(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/* Stores a decoded copy in `*copy`. Returns what is wrong with the text, or NULL. */
static const char *decode(span text, char **copy) {
  char *to = cachette__malloc(span_size(text) + 1);
  if (to == NULL) return out_of_memory;
  *copy = to;
  for (const char *at = text.begin; at < text.end; at++) {
    if (*at != '%') {
      *to++ = *at;
      continue;
    }
    int high = text.end - at > 2 ? hex(at[1]) : -1;
    int low = high >= 0 ? hex(at[2]) : -1;
    *to = '\0';
    if (low < 0) return "a % in it is not followed by two hexadecimal digits";
    if (high == 0 && low == 0) return "it contains %00";
    *to++ = (char)(high * 16 + low);
    at += 2;
  }
  *to = '\0';
  return NULL;
}

/* ---- The parts ---- */

static bool is_scheme(span text) {
  if (text.begin == text.end || strchr(LETTERS, *text.begin) == NULL) return false;
  return strspn(text.begin, LETTERS DIGITS "+-.") >= span_size(text);
}

static const char *parse_scheme(span scheme, cachette__url *url) {
  if (scheme.begin == scheme.end) return "it has no scheme";
  if (!is_scheme(scheme)) return "its scheme is not valid";
  url->scheme = cachette__strndup(scheme.begin, span_size(scheme));
  if (url->scheme == NULL) return out_of_memory;
  for (char *at = url->scheme; *at != '\0'; at++)
    if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
  return NULL;
}

static const char *parse_user(span user, cachette__url *url) {
  bool has_password = find(user, ':') != NULL;
  span password = split_at(&user, find(user, ':'));
  const char *problem = decode(user, &url->user);
  return problem == NULL && has_password ? decode(password, &url->password) : problem;
}

static const char *parse_port(span port, int *to) {
  int number = 0;
  *to = -1;
  if (port.begin == port.end) return NULL; /* an empty port counts as none; RFC 3986, 3.2.3 */
  for (const char *at = port.begin; at < port.end; at++) {
    if (*at < '0' || *at > '9' || span_size(port) > 5) return "its port is not a number";
    number = number * 10 + (*at - '0');
  }
  if (number < 1 || number > 65535) return "its port is not between 1 and 65535";
  *to = number;
  return NULL;
}

/* Checks a host that was decoded. It appears in messages, so characters that no host has are
 * refused: they could mislead, or come from credentials whose @ was percent-encoded. */
static bool is_host(const char *host, bool is_numeric) {
  const char *delimiters = is_numeric ? "@/?#[]" : "@/?#[]:,%";
  for (const unsigned char *at = (const unsigned char *)host; *at != '\0'; at++)
    if (*at <= ' ' || *at == 0x7f || strchr(delimiters, *at) != NULL) return false;
  return true;
}

/* Sets `*name` even if there is a problem: the caller frees it. */
static const char *parse_host(span host, char **name, int *port_number) {
  span port = {host.end, host.end};
  bool is_numeric = host.begin < host.end && *host.begin == '[';
  if (is_numeric) {
    const char *end = find(host, ']');
    if (end == NULL) return "a bracket of its host is not closed";
    if (end + 1 < host.end && end[1] != ':') return "its host is not followed by a port";
    if (end + 1 < host.end) port.begin = end + 2;
    host = (span){host.begin + 1, end};
  } else {
    port = split_at(&host, find(host, ':'));
    if (find(port, ':') != NULL) return "an IPv6 address must be in brackets";
  }
  const char *problem = parse_port(port, port_number);
  if (problem != NULL || host.begin == host.end) return problem;
  problem = decode(host, name);
  if (problem != NULL) return problem;
  return is_host(*name, is_numeric) ? NULL : "its host contains an invalid character";
}

const char *cachette__url_parse_host(cachette_slice text, char **host, int *port) {
  const char *begin = text.data;
  char *name = NULL;
  int number = -1;
  const char *problem = parse_host((span){begin, begin + text.size}, &name, &number);
  if (problem != NULL) {
    cachette__free(name);
    return problem;
  }
  *host = name;
  *port = number;
  return NULL;
}

/* Parses the hosts of a list. A list without any host is empty. */
static const char *parse_hosts(span list, cachette__url *url) {
  size_t count = 1;
  for (const char *at = list.begin; at < list.end; at++) count += *at == ',';
  url->hosts = cachette__calloc(count, sizeof *url->hosts);
  if (url->hosts == NULL) return out_of_memory;
  for (size_t i = 0; i < count; i++) {
    span rest = split_at(&list, find(list, ','));
    cachette__url_host *host = &url->hosts[url->host_count++];
    const char *problem = parse_host(list, &host->host, &host->port);
    if (problem != NULL) return problem;
    if (host->host == NULL && count > 1) return "a host of its list is empty";
    if (host->host == NULL) url->host_count = 0;
    list = rest;
  }
  return NULL;
}

static const char *parse_parameters(span query, cachette__url *url) {
  while (query.begin < query.end) {
    span value, rest = split_at(&query, find(query, '&'));
    if (url->parameter_count == CACHETTE__URL_PARAMETERS) return "it has too many parameters";
    cachette__url_parameter *parameter = &url->parameters[url->parameter_count++];
    value = split_at(&query, find(query, '='));
    const char *problem = decode(query, &parameter->name);
    if (problem == NULL) problem = decode(value, &parameter->value);
    if (problem != NULL) return problem;
    query = rest;
  }
  return NULL;
}

/* The parts of a URL, not decoded. Without credentials `user.begin` is NULL. */
typedef struct parts {
  span scheme, user, host, path, query;
} parts;

static const char *split_url(const char *text, parts *to) {
  span rest = {text, text + strlen(text)};
  for (const char *at = text; *at != '\0'; at++)
    if ((unsigned char)*at <= ' ' || *at == 0x7f) return "it contains a space or control character";
  const char *delimiter = strstr(text, "://");
  if (delimiter == NULL) return "it has no ://";
  to->scheme = (span){text, delimiter};
  rest.begin = delimiter + 3;
  if (find(rest, '#') != NULL) return "it contains a #; in a password, write %23";
  to->query = split_at(&rest, find(rest, '?'));
  if (find(to->query, '@') != NULL) return "it contains a ? before its @; in a password, write %3F";
  const char *slash = find(rest, '/');
  to->path = (span){slash != NULL ? slash : rest.end, rest.end};
  rest.end = to->path.begin;
  if (find(to->path, '@') != NULL) return "it contains a / before its @; in a password, write %2F";
  const char *at_sign = find_last(rest, '@');
  to->user = (span){at_sign != NULL ? rest.begin : NULL, at_sign};
  to->host = (span){at_sign != NULL ? at_sign + 1 : rest.begin, rest.end};
  return NULL;
}

static const char *parse_parts(const char *text, bool has_list, cachette__url *url) {
  parts url_parts;
  const char *problem = split_url(text, &url_parts);
  if (problem == NULL) problem = parse_scheme(url_parts.scheme, url);
  if (problem == NULL && url_parts.user.begin != NULL) problem = parse_user(url_parts.user, url);
  if (problem == NULL)
    problem = has_list ? parse_hosts(url_parts.host, url)
                       : parse_host(url_parts.host, &url->host, &url->port);
  if (problem == NULL) problem = decode(url_parts.path, &url->path);
  return problem == NULL ? parse_parameters(url_parts.query, url) : problem;
}

static int parse(const char *text, bool has_list, const char *option, const char *example,
                 cachette__url *url, cachette_error *error) {
  *url = (cachette__url){.port = -1};
  const char *problem = parse_parts(text, has_list, url);
  if (problem == NULL) return CACHETTE_OK;
  cachette__url_deinit(url);
  if (problem == out_of_memory) return cachette__fail(error, CACHETTE_ENOMEM, option, NULL);
  char redacted[96];
  cachette__url_redact(text, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s. It looks like %s.", option,
                        redacted, problem, example);
}

int cachette__url_parse(const char *text, const char *option, const char *example,
                        cachette__url *url, cachette_error *error) {
  return parse(text, false, option, example, url, error);
}

int cachette__url_parse_hosts(const char *text, const char *option, const char *example,
                              cachette__url *url, cachette_error *error) {
  return parse(text, true, option, example, url, error);
}

/* ---- Redaction ---- */

/* Returns the length of the host and port at the start of the text; 0 unless one of `ends` or the
 * end of the text follows. */
static size_t host_size(const char *text, const char *ends) {
  const char *at = text;
  if (*at == '[') {
    at += 1 + strspn(at + 1, "ABCDEFabcdef" DIGITS ":.");
    if (*at++ != ']') return 0;
  } else {
    at += strspn(at, LETTERS DIGITS "-._");
  }
  if (*at == ':') {
    size_t digits = strspn(at + 1, DIGITS);
    if (digits > 5) return 0;
    at += 1 + digits;
  }
  return strchr(ends, *at) != NULL ? (size_t)(at - text) : 0; /* matches the NUL, too */
}

/* The same for a list of hosts. */
static size_t hosts_size(const char *text) {
  for (const char *at = text;;) {
    size_t size = host_size(at, ",/?#");
    if (size == 0) return 0;
    at += size;
    if (*at++ != ',') return (size_t)(at - 1 - text);
  }
}

/* How much of a path is not redacted: all of a number, or of a socket's path, for which there is no
 * host. */
static size_t path_size(const char *path, bool has_host) {
  size_t size = strcspn(path, "?#");
  return !has_host || size <= 1 || strspn(path + 1, DIGITS) == size - 1 ? size : 0;
}

/*
 * Everything before the last @ is credentials. A password with an unescaped delimiter makes the URL
 * ambiguous: then parts of it may be anywhere before the @, after a ? or #, in place of the port,
 * or in the path. So only parts that look as they should are kept.
 */
void cachette__url_redact(const char *text, char *redacted, size_t size) {
  const char *delimiter = strstr(text, "://");
  if (delimiter == NULL || !is_scheme((span){text, delimiter})) {
    snprintf(redacted, size, "***");
    return;
  }
  const char *rest = delimiter + 3;
  const char *at_sign = strrchr(rest, '@');
  bool is_unambiguous = at_sign == NULL || strpbrk(rest, "/?#@") == at_sign;
  if (at_sign != NULL && is_unambiguous) rest = at_sign + 1;
  bool has_list = find((span){text, delimiter}, '+') != NULL;
  size_t visible = !is_unambiguous ? 0 : has_list ? hosts_size(rest) : host_size(rest, "/?#");
  bool is_hidden = !is_unambiguous || (visible == 0 && *rest != '/');
  if (!is_hidden) visible += path_size(rest + visible, visible > 0);
  const char *suffix = is_hidden               ? "***"
                       : rest[visible] == '/'  ? "/***"
                       : rest[visible] != '\0' ? "?***"
                                               : "";
  snprintf(redacted, size, "%.*s%s%.*s%s", (int)(delimiter + 3 - text), text,
           at_sign != NULL && is_unambiguous ? "***@" : "", is_hidden ? 0 : (int)visible, rest,
           suffix);
  for (char *at = redacted; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~') *at = '?';
}

/* Checks one of the hosts of a URL for libmongoc. */
static const char *check_host(span host) {
  static const char socket[] = "%2F";
  if (span_size(host) > 3 && strncasecmp(host.begin, socket, 3) == 0) return NULL;
  if (host_size(host.begin, ",/?") != span_size(host) || host.begin == host.end)
    return "its host is not valid, or its port is not a number";
  return NULL;
}

const char *cachette__url_check_multi_host(const char *text) {
  parts url_parts;
  const char *problem = split_url(text, &url_parts);
  if (problem != NULL) return problem;
  if (url_parts.user.begin != NULL && find(url_parts.user, '@') != NULL)
    return "the password contains an unescaped '@': write it as %40";
  for (span rest; problem == NULL; url_parts.host = rest) {
    rest = split_at(&url_parts.host, find(url_parts.host, ','));
    problem = check_host(url_parts.host);
    if (rest.begin == rest.end && *url_parts.host.end != ',') break;
  }
  return problem;
}

static void wipe(char *text) {
  if (text != NULL) cachette__wipe(text, strlen(text));
  cachette__free(text);
}

void cachette__url_deinit(cachette__url *url) {
  wipe(url->scheme);
  wipe(url->user);
  wipe(url->password);
  wipe(url->host);
  for (size_t i = 0; i < url->host_count; i++) wipe(url->hosts[i].host);
  cachette__free(url->hosts);
  wipe(url->path);
  for (size_t i = 0; i < url->parameter_count; i++) {
    wipe(url->parameters[i].name);
    wipe(url->parameters[i].value);
  }
  *url = (cachette__url){.port = -1};
}
