/* SPDX-License-Identifier: MIT */
#include "authority.h"

#include <dirent.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

static EVP_PKEY *create_key(void) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  assert_non_null(context);
  assert_int_equal(EVP_PKEY_keygen_init(context), 1);
  assert_int_equal(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1), 1);
  assert_int_equal(EVP_PKEY_keygen(context, &key), 1);
  EVP_PKEY_CTX_free(context);
  return key;
}

static void extend(X509 *certificate, X509 *issuer, int kind, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
  assert_non_null(extension);
  assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

/* Without an `issuer` the certificate is self-signed. */
static X509 *create_certificate(EVP_PKEY *key, const char *name, long not_before, long not_after,
                                X509 *issuer, EVP_PKEY *signer, const char *names) {
  static long serial = 1;
  X509 *certificate = X509_new();
  assert_non_null(certificate);
  if (issuer == NULL) issuer = certificate;
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), not_before);
  X509_gmtime_adj(X509_getm_notAfter(certificate), not_after);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  extend(certificate, issuer, NID_basic_constraints,
         names == NULL ? "critical,CA:TRUE" : "CA:FALSE");
  if (names != NULL) extend(certificate, issuer, NID_subject_alt_name, names);
  assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
  return certificate;
}

const char *authority_file(const struct authority *self, const char *name, char *path,
                           size_t size) {
  snprintf(path, size, "%s/%s", self->directory, name);
  return path;
}

static void write_certificate(const char *path, X509 *certificate) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(PEM_write_X509(file, certificate), 1);
  fclose(file);
}

void authority_open(struct authority *self) {
  char path[128];
  strcpy(self->directory, "/tmp/cachette-tls-XXXXXX");
  assert_non_null(mkdtemp(self->directory));
  self->key = create_key();
  self->certificate =
      create_certificate(self->key, self->directory, -3600, 3600, NULL, self->key, NULL);
  write_certificate(authority_file(self, "ca.pem", path, sizeof path), self->certificate);
}

void authority_close(struct authority *self) {
  DIR *directory = opendir(self->directory);
  assert_non_null(directory);
  for (const struct dirent *each; (each = readdir(directory)) != NULL;)
    unlinkat(dirfd(directory), each->d_name, 0);
  closedir(directory);
  rmdir(self->directory);
  X509_free(self->certificate);
  EVP_PKEY_free(self->key);
}

void authority_issue(const struct authority *self, const char *name,
                     const struct certificate_fields *fields, struct identity *identity) {
  char file_name[64];
  identity->key = create_key();
  identity->certificate =
      create_certificate(identity->key, name, fields->not_before, fields->not_after,
                         fields->self_signed ? NULL : self->certificate,
                         fields->self_signed ? identity->key : self->key, fields->names);
  snprintf(file_name, sizeof file_name, "%s.pem", name);
  authority_file(self, file_name, identity->cert_file, sizeof identity->cert_file);
  write_certificate(identity->cert_file, identity->certificate);
  snprintf(file_name, sizeof file_name, "%s.key", name);
  authority_file(self, file_name, identity->key_file, sizeof identity->key_file);
  FILE *file = fopen(identity->key_file, "w");
  assert_non_null(file);
  assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
  fclose(file);
}

void identity_free(struct identity *identity) {
  X509_free(identity->certificate);
  EVP_PKEY_free(identity->key);
}
