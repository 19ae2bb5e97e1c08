/* SPDX-License-Identifier: MIT */
/* URLs are parsed, refused with a reason, and redacted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/url.h"
#include "nomem.h"
#include "support.h"

static const char example[] = "redis://host:6379/0";

static void parse_into(const char *text, cachette__url *url) {
  cachette_error error = {.code = 0};
  int code = cachette__url_parse(text, "redis_url", example, url, &error);
  if (code != CACHETTE_OK) fail_msg("%s: %s", text, error.message);
}

static void expect_text(const char *actual, const char *expected) {
  if (expected == NULL)
    assert_null(actual);
  else {
    assert_non_null(actual);
    assert_string_equal(actual, expected);
  }
}

/* ---- Parts ---- */

static const struct {
  const char *text, *scheme, *user, *password, *host;
  int port;
  const char *path;
} parts[] = {
    {"redis://host", "redis", NULL, NULL, "host", -1, ""},
    {"redis://host/", "redis", NULL, NULL, "host", -1, "/"},
    {"redis://host:6379/0", "redis", NULL, NULL, "host", 6379, "/0"},
    {"redis://host:1", "redis", NULL, NULL, "host", 1, ""},
    {"redis://host:65535", "redis", NULL, NULL, "host", 65535, ""},
    {"redis://host:06379", "redis", NULL, NULL, "host", 6379, ""},
    {"redis://host:", "redis", NULL, NULL, "host", -1, ""},
    {"REDIS://HOST", "redis", NULL, NULL, "HOST", -1, ""},
    {"a1+-.://host", "a1+-.", NULL, NULL, "host", -1, ""},
    {"redis://10.0.0.1:7000", "redis", NULL, NULL, "10.0.0.1", 7000, ""},
    {"redis://[::1]", "redis", NULL, NULL, "::1", -1, ""},
    {"redis://[2001:db8::7]:6379/3", "redis", NULL, NULL, "2001:db8::7", 6379, "/3"},
    {"redis://user@host", "redis", "user", NULL, "host", -1, ""},
    {"redis://user:@host", "redis", "user", "", "host", -1, ""},
    {"redis://:secret@host", "redis", "", "secret", "host", -1, ""},
    {"redis://user:secret@[::1]:1/2", "redis", "user", "secret", "::1", 1, "/2"},
    {"redis://user:a:b:c@host", "redis", "user", "a:b:c", "host", -1, ""},
    {"redis://user:p@ss@host", "redis", "user", "p@ss", "host", -1, ""},
    {"redis://u%3Aser:%2f%3F%23%40%25%5b@host", "redis", "u:ser", "/?#@%[", "host", -1, ""},
    {"redis://:line%0Abreak%20@host", "redis", "", "line\nbreak ", "host", -1, ""},
    {"redis://:p\xc3\xa4ss@host", "redis", "", "p\xc3\xa4ss", "host", -1, ""},
    {"redis://:a+b@host", "redis", "", "a+b", "host", -1, ""},
    {"redis://h%6Fst/%30", "redis", NULL, NULL, "host", -1, "/0"},
    {"unix:///run/redis.sock", "unix", NULL, NULL, NULL, -1, "/run/redis.sock"},
    {"unix:///run/a%20b%40c.sock", "unix", NULL, NULL, NULL, -1, "/run/a b@c.sock"},
    {"unix://user:secret@/run/redis.sock", "unix", "user", "secret", NULL, -1, "/run/redis.sock"},
    {"redis://", "redis", NULL, NULL, NULL, -1, ""},
    {"redis://host//a/../b", "redis", NULL, NULL, "host", -1, "//a/../b"},
};

static void a_url_is_split_into_its_parts(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(parts); i++) {
    cachette__url url;
    parse_into(parts[i].text, &url);
    expect_text(url.scheme, parts[i].scheme);
    expect_text(url.user, parts[i].user);
    expect_text(url.password, parts[i].password);
    expect_text(url.host, parts[i].host);
    assert_int_equal(url.port, parts[i].port);
    expect_text(url.path, parts[i].path);
    assert_int_equal(url.parameter_count, 0);
    cachette__url_deinit(&url);
  }
}

