/* SPDX-License-Identifier: MIT */
/*
 * Queries as forms (application/x-www-form-urlencoded): name=value&name=value, where `+` is a space
 * and %XX a byte. No I/O, no allocation.
 *
 * Only `&` separates. Some servers also split at `;`, so a parameter with one may be several.
 */
#ifndef CACHETTE_HTTP_FORM_H
#define CACHETTE_HTTP_FORM_H

#include "output.h"

/* A parameter, encoded. */
typedef struct cachette__http_parameter {
  cachette_slice whole, name, value; /* without `=`, the whole is the name */
} cachette__http_parameter;

/* Takes the next parameter off the front of `rest`. It is empty between two `&`, and also after one
 * at the end. `rest->data` is NULL after the last one. False: there is none. */
bool cachette__http_next_parameter(cachette_slice *rest, cachette__http_parameter *parameter);

/* Compares two encoded texts by their decoded bytes: negative, 0 or positive. */
int cachette__http_form_compare(cachette_slice left, cachette_slice right);

/* Returns whether an encoded text equals that of a Structured Fields string, which is encoded, too,
 * and has backslashes before quotes and backslashes. */
bool cachette__http_form_is(cachette_slice text, cachette_slice string);

/* Writes a text decoded. */
void cachette__http_form_put(cachette__http_output *output, cachette_slice text);

/*
 * Sorts parameters by their decoded names; equal names keep their order. Names are decoded, because
 * a server takes `a` and `%61` for the same, and so may answer differently if these change places.
 */
void cachette__http_form_sort(cachette__http_parameter *parameters, size_t count);

#endif
