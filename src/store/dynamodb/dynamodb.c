/* SPDX-License-Identifier: MIT */
/* The vtable of the DynamoDB store: open, submit, detach, close. */
#include "internal.h"

extern const cachette__store_vtable cachette__dynamodb_store;

/* Frees the client, when nothing is left on the loop. */
static void free_client(void *owner) {
  cachette__dynamo *client = owner;
  cachette__aws_endpoint_deinit(&client->endpoint);
  cachette__free(client);
}

static void on_credentials(void *owner, const cachette_error *error) {
  cachette__dynamo_calls_resume(owner, error);
}

static void open_credentials(cachette__dynamo *client) {
  const cachette__dynamo_settings *settings = client->settings;
  const cachette__aws_context context = {
      .loop = client->loop,
      .http = client->http,
      .folder = settings->folder,
      .endpoint = &client->endpoint,
      .keys = {.id = settings->access_key_id,
               .secret = settings->secret_access_key,
               .token = settings->session_token,
               .expires_ms = INT64_MAX},
      .resume = on_credentials,
      .owner = client,
  };
  cachette__aws_credentials_init(&client->credentials, &context);
}

/* False: out of memory. */
static bool open_parts(cachette__dynamo *client) {
  client->timer = cachette__calloc(1, sizeof *client->timer);
  if (client->timer != NULL) client->http = cachette__http_open(client->loop, free_client, client);
  if (client->http == NULL) {
    cachette__free(client->timer);
    return false;
  }
  uv_timer_init(client->loop, client->timer);
  client->timer->data = client;
  open_credentials(client);
  return true;
}

static int open_dynamodb(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  const cachette__dynamo_settings *settings = (const cachette__dynamo_settings *)context->settings;
  cachette__dynamo *client = cachette__calloc(1, sizeof *client);
  if (client == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  client->base.vtable = &cachette__dynamodb_store;
  client->loop = context->loop;
  client->settings = settings;
  client->random = uv_hrtime() | 1;
  cachette__aws_name(settings->url, settings->region, client->name, sizeof client->name);
  if (!open_parts(client)) {
    cachette__free(client);
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  }
  *store = &client->base;
  return CACHETTE_OK;
}

/* A ping fetches a key. */
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

static void submit(cachette__store *store, cachette_op *op) {
  cachette__dynamo_job_start((cachette__dynamo *)store, op, command_of(op));
}

static void detach(cachette__store *store, cachette_op *op) {
  (void)store;
  cachette__dynamo_job_free((cachette__dynamo_job *)op->priv.below);
}

/* As long as there are no keys, ops wait for their source and not for DynamoDB. */
static const char *server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  cachette__dynamo *client = (cachette__dynamo *)store;
  const char *awaited = cachette__aws_credentials_awaited(&client->credentials);
  return awaited != NULL ? awaited : client->name;
}

/* The number of items is not here: only the server knows it, and it counts every six hours. */
static void stats(cachette__store *store, cachette_stats *stats) {
  stats->retries = (int64_t)((const cachette__dynamo *)store)->retries;
}

static void free_timer(uv_handle_t *timer) { cachette__free(timer); }

static void close_dynamodb(cachette__store *store, bool forked) {
  cachette__dynamo *client = (cachette__dynamo *)store;
  client->closing = true;
  cachette__http_stop(client->http, forked);
  cachette__dynamo_calls_free(client);
  cachette__aws_credentials_deinit(&client->credentials, forked);
  if (forked)
    cachette__free(client->timer);
  else
    uv_close((uv_handle_t *)client->timer, free_timer);
  cachette__http_close(client->http);
}

const cachette__store_vtable cachette__dynamodb_store = {
    .settings = cachette__dynamo_settings_new,
    .open = open_dynamodb,
    .submit = submit,
    .detach = detach,
    .server = server,
    .stats = stats,
    .close = close_dynamodb,
};
