/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <ctype.h>
#include <errno.h>

cachette__aws_credentials *cachette__aws_owner(cachette__http_request *request) {
  return (cachette__aws_credentials *)((char *)request -
                                       offsetof(cachette__aws_credentials, request));
}

bool cachette__aws_begin(cachette__aws_credentials *credentials, const char *url,
                         void (*done)(cachette__http_request *request)) {
  cachette__http_request *request = &credentials->request;
  if (request->answer.bytes != NULL) cachette__wipe(request->answer.bytes, request->answer.room);
  cachette__http_drop(request);
  if (!cachette__http_begin(credentials->client->http, request, url)) return false;
  request->done = done;
  request->answer_most = 1 << 16;
  return true;
}

char *cachette__aws_read_token(const cachette__aws_credentials *credentials, const char *path,
                               const char *named, cachette_error *error) {
  size_t size;
  char shown[80], *expanded = cachette__aws_path(credentials->client->settings->folder, path);
  char *text = expanded != NULL ? cachette__aws_read_file(expanded, &size) : NULL;
  int reason = expanded != NULL ? errno : ENOMEM;
  if (expanded != NULL) cachette__aws_show_path(expanded, shown, sizeof shown);
  cachette__free(expanded);
  if (text == NULL && reason == ENOMEM)
    cachette__aws_no_memory(error);
  else if (text == NULL)
    cachette__fail(error, CACHETTE_EBACKEND, named,
                   "The file %s with the token for AWS credentials, which \"%s\" names, cannot be "
                   "read: %s.",
                   shown, named, strerror(reason));
  while (text != NULL && size > 0 && isspace((unsigned char)text[size - 1])) text[--size] = '\0';
  return text;
}

bool cachette__aws_add_secret(cachette__http_request *request, const char *name,
                              const char *value) {
  cachette__text line = {0};
  cachette__text_printf(&line, "%s: %s", name, value);
  bool fine = !line.failed && cachette__http_header(request, line.bytes);
  if (line.bytes != NULL) cachette__wipe(line.bytes, line.size);
  cachette__text_deinit(&line);
  return fine;
}

void cachette__aws_add_encoded(cachette__text *text, const char *plain) {
  for (; *plain != '\0'; plain++) {
    unsigned char byte = (unsigned char)*plain;
    if (isalnum(byte) || strchr("-_.~", byte) != NULL)
      cachette__text_add(text, plain, 1);
    else
      cachette__text_printf(text, "%%%02X", byte);
  }
}

enum cachette__aws_found cachette__aws_asked(cachette__aws_credentials *credentials, bool fine,
                                             cachette_error *error) {
  if (fine) return CACHETTE__AWS_ASKED;
  cachette__http_drop(&credentials->request);
  return cachette__aws_no_memory(error);
}

void cachette__aws_fault(cachette__aws_credentials *credentials, const char *server,
                         const char *said) {
  const cachette__http_request *request = &credentials->request;
  cachette_error error;
  char shown[101];
  cachette__key_text((cachette_slice){said, strcspn(said, "\r\n")}, shown, sizeof shown);
  if (request->result == CURLE_OUT_OF_MEMORY || request->answer.failed)
    cachette__aws_no_memory(&error);
  else if (request->status == 0)
    cachette__fail(
        &error, CACHETTE_EUNAVAILABLE, NULL,
        "AWS credentials could not be fetched from %s: %.120s.", server,
        request->fault[0] != '\0' ? request->fault : curl_easy_strerror(request->result));
  else
    cachette__fail(&error, CACHETTE_EBACKEND, NULL,
                   "AWS credentials could not be fetched from %s: it answered with HTTP status "
                   "%ld%s%s.",
                   server, request->status, *shown != '\0' ? ": " : "", shown);
  cachette__aws_failed(credentials, &error);
}

json_t *cachette__aws_answer(const cachette__aws_credentials *credentials) {
  const cachette__text *answer = &credentials->request.answer;
  return answer->size > 0 ? json_loadb(answer->bytes, answer->size, 0, NULL) : NULL;
}

const char *cachette__aws_text(json_t *object, const char *name) {
  json_t *member = cachette__dynamo_member(object, name, JSON_STRING);
  const char *text = member != NULL ? json_string_value(member) : "";
  return *text != '\0' ? text : NULL;
}
