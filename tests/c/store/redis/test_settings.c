/* SPDX-License-Identifier: MIT */
/* The options of the store: URLs of a server, a cluster and sentinels, and what goes with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nomem.h"
#include "store/redis/internal.h"
#include "support.h"

static cachette__redis_settings *settings_of(cachette_options *options) {
  cachette__settings *settings = NULL;
  cachette_error error = {.code = 0};
  if (cachette__redis_settings_new(options, CACHETTE__OPTION_redis_url, &settings, &error) < 0)
    fail_msg("%s", error.message);
  cachette_options_free(options);
  return (cachette__redis_settings *)settings;
}

static void free_settings(cachette__redis_settings *settings) {
  cachette__settings_release(&settings->base);
}

static void expect_text(const char *actual, const char *expected) {
  if (expected == NULL) {
    assert_null(actual);
  } else {
    assert_non_null(actual);
    assert_string_equal(actual, expected);
  }
}

/* ---- URLs ---- */

enum { PLAIN = CACHETTE__REDIS_PLAIN, CLUSTER = CACHETTE__REDIS_CLUSTER };
enum { SENTINEL = CACHETTE__REDIS_SENTINEL };

static const struct {
  const char *url;
  int mode;
  bool is_secure;
  const char *seeds, *user, *password, *name;
  int database;
} urls[] = {
    {"redis://h", PLAIN, false, "h:6379", NULL, NULL, NULL, 0},
    {"REDIS://h:1/2", PLAIN, false, "h:1", NULL, NULL, NULL, 2},
    {"valkeys://u:p@h?db=3", PLAIN, true, "h:6379", "u", "p", NULL, 3},
    {"unix:///a/b?db=4", PLAIN, false, "/a/b", NULL, NULL, NULL, 4},
    {"redis+cluster://h", CLUSTER, false, "h:6379", NULL, NULL, NULL, 0},
    {"redis+cluster://a:7000,b,[::1]:7002/", CLUSTER, false, "a:7000 b:6379 [::1]:7002", NULL, NULL,
     NULL, 0},
    {"rediss+cluster://u:p@a,b:2/0", CLUSTER, true, "a:6379 b:2", "u", "p", NULL, 0},
    {"valkey+cluster://:p@a?db=0", CLUSTER, false, "a:6379", NULL, "p", NULL, 0},
    {"Valkeys+Cluster://a", CLUSTER, true, "a:6379", NULL, NULL, NULL, 0},
    {"redis+sentinel://h/main", SENTINEL, false, "h:26379", NULL, NULL, "main", 0},
    {"rediss+sentinel://:p@a:1,b,c/main/5", SENTINEL, true, "a:1 b:26379 c:26379", NULL, "p",
     "main", 5},
    {"valkey+sentinel://a/my%20name/", SENTINEL, false, "a:26379", NULL, NULL, "my name", 0},
    {"valkeys+sentinel://u:p@a/main?db=7", SENTINEL, true, "a:26379", "u", "p", "main", 7},
    {"redis+sentinel://a/main/7?db=7", SENTINEL, false, "a:26379", NULL, NULL, "main", 7},
    {"redis+sentinel://a/7", SENTINEL, false, "a:26379", NULL, NULL, "7", 0},
};

static void a_url_says_which_servers_there_are(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(urls); i++) {
    cachette__redis_settings *settings = settings_of(options_with("redis_url", urls[i].url, NULL));
    char seeds[256] = "";
    for (size_t k = 0; k < settings->seed_count; k++) {
      const cachette__target *seed = &settings->seeds[k];
      if (k > 0) strcat(seeds, " ");
      cachette__target_text(seed, seeds + strlen(seeds), sizeof seeds - strlen(seeds));
      assert_ptr_equal(seed->tls, settings->tls);
      assert_ptr_equal(seed->tls_advice, settings->target.tls_advice);
      assert_int_equal(seed->connect_timeout_ms, 2000);
    }
    assert_string_equal(seeds, urls[i].seeds);
    assert_int_equal(settings->mode, urls[i].mode);
    assert_int_equal(settings->is_secure, urls[i].is_secure);
    assert_int_equal(settings->tls != NULL, urls[i].is_secure);
    assert_int_equal(settings->database, urls[i].database);
    expect_text(settings->user, urls[i].user);
    expect_text(settings->password, urls[i].password);
    expect_text(settings->sentinel_name, urls[i].name);
    assert_memory_equal(&settings->target, &settings->seeds[0], sizeof settings->target);
    free_settings(settings);
  }
}

