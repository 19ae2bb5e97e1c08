/* SPDX-License-Identifier: MIT */
/*
 * The handshake of a new connection: user and password, the connection's name, the database. All
 * commands are sent at once. There are three forms:
 *
 *     HELLO     HELLO 3 [AUTH user password], CLIENT SETNAME, [SELECT]
 *     RESP2     [AUTH user password], CLIENT SETNAME, [SELECT]
 *     MINIMAL   [AUTH user password], [SELECT]; PING if there is neither
 *
 * HELLO is new in Redis 6, and many proxies do not support it. If the server refuses the command
 * itself (not the password or the client), the handshake continues with version 2 of the protocol
 * (RESP2). Some proxies close the connection at an unknown command. Then the next connection is
 * opened at once, with MINIMAL. MINIMAL is used for a limited time only, since a server that is
 * shutting down closes connections too. The name is optional: an error of CLIENT SETNAME is
 * ignored.
 *
 * If replicas may be read, READONLY follows, without which a replica in a cluster serves nothing.
 * Servers outside a cluster refuse it, which is ignored. The reply to HELLO tells whether the
 * server is a node of a cluster.
 */
#include <stdio.h>
#include <string.h>

#include "../../base/clock.h"
#include "internal.h"

enum { HELLO, AUTH, SETNAME, SELECT, READONLY, PING };

enum { MINIMAL_MS = 60 * 1000 }; /* after which HELLO is tried again */

#define TEXT(text) ((cachette_slice){text, sizeof text - 1})

/* ---- Sending ---- */

static const char *const names[] = {
    [HELLO] = "HELLO",   [AUTH] = "AUTH",         [SETNAME] = "CLIENT",
    [SELECT] = "SELECT", [READONLY] = "READONLY", [PING] = "PING"};

/* Fills the words of a step's command, one of which may be in `digits`. Returns their number. */
static size_t choose_words(const cachette__redis_node *node, int step, cachette_slice *words,
                           char digits[16]) {
  const cachette__redis_settings *settings = node->settings;
  cachette_slice user = settings->user != NULL ? cachette_str(settings->user) : TEXT("default");
  size_t count = 0;
  words[count++] = cachette_str(names[step]);
  if (step == HELLO) words[count++] = TEXT("3");
  if (step == HELLO && settings->password != NULL) {
    words[count++] = TEXT("AUTH");
    words[count++] = user;
    words[count++] = cachette_str(settings->password);
  } else if (step == AUTH) {
    if (settings->user != NULL && !node->omits_user) words[count++] = user;
    words[count++] = cachette_str(settings->password);
  } else if (step == SETNAME) {
    words[count++] = TEXT("SETNAME");
    words[count++] = TEXT("cachette");
  } else if (step == SELECT) {
    snprintf(digits, 16, "%d", settings->database);
    words[count++] = cachette_str(digits);
  }
  return count;
}

static bool add_step(cachette__redis_node *node, int step) {
  cachette_slice words[5];
  char digits[16];
  size_t count = choose_words(node, step, words, digits);
  node->steps[node->step_count++] = step;
  return cachette__redis_words(cachette__pipeline_output(&node->pipeline), words, count);
}

/* Sends all steps of the handshake. */
static void send_steps(cachette__redis_node *node) {
  bool ok = true;
  node->step_count = node->answered = 0;
  node->restarts = false;
  if (node->handshake == CACHETTE__REDIS_HELLO)
    ok = add_step(node, HELLO);
  else if (node->settings->password != NULL)
    ok = add_step(node, AUTH);
  if (node->handshake != CACHETTE__REDIS_MINIMAL) ok = ok && add_step(node, SETNAME);
  if (node->settings->database != 0) ok = ok && add_step(node, SELECT);
  if (node->routed && node->settings->read_from != CACHETTE__REDIS_PRIMARY)
    ok = ok && add_step(node, READONLY);
  if (node->step_count == 0) ok = add_step(node, PING);
  if (ok)
    cachette__pipeline_flush(&node->pipeline);
  else
    cachette__link_fail(&node->pipeline.link, false, CACHETTE_ENOMEM, "%s",
                        cachette_strerror(CACHETTE_ENOMEM));
}

void cachette__redis_handshake_start(cachette__redis_node *node) {
  bool is_minimal = node->handshake == CACHETTE__REDIS_MINIMAL;
  if (is_minimal && cachette__machine_now() >= node->minimal_until_ms) is_minimal = false;
  node->handshake = is_minimal ? CACHETTE__REDIS_MINIMAL : CACHETTE__REDIS_HELLO;
  /* The server closes the connection at an unknown command, so avoid all new commands. */
  node->unlink_refused = node->async_flush_refused = is_minimal;
  if (is_minimal) node->multi = CACHETTE__MULTI_REFUSED;
  node->omits_user = node->is_mode = false;
  send_steps(node);
}

