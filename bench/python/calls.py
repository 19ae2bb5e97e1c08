# SPDX-License-Identifier: MIT
"""Times the package's calls, one case at a time, in seconds per call; see worker.py.

It runs with the `cachette` package of the interpreter's environment: this project's, or the peer of
the same name from PyPI.
"""

import asyncio
from time import perf_counter

_begin = perf_counter()
import cachette  # noqa: E402

IMPORT_SECONDS = perf_counter() - _begin

from typing import List  # noqa: E402

from worker import serve, time_chunks  # noqa: E402

CHUNK = 1000  # calls in a chunk
VALUE = 'v' * 100
ONE_KEY = ['user:1']
MANY_KEYS = [f'user:{number}' for number in range(1000)]
ABSENT_KEYS = ['absent:1']


async def fetch(cache: cachette.Cachette, keys: List[str]) -> None:
  for key in keys:
    await cache.fetch(key)


async def fetch_with_ttl(cache: cachette.Cachette, keys: List[str]) -> None:
  for key in keys:
    await cache.fetch_with_ttl(key)


async def put(cache: cachette.Cachette, keys: List[str]) -> None:
  for key in keys:
    await cache.put(key, VALUE)


async def build(cache: cachette.Cachette, keys: List[str]) -> None:
  make = type(cache)
  for _ in keys:
    make()


# The cases: a loop over keys, and the keys.
CASES = {
  'fetch_hit': (fetch, ONE_KEY),
  'fetch_hit_many': (fetch, MANY_KEYS),
  'fetch_miss': (fetch, ABSENT_KEYS),
  'fetch_with_ttl': (fetch_with_ttl, ONE_KEY),
  'put': (put, ONE_KEY),
  'build': (build, ONE_KEY),
}


async def fill(cache: cachette.Cachette) -> None:
  for key in MANY_KEYS:
    await cache.put(key, VALUE)


async def time_case(cache: cachette.Cachette, case: str) -> float:
  """Seconds per call, including the `for` loop."""
  loop, keys = CASES[case]
  keys = keys * (CHUNK // len(keys))
  return await time_chunks(lambda: loop(cache, keys)) / CHUNK


def main() -> None:
  cachette.Cachette.load_config(lambda: [('backend', 'inmemory'), ('ttl', 3600)])
  cache = cachette.Cachette()
  asyncio.run(fill(cache))
  serve(lambda case: IMPORT_SECONDS if case == 'import' else asyncio.run(time_case(cache, case)))


if __name__ == '__main__':
  main()
