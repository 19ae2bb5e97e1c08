/* SPDX-License-Identifier: MIT */
/* What a response means for the stored one. Each row names its rule, and the section that has it.
 */
#include "http/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/vary.h"
#include "http_message.h"

#define GET "GET https://example.com/\n"
#define HEAD "HEAD https://example.com/\n"
#define QUERY "QUERY https://example.com/\nContent-Type: text/plain\n"
#define POST "POST https://example.com/\n"
#define TAG "ETag: \"a\"\n"
#define WEAK "ETag: W/\"a\"\n"
#define DATE "Date: @0\n"
#define MODIFIED "Last-Modified: @-100\n"

/* What a row's policy has (flags). Without any: shared, safe, but with POST and parts. */
enum { WHOLE = 1, COOKIES = 2, HEURISTIC = 4, TARGETED = 8, TRUST = 16, PRIVATE = 32 };

static cachette_http_policy policy_of(unsigned flags) {
  static const cachette_slice targeted = {"CDN-Cache-Control", 17};
  cachette_http_policy policy = {.cache_post = true, .vary_allow = CACHETTE_HTTP_VARY_COOKIE};
  policy.store_partial = (flags & WHOLE) == 0;
  policy.heuristic = (flags & HEURISTIC) != 0;
  policy.trust_must_revalidate = (flags & TRUST) != 0;
  if (flags & COOKIES) policy.set_cookie = CACHETTE_HTTP_COOKIE_STORE;
  if (flags & PRIVATE) policy.sharing = CACHETTE_HTTP_PRIVATE;
  if (flags & TARGETED) policy.targeted = &targeted;
  if (flags & TARGETED) policy.targeted_count = 1;
  return policy;
}

/* A request, a record that was stored for it, and a new response. */
struct scene {
  cachette_http_policy policy;
  cachette_http_request *request;
  cachette_http_response *response;
  cachette__http_asked asked;
  cachette__http_answered answered;
  cachette__http_stored stored;
  cachette_slice record;
};

/* Stores a response, with a body of 10 bytes or of its Content-Range, as a record. */
static void store(struct scene *scene, const char *text) {
  cachette_http_response *response = http_response_new(text);
  cachette__http_answered answered;
  cachette__http_stored stored = {.body_size = 10, .body_checksum = 7, .generation = 9};
  cachette__http_look_at_response(&scene->policy, response, &answered);
  cachette__http_find_freshness(&scene->policy, &answered, &stored);
  const char *range = strstr(text, "bytes ");
  int first, last;
  if (range != NULL && sscanf(range, "bytes %d-%d/", &first, &last) == 2)
    stored.body_size = last - first + 1;
  if (strstr(text, "public") != NULL) stored.flags |= CACHETTE__HTTP_FOR_ALL;
  unsigned char selector[256];
  const cachette_slice none = {NULL, 0};
  size_t size = cachette__http_vary_write(&scene->policy, &scene->asked, &answered.message, none,
                                          selector, sizeof selector);
  assert_true(size <= sizeof selector);
  stored.key = cachette_str("key");
  stored.vary = (cachette_slice){selector, size};
  const cachette__http_merge merge = {&scene->policy, &answered, NULL};
  const cachette__http_source fields = {cachette__http_next_merged, &merge};
  size = cachette__http_record_measure(&stored, &fields, NULL);
  unsigned char *head = malloc(size);
  assert_non_null(head);
  cachette__http_record_put(&stored, &fields, NULL, head);
  scene->record = (cachette_slice){head, size};
  assert_true(cachette__http_record_get(scene->record, &scene->stored));
  http_response_free(response);
}

static void begin(struct scene *scene, unsigned flags, const char *request, const char *stored,
                  const char *response) {
  scene->policy = policy_of(flags);
  scene->request = http_request_new(request);
  if (cachette__http_ask(&scene->policy, scene->request, &scene->asked) !=
      CACHETTE_HTTP_BECAUSE_NONE)
    fail_msg("the request passes: %s", request);
  scene->record = (cachette_slice){NULL, 0};
  if (stored != NULL) store(scene, stored);
  scene->response = http_response_new(response);
  cachette__http_look_at_response(&scene->policy, scene->response, &scene->answered);
}

static void end(struct scene *scene) {
  http_free(scene->record);
  http_response_free(scene->response);
  http_request_free(scene->request);
}

/* ---- Relations ---- */

enum { OURS = 64 }; /* the request that was sent had the stored validators */

