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

enum { DEFAULT_PORT = 6379, SENTINEL_PORT = 26379, DATABASE_MAX = 1 << 20 };

/* By mode. */
static const char *const examples[] = {"redis://[[user]:password@]host[:port][/db]",
                                       "redis+cluster://[[user]:password@]host[:port],host[:port]",
                                       "redis+sentinel://[[user]:password@]host[:port],host/name"};

/* ---- The URL ---- */

/* Parses a number from 0 to DATABASE_MAX. Returns -1 if it is not valid. */
static int read_database(const char *text) {
  char *end;
  if (*text < '0' || *text > '9') return -1;
  long number = strtol(text, &end, 10);
  return *end == '\0' && number <= DATABASE_MAX ? (int)number : -1;
}

/* Reads the database from `path`, the digits after a slash, and from `?db=`. Returns what is wrong
 * with it, or NULL. */
static const char *find_database(const cachette__url *url, const char *path, int *database) {
  static const char not_a_number[] = "its database is not a number";
  int found = -1;
  if (path[0] == '/' && path[1] != '\0') {
    found = read_database(path + 1);
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

/* Reads the mode from the scheme of a URL: what follows its `+`. Returns false if it is no mode. */
static bool find_mode(const char *text, enum cachette__redis_mode *mode) {
  static const char *const suffixes[] = {"", "+cluster", "+sentinel"};
  const char *suffix = text + strcspn(text, "+:");
  size_t size = strcspn(suffix, ":");
  for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    if (strlen(suffixes[i]) != size || strncasecmp(suffix, suffixes[i], size) != 0) continue;
    *mode = (enum cachette__redis_mode)i;
    return true;
  }
  return false;
}

/* Reads mode and TLS from the scheme. Returns whether it is valid. */
static bool read_scheme(cachette__redis_settings *settings) {
  static const char *const servers[] = {"redis", "valkey", "rediss", "valkeys"};
  const char *scheme = settings->url.scheme;
  size_t size = strcspn(scheme, "+");
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
    if (strlen(servers[i]) != size || memcmp(scheme, servers[i], size) != 0) continue;
    settings->is_secure = i >= 2;
    return find_mode(scheme, &settings->mode);
  }
  return false;
}

static const char *read_socket(cachette__redis_settings *settings) {
  const cachette__url *url = &settings->url;
  if (url->host_count > 0) return "a socket path must begin with unix:///";
  if (url->path[0] == '\0' || url->path[1] == '\0') return "it has no socket path";
  settings->target.path = url->path;
  return find_database(url, "", &settings->database);
}

/* Splits the path of a URL of sentinels: /NAME, maybe with a database. */
static const char *read_sentinel_path(cachette__redis_settings *settings) {
  char *path = settings->url.path;
  char *name = *path == '/' ? path + 1 : path;
  size_t size = strcspn(name, "/");
  if (size == 0) return "the name of the primary is missing; write it after the hosts";
  char *end = name + size;
  const char *problem = find_database(&settings->url, end, &settings->database);
  *end = '\0';
  settings->sentinel_name = name;
  return problem;
}

static const char *read_hosts(cachette__redis_settings *settings) {
  cachette__url *url = &settings->url;
  bool is_sentinel = settings->mode == CACHETTE__REDIS_SENTINEL;
  if (url->host_count == 0) return "it has no host";
  if (url->host_count > 1 && settings->mode == CACHETTE__REDIS_PLAIN)
    return "it has several hosts; write \"+cluster\" or \"+sentinel\" before the \"://\"";
  for (size_t i = 0; i < url->host_count; i++)
    if (url->hosts[i].port < 0) url->hosts[i].port = is_sentinel ? SENTINEL_PORT : DEFAULT_PORT;
  settings->target.host = url->hosts[0].host;
  settings->target.port = (uint16_t)url->hosts[0].port;
  if (is_sentinel) return read_sentinel_path(settings);
  const char *problem = find_database(url, url->path, &settings->database);
  if (problem == NULL && settings->mode == CACHETTE__REDIS_CLUSTER && settings->database != 0)
    return "a cluster has only database 0; remove the database";
  return problem;
}

