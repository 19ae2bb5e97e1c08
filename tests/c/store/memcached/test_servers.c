/* SPDX-License-Identifier: MIT */
/* The memcached store against servers of every kind: with SASL, with TLS, small and full ones. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authority.h"
#include "memcached_server.h"
#include "support.h"

static char sasl_directory[64];
static struct authority authority;
static struct identity identity;

static int set_up_program(void **state) {
  (void)state;
  static const struct certificate_fields fields = {"DNS:localhost,IP:127.0.0.1", -3600, 3600,
                                                   false};
  memcached_sasl_open(sasl_directory, sizeof sasl_directory);
  authority_open(&authority);
  authority_issue(&authority, "server", &fields, &identity);
  return 0;
}

static int tear_down_program(void **state) {
  (void)state;
  memcached_sasl_close(sasl_directory);
  identity_free(&identity);
  authority_close(&authority);
  return 0;
}

static cachette *open_with(const struct memcached_server *server, const char *const *more) {
  cachette_options *options =
      options_with("backend", "memcached", "memcached_host", server->host, "timeout", "5", NULL);
  for (; more != NULL && *more != NULL; more += 2)
    assert_int_equal(cachette_options_set(options, more[0], more[1], NULL), 0);
  return open_cache(options);
}

/* Checks that the first op fails with this code and a message that contains `words`. */
static void expect_refusal(const struct memcached_server *server, const char *const *more, int code,
                           const char *words) {
  cachette *handle = open_with(server, more);
  cachette_error error = {.message = ""};
  cachette_slice key = cachette_str("key");
  assert_int_equal(cachette_put(handle, key, key, 0, &error), code);
  if (strstr(error.message, words) == NULL) fail_msg("%s", error.message);
  assert_null(strstr(error.message, "secret"));
  assert_null(strstr(error.message, "wrong"));
  cachette_close(handle);
}

/* ---- SASL ---- */

static const char *const sasl_server[] = {"-S", "-I", "2m", NULL};
static const char *const as_user[] = {
    "memcached_auth", "sasl", "memcached_username", "user", "memcached_password", "secret", NULL};

static void with_sasl_values_of_all_sizes_come_back(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 100, 65507, 65508, 65509, 65536, 131072, 1500000};
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  char *bytes = malloc(3 << 20);
  for (size_t i = 0; i < LENGTH(sizes); i++) {
    for (size_t j = 0; j < sizes[i]; j++) bytes[j] = (char)(j * 31 + (j >> 8));
    cachette_slice value = {bytes, sizes[i]}, fetched;
    cachette_item item = {.key = cachette_str("key"), .ttl_ms = 900000};
    assert_int_equal(cachette_put(handle, item.key, value, 0, NULL), 0);
    assert_int_equal(run_items(handle, CACHETTE_EXISTS, 0, &item, 1), 1);
    assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, &item, 1), 1);
    assert_int_equal(cachette_fetch(handle, item.key, &fetched, &item.ttl_ms, NULL), 1);
    assert_in_range(item.ttl_ms, 890000, 900000);
    assert_int_equal(fetched.size, sizes[i]);
    assert_memory_equal(fetched.data, bytes, sizes[i]);
    cachette_free(fetched.data);
  }
  cachette_error error;
  cachette_slice large = {bytes, 3 << 20};
  assert_int_equal(cachette_put(handle, cachette_str("key"), large, 0, &error), CACHETTE_ETOOBIG);
  assert_non_null(strstr(error.message, "takes at most 2097152 bytes"));
  assert_false(has_key(handle, "key"));
  free(bytes);
  cachette_close(handle);
  memcached_server_kill(&server);
}

static void with_sasl_keys_of_every_length_and_byte_are_distinct(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 186, 187, 249, 250, 251, 65536};
  static char key[65536];
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  for (int odd = 0; odd < 2; odd++) {
    for (size_t i = 0; i < LENGTH(sizes); i++) {
      memset(key, 'k', sizeof key);
      if (odd) key[sizes[i] / 2] = '\n';
      for (int round = 0; round < 2; round++) {
        for (char last = 'a'; last <= 'b'; last++) {
          key[sizes[i] - 1] = last;
          cachette_slice name = {key, sizes[i]}, value = {&last, 1}, fetched;
          if (round == 0) {
            assert_int_equal(cachette_put(handle, name, value, 0, NULL), 0);
            continue;
          }
          assert_int_equal(cachette_fetch(handle, name, &fetched, NULL, NULL), 1);
          assert_int_equal(*(const char *)fetched.data, last);
          cachette_free(fetched.data);
        }
      }
    }
  }
  for (int byte = 0; byte < 256; byte++) {
    char odd_key[] = {'x', (char)byte, 'y'};
    cachette_slice name = {odd_key, 3}, fetched;
    assert_int_equal(cachette_put(handle, name, name, 0, NULL), 0);
    assert_int_equal(cachette_fetch(handle, name, &fetched, NULL, NULL), 1);
    assert_memory_equal(fetched.data, odd_key, 3);
    cachette_free(fetched.data);
    assert_int_equal(cachette_clear(handle, name, NULL), 1);
  }
  cachette_close(handle);
  memcached_server_kill(&server);
}

