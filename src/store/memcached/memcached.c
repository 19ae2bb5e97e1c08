/* SPDX-License-Identifier: MIT */
/* The store: an op's way over the nodes, and the options. */
#include "memcached.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "../secure.h"
#include "client.h"

/* ---- Travels ---- */

cachette_error *cachette__mc_error(cachette__mc_travel *travel) {
  cachette_error *error = travel->told ? NULL : travel->op->error;
  travel->told = true;
  return error;
}

void cachette__mc_fail(cachette__mc_travel *travel, cachette_item *item, int code,
                       const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  cachette__vfail(cachette__mc_error(travel), code, NULL, format, arguments);
  va_end(arguments);
  if (item != NULL)
    item->status = code;
  else if (travel->code == 0)
    travel->code = code;
}

/* The op's own status: that of a whole failure, if nothing of it went well. */
static int sum_up(const cachette__mc_travel *travel) {
  cachette_op *op = travel->op;
  size_t failed = 0;
  if (!cachette__has_items(op->verb) || op->verb == CACHETTE_CLEAR_NAMESPACE) return travel->code;
  op->number = 0;
  for (size_t i = 0; i < op->count; i++) {
    op->number += cachette__item_counts(op, &op->items[i]);
    failed += op->items[i].status < 0;
  }
  return failed == op->count ? travel->lost : CACHETTE_OK;
}

void cachette__mc_travel_end(cachette__mc_travel *travel) {
  if (--travel->open > 0) return;
  cachette_op *op = travel->op;
  int status = op != NULL ? sum_up(travel) : CACHETTE_OK;
  for (size_t i = 0; i < travel->part_count; i++) {
    cachette__mc_kept_free(&travel->parts[i]);
    cachette__free(travel->parts[i].counts);
  }
  cachette__free(travel);
  if (op != NULL) cachette__op_complete(op, status);
}

static size_t find_node(const cachette__memcached *self, cachette_slice key) {
  cachette__memcached_key made;
  if (self->hosts.count == 1) return 0;
  cachette__memcached_key_make(self->prefix, key, &made);
  return cachette__memcached_choose(&self->hosts, (cachette_slice){made.raw, made.size});
}

/* Sorts the items by the node that has them. */
static void divide(cachette__memcached *self, cachette__mc_travel *travel, size_t *places) {
  const cachette_op *op = travel->op;
  size_t nodes = self->hosts.count;
  for (size_t i = 0; i < op->count; i++) {
    places[i] = find_node(self, op->items[i].key);
    travel->parts[places[i]].count++;
  }
  for (size_t i = 1; i < nodes; i++)
    travel->parts[i].begin = travel->parts[i - 1].begin + travel->parts[i - 1].count;
  for (size_t i = 0; i < nodes; i++) travel->parts[i].count = 0;
  for (size_t i = 0; i < op->count; i++) {
    cachette__mc_part *part = &travel->parts[places[i]];
    travel->order[part->begin + part->count++] = i;
  }
}

/* Whether an op concerns every node, whatever its items are. */
static bool goes_everywhere(const cachette_op *op) {
  return !cachette__has_items(op->verb) || op->verb == CACHETTE_CLEAR_NAMESPACE;
}

static cachette__mc_travel *travel_new(cachette__memcached *self, cachette_op *op) {
  size_t count = goes_everywhere(op) ? 0 : op->count, nodes = self->hosts.count;
  size_t head = sizeof(cachette__mc_travel) + nodes * sizeof(cachette__mc_part);
  cachette__mc_travel *travel = cachette__malloc(head + 2 * count * sizeof(size_t));
  if (travel == NULL) return NULL;
  *travel = (cachette__mc_travel){.store = self, .op = op, .verb = op->verb, .open = 1};
  travel->order = (size_t *)((char *)travel + head);
  travel->part_count = nodes;
  size_t first = cachette__mc_sweeps(self, op) ? nodes : 0; /* those that serve sweeps alone */
  for (size_t i = 0; i < nodes; i++)
    travel->parts[i] = (cachette__mc_part){.node = self->nodes[first + i]};
  if (count > 0) divide(self, travel, travel->order + count);
  op->priv.below = (uintptr_t)travel;
  return travel;
}

static size_t count_bytes(const cachette__mc_travel *travel, size_t part) {
  size_t bytes = 0;
  if (goes_everywhere(travel->op)) return bytes;
  for (size_t i = 0; i < travel->parts[part].count; i++) {
    const cachette_item *item = cachette__mc_item(travel, part, i);
    bytes += item->key.size + (travel->verb == CACHETTE_PUT ? item->value.size : 0);
  }
  return bytes;
}

