# SPDX-License-Identifier: MIT
"""Calls that continue without the cache are counted, and logged at most once in ten seconds."""

import asyncio
import logging
import os
import threading
from typing import Any, Iterator, List

import pytest
from cachette import Cachette, CodecError, _fallbacks
from conftest import MakeClass, inmemory_only, run_python
from services.process import find_free_port


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


class Time:
  """A clock that advances only when a test moves it."""

  def __init__(self) -> None:
    self.now = 1000.0

  def __call__(self) -> float:
    return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
  clock = Time()
  monkeypatch.setattr(_fallbacks, 'clock', clock)
  return clock


class Down(Cachette):
  """A cache whose server is down."""


@pytest.fixture(autouse=True)
def down() -> Iterator[None]:
  url = f'redis://:Hunter2@127.0.0.1:{find_free_port()}'
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})
  yield


def logged(caplog: pytest.LogCaptureFixture) -> List[str]:
  lines = [each.getMessage() for each in caplog.records if 'without its cache' in each.getMessage()]
  assert all(each.name == 'cachette' and each.levelno == logging.WARNING for each in caplog.records)
  return lines


def test_the_first_fallback_is_logged_with_its_reason(
  clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
  assert run(Down().get_or_set('key', 'value')) == 'value'
  (line,) = logged(caplog)
  assert 'Down' in line and '127.0.0.1' in line and 'Hunter2' not in line


def test_fallbacks_within_ten_seconds_are_counted_in_the_next_log_record(
  clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
  @Down.cached
  async def load(number: int) -> str:
    return 'value'

  @Down.cached
  def load_now(number: int) -> str:
    return 'value'

  async def main() -> None:
    for number in range(20):
      await load(number)
      await Down().get_or_set('key', 'value')

  run(main())
  clock.now += 9.9
  load_now(1)
  Down.sync.get_or_set('key', 'value')
  assert len(logged(caplog)) == 1
  clock.now += 0.2
  load_now(1)
  lines = logged(caplog)
  assert len(lines) == 2 and '41 more' in lines[1] and 'more' not in lines[0]
  assert Down.stats().fallbacks == 43
  clock.now += 1000
  load_now(1)
  assert len(logged(caplog)) == 3 and 'more' not in logged(caplog)[2]


def test_each_configuration_logs_separately(clock: Time, caplog: pytest.LogCaptureFixture) -> None:
  class Other(Cachette):
    pass

  class Inherits(Down):
    pass

  url = f'redis://127.0.0.1:{find_free_port()}'
  Other.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})
  for cls in (Down, Other, Inherits, Down):
    run(cls().get_or_set('key', 'value'))
  lines = logged(caplog)
  assert len(lines) == 2 and 'Down' in lines[0] and 'Other' in lines[1]
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})
  run(Down().get_or_set('key', 'value'))
  assert len(logged(caplog)) == 3


@inmemory_only
def test_failed_puts_and_unreadable_bytes_are_logged(
  make_class: MakeClass, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
  name = f'shared-{os.urandom(8).hex()}'
  small: Any = make_class(memory_limit='1M')
  run(small().get_or_set('key', 'v' * (1 << 20)))
  writer: Any = make_class(memory_name=name)
  reader: Any = make_class(memory_name=name, codec='json')
  run(writer().put('key', 'no JSON'))
  with pytest.raises(CodecError):
    run(reader().fetch('key'))
  run(reader().get_or_set('key', [1]))
  lines = logged(caplog)
  assert len(lines) == 2
  assert 'cannot decode the value of "key"' in lines[1]


def test_concurrent_threads_log_once(clock: Time, caplog: pytest.LogCaptureFixture) -> None:
  threads = [
    threading.Thread(target=lambda: Down.sync.get_or_set('key', 'value')) for _ in range(10)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(60)
  assert len(logged(caplog)) == 1
  assert Down.stats().fallbacks == 10


def test_logging_is_imported_only_when_needed() -> None:
  assert (
    run_python("""
    import sys
    import cachette, asyncio
    before = set(sys.modules)
    cachette.Cachette.sync.get_or_set('key', 'value')
    print('logging' in set(sys.modules) - before)
    """)
    == 'False\n'
  )
