/* SPDX-License-Identifier: MIT */
/*
 * Increments. The server counts in 64 bits without a sign, modulo 2^64, and cannot be told where to
 * stop, while our counters have a sign. So there are two ways:
 *
 *     small amounts   ma +5: one command, after one that makes the counter if there is none
 *     large ones      mg -> ma +AMOUNT, if the version is still the one that was read; or again
 *
 * A large amount never goes too far, for the sum is known before. A small one does where the
 * counter stands a little below the limit. That is seen in the answer, and put right by the second
 * way: the counter is set back by what was added. So it is where a former increment went too far
 * and was given up before it could be put right: the counter then stands at the limit again.
 * memcached takes a number of more than 63 bits for none if there happens to be a '-' behind it in
 * its memory. So a counter that is beyond the limit is not counted but put anew, with the time that
 * it has left.
 *
 *     FIRST  all items ---> READ  what is to be compared ---> WRITE  what can be counted
 *                             ^------------ another was quicker -----------'
 */
#include "../../base/alloc.h"
#include "../../base/counter.h"
#include "../../base/error.h"
#include "internal.h"

enum { DIGITS_MOST = 20 }; /* of a number of the server's */

#define LARGE (INT64_C(1) << 32)

static const uint64_t limit = INT64_MAX;

bool cachette__mc_count_is_large(const cachette_item *item) {
  return item->amount >= LARGE || item->amount <= -LARGE;
}

static cachette_item *item_of(const cachette__mc_travel *travel, size_t part,
                              const cachette__mc_count *count) {
  return cachette__mc_item(travel, part, count->place);
}

/* ---- The first round ---- */

static cachette__mc_count *add_count(cachette__mc_part *part, size_t place) {
  if (part->counts == NULL) part->counts = cachette__calloc(part->count, sizeof *part->counts);
  if (part->counts == NULL || part->count_count == part->count) return NULL;
  cachette__mc_count *count = &part->counts[part->count_count++];
  *count = (cachette__mc_count){.place = place, .state = CACHETTE__MC_READ};
  return count;
}

bool cachette__mc_count_prepare(cachette__mc_travel *travel, size_t part) {
  cachette__mc_part *own = &travel->parts[part];
  own->count_count = own->cursor = own->step = 0;
  for (size_t i = 0; i < own->count; i++)
    if (cachette__mc_count_is_large(cachette__mc_item(travel, part, i)) && !add_count(own, i))
      return false;
  return true;
}

/* ---- Numbers, as they come ---- */

/* Gathers digits. `*is_number`: false once they are none, or too many. */
static void gather(cachette__mc_node *node, const cachette__meta_token *token, bool *is_number) {
  const char *digits = token->bytes.data;
  if (token->offset == 0) {
    node->sum = 0;
    *is_number = token->size > 0 && token->size <= DIGITS_MOST;
  }
  for (size_t i = 0; *is_number && i < token->bytes.size && digits[i] != ' '; i++)
    if (digits[i] < '0' || digits[i] > '9' || __builtin_mul_overflow(node->sum, 10, &node->sum) ||
        __builtin_add_overflow(node->sum, (uint64_t)(digits[i] - '0'), &node->sum))
      *is_number = false;
}

bool cachette__mc_count_take(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                             size_t place, const cachette__meta_token *token) {
  cachette_item *item = cachette__mc_item(travel, part, place);
  bool is_number = true;
  if (token->type != CACHETTE__META_VALUE) return false;
  gather(node, token, &is_number);
  if (!is_number) return false;
  if (!token->end) return true;
  if (node->sum <= limit) {
    item->amount = (int64_t)node->sum;
    return true;
  }
  cachette__mc_count *count = add_count(&travel->parts[part], place);
  if (count != NULL)
    count->overshot = true;
  else
    item->status = cachette__counter_fail_range(item->key, cachette__mc_error(travel));
  return true;
}

