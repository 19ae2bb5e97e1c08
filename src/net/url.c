/* SPDX-License-Identifier: MIT */
#include "url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../base/alloc.h"
#include "../base/error.h"

/* A piece of the text. */
typedef struct span {
  const char *begin, *end;
} span;

static const char out_of_memory[] = "";

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static size_t span_size(span text) { return (size_t)(text.end - text.begin); }

static const char *find(span text, char mark) {
  return text.begin < text.end ? memchr(text.begin, mark, span_size(text)) : NULL;
}

static const char *find_last(span text, char mark) {
  for (const char *at = text.end; at > text.begin; at--)
    if (at[-1] == mark) return at - 1;
  return NULL;
}

/* Cuts the text at a mark: what is before stays in it, what is behind is returned. */
static span cut(span *text, const char *mark) {
  span behind = {text->end, text->end};
  if (mark == NULL) return behind;
  behind.begin = mark + 1;
  text->end = mark;
  return behind;
}

static int hex(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

/* A decoded copy into `*copy`; what is wrong with the text, or NULL. */
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

static const char *read_scheme(span scheme, cachette__url *url) {
  if (scheme.begin == scheme.end) return "it has no scheme";
  if (!is_scheme(scheme)) return "its scheme is not valid";
  url->scheme = cachette__strndup(scheme.begin, span_size(scheme));
  if (url->scheme == NULL) return out_of_memory;
  for (char *at = url->scheme; *at != '\0'; at++)
    if (*at >= 'A' && *at <= 'Z') *at = (char)(*at - 'A' + 'a');
  return NULL;
}

static const char *read_user(span user, cachette__url *url) {
  bool has_password = find(user, ':') != NULL;
  span password = cut(&user, find(user, ':'));
  const char *fault = decode(user, &url->user);
  return fault == NULL && has_password ? decode(password, &url->password) : fault;
}

static const char *read_port(span port, cachette__url *url) {
  int number = 0;
  if (port.begin == port.end) return NULL; /* as if there were no colon; RFC 3986, 3.2.3 */
  for (const char *at = port.begin; at < port.end; at++) {
    if (*at < '0' || *at > '9' || span_size(port) > 5) return "its port is not a number";
    number = number * 10 + (*at - '0');
  }
  if (number < 1 || number > 65535) return "its port is not between 1 and 65535";
  url->port = number;
  return NULL;
}

static const char *read_host(span host, cachette__url *url) {
  span port = {host.end, host.end};
  bool is_numeric = host.begin < host.end && *host.begin == '[';
  if (is_numeric) {
    const char *end = find(host, ']');
    if (end == NULL) return "a bracket of its host is not closed";
    if (end + 1 < host.end && end[1] != ':') return "something stands between its host and port";
    if (end + 1 < host.end) port.begin = end + 2;
    host = (span){host.begin + 1, end};
  } else {
    port = cut(&host, find(host, ':'));
    if (find(port, ':') != NULL) return "an IPv6 address must stand in brackets";
  }
  const char *fault = read_port(port, url);
  if (fault != NULL || host.begin == host.end) return fault;
  fault = decode(host, &url->host);
  if (fault != NULL) return fault;
  /* A host is shown in messages. These would deceive there, or come from a user name and password
   * that were percent-encoded with their @; and no host has them. */
  const char *marks = is_numeric ? "@/?#[]" : "@/?#[]:,%";
  for (const unsigned char *at = (unsigned char *)url->host; *at != '\0'; at++)
    if (*at <= ' ' || *at == 0x7f || strchr(marks, *at) != NULL)
      return "its host has a character that no host has";
  return NULL;
}

static const char *read_parameters(span query, cachette__url *url) {
  while (query.begin < query.end) {
    span value, rest = cut(&query, find(query, '&'));
    if (url->parameter_count == CACHETTE__URL_PARAMETERS) return "it has too many parameters";
    cachette__url_parameter *parameter = &url->parameters[url->parameter_count++];
    value = cut(&query, find(query, '='));
    const char *fault = decode(query, &parameter->name);
    if (fault == NULL) fault = decode(value, &parameter->value);
    if (fault != NULL) return fault;
    query = rest;
  }
  return NULL;
}

/* A URL, cut where its marks are; `user` is empty and begins nowhere if there is none. */
typedef struct pieces {
  span scheme, user, host, path, query;
} pieces;

static const char *cut_apart(const char *text, pieces *to) {
  span rest = {text, text + strlen(text)};
  for (const char *at = text; *at != '\0'; at++)
    if ((unsigned char)*at <= ' ' || *at == 0x7f) return "it contains a space or control character";
  const char *mark = strstr(text, "://");
  if (mark == NULL) return "it has no ://";
  to->scheme = (span){text, mark};
  rest.begin = mark + 3;
  if (find(rest, '#') != NULL) return "it contains a #; inside a password that is written %23";
  to->query = cut(&rest, find(rest, '?'));
  if (find(to->query, '@') != NULL)
    return "it contains a ? before its @; inside a password that is written %3F";
  const char *slash = find(rest, '/');
  to->path = (span){slash != NULL ? slash : rest.end, rest.end};
  rest.end = to->path.begin;
  if (find(to->path, '@') != NULL)
    return "it contains a / before its @; inside a password that is written %2F";
  const char *at_sign = find_last(rest, '@');
  to->user = (span){at_sign != NULL ? rest.begin : NULL, at_sign};
  to->host = (span){at_sign != NULL ? at_sign + 1 : rest.begin, rest.end};
  return NULL;
}

static const char *read_all(const char *text, cachette__url *url) {
  pieces all;
  const char *fault = cut_apart(text, &all);
  if (fault == NULL) fault = read_scheme(all.scheme, url);
  if (fault == NULL && all.user.begin != NULL) fault = read_user(all.user, url);
  if (fault == NULL) fault = read_host(all.host, url);
  if (fault == NULL) fault = decode(all.path, &url->path);
  return fault == NULL ? read_parameters(all.query, url) : fault;
}

int cachette__url_parse(const char *text, const char *option, const char *example,
                        cachette__url *url, cachette_error *error) {
  *url = (cachette__url){.port = -1};
  const char *fault = read_all(text, url);
  if (fault == NULL) return CACHETTE_OK;
  cachette__url_deinit(url);
  if (fault == out_of_memory) return cachette__fail(error, CACHETTE_ENOMEM, option, NULL);
  char shown[96];
  cachette__url_redact(text, shown, sizeof shown);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s. It looks like %s.", option,
                        shown, fault, example);
}

