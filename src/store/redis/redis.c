/* SPDX-License-Identifier: MIT */
#include "redis.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../base/alloc.h"
#include "../../base/clock.h"
#include "../../base/error.h"
#include "../secure.h"
#include "client.h"

enum {
  DIRECT = 4096, /* bytes of a value to come, from which on they are read to their place */
  BATCH = 32     /* requests after which those of this turn are sent, if there are more to come */
};

/* ---- Sending ---- */

static void send_now(cachette__redis *self) {
  self->unflushed = 0;
  if (self->link.stream != NULL) cachette__stream_flush(self->link.stream);
}

static void on_idle(uv_idle_t *idle) {
  cachette__redis *self = idle->data;
  uv_idle_stop(idle);
  self->flush_due = false;
  if (self->suspect) {
    self->suspect = false;
    cachette__link_fail(&self->link, true, CACHETTE_EUNAVAILABLE,
                        "%s has not answered for %g s; the connection was given up.", self->name,
                        (double)self->timeout_ms / 1000);
  } else if (self->moving && self->head == self->unsent) { /* what was sent has its answers */
    cachette__link_fail(&self->link, false, self->later.reason.code, "%s",
                        self->later.reason.message);
  } else {
    send_now(self);
  }
}

/* In the next turn of the loop, which an idle handle makes it have at once. */
static void do_later(cachette__redis *self) { uv_idle_start(&self->idle, on_idle); }

void cachette__redis_look(cachette__redis *self) { do_later(self); }

/*
 * The first of a quiet turn goes at once. The others of a turn go together at its end, but a write
 * for each few of them lets the server begin while the rest is still being made.
 */
void cachette__redis_flush(cachette__redis *self, bool quiet) {
  if ((quiet && !self->in_batch) || ++self->unflushed >= BATCH) {
    send_now(self);
  } else if (!self->flush_due && !self->in_batch) {
    self->flush_due = true;
    do_later(self);
  }
}

/* ---- What the link tells ---- */

static void on_opened(void *owner) {
  cachette__redis *self = owner;
  cachette__resp_init(&self->parser);
  self->input_begin = self->input_end = 0;
  cachette__redis_greet(self);
}

static bool is_direct(const cachette__redis *self) {
  return self->place != NULL && self->input_end == 0 &&
         cachette__resp_bulk_left(&self->parser) >= DIRECT;
}

static char *on_room(void *owner, size_t *size) {
  cachette__redis *self = owner;
  if (is_direct(self)) {
    *size = cachette__resp_bulk_left(&self->parser);
    return self->place + self->parser.bulk_offset;
  }
  *size = sizeof self->input - self->input_end;
  return self->input + self->input_end;
}

static void on_received(void *owner, size_t size) {
  cachette__redis *self = owner;
  self->in_batch = true;
  self->heard_ms = cachette__machine_now();
  if (is_direct(self)) {
    cachette__resp_bulk_placed(&self->parser, size);
    return;
  }
  self->input_end += size;
  bool was_ready = self->link.state == CACHETTE__LINK_READY;
  cachette__redis_read(self);
  if (!was_ready && self->link.state == CACHETTE__LINK_READY) cachette__redis_encode(self);
}

static void on_paused(void *owner) {
  cachette__redis *self = owner;
  self->in_batch = false;
  self->last_batch = self->batch;
  self->batch = 0;
  send_now(self);
}

static void on_lost(void *owner, bool was_ready, const cachette_error *error) {
  cachette__redis *self = owner;
  if (was_ready) self->events->lost(self->events);
  self->place = NULL;
  self->in_batch = self->suspect = self->moving = false;
  self->batch = self->last_batch = self->unflushed = 0;
  bool greeting = self->answered < self->said_count;
  bool again = greeting && self->link.ended && cachette__redis_hung_up(self);
  if (again) cachette__link_forgive(&self->link);
  self->answered = self->said_count = 0;
  self->multi = CACHETTE__MULTI_UNKNOWN;
  cachette__redis_break(self, was_ready || again, error);
}

static const cachette__link_events events = {
    .opened = on_opened,
    .room = on_room,
    .received = on_received,
    .paused = on_paused,
    .lost = on_lost,
};

/* ---- Ops ---- */

static size_t count_bytes(const cachette_op *op) {
  size_t bytes = 0;
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    bytes += op->items[i].key.size + (op->verb == CACHETTE_PUT ? op->items[i].value.size : 0);
  return bytes;
}

