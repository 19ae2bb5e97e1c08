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
#define MSG_NOSIGNAL 0 /* there the socket has SO_NOSIGPIPE */
#endif

struct cachette__tls {
  SSL_CTX *context;
  BIO_METHOD *method; /* the descriptor, without SIGPIPE */
  bool verify;
};

struct cachette__tls_session {
  SSL *ssl;
  int fd;
  bool has_heard;
  bool is_plain; /* the peer does not speak TLS */
  char reason[128];
};

/* ---- The descriptor, as OpenSSL wants it ---- */

static int after(BIO *bio, ssize_t count) {
  BIO_clear_retry_flags(bio);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 1 : 0;
}

static int bio_write(BIO *bio, const char *data, int size) {
  const cachette__tls_session *session = BIO_get_data(bio);
  ssize_t count = send(session->fd, data, (size_t)size, MSG_NOSIGNAL);
  if (after(bio, count)) BIO_set_retry_write(bio);
  return (int)count;
}

static int bio_read(BIO *bio, char *data, int size) {
  cachette__tls_session *session = BIO_get_data(bio);
  ssize_t count = recv(session->fd, data, (size_t)size, 0);
  if (after(bio, count)) BIO_set_retry_read(bio);
  session->has_heard |= count > 0;
  return (int)count;
}

static long bio_ctrl(BIO *bio, int command, long number, void *data) {
  (void)bio;
  (void)number;
  (void)data;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cachette socket");
  if (method == NULL) return NULL;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_ctrl);
  return method;
}

/* ---- Settings ---- */

static const char *system_words(int code) { return uv_strerror(uv_translate_sys_error(code)); }

/* The words for what went wrong first, which is what the rest follows from. */
static const char *first_words(void) {
  unsigned long first = ERR_peek_error();
  if (ERR_GET_LIB(first) == ERR_LIB_SYS) return system_words(ERR_GET_REASON(first));
  const char *words = ERR_reason_error_string(first);
  return words != NULL ? words : "no reason given";
}

static int fail_file(cachette_error *error, const char *option, const char *file,
                     const char *reason) {
  char shown[101];
  cachette__value_text(file, shown, sizeof shown);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" file \"%s\" cannot be used: %s.", option, shown, reason);
}

/* OpenSSL would ask at the terminal. */
static int refuse_passphrase(char *text, int size, int writing, void *asked) {
  (void)writing;
  if (size > 0) *text = '\0';
  *(bool *)asked = true;
  return -1;
}

static int load_key(SSL_CTX *context, const char *file, cachette_error *error) {
  bool asked = false;
  SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
  int loaded = SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
  if (loaded == 1 && SSL_CTX_check_private_key(context) == 1) return CACHETTE_OK;
  const char *reason = asked ? "it is encrypted, and must not be" : first_words();
  return fail_file(error, "tls_key_file", file, reason);
}

static int load_files(SSL_CTX *context, const cachette__tls_settings *settings,
                      cachette_error *error) {
  ERR_clear_error();
  if (settings->ca_file != NULL) {
    if (SSL_CTX_load_verify_locations(context, settings->ca_file, NULL) != 1)
      return fail_file(error, "tls_ca_file", settings->ca_file, first_words());
  } else if (settings->verify) {
    SSL_CTX_set_default_verify_paths(context);
  }
  if (settings->cert_file == NULL && settings->key_file == NULL) return CACHETTE_OK;
  if (settings->cert_file == NULL || settings->key_file == NULL)
    return cachette__fail(
        error, CACHETTE_ECONFIG, settings->cert_file == NULL ? "tls_cert_file" : "tls_key_file",
        "The options \"tls_cert_file\" and \"tls_key_file\" go together; one of them is missing.");
  if (SSL_CTX_use_certificate_chain_file(context, settings->cert_file) != 1)
    return fail_file(error, "tls_cert_file", settings->cert_file, first_words());
  return load_key(context, settings->key_file, error);
}

