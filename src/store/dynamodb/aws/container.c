/* SPDX-License-Identifier: MIT */
/* Fetches keys from the credentials endpoint of a container (ECS, EKS). */
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../net/url.h"
#include "environment.h"
#include "fetch.h"

static void on_container(cachette__http_request *request) {
  cachette__aws_fetch_take_local(cachette__aws_fetch_of(request), "the container's endpoint");
}

/* Whether a URL is https://, or http:// on this machine or at an address that AWS reserves for
 * this. */
static bool is_allowed(const char *text) {
  static const char *const hosts[] = {"localhost",     "127.0.0.1",      "::1",
                                      "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  cachette__url url;
  if (cachette__url_parse(text, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://host", &url, NULL) <
      0)
    return false;
  bool allowed = strcmp(url.scheme, "https") == 0;
  for (size_t i = 0; url.host != NULL && i < sizeof hosts / sizeof *hosts; i++)
    allowed = allowed || (strcmp(url.scheme, "http") == 0 && strcmp(url.host, hosts[i]) == 0);
  cachette__url_deinit(&url);
  return allowed;
}

/* Returns the value of the Authorization header, which the caller frees; "" for no header. NULL:
 * `error` is filled. */
static char *read_authorization(const cachette__aws_fetch *fetch, cachette_error *error) {
  const char *path = cachette__env_get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (path != NULL)
    return cachette__aws_read_token(fetch, path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", error);
  const char *token = cachette__env_get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (token == NULL) token = "";
  char *copy = cachette__strndup(token, strlen(token));
  if (copy == NULL) cachette__aws_no_memory(error);
  return copy;
}

enum cachette__aws_result cachette__aws_fetch_container(cachette__aws_fetch *fetch,
                                                        cachette_error *error) {
  const char *path = cachette__env_get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *whole = cachette__env_get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  char url[1024];
  if (path == NULL && whole == NULL) return CACHETTE__AWS_NONE;
  if (path != NULL)
    snprintf(url, sizeof url, "http://169.254.170.2%s", path);
  else
    snprintf(url, sizeof url, "%s", whole);
  if (!is_allowed(url)) {
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                   "The environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI is not allowed: it "
                   "must be https://, or http:// on this machine.");
    return CACHETTE__AWS_FAILED;
  }
  char *token = read_authorization(fetch, error);
  if (token == NULL) return CACHETTE__AWS_FAILED;
  if (strpbrk(token, "\r\n") != NULL) {
    cachette__wipe(token, strlen(token));
    cachette__free(token);
    cachette__fail(error, CACHETTE_EBACKEND, "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                   "The environment variable AWS_CONTAINER_AUTHORIZATION_TOKEN, or its file, has "
                   "more than one line. It must have exactly one.");
    return CACHETTE__AWS_FAILED;
  }
  bool ok =
      cachette__aws_fetch_begin_local(fetch, url, on_container) &&
      (*token == '\0' || cachette__http_secret_header(&fetch->request, "Authorization", token)) &&
      cachette__http_send(&fetch->request, NULL, CACHETTE__AWS_LOCAL_MS);
  cachette__wipe(token, strlen(token));
  cachette__free(token);
  return cachette__aws_fetch_started(fetch, ok, error);
}
