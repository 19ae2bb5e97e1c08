/* SPDX-License-Identifier: MIT */
/* The step of an exchange after the origin has answered, or failed. */
#include <string.h>

#include "../base/alloc.h"
#include "exchange.h"
#include "invalidate.h"
#include "key.h"
#include "storable.h"
#include "usable.h"
#include "vary.h"

static void pass(cachette_http_exchange *exchange, enum cachette_http_reason reason) {
  exchange->action = CACHETTE_HTTP_PASS;
  exchange->not_stored = reason;
  exchange->keep_ms = 0;
  exchange->store_index = false;
}

/* Answers from the stored response because the origin failed. False: that is not allowed. */
static bool answer_despite_error(cachette_http_exchange *exchange, cachette__http_state *state,
                                 int status, int64_t now_ms) {
  if (!state->has_stored || !cachette__http_may_use_on_error(state->policy, &state->asked,
                                                             &state->stored, status, now_ms))
    return false;
  if (!cachette__http_answer_from(exchange, &state->stored, now_ms)) return false;
  exchange->action = CACHETTE_HTTP_STALE;
  exchange->not_stored = CACHETTE_HTTP_BECAUSE_ORIGIN_ERROR;
  exchange->refresh = false;
  return true;
}

/* ---- What is stored ---- */

/*
 * Finds the selector and the key of a response that varies, or whose URI has an index already: then
 * it varies on what others of this URI vary on, too. New names begin a new generation, since the
 * keys of the variants depend on the names.
 */
static bool find_variant(cachette_http_exchange *exchange, cachette__http_state *state) {
  cachette_slice known = {NULL, 0};
  if (state->has_stored) known = state->stored.vary;
  if (state->has_index) known = state->index.vary;
  const cachette__http_message *response = &state->answered.message;
  size_t size = cachette__http_vary_write(state->policy, &state->asked, response, known, NULL, 0);
  memcpy(exchange->key, exchange->index_key, sizeof exchange->key);
  state->extends_index = false;
  if (size == 0) return true;
  cachette__free(state->selector);
  state->selector = cachette__malloc(size);
  if (state->selector == NULL) return false;
  cachette__http_vary_write(state->policy, &state->asked, response, known, state->selector, size);
  state->result.vary = (cachette_slice){state->selector, size};
  bool same = state->has_index && cachette__http_vary_same_names(known, state->result.vary);
  if (same) state->result.generation = state->index.generation;
  cachette__http_vary_key(state->policy, &state->asked, state->canonical, state->result.vary,
                          state->result.generation, exchange->key);
  exchange->store_index = !same || !cachette__http_lists(&state->index, exchange->key);
  state->extends_index = same;
  return true;
}

/* Prepares to write `result`, whose numbers are known, under its key. Returns why that is not
 * possible, or NONE. */
static enum cachette_http_reason keep(cachette_http_exchange *exchange, cachette__http_state *state,
                                      int64_t now_ms) {
  state->result.key = state->canonical;
  state->result.generation = state->answered.response->random;
  state->result.vary = (cachette_slice){NULL, 0};
  if (!find_variant(exchange, state)) return CACHETTE_HTTP_BECAUSE_NO_MEMORY;
  exchange->keep_ms = cachette__http_keep_ms(&state->result, now_ms);
  if (exchange->keep_ms > CACHETTE_TTL_MAX) exchange->keep_ms = CACHETTE_TTL_MAX;
  /* It ended while it was on its way. A store could take a TTL of 0 for its default. */
  return exchange->keep_ms > 0 ? CACHETTE_HTTP_BECAUSE_NONE : CACHETTE_HTTP_BECAUSE_NOT_FRESH;
}

/* Stores `result`, unless there is a reason not to. */
static void store(cachette_http_exchange *exchange, cachette__http_state *state,
                  enum cachette_http_reason reason, int64_t now_ms) {
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = keep(exchange, state, now_ms);
  if (reason != CACHETTE_HTTP_BECAUSE_NONE) {
    pass(exchange, reason);
    return;
  }
  exchange->action = CACHETTE_HTTP_STORE;
  exchange->not_stored = CACHETTE_HTTP_BECAUSE_NONE;
}

static void receive_new(cachette_http_exchange *exchange, cachette__http_state *state,
                        int64_t now_ms) {
  enum cachette_http_reason reason =
      cachette__http_may_store(state->policy, &state->asked, &state->answered, &state->result);
  store(exchange, state, reason, now_ms);
}

/* A 206 with bytes of the stored response: what both have is stored. */
static void receive_part(cachette_http_exchange *exchange, cachette__http_state *state,
                         int64_t now_ms) {
  state->is_combined =
      cachette__http_combine_ranges(&state->answered, &state->stored, &state->combination);
  enum cachette_http_reason reason = cachette__http_freshen(
      state->policy, &state->asked, &state->answered, &state->stored, &state->result);
  store(exchange, state, reason, now_ms);
}

