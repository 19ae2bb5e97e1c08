/* SPDX-License-Identifier: MIT */
/*
 * A connection to a server, as bytes: TCP or a Unix socket, TLS upon it if asked for.
 *
 *     open:  resolve the name (off the loop) -> each address in turn: connect -> TLS handshake
 *
 * Each address gets an even share of the time that is left, so that one that swallows packets
 * leaves some for the next. The first that connects is the one: a TLS handshake that fails there is
 * final.
 *
 * The owner gives room for what arrives and appends what is to be sent to the output buffer. It is
 * told of what happens by events, which come from inside uv_run() only, never from inside a
 * call. A stream is used once: after `closed`, or after cachette__stream_close(), it frees itself.
 */
#ifndef CACHETTE_NET_STREAM_H
#define CACHETTE_NET_STREAM_H

#include <uv.h>

#include "../base/buffer.h"
#include "cachette.h"
#include "tls.h"

typedef struct cachette__stream cachette__stream;

/* Where to. The texts and the TLS settings stay in place until the stream has closed. */
typedef struct cachette__target {
  const char *host; /* a name or a numeric address without brackets; NULL: `path` */
  uint16_t port;
  const char *path;           /* of a Unix socket */
  cachette__tls *tls;         /* NULL: plain */
  const char *plain_advice;   /* what to do if the server does not speak TLS, or NULL */
  const char *tls_advice;     /* what to do if it does, and `tls` is NULL; or NULL */
  int64_t connect_timeout_ms; /* for all of opening: resolving, every address, TLS */
} cachette__target;

/* The server's name in messages, such as "127.0.0.1:6379", "[::1]:6379" or a socket's path. */
void cachette__target_text(const cachette__target *target, char *text, size_t size);

typedef struct cachette__stream_events {
  /* Bytes can be sent. */
  void (*opened)(void *owner);

  /* Where the next bytes shall go; `size` comes back as at least 1. NULL: there is no memory, and
   * the stream breaks. */
  char *(*buffer)(void *owner, size_t *size);

  /* `size` bytes were placed in that room. In this and any other event the owner may append output,
   * flush, close, and open another stream. */
  void (*received)(void *owner, size_t size);

  /* Nothing more is at hand: the batch of `received` since the last one is over. */
  void (*paused)(void *owner);

  /*
   * It could not be opened (`was_open` is false), broke, or was ended by the peer. `error` says
   * why, in a whole sentence that names the server; its code is EUNAVAILABLE. What the server had
   * said before was received first. The stream is gone when this returns; until then
   * cachette__stream_sent() may be asked.
   */
  void (*closed)(void *owner, bool was_open, const cachette_error *error);
} cachette__stream_events;

/*
 * Begins to open. Errors: ENOMEM, EUNAVAILABLE (such a name cannot be looked up); then there is no
 * stream and no event.
 */
int cachette__stream_open(uv_loop_t *loop, const cachette__target *target,
                          const cachette__stream_events *events, void *owner,
                          cachette__stream **stream, cachette_error *error);

/* What is to be sent: append to its end. It is sent by a flush only. Empty until it was opened. */
cachette__buffer *cachette__stream_output(cachette__stream *stream);

/*
 * Sends what the socket takes now, and sees to the rest when it takes more. What breaks
 * here comes as `closed`, later. Before it was opened: does nothing.
 */
void cachette__stream_flush(cachette__stream *stream);

/* Whether it has begun a TLS handshake and nothing has come from the server. */
bool cachette__stream_waits_for_tls(const cachette__stream *stream);

/* Bytes sent since it was opened, as the owner appended them. */
uint64_t cachette__stream_sent(const cachette__stream *stream);

/*
 * Ends it, open or not: no event follows. Its memory goes in a later turn of the loop, which, while
 * a name is being looked up, lasts until the resolver has answered. `forked`: the loop and the
 * peer are the parent's; descriptors are closed and memory is freed at once, with nothing sent and
 * the loop untouched. Not from inside an event then: a child that was forked in one returns into
 * the parent's loop, where the stream does nothing any more.
 */
void cachette__stream_close(cachette__stream *stream, bool forked);

#endif
