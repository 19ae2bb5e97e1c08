/* SPDX-License-Identifier: MIT */
/* The configuration: its table, its checks, and its messages. Users match some of the messages. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static cachette_options *options;

static int set_up(void **state) {
  (void)state;
  options = cachette_options_new();
  return options == NULL;
}

static int tear_down(void **state) {
  (void)state;
  cachette_options_free(options);
  return 0;
}

static void set(const char *name, const char *value) {
  assert_int_equal(cachette_options_set(options, name, value, NULL), CACHETTE_OK);
}

/* Checks that a value is refused with this message and that the option is unchanged. */
static void refuse(const char *name, const char *value, const char *message) {
  char before[64] = "none";
  const char *text = cachette_options_get(options, name);
  if (text != NULL) snprintf(before, sizeof before, "%s", text);
  cachette_error error;
  assert_int_equal(cachette_options_set(options, name, value, &error), CACHETTE_ECONFIG);
  assert_int_equal(error.code, CACHETTE_ECONFIG);
  assert_string_equal(error.message, message);
  text = cachette_options_get(options, name);
  assert_string_equal(text != NULL ? text : "none", before);
}

/* The same, for a message that ends with the value. */
static void refuse_value(const char *name, const char *value, const char *message) {
  char printable[40], full_message[256];
  size_t size = 0;
  for (; size < sizeof printable - 1 && value[size] != '\0'; size++)
    printable[size] = (unsigned char)value[size] < 0x20 ? '?' : value[size];
  printable[size] = '\0';
  snprintf(full_message, sizeof full_message, "%s It is \"%s\".", message, printable);
  refuse(name, value, full_message);
}

/* Checks that this is the only error. */
static void expect_error(const char *subject, const char *message) {
  cachette_error error;
  assert_int_equal(cachette_options_check(options, &error, 1), 1);
  assert_int_equal(error.code, CACHETTE_ECONFIG);
  assert_string_equal(error.subject, subject);
  assert_string_equal(error.message, message);
}

/* ---- The table ---- */

static const struct row {
  const char *name;
  enum cachette_option_type type;
  const char *fallback;
  int64_t least, most;
  const char *needed_by;
  enum cachette_option_exposure exposure;
} rows[] = {
    {"backend", CACHETTE_OPTION_CHOICE, "inmemory", 0, 0, "", CACHETTE_SHOWN},
    {"codec", CACHETTE_OPTION_CHOICE, "vanilla", 0, 0, "", CACHETTE_SHOWN},
    {"ttl", CACHETTE_OPTION_SECONDS, "60", 1, 3600, "", CACHETTE_SHOWN},
    {"request_control", CACHETTE_OPTION_BOOLEAN, "false", 0, 1, "", CACHETTE_SHOWN},
    {"timeout", CACHETTE_OPTION_DURATION, "1", 1, 3600000, "", CACHETTE_SHOWN},
    {"memory_limit", CACHETTE_OPTION_SIZE, "64M", 1 << 20, INT64_C(1) << 46, "", CACHETTE_SHOWN},
    {"memory_name", CACHETTE_OPTION_STRING, NULL, 0, 0, "", CACHETTE_SHOWN},
    {"redis_url", CACHETTE_OPTION_STRING, NULL, 0, 0, "redis", CACHETTE_SHOWN_URL},
    {"valkey_url", CACHETTE_OPTION_STRING, NULL, 0, 0, "valkey", CACHETTE_SHOWN_URL},
    {"memcached_host", CACHETTE_OPTION_STRING, NULL, 0, 0, "memcached", CACHETTE_SHOWN},
    {"table_name", CACHETTE_OPTION_STRING, "cachette", 0, 0, "mongodb|dynamodb", CACHETTE_SHOWN},
    {"region", CACHETTE_OPTION_STRING, NULL, 0, 0, "", CACHETTE_SHOWN},
    {"dynamodb_url", CACHETTE_OPTION_STRING, NULL, 0, 0, "", CACHETTE_SHOWN_URL},
    {"database_name", CACHETTE_OPTION_STRING, "cachette-db", 0, 0, "mongodb", CACHETTE_SHOWN},
    {"mongodb_url", CACHETTE_OPTION_STRING, NULL, 0, 0, "mongodb", CACHETTE_SHOWN_URL},
    {"mongodb_pool_size", CACHETTE_OPTION_NUMBER, "8", 1, 256, "", CACHETTE_SHOWN},
    {"pickle_path", CACHETTE_OPTION_PATH, NULL, 0, 0, "pickle|file", CACHETTE_SHOWN},
    {"file_limit", CACHETTE_OPTION_SIZE, "1G", 1 << 20, INT64_C(1) << 46, "", CACHETTE_SHOWN},
};

