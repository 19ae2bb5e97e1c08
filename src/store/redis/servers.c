/* SPDX-License-Identifier: MIT */
/* The map that a router uses, and the end of the router. */
#include "../../base/alloc.h"
#include "router.h"

/* ---- The map ---- */

cachette__redis_map *cachette__redis_own_map(cachette__redis_router *router) {
  if (!cachette__redis_map_is_shared(router->map)) return router->map;
  cachette__redis_map *map = cachette__redis_map_copy(router->map);
  if (map == NULL) return NULL;
  cachette__redis_map_release(router->map);
  router->map = map;
  return map;
}

/* The fan-outs go on in the next turn of the loop: this may be called while one starts. */
static void resume(cachette__redis_router *router) {
  if (router->waiting == NULL) return;
  router->is_timer_set = true;
  uv_timer_start(&router->timer, router->on_timer, 0, 0);
}

void cachette__redis_router_set_map(cachette__redis_router *router, cachette__redis_map *map) {
  cachette__redis_map *old = router->map;
  router->map = map;
  if (!cachette__redis_places_link(router)) {
    router->map = old;
    cachette__redis_map_release(map);
    return;
  }
  cachette__redis_map_release(old);
  router->has_map = true;
  router->finding_failed = false;
  cachette__redis_places_sweep(router);
  resume(router);
}

void cachette__redis_router_fail(cachette__redis_router *router, const cachette_error *error) {
  router->reason = *error;
  router->finding_failed = true;
  resume(router);
}

/* ---- The end ---- */

void cachette__redis_router_deinit(cachette__redis_router *router) {
  cachette__redis_map_release(router->map);
  cachette__free(router->map_places);
  cachette__redis_places_deinit(router);
}

void cachette__redis_router_release(cachette__redis_router *router) {
  if (--router->open_handles > 0) return;
  cachette__redis_router_deinit(router);
  router->closed(router->owner);
}
