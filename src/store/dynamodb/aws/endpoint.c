/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"
#include "../../../net/url.h"
#include "environment.h"

#define RULE "it must be http://host[:port] or https://host[:port], without user name and password"

static char *copy(const char *text) { return cachette__strndup(text, strlen(text)); }

/* ---- AWS's own endpoints ---- */

/* Returns the domain of the AWS partition that contains a region. */
static const char *domain_of(const char *region) {
  static const struct {
    const char *head, *domain;
  } partitions[] = {
      {"cn-", "amazonaws.com.cn"},   {"eusc-", "amazonaws.eu"},      {"us-iso-", "c2s.ic.gov"},
      {"us-isob-", "sc2s.sgov.gov"}, {"us-isof-", "csp.hci.ic.gov"}, {"eu-isoe-", "cloud.adc-e.uk"},
  };
  for (size_t i = 0; i < sizeof partitions / sizeof *partitions; i++)
    if (strncmp(region, partitions[i].head, strlen(partitions[i].head)) == 0)
      return partitions[i].domain;
  return "amazonaws.com";
}

/* Finds the region in a host name of AWS, such as dynamodb.eu-central-1.amazonaws.com. */
static bool find_region(const char *host, char *region, size_t size) {
  static const char *const services[] = {"dynamodb.", "dynamodb-fips.", ".ddb."};
  const char *at = NULL;
  for (size_t i = 0; at == NULL && i < sizeof services / sizeof *services; i++) {
    at = strstr(host, services[i]);
    if (at != NULL) at += strlen(services[i]);
  }
  if (at == NULL) return false;
  size_t length = strcspn(at, ".");
  if (length == 0 || length >= size) return false;
  memcpy(region, at, length);
  region[length] = '\0';
  return strchr(region, '-') != NULL && (strstr(at + length, domain_of(region)) != NULL ||
                                         strstr(at + length, ".api.aws") != NULL);
}

/* ---- Configuration ---- */

/* A value, and the environment variable or the key of the profile that it comes from. */
typedef struct source {
  const char *value; /* NULL: not set */
  const char *variable, *key;
  const char *inside; /* a key in the section that `key` names; or NULL */
} source;

static source from_variable(const char *name) {
  const char *value = cachette__env_get(name);
  return (source){.value = value, .variable = name};
}

static source from_profile(const cachette__aws_files *files, const char *key) {
  const char *value = files != NULL ? cachette__aws_get(files, &files->chosen, key) : NULL;
  return (source){.value = value, .key = key};
}

static int fail(const cachette__aws_files *files, source from, const char *redacted,
                const char *rule, cachette_error *error) {
  if (from.variable == NULL)
    return cachette__aws_profile_fail(
        files, &files->chosen, from.key, error, "\"%s\"%s is \"%s\"; %s.",
        from.inside != NULL ? from.inside : from.key, from.inside != NULL ? " of its services" : "",
        redacted, rule);
  return cachette__fail(error, CACHETTE_EBACKEND, from.variable,
                        "The environment variable %s is \"%s\"; %s.", from.variable, redacted,
                        rule);
}

static int check_url(const cachette__aws_files *files, source from, cachette_error *error) {
  cachette__url url;
  char redacted[64];
  int code = cachette__url_parse(from.value, "endpoint_url", "http://localhost:8000", &url, NULL);
  if (code == CACHETTE_ENOMEM) return cachette__fail(error, code, NULL, NULL);
  bool ok = code == CACHETTE_OK && url.host != NULL && url.user == NULL &&
            (strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0);
  if (code == CACHETTE_OK) cachette__url_deinit(&url);
  if (ok) return CACHETTE_OK;
  cachette__url_redact(from.value, redacted, sizeof redacted);
  return fail(files, from, redacted, RULE, error);
}

/* Checks a region, because it becomes part of a host name. */
static int check_region(const cachette__aws_files *files, source from, cachette_error *error) {
  size_t size = strlen(from.value), digits = strspn(from.value, "0123456789");
  bool ok = size <= 63 && digits < size && from.value[0] != '-' && from.value[size - 1] != '-';
  for (size_t i = 0; i < size; i++)
    ok = ok && (isalnum((unsigned char)from.value[i]) || from.value[i] == '-');
  if (ok) return CACHETTE_OK;
  char redacted[40];
  cachette__value_text(from.value, redacted, sizeof redacted);
  return fail(files, from, redacted, "an AWS region looks like eu-central-1", error);
}