static void parameters_are_names_and_values(void **state) {
  (void)state;
  cachette__url url;
  parse_into("redis://host?db=3&name&empty=&a%26b=%3d=x", &url);
  static const char *const expected[][2] = {
      {"db", "3"}, {"name", ""}, {"empty", ""}, {"a&b", "==x"}};
  assert_int_equal(url.parameter_count, LENGTH(expected));
  for (size_t i = 0; i < LENGTH(expected); i++) {
    expect_text(url.parameters[i].name, expected[i][0]);
    expect_text(url.parameters[i].value, expected[i][1]);
  }
  expect_text(url.path, "");
  cachette__url_deinit(&url);
}

static void parameters_up_to_the_capacity_are_read(void **state) {
  (void)state;
  char text[256] = "redis://host/?p=0";
  for (int i = 1; i < CACHETTE__URL_PARAMETERS; i++) strcat(text, "&p=1");
  cachette__url url;
  parse_into(text, &url);
  assert_int_equal(url.parameter_count, CACHETTE__URL_PARAMETERS);
  cachette__url_deinit(&url);
  strcat(text, "&p=2");
  cachette_error error;
  int code = cachette__url_parse(text, "redis_url", example, &url, &error);
  assert_int_equal(code, CACHETTE_ECONFIG);
  assert_non_null(strstr(error.message, "too many parameters"));
}

/* ---- Errors ---- */

static const struct {
  const char *text, *words;
} errors[] = {
    {"", "no ://"},
    {"host", "no ://"},
    {"host:6379", "no ://"},
    {"redis:/host", "no ://"},
    {"://host", "no scheme"},
    {"1redis://host", "scheme is not valid"},
    {"re dis://host", "space"},
    {"re_dis://host", "scheme is not valid"},
    {"%72edis://host", "scheme is not valid"},
    {"r%00://host", "scheme is not valid"},
    {" redis://host", "space"},
    {"redis://host ", "space"},
    {"redis://ho\tst", "control character"},
    {"redis://host\n", "control character"},
    {"redis://host\x7f", "control character"},
    {"redis://host:0", "between 1 and 65535"},
    {"redis://host:65536", "between 1 and 65535"},
    {"redis://host:99999999999999999999", "port is not a number"},
    {"redis://host:-1", "port is not a number"},
    {"redis://host:+1", "port is not a number"},
    {"redis://host:port", "port is not a number"},
    {"redis://host:%31", "port is not a number"},
    {"redis://::1", "brackets"},
    {"redis://a:1:2", "brackets"},
    {"redis://[::1", "not closed"},
    {"redis://[::1]6379", "its host is not followed by a port"},
    {"redis://[::1]:x", "port is not a number"},
    {"redis://host#fragment", "#"},
    {"redis://:a#b@host", "%23"},
    {"redis://:a?b@host", "%3F"},
    {"redis://:a/b@host", "%2F"},
    {"redis://user:1/b@host", "%2F"},
    {"redis://:a@b/c@host", "%2F"},
    {"redis://:%@host", "hexadecimal"},
    {"redis://:%4@host", "hexadecimal"},
    {"redis://:%4g@host", "hexadecimal"},
    {"redis://:%g4@host", "hexadecimal"},
    {"redis://host/%", "hexadecimal"},
    {"redis://host?a=%f", "hexadecimal"},
    {"redis://host?%f=a", "hexadecimal"},
    {"redis://:%00@host", "%00"},
    {"redis://us%00er@host", "%00"},
    {"redis://h%00st", "%00"},
    {"redis://host/%00", "%00"},
    {"redis://host?a=%00", "%00"},
    {"redis://ho%0Ast", "invalid character"},
    {"redis://ho%20st", "invalid character"},
    {"redis://a%40host", "invalid character"},
    {"redis://a%2Fb", "invalid character"},
    {"redis://[::1%0A]", "invalid character"},
};

