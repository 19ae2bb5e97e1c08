/* SPDX-License-Identifier: MIT */
/*
 * Touches under SASL. The binary protocol has no command that returns the TTL of an item. So we
 * save the expiry in the item's flags, as a UNIX time in seconds. A touch must update the flags
 * too, so it has two rounds:
 *
 *     TOUCH_GET  sets the expiry, and fetches the value and its version
 *     SET        stores the same value with new flags, if the version is unchanged
 *
 * If the version has changed, another client has put a new value, with its own expiry.
 */
#include <string.h>

#include "../../base/alloc.h"
#include "internal.h"

bool cachette__mc_touch_prepare(cachette__mc_part *part) {
  cachette__mc_touched_free(part); /* left from before, if the first round is resent */
  part->touched = cachette__calloc(part->count, sizeof *part->touched);
  return part->touched != NULL;
}

bool cachette__mc_touch_take(cachette__mc_part *part, size_t index,
                             const cachette__meta_token *token) {
  cachette_item *item = cachette__mc_item(part, index);
  if (part->touched == NULL) return false;
  if (token->line.data != NULL) { /* the first part of the value */
    char *data = cachette__malloc(token->size + 1);
    item->status = data != NULL ? CACHETTE_HIT : CACHETTE_ENOMEM;
    if (data != NULL)
      part->touched[part->touched_count++] = (cachette__mc_touched){
          .index = index, .cas = token->cas, .data = data, .size = token->size};
  }
  if (item->status == CACHETTE_HIT && token->bytes.size > 0)
    memcpy(part->touched[part->touched_count - 1].data + token->offset, token->bytes.data,
           token->bytes.size);
  return true;
}

cachette_item *cachette__mc_touch_item(const cachette__mc_part *part, size_t index) {
  return cachette__mc_item(part, part->touched[index].index);
}

void cachette__mc_touch_continue(cachette__mc_part *part) {
  const char *reason;
  size_t bytes = 0;
  if (part->storing || part->fanout->op == NULL || part->touched_count == 0) return;
  part->storing = true;
  for (size_t i = 0; i < part->touched_count; i++) bytes += part->touched[i].size;
  int code = cachette__mc_push(part, bytes, &reason);
  for (size_t i = 0; code < 0 && i < part->touched_count; i++)
    cachette__mc_fail(part->fanout, cachette__mc_touch_item(part, i), code, "%s",
                      cachette_strerror(code));
}
