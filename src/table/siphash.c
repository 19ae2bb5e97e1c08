/* SPDX-License-Identifier: MIT */
#include "siphash.h"

#include <string.h>

typedef struct sip {
  uint64_t v0, v1, v2, v3;
} sip;

static inline uint64_t rotate(uint64_t word, int bits) {
  return word << bits | word >> (64 - bits);
}

static inline void round_once(sip *s) {
  s->v0 += s->v1;
  s->v2 += s->v3;
  s->v1 = rotate(s->v1, 13) ^ s->v0;
  s->v3 = rotate(s->v3, 16) ^ s->v2;
  s->v0 = rotate(s->v0, 32);
  s->v2 += s->v1;
  s->v0 += s->v3;
  s->v1 = rotate(s->v1, 17) ^ s->v2;
  s->v3 = rotate(s->v3, 21) ^ s->v0;
  s->v2 = rotate(s->v2, 32);
}

static inline void absorb(sip *s, uint64_t word) {
  s->v3 ^= word;
  round_once(s);
  s->v0 ^= word;
}

/* Loads up to eight bytes as a little-endian word. */
static inline uint64_t load(const unsigned char *bytes, size_t size) {
  uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (size == 8) {
    memcpy(&word, bytes, 8);
    return word;
  }
#endif
  for (size_t i = 0; i < size; i++) word |= (uint64_t)bytes[i] << (8 * i);
  return word;
}

uint64_t cachette__siphash13(const uint64_t key[2], const void *data, size_t size) {
  sip s = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
           key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
  const unsigned char *bytes = data;
  size_t left = size;
  for (; left >= 8; left -= 8, bytes += 8) absorb(&s, load(bytes, 8));
  absorb(&s, load(bytes, left) | (uint64_t)size << 56);
  s.v2 ^= 0xff;
  round_once(&s);
  round_once(&s);
  round_once(&s);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
