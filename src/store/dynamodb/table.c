/* SPDX-License-Identifier: MIT */
/*
 * Sets up the table before the first op: checks its schema, creates it if it does not exist, and
 * enables its time to live. The set-up is one call, which is resent with one body after another:
 *
 *     DescribeTable -+-> (CreateTable -> DescribeTable ... until it is ACTIVE) -+-> ops continue
 *                    |                                                          |
 *                    +-> access is denied: ops continue                         v
 *                                     DescribeTimeToLive -> UpdateTimeToLive; no op waits for these
 */
#include "internal.h"

enum { DESCRIBE, CREATE, DESCRIBE_TTL, UPDATE_TTL };

enum { POLL_MS = 100 };

static void write_step(cachette__dynamo_call *call, int step) {
  static const char *const actions[] = {
      [DESCRIBE] = "DescribeTable",
      [CREATE] = "CreateTable",
      [DESCRIBE_TTL] = "DescribeTimeToLive",
      [UPDATE_TTL] = "UpdateTimeToLive",
  };
  static const char *const suffixes[] = {
      [DESCRIBE] = "",
      [CREATE] =
          ",\"BillingMode\":\"PAY_PER_REQUEST\",\"AttributeDefinitions\":[{\"AttributeName\":"
          "\"key\",\"AttributeType\":\"S\"}],\"KeySchema\":[{\"AttributeName\":\"key\","
          "\"KeyType\":\"HASH\"}]",
      [DESCRIBE_TTL] = "",
      [UPDATE_TTL] =
          ",\"TimeToLiveSpecification\":{\"AttributeName\":\"expires\",\"Enabled\":true}",
  };
  call->step = step;
  call->action = actions[step];
  call->pause_ms = 0;
  call->deadline_ms = cachette__machine_now() + call->store->settings->timeout_ms;
  cachette__text_clear(&call->body);
  cachette__text_printf(&call->body, "{\"TableName\":\"%s\"%s}", call->store->settings->table,
                        suffixes[step]);
}

static enum cachette__dynamo_outcome send_step(cachette__dynamo_call *call, int step) {
  write_step(call, step);
  return CACHETTE__DYNAMO_RESEND;
}

/* ---- The end of the set-up ---- */

static enum cachette__dynamo_outcome end_setup(cachette__dynamo *store) {
  store->table_call = NULL;
  return CACHETTE__DYNAMO_DONE;
}

static void resume_ops(cachette__dynamo *store) {
  store->table = CACHETTE__DYNAMO_READY;
  cachette__dynamo_calls_resume(store, NULL);
}

/* Fails the waiting calls. The next op starts the set-up again. */
static enum cachette__dynamo_outcome fail_setup(cachette__dynamo *store,
                                                const cachette_error *error) {
  store->table = CACHETTE__DYNAMO_UNKNOWN;
  cachette__dynamo_calls_resume(store, error);
  return end_setup(store);
}

/* ---- Descriptions ---- */

static const char *text_of(json_t *object, const char *name) {
  json_t *member = cachette__json_member(object, name, JSON_STRING);
  return member != NULL ? json_string_value(member) : "";
}

/* Whether the table's only key is `key`, of type text. */
static bool has_expected_schema(json_t *table) {
  json_t *schema = cachette__json_member(table, "KeySchema", JSON_ARRAY);
  json_t *types = cachette__json_member(table, "AttributeDefinitions", JSON_ARRAY);
  if (schema == NULL || json_array_size(schema) != 1) return false;
  json_t *key = json_array_get(schema, 0);
  if (strcmp(text_of(key, "AttributeName"), "key") != 0) return false;
  for (size_t i = 0; types != NULL && i < json_array_size(types); i++) {
    json_t *type = json_array_get(types, i);
    if (strcmp(text_of(type, "AttributeName"), "key") == 0)
      return strcmp(text_of(type, "AttributeType"), "S") == 0;
  }
  return false;
}

