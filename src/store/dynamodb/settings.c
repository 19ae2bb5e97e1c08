/* SPDX-License-Identifier: MIT */
/* What the options say: endpoint, region, table, keys. Their form the core has checked (names.c),
 * and what they leave open the environment says later (endpoint.c, credentials.c). */
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

static bool read_texts(const cachette_options *options, cachette__dynamo_settings *settings) {
  bool fine = true;
  settings->url = copy(options, CACHETTE__OPTION_dynamodb_url, &fine);
  settings->region = copy(options, CACHETTE__OPTION_region, &fine);
  settings->table = copy(options, CACHETTE__OPTION_table_name, &fine);
  settings->prefix = copy(options, CACHETTE__OPTION_key_prefix, &fine);
  if (fine && settings->prefix == NULL) {
    settings->prefix = cachette__strndup("", 0);
    fine = settings->prefix != NULL;
  }
  settings->access_key_id = copy(options, CACHETTE__OPTION_aws_access_key_id, &fine);
  settings->secret_access_key = copy(options, CACHETTE__OPTION_aws_secret_access_key, &fine);
  settings->session_token = copy(options, CACHETTE__OPTION_aws_session_token, &fine);
  settings->ca_file = copy(options, CACHETTE__OPTION_tls_ca_file, &fine);
  settings->cert_file = copy(options, CACHETTE__OPTION_tls_cert_file, &fine);
  settings->key_file = copy(options, CACHETTE__OPTION_tls_key_file, &fine);
  const char *folder = cachette__options_folder(options);
  if (fine && folder != NULL) {
    settings->folder = cachette__strndup(folder, strlen(folder));
    fine = settings->folder != NULL;
  }
  return fine;
}

static void wipe(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

void cachette__dynamo_settings_deinit(cachette__dynamo_settings *settings) {
  cachette__free(settings->url);
  cachette__free(settings->region);
  cachette__free(settings->table);
  cachette__free(settings->prefix);
  wipe(settings->access_key_id);
  wipe(settings->secret_access_key);
  wipe(settings->session_token);
  cachette__free(settings->ca_file);
  cachette__free(settings->folder);
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
  if (!read_texts(options, &read)) {
    cachette__dynamo_settings_deinit(&read);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  *settings = read;
  return CACHETTE_OK;
}
