/* SPDX-License-Identifier: MIT */
/* A stream over TLS, with OpenSSL servers and certificates that the test creates. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "client.h"
#include "nomem.h"

enum { HOUR = 3600 };

static struct authority authority, foreign_authority;
static struct identity good, expired, early, elsewhere, self_signed, user, foreign_user;
static char ca_file[128];

/* ---- The server ---- */

/* The behaviour of a server, and what it has recorded. */
struct tls_server {
  const struct identity *identity;
  int min_version, max_version; /* of TLS; 0: the default */
  bool requests_certificate;    /* from the client */
  bool aborts;                  /* closes without a close_notify once `go` is posted */
  const char *first_bytes;      /* sent right after the handshake, or NULL */
  char name[64];                /* the SNI of the client, or "" */
  bool handshake_done, sent_close_notify;
  long version;
};

static SSL_CTX *create_context(const struct tls_server *server) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, server->identity->certificate);
  SSL_CTX_use_PrivateKey(context, server->identity->key);
  if (server->min_version != 0) SSL_CTX_set_min_proto_version(context, server->min_version);
  if (server->max_version != 0) SSL_CTX_set_max_proto_version(context, server->max_version);
  /* TLS 1.1 is disabled by default. */
  if (server->max_version == TLS1_1_VERSION) SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
  if (server->requests_certificate) {
    SSL_CTX_load_verify_locations(context, ca_file, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  }
  return context;
}

static void tls_echo(peer *self, SSL *ssl) {
  char *data = malloc(self->slice);
  uint32_t random = 7;
  int count;
  while ((count = SSL_read(ssl, data, (int)self->slice)) > 0) {
    for (int sent = 0; sent < count;) {
      random = random * 1664525 + 1013904223;
      int size = (int)((random >> 8) % (uint32_t)(count - sent)) + 1;
      if (SSL_write(ssl, data + sent, size) <= 0) break;
      sent += size;
    }
  }
  free(data);
}

