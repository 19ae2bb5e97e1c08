/* SPDX-License-Identifier: MIT */
/* TLS 1.2 and up by OpenSSL, with SNI and verification of the peer's certificate and name. */
#ifndef CACHETTE_NET_TLS_H
#define CACHETTE_NET_TLS_H

#include <sys/types.h>

#include "cachette.h"

/* A context: what all sessions with one server share. It must outlive them. */
typedef struct cachette__tls cachette__tls;

typedef struct cachette__tls_settings {
  const char *ca_file;   /* trusted authorities in PEM; NULL: those of the system */
  const char *cert_file; /* the client's certificate chain in PEM; NULL: none */
  const char *key_file;  /* its key in PEM, not encrypted; NULL if there is no certificate */
  bool verify;           /* verify the peer's chain and host name */
} cachette__tls_settings;

/*
 * Creates a context and reads the files. Errors: ECONFIG (a file cannot be read or is not valid;
 * the subject and the message name the option `tls_ca_file`, `tls_cert_file` or `tls_key_file`),
 * ENOMEM.
 */
int cachette__tls_new(const cachette__tls_settings *settings, cachette__tls **tls,
                      cachette_error *error);

void cachette__tls_free(cachette__tls *tls);

/* ---- One connection ---- */

typedef struct cachette__tls_session cachette__tls_session;

/* The results of reading and writing other than a number of bytes. */
enum {
  CACHETTE__IO_END = 0,    /* the peer closed the connection */
  CACHETTE__IO_READ = -1,  /* call again when the descriptor is readable */
  CACHETTE__IO_WRITE = -2, /* call again when it is writable */
  CACHETTE__IO_FAILED = -3 /* the session is broken; see cachette__tls_reason() */
};

/* Opens a session on a connected, non-blocking descriptor, which the caller still owns. The
 * certificate must be valid for `name`, a host name or a numeric address; a host name is also sent
 * as SNI. NULL: a Unix socket. Returns NULL when out of memory. */
cachette__tls_session *cachette__tls_open(cachette__tls *tls, int fd, const char *name);

/* Continues the handshake. Returns 1 when it is done, or a `CACHETTE__IO_` code. */
int cachette__tls_handshake(cachette__tls_session *session);

/* Like recv() and send(), but return a number of bytes or a `CACHETTE__IO_` code. They raise no
 * signal. */
ssize_t cachette__tls_read(cachette__tls_session *session, void *data, size_t size);
ssize_t cachette__tls_write(cachette__tls_session *session, const void *data, size_t size);

/* Why the session failed, in a few words. The session owns the string. */
const char *cachette__tls_reason(const cachette__tls_session *session);

/* Whether the session failed because the peer does not speak TLS at all. */
bool cachette__tls_is_plain(const cachette__tls_session *session);

/* Whether the peer has sent any byte. */
bool cachette__tls_has_received(const cachette__tls_session *session);

/* Closes and frees a session, which may be NULL. Sends close_notify, unless `silently`. */
void cachette__tls_close(cachette__tls_session *session, bool silently);

#endif
