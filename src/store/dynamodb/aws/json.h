/* SPDX-License-Identifier: MIT */
/* Access to members of JSON objects. NULL and values that are not objects have no members. */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_JSON_H
#define CACHETTE_STORE_DYNAMODB_AWS_JSON_H

#include <jansson.h>

/* Returns the member with this name and type; else NULL. */
json_t *cachette__json_member(json_t *object, const char *name, json_type type);

/* Returns the text of a string member; NULL if it is missing or empty. */
const char *cachette__json_text(json_t *object, const char *name);

#endif
