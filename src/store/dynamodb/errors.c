/* SPDX-License-Identifier: MIT */
/* Converts libcurl's result, the HTTP status and the server's error type. */
#include <stdio.h>
#include <zlib.h>

#include "internal.h"

enum {
  TRIES_MAX = 12,      /* of a call that the server throttles or cannot serve now */
  TRIES_BROKEN_MAX = 3 /* of a call whose connection broke or whose response is malformed */
};

/* ---- Error types ---- */

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

static bool is_clock_error(const char *type) {
  static const char *const types[] = {"InvalidSignatureException",
                                      "SignatureDoesNotMatch",
                                      "RequestTimeTooSkewed",
                                      "RequestExpired",
                                      "RequestInTheFuture",
                                      "AuthFailure",
                                      NULL};
  return is_among(type, types);
}

static bool is_key_error(const char *type) {
  static const char *const types[] = {"ExpiredTokenException",       "ExpiredToken",
                                      "UnrecognizedClientException", "InvalidClientTokenId",
                                      "InvalidAccessKeyId",          NULL};
  return is_among(type, types);
}

/* ---- Bodies ---- */

/* "with.a.namespace#Type" or "Type:more" -> "Type" */
static void read_type(json_t *json, char *type, size_t size) {
  json_t *member = cachette__json_member(json, "__type", JSON_STRING);
  if (member == NULL) member = cachette__json_member(json, "code", JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "";
  const char *hash = strrchr(text, '#');
  snprintf(type, size, "%s", hash != NULL ? hash + 1 : text);
  type[strcspn(type, ":")] = '\0';
}

/* Copies the first line of the server's message. Later lines may contain the canonical request,
 * with the session token in its headers. */
static void read_message(json_t *json, char *message, size_t size) {
  json_t *member = cachette__json_member(json, "message", JSON_STRING);
  if (member == NULL) member = cachette__json_member(json, "Message", JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "no reason";
  cachette__key_text((cachette_slice){text, strcspn(text, "\r\n")}, message, size);
}

/* Parses a JSON object. NULL: it is not one, or out of memory according to `error`. */
static json_t *parse(const cachette__text *response, json_error_t *error) {
  const char *bytes = response->bytes != NULL ? response->bytes : "";
  json_t *json = json_loadb(bytes, response->size, JSON_ALLOW_NUL, error);
  if (json_is_object(json)) return json;
  json_decref(json);
  return NULL;
}

static bool checksum_matches(const cachette__http_request *request) {
  if (!request->has_crc32) return true;
  uLong sum = crc32(0, NULL, 0);
  for (size_t at = 0; at < request->response.size;) {
    size_t part = request->response.size - at;
    if (part > UINT32_MAX / 2) part = UINT32_MAX / 2;
    sum = crc32(sum, (const Bytef *)request->response.bytes + at, (uInt)part);
    at += part;
  }
  return sum == request->crc32;
}

/* ---- Connections ---- */

/* Whether a message of OpenSSL means that the server does not speak TLS. */
static bool says_no_tls(const char *reason) {
  return strstr(reason, "wrong version number") != NULL ||
         strstr(reason, "packet length too long") != NULL || strstr(reason, "http request") != NULL;
}

/* Writes advice if probably only one side speaks TLS; else "". */
static void advise_on_tls(const cachette__dynamo_call *call, const char *reason, char *advice,
                          size_t size) {
  const cachette__dynamo *store = call->store;
  *advice = '\0';
  const char *url_name = store->settings->url != NULL ? "\"dynamodb_url\"" : "its URL";
  CURLcode result = call->request.result;
  bool is_unexpected = result == CURLE_GOT_NOTHING || result == CURLE_RECV_ERROR ||
                       result == CURLE_SEND_ERROR || result == CURLE_UNSUPPORTED_PROTOCOL;
  if (result == CURLE_SSL_CONNECT_ERROR && says_no_tls(reason))
    snprintf(advice, size, " It does not speak TLS; begin %s with \"http://\".", url_name);
  else if (is_unexpected && strncmp(store->endpoint.url, "http://", 7) == 0)
    snprintf(advice, size, " If it expects TLS, begin %s with \"https://\".", url_name);
}

static enum cachette__dynamo_remedy read_failure(const cachette__dynamo_call *call,
                                                 cachette__dynamo_reply *reply) {
  const cachette__http_request *request = &call->request;
  const char *name = call->store->name;
  const char *reason =
      request->reason[0] != '\0' ? request->reason : curl_easy_strerror(request->result);
  if (request->result == CURLE_ABORTED_BY_CALLBACK) reason = "it closed without an answer";
  bool unsent =
      request->result == CURLE_COULDNT_CONNECT || request->result == CURLE_COULDNT_RESOLVE_HOST ||
      request->result == CURLE_PEER_FAILED_VERIFICATION ||
      request->result == CURLE_SSL_CACERT_BADFILE || request->result == CURLE_SSL_CONNECT_ERROR;
  if (request->result == CURLE_OUT_OF_MEMORY || request->response.failed) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ENOMEM, NULL, NULL);
    return CACHETTE__DYNAMO_GIVE_UP;
  }
  if (request->result == CURLE_OPERATION_TIMEDOUT) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ETIMEDOUT, NULL,
                                 "%s did not answer in time: %.120s.", name, reason);
    return CACHETTE__DYNAMO_GIVE_UP;
  }
  char advice[80];
  advise_on_tls(call, reason, advice, sizeof advice);
  reply->code = cachette__fail(
      &reply->error, CACHETTE_EUNAVAILABLE, NULL,
      unsent ? "%s cannot be reached: %.120s.%s" : "The connection to %s broke: %.120s.%s", name,
      reason, advice);
  return unsent || !call->is_idempotent || call->tries >= TRIES_BROKEN_MAX
             ? CACHETTE__DYNAMO_GIVE_UP
             : CACHETTE__DYNAMO_BACK_OFF;
}

