/* SPDX-License-Identifier: MIT */
/*
 * The private part of an exchange, and the steps that fill it. exchange.c begins, decides and ends;
 * receive.c takes the origin's response; keep.c writes records; answer.c and forward.c list fields.
 */
#ifndef CACHETTE_HTTP_EXCHANGE_H
#define CACHETTE_HTTP_EXCHANGE_H

#include "cache_status.h"
#include "record.h"
#include "request.h"
#include "response.h"
#include "update.h"

enum {
  CACHETTE__HTTP_KEY_INLINE = 1024, /* bytes of a canonical key that need no allocation */
  CACHETTE__HTTP_VARIANTS_MAX = 8,  /* responses that an index lists */
};

/* What the origin is asked. */
enum cachette__http_question {
  CACHETTE__HTTP_ASK_AS_IS,      /* the client's request */
  CACHETTE__HTTP_ASK_VALIDATION, /* with the validators of the stored response */
  CACHETTE__HTTP_ASK_ANEW        /* without any condition */
};

typedef struct cachette__http_state {
  const cachette_http_policy *policy;
  cachette__http_asked asked;
  enum cachette_http_reason bypass; /* why the request has nothing to do with the cache; or NONE */
  cachette_slice canonical;
  void *allocated; /* the canonical key if it is long; NULL: it is in `space` */

  /* Filled by decide(). */
  bool has_stored, has_index;
  enum cachette__http_question question;
  enum cachette_http_reason missed; /* why the origin was to be asked, before the last decision */
  cachette__http_stored stored, index;

  /* Filled by receive(). */
  bool has_response, is_stored_outdated;
  bool is_combined, is_joined; /* the bodies are to be joined, and were */
  bool extends_index; /* the variants of `index` stay: the response varies on the same fields */
  cachette__http_answered answered;
  cachette__http_stored result;                     /* what is written */
  unsigned char stored_key[CACHETTE_HTTP_KEY_SIZE]; /* of the response that a 304 validated */
  void *selector;                                   /* of `result`, allocated */
  cachette__http_combination combination;

  /* Texts of answer(), forward() and invalidated(), which the fields point to. */
  char age[24], length[24], date[32], range[72], status[CACHETTE__HTTP_CACHE_STATUS_MAX], tag[512];
  unsigned char space[CACHETTE__HTTP_KEY_INLINE];
} cachette__http_state;

static inline cachette__http_state *cachette__http_state_of(cachette_http_exchange *exchange) {
  return (cachette__http_state *)(void *)exchange->priv.bytes;
}

static inline const cachette__http_state *cachette__http_state_in(
    const cachette_http_exchange *exchange) {
  return (const cachette__http_state *)(const void *)exchange->priv.bytes;
}

/* Fills the verdict's answer from a stored response at a time. False: see cachette__http_select().
 */
bool cachette__http_answer_from(cachette_http_exchange *exchange,
                                const cachette__http_stored *stored, int64_t now_ms);

/* Returns whether an index lists the key of a variant. */
bool cachette__http_lists(const cachette__http_stored *index,
                          const unsigned char key[CACHETTE_HTTP_KEY_SIZE]);

#endif
