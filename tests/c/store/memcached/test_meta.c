/* SPDX-License-Identifier: MIT */
/*
 * The parsers of memcached's protocols, with input in pieces of every size; keys; hosts. No server
 * is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memcached/binary.h"
#include "store/memcached/hosts.h"
#include "store/memcached/key.h"
#include "store/memcached/meta.h"
#include "support.h"

/* The tokens as text. The parts of a value are joined. */
struct record {
  char text[4096];
  size_t size;
};

static void add(struct record *record, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  record->size += (size_t)vsnprintf(record->text + record->size, sizeof record->text - record->size,
                                    format, arguments);
  va_end(arguments);
  assert_true(record->size < sizeof record->text);
}

static void add_token(struct record *record, const cachette__meta_token *token) {
  if (token->type != CACHETTE__META_VALUE) {
    add(record, "%d <%.*s>", token->type, (int)token->line.size, (const char *)token->line.data);
  } else if (token->line.data != NULL) {
    add(record, "value of %zu: ", token->size);
  }
  if (token->has_opaque) add(record, " O%u", token->opaque);
  if (token->has_flags) add(record, " f%u", token->flags);
  if (token->cas > 0) add(record, " c%llu ", (unsigned long long)token->cas);
  if (token->has_ttl) add(record, " t%lld", (long long)token->ttl);
  add(record, "%.*s%s", (int)token->bytes.size, (const char *)token->bytes.data,
      token->end ? ";" : "");
}

/* Parses the text in pieces of these sizes and records the tokens. Returns the last code. */
static int feed_to(bool is_binary, const char *text, size_t size, size_t first, size_t step,
                   struct record *record) {
  cachette__meta meta;
  cachette__binary binary;
  cachette__meta_init(&meta);
  cachette__binary_init(&binary);
  size_t begin = 0, end = first < size ? first : size;
  record->size = 0;
  record->text[0] = '\0';
  for (;;) {
    cachette__meta_token token;
    const char *reason = NULL;
    size_t used;
    char *piece = malloc(end - begin + 1); /* detects reads beyond its end */
    memcpy(piece, text + begin, end - begin);
    cachette_slice bytes = {piece, end - begin};
    int code = is_binary ? cachette__binary_read(&binary, bytes, &used, &token, &reason)
                         : cachette__meta_read(&meta, bytes, &used, &token, &reason);
    if (code == CACHETTE__META_TOKEN) add_token(record, &token);
    free(piece);
    assert_true(used <= end - begin);
    begin += used;
    if (code < 0) {
      assert_non_null(reason);
      return code;
    }
    if (code == CACHETTE__META_TOKEN) continue;
    if (end == size) return code;
    end = end + step < size ? end + step : size;
  }
}

static int feed(const char *text, size_t size, size_t first, size_t step, struct record *record) {
  return feed_to(false, text, size, first, step, record);
}

static const char session[] =
    "VERSION 1.6.18\r\n"
    "VA 5 t60 O2\r\nhello\r\n"
    "EN O3\r\nNF O4\r\nHD O5 t-1\r\nNS O4294967295\r\n"
    "VA 0 O6\r\n\r\n"
    "VA 8 b kZm9v f0\r\nab\r\ncd\n\n\r\n"
    "CLIENT_ERROR bad command line format\r\nERROR\r\nSERVER_ERROR out of memory\r\n"
    "key=a exp=-1 la=1\nSTAT curr_items 7\r\nEND\r\nMN\r\n";

static void a_session_gives_the_same_tokens_however_it_is_split(void **state) {
  (void)state;
  struct record whole, cut;
  size_t size = sizeof session - 1;
  assert_int_equal(feed(session, size, size, 1, &whole), CACHETTE__META_MORE);
  assert_non_null(strstr(whole.text, "value of 5:  O2 t60hello;"));
  assert_non_null(strstr(whole.text, "2 <EN O3> O3;"));
  assert_non_null(strstr(whole.text, "1 <HD O5 t-1> O5 t-1;"));
  assert_non_null(strstr(whole.text, "O4294967295;"));
  assert_non_null(strstr(whole.text, "value of 8: ab\r\ncd\n\n;"));
  assert_non_null(strstr(whole.text, "6 <key=a exp=-1 la=1>;"));
  for (size_t first = 0; first < size; first++) {
    feed(session, size, first, size, &cut);
    assert_string_equal(cut.text, whole.text);
  }
  for (size_t step = 1; step < 40; step++) {
    feed(session, size, step, step, &cut);
    assert_string_equal(cut.text, whole.text);
  }
}

