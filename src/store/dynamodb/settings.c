/* SPDX-License-Identifier: MIT */
/* What the options say: endpoint, region, table, keys. Their form the core has checked (names.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../net/url.h"
#include "client.h"

static bool is_given(const char *text) { return text != NULL && *text != '\0'; }

/* A copy of an option's text; NULL if it is not given, or there is no memory: `fine` tells. */
static char *copy(const cachette_options *options, enum cachette__option option, bool *fine) {
  const char *text = cachette__options_text(options, option);
  if (!is_given(text)) return NULL;
  char *made = cachette__strndup(text, strlen(text));
  if (made == NULL) *fine = false;
  return made;
}

static char *print(const char *format, const char *text, const char *more, bool *fine) {
  size_t size = strlen(format) + strlen(text) + strlen(more) + 1;
  char *made = cachette__malloc(size);
  if (made == NULL)
    *fine = false;
  else
    snprintf(made, size, format, text, more);
  return made;
}

static int check_keys(const cachette_options *options, cachette_error *error) {
  bool id = !cachette__options_absent(options, CACHETTE__OPTION_aws_access_key_id);
  bool secret = !cachette__options_absent(options, CACHETTE__OPTION_aws_secret_access_key);
  bool token = !cachette__options_absent(options, CACHETTE__OPTION_aws_session_token);
  const char *absent = secret && !id   ? "aws_access_key_id"
                       : id && !secret ? "aws_secret_access_key"
                       : token && !id  ? "aws_access_key_id"
                                       : NULL;
  if (absent == NULL) return CACHETTE_OK;
  return cachette__fail(error, CACHETTE_ECONFIG, absent,
                        "The \"%s\" is missing: \"aws_access_key_id\" and "
                        "\"aws_secret_access_key\" are given together, or neither of them and "
                        "\"aws_session_token\" neither.",
                        absent);
}

/* The region in an endpoint of AWS's, such as dynamodb.eu-central-1.amazonaws.com. */
static bool find_region(const char *host, char *region, size_t size) {
  const char *at = strstr(host, "dynamodb.");
  if (at == NULL || strstr(host, ".amazonaws.com") == NULL) return false;
  at += strlen("dynamodb.");
  size_t length = strcspn(at, ".");
  if (length == 0 || length >= size) return false;
  memcpy(region, at, length);
  region[length] = '\0';
  return strchr(region, '-') != NULL;
}

/* An endpoint of another make takes any; it may sign for the one that the environment names. */
static const char *choose_region(const char *host, char *room, size_t size) {
  if (find_region(host, room, size)) return room;
  const char *named = getenv("AWS_REGION");
  if (!is_given(named)) named = getenv("AWS_DEFAULT_REGION");
  return is_given(named) && strchr(named, ':') == NULL ? named : "us-east-1";
}

static int read_url(const cachette_options *options, cachette__dynamo_settings *settings,
                    cachette_error *error) {
  const char *text = cachette__options_text(options, CACHETTE__OPTION_dynamodb_url);
  cachette__url url;
  char room[64];
  bool fine = true;
  int code = cachette__url_parse(text, "dynamodb_url", "http://localhost:8000", &url, error);
  if (code < 0) return code;
  if (url.port > 0)
    snprintf(settings->name, sizeof settings->name, "DynamoDB at %.80s:%d", url.host, url.port);
  else
    snprintf(settings->name, sizeof settings->name, "DynamoDB at %.80s", url.host);
  settings->url = print("%s%s", text, "", &fine);
  if (settings->region == NULL)
    settings->region = print("%s%s", choose_region(url.host, room, sizeof room), "", &fine);
  cachette__url_deinit(&url);
  return fine ? CACHETTE_OK : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

static bool make_url(cachette__dynamo_settings *settings) {
  bool fine = true;
  const char *tail = strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "";
  settings->url = print("https://dynamodb.%s.amazonaws.com%s", settings->region, tail, &fine);
  snprintf(settings->name, sizeof settings->name, "DynamoDB in %.80s", settings->region);
  return fine;
}

static bool read_texts(const cachette_options *options, cachette__dynamo_settings *settings) {
  bool fine = true;
  settings->region = copy(options, CACHETTE__OPTION_region, &fine);
  settings->table = copy(options, CACHETTE__OPTION_table_name, &fine);
  settings->prefix = copy(options, CACHETTE__OPTION_key_prefix, &fine);
  if (fine && settings->prefix == NULL) settings->prefix = print("%s%s", "", "", &fine);
  settings->access_key_id = copy(options, CACHETTE__OPTION_aws_access_key_id, &fine);
  settings->secret_access_key = copy(options, CACHETTE__OPTION_aws_secret_access_key, &fine);
  settings->session_token = copy(options, CACHETTE__OPTION_aws_session_token, &fine);
  settings->ca_file = copy(options, CACHETTE__OPTION_tls_ca_file, &fine);
  settings->cert_file = copy(options, CACHETTE__OPTION_tls_cert_file, &fine);
  settings->key_file = copy(options, CACHETTE__OPTION_tls_key_file, &fine);
  return fine;
}

static int read_all(const cachette_options *options, cachette__dynamo_settings *settings,
                    cachette_error *error) {
  bool fine = read_texts(options, settings);
  if (fine && !cachette__options_absent(options, CACHETTE__OPTION_dynamodb_url)) {
    int code = read_url(options, settings, error);
    if (code < 0) return code;
  } else if (fine) {
    fine = make_url(settings);
  }
  if (fine) settings->signature = print("aws:amz:%s:%s", settings->region, "dynamodb", &fine);
  return fine ? CACHETTE_OK : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

static void wipe(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

void cachette__dynamo_settings_deinit(cachette__dynamo_settings *settings) {
  cachette__free(settings->url);
  cachette__free(settings->region);
  cachette__free(settings->signature);
  cachette__free(settings->table);
  cachette__free(settings->prefix);
  wipe(settings->access_key_id);
  wipe(settings->secret_access_key);
  wipe(settings->session_token);
  cachette__free(settings->ca_file);
  cachette__free(settings->cert_file);
  cachette__free(settings->key_file);
}

int cachette__dynamo_settings_read(const cachette_options *options,
                                   cachette__dynamo_settings *settings, cachette_error *error) {
  int code = check_keys(options, error);
  if (code < 0) return code;
  cachette__dynamo_settings read = {
      .verify = cachette__options_number(options, CACHETTE__OPTION_tls_verify) != 0,
      .consistent_read = cachette__options_number(options, CACHETTE__OPTION_consistent_read) != 0,
      .timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout),
      .connect_timeout_ms = cachette__options_number(options, CACHETTE__OPTION_connect_timeout),
  };
  code = read_all(options, &read, error);
  if (code < 0)
    cachette__dynamo_settings_deinit(&read);
  else
    *settings = read;
  return code;
}
