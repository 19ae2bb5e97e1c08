/* SPDX-License-Identifier: MIT */
/*
 * The map of a cluster: from replies to CLUSTER SLOTS, and as redirections change it.
 *
 * The tests write a reply in short form, which becomes bytes of both versions of the protocol:
 *
 *     [a b]   an array         {a b}   a map; in version 2 an array
 *     7       an integer       word    a string; '' is the empty one
 *     _       a null           others as they are in the protocol: #t ,1.5 +OK
 *
 * They write a map as its nodes and ranges. A node is its address, `=` and its TLS name if it has
 * one, and `<` and the index of its primary if it is a replica:
 *
 *     a:1 b:2=name<0 | 0-16383:0
 */
#include "store/redis/cluster/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nomem.h"
#include "store/redis/cluster/map_builder.h"
#include "support.h"

enum { NO_NODE = CACHETTE__REDIS_NO_NODE };

/* ---- Replies ---- */

struct bytes {
  char data[1 << 18];
  size_t size;
};

static void add(struct bytes *to, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(to->data + to->size, sizeof to->data - to->size, format, arguments);
  va_end(arguments);
  assert_true(size >= 0 && (size_t)size < sizeof to->data - to->size);
  to->size += (size_t)size;
}

static const char *skip_spaces(const char *at) { return at + strspn(at, " "); }

/* Returns what follows the value at `at`. */
static const char *skip_value(const char *at) {
  int depth = 0;
  do {
    at = skip_spaces(at);
    if (*at == '[' || *at == '{')
      depth++;
    else if (*at == ']' || *at == '}')
      depth--;
    at += strchr("[]{}", *at) != NULL ? 1 : strcspn(at, " []{}");
  } while (depth > 0);
  return at;
}

static int count_values(const char *at) {
  int count = 0;
  for (at = skip_spaces(at); *at != ']' && *at != '}'; at = skip_spaces(skip_value(at))) count++;
  return count;
}

static void add_word(struct bytes *to, const char *word, int size, int version) {
  if (strspn(word, "-0123456789") >= (size_t)size)
    add(to, ":%.*s\r\n", size, word);
  else if (*word == '_')
    add(to, version == 2 ? "$-1\r\n" : "_\r\n");
  else if (strncmp(word, "''", 2) == 0)
    add(to, "$0\r\n\r\n");
  else if (strchr("#,+-!=", *word) != NULL)
    add(to, "%.*s\r\n", size, word);
  else
    add(to, "$%d\r\n%.*s\r\n", size, size, word);
}

/* Adds a value in the protocol's form. Returns what follows it. */
static const char *add_value(struct bytes *to, const char *at, int version) {
  at = skip_spaces(at);
  if (*at != '[' && *at != '{') {
    size_t size = strcspn(at, " []{}");
    add_word(to, at, (int)size, version);
    return at + size;
  }
  int count = count_values(at + 1);
  if (*at == '{' && version == 3)
    add(to, "%%%d\r\n", count / 2);
  else
    add(to, "*%d\r\n", count);
  for (at = skip_spaces(at + 1); *at != ']' && *at != '}'; at = skip_spaces(at))
    at = add_value(to, at, version);
  return at + 1;
}

/* ---- Reading ---- */

static char internal[] = "10.0.0.1", named[] = "Node.Example", local[] = "127.0.0.1", v6[] = "::1";
static cachette__redis_address_pair pairs[] = {
    {{internal, 1}, {local, 7000}},
    {{named, 2}, {v6, 7001}},
};
static const cachette__redis_address_map address_map = {pairs, LENGTH(pairs)};
static const cachette__redis_map_source plain = {.host = "asked"};
static const cachette__redis_map_source mapped = {.host = "10.0.0.1", .address_map = &address_map};
static const cachette__redis_map_source secure = {
    .host = "10.0.0.9", .tls_name = "asked.example", .seed_name = "seed.example"};
static const cachette__redis_map_source numeric = {.host = "10.0.0.9", .seed_name = "10.0.0.9"};
static const cachette__redis_map_source over_unix = {.host = NULL};

struct reader {
  cachette__resp parser;
  cachette__redis_map_builder builder;
  char left[CACHETTE__RESP_LINE + 2];
  size_t left_size;
};

