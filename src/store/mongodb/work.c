/* SPDX-License-Identifier: MIT */
/* Runs a job on a thread of the pool: connects, runs the verb, and retries where that is safe. */
#include "internal.h"

typedef void item_function(cachette__mongo_job *job, mongoc_collection_t *collection,
                           cachette__item_copy *item);

static void for_each_item(cachette__mongo_job *job, mongoc_collection_t *collection,
                          item_function *function) {
  for (size_t i = 0; i < job->op.count && job->op.code == CACHETTE_OK; i++)
    function(job, collection, &job->op.items[i]);
}

static void run_verb(cachette__mongo_job *job, const cachette__mongo_client *client) {
  mongoc_collection_t *collection = client->collection;
  switch (job->op.verb) {
    case CACHETTE_FETCH:
    case CACHETTE_EXISTS:
      cachette__mongo_find(job, collection);
      break;
    case CACHETTE_PUT:
      if (job->op.flags & CACHETTE_IF_ABSENT)
        for_each_item(job, collection, cachette__mongo_add);
      else
        cachette__mongo_put(job, collection);
      break;
    case CACHETTE_TOUCH:
      cachette__mongo_touch(job, collection);
      break;
    case CACHETTE_INCREMENT:
      for_each_item(job, collection, cachette__mongo_increment);
      break;
    case CACHETTE_CLEAR:
      cachette__mongo_clear(job, collection);
      break;
    case CACHETTE_CLEAR_NAMESPACE:
      for_each_item(job, collection, cachette__mongo_clear_namespace);
      break;
    case CACHETTE_FLUSH:
      cachette__mongo_flush(job, collection);
      break;
    case CACHETTE_FLUSH_EXPIRED:
      cachette__mongo_flush_expired(job, collection);
      break;
    case CACHETTE_PING:
      cachette__mongo_ping(job, client->client);
      break;
  }
}

static void reset_results(cachette__mongo_job *job) {
  job->op.code = CACHETTE_OK;
  job->op.error.code = CACHETTE_OK;
  for (size_t i = 0; i < job->op.count; i++) {
    cachette__free(job->op.items[i].found);
    job->op.items[i].found = NULL;
    job->op.items[i].status = CACHETTE_MISS;
    job->op.items[i].retry = false;
  }
}

static void run_with_retry(cachette__mongo_job *job, const cachette__mongo_client *client) {
  run_verb(job, client);
  /* The server may have closed an idle connection. The retry opens a new one. */
  if (job->disconnected && cachette__is_idempotent(job->op.verb, job->op.flags)) {
    reset_results(job);
    run_verb(job, client);
  }
}

void cachette__mongo_work(cachette__mongo_job *job, cachette__mongo_thread *thread) {
  if (cachette__mongo_out_of_time(job)) return;
  const cachette__mongo_client *client = cachette__mongo_connect_for(job, thread);
  if (client == NULL) return;
  if (cachette__mongo_inserts(job->op.verb) && !cachette__mongo_indexes_await(job)) return;
  run_with_retry(job, client);
}
