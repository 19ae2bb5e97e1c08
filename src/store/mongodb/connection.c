/* SPDX-License-Identifier: MIT */
/* Each thread's libmongoc clients, and the availability of servers. */
#include "../../base/clock.h"
#include "internal.h"

enum { BACK_OFF_MIN_MS = 250, BACK_OFF_MAX_MS = 4000 }; /* doubled after each failed probe */

/* ---- Callbacks of libmongoc, on its threads ---- */

static bool has_server(const mongoc_topology_description_t *servers) {
  return mongoc_topology_description_has_readable_server(servers, NULL) ||
         mongoc_topology_description_has_writable_server(servers);
}

static void on_heartbeat(const mongoc_apm_server_heartbeat_succeeded_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_server_heartbeat_succeeded_get_context(event);
  shared->has_responded = true;
}

static void on_heartbeat_failed(const mongoc_apm_server_heartbeat_failed_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_server_heartbeat_failed_get_context(event);
  shared->has_responded = true;
}

static void on_topology_changed(const mongoc_apm_topology_changed_t *event) {
  cachette__mongo_shared *shared = mongoc_apm_topology_changed_get_context(event);
  if (!has_server(mongoc_apm_topology_changed_get_previous_description(event)) &&
      has_server(mongoc_apm_topology_changed_get_new_description(event)))
    shared->recoveries++;
}

static void watch(cachette__mongo_shared *shared, mongoc_client_pool_t *clients) {
  mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
  mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, on_heartbeat);
  mongoc_apm_set_server_heartbeat_failed_cb(callbacks, on_heartbeat_failed);
  mongoc_apm_set_topology_changed_cb(callbacks, on_topology_changed);
  mongoc_client_pool_set_apm_callbacks(clients, callbacks, shared);
  mongoc_apm_callbacks_destroy(callbacks);
}

/* ---- Clients ---- */

/* Returns the pool of clients, and creates it first if needed. Runs on a thread of the pool,
 * because a mongodb+srv:// URL needs a DNS look-up, which blocks. */
static mongoc_client_pool_t *get_clients(cachette__mongo_shared *shared, bson_error_t *error) {
  uv_mutex_lock(&shared->clients_mutex);
  mongoc_client_pool_t *clients = shared->clients;
  if (clients == NULL) {
    clients = mongoc_client_pool_new_with_error(shared->settings->uri, error);
    if (clients != NULL) {
      mongoc_client_pool_max_size(clients, shared->settings->threads);
      mongoc_client_pool_set_error_api(clients, MONGOC_ERROR_API_VERSION_2);
      watch(shared, clients);
    }
    shared->clients = clients;
  }
  uv_mutex_unlock(&shared->clients_mutex);
  return clients;
}

bool cachette__mongo_connect(cachette__mongo_shared *shared, cachette__mongo_thread *thread,
                             bson_error_t *error) {
  if (thread->pooled.client != NULL) return true;
  mongoc_client_pool_t *clients = get_clients(shared, error);
  if (clients == NULL) return false;
  thread->pooled.client = mongoc_client_pool_pop(clients);
  thread->pooled.collection = mongoc_client_get_collection(
      thread->pooled.client, shared->settings->database, shared->settings->collection);
  return true;
}

static void disconnect_unpooled(cachette__mongo_thread *thread) {
  if (thread->unpooled.client == NULL) return;
  mongoc_collection_destroy(thread->unpooled.collection);
  mongoc_client_destroy(thread->unpooled.client);
  thread->unpooled.client = NULL;
}

/*
 * A pooled client waits for a reply as long as the time-out in the options. For an op with a longer
 * time-out, such as a clear of a large collection, the thread creates an unpooled client. It reuses
 * that client until an op has an even longer time-out.
 */
static bool connect_unpooled(cachette__mongo_job *job, cachette__mongo_thread *thread,
                             bson_error_t *error) {
  const cachette__mongo_settings *settings = job->shared->settings;
  cachette__mongo_client *unpooled = &thread->unpooled;
  if (unpooled->client != NULL && job->timeout_ms <= thread->unpooled_timeout_ms) return true;
  disconnect_unpooled(thread);
  mongoc_uri_t *uri = mongoc_uri_copy(settings->uri);
  int64_t ms = job->timeout_ms < INT32_MAX ? job->timeout_ms : INT32_MAX;
  mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, (int32_t)ms);
  unpooled->client = mongoc_client_new_from_uri_with_error(uri, error);
  mongoc_uri_destroy(uri);
  if (unpooled->client == NULL) return false;
  mongoc_client_set_error_api(unpooled->client, MONGOC_ERROR_API_VERSION_2);
  unpooled->collection =
      mongoc_client_get_collection(unpooled->client, settings->database, settings->collection);
  thread->unpooled_timeout_ms = job->timeout_ms;
  return true;
}

const cachette__mongo_client *cachette__mongo_connect_for(cachette__mongo_job *job,
                                                          cachette__mongo_thread *thread) {
  bson_error_t error = {0};
  bool unpooled = job->timeout_ms > job->shared->settings->timeout_ms;
  if (unpooled ? connect_unpooled(job, thread, &error)
               : cachette__mongo_connect(job->shared, thread, &error))
    return unpooled ? &thread->unpooled : &thread->pooled;
  cachette__mongo_fail_job(job, &error);
  return NULL;
}

void cachette__mongo_disconnect(cachette__mongo_shared *shared, cachette__mongo_thread *thread) {
  if (thread->pooled.client != NULL) {
    mongoc_collection_destroy(thread->pooled.collection);
    mongoc_client_pool_push(shared->clients, thread->pooled.client);
  }
  disconnect_unpooled(thread);
}

/* ---- Availability ---- */

cachette__mongo_availability *cachette__mongo_availability_of(cachette__mongo_shared *shared,
                                                              enum cachette_verb verb) {
  return cachette__is_read(verb) ? &shared->reads : &shared->writes;
}

bool cachette__mongo_is_unavailable(const cachette__mongo_shared *shared,
                                    const cachette__mongo_availability *availability) {
  if (availability->error.code == CACHETTE_OK || availability->recoveries != shared->recoveries)
    return false;
  return availability->probing || cachette__machine_now() < availability->retry_ms;
}

static void back_off(cachette__mongo_availability *availability, const cachette__mongo_job *job) {
  availability->error = job->op.error;
  availability->recoveries = job->recoveries;
  availability->back_off_ms = job->is_probe ? availability->back_off_ms * 2 : BACK_OFF_MIN_MS;
  if (availability->back_off_ms > BACK_OFF_MAX_MS) availability->back_off_ms = BACK_OFF_MAX_MS;
  availability->retry_ms = cachette__machine_now() + availability->back_off_ms;
}

void cachette__mongo_update_availability(const cachette__mongo_job *job) {
  cachette__mongo_availability *availability =
      cachette__mongo_availability_of(job->shared, job->op.verb);
  if (job->is_probe) availability->probing = false;
  /* Until a server has responded once, it may only be slow to connect. */
  if (job->no_server && job->shared->has_responded)
    back_off(availability, job);
  else if (!job->no_server && job->op.code != CACHETTE_ETIMEDOUT)
    availability->error.code = CACHETTE_OK;
}