/* Feeds the builder the tokens of these bytes after those that are left, in a buffer of exactly
 * their size. */
static int feed(struct reader *reader, const char *bytes, size_t size) {
  size_t whole = reader->left_size + size, at = 0;
  char *copy = malloc(whole > 0 ? whole : 1);
  assert_non_null(copy);
  memcpy(copy, reader->left, reader->left_size);
  memcpy(copy + reader->left_size, bytes, size);
  int code = CACHETTE_OK, status;
  do {
    cachette__resp_token token;
    const char *reason = NULL;
    size_t used;
    status = cachette__resp_read(&reader->parser, (cachette_slice){copy + at, whole - at}, &used,
                                 &token, &reason);
    at += used;
    if (status == CACHETTE__RESP_TOKEN) {
      int before = code;
      code = cachette__redis_map_builder_take(&reader->builder, &token);
      assert_true(before == CACHETTE_OK || code == before); /* an error stays */
    }
  } while (status == CACHETTE__RESP_TOKEN);
  assert_int_equal(status, CACHETTE__RESP_MORE);
  reader->left_size = whole - at;
  memcpy(reader->left, copy + at, reader->left_size);
  free(copy);
  return code;
}

/* Returns the map of a reply in two pieces, or in pieces of a byte if `cut` is greater than its
 * size; NULL if it was refused. */
static cachette__redis_map *read_map(const struct bytes *reply, size_t cut,
                                     const cachette__redis_map_source *source, char reason[64]) {
  struct reader reader = {.left_size = 0};
  cachette__resp_init(&reader.parser);
  assert_int_equal(cachette__redis_map_builder_init(&reader.builder, source), CACHETTE_OK);
  if (cut <= reply->size) {
    feed(&reader, reply->data, cut);
    feed(&reader, reply->data + cut, reply->size - cut);
  } else {
    for (size_t i = 0; i < reply->size; i++) feed(&reader, reply->data + i, 1);
  }
  const char *why = cachette__redis_map_builder_reason(&reader.builder);
  cachette__redis_map *map = cachette__redis_map_builder_finish(&reader.builder);
  assert_int_equal(reader.builder.code, map != NULL ? CACHETTE_OK : CACHETTE_EBACKEND);
  assert_true((map == NULL) == (why != NULL));
  snprintf(reason, 64, "%s", why != NULL ? why : "");
  cachette__redis_map_builder_deinit(&reader.builder);
  return map;
}

/* ---- Maps as text ---- */

/* Checks that the counts and rings are those of owners and primaries. */
static void check_map(const cachette__redis_map *map) {
  unsigned covered = 0, slots[CACHETTE__REDIS_MAP_NODES] = {0};
  for (unsigned slot = 0; slot < CACHETTE__REDIS_SLOTS; slot++) {
    if (map->owner[slot] == NO_NODE) continue;
    assert_true(map->owner[slot] < map->node_count);
    slots[map->owner[slot]]++;
    covered++;
  }
  assert_int_equal(map->covered, covered);
  for (unsigned i = 0; i < map->node_count; i++) {
    const cachette__redis_map_node *node = &map->nodes[i];
    assert_int_equal(node->slots, slots[i]);
    assert_int_equal(cachette__redis_map_is_primary(map, i), slots[i] > 0);
    assert_int_equal(map->nodes[node->primary].primary, node->primary);
    if (node->slots > 0) assert_int_equal(node->primary, i);
    unsigned size = 0, members = 0;
    for (unsigned each = node->next; size++ < map->node_count; each = map->nodes[each].next) {
      assert_int_equal(map->nodes[each].primary, node->primary);
      if (each == i) break;
    }
    for (unsigned each = 0; each < map->node_count; each++)
      members += map->nodes[each].primary == node->primary;
    assert_int_equal(size, members);
    cachette_slice host = cachette_str(node->host);
    assert_int_equal(cachette__redis_map_find(map, host, node->port), i);
  }
}

