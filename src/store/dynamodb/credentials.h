/* SPDX-License-Identifier: MIT */
/*
 * Where keys to sign with come from. The sources, in the order in which they are asked, which is
 * botocore's:
 *
 *     options -> environment
 *       -> a plan (plan.c) made of the shared files and the environment:
 *            role_arn with its source_profile or credential_source -> web identity -> SSO
 *            -> the credentials file -> credential_process -> the config file
 *            -> container -> instance metadata
 *
 * A plan is a source that gives keys, and roles that are assumed with them, one after another:
 *
 *     source (files, identity, SSO, process, container, ...) -> take -> role -> take -> ... -> keep
 *
 * Servers are asked (ask.c) by sts.c, sso.c and remote.c; a program is run by command.c. Each time
 * that keys are wanted anew a new plan is made, for the environment may have changed.
 */
#ifndef CACHETTE_STORE_DYNAMODB_CREDENTIALS_H
#define CACHETTE_STORE_DYNAMODB_CREDENTIALS_H

#include "client.h"
#include "files.h"
#include "process.h"

enum cachette__aws_found {
  CACHETTE__AWS_NONE,   /* this source has none */
  CACHETTE__AWS_KEYS,   /* they are there */
  CACHETTE__AWS_ASKED,  /* a server has been asked, or a program */
  CACHETTE__AWS_BROKEN, /* it should have some; `error` says why not */
};

enum cachette__aws_source {
  CACHETTE__AWS_OPTIONS,
  CACHETTE__AWS_ENVIRONMENT,
  CACHETTE__AWS_IDENTITY,
  CACHETTE__AWS_SSO,
  CACHETTE__AWS_FILES,
  CACHETTE__AWS_COMMAND,
  CACHETTE__AWS_CONTAINER,
  CACHETTE__AWS_METADATA,
  CACHETTE__AWS_ROLE /* of any of them: no source, but what keys may be of */
};

/* ---- plan.c ---- */

/* A role that a profile names. */
typedef struct cachette__aws_role {
  cachette__aws_profile profile;
  struct cachette__aws_role *next;
} cachette__aws_role;

typedef struct cachette__aws_plan {
  cachette__aws_files files;
  enum cachette__aws_source source;
  cachette__aws_profile profile; /* that the source is of */
  bool is_chosen;            /* it is the one that was chosen, and the environment counts, too */
  cachette__aws_role *roles; /* that are left to be assumed */
} cachette__aws_plan;

/* Makes it; `folder` is that of relative paths. Errors: ENOMEM, EBACKEND; nothing is left then. */
int cachette__aws_plan_make(cachette__aws_plan *plan, const char *folder, cachette_error *error);

/* Wipes and frees what it has; a zeroed one has nothing. */
void cachette__aws_plan_deinit(cachette__aws_plan *plan);

/* ---- credentials.c ---- */

struct cachette__aws_credentials {
  cachette__dynamo *client;
  cachette__aws_keys keys; /* `id` NULL: there are none */
  bool is_refused;         /* the server does not take them any more */
  enum cachette__aws_source source;
  int64_t next_try_ms;  /* by the machine's clock: nobody is asked before */
  cachette_error error; /* why the last try failed; or its code is 0 */

  /* Of what is asked. */
  bool is_asking;
  cachette__aws_plan plan;
  cachette__http_request request;
  cachette__text url, body, token;
  cachette__aws_role *role;   /* that is being assumed, or NULL */
  cachette__process *process; /* that is run, or NULL */
  json_t *login;              /* what is cached of a login by SSO, or NULL */
  int step;
  char awaited[96]; /* who is asked, for messages */
};

/*
 * Takes keys that a source or a role has given: assumes the next role with them, or keeps copies.
 * Returns KEYS, ASKED or BROKEN. The texts are not needed any more then.
 */
enum cachette__aws_found cachette__aws_take(cachette__aws_credentials *credentials,
                                            const cachette__aws_keys *keys, cachette_error *error);

/* The same of keys that came later than the ask. */
void cachette__aws_came(cachette__aws_credentials *credentials, const cachette__aws_keys *keys);

/* What was asked has failed; if the code is 0 it had no keys, and says nothing of them. */
void cachette__aws_failed(cachette__aws_credentials *credentials, const cachette_error *error);
void cachette__aws_failed_no_memory(cachette__aws_credentials *credentials);

/* Fails for want of memory. */
enum cachette__aws_found cachette__aws_no_memory(cachette_error *error);

/* ---- The sources ---- */

typedef enum cachette__aws_found cachette__aws_ask(cachette__aws_credentials *credentials,
                                                   cachette_error *error);

extern cachette__aws_ask cachette__aws_ask_identity, cachette__aws_ask_sso,
    cachette__aws_ask_command, cachette__aws_ask_container, cachette__aws_ask_metadata;

/* sts.c: assumes `credentials->role`. */
enum cachette__aws_found cachette__aws_assume(cachette__aws_credentials *credentials,
                                              const cachette__aws_keys *keys,
                                              cachette_error *error);

#endif
