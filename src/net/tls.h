/* SPDX-License-Identifier: MIT */
/* TLS by OpenSSL: 1.2 and up, SNI, and the peer's certificate and name checked. */
#ifndef CACHETTE_NET_TLS_H
#define CACHETTE_NET_TLS_H

#include "cachette.h"

/* What connections of one server share; counted, so that streams may outlive their maker. */
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

#endif
