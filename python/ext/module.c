/* SPDX-License-Identifier: MIT */
/* The module: creates its state on import, and clears it. */
#include "arguments.h"
#include "cache.h"
#include "codec.h"
#include "config.h"
#include "control.h"
#include "future.h"
#include "http_exchange.h"
#include "http_fields.h"
#include "http_hit.h"
#include "http_lane.h"
#include "http_passed.h"
#include "http_policy.h"
#include "http_record.h"
#include "http_send.h"
#include "http_unstored.h"
#include "lease.h"
#include "loop_handle.h"
#include "method.h"
#include "options.h"
#include "pending.h"
#include "ready.h"
#include "stats.h"
#include "sync.h"
#include "thread_handle.h"

static int ext_traverse(PyObject *module, visitproc visit, void *arg) {
  ext_state *state = PyModule_GetState(module);
  Py_VISIT(state->cache_type);
  Py_VISIT(state->config_type);
  Py_VISIT(state->method_type);
  Py_VISIT(state->ready_type);
  Py_VISIT(state->pending_type);
  Py_VISIT(state->future_type);
  Py_VISIT(state->loop_handle_type);
  Py_VISIT(state->sync_type);
  Py_VISIT(state->thread_handle_type);
  Py_VISIT(state->lease_type);
  Py_VISIT(state->http_policy_type);
  Py_VISIT(state->http_exchange_type);
  Py_VISIT(state->http_record_type);
  Py_VISIT(state->http_send_type);
  Py_VISIT(state->http_passed_type);
  Py_VISIT(state->http_lane_type);
  Py_VISIT(state->http_counters_type);
  Py_VISIT(state->http_epochs_type);
  Py_VISIT(state->http_start);
  Py_VISIT(state->http_rest);
  Py_VISIT(state->control_type);
  Py_VISIT(state->current_control);
  Py_VISIT(state->get_running_loop);
  Py_VISIT(state->cancelled_error);
  Py_VISIT(state->last_class);
  Py_VISIT(state->last_config);
  Py_VISIT(state->missing);
  Py_VISIT(state->get_or_set);
  Py_VISIT(state->write_after_puts);
  Py_VISIT(state->wait_for_puts);
  Py_VISIT(state->returns_of);
  Py_VISIT(state->missed);
  Py_VISIT(state->cachette_error);
  Py_VISIT(state->config_error);
  Py_VISIT(state->backend_error);
  Py_VISIT(state->backend_unavailable);
  Py_VISIT(state->backend_timeout);
  Py_VISIT(state->codec_error);
  Py_VISIT(state->only_if_cached);
  return 0;
}

static int ext_clear(PyObject *module) {
  ext_state *state = PyModule_GetState(module);
  ready_freelist_clear(state);
  pending_freelist_clear(state);
  http_exchange_freelist_clear(state);
  http_pairs_clear(state);
  http_hit_clear(state);
  Py_CLEAR(state->future_type);
  Py_CLEAR(state->loop_handle_type);
  Py_CLEAR(state->sync_type);
  Py_CLEAR(state->thread_handle_type);
  Py_CLEAR(state->lease_type);
  Py_CLEAR(state->http_policy_type);
  Py_CLEAR(state->http_record_type);
  Py_CLEAR(state->http_send_type);
  Py_CLEAR(state->http_passed_type);
  Py_CLEAR(state->http_lane_type);
  Py_CLEAR(state->http_counters_type);
  Py_CLEAR(state->http_epochs_type);
  Py_CLEAR(state->control_type);
  Py_CLEAR(state->current_control);
  Py_CLEAR(state->get_running_loop);
  Py_CLEAR(state->cancelled_error);
  Py_CLEAR(state->context_keyword);
  Py_CLEAR(state->cache_type);
  Py_CLEAR(state->config_type);
  Py_CLEAR(state->method_type);
  Py_CLEAR(state->last_class);
  Py_CLEAR(state->last_config);
  Py_CLEAR(state->missing);
  Py_CLEAR(state->get_or_set);
  Py_CLEAR(state->write_after_puts);
  Py_CLEAR(state->wait_for_puts);
  Py_CLEAR(state->returns_of);
  Py_CLEAR(state->missed);
  Py_CLEAR(state->cachette_error);
  Py_CLEAR(state->config_error);
  Py_CLEAR(state->backend_error);
  Py_CLEAR(state->backend_unavailable);
  Py_CLEAR(state->backend_timeout);
  Py_CLEAR(state->codec_error);
  Py_CLEAR(state->only_if_cached);
  Py_CLEAR(state->str_config);
  Py_CLEAR(state->str_handle);
  Py_CLEAR(state->str_load);
  Py_CLEAR(state->str_add_reader);
  Py_CLEAR(state->str_remove_reader);
  Py_CLEAR(state->str_call_soon);
  Py_CLEAR(state->str_call_later);
  Py_CLEAR(state->str_cancel);
  Py_CLEAR(state->str_is_closed);
  Py_CLEAR(state->str_method);
  Py_CLEAR(state->str_scheme);
  Py_CLEAR(state->str_path);
  Py_CLEAR(state->str_raw_path);
  Py_CLEAR(state->str_query_string);
  Py_CLEAR(state->str_headers);
  Py_CLEAR(state->str_type);
  Py_CLEAR(state->str_status);
  Py_CLEAR(state->str_body);
  Py_CLEAR(state->str_more_body);
  Py_CLEAR(state->str_response_start);
  Py_CLEAR(state->str_response_body);
  Py_CLEAR(state->str_cache_status);
  Py_CLEAR(state->str_directives);
  Py_CLEAR(state->str_invalidate);
  Py_CLEAR(state->str_invalidate_target);
  Py_CLEAR(state->str_is_used);
  Py_CLEAR(state->str_left_out);
  Py_CLEAR(state->str_note_unstored);
  Py_CLEAR(state->str_passed);
  Py_CLEAR(state->str_plan);
  Py_CLEAR(state->str_remembered);
  Py_CLEAR(state->str_use);
  Py_CLEAR(state->str_scope);
  Py_CLEAR(state->str_send_after);
  Py_CLEAR(state->str_take_over);
  Py_CLEAR(state->str_vary);
  return 0;
}