static const struct relation {
  const char *rule, *request, *stored, *response;
  unsigned flags;
  enum cachette__http_relation expected;
} relations[] = {
#define UNRELATED CACHETTE__HTTP_UNRELATED
#define FRESHENS CACHETTE__HTTP_FRESHENS
#define CONTRADICTS CACHETTE__HTTP_CONTRADICTS
#define OUTDATES CACHETTE__HTTP_OUTDATES
#define COMPLETES CACHETTE__HTTP_COMPLETES
#define NOT_OURS CACHETTE__HTTP_NOT_OURS
    /* Full responses. */
    {"9111 4.3.3: a full response", GET, "200\n" TAG, "200\n" TAG, OURS, UNRELATED},
    {"9111 4.3.3: an error", GET, "200\n" TAG, "404\n" TAG, OURS, UNRELATED},
    {"9111 4.3.3: a failure", GET, "200\n" TAG, "503\n" TAG, OURS, UNRELATED},
    {"9111 3: nothing is stored", GET, NULL, "200\n" TAG, 0, UNRELATED},

    /* 304 to whom? */
    {"9111 4.3.3: ours", GET, "200\n" TAG, "304\n" TAG, OURS, FRESHENS},
    {"9111 4.3.3: the client's", GET, "200\n" TAG, "304\n" TAG, 0, NOT_OURS},
    {"9111 4.3.3: nothing is stored", GET, NULL, "304\n" TAG, 0, NOT_OURS},
    {"9111 4.3.3: nothing is stored any more", GET, NULL, "304\n" TAG, OURS, NOT_OURS},
    {"9111 4.3.3: HEAD", HEAD, "200\n" TAG, "304\n" TAG, OURS, FRESHENS},
    {"10008 2.7: QUERY", QUERY, "200\n" TAG, "304\n" TAG, OURS, FRESHENS},
    {"9110 13.1.2: never POST", POST, "200\n" TAG, "304\n" TAG, OURS, NOT_OURS},
    {"9111 3.5: of another user", GET "Authorization: x\n", "200\n" TAG, "304\n" TAG, OURS,
     NOT_OURS},
    {"9111 3.5: of all users", GET "Authorization: x\n", "200\nCache-Control: public\n" TAG,
     "304\n" TAG, OURS, FRESHENS},
    {"9110 5.5: malformed", GET, "200\n" TAG, "304\nX: a^Jb\n" TAG, OURS, CONTRADICTS},
    {"9111 4.3.4: of any stored status", GET, "404\n" TAG, "304\n" TAG, OURS, FRESHENS},

    /* 304 with a tag. */
    {"9111 4.3.4: another strong tag", GET, "200\n" TAG, "304\nETag: \"b\"", OURS, CONTRADICTS},
    {"9111 4.3.4: the strong tag of a weak one", GET, "200\n" WEAK, "304\n" TAG, OURS, CONTRADICTS},
    {"9111 4.3.4: the weak tag of a strong one", GET, "200\n" TAG, "304\n" WEAK, OURS, FRESHENS},
    {"9111 4.3.4: the same weak tag", GET, "200\n" WEAK, "304\n" WEAK, OURS, FRESHENS},
    {"9111 4.3.4: another weak tag", GET, "200\n" WEAK, "304\nETag: W/\"b\"", OURS, CONTRADICTS},
    {"9111 4.3.4: no tag", GET, "200\n" TAG, "304\n" DATE, OURS, FRESHENS},
    {"9110 8.8.3: a malformed tag", GET, "200\n" TAG, "304\nETag: a", OURS, CONTRADICTS},
    {"9110 8.8.3: two tags", GET, "200\n" TAG, "304\n" TAG TAG, OURS, CONTRADICTS},
    {"9110 8.8.3: malformed ones in both", GET, "200\nETag: a\n" MODIFIED, "304\nETag: a", OURS,
     FRESHENS},
    {"9111 4.3.4: the tag decides, not the date", GET, "200\n" TAG MODIFIED,
     "304\n" TAG "Last-Modified: @-99", OURS, FRESHENS},
    {"9111 4.3.4: nor does the date help", GET, "200\n" TAG MODIFIED, "304\nETag: \"b\"\n" MODIFIED,
     OURS, CONTRADICTS},

    /* 304 with a date. */
    {"9111 4.3.4: the same date", GET, "200\n" MODIFIED, "304\n" MODIFIED, OURS, FRESHENS},
    {"9111 4.3.4: another date", GET, "200\n" MODIFIED, "304\nLast-Modified: @-99", OURS,
     CONTRADICTS},
    {"9111 4.3.4: no date", GET, "200\n" MODIFIED, "304\n", OURS, FRESHENS},
    {"9111 4.3.4: no date that is valid", GET, "200\n" MODIFIED, "304\nLast-Modified: now", OURS,
     FRESHENS},
    {"9111 4.3.4: a date, but there was a tag", GET, "200\n" TAG, "304\n" MODIFIED, OURS,
     CONTRADICTS},
    {"9111 4.3.4: a tag, but there was a date", GET, "200\n" MODIFIED, "304\n" TAG, OURS,
     CONTRADICTS},
    {"9111 4.3.4: a tag beside the strong date", GET, "200\n" DATE MODIFIED, "304\n" TAG MODIFIED,
     OURS, FRESHENS},
    {"9110 8.8.2.2: a tag beside a weak date", GET, "200\nDate: @-100\n" MODIFIED,
     "304\n" TAG MODIFIED, OURS, CONTRADICTS},
    {"9111 4.3.4: a weak tag beside a weak date", GET, "200\nDate: @-100\n" MODIFIED,
     "304\n" WEAK MODIFIED, OURS, FRESHENS},

    /* Vary. */
    {"9111 4.1: the same Vary", GET "A: 1", "200\nVary: A\n" TAG, "304\nVary: a\n" TAG, OURS,
     FRESHENS},
    {"9111 4.1: no Vary", GET "A: 1", "200\nVary: A\n" TAG, "304\n" TAG, OURS, FRESHENS},
    {"9111 4.1: a new Vary", GET "A: 1", "200\n" TAG, "304\nVary: A\n" TAG, OURS, CONTRADICTS},
    {"9111 4.1: a new Vary that the request lacks", GET, "200\n" TAG, "304\nVary: A\n" TAG, OURS,
     CONTRADICTS},
    {"9111 4.1: another name", GET "A: 1", "200\nVary: A\n" TAG, "304\nVary: B\n" TAG, OURS,
     CONTRADICTS},
    {"9111 4.1: a further name", GET "A: 1", "200\nVary: A\n" TAG, "304\nVary: A, B\n" TAG, OURS,
     CONTRADICTS},
    {"9111 4.1: fewer names", GET "A: 1", "200\nVary: A, B\n" TAG, "304\nVary: B\n" TAG, OURS,
     FRESHENS},
    {"9111 4.1: another order", GET "A: 1", "200\nVary: A, B\n" TAG, "304\nVary: B\nVary: A\n" TAG,
     OURS, FRESHENS},
    {"9111 4.1: anything", GET, "200\n" TAG, "304\nVary: *\n" TAG, OURS, CONTRADICTS},
    {"9111 4.1: a user", GET, "200\n" TAG, "304\nVary: Authorization\n" TAG, OURS, CONTRADICTS},

    /* HEAD. */
    {"9111 4.3.5: the same tag", HEAD, "200\n" TAG, "200\n" TAG, 0, FRESHENS},
    {"9111 4.3.5: another tag", HEAD, "200\n" TAG, "200\nETag: \"b\"", 0, OUTDATES},
    {"9111 4.3.5: the same weak tag", HEAD, "200\n" WEAK, "200\n" WEAK, 0, FRESHENS},
    {"9111 4.3.5: a weaker tag", HEAD, "200\n" TAG, "200\n" WEAK, 0, OUTDATES},
    {"9111 4.3.5: the same date", HEAD, "200\n" MODIFIED, "200\n" MODIFIED, 0, FRESHENS},
    {"9111 4.3.5: another date", HEAD, "200\n" MODIFIED, "200\nLast-Modified: @-99", 0, OUTDATES},
    {"9111 4.3.5: the same tag, another date", HEAD, "200\n" TAG MODIFIED,
     "200\n" TAG "Last-Modified: @-99", 0, OUTDATES},
    {"9111 4.3.5: a tag, but there was a date", HEAD, "200\n" MODIFIED, "200\n" TAG MODIFIED, 0,
     OUTDATES},
    {"9111 4.3.5: no validator", HEAD, "200\n" TAG, "200\n", 0, OUTDATES},
    {"9111 4.3.5: an empty tag beside the date", HEAD, "200\n" MODIFIED, "200\nETag:\n" MODIFIED, 0,
     OUTDATES},
    {"9111 4.3.5: no length", HEAD, "200\n" TAG, "200\nContent-Length: 0\n" TAG, 0, OUTDATES},
    {"9111 4.3.5: no validator on either side", HEAD, "200\n", "200\n", 0, OUTDATES},
    {"9111 4.3.5: the same length", HEAD, "200\n" TAG, "200\nContent-Length: 10\n" TAG, 0,
     FRESHENS},
    {"9111 4.3.5: another length", HEAD, "200\n" TAG, "200\nContent-Length: 11\n" TAG, 0, OUTDATES},
    {"9110 8.6: a malformed length", HEAD, "200\n" TAG, "200\nContent-Length: x\n" TAG, 0,
     UNRELATED},
    {"9111 4.3.5: the length of the whole", HEAD, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "200\nContent-Length: 10\n" TAG, 0, FRESHENS},
    {"9111 4.3.5: the length of a part", HEAD, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "200\nContent-Length: 4\n" TAG, 0, OUTDATES},
    {"9111 4.3.5: a new Vary", HEAD, "200\n" TAG, "200\nVary: A\n" TAG, 0, OUTDATES},
    {"9111 4.3.5: another status is stored", HEAD, "404\n" TAG, "200\n" TAG, 0, OUTDATES},
    {"9111 4.3.5: only 200 counts", HEAD, "200\n" TAG, "404\n", 0, UNRELATED},
    {"9111 4.3.5: a failure says nothing", HEAD, "200\n" TAG, "500\n", 0, UNRELATED},
    {"9111 4.3.5: nothing is stored", HEAD, NULL, "200\n" TAG, 0, UNRELATED},
    {"9110 5.5: malformed", HEAD, "200\n" TAG, "200\nX: ^@\n" TAG, 0, UNRELATED},
    {"9111 3.5: of another user", HEAD "Authorization: x", "200\n" TAG, "200\nETag: \"b\"", 0,
     UNRELATED},

    /* Parts. */
    {"9111 3.4: the bytes before", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\n" TAG, 0, COMPLETES},
    {"9111 3.4: the bytes after", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 7-9/10\n" TAG, 0, COMPLETES},
    {"9111 3.4: a gap", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 8-9/10\n" TAG, 0, UNRELATED},
    {"9111 3.4: another tag", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nETag: \"b\"", 0, UNRELATED},
    {"9111 3.4: a weak tag", GET, "206\nContent-Range: bytes 3-6/10\n" WEAK,
     "206\nContent-Range: bytes 0-2/10\n" WEAK, 0, UNRELATED},
    {"9111 3.4: no tag", GET, "206\nContent-Range: bytes 3-6/10\n",
     "206\nContent-Range: bytes 0-2/10\n", 0, UNRELATED},
    {"9110 15.3.7.3: another size", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/11\n" TAG, 0, UNRELATED},
    {"9110 14.4: an unknown size", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/*\n" TAG, 0, UNRELATED},
    {"9110 14.4: no range", GET, "206\nContent-Range: bytes 3-6/10\n" TAG, "206\n" TAG, 0,
     UNRELATED},
    {"9110 15.3.7.2: several ranges", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nContent-Type: multipart/byteranges; boundary=x\n" TAG, 0,
     UNRELATED},
    {"9110 8.6: another length", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nContent-Length: 4\n" TAG, 0, UNRELATED},
    {"9110 8.6: no length", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nContent-Length: 0\n" TAG, 0, UNRELATED},
    {"9110 8.6: the right length", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nContent-Length: 3\n" TAG, 0, COMPLETES},
    {"9111 3.4: of a whole", GET, "200\n" TAG, "206\nContent-Range: bytes 0-2/10\n" TAG, 0,
     COMPLETES},
    {"9111 3.3: a policy without parts", GET, "200\n" TAG, "206\nContent-Range: bytes 0-2/10\n" TAG,
     WHOLE, UNRELATED},
    {"9111 4.1: a new Vary", GET, "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nVary: A\n" TAG, 0, UNRELATED},
    {"9111 3.5: of another user", GET "Authorization: x", "206\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\n" TAG, 0, UNRELATED},
};

static void a_response_is_related_to_the_stored_one(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(relations); i++) {
    const struct relation *row = &relations[i];
    struct scene scene;
    begin(&scene, row->flags, row->request, row->stored, row->response);
    const cachette__http_stored *stored = row->stored != NULL ? &scene.stored : NULL;
    enum cachette__http_relation relation = cachette__http_relate(
        &scene.policy, &scene.asked, &scene.answered, stored, (row->flags & OURS) != 0);
    if (relation != row->expected) fail_msg("row %zu, %s: %d", i, row->rule, (int)relation);
    end(&scene);
  }
}

/* Whatever it says: otherwise a client could get the body that another one's validator is for. */
static void a_304_that_is_not_ours_never_yields_the_stored_body(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(relations); i++) {
    const struct relation *row = &relations[i];
    struct scene scene;
    begin(&scene, row->flags, row->request, row->stored, row->response);
    const cachette__http_stored *stored = row->stored != NULL ? &scene.stored : NULL;
    scene.response->status = 304;
    assert_int_equal(
        cachette__http_relate(&scene.policy, &scene.asked, &scene.answered, stored, false),
        NOT_OURS);
    enum cachette__http_relation relation =
        cachette__http_relate(&scene.policy, &scene.asked, &scene.answered, NULL, true);
    assert_int_equal(relation, NOT_OURS);
    end(&scene);
  }
}

static void a_304_is_not_about_the_response_to_other_fields(void **state) {
  (void)state;
  static const char *const requests[] = {GET "A: 1", GET "A: 2"};
  static const enum cachette__http_relation expected[] = {FRESHENS, CONTRADICTS};
  for (size_t i = 0; i < LENGTH(requests); i++) {
    struct scene scene;
    begin(&scene, 0, GET "A: 1", "200\nVary: A\n" TAG, "304\nVary: A\n" TAG);
    cachette_http_request *request = http_request_new(requests[i]);
    cachette__http_ask(&scene.policy, request, &scene.asked);
    assert_int_equal(
        cachette__http_relate(&scene.policy, &scene.asked, &scene.answered, &scene.stored, true),
        expected[i]);
    http_request_free(request);
    end(&scene);
  }
}

/* ---- Fields ---- */

static const struct merging {
  const char *rule, *stored, *response, *expected;
  unsigned flags;
} mergings[] = {
    {"9111 3.2: a new value", "200\n" DATE "A: 1\nB: 2", "304\n" DATE "A: 3", DATE "A: 3\nB: 2\n",
     0},
    {"9111 3.2: a new field", "200\nA: 1", "304\nB: 2", "B: 2\nA: 1\n", 0},
    {"9111 3.2: all lines are replaced", "200\nA: 1\nB: 2\nA: 3", "304\nA: 4", "A: 4\nB: 2\n", 0},
    {"9111 3.2: by all lines", "200\nA: 1", "304\nA: 2\nA: 3", "A: 2\nA: 3\n", 0},
    {"9111 3.2: names have no case", "200\nABC: 1", "304\nabc: 2", "abc: 2\n", 0},
    {"9111 3.2: an empty value", "200\nA: 1", "304\nA:", "A: \n", 0},
    {"9111 3.2: not Content-Length", "200\nContent-Length: 10", "304\nContent-Length: 0",
     "Content-Length: 10\n", 0},
    {"9111 3.2: nor a new one", "200\nA: 1", "304\nContent-Length: 0", "A: 1\n", 0},
    {"9111 3.2: not Content-Encoding", "200\nContent-Encoding: gzip", "304\nContent-Encoding: br",
     "Content-Encoding: gzip\n", 0},
    {"9111 3.2: not Content-Range", "200\nA: 1", "304\nContent-Range: bytes 0-1/2", "A: 1\n", 0},
    {"9111 3.2: but other Content-", "200\nContent-Foo: 1\nContent-Type: a/b",
     "304\nContent-Foo: 2\nContent-Type: a/c", "Content-Foo: 2\nContent-Type: a/c\n", 0},
    {"9111 3.1: not Connection", "200\nA: 1", "304\nConnection: x", "A: 1\n", 0},
    {"9111 3.1: nor what it lists", "200\nA: 1", "304\nConnection: a\nA: 2", "A: 1\n", 0},
    {"9111 3.1: nor Transfer-Encoding", "200\nA: 1", "304\nTransfer-Encoding: chunked", "A: 1\n",
     0},
    {"9111 5.1: nor Age", "200\nA: 1", "304\nAge: 5", "A: 1\n", 0},
    {"9111 7.3: nor Set-Cookie", "200\nA: 1", "304\nSet-Cookie: a=b", "A: 1\n", 0},
    {"9111 7.3: unless the policy stores it", "200\nSet-Cookie: a=c\nA: 1", "304\nSet-Cookie: a=b",
     "Set-Cookie: a=b\nA: 1\n", COOKIES},
    {"9111 5.2.2.7: nor what is private", "200\nA: 1", "304\nCache-Control: private=\"a\"\nA: 2",
     "Cache-Control: private=\"a\"\nA: 1\n", 0},
    {"9110 6.6.1: Date goes without a new one", "200\nDate: @-50\nA: 1", "304\nB: 2",
     "B: 2\nA: 1\n", 0},
    {"9110 6.6.1: Date is the new one", "200\nDate: @-50\nA: 1", "304\n" DATE, DATE "A: 1\n", 0},
    {"9111 3.2: Cache-Control as a whole", "200\nCache-Control: public, max-age=9",
     "304\nCache-Control: max-age=8", "Cache-Control: max-age=8\n", 0},
    {"9111 3.2: a weaker tag", "200\n" TAG, "304\n" WEAK, WEAK, 0},
};

/* Returns a value as the rows have it: the date of now is "@0". */
static void add_line(char text[512], const cachette_http_field *field) {
  static const char now[] = "Sun, 06 Nov 2044 08:49:37 GMT";
  bool is_now =
      field->value.size == sizeof now - 1 && memcmp(field->value.data, now, sizeof now - 1) == 0;
  size_t used = strlen(text);
  snprintf(text + used, 512 - used, "%.*s: %.*s\n", (int)field->name.size,
           (const char *)field->name.data, is_now ? 2 : (int)field->value.size,
           is_now                  ? "@0"
           : field->value.size > 0 ? (const char *)field->value.data
                                   : "");
}

static void an_updated_response_has_the_fields_of_both(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(mergings); i++) {
    const struct merging *row = &mergings[i];
    struct scene scene;
    char text[512] = "";
    cachette_http_field field;
    begin(&scene, row->flags, GET, row->stored, row->response);
    const cachette__http_merge merge = {&scene.policy, &scene.answered, &scene.stored};
    for (size_t at = 0; cachette__http_next_merged(&merge, &at, &field);) add_line(text, &field);
    if (strcmp(text, row->expected) != 0) fail_msg("%s:\n%s", row->rule, text);
    end(&scene);
  }
}

/* ---- Numbers ---- */

static const struct freshening {
  const char *rule, *request, *stored, *response;
  unsigned flags;
  const char *expected; /* the reason if there is one; lifetime, initial age; windows; flags */
} freshenings[] = {
    {"9111 4.3.4: a new lifetime", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: max-age=60\n" TAG, 0, "60 0"},
    {"9111 3.2: the old lifetime", GET, "200\nCache-Control: max-age=9\n" TAG, "304\n" TAG, 0,
     "9 0"},
    {"9111 3.2: the old lifetime, a new age", GET, "200\nCache-Control: max-age=9\nAge: 100\n" TAG,
     "304\nAge: 5\n" TAG, 0, "9 5"},
    {"9111 3.2: the old age does not stay", GET, "200\nCache-Control: max-age=9\nAge: 100\n" TAG,
     "304\n" TAG, 0, "9 0"},
    {"9110 6.6.1: nor does the old Date", GET, "200\nCache-Control: max-age=9\nDate: @-50\n" TAG,
     "304\n" TAG, 0, "9 0"},
    {"9111 4.2.3: the new Date", GET, "200\nCache-Control: max-age=9\nDate: @-50\n" TAG,
     "304\nDate: @-7\n" TAG, 0, "9 7"},
    {"9111 4.2.1: the old Expires", GET, "200\nDate: @-50\nExpires: @30\n" TAG,
     "304\nDate: @-10\n" TAG, 0, "40 10"},
    {"9111 4.2.1: the old Expires is over", GET, "200\nDate: @-50\nExpires: @-30\n" TAG,
     "304\n" DATE TAG, 0, "0 0"},
    {"9111 4.2.1: a new Expires", GET, "200\nDate: @-50\nExpires: @-30\n" TAG,
     "304\n" DATE "Expires: @60\n" TAG, 0, "60 0"},
    {"9111 5.3: the old max-age beats it", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\n" DATE "Expires: @60\n" TAG, 0, "9 0"},
    {"9111 4.2.2: a heuristic lifetime", GET, "200\n" DATE "Last-Modified: @-1000\n", "304\n" DATE,
     HEURISTIC, "100 0"},
    {"9111 5.2.2.4: no-cache now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: no-cache\n" TAG, 0, "0 0 always-validate"},
    {"9111 5.2.2.4: no-cache no more", GET, "200\nCache-Control: no-cache\n" TAG,
     "304\nCache-Control: max-age=9\n" TAG, 0, "9 0"},
    {"9111 5.2.2.2: must-revalidate now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: max-age=9, must-revalidate\n" TAG, 0, "9 0 never-stale"},
    {"9111 5.2.2.2: must-revalidate stays", GET,
     "200\nCache-Control: max-age=9, must-revalidate\n" TAG, "304\n" TAG, 0, "9 0 never-stale"},
    {"8246 2: immutable stays", GET, "200\nCache-Control: max-age=9, immutable\n" TAG, "304\n" TAG,
     0, "9 0 never-changes"},
    {"5861 3: windows stay", GET,
     "200\nCache-Control: max-age=9, stale-while-revalidate=4, stale-if-error=5\n" TAG, "304\n" TAG,
     0, "9 0 ~4 ~5"},
    {"5861 3: windows end", GET, "200\nCache-Control: max-age=9, stale-while-revalidate=4\n" TAG,
     "304\nCache-Control: max-age=8\n" TAG, 0, "8 0"},
    {"9213 2.2: the old targeted field stays", GET, "200\nCDN-Cache-Control: max-age=9\n" TAG,
     "304\nCache-Control: max-age=60\n" TAG, TARGETED, "9 0"},
    {"9213 2.2: a new targeted field", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCDN-Cache-Control: max-age=60\n" TAG, TARGETED, "60 0"},
    {"9111 3.5: public now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: max-age=9, public\n" TAG, 0, "9 0 for-all"},
    {"9111 3.5: public stays", GET, "200\nCache-Control: max-age=9, public\n" TAG, "304\n" TAG, 0,
     "9 0 for-all"},
    {"9111 3.5: public no more", GET, "200\nCache-Control: max-age=9, public\n" TAG,
     "304\nCache-Control: max-age=9\n" TAG, 0, "9 0"},
    {"9111 3.5: public no more, with credentials", GET "Authorization: x",
     "200\nCache-Control: max-age=9, public\n" TAG, "304\nCache-Control: max-age=9\n" TAG, 0,
     "credentials 9 0"},

    /* What must not be kept. */
    {"9111 5.2.2.5: no-store now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: no-store\n" TAG, 0, "no-store 0 0"},
    {"9111 5.2.2.7: private now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: private, max-age=9\n" TAG, 0, "private 9 0"},
    {"9111 5.2.2.7: private now, in a private cache", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nCache-Control: private, max-age=9\n" TAG, PRIVATE, "9 0 for-all"},
    {"9111 5.2.1.5: no-store of the request", GET "Cache-Control: no-store",
     "200\nCache-Control: max-age=9\n" TAG, "304\n" TAG, 0, "no-store 9 0"},
    {"9111 7.3: a cookie now", GET, "200\nCache-Control: max-age=9\n" TAG,
     "304\nSet-Cookie: a=b\n" TAG, 0, "set-cookie 9 0"},
    {"9111 7.3: a cookie now, of a policy that stores it", GET,
     "200\nCache-Control: max-age=9\n" TAG, "304\nSet-Cookie: a=b\n" TAG, COOKIES, "9 0"},

    {"9111 4.2.2: a status without heuristics", GET, "403\n" DATE "Last-Modified: @-1000\n",
     "304\n" DATE, HEURISTIC, "status 0 0"},

    /* Other responses than 304. */
    {"9111 4.3.5: HEAD", HEAD, "200\nCache-Control: max-age=9\n" TAG,
     "200\nCache-Control: max-age=60\n" TAG, 0, "60 0"},
    {"9111 3.4: a part, and then more", GET "Range: bytes=7-8",
     "206\nCache-Control: max-age=9\nContent-Range: bytes 3-6/10\n" TAG,
     "206\nContent-Range: bytes 7-8/10\n" TAG, 0, "9 0"},
    {"9111 3.4: a part, and then the whole", GET "Range: bytes=0-2",
     "206\nCache-Control: max-age=9\nContent-Range: bytes 3-9/10\n" TAG,
     "206\nContent-Range: bytes 0-2/10\nCache-Control: max-age=60\n" TAG, 0, "60 0"},
};

static void describe(enum cachette_http_reason reason, const cachette__http_stored *updated,
                     char text[160]) {
  static const char *const tokens[] = {
#define TOKEN(name, token, sentence) token,
      CACHETTE_HTTP_REASONS(TOKEN)
#undef TOKEN
  };
  static const char *const flags[] = {
      "", " for-all", " always-validate", " never-stale", " never-changes", " own-windows"};
  int used =
      snprintf(text, 160, "%s%s%lld %lld", tokens[reason], *tokens[reason] ? " " : "",
               (long long)updated->lifetime_ms / 1000, (long long)updated->initial_age_ms / 1000);
  if (updated->while_revalidate_ms > 0)
    used += snprintf(text + used, 160 - (size_t)used, " ~%d",
                     (int)(updated->while_revalidate_ms / 1000));
  if (updated->if_error_ms > 0)
    used += snprintf(text + used, 160 - (size_t)used, " ~%d", (int)(updated->if_error_ms / 1000));
  for (size_t i = 0; i < LENGTH(flags); i++)
    if (updated->flags >> i & 1) used += snprintf(text + used, 160 - (size_t)used, "%s", flags[i]);
}

static void an_updated_response_has_the_numbers_of_both(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(freshenings); i++) {
    const struct freshening *row = &freshenings[i];
    struct scene scene;
    cachette__http_stored updated;
    char text[160];
    begin(&scene, row->flags, row->request, row->stored, row->response);
    enum cachette_http_reason reason = cachette__http_freshen(
        &scene.policy, &scene.asked, &scene.answered, &scene.stored, &updated);
    describe(reason, &updated, text);
    if (strcmp(text, row->expected) != 0)
      fail_msg("%s: \"%s\", not \"%s\"", row->rule, text, row->expected);
    assert_int_equal(updated.generation, 9);
    assert_int_equal(updated.body_checksum, 7);
    assert_slice(updated.key, "key");
    assert_int_equal(updated.received_ms, HTTP_NOW_MS);
    end(&scene);
  }
}

static void an_update_keeps_status_body_and_range(void **state) {
  (void)state;
  static const struct {
    const char *stored, *response;
    int status;
    int64_t body, first, total;
  } cases[] = {
      {"200\n" TAG, "304\n" TAG, 200, 10, 0, -1},
      {"404\n" TAG, "304\n" TAG, 404, 10, 0, -1},
      {"200\n" TAG, "304\nContent-Length: 3\n" TAG, 200, 10, 0, -1},
      {"206\nContent-Range: bytes 3-6/10\n" TAG, "304\n" TAG, 206, 4, 3, 10},
      {"206\nContent-Range: bytes 3-6/10\n" TAG, "206\nContent-Range: bytes 5-8/10\n" TAG, 206, 6,
       3, 10},
      {"206\nContent-Range: bytes 3-6/10\n" TAG, "206\nContent-Range: bytes 0-9/10\n" TAG, 200, 10,
       0, -1},
      {"200\n" TAG, "206\nContent-Range: bytes 5-8/10\n" TAG, 200, 10, 0, -1},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    struct scene scene;
    cachette__http_stored updated;
    begin(&scene, 0, GET, cases[i].stored, cases[i].response);
    cachette__http_freshen(&scene.policy, &scene.asked, &scene.answered, &scene.stored, &updated);
    if (updated.status != cases[i].status || updated.body_size != cases[i].body ||
        updated.first_byte != cases[i].first || updated.total_size != cases[i].total)
      fail_msg("case %zu: %d", i, updated.status);
    assert_slice(updated.etag, "\"a\"");
    end(&scene);
  }
}

/* Nobody sends so many, and what is not read must not make a response more cacheable. */
static void too_many_lines_are_not_kept(void **state) {
  (void)state;
  for (size_t lines = 60; lines <= 70; lines++) {
    char text[4096] = "304\n" TAG;
    for (size_t i = 0; i < lines; i++) strcat(text, "Cache-Control: max-age=9\n");
    struct scene scene;
    cachette__http_stored updated;
    begin(&scene, 0, GET, "200\n" TAG, text);
    enum cachette_http_reason reason = cachette__http_freshen(
        &scene.policy, &scene.asked, &scene.answered, &scene.stored, &updated);
    assert_int_equal(
        reason, lines + 1 <= 64 ? CACHETTE_HTTP_BECAUSE_NONE : CACHETTE_HTTP_BECAUSE_MALFORMED);
    end(&scene);
  }
}

/* ---- Ranges ---- */

static const struct combining {
  const char *rule;
  int64_t first, body, total; /* of the stored part; total -1: it is whole */
  const char *range;          /* of the response */
  int64_t expected[3];        /* first, size, total; size 0: they do not fit */
} combinings[] = {
    {"9111 3.4: after it", 0, 5, 10, "bytes 5-9/10", {0, 10, -1}},
    {"9111 3.4: before it", 5, 5, 10, "bytes 0-4/10", {0, 10, -1}},
    {"9111 3.4: after it, not to the end", 0, 5, 10, "bytes 5-8/10", {0, 9, 10}},
    {"9111 3.4: before it, not from the beginning", 5, 5, 10, "bytes 1-4/10", {1, 9, 10}},
    {"9111 3.4: over its end", 2, 4, 10, "bytes 4-7/10", {2, 6, 10}},
    {"9111 3.4: over its beginning", 4, 4, 10, "bytes 2-5/10", {2, 6, 10}},
    {"9111 3.4: within it", 2, 6, 10, "bytes 4-5/10", {2, 6, 10}},
    {"9111 3.4: around it", 4, 2, 10, "bytes 2-7/10", {2, 6, 10}},
    {"9111 3.4: the same", 2, 6, 10, "bytes 2-7/10", {2, 6, 10}},
    {"9111 3.4: a gap after it", 0, 5, 10, "bytes 6-9/10", {0, 0, 0}},
    {"9111 3.4: a gap before it", 5, 5, 10, "bytes 0-3/10", {0, 0, 0}},
    {"9111 3.4: of a whole", 0, 10, -1, "bytes 3-4/10", {0, 10, -1}},
    {"9111 3.4: all of a whole", 0, 10, -1, "bytes 0-9/10", {0, 10, -1}},
    {"9110 15.3.7.3: of another whole", 0, 10, -1, "bytes 3-4/11", {0, 0, 0}},
    {"9110 15.3.7.3: of another size", 0, 5, 10, "bytes 5-9/11", {0, 0, 0}},
    {"9110 14.4: an unknown size", 0, 5, 10, "bytes 5-9/*", {0, 0, 0}},
    {"9110 14.4: both unknown", 0, 5, 0, "bytes 5-9/*", {0, 0, 0}},
    {"9110 14.4: unsatisfied", 0, 5, 10, "bytes */10", {0, 0, 0}},
    {"9110 14.4: beyond the size", 0, 5, 10, "bytes 5-10/10", {0, 0, 0}},
    {"9110 14.4: backwards", 0, 5, 10, "bytes 9-5/10", {0, 0, 0}},
    {"9110 14.4: another unit", 0, 5, 10, "lines 5-9/10", {0, 0, 0}},
    {"9110 14.4: malformed", 0, 5, 10, "5-9/10", {0, 0, 0}},
    {"a damaged record: larger than the whole", 4, 7, 10, "bytes 0-4/10", {0, 0, 0}},
    {"a damaged record: an overflow", INT64_MAX, INT64_MAX, 10, "bytes 0-4/10", {0, 0, 0}},
    {"a damaged record: a negative number", -1, 5, 10, "bytes 0-4/10", {0, 0, 0}},
    {"9110 14.4: very large",
     0,
     INT64_MAX - 2,
     INT64_MAX - 1,
     "bytes 9223372036854775805-9223372036854775805/9223372036854775806",
     {0, INT64_MAX - 1, -1}},
};

static void ranges_are_combined_if_they_touch(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(combinings); i++) {
    const struct combining *row = &combinings[i];
    const cachette_http_policy policy = {0};
    char text[128];
    snprintf(text, sizeof text, "206\nContent-Range: %s", row->range);
    cachette_http_response *response = http_response_new(text);
    cachette__http_answered answered;
    cachette__http_look_at_response(&policy, response, &answered);
    const cachette__http_stored stored = {.status = row->total < 0 ? 200 : 206,
                                          .body_size = row->body,
                                          .first_byte = row->first,
                                          .total_size = row->total};
    cachette__http_combination all = {-7, -7, -7};
    bool fits = cachette__http_combine_ranges(&answered, &stored, &all);
    if (fits != (row->expected[1] > 0)) fail_msg("%s", row->rule);
    if (fits && (all.first != row->expected[0] || all.size != row->expected[1] ||
                 all.total != row->expected[2]))
      fail_msg("%s: %lld+%lld/%lld", row->rule, (long long)all.first, (long long)all.size,
               (long long)all.total);
    if (!fits) assert_int_equal(all.first, -7);
    http_response_free(response);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_response_is_related_to_the_stored_one),
      cmocka_unit_test(a_304_that_is_not_ours_never_yields_the_stored_body),
      cmocka_unit_test(a_304_is_not_about_the_response_to_other_fields),
      cmocka_unit_test(an_updated_response_has_the_fields_of_both),
      cmocka_unit_test(an_updated_response_has_the_numbers_of_both),
      cmocka_unit_test(an_update_keeps_status_body_and_range),
      cmocka_unit_test(too_many_lines_are_not_kept),
      cmocka_unit_test(ranges_are_combined_if_they_touch),
  };
  return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
