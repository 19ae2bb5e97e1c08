/* SPDX-License-Identifier: MIT */
/*
 * Every hit decodes a head, so this is written for speed: numbers are at fixed offsets, and names
 * and texts are each checked in one pass.
 *
 * The checksum finds damage, not forgery: whoever can write to the store can compute it. So
 * everything that could make a reader leave the head, overflow, or send a field that breaks a
 * message is checked as if there were no checksum.
 */
#include "record.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "output.h"
#include "text.h"

enum { VERSION = 1 };

/* Offsets in the head. */
enum {
  CHECKSUM = 8,
  COVERED = 16, /* the checksum is of the head from here on */
  HEAD_SIZE = 16,
  STATUS = 20,
  FLAGS = 22,
  NUMBERS = 24,
  SIZES = 136,
  COUNTS = 152,
  TABLES = 160
};

/* In their order in the head. */
#define EACH_NUMBER(X)   \
  X(requested_ms)        \
  X(received_ms)         \
  X(date_ms)             \
  X(initial_age_ms)      \
  X(lifetime_ms)         \
  X(while_revalidate_ms) \
  X(if_error_ms)         \
  X(last_modified_ms)    \
  X(generation)          \
  X(body_size)           \
  X(first_byte)          \
  X(total_size)          \
  X(body_checksum)       \
  X(epoch)

static const unsigned char magic[CHECKSUM] = {'c', 'H', 'T', 'P', VERSION, 0, 0, 0};

/* Counts and sizes of the parts of a head. */
typedef struct layout {
  size_t fields, tags;
  size_t key, selector, variants, names, texts; /* bytes */
} layout;

/* Returns the size of the head. It cannot overflow, because each size has less than 63 bits. */
static uint64_t sum_of(const layout *parts) {
  uint64_t ends = (uint64_t)parts->fields * 2 + parts->tags + 1;
  return TABLES + 4 * ends + parts->key + parts->selector + parts->variants + parts->names +
         parts->texts;
}

/* ---- Checksums ---- */

uint64_t cachette__http_body_checksum(const cachette_slice *parts, size_t count) {
  XXH3_state_t state;
  if (count == 1 && parts->size > 0) return XXH3_64bits(parts->data, parts->size);
  XXH3_64bits_reset(&state);
  for (size_t i = 0; i < count; i++) {
    if (parts[i].size > 0) XXH3_64bits_update(&state, parts[i].data, parts[i].size);
  }
  return XXH3_64bits_digest(&state);
}

static uint64_t head_checksum(const unsigned char *head, size_t size) {
  return XXH3_64bits(head + COVERED, size - COVERED);
}

/* ---- Numbers ---- */

/* These compile to one load each. */
static inline unsigned read_2(const unsigned char *bytes) {
  return bytes[0] | (unsigned)bytes[1] << 8;
}

static inline uint32_t read_4(const unsigned char *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint64_t read_8(const unsigned char *bytes) {
  return read_4(bytes) | (uint64_t)read_4(bytes + 4) << 32;
}

/* Writes the lowest `size` bytes of a number. Returns a pointer behind them. */
static unsigned char *write_number(unsigned char *bytes, uint64_t number, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(number >> 8 * i);
  return bytes + size;
}

/* ---- Reading ---- */

static void read_numbers(const unsigned char *head, cachette__http_stored *stored) {
  stored->head_size = read_4(head + HEAD_SIZE);
  stored->status = (int)read_2(head + STATUS);
  stored->flags = read_2(head + FLAGS);
  const unsigned char *number = head + NUMBERS;
#define READ(name)                                         \
  stored->name = (__typeof__(stored->name))read_8(number); \
  number += 8;
  EACH_NUMBER(READ)
#undef READ
}

static bool is_ms(int64_t number) { return number >= 0 && number <= CACHETTE__HTTP_MS_MAX; }

/* Returns whether the body is inside the whole, or is the whole. */
static bool is_inside(const cachette__http_stored *stored) {
  if (stored->body_size < 0 || stored->first_byte < 0) return false;
  if (stored->total_size == -1) return stored->first_byte == 0;
  return stored->total_size >= stored->body_size &&
         stored->first_byte <= stored->total_size - stored->body_size;
}

static bool are_numbers(const cachette__http_stored *stored) {
  bool is_status = stored->status >= 200 && stored->status <= 599;
  bool is_modified = stored->last_modified_ms == -1 || is_ms(stored->last_modified_ms);
  return is_status && (stored->flags & ~(unsigned)CACHETTE__HTTP_ALL_FLAGS) == 0 && is_modified &&
         is_ms(stored->requested_ms) && is_ms(stored->received_ms) && is_ms(stored->date_ms) &&
         is_ms(stored->initial_age_ms) && is_ms(stored->lifetime_ms) &&
         is_ms(stored->while_revalidate_ms) && is_ms(stored->if_error_ms) && is_inside(stored);
}

/* Reads counts and sizes. False: they do not add up to the size of the head. */
static bool read_parts(const unsigned char *head, size_t head_size, layout *parts) {
  *parts = (layout){
      .fields = read_4(head + COUNTS),
      .tags = read_4(head + COUNTS + 4),
      .key = read_4(head + SIZES),
      .selector = read_4(head + SIZES + 4),
      .variants = read_4(head + SIZES + 8),
      .names = read_4(head + SIZES + 12),
  };
  uint64_t sum = sum_of(parts);
  if (sum > head_size) return false;
  parts->texts = head_size - (size_t)sum;
  return true;
}

/* Points to the parts of a head. */
static void find_parts(const unsigned char *head, const layout *parts,
                       cachette__http_stored *stored) {
  stored->field_count = parts->fields;
  stored->tag_count = parts->tags;
  stored->name_ends = head + TABLES;
  stored->text_ends = stored->name_ends + 4 * parts->fields;
  const unsigned char *at = stored->text_ends + 4 * (1 + parts->tags + parts->fields);
  stored->key = (cachette_slice){at, parts->key};
  stored->vary = (cachette_slice){at += parts->key, parts->selector};
  stored->variants = (cachette_slice){at += parts->selector, parts->variants};
  stored->names = (const char *)(at += parts->variants);
  stored->texts = (const char *)(at + parts->names);
}

/* Returns whether no piece begins before the one in front of it ends, and the last one ends with
 * the characters. A piece must have `least` characters. */
static bool are_ends(const unsigned char *ends, size_t count, size_t least, size_t size) {
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++, ends += 4) {
    uint64_t next = read_4(ends);
    if (next < end + least) return false;
    end = next;
  }
  return end == size;
}

