/* SPDX-License-Identifier: MIT */
/* Calls of DynamoDB's API: each waits for the endpoint, the table and the keys, is signed and sent,
 * and is resent after errors. */
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

enum {
  BACK_OFF_MIN_MS = 20,
  BACK_OFF_MAX_MS = 1000,
  SKEW_MS = 60 * 1000, /* a larger clock difference is corrected; AWS accepts 5 minutes */
  GRACE_MS = 20        /* after the op's deadline, so that the core's time-out comes first */
};

/* ---- Lists ---- */

static void add_to_list(cachette__dynamo_call **list, cachette__dynamo_call *call) {
  call->next = *list;
  call->link = list;
  if (call->next != NULL) call->next->link = &call->next;
  *list = call;
}

static void remove_from_list(cachette__dynamo_call *call) {
  if (call->link == NULL) return;
  *call->link = call->next;
  if (call->next != NULL) call->next->link = call->link;
  call->link = NULL;
}

cachette__dynamo_call *cachette__dynamo_call_new(cachette__dynamo *store, const char *action) {
  cachette__dynamo_call *call = cachette__calloc(1, sizeof *call);
  if (call == NULL) return NULL;
  call->store = store;
  call->action = action;
  call->deadline_ms = INT64_MAX;
  return call;
}

static void free_call(cachette__dynamo_call *call) {
  remove_from_list(call);
  cachette__http_cancel(&call->request);
  cachette__text_deinit(&call->body);
  cachette__free(call->indices);
  cachette__free(call);
}

void cachette__dynamo_call_abandon(cachette__dynamo_call *call) {
  call->done = NULL;
  if (!call->is_sent || call->store->closing) free_call(call);
}

static void free_list(cachette__dynamo_call *list) {
  while (list != NULL) {
    cachette__dynamo_call *next = list->next;
    list->link = NULL; /* the whole list is freed */
    free_call(list);
    list = next;
  }
}

void cachette__dynamo_calls_free(cachette__dynamo *store) {
  free_list(store->waiting);
  free_list(store->sleeping);
  free_list(store->sent);
  store->waiting = store->sleeping = store->sent = store->table_call = NULL;
}

/* ---- Sleep ---- */

static void wake(uv_timer_t *timer);

