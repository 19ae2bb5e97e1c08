/* SPDX-License-Identifier: MIT */
#include "no_vary_search.h"

#include "form.h"
#include "structured.h"

/* The members of the dictionary. An absent one is a boolean without a key. */
typedef struct members {
  cachette__sf_item key_order, params, except;
  bool has_except, has_unknown;
} members;

static bool is_true(const cachette__sf_item *item) {
  return item->type == CACHETTE__SF_BOOLEAN && item->number != 0;
}

static bool is_string_list(const cachette__sf_item *item) {
  if (item->type != CACHETTE__SF_INNER) return false;
  cachette__sf_item name;
  for (cachette_slice rest = item->text; cachette__sf_next_item(&rest, &name);) {
    if (name.type != CACHETTE__SF_STRING) return false;
  }
  return true;
}

static cachette__sf_item *place_of(members *found, cachette_slice key) {
  if (cachette__sf_is(key, "key-order")) return &found->key_order;
  if (cachette__sf_is(key, "params")) return &found->params;
  return cachette__sf_is(key, "except") ? &found->except : NULL;
}

static bool read_members(cachette_slice value, members *found) {
  cachette__sf field;
  cachette__sf_item member;
  *found = (members){0};
  found->key_order = found->params = found->except = cachette__sf_boolean(false);
  if (!cachette__sf_begin(&field, CACHETTE__SF_DICTIONARY, &value, 1)) return false;
  while (cachette__sf_next(&field, &member)) { /* of several the last counts */
    cachette__sf_item *place = place_of(found, member.key);
    if (place != NULL) *place = member;
    found->has_unknown = found->has_unknown || place == NULL;
  }
  found->has_except = found->except.key.size > 0;
  return true;
}

/* Checks the types, and which of `params` and `except` go together. */
static bool is_valid(const members *found) {
  bool is_boolean = found->params.type == CACHETTE__SF_BOOLEAN;
  if (found->key_order.type != CACHETTE__SF_BOOLEAN) return false;
  if (!is_boolean && !is_string_list(&found->params)) return false;
  if (!found->has_except) return true;
  bool is_alone = found->params.key.size == 0;
  return is_string_list(&found->except) && (is_alone || is_true(&found->params));
}

bool cachette__http_no_vary_search_parse(cachette_slice value,
                                         cachette__http_no_vary_search *variance) {
  members found;
  if (!read_members(value, &found) || !is_valid(&found)) return false;
  variance->key_order = is_true(&found.key_order);
  variance->is_except = found.has_except || is_true(&found.params);
  variance->names = found.has_except ? found.except.text : found.params.text;
  cachette__sf_item name;
  cachette_slice rest = variance->names;
  return variance->key_order || variance->is_except || cachette__sf_next_item(&rest, &name);
}

bool cachette__http_no_vary_search_ignores(const cachette__http_no_vary_search *variance,
                                           cachette_slice name) {
  cachette__sf_item listed;
  for (cachette_slice rest = variance->names; cachette__sf_next_item(&rest, &listed);) {
    if (cachette__http_form_is(name, listed.text)) return !variance->is_except;
  }
  return variance->is_except;
}

bool cachette__http_no_vary_search_is_valid(cachette_slice value) {
  members found;
  return read_members(value, &found) && is_valid(&found) && !found.has_unknown;
}
