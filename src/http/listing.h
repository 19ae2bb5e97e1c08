/* SPDX-License-Identifier: MIT */
/* A list of fields that is filled as far as there is space, and counted in any case. */
#ifndef CACHETTE_HTTP_LISTING_H
#define CACHETTE_HTTP_LISTING_H

#include "names.h"

typedef struct cachette__http_listing {
  cachette_http_field *fields;
  size_t capacity, count;
} cachette__http_listing;

static inline void cachette__http_list(cachette__http_listing *listing, cachette_slice name,
                                       cachette_slice value) {
  if (listing->count < listing->capacity)
    listing->fields[listing->count] = (cachette_http_field){name, value};
  listing->count++;
}

/* The same for a known name. */
static inline void cachette__http_list_known(cachette__http_listing *listing,
                                             enum cachette__http_name name, cachette_slice value) {
  cachette__http_list(listing, cachette__http_name_text(name), value);
}

#endif
