/* SPDX-License-Identifier: MIT */
/*
 * Increments. The server counts in 64 bits without a sign, modulo 2^64, where our counters have a
 * sign. So a sum may leave our range, of which the server knows nothing; then the counter is
 * counted back, by a command more:
 *
 *     ma +5 -> 2^63 + 3, which is too far -> ma +(2^64 - 5) -> what stood there
 *
 * Since that, too, is modulo 2^64, others may count in between, and each takes back its own alone.
 */
#include <stdbool.h>

#include "../../counter.h"
#include "../../error.h"
#include "client.h"

/* Whether a sum is none of ours: a sign's bit is set, or it has come round to 0. */
static bool is_too_far(uint64_t sum, int64_t amount) {
  return sum > INT64_MAX || (amount > 0 && sum < (uint64_t)amount);
}

bool cachette__mc_count_take(cachette__mc_node *node, cachette__mc_part *part, cachette_item *item,
                             const cachette__meta_token *token) {
  if (token->type != CACHETTE__META_VALUE || token->size > CACHETTE__COUNTER_DIGITS) return false;
  if (token->offset == 0 && node->filling == NULL) {
    node->filling = item;
    node->sum = 0;
  }
  const char *digits = token->bytes.data;
  for (size_t i = 0; i < token->bytes.size && digits[i] != ' '; i++) {
    if (digits[i] < '0' || digits[i] > '9') return false;
    node->sum = 10 * node->sum + (uint64_t)(digits[i] - '0');
  }
  if (!token->end) return true;
  node->filling = NULL;
  if (is_too_far(node->sum, item->amount)) {
    item->status = CACHETTE__MC_TOO_FAR;
    part->too_far++;
  } else {
    item->amount = (int64_t)node->sum;
  }
  return true;
}

uint64_t cachette__mc_count_delta(const cachette_item *item) { return 0 - (uint64_t)item->amount; }

void cachette__mc_count_fail(cachette__mc_travel *travel, size_t part) {
  for (size_t i = 0; travel->op != NULL && i < travel->parts[part].count; i++) {
    cachette_item *item = cachette__mc_item(travel, part, i);
    if (item->status == CACHETTE__MC_TOO_FAR)
      item->status = cachette__counter_fail_range(item->key, cachette__mc_error(travel));
  }
}

void cachette__mc_count_next(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  cachette__mc_part *own = &travel->parts[part];
  if (travel->op == NULL || own->too_far == 0) return;
  if (!own->again) {
    own->again = true;
    travel->open++;
    if (cachette__mc_push(node, travel, NULL, part, 0) == CACHETTE_OK) return;
    travel->open--;
  }
  cachette__mc_count_fail(travel, part);
}
