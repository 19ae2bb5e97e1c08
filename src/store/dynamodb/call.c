/* SPDX-License-Identifier: MIT */
/* A call of DynamoDB's API: when it may go, how it is signed and sent, and when it is sent again.
 */
#include <stdio.h>
#include <zlib.h>

#include "client.h"

enum {
  PAUSE_BASE_MS = 20,
  PAUSE_MOST_MS = 1000,
  TRIES_MOST = 12,     /* of what the server asks to try again */
  TRIES_BROKEN = 3,    /* of what broke on its way */
  SKEW_MS = 60 * 1000, /* of clocks, before it is corrected: AWS bears 5 minutes */
  GRACE_MS = 20        /* so that an op's own deadline comes first, and says what it says */
};

/* ---- Lists ---- */

static void put_into(cachette__dynamo_call **list, cachette__dynamo_call *call) {
  call->next = *list;
  call->link = list;
  if (call->next != NULL) call->next->link = &call->next;
  *list = call;
}

static void take_out(cachette__dynamo_call *call) {
  if (call->link == NULL) return;
  *call->link = call->next;
  if (call->next != NULL) call->next->link = call->link;
  call->link = NULL;
}

cachette__dynamo_call *cachette__dynamo_call_new(cachette__dynamo *client, const char *action) {
  cachette__dynamo_call *call = cachette__calloc(1, sizeof *call);
  if (call == NULL) return NULL;
  call->client = client;
  call->action = action;
  call->deadline_ms = INT64_MAX;
  return call;
}

static void free_call(cachette__dynamo_call *call) {
  take_out(call);
  if (call->sibling_link != NULL) {
    *call->sibling_link = call->sibling;
    if (call->sibling != NULL) call->sibling->sibling_link = call->sibling_link;
  }
  cachette__http_drop(&call->request);
  cachette__text_deinit(&call->body);
  cachette__free(call->places);
  cachette__free(call);
}

void cachette__dynamo_call_abandon(cachette__dynamo_call *call) {
  call->done = NULL;
  if (call->sibling_link != NULL) {
    *call->sibling_link = call->sibling;
    if (call->sibling != NULL) call->sibling->sibling_link = call->sibling_link;
    call->sibling_link = NULL;
  }
  if (!call->is_sent || call->client->closing) free_call(call);
}

static void drop_list(cachette__dynamo_call *list) {
  while (list != NULL) {
    cachette__dynamo_call *next = list->next;
    list->link = NULL; /* the list itself goes */
    free_call(list);
    list = next;
  }
}

void cachette__dynamo_calls_drop(cachette__dynamo *client) {
  drop_list(client->waiting);
  drop_list(client->sleeping);
  drop_list(client->sent);
  client->waiting = client->sleeping = client->sent = client->table_call = NULL;
}

/* ---- Sleep ---- */

static void wake(uv_timer_t *timer);

static void arm_timer(cachette__dynamo *client) {
  int64_t due = INT64_MAX, now = cachette__machine_now();
  for (const cachette__dynamo_call *call = client->sleeping; call != NULL; call = call->next)
    if (call->due_ms < due) due = call->due_ms;
  if (due == INT64_MAX) return;
  uv_update_time(client->loop);
  uv_timer_start(client->timer, wake, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void sleep_for(cachette__dynamo_call *call, int64_t pause_ms) {
  cachette__dynamo *client = call->client;
  take_out(call);
  call->due_ms = cachette__machine_now() + pause_ms;
  put_into(&client->sleeping, call);
  arm_timer(client);
}

/* Ends it, in a while: nothing is called from inside a submit. */
static void end_later(cachette__dynamo_call *call, const cachette_error *error) {
  call->error = *error;
  sleep_for(call, 0);
}

static void end_without_memory(cachette__dynamo_call *call) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  end_later(call, &error);
}

/* xorshift64*; where clients pause it is not worth more. */
static uint64_t draw(cachette__dynamo *client) {
  uint64_t x = client->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  client->random = x;
  return (x * UINT64_C(0x2545f4914f6cdd1d)) >> 16;
}

int64_t cachette__dynamo_jitter(cachette__dynamo *client, unsigned tries) {
  int64_t most = PAUSE_BASE_MS;
  while (tries-- > 0 && most < PAUSE_MOST_MS) most *= 2;
  if (most > PAUSE_MOST_MS) most = PAUSE_MOST_MS;
  return (int64_t)(draw(client) % (uint64_t)(most + 1));
}

/* ---- Its end ---- */

static void go(cachette__dynamo_call *call);

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
    go(call);
}

