/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../../../base/alloc.h"

enum {
  CONNECTIONS_MAX = 32,
  IDLE_MAX = 8,                        /* libcurl handles cached for later requests */
  RESPONSE_SIZE_MAX = 64 * 1024 * 1024 /* a response of DynamoDB has at most 16 MB, before base64 */
};

/*
 * A socket of libcurl that libuv watches. The watch of a connection is created and freed together
 * with its socket, because libcurl cannot handle a later failure. Other watches exist only while
 * libcurl needs them.
 */
typedef struct watch {
  uv_poll_t poll;
  cachette__http *http;
  curl_socket_t socket;
  bool is_temporary;  /* the socket is not a connection */
  struct watch *next; /* in the list of connections */
} watch;

struct cachette__http {
  CURLM *multi;
  uv_timer_t timer;
  uv_loop_t *loop;
  size_t open_handles; /* of libuv: the timer and the watches */
  watch *connections;
  CURL *idle[IDLE_MAX];
  size_t idle_count;
  bool closing, forked;
  void (*closed)(void *owner);
  void *owner;
};

static void on_handle_closed(cachette__http *http) {
  if (--http->open_handles > 0) return;
  http->closed(http->owner);
  cachette__free(http);
}

/* ---- Completed requests ---- */

static void release_easy(cachette__http *http, CURL *easy) {
  if (http->idle_count < IDLE_MAX)
    http->idle[http->idle_count++] = easy;
  else
    curl_easy_cleanup(easy);
}

static void detach_easy(cachette__http_request *request) {
  curl_multi_remove_handle(request->http->multi, request->easy);
  release_easy(request->http, request->easy);
  request->easy = NULL;
  curl_slist_free_all(request->headers);
  request->headers = NULL;
}

/* Whether the environment names a proxy with a user name and password, which libcurl's message may
 * contain. */
static bool has_secret_proxy(void) {
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                      "ALL_PROXY"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL && strchr(value, '@') != NULL) return true;
  }
  return false;
}

/* libcurl's message contains the URL of a proxy that it cannot parse. */
static void redact_proxy(cachette__http_request *request) {
  if (strcasestr(request->reason, "proxy") != NULL || has_secret_proxy())
    snprintf(request->reason, sizeof request->reason, "%s", curl_easy_strerror(request->result));
}

static void complete_requests(cachette__http *http) {
  CURLMsg *message;
  int left;
  while (!http->closing && (message = curl_multi_info_read(http->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    cachette__http_request *request;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    request->result = message->data.result;
    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &request->status);
    if (request->reason[0] != '\0') redact_proxy(request);
    detach_easy(request);
    request->done(request);
  }
}

static void perform(cachette__http *http, curl_socket_t socket, int events) {
  int running;
  curl_multi_socket_action(http->multi, socket, events, &running);
  complete_requests(http);
}

/* ---- Watches ---- */

static void on_timer(uv_timer_t *timer) { perform(timer->data, CURL_SOCKET_TIMEOUT, 0); }

static int timer_callback(CURLM *multi, long delay_ms, void *data) {
  (void)multi;
  cachette__http *http = data;
  if (http->closing) return 0;
  uv_update_time(http->loop);
  if (delay_ms < 0)
    uv_timer_stop(&http->timer);
  else
    uv_timer_start(&http->timer, on_timer, (uint64_t)delay_ms, 0);
  return 0;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  watch *self = poll->data;
  int ready = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) ready |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) ready |= CURL_CSELECT_OUT;
  perform(self->http, self->socket, ready);
}

static void on_watch_closed(uv_handle_t *handle) {
  watch *self = handle->data;
  on_handle_closed(self->http);
  cachette__free(self);
}

static void stop_watch(cachette__http *http, watch *self) {
  if (http->forked)
    cachette__free(self);
  else
    uv_close((uv_handle_t *)&self->poll, on_watch_closed);
}

