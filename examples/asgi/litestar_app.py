# SPDX-License-Identifier: MIT
"""Litestar: run with `uvicorn litestar_app:app` from this folder."""

import os
from dataclasses import dataclass

from cachette import Cachette
from litestar import Litestar, MediaType, delete, get, post
from litestar.di import Provide
from litestar.logging import LoggingConfig


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
async def setter(data: Payload, cachette: Cachette) -> str:
  await cachette.put(data.key, data.value)
  return 'OK'


@get('/{key:str}', media_type=MediaType.TEXT)
async def getter(key: str, cachette: Cachette) -> str:
  return str(await cachette.fetch(key, default=''))


@delete('/{key:str}', status_code=200)
async def deleter(key: str, cachette: Cachette) -> dict[str, int]:
  return {'cleared': await cachette.clear(key=key)}


app = Litestar(
  [setter, getter, deleter],
  dependencies={'cachette': Provide(Cachette, sync_to_thread=False)},
  lifespan=[Cachette.lifespan],
  logging_config=LoggingConfig(log_exceptions='always'),
)