static const cachette_option_info *info_of(const char *name) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

static void the_table_has_these_rows(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(rows); i++) {
    const cachette_option_info *info = info_of(rows[i].name);
    assert_non_null(info);
    assert_int_equal(info->type, rows[i].type);
    if (rows[i].fallback != NULL)
      assert_string_equal(info->fallback, rows[i].fallback);
    else
      assert_null(info->fallback);
    assert_true(info->least == rows[i].least && info->most == rows[i].most);
    assert_string_equal(info->needed_by, rows[i].needed_by);
    assert_int_equal(info->exposure, rows[i].exposure);
  }
}

static void every_row_is_complete(void **state) {
  (void)state;
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  assert_ptr_equal(table, cachette_option_table(NULL));
  assert_true(count >= LENGTH(rows));
  for (size_t i = 0; i < count; i++) {
    assert_true(strlen(table[i].name) < sizeof((cachette_error *)NULL)->subject);
    for (const char *at = table[i].name; *at != '\0'; at++) assert_true(islower(*at) || *at == '_');
    assert_true(strlen(table[i].help) > 0);
    assert_null(strchr(table[i].help, '\n'));
    assert_int_equal(table[i].choices != NULL, table[i].type == CACHETTE_OPTION_CHOICE);
    /* The default is a value that the option accepts. */
    if (table[i].fallback != NULL) set(table[i].name, table[i].fallback);
  }
}

static void every_choice_is_accepted(void **state) {
  (void)state;
  assert_string_equal(info_of("backend")->choices,
                      "inmemory|dynamodb|memcached|mongodb|redis|valkey|pickle|file|none");
  assert_string_equal(info_of("codec")->choices,
                      "csv|feather|json|msgpack|orjson|parquet|pickle|vanilla");
  static const char *const names[] = {"backend", "codec"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    char choices[128];
    snprintf(choices, sizeof choices, "%s", info_of(names[i])->choices);
    for (char *choice = strtok(choices, "|"); choice != NULL; choice = strtok(NULL, "|")) {
      set(names[i], choice);
      assert_string_equal(cachette_options_get(options, names[i]), choice);
    }
  }
}

/* ---- Set and get ---- */

static void defaults_apply_until_options_are_set(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(rows); i++) {
    const char *text = cachette_options_get(options, rows[i].name);
    if (rows[i].fallback != NULL)
      assert_string_equal(text, rows[i].fallback);
    else
      assert_null(text);
  }
  assert_null(cachette_options_get(options, "no_such_option"));
  assert_null(cachette_options_get(options, NULL));
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
}

static void numbers_have_the_unit_of_their_option(void **state) {
  (void)state;
  assert_int_equal(cachette_options_number(options, "ttl"), 60000);
  assert_int_equal(cachette_options_number(options, "memory_limit"), 64 << 20);
  assert_int_equal(cachette_options_number(options, "request_control"), 0);
  set("ttl", "1.5");
  set("request_control", "on");
  assert_int_equal(cachette_options_number(options, "TTL"), 1500);
  assert_int_equal(cachette_options_number(options, "request_control"), 1);
  assert_int_equal(cachette_options_number(options, "redis_url"), 0);
  assert_int_equal(cachette_options_number(options, "no_such_option"), 0);
  assert_int_equal(cachette_options_number(options, NULL), 0);
}