static void end_with_error(cachette__dynamo_call *call) {
  cachette__dynamo_reply reply = {.code = call->error.code, .type = "", .error = call->error};
  end_call(call, &reply);
}

static cachette__dynamo_call *find_due(cachette__dynamo *client, int64_t now) {
  for (cachette__dynamo_call *call = client->sleeping; call != NULL; call = call->next)
    if (call->due_ms <= now) return call;
  return NULL;
}

static void wake(uv_timer_t *timer) {
  cachette__dynamo *client = timer->data;
  int64_t now = cachette__machine_now();
  cachette__dynamo_call *call;
  while ((call = find_due(client, now)) != NULL) {
    take_out(call);
    if (call->error.code < 0)
      end_with_error(call);
    else
      go(call);
  }
  arm_timer(client);
}

/* ---- Sending ---- */

static void on_answer(cachette__http_request *request);

/* The time that it is signed for, by the server's clock. */
static void print_time(cachette__dynamo_call *call, char *line, size_t size) {
  call->sent_ms = cachette__epoch_now();
  call->skew_ms = call->client->skew_ms;
  time_t seconds = (time_t)((call->sent_ms + call->skew_ms) / 1000);
  struct tm parts;
  gmtime_r(&seconds, &parts);
  strftime(line, size, "X-Amz-Date: %Y%m%dT%H%M%SZ", &parts);
}

static bool add_token(cachette__http_request *request, const char *token) {
  if (token == NULL) return true;
  cachette__text line = {0};
  cachette__text_printf(&line, "X-Amz-Security-Token: %s", token);
  bool fine = !line.failed && cachette__http_header(request, line.bytes);
  if (line.bytes != NULL) cachette__wipe(line.bytes, line.size);
  cachette__text_deinit(&line);
  return fine;
}

static bool add_headers(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  cachette__http_request *request = &call->request;
  char target[64], date[48];
  snprintf(target, sizeof target, "X-Amz-Target: DynamoDB_20120810.%s", call->action);
  print_time(call, date, sizeof date);
  return cachette__http_header(request, "Content-Type: application/x-amz-json-1.0") &&
         cachette__http_header(request, "Accept-Encoding: identity") &&
         cachette__http_header(request, target) && cachette__http_header(request, date) &&
         add_token(request, keys->token);
}

static bool set_options(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  const cachette__dynamo_settings *settings = call->client->settings;
  CURL *easy = call->request.easy;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->verify ? 2L : 0L);
  if (settings->ca_file != NULL) curl_easy_setopt(easy, CURLOPT_CAINFO, settings->ca_file);
  if (settings->cert_file != NULL) curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->cert_file);
  if (settings->key_file != NULL) curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->key_file);
  return curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, call->client->endpoint.signature) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_USERNAME, keys->id) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PASSWORD, keys->secret) == CURLE_OK;
}

static bool send_call(cachette__dynamo_call *call, const cachette__aws_keys *keys) {
  cachette__dynamo *client = call->client;
  cachette__http_request *request = &call->request;
  int64_t left = call->deadline_ms - cachette__machine_now();
  if (call->body.failed) return false;
  if (!cachette__http_begin(client->http, request, client->endpoint.url)) return false;
  request->done = on_answer;
  request->once = !call->is_safe;
  if (!set_options(call, keys) || !add_headers(call, keys) ||
      !cachette__http_send(request, &call->body, (left > 0 ? left : 0) + GRACE_MS)) {
    cachette__http_drop(request);
    return false;
  }
  call->keys = keys->number;
  call->tries++;
  call->is_sent = true;
  put_into(&client->sent, call);
  return true;
}

