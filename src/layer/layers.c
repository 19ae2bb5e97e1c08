/* SPDX-License-Identifier: MIT */
#include "layers.h"

#include "envelope.h"
#include "seal.h"

int cachette__layers_check(const cachette_options *options, cachette_error *error) {
  return cachette__seal_check(options, error);
}

int cachette__layers_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error) {
  cachette__store *opened;
  int code = cachette__store_open(context, &opened, error);
  if (code == CACHETTE_OK) code = cachette__envelope_wrap(context, &opened, error);
  if (code == CACHETTE_OK) *store = opened;
  return code;
}
