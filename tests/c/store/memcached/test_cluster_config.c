/* SPDX-License-Identifier: MIT */
/* The reader of the servers that a configuration endpoint announces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nomem.h"
#include "store/memcached/binary.h"
#include "store/memcached/cluster_config.h"
#include "support.h"

/* What became of a reply. */
struct outcome {
  int code; /* 1: it is not complete; 2: it is not the protocol */
  char reason[160];
  char list[512]; /* the version, then the servers as name@address:port */
};

static void describe(const cachette__memcached_hosts *hosts, uint64_t version, char *list,
                     size_t size) {
  size_t used = (size_t)snprintf(list, size, "%llu", (unsigned long long)version);
  for (size_t i = 0; i < hosts->count && used < size; i++)
    used += (size_t)snprintf(list + used, size - used, " %s@%s:%u", hosts->list[i].host,
                             hosts->list[i].address != NULL ? hosts->list[i].address : "",
                             hosts->list[i].port);
}

/* Reads a reply in two pieces: the first `cut` bytes, and all. Buffers have the exact size. */
static struct outcome read_reply(const char *bytes, size_t size, size_t cut, bool is_text) {
  struct outcome outcome = {.code = 1};
  cachette__meta meta;
  cachette__binary binary;
  cachette__cluster_config config;
  cachette__meta_init(&meta);
  cachette__binary_init(&binary);
  cachette__cluster_config_init(&config, is_text);
  size_t begin = 0;
  bool complete = false;
  for (int piece = 0; piece < 2 && !complete && outcome.code == 1; piece++) {
    size_t end = piece == 0 ? cut : size;
    char *copy = malloc(end - begin + 1) /* never of size 0 */, *at = copy + 1;
    if (end > begin) memcpy(at, bytes + begin, end - begin);
    for (size_t left = end - begin; !complete;) {
      cachette__meta_token token;
      const char *reason;
      size_t used;
      cachette_slice rest = {at, left};
      int code = is_text ? cachette__meta_read(&meta, rest, &used, &token, &reason)
                         : cachette__binary_read(&binary, rest, &used, &token, &reason);
      at += used;
      left -= used;
      begin += used;
      if (code < 0) outcome.code = 2;
      if (code != CACHETTE__META_TOKEN) break;
      complete = cachette__cluster_config_take(&config, &token);
    }
    free(copy);
  }
  if (complete) {
    cachette__memcached_hosts *hosts;
    uint64_t version;
    outcome.code = cachette__cluster_config_finish(&config, &version, &hosts);
    if (outcome.code == 0) describe(hosts, version, outcome.list, sizeof outcome.list);
    if (outcome.code == 0) cachette__memcached_hosts_release(hosts);
    if (outcome.code < 0)
      snprintf(outcome.reason, sizeof outcome.reason, "%s%s", config.reason, config.error);
  }
  cachette__cluster_config_deinit(&config);
  return outcome;
}

/* Makes the reply of either protocol to the command. Returns its size. */
static size_t make_reply(const char *value, bool is_text, char *bytes, size_t max) {
  size_t size = strlen(value);
  if (is_text)
    return (size_t)snprintf(bytes, max, "CONFIG cluster 0 %zu\r\n%s\r\nEND\r\n", size, value);
  static const char head[28] = {(char)0x81, 0x60, 0, 0, 4};
  memcpy(bytes, head, sizeof head);
  bytes[10] = (char)((size + 4) >> 8);
  bytes[11] = (char)(size + 4);
  memcpy(bytes + sizeof head, value, size);
  return sizeof head + size;
}

static const struct {
  const char *value, *list, *reason; /* one of both */
} cases[] = {
    {"12\nm.1.example|10.0.0.1|11211 m.2.example|10.0.0.2|11212\n",
     "12 m.1.example@10.0.0.1:11211 m.2.example@10.0.0.2:11212", NULL},
    {"0\na|1.1.1.1|1\n", "0 a@1.1.1.1:1", NULL},
    {"9223372036854775807\na|b|65535", "9223372036854775807 a@b:65535", NULL},
    {"1\r\na|b|1 c|d|2\r\n", "1 a@b:1 c@d:2", NULL},
    {"1\n  a|b|1   c|d|2  \n\n", "1 a@b:1 c@d:2", NULL},
    {"1\na||1 |10.0.0.1|2 10.0.0.3|10.0.0.3|3\n", "1 a@:1 10.0.0.1@:2 10.0.0.3@:3", NULL},
    {"1\na|2600:1f18::1|1 ::1|::1|2\n", "1 a@2600:1f18::1:1 ::1@:2", NULL},
    {"1\na|b|1 a|c|1 a|b|1 a|b|2\n", "1 a@b:1 a@b:2", NULL},
    {"", NULL, "it is empty"},
    {"1\n", NULL, "it is empty"},
    {"1\n\n", NULL, "it is empty"},
    {"1", NULL, "its version is not a number"},
    {"1 a|b|1\n", NULL, "its version is not a number"},
    {"\na|b|1\n", NULL, "its version is not a number"},
    {"-1\na|b|1\n", NULL, "its version is not a number"},
    {"9223372036854775808\na|b|1\n", NULL, "its version is not a number"},
    {"99999999999999999999999\na|b|1\n", NULL, "its version is not a number"},
    {"1\na\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na|1\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na|b|1 c\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na|b|1|2\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\n||1\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na/b|c|1\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\n[::1]|::1|1\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na|fe80::1%eth0|1\n", NULL, "a server is not NAME|ADDRESS|PORT"},
    {"1\na|b|0\n", NULL, "a port is not a number from 1 to 65535"},
    {"1\na|b|65536\n", NULL, "a port is not a number from 1 to 65535"},
    {"1\na|b|\n", NULL, "a port is not a number from 1 to 65535"},
    {"1\na|b|1\n2\nc|d|1\n", NULL, "it has more than two lines"},
};

