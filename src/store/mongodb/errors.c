/* SPDX-License-Identifier: MIT */
/* Converts errors of libmongoc and the server. */
#include <string.h>

#include "../../base/clock.h"
#include "internal.h"

/* The server's error codes. */
enum {
  DUPLICATE_KEY = 11000,
  UNAUTHORIZED = 13,
  AUTHENTICATION_FAILED = 18,
  MAX_TIME_EXPIRED = 50,
  TOO_LARGE = 10334,
  TOO_LARGE_AFTER_UPDATE = 17419,
  KEY_TOO_LARGE_TO_INDEX = 17280
};

static int explain_server(const char *name, const bson_error_t *source, const char *subject,
                          cachette_error *error) {
  switch (source->code) {
    case UNAUTHORIZED:
      return cachette__fail(error, CACHETTE_EBACKEND, subject,
                            "%s denies this user access; grant the role readWrite: %.120s", name,
                            source->message);
    case AUTHENTICATION_FAILED:
      return cachette__fail(error, CACHETTE_EBACKEND, "mongodb_url",
                            "%s refuses the user name or password of \"mongodb_url\".", name);
    case MAX_TIME_EXPIRED:
      return cachette__fail(error, CACHETTE_ETIMEDOUT, subject, NULL);
    case TOO_LARGE:
    case TOO_LARGE_AFTER_UPDATE:
      return cachette__fail(error, CACHETTE_ETOOBIG, subject,
                            "MongoDB takes at most 16 MB, key and value together.");
    case KEY_TOO_LARGE_TO_INDEX:
      return cachette__fail(error, CACHETTE_EBACKEND, subject,
                            "%s takes keys of at most 1,012 bytes; MongoDB 4.2 and newer take "
                            "longer ones.",
                            name);
    default:
      return cachette__fail(error, CACHETTE_EBACKEND, subject, "%s says: %.180s", name,
                            source->message);
  }
}

/* Returns advice for the case that only one side speaks TLS, which libmongoc's message does not
 * mention; or "". */
static const char *tls_advice(const cachette__mongo_settings *settings, const char *message) {
  if (mongoc_uri_get_tls(settings->uri))
    return " If it does not speak TLS, remove \"tls=true\" from \"mongodb_url\".";
  bool connected = strstr(message, "ailed to read") != NULL || strstr(message, "closed") != NULL;
  return connected ? " If it expects TLS, add \"tls=true\" to \"mongodb_url\"." : "";
}

static int explain(const cachette__mongo_settings *settings, const bson_error_t *source,
                   const char *subject, cachette_error *error) {
  const char *name = settings->name;
  switch (source->domain) {
    case MONGOC_ERROR_SERVER_SELECTION:
    case MONGOC_ERROR_STREAM:
      return cachette__fail(error, CACHETTE_EUNAVAILABLE, subject,
                            "%s cannot be reached: %.130s.%s", name, source->message,
                            tls_advice(settings, source->message));
    case MONGOC_ERROR_SCRAM:
    case MONGOC_ERROR_CLIENT:
      if (source->domain == MONGOC_ERROR_SCRAM || source->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return cachette__fail(error, CACHETTE_EBACKEND, "mongodb_url",
                              "%s refuses the user name or password of \"mongodb_url\".", name);
      break;
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_WRITE_CONCERN:
      return explain_server(name, source, subject, error);
    case MONGOC_ERROR_BSON:
      if (strstr(source->message, "too large") != NULL)
        return cachette__fail(error, CACHETTE_ETOOBIG, subject, NULL);
      break;
    default:
      break;
  }
  return cachette__fail(error, CACHETTE_EBACKEND, subject, "%s: %.180s", name, source->message);
}

void cachette__mongo_fail_job(cachette__mongo_job *job, const bson_error_t *source) {
  job->op.code = explain(job->shared->settings, source, NULL, &job->op.error);
  job->no_server = source->domain == MONGOC_ERROR_SERVER_SELECTION;
  job->disconnected = source->domain == MONGOC_ERROR_STREAM && !cachette__mongo_out_of_time(job);
}

void cachette__mongo_fail_item(cachette__mongo_job *job, cachette__item_copy *item,
                               const bson_error_t *source) {
  char text[32];
  cachette__key_text(cachette__op_copy_key(&job->op, item), text, sizeof text);
  item->status = explain(job->shared->settings, source, text, &job->op.error);
}

bool cachette__mongo_is_too_large(cachette__mongo_job *job, cachette__item_copy *item) {
  if (item->key.size + item->value.size + CACHETTE__MONGO_OVERHEAD_MAX <=
      CACHETTE__MONGO_DOCUMENT_MAX)
    return false;
  char text[32];
  cachette__key_text(cachette__op_copy_key(&job->op, item), text, sizeof text);
  item->status = cachette__fail(&job->op.error, CACHETTE_ETOOBIG, text,
                                "The value of \"%s\" has %zu bytes; MongoDB takes at most 16 MB, "
                                "key and value together.",
                                text, item->value.size);
  return true;
}

bool cachette__mongo_is_conflict(const cachette__mongo_job *job, const bson_error_t *source) {
  enum { TRIES_MAX = 8 };
  return source->domain == MONGOC_ERROR_SERVER && source->code == DUPLICATE_KEY &&
         job->tries < TRIES_MAX;
}

bool cachette__mongo_retry(cachette__mongo_job *job) {
  enum { BACK_OFF_MAX_LOG = 5 };
  if (job->tries > 0) {
    unsigned max_ms = 1U << (job->tries < BACK_OFF_MAX_LOG ? job->tries : BACK_OFF_MAX_LOG);
    uint64_t random = (uv_hrtime() * UINT64_C(0x2545f4914f6cdd1d)) >> 33;
    uv_sleep((unsigned)(random % (max_ms + 1)));
  }
  job->tries++;
  return !cachette__mongo_out_of_time(job);
}

bool cachette__mongo_out_of_time(cachette__mongo_job *job) {
  if (cachette__machine_now() < job->deadline_ms) return false;
  job->op.code =
      cachette__fail(&job->op.error, CACHETTE_ETIMEDOUT, NULL, "%s did not answer within %g s.",
                     job->shared->settings->name, (double)job->timeout_ms / 1000);
  return true;
}
