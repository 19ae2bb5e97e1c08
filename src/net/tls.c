/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/slice.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* such a system has SO_NOSIGPIPE on the socket */
#endif

struct cachette__tls {
  SSL_CTX *context;
  BIO_METHOD *method; /* for sockets, without SIGPIPE */
  bool verify;
};

struct cachette__tls_session {
  SSL *ssl;
  int fd;
  bool has_received;
  bool is_plain; /* the peer does not speak TLS */
  char reason[128];
};

/* ---- The descriptor, as OpenSSL wants it ---- */

static int must_retry(BIO *bio, ssize_t count) {
  BIO_clear_retry_flags(bio);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 1 : 0;
}

static int bio_write(BIO *bio, const char *data, int size) {
  const cachette__tls_session *session = BIO_get_data(bio);
  ssize_t count = send(session->fd, data, (size_t)size, MSG_NOSIGNAL);
  if (must_retry(bio, count)) BIO_set_retry_write(bio);
  return (int)count;
}

static int bio_read(BIO *bio, char *data, int size) {
  cachette__tls_session *session = BIO_get_data(bio);
  ssize_t count = recv(session->fd, data, (size_t)size, 0);
  if (must_retry(bio, count)) BIO_set_retry_read(bio);
  session->has_received |= count > 0;
  return (int)count;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data) {
  (void)bio;
  (void)number;
  (void)data;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *create_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cachette socket");
  if (method == NULL) return NULL;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_ctrl);
  return method;
}

/* ---- Settings ---- */

static const char *system_reason(int code) { return uv_strerror(uv_translate_sys_error(code)); }

/* The reason of the first error in the queue, which is the cause of the others. */
static const char *first_reason(void) {
  unsigned long first = ERR_peek_error();
  if (ERR_GET_LIB(first) == ERR_LIB_SYS) return system_reason(ERR_GET_REASON(first));
  const char *reason = ERR_reason_error_string(first);
  return reason != NULL ? reason : "no reason given";
}

static int fail_file(cachette_error *error, const char *option, const char *file,
                     const char *reason) {
  char path[101];
  cachette__value_text(file, path, sizeof path);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" file \"%s\" cannot be used: %s.", option, path, reason);
}

/* Refuses a passphrase: by default OpenSSL would ask for it at the terminal. */
static int refuse_passphrase(char *text, int size, int writing, void *was_requested) {
  (void)writing;
  if (size > 0) *text = '\0';
  *(bool *)was_requested = true;
  return -1;
}

static int load_key(SSL_CTX *context, const char *file, cachette_error *error) {
  bool was_requested = false;
  SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &was_requested);
  int loaded = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
  if (loaded == 1 && SSL_CTX_check_private_key(context) == 1) return CACHETTE_OK;
  const char *reason =
      was_requested ? "it is encrypted; use a key without a passphrase" : first_reason();
  return fail_file(error, "tls_key_file", file, reason);
}

static int load_files(SSL_CTX *context, const cachette__tls_settings *settings,
                      cachette_error *error) {
  ERR_clear_error();
  if (settings->ca_file != NULL) {
    if (SSL_CTX_load_verify_locations(context, settings->ca_file, NULL) != 1)
      return fail_file(error, "tls_ca_file", settings->ca_file, first_reason());
  } else if (settings->verify) {
    SSL_CTX_set_default_verify_paths(context);
  }
  if (settings->cert_file == NULL && settings->key_file == NULL) return CACHETTE_OK;
  if (settings->cert_file == NULL || settings->key_file == NULL)
    return cachette__fail(
        error, CACHETTE_ECONFIG, settings->cert_file == NULL ? "tls_cert_file" : "tls_key_file",
        "\"tls_cert_file\" and \"tls_key_file\" must be set together; one of them is missing.");
  if (SSL_CTX_use_certificate_chain_file(context, settings->cert_file) != 1)
    return fail_file(error, "tls_cert_file", settings->cert_file, first_reason());
  return load_key(context, settings->key_file, error);
}

