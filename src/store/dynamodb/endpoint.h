/* SPDX-License-Identifier: MIT */
/*
 * Where requests go and which region they are signed for. The options come first, then the
 * environment, then the profile, then what AWS has for the region:
 *
 *     endpoint    dynamodb_url -> AWS_ENDPOINT_URL_DYNAMODB -> AWS_ENDPOINT_URL
 *                 -> the profile's `services` -> its `endpoint_url` -> AWS's own
 *     region      region -> the one in a host of AWS's -> AWS_REGION -> AWS_DEFAULT_REGION
 *                 -> the profile's `region` -> us-east-1 if there is an endpoint
 */
#ifndef CACHETTE_STORE_DYNAMODB_ENDPOINT_H
#define CACHETTE_STORE_DYNAMODB_ENDPOINT_H

#include "profile.h"
#include "text.h"

/* Zeroed is not known yet. */
typedef struct cachette__aws_endpoint {
  char *url, *region;
  char *signature; /* what libcurl wants to know to sign for it */
  bool is_aws;     /* it is the one that AWS has for the region */
} cachette__aws_endpoint;

void cachette__aws_endpoint_deinit(cachette__aws_endpoint *endpoint);

/*
 * Finds DynamoDB's; `url` and `region` are the options, or NULL. Asks the environment and the files
 * (`folder` is that of relative paths) only for what these leave open. Errors: ENOMEM, EBACKEND;
 * the endpoint is untouched then.
 */
int cachette__aws_locate(const char *url, const char *region, const char *folder,
                         cachette__aws_endpoint *endpoint, cachette_error *error);

/* DynamoDB's name in messages, by what is known of the URL and the region; each may be NULL. */
void cachette__aws_name(const char *url, const char *region, char *name, size_t size);

/*
 * Writes the URL of another service, such as "sts", "sso" or "sso_oidc". Sets `is_named` if the
 * environment or the profile names it. Errors as above.
 */
int cachette__aws_service_url(const cachette__aws_files *files, const char *service,
                              const char *region, cachette__text *url, bool *is_named,
                              cachette_error *error);

#endif
