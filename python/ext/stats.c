/* SPDX-License-Identifier: MIT */
/* What the handles of a configuration have done, those that are closed included. */
#include "ext.h"

void stats_add(cachette_stats *sum, const cachette_stats *stats) {
  sum->hits += stats->hits;
  sum->misses += stats->misses;
  sum->puts += stats->puts;
  sum->clears += stats->clears;
  sum->errors += stats->errors;
  sum->retries += stats->retries;
  sum->pending += stats->pending;
  sum->spent_us += stats->spent_us;
}

void stats_add_handle(cachette_stats *sum, const cachette *handle) {
  cachette_stats stats;
  if (handle != NULL && cachette_get_stats(handle, &stats) == CACHETTE_OK) stats_add(sum, &stats);
}

/* Sets a number of the dict, None if it is not known. */
static int set(PyObject *dict, const char *name, long long number) {
  PyObject *value = number >= 0 ? PyLong_FromLongLong(number) : Py_NewRef(Py_None);
  int code = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;
  Py_XDECREF(value);
  return code;
}

/* The store's own figures, which every handle knows alike. */
static void find_store_stats(ext_state *state, config_object *config, cachette_stats *stats) {
  const cachette *handle = config_waits(config, state) < 0 ? NULL : config->handle;
  stats->entries = stats->bytes = stats->limit = stats->evictions = stats->expirations = -1;
  cachette_stats store;
  if (handle == NULL || cachette_get_stats(handle, &store) < 0) return;
  stats->entries = store.entries;
  stats->bytes = store.bytes;
  stats->limit = store.limit;
  stats->evictions = store.evictions;
  stats->expirations = store.expirations;
}

PyObject *stats_of_config(ext_state *state, config_object *config) {
  cachette_stats sum = config->closed;
  find_store_stats(state, config, &sum);
  if (PyErr_Occurred()) return NULL;
  stats_add_handle(&sum, config->handle);
  for (Py_ssize_t i = 0; i < config->host_count; i++) host_add_stats(config->hosts[i], &sum);
  sync_add_stats(config, &sum);
  PyObject *dict = PyDict_New();
  if (dict == NULL) return NULL;
  PyObject *seconds = PyFloat_FromDouble((double)sum.spent_us / 1e6);
  int code = seconds != NULL ? PyDict_SetItemString(dict, "seconds", seconds) : -1;
  Py_XDECREF(seconds);
  if (code == 0 && set(dict, "hits", (long long)sum.hits) == 0 &&
      set(dict, "misses", (long long)sum.misses) == 0 &&
      set(dict, "puts", (long long)sum.puts) == 0 &&
      set(dict, "clears", (long long)sum.clears) == 0 &&
      set(dict, "errors", (long long)sum.errors) == 0 &&
      set(dict, "retries", (long long)sum.retries) == 0 &&
      set(dict, "pending", (long long)sum.pending) == 0 && set(dict, "entries", sum.entries) == 0 &&
      set(dict, "bytes", sum.bytes) == 0 && set(dict, "limit", sum.limit) == 0 &&
      set(dict, "evictions", sum.evictions) == 0 && set(dict, "expirations", sum.expirations) == 0)
    return dict;
  Py_DECREF(dict);
  return NULL;
}
