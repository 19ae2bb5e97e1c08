/* SPDX-License-Identifier: MIT */
/*
 * Most hits are on few records. To read a head and to make the list of headers takes longer than
 * to see that both are the same as a moment ago.
 *
 * A row of the table belongs to the keys whose digests begin alike. What it knows is replaced by a
 * record that is found twice in a row, so a scan over many keys does not make what it never needs.
 *
 * Python may run other code in each call that makes an object, since that may collect garbage. So
 * who uses a known record holds a reference to it, and the table is looked at anew after each.
 */
#include "http_known.h"

#include <string.h>

#include "http_hit.h"

enum {
  ROWS = 256,
  RECORD_MAX = 8 << 10, /* bytes of a record; comparing larger ones costs more than it saves */
  TOTAL_MAX = 1 << 20,  /* bytes in a table */
  OVERHEAD = 2 << 10,   /* of a known record, about: its objects without the bytes of the record */
  CHECKSUM_AT = 8       /* in a record; see "HTTP records" in docs/decisions.md */
};

struct http_known_table {
  size_t size; /* of all rows, in bytes */
  struct {
    http_known *known;       /* or NULL */
    uint64_t last, last_key; /* the checksum of the record that was noted last, and of its key */
  } rows[ROWS];
};

/* ---- Life ---- */

void http_known_release(http_known *known) {
  if (known == NULL || --known->references > 0) return;
  Py_XDECREF(known->record);
  Py_XDECREF(known->start);
  Py_XDECREF(known->rest);
  Py_XDECREF(known->headers);
  PyMem_Free(known);
}

void http_known_clear(http_lane *lane) {
  struct http_known_table *table = lane->known;
  lane->known = NULL;
  for (size_t i = 0; table != NULL && i < ROWS; i++) http_known_release(table->rows[i].known);
  PyMem_Free(table);
}

static size_t row_of(const unsigned char key[CACHETTE_HTTP_KEY_SIZE]) { return key[0] % ROWS; }

/* ---- Finding ---- */

static bool is_same(PyObject *left, PyObject *right) {
  Py_ssize_t size = PyBytes_GET_SIZE(left);
  return size == PyBytes_GET_SIZE(right) &&
         memcmp(PyBytes_AS_STRING(left), PyBytes_AS_STRING(right), (size_t)size) == 0;
}

http_known *http_known_find(const http_lane *lane, const unsigned char key[CACHETTE_HTTP_KEY_SIZE],
                            PyObject *record) {
  if (lane->known == NULL || !PyBytes_CheckExact(record)) return NULL;
  http_known *known = lane->known->rows[row_of(key)].known;
  if (known == NULL || !is_same(known->record, record)) return NULL;
  known->references++;
  return known;
}

/* ---- Noting ---- */

/* Returns a copy of a message, without its headers. */
static PyObject *copy_message(PyObject *message, PyObject *headers_name) {
  PyObject *copy = PyDict_Copy(message);
  if (copy != NULL && headers_name != NULL && PyDict_SetItem(copy, headers_name, Py_None) < 0)
    Py_CLEAR(copy);
  return copy;
}

static http_known *known_new(ext_state *state, const cachette_http_exchange *exchange,
                             PyObject *record, PyObject *messages) {
  http_known *known = PyMem_Calloc(1, sizeof *known);
  if (known == NULL) return NULL;
  Py_ssize_t size = PyBytes_GET_SIZE(record);
  known->references = 1;
  known->size = sizeof *known + OVERHEAD + 3 * (size_t)size; /* the record, its fields, its body */
  known->record = Py_NewRef(record);
  known->status = exchange->status;
  known->body_size = exchange->body_size;
  known->start = copy_message(PyTuple_GET_ITEM(messages, 0), state->str_headers);
  known->rest = copy_message(PyTuple_GET_ITEM(messages, 1), NULL);
  cachette_slice bytes = {PyBytes_AS_STRING(record), (size_t)size};
  if (known->start != NULL && known->rest != NULL && cachette_http_head_read(&known->head, bytes))
    return known;
  PyErr_Clear();
  http_known_release(known);
  return NULL;
}

