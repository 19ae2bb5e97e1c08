/* SPDX-License-Identifier: MIT */
/*
 * An HTTP cache in front of a server. The functions of cachette/http.h decide, the in-memory store
 * keeps the records, and this program moves the bytes: one connection at a time, to keep it short.
 * http_message.c reads and writes messages, http_origin.c is a server to try it with.
 *
 *     cc -D_GNU_SOURCE -o http_cache http_*.c $(pkg-config --cflags --libs cachette)
 *     ./http_cache origin 8001 &
 *     ./http_cache cache 8000 8001 &
 *     curl -i http://127.0.0.1:8000/time
 */
#include <cachette/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http_message.h"
#include "http_origin.h"

enum { ANSWER_MAX = 2 * FIELDS_MAX, INDEX_KEEP_MS = 24 * 3600 * 1000 };

/* A request on its way. It is not moved, because the exchange must not be. */
typedef struct job {
  cachette *store;
  int client; /* -1: it has its answer */
  int origin_port;
  message asked, answered;
  cachette_http_request request;
  cachette_http_exchange exchange;
  cachette_http_response response;
  cachette_slice index, record; /* what the store has; an index if the responses of the URI vary */
} job;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static cachette_slice key_slice(const unsigned char *key) {
  return (cachette_slice){key, CACHETTE_HTTP_KEY_SIZE};
}

/* ---- Records ---- */

/* The record of the exchange's key. A store that fails is like one that has nothing. */
static cachette_slice fetch_record(job *self) {
  cachette_slice record;
  int found = cachette_fetch(self->store, key_slice(self->exchange.key), &record, NULL, NULL);
  return found == CACHETTE_HIT ? record : (cachette_slice){NULL, 0};
}

/* The body is stored behind the head. The in-memory store returns all that was put; for one that
 * may not, there is cachette_http_record_matches(). */
static cachette_slice stored_body(const job *self) {
  size_t head_size = cachette_http_record_head_size(self->record);
  return (cachette_slice){(const char *)self->record.data + head_size,
                          self->record.size - head_size};
}

static void store_index(job *self) {
  size_t size = cachette_http_index_size(&self->exchange);
  unsigned char *bytes = malloc(size);
  if (bytes == NULL) return;
  cachette_http_index_write(&self->exchange, bytes);
  cachette_put(self->store, key_slice(self->exchange.index_key), (cachette_slice){bytes, size},
               INDEX_KEEP_MS, NULL);
  free(bytes);
}

/* Stores the record. If anything fails, it is not stored, and the client is answered all the same.
 */
static void store_record(job *self, cachette_slice body) {
  size_t head_size = cachette_http_record_size(&self->exchange, NULL);
  unsigned char *bytes = malloc(head_size + body.size);
  if (bytes == NULL) return;
  if (cachette_http_record_write(&self->exchange, NULL, &body, 1, bytes) == CACHETTE_OK) {
    if (body.size > 0) memcpy(bytes + head_size, body.data, body.size);
    cachette_put(self->store, key_slice(self->exchange.key),
                 (cachette_slice){bytes, head_size + body.size}, self->exchange.keep_ms, NULL);
    if (self->exchange.store_index) store_index(self);
  }
  free(bytes);
}

/* Clears what an unsafe request, such as a POST, has changed, and what may not be kept. A store
 * that finds records by tag would clear those of `tag`, too. A group has only a tag, and no record
 * has its key, which is zeroed. */
static void clear_invalidated(job *self) {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice tag;
  for (size_t i = 0; cachette_http_invalidated(&self->exchange, i, key, &tag); i++)
    cachette_clear(self->store, key_slice(key), NULL);
}

/* ---- Answers ---- */

static void send_error(const job *self, int status) {
  char first[32];
  snprintf(first, sizeof first, "HTTP/1.1 %d ", status);
  cachette_http_field length = {cachette_str("Content-Length"), cachette_str("0")};
  if (self->client >= 0) message_write(self->client, first, &length, 1, (cachette_slice){NULL, 0});
}

/* Sends an answer with the fields of the exchange.
 *   origin  the response to send on, or NULL */
static void send_answer(job *self, const cachette_http_response *origin, int status,
                        cachette_slice body) {
  cachette_http_field fields[ANSWER_MAX];
  char first[32];
  if (self->client < 0) return; /* this is a refresh in the background */
  size_t count = cachette_http_answer(&self->exchange, origin, false, fields, ANSWER_MAX);
  snprintf(first, sizeof first, "HTTP/1.1 %d ", status);
  if (count <= ANSWER_MAX)
    message_write(self->client, first, fields, count, body);
  else
    send_error(self, 502);
}

/* Answers from the record, or with an error of the cache. */
static void send_stored(job *self) {
  cachette_slice body = {NULL, 0};
  if (self->exchange.send_body) {
    body = stored_body(self);
    body.data = (const char *)body.data + self->exchange.body_first;
    body.size = (size_t)self->exchange.body_size;
  }
  send_answer(self, NULL, self->exchange.status, body);
}

/* ---- The origin ---- */

static void send_request(job *self, int origin) {
  cachette_http_field fields[ANSWER_MAX];
  char first[HEAD_MAX + 16];
  const cachette_http_request *request = &self->request;
  size_t count = cachette_http_forward(&self->exchange, fields, ANSWER_MAX);
  /* HTTP/1.0 keeps the origin from sending chunks, which this program does not read. */
  snprintf(first, sizeof first, "%.*s %.*s%s%.*s HTTP/1.0", (int)request->method.size,
           (const char *)request->method.data, (int)request->path.size,
           (const char *)request->path.data, request->query.data != NULL ? "?" : "",
           (int)request->query.size, (const char *)request->query.data);
  message_write(origin, first, fields, count, request->body);
}

