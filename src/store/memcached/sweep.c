/* SPDX-License-Identifier: MIT */
/*
 * Clearing by what the server lists: `lru_crawler metadump hash` names every item (`all` would miss
 * those that are moved between its queues meanwhile); those that begin as wanted are kept, then
 * deleted a slice at a time, while other ops go between.
 *
 * A server does one such listing at a time, and says BUSY meanwhile: then it is asked again, as
 * long as the op has time. What is put while the sweep is under way may stay.
 * https://github.com/memcached/memcached/blob/master/doc/protocol.txt
 */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

enum { SLICE = 500, BUSY_MS = 20 };

struct cachette__mc_sweep {
  cachette__mc_node *node;
  cachette__mc_travel *travel;
  size_t part;
  bool deleting;         /* the commands that are under way: deletes, or the listing */
  bool busy;             /* the server lists for somebody else */
  cachette__buffer keys; /* of the items to delete, each behind the op's item and its size */
  size_t left, slice;    /* keys in it; deletes under way */
  int code;              /* with which it fails when the listing is complete, or 0 */
  char message[256];
  cachette__mc_sweep *next; /* among those that wait */
};

/* What stands before each key in `keys`. */
typedef struct key_head {
  size_t item, size;
} key_head;

bool cachette__mc_sweeps(const cachette__memcached *self, const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && self->settings->prefix.size > 0);
}

static void on_timer(uv_timer_t *timer) { cachette__mc_sweep_retry(timer->data); }

/* It has ended; those that wait need not do so any longer. */
static void free_sweep(cachette__mc_sweep *sweep) {
  cachette__memcached *self = sweep->node->store;
  if (self->waiting != NULL) uv_timer_start(&self->timer, on_timer, 0, 0);
  cachette__buffer_deinit(&sweep->keys);
  cachette__free(sweep);
}

void cachette__mc_sweep_fail(cachette__mc_sweep *sweep, int code, const char *message) {
  cachette__mc_travel *travel = sweep->travel;
  if (travel->op != NULL) cachette__mc_fail(travel, NULL, code, "%s", message);
  free_sweep(sweep);
  cachette__mc_travel_end(travel);
}

static void push(cachette__mc_sweep *sweep) {
  int code = cachette__mc_push(sweep->node, sweep->travel, sweep, sweep->part, 64);
  if (code < 0) cachette__mc_sweep_fail(sweep, code, cachette_strerror(code));
}

/* Behind those that wait already, so that each has its turn. */
static void wait(cachette__mc_sweep *sweep) {
  cachette__memcached *self = sweep->node->store;
  cachette__mc_sweep **end = &self->waiting;
  while (*end != NULL) end = &(*end)->next;
  sweep->busy = false;
  sweep->next = NULL;
  *end = sweep;
  uv_timer_start(&self->timer, on_timer, BUSY_MS, 0);
}

/* Whether a sweep may begin: none is under way, and none waits for that. */
static bool is_quiet(const cachette__mc_node *node) {
  for (const cachette__mc_sweep *each = node->store->waiting; each != NULL; each = each->next)
    if (each->node == node) return false;
  return node->head == node->tail;
}

int cachette__mc_sweep_begin(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  cachette__mc_sweep *sweep = cachette__calloc(1, sizeof *sweep);
  if (sweep == NULL) return CACHETTE_ENOMEM;
  sweep->node = node;
  sweep->travel = travel;
  sweep->part = part;
  cachette__mc_trim(node);
  if (!is_quiet(node)) {
    wait(sweep);
    return CACHETTE_OK;
  }
  int code = cachette__mc_push(node, travel, sweep, part, 64);
  if (code < 0) free_sweep(sweep);
  return code;
}

/* ---- Asking ---- */

size_t cachette__mc_sweep_replies(const cachette__mc_sweep *sweep) {
  return sweep->deleting ? sweep->slice : 1;
}

static void peek(const cachette__mc_sweep *sweep, size_t at, key_head *head,
                 cachette__memcached_key *key) {
  const char *bytes = sweep->keys.data + sweep->keys.begin + at;
  memcpy(head, bytes, sizeof *head);
  cachette__memcached_key_make((cachette_slice){NULL, 0},
                               (cachette_slice){bytes + sizeof *head, head->size}, key);
}

bool cachette__mc_sweep_encode(cachette__mc_node *node, cachette__mc_sweep *sweep) {
  if (!sweep->deleting) return cachette__mc_encode_line(node, "lru_crawler metadump hash");
  size_t at = 0;
  sweep->slice = sweep->left < SLICE ? sweep->left : SLICE;
  for (size_t i = 0; i < sweep->slice; i++) {
    key_head head;
    cachette__memcached_key key;
    peek(sweep, at, &head, &key);
    if (!cachette__mc_encode_delete(node, &key)) return false;
    at += sizeof head + head.size;
  }
  return true;
}

