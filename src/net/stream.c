/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../base/error.h"
#include "../base/fork.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* such a system has SO_NOSIGPIPE on the socket */
#endif

enum {
  MAX_READS = 16,        /* in a row, so that one peer cannot block the loop */
  MIN_SHARE_MS = 100,    /* for an address */
  RETRY_MS = 10,         /* until the next attempt when the queue of a Unix socket is full */
  KEEPALIVE_IDLE_S = 60, /* of silence before keep-alive probes the peer */
  KEEPALIVE_INTERVAL_S = 10,
  KEEPALIVE_PROBES = 3
};

/* A descriptor and its watcher. libuv frees the watcher one turn of the loop after the close. */
typedef struct watched_socket {
  cachette__stream *stream;
  uv_poll_t poll;
  int fd;
  int mask;
} watched_socket;

struct cachette__stream {
  uv_loop_t *loop;
  const cachette__target *target;
  const cachette__stream_events *events;
  void *owner;
  enum { RESOLVING, CONNECTING, HANDSHAKING, OPEN, FAILED, CLOSED } state;
  unsigned generation;      /* of forks: in a child, socket and loop belong to the parent */
  uv_timer_t timer;         /* limits the current step of opening */
  uv_idle_t wakeup;         /* wakes the loop, see wake_loop() */
  uv_getaddrinfo_t resolve; /* in use while `resolving` */
  bool resolving;
  int references; /* open handles, and the resolver: the last one frees the struct */
  struct addrinfo *addresses, *next;
  uint64_t deadline; /* of opening, by the loop's clock */
  bool retrying;     /* the timer is for another attempt */
  char reason[64];   /* why connecting failed: the most specific error so far */
  watched_socket *socket;
  cachette__tls_session *session;
  bool write_wants_read, read_wants_write; /* TLS only */
  bool may_have_input; /* there may be input, though the descriptor does not become readable */
  bool broken; /* sending failed because of `failure`, but there may be input to receive first */
  cachette__buffer output;
  uint64_t sent;
  bool was_open;
  cachette_error failure; /* reported in the next turn of the loop */
};

void cachette__target_text(const cachette__target *target, char *text, size_t size) {
  if (target->host == NULL)
    snprintf(text, size, "%s", target->path);
  else
    snprintf(text, size, strchr(target->host, ':') != NULL ? "[%.100s]:%u" : "%.100s:%u",
             target->host, target->port);
}

/* ---- The end ---- */

/* Whether this process opened it: in a forked child, a callback of the parent's loop may return. */
static bool is_own(const cachette__stream *self) {
  return self->generation == cachette__fork_generation;
}

static bool is_open(const cachette__stream *self) { return self->state == OPEN && is_own(self); }

static void release(cachette__stream *self) {
  if (--self->references > 0) return;
  cachette__buffer_deinit(&self->output);
  cachette__free(self);
}

static void on_handle_closed(uv_handle_t *handle) { release(handle->data); }

static void on_socket_closed(uv_handle_t *handle) { cachette__free(handle->data); }

static void close_socket(cachette__stream *self, bool silently) {
  cachette__tls_close(self->session, silently);
  self->session = NULL;
  if (self->socket == NULL) return;
  uv_close((uv_handle_t *)&self->socket->poll, on_socket_closed);
  close(self->socket->fd);
  self->socket = NULL;
}

void cachette__stream_close(cachette__stream *self, bool forked) {
  if (self->state == CLOSED) return;
  if (forked) {
    cachette__tls_close(self->session, true);
    if (self->socket != NULL) close(self->socket->fd);
    cachette__free(self->socket);
    if (self->addresses != NULL) uv_freeaddrinfo(self->addresses);
    cachette__buffer_deinit(&self->output);
    cachette__free(self);
    return;
  }
  if (!is_own(self)) { /* in a forked child, inside a callback of the parent's loop */
    if (self->socket != NULL) close(self->socket->fd);
    self->state = CLOSED;
    return;
  }
  close_socket(self, self->state != OPEN || cachette__buffer_size(&self->output) > 0);
  self->state = CLOSED;
  if (self->resolving) uv_cancel((uv_req_t *)&self->resolve); /* its callback runs even so */
  if (self->addresses != NULL) uv_freeaddrinfo(self->addresses);
  self->addresses = NULL;
  uv_close((uv_handle_t *)&self->timer, on_handle_closed);
  uv_close((uv_handle_t *)&self->wakeup, on_handle_closed);
}

