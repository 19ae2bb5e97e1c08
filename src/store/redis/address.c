/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"

enum { DEFAULT_PORT = 6379, DATABASE_MAX = 1 << 20 };

static const char example[] = "redis://[[user]:password@]host[:port][/db]";

static bool is_one_of(const char *text, const char *a, const char *b) {
  return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

/* A whole number from 0 to DATABASE_MAX, or -1. */
static int read_database(const char *text) {
  char *end;
  if (*text < '0' || *text > '9') return -1;
  long number = strtol(text, &end, 10);
  return *end == '\0' && number <= DATABASE_MAX ? (int)number : -1;
}

/* The database from the path and from `?db=`, which must not say different things. */
static const char *find_database(const cachette__url *url, bool in_path, int *database) {
  static const char not_a_number[] = "its database is not a number";
  int found = -1;
  if (in_path && url->path[0] == '/' && url->path[1] != '\0') {
    found = read_database(url->path + 1);
    if (found < 0) return not_a_number;
  }
  for (size_t i = 0; i < url->parameter_count; i++) {
    if (strcmp(url->parameters[i].name, "db") != 0)
      return "\"db\" is the only parameter it may have";
    int given = read_database(url->parameters[i].value);
    if (given < 0) return not_a_number;
    if (found >= 0 && found != given) return "it names two databases";
    found = given;
  }
  *database = found < 0 ? 0 : found;
  return NULL;
}

/* Fills the address from the parts of its URL; what is wrong with it, or NULL. */
static const char *read_parts(cachette__redis_address *address) {
  const cachette__url *url = &address->url;
  bool is_unix = strcmp(url->scheme, "unix") == 0;
  address->tls = is_one_of(url->scheme, "rediss", "valkeys");
  if (!is_unix && !address->tls && !is_one_of(url->scheme, "redis", "valkey"))
    return "it must begin with redis://, rediss://, valkey://, valkeys:// or unix://";
  address->user = url->user != NULL && *url->user != '\0' ? url->user : NULL;
  address->password = url->password;
  if (address->user != NULL && address->password == NULL)
    return "it has a user name and no password";
  if (is_unix) {
    if (url->host != NULL && *url->host != '\0') return "a socket's path begins with unix:///";
    if (url->path[0] == '\0' || url->path[1] == '\0') return "it names no socket";
    address->path = url->path;
  } else {
    if (url->host == NULL || *url->host == '\0') return "it names no host";
    address->host = url->host;
    address->port = url->port < 0 ? DEFAULT_PORT : (uint16_t)url->port;
  }
  return find_database(url, !is_unix, &address->database);
}

int cachette__redis_address_parse(const char *text, const char *option,
                                  cachette__redis_address *address, cachette_error *error) {
  *address = (cachette__redis_address){0};
  int code = cachette__url_parse(text, option, example, &address->url, error);
  if (code < 0) return code;
  const char *fault = read_parts(address);
  if (fault == NULL) return CACHETTE_OK;
  cachette__redis_address_deinit(address);
  char shown[96];
  cachette__url_show(text, shown, sizeof shown);
  return cachette__fail(error, CACHETTE_ECONFIG, option,
                        "The \"%s\" value \"%s\" is not valid: %s. It looks like %s.", option,
                        shown, fault, example);
}

void cachette__redis_address_deinit(cachette__redis_address *address) {
  cachette__url_deinit(&address->url);
}
