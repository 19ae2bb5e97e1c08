/* SPDX-License-Identifier: MIT */
/*
 * The Python extension `cachette._cachette`: libcachette's public API as Python objects.
 *
 *     Function a call, which passes for a Python function            function.c
 *     Cache    the base of `Cachette`: calls become ops              cache.c, call.c, values.c
 *     Config   options, codec, and the handles opened with them      config.c
 *     Ready    an awaitable whose result is there already            ready.c, awaitable.c
 *     Pending  an awaitable whose op waits for a server              pending.c
 *     Waiter   what a task waits on meanwhile                        waiter.c
 *     Host     a handle in an event loop, which wakes those tasks    host.c
 *     Sync     the calls that block, on a handle of the thread       sync.c
 *     Lease    the right to store what is computed for a key         lease.c
 *     stats()  what all handles of a Config have done                stats.c
 *
 * A Cache has no state: its class names its Config, so that building one in each request
 * costs next to nothing. Handles are used with the GIL held.
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
typedef struct host host;
typedef struct waiter waiter;
typedef struct many many;
typedef struct call call;
typedef struct lease lease;
typedef struct sync_handle sync_handle;

enum { READY_KEPT = 8, PENDING_KEPT = 256 };

/* The state of the module: everything that the calls share. */
typedef struct ext_state {
  PyTypeObject *cache_type, *config_type, *ready_type, *pending_type, *waiter_type, *host_type;
  PyTypeObject *sync_type, *sync_handle_type, *function_type, *lease_type;

  /* The class that was last asked for its Config, and the answer; both or neither. */
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

  /* Of cachette._flights; NULL until they are first needed. */
  PyObject *missing, *get_or_set, *missed, *behind, *behind_now, *returns_of;

  /* Ready and Pending objects to use again. */
  ready *kept[READY_KEPT];
  int kept_count;
  pending *kept_pending[PENDING_KEPT];
  int kept_pending_count;
} ext_state;

/* ---- values.c ---- */

/* A view of a str's UTF-8, which lives as long as the str. False with an exception set. */
bool read_text(const char *what, PyObject *text, cachette_slice *slice);

/* The same of a key, whose size is checked; for a call that sends no op at first. */
bool read_key(PyObject *key, cachette_slice *slice);

/* Seconds as milliseconds, rounded up; None is 0, the configured time to live. */
bool read_ttl(PyObject *ttl, int64_t *ttl_ms);

/* check_ttl(ttl): raises what a put would */
PyObject *check_ttl(PyObject *module, PyObject *ttl);

/* A value as bytes: a view, and what keeps it in place. */
typedef struct encoded_value {
  cachette_slice slice;
  PyObject *owner;
  Py_buffer buffer; /* in use if `obj` is not NULL */
} encoded_value;

/* False with an exception set, and nothing to release. */
bool encode(ext_state *state, config_object *config, PyObject *key, PyObject *value,
            encoded_value *encoded);
void encoded_release(encoded_value *encoded);

/* The value of bytes; `bytes` is the object that holds them, or NULL. `returns` is a Returns of
 * cachette._returns, by which the text codecs give types back, or None or NULL. */
PyObject *decode(ext_state *state, config_object *config, PyObject *key, cachette_slice slice,
                 PyObject *bytes, PyObject *returns);

/* Takes the exception that is set, a new reference; it has its traceback. */
PyObject *take_exception(void);

/* has_odd_key(value) -> whether a dict in it has a key that is no str */
PyObject *has_odd_key(PyObject *module, PyObject *value);

/* (seconds left, rounded up; value); takes the value. */
PyObject *with_ttl(int64_t ttl_ms, PyObject *value);

/* ---- call.c ---- */

enum call_kind {
  CALL_FETCH,
  CALL_FETCH_WITH_TTL,
  CALL_PUT,
  CALL_ADD,
  CALL_EXISTS,
  CALL_TOUCH,
  CALL_INCREMENT,
  CALL_CLEAR,
  CALL_FLUSH,
  CALL_FLUSH_EXPIRED,
  CALL_PING,
  CALL_FETCH_MANY,
  CALL_PUT_MANY,
  CALL_CLEAR_MANY,
  CALL_DELETE,
  CALL_FETCH_AS,   /* a fetch that gives a type back */
  CALL_STORE,      /* a put of what was encoded already, if its lease still holds */
  CALL_GET_OR_SET, /* which is a fetch, and more of Python's */
  CALL_KINDS       /* how many there are */
};

enum { CALL_ARGUMENTS = 4 }; /* of a call, at most */

