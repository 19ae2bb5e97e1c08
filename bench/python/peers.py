# SPDX-License-Identifier: MIT
"""Times a fetch that hits, and a put, of one in-process cache; see worker.py.

The first argument is the cache. For a cache with coroutines `await fetch(key)` is timed, for others
the plain call.
"""

import asyncio
import sys
from typing import Any, Callable, Dict

from worker import serve_cases, time_chunks

VALUE = 'v' * 100
KEYS = [f'user:{number}' for number in range(1000)]

Loops = Dict[str, Callable[[], Any]]


def awaited(fetch: Callable[[str], Any], put: Callable[[str, str], Any]) -> Loops:
  async def fetch_all() -> None:
    for key in KEYS:
      await fetch(key)

  async def put_all() -> None:
    for key in KEYS:
      await put(key, VALUE)

  return {'fetch': fetch_all, 'put': put_all}


def plain(fetch: Callable[[str], Any], put: Callable[[str, str], Any]) -> Loops:
  async def fetch_all() -> None:
    for key in KEYS:
      fetch(key)

  async def put_all() -> None:
    for key in KEYS:
      put(key, VALUE)

  return {'fetch': fetch_all, 'put': put_all}


def open_cachette() -> Loops:
  from cachette import Cachette

  Cachette.load_config(lambda: [('backend', 'inmemory'), ('ttl', 3600)])
  cache = Cachette()
  return awaited(cache.fetch, cache.put)


def open_aiocache() -> Loops:
  from aiocache import SimpleMemoryCache

  cache = SimpleMemoryCache()
  return awaited(cache.get, lambda key, value: cache.set(key, value, ttl=3600))


def open_cashews() -> Loops:
  from cashews import Cache

  cache = Cache()
  cache.setup('mem://?size=10000')
  return awaited(cache.get, lambda key, value: cache.set(key, value, expire=3600))


def open_cachetools() -> Loops:
  from cachetools import TTLCache

  cache: Any = TTLCache(10_000, 3600)
  return plain(cache.__getitem__, cache.__setitem__)


def open_cachebox() -> Loops:
  from cachebox import TTLCache

  cache: Any = TTLCache(10_000, 3600)
  return plain(cache.__getitem__, cache.__setitem__)


def open_theine() -> Loops:
  from datetime import timedelta

  from theine import Cache

  cache: Any = Cache(10_000)
  life = timedelta(hours=1)
  return plain(cache.get, lambda key, value: cache.set(key, value, life))


OPENERS: Dict[str, Callable[[], Loops]] = {
  'cachette': open_cachette,
  'aiocache': open_aiocache,
  'cashews': open_cashews,
  'cachetools': open_cachetools,
  'cachebox': open_cachebox,
  'theine': open_theine,
}


def main() -> None:
  loops = OPENERS[sys.argv[1]]()
  runner = asyncio.new_event_loop()
  runner.run_until_complete(loops['put']())
  assert runner.run_until_complete(time_chunks(loops['fetch'])) > 0
  serve_cases(
    lambda case, quick: {'seconds': runner.run_until_complete(time_chunks(loops[case])) / len(KEYS)}
  )


if __name__ == '__main__':
  main()
