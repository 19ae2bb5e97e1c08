/* SPDX-License-Identifier: MIT */
#include "cluster_config.h"

#include <string.h>

#include "../../base/alloc.h"
#include "../../base/slice.h"

void cachette__cluster_config_init(cachette__cluster_config *config, bool is_text) {
  *config = (cachette__cluster_config){.is_text = is_text};
}

void cachette__cluster_config_deinit(cachette__cluster_config *config) {
  cachette__free(config->value);
  config->value = NULL;
}

static int fail(cachette__cluster_config *config, int code, const char *reason) {
  config->code = code;
  config->reason = reason;
  return code;
}

/* ---- Tokens ---- */

/* Every error in the text protocol that is not the server's trouble means an unknown command. */
static bool take_error(cachette__cluster_config *config, cachette_slice line) {
  bool has_trouble = cachette__begins(line, 0, cachette_str("SERVER_ERROR")) ||
                     cachette__begins(line, 0, cachette_str("out of memory"));
  cachette__key_text(line, config->error, sizeof config->error);
  fail(config, has_trouble ? CACHETTE_EBACKEND : CACHETTE_EUNSUPPORTED, "it is an error");
  return true;
}

static bool take_value(cachette__cluster_config *config, const cachette__meta_token *token) {
  if (token->line.data != NULL) { /* the first part */
    if (config->value != NULL) return fail(config, CACHETTE_EBACKEND, "it comes twice") != 0;
    if (token->size > CACHETTE__CLUSTER_CONFIG_MAX)
      return fail(config, CACHETTE_EBACKEND, "it is too large") != 0;
    config->value = cachette__malloc(token->size + 1);
    if (config->value == NULL) return fail(config, CACHETTE_ENOMEM, "memory is out") != 0;
    config->size = token->size;
  }
  if (token->bytes.size > 0)
    memcpy(config->value + token->offset, token->bytes.data, token->bytes.size);
  config->received = token->offset + token->bytes.size;
  return token->end && !config->is_text;
}

bool cachette__cluster_config_take(cachette__cluster_config *config,
                                   const cachette__meta_token *token) {
  switch (token->type) {
    case CACHETTE__META_VALUE:
      return take_value(config, token);
    case CACHETTE__META_ERROR:
      return take_error(config, token->line);
    case CACHETTE__META_LINE:
      if (cachette__begins(token->line, 0, cachette_str("END"))) return true;
      if (config->value != NULL && token->line.size == 0) return false; /* one line end too many */
      break;
    default:
      break;
  }
  fail(config, CACHETTE_EBACKEND, "it is not what \"config get cluster\" returns");
  return true;
}

/* ---- The value ---- */

/* What is left of the value. */
typedef struct text {
  const char *at, *end;
} text;

/* Reads digits up to `max`. Returns false if there are none, or if the number is too large. */
static bool read_number(text *in, uint64_t max, uint64_t *number) {
  const char *begin = in->at;
  uint64_t value = 0;
  for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
    unsigned digit = (unsigned)(*in->at - '0');
    if (value > (max - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *number = value;
  return in->at > begin;
}

/* Moves to the next line. Returns false if the current one does not end here. */
static bool end_line(text *in) {
  if (in->at < in->end && *in->at == '\r') in->at++;
  if (in->at == in->end || *in->at != '\n') return false;
  in->at++;
  return true;
}

/* Reads the bytes before a `|`. Returns false if they are not empty and no name, or there is no
 * `|`. */
static bool read_name(text *in, cachette_slice *name) {
  const char *begin = in->at, *end = memchr(begin, '|', (size_t)(in->end - begin));
  if (end == NULL) return false;
  *name = (cachette_slice){begin, (size_t)(end - begin)};
  in->at = end + 1;
  return name->size == 0 ||
         (name->size <= CACHETTE__CLUSTER_CONFIG_NAME && cachette__memcached_is_name(*name));
}

/* Reads a server and adds it. Returns NULL, or what is wrong with it, or "" if out of memory. */
static const char *read_server(text *in, cachette__memcached_hosts *hosts) {
  cachette_slice name, address;
  uint64_t port;
  if (!read_name(in, &name) || !read_name(in, &address) || name.size + address.size == 0)
    return "a server is not NAME|ADDRESS|PORT";
  if (!read_number(in, UINT16_MAX, &port) || port == 0)
    return "a port is not a number from 1 to 65535";
  if (name.size == 0) {
    name = address;
    address.size = 0;
  }
  if (name.size == address.size && memcmp(name.data, address.data, name.size) == 0)
    address.size = 0;
  return cachette__memcached_hosts_add(hosts, name, address, (uint16_t)port) ? NULL : "";
}

static void skip(text *in, const char *bytes) {
  while (in->at < in->end && *in->at != '\0' && strchr(bytes, *in->at) != NULL) in->at++;
}

/* Reads all servers. Returns the same as read_server(). */
static const char *read_servers(text *in, cachette__memcached_hosts *hosts) {
  for (;;) {
    skip(in, " ");
    if (in->at == in->end || *in->at == '\r' || *in->at == '\n') break;
    if (hosts->count == CACHETTE__CLUSTER_CONFIG_SERVERS) return "it has more than 1000 servers";
    const char *problem = read_server(in, hosts);
    if (problem != NULL) return problem;
    if (in->at < in->end && strchr(" \r\n", *in->at) == NULL)
      return "a server is not NAME|ADDRESS|PORT";
  }
  skip(in, " \r\n");
  if (in->at < in->end) return "it has more than two lines";
  return hosts->count > 0 ? NULL : "it is empty";
}

/* Returns an upper bound for the number of servers. */
static size_t count_servers(text in) {
  size_t pipes = 0;
  for (; in.at < in.end; in.at++) pipes += *in.at == '|';
  size_t count = pipes / 2 + 1;
  return count < CACHETTE__CLUSTER_CONFIG_SERVERS ? count : CACHETTE__CLUSTER_CONFIG_SERVERS;
}

int cachette__cluster_config_finish(cachette__cluster_config *config, uint64_t *version,
                                    cachette__memcached_hosts **hosts) {
  if (config->code != 0) return config->code;
  if (config->size == 0) return fail(config, CACHETTE_EBACKEND, "it is empty");
  if (config->received < config->size) return fail(config, CACHETTE_EBACKEND, "it is cut off");
  text in = {config->value, config->value + config->size};
  uint64_t number;
  if (!read_number(&in, INT64_MAX, &number) || !end_line(&in))
    return fail(config, CACHETTE_EBACKEND, "its version is not a number");
  cachette__memcached_hosts *list = cachette__memcached_hosts_new(count_servers(in));
  if (list == NULL) return fail(config, CACHETTE_ENOMEM, "memory is out");
  const char *problem = read_servers(&in, list);
  if (problem != NULL) {
    cachette__memcached_hosts_release(list);
    return *problem == '\0' ? fail(config, CACHETTE_ENOMEM, "memory is out")
                            : fail(config, CACHETTE_EBACKEND, problem);
  }
  *version = number;
  *hosts = list;
  return CACHETTE_OK;
}
