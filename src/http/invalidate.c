/* SPDX-License-Identifier: MIT */
#include "invalidate.h"

#include <string.h>

#include "key.h"
#include "structured.h"
#include "tags.h"

enum {
  URI_MAX = 4096,   /* bytes of the canonical key of another URI; a longer one is left out */
  ORIGIN_MAX = 512, /* bytes of an origin */
  LINES_MAX = 64,   /* of Cache-Group-Invalidation; with more, the field is ignored */
};

/* Fields with another URI. */
static const enum cachette__http_name others[] = {CACHETTE__HTTP_LOCATION,
                                                  CACHETTE__HTTP_CONTENT_LOCATION};
enum { OTHERS = sizeof others / sizeof *others };

/* What a walk is about. */
typedef struct walk {
  const cachette_http_policy *policy;
  const cachette__http_asked *asked;
  const cachette__http_answered *answered;
  cachette_slice canonical;
  const unsigned char *digest; /* of it */
  unsigned char *key;
  char *space;
  size_t capacity;
  cachette_slice *tag;
} walk;

static bool is_same(cachette_slice left, cachette_slice right) {
  return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

bool cachette_http_status_invalidates(int status) { return status >= 200 && status <= 399; }

bool cachette_http_field_invalidates(cachette_slice name) {
  enum cachette__http_name known = cachette__http_name_of(name);
  if (known == CACHETTE__HTTP_CACHE_GROUP_INVALIDATION) return true;
  for (size_t i = 0; i < OTHERS; i++)
    if (known == others[i]) return true;
  return false;
}

bool cachette__http_invalidates(const cachette__http_asked *asked,
                                const cachette__http_answered *answered) {
  bool is_unsafe = asked->method == CACHETTE__HTTP_UNSAFE || asked->method == CACHETTE__HTTP_POST;
  return is_unsafe && cachette_http_status_invalidates(answered->response->status);
}

/* ---- URIs ---- */

/* Returns whether the request is a POST that asks a question, as QUERY does: the policy caches it,
 * and so does the origin (RFC 9110, 9.3.3). */
static bool is_question(const walk *self) {
  const cachette__http_cache_control *control = &self->answered->control;
  bool has_expires = !self->answered->is_targeted &&
                     cachette__http_has(&self->answered->message, CACHETTE__HTTP_EXPIRES);
  return self->asked->method == CACHETTE__HTTP_POST &&
         (control->max_age >= 0 || control->s_maxage >= 0 || has_expires);
}

/* Fills key and tag of a URI, from the canonical key of its GET. */
static void fill_uri(const walk *self, cachette_slice uri, bool has_tag) {
  if (uri.data == self->canonical.data && uri.size == self->canonical.size)
    memcpy(self->key, self->digest, CACHETTE_HTTP_KEY_SIZE);
  else
    cachette__http_digest(uri, self->key);
  *self->tag = (cachette_slice){self->space, 0};
  if (!has_tag || self->capacity < CACHETTE__HTTP_URI_TAG_SIZE) return;
  cachette__http_uri_tag(self->key, self->space);
  self->tag->size = CACHETTE__HTTP_URI_TAG_SIZE;
}

/* Returns whether two URIs have the same scheme, host and port: a response may say nothing about
 * those of others (RFC 9111, 4.4). */
static bool has_same_origin(cachette_slice left, cachette_slice right) {
  char texts[2][ORIGIN_MAX];
  cachette_slice origins[] = {
      {texts[0], cachette__http_key_origin(left, texts[0], ORIGIN_MAX)},
      {texts[1], cachette__http_key_origin(right, texts[1], ORIGIN_MAX)},
  };
  return origins[0].size > 0 && origins[0].size <= ORIGIN_MAX && is_same(origins[0], origins[1]);
}

/* Finds the URI in Location or Content-Location. False: there is none of this origin. */
static bool find_other(const walk *self, enum cachette__http_name name,
                       unsigned char bytes[URI_MAX], cachette_slice *uri) {
  cachette_slice reference;
  if (!cachette__http_single(&self->answered->message, name, &reference)) return false;
  size_t size = cachette__http_key_of_uri(self->policy, cachette__http_key_uri(self->canonical),
                                          reference, bytes, URI_MAX);
  if (size == 0 || size > URI_MAX) return false;
  *uri = (cachette_slice){bytes, size};
  return has_same_origin(self->canonical, *uri);
}

/* ---- Groups ---- */

/* Begins to read Cache-Group-Invalidation, a list of strings (RFC 9875, 3). */
static bool begin_groups(const walk *self, cachette_slice lines[LINES_MAX], cachette__sf *field) {
  cachette_slice line;
  size_t at = 0, count = 0;
  while (cachette__http_line(&self->answered->message, CACHETTE__HTTP_CACHE_GROUP_INVALIDATION, &at,
                             &line)) {
    if (count == LINES_MAX) return false;
    lines[count++] = line;
  }
  return cachette__sf_begin(field, CACHETTE__SF_LIST, lines, count);
}

/* Fills the tag of the group with an index. Groups belong to an origin, so the tag has it. */
static bool fill_group(const walk *self, size_t index) {
  cachette_slice lines[LINES_MAX];
  cachette__sf field;
  cachette__sf_item member;
  if (!begin_groups(self, lines, &field)) return false;
  while (cachette__sf_next(&field, &member)) {
    if (member.type != CACHETTE__SF_STRING) continue;
    size_t size =
        cachette__http_group_tag(self->canonical, member.text, self->space, self->capacity);
    if (size == 0 || index-- > 0) continue;
    memset(self->key, 0, CACHETTE_HTTP_KEY_SIZE);
    *self->tag = (cachette_slice){self->space, size};
    return true;
  }
  return false;
}

/* ---- All of them ---- */

bool cachette__http_invalidated_item(const cachette_http_policy *policy,
                                     const cachette__http_asked *asked,
                                     const cachette__http_answered *answered,
                                     cachette_slice canonical,
                                     const unsigned char digest[CACHETTE_HTTP_KEY_SIZE],
                                     size_t index, unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                                     char *space, size_t capacity, cachette_slice *tag) {
  const walk self = {policy, asked, answered, canonical, digest, key, space, capacity, tag};
  unsigned char bytes[URI_MAX];
  cachette_slice uri = cachette__http_key_uri(canonical);
  if (!cachette__http_invalidates(asked, answered)) return false;
  if (index == 0) {
    fill_uri(&self, uri, !is_question(&self));
    return true;
  }
  index--;
  for (size_t i = 0; i < OTHERS; i++) {
    if (!find_other(&self, others[i], bytes, &uri)) continue;
    if (index == 0) {
      fill_uri(&self, uri, true);
      return true;
    }
    index--;
  }
  return fill_group(&self, index);
}
