/* SPDX-License-Identifier: MIT */
/* The bytes of envelopes: stored examples of each version stay readable, all else is refused. */
#include <stdlib.h>
#include <string.h>

#include "layer/envelope/signature.h"
#include "stored.h"

/* Stored bytes of the key "greeting" with the option codec_name "raw". */
struct example {
  const char *value;
  size_t size;
  const char *bytes;
  bool is_signed;
};

#define HELLO_20                                                 \
  "hello hello hello hello hello hello hello hello hello hello " \
  "hello hello hello hello hello hello hello hello hello hello "

enum { VERSION_1 = 0, VERSION_2 = 6 }; /* the first example of each */

static const struct example examples[] = {
    /* Cachette 1.0.0 wrote these. */
    {"hello", 18, "\xc1\x63\x68\x01\x00\x05\0\0\0\0\0\0\0hello", false},
    {HELLO_20, 30,
     "\xc1\x63\x68\x01\x02\x78\0\0\0\0\0\0\0"
     "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\xa0\x3b\x09\x00\x77\xba\x2c\x11",
     false},
    {HELLO_20, 35,
     "\xc1\x63\x68\x01\x04\x78\0\0\0\0\0\0\0"
     "\x28\xb5\x2f\xfd\x20\x78\x6d\x00\x00\x30\x68\x65\x6c\x6c\x6f\x20\x01\x00\x2f\x69\x29\x02",
     false},
    {"hello", 50,
     "\xc1\x63\x68\x01\x01\x05\0\0\0\0\0\0\0"
     "\x1f\x10\x8e\xc2\xfc\xe7\xd7\x71\x70\x80\x92\x71\x92\x48\xec\x7b"
     "\xcb\x99\xdf\x28\x24\xbc\xbb\x5c\x1e\xca\xe5\x0d\xeb\xe9\x48\x23"
     "hello",
     true},
    {HELLO_20, 62,
     "\xc1\x63\x68\x01\x03\x78\0\0\0\0\0\0\0"
     "\x79\x10\xa9\xef\x77\x0f\x93\x74\xb0\x2e\x64\xf5\xc7\xdc\x2e\xf0"
     "\xb6\xac\xa2\x4a\xc1\xf1\x44\xfd\x10\xb4\xa2\xc4\x0b\x6a\x6f\xa8"
     "\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\xa0\x3b\x09\x00\x77\xba\x2c\x11",
     true},
    {HELLO_20, 67,
     "\xc1\x63\x68\x01\x05\x78\0\0\0\0\0\0\0"
     "\x92\x95\x96\xbd\x4f\x32\xe7\x83\x41\x3e\x5f\x40\xcb\xef\x63\xb5"
     "\xf8\x3c\xf3\x5d\x36\xda\xcf\x59\x5f\xa2\x5f\xfc\xb4\x6c\x6d\xea"
     "\x28\xb5\x2f\xfd\x20\x78\x6d\x00\x00\x30\x68\x65\x6c\x6c\x6f\x20\x01\x00\x2f\x69\x29\x02",
     true},
    /* Python's hmac and zlib created these from the layout in fields.h. */
    {"hello", 11, "\xc1\x63\x68\x02\x81\x05\x68\x65\x6c\x6c\x6f", false},
    {HELLO_20, 30,
     "\xc1\x63\x68\x02\x82\x05\x01\x78\x00\x00\x00\x81\x11\x78\x9c\xcb"
     "\x48\xcd\xc9\xc9\x57\xc8\xa0\x3b\x09\x00\x77\xba\x2c\x11",
     false},
    {HELLO_20, 35,
     "\xc1\x63\x68\x02\x82\x05\x02\x78\x00\x00\x00\x81\x16\x28\xb5\x2f"
     "\xfd\x20\x78\x6d\x00\x00\x30\x68\x65\x6c\x6c\x6f\x20\x01\x00\x2f"
     "\x69\x29\x02",
     false},
    {"hello", 45,
     "\xc1\x63\x68\x02\x83\x20\xfa\xff\x47\x36\x1b\x53\x00\x20\x06\xa7"
     "\x3d\x27\xb3\x32\x19\x2b\x93\x6f\x56\xbe\x8f\x9b\x6b\x15\x3a\x9e"
     "\xa4\x52\x47\xbb\x36\xbf\x81\x05\x68\x65\x6c\x6c\x6f",
     true},
    {HELLO_20, 64,
     "\xc1\x63\x68\x02\x83\x20\xe1\x58\xfc\xcf\x71\x2c\x30\x10\x1e\xe1"
     "\x79\xa9\x26\xcf\xf3\xbc\x93\x49\x9a\xf3\x21\x22\x60\x82\x64\xab"
     "\x71\x46\x03\xbe\xa8\xdc\x82\x05\x01\x78\x00\x00\x00\x81\x11\x78"
     "\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\xa0\x3b\x09\x00\x77\xba\x2c\x11",
     true},
    {HELLO_20, 69,
     "\xc1\x63\x68\x02\x83\x20\xdf\x8f\x8d\x2b\x8f\x5e\x3e\xd0\x7d\x51"
     "\x0f\x53\xd0\xcb\xcb\x3b\x31\x76\x5a\xdf\x90\x65\xfb\xba\xc2\x04"
     "\xc0\xcd\xe9\xb6\x12\xe3\x82\x05\x02\x78\x00\x00\x00\x81\x16\x28"
     "\xb5\x2f\xfd\x20\x78\x6d\x00\x00\x30\x68\x65\x6c\x6c\x6f\x20\x01"
     "\x00\x2f\x69\x29\x02",
     true},
};

