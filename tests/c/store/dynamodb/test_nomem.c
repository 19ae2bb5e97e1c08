/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of the DynamoDB store fails in turn, including those of Jansson. Those of libcurl
 * do not, because it keeps connections and threads beyond a handle.
 */
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "dynamodb_server.h"
#include "nomem.h"
#include "store/common/module.h"
#include "support.h"

static struct dynamodb_server server;

static char longest[3001]; /* a key that is stored as its hash */

static const struct nomem_call calls[] = {
    {CACHETTE_PUT, .keys = {"ns:1", "ns:2", "ns:1", longest}},
    {CACHETTE_PUT, .keys = {longest}},
    {CACHETTE_PUT, CACHETTE_IF_ABSENT, .keys = {"ns:1", "ns:2", "ns:1", longest}},
    {CACHETTE_FETCH, CACHETTE_WITH_TTL, .keys = {"ns:1", "ns:2", "ns:1", longest}},
    {CACHETTE_FETCH, .keys = {"ns:1"}},
    {CACHETTE_EXISTS, .keys = {"ns:1", "ns:2", "ns:1", longest}},
    {CACHETTE_TOUCH, .keys = {"ns:1", "ns:2", "ns:1", longest}},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_INCREMENT, .keys = {"counter"}, .amount = 1},
    {CACHETTE_PUT, .keys = {"digits"}, .value = "41"},
    {CACHETTE_INCREMENT, .keys = {"digits"}, .amount = 1},
    {CACHETTE_CLEAR, .keys = {"ns:2"}},
    {CACHETTE_CLEAR_NAMESPACE, .keys = {"ns"}},
    {.verb = CACHETTE_FLUSH_EXPIRED},
    {.verb = CACHETTE_PING},
    {.verb = CACHETTE_FLUSH},
};

static cachette_options *create_options(const char *prefix) {
  return options_with("backend", "dynamodb", "dynamodb_url", server.url, "aws_access_key_id", "id",
                      "aws_secret_access_key", "secret", "consistent_read", "true", "timeout", "10",
                      "key_prefix", prefix, NULL);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  cachette_options *options = create_options("nomem:"), *others = create_options("other:");
  struct nomem_store store = {
      options, calls, LENGTH(calls), {CACHETTE_EBACKEND, CACHETTE_EUNAVAILABLE}};
  memset(longest, 'l', sizeof longest - 1);
  assert_int_equal(nomem_use_store(&store), 0);
  cachette *other = open_cache(others);
  put_text(other, "key", "value", 3600000);
  assert_true(nomem_some(nomem_use_store, &store, 300, 7) > 300);
  assert_true(has_text(other, "key", "value"));
  cachette_close(other);
  cachette_options_free(options);
}

static int start(void **state) {
  (void)state;
  dynamodb_server_share(&server);
  /* Makes the libraries allocate what they keep for the whole process. */
  cachette_close(dynamodb_open(&server, NULL));
  return 0;
}

static int stop(void **state) {
  (void)state;
  dynamodb_server_kill(&server);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_failing_allocation_is_handled)};
  failing_allocator_install();
  json_set_alloc_funcs(cachette__malloc, cachette__free);
  return cmocka_run_group_tests_name("dynamodb_nomem", tests, start, stop);
}
