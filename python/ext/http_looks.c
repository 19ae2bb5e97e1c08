/* SPDX-License-Identifier: MIT */
#include "http_looks.h"

#include <string.h>

#include "arguments.h"

/* ---- Names ---- */

enum kind {
  NO_MATTER,
  WHOLE,   /* its value counts */
  PRESENT, /* only that it is there */
  COOKIES, /* whether it has a cookie */
  BARS,    /* nothing is remembered */
};

typedef struct known {
  const char *name;
  size_t size;
  enum kind kind;
} known;

#define KNOWN(name, kind) \
  { name, sizeof name - 1, kind }

static const known of_requests[] = {
    KNOWN("host", WHOLE),
    KNOWN("range", BARS),
    KNOWN("cookie", COOKIES),
    KNOWN("pragma", WHOLE),
    KNOWN("if-match", BARS),
    KNOWN("if-range", BARS),
    KNOWN("connection", WHOLE),
    KNOWN("authorization", PRESENT),
    KNOWN("cache-control", WHOLE),
    KNOWN("if-none-match", BARS),
    KNOWN("x-http-method", BARS),
    KNOWN("x-rewrite-url", BARS),
    KNOWN("content-length", WHOLE),
    KNOWN("x-original-url", BARS),
    KNOWN("if-modified-since", BARS),
    KNOWN("transfer-encoding", BARS),
    KNOWN("x-method-override", BARS),
    KNOWN("if-unmodified-since", BARS),
    KNOWN("x-http-method-override", BARS),
    {NULL, 0, NO_MATTER},
};

/* Those that bar are about the connection, and are not sent on. */
static const known of_responses[] = {
    KNOWN("te", BARS),
    KNOWN("etag", PRESENT),
    KNOWN("vary", WHOLE),
    KNOWN("pragma", WHOLE),
    KNOWN("expires", PRESENT),
    KNOWN("trailer", BARS),
    KNOWN("upgrade", BARS),
    KNOWN("connection", BARS),
    KNOWN("keep-alive", BARS),
    KNOWN("set-cookie", PRESENT),
    KNOWN("set-cookie2", PRESENT),
    KNOWN("cache-control", WHOLE),
    KNOWN("content-range", PRESENT),
    KNOWN("last-modified", PRESENT),
    KNOWN("proxy-connection", BARS),
    KNOWN("surrogate-control", WHOLE),
    KNOWN("transfer-encoding", BARS),
    KNOWN("proxy-authenticate", BARS),
    KNOWN("proxy-authorization", BARS),
    KNOWN("proxy-authentication-info", BARS),
    {NULL, 0, NO_MATTER},
};

static char lower_of(char byte) { return (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte); }

/* Returns whether a name is this one, in any case. */
static bool is_name(cachette_slice name, const char *text, size_t size) {
  const char *bytes = name.data;
  if (name.size != size) return false;
  for (size_t i = 0; i < size; i++)
    if (lower_of(bytes[i]) != lower_of(text[i])) return false;
  return true;
}

static enum kind kind_of(const known *names, cachette_slice name) {
  for (; names->name != NULL && names->size <= name.size; names++) /* sorted by size */
    if (names->size == name.size && is_name(name, names->name, names->size)) return names->kind;
  return NO_MATTER;
}

/* ---- Requests ---- */

typedef struct asked_bytes {
  unsigned char *bytes;
  size_t size; /* 0: it does not fit, or is barred */
} asked_bytes;

/* Puts a part: what it is, its size, and its bytes. */
static bool put(asked_bytes *output, char tag, cachette_slice text) {
  enum { HEAD = 3 };
  if (output->size + HEAD + text.size > HTTP_ASKED_MAX) return false;
  unsigned char *to = output->bytes + output->size;
  to[0] = (unsigned char)tag;
  to[1] = (unsigned char)(text.size & 255);
  to[2] = (unsigned char)(text.size >> 8);
  if (text.size > 0) memcpy(to + HEAD, text.data, text.size);
  output->size += HEAD + text.size;
  return true;
}

/* Returns a value of the scope, borrowed; NULL if it is absent or None. */
static PyObject *get(PyObject *scope, PyObject *name) {
  PyObject *found = PyDict_GetItemWithError(scope, name);
  return found != Py_None ? found : NULL;
}

/* Puts a value of the scope that is a str, or bytes. One that is absent has no part. */
static bool put_value(asked_bytes *output, char tag, PyObject *value) {
  cachette_slice text;
  if (value == NULL) return !PyErr_Occurred();
  if (PyBytes_CheckExact(value)) return put(output, tag, bytes_slice(value));
  if (!PyUnicode_CheckExact(value)) return false;
  Py_ssize_t size;
  text.data = PyUnicode_AsUTF8AndSize(value, &size);
  text.size = (size_t)size;
  return text.data != NULL && put(output, tag, text);
}

