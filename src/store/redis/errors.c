/* SPDX-License-Identifier: MIT */
/* A server's error reply becomes a code and a sentence of ours. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/slice.h"
#include "internal.h"

/* What may resolve an error. */
enum remedy {
  NONE,
  WAIT,
  RECONNECT /* the host name may resolve to another server, now or soon */
};

/* The errors that we explain: the start of the reply, the code, the rest of the sentence. */
static const struct known {
  const char *words;
  int code;
  enum remedy remedy;
  const char *sentence; /* follows the server's name */
} known[] = {
    {"LOADING", CACHETTE_EUNAVAILABLE, RECONNECT, "is still loading its data; try again later"},
    {"READONLY", CACHETTE_EBACKEND, RECONNECT, "is a read-only replica; use the primary instead"},
    {"OOM", CACHETTE_EBACKEND, NONE,
     "has reached its \"maxmemory\" and does not evict; raise it, or set a \"maxmemory-policy\" "
     "that evicts"},
    {"NOAUTH", CACHETTE_EBACKEND, NONE, "requires a password; add it to the URL"},
    {"ERR operation not permitted", CACHETTE_EBACKEND, NONE,
     "requires a password; add it to the URL"},
    {"WRONGPASS", CACHETTE_EBACKEND, NONE, "refuses the user name or the password"},
    {"ERR invalid password", CACHETTE_EBACKEND, NONE, "refuses the user name or the password"},
    {"ERR Client sent", CACHETTE_EBACKEND, NONE,
     "has no password, but the URL gives one; remove it from the URL"},
    {"ERR AUTH <password> called", CACHETTE_EBACKEND, NONE,
     "has no password, but the URL gives one; remove it from the URL"},
    {"WRONGTYPE", CACHETTE_EBACKEND, NONE, "does not hold a string"},
    {"MOVED", CACHETTE_EBACKEND, NONE, "redirects to another server that cannot be found"},
    {"ASK", CACHETTE_EBACKEND, NONE, "redirects to another server that cannot be found"},
    {"CLUSTERDOWN", CACHETTE_EUNAVAILABLE, WAIT,
     "is a node of a cluster that is down, as nobody serves some of its hash slots"},
    {"ERR SELECT is not allowed in cluster mode", CACHETTE_EUNSUPPORTED, NONE,
     "is a node of a cluster, which has only the database 0; remove the database from the URL"},
    {"TRYAGAIN", CACHETTE_EUNAVAILABLE, WAIT, "is moving the keys to another node"},
    {"MASTERDOWN", CACHETTE_EUNAVAILABLE, RECONNECT, "is a replica that has lost its primary"},
    {"MISCONF", CACHETTE_EBACKEND, NONE,
     "accepts no writes because it cannot save them to its disk"},
    {"BUSY", CACHETTE_EUNAVAILABLE, WAIT, "is busy with a script"},
    {"NOREPLICAS", CACHETTE_EUNAVAILABLE, RECONNECT,
     "accepts no writes because it has too few replicas"},
    {"DENIED", CACHETTE_EBACKEND, NONE,
     "accepts only clients on its own machine (protected mode); set a password or \"bind\" on the "
     "server"},
    {"ERR max number of clients", CACHETTE_EUNAVAILABLE, NONE,
     "has reached its \"maxclients\" limit"},
};

/* What sentinels mean instead, which have other credentials. */
static const char missing[] =
    "is a sentinel that requires a password, which is not that of the primary; set "
    "\"sentinel_password\"";
static const char wrong[] =
    "is a sentinel that refuses the user name or the password; correct \"sentinel_username\" and "
    "\"sentinel_password\"";
static const char useless[] = "is a sentinel that has no password; remove \"sentinel_password\"";
static const struct known known_of_sentinels[] = {
    {"NOAUTH", CACHETTE_EBACKEND, NONE, missing},
    {"ERR operation not permitted", CACHETTE_EBACKEND, NONE, missing},
    {"WRONGPASS", CACHETTE_EBACKEND, NONE, wrong},
    {"ERR invalid password", CACHETTE_EBACKEND, NONE, wrong},
    {"ERR Client sent", CACHETTE_EBACKEND, NONE, useless},
    {"ERR AUTH <password> called", CACHETTE_EBACKEND, NONE, useless},
};

