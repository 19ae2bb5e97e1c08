/* SPDX-License-Identifier: MIT */
/* What sentinels tell, as a value; and how their votes are counted. */
#include <stdio.h>
#include <string.h>

#include "store/redis/sentinel/report.h"
#include "store/redis/sentinel/vote.h"
#include "support.h"

/* ---- Reports ---- */

#define ID "0123456789012345678901234567890123456789"

/* As Redis 7 answers, in both versions of the protocol. */
static const char resp2[] =
    "*2\r\n$8\r\n10.0.0.1\r\n$4\r\n6379\r\n"
    "*6\r\n$2\r\nip\r\n$8\r\n10.0.0.9\r\n$5\r\nflags\r\n$6\r\nmaster\r\n"
    "$12\r\nconfig-epoch\r\n$2\r\n17\r\n"
    "$40\r\n" ID
    "\r\n"
    "*1\r\n*6\r\n$2\r\nip\r\n$8\r\n10.0.0.2\r\n$4\r\nport\r\n$5\r\n26379\r\n$5\r\nrunid\r\n$"
    "40\r\n" ID
    "\r\n"
    "*3\r\n"
    "*10\r\n$2\r\nip\r\n$8\r\n10.0.0.3\r\n$4\r\nport\r\n$4\r\n6380\r\n$5\r\nflags\r\n$"
    "5\r\nslave\r\n"
    "$13\r\nrole-reported\r\n$5\r\nslave\r\n$18\r\nmaster-link-status\r\n$2\r\nok\r\n"
    "*6\r\n$2\r\nip\r\n$8\r\n10.0.0.4\r\n$4\r\nport\r\n$4\r\n6380\r\n$5\r\nflags\r\n"
    "$25\r\ns_down,slave,disconnected\r\n"
    "*6\r\n$2\r\nip\r\n$8\r\n10.0.0.5\r\n$4\r\nport\r\n$4\r\n6380\r\n$13\r\nrole-reported\r\n"
    "$6\r\nmaster\r\n";
static const char resp3[] =
    "*2\r\n$8\r\n10.0.0.1\r\n$4\r\n6379\r\n"
    "%3\r\n$2\r\nip\r\n$8\r\n10.0.0.9\r\n$5\r\nflags\r\n$6\r\nmaster\r\n"
    "$12\r\nconfig-epoch\r\n$2\r\n17\r\n"
    "$40\r\n" ID
    "\r\n"
    "*1\r\n%3\r\n$2\r\nip\r\n$8\r\n10.0.0.2\r\n$4\r\nport\r\n$5\r\n26379\r\n$5\r\nrunid\r\n$"
    "40\r\n" ID
    "\r\n"
    "*3\r\n"
    "%5\r\n$2\r\nip\r\n$8\r\n10.0.0.3\r\n$4\r\nport\r\n$4\r\n6380\r\n$5\r\nflags\r\n$5\r\nslave\r\n"
    "$13\r\nrole-reported\r\n$5\r\nslave\r\n$18\r\nmaster-link-status\r\n$2\r\nok\r\n"
    "%3\r\n$2\r\nip\r\n$8\r\n10.0.0.4\r\n$4\r\nport\r\n$4\r\n6380\r\n$5\r\nflags\r\n"
    "$25\r\ns_down,slave,disconnected\r\n"
    "%3\r\n$2\r\nip\r\n$8\r\n10.0.0.5\r\n$4\r\nport\r\n$4\r\n6380\r\n$13\r\nrole-reported\r\n"
    "$6\r\nmaster\r\n";

static cachette__resp parser;

/* Feeds some bytes, which may end anywhere. Returns how many were used. */
static size_t feed(cachette__redis_report *report, const char *bytes, size_t size) {
  size_t total = 0;
  for (;;) {
    cachette__resp_token token;
    const char *reason;
    size_t used = 0;
    int code = cachette__resp_read(&parser, (cachette_slice){bytes + total, size - total}, &used,
                                   &token, &reason);
    total += used;
    assert_true(code >= 0);
    if (code == CACHETTE__RESP_MORE) return total;
    assert_true(cachette__redis_report_take(report, &token));
  }
}

static void expect_report(const cachette__redis_report *report) {
  assert_int_equal(report->step, CACHETTE__REDIS_REPORT_STEPS);
  assert_string_equal(report->primary.host, "10.0.0.1");
  assert_int_equal(report->primary.port, 6379);
  assert_string_equal(report->primary.id, ID);
  assert_int_equal(report->epoch, 17);
  assert_false(report->is_unknown);
  assert_int_equal(report->peers.count, 1);
  assert_string_equal(report->peers.rows[0].host, "10.0.0.2");
  assert_int_equal(report->peers.rows[0].port, 26379);
  assert_string_equal(report->peers.rows[0].id, ID);
  assert_int_equal(report->replicas.count, 1); /* the healthy one */
  assert_string_equal(report->replicas.rows[0].host, "10.0.0.3");
}

static void reports_are_read_however_they_are_split(void **state) {
  (void)state;
  const char *const texts[] = {resp2, resp3};
  for (int i = 0; i < 2; i++) {
    size_t size = strlen(texts[i]);
    for (size_t split = 0; split <= size; split++) {
      cachette__redis_report report = {.step = 0};
      cachette__resp_init(&parser);
      size_t used = feed(&report, texts[i], split);
      feed(&report, texts[i] + used, size - used);
      expect_report(&report);
      cachette__redis_report_reset(&report);
    }
  }
}

