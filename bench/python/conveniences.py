# SPDX-License-Identifier: MIT
"""Times the calls beyond fetch and put, in memory, in seconds per call; see worker.py.

The first argument is the library: cachette, or one whose decorator is compared with ours. The
others support only the case `cached`: aiocache, cashews, or functools (lru_cache on a plain
function).
"""

import asyncio
import functools
import json
import sys
from typing import Any, Awaitable, Callable, Dict

from worker import serve, time_chunks

LIBRARY = sys.argv[1]
CHUNK = 500  # calls in a chunk
VALUE = {'name': 'v' * 80, 'number': 7}
TEXT = json.dumps(VALUE)

Loop = Callable[[], Awaitable[None]]


def repeat(call: Callable[[], Awaitable[Any]]) -> Loop:
  async def loop() -> None:
    for _ in range(CHUNK):
      await call()

  return loop


def make_cachette() -> Dict[str, Loop]:
  from cachette import Cachette

  Cachette.load_config(lambda: {'ttl': 3600, 'codec': 'json'})
  cache = Cachette()

  class Texts(Cachette):
    pass

  Texts.load_config(lambda: {'ttl': 3600})

  @Texts.cached
  async def find(number: int, name: str = 'x') -> str:
    return TEXT

  async def compute() -> Any:
    return VALUE

  async def dumps_and_loads() -> None:
    json.loads(json.dumps(VALUE).encode())

  async def put_and_fetch() -> None:
    await cache.put('key', VALUE)
    await cache.fetch('key')

  keys = [f'many:{number}' for number in range(100)]

  async def start() -> None:
    await cache.put('key', VALUE)
    await cache.put_many({key: VALUE for key in keys})

  asyncio.run(start())
  return {
    'fetch': repeat(lambda: cache.fetch('key')),
    'get_or_set': repeat(lambda: cache.get_or_set('key', compute)),
    'cached': repeat(lambda: find(7)),
    'exists': repeat(lambda: cache.exists('key')),
    'touch': repeat(lambda: cache.touch('key', 60)),
    'increment': repeat(lambda: cache.increment('count')),
    'add': repeat(lambda: cache.add('key', VALUE)),
    'codec': repeat(dumps_and_loads),
    'put_and_fetch': repeat(put_and_fetch),
  }


def make_aiocache() -> Dict[str, Loop]:
  from aiocache import cached

  @cached(ttl=3600)
  async def find(number: int, name: str = 'x') -> str:
    return TEXT

  return {'cached': repeat(lambda: find(7))}


def make_cashews() -> Dict[str, Loop]:
  from cashews import cache

  cache.setup('mem://')

  @cache(ttl='1h')
  async def find(number: int, name: str = 'x') -> str:
    return TEXT

  return {'cached': repeat(lambda: find(7))}


def make_functools() -> Dict[str, Loop]:
  @functools.lru_cache(maxsize=1000)
  def find(number: int, name: str = 'x') -> str:
    return TEXT

  async def loop() -> None:
    for _ in range(CHUNK):
      find(7)

  return {'cached': loop}


LIBRARIES = {
  'cachette': make_cachette,
  'aiocache': make_aiocache,
  'cashews': make_cashews,
  'functools': make_functools,
}

cases = LIBRARIES[LIBRARY]()
serve(lambda case: asyncio.run(time_chunks(cases[case])) / CHUNK)