static void a_list_is_read_however_the_reply_is_split(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(cases); i++) {
    for (int is_text = 0; is_text < 2; is_text++) {
      char bytes[512];
      size_t size = make_reply(cases[i].value, is_text, bytes, sizeof bytes);
      for (size_t cut = 0; cut <= size; cut++) {
        struct outcome outcome = read_reply(bytes, size, cut, is_text);
        if (outcome.code != (cases[i].list != NULL ? 0 : CACHETTE_EBACKEND))
          fail_msg("%s: %d", cases[i].value, outcome.code);
        if (cases[i].list != NULL) assert_string_equal(outcome.list, cases[i].list);
        if (cases[i].reason != NULL) assert_string_equal(outcome.reason, cases[i].reason);
      }
    }
  }
}

static void a_reply_that_is_cut_off_gives_no_list(void **state) {
  (void)state;
  for (int is_text = 0; is_text < 2; is_text++) {
    char bytes[512];
    size_t size = make_reply(cases[0].value, is_text, bytes, sizeof bytes);
    for (size_t end = 0; end < size; end++)
      for (size_t cut = 0; cut <= end; cut++)
        assert_int_equal(read_reply(bytes, end, cut, is_text).code, 1);
  }
}

static void other_replies_give_no_list(void **state) {
  (void)state;
  static const struct {
    const char *reply;
    int code;
    const char *reason;
  } replies[] = {
      {"ERROR\r\n", CACHETTE_EUNSUPPORTED, "it is an errorERROR"},
      {"CLIENT_ERROR no\r\n", CACHETTE_EUNSUPPORTED, "it is an errorCLIENT_ERROR no"},
      {"SERVER_ERROR busy\r\n", CACHETTE_EBACKEND, "it is an errorSERVER_ERROR busy"},
      {"END\r\n", CACHETTE_EBACKEND, "it is empty"},
      {"HD\r\n", CACHETTE_EBACKEND, "it is not what \"config get cluster\" returns"},
      {"hello\r\n", CACHETTE_EBACKEND, "it is not what \"config get cluster\" returns"},
      {"CONFIG cluster 0 131073\r\n", CACHETTE_EBACKEND, "it is too large"},
      {"CONFIG cluster 0 3\r\nabc\r\nCONFIG cluster 0 3\r\n", CACHETTE_EBACKEND, "it comes twice"},
      {"CONFIG cluster 0 1073741825\r\n", 2, ""},
      {"CONFIG cluster 0 -1\r\n", 2, ""},
      {"CONFIG cluster 0 99999999999999999999\r\n", 2, ""},
      {"CONFIG cluster 0\r\n", 2, ""},
      {"CONFIG cluster\r\n", 2, ""},
      {"CONFIG\r\n", 2, ""},
      {"CONFIG cluster 0 3\r\nabcd\r\nEND\r\n", 2, ""},
  };
  for (size_t i = 0; i < LENGTH(replies); i++) {
    size_t size = strlen(replies[i].reply);
    for (size_t cut = 0; cut <= size; cut++) {
      struct outcome outcome = read_reply(replies[i].reply, size, cut, true);
      if (outcome.code != replies[i].code) fail_msg("%s: %d", replies[i].reply, outcome.code);
      assert_string_equal(outcome.reason, replies[i].reason);
    }
  }
}

/* Makes a value with this many servers. The caller frees it. */
static char *make_value(int servers) {
  char *value = malloc((size_t)servers * 24 + 8);
  if (value == NULL) abort();
  size_t used = (size_t)sprintf(value, "1\n");
  for (int i = 0; i < servers; i++) used += (size_t)sprintf(value + used, "node%d|1.2.3.4|1 ", i);
  strcpy(value + used, "\n");
  return value;
}

static void a_list_has_at_most_a_thousand_servers(void **state) {
  (void)state;
  for (int servers = 1000; servers <= 1001; servers++) {
    char *value = make_value(servers), *bytes = malloc(strlen(value) + 64);
    size_t size = make_reply(value, true, bytes, strlen(value) + 64);
    struct outcome outcome = read_reply(bytes, size, size / 2, true);
    assert_int_equal(outcome.code, servers == 1000 ? 0 : CACHETTE_EBACKEND);
    if (servers > 1000) assert_string_equal(outcome.reason, "it has more than 1000 servers");
    free(value);
    free(bytes);
  }
}

static int read_first(void *data) {
  char bytes[512];
  (void)data;
  size_t size = make_reply(cases[0].value, true, bytes, sizeof bytes);
  struct outcome outcome = read_reply(bytes, size, 30, true);
  if (outcome.code == CACHETTE_ENOMEM) assert_string_equal(outcome.reason, "memory is out");
  return outcome.code;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  assert_true(nomem_each_needed(read_first, NULL) >= 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_is_read_however_the_reply_is_split),
      cmocka_unit_test(a_reply_that_is_cut_off_gives_no_list),
      cmocka_unit_test(other_replies_give_no_list),
      cmocka_unit_test(a_list_has_at_most_a_thousand_servers),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  failing_allocator_install();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