static void redis_submit(cachette__store *store, cachette_op *op) {
  cachette__redis *self = (cachette__redis *)store;
  if (op->verb == CACHETTE_FLUSH_EXPIRED) { /* the server sees to that */
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  const cachette_error *reason;
  int code = cachette__link_want(&self->link, &reason);
  if (code < 0) {
    cachette__op_fail(op, code, NULL, "%s", reason->message);
    return;
  }
  if (cachette__redis_sweeps(self, op)) {
    cachette__redis_sweep(self, op);
    return;
  }
  code = cachette__redis_push(self, op, NULL, count_bytes(op));
  if (code == CACHETTE_EUNAVAILABLE)
    cachette__op_fail(op, code, NULL,
                      "Too much waits for %s already: %zu operations, of %zu bytes.", self->name,
                      (size_t)(self->tail - self->head), self->bytes);
  else if (code < 0)
    cachette__op_fail(op, code, NULL, NULL);
}

/* An op ran out of time. If nothing at all came meanwhile, and nothing was sent, the server is
 * gone. */
static void look_at_silence(cachette__redis *self, const cachette_op *op) {
  if (self->link.state != CACHETTE__LINK_READY) return;
  int64_t now = cachette__machine_now();
  int64_t waited = op->timeout_ms > 0 ? op->timeout_ms : self->timeout_ms;
  int64_t since = op->priv.deadline_ms - waited;
  if (self->heard_ms > since) since = self->heard_ms;
  if (op->priv.deadline_ms > now || now - since < self->timeout_ms - 10) return;
  uint64_t sent = cachette__stream_sent(self->link.stream);
  bool sending = cachette__buffer_size(cachette__stream_output(self->link.stream)) > 0;
  if (!sending || sent == self->suspect_sent) {
    self->suspect = true;
    do_later(self);
  }
  self->suspect_sent = sent;
}

/* Whether an item has no answer: the one whose reply comes next, those behind it that were asked
 * for, and what was to be asked again. */
static bool is_late(const cachette__request *request, const cachette_op *op, size_t item) {
  if (op->items[item].status == CACHETTE__REDIS_DUE || item == request->item) return true;
  return item > request->item && !request->partly;
}

static void mark_late(const cachette__request *request, cachette_op *op) {
  if (!cachette__has_items(op->verb) || op->verb == CACHETTE_INCREMENT) return;
  for (size_t i = 0; i < op->count; i++) {
    if (!is_late(request, op, i)) continue;
    if (op->verb == CACHETTE_FETCH) cachette__item_drop(op, &op->items[i]);
    op->items[i].status = CACHETTE_ETIMEDOUT;
  }
}

static void redis_detach(cachette__store *store, cachette_op *op) {
  cachette__redis *self = (cachette__redis *)store;
  if (cachette__later_detach(self, op)) return;
  if (cachette__redis_sweeps(self, op)) {
    cachette__sweep_detach(op);
    look_at_silence(self, op);
    return;
  }
  cachette__request *request = cachette__redis_request(self, op->priv.below);
  if (request == cachette__redis_request(self, self->head)) self->place = NULL;
  bool was_sent = request->replies > 0;
  request->op = NULL;
  if (was_sent) mark_late(request, op);
  cachette__redis_forget_due(op);
  if (was_sent || self->moving) look_at_silence(self, op);
}

static const cachette_error *redis_reason(cachette__store *store, const cachette_op *op) {
  cachette__redis *self = (cachette__redis *)store;
  const cachette_error *reason = cachette__later_reason(self, op);
  return reason != NULL ? reason : cachette__link_hint(&self->link);
}

static void redis_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats; /* the server's own figures are another command away, and count all its clients */
}

static const char *redis_server(const cachette__store *store, const cachette_op *op) {
  (void)op;
  return ((const cachette__redis *)store)->name;
}

/* ---- Open and close ---- */

static void free_client(cachette__redis *self) {
  cachette__redis_address_deinit(&self->address);
  cachette__tls_free(self->tls);
  cachette__free(self->key_prefix);
  cachette__free(self->ring);
  cachette__free(self);
}

static void on_part_closed(void *owner) {
  cachette__redis *self = owner;
  if (--self->open_handles == 0) free_client(self);
}

static void on_handle_closed(uv_handle_t *handle) { on_part_closed(handle->data); }

static void redis_close(cachette__store *store, bool forked) {
  cachette__redis *self = (cachette__redis *)store;
  for (; self->head < self->tail; self->head++) {
    cachette__request *request = cachette__redis_request(self, self->head);
    if (request->sweep != NULL) cachette__sweep_fail(request->sweep, CACHETTE_ECLOSED, "");
  }
  cachette__later_close(self);
  cachette__link_close(&self->link, forked, on_part_closed);
  if (forked) {
    free_client(self);
    return;
  }
  uv_close((uv_handle_t *)&self->idle, on_handle_closed);
  uv_close((uv_handle_t *)&self->later.timer, on_handle_closed);
}