/* Whether a reason is of this request or of this cache, and not of the response. Others may go on
 * to use what is stored. */
static bool is_passing(const cachette__http_state *state, enum cachette_http_reason reason) {
  return (state->asked.control.directives & CACHETTE__HTTP_NO_STORE) != 0 ||
         reason == CACHETTE_HTTP_BECAUSE_CREDENTIALS || reason == CACHETTE_HTTP_BECAUSE_NO_MEMORY;
}

/* The stored response answers, but is not stored again, and is forgotten. */
static void keep_no_longer(cachette_http_exchange *exchange, cachette__http_state *state,
                           enum cachette_http_reason reason) {
  memcpy(exchange->key, state->stored_key, sizeof exchange->key);
  exchange->not_stored = reason;
  exchange->keep_ms = 0;
  exchange->store_index = false;
  exchange->invalidates = state->is_stored_outdated = !is_passing(state, reason);
}

static void receive_valid(cachette_http_exchange *exchange, cachette__http_state *state,
                          int64_t now_ms) {
  memcpy(state->stored_key, exchange->key, sizeof exchange->key);
  enum cachette_http_reason reason = cachette__http_freshen(
      state->policy, &state->asked, &state->answered, &state->stored, &state->result);
  if (reason == CACHETTE_HTTP_BECAUSE_NONE) reason = keep(exchange, state, now_ms);
  exchange->action = CACHETTE_HTTP_FRESHEN;
  exchange->not_stored = CACHETTE_HTTP_BECAUSE_NONE;
  if (reason != CACHETTE_HTTP_BECAUSE_NONE) keep_no_longer(exchange, state, reason);
  if (!cachette__http_answer_from(exchange, &state->result, now_ms))
    pass(exchange, CACHETTE_HTTP_BECAUSE_RANGE);
}

static void receive_related(cachette_http_exchange *exchange, cachette__http_state *state,
                            int64_t now_ms) {
  const cachette__http_stored *stored = state->has_stored ? &state->stored : NULL;
  bool was_validated = state->question == CACHETTE__HTTP_ASK_VALIDATION;
  switch (cachette__http_relate(state->policy, &state->asked, &state->answered, stored,
                                was_validated)) {
    case CACHETTE__HTTP_FRESHENS:
      receive_valid(exchange, state, now_ms);
      break;
    case CACHETTE__HTTP_COMPLETES:
      receive_part(exchange, state, now_ms);
      break;
    case CACHETTE__HTTP_CONTRADICTS:
      exchange->action = CACHETTE_HTTP_REFETCH;
      exchange->forwarded = CACHETTE_HTTP_BECAUSE_CHANGED;
      exchange->usable_if_error = false;
      exchange->invalidates = state->is_stored_outdated = true;
      state->question = CACHETTE__HTTP_ASK_ANEW;
      state->has_stored = false;
      break;
    case CACHETTE__HTTP_OUTDATES:
      pass(exchange, CACHETTE_HTTP_BECAUSE_METHOD);
      exchange->invalidates = state->is_stored_outdated = true;
      break;
    case CACHETTE__HTTP_NOT_OURS:
      pass(exchange, CACHETTE_HTTP_BECAUSE_NOT_MODIFIED);
      break;
    case CACHETTE__HTTP_UNRELATED:
      receive_new(exchange, state, now_ms);
      break;
  }
}

void cachette_http_receive(cachette_http_exchange *exchange, const cachette_http_response *response,
                           int64_t now_ms) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  exchange->store_index = exchange->invalidates = false;
  exchange->keep_ms = 0;
  state->is_stored_outdated = state->is_combined = state->is_joined = false;
  state->has_response = response != NULL;
  if (response != NULL) cachette__http_look_at_response(state->policy, response, &state->answered);
  if (answer_despite_error(exchange, state, response != NULL ? response->status : 0, now_ms))
    return;
  if (response == NULL) {
    pass(exchange, CACHETTE_HTTP_BECAUSE_ORIGIN_ERROR);
    return;
  }
  exchange->invalidates =
      state->canonical.size > 0 && cachette__http_invalidates(&state->asked, &state->answered);
  if (state->bypass == CACHETTE_HTTP_BECAUSE_NONE)
    receive_related(exchange, state, now_ms);
  else
    pass(exchange, state->bypass);
}

bool cachette_http_invalidated(cachette_http_exchange *exchange, size_t index,
                               unsigned char key[CACHETTE_HTTP_KEY_SIZE], cachette_slice *tag) {
  cachette__http_state *state = cachette__http_state_of(exchange);
  if (!exchange->invalidates) return false;
  if (state->is_stored_outdated) {
    if (index > 0) return false;
    memcpy(key, exchange->key, CACHETTE_HTTP_KEY_SIZE);
    *tag = (cachette_slice){NULL, 0};
    return true;
  }
  return cachette__http_invalidated_item(state->policy, &state->asked, &state->answered,
                                         state->canonical, exchange->index_key, index, key,
                                         state->tag, sizeof state->tag, tag);
}
