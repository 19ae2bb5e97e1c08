/* SPDX-License-Identifier: MIT */
/* May a stored response answer a request? Each row names its rule, and the section that has it. */
#include "http/usable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"

/* What a row's policy and response have (flags). Without any: SAFE, shared, with an entity tag. */
enum {
  FULL = 1,
  IGNORE = 2,
  SAFE_MAX_STALE = 4, /* SAFE, with the policy's max_stale */
  PRIVATE = 8,
  POST = 16,     /* the policy caches it */
  NO_TAG = 32,   /* the stored response has no validator, */
  DATED = 64,    /* or it has Last-Modified instead */
  PART = 128,    /* it is a part */
  FOR_ALL = 256, /* and so on: the flags of a record */
  NO_CACHE = 512,
  NEVER_STALE = 1024,
  IMMUTABLE = 2048,
  OWN_WINDOWS = 4096
};

struct row {
  const char *rule, *request;
  unsigned flags;
  double lifetime, age, while_revalidate, if_error; /* seconds */
  const char *expected;
};

#define GET "GET https://example.com/\n"
#define HEAD "HEAD https://example.com/\n"
#define QUERY "QUERY https://example.com/\nContent-Type: text/plain\n"
#define CC(directives) GET "Cache-Control: " directives
#define USER "Authorization: Basic YTpi\n"

/* ---- From rows to what the rules take ---- */

static cachette_http_policy policy_of(unsigned flags) {
  cachette_http_policy policy = {0};
  if (flags & FULL) policy.request_control = CACHETTE_HTTP_CONTROL_FULL;
  if (flags & IGNORE) policy.request_control = CACHETTE_HTTP_CONTROL_IGNORE;
  if (flags & PRIVATE) policy.sharing = CACHETTE_HTTP_PRIVATE;
  policy.max_stale = (flags & SAFE_MAX_STALE) != 0;
  policy.cache_post = (flags & POST) != 0;
  return policy;
}

static int64_t to_ms(double seconds) { return (int64_t)(seconds * 1000 + 0.5); }

static cachette__http_stored stored_of(unsigned flags, double lifetime, double while_revalidate,
                                       double if_error) {
  static const unsigned records[][2] = {
      {FOR_ALL, CACHETTE__HTTP_FOR_ALL},         {NO_CACHE, CACHETTE__HTTP_ALWAYS_VALIDATE},
      {NEVER_STALE, CACHETTE__HTTP_NEVER_STALE}, {IMMUTABLE, CACHETTE__HTTP_NEVER_CHANGES},
      {OWN_WINDOWS, CACHETTE__HTTP_OWN_WINDOWS},
  };
  cachette__http_stored stored = {.status = 200, .received_ms = HTTP_NOW_MS};
  for (size_t i = 0; i < LENGTH(records); i++)
    if (flags & records[i][0]) stored.flags |= records[i][1];
  if (flags & PART) stored.status = 206;
  stored.total_size = flags & PART ? 100 : -1;
  stored.lifetime_ms = to_ms(lifetime);
  stored.while_revalidate_ms = to_ms(while_revalidate);
  stored.if_error_ms = to_ms(if_error);
  stored.last_modified_ms = flags & DATED ? HTTP_NOW_MS - 10000 : -1;
  if ((flags & (NO_TAG | DATED)) == 0) stored.etag = cachette_str("\"v\"");
  return stored;
}

/* Writes what was decided as words, such as "REVALIDATE stale coalesce". */
static void describe(const cachette__http_use *use, char text[128]) {
  static const char *const actions[] = {
#define NAME(name, sentence) #name,
      CACHETTE_HTTP_ACTIONS(NAME)
#undef NAME
  };
  static const char *const tokens[] = {
#define TOKEN(name, token, sentence) token,
      CACHETTE_HTTP_REASONS(TOKEN)
#undef TOKEN
  };
  snprintf(text, 128, "%s%s%s%s%s%s", actions[use->action], *tokens[use->forwarded] ? " " : "",
           tokens[use->forwarded], use->coalesce ? " coalesce" : "", use->refresh ? " refresh" : "",
           use->usable_if_error ? " if-error" : "");
}

static void expect(const struct row *row, const cachette__http_use *use) {
  char text[128];
  describe(use, text);
  if (strcmp(text, row->expected) != 0)
    fail_msg("%s: \"%s\", not \"%s\"", row->rule, text, row->expected);
}

