/* SPDX-License-Identifier: MIT */
#include "http_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- Sockets ---- */

static struct sockaddr_in local_address(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* A peer that sends or takes nothing for five seconds is given up. */
static int with_timeout(int connection) {
  struct timeval limit = {.tv_sec = 5};
  if (connection < 0) return connection;
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return connection;
}

int message_listen(int port) {
  struct sockaddr_in address = local_address(port);
  socklen_t size = sizeof address;
  int on = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, (struct sockaddr *)&address, size) < 0 || listen(listening, 16) < 0 ||
      getsockname(listening, (struct sockaddr *)&address, &size) < 0) {
    perror("cannot listen");
    exit(1);
  }
  printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listening;
}

int message_accept(int listening) { return with_timeout(accept(listening, NULL, NULL)); }

int message_connect(int port) {
  struct sockaddr_in address = local_address(port);
  int connection = with_timeout(socket(AF_INET, SOCK_STREAM, 0));
  if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) == 0)
    return connection;
  close(connection);
  return -1;
}

/* Reads up to `limit` bytes in all. Returns the number of new bytes; 0: the end; -1: an error. */
static ssize_t read_more(message *self, int socket, size_t limit) {
  ssize_t count = recv(socket, self->bytes + self->size, limit - self->size, 0);
  if (count > 0) self->size += (size_t)count;
  return count;
}

/* ---- Heads ---- */

static bool is_token(const char *text, size_t size) {
  static const char characters[] =
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '\0' || strchr(characters, text[i]) == NULL) return false;
  }
  return size > 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Whether a line has no control character, such as the CR and LF that could end it early. */
static bool is_text(const char *text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if ((c < ' ' && c != '\t') || c == 127) return false;
  }
  return true;
}

/* Takes a line of the head. A line that is not ended by CRLF is none. */
static bool take_line(const char **at, const char *end, cachette_slice *line) {
  const char *crlf = memmem(*at, (size_t)(end - *at), "\r\n", 2);
  if (crlf == NULL) return false;
  *line = (cachette_slice){*at, (size_t)(crlf - *at)};
  *at = crlf + 2;
  return is_text(line->data, line->size);
}

/* Parses "name: value". A blank before the colon, and a folded line, are malformed (RFC 9112, 5).
 */
static bool parse_field(message *self, cachette_slice line) {
  const char *name = line.data, *end = name + line.size, *colon = memchr(name, ':', line.size);
  if (colon == NULL || self->count == FIELDS_MAX) return false;
  if (!is_token(name, (size_t)(colon - name))) return false;
  const char *value = colon + 1;
  while (value < end && is_blank(*value)) value++;
  while (end > value && is_blank(end[-1])) end--;
  self->list[self->count++] =
      (cachette_http_field){{name, (size_t)(colon - name)}, {value, (size_t)(end - value)}};
  return true;
}

/* Parses "METHOD /path?query HTTP/1.1". */
static bool parse_request_line(message *self, cachette_slice line) {
  const char *method = line.data, *end = method + line.size;
  const char *target = memchr(method, ' ', line.size);
  if (target == NULL || !is_token(method, (size_t)(target - method))) return false;
  self->method = (cachette_slice){method, (size_t)(target++ - method)};
  const char *version = memchr(target, ' ', (size_t)(end - target));
  if (version == NULL || *target != '/' || end - version != 9) return false;
  if (memcmp(version, " HTTP/1.", 8) != 0) return false;
  const char *mark = memchr(target, '?', (size_t)(version - target));
  const char *path_end = mark != NULL ? mark : version;
  self->path = (cachette_slice){target, (size_t)(path_end - target)};
  if (mark != NULL) self->query = (cachette_slice){mark + 1, (size_t)(version - mark - 1)};
  return true;
}

/* Parses "HTTP/1.1 200 OK". */
static bool parse_status_line(message *self, cachette_slice line) {
  const char *text = line.data;
  if (line.size < 12 || memcmp(text, "HTTP/1.", 7) != 0 || text[8] != ' ') return false;
  for (int i = 9; i < 12; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    self->status = self->status * 10 + (text[i] - '0');
  }
  return self->status >= 200 && self->status <= 599 && (line.size == 12 || text[12] == ' ');
}

static bool parse_head(message *self, size_t size, bool is_request) {
  const char *at = self->bytes, *end = at + size;
  cachette_slice line;
  if (!take_line(&at, end, &line)) return false;
  if (!(is_request ? parse_request_line(self, line) : parse_status_line(self, line))) return false;
  while (at < end) {
    if (!take_line(&at, end, &line) || !parse_field(self, line)) return false;
  }
  return true;
}

