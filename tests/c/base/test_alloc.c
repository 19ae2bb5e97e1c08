/* SPDX-License-Identifier: MIT */
/* The library's allocator: sizes of 0, sizes that overflow, copies and wiping. */
#include "base/alloc.h"

#include "support.h"

static void a_size_of_zero_returns_a_block(void **state) {
  (void)state;
  long before = failing_allocator_live();
  void *blocks[] = {cachette__malloc(0), cachette__calloc(0, 8), cachette__calloc(8, 0),
                    cachette__realloc(NULL, 0), cachette__strndup("", 0)};
  for (size_t i = 0; i < LENGTH(blocks); i++) {
    assert_non_null(blocks[i]);
    cachette__free(blocks[i]);
  }
  assert_non_null(blocks[0] = cachette__realloc(cachette__malloc(8), 0));
  cachette__free(blocks[0]);
  cachette__free(NULL);
  assert_int_equal(failing_allocator_live(), before);
}

static void an_array_is_zeroed_and_its_size_cannot_overflow(void **state) {
  (void)state;
  static const unsigned char zeros[64];
  void *data = cachette__calloc(8, 8);
  assert_non_null(data);
  assert_memory_equal(data, zeros, sizeof zeros);
  cachette__free(data);
  assert_null(cachette__calloc(SIZE_MAX / 8 + 1, 8));
  assert_null(cachette__calloc(SIZE_MAX, SIZE_MAX));
}

static void a_copy_of_text_ends_with_a_nul(void **state) {
  (void)state;
  char *copy = cachette__strndup("text", 2);
  assert_non_null(copy);
  assert_string_equal(copy, "te");
  cachette__free(copy);
}

static void wiping_overwrites_only_the_given_bytes(void **state) {
  (void)state;
  char secret[] = "secret";
  cachette__wipe(secret + 1, 4);
  assert_memory_equal(secret, "s\0\0\0\0t", 7);
  cachette__wipe(secret, 0);
  assert_int_equal(secret[0], 's');
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_size_of_zero_returns_a_block),
      cmocka_unit_test(an_array_is_zeroed_and_its_size_cannot_overflow),
      cmocka_unit_test(a_copy_of_text_ends_with_a_nul),
      cmocka_unit_test(wiping_overwrites_only_the_given_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
