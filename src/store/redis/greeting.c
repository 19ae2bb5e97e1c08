/* SPDX-License-Identifier: MIT */
/*
 * The handshake: who we are, the connection's name, the database. All of it goes at once:
 *
 *     HELLO   [HELLO 3 AUTH user password] [CLIENT SETNAME] [SELECT]
 *     PLAIN   [AUTH user password] [CLIENT SETNAME] [SELECT]
 *     BARE    [AUTH password] [SELECT], or else [PING]
 *
 * HELLO is new in Redis 6, and many proxies have none. Whatever they answer, if it is not that the
 * password is wrong or that nobody is served, goes on in version 2 of the protocol (PLAIN). Some
 * end the connection at a command that they do not know; then another one is opened at once and
 * told no more than it must be (BARE). That is remembered, for a while, for a server that ends its
 * connections may also be one that is about to end. The name is a courtesy; nothing hangs on it.
 */
#include <stdio.h>
#include <string.h>

#include "../../base/clock.h"
#include "client.h"

enum { HELLO, AUTH, SETNAME, SELECT, PING };

enum { BARE_MS = 60 * 1000 }; /* how long a server is taken for one that ends at HELLO */

#define TEXT(text) ((cachette_slice){text, sizeof text - 1})

/* ---- What is said ---- */

static const char *const names[] = {
    [HELLO] = "HELLO", [AUTH] = "AUTH", [SETNAME] = "CLIENT", [SELECT] = "SELECT", [PING] = "PING"};

/* The words of a step; how many there are. */
static size_t choose_words(const cachette__redis *self, int step, cachette_slice *words,
                           char digits[16]) {
  const cachette__redis_address *address = &self->address;
  cachette_slice user = address->user != NULL ? cachette_str(address->user) : TEXT("default");
  size_t count = 0;
  words[count++] = cachette_str(names[step]);
  if (step == HELLO) words[count++] = TEXT("3");
  if (step == HELLO && address->password != NULL) {
    words[count++] = TEXT("AUTH");
    words[count++] = user;
    words[count++] = cachette_str(address->password);
  } else if (step == AUTH) {
    if (address->user != NULL && !self->no_user) words[count++] = user;
    words[count++] = cachette_str(address->password);
  } else if (step == SETNAME) {
    words[count++] = TEXT("SETNAME");
    words[count++] = TEXT("cachette");
  } else if (step == SELECT) {
    snprintf(digits, 16, "%d", address->database);
    words[count++] = cachette_str(digits);
  }
  return count;
}

static bool say(cachette__redis *self, int step) {
  cachette_slice words[5];
  char digits[16];
  size_t count = choose_words(self, step, words, digits);
  self->said[self->said_count++] = step;
  return cachette__redis_words(cachette__stream_output(self->link.stream), words, count);
}

/* Says all that a manner has to say. */
static void say_round(cachette__redis *self) {
  bool fine = true;
  self->said_count = self->answered = 0;
  self->go_round = false;
  if (self->manner == CACHETTE__REDIS_HELLO)
    fine = say(self, HELLO);
  else if (self->address.password != NULL)
    fine = say(self, AUTH);
  if (self->manner != CACHETTE__REDIS_BARE) fine = fine && say(self, SETNAME);
  if (self->address.database != 0) fine = fine && say(self, SELECT);
  if (self->said_count == 0) fine = say(self, PING);
  if (fine)
    cachette__stream_flush(self->link.stream);
  else
    cachette__link_fail(&self->link, false, CACHETTE_ENOMEM, "%s",
                        cachette_strerror(CACHETTE_ENOMEM));
}

void cachette__redis_greet(cachette__redis *self) {
  bool is_bare = self->manner == CACHETTE__REDIS_BARE;
  if (is_bare && cachette__machine_now() >= self->bare_until) is_bare = false;
  self->manner = is_bare ? CACHETTE__REDIS_BARE : CACHETTE__REDIS_HELLO;
  /* Where a command that is not known ends the connection, none is tried that may be so. */
  self->old = self->plain_flush = is_bare;
  if (is_bare) self->multi = CACHETTE__MULTI_REFUSED;
  self->no_user = false;
  say_round(self);
}

/* ---- What is answered ---- */

static void refuse(cachette__redis *self, int step) {
  char message[256];
  int code =
      cachette__redis_fault(self, names[step], (cachette_slice){NULL, 0}, message, sizeof message);
  cachette__link_fail(&self->link, true, code, "%s", message);
}

/* Whether the handshake can go on although HELLO was refused. */
static bool may_be_plain(const cachette__redis *self) {
  bool knows_password = self->address.password != NULL;
  if (cachette__redis_fault_is(self, "NOAUTH")) return knows_password;
  return cachette__redis_fault_is(self, "NOPERM") || cachette__redis_fault_is_refusal(self);
}

/* Before Redis 6 there were no users. */
static bool may_leave_user(const cachette__redis *self) {
  const char *user = self->address.user;
  return user != NULL && strcmp(user, "default") == 0 && !self->no_user &&
         strstr(self->fault, "wrong number of arguments") != NULL;
}

/* An error reply to a step. False: it ends the handshake. */
static bool read_fault(cachette__redis *self, int step) {
  if (step == HELLO && may_be_plain(self)) {
    self->manner = CACHETTE__REDIS_PLAIN;
    self->go_round = self->address.password != NULL; /* else the rest stands as it is */
    return true;
  }
  if (self->go_round) return true; /* it will be said again */
  if (step == AUTH && may_leave_user(self)) {
    self->no_user = self->go_round = true;
    return true;
  }
  bool is_minor = step == SETNAME || step == PING;
  if (is_minor && cachette__redis_fault_is_refusal(self)) return true;
  if (step == PING && cachette__redis_fault_is(self, "MISCONF")) return true; /* it can be read */
  refuse(self, step);
  return false;
}

void cachette__redis_greeted(cachette__redis *self, const cachette__resp_token *token) {
  if (!token->last) return;
  bool is_fault = token->type == CACHETTE__RESP_ERROR && token->depth == 0;
  if (is_fault && !read_fault(self, self->said[self->answered])) return;
  if (++self->answered < self->said_count) return;
  if (self->go_round)
    say_round(self);
  else
    cachette__link_ready(&self->link);
}

/* ---- The connection ends too early ---- */

bool cachette__redis_hung_up(cachette__redis *self) {
  bool was_bare = self->manner == CACHETTE__REDIS_BARE;
  self->manner = was_bare ? CACHETTE__REDIS_HELLO : CACHETTE__REDIS_BARE;
  self->bare_until = cachette__machine_now() + BARE_MS;
  return !was_bare;
}
