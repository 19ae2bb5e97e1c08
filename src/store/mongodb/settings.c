/* SPDX-License-Identifier: MIT */
/* Reads and checks the options: the server's URL, the names of database and collection, the key
 * prefix. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

enum { DATABASE_MAX = 63, NAMESPACE_MAX = 255 }; /* bytes; MongoDB's limits */

static const char example[] = "mongodb://[user:password@]host[:port]";

/* ---- Names ---- */

static int fail_name(const char *option, const char *name, const char *problem,
                     cachette_error *error) {
  char redacted[64];
  cachette__value_text(name, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s.", option, redacted, problem);
}

static int check_database(const char *name, cachette_error *error) {
  static const char option[] = "database_name";
  if (strpbrk(name, "/\\. \"$") != NULL)
    return fail_name(option, name,
                     "a MongoDB database name must not contain /, \\, ., \", $ or a space", error);
  if (strlen(name) > DATABASE_MAX)
    return fail_name(option, name, "a MongoDB database name has at most 63 bytes", error);
  return CACHETTE_OK;
}

static int check_collection(const char *database, const char *name, cachette_error *error) {
  static const char option[] = "table_name";
  if (strchr(name, '$') != NULL)
    return fail_name(option, name, "a MongoDB collection name must not contain $", error);
  if (strncmp(name, "system.", 7) == 0)
    return fail_name(option, name, "MongoDB reserves names that begin with \"system.\"", error);
  if (name[0] == '.' || name[strlen(name) - 1] == '.' || strstr(name, "..") != NULL)
    return fail_name(
        option, name,
        "a MongoDB collection name must not begin or end with a dot, or contain two dots in a row",
        error);
  if (strlen(database) + 1 + strlen(name) > NAMESPACE_MAX)
    return fail_name(
        option, name,
        "the names of a MongoDB database and collection together have at most 254 bytes", error);
  return CACHETTE_OK;
}

/* ---- The URL ---- */

static bool begins_with(const char *text, const char *head) {
  return strncasecmp(text, head, strlen(head)) == 0;
}

/* Whether the options in a URL may contain a secret, such as the password of a key file. */
static bool may_hold_secret(const char *rest) {
  static const char *const secrets[] = {"password", "token", "secret", "properties", "%"};
  for (const char *at = strchr(rest, '?'); at != NULL && *at != '\0'; at++)
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
      if (begins_with(at, secrets[i])) return true;
  return false;
}

/*
 * Returns why libmongoc rejects a URL. libmongoc's message may repeat parts of the URL, including
 * secrets. So libmongoc parses the URL again without user name and password, and its message is
 * used only if no other part of the URL may be a secret.
 */
static const char *find_reason(const char *url, char *reason, size_t size) {
  static const char unknown[] = "libmongoc cannot parse it";
  const char *after_scheme = strstr(url, "://") + 3, *at_sign = strrchr(url, '@');
  const char *rest = at_sign != NULL ? at_sign + 1 : after_scheme;
  size_t length = (size_t)(after_scheme - url) + strlen(rest) + 1;
  char *bare = may_hold_secret(rest) ? NULL : cachette__malloc(length);
  if (bare == NULL) return unknown;
  snprintf(bare, length, "%.*s%s", (int)(after_scheme - url), url, rest);
  bson_error_t source = {0};
  mongoc_uri_t *uri = mongoc_uri_new_with_error(bare, &source);
  cachette__free(bare);
  if (uri != NULL) {
    mongoc_uri_destroy(uri);
    return "its user name or password contains a character that must be percent-encoded";
  }
  snprintf(reason, size, "%.100s", source.message);
  size_t end = strlen(reason);
  if (end > 0 && reason[end - 1] == '.') reason[end - 1] = '\0';
  return reason;
}

/* Returns what is wrong with the URL, as far as that is visible without libmongoc; or NULL. */
static const char *find_problem(const char *url) {
  if (!begins_with(url, "mongodb://") && !begins_with(url, "mongodb+srv://"))
    return "it must begin with mongodb:// or mongodb+srv://";
  return cachette__url_check_multi_host(url);
}

static int fail_url(const char *url, const char *problem, cachette_error *error) {
  char redacted[64];
  cachette__url_redact(url, redacted, sizeof redacted);
  return cachette__fail(error, CACHETTE_ECONFIG, "mongodb_url",
                        "The \"mongodb_url\" value \"%s\" is not valid: %s. It looks like %s.",
                        redacted, problem, example);
}

/* An option in the URL takes precedence over the store's. */
static void default_ms(mongoc_uri_t *uri, const char *name, int64_t ms) {
  if (!mongoc_uri_has_option(uri, name)) mongoc_uri_set_option_as_int32(uri, name, (int32_t)ms);
}

static void default_text(mongoc_uri_t *uri, const char *name, const char *text) {
  if (text != NULL && *text != '\0' && !mongoc_uri_has_option(uri, name))
    mongoc_uri_set_option_as_utf8(uri, name, text);
}

/* Makes relative paths in the URL absolute; they start at the options' folder. False: out of
 * memory. */
static bool resolve_paths(mongoc_uri_t *uri, const cachette_options *options) {
  static const char *const names[] = {MONGOC_URI_TLSCAFILE, MONGOC_URI_TLSCERTIFICATEKEYFILE};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *path = mongoc_uri_get_option_as_utf8(uri, names[i], NULL);
    if (path == NULL || *path == '\0') continue;
    char *absolute = cachette__path_join(cachette__options_folder(options), path);
    if (absolute == NULL) return false;
    mongoc_uri_set_option_as_utf8(uri, names[i], absolute);
    cachette__free(absolute);
  }
  return true;
}

