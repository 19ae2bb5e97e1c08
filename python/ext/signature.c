/* SPDX-License-Identifier: MIT */
#include "signature.h"

/* The parameter names, in the order of the values that call_parse() writes. */
const call_signature call_signatures[] = {
    [CALL_FETCH] = {"fetch", {"key", "default"}, 1, 2},
    [CALL_FETCH_WITH_TTL] = {"fetch_with_ttl", {"key"}, 1, 1},
    [CALL_PUT] = {"put", {"key", "value", "ttl"}, 2, 3},
    [CALL_ADD] = {"add", {"key", "value", "ttl"}, 2, 3},
    [CALL_EXISTS] = {"exists", {"key"}, 1, 1},
    [CALL_TOUCH] = {"touch", {"key", "ttl"}, 1, 2},
    [CALL_INCREMENT] = {"increment", {"key", "by", "ttl"}, 1, 3},
    [CALL_CLEAR] = {"clear", {"namespace", "key"}, 0, 2},
    [CALL_FLUSH] = {"flush", {NULL}, 0, 0},
    [CALL_FLUSH_EXPIRED] = {"flush_expired", {NULL}, 0, 0},
    [CALL_PING] = {"ping", {NULL}, 0, 0},
    [CALL_FETCH_MANY] = {"fetch_many", {"keys"}, 1, 1},
    [CALL_PUT_MANY] = {"put_many", {"mapping", "ttl"}, 1, 2},
    [CALL_CLEAR_MANY] = {"clear_many", {"keys"}, 1, 1},
    [CALL_DELETE] = {"delete", {"key"}, 1, 1},
    [CALL_FETCH_AS] = {"fetch_as", {"key", "default", "returns", "ttl"}, 4, 4},
    [CALL_STORE] = {"store", {"lease", "data", "ttl"}, 3, 3},
    [CALL_GET_OR_SET] = {"get_or_set", {"key", "factory", "ttl", "returns"}, 2, 4},
};

static bool parse_keywords(const call_signature *signature, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords, PyObject **arguments) {
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < keyword_count; i++) {
    PyObject *keyword = PyTuple_GET_ITEM(keywords, i);
    Py_ssize_t index = 0;
    while (index < signature->max_args &&
           PyUnicode_CompareWithASCIIString(keyword, signature->names[index]) != 0)
      index++;
    if (index == signature->max_args || index < count) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", signature->name,
                   index == signature->max_args ? "an unexpected keyword" : "multiple values for",
                   keyword);
      return false;
    }
    arguments[index] = args[count + i];
  }
  return true;
}

bool signature_bind(const call_signature *signature, PyObject *const *args, Py_ssize_t count,
                    PyObject *keywords, PyObject **arguments) {
  if (count > signature->max_args) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", signature->name,
                 signature->max_args, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < signature->max_args; i++) arguments[i] = i < count ? args[i] : NULL;
  if (keywords != NULL && !parse_keywords(signature, args, count, keywords, arguments))
    return false;
  for (int i = 0; i < signature->max_args; i++) {
    if (i < signature->min_args && arguments[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", signature->name,
                   signature->names[i]);
      return false;
    }
    if (arguments[i] == NULL) arguments[i] = Py_None;
  }
  return true;
}

bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **arguments) {
  const call_signature *signature = &call_signatures[kind];
  for (int i = signature->max_args; i < CALL_ARGUMENTS; i++) arguments[i] = NULL;
  return signature_bind(signature, args, count, keywords, arguments);
}
