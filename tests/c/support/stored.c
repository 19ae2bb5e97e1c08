/* SPDX-License-Identifier: MIT */
#include "stored.h"

#include <string.h>

cachette *open_with(const char *name, const char *value, const char *second,
                    const char *second_value) {
  cachette_options *options = options_with("memory_name", "shared", NULL);
  cachette_error error;
  cachette *handle;
  if (name != NULL) assert_int_equal(cachette_options_set(options, name, value, NULL), 0);
  if (second != NULL)
    assert_int_equal(cachette_options_set(options, second, second_value, NULL), 0);
  if (cachette_open(options, &handle, &error) < 0) fail_msg("%s", error.message);
  cachette_options_free(options);
  return handle;
}

cachette *open_plain(void) { return open_with(NULL, NULL, NULL, NULL); }

cachette_slice stored(const char *key) {
  cachette *plain = open_plain();
  cachette_slice value;
  assert_int_equal(cachette_fetch(plain, cachette_str(key), &value, NULL, NULL), CACHETTE_HIT);
  cachette_close(plain);
  return value;
}

void store(const char *key, const void *bytes, size_t size) {
  cachette *plain = open_plain();
  cachette_slice value = {bytes, size};
  assert_int_equal(cachette_put(plain, cachette_str(key), value, 0, NULL), 0);
  cachette_close(plain);
}

void put_bytes(cachette *handle, const char *key, const void *bytes, size_t size) {
  cachette_error error;
  cachette_slice value = {bytes, size};
  if (cachette_put(handle, cachette_str(key), value, 0, &error) < 0) fail_msg("%s", error.message);
}

void expect_bytes(cachette *handle, const char *key, const void *bytes, size_t size) {
  cachette_error error = {.message = "a miss"};
  cachette_slice value;
  int64_t ttl_ms;
  if (cachette_fetch(handle, cachette_str(key), &value, &ttl_ms, &error) != CACHETTE_HIT)
    fail_msg("%s: %s", key, error.message);
  assert_int_equal(value.size, size);
  assert_memory_equal(value.data, bytes, size);
  assert_in_range(ttl_ms, 1, 60000);
  cachette_free(value.data);
}

void expect_refused(cachette *handle, const char *key, const char *words) {
  cachette_error error = {.message = ""};
  cachette_slice value;
  int status = cachette_fetch(handle, cachette_str(key), &value, NULL, &error);
  assert_int_equal(status, CACHETTE_ECODEC);
  assert_string_equal(error.subject, key);
  assert_non_null(strstr(error.message, words));
}
