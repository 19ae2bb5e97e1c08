# SPDX-License-Identifier: MIT
"""Starlette: run with `uvicorn starlette_app:app` from this folder."""

import os

from cachette import Cachette
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


async def getter(request: Request) -> Response:
  return PlainTextResponse(await Cachette().fetch(request.path_params['key']))


async def deleter(request: Request) -> Response:
  return JSONResponse({'cleared': await Cachette().clear(key=request.path_params['key'])})


app = Starlette(
  routes=[
    Route('/', setter, methods=['POST']),
    Route('/later', setter_later, methods=['POST']),
    Route('/{key}', getter, methods=['GET']),
    Route('/{key}', deleter, methods=['DELETE']),
  ],
  lifespan=Cachette.lifespan,
)