int cachette__dynamo_locate(cachette__dynamo *client, cachette_error *error) {
  if (client->endpoint.url != NULL) return CACHETTE_OK;
  const cachette__dynamo_settings *settings = client->settings;
  int code = cachette__aws_locate(settings->url, settings->region, settings->folder,
                                  &client->endpoint, error);
  if (code < 0) return code;
  const cachette__aws_endpoint *endpoint = &client->endpoint;
  cachette__aws_name(endpoint->is_aws ? NULL : endpoint->url, endpoint->region, client->name,
                     sizeof client->name);
  return CACHETTE_OK;
}

static void go(cachette__dynamo_call *call) {
  cachette__dynamo *client = call->client;
  const cachette__aws_keys *keys;
  cachette_error error;
  take_out(call);
  int code = cachette__dynamo_locate(client, &error);
  if (code == CACHETTE_OK && !call->is_setup && !cachette__dynamo_table_is_ready(client)) code = 1;
  if (code == CACHETTE_OK) code = cachette__aws_credentials_get(client->credentials, &keys, &error);
  if (code > 0)
    put_into(&client->waiting, call);
  else if (code < 0)
    end_later(call, &error);
  else if (!send_call(call, keys))
    end_without_memory(call);
}

void cachette__dynamo_call_submit(cachette__dynamo_call *call) { go(call); }

void cachette__dynamo_calls_resume(cachette__dynamo *client, const cachette_error *error) {
  cachette__dynamo_call *call, *all = client->waiting;
  client->waiting = NULL;
  if (all != NULL) all->link = &all;
  while ((call = all) != NULL) {
    take_out(call);
    if (error != NULL)
      end_later(call, error);
    else
      go(call);
  }
}

/* ---- What came back ---- */

/* What is to be done about a reply that is none, or an error. */
enum remedy { GIVE, RETRY, RETRY_NOW };

static bool is_among(const char *type, const char *const *types) {
  for (; *types != NULL; types++)
    if (strcmp(type, *types) == 0) return true;
  return false;
}

static bool is_throttling(const char *type) {
  static const char *const types[] = {"ProvisionedThroughputExceededException",
                                      "ThrottlingException",
                                      "Throttling",
                                      "ThrottledException",
                                      "RequestLimitExceeded",
                                      "RequestThrottled",
                                      "TransactionInProgressException",
                                      NULL};
  return is_among(type, types);
}

static bool is_about_time(const char *type) {
  static const char *const types[] = {"InvalidSignatureException",
                                      "SignatureDoesNotMatch",
                                      "RequestTimeTooSkewed",
                                      "RequestExpired",
                                      "RequestInTheFuture",
                                      "AuthFailure",
                                      NULL};
  return is_among(type, types);
}

static bool is_about_keys(const char *type) {
  static const char *const types[] = {"ExpiredTokenException",       "ExpiredToken",
                                      "UnrecognizedClientException", "InvalidClientTokenId",
                                      "InvalidAccessKeyId",          NULL};
  return is_among(type, types);
}