static void advice_about_tls_keeps_the_kind_of_url(void **state) {
  (void)state;
  static const struct {
    const char *url, *plain, *tls;
  } advice[] = {
      {"redis://h", NULL, "begin the URL with \"rediss://\" instead of \"redis://\"."},
      {"redis+cluster://h", NULL,
       "begin the URL with \"rediss+cluster://\" instead of \"redis+cluster://\"."},
      {"valkeys://h", "begin the URL with \"valkey://\" instead of \"valkeys://\".", NULL},
      {"valkeys+sentinel://h/n",
       "begin the URL with \"valkey+sentinel://\" instead of \"valkeys+sentinel://\".", NULL},
  };
  for (size_t i = 0; i < LENGTH(advice); i++) {
    cachette__redis_settings *settings =
        settings_of(options_with("redis_url", advice[i].url, NULL));
    expect_text(settings->target.plain_advice, advice[i].plain);
    if (advice[i].tls != NULL) expect_text(settings->target.tls_advice, advice[i].tls);
    free_settings(settings);
  }
}

/* ---- Errors ---- */

static const struct {
  const char *name, *value, *url, *words; /* the option at fault, and words of the error */
} errors[] = {
    {NULL, NULL, "redis://a,b", "several hosts; write \"+cluster\" or \"+sentinel\""},
    {NULL, NULL, "redis+cluster://", "it has no host"},
    {NULL, NULL, "redis+cluster:///0", "it has no host"},
    {NULL, NULL, "redis+cluster://a,,b", "host of its list is empty"},
    {NULL, NULL, "redis+cluster://a/1", "a cluster has only database 0"},
    {NULL, NULL, "redis+cluster://a?db=1", "a cluster has only database 0"},
    {NULL, NULL, "redis+cluster://a/x", "database is not a number"},
    {NULL, NULL, "redis+cluster://a/0/1", "database is not a number"},
    {NULL, NULL, "redis+cluster://a?tls=1", "\"db\" is the only parameter"},
    {NULL, NULL, "redis+cluster://user@a", "a user name and no password"},
    {NULL, NULL, "redis+clusters://a", "its scheme must be"},
    {NULL, NULL, "redis+://a", "its scheme must be"},
    {NULL, NULL, "redis+cluster+sentinel://a", "its scheme must be"},
    {NULL, NULL, "unix+cluster:///a", "its scheme must be"},
    {NULL, NULL, "http://a", "its scheme must be"},
    {NULL, NULL, "unix://h/a", "socket path must begin"},
    {NULL, NULL, "unix://", "no socket path"},
    {NULL, NULL, "redis+sentinel://a", "the name of the primary is missing"},
    {NULL, NULL, "redis+sentinel://a/", "the name of the primary is missing"},
    {NULL, NULL, "redis+sentinel://a//0", "the name of the primary is missing"},
    {NULL, NULL, "redis+sentinel://a/n/x", "database is not a number"},
    {NULL, NULL, "redis+sentinel://a/n/1/2", "database is not a number"},
    {NULL, NULL, "redis+sentinel://a/n/1?db=2", "two databases"},
    {NULL, NULL, "redis+cluster://:secret/x@a", "%2F"},
    {"address_map", "a:1", "redis://a", "has no \"=\""},
    {"address_map", "a:1=b:2,", "redis://a", "a pair of addresses is empty"},
    {"address_map", ",a:1=b:2", "redis://a", "a pair of addresses is empty"},
    {"address_map", "a=b:2", "redis://a", "an address has no port"},
    {"address_map", "a:1=b", "redis://a", "an address has no port"},
    {"address_map", "=b:2", "redis://a", "an address has no host"},
    {"address_map", "a:1=", "redis://a", "an address has no host"},
    {"address_map", "a:1=b:2=c:3", "redis://a", "more than one \"=\""},
    {"address_map", "a:1=b:70000", "redis://a", "between 1 and 65535"},
    {"address_map", "::1=b:1", "redis://a", "brackets"},
    {"address_map", "a b:1=b:1", "redis://a", "invalid character"},
    {"address_map", "a:1=b:2,A:1=b:3", "redis://a", "mapped twice"},
    {"address_map", "redis://:secret@a:1=b:2", "redis://a", "\"***\" is not valid"},
    {"sentinel_username", "u", "redis+sentinel://a/n", "\"sentinel_password\" is not"},
    {"read_from", "replicas", "redis://a", "prefer_replica"},
};

