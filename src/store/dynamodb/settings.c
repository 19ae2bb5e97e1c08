/* SPDX-License-Identifier: MIT */
/* Reads and checks the options. What they leave out is read later from the environment and AWS's
 * files; see aws/endpoint.h and aws/credentials.h. */
#include "../../net/url.h"
#include "internal.h"

static int fail(const char *option, const char *redacted, const char *rule, cachette_error *error) {
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s.", option, redacted, rule);
}

static int fail_value(const char *option, const char *value, const char *rule,
                      cachette_error *error) {
  char redacted[110];
  cachette__value_text(value, redacted, sizeof redacted);
  return fail(option, redacted, rule, error);
}

/* ---- Checks ---- */

static bool is_letter(char byte) { return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'; }

static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

/* https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
 */
static bool is_table_name(const char *text) {
  size_t size = strlen(text);
  for (size_t i = 0; i < size; i++)
    if (!is_letter(text[i]) && !is_digit(text[i]) && strchr("_-.", text[i]) == NULL) return false;
  return size >= 3 && size <= 255;
}

/* A region has at least three parts of lower-case letters and digits; the last is a number. */
static bool is_region(const char *text) {
  size_t parts = 1, digits = 0;
  for (const char *at = text; *at != '\0'; at++) {
    bool lower = *at >= 'a' && *at <= 'z';
    if (!lower && !is_digit(*at) && *at != '-') return false;
    if (*at == '-' && (at == text || at[-1] == '-')) return false;
    parts += *at == '-';
    digits = is_digit(*at) ? digits + 1 : 0;
  }
  return parts >= 3 && digits > 0 && text[strlen(text) - digits - 1] == '-';
}

static int check_url(const char *text, cachette_error *error) {
  cachette__url url;
  int code = cachette__url_parse(text, "dynamodb_url", "http://localhost:8000", &url, error);
  if (code < 0) return code;
  bool web = strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0;
  bool ok = web && url.host != NULL && url.host[0] != '\0' && url.user == NULL;
  cachette__url_deinit(&url);
  if (ok) return CACHETTE_OK;
  char redacted[64];
  cachette__url_redact(text, redacted, sizeof redacted);
  return fail("dynamodb_url", redacted,
              "it must be http://host[:port] or https://host[:port], without user name and "
              "password",
              error);
}

static int check_keys(const cachette__dynamo_settings *settings, cachette_error *error) {
  bool id = settings->access_key_id != NULL, secret = settings->secret_access_key != NULL;
  const char *missing = secret && !id                            ? "aws_access_key_id"
                        : id && !secret                          ? "aws_secret_access_key"
                        : settings->session_token != NULL && !id ? "aws_access_key_id"
                                                                 : NULL;
  if (missing == NULL) return CACHETTE_OK;
  return cachette__fail(
      error, CACHETTE_ECONFIG, missing,
      "The \"%s\" is missing: set both \"aws_access_key_id\" and \"aws_secret_access_key\", or "
      "neither of them and no \"aws_session_token\".",
      missing);
}

static int check(const cachette__dynamo_settings *settings, cachette_error *error) {
  if (!is_table_name(settings->table))
    return fail_value(
        "table_name", settings->table,
        "a DynamoDB table name has 3 to 255 characters out of A-Z, a-z, 0-9, _, - and .", error);
  if (settings->region != NULL && !is_region(settings->region))
    return fail_value("region", settings->region, "an AWS region looks like eu-central-1", error);
  int code = settings->url != NULL ? check_url(settings->url, error) : CACHETTE_OK;
  return code == CACHETTE_OK ? check_keys(settings, error) : code;
}

/* ---- Reading ---- */

/* Copies a text; leaves `to` unchanged if the text is NULL or empty. False: out of memory. */
static bool copy_text(const char *text, char **to) {
  if (text == NULL || *text == '\0') return true;
  *to = cachette__strndup(text, strlen(text));
  return *to != NULL;
}

static bool copy(const cachette_options *options, enum cachette__option option, char **to) {
  return copy_text(cachette__options_text(options, option), to);
}

static bool read_texts(const cachette_options *options, cachette__dynamo_settings *settings) {
  bool ok = copy(options, CACHETTE__OPTION_dynamodb_url, &settings->url) &&
            copy(options, CACHETTE__OPTION_region, &settings->region) &&
            copy(options, CACHETTE__OPTION_table_name, &settings->table) &&
            copy(options, CACHETTE__OPTION_key_prefix, &settings->prefix) &&
            copy(options, CACHETTE__OPTION_aws_access_key_id, &settings->access_key_id) &&
            copy(options, CACHETTE__OPTION_aws_secret_access_key, &settings->secret_access_key) &&
            copy(options, CACHETTE__OPTION_aws_session_token, &settings->session_token) &&
            copy(options, CACHETTE__OPTION_tls_ca_file, &settings->ca_file) &&
            copy(options, CACHETTE__OPTION_tls_cert_file, &settings->cert_file) &&
            copy(options, CACHETTE__OPTION_tls_key_file, &settings->key_file) &&
            copy_text(cachette__options_folder(options), &settings->folder);
  if (ok && settings->prefix == NULL) settings->prefix = cachette__strndup("", 0);
  return ok && settings->prefix != NULL;
}

static void wipe_and_free(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

static void free_settings(cachette__settings *base) {
  cachette__dynamo_settings *settings = (cachette__dynamo_settings *)base;
  cachette__free(settings->url);
  cachette__free(settings->region);
  cachette__free(settings->table);
  cachette__free(settings->prefix);
  wipe_and_free(settings->access_key_id);
  wipe_and_free(settings->secret_access_key);
  wipe_and_free(settings->session_token);
  cachette__free(settings->ca_file);
  cachette__free(settings->cert_file);
  cachette__free(settings->key_file);
  cachette__free(settings->folder);
  cachette__free(settings);
}

int cachette__dynamo_settings_new(const cachette_options *options, cachette__settings **settings,
                                  cachette_error *error) {
  cachette__dynamo_settings *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.free = free_settings;
  self->verify = cachette__options_number(options, CACHETTE__OPTION_tls_verify) != 0;
  self->consistent_read = cachette__options_number(options, CACHETTE__OPTION_consistent_read) != 0;
  self->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  self->connect_timeout_ms = cachette__options_number(options, CACHETTE__OPTION_connect_timeout);
  int code = read_texts(options, self) ? check(self, error)
                                       : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (code < 0)
    free_settings(&self->base);
  else
    *settings = &self->base;
  return code;
}