static void values_are_copied_and_replaced(void **state) {
  (void)state;
  char text[] = "redis://one";
  set("redis_url", text);
  text[8] = 'X';
  assert_string_equal(cachette_options_get(options, "redis_url"), "redis://one");
  set("redis_url", "redis://two");
  assert_string_equal(cachette_options_get(options, "redis_url"), "redis://two");
  set("redis_url", cachette_options_get(options, "redis_url"));
  assert_string_equal(cachette_options_get(options, "redis_url"), "redis://two");
  set("redis_url", NULL);
  assert_null(cachette_options_get(options, "redis_url"));
}

static void names_and_choices_ignore_case(void **state) {
  (void)state;
  set("Backend", "ReDiS");
  assert_string_equal(cachette_options_get(options, "BACKEND"), "redis");
  set("REDIS_URL", "redis://Host");
  assert_string_equal(cachette_options_get(options, "redis_url"), "redis://Host");
  set("Codec", "JSON");
  assert_string_equal(cachette_options_get(options, "codec"), "json");
}

static void null_restores_the_default(void **state) {
  (void)state;
  set("ttl", "5");
  set("ttl", NULL);
  assert_string_equal(cachette_options_get(options, "ttl"), "60");
  set("backend", "redis");
  set("backend", NULL);
  assert_string_equal(cachette_options_get(options, "backend"), "inmemory");
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
}

static void freeing_null_is_allowed(void **state) {
  (void)state;
  cachette_options_free(NULL);
}

/* ---- Numbers ---- */

static void ttl_is_seconds_in_its_range(void **state) {
  (void)state;
  static const char *const good[] = {"1", "60", "3600", "0060", "1.5", "60.0", "3600.000"};
  static const char *const bad[] = {"0", "-1",   "+5",  "",    " 5",    "5 ",
                                    "x", "0x10", "1e2", "nan", "1e999", "99999999999999999999"};
  static const char message[] = "The \"ttl\" value must between 1 or 3600 seconds.";
  char full_message[256];
  for (size_t i = 0; i < LENGTH(good); i++) set("ttl", good[i]);
  for (size_t i = 0; i < LENGTH(bad); i++) refuse_value("ttl", bad[i], message);
  static const char *const out[][2] = {
      {"0.5", "shorter"}, {"0.999", "shorter"}, {"3601", "longer"}, {"3600.001", "longer"}};
  for (size_t i = 0; i < LENGTH(out); i++) {
    snprintf(full_message, sizeof full_message,
             "%s It is \"%s\". The ttl of a single call, such as put(key, value, ttl), may be %s.",
             message, out[i][0], out[i][1]);
    refuse("ttl", out[i][0], full_message);
  }
}

static void a_ttl_with_a_fraction_counts_in_milliseconds(void **state) {
  (void)state;
  cachette *handle = open_memory(options_with("ttl", "1.5", NULL));
  int64_t left;
  cachette_slice value;
  assert_int_equal(cachette_put(handle, cachette_str("k"), cachette_str("v"), 0, NULL),
                   CACHETTE_OK);
  assert_int_equal(cachette_fetch(handle, cachette_str("k"), &value, &left, NULL), 1);
  assert_true(left > 1000 && left <= 1500);
  cachette_free(value.data);
  cachette_close(handle);
}

static void timeout_is_seconds_with_fractions(void **state) {
  (void)state;
  static const char *const good[] = {"1", "0.001", "0.0019", "0.5", "3600", "3600.000", "2."};
  static const char *const bad[] = {"0",   "0.0009", "3600.001", "3601", "-1", ".5",
                                    "1..", "1.2.3",  "1,5",      "",     "nan"};
  for (size_t i = 0; i < LENGTH(good); i++) set("timeout", good[i]);
  for (size_t i = 0; i < LENGTH(bad); i++)
    refuse_value("timeout", bad[i],
                 "The \"timeout\" value must be between 0.001 and 3600 seconds.");
}

