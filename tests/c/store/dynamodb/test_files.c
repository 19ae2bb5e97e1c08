/* SPDX-License-Identifier: MIT */
/*
 * The parsers of AWS's shared files, of command lines, paths and times. For the resulting
 * configuration, tests/python/test_dynamodb_botocore.py compares with botocore.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "nomem.h"
#include "store/dynamodb/aws/environment.h"
#include "store/dynamodb/aws/files.h"
#include "store/dynamodb/aws/ini.h"
#include "store/dynamodb/aws/shell_words.h"
#include "store/dynamodb/aws/timestamp.h"
#include "support.h"

/* ---- Sections and keys ---- */

static enum cachette__ini_error parse(const char *text, cachette__ini *ini,
                                      cachette__ini_position *position) {
  size_t size = strlen(text);
  char *bytes = cachette__malloc(size + 1);
  assert_non_null(bytes);
  memcpy(bytes, text, size + 1);
  return cachette__ini_parse(bytes, size, ini, position);
}

/* Checks the value of "key" in the first section. NULL: it has none. */
static void expect_key(const char *text, const char *value) {
  cachette__ini ini;
  cachette__ini_position position;
  if (parse(text, &ini, &position) != CACHETTE__INI_OK) fail_msg("%s", text);
  const char *found = ini.section_count > 0 ? cachette__ini_get(&ini, 0, "key") : NULL;
  if (value == NULL && found != NULL) fail_msg("%s: %s", text, found);
  if (value != NULL && (found == NULL || strcmp(found, value) != 0))
    fail_msg("%s: %s", text, found);
  cachette__ini_deinit(&ini);
}

static void values_are_read_as_by_configparser(void **state) {
  static const char *const cases[][2] = {
      {"", NULL},
      {"[a]", NULL},
      {"[a]\nkey=value", "value"},
      {"[a]\nkey = value\n", "value"},
      {"[a]\r\nkey = value\r\n", "value"},
      {"\xef\xbb\xbf[a]\nkey: value", "value"},
      {"[a]\nKEY\t=\t value \t\n", "value"},
      {"[a]\nkey = a = b : c", "a = b : c"},
      {"[a]\nkey : a = b", "a = b"},
      {"[a]\nkey = a # b", "a # b"},
      {"[a]\n# key = no\n ; key = no\nkey = yes", "yes"},
      {"[a]\nkey =", NULL},
      {"[a]\nkey =\nother = 1", NULL},
      {"[a]\n  key = value", "value"},
      {"  [a]\n  key = value", "value"},
      {"[a]\nkey = one\n  two\n\tthree", "one\ntwo\nthree"},
      {"[a]\nkey =\n  one = 1\n  # no\n\n  two = 2\n\n\nother = x", "\none = 1\n\ntwo = 2"},
      {"[a]\n  key = one\n  other = two", "one"},
      {"[a]\n  key = one\n   two", "one\ntwo"},
      {"[a]\nkey = one\n  [b]\n", "one\n[b]"},
      {"[a]\n[b]\nkey = value", NULL},
      {"[a]\n[DEFAULT]\nkey = value", "value"},
      {"[a]\nkey = own\n[DEFAULT]\nkey = value", "own"},
      {"[a] # more\nkey = value", "value"},
      {"[a]\nkey = v\xc3\xa4lue", "v\xc3\xa4lue"},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(cases); i++) expect_key(cases[i][0], cases[i][1]);
}

static void malformed_files_are_refused_with_the_line(void **state) {
  static const struct {
    const char *text;
    enum cachette__ini_error error;
    size_t line;
    const char *name;
  } malformed[] = {
      {"key = value", CACHETTE__INI_NO_SECTION, 1, ""},
      {"# a\n\nkey", CACHETTE__INI_NO_SECTION, 3, ""},
      {"[a]\nkey", CACHETTE__INI_NO_VALUE, 2, ""},
      {"[a]\n= value", CACHETTE__INI_NO_VALUE, 2, ""},
      {"[]", CACHETTE__INI_NO_SECTION, 1, ""},
      {"[a]\n[a", CACHETTE__INI_NO_VALUE, 2, ""},
      {"[a]\n[b]\n[a]", CACHETTE__INI_DUPLICATE_SECTION, 3, "a"},
      {"[a]\nb=1\n B = 1\nb: 1", CACHETTE__INI_DUPLICATE_KEY, 4, "b"},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(malformed); i++) {
    cachette__ini ini;
    cachette__ini_position position = {0};
    if (parse(malformed[i].text, &ini, &position) != malformed[i].error)
      fail_msg("%s", malformed[i].text);
    assert_int_equal(position.line, malformed[i].line);
    assert_string_equal(position.name, malformed[i].name);
    assert_null(ini.bytes);
  }
}

static void expect_nested(const char *value, const char *name, const char *expected) {
  const char *found = NULL;
  size_t size = cachette__ini_nested(value, name, &found);
  if (size != strlen(expected) || (size > 0 && memcmp(found, expected, size) != 0))
    fail_msg("%s in %s: %.*s", name, value, (int)size, size > 0 ? found : "");
}