static void arm_timer(cachette__dynamo *store) {
  int64_t due = INT64_MAX, now = cachette__machine_now();
  for (const cachette__dynamo_call *call = store->sleeping; call != NULL; call = call->next)
    if (call->due_ms < due) due = call->due_ms;
  if (due == INT64_MAX) return;
  uv_update_time(store->loop);
  uv_timer_start(store->timer, wake, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void sleep_for(cachette__dynamo_call *call, int64_t pause_ms) {
  cachette__dynamo *store = call->store;
  remove_from_list(call);
  call->due_ms = cachette__machine_now() + pause_ms;
  add_to_list(&store->sleeping, call);
  arm_timer(store);
}

/* Fails a call from the loop's next turn, because a submit must not call `done`. */
static void fail_later(cachette__dynamo_call *call, const cachette_error *error) {
  call->error = *error;
  sleep_for(call, 0);
}

static void fail_no_memory(cachette__dynamo_call *call) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  fail_later(call, &error);
}

/* xorshift64*: random enough for back-offs. */
static uint64_t next_random(cachette__dynamo *store) {
  uint64_t x = store->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  store->random = x;
  return (x * UINT64_C(0x2545f4914f6cdd1d)) >> 16;
}

int64_t cachette__dynamo_back_off(cachette__dynamo *store, unsigned tries) {
  int64_t limit = BACK_OFF_MIN_MS;
  while (tries-- > 0 && limit < BACK_OFF_MAX_MS) limit *= 2;
  if (limit > BACK_OFF_MAX_MS) limit = BACK_OFF_MAX_MS;
  return (int64_t)(next_random(store) % (uint64_t)(limit + 1));
}

/* ---- End ---- */

static void try_to_send(cachette__dynamo_call *call);

static void end_call(cachette__dynamo_call *call, const cachette__dynamo_reply *reply) {
  if (call->done == NULL || call->done(call, reply) == CACHETTE__DYNAMO_DONE) {
    free_call(call);
    return;
  }
  call->tries = 0;
  call->error.code = CACHETTE_OK;
  if (call->pause_ms > 0)
    sleep_for(call, call->pause_ms);
  else
    try_to_send(call);
}

static void end_with_error(cachette__dynamo_call *call) {
  cachette__dynamo_reply reply = {.code = call->error.code, .error = call->error};
  end_call(call, &reply);
}

static cachette__dynamo_call *find_due(cachette__dynamo *store, int64_t now) {
  for (cachette__dynamo_call *call = store->sleeping; call != NULL; call = call->next)
    if (call->due_ms <= now) return call;
  return NULL;
}

static void wake(uv_timer_t *timer) {
  cachette__dynamo *store = timer->data;
  int64_t now = cachette__machine_now();
  cachette__dynamo_call *call;
  while ((call = find_due(store, now)) != NULL) {
    remove_from_list(call);
    if (call->error.code < 0)
      end_with_error(call);
    else
      try_to_send(call);
  }
  arm_timer(store);
}

/* ---- Sending ---- */

static void on_response(cachette__http_request *request);

/* Writes the date header for the signature, by the server's clock. */
static void write_date(cachette__dynamo_call *call, char *line, size_t size) {
  call->sent_ms = cachette__epoch_now();
  call->skew_ms = call->store->skew_ms;
  time_t seconds = (time_t)((call->sent_ms + call->skew_ms) / 1000);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  strftime(line, size, "X-Amz-Date: %Y%m%dT%H%M%SZ", &parts);
}

static bool add_headers(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  cachette__http_request *request = &call->request;
  char target[64], date[48];
  snprintf(target, sizeof target, "X-Amz-Target: DynamoDB_20120810.%s", call->action);
  write_date(call, date, sizeof date);
  return cachette__http_header(request, "Content-Type: application/x-amz-json-1.0") &&
         cachette__http_header(request, "Accept-Encoding: identity") &&
         cachette__http_header(request, target) && cachette__http_header(request, date) &&
         (keys->token == NULL ||
          cachette__http_secret_header(request, "X-Amz-Security-Token", keys->token));
}

static bool set_options(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  const cachette__dynamo_settings *settings = call->store->settings;
  CURL *easy = call->request.easy;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->verify ? 2L : 0L);
  if (settings->ca_file != NULL) curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
  if (settings->cert_file != NULL) curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->cert_file);
  if (settings->key_file != NULL) curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key_file);
  return curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, call->store->endpoint.signature) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_USERNAME, keys->id) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PASSWORD, keys->secret) == CURLE_OK;
}

static bool send_call(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  cachette__dynamo *store = call->store;
  cachette__http_request *request = &call->request;
  int64_t left = call->deadline_ms - cachette__machine_now();
  if (call->body.failed) return false;
  if (!cachette__http_begin(store->http, request, store->endpoint.url)) return false;
  request->done = on_response;
  request->send_once = !call->is_idempotent;
  if (!set_options(call, keys) || !add_headers(call, keys) ||
      !cachette__http_send(request, &call->body, (left > 0 ? left : 0) + GRACE_MS)) {
    cachette__http_cancel(request);
    return false;
  }
  call->key_generation = keys->generation;
  call->tries++;
  call->is_sent = true;
  add_to_list(&store->sent, call);
  return true;
}

/* Finds the endpoint, unless it is known. */
static int find_endpoint(cachette__dynamo *store, cachette_error *error) {
  if (store->endpoint.url != NULL) return CACHETTE_OK;
  const cachette__dynamo_settings *settings = store->settings;
  int code = cachette__aws_endpoint_find(settings->url, settings->region, settings->folder,
                                         &store->endpoint, error);
  if (code < 0) return code;
  const cachette__aws_endpoint *endpoint = &store->endpoint;
  cachette__aws_server_name(endpoint->is_aws ? NULL : endpoint->url, endpoint->region, store->name,
                            sizeof store->name);
  return CACHETTE_OK;
}

