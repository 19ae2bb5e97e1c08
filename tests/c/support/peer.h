/* SPDX-License-Identifier: MIT */
/* Servers of a test's own on real sockets, each in a thread. */
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

/* A server's thread must not use cmocka's assertions, which jump to the test's own stack. */
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
  void (*serve)(peer *self, int fd); /* runs in the thread; then the descriptor is closed */
  void *data;
  size_t slice; /* the most bytes that it reads or writes at once */
  int served;   /* connections that were closed; read it after peer_stop() */
  sem_t done;   /* posted after each connection */
  sem_t go;     /* for a `serve` to wait until the test says so */
  int wake[2];
  pthread_t thread;
};

/* Starts one on a free port of 127.0.0.1, or on a Unix socket. */
void peer_start(peer *self, void (*serve)(peer *self, int fd));
void peer_start_unix(peer *self, void (*serve)(peer *self, int fd));

/* Waits for the end of the connection that it serves, and stops the server. */
void peer_stop(peer *self);

/* Waits for the end of another connection. */
void peer_wait(peer *self);

/* Sends back what comes, in random slices. */
void serve_echo(peer *self, int fd);

/* Reads until the other end closes. */
void serve_silence(peer *self, int fd);

/* Sends "some words", and then reads as above. */
void serve_words(peer *self, int fd);

/* Sends 8192 bytes of the pattern, posts `done`, and then reads as above. */
void serve_flood(peer *self, int fd);

/* The byte at an index of what is sent in both directions. */
char pattern_at(size_t index);

/* Writes all of the bytes. False if the other end has closed. */
bool peer_write(int fd, const void *data, size_t size);

/*
 * Returns a socket that listens on an address of 127.0.0.0/8 and a port, or a free one if that is
 * 0.
 */
int listen_on(const char *address, uint16_t port, int backlog);
int listen_unix(const char *path, int backlog);
uint16_t port_of(int fd);

/*
 * A listening socket whose queue is full, so that connecting to it neither succeeds nor fails. The
 * connections that fill it are in `filler`.
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
