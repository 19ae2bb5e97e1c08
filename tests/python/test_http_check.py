# SPDX-License-Identifier: MIT
"""`cachette.http.check` warns about routes whose policy has no effect, in each framework."""

import asyncio
import warnings
from typing import Any, Callable, Dict, List

import pytest
from cachette import Cachette
from cachette.http import cache_control, cache_response, check, no_cache
from cachette.http._plans import CURRENT, Box


class CacheMiddleware:
  """Is recognized as the middleware, and does nothing."""

  is_cache_middleware = True

  def __init__(self, app: Any) -> None:
    self.app = app

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    await self.app(scope, receive, send)


class Other(CacheMiddleware):
  """Another middleware."""

  is_cache_middleware = False


def warnings_of(app: Any) -> List[str]:
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    check(app)
  assert all(each.filename == __file__ and each.category is UserWarning for each in caught)
  return [str(each.message) for each in caught]


MISSING = (
  ' a cache policy, but there is no CacheMiddleware around it, so it has no effect. Add the '
  'middleware to the application, as in app.add_middleware(CacheMiddleware).'
)
SWAPPED = (
  ' a cache policy that has no effect, because its decorator is above that of the route. Put it '
  'below.'
)


def fastapi_app() -> Any:
  fastapi = pytest.importorskip('fastapi')
  app, router = fastapi.FastAPI(), fastapi.APIRouter(prefix='/router')

  @app.get('/plain')
  async def plain() -> None: ...

  @router.get('/a/{number}')
  @cache_response(60)
  async def a(number: int) -> None: ...

  @app.get('/b')
  @no_cache
  def b() -> None: ...

  app.include_router(router)
  return app


def starlette_app() -> Any:
  pytest.importorskip('starlette')
  from starlette.applications import Starlette
  from starlette.endpoints import HTTPEndpoint
  from starlette.routing import Mount, Route

  class A(HTTPEndpoint):
    @cache_response(60)
    async def get(self, request: Any) -> None: ...

  @no_cache
  def b(request: Any) -> None: ...

  def plain(request: Any) -> None: ...

  mount = Mount('/router', routes=[Route('/a/{number}', A)])
  return Starlette(routes=[mount, Route('/b', b), Route('/plain', plain)])


def litestar_app() -> Any:
  litestar = pytest.importorskip('litestar')

  class A(litestar.Controller):
    path = '/router'

    @litestar.get('/a/{number:str}')
    @cache_response(60)
    async def a(self) -> None: ...

  @litestar.get('/b', sync_to_thread=False)
  @no_cache
  def b() -> None: ...

  @litestar.get('/plain')
  async def plain() -> None: ...

  return litestar.Litestar([A, b, plain])


def quart_app() -> Any:
  quart = pytest.importorskip('quart')
  app, blueprint = quart.Quart(__name__), quart.Blueprint('router', __name__, url_prefix='/router')

  @blueprint.get('/a/<number>')
  @cache_response(60)
  async def a(number: int) -> str:
    return ''

  @app.get('/b')
  @no_cache
  def b() -> str:
    return ''

  @app.get('/plain')
  async def plain() -> str:
    return ''

  app.register_blueprint(blueprint)
  return app


def blacksheep_app() -> Any:
  blacksheep = pytest.importorskip('blacksheep')
  app = blacksheep.Application(router=blacksheep.Router())

  @app.router.get('/router/a/{number}')
  @cache_response(60)
  async def a(number: int) -> None: ...

  @app.router.get('/b')
  @no_cache
  def b() -> None: ...

  @app.router.get('/plain')
  async def plain() -> None: ...

  return app


# Each framework with its application, and its spelling of the route.
FRAMEWORKS: Dict[str, Any] = {
  'fastapi': (fastapi_app, '/router/a/{number}'),
  'starlette': (starlette_app, '/router/a/{number}'),
  'litestar': (litestar_app, '/router/a/{number:str}'),
  'quart': (quart_app, '/router/a/<number>'),
  'blacksheep': (blacksheep_app, '/router/a/'),
}

frameworks = pytest.mark.parametrize('framework', FRAMEWORKS)


@frameworks
def test_routes_without_a_middleware_are_named(framework: str) -> None:
  make, path = FRAMEWORKS[framework]
  (text,) = warnings_of(make())
  assert text.startswith('Each of the routes /b, ')
  assert path in text and text.endswith(' has' + MISSING)
  assert warnings_of(Other(make())) == [text]


