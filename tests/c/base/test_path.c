/* SPDX-License-Identifier: MIT */
/* Paths relative to a folder, and the current folder. */
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "nomem.h"
#include "support.h"

static void a_relative_path_is_resolved_against_its_folder(void **state) {
  (void)state;
  static const struct {
    const char *folder, *path, *expected;
  } cases[] = {
      {"/a", "b", "/a/b"},
      {"/a/", "b", "/a/b"},
      {"/", "b", "/b"},
      {"/a", "./b", "/a/b"},
      {"/a", ".//./b", "/a/b"},
      {"/a", "../b", "/a/../b"},
      {"/a", ".b", "/a/.b"},
      {"/a", ".", "/a/."},
      {"/a", "./", "/a/"},
      {"/a", "", "/a/"},
      {"/a", "b/./c", "/a/b/./c"},
      {"/a", "/b", "/b"},
      {"/a", "/", "/"},
      {NULL, "b", "b"},
      {NULL, "./b", "./b"},
      {NULL, "", ""},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char *path = cachette__path_join(cases[i].folder, cases[i].path);
    assert_non_null(path);
    assert_string_equal(path, cases[i].expected);
    cachette__free(path);
  }
}

static void the_current_folder_is_absolute(void **state) {
  (void)state;
  char expected[PATH_MAX];
  char *folder = cachette__path_current();
  assert_non_null(folder);
  assert_string_equal(folder, getcwd(expected, sizeof expected));
  assert_int_equal(folder[0], '/');
  cachette__free(folder);
}

static void enter_a_folder_and_remove_it(void *data) {
  char folder[] = "/tmp/cachette-path-XXXXXX";
  (void)data;
  child_assert(mkdtemp(folder) != NULL && chdir(folder) == 0 && rmdir(folder) == 0);
  child_assert(cachette__path_current() == NULL);
  child_assert(errno == ENOENT);
}

static void a_removed_current_folder_is_an_error(void **state) {
  (void)state;
  run_in_child(enter_a_folder_and_remove_it, NULL);
}

static int make_paths(void *data) {
  (void)data;
  errno = 0;
  char *current = cachette__path_current();
  if (current == NULL) assert_int_equal(errno, ENOMEM);
  char *relative = cachette__path_join("/a", "b"), *absolute = cachette__path_join("/a", "/b");
  int failed = (current == NULL) + (relative == NULL) + (absolute == NULL);
  cachette__free(current);
  cachette__free(relative);
  cachette__free(absolute);
  return failed;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  assert_int_equal(nomem_each_needed(make_paths, NULL), 3);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_relative_path_is_resolved_against_its_folder),
      cmocka_unit_test(the_current_folder_is_absolute),
      cmocka_unit_test(a_removed_current_folder_is_an_error),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
