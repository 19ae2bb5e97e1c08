/* SPDX-License-Identifier: MIT */
/*
 * References to nodes, and their end.
 *
 *     store --> list --> nodes        a swap replaces the store's list
 *                 ^
 *     op  --------'                   and an op under way keeps the one that it has
 */
#include "../../base/alloc.h"
#include "internal.h"

/* ---- The store ---- */

void cachette__mc_store_free(cachette__memcached *store) {
  while (store->nodes != NULL) cachette__mc_node_free(store->nodes);
  cachette__free(store);
}

void cachette__mc_handle_closed(cachette__memcached *store) {
  if (--store->open_handles == 0) cachette__mc_store_free(store);
}

/* ---- Nodes ---- */

void cachette__mc_node_free(cachette__mc_node *node) {
  if (node->next != NULL) node->next->before = node->before;
  if (node->before != NULL)
    node->before->next = node->next;
  else
    node->store->nodes = node->next;
  cachette__memcached_hosts_release(node->hosts);
  cachette__free(node);
}

static void on_closed(void *owner) {
  cachette__mc_node *node = owner;
  cachette__memcached *store = node->store;
  cachette__mc_node_free(node);
  cachette__mc_handle_closed(store);
}

/* Its requests may release the last references to other nodes. */
static void close_node(cachette__mc_node *node, bool forked) {
  node->is_open = false;
  cachette__pipeline_close(&node->pipeline, forked, on_closed);
}

void cachette__mc_node_release(cachette__mc_node *node) {
  if (--node->references > 0 || node->store->closing) return;
  if (node->is_open)
    close_node(node, false);
  else
    cachette__mc_node_free(node);
}

void cachette__mc_nodes_close(cachette__memcached *store, bool forked) {
  for (cachette__mc_node *node = store->nodes; node != NULL; node = node->next)
    if (node->is_open) close_node(node, forked);
}

/* ---- Lists ---- */

void cachette__mc_list_release(cachette__mc_list *list) {
  if (list == NULL || --list->references > 0) return;
  for (size_t i = 0; i < 2 * list->hosts->count; i++)
    if (list->nodes[i] != NULL) cachette__mc_node_release(list->nodes[i]);
  cachette__memcached_hosts_release(list->hosts);
  cachette__free(list);
}