/* Returns the table, or NULL. */
static struct http_known_table *table_of(http_lane *lane) {
  if (lane->known == NULL) lane->known = PyMem_Calloc(1, sizeof *lane->known);
  return lane->known;
}

/* Puts a known record into its row. Steals the reference. */
static void put(http_lane *lane, size_t row, http_known *known) {
  if (lane->known != NULL && lane->known->size + known->size > TOTAL_MAX) http_known_clear(lane);
  struct http_known_table *table = table_of(lane);
  if (table == NULL) {
    http_known_release(known);
    return;
  }
  http_known *before = table->rows[row].known;
  table->rows[row].known = known;
  table->size += known->size;
  if (before != NULL) table->size -= before->size;
  http_known_release(before);
}

/* Returns whether the whole record is the answer. */
static bool is_whole(const cachette_http_exchange *exchange) {
  return exchange->send_body && exchange->body_first == 0 && exchange->status != 206 &&
         exchange->status != 304;
}

void http_known_note(http_exchange *exchange, PyObject *record, PyObject *messages) {
  http_lane *lane = exchange->lane;
  const cachette_http_exchange *decided = &exchange->exchange;
  if (!is_whole(decided) || !PyBytes_CheckExact(record) || PyBytes_GET_SIZE(record) > RECORD_MAX)
    return;
  struct http_known_table *table = table_of(lane);
  if (table == NULL) return;
  size_t row = row_of(decided->key);
  uint64_t checksum, key;
  memcpy(&checksum, PyBytes_AS_STRING(record) + CHECKSUM_AT, sizeof checksum);
  memcpy(&key, decided->key + 1, sizeof key);
  if (table->rows[row].last != checksum || table->rows[row].last_key != key) {
    table->rows[row].last = checksum;
    table->rows[row].last_key = key;
    return;
  }
  ext_state *state = PyType_GetModuleState(Py_TYPE(exchange));
  http_known *known = known_new(state, decided, record, messages);
  if (known != NULL) put(lane, row, known);
}

/* ---- Answering ---- */

/* Returns the headers of the answer. What differs between two of them is Age, and the time to live
 * in Cache-Status. */
static PyObject *copy_headers(http_exchange *exchange, http_known *known) {
  int64_t age_s = exchange->exchange.age_ms / 1000, ttl_s = exchange->exchange.ttl_ms / 1000;
  PyObject *headers;
  if (known->headers != NULL && known->age_s == age_s && known->ttl_s == ttl_s) {
    headers = Py_NewRef(known->headers);
  } else {
    headers = http_hit_headers(exchange, exchange->lane->cache_status);
    if (headers == NULL) return NULL;
    known->age_s = age_s;
    known->ttl_s = ttl_s;
    Py_XSETREF(known->headers, Py_NewRef(headers));
  }
  PyObject *copy = PyList_GetSlice(headers, 0, PyList_GET_SIZE(headers));
  Py_DECREF(headers);
  return copy;
}

PyObject *http_known_messages(http_exchange *exchange, ext_state *state, http_known *known) {
  const cachette_http_exchange *decided = &exchange->exchange;
  if (!is_whole(decided) || decided->status != known->status ||
      decided->body_size != known->body_size)
    return NULL;
  PyObject *headers = copy_headers(exchange, known);
  PyObject *start = headers != NULL ? PyDict_Copy(known->start) : NULL;
  PyObject *rest = start != NULL ? PyDict_Copy(known->rest) : NULL;
  bool ok = rest != NULL && PyDict_SetItem(start, state->str_headers, headers) == 0;
  PyObject *messages = ok ? PyTuple_Pack(2, start, rest) : NULL;
  Py_XDECREF(headers);
  Py_XDECREF(start);
  Py_XDECREF(rest);
  return messages;
}
