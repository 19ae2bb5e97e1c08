# SPDX-License-Identifier: MIT
"""Many tasks on one cache, for the tests of what faults do to them."""

import asyncio
import random
import time
from typing import Any, Dict, List, Set

from cachette import BackendError, Cachette

TASKS, CALLS = 64, 160


class Load:
  """Tasks that put and fetch; each value carries its key, and a third of the calls is given up."""

  def __init__(self, cache: Cachette) -> None:
    self.cache = cache
    self.wrong: List[Any] = []
    self.counts: Dict[str, int] = {'fine': 0, 'failed': 0, 'given up': 0}
    self.errors: Set[str] = set()
    self.longest = 0.0

  async def call(self, key: str, version: int) -> None:
    if version % 3 == 0:
      await self.cache.put(key, f'{key}={version}')
      return
    found = await self.cache.fetch(key)
    if found is not None and found.partition('=')[0] != key:
      self.wrong.append((key, found))

  async def one(self, key: str, version: int) -> None:
    begin = time.monotonic()
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
      self.counts['fine'] += 1
    except BackendError as error:
      self.counts['failed'] += 1
      self.errors.add(str(error))
      await asyncio.sleep(0.001)
    except (asyncio.TimeoutError, asyncio.CancelledError):
      self.counts['given up'] += 1
    self.longest = max(self.longest, time.monotonic() - begin)

  async def run(self) -> None:
    async def work(number: int) -> None:
      for version in range(CALLS):
        await self.one(f'key:{number}:{version % 7}', version)

    await asyncio.gather(*(work(number) for number in range(TASKS)))


async def recover(cache: Cachette) -> float:
  """Seconds until the cache answers again."""
  begin = time.monotonic()
  while True:
    try:
      await cache.put('recovered', 'yes')
      return time.monotonic() - begin
    except (BackendError, OSError):
      assert time.monotonic() - begin < 10
      await asyncio.sleep(0.01)


FAULTS = ['latency', 'slices', 'cut', 'reset', 'black hole', 'garbage', 'slow close', 'refuse']
