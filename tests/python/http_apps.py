# SPDX-License-Identifier: MIT
"""The same shop in each framework, with the HTTP cache around it as the framework wants it."""

import asyncio
from collections import Counter
from typing import Any, AsyncIterator, Callable, Dict, List, Mapping, Optional, Tuple

import pytest
from cachette.http import CacheMiddleware, cache_control, cache_response, no_cache

FRESH = {'Cache-Control': 'max-age=60'}
EVENTS = {**FRESH, 'Content-Type': 'text/event-stream'}
TAGS = ['items', 'item:{number}']

Made = Tuple[str, int, Dict[str, str]]  # the text, the status and the fields of a response
Headers = Mapping[str, str]
Settings = Dict[str, Any]  # the arguments of CacheMiddleware


class Shop:
  """What the handlers of all frameworks have in common.

  runs: how often each handler ran.
  failing: whether handlers raise.
  gate: what handlers wait for before they answer.
  """

  def __init__(self) -> None:
    self.runs: Counter[str] = Counter()
    self.failing = False
    self.gate: Optional[asyncio.Event] = None

  def count(self, name: str) -> str:
    """Counts a run of a handler, and returns its text."""
    self.runs[name] += 1
    if self.failing:
      raise RuntimeError('the shop is closed')
    return f'{name} {self.runs[name]}'

  async def run(self, name: str) -> str:
    text = self.count(name)
    if self.gate is not None:
      await self.gate.wait()
    return text

  async def page(self) -> Made:
    return await self.run('page'), 200, FRESH

  async def never(self) -> Made:
    return await self.run('never'), 200, FRESH

  async def user(self, headers: Headers) -> Made:
    await self.run('user')
    return f'for {headers.get("Authorization")} {headers.get("Cookie")}', 200, FRESH

  async def login(self) -> Made:
    text = await self.run('login')
    return text, 200, {**FRESH, 'Set-Cookie': f'session={text[-1]}'}

  async def language(self, headers: Headers) -> Made:
    text = await self.run('language')
    return f'{headers.get("Accept-Language")} {text}', 200, {**FRESH, 'Vary': 'Accept-Language'}

  async def checked(self, headers: Headers) -> Made:
    """Answers conditional requests itself."""
    text = await self.run('checked')
    fields = {'Cache-Control': 'max-age=10', 'ETag': '"v1"'}
    return (text, 200, fields) if headers.get('If-None-Match') != '"v1"' else ('', 304, fields)

  async def stream(self) -> AsyncIterator[bytes]:
    self.count('stream')
    for part in (b'one ', b'two ', b'three'):
      yield part
      if self.gate is not None:
        await self.gate.wait()

  async def torn(self) -> AsyncIterator[bytes]:
    """Breaks in its first run."""
    self.count('torn')
    yield b'begun '
    await asyncio.sleep(0)
    if self.runs['torn'] == 1:
      raise RuntimeError('the stream breaks')
    yield b'ended'

  async def events(self) -> AsyncIterator[bytes]:
    self.count('events')
    for number in range(3):
      yield b'data: %d\n\n' % number


# ---- FastAPI and Starlette


def make_fastapi(shop: Shop, settings: Settings) -> Any:
  fastapi = pytest.importorskip('fastapi')
  from fastapi import Request
  from fastapi.responses import PlainTextResponse, StreamingResponse

  app = fastapi.FastAPI()
  app.add_middleware(CacheMiddleware, **settings)

  @app.get('/page')
  async def page() -> Any:
    return PlainTextResponse(*await shop.page())

  @app.get('/items/{number}', response_class=PlainTextResponse)
  @cache_response(60, swr=30, sie=3600, tags=TAGS)
  async def item(number: int) -> Any:
    return await shop.run(f'item {number}')

  @app.post('/items/{number}', response_class=PlainTextResponse)
  async def change(number: int) -> Any:
    return await shop.run('change')

  @app.get('/plain', response_class=PlainTextResponse)
  @cache_response(60)
  def plain() -> Any:
    return shop.count('plain')

  @app.get('/dependency', dependencies=[fastapi.Depends(cache_control(60, tags=['items']))])
  async def dependency() -> Any:
    return PlainTextResponse(await shop.run('dependency'))

  @app.get('/never')
  @no_cache
  async def never() -> Any:
    return PlainTextResponse(*await shop.never())

  @app.get('/user')
  async def user(request: Request) -> Any:
    return PlainTextResponse(*await shop.user(request.headers))

  @app.get('/login')
  async def login() -> Any:
    return PlainTextResponse(*await shop.login())

  @app.get('/language')
  async def language(request: Request) -> Any:
    return PlainTextResponse(*await shop.language(request.headers))

  @app.get('/checked')
  async def checked(request: Request) -> Any:
    return PlainTextResponse(*await shop.checked(request.headers))

  @app.get('/stream')
  async def stream() -> Any:
    return StreamingResponse(shop.stream(), headers=FRESH)

  @app.get('/torn')
  async def torn() -> Any:
    return StreamingResponse(shop.torn(), headers=FRESH)

  @app.get('/events')
  async def events() -> Any:
    return StreamingResponse(shop.events(), headers=EVENTS)

  app.mount('/mounted', make_mounted(shop, settings))
  return app