static watch *start_watch(cachette__http *http, curl_socket_t socket, bool is_temporary) {
  watch *self = cachette__malloc(sizeof *self);
  if (self == NULL) return NULL;
  *self = (watch){.http = http, .socket = socket, .is_temporary = is_temporary};
  if (uv_poll_init_socket(http->loop, &self->poll, socket) < 0) {
    cachette__free(self);
    return NULL;
  }
  self->poll.data = self;
  http->open_handles++;
  return self;
}

static watch *find_watch(const cachette__http *http, curl_socket_t socket) {
  watch *each = http->connections;
  while (each != NULL && each->socket != socket) each = each->next;
  return each;
}

/* A socket that is not a connection signals the end of a name look-up. libcurl also polls for that,
 * so a watch that cannot be created does not matter. */
static int socket_callback(CURL *easy, curl_socket_t socket, int what, void *data,
                           void *socket_data) {
  (void)easy;
  cachette__http *http = data;
  watch *self = socket_data != NULL ? socket_data : find_watch(http, socket);
  if (self == NULL && what != CURL_POLL_REMOVE && !http->forked)
    self = start_watch(http, socket, true);
  if (self == NULL) return 0;
  if (what == CURL_POLL_REMOVE) {
    curl_multi_assign(http->multi, socket, NULL);
    if (self->is_temporary)
      stop_watch(http, self);
    else if (!http->forked)
      uv_poll_stop(&self->poll);
    return 0;
  }
  curl_multi_assign(http->multi, socket, self);
  if (http->forked) return 0;
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  uv_poll_start(&self->poll, events, on_ready);
  return 0;
}

/* ---- Connections ---- */

/* libcurl does not report that it closes the socket of a cancelled connect (seen in 7.88), so a
 * watch may be left over. It is removed when the descriptor is reused, or at the close. */

static void remove_watch(cachette__http *http, curl_socket_t socket) {
  watch **at = &http->connections;
  while (*at != NULL && (*at)->socket != socket) at = &(*at)->next;
  if (*at == NULL) return;
  watch *removed = *at;
  *at = removed->next;
  stop_watch(http, removed);
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  cachette__http *http = data;
  int fd = socket(address->family, address->socktype, address->protocol);
  if (fd >= 0) remove_watch(http, fd);
  watch *created = fd < 0 ? NULL : start_watch(http, fd, false);
  if (created == NULL) {
    if (fd >= 0) close(fd);
    return CURL_SOCKET_BAD;
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  created->next = http->connections;
  http->connections = created;
  return fd;
}

static int close_socket(void *data, curl_socket_t socket) {
  remove_watch(data, socket);
  return close(socket);
}

/* Redirects the sockets to /dev/null: the connections belong to the parent, and libcurl writes to
 * them during its clean-up. */
static void disconnect_sockets(cachette__http *http) {
  int null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (watch *each = http->connections; null_device >= 0 && each != NULL; each = each->next)
    dup2(null_device, each->socket);
  if (null_device >= 0) close(null_device);
}

/* ---- Open and close ---- */

cachette__http *cachette__http_open(uv_loop_t *loop, void (*closed)(void *owner), void *owner) {
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return NULL;
  cachette__http *http = cachette__calloc(1, sizeof *http);
  if (http == NULL) return NULL;
  *http = (cachette__http){.loop = loop, .open_handles = 1, .closed = closed, .owner = owner};
  http->multi = curl_multi_init();
  if (http->multi == NULL) {
    cachette__free(http);
    return NULL;
  }
  curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_callback);
  curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
  curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_callback);
  curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
  curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
  curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
  curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
  uv_timer_init(loop, &http->timer);
  http->timer.data = http;
  return http;
}

static void on_timer_closed(uv_handle_t *handle) { on_handle_closed(handle->data); }

void cachette__http_stop(cachette__http *http, bool forked) {
  http->closing = true;
  http->forked = forked;
  if (forked) disconnect_sockets(http);
}

void cachette__http_close(cachette__http *http) {
  for (size_t i = 0; i < http->idle_count; i++) curl_easy_cleanup(http->idle[i]);
  curl_multi_cleanup(http->multi);
  while (http->connections != NULL) remove_watch(http, http->connections->socket);
  if (http->forked) {
    http->closed(http->owner);
    cachette__free(http);
  } else {
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
  }
}