static void malformed_replies_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"VA\r\n",
                                    "VA x\r\n",
                                    "VA -1\r\nab\r\n",
                                    "VA 99999999999999999999\r\n",
                                    "VA 1073741825\r\n",
                                    "VA 2\r\nabcd\r\n",
                                    "VA 2\r\nabx\n",
                                    "HD O\r\n",
                                    "HD O4294967296\r\n",
                                    "HD tx\r\n",
                                    "HD t9999999999999999\r\n",
                                    "VA 2 O-1\r\nab\r\n"};
  struct record record;
  for (size_t i = 0; i < LENGTH(bad); i++)
    for (size_t first = 0; first <= strlen(bad[i]); first++)
      if (feed(bad[i], strlen(bad[i]), first, 3, &record) != CACHETTE_EBACKEND)
        fail_msg("%s", bad[i]);
  static char line[20000];
  memset(line, 'x', sizeof line);
  assert_int_equal(feed(line, sizeof line, 100, 100, &record), CACHETTE_EBACKEND);
}

/* ---- The binary protocol ---- */

/* Writes a reply with opaque 3 and CAS 9. Returns its end. */
static char *answer(char *at, unsigned verb, unsigned status, const char *extras,
                    size_t extras_size, const char *key, const char *value, size_t size) {
  size_t key_size = strlen(key), body = extras_size + key_size + size;
  const unsigned char head[] = {0x81,
                                (unsigned char)verb,
                                0,
                                (unsigned char)key_size,
                                (unsigned char)extras_size,
                                0,
                                (unsigned char)(status >> 8),
                                (unsigned char)status,
                                0,
                                0,
                                (unsigned char)(body >> 8),
                                (unsigned char)body,
                                0,
                                0,
                                0,
                                3,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                0,
                                9};
  memcpy(at, head, sizeof head);
  memcpy(at + sizeof head, extras, extras_size);
  memcpy(at + sizeof head + extras_size, key, key_size);
  memcpy(at + sizeof head + extras_size + key_size, value, size);
  return at + sizeof head + body;
}

static char *answer_text(char *at, unsigned verb, unsigned status, const char *key,
                         const char *text) {
  return answer(at, verb, status, "", 0, key, text, strlen(text));
}

static void a_binary_session_gives_the_same_tokens_however_it_is_split(void **state) {
  (void)state;
  char bytes[2048], *at = bytes;
  struct record whole, cut;
  at = answer_text(at, CACHETTE__BINARY_AUTH, 0, "", "Authenticated");
  at = answer(at, CACHETTE__BINARY_GET, 0, "\0\0\1\7", 4, "", "he\r\nllo", 7);
  at = answer(at, CACHETTE__BINARY_TOUCH_GET, 0, "\377\377\377\377", 4, "", "", 0);
  at = answer_text(at, CACHETTE__BINARY_GET, 1, "", "Not found");
  at = answer_text(at, CACHETTE__BINARY_ADD, 2, "", "Data exists for key.");
  at = answer(at, CACHETTE__BINARY_INCREMENT, 0, "", 0, "", "\377\377\377\377\377\377\377\377", 8);
  at = answer_text(at, CACHETTE__BINARY_INCREMENT, 6, "", "Non-numeric server-side value");
  at = answer_text(at, CACHETTE__BINARY_SET, 3, "", "Too large.");
  at = answer_text(at, CACHETTE__BINARY_STAT, 0, "curr_items", "7");
  at = answer_text(at, CACHETTE__BINARY_STAT, 0, "long", session);
  at = answer_text(at, CACHETTE__BINARY_STAT, 0, "", "");
  at = answer_text(at, CACHETTE__BINARY_NOOP, 0, "", "");
  at = answer_text(at, CACHETTE__BINARY_SET, 0x99, "", "");
  size_t size = (size_t)(at - bytes);
  assert_int_equal(feed_to(true, bytes, size, size, 1, &whole), CACHETTE__META_MORE);
  assert_string_equal(whole.text,
                      "1 <> O3 c9 ;"
                      "value of 7:  O3 f263 c9 he\r\nllo;"
                      "value of 0:  O3 f4294967295 c9 ;"
                      "2 <> O3 c9 ;3 <> O3 c9 ;"
                      "value of 20:  O3 c9 18446744073709551615;"
                      "5 <non-numeric> O3 c9 ;5 <object too large> O3 c9 ;"
                      "6 <STAT curr_items 7> O3 c9 ;6 <> O3 c9 ;6 <END> O3 c9 ;"
                      "4 <> O3 c9 ;5 <status 0x99> O3 c9 ;");
  for (size_t first = 0; first < size; first++) {
    feed_to(true, bytes, size, first, size, &cut);
    assert_string_equal(cut.text, whole.text);
  }
  for (size_t step = 1; step < 60; step++) {
    feed_to(true, bytes, size, step, step, &cut);
    assert_string_equal(cut.text, whole.text);
  }
}