void cachette__mc_count_refused(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                                size_t place, const cachette__meta_token *token) {
  cachette_item *item = cachette__mc_item(travel, part, place);
  bool looks = item->status >= 0 && cachette__mc_is_no_number(token->line);
  if (!looks || add_count(&travel->parts[part], place) == NULL)
    cachette__mc_take_fault(node, travel, item, token->line);
}

/* ---- Comparing ---- */

static void fail_range(cachette__mc_travel *travel, cachette__mc_count *count,
                       cachette_item *item) {
  item->status = cachette__counter_fail_range(item->key, cachette__mc_error(travel));
  count->state = CACHETTE__MC_DONE;
}

/* What the counter was before the item's amount; a number beyond the limit is what is left of
 * increments that were given up. */
static uint64_t find_base(const cachette__mc_count *count, int64_t amount) {
  if (count->sum <= limit) return count->sum;
  uint64_t before = count->sum - (uint64_t)amount;
  return count->overshot && amount > 0 && before <= limit ? before : limit;
}

/* The counter was read: decides what it has to become. */
static void decide(cachette__mc_travel *travel, cachette__mc_count *count, cachette_item *item) {
  int64_t amount = item->amount, sum;
  if (count->overshot && count->sum <= limit) { /* others have put it right */
    if (amount > 0) {
      fail_range(travel, count, item);
    } else {
      item->amount = (int64_t)count->sum;
      count->state = CACHETTE__MC_DONE;
    }
    return;
  }
  uint64_t base = find_base(count, amount);
  count->fails = __builtin_add_overflow((int64_t)base, amount, &sum) && amount > 0;
  if (amount <= 0 && sum < 0) sum = 0;
  count->fails |= count->overshot && amount > 0;
  count->target = count->fails ? base : (uint64_t)sum;
  count->state = CACHETTE__MC_WRITE;
}

static void end_count(cachette__mc_travel *travel, cachette__mc_count *count, cachette_item *item) {
  if (count->fails) {
    fail_range(travel, count, item);
  } else {
    item->amount = (int64_t)count->target;
    count->state = CACHETTE__MC_DONE;
  }
}

/* What stands there, with its version. */
static void take_read(cachette__mc_node *node, cachette__mc_travel *travel,
                      cachette__mc_count *count, cachette_item *item,
                      const cachette__meta_token *token) {
  if (item->status < 0) {
    if (token->end) count->state = CACHETTE__MC_DONE;
  } else if (token->type == CACHETTE__META_VALUE) {
    if (token->line.data != NULL) {
      int64_t left_ms = token->has_flags ? cachette__mc_flags_ttl(token->flags) : 0;
      count->version = token->cas;
      count->left = token->has_ttl && token->ttl > 0 ? token->ttl : (left_ms + 999) / 1000;
    }
    gather(node, token, &count->is_number);
    if (!token->end) return;
    count->sum = node->sum;
    if (count->is_number) {
      decide(travel, count, item);
    } else {
      item->status = cachette__counter_fail_value(item->key, cachette__mc_error(travel));
      count->state = CACHETTE__MC_DONE;
    }
    if (count->state == CACHETTE__MC_WRITE && count->target == count->sum)
      end_count(travel, count, item);
  } else if (count->overshot) { /* it has ended meanwhile */
    count->sum = 0;
    decide(travel, count, item);
  }
}

/* The answer to a command of a part whose item is compared. False: it is none. */
static bool take_step(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                      const cachette__meta_token *token) {
  cachette__mc_part *own = &travel->parts[part];
  cachette__mc_count *count = &own->counts[own->cursor];
  cachette_item *item = item_of(travel, part, count);
  bool is_fault = token->type == CACHETTE__META_ERROR;
  if (is_fault) cachette__mc_take_fault(node, travel, item, token->line);
  if (own->round == CACHETTE__MC_WRITE) {
    bool is_done = token->type == CACHETTE__META_HEADER || token->type == CACHETTE__META_VALUE;
    if (is_fault)
      count->state = CACHETTE__MC_DONE;
    else if (!is_done)
      count->state = CACHETTE__MC_READ; /* another was quicker */
    else if (token->end)
      end_count(travel, count, item);
  } else if (own->step == 0 && !count->overshot) {
    own->step = 1;
    if (is_fault) return true;
    if (token->type == CACHETTE__META_HEADER)
      item->status = CACHETTE_MISS;
    else if (own->round == CACHETTE__MC_FIRST)
      item->status = CACHETTE_HIT;
    return token->type != CACHETTE__META_VALUE;
  } else {
    take_read(node, travel, count, item, token);
  }
  if (!token->end) return true;
  own->cursor++;
  own->step = 0;
  return true;
}