/* Opens a handle that reads signed envelopes, or one that reads unsigned ones. */
static cachette *open_reader(bool is_signed) {
  return is_signed ? open_with("secret", SECRET, "codec_name", "raw")
                   : open_with("compression", "zlib", NULL, NULL);
}

/* ---- Stored examples ---- */

static void uncompressed_envelopes_have_these_bytes(void **state) {
  (void)state;
  static const int uncompressed[] = {VERSION_2, VERSION_2 + 3};
  for (size_t i = 0; i < LENGTH(uncompressed); i++) {
    const struct example *each = &examples[uncompressed[i]];
    cachette *handle = open_reader(each->is_signed);
    put_text(handle, "greeting", each->value, 0);
    cachette_slice value = stored("greeting");
    assert_int_equal(value.size, each->size);
    assert_memory_equal(value.data, each->bytes, each->size);
    cachette_free(value.data);
    cachette_close(handle);
  }
}

static void examples_of_every_version_are_read(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(examples); i++) {
    const struct example *each = &examples[i];
    cachette *handle = open_reader(each->is_signed);
    store("greeting", each->bytes, each->size);
    expect_bytes(handle, "greeting", each->value, strlen(each->value));
    cachette_close(handle);
    handle = open_reader(!each->is_signed);
    expect_refused(handle, "greeting", each->is_signed ? "is signed, but" : "is not signed");
    cachette_close(handle);
  }
}

static void plain_values_are_read_with_accept_plain(void **state) {
  (void)state;
  static const char *const plain[] = {"hello", "", "\301", "\301ch", "\301cx\2hello"};
  cachette *signing = open_with("secret", SECRET, "accept_plain", "true");
  cachette *compressing = open_with("compression", "zlib", "accept_plain", "true");
  for (size_t i = 0; i < LENGTH(plain); i++) {
    store("greeting", plain[i], strlen(plain[i]));
    expect_bytes(signing, "greeting", plain[i], strlen(plain[i]));
    expect_bytes(compressing, "greeting", plain[i], strlen(plain[i]));
  }
  cachette_close(signing);
  cachette_close(compressing);
}

/* ---- Fields ---- */

