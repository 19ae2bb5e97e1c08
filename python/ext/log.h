/* SPDX-License-Identifier: MIT */
/* The log: notices of a handle become warnings of the logger "cachette". */
#ifndef CACHETTE_EXT_LOG_H
#define CACHETTE_EXT_LOG_H

#include "ext.h"

/* Logs the notice of the handle, if there is one. Call it after the handle has processed its loop,
 * with no exception set. It never sets one. */
void log_notice(cachette *handle);

#endif