static void sizes_take_a_suffix(void **state) {
  (void)state;
  static const char *const good[] = {"1M", "1m", "1048576", "1024K",         "1024k",
                                     "2G", "2g", "65536G",  "70368744177664"};
  static const char *const bad[] = {"0",
                                    "1048575",
                                    "1023K",
                                    "65537G",
                                    "64MB",
                                    "64 M",
                                    "M",
                                    "",
                                    "-1M",
                                    "1.5M",
                                    "64M\n",
                                    "9223372036854775807G",
                                    "8589934592G",
                                    "9223372036854775808",
                                    "18446744073709551617"};
  for (size_t i = 0; i < LENGTH(good); i++) set("memory_limit", good[i]);
  for (size_t i = 0; i < LENGTH(bad); i++)
    refuse_value("memory_limit", bad[i],
                 "The \"memory_limit\" value must be a size from 1M to 65536G, in bytes or with a "
                 "suffix K, M or G.");
}

static void sizes_are_read_in_bytes(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t bytes;
  } sizes[] = {{"1M", 1 << 20}, {"2048K", 1 << 21}, {"1048577", 1048577}, {"2G", INT64_C(1) << 31}};
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    cachette *handle = open_memory(options_with("memory_limit", sizes[i].text, NULL));
    assert_true(stats_of(handle).limit == sizes[i].bytes);
    cachette_close(handle);
  }
}

/* ---- Messages ---- */

static void a_wrong_choice_names_the_right_ones(void **state) {
  (void)state;
  static const char backends[] =
      "The \"backend\" value must be one of \"inmemory\", \"dynamodb\", \"memcached\", "
      "\"mongodb\", \"redis\", \"valkey\", \"pickle\", \"file\" or \"none\".";
  static const char codecs[] =
      "The \"codec\" value must be one of \"csv\", \"feather\", \"json\", \"msgpack\", "
      "\"orjson\", \"parquet\", \"pickle\" or \"vanilla\".";
  static const char *const bad[] = {"", "postgres", "redis|valkey", "|", "x", "nul", "off"};
  for (size_t i = 0; i < LENGTH(bad); i++) {
    refuse_value("backend", bad[i], backends);
    refuse_value("codec", bad[i], codecs);
  }
}

static void a_misspelt_choice_suggests_the_nearest(void **state) {
  (void)state;
  static const char *const near[][3] = {{"backend", "memory", "inmemory"},
                                        {"backend", "redi", "redis"},
                                        {"backend", "redsi", "redis"},
                                        {"backend", "rediss", "redis"},
                                        {"backend", " redis", "redis"},
                                        {"backend", "MONGO", "mongodb"},
                                        {"backend", "in-memory", "inmemory"},
                                        {"backend", "dynamo", "dynamodb"},
                                        {"codec", "cvs", "csv"},
                                        {"codec", "pickel", "pickle"},
                                        {"codec", "jsno", "json"},
                                        {"compression", "zst", "zstd"},
                                        {"memcached_auth", "ascci", "ascii"}};
  for (size_t i = 0; i < LENGTH(near); i++) {
    cachette_error error;
    char end[128];
    assert_int_equal(cachette_options_set(options, near[i][0], near[i][1], &error),
                     CACHETTE_ECONFIG);
    snprintf(end, sizeof end, "\". It is \"%s\"; did you mean \"%s\"?", near[i][1], near[i][2]);
    const char *at = strstr(error.message, "\". It is");
    assert_non_null(at);
    assert_string_equal(at, end);
  }
}

static void a_possible_password_is_not_in_the_message(void **state) {
  (void)state;
  static const char *const names[] = {"memcached_auth", "ttl", "backend", "tls_verify",
                                      "mongodb_pool_size"};
  static const char *const values[] = {"user:hunter2", "redis://hunter2", "hunter2@host"};
  for (size_t i = 0; i < LENGTH(names); i++) {
    for (size_t j = 0; j < LENGTH(values); j++) {
      cachette_error error;
      assert_int_equal(cachette_options_set(options, names[i], values[j], &error),
                       CACHETTE_ECONFIG);
      assert_null(strstr(error.message, "hunter2"));
      assert_non_null(strstr(error.message, "It is \"***\"."));
    }
  }
}

