/* SPDX-License-Identifier: MIT */
/* HTTP policies as text, for rows of tables. */
#ifndef CACHETTE_TESTS_HTTP_POLICY_H
#define CACHETTE_TESTS_HTTP_POLICY_H

#include "cachette/http.h"

/*
 * Parses a policy: words, of which each sets a member. "" has the defaults.
 *
 *     rfc                        cachette_http_policy_rfc(); it must come first
 *     private                    sharing
 *     strip store                set_cookie
 *     full ignore                request_control
 *     ttl=N swr=N sie=N          default_ttl_ms and the stale windows, in seconds
 *     max=N                      max_body
 *     vary-cookie vary-auth      vary_allow
 *     encoding language          normalize
 *     drop sort                  query
 *     heuristic max-stale post partial trust-cookies trust-mr forward-preconditions
 *     no-heuristic ...           the same, unset
 *     cdn                        targeted: CDN-Cache-Control
 *     my,cdn                     targeted: My-Cache-Control, then CDN-Cache-Control
 *     key=a,b session=a,b        key_cookies and session_cookies, up to 4
 *     name=N                     the cache's name
 *     search=V                   no_vary_search: the rest of the text, so it must come last
 *
 * The policy points to the text, and to names that the next call overwrites.
 */
cachette_http_policy http_policy(const char *words);

#endif