static void describe(const cachette__redis_map *map, struct bytes *to) {
  to->size = 0;
  for (unsigned i = 0; i < map->node_count; i++) {
    const cachette__redis_map_node *node = &map->nodes[i];
    add(to, "%s:%u", node->host, node->port);
    if (node->tls_name != NULL) add(to, "=%s", node->tls_name);
    if (node->primary != i) add(to, "<%u", node->primary);
    add(to, " ");
  }
  add(to, "|");
  for (unsigned begin = 0, end; begin < CACHETTE__REDIS_SLOTS; begin = end) {
    for (end = begin; end < CACHETTE__REDIS_SLOTS && map->owner[end] == map->owner[begin];) end++;
    if (map->owner[begin] != NO_NODE) add(to, " %u-%u:%u", begin, end - 1, map->owner[begin]);
  }
}

static void expect_map(const cachette__redis_map *map, const char *expected) {
  static struct bytes text;
  check_map(map);
  describe(map, &text);
  assert_string_equal(text.data, expected);
}

/* ---- Replies that are valid ---- */

static const struct {
  const cachette__redis_map_source *source;
  const char *reply, *map;
} replies[] = {
    {&plain, "[[0 16383 [a 1 id]]]", "a:1 | 0-16383:0"},
    {&plain, "[[0 8191 [a 1 id] [b 2 id]] [8192 16383 [c 3 id] [d 4 id] [e 5 id]]]",
     "a:1 b:2<0 c:3 d:4<2 e:5<2 | 0-8191:0 8192-16383:2"},
    {&plain, "[[0 0 [a 1 x] [b 2 x]] [5 9 [a 1 x] [b 2 x]] [16383 16383 [a 1 x] [b 2 x]]]",
     "a:1 b:2<0 | 0-0:0 5-9:0 16383-16383:0"},
    {&plain, "[]", "|"},
    /* Older servers, and newer ones. */
    {&plain, "[[0 5 [a 1]]]", "a:1 | 0-5:0"},
    {&plain, "[[0 5 [a 1 id []]]]", "a:1 | 0-5:0"},
    {&plain, "[[0 5 [a 1 id {}]]]", "a:1 | 0-5:0"},
    {&plain, "[[0 5 [a 1 id {new [1 [hostname x]] hostname n} more [1 {a b}]]]]", "a:1=n | 0-5:0"},
    {&plain, "[[0 5 [a 1 [hostname x] {hostname n}] [b 2 _ _ _]]]", "a:1=n b:2<0 | 0-5:0"},
    {&plain, "[[0 5 [a 1 id [hostname]] [b 2 id [hostname n]]]]", "a:1 b:2=n<0 | 0-5:0"},
    {&plain, "[[0 5]]", "|"},
    /* The address of the node that was asked. */
    {&plain, "[[0 5 [_ 1 id]]]", "asked:1 | 0-5:0"},
    {&plain, "[[0 5 ['' 1 id]]]", "asked:1 | 0-5:0"},
    {&secure, "[[0 5 [_ 1 id] [_ 2 id]]]",
     "10.0.0.9:1=asked.example 10.0.0.9:2=asked.example<0 | 0-5:0"},
    {&over_unix, "[[0 5 [_ 1 id]] [6 9 [a 1 id]]]", "a:1 | 6-9:0"},
    /* Nodes that are skipped. */
    {&plain, "[[0 5 [? 1 id] [b 2 id]] [6 9 [a 1 id] [? 2 id]]]", "b:2 a:1 | 6-9:1"},
    {&plain, "[[0 5 [a 0 id]] [6 7 [a 65536 id]] [8 9 [a -1 id]]]", "|"},
    {&plain, "[[0 5 [a/b 1 id]] [6 7 [a@b 1 id]] [8 9 [a\tb 1 id]] [10 11 [\xc3\xa4 1 id]]]", "|"},
    /* The name of the certificate: announced, or the host, or the seed's. */
    {&plain, "[[0 5 [10.0.0.1 1 id {hostname n.example}]]]", "10.0.0.1:1=n.example | 0-5:0"},
    {&plain, "[[0 5 [n.example 1 id {ip 10.0.0.1}]]]", "n.example:1 | 0-5:0"},
    {&plain, "[[0 5 [10.0.0.1 1 id {}]]]", "10.0.0.1:1 | 0-5:0"},
    {&secure, "[[0 5 [10.0.0.1 1 id {}] [::1 2 id {}] [n.example 3 id {}]]]",
     "10.0.0.1:1=seed.example ::1:2=seed.example<0 n.example:3<0 | 0-5:0"},
    {&numeric, "[[0 5 [10.0.0.1 1 id] [_ 2 id]]]", "10.0.0.1:1 10.0.0.9:2<0 | 0-5:0"},
    {&secure, "[[0 5 [10.0.0.1 1 id {ip x hostname n.example}]]]", "10.0.0.1:1=n.example | 0-5:0"},
    {&secure, "[[0 5 [_ 1 id {hostname n.example}]]]", "10.0.0.9:1=n.example | 0-5:0"},
    {&secure, "[[0 5 [a 1 id {hostname ''}] [b 1 id {hostname ?}] [c 1 id {hostname _}]]]",
     "a:1 b:1<0 c:1<0 | 0-5:0"},
    {&secure, "[[0 5 [a 1 id {hostname x/y}] [b 1 id {hostname 7}] [c 1 id {hostname [z]}]]]",
     "a:1 b:1<0 c:1<0 | 0-5:0"},
    {&secure, "[[0 5 [a 1 id {x hostname y n}] [b 1 id {hostnames n host m}]]]",
     "a:1 b:1<0 | 0-5:0"},
    /* The address map. */
    {&mapped, "[[0 5 [10.0.0.1 1 id] [10.0.0.1 2 id] [10.0.0.2 1 id]]]",
     "127.0.0.1:7000 10.0.0.1:2<0 10.0.0.2:1<0 | 0-5:0"},
    {&mapped, "[[0 5 [_ 1 id]]]", "127.0.0.1:7000 | 0-5:0"},
    {&mapped, "[[0 5 [node.example 2 id]]]", "::1:7001=node.example | 0-5:0"},
    {&mapped, "[[0 5 [10.0.0.1 1 id {hostname n}]]]", "127.0.0.1:7000=n | 0-5:0"},
    /* The same node twice. */
    {&plain, "[[0 5 [a 1 x] [a 1 x]]]", "a:1 | 0-5:0"},
    {&plain, "[[0 5 [a 1 x] [b 2 x] [b 2 x]]]", "a:1 b:2<0 | 0-5:0"},
    {&plain, "[[0 5 [a 1 x] [b 2 x]] [6 9 [b 2 x] [a 1 x]]]", "a:1 b:2 | 0-5:0 6-9:1"},
    {&plain, "[[0 5 [a 1 x] [c 3 x]] [6 9 [b 2 x] [c 3 x]]]", "a:1 c:3<2 b:2 | 0-5:0 6-9:2"},
    {&plain, "[[0 5 [a 1 x {hostname m}]] [6 9 [a 1 x {hostname n}]]]", "a:1=m | 0-9:0"},
};

