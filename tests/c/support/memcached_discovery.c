/* SPDX-License-Identifier: MIT */
#include "memcached_discovery.h"

#include <unistd.h>

#include "store/memcached/published.h"

struct endpoint endpoint;
char keys[DISCOVERY_KEYS][24];

int discovery_set_up(void **state) {
  cachette__mc_discovery_period_ms = DISCOVERY_PERIOD_MS;
  endpoint_start(&endpoint);
  for (int i = 0; i < DISCOVERY_KEYS; i++) snprintf(keys[i], sizeof keys[i], "found:%d", i);
  return cluster_empty(state);
}

int discovery_tear_down(void **state) {
  (void)state;
  endpoint_stop(&endpoint);
  return 0;
}

cachette *discovery_open_with(const char *hosts, const char *timeout, const char *const *more) {
  cachette_options *options = options_with("backend", "memcached", "memcached_host", hosts,
                                           "timeout", timeout, "memcached_discovery", "true", NULL);
  for (; more != NULL && *more != NULL; more += 2)
    assert_int_equal(cachette_options_set(options, more[0], more[1], NULL), 0);
  return open_cache(options);
}

cachette *discovery_open(void) { return discovery_open_with(endpoint.host, "5", NULL); }

void discovery_run_for(cachette *handle, int ms) {
  for (int64_t end = monotonic_ms() + ms; monotonic_ms() < end;) {
    cachette_process(handle);
    usleep(1000);
  }
}

void discovery_wait_until_asked(cachette *handle, int count) {
  int asked = endpoint.asked;
  for (int64_t end = monotonic_ms() + 20000; endpoint.asked < asked + count;) {
    assert_true(monotonic_ms() < end);
    discovery_run_for(handle, 1);
  }
  discovery_run_for(handle, 20); /* for the reply to arrive */
}

void discovery_put_all(cachette *handle) {
  static cachette_item items[DISCOVERY_KEYS];
  for (int i = 0; i < DISCOVERY_KEYS; i++)
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .value = cachette_str(keys[i])};
  assert_int_equal(run_items(handle, CACHETTE_PUT, 0, items, DISCOVERY_KEYS), DISCOVERY_KEYS);
}

/* Returns how many of the keys are hits, each with its own value. */
int discovery_count_hits(cachette *handle) {
  static cachette_item items[DISCOVERY_KEYS];
  int hits = 0;
  for (int i = 0; i < DISCOVERY_KEYS; i++) items[i] = (cachette_item){.key = cachette_str(keys[i])};
  cachette_op op = {.verb = CACHETTE_FETCH, .items = items, .count = DISCOVERY_KEYS};
  assert_int_equal(cachette_run(handle, &op), CACHETTE_OK);
  for (int i = 0; i < DISCOVERY_KEYS; i++) {
    assert_true(items[i].status >= 0);
    if (items[i].status == CACHETTE_HIT) assert_slice(items[i].value, keys[i]);
    hits += items[i].status == CACHETTE_HIT;
  }
  cachette_op_deinit(&op);
  return hits;
}