static enum cachette__dynamo_outcome fail_schema(cachette__dynamo *store) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_EBACKEND, "table_name",
                 "The table \"%.100s\" of %s has the wrong key schema: it must have one key, a "
                 "HASH key of type S (text) named \"key\". Set \"table_name\" to another table; a "
                 "missing table is created.",
                 store->settings->table, store->name);
  return fail_setup(store, &error);
}

static enum cachette__dynamo_outcome take_table(cachette__dynamo_call *call, json_t *json) {
  json_t *table = cachette__json_member(json, "Table", JSON_OBJECT);
  if (table == NULL) table = cachette__json_member(json, "TableDescription", JSON_OBJECT);
  const char *status = text_of(table, "TableStatus");
  if (strcmp(status, "CREATING") == 0 || strcmp(status, "DELETING") == 0) {
    write_step(call, DESCRIBE);
    call->pause_ms = POLL_MS;
    return CACHETTE__DYNAMO_RESEND;
  }
  if (!has_expected_schema(table)) return fail_schema(call->store);
  resume_ops(call->store);
  return send_step(call, DESCRIBE_TTL);
}

/* ---- Refusals ---- */

static bool is_refusal(const cachette__dynamo_reply *reply) {
  return strcmp(reply->type, "AccessDeniedException") == 0 ||
         strcmp(reply->type, "UnknownOperationException") == 0;
}

static enum cachette__dynamo_outcome fail_create(cachette__dynamo *store) {
  cachette_error error;
  cachette__fail(
      &error, CACHETTE_EBACKEND, "table_name",
      "There is no table \"%.100s\" in %s, and these credentials may not create it. Create it with "
      "a HASH key of type S (text) named \"key\", or allow dynamodb:CreateTable.",
      store->settings->table, store->name);
  return fail_setup(store, &error);
}

static enum cachette__dynamo_outcome take_failure(cachette__dynamo_call *call,
                                                  const cachette__dynamo_reply *reply) {
  cachette__dynamo *store = call->store;
  bool is_missing = strcmp(reply->type, "ResourceNotFoundException") == 0;
  bool exists = strcmp(reply->type, "ResourceInUseException") == 0;
  if (call->step == DESCRIBE && is_missing) return send_step(call, CREATE);
  if (call->step == CREATE && exists) return send_step(call, DESCRIBE);
  if (call->step == CREATE && is_refusal(reply)) return fail_create(store);
  if (call->step == DESCRIBE && is_refusal(reply)) {
    resume_ops(store); /* the user may still be allowed to use the table */
    return end_setup(store);
  }
  /* Without time to live the table keeps expired entries, but they are still misses. */
  return call->step < DESCRIBE_TTL ? fail_setup(store, &reply->error) : end_setup(store);
}

static enum cachette__dynamo_outcome on_reply(cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  if (reply->code < 0) return take_failure(call, reply);
  json_t *time = cachette__json_member(reply->json, "TimeToLiveDescription", JSON_OBJECT);
  switch (call->step) {
    case DESCRIBE:
    case CREATE:
      return take_table(call, reply->json);
    case DESCRIBE_TTL:
      if (strcmp(text_of(time, "TimeToLiveStatus"), "DISABLED") == 0)
        return send_step(call, UPDATE_TTL);
      break;
  }
  return end_setup(call->store);
}

bool cachette__dynamo_table_is_ready(cachette__dynamo *store) {
  if (store->table == CACHETTE__DYNAMO_READY) return true;
  if (store->table == CACHETTE__DYNAMO_CHECKING) return false;
  cachette__dynamo_call *call = store->table_call;
  if (call != NULL)
    cachette__dynamo_call_abandon(call); /* it sets the time to live of a table that was deleted */
  call = cachette__dynamo_call_new(store, "");
  if (call == NULL) return true; /* the op's call will report that memory or the table is missing */
  store->table_call = call;
  store->table = CACHETTE__DYNAMO_CHECKING;
  call->is_idempotent = true;
  call->done = on_reply;
  write_step(call, DESCRIBE);
  cachette__dynamo_call_submit(call);
  return false;
}