int cachette__tls_new(const cachette__tls_settings *settings, cachette__tls **tls,
                      cachette_error *error) {
  cachette__tls *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->verify = settings->verify;
  self->context = SSL_CTX_new(TLS_client_method());
  self->method = create_method();
  int code = CACHETTE_ENOMEM;
  if (self->context == NULL || self->method == NULL ||
      SSL_CTX_set_min_proto_version(self->context, TLS1_2_VERSION) != 1) {
    cachette__fail(error, code, NULL, NULL);
    goto fail;
  }
  SSL_CTX_set_mode(self->context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(self->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(self->context, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  code = load_files(self->context, settings, error);
  if (code < 0) goto fail;
  *tls = self;
  return CACHETTE_OK;

fail:
  ERR_clear_error(); /* the queue belongs to the thread, and other code reads it */
  cachette__tls_free(self);
  return code;
}

void cachette__tls_free(cachette__tls *tls) {
  if (tls == NULL) return;
  SSL_CTX_free(tls->context);
  BIO_meth_free(tls->method);
  cachette__free(tls);
}

/* ---- Sessions ---- */

static bool is_address(const char *host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Sets the name or address that the peer's certificate must have. */
static bool set_name(SSL *ssl, const char *name, bool verify) {
  if (name == NULL) return true; /* a Unix socket needs no proof of identity */
  if (is_address(name))
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
  if (SSL_set_tlsext_host_name(ssl, name) != 1) return false;
  return !verify || SSL_set1_host(ssl, name) == 1;
}

cachette__tls_session *cachette__tls_open(cachette__tls *tls, int fd, const char *name) {
  cachette__tls_session *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->fd = fd;
  self->ssl = SSL_new(tls->context);
  BIO *bio = self->ssl != NULL ? BIO_new(tls->method) : NULL;
  if (bio == NULL || !set_name(self->ssl, name, tls->verify)) {
    BIO_free(bio);
    cachette__tls_close(self, true);
    return NULL;
  }
  BIO_set_data(bio, self);
  BIO_set_init(bio, 1);
  SSL_set_bio(self->ssl, bio, bio);
  SSL_set_connect_state(self->ssl);
  return self;
}

/* Why the certificate is refused. It may have to be valid for a name that is not the host. */
static void set_verdict(cachette__tls_session *self, long verdict) {
  const char *name = SSL_get_servername(self->ssl, TLSEXT_NAMETYPE_host_name);
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH && name != NULL)
    snprintf(self->reason, sizeof self->reason, "its certificate is not valid for \"%.80s\"", name);
  else if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    snprintf(self->reason, sizeof self->reason, "its certificate is not valid for that address");
  else
    snprintf(self->reason, sizeof self->reason, "%s", X509_verify_cert_error_string(verdict));
}

/* Whether the error means that the peer sent no TLS record. */
static bool is_plain_error(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  int reason = ERR_GET_REASON(error);
  return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
         reason == SSL_R_HTTP_REQUEST;
}

/* Describes an error, where OpenSSL's own text helps only those who know its source. */
static const char *describe_error(unsigned long error) {
  if (is_plain_error(error)) return "it does not speak TLS";
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return ERR_reason_error_string(error);
  switch (ERR_GET_REASON(error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "it does not speak TLS 1.2 or later";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "it requires a client certificate";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it does not trust the client certificate";
    default:
      return ERR_reason_error_string(error);
  }
}

static void set_reason(cachette__tls_session *self, int system) {
  long verdict = SSL_get_verify_result(self->ssl);
  unsigned long last = ERR_peek_last_error();
  self->is_plain = is_plain_error(last);
  if (ERR_GET_REASON(last) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
    set_verdict(self, verdict);
    return;
  }
  const char *reason = last != 0 ? describe_error(last) : system_reason(system);
  snprintf(self->reason, sizeof self->reason, "%s", reason != NULL ? reason : "unknown");
}

/* Whether the peer closed the connection without the close_notify of TLS. */
static bool is_disconnect(int error, int system) {
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
  if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return true;
#endif
  return error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0 && (system == 0 || system == EPIPE);
}

/* Translates a failed OpenSSL call into a `CACHETTE__IO_` code. */
static int translate_failure(cachette__tls_session *self, int result) {
  int system = errno, error = SSL_get_error(self->ssl, result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
      return CACHETTE__IO_READ;
    case SSL_ERROR_WANT_WRITE:
      return CACHETTE__IO_WRITE;
    case SSL_ERROR_ZERO_RETURN:
      return CACHETTE__IO_END;
    default:
      if (is_disconnect(error, system)) return CACHETTE__IO_END;
      set_reason(self, system);
      return CACHETTE__IO_FAILED;
  }
}

int cachette__tls_handshake(cachette__tls_session *self) {
  ERR_clear_error();
  errno = 0;
  int result = SSL_do_handshake(self->ssl);
  return result == 1 ? 1 : translate_failure(self, result);
}

ssize_t cachette__tls_read(cachette__tls_session *self, void *data, size_t size) {
  size_t count;
  ERR_clear_error();
  errno = 0;
  int result = SSL_read_ex(self->ssl, data, size, &count);
  return result == 1 ? (ssize_t)count : translate_failure(self, result);
}

ssize_t cachette__tls_write(cachette__tls_session *self, const void *data, size_t size) {
  size_t count;
  ERR_clear_error();
  errno = 0;
  int result = SSL_write_ex(self->ssl, data, size, &count);
  return result == 1 ? (ssize_t)count : translate_failure(self, result);
}

const char *cachette__tls_reason(const cachette__tls_session *self) { return self->reason; }

bool cachette__tls_is_plain(const cachette__tls_session *self) { return self->is_plain; }

bool cachette__tls_has_received(const cachette__tls_session *self) { return self->has_received; }

void cachette__tls_close(cachette__tls_session *self, bool silently) {
  if (self == NULL) return;
  if (!silently && SSL_is_init_finished(self->ssl)) SSL_shutdown(self->ssl);
  ERR_clear_error();
  SSL_free(self->ssl);
  cachette__free(self);
}