/* Fails a part that cannot be sent. */
static void fail_part(cachette__mc_travel *travel, size_t part, int code, const char *message) {
  size_t count = goes_everywhere(travel->op) ? 0 : travel->parts[part].count;
  for (size_t i = 0; i < count; i++)
    cachette__mc_fail(travel, cachette__mc_item(travel, part, i), code, "%s", message);
  if (count == 0) cachette__mc_fail(travel, NULL, code, "%s", message);
  travel->lost = code;
}

static void send_part(cachette__memcached *self, cachette__mc_travel *travel, size_t part) {
  cachette__mc_node *node = travel->parts[part].node;
  const cachette_error *reason;
  char message[256];
  int code = cachette__link_want(&node->link, &reason);
  if (code < 0) {
    fail_part(travel, part, code, reason->message);
    return;
  }
  travel->open++;
  code = cachette__mc_sweeps(self, travel->op)
             ? cachette__mc_sweep_begin(node, travel, part)
             : cachette__mc_push(node, travel, NULL, part, count_bytes(travel, part));
  if (code == CACHETTE_OK) return;
  travel->open--;
  if (code == CACHETTE_EUNAVAILABLE)
    snprintf(message, sizeof message,
             "Too much waits for %s already: %zu operations, of %zu bytes.", node->name,
             (size_t)(node->tail - node->head), node->bytes);
  else
    snprintf(message, sizeof message, "%s", cachette_strerror(code));
  fail_part(travel, part, code, message);
}

/* The command that lists keys is one of the text protocol. */
static void refuse_sweep(const cachette__memcached *self, cachette_op *op) {
  bool flush = op->verb == CACHETTE_FLUSH;
  cachette__op_fail(op, CACHETTE_EUNSUPPORTED, NULL,
                    "%s cannot %s: under SASL memcached speaks its binary protocol alone, which "
                    "lists no keys; with \"memcached_auth\" ascii it can.",
                    self->name, flush ? "clear what has the \"key_prefix\"" : "clear a namespace");
}

/* Of a long key the server lists the head alone, so what is longer cannot be found in there. */
static bool refuse_long_name(const cachette__memcached *self, cachette_op *op) {
  static const size_t most = CACHETTE__MEMCACHED_SHOWN;
  size_t prefix = self->prefix.size;
  char name[32];
  if (op->verb == CACHETTE_FLUSH && prefix > most) {
    cachette__op_fail(op, CACHETTE_EUNSUPPORTED, NULL,
                      "%s cannot clear what has the \"key_prefix\": of long keys memcached lists "
                      "the first %zu bytes, and the prefix has %zu. Choose a shorter one.",
                      self->name, most, prefix);
    return true;
  }
  for (size_t i = 0; op->verb == CACHETTE_CLEAR_NAMESPACE && i < op->count; i++) {
    size_t size = prefix + op->items[i].key.size + 1;
    if (size <= most) continue;
    cachette__key_text(op->items[i].key, name, sizeof name);
    cachette__op_fail(
        op, CACHETTE_EINVAL, name,
        "The namespace \"%s...\" is too long to be cleared: of long keys memcached "
        "lists the first %zu bytes, and \"key_prefix\", namespace and colon have %zu.",
        name, most, size);
    return true;
  }
  return false;
}