def make_starlette(shop: Shop, settings: Settings) -> Any:
  pytest.importorskip('starlette')
  from starlette.applications import Starlette
  from starlette.requests import Request
  from starlette.responses import PlainTextResponse, Response, StreamingResponse
  from starlette.routing import Mount, Route

  async def page(request: Request) -> Response:
    return PlainTextResponse(*await shop.page())

  def tags(request: Request) -> List[str]:
    return [tag.format(**request.path_params) for tag in TAGS]

  @cache_response(60, swr=30, sie=3600, tags=tags)
  async def item(request: Request) -> Response:
    return PlainTextResponse(await shop.run(f'item {request.path_params["number"]}'))

  async def change(request: Request) -> Response:
    return PlainTextResponse(await shop.run('change'))

  @cache_response(60)
  def plain(request: Request) -> Response:
    return PlainTextResponse(shop.count('plain'))

  depend = cache_control(60, tags=['items'])

  async def dependency(request: Request) -> Response:
    await depend(request)
    return PlainTextResponse(await shop.run('dependency'))

  @no_cache
  async def never(request: Request) -> Response:
    return PlainTextResponse(*await shop.never())

  async def user(request: Request) -> Response:
    return PlainTextResponse(*await shop.user(request.headers))

  async def login(request: Request) -> Response:
    return PlainTextResponse(*await shop.login())

  async def language(request: Request) -> Response:
    return PlainTextResponse(*await shop.language(request.headers))

  async def checked(request: Request) -> Response:
    return PlainTextResponse(*await shop.checked(request.headers))

  async def stream(request: Request) -> Response:
    return StreamingResponse(shop.stream(), headers=FRESH)

  async def torn(request: Request) -> Response:
    return StreamingResponse(shop.torn(), headers=FRESH)

  async def events(request: Request) -> Response:
    return StreamingResponse(shop.events(), headers=EVENTS)

  handlers = [page, plain, dependency, never, user, login, language, checked, stream, torn, events]
  routes: List[Any] = [Route(f'/{handler.__name__}', handler) for handler in handlers]
  routes.append(Route('/items/{number}', item, methods=['GET']))
  routes.append(Route('/items/{number}', change, methods=['POST']))
  routes.append(Mount('/mounted', make_mounted(shop, settings)))
  app = Starlette(routes=routes)
  app.add_middleware(CacheMiddleware, **settings)
  return app


# ---- Litestar


def make_litestar(shop: Shop, settings: Settings) -> Any:
  """With a middleware for each handler, as Litestar makes them."""
  pytest.importorskip('litestar')
  from litestar.middleware import DefineMiddleware

  return _make_litestar(shop, settings, [DefineMiddleware(CacheMiddleware, **settings)])


def make_litestar_inside(shop: Shop, settings: Settings) -> Any:
  """With the middleware around the application."""
  pytest.importorskip('litestar')
  return CacheMiddleware(_make_litestar(shop, settings, []), **settings)


