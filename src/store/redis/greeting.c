/* SPDX-License-Identifier: MIT */
/*
 * HELLO 3 with the user's name and password and the connection's name; for servers before Redis 6,
 * AUTH and CLIENT SETNAME. Then SELECT, if it is not database 0.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"

enum { HELLO, AUTH, SETNAME, SELECT };

#define TEXT(text) ((cachette_slice){text, sizeof text - 1})

static void say(cachette__redis *self, int step) {
  const cachette__redis_address *address = &self->address;
  cachette_slice user = address->user != NULL ? cachette_str(address->user) : TEXT("default");
  cachette_slice words[7];
  char digits[16];
  size_t count = 0;
  switch (step) {
    case HELLO:
      words[count++] = TEXT("HELLO");
      words[count++] = TEXT("3");
      if (address->password != NULL) {
        words[count++] = TEXT("AUTH");
        words[count++] = user;
        words[count++] = cachette_str(address->password);
      }
      words[count++] = TEXT("SETNAME");
      words[count++] = TEXT("cachette");
      break;
    case AUTH:
      words[count++] = TEXT("AUTH");
      if (address->user != NULL) words[count++] = user;
      words[count++] = cachette_str(address->password);
      break;
    case SETNAME:
      words[count++] = TEXT("CLIENT");
      words[count++] = TEXT("SETNAME");
      words[count++] = TEXT("cachette");
      break;
    default:
      snprintf(digits, sizeof digits, "%d", address->database);
      words[count++] = TEXT("SELECT");
      words[count++] = cachette_str(digits);
  }
  self->greeting = step;
  if (cachette__redis_words(cachette__stream_output(self->link.stream), words, count))
    cachette__stream_flush(self->link.stream);
  else
    cachette__link_fail(&self->link, false, CACHETTE_ENOMEM, "%s",
                        cachette_strerror(CACHETTE_ENOMEM));
}

void cachette__redis_greet(cachette__redis *self) { say(self, HELLO); }

/* Goes on behind a step that went well, or that may fail. */
static void go_on(cachette__redis *self) {
  if (self->greeting == AUTH)
    say(self, SETNAME);
  else if (self->greeting != SELECT && self->address.database != 0)
    say(self, SELECT);
  else
    cachette__link_ready(&self->link);
}

static void refuse(cachette__redis *self) {
  char message[256];
  int code = cachette__redis_fault(self, (cachette_slice){NULL, 0}, message, sizeof message);
  cachette__link_fail(&self->link, true, code, "%s", message);
}

static void read_fault(cachette__redis *self) {
  bool is_old = cachette__redis_fault_is_unknown(self) || strncmp(self->fault, "NOPROTO", 7) == 0;
  if (self->greeting == HELLO && is_old)
    say(self, self->address.password != NULL ? AUTH : SETNAME);
  else if (self->greeting == SETNAME)
    go_on(self); /* a name is a courtesy */
  else
    refuse(self);
}

void cachette__redis_greeted(cachette__redis *self, const cachette__resp_token *token) {
  if (!token->last) return;
  if (token->type == CACHETTE__RESP_ERROR && token->depth == 0)
    read_fault(self);
  else
    go_on(self);
}
