/* SPDX-License-Identifier: MIT */
#include "http_shelf.h"

#include <string.h>

#include "http_message.h"

static struct http_stored *find(struct http_shelf *self, const unsigned char *key) {
  for (size_t i = 0; i < self->count; i++) {
    struct http_stored *stored = &self->list[i];
    if (stored->is_live && memcmp(stored->key, key, CACHETTE_HTTP_KEY_SIZE) == 0) return stored;
  }
  return NULL;
}

const struct http_stored *http_shelf_get(const struct http_shelf *self, const unsigned char *key) {
  return find((struct http_shelf *)self, key); /* which does not change it */
}

void http_shelf_put(struct http_shelf *self, const unsigned char *key, cachette_slice head,
                    cachette_slice body) {
  http_shelf_clear(self, key);
  assert_true(self->count < HTTP_SHELF_MAX);
  struct http_stored *stored = &self->list[self->count++];
  memcpy(stored->key, key, CACHETTE_HTTP_KEY_SIZE);
  stored->head = http_copy(head.data, head.size);
  stored->body = http_copy(body.data, body.size);
  stored->is_live = true;
}

void http_shelf_clear(struct http_shelf *self, const unsigned char *key) {
  struct http_stored *stored = find(self, key);
  if (stored != NULL) stored->is_live = false;
}

static bool has_tag(const struct http_stored *stored, cachette_slice tag) {
  cachette_http_record_info info;
  assert_int_equal(cachette_http_record_describe(stored->head, &info), 0);
  for (size_t i = 0; i < info.tag_count; i++) {
    cachette_slice other = cachette_http_record_tag(stored->head, i);
    if (other.size == tag.size && memcmp(other.data, tag.data, tag.size) == 0) return true;
  }
  return false;
}

void http_shelf_clear_tag(struct http_shelf *self, cachette_slice tag) {
  for (size_t i = 0; i < self->count; i++) {
    struct http_stored *stored = &self->list[i];
    if (stored->is_live && has_tag(stored, tag)) stored->is_live = false;
  }
}

void http_shelf_deinit(struct http_shelf *self) {
  for (size_t i = 0; i < self->count; i++) {
    http_free(self->list[i].head);
    http_free(self->list[i].body);
  }
  self->count = 0;
}
