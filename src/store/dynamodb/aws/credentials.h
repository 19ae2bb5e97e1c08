/* SPDX-License-Identifier: MIT */
/*
 * The keys that requests are signed with: where they come from, and when they are renewed.
 *
 *     options -> environment -> a chain (chain.h), which is found again for each fetch
 *
 * Each file calls only files below it:
 *
 *     credentials.c
 *       sts.c  sso.c  container.c  metadata.c  credential_process.c    the sources of keys
 *         fetch.c                   shared by the sources
 *           chain.c  endpoint.c     finds source and roles; finds the URLs of services
 *             profile.c             AWS's shared files
 *               ini.c  shell_words.c  environment.c  files.c  timestamp.c
 *       http.c  process.c  json.c  text.c
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_CREDENTIALS_H
#define CACHETTE_STORE_DYNAMODB_AWS_CREDENTIALS_H

#include "fetch.h"

typedef struct cachette__aws_credentials {
  cachette__aws_keys keys; /* `id` NULL: none */
  bool is_refused;         /* the server refused the keys */
  enum cachette__aws_source source;
  int64_t next_fetch_ms; /* earliest time of the next fetch; machine clock */
  cachette_error error;  /* of the last fetch; code 0: it succeeded */
  bool is_fetching;
  cachette__aws_fetch fetch;
  char awaited[96]; /* buffer of cachette__aws_credentials_awaited() */
} cachette__aws_credentials;

/* Copies the context. What it points to must outlive the credentials. */
void cachette__aws_credentials_init(cachette__aws_credentials *credentials,
                                    const cachette__aws_context *context);

/* Stops a running fetch, wipes and frees. `forked`: as for the store's close(). */
void cachette__aws_credentials_deinit(cachette__aws_credentials *credentials, bool forked);

/* Finds the keys to sign with now; they stay valid until the next turn of the loop. Returns 0; 1 if
 * a fetch runs, after which the context's `resume` is called; or an error. */
int cachette__aws_credentials_get(cachette__aws_credentials *credentials,
                                  const cachette__aws_keys **keys, cachette_error *error);

/* Returns the name, for messages, of the source that must answer before a request can be signed;
 * NULL: none. */
const char *cachette__aws_credentials_awaited(cachette__aws_credentials *credentials);

/* Reports that the server refused the keys of this generation. Returns whether other keys may
 * exist. */
bool cachette__aws_credentials_renew(cachette__aws_credentials *credentials, unsigned refused);

#endif