static void with_sasl_many_keys_can_be_touched(void **state) {
  (void)state;
  enum { COUNT = 300 };
  static cachette_item items[COUNT];
  char keys[COUNT][16];
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  for (int i = 0; i < COUNT; i++) {
    snprintf(keys[i], sizeof keys[i], "key:%d", i);
    items[i] = (cachette_item){.key = cachette_str(keys[i]), .ttl_ms = 900000 + i};
    if (i % 3 > 0) put_text(handle, keys[i], keys[i], 0);
  }
  assert_int_equal(run_items(handle, CACHETTE_TOUCH, 0, items, COUNT), COUNT / 3 * 2);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(items[i].status, i % 3 > 0);
    if (i % 3 == 0) continue;
    assert_true(has_text(handle, keys[i], keys[i]));
    assert_in_range(time_left(handle, keys[i]), 890000, 901000);
  }
  put_text(handle, "year", "value", INT64_C(31536000000));
  assert_in_range(time_left(handle, "year"), INT64_C(31535990000), INT64_C(31536000000));
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_FLUSH, "-"), CACHETTE_OK);
  assert_int_equal(probe.op.number, COUNT / 3 * 2 + 1);
  cachette_close(handle);
  memcached_server_kill(&server);
}

/* Cancels ops while others are in flight. The others must get their own answers. */
static void with_sasl_cancelled_ops_do_not_take_the_answers_of_others(void **state) {
  (void)state;
  enum { ROUND = 40 };
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  char keys[ROUND][8];
  for (int i = 0; i < ROUND; i++) {
    snprintf(keys[i], sizeof keys[i], "%d", i);
    put_text(handle, keys[i], keys[i], 0);
  }
  unsigned seed = 7;
  for (int round = 0; round < 100; round++) {
    static struct probe probes[ROUND];
    for (int i = 0; i < ROUND; i++) {
      probe_init(&probes[i], i % 4 == 0 ? CACHETTE_TOUCH : CACHETTE_FETCH, keys[i]);
      probe_submit(handle, &probes[i]);
    }
    if (round % 2 == 0) cachette_process(handle);
    for (int i = 0; i < ROUND; i++) {
      seed = seed * 1103515245 + 12345;
      if (seed >> 30 == 0 && cachette_op_pending(&probes[i].op)) {
        assert_int_equal(cachette_cancel(handle, &probes[i].op), CACHETTE_OK);
        if (seed >> 29 & 1) cachette_process(handle);
      }
    }
    for (int i = 0; i < ROUND; i++) {
      probe_wait(handle, &probes[i]);
      if (probes[i].op.status == CACHETTE_ECANCELED) continue;
      assert_int_equal(probes[i].op.status, CACHETTE_OK);
      assert_int_equal(probes[i].item.status, CACHETTE_HIT);
      if (i % 4 != 0) assert_slice(probes[i].item.value, keys[i]);
      cachette_op_deinit(&probes[i].op);
    }
  }
  cachette_close(handle);
  memcached_server_kill(&server);
}

static void with_sasl_clearing_a_namespace_fails_with_a_reason(void **state) {
  (void)state;
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  struct probe probe;
  assert_int_equal(probe_run(handle, &probe, CACHETTE_CLEAR_NAMESPACE, "ns"),
                   CACHETTE_EUNSUPPORTED);
  assert_non_null(strstr(probe.error.message, "cannot clear a namespace: with SASL"));
  cachette_close(handle);
  memcached_server_kill(&server);
}

