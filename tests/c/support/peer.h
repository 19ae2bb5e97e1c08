/* SPDX-License-Identifier: MIT */
/* Servers that a test runs in threads of its own process, on real sockets. */
#ifndef CACHETTE_TESTS_PEER_H
#define CACHETTE_TESTS_PEER_H

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support.h"

/* An assertion for the thread of a server. cmocka's would jump to the stack of the test. */
#define must(condition)                                                                    \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
      abort();                                                                             \
    }                                                                                      \
  } while (0)

typedef struct peer peer;
struct peer {
  int listener;
  uint16_t port;                     /* of 127.0.0.1, or 0 */
  char path[64];                     /* of a Unix socket, or "" */
  void (*serve)(peer *self, int fd); /* runs in the thread; the descriptor is closed after it */
  void *data;
  size_t slice; /* max bytes of one read or write */
  int served;   /* closed connections; read it after peer_stop() */
  sem_t done;   /* posted after each connection */
  sem_t go;     /* `serve` waits for it until the test posts it */
  int wake[2];
  pthread_t thread;
};

/* Starts a server on a free port of 127.0.0.1, or on a Unix socket. */
void peer_start(peer *self, void (*serve)(peer *self, int fd));
void peer_start_unix(peer *self, void (*serve)(peer *self, int fd));

/* Waits until the current connection is closed, and stops the server. */
void peer_stop(peer *self);

/* Waits until one more connection is closed. */
void peer_wait(peer *self);

/* Sends back what it receives, in pieces of pseudo-random sizes. */
void serve_echo(peer *self, int fd);

/* Reads until the other end closes. */
void serve_silence(peer *self, int fd);

/* Sends "some words", then reads as serve_silence(). */
void serve_words(peer *self, int fd);

/* Sends 8192 bytes of the pattern, posts `done`, then reads as serve_silence(). */
void serve_flood(peer *self, int fd);

/* Returns the byte at an index of the pattern that tests send in both directions. */
char pattern_at(size_t index);

/* Writes all of the bytes. Returns false if the other end has closed. */
bool peer_write(int fd, const void *data, size_t size);

/* Returns a socket that listens on an address of 127.0.0.0/8. Port 0: a free port. */
int listen_on(const char *address, uint16_t port, int backlog);
int listen_unix(const char *path, int backlog);
uint16_t port_of(int fd);

/*
 * A listening socket with a full queue, so that a connection attempt neither succeeds nor fails.
 * The connections in `filler` fill the queue.
 */
struct full_socket {
  int listener;
  int filler[8];
};
void full_socket_open(struct full_socket *self, const char *address, uint16_t port);
void full_socket_close(struct full_socket *self);

/* Returns a free port of 127.0.0.1. */
uint16_t free_port(void);

#endif