/* Reads the head. Returns its size with the empty line, or 0. */
static size_t read_head(message *self, int socket, int *error) {
  self->bytes = malloc(HEAD_MAX + BODY_MAX);
  *error = self->bytes == NULL ? 502 : 400;
  while (self->bytes != NULL && self->size < HEAD_MAX) {
    if (read_more(self, socket, HEAD_MAX) <= 0) {
      if (errno == EAGAIN) *error = 504;
      return 0;
    }
    const char *end = memmem(self->bytes, self->size, "\r\n\r\n", 4);
    if (end != NULL) return (size_t)(end + 4 - self->bytes);
  }
  if (self->bytes != NULL) *error = 431;
  return 0;
}

/* ---- Bodies ---- */

static bool is_named(const cachette_http_field *field, const char *name) {
  return field->name.size == strlen(name) &&
         strncasecmp(field->name.data, name, field->name.size) == 0;
}

static int count_fields(const message *self, const char *name) {
  int count = 0;
  for (size_t i = 0; i < self->count; i++) count += is_named(&self->list[i], name);
  return count;
}

cachette_slice message_field(const message *self, const char *name) {
  for (size_t i = 0; i < self->count; i++) {
    if (is_named(&self->list[i], name)) return self->list[i].value;
  }
  return (cachette_slice){NULL, 0};
}

/* Returns the announced size; -1: none; -2: one that cannot be trusted (RFC 9112, 6.3). */
static long announced_size(const message *self) {
  if (count_fields(self, "transfer-encoding") > 0) return -2;
  int lines = count_fields(self, "content-length");
  if (lines != 1) return lines == 0 ? -1 : -2;
  cachette_slice text = message_field(self, "content-length");
  long size = 0;
  if (text.size == 0 || text.size > 9) return -2;
  for (size_t i = 0; i < text.size; i++) {
    char c = ((const char *)text.data)[i];
    if (c < '0' || c > '9') return -2;
    size = size * 10 + (c - '0');
  }
  return size;
}

/* Reads the body that follows the head. */
static int read_body(message *self, int socket, size_t head, long size) {
  if (size > BODY_MAX) return 413;
  size_t whole = size >= 0 ? head + (size_t)size : HEAD_MAX + BODY_MAX;
  while (self->size < whole) {
    ssize_t count = read_more(self, socket, whole);
    if (count == 0 && size < 0) break; /* the end of the connection is that of the body */
    if (count <= 0) return errno == EAGAIN ? 504 : 400;
  }
  if (size < 0 && self->size == whole) return 413;
  self->body = (cachette_slice){self->bytes + head, (size < 0 ? self->size : whole) - head};
  return 0;
}

/* ---- Messages ---- */

int message_read_request(message *self, int socket) {
  int error;
  errno = 0;
  size_t head = read_head(self, socket, &error);
  if (head == 0) return error;
  long size = parse_head(self, head - 2, true) ? announced_size(self) : -2;
  if (size == -2 || count_fields(self, "host") != 1) return 400;
  return read_body(self, socket, head, size < 0 ? 0 : size);
}

int message_read_response(message *self, int socket, bool has_body) {
  int error;
  errno = 0;
  size_t head = read_head(self, socket, &error);
  if (head == 0) return error == 504 ? 504 : 502;
  long size = parse_head(self, head - 2, false) ? announced_size(self) : -2;
  if (size == -2) return 502;
  if (!has_body || self->status == 204 || self->status == 304) size = 0;
  error = read_body(self, socket, head, size);
  return error == 0 || error == 504 ? error : 502;
}

void message_free(message *self) {
  free(self->bytes);
  *self = (message){0};
}

void message_write(int socket, const char *first, const cachette_http_field *fields, size_t count,
                   cachette_slice body) {
  int copy = dup(socket);
  FILE *out = copy >= 0 ? fdopen(copy, "w") : NULL;
  if (out == NULL) return;
  fprintf(out, "%s\r\n", first);
  for (size_t i = 0; i < count; i++) {
    fwrite(fields[i].name.data, 1, fields[i].name.size, out);
    fputs(": ", out);
    fwrite(fields[i].value.data, 1, fields[i].value.size, out);
    fputs("\r\n", out);
  }
  fputs("Connection: close\r\n\r\n", out);
  if (body.size > 0) fwrite(body.data, 1, body.size, out);
  fclose(out);
}
