/* SPDX-License-Identifier: MIT */
/* The store: ops become jobs, which make calls until all is done. */
#include <stdlib.h>
#include <time.h>

#include "client.h"

extern const cachette__store_vtable cachette__dynamodb_store;

/* Bytes of an item, names of its attributes included; 400 KB less what two numbers may take. */
enum {
  ITEM_MOST = 400 * 1024 - 2 * 21,
  NAMES = sizeof "keyvalueexpiresexpires_at" - 1,
  RAW = sizeof "raw" - 1
};

/* ---- Reasons ---- */

static void give_reason(cachette__dynamo_job *job, const cachette_error *error) {
  if (!job->has_reason)
    cachette__fail(job->op->error, error->code, error->subject, "%s", error->message);
  job->has_reason = true;
}

void cachette__dynamo_fail_item(cachette__dynamo_job *job, size_t place,
                                const cachette_error *error) {
  job->op->items[place].status = error->code;
  give_reason(job, error);
}

void cachette__dynamo_fail_job(cachette__dynamo_job *job, const cachette_error *error) {
  if (job->code < 0) return;
  job->code = error->code;
  job->has_reason = false;
  give_reason(job, error);
}

void cachette__dynamo_fail_no_memory(cachette__dynamo_job *job) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  cachette__dynamo_fail_job(job, &error);
}

/* ---- Twins ---- */

typedef struct sorted {
  cachette_slice key;
  size_t place;
} sorted;

static int compare_keys(const sorted *left, const sorted *right) {
  if (left->key.size != right->key.size) return left->key.size < right->key.size ? -1 : 1;
  return memcmp(left->key.data, right->key.data, left->key.size);
}

static int compare(const void *left_data, const void *right_data) {
  const sorted *left = left_data, *right = right_data;
  int order = compare_keys(left, right);
  if (order != 0) return order;
  return left->place < right->place ? -1 : 1;
}

/* Has the last item of each key stand for the others. False: out of memory. */
static bool find_twins(cachette__dynamo_job *job) {
  sorted *all = cachette__malloc(job->count * sizeof *all);
  if (all == NULL) return false;
  for (size_t i = 0; i < job->count; i++) all[i] = (sorted){job->entries[i].key.text, i};
  qsort(all, job->count, sizeof *all, compare);
  for (size_t i = job->count - 1; i-- > 0;)
    if (compare_keys(&all[i], &all[i + 1]) == 0)
      job->entries[all[i].place].twin = job->entries[all[i + 1].place].twin;
  cachette__free(all);
  return true;
}

static void settle_twin(cachette_op *op, cachette_item *item, const cachette_item *twin) {
  item->status = twin->status;
  if (op->verb != CACHETTE_FETCH || twin->status != CACHETTE_HIT) return;
  item->ttl_ms = twin->ttl_ms;
  void *place = cachette__item_place(op, item, twin->value.size);
  if (place != NULL && twin->value.size > 0) memcpy(place, twin->value.data, twin->value.size);
}

/* ---- Jobs ---- */

static void free_job(cachette__dynamo_job *job) {
  while (job->calls != NULL) cachette__dynamo_call_abandon(job->calls);
  json_decref(job->items);
  json_decref(job->position);
  cachette__free(job);
}

/* The job is gone then. */
static void finish(cachette__dynamo_job *job) {
  cachette_op *op = job->op;
  int code = job->code;
  for (size_t i = 0; code == CACHETTE_OK && cachette__has_items(op->verb) && i < op->count; i++) {
    cachette_item *item = &op->items[i];
    if (job->entries[i].twin != i) settle_twin(op, item, &op->items[job->entries[i].twin]);
    if (op->verb != CACHETTE_CLEAR_NAMESPACE) op->number += cachette__item_counts(op, item);
  }
  free_job(job);
  cachette__op_complete(op, code);
}

static void link_call(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  call->job = job;
  call->sibling = job->calls;
  call->sibling_link = &job->calls;
  if (call->sibling != NULL) call->sibling->sibling_link = &call->sibling;
  job->calls = call;
  job->open_calls++;
}

static void unlink_call(cachette__dynamo_job *job, cachette__dynamo_call *call) {
  *call->sibling_link = call->sibling;
  if (call->sibling != NULL) call->sibling->sibling_link = call->sibling_link;
  call->sibling_link = NULL;
  job->open_calls--;
}

