# SPDX-License-Identifier: MIT
"""Concurrent load on a cache, for the tests with network faults."""

import asyncio
import random
import time
from typing import Any, Dict, List, Set

from cachette import BackendError, Cachette

TASKS, CALLS = 64, 160


class Load:
  """Tasks that put and fetch. Each value contains its key, and a third of the calls is cancelled or
  times out."""

  def __init__(self, cache: Cachette) -> None:
    self.cache = cache
    self.wrong_values: List[Any] = []
    self.counts: Dict[str, int] = {'ok': 0, 'failed': 0, 'cancelled': 0}
    self.errors: Set[str] = set()
    self.max_seconds = 0.0

  async def call(self, key: str, version: int) -> None:
    if version % 3 == 0:
      await self.cache.put(key, f'{key}={version}')
      return
    found = await self.cache.fetch(key)
    if found is not None and found.partition('=')[0] != key:
      self.wrong_values.append((key, found))

  async def timed_call(self, key: str, version: int) -> None:
    start = time.monotonic()
    kind = random.randrange(6)
    try:
      if kind == 0:
        await asyncio.wait_for(self.call(key, version), random.random() * 0.01)
      elif kind == 1:
        task = asyncio.ensure_future(self.call(key, version))
        await asyncio.sleep(random.random() * 0.005)
        task.cancel()
        await task
      else:
        await self.call(key, version)
      self.counts['ok'] += 1
    except BackendError as error:
      self.counts['failed'] += 1
      self.errors.add(str(error))
      await asyncio.sleep(0.001)
    except (asyncio.TimeoutError, asyncio.CancelledError):
      self.counts['cancelled'] += 1
    self.max_seconds = max(self.max_seconds, time.monotonic() - start)

  async def run(self) -> None:
    async def work(number: int) -> None:
      for version in range(CALLS):
        await self.timed_call(f'key:{number}:{version % 7}', version)

    await asyncio.gather(*(work(number) for number in range(TASKS)))


async def recover(cache: Cachette) -> float:
  """Returns the seconds until the cache answers again."""
  start = time.monotonic()
  while True:
    try:
      await cache.put('recovered', 'yes')
      return time.monotonic() - start
    except (BackendError, OSError):
      assert time.monotonic() - start < 10
      await asyncio.sleep(0.01)


FAULTS = ['latency', 'slices', 'cut', 'reset', 'black hole', 'garbage', 'slow close', 'refuse']