static void serve_tls(peer *self, int fd) {
  struct tls_server *server = self->data;
  SSL_CTX *context = create_context(server);
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  server->handshake_done = SSL_accept(ssl) == 1;
  if (server->handshake_done) {
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(server->name, sizeof server->name, "%s", name != NULL ? name : "");
    server->version = SSL_version(ssl);
    if (server->first_bytes != NULL)
      SSL_write(ssl, server->first_bytes, (int)strlen(server->first_bytes));
    if (server->aborts)
      while (sem_wait(&self->go) != 0) continue;
    else
      tls_echo(self, ssl);
    server->sent_close_notify = (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    if (!server->aborts) SSL_shutdown(ssl);
  }
  ERR_clear_error();
  SSL_free(ssl);
  SSL_CTX_free(context);
}

/* ---- The client ---- */

static cachette__tls *create_tls(const char *ca, const struct identity *identity, bool verify) {
  const cachette__tls_settings settings = {
      .ca_file = ca,
      .cert_file = identity != NULL ? identity->cert_file : NULL,
      .key_file = identity != NULL ? identity->key_file : NULL,
      .verify = verify,
  };
  cachette__tls *tls = NULL;
  cachette_error error;
  if (cachette__tls_new(&settings, &tls, &error) != CACHETTE_OK) fail_msg("%s", error.message);
  assert_int_equal(ERR_peek_error(), 0);
  return tls;
}

/* Opens the stream of an initialised client, exchanges bytes if that succeeds, and closes it. */
static void exchange(client *self, size_t size) {
  self->to_send = self->to_receive = size;
  assert_int_equal(client_open(self), CACHETTE_OK);
  client_run(self);
  if (self->stream != NULL) assert_int_equal(cachette__stream_sent(self->stream), size);
  client_close(self);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(ERR_peek_error(), 0); /* the error queue of the thread is empty */
}

static void exchange_and_close(client *self, peer *server, const char *host, cachette__tls *tls,
                               size_t size) {
  client_init(self, host, server->port, NULL);
  self->target.tls = tls;
  exchange(self, size);
}

/* Starts a server and initialises a client that trusts it, without opening it. */
static cachette__tls *begin_session(peer *server, struct tls_server *behaviour, client *self) {
  peer_start(server, serve_tls);
  server->data = behaviour;
  cachette__tls *tls = create_tls(ca_file, NULL, true);
  client_init(self, "server.test", server->port, NULL);
  self->target.tls = tls;
  return tls;
}

static void end_session(peer *server, cachette__tls *tls) {
  cachette__tls_free(tls);
  peer_stop(server);
}

/* Makes one connection between a server and a client. The events are recorded in `self`. */
static void connect_once(client *self, struct tls_server *behaviour, const char *host,
                         const char *ca, const struct identity *identity, bool verify) {
  peer server;
  peer_start(&server, serve_tls);
  server.data = behaviour;
  cachette__tls *tls = create_tls(ca, identity, verify);
  exchange_and_close(self, &server, host, tls, 1000);
  end_session(&server, tls);
}

static void expect_connected(const client *self) {
  if (self->event_counts[AT_CLOSED] != 0) fail_msg("%s", self->error.message);
  assert_int_equal(self->received, 1000);
}

static void expect_refused(const client *self, const char *words) {
  assert_int_equal(self->event_counts[AT_OPENED], 0);
  assert_int_equal(self->event_counts[AT_CLOSED], 1);
  assert_int_equal(self->error.code, CACHETTE_EUNAVAILABLE);
  const char *message = self->error.message;
  if (strncmp(message, "Cannot connect to ", 18) != 0 || strstr(message, words) == NULL)
    fail_msg("%s", message);
  assert_non_null(strstr(message, self->target.host));
  assert_int_equal(message[strlen(message) - 1], '.');
}

/* ---- Transfers ---- */

static void tls_transfers_bytes_in_both_directions(void **state) {
  (void)state;
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  static const size_t sizes[] = {1, 16384, 16385, 1 << 20, 10 << 20};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    struct tls_server behaviour = {
        .identity = &good, .min_version = versions[i], .max_version = versions[i]};
    peer server;
    client self;
    cachette__tls *tls = begin_session(&server, &behaviour, &self);
    for (size_t j = 0; j < LENGTH(sizes); j++) {
      exchange_and_close(&self, &server, "server.test", tls, sizes[j]);
      if (self.event_counts[AT_CLOSED] != 0) fail_msg("%s", self.error.message);
      peer_wait(&server);
      assert_int_equal(behaviour.version, versions[i]);
      assert_true(behaviour.sent_close_notify);
    }
    end_session(&server, tls);
  }
}

static void tls_bytes_can_be_received_in_small_pieces(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good};
  peer server;
  client self;
  cachette__tls *tls = begin_session(&server, &behaviour, &self);
  server.slice = 1;
  exchange_and_close(&self, &server, "server.test", tls, 500);
  assert_int_equal(self.received, 500);
  end_session(&server, tls);
}

/* Bytes that arrive with the end of the handshake do not make the descriptor readable again. */
static void bytes_right_after_the_handshake_are_received(void **state) {
  (void)state;
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    struct tls_server behaviour = {
        .identity = &good, .max_version = versions[i], .first_bytes = "welcome"};
    peer server;
    client self;
    cachette__tls *tls = begin_session(&server, &behaviour, &self);
    self.to_receive = 7;
    self.buffer_size = 1;
    assert_int_equal(client_open(&self), CACHETTE_OK);
    client_run(&self);
    assert_string_equal(self.text, "welcome");
    client_close(&self);
    uv_run(&loop, UV_RUN_DEFAULT);
    end_session(&server, tls);
  }
}

/* One record with more bytes than the stream reads in one turn, read byte by byte. */
static void bytes_buffered_by_openssl_are_received_in_later_turns(void **state) {
  (void)state;
  static char much[10001];
  memset(much, 'm', sizeof much - 1);
  struct tls_server behaviour = {.identity = &good, .first_bytes = much};
  peer server;
  client self;
  cachette__tls *tls = begin_session(&server, &behaviour, &self);
  self.to_receive = sizeof much - 1;
  self.buffer_size = 1;
  assert_int_equal(client_open(&self), CACHETTE_OK);
  while (self.stream != NULL && self.received < self.to_receive) {
    size_t before = self.received;
    uv_run(&loop, UV_RUN_ONCE);
    assert_in_range(self.received - before, 0, 100);
  }
  client_close(&self);
  uv_run(&loop, UV_RUN_DEFAULT);
  end_session(&server, tls);
}

