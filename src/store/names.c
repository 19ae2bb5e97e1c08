/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>

#include "../base/error.h"
#include "../base/slice.h"
#include "../net/url.h"

static int fail_shown(enum cachette__option option, const char *shown, const char *rule,
                      cachette_error *error) {
  const char *name = cachette_option_table(NULL)[option].name;
  return cachette__fail(error, CACHETTE_ECONFIG, name, "The \"%s\" value \"%s\" is not valid: %s.",
                        name, shown, rule);
}

static int fail(enum cachette__option option, const char *text, const char *rule,
                cachette_error *error) {
  char shown[110];
  cachette__value_text(text, shown, sizeof shown);
  return fail_shown(option, shown, rule, error);
}

/* ---- DynamoDB ---- */

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

/* Small letters and digits in at least three parts, the last of which is a number. */
static bool is_region(const char *text) {
  size_t parts = 1, digits = 0;
  for (const char *at = text; *at != '\0'; at++) {
    bool small = *at >= 'a' && *at <= 'z';
    if (!small && !is_digit(*at) && *at != '-') return false;
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
  bool fine = web && url.host != NULL && url.host[0] != '\0' && url.user == NULL;
  cachette__url_deinit(&url);
  if (fine) return CACHETTE_OK;
  char shown[64];
  cachette__url_show(text, shown, sizeof shown);
  return fail_shown(CACHETTE__OPTION_dynamodb_url, shown,
                    "it must be http://host[:port] or https://host[:port], without user name and "
                    "password",
                    error);
}

static int check_dynamodb(const cachette_options *options, cachette_error *error) {
  const char *table = cachette__options_text(options, CACHETTE__OPTION_table_name);
  const char *region = cachette__options_text(options, CACHETTE__OPTION_region);
  const char *url = cachette__options_text(options, CACHETTE__OPTION_dynamodb_url);
  if (!is_table_name(table))
    return fail(CACHETTE__OPTION_table_name, table,
                "a DynamoDB table's name has 3 to 255 of A-Z, a-z, 0-9, _, - and .", error);
  if (region != NULL && *region != '\0' && !is_region(region))
    return fail(CACHETTE__OPTION_region, region, "an AWS region is named like eu-central-1", error);
  return url != NULL && *url != '\0' ? check_url(url, error) : CACHETTE_OK;
}

int cachette__names_check(const cachette_options *options, cachette_error *error) {
  const char *backend = cachette__options_text(options, CACHETTE__OPTION_backend);
  if (strcmp(backend, "dynamodb") == 0) return check_dynamodb(options, error);
  return CACHETTE_OK;
}
