/* SPDX-License-Identifier: MIT */
/* The first steps of an exchange: begin, decide, end. */
#include "exchange.h"

#include <string.h>

#include "../base/alloc.h"
#include "conditional.h"
#include "freshness.h"
#include "key.h"
#include "usable.h"
#include "vary.h"

_Static_assert(sizeof(cachette__http_state) <= sizeof((cachette_http_exchange *)NULL)->priv,
               "the private part holds the state");

/* Computes the canonical key and its digest. */
static int find_key(cachette_http_exchange *exchange, cachette__http_state *state) {
  size_t size =
      cachette__http_key_write(state->policy, &state->asked, state->space, sizeof state->space);
  unsigned char *bytes = state->space;
  if (size > sizeof state->space) {
    bytes = state->allocated = cachette__malloc(size);
    if (bytes == NULL) return CACHETTE_ENOMEM;
    cachette__http_key_write(state->policy, &state->asked, bytes, size);
  }
  state->canonical = (cachette_slice){bytes, size};
  cachette__http_key_digest(state->canonical, exchange->index_key);
  memcpy(exchange->key, exchange->index_key, sizeof exchange->key);
  return CACHETTE_OK;
}

static void clear_verdict(cachette_http_exchange *exchange) {
  exchange->action = CACHETTE_HTTP_MISS;
  exchange->forwarded = exchange->not_stored = CACHETTE_HTTP_BECAUSE_NONE;
  exchange->status = 0;
  exchange->send_body = false;
  exchange->head_size = 0;
  exchange->body_first = exchange->body_size = exchange->age_ms = exchange->ttl_ms = 0;
  exchange->coalesce = exchange->refresh = exchange->usable_if_error = false;
  exchange->keep_ms = 0;
  exchange->store_index = exchange->invalidates = false;
}

static void init(cachette__http_state *state, const cachette_http_policy *policy) {
  state->policy = policy;
  state->allocated = state->selector = NULL;
  state->has_stored = state->has_index = state->has_response = false;
  state->is_stored_outdated = state->is_combined = state->is_joined = false;
  state->extends_index = false;
  state->question = CACHETTE__HTTP_ASK_AS_IS;
  state->missed = CACHETTE_HTTP_BECAUSE_URI_MISS;
  state->canonical = (cachette_slice){NULL, 0};
}

/* A request without a host, or with fields that cannot be trusted, has no key. */
static bool has_key(enum cachette_http_reason bypass) {
  return bypass != CACHETTE_HTTP_BECAUSE_HOST && bypass != CACHETTE_HTTP_BECAUSE_MALFORMED;
}

int cachette_http_begin(cachette_http_exchange *exchange, const cachette_http_policy *policy,
                        const cachette_http_request *request) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  clear_verdict(exchange);
  init(state, policy);
  memset(exchange->key, 0, sizeof exchange->key);
  memset(exchange->index_key, 0, sizeof exchange->index_key);
  state->bypass = cachette__http_ask(policy, request, &state->asked);
  if (has_key(state->bypass)) {
    int code = find_key(exchange, state);
    if (code < 0) return code;
  }
  if (state->bypass != CACHETTE_HTTP_BECAUSE_NONE) {
    exchange->action = CACHETTE_HTTP_PASS;
    exchange->forwarded = exchange->not_stored = state->bypass;
  }
  return CACHETTE_OK;
}

void cachette_http_end(cachette_http_exchange *exchange) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  cachette__free(state->allocated);
  cachette__free(state->selector);
  state->allocated = state->selector = NULL;
}

/* ---- Decide ---- */

