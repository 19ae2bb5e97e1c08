/* SPDX-License-Identifier: MIT */
#include "key.h"

#include <openssl/evp.h>
#include <string.h>

enum {
  BASE64_MAX = 186, /* max bytes that fit into 250 in base64 */
  DIGEST = 32,
  TAIL = 1 + 2 * DIGEST
};

_Static_assert(BASE64_MAX - TAIL == CACHETTE__MEMCACHED_KEY_HEAD, "the shorter of the two cuts");

static bool is_plain(cachette_slice bytes) {
  const unsigned char *at = bytes.data;
  for (size_t i = 0; i < bytes.size; i++)
    if (at[i] <= ' ' || at[i] == 0x7f) return false;
  return true;
}

static bool write_tail(cachette_slice prefix, cachette_slice key, char *at) {
  static const char digits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE] = {0};
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool ok = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
            EVP_DigestUpdate(context, prefix.data, prefix.size) == 1 &&
            EVP_DigestUpdate(context, key.data, key.size) == 1 &&
            EVP_DigestFinal_ex(context, digest, NULL) == 1;
  EVP_MD_CTX_free(context);
  *at++ = '~';
  for (int i = 0; i < DIGEST; i++) {
    *at++ = digits[digest[i] >> 4];
    *at++ = digits[digest[i] & 15];
  }
  return ok;
}

bool cachette__memcached_key_make(cachette_slice prefix, cachette_slice key,
                                  cachette__memcached_key *result) {
  size_t size = prefix.size + key.size;
  bool plain = is_plain(prefix) && is_plain(key);
  size_t max = plain ? CACHETTE__MEMCACHED_KEY_MAX : BASE64_MAX;
  size_t head = size <= max ? size : max - TAIL;
  size_t first = prefix.size < head ? prefix.size : head;
  if (first > 0) memcpy(result->raw, prefix.data, first);
  if (head > first) memcpy(result->raw + first, key.data, head - first);
  result->size = head;
  result->base64 = !plain;
  if (size <= max) return true;
  result->size += TAIL;
  return write_tail(prefix, key, result->raw + head);
}

char *cachette__memcached_key_write(const cachette__memcached_key *key, char *at) {
  unsigned char encoded[(CACHETTE__MEMCACHED_KEY_MAX + 2) / 3 * 4 + 1];
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
