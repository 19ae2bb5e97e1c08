/* SPDX-License-Identifier: MIT */
/* A client's conditions and range, applied to a stored response. Each row names its rule, and the
 * section that has it. */
#include "http/conditional.h"

#include <stdio.h>
#include <string.h>

#include "http_message.h"

/* A stored response, the dates in seconds from HTTP_NOW. */
struct stored {
  int status;
  const char *etag;
  int64_t last_modified, date; /* NONE: not known */
  int64_t body, first, total;
};

enum { NONE = 1 << 30 };

static const struct stored strong = {200, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored weak = {200, "W/\"a\"", -100, -10, 10, 0, -1};
static const struct stored dated = {200, "", -100, -10, 10, 0, -1};
static const struct stored hasty = {200, "", -10, -10, 10, 0, -1}; /* changed as it was made */
static const struct stored plain = {200, "", NONE, -10, 10, 0, -1};
static const struct stored obs_text = {200, "\"\xfc\"", -100, -10, 10, 0, -1};
static const struct stored comma = {200, "\"a,b\"", -100, -10, 10, 0, -1};
static const struct stored empty = {200, "\"a\"", -100, -10, 0, 0, -1};
static const struct stored created = {203, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored several = {300, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored moved = {301, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored missing = {404, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored broken = {500, "\"a\"", -100, -10, 10, 0, -1};
static const struct stored part = {206, "\"a\"", -100, -10, 4, 3, 10}; /* bytes 3 to 6 */
static const struct stored dated_part = {206, "", -100, -10, 4, 3, 10};
static const struct stored unknown_part = {206, "\"a\"", -100, -10, 4, 3, 0};
static const struct stored huge = {200, "\"a\"", -100, -10, INT64_MAX, 0, -1};

struct row {
  const char *rule;
  const struct stored *stored;
  const char *request;
  const char *expected; /* the status, and the part of the body that is sent */
};

#define GET "GET https://example.com/\n"
#define HEAD "HEAD https://example.com/\n"
#define QUERY "QUERY https://example.com/\nContent-Type: text/plain\n"
#define POST "POST https://example.com/\n"
#define RANGE(text) GET "Range: bytes=" text
#define IF_RANGE(text) GET "Range: bytes=2-5\nIf-Range: " text

static const struct row rows[] = {
    {"9110 9.3.1: all of it", &strong, GET, "200 0+10"},
    {"9110 9.3.2: HEAD has the size of it", &strong, HEAD, "200 0+10 no body"},
    {"9110 15.4.2: the status of the record", &moved, GET, "301 0+10"},
    {"9110 15.5.5: an error of the record", &missing, GET, "404 0+10"},
    {"10008 2.7: QUERY", &strong, QUERY, "200 0+10"},
    {"9110 9.3.3: POST", &strong, POST, "200 0+10"},

    /* If-None-Match. */
    {"9110 13.1.2: the same tag", &strong, GET "If-None-Match: \"a\"", "304"},
    {"9110 13.1.2: another tag", &strong, GET "If-None-Match: \"b\"", "200 0+10"},
    {"9110 13.1.2: case counts", &strong, GET "If-None-Match: \"A\"", "200 0+10"},
    {"9110 8.8.3.2: weak and strong", &strong, GET "If-None-Match: W/\"a\"", "304"},
    {"9110 8.8.3.2: strong and weak", &weak, GET "If-None-Match: \"a\"", "304"},
    {"9110 8.8.3.2: weak and weak", &weak, GET "If-None-Match: W/\"a\"", "304"},
    {"9110 8.8.3.2: weak and another", &weak, GET "If-None-Match: W/\"b\"", "200 0+10"},
    {"9110 8.8.3: w/ is no tag", &weak, GET "If-None-Match: w/\"a\"", "200 0+10"},
    {"9110 8.8.3: a tag has quotes", &strong, GET "If-None-Match: a", "200 0+10"},
    {"9110 8.8.3: obs-text", &obs_text, GET "If-None-Match: \"\xfc\"", "304"},
    {"9110 8.8.3: a comma in a tag", &comma, GET "If-None-Match: \"a,b\"", "304"},
    {"9110 8.8.3: a part of that", &comma, GET "If-None-Match: \"a\", \"b\"", "200 0+10"},
    {"9110 13.1.2: the first", &strong, GET "If-None-Match: \"a\", \"b\", \"c\"", "304"},
    {"9110 13.1.2: the second", &strong, GET "If-None-Match: \"b\", \"a\", \"c\"", "304"},
    {"9110 13.1.2: the last", &strong, GET "If-None-Match: \"b\", \"c\", \"a\"", "304"},
    {"9110 13.1.2: none of them", &strong, GET "If-None-Match: \"b\", \"c\"", "200 0+10"},
    {"9110 5.6.1: empty members", &strong, GET "If-None-Match: , ,\"a\",", "304"},
    {"9110 5.3: another line", &strong, GET "If-None-Match: \"b\"\nIf-None-Match: \"a\"", "304"},
    {"9110 13.1.2: beside what is malformed", &strong, GET "If-None-Match: b, \"a\"", "304"},
    {"9110 13.1.2: empty", &strong, GET "If-None-Match:", "200 0+10"},
    {"9110 13.1.2: any", &strong, GET "If-None-Match: *", "304"},
    {"9110 13.1.2: any, without a tag", &plain, GET "If-None-Match: *", "304"},
    {"9110 13.1.2: a tag named *", &strong, GET "If-None-Match: \"*\"", "200 0+10"},
    {"9110 13.1.2: without a tag", &plain, GET "If-None-Match: \"a\"", "200 0+10"},
    {"9110 13.1.2: HEAD", &strong, HEAD "If-None-Match: \"a\"", "304"},
    {"9110 13.1.2: HEAD, another", &strong, HEAD "If-None-Match: \"b\"", "200 0+10 no body"},
    {"10008 2.6: QUERY", &strong, QUERY "If-None-Match: \"a\"", "304"},
    {"9110 13.1.2: not of a POST", &strong, POST "If-None-Match: \"a\"", "200 0+10"},
    {"9110 13.2.1: another 2xx", &created, GET "If-None-Match: \"a\"", "304"},
    {"9110 13.2.1: not of a 300", &several, GET "If-None-Match: \"a\"", "300 0+10"},
    {"9110 13.2.1: not of a 301", &moved, GET "If-None-Match: \"a\"", "301 0+10"},
    {"9110 13.2.1: not of a 404", &missing, GET "If-None-Match: \"a\"", "404 0+10"},
    {"9110 13.2.1: not of a 404, any", &missing, GET "If-None-Match: *", "404 0+10"},
    {"9110 13.2.1: not of a 500", &broken, GET "If-None-Match: \"a\"", "500 0+10"},
    {"9110 15.4.5: an empty body", &empty, GET "If-None-Match: \"a\"", "304"},

    /* If-Modified-Since. */
    {"9110 13.1.3: the same date", &dated, GET "If-Modified-Since: @-100", "304"},
    {"9110 13.1.3: later", &dated, GET "If-Modified-Since: @-99", "304"},
    {"9110 13.1.3: earlier", &dated, GET "If-Modified-Since: @-101", "200 0+10"},
    {"9110 13.1.3: in the future", &dated, GET "If-Modified-Since: @1000", "304"},
    {"9110 13.1.3: HEAD", &dated, HEAD "If-Modified-Since: @-100", "304"},
    {"10008 2.6: QUERY", &dated, QUERY "If-Modified-Since: @-100", "304"},
    {"9110 13.1.3: not of a POST", &dated, POST "If-Modified-Since: @-100", "200 0+10"},
    {"9110 13.1.3: no date", &dated, GET "If-Modified-Since: now", "200 0+10"},
    {"9110 13.1.3: empty", &dated, GET "If-Modified-Since:", "200 0+10"},
    {"9110 13.1.3: two dates", &dated, GET "If-Modified-Since: @-1\nIf-Modified-Since: @-1",
     "200 0+10"},
    {"9110 5.6.7: RFC 850", &dated, GET "If-Modified-Since: Sunday, 06-Nov-44 08:49:37 GMT", "304"},
    {"9110 5.6.7: RFC 850, of the last century", &dated,
     GET "If-Modified-Since: Tuesday, 06-Nov-95 08:49:37 GMT", "200 0+10"},
    {"9110 5.6.7: asctime", &dated, GET "If-Modified-Since: Sun Nov  6 08:49:37 2044", "304"},
    {"9110 5.6.7: another zone", &dated, GET "If-Modified-Since: Sun, 06 Nov 2044 08:49:37 UTC",
     "200 0+10"},
    {"9111 4.3.2: without Last-Modified, Date", &plain, GET "If-Modified-Since: @-10", "304"},
    {"9111 4.3.2: before Date", &plain, GET "If-Modified-Since: @-11", "200 0+10"},
    {"9111 4.3.2: an ignored If-Modified-Since", &strong,
     GET "If-None-Match: \"b\"\nIf-Modified-Since: @0", "200 0+10"},
    {"9111 4.3.2: even if that is malformed", &strong,
     GET "If-None-Match: b\nIf-Modified-Since: @0", "200 0+10"},
    {"9111 4.3.2: even if that is empty", &strong, GET "If-None-Match:\nIf-Modified-Since: @0",
     "200 0+10"},
    {"9111 4.3.2: the tag decides", &strong, GET "If-None-Match: \"a\"\nIf-Modified-Since: @-1000",
     "304"},
    {"9110 13.2.1: not of a 301", &moved, GET "If-Modified-Since: @0", "301 0+10"},
    {"9110 13.2.1: not of a 404", &missing, GET "If-Modified-Since: @0", "404 0+10"},

    /* If-Match. */
    {"9110 13.1.1: the same tag", &strong, GET "If-Match: \"a\"", "200 0+10"},
    {"9110 13.1.1: another tag", &strong, GET "If-Match: \"b\"", "412"},
    {"9110 13.1.1: one of them", &strong, GET "If-Match: \"b\", \"a\"", "200 0+10"},
    {"9110 13.1.1: in another line", &strong, GET "If-Match: \"b\"\nIf-Match: \"a\"", "200 0+10"},
    {"9110 13.1.1: none of them", &strong, GET "If-Match: \"b\"\nIf-Match: \"c\"", "412"},
    {"9110 8.8.3.2: weak and strong", &strong, GET "If-Match: W/\"a\"", "412"},
    {"9110 8.8.3.2: strong and weak", &weak, GET "If-Match: \"a\"", "412"},
    {"9110 8.8.3.2: weak and weak", &weak, GET "If-Match: W/\"a\"", "412"},
    {"9110 13.1.1: any", &strong, GET "If-Match: *", "200 0+10"},
    {"9110 13.1.1: any, without a tag", &plain, GET "If-Match: *", "200 0+10"},
    {"9110 13.1.1: any is alone", &strong, GET "If-Match: \"a\", *", "412"},
    {"9110 13.1.1: any is alone, in lines", &strong, GET "If-Match: \"a\"\nIf-Match: *", "412"},
    {"9110 13.1.1: without a tag", &plain, GET "If-Match: \"a\"", "412"},
    {"9110 13.1.1: malformed", &strong, GET "If-Match: a", "412"},
    {"9110 13.1.1: beside what is malformed", &strong, GET "If-Match: \"a\", b", "412"},
    {"9110 13.1.1: in another line", &strong, GET "If-Match: b\nIf-Match: \"a\"", "412"},
    {"9110 13.1.1: empty", &strong, GET "If-Match:", "412"},
    {"9110 13.1.1: HEAD", &strong, HEAD "If-Match: \"b\"", "412"},
    {"9110 13.1.1: QUERY", &strong, QUERY "If-Match: \"b\"", "412"},
    {"9110 13.1.1: not of a POST", &strong, POST "If-Match: \"b\"", "200 0+10"},
    {"9110 13.2.1: not of a 404", &missing, GET "If-Match: \"b\"", "404 0+10"},
    {"9110 13.2.2: If-Match comes first", &strong, GET "If-None-Match: \"a\"\nIf-Match: \"b\"",
     "412"},
    {"9110 13.2.2: then If-None-Match", &strong, GET "If-None-Match: \"a\"\nIf-Match: \"a\"",
     "304"},

    /* If-Unmodified-Since. */
    {"9110 13.1.4: the same date", &dated, GET "If-Unmodified-Since: @-100", "200 0+10"},
    {"9110 13.1.4: later", &dated, GET "If-Unmodified-Since: @-99", "200 0+10"},
    {"9110 13.1.4: earlier", &dated, GET "If-Unmodified-Since: @-101", "412"},
    {"9110 13.1.4: no date", &dated, GET "If-Unmodified-Since: now", "200 0+10"},
    {"9110 13.1.4: two dates", &dated, GET "If-Unmodified-Since: @-999\nIf-Unmodified-Since: @-999",
     "200 0+10"},
    {"9110 13.1.4: without Last-Modified", &plain, GET "If-Unmodified-Since: @-999", "200 0+10"},
    {"9110 13.1.4: an ignored If-Unmodified-Since", &strong,
     GET "If-Match: \"a\"\nIf-Unmodified-Since: @-999", "200 0+10"},
    {"9110 13.2.2: If-Unmodified-Since comes first", &strong,
     GET "If-None-Match: \"a\"\nIf-Unmodified-Since: @-999", "412"},
    {"9110 13.2.1: not of a 301", &moved, GET "If-Unmodified-Since: @-999", "301 0+10"},

    /* Range. */
    {"9110 14.1.2: a range", &strong, RANGE("2-5"), "206 2+4"},
    {"9110 14.1.2: the first byte", &strong, RANGE("0-0"), "206 0+1"},
    {"9110 14.1.2: the last byte", &strong, RANGE("9-9"), "206 9+1"},
    {"9110 14.1.2: all bytes", &strong, RANGE("0-9"), "206 0+10"},
    {"9110 14.1.2: to the end", &strong, RANGE("4-"), "206 4+6"},
    {"9110 14.1.2: beyond the end", &strong, RANGE("4-99"), "206 4+6"},
    {"9110 14.1.2: the last bytes", &strong, RANGE("-3"), "206 7+3"},
    {"9110 14.1.2: more than all", &strong, RANGE("-99"), "206 0+10"},
    {"9110 14.1.2: none of the last", &strong, RANGE("-0"), "416"},
    {"9110 14.1.2: after the end", &strong, RANGE("10-"), "416"},
    {"9110 14.1.2: after the end, of any size", &strong,
     RANGE("99999999999999999999-99999999999999999999"), "416"},
    {"9110 14.1.2: backwards", &strong, RANGE("5-2"), "200 0+10"},
    {"9110 14.1.2: malformed", &strong, RANGE("a-b"), "200 0+10"},
    {"9110 14.1.2: no numbers", &strong, RANGE("-"), "200 0+10"},
    {"9110 14.2: several ranges", &strong, RANGE("0-1, 4-5"), "200 0+10"},
    {"9110 14.2: several lines", &strong, RANGE("0-1\nRange: bytes=0-1"), "200 0+10"},
    {"9110 14.1: another unit", &strong, GET "Range: lines=0-1", "200 0+10"},
    {"9110 14.1: units have no case", &strong, GET "Range: Bytes=0-1", "206 0+2"},
    {"9110 14.2: HEAD has no ranges", &strong, HEAD "Range: bytes=2-5", "200 0+10 no body"},
    {"9110 14.2: nor does POST", &strong, POST "Range: bytes=2-5", "200 0+10"},
    {"9110 14.2: QUERY may ignore it", &strong, QUERY "Range: bytes=2-5", "200 0+10"},
    {"9110 14.2: only of a 200", &created, RANGE("2-5"), "203 0+10"},
    {"9110 14.2: not of a 404", &missing, RANGE("2-5"), "404 0+10"},
    {"9110 14.1.2: of nothing", &empty, RANGE("0-"), "416"},
    {"9110 14.1.2: of very much", &huge, RANGE("9223372036854775806-"),
     "206 9223372036854775806+1"},
    {"9110 13.2.2: conditions come first", &strong, RANGE("2-5\nIf-None-Match: \"a\""), "304"},
    {"9110 13.2.2: then the range", &strong, RANGE("2-5\nIf-None-Match: \"b\""), "206 2+4"},
    {"9110 13.2.2: nothing of a false one", &strong, RANGE("99-\nIf-Match: \"b\""), "412"},

    /* If-Range. */
    {"9110 13.1.5: the same tag", &strong, IF_RANGE("\"a\""), "206 2+4"},
    {"9110 13.1.5: another tag", &strong, IF_RANGE("\"b\""), "200 0+10"},
    {"9110 13.1.5: a weak tag", &strong, IF_RANGE("W/\"a\""), "200 0+10"},
    {"9110 13.1.5: of a weak tag", &weak, IF_RANGE("\"a\""), "200 0+10"},
    {"9110 13.1.5: both weak", &weak, IF_RANGE("W/\"a\""), "200 0+10"},
    {"9110 13.1.5: without a tag", &dated, IF_RANGE("\"a\""), "200 0+10"},
    {"9110 13.1.5: one tag only", &strong, IF_RANGE("\"a\", \"b\""), "200 0+10"},
    {"9110 13.1.5: one line only", &strong, IF_RANGE("\"a\"\nIf-Range: \"a\""), "200 0+10"},
    {"9110 13.1.5: any is no tag", &strong, IF_RANGE("*"), "200 0+10"},
    {"9110 13.1.5: the same date", &dated, IF_RANGE("@-100"), "206 2+4"},
    {"9110 13.1.5: the same date beside a tag", &strong, IF_RANGE("@-100"), "206 2+4"},
    {"9110 13.1.5: a later date", &dated, IF_RANGE("@-99"), "200 0+10"},
    {"9110 13.1.5: an earlier date", &dated, IF_RANGE("@-101"), "200 0+10"},
    {"9110 8.8.2.2: a date that is not strong", &hasty, IF_RANGE("@-10"), "200 0+10"},
    {"9110 13.1.5: without a date", &plain, IF_RANGE("@-10"), "200 0+10"},
    {"9110 13.1.5: malformed", &strong, IF_RANGE("a"), "200 0+10"},
    {"9110 13.1.5: without Range", &strong, GET "If-Range: \"b\"", "200 0+10"},
    {"9110 13.1.5: an unsatisfiable range of another", &strong,
     GET "Range: bytes=99-\nIf-Range: \"b\"", "200 0+10"},

    /* A part of a representation. */
    {"9111 3.3: all of it is wanted", &part, GET, "forward"},
    {"9111 3.3: HEAD", &part, HEAD, "forward"},
    {"9111 3.3: what is stored", &part, RANGE("3-6"), "206 0+4"},
    {"9111 3.3: less", &part, RANGE("4-5"), "206 1+2"},
    {"9111 3.3: one byte before", &part, RANGE("2-6"), "forward"},
    {"9111 3.3: one byte after", &part, RANGE("3-7"), "forward"},
    {"9111 3.3: to the end", &part, RANGE("3-"), "forward"},
    {"9111 3.3: the last bytes", &part, RANGE("-7"), "forward"},
    {"9111 3.3: several ranges", &part, RANGE("3-4, 5-6"), "forward"},
    {"9111 3.3: malformed", &part, RANGE("6-3"), "forward"},
    {"9110 15.5.17: after the end", &part, RANGE("10-"), "416"},
    {"9110 13.1.5: the same tag", &part, RANGE("3-6\nIf-Range: \"a\""), "206 0+4"},
    {"9110 13.1.5: another tag", &part, RANGE("3-6\nIf-Range: \"b\""), "forward"},
    {"9110 13.1.5: the same date", &dated_part, RANGE("3-6\nIf-Range: @-100"), "206 0+4"},
    {"9111 4.3.2: the client has it", &part, RANGE("3-6\nIf-None-Match: \"a\""), "304"},
    {"9111 4.3.2: the client has all of it", &part, GET "If-None-Match: \"a\"", "304"},
    {"9110 13.1.1: another tag", &part, RANGE("3-6\nIf-Match: \"b\""), "412"},
    {"9110 14.4: of an unknown size", &unknown_part, RANGE("3-6"), "forward"},
    {"9110 14.4: after the end of that", &unknown_part, RANGE("10-"), "forward"},
};

static cachette__http_stored stored_of(const struct stored *row, cachette_slice etag) {
  return (cachette__http_stored){
      .status = row->status,
      .date_ms = (HTTP_NOW + row->date) * 1000,
      .received_ms = HTTP_NOW_MS,
      .last_modified_ms = row->last_modified == NONE ? -1 : (HTTP_NOW + row->last_modified) * 1000,
      .body_size = row->body,
      .first_byte = row->first,
      .total_size = row->total,
      .etag = etag,
  };
}

static void describe(bool is_answer, const cachette__http_selection *selection, char text[64]) {
  if (!is_answer) {
    strcpy(text, "forward");
    return;
  }
  int size = snprintf(text, 64, "%d", selection->status);
  if (selection->size > 0)
    snprintf(text + size, 64 - (size_t)size, " %lld+%lld%s", (long long)selection->first,
             (long long)selection->size, selection->send_body ? "" : " no body");
}

static void expect_selection(const struct row *row) {
  static const cachette_http_policy policy = {.cache_post = true};
  cachette_http_request *request = http_request_new(row->request);
  cachette_slice etag = http_copy(row->stored->etag, strlen(row->stored->etag));
  cachette__http_stored stored = stored_of(row->stored, etag);
  cachette__http_asked asked;
  cachette__http_selection selection;
  char text[64];
  if (cachette__http_ask(&policy, request, &asked) != CACHETTE_HTTP_BECAUSE_NONE)
    fail_msg("%s: the request passes", row->rule);
  bool is_answer = cachette__http_select(&asked, &stored, HTTP_NOW_MS, &selection);
  describe(is_answer, &selection, text);
  if (strcmp(text, row->expected) != 0)
    fail_msg("%s: \"%s\", not \"%s\"", row->rule, text, row->expected);
  if (is_answer && selection.size == 0) assert_false(selection.send_body);
  http_free(etag);
  http_request_free(request);
}

static void conditions_and_ranges_select_what_is_sent(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(rows); i++) expect_selection(&rows[i]);
}

/* ---- Fractions of a second, and any numbers ---- */

static void the_fraction_of_a_second_does_not_count(void **state) {
  (void)state;
  static const struct {
    int64_t last_modified_ms;
    int status;
  } cases[] = {
      {HTTP_NOW_MS - 1, 304},   {HTTP_NOW_MS, 304},        {HTTP_NOW_MS + 1, 304},
      {HTTP_NOW_MS + 999, 304}, {HTTP_NOW_MS + 1000, 200}, {INT64_MAX, 200},
  };
  static const cachette_http_policy policy = {0};
  cachette_http_request *request = http_request_new(GET "If-Modified-Since: @0");
  cachette__http_asked asked;
  cachette__http_ask(&policy, request, &asked);
  for (size_t i = 0; i < LENGTH(cases); i++) {
    cachette__http_stored stored = stored_of(&dated, (cachette_slice){NULL, 0});
    cachette__http_selection selection;
    stored.last_modified_ms = cases[i].last_modified_ms;
    assert_true(cachette__http_select(&asked, &stored, HTTP_NOW_MS, &selection));
    assert_int_equal(selection.status, cases[i].status);
  }
  http_request_free(request);
}

static uint64_t random_state = 88172645463325252U;

static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

static int64_t random_number(void) {
  static const int64_t edges[] = {INT64_MIN, -1, 0, 1, 9, 10, INT64_MAX - 1, INT64_MAX};
  uint64_t choice = next_random() % 3;
  if (choice == 0) return edges[next_random() % LENGTH(edges)];
  return choice == 1 ? (int64_t)(next_random() % 40) : (int64_t)next_random();
}

static void a_selection_is_always_within_the_stored_body(void **state) {
  (void)state;
  static const cachette_http_policy policy = {0};
  size_t answers = 0, parts = 0;
  for (int i = 0; i < 60000; i++) {
    char text[160], last[24] = "";
    uint64_t random = next_random();
    if (random & 1) snprintf(last, sizeof last, "%u", (unsigned)(next_random() % 40));
    snprintf(text, sizeof text, GET "Range: bytes=%u-%s%s", (unsigned)(next_random() % 40), last,
             random & 2 ? "\nIf-Range: @-100" : "");
    cachette_http_request *request = http_request_new(text);
    cachette__http_stored stored =
        stored_of(random & 4 ? &part : &dated, (cachette_slice){NULL, 0});
    stored.body_size = random_number() & INT64_MAX;
    stored.date_ms = random & 8 ? random_number() : stored.date_ms;
    if (random & 4) stored.first_byte = random_number();
    if (random & 4) stored.total_size = random_number();
    cachette__http_asked asked;
    cachette__http_selection selection;
    cachette__http_ask(&policy, request, &asked);
    if (cachette__http_select(&asked, &stored, random_number(), &selection)) {
      assert_true(selection.first >= 0 && selection.size >= 0);
      assert_true(selection.size <= stored.body_size - selection.first);
      answers++;
      parts += selection.status == 206;
    }
    http_request_free(request);
  }
  assert_true(answers > 1000 && parts > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conditions_and_ranges_select_what_is_sent),
      cmocka_unit_test(the_fraction_of_a_second_does_not_count),
      cmocka_unit_test(a_selection_is_always_within_the_stored_body),
  };
  return cmocka_run_group_tests_name("conditional", tests, NULL, NULL);
}