/* Reports the failure to the owner, from inside the loop. */
static void report_failure(cachette__stream *self) {
  const cachette__stream_events *events = self->events;
  void *owner = self->owner;
  cachette_error failure = self->failure;
  events->closed(owner, self->was_open, &failure);
  cachette__stream_close(self, false);
}

static void receive(cachette__stream *self);

static void on_wakeup(uv_idle_t *wakeup) {
  cachette__stream *self = wakeup->data;
  if (!is_own(self)) return;
  uv_idle_stop(wakeup);
  if (self->state == FAILED) {
    report_failure(self);
  } else if (self->state == OPEN && self->may_have_input) {
    self->may_have_input = false;
    receive(self);
  }
}

/* Keeps the loop from blocking in its next turn: to report a failure or apply a changed watcher. */
static void wake_loop(cachette__stream *self) { uv_idle_start(&self->wakeup, on_wakeup); }

/* Sets the error for the owner. `format` is one of the constants in this file. */
static void set_failure(cachette__stream *self, const char *format, const char *reason) {
  char name[128], message[256];
  cachette__target_text(self->target, name, sizeof name);
  snprintf(message, sizeof message, format, name, reason);
  cachette__fail(&self->failure, CACHETTE_EUNAVAILABLE, NULL, "%s", message);
}

/* Closes the socket; the owner is notified in the next turn of the loop. */
static void fail(cachette__stream *self) {
  uv_timer_stop(&self->timer);
  close_socket(self, true);
  self->state = FAILED;
  wake_loop(self);
}

static void fail_to_open(cachette__stream *self, const char *reason) {
  set_failure(self, "Cannot connect to %s: %s.", reason);
  fail(self);
}

/* The TLS handshake failed. `is_plain`: it is certain that the server does not speak TLS. */
static void fail_handshake(cachette__stream *self, const char *reason, bool is_plain) {
  const char *advice = self->target->plain_advice;
  fail_to_open(self, reason);
  size_t size = strlen(self->failure.message);
  if (advice == NULL) return;
  snprintf(self->failure.message + size, sizeof self->failure.message - size, " %s%s",
           is_plain ? "For a server without TLS, " : "If it does not speak TLS, ", advice);
}

/* `reason` NULL: the server closed the connection. */
static void set_broken(cachette__stream *self, const char *reason) {
  /* The first reason is the cause of the later ones. But under TLS the peer may send its own
   * reason. */
  if (self->broken && (self->session == NULL || reason == NULL)) return;
  self->broken = true;
  if (reason != NULL)
    set_failure(self, "The connection to %s broke: %s.", reason);
  else
    set_failure(self, "The connection to %s was closed by the server.", "");
}

/* ---- Watching ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(cachette__stream *self, int mask) {
  if (self->socket->mask == mask) return;
  self->socket->mask = mask;
  uv_poll_start(&self->socket->poll, mask, on_poll);
  wake_loop(self);
}

static void watch_open(cachette__stream *self) {
  bool sending = cachette__buffer_size(&self->output) > 0 && !self->write_wants_read;
  watch(self, UV_READABLE | (sending || self->read_wants_write ? UV_WRITABLE : 0));
}

/* ---- Sending ---- */

static const char *system_reason(int code) { return uv_strerror(uv_translate_sys_error(code)); }

static ssize_t send_some(cachette__stream *self, const char *data, size_t size) {
  if (self->session != NULL) return cachette__tls_write(self->session, data, size);
  for (;;) {
    ssize_t count = send(self->socket->fd, data, size, MSG_NOSIGNAL);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? CACHETTE__IO_WRITE
                                                                       : CACHETTE__IO_FAILED;
  }
}

/* Why reading or writing failed; NULL: the server closed the connection. */
static const char *io_reason(const cachette__stream *self) {
  if (self->session != NULL) return cachette__tls_reason(self->session);
  return errno == EPIPE ? NULL : system_reason(errno);
}

/* Receives pending input before it fails: the server's last message may explain why it closed the
 * connection. */
static void break_sending(cachette__stream *self, const char *reason) {
  set_broken(self, reason);
  self->may_have_input = true;
  wake_loop(self);
}