static void ext_free(void *module) { ext_clear(module); }

static PyTypeObject *create_type(PyObject *module, PyType_Spec *spec) {
  return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
}

static int create_types(PyObject *module, ext_state *state) {
  state->cache_type = create_type(module, &cache_spec);
  state->config_type = create_type(module, &config_spec);
  state->method_type = create_type(module, &method_spec);
  state->ready_type = create_type(module, &ready_spec);
  state->pending_type = create_type(module, &pending_spec);
  state->future_type = create_type(module, &future_spec);
  state->loop_handle_type = create_type(module, &loop_handle_spec);
  state->sync_type = create_type(module, &sync_spec);
  state->thread_handle_type = create_type(module, &thread_handle_spec);
  state->lease_type = create_type(module, &lease_spec);
  state->control_type = create_type(module, &control_spec);
  if (state->cache_type == NULL || state->config_type == NULL || state->method_type == NULL ||
      state->ready_type == NULL || state->pending_type == NULL || state->future_type == NULL ||
      state->loop_handle_type == NULL || state->sync_type == NULL ||
      state->thread_handle_type == NULL || state->lease_type == NULL || state->control_type == NULL)
    return -1;
#if PY_VERSION_HEX < 0x030A0000 /* newer versions use Py_TPFLAGS_DISALLOW_INSTANTIATION */
  state->config_type->tp_new = state->ready_type->tp_new = state->method_type->tp_new = NULL;
  state->pending_type->tp_new = state->future_type->tp_new = state->loop_handle_type->tp_new = NULL;
  state->thread_handle_type->tp_new = state->lease_type->tp_new = NULL;
  state->control_type->tp_new = NULL;
#endif
  if (PyModule_AddType(module, state->cache_type) < 0 ||
      PyModule_AddType(module, state->sync_type) < 0)
    return -1;
  return PyModule_AddType(module, state->config_type);
}

static int create_http_types(PyObject *module, ext_state *state) {
  state->http_policy_type = create_type(module, &http_policy_spec);
  state->http_exchange_type = create_type(module, &http_exchange_spec);
  state->http_record_type = PyStructSequence_NewType(&http_record_desc);
  state->http_send_type = create_type(module, &http_send_spec);
  state->http_passed_type = create_type(module, &http_passed_spec);
  state->http_lane_type = create_type(module, &http_lane_spec);
  state->http_counters_type = create_type(module, &http_counters_spec);
  state->http_epochs_type = create_type(module, &http_epochs_spec);
  if (state->http_policy_type == NULL || state->http_exchange_type == NULL ||
      state->http_record_type == NULL || state->http_lane_type == NULL ||
      state->http_counters_type == NULL || state->http_epochs_type == NULL ||
      state->http_send_type == NULL || state->http_passed_type == NULL)
    return -1;
  state->http_exchange_type->tp_vectorcall = http_exchange_vectorcall;
  state->http_send_type->tp_vectorcall = http_send_vectorcall;
#if PY_VERSION_HEX < 0x030A0000
  state->http_exchange_type->tp_new = state->http_send_type->tp_new = NULL;
  state->http_passed_type->tp_new = NULL;
#endif
  if (PyModule_AddType(module, state->http_policy_type) < 0 ||
      PyModule_AddType(module, state->http_exchange_type) < 0 ||
      PyModule_AddType(module, state->http_send_type) < 0 ||
      PyModule_AddType(module, state->http_passed_type) < 0 ||
      PyModule_AddType(module, state->http_record_type) < 0 ||
      PyModule_AddType(module, state->http_lane_type) < 0 ||
      PyModule_AddType(module, state->http_counters_type) < 0 ||
      PyModule_AddType(module, state->http_epochs_type) < 0)
    return -1;
  if (PyModule_AddIntConstant(module, "HTTP_UNSHARED_SECONDS", HTTP_UNSHARED_SECONDS) < 0)
    return -1;
  return http_add_actions(module);
}

