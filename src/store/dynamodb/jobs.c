/* SPDX-License-Identifier: MIT */
/* Runs a job: makes the calls of its command until none is left, then completes the op. */
#include <stdlib.h>

#include "internal.h"

/* Bytes of an item, with the names of its attributes: 400 KB minus the size of two numbers. */
enum {
  ITEM_MAX = 400 * 1024 - 2 * 21,
  NAMES_SIZE = sizeof "keyvalueexpiresexpires_at" - 1,
  RAW_SIZE = sizeof "raw" - 1
};

/* ---- Errors ---- */

static void set_error(cachette__dynamo_job *job, const cachette_error *error) {
  if (!job->has_error)
    cachette__fail(job->op->error, error->code, error->subject, "%s", error->message);
  job->has_error = true;
}

void cachette__dynamo_fail_item(cachette__dynamo_job *job, size_t index,
                                const cachette_error *error) {
  job->op->items[index].status = error->code;
  set_error(job, error);
}

void cachette__dynamo_fail_job(cachette__dynamo_job *job, const cachette_error *error) {
  if (job->code < 0) return;
  job->code = error->code;
  job->has_error = false;
  set_error(job, error);
}

void cachette__dynamo_fail_no_memory(cachette__dynamo_job *job) {
  cachette_error error;
  cachette__fail(&error, CACHETTE_ENOMEM, NULL, NULL);
  cachette__dynamo_fail_job(job, &error);
}

/* ---- Duplicates ---- */

typedef struct sorted {
  cachette_slice key;
  size_t index;
} sorted;

static int compare_keys(const sorted *left, const sorted *right) {
  if (left->key.size != right->key.size) return left->key.size < right->key.size ? -1 : 1;
  return memcmp(left->key.data, right->key.data, left->key.size);
}

static int compare(const void *left_data, const void *right_data) {
  const sorted *left = left_data, *right = right_data;
  int order = compare_keys(left, right);
  if (order != 0) return order;
  return left->index < right->index ? -1 : 1;
}

/* Sets `same_as` of each entry to the last entry with its key. False: out of memory. */
static bool find_duplicates(cachette__dynamo_job *job) {
  sorted *all = cachette__malloc(job->count * sizeof *all);
  if (all == NULL) return false;
  for (size_t i = 0; i < job->count; i++) all[i] = (sorted){job->entries[i].key.text, i};
  qsort(all, job->count, sizeof *all, compare);
  for (size_t i = job->count - 1; i-- > 0;)
    if (compare_keys(&all[i], &all[i + 1]) == 0)
      job->entries[all[i].index].same_as = job->entries[all[i + 1].index].same_as;
  cachette__free(all);
  return true;
}

static void copy_result(cachette_op *op, cachette_item *item, const cachette_item *from) {
  item->status = from->status;
  if (op->verb != CACHETTE_FETCH || from->status != CACHETTE_HIT) return;
  item->ttl_ms = from->ttl_ms;
  void *bytes = cachette__item_alloc(op, item, from->value.size);
  if (bytes != NULL && from->value.size > 0) memcpy(bytes, from->value.data, from->value.size);
}

/* ---- Jobs ---- */

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
  job->open_calls--;
}

void cachette__dynamo_job_free(cachette__dynamo_job *job) {
  while (job->calls != NULL) {
    cachette__dynamo_call *call = job->calls;
    unlink_call(job, call);
    cachette__dynamo_call_abandon(call);
  }
  json_decref(job->items);
  json_decref(job->position);
  cachette__free(job);
}

/* Frees the job and completes the op. */
static void finish(cachette__dynamo_job *job) {
  cachette_op *op = job->op;
  int code = job->code;
  for (size_t i = 0; code == CACHETTE_OK && cachette__has_items(op->verb) && i < op->count; i++) {
    cachette_item *item = &op->items[i];
    if (job->entries[i].same_as != i) copy_result(op, item, &op->items[job->entries[i].same_as]);
    if (op->verb != CACHETTE_CLEAR_NAMESPACE) op->number += cachette__item_counts(op, item);
  }
  cachette__dynamo_job_free(job);
  cachette__op_complete(op, code);
}

bool cachette__dynamo_has_next_entry(const cachette__dynamo_job *job) {
  return job->next < job->count;
}

/* Whether the command takes the reply: a success, or an error that it expects. */
static bool is_expected(const cachette__dynamo_reply *reply) {
  return reply->code == CACHETTE_OK || reply->code == CACHETTE_ETOOBIG ||
         strcmp(reply->type, "ConditionalCheckFailedException") == 0;
}

static void advance(cachette__dynamo_job *job);

