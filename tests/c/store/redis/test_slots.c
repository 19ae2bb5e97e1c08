/* SPDX-License-Identifier: MIT */
/* The slot of a key is the one that a server computes, wherever the prefix ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_server.h"
#include "server.h"
#include "store/redis/cluster/slots.h"
#include "support.h"

/* ---- Slots that are known ---- */

static const struct {
  const char *key;
  unsigned slot;
} known[] = {
    {"", 0},
    {"123456789", 0x31c3},
    {"foo", 12182},
    {"bar", 5061},
    {"{foo}", 12182},
    {"{foo}.bar", 12182},
    {"bar{foo}", 12182},
    {"bar{foo}{bar}", 12182},
    {"bar{foo}bar}", 12182},
    {"bar}{foo}", 12182},
};

/* The key in two slices of exactly their sizes, which detects reads beyond them. */
static unsigned slot_of_parts(const char *key, size_t size, size_t cut) {
  char *prefix = malloc(cut > 0 ? cut : 1), *rest = malloc(size > cut ? size - cut : 1);
  assert_true(prefix != NULL && rest != NULL);
  memcpy(prefix, key, cut);
  memcpy(rest, key + cut, size - cut);
  unsigned slot =
      cachette__redis_slot((cachette_slice){prefix, cut}, (cachette_slice){rest, size - cut});
  free(prefix);
  free(rest);
  return slot;
}

static void expect_slot(const char *key, size_t size, unsigned slot) {
  assert_int_equal(cachette__redis_slot((cachette_slice){NULL, 0}, (cachette_slice){key, size}),
                   slot);
  for (size_t cut = 0; cut <= size; cut++)
    if (slot_of_parts(key, size, cut) != slot)
      fail_msg("\"%.*s\" and \"%.*s\": %u instead of %u", (int)cut, key, (int)(size - cut),
               key + cut, slot_of_parts(key, size, cut), slot);
}

static void known_keys_have_their_slots(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(known); i++)
    expect_slot(known[i].key, strlen(known[i].key), known[i].slot);
}

static void no_prefix_and_no_key_is_an_empty_key(void **state) {
  (void)state;
  assert_int_equal(cachette__redis_slot((cachette_slice){NULL, 0}, (cachette_slice){NULL, 0}), 0);
}

/* ---- Slots that a server computes ---- */

static int connected;

static void read_exactly(char *bytes, size_t size) {
  for (size_t got = 0; got < size;) {
    ssize_t count = read(connected, bytes + got, size - got);
    assert_true(count > 0);
    got += (size_t)count;
  }
}

/* Sends CLUSTER KEYSLOT over the connection. */
static unsigned ask_server(const char *key, size_t size) {
  char command[512];
  int head =
      snprintf(command, sizeof command, "*3\r\n$7\r\nCLUSTER\r\n$7\r\nKEYSLOT\r\n$%zu\r\n", size);
  assert_true(head > 0 && (size_t)head + size + 2 < sizeof command);
  memcpy(command + head, key, size);
  memcpy(command + head + size, "\r\n", 2);
  assert_int_equal(write(connected, command, (size_t)head + size + 2), (size_t)head + size + 2);
  char reply[32];
  size_t length = 0;
  do {
    assert_true(length < sizeof reply - 1);
    read_exactly(reply + length, 1);
  } while (reply[length++] != '\n');
  reply[length] = '\0';
  assert_int_equal(reply[0], ':');
  return (unsigned)strtoul(reply + 1, NULL, 10);
}

static const struct {
  const char *key;
  size_t size;
} tagged[] = {
#define KEY(text) \
  { text, sizeof text - 1 }
    KEY(""),         KEY("{"),        KEY("}"),     KEY("{}"),        KEY("{}a"),
    KEY("a{}b"),     KEY("a{}{b}"),   KEY("{{a}}"), KEY("{a{b}c}"),   KEY("}a{"),
    KEY("}a{b"),     KEY("{a"),       KEY("a}"),    KEY("a{b}c{d}"),  KEY("{a}{b}"),
    KEY("ns:{u}:1"), KEY("ns:{u}:2"), KEY("{\0}"),  KEY("\0{\0a}\0"), KEY("\xff{\xfe}\xfd"),
    KEY("\xc3\xa4"), KEY(" "),        KEY("\r\n"),  KEY("{\r\n}"),    KEY("{ }"),
#undef KEY
};

static unsigned next_random(unsigned *seed) {
  *seed = *seed * 1103515245U + 12345U;
  return *seed >> 16;
}

/* A key of any bytes, with many braces. */
static size_t fill_key(char *key, size_t max, unsigned *seed) {
  size_t size = next_random(seed) % (max + 1);
  for (size_t i = 0; i < size; i++) {
    unsigned choice = next_random(seed) % 8;
    key[i] = choice == 0 ? '{' : choice == 1 ? '}' : (char)next_random(seed);
  }
  return size;
}

static void slots_are_those_of_a_server(void **state) {
  (void)state;
  struct redis_server server;
  redis_server_start(&server, (const char *[]){"--cluster-enabled", "yes", NULL});
  connected = server_connect(server.port);
  assert_true(connected >= 0);
  for (size_t i = 0; i < LENGTH(tagged); i++)
    expect_slot(tagged[i].key, tagged[i].size, ask_server(tagged[i].key, tagged[i].size));
  unsigned seed = 1;
  for (int i = 0; i < 2000; i++) {
    char key[64];
    size_t size = fill_key(key, sizeof key, &seed);
    expect_slot(key, size, ask_server(key, size));
  }
  close(connected);
  char path[96];
  snprintf(path, sizeof path, "%s/nodes.conf", server.directory);
  unlink(path);
  redis_server_remove(&server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_keys_have_their_slots),
      cmocka_unit_test(no_prefix_and_no_key_is_an_empty_key),
      cmocka_unit_test(slots_are_those_of_a_server),
  };
  return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
