/* SPDX-License-Identifier: MIT */
/*
 * Ops on several nodes, or that need several tries.
 *
 * A fan-out works in rounds. In each it chooses a node for every item that has no result yet, and
 * starts a child op for each of these nodes, its parts. When all parts are back, their items are
 * copied to the op; those that were redirected or refused are left for the next round. It starts at
 * once if the router knows where they are, else after a pause.
 *
 *     round:  choose --> parts --> nodes --> results --> none left? complete
 *        '----- redirected, or a pause ---------'
 *
 * An op without items has a part for each primary, and a round is for all of them.
 */
#include <string.h>

#include "../../base/alloc.h"
#include "../../base/error.h"
#include "../../base/slice.h"
#include "router.h"

enum {
  NO_PLACE = CACHETTE__REDIS_NO_PLACE,
  MIN_PAUSE_MS = 10,
  MAX_PAUSE_MS = 200,
  FAST_REDIRECTS = 2 /* after so many redirections in a row, a pause precedes the next */
};

typedef struct part {
  cachette__frame frame; /* must be first */
  cachette_op op;
  cachette__redis_fanout *fanout;
  struct part *next;
  cachette__redis_route route;
  bool pending; /* its node has it */
  bool again;   /* it has no items, and was given back */
  cachette_error error;
  size_t *indexes; /* of its items in the op */
  cachette_item items[];
} part;

struct cachette__redis_fanout {
  cachette__redis_router *router;
  cachette_op *op;
  cachette__redis_fanout *previous, *next; /* in the list of those that wait */
  part *parts;
  size_t pending;     /* parts that are not back, and one while a round starts */
  unsigned redirects; /* rounds that a redirection was the reason for */
  unsigned batch;     /* of the resumption that it came after */
  int code;           /* of the last part that failed as a whole */
  bool again;         /* no items: a part has to be repeated */
  bool is_waiting;    /* in the list */
  bool was_refused;   /* an item had to wait, for the reason of the router */
  bool was_sent;      /* a server has executed it, maybe, and the connection was lost */
};

/* ---- The list of those that wait ---- */

static void set_timer(cachette__redis_router *router) {
  if (router->is_timer_set) return;
  uint32_t random = 0;
  unsigned pauses = router->pauses < 5 ? router->pauses : 5;
  uint32_t bound = (uint32_t)MIN_PAUSE_MS << (pauses + 1);
  if (bound > MAX_PAUSE_MS) bound = MAX_PAUSE_MS;
  if (uv_random(NULL, NULL, &random, sizeof random, 0, NULL) != 0) random = (uint32_t)uv_hrtime();
  router->is_timer_set = true;
  router->pauses++;
  uv_update_time(router->loop);
  uv_timer_start(&router->timer, router->on_timer,
                 MIN_PAUSE_MS + random % (bound - MIN_PAUSE_MS + 1), 0);
}

static void wait(cachette__redis_fanout *fanout) {
  cachette__redis_router *router = fanout->router;
  cachette__redis_fanout *last = router->waiting != NULL ? router->waiting->previous : fanout;
  fanout->is_waiting = fanout->was_refused = true;
  fanout->batch = router->batch;
  fanout->previous = last; /* the first one's `previous` is the last one */
  fanout->next = NULL;
  if (router->waiting == NULL)
    router->waiting = fanout;
  else
    last->next = fanout, router->waiting->previous = fanout;
  set_timer(router);
}

static void stop_waiting(cachette__redis_fanout *fanout) {
  cachette__redis_router *router = fanout->router;
  if (!fanout->is_waiting) return;
  fanout->is_waiting = false;
  if (router->waiting == fanout)
    router->waiting = fanout->next;
  else
    fanout->previous->next = fanout->next;
  if (fanout->next != NULL)
    fanout->next->previous = fanout->previous;
  else if (router->waiting != NULL)
    router->waiting->previous = fanout->previous;
}

/* ---- Ending ---- */

static void free_parts(cachette__redis_fanout *fanout) {
  while (fanout->parts != NULL) {
    part *next = fanout->parts->next;
    cachette__free(fanout->parts);
    fanout->parts = next;
  }
}

