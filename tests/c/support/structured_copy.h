/* SPDX-License-Identifier: MIT */
/* Parses a structured field and serializes what was parsed. */
#ifndef CACHETTE_TESTS_STRUCTURED_COPY_H
#define CACHETTE_TESTS_STRUCTURED_COPY_H

#include "http/structured.h"

/*
 * Writes all that a field consists of, duplicate keys included. Returns false if the field is
 * invalid; else sets `status` and `size` as cachette__sf_writer_end() does.
 */
bool structured_copy(enum cachette__sf_kind kind, const cachette_slice *lines, size_t count,
                     char *buffer, size_t capacity, int *status, size_t *size);

#endif
