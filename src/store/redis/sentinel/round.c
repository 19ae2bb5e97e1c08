/* SPDX-License-Identifier: MIT */
/*
 * A round: all sentinels are asked at once. It is over when most of those that are known agree, or
 * when all have answered, or a little after the first answer. A sentinel that stays silent for long
 * is disconnected.
 */
#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/clock.h"
#include "../../../base/error.h"
#include "vote.h"
#include "watch.h"

enum {
  NO_NODE = CACHETTE__REDIS_NO_NODE,
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  GRACE_MS = 300 /* how long the others may take once one has answered */
};

/* The question to the server that the sentinels name. It may come back late. */
typedef struct role_check {
  cachette__redis_job job;     /* must be first */
  cachette__redis_watch *self; /* NULL: abandoned */
  cachette__redis_map *map;    /* to publish; owned */
  uint64_t epoch;
  size_t size; /* of the role */
  bool is_refused;
  char role[16], name[128];
} role_check;

static int64_t answer_ms(const cachette__redis_watch *self) {
  int64_t timeout_ms = self->router->settings->timeout_ms;
  return timeout_ms < CACHETTE__REDIS_ANSWER_MS ? timeout_ms : CACHETTE__REDIS_ANSWER_MS;
}

/* ---- The end of a round ---- */

