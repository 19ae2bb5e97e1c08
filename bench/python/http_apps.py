# SPDX-License-Identifier: MIT
"""ASGI applications that say hello: without a cache, and behind the caches that are compared.

The files of this folder cannot be called http.py, since that would hide Python's module.
"""

import os
import time
from typing import Any, Awaitable, Callable, Dict, List, Sequence, Tuple

Message = Dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
Fields = List[Tuple[bytes, bytes]]

BODY = b'Hello, world!'
STORED: Fields = [
  (b'content-type', b'text/plain; charset=utf-8'),
  (b'content-length', b'%d' % len(BODY)),
  (b'cache-control', b'max-age=3600'),
]
UNSTORED: Fields = [*STORED[:2], (b'cache-control', b'no-store')]

runs = 0  # of the applications


def hello(fields: Fields) -> App:
  async def app(scope: Any, receive: Any, send: Any) -> None:
    global runs
    runs += 1
    await send({'type': 'http.response.start', 'status': 200, 'headers': fields})
    await send({'type': 'http.response.body', 'body': BODY})

  return app


class DictCache:
  """What a cache in Python costs at least: a key of the request, a dict and an Age."""

  def __init__(self, app: App) -> None:
    self.app = app
    self.stored: Dict[Any, Tuple[float, Fields, bytes]] = {}

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    host = b''
    for name, value in scope['headers']:
      if name == b'host':
        host = value
        break
    path, query = scope['raw_path'], scope['query_string']
    key = (scope['method'], scope['scheme'], host, path, query)
    found = self.stored.get(key)
    now = time.time()
    if found is not None and now < found[0] + 3600:
      headers = [*found[1], (b'age', b'%d' % (now - found[0]))]
      await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
      await send({'type': 'http.response.body', 'body': found[2]})
      return
    messages: List[Message] = []

    async def keep(message: Message) -> None:
      messages.append(message)
      await send(message)

    await self.app(scope, receive, keep)
    self.stored[key] = now, messages[0]['headers'], messages[1]['body']


# ---- Ours ------------------------------------------------------------------------


def configure() -> None:
  """With a server if ADDRESS is its URL, else in memory."""
  from cachette import Cachette

  options: Dict[str, Any] = {'backend': 'inmemory', 'ttl': 3600}
  if 'ADDRESS' in os.environ:
    options.update(backend='redis', redis_url=os.environ['ADDRESS'])
  Cachette.load_config(lambda: options)


def with_cachette(app: App) -> App:
  from cachette.http import CacheMiddleware, Policy

  configure()
  # On a busy machine, no fetch of a benchmark may run out of time.
  return CacheMiddleware(app, policy=Policy(store_timeout=5))


def fastapi_with_cachette(app: App) -> App:
  from cachette.http import CacheMiddleware, Policy
  from fastapi import Response

  def get() -> Response:
    return Response(BODY, headers={'cache-control': 'max-age=3600'})

  configure()
  routed = fastapi(_counted(get))
  routed.add_middleware(CacheMiddleware, policy=Policy())
  return routed


# ---- Theirs ------------------------------------------------------------------------


def fastapi(get: Any) -> Any:
  from fastapi import FastAPI

  app = FastAPI()
  app.get('/')(get)
  return app


def _counted(get: Callable[[], Any]) -> Any:
  async def handler() -> Any:
    global runs
    runs += 1
    return get()

  return handler


def plain_fastapi(app: App) -> App:
  return fastapi(_counted(BODY.decode))


def with_hishel(app: App) -> App:
  """Its only storage for ASGI is SQLite."""
  from hishel import AsyncSqliteStorage
  from hishel.asgi import ASGICacheMiddleware

  return ASGICacheMiddleware(app, storage=AsyncSqliteStorage(database_path=':memory:'))


def with_starlette_caches(app: App) -> App:
  from aiocache import Cache
  from starlette_caches.middleware import CacheMiddleware

  return CacheMiddleware(app, cache=Cache(Cache.MEMORY, ttl=3600))


def with_fastapi_cache2(app: App) -> App:
  from fastapi_cache import FastAPICache
  from fastapi_cache.backends.inmemory import InMemoryBackend
  from fastapi_cache.decorator import cache

  FastAPICache.init(InMemoryBackend(), prefix='bench')
  return fastapi(cache(expire=3600)(_counted(BODY.decode)))


def with_fastapi_cachex(app: App) -> App:
  from fastapi_cachex import BackendProxy, cache
  from fastapi_cachex.backends import MemoryBackend

  BackendProxy.set(MemoryBackend())
  return fastapi(cache(ttl=3600, public=True)(_counted(BODY.decode)))


def with_cashews(app: App) -> App:
  from cashews import Cache

  cache = Cache()
  cache.setup('mem://')
  return fastapi(cache(ttl='1h', key='hello')(_counted(BODY.decode)))


MAKERS: Dict[str, Callable[[App], App]] = {
  'plain': lambda app: app,
  'dict': DictCache,
  'cachette': with_cachette,
  'cachette-fastapi': fastapi_with_cachette,
  'fastapi': plain_fastapi,
  'hishel': with_hishel,
  'starlette-caches': with_starlette_caches,
  'fastapi-cache2': with_fastapi_cache2,
  'fastapi-cachex': with_fastapi_cachex,
  'cashews': with_cashews,
}

# ---- Calls without a server ---------------------------------------------------------


def make_scope(
  method: str = 'GET', path: str = '/', fields: Sequence[Tuple[bytes, bytes]] = ()
) -> Dict[str, Any]:
  """A scope like uvicorn's. Each call needs a new one, because applications may change it."""
  headers = [
    (b'host', b'localhost:8000'),
    (b'user-agent', b'Mozilla/5.0'),
    (b'accept', b'*/*'),
    *fields,
  ]
  return {
    'type': 'http',
    'asgi': {'version': '3.0', 'spec_version': '2.3'},
    'http_version': '1.1',
    'server': ('127.0.0.1', 8000),
    'client': ('127.0.0.1', 40000),
    'scheme': 'http',
    'method': method,
    'root_path': '',
    'path': path,
    'raw_path': path.encode(),
    'query_string': b'',
    'headers': headers,
    'state': {},
  }


async def receive() -> Message:
  return {'type': 'http.request', 'body': b'', 'more_body': False}


async def send(message: Message) -> None:
  """Drops what the application sends."""