static void expect_use(const struct row *row) {
  cachette_http_policy policy = policy_of(row->flags);
  cachette_http_request *request = http_request_new(row->request);
  cachette__http_stored stored =
      stored_of(row->flags, row->lifetime, row->while_revalidate, row->if_error);
  cachette__http_asked asked;
  cachette__http_use use;
  if (cachette__http_ask(&policy, request, &asked) != CACHETTE_HTTP_BECAUSE_NONE)
    fail_msg("%s: the request passes", row->rule);
  cachette__http_may_use(&policy, &asked, &stored, HTTP_NOW_MS + to_ms(row->age), &use);
  expect(row, &use);
  assert_int_equal(use.age_ms, to_ms(row->age));
  assert_int_equal(use.ttl_ms, to_ms(row->lifetime) - to_ms(row->age));
  http_request_free(request);
}

/* ---- A stored response ---- */

static const struct row rows[] = {
    /* Freshness. */
    {"9111 4.2: new", GET, 0, 60, 0, 0, 0, "HIT"},
    {"9111 4.2: fresh", GET, 0, 60, 59, 0, 0, "HIT"},
    {"9111 4.2: fresh for another millisecond", GET, 0, 60, 59.999, 0, 0, "HIT"},
    {"9111 4.2: as old as its lifetime", GET, 0, 60, 60, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 4.2: stale", GET, 0, 60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 4.2: without a lifetime", GET, 0, 0, 0, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 4.3.1: stale, dated", GET, DATED, 60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 4.3.1: stale, without a validator", GET, NO_TAG, 60, 61, 0, 0, "MISS stale coalesce"},
    {"9111 4.3.1: fresh, without a validator", GET, NO_TAG, 60, 59, 0, 0, "HIT"},
    {"9111 4: HEAD of a fresh GET", HEAD, 0, 60, 59, 0, 0, "HIT"},
    {"9111 4: HEAD shares nothing", HEAD, 0, 60, 61, 0, 0, "REVALIDATE stale"},
    {"10008 2.7: QUERY, fresh", QUERY, 0, 60, 59, 0, 0, "HIT"},
    {"10008 2.7: QUERY, stale", QUERY, 0, 60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9110 13.1.2: POST cannot be validated", "POST https://example.com/", POST, 60, 61, 0, 0,
     "MISS stale coalesce"},
    {"9110 9.3.3: POST, fresh", "POST https://example.com/", POST, 60, 59, 0, 0, "HIT"},
    {"9111 3.4: a part, fresh", GET, PART, 60, 59, 0, 0, "HIT"},
    {"9111 4.3.1: a part is not validated", GET, PART, 60, 61, 0, 0, "MISS stale coalesce"},

    /* no-cache of the response. */
    {"9111 5.2.2.4: no-cache, fresh", GET, NO_CACHE, 60, 0, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 5.2.2.4: no-cache, no validator", GET, NO_CACHE | NO_TAG, 60, 0, 0, 0,
     "MISS stale coalesce"},
    {"9111 5.2.2.4: no-cache has no windows", GET, NO_CACHE, 60, 61, 99, 99,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.2.4: max-stale does not change no-cache", CC("max-stale"), FULL | NO_CACHE, 60, 0, 0,
     0, "REVALIDATE stale coalesce"},
    {"9111 5.2.2.4: nor does immutable", GET, NO_CACHE | IMMUTABLE, 60, 0, 0, 0,
     "REVALIDATE stale coalesce"},

    /* Stale windows. */
    {"5861 3: in the window", GET, 0, 60, 61, 10, 0, "STALE refresh"},
    {"5861 3: the window begins with staleness", GET, 0, 60, 60, 10, 0, "STALE refresh"},
    {"5861 3: fresh needs no refresh", GET, 0, 60, 59.999, 10, 0, "HIT"},
    {"5861 3: the last millisecond", GET, 0, 60, 69.999, 10, 0, "STALE refresh"},
    {"5861 3: after the window", GET, 0, 60, 70, 10, 0, "REVALIDATE stale coalesce"},
    {"5861 3: a lifetime of 0 has a window, too", GET, 0, 0, 0, 10, 0, "STALE refresh"},
    {"5861 3: without a validator", GET, NO_TAG, 60, 61, 10, 0, "STALE refresh"},
    {"5861 3: HEAD in the window", HEAD, 0, 60, 61, 10, 0, "STALE refresh"},
    {"5861 3: a private cache", GET, PRIVATE, 60, 61, 10, 0, "STALE refresh"},
    {"5861 3: s-maxage with its own window", GET, OWN_WINDOWS, 60, 61, 10, 0, "STALE refresh"},
    {"9111 5.2.2.2: must-revalidate beats a window", GET, NEVER_STALE, 60, 61, 10, 0,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.2.2: must-revalidate, fresh", GET, NEVER_STALE, 60, 59, 0, 0, "HIT"},
    {"9111 5.2.1.5: no-store cannot refresh", CC("no-store"), 0, 60, 61, 10, 0, "STALE"},
    {"5861 4: may be used if the origin fails", GET, 0, 60, 61, 0, 10,
     "REVALIDATE stale coalesce if-error"},
    {"5861 4: without a validator", GET, NO_TAG, 60, 61, 0, 10, "MISS stale coalesce if-error"},
    {"5861 4: after the window", GET, 0, 60, 70, 0, 10, "REVALIDATE stale coalesce"},
    {"5861 4: is not the other window", GET, 0, 60, 65, 5, 10,
     "REVALIDATE stale coalesce if-error"},
    {"9111 5.2.2.2: must-revalidate beats stale-if-error", GET, NEVER_STALE, 60, 61, 0, 10,
     "REVALIDATE stale coalesce"},

    /* Credentials. */
    {"9111 3.5: Authorization", GET USER, 0, 60, 0, 0, 0, "MISS credentials"},
    {"9111 3.5: Authorization, for all", GET USER, FOR_ALL, 60, 0, 0, 0, "HIT"},
    {"9111 3.5: Authorization, a private cache", GET USER, PRIVATE, 60, 0, 0, 0, "HIT"},
    {"9111 3.5: Authorization, stale", GET USER, 0, 60, 61, 10, 10, "MISS credentials"},
    {"9111 3.5: Authorization, for all, stale", GET USER, FOR_ALL, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 3.5: Authorization, only if cached", GET USER "Cache-Control: only-if-cached", 0, 60, 0,
     0, 0, "ERROR"},
    {"9111 7.3: a cookie", GET "Cookie: id=1", 0, 60, 0, 0, 0, "MISS credentials"},
    {"9111 7.3: a cookie, for all", GET "Cookie: id=1", FOR_ALL, 60, 0, 0, 0, "HIT"},
    {"9111 7.3: none", GET, FOR_ALL, 60, 0, 0, 0, "HIT"},

    /* no-cache of the request. */
    {"9111 5.2.1.4: SAFE: one revalidation that all share", CC("no-cache"), 0, 60, 0, 0, 0,
     "REVALIDATE request coalesce if-error"},
    {"9111 5.2.1.4: FULL: its own", CC("no-cache"), FULL, 60, 0, 0, 0, "REVALIDATE request"},
    {"9111 5.2.1.4: IGNORE", CC("no-cache"), IGNORE, 60, 0, 0, 0, "HIT"},
    {"9111 5.2.1.4: without a validator", CC("no-cache"), FULL | NO_TAG, 60, 0, 0, 0,
     "MISS request"},
    {"9111 5.2.1.4: stale", CC("no-cache"), FULL, 60, 61, 10, 10, "REVALIDATE stale"},
    {"9111 5.2.1.4: SAFE, stale", CC("no-cache"), 0, 60, 61, 10, 10,
     "REVALIDATE stale coalesce if-error"},
    {"9111 5.2.1.4: an argument changes nothing", CC("no-cache=\"a\""), FULL, 60, 0, 0, 0,
     "REVALIDATE request"},
    {"9111 5.2: names have no case", CC("No-Cache"), FULL, 60, 0, 0, 0, "REVALIDATE request"},
    {"9111 5.2.3: another directive", CC("no-cachee"), FULL, 60, 0, 0, 0, "HIT"},
    {"9111 5.4: Pragma", GET "Pragma: no-cache", FULL, 60, 0, 0, 0, "REVALIDATE request"},
    {"9111 5.4: Pragma, SAFE", GET "Pragma: no-cache", 0, 60, 0, 0, 0,
     "REVALIDATE request coalesce if-error"},
    {"9111 5.4: Pragma, IGNORE", GET "Pragma: no-cache", IGNORE, 60, 0, 0, 0, "HIT"},
    {"9111 5.4: Pragma beside Cache-Control", GET "Pragma: no-cache\nCache-Control: max-age=9",
     FULL, 60, 0, 0, 0, "HIT"},
    {"8246 2: a forced reload", CC("no-cache"), FULL | IMMUTABLE, 60, 0, 0, 0,
     "REVALIDATE request"},

    /* max-age of the request. */
    {"9111 5.2.1.1: young enough", CC("max-age=9"), FULL, 60, 9, 0, 0, "HIT"},
    {"9111 5.2.1.1: too old", CC("max-age=9"), FULL, 60, 9.001, 0, 0,
     "REVALIDATE request if-error"},
    {"9111 5.2.1.1: SAFE, too old", CC("max-age=9"), 0, 60, 9.001, 0, 0,
     "REVALIDATE request coalesce if-error"},
    {"9111 5.2.1.1: IGNORE, too old", CC("max-age=9"), IGNORE, 60, 10, 0, 0, "HIT"},
    {"9111 5.2.1.1: max-age=0", CC("max-age=0"), FULL, 60, 0.001, 0, 0,
     "REVALIDATE request if-error"},
    {"9111 5.2.1.1: a bad number is 0", CC("max-age=x"), FULL, 60, 1, 0, 0,
     "REVALIDATE request if-error"},
    {"9111 5.2.1.1: stale, but young enough", CC("max-age=99"), FULL, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
    {"5861 3: in the window and young enough", CC("max-age=99"), FULL, 60, 61, 10, 0,
     "STALE refresh"},
    {"5861 3: in the window, but too old", CC("max-age=9"), FULL, 60, 61, 10, 0,
     "REVALIDATE stale"},
    {"8246 2: a reload of what never changes", CC("max-age=0"), FULL | IMMUTABLE, 60, 30, 0, 0,
     "HIT"},
    {"8246 2: stale after all", CC("max-age=0"), FULL | IMMUTABLE, 60, 60, 0, 0,
     "REVALIDATE stale"},

    /* min-fresh. */
    {"9111 5.2.1.3: fresh for long enough", CC("min-fresh=9"), FULL, 60, 51, 0, 0, "HIT"},
    {"9111 5.2.1.3: not for so long", CC("min-fresh=9"), FULL, 60, 51.001, 0, 0,
     "REVALIDATE request if-error"},
    {"9111 5.2.1.3: SAFE", CC("min-fresh=9"), 0, 60, 52, 0, 0,
     "REVALIDATE request coalesce if-error"},
    {"9111 5.2.1.3: IGNORE", CC("min-fresh=9"), IGNORE, 60, 52, 0, 0, "HIT"},
    {"9111 5.2.1.3: a bad number is the largest", CC("min-fresh"), FULL, 60, 0, 0, 0,
     "REVALIDATE request if-error"},
    {"9111 5.2.1.3: beats a window", CC("min-fresh=1"), FULL, 60, 61, 10, 0, "REVALIDATE stale"},
    {"9111 5.2.1.3: min-fresh=0 is not stale", CC("min-fresh=0"), FULL, 60, 61, 10, 0,
     "REVALIDATE stale"},
    {"9111 5.2.1.3: beats max-stale", CC("min-fresh=1, max-stale"), FULL, 60, 61, 0, 0,
     "REVALIDATE stale"},
    {"8246 2: what never changes", CC("min-fresh=9"), FULL | IMMUTABLE, 60, 59, 0, 0, "HIT"},

    /* max-stale. */
    {"9111 5.2.1.2: stale enough", CC("max-stale=9"), FULL, 60, 69, 0, 0, "STALE"},
    {"9111 5.2.1.2: too stale", CC("max-stale=9"), FULL, 60, 69.001, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.1.2: stale by nothing", CC("max-stale=0"), FULL, 60, 60, 0, 0, "STALE"},
    {"9111 5.2.1.2: by more than nothing", CC("max-stale=0"), FULL, 60, 60.001, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.1.2: any staleness", CC("max-stale"), FULL, 60, 1e6, 0, 0, "STALE"},
    {"9111 5.2.1.2: SAFE does not obey it", CC("max-stale"), 0, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.1.2: SAFE and the policy's max_stale", CC("max-stale"), SAFE_MAX_STALE, 60, 61, 0, 0,
     "STALE"},
    {"9111 5.2.1.2: IGNORE", CC("max-stale"), IGNORE, 60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 5.2.1.2: IGNORE and the policy's max_stale", CC("max-stale"), IGNORE | SAFE_MAX_STALE,
     60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 4.2.4: must-revalidate beats max-stale", CC("max-stale"), FULL | NEVER_STALE, 60, 61, 0,
     0, "REVALIDATE stale coalesce"},
    {"9111 5.2.2.10: s-maxage beats max-stale", CC("max-stale"), FULL | OWN_WINDOWS, 60, 71, 10, 0,
     "REVALIDATE stale coalesce"},
    {"5861 3: refreshed in the window", CC("max-stale"), FULL, 60, 61, 10, 0, "STALE refresh"},
    {"9111 5.2.1.2: not beyond max-age", CC("max-stale, max-age=9"), FULL, 60, 61, 0, 0,
     "REVALIDATE stale"},
    {"9111 5.2.1.2: within max-age", CC("max-stale, max-age=99"), FULL, 60, 61, 0, 0, "STALE"},
    {"9111 5.2.1.2: not with no-cache", CC("max-stale, no-cache"), FULL, 60, 61, 0, 0,
     "REVALIDATE stale"},

    /* no-store and only-if-cached. */
    {"9111 5.2.1.5: may be answered", CC("no-store"), 0, 60, 0, 0, 0, "HIT"},
    {"9111 5.2.1.5: brings nothing for others", CC("no-store"), 0, 60, 61, 0, 0,
     "REVALIDATE stale"},
    {"9111 5.2.1.5: IGNORE", CC("no-store"), IGNORE, 60, 61, 0, 0, "REVALIDATE stale coalesce"},
    {"9111 5.2.1.7: fresh", CC("only-if-cached"), 0, 60, 59, 0, 0, "HIT"},
    {"9111 5.2.1.7: stale", CC("only-if-cached"), 0, 60, 61, 0, 10, "ERROR"},
    {"9111 5.2.1.7: FULL", CC("only-if-cached"), FULL, 60, 61, 0, 0, "ERROR"},
    {"9111 5.2.1.7: IGNORE", CC("only-if-cached"), IGNORE, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 5.2.1.7: in the window", CC("only-if-cached"), 0, 60, 61, 10, 0, "STALE refresh"},
    {"9111 5.2.1.7: with max-stale", CC("only-if-cached, max-stale"), FULL, 60, 61, 0, 0, "STALE"},
    {"9111 5.2.1.7: with no-cache", CC("only-if-cached, no-cache"), 0, 60, 0, 0, 0, "ERROR"},
    {"9111 5.2.1.7: with max-age", CC("only-if-cached, max-age=9"), FULL, 60, 10, 0, 0, "ERROR"},
    {"9111 5.2.1.7: a response with no-cache", CC("only-if-cached"), NO_CACHE, 60, 0, 0, 0,
     "ERROR"},

    /* stale-if-error of the request. */
    {"5861 4: of the request, FULL", CC("stale-if-error=10"), FULL, 60, 61, 0, 0,
     "REVALIDATE stale coalesce if-error"},
    {"5861 4: of the request, SAFE", CC("stale-if-error=10"), 0, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},

    /* Who can share a response. */
    {"9111 4: the client's conditions are replaced", GET "If-None-Match: \"x\"", 0, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
    {"9111 4: the client's condition is sent", GET "If-None-Match: \"x\"", NO_TAG, 60, 61, 0, 0,
     "MISS stale"},
    {"9111 4: the client's range is sent", GET "Range: bytes=0-1", NO_TAG, 60, 61, 0, 0,
     "MISS stale"},
    {"9111 4: the client's range is replaced", GET "Range: bytes=0-1", 0, 60, 61, 0, 0,
     "REVALIDATE stale coalesce"},
};

static void a_stored_response_is_used_as_its_rules_say(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(rows); i++) expect_use(&rows[i]);
}

/* ---- Nothing stored ---- */

static const struct row misses[] = {
    {"9111 4: a miss", GET, 0, 0, 0, 0, 0, "MISS uri-miss coalesce"},
    {"9111 4: HEAD shares nothing", HEAD, 0, 0, 0, 0, 0, "MISS uri-miss"},
    {"10008 2.7: QUERY", QUERY, 0, 0, 0, 0, 0, "MISS uri-miss coalesce"},
    {"9111 3.5: a response to Authorization may be for one", GET USER, 0, 0, 0, 0, 0,
     "MISS uri-miss"},
    {"9111 3.5: a private cache has one user", GET USER, PRIVATE, 0, 0, 0, 0,
     "MISS uri-miss coalesce"},
    {"9111 7.3: a response to a cookie, too", GET "Cookie: id=1", 0, 0, 0, 0, 0, "MISS uri-miss"},
    {"9111 5.2.1.5: no-store", CC("no-store"), 0, 0, 0, 0, 0, "MISS uri-miss"},
    {"9111 5.2.1.5: no-store, IGNORE", CC("no-store"), IGNORE, 0, 0, 0, 0,
     "MISS uri-miss coalesce"},
    {"9111 5.2.1.4: no-cache, SAFE", CC("no-cache"), 0, 0, 0, 0, 0, "MISS uri-miss coalesce"},
    {"9111 5.2.1.4: no-cache, FULL", CC("no-cache"), FULL, 0, 0, 0, 0, "MISS uri-miss"},
    {"9111 5.2.1.7: only-if-cached", CC("only-if-cached"), 0, 0, 0, 0, 0, "ERROR"},
    {"9111 5.2.1.7: only-if-cached, FULL", CC("only-if-cached"), FULL, 0, 0, 0, 0, "ERROR"},
    {"9111 5.2.1.7: only-if-cached, IGNORE", CC("only-if-cached"), IGNORE, 0, 0, 0, 0,
     "MISS uri-miss coalesce"},
    {"9111 5.2.1.7: a bad only-if-cached", CC("only-if-cached=?"), 0, 0, 0, 0, 0, "ERROR"},
    {"9111 4: a condition of the client", GET "If-None-Match: \"x\"", 0, 0, 0, 0, 0,
     "MISS uri-miss"},
    {"9111 4: a date of the client", GET "If-Modified-Since: @0", 0, 0, 0, 0, 0, "MISS uri-miss"},
    {"9111 4: a range of the client", GET "Range: bytes=0-1", 0, 0, 0, 0, 0, "MISS uri-miss"},
};

static void a_miss_is_forwarded_unless_the_client_forbids_it(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(misses); i++) {
    cachette_http_policy policy = policy_of(misses[i].flags);
    cachette_http_request *request = http_request_new(misses[i].request);
    cachette__http_asked asked;
    cachette__http_use use;
    cachette__http_ask(&policy, request, &asked);
    cachette__http_use_nothing(&policy, &asked, CACHETTE_HTTP_BECAUSE_URI_MISS, &use);
    expect(&misses[i], &use);
    assert_int_equal(use.age_ms, 0);
    assert_int_equal(use.ttl_ms, 0);
    http_request_free(request);
  }
}

/* ---- The origin fails ---- */

static const struct failure {
  const char *rule, *request;
  unsigned flags;
  double lifetime, age, if_error;
  int status;
  bool is_usable;
} failures[] = {
    {"5861 4: no answer", GET, 0, 60, 61, 10, 0, true},
    {"5861 4: 500", GET, 0, 60, 61, 10, 500, true},
    {"5861 4: 502", GET, 0, 60, 61, 10, 502, true},
    {"5861 4: 503", GET, 0, 60, 61, 10, 503, true},
    {"5861 4: 504", GET, 0, 60, 61, 10, 504, true},
    {"5861 4: 501 is no failure", GET, 0, 60, 61, 10, 501, false},
    {"5861 4: nor is 505", GET, 0, 60, 61, 10, 505, false},
    {"5861 4: nor 404", GET, 0, 60, 61, 10, 404, false},
    {"5861 4: nor 200", GET, 0, 60, 61, 10, 200, false},
    {"5861 4: nor 304", GET, 0, 60, 61, 10, 304, false},
    {"5861 4: nor 499", GET, 0, 60, 61, 10, 499, false},
    {"5861 4: the window begins with staleness", GET, 0, 60, 60, 10, 500, true},
    {"5861 4: the last millisecond", GET, 0, 60, 69.999, 10, 500, true},
    {"5861 4: after the window", GET, 0, 60, 70, 10, 500, false},
    {"9111 4.2.4: without a window", GET, 0, 60, 61, 0, 500, false},
    {"9111 4.2.4: not even at its beginning", GET, 0, 60, 60, 0, 500, false},
    {"9111 4.2: still fresh", GET, 0, 60, 59, 0, 500, true},
    {"9111 5.2.2.2: must-revalidate", GET, NEVER_STALE, 60, 61, 10, 500, false},
    {"9111 5.2.2.2: must-revalidate, no answer", GET, NEVER_STALE, 60, 61, 10, 0, false},
    {"9111 5.2.2.4: no-cache", GET, NO_CACHE, 60, 61, 10, 500, false},
    {"9111 5.2.2.4: no-cache, within the lifetime", GET, NO_CACHE, 60, 0, 10, 500, false},
    {"9111 5.2.2.10: s-maxage with its own window", GET, OWN_WINDOWS, 60, 61, 10, 500, true},
    {"9111 3.5: credentials", GET USER, 0, 60, 61, 10, 500, false},
    {"9111 3.5: credentials, for all", GET USER, FOR_ALL, 60, 61, 10, 500, true},
    {"9111 3.5: credentials, a private cache", GET USER, PRIVATE, 60, 61, 10, 500, true},
    {"9111 5.2.1.4: no-cache, SAFE", CC("no-cache"), 0, 60, 61, 10, 500, true},
    {"9111 5.2.1.4: no-cache, FULL", CC("no-cache"), FULL, 60, 61, 10, 500, false},
    {"9111 5.2.1.4: no-cache, FULL, fresh", CC("no-cache"), FULL, 60, 0, 10, 500, false},
    {"9111 5.2.1.4: Pragma, FULL", GET "Pragma: no-cache", FULL, 60, 61, 10, 500, false},
    {"5861 4: regardless of max-age", CC("max-age=0"), FULL, 60, 61, 10, 500, true},
    {"5861 4: of the request, FULL", CC("stale-if-error=20"), FULL, 60, 75, 10, 500, true},
    {"5861 4: of the request, its last millisecond", CC("stale-if-error=20"), FULL, 60, 79.999, 0,
     500, true},
    {"5861 4: of the request, after it", CC("stale-if-error=20"), FULL, 60, 80, 0, 500, false},
    {"5861 4: of the request, smaller", CC("stale-if-error=1"), FULL, 60, 65, 10, 500, true},
    {"5861 4: of the request, SAFE", CC("stale-if-error=20"), 0, 60, 75, 10, 500, false},
    {"5861 4: of the request, max_stale", CC("stale-if-error=20"), SAFE_MAX_STALE, 60, 75, 10, 500,
     true},
    {"5861 4: of the request, IGNORE", CC("stale-if-error=20"), IGNORE, 60, 75, 10, 500, false},
    {"9111 5.2.2.2: of the request, must-revalidate", CC("stale-if-error=20"), FULL | NEVER_STALE,
     60, 61, 0, 500, false},
    {"9111 5.2.2.4: of the request, no-cache", CC("stale-if-error=20"), FULL | NO_CACHE, 60, 61, 0,
     500, false},
    {"9111 5.2.2.10: of the request, s-maxage", CC("stale-if-error=20"), FULL | OWN_WINDOWS, 60, 75,
     10, 500, false},
};

static void a_failing_origin_is_covered_within_the_window(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(failures); i++) {
    const struct failure *row = &failures[i];
    cachette_http_policy policy = policy_of(row->flags);
    cachette_http_request *request = http_request_new(row->request);
    cachette__http_stored stored = stored_of(row->flags, row->lifetime, 0, row->if_error);
    cachette__http_asked asked;
    cachette__http_ask(&policy, request, &asked);
    int64_t now_ms = HTTP_NOW_MS + to_ms(row->age);
    if (cachette__http_may_use_on_error(&policy, &asked, &stored, row->status, now_ms) !=
        row->is_usable)
      fail_msg("%s", row->rule);
    http_request_free(request);
  }
}

/* ---- Any numbers ---- */

static uint64_t random_state = 88172645463325252U;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

/* A time or a duration of any size, often at an edge. */
static int64_t random_ms(void) {
  static const int64_t edges[] = {INT64_MIN,
                                  INT64_MIN + 1,
                                  -1000,
                                  -1,
                                  0,
                                  1,
                                  999,
                                  1000,
                                  60000,
                                  HTTP_NOW_MS,
                                  CACHETTE__HTTP_DURATION_MAX,
                                  INT64_MAX - 1,
                                  INT64_MAX};
  uint64_t choice = next_random() % 4;
  if (choice == 0) return edges[next_random() % LENGTH(edges)];
  if (choice == 1) return (int64_t)next_random();
  return (int64_t)(next_random() % 200000) + (choice == 2 ? 0 : HTTP_NOW_MS - 100000);
}

static int64_t random_seconds(void) {
  uint64_t choice = next_random() % 3;
  if (choice == 0) return -1;
  return choice == 1 ? (int64_t)(next_random() % 200) : CACHETTE__HTTP_SECONDS_MAX;
}

static cachette__http_stored random_stored(void) {
  cachette__http_stored stored = {.status = 200, .total_size = -1};
  stored.flags = (unsigned)next_random() & 0x3e;
  stored.received_ms = random_ms();
  stored.initial_age_ms = random_ms();
  stored.lifetime_ms = random_ms();
  stored.while_revalidate_ms = random_ms();
  stored.if_error_ms = random_ms();
  stored.last_modified_ms = -1;
  if (next_random() % 2) stored.etag = cachette_str("\"v\"");
  return stored;
}

static void random_request(cachette_http_policy *policy, cachette__http_asked *asked) {
  *policy = (cachette_http_policy){.request_control = (int)(next_random() % 3),
                                   .sharing = (int)(next_random() % 2),
                                   .max_stale = next_random() % 2};
  memset(asked, 0, sizeof *asked);
  asked->method = (int)(next_random() % 3);
  asked->control.directives = (unsigned)(next_random() & next_random()) & 0xfff;
  asked->control.max_age = random_seconds();
  asked->control.min_fresh = random_seconds();
  asked->control.max_stale = random_seconds();
  asked->control.stale_if_error = random_seconds();
  asked->control.s_maxage = asked->control.stale_while_revalidate = -1;
  asked->has_credentials = next_random() % 4 == 0;
}

/* Whatever the request, the policy, the windows and the clock. */
static void what_must_not_be_stale_is_never_used_stale(void **state) {
  (void)state;
  enum { NEVER = CACHETTE__HTTP_NEVER_STALE | CACHETTE__HTTP_ALWAYS_VALIDATE };
  size_t hits = 0, stales = 0, covered = 0;
  for (int i = 0; i < 400000; i++) {
    cachette_http_policy policy;
    cachette__http_asked asked;
    cachette__http_stored stored = random_stored();
    cachette__http_use use;
    int64_t now_ms = random_ms();
    random_request(&policy, &asked);
    cachette__http_may_use(&policy, &asked, &stored, now_ms, &use);
    bool is_used = use.action == CACHETTE_HTTP_HIT || use.action == CACHETTE_HTTP_STALE;
    bool on_error = cachette__http_may_use_on_error(&policy, &asked, &stored, 503, now_ms);
    bool is_stale = cachette__http_age(&stored, now_ms) >= stored.lifetime_ms;
    assert_true(use.age_ms >= 0);
    if (use.action == CACHETTE_HTTP_HIT) assert_false(is_stale);
    if (use.action == CACHETTE_HTTP_STALE) assert_true(is_stale);
    if ((stored.flags & NEVER) != 0 && is_stale) assert_false(is_used || on_error);
    if ((stored.flags & CACHETTE__HTTP_ALWAYS_VALIDATE) != 0) assert_false(is_used || on_error);
    if (use.usable_if_error) assert_true(on_error);
    hits += use.action == CACHETTE_HTTP_HIT;
    stales += use.action == CACHETTE_HTTP_STALE;
    covered += on_error;
  }
  assert_true(hits > 1000 && stales > 1000 && covered > 1000);
}

/* A request's directives may forbid, but what they permit is only what is stale. */
static void an_older_response_is_never_fresher(void **state) {
  (void)state;
  for (int i = 0; i < 100000; i++) {
    cachette_http_policy policy;
    cachette__http_asked asked;
    cachette__http_stored stored = random_stored();
    cachette__http_use first, second;
    int64_t now_ms = random_ms(), later_ms = random_ms();
    random_request(&policy, &asked);
    cachette__http_may_use(&policy, &asked, &stored, now_ms, &first);
    cachette__http_may_use(&policy, &asked, &stored, later_ms, &second);
    if (later_ms < now_ms) continue;
    assert_true(second.age_ms >= first.age_ms && second.ttl_ms <= first.ttl_ms);
    if (first.action != CACHETTE_HTTP_HIT) assert_int_not_equal(second.action, CACHETTE_HTTP_HIT);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stored_response_is_used_as_its_rules_say),
      cmocka_unit_test(a_miss_is_forwarded_unless_the_client_forbids_it),
      cmocka_unit_test(a_failing_origin_is_covered_within_the_window),
      cmocka_unit_test(what_must_not_be_stale_is_never_used_stale),
      cmocka_unit_test(an_older_response_is_never_fresher),
  };
  return cmocka_run_group_tests_name("usable", tests, NULL, NULL);
}
