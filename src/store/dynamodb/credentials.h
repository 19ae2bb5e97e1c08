/* SPDX-License-Identifier: MIT */
/*
 * Where keys to sign with come from. The sources, in the order in which they are asked:
 *
 *     options -> environment -> shared files (profile.c) -> web identity (STS) -> container
 *             -> instance metadata; the last three are servers, asked by remote.c
 */
#ifndef CACHETTE_STORE_DYNAMODB_CREDENTIALS_H
#define CACHETTE_STORE_DYNAMODB_CREDENTIALS_H

#include "client.h"

enum cachette__aws_found {
  CACHETTE__AWS_NONE,   /* this source has none */
  CACHETTE__AWS_KEYS,   /* they are there */
  CACHETTE__AWS_ASKED,  /* a server has been asked */
  CACHETTE__AWS_BROKEN, /* it should have some; `error` says why not */
};

enum cachette__aws_source {
  CACHETTE__AWS_OPTIONS,
  CACHETTE__AWS_ENVIRONMENT,
  CACHETTE__AWS_PROFILE,
  CACHETTE__AWS_IDENTITY,
  CACHETTE__AWS_CONTAINER,
  CACHETTE__AWS_METADATA,
  CACHETTE__AWS_SOURCES
};

struct cachette__aws_credentials {
  cachette__dynamo *client;
  cachette__aws_keys keys; /* `id` NULL: there are none */
  bool is_refused;         /* the server does not take them any more */
  enum cachette__aws_source source;
  int64_t next_try_ms;  /* by the machine's clock: nobody is asked before */
  cachette_error error; /* why the last try failed; or its code is 0 */

  /* Of remote.c. */
  bool is_asking;
  cachette__http_request request;
  cachette__text body, token;
  char *identity_role, *identity_file; /* as a profile names them; or NULL */
  int step;
};

/* Takes copies of keys in the place of those that are there. False: out of memory. */
bool cachette__aws_keep(cachette__aws_credentials *credentials, enum cachette__aws_source source,
                        const char *id, const char *secret, const char *token, int64_t end_ms);

/* profile.c: reads the shared files. */
enum cachette__aws_found cachette__aws_ask_profile(cachette__aws_credentials *credentials,
                                                   cachette_error *error);

/* remote.c: ask servers, if the environment says that there are any. */
enum cachette__aws_found cachette__aws_ask_identity(cachette__aws_credentials *credentials,
                                                    cachette_error *error);
enum cachette__aws_found cachette__aws_ask_container(cachette__aws_credentials *credentials,
                                                     cachette_error *error);
enum cachette__aws_found cachette__aws_ask_metadata(cachette__aws_credentials *credentials,
                                                    cachette_error *error);

/* What remote.c tells when a server has answered; `error` NULL: the keys are there. */
void cachette__aws_answered(cachette__aws_credentials *credentials, const cachette_error *error);

/* The whole of a small file, to be freed; NULL: it cannot be read. Sets `size`. */
char *cachette__aws_read_file(const char *path, size_t *size);

/* A variable of the environment; NULL if it is not set or empty. */
const char *cachette__aws_variable(const char *name);

/* Fails for want of memory. */
enum cachette__aws_found cachette__aws_no_memory(cachette_error *error);

#endif
