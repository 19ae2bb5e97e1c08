/* SPDX-License-Identifier: MIT */
/*
 * Which fields of a response count, and which of them are stored. The sections are those of RFC
 * 9111, unless another one is named.
 */
#include "http/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_message.h"
#include "http_policy.h"
#include "support.h"

/* ---- Fields that are stored ---- */

/* Writes the names of the fields that are stored. */
static void list_stored(const char *words, const char *text, char *names, size_t size) {
  cachette_http_policy policy = http_policy(words);
  cachette_http_response *response = http_response_new(text);
  cachette__http_answered answered;
  size_t used = 0;
  cachette__http_look_at_response(&policy, response, &answered);
  assert_ptr_equal(answered.response, response);
  *names = '\0';
  for (size_t i = 0; i < response->fields.count; i++) {
    const cachette_http_field *field = &response->fields.list[i];
    if (!cachette__http_is_stored(&policy, &answered, field)) continue;
    used += (size_t)snprintf(names + used, size - used, "%s%.*s", used > 0 ? " " : "",
                             (int)field->name.size, (const char *)field->name.data);
    assert_true(used < size);
  }
  http_response_free(response);
}

static void fields_are_stored_unless_they_are_for_one_hop_or_one_user(void **state) {
  (void)state;
  static const struct {
    const char *rule, *policy, *response, *stored;
  } rows[] = {
      {"3.1: all", "", "200\nA: 1\nDate: @0\nETag: \"a\"\nContent-Foo:\nSet-Foo: 1",
       "A Date ETag Content-Foo Set-Foo"},
      {"3.1: several lines", "", "200\nA: 1\na: 2", "A a"},
      {"3.1: hop by hop", "",
       "200\nConnection: close\nKeep-Alive: a\nTE: a\nTrailer: a\nTransfer-Encoding: a\n"
       "Upgrade: a\nProxy-Connection: a\nA: 1",
       "A"},
      {"3.1: of proxies", "",
       "200\nProxy-Authenticate: a\nPROXY-AUTHENTICATION-INFO: a\nProxy-Authorization: a\nA: 1",
       "A"},
      {"RFC 9110, 7.6.1: listed in Connection", "", "200\nConnection: a, B\nA: 1\nb: 2\nC: 3", "C"},
      {"RFC 9110, 7.6.1: in several lines", "",
       "200\nConnection: a\nA: 1\nConnection: b\nB: 1\nAB: 1", "AB"},
      {"5.1: Age is counted on", "", "200\nAge: 1\nAGE: 2\nAged: 1", "Aged"},
      {"7.3: Set-Cookie, stored", "store", "200\nSet-Cookie: a\nSet-Cookie2: a",
       "Set-Cookie Set-Cookie2"},
      {"7.3: Set-Cookie, stripped", "strip", "200\nSET-cookie: a\nSet-Cookie2: a\nSet-Cookie3: a",
       "Set-Cookie3"},
      {"7.3: Set-Cookie, refused, of a 304", "", "304\nSet-Cookie: a\nA: 1", "A"},
      {"5.2.2.7: private=\"a\"", "", "200\nCache-Control: private=\"a\"\nA: 1\nB: 2",
       "Cache-Control B"},
      {"5.2.2.7: several names, in any case", "",
       "200\nCache-Control: private=\"X, b\"\nA: 1\nB: 2\nx: 3", "Cache-Control A"},
      {"5.2.2.7: several lines", "",
       "200\nCache-Control: private=\"a\"\nCache-Control: private=\"b\"\nA: 1\nB: 2\nC: 3",
       "Cache-Control Cache-Control C"},
      {"5.2.2.7: a private cache stores them", "private",
       "200\nCache-Control: private=\"a\"\nA: 1\nB: 2", "Cache-Control A B"},
      {"5.2.2.4: no-cache=\"a\"", "", "200\nCache-Control: no-cache=\"a\"\nA: 1\nB: 2",
       "Cache-Control B"},
      {"5.2.2.4: a private cache, too", "private", "200\nCache-Control: no-cache=\"a\"\nA: 1\nB: 2",
       "Cache-Control B"},
      {"5.2.2.4: in another directive it means nothing", "",
       "200\nCache-Control: x=\"a\", no-cache=\"b\"\nA: 1\nB: 2", "Cache-Control A"},
      {"RFC 9213, 2.2: of a targeted field", "cdn",
       "200\nCDN-Cache-Control: private=\"a\"\nA: 1\nB: 2", "CDN-Cache-Control B"},
      {"RFC 9213, 2.2: of its second line", "cdn",
       "200\nCDN-Cache-Control: max-age=1\nCDN-Cache-Control: no-cache=\"a\"\nA: 1",
       "CDN-Cache-Control CDN-Cache-Control"},
      {"RFC 9213, 2.2: not of Cache-Control beside it", "cdn",
       "200\nCache-Control: private=\"a\"\nCDN-Cache-Control: no-cache=\"b\"\nA: 1\nB: 2",
       "Cache-Control CDN-Cache-Control A"},
      {"RFC 9213, 2.2: of Cache-Control beside an invalid one", "cdn",
       "200\nCache-Control: private=\"a\"\nCDN-Cache-Control: private=\"b\", &\nA: 1\nB: 2",
       "Cache-Control CDN-Cache-Control B"},
      {"the application's own control", "",
       "200\n(control): private=\"a\"\nCache-Control: private=\"b\"\nA: 1\nB: 2\nC: 3",
       "Cache-Control C"},
      {"the application's own control: no-cache of Cache-Control does not count", "",
       "200\n(control): max-age=5\nCache-Control: no-cache=\"a\"\nA: 1", "Cache-Control A"},
      {"the application's own control, beside a targeted field", "cdn",
       "200\n(control): no-cache=\"a\"\nCDN-Cache-Control: no-cache=\"b\"\nA: 1\nB: 2",
       "CDN-Cache-Control B"},
      {"Cache-Status of other caches", "", "200\nCache-Status: x; hit\nA: 1", "Cache-Status A"},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    char names[256];
    list_stored(rows[i].policy, rows[i].response, names, sizeof names);
    if (strcmp(names, rows[i].stored) != 0) fail_msg("%s: %s", rows[i].rule, names);
  }
}