static void complete(cachette__redis_fanout *fanout) {
  cachette_op *op = fanout->op;
  size_t failed = 0;
  bool has_items = cachette__has_items(op->verb);
  for (size_t i = 0; has_items && i < op->count; i++) failed += op->items[i].status < 0;
  int code = !has_items || failed == op->count ? fanout->code : CACHETTE_OK;
  free_parts(fanout);
  cachette__free(fanout);
  cachette__redis_complete(op, code);
}

/* Fails an item, or the op if it has no items, with the router's reason. */
static void fail(cachette__redis_fanout *fanout, cachette_item *item) {
  const cachette_error reason = fanout->router->reason;
  char subject[64] = "";
  if (item != NULL) cachette__key_text(item->key, subject, sizeof subject);
  if (item != NULL && cachette__redis_is_counted(item->status)) {
    item->status = CACHETTE_MISS; /* only setting its TTL failed */
    return;
  }
  fanout->code = cachette__fail(fanout->op->error, reason.code, subject, "%s", reason.message);
  if (item != NULL) item->status = fanout->code;
}

static void fail_unfinished(cachette__redis_fanout *fanout) {
  cachette_op *op = fanout->op;
  if (!cachette__has_items(op->verb)) {
    fail(fanout, NULL);
    fanout->again = false;
  }
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    if (cachette__redis_is_unfinished(op->items[i].status)) fail(fanout, &op->items[i]);
}

static void fail_memory(cachette__redis_fanout *fanout) {
  cachette__fail(&fanout->router->reason, CACHETTE_ENOMEM, NULL, NULL);
  fail_unfinished(fanout);
}

/* ---- Results ---- */

static void take_failure(part *self, int code) {
  cachette__redis_fanout *fanout = self->fanout;
  fanout->code = code;
  for (size_t i = 0; cachette__has_items(self->op.verb) && i < self->op.count; i++) {
    cachette_item *item = &self->items[i];
    if (self->op.verb == CACHETTE_FETCH && item->status == CACHETTE_HIT) continue;
    if (!cachette__redis_is_unfinished(item->status) && item->status < 0) continue;
    item->status = code;
  }
}

/* The counter `to` is incremented, whether or not its TTL could be set. */
static void take_expiry(const cachette_item *from, cachette_item *to) {
  bool again = cachette__redis_is_unfinished(from->status);
  to->status = again ? CACHETTE__REDIS_COUNTED + from->status : CACHETTE_MISS;
}

/* Copies the results of the items to the op. */
static void take_items(const part *self) {
  cachette_op *op = self->fanout->op;
  for (size_t i = 0; cachette__has_items(op->verb) && i < self->op.count; i++) {
    const cachette_item *from = &self->items[i];
    cachette_item *to = &op->items[self->indexes[i]];
    if (self->route.expiring) {
      take_expiry(from, to);
      continue;
    }
    to->status = from->status;
    bool is_counted = from->status >= 0 || cachette__redis_is_counted(from->status);
    if (op->verb == CACHETTE_INCREMENT && is_counted) to->amount = from->amount;
    if (op->verb != CACHETTE_FETCH) continue;
    to->value = from->value;
    if (op->flags & CACHETTE_WITH_TTL) to->ttl_ms = from->ttl_ms;
  }
}

/* Returns whether a replica has executed the part, so that it must have become the primary. */
static bool shows_promotion(const part *self, int status) {
  const cachette__redis_router *router = self->fanout->router;
  bool is_read = self->op.verb == CACHETTE_FETCH || self->op.verb == CACHETTE_EXISTS;
  if (!self->route.probing || status < 0 || self->again) return false;
  if (is_read && router->settings->read_from != CACHETTE__REDIS_PRIMARY) return false;
  if (!cachette__has_items(self->op.verb)) return true;
  for (size_t i = 0; i < self->op.count; i++)
    if (self->items[i].status >= 0) return true;
  return false;
}

static void end_round(cachette__redis_fanout *fanout);

static void release(cachette__redis_fanout *fanout) {
  if (--fanout->pending == 0) end_round(fanout);
}