static int intern_names(ext_state *state) {
  state->str_config = PyUnicode_InternFromString("_config");
  state->str_handle = PyUnicode_InternFromString("handle");
  state->str_load = PyUnicode_InternFromString("load");
  state->str_add_reader = PyUnicode_InternFromString("add_reader");
  state->str_remove_reader = PyUnicode_InternFromString("remove_reader");
  state->str_call_soon = PyUnicode_InternFromString("call_soon");
  state->str_call_later = PyUnicode_InternFromString("call_later");
  state->str_cancel = PyUnicode_InternFromString("cancel");
  state->str_is_closed = PyUnicode_InternFromString("is_closed");
  state->str_method = PyUnicode_InternFromString("method");
  state->str_scheme = PyUnicode_InternFromString("scheme");
  state->str_path = PyUnicode_InternFromString("path");
  state->str_raw_path = PyUnicode_InternFromString("raw_path");
  state->str_query_string = PyUnicode_InternFromString("query_string");
  state->str_headers = PyUnicode_InternFromString("headers");
  state->str_type = PyUnicode_InternFromString("type");
  state->str_status = PyUnicode_InternFromString("status");
  state->str_body = PyUnicode_InternFromString("body");
  state->str_more_body = PyUnicode_InternFromString("more_body");
  state->str_response_start = PyUnicode_InternFromString("http.response.start");
  state->str_response_body = PyUnicode_InternFromString("http.response.body");
  state->str_cache_status = PyUnicode_InternFromString("cache_status");
  state->str_directives = PyUnicode_InternFromString("directives");
  state->str_invalidate = PyUnicode_InternFromString("invalidate");
  state->str_invalidate_target = PyUnicode_InternFromString("invalidate_target");
  state->str_is_used = PyUnicode_InternFromString("is_used");
  state->str_left_out = PyUnicode_InternFromString("left_out");
  state->str_note_unstored = PyUnicode_InternFromString("note_unstored");
  state->str_passed = PyUnicode_InternFromString("passed");
  state->str_plan = PyUnicode_InternFromString("plan");
  state->str_remembered = PyUnicode_InternFromString("remembered");
  state->str_use = PyUnicode_InternFromString("use");
  state->str_scope = PyUnicode_InternFromString("scope");
  state->str_send_after = PyUnicode_InternFromString("send_after");
  state->str_take_over = PyUnicode_InternFromString("take_over");
  state->str_vary = PyUnicode_InternFromString("vary");
  state->context_keyword = Py_BuildValue("(N)", PyUnicode_InternFromString("context"));
  return PyErr_Occurred() ? -1 : 0;
}

static int find_exceptions(ext_state *state) {
  PyObject *module = PyImport_ImportModule("cachette._exceptions");
  if (module == NULL) return -1;
  state->cachette_error = PyObject_GetAttrString(module, "CachetteError");
  state->config_error = PyObject_GetAttrString(module, "ConfigError");
  state->backend_error = PyObject_GetAttrString(module, "BackendError");
  state->backend_unavailable = PyObject_GetAttrString(module, "BackendUnavailable");
  state->backend_timeout = PyObject_GetAttrString(module, "BackendTimeout");
  state->codec_error = PyObject_GetAttrString(module, "CodecError");
  state->only_if_cached = PyObject_GetAttrString(module, "OnlyIfCached");
  Py_DECREF(module);
  return PyErr_Occurred() ? -1 : 0;
}

static int ext_exec(PyObject *module) {
  ext_state *state = PyModule_GetState(module);
  if (create_types(module, state) < 0 || create_http_types(module, state) < 0 ||
      intern_names(state) < 0 || find_exceptions(state) < 0 || control_init(state) < 0)
    return -1;
  if (PyModule_AddObject(module, "current_control", Py_NewRef(state->current_control)) < 0) {
    Py_DECREF(state->current_control);
    return -1;
  }
  if (PyModule_AddType(module, state->control_type) < 0) return -1;
  return PyModule_AddStringConstant(module, "__version__", cachette_version());
}

