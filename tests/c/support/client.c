/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <fcntl.h>
#include <netinet/in.h>

uv_loop_t loop;

/* Counts an event. Checks that it comes from the loop and that the stream still exists. */
static void record(client *self, enum stage stage) {
  assert_false(self->in_call);
  assert_non_null(self->stream);
  self->event_counts[stage]++;
}

static void call_then(client *self, enum stage stage) {
  if (self->then != NULL && self->stream != NULL) self->then(self, stage);
}

static void on_opened(void *owner) {
  client *self = owner;
  record(self, AT_OPENED);
  assert_int_equal(cachette__buffer_size(cachette__stream_output(self->stream)), 0);
  client_send(self, SIZE_MAX);
  call_then(self, AT_OPENED);
}

static char *on_buffer(void *owner, size_t *size) {
  client *self = owner;
  record(self, AT_BUFFER);
  *size =
      self->buffer_size > 0 ? self->buffer_size : self->received * 7919 % sizeof self->buffer + 1;
  call_then(self, AT_BUFFER);
  return self->no_buffer ? NULL : self->buffer;
}

static void on_received(void *owner, size_t size) {
  client *self = owner;
  record(self, AT_RECEIVED);
  assert_true(size > 0 && size <= sizeof self->buffer);
  for (size_t i = 0; i < size; i++, self->received++) {
    if (self->received < sizeof self->text - 1) self->text[self->received] = self->buffer[i];
    if (self->to_send > 0) assert_int_equal(self->buffer[i], pattern_at(self->received));
  }
  client_send(self, SIZE_MAX);
  call_then(self, AT_RECEIVED);
}

static void on_paused(void *owner) {
  client *self = owner;
  record(self, AT_PAUSED);
  call_then(self, AT_PAUSED);
}

static void on_closed(void *owner, bool was_open, const cachette_error *error) {
  client *self = owner;
  record(self, AT_CLOSED);
  assert_int_equal(was_open, self->event_counts[AT_OPENED] > 0);
  self->was_open = was_open;
  self->sent = cachette__stream_sent(self->stream);
  self->error = *error;
  call_then(self, AT_CLOSED);
  self->stream = NULL;
}

const cachette__stream_events client_events = {
    .opened = on_opened,
    .buffer = on_buffer,
    .received = on_received,
    .paused = on_paused,
    .closed = on_closed,
};

void client_init(client *self, const char *host, uint16_t port, const char *path) {
  memset(self, 0, sizeof *self);
  self->target =
      (cachette__target){.host = host, .port = port, .path = path, .connect_timeout_ms = 20000};
}

int client_open(client *self) {
  self->in_call = true;
  int code = cachette__stream_open(&loop, &self->target, &client_events, self, &self->stream,
                                   &self->error);
  self->in_call = false;
  return code;
}

void client_send(client *self, size_t max) {
  size_t left = self->to_send - self->appended;
  size_t size = self->received * 104729 % 100000 + 1; /* pseudo-random */
  if (size > left) size = left;
  if (size > max) size = max;
  if (size == 0) return;
  char *bytes = cachette__buffer_reserve(cachette__stream_output(self->stream), size);
  if (bytes == NULL) {
    self->out_of_memory = true;
    client_close(self);
    return;
  }
  for (size_t i = 0; i < size; i++) bytes[i] = pattern_at(self->appended + i);
  cachette__stream_output(self->stream)->end += size;
  self->appended += size;
  self->in_call = true;
  cachette__stream_flush(self->stream);
  self->in_call = false;
}

void client_run(client *self) {
  while (self->stream != NULL && self->received < self->to_receive) uv_run(&loop, UV_RUN_ONCE);
}

void client_run_to_end(client *self) {
  while (self->stream != NULL) uv_run(&loop, UV_RUN_ONCE);
}

void client_connect(client *self) {
  assert_int_equal(client_open(self), CACHETTE_OK);
  while (self->event_counts[AT_OPENED] == 0) uv_run(&loop, UV_RUN_ONCE);
}

void client_open_and_run_to_end(client *self) {
  assert_int_equal(client_open(self), CACHETTE_OK);
  client_run_to_end(self);
}

void client_close(client *self) {
  if (self->stream == NULL) return;
  self->in_call = true;
  cachette__stream_close(self->stream, false);
  self->in_call = false;
  self->stream = NULL;
}

void client_close_in_child(void *data) {
  client *self = data;
  int fd = descriptor_to(self->target.port);
  child_assert(fd >= 0);
  cachette__stream_close(self->stream, true);
  child_assert(fcntl(fd, F_GETFD) < 0);
}

int descriptor_to(uint16_t port) {
  for (int fd = 3; fd < 1024; fd++) {
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &size) == 0 && name.sin_family == AF_INET &&
        ntohs(name.sin_port) == port)
      return fd;
  }
  return -1;
}

/* ---- The loop ---- */

static int descriptors;

int loop_set_up(void **state) {
  (void)state;
  descriptors = count_descriptors();
  return uv_loop_init(&loop);
}

void loop_finish(void) {
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

int loop_tear_down(void **state) {
  (void)state;
  loop_finish();
  assert_int_equal(count_descriptors(), descriptors);
  return 0;
}

int loop_warm_up(void **state) {
  resolver_set("first.test", "127.0.0.1");
  if (loop_set_up(state) != 0) return -1;
  client self;
  client_init(&self, "first.test", free_port(), NULL);
  if (client_open(&self) != CACHETTE_OK) return -1;
  client_run_to_end(&self);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop);
}
