/* SPDX-License-Identifier: MIT */
#include "role.h"

#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"

/* The answer may come late, when nobody waits for it. */
struct cachette__redis_role_check {
  cachette__redis_job job;                 /* must be first */
  cachette__redis_role_answered *answered; /* NULL: abandoned */
  void *owner;
  const char *sentinel_name; /* the name of the primary */
  cachette__redis_map *map;  /* owned */
  uint64_t epoch;
  size_t size; /* of the role */
  bool is_refused;
  char role[16], name[128];
};

static void free_check(cachette__redis_role_check *check) {
  cachette__redis_map_release(check->map);
  cachette__free(check);
}

/* Calls back, and frees the question. */
static void answer(cachette__redis_role_check *check, const cachette_error *error) {
  cachette__redis_map *map = check->map;
  cachette__redis_role_answered *answered = check->answered;
  void *owner = check->owner;
  uint64_t epoch = check->epoch;
  check->map = NULL;
  free_check(check);
  if (error != NULL || answered == NULL) {
    cachette__redis_map_release(map);
    map = NULL;
  }
  if (answered != NULL) answered(owner, map, epoch, error);
}

static void on_completed(cachette__redis_job *job, cachette__redis_node *node,
                         cachette__redis_request *request) {
  cachette__redis_role_check *check = (cachette__redis_role_check *)job;
  cachette_error error;
  (void)node;
  (void)request;
  if (check->is_refused || strcmp(check->role, "master") == 0) {
    answer(check, NULL);
    return;
  }
  cachette__fail(&error, CACHETTE_EUNAVAILABLE, NULL,
                 "The sentinels name %s as the primary of \"%.64s\", but it is a replica.",
                 check->name, check->sentinel_name);
  answer(check, &error);
}

static void on_failed(cachette__redis_job *job, int code, const char *message) {
  cachette_error error;
  cachette__fail(&error, code < 0 ? code : CACHETTE_EUNAVAILABLE, NULL, "%s", message);
  answer((cachette__redis_role_check *)job, &error);
}

static size_t on_encode(cachette__redis_job *job, cachette__redis_node *node,
                        cachette__buffer *output) {
  const cachette_slice word = cachette_str("ROLE");
  (void)job;
  (void)node;
  return cachette__redis_words(output, &word, 1) ? 1 : 0;
}

/* The first word of the reply is the role. */
static void take_word(cachette__redis_role_check *check, const cachette__resp_token *token) {
  size_t left = sizeof check->role - 1 - check->size;
  if (token->bytes.size > left || check->size != token->offset) return;
  if (token->bytes.size > 0)
    memcpy(check->role + check->size, token->bytes.data, token->bytes.size);
  check->size += token->bytes.size;
  if (token->end) check->size = sizeof check->role - 1; /* the others have no space */
}

/* Users may lack the permission for ROLE; then the votes suffice. */
static bool on_take(cachette__redis_job *job, cachette__redis_node *node,
                    const cachette__resp_token *token) {
  cachette__redis_role_check *check = (cachette__redis_role_check *)job;
  bool is_text = token->type == CACHETTE__RESP_BULK || token->type == CACHETTE__RESP_SIMPLE;
  if (token->type == CACHETTE__RESP_ERROR && token->depth == 0) {
    if (token->end) check->is_refused = cachette__redis_error_is_refusal(node);
  } else if (token->depth == 1 && is_text) {
    take_word(check, token);
  }
  return true;
}

static bool on_restart(cachette__redis_job *job) {
  cachette__redis_role_check *check = (cachette__redis_role_check *)job;
  check->size = 0;
  check->is_refused = false;
  memset(check->role, 0, sizeof check->role);
  return true;
}

static const cachette__redis_job_type type = {
    .encode = on_encode,
    .take = on_take,
    .restart = on_restart,
    .completed = on_completed,
    .failed = on_failed,
};

/* Returns the node of the primary, or NULL if out of memory. */
static cachette__redis_node *open_primary(cachette__redis_router *router,
                                          const cachette__redis_map *map) {
  const cachette__redis_map_node *primary = &map->nodes[map->owner[0]];
  size_t place = cachette__redis_place_at(router, primary->host, primary->port, primary->tls_name);
  if (place == CACHETTE__REDIS_NO_PLACE) return NULL;
  return cachette__redis_place_open(router, place);
}

static int push(cachette__redis_node *node, cachette__redis_role_check *check,
                cachette_error *error) {
  const cachette_error *down;
  const char *reason;
  if (cachette__link_connect(&node->pipeline.link, &down) < 0) {
    *error = *down;
    return error->code;
  }
  int code = cachette__redis_push(node, NULL, &check->job, 0, 0, &reason);
  return code < 0 ? cachette__fail(error, code, NULL, "%s", reason) : CACHETTE_OK;
}

int cachette__redis_role_ask(cachette__redis_router *router, cachette__redis_map *map,
                             uint64_t epoch, cachette__redis_role_answered *answered, void *owner,
                             cachette__redis_role_check **check, cachette_error *error) {
  cachette__redis_node *node = open_primary(router, map);
  cachette__redis_role_check *self = node != NULL ? cachette__calloc(1, sizeof *self) : NULL;
  if (self == NULL) {
    cachette__redis_map_release(map);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  self->job = (cachette__redis_job){
      .type = &type, .deadline_ms = INT64_MAX, .awaited = true, .idempotent = true};
  self->answered = answered;
  self->owner = owner;
  self->sentinel_name = router->settings->sentinel_name;
  self->map = map;
  self->epoch = epoch;
  snprintf(self->name, sizeof self->name, "%s", node->pipeline.name);
  int code = push(node, self, error);
  if (code < 0)
    free_check(self);
  else
    *check = self;
  return code;
}

void cachette__redis_role_abandon(cachette__redis_role_check *check) {
  check->answered = NULL;
  check->job.awaited = false;
}

const char *cachette__redis_role_server(const cachette__redis_role_check *check) {
  return check->name;
}