static void errors_name_the_option_and_what_to_do(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(errors); i++) {
    const char *option = errors[i].name != NULL ? errors[i].name : "redis_url";
    cachette_options *options = cachette_options_new();
    cachette_error error = {.code = 0};
    cachette__settings *settings = NULL;
    int code = cachette_options_set(options, "redis_url", errors[i].url, &error);
    if (code == CACHETTE_OK && errors[i].name != NULL)
      code = cachette_options_set(options, errors[i].name, errors[i].value, &error);
    if (code == CACHETTE_OK)
      code = cachette__redis_settings_new(options, CACHETTE__OPTION_redis_url, &settings, &error);
    cachette_options_free(options);
    if (code != CACHETTE_ECONFIG || strstr(error.message, errors[i].words) == NULL)
      fail_msg("%s %s: %d, %s", errors[i].url, errors[i].value, code, error.message);
    assert_null(settings);
    assert_string_equal(error.subject, option);
    assert_non_null(strstr(error.message, option));
    assert_null(strstr(error.message, "secret"));
    assert_non_null(strchr(".?", error.message[strlen(error.message) - 1]));
  }
}

/* ---- The other options ---- */

static const cachette__redis_address *find(const cachette__redis_settings *settings,
                                           const char *host, uint16_t port) {
  return cachette__redis_address_map_find(&settings->address_map, cachette_str(host), port);
}

static void addresses_are_mapped(void **state) {
  (void)state;
  cachette__redis_settings *settings = settings_of(options_with(
      "redis_url", "redis+cluster://a", "address_map",
      "10.0.0.1:6379=127.0.0.1:7000,[2001:db8::1]:1=[::1]:2,Name.example:3=other.example:4", NULL));
  const cachette__redis_address *used = find(settings, "10.0.0.1", 6379);
  assert_string_equal(used->host, "127.0.0.1");
  assert_int_equal(used->port, 7000);
  used = find(settings, "2001:db8::1", 1);
  assert_string_equal(used->host, "::1");
  assert_int_equal(used->port, 2);
  assert_string_equal(find(settings, "NAME.EXAMPLE", 3)->host, "other.example");
  assert_null(find(settings, "10.0.0.1", 6380));
  assert_null(find(settings, "10.0.0.10", 6379));
  assert_null(find(settings, "10.0.0.", 6379));
  free_settings(settings);
}

static void options_for_several_servers_have_defaults(void **state) {
  (void)state;
  cachette__redis_settings *settings =
      settings_of(options_with("redis_url", "redis+sentinel://a/n", "address_map", "",
                               "sentinel_username", "", "sentinel_password", "", NULL));
  assert_int_equal(settings->read_from, CACHETTE__REDIS_PRIMARY);
  assert_int_equal(settings->address_map.count, 0);
  assert_null(find(settings, "a", 1));
  assert_null(settings->sentinel_user);
  assert_null(settings->sentinel_password);
  free_settings(settings);
  cachette_options *options = options_with("redis_url", "redis://a", NULL);
  static const char *const names[] = {"read_from", "address_map", "sentinel_username",
                                      "sentinel_password"};
  for (size_t i = 0; i < LENGTH(names); i++)
    assert_int_equal(cachette_options_set(options, names[i], NULL, NULL), CACHETTE_OK);
  settings = settings_of(options);
  assert_int_equal(settings->read_from, CACHETTE__REDIS_PRIMARY);
  free_settings(settings);
}