static int apply_tls(mongoc_uri_t *uri, const cachette_options *options, cachette_error *error) {
  if (!mongoc_uri_get_tls(uri)) return CACHETTE_OK;
  const char *certificate = cachette__options_text(options, CACHETTE__OPTION_tls_cert_file);
  const char *key = cachette__options_text(options, CACHETTE__OPTION_tls_key_file);
  if (key != NULL && *key != '\0' && (certificate == NULL || strcmp(key, certificate) != 0))
    return cachette__fail(
        error, CACHETTE_ECONFIG, "tls_key_file",
        "The MongoDB library needs the certificate and the key in one PEM file. Add the key to the "
        "file of \"tls_cert_file\", and remove \"tls_key_file\".");
  default_text(uri, MONGOC_URI_TLSCAFILE,
               cachette__options_text(options, CACHETTE__OPTION_tls_ca_file));
  default_text(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, certificate);
  if (cachette__options_number(options, CACHETTE__OPTION_tls_verify) == 0 &&
      !mongoc_uri_has_option(uri, MONGOC_URI_TLSINSECURE))
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLSINSECURE, true);
  return CACHETTE_OK;
}

static int read_url(const cachette_options *options, mongoc_uri_t **parsed, cachette_error *error) {
  const char *url = cachette__options_text(options, CACHETTE__OPTION_mongodb_url);
  const char *problem = find_problem(url);
  if (problem != NULL) return fail_url(url, problem, error);
  char reason[128];
  mongoc_uri_t *uri = mongoc_uri_new(url);
  if (uri == NULL) return fail_url(url, find_reason(url, reason, sizeof reason), error);
  int64_t timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  /* Shorter than the op's, so that libmongoc's error arrives before the op times out. */
  default_ms(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, timeout_ms - timeout_ms / 4);
  default_ms(uri, MONGOC_URI_SOCKETTIMEOUTMS, timeout_ms);
  default_ms(uri, MONGOC_URI_CONNECTTIMEOUTMS,
             cachette__options_number(options, CACHETTE__OPTION_connect_timeout));
  if (mongoc_uri_get_appname(uri) == NULL) mongoc_uri_set_appname(uri, "cachette");
  int code = resolve_paths(uri, options) ? apply_tls(uri, options, error)
                                         : cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (code < 0) {
    mongoc_uri_destroy(uri);
    return code;
  }
  *parsed = uri;
  return CACHETTE_OK;
}

static void write_server_name(const mongoc_uri_t *uri, char *name, size_t size) {
  const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
  if (host == NULL)
    snprintf(name, size, "MongoDB at %.80s", mongoc_uri_get_srv_hostname(uri));
  else
    snprintf(name, size, "MongoDB at %.80s%s", host->host_and_port,
             host->next != NULL ? " and others" : "");
}

/* ---- libmongoc ---- */

/* Stops libmongoc from printing warnings. Its functions return errors anyway. */
static void ignore_message(mongoc_log_level_t level, const char *domain, const char *message,
                           void *data) {
  (void)level;
  (void)domain;
  (void)message;
  (void)data;
}

static void init_libmongoc(void) {
  mongoc_log_set_handler(ignore_message, NULL);
  mongoc_init();
}

/* ---- Settings ---- */

static char *copy(const char *text) {
  return text != NULL ? cachette__strndup(text, strlen(text)) : cachette__strndup("", 0);
}

static void free_settings(cachette__settings *base) {
  cachette__mongo_settings *settings = (cachette__mongo_settings *)base;
  mongoc_uri_destroy(settings->uri);
  cachette__free(settings->database);
  cachette__free(settings->collection);
  cachette__free(settings->prefix);
  cachette__free(settings);
}

static int read_options(cachette__mongo_settings *settings, const cachette_options *options,
                        cachette_error *error) {
  const char *database = cachette__options_text(options, CACHETTE__OPTION_database_name);
  const char *collection = cachette__options_text(options, CACHETTE__OPTION_table_name);
  int code = check_database(database, error);
  if (code == CACHETTE_OK) code = check_collection(database, collection, error);
  if (code == CACHETTE_OK) code = read_url(options, &settings->uri, error);
  if (code < 0) return code;
  write_server_name(settings->uri, settings->name, sizeof settings->name);
  settings->threads =
      (unsigned)cachette__options_number(options, CACHETTE__OPTION_mongodb_pool_size);
  settings->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  settings->database = copy(database);
  settings->collection = copy(collection);
  settings->prefix = copy(cachette__options_text(options, CACHETTE__OPTION_key_prefix));
  if (settings->database != NULL && settings->collection != NULL && settings->prefix != NULL)
    return CACHETTE_OK;
  return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
}

/* Initialises libmongoc, because parsing the URL is the store's first use of it. This happens once
 * per process, so a log handler that the program sets later stays. */
int cachette__mongo_settings_new(const cachette_options *options, cachette__settings **settings,
                                 cachette_error *error) {
  static uv_once_t once = UV_ONCE_INIT;
  uv_once(&once, init_libmongoc);
  cachette__mongo_settings *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.free = free_settings;
  int code = read_options(self, options, error);
  if (code < 0) {
    free_settings(&self->base);
    return code;
  }
  *settings = &self->base;
  return CACHETTE_OK;
}
