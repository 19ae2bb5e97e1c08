/* SPDX-License-Identifier: MIT */
#include "cache_control.h"
#include "cachette/http.h"
#include "request.h"

/* Seconds, or -1, as milliseconds, or -1. */
static int64_t to_ms(int64_t seconds) { return seconds < 0 ? -1 : seconds * 1000; }

static bool has(const cachette__http_cache_control *control, unsigned directives) {
  return (control->directives & directives) != 0;
}

bool cachette_http_request_directives(cachette_http_fields fields,
                                      cachette_http_directives *directives) {
  cachette__http_message message;
  cachette__http_cache_control control;
  /* Fields that are found in a malformed message count: they can only ask for more care. */
  (void)cachette__http_look_through(&message, fields);
  cachette__http_request_control(&message, &control);
  *directives = (cachette_http_directives){
      /* A request has no qualified no-cache (RFC 9111, 5.2.1.4). */
      .no_cache = has(&control, CACHETTE__HTTP_NO_CACHE | CACHETTE__HTTP_NO_CACHE_FIELDS),
      .no_store = has(&control, CACHETTE__HTTP_NO_STORE),
      .only_if_cached = has(&control, CACHETTE__HTTP_ONLY_IF_CACHED),
      .max_age_ms = to_ms(control.max_age),
      .min_fresh_ms = to_ms(control.min_fresh),
      .max_stale_ms = to_ms(control.max_stale),
  };
  return directives->no_cache || directives->no_store || directives->only_if_cached ||
         directives->max_age_ms >= 0 || directives->min_fresh_ms >= 0 ||
         directives->max_stale_ms >= 0;
}
