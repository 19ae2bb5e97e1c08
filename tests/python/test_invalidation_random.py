# SPDX-License-Identifier: MIT
"""Tasks and threads that read and write at random never fetch an outdated value."""

import asyncio
import contextlib
import itertools
import random
import threading
import time
from typing import Any, Callable, Dict, Iterator, List

import pytest
from cachette._flights import _loops, _threads
from conftest import MakeClass
from flights import run


class Truth:
  """A database with one number per key, and the oldest version that may still be fetched.

  A key has one writer at a time, because two concurrent puts have no defined order.
  """

  def __init__(self) -> None:
    self.version = itertools.count(1)
    self.now = dict.fromkeys(KEYS, 0)
    # The oldest version that may be fetched, since the last answered write.
    self.oldest = dict.fromkeys(KEYS, 0)
    self.writers = {key: threading.Lock() for key in KEYS}

  @contextlib.contextmanager
  def change(self, *keys: str) -> Iterator[Dict[str, str]]:
    """Changes keys without concurrent writers. The caller writes them to the cache inside the with
    block."""
    mine = [key for key in keys if self.writers[key].acquire(blocking=False)]
    try:
      versions = {key: next(self.version) for key in mine}
      self.now.update(versions)
      yield {key: str(version) for key, version in versions.items()}
      self.oldest.update(versions)
    finally:
      for key in mine:
        self.writers[key].release()


KEYS = [f'ns:{number}' for number in range(4)]
SECONDS = 2


def check(key: str, floor: int, found: Any) -> None:
  assert found is None or int(found) >= floor, (key, floor, found)


async def run_task(cls: Any, truth: Truth, seed: int, deadline: float) -> None:
  """A task that reads and writes at random."""
  chance, cache = random.Random(seed), cls()

  async def compute(key: str) -> str:
    version = truth.now[key]
    await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))
    return str(version)

  def get_or_set(key: str) -> Any:
    return cache.get_or_set(key, lambda: compute(key))

  while time.monotonic() < deadline:
    key, what = chance.choice(KEYS), chance.random()
    floor = truth.oldest[key]
    if what < 0.5:
      check(key, floor, await get_or_set(key))
    elif what < 0.6:
      call = asyncio.ensure_future(get_or_set(key))
      await asyncio.sleep(chance.choice([0, 0, 0.001, 0.002]))
      call.cancel()
      await asyncio.wait([call])
    elif what < 0.7:
      check(key, floor, await cache.fetch(key))
    elif what < 0.75:
      with truth.change(key):
        await cache.clear(key=key)
    elif what < 0.8:
      with truth.change(key) as versions:
        await (cache.put_many(versions) if chance.random() < 0.5 else put_all(cache, versions))
    elif what < 0.85:
      with truth.change(*KEYS) as versions:
        if len(versions) == len(KEYS) and chance.random() < 0.5:
          await cache.clear('ns')
        else:
          await cache.clear_many(versions)
    else:
      await asyncio.sleep(chance.choice([0, 0.001]))


async def put_all(cache: Any, versions: Dict[str, str]) -> None:
  for key, version in versions.items():
    await cache.put(key, version)


def run_thread(cls: Any, truth: Truth, seed: int, deadline: float) -> None:
  chance, sync = random.Random(seed), cls.sync

  def compute(key: str) -> str:
    version = truth.now[key]
    time.sleep(chance.choice([0, 0.001, 0.003]))
    return str(version)

  while time.monotonic() < deadline:
    key, what = chance.choice(KEYS), chance.random()
    floor = truth.oldest[key]
    if what < 0.5:
      check(key, floor, sync.get_or_set(key, lambda key=key: compute(key)))
    elif what < 0.75:
      check(key, floor, sync.fetch(key))
    else:
      with truth.change(key) as versions:
        sync.clear(key=key) if what < 0.9 else sync.put_many(versions)


@pytest.mark.parametrize('seed', range(2))
def test_no_fetch_returns_a_value_older_than_an_answered_write(
  make_class: MakeClass, seed: int
) -> None:
  """Runs tasks in two loops, and threads, at random."""
  cls, truth = make_class(timeout=60), Truth()
  deadline = time.monotonic() + SECONDS
  errors: List[BaseException] = []

  def guarded(call: Callable[[], Any]) -> None:
    try:
      call()
    except BaseException as error:
      errors.append(error)

  async def main(first: int) -> None:
    await asyncio.gather(*(run_task(cls, truth, first + each, deadline) for each in range(12)))

  calls: List[Callable[[], Any]] = [
    lambda: run(main(seed * 1000)),
    lambda: run(main(seed * 1000 + 100)),
    *(
      lambda each=each: run_thread(cls, truth, seed * 1000 + 200 + each, deadline)
      for each in range(3)
    ),
  ]
  threads = [threading.Thread(target=guarded, args=(call,)) for call in calls]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(120)
    assert not thread.is_alive()
  if errors:
    raise errors[0]
  assert not _loops.under_way and not _threads.under_way
