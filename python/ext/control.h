/* SPDX-License-Identifier: MIT */
/*
 * Control: what the Cache-Control of a request asks of the calls that answer it.
 *
 * The middlewares of cachette.http put a Control into a context variable, so tasks and
 * threads of other requests do not see it. Calls look at that variable only if their configuration
 * has the option `request_control`.
 */
#ifndef CACHETTE_EXT_CONTROL_H
#define CACHETTE_EXT_CONTROL_H

#include "ext.h"

#include <cachette/http.h>

extern PyType_Spec control_spec;

struct control {
  PyObject_HEAD cachette_http_directives asked;
  bool ended;  /* the application has returned: what it left running is no longer the request */
  bool missed; /* a call has raised OnlyIfCached */
};

/* Creates the context variable. Returns 0, or -1 with an exception set. */
int control_init(ext_state *state);

/* Reads the options of a configuration. */
void control_configure(config_object *config);

/* any_obeys(): whether a configuration of this process has the option. */
PyObject *control_any_obeys(PyObject *module, PyObject *ignored);

/* Returns the Control that the running code has: a new reference. Returns NULL if there is none, or
 * with an exception set. */
control *control_current(ext_state *state);

/* Learns the TTL of a put: see control_accepts(). */
void control_note_ttl(config_object *config, int64_t ttl_ms);

/* Returns whether every entry is a miss. */
static inline bool control_refuses(const control *self) {
  return self->asked.no_cache || self->asked.max_age_ms == 0;
}

/* Returns whether the TTL of an entry matters. */
static inline bool control_wants_ttl(const control *self) {
  return self->asked.max_age_ms > 0 || self->asked.min_fresh_ms > 0;
}

/*
 * Returns whether an entry is a hit.
 *   left_ms  the time that it has left; negative: it does not expire
 *   ttl_ms   the TTL that it was put with; 0: the configured one; negative: not known
 *
 * A store does not keep the age of an entry, so it is the TTL that it was put with, less what is
 * left. If that TTL is not known, the longest of all puts counts, which gives the highest age. An
 * entry of unknown age is a miss if the request has max-age.
 */
bool control_accepts(const control *self, const config_object *config, int64_t left_ms,
                     int64_t ttl_ms);

/* A call has missed. Returns 0, or -1 with OnlyIfCached raised if the request wants no miss. */
int control_miss(ext_state *state, control *self);

/* http_control(headers): a Control, or None if the headers of a request ask for nothing. */
PyObject *control_of_headers(PyObject *module, PyObject *headers);

#endif