static bool put_target(asked_bytes *output, const ext_state *state, PyObject *scope) {
  PyObject *path = get(scope, state->str_raw_path);
  bool is_raw = path != NULL;
  if (!is_raw) path = get(scope, state->str_path);
  return path != NULL && put_value(output, is_raw ? 'r' : 'p', path) &&
         put_value(output, 'q', get(scope, state->str_query_string));
}

static bool has_cookie(cachette_slice value) {
  const char *text = value.data;
  for (size_t i = 0; i < value.size; i++)
    if (text[i] != ' ' && text[i] != '\t' && text[i] != ';') return true;
  return false;
}

/* If only some cookies are credentials, or cookies are part of the key, all of them count. */
static bool put_cookies(asked_bytes *output, const cachette_http_policy *policy,
                        cachette_slice value) {
  if (policy->key_cookie_count > 0 || policy->session_cookie_count > 0)
    return put(output, 'c', value);
  return !has_cookie(value) || put(output, 'c', (cachette_slice){NULL, 0});
}

static bool put_field(asked_bytes *output, const cachette_http_policy *policy, cachette_slice name,
                      cachette_slice value) {
  switch (kind_of(of_requests, name)) {
    case NO_MATTER:
      return true;
    case WHOLE:
      return put(output, 'n', name) && put(output, 'v', value);
    case PRESENT:
      return put(output, 'n', name);
    case COOKIES:
      return put_cookies(output, policy, value);
    default:
      return false;
  }
}

/* Returns a member of a pair of bytes, borrowed; NULL if it is no such pair. */
static PyObject *member_of(PyObject *pair, Py_ssize_t index) {
  bool is_pair = PyTuple_CheckExact(pair) || PyList_CheckExact(pair);
  if (!is_pair || PySequence_Fast_GET_SIZE(pair) != 2) return NULL;
  PyObject *member = PySequence_Fast_GET_ITEM(pair, index);
  return PyBytes_CheckExact(member) ? member : NULL;
}

static bool put_fields(asked_bytes *output, const cachette_http_policy *policy, PyObject *headers) {
  if (headers == NULL || !(PyList_CheckExact(headers) || PyTuple_CheckExact(headers))) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(headers); i++) {
    PyObject *pair = PySequence_Fast_GET_ITEM(headers, i);
    PyObject *name = member_of(pair, 0), *value = member_of(pair, 1);
    if (name == NULL || value == NULL ||
        !put_field(output, policy, bytes_slice(name), bytes_slice(value)))
      return false;
  }
  return true;
}

size_t http_asked_write(const ext_state *state, const cachette_http_policy *policy, PyObject *scope,
                        unsigned char bytes[HTTP_ASKED_MAX]) {
  asked_bytes output = {bytes, 0};
  bool ok = PyDict_Check(scope) && put_value(&output, 'm', get(scope, state->str_method)) &&
            put_value(&output, 's', get(scope, state->str_scheme)) &&
            put_target(&output, state, scope) &&
            put_fields(&output, policy, get(scope, state->str_headers));
  if (ok) return output.size;
  PyErr_Clear(); /* whoever reads the scope next raises it again */
  return 0;
}

/* ---- Responses ---- */

/* Returns whether a name can be sent as it is: a token in lower case. */
static bool is_plain_name(cachette_slice name) {
  const unsigned char *bytes = name.data;
  for (size_t i = 0; i < name.size; i++) {
    unsigned char byte = bytes[i];
    bool is_usual = (byte >= 'a' && byte <= 'z') || byte == '-' || (byte >= '0' && byte <= '9');
    if (!is_usual && byte != '_' && byte != '.') return false;
  }
  return name.size > 0;
}

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static bool is_plain_value(cachette_slice value) {
  const char *text = value.data;
  return value.size == 0 || !(is_blank(text[0]) || is_blank(text[value.size - 1]));
}

static bool is_targeted(const cachette_http_policy *policy, cachette_slice name) {
  for (size_t i = 0; i < policy->targeted_count; i++)
    if (is_name(name, policy->targeted[i].data, policy->targeted[i].size)) return true;
  return false;
}

bool http_looks_hash(const cachette_http_policy *policy, long status, PyObject *headers,
                     cachette_slice directives, uint64_t *hash) {
  *hash = http_mix((uint64_t)status, directives);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
    PyObject *pair = PyList_GET_ITEM(headers, i);
    PyObject *first = PyTuple_CheckExact(pair) ? member_of(pair, 0) : NULL;
    PyObject *second = first != NULL ? member_of(pair, 1) : NULL;
    if (second == NULL) return false;
    cachette_slice name = bytes_slice(first), value = bytes_slice(second);
    if (!is_plain_name(name) || !is_plain_value(value)) return false;
    enum kind kind = kind_of(of_responses, name);
    if (kind == NO_MATTER && is_targeted(policy, name)) kind = WHOLE;
    if (kind == BARS) return false;
    if (kind != NO_MATTER) *hash = http_mix(*hash, name);
    if (kind == WHOLE) *hash = http_mix(*hash, value);
  }
  return true;
}
