/* SPDX-License-Identifier: MIT */
/*
 * Increments. The server counts in unsigned 64 bits, modulo 2^64, without a limit, while our
 * counters are signed. So there are two methods:
 *
 *     small amounts   ma +5: one command, after one that creates the counter if it does not exist
 *     large amounts   mg, then ma +AMOUNT if the version is unchanged; else again
 *
 * A large amount never exceeds the limit (INT64_MAX), as the sum is known in advance. A small
 * amount does if the counter is just below the limit. The reply shows this, and the second method
 * subtracts the amount again. If an earlier increment exceeded the limit and was abandoned before
 * this correction, the counter is set to the limit. memcached may fail to parse a number of more
 * than 63 bits (if a '-' happens to follow it in memory). So a counter that exceeds the limit is
 * replaced instead of incremented, with its remaining TTL.
 *
 *     FIRST  all items ---> READ  counters to read first ---> WRITE  those that can be written
 *                             ^----------- the version has changed -------'
 */
#include "../../base/counter.h"
#include "../../base/alloc.h"
#include "internal.h"

enum { MAX_DIGITS = 20 }; /* of a number from a server */

static const uint64_t limit = INT64_MAX;

static cachette_item *item_of(const cachette__mc_part *part, const cachette__mc_counter *counter) {
  return cachette__mc_item(part, counter->index);
}

/* ---- The first round ---- */

static cachette__mc_counter *add_counter(cachette__mc_part *part, size_t index) {
  if (part->counters == NULL)
    part->counters = cachette__calloc(part->count, sizeof *part->counters);
  if (part->counters == NULL || part->counter_count == part->count) return NULL;
  cachette__mc_counter *counter = &part->counters[part->counter_count++];
  *counter = (cachette__mc_counter){.index = index, .state = CACHETTE__MC_READ};
  return counter;
}

bool cachette__mc_counter_prepare(cachette__mc_part *part) {
  part->counter_count = part->cursor = part->step = 0;
  for (size_t i = 0; i < part->count; i++)
    if (cachette__mc_counter_is_large(cachette__mc_item(part, i)) && !add_counter(part, i))
      return false;
  return true;
}

/* ---- Numbers ---- */

/* Appends the digits of a token to `node->sum`. Sets `*is_number` to false if they are not digits,
 * or too many. */
static void gather(cachette__mc_node *node, const cachette__meta_token *token, bool *is_number) {
  const char *digits = token->bytes.data;
  if (token->offset == 0) {
    node->sum = 0;
    *is_number = token->size > 0 && token->size <= MAX_DIGITS;
  }
  for (size_t i = 0; *is_number && i < token->bytes.size && digits[i] != ' '; i++)
    if (digits[i] < '0' || digits[i] > '9' || __builtin_mul_overflow(node->sum, 10, &node->sum) ||
        __builtin_add_overflow(node->sum, (uint64_t)(digits[i] - '0'), &node->sum))
      *is_number = false;
}

bool cachette__mc_counter_take(cachette__mc_part *part, size_t index,
                               const cachette__meta_token *token) {
  cachette__mc_node *node = part->node;
  cachette_item *item = cachette__mc_item(part, index);
  bool is_number = true;
  if (token->type != CACHETTE__META_VALUE) return false;
  gather(node, token, &is_number);
  if (!is_number) return false;
  if (!token->end) return true;
  if (node->sum <= limit) {
    item->amount = (int64_t)node->sum;
    return true;
  }
  cachette__mc_counter *counter = add_counter(part, index);
  if (counter != NULL)
    counter->overshot = true;
  else
    item->status = cachette__counter_fail_range(item->key, cachette__mc_first_error(part->fanout));
  return true;
}

void cachette__mc_counter_refused(cachette__mc_part *part, size_t index,
                                  const cachette__meta_token *token) {
  cachette_item *item = cachette__mc_item(part, index);
  bool may_be_number = item->status >= 0 && cachette__mc_error_is_not_a_number(token->line);
  if (!may_be_number || add_counter(part, index) == NULL)
    cachette__mc_take_error(part, item, token->line);
}

/* ---- Reading and writing ---- */

static void fail_range(cachette__mc_part *part, cachette__mc_counter *counter,
                       cachette_item *item) {
  item->status = cachette__counter_fail_range(item->key, cachette__mc_first_error(part->fanout));
  counter->state = CACHETTE__MC_DONE;
}

/* Returns the counter before the item's amount was added. A counter above the limit is left over
 * from an increment that was abandoned. */
static uint64_t find_base(const cachette__mc_counter *counter, int64_t amount) {
  if (counter->sum <= limit) return counter->sum;
  uint64_t before = counter->sum - (uint64_t)amount;
  return counter->overshot && amount > 0 && before <= limit ? before : limit;
}

/* Decides what to write to a counter that was read. */
static void decide(cachette__mc_part *part, cachette__mc_counter *counter, cachette_item *item) {
  int64_t amount = item->amount, sum;
  if (counter->overshot && counter->sum <= limit) { /* another client has corrected it */
    if (amount > 0) {
      fail_range(part, counter, item);
    } else {
      item->amount = (int64_t)counter->sum;
      counter->state = CACHETTE__MC_DONE;
    }
    return;
  }
  uint64_t base = find_base(counter, amount);
  counter->fails = __builtin_add_overflow((int64_t)base, amount, &sum) && amount > 0;
  if (amount <= 0 && sum < 0) sum = 0;
  counter->fails |= counter->overshot && amount > 0;
  counter->target = counter->fails ? base : (uint64_t)sum;
  counter->state = CACHETTE__MC_WRITE;
}