bool cachette__mc_count_step(cachette__mc_node *node, cachette__mc_travel *travel, size_t part,
                             const cachette__meta_token *token) {
  cachette__mc_part *own = &travel->parts[part];
  while (own->round != CACHETTE__MC_FIRST && own->cursor < own->count_count &&
         own->counts[own->cursor].state != own->round)
    own->cursor++;
  return own->cursor < own->count_count && take_step(node, travel, part, token);
}

/* ---- The rounds that follow ---- */

size_t cachette__mc_count_replies(const cachette__mc_part *part) {
  size_t replies = 0;
  for (size_t i = 0; i < part->count_count; i++) {
    const cachette__mc_count *count = &part->counts[i];
    if (count->state != part->round) continue;
    replies += part->round == CACHETTE__MC_READ && !count->overshot ? 2 : 1;
  }
  return replies;
}

bool cachette__mc_count_encode(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  cachette__mc_part *own = &travel->parts[part];
  bool sasl = node->store->settings->sasl, fine = true;
  own->cursor = own->step = 0;
  for (size_t i = 0; fine && i < own->count_count; i++) {
    const cachette__mc_count *count = &own->counts[i];
    const cachette_item *item = item_of(travel, part, count);
    if (count->state != own->round) continue;
    if (own->round == CACHETTE__MC_WRITE)
      fine = sasl ? cachette__mc_sasl_encode_write(node, item, count)
                  : cachette__mc_encode_write(node, item, count);
    else
      fine = sasl ? cachette__mc_sasl_encode_read(node, item, !count->overshot)
                  : cachette__mc_encode_read(node, item, !count->overshot);
  }
  return fine;
}

void cachette__mc_count_fail(cachette__mc_travel *travel, size_t part, int code,
                             const char *message) {
  cachette__mc_part *own = &travel->parts[part];
  travel->lost = code;
  for (size_t i = 0; travel->op != NULL && i < own->count_count; i++) {
    cachette_item *item = item_of(travel, part, &own->counts[i]);
    if (own->counts[i].state == CACHETTE__MC_DONE) continue;
    if (own->counts[i].overshot && item->amount > 0)
      fail_range(travel, &own->counts[i], item);
    else
      cachette__mc_fail(travel, item, code, "%s", message);
  }
}

/* Takes out those that are done. Whether there are some to be written, else to be read. */
static bool clear_up(cachette__mc_part *part) {
  size_t left = 0;
  bool writes = false;
  for (size_t i = 0; i < part->count_count; i++) {
    if (part->counts[i].state == CACHETTE__MC_DONE) continue;
    writes |= part->counts[i].state == CACHETTE__MC_WRITE;
    part->counts[left++] = part->counts[i];
  }
  part->count_count = left;
  return writes;
}

void cachette__mc_count_next(cachette__mc_node *node, cachette__mc_travel *travel, size_t part) {
  cachette__mc_part *own = &travel->parts[part];
  if (travel->op == NULL || own->count_count == 0) return;
  bool writes = clear_up(own);
  if (own->count_count == 0) return;
  own->round = writes ? CACHETTE__MC_WRITE : CACHETTE__MC_READ;
  travel->open++;
  int code = cachette__mc_push(node, travel, NULL, part, 0);
  if (code == CACHETTE_OK) return;
  travel->open--;
  cachette__mc_count_fail(travel, part, code, cachette_strerror(code));
}
