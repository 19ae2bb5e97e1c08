/* SPDX-License-Identifier: MIT */
/* Splits a server's URL (RFC 3986) into percent-decoded parts. Does no I/O. */
#ifndef CACHETTE_NET_URL_H
#define CACHETTE_NET_URL_H

#include "cachette.h"

typedef struct cachette__url_parameter {
  char *name, *value;
} cachette__url_parameter;

enum { CACHETTE__URL_PARAMETERS = 16 };

/* One of several hosts. */
typedef struct cachette__url_host {
  char *host; /* as in cachette__url; not NULL */
  int port;   /* -1: not given */
} cachette__url_host;

/* The URL owns its strings. They are NUL-terminated and contain no other NUL: %00 is refused. */
typedef struct cachette__url {
  char *scheme;          /* in lower case */
  char *user, *password; /* NULL: not given; may be empty */
  char *host; /* without brackets; NULL: none. It has no control character, space or URL delimiter,
                 but is not checked further */
  int port;   /* -1: not given */
  cachette__url_host *hosts; /* only of cachette__url_parse_hosts(), which sets no `host`, `port` */
  size_t host_count;
  char *path; /* with its leading '/'; "" if there is none */
  cachette__url_parameter parameters[CACHETTE__URL_PARAMETERS];
  size_t parameter_count;
} cachette__url;

/*
 * Parses a URL. What precedes the last '@' of the authority is user and password; an '@' in them
 * may stay unescaped, but '/', '?' and '#' must be percent-encoded.
 *
 * `option` is the name of the option that has the URL as its value, for messages; these redact user
 * and password. `example` is a valid URL for messages. Free the result with cachette__url_deinit().
 * Errors, after which there is nothing to free: ECONFIG (the message tells what is wrong and shows
 * `example`), ENOMEM.
 */
int cachette__url_parse(const char *text, const char *option, const char *example,
                        cachette__url *url, cachette_error *error);

/* The same for a URL that may list several hosts, separated by commas: sets `hosts`, none if the
 * authority has no host at all. */
int cachette__url_parse_hosts(const char *text, const char *option, const char *example,
                              cachette__url *url, cachette_error *error);

/*
 * Parses a host with or without a port, as it is in a URL: "name:1", "[::1]:1", "name". Sets
 * `*host` to a copy, which the caller frees, or to NULL if there is no host; `*port` to -1 if there
 * is no port. Returns NULL; or what is wrong with it, "" if out of memory: then there is nothing to
 * free.
 */
const char *cachette__url_parse_host(cachette_slice text, char **host, int *port);

/*
 * Returns what is wrong with a URL that another library will parse, or NULL. It is for MongoDB,
 * whose URLs list several hosts or percent-encoded sockets. An unescaped '@' in the password is
 * refused: that library would take what follows it as the host and print it in messages.
 */
const char *cachette__url_check_multi_host(const char *text);

/*
 * Writes the URL for display: printable ASCII, cut to `size` bytes with the NUL. User, password,
 * parameters, and a path that is not a number become `***`. In a malformed URL, so does every part
 * that might be one of them. Several hosts are shown only if the scheme contains a `+`, as in
 * redis+cluster.
 */
void cachette__url_redact(const char *text, char *redacted, size_t size);

/* Wipes and frees the strings. The URL may be parsed into again. */
void cachette__url_deinit(cachette__url *url);

#endif