static void a_wrong_password_or_login_method_is_reported(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "memcached_auth", "sasl", "memcached_username", "user", "memcached_password", "wrong", NULL};
  static const char *const ascii[] = {"memcached_username", "user", "memcached_password", "secret",
                                      NULL};
  struct memcached_server with_sasl, plain, with_file;
  char path[] = "/tmp/cachette-auth-XXXXXX";
  int file = mkstemp(path);
  assert_int_equal(write(file, "user:secret\n", 12), 12);
  assert_int_equal(fchmod(file, 0644), 0);
  close(file);
  const char *const settings[] = {"-Y", path, NULL};
  memcached_server_start(&with_sasl, sasl_server);
  memcached_server_start(&plain, NULL);
  memcached_server_start(&with_file, settings);
  expect_refusal(&with_sasl, wrong, CACHETTE_EBACKEND, "refuses the user name or the password");
  expect_refusal(&with_sasl, NULL, CACHETTE_EUNAVAILABLE, "set \"memcached_auth\" to sasl");
  expect_refusal(&with_sasl, ascii, CACHETTE_EUNAVAILABLE, "set \"memcached_auth\" to sasl");
  expect_refusal(&plain, as_user, CACHETTE_EUNSUPPORTED, "does not support SASL");
  expect_refusal(&with_file, as_user, CACHETTE_EBACKEND, "not in the binary protocol");
  memcached_server_kill(&with_sasl);
  memcached_server_kill(&plain);
  memcached_server_kill(&with_file);
  unlink(path);
}

static void entries_of_other_clients_have_an_unknown_ttl(void **state) {
  (void)state;
  /* A login, and a SET with the flags 7. */
  static const char theirs[] =
      "\x80\x21\0\5\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0\0\0\0\0"
      "PLAIN\0user\0secret"
      "\x80\x01\0\3\x08\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0"
      "\0\0\0\7\0\0\0\0keyvalue";
  char reply[64];
  struct memcached_server server;
  memcached_server_start(&server, sasl_server);
  cachette *handle = open_with(&server, as_user);
  put_text(handle, "mine", "value", 30000);
  memcached_server_send(&server, theirs, sizeof theirs - 1, reply, sizeof reply);
  assert_true(has_text(handle, "key", "value"));
  assert_int_equal(time_left(handle, "key"), 0);
  assert_in_range(time_left(handle, "mine"), 25000, 30000);
  cachette_close(handle);
  memcached_server_kill(&server);
}

/* ---- TLS ---- */

static void tls_works_and_an_unknown_certificate_is_refused(void **state) {
  (void)state;
  char chain[160], key[160], ca_file[160];
  snprintf(chain, sizeof chain, "ssl_chain_cert=%s", identity.cert_file);
  snprintf(key, sizeof key, "ssl_key=%s", identity.key_file);
  authority_file(&authority, "ca.pem", ca_file, sizeof ca_file);
  /* Only the owner may read the key file, so the server runs as the owner. */
  const char *const settings[] = {"-u", "root", "-Z", "-o", chain, "-o", key, NULL};
  const char *const trusting[] = {"memcached_tls", "true", "tls_ca_file", ca_file, NULL};
  static const char *const doubting[] = {"memcached_tls", "true", NULL};
  struct memcached_server server;
  memcached_server_start(&server, settings);
  cachette *handle = open_with(&server, trusting);
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  static char bytes[1000000];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 31 + (i >> 8));
  cachette_slice large = {bytes, sizeof bytes}, fetched;
  assert_int_equal(cachette_put(handle, cachette_str("large"), large, 0, NULL), 0);
  assert_int_equal(cachette_fetch(handle, cachette_str("large"), &fetched, NULL, NULL), 1);
  assert_int_equal(fetched.size, sizeof bytes);
  assert_memory_equal(fetched.data, bytes, sizeof bytes);
  cachette_free(fetched.data);
  cachette_close(handle);
  expect_refusal(&server, doubting, CACHETTE_EUNAVAILABLE, "certificate");
  memcached_server_kill(&server);
}

/* ---- Small servers ---- */