void cachette__stream_flush(cachette__stream *self) {
  if (!is_open(self) || self->broken) return;
  cachette__buffer *output = &self->output;
  self->write_wants_read = false;
  while (cachette__buffer_size(output) > 0) {
    ssize_t count = send_some(self, output->data + output->begin, cachette__buffer_size(output));
    if (count == CACHETTE__IO_WRITE) break;
    if (count == CACHETTE__IO_READ) {
      self->write_wants_read = true;
      break;
    }
    if (count <= 0) {
      break_sending(self, count == 0 ? NULL : io_reason(self));
      return;
    }
    self->sent += (uint64_t)count;
    cachette__buffer_drop(output, (size_t)count);
  }
  watch_open(self);
}

/* ---- Receiving ---- */

static ssize_t receive_some(cachette__stream *self, char *data, size_t size) {
  if (self->session != NULL) return cachette__tls_read(self->session, data, size);
  for (;;) {
    ssize_t count = recv(self->socket->fd, data, size, 0);
    if (count >= 0) return count;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? CACHETTE__IO_READ : CACHETTE__IO_FAILED;
  }
}

/* Receives input, at most MAX_READS times. Returns the result of the last read, or 1. */
static ssize_t receive_batch(cachette__stream *self, bool *received) {
  for (int i = 0; i < MAX_READS; i++) {
    size_t size = 0;
    char *buffer = self->events->buffer(self->owner, &size);
    if (!is_open(self)) return 1;
    if (buffer == NULL) {
      set_broken(self, "out of memory");
      return CACHETTE__IO_FAILED;
    }
    ssize_t count = receive_some(self, buffer, size);
    if (count <= 0) {
      if (count == CACHETTE__IO_END) set_broken(self, NULL);
      if (count == CACHETTE__IO_FAILED) set_broken(self, io_reason(self));
      return count;
    }
    *received = true;
    self->events->received(self->owner, (size_t)count);
    if (!is_open(self)) return 1;
    if (self->session == NULL && (size_t)count < size) return CACHETTE__IO_READ;
  }
  return 1;
}

static void receive(cachette__stream *self) {
  bool received = false;
  ssize_t last = receive_batch(self, &received);
  if (received && is_open(self)) self->events->paused(self->owner);
  if (!is_open(self)) return;
  self->read_wants_write = last == CACHETTE__IO_WRITE;
  /* Input that OpenSSL has buffered does not make the descriptor readable. */
  self->may_have_input = last > 0 && (self->session != NULL || self->broken);
  if (self->may_have_input)
    wake_loop(self);
  else if (self->broken)
    fail(self);
  else
    watch_open(self);
}

/* ---- Opening ---- */

static void on_timeout(uv_timer_t *timer);
static void connect_unix(cachette__stream *self);
static void connect_next(cachette__stream *self, const char *reason);

static uint64_t time_left(const cachette__stream *self) {
  uint64_t now = uv_now(self->loop);
  return self->deadline > now ? self->deadline - now : 0;
}

static void set_option(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof value); /* only tuning: errors are ignored */
}

static int open_socket(int family) {
  int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
    close(fd);
    return -1;
  }
#ifdef SO_NOSIGPIPE
  set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  if (family == AF_UNIX) return fd;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
#endif
  return fd;
}

static void become_open(cachette__stream *self) {
  uv_timer_stop(&self->timer);
  self->state = OPEN;
  self->was_open = true;
  watch_open(self);
  self->events->opened(self->owner);
}

static void continue_handshake(cachette__stream *self) {
  int step = cachette__tls_handshake(self->session);
  if (step == 1)
    become_open(self);
  else if (step == CACHETTE__IO_READ)
    watch(self, UV_READABLE);
  else if (step == CACHETTE__IO_WRITE)
    watch(self, UV_WRITABLE);
  else if (step == CACHETTE__IO_END)
    fail_handshake(self, "the server closed the connection during the TLS handshake", false);
  else if (cachette__tls_is_plain(self->session) || !cachette__tls_has_received(self->session))
    fail_handshake(self, cachette__tls_reason(self->session),
                   cachette__tls_is_plain(self->session));
  else
    fail_to_open(self, cachette__tls_reason(self->session));
}

static void on_connected(cachette__stream *self) {
  if (self->target->tls == NULL) {
    become_open(self);
    return;
  }
  const char *name = self->target->tls_name;
  if (name == NULL) name = self->target->host;
  self->session = cachette__tls_open(self->target->tls, self->socket->fd, name);
  if (self->session == NULL) {
    fail_to_open(self, "out of memory");
    return;
  }
  self->state = HANDSHAKING;
  uv_timer_start(&self->timer, on_timeout, time_left(self), 0);
  continue_handshake(self);
}