static bool begins_with(const char *text, const char *words) {
  size_t size = strlen(words);
  return strncmp(text, words, size) == 0 && (text[size] == ' ' || text[size] == '\0');
}

/*
 * Copies the server's message without secrets. Some servers repeat the command; its arguments are
 * removed, since they may contain a password, keys or values.
 */
static void copy_redacted(const cachette__redis_node *node, char *words, size_t size) {
  snprintf(words, size, "%s", node->error);
  char *arguments = strstr(words, ", with args beginning with");
  if (arguments != NULL) *arguments = '\0';
  cachette__redact(words, node->settings->password);
  cachette__redact(words, node->settings->user);
}

static const struct known *find_known(const cachette__redis_node *node) {
  size_t count = sizeof known_of_sentinels / sizeof *known_of_sentinels;
  for (size_t i = 0; node->settings->is_of_sentinels && i < count; i++)
    if (begins_with(node->error, known_of_sentinels[i].words)) return &known_of_sentinels[i];
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (begins_with(node->error, known[i].words)) return &known[i];
  return NULL;
}

/* Returns whether a NOPERM is about a key; else it is about the command. */
static bool is_about_key(const cachette__redis_node *node) {
  return strstr(node->error, " key") != NULL;
}

static void explain_permission(const cachette__redis_node *node, const char *words,
                               const char *command, const char *key, char *message, size_t size) {
  char rule[16];
  size_t length = 0;
  for (; length < sizeof rule - 1 && command[length] != '\0'; length++)
    rule[length] = (char)tolower((unsigned char)command[length]);
  rule[length] = '\0';
  if (is_about_key(node))
    snprintf(message, size,
             "%s does not allow this user %s of the key \"%s\" (%.100s); add a rule such as \"~*\" "
             "to the user's ACL.",
             node->pipeline.name, command, key, words);
  else
    snprintf(message, size,
             "%s does not allow this user the command %s (%.100s); add the rule \"+%s\" to the "
             "user's ACL.",
             node->pipeline.name, command, words, rule);
}

int cachette__redis_explain_error(const cachette__redis_node *node, const char *command,
                                  cachette_slice key, char *message, size_t size) {
  char text[32] = "";
  if (key.size > 0) cachette__key_text(key, text, sizeof text);
  const struct known *found = find_known(node);
  if (found != NULL) {
    if (key.size > 0 && strcmp(found->words, "WRONGTYPE") == 0)
      snprintf(message, size, "%s %s under \"%s\".", node->pipeline.name, found->sentence, text);
    else
      snprintf(message, size, "%s %s.", node->pipeline.name, found->sentence);
    return found->code;
  }
  char words[sizeof node->error];
  copy_redacted(node, words, sizeof words);
  if (begins_with(node->error, "NOPERM"))
    explain_permission(node, words, command, text, message, size);
  else
    snprintf(message, size, "%s answered %s with an error: %s", node->pipeline.name, command,
             words);
  return CACHETTE_EBACKEND;
}

bool cachette__redis_error_is(const cachette__redis_node *node, const char *word) {
  return begins_with(node->error, word);
}

bool cachette__redis_error_is_refusal(const cachette__redis_node *node) {
  return begins_with(node->error, "NOPERM") ? !is_about_key(node) : find_known(node) == NULL;
}

bool cachette__redis_error_is_transient(cachette__redis_node *node, const char *command) {
  const struct known *found = find_known(node);
  char message[256];
  if (found == NULL || found->remedy == NONE) return false;
  int code = cachette__redis_explain_error(node, command, (cachette_slice){NULL, 0}, message,
                                           sizeof message);
  cachette__fail(&node->retry.reason, code, NULL, "%s", message);
  node->retry.reconnect |= found->remedy == RECONNECT;
  node->retry.fails_fast = !begins_with(node->error, "READONLY");
  return true;
}

bool cachette__redis_error_is_not_a_number(const cachette__redis_node *node) {
  return begins_with(node->error, "WRONGTYPE") || strstr(node->error, "not an integer") != NULL;
}

bool cachette__redis_error_is_overflow(const cachette__redis_node *node) {
  return strstr(node->error, "would overflow") != NULL;
}