/* Whether a failed reply is one that the verb has asked for, or is about. */
static bool is_expected(const cachette__dynamo_reply *reply) {
  return reply->code == CACHETTE_OK || reply->code == CACHETTE_ETOOBIG ||
         strcmp(reply->type, "ConditionalCheckFailedException") == 0;
}

static void go_on(cachette__dynamo_job *job);

static enum cachette__dynamo_outcome on_reply(cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  cachette__dynamo_job *job = call->job;
  enum cachette__dynamo_outcome outcome = CACHETTE__DYNAMO_DONE;
  if (is_expected(reply))
    outcome = job->verb->take(job, call, reply);
  else
    cachette__dynamo_fail_job(job, &reply->error);
  if (outcome == CACHETTE__DYNAMO_AGAIN && job->code == CACHETTE_OK) return outcome;
  unlink_call(job, call);
  go_on(job);
  return CACHETTE__DYNAMO_DONE;
}

/* Makes the calls that may be made; ends the job if there are none. */
static void go_on(cachette__dynamo_job *job) {
  size_t width = job->in_order ? 1 : job->verb->width;
  while (job->code == CACHETTE_OK && job->open_calls < width && job->verb->wants(job)) {
    cachette__dynamo_call *call = cachette__dynamo_call_new(job->client, "");
    if (call == NULL) {
      cachette__dynamo_fail_no_memory(job);
      break;
    }
    call->deadline_ms = job->op->priv.deadline_ms;
    call->done = on_reply;
    link_call(job, call);
    job->verb->write(job, call);
    cachette__dynamo_call_submit(call);
  }
  if (job->open_calls == 0 || job->code < 0) finish(job);
}

/* ---- Their making ---- */

static const cachette__dynamo_verb *verb_of(const cachette_op *op) {
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
      return &cachette__dynamo_clear;
    case CACHETTE_CLEAR_NAMESPACE:
    case CACHETTE_FLUSH:
    case CACHETTE_FLUSH_EXPIRED:
      return &cachette__dynamo_sweep;
    case CACHETTE_PING:
      break;
  }
  return &cachette__dynamo_fetch;
}

/* The key of an entry: of an item, or what is read to see whether the server answers. */
static cachette_slice key_of(const cachette_op *op, size_t place) {
  return op->verb == CACHETTE_PING ? cachette_str("ping") : op->items[place].key;
}

/* A namespace is no key: what its keys begin with is kept as it is, as if it were the raw form. */
static char *make_head(cachette_slice prefix, cachette_slice name, char *at,
                       cachette__dynamo_key *head) {
  char *end = at + prefix.size + name.size + 1;
  if (prefix.size > 0) memcpy(at, prefix.data, prefix.size);
  memcpy(at + prefix.size, name.data, name.size);
  end[-1] = ':';
  *head = (cachette__dynamo_key){.raw = {at, (size_t)(end - at)}};
  return end;
}

static bool is_too_big(const cachette__dynamo_key *key, const cachette_item *item) {
  size_t size = NAMES + key->text.size + (key->raw.size > 0 ? RAW + key->raw.size : 0);
  return item->value.size > ITEM_MOST || size + item->value.size > ITEM_MOST;
}

/* A key that is in the op twice is in a batch once; key by key its calls go one after another. */
static bool settle_order(cachette__dynamo_job *job) {
  for (size_t i = 0; i < job->count && !job->verb->batches; i++) {
    if (job->entries[i].twin == i) continue;
    job->entries[i].twin = i;
    job->in_order = true;
  }
  return true;
}

static bool make_entries(cachette__dynamo_job *job, char *at) {
  const cachette_op *op = job->op;
  cachette_slice prefix = cachette_str(job->client->settings->prefix);
  bool is_name = op->verb == CACHETTE_CLEAR_NAMESPACE;
  for (size_t i = 0; i < job->count && at != NULL; i++) {
    cachette__dynamo_entry *entry = &job->entries[i];
    entry->twin = i;
    at = is_name ? make_head(prefix, key_of(op, i), at, &entry->key)
                 : cachette__dynamo_key_make(prefix, key_of(op, i), at, &entry->key);
    if (at != NULL && op->verb == CACHETTE_PUT)
      entry->too_big = is_too_big(&entry->key, &op->items[i]);
  }
  if (at == NULL) return false;
  return is_name || job->count < 2 || (find_twins(job) && settle_order(job));
}