int cachette__tls_new(const cachette__tls_settings *settings, cachette__tls **tls,
                      cachette_error *error) {
  cachette__tls *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->verify = settings->verify;
  self->context = SSL_CTX_new(TLS_client_method());
  self->method = make_method();
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
  ERR_clear_error(); /* the queue is the thread's, and others of the program look at it */
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

/* Whom the peer must prove to be. */
static bool set_host(SSL *ssl, const char *host, bool verify) {
  if (host == NULL) return true; /* a Unix socket is proof by itself */
  if (is_address(host))
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  if (SSL_set_tlsext_host_name(ssl, host) != 1) return false;
  return !verify || SSL_set1_host(ssl, host) == 1;
}

cachette__tls_session *cachette__tls_open(cachette__tls *tls, int fd, const char *host) {
  cachette__tls_session *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->fd = fd;
  self->ssl = SSL_new(tls->context);
  BIO *bio = self->ssl != NULL ? BIO_new(tls->method) : NULL;
  if (bio == NULL || !set_host(self->ssl, host, tls->verify)) {
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

static const char *verdict_words(long verdict) {
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
    return "its certificate is not valid for that name or address";
  return X509_verify_cert_error_string(verdict);
}

/* Whether what came was no record of TLS. */
static bool is_no_tls(unsigned long noted) {
  if (ERR_GET_LIB(noted) != ERR_LIB_SSL) return false;
  int reason = ERR_GET_REASON(noted);
  return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
         reason == SSL_R_HTTP_REQUEST;
}

/* Words for what OpenSSL noted, where its own say little to who has not read its source. */
static const char *words_for(unsigned long noted) {
  if (is_no_tls(noted)) return "it does not speak TLS";
  if (ERR_GET_LIB(noted) != ERR_LIB_SSL) return ERR_reason_error_string(noted);
  switch (ERR_GET_REASON(noted)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "it does not speak TLS 1.2 or later";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "it asks for a certificate";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it does not trust the certificate that it was shown";
    default:
      return ERR_reason_error_string(noted);
  }
}

static void note_reason(cachette__tls_session *self, int system) {
  long verdict = SSL_get_verify_result(self->ssl);
  unsigned long last = ERR_peek_last_error();
  const char *words;
  self->is_plain = is_no_tls(last);
  if (ERR_GET_REASON(last) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK)
    words = verdict_words(verdict);
  else
    words = last != 0 ? words_for(last) : system_words(system);
  snprintf(self->reason, sizeof self->reason, "%s", words != NULL ? words : "unknown");
}

/* Whether the peer is simply gone, without the farewell that TLS has for it. */
static bool is_end(int error, int system) {
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
  if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return true;
#endif
  return error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0 && (system == 0 || system == EPIPE);
}

/* What OpenSSL's answer means. */
static int outcome(cachette__tls_session *self, int result) {
  int system = errno, error = SSL_get_error(self->ssl, result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
      return CACHETTE__IO_READ;
    case SSL_ERROR_WANT_WRITE:
      return CACHETTE__IO_WRITE;
    case SSL_ERROR_ZERO_RETURN:
      return CACHETTE__IO_END;
    default:
      if (is_end(error, system)) return CACHETTE__IO_END;
      note_reason(self, system);
      return CACHETTE__IO_FAILED;
  }
}

int cachette__tls_handshake(cachette__tls_session *self) {
  ERR_clear_error();
  errno = 0;
  int result = SSL_do_handshake(self->ssl);
  return result == 1 ? 1 : outcome(self, result);
}

ssize_t cachette__tls_read(cachette__tls_session *self, void *data, size_t size) {
  size_t got;
  ERR_clear_error();
  errno = 0;
  int result = SSL_read_ex(self->ssl, data, size, &got);
  return result == 1 ? (ssize_t)got : outcome(self, result);
}

ssize_t cachette__tls_write(cachette__tls_session *self, const void *data, size_t size) {
  size_t put;
  ERR_clear_error();
  errno = 0;
  int result = SSL_write_ex(self->ssl, data, size, &put);
  return result == 1 ? (ssize_t)put : outcome(self, result);
}

const char *cachette__tls_reason(const cachette__tls_session *self) { return self->reason; }

bool cachette__tls_is_plain(const cachette__tls_session *self) { return self->is_plain; }

bool cachette__tls_has_heard(const cachette__tls_session *self) { return self->has_heard; }

void cachette__tls_close(cachette__tls_session *self, bool silently) {
  if (self == NULL) return;
  if (!silently && SSL_is_init_finished(self->ssl)) SSL_shutdown(self->ssl);
  ERR_clear_error();
  SSL_free(self->ssl);
  cachette__free(self);
}