/* "with.a.namespace#Type" or "Type:more" -> "Type" */
static void read_type(json_t *json, char *type, size_t size) {
  json_t *member = cachette__dynamo_member(json, "__type", JSON_STRING);
  if (member == NULL) member = cachette__dynamo_member(json, "code", JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "";
  const char *hash = strrchr(text, '#');
  snprintf(type, size, "%s", hash != NULL ? hash + 1 : text);
  type[strcspn(type, ":")] = '\0';
}

/* The server's sentence, as far as its first line and our room go: no canonical request, whose
 * headers have the token in them. */
static void read_message(json_t *json, char *message, size_t size) {
  json_t *member = cachette__dynamo_member(json, "message", JSON_STRING);
  if (member == NULL) member = cachette__dynamo_member(json, "Message", JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "no reason";
  cachette__key_text((cachette_slice){text, strcspn(text, "\r\n")}, message, size);
}

/* An object; NULL: it is none, or there is no memory, which `fault` tells. */
static json_t *parse(const cachette__text *answer, json_error_t *fault) {
  const char *bytes = answer->bytes != NULL ? answer->bytes : "";
  json_t *json = json_loadb(bytes, answer->size, JSON_ALLOW_NUL, fault);
  if (json_is_object(json)) return json;
  json_decref(json);
  return NULL;
}

static bool has_right_sum(const cachette__http_request *request) {
  if (!request->has_crc32) return true;
  uLong sum = crc32(0, NULL, 0);
  for (size_t at = 0; at < request->answer.size;) {
    size_t part = request->answer.size - at;
    if (part > UINT32_MAX / 2) part = UINT32_MAX / 2;
    sum = crc32(sum, (const Bytef *)request->answer.bytes + at, (uInt)part);
    at += part;
  }
  return sum == request->crc32;
}

/* Whether OpenSSL's words, of which there are several for it, say that no TLS came. */
static bool says_no_tls(const char *reason) {
  return strstr(reason, "wrong version number") != NULL ||
         strstr(reason, "packet length too long") != NULL || strstr(reason, "http request") != NULL;
}

/* What to do if one of both sides speaks TLS alone; "" if that is not it. */
static void advise_on_tls(const cachette__dynamo_call *call, const char *reason, char *advice,
                          size_t size) {
  const cachette__dynamo *client = call->client;
  *advice = '\0';
  const char *where = client->settings->url != NULL ? "\"dynamodb_url\"" : "its URL";
  CURLcode result = call->request.result;
  bool is_odd = result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR ||
                result == CURLE_SEND_ERROR || result == CURLE_UNSUPPORTED_PROTOCOL;
  if (result == CURLE_SSL_CONNECT_ERROR && says_no_tls(reason))
    snprintf(advice, size, " It does not speak TLS; begin %s with \"http://\".", where);
  else if (is_odd && strncmp(client->endpoint.url, "http://", 7) == 0)
    snprintf(advice, size, " If it expects TLS, begin %s with \"https://\".", where);
}

static enum remedy judge_broken(cachette__dynamo_call *call, cachette__dynamo_reply *reply) {
  const cachette__http_request *request = &call->request;
  const char *name = call->client->name;
  const char *reason =
      request->fault[0] != '\0' ? request->fault : curl_easy_strerror(request->result);
  if (request->result == CURLE_ABORTED_BY_CALLBACK) reason = "it closed without an answer";
  bool unsent =
      request->result == CURLE_COULDNT_CONNECT || request->result == CURLE_COULDNT_RESOLVE_HOST ||
      request->result == CURLE_PEER_FAILED_VERIFICATION ||
      request->result == CURLE_SSL_CACERT_BADFILE || request->result == CURLE_SSL_CONNECT_ERROR;
  if (request->result == CURLE_OUT_OF_MEMORY || request->answer.failed) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ENOMEM, NULL, NULL);
    return GIVE;
  }
  if (request->result == CURLE_OPERATION_TIMEDOUT) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ETIMEDOUT, NULL,
                                 "%s did not answer in time: %.120s.", name, reason);
    return GIVE;
  }
  char advice[80];
  advise_on_tls(call, reason, advice, sizeof advice);
  reply->code = cachette__fail(
      &reply->error, CACHETTE_EUNAVAILABLE, NULL,
      unsent ? "%s cannot be reached: %.120s.%s" : "The connection to %s broke: %.120s.%s", name,
      reason, advice);
  return unsent || !call->is_safe || call->tries >= TRIES_BROKEN ? GIVE : RETRY;
}

static enum remedy judge_garbled(cachette__dynamo_call *call, cachette__dynamo_reply *reply,
                                 const char *what) {
  reply->code =
      cachette__fail(&reply->error, CACHETTE_EBACKEND, NULL,
                     "%s answered to %s with %s (HTTP status %ld, request id %s).",
                     call->client->name, call->action, what, call->request.status,
                     call->request.request_id[0] != '\0' ? call->request.request_id : "unknown");
  return call->is_safe && call->tries < TRIES_BROKEN ? RETRY : GIVE;
}

