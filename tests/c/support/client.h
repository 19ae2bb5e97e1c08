/* SPDX-License-Identifier: MIT */
/* A client: the owner of a stream, which records its events, and the loop that it runs on. */
#ifndef CACHETTE_TESTS_CLIENT_H
#define CACHETTE_TESTS_CLIENT_H

#include <uv.h>

#include "net/stream.h"
#include "peer.h"
#include "resolver.h"

enum stage { AT_OPENED, AT_BUFFER, AT_RECEIVED, AT_PAUSED, AT_CLOSED, STAGES };

typedef struct client client;
struct client {
  cachette__target target;
  cachette__stream *stream; /* NULL once it has closed */
  int event_counts[STAGES]; /* how often each event came */
  size_t received;          /* bytes so far */
  size_t to_send, appended; /* bytes of the pattern to append to the output, and appended so far */
  size_t to_receive;        /* what client_run() waits for */
  size_t buffer_size;       /* bytes of the next buffer; 0: pseudo-random */
  bool was_open, in_call;
  bool no_buffer;       /* fails the next `buffer` event, as if out of memory */
  uint64_t sent;        /* bytes, set when the stream closed */
  bool out_of_memory;   /* it closed the stream because the output could not grow */
  cachette_error error; /* from the event `closed` */
  void (*then)(client *self, enum stage stage); /* called inside each event, or NULL */
  void *data;
  char buffer[65536], text[256]; /* `text`: the first bytes received */
};

extern const cachette__stream_events client_events;

/* Initialises a client without opening a stream. The target is `path` if `host` is NULL. */
void client_init(client *self, const char *host, uint16_t port, const char *path);

/* Opens the stream. Checks that no event comes during the call. Returns the code of the call. */
int client_open(client *self);

/* Appends up to `max` more bytes of the pattern to the output and flushes. */
void client_send(client *self, size_t max);

/* Runs the loop until `to_receive` bytes have come or the stream has closed. */
void client_run(client *self);

/* Runs the loop until the stream has closed. */
void client_run_to_end(client *self);

/* Opens the stream and runs the loop until it is open. */
void client_connect(client *self);

/* Opens the stream and runs the loop until it has closed. */
void client_open_and_run_to_end(client *self);

void client_close(client *self);

/* For run_in_child(): closes the stream and checks that its descriptor is closed. */
void client_close_in_child(void *self);

/* ---- The loop ---- */

extern uv_loop_t loop;

/*
 * Set-up and tear-down of a test: creates the loop; checks that no libuv handle and no descriptor
 * is left open.
 */
int loop_set_up(void **state);
int loop_tear_down(void **state);

/*
 * Set-up of a program: makes libuv and the resolver open the descriptors that they keep for the
 * whole process.
 */
int loop_warm_up(void **state);

/* Runs the loop until it has no active handles, and closes it. */
void loop_finish(void);

/* Returns the descriptor that is connected to this port, or -1. */
int descriptor_to(uint16_t port);

#endif
