/* SPDX-License-Identifier: MIT */
/*
 * The Python extension `cachette._cachette`: libcachette's public API as Python objects.
 *
 *     Cache    the base of `Cachette`: calls become ops              cache.c
 *     Config   options, codec, and the handle opened with them       config.c
 *     Ready    an awaitable whose result is there already            ready.c
 *
 * A Cache has no state: its class names its Config, so that building one in each request
 * costs next to nothing. Handles are used with the GIL held.
 */
#ifndef CACHETTE_EXT_H
#define CACHETTE_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cachette.h>
#include <stdbool.h>

#if PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *object) {
  Py_INCREF(object);
  return object;
}
#endif

typedef struct config_object config_object;
typedef struct ready ready;

enum { READY_KEPT = 8 };

/* The state of the module: everything that the calls share. */
typedef struct ext_state {
  PyTypeObject *cache_type, *config_type, *ready_type;

  /* The class that was last asked for its Config, and the answer; both or neither. */
  PyTypeObject *known_class;
  config_object *known_config;

  /* Exceptions of cachette._exceptions. */
  PyObject *config_error, *backend_error, *backend_unavailable, *backend_timeout, *codec_error;

  /* Interned names. */
  PyObject *str_config, *str_key, *str_value, *str_ttl, *str_namespace, *str_default;

  /* Ready objects to use again. */
  ready *kept[READY_KEPT];
  int kept_count;
} ext_state;

/* ---- ready.c ---- */

extern PyType_Spec ready_spec;

/* An awaitable that gives `result`; takes the reference. If `result` is NULL it raises the
 * exception that is set now, when it is awaited (only an Exception waits; KeyboardInterrupt and its
 * like are raised at once). */
PyObject *ready_new(ext_state *state, PyObject *result);

/* Frees the kept objects, then lets go of their type; from then on none is kept. */
void ready_forget(ext_state *state);

/* ---- config.c ---- */

extern PyType_Spec config_spec;

struct config_object {
  PyObject_HEAD cachette_options *options;
  cachette *handle; /* opened by the first op */
  PyObject *codec;  /* its name */
  bool vanilla;
  PyObject *dumps, *loads; /* NULL until first used, and always if vanilla */
};

/* load(pairs, lenient) -> (Config or None, [(name, message), ...]) */
PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* options() -> the library's table of options, a dict each */
PyObject *config_options(PyObject *module, PyObject *ignored);

/* Runs an op on the handle, which is opened if need be, anew after a fork. Returns 0, or -1 with
 * an exception set. */
int config_run(config_object *self, ext_state *state, cachette_op *op);

/* Looks the codec up by its name. Returns 0, or -1 with an exception set. */
int config_find_codec(config_object *self, ext_state *state);

/* Raises what a code of libcachette means. `error` may be NULL. Returns -1. */
int raise_error(ext_state *state, int code, const cachette_error *error);

/* ---- cache.c ---- */

extern PyType_Spec cache_spec;

/* configure(cls, config): what calls on the class use from now on. */
PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
