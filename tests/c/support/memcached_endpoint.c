/* SPDX-License-Identifier: MIT */
#include "memcached_endpoint.h"

#include <signal.h>
#include <unistd.h>

/* Sends the reply to `config get cluster`. Returns false if the connection is to be closed. */
static bool answer(struct endpoint *self, int fd, bool is_text) {
  char bytes[4096];
  self->asked++;
  pthread_mutex_lock(&self->mutex);
  size_t size = strlen(self->value);
  bool is_silent = self->is_silent, hangs_up = self->raw[0] != '\0' && self->hangs_up;
  if (is_text && self->raw[0] != '\0') {
    size = (size_t)snprintf(bytes, sizeof bytes, "%s", self->raw);
  } else if (is_text) {
    size = (size_t)snprintf(bytes, sizeof bytes, "CONFIG cluster 0 %zu\r\n%s\r\nEND\r\n", size,
                            self->value);
  } else {
    static const char head[28] = {(char)0x81, 0x60, 0, 0, 4};
    memcpy(bytes, head, sizeof head);
    bytes[10] = (char)((size + 4) >> 8);
    bytes[11] = (char)(size + 4);
    memcpy(bytes + sizeof head, self->value, size);
    size += sizeof head;
  }
  pthread_mutex_unlock(&self->mutex);
  if (is_silent) {
    serve_silence(&self->peer, fd);
    return false;
  }
  return peer_write(fd, bytes, size) && !hangs_up;
}

static bool read_all(int fd, char *bytes, size_t size) {
  return size == 0 || recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

/* The login and the end of the settings have an empty reply. */
static void serve_binary(struct endpoint *self, int fd) {
  char head[24], body[1024];
  while (read_all(fd, head, sizeof head)) {
    size_t size = (size_t)(unsigned char)head[10] << 8 | (unsigned char)head[11];
    must(size <= sizeof body);
    if (!read_all(fd, body, size)) return;
    if (head[1] == 0x60) {
      if (!answer(self, fd, false)) return;
      continue;
    }
    char reply[24] = {(char)0x81, head[1]};
    memcpy(reply + 12, head + 12, 4);
    if (!peer_write(fd, reply, sizeof reply)) return;
  }
}

static bool serve_line(struct endpoint *self, int fd, const char *line) {
  if (strncmp(line, "set ", 4) == 0) return true; /* the login: the next line is its value */
  if (strncmp(line, "version", 7) == 0) return peer_write(fd, "VERSION 1.6.21\r\n", 16);
  if (strncmp(line, "stats", 5) == 0) return peer_write(fd, "END\r\n", 5);
  if (strncmp(line, "config get cluster", 18) == 0) return answer(self, fd, true);
  return peer_write(fd, "STORED\r\n", 8);
}

static void serve_connection(struct endpoint *self, int fd) {
  char line[1024], first;
  size_t size = 0;
  if (recv(fd, &first, 1, MSG_PEEK) != 1) return;
  if ((unsigned char)first == 0x80) {
    serve_binary(self, fd);
    return;
  }
  while (size < sizeof line - 1 && recv(fd, &line[size], 1, 0) == 1) {
    if (line[size++] != '\n') continue;
    line[size] = '\0';
    size = 0;
    if (!serve_line(self, fd, line)) return;
  }
}

struct connection {
  struct endpoint *endpoint;
  int fd;
};

static void *run_connection(void *data) {
  const struct connection self = *(struct connection *)data;
  sigset_t signals; /* as in the thread of a peer */
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
  free(data);
  serve_connection(self.endpoint, self.fd);
  close(self.fd);
  self.endpoint->open--;
  return NULL;
}

/* The peer serves one connection after another, and a client may hold one while another asks. */
static void serve(peer *base, int fd) {
  struct connection *connection = malloc(sizeof *connection);
  pthread_t thread;
  must(connection != NULL);
  *connection = (struct connection){base->data, dup(fd)};
  must(connection->fd >= 0);
  connection->endpoint->open++;
  must(pthread_create(&thread, NULL, run_connection, connection) == 0);
  must(pthread_detach(thread) == 0);
}

void endpoint_start(struct endpoint *self) {
  *self = (struct endpoint){.is_silent = false};
  must(pthread_mutex_init(&self->mutex, NULL) == 0);
  peer_start(&self->peer, serve);
  self->peer.data = self;
  snprintf(self->host, sizeof self->host, "127.0.0.1:%u", self->peer.port);
}

void endpoint_stop(struct endpoint *self) {
  peer_stop(&self->peer);
  while (self->open > 0) usleep(1000);
  pthread_mutex_destroy(&self->mutex);
}

static void set(struct endpoint *self, const char *value, const char *raw, bool hangs_up,
                bool is_silent) {
  pthread_mutex_lock(&self->mutex);
  snprintf(self->value, sizeof self->value, "%s", value);
  snprintf(self->raw, sizeof self->raw, "%s", raw);
  self->hangs_up = hangs_up;
  self->is_silent = is_silent;
  pthread_mutex_unlock(&self->mutex);
}

void endpoint_announce(struct endpoint *self, unsigned version, ...) {
  char value[2048];
  size_t used = (size_t)snprintf(value, sizeof value, "%u\n", version);
  va_list rest;
  va_start(rest, version);
  for (const char *host; (host = va_arg(rest, const char *)) != NULL;) {
    const char *colon = strrchr(host, ':');
    used += (size_t)snprintf(value + used, sizeof value - used, "%.*s||%s ", (int)(colon - host),
                             host, colon + 1);
  }
  va_end(rest);
  snprintf(value + used, sizeof value - used, "\n");
  set(self, value, "", false, false);
}

void endpoint_send(struct endpoint *self, const char *raw, bool hangs_up) {
  set(self, "", raw, hangs_up, false);
}

void endpoint_be_silent(struct endpoint *self) { set(self, "", "", false, true); }