static void end(cachette__redis_watch *self) {
  self->is_running = false;
  cachette__redis_watch_ended(self);
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

/* ---- ROLE ---- */

static void free_role(role_check *role) {
  cachette__redis_map_release(role->map);
  cachette__free(role);
}

static void abandon_role(cachette__redis_watch *self) {
  if (self->role == NULL) return;
  self->role->self = NULL;
  self->role->job.awaited = false;
  self->role = NULL;
}

static void on_role_completed(cachette__redis_job *job, cachette__redis_node *node,
                              cachette__redis_request *request) {
  role_check *role = (role_check *)job;
  cachette__redis_watch *self = role->self;
  cachette_error error;
  (void)node;
  (void)request;
  if (self != NULL) {
    self->role = NULL;
    if (role->is_refused || strcmp(role->role, "master") == 0) {
      cachette__redis_map *map = role->map;
      role->map = NULL;
      publish(self, map, role->epoch);
    } else {
      cachette__fail(&error, CACHETTE_EUNAVAILABLE, NULL,
                     "The sentinels name %s as the primary of \"%.64s\", but it is a replica.",
                     role->name, self->router->settings->sentinel_name);
      retry(self, &error);
    }
  }
  free_role(role);
}

static void on_role_failed(cachette__redis_job *job, int code, const char *message) {
  role_check *role = (role_check *)job;
  cachette__redis_watch *self = role->self;
  cachette_error error;
  if (self != NULL) {
    self->role = NULL;
    cachette__fail(&error, code < 0 ? code : CACHETTE_EUNAVAILABLE, NULL, "%s", message);
    if (!self->router->closing) retry(self, &error);
  }
  free_role(role);
}

static size_t on_role_encode(cachette__redis_job *job, cachette__redis_node *node,
                             cachette__buffer *output) {
  const cachette_slice word = cachette_str("ROLE");
  (void)job;
  (void)node;
  return cachette__redis_words(output, &word, 1) ? 1 : 0;
}

/* Users may lack the permission for ROLE; then the votes suffice. */
static bool on_role_take(cachette__redis_job *job, cachette__redis_node *node,
                         const cachette__resp_token *token) {
  role_check *role = (role_check *)job;
  if (token->type == CACHETTE__RESP_ERROR && token->depth == 0) {
    if (token->end) role->is_refused = cachette__redis_error_is_refusal(node);
    return true;
  }
  bool is_role = token->type == CACHETTE__RESP_BULK || token->type == CACHETTE__RESP_SIMPLE;
  size_t left = sizeof role->role - 1 - role->size;
  if (token->depth != 1 || !is_role || role->is_refused) return true;
  if (token->bytes.size <= left && role->size == token->offset) {
    if (token->bytes.size > 0)
      memcpy(role->role + role->size, token->bytes.data, token->bytes.size);
    role->size += token->bytes.size;
  }
  if (token->end) role->size = sizeof role->role; /* only the first word is the role */
  return true;
}

static bool on_role_restart(cachette__redis_job *job) {
  role_check *role = (role_check *)job;
  role->size = 0;
  memset(role->role, 0, sizeof role->role);
  return true;
}

static const cachette__redis_job_type role_type = {
    .encode = on_role_encode,
    .take = on_role_take,
    .restart = on_role_restart,
    .completed = on_role_completed,
    .failed = on_role_failed,
};

/* Asks the new primary for its role. Takes over the reference to the map. */
static void check_role(cachette__redis_watch *self, cachette__redis_map *map, uint64_t epoch) {
  const cachette__redis_map_node *primary = &map->nodes[map->owner[0]];
  const cachette_error *down;
  const char *reason;
  cachette_error error;
  size_t place =
      cachette__redis_place_at(self->router, primary->host, primary->port, primary->tls_name);
  cachette__redis_node *node =
      place != NO_PLACE ? cachette__redis_place_open(self->router, place) : NULL;
  role_check *role = node != NULL ? cachette__calloc(1, sizeof *role) : NULL;
  if (role == NULL) {
    cachette__redis_map_release(map);
    fail_memory(self);
    return;
  }
  *role = (role_check){
      .job = {.type = &role_type, .deadline_ms = INT64_MAX, .awaited = true, .idempotent = true},
      .self = self,
      .map = map,
      .epoch = epoch};
  snprintf(role->name, sizeof role->name, "%s", node->pipeline.name);
  int code = cachette__link_connect(&node->pipeline.link, &down);
  if (code < 0) {
    error = *down;
  } else if ((code = cachette__redis_push(node, NULL, &role->job, 0, 0, &reason)) < 0) {
    cachette__fail(&error, code, NULL, "%s", reason);
  } else {
    self->role = role;
    self->is_asking = false;
    self->started_ms = cachette__machine_now();
    cachette__redis_watch_set_timer(self, answer_ms(self));
    return;
  }
  free_role(role);
  retry(self, &error);
}

/* ---- The map ---- */

static cachette__redis_map_source source_of(const cachette__redis_sentinel *sentinel) {
  const cachette__redis_settings *settings = sentinel->router->settings;
  return (cachette__redis_map_source){.host = sentinel->target.host,
                                      .tls_name = sentinel->target.tls_name,
                                      .seed_name = settings->target.host,
                                      .address_map = &settings->address_map};
}

/* Returns the node of the map for an address, or a negative code. */
static int locate(cachette__redis_map *map, const cachette__redis_sentinel *sentinel,
                  const cachette__redis_announced *announced) {
  const cachette__redis_map_source source = source_of(sentinel);
  if (announced->host[0] == '\0') return CACHETTE_EINVAL;
  return cachette__redis_map_locate(map, &source, cachette_str(announced->host), announced->port,
                                    NULL);
}

/* Adds the replicas that a sentinel tells of. */
static bool add_replicas(cachette__redis_map *map, const cachette__redis_sentinel *sentinel,
                         unsigned primary) {
  const cachette__redis_rows *replicas = &sentinel->report.replicas;
  for (size_t i = 0; i < replicas->count; i++) {
    int node = locate(map, sentinel, &replicas->rows[i]);
    if (node == CACHETTE_ENOMEM) return false;
    if (node >= 0) map->nodes[node].primary = (uint16_t)primary;
  }
  return true;
}

/* Returns the map with this primary as `sentinel` tells of it. NULL: out of memory. */
static cachette__redis_map *make_map(const cachette__redis_sentinel *sentinel) {
  cachette__redis_map *map = cachette__redis_map_new();
  if (map == NULL) return NULL;
  int primary = locate(map, sentinel, &sentinel->report.primary);
  if (primary >= 0) {
    cachette__redis_map_set_owner(map, 0, CACHETTE__REDIS_SLOTS - 1, (unsigned)primary);
    if (add_replicas(map, sentinel, (unsigned)primary)) {
      cachette__redis_map_link(map);
      return map;
    }
  }
  cachette__redis_map_release(map);
  return NULL;
}

/* Returns whether the map is there and has the same primary. */
static bool has_primary(const cachette__redis_map *map, const cachette__redis_map *other) {
  if (map == NULL) return false;
  const cachette__redis_map_node *node = &other->nodes[other->owner[0]];
  return cachette__redis_map_find(map, cachette_str(node->host), node->port) == map->owner[0];
}

static void choose(cachette__redis_watch *self, const cachette__redis_sentinel *sentinel,
                   uint64_t epoch) {
  unsigned version;
  cachette__redis_map *map = make_map(sentinel);
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
    check_role(self, map, epoch);
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
  int candidate = locate(ballot->map, sentinel, &sentinel->report.primary);
  if (candidate < 0) return;
  ballot->voters[ballot->votes_given] = sentinel;
  ballot->votes[ballot->votes_given++] =
      (cachette__redis_vote){.candidate = (unsigned)candidate,
                             .epoch = sentinel->report.epoch,
                             .id = sentinel->report.primary.id};
}

static void collect(const cachette__redis_watch *self, ballots *ballot) {
  for (size_t i = 0; i < self->sentinel_count; i++) {
    const cachette__redis_sentinel *sentinel = self->sentinels[i];
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
  for (size_t i = 0; i < self->sentinel_count && size < sizeof names; i++) {
    cachette__target_text(&self->sentinels[i]->target, name, sizeof name);
    size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "", name);
  }
  int code = last->code < 0 ? last->code : CACHETTE_EUNAVAILABLE;
  cachette__fail(error, code, NULL, "No sentinel answers (%s): %s", names,
                 last->code < 0 ? last->message : "they are silent.");
}

/* A sentinel that was cut off may name the primary of an older epoch. It needs the majority of all
 * that are known, not only of those that answer. */
static bool is_credible(const cachette__redis_watch *self, const cachette__redis_outcome *outcome) {
  return 2 * outcome->votes > self->sentinel_count ||
         outcome->epoch >= cachette__redis_agreement_epoch(self->agreement);
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
  } else if (outcome->candidate == NO_NODE || !is_credible(self, outcome)) {
    cachette__fail(&error, CACHETTE_EUNAVAILABLE, NULL,
                   "The sentinels do not agree on the primary of \"%.64s\".",
                   self->router->settings->sentinel_name);
    retry(self, &error);
  } else {
    choose(self, find_voter(ballot, outcome->candidate), outcome->epoch);
  }
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
  int64_t passed = cachette__machine_now() - self->started_ms;
  bool is_clear = outcome.candidate != NO_NODE && 2 * outcome.votes > self->sentinel_count;
  bool is_over = ballot.pending == 0 || passed >= answer_ms(self) ||
                 (ballot.votes_given > 0 && passed >= GRACE_MS);
  if (is_clear || is_over) decide(self, &ballot, &outcome);
  cachette__redis_map_release(ballot.map);
}

