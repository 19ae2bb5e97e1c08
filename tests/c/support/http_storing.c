/* SPDX-License-Identifier: MIT */
#include "http_storing.h"

#include <string.h>

#include "support.h"

struct stored_result try_to_store(const cachette_http_policy *policy,
                                  const cachette_http_request *request,
                                  const cachette_http_response *response) {
  cachette__http_asked asked;
  cachette__http_answered answered;
  struct stored_result result;
  /* Nothing of what was there before may be left. */
  memset(&result.stored, 0xa5, sizeof result.stored);
  cachette__http_ask(policy, request, &asked); /* whether it passes is not the matter here */
  cachette__http_look_at_response(policy, response, &answered);
  result.reason = cachette__http_may_store(policy, &asked, &answered, &result.stored);
  assert_int_equal(result.stored.key.size + result.stored.vary.size, 0);
  assert_int_equal(result.stored.tag_count + result.stored.field_count, 0);
  return result;
}

struct stored_result try_texts(const char *policy_words, const char *request_text,
                               const char *response_text) {
  cachette_http_policy policy = http_policy(policy_words);
  cachette_http_request *request = http_request_new(request_text);
  cachette_http_response *response = http_response_new(response_text);
  struct stored_result result = try_to_store(&policy, request, response);
  http_request_free(request);
  http_response_free(response);
  result.stored.etag.data = NULL;
  return result;
}

void check_storing(const struct storing *rows, size_t count) {
  size_t wrong = 0;
  for (size_t i = 0; i < count; i++) {
    const struct storing *row = &rows[i];
    const char *reason =
        cachette_http_reason_token(try_texts(row->policy, row->request, row->response).reason);
    if (strcmp(reason, row->reason) == 0) continue;
    print_error("%s [%s]\n%s\n%s\n  expected: %s\n  found:    %s\n", row->rule, row->policy,
                row->request, row->response, row->reason, reason);
    wrong++;
  }
  assert_int_equal(wrong, 0);
}
