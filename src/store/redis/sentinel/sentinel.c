/* SPDX-License-Identifier: MIT */
#include "sentinel.h"

#include <stdio.h>
#include <string.h>

#include "../../../base/alloc.h"
#include "../../../base/error.h"
#include "../../../base/slice.h"

/* ---- The job ---- */

static cachette__redis_sentinel *sentinel_of(cachette__redis_job *job) {
  return (cachette__redis_sentinel *)((char *)job - offsetof(cachette__redis_sentinel, job));
}

static bool on_restart(cachette__redis_job *job) {
  cachette__redis_sentinel *self = sentinel_of(job);
  self->error.code = CACHETTE_OK;
  cachette__redis_report_reset(&self->report);
  return true;
}

/* In version 3 of the protocol, a connection with a subscription takes all commands, and the reply
 * to SUBSCRIBE is a push, which is not counted. In version 2 it would take no other command. */
static size_t on_encode(cachette__redis_job *job, cachette__redis_node *node,
                        cachette__buffer *output) {
  cachette__redis_sentinel *self = sentinel_of(job);
  const cachette__redis_settings *settings = self->router->settings;
  const cachette_slice words[] = {cachette_str("SUBSCRIBE"), cachette_str("+switch-master")};
  bool subscribes = node->handshake == CACHETTE__REDIS_HELLO && !self->is_subscribed;
  on_restart(job);
  if (subscribes && !self->is_refused && !cachette__redis_words(output, words, 2)) return 0;
  return cachette__redis_report_ask(output, cachette_str(settings->sentinel_name),
                                    settings->read_from != CACHETTE__REDIS_PRIMARY);
}

/* An error before the confirmation of SUBSCRIBE is the reply to it: one more comes than expected.
 */
static bool take_refusal(cachette__redis_sentinel *self, const cachette__resp_token *token) {
  bool subscribes = self->node.handshake == CACHETTE__REDIS_HELLO && !self->is_subscribed;
  if (!subscribes || self->is_refused) return false;
  if (!token->last) return true;
  cachette__redis_request *request = cachette__pipeline_head(&self->node.pipeline);
  request->base.replies++;
  self->is_refused = true;
  return true;
}

static void take_error(cachette__redis_sentinel *self) {
  char message[256];
  if (self->report.step != CACHETTE__REDIS_ADDRESS) return;
  int code = cachette__redis_explain_error(&self->node, "SENTINEL", (cachette_slice){NULL, 0},
                                           message, sizeof message);
  cachette__fail(&self->error, code, NULL, "%s", message);
}

static bool on_take(cachette__redis_job *job, cachette__redis_node *node,
                    const cachette__resp_token *token) {
  cachette__redis_sentinel *self = sentinel_of(job);
  bool is_error = token->type == CACHETTE__RESP_ERROR && token->depth == 0;
  (void)node;
  if (is_error && take_refusal(self, token)) return true;
  if (is_error && token->end) take_error(self);
  if (!cachette__redis_report_take(&self->report, token))
    cachette__fail(&self->error, CACHETTE_ENOMEM, NULL, NULL);
  return true;
}

static void finish(cachette__redis_sentinel *self) {
  self->is_pending = false;
  self->has_answered = true;
  if (self->owner != NULL) self->events->answered(self->owner, self);
}

static void on_completed(cachette__redis_job *job, cachette__redis_node *node,
                         cachette__redis_request *request) {
  cachette__redis_sentinel *self = sentinel_of(job);
  (void)node;
  (void)request;
  self->works = true;
  if (self->error.code == CACHETTE_OK && !self->report.is_unknown &&
      self->report.primary.host[0] == '\0')
    cachette__fail(&self->error, CACHETTE_EBACKEND, NULL,
                   "%s did not answer as a sentinel does; is it one?", self->node.pipeline.name);
  finish(self);
}

static void on_failed(cachette__redis_job *job, int code, const char *message) {
  cachette__redis_sentinel *self = sentinel_of(job);
  cachette__fail(&self->error, code < 0 ? code : CACHETTE_EUNAVAILABLE, NULL, "%s", message);
  finish(self);
}

static const cachette__redis_job_type type = {
    .encode = on_encode,
    .take = on_take,
    .restart = on_restart,
    .completed = on_completed,
    .failed = on_failed,
};

