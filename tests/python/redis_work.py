# SPDX-License-Identifier: MIT
"""Work on a cache while its servers change, for the tests of clusters and sentinels."""

import asyncio
import time
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple, Optional, Sequence

from cachette import BackendError, Cachette


def open_cache(url: str, **settings: Any) -> Cachette:
  """A new cache. Its deadline is far longer than a takeover lasts."""

  class Own(Cachette):
    pass

  backend = url.partition(':')[0].partition('+')[0].replace('rediss', 'redis')
  backend = backend.replace('valkeys', 'valkey')
  settings = {'timeout': 20, 'connect_timeout': 20, **settings}
  Own.load_config(lambda: {'backend': backend, f'{backend}_url': url, **settings})
  return Own()


class Failure(NamedTuple):
  verb: str
  key: str
  began: float
  error: str


class Work:
  """Tasks that put, fetch and increment, each under keys of its own, and check every answer.

  loses_writes: the servers may lose what they acknowledged, as replicas that take over do. A value
  may be older then, but is never that of another key.
  """

  def __init__(
    self, cache: Cachette, keys: Sequence[str], tasks: int = 24, loses_writes: bool = False
  ) -> None:
    self.cache, self.loses_writes = cache, loses_writes
    self.shares: List[Sequence[str]] = [keys[number::tasks] for number in range(tasks)]
    self.failures: List[Failure] = []
    self.wrong: List[Any] = []
    self.done = 0
    self.successes: Dict[str, List[float]] = {}  # of puts: when each ended
    self.increments: Dict[str, int] = {}  # of each counter: how many were acknowledged
    self.stopping = False

  async def call(self, verb: str, key: str, make: Callable[[], Awaitable[Any]]) -> Optional[Any]:
    """Returns the result in a list; None: the call failed."""
    began = time.monotonic()
    try:
      result = await make()
    except BackendError as error:
      self.failures.append(Failure(verb, key, began, str(error)))
      await asyncio.sleep(0.002)
      return None
    self.done += 1
    return [result]

  def check(self, key: str, found: Any, version: int) -> None:
    """Checks a value that was found after `version` was put."""
    if self.loses_writes:
      if found is not None and found.partition('=')[0] != key:
        self.wrong.append((key, found, version))
    elif found != f'{key}={version}':
      self.wrong.append((key, found, version))

  async def turn(self, keys: Sequence[str], version: int) -> None:
    cache = self.cache
    for key in keys:
      value = f'{key}={version}'
      if await self.call('put', key, lambda: cache.put(key, value)) is None:
        return
      self.successes.setdefault(key, []).append(time.monotonic())
      found = await self.call('fetch', key, lambda: cache.fetch(key))
      if found is None:
        return
      self.check(key, found[0], version)
      counter = f'{{{key}}}:counter'  # in the same slot
      total = await self.call('increment', counter, lambda: cache.increment(counter))
      if total is None:
        self.increments[counter] = -(10**9)  # it may or may not have been executed
      else:
        count = self.increments[counter] = self.increments.get(counter, 0) + 1
        if count > 0 and total[0] != count and not self.loses_writes:
          self.wrong.append((counter, total[0], count))
    found = await self.call('fetch_many', keys[0], lambda: cache.fetch_many(keys))
    if found is not None:
      for key in keys:
        self.check(key, found[0].get(key), version)

  async def run(self) -> None:
    """Works until stop() is called."""

    async def work(keys: Sequence[str]) -> None:
      version = 0
      while not self.stopping:
        version += 1
        await self.turn(keys, version)

    await asyncio.gather(*(work(keys) for keys in self.shares if keys))

  async def during(self, change: Callable[[], Any], before: float = 0.2, after: float = 0.3) -> Any:
    """Works while a blocking function runs in a thread, and some seconds before and after.
    Returns what the function returns."""
    work = asyncio.ensure_future(self.run())
    try:
      await asyncio.sleep(before)
      result = await asyncio.get_running_loop().run_in_executor(None, change)
      await asyncio.sleep(after)
    finally:
      self.stopping = True
    await work
    return result

  def failures_of(self, *verbs: str) -> List[Failure]:
    return [each for each in self.failures if each.verb in verbs]

  def failures_since(self, moment: float) -> List[Failure]:
    """The failed calls that began after a moment."""
    return [each for each in self.failures if each.began > moment]