static void an_unknown_name_suggests_the_nearest(void **state) {
  (void)state;
  static const char *const names[][2] = {{"tll", "ttl"},
                                         {"redisurl", "redis_url"},
                                         {"valky_url", "valkey_url"},
                                         {"TIMEOUTS", "timeout"},
                                         {"memory_limits", "memory_limit"},
                                         {"database", "database_name"},
                                         {"mongo_url", "mongodb_url"},
                                         {"expire", "ttl"},
                                         {"Time_To_Live", "ttl"},
                                         {"serializer", "codec"}};
  for (size_t i = 0; i < LENGTH(names); i++) {
    char expected[256];
    snprintf(expected, sizeof expected, "There is no option \"%s\"; did you mean \"%s\"?",
             names[i][0], names[i][1]);
    refuse(names[i][0], "1", expected);
  }
}

static void any_bytes_may_be_a_name(void **state) {
  (void)state;
  static char longest[4096];
  memset(longest, 'x', sizeof longest - 1);
  cachette_error error;
  assert_int_equal(cachette_options_set(options, longest, "1", &error), CACHETTE_ECONFIG);
  assert_int_equal(strlen(error.subject), sizeof error.subject - 1);
  assert_non_null(strstr(error.message, "The reference lists all options"));
  assert_int_equal(cachette_options_set(options, "", "1", &error), CACHETTE_ECONFIG);
  assert_int_equal(cachette_options_set(options, NULL, "1", &error), CACHETTE_ECONFIG);
  assert_int_equal(cachette_options_set(options, longest, "1", NULL), CACHETTE_ECONFIG);
}

static void messages_have_no_control_characters(void **state) {
  (void)state;
  cachette_error error;
  int code = cachette_options_set(options, "tt\033[2Jl\n\x7f", "1", &error);
  assert_int_equal(code, CACHETTE_ECONFIG);
  for (const char *at = error.message; *at != '\0'; at++) assert_false(iscntrl((unsigned char)*at));
  for (const char *at = error.subject; *at != '\0'; at++) assert_false(iscntrl((unsigned char)*at));
}

static void control_characters_are_refused_in_every_text(void **state) {
  (void)state;
  static const char *const bad[] = {"a\nb", "\r", "a\tb", "\x01", "end\x7f", "\033[2J"};
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++) {
    if (table[i].type != CACHETTE_OPTION_STRING && table[i].type != CACHETTE_OPTION_PATH) continue;
    char expected[256];
    snprintf(expected, sizeof expected, "The \"%s\" value must not contain control characters.",
             table[i].name);
    for (size_t j = 0; j < LENGTH(bad); j++) refuse(table[i].name, bad[j], expected);
    /* UTF-8 is text. */
    set(table[i].name,
        "gr\xc3\xbc\xc3\x9f"
        "e, \xe6\x97\xa5\xe6\x9c\xac");
  }
}

/* Changes the current folder until restore_folder() is called. */
static char previous_folder[4096];

static void change_folder(const char *folder) {
  assert_non_null(getcwd(previous_folder, sizeof previous_folder));
  assert_int_equal(chdir(folder), 0);
}

static void restore_folder(void) { assert_int_equal(chdir(previous_folder), 0); }

