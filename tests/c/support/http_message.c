/* SPDX-License-Identifier: MIT */
#include "http_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

cachette_slice http_copy(const void *bytes, size_t size) {
  if (size == 0) return (cachette_slice){NULL, 0};
  void *copy = malloc(size);
  assert_non_null(copy);
  return (cachette_slice){memcpy(copy, bytes, size), size};
}

void http_free(cachette_slice copy) {
  free((void *)copy.data); /* the block is ours; only its readers may not change it */
}

/* ---- Fields ---- */

/* Formats a date with the C library, independently of the code under test. */
static cachette_slice date_of(const char *offset) {
  static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char *end, text[64];
  time_t seconds = (time_t)(HTTP_NOW + strtoll(offset, &end, 10));
  assert_int_equal(*end, '\0');
  struct tm parts;
  assert_non_null(gmtime_r(&seconds, &parts));
  int size = snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[parts.tm_wday],
                      parts.tm_mday, months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour,
                      parts.tm_min, parts.tm_sec);
  return http_copy(text, (size_t)size);
}

static cachette_slice value_of(const char *text, size_t size) {
  char value[4096];
  size_t used = 0;
  assert_true(size < sizeof value);
  for (size_t i = 0; i < size; i++) {
    bool is_control = text[i] == '^' && i + 1 < size && text[i + 1] >= '@' && text[i + 1] <= '_';
    value[used++] = is_control ? (char)(text[++i] - '@') : text[i];
  }
  value[used] = '\0';
  return *value == '@' ? date_of(value + 1) : http_copy(value, used);
}

static cachette_http_field field_of(const char *line, size_t size) {
  const char *colon = memchr(line, ':', size);
  assert_non_null(colon);
  const char *begin = colon + 1, *end = line + size;
  while (begin < end && *begin == ' ') begin++;
  while (end > begin && end[-1] == ' ') end--;
  return (cachette_http_field){value_of(line, (size_t)(colon - line)),
                               value_of(begin, (size_t)(end - begin))};
}

cachette_http_fields http_fields_new(const char *text) {
  size_t count = 0, filled = 0;
  for (const char *at = text; *at != '\0'; at++) count += at == text || at[-1] == '\n';
  if (count == 0) return (cachette_http_fields){NULL, 0};
  cachette_http_field *list = calloc(count, sizeof *list);
  assert_non_null(list);
  for (const char *at = text; *at != '\0';) {
    size_t size = strcspn(at, "\n");
    list[filled++] = field_of(at, size);
    at += size + (at[size] == '\n');
  }
  return (cachette_http_fields){list, count};
}

void http_fields_free(cachette_http_fields fields) {
  for (size_t i = 0; i < fields.count; i++) {
    http_free(fields.list[i].name);
    http_free(fields.list[i].value);
  }
  free((void *)fields.list);
}

cachette_slice http_value(cachette_http_fields fields, const char *name) {
  cachette_slice value = {NULL, 0};
  size_t lines = 0;
  for (size_t i = 0; i < fields.count; i++) {
    cachette_slice other = fields.list[i].name;
    if (other.size != strlen(name) || strncasecmp(other.data, name, other.size) != 0) continue;
    value = fields.list[i].value;
    lines++;
  }
  return lines == 1 ? value : (cachette_slice){NULL, 0};
}

/* ---- Messages ---- */

/* Takes the text up to one of the `ends`, or all, off the front. */
static cachette_slice take(const char **at, const char *line_end, const char *ends) {
  size_t size = strcspn(*at, ends), most = (size_t)(line_end - *at);
  cachette_slice part = http_copy(*at, size < most ? size : most);
  *at += part.size;
  return part;
}

static void read_uri(cachette_http_request *request, const char *at, const char *end) {
  const char *authority = strstr(at, "://");
  if (*at != '/' && authority != NULL && authority < end) { /* not one in a query */
    request->scheme = take(&at, end, ":");
    at += strlen("://");
    request->authority = take(&at, end, "/?\n");
  }
  request->path = take(&at, end, "?\n");
  if (at == end) return;
  at++;
  request->query = take(&at, end, "\n");
  /* An empty query is not the same as none. */
  if (request->query.data == NULL) request->query.data = malloc(1);
}

cachette_http_request *http_request_new(const char *text) {
  cachette_http_request *request = calloc(1, sizeof *request);
  assert_non_null(request);
  const char *end = text + strcspn(text, "\n"), *at = text;
  request->method = take(&at, end, " \n");
  while (*at == ' ') at++;
  read_uri(request, at, end);
  request->fields = http_fields_new(*end == '\n' ? end + 1 : end);
  return request;
}

void http_request_free(cachette_http_request *request) {
  http_free(request->method);
  http_free(request->scheme);
  http_free(request->authority);
  http_free(request->path);
  http_free(request->query);
  http_fields_free(request->fields);
  free(request);
}

/* Reads the words after the status. */
static void read_words(cachette_http_response *response, const char *at, const char *end) {
  while (at < end) {
    char name[16];
    long long number;
    int used = 0;
    assert_int_equal(sscanf(at, " %15[a-z]=%lld%n", name, &number, &used), 2);
    at += used;
    if (strcmp(name, "body") == 0)
      response->body_size = number;
    else if (strcmp(name, "asked") == 0)
      response->requested_ms += number;
    else if (strcmp(name, "received") == 0)
      response->received_ms += number;
    else
      fail_msg("unknown word: %s", name);
  }
}

/* Takes the first line out of the fields if it is the application's own control. */
static void take_control(cachette_http_response *response) {
  static const char name[] = "(control)";
  cachette_http_field *list = (cachette_http_field *)response->fields.list; /* the block is ours */
  if (response->fields.count == 0 || list[0].name.size != strlen(name) ||
      memcmp(list[0].name.data, name, strlen(name)) != 0)
    return;
  http_free(list[0].name);
  response->control = list[0].value;
  response->fields.count--;
  memmove(list, list + 1, response->fields.count * sizeof *list);
}

cachette_http_response *http_response_new(const char *text) {
  cachette_http_response *response = calloc(1, sizeof *response);
  assert_non_null(response);
  char *at;
  const char *end = text + strcspn(text, "\n");
  response->status = (int)strtol(text, &at, 10);
  response->fields = http_fields_new(*end == '\n' ? end + 1 : end);
  take_control(response);
  response->body_size = -1;
  response->requested_ms = response->received_ms = HTTP_NOW_MS;
  read_words(response, at, end);
  return response;
}

void http_response_free(cachette_http_response *response) {
  http_free(response->control);
  http_fields_free(response->fields);
  free(response);
}