static void malformed_binary_replies_are_refused(void **state) {
  (void)state;
  char bytes[256];
  struct record record;
  const struct {
    unsigned verb;
    size_t byte; /* of the header, set to `value` */
    char value;
  } cases[] = {
      {CACHETTE__BINARY_SET, 0, 'V'},         /* text */
      {CACHETTE__BINARY_SET, 4, 100},         /* more extras than bytes */
      {CACHETTE__BINARY_SET, 2, 1},           /* a longer key than bytes */
      {CACHETTE__BINARY_SET, 9, 1},           /* a body of more than 64 KiB */
      {CACHETTE__BINARY_GET, 0, '\x81'},      /* no flags */
      {CACHETTE__BINARY_GET, 8, 0x7f},        /* a value of 2 GiB */
      {CACHETTE__BINARY_DECREMENT, 0, '\x81'} /* a counter of 5 bytes */
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char *end = answer_text(bytes, cases[i].verb, 0, "", "value");
    bytes[cases[i].byte] = cases[i].value;
    size_t size = (size_t)(end - bytes);
    for (size_t first = 0; first <= size; first++)
      if (feed_to(true, bytes, size, first, 3, &record) != CACHETTE_EBACKEND)
        fail_msg("case %zu, cut at %zu", i, first);
  }
}

/* ---- Keys ---- */

static void listed_names_are_decoded(void **state) {
  (void)state;
  cachette__memcached_key key;
  assert_true(cachette__memcached_key_decode(cachette_str("a%20b%C3%bc%25"), &key));
  assert_int_equal(key.size, 6);
  assert_memory_equal(key.raw, "a b\xc3\xbc%", 6);
  assert_true(key.base64);
  static const char *const bad[] = {"", "%", "%4", "%4x", "a%"};
  for (size_t i = 0; i < LENGTH(bad); i++)
    assert_false(cachette__memcached_key_decode(cachette_str(bad[i]), &key));
  static char many[600];
  memset(many, 'k', sizeof many - 1);
  assert_false(cachette__memcached_key_decode(cachette_str(many), &key));
}

static void long_keys_are_hashed_and_keep_their_prefix(void **state) {
  (void)state;
  static char text[70000];
  memset(text, 'k', sizeof text);
  memcpy(text, "ns:", 3);
  cachette__memcached_key one, two;
  const cachette_slice none = {NULL, 0};
  assert_true(cachette__memcached_key_make(none, (cachette_slice){text, 250}, &one));
  assert_int_equal(one.size, 250);
  assert_memory_equal(one.raw, text, 250);
  assert_true(cachette__memcached_key_make(none, (cachette_slice){text, 251}, &one));
  assert_true(cachette__memcached_key_make(none, (cachette_slice){text, 252}, &two));
  assert_int_equal(one.size, 250);
  assert_memory_equal(one.raw, text, 185);
  assert_int_equal(one.raw[185], '~');
  assert_memory_not_equal(one.raw, two.raw, 250);
  /* The hash covers prefix and key. */
  assert_true(cachette__memcached_key_make((cachette_slice){text, 100},
                                           (cachette_slice){text + 100, 151}, &two));
  assert_memory_equal(one.raw, two.raw, 250);
  text[10] = '\n';
  char wire[300];
  for (size_t size = 150; size < 400; size++) {
    assert_true(cachette__memcached_key_make(none, (cachette_slice){text, size}, &one));
    assert_true(cachette__memcached_key_write(&one, wire) - wire <= 250);
  }
}