/* ---- What may be shown ---- */

/* How much of the text is a host, and a port if it has one; 0 unless one of `ends` follows. */
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
  return strchr(ends, *at) != NULL ? (size_t)(at - text) : 0; /* the NUL is one of them */
}

/* How much of a path may be shown: a number, or the name of a socket, for which there is no host.
 */
static size_t path_size(const char *path, bool has_host) {
  size_t size = strcspn(path, "?#");
  return !has_host || size <= 1 || strspn(path + 1, DIGITS) == size - 1 ? size : 0;
}

/*
 * What is before the last @ is user name and password, and so may be anything where a mark of a URL
 * stands unescaped before it. So may be what is behind a ? or #, stands where a port should be, or
 * is no number where a database should be. So only what looks as it should is shown.
 */
void cachette__url_redact(const char *text, char *shown, size_t size) {
  const char *mark = strstr(text, "://");
  if (mark == NULL || !is_scheme((span){text, mark})) {
    snprintf(shown, size, "***");
    return;
  }
  const char *rest = mark + 3;
  const char *at_sign = strrchr(rest, '@');
  bool is_plain = at_sign == NULL || strpbrk(rest, "/?#@") == at_sign;
  if (at_sign != NULL && is_plain) rest = at_sign + 1;
  size_t visible = is_plain ? host_size(rest, "/?#") : 0;
  bool hidden = !is_plain || (visible == 0 && *rest != '/');
  if (!hidden) visible += path_size(rest + visible, visible > 0);
  const char *more = hidden                  ? "***"
                     : rest[visible] == '/'  ? "/***"
                     : rest[visible] != '\0' ? "?***"
                                             : "";
  snprintf(shown, size, "%.*s%s%.*s%s", (int)(mark + 3 - text), text,
           at_sign != NULL && is_plain ? "***@" : "", hidden ? 0 : (int)visible, rest, more);
  for (char *at = shown; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~') *at = '?';
}

/* One of the hosts that libmongoc takes. */
static const char *check_host(span host) {
  static const char socket[] = "%2F";
  if (span_size(host) > 3 && strncasecmp(host.begin, socket, 3) == 0) return NULL;
  if (host_size(host.begin, ",/?") != span_size(host) || host.begin == host.end)
    return "its host is not valid, or the port behind it is no number";
  return NULL;
}

const char *cachette__url_check_multi_host(const char *text) {
  pieces all;
  const char *fault = cut_apart(text, &all);
  if (fault != NULL) return fault;
  if (all.user.begin != NULL && find(all.user, '@') != NULL)
    return "the password holds an unescaped '@': write it as %40";
  for (span rest; fault == NULL; all.host = rest) {
    rest = cut(&all.host, find(all.host, ','));
    fault = check_host(all.host);
    if (rest.begin == rest.end && *all.host.end != ',') break;
  }
  return fault;
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
  wipe(url->path);
  for (size_t i = 0; i < url->parameter_count; i++) {
    wipe(url->parameters[i].name);
    wipe(url->parameters[i].value);
  }
  *url = (cachette__url){.port = -1};
}