static void a_value_above_the_servers_limit_is_refused_with_the_limit(void **state) {
  (void)state;
  static const struct {
    const char *limit;
    size_t fits, fits_not;
    const char *words;
  } cases[] = {{"512k", 500000, 524288, "takes at most 524288 bytes"},
               {"2m", 2000000, 2097152, "takes at most 2097152 bytes"},
               {"8m", 8000000, 9000000, "takes at most 8388608 bytes"}};
  static char bytes[9000000];
  for (size_t i = 0; i < LENGTH(cases); i++) {
    const char *const settings[] = {"-I", cases[i].limit, NULL};
    struct memcached_server server;
    memcached_server_start(&server, settings);
    cachette *handle = open_with(&server, NULL);
    cachette_slice key = cachette_str("key");
    cachette_error error;
    assert_int_equal(cachette_put(handle, key, (cachette_slice){bytes, cases[i].fits}, 0, NULL), 0);
    assert_true(has_key(handle, "key"));
    assert_int_equal(
        cachette_put(handle, key, (cachette_slice){bytes, cases[i].fits_not}, 0, &error),
        CACHETTE_ETOOBIG);
    if (strstr(error.message, cases[i].words) == NULL) fail_msg("%s", error.message);
    assert_false(has_key(handle, "key"));
    put_text(handle, "key", "value", 0);
    assert_true(has_text(handle, "key", "value"));
    cachette_close(handle);
    memcached_server_kill(&server);
  }
}

static void evicted_entries_are_misses_and_all_others_are_correct(void **state) {
  (void)state;
  enum { COUNT = 20000, SIZE = 1000 };
  static const char *const settings[] = {"-m", "1", "-I", "512k", NULL};
  static char value[SIZE];
  char key[16];
  int found = 0;
  struct memcached_server server;
  memcached_server_start(&server, settings);
  cachette *handle = open_with(&server, NULL);
  for (int i = 0; i < COUNT; i++) {
    snprintf(key, sizeof key, "%d", i);
    memset(value, 'a' + i % 26, SIZE);
    cachette_slice bytes = {value, SIZE};
    assert_int_equal(cachette_put(handle, cachette_str(key), bytes, 0, NULL), 0);
  }
  for (int i = 0; i < COUNT; i++) {
    cachette_slice fetched;
    snprintf(key, sizeof key, "%d", i);
    memset(value, 'a' + i % 26, SIZE);
    int code = cachette_fetch(handle, cachette_str(key), &fetched, NULL, NULL);
    assert_in_range(code, 0, 1);
    if (code == 0) continue;
    assert_int_equal(fetched.size, SIZE);
    assert_memory_equal(fetched.data, value, SIZE);
    cachette_free(fetched.data);
    found++;
  }
  assert_in_range(found, 100, COUNT - 1000);
  cachette_close(handle);
  memcached_server_kill(&server);
}

/* Repeats the fetch until the pointer to the handle is NULL. */
static void fetch_again(struct probe *probe) {
  cachette *handle = *(cachette **)probe->data;
  if (handle != NULL) probe_submit(handle, probe);
}

static void a_namespace_is_cleared_under_constant_load(void **state) {
  (void)state;
  enum { LOAD = 8, KEYS_EACH = 100 };
  struct memcached_server server;
  memcached_server_start(&server, NULL);
  cachette *handle = open_with(&server, NULL);
  cachette *loaded = handle;
  char key[16];
  for (int i = 0; i < KEYS_EACH; i++) {
    snprintf(key, sizeof key, "ns:%d", i);
    put_text(handle, key, "value", 0);
  }
  struct probe load[LOAD], clear;
  for (int i = 0; i < LOAD; i++) {
    probe_init(&load[i], CACHETTE_FETCH, "absent");
    load[i].then = fetch_again;
    load[i].data = &loaded;
    probe_submit(handle, &load[i]);
  }
  if (probe_run(handle, &clear, CACHETTE_CLEAR_NAMESPACE, "ns") < 0)
    fail_msg("%s", clear.error.message);
  assert_int_equal(clear.op.number, KEYS_EACH);
  loaded = NULL;
  for (int i = 0; i < LOAD; i++) assert_int_equal(probe_wait(handle, &load[i]), CACHETTE_OK);
  cachette_close(handle);
  memcached_server_kill(&server);
}

/* How often a clear is repeated. */
struct clears {
  cachette *handle;
  int left;
};

static void clear_again(struct probe *probe) {
  struct clears *clears = probe->data;
  if (clears->left-- > 0) probe_submit(clears->handle, probe);
}

