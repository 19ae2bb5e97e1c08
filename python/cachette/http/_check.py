# SPDX-License-Identifier: MIT
"""The function `check`, which finds routes whose cache policy has no effect.

Nothing of a framework is imported: an application is recognized by the attributes that hold its
routes.
"""

import sys
from inspect import unwrap
from typing import Any, Iterator, List, NamedTuple, Optional, Set, Tuple
from warnings import warn

from ._plans import CURRENT, PLAN
from ._routes import decorated

MARK = 'is_cache_middleware'
"""The attribute of the class of the middleware, by which it is recognized."""

_MAX_NAMED = 5  # routes in a warning


class _Route(NamedTuple):
  path: str
  handler: Any
  dependencies: Tuple[Any, ...] = ()
  covered: bool = False  # whether a middleware is around this route


def check(app: object) -> None:
  """Warns about routes of an application whose cache policy has no effect.

  That is the case if there is no CacheMiddleware around a route, and if `cache_response` or
  `no_cache` is above the decorator of the route instead of below.

  `Cachette.lifespan` calls it when the application starts. Otherwise call it when all routes are
  there, for example at start-up. It knows applications of FastAPI, Starlette, Litestar, Quart and
  BlackSheep, and ignores others.

  Args:
    app: The application, with or without middlewares around it.
  """
  inner, covered = _unwrap_app(app)
  covered = covered or CURRENT.get() is not None
  routes = list(_find_routes(inner))
  bare = [each.path for each in routes if not each.covered and _has_policy(each)]
  if bare and not covered:
    warn(
      f'{_name(bare)} a cache policy, but there is no CacheMiddleware around it, so it has no '
      'effect. Add the middleware to the application, as in app.add_middleware(CacheMiddleware).',
      UserWarning,
      stacklevel=2,
    )
  used = {layer for each in routes for layer in _layers(each.handler)}
  swapped = [each.path for each in routes if _is_swapped(each, used)]
  if swapped:
    warn(
      f'{_name(swapped)} a cache policy that has no effect, because its decorator is above that of '
      'the route. Put it below.',
      UserWarning,
      stacklevel=2,
    )


def _name(paths: List[str]) -> str:
  """Returns the subject and the verb of a sentence about routes."""
  paths = sorted(set(paths))
  more = f' and {len(paths) - _MAX_NAMED} more' if len(paths) > _MAX_NAMED else ''
  if len(paths) == 1:
    return f'The route {paths[0]} has'
  return f'Each of the routes {", ".join(paths[:_MAX_NAMED])}{more} has'


# ---- Policies


def _has_policy(route: _Route) -> bool:
  return any(hasattr(each, PLAN) for each in (*_layers(route.handler), *route.dependencies))


def _is_swapped(route: _Route, used: Set[Any]) -> bool:
  """Returns whether a function was decorated after it had become a route.

  used: the functions of all routes. A function may be a route both with and without a policy.
  """
  layers = list(_layers(route.handler))
  if any(each in decorated for each in layers):
    return False
  return any(unwrap(one) is layers[-1] and one not in used for one in decorated)


def _layers(function: Any) -> Iterator[Any]:
  """Yields a function and those that it wraps, the outermost first."""
  for _ in range(100):
    function = getattr(function, '__func__', function)  # of a method
    yield function
    if not hasattr(function, '__wrapped__'):
      return
    function = function.__wrapped__


# ---- Middlewares


def _is_middleware(thing: Any) -> bool:
  """Returns whether this is CacheMiddleware, an instance of it, or a description of it."""
  kinds = (thing, getattr(thing, 'cls', None), getattr(thing, 'middleware', None))
  return any(getattr(each, MARK, False) is True for each in kinds)


def _unwrap_app(app: Any) -> Tuple[Any, bool]:
  """Returns the application inside of middlewares, and whether CacheMiddleware is one of them."""
  covered = False
  for _ in range(100):
    covered = covered or _is_middleware(app)
    inner = getattr(app, 'app', None)
    if not callable(inner) or _is_application(app):
      break
    app = inner
  return app, covered


def _is_application(app: Any) -> bool:
  return any(hasattr(app, name) for name in ('routes', 'view_functions', 'router'))


# ---- Routes


def _find_routes(app: Any) -> Iterator[_Route]:
  if hasattr(app, 'view_functions'):
    return _quart_routes(app)
  if hasattr(app, 'asgi_handler') and hasattr(app, 'routes'):
    return _litestar_routes(app)
  if hasattr(app, 'routes'):
    return _starlette_routes(app, '')
  if hasattr(app, 'router'):
    return _blacksheep_routes(app)
  return iter(())


def _starlette_routes(app: Any, prefix: str, covered: bool = False) -> Iterator[_Route]:
  covered = covered or any(map(_is_middleware, getattr(app, 'user_middleware', None) or ()))
  for route in _flatten(app.routes):
    path = prefix + str(getattr(route, 'path', ''))
    inner, is_around = _unwrap_app(getattr(route, 'app', None))
    handler = getattr(route, 'endpoint', None)
    if handler is not None:
      yield from _starlette_handlers(path, route, handler, covered or is_around)
    elif hasattr(inner, 'routes'):
      yield from _starlette_routes(inner, path, covered or is_around)


def _flatten(routes: Any) -> Any:
  """Newer releases of FastAPI include routers lazily."""
  fastapi: Any = sys.modules.get('fastapi.routing')
  flatten = getattr(fastapi, 'iter_route_contexts', None)
  return routes if flatten is None else flatten(routes)


def _starlette_handlers(path: str, route: Any, handler: Any, covered: bool) -> Iterator[_Route]:
  if isinstance(handler, type):  # a class with a method for each method of HTTP
    for name in ('get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'query'):
      if hasattr(handler, name):
        yield _Route(path, getattr(handler, name), (), covered)
    return
  dependant = getattr(route, 'dependant', None)
  yield _Route(path, handler, tuple(_dependencies(dependant)), covered)


def _dependencies(dependant: Optional[Any]) -> Iterator[Any]:
  """Yields the functions that FastAPI calls before a handler."""
  for each in getattr(dependant, 'dependencies', ()):
    yield each.call
    yield from _dependencies(each)


def _litestar_routes(app: Any) -> Iterator[_Route]:
  covered = _unwrap_app(app.asgi_handler)[1]
  for route in app.routes:
    for handler in getattr(route, 'route_handlers', None) or [route.route_handler]:
      is_around = any(map(_is_middleware, handler.resolve_middleware()))
      function = getattr(handler.fn, 'value', handler.fn)
      hook = getattr(handler, 'before_request', None)
      hooks = (hook, *(getattr(handler, 'guards', None) or ()))
      yield _Route(str(route.path), function, hooks, covered or is_around)


def _quart_routes(app: Any) -> Iterator[_Route]:
  covered = _unwrap_app(app.asgi_app)[1]
  for rule in app.url_map.iter_rules():
    if rule.endpoint in app.view_functions:
      yield _Route(str(rule.rule), app.view_functions[rule.endpoint], (), covered)


def _blacksheep_routes(app: Any) -> Iterator[_Route]:
  waiting = getattr(app.router, 'registered_routes', ())  # until the application starts
  for route in (*app.router, *(route for _, route in waiting)):
    pattern = route.pattern
    path = pattern.decode() if isinstance(pattern, bytes) else str(pattern)
    yield _Route(path, getattr(route.handler, 'root_fn', route.handler))