@frameworks
def test_a_middleware_around_the_application_is_enough(framework: str) -> None:
  make, _ = FRAMEWORKS[framework]
  assert warnings_of(CacheMiddleware(make())) == []
  assert warnings_of(Other(CacheMiddleware(Other(make())))) == []


@frameworks
def test_a_middleware_around_the_lifespan_is_enough(framework: str) -> None:
  """The application itself does not know what is around it."""
  make, _ = FRAMEWORKS[framework]
  token = CURRENT.set(Box({'type': 'lifespan'}))
  try:
    assert warnings_of(make()) == []
  finally:
    CURRENT.reset(token)


@frameworks
def test_an_application_that_has_started_is_checked_too(framework: str) -> None:
  make, path = FRAMEWORKS[framework]
  app = make()

  async def start() -> None:
    if hasattr(app, 'start'):
      await app.start()
      return
    sent = []
    received = iter([{'type': 'lifespan.startup'}, {'type': 'lifespan.shutdown'}])

    async def receive() -> Any:
      return next(received)

    async def send(message: Any) -> None:
      sent.append(message['type'])

    await app({'type': 'lifespan', 'asgi': {'version': '3.0'}, 'state': {}}, receive, send)
    assert sent == ['lifespan.startup.complete', 'lifespan.shutdown.complete']

  asyncio.run(start())
  (text,) = warnings_of(app)
  assert '/b' in text and path in text


@pytest.mark.parametrize('framework', ['fastapi', 'starlette'])
def test_a_middleware_that_is_added_is_enough(framework: str) -> None:
  app = FRAMEWORKS[framework][0]()
  app.add_middleware(Other)
  assert len(warnings_of(app)) == 1
  app.add_middleware(CacheMiddleware)
  assert warnings_of(app) == []


def test_a_middleware_of_a_mount_or_a_route_of_starlette_covers_it() -> None:
  pytest.importorskip('starlette')
  from starlette.applications import Starlette
  from starlette.middleware import Middleware
  from starlette.routing import Mount, Route

  @cache_response(60)
  async def handler(request: Any) -> None: ...

  middleware = [Middleware(CacheMiddleware)]
  covered = [
    Mount('/a', routes=[Route('/a', handler)], middleware=middleware),
    Mount('/b', app=Starlette(routes=[Route('/b', handler)], middleware=middleware)),
    Route('/c', handler, middleware=middleware),
  ]
  assert warnings_of(Starlette(routes=covered)) == []
  mount = Mount('/e', app=Other(Starlette(routes=[Route('/e', handler)])))
  bare = Starlette(routes=[*covered, Route('/d', handler, middleware=[Middleware(Other)]), mount])
  assert warnings_of(bare) == ['Each of the routes /d, /e/e has' + MISSING]


def test_an_application_in_an_application_of_fastapi_is_checked() -> None:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()
  app.mount('/inner', fastapi_app())
  (text,) = warnings_of(app)
  assert '/inner/b' in text and '/inner/router/a/{number}' in text
  app.add_middleware(CacheMiddleware)
  assert warnings_of(app) == []


@pytest.mark.parametrize('where', ['app', 'controller', 'handler', 'asgi_handler'])
def test_a_middleware_of_litestar_covers_what_it_is_around(where: str) -> None:
  litestar = pytest.importorskip('litestar')
  from litestar.middleware import DefineMiddleware

  middleware = [DefineMiddleware(CacheMiddleware)]

  class A(litestar.Controller):
    path = '/a'

    @litestar.get('/', middleware=middleware if where == 'handler' else [])
    @cache_response(60)
    async def a(self) -> None: ...

  A.middleware = middleware if where == 'controller' else []  # type: ignore[attr-defined]
  app = litestar.Litestar([A], middleware=middleware if where == 'app' else [])
  if where == 'asgi_handler':
    assert warnings_of(app) == ['The route /a has' + MISSING]
    app.asgi_handler = CacheMiddleware(app.asgi_handler)
  assert warnings_of(app) == []


def test_a_middleware_of_quart_covers_it() -> None:
  app = quart_app()
  app.asgi_app = Other(CacheMiddleware(app.asgi_app))
  assert warnings_of(app) == []


