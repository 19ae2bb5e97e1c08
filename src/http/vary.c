/* SPDX-License-Identifier: MIT */
#include "vary.h"

#include "digest.h"
#include "normalize.h"
#include "output.h"
#include "text.h"

enum { NAME_WIDTH = 2, VALUE_WIDTH = 4 }; /* bytes of sizes */

#define ABSENT UINT32_MAX /* in place of the size of a value */

/* ---- Vary ---- */

/* A position in the Vary lines of a response. */
typedef struct vary_names {
  const cachette__http_message *response; /* NULL: there are none */
  size_t at;
  cachette_slice rest;
} vary_names;

static bool next_name(vary_names *names, cachette_slice *name) {
  if (names->response == NULL) return false;
  while (!cachette__http_next(&names->rest, name)) {
    if (!cachette__http_line(names->response, CACHETTE__HTTP_VARY, &names->at, &names->rest))
      return false;
  }
  return true;
}

/* Returns whether a field that tells users apart keeps the response from being stored. */
static bool is_refused(const cachette_http_policy *policy, cachette_slice name) {
  if (policy->sharing == CACHETTE_HTTP_PRIVATE) return false;
  switch (cachette__http_name_of(name)) {
    case CACHETTE__HTTP_COOKIE:
      return (policy->vary_allow & CACHETTE_HTTP_VARY_COOKIE) == 0;
    case CACHETTE__HTTP_AUTHORIZATION:
      return (policy->vary_allow & CACHETTE_HTTP_VARY_AUTHORIZATION) == 0;
    default:
      return false;
  }
}

enum cachette_http_reason cachette__http_vary_check(const cachette_http_policy *policy,
                                                    const cachette__http_message *response) {
  vary_names names = {.response = response};
  cachette_slice name;
  bool is_user = false;
  while (next_name(&names, &name)) {
    if (cachette__http_is(name, "*")) return CACHETTE_HTTP_BECAUSE_VARY_ANY;
    if (!cachette__http_is_token(name) || name.size > UINT16_MAX)
      return CACHETTE_HTTP_BECAUSE_VARY_ANY;
    is_user = is_user || is_refused(policy, name);
  }
  return is_user ? CACHETTE_HTTP_BECAUSE_VARY_USER : CACHETTE_HTTP_BECAUSE_NONE;
}

/* ---- Values ---- */

/* What a request has for a name. */
typedef struct selecting {
  const cachette__http_message *request;
  cachette_slice name;
  enum cachette__http_name known;
  size_t at; /* the line after the current one */
  bool is_normalized;
  char space[CACHETTE__HTTP_NORMALIZED_MAX];
  cachette_slice normalized;
} selecting;

/* Finds the next line of any field, known or not. */
static bool next_line(selecting *field, cachette_slice *line) {
  if (field->known != CACHETTE__HTTP_OTHER)
    return cachette__http_line(field->request, field->known, &field->at, line);
  for (const cachette_http_fields *fields = &field->request->fields; field->at < fields->count;) {
    const cachette_http_field *other = &fields->list[field->at++];
    if (!cachette__http_equals(other->name, field->name)) continue;
    *line = cachette__http_trim(other->value);
    return true;
  }
  return false;
}

static bool may_normalize(const cachette_http_policy *policy, enum cachette__http_name name) {
  if (name == CACHETTE__HTTP_ACCEPT_ENCODING)
    return (policy->normalize & CACHETTE_HTTP_ACCEPT_ENCODING) != 0;
  return name == CACHETTE__HTTP_ACCEPT_LANGUAGE &&
         (policy->normalize & CACHETTE_HTTP_ACCEPT_LANGUAGE) != 0;
}

/* Returns whether the origin does not see a field, since it is for one connection. If its value
 * selected a response, a client could have the response without the field stored for the value. */
static bool is_hidden(const selecting *field) {
  const cachette_http_field line = {field->name, {NULL, 0}};
  return cachette__http_is_hop_by_hop(field->request, &line);
}

/* Begins with the value of a name. False: the request, as the origin sees it, has no such field. */
static bool begin(const cachette_http_policy *policy, const cachette__http_asked *asked,
                  cachette_slice name, selecting *field) {
  cachette_slice line;
  field->request = &asked->message;
  field->name = name;
  field->known = cachette__http_name_of(name);
  field->at = 0;
  bool is_present = next_line(field, &line) && !is_hidden(field);
  field->at = 0;
  field->is_normalized =
      is_present && may_normalize(policy, field->known) &&
      cachette__http_normalize(field->request, field->known, field->space, &field->normalized);
  return is_present;
}

/*
 * Returns the next piece of the value: the normalized one is one piece, else they are the lines,
 * with a comma between them (RFC 9110, 5.3). `*step` counts, from 0. False: there is no further
 * one.
 */
static bool next_piece(selecting *field, size_t *step, cachette_slice *piece) {
  size_t before = field->at;
  if (field->is_normalized) {
    *piece = field->normalized;
    return (*step)++ == 0;
  }
  if (!next_line(field, piece)) return false;
  if ((*step)++ % 2 == 0) return true;
  field->at = before; /* the line comes after its comma */
  *piece = cachette_str(", ");
  return true;
}

/* ---- Selectors ---- */

/* Takes the next entry off the front of a selector. False: there is none, or it is damaged.
 *   value  `data` is NULL if the field is absent */
