/* SPDX-License-Identifier: MIT */
/* The store for disabled caching. It stores nothing. */
#ifndef CACHETTE_NONE_H
#define CACHETTE_NONE_H

#include "store.h"

extern const cachette__store_vtable cachette__none_store;

#endif