/* Takes the server's clock for ours, if they differ so much that a signature may not be valid. */
static bool correct_clock(cachette__dynamo_call *call) {
  cachette__dynamo *client = call->client;
  if (call->has_set_clock || call->request.server_ms == 0) return false;
  int64_t skew = call->request.server_ms - call->sent_ms;
  if (llabs(skew - call->skew_ms) < SKEW_MS) return false;
  client->skew_ms = skew;
  call->has_set_clock = true;
  return true;
}

static bool lost_table(cachette__dynamo_call *call) {
  if (call->is_setup || call->has_found_table) return false;
  call->has_found_table = true;
  if (call->client->table == CACHETTE__DYNAMO_READY) call->client->table = CACHETTE__DYNAMO_UNKNOWN;
  return true;
}

static bool renew_keys(cachette__dynamo_call *call) {
  if (call->has_renewed) return false;
  call->has_renewed = true;
  return cachette__aws_credentials_renew(call->client->credentials, call->keys);
}

static void explain_error(cachette__dynamo_call *call, cachette__dynamo_reply *reply) {
  char message[120], tries[32] = "";
  read_message(reply->json, message, sizeof message);
  if (call->tries > 1) snprintf(tries, sizeof tries, ", after %u tries", call->tries);
  bool too_big = strcmp(reply->type, "ValidationException") == 0 &&
                 strstr(message, "size has exceeded") != NULL;
  reply->code = cachette__fail(
      &reply->error, too_big ? CACHETTE_ETOOBIG : CACHETTE_EBACKEND, NULL,
      "%s answered to %s: %s (%s, request id %s%s).", call->client->name, call->action, message,
      reply->type[0] != '\0' ? reply->type : "no type",
      call->request.request_id[0] != '\0' ? call->request.request_id : "unknown", tries);
}

static enum remedy judge_error(cachette__dynamo_call *call, cachette__dynamo_reply *reply) {
  explain_error(call, reply);
  bool again = is_throttling(reply->type) || call->request.status == 503 ||
               call->request.status == 429 || (call->request.status >= 500 && call->is_safe);
  if (again) return call->tries < TRIES_MOST ? RETRY : GIVE;
  if (is_about_time(reply->type) && correct_clock(call)) return RETRY_NOW;
  if (is_about_keys(reply->type) && renew_keys(call)) return RETRY_NOW;
  if (strcmp(reply->type, "ResourceNotFoundException") == 0 && lost_table(call)) return RETRY_NOW;
  return GIVE;
}

static enum remedy judge(cachette__dynamo_call *call, cachette__dynamo_reply *reply, char *type,
                         size_t size) {
  const cachette__http_request *request = &call->request;
  type[0] = '\0';
  reply->type = type;
  if (request->result != CURLE_OK) return judge_broken(call, reply);
  if (!has_right_sum(request)) return judge_garbled(call, reply, "a body of a wrong checksum");
  json_error_t fault = {.text = ""};
  reply->json = parse(&request->answer, &fault);
  if (reply->json == NULL && json_error_code(&fault) == json_error_out_of_memory) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ENOMEM, NULL, NULL);
    return GIVE;
  }
  if (request->status == 200)
    return reply->json != NULL ? GIVE : judge_garbled(call, reply, "something that is no JSON");
  read_type(reply->json, type, size);
  return judge_error(call, reply);
}

static void on_answer(cachette__http_request *request) {
  cachette__dynamo_call *call =
      (cachette__dynamo_call *)((char *)request - offsetof(cachette__dynamo_call, request));
  cachette__dynamo_reply reply = {0};
  char type[64];
  take_out(call);
  call->is_sent = false;
  if (call->done == NULL) {
    free_call(call);
    return;
  }
  enum remedy remedy = judge(call, &reply, type, sizeof type);
  int64_t pause = remedy == RETRY ? cachette__dynamo_jitter(call->client, call->tries - 1) : 0;
  bool in_time = cachette__machine_now() + pause < call->deadline_ms;
  if (remedy == GIVE || !in_time) {
    end_call(call, &reply);
  } else {
    call->client->retries++;
    if (pause > 0)
      sleep_for(call, pause);
    else
      go(call);
  }
  json_decref(reply.json);
}
