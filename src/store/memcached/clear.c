/* SPDX-License-Identifier: MIT */
/*
 * Clears by listing. `lru_crawler metadump hash` lists all keys of a server (`all` would miss items
 * that move between the server's LRU queues meanwhile). The keys that match are collected, then
 * deleted in batches, so that other ops run in between.
 *
 * A server runs one listing at a time and replies BUSY to others. Then the clear waits and tries
 * again, until the op times out. A key that is put during the clear may or may not be removed.
 * https://github.com/memcached/memcached/blob/master/doc/protocol.txt
 */
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/slice.h"
#include "internal.h"

enum {
  BATCH = 500,       /* deletes in a request */
  BUSY_MS = 20,      /* before the next try at a busy server */
  REQUEST_BYTES = 64 /* the size that a request counts with in the pipeline */
};

struct cachette__mc_clear {
  cachette__mc_part *part;
  bool deleting;         /* the request in flight deletes; else it lists */
  bool busy;             /* the server runs a listing for another client */
  cachette__buffer keys; /* the keys to delete, each after its key_head */
  size_t left, batch;    /* the number of keys in the buffer, and in the request */
  int code;              /* 0, or the error to fail with when the listing is complete */
  char message[256];
  cachette__mc_clear *next; /* in the list of waiting clears */
};

/* Precedes each key in `keys`: the index of the op's item that it belongs to, and its size. */
typedef struct key_head {
  size_t item, size;
} key_head;

static cachette__memcached *store_of(const cachette__mc_clear *clear) {
  return clear->part->fanout->store;
}

/* ---- Which ops ---- */

bool cachette__mc_clears(const cachette__memcached *store, const cachette_op *op) {
  return op->verb == CACHETTE_CLEAR_NAMESPACE ||
         (op->verb == CACHETTE_FLUSH && store->settings->prefix.size > 0);
}

/* Only the text protocol has a command that lists keys. */
static void refuse_sasl(const cachette__memcached *store, cachette_op *op) {
  bool flush = op->verb == CACHETTE_FLUSH;
  cachette__op_fail(op, CACHETTE_EUNSUPPORTED, NULL,
                    "%s cannot %s: with SASL, memcached speaks only its binary protocol, which "
                    "cannot list keys. Set \"memcached_auth\" to ascii.",
                    store->name,
                    flush ? "clear the keys with the \"key_prefix\"" : "clear a namespace");
}

/* A long key has only its first bytes on the server, so a longer namespace cannot be recognized. */
static bool refuse_long_name(const cachette__memcached *store, cachette_op *op) {
  static const size_t max = CACHETTE__MEMCACHED_KEY_HEAD;
  size_t prefix = store->settings->prefix.size;
  char name[32];
  if (op->verb == CACHETTE_FLUSH && prefix > max) {
    cachette__op_fail(op, CACHETTE_EUNSUPPORTED, NULL,
                      "%s cannot clear the keys with the \"key_prefix\": memcached lists "
                      "only the first %zu bytes of a long key, and the prefix has %zu. Choose a "
                      "shorter prefix.",
                      store->name, max, prefix);
    return true;
  }
  for (size_t i = 0; op->verb == CACHETTE_CLEAR_NAMESPACE && i < op->count; i++) {
    size_t size = prefix + op->items[i].key.size + 1;
    if (size <= max) continue;
    cachette__key_text(op->items[i].key, name, sizeof name);
    cachette__op_fail(
        op, CACHETTE_EINVAL, name,
        "The namespace \"%s...\" is too long to clear: memcached lists only the first %zu bytes of "
        "a long key, and \"key_prefix\", namespace and colon have %zu.",
        name, max, size);
    return true;
  }
  return false;
}

bool cachette__mc_clear_refuse(const cachette__memcached *store, cachette_op *op) {
  if (!store->settings->sasl) return refuse_long_name(store, op);
  refuse_sasl(store, op);
  return true;
}

/* ---- Waiting and completing ---- */

static void on_timer(uv_timer_t *timer);

/* Completes and frees a clear, and tries the waiting ones at once. */
static void finish(cachette__mc_clear *clear) {
  cachette__memcached *store = store_of(clear);
  cachette__mc_fanout *fanout = clear->part->fanout;
  if (store->waiting != NULL) uv_timer_start(&store->timer, on_timer, 0, 0);
  clear->part->clear = NULL;
  cachette__buffer_deinit(&clear->keys);
  cachette__free(clear);
  cachette__mc_fanout_release(fanout);
}