bool cachette__http_answer_from(cachette_http_exchange *exchange,
                                const cachette__http_stored *stored, int64_t now_ms) {
  cachette__http_selection selection;
  const cachette__http_state *state = cachette__http_state_in(exchange);
  if (!cachette__http_select(&state->asked, stored, now_ms, &selection)) return false;
  exchange->status = selection.status;
  exchange->send_body = selection.send_body;
  exchange->body_first = selection.first;
  exchange->body_size = selection.size;
  exchange->head_size = 0;
  exchange->age_ms = cachette__http_age(stored, now_ms);
  exchange->ttl_ms = stored->lifetime_ms - exchange->age_ms;
  return true;
}

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size &&
         (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

bool cachette__http_lists(const cachette__http_stored *index,
                          const unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  const unsigned char *keys = index->variants.data;
  for (size_t i = 0; i < index->variants.size; i += CACHETTE_HTTP_KEY_SIZE) {
    if (memcmp(keys + i, key, CACHETTE_HTTP_KEY_SIZE) == 0) return true;
  }
  return false;
}

/* Goes on from an index record to the variant that the request selects. */
static bool follow_index(cachette_http_exchange *exchange, cachette__http_state *state,
                         const cachette__http_stored *index) {
  state->index = *index;
  state->has_index = true;
  cachette__http_vary_key(state->policy, &state->asked, state->canonical, index->vary,
                          index->generation, exchange->key);
  return cachette__http_lists(index, exchange->key);
}

/* Whether a stored response is one for this request; if not, `reason` says why. */
static bool is_for_request(const cachette__http_state *state, const cachette__http_stored *stored,
                           enum cachette_http_reason *reason) {
  *reason = CACHETTE_HTTP_BECAUSE_DAMAGED;
  if (!is_same(stored->key, state->canonical)) return false;
  if ((stored->flags & CACHETTE__HTTP_INDEX) != 0) return !state->has_index;
  *reason = CACHETTE_HTTP_BECAUSE_VARY_MISS;
  if (state->has_index && stored->generation != state->index.generation) return false;
  return cachette__http_vary_matches(state->policy, &state->asked, stored->vary);
}

static void take_use(cachette_http_exchange *exchange, const cachette__http_use *use) {
  exchange->action = use->action;
  exchange->forwarded = use->forwarded;
  exchange->age_ms = use->age_ms;
  exchange->ttl_ms = use->ttl_ms;
  exchange->coalesce = use->coalesce;
  exchange->refresh = use->refresh;
  exchange->usable_if_error = use->usable_if_error;
  if (use->action == CACHETTE_HTTP_ERROR) exchange->status = 504;
}

static void decide_nothing(cachette_http_exchange *exchange, enum cachette_http_reason reason) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  cachette__http_use use;
  cachette__http_use_nothing(state->policy, &state->asked, reason, &use);
  take_use(exchange, &use);
}

/*
 * A refresh wants what everyone may use: no range, and nothing that depends on what the client has.
 * A validator would not do for a partial response, because nothing says which part a 304 is about.
 * The conditions of a POST mean something else and are the client's (RFC 9110, 13.1.2).
 */
static enum cachette__http_question refresh_question(const cachette__http_state *state) {
  const cachette__http_stored *stored = &state->stored;
  if (state->asked.method == CACHETTE__HTTP_POST) return CACHETTE__HTTP_ASK_AS_IS;
  bool can_validate = cachette__http_can_validate(stored) && stored->total_size < 0;
  return can_validate ? CACHETTE__HTTP_ASK_VALIDATION : CACHETTE__HTTP_ASK_ANEW;
}

/* The stored response answers, unless it has only other bytes than the client wants. */
static void decide_answer(cachette_http_exchange *exchange, int64_t now_ms) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!cachette__http_answer_from(exchange, &state->stored, now_ms)) {
    decide_nothing(exchange, CACHETTE_HTTP_BECAUSE_PARTIAL);
    return;
  }
  exchange->head_size = state->stored.head_size;
  if (exchange->refresh) state->question = refresh_question(state);
}

/*
 * If-Match and If-Unmodified-Since are conditions on the current representation. So the cache does
 * not answer them from what may be outdated, and does not replace them by its own conditions. By
 * RFC 9111, 4.3.2, it would leave them to the origin in any case, which the policy can choose.
 */