/* ---- Hosts ---- */

enum { KEYS = 100000 };

static void count_keys(const char *text, size_t *counts, size_t *choices) {
  cachette__memcached_hosts *hosts;
  assert_int_equal(cachette__memcached_hosts_parse(text, &hosts, NULL), 0);
  for (size_t i = 0; i < hosts->count; i++) counts[i] = 0;
  for (int i = 0; i < KEYS; i++) {
    char key[24];
    snprintf(key, sizeof key, "user:%d", i);
    choices[i] = cachette__memcached_choose(hosts, cachette_str(key));
    counts[choices[i]]++;
  }
  cachette__memcached_hosts_release(hosts);
}

static void keys_are_spread_by_weight(void **state) {
  (void)state;
  static size_t choices[KEYS];
  static const struct {
    const char *text;
    size_t count, weights[5], sum;
  } cases[] = {{"a,b,c", 3, {1, 1, 1}, 3},
               {"10.0.0.1:11211,10.0.0.2:11211,10.0.0.3:11211,10.0.0.4:11211", 4, {1, 1, 1, 1}, 4},
               {"a:1,a:2,a:3,a:4,a:5", 5, {1, 1, 1, 1, 1}, 5},
               {"a:1:1,a:2:2,a:3:3,a:4:4", 4, {1, 2, 3, 4}, 10}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    size_t counts[5];
    count_keys(cases[i].text, counts, choices);
    for (size_t j = 0; j < cases[i].count; j++) {
      size_t fair = KEYS * cases[i].weights[j] / cases[i].sum;
      assert_in_range(counts[j], fair - fair / 20, fair + fair / 20);
    }
  }
}

static void an_added_server_moves_only_its_share_of_keys(void **state) {
  (void)state;
  static size_t before[KEYS], after[KEYS];
  size_t counts[5], moved = 0;
  count_keys("a,b,c", counts, before);
  count_keys("a,b,c,d", counts, after);
  for (int i = 0; i < KEYS; i++) {
    moved += before[i] != after[i];
    if (before[i] != after[i]) assert_int_equal(after[i], 3);
  }
  assert_in_range(moved, KEYS / 4 - KEYS / 50, KEYS / 4 + KEYS / 50);
  /* The order in the list does not matter. */
  count_keys("c,a,b", counts, after);
  static const size_t same[] = {1, 2, 0};
  for (int i = 0; i < KEYS; i++) assert_int_equal(after[i], same[before[i]]);
}

static void malformed_hosts_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {",",         "host:",         "host:0",     "host:65536",
                                    "host:1:0",  "host:1:1001",   "host:1:2:3", "::1",
                                    "[::1",      "[::1]x",        "[]",         "a,,b",
                                    "a,a:11211", "memcached://h", "ho st",      "user@host"};
  static const char *const good[] = {"host",  "host:1",    "host:1:1000",
                                     "[::1]", "[::1]:5:2", "/run/m.socket",
                                     "a,b",   " a , b:2 ", "a:1,a:2:3"};
  cachette_error error;
  for (size_t i = 0; i < LENGTH(bad); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", bad[i], NULL);
    if (cachette_options_check(options, &error, 1) != 1) fail_msg("%s", bad[i]);
    assert_string_equal(error.subject, "memcached_host");
    assert_non_null(strstr(error.message, "It looks like host[:port[:weight]]"));
    cachette_options_free(options);
  }
  for (size_t i = 0; i < LENGTH(good); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", good[i], NULL);
    if (cachette_options_check(options, &error, 1) != 0) fail_msg("%s", error.message);
    cachette_options_free(options);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_session_gives_the_same_tokens_however_it_is_split),
      cmocka_unit_test(malformed_replies_are_refused),
      cmocka_unit_test(a_binary_session_gives_the_same_tokens_however_it_is_split),
      cmocka_unit_test(malformed_binary_replies_are_refused),
      cmocka_unit_test(listed_names_are_decoded),
      cmocka_unit_test(long_keys_are_hashed_and_keep_their_prefix),
      cmocka_unit_test(keys_are_spread_by_weight),
      cmocka_unit_test(an_added_server_moves_only_its_share_of_keys),
      cmocka_unit_test(malformed_hosts_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
