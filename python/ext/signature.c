/* SPDX-License-Identifier: MIT */
#include "signature.h"

/* The names of the arguments, in the order in which call_parse() gives them. */
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
    [CALL_FETCH_AS] = {"fetch_as", {"key", "default", "returns"}, 3, 3},
    [CALL_STORE] = {"store", {"lease", "data", "ttl"}, 3, 3},
    [CALL_GET_OR_SET] = {"get_or_set", {"key", "factory", "ttl", "returns"}, 2, 4},
};

static bool parse_keywords(const call_signature *signature, PyObject *const *args, Py_ssize_t count,
                           PyObject *keywords, PyObject **given) {
  Py_ssize_t keyword_count = keywords != NULL ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t i = 0; i < keyword_count; i++) {
    PyObject *keyword = PyTuple_GET_ITEM(keywords, i);
    Py_ssize_t index = 0;
    while (index < signature->most &&
           PyUnicode_CompareWithASCIIString(keyword, signature->names[index]) != 0)
      index++;
    if (index == signature->most || index < count) {
      PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", signature->name,
                   index == signature->most ? "an unexpected keyword" : "multiple values for",
                   keyword);
      return false;
    }
    given[index] = args[count + i];
  }
  return true;
}

bool call_parse(enum call_kind kind, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                PyObject **given) {
  const call_signature *signature = &call_signatures[kind];
  if (count > signature->most) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", signature->name,
                 signature->most, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < CALL_ARGUMENTS; i++) given[i] = i < count ? args[i] : NULL;
  if (keywords != NULL && !parse_keywords(signature, args, count, keywords, given)) return false;
  for (int i = 0; i < signature->most; i++) {
    if (i < signature->least && given[i] == NULL) {
      PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'", signature->name,
                   signature->names[i]);
      return false;
    }
    if (given[i] == NULL) given[i] = Py_None;
  }
  return true;
}