def _make_litestar(shop: Shop, settings: Settings, middleware: List[Any]) -> Any:
  import litestar
  from litestar import Request, Response, get, params, post
  from litestar.response import Stream

  # Old releases have no FromPath; new ones warn without it.
  Number = getattr(params, 'FromPath', {int: int})[int]

  def respond(text: str, status: int, fields: Dict[str, str]) -> Any:
    return Response(text or None, status_code=status, headers=fields, media_type='text/plain')

  @get('/page')
  async def page() -> Response[Any]:
    return respond(*await shop.page())

  @get('/items/{number:int}', media_type='text/plain')
  @cache_response(60, swr=30, sie=3600, tags=TAGS)
  async def item(number: Number) -> str:
    return await shop.run(f'item {number}')

  @post('/items/{number:int}', media_type='text/plain', status_code=200)
  async def change() -> str:
    return await shop.run('change')

  @get('/plain', media_type='text/plain', sync_to_thread=True)
  @cache_response(60)
  def plain() -> str:
    return shop.count('plain')

  @get('/dependency', before_request=cache_control(60, tags=['items']))
  async def dependency() -> str:
    return await shop.run('dependency')

  @get('/never')
  @no_cache
  async def never() -> Response[Any]:
    return respond(*await shop.never())

  @get('/user')
  async def user(request: Request[Any, Any, Any]) -> Response[Any]:
    return respond(*await shop.user(request.headers))

  @get('/login')
  async def login() -> Response[Any]:
    return respond(*await shop.login())

  @get('/language')
  async def language(request: Request[Any, Any, Any]) -> Response[Any]:
    return respond(*await shop.language(request.headers))

  @get('/checked')
  async def checked(request: Request[Any, Any, Any]) -> Response[Any]:
    return respond(*await shop.checked(request.headers))

  @get('/stream')
  async def stream() -> Stream:
    return Stream(shop.stream(), headers=FRESH)

  @get('/torn')
  async def torn() -> Stream:
    return Stream(shop.torn(), headers=FRESH)

  @get('/events')
  async def events() -> Stream:
    return Stream(shop.events(), headers=FRESH, media_type='text/event-stream')

  inner = make_mounted(shop, settings)

  @litestar.asgi('/mounted', is_mount=True, copy_scope=False)
  async def mounted(scope: Any, receive: Any, send: Any) -> None:
    await inner(scope, receive, send)

  handlers: List[Any] = [page, item, change, plain, dependency, never, user, login, language]
  handlers += [checked, stream, torn, events, mounted]
  return litestar.Litestar(handlers, middleware=middleware)


# ---- Quart and BlackSheep


def make_quart(shop: Shop, settings: Settings) -> Any:
  quart = pytest.importorskip('quart')
  app = quart.Quart('shop')
  dependent = quart.Blueprint('dependent', 'dependent')
  dependent.before_request(cache_control(60, tags=['items']))

  @app.get('/items/<int:number>')
  @cache_response(60, swr=30, sie=3600, tags=TAGS)
  async def item(number: int) -> str:
    return await shop.run(f'item {number}')

  @app.post('/items/<int:number>')
  async def change(number: int) -> str:
    return await shop.run('change')

  @app.get('/plain')
  @cache_response(60)
  def plain() -> str:
    return shop.count('plain')

  @dependent.get('/dependency')
  async def dependency() -> str:
    return await shop.run('dependency')

  @app.get('/never')
  @no_cache
  async def never() -> Made:
    return await shop.never()

  @app.get('/user')
  async def user() -> Made:
    return await shop.user(quart.request.headers)

  @app.get('/language')
  async def language() -> Made:
    return await shop.language(quart.request.headers)

  @app.get('/checked')
  async def checked() -> Made:
    return await shop.checked(quart.request.headers)

  @app.get('/stream')
  async def stream() -> Any:
    return shop.stream(), 200, FRESH

  @app.get('/torn')
  async def torn() -> Any:
    return shop.torn(), 200, FRESH

  @app.get('/events')
  async def events() -> Any:
    return shop.events(), 200, EVENTS

  app.get('/page')(shop.page)
  app.get('/login')(shop.login)
  app.register_blueprint(dependent)
  inside = _mount(app.asgi_app, make_mounted(shop, settings))
  app.asgi_app = CacheMiddleware(inside, **settings)
  return app


def make_blacksheep(shop: Shop, settings: Settings) -> Any:
  blacksheep = pytest.importorskip('blacksheep')
  from blacksheep import Request, Response, StreamedContent
  from blacksheep.server.routing import Router

  app = blacksheep.Application(router=Router())

  def respond(text: str, status: int, fields: Dict[str, str]) -> Any:
    content = blacksheep.TextContent(text) if text else None
    return Response(status, [(k.encode(), v.encode()) for k, v in fields.items()], content)

  def stream_of(parts: Callable[[], AsyncIterator[bytes]], kind: bytes = b'text/plain') -> Any:
    return Response(200, [(b'cache-control', b'max-age=60')], StreamedContent(kind, parts))

  def read(request: Request) -> Dict[str, str]:
    """The fields of a request with the names that the shop knows."""
    return {name.decode().title(): value.decode() for name, value in request.headers}

  @app.router.get('/page')
  async def page() -> Response:
    return respond(*await shop.page())

  @app.router.get('/items/{number}')
  @cache_response(60, swr=30, sie=3600, tags=TAGS)
  async def item(number: int) -> Response:
    return respond(await shop.run(f'item {number}'), 200, {})

  @app.router.post('/items/{number}')
  async def change(number: int) -> Response:
    return respond(await shop.run('change'), 200, {})

  @app.router.get('/plain')
  @cache_response(60)
  def plain() -> Response:
    return respond(shop.count('plain'), 200, {})

  depend = cache_control(60, tags=['items'])

  @app.router.get('/dependency')
  async def dependency() -> Response:
    await depend()
    return respond(await shop.run('dependency'), 200, {})

  @app.router.get('/never')
  @no_cache
  async def never() -> Response:
    return respond(*await shop.never())

  @app.router.get('/user')
  async def user(request: Request) -> Response:
    return respond(*await shop.user(read(request)))

  @app.router.get('/login')
  async def login() -> Response:
    return respond(*await shop.login())

  @app.router.get('/language')
  async def language(request: Request) -> Response:
    return respond(*await shop.language(read(request)))

  @app.router.get('/checked')
  async def checked(request: Request) -> Response:
    return respond(*await shop.checked(read(request)))

  @app.router.get('/stream')
  async def stream() -> Response:
    return stream_of(shop.stream)

  @app.router.get('/torn')
  async def torn() -> Response:
    return stream_of(shop.torn)

  @app.router.get('/events')
  async def events() -> Response:
    return stream_of(shop.events, b'text/event-stream')

  app.mount('/mounted', make_mounted(shop, settings))
  return CacheMiddleware(app, **settings)


