/* SPDX-License-Identifier: MIT */
/*
 * A store for the tests of HTTP rules: some records by key. Heads and bodies are heap blocks of
 * their exact size. They stay where they are until the end, also if they are replaced, since an
 * exchange points to them.
 */
#ifndef CACHETTE_TESTS_HTTP_SHELF_H
#define CACHETTE_TESTS_HTTP_SHELF_H

#include "cachette/http.h"

enum { HTTP_SHELF_MAX = 64 };

struct http_stored {
  unsigned char key[CACHETTE_HTTP_KEY_SIZE];
  cachette_slice head, body;
  bool is_live;
};

struct http_shelf {
  struct http_stored list[HTTP_SHELF_MAX];
  size_t count;
};

/* Returns what is stored under a key, or NULL. */
const struct http_stored *http_shelf_get(const struct http_shelf *self, const unsigned char *key);

/* Stores copies. */
void http_shelf_put(struct http_shelf *self, const unsigned char *key, cachette_slice head,
                    cachette_slice body);

void http_shelf_clear(struct http_shelf *self, const unsigned char *key);
void http_shelf_clear_tag(struct http_shelf *self, cachette_slice tag);

/* Frees everything. */
void http_shelf_deinit(struct http_shelf *self);

#endif