void cachette__mc_clear_fail(cachette__mc_clear *clear, int code, const char *message) {
  cachette__mc_fanout *fanout = clear->part->fanout;
  if (fanout->op != NULL) cachette__mc_fail(fanout, NULL, code, "%s", message);
  finish(clear);
}

static void push(cachette__mc_clear *clear) {
  const char *reason;
  int code = cachette__mc_push(clear->part, REQUEST_BYTES, &reason);
  if (code < 0) cachette__mc_clear_fail(clear, code, cachette_strerror(code));
}

/* Appends the clear to the queue, so that each waiting clear gets its turn. */
static void wait(cachette__mc_clear *clear) {
  cachette__memcached *store = store_of(clear);
  cachette__mc_clear **last = &store->waiting;
  while (*last != NULL) last = &(*last)->next;
  clear->busy = false;
  clear->next = NULL;
  *last = clear;
  uv_timer_start(&store->timer, on_timer, BUSY_MS, 0);
}

/* Returns whether no other clear runs on the node or waits for it. */
static bool is_idle(const cachette__mc_clear *clear) {
  const cachette__mc_node *node = clear->part->node;
  for (const cachette__mc_clear *each = store_of(clear)->waiting; each != NULL; each = each->next)
    if (each->part->node == node) return false;
  return node->pipeline.head == node->pipeline.tail;
}

static void start(cachette__mc_clear *clear) {
  if (is_idle(clear))
    push(clear);
  else
    wait(clear);
}

void cachette__mc_clear_start(cachette__mc_part *part) {
  cachette__mc_clear *clear = cachette__calloc(1, sizeof *clear);
  if (clear == NULL) {
    cachette__mc_fail(part->fanout, NULL, CACHETTE_ENOMEM, "%s",
                      cachette_strerror(CACHETTE_ENOMEM));
    return;
  }
  clear->part = part;
  part->clear = clear;
  part->fanout->references++;
  start(clear);
}

/* Tries all waiting clears again. */
static void on_timer(uv_timer_t *timer) {
  cachette__memcached *store = timer->data;
  cachette__mc_clear *clear = store->waiting;
  store->waiting = NULL;
  while (clear != NULL) {
    cachette__mc_clear *next = clear->next;
    const cachette_error *reason = NULL;
    int code = clear->part->fanout->op == NULL
                   ? CACHETTE_ECANCELED
                   : cachette__link_connect(&clear->part->node->pipeline.link, &reason);
    if (code < 0)
      cachette__mc_clear_fail(clear, code, reason != NULL ? reason->message : "");
    else
      start(clear);
    clear = next;
  }
}

void cachette__mc_clear_close(cachette__memcached *store) {
  while (store->waiting != NULL) {
    cachette__mc_clear *clear = store->waiting;
    store->waiting = clear->next;
    cachette__mc_clear_fail(clear, CACHETTE_ECLOSED, "");
  }
}

void cachette__mc_clear_continue(cachette__mc_clear *clear) {
  if (clear->part->fanout->op == NULL) {
    finish(clear);
  } else if (clear->code < 0) {
    cachette__mc_clear_fail(clear, clear->code, clear->message);
  } else if (clear->busy) {
    wait(clear);
  } else if (clear->left > 0) {
    clear->deleting = true;
    push(clear);
  } else {
    finish(clear);
  }
}

/* ---- Commands ---- */

bool cachette__mc_clear_is_deleting(const cachette__mc_clear *clear) { return clear->deleting; }

size_t cachette__mc_clear_replies(const cachette__mc_clear *clear) {
  return clear->deleting ? clear->batch : 1;
}

/* Reads the key at an offset in `keys`. */
static void peek(const cachette__mc_clear *clear, size_t offset, key_head *head,
                 cachette__memcached_key *key) {
  const char *bytes = clear->keys.data + clear->keys.begin + offset;
  memcpy(head, bytes, sizeof *head);
  cachette__memcached_key_make((cachette_slice){NULL, 0},
                               (cachette_slice){bytes + sizeof *head, head->size}, key);
}

