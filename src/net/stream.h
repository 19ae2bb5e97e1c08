/* SPDX-License-Identifier: MIT */
/*
 * A connection to a server as a byte stream: TCP or a Unix socket, with TLS if the target has it.
 *
 *     open:  resolve the name (off the loop) -> for each address: connect -> TLS handshake
 *
 * Each address gets an even share of the time that is left, so an address that drops packets leaves
 * time for the others. The first address that connects is final: if its TLS handshake fails, no
 * other address is tried.
 *
 * The owner provides buffers for input, and appends output to cachette__stream_output(). Events
 * come from inside uv_run() only, never from inside a call. A stream is used on the thread of its
 * loop, and only once: it frees itself after `closed` or cachette__stream_close().
 */
#ifndef CACHETTE_NET_STREAM_H
#define CACHETTE_NET_STREAM_H

#include <uv.h>

#include "../base/buffer.h"
#include "cachette.h"
#include "tls.h"

typedef struct cachette__stream cachette__stream;

/* A server's address. The strings and the TLS settings must outlive the stream. */
typedef struct cachette__target {
  const char *host; /* a name, or a numeric address without brackets; NULL: use `path` */
  uint16_t port;
  const char *path;           /* of a Unix socket */
  cachette__tls *tls;         /* NULL: no TLS */
  const char *tls_name;       /* the name or address that its certificate must have; NULL: `host` */
  const char *plain_advice;   /* what to do if the server does not speak TLS, or NULL */
  const char *tls_advice;     /* what to do if the server expects TLS and `tls` is NULL; or NULL */
  int64_t connect_timeout_ms; /* for all of opening: name resolution, every address, TLS */
} cachette__target;

/* Writes the server's name for messages: "127.0.0.1:6379", "[::1]:6379" or a socket's path. */
void cachette__target_text(const cachette__target *target, char *text, size_t size);

typedef struct cachette__stream_events {
  /* The stream is open: output can be sent. */
  void (*opened)(void *owner);

  /* Returns a buffer for the next bytes and sets `*size`, at least 1. NULL: out of memory, and the
   * stream fails. */
  char *(*buffer)(void *owner, size_t *size);

  /* `size` bytes were received into that buffer. In this and any other event the owner may append
   * output, flush, close, and open another stream. */
  void (*received)(void *owner, size_t size);

  /* No more input is pending: the batch of `received` events is over. */
  void (*paused)(void *owner);

  /*
   * The stream could not be opened (`was_open` is false), broke, or was closed by the peer. `error`
   * is a sentence that names the server; its code is EUNAVAILABLE. Everything the server sent
   * before has been received. The stream is freed on return; until then cachette__stream_sent() may
   * be called.
   */
  void (*closed)(void *owner, bool was_open, const cachette_error *error);
} cachette__stream_events;

/* Starts to open a stream; `owner` is passed to each event. Errors: ENOMEM, EUNAVAILABLE (the name
 * cannot be looked up). On an error there is no stream, and no event follows. */
int cachette__stream_open(uv_loop_t *loop, const cachette__target *target,
                          const cachette__stream_events *events, void *owner,
                          cachette__stream **stream, cachette_error *error);

/* The output buffer: append to its end, then flush. Empty until the stream is open. */
cachette__buffer *cachette__stream_output(cachette__stream *stream);

/* Sends as much output as the socket accepts, and the rest when the socket is writable. An error is
 * reported later, by `closed`. Does nothing before the stream is open. */
void cachette__stream_flush(cachette__stream *stream);

/* Whether the TLS handshake has started and the server has sent nothing. */
bool cachette__stream_waits_for_tls(const cachette__stream *stream);

/* Bytes of output sent since the stream was opened, without the overhead of TLS. */
uint64_t cachette__stream_sent(const cachette__stream *stream);

/*
 * Closes the stream, open or not; no event follows. Its memory is freed in a later turn of the
 * loop; while a name is being resolved, once the resolver is done.
 *
 * `forked`: this is a forked child, and loop and peer belong to the parent. Descriptors are closed
 * and memory is freed at once; nothing is sent, and the loop stays untouched. Do not use it from
 * inside an event: a child that was forked there returns into the parent's loop, where the stream
 * no longer does anything.
 */
void cachette__stream_close(cachette__stream *stream, bool forked);

#endif