/* ---- What is answered ---- */

/* The op's item that wants a key to go; SIZE_MAX: none. */
static size_t find_item(const cachette__mc_sweep *sweep, cachette_slice key) {
  const cachette_op *op = sweep->travel->op;
  cachette_slice prefix = sweep->node->store->settings->prefix;
  if (!cachette__begins(key, 0, prefix)) return SIZE_MAX;
  if (op->verb == CACHETTE_FLUSH) return 0;
  for (size_t i = 0; i < op->count; i++) {
    cachette_slice name = op->items[i].key;
    if (cachette__begins(key, prefix.size, name) &&
        cachette__begins(key, prefix.size + name.size, (cachette_slice){":", 1}))
      return i;
  }
  return SIZE_MAX;
}

static void fail_later(cachette__mc_sweep *sweep, int code, const char *message) {
  sweep->code = code;
  memcpy(sweep->message, message, strnlen(message, sizeof sweep->message - 1));
}

/* "key=NAME exp=... ..." */
static void take_listed(cachette__mc_sweep *sweep, cachette_slice line) {
  const char *text = line.data;
  cachette__memcached_key key;
  if (sweep->travel->op == NULL || line.size < 4 || memcmp(text, "key=", 4) != 0) return;
  const char *end = memchr(text, ' ', line.size);
  size_t size = (end != NULL ? (size_t)(end - text) : line.size) - 4;
  if (!cachette__memcached_key_decode((cachette_slice){text + 4, size}, &key)) return;
  size_t item = find_item(sweep, (cachette_slice){key.raw, key.size});
  if (item == SIZE_MAX) return;
  key_head head = {item, key.size};
  char *at = cachette__buffer_room(&sweep->keys, sizeof head + key.size);
  if (at == NULL) {
    fail_later(sweep, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
    return;
  }
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, key.raw, key.size);
  sweep->keys.end += sizeof head + key.size;
  sweep->left++;
}

static bool is_word(cachette_slice line, const char *word) {
  return cachette__begins(line, 0, cachette_str(word));
}

static void take_deleted(cachette__mc_sweep *sweep, const cachette__meta_token *token) {
  key_head head;
  memcpy(&head, sweep->keys.data + sweep->keys.begin, sizeof head);
  cachette__buffer_drop(&sweep->keys, sizeof head + head.size);
  sweep->left--;
  cachette_op *op = sweep->travel->op;
  if (op == NULL || token->type != CACHETTE__META_HEADER) return;
  op->number++;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[head.item].status = CACHETTE_HIT;
}

bool cachette__mc_sweep_take(cachette__mc_node *node, cachette__mc_sweep *sweep,
                             const cachette__meta_token *token, bool *complete) {
  char message[256];
  *complete = token->end;
  if (token->type == CACHETTE__META_VALUE) return false;
  if (sweep->deleting) {
    take_deleted(sweep, token);
  } else if (token->type == CACHETTE__META_ERROR) {
    int code = cachette__mc_fault(node, token->line, message, sizeof message);
    fail_later(sweep, code, message);
  } else if (is_word(token->line, "BUSY")) {
    sweep->busy = true;
  } else if (!is_word(token->line, "END")) {
    take_listed(sweep, token->line);
    *complete = false;
  }
  return true;
}

void cachette__mc_sweep_retry(cachette__memcached *self) {
  cachette__mc_sweep *sweep = self->waiting;
  self->waiting = NULL;
  while (sweep != NULL) {
    cachette__mc_sweep *next = sweep->next;
    const cachette_error *reason = NULL;
    int code = sweep->travel->op == NULL ? CACHETTE_ECANCELED
                                         : cachette__link_want(&sweep->node->link, &reason);
    if (code < 0)
      cachette__mc_sweep_fail(sweep, code, reason != NULL ? reason->message : "");
    else if (!is_quiet(sweep->node))
      wait(sweep);
    else
      push(sweep);
    sweep = next;
  }
}

void cachette__mc_sweep_close(cachette__memcached *self) {
  while (self->waiting != NULL) {
    cachette__mc_sweep *sweep = self->waiting;
    self->waiting = sweep->next;
    cachette__mc_sweep_fail(sweep, CACHETTE_ECLOSED, "");
  }
}

void cachette__mc_sweep_next(cachette__mc_node *node, cachette__mc_sweep *sweep) {
  cachette__mc_travel *travel = sweep->travel;
  (void)node;
  if (travel->op == NULL || sweep->code < 0) {
    cachette__mc_sweep_fail(sweep, sweep->code < 0 ? sweep->code : CACHETTE_ECANCELED,
                            sweep->message);
  } else if (sweep->busy) {
    wait(sweep);
  } else if (sweep->left > 0) {
    sweep->deleting = true;
    push(sweep);
  } else {
    free_sweep(sweep);
    cachette__mc_travel_end(travel);
  }
}