static void a_malformed_url_is_refused_with_the_reason(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(errors); i++) {
    cachette__url url;
    cachette_error error = {.code = 0};
    int code = cachette__url_parse(errors[i].text, "redis_url", example, &url, &error);
    if (code != CACHETTE_ECONFIG || strstr(error.message, errors[i].words) == NULL)
      fail_msg("\"%s\": %d, %s", errors[i].text, code, error.message);
    assert_int_equal(error.code, code);
    assert_string_equal(error.subject, "redis_url");
    assert_non_null(strstr(error.message, "\"redis_url\""));
    assert_non_null(strstr(error.message, example));
    assert_int_equal(error.message[strlen(error.message) - 1], '.');
  }
}

/* ---- Several hosts ---- */

static const struct {
  const char *text, *hosts; /* each with its port, -1 if it has none */
} lists[] = {
    {"redis+cluster://host", "host:-1"},
    {"redis+cluster://a:7000,b:7001,c", "a:7000 b:7001 c:-1"},
    {"redis+cluster://[::1]:1,[2001:db8::7],10.0.0.1:2", "::1:1 2001:db8::7:-1 10.0.0.1:2"},
    {"redis+cluster://user:secret@a:1,b:2/0?db=0", "a:1 b:2"},
    {"redis+cluster://user:a,b:1@c:2,d", "c:2 d:-1"},
    {"redis+cluster://a:,h%6Fst:", "a:-1 host:-1"},
    {"redis+cluster://a,a", "a:-1 a:-1"},
    {"redis+cluster://", ""},
    {"redis+cluster://:1/0", ""},
    {"redis+cluster:///path", ""},
    {"redis+cluster://user:secret@/0", ""},
};

static void a_list_of_hosts_is_split(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(lists); i++) {
    char hosts[256] = "";
    cachette__url url;
    cachette_error error = {.code = 0};
    int code = cachette__url_parse_hosts(lists[i].text, "redis_url", example, &url, &error);
    if (code != CACHETTE_OK) fail_msg("%s: %s", lists[i].text, error.message);
    for (size_t k = 0; k < url.host_count; k++)
      snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "%s%s:%d", k > 0 ? " " : "",
               url.hosts[k].host, url.hosts[k].port);
    assert_string_equal(hosts, lists[i].hosts);
    assert_null(url.host);
    assert_int_equal(url.port, -1);
    cachette__url_deinit(&url);
    assert_null(url.hosts);
  }
}

static const struct {
  const char *text, *words;
} list_errors[] = {
    {"redis+cluster://a,,b", "host of its list is empty"},
    {"redis+cluster://,a", "host of its list is empty"},
    {"redis+cluster://a,", "host of its list is empty"},
    {"redis+cluster://,", "host of its list is empty"},
    {"redis+cluster://a,:1", "host of its list is empty"},
    {"redis+cluster://a,b:0", "between 1 and 65535"},
    {"redis+cluster://a,b:c", "port is not a number"},
    {"redis+cluster://a,::1", "brackets"},
    {"redis+cluster://a,[::1", "not closed"},
    {"redis+cluster://a,[::1]2", "its host is not followed by a port"},
    {"redis+cluster://a%2Cb", "invalid character"},
    {"redis+cluster://a, b", "space"},
    {"redis+cluster://a,b%40c", "invalid character"},
    {"redis+cluster://user:secret@a,user:secret2@b:x", "port is not a number"},
};

static void a_malformed_list_is_refused_with_the_reason(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(list_errors); i++) {
    cachette__url url;
    cachette_error error = {.code = 0};
    int code = cachette__url_parse_hosts(list_errors[i].text, "redis_url", example, &url, &error);
    if (code != CACHETTE_ECONFIG || strstr(error.message, list_errors[i].words) == NULL)
      fail_msg("\"%s\": %d, %s", list_errors[i].text, code, error.message);
    assert_string_equal(error.subject, "redis_url");
    assert_non_null(strstr(error.message, example));
    assert_null(strstr(error.message, "secret"));
  }
  for (size_t i = 0; i < LENGTH(errors); i++) { /* the errors of one host are those of a list */
    cachette__url url;
    cachette_error error = {.code = 0};
    int code = cachette__url_parse_hosts(errors[i].text, "redis_url", example, &url, &error);
    assert_int_equal(code, CACHETTE_ECONFIG);
    if (strstr(error.message, errors[i].words) == NULL)
      fail_msg("\"%s\": %s", errors[i].text, error.message);
  }
}

