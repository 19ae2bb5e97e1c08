/* SPDX-License-Identifier: MIT */
/* Reads the options of the store, once. */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../common/secure.h"
#include "internal.h"

static bool is_given(const char *text) { return text != NULL && *text != '\0'; }

static int read_user(cachette__memcached_settings *self, const cachette_options *options,
                     cachette_error *error) {
  const char *auth = cachette__options_text(options, CACHETTE__OPTION_memcached_auth);
  const char *user = cachette__options_text(options, CACHETTE__OPTION_memcached_username);
  const char *password = cachette__options_text(options, CACHETTE__OPTION_memcached_password);
  if (strcmp(auth, "none") == 0 || (strcmp(auth, "auto") == 0 && !is_given(user)))
    return CACHETTE_OK;
  if (!is_given(user) || !is_given(password))
    return cachette__fail(error, CACHETTE_ECONFIG,
                          is_given(user) ? "memcached_password" : "memcached_username",
                          "Authentication with memcached needs both \"memcached_username\" and "
                          "\"memcached_password\".");
  self->sasl = strcmp(auth, "sasl") == 0;
  if (!self->sasl && strchr(user, ' ') != NULL)
    return cachette__fail(
        error, CACHETTE_ECONFIG, "memcached_username",
        "The \"memcached_username\" must not contain a space, unless \"memcached_auth\" is sasl.");
  self->username = cachette__strndup(user, strlen(user));
  self->password = cachette__strndup(password, strlen(password));
  if (self->username == NULL || self->password == NULL)
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE_OK;
}

/* The hosts are endpoints: their weights would mean nothing. */
static int prepare_discovery(cachette__memcached_settings *self, cachette_error *error) {
  const cachette__memcached_hosts *hosts = self->hosts;
  for (size_t i = 0; i < hosts->count; i++)
    if (hosts->list[i].weight != 1)
      return cachette__fail(error, CACHETTE_ECONFIG, "memcached_host",
                            "With \"memcached_discovery\", the \"memcached_host\" is the "
                            "configuration endpoint, which has no weight. Write host:port.");
  int64_t each_ms = self->timeout_ms + self->connect_timeout_ms;
  self->published = cachette__mc_published_new((int64_t)hosts->count * each_ms + 1000);
  if (self->published == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE_OK;
}

static int read_all(cachette__memcached_settings *self, const cachette_options *options,
                    cachette_error *error) {
  const char *hosts = cachette__options_text(options, CACHETTE__OPTION_memcached_host);
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  int code = cachette__memcached_hosts_parse(hosts, &self->hosts, error);
  if (code == CACHETTE_OK) code = read_user(self, options, error);
  if (code == CACHETTE_OK && cachette__options_number(options, CACHETTE__OPTION_memcached_tls) != 0)
    code = cachette__store_tls_new(options, &self->tls, error);
  if (code < 0) return code;
  if (is_given(prefix)) {
    self->key_prefix = cachette__strndup(prefix, strlen(prefix));
    if (self->key_prefix == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    self->prefix = cachette_str(self->key_prefix);
  }
  self->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  self->connect_timeout_ms = cachette__options_number(options, CACHETTE__OPTION_connect_timeout);
  bool discovers = cachette__options_number(options, CACHETTE__OPTION_memcached_discovery) != 0;
  return discovers ? prepare_discovery(self, error) : CACHETTE_OK;
}

static void free_settings(cachette__settings *base) {
  cachette__memcached_settings *self = (cachette__memcached_settings *)base;
  cachette__memcached_hosts_release(self->hosts);
  cachette__mc_published_free(self->published);
  cachette__tls_free(self->tls);
  if (self->password != NULL) cachette__wipe(self->password, strlen(self->password));
  cachette__free(self->username);
  cachette__free(self->password);
  cachette__free(self->key_prefix);
  cachette__free(self);
}

int cachette__memcached_settings_new(const cachette_options *options, cachette__settings **settings,
                                     cachette_error *error) {
  cachette__memcached_settings *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.free = free_settings;
  int code = read_all(self, options, error);
  if (code == CACHETTE_OK)
    *settings = &self->base;
  else
    free_settings(&self->base);
  return code;
}

bool cachette__memcached_warn(const cachette_options *options, cachette_error *warning) {
  return cachette__options_number(options, CACHETTE__OPTION_memcached_tls) == 0 &&
         cachette__store_warn_unused_tls(options, "Set \"memcached_tls\" to true", warning);
}