/* Asks the origin. Returns 0 if it answered, or the status that says how it failed. */
static int fetch_response(job *self) {
  bool is_head =
      self->request.method.size == 4 && memcmp(self->request.method.data, "HEAD", 4) == 0;
  message_free(&self->answered);
  self->response = (cachette_http_response){.body_size = -1, .requested_ms = now_ms()};
  int origin = message_connect(self->origin_port), error = 502;
  if (origin >= 0) {
    send_request(self, origin);
    error = message_read_response(&self->answered, origin, !is_head);
    close(origin);
  }
  self->response.received_ms = now_ms();
  self->response.status = self->answered.status;
  self->response.fields = (cachette_http_fields){self->answered.list, self->answered.count};
  if (!is_head) self->response.body_size = (int64_t)self->answered.body.size;
  /* Without a random number, nothing is stored that could be taken for an older response. */
  if (getentropy(&self->response.random, sizeof self->response.random) < 0) error = 502;
  return error;
}

/* Forwards the request, and does with the response what the rules say. */
static void ask_origin(job *self) {
  int error;
  do {
    error = fetch_response(self);
    cachette_http_receive(&self->exchange, error == 0 ? &self->response : NULL, now_ms());
    /* Before the answer: a client that has it must not get an older response after it. */
    if (self->exchange.invalidates) clear_invalidated(self);
  } while (self->exchange.action == CACHETTE_HTTP_REFETCH);
  if (self->exchange.action == CACHETTE_HTTP_FRESHEN && self->exchange.keep_ms > 0)
    store_record(self, stored_body(self));
  if (self->exchange.action == CACHETTE_HTTP_FRESHEN ||
      self->exchange.action == CACHETTE_HTTP_STALE) {
    send_stored(self);
  } else if (error != 0) {
    send_error(self, error);
  } else {
    send_answer(self, &self->response, self->response.status, self->answered.body);
    if (self->exchange.action == CACHETTE_HTTP_STORE) store_record(self, self->answered.body);
  }
}

/* ---- Requests ---- */

/* Asks the store and the rules: once, or twice if the responses of the URI vary. */
static void decide(job *self) {
  if (self->exchange.action == CACHETTE_HTTP_PASS) return; /* it has nothing to do with the cache */
  self->record = fetch_record(self);
  cachette_http_decide(&self->exchange, self->record, now_ms());
  if (self->exchange.action != CACHETTE_HTTP_VARIANT) return;
  self->index = self->record; /* the exchange needs it until its end */
  self->record = fetch_record(self);
  cachette_http_decide(&self->exchange, self->record, now_ms());
}

static void close_client(job *self) {
  if (self->client >= 0) close(self->client);
  self->client = -1;
}

static void answer_request(job *self) {
  decide(self);
  switch (self->exchange.action) {
    case CACHETTE_HTTP_HIT:
    case CACHETTE_HTTP_ERROR:
      send_stored(self);
      break;
    case CACHETTE_HTTP_STALE:
      send_stored(self);
      close_client(self); /* it need not wait for the refresh */
      if (self->exchange.refresh) ask_origin(self);
      break;
    default:
      ask_origin(self);
  }
}

static void make_request(job *self) {
  self->request = (cachette_http_request){
      .method = self->asked.method,
      .scheme = cachette_str("http"),
      .path = self->asked.path,
      .query = self->asked.query,
      .fields = {self->asked.list, self->asked.count},
      .body = self->asked.body,
      .has_body = self->asked.body.size > 0,
  };
}

/* Answers a request that was read. Returns 0, or the status of an error. */
static int run_exchange(job *self) {
  static const cachette_http_policy policy = {0}; /* the defaults are safe */
  make_request(self);
  if (cachette_http_begin(&self->exchange, &policy, &self->request) < 0) return 503;
  answer_request(self);
  cachette_http_end(&self->exchange);
  return 0;
}

static void serve(cachette *store, int client, int origin_port) {
  job self = {.store = store, .client = client, .origin_port = origin_port};
  int error = message_read_request(&self.asked, client);
  if (error == 0) error = run_exchange(&self);
  if (error != 0) send_error(&self, error);
  close_client(&self);
  cachette_free(self.index.data);
  cachette_free(self.record.data);
  message_free(&self.asked);
  message_free(&self.answered);
}

static void run_cache(int port, int origin_port) {
  cachette *store;
  cachette_error error;
  if (cachette_open(NULL, &store, &error) < 0) {
    fprintf(stderr, "%s\n", error.message);
    exit(1);
  }
  int listening = message_listen(port);
  for (;;) {
    int client = message_accept(listening);
    if (client >= 0) serve(store, client, origin_port);
  }
}

int main(int count, char **arguments) {
  signal(SIGPIPE, SIG_IGN); /* clients may leave early */
  if (count >= 3 && strcmp(arguments[1], "origin") == 0)
    run_origin(atoi(arguments[2]), count > 3 ? atoi(arguments[3]) : 5);
  if (count == 4 && strcmp(arguments[1], "cache") == 0)
    run_cache(atoi(arguments[2]), atoi(arguments[3]));
  fprintf(stderr, "http_cache origin PORT [MAX_AGE]\nhttp_cache cache PORT ORIGIN_PORT\n");
  return 1;
}
