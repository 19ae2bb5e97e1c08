/* SPDX-License-Identifier: MIT */
/*
 * The private part of an exchange.
 */
#ifndef CACHETTE_HTTP_EXCHANGE_H
#define CACHETTE_HTTP_EXCHANGE_H

#include "record.h"
#include "request.h"
#include "response.h"

enum {
  CACHETTE__HTTP_KEY_INLINE = 1024, /* bytes of a canonical key that need no allocation */
};

/* What the exchange has asked the origin for. */
enum cachette__http_question {
  CACHETTE__HTTP_ASKS_AS_IS,      /* the client's request */
  CACHETTE__HTTP_ASKS_VALIDATION, /* with the validators of the stored response */
  CACHETTE__HTTP_ASKS_ANEW        /* without any condition */
};

typedef struct cachette__http_state {
  const cachette_http_policy *policy;
  cachette__http_asked asked;
  cachette_slice canonical;
  void *allocated; /* the canonical key if it is long; NULL: it is in `space` */

  /* After decide(). */
  bool has_stored, has_index;
  enum cachette__http_question question;
  cachette__http_stored stored, index;

  /* After receive(). */
  bool has_response;
  cachette__http_answered answered;
  cachette__http_stored result; /* the record to write */

  /* Texts of answer() and forward(). */
  char age[24], length[24], date[32], since[32], range[72], status[256];
  unsigned char space[CACHETTE__HTTP_KEY_INLINE];
} cachette__http_state;

static inline cachette__http_state *cachette__http_state_of(cachette_http_exchange *exchange) {
  return (cachette__http_state *)(void *)exchange->priv.bytes;
}

#endif