static void an_unknown_name_is_told(void **state) {
  (void)state;
  static const char *const texts[] = {
      "*-1\r\n-ERR No such master with that name\r\n$40\r\n" ID "\r\n-ERR No such master\r\n",
      "_\r\n-ERR No such master with that name\r\n$40\r\n" ID "\r\n-ERR No such master\r\n"};
  for (int i = 0; i < 2; i++) {
    cachette__redis_report report = {.step = 0};
    cachette__resp_init(&parser);
    feed(&report, texts[i], strlen(texts[i]));
    assert_true(report.is_unknown);
    assert_int_equal(report.step, CACHETTE__REDIS_REPLICAS);
    assert_int_equal(report.peers.count, 0);
    cachette__redis_report_reset(&report);
  }
}

static void texts_that_are_too_long_are_not_used(void **state) {
  (void)state;
  char text[1200];
  int size = snprintf(text, sizeof text,
                      "*2\r\n$600\r\n%0600d\r\n$1\r\n1\r\n*0\r\n$300\r\n%0300d\r\n", 0, 0);
  cachette__redis_report report = {.step = 0};
  cachette__resp_init(&parser);
  feed(&report, text, (size_t)size);
  assert_int_equal(report.step, CACHETTE__REDIS_SENTINELS);
  assert_int_equal(strlen(report.primary.host), CACHETTE__REDIS_HOST_MAX); /* cut, so no host */
  assert_string_equal(report.primary.id, "");
  cachette__redis_report_reset(&report);
}

/* ---- Events ---- */

static enum cachette__redis_event read_event(const char *text, size_t split, const char *name) {
  cachette__redis_news news = {.word = 0};
  enum cachette__redis_event event = CACHETTE__REDIS_NO_EVENT;
  size_t size = strlen(text), total = 0;
  cachette__resp_init(&parser);
  for (int i = 0; i < 2; i++) {
    size_t end = i == 0 ? split : size;
    for (;;) {
      cachette__resp_token token;
      const char *reason;
      size_t used = 0;
      int code = cachette__resp_read(&parser, (cachette_slice){text + total, end - total}, &used,
                                     &token, &reason);
      total += used;
      if (code == CACHETTE__RESP_MORE) break;
      enum cachette__redis_event next =
          cachette__redis_news_take(&news, &token, cachette_str(name));
      if (next != CACHETTE__REDIS_NO_EVENT) event = next;
    }
  }
  return event;
}

static void events_are_read_however_they_are_split(void **state) {
  (void)state;
  static const char text[] =
      ">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$31\r\nmain 10.0.0.1 6379 10.0.0.2 639\r\n";
  for (size_t split = 0; split <= strlen(text); split++) {
    assert_int_equal(read_event(text, split, "main"), CACHETTE__REDIS_SWITCHED);
    assert_int_equal(read_event(text, split, "mai"), CACHETTE__REDIS_NO_EVENT);
    assert_int_equal(read_event(text, split, "main2"), CACHETTE__REDIS_NO_EVENT);
    assert_int_equal(read_event(text, split, "mine"), CACHETTE__REDIS_NO_EVENT);
  }
  static const char subscribed[] = ">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
  assert_int_equal(read_event(subscribed, 20, "main"), CACHETTE__REDIS_SUBSCRIBED);
  static const char other[] = ">3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$8\r\nmain 1 2\r\n";
  assert_int_equal(read_event(other, 20, "main"), CACHETTE__REDIS_NO_EVENT);
}

/* ---- Votes ---- */

static void expect_outcome(const cachette__redis_vote *votes, size_t count, unsigned candidate,
                           size_t for_it, uint64_t epoch) {
  cachette__redis_outcome outcome = cachette__redis_count_votes(votes, count);
  assert_int_equal(outcome.candidate, candidate);
  if (candidate == CACHETTE__REDIS_NO_NODE) return;
  assert_int_equal(outcome.votes, for_it);
  assert_int_equal(outcome.epoch, epoch);
}

static void votes_are_counted(void **state) {
  (void)state;
  expect_outcome(NULL, 0, CACHETTE__REDIS_NO_NODE, 0, 0);
  expect_outcome((cachette__redis_vote[]){{7, 3, "a"}}, 1, 7, 1, 3);
  expect_outcome((cachette__redis_vote[]){{0, 9, "a"}, {1, 3, "b"}, {1, 4, "c"}}, 3, 1, 2, 4);
  expect_outcome((cachette__redis_vote[]){{1, 3, "b"}, {0, 9, "a"}, {1, 4, "c"}}, 3, 1, 2, 4);
  expect_outcome((cachette__redis_vote[]){{0, 3, "a"}, {1, 4, "b"}}, 2, 1, 1, 4);
  expect_outcome((cachette__redis_vote[]){{1, 4, "b"}, {0, 3, "a"}}, 2, 1, 1, 4);
  expect_outcome((cachette__redis_vote[]){{0, 3, "a"}, {1, 3, "b"}}, 2, CACHETTE__REDIS_NO_NODE, 0,
                 0);
  expect_outcome((cachette__redis_vote[]){{0, 3, "a"}, {1, 3, "b"}, {2, 5, "c"}}, 3, 2, 1, 5);
}

static void a_sentinel_has_one_vote(void **state) {
  (void)state;
  expect_outcome((cachette__redis_vote[]){{0, 3, "a"}, {0, 3, "a"}, {1, 4, "b"}}, 3, 1, 1, 4);
  expect_outcome((cachette__redis_vote[]){{0, 3, ""}, {0, 3, ""}, {1, 4, "b"}}, 3, 0, 2, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reports_are_read_however_they_are_split),
      cmocka_unit_test(an_unknown_name_is_told),
      cmocka_unit_test(texts_that_are_too_long_are_not_used),
      cmocka_unit_test(events_are_read_however_they_are_split),
      cmocka_unit_test(votes_are_counted),
      cmocka_unit_test(a_sentinel_has_one_vote),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