typedef struct call_signature {
  const char *name;
  const char *names[CALL_ARGUMENTS];
  int least, most;
} call_signature;

extern const call_signature call_signatures[];

/* Sorts positional and named arguments into `given`, those that are left out as None. False with an
 * exception set. */
bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **given);

/* A call's op, with what it refers to. */
struct call {
  cachette_op op;
  cachette_item item; /* of a call on one key */
  cachette_error error;
  enum call_kind kind;
  PyObject *key; /* or the namespace; NULL: none */
  PyObject *fallback;
  PyObject *returns; /* as decode() takes it */
  encoded_value encoded;
  many *many;   /* of a call on several keys; the library allocates what they fetch */
  lease *lease; /* for which it stores, or NULL */

  /* Its place among the writes that are under way; see lease.c. */
  config_object *written; /* not owned; NULL: it has none */
  call *next_write, **write_place;
  unsigned forks;
};

/* Whether a call may change what stands under its keys. */
bool call_writes(enum call_kind kind);

/* Makes the op of what was given; `error`, `done`, `data` and, of a fetch of one key, the place of
 * the value are left to whoever carries it out. False with an exception set; it is to be dropped
 * then too. */
bool call_make(ext_state *state, config_object *config, enum call_kind kind, PyObject *const *given,
               call *self);

/* What a call whose op is done gives, or NULL with an exception set. `bytes`: the object that holds
 * a fetched value, or NULL. */
PyObject *call_result(ext_state *state, config_object *config, call *self, PyObject *bytes);

/* Its op is done; to be called before others learn of it. */
void call_end(call *self);

/* Lets go of what it refers to; no op is under way. */
void call_drop(call *self);

/* Prepares an op field by field. What the library fills in by itself is left alone. */
void init_op(cachette_op *op, enum cachette_verb verb, cachette_item *items, size_t count);

/* ---- function.c ---- */

extern PyType_Spec function_spec;

/* call(face) and blocking_call(face): the Function that is called by the face's name. */
PyObject *function_of_call(PyObject *module, PyObject *face);
PyObject *function_of_blocking_call(PyObject *module, PyObject *face);

/* ---- awaitable.c ---- */

/* How each awaitable begins. */
typedef struct awaitable {
  PyObject_HEAD enum call_kind kind; /* what was called; CALL_KINDS: no call, so no warning */
  PyObject *origin;                  /* where, a tuple of frames; NULL outside of debug mode */
} awaitable;

/* Notes where it was made, which is asked for in debug mode. */
void awaitable_trace(awaitable *self, int depth);

/* Notes what was called. */
static inline void awaitable_init(awaitable *self, enum call_kind kind) {
  self->kind = kind;
  self->origin = NULL;
  int depth = PyThreadState_Get()->coroutine_origin_tracking_depth;
  if (depth > 0) awaitable_trace(self, depth);
}

/* Warns that it was never awaited, as of a coroutine. Keeps the exception that is set. */
void awaitable_warn(awaitable *self);

/* Reads the arguments of throw(exception) and of the older throw(type, value, traceback): a class
 * or an exception, and a value or NULL; borrowed. False with an exception set. */
bool awaitable_read_throw(PyObject *args, PyObject **type, PyObject **value);

/* Sets that exception. Returns NULL. */
PyObject *awaitable_raise(PyObject *type, PyObject *value);

/* Their `__iter__` and `__await__`. */
PyObject *awaitable_iter(PyObject *self);
PyObject *awaitable_await(PyObject *self, PyObject *ignored);

extern PyGetSetDef awaitable_attributes[];

/* ---- ready.c ---- */

extern PyType_Spec ready_spec;

/* An awaitable that gives `result`; takes the reference. If `result` is NULL it raises the
 * exception that is set now, when it is awaited (only an Exception waits; KeyboardInterrupt and its
 * like are raised at once). */
PyObject *ready_new(ext_state *state, enum call_kind kind, PyObject *result);

/* What a call gives that failed before its op was sent: for a CachetteError an awaitable that
 * raises it; for anything else, such as a wrong argument, NULL, for the call itself raises that. */
PyObject *ready_fail(ext_state *state, enum call_kind kind);

/* Frees the kept objects, then lets go of their type; from then on none is kept. */
void ready_forget(ext_state *state);

/* ---- pending.c ---- */

extern PyType_Spec pending_spec;

/* A call of a backend whose answers have to be waited for: an awaitable whose op is on its way.
 * `given` is as call_parse() leaves it. NULL with an exception set only if Python fails. */
