/* SPDX-License-Identifier: MIT */
#include "messages.h"

#include <string.h>

#include "http/text.h"

enum { FIELDS_MAX = 24 };

/* ---- Blocks ---- */

void *block_new(struct blocks *blocks, size_t size) {
  CHECK(blocks->count < BLOCKS_MAX);
  void *block = malloc(size > 0 ? size : 1);
  CHECK(block != NULL);
  blocks->list[blocks->count++] = block;
  return block;
}

void blocks_free(struct blocks *blocks) {
  while (blocks->count > 0) free(blocks->list[--blocks->count]);
}

static cachette_slice copy(struct blocks *blocks, cachette_slice text) {
  if (text.size == 0) return (cachette_slice){NULL, 0};
  return (cachette_slice){memcpy(block_new(blocks, text.size), text.data, text.size), text.size};
}

/* ---- Texts ---- */

/* Copies a text with its control characters. */
static cachette_slice unescape(struct blocks *blocks, cachette_slice text) {
  if (text.size == 0) return (cachette_slice){NULL, 0};
  char *bytes = malloc(text.size);
  CHECK(bytes != NULL);
  size_t size = 0;
  for (size_t i = 0; i < text.size; i++) {
    char at = cachette__http_at(text, i);
    char next = i + 1 < text.size ? cachette__http_at(text, i + 1) : '\0';
    bool is_control = at == '^' && next >= '@' && next <= '_';
    bytes[size++] = is_control ? (char)(next - '@') : at;
    i += is_control;
  }
  cachette_slice result = copy(blocks, (cachette_slice){bytes, size});
  free(bytes);
  return result;
}

/* Takes the next line off the front of an input. */
static cachette_slice next_line(cachette_slice *rest) {
  size_t end = cachette__http_find(*rest, '\n');
  cachette_slice line = cachette__http_first(*rest, end);
  *rest = cachette__http_from(*rest, end < rest->size ? end + 1 : end);
  return line;
}

static cachette_http_field read_field(struct blocks *blocks, cachette_slice line) {
  size_t colon = cachette__http_find(line, ':');
  cachette_slice value = cachette__http_from(line, colon < line.size ? colon + 1 : colon);
  return (cachette_http_field){unescape(blocks, cachette__http_first(line, colon)),
                               unescape(blocks, cachette__http_trim(value))};
}

static cachette_http_fields read_fields(struct blocks *blocks, cachette_slice *rest) {
  cachette_http_field list[FIELDS_MAX];
  size_t count = 0;
  for (cachette_slice line = next_line(rest); line.size > 0; line = next_line(rest)) {
    if (count < FIELDS_MAX) list[count++] = read_field(blocks, line);
  }
  cachette_slice all = copy(blocks, (cachette_slice){list, count * sizeof *list});
  return (cachette_http_fields){all.data, count};
}

/* ---- Messages ---- */

/* Takes the part of a text before a character, and the character. */
static cachette_slice take_until(cachette_slice *text, char character) {
  size_t end = cachette__http_find(*text, character);
  cachette_slice part = cachette__http_first(*text, end);
  *text = cachette__http_from(*text, end < text->size ? end + 1 : end);
  return part;
}

/* Splits a target. Without a scheme, it is a path and a query. */
static void read_target(struct blocks *blocks, cachette_slice rest,
                        cachette_http_request *request) {
  size_t colon = cachette__http_find(rest, ':'), slash = cachette__http_find(rest, '/');
  if (colon + 1 == slash && slash + 1 < rest.size) {
    request->scheme = copy(blocks, take_until(&rest, ':'));
    rest = cachette__http_from(rest, 2);
    slash = cachette__http_find(rest, '/');
    request->authority = unescape(blocks, cachette__http_first(rest, slash));
    rest = cachette__http_from(rest, slash);
  }
  bool has_query = cachette__http_find(rest, '?') < rest.size;
  request->path = unescape(blocks, take_until(&rest, '?'));
  request->query = unescape(blocks, rest);
  if (has_query && rest.size == 0)
    request->query = (cachette_slice){"", 0}; /* not the same as none */
}

void read_request(struct blocks *blocks, cachette_slice *rest, cachette_http_request *request) {
  cachette_slice line = next_line(rest);
  *request = (cachette_http_request){.scheme = {"http", 4}};
  request->method = copy(blocks, take_until(&line, ' '));
  read_target(blocks, line, request);
  request->fields = read_fields(blocks, rest);
}

void read_response(struct blocks *blocks, cachette_slice *rest, cachette_http_response *response) {
  int64_t status = 200;
  cachette__http_number(next_line(rest), 599, &status);
  *response = (cachette_http_response){.status = status < 200 ? 200 : (int)status, .body_size = -1};
  response->fields = read_fields(blocks, rest);
}
