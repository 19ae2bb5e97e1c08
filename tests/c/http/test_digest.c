/* SPDX-License-Identifier: MIT */
/* SHA-256 of keys: what is remembered is what would be computed. */
#include "http/digest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { THREADS = 4, KEYS = 3000, LONGEST = 600 };

/* ---- Known digests ---- */

static void digests_are_those_of_sha_256(void **state) {
  (void)state;
  /* FIPS 180-2, appendix B */
  static const struct {
    const char *text;
    unsigned char begin[4];
  } rows[] = {
      {"", {0xe3, 0xb0, 0xc4, 0x42}},
      {"abc", {0xba, 0x78, 0x16, 0xbf}},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", {0x24, 0x8d, 0x6a, 0x61}},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    for (int times = 0; times < 3; times++) {
      unsigned char digest[CACHETTE_HTTP_KEY_SIZE];
      cachette__http_key_digest(cachette_str(rows[i].text), digest);
      assert_memory_equal(digest, rows[i].begin, sizeof rows[i].begin);
    }
  }
}

/* Checks a key three times: when it is not remembered yet, and when it is. The key is in a block of
 * exactly its size. */
static bool is_right(const unsigned char *text, size_t size) {
  unsigned char expected[CACHETTE_HTTP_KEY_SIZE], digest[CACHETTE_HTTP_KEY_SIZE];
  unsigned char *copy = malloc(size > 0 ? size : 1);
  if (copy == NULL) return false;
  memcpy(copy, text, size);
  cachette_slice key = {copy, size};
  bool is_same = true;
  cachette__http_digest(key, expected);
  for (int times = 0; times < 3; times++) {
    memset(digest, 0, sizeof digest);
    cachette__http_key_digest(key, digest);
    is_same = is_same && memcmp(digest, expected, sizeof digest) == 0;
  }
  free(copy);
  return is_same;
}

static void keys_of_all_sizes_are_right(void **state) {
  (void)state;
  unsigned char text[LONGEST];
  for (size_t i = 0; i < LONGEST; i++) text[i] = (unsigned char)(i * 7);
  for (size_t size = 0; size <= LONGEST; size++) assert_true(is_right(text, size));
}

/* A key that begins like one that is remembered, or differs from it by a bit, has its own digest.
 */
static void similar_keys_are_right(void **state) {
  (void)state;
  unsigned char text[200];
  memset(text, 'a', sizeof text);
  assert_true(is_right(text, sizeof text));
  for (size_t i = 0; i < 8 * sizeof text; i++) {
    text[i / 8] ^= (unsigned char)(1 << i % 8);
    assert_true(is_right(text, sizeof text));
    text[i / 8] ^= (unsigned char)(1 << i % 8);
    assert_true(is_right(text, sizeof text));
  }
}

/* ---- Parts ---- */

static void parts_are_the_whole(void **state) {
  (void)state;
  unsigned char text[LONGEST], expected[CACHETTE_HTTP_KEY_SIZE], digest[CACHETTE_HTTP_KEY_SIZE];
  static const size_t pieces[] = {1, 3, 100, 256, 257, LONGEST};
  memset(text, 'b', sizeof text);
  for (size_t size = 0; size <= LONGEST; size++) {
    cachette__http_digest((cachette_slice){text, size}, expected);
    for (size_t i = 0; i < LENGTH(pieces); i++) {
      cachette__http_hash hash;
      memset(&hash, 'x', sizeof hash);
      cachette__http_hash_begin(&hash);
      for (size_t at = 0; at < size; at += pieces[i]) {
        size_t left = size - at;
        cachette__http_hash_add(&hash,
                                (cachette_slice){text + at, left < pieces[i] ? left : pieces[i]});
      }
      cachette__http_hash_end(&hash, digest);
      assert_memory_equal(digest, expected, sizeof digest);
    }
  }
}

/* ---- Threads ---- */

static atomic_int wrong;

/* More keys than there are rows, so that threads replace what others have remembered. */
static void *check_keys(void *data) {
  char text[32];
  (void)data;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < KEYS; i++) {
      int size = snprintf(text, sizeof text, "http://a.com/%d", i);
      if (!is_right((const unsigned char *)text, (size_t)size)) atomic_fetch_add(&wrong, 1);
    }
  }
  return NULL;
}

static void threads_get_no_wrong_digest(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, check_keys, NULL), 0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  assert_int_equal(atomic_load(&wrong), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digests_are_those_of_sha_256), cmocka_unit_test(keys_of_all_sizes_are_right),
      cmocka_unit_test(similar_keys_are_right),       cmocka_unit_test(parts_are_the_whole),
      cmocka_unit_test(threads_get_no_wrong_digest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