# ---- Bare ASGI


def make_bare(shop: Shop, settings: Settings) -> Any:
  depend = cache_control(60, tags=['items'])

  @cache_response(60, swr=30, sie=3600, tags=TAGS)
  async def item(number: int) -> Made:
    return await shop.run(f'item {number}'), 200, {}

  @cache_response(60)
  def plain() -> Made:
    return shop.count('plain'), 200, {}

  async def dependency() -> Made:
    await depend()
    return await shop.run('dependency'), 200, {}

  @no_cache
  async def never() -> Made:
    return await shop.never()

  async def route(method: str, path: str, headers: Dict[str, str]) -> Made:
    name, _, number = path[1:].partition('/')
    if number:
      if method == 'POST':
        return await shop.run('change'), 200, {}
      return await item(number=int(number))
    if name == 'plain':
      return plain()
    if name in ('user', 'language', 'checked'):
      made: Made = await getattr(shop, name)(headers)
      return made
    handlers = {'dependency': dependency, 'never': never, 'page': shop.page, 'login': shop.login}
    return await handlers[name]()

  async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] == 'lifespan':
      await _live(receive, send)
      return
    name = scope['path'][1:]
    if name in ('stream', 'torn', 'events'):
      await _send_stream(send, getattr(shop, name)(), EVENTS if name == 'events' else FRESH)
      return
    headers = {key.decode().title(): value.decode() for key, value in scope['headers']}
    await _send(send, *await route(scope['method'], scope['path'], headers))

  return CacheMiddleware(_mount(app, make_mounted(shop, settings)), **settings)


def make_mounted(shop: Shop, settings: Settings) -> Any:
  """An application to mount, which has a middleware itself."""

  async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope['type'] == 'http':
      await _send(send, await shop.run('mounted'), 200, FRESH)

  return CacheMiddleware(app, **settings)


def _mount(app: Any, inner: Any) -> Any:
  """Gives the paths below /mounted to another application."""

  async def dispatch(scope: Any, receive: Any, send: Any) -> None:
    path = scope.get('path', '')
    if not path.startswith('/mounted/'):
      await app(scope, receive, send)
      return
    root = scope.get('root_path', '') + '/mounted'
    await inner({**scope, 'path': path[len('/mounted') :], 'root_path': root}, receive, send)

  return dispatch


async def _live(receive: Any, send: Any) -> None:
  for name in ('startup', 'shutdown'):
    await receive()
    await send({'type': f'lifespan.{name}.complete'})


def _start(status: int, fields: Dict[str, str]) -> Dict[str, Any]:
  headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
  return {'type': 'http.response.start', 'status': status, 'headers': headers}


async def _send(send: Any, text: str, status: int, fields: Dict[str, str]) -> None:
  if status != 304:
    fields = {**fields, 'Content-Length': str(len(text)), 'Content-Type': 'text/plain'}
  await send(_start(status, fields))
  await send({'type': 'http.response.body', 'body': text.encode()})


async def _send_stream(send: Any, parts: AsyncIterator[bytes], fields: Dict[str, str]) -> None:
  await send(_start(200, fields))
  async for part in parts:
    await send({'type': 'http.response.body', 'body': part, 'more_body': True})
  await send({'type': 'http.response.body', 'body': b'', 'more_body': False})


MAKERS: Dict[str, Callable[[Shop, Settings], Any]] = {
  'fastapi': make_fastapi,
  'starlette': make_starlette,
  'litestar': make_litestar,
  'litestar_inside': make_litestar_inside,
  'quart': make_quart,
  'blacksheep': make_blacksheep,
  'bare': make_bare,
}
