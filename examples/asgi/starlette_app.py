# SPDX-License-Identifier: MIT
"""Starlette: run with `uvicorn starlette_app:app` from this folder."""

import asyncio
import os
from datetime import datetime

from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


@Cachette.load_config
def get_cachette_config() -> list[tuple[str, object]]:
  return [
    ('backend', os.environ.get('CACHETTE_BACKEND', 'inmemory')),
    ('redis_url', os.environ.get('CACHETTE_REDIS_URL')),
    ('memcached_host', os.environ.get('CACHETTE_MEMCACHED_HOST')),
    ('ttl', 60),
  ]


async def setter(request: Request) -> Response:
  payload = await request.json()
  await Cachette().put(payload['key'], payload['value'])
  return PlainTextResponse('OK')


async def setter_later(request: Request) -> Response:
  payload = await request.json()
  task = BackgroundTask(Cachette().put, payload['key'], payload['value'])
  return PlainTextResponse('OK', status_code=202, background=task)  # it runs after the response


@cache_response(60, swr=30, sie=3600, tags=['reports'])
async def report(request: Request) -> Response:
  await asyncio.sleep(0.2)  # for slow work
  return PlainTextResponse(f'{request.path_params["name"]} at {datetime.now():%H:%M:%S.%f}')


async def getter(request: Request) -> Response:
  return PlainTextResponse(await Cachette().fetch(request.path_params['key']))


async def deleter(request: Request) -> Response:
  return JSONResponse({'cleared': await Cachette().clear(key=request.path_params['key'])})


app = Starlette(
  routes=[
    Route('/', setter, methods=['POST']),
    Route('/later', setter_later, methods=['POST']),
    Route('/reports/{name}', report, methods=['GET']),
    Route('/{key}', getter, methods=['GET']),
    Route('/{key}', deleter, methods=['DELETE']),
  ],
  lifespan=Cachette.lifespan,
)
app.add_middleware(CacheMiddleware)
