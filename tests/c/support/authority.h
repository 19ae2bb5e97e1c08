/* SPDX-License-Identifier: MIT */
/* Certificates for tests: an authority and the certificates that it signs, as PEM files. */
#ifndef CACHETTE_TESTS_AUTHORITY_H
#define CACHETTE_TESTS_AUTHORITY_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct authority {
  EVP_PKEY *key;
  X509 *certificate;
  char directory[64];
};

/* A certificate with its private key, and the files that they are in. */
struct identity {
  EVP_PKEY *key;
  X509 *certificate;
  char cert_file[128], key_file[128];
};

/* The contents of a certificate. */
struct certificate_fields {
  const char *names;          /* subjectAltName, such as "DNS:server.test,IP:127.0.0.1" */
  long not_before, not_after; /* seconds from now */
  bool self_signed;
};

/* Creates an authority, and a temporary directory with its certificate in `ca.pem`. */
void authority_open(struct authority *self);

/* Removes the directory with its files and frees the authority. */
void authority_close(struct authority *self);

/* Writes the path of a file in its directory to `path`, and returns `path`. */
const char *authority_file(const struct authority *self, const char *name, char *path, size_t size);

/* Creates an identity with the files `name`.pem and `name`.key. identity_free() frees it. */
void authority_issue(const struct authority *self, const char *name,
                     const struct certificate_fields *fields, struct identity *identity);
void identity_free(struct identity *identity);

#endif
