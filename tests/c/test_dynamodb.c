/* SPDX-License-Identifier: MIT */
#include "dynamodb_server.h"
#include "support.h"
static struct dynamodb_server server;
static int start(void **state) { (void)state; dynamodb_server_share(&server); return 0; }
static int stop(void **state) { (void)state; dynamodb_server_kill(&server); return 0; }
static void what_is_put_is_fetched(void **state) {
  (void)state;
  cachette *handle = dynamodb_open(&server, NULL);
  put_text(handle, "key", "value", 0);
  assert_true(holds_text(handle, "key", "value"));
  cachette_close(handle);
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_put_is_fetched)};
  return cmocka_run_group_tests(tests, start, stop);
}
