/* SPDX-License-Identifier: MIT */
/* An owner of a stream that records its events, and the loop that it runs on. */
#ifndef CACHETTE_TESTS_CLIENT_H
#define CACHETTE_TESTS_CLIENT_H

#include <uv.h>

#include "net/stream.h"
#include "peer.h"
#include "resolver.h"

enum stage { AT_OPENED, AT_ROOM, AT_RECEIVED, AT_PAUSED, AT_CLOSED, STAGES };

typedef struct client client;
struct client {
  cachette__target target;
  cachette__stream *stream; /* NULL once it has closed */
  int told[STAGES];         /* how often each event came */
  size_t received;          /* bytes */
  size_t to_send, appended; /* bytes of the pattern to append to the output, and appended so far */
  size_t to_receive;        /* what client_run() waits for */
  size_t room_size;         /* 0: a size at random */
  bool was_open, in_call;
  bool no_room;         /* whether it has no room for more bytes */
  uint64_t sent;        /* bytes sent, when the stream closed */
  bool starved;         /* it was closed for lack of memory for the output */
  cachette_error error; /* of the event `closed` */
  void (*then)(client *self, enum stage stage); /* runs inside each event, or NULL */
  void *data;
  char room[65536], text[256]; /* `text`: the first bytes that came */
};

extern const cachette__stream_events client_events;

/* Fills the target, and opens nothing yet. `host` NULL: `path`. */
void client_init(client *self, const char *host, uint16_t port, const char *path);

/* Opens. Checks that no event comes before it returns. Returns the code of the stream. */
int client_open(client *self);

/* Appends more bytes of the pattern, at most `most`, and flushes. */
void client_send(client *self, size_t most);

/* Runs the loop until `to_receive` has come, or the stream has closed. */
void client_run(client *self);

/* Runs the loop until the stream has closed. */
void client_run_to_end(client *self);

/* Opens, and runs the loop until the stream is open; or until it has closed. */
void client_connect(client *self);
void client_open_and_run_to_end(client *self);

void client_close(client *self);

/* Closes it in a forked child, whose descriptor must be gone then; for run_in_child(). */
void client_close_in_child(void *self);

/* ---- The loop ---- */

extern uv_loop_t loop;

/*
 * Set-up and tear-down of a test: makes a loop; checks that nothing is left on it and that no
 * descriptor is left open.
 */
int loop_set_up(void **state);
int loop_tear_down(void **state);

/* Set-up of a program: opens what libuv and the resolver keep for the whole process. */
int loop_warm_up(void **state);

/* Runs the loop until nothing is left, and closes it. */
void loop_finish(void);

/* The descriptor of this process that is connected to a port of 127.0.0.1. */
int descriptor_to(uint16_t port);

#endif
