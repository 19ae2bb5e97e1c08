/* SPDX-License-Identifier: MIT */
/* A policy is checked when it is made and cannot be changed, so exchanges share its bytes. */
#include "http_policy.h"

#include <stddef.h>

#include "arguments.h"
#include "errors.h"

enum kind { CHOICE, FLAGS, NUMBER, BOOLEAN, TEXT, TEXTS };

/* The members of struct cachette_http_policy that Python sets. */
static const struct member {
  const char *name;
  enum kind kind;
  size_t offset, count_offset; /* of the number of texts */
} members[] = {
#define MEMBER(kind, name) \
  { #name, kind, offsetof(cachette_http_policy, name), 0 }
#define LIST(name, count) \
  { #name, TEXTS, offsetof(cachette_http_policy, name), offsetof(cachette_http_policy, count) }
    MEMBER(CHOICE, sharing),
    MEMBER(CHOICE, set_cookie),
    MEMBER(CHOICE, query),
    MEMBER(CHOICE, request_control),
    MEMBER(FLAGS, normalize),
    MEMBER(FLAGS, vary_allow),
    MEMBER(NUMBER, default_ttl_ms),
    MEMBER(NUMBER, stale_while_revalidate_ms),
    MEMBER(NUMBER, stale_if_error_ms),
    MEMBER(NUMBER, max_body),
    MEMBER(BOOLEAN, heuristic),
    MEMBER(BOOLEAN, max_stale),
    MEMBER(BOOLEAN, cache_post),
    MEMBER(BOOLEAN, forward_preconditions),
    MEMBER(BOOLEAN, store_partial),
    MEMBER(BOOLEAN, trust_cookies),
    MEMBER(BOOLEAN, trust_must_revalidate),
    LIST(targeted, targeted_count),
    LIST(key_cookies, key_cookie_count),
    LIST(session_cookies, session_cookie_count),
    MEMBER(TEXT, no_vary_search),
    MEMBER(TEXT, name),
#undef MEMBER
#undef LIST
};

static const struct member *find_member(PyObject *name) {
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    if (PyUnicode_CompareWithASCIIString(name, members[i].name) == 0) return &members[i];
  return NULL;
}

static bool fail_type(const struct member *member, const char *wanted, PyObject *value) {
  PyErr_Format(PyExc_TypeError, "%s must be %s, not %.100s", member->name, wanted,
               Py_TYPE(value)->tp_name);
  return false;
}

/* Reads an int. One that does not fit becomes the nearest one that does, which the check of the
 * policy refuses where it matters. */
static bool read_int(const struct member *member, PyObject *value, int64_t least, int64_t most,
                     int64_t *number) {
  if (!PyLong_Check(value) || PyBool_Check(value)) return fail_type(member, "an int", value);
  int overflow;
  *number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow == 0 && *number == -1 && PyErr_Occurred()) return false;
  if (overflow < 0 || (overflow == 0 && *number < least)) *number = least;
  if (overflow > 0 || *number > most) *number = most;
  return true;
}

static bool set_number(const struct member *member, PyObject *value, void *to) {
  int64_t number;
  bool is_wide = member->kind == NUMBER;
  if (!read_int(member, value, is_wide ? INT64_MIN : INT_MIN, is_wide ? INT64_MAX : INT_MAX,
                &number))
    return false;
  if (is_wide)
    *(int64_t *)to = number;
  else
    *(unsigned *)to = (unsigned)number; /* the check tells a negative one from a constant */
  return true;
}

/* Reads a str and keeps it. */
static bool set_text(http_policy *self, const char *what, PyObject *value, cachette_slice *to) {
  return read_text(what, value, to) && PyList_Append(self->texts, value) == 0;
}

/* Reads a sequence of str into an array, which the list of texts keeps as a bytearray. */
static bool set_texts(http_policy *self, const struct member *member, PyObject *sequence,
                      const cachette_slice **to, size_t *to_count) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
  PyObject *array = PyByteArray_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(cachette_slice));
  if (array == NULL) return false;
  cachette_slice *names = (cachette_slice *)(void *)PyByteArray_AS_STRING(array);
  bool ok = PyList_Append(self->texts, array) == 0;
  for (Py_ssize_t i = 0; i < count && ok; i++)
    ok = set_text(self, member->name, PySequence_Fast_GET_ITEM(sequence, i), &names[i]);
  *to = names;
  *to_count = (size_t)count;
  Py_DECREF(array);
  return ok;
}