static void expect_reply(const struct bytes *reply, size_t cut,
                         const cachette__redis_map_source *source, const char *expected,
                         const char *problem) {
  char reason[64];
  cachette__redis_map *map = read_map(reply, cut, source, reason);
  if ((map == NULL) != (problem != NULL) || (problem != NULL && strcmp(problem, reason) != 0))
    fail_msg("\"%.200s\" cut at %zu: \"%s\" instead of \"%s\"", reply->data, cut, reason,
             problem != NULL ? problem : "a map");
  if (expected != NULL) expect_map(map, expected);
  cachette__redis_map_release(map);
}

static void expect_however_split(const char *text, const cachette__redis_map_source *source,
                                 const char *expected, const char *problem) {
  static struct bytes reply;
  for (int version = 2; version <= 3; version++) {
    reply.size = 0;
    add_value(&reply, text, version);
    for (size_t cut = 0; cut <= reply.size + 1; cut++)
      expect_reply(&reply, cut, source, expected, problem);
  }
}

static void a_reply_becomes_a_map_however_it_is_split(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(replies); i++)
    expect_however_split(replies[i].reply, replies[i].source, replies[i].map, NULL);
}

static void attributes_and_pushes_are_ignored(void **state) {
  (void)state;
  static struct bytes reply;
  reply.size = 0;
  add(&reply, "|1\r\n+ttl\r\n:1\r\n>2\r\n+message\r\n*1\r\n:3\r\n*1\r\n|1\r\n+a\r\n*1\r\n:2\r\n");
  add(&reply, "*3\r\n:0\r\n:5\r\n|1\r\n+a\r\n+b\r\n*2\r\n$1\r\na\r\n:1\r\n");
  for (size_t cut = 0; cut <= reply.size + 1; cut++)
    expect_reply(&reply, cut, &plain, "a:1 | 0-5:0", NULL);
}

