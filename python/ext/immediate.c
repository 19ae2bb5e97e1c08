/* SPDX-License-Identifier: MIT */
/* A fetch or a put of one key has its op on the stack and creates no object except the result. Most
 * applications call these two most of the time. */
#include "immediate.h"

#include "arguments.h"
#include "call.h"
#include "codec.h"
#include "handle.h"
#include "lease.h"
#include "result.h"

/* A fetch of one key. Small values go to `buffer`, larger ones to a bytes object. */
typedef struct fetch_op {
  cachette_op op;
  cachette_item item;
  PyObject *bytes;
  char buffer[2048];
} fetch_op;

static void *fetch_alloc(cachette_op *op, cachette_item *item, size_t size) {
  fetch_op *self = op->data;
  (void)item;
  Py_XDECREF(self->bytes);
  self->bytes = size <= PY_SSIZE_T_MAX ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size) : NULL;
  return self->bytes != NULL ? PyBytes_AS_STRING(self->bytes) : NULL;
}

PyObject *immediate_fetch(ext_state *state, config_object *config, PyObject *key,
                          PyObject *fallback, unsigned flags, PyObject *returns, bool *invalid) {
  fetch_op self;
  self.bytes = NULL;
  self.item = (cachette_item){.buffer = self.buffer, .buffer_size = sizeof self.buffer};
  *invalid = !read_text("key", key, &self.item.key);
  if (*invalid) return NULL;
  init_op(&self.op, CACHETTE_FETCH, &self.item, 1);
  self.op.flags = flags;
  self.op.alloc = fetch_alloc;
  self.op.data = &self;

  PyObject *result = NULL;
  bool hit = false;
  int code = handle_run(config, state, &self.op);
  if (code == 0) {
    hit = self.item.status == CACHETTE_HIT;
    result = hit ? decode(state, config, key, self.item.value, self.bytes, returns)
                 : Py_NewRef(fallback);
  }
  *invalid = code == HANDLE_INVALID;
  Py_XDECREF(self.bytes);
  if (flags & CACHETTE_WITH_TTL) return with_ttl(hit ? self.item.ttl_ms : -1, result);
  return result;
}

/* A put of one key. It needs no struct call, because it has no result. */
static PyObject *put(ext_state *state, config_object *config, PyObject *key, PyObject *value,
                     PyObject *ttl, bool *invalid) {
  cachette_item item = {0};
  encoded_value encoded;
  *invalid = !read_text("key", key, &item.key) || !read_ttl(ttl, &item.ttl_ms);
  if (*invalid || !encode(state, config, key, value, &encoded)) return NULL;
  item.value = encoded.slice;
  if (config->lease_count > 0) leases_end_key(config, item.key);
  cachette_op op;
  init_op(&op, CACHETTE_PUT, &item, 1);
  int code = handle_run(config, state, &op);
  *invalid = code == HANDLE_INVALID;
  encoded_release(&encoded);
  return code == 0 ? Py_NewRef(Py_None) : NULL;
}

/* Runs any other call. */
static PyObject *run(ext_state *state, config_object *config, enum call_kind kind,
                     PyObject *const *arguments, bool *invalid) {
  call prepared;
  PyObject *result = NULL;
  if (!call_init(state, config, kind, arguments, &prepared)) {
    *invalid = !PyErr_ExceptionMatches(state->cachette_error);
  } else {
    prepared.op.error = &prepared.error;
    if (prepared.writes) leases_end(config, &prepared.op);
    if (handle_submit(config, state, &prepared.op) == 0)
      result = call_result(state, config, &prepared, NULL);
    *invalid = prepared.op.status == CACHETTE_EINVAL;
  }
  call_deinit(&prepared);
  return result;
}

PyObject *immediate_call(ext_state *state, config_object *config, enum call_kind kind,
                         PyObject *const *arguments, bool *invalid) {
  if (config->obeys) return run(state, config, kind, arguments, invalid);
  if (kind == CALL_FETCH)
    return immediate_fetch(state, config, arguments[0], arguments[1], 0, NULL, invalid);
  if (kind == CALL_FETCH_AS)
    return immediate_fetch(state, config, arguments[0], arguments[1], 0, arguments[2], invalid);
  if (kind == CALL_FETCH_WITH_TTL)
    return immediate_fetch(state, config, arguments[0], Py_None, CACHETTE_WITH_TTL, NULL, invalid);
  if (kind == CALL_PUT)
    return put(state, config, arguments[0], arguments[1], arguments[2], invalid);
  return run(state, config, kind, arguments, invalid);
}