/* ---- The sentinels ---- */

static const cachette__redis_sentinel_events events;

static bool add(cachette__redis_watch *self, const cachette__target *target, bool is_seed) {
  if (self->sentinel_count == CACHETTE__REDIS_MAX_SENTINELS) return true;
  cachette__redis_sentinel *sentinel =
      cachette__redis_sentinel_new(self->router, target, !is_seed, &events, self);
  if (sentinel == NULL) return false;
  sentinel->is_seed = is_seed;
  self->sentinels[self->sentinel_count++] = sentinel;
  return true;
}

static bool is_member(const cachette__redis_watch *self, const cachette__target *target,
                      const char *id) {
  for (size_t i = 0; i < self->sentinel_count; i++) {
    cachette__redis_sentinel *known = self->sentinels[i];
    bool has_id = id[0] != '\0' && strcmp(known->report.primary.id, id) == 0;
    bool has_address =
        known->target.port == target->port && strcmp(known->target.host, target->host) == 0;
    if (!has_id && !has_address) continue;
    known->is_listed = true;
    return true;
  }
  return false;
}

/* Adds the sentinels that this one knows. A failure does not matter: the next round adds them. */
static void learn_from(cachette__redis_watch *self, const cachette__redis_sentinel *sentinel) {
  const cachette__redis_rows *peers = &sentinel->report.peers;
  cachette__redis_map *map = peers->count > 0 ? cachette__redis_map_new() : NULL;
  for (size_t i = 0; map != NULL && i < peers->count; i++) {
    int found = locate(map, sentinel, &peers->rows[i]);
    if (found < 0) continue;
    const cachette__redis_map_node *node = &map->nodes[found];
    cachette__target target = self->router->settings->target;
    target.host = node->host;
    target.port = node->port;
    target.tls_name = node->tls_name;
    if (!is_member(self, &target, peers->rows[i].id)) {
      size_t last = self->sentinel_count;
      if (add(self, &target, false) && last < self->sentinel_count)
        self->sentinels[last]->is_listed = true;
    }
  }
  cachette__redis_map_release(map);
}

