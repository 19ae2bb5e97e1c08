/* SPDX-License-Identifier: MIT */
/*
 * The Python extension `cachette._cachette`: the public API of libcachette as Python objects.
 *
 * A file calls only files that are below it in this list. The right column names the main ones:
 *
 *     module         functions, types and state                all with a type or function
 *     method         `Cachette.put` and the like, as methods   cache, sync
 *     stats          statistics of a class                     cache, *_handle
 *     sync           Sync: calls that block                    cache, immediate, thread_handle
 *     cache          Cache: calls that return awaitables       immediate, pending, ready
 *     config         Config: options, codec, handles           options, control, lease, *_handle
 *     pending        an awaitable whose op is pending          call, result, loop_handle, ready
 *     immediate      calls on a store that answers at once     call, result, handle
 *     result         the result of an op as a Python value     codec, control
 *     call           the arguments of a call as an op          arguments, codec, control, lease
 *     ready          an awaitable whose result is known        awaitable
 *     http_lane      HttpLane: begins exchanges of hits        cache, http_exchange, http_send
 *     http_send      HttpSend: what is passed on               http_passed, http_steps, ready
 *     http_passed    HttpPassed: what is passed on at once     http_find, http_unstored
 *     http_exchange  HttpExchange: the type                    http_find, http_keep, http_steps
 *     http_find      awaiting one: its fetch and its answer    http_hit, immediate, pending
 *     http_hit       the messages of a hit                     http_keep, http_steps
 *     http_keep      its records and bodies                    http_record, http_steps
 *     http_steps     its steps: decide, answer, receive        http_request, signature
 *     http_record    functions over records and keys           http_policy
 *     http_unstored  what could not be stored lately           http_looks
 *     http_looks     which requests and responses are alike    http_request
 *     http_message   messages of ASGI
 *     http_request   a request from an ASGI scope              http_fields, http_policy
 *     http_policy    HttpPolicy: what the HTTP cache may do    arguments
 *     http_fields    lists of headers
 *     loop_handle    a handle in an event loop                 handle, log, future
 *     thread_handle  a handle of one thread                    handle, log
 *     handle         opens handles, holds the shared one       errors
 *     awaitable      what calls share with coroutines           signature
 *     options        Python values as options                  errors
 *     codec          values to bytes, bytes to values          errors
 *     control        what a request asks of calls
 *     lease          the right to store a computed value       arguments
 *     log            notices as warnings of `logging`          errors
 *     future         what a task waits on
 *     signature      the calls and their parameters
 *     flights        functions of cachette._flights
 *     arguments      texts, bytes, keys and times to live
 *     errors         errors of libcachette as exceptions
 *
 * A Cache has no state: its class has the Config. So a request handler can create one at almost no
 * cost. All functions run with the GIL held, except for the wait in thread_handle.c.
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

static inline PyObject *Py_XNewRef(PyObject *object) {
  Py_XINCREF(object);
  return object;
}
#endif

typedef struct config_object config_object;
typedef struct ready ready;
typedef struct pending pending;
typedef struct http_exchange http_exchange;
typedef struct future future;
typedef struct lease lease;
typedef struct control control;
typedef struct active_write active_write;
typedef struct loop_handle loop_handle;
typedef struct thread_handle thread_handle;

enum { READY_FREELIST_SIZE = 8, PENDING_FREELIST_SIZE = 256, EXCHANGE_FREELIST_SIZE = 64 };
enum { HTTP_PAIRS = 256, RANDOMS = 32 };

/* The state of the module, which all calls share. */
typedef struct ext_state {
  PyTypeObject *cache_type, *config_type, *ready_type, *pending_type, *future_type;
  PyTypeObject *sync_type, *loop_handle_type, *thread_handle_type, *method_type, *lease_type;
  PyTypeObject *http_policy_type, *http_exchange_type, *http_record_type, *http_lane_type;
  PyTypeObject *http_counters_type, *http_epochs_type, *http_send_type, *http_passed_type;
  PyTypeObject *control_type;

  /* The class that was looked up last, and its Config. Both are NULL or none is. */
  PyTypeObject *last_class;
  config_object *last_config;

  /* Exceptions of cachette._exceptions. */
  PyObject *cachette_error, *config_error, *backend_error, *backend_unavailable, *backend_timeout,
      *codec_error, *only_if_cached;

  /* Interned names. */
  PyObject *str_config, *str_handle, *str_load;
  PyObject *str_add_reader, *str_remove_reader, *str_call_soon, *str_call_later, *str_cancel;
  PyObject *str_is_closed;
  PyObject *str_method, *str_scheme, *str_path, *str_raw_path, *str_query_string, *str_headers;
  PyObject *str_type, *str_status, *str_body, *str_more_body;
  PyObject *str_response_start, *str_response_body; /* "http.response.start", "...body" */
  PyObject *str_cache_status, *str_directives, *str_invalidate, *str_invalidate_target,
      *str_is_used, *str_left_out;
  PyObject *str_passed, *str_plan, *str_remembered, *str_use;
  PyObject *str_note_unstored, *str_scope, *str_send_after, *str_take_over, *str_vary;
  PyObject *context_keyword; /* ("context",) */

  PyObject *current_control; /* a context variable: a Control, or None */
  bool any_obeys;            /* whether a configuration has the option `request_control` */

  PyObject *get_running_loop, *cancelled_error; /* of asyncio; NULL until the first op waits */

  /* From cachette._flights; NULL until flights_import() has run. */
  PyObject *missing, *get_or_set, *missed, *write_after_puts, *wait_for_puts, *returns_of;

  /* Random numbers to use, of which `random_left` are left; and of which process. */
  uint64_t randoms[RANDOMS];
  unsigned random_left, random_forks;

  /* Free lists: objects to reuse. */
  ready *ready_freelist[READY_FREELIST_SIZE];
  int ready_free_count;
  pending *pending_freelist[PENDING_FREELIST_SIZE];
  int pending_free_count;
  http_exchange *exchange_freelist[EXCHANGE_FREELIST_SIZE];
  int exchange_free_count;

  /* Messages of hits, which are copied: that costs a third of making them. NULL until used. */
  PyObject *http_start, *http_rest;

  PyObject *http_pairs[HTTP_PAIRS]; /* lines of answers, in the form of Python; or NULL */
} ext_state;

