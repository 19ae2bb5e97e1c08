/* SPDX-License-Identifier: MIT */
/*
 * The origin of the example http_cache: a tiny server with a few resources. It counts its requests,
 * so that you see which ones reach it. It sends no ranges; the cache makes them.
 *
 *     /time      the time and the count; fresh for MAX_AGE seconds, usable for a minute more if
 *                this server is down
 *     /file      1,000 digits; fresh for a minute
 *     /greeting  in the client's language; for a minute after its end, refreshed in the background
 *     /private   not for a shared cache
 */
#include "http_origin.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http_message.h"

enum { TEXT_SIZE = 1024, FIELDS_SIZE = 8 };

/* A response. The texts are static, or in this struct. */
typedef struct page {
  const char *control, *vary;
  char body[TEXT_SIZE], etag[32], modified[64], date[64], length[24];
} page;

static long request_count;
static int time_max_age;
static time_t started;

static void print_date(char *text, size_t size, time_t moment) {
  struct tm parts;
  strftime(text, size, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&moment, &parts));
}

static bool is(cachette_slice text, const char *expected) {
  return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

/* ---- Resources ---- */

static void make_time(page *self) {
  static char control[64];
  snprintf(control, sizeof control, "max-age=%d, stale-if-error=60", time_max_age);
  self->control = control;
  print_date(self->modified, sizeof self->modified, time(NULL));
  snprintf(self->etag, sizeof self->etag, "\"time-%ld\"", (long)time(NULL));
  snprintf(self->body, sizeof self->body, "%s, request %ld\n", self->modified, request_count);
}

static void make_file(page *self) {
  self->control = "max-age=60";
  snprintf(self->etag, sizeof self->etag, "\"digits\"");
  print_date(self->modified, sizeof self->modified, started);
  for (int i = 0; i < 1000; i++) self->body[i] = (char)('0' + i % 10);
}

static void make_greeting(page *self, cachette_slice language) {
  bool is_french = is(language, "fr");
  self->control = "max-age=1, stale-while-revalidate=60";
  self->vary = "Accept-Language";
  snprintf(self->etag, sizeof self->etag, "\"%s\"", is_french ? "fr" : "en");
  snprintf(self->body, sizeof self->body, "%s\n", is_french ? "bonjour" : "hello");
}

static void make_private(page *self) {
  self->control = "private, max-age=60";
  snprintf(self->body, sizeof self->body, "for you alone, request %ld\n", request_count);
}

/* Returns the status of the answer. */
static int make_page(page *self, const message *asked) {
  *self = (page){0};
  if (is(asked->path, "/time"))
    make_time(self);
  else if (is(asked->path, "/file"))
    make_file(self);
  else if (is(asked->path, "/greeting"))
    make_greeting(self, message_field(asked, "accept-language"));
  else if (is(asked->path, "/private"))
    make_private(self);
  else
    return 404;
  if (is(asked->method, "POST")) return 204; /* as if it changed something */
  if (!is(asked->method, "GET") && !is(asked->method, "HEAD")) return 405;
  bool is_known = self->etag[0] != '\0' && is(message_field(asked, "if-none-match"), self->etag);
  return is_known ? 304 : 200;
}

/* ---- The server ---- */

static size_t add_field(cachette_http_field *fields, size_t count, const char *name,
                        const char *value) {
  if (value == NULL || *value == '\0') return count;
  fields[count] = (cachette_http_field){cachette_str(name), cachette_str(value)};
  return count + 1;
}

static void send_page(int client, page *self, int status, bool is_head) {
  cachette_http_field fields[FIELDS_SIZE];
  bool has_body = status == 200 && !is_head;
  print_date(self->date, sizeof self->date, time(NULL));
  snprintf(self->length, sizeof self->length, "%zu", status == 200 ? strlen(self->body) : 0);
  size_t count = add_field(fields, 0, "Date", self->date);
  if (status == 200 || status == 304) {
    count = add_field(fields, count, "Cache-Control", self->control);
    count = add_field(fields, count, "ETag", self->etag);
    count = add_field(fields, count, "Last-Modified", self->modified);
    count = add_field(fields, count, "Vary", self->vary);
  }
  if (status != 304 && status != 204)
    count = add_field(fields, count, "Content-Length", self->length);
  char first[32];
  snprintf(first, sizeof first, "HTTP/1.1 %d ", status);
  message_write(client, first, fields, count, cachette_str(has_body ? self->body : ""));
}

static void serve(int client) {
  message asked = {0};
  page answer = {0};
  int status = message_read_request(&asked, client);
  if (status == 0) {
    request_count++;
    status = make_page(&answer, &asked);
  }
  send_page(client, &answer, status, is(asked.method, "HEAD"));
  message_free(&asked);
}

void run_origin(int port, int max_age) {
  int listening = message_listen(port);
  time_max_age = max_age;
  started = time(NULL);
  for (;;) {
    int client = message_accept(listening);
    if (client < 0) continue;
    serve(client);
    close(client);
  }
}
