/* SPDX-License-Identifier: MIT */
/* Certificates for tests: an authority, and what it signs, as PEM files in a directory. */
#ifndef CACHETTE_TESTS_AUTHORITY_H
#define CACHETTE_TESTS_AUTHORITY_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct authority {
  EVP_PKEY *key;
  X509 *certificate;
  char directory[64];
};

/* A certificate with its key. */
struct identity {
  EVP_PKEY *key;
  X509 *certificate;
  char cert_file[128], key_file[128];
};

/* The contents of a certificate. */
struct claims {
  const char *names; /* subjectAltName, such as "DNS:server.test,IP:127.0.0.1" */
  long begins, ends; /* seconds from now */
  bool self_signed;
};

/* Makes an authority and a directory, in which `ca.pem` is its certificate. */
void authority_open(struct authority *self);
void authority_close(struct authority *self);

/* The path of a file in its directory. */
const char *authority_file(const struct authority *self, const char *name, char *path, size_t size);

/* Makes an identity; its files are `name`.pem and `name`.key. */
void authority_issue(const struct authority *self, const char *name, const struct claims *claims,
                     struct identity *identity);
void identity_free(struct identity *identity);

#endif