/* ---- Replies ---- */

static void refuse(cachette__redis_node *node, int step) {
  char message[256];
  int code = cachette__redis_explain_error(node, names[step], (cachette_slice){NULL, 0}, message,
                                           sizeof message);
  cachette__link_fail(&node->pipeline.link, true, code, "%s", message);
}

/* Returns whether to continue with RESP2 after an error of HELLO. */
static bool can_fall_back(const cachette__redis_node *node) {
  bool knows_password = node->settings->password != NULL;
  if (cachette__redis_error_is(node, "NOAUTH")) return knows_password;
  return cachette__redis_error_is(node, "NOPERM") || cachette__redis_error_is_refusal(node);
}

/* Returns whether to retry AUTH without the user: before Redis 6 there were no users. */
static bool can_omit_user(const cachette__redis_node *node) {
  const char *user = node->settings->user;
  return user != NULL && strcmp(user, "default") == 0 && !node->omits_user &&
         strstr(node->error, "wrong number of arguments") != NULL;
}

/* Handles an error reply to a step. Returns false if the handshake has failed. */
static bool take_error(cachette__redis_node *node, int step) {
  if (step == HELLO && can_fall_back(node)) {
    node->handshake = CACHETTE__REDIS_RESP2;
    node->restarts = node->settings->password != NULL; /* else the remaining steps are the same */
    return true;
  }
  if (node->restarts) return true; /* the step is sent again */
  if (step == AUTH && can_omit_user(node)) {
    node->omits_user = node->restarts = true;
    return true;
  }
  if (step == READONLY) return true;
  bool is_minor = step == SETNAME || step == PING;
  if (is_minor && cachette__redis_error_is_refusal(node)) return true;
  if (step == PING && cachette__redis_error_is(node, "MISCONF"))
    return true; /* it still serves reads */
  refuse(node, step);
  return false;
}

/* The server is in a cluster. Returns false if the URL names a database other than 0. That is
 * refused as Redis would; Valkey has more of them if its "cluster-databases" says so. */
static bool join(cachette__redis_node *node) {
  if (node->settings->database == 0) {
    node->upper->joined(node->router, node);
    return true;
  }
  snprintf(node->error, sizeof node->error, "ERR SELECT is not allowed in cluster mode");
  refuse(node, SELECT);
  return false;
}

/* Takes a token of the reply to HELLO, which is a list of names and values. Returns false if the
 * handshake has failed. */
static bool take_hello(cachette__redis_node *node, const cachette__resp_token *token) {
  size_t max = sizeof node->word - 1, size = token->bytes.size;
  if (token->offset > max) return true;
  if (token->offset + size > max) size = max - token->offset;
  if (size > 0) memcpy(node->word + token->offset, token->bytes.data, size);
  node->word[token->offset + size] = '\0';
  if (!token->end) return true;
  if (node->is_mode && strcmp(node->word, "cluster") == 0) return join(node);
  node->is_mode = strcmp(node->word, "mode") == 0;
  return true;
}

void cachette__redis_handshake_take(cachette__redis_node *node, const cachette__resp_token *token) {
  bool is_text = token->type == CACHETTE__RESP_BULK || token->type == CACHETTE__RESP_SIMPLE;
  if (is_text && token->depth == 1 && node->steps[node->answered] == HELLO &&
      !take_hello(node, token))
    return;
  if (!token->last) return;
  bool is_error = token->type == CACHETTE__RESP_ERROR && token->depth == 0;
  if (is_error && !take_error(node, node->steps[node->answered])) return;
  if (++node->answered < node->step_count) return;
  if (node->restarts)
    send_steps(node);
  else if (node->upper->admit != NULL && !node->upper->admit(node->router, node))
    node->is_held = true;
  else
    cachette__pipeline_ready(&node->pipeline);
}

bool cachette__redis_handshake_lost(cachette__redis_node *node) {
  bool was_minimal = node->handshake == CACHETTE__REDIS_MINIMAL;
  bool was_closed = node->answered < node->step_count && node->pipeline.link.disconnected;
  node->answered = node->step_count = 0;
  if (!was_closed) return false;
  node->handshake = was_minimal ? CACHETTE__REDIS_HELLO : CACHETTE__REDIS_MINIMAL;
  node->minimal_until_ms = cachette__machine_now() + MINIMAL_MS;
  return !was_minimal;
}