static void one_host_is_no_list(void **state) {
  (void)state;
  cachette__url url;
  cachette_error error = {.code = 0};
  assert_int_equal(cachette__url_parse("redis://a,b", "redis_url", example, &url, &error),
                   CACHETTE_ECONFIG);
  assert_non_null(strstr(error.message, "invalid character"));
}

static const struct {
  const char *text, *host;
  int port;
  const char *words; /* of the problem; NULL: it is valid */
} single_hosts[] = {
    {"a:1", "a", 1, NULL},
    {"[::1]:65535", "::1", 65535, NULL},
    {"a", "a", -1, NULL},
    {"", NULL, -1, NULL},
    {":1", NULL, 1, NULL},
    {"a:0", NULL, -1, "between 1 and 65535"},
    {"a:x", NULL, -1, "not a number"},
    {"::1", NULL, -1, "brackets"},
    {"[::1", NULL, -1, "not closed"},
    {"a,b:1", NULL, -1, "invalid character"},
    {"a b:1", NULL, -1, "invalid character"},
    {"a%0Ab:1", NULL, -1, "invalid character"},
};

static void a_single_host_is_parsed(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(single_hosts); i++) {
    size_t size = strlen(single_hosts[i].text);
    char *text = malloc(size > 0 ? size : 1); /* detects reads beyond its end */
    assert_non_null(text);
    memcpy(text, single_hosts[i].text, size);
    char *host = NULL;
    int port = 0;
    const char *problem = cachette__url_parse_host((cachette_slice){text, size}, &host, &port);
    free(text);
    if (single_hosts[i].words != NULL) {
      assert_non_null(problem);
      assert_non_null(strstr(problem, single_hosts[i].words));
      assert_null(host);
      continue;
    }
    assert_null(problem);
    expect_text(host, single_hosts[i].host);
    assert_int_equal(port, single_hosts[i].port);
    cachette__free(host);
  }
}

/* ---- Redaction ---- */

static const struct {
  const char *text, *redacted;
} redactions[] = {
    {"redis://host:6379/0", "redis://host:6379/0"},
    {"redis://host", "redis://host"},
    {"redis://host:/", "redis://host:/"},
    {"redis://[::1]:6379", "redis://[::1]:6379"},
    {"unix:///run/redis.sock", "unix:///run/redis.sock"},
    {"redis://user:secret@host:1/2", "redis://***@host:1/2"},
    {"redis://secret@host", "redis://***@host"},
    {"unix://:secret@/run/redis.sock", "unix://***@/run/redis.sock"},
    {"redis://host?password=secret", "redis://host?***"},
    {"unix:///run/x?password=secret", "unix:///run/x?***"},
    {"redis://host#secret", "redis://host?***"},
    /* Unescaped separators in a password. */
    {"redis://:secret/secret@host", "redis://***"},
    {"redis://:secret?secret@host", "redis://***"},
    {"redis://:secret#secret@host", "redis://***"},
    {"redis://:secret@secret@host", "redis://***"},
    {"redis://:secret@secret/secret@host/1", "redis://***"},
    {"redis://:secret://secret@host", "redis://***"},
    {"redis://host/secret", "redis://host/***"},
    {"redis://host:1/0secret?a=b", "redis://host:1/***"},
    /* The host is missing, or could be a password. */
    {"redis://:secret", "redis://***"},
    {"redis://user:secret", "redis://***"},
    {"redis://user:secret/0", "redis://***"},
    {"redis://user:123456", "redis://***"},
    {"redis://user:1secret", "redis://***"},
    {"redis://user:secret%40host", "redis://***"},
    {"redis://secret%40host", "redis://***"},
    {"redis://user:@:secret", "redis://***@***"},
    {"redis://[secret", "redis://***"},
    {"redis://[::1]secret", "redis://***"},
    {"redis://a:1:secret", "redis://***"},
    {"redis://", "redis://***"},
    /* Several hosts. */
    {"redis+cluster://a:1,b,[::1]:3/0", "redis+cluster://a:1,b,[::1]:3/0"},
    {"redis+cluster://user:secret@a:1,b:2", "redis+cluster://***@a:1,b:2"},
    {"redis+sentinel://:secret@a:1,b:2/name/0", "redis+sentinel://***@a:1,b:2/***"},
    {"redis+cluster://a,b?password=secret", "redis+cluster://a,b?***"},
    {"redis+cluster://a,user:secret", "redis+cluster://***"},
    {"redis+cluster://a,user:secret@b", "redis+cluster://***@b"},
    {"redis+cluster://user:secret@a,user:secret@b", "redis+cluster://***"},
    {"redis+cluster://a,,secret", "redis+cluster://***"},
    {"redis+cluster://a,", "redis+cluster://***"},
    {"redis+cluster://user:secret,secret", "redis+cluster://***"},
    {"redis+cluster://user:123456,b", "redis+cluster://***"},
    {"redis://user:1,secret", "redis://***"},
    /* Not a URL: any part could be a secret. */
    {"", "***"},
    {"secret", "***"},
    {"redis:secret@host", "***"},
    {"user:secret@host://x", "***"},
    {"user:secret://host", "***"},
    {"://secret", "***"},
    /* Control characters, which could forge lines in a terminal or a log. */
    {"unix:///a\nb\x1b[2J\xff", "unix:///a?b?[2J?"},
    {"redis://ho\nst", "redis://***"},
};