static void values_may_have_nested_keys(void **state) {
  (void)state;
  expect_nested("\na = 1\nb=2 \n\nc = x = y", "a", "1");
  expect_nested("\na = 1\nb=2 \n\nc = x = y", "b", "2");
  expect_nested("\na = 1\nb=2 \n\nc = x = y", "c", "x = y");
  expect_nested("\na = 1\nb=2", "d", "");
  expect_nested("\naa = 1\na = 2\na = 3", "a", "3");
  expect_nested("\na\nb = 1", "a", "");
  expect_nested("\na =", "a", "");
  expect_nested("a = 1", "a", "");
}

/* ---- Words ---- */

/* Checks the words of a text. `expected` separates them by "|"; NULL: the text is malformed. */
static void expect_words(const char *text, const char *expected) {
  char **words, joined[256] = "";
  size_t count, length;
  int code = cachette__shell_words_split(text, &words, &count);
  if (expected == NULL) {
    if (code != CACHETTE_ECONFIG) fail_msg("%s", text);
    return;
  }
  assert_int_equal(code, CACHETTE_OK);
  for (size_t i = 0; i < count; i++) {
    length = strlen(joined);
    snprintf(joined + length, sizeof joined - length, "%s%s", i > 0 ? "|" : "", words[i]);
  }
  assert_null(words[count]);
  assert_string_equal(joined, expected);
  cachette__shell_words_free(words);
}

static void words_are_split_as_by_a_shell(void **state) {
  static const char *const texts[][2] = {
      {"", ""},
      {" \t\n", ""},
      {"a", "a"},
      {" a  b\tc\n", "a|b|c"},
      {"'a b' \"c d\" e\\ f", "a b|c d|e f"},
      {"a'b'\"c\"d", "abcd"},
      {"'' \"\" x", "||x"},
      {"'a\\b' \"a\\b\" a\\b", "a\\b|a\\b|ab"},
      {"\"a\\\"b\\\\c\" '\"' \"'\"", "a\"b\\c|\"|'"},
      {"$HOME `id` *;&", "$HOME|`id`|*;&"},
      {"'a", NULL},
      {"\"a", NULL},
      {"\"a\\\"", NULL},
      {"a\\", NULL},
      {"\"a\\", NULL},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(texts); i++) expect_words(texts[i][0], texts[i][1]);
  assert_true(cachette__shell_words_are("profile a", "a"));
  assert_true(cachette__shell_words_are(" profile \"a b\" ", "a b"));
  assert_true(cachette__shell_words_are("profilex 'a'", "a"));
  assert_true(cachette__shell_words_are("profile ''", ""));
  assert_false(cachette__shell_words_are("profile", ""));
  assert_false(cachette__shell_words_are("profile a b", "a"));
  assert_false(cachette__shell_words_are("profile 'a", "a"));
  assert_false(cachette__shell_words_are("profile a", "b"));
}

/* ---- Paths ---- */

static void expect_path_from(const char *folder, const char *text, const char *expected) {
  char *path = cachette__env_expand(folder, text);
  assert_non_null(path);
  assert_string_equal(path, expected);
  cachette__free(path);
}

static void expect_path(const char *text, const char *expected) {
  expect_path_from(NULL, text, expected);
}

static void relative_paths_are_resolved_against_the_folder(void **state) {
  (void)state;
  setenv("HOME", "/home/me", 1);
  expect_path_from("/a", "b", "/a/b");
  expect_path_from("/a", "./b/../c", "/a/b/../c");
  expect_path_from("/", "b", "/b");
  expect_path_from("/a", "/b", "/b");
  expect_path_from("/a", "~/b", "/home/me/b");
  expect_path_from("/a", "$HOME/b", "/home/me/b");
}

static void paths_are_expanded(void **state) {
  (void)state;
  setenv("HOME", "/home/me", 1);
  setenv("CACHETTE_TEST_A", "x y", 1);
  unsetenv("CACHETTE_TEST_B");
  expect_path("", "");
  expect_path("a/b", "a/b");
  expect_path("~", "/home/me");
  expect_path("~/a", "/home/me/a");
  expect_path("~other/a", "~other/a");
  expect_path("/a/~", "/a/~");
  expect_path("$CACHETTE_TEST_A/${CACHETTE_TEST_A}b", "x y/x yb");
  expect_path("$CACHETTE_TEST_B/${CACHETTE_TEST_B}", "$CACHETTE_TEST_B/${CACHETTE_TEST_B}");
  expect_path("$/$$/${/${}/$", "$/$$/${/${}/$");
}

static void expect_short_path(const char *path, size_t size, const char *expected) {
  char shown[64];
  cachette__env_display_path(path, shown, size);
  assert_string_equal(shown, expected);
}

