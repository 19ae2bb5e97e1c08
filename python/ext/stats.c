/* SPDX-License-Identifier: MIT */
/* The statistics of a configuration are the sum over its handles, including closed ones. */
#include "stats.h"

#include <string.h>

#include "cache.h"
#include "handle.h"
#include "loop_handle.h"
#include "thread_handle.h"

/* Replaces the figures of the store, which are the same in all handles. */
static void find_store_stats(ext_state *state, config_object *config, cachette_stats *stats) {
  const cachette *handle = handle_waits(config, state) < 0 ? NULL : config->handle;
  cachette_stats store;
  memset(&store, -1, sizeof store); /* all fields are -1: unknown */
  if (handle != NULL) cachette_get_stats(handle, &store, sizeof store);
#define HANDLE(name)
#define STORE(name) stats->name = store.name;
#define TAKE(name, owner, text) owner(name)
  CACHETTE_STATS(TAKE)
#undef HANDLE
#undef STORE
#undef TAKE
}

/* Sets a number in the dict, or None if it is unknown. */
static bool set(PyObject *dict, const char *name, int64_t number) {
  PyObject *value = number >= 0 ? PyLong_FromLongLong(number) : Py_NewRef(Py_None);
  int code = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;
  Py_XDECREF(value);
  return code == 0;
}

static PyObject *stats_of_config(ext_state *state, config_object *config) {
  cachette_stats sum = config->closed;
  find_store_stats(state, config, &sum);
  if (PyErr_Occurred()) return NULL;
  stats_add_handle(&sum, config->handle);
  loop_handles_add_stats(config, &sum);
  thread_handles_add_stats(config, &sum);
  PyObject *dict = PyDict_New();
  bool ok = dict != NULL;
#define SET(name, owner, text) ok = ok && set(dict, #name, sum.name);
  CACHETTE_STATS(SET)
#undef SET
  if (ok) return dict;
  Py_XDECREF(dict);
  return NULL;
}

PyObject *stats_of_class(PyObject *module, PyObject *type) {
  ext_state *state = PyModule_GetState(module);
  config_object *config = cache_config_of(state, "stats", type);
  if (config == NULL) return NULL;
  PyObject *stats = stats_of_config(state, config);
  Py_DECREF(config);
  return stats;
}