/* ---- The control that counts ---- */

static void look(const char *words, const char *text, cachette__http_answered *answered) {
  cachette_http_policy policy = http_policy(words);
  cachette_http_response *response = http_response_new(text);
  memset(answered, 0xa5, sizeof *answered); /* nothing of what was there before may be left */
  cachette__http_look_at_response(&policy, response, answered);
  http_response_free(response);
}

static void the_control_is_that_of_one_field(void **state) {
  (void)state;
  static const struct {
    const char *rule, *policy, *response, *targeted;
    int64_t max_age;
    unsigned directives;
  } rows[] = {
      {"5.2: none", "", "200", "", -1, 0},
      {"5.2: all lines", "", "200\nCache-Control: max-age=5\nA: 1\ncache-control: public", "", 5,
       CACHETTE__HTTP_PUBLIC},
      {"RFC 9213, 2.2: a targeted field", "cdn",
       "200\nCache-Control: public\nCDN-Cache-Control: max-age=5", "CDN-Cache-Control", 5, 0},
      {"RFC 9213, 2.2: in any case", "cdn", "200\ncdn-cache-control: max-age=5",
       "CDN-Cache-Control", 5, 0},
      {"RFC 9213, 2.2: a name that is longer", "cdn", "200\nCDN-Cache-Controls: max-age=5", "", -1,
       0},
      {"RFC 9213, 2.2: the policy's order counts", "my,cdn",
       "200\nCDN-Cache-Control: max-age=5\nMy-Cache-Control: max-age=6", "My-Cache-Control", 6, 0},
      {"RFC 9213, 2.2: the first is absent", "my,cdn", "200\nCDN-Cache-Control: max-age=5",
       "CDN-Cache-Control", 5, 0},
      {"RFC 9213, 2.2: neither is valid", "my,cdn",
       "200\nCache-Control: public\nCDN-Cache-Control: =\nMy-Cache-Control: max-age",
       "My-Cache-Control", 0, 0},
      {"RFC 9213, 2.2: both are malformed", "my,cdn",
       "200\nCache-Control: public\nCDN-Cache-Control: =\nMy-Cache-Control: a,", "", -1,
       CACHETTE__HTTP_PUBLIC},
      {"RFC 9213, 2.2: one line of two is malformed", "cdn",
       "200\nCDN-Cache-Control: max-age=5\nCDN-Cache-Control: &", "", -1, 0},
      {"RFC 9213, 2.2: a field of unknown keys counts", "cdn",
       "200\nCache-Control: public\nCDN-Cache-Control: foo", "CDN-Cache-Control", -1, 0},
      {"RFC 9213, 2.2: a private cache", "cdn private",
       "200\nCache-Control: public\nCDN-Cache-Control: max-age=5", "", -1, CACHETTE__HTTP_PUBLIC},
      {"a malformed response", "", "200\nCache-Control: public, max-age=5\nA: ^J", "", -1,
       CACHETTE__HTTP_NO_STORE},
      {"a malformed response, with the application's own control", "",
       "200\n(control): public, max-age=5\nA: ^J", "", -1, CACHETTE__HTTP_NO_STORE},
      {"a malformed response, targeted", "cdn", "200\nCDN-Cache-Control: public\nA: ^J", "", -1,
       CACHETTE__HTTP_NO_STORE},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette__http_answered answered;
    look(rows[i].policy, rows[i].response, &answered);
    bool same = answered.control.max_age == rows[i].max_age &&
                answered.control.directives == rows[i].directives &&
                answered.content_length == -1 &&
                answered.is_targeted == (*rows[i].targeted != '\0') &&
                answered.targeted.size == strlen(rows[i].targeted);
    if (!same) fail_msg("%s", rows[i].rule);
    if (answered.is_targeted) assert_slice(answered.targeted, rows[i].targeted);
  }
}

