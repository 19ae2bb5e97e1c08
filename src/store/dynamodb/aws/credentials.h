/* SPDX-License-Identifier: MIT */
/*
 * The keys that requests are signed with: where they come from, and when they are renewed.
 *
 *     options -> environment -> a chain (chain.h), found anew for each fetch
 *
 * Each file calls only files below it:
 *
 *     credentials.c
 *       sts.c  sso.c  container.c  metadata.c  credential_process.c    the sources of keys
 *         fetch.c                   what the sources share
 *           chain.c  endpoint.c     which source and roles; where services are
 *             profile.c             AWS's shared files
 *               ini.c  shell_words.c  environment.c  files.c  timestamp.c
 *       http.c  process.c  json.c  text.c
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_CREDENTIALS_H
#define CACHETTE_STORE_DYNAMODB_AWS_CREDENTIALS_H

#include "fetch.h"

typedef struct cachette__aws_credentials {
  cachette__aws_keys keys; /* `id` NULL: there are none */
  bool is_refused;         /* the server refused the keys */
  enum cachette__aws_source source;
  int64_t next_fetch_ms; /* on the machine's clock: no fetch before */
  cachette_error error;  /* of the last fetch; code 0 if it succeeded */
  bool is_fetching;
  cachette__aws_fetch fetch;
  char awaited[96]; /* for cachette__aws_credentials_awaited() */
} cachette__aws_credentials;

/* What the context points to stays in place. */
void cachette__aws_credentials_init(cachette__aws_credentials *credentials,
                                    const cachette__aws_context *context);

/* Stops a fetch, wipes and frees. */
void cachette__aws_credentials_deinit(cachette__aws_credentials *credentials, bool forked);

/* Finds the keys to sign with now. Returns 0; 1 if they are being fetched, and the context's
 * `resume` will be called; or an error. */
int cachette__aws_credentials_get(cachette__aws_credentials *credentials,
                                  const cachette__aws_keys **keys, cachette_error *error);

/* The name, for messages, of the source that must answer before any request can be signed; NULL if
 * none must. */
const char *cachette__aws_credentials_awaited(cachette__aws_credentials *credentials);

/* The server refused the keys of this generation. Returns whether there may be others. */
bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused);

#endif
