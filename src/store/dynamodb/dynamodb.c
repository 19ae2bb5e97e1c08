/* SPDX-License-Identifier: MIT */
/* The vtable: open, submit, detach, close. */
#include "internal.h"

extern const cachette__store_vtable cachette__dynamodb_store;

/* Frees the store, when none of its handles is left on the loop. */
static void free_store(void *owner) {
  cachette__dynamo *self = owner;
  cachette__aws_endpoint_deinit(&self->endpoint);
  cachette__free(self);
}

static void on_credentials(void *owner, const cachette_error *error) {
  cachette__dynamo_calls_resume(owner, error);
}

static void open_credentials(cachette__dynamo *self) {
  const cachette__dynamo_settings *settings = self->settings;
  const cachette__aws_context context = {
      .loop = self->loop,
      .http = self->http,
      .folder = settings->folder,
      .endpoint = &self->endpoint,
      .keys = {.id = settings->access_key_id,
               .secret = settings->secret_access_key,
               .token = settings->session_token,
               .expires_ms = INT64_MAX},
      .resume = on_credentials,
      .owner = self,
  };
  cachette__aws_credentials_init(&self->credentials, &context);
}

/* False: out of memory. */
static bool open_parts(cachette__dynamo *self) {
  self->timer = cachette__calloc(1, sizeof *self->timer);
  if (self->timer != NULL) self->http = cachette__http_open(self->loop, free_store, self);
  if (self->http == NULL) {
    cachette__free(self->timer);
    return false;
  }
  uv_timer_init(self->loop, self->timer);
  self->timer->data = self;
  open_credentials(self);
  return true;
}

static int dynamodb_open(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  const cachette__dynamo_settings *settings = (const cachette__dynamo_settings *)context->settings;
  cachette__dynamo *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__dynamodb_store;
  self->loop = context->loop;
  self->settings = settings;
  self->random = uv_hrtime() | 1;
  cachette__aws_server_name(settings->url, settings->region, self->name, sizeof self->name);
  if (!open_parts(self)) {
    cachette__free(self);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  *store = &self->base;
  return CACHETTE_OK;
}

/* Returns the command for an op. A ping fetches a key. */
static const cachette__dynamo_command *command_of(const cachette_op *op) {
  switch (op->verb) {
    case CACHETTE_FETCH:
    case CACHETTE_EXISTS:
      return op->count == 1 ? &cachette__dynamo_fetch : &cachette__dynamo_fetch_many;
    case CACHETTE_PUT:
      if (op->flags & CACHETTE_IF_ABSENT) return &cachette__dynamo_add;
      return op->count == 1 ? &cachette__dynamo_put : &cachette__dynamo_put_many;
    case CACHETTE_TOUCH:
      return &cachette__dynamo_touch;
    case CACHETTE_INCREMENT:
      return &cachette__dynamo_increment;
    case CACHETTE_CLEAR:
      return &cachette__dynamo_delete;
    case CACHETTE_CLEAR_NAMESPACE:
    case CACHETTE_FLUSH:
    case CACHETTE_FLUSH_EXPIRED:
      return &cachette__dynamo_clear;
    case CACHETTE_PING:
      break;
  }
  return &cachette__dynamo_fetch;
}

static void dynamodb_submit(cachette__store *store, cachette_op *op) {
  cachette__dynamo_job_start((cachette__dynamo *)store, op, command_of(op));
}

static void dynamodb_detach(cachette__store *store, cachette_op *op) {
  (void)store;
  cachette__dynamo_job_free((cachette__dynamo_job *)op->priv.below);
}

/* Without access keys, ops wait for the source of the keys and not for DynamoDB. */
static const char *dynamodb_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  cachette__dynamo *self = (cachette__dynamo *)store;
  const char *awaited = cachette__aws_credentials_awaited(&self->credentials);
  return awaited != NULL ? awaited : self->name;
}

/* The number of items is unknown: the server counts them only every six hours. */
static void dynamodb_stats(cachette__store *store, cachette_stats *stats) {
  stats->retries = (int64_t)((const cachette__dynamo *)store)->retries;
}

static void free_timer(uv_handle_t *timer) { cachette__free(timer); }

static void dynamodb_close(cachette__store *store, bool forked) {
  cachette__dynamo *self = (cachette__dynamo *)store;
  self->closing = true;
  cachette__http_stop(self->http, forked);
  cachette__dynamo_calls_free(self);
  cachette__aws_credentials_deinit(&self->credentials, forked);
  if (forked)
    cachette__free(self->timer);
  else
    uv_close((uv_handle_t *)self->timer, free_timer);
  cachette__http_close(self->http);
}

const cachette__store_vtable cachette__dynamodb_store = {
    .settings = cachette__dynamo_settings_new,
    .open = dynamodb_open,
    .submit = dynamodb_submit,
    .detach = dynamodb_detach,
    .server = dynamodb_server,
    .stats = dynamodb_stats,
    .close = dynamodb_close,
};
