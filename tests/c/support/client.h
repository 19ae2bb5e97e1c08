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
  size_t to_send,
      appended;      /* bytes of the pattern that are to go, and have gone, into the output */
  size_t to_receive; /* what client_run() waits for */
  size_t room_size;  /* 0: a size at random */
  bool was_open, in_call;
  bool no_room;         /* for what comes next there is none */
  uint64_t sent;        /* as the stream said when it closed */
  bool starved;         /* there was no memory for the output, so it was closed */
  cachette_error error; /* that `closed` told */
  void (*then)(client *self, enum stage stage); /* runs inside each event, or NULL */
  void *data;
  char room[65536], text[256]; /* `text`: the first bytes that came */
};

extern const cachette__stream_events client_events;

/* Fills the target, and opens nothing yet. `host` NULL: `path`. */
void client_init(client *self, const char *host, uint16_t port, const char *path);

/* Opens; holds that no event comes from inside. Returns what the stream says. */
int client_open(client *self);

/* Appends what is left to send, up to some bytes, and flushes. */
void client_send(client *self, size_t most);

/* Runs the loop until `to_receive` has come, or the stream has closed. */
void client_run(client *self);

/* Runs the loop until the stream has closed. */
void client_run_to_end(client *self);

/* Opens, and runs the loop until the stream is open, or until it has closed. */
void client_connect(client *self);
void client_open_and_run_to_end(client *self);

void client_close(client *self);

/* Closes it in a forked child, whose descriptor must be gone then; for run_in_child(). */
void client_close_in_child(void *self);

/* ---- The loop ---- */

extern uv_loop_t loop;

/* Set-up and tear-down of a test: a fresh loop; and nothing left on it, nor any descriptor open. */
int loop_set_up(void **state);
int loop_tear_down(void **state);

/* Set-up of all of them: opens what libuv and the resolver keep for the whole process. */
int loop_warm_up(void **state);

/* Runs what is left on the loop, and closes it; holds that nothing keeps it alive. */
void loop_finish(void);

/* The descriptor of this process that is connected to a port of 127.0.0.1. */
int descriptor_to(uint16_t port);

#endif