static bool read_texts(http_policy *self, const struct member *member, PyObject *value,
                       char *policy) {
  if (PyUnicode_Check(value)) return fail_type(member, "a sequence of str", value);
  PyObject *sequence = PySequence_Tuple(value);
  if (sequence == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
    PyErr_Clear();
    return fail_type(member, "a sequence of str", value);
  }
  bool ok =
      PyTuple_GET_SIZE(sequence) == 0 ||
      set_texts(self, member, sequence, (const cachette_slice **)(void *)(policy + member->offset),
                (size_t *)(void *)(policy + member->count_offset));
  Py_DECREF(sequence);
  return ok;
}

static bool set_member(http_policy *self, const struct member *member, PyObject *value) {
  char *policy = (char *)&self->policy;
  void *to = policy + member->offset;
  switch (member->kind) {
    case BOOLEAN:
      if (!PyBool_Check(value)) return fail_type(member, "a bool", value);
      *(bool *)to = value == Py_True;
      return true;
    case TEXT:
      return set_text(self, member->name, value, to);
    case TEXTS:
      return read_texts(self, member, value, policy);
    default:
      return set_number(member, value, to);
  }
}

static bool set_members(http_policy *self, PyObject *keywords) {
  PyObject *name, *value;
  Py_ssize_t at = 0;
  while (keywords != NULL && PyDict_Next(keywords, &at, &name, &value)) {
    const struct member *member = find_member(name);
    if (member == NULL) {
      PyErr_Format(PyExc_TypeError, "HttpPolicy() got an unexpected keyword argument '%U'", name);
      return false;
    }
    if (!set_member(self, member, value)) return false;
  }
  cachette_error error;
  if (cachette_http_policy_check(&self->policy, &error) == CACHETTE_OK) return true;
  PyObject *message = message_text(error.message);
  if (message != NULL) PyErr_SetObject(PyExc_ValueError, message);
  Py_XDECREF(message);
  return false;
}

static PyObject *policy_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  if (PyTuple_GET_SIZE(args) > 0) {
    PyErr_SetString(PyExc_TypeError, "HttpPolicy() takes only keyword arguments");
    return NULL;
  }
  http_policy *self = (http_policy *)type->tp_alloc(type, 0);
  if (self == NULL) return NULL;
  self->policy = (cachette_http_policy){0};
  self->texts = PyList_New(0);
  if (self->texts != NULL && set_members(self, keywords)) return (PyObject *)self;
  Py_DECREF(self);
  return NULL;
}

static int policy_traverse(http_policy *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->texts);
  return 0;
}

/* The texts stay until the end, since an exchange of the same garbage may still be used. They refer
 * to nothing else. */
static void policy_dealloc(http_policy *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(self->texts);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyType_Slot policy_slots[] = {
    {Py_tp_doc, (char *)"HttpPolicy(**members)\n--\n\nWhat the HTTP cache may do: the members of "
                        "struct cachette_http_policy. It cannot be changed.\n\nRaises ValueError "
                        "with the message of the library."},
    {Py_tp_new, policy_new},
    {Py_tp_dealloc, policy_dealloc},
    {Py_tp_traverse, policy_traverse},
    {0, NULL},
};

PyType_Spec http_policy_spec = {
    .name = "cachette._cachette.HttpPolicy",
    .basicsize = sizeof(http_policy),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC
#if PY_VERSION_HEX >= 0x030A0000
             | Py_TPFLAGS_IMMUTABLETYPE
#endif
    ,
    .slots = policy_slots,
};
