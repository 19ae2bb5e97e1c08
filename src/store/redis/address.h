/* SPDX-License-Identifier: MIT */
/* The URL of a Redis or Valkey server. */
#ifndef CACHETTE_REDIS_ADDRESS_H
#define CACHETTE_REDIS_ADDRESS_H

#include "../../net/url.h"

typedef struct cachette__redis_address {
  cachette__url url;           /* owns the texts */
  const char *host;            /* NULL: `path` */
  const char *path;            /* of a Unix socket */
  const char *user, *password; /* NULL: none */
  uint16_t port;
  int database;
  bool tls;
} cachette__redis_address;

/*
 * Reads redis://, rediss://, valkey://, valkeys:// and unix:// URLs. `option` is the option's name,
 * for messages. Errors: ECONFIG, ENOMEM.
 */
int cachette__redis_address_parse(const char *text, const char *option,
                                  cachette__redis_address *address, cachette_error *error);

void cachette__redis_address_deinit(cachette__redis_address *address);

#endif