/* Returns a piece. The first one begins with the characters, others where the one before ends. */
static cachette_slice piece(const unsigned char *ends, const char *characters, size_t index) {
  size_t begin = index > 0 ? read_4(ends + 4 * (index - 1)) : 0;
  return (cachette_slice){characters + begin, read_4(ends + 4 * index) - begin};
}

static bool are_tags(const cachette__http_stored *stored) {
  for (size_t i = 0; i < stored->tag_count; i++) {
    if (cachette__http_record_tag_at(stored, i).size == 0) return false;
  }
  return true;
}

/* Names and texts. The ends come first: only then the pieces are inside the head. */
static bool are_characters(const cachette__http_stored *stored, const layout *parts) {
  cachette_slice names = {stored->names, parts->names};
  cachette_slice texts = {stored->texts, parts->texts};
  return are_ends(stored->name_ends, parts->fields, 1, names.size) &&
         are_ends(stored->text_ends, 1 + parts->tags + parts->fields, 0, texts.size) &&
         are_tags(stored) && (names.size == 0 || cachette__http_is_token(names)) &&
         !cachette__http_is_dangerous(texts);
}

/* Checks the form of vary.h. */
static bool is_selector(cachette_slice rest) {
  enum { NAME_WIDTH = 2, VALUE_WIDTH = 4 };
  static const unsigned char absent[VALUE_WIDTH] = {0xff, 0xff, 0xff, 0xff};
  cachette_slice name, value;
  while (rest.size > 0) {
    if (!cachette__http_take(&rest, NAME_WIDTH, &name) || !cachette__http_is_token(name))
      return false;
    if (rest.size < VALUE_WIDTH) return false;
    if (memcmp(rest.data, absent, VALUE_WIDTH) == 0) {
      rest = cachette__http_from(rest, VALUE_WIDTH);
      continue;
    }
    if (!cachette__http_take(&rest, VALUE_WIDTH, &value) || cachette__http_is_dangerous(value))
      return false;
  }
  return true;
}

/* An index has variants and no fields, a response fields and no variants. */
static bool are_of_one_kind(const cachette__http_stored *stored) {
  if ((stored->flags & CACHETTE__HTTP_INDEX) == 0) return stored->variants.size == 0;
  return stored->variants.size % CACHETTE_HTTP_KEY_SIZE == 0 && stored->field_count == 0;
}

bool cachette__http_record_get(cachette_slice record, cachette__http_stored *stored) {
  layout parts;
  const unsigned char *head = record.data;
  if (record.size < TABLES || memcmp(head, magic, sizeof magic) != 0) return false;
  read_numbers(head, stored);
  if (stored->head_size < TABLES || stored->head_size > record.size) return false;
  if (read_8(head + CHECKSUM) != head_checksum(head, stored->head_size)) return false;
  if (!are_numbers(stored) || !read_parts(head, stored->head_size, &parts)) return false;
  find_parts(head, &parts, stored);
  if (!are_characters(stored, &parts)) return false;
  stored->etag = piece(stored->text_ends, stored->texts, 0);
  return are_of_one_kind(stored) && is_selector(stored->vary);
}