/* A Config. Each file below config.c uses only the fields under its name. */
struct config_object {
  PyObject_HEAD cachette_options *options;

  /* config.c */
  config_object *origin;    /* what raw() copied: it has the clock; or NULL */
  int64_t fetch_timeout_ms; /* of fetches; 0: the option `timeout` */
  PyObject *link;           /* what cachette.http keeps with it; or NULL */

  /* codec.c */
  PyObject *codec;         /* its name */
  PyObject *dumps, *loads; /* NULL until first used, and always if vanilla */
  bool vanilla;
  bool textual;   /* it stores text and numbers, but no Python types */
  bool codec_own; /* registered by the application; valid once `loads` is set */

  /* handle.c */
  bool waits;       /* ops wait for a server, so each event loop or thread has a handle */
  cachette *handle; /* the shared handle if ops do not wait; else the first one until it is taken,
                       then NULL */
  cachette_stats closed; /* the sum over closed handles */

  /* loop_handle.c */
  loop_handle **loop_handles; /* one for each loop, the last used one first */
  Py_ssize_t loop_handle_count;

  /* thread_handle.c */
  PyObject *local;               /* a threading.local, which holds the handle of each thread */
  thread_handle *thread_handles; /* a linked list */

  /* control.c */
  bool obeys;             /* the option `request_control` */
  bool touched;           /* an entry got a new TTL, so ages are not known */
  int64_t longest_ttl_ms; /* of all puts of this process */

  /* lease.c */
  lease **leases; /* hash table by key; NULL until the first lease */
  Py_ssize_t lease_count;
  Py_ssize_t storing;   /* leases whose put is pending */
  active_write *writes; /* a linked list of the pending writes */
  unsigned writes_forks;

  _Atomic(int64_t) stopped_ms; /* the time of a stopped clock, in ms */
};

#endif
