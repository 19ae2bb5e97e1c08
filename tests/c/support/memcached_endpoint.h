/* SPDX-License-Identifier: MIT */
/* A scripted configuration endpoint of a memcached cluster, in both protocols. */
#ifndef CACHETTE_TESTS_MEMCACHED_ENDPOINT_H
#define CACHETTE_TESTS_MEMCACHED_ENDPOINT_H

#include <stdatomic.h>

#include "peer.h"

struct endpoint {
  peer peer;
  char host[64]; /* 127.0.0.1:port */
  pthread_mutex_t mutex;
  char value[2048]; /* the version and the servers */
  char raw[2048];   /* sent instead, in the text protocol; "": nothing else */
  bool hangs_up;    /* it closes the connection after `raw` */
  bool is_silent;   /* it does not answer the command */
  atomic_int asked; /* how often it was asked */
  atomic_int open;  /* connections, each in a thread */
};

/* Starts an endpoint that announces no servers yet. */
void endpoint_start(struct endpoint *endpoint);

/* Waits until the connections are closed, and stops the endpoint. */
void endpoint_stop(struct endpoint *endpoint);

/* Announces these servers, which are host:port of numeric addresses, NULL-terminated. */
void endpoint_announce(struct endpoint *endpoint, unsigned version, ...);

/* Sends these bytes from now on, and then hangs up if `hangs_up`. */
void endpoint_send(struct endpoint *endpoint, const char *raw, bool hangs_up);

/* Does not answer from now on. */
void endpoint_be_silent(struct endpoint *endpoint);

#endif
