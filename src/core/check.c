/* SPDX-License-Identifier: MIT */
/* Checks that need more than one option, and those that only a layer or store can make. */
#include <string.h>

#include "../base/error.h"
#include "../config/options.h"
#include "../layer/layers.h"
#include "../store/registry.h"

/* The errors found so far. The first `capacity` of them are saved in `list`. */
struct errors {
  cachette_error *list;
  size_t capacity, count;
};

/* Counts an error. Returns the slot to fill, or NULL if there is no space. */
static cachette_error *add(struct errors *errors) {
  size_t index = errors->count++;
  return index < errors->capacity ? &errors->list[index] : NULL;
}

/* Returns whether `names`, separated by '|', contains `name`. */
static bool is_among(const char *names, const char *name) {
  size_t length = strlen(name);
  for (; *names != '\0'; names += *names == '|') {
    size_t span = strcspn(names, "|");
    if (span == length && strncmp(names, name, length) == 0) return true;
    names += span;
  }
  return false;
}

/* Adds an error for each required option that is absent. */
static void find_absent(const cachette_options *options, const char *backend,
                        struct errors *errors) {
  const cachette_option_info *table = cachette_option_table(NULL);
  for (int i = 0; i < CACHETTE__OPTION_COUNT; i++) {
    if (!is_among(table[i].needed_by, backend)) continue;
    if (!cachette__options_absent(options, (enum cachette__option)i)) continue;
    cachette__fail(add(errors), CACHETTE_ECONFIG, table[i].name,
                   "The \"%s\" cannot be null when using %s as backend.", table[i].name,
                   cachette__backend_find(backend)->display);
  }
}

size_t cachette_options_check(const cachette_options *options, cachette_error *faults,
                              size_t capacity) {
  struct errors errors = {faults, capacity, 0};
  find_absent(options, cachette__options_text(options, CACHETTE__OPTION_backend), &errors);
  if (errors.count > 0) return errors.count;
  cachette_error error;
  if (cachette__layers_check(options, &error) < 0)
    cachette__fail(add(&errors), error.code, error.subject, "%s", error.message);
  /* This saves the store's settings in the options, so cachette_open() need not parse them. */
  if (cachette__store_check(options, &error) < 0)
    cachette__fail(add(&errors), error.code, error.subject, "%s", error.message);
  return errors.count;
}

bool cachette_options_warn(const cachette_options *options, cachette_error *warning) {
  return cachette__store_warn(options, warning);
}
