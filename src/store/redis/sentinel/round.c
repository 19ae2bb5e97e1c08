/* SPDX-License-Identifier: MIT */
/*
 * A round: all sentinels are asked at once. It is over when all have answered, or most of them and
 * the others do not for a moment; at once if most of them name a new primary. A sentinel that stays
 * silent for long is disconnected.
 */
#include <stdio.h>

#include "../../../base/clock.h"
#include "../../../base/error.h"
#include "role.h"
#include "shard.h"
#include "vote.h"
#include "watch.h"

enum {
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  ANSWER_MS = 2000, /* the maximum time for one to answer, and for ROLE */
  GRACE_MS = 300,   /* how long the others may take once most have answered */
  DOUBT_MS = 3000   /* sentinels tell each other of a failover in two seconds */
};

static int64_t answer_ms(const cachette__redis_watch *self) {
  int64_t timeout_ms = self->router->settings->timeout_ms;
  return timeout_ms < ANSWER_MS ? timeout_ms : ANSWER_MS;
}

/* ---- The end of a round ---- */

static void end(cachette__redis_watch *self) {
  self->is_running = false;
  self->ended(self);
}

static void fail(cachette__redis_watch *self, const cachette_error *error) {
  cachette__redis_agreement_fail(self->agreement, self, error);
  if (!self->router->has_map) cachette__redis_router_fail(self->router, error);
  end(self);
}

static void publish(cachette__redis_watch *self, cachette__redis_map *map, uint64_t epoch) {
  self->role_failed_ms = 0;
  cachette__redis_agreement_publish(self->agreement, self, map, epoch);
  end(self);
}

/* No decision: asks again soon. After some time, ops fail if there is no primary. */
static void retry(cachette__redis_watch *self, const cachette_error *error) {
  int64_t now = cachette__machine_now();
  self->router->reason = *error;
  if (self->role_failed_ms == 0) self->role_failed_ms = now;
  self->wanted = true;
  self->since_ms = now;
  if (!self->router->has_map && now - self->role_failed_ms > self->router->settings->timeout_ms) {
    fail(self, error);
    return;
  }
  cachette__redis_agreement_end(self->agreement, self);
  end(self);
}

static void fail_memory(cachette__redis_watch *self) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  fail(self, &error);
}

/* Returns whether the map is there and has the same primary. */
static bool has_primary(const cachette__redis_map *map, const cachette__redis_map *other) {
  if (map == NULL) return false;
  const cachette__redis_map_node *node = &other->nodes[other->owner[0]];
  return cachette__redis_map_find(map, cachette_str(node->host), node->port) == map->owner[0];
}

/* ---- The choice ---- */

static void on_role(void *owner, cachette__redis_map *map, uint64_t epoch,
                    const cachette_error *error) {
  cachette__redis_watch *self = owner;
  self->role = NULL;
  if (map != NULL)
    publish(self, map, epoch);
  else if (!self->router->closing)
    retry(self, error);
}

static void ask_role(cachette__redis_watch *self, cachette__redis_map *map, uint64_t epoch) {
  cachette_error error;
  int code = cachette__redis_role_ask(self->router, map, epoch, on_role, self, &self->role, &error);
  if (code < 0) {
    retry(self, &error);
    return;
  }
  self->is_asking = false;
  self->started_ms = cachette__machine_now();
  cachette__redis_watch_set_timer(self, answer_ms(self));
}

static void choose(cachette__redis_watch *self, const cachette__redis_sentinel *sentinel,
                   uint64_t epoch) {
  unsigned version;
  cachette__redis_map *map = cachette__redis_shard_map(sentinel);
  if (map == NULL) {
    fail_memory(self);
    return;
  }
  cachette__redis_map *known = cachette__redis_agreement_map(self->agreement, &version);
  bool is_known = has_primary(known, map);
  cachette__redis_map_release(known);
  if (is_known)
    publish(self, map, epoch);
  else
    ask_role(self, map, epoch);
}

/* ---- Votes ---- */

/* The votes, and who gave them. */
typedef struct ballots {
  cachette__redis_map *map; /* numbers the candidates */
  cachette__redis_vote votes[CACHETTE__REDIS_MAX_SENTINELS];
  const cachette__redis_sentinel *voters[CACHETTE__REDIS_MAX_SENTINELS];
  size_t votes_given, unknown, pending;
  cachette_error error; /* of a sentinel that did not answer */
} ballots;