/* Returns whether an earlier member is the same sentinel, under another address. */
static bool is_duplicate(const cachette__redis_watch *self, size_t index) {
  const cachette__redis_sentinel *sentinel = self->sentinels[index];
  const char *id = sentinel->report.primary.id;
  for (size_t i = 0; i < index && id[0] != '\0'; i++)
    if (strcmp(self->sentinels[i]->report.primary.id, id) == 0) return true;
  return false;
}

/* Removes the sentinels that no other one knows any more, and those that are there twice. */
static void forget_others(cachette__redis_watch *self) {
  size_t kept = 0;
  for (size_t i = 0; i < self->sentinel_count; i++) {
    cachette__redis_sentinel *sentinel = self->sentinels[i];
    bool is_needed = sentinel->is_seed || sentinel->is_pending ||
                     ((sentinel->is_listed || sentinel->error.code == CACHETTE_OK) &&
                      !is_duplicate(self, i));
    if (is_needed)
      self->sentinels[kept++] = sentinel;
    else
      cachette__redis_sentinel_close(sentinel, false);
  }
  self->sentinel_count = kept;
}

/* Learns from the answers of the round before. */
static void learn(cachette__redis_watch *self) {
  bool any = false;
  for (size_t i = 0; i < self->sentinel_count; i++) self->sentinels[i]->is_listed = false;
  for (size_t i = 0, known = self->sentinel_count; i < known; i++) {
    const cachette__redis_sentinel *sentinel = self->sentinels[i];
    if (sentinel->is_pending || !sentinel->has_answered || sentinel->error.code < 0) continue;
    learn_from(self, sentinel);
    any = true;
  }
  if (any) forget_others(self);
}

static bool add_seeds(cachette__redis_watch *self) {
  const cachette__redis_settings *settings = self->router->settings;
  for (size_t i = self->sentinel_count; i < settings->seed_count; i++)
    if (!add(self, &settings->seeds[i], true)) return false;
  return true;
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
  cachette__redis_router_refresh(self->router, NO_PLACE);
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
  learn(self);
  if (!add_seeds(self)) {
    fail_memory(self);
    return;
  }
  for (size_t i = 0; i < self->sentinel_count; i++)
    cachette__redis_sentinel_ask(self->sentinels[i], now);
  count(self);
}

/* Closes connections to sentinels that are silent. */
static void give_up_silent(cachette__redis_watch *self, int64_t now) {
  for (size_t i = 0; i < self->sentinel_count; i++) {
    cachette__redis_sentinel *sentinel = self->sentinels[i];
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
                   "%s, the primary that the sentinels name, does not answer.", self->role->name);
    abandon_role(self);
    retry(self, &error);
  }
}

int64_t cachette__redis_round_next(const cachette__redis_watch *self, int64_t now) {
  int64_t passed = now - self->started_ms;
  int64_t next = self->is_asking && passed < GRACE_MS ? GRACE_MS : answer_ms(self);
  return next > passed ? next - passed : 1;
}

void cachette__redis_round_rest(cachette__redis_watch *self) {
  for (size_t i = 0; i < self->sentinel_count; i++)
    cachette__redis_sentinel_close(self->sentinels[i], false);
  self->sentinel_count = 0;
}

void cachette__redis_round_close(cachette__redis_watch *self, bool forked) {
  abandon_role(self);
  for (size_t i = 0; i < self->sentinel_count; i++)
    cachette__redis_sentinel_close(self->sentinels[i], forked);
  self->sentinel_count = 0;
}
