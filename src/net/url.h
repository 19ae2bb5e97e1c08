/* SPDX-License-Identifier: MIT */
/* A server's URL (RFC 3986) in parts, percent-decoded. Does no I/O. */
#ifndef CACHETTE_NET_URL_H
#define CACHETTE_NET_URL_H

#include "cachette.h"

typedef struct cachette__url_parameter {
  char *name, *value;
} cachette__url_parameter;

enum { CACHETTE__URL_PARAMETERS = 16 };

/* Texts are NUL-terminated, owned by the URL, and hold no NUL (a %00 is refused). */
typedef struct cachette__url {
  char *scheme;          /* in lower case */
  char *user, *password; /* NULL: not given; may be empty */
  char *host;            /* without brackets; NULL: none. Not checked to be a good name, but to
                            hold no control character, space or mark of a URL */
  int port;              /* -1: not given */
  char *path;            /* with its leading '/'; "" if there is none */
  cachette__url_parameter parameters[CACHETTE__URL_PARAMETERS];
  size_t parameter_count;
} cachette__url;

/*
 * Takes a URL apart. What is before the last '@' of the authority is user and password, so an '@'
 * among them may stand as it is; '/', '?' and '#' must be percent-encoded. `option` is the option
 * that it is the value of, for messages, which show the URL without user name and password. Errors:
 * ECONFIG (the message says what is wrong with it and shows how one looks by `example`), ENOMEM.
 */
int cachette__url_parse(const char *text, const char *option, const char *example,
                        cachette__url *url, cachette_error *error);

/*
 * What is wrong with a URL that another library takes apart, or NULL: for MongoDB, whose URLs name
 * several hosts, or sockets that are percent-encoded. An unescaped '@' in the password is a fault:
 * that library would take what is behind it for the host, and show it.
 */
const char *cachette__url_check_multi_host(const char *text);

/*
 * The URL as it may be shown: user name, password, parameters and a path that is no number are
 * replaced by `***`, and so is what might be one of them where the URL is not well formed;
 * printable ASCII, cut to fit.
 */
void cachette__url_redact(const char *text, char *shown, size_t size);

/* Wipes and frees. */
void cachette__url_deinit(cachette__url *url);

#endif
