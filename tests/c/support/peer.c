/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

char pattern_at(size_t index) { return (char)(index * 31 + index / 251); }

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 8;
}

int listen_on(const char *address, uint16_t port, int backlog) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  must(fd >= 0 && inet_pton(AF_INET, address, &name.sin_addr) == 1);
  must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
  must(bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  must(listen(fd, backlog) == 0);
  return fd;
}

uint16_t port_of(int fd) {
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  must(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
  return ntohs(name.sin_port);
}

uint16_t free_port(void) {
  int fd = listen_on("127.0.0.1", 0, 1);
  uint16_t port = port_of(fd);
  close(fd);
  return port;
}

static void *run_peer(void *data) {
  peer *self = data;
  sigset_t signals; /* blocked here, so that a SIGPIPE can only come from the client */
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  must(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
  for (;;) {
    struct pollfd fds[] = {{self->listener, POLLIN, 0}, {self->wake[0], POLLIN, 0}};
    must(poll(fds, 2, -1) > 0 || errno == EINTR);
    if (fds[0].revents != 0) {
      int fd = accept(self->listener, NULL, NULL);
      must(fd >= 0);
      self->serve(self, fd);
      close(fd);
      self->served++;
      sem_post(&self->done);
    } else if (fds[1].revents != 0) {
      return NULL;
    }
  }
}

static void start(peer *self, void (*serve)(peer *self, int fd)) {
  self->serve = serve;
  self->slice = 70000;
  must(sem_init(&self->done, 0, 0) == 0 && sem_init(&self->go, 0, 0) == 0);
  must(pipe(self->wake) == 0);
  must(pthread_create(&self->thread, NULL, run_peer, self) == 0);
}

void peer_start(peer *self, void (*serve)(peer *self, int fd)) {
  *self = (peer){.listener = listen_on("127.0.0.1", 0, 16)};
  self->port = port_of(self->listener);
  start(self, serve);
}

int listen_unix(const char *path, int backlog) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  must(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0);
  must(listen(fd, backlog) == 0);
  return fd;
}

void peer_start_unix(peer *self, void (*serve)(peer *self, int fd)) {
  *self = (peer){.port = 0};
  snprintf(self->path, sizeof self->path, "/tmp/cachette-peer-%d.sock", (int)getpid());
  unlink(self->path);
  self->listener = listen_unix(self->path, 16);
  start(self, serve);
}

void peer_stop(peer *self) {
  must(write(self->wake[1], "", 1) == 1);
  must(pthread_join(self->thread, NULL) == 0);
  close(self->wake[0]);
  close(self->wake[1]);
  close(self->listener);
  if (self->path[0] != '\0') unlink(self->path);
  sem_destroy(&self->done);
  sem_destroy(&self->go);
}

void peer_wait(peer *self) {
  while (sem_wait(&self->done) != 0) must(errno == EINTR);
}

bool peer_write(int fd, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    at += count;
    size -= (size_t)count;
  }
  return true;
}

void serve_echo(peer *self, int fd) {
  char *data = malloc(self->slice);
  must(data != NULL);
  uint32_t random = 7;
  for (;;) {
    ssize_t count = recv(fd, data, next_random(&random) % self->slice + 1, 0);
    if (count <= 0) break;
    for (ssize_t sent = 0; sent < count;) {
      size_t size = next_random(&random) % (size_t)(count - sent) + 1;
      if (!peer_write(fd, data + sent, size)) goto end;
      sent += (ssize_t)size;
    }
  }
end:
  free(data);
}

void serve_silence(peer *self, int fd) {
  (void)self;
  char data[4096];
  while (recv(fd, data, sizeof data, 0) > 0) continue;
}

void serve_words(peer *self, int fd) {
  if (peer_write(fd, "some words", 10)) serve_silence(self, fd);
}

void serve_flood(peer *self, int fd) {
  char data[8192];
  for (size_t i = 0; i < sizeof data; i++) data[i] = pattern_at(i);
  peer_write(fd, data, sizeof data);
  sem_post(&self->done);
  serve_silence(self, fd);
}

void full_socket_open(struct full_socket *self, const char *address, uint16_t port) {
  self->listener = listen_on(address, port, 0);
  struct sockaddr_in name;
  socklen_t size = sizeof name;
  must(getsockname(self->listener, (struct sockaddr *)&name, &size) == 0);
  for (size_t i = 0; i < LENGTH(self->filler); i++) {
    int fd = self->filler[i] = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    must(connect(fd, (struct sockaddr *)&name, size) == 0 || errno == EINPROGRESS);
  }
}

void full_socket_close(struct full_socket *self) {
  for (size_t i = 0; i < LENGTH(self->filler); i++) close(self->filler[i]);
  close(self->listener);
}
