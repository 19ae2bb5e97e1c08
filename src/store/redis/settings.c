/* SPDX-License-Identifier: MIT */
/* Reads the options of the store, once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../common/secure.h"
#include "internal.h"

enum { DEFAULT_PORT = 6379, DATABASE_MAX = 1 << 20 };

static const char example[] = "redis://[[user]:password@]host[:port][/db]";

/* ---- The URL ---- */

static bool is_one_of(const char *text, const char *a, const char *b) {
  return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* Parses a number from 0 to DATABASE_MAX. Returns -1 if it is not valid. */
static int read_database(const char *text) {
  char *end;
  if (*text < '0' || *text > '9') return -1;
  long number = strtol(text, &end, 10);
  return *end == '\0' && number <= DATABASE_MAX ? (int)number : -1;
}

/* Reads the database from the path and from `?db=`. Returns what is wrong with it, or NULL. */
static const char *find_database(const cachette__url *url, bool in_path, int *database) {
  static const char not_a_number[] = "its database is not a number";
  int found = -1;
  if (in_path && url->path[0] == '/' && url->path[1] != '\0') {
    found = read_database(url->path + 1);
    if (found < 0) return not_a_number;
  }
  for (size_t i = 0; i < url->parameter_count; i++) {
    if (strcmp(url->parameters[i].name, "db") != 0)
      return "\"db\" is the only parameter it may have";
    int given = read_database(url->parameters[i].value);
    if (given < 0) return not_a_number;
    if (found >= 0 && found != given) return "it gives two databases";
    found = given;
  }
  *database = found < 0 ? 0 : found;
  return NULL;
}

static bool speaks_tls(const cachette__redis_settings *settings) {
  return is_one_of(settings->url.scheme, "rediss", "valkeys");
}

/* Fills the address from the parts of the URL. Returns what is wrong with it, or NULL. */
static const char *read_parts(cachette__redis_settings *settings) {
  const cachette__url *url = &settings->url;
  cachette__target *target = &settings->target;
  bool is_unix = strcmp(url->scheme, "unix") == 0;
  if (!is_unix && !speaks_tls(settings) && !is_one_of(url->scheme, "redis", "valkey"))
    return "it must begin with redis://, rediss://, valkey://, valkeys:// or unix://";
  settings->user = url->user != NULL && *url->user != '\0' ? url->user : NULL;
  settings->password = url->password;
  if (settings->user != NULL && settings->password == NULL)
    return "it has a user name and no password";
  if (is_unix) {
    if (url->host != NULL && *url->host != '\0') return "a socket path must begin with unix:///";
    if (url->path[0] == '\0' || url->path[1] == '\0') return "it has no socket path";
    target->path = url->path;
  } else {
    if (url->host == NULL || *url->host == '\0') return "it has no host";
    target->host = url->host;
    target->port = url->port < 0 ? DEFAULT_PORT : (uint16_t)url->port;
  }
  return find_database(url, !is_unix, &settings->database);
}

static int read_url(cachette__redis_settings *settings, const char *text, const char *option,
                    cachette_error *error) {
  int code = cachette__url_parse(text, option, example, &settings->url, error);
  if (code < 0) return code;
  const char *problem = read_parts(settings);
  if (problem == NULL) return CACHETTE_OK;
  char redacted[96];
  cachette__url_redact(text, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s. It looks like %s.", option,
                        redacted, problem, example);
}

/* ---- The other options ---- */

/* Writes what to do if only one side uses TLS. */
static void add_advice(cachette__redis_settings *settings) {
  const char *scheme = settings->url.scheme;
  snprintf(settings->plain_advice, sizeof settings->plain_advice,
           "begin the URL with \"%.*s://\" instead of \"%s://\".", (int)strlen(scheme) - 1, scheme,
           scheme);
  snprintf(settings->tls_advice, sizeof settings->tls_advice,
           "begin the URL with \"%ss://\" instead of \"%s://\".", scheme, scheme);
  settings->target.plain_advice = speaks_tls(settings) ? settings->plain_advice : NULL;
  settings->target.tls_advice = settings->target.host != NULL ? settings->tls_advice : NULL;
}

static int read_options(cachette__redis_settings *settings, const cachette_options *options,
                        enum cachette__option url, cachette_error *error) {
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  int code = read_url(settings, cachette__options_text(options, url),
                      cachette_option_table(NULL)[url].name, error);
  if (code == CACHETTE_OK && speaks_tls(settings))
    code = cachette__store_tls_new(options, &settings->tls, error);
  if (code < 0) return code;
  if (prefix != NULL && *prefix != '\0') {
    settings->key_prefix = cachette__strndup(prefix, strlen(prefix));
    if (settings->key_prefix == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    settings->prefix = cachette_str(settings->key_prefix);
  }
  settings->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  settings->target.tls = settings->tls;
  settings->target.connect_timeout_ms =
      cachette__options_number(options, CACHETTE__OPTION_connect_timeout);
  add_advice(settings);
  settings->seeds = &settings->target;
  settings->seed_count = 1;
  settings->topology = cachette__redis_topology_new();
  return settings->topology != NULL ? CACHETTE_OK
                                    : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

static void free_settings(cachette__settings *base) {
  cachette__redis_settings *settings = (cachette__redis_settings *)base;
  cachette__redis_topology_free(settings->topology);
  cachette__redis_address_map_deinit(&settings->address_map);
  cachette__url_deinit(&settings->url);
  cachette__tls_free(settings->tls);
  cachette__free(settings->key_prefix);
  cachette__free(settings);
}

int cachette__redis_settings_new(const cachette_options *options, enum cachette__option url,
                                 cachette__settings **settings, cachette_error *error) {
  cachette__redis_settings *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.free = free_settings;
  int code = read_options(self, options, url, error);
  if (code == CACHETTE_OK)
    *settings = &self->base;
  else
    free_settings(&self->base);
  return code;
}

/* Warns of unused TLS files if the URL begins with `plain`, a scheme without TLS. */
static bool warn_of_scheme(const cachette_options *options, enum cachette__option url,
                           const char *plain, const char *remedy, cachette_error *warning) {
  const char *text = cachette__options_text(options, url);
  return text != NULL && strncasecmp(text, plain, strlen(plain)) == 0 &&
         cachette__store_warn_unused_tls(options, remedy, warning);
}

bool cachette__redis_warn(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_redis_url, "redis://",
                        "Begin the \"redis_url\" with \"rediss://\"", warning);
}

bool cachette__valkey_warn(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_valkey_url, "valkey://",
                        "Begin the \"valkey_url\" with \"valkeys://\"", warning);
}