static void on_part_done(cachette__frame *frame, cachette_op *child) {
  part *self = (part *)frame;
  cachette__redis_fanout *fanout = self->fanout;
  cachette_op *op = fanout->op;
  const cachette_error *error = &self->error;
  self->pending = false;
  if (error->code < 0 && !self->route.expiring)
    cachette__fail(op->error, error->code, error->subject, "%s", error->message);
  if (child->status < 0)
    take_failure(self, child->status);
  else if (shows_promotion(self, child->status))
    cachette__redis_route_promote(fanout->router, self->route.place);
  fanout->again |= self->again;
  if (!cachette__has_items(op->verb)) op->number += child->number;
  take_items(self);
  release(fanout);
}

/* ---- Starting parts ---- */

/* Memory for a fetched value comes from the op that the caller has submitted. */
static void *on_alloc(cachette_op *child, cachette_item *item, size_t size) {
  const part *self = (part *)((char *)child - offsetof(part, op));
  cachette_op *op = self->fanout->op;
  return op->alloc(op, &op->items[self->indexes[item - self->items]], size);
}

static part *add_part(cachette__redis_fanout *fanout, cachette__redis_route route, size_t count) {
  const cachette_op *op = fanout->op;
  size_t head = sizeof(part) + count * sizeof(cachette_item);
  part *self = cachette__malloc(head + count * sizeof(size_t));
  if (self == NULL) return NULL;
  *self = (part){.frame = {.done = on_part_done}, .fanout = fanout, .route = route};
  self->indexes = (size_t *)((char *)self + head);
  self->op = (cachette_op){.verb = route.expiring ? CACHETTE_TOUCH : op->verb,
                           .flags = route.expiring ? 0 : op->flags,
                           .items = self->items,
                           .timeout_ms = op->timeout_ms,
                           .alloc = op->alloc != NULL ? on_alloc : NULL,
                           .error = &self->error};
  self->op.priv.frame = &self->frame;
  self->op.priv.now_ms = op->priv.now_ms;
  self->op.priv.deadline_ms = op->priv.deadline_ms;
  self->next = fanout->parts;
  fanout->parts = self;
  return self;
}

static void add_item(part *self, size_t index) {
  const cachette_item *item = &self->fanout->op->items[index];
  size_t last = self->op.count++;
  self->items[last] = *item;
  self->items[last].status = CACHETTE_MISS;
  self->indexes[last] = index;
}

static unsigned flags_of(const part *self) {
  return (unsigned)CACHETTE__REDIS_PART | (self->route.asking ? CACHETTE__REDIS_ASKING : 0u) |
         (self->route.waiting ? CACHETTE__REDIS_WAITING : 0u) |
         (self->fanout->was_sent ? CACHETTE__REDIS_RESENT : 0u);
}

static void submit_parts(cachette__redis_fanout *fanout) {
  for (part *each = fanout->parts; each != NULL; each = each->next) {
    cachette__redis_node *node = cachette__redis_place_open(fanout->router, each->route.place);
    each->pending = true;
    fanout->pending++;
    if (node != NULL)
      cachette__redis_node_submit(node, &each->op, flags_of(each));
    else
      cachette__op_fail(&each->op, CACHETTE_ENOMEM, NULL, NULL);
  }
}

/* ---- A round ---- */

static bool is_same(cachette__redis_route a, cachette__redis_route b) {
  return a.place == b.place && a.asking == b.asking && a.probing == b.probing &&
         a.waiting == b.waiting && a.expiring == b.expiring;
}

/* Chooses the place of an item. Returns false if it has none. */
static bool choose(cachette__redis_fanout *fanout, cachette_item *item,
                   cachette__redis_route *route) {
  if (!cachette__redis_is_unfinished(item->status)) return false;
  *route = cachette__redis_route_item(fanout->router, fanout->op, item);
  route->expiring = cachette__redis_is_counted(item->status);
  if (route->place != NO_PLACE) return true;
  if (route->is_futile)
    fail(fanout, item);
  else
    item->status = CACHETTE__REDIS_POSTPONED + (route->expiring ? CACHETTE__REDIS_COUNTED : 0);
  return false;
}

