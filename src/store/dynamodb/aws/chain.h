/* SPDX-License-Identifier: MIT */
/*
 * A credential chain: the source of the first keys, and the roles to assume with them, one after
 * another. It is found in the shared files and the environment, in botocore's order:
 *
 *     role_arn with its source_profile or credential_source -> web identity -> SSO
 *       -> the credentials file -> credential_process -> the config file
 *       -> container -> instance metadata
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_CHAIN_H
#define CACHETTE_STORE_DYNAMODB_AWS_CHAIN_H

#include "profile.h"

enum cachette__aws_source {
  CACHETTE__AWS_OPTIONS,
  CACHETTE__AWS_ENVIRONMENT,
  CACHETTE__AWS_IDENTITY,
  CACHETTE__AWS_SSO,
  CACHETTE__AWS_FILES,
  CACHETTE__AWS_PROCESS,
  CACHETTE__AWS_CONTAINER,
  CACHETTE__AWS_METADATA,
  CACHETTE__AWS_ROLE /* not the source of a chain, but of keys in use */
};

/* A role that a profile names. */
typedef struct cachette__aws_role {
  cachette__aws_profile profile;
  struct cachette__aws_role *next;
} cachette__aws_role;

typedef struct cachette__aws_chain {
  cachette__aws_files files;
  enum cachette__aws_source source;
  cachette__aws_profile profile; /* of the source */
  bool is_chosen;            /* `profile` is the chosen profile, so the environment applies, too */
  cachette__aws_role *roles; /* to be assumed, in this order */
} cachette__aws_chain;

/* Reads the files and finds the chain. `folder` is the base of relative paths. Errors: ENOMEM,
 * EBACKEND. */
int cachette__aws_chain_init(cachette__aws_chain *chain, const char *folder, cachette_error *error);

/* Wipes and frees a chain; a zeroed one is empty. */
void cachette__aws_chain_deinit(cachette__aws_chain *chain);

#endif
