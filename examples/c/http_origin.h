/* SPDX-License-Identifier: MIT */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

/* Runs the origin of the example http_cache. Does not return. */
void run_origin(int port, int max_age);

#endif