cachette_http_field cachette__http_record_field(const cachette__http_stored *stored, size_t index) {
  return (cachette_http_field){
      .name = piece(stored->name_ends, stored->names, index),
      .value = piece(stored->text_ends, stored->texts, 1 + stored->tag_count + index),
  };
}

cachette_slice cachette__http_record_tag_at(const cachette__http_stored *stored, size_t index) {
  return piece(stored->text_ends, stored->texts, 1 + index);
}

/* ---- Writing ---- */

/* Adds up the parts of a head. */
static layout add_up(const cachette__http_stored *stored, const cachette__http_source *fields,
                     const cachette__http_source *tags) {
  cachette_http_field field;
  layout parts = {
      .key = stored->key.size,
      .selector = stored->vary.size,
      .variants = stored->variants.size,
      .texts = stored->etag.size,
  };
  for (size_t at = 0; tags != NULL && tags->next(tags->data, &at, &field); parts.tags++)
    parts.texts += field.value.size;
  for (size_t at = 0; fields != NULL && fields->next(fields->data, &at, &field); parts.fields++) {
    parts.names += field.name.size;
    parts.texts += field.value.size;
  }
  return parts;
}

size_t cachette__http_record_measure(const cachette__http_stored *stored,
                                     const cachette__http_source *fields,
                                     const cachette__http_source *tags) {
  layout parts = add_up(stored, fields, tags);
  uint64_t size = sum_of(&parts);
  return size <= UINT32_MAX ? (size_t)size : 0;
}

static int64_t limit(int64_t ms, int64_t least) {
  if (ms < least) return least;
  return ms < CACHETTE__HTTP_MS_MAX ? ms : CACHETTE__HTTP_MS_MAX;
}

/* Moves times and durations into their range. An origin may well say that it is 1901. */
static void limit_numbers(cachette__http_stored *stored) {
  stored->requested_ms = limit(stored->requested_ms, 0);
  stored->received_ms = limit(stored->received_ms, 0);
  stored->date_ms = limit(stored->date_ms, 0);
  stored->initial_age_ms = limit(stored->initial_age_ms, 0);
  stored->lifetime_ms = limit(stored->lifetime_ms, 0);
  stored->while_revalidate_ms = limit(stored->while_revalidate_ms, 0);
  stored->if_error_ms = limit(stored->if_error_ms, 0);
  stored->last_modified_ms = limit(stored->last_modified_ms, -1);
}

static void write_numbers(unsigned char *head, cachette__http_stored stored, const layout *parts) {
  limit_numbers(&stored);
  memcpy(head, magic, sizeof magic);
  unsigned char *at = write_number(head + HEAD_SIZE, sum_of(parts), 4);
  at = write_number(at, (uint64_t)stored.status, 2);
  at = write_number(at, stored.flags, 2);
#define WRITE(name) at = write_number(at, (uint64_t)stored.name, 8);
  EACH_NUMBER(WRITE)
#undef WRITE
  const size_t numbers[] = {parts->key,   parts->selector, parts->variants,
                            parts->names, parts->fields,   parts->tags};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    at = write_number(at, numbers[i], 4);
  assert(at == head + TABLES);
}

static unsigned char *write_slice(unsigned char *at, cachette_slice slice) {
  if (slice.size > 0) memcpy(at, slice.data, slice.size);
  return at + slice.size;
}

/* Pieces that are being written: their ends, and their characters. */
typedef struct sequence {
  unsigned char *end; /* of the next piece */
  unsigned char *characters, *next;
} sequence;

static void add_piece(sequence *pieces, cachette_slice characters) {
  pieces->next = write_slice(pieces->next, characters);
  pieces->end = write_number(pieces->end, (uint64_t)(pieces->next - pieces->characters), 4);
}

void cachette__http_record_put(const cachette__http_stored *stored,
                               const cachette__http_source *fields,
                               const cachette__http_source *tags, unsigned char *head) {
  cachette_http_field field;
  layout parts = add_up(stored, fields, tags);
  write_numbers(head, *stored, &parts);
  sequence names = {.end = head + TABLES};
  sequence texts = {.end = names.end + 4 * parts.fields};
  unsigned char *at = texts.end + 4 * (1 + parts.tags + parts.fields);
  at = write_slice(at, stored->key);
  at = write_slice(at, stored->vary);
  names.characters = names.next = write_slice(at, stored->variants);
  texts.characters = texts.next = names.next + parts.names;
  add_piece(&texts, stored->etag);
  for (size_t i = 0; tags != NULL && tags->next(tags->data, &i, &field);)
    add_piece(&texts, field.value);
  for (size_t i = 0; fields != NULL && fields->next(fields->data, &i, &field);) {
    add_piece(&names, field.name);
    add_piece(&texts, field.value);
  }
  size_t size = (size_t)(texts.next - head);
  assert(size == sum_of(&parts));
  write_number(head + CHECKSUM, head_checksum(head, size), 8);
}
