/* SPDX-License-Identifier: MIT */
#include "map_builder.h"

#include <string.h>

enum { NO_NODE = CACHETTE__REDIS_NO_NODE };

typedef cachette__redis_map_builder builder;

int cachette__redis_map_builder_init(builder *self, const cachette__redis_map_source *source) {
  *self = (builder){.source = source, .map = cachette__redis_map_new()};
  return self->map != NULL ? CACHETTE_OK : CACHETTE_ENOMEM;
}

void cachette__redis_map_builder_deinit(builder *self) {
  cachette__redis_map_release(self->map);
  self->map = NULL;
}

static bool refuse(builder *self, const char *reason) {
  self->code = CACHETTE_EBACKEND;
  self->reason = reason;
  return false;
}

/* ---- Texts ---- */

static bool is_text(enum cachette__resp_type type) {
  return type == CACHETTE__RESP_BULK || type == CACHETTE__RESP_SIMPLE;
}

/* Returns whether a token ends its value. Texts may arrive in parts. */
static bool ends_value(const cachette__resp_token *token) {
  switch (token->type) {
    case CACHETTE__RESP_SIMPLE:
    case CACHETTE__RESP_ERROR:
    case CACHETTE__RESP_BULK:
    case CACHETTE__RESP_DOUBLE:
    case CACHETTE__RESP_BIG:
    case CACHETTE__RESP_VERBATIM:
      return token->end;
    default:
      return true;
  }
}

/* Adds a part. Returns false if the text is too long to be valid. */
static bool add_text(cachette__redis_map_text *text, const cachette__resp_token *token) {
  if (token->offset == 0) text->size = 0;
  if (token->size >= sizeof text->bytes) return false;
  memcpy(text->bytes + text->size, token->bytes.size > 0 ? token->bytes.data : "",
         token->bytes.size);
  text->size += token->bytes.size;
  return true;
}

static bool is_word(const cachette__redis_map_text *text, const char *word) {
  return text->size == strlen(word) && memcmp(text->bytes, word, text->size) == 0;
}

/* Returns the announced host name, or NULL. */
static const char *announced_name(builder *self) {
  cachette__redis_map_text *text = &self->announced;
  text->bytes[text->size] = '\0';
  return strlen(text->bytes) == text->size ? text->bytes : NULL;
}

/* ---- Nodes ---- */

/* Adds the node that was read, as the primary of the range or as a replica. */
static bool add_node(builder *self) {
  if (!self->in_node) return true;
  self->in_node = false;
  cachette_slice host = {self->host.bytes, self->host.size};
  int node = CACHETTE_EINVAL;
  if (!self->is_skipped)
    node =
        cachette__redis_map_locate(self->map, self->source, host, self->port, announced_name(self));
  if (node == CACHETTE_EBACKEND) return refuse(self, "it lists too many nodes");
  if (node == CACHETTE_ENOMEM) {
    self->code = CACHETTE_ENOMEM;
    self->reason = "out of memory";
    return false;
  }
  bool is_replica = self->value > 3;
  if (node < 0) return true;
  if (is_replica) {
    if (self->primary != NO_NODE) self->map->nodes[node].primary = (uint16_t)self->primary;
    return true;
  }
  self->primary = (unsigned)node;
  for (int64_t slot = self->begin; slot <= self->end; slot++)
    if (self->map->owner[slot] != NO_NODE) return refuse(self, "a slot has two owners");
  cachette__redis_map_set_owner(self->map, (unsigned)self->begin, (unsigned)self->end,
                                self->primary);
  return true;
}

static void begin_node(builder *self) {
  self->in_node = true;
  self->field = 0;
  self->in_metadata = self->is_skipped = false;
  self->host.size = self->announced.size = 0;
}

/* Takes a value of a node. */
static bool take_field(builder *self, const cachette__resp_token *token) {
  self->in_metadata = false;
  if (self->field == 0) {
    if (is_text(token->type))
      self->is_skipped |= !add_text(&self->host, token);
    else if (token->type != CACHETTE__RESP_NULL)
      return refuse(self, "a host is not a string");
  } else if (self->field == 1) {
    if (token->type != CACHETTE__RESP_INTEGER) return refuse(self, "a port is not a number");
    self->port = token->number;
  } else if (self->field == 3) {
    self->in_metadata = token->type == CACHETTE__RESP_ARRAY || token->type == CACHETTE__RESP_MAP;
    self->has_key = false;
  }
  return true;
}

/* Takes a name, or the value after it. */
static void take_metadata(builder *self, const cachette__resp_token *token) {
  bool is_short = is_text(token->type) && add_text(&self->text, token);
  if (!ends_value(token)) return;
  if (!self->has_key)
    self->is_host_name = is_short && is_word(&self->text, "hostname");
  else if (self->is_host_name && is_short)
    self->announced = self->text;
  self->has_key = !self->has_key;
}

/* ---- Ranges ---- */

static bool take_range_value(builder *self, const cachette__resp_token *token) {
  unsigned value = self->value++;
  if (value < 2) {
    bool is_slot = token->type == CACHETTE__RESP_INTEGER && token->number >= 0 &&
                   token->number < CACHETTE__REDIS_SLOTS;
    if (!is_slot) return refuse(self, "a slot is not a number from 0 to 16383");
    if (value == 0) self->begin = token->number;
    self->end = token->number;
    return self->begin <= self->end || refuse(self, "a range ends before it begins");
  }
  if (token->type != CACHETTE__RESP_ARRAY || token->number < 2)
    return refuse(self, "a node has no host and port");
  begin_node(self);
  return true;
}

static bool take_head(builder *self, const cachette__resp_token *token) {
  if (token->type != CACHETTE__RESP_ARRAY) return refuse(self, "it is not an array");
  if (token->depth == 0)
    return token->number <= CACHETTE__REDIS_SLOTS || refuse(self, "it lists too many ranges");
  self->value = 0;
  self->primary = NO_NODE;
  return token->number >= 2 || refuse(self, "a range has no slots");
}

static bool take(builder *self, const cachette__resp_token *token) {
  if (token->depth <= 2 && !add_node(self)) return false;
  if (token->depth <= 1) return take_head(self, token);
  if (token->depth == 2) return take_range_value(self, token);
  if (token->depth == 3) {
    bool ok = take_field(self, token);
    if (ends_value(token)) self->field++;
    return ok;
  }
  if (token->depth == 4 && self->in_metadata) take_metadata(self, token);
  return true;
}

int cachette__redis_map_builder_take(builder *self, const cachette__resp_token *token) {
  if (token->push || token->attribute || self->code < 0) return self->code;
  if (take(self, token) && token->last && add_node(self)) {
    cachette__redis_map_link(self->map);
    self->is_complete = true;
  }
  return self->code;
}

const char *cachette__redis_map_builder_reason(const builder *self) { return self->reason; }

cachette__redis_map *cachette__redis_map_builder_finish(builder *self) {
  if (!self->is_complete) return NULL;
  cachette__redis_map *map = self->map;
  self->map = NULL;
  self->is_complete = false;
  return map;
}
