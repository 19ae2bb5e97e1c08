/* SPDX-License-Identifier: MIT */
/*
 * The Python extension `cachette._cachette`: libcachette's public API as Python objects.
 *
 * Each file calls only files below it; the right column has the main ones:
 *
 *     module         functions, types and state               all with a type or function
 *     method         `Cachette.put` and the like, as methods  cache, sync
 *     stats          what the calls on a class have done      cache, *_handle
 *     sync           Sync: the calls that block               cache, immediate, thread_handle
 *     cache          Cache: calls that give awaitables        immediate, pending, ready
 *     config         Config: options, codec, handles          options, codec, lease, *_handle
 *     pending        a call whose op is under way             call, result, loop_handle, ready
 *     immediate      calls on a store that answers at once    call, result, handle
 *     result         what an op brought back, as a value      codec
 *     call           what the caller gave, as an op           arguments, codec, lease
 *     ready          a call whose result is known             awaitable
 *     loop_handle    a handle in an event loop                handle, log, future
 *     thread_handle  a handle of one thread                   handle, log
 *     handle         opens handles; has the shared one        errors
 *     awaitable      what calls share with coroutines         signature
 *     options        Python values as options                 errors
 *     codec          values as bytes, and bytes as values     errors
 *     lease          who may store what was computed          arguments
 *     log            notices as warnings of `logging`         errors
 *     future         what a task waits on
 *     signature      which calls there are, their arguments
 *     flights        functions of cachette._flights
 *     arguments      keys and times to live
 *     errors         libcachette's errors as exceptions
 *
 * A Cache has no state of its own: its class has the Config. So building one in each request costs
 * next to nothing. All functions run with the GIL held, but for the wait in thread_handle.c.
 */
#ifndef CACHETTE_EXT_H
#define CACHETTE_EXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <cachette.h>
#include <stdatomic.h>
#include <stdbool.h>

#if PY_VERSION_HEX < 0x030A0000
static inline PyObject *Py_NewRef(PyObject *object) {
  Py_INCREF(object);
  return object;
}
#endif

typedef struct config_object config_object;
typedef struct ready ready;
typedef struct pending pending;
typedef struct future future;
typedef struct lease lease;
typedef struct active_write active_write;
typedef struct loop_handle loop_handle;
typedef struct thread_handle thread_handle;

enum { READY_KEPT = 8, PENDING_KEPT = 256 };

/* The state of the module: everything that the calls share. */
typedef struct ext_state {
  PyTypeObject *cache_type, *config_type, *ready_type, *pending_type, *future_type;
  PyTypeObject *sync_type, *loop_handle_type, *thread_handle_type, *method_type, *lease_type;

  /* The class whose Config was last asked for, and that Config; both or neither. */
  PyTypeObject *known_class;
  config_object *known_config;

  /* Exceptions of cachette._exceptions. */
  PyObject *cachette_error, *config_error, *backend_error, *backend_unavailable, *backend_timeout,
      *codec_error;

  /* Interned names. */
  PyObject *str_config, *str_handle, *str_load;
  PyObject *str_add_reader, *str_remove_reader, *str_call_soon, *str_call_later, *str_cancel;
  PyObject *str_is_closed;
  PyObject *context_keyword; /* ("context",) */

  PyObject *get_running_loop, *cancelled_error; /* asyncio's; NULL until an op first waits */

  /* Of cachette._flights; NULL until first needed, see flights.h. */
  PyObject *missing, *get_or_set, *missed, *behind, *behind_now, *returns_of;

  /* Ready and Pending objects that are kept for reuse. */
  ready *kept[READY_KEPT];
  int kept_count;
  pending *kept_pending[PENDING_KEPT];
  int kept_pending_count;
} ext_state;

/* A Config. Each file below config.c keeps the fields of its own concern. */
struct config_object {
  PyObject_HEAD cachette_options *options;

  /* codec.c */
  PyObject *codec;         /* its name */
  PyObject *dumps, *loads; /* NULL until first used, and always if vanilla */
  bool vanilla;
  bool textual;   /* it stores text and numbers, and no types of Python's */
  bool codec_own; /* it is the application's; known once `loads` is */

  /* handle.c */
  bool waits;       /* ops have to be waited for, on a handle for each event loop or thread */
  cachette *handle; /* shared by all if they need not; else one that is not taken yet, or NULL */
  cachette_stats closed; /* what handles that are closed had counted */

  /* loop_handle.c */
  loop_handle **loop_handles; /* one for each loop; the last used is the first */
  Py_ssize_t loop_handle_count;

  /* thread_handle.c */
  PyObject *local;               /* a threading.local, which has each thread's handle */
  thread_handle *thread_handles; /* all of those */

  /* lease.c */
  lease **leases; /* by the hash of their keys; NULL until there was one */
  Py_ssize_t lease_count;
  Py_ssize_t storing;   /* how many of them put their value now */
  active_write *writes; /* that have to be waited for */
  unsigned writes_forks;

  _Atomic(int64_t) stopped_ms; /* what a stopped clock reads */
};

#endif
