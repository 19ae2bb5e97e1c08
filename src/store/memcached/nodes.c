/* SPDX-License-Identifier: MIT */
/* Makes the nodes of a list of servers. */
#include <stdio.h>

#include "../../base/alloc.h"
#include "internal.h"

/* Returns the index in a list of a server with this name and address, or SIZE_MAX. */
static size_t find(const cachette__mc_list *list, const cachette__memcached_host *host) {
  for (size_t i = 0; list != NULL && i < list->hosts->count; i++)
    if (cachette__memcached_host_equals(&list->hosts->list[i], host)) return i;
  return SIZE_MAX;
}

/* Returns a reference to a node: that of the current list, or a new one. */
static cachette__mc_node *get_node(cachette__memcached *store, cachette__memcached_hosts *hosts,
                                   size_t index, size_t old_index) {
  if (old_index == SIZE_MAX) return cachette__mc_node_new(store, hosts, index);
  cachette__mc_node *node = store->list->nodes[old_index];
  node->references++;
  return node;
}

cachette__mc_list *cachette__mc_list_new(cachette__memcached *store,
                                         cachette__memcached_hosts *hosts) {
  size_t count = hosts->count;
  cachette__mc_list *list =
      cachette__calloc(1, sizeof *list + 2 * count * sizeof(cachette__mc_node *));
  if (list == NULL) {
    cachette__memcached_hosts_release(hosts);
    return NULL;
  }
  list->store = store;
  list->references = 1;
  list->hosts = hosts;
  for (size_t i = 0; i < count; i++) {
    size_t old = find(store->list, &hosts->list[i]);
    size_t old_clear = old != SIZE_MAX ? store->list->hosts->count + old : SIZE_MAX;
    list->nodes[i] = get_node(store, hosts, i, old);
    list->nodes[count + i] = get_node(store, hosts, i, old_clear);
    if (list->nodes[i] != NULL && list->nodes[count + i] != NULL) continue;
    cachette__mc_list_release(list);
    return NULL;
  }
  return list;
}

void cachette__mc_list_use(cachette__memcached *store, cachette__mc_list *list) {
  cachette__mc_list *old = store->list;
  for (size_t i = 0; old != NULL && i < 2 * old->hosts->count; i++)
    old->nodes[i]->is_listed = false;
  for (size_t i = 0; i < 2 * list->hosts->count; i++) {
    cachette__mc_node_start(list->nodes[i]);
    list->nodes[i]->is_listed = true;
  }
  store->list = list;
  cachette__mc_name_servers(store, list->hosts);
  cachette__mc_list_release(old);
}

void cachette__mc_name_servers(cachette__memcached *store, const cachette__memcached_hosts *hosts) {
  char first[128];
  const cachette__memcached_host *host = &hosts->list[0];
  const cachette__target target = {.host = host->host, .port = host->port, .path = host->path};
  cachette__target_text(&target, first, sizeof first);
  if (hosts->count == 1)
    snprintf(store->name, sizeof store->name, "%s", first);
  else
    snprintf(store->name, sizeof store->name, "memcached (%.100s and %zu more)", first,
             hosts->count - 1);
}