PyObject *pending_call(ext_state *state, config_object *config, enum call_kind kind,
                       PyObject *const *given);

/* Its task is cancelled: gives the op up. */
void pending_give_up(pending *self);

void pending_forget(ext_state *state);

/* ---- waiter.c ---- */

extern PyType_Spec waiter_spec;

waiter *waiter_new(ext_state *state, host *host, pending *pending);

/* Says to the task that it is to wait (again). False: another task waits already. */
bool waiter_block(waiter *self);

/* The Pending has gone. */
void waiter_leave(waiter *self);

/* Its op is done. */
void waiter_finish(waiter *self);

/* Puts `next` behind it. */
void waiter_append(waiter *self, waiter *next);

/* Takes it out of a list and returns what was behind it. */
waiter *waiter_next(waiter *self);

/* Wakes the task: now, which must not be from inside a task; or by call_soon(). Return 0, or -1
 * with an exception set. */
int waiter_wake(waiter *self);
int waiter_wake_later(ext_state *state, waiter *self, PyObject *loop);

/* ---- host.c ---- */

extern PyType_Spec host_spec;

/*
 * Finds the configuration's handle in the running event loop, which is opened if need be; borrowed.
 * Returns 1; 0 if no loop is running in this thread; or -1 with an exception set.
 */
int host_find(ext_state *state, config_object *config, host **found);

/* Raises that there is none. */
void host_refuse_loop(void);

/* running_loop(): the running event loop, or that error. */
PyObject *host_running_loop(PyObject *module, PyObject *ignored);

/* Closes the configuration's handle in the running event loop, if it has one. Returns 0, or -1 with
 * an exception set. */
int host_release(ext_state *state, config_object *config);

/* Sends an op; its `done` is called from the loop, or from inside. Returns 0, or -1 with an
 * exception set. */
int host_submit(ext_state *state, host *self, cachette_op *op);

/* Gives an op up, whose `done` is called from inside. */
void host_cancel(host *self, cachette_op *op);

/* Its loop, borrowed; NULL when that is gone. */
PyObject *host_loop(const host *self);

/* The waiter's op is done: its task is woken in the turn of the loop that is under way, or in the
 * next one. Takes the reference. */
void host_wake(host *self, waiter *woken);

/* Closes the handle: what waits is told. The caller holds a reference. */
void host_close(host *self);

void host_add_stats(const host *self, cachette_stats *sum);

/* ---- sync.c ---- */

extern PyType_Spec sync_spec, sync_handle_spec;

/* A call on what `Cachette.sync` gives: its result, or NULL with an exception set. */
PyObject *sync_call(ext_state *state, PyObject *self, enum call_kind kind, PyObject *const *given);

