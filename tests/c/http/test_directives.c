/* SPDX-License-Identifier: MIT */
/* What a request asks of a cache that is no cache of HTTP messages. */
#include <string.h>

#include "http_message.h"

#define NO_CACHE 1
#define NO_STORE 2
#define ONLY_IF_CACHED 4
#define LONGEST_MS ((INT64_C(1) << 31) * 1000)

struct directives_case {
  const char *source; /* section of RFC 9111, or what is shown */
  const char *fields;
  int flags;
  int64_t max_age_ms, min_fresh_ms, max_stale_ms;
};

static int flags_of(const cachette_http_directives *directives) {
  return (directives->no_cache ? NO_CACHE : 0) | (directives->no_store ? NO_STORE : 0) |
         (directives->only_if_cached ? ONLY_IF_CACHED : 0);
}

static void check_directives(const struct directives_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const struct directives_case *row = &cases[i];
    cachette_http_directives found;
    memset(&found, 0x55, sizeof found);
    cachette_http_fields fields = http_fields_new(row->fields);
    bool any = cachette_http_request_directives(fields, &found);
    http_fields_free(fields);
    bool expected =
        row->flags != 0 || row->max_age_ms >= 0 || row->min_fresh_ms >= 0 || row->max_stale_ms >= 0;
    if (any != expected || flags_of(&found) != row->flags || found.max_age_ms != row->max_age_ms ||
        found.min_fresh_ms != row->min_fresh_ms || found.max_stale_ms != row->max_stale_ms)
      fail_msg("%s: %s: %d %d %lld %lld %lld", row->source, row->fields, any, flags_of(&found),
               (long long)found.max_age_ms, (long long)found.min_fresh_ms,
               (long long)found.max_stale_ms);
    assert_null(found.more[0]);
    assert_null(found.more[1]);
  }
}

#define CHECK(cases) check_directives(cases, sizeof(cases) / sizeof *(cases))

static void a_request_without_directives_asks_for_nothing(void **state) {
  (void)state;
  static const struct directives_case cases[] = {
      {"no fields", "", 0, -1, -1, -1},
      {"other fields", "Accept: no-cache\nX-Cache-Control: no-store", 0, -1, -1, -1},
      {"an empty field", "Cache-Control:", 0, -1, -1, -1},
      {"5.2.3: unknown ones", "Cache-Control: foo, bar=1, no-caches", 0, -1, -1, -1},
      {"directives of responses", "Cache-Control: public, s-maxage=5", 0, -1, -1, -1},
  };
  CHECK(cases);
}

static void each_directive_is_found(void **state) {
  (void)state;
  static const struct directives_case cases[] = {
      {"5.2.1.4", "Cache-Control: no-cache", NO_CACHE, -1, -1, -1},
      {"5.2.1.5", "Cache-Control: no-store", NO_STORE, -1, -1, -1},
      {"5.2.1.7", "Cache-Control: only-if-cached", ONLY_IF_CACHED, -1, -1, -1},
      {"5.2.1.1", "Cache-Control: max-age=60", 0, 60000, -1, -1},
      {"5.2.1.1", "Cache-Control: max-age=0", 0, 0, -1, -1},
      {"5.2.1.3", "Cache-Control: min-fresh=5", 0, -1, 5000, -1},
      {"5.2.1.2", "Cache-Control: max-stale=7", 0, -1, -1, 7000},
      {"5.2.1.2: any", "Cache-Control: max-stale", 0, -1, -1, LONGEST_MS},
      {"names have no case", "CACHE-CONTROL: NO-Store, Max-Age=1", NO_STORE, 1000, -1, -1},
      {"lines are one list", "Cache-Control: no-cache\nAccept: a\nCache-Control: no-store",
       NO_CACHE | NO_STORE, -1, -1, -1},
      {"all", "Cache-Control: no-cache,no-store,only-if-cached,max-age=1,min-fresh=2,max-stale=3",
       NO_CACHE | NO_STORE | ONLY_IF_CACHED, 1000, 2000, 3000},
  };
  CHECK(cases);
}

static void pragma_counts_without_cache_control(void **state) {
  (void)state;
  static const struct directives_case cases[] = {
      {"5.4", "Pragma: no-cache", NO_CACHE, -1, -1, -1},
      {"5.4", "Pragma: foo, No-Cache", NO_CACHE, -1, -1, -1},
      {"5.4: nothing else", "Pragma: no-store", 0, -1, -1, -1},
      {"5.4: nothing else", "Pragma: no-caches", 0, -1, -1, -1},
      {"5.4: Cache-Control is there", "Pragma: no-cache\nCache-Control: max-age=9", 0, 9000, -1,
       -1},
  };
  CHECK(cases);
}

static void the_most_careful_reading_counts(void **state) {
  (void)state;
  static const struct directives_case cases[] = {
      {"two lifetimes", "Cache-Control: max-age=60, max-age=5", 0, 5000, -1, -1},
      {"two lines", "Cache-Control: min-fresh=5\nCache-Control: min-fresh=60", 0, -1, 60000, -1},
      {"no number", "Cache-Control: max-age=x", 0, 0, -1, -1},
      {"no number", "Cache-Control: min-fresh=x", 0, -1, LONGEST_MS, -1},
      {"a negative one", "Cache-Control: max-age=-1", 0, 0, -1, -1},
      {"1.2.2: too large", "Cache-Control: max-age=99999999999999999999", 0, LONGEST_MS, -1, -1},
      {"a qualified no-cache is none", "Cache-Control: no-cache=\"a\"", NO_CACHE, -1, -1, -1},
      {"with an argument", "Cache-Control: no-store=0", NO_STORE, -1, -1, -1},
      {"a quote without end", "Cache-Control: a=\"b, no-store", NO_STORE, -1, -1, -1},
      {"a message that is no such", "A: b^Jc\nCache-Control: no-store", NO_STORE, -1, -1, -1},
  };
  CHECK(cases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_without_directives_asks_for_nothing),
      cmocka_unit_test(each_directive_is_found),
      cmocka_unit_test(pragma_counts_without_cache_control),
      cmocka_unit_test(the_most_careful_reading_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