static void secrets_are_redacted(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(redactions); i++) {
    char redacted[128];
    cachette__url_redact(redactions[i].text, redacted, sizeof redacted);
    if (strcmp(redacted, redactions[i].redacted) != 0)
      fail_msg("%s is shown as %s", redactions[i].text, redacted);
    assert_null(strstr(redacted, "secret"));
  }
}

static const struct {
  const char *text, *words; /* in the error; NULL: it is valid */
} multi_host_urls[] = {
    {"mongodb://host", NULL},
    {"mongodb://host:1", NULL},
    {"mongodb://a:1,b,[::1]:3/db?replicaSet=x", NULL},
    {"mongodb://user:p%40ss@a,b/?tls=true", NULL},
    {"mongodb://%2Ftmp%2Fa.sock", NULL},
    {"mongodb://user:p@%2Ftmp%2Fa.sock,b:1", NULL},
    {"mongodb+srv://user:p@a.b.c/", NULL},
    {"mongodb:host", "no ://"},
    {"mongodb://app:Hunter2@secret@host", "unescaped '@'"},
    {"mongodb://app@secret:p@host", "unescaped '@'"},
    {"mongodb://app:Hunter2/secret@host", "%2F"},
    {"mongodb://app:Hunter2?secret@host", "%3F"},
    {"mongodb://app:Hunter2#secret@host", "%23"},
    {"mongodb://app:Hunter2 secret@host", "space"},
    {"mongodb://app:secret", "not a number"},
    {"mongodb://a,app:secret", "not a number"},
    {"mongodb://a,,b", "host is not valid"},
    {"mongodb://a,", "host is not valid"},
    {"mongodb://", "host is not valid"},
    {"mongodb://user:p@", "host is not valid"},
    {"mongodb://[::1", "host is not valid"},
    {"mongodb://secret%40host", "host is not valid"},
};

static void a_url_with_several_hosts_is_checked(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(multi_host_urls); i++) {
    const char *error = cachette__url_check_multi_host(multi_host_urls[i].text);
    bool expected = multi_host_urls[i].words == NULL
                        ? error == NULL
                        : error != NULL && strstr(error, multi_host_urls[i].words) != NULL;
    if (!expected) fail_msg("%s: %s", multi_host_urls[i].text, error != NULL ? error : "is fine");
  }
}