/* fetch_as_now(cls, key, default, returns), and */
PyObject *sync_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* store_now(cls, lease, data, ttl): the same, blocking */
PyObject *sync_store(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* Its configuration goes: the threads' handles are its no more. */
void sync_forget(config_object *config);

void sync_add_stats(const config_object *config, cachette_stats *sum);

/* ---- lease.c ---- */

extern PyType_Spec lease_spec;

/* NULL with an exception set. */
PyObject *lease_new(ext_state *state, config_object *config, PyObject *key);

/* Its key, borrowed. */
cachette_slice lease_key(const lease *self, PyObject **key);

/* Begins its put, in a configuration; false if it may not store there any more. */
bool lease_begin_store(lease *self, const config_object *config);
void lease_end_store(lease *self);

/* A key is written, or the keys of a call are, by an op that is done when it is submitted. The
 * first is for a configuration that has leases. */
void lease_end_key(const config_object *config, cachette_slice key);
void write_note(const config_object *config, const call *self);

/* A call whose op has to be waited for begins and ends; those that write nothing may be given too.
 * The end may come twice. */
void write_begin(config_object *config, call *self);
void write_end(call *self);

/* A list of the leases whose puts a write has to wait for; NULL if there is none, or with an
 * exception set. */
PyObject *write_blockers(const config_object *config, const call *self);

/* forked(): this process is the child of a fork */
PyObject *lease_forked(PyObject *module, PyObject *ignored);

/* ---- stats.c ---- */

/* Adds what handles count for themselves. */
void stats_add(cachette_stats *sum, const cachette_stats *stats);
void stats_add_handle(cachette_stats *sum, const cachette *handle);

/* A dict of numbers, None where the backend does not tell; NULL with an exception set. */
PyObject *stats_of_config(ext_state *state, config_object *config);

/* ---- config.c ---- */

extern PyType_Spec config_spec;

struct config_object {
  PyObject_HEAD cachette_options *options;
  bool waits; /* ops have to be waited for, on a handle for each event loop */
  cachette
      *handle;  /* that all share if they have not; else one that no loop has taken yet, or NULL */
  host **hosts; /* one for each loop; the last used is the first */
  Py_ssize_t host_count;
  PyObject *local;    /* a threading.local that holds each thread's handle for blocking calls */
  sync_handle *syncs; /* all of those */
  _Atomic(int64_t) stopped_ms; /* what the clock of a test reads, once it is stopped */
  cachette_stats closed;       /* what handles that are closed had done */
  PyObject *codec;             /* its name */
  bool vanilla;
  bool textual;            /* it keeps text and numbers, no types of Python's */
  bool codec_named;        /* by the configuration, so that the backend has no say */
  bool codec_own;          /* of the application; known once `loads` is */
  PyObject *dumps, *loads; /* NULL until first used, and always if vanilla */

  lease **leases; /* by the hash of their keys; NULL until there was one */
  Py_ssize_t lease_count;
  Py_ssize_t storing; /* how many of them put their value now */
  call *writes;       /* that are under way */
  unsigned writes_forks;
};

/* load(pairs, lenient) -> (Config or None, [(name, message), ...]) */
PyObject *config_load(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* options() -> the library's table of options, a dict each */
PyObject *config_options(PyObject *module, PyObject *ignored);

/* Sends an op to the handle, which is opened if need be, anew after a fork; the op is done then.
 * Returns 0, or -1 with an exception set. */
int config_submit(config_object *self, ext_state *state, cachette_op *op);

/* The same for an op on one key, and raises what it failed with. Returns 0; or with an exception
 * set, CONFIG_REFUSED if the core refused its arguments, else -1. */
enum { CONFIG_REFUSED = -2 };
int config_run(config_object *self, ext_state *state, cachette_op *op);

/* Looks the codec up by its name. Returns 0, or -1 with an exception set. */
int config_find_codec(config_object *self, ext_state *state);

/* Whether ops have to be waited for, which the first handle tells: 1, 0, or -1 with an exception
 * set. */
int config_look(config_object *self, ext_state *state);

static inline int config_waits(config_object *self, ext_state *state) {
  return self->waits ? 1 : self->handle != NULL ? 0 : config_look(self, state);
}

/* A handle for a loop, the caller's. NULL with an exception set. */
cachette *config_take(config_object *self, ext_state *state);

/* Raises what a code of libcachette means. `error` may be NULL. Returns -1. */
int raise_error(ext_state *state, int code, const cachette_error *error);

/* Logs what a handle has to say, by the logger "cachette". To be called after its loop has turned,
 * with the GIL held and no exception set; it sets none. */
void log_notice(cachette *handle);

/* ---- cache.c ---- */

extern PyType_Spec cache_spec;

/* The configuration of a class, its own or inherited; a new reference, or NULL with an exception
 * set.
 */
config_object *cache_config(ext_state *state, PyTypeObject *type);

/* The configuration of the class that is a function's argument; as cache_config(). */
config_object *cache_config_of(ext_state *state, const char *function, PyObject *type);

/* Carries a call out on a backend that answers at once: what it gives, or NULL with an exception
 * set. `*refused`: an argument was wrong, so that the exception is the call's own. */
PyObject *cache_carry_out(ext_state *state, config_object *config, enum call_kind kind,
                          PyObject *const *given, bool *refused);

/* A call on a cache, whose arguments are as call_parse() leaves them: an awaitable, or NULL with an
 * exception set. */
PyObject *cache_call(ext_state *state, PyObject *self, enum call_kind kind, PyObject *const *given);

/* Imports what is used of cachette._flights. Returns 0, or -1 with an exception set. */
int cache_find_flights(ext_state *state);

/* fetch_as(cls, key, default, returns): an awaitable of what fetch() gives, as a type */
PyObject *cache_fetch_as(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* store(cls, lease, data, ttl): an awaitable that puts what Config.encode() gave, unless a write
 * has ended the lease */
PyObject *cache_store(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* close(cls): closes the handle in the running event loop */
PyObject *cache_close(PyObject *module, PyObject *type);

/* stats(cls): see stats_of_config() */
PyObject *cache_stats(PyObject *module, PyObject *type);

/* configure(cls, config): what calls on the class use from now on; None: what it inherits. */
PyObject *cache_configure(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