static enum cachette__dynamo_remedy read_malformed(const cachette__dynamo_call *call,
                                                   cachette__dynamo_reply *reply,
                                                   const char *what) {
  reply->code =
      cachette__fail(&reply->error, CACHETTE_EBACKEND, NULL,
                     "%s answered to %s with %s (HTTP status %ld, request id %s).",
                     call->store->name, call->action, what, call->request.status,
                     call->request.request_id[0] != '\0' ? call->request.request_id : "unknown");
  return call->is_idempotent && call->tries < TRIES_BROKEN_MAX ? CACHETTE__DYNAMO_BACK_OFF
                                                               : CACHETTE__DYNAMO_GIVE_UP;
}

/* ---- Replies ---- */

static void explain_error(const cachette__dynamo_call *call, cachette__dynamo_reply *reply) {
  char message[120], tries[32] = "";
  read_message(reply->json, message, sizeof message);
  if (call->tries > 1) snprintf(tries, sizeof tries, ", after %u tries", call->tries);
  bool too_large = strcmp(reply->type, "ValidationException") == 0 &&
                   strstr(message, "size has exceeded") != NULL;
  reply->code = cachette__fail(
      &reply->error, too_large ? CACHETTE_ETOOBIG : CACHETTE_EBACKEND, NULL,
      "%s answered to %s: %s (%s, request id %s%s).", call->store->name, call->action, message,
      reply->type[0] != '\0' ? reply->type : "no type",
      call->request.request_id[0] != '\0' ? call->request.request_id : "unknown", tries);
}

static enum cachette__dynamo_remedy read_error(const cachette__dynamo_call *call,
                                               cachette__dynamo_reply *reply) {
  explain_error(call, reply);
  bool is_temporary = is_throttling(reply->type) || call->request.status == 503 ||
                      call->request.status == 429 ||
                      (call->request.status >= 500 && call->is_idempotent);
  if (is_temporary)
    return call->tries < TRIES_MAX ? CACHETTE__DYNAMO_BACK_OFF : CACHETTE__DYNAMO_GIVE_UP;
  if (is_clock_error(reply->type)) return CACHETTE__DYNAMO_SET_CLOCK;
  if (is_key_error(reply->type)) return CACHETTE__DYNAMO_RENEW_KEYS;
  if (strcmp(reply->type, "ResourceNotFoundException") == 0) return CACHETTE__DYNAMO_CHECK_TABLE;
  return CACHETTE__DYNAMO_GIVE_UP;
}

enum cachette__dynamo_remedy cachette__dynamo_read_reply(const cachette__dynamo_call *call,
                                                         cachette__dynamo_reply *reply) {
  const cachette__http_request *request = &call->request;
  *reply = (cachette__dynamo_reply){.code = CACHETTE_OK};
  if (request->result != CURLE_OK) return read_failure(call, reply);
  if (!checksum_matches(request))
    return read_malformed(call, reply, "a body with a wrong checksum");
  json_error_t error = {.text = ""};
  reply->json = parse(&request->response, &error);
  if (reply->json == NULL && json_error_code(&error) == json_error_out_of_memory) {
    reply->code = cachette__fail(&reply->error, CACHETTE_ENOMEM, NULL, NULL);
    return CACHETTE__DYNAMO_GIVE_UP;
  }
  if (request->status != 200) {
    read_type(reply->json, reply->type, sizeof reply->type);
    return read_error(call, reply);
  }
  if (reply->json == NULL) return read_malformed(call, reply, "something that is not JSON");
  return CACHETTE__DYNAMO_GIVE_UP;
}