/* Adds a part for each place. `routes` has space for one entry per item. */
static bool divide(cachette__redis_fanout *fanout, cachette__redis_route *routes) {
  cachette_op *op = fanout->op;
  for (size_t i = 0; i < op->count; i++)
    if (!choose(fanout, &op->items[i], &routes[i])) routes[i].place = NO_PLACE;
  for (size_t i = 0; i < op->count; i++) {
    if (routes[i].place == NO_PLACE) continue;
    size_t count = 0;
    for (size_t j = i; j < op->count; j++) count += is_same(routes[i], routes[j]);
    part *self = add_part(fanout, routes[i], count);
    if (self == NULL) return false;
    const cachette__redis_route route = routes[i];
    for (size_t j = i; j < op->count; j++) {
      if (!is_same(route, routes[j])) continue;
      add_item(self, j);
      routes[j].place = NO_PLACE;
    }
  }
  return true;
}

static bool divide_items(cachette__redis_fanout *fanout) {
  cachette__redis_route few[8], *routes = few;
  size_t count = fanout->op->count;
  if (count > sizeof few / sizeof *few) routes = cachette__malloc(count * sizeof *routes);
  bool ok = routes != NULL && divide(fanout, routes);
  if (routes != few) cachette__free(routes);
  return ok;
}

/* Adds a part for each primary. If one is down, there is no round: a ping fails, and others wait. A
 * ping does not show whether a replica has taken over, as every server answers it.
 * Returns false if out of memory. */
static bool divide_primaries(cachette__redis_fanout *fanout) {
  cachette__redis_router *router = fanout->router;
  bool is_ping = fanout->op->verb == CACHETTE_PING;
  bool is_patient = fanout->op->flags & CACHETTE__REDIS_PATIENT;
  fanout->again = !router->has_map;
  for (unsigned i = 0; router->has_map && i < router->map->node_count; i++) {
    if (!cachette__redis_map_is_primary(router->map, i)) continue;
    cachette__redis_route route = cachette__redis_route_primary(router, i, !is_ping);
    if (route.place == NO_PLACE) {
      free_parts(fanout);
      fanout->again = true;
      if ((is_ping && !is_patient) || route.is_futile) fail_unfinished(fanout);
      return true;
    }
    if (add_part(fanout, route, 0) == NULL) return false;
  }
  if (!router->has_map && router->finding_failed) fail_unfinished(fanout);
  return true;
}

static void start_round(cachette__redis_fanout *fanout) {
  cachette__redis_router *router = fanout->router;
  bool has_items = cachette__has_items(fanout->op->verb);
  if (router->finder->catch_up != NULL) router->finder->catch_up(router);
  if (!router->has_map) cachette__redis_router_refresh(router, NO_PLACE);
  fanout->pending = 1;
  if (has_items ? divide_items(fanout) : divide_primaries(fanout)) {
    submit_parts(fanout);
  } else {
    free_parts(fanout);
    fail_memory(fanout);
  }
  release(fanout);
}

/* Counts the items for another round. `redirected`: how many of them may go at once. */
static size_t count_unfinished(const cachette__redis_fanout *fanout, size_t *redirected) {
  const cachette_op *op = fanout->op;
  size_t count = 0;
  *redirected = 0;
  if (!cachette__has_items(op->verb)) return fanout->again && fanout->code == 0;
  for (size_t i = 0; i < op->count; i++) {
    int status = cachette__redis_uncounted(op->items[i].status);
    count += cachette__redis_is_unfinished(status);
    *redirected += status <= CACHETTE__REDIS_MOVED;
  }
  return count;
}

/* Completes the op, or sees to its next round. */
static void proceed(cachette__redis_fanout *fanout) {
  size_t redirected, count = count_unfinished(fanout, &redirected);
  if (redirected > 0 && ++fanout->redirects > CACHETTE__REDIS_MAX_REDIRECTS) {
    fail_unfinished(fanout);
    count = 0;
  }
  if (count == 0)
    complete(fanout);
  else if (redirected == count && fanout->redirects <= FAST_REDIRECTS)
    start_round(fanout);
  else
    wait(fanout);
}

