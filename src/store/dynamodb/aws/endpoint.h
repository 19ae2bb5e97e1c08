/* SPDX-License-Identifier: MIT */
/*
 * Finds the URL that requests go to and the region that they are signed for. The order is: options,
 * environment, profile, AWS's default for the region.
 *
 *     endpoint    dynamodb_url -> AWS_ENDPOINT_URL_DYNAMODB -> AWS_ENDPOINT_URL
 *                 -> the profile's `services` -> its `endpoint_url` -> AWS's default
 *     region      region -> the one in AWS's host name -> AWS_REGION -> AWS_DEFAULT_REGION
 *                 -> the profile's `region` -> us-east-1 if there is an endpoint
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_ENDPOINT_H
#define CACHETTE_STORE_DYNAMODB_AWS_ENDPOINT_H

#include "profile.h"
#include "text.h"

/* Zeroed: not known yet. */
typedef struct cachette__aws_endpoint {
  char *url, *region;
  char *signature; /* for libcurl's CURLOPT_AWS_SIGV4 */
  bool is_aws;     /* the URL is AWS's default for the region */
} cachette__aws_endpoint;

void cachette__aws_endpoint_deinit(cachette__aws_endpoint *endpoint);

/*
 * Finds DynamoDB's endpoint. `url` and `region` are the options, or NULL. Reads the environment and
 * the files only if these do not suffice; `folder` is the base of relative paths. Errors: ENOMEM,
 * EBACKEND.
 */
int cachette__aws_endpoint_find(const char *url, const char *region, const char *folder,
                                cachette__aws_endpoint *endpoint, cachette_error *error);

/* Writes the server's name for messages. `url` and `region` may be NULL. */
void cachette__aws_server_name(const char *url, const char *region, char *name, size_t size);

/*
 * Writes the URL of another service: "sts", "sso" or "sso_oidc". `is_named`: set to whether the
 * environment or the profile configures it. Errors: ENOMEM, EBACKEND.
 */
int cachette__aws_service_url(const cachette__aws_files *files, const char *service,
                              const char *region, cachette__text *url, bool *is_named,
                              cachette_error *error);

#endif
