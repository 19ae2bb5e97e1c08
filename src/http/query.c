/* SPDX-License-Identifier: MIT */
#include "query.h"

#include "form.h"
#include "text.h"

/* A query, and what of it matters. */
typedef struct selection {
  cachette_slice query;
  cachette__http_no_vary_search *variance; /* NULL: all of it matters */
} selection;

/*
 * Takes the next parameter that matters. One with a semicolon does: to a server that splits there,
 * too, it is several, and only one of them does not matter.
 */
static bool next(const selection *from, cachette_slice *rest, cachette__http_parameter *found) {
  while (cachette__http_next_parameter(rest, found)) {
    if (from->variance == NULL) return true;
    if (found->whole.size == 0) continue;
    if (cachette__http_find(found->whole, ';') < found->whole.size) return true;
    if (!cachette__http_no_vary_search_ignores(from->variance, found->name)) return true;
  }
  return false;
}

/* Sorts what matters. Returns how many there are; more than CACHETTE__HTTP_SORT_MAX: nothing is
 * sorted. */
static size_t sort(const selection *from, cachette__http_parameter *parameters) {
  size_t count = 0;
  cachette__http_parameter found;
  for (cachette_slice rest = from->query; next(from, &rest, &found); count++) {
    if (count == CACHETTE__HTTP_SORT_MAX) return count + 1;
    parameters[count] = found;
  }
  cachette__http_form_sort(parameters, count);
  return count;
}

static void put_whole(cachette__http_output *output, cachette_slice query) {
  cachette__http_put_byte(output, '?');
  cachette__http_put(output, query);
}

static void put_sorted(cachette__http_output *output, const selection *from) {
  cachette__http_parameter parameters[CACHETTE__HTTP_SORT_MAX];
  size_t count = sort(from, parameters);
  if (count > CACHETTE__HTTP_SORT_MAX) {
    put_whole(output, from->query);
    return;
  }
  cachette__http_put_byte(output, 's');
  for (size_t i = 0; i < count; i++) {
    if (i > 0) cachette__http_put_byte(output, '&');
    cachette__http_put(output, parameters[i].whole);
  }
}

static void put_decoded(cachette__http_output *output, cachette_slice text) {
  size_t begin = cachette__http_put_begin(output);
  cachette__http_form_put(output, text);
  cachette__http_put_end(output, begin);
}

static void put_pair(cachette__http_output *output, const cachette__http_parameter *parameter) {
  put_decoded(output, parameter->name);
  put_decoded(output, parameter->value);
}

static void put_pairs(cachette__http_output *output, const selection *from) {
  cachette__http_parameter found;
  for (cachette_slice rest = from->query; next(from, &rest, &found);) {
    if (output->size == 0) cachette__http_put_byte(output, 'o');
    put_pair(output, &found);
  }
}

static void put_sorted_pairs(cachette__http_output *output, const selection *from) {
  cachette__http_parameter parameters[CACHETTE__HTTP_SORT_MAX];
  size_t count = sort(from, parameters);
  if (count > CACHETTE__HTTP_SORT_MAX) {
    put_pairs(output, from);
    return;
  }
  if (count > 0) cachette__http_put_byte(output, 'n');
  for (size_t i = 0; i < count; i++) put_pair(output, &parameters[i]);
}

size_t cachette__http_query_write(const cachette_http_policy *policy, cachette_slice query,
                                  unsigned char *bytes, size_t capacity) {
  cachette__http_output output = {bytes, capacity, 0};
  cachette__http_no_vary_search variance;
  if (query.data == NULL || policy->query == CACHETTE_HTTP_QUERY_DROP) return 0;
  bool is_sorted = policy->query == CACHETTE_HTTP_QUERY_SORT;
  bool has_variance = policy->no_vary_search.size > 0 &&
                      cachette__http_no_vary_search_parse(policy->no_vary_search, &variance);
  selection from = {query, has_variance ? &variance : NULL};
  if (has_variance && (is_sorted || variance.key_order))
    put_sorted_pairs(&output, &from);
  else if (has_variance)
    put_pairs(&output, &from);
  else if (is_sorted)
    put_sorted(&output, &from);
  else
    put_whole(&output, query);
  return output.size;
}
