/* SPDX-License-Identifier: MIT */
#include "secure.h"

int cachette__store_secure(const cachette_options *options, cachette__tls **tls,
                           cachette_error *error) {
  const cachette__tls_settings settings = {
      .ca_file = cachette__options_text(options, CACHETTE__OPTION_tls_ca_file),
      .cert_file = cachette__options_text(options, CACHETTE__OPTION_tls_cert_file),
      .key_file = cachette__options_text(options, CACHETTE__OPTION_tls_key_file),
      .verify = cachette__options_number(options, CACHETTE__OPTION_tls_verify) != 0,
  };
  return cachette__tls_new(&settings, tls, error);
}
