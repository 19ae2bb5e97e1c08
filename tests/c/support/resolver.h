/* SPDX-License-Identifier: MIT */
/* A resolver that replaces the machine's in the program that links it. */
#ifndef CACHETTE_TESTS_RESOLVER_H
#define CACHETTE_TESTS_RESOLVER_H

#include <stdbool.h>

/* Sets the addresses of a name, with spaces between them; none: the name is not known. Names that
 * are not set go to the machine's resolver. */
void resolver_set(const char *name, const char *addresses);

/* While it is held, each answer waits for a release. */
void resolver_hold(bool held);
void resolver_release(void);

#endif
