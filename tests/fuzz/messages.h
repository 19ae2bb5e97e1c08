/* SPDX-License-Identifier: MIT */
/*
 * Messages of HTTP in the inputs of a fuzzer, as text:
 *
 *     GET http://example.com/a?b         200
 *     Accept: x                          Cache-Control: max-age=60
 *
 * An empty line ends a message. `^` and one of @A-Z[\]^_ is a control character. Every text is a
 * message: what it lacks is empty.
 */
#ifndef CACHETTE_FUZZ_MESSAGES_H
#define CACHETTE_FUZZ_MESSAGES_H

#include <stdio.h>
#include <stdlib.h>

#include "cachette/http.h"

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
      abort();                                                          \
    }                                                                   \
  } while (0)

enum { BLOCKS_MAX = 256 };

/* Each text of an input is a block of its exact size, so that ASan sees every read beyond it. */
struct blocks {
  void *list[BLOCKS_MAX];
  size_t count;
};

void *block_new(struct blocks *blocks, size_t size);
void blocks_free(struct blocks *blocks);

/* Takes a message off the front of a text. A request has no body. */
void read_request(struct blocks *blocks, cachette_slice *rest, cachette_http_request *request);
void read_response(struct blocks *blocks, cachette_slice *rest, cachette_http_response *response);

#endif