bool cachette__mc_clear_encode(cachette__mc_clear *clear) {
  cachette__mc_node *node = clear->part->node;
  if (!clear->deleting) return cachette__mc_encode_line(node, "lru_crawler metadump hash");
  size_t offset = 0;
  clear->batch = clear->left < BATCH ? clear->left : BATCH;
  for (size_t i = 0; i < clear->batch; i++) {
    key_head head;
    cachette__memcached_key key;
    peek(clear, offset, &head, &key);
    if (!cachette__mc_encode_delete(node, &key)) return false;
    offset += sizeof head + head.size;
  }
  return true;
}

/* ---- Replies ---- */

/* Returns the index of the op's item that a key matches, or SIZE_MAX. */
static size_t find_item(const cachette__mc_clear *clear, cachette_slice key) {
  const cachette_op *op = clear->part->fanout->op;
  cachette_slice prefix = store_of(clear)->settings->prefix;
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

static void fail_later(cachette__mc_clear *clear, int code, const char *message) {
  clear->code = code;
  memcpy(clear->message, message, strnlen(message, sizeof clear->message - 1));
}

/* Takes a line of the listing: "key=NAME exp=... ..." */
static void take_listed(cachette__mc_clear *clear, cachette_slice line) {
  const char *text = line.data;
  cachette__memcached_key key;
  if (line.size < 4 || memcmp(text, "key=", 4) != 0) return;
  const char *space = memchr(text, ' ', line.size);
  size_t size = (space != NULL ? (size_t)(space - text) : line.size) - 4;
  if (!cachette__memcached_key_decode((cachette_slice){text + 4, size}, &key)) return;
  size_t item = find_item(clear, (cachette_slice){key.raw, key.size});
  if (item == SIZE_MAX) return;
  key_head head = {item, key.size};
  char *at = cachette__buffer_reserve(&clear->keys, sizeof head + key.size);
  if (at == NULL) {
    fail_later(clear, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
    return;
  }
  memcpy(at, &head, sizeof head);
  memcpy(at + sizeof head, key.raw, key.size);
  clear->keys.end += sizeof head + key.size;
  clear->left++;
}

static void take_error(cachette__mc_clear *clear, cachette_slice line) {
  char message[256];
  int code = cachette__mc_explain_error(clear->part->node, line, message, sizeof message);
  fail_later(clear, code, message);
}

/* The server does not list its keys: it does not know the command, as Amazon's serverless caches,
 * or it was started with -X or without the crawler. */
static void take_refusal(cachette__mc_clear *clear, cachette_slice line) {
  char message[256], text[40];
  bool flush = clear->part->fanout->verb == CACHETTE_FLUSH;
  if (cachette__begins(line, 0, cachette_str("SERVER_ERROR"))) {
    take_error(clear, line);
    return;
  }
  cachette__key_text(line, text, sizeof text);
  snprintf(message, sizeof message,
           "%.80s cannot %s: it does not list its keys, and answers \"lru_crawler metadump\" with "
           "%s.",
           clear->part->node->pipeline.name,
           flush ? "clear the keys with the \"key_prefix\"" : "clear a namespace", text);
  fail_later(clear, CACHETTE_EUNSUPPORTED, message);
}

static void take_deleted(cachette__mc_clear *clear, const cachette__meta_token *token) {
  key_head head;
  memcpy(&head, clear->keys.data + clear->keys.begin, sizeof head);
  cachette__buffer_drop(&clear->keys, sizeof head + head.size);
  clear->left--;
  cachette_op *op = clear->part->fanout->op;
  if (token->type == CACHETTE__META_ERROR && clear->code == 0) take_error(clear, token->line);
  if (op == NULL || token->type != CACHETTE__META_HEADER) return;
  op->number++;
  if (op->verb == CACHETTE_CLEAR_NAMESPACE) op->items[head.item].status = CACHETTE_HIT;
}

bool cachette__mc_clear_take(cachette__mc_clear *clear, const cachette__meta_token *token,
                             bool *complete) {
  *complete = token->end;
  if (token->type == CACHETTE__META_VALUE) return false;
  if (clear->deleting) {
    take_deleted(clear, token);
  } else if (token->type == CACHETTE__META_ERROR) {
    take_refusal(clear, token->line);
  } else if (cachette__begins(token->line, 0, cachette_str("BUSY"))) {
    clear->busy = true;
  } else if (!cachette__begins(token->line, 0, cachette_str("END"))) {
    if (clear->part->fanout->op != NULL) take_listed(clear, token->line);
    *complete = false;
  }
  return true;
}