static bool must_forward(const cachette__http_state *state, enum cachette_http_action action) {
  const cachette__http_message *message = &state->asked.message;
  if (!cachette__http_has(message, CACHETTE__HTTP_IF_MATCH) &&
      !cachette__http_has(message, CACHETTE__HTTP_IF_UNMODIFIED_SINCE))
    return false;
  return action == CACHETTE_HTTP_HIT ? state->policy->forward_preconditions
                                     : action != CACHETTE_HTTP_ERROR;
}

/* A stored response matches the request. */
static void decide_stored(cachette_http_exchange *exchange, cachette__http_state *state,
                          int64_t now_ms) {
  cachette__http_use use;
  cachette__http_may_use(state->policy, &state->asked, &state->stored, now_ms, &use);
  if (must_forward(state, use.action)) {
    decide_nothing(exchange, CACHETTE_HTTP_BECAUSE_REQUEST);
    exchange->coalesce = false;
    return;
  }
  state->has_stored = true;
  take_use(exchange, &use);
  if (use.action == CACHETTE_HTTP_HIT || use.action == CACHETTE_HTTP_STALE)
    decide_answer(exchange, now_ms);
  else if (use.action == CACHETTE_HTTP_REVALIDATE)
    state->question = CACHETTE__HTTP_ASK_VALIDATION;
}

/* Decides about the record that was read into `stored`. */
static void decide_read(cachette_http_exchange *exchange, cachette__http_state *state,
                        int64_t now_ms) {
  enum cachette_http_reason reason;
  if (!is_for_request(state, &state->stored, &reason)) {
    decide_nothing(exchange, reason);
    return;
  }
  if ((state->stored.flags & CACHETTE__HTTP_INDEX) != 0) {
    if (follow_index(exchange, state, &state->stored))
      exchange->action = CACHETTE_HTTP_VARIANT;
    else
      decide_nothing(exchange, CACHETTE_HTTP_BECAUSE_VARY_MISS);
    return;
  }
  decide_stored(exchange, state, now_ms);
}

/* Returns whether there is something to decide. */
static bool begin_decision(cachette_http_exchange *exchange, cachette__http_state *state) {
  if (state->bypass != CACHETTE_HTTP_BECAUSE_NONE) return false;
  if (exchange->forwarded != CACHETTE_HTTP_BECAUSE_NONE) state->missed = exchange->forwarded;
  clear_verdict(exchange);
  state->has_stored = false;
  state->question = CACHETTE__HTTP_ASK_AS_IS;
  return true;
}

static void end_decision(const cachette_http_exchange *exchange, cachette__http_state *state,
                         int64_t now_ms) {
  bool is_decided = exchange->action != CACHETTE_HTTP_VARIANT;
  if (is_decided && now_ms < state->asked.arrived_ms) state->asked.arrived_ms = now_ms;
}

void cachette_http_decide(cachette_http_exchange *exchange, cachette_slice record, int64_t now_ms) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!begin_decision(exchange, state)) return;
  if (record.size == 0)
    decide_nothing(exchange, state->has_index ? CACHETTE_HTTP_BECAUSE_VARY_MISS
                                              : CACHETTE_HTTP_BECAUSE_URI_MISS);
  else if (cachette__http_record_get(record, &state->stored))
    decide_read(exchange, state, now_ms);
  else
    decide_nothing(exchange, CACHETTE_HTTP_BECAUSE_DAMAGED);
  end_decision(exchange, state, now_ms);
}

/* ---- Heads that are read once ---- */

_Static_assert(sizeof(cachette__http_stored) <= sizeof((cachette_http_head *)NULL)->priv,
               "the private part holds what was read");

bool cachette_http_head_read(cachette_http_head *head, cachette_slice record) {
  cachette__http_stored stored;
  if (!cachette__http_record_get(record, &stored)) return false;
  memcpy(head->priv.bytes, &stored, sizeof stored);
  return true;
}

void cachette_http_decide_head(cachette_http_exchange *exchange, const cachette_http_head *head,
                               int64_t now_ms) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!begin_decision(exchange, state)) return;
  memcpy(&state->stored, head->priv.bytes, sizeof state->stored);
  decide_read(exchange, state, now_ms);
  end_decision(exchange, state, now_ms);
}