static void try_to_send(cachette__dynamo_call *call) {
  cachette__dynamo *store = call->store;
  const cachette__aws_keys *keys;
  cachette_error error;
  remove_from_list(call);
  int code = find_endpoint(store, &error);
  if (code == CACHETTE_OK && call->table_is_ready != NULL && !call->table_is_ready(store)) code = 1;
  if (code == CACHETTE_OK) code = cachette__aws_credentials_get(&store->credentials, &keys, &error);
  if (code > 0)
    add_to_list(&store->waiting, call);
  else if (code < 0)
    fail_later(call, &error);
  else if (!send_call(call, keys))
    fail_no_memory(call);
}

void cachette__dynamo_call_submit(cachette__dynamo_call *call) { try_to_send(call); }

void cachette__dynamo_calls_resume(cachette__dynamo *store, const cachette_error *error) {
  cachette__dynamo_call *call, *all = store->waiting;
  store->waiting = NULL;
  if (all != NULL) all->link = &all;
  while ((call = all) != NULL) {
    remove_from_list(call);
    if (error != NULL)
      fail_later(call, error);
    else
      try_to_send(call);
  }
}

/* ---- Responses ---- */

/* Adopts the server's clock if it differs so much that signatures may be invalid. Returns whether
 * it did; at most once per call. */
static bool set_clock(cachette__dynamo_call *call) {
  cachette__dynamo *store = call->store;
  if (call->has_set_clock || call->request.server_ms == 0) return false;
  int64_t skew = call->request.server_ms - call->sent_ms;
  if (llabs(skew - call->skew_ms) < SKEW_MS) return false;
  store->skew_ms = skew;
  call->has_set_clock = true;
  return true;
}

/* Makes the resend check the table again, once per call. Returns whether it will. */
static bool check_table(cachette__dynamo_call *call) {
  if (call->table_is_ready == NULL || call->has_checked_table) return false;
  call->has_checked_table = true;
  if (call->store->table == CACHETTE__DYNAMO_READY) call->store->table = CACHETTE__DYNAMO_UNKNOWN;
  return true;
}

static bool renew_keys(cachette__dynamo_call *call) {
  if (call->has_renewed_keys) return false;
  call->has_renewed_keys = true;
  return cachette__aws_credentials_renew(&call->store->credentials, call->key_generation);
}

/* Applies the remedy. Returns whether a resend may help. */
static bool apply_remedy(cachette__dynamo_call *call, enum cachette__dynamo_remedy remedy) {
  switch (remedy) {
    case CACHETTE__DYNAMO_GIVE_UP:
      break;
    case CACHETTE__DYNAMO_BACK_OFF:
      return true;
    case CACHETTE__DYNAMO_SET_CLOCK:
      return set_clock(call);
    case CACHETTE__DYNAMO_RENEW_KEYS:
      return renew_keys(call);
    case CACHETTE__DYNAMO_CHECK_TABLE:
      return check_table(call);
  }
  return false;
}

static void on_response(cachette__http_request *request) {
  cachette__dynamo_call *call =
      (cachette__dynamo_call *)((char *)request - offsetof(cachette__dynamo_call, request));
  cachette__dynamo_reply reply;
  remove_from_list(call);
  call->is_sent = false;
  if (call->done == NULL) {
    free_call(call);
    return;
  }
  enum cachette__dynamo_remedy remedy = cachette__dynamo_read_reply(call, &reply);
  bool resend = apply_remedy(call, remedy);
  int64_t pause = remedy == CACHETTE__DYNAMO_BACK_OFF
                      ? cachette__dynamo_back_off(call->store, call->tries - 1)
                      : 0;
  if (!resend || cachette__machine_now() + pause >= call->deadline_ms) {
    end_call(call, &reply);
  } else {
    call->store->retries++;
    if (pause > 0)
      sleep_for(call, pause);
    else
      try_to_send(call);
  }
  json_decref(reply.json);
}
