/* SPDX-License-Identifier: MIT */
/* Discovery of memcached servers by several handles, threads and processes; and its options. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memcached_discovery.h"
#include "store/memcached/published.h"

static void handles_of_the_same_options_ask_once(void **state) {
  (void)state;
  enum { HANDLES = 20 };
  cachette *handles[HANDLES];
  cachette__mc_discovery_period_ms = DISCOVERY_LONG_MS;
  endpoint_announce(&endpoint, 1, servers[0].host, servers[1].host, NULL);
  cachette_options *options = options_with("backend", "memcached", "memcached_host", endpoint.host,
                                           "timeout", "5", "memcached_discovery", "true", NULL);
  for (int i = 0; i < HANDLES; i++) {
    assert_int_equal(cachette_open(options, &handles[i], NULL), CACHETTE_OK);
    if (i % 2 == 0) put_text(handles[i], keys[i], "value", 0);
  }
  for (int i = 0; i < HANDLES; i++) put_text(handles[i], keys[i], "value", 0);
  assert_int_equal(endpoint.asked, 1);
  for (int i = 0; i < HANDLES; i++) cachette_close(handles[i]);
  cachette_options_free(options);
}

static pthread_mutex_t options_mutex = PTHREAD_MUTEX_INITIALIZER;

struct worker {
  pthread_t thread;
  const cachette_options *options;
  atomic_int *rounds; /* of all workers */
  int failed;
};

/* Opens handles, and puts and fetches with each while the servers change. */
static void *work(void *data) {
  struct worker *self = data;
  for (int round = 0; round < 20; round++) {
    cachette *handle;
    pthread_mutex_lock(&options_mutex); /* only one thread may use the options at a time */
    if (cachette_open(self->options, &handle, NULL) < 0) abort();
    pthread_mutex_unlock(&options_mutex);
    for (int i = 0; i < 40; i++) {
      cachette_slice key = cachette_str(keys[i]), fetched;
      self->failed += cachette_put(handle, key, key, 0, NULL) < 0;
      int code = cachette_fetch(handle, key, &fetched, NULL, NULL);
      self->failed += code < 0;
      if (code <= 0) continue; /* the key may have moved */
      if (fetched.size != key.size || memcmp(fetched.data, key.data, key.size) != 0) abort();
      cachette_free(fetched.data);
    }
    cachette_close(handle);
    (*self->rounds)++;
  }
  return NULL;
}

static void threads_share_the_list_while_it_changes(void **state) {
  (void)state;
  enum { THREADS = 4 };
  struct worker workers[THREADS];
  atomic_int rounds = 0;
  cachette__mc_discovery_period_ms = 20;
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  cachette_options *options = options_with("backend", "memcached", "memcached_host", endpoint.host,
                                           "timeout", "20", "memcached_discovery", "true", NULL);
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.options = options, .rounds = &rounds};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (unsigned version = 2; rounds < THREADS * 20; version++) {
    endpoint_announce(&endpoint, version, servers[version % 3].host,
                      servers[(version + 1) % 3].host, NULL);
    usleep(10000);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    assert_int_equal(workers[i].failed, 0);
  }
  assert_true(endpoint.asked > 3);
  cachette_options_free(options);
}

/* A child has the settings of its parent, maybe while the parent asks, and its own handles. */
static void open_in_child(void *data) {
  const cachette_options *options = data;
  cachette *handle;
  cachette_slice key = cachette_str("child"), fetched;
  child_assert(cachette_open(options, &handle, NULL) == CACHETTE_OK);
  child_assert(cachette_put(handle, key, key, 0, NULL) == CACHETTE_OK);
  child_assert(cachette_fetch(handle, key, &fetched, NULL, NULL) == 1);
  cachette_free(fetched.data);
  cachette_close(handle);
}

static void close_in_child(void *data) { cachette_close(data); }

static void a_forked_child_discovers_too(void **state) {
  (void)state;
  cachette *handle;
  cachette__mc_discovery_period_ms = DISCOVERY_LONG_MS;
  endpoint_announce(&endpoint, 1, servers[0].host, NULL);
  cachette_options *options = options_with("backend", "memcached", "memcached_host", endpoint.host,
                                           "timeout", "5", "memcached_discovery", "true", NULL);
  for (int turns = 0; turns < 40; turns += 8) {
    cachette_options_set_clock(options, NULL, NULL); /* new settings */
    assert_int_equal(cachette_open(options, &handle, NULL), CACHETTE_OK);
    for (int i = 0; i < turns; i++) cachette_process(handle);
    run_in_child(open_in_child, options);
    run_in_child(close_in_child, handle);
    put_text(handle, "parent", "value", 0);
    assert_true(has_text(handle, "parent", "value"));
    cachette_close(handle);
  }
  cachette_options_free(options);
}

static void with_sasl_and_with_a_password_file_the_endpoint_gets_the_login(void **state) {
  (void)state;
  static const char *const sasl[] = {
      "memcached_auth", "sasl", "memcached_username", "user", "memcached_password", "secret", NULL};
  static const char *const ascii[] = {"memcached_username", "user", "memcached_password", "secret",
                                      NULL};
  char directory[64], path[] = "/tmp/cachette-auth-XXXXXX";
  struct memcached_server with_sasl, with_file;
  int file = mkstemp(path);
  assert_int_equal(write(file, "user:secret\n", 12), 12);
  close(file);
  memcached_sasl_open(directory, sizeof directory);
  memcached_server_start(&with_sasl, (const char *const[]){"-S", NULL});
  memcached_server_start(&with_file, (const char *const[]){"-u", "root", "-Y", path, NULL});
  endpoint_announce(&endpoint, 1, with_sasl.host, NULL);
  cachette *handle = discovery_open_with(endpoint.host, "5", sasl);
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  cachette_close(handle);
  endpoint_announce(&endpoint, 2, with_file.host, NULL);
  handle = discovery_open_with(endpoint.host, "5", ascii);
  discovery_put_all(handle);
  assert_int_equal(discovery_count_hits(handle), DISCOVERY_KEYS);
  cachette_close(handle);
  memcached_server_kill(&with_sasl);
  memcached_server_kill(&with_file);
  memcached_sasl_close(directory);
  unlink(path);
}

static void an_endpoint_has_no_weight(void **state) {
  (void)state;
  cachette_error error;
  cachette *handle;
  cachette_options *options = options_with("backend", "memcached", "memcached_host", "host:1:2",
                                           "memcached_discovery", "true", NULL);
  assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_ECONFIG);
  assert_string_equal(error.subject, "memcached_host");
  assert_non_null(strstr(error.message, "memcached_discovery"));
  cachette_options_free(options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, discovery_set_up, discovery_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(handles_of_the_same_options_ask_once),
      TEST(threads_share_the_list_while_it_changes),
      TEST(a_forked_child_discovers_too),
      TEST(with_sasl_and_with_a_password_file_the_endpoint_gets_the_login),
      TEST(an_endpoint_has_no_weight),
  };
  return cmocka_run_group_tests(tests, cluster_start, cluster_kill);
}