static void reads_may_go_to_replicas(void **state) {
  (void)state;
  static const struct {
    const char *value;
    int read_from;
  } values[] = {{"primary", CACHETTE__REDIS_PRIMARY},
                {"replica", CACHETTE__REDIS_REPLICA},
                {"prefer_replica", CACHETTE__REDIS_PREFER_REPLICA}};
  static const char *const servers[] = {"redis://a", "redis+cluster://a", "redis+sentinel://a/n"};
  for (size_t i = 0; i < LENGTH(values) * LENGTH(servers); i++) {
    cachette__redis_settings *settings =
        settings_of(options_with("redis_url", servers[i % LENGTH(servers)], "read_from",
                                 values[i / LENGTH(servers)].value, NULL));
    assert_int_equal(settings->read_from, values[i / LENGTH(servers)].read_from);
    free_settings(settings);
  }
}

static void sentinels_have_a_login_of_their_own(void **state) {
  (void)state;
  cachette__redis_settings *settings =
      settings_of(options_with("redis_url", "redis+sentinel://u:p@a/n", "sentinel_username", "su",
                               "sentinel_password", "sp", NULL));
  assert_string_equal(settings->user, "u");
  assert_string_equal(settings->password, "p");
  assert_string_equal(settings->sentinel_user, "su");
  assert_string_equal(settings->sentinel_password, "sp");
  free_settings(settings);
  settings = settings_of(
      options_with("redis_url", "redis+sentinel://a/n", "sentinel_password", "sp", NULL));
  assert_null(settings->sentinel_user);
  assert_string_equal(settings->sentinel_password, "sp");
  free_settings(settings);
}

static void unused_tls_files_cause_a_warning(void **state) {
  (void)state;
  static const struct {
    const char *url, *words; /* NULL: no warning */
  } rows[] = {
      {"redis://a", "Begin the \"redis_url\" with \"rediss://\""},
      {"redis+cluster://a", "Begin the \"redis_url\" with \"rediss+cluster://\""},
      {"redis+sentinel://a/n", "Begin the \"redis_url\" with \"rediss+sentinel://\""},
      {"rediss://a", NULL},
      {"rediss+cluster://a", NULL},
      {"unix:///a", NULL},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette_options *options =
        options_with("redis_url", rows[i].url, "tls_ca_file", "ca.pem", NULL);
    cachette_error warning = {.code = 0};
    assert_int_equal(cachette__redis_warn(options, &warning), rows[i].words != NULL);
    if (rows[i].words != NULL) assert_non_null(strstr(warning.message, rows[i].words));
    cachette_options_free(options);
  }
}

/* ---- Memory ---- */

static int read_all(void *data) {
  cachette__settings *settings = NULL;
  cachette_error error = {.code = 0};
  int code = cachette__redis_settings_new(data, CACHETTE__OPTION_redis_url, &settings, &error);
  assert_int_equal(error.code, code);
  assert_true(code == CACHETTE_OK || code == CACHETTE_ENOMEM);
  cachette__settings_release(settings);
  return code;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  cachette_options *options =
      options_with("redis_url", "redis+sentinel://u:p@a,b/n/1", "address_map", "a:1=b:2,c:3=d:4",
                   "sentinel_username", "su", "sentinel_password", "sp", "key_prefix", "x:", NULL);
  /* The settings; the URL's scheme, user, password, list, two hosts and path; user name and
   * password of the sentinels; the map and its four hosts; the prefix; the topology and the
   * targets; what the handles share about the primary, and the settings of the sentinels. */
  assert_int_equal(nomem_each_needed(read_all, options), 1 + 7 + 2 + 5 + 1 + 2 + 2);
  cachette_options_free(options);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_url_says_which_servers_there_are),
      cmocka_unit_test(advice_about_tls_keeps_the_kind_of_url),
      cmocka_unit_test(errors_name_the_option_and_what_to_do),
      cmocka_unit_test(addresses_are_mapped),
      cmocka_unit_test(options_for_several_servers_have_defaults),
      cmocka_unit_test(reads_may_go_to_replicas),
      cmocka_unit_test(sentinels_have_a_login_of_their_own),
      cmocka_unit_test(unused_tls_files_cause_a_warning),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