static int read_settings(cachette__redis *self, const cachette_options *options,
                         enum cachette__option url, const char *url_name, cachette_error *error) {
  int code = cachette__redis_address_parse(cachette__options_text(options, url), url_name,
                                           &self->address, error);
  if (code < 0) return code;
  if (self->address.tls) code = cachette__store_secure(options, &self->tls, error);
  if (code < 0) return code;
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  if (prefix != NULL && *prefix != '\0') {
    self->key_prefix = cachette__strndup(prefix, strlen(prefix));
    if (self->key_prefix == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    self->prefix = cachette_str(self->key_prefix);
  }
  self->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  snprintf(self->plain_advice, sizeof self->plain_advice,
           "begin the URL with \"%.*s://\" instead of \"%s://\".",
           (int)strlen(self->address.url.scheme) - 1, self->address.url.scheme,
           self->address.url.scheme);
  snprintf(self->tls_advice, sizeof self->tls_advice,
           "begin the URL with \"%ss://\" instead of \"%s://\".", self->address.url.scheme,
           self->address.url.scheme);
  self->target = (cachette__target){
      .host = self->address.host,
      .port = self->address.port,
      .path = self->address.path,
      .tls = self->tls,
      .plain_advice = self->address.tls ? self->plain_advice : NULL,
      .tls_advice = self->address.host != NULL ? self->tls_advice : NULL,
      .connect_timeout_ms = cachette__options_number(options, CACHETTE__OPTION_connect_timeout),
  };
  cachette__target_text(&self->target, self->name, sizeof self->name);
  return CACHETTE_OK;
}

/* All that opening may find fault with: the URL, and the files of TLS. */
static int check_settings(const cachette_options *options, enum cachette__option url,
                          const char *url_name, cachette_error *error) {
  cachette__redis *draft = cachette__calloc(1, sizeof *draft);
  if (draft == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = read_settings(draft, options, url, url_name, error);
  free_client(draft);
  return code;
}

static int check_redis(const cachette_options *options, cachette_error *error) {
  return check_settings(options, CACHETTE__OPTION_redis_url, "redis_url", error);
}

static int check_valkey(const cachette_options *options, cachette_error *error) {
  return check_settings(options, CACHETTE__OPTION_valkey_url, "valkey_url", error);
}

/* Warns of files for TLS if the URL begins with `plain`, which is a scheme without TLS. */
static bool warn_of_scheme(const cachette_options *options, enum cachette__option url,
                           const char *plain, const char *remedy, cachette_error *warning) {
  const char *text = cachette__options_text(options, url);
  return text != NULL && strncasecmp(text, plain, strlen(plain)) == 0 &&
         cachette__store_warn_plain(options, remedy, warning);
}

static bool warn_redis(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_redis_url, "redis://",
                        "Begin the \"redis_url\" with \"rediss://\"", warning);
}

static bool warn_valkey(const cachette_options *options, cachette_error *warning) {
  return warn_of_scheme(options, CACHETTE__OPTION_valkey_url, "valkey://",
                        "Begin the \"valkey_url\" with \"valkeys://\"", warning);
}

static int open_client(const cachette__store_context *context, const cachette__store_vtable *vtable,
                       enum cachette__option url, const char *url_name, cachette__store **store,
                       cachette_error *error) {
  cachette__redis *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = vtable;
  self->loop = context->loop;
  self->events = context->events;
  int code = read_settings(self, context->options, url, url_name, error);
  if (code < 0) {
    free_client(self);
    return code;
  }
  cachette__link_init(&self->link, self->loop, &self->target, &events, self);
  uv_idle_init(self->loop, &self->idle);
  self->idle.data = self;
  cachette__later_init(self);
  self->open_handles = 3; /* the link's, the idle one and the timer */
  *store = &self->base;
  return CACHETTE_OK;
}

static int open_redis(const cachette__store_context *context, cachette__store **store,
                      cachette_error *error) {
  return open_client(context, &cachette__redis_store, CACHETTE__OPTION_redis_url, "redis_url",
                     store, error);
}

static int open_valkey(const cachette__store_context *context, cachette__store **store,
                       cachette_error *error) {
  return open_client(context, &cachette__valkey_store, CACHETTE__OPTION_valkey_url, "valkey_url",
                     store, error);
}

const cachette__store_vtable cachette__redis_store = {
    .name = "redis",
    .check = check_redis,
    .warn = warn_redis,
    .open = open_redis,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};

const cachette__store_vtable cachette__valkey_store = {
    .name = "valkey",
    .check = check_valkey,
    .warn = warn_valkey,
    .open = open_valkey,
    .submit = redis_submit,
    .detach = redis_detach,
    .reason = redis_reason,
    .stats = redis_stats,
    .server = redis_server,
    .close = redis_close,
};
