# SPDX-License-Identifier: MIT
"""Litestar: run with `uvicorn litestar_app:app` from this folder."""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime

from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response
from litestar import Litestar, MediaType, Response, delete, get, post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency, Provide
from litestar.logging import LoggingConfig
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath, JSONBody


@Cachette.load_config
def get_cachette_config() -> list[tuple[str, object]]:
  return [
    ('backend', os.environ.get('CACHETTE_BACKEND', 'inmemory')),
    ('redis_url', os.environ.get('CACHETTE_REDIS_URL')),
    ('memcached_host', os.environ.get('CACHETTE_MEMCACHED_HOST')),
    ('ttl', 60),
  ]


@dataclass
class Payload:
  key: str
  value: str


@post('/', media_type=MediaType.TEXT)
async def setter(data: JSONBody[Payload], cachette: NamedDependency[Cachette]) -> str:
  await cachette.put(data.key, data.value)
  return 'OK'


@post('/later', media_type=MediaType.TEXT, status_code=202)
async def setter_later(
  data: JSONBody[Payload], cachette: NamedDependency[Cachette]
) -> Response[str]:
  task = BackgroundTask(cachette.put, data.key, data.value)
  return Response('OK', background=task)  # it runs after the response


@get('/reports/{name:str}', media_type=MediaType.TEXT)
@cache_response(60, swr=30, sie=3600, tags=['reports'])
async def report(name: FromPath[str]) -> str:
  await asyncio.sleep(0.2)  # for slow work
  return f'{name} at {datetime.now():%H:%M:%S.%f}'


@get('/{key:str}', media_type=MediaType.TEXT)
async def getter(key: FromPath[str], cachette: NamedDependency[Cachette]) -> str:
  return str(await cachette.fetch(key, default=''))


@delete('/{key:str}', status_code=200)
async def deleter(key: FromPath[str], cachette: NamedDependency[Cachette]) -> dict[str, int]:
  return {'cleared': await cachette.clear(key=key)}


app = Litestar(
  [setter, setter_later, report, getter, deleter],
  dependencies={'cachette': Provide(Cachette, sync_to_thread=False)},
  middleware=[DefineMiddleware(CacheMiddleware)],
  lifespan=[Cachette.lifespan],
  logging_config=LoggingConfig(log_exceptions='always'),
)
