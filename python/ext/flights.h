/* SPDX-License-Identifier: MIT */
/* Flights: the Python code of cachette._flights that the extension calls. */
#ifndef CACHETTE_EXT_FLIGHTS_H
#define CACHETTE_EXT_FLIGHTS_H

#include "ext.h"

/* Imports what the state has of cachette._flights, unless it is there. Returns 0, or -1 with an
 * exception set. */
int flights_import(ext_state *state);

#endif
