/* SPDX-License-Identifier: MIT */
/*
 * The simple calls: put a value, fetch it, clear it. Each call blocks until the answer arrives.
 *
 *     cc -o minimal minimal.c $(pkg-config --cflags --libs cachette) && ./minimal
 */
#include <cachette.h>
#include <inttypes.h>
#include <stdio.h>

static void show(cachette *cache, const char *key) {
  cachette_slice value;
  int64_t ttl_ms;
  cachette_error error;
  int status = cachette_fetch(cache, cachette_str(key), &value, &ttl_ms, &error);
  if (status == CACHETTE_HIT) {
    printf("%s = %.*s, for %" PRId64 " s more\n", key, (int)value.size, (const char *)value.data,
           (ttl_ms + 999) / 1000);
    cachette_free(value.data);
  } else if (status == CACHETTE_MISS) {
    printf("%s is not there\n", key);
  } else {
    fprintf(stderr, "%s\n", error.message);
  }
}

int main(void) {
  /* Entries expire after five minutes, unless put sets another TTL. All options have defaults. */
  cachette_options *options = cachette_options_new();
  cachette_error error;
  if (options == NULL) return 1;
  if (cachette_options_set(options, "backend", "inmemory", &error) < 0 ||
      cachette_options_set(options, "ttl", "300", &error) < 0)
    goto fail;

  cachette *cache;
  if (cachette_open(options, &cache, &error) < 0) goto fail;
  cachette_options_free(options);

  cachette_put(cache, cachette_str("greeting"), cachette_str("hello"), 0, NULL);
  cachette_put(cache, cachette_str("farewell"), cachette_str("goodbye"), 10 * 1000, NULL);
  show(cache, "greeting");
  show(cache, "farewell");

  cachette_clear(cache, cachette_str("greeting"), NULL);
  show(cache, "greeting");

  cachette_close(cache);
  return 0;

fail:
  fprintf(stderr, "%s\n", error.message);
  cachette_options_free(options);
  return 1;
}
