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
  };
  for (size_t i = 0; i < LENGTH(switches); i++) {
    if (strcmp(switches[i].word, word) == 0) return *switches[i].value = true;
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

cachette_http_policy http_policy(const char *words) {
  cachette_http_policy policy = {0};
  char word[32];
  for (int used = 0; sscanf(words, "%31s%n", word, &used) == 1; words += used) {
    if (!set_choice(&policy, word) && !set_flag(&policy, word) && !set_switch(&policy, word) &&
        !set_number(&policy, word) && !set_targeted(&policy, word))
      fail_msg("unknown word: %s", word);
  }
  return policy;
}