/* Stores an envelope with these fields, signed or not, and opens a reader for it. */
static cachette *store_fields(const char *fields, size_t size, bool is_signed) {
  unsigned char bytes[512];
  size_t head = is_signed ? 6 : 4;
  memcpy(bytes, "\301ch\2\x83\x20", head);
  unsigned char *begin = bytes + head + (is_signed ? CACHETTE__SIGNATURE_SIZE : 0);
  memcpy(begin, fields, size);
  if (is_signed) {
    const cachette_slice parts[] = {{bytes, head}, {begin, size}};
    cachette__signer *signer;
    assert_int_equal(cachette__signer_new(SECRET, "raw", &signer), CACHETTE_OK);
    assert_true(cachette__signer_sign(signer, cachette_str("greeting"), parts, bytes + head));
    cachette__signer_free(signer);
  }
  store("greeting", bytes, (size_t)(begin - bytes) + size);
  return open_reader(is_signed);
}

struct fields {
  const char *bytes;
  size_t size;
};

#define FIELDS(literal) \
  { literal, sizeof(literal) - 1 }

static void expect_refused_fields(const struct fields *fields, const char *words) {
  for (int is_signed = 0; is_signed < 2; is_signed++) {
    cachette *handle = store_fields(fields->bytes, fields->size, is_signed);
    expect_refused(handle, "greeting", words);
    cachette_close(handle);
  }
}

static void unknown_fields_are_skipped(void **state) {
  (void)state;
  static const struct fields lists[] = {
      FIELDS("\x01\4more\x81\5hello"), FIELDS("\x81\5hello\x01\0\x7f\4more"),
      FIELDS("\0\x82\x80\0xx\x81\5hello"), /* lengths that are longer than necessary */
      FIELDS("\x81\5hello\x81\5other"),    /* the first value is used */
  };
  for (size_t i = 0; i < 2 * LENGTH(lists); i++) {
    cachette *handle = store_fields(lists[i / 2].bytes, lists[i / 2].size, i % 2);
    expect_bytes(handle, "greeting", "hello", 5);
    cachette_close(handle);
  }
}

static void unknown_critical_fields_are_refused(void **state) {
  (void)state;
  static const struct fields lists[] = {
      FIELDS("\x84\4more\x81\5hello"), FIELDS("\x81\5hello\xff\0"),
      FIELDS("\x82\5\3\5\0\0\0\x81\5hello"), /* an unknown method of compression */
  };
  for (size_t i = 0; i < LENGTH(lists); i++)
    expect_refused_fields(&lists[i], "was stored by a newer version");
}

static void damaged_fields_are_refused(void **state) {
  (void)state;
  static const struct fields lists[] = {
      FIELDS(""),
      FIELDS("\x01\5hello"),
      FIELDS("\x81"),
      FIELDS("\x81\6hello"),
      FIELDS("\x81\5hello\1"),
      FIELDS("\x81\5hello\1\1"),
      FIELDS("\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\0"),
      FIELDS("\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
      FIELDS("\x81\5hello\x83\x20 a signature that is not the first"),
      FIELDS("\x83\4more\x81\5hello"),
      FIELDS("\x82\4\1\5\0\0\x81\5hello"),
      FIELDS("\x82\6\1\5\0\0\0\0\x81\5hello"),
      FIELDS("\x82\5\0\5\0\0\0\x81\5hello"),
      FIELDS("\x82\5\1\5\0\0\0\x81\5hello"),
      FIELDS("\x82\5\2\5\0\0\0\x81\5hello"),
  };
  for (size_t i = 0; i < LENGTH(lists); i++) expect_refused_fields(&lists[i], "is damaged");
}

static void newer_versions_are_refused(void **state) {
  (void)state;
  for (int is_signed = 0; is_signed < 2; is_signed++) {
    cachette *handle = is_signed ? open_with("secret", SECRET, "accept_plain", "true")
                                 : open_with("compression", "zlib", "accept_plain", "true");
    store("greeting", "\301ch\3", 4);
    expect_refused(handle, "greeting", "was stored by a newer version");
    store("greeting", "\301ch\xff\x81\5hello", 11);
    expect_refused(handle, "greeting", "was stored by a newer version");
    cachette_close(handle);
  }
}

/* ---- Forgery ---- */

/* Stores the concatenated parts, and checks that a reader with a secret refuses them. */
static void expect_forgery_refused(const struct fields *parts, size_t count) {
  unsigned char bytes[512];
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(bytes + size, parts[i].bytes, parts[i].size);
    size += parts[i].size;
  }
  cachette *handle = open_reader(true);
  store("greeting", bytes, size);
  expect_refused(handle, "greeting", "");
  cachette_close(handle);
}