def test_dependencies_and_hooks_are_policies() -> None:
  fastapi, litestar = pytest.importorskip('fastapi'), pytest.importorskip('litestar')
  router = fastapi.APIRouter(dependencies=[fastapi.Depends(cache_control(60))])

  @router.get('/router')
  async def by_router() -> None: ...

  def inner(value: None = fastapi.Depends(cache_control(60))) -> None: ...

  app = fastapi.FastAPI()

  @app.get('/inner', dependencies=[fastapi.Depends(inner)])
  async def by_dependency() -> None: ...

  app.include_router(router)
  assert warnings_of(app) == ['Each of the routes /inner, /router has' + MISSING]

  @litestar.get('/hook', before_request=cache_control(60))
  async def hook() -> None: ...

  @litestar.get('/guard', guards=[cache_control(60)])
  async def guard() -> None: ...

  app = litestar.Litestar([hook, guard])
  assert warnings_of(app) == ['Each of the routes /guard, /hook has' + MISSING]


def test_at_most_five_routes_are_named() -> None:
  pytest.importorskip('starlette')
  from starlette.applications import Starlette
  from starlette.routing import Route

  @cache_response(60)
  async def handler(request: Any) -> None: ...

  paths = [f'/{i}' for i in range(7)]
  (text,) = warnings_of(Starlette(routes=[Route(path, handler) for path in paths]))
  assert text == 'Each of the routes /0, /1, /2, /3, /4 and 2 more has' + MISSING


# ---- Decorators in the wrong order


def fastapi_get() -> Any:
  app = pytest.importorskip('fastapi').FastAPI()
  return app, app.get('/wrong')


def quart_get() -> Any:
  app = pytest.importorskip('quart').Quart(__name__)
  return app, app.get('/wrong')


def blacksheep_get() -> Any:
  blacksheep = pytest.importorskip('blacksheep')
  app = blacksheep.Application(router=blacksheep.Router())
  return app, app.router.get('/wrong')


@pytest.mark.parametrize('make', [fastapi_get, quart_get, blacksheep_get])
@pytest.mark.parametrize('decorator', [cache_response(60), no_cache])
def test_a_decorator_above_that_of_the_route_is_found(make: Any, decorator: Any) -> None:
  app, route = make()

  @decorator
  @route
  async def handler() -> None: ...

  (text,) = warnings_of(CacheMiddleware(app))
  assert text.startswith('The route ') and 'wrong' in text and text.endswith(' has' + SWAPPED)


@pytest.mark.parametrize('make', [fastapi_get, quart_get, blacksheep_get])
def test_a_decorator_below_that_of_the_route_is_right(make: Any) -> None:
  app, route = make()

  @route
  @cache_response(60)
  def handler() -> None: ...

  assert warnings_of(CacheMiddleware(app)) == []


def test_a_function_may_be_a_route_with_and_without_a_policy() -> None:
  app = pytest.importorskip('fastapi').FastAPI()

  async def handler() -> None: ...

  app.get('/plain')(handler)
  app.get('/cached')(cache_response(60)(handler))
  app.add_middleware(CacheMiddleware)
  assert warnings_of(app) == []


# ---- When it runs


@pytest.mark.parametrize('app', [None, object(), 5, lambda scope, receive, send: None])
def test_an_unknown_application_is_ignored(app: Any) -> None:
  assert warnings_of(app) == []


class Local(Cachette):
  """A cache in memory."""


def run_lifespan(app: Any) -> List[str]:
  async def main() -> None:
    async with Local.lifespan(app):
      pass

  Local.load_config(lambda: [])
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    asyncio.run(main())
  return [str(each.message) for each in caught]


@frameworks
def test_the_lifespan_of_the_cache_checks_the_application(framework: str) -> None:
  make: Callable[[], Any] = FRAMEWORKS[framework][0]
  assert len(run_lifespan(make())) == 1
  assert run_lifespan(CacheMiddleware(make())) == []
  assert run_lifespan(None) == []


def test_an_application_that_cannot_be_checked_starts() -> None:
  class Odd:
    routes = 5

  with pytest.raises(TypeError):
    check(Odd())
  assert run_lifespan(Odd()) == []


def test_a_warning_that_is_an_error_stops_the_start() -> None:
  async def main() -> None:
    async with Local.lifespan(fastapi_app()):
      pass

  Local.load_config(lambda: [])
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    with pytest.raises(UserWarning, match='CacheMiddleware'):
      asyncio.run(main())