/* Fills the addresses from the parts of the URL. Returns what is wrong with it, or NULL. */
static const char *read_parts(cachette__redis_settings *settings) {
  const cachette__url *url = &settings->url;
  bool is_unix = strcmp(url->scheme, "unix") == 0;
  if (!is_unix && !read_scheme(settings))
    return "its scheme must be redis, rediss, valkey, valkeys (also with \"+cluster\" or "
           "\"+sentinel\"), or unix";
  settings->user = url->user != NULL && *url->user != '\0' ? url->user : NULL;
  settings->password = url->password;
  if (settings->user != NULL && settings->password == NULL)
    return "it has a user name and no password";
  return is_unix ? read_socket(settings) : read_hosts(settings);
}

static int read_url(cachette__redis_settings *settings, const char *text, const char *option,
                    cachette_error *error) {
  enum cachette__redis_mode mode = CACHETTE__REDIS_PLAIN;
  find_mode(text, &mode);
  const char *example = examples[mode];
  int code = cachette__url_parse_hosts(text, option, example, &settings->url, error);
  if (code < 0) return code;
  const char *problem = read_parts(settings);
  if (problem == NULL) return CACHETTE_OK;
  char redacted[56];
  cachette__url_redact(text, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s. It looks like %s.", option,
                        redacted, problem, example);
}

/* ---- The other options ---- */

/* Writes what to do if only one side uses TLS: a scheme with or without the "s". */
static void add_advice(cachette__redis_settings *settings) {
  static const char format[] = "begin the URL with \"%.*s%s%s://\" instead of \"%s://\".";
  const char *scheme = settings->url.scheme;
  const char *suffix = scheme + strcspn(scheme, "+");
  int size = (int)(suffix - scheme);
  if (settings->is_secure) {
    snprintf(settings->plain_advice, sizeof settings->plain_advice, format, size - 1, scheme, "",
             suffix, scheme);
    settings->target.plain_advice = settings->plain_advice;
  }
  snprintf(settings->tls_advice, sizeof settings->tls_advice, format, size, scheme, "s", suffix,
           scheme);
  settings->target.tls_advice = settings->target.host != NULL ? settings->tls_advice : NULL;
}

