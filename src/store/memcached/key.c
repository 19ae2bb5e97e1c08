/* SPDX-License-Identifier: MIT */
#include "key.h"

#include <openssl/evp.h>
#include <string.h>

enum {
  BASE64_MOST = 186, /* bytes that become at most 250 in base64 */
  DIGEST = 32,
  TAIL = 1 + 2 * DIGEST
};

_Static_assert(BASE64_MOST - TAIL == CACHETTE__MEMCACHED_SHOWN, "the shorter of the two cuts");

static bool is_plain(cachette_slice bytes) {
  const unsigned char *at = bytes.data;
  for (size_t i = 0; i < bytes.size; i++)
    if (at[i] <= ' ' || at[i] == 0x7f) return false;
  return true;
}

static bool write_tail(cachette_slice prefix, cachette_slice key, char *at) {
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE] = {0};
  EVP_MD_CTX *work = EVP_MD_CTX_new();
  bool fine = work != NULL && EVP_DigestInit_ex(work, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(work, prefix.data, prefix.size) == 1 &&
              EVP_DigestUpdate(work, key.data, key.size) == 1 &&
              EVP_DigestFinal_ex(work, digest, NULL) == 1;
  EVP_MD_CTX_free(work);
  *at++ = '~';
  for (int i = 0; i < DIGEST; i++) {
    *at++ = digits[digest[i] >> 4];
    *at++ = digits[digest[i] & 15];
  }
  return fine;
}

bool cachette__memcached_key_make(cachette_slice prefix, cachette_slice key,
                                  cachette__memcached_key *made) {
  size_t size = prefix.size + key.size;
  bool plain = is_plain(prefix) && is_plain(key);
  size_t most = plain ? CACHETTE__MEMCACHED_KEY : BASE64_MOST;
  size_t head = size <= most ? size : most - TAIL;
  size_t first = prefix.size < head ? prefix.size : head;
  if (first > 0) memcpy(made->raw, prefix.data, first);
  if (head > first) memcpy(made->raw + first, key.data, head - first);
  made->size = head;
  made->base64 = !plain;
  if (size <= most) return true;
  made->size += TAIL;
  return write_tail(prefix, key, made->raw + head);
}

char *cachette__memcached_key_write(const cachette__memcached_key *key, char *at) {
  unsigned char encoded[(CACHETTE__MEMCACHED_KEY + 2) / 3 * 4 + 1];
  if (!key->base64) {
    memcpy(at, key->raw, key->size);
    return at + key->size;
  }
  int size = EVP_EncodeBlock(encoded, (const unsigned char *)key->raw, (int)key->size);
  memcpy(at, encoded, (size_t)size);
  return at + size;
}

static int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  digit |= 0x20;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool cachette__memcached_key_decode(cachette_slice listed, cachette__memcached_key *key) {
  const char *text = listed.data;
  key->size = 0;
  for (size_t i = 0; i < listed.size; i++) {
    int byte = (unsigned char)text[i];
    if (text[i] == '%') {
      if (listed.size - i < 3) return false;
      int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return false;
      byte = high << 4 | low;
      i += 2;
    }
    if (key->size == sizeof key->raw) return false;
    key->raw[key->size++] = (char)byte;
  }
  key->base64 = !is_plain((cachette_slice){key->raw, key->size});
  return key->size > 0;
}
