/* SPDX-License-Identifier: MIT */
/*
 * The reply to `config get cluster`, with which a configuration endpoint announces the servers of
 * its cluster. It does no I/O: it takes the tokens of the protocol's parser.
 *
 *     CONFIG cluster 0 SIZE \r\n
 *     VERSION \n
 *     NAME|ADDRESS|PORT NAME|ADDRESS|PORT ... \n      the name or the address may be empty
 *     \r\n
 *     END \r\n
 *
 * In the binary protocol the second and third line are the value of a reply with flags.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/AutoDiscovery.AddingToYourClientLibrary.html
 */
#ifndef CACHETTE_MEMCACHED_CLUSTER_CONFIG_H
#define CACHETTE_MEMCACHED_CLUSTER_CONFIG_H

#include "hosts.h"
#include "meta.h"

enum {
  CACHETTE__CLUSTER_CONFIG_MAX = 1 << 17,   /* max bytes of the value */
  CACHETTE__CLUSTER_CONFIG_SERVERS = 1000,  /* max servers */
  CACHETTE__CLUSTER_CONFIG_NAME = 255,      /* max bytes of a name or an address */
  CACHETTE__CLUSTER_CONFIG_MESSAGE_MAX = 96 /* max bytes of an error line that is kept */
};

typedef struct cachette__cluster_config {
  bool is_text; /* the text protocol: a line with END follows the value */
  char *value;  /* NULL: it has not begun */
  size_t size, received;
  int code;           /* 0, or why there is no list: EBACKEND, EUNSUPPORTED or ENOMEM */
  const char *reason; /* the end of a sentence that begins with "its list of servers" */
  char error[CACHETTE__CLUSTER_CONFIG_MESSAGE_MAX]; /* the server's error, printable; or "" */
} cachette__cluster_config;

void cachette__cluster_config_init(cachette__cluster_config *config, bool is_text);
void cachette__cluster_config_deinit(cachette__cluster_config *config);

/* Takes a token. Returns whether the reply is complete, or cannot be used. */
bool cachette__cluster_config_take(cachette__cluster_config *config,
                                   const cachette__meta_token *token);

/*
 * Reads a complete reply, once. On success returns 0 and gives the caller the list and its version.
 * A server that is announced twice is listed once. Errors, with `config->reason` unless the server
 * sent `error`: EBACKEND (not valid), EUNSUPPORTED (the server does not know the command), ENOMEM.
 */
int cachette__cluster_config_finish(cachette__cluster_config *config, uint64_t *version,
                                    cachette__memcached_hosts **hosts);

#endif
