/* SPDX-License-Identifier: MIT */
/* The texts with which the other tests write messages: what they mean. */
#include "http_message.h"

#include <stdlib.h>
#include <string.h>

static void lines_are_fields_in_their_order(void **state) {
  (void)state;
  cachette_http_fields fields = http_fields_new("A: 1\nb:  two words \nA:\n");
  assert_int_equal(fields.count, 3);
  assert_slice(fields.list[0].name, "A");
  assert_slice(fields.list[0].value, "1");
  assert_slice(fields.list[1].name, "b");
  assert_slice(fields.list[1].value, "two words");
  assert_null(fields.list[2].value.data);
  assert_slice(http_value(fields, "B"), "two words");
  assert_int_equal(http_value(fields, "a").size, 0);
  http_fields_free(fields);
  assert_int_equal(http_fields_new("").count, 0);
}

static void values_may_be_dates_and_have_control_characters(void **state) {
  (void)state;
  cachette_http_fields fields = http_fields_new("Date: @0\nAge: @-86400\nX: a^J^@b^^\nE: \"^\"");
  assert_slice(fields.list[0].value, "Sun, 06 Nov 2044 08:49:37 GMT");
  assert_slice(fields.list[1].value, "Sat, 05 Nov 2044 08:49:37 GMT");
  assert_int_equal(fields.list[2].value.size, 5);
  assert_memory_equal(fields.list[2].value.data, "a\n\0b\x1e", 5);
  assert_slice(fields.list[3].value, "\"^\"");
  http_fields_free(fields);
}

static void a_request_has_a_method_and_a_uri(void **state) {
  (void)state;
  cachette_http_request *request =
      http_request_new("GET https://example.com:8/a%3F/b?c?d\nHost: x");
  assert_slice(request->method, "GET");
  assert_slice(request->scheme, "https");
  assert_slice(request->authority, "example.com:8");
  assert_slice(request->path, "/a%3F/b");
  assert_slice(request->query, "c?d");
  assert_slice(http_value(request->fields, "host"), "x");
  http_request_free(request);
}

static void an_empty_query_is_not_the_same_as_none(void **state) {
  (void)state;
  cachette_http_request *none = http_request_new("OPTIONS *"), *empty = http_request_new("GET /?");
  assert_slice(none->path, "*");
  assert_null(none->query.data);
  assert_int_equal(none->authority.size + none->fields.count, 0);
  assert_slice(empty->path, "/");
  assert_non_null(empty->query.data);
  assert_int_equal(empty->query.size, 0);
  http_request_free(none);
  http_request_free(empty);
}

static void a_response_has_a_status_times_and_a_size(void **state) {
  (void)state;
  cachette_http_response *response = http_response_new("404\nAge: 1");
  assert_int_equal(response->status, 404);
  assert_int_equal(response->received_ms, HTTP_NOW_MS);
  assert_slice(http_value(response->fields, "age"), "1");
  assert_int_equal(response->body_size, -1);
  http_response_free(response);
  response = http_response_new("206 body=10 asked=-1500\nAge: 1");
  assert_int_equal(response->status, 206);
  assert_int_equal(response->body_size, 10);
  assert_int_equal(response->requested_ms, HTTP_NOW_MS - 1500);
  assert_int_equal(response->received_ms, HTTP_NOW_MS);
  assert_int_equal(response->fields.count, 1);
  http_response_free(response);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_are_fields_in_their_order),
      cmocka_unit_test(values_may_be_dates_and_have_control_characters),
      cmocka_unit_test(a_request_has_a_method_and_a_uri),
      cmocka_unit_test(an_empty_query_is_not_the_same_as_none),
      cmocka_unit_test(a_response_has_a_status_times_and_a_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
