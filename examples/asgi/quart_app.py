# SPDX-License-Identifier: MIT
"""Quart: run with `uvicorn quart_app:app` or `hypercorn quart_app:app` from this folder."""

import asyncio
import os
from collections.abc import AsyncGenerator
from datetime import datetime

from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response
from quart import Quart, request

app = Quart(__name__)
app.asgi_app = CacheMiddleware(app.asgi_app)  # type: ignore[method-assign]


@Cachette.load_config
def get_cachette_config() -> list[tuple[str, object]]:
  return [
    ('backend', os.environ.get('CACHETTE_BACKEND', 'inmemory')),
    ('redis_url', os.environ.get('CACHETTE_REDIS_URL')),
    ('memcached_host', os.environ.get('CACHETTE_MEMCACHED_HOST')),
    ('ttl', 60),
  ]


@app.while_serving
async def serve_with_cache() -> AsyncGenerator[None, None]:
  async with Cachette.lifespan():
    yield


@app.post('/')
async def setter() -> str:
  payload = await request.get_json()
  await Cachette().put(payload['key'], payload['value'])
  return 'OK'


@app.post('/later')
async def setter_later() -> tuple[str, int]:
  payload = await request.get_json()
  # The response does not wait for the task.
  app.add_background_task(Cachette().put, payload['key'], payload['value'])  # pyright: ignore[reportUnknownMemberType]
  return 'OK', 202


@app.get('/reports/<name>')
@cache_response(60, swr=30, sie=3600, tags=['reports'])
async def report(name: str) -> str:
  await asyncio.sleep(0.2)  # for slow work
  return f'{name} at {datetime.now():%H:%M:%S.%f}'


@app.get('/<key>')
async def getter(key: str) -> str:
  return str(await Cachette().fetch(key, default=''))


@app.delete('/<key>')
async def deleter(key: str) -> dict[str, int]:
  return {'cleared': await Cachette().clear(key=key)}