/* ---- Replies that are refused ---- */

static const struct {
  const char *reply, *reason;
} refusals[] = {
    {"+OK", "it is not an array"},
    {"-ERR", "it is not an array"},
    {"7", "it is not an array"},
    {"_", "it is not an array"},
    {"word", "it is not an array"},
    {"[word]", "it is not an array"},
    {"[[]]", "a range has no slots"},
    {"[[0]]", "a range has no slots"},
    {"[[0 16384 [a 1]]]", "a slot is not a number from 0 to 16383"},
    {"[[-1 5 [a 1]]]", "a slot is not a number from 0 to 16383"},
    {"[[0 9223372036854775807 [a 1]]]", "a slot is not a number from 0 to 16383"},
    {"[[a 5 [a 1]]]", "a slot is not a number from 0 to 16383"},
    {"[[0 [a 1] 5]]", "a slot is not a number from 0 to 16383"},
    {"[[6 5 [a 1]]]", "a range ends before it begins"},
    {"[[0 5 a]]", "a node has no host and port"},
    {"[[0 5 []]]", "a node has no host and port"},
    {"[[0 5 [a]]]", "a node has no host and port"},
    {"[[0 5 [a 1] b]]", "a node has no host and port"},
    {"[[0 5 [a b]]]", "a port is not a number"},
    {"[[0 5 [a _]]]", "a port is not a number"},
    {"[[0 5 [1 1]]]", "a host is not a string"},
    {"[[0 5 [[a] 1]]]", "a host is not a string"},
    {"[[0 5 [-ERR 1]]]", "a host is not a string"},
    {"[[0 5 [a 1]] [5 9 [b 2]]]", "a slot has two owners"},
    {"[[0 5 [a 1]] [3 3 [a 1]]]", "a slot has two owners"},
    {"[[0 5 [a 1]] [0 16383 [b 2]]]", "a slot has two owners"},
};

static void a_damaged_reply_is_refused_with_the_reason(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(refusals); i++)

    expect_however_split(refusals[i].reply, &plain, NULL, refusals[i].reason);
}

static void more_ranges_than_slots_are_refused_at_once(void **state) {
  (void)state;
  static struct bytes reply;
  reply.size = 0;
  add(&reply, "*16777216\r\n");
  expect_reply(&reply, 0, &plain, NULL, "it lists too many ranges");
}

/* Slots from `begin`, with `nodes` nodes. */
static void add_range(struct bytes *reply, unsigned begin, unsigned nodes, unsigned first) {
  add(reply, "*%u\r\n:%u\r\n:%u\r\n", 2 + nodes, begin, begin);
  for (unsigned i = 0; i < nodes; i++) add(reply, "*2\r\n$1\r\nn\r\n:%u\r\n", first + i);
}

static void more_nodes_than_the_limit_are_refused(void **state) {
  (void)state;
  static struct bytes reply;
  for (unsigned more = 0; more < 2; more++) {
    reply.size = 0;
    add(&reply, "*500\r\n");
    for (unsigned i = 0; i < 500; i++) add_range(&reply, i, 2 + (i == 499 ? more : 0), 1 + 2 * i);
    char reason[64];
    cachette__redis_map *map = read_map(&reply, 0, &plain, reason);
    if (more == 0) {
      assert_non_null(map);
      check_map(map);
      assert_int_equal(map->node_count, CACHETTE__REDIS_MAP_NODES);
    } else {
      assert_null(map);
      assert_string_equal(reason, "it lists too many nodes");
    }
    cachette__redis_map_release(map);
  }
}

