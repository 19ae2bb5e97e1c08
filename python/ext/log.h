/* SPDX-License-Identifier: MIT */
/* The log: notices of a handle become warnings of the logger "cachette". */
#ifndef CACHETTE_EXT_LOG_H
#define CACHETTE_EXT_LOG_H

#include "ext.h"

/* Logs the handle's notice, if it has one. Call it after the handle has processed its loop, with no
 * exception set; it sets none. */
void log_notice(cachette *handle);

#endif