#define EXPECT_FORGERY_REFUSED(...)                              \
  do {                                                           \
    const struct fields parts[] = {__VA_ARGS__};                 \
    expect_forgery_refused(parts, sizeof parts / sizeof *parts); \
  } while (0)

static void an_envelope_cannot_be_changed_without_the_secret(void **state) {
  (void)state;
  const struct example *compressed = &examples[VERSION_2 + 4];
  const struct fields head = FIELDS("\301ch\2"), more = FIELDS("\1\4more");
  const struct fields signature = {compressed->bytes + 4, 34};
  const struct fields compression = {compressed->bytes + 38, 7};
  const struct fields value = {compressed->bytes + 45, 19};
  const struct fields hello = {examples[VERSION_2 + 3].bytes + 38, 7};
  EXPECT_FORGERY_REFUSED(head, compression, value);
  EXPECT_FORGERY_REFUSED(head, compression, value, signature);
  EXPECT_FORGERY_REFUSED(head, signature, value, compression);
  EXPECT_FORGERY_REFUSED(head, signature, value);
  EXPECT_FORGERY_REFUSED(head, signature, signature, compression, value);
  EXPECT_FORGERY_REFUSED(head, more, signature, compression, value);
  EXPECT_FORGERY_REFUSED(head, signature, more, compression, value);
  EXPECT_FORGERY_REFUSED(head, signature, compression, value, more);
  EXPECT_FORGERY_REFUSED(head, signature, hello);
}

static void a_signature_is_valid_for_one_version_only(void **state) {
  (void)state;
  const struct example *old = &examples[VERSION_1 + 3], *new = &examples[VERSION_2 + 3];
  const struct fields old_head = {old->bytes, 13}, new_head = {new->bytes, 6};
  const struct fields old_signature = {old->bytes + 13, 32}, new_signature = {new->bytes + 6, 32};
  const struct fields payload = FIELDS("hello"), field = {new->bytes + 38, 7};
  const struct fields unsigned_head = FIELDS("\301ch\1\0\5\0\0\0\0\0\0\0");
  EXPECT_FORGERY_REFUSED(old_head, new_signature, payload);
  EXPECT_FORGERY_REFUSED(old_head, new_signature, field);
  EXPECT_FORGERY_REFUSED(new_head, old_signature, field);
  EXPECT_FORGERY_REFUSED(new_head, old_signature, payload);
  EXPECT_FORGERY_REFUSED(unsigned_head, payload);
}

static void every_flipped_bit_and_every_truncation_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(examples); i++) {
    const struct example *each = &examples[i];
    if (!each->is_signed) continue;
    cachette *handle = open_reader(true);
    unsigned char bytes[128];
    memcpy(bytes, each->bytes, each->size);
    for (size_t bit = 0; bit < each->size * 8; bit++) {
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      store("greeting", bytes, each->size);
      expect_refused(handle, "greeting", "");
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t size = 0; size < each->size; size++) {
      store("greeting", bytes, size);
      expect_refused(handle, "greeting", "");
    }
    cachette_close(handle);
  }
}

static void a_value_copied_to_another_key_is_refused(void **state) {
  (void)state;
  cachette *handle = open_with("secret", SECRET, NULL, NULL);
  put_text(handle, "mine", "value", 0);
  cachette_slice value = stored("mine");
  store("yours", value.data, value.size);
  expect_bytes(handle, "mine", "value", 5);
  expect_refused(handle, "yours", "a signature");
  cachette_free(value.data);
  cachette_close(handle);
}

/* ---- Damage ---- */

