/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

/* ---- Faults ---- */

/* Faults that are worth a sentence of our own: what is in them, a code, the sentence. */
static const struct {
  const char *words;
  int code;
  const char *sentence; /* behind the server's name */
} known[] = {
    {"out of memory", CACHETTE_EBACKEND, "has no memory left for it"},
    {"unauthenticated", CACHETTE_EBACKEND,
     "asks for a user name and a password; set \"memcached_username\" and \"memcached_password\""},
    {"unknown binary command", CACHETTE_EUNSUPPORTED,
     "does not authenticate by SASL, for which it would have to run with -S; \"memcached_auth\" "
     "may "
     "have to be ascii or none"},
    {"authentication failure", CACHETTE_EBACKEND, "refuses the user name or the password"},
};

static bool holds(cachette_slice line, const char *words) {
  size_t size = strlen(words);
  const char *text = line.data;
  for (size_t i = 0; i + size <= line.size; i++)
    if (memcmp(text + i, words, size) == 0) return true;
  return false;
}

int cachette__mc_fault(const cachette__mc_node *node, cachette_slice line, char *message,
                       size_t size) {
  if (holds(line, "object too large")) {
    char most[64] = "does not take a value of this size";
    if (node->item_most > 0)
      snprintf(most, sizeof most, "takes at most %" PRId64 " bytes for an item", node->item_most);
    snprintf(message, size, "%s %s, its key included; memcached's setting -I raises that.",
             node->name, most);
    return CACHETTE_ETOOBIG;
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!holds(line, known[i].words)) continue;
    snprintf(message, size, "%s %s.", node->name, known[i].sentence);
    return known[i].code;
  }
  char text[96];
  cachette__key_text(line, text, sizeof text);
  snprintf(message, size, "%s answered with an error: %s", node->name, text);
  return CACHETTE_EBACKEND;
}

bool cachette__mc_is_no_number(cachette_slice line) { return holds(line, "non-numeric"); }

void cachette__mc_take_fault(cachette__mc_node *node, cachette__mc_travel *travel,
                             cachette_item *item, cachette_slice line) {
  char message[256];
  if (item != NULL && item->status < 0) return;
  if (item != NULL && cachette__mc_is_no_number(line)) {
    item->status = cachette__counter_fail_value(item->key, cachette__mc_error(travel));
    return;
  }
  int code = cachette__mc_fault(node, line, message, sizeof message);
  cachette__mc_fail(travel, item, code, "%s", message);
}

/* ---- Values ---- */

/* A part of a value goes to its place, which is found with the first. */
static void take_value(cachette__mc_node *node, cachette_op *op, cachette_item *item,
                       const cachette__meta_token *token) {
  if (token->offset == 0 && node->filling == NULL) {
    node->place = cachette__item_place(op, item, token->size);
    node->filling = item;
    item->status = node->place != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
    if (token->has_flags && op->flags & CACHETTE_WITH_TTL)
      item->ttl_ms = cachette__mc_flags_ttl(token->flags);
    if (token->has_ttl) item->ttl_ms = token->ttl < 0 ? CACHETTE_TTL_NEVER : token->ttl * 1000;
  }
  if (node->place != NULL && token->bytes.size > 0)
    memcpy(node->place + token->offset, token->bytes.data, token->bytes.size);
  if (token->end) {
    node->filling = NULL;
    node->place = NULL;
  }
}

/* ---- What a reply says to an op ---- */

static bool take_status(cachette_item *item, const cachette__meta_token *token, bool there) {
  if (token->type == CACHETTE__META_VALUE) /* of which only that it is there is asked */
    item->status = CACHETTE_HIT;
  else if (token->type == CACHETTE__META_HEADER)
    item->status = there ? CACHETTE_HIT : CACHETTE_MISS;
  else if (token->type == CACHETTE__META_MISS)
    item->status = CACHETTE_MISS;
  else if (token->type == CACHETTE__META_NOT_STORED)
    item->status = CACHETTE_HIT;
  else
    return false;
  return true;
}