/* ---- Verification of the server ---- */

static const struct {
  const char *host;
  const struct identity *identity;
  const char *words; /* in the error; NULL: the server is trusted */
} trust[] = {
    {"server.test", &good, NULL},
    {"www.wild.test", &good, NULL},
    {"127.0.0.1", &good, NULL},
    {"other.test", &good, "not valid for \"other.test\"."},
    {"wild.test", &good, "not valid for \"wild.test\"."},
    {"a.b.wild.test", &good, "not valid for \"a.b.wild.test\"."},
    {"127.0.0.1", &elsewhere, "not valid for that address"},
    {"server.test", &elsewhere, "not valid for \"server.test\"."},
    {"server.test", &expired, "certificate has expired"},
    {"server.test", &early, "certificate is not yet valid"},
    /* OpenSSL versions spell "self-signed" differently. */
    {"server.test", &self_signed, "certificate"},
};

static void a_certificate_must_be_valid_and_match_the_host(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(trust); i++) {
    struct tls_server behaviour = {.identity = trust[i].identity};
    client self;
    connect_once(&self, &behaviour, trust[i].host, ca_file, NULL, true);
    if (trust[i].words == NULL)
      expect_connected(&self);
    else
      expect_refused(&self, trust[i].words);
  }
}

static void a_certificate_of_an_unknown_authority_is_refused(void **state) {
  (void)state;
  char path[128];
  struct tls_server behaviour = {.identity = &good};
  client self;
  authority_file(&foreign_authority, "ca.pem", path, sizeof path);
  connect_once(&self, &behaviour, "server.test", path, NULL, true);
  expect_refused(&self, "certificate");
  /* With the system's authorities. */
  connect_once(&self, &behaviour, "server.test", NULL, NULL, true);
  expect_refused(&self, "certificate");
}

static void without_verification_any_certificate_is_accepted(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(trust); i++) {
    struct tls_server behaviour = {.identity = trust[i].identity};
    client self;
    connect_once(&self, &behaviour, trust[i].host, i % 2 == 0 ? ca_file : NULL, NULL, false);
    expect_connected(&self);
  }
}

static void the_server_name_is_sent_unless_it_is_an_address(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good};
  client self;
  connect_once(&self, &behaviour, "server.test", ca_file, NULL, true);
  expect_connected(&self);
  assert_string_equal(behaviour.name, "server.test");
  connect_once(&self, &behaviour, "127.0.0.1", ca_file, NULL, true);
  expect_connected(&self);
  assert_string_equal(behaviour.name, "");
}

/* A node of a cluster has an address, and a certificate for its name or for that of the cluster. */
static const struct {
  const char *host, *tls_name;
  const struct identity *identity;
  const char *sent, *words; /* the SNI; the error, or NULL: the server is trusted */
} named[] = {
    {"127.0.0.1", "server.test", &good, "server.test", NULL},
    {"127.0.0.1", "www.wild.test", &good, "www.wild.test", NULL},
    {"127.0.0.1", "elsewhere.test", &elsewhere, "elsewhere.test", NULL},
    {"127.0.0.1", "127.0.0.2", &elsewhere, "", NULL},
    {"other.test", "server.test", &good, "server.test", NULL},
    {"server.test", "127.0.0.1", &good, "", NULL},
    {"server.test", NULL, &good, "server.test", NULL},
    {"127.0.0.1", "other.test", &good, NULL, "not valid for \"other.test\"."},
    {"127.0.0.1", "server.test", &elsewhere, NULL, "not valid for \"server.test\"."},
    {"server.test", "other.test", &good, NULL, "not valid for \"other.test\"."},
    {"127.0.0.1", "127.0.0.2", &good, NULL, "not valid for that address."},
};