static void a_relative_path_is_resolved_in_the_folder_where_the_options_were_created(void **state) {
  (void)state;
  char folder[] = "/tmp/cachette-XXXXXX", expected[64];
  assert_non_null(mkdtemp(folder));
  change_folder(folder);
  cachette_options_free(options);
  options = cachette_options_new();
  assert_int_equal(chdir("/"), 0);
  static const char *const names[] = {"pickle_path", "tls_ca_file", "tls_cert_file",
                                      "tls_key_file"};
  snprintf(expected, sizeof expected, "%s/a/b", folder);
  for (size_t i = 0; i < LENGTH(names); i++) {
    set(names[i], "a/b");
    assert_string_equal(cachette_options_get(options, names[i]), expected);
    set(names[i], ".//a/b");
    assert_string_equal(cachette_options_get(options, names[i]), expected);
    set(names[i], "/a/b");
    assert_string_equal(cachette_options_get(options, names[i]), "/a/b");
    set(names[i], "");
    assert_string_equal(cachette_options_get(options, names[i]), "");
    set(names[i], NULL);
    assert_null(cachette_options_get(options, names[i]));
  }
  restore_folder();
  rmdir(folder);
}

static void without_a_current_folder_a_path_must_be_absolute(void **state) {
  (void)state;
  char folder[] = "/tmp/cachette-XXXXXX";
  assert_non_null(mkdtemp(folder));
  change_folder(folder);
  rmdir(folder);
  cachette_options_free(options);
  options = cachette_options_new();
  restore_folder();
  assert_non_null(options);
  set("pickle_path", "/a/b");
  refuse("pickle_path", "b",
         "The \"pickle_path\" value is a relative path, and the current folder is not known. Give "
         "an absolute "
         "path.");
}

static void no_value_is_ever_in_a_message(void **state) {
  (void)state;
  static const char secret[] = "redis://user:hunter2@host\n";
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++) {
    cachette_error error;
    assert_int_equal(cachette_options_set(options, table[i].name, secret, &error),
                     CACHETTE_ECONFIG);
    assert_null(strstr(error.message, "hunter2"));
    assert_string_equal(error.subject, table[i].name);
  }
  set("redis_url", "redis://user:hunter2@host:none");
  set("backend", "redis");
  cachette *handle;
  cachette_error error;
  assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_ECONFIG);
  assert_null(strstr(error.message, "hunter2"));
  assert_string_equal(error.subject, "redis_url");
}

/* ---- Errors between options ---- */

static const struct need {
  const char *backend, *name, *message;
} needs[] = {
    {"redis", "redis_url", "The \"redis_url\" cannot be null when using redis as backend."},
    {"valkey", "valkey_url", "The \"valkey_url\" cannot be null when using valkey as backend."},
    {"memcached", "memcached_host",
     "The \"memcached_host\" cannot be null when using memcached as backend."},
    {"mongodb", "mongodb_url", "The \"mongodb_url\" cannot be null when using MongoDB as backend."},
    {"mongodb", "database_name",
     "The \"database_name\" cannot be null when using MongoDB as backend."},
    {"mongodb", "table_name", "The \"table_name\" cannot be null when using MongoDB as backend."},
    {"pickle", "pickle_path", "The \"pickle_path\" cannot be null when using pickle as backend."},
    {"dynamodb", "table_name", "The \"table_name\" cannot be null when using DynamoDB as backend."},
};

/* Sets every text option, so that a test can unset one. */
static void set_all_text_options(void) {
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++)
    if (table[i].type == CACHETTE_OPTION_STRING) set(table[i].name, "redis://given-to-all");
  set("address_map", "given:1=given:2");
  set("memcached_host", "given");
  set("table_name", "given");
  set("region", "eu-central-1");
  set("dynamodb_url", "http://given");
  set("pickle_path", "given");
}

static void a_required_option_cannot_be_null_or_empty(void **state) {
  (void)state;
  static const char *const absent[] = {NULL, ""};
  for (size_t i = 0; i < LENGTH(needs); i++)
    for (size_t j = 0; j < LENGTH(absent); j++) {
      set_all_text_options();
      set("backend", needs[i].backend);
      assert_int_equal(cachette_options_check(options, NULL, 0), 0);
      set(needs[i].name, absent[j]);
      expect_error(needs[i].name, needs[i].message);
      cachette *handle = NULL;
      cachette_error error;
      assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_ECONFIG);
      assert_string_equal(error.message, needs[i].message);
      assert_string_equal(error.subject, needs[i].name);
      assert_null(handle);
    }
}

