/* SPDX-License-Identifier: MIT */
#include "http_request.h"

#include <string.h>

#include "arguments.h"

bool http_read_bytes(const char *what, PyObject *bytes, cachette_slice *slice) {
  if (!PyBytes_Check(bytes)) {
    PyErr_Format(PyExc_TypeError, "%s must be bytes, not %.100s", what, Py_TYPE(bytes)->tp_name);
    return false;
  }
  *slice = bytes_slice(bytes);
  return true;
}

/* Sets `*value` to a value of the scope, a new reference; to NULL if it is absent or None. */
static bool get(PyObject *scope, PyObject *name, PyObject **value) {
  PyObject *found = PyDict_GetItemWithError(scope, name);
  *value = found != NULL && found != Py_None ? Py_NewRef(found) : NULL;
  return found != NULL || !PyErr_Occurred();
}

static bool read_method(http_exchange *self, ext_state *state, PyObject *scope) {
  if (!get(scope, state->str_method, &self->method)) return false;
  if (self->method != NULL)
    return read_text("the scope's method", self->method, &self->request.method);
  PyErr_SetString(PyExc_ValueError, "The scope has no method. Only a scope of type http has one.");
  return false;
}

/* ASGI says that a scope without a scheme is one of http. */
static bool read_scheme(http_exchange *self, ext_state *state, PyObject *scope) {
  self->request.scheme = cachette_str("http");
  return get(scope, state->str_scheme, &self->scheme) &&
         (self->scheme == NULL ||
          read_text("the scope's scheme", self->scheme, &self->request.scheme));
}

/* ---- The path ---- */

/* Whether a byte stands for itself in a path (RFC 3986, 3.3). */
static bool is_plain(unsigned char byte) {
  return Py_ISALNUM(byte) || (byte != '\0' && strchr("/-._~!$&'()*+,;=:@", byte) != NULL);
}

/* Percent-encodes a path. */
static PyObject *quote(const unsigned char *path, Py_ssize_t size) {
  static const char digits[] = "0123456789ABCDEF";
  Py_ssize_t quoted_size = size;
  for (Py_ssize_t i = 0; i < size; i++) quoted_size += is_plain(path[i]) ? 0 : 2;
  PyObject *quoted = PyBytes_FromStringAndSize(NULL, quoted_size);
  if (quoted == NULL) return NULL;
  char *to = PyBytes_AS_STRING(quoted);
  for (Py_ssize_t i = 0; i < size; i++) {
    if (is_plain(path[i])) {
      *to++ = (char)path[i];
      continue;
    }
    *to++ = '%';
    *to++ = digits[path[i] >> 4];
    *to++ = digits[path[i] & 15];
  }
  return quoted;
}

/* Returns the quoted path of a scope without raw_path, which ASGI makes optional. */
static PyObject *quoted_path(ext_state *state, PyObject *scope) {
  PyObject *path;
  if (!get(scope, state->str_path, &path)) return NULL;
  if (path == NULL || !PyUnicode_Check(path)) {
    PyErr_SetString(PyExc_TypeError, "the scope has no path that is a str");
    Py_XDECREF(path);
    return NULL;
  }
  PyObject *bytes = PyUnicode_AsEncodedString(path, "utf-8", "surrogatepass");
  Py_DECREF(path);
  if (bytes == NULL) return NULL;
  PyObject *quoted =
      quote((const unsigned char *)PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
  Py_DECREF(bytes);
  return quoted;
}

static bool read_path(http_exchange *self, ext_state *state, PyObject *scope) {
  if (!get(scope, state->str_raw_path, &self->path)) return false;
  if (self->path == NULL) self->path = quoted_path(state, scope);
  if (self->path == NULL ||
      !http_read_bytes("the scope's raw_path", self->path, &self->request.path))
    return false;
  /* Some servers and test clients leave the query there, too. */
  const char *query = memchr(self->request.path.data, '?', self->request.path.size);
  if (query != NULL)
    self->request.path.size = (size_t)(query - (const char *)self->request.path.data);
  return true;
}

/* A scope does not tell an empty query from none. */
static bool read_query(http_exchange *self, ext_state *state, PyObject *scope) {
  if (!get(scope, state->str_query_string, &self->query)) return false;
  if (self->query == NULL) return true;
  if (!http_read_bytes("the scope's query_string", self->query, &self->request.query)) return false;
  if (self->request.query.size == 0) self->request.query.data = NULL;
  return true;
}

/* ---- Fields and body ---- */

static bool read_fields(http_exchange *self, ext_state *state, PyObject *scope) {
  PyObject *headers;
  if (!get(scope, state->str_headers, &headers)) return false;
  bool ok = headers == NULL || http_fields_read(&self->fields, headers);
  Py_XDECREF(headers);
  if (ok) self->request.fields = http_fields_of(&self->fields);
  return ok;
}

static bool read_body(http_exchange *self, PyObject *body) {
  if (body == Py_None) {
    /* A body that nobody has read yet cannot be in the key. GET and HEAD have one only if a field
     * says so, which the library looks for. */
    const cachette_slice *method = &self->request.method;
    self->request.has_body = !(method->size == 3 && memcmp(method->data, "GET", 3) == 0) &&
                             !(method->size == 4 && memcmp(method->data, "HEAD", 4) == 0);
    return true;
  }
  if (!http_read_bytes("body", body, &self->request.body)) return false;
  self->body = Py_NewRef(body);
  self->request.has_body = self->request.body.size > 0;
  return true;
}

bool http_request_read(http_exchange *self, ext_state *state, PyObject *scope, PyObject *body) {
  if (!PyDict_Check(scope)) {
    PyErr_Format(PyExc_TypeError, "scope must be a dict, not %.100s", Py_TYPE(scope)->tp_name);
    return false;
  }
  return read_method(self, state, scope) && read_scheme(self, state, scope) &&
         read_path(self, state, scope) && read_query(self, state, scope) &&
         read_fields(self, state, scope) && read_body(self, body);
}