static void a_certificate_can_be_for_another_name_than_the_host(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(named); i++) {
    struct tls_server behaviour = {.identity = named[i].identity};
    peer server;
    client self;
    cachette__tls *tls = begin_session(&server, &behaviour, &self);
    self.target.host = named[i].host;
    self.target.tls_name = named[i].tls_name;
    exchange(&self, 1000);
    end_session(&server, tls);
    if (named[i].words == NULL) {
      expect_connected(&self);
      assert_string_equal(behaviour.name, named[i].sent);
    } else {
      expect_refused(&self, named[i].words);
    }
  }
}

static void an_old_version_is_refused(void **state) {
  (void)state;
  struct tls_server behaviour = {
      .identity = &good, .min_version = TLS1_VERSION, .max_version = TLS1_1_VERSION};
  client self;
  connect_once(&self, &behaviour, "server.test", ca_file, NULL, true);
  expect_refused(&self, "it does not speak TLS 1.2 or later");
  assert_false(behaviour.handshake_done);
}

/* ---- Client certificates ---- */

static void a_client_certificate_is_sent_on_request(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good, .requests_certificate = true};
  client self;
  connect_once(&self, &behaviour, "server.test", ca_file, &user, true);
  expect_connected(&self);
}

/* In TLS 1.3 the client receives the alert only when it reads. */
static void a_missing_client_certificate_is_reported(void **state) {
  (void)state;
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    struct tls_server behaviour = {
        .identity = &good, .requests_certificate = true, .max_version = versions[i]};
    client self;
    connect_once(&self, &behaviour, "server.test", ca_file, NULL, true);
    assert_int_equal(self.event_counts[AT_CLOSED], 1);
    assert_int_equal(self.received, 0);
    assert_false(behaviour.handshake_done);
    connect_once(&self, &behaviour, "server.test", ca_file, &foreign_user, true);
    assert_int_equal(self.event_counts[AT_CLOSED], 1);
    if (versions[i] == TLS1_2_VERSION)
      expect_refused(&self, "it does not trust the client certificate");
    assert_false(behaviour.handshake_done);
  }
}

/* ---- Other failures ---- */

static void serve_plain(peer *self, int fd) {
  char data[4096];
  if (recv(fd, data, sizeof data, 0) > 0)
    peer_write(fd, "-ERR unknown command, with args beginning with: \r\n", 50);
  serve_silence(self, fd);
}

static void serve_nothing(peer *self, int fd) {
  (void)self;
  (void)fd;
}

static void fail_with(void (*serve)(peer *self, int fd), const char *words) {
  peer server;
  client self;
  peer_start(&server, serve);
  cachette__tls *tls = create_tls(ca_file, NULL, true);
  client_init(&self, "server.test", server.port, NULL);
  self.target.tls = tls;
  self.target.connect_timeout_ms = serve == serve_silence ? 100 : 20000;
  client_open_and_run_to_end(&self);
  expect_refused(&self, words);
  assert_int_equal(ERR_peek_error(), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  end_session(&server, tls);
}

static void a_server_without_tls_is_reported(void **state) {
  (void)state;
  fail_with(serve_plain, "it does not speak TLS");
}

static void a_server_that_closes_in_the_handshake_is_reported(void **state) {
  (void)state;
  fail_with(serve_nothing, "");
}

static void a_server_that_does_not_finish_the_handshake_is_reported(void **state) {
  (void)state;
  fail_with(serve_silence, "the TLS handshake was not completed within 0.1 s");
}

static void a_close_without_a_close_notify_is_reported(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good, .aborts = true, .first_bytes = "bye"};
  peer server;
  client self;
  cachette__tls *tls = begin_session(&server, &behaviour, &self);
  self.to_receive = 3;
  assert_int_equal(client_open(&self), CACHETTE_OK);
  client_run(&self);
  sem_post(&server.go);
  client_run_to_end(&self);
  assert_string_equal(self.text, "bye");
  assert_true(self.was_open);
  assert_non_null(strstr(self.error.message, "was closed by the server."));
  assert_int_equal(ERR_peek_error(), 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  end_session(&server, tls);
}

static enum stage closing_stage;

static void close_at(client *self, enum stage stage) {
  if (stage == closing_stage) client_close(self);
}

static void a_tls_stream_can_be_closed_at_any_stage(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good, .first_bytes = "some words"};
  peer server;
  peer_start(&server, serve_tls);
  server.data = &behaviour;
  cachette__tls *tls = create_tls(ca_file, NULL, true);
  for (int turns = 0; turns < 12; turns++) {
    client self;
    client_init(&self, "127.0.0.1", server.port, NULL);
    self.target.tls = tls;
    assert_int_equal(client_open(&self), CACHETTE_OK);
    for (int turn = 0; turn < turns && self.received < 10; turn++) uv_run(&loop, UV_RUN_ONCE);
    client_close(&self);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  for (closing_stage = AT_OPENED; closing_stage < AT_CLOSED; closing_stage++) {
    client self;
    client_init(&self, "127.0.0.1", server.port, NULL);
    self.target.tls = tls;
    self.then = close_at;
    client_open_and_run_to_end(&self);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(self.event_counts[closing_stage], 1);
    assert_int_equal(self.event_counts[AT_CLOSED], 0);
  }
  end_session(&server, tls);
}

/* A close_notify from the child would close the parent's session. */
static void a_forked_child_sends_no_close_notify(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good};
  peer server;
  client self;
  cachette__tls *tls = begin_session(&server, &behaviour, &self);
  client_connect(&self);
  run_in_child(client_close_in_child, &self);
  self.to_send = self.to_receive = 100000;
  client_send(&self, SIZE_MAX);
  client_run(&self);
  assert_int_equal(self.received, 100000);
  client_close(&self);
  end_session(&server, tls);
}

