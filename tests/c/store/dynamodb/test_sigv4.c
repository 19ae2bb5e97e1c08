/* SPDX-License-Identifier: MIT */
/*
 * The signatures of libcurl, with the options of the DynamoDB store, compared with the test suite
 * that AWS published for Signature Version 4. Credentials, date, region and service are those of
 * the suite. tests/python/test_dynamodb.py compares the signatures of real requests with
 * botocore's.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "support.h"

#define TOKEN                                                                                   \
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpS" \
  "PfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDY" \
  "wT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqK" \
  "mlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

static const struct vector {
  const char *name, *body, *header, *signed_headers, *signature;
} vectors[] = {
    {"get-vanilla", NULL, NULL, "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"post-vanilla", "", NULL, "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-case", "", "My-Header1: VALUE1", "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-x-www-form-urlencoded", "Param1=value1",
     "Content-Type: application/x-www-form-urlencoded", "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-sts-header-before", "", "X-Amz-Security-Token: " TOKEN,
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static char request[4096];

/* Reads a request into `request` and answers it. */
static void serve(peer *self, int fd) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  size_t size = 0;
  (void)self;
  while (strstr(request, "\r\n\r\n") == NULL && size < sizeof request - 1) {
    ssize_t count = read(fd, request + size, sizeof request - 1 - size);
    if (count <= 0) return;
    size += (size_t)count;
    request[size] = '\0';
  }
  peer_write(fd, answer, sizeof answer - 1);
}

static void sign(const struct vector *vector) {
  peer server;
  char to[32];
  peer_start(&server, serve);
  snprintf(to, sizeof to, "::127.0.0.1:%u", server.port);
  struct curl_slist *targets = curl_slist_append(NULL, to);
  struct curl_slist *headers = curl_slist_append(NULL, "X-Amz-Date: 20150830T123600Z");
  if (vector->header != NULL) headers = curl_slist_append(headers, vector->header);
  CURL *easy = curl_easy_init();
  assert_non_null(easy);
  curl_easy_setopt(easy, CURLOPT_URL, "http://example.amazonaws.com/");
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, targets);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, "aws:amz:us-east-1:service");
  curl_easy_setopt(easy, CURLOPT_USERNAME, "AKIDEXAMPLE");
  curl_easy_setopt(easy, CURLOPT_PASSWORD, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  if (vector->body != NULL) curl_easy_setopt(easy, CURLOPT_POSTFIELDS, vector->body);
  CURLcode code = curl_easy_perform(easy);
  if (code != CURLE_OK) fail_msg("%s: %s", vector->name, curl_easy_strerror(code));
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  curl_slist_free_all(targets);
  peer_stop(&server);
}

static void signatures_match_the_published_test_suite(void **state) {
  (void)state;
  for (size_t i = 0; i < LENGTH(vectors); i++) {
    char wanted[512];
    memset(request, 0, sizeof request);
    sign(&vectors[i]);
    snprintf(wanted, sizeof wanted,
             "\r\nAuthorization: AWS4-HMAC-SHA256 "
             "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
             "SignedHeaders=%s, Signature=%s\r\n",
             vectors[i].signed_headers, vectors[i].signature);
    if (strstr(request, wanted) == NULL) fail_msg("%s: %s", vectors[i].name, request);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(signatures_match_the_published_test_suite),
  };
  return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
