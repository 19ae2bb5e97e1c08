/* SPDX-License-Identifier: MIT */
/* TLS by OpenSSL: 1.2 and up, SNI, and the peer's certificate and name checked. */
#ifndef CACHETTE_NET_TLS_H
#define CACHETTE_NET_TLS_H

#include <sys/types.h>

#include "cachette.h"

/* What connections of one server share; it outlives their sessions. */
typedef struct cachette__tls cachette__tls;

typedef struct cachette__tls_settings {
  const char *ca_file; /* PEM of trusted authorities; NULL: the system's */
  const char *cert_file,
      *key_file; /* PEM of the client's certificate chain and its key, or NULL both */
  bool verify;   /* the peer's chain and host name */
} cachette__tls_settings;

/*
 * Reads the files. Errors: ECONFIG (a file that cannot be read or does not fit: subject and
 * message name the option `tls_ca_file`, `tls_cert_file` or `tls_key_file`), ENOMEM.
 */
int cachette__tls_new(const cachette__tls_settings *settings, cachette__tls **tls,
                      cachette_error *error);

void cachette__tls_free(cachette__tls *tls);

/* ---- One connection ---- */

typedef struct cachette__tls_session cachette__tls_session;

/* What reading and writing answer if it is not a number of bytes. */
enum {
  CACHETTE__IO_END = 0,    /* the peer has ended it */
  CACHETTE__IO_READ = -1,  /* again when the descriptor is readable */
  CACHETTE__IO_WRITE = -2, /* again when it is writable */
  CACHETTE__IO_FAILED = -3 /* it is broken; cachette__tls_reason() says why */
};

/*
 * A session on a connected, non-blocking descriptor, which stays the caller's. `host` is the name
 * that the certificate must be valid for. NULL: out of memory.
 */
cachette__tls_session *cachette__tls_open(cachette__tls *tls, int fd, const char *host);

/* Goes on with the handshake: 1 when it is done, or one of the above. */
int cachette__tls_handshake(cachette__tls_session *session);

/* As recv() and send(): bytes, or one of the above. No signal is raised. */
ssize_t cachette__tls_read(cachette__tls_session *session, void *data, size_t size);
ssize_t cachette__tls_write(cachette__tls_session *session, const void *data, size_t size);

/* Why it failed, in a few words; owned by the session. */
const char *cachette__tls_reason(const cachette__tls_session *session);

/* Whether it failed because the peer does not speak TLS at all. */
bool cachette__tls_is_plain(const cachette__tls_session *session);

/* Whether anything has come from the peer. */
bool cachette__tls_has_heard(const cachette__tls_session *session);

/* Ends and frees it; tells the peer, unless `silently`. NULL is allowed. */
void cachette__tls_close(cachette__tls_session *session, bool silently);

#endif
