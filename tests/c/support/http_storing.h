/* SPDX-License-Identifier: MIT */
/* Rows of tables about storing: a policy, a request, a response, and why it is not stored. */
#ifndef CACHETTE_TESTS_HTTP_STORING_H
#define CACHETTE_TESTS_HTTP_STORING_H

#include "http/storable.h"
#include "http_message.h"
#include "http_policy.h"

/* Field lines of a response that is fresh for a minute. */
#define FRESH "\nCache-Control: max-age=60"

/*
 * A row. The sections in `rule` are those of RFC 9111, unless another one is named. `reason` is the
 * token of the reason why the response is not stored; "": it is stored.
 */
struct storing {
  const char *rule, *policy, *request, *response, *reason;
};

/* Checks all rows, and prints those that are wrong. */
void check_storing(const struct storing *rows, size_t count);

struct stored_result {
  enum cachette_http_reason reason;
  cachette__http_stored stored; /* its slices point into the response */
};

/* Asks whether a response may be stored. */
struct stored_result try_to_store(const cachette_http_policy *policy,
                                  const cachette_http_request *request,
                                  const cachette_http_response *response);

/* The same for texts. The entity tag of the result has a size, but no data. */
struct stored_result try_texts(const char *policy, const char *request, const char *response);

#endif
