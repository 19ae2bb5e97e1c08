/* SPDX-License-Identifier: MIT */
#include "flights.h"

int flights_import(ext_state *state) {
  const struct {
    PyObject **slot;
    const char *name;
  } wanted[] = {
      {&state->missing, "MISSING"},
      {&state->get_or_set, "get_or_set"},
      {&state->write_after_puts, "write_after_puts"},
      {&state->wait_for_puts, "wait_for_puts"},
      {&state->returns_of, "returns_of"},
      {&state->missed, "missed"}, /* set last: then all are set */
  };
  if (state->missed != NULL) return 0;
  PyObject *flights = PyImport_ImportModule("cachette._flights");
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted && flights != NULL; i++) {
    PyObject *found = PyObject_GetAttrString(flights, wanted[i].name);
    Py_XSETREF(*wanted[i].slot, found);
    if (found == NULL) break;
  }
  Py_XDECREF(flights);
  return state->missed != NULL ? 0 : -1;
}
