# SPDX-License-Identifier: MIT
"""BlackSheep: run with `uvicorn blacksheep_app:app` from this folder."""

import asyncio
import os
from dataclasses import dataclass
from datetime import datetime

from blacksheep import Application, FromJSON, Response, delete, get, json, post, text
from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response
from rodi import Container

services = Container()
services.add_singleton(Cachette)  # pyright: ignore[reportUnknownMemberType]
app = CacheMiddleware(Application(services=services))
tasks: set[asyncio.Future[None]] = set()  # asyncio itself has only weak references


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


@post('/')
async def setter(payload: FromJSON[Payload], cachette: Cachette) -> Response:
  await cachette.put(payload.value.key, payload.value.value)
  return text('OK')


@post('/later')
async def setter_later(payload: FromJSON[Payload], cachette: Cachette) -> Response:
  task = asyncio.ensure_future(cachette.put(payload.value.key, payload.value.value))
  tasks.add(task)
  task.add_done_callback(tasks.discard)
  return text('OK', status=202)  # responds before the task ends


@get('/reports/{name}')
@cache_response(60, swr=30, sie=3600, tags=['reports'])
async def report(name: str) -> Response:
  await asyncio.sleep(0.2)  # for slow work
  return text(f'{name} at {datetime.now():%H:%M:%S.%f}')


@get('/{key}')
async def getter(key: str, cachette: Cachette) -> Response:
  return text(await cachette.fetch(key, default=''))


@delete('/{key}')
async def deleter(key: str, cachette: Cachette) -> Response:
  return json({'cleared': await cachette.clear(key=key)})
