# SPDX-License-Identifier: MIT
"""Shared by the tests of get_or_set and invalidation: factories, writes, and helpers that wait."""

import asyncio
import time
from typing import Any, Callable, Dict

from cachette import Cachette
from cachette._flights import _loops, _threads

KEY = 'ns:key'
LONG = 30  # in seconds, longer than anything here takes


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


async def in_thread(call: Callable[[], Any]) -> Any:
  return await asyncio.get_running_loop().run_in_executor(None, call)


# All writes by name: the call, and the value of KEY afterwards (None: no entry).
WRITES: Dict[str, Any] = {
  'clear(ns)': (lambda cache: cache.clear('ns'), None),
  'clear(namespace=)': (lambda cache: cache.clear(namespace='ns'), None),
  'clear(key=)': (lambda cache: cache.clear(key=KEY), None),
  'clear_many': (lambda cache: cache.clear_many(iter(['a', KEY])), None),
  'flush': (lambda cache: cache.flush(), None),
  'put': (lambda cache: cache.put(KEY, 'put'), 'put'),
  'put_many': (lambda cache: cache.put_many({'a': '1', KEY: 'put'}), 'put'),
  'add': (lambda cache: cache.add(KEY, 'put'), 'put'),
}
# Listed separately because what `fetch` returns for a counter is not tested here.
COUNTS = {'increment': (lambda cache: cache.increment(KEY, 5), '5')}


def blocking_in_thread(write: Callable[[Any], Any]) -> Callable[[Any], Any]:
  async def call(cache: Any) -> Any:
    return await in_thread(lambda: write(type(cache).sync))

  return call


def blocking_in_loop(write: Callable[[Any], Any]) -> Callable[[Any], Any]:
  async def call(cache: Any) -> Any:
    return write(type(cache).sync)

  return call


def in_another_loop(write: Callable[[Any], Any]) -> Callable[[Any], Any]:
  async def awaited(cache: Any) -> Any:
    return await write(cache)

  async def call(cache: Any) -> Any:
    return await in_thread(lambda: run(awaited(cache)))

  return call


FORMS: Dict[str, Any] = {
  'awaited': lambda write: write,
  'sync in a thread': blocking_in_thread,
  'sync in the loop': blocking_in_loop,
  'in another loop': in_another_loop,
}


class Factory:
  """A coroutine function that counts its runs and waits until it is released."""

  def __init__(self, value: Any = 'value') -> None:
    self.value = value
    self.runs = 0
    self.cancelled = 0
    self.cleaned = False
    self.go = asyncio.Event()

  async def __call__(self) -> Any:
    self.runs += 1
    try:
      await self.go.wait()
    except asyncio.CancelledError:
      self.cancelled += 1
      await asyncio.sleep(0)
      self.cleaned = True
      raise
    if isinstance(self.value, BaseException):
      raise self.value
    return self.value


class Source:
  """Data whose version a factory reads; then the factory waits until it is released."""

  def __init__(self) -> None:
    self.data = 'old'
    self.runs = 0
    self.read = asyncio.Event()
    self.go = asyncio.Event()

  async def __call__(self) -> str:
    self.runs += 1
    value = self.data
    self.read.set()
    if self.runs == 1:
      await self.go.wait()
    return value


async def until(condition: Callable[[], bool]) -> None:
  """Runs the loop until a condition is true."""
  deadline = time.monotonic() + 60
  while not condition():
    assert time.monotonic() < deadline
    await asyncio.sleep(0.001)


async def until_waiting(cache: Cachette, key: str, count: int) -> None:
  """Runs the loop until `count` callers wait for a key."""

  def waiting() -> int:
    flights = _loops.under_way.get(asyncio.get_running_loop(), {})
    flight = flights.get((type(cache)._config, key))
    return len(flight.waiting) if flight is not None else 0

  await until(lambda: waiting() == count)


def assert_no_flights() -> bool:
  return not _loops.under_way and not _threads.under_way