/* ---- Requests ---- */

static size_t take_body(char *bytes, size_t size, size_t count, void *data) {
  cachette__http_request *request = data;
  if (size * count > request->response_limit - request->response.size) return 0;
  cachette__text_add(&request->response, bytes, size * count);
  return request->response.failed ? 0 : size * count;
}

/* Copies the trimmed value of a header, if it has this name. */
static bool take_value(const char *line, size_t size, const char *name, char *value,
                       size_t capacity) {
  size_t length = strlen(name);
  if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':') return false;
  line += length + 1;
  size -= length + 1;
  while (size > 0 && (*line == ' ' || *line == '\t')) line++, size--;
  while (size > 0 && strchr(" \t\r\n", line[size - 1]) != NULL) size--;
  if (size >= capacity) size = capacity - 1;
  memcpy(value, line, size);
  value[size] = '\0';
  return true;
}

static size_t take_header(char *line, size_t size, size_t count, void *data) {
  cachette__http_request *request = data;
  char value[64];
  size *= count;
  take_value(line, size, "x-amzn-requestid", request->request_id, sizeof request->request_id);
  if (take_value(line, size, "x-amz-crc32", value, sizeof value)) {
    request->has_crc32 = true;
    request->crc32 = (uint32_t)strtoul(value, NULL, 10);
  }
  if (take_value(line, size, "date", value, sizeof value)) {
    time_t seconds = curl_getdate(value, NULL);
    request->server_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
  }
  return size;
}

static int on_prerequest(void *data, char *address, char *own_address, int port, int own_port) {
  cachette__http_request *request = data;
  (void)address, (void)own_address, (void)port, (void)own_port;
  bool is_resend = request->is_started;
  request->is_started = true;
  return is_resend && request->send_once ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static CURL *acquire_easy(cachette__http *http) {
  if (http->idle_count == 0) return curl_easy_init();
  CURL *easy = http->idle[--http->idle_count];
  curl_easy_reset(easy);
  return easy;
}

static void clear_response(cachette__http_request *request) {
  cachette__text_clear(&request->response);
  request->result = CURLE_OK;
  request->status = 0;
  request->reason[0] = request->request_id[0] = '\0';
  request->has_crc32 = request->is_started = false;
  request->server_ms = 0;
  request->response_limit = RESPONSE_SIZE_MAX;
}

bool cachette__http_begin(cachette__http *http, cachette__http_request *request, const char *url) {
  clear_response(request);
  CURL *easy = acquire_easy(http);
  if (easy == NULL) return false;
  request->easy = easy;
  request->http = http;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for name look-ups at the close */
  curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->reason);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prerequest);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  if (curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK) return true;
  cachette__http_cancel(request);
  return false;
}

bool cachette__http_header(cachette__http_request *request, const char *line) {
  struct curl_slist *list = curl_slist_append(request->headers, line);
  if (list != NULL) request->headers = list;
  return list != NULL;
}

bool cachette__http_secret_header(cachette__http_request *request, const char *name,
                                  const char *value) {
  cachette__text line = {0};
  cachette__text_printf(&line, "%s: %s", name, value);
  bool ok = !line.failed && cachette__http_header(request, line.bytes);
  if (line.bytes != NULL) cachette__wipe(line.bytes, line.size);
  cachette__text_deinit(&line);
  return ok;
}

bool cachette__http_send(cachette__http_request *request, const cachette__text *body,
                         int64_t timeout_ms) {
  CURL *easy = request->easy;
  long limit = timeout_ms < 1 ? 1 : timeout_ms > 3600000 ? 3600000 : (long)timeout_ms;
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limit);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
  if (body != NULL) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->bytes != NULL ? body->bytes : "");
  }
  return curl_multi_add_handle(request->http->multi, easy) == CURLM_OK;
}

void cachette__http_cancel(cachette__http_request *request) {
  if (request->easy != NULL) detach_easy(request);
  cachette__text_deinit(&request->response);
}