static void an_option_that_the_backend_does_not_use_may_be_null(void **state) {
  (void)state;
  size_t count;
  const cachette_option_info *table = cachette_option_table(&count);
  for (size_t i = 0; i < count; i++) set(table[i].name, NULL);
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  cachette_close(handle);
}

static void a_default_satisfies_the_check(void **state) {
  (void)state;
  set("backend", "mongodb");
  set("mongodb_url", "mongodb://host");
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
}

static void dynamodb_needs_neither_region_nor_endpoint(void **state) {
  (void)state;
  set("backend", "dynamodb");
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
  set("region", "eu-west-1");
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
  set("region", NULL);
  set("dynamodb_url", "http://host:8000");
  assert_int_equal(cachette_options_check(options, NULL, 0), 0);
}

static void all_errors_are_reported(void **state) {
  (void)state;
  set("backend", "mongodb");
  set("database_name", NULL);
  set("table_name", "");
  cachette_error errors[4];
  memset(errors, 0, sizeof errors);
  assert_int_equal(cachette_options_check(options, errors, LENGTH(errors)), 3);
  assert_string_equal(errors[0].subject, "table_name");
  assert_string_equal(errors[1].subject, "database_name");
  assert_string_equal(errors[2].subject, "mongodb_url");
  assert_int_equal(errors[3].code, 0);
  /* If the array is too small, the count is still complete and nothing is written past the end. */
  memset(errors, 0, sizeof errors);
  assert_int_equal(cachette_options_check(options, errors, 2), 3);
  assert_int_equal(errors[2].code, 0);
  assert_int_equal(cachette_options_check(options, NULL, 0), 3);
}

static void tls_files_without_tls_cause_a_warning(void **state) {
  static const struct {
    const char *backend, *name, *plain, *encrypted, *message;
  } cases[] = {
      {"redis", "redis_url", "Redis://h", "rediss://h",
       "\"tls_cert_file\" is set, but the connection is not encrypted. Begin the \"redis_url\" "
       "with "
       "\"rediss://\", or remove the option."},
      {"valkey", "valkey_url", "valkey://h", "valkeys://h",
       "\"tls_cert_file\" is set, but the connection is not encrypted. Begin the \"valkey_url\" "
       "with \"valkeys://\", or remove the option."},
      {"memcached", "memcached_tls", "false", "true",
       "\"tls_cert_file\" is set, but the connection is not encrypted. Set \"memcached_tls\" to "
       "true, or remove the option."},
  };
  (void)state;
  cachette_error warning;
  for (size_t i = 0; i < LENGTH(cases); i++) {
    set("backend", cases[i].backend);
    set("tls_cert_file", NULL);
    set(cases[i].name, NULL);
    assert_false(cachette_options_warn(options, &warning));
    set(cases[i].name, cases[i].plain);
    assert_false(cachette_options_warn(options, &warning));
    set("tls_cert_file", "/certificate.pem");
    assert_true(cachette_options_warn(options, &warning));
    assert_string_equal(warning.subject, "tls_cert_file");
    assert_string_equal(warning.message, cases[i].message);
    assert_true(cachette_options_warn(options, NULL));
    set(cases[i].name, cases[i].encrypted);
    assert_false(cachette_options_warn(options, &warning));
  }
  set("backend", NULL);
  assert_false(cachette_options_warn(options, &warning));
}

static void files_hold_pickles_unless_a_codec_is_set(void **state) {
  (void)state;
  assert_string_equal(cachette_options_codec(options), "vanilla");
  set("backend", "file");
  assert_string_equal(cachette_options_codec(options), "pickle");
  set("codec", "vanilla");
  assert_string_equal(cachette_options_codec(options), "vanilla");
  set("codec", NULL);
  set("backend", "pickle");
  assert_string_equal(cachette_options_codec(options), "pickle");
}