/* ---- Configured endpoints ---- */

static bool ignores_endpoints(const cachette__aws_files *files) {
  source from = from_variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  if (from.value == NULL) from = from_profile(files, "ignore_configured_endpoint_urls");
  return cachette__env_is_true(from.value);
}

/* Copies a service's URL from the `services` section that the profile names. The caller frees
 * `url`; NULL: none. */
static int find_service(const cachette__aws_files *files, const char *service, char **url,
                        cachette_error *error) {
  const char *name = cachette__aws_get(files, &files->chosen, "services"), *found;
  *url = NULL;
  if (name == NULL) return CACHETTE_OK;
  char redacted[40];
  cachette__value_text(name, redacted, sizeof redacted);
  size_t section = cachette__aws_find_section(files, "services", name);
  if (section == CACHETTE__AWS_NO_SECTION)
    return cachette__aws_profile_fail(
        files, &files->chosen, "services", error,
        "\"services\" is \"%s\", but there is no section [services %s] in %s.", redacted, redacted,
        files->config.display_path);
  const char *block = cachette__ini_get(&files->config.ini, section, service);
  size_t size = block != NULL ? cachette__ini_nested(block, "endpoint_url", &found) : 0;
  if (size == 0) return CACHETTE_OK;
  *url = cachette__strndup(found, size);
  return *url != NULL ? CACHETTE_OK : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

/* Copies the endpoint that is configured for a service. The caller frees `url`; NULL: none. */
static int find_endpoint(const cachette__aws_files *files, const char *service, char **url,
                         cachette_error *error) {
  char variable[64] = "AWS_ENDPOINT_URL_", *own = NULL;
  *url = NULL;
  for (size_t i = strlen(variable), j = 0; service[j] != '\0'; i++, j++)
    variable[i] = (char)toupper((unsigned char)service[j]);
  if (ignores_endpoints(files)) return CACHETTE_OK;
  source from = from_variable(variable);
  if (from.value == NULL) from = from_variable("AWS_ENDPOINT_URL");
  if (from.value == NULL) {
    int code = find_service(files, service, &own, error);
    if (code < 0) return code;
    from = own != NULL ? (source){.value = own, .key = "services", .inside = "endpoint_url"}
                       : from_profile(files, "endpoint_url");
  }
  int code = from.value != NULL ? check_url(files, from, error) : CACHETTE_OK;
  if (code == CACHETTE_OK && from.value != NULL) {
    *url = copy(from.value);
    if (*url == NULL) code = cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  cachette__free(own);
  return code;
}

int cachette__aws_service_url(const cachette__aws_files *files, const char *service,
                              const char *region, cachette__text *url, bool *is_named,
                              cachette_error *error) {
  char *named;
  int code = find_endpoint(files, service, &named, error);
  if (code < 0) return code;
  const char *host = strcmp(service, "sso") == 0        ? "portal.sso"
                     : strcmp(service, "sso_oidc") == 0 ? "oidc"
                                                        : service;
  *is_named = named != NULL;
  cachette__text_clear(url);
  if (named != NULL)
    cachette__text_puts(url, named);
  else
    cachette__text_printf(url, "https://%s.%s.%s", host, region, domain_of(region));
  while (url->size > 0 && url->bytes[url->size - 1] == '/') url->bytes[--url->size] = '\0';
  cachette__free(named);
  return url->failed ? cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL) : CACHETTE_OK;
}

/* ---- DynamoDB's endpoint ---- */

void cachette__aws_server_name(const char *url, const char *region, char *name, size_t size) {
  cachette__url parts;
  if (url != NULL && cachette__url_parse(url, "dynamodb_url", "", &parts, NULL) == CACHETTE_OK) {
    if (parts.port > 0)
      snprintf(name, size, "DynamoDB at %.80s:%d", parts.host, parts.port);
    else
      snprintf(name, size, "DynamoDB at %.80s", parts.host);
    cachette__url_deinit(&parts);
  } else if (region != NULL) {
    snprintf(name, size, "DynamoDB in %.80s", region);
  } else {
    snprintf(name, size, "DynamoDB");
  }
}

static int fail_no_region(const cachette__aws_files *files, cachette_error *error) {
  char name[40];
  cachette__value_text(files->name, name, sizeof name);
  return cachette__fail(
      error, CACHETTE_EBACKEND, "region",
      "No AWS region for DynamoDB was found. Set the option \"region\" or \"dynamodb_url\", or set "
      "AWS_REGION, or \"region\" in the profile \"%s\" in %s.",
      name, files->config.display_path);
}

/* Reads the region in the URL's host if that is AWS's; else "". */
static int read_host_region(const char *url, char *region, size_t size, cachette_error *error) {
  cachette__url parts;
  region[0] = '\0';
  if (url == NULL) return CACHETTE_OK;
  int code = cachette__url_parse(url, "dynamodb_url", "", &parts, error);
  if (code < 0) return code;
  if (parts.host == NULL || !find_region(parts.host, region, size)) region[0] = '\0';
  cachette__url_deinit(&parts);
  return CACHETTE_OK;
}

static int find_configured_region(const cachette__aws_files *files, source *from,
                                  cachette_error *error) {
  *from = from_variable("AWS_REGION");
  if (from->value == NULL) *from = from_variable("AWS_DEFAULT_REGION");
  if (from->value == NULL) *from = from_profile(files, "region");
  return from->value != NULL ? check_region(files, *from, error) : CACHETTE_OK;
}

/* Fills the endpoint with copies. */
static int fill(const char *url, const char *region, cachette__aws_endpoint *endpoint,
                cachette_error *error) {
  cachette__text own = {0}, signature = {0};
  bool is_local = url == NULL && strcmp(region, "local") == 0; /* as in botocore */
  if (is_local) region = "us-east-1";
  if (url != NULL)
    cachette__text_puts(&own, url);
  else if (is_local)
    cachette__text_puts(&own, "http://localhost:8000");
  else
    cachette__text_printf(&own, "https://dynamodb.%s.%s", region, domain_of(region));
  cachette__text_printf(&signature, "aws:amz:%s:dynamodb", region);
  char *region_copy = copy(region);
  if (region_copy != NULL && !own.failed && !signature.failed) {
    *endpoint =
        (cachette__aws_endpoint){own.bytes, region_copy, signature.bytes, url == NULL && !is_local};
    return CACHETTE_OK;
  }
  cachette__free(region_copy);
  cachette__text_deinit(&own);
  cachette__text_deinit(&signature);
  return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

/* Finds DynamoDB's endpoint in the files and the environment. `files` may be NULL if URL and region
 * are known without them. */
static int find_endpoint_from(const cachette__aws_files *files, const char *url, const char *region,
                              cachette__aws_endpoint *endpoint, cachette_error *error) {
  char *configured = NULL, in_host[64];
  source from;
  int code = url == NULL ? find_endpoint(files, "dynamodb", &configured, error) : CACHETTE_OK;
  if (url == NULL) url = configured;
  if (code == CACHETTE_OK) code = read_host_region(url, in_host, sizeof in_host, error);
  if (code == CACHETTE_OK && region == NULL && in_host[0] != '\0') region = in_host;
  if (code == CACHETTE_OK && region == NULL) {
    code = find_configured_region(files, &from, error);
    region = from.value != NULL ? from.value : url != NULL ? "us-east-1" : NULL;
  }
  if (code == CACHETTE_OK && region == NULL) code = fail_no_region(files, error);
  if (code == CACHETTE_OK) code = fill(url, region, endpoint, error);
  cachette__free(configured);
  return code;
}

int cachette__aws_endpoint_find(const char *url, const char *region, const char *folder,
                                cachette__aws_endpoint *endpoint, cachette_error *error) {
  char in_host[64];
  int code = read_host_region(url, in_host, sizeof in_host, error);
  if (code < 0) return code;
  bool has_region = region != NULL || in_host[0] != '\0' ||
                    cachette__env_get("AWS_REGION") != NULL ||
                    cachette__env_get("AWS_DEFAULT_REGION") != NULL;
  if (url != NULL && has_region) return find_endpoint_from(NULL, url, region, endpoint, error);
  cachette__aws_files files;
  code = cachette__aws_files_read(&files, folder, error);
  if (code < 0) return code;
  code = find_endpoint_from(&files, url, region, endpoint, error);
  cachette__aws_files_deinit(&files);
  return code;
}

void cachette__aws_endpoint_deinit(cachette__aws_endpoint *endpoint) {
  cachette__free(endpoint->url);
  cachette__free(endpoint->region);
  cachette__free(endpoint->signature);
  *endpoint = (cachette__aws_endpoint){0};
}