static void the_control_of_the_application_counts_alone(void **state) {
  (void)state;
  static const struct {
    const char *policy, *response;
    int64_t max_age;
    unsigned directives;
    bool counts;
  } rows[] = {
      {"", "200\n(control): max-age=5", 5, 0, true},
      {"", "200\n(control):\nCache-Control: max-age=6", 6, 0, false}, /* an empty one is none */
      {"", "200\n(control): max-age=5\nCache-Control: no-cache, must-revalidate, max-age=6", 5, 0,
       true},
      {"", "200\n(control): max-age=5\nCache-Control: no-store, max-age=6", 5,
       CACHETTE__HTTP_NO_STORE, true},
      {"", "200\n(control): max-age=5\nCache-Control: no-cache\nCache-Control: private", 5,
       CACHETTE__HTTP_PRIVATE, true},
      {"", "200\n(control): max-age=5\nCache-Control: private=\"a\"", 5,
       CACHETTE__HTTP_PRIVATE_FIELDS, true},
      {"cdn", "200\n(control): max-age=5\nCDN-Cache-Control: no-store", 5, 0, true},
      {"", "200\n(control): no-store\nCache-Control: max-age=6", -1, CACHETTE__HTTP_NO_STORE, true},
      {"", "200\n(control): public\nCache-Control: max-age=6", -1, CACHETTE__HTTP_PUBLIC, true},
      {"cdn", "200\n(control): max-age=5\nCDN-Cache-Control: max-age=6", 5, 0, true},
      {"private cdn", "200\n(control): max-age=5\nCache-Control: max-age=6", 5, 0, true},
      {"", "200\n(control): max-age=x\nCache-Control: max-age=6", 0, 0, true},
      {"", "200\n(control): a\"b, private\nCache-Control: max-age=6", -1, CACHETTE__HTTP_PRIVATE,
       true},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette__http_answered answered;
    look(rows[i].policy, rows[i].response, &answered);
    if (answered.control.max_age != rows[i].max_age ||
        answered.control.directives != rows[i].directives || answered.is_targeted != rows[i].counts)
      fail_msg("%s: max-age %d, directives %x", rows[i].response, (int)answered.control.max_age,
               answered.control.directives);
    assert_int_equal(answered.targeted.size, 0);
  }
}

static void a_targeted_field_of_too_many_lines_is_no_store(void **state) {
  (void)state;
  char text[2048];
  for (int lines = 1; lines <= 40; lines++) {
    size_t used = (size_t)snprintf(text, sizeof text, "200");
    for (int i = 0; i < lines; i++)
      used += (size_t)snprintf(text + used, sizeof text - used, "\nCDN-Cache-Control: max-age=%d",
                               60 - i);
    cachette__http_answered answered;
    look("cdn", text, &answered);
    assert_true(answered.is_targeted);
    assert_int_equal(answered.control.directives, lines > 16 ? CACHETTE__HTTP_NO_STORE : 0);
    assert_int_equal(answered.control.max_age, lines > 16 ? -1 : 61 - lines);
  }
}

