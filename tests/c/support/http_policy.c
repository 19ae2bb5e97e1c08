/* SPDX-License-Identifier: MIT */
#include "http_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const cachette_slice targeted[] = {{"My-Cache-Control", 16}, {"CDN-Cache-Control", 17}};

static bool set_choice(cachette_http_policy *policy, const char *word) {
  if (strcmp(word, "rfc") == 0)
    *policy = cachette_http_policy_rfc();
  else if (strcmp(word, "private") == 0)
    policy->sharing = CACHETTE_HTTP_PRIVATE;
  else if (strcmp(word, "strip") == 0)
    policy->set_cookie = CACHETTE_HTTP_COOKIE_STRIP;
  else if (strcmp(word, "store") == 0)
    policy->set_cookie = CACHETTE_HTTP_COOKIE_STORE;
  else if (strcmp(word, "full") == 0)
    policy->request_control = CACHETTE_HTTP_CONTROL_FULL;
  else if (strcmp(word, "ignore") == 0)
    policy->request_control = CACHETTE_HTTP_CONTROL_IGNORE;
  else if (strcmp(word, "drop") == 0)
    policy->query = CACHETTE_HTTP_QUERY_DROP;
  else if (strcmp(word, "sort") == 0)
    policy->query = CACHETTE_HTTP_QUERY_SORT;
  else
    return false;
  return true;
}

static bool set_flag(cachette_http_policy *policy, const char *word) {
  const struct {
    const char *word;
    unsigned *flags, flag;
  } flags[] = {
      {"vary-cookie", &policy->vary_allow, CACHETTE_HTTP_VARY_COOKIE},
      {"vary-auth", &policy->vary_allow, CACHETTE_HTTP_VARY_AUTHORIZATION},
      {"encoding", &policy->normalize, CACHETTE_HTTP_ACCEPT_ENCODING},
      {"language", &policy->normalize, CACHETTE_HTTP_ACCEPT_LANGUAGE},
  };
  for (size_t i = 0; i < LENGTH(flags); i++) {
    if (strcmp(flags[i].word, word) != 0) continue;
    *flags[i].flags |= flags[i].flag;
    return true;
  }
  return false;
}

static bool set_switch(cachette_http_policy *policy, const char *word) {
  const struct {
    const char *word;
    bool *value;
  } switches[] = {
      {"heuristic", &policy->heuristic},
      {"max-stale", &policy->max_stale},
      {"post", &policy->cache_post},
      {"partial", &policy->store_partial},
      {"trust-cookies", &policy->trust_cookies},
      {"trust-mr", &policy->trust_must_revalidate},
      {"forward-preconditions", &policy->forward_preconditions},
  };
  bool value = strncmp(word, "no-", 3) != 0;
  if (!value) word += 3;
  for (size_t i = 0; i < LENGTH(switches); i++) {
    if (strcmp(switches[i].word, word) != 0) continue;
    *switches[i].value = value;
    return true;
  }
  return false;
}

static bool set_number(cachette_http_policy *policy, const char *word) {
  const struct {
    const char *word;
    int64_t *number, unit;
  } numbers[] = {
      {"ttl=", &policy->default_ttl_ms, 1000},
      {"swr=", &policy->stale_while_revalidate_ms, 1000},
      {"sie=", &policy->stale_if_error_ms, 1000},
      {"max=", &policy->max_body, 1},
  };
  for (size_t i = 0; i < LENGTH(numbers); i++) {
    size_t size = strlen(numbers[i].word);
    if (strncmp(numbers[i].word, word, size) != 0) continue;
    *numbers[i].number = strtoll(word + size, NULL, 10) * numbers[i].unit;
    return true;
  }
  return false;
}

static bool set_targeted(cachette_http_policy *policy, const char *word) {
  bool both = strcmp(word, "my,cdn") == 0;
  if (!both && strcmp(word, "cdn") != 0) return false;
  policy->targeted = both ? targeted : targeted + 1;
  policy->targeted_count = both ? 2 : 1;
  return true;
}

enum { NAMES_MAX = 4 };

/* Splits a list of names at its commas. */
static size_t split(cachette_slice list, cachette_slice names[NAMES_MAX]) {
  const char *at = list.data, *end = at + list.size;
  size_t count = 0;
  while (at < end) {
    const char *comma = memchr(at, ',', (size_t)(end - at));
    if (comma == NULL) comma = end;
    assert_true(count < NAMES_MAX);
    names[count++] = (cachette_slice){at, (size_t)(comma - at)};
    at = comma < end ? comma + 1 : end;
  }
  return count;
}

/* Takes words whose value is text. `text` is the word where it lies in the policy's text. */
static bool set_text(cachette_http_policy *policy, const char *word, const char *text) {
  static cachette_slice keys[NAMES_MAX], sessions[NAMES_MAX];
  const char *equals = strchr(word, '=');
  if (equals == NULL) return false;
  size_t name_size = (size_t)(equals + 1 - word);
  cachette_slice value = {text + name_size, strlen(equals + 1)};
  if (strncmp(word, "key=", name_size) == 0) {
    policy->key_cookie_count = split(value, keys);
    policy->key_cookies = keys;
  } else if (strncmp(word, "session=", name_size) == 0) {
    policy->session_cookie_count = split(value, sessions);
    policy->session_cookies = sessions;
  } else if (strncmp(word, "name=", name_size) == 0) {
    policy->name = value;
  } else {
    return false;
  }
  return true;
}

/* Takes one word. `at` is where it begins, and `used` is how far it goes. */
static void set(cachette_http_policy *policy, const char *word, const char *at, int *used) {
  const char *begin = at + strspn(at, " ");
  if (strncmp(word, "search=", 7) == 0) {
    policy->no_vary_search = cachette_str(begin + 7);
    *used = (int)strlen(at);
    return;
  }
  if (!set_choice(policy, word) && !set_flag(policy, word) && !set_switch(policy, word) &&
      !set_number(policy, word) && !set_targeted(policy, word) && !set_text(policy, word, begin))
    fail_msg("unknown word: %s", word);
}

cachette_http_policy http_policy(const char *words) {
  cachette_http_policy policy = {0};
  char word[32];
  for (int used = 0; sscanf(words, "%31s%n", word, &used) == 1; words += used)
    set(&policy, word, words, &used);
  return policy;
}