/* The answers to an increment: that the counter was made or was there, and what it is then. */
static bool take_count(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                       size_t done, const cachette__meta_token *token) {
  size_t place = done / 2;
  if (travel->parts[part].round != CACHETTE__MC_FIRST)
    return cachette__mc_count_step(node, travel, part, token);
  cachette_item *item = cachette__mc_item(travel, part, place);
  if (cachette__mc_count_is_large(item)) return cachette__mc_count_step(node, travel, part, token);
  if (token->type == CACHETTE__META_ERROR && done % 2 == 0)
    cachette__mc_take_fault(node, travel, item, token->line);
  else if (token->type == CACHETTE__META_ERROR)
    cachette__mc_count_refused(node, travel, part, place, token);
  else if (done % 2 == 0)
    return take_status(item, token, false);
  else if (item->status >= 0)
    return cachette__mc_count_take(node, travel, part, place, token);
  return true;
}

static bool take_item(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                      size_t done, const cachette__meta_token *token) {
  cachette_op *op = travel->op;
  bool again = travel->parts[part].again;
  if (op->verb == CACHETTE_INCREMENT) return take_count(node, travel, part, done, token);
  cachette_item *item =
      again ? cachette__mc_kept_item(travel, part, done) : cachette__mc_item(travel, part, done);
  if (token->type == CACHETTE__META_ERROR) {
    cachette__mc_take_fault(node, travel, item, token->line);
    return true;
  }
  if (op->verb == CACHETTE_FETCH && token->type == CACHETTE__META_VALUE) {
    take_value(node, op, item, token);
    return true;
  }
  if (again) return token->type != CACHETTE__META_VALUE; /* it was there, whatever stands now */
  if (op->verb == CACHETTE_TOUCH && token->type == CACHETTE__META_VALUE)
    return node->store->settings->sasl && cachette__mc_keep(travel, part, done, token);
  return take_status(item, token, op->verb != CACHETTE_PUT);
}

/* `STAT curr_items 7` among the lines of `stats`, which END ends. */
static bool take_flushed(cachette__mc_node *node, cachette__mc_travel *travel, size_t done,
                         const cachette__meta_token *token) {
  static const char items[] = "STAT curr_items ";
  if (token->type == CACHETTE__META_ERROR) {
    cachette__mc_take_fault(node, travel, NULL, token->line);
  } else if (done == 0 && token->line.size > sizeof items - 1 && token->line.size < 64 &&
             memcmp(token->line.data, items, sizeof items - 1) == 0) {
    char digits[64];
    memcpy(digits, token->line.data, token->line.size);
    digits[token->line.size] = '\0';
    travel->op->number += strtoll(digits + sizeof items - 1, NULL, 10);
  }
  return true;
}

/* Whether a token is the last of its reply. */
static bool is_last(const cachette__mc_travel *travel, size_t done,
                    const cachette__meta_token *token) {
  bool lists = travel->verb == CACHETTE_FLUSH && done == 0;
  if (!lists || token->type == CACHETTE__META_ERROR) return token->end;
  return token->line.size == 3 && memcmp(token->line.data, "END", 3) == 0;
}

bool cachette__mc_take(cachette__mc_node *node, cachette__mc_request *request, size_t done,
                       const cachette__meta_token *token) {
  cachette__mc_travel *travel = request->travel;
  bool fine = true;
  if (travel->op == NULL)
    fine = true;
  else if (travel->verb == CACHETTE_FLUSH)
    fine = take_flushed(node, travel, done, token);
  else if (travel->verb == CACHETTE_PING)
    fine = token->type == CACHETTE__META_NOOP;
  else
    fine = take_item(node, travel, request->part, done, token);
  if (is_last(travel, done, token)) request->replies--;
  return fine;
}
