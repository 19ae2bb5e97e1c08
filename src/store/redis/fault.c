/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../slice.h"
#include "client.h"

/* Errors that are worth a sentence of our own: the word they begin with, a code, the sentence. */
static const struct {
  const char *word;
  int code;
  const char *sentence; /* behind the server's name */
} known[] = {
    {"LOADING", CACHETTE_EUNAVAILABLE, "is still loading its data; try again in a while"},
    {"READONLY", CACHETTE_EBACKEND, "is a read-only replica; name the primary instead"},
    {"OOM", CACHETTE_EBACKEND,
     "has reached its \"maxmemory\" and evicts nothing; give it more, or a \"maxmemory-policy\""},
    {"NOAUTH", CACHETTE_EBACKEND, "asks for a password; put it into the URL"},
    {"WRONGPASS", CACHETTE_EBACKEND, "refuses the user name or the password"},
    {"NOPERM", CACHETTE_EBACKEND, "does not permit this user the command or the key"},
    {"WRONGTYPE", CACHETTE_EBACKEND, "holds something else than a string"},
    {"MOVED", CACHETTE_EUNSUPPORTED,
     "is a node of a Redis Cluster, which is not supported; name a server that is none"},
    {"CLUSTERDOWN", CACHETTE_EUNSUPPORTED, "is a node of a Redis Cluster, which is not supported"},
    {"MASTERDOWN", CACHETTE_EUNAVAILABLE, "is a replica that has lost its primary"},
    {"MISCONF", CACHETTE_EBACKEND, "accepts no writes, for it cannot save them to its disk"},
    {"BUSY", CACHETTE_EUNAVAILABLE, "is busy with a script"},
    {"NOREPLICAS", CACHETTE_EUNAVAILABLE, "accepts no writes, for it has too few replicas"},
};

static bool begins_with(const char *text, const char *word) {
  size_t size = strlen(word);
  return strncmp(text, word, size) == 0 && (text[size] == ' ' || text[size] == '\0');
}

/*
 * The server's words. Some repeat the command: what they say of its arguments is left out, for
 * those of AUTH are secret, and so may be keys and values.
 */
static void copy_words(const cachette__redis *self, char *words, size_t size) {
  snprintf(words, size, "%s", self->fault);
  char *arguments = strstr(words, ", with args beginning with");
  if (arguments != NULL) *arguments = '\0';
  cachette__hide_text(words, self->address.password);
  cachette__hide_text(words, self->address.user);
}

int cachette__redis_fault(const cachette__redis *self, cachette_slice key, char *message,
                          size_t size) {
  char about[48] = "", text[32];
  if (key.size > 0) {
    cachette__key_text(key, text, sizeof text);
    snprintf(about, sizeof about, " under \"%s\"", text);
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!begins_with(self->fault, known[i].word)) continue;
    snprintf(message, size, "%s %s%s.", self->name, known[i].sentence,
             strcmp(known[i].word, "WRONGTYPE") == 0 ? about : "");
    return known[i].code;
  }
  char words[sizeof self->fault];
  copy_words(self, words, sizeof words);
  snprintf(message, size, "%s answered with an error: %s", self->name, words);
  return CACHETTE_EBACKEND;
}

bool cachette__redis_fault_is_unknown(const cachette__redis *self) {
  return strncasecmp(self->fault, "ERR unknown command", 19) == 0;
}

bool cachette__redis_fault_is_no_number(const cachette__redis *self) {
  return begins_with(self->fault, "WRONGTYPE") || strstr(self->fault, "not an integer") != NULL;
}

bool cachette__redis_fault_is_overflow(const cachette__redis *self) {
  return strstr(self->fault, "would overflow") != NULL;
}
