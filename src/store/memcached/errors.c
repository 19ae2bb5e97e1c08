/* SPDX-License-Identifier: MIT */
/* A server's error reply becomes a code and a sentence of ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../base/counter.h"
#include "../../base/slice.h"
#include "internal.h"

/* The errors that we explain: words of the line, the code, the rest of the sentence. */
static const struct {
  const char *words;
  int code;
  const char *sentence; /* follows the server's name */
} known[] = {
    {"out of memory", CACHETTE_EBACKEND, "is out of memory"},
    {"unauthenticated", CACHETTE_EBACKEND,
     "requires a user name and a password; set \"memcached_username\" and \"memcached_password\""},
    {"unknown binary command", CACHETTE_EUNSUPPORTED,
     "does not support SASL, which needs its option -S; set \"memcached_auth\" to ascii or none"},
    {"authentication failure", CACHETTE_EBACKEND, "refuses the user name or the password"},
};

static bool contains(cachette_slice line, const char *words) {
  size_t size = strlen(words);
  const char *text = line.data;
  for (size_t i = 0; i + size <= line.size; i++)
    if (memcmp(text + i, words, size) == 0) return true;
  return false;
}

int cachette__mc_explain_error(const cachette__mc_node *node, cachette_slice line, char *message,
                               size_t size) {
  const char *name = node->pipeline.name;
  if (contains(line, "object too large")) {
    char limit[64] = "does not accept a value of this size";
    if (node->item_size_max > 0)
      snprintf(limit, sizeof limit, "takes at most %" PRId64 " bytes for an item",
               node->item_size_max);
    snprintf(message, size, "%s %s, its key included; the memcached option -I raises the limit.",
             name, limit);
    return CACHETTE_ETOOBIG;
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!contains(line, known[i].words)) continue;
    snprintf(message, size, "%s %s.", name, known[i].sentence);
    return known[i].code;
  }
  char text[96];
  cachette__key_text(line, text, sizeof text);
  snprintf(message, size, "%s answered with an error: %s", name, text);
  return CACHETTE_EBACKEND;
}

bool cachette__mc_error_is_not_a_number(cachette_slice line) {
  return contains(line, "non-numeric");
}

void cachette__mc_take_error(cachette__mc_part *part, cachette_item *item, cachette_slice line) {
  char message[256];
  if (item != NULL && item->status < 0) return;
  if (item != NULL && cachette__mc_error_is_not_a_number(line)) {
    item->status = cachette__counter_fail_value(item->key, cachette__mc_first_error(part->fanout));
    return;
  }
  int code = cachette__mc_explain_error(part->node, line, message, sizeof message);
  cachette__mc_fail(part->fanout, item, code, "%s", message);
}