/* The pending error of the socket, or 0. Reading it clears it. */
static int socket_error(const cachette__stream *self) {
  int code = 0;
  socklen_t size = sizeof code;
  if (getsockopt(self->socket->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0) code = errno;
  return code;
}

/* The descriptor is writable, so connect() is complete. */
static void finish_connect(cachette__stream *self) {
  int code = socket_error(self);
  if (code != 0)
    connect_next(self, system_reason(code));
  else
    on_connected(self);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  watched_socket *socket = poll->data;
  cachette__stream *self = socket->stream;
  if (!is_own(self)) return;
  if (status < 0) socket->mask = 0; /* libuv stopped it; every error is EBADF */
  if (self->state == CONNECTING) {
    finish_connect(self);
  } else if (self->state == HANDSHAKING) {
    continue_handshake(self);
  } else if (status < 0) {
    receive(self); /* receives pending input, then the real error */
  } else {
    if (events & UV_WRITABLE || self->write_wants_read) cachette__stream_flush(self);
    if (is_open(self)) receive(self);
  }
}

/* The queue of a Unix socket is full. The system does not report when it has space again. */
static void retry_later(cachette__stream *self) {
  uint64_t left = time_left(self);
  self->retrying = left > RETRY_MS;
  uv_timer_start(&self->timer, on_timeout, self->retrying ? RETRY_MS : left, 0);
}

/* Starts to connect to an address. Returns false if that fails at once, and sets `*reason`. */
static bool start_connect(cachette__stream *self, const struct sockaddr *address, socklen_t size,
                          const char **reason) {
  watched_socket *opened = cachette__calloc(1, sizeof *opened);
  *reason = "out of memory";
  if (opened == NULL) return false;
  opened->stream = self;
  opened->fd = open_socket(address->sa_family);
  if (opened->fd < 0 || uv_poll_init(self->loop, &opened->poll, opened->fd) < 0) {
    *reason = opened->fd < 0 ? system_reason(errno) : "the event loop cannot watch it";
    if (opened->fd >= 0) close(opened->fd);
    cachette__free(opened);
    return false;
  }
  opened->poll.data = opened;
  self->socket = opened;
  if (connect(opened->fd, address, size) == 0 || errno == EINPROGRESS || errno == EINTR) {
    watch(self, UV_WRITABLE);
    return true;
  }
  bool is_queue_full = errno == EAGAIN && address->sa_family == AF_UNIX; /* see retry_later() */
  *reason = system_reason(errno);
  close_socket(self, true);
  if (is_queue_full) retry_later(self);
  return is_queue_full;
}

/* Whether the error says more than that this machine has no route to such an address. */
static bool is_specific(const char *reason) {
  static const int silent[] = {ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT};
  for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
    if (strcmp(reason, system_reason(silent[i])) == 0) return false;
  return true;
}

static void add_reason(cachette__stream *self, const char *reason) {
  if (self->reason[0] == '\0' || (!is_specific(self->reason) && is_specific(reason)))
    snprintf(self->reason, sizeof self->reason, "%s", reason);
}

/* Tries the next address, which gets an even share of the time that is left. So an address that
 * drops packets leaves time for the others. `reason`: why the last address failed, or NULL. */
static void connect_next(cachette__stream *self, const char *reason) {
  close_socket(self, true);
  self->state = CONNECTING;
  if (reason != NULL) add_reason(self, reason);
  while (self->next != NULL) {
    const struct addrinfo *address = self->next;
    uint64_t remaining = 0;
    for (const struct addrinfo *each = address; each != NULL; each = each->ai_next) remaining++;
    self->next = address->ai_next;
    uint64_t share = time_left(self) / remaining;
    if (remaining > 1 && share < MIN_SHARE_MS) share = MIN_SHARE_MS;
    if (start_connect(self, address->ai_addr, address->ai_addrlen, &reason)) {
      uv_timer_start(&self->timer, on_timeout, share, 0);
      return;
    }
    add_reason(self, reason);
  }
  fail_to_open(self, self->reason[0] != '\0' ? self->reason : "the host name has no address");
}

bool cachette__stream_waits_for_tls(const cachette__stream *self) {
  return self->state == HANDSHAKING && !cachette__tls_has_received(self->session);
}

static void on_timeout(uv_timer_t *timer) {
  cachette__stream *self = timer->data;
  if (!is_own(self)) return;
  if (self->retrying) {
    self->retrying = false;
    connect_unix(self);
    return;
  }
  char reason[64];
  snprintf(reason, sizeof reason, "%s within %g s",
           self->state == RESOLVING     ? "the host name was not resolved"
           : self->state == HANDSHAKING ? "the TLS handshake was not completed"
                                        : "no answer",
           (double)self->target->connect_timeout_ms / 1000);
  if (self->state == CONNECTING)
    connect_next(self, reason);
  else if (cachette__stream_waits_for_tls(self))
    fail_handshake(self, reason, false);
  else
    fail_to_open(self, reason);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses) {
  cachette__stream *self = request->data;
  self->resolving = false;
  if (self->state != RESOLVING || !is_own(self)) {
    if (addresses != NULL) uv_freeaddrinfo(addresses);
  } else if (status < 0) {
    fail_to_open(self, status == UV_EAI_NONAME || status == UV_EAI_NODATA
                           ? "the host name is unknown"
                           : uv_strerror(status));
  } else {
    self->addresses = self->next = addresses;
    connect_next(self, NULL);
  }
  release(self);
}

static int start_resolve(cachette__stream *self, cachette_error *error) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  char port[8];
  snprintf(port, sizeof port, "%u", self->target->port);
  self->resolve.data = self;
  int code =
      uv_getaddrinfo(self->loop, &self->resolve, on_resolved, self->target->host, port, &hints);
  if (code < 0)
    return cachette__fail(error, code == UV_ENOMEM ? CACHETTE_ENOMEM : CACHETTE_EUNAVAILABLE, NULL,
                          "The name \"%.100s\" cannot be looked up: %s.", self->target->host,
                          uv_strerror(code));
  self->resolving = true;
  self->references++;
  uv_timer_start(&self->timer, on_timeout, time_left(self), 0);
  return CACHETTE_OK;
}

