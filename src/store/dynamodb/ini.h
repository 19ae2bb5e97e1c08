/* SPDX-License-Identifier: MIT */
/*
 * Files of sections, as AWS's shared files are, read as botocore reads them (by Python's
 * RawConfigParser). Does no I/O. Names of keys are in small letters; a value whose lines go on
 * below, further to the right, has them behind newlines:
 *
 *     [services mine]        section "services mine"
 *     dynamodb =             key "dynamodb", value "\nendpoint_url = http://localhost:8000"
 *       endpoint_url = http://localhost:8000
 *
 * What [DEFAULT] has, every other section has, too, unless it says otherwise.
 */
#ifndef CACHETTE_STORE_DYNAMODB_INI_H
#define CACHETTE_STORE_DYNAMODB_INI_H

#include "cachette.h"

typedef struct cachette__ini_entry {
  char *name, *value;
  size_t section; /* the place of its section */
} cachette__ini_entry;

/* Zeroed is empty. Texts stand in `bytes`, which it owns. */
typedef struct cachette__ini {
  char *bytes;
  size_t size;
  char **sections; /* their names */
  size_t section_count, section_room;
  cachette__ini_entry *entries;
  size_t entry_count, entry_room;
} cachette__ini;

enum cachette__ini_fault {
  CACHETTE__INI_FINE,
  CACHETTE__INI_NO_MEMORY,
  CACHETTE__INI_NO_SECTION,    /* a key stands before the first section */
  CACHETTE__INI_NO_VALUE,      /* a line is neither a section nor `key = value` */
  CACHETTE__INI_SECTION_TWICE, /* `name` tells which */
  CACHETTE__INI_KEY_TWICE
};

/* Where and what a fault is; no value is in it, for values are secrets. */
typedef struct cachette__ini_place {
  size_t line; /* from 1 */
  char name[48];
} cachette__ini_place;

/*
 * Takes over `bytes`, which have a NUL behind them, from cachette__malloc(). If there is a fault
 * they are wiped and freed.
 */
enum cachette__ini_fault cachette__ini_parse(char *bytes, size_t size, cachette__ini *ini,
                                             cachette__ini_place *place);

/* The value of a key in a section, or of [DEFAULT]'s; NULL: there is none, or it is empty. */
const char *cachette__ini_get(const cachette__ini *ini, size_t section, const char *name);

/* The value of a key in a value that has lines of its own; its size, 0 if there is none. */
size_t cachette__ini_nested(const char *value, const char *name, const char **found);

/* Wipes and frees. */
void cachette__ini_deinit(cachette__ini *ini);

#endif