static void end_round(cachette__redis_fanout *fanout) {
  free_parts(fanout);
  proceed(fanout);
}

/* Starts the next round of all fan-outs that wait. */
static void resume_all(cachette__redis_router *router) {
  unsigned batch = ++router->batch;
  while (router->waiting != NULL && router->waiting->batch != batch) {
    cachette__redis_fanout *fanout = router->waiting;
    stop_waiting(fanout);
    start_round(fanout);
  }
  if (router->waiting == NULL) router->pauses = 0;
}

void cachette__redis_fanout_on_timer(uv_timer_t *timer) {
  cachette__redis_router *router = timer->data;
  router->is_timer_set = false;
  resume_all(router);
}

/* ---- Starting and detaching ---- */

static cachette__redis_fanout *create(cachette__redis_router *router, cachette_op *op) {
  cachette__redis_fanout *fanout = cachette__calloc(1, sizeof *fanout);
  if (fanout == NULL) {
    cachette__redis_fail(op, CACHETTE_ENOMEM, cachette_strerror(CACHETTE_ENOMEM));
    return NULL;
  }
  fanout->router = router;
  fanout->op = op;
  op->priv.node = NULL;
  op->priv.below = (uintptr_t)fanout;
  return fanout;
}

void cachette__redis_fanout_start(cachette__redis_router *router, cachette_op *op) {
  cachette__redis_fanout *fanout = create(router, op);
  if (fanout == NULL) return;
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    op->items[i].status = CACHETTE__REDIS_POSTPONED;
  fanout->again = op->flags & CACHETTE__REDIS_PATIENT;
  if (fanout->again)
    wait(fanout);
  else
    start_round(fanout);
}

void cachette__redis_fanout_take_back(cachette__redis_router *router, cachette_op *op,
                                      bool was_sent) {
  if (op->priv.frame->done == on_part_done) {
    part *self = (part *)op->priv.frame;
    self->again = !cachette__has_items(op->verb);
    self->fanout->was_sent |= was_sent;
    cachette__op_complete(op, CACHETTE_OK);
    return;
  }
  cachette__redis_fanout *fanout = create(router, op);
  if (fanout == NULL) return;
  fanout->was_sent = was_sent;
  fanout->again = !cachette__has_items(op->verb);
  proceed(fanout);
}

void cachette__redis_fanout_detach(cachette_op *op) {
  cachette__redis_fanout *fanout = (cachette__redis_fanout *)op->priv.below;
  bool counts = op->verb == CACHETTE_INCREMENT;
  for (part *each = fanout->parts; each != NULL; each = each->next)
    if (each->pending && cachette__redis_node_detach(each->op.priv.node, &each->op) && !counts)
      take_items(each);
  for (size_t i = 0; cachette__has_items(op->verb) && i < op->count; i++)
    if (cachette__redis_is_unfinished(op->items[i].status))
      op->items[i].status = counts ? CACHETTE_MISS : CACHETTE_ETIMEDOUT;
  stop_waiting(fanout);
  free_parts(fanout);
  cachette__free(fanout);
}

const cachette_error *cachette__redis_fanout_reason(const cachette_op *op) {
  const cachette__redis_fanout *fanout = (const cachette__redis_fanout *)op->priv.below;
  const cachette_error *reason = NULL;
  if (fanout->was_refused) return &fanout->router->reason;
  for (const part *each = fanout->parts; each != NULL && reason == NULL; each = each->next)
    if (each->pending) reason = cachette__redis_node_reason(each->op.priv.node, &each->op);
  return reason;
}

const char *cachette__redis_fanout_server(const cachette_op *op) {
  const cachette__redis_fanout *fanout = (const cachette__redis_fanout *)op->priv.below;
  for (const part *each = fanout->parts; each != NULL; each = each->next)
    if (each->pending) return ((cachette__redis_node *)each->op.priv.node)->pipeline.name;
  return fanout->router->name;
}
