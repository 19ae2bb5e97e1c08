/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 messages on blocking sockets: as much as the example http_cache needs. Each connection
 * has one request and one response. Messages in chunks are refused.
 */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include <cachette/http.h>

enum { FIELDS_MAX = 64, HEAD_MAX = 16 << 10, BODY_MAX = 1 << 20 };

/* A message that was read. All slices point into `bytes`. Zero it first. */
typedef struct message {
  char *bytes;
  size_t size;
  cachette_slice method, path, query; /* of a request; query.data is NULL if there is no '?' */
  int status;                         /* of a response */
  cachette_http_field list[FIELDS_MAX];
  size_t count;
  cachette_slice body;
} message;

/* Returns a socket that listens on 127.0.0.1, and prints its port. Port 0: any. Exits on errors. */
int message_listen(int port);

/* Waits for a connection. Returns its socket, or -1. */
int message_accept(int listening);

/* Connects to 127.0.0.1. Returns a socket, or -1. */
int message_connect(int port);

/*
 * Reads a request or a response.
 *   has_body  whether the response may have one: not if the request was HEAD
 * Returns 0, or the status that a client is answered with: 400, 413, 431, 502, 504.
 */
int message_read_request(message *self, int socket);
int message_read_response(message *self, int socket, bool has_body);

/* Returns the value of a field; empty: there is none. */
cachette_slice message_field(const message *self, const char *name);

/* Frees what was read. */
void message_free(message *self);

/*
 * Writes a message and `Connection: close`. Errors are ignored: the other side will see a message
 * that is not complete.
 *   first  the first line
 */
void message_write(int socket, const char *first, const cachette_http_field *fields, size_t count,
                   cachette_slice body);

#endif
