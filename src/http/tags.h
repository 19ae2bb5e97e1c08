/* SPDX-License-Identifier: MIT */
/*
 * The tags of a stored response, by which it can be purged: the application's own, Surrogate-Key
 * (separated by spaces), Cache-Tag (by commas), Cache-Groups (RFC 9875), and, for a key that has
 * more than the URI, the URI.
 */
#ifndef CACHETTE_HTTP_TAGS_H
#define CACHETTE_HTTP_TAGS_H

#include "record.h"
#include "response.h"

enum { CACHETTE__HTTP_TAG_MAX = 512 }; /* bytes of a tag; a longer one is left out */

typedef struct cachette__http_tags {
  const cachette_http_extra *extra;       /* may be NULL */
  const cachette__http_message *response; /* NULL: none, */
  const cachette__http_stored *stored;    /* or the tags of this one are kept, too; may be NULL */
  cachette_slice canonical;               /* the key of the request */
  char *space;                            /* CACHETTE__HTTP_TAG_MAX bytes for the tag in hand */
} cachette__http_tags;

/* A source for record.h; the tag is the value of the field. Unique tags, at most 128. */
bool cachette__http_next_tag(const void *tags, size_t *at, cachette_http_field *field);

#endif
