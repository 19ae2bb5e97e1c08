/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stddef.h>

json_t *cachette__json_member(json_t *object, const char *name, json_type type) {
  json_t *member = json_object_get(object, name);
  return member != NULL && json_typeof(member) == type ? member : NULL;
}

const char *cachette__json_text(json_t *object, const char *name) {
  json_t *member = cachette__json_member(object, name, JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "";
  return *text != '\0' ? text : NULL;
}
