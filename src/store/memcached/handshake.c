/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a new connection: the login, the version and the settings of the server:
 *
 *     LOGIN --> VERSION --> SETTINGS --> ready
 *       '------- SASL --------^
 *
 * LOGIN is skipped without a user name. The first step has at least 24 bytes, the size of a binary
 * header: a server that expects the binary protocol then closes the connection; with fewer bytes it
 * would wait for more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/slice.h"
#include "internal.h"

static void send_step(cachette__mc_node *node) {
  bool is_encoded = node->step == CACHETTE__MC_LOGIN ? node->protocol->encode_login(node)
                                                     : node->protocol->encode_setup(node);
  if (is_encoded)
    cachette__pipeline_flush(&node->pipeline);
  else
    cachette__link_fail(&node->pipeline.link, false, CACHETTE_ENOMEM, "%s",
                        cachette_strerror(CACHETTE_ENOMEM));
}

void cachette__mc_handshake_start(cachette__mc_node *node) {
  bool has_user = node->store->settings->username != NULL;
  node->step = has_user ? CACHETTE__MC_LOGIN : node->protocol->after_login;
  send_step(node);
}

static void take_version(cachette__mc_node *node, cachette_slice line) {
  cachette__link *link = &node->pipeline.link;
  char version[32] = "", *rest;
  if (!cachette__begins(line, 0, cachette_str("VERSION "))) {
    cachette__link_fail(link, true, CACHETTE_EBACKEND, "%s does not speak memcached's protocol.",
                        node->pipeline.name);
    return;
  }
  size_t size = line.size - 8 < sizeof version ? line.size - 8 : sizeof version - 1;
  memcpy(version, (const char *)line.data + 8, size);
  long major = strtol(version, &rest, 10);
  long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
  if (major > 1 || (major == 1 && minor >= 6)) {
    node->step = CACHETTE__MC_SETTINGS;
    return;
  }
  cachette__link_fail(link, true, CACHETTE_EUNSUPPORTED,
                      "%s is memcached %s, which is too old. Version 1.6 or newer is required.",
                      node->pipeline.name, version);
}

/* Reads the only setting that is used. A server may refuse to list its settings. */
static void take_setting(cachette__mc_node *node, const cachette__meta_token *token) {
  static const char name[] = "STAT item_size_max ";
  char digits[24] = "";
  if (token->type == CACHETTE__META_ERROR ||
      cachette__begins(token->line, 0, cachette_str("END"))) {
    node->step = CACHETTE__MC_IDLE;
    cachette__pipeline_ready(&node->pipeline);
  } else if (cachette__begins(token->line, 0, cachette_str(name))) {
    size_t size = token->line.size - (sizeof name - 1);
    if (size >= sizeof digits) return;
    memcpy(digits, (const char *)token->line.data + sizeof name - 1, size);
    node->item_size_max = strtoll(digits, NULL, 10);
  }
}

void cachette__mc_handshake_take(cachette__mc_node *node, const cachette__meta_token *token) {
  char message[256];
  if (node->step == CACHETTE__MC_SETTINGS) {
    take_setting(node, token);
  } else if (token->type == CACHETTE__META_ERROR) {
    int code = cachette__mc_explain_error(node, token->line, message, sizeof message);
    cachette__link_fail(&node->pipeline.link, true, code, "%s", message);
  } else if (node->step == CACHETTE__MC_VERSION) {
    take_version(node, token->line);
  } else {
    node->step = node->protocol->after_login;
    send_step(node);
  }
}

void cachette__mc_handshake_lost(cachette__mc_node *node, bool was_ready) {
  bool is_early = node->step == CACHETTE__MC_LOGIN || node->step == CACHETTE__MC_VERSION;
  cachette_error *error = &node->pipeline.link.reason;
  node->step = CACHETTE__MC_IDLE;
  if (was_ready || !is_early || node->store->settings->sasl || error->code != CACHETTE_EUNAVAILABLE)
    return;
  size_t size = strlen(error->message);
  snprintf(error->message + size, sizeof error->message - size, "%s",
           " If it runs with SASL (-S), set \"memcached_auth\" to sasl.");
}