/* Copies the text of an option that is set and not empty. */
static int copy_option(const cachette_options *options, enum cachette__option option, char **copy,
                       cachette_error *error) {
  const char *text = cachette__options_text(options, option);
  if (text == NULL || *text == '\0') return CACHETTE_OK;
  *copy = cachette__strndup(text, strlen(text));
  return *copy != NULL ? CACHETTE_OK : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

static int read_sentinel_login(cachette__redis_settings *settings, const cachette_options *options,
                               cachette_error *error) {
  int code =
      copy_option(options, CACHETTE__OPTION_sentinel_username, &settings->sentinel_user, error);
  if (code == CACHETTE_OK)
    code = copy_option(options, CACHETTE__OPTION_sentinel_password, &settings->sentinel_password,
                       error);
  if (code == CACHETTE_OK && settings->sentinel_user != NULL && settings->sentinel_password == NULL)
    return cachette__fail(error, CACHETTE_ECONFIG, "sentinel_username",
                          "\"sentinel_username\" is set, but \"sentinel_password\" is not. Set "
                          "both, or only the password.");
  return code;
}

/* The options for more than one server. */
static int read_topology(cachette__redis_settings *settings, const cachette_options *options,
                         cachette_error *error) {
  const char *map = cachette__options_text(options, CACHETTE__OPTION_address_map);
  const char *read_from = cachette__options_text(options, CACHETTE__OPTION_read_from);
  if (read_from != NULL && strcmp(read_from, "replica") == 0)
    settings->read_from = CACHETTE__REDIS_REPLICA;
  if (read_from != NULL && strcmp(read_from, "prefer_replica") == 0)
    settings->read_from = CACHETTE__REDIS_PREFER_REPLICA;
  int code = read_sentinel_login(settings, options, error);
  if (code < 0 || map == NULL) return code;
  return cachette__redis_address_map_parse(map, &settings->address_map, error);
}

/* The seeds differ from the first one in host and port only. False: out of memory. */
static bool make_seeds(cachette__redis_settings *settings) {
  const cachette__url *url = &settings->url;
  size_t count = url->host_count > 0 ? url->host_count : 1; /* of a socket */
  settings->seeds = cachette__calloc(count, sizeof *settings->seeds);
  if (settings->seeds == NULL) return false;
  settings->seed_count = count;
  for (size_t i = 0; i < count; i++) settings->seeds[i] = settings->target;
  for (size_t i = 0; i < url->host_count; i++) {
    settings->seeds[i].host = url->hosts[i].host;
    settings->seeds[i].port = (uint16_t)url->hosts[i].port;
  }
  return true;
}

/* The settings for connections to the sentinels. False: out of memory. */
static bool make_sentinel_settings(cachette__redis_settings *settings) {
  settings->agreement = cachette__redis_agreement_new();
  cachette__redis_settings *copy = cachette__malloc(sizeof *copy);
  if (copy != NULL) {
    *copy = *settings;
    copy->is_of_sentinels = true;
    copy->user = settings->sentinel_user;
    copy->password = settings->sentinel_password;
    copy->database = 0;
    copy->read_from = CACHETTE__REDIS_PRIMARY;
  }
  settings->of_sentinels = copy;
  return settings->agreement != NULL && copy != NULL;
}

static int read_options(cachette__redis_settings *settings, const cachette_options *options,
                        enum cachette__option url, cachette_error *error) {
  int code = read_url(settings, cachette__options_text(options, url),
                      cachette_option_table(NULL)[url].name, error);
  if (code == CACHETTE_OK) code = read_topology(settings, options, error);
  if (code == CACHETTE_OK)
    code = copy_option(options, CACHETTE__OPTION_key_prefix, &settings->key_prefix, error);
  if (code == CACHETTE_OK && settings->is_secure)
    code = cachette__store_tls_new(options, &settings->tls, error);
  if (code < 0) return code;
  if (settings->key_prefix != NULL) settings->prefix = cachette_str(settings->key_prefix);
  settings->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  settings->target.tls = settings->tls;
  settings->target.connect_timeout_ms =
      cachette__options_number(options, CACHETTE__OPTION_connect_timeout);
  add_advice(settings);
  settings->url_option = cachette_option_table(NULL)[url].name;
  settings->topology = cachette__redis_topology_new();
  bool ok = settings->topology != NULL && make_seeds(settings);
  if (settings->mode == CACHETTE__REDIS_SENTINEL) ok = ok && make_sentinel_settings(settings);
  return ok ? CACHETTE_OK : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

static void free_secret(char *secret) {
  if (secret != NULL) cachette__wipe(secret, strlen(secret));
  cachette__free(secret);
}

static void free_settings(cachette__settings *base) {
  cachette__redis_settings *settings = (cachette__redis_settings *)base;
  cachette__redis_topology_free(settings->topology);
  cachette__redis_agreement_free(settings->agreement);
  cachette__free(settings->of_sentinels);
  cachette__free(settings->seeds);
  cachette__url_deinit(&settings->url);
  cachette__tls_free(settings->tls);
  cachette__redis_address_map_deinit(&settings->address_map);
  cachette__free(settings->sentinel_user);
  free_secret(settings->sentinel_password);
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

/* Warns of unused TLS files if the URL begins with `server`, a scheme without TLS, alone or with
 * what follows a `+`. */
static bool warn_of_scheme(const cachette_options *options, enum cachette__option url,
                           const char *server, cachette_error *warning) {
  const char *text = cachette__options_text(options, url);
  size_t size = strlen(server);
  if (text == NULL || strncasecmp(text, server, size) != 0) return false;
  size_t rest = strcspn(text + size, ":");
  if (rest > 0 && text[size] != '+') return false;
  char remedy[80];
  snprintf(remedy, sizeof remedy, "Begin the \"%s\" with \"%ss%.*s://\"",
           cachette_option_table(NULL)[url].name, server, (int)(rest < 16 ? rest : 16),
           text + size);
  return cachette__store_warn_unused_tls(options, remedy, warning);
}

bool cachette__redis_warn(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_redis_url, "redis", warning);
}

bool cachette__valkey_warn(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_valkey_url, "valkey", warning);
}