static void paths_in_messages_are_shortened(void **state) {
  (void)state;
  setenv("HOME", "/home/me", 1);
  expect_short_path("/home/me/.aws/config", 64, "~/.aws/config");
  expect_short_path("/home/mercy/config", 64, "/home/mercy/config");
  expect_short_path("/home/me", 64, "/home/me");
  expect_short_path("/a\nb\xff", 64, "/a?b?");
  expect_short_path("/0123456789/0123456789/config", 20, "/01234...789/config");
  expect_short_path("/home/me/x", 4, "~/x");
}

static void the_home_folder_is_found_without_HOME(void **state) {
  (void)state;
  unsetenv("HOME");
  char *path = cachette__env_expand("/a", "~/a");
  assert_non_null(path);
  assert_int_equal(path[0], '/');
  cachette__free(path);
  setenv("HOME", "/home/me", 1);
}

/* ---- Reading and writing ---- */

static void files_are_replaced_atomically_and_readable_by_their_owner_only(void **state) {
  char folder[] = "/tmp/cachette-files-XXXXXX", path[64];
  struct stat found;
  size_t size;
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/file", folder);
  assert_null(cachette__aws_read_file(path, &size));
  assert_int_equal(errno, ENOENT);
  assert_int_equal(cachette__aws_write_file(path, "one", 3), 0);
  assert_int_equal(cachette__aws_write_file(path, "second", 6), 0);
  char *bytes = cachette__aws_read_file(path, &size);
  assert_non_null(bytes);
  assert_int_equal(size, 6);
  assert_string_equal(bytes, "second");
  cachette__free(bytes);
  assert_int_equal(stat(path, &found), 0);
  assert_int_equal(found.st_mode & 0777, 0600);
  assert_int_equal(truncate(path, (1 << 20) + 1), 0);
  assert_null(cachette__aws_read_file(path, &size));
  assert_int_equal(errno, EFBIG);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_null(cachette__aws_read_file(path, &size)); /* does not wait for a writer of the FIFO */
  assert_int_equal(unlink(path), 0);
  assert_null(cachette__aws_read_file(folder, &size));
  assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
  assert_int_equal(cachette__aws_write_file(path, "one", 3), ENOENT);
}

/* ---- Times ---- */

static void timestamps_are_read_in_several_formats(void **state) {
  static const struct {
    const char *text;
    int64_t seconds;
  } times[] = {
      {"2030-01-31T12:34:56Z", 1896093296},
      {"2030-01-31T12:34:56", 1896093296},
      {"2030-01-31 12:34:56UTC", 1896093296},
      {"2030-01-31T12:34:56.789Z", 1896093296},
      {"2030-01-31T12:34:56+00:00", 1896093296},
      {"2030-01-31T14:34:56+02:00", 1896093296},
      {"2030-01-31T10:04:56-0230", 1896093296},
      {"soon", 0},
      {"", 0},
      {"2030-01-31", 0},
      {"2030-01-31T12:34:56X", 0},
      {"2030-13-31T12:34:56Z", 0},
      {"2030-01-31T12:34:56+1", 0},
      {"2030-01-31T12:34:56+01:00x", 0},
      {"1930-01-31T12:34:56Z", 0},
  };
  (void)state;
  for (size_t i = 0; i < LENGTH(times); i++)
    if (cachette__timestamp_read(times[i].text) != times[i].seconds * 1000)
      fail_msg("%s: %lld", times[i].text, (long long)cachette__timestamp_read(times[i].text));
}

/* ---- Memory ---- */

static int parse_all(void *data) {
  cachette__ini ini;
  cachette__ini_position position;
  char **words, text[2048] = "[a]\n";
  size_t count;
  (void)data;
  for (int i = 0; i < 40; i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "k%d = v\n[s%d]\n", i, i);
  char *bytes = cachette__strndup(text, strlen(text));
  if (bytes == NULL) return 1;
  enum cachette__ini_error error = cachette__ini_parse(bytes, strlen(text), &ini, &position);
  if (error == CACHETTE__INI_OK)
    cachette__ini_deinit(&ini);
  else
    assert_int_equal(error, CACHETTE__INI_NO_MEMORY);
  int failed = error != CACHETTE__INI_OK;
  int code = cachette__shell_words_split("a b c", &words, &count);
  if (code == CACHETTE_OK) cachette__shell_words_free(words);
  char *path = cachette__env_expand("/a", "b/$HOME");
  cachette__free(path);
  return failed + (code < 0) + (path == NULL);
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  nomem_each_needed(parse_all, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_read_as_by_configparser),
      cmocka_unit_test(malformed_files_are_refused_with_the_line),
      cmocka_unit_test(values_may_have_nested_keys),
      cmocka_unit_test(words_are_split_as_by_a_shell),
      cmocka_unit_test(relative_paths_are_resolved_against_the_folder),
      cmocka_unit_test(paths_are_expanded),
      cmocka_unit_test(paths_in_messages_are_shortened),
      cmocka_unit_test(the_home_folder_is_found_without_HOME),
      cmocka_unit_test(files_are_replaced_atomically_and_readable_by_their_owner_only),
      cmocka_unit_test(timestamps_are_read_in_several_formats),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  failing_allocator_install();
  return cmocka_run_group_tests_name("aws_files", tests, NULL, NULL);
}