static void a_backend_that_is_not_built_in_is_refused_at_open(void **state) {
  (void)state;
  set_all_text_options();
  static const char *const backends[] = {"dynamodb", "mongodb", "pickle"};
  for (size_t i = 0; i < LENGTH(backends); i++) {
    set("backend", backends[i]);
    cachette *handle = NULL;
    cachette_error error;
    assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_EUNSUPPORTED);
    assert_string_equal(error.subject, "backend");
    assert_non_null(strstr(error.message, backends[i]));
    assert_null(handle);
  }
}

static void a_handle_keeps_the_options_it_was_opened_with(void **state) {
  (void)state;
  int64_t now = 0;
  set("ttl", "10");
  cachette_options_set_clock(options, fake_clock, &now);
  cachette *handle;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  set("ttl", "20");
  cachette_options_set_clock(options, NULL, NULL);
  put_text(handle, "key", "value", 0);
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str("key"), &value, &ttl_ms, NULL), 1);
  assert_true(ttl_ms == 10000);
  cachette_free(value.data);
  cachette_close(handle);
}

static void a_copy_has_the_same_values_and_clock_and_changes_alone(void **state) {
  (void)state;
  int64_t now = 0;
  set("ttl", "10");
  set("memory_name", "copied");
  cachette_options_set_clock(options, fake_clock, &now);
  cachette_options *copy = cachette_options_copy(options);
  assert_non_null(copy);
  assert_int_equal(cachette_options_set(copy, "codec", "json", NULL), CACHETTE_OK);
  set("ttl", "20");
  assert_string_equal(cachette_options_get(copy, "ttl"), "10");
  assert_string_equal(cachette_options_get(options, "codec"), "vanilla");
  cachette *handle, *other;
  assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
  assert_int_equal(cachette_open(copy, &other, NULL), CACHETTE_OK);
  cachette_options_free(copy);
  put_text(other, "key", "value", 0);
  cachette_slice value;
  int64_t ttl_ms;
  assert_int_equal(cachette_fetch(handle, cachette_str("key"), &value, &ttl_ms, NULL), 1);
  assert_true(ttl_ms == 10000);
  cachette_free(value.data);
  now = 10000;
  assert_int_equal(cachette_fetch(handle, cachette_str("key"), &value, &ttl_ms, NULL), 0);
  cachette_close(other);
  cachette_close(handle);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      test(the_table_has_these_rows),
      test(every_row_is_complete),
      test(every_choice_is_accepted),
      test(defaults_apply_until_options_are_set),
      test(numbers_have_the_unit_of_their_option),
      test(values_are_copied_and_replaced),
      test(names_and_choices_ignore_case),
      test(null_restores_the_default),
      test(freeing_null_is_allowed),
      test(ttl_is_seconds_in_its_range),
      test(a_ttl_with_a_fraction_counts_in_milliseconds),
      test(timeout_is_seconds_with_fractions),
      test(sizes_take_a_suffix),
      test(sizes_are_read_in_bytes),
      test(a_wrong_choice_names_the_right_ones),
      test(a_misspelt_choice_suggests_the_nearest),
      test(a_possible_password_is_not_in_the_message),
      test(an_unknown_name_suggests_the_nearest),
      test(any_bytes_may_be_a_name),
      test(messages_have_no_control_characters),
      test(control_characters_are_refused_in_every_text),
      test(a_relative_path_is_resolved_in_the_folder_where_the_options_were_created),
      test(without_a_current_folder_a_path_must_be_absolute),
      test(no_value_is_ever_in_a_message),
      test(a_required_option_cannot_be_null_or_empty),
      test(an_option_that_the_backend_does_not_use_may_be_null),
      test(a_default_satisfies_the_check),
      test(dynamodb_needs_neither_region_nor_endpoint),
      test(all_errors_are_reported),
      test(tls_files_without_tls_cause_a_warning),
      test(files_hold_pickles_unless_a_codec_is_set),
      test(a_backend_that_is_not_built_in_is_refused_at_open),
      test(a_handle_keeps_the_options_it_was_opened_with),
      test(a_copy_has_the_same_values_and_clock_and_changes_alone),
  };
  return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