static enum cachette__dynamo_outcome on_reply(cachette__dynamo_call *call,
                                              const cachette__dynamo_reply *reply) {
  cachette__dynamo_job *job = call->job;
  enum cachette__dynamo_outcome outcome = CACHETTE__DYNAMO_DONE;
  if (is_expected(reply))
    outcome = job->command->take(job, call, reply);
  else
    cachette__dynamo_fail_job(job, &reply->error);
  if (outcome == CACHETTE__DYNAMO_RESEND && job->code == CACHETTE_OK) return outcome;
  unlink_call(job, call);
  advance(job);
  return CACHETTE__DYNAMO_DONE;
}

/* Starts the calls that may run now. Finishes the job if it failed or no call is open. */
static void advance(cachette__dynamo_job *job) {
  size_t limit = job->in_order ? 1 : job->command->concurrency;
  while (job->code == CACHETTE_OK && job->open_calls < limit && job->command->has_next(job)) {
    cachette__dynamo_call *call = cachette__dynamo_call_new(job->store, "");
    if (call == NULL) {
      cachette__dynamo_fail_no_memory(job);
      break;
    }
    call->deadline_ms = job->op->priv.deadline_ms;
    call->done = on_reply;
    call->table_is_ready = cachette__dynamo_table_is_ready;
    link_call(job, call);
    job->command->write(job, call);
    cachette__dynamo_call_submit(call);
  }
  if (job->open_calls == 0 || job->code < 0) finish(job);
}

/* ---- Start ---- */

/* Returns the key of an entry. A ping has one, too. */
static cachette_slice key_of(const cachette_op *op, size_t index) {
  return op->verb == CACHETTE_PING ? cachette_str("ping") : op->items[index].key;
}

/* Writes the head of a namespace's keys to `at`, as `raw` of `head`. Returns its end. */
static char *write_head(cachette_slice prefix, cachette_slice name, char *at,
                        cachette__dynamo_key *head) {
  char *end = at + prefix.size + name.size + 1;
  if (prefix.size > 0) memcpy(at, prefix.data, prefix.size);
  memcpy(at + prefix.size, name.data, name.size);
  end[-1] = ':';
  *head = (cachette__dynamo_key){.raw = {at, (size_t)(end - at)}};
  return end;
}

static bool is_too_large(const cachette__dynamo_key *key, const cachette_item *item) {
  size_t size = NAMES_SIZE + key->text.size + (key->raw.size > 0 ? RAW_SIZE + key->raw.size : 0);
  return item->value.size > ITEM_MAX || size + item->value.size > ITEM_MAX;
}

/* If a key appears twice, a batch sends its last entry only. Other commands make a call for each
 * entry, one after another. */
static void set_order(cachette__dynamo_job *job) {
  for (size_t i = 0; i < job->count && !job->command->is_batch; i++) {
    if (job->entries[i].same_as == i) continue;
    job->entries[i].same_as = i;
    job->in_order = true;
  }
}

static bool init_entries(cachette__dynamo_job *job, char *at) {
  const cachette_op *op = job->op;
  cachette_slice prefix = cachette_str(job->store->settings->prefix);
  bool is_name = op->verb == CACHETTE_CLEAR_NAMESPACE;
  for (size_t i = 0; i < job->count && at != NULL; i++) {
    cachette__dynamo_entry *entry = &job->entries[i];
    entry->same_as = i;
    at = is_name ? write_head(prefix, key_of(op, i), at, &entry->key)
                 : cachette__dynamo_key_make(prefix, key_of(op, i), at, &entry->key);
    if (at != NULL && op->verb == CACHETTE_PUT)
      entry->too_large = is_too_large(&entry->key, &op->items[i]);
  }
  if (at == NULL) return false;
  if (is_name || job->count < 2) return true;
  if (!find_duplicates(job)) return false;
  set_order(job);
  return true;
}

static cachette__dynamo_job *new_job(cachette__dynamo *store, cachette_op *op,
                                     const cachette__dynamo_command *command) {
  cachette_slice prefix = cachette_str(store->settings->prefix);
  size_t count = op->verb == CACHETTE_PING ? 1 : cachette__has_items(op->verb) ? op->count : 0;
  size_t capacity = 0;
  for (size_t i = 0; i < count; i++)
    capacity += cachette__dynamo_key_capacity(prefix, key_of(op, i)) + sizeof ":";
  cachette__dynamo_job *job =
      cachette__calloc(1, sizeof *job + count * sizeof *job->entries + capacity);
  if (job == NULL) return NULL;
  job->store = store;
  job->op = op;
  job->command = command;
  job->count = count;
  if (init_entries(job, (char *)&job->entries[count])) return job;
  cachette__free(job);
  return NULL;
}

void cachette__dynamo_job_start(cachette__dynamo *store, cachette_op *op,
                                const cachette__dynamo_command *command) {
  cachette__dynamo_job *job = new_job(store, op, command);
  if (job == NULL) {
    cachette__op_fail(op, CACHETTE_ENOMEM, NULL, NULL);
    return;
  }
  op->priv.below = (uintptr_t)job;
  advance(job);
}
