/* SPDX-License-Identifier: MIT */
/*
 * The core's functions for a module. Linked into each module instead of the core; forwards each
 * call to the table that the module got. CACHETTE__MODULE_STORE is the name of the module's vtable.
 */
#include <string.h>

#include "module.h"

extern const cachette__store_vtable CACHETTE__MODULE_STORE;

static _Atomic(const cachette__module_table *) core;

static const cachette__module_table *get_core(void) {
  return atomic_load_explicit(&core, memory_order_acquire);
}

#define X(type, name, parameters, arguments) \
  type name parameters { return get_core()->name arguments; }
CACHETTE__MODULE_FUNCTIONS(X)
#undef X

#define X(name, parameters, arguments) \
  void name parameters { get_core()->name arguments; }
CACHETTE__MODULE_PROCEDURES(X)
#undef X

/* Variable arguments can only be forwarded as a va_list. */
int cachette__fail(cachette_error *error, int code, const char *subject, const char *format, ...) {
  va_list list;
  va_start(list, format);
  cachette__vfail(error, code, subject, format, list);
  va_end(list);
  return code;
}

void cachette__op_fail(cachette_op *op, int code, const char *subject, const char *format, ...) {
  va_list list;
  va_start(list, format);
  cachette__vfail(op->error, code, subject, format, list);
  va_end(list);
  cachette__op_complete(op, code);
}

static bool is_same(const cachette__module_stamp *a, const cachette__module_stamp *b) {
  return a->stamp == b->stamp && a->table == b->table && a->op == b->op && a->item == b->item &&
         a->error == b->error && a->store == b->store && a->context == b->context &&
         a->options == b->options && strcmp(a->version, b->version) == 0;
}

CACHETTE_API cachette__module_entry cachette_module;

const cachette__store_vtable *cachette_module(const cachette__module_stamp *stamp,
                                              const cachette__module_table *table) {
  static const cachette__module_stamp own = CACHETTE__MODULE_STAMP;
  if (!is_same(stamp, &own)) return NULL;
  atomic_store_explicit(&core, table, memory_order_release);
  return &CACHETTE__MODULE_STORE;
}
