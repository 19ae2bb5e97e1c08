/* SPDX-License-Identifier: MIT */
/* What the options say about a Redis or Valkey server, read once. */
#ifndef CACHETTE_REDIS_SETTINGS_H
#define CACHETTE_REDIS_SETTINGS_H

#include "../../config/options.h"
#include "../../net/stream.h"
#include "../../net/url.h"

typedef struct cachette__redis_settings {
  cachette__settings base;
  cachette__url url;           /* owns the texts of the address */
  const char *user, *password; /* NULL: none */
  int database;
  cachette__tls *tls; /* NULL: plain */
  cachette__target target;
  char *key_prefix; /* NULL: none */
  cachette_slice prefix;
  int64_t timeout_ms;
  char plain_advice[64], tls_advice[64]; /* what to do if the server speaks no TLS, or does */
} cachette__redis_settings;

/*
 * Reads the options. `url` is the option that has the server's URL: redis://, rediss://, valkey://,
 * valkeys:// or unix://. Errors: ECONFIG, ENOMEM, and those of cachette__tls_new().
 */
int cachette__redis_settings_new(const cachette_options *options, enum cachette__option url,
                                 cachette__settings **settings, cachette_error *error);

/* Warn of files for TLS that nothing uses; as `warn` of a store. */
bool cachette__redis_warn(const cachette_options *options, cachette_error *warning);
bool cachette__valkey_warn(const cachette_options *options, cachette_error *warning);

#endif