/* ---- Files ---- */

static void expect_file_error(const char *ca, const char *cert, const char *key,
                              const char *subject, const char *words) {
  const cachette__tls_settings settings = {
      .ca_file = ca, .cert_file = cert, .key_file = key, .verify = true};
  cachette__tls *tls = NULL;
  cachette_error error = {.code = 0};
  assert_int_equal(cachette__tls_new(&settings, &tls, &error), CACHETTE_ECONFIG);
  assert_null(tls);
  assert_int_equal(error.code, CACHETTE_ECONFIG);
  assert_string_equal(error.subject, subject);
  if (strstr(error.message, subject) == NULL || strstr(error.message, words) == NULL)
    fail_msg("%s", error.message);
  assert_int_equal(error.message[strlen(error.message) - 1], '.');
  assert_int_equal(ERR_peek_error(), 0);
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void errors_name_an_unusable_file(void **state) {
  (void)state;
  char none[128], text[128], locked[128];
  authority_file(&authority, "none.pem", none, sizeof none);
  authority_file(&authority, "text.pem", text, sizeof text);
  authority_file(&authority, "locked.key", locked, sizeof locked);
  write_text(text, "This is no PEM.\n");
  FILE *file = fopen(locked, "w");
  assert_non_null(file);
  assert_int_equal(PEM_write_PrivateKey(file, user.key, EVP_aes_128_cbc(),
                                        (const unsigned char *)"secret", 6, NULL, NULL),
                   1);
  fclose(file);
  const char *cert = user.cert_file, *key = user.key_file;
  expect_file_error(none, NULL, NULL, "tls_ca_file", "no such file or directory");
  expect_file_error(text, NULL, NULL, "tls_ca_file", text);
  expect_file_error(ca_file, none, key, "tls_cert_file", "no such file or directory");
  expect_file_error(ca_file, text, key, "tls_cert_file", text);
  expect_file_error(ca_file, cert, none, "tls_key_file", "no such file or directory");
  expect_file_error(ca_file, cert, text, "tls_key_file", text);
  expect_file_error(ca_file, cert, good.key_file, "tls_key_file", good.key_file);
  expect_file_error(ca_file, cert, locked, "tls_key_file", "it is encrypted");
  expect_file_error(ca_file, cert, NULL, "tls_key_file", "must be set together");
  expect_file_error(ca_file, NULL, key, "tls_cert_file", "must be set together");
}

/* ---- Memory ---- */

/* Exchanges bytes with a server over TLS. Returns 0 if it succeeded. */
static int exchange_once(void *server) {
  const cachette__tls_settings settings = {.ca_file = ca_file, .verify = true};
  client self = {.received = 0};
  cachette__tls *tls = NULL;
  if (cachette__tls_new(&settings, &tls, NULL) == CACHETTE_OK) {
    client_init(&self, "127.0.0.1", ((peer *)server)->port, NULL);
    self.target.tls = tls;
    self.to_send = self.to_receive = 1000;
    if (client_open(&self) == CACHETTE_OK) client_run(&self);
    client_close(&self);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  cachette__tls_free(tls);
  return self.received != 1000;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  struct tls_server behaviour = {.identity = &good};
  peer server;
  peer_start(&server, serve_tls);
  server.data = &behaviour;
  assert_in_range(nomem_each(exchange_once, &server), 1, 100);
  peer_stop(&server);
}

/* ---- Set-up ---- */

#define NAMES "DNS:server.test,DNS:*.wild.test,IP:127.0.0.1"

static int set_up_program(void **state) {
  authority_open(&authority);
  authority_open(&foreign_authority);
  authority_file(&authority, "ca.pem", ca_file, sizeof ca_file);
  const struct {
    const char *name;
    struct identity *identity;
    struct certificate_fields fields;
  } all[] = {
      {"good", &good, {NAMES, -HOUR, HOUR, false}},
      {"expired", &expired, {NAMES, -2 * HOUR, -HOUR, false}},
      {"early", &early, {NAMES, HOUR, 2 * HOUR, false}},
      {"elsewhere", &elsewhere, {"DNS:elsewhere.test,IP:127.0.0.2", -HOUR, HOUR, false}},
      {"self-signed", &self_signed, {NAMES, -HOUR, HOUR, true}},
      {"user", &user, {"DNS:user.test", -HOUR, HOUR, false}},
  };
  for (size_t i = 0; i < LENGTH(all); i++)
    authority_issue(&authority, all[i].name, &all[i].fields, all[i].identity);
  authority_issue(&foreign_authority, "user", &all[5].fields, &foreign_user);
  static const char *const hosts[] = {"server.test", "www.wild.test", "other.test", "wild.test",
                                      "a.b.wild.test"};
  for (size_t i = 0; i < LENGTH(hosts); i++) resolver_set(hosts[i], "127.0.0.1");
  return loop_warm_up(state);
}

static int tear_down_program(void **state) {
  (void)state;
  struct identity *all[] = {&good,        &expired, &early,       &elsewhere,
                            &self_signed, &user,    &foreign_user};
  for (size_t i = 0; i < LENGTH(all); i++) identity_free(all[i]);
  authority_close(&authority);
  authority_close(&foreign_authority);
  return 0;
}

#define test(name) cmocka_unit_test_setup_teardown(name, loop_set_up, loop_tear_down)

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      test(tls_transfers_bytes_in_both_directions),
      test(tls_bytes_can_be_received_in_small_pieces),
      test(bytes_right_after_the_handshake_are_received),
      test(bytes_buffered_by_openssl_are_received_in_later_turns),
      test(a_certificate_must_be_valid_and_match_the_host),
      test(a_certificate_of_an_unknown_authority_is_refused),
      test(without_verification_any_certificate_is_accepted),
      test(the_server_name_is_sent_unless_it_is_an_address),
      test(a_certificate_can_be_for_another_name_than_the_host),
      test(an_old_version_is_refused),
      test(a_client_certificate_is_sent_on_request),
      test(a_missing_client_certificate_is_reported),
      test(a_server_without_tls_is_reported),
      test(a_server_that_closes_in_the_handshake_is_reported),
      test(a_server_that_does_not_finish_the_handshake_is_reported),
      test(a_close_without_a_close_notify_is_reported),
      test(a_tls_stream_can_be_closed_at_any_stage),
      test(a_forked_child_sends_no_close_notify),
      test(errors_name_an_unusable_file),
      test(each_failing_allocation_is_handled),
  };
  return cmocka_run_group_tests_name("tls", tests, set_up_program, tear_down_program);
}
