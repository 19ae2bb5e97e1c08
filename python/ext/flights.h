/* SPDX-License-Identifier: MIT */
/* Flights: the functions of cachette._flights that the extension calls. */
#ifndef CACHETTE_EXT_FLIGHTS_H
#define CACHETTE_EXT_FLIGHTS_H

#include "ext.h"

/* Sets the fields of the state that come from cachette._flights. Imports the package on the first
 * call. Returns 0, or -1 with an exception set. */
int flights_import(ext_state *state);

#endif
