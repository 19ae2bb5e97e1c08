/* SPDX-License-Identifier: MIT */
/*
 * The tags of a stored response, by which it can be purged: the application's own, Surrogate-Key
 * (separated by spaces), Cache-Tag (by commas), Cache-Groups (RFC 9875), and, for a key that has
 * more than the URI, the URI.
 *
 * A tag that is empty, longer than CACHETTE__HTTP_TAG_MAX or has CR, LF or NUL is left out, and so
 * are those beyond the first CACHETTE__HTTP_TAGS_MAX. Of these the last 65 are kept free for groups
 * and the URI, because other caches in front of the same origin count on groups, too.
 */
#ifndef CACHETTE_HTTP_TAGS_H
#define CACHETTE_HTTP_TAGS_H

#include "record.h"
#include "response.h"

enum {
  CACHETTE__HTTP_TAG_MAX = 512,  /* bytes of a tag */
  CACHETTE__HTTP_TAGS_MAX = 512, /* of a response */
  CACHETTE__HTTP_URI_TAG_SIZE = 4 + 2 * CACHETTE_HTTP_KEY_SIZE,
};

/* What cachette__http_next_tag() works with; the tag in hand may point into it. */
typedef struct cachette__http_tag_space {
  cachette_slice found[CACHETTE__HTTP_TAGS_MAX]; /* unique tags, then groups without the origin */
  size_t tag_count, count;
  char text[CACHETTE__HTTP_TAG_MAX];
} cachette__http_tag_space;

typedef struct cachette__http_tags {
  const cachette_http_extra *extra;       /* may be NULL */
  const cachette__http_message *response; /* NULL: none, */
  const cachette__http_stored *stored;    /* or the tags of this one are kept, too; may be NULL */
  cachette_slice canonical;               /* the key of the request */
  cachette__http_tag_space *space;
} cachette__http_tags;

/* A source for record.h; the tag is the value of the field, and valid until the next call. No two
 * tags are the same. */
bool cachette__http_next_tag(const void *tags, size_t *at, cachette_http_field *field);

/*
 * Writes the tag of a group: the origin of a canonical key, a space, and the group, a parsed string
 * of Cache-Groups or Cache-Group-Invalidation. Returns its size; 0: it is longer than `capacity`.
 */
size_t cachette__http_group_tag(cachette_slice canonical, cachette_slice group, char *text,
                                size_t capacity);

/* Writes the tag of a URI: "uri " and its key in hexadecimal digits. Records have it if their keys
 * have more than the URI. */
void cachette__http_uri_tag(const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                            char text[CACHETTE__HTTP_URI_TAG_SIZE]);

#endif