static PyMethodDef ext_methods[] = {
    {"load", (PyCFunction)(void (*)(void))config_load, METH_FASTCALL,
     "load($module, pairs, lenient, codec, /)\n--\n\nReturns a Config of (name, value) pairs, and "
     "a list of (name, message), one for each error."},
    {"configure", (PyCFunction)(void (*)(void))cache_configure, METH_FASTCALL,
     "configure($module, cls, config, /)\n--\n\nSets the configuration of a class. None removes "
     "it, so the class inherits one."},
    {"call", method_of_call, METH_O,
     "call($module, declaration, /)\n--\n\nReturns the call that has the name of a coroutine "
     "function and "
     "behaves like it."},
    {"blocking_call", method_of_blocking_call, METH_O,
     "blocking_call($module, declaration, /)\n--\n\nReturns the blocking call that has the name of "
     "a "
     "function and behaves like it."},
    {"running_loop", running_loop, METH_NOARGS,
     "running_loop($module, /)\n--\n\nReturns the running event loop. Raises RuntimeError if there "
     "is none."},
    {"close", cache_close, METH_O,
     "close($module, cls, /)\n--\n\nCloses the connection of a class in the running event loop, if "
     "there is one."},
    {"fetch_as", (PyCFunction)(void (*)(void))cache_fetch_as, METH_FASTCALL,
     "fetch_as($module, cls, key, default, returns, ttl, /)\n--\n\nReturns an awaitable for a "
     "fetch "
     "whose value is converted to a type, and was put with a TTL."},
    {"fetch_as_now", (PyCFunction)(void (*)(void))sync_fetch_as, METH_FASTCALL,
     "fetch_as_now($module, cls, key, default, returns, ttl, /)\n--\n\nThe blocking form of "
     "fetch_as()."},
    {"store", (PyCFunction)(void (*)(void))cache_store, METH_FASTCALL,
     "store($module, cls, lease, data, ttl, /)\n--\n\nReturns an awaitable that puts data of "
     "Config.encode(), unless a write has ended the lease."},
    {"store_now", (PyCFunction)(void (*)(void))sync_store, METH_FASTCALL,
     "store_now($module, cls, lease, data, ttl, /)\n--\n\nThe blocking form of store()."},
    {"forked", lease_forked, METH_NOARGS,
     "forked($module, /)\n--\n\nTells the module that this process is the child of a fork."},
    {"any_obeys", control_any_obeys, METH_NOARGS,
     "any_obeys($module, /)\n--\n\nReturns whether a configuration has the option "
     "request_control."},
    {"http_control", control_of_headers, METH_O,
     "http_control($module, headers, /)\n--\n\nReturns a Control of the headers of an ASGI "
     "request, or None if they ask for nothing."},
    {"stats", stats_of_class, METH_O,
     "stats($module, cls, /)\n--\n\nReturns the statistics of a class as a dict."},
    {"options", options_list, METH_NOARGS,
     "options($module, /)\n--\n\nReturns the table of options, a dict for each option, in the "
     "order of the manual."},
    {"check_ttl", check_ttl, METH_O,
     "check_ttl($module, ttl, /)\n--\n\nRaises the error that a put with this TTL would raise."},
    {"has_odd_key", has_odd_key, METH_O,
     "has_odd_key($module, value, /)\n--\n\nReturns whether a dict in the value has a key that is "
     "not a str. Searches dicts, lists and tuples."},
    {"http_describe", http_describe, METH_O,
     "http_describe($module, record, /)\n--\n\nReturns an HttpRecord, or None if the bytes are "
     "no record."},
    {"http_tags", http_tags, METH_O,
     "http_tags($module, record, /)\n--\n\nReturns the tags of a record."},
    {"http_matches", (PyCFunction)(void (*)(void))http_matches, METH_FASTCALL,
     "http_matches($module, record, parts, /)\n--\n\nReturns whether a body is the one that was "
     "stored with a record."},
    {"http_uri_key", (PyCFunction)(void (*)(void))http_uri_key, METH_FASTCALL,
     "http_uri_key($module, policy, uri, /)\n--\n\nReturns the key of an absolute URI for GET."},
    {"http_reason", http_reason, METH_O,
     "http_reason($module, token, /)\n--\n\nReturns the sentence of a reason that "
     "HttpExchange.not_stored names."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot ext_slots[] = {
    {Py_mod_exec, ext_exec},
    {0, NULL},
};

static struct PyModuleDef ext_module = {
    PyModuleDef_HEAD_INIT,       .m_name = "cachette._cachette", .m_doc = "libcachette for Python.",
    .m_size = sizeof(ext_state), .m_methods = ext_methods,       .m_slots = ext_slots,
    .m_traverse = ext_traverse,  .m_clear = ext_clear,           .m_free = ext_free,
};

PyMODINIT_FUNC PyInit__cachette(void);

PyMODINIT_FUNC PyInit__cachette(void) { return PyModuleDef_Init(&ext_module); }