static void a_host_of_any_length_is_read_or_skipped(void **state) {
  (void)state;
  static struct bytes reply;
  char host[400], expected[600];
  memset(host, 'h', sizeof host);
  for (int size = 250; size <= 260; size++) {
    reply.size = 0;
    add(&reply, "*2\r\n*3\r\n:0\r\n:5\r\n*2\r\n$%d\r\n%.*s\r\n:1\r\n", size, size, host);
    add(&reply, "*3\r\n:6\r\n:9\r\n*4\r\n$1\r\na\r\n:2\r\n$2\r\nid\r\n*2\r\n");
    add(&reply, "$8\r\nhostname\r\n$%d\r\n%.*s\r\n", size, size, host);
    if (size <= CACHETTE__REDIS_HOST_MAX)
      snprintf(expected, sizeof expected, "%.*s:1 a:2=%.*s | 0-5:0 6-9:1", size, host, size, host);
    for (size_t cut = 0; cut <= reply.size + 1; cut++)
      expect_reply(&reply, cut, &plain, size <= CACHETTE__REDIS_HOST_MAX ? expected : "a:2 | 6-9:0",
                   NULL);
  }
}

static void an_incomplete_reply_is_no_map(void **state) {
  (void)state;
  static const char reply[] = "*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n$1\r\na\r\n:1\r\n";
  for (size_t size = 0; size < sizeof reply - 1; size++) {
    struct reader reader = {.left_size = 0};
    cachette__resp_init(&reader.parser);
    assert_int_equal(cachette__redis_map_builder_init(&reader.builder, &plain), CACHETTE_OK);
    assert_int_equal(feed(&reader, reply, size), CACHETTE_OK);
    assert_null(cachette__redis_map_builder_finish(&reader.builder));
    cachette__redis_map_builder_deinit(&reader.builder);
  }
}

/* ---- Changes ---- */

static cachette__redis_map *map_of(const char *text) {
  static struct bytes reply;
  char reason[64];
  reply.size = 0;
  add_value(&reply, text, 3);
  cachette__redis_map *map = read_map(&reply, 0, &plain, reason);
  assert_non_null(map);
  return map;
}

static const char three[] = "[[0 9 [a 1] [b 2] [c 3]] [10 19 [d 4] [e 5]] [20 29 [f 6]]]";

static unsigned node_at(const cachette__redis_map *map, const char *host, uint16_t port) {
  unsigned node = cachette__redis_map_find(map, cachette_str(host), port);
  assert_int_not_equal(node, NO_NODE);
  return node;
}

static void a_slot_moves_to_a_known_node(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  cachette__redis_map_adopt(map, 5, node_at(map, "d", 4));
  cachette__redis_map_adopt(map, 5, node_at(map, "d", 4));
  cachette__redis_map_adopt(map, 16383, node_at(map, "f", 6));
  expect_map(map,
             "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 | 0-4:0 5-5:3 6-9:0 10-19:3 20-29:5 16383-16383:5");
  cachette__redis_map_release(map);
}

static void a_slot_moves_to_a_node_that_is_new(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  int node = cachette__redis_map_locate(map, &secure, cachette_str("10.0.0.7"), 7, NULL);
  assert_int_equal(node, 6);
  assert_int_equal(cachette__redis_map_locate(map, &plain, cachette_str("10.0.0.7"), 7, NULL), 6);
  cachette__redis_map_adopt(map, 0, (unsigned)node);
  expect_map(map,
             "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 10.0.0.7:7=seed.example | "
             "0-0:6 1-9:0 10-19:3 20-29:5");
  cachette__redis_map_release(map);
}

static void a_slot_that_moves_to_a_replica_means_that_it_took_over(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  cachette__redis_map_adopt(map, 5, node_at(map, "b", 2));
  expect_map(map, "a:1<1 b:2 c:3<1 d:4 e:5<3 f:6 | 0-9:1 10-19:3 20-29:5");
  cachette__redis_map_take_over(map, node_at(map, "a", 1)); /* and back */
  expect_map(map, "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 | 0-9:0 10-19:3 20-29:5");
  cachette__redis_map_take_over(map, node_at(map, "d", 4)); /* no replica */
  expect_map(map, "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 | 0-9:0 10-19:3 20-29:5");
  cachette__redis_map_release(map);
}

