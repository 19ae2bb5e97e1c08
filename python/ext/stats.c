/* SPDX-License-Identifier: MIT */
/* What the handles of a configuration have done, those that are closed included. */
#include <string.h>

#include "ext.h"

void stats_add(cachette_stats *sum, const cachette_stats *stats) {
#define HANDLE(name) sum->name += stats->name;
#define STORE(name)
#define ADD(name, owner, text) owner(name)
  CACHETTE_STATS(ADD)
#undef HANDLE
#undef STORE
#undef ADD
}

void stats_add_handle(cachette_stats *sum, const cachette *handle) {
  cachette_stats stats;
  if (handle != NULL && cachette_get_stats(handle, &stats, sizeof stats) == CACHETTE_OK)
    stats_add(sum, &stats);
}

/* The store's own figures, which every handle knows alike. */
static void find_store_stats(ext_state *state, config_object *config, cachette_stats *stats) {
  const cachette *handle = config_waits(config, state) < 0 ? NULL : config->handle;
  cachette_stats store;
  memset(&store, -1, sizeof store); /* each is -1: not known */
  if (handle != NULL) cachette_get_stats(handle, &store, sizeof store);
#define HANDLE(name)
#define STORE(name) stats->name = store.name;
#define TAKE(name, owner, text) owner(name)
  CACHETTE_STATS(TAKE)
#undef HANDLE
#undef STORE
#undef TAKE
}

/* Sets a number of the dict, None if it is not known. */
static bool set(PyObject *dict, const char *name, int64_t number) {
  PyObject *value = number >= 0 ? PyLong_FromLongLong(number) : Py_NewRef(Py_None);
  int code = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;
  Py_XDECREF(value);
  return code == 0;
}

PyObject *stats_of_config(ext_state *state, config_object *config) {
  cachette_stats sum = config->closed;
  find_store_stats(state, config, &sum);
  if (PyErr_Occurred()) return NULL;
  stats_add_handle(&sum, config->handle);
  for (Py_ssize_t i = 0; i < config->host_count; i++) host_add_stats(config->hosts[i], &sum);
  sync_add_stats(config, &sum);
  PyObject *dict = PyDict_New();
  bool fine = dict != NULL;
#define SET(name, owner, text) fine = fine && set(dict, #name, sum.name);
  CACHETTE_STATS(SET)
#undef SET
  if (fine) return dict;
  Py_XDECREF(dict);
  return NULL;
}