static void finish_counter(cachette__mc_part *part, cachette__mc_counter *counter,
                           cachette_item *item) {
  if (counter->fails) {
    fail_range(part, counter, item);
  } else {
    item->amount = (int64_t)counter->target;
    counter->state = CACHETTE__MC_DONE;
  }
}

/* Takes a token of the counter that is read, with its version. */
static void take_read(cachette__mc_part *part, cachette__mc_counter *counter, cachette_item *item,
                      const cachette__meta_token *token) {
  if (item->status < 0) {
    if (token->end) counter->state = CACHETTE__MC_DONE;
  } else if (token->type == CACHETTE__META_VALUE) {
    if (token->line.data != NULL) {
      int64_t left_ms = token->has_flags ? cachette__mc_flags_ttl(token->flags) : 0;
      counter->version = token->cas;
      counter->ttl = token->has_ttl && token->ttl > 0 ? token->ttl : (left_ms + 999) / 1000;
    }
    gather(part->node, token, &counter->is_number);
    if (!token->end) return;
    counter->sum = part->node->sum;
    if (counter->is_number) {
      decide(part, counter, item);
    } else {
      item->status =
          cachette__counter_fail_value(item->key, cachette__mc_first_error(part->fanout));
      counter->state = CACHETTE__MC_DONE;
    }
    if (counter->state == CACHETTE__MC_WRITE && counter->target == counter->sum)
      finish_counter(part, counter, item);
  } else if (counter->overshot) { /* the counter has expired meanwhile */
    counter->sum = 0;
    decide(part, counter, item);
  }
}

/* Takes a token for the counter at the cursor. Returns false if the reply does not match the
 * command. */
static bool take_step(cachette__mc_part *part, const cachette__meta_token *token) {
  cachette__mc_counter *counter = &part->counters[part->cursor];
  cachette_item *item = item_of(part, counter);
  bool is_error = token->type == CACHETTE__META_ERROR;
  if (is_error) cachette__mc_take_error(part, item, token->line);
  if (part->round == CACHETTE__MC_WRITE) {
    bool is_done = token->type == CACHETTE__META_HEADER || token->type == CACHETTE__META_VALUE;
    if (is_error)
      counter->state = CACHETTE__MC_DONE;
    else if (!is_done)
      counter->state = CACHETTE__MC_READ; /* the version has changed */
    else if (token->end)
      finish_counter(part, counter, item);
  } else if (part->step == 0 && !counter->overshot) {
    part->step = 1;
    if (is_error) return true;
    if (token->type == CACHETTE__META_HEADER)
      item->status = CACHETTE_MISS;
    else if (part->round == CACHETTE__MC_FIRST)
      item->status = CACHETTE_HIT;
    return token->type != CACHETTE__META_VALUE;
  } else {
    take_read(part, counter, item, token);
  }
  if (!token->end) return true;
  part->cursor++;
  part->step = 0;
  return true;
}

bool cachette__mc_counter_step(cachette__mc_part *part, const cachette__meta_token *token) {
  while (part->round != CACHETTE__MC_FIRST && part->cursor < part->counter_count &&
         part->counters[part->cursor].state != part->round)
    part->cursor++;
  return part->cursor < part->counter_count && take_step(part, token);
}

/* ---- The next rounds ---- */

size_t cachette__mc_counter_replies(const cachette__mc_part *part) {
  size_t replies = 0;
  for (size_t i = 0; i < part->counter_count; i++) {
    const cachette__mc_counter *counter = &part->counters[i];
    if (counter->state != part->round) continue;
    replies += part->round == CACHETTE__MC_READ && !counter->overshot ? 2 : 1;
  }
  return replies;
}

bool cachette__mc_counter_encode(cachette__mc_part *part) {
  const cachette__mc_protocol *protocol = part->node->protocol;
  bool is_encoded = true;
  part->cursor = part->step = 0;
  for (size_t i = 0; is_encoded && i < part->counter_count; i++) {
    const cachette__mc_counter *counter = &part->counters[i];
    const cachette_item *item = item_of(part, counter);
    if (counter->state != part->round) continue;
    is_encoded = part->round == CACHETTE__MC_WRITE
                     ? protocol->encode_write(part->node, item, counter)
                     : protocol->encode_read(part->node, item, !counter->overshot);
  }
  return is_encoded;
}

void cachette__mc_counter_fail(cachette__mc_part *part, int code, const char *message) {
  cachette__mc_fanout *fanout = part->fanout;
  fanout->part_code = code;
  for (size_t i = 0; fanout->op != NULL && i < part->counter_count; i++) {
    cachette__mc_counter *counter = &part->counters[i];
    cachette_item *item = item_of(part, counter);
    if (counter->state == CACHETTE__MC_DONE) continue;
    if (counter->overshot && item->amount > 0)
      fail_range(part, counter, item);
    else
      cachette__mc_fail(fanout, item, code, "%s", message);
  }
}

/* Removes the counters that are done. Returns whether some can be written; else all are read. */
static bool remove_done(cachette__mc_part *part) {
  size_t left = 0;
  bool writes = false;
  for (size_t i = 0; i < part->counter_count; i++) {
    if (part->counters[i].state == CACHETTE__MC_DONE) continue;
    writes |= part->counters[i].state == CACHETTE__MC_WRITE;
    part->counters[left++] = part->counters[i];
  }
  part->counter_count = left;
  return writes;
}

void cachette__mc_counter_continue(cachette__mc_part *part) {
  const char *reason;
  if (part->fanout->op == NULL || part->counter_count == 0) return;
  bool writes = remove_done(part);
  if (part->counter_count == 0) return;
  part->round = writes ? CACHETTE__MC_WRITE : CACHETTE__MC_READ;
  int code = cachette__mc_push(part, 0, &reason);
  if (code < 0) cachette__mc_counter_fail(part, code, cachette_strerror(code));
}