void cachette__redis_sentinel_ask(cachette__redis_sentinel *self, int64_t now_ms) {
  const cachette_error *error;
  const char *reason;
  if (self->is_pending) return;
  self->has_answered = false;
  self->job = (cachette__redis_job){.type = &type, .deadline_ms = INT64_MAX, .awaited = true};
  on_restart(&self->job);
  int code = cachette__link_connect(&self->node.pipeline.link, &error);
  if (code < 0) {
    self->error = *error;
    self->has_answered = true;
    return;
  }
  code = cachette__redis_push(&self->node, NULL, &self->job, 0, 0, &reason);
  self->asked_ms = now_ms;
  self->is_pending = code == CACHETTE_OK;
  if (code == CACHETTE_OK) return;
  cachette__fail(&self->error, code, NULL, "%s", reason);
  self->has_answered = true;
}

void cachette__redis_sentinel_give_up(cachette__redis_sentinel *self) {
  cachette__link_fail(&self->node.pipeline.link, true, CACHETTE_EUNAVAILABLE,
                      "%s accepted the connection but did not answer.", self->node.pipeline.name);
}

/* ---- What the node tells ---- */

static int on_redirect(void *owner, cachette__redis_node *node, const char *command) {
  (void)owner;
  (void)node;
  (void)command;
  return 0;
}

static void on_take_back(void *owner, cachette__redis_node *node, cachette_op *op, bool was_sent) {
  (void)owner;
  (void)node;
  (void)op;
  (void)was_sent;
}

static void on_joined(void *owner, cachette__redis_node *node) {
  (void)owner;
  (void)node;
}

static void on_lost(void *owner, cachette__redis_node *node) {
  cachette__redis_sentinel *self = owner;
  bool worked = self->works;
  (void)node;
  self->works = self->is_subscribed = self->is_refused = false;
  if (worked && self->owner != NULL) self->events->lost(self->owner);
}

static void on_pushed(void *owner, cachette__redis_node *node, const cachette__resp_token *token) {
  cachette__redis_sentinel *self = owner;
  (void)node;
  cachette_slice name = cachette_str(self->router->settings->sentinel_name);
  switch (cachette__redis_news_take(&self->news, token, name)) {
    case CACHETTE__REDIS_SUBSCRIBED:
      self->is_subscribed = true;
      break;
    case CACHETTE__REDIS_SWITCHED:
      if (self->owner != NULL) self->events->switched(self->owner);
      break;
    default:
      break;
  }
}

static const cachette__redis_upper upper = {
    .redirect = on_redirect,
    .take_back = on_take_back,
    .joined = on_joined,
    .lost = on_lost,
    .pushed = on_pushed,
};

/* What concerns the servers does not concern the sentinels. */
static void on_notice(cachette__events *events, const char *message) {
  (void)events;
  (void)message;
}

static void on_invalidated(cachette__events *events, cachette_slice key) {
  (void)events;
  (void)key;
}

static void on_lost_events(cachette__events *events) { (void)events; }

static cachette__events no_events = {
    .notice = on_notice, .invalidated = on_invalidated, .lost = on_lost_events};

/* ---- Life cycle ---- */

static void free_sentinel(cachette__redis_sentinel *self) {
  cachette__redis_report_reset(&self->report);
  cachette__free(self->host);
  cachette__free(self->tls_name);
  cachette__free(self);
}

static bool copy_strings(cachette__redis_sentinel *self) {
  cachette__target *target = &self->target;
  self->host = cachette__strndup(target->host, strlen(target->host));
  if (self->host != NULL) target->host = self->host;
  if (self->host == NULL || target->tls_name == NULL) return self->host != NULL;
  self->tls_name = cachette__strndup(target->tls_name, strlen(target->tls_name));
  target->tls_name = self->tls_name;
  return self->tls_name != NULL;
}

cachette__redis_sentinel *cachette__redis_sentinel_new(
    cachette__redis_router *router, const cachette__target *target, bool copies,
    const cachette__redis_sentinel_events *events, void *owner) {
  cachette__redis_sentinel *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return NULL;
  self->target = *target;
  if (copies && !copy_strings(self)) {
    free_sentinel(self);
    return NULL;
  }
  self->events = events;
  self->owner = owner;
  self->router = router;
  self->node.settings = router->settings->of_sentinels;
  self->node.upper = &upper;
  self->node.router = (void *)self;
  cachette__redis_node_init(&self->node, router->loop, &self->target, &no_events);
  router->open_handles++;
  return self;
}

static void on_closed(void *owner) {
  cachette__redis_sentinel *self = owner;
  cachette__redis_router *router = self->router;
  free_sentinel(self);
  router->released(router);
}

void cachette__redis_sentinel_close(cachette__redis_sentinel *self, bool forked) {
  self->owner = NULL;
  cachette__redis_node_close(&self->node, forked, on_closed, self);
  if (forked) free_sentinel(self);
}
