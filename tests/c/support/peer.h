/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a connection under test: servers on real sockets, each in a thread of its own,
 * and an owner of a stream that records what it is told.
 */
#ifndef CACHETTE_TESTS_PEER_H
#define CACHETTE_TESTS_PEER_H

#include <semaphore.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "net/stream.h"
#include "support.h"

/* ---- The server ---- */

typedef struct peer peer;
struct peer {
  int listener;
  uint16_t port;                     /* of 127.0.0.1, or 0 */
  char path[64];                     /* of a Unix socket, or "" */
  void (*serve)(peer *self, int fd); /* runs in the thread; the descriptor is closed behind it */
  void *data;
  size_t slice; /* bytes that it reads and writes at once, at most */
  int served;   /* connections that have ended; read it after peer_stop() */
  sem_t done;   /* posted whenever one has ended */
  sem_t go;     /* for a `serve` to wait until the test says so */
  int wake[2];
  pthread_t thread;
};

/* Starts one on a free port of 127.0.0.1, or on a Unix socket. */
void peer_start(peer *self, void (*serve)(peer *self, int fd));
void peer_start_unix(peer *self, void (*serve)(peer *self, int fd));

/* Waits until the connection it serves has ended, and ends it. */
void peer_stop(peer *self);

/* Waits until the server has ended another connection. */
void peer_wait(peer *self);

/* Sends back what comes, in random slices. */
void serve_echo(peer *self, int fd);

/* Reads until the other end is over. */
void serve_silence(peer *self, int fd);

/* Writes all of it. False: the other end is gone. */
bool peer_write(int fd, const void *data, size_t size);

/* A socket that listens on a port of an address of 127.0.0.0/8, 0 for a free one. */
int listen_on(const char *address, uint16_t port, int backlog);
int listen_unix(const char *path, int backlog);
uint16_t port_of(int fd);

/*
 * A socket that listens and whose queue is full, so that connecting to it neither succeeds nor
 * fails. Its own connections are in `filler`.
 */
struct full_socket {
  int listener;
  int filler[8];
};
void full_socket_open(struct full_socket *self, const char *address, uint16_t port);
void full_socket_close(struct full_socket *self);

/* A port of 127.0.0.1 on which nothing listens. */
uint16_t free_port(void);

/* ---- Names ---- */

/*
 * What names stand for in these tests, in the place of the machine's resolver; addresses are parted
 * by spaces. A name that is not among them goes to the machine's. `held`: the answer
 * waits until a post.
 */
void resolver_set(const char *name, const char *addresses);
void resolver_hold(bool held);
void resolver_release(void);

/* ---- The owner of a stream ---- */

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

void client_close(client *self);

/* Byte `place` of what is sent in both directions. */
char pattern_at(size_t place);

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