static void a_replica_of_another_shard_that_gets_a_slot_is_a_primary(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  cachette__redis_map_adopt(map, 10, node_at(map, "b", 2));
  expect_map(map, "a:1 b:2 c:3<0 d:4 e:5<3 f:6 | 0-9:0 10-10:1 11-19:3 20-29:5");
  for (unsigned slot = 11; slot < 20; slot++) cachette__redis_map_adopt(map, slot, 5);
  expect_map(map, "a:1 b:2 c:3<0 d:4 e:5 f:6 | 0-9:0 10-10:1 11-29:5");
  cachette__redis_map_release(map);
}

static void an_address_that_is_none_is_refused(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  static const struct {
    const char *host;
    int64_t port;
  } addresses[] = {{"?", 1}, {"a", 0}, {"a", -1}, {"a", 65536}, {"a b", 1}, {"a\n", 1}};
  for (size_t i = 0; i < LENGTH(addresses); i++)
    assert_int_equal(cachette__redis_map_locate(map, &plain, cachette_str(addresses[i].host),
                                                addresses[i].port, NULL),
                     CACHETTE_EINVAL);
  char host[CACHETTE__REDIS_HOST_MAX + 1];
  memset(host, 'h', sizeof host);
  cachette_slice longest = {host, CACHETTE__REDIS_HOST_MAX}, longer = {host, sizeof host};
  assert_int_equal(cachette__redis_map_locate(map, &plain, longer, 1, NULL), CACHETTE_EINVAL);
  assert_int_equal(map->node_count, 6);
  assert_int_equal(cachette__redis_map_locate(map, &plain, longest, 1, NULL), 6);
  cachette__redis_map_release(map);
}

static void a_full_map_takes_no_more_nodes(void **state) {
  (void)state;
  cachette__redis_map *map = cachette__redis_map_new();
  for (int i = 0; i < CACHETTE__REDIS_MAP_NODES; i++)
    assert_int_equal(cachette__redis_map_add(map, cachette_str("n"), (uint16_t)(i + 1), NULL), i);
  assert_int_equal(cachette__redis_map_add(map, cachette_str("n"), 1001, NULL), CACHETTE_EBACKEND);
  assert_int_equal(cachette__redis_map_add(map, cachette_str("n"), 1000, NULL), 999);
  check_map(map);
  cachette__redis_map_release(map);
}

/* ---- Copies and comparisons ---- */

static void a_copy_is_equal_and_independent(void **state) {
  (void)state;
  cachette__redis_map *map = map_of(three);
  cachette__redis_map_locate(map, &secure, cachette_str("10.0.0.7"), 7, NULL);
  assert_ptr_equal(cachette__redis_map_retain(map), map);
  assert_true(cachette__redis_map_is_shared(map));
  cachette__redis_map *copy = cachette__redis_map_copy(map);
  assert_false(cachette__redis_map_is_shared(copy));
  cachette__redis_map_release(map);
  assert_false(cachette__redis_map_is_shared(map));
  assert_true(cachette__redis_map_agrees(map, copy));
  expect_map(copy,
             "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 10.0.0.7:7=seed.example | "
             "0-9:0 10-19:3 20-29:5");
  cachette__redis_map_adopt(copy, 0, 1);
  assert_false(cachette__redis_map_agrees(map, copy));
  expect_map(map,
             "a:1 b:2<0 c:3<0 d:4 e:5<3 f:6 10.0.0.7:7=seed.example | "
             "0-9:0 10-19:3 20-29:5");
  cachette__redis_map_release(map);
  expect_map(copy,
             "a:1<1 b:2 c:3<1 d:4 e:5<3 f:6 10.0.0.7:7=seed.example | "
             "0-9:1 10-19:3 20-29:5");
  cachette__redis_map_release(copy);
  assert_null(cachette__redis_map_retain(NULL));
  cachette__redis_map_release(NULL);
}

