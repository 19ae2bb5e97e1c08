/* SPDX-License-Identifier: MIT */
/* The byte buffer: order, growth, and when it frees its memory. */
#include "base/buffer.h"

#include <stdint.h>

#include "support.h"

enum { RETAINED_MAX = 1 << 18 }; /* the largest capacity that an empty buffer retains */

static char pattern(size_t index) { return (char)(index * 31 + index / 251); }

/* Appends `size` bytes of the pattern, starting at `index`. */
static void append(cachette__buffer *buffer, size_t index, size_t size) {
  char *end = cachette__buffer_reserve(buffer, size);
  assert_non_null(end);
  for (size_t i = 0; i < size; i++) end[i] = pattern(index + i);
  buffer->end += size;
}

/* Checks the first bytes against the pattern, and drops them. */
static void take(cachette__buffer *buffer, size_t index, size_t size) {
  for (size_t i = 0; i < size; i++)
    assert_int_equal(buffer->data[buffer->begin + i], pattern(index + i));
  cachette__buffer_drop(buffer, size);
}

static void bytes_leave_a_buffer_in_the_order_they_were_appended(void **state) {
  (void)state;
  cachette__buffer buffer = {0};
  size_t put = 0, got = 0;
  uint32_t random = 1;
  for (int i = 0; i < 20000; i++) {
    random = random * 1664525 + 1013904223;
    size_t size = (random >> 8) % (i % 100 == 0 ? 300000 : 700);
    if (random >> 31) {
      append(&buffer, put, size);
      put += size;
    } else {
      size_t available = cachette__buffer_size(&buffer);
      if (size > available || i % 50 == 0) size = available;
      take(&buffer, got, size);
      got += size;
    }
    assert_int_equal(cachette__buffer_size(&buffer), put - got);
  }
  cachette__buffer_deinit(&buffer);
}

static void an_empty_buffer_can_reserve_zero_bytes(void **state) {
  (void)state;
  cachette__buffer buffer = {0};
  assert_int_equal(cachette__buffer_size(&buffer), 0);
  assert_non_null(cachette__buffer_reserve(&buffer, 0));
  assert_int_equal(cachette__buffer_size(&buffer), 0);
  cachette__buffer_deinit(&buffer);
  assert_null(buffer.data);
  cachette__buffer_deinit(&buffer);
}

static void bytes_that_fit_exactly_need_no_allocation(void **state) {
  (void)state;
  cachette__buffer buffer = {0};
  append(&buffer, 0, 1);
  size_t capacity = buffer.capacity;
  char *data = buffer.data;
  append(&buffer, 1, capacity - 1);
  assert_ptr_equal(buffer.data, data);
  assert_int_equal(buffer.capacity, capacity);
  append(&buffer, capacity, 1);
  assert_int_equal(buffer.capacity, 2 * capacity);
  take(&buffer, 0, capacity + 1);
  cachette__buffer_deinit(&buffer);
}

/* A buffer that is more than half full grows. Otherwise it would move its bytes too often. */
static void a_buffer_that_is_half_empty_reuses_its_front(void **state) {
  (void)state;
  for (size_t left = 2047; left <= 2049; left++) {
    cachette__buffer buffer = {0};
    append(&buffer, 0, 4096);
    assert_int_equal(buffer.capacity, 4096);
    take(&buffer, 0, 4096 - left);
    append(&buffer, 4096, 1);
    assert_int_equal(buffer.begin, 0);
    assert_int_equal(buffer.capacity, left <= 2048 ? 4096 : 8192);
    take(&buffer, 4096 - left, left + 1);
    cachette__buffer_deinit(&buffer);
  }
}

static void a_buffer_that_never_empties_does_not_grow(void **state) {
  (void)state;
  cachette__buffer buffer = {0};
  append(&buffer, 0, 1000);
  for (size_t index = 1000; index < 10000000; index += 1000) {
    append(&buffer, index, 1000);
    take(&buffer, index - 1000, 1000);
    assert_true(buffer.capacity <= 8192);
  }
  cachette__buffer_deinit(&buffer);
}

static void a_large_buffer_frees_its_memory_when_it_is_empty(void **state) {
  (void)state;
  long before = failing_allocator_live();
  cachette__buffer buffer = {0};
  append(&buffer, 0, RETAINED_MAX + 1);
  take(&buffer, 0, RETAINED_MAX);
  assert_int_equal(failing_allocator_live(), before + 1);
  take(&buffer, RETAINED_MAX, 1);
  assert_int_equal(failing_allocator_live(), before);
  append(&buffer, 0, RETAINED_MAX);
  take(&buffer, 0, RETAINED_MAX);
  assert_int_equal(failing_allocator_live(), before + 1);
  cachette__buffer_deinit(&buffer);
  assert_int_equal(failing_allocator_live(), before);
}

static void a_buffer_that_cannot_grow_keeps_its_bytes(void **state) {
  (void)state;
  cachette__buffer buffer = {0};
  append(&buffer, 0, 4000);
  failing_allocator_arm(0);
  assert_null(cachette__buffer_reserve(&buffer, 1 << 20));
  failing_allocator_arm(-1);
  assert_null(cachette__buffer_reserve(&buffer, SIZE_MAX));
  assert_null(cachette__buffer_reserve(&buffer, SIZE_MAX / 2));
  take(&buffer, 0, 4000);
  cachette__buffer_deinit(&buffer);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_leave_a_buffer_in_the_order_they_were_appended),
      cmocka_unit_test(an_empty_buffer_can_reserve_zero_bytes),
      cmocka_unit_test(bytes_that_fit_exactly_need_no_allocation),
      cmocka_unit_test(a_buffer_that_is_half_empty_reuses_its_front),
      cmocka_unit_test(a_buffer_that_never_empties_does_not_grow),
      cmocka_unit_test(a_large_buffer_frees_its_memory_when_it_is_empty),
      cmocka_unit_test(a_buffer_that_cannot_grow_keeps_its_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