/* Connects to a numeric address, without the resolver and its threads. Returns false if the host is
 * a name. */
static bool connect_numeric(cachette__stream *self) {
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  const struct sockaddr *address = (const struct sockaddr *)&v4;
  socklen_t size = sizeof v4;
  if (uv_ip4_addr(self->target->host, self->target->port, &v4) != 0) {
    if (uv_ip6_addr(self->target->host, self->target->port, &v6) != 0) return false;
    address = (const struct sockaddr *)&v6;
    size = sizeof v6;
  }
  const char *reason;
  self->state = CONNECTING;
  uv_timer_start(&self->timer, on_timeout, time_left(self), 0);
  if (!start_connect(self, address, size, &reason)) fail_to_open(self, reason);
  return true;
}

static void connect_unix(cachette__stream *self) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *reason = "the path is too long for a socket";
  self->state = CONNECTING;
  if (strlen(self->target->path) < sizeof address.sun_path) {
    memcpy(address.sun_path, self->target->path, strlen(self->target->path));
    uv_timer_start(&self->timer, on_timeout, time_left(self), 0);
    if (start_connect(self, (const struct sockaddr *)&address, sizeof address, &reason)) return;
  }
  fail_to_open(self, reason);
}

int cachette__stream_open(uv_loop_t *loop, const cachette__target *target,
                          const cachette__stream_events *events, void *owner,
                          cachette__stream **stream, cachette_error *error) {
  cachette__stream *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->loop = loop;
  self->target = target;
  self->events = events;
  self->owner = owner;
  self->generation = cachette__fork_generation;
  uv_timer_init(loop, &self->timer);
  uv_idle_init(loop, &self->wakeup);
  self->timer.data = self->wakeup.data = self;
  self->references = 2;
  uv_update_time(loop);
  self->deadline = uv_now(loop) + (uint64_t)target->connect_timeout_ms;
  int code = CACHETTE_OK;
  if (target->host == NULL)
    connect_unix(self);
  else if (!connect_numeric(self))
    code = start_resolve(self, error);
  if (code < 0)
    cachette__stream_close(self, false);
  else
    *stream = self;
  return code;
}

cachette__buffer *cachette__stream_output(cachette__stream *self) { return &self->output; }

uint64_t cachette__stream_sent(const cachette__stream *self) { return self->sent; }