static void add_vote(ballots *ballot, const cachette__redis_sentinel *sentinel) {
  int candidate = cachette__redis_shard_locate(ballot->map, sentinel, &sentinel->report.primary);
  if (candidate < 0) return;
  ballot->voters[ballot->votes_given] = sentinel;
  ballot->votes[ballot->votes_given++] = (cachette__redis_vote){.candidate = (unsigned)candidate,
                                                                .epoch = sentinel->report.epoch,
                                                                .id = sentinel->report.primary.id};
}

static void collect(const cachette__redis_watch *self, ballots *ballot) {
  for (size_t i = 0; i < self->members.count; i++) {
    const cachette__redis_sentinel *sentinel = self->members.all[i];
    if (sentinel->is_pending)
      ballot->pending++;
    else if (sentinel->error.code < 0)
      ballot->error = sentinel->error;
    else if (sentinel->has_answered && sentinel->report.is_unknown)
      ballot->unknown++;
    else if (sentinel->has_answered)
      add_vote(ballot, sentinel);
  }
}

static void explain_unknown(const cachette__redis_watch *self, cachette_error *error) {
  const cachette__redis_settings *settings = self->router->settings;
  cachette__fail(error, CACHETTE_EBACKEND, settings->url_option,
                 "%s watches no primary with the name \"%.64s\"; correct the name after the hosts "
                 "in the \"%s\".",
                 self->router->name, settings->sentinel_name, settings->url_option);
}

static void explain_silence(const cachette__redis_watch *self, const cachette_error *last,
                            cachette_error *error) {
  char names[100] = "", name[64];
  size_t size = 0;
  for (size_t i = 0; i < self->members.count && size < sizeof names; i++) {
    cachette__target_text(&self->members.all[i]->target, name, sizeof name);
    size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "", name);
  }
  int code = last->code < 0 ? last->code : CACHETTE_EUNAVAILABLE;
  cachette__fail(error, code, NULL, "No sentinel answers (%s): %s", names,
                 last->code < 0 ? last->message : "they are silent.");
}

/* A sentinel that was cut off may name the primary of an older epoch. It needs the majority of all
 * that are known, not only of those that answer. */
static bool is_credible(const cachette__redis_watch *self, const cachette__redis_outcome *outcome) {
  return 2 * outcome->votes > self->members.count ||
         outcome->epoch >= cachette__redis_agreement_epoch(self->agreement);
}

/* Returns whether a sentinel names another server, and knows of a later failover. Then the others
 * will hear of it in a moment. For how long that may be is limited: it may be wrong. */
static bool is_doubtful(cachette__redis_watch *self, const ballots *ballot,
                        const cachette__redis_outcome *outcome) {
  int64_t now = cachette__machine_now();
  bool has_later = false;
  for (size_t i = 0; i < ballot->votes_given; i++)
    has_later |=
        ballot->votes[i].candidate != outcome->candidate && ballot->votes[i].epoch > outcome->epoch;
  if (!has_later) self->doubted_ms = 0;
  if (has_later && self->doubted_ms == 0) self->doubted_ms = now;
  return has_later && now - self->doubted_ms < DOUBT_MS;
}

/* The sentinel whose report has the details: one that voted for it. */
static const cachette__redis_sentinel *find_voter(const ballots *ballot, unsigned candidate) {
  const cachette__redis_sentinel *best = NULL;
  for (size_t i = 0; i < ballot->votes_given; i++) {
    const cachette__redis_sentinel *voter = ballot->voters[i];
    if (ballot->votes[i].candidate != candidate) continue;
    if (best == NULL || voter->report.replicas.count > best->report.replicas.count) best = voter;
  }
  return best;
}