/* Without a signature some damage is not detected, but none crashes. */
static void damage_without_a_signature_does_not_crash(void **state) {
  (void)state;
  char text[3000];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 7);
  for (int i = 0; i < 2; i++) {
    cachette *handle = open_with("compression", i == 0 ? "zlib" : "zstd", NULL, NULL);
    put_bytes(handle, "key", text, sizeof text);
    cachette_slice envelope = stored("key");
    unsigned char *bytes = malloc(envelope.size);
    int refused = 0;
    for (size_t bit = 0; bit < envelope.size * 8; bit++) {
      memcpy(bytes, envelope.data, envelope.size);
      bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      store("key", bytes, envelope.size);
      cachette_slice value;
      int status = cachette_fetch(handle, cachette_str("key"), &value, NULL, NULL);
      if (status == CACHETTE_HIT) cachette_free(value.data);
      refused += status == CACHETTE_ECODEC;
    }
    assert_true(refused > (int)envelope.size);
    free(bytes);
    cachette_free(envelope.data);
    cachette_close(handle);
  }
}

static void *never_allocate(cachette_op *op, cachette_item *item, size_t size) {
  (void)op;
  (void)item;
  fail_msg("%zu bytes were requested", size);
  return NULL;
}

static void a_decompression_bomb_is_refused_before_memory_is_allocated(void **state) {
  (void)state;
  static const struct fields bombs[] = {
      FIELDS("\301ch\1\2\xff\xff\xff\xff\xff\xff\xff\377bomb"),
      FIELDS("\301ch\1\2\0\0\0\x7f\0\0\0\0bomb"),
      FIELDS("\301ch\1\4\0\0\0\x7f\0\0\0\0\x28\xb5\x2f\xfd\xa0\0\0\0\x7f"),
      FIELDS("\301ch\1\4\1\0\0\x80\0\0\0\0\x28\xb5\x2f\xfd\xa0\1\0\0\x80"),
      FIELDS("\301ch\1\0\0\0\0\x7f\0\0\0\0bomb"),
      FIELDS("\301ch\2\x82\5\1\xff\xff\xff\xff\x81\4bomb"),
      FIELDS("\301ch\2\x82\5\1\0\0\0\x7f\x81\4bomb"),
      FIELDS("\301ch\2\x82\5\2\0\0\0\x7f\x81\x9\x28\xb5\x2f\xfd\xa0\0\0\0\x7f"),
      FIELDS("\301ch\2\x82\5\2\0\0\1\0\x81\x9\x28\xb5\x2f\xfd\xa0\1\0\1\0"),
  };
  cachette *handle = open_reader(false);
  for (size_t i = 0; i < LENGTH(bombs); i++) {
    struct probe probe;
    store("greeting", bombs[i].bytes, bombs[i].size);
    probe_init(&probe, CACHETTE_FETCH, "greeting");
    probe.op.alloc = never_allocate;
    assert_int_equal(cachette_run(handle, &probe.op), CACHETTE_OK);
    assert_int_equal(probe.item.status, CACHETTE_ECODEC);
    assert_non_null(strstr(probe.error.message, "is damaged"));
  }
  cachette_close(handle);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(uncompressed_envelopes_have_these_bytes),
      cmocka_unit_test(examples_of_every_version_are_read),
      cmocka_unit_test(plain_values_are_read_with_accept_plain),
      cmocka_unit_test(unknown_fields_are_skipped),
      cmocka_unit_test(unknown_critical_fields_are_refused),
      cmocka_unit_test(damaged_fields_are_refused),
      cmocka_unit_test(newer_versions_are_refused),
      cmocka_unit_test(an_envelope_cannot_be_changed_without_the_secret),
      cmocka_unit_test(a_signature_is_valid_for_one_version_only),
      cmocka_unit_test(every_flipped_bit_and_every_truncation_is_refused),
      cmocka_unit_test(a_value_copied_to_another_key_is_refused),
      cmocka_unit_test(damage_without_a_signature_does_not_crash),
      cmocka_unit_test(a_decompression_bomb_is_refused_before_memory_is_allocated),
  };
  cachette *first = open_plain();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  cachette_close(first);
  return failed;
}