static cachette__dynamo_job *new_job(cachette__dynamo *client, cachette_op *op) {
  cachette_slice prefix = cachette_str(client->settings->prefix);
  size_t count = op->verb == CACHETTE_PING ? 1 : cachette__has_items(op->verb) ? op->count : 0;
  size_t room = 0;
  for (size_t i = 0; i < count; i++)
    room += cachette__dynamo_key_room(prefix, key_of(op, i)) + sizeof ":";
  cachette__dynamo_job *job =
      cachette__calloc(1, sizeof *job + count * sizeof *job->entries + room);
  if (job == NULL) return NULL;
  job->client = client;
  job->op = op;
  job->verb = verb_of(op);
  job->count = count;
  if (make_entries(job, (char *)&job->entries[count])) return job;
  cachette__free(job);
  return NULL;
}

/* ---- The vtable ---- */

static int check(const cachette_options *options, cachette_error *error) {
  cachette__dynamo_settings *settings;
  int code = cachette__dynamo_settings_new(options, &settings, error);
  if (code == CACHETTE_OK) cachette__dynamo_settings_free(settings);
  return code;
}

/* The last of it, when nothing of its is on the loop any more. */
static void forget(void *owner) {
  cachette__dynamo *client = owner;
  cachette__aws_endpoint_deinit(&client->endpoint);
  cachette__free(client);
}

static int open_parts(cachette__dynamo *client) {
  client->timer = cachette__calloc(1, sizeof *client->timer);
  client->credentials = cachette__aws_credentials_new(client);
  if (client->timer != NULL && client->credentials != NULL)
    client->http = cachette__http_open(client->loop, forget, client);
  if (client->http == NULL) {
    cachette__aws_credentials_free(client->credentials, false);
    cachette__free(client->timer);
    return CACHETTE_ENOMEM;
  }
  uv_timer_init(client->loop, client->timer);
  client->timer->data = client;
  return CACHETTE_OK;
}

static int open_dynamodb(const cachette__store_context *context, cachette__store **store,
                         cachette_error *error) {
  cachette__dynamo *client = cachette__calloc(1, sizeof *client);
  if (client == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  client->base.vtable = &cachette__dynamodb_store;
  client->loop = context->loop;
  client->random = uv_hrtime() | 1;
  int code = cachette__dynamo_settings_new(context->options, &client->settings, error);
  if (code == CACHETTE_OK)
    cachette__aws_name(client->settings->url, client->settings->region, client->name,
                       sizeof client->name);
  if (code == CACHETTE_OK && (code = open_parts(client)) < 0) {
    cachette__dynamo_settings_free(client->settings);
    cachette__fail(error, code, NULL, NULL);
  }
  if (code < 0)
    cachette__free(client);
  else
    *store = &client->base;
  return code;
}

static void submit(cachette__store *store, cachette_op *op) {
  cachette__dynamo_job *job = new_job((cachette__dynamo *)store, op);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->priv.below = (uintptr_t)job;
  go_on(job);
}

static void detach(cachette__store *store, cachette_op *op) {
  (void)store;
  free_job((cachette__dynamo_job *)op->priv.below);
}

/* Until there are keys it is not DynamoDB that lets wait. */
static const char *server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  const cachette__dynamo *client = (const cachette__dynamo *)store;
  const char *awaited = cachette__aws_credentials_awaited(client->credentials);
  return awaited != NULL ? awaited : client->name;
}

/* What the table holds the server would have to be asked, and it counts every six hours only. */
static void stats(cachette__store *store, cachette_stats *stats) {
  stats->retries = (int64_t)((const cachette__dynamo *)store)->retries;
}

static void free_timer(uv_handle_t *timer) { cachette__free(timer); }

static void close_dynamodb(cachette__store *store, bool forked) {
  cachette__dynamo *client = (cachette__dynamo *)store;
  client->closing = true;
  cachette__http_stop(client->http, forked);
  cachette__dynamo_calls_drop(client);
  cachette__aws_credentials_free(client->credentials, forked);
  cachette__dynamo_settings_free(client->settings);
  if (forked)
    cachette__free(client->timer);
  else
    uv_close((uv_handle_t *)client->timer, free_timer);
  cachette__http_close(client->http);
}

const cachette__store_vtable cachette__dynamodb_store = {
    .name = "dynamodb",
    .check = check,
    .open = open_dynamodb,
    .submit = submit,
    .detach = detach,
    .server = server,
    .stats = stats,
    .close = close_dynamodb,
};