static const struct {
  const char *one, *other;
  bool agree;
} comparisons[] = {
    {"[]", "[]", true},
    {"[[0 5 [a 1]]]", "[]", false},
    {"[[0 5 [a 1]]]", "[[0 5 [a 1]]]", true},
    {"[[0 5 [a 1]]]", "[[0 5 [a 2]]]", false},
    {"[[0 5 [a 1]]]", "[[0 5 [b 1]]]", false},
    {"[[0 5 [a 1]]]", "[[0 4 [a 1]]]", false},
    {"[[0 5 [a 1]]]", "[[1 6 [a 1]]]", false},
    {"[[0 5 [a 1] [b 2]]]", "[[0 5 [a 1] [c 3]]]", true},
    {"[[0 5 [a 1]] [6 9 [b 2]]]", "[[6 9 [b 2]] [0 5 [a 1]]]", true},
    {"[[0 5 [a 1]] [6 9 [b 2]]]", "[[0 5 [b 2]] [6 9 [a 1]]]", false},
    {"[[0 5 [a 1]] [6 16383 [b 2]]]", "[[0 5 [a 1]] [6 16382 [b 2]] [16383 16383 [a 1]]]", false},
};

static void maps_agree_if_each_slot_has_the_same_owner(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(comparisons); i++) {
    cachette__redis_map *one = map_of(comparisons[i].one), *other = map_of(comparisons[i].other);
    assert_int_equal(cachette__redis_map_agrees(one, other), comparisons[i].agree);
    assert_int_equal(cachette__redis_map_agrees(other, one), comparisons[i].agree);
    cachette__redis_map_release(one);
    cachette__redis_map_release(other);
  }
}

/* ---- Memory ---- */

/* Builds a map of ten nodes, copies it and adds a node. */
static int use_map(void *data) {
  const struct bytes *reply = data;
  struct reader reader = {.left_size = 0};
  cachette__redis_map *map = NULL, *copy = NULL;
  cachette__resp_init(&reader.parser);
  int code = cachette__redis_map_builder_init(&reader.builder, &secure);
  if (code == CACHETTE_OK) code = feed(&reader, reply->data, reply->size);
  if (code == CACHETTE_OK) map = cachette__redis_map_builder_finish(&reader.builder);
  if (map != NULL) copy = cachette__redis_map_copy(map);
  if (code == CACHETTE_OK && copy == NULL) code = CACHETTE_ENOMEM;
  if (copy != NULL) {
    int node = cachette__redis_map_locate(copy, &secure, cachette_str("10.0.0.1"), 1, NULL);
    code = node < 0 ? node : CACHETTE_OK;
  }
  if (code < 0) assert_int_equal(code, CACHETTE_ENOMEM);
  if (copy != NULL) check_map(copy);
  cachette__redis_map_builder_deinit(&reader.builder);
  cachette__redis_map_release(map);
  cachette__redis_map_release(copy);
  return code;
}

static void each_failing_allocation_is_handled(void **state) {
  (void)state;
  static struct bytes reply;
  reply.size = 0;
  add(&reply, "*5\r\n");
  for (unsigned i = 0; i < 5; i++) add_range(&reply, i, 2, 1 + 2 * i);
  /* Two maps with 10 nodes, and one node more; the arrays of nodes grow twice each. */
  assert_int_equal(nomem_each_needed(use_map, &reply), 2 + 20 + 1 + 4);
}

int main(void) {
  failing_allocator_install();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reply_becomes_a_map_however_it_is_split),
      cmocka_unit_test(attributes_and_pushes_are_ignored),
      cmocka_unit_test(a_damaged_reply_is_refused_with_the_reason),
      cmocka_unit_test(more_ranges_than_slots_are_refused_at_once),
      cmocka_unit_test(more_nodes_than_the_limit_are_refused),
      cmocka_unit_test(a_host_of_any_length_is_read_or_skipped),
      cmocka_unit_test(an_incomplete_reply_is_no_map),
      cmocka_unit_test(a_slot_moves_to_a_known_node),
      cmocka_unit_test(a_slot_moves_to_a_node_that_is_new),
      cmocka_unit_test(a_slot_that_moves_to_a_replica_means_that_it_took_over),
      cmocka_unit_test(a_replica_of_another_shard_that_gets_a_slot_is_a_primary),
      cmocka_unit_test(an_address_that_is_none_is_refused),
      cmocka_unit_test(a_full_map_takes_no_more_nodes),
      cmocka_unit_test(a_copy_is_equal_and_independent),
      cmocka_unit_test(maps_agree_if_each_slot_has_the_same_owner),
      cmocka_unit_test(each_failing_allocation_is_handled),
  };
  return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
