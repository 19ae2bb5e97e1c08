/* SPDX-License-Identifier: MIT */
/* The steps of an exchange: methods of HttpExchange. */
#ifndef CACHETTE_EXT_HTTP_STEPS_H
#define CACHETTE_EXT_HTTP_STEPS_H

#include "http_request.h"

/* Sets of actions. */
#define HTTP_ACTION(name) (1u << CACHETTE_HTTP_##name)

/* Returns whether the action is one of a set. Else raises that the method does not fit. */
bool http_check_action(const http_exchange *self, const char *method, unsigned actions);

/* Returns the time in milliseconds since 1970. */
int64_t http_now_ms(void);

/* Reads a status. Returns false with an exception set. */
bool http_read_status(PyObject *value, int *status);

/* Decides on a record, bytes or None. `head` is its head if that was read, or NULL. Returns false
 * with an exception set. */
bool http_decide_record(http_exchange *self, PyObject *record, const cachette_http_head *head,
                        int64_t now_ms);

PyObject *http_decide(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords);
PyObject *http_answer(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                      PyObject *keywords);
/* Returns the headers of an answer from the record. */
PyObject *http_list_answer(http_exchange *self, bool collapsed);

/* Removes our Cache-Status, which is the last field of an answer. Steals the list, and returns it;
 * or NULL with an exception set. */
PyObject *http_without_status(PyObject *headers);

/* Returns the headers of an answer to the response that was received last. There must be one. */
PyObject *http_answer_received(http_exchange *self);

PyObject *http_forward(http_exchange *self, PyObject *ignored);
PyObject *http_receive(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                       PyObject *keywords);
PyObject *http_fail(http_exchange *self, PyObject *const *args, Py_ssize_t count,
                    PyObject *keywords);

/* Frees the responses that were received. */
void http_received_free(http_exchange *self);

#endif
