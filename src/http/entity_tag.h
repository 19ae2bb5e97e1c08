/* SPDX-License-Identifier: MIT */
/*
 * Entity tags (RFC 9110, 8.8.3) and the lists of them in If-Match and If-None-Match (13.1).
 *
 *     W/"a,b\"        Nothing is escaped inside the quotes: commas and backslashes are part of the
 *     ^ ^             tag, so a tag is not a quoted string, and a list of tags is not split at its
 *     weak opaque     commas. Spaces and quotes are not allowed in a tag.
 */
#ifndef CACHETTE_HTTP_ENTITY_TAG_H
#define CACHETTE_HTTP_ENTITY_TAG_H

#include "cachette.h"

typedef struct cachette__http_entity_tag {
  cachette_slice opaque; /* with its quotes; points into the text */
  bool weak;
} cachette__http_entity_tag;

/* Parses a text that is one tag and nothing else. False: it is not; `tag` is unchanged. */
bool cachette__http_tag_parse(cachette_slice text, cachette__http_entity_tag *tag);

/* Compares two tags (RFC 9110, 8.8.3.2). A weak tag is never strongly equal, not even to itself. */
bool cachette__http_tag_equals(const cachette__http_entity_tag *left,
                               const cachette__http_entity_tag *right, bool strong);

/* One line of If-Match or If-None-Match. `next` is 0 at first. */
typedef struct cachette__http_tag_list {
  cachette_slice line;
  size_t next; /* the offset of what was not read yet */
} cachette__http_tag_list;

enum cachette__http_tag_item {
  CACHETTE__HTTP_TAG_END,
  CACHETTE__HTTP_TAG_ONE,
  CACHETTE__HTTP_TAG_ANY,      /* the whole line is `*` */
  CACHETTE__HTTP_TAG_MALFORMED /* a member that is not a tag, including a `*` beside others */
};

/* Reads the next member of a list. `tag` is set for CACHETTE__HTTP_TAG_ONE only. After a malformed
 * member, reading continues behind the next comma that is outside quotes. */
enum cachette__http_tag_item cachette__http_tag_next(cachette__http_tag_list *list,
                                                     cachette__http_entity_tag *tag);

/*
 * Returns whether a line matches the tag of a representation. `tag` is NULL if the representation
 * has none: then only `*` matches.
 *
 * `strong` is for If-Match, which permits a request to change something. So a line with a malformed
 * member matches nothing. If-None-Match compares weakly, and there only the malformed member
 * matches nothing. If a field has several lines, each must be asked: If-None-Match matches if one
 * line does; for If-Match, join the lines with commas, so that a malformed one counts for all.
 */
bool cachette__http_tag_list_matches(cachette_slice line, const cachette__http_entity_tag *tag,
                                     bool strong);

#endif
