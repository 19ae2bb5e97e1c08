/* SPDX-License-Identifier: MIT */
/*
 * Modules: stores with a large client library, each a shared object `cachette-NAME.so`. A module is
 * opened when its backend is first used, so other programs do not load the library.
 *
 *     core     cachette__module_open() -> dlopen -> cachette_module(stamp, table) -+
 *     module   <- its vtable --------------------------------------------------------+
 *
 * The core may be a shared library, or it may be linked into a program or the Python extension with
 * hidden symbols. So a module does not link to the core but gets a table of its functions. Each
 * module contains module_core.c, which defines the same functions and forwards them to the table.
 * The sources of a module are therefore written like those of any other store.
 *
 * Core and module must be of the same build. cachette__module_stamp verifies that.
 *
 * The core looks for modules in the folder of the file that contains it (a Python package, a build
 * tree), then in the subfolder `cachette/` (an installed library: LIBDIR/cachette). No environment
 * variable changes this, so it cannot be used to load other code. A program that is linked with the
 * core, such as a test, sets cachette__module_folder.
 *
 * A module is never closed, because its library may have threads.
 */
#ifndef CACHETTE_STORE_MODULE_H
#define CACHETTE_STORE_MODULE_H

#include "../../base/alloc.h"
#include "../../base/counter.h"
#include "../../base/error.h"
#include "../../base/path.h"
#include "../../base/slice.h"
#include "../../net/url.h"
#include "../store.h"
#include "pool.h"

/* The functions that modules may call: type, name, parameters, arguments. Those that return void
 * are in CACHETTE__MODULE_PROCEDURES. */
#define CACHETTE__MODULE_FUNCTIONS(X)                                                              \
  X(void *, cachette__malloc, (size_t size), (size))                                               \
  X(void *, cachette__calloc, (size_t count, size_t size), (count, size))                          \
  X(void *, cachette__realloc, (void *data, size_t size), (data, size))                            \
  X(char *, cachette__strndup, (const char *text, size_t size), (text, size))                      \
  X(int, cachette__vfail,                                                                          \
    (cachette_error * error, int code, const char *subject, const char *format, va_list list),     \
    (error, code, subject, format, list))                                                          \
  X(const char *, cachette_strerror, (int code), (code))                                           \
  X(cachette_slice, cachette_str, (const char *text), (text))                                      \
  X(void *, cachette__item_alloc, (cachette_op * op, cachette_item * item, size_t size),           \
    (op, item, size))                                                                              \
  X(bool, cachette__item_counts, (const cachette_op *op, const cachette_item *item), (op, item))   \
  X(int, cachette__counter_add,                                                                    \
    (cachette_item * item, cachette_slice value, char digits[CACHETTE__COUNTER_DIGITS],            \
     size_t *size, cachette_error *error),                                                         \
    (item, value, digits, size, error))                                                            \
  X(bool, cachette__counter_read, (cachette_slice value, int64_t * number), (value, number))       \
  X(int, cachette__counter_fail_value, (cachette_slice key, cachette_error * error), (key, error)) \
  X(int, cachette__counter_fail_range, (cachette_slice key, cachette_error * error), (key, error)) \
  X(const char *, cachette__options_text,                                                          \
    (const cachette_options *options, enum cachette__option option), (options, option))            \
  X(bool, cachette__options_absent,                                                                \
    (const cachette_options *options, enum cachette__option option), (options, option))            \
  X(int64_t, cachette__options_number,                                                             \
    (const cachette_options *options, enum cachette__option option), (options, option))            \
  X(cachette__clock, cachette__options_clock, (const cachette_options *options), (options))        \
  X(const char *, cachette__options_folder, (const cachette_options *options), (options))          \
  X(char *, cachette__path_join, (const char *folder, const char *path), (folder, path))           \
  X(int, cachette__url_parse,                                                                      \
    (const char *text, const char *option, const char *example, cachette__url *url,                \
     cachette_error *error),                                                                       \
    (text, option, example, url, error))                                                           \
  X(const char *, cachette__url_check_multi_host, (const char *text), (text))                      \
  X(int, cachette__pool_new,                                                                       \
    (uv_loop_t * loop, unsigned max_threads, const cachette__pool_kind *kind, void *shared,        \
     cachette__pool **pool),                                                                       \
    (loop, max_threads, kind, shared, pool))                                                       \
  X(int, cachette__pool_submit, (cachette__pool * pool, cachette__job * job), (pool, job))         \
  X(bool, cachette__pool_cancel, (cachette__pool * pool, cachette__job * job), (pool, job))

#define CACHETTE__MODULE_PROCEDURES(X)                                                             \
  X(cachette__free, (void *data), (data))                                                          \
  X(cachette__wipe, (void *data, size_t size), (data, size))                                       \
  X(cachette__op_complete, (cachette_op * op, int status), (op, status))                           \
  X(cachette__item_drop, (const cachette_op *op, cachette_item *item), (op, item))                 \
  X(cachette__key_text, (cachette_slice key, char *text, size_t size), (key, text, size))          \
  X(cachette__value_text, (const char *value, char *text, size_t size), (value, text, size))       \
  X(cachette__url_redact, (const char *text, char *redacted, size_t size), (text, redacted, size)) \
  X(cachette__url_deinit, (cachette__url * url), (url))                                            \
  X(cachette__pool_close, (cachette__pool * pool, int64_t timeout_ms, bool forked),                \
    (pool, timeout_ms, forked))

typedef struct cachette__module_table {
#define X(type, name, parameters, arguments) type(*name) parameters;
  CACHETTE__MODULE_FUNCTIONS(X)
#undef X
#define X(name, parameters, arguments) void(*name) parameters;
  CACHETTE__MODULE_PROCEDURES(X)
#undef X
} cachette__module_table;

/* The values that must be equal in core and module. */
typedef struct cachette__module_stamp {
  size_t stamp, table, op, item, error, store, context, options;
  const char *version;
} cachette__module_stamp;

#define CACHETTE__MODULE_STAMP                                                           \
  {                                                                                      \
    sizeof(cachette__module_stamp), sizeof(cachette__module_table), sizeof(cachette_op), \
        sizeof(cachette_item), sizeof(cachette_error), sizeof(cachette__store_vtable),   \
        sizeof(cachette__store_context), CACHETTE__OPTION_COUNT, CACHETTE_VERSION        \
  }

/*
 * The only function that a module exports. Saves `table`, which must outlive the module. Returns
 * the store, or NULL if the stamp differs from the module's. Any thread; may be called repeatedly.
 */
typedef const cachette__store_vtable *cachette__module_entry(const cachette__module_stamp *stamp,
                                                             const cachette__module_table *table);

#define CACHETTE__MODULE_ENTRY "cachette_module" /* the name of the function */

/* ---- The core's side (module.c) ---- */

/* The first folder to look for modules in, or NULL. Set it before any handle is opened. */
extern const char *cachette__module_folder;

typedef struct cachette__module {
  const char *name;                              /* of the module and its build option */
  const char *library, *package;                 /* the client library, and its Debian package */
  _Atomic(const cachette__store_vtable *) store; /* NULL: not open */
} cachette__module;

/*
 * Opens the module of a backend, if it is not open. Any thread. Errors: EUNSUPPORTED if the module
 * does not exist or cannot be loaded; the message says what to do.
 */
int cachette__module_open(cachette__module *module, const char *backend,
                          const cachette__store_vtable **store, cachette_error *error);

#endif
