/* SPDX-License-Identifier: MIT */
/* Asking a server for keys: what sts.c, sso.c and remote.c share. */
#ifndef CACHETTE_STORE_DYNAMODB_ASK_H
#define CACHETTE_STORE_DYNAMODB_ASK_H

#include "credentials.h"

enum { CACHETTE__AWS_FAR_MS = 5000 }; /* for an answer of a service of AWS's */

cachette__aws_credentials *cachette__aws_owner(cachette__http_request *request);

/* Begins a request whose answer `done` takes. False: out of memory. */
bool cachette__aws_begin(cachette__aws_credentials *credentials, const char *url,
                         void (*done)(cachette__http_request *request));

/*
 * A token in a file, without the end of its line, to be freed. NULL: it cannot be read; `error`
 * says so, and that `named` names the file.
 */
char *cachette__aws_read_token(const cachette__aws_credentials *credentials, const char *path,
                               const char *named, cachette_error *error);

/* Adds a header with a secret in it. */
bool cachette__aws_add_secret(cachette__http_request *request, const char *name, const char *value);

/* Adds a text as it stands in a URL or a form. */
void cachette__aws_add_encoded(cachette__text *text, const char *plain);

/* What an ask returns: ASKED if all went well, else that there is no memory. */
enum cachette__aws_found cachette__aws_asked(cachette__aws_credentials *credentials, bool fine,
                                             cachette_error *error);

/*
 * What went wrong with a server that should have keys; `said` is what it says of it, or "". After
 * that the request is over.
 */
void cachette__aws_fault(cachette__aws_credentials *credentials, const char *server,
                         const char *said);

/* The answer as a JSON object, to be released; NULL: it is none. */
json_t *cachette__aws_answer(const cachette__aws_credentials *credentials);

/* A text member of an object; NULL: there is none, or it is empty. */
const char *cachette__aws_text(json_t *object, const char *name);

#endif
