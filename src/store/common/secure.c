/* SPDX-License-Identifier: MIT */
#include "secure.h"

#include "../../base/error.h"

int cachette__store_tls_new(const cachette_options *options, cachette__tls **tls,
                            cachette_error *error) {
  const cachette__tls_settings settings = {
      .ca_file = cachette__options_text(options, CACHETTE__OPTION_tls_ca_file),
      .cert_file = cachette__options_text(options, CACHETTE__OPTION_tls_cert_file),
      .key_file = cachette__options_text(options, CACHETTE__OPTION_tls_key_file),
      .verify = cachette__options_number(options, CACHETTE__OPTION_tls_verify) != 0,
  };
  return cachette__tls_new(&settings, tls, error);
}

bool cachette__store_warn_unused_tls(const cachette_options *options, const char *remedy,
                                     cachette_error *warning) {
  static const enum cachette__option files[] = {
      CACHETTE__OPTION_tls_ca_file, CACHETTE__OPTION_tls_cert_file, CACHETTE__OPTION_tls_key_file};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (cachette__options_absent(options, files[i])) continue;
    const char *name = cachette_option_table(NULL)[files[i]].name;
    cachette__fail(warning, CACHETTE_ECONFIG, name,
                   "\"%s\" is set, but the connection is not encrypted. %s, or remove the option.",
                   name, remedy);
    return true;
  }
  return false;
}