static void decide(cachette__redis_watch *self, const ballots *ballot,
                   const cachette__redis_outcome *outcome) {
  cachette_error error;
  if (ballot->votes_given == 0 && ballot->unknown > 0) {
    explain_unknown(self, &error);
    fail(self, &error);
  } else if (ballot->votes_given == 0) {
    explain_silence(self, &ballot->error, &error);
    fail(self, &error);
  } else if (outcome->candidate == NO_NODE || is_doubtful(self, ballot, outcome) ||
             !is_credible(self, outcome)) {
    cachette__fail(&error, CACHETTE_EUNAVAILABLE, NULL,
                   "The sentinels do not agree on the primary of \"%.64s\".",
                   self->router->settings->sentinel_name);
    retry(self, &error);
  } else {
    choose(self, find_voter(ballot, outcome->candidate), outcome->epoch);
  }
}

/* Returns whether the answers that came suffice. At once if most of all sentinels name a new
 * primary; else the others may know of a later failover. */
static bool is_enough(const cachette__redis_watch *self, const ballots *ballot,
                      const cachette__redis_outcome *outcome) {
  int64_t passed = cachette__machine_now() - self->started_ms;
  bool is_new =
      self->router->has_map && outcome->epoch > cachette__redis_agreement_epoch(self->agreement);
  if (ballot->pending == 0 || passed >= answer_ms(self)) return true;
  if (is_new && 2 * outcome->votes > self->members.count) return true;
  return passed >= GRACE_MS && 2 * ballot->votes_given > self->members.count;
}

/* Counts the votes, and ends the round if that is possible. */
static void count(cachette__redis_watch *self) {
  ballots ballot = {.map = cachette__redis_map_new()};
  if (ballot.map == NULL) {
    fail_memory(self);
    return;
  }
  collect(self, &ballot);
  const cachette__redis_outcome outcome =
      cachette__redis_count_votes(ballot.votes, ballot.votes_given);
  if (is_enough(self, &ballot, &outcome)) decide(self, &ballot, &outcome);
  cachette__redis_map_release(ballot.map);
}

static void on_answered(void *owner, cachette__redis_sentinel *sentinel) {
  cachette__redis_watch *self = owner;
  (void)sentinel;
  if (self->is_running && self->is_asking && !self->router->closing) count(self);
}

static void on_switched(void *owner) {
  cachette__redis_watch *self = owner;
  self->is_urgent = true;
  cachette__redis_watch_set_timer(self, 0);
}

static void on_lost(void *owner) {
  cachette__redis_watch *self = owner;
  cachette__redis_router_refresh(self->router, CACHETTE__REDIS_NO_PLACE);
}

static const cachette__redis_sentinel_events events = {
    .answered = on_answered,
    .switched = on_switched,
    .lost = on_lost,
};

/* ---- Start and end ---- */

void cachette__redis_round_start(cachette__redis_watch *self, int64_t now) {
  self->is_running = self->is_asking = true;
  self->started_ms = now;
  self->members.router = self->router;
  self->members.events = &events;
  self->members.owner = self;
  if (!cachette__redis_members_update(&self->members)) {
    fail_memory(self);
    return;
  }
  for (size_t i = 0; i < self->members.count; i++)
    cachette__redis_sentinel_ask(self->members.all[i], now);
  count(self);
}

/* Closes connections to sentinels that are silent. */
static void give_up_silent(cachette__redis_watch *self, int64_t now) {
  for (size_t i = 0; i < self->members.count; i++) {
    cachette__redis_sentinel *sentinel = self->members.all[i];
    if (sentinel->is_pending && now - sentinel->asked_ms >= answer_ms(self))
      cachette__redis_sentinel_give_up(sentinel);
  }
}

void cachette__redis_round_check(cachette__redis_watch *self, int64_t now) {
  give_up_silent(self, now);
  int64_t passed = now - self->started_ms;
  if (self->is_running && self->is_asking) count(self);
  if (self->is_running && !self->is_asking && passed >= answer_ms(self) && self->role != NULL) {
    cachette_error error;
    cachette__fail(&error, CACHETTE_EUNAVAILABLE, NULL,
                   "%s, the primary that the sentinels name, does not answer.",
                   cachette__redis_role_server(self->role));
    cachette__redis_role_abandon(self->role);
    self->role = NULL;
    retry(self, &error);
  }
}

int64_t cachette__redis_round_next(const cachette__redis_watch *self, int64_t now) {
  int64_t passed = now - self->started_ms;
  int64_t next = self->is_asking && passed < GRACE_MS ? GRACE_MS : answer_ms(self);
  return next > passed ? next - passed : 1;
}