static void what_frames_a_message_must_be_unambiguous(void **state) {
  (void)state;
  static const struct {
    const char *rule, *response;
    bool is_malformed;
    int64_t size; /* that is announced */
  } rows[] = {
      {"RFC 9110, 8.6: absent", "200", false, -1},
      {"RFC 9110, 8.6", "200\nContent-Length: 12", false, 12},
      {"RFC 9110, 8.6: 0", "200\nContent-Length: 0", false, 0},
      {"RFC 9110, 8.6: equal", "200\nContent-Length: 12, 12\nContent-Length: 012", false, 12},
      {"RFC 9110, 8.6: different", "200\nContent-Length: 12, 13", true, -1},
      {"RFC 9110, 8.6: different, and the first is 0", "200\nContent-Length: 0, 5", true, -1},
      {"RFC 9110, 8.6: a sign", "200\nContent-Length: +12", true, -1},
      {"RFC 9110, 8.6: hexadecimal", "200\nContent-Length: 0x12", true, -1},
      {"RFC 9110, 8.6: empty", "200\nContent-Length:", true, -1},
      {"RFC 9110, 8.6: an empty line", "200\nContent-Length: 12\nContent-Length:", true, -1},
      {"RFC 9110, 8.6: of a 204", "204\nContent-Length: 12", false, -1},
      {"RFC 9110, 8.6: of a 304", "304\nContent-Length: 12", false, -1},
      {"RFC 9112, 6.3: beside Transfer-Encoding",
       "200\nContent-Length: 12\nTransfer-Encoding: chunked", false, -1},
      {"the caller knows it", "200 body=7", false, 7},
      {"the caller knows better", "200 body=7\nContent-Length: 12", false, 7},
      {"RFC 9110, 7.6.1: Connection lists it",
       "200\nConnection: Content-Length\nContent-Length: 12", true, -1},
      {"RFC 9110, 7.6.1: Connection lists others", "200\nConnection: upgrade, Length\nLength: 12",
       false, -1},
      {"RFC 9110, 5.5: CR", "200\nA: ^M", true, -1},
      {"RFC 9110, 5.5: LF", "200\nA: a^Jb", true, -1},
      {"RFC 9110, 5.5: NUL", "200\nA: ^@b", true, -1},
      {"RFC 9110, 5.1: a name with a colon", "200\n:A: 1", true, -1},
      {"RFC 9110, 5.1: a name with a space", "200\nA : 1", true, -1},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette__http_answered answered;
    cachette_http_policy policy = http_policy("");
    cachette_http_response *response = http_response_new(rows[i].response);
    cachette__http_look_at_response(&policy, response, &answered);
    bool same = answered.is_malformed == rows[i].is_malformed &&
                (answered.is_malformed || cachette__http_announced_size(&answered) == rows[i].size);
    if (!same) fail_msg("%s", rows[i].rule);
    http_response_free(response);
  }
}

static void a_206_of_one_part_has_a_range(void **state) {
  (void)state;
  static const struct {
    const char *rule, *response;
    cachette__http_content_range range; /* total 0: none is found */
  } rows[] = {
      {"RFC 9110, 14.4", "206\nContent-Range: bytes 2-5/10", {2, 5, 10}},
      {"RFC 9110, 14.4: unknown size", "206\nContent-Range: bytes 2-5/*", {2, 5, -1}},
      {"RFC 9110, 14.4: unsatisfied", "206\nContent-Range: bytes */10", {0, 0, 0}},
      {"RFC 9110, 14.4: malformed", "206\nContent-Range: bytes=2-5/10", {0, 0, 0}},
      {"RFC 9110, 14.4: absent", "206", {0, 0, 0}},
      {"RFC 9110, 14.4: two lines",
       "206\nContent-Range: bytes 2-5/10\nContent-Range: bytes 2-5/10",
       {0, 0, 0}},
      {"RFC 9110, 14.4: another status", "200\nContent-Range: bytes 2-5/10", {0, 0, 0}},
      {"RFC 9110, 14.6: parts",
       "206\nContent-Range: bytes 2-5/10\nContent-Type: multipart/byteranges;boundary=a",
       {0, 0, 0}},
      {"RFC 9110, 14.6: parts, in any case",
       "206\nContent-Range: bytes 2-5/10\nContent-Type: MULTIPART/BYTERANGES",
       {0, 0, 0}},
      {"RFC 9110, 14.6: another type",
       "206\nContent-Range: bytes 2-5/10\nContent-Type: multipart/byterange",
       {2, 5, 10}},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    cachette__http_answered answered;
    cachette__http_content_range range = {-7, -7, -7}, none = range;
    cachette_http_policy policy = http_policy("");
    cachette_http_response *response = http_response_new(rows[i].response);
    cachette__http_look_at_response(&policy, response, &answered);
    bool found = cachette__http_answered_range(&answered, &range);
    const cachette__http_content_range *expected =
        rows[i].range.total != 0 ? &rows[i].range : &none;
    if (found != (rows[i].range.total != 0) || memcmp(&range, expected, sizeof range) != 0)
      fail_msg("%s", rows[i].rule);
    http_response_free(response);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_stored_unless_they_are_for_one_hop_or_one_user),
      cmocka_unit_test(the_control_is_that_of_one_field),
      cmocka_unit_test(the_control_of_the_application_counts_alone),
      cmocka_unit_test(a_targeted_field_of_too_many_lines_is_no_store),
      cmocka_unit_test(what_frames_a_message_must_be_unambiguous),
      cmocka_unit_test(a_206_of_one_part_has_a_range),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