static void no_message_contains_a_secret(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(redactions); i++) {
    cachette__url url;
    cachette_error error = {.code = 0};
    if (cachette__url_parse(redactions[i].text, "redis_url", example, &url, &error) == CACHETTE_OK)
      cachette__url_deinit(&url);
    assert_null(strstr(error.message, "secret"));
    if (cachette__url_parse_hosts(redactions[i].text, "redis_url", example, &url, &error) ==
        CACHETTE_OK)
      cachette__url_deinit(&url);
    assert_null(strstr(error.message, "secret"));
  }
}

static void a_redacted_url_is_truncated_to_fit(void **state) {
  (void)state;
  static const char text[] = "redis://user:secret@host:6379/0?a=b";
  char whole[64];
  cachette__url_redact(text, whole, sizeof whole);
  for (size_t size = 1; size <= sizeof whole; size++) {
    char *redacted = test_malloc(size); /* detects writes beyond its ends */
    cachette__url_redact(text, redacted, size);
    assert_int_equal(strlen(redacted), size > strlen(whole) ? strlen(whole) : size - 1);
    assert_memory_equal(redacted, whole, strlen(redacted));
    test_free(redacted);
  }
}

static void a_long_url_does_not_cut_off_the_reason(void **state) {
  (void)state;
  char text[2048] = "redis://user:secret@";
  memset(text + strlen(text), 'h', 1500);
  strcat(text, ":99999");
  cachette__url url;
  cachette_error error = {.code = 0};
  assert_int_equal(cachette__url_parse(text, "redis_url", example, &url, &error), CACHETTE_ECONFIG);
  assert_non_null(strstr(error.message, "between 1 and 65535"));
  assert_null(strstr(error.message, "secret"));
}

/* ---- Memory ---- */

static int parse_and_free(void *data) {
  static const char text[] = "redis://user:secret@host:6379/0?a=b&c=d";
  cachette__url url;
  cachette_error error = {.code = 0};
  (void)data;
  int code = cachette__url_parse(text, "redis_url", example, &url, &error);
  assert_int_equal(error.code, code);
  assert_true(code == CACHETTE_OK || code == CACHETTE_ENOMEM);
  if (code == CACHETTE_OK) cachette__url_deinit(&url);
  return code;
}

static int parse_list_and_free(void *data) {
  static const char text[] = "redis+cluster://user:secret@a:1,b:2,c/0";
  cachette__url url;
  (void)data;
  int code = cachette__url_parse_hosts(text, "redis_url", example, &url, NULL);
  assert_true(code == CACHETTE_OK || code == CACHETTE_ENOMEM);
  if (code == CACHETTE_OK) cachette__url_deinit(&url);
  return code;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  /* Scheme, user, password, host, path, and two parameters of a name and a value each. */
  assert_int_equal(nomem_each_needed(parse_and_free, NULL), 9);
  /* Scheme, user, password, the list, three hosts, path. */
  assert_int_equal(nomem_each_needed(parse_list_and_free, NULL), 8);
}

static void a_freed_url_is_empty(void **state) {
  (void)state;
  cachette__url url;
  parse_into("redis://user:secret@host/1?a=b", &url);
  cachette__url_deinit(&url);
  assert_null(url.password);
  assert_int_equal(url.parameter_count, 0);
  cachette__url_deinit(&url);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_url_is_split_into_its_parts),
      cmocka_unit_test(parameters_are_names_and_values),
      cmocka_unit_test(parameters_up_to_the_capacity_are_read),
      cmocka_unit_test(a_malformed_url_is_refused_with_the_reason),
      cmocka_unit_test(a_list_of_hosts_is_split),
      cmocka_unit_test(a_malformed_list_is_refused_with_the_reason),
      cmocka_unit_test(one_host_is_no_list),
      cmocka_unit_test(a_single_host_is_parsed),
      cmocka_unit_test(secrets_are_redacted),
      cmocka_unit_test(a_url_with_several_hosts_is_checked),
      cmocka_unit_test(no_message_contains_a_secret),
      cmocka_unit_test(a_redacted_url_is_truncated_to_fit),
      cmocka_unit_test(a_long_url_does_not_cut_off_the_reason),
      cmocka_unit_test(each_failing_allocation_is_handled),
      cmocka_unit_test(a_freed_url_is_empty),
  };
  return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