static bool next_entry(cachette_slice *rest, cachette_slice *name, cachette_slice *value) {
  const cachette_slice none = {NULL, 0};
  if (!cachette__http_take(rest, NAME_WIDTH, name) || name->size == 0) return false;
  if (rest->size < VALUE_WIDTH) return false;
  if (memcmp(rest->data, "\xff\xff\xff\xff", VALUE_WIDTH) == 0) {
    *rest = cachette__http_from(*rest, VALUE_WIDTH);
    *value = none;
    return true;
  }
  return cachette__http_take(rest, VALUE_WIDTH, value);
}

/* Makes `name` the least name that is greater than `after`, if it is. */
static void keep_least(cachette_slice *least, cachette_slice after, cachette_slice name) {
  if (name.size > UINT16_MAX || cachette__http_compare(name, after) <= 0) return;
  if (least->size == 0 || cachette__http_compare(name, *least) < 0) *least = name;
}

/* Finds the first name after another one, in the order of selectors. Names are few, so that looking
 * through all of them each time needs no memory and little time. */
static bool find_name(const cachette__http_message *response, cachette_slice known,
                      cachette_slice *name) {
  vary_names names = {.response = response};
  cachette_slice least = {NULL, 0}, other, value;
  while (next_name(&names, &other)) keep_least(&least, *name, other);
  while (next_entry(&known, &other, &value)) keep_least(&least, *name, other);
  *name = least;
  return least.size > 0;
}

static void put_name(cachette__http_output *output, cachette_slice name) {
  cachette__http_put_number(output, name.size, NAME_WIDTH);
  cachette__http_put_lower(output, name);
}

static void put_value(cachette__http_output *output, const cachette_http_policy *policy,
                      const cachette__http_asked *asked, cachette_slice name) {
  selecting field;
  cachette_slice piece;
  if (!begin(policy, asked, name, &field)) {
    cachette__http_put_number(output, ABSENT, VALUE_WIDTH);
    return;
  }
  size_t start = cachette__http_put_begin(output);
  for (size_t step = 0; next_piece(&field, &step, &piece);) cachette__http_put(output, piece);
  cachette__http_put_end(output, start);
}

size_t cachette__http_vary_write(const cachette_http_policy *policy,
                                 const cachette__http_asked *asked,
                                 const cachette__http_message *response, cachette_slice known,
                                 unsigned char *bytes, size_t capacity) {
  cachette__http_output output = {bytes, capacity, 0};
  for (cachette_slice name = {NULL, 0}; find_name(response, known, &name);) {
    put_name(&output, name);
    put_value(&output, policy, asked, name);
  }
  return output.size;
}

/* ---- Matching ---- */

static bool has_value(const cachette_http_policy *policy, const cachette__http_asked *asked,
                      cachette_slice name, cachette_slice value) {
  selecting field;
  cachette_slice piece;
  if (!begin(policy, asked, name, &field)) return value.data == NULL;
  if (value.data == NULL) return false;
  for (size_t step = 0; next_piece(&field, &step, &piece);) {
    if (piece.size > value.size) return false;
    if (piece.size > 0 && memcmp(piece.data, value.data, piece.size) != 0) return false;
    value = cachette__http_from(value, piece.size);
  }
  return value.size == 0;
}

bool cachette__http_vary_matches(const cachette_http_policy *policy,
                                 const cachette__http_asked *asked, cachette_slice selector) {
  cachette_slice name, value;
  while (selector.size > 0) {
    if (!next_entry(&selector, &name, &value)) return false;
    if (!has_value(policy, asked, name, value)) return false;
  }
  return true;
}

bool cachette__http_vary_same_names(cachette_slice left, cachette_slice right) {
  cachette_slice names[2], value;
  while (left.size > 0 && right.size > 0) {
    if (!next_entry(&left, &names[0], &value) || !next_entry(&right, &names[1], &value))
      return false;
    if (!cachette__http_equals(names[0], names[1])) return false;
  }
  return left.size == right.size; /* both are 0 */
}

/* ---- The key of a variant ---- */

static void add_number(cachette__http_hash *hash, uint64_t number) {
  unsigned char bytes[8];
  cachette__http_output output = {bytes, sizeof bytes, 0};
  cachette__http_put_number(&output, number, sizeof bytes);
  cachette__http_hash_add(hash, (cachette_slice){bytes, sizeof bytes});
}

static void add_value(cachette__http_hash *hash, const cachette_http_policy *policy,
                      const cachette__http_asked *asked, cachette_slice name) {
  selecting field;
  cachette_slice piece;
  if (!begin(policy, asked, name, &field)) {
    add_number(hash, ABSENT);
    return;
  }
  uint64_t size = 0;
  for (size_t step = 0; next_piece(&field, &step, &piece);) size += piece.size;
  add_number(hash, size);
  field.at = 0;
  for (size_t step = 0; next_piece(&field, &step, &piece);) cachette__http_hash_add(hash, piece);
}

void cachette__http_vary_key(const cachette_http_policy *policy, const cachette__http_asked *asked,
                             cachette_slice canonical, cachette_slice selector, uint64_t generation,
                             unsigned char key[CACHETTE_HTTP_KEY_SIZE]) {
  cachette__http_hash hash;
  cachette_slice name, value;
  cachette__http_hash_begin(&hash);
  cachette__http_hash_add(&hash, cachette_str("V")); /* no canonical key begins so */
  add_number(&hash, canonical.size);
  cachette__http_hash_add(&hash, canonical);
  add_number(&hash, generation);
  while (next_entry(&selector, &name, &value)) {
    add_number(&hash, name.size);
    cachette__http_hash_add(&hash, name);
    add_value(&hash, policy, asked, name);
  }
  cachette__http_hash_end(&hash, key);
}
