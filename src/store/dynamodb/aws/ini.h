/* SPDX-License-Identifier: MIT */
/*
 * Parses AWS's shared files like botocore (Python's RawConfigParser). Does no I/O. Names of keys
 * become lower case. A value may continue on the following lines if they are indented more; the
 * lines are joined with newlines:
 *
 *     [services mine]        section "services mine"
 *     dynamodb =             key "dynamodb", value "\nendpoint_url = http://localhost:8000"
 *       endpoint_url = http://localhost:8000
 *
 * A key in [DEFAULT] applies to every section that does not have it.
 */
#ifndef CACHETTE_STORE_DYNAMODB_AWS_INI_H
#define CACHETTE_STORE_DYNAMODB_AWS_INI_H

#include "cachette.h"

typedef struct cachette__ini_entry {
  char *name, *value;
  size_t section; /* index of its section */
} cachette__ini_entry;

/* Zeroed is empty. Owns `bytes`, into which all texts point. */
typedef struct cachette__ini {
  char *bytes;
  size_t size;
  char **sections; /* names */
  size_t section_count, section_capacity;
  cachette__ini_entry *entries;
  size_t entry_count, entry_capacity;
} cachette__ini;

enum cachette__ini_error {
  CACHETTE__INI_OK,
  CACHETTE__INI_NO_MEMORY,
  CACHETTE__INI_NO_SECTION, /* a key before the first section */
  CACHETTE__INI_NO_VALUE,   /* a line is neither a section nor `key = value` */
  CACHETTE__INI_DUPLICATE_SECTION,
  CACHETTE__INI_DUPLICATE_KEY
};

/* The position of an error. Contains no values, because they may be secrets. */
typedef struct cachette__ini_position {
  size_t line;   /* from 1 */
  char name[48]; /* of the duplicate section or key; or "" */
} cachette__ini_position;

/*
 * Parses `size` bytes and takes ownership of them; a NUL must follow, and they must come from
 * cachette__malloc(). On failure wipes and frees them, and fills `position`.
 */
enum cachette__ini_error cachette__ini_parse(char *bytes, size_t size, cachette__ini *ini,
                                             cachette__ini_position *position);

/* Returns the value of a key in a section, or else in [DEFAULT]; NULL if it is missing or empty. */
const char *cachette__ini_get(const cachette__ini *ini, size_t section, const char *name);

/* Finds the value of a key inside a value of several lines. Returns its size; 0: none. */
size_t cachette__ini_nested(const char *value, const char *name, const char **found);

/* Wipes and frees. */
void cachette__ini_deinit(cachette__ini *ini);

#endif