static void memcached_submit(cachette__store *store, cachette_op *op) {
  cachette__memcached *self = (cachette__memcached *)store;
  if (op->verb == CACHETTE_FLUSH_EXPIRED) { /* the server sees to that */
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  if (self->sasl && cachette__mc_sweeps(self, op)) {
    refuse_sweep(self, op);
    return;
  }
  if (cachette__mc_sweeps(self, op) && refuse_long_name(self, op)) return;
  cachette__mc_travel *travel = travel_new(self, op);
  if (travel == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  for (size_t i = 0; i < travel->part_count; i++)
    if (goes_everywhere(op) || travel->parts[i].count > 0) send_part(self, travel, i);
  cachette__mc_travel_end(travel);
}

/* Whether an item of a part that waits has its answer all the same. */
static bool is_answered(const cachette__mc_node *node, const cachette__mc_part *part, size_t place,
                        const cachette_item *item, enum cachette_verb verb) {
  if (verb == CACHETTE_FETCH) return item->status != CACHETTE_MISS && item != node->filling;
  if (verb == CACHETTE_TOUCH && part->again && item->status == CACHETTE_MISS) return true;
  if (verb != CACHETTE_INCREMENT || part->round == CACHETTE__MC_FIRST) return item->status < 0;
  for (size_t i = 0; i < part->count_count; i++)
    if (part->counts[i].place == place) return part->counts[i].state == CACHETTE__MC_DONE;
  return true;
}

/* The items of a part that waits have no answer, but for a few. */
static void mark_late(cachette__mc_travel *travel, size_t number) {
  const cachette__mc_part *part = &travel->parts[number];
  for (size_t i = 0; !goes_everywhere(travel->op) && i < part->count; i++) {
    cachette_item *item = cachette__mc_item(travel, number, i);
    if (is_answered(part->node, part, i, item, travel->verb)) continue;
    if (travel->verb == CACHETTE_FETCH) cachette__item_drop(travel->op, item);
    item->status = CACHETTE_ETIMEDOUT;
  }
}

static void memcached_detach(cachette__store *store, cachette_op *op) {
  cachette__mc_travel *travel = (cachette__mc_travel *)op->priv.below;
  (void)store;
  for (size_t i = 0; i < travel->part_count; i++) {
    cachette__mc_node *node = travel->parts[i].node;
    if (!travel->parts[i].waits) continue;
    mark_late(travel, i);
    if (cachette__mc_request_at(node, node->head)->travel == travel) {
      node->filling = NULL;
      node->place = NULL;
    }
    cachette__mc_look_at_silence(node, op);
  }
  travel->op = NULL;
}

static void memcached_stats(cachette__store *store, cachette_stats *stats) {
  (void)store;
  (void)stats; /* the servers' own figures are another command away, and count all their clients */
}

/* Any of the servers that an op is at may be the one that keeps it waiting. */
static const cachette_error *memcached_reason(cachette__store *store, const cachette_op *op) {
  const cachette__mc_travel *travel = (const cachette__mc_travel *)op->priv.below;
  const cachette_error *hint = NULL;
  (void)store;
  for (size_t i = 0; i < travel->part_count && hint == NULL; i++)
    if (goes_everywhere(op) || travel->parts[i].count > 0)
      hint = cachette__link_hint(&travel->parts[i].node->link);
  return hint;
}

static const char *memcached_server(const cachette__store *store, const cachette_op *op) {
  const cachette__mc_travel *travel = op != NULL ? (cachette__mc_travel *)op->priv.below : NULL;
  for (size_t i = 0; travel != NULL && i < travel->part_count; i++)
    if (travel->parts[i].waits) return travel->parts[i].node->name;
  return ((const cachette__memcached *)store)->name;
}

/* ---- Turns of the loop ---- */

static void on_idle(uv_idle_t *idle) {
  cachette__memcached *self = idle->data;
  uv_idle_stop(idle);
  for (size_t i = 0; i < 2 * self->hosts.count; i++) {
    cachette__mc_node *node = self->nodes[i];
    if (node->flush_due || node->suspect) cachette__mc_node_turn(node);
  }
}

void cachette__mc_do_later(cachette__memcached *self) { uv_idle_start(&self->idle, on_idle); }

/* ---- Open and close ---- */

static void free_store(cachette__memcached *self) {
  for (size_t i = 0; self->nodes != NULL && i < 2 * self->hosts.count; i++)
    cachette__mc_node_free(self->nodes[i]);
  cachette__free(self->nodes);
  cachette__memcached_hosts_deinit(&self->hosts);
  cachette__tls_free(self->tls);
  if (self->password != NULL) cachette__wipe(self->password, strlen(self->password));
  cachette__free(self->username);
  cachette__free(self->password);
  cachette__free(self->key_prefix);
  cachette__free(self);
}

static void let_go(cachette__memcached *self) {
  if (--self->open_handles == 0) free_store(self);
}

static void on_link_closed(void *owner) { let_go(((cachette__mc_node *)owner)->store); }

static void on_handle_closed(uv_handle_t *handle) { let_go(handle->data); }

static void memcached_close(cachette__store *store, bool forked) {
  cachette__memcached *self = (cachette__memcached *)store;
  size_t count = 2 * self->hosts.count;
  cachette__mc_sweep_close(self);
  for (size_t i = 0; i < count; i++) {
    cachette__mc_node *node = self->nodes[i];
    for (; node->head < node->tail; node->head++) {
      cachette__mc_request *request = cachette__mc_request_at(node, node->head);
      if (request->sweep != NULL)
        cachette__mc_sweep_fail(request->sweep, CACHETTE_ECLOSED, "");
      else if (request->travel != NULL)
        cachette__mc_travel_end(request->travel);
    }
    cachette__link_close(&node->link, forked, on_link_closed);
  }
  if (forked) {
    free_store(self);
    return;
  }
  uv_close((uv_handle_t *)&self->idle, on_handle_closed);
  uv_close((uv_handle_t *)&self->timer, on_handle_closed);
}

static bool is_given(const char *text) { return text != NULL && *text != '\0'; }

static int read_user(cachette__memcached *self, const cachette_options *options,
                     cachette_error *error) {
  const char *auth = cachette__options_text(options, CACHETTE__OPTION_memcached_auth);
  const char *user = cachette__options_text(options, CACHETTE__OPTION_memcached_username);
  const char *password = cachette__options_text(options, CACHETTE__OPTION_memcached_password);
  if (strcmp(auth, "none") == 0 || (strcmp(auth, "auto") == 0 && !is_given(user)))
    return CACHETTE_OK;
  if (!is_given(user) || !is_given(password))
    return cachette__fail(error, CACHETTE_ECONFIG,
                          is_given(user) ? "memcached_password" : "memcached_username",
                          "To authenticate at memcached both \"memcached_username\" and "
                          "\"memcached_password\" are needed.");
  self->sasl = strcmp(auth, "sasl") == 0;
  if (!self->sasl && strchr(user, ' ') != NULL)
    return cachette__fail(error, CACHETTE_ECONFIG, "memcached_username",
                          "The \"memcached_username\" must not have a space in it, unless "
                          "\"memcached_auth\" is sasl.");
  self->username = cachette__strndup(user, strlen(user));
  self->password = cachette__strndup(password, strlen(password));
  if (self->username == NULL || self->password == NULL)
    return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  return CACHETTE_OK;
}

/* All that opening may find fault with. */
static int read_settings(cachette__memcached *self, const cachette_options *options,
                         cachette_error *error) {
  const char *hosts = cachette__options_text(options, CACHETTE__OPTION_memcached_host);
  const char *prefix = cachette__options_text(options, CACHETTE__OPTION_key_prefix);
  int code = cachette__memcached_hosts_parse(hosts, &self->hosts, error);
  if (code == CACHETTE_OK) code = read_user(self, options, error);
  if (code == CACHETTE_OK && cachette__options_number(options, CACHETTE__OPTION_memcached_tls) != 0)
    code = cachette__store_secure(options, &self->tls, error);
  if (code < 0) return code;
  if (is_given(prefix)) {
    self->key_prefix = cachette__strndup(prefix, strlen(prefix));
    if (self->key_prefix == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
    self->prefix = cachette_str(self->key_prefix);
  }
  self->timeout_ms = cachette__options_number(options, CACHETTE__OPTION_timeout);
  return CACHETTE_OK;
}

static int memcached_check(const cachette_options *options, cachette_error *error) {
  cachette__memcached *draft = cachette__calloc(1, sizeof *draft);
  if (draft == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  int code = read_settings(draft, options, error);
  free_store(draft);
  return code;
}

static bool memcached_warn(const cachette_options *options, cachette_error *warning) {
  return cachette__options_number(options, CACHETTE__OPTION_memcached_tls) == 0 &&
         cachette__store_warn_plain(options, "Set \"memcached_tls\" to true", warning);
}

static bool make_nodes(cachette__memcached *self, const cachette_options *options) {
  int64_t connect_ms = cachette__options_number(options, CACHETTE__OPTION_connect_timeout);
  size_t hosts = self->hosts.count;
  self->nodes = cachette__calloc(2 * hosts, sizeof *self->nodes);
  for (size_t i = 0; self->nodes != NULL && i < 2 * hosts; i++) {
    self->nodes[i] = cachette__mc_node_new(self, &self->hosts.list[i % hosts], connect_ms);
    if (self->nodes[i] == NULL) return false;
  }
  return self->nodes != NULL;
}

/* Names the servers, for messages that concern them all. */
static void name_servers(cachette__memcached *self) {
  size_t others = self->hosts.count - 1;
  if (others == 0)
    snprintf(self->name, sizeof self->name, "%s", self->nodes[0]->name);
  else
    snprintf(self->name, sizeof self->name, "memcached (%.100s and %zu more)", self->nodes[0]->name,
             others);
}

static int memcached_open(const cachette__store_context *context, cachette__store **store,
                          cachette_error *error) {
  cachette__memcached *self = cachette__calloc(1, sizeof *self);
  if (self == NULL) return cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  self->base.vtable = &cachette__memcached_store;
  self->loop = context->loop;
  self->events = context->events;
  int code = read_settings(self, context->options, error);
  if (code == CACHETTE_OK && !make_nodes(self, context->options))
    code = cachette__fail(error, CACHETTE_ENOMEM, NULL, NULL);
  if (code < 0) {
    free_store(self);
    return code;
  }
  name_servers(self);
  for (size_t i = 0; i < 2 * self->hosts.count; i++) cachette__mc_node_start(self->nodes[i]);
  uv_idle_init(self->loop, &self->idle);
  uv_timer_init(self->loop, &self->timer);
  self->idle.data = self->timer.data = self;
  self->open_handles = 2 * self->hosts.count + 2;
  *store = &self->base;
  return CACHETTE_OK;
}

const cachette__store_vtable cachette__memcached_store = {
    .name = "memcached",
    .check = memcached_check,
    .warn = memcached_warn,
    .open = memcached_open,
    .submit = memcached_submit,
    .detach = memcached_detach,
    .stats = memcached_stats,
    .reason = memcached_reason,
    .server = memcached_server,
    .close = memcached_close,
};
