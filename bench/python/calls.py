# SPDX-License-Identifier: MIT
"""One round of timings of the package's calls: a JSON object of seconds per call, on one line.

It runs with whatever package `cachette` stands in the interpreter's environment: this project's,
or the peer of the same name from PyPI. Every round is a process of its own, because the first figure is
what the import takes in a fresh one, and because where code and data happen to lie differs from
process to process.
"""

import asyncio
from time import perf_counter

_begin = perf_counter()
import cachette  # noqa: E402

IMPORT_SECONDS = perf_counter() - _begin

import json  # noqa: E402
import sys  # noqa: E402
from statistics import median  # noqa: E402
from typing import Callable, Dict, List  # noqa: E402

REPEATS = 5
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


# What is timed: a loop over keys, and which keys it is given.
CASES = {
  'fetch_hit': (fetch, ONE_KEY),
  'fetch_hit_many': (fetch, MANY_KEYS),
  'fetch_miss': (fetch, ABSENT_KEYS),
  'fetch_with_ttl': (fetch_with_ttl, ONE_KEY),
  'put': (put, ONE_KEY),
  'build': (build, ONE_KEY),
}


async def time_case(cache: cachette.Cachette, loop: Callable, keys: List[str], calls: int) -> float:
  """The median of some repeats, in seconds a call, the turns of the `for` included."""
  keys = (keys * (calls // len(keys) + 1))[:calls]
  taken = []
  for _ in range(REPEATS):
    begin = perf_counter()
    await loop(cache, keys)
    taken.append((perf_counter() - begin) / calls)
  return median(taken)


async def main(calls: int) -> Dict[str, float]:
  cache = cachette.Cachette()
  for key in MANY_KEYS:
    await cache.put(key, VALUE)
  figures = {'import': IMPORT_SECONDS}
  for name, (loop, keys) in CASES.items():
    figures[name] = await time_case(cache, loop, keys, calls)
  return figures


if __name__ == '__main__':
  cachette.Cachette.load_config(lambda: [('backend', 'inmemory'), ('ttl', 3600)])
  print(json.dumps(asyncio.run(main(1000 if '--quick' in sys.argv else 20000))))