static void namespaces_are_cleared_in_the_order_of_the_requests(void **state) {
  (void)state;
  enum { ROUNDS = 300 };
  struct memcached_server server;
  memcached_server_start(&server, NULL);
  cachette *handle = open_with(&server, NULL);
  put_text(handle, "second:key", "value", 0);
  struct clears clears = {handle, ROUNDS};
  struct probe first, second, third;
  probe_init(&first, CACHETTE_CLEAR_NAMESPACE, "first");
  first.then = clear_again;
  first.data = &clears;
  probe_init(&second, CACHETTE_CLEAR_NAMESPACE, "second");
  probe_init(&third, CACHETTE_CLEAR_NAMESPACE, "third");
  probe_submit(handle, &first);
  probe_submit(handle, &second);
  probe_submit(handle, &third);
  assert_int_equal(probe_wait(handle, &second), CACHETTE_OK);
  assert_int_equal(second.op.number, 1);
  assert_true(cachette_op_pending(&third.op));
  assert_int_equal(probe_wait(handle, &third), CACHETTE_OK);
  assert_true(clears.left >= ROUNDS - 3);
  clears.left = 0;
  assert_int_equal(probe_wait(handle, &first), CACHETTE_OK);
  cachette_close(handle);
  memcached_server_kill(&server);
}

/* ---- ASCII authentication, Unix sockets ---- */

static void a_user_name_and_password_are_sent(void **state) {
  (void)state;
  char path[] = "/tmp/cachette-auth-XXXXXX";
  int file = mkstemp(path);
  assert_int_equal(write(file, "user:secret\n", 12), 12);
  fchmod(file, 0644);
  close(file);
  struct memcached_server server;
  const char *const settings[] = {"-Y", path, NULL};
  memcached_server_start(&server, settings);
  static const struct {
    const char *password, *words;
  } cases[] = {
      {"secret", NULL}, {"wrong", "refuses the user name or the password"}, {NULL, "requires a"}};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette_options *options =
        options_with("backend", "memcached", "memcached_host", server.host, NULL);
    if (cases[i].password != NULL) {
      cachette_options_set(options, "memcached_username", "user", NULL);
      cachette_options_set(options, "memcached_password", cases[i].password, NULL);
    }
    cachette *handle;
    cachette_error error = {.message = ""};
    assert_int_equal(cachette_open(options, &handle, &error), CACHETTE_OK);
    int code = cachette_put(handle, cachette_str("key"), cachette_str("value"), 0, &error);
    if (cases[i].words == NULL) {
      assert_int_equal(code, CACHETTE_OK);
      assert_true(has_text(handle, "key", "value"));
    } else {
      assert_int_equal(code, CACHETTE_EBACKEND);
      assert_non_null(strstr(error.message, cases[i].words));
      assert_null(strstr(error.message, "wrong"));
    }
    cachette_close(handle);
    cachette_options_free(options);
  }
  memcached_server_kill(&server);
  unlink(path);
}

static void a_unix_socket_works(void **state) {
  (void)state;
  char path[] = "/tmp/cachette-memcached-XXXXXX";
  int file = mkstemp(path);
  close(file);
  unlink(path);
  pid_t pid = fork();
  if (pid == 0) {
    execlp("memcached", "memcached", "-u", "root", "-s", path, "-a", "777", (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 500 && access(path, F_OK) != 0; i++) usleep(10000);
  usleep(50000);
  cachette *handle = open_cache(
      options_with("backend", "memcached", "memcached_host", path, "timeout", "5", NULL));
  put_text(handle, "key", "value", 0);
  assert_true(has_text(handle, "key", "value"));
  cachette_close(handle);
  kill(pid, SIGKILL);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(namespaces_are_cleared_in_the_order_of_the_requests),
      cmocka_unit_test(a_namespace_is_cleared_under_constant_load),
      cmocka_unit_test(with_sasl_values_of_all_sizes_come_back),
      cmocka_unit_test(with_sasl_keys_of_every_length_and_byte_are_distinct),
      cmocka_unit_test(with_sasl_many_keys_can_be_touched),
      cmocka_unit_test(with_sasl_cancelled_ops_do_not_take_the_answers_of_others),
      cmocka_unit_test(with_sasl_clearing_a_namespace_fails_with_a_reason),
      cmocka_unit_test(a_wrong_password_or_login_method_is_reported),
      cmocka_unit_test(entries_of_other_clients_have_an_unknown_ttl),
      cmocka_unit_test(tls_works_and_an_unknown_certificate_is_refused),
      cmocka_unit_test(a_value_above_the_servers_limit_is_refused_with_the_limit),
      cmocka_unit_test(evicted_entries_are_misses_and_all_others_are_correct),
      cmocka_unit_test(a_user_name_and_password_are_sent),
      cmocka_unit_test(a_unix_socket_works),
  };
  return cmocka_run_group_tests_name("memcached_servers", tests, set_up_program, tear_down_program);
}
