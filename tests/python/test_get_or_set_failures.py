# SPDX-License-Identifier: MIT
"""get_or_set: cancelled callers, factories that fail, and caches that fail."""

import asyncio
import gc
import os
import sys
import traceback
import weakref
from typing import Any, List

import pytest
from cachette import BackendError, Cachette, CachetteError, CodecError, _fallbacks
from conftest import MakeClass, inmemory_only, on_pythons
from flights import Factory, assert_no_flights, run, until_waiting
from services.process import find_free_port

# ---- Cancellation


@pytest.mark.parametrize('victims', [[0], [1], [4], [0, 1, 2, 3], [1, 2, 3, 4]], ids=str)
def test_a_cancelled_caller_cancels_no_other(cache: Cachette, victims: List[int]) -> None:
  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(5)]
    await until_waiting(cache, 'key', 5)
    for victim in victims:
      calls[victim].cancel()
    await until_waiting(cache, 'key', 5 - len(victims))
    factory.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    for number, result in enumerate(results):
      if number in victims:
        assert isinstance(result, asyncio.CancelledError)
      else:
        assert result == 'value'
    assert (factory.runs, factory.cancelled) == (1, 0)
    assert await cache.fetch('key') == 'value'

  run(main())
  assert assert_no_flights()


@pytest.mark.parametrize('count', [1, 5])
def test_when_all_callers_are_cancelled_the_factory_is_cancelled_and_cleans_up(
  cache: Cachette, count: int
) -> None:
  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(count)]
    await until_waiting(cache, 'key', count)
    for call in calls:
      call.cancel()
    await asyncio.wait(calls)
    assert all(call.cancelled() for call in calls)
    assert (factory.runs, factory.cancelled, factory.cleaned) == (1, 1, True)
    assert assert_no_flights()
    assert await cache.get_or_set('key', 'next') == 'next'

  run(main())


def test_a_caller_during_the_cancellation_of_a_flight_starts_a_new_one(cache: Cachette) -> None:
  async def main() -> None:
    factory, started = Factory(), asyncio.Event()

    async def slow_to_cancel() -> Any:
      try:
        return await factory()
      finally:
        started.set()
        await asyncio.sleep(0.05)

    call = asyncio.create_task(cache.get_or_set('key', slow_to_cancel))
    await until_waiting(cache, 'key', 1)
    call.cancel()
    await started.wait()
    assert not call.done()
    assert await cache.get_or_set('key', 'anew') == 'anew'
    with pytest.raises(asyncio.CancelledError):
      await call
    assert await cache.fetch('key') == 'anew'

  run(main())


def test_a_timeout_of_a_caller_applies(cache: Cachette) -> None:
  async def main() -> None:
    factory = Factory()
    with pytest.raises(asyncio.TimeoutError):
      await asyncio.wait_for(cache.get_or_set('key', factory), 0.02)
    assert factory.cleaned

  run(main())


@on_pythons(
  sys.version_info >= (3, 11), 'before Python 3.11 a task does not tell that it is being cancelled'
)
def test_the_end_of_the_loop_cancels_a_factory_once(cache: Cachette) -> None:
  factories = []

  async def main() -> None:
    factories.append(Factory())
    calls = [asyncio.create_task(cache.get_or_set('key', factories[0])) for _ in range(3)]
    await until_waiting(cache, 'key', 3)
    assert len(calls) == 3

  run(main())
  assert (factories[0].cancelled, factories[0].cleaned) == (1, True)
  assert assert_no_flights()


def test_a_factory_that_cancels_itself_cancels_its_callers(cache: Cachette) -> None:
  async def compute() -> str:
    await asyncio.sleep(0.01)
    raise asyncio.CancelledError

  async def main() -> None:
    calls = [asyncio.create_task(cache.get_or_set('key', compute)) for _ in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in results] == [asyncio.CancelledError] * 3

  run(main())
  assert assert_no_flights()


# ---- A factory that fails


def test_an_exception_reaches_all_callers_and_is_not_stored(cache: Cachette) -> None:
  async def main() -> None:
    factory = Factory(LookupError('no such thing'))
    calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(100)]
    await until_waiting(cache, 'key', 100)
    factory.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [repr(each) for each in results] == ["LookupError('no such thing')"] * 100
    assert factory.runs == 1
    # A traceback contains no frames of other callers.
    depth = len(traceback.extract_tb(results[0].__traceback__))
    assert depth < 12
    assert await cache.fetch('key', 'missing') == 'missing'
    assert await cache.get_or_set('key', 'next') == 'next'

  run(main())
  assert assert_no_flights()
  assert _fallbacks.count(type(cache)) == 0


def test_a_traceback_contains_the_factory_and_its_context(cache: Cachette) -> None:
  def broken() -> str:
    try:
      return {}['inner']  # type: ignore[no-any-return]
    except KeyError:
      raise ValueError('outer')

  async def call() -> None:
    try:
      raise OSError('the business of the caller')
    except OSError:
      await cache.get_or_set('key', broken)

  async def main() -> None:
    results = await asyncio.gather(call(), call(), call(), return_exceptions=True)
    for error in results:
      assert isinstance(error, ValueError) and isinstance(error.__context__, KeyError)
      names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
      assert 'broken' in names and names.count('call') == 1

  run(main())


class Resource:
  """An object that a factory uses, tracked by weak references."""


@pytest.mark.parametrize('count', [1, 3])
def test_an_exception_creates_no_reference_cycle(cache: Cachette, count: int) -> None:
  died: List[int] = []

  async def compute() -> str:
    resource = Resource()
    weakref.finalize(resource, died.append, 1)
    await asyncio.sleep(0.01)
    raise LookupError

  async def call() -> None:
    try:
      await cache.get_or_set('key', compute)
    except LookupError:
      return
    raise AssertionError

  async def main() -> None:
    await asyncio.gather(*(call() for _ in range(count)))
    await asyncio.sleep(0.01)
    assert died == [1]

  gc.collect()
  gc.disable()
  try:
    run(main())
  finally:
    gc.enable()


def test_an_exception_without_a_caller_is_not_logged(
  cache: Cachette, caplog: pytest.LogCaptureFixture
) -> None:
  async def main() -> None:
    go = asyncio.Event()

    async def compute() -> str:
      try:
        await go.wait()
      except asyncio.CancelledError:
        raise ValueError('while cleaning up')
      return 'never'

    call = asyncio.create_task(cache.get_or_set('key', compute))
    await until_waiting(cache, 'key', 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
      await call

  run(main())
  gc.collect()
  assert caplog.records == []


def test_a_base_exception_reaches_all_callers(cache: Cachette) -> None:
  class Stop(BaseException):
    pass

  async def compute() -> str:
    await asyncio.sleep(0.01)
    raise Stop

  async def main() -> None:
    calls = [asyncio.create_task(cache.get_or_set('key', compute)) for _ in range(3)]
    done, _ = await asyncio.wait(calls)
    assert [type(each.exception()) for each in done] == [Stop] * 3

  run(main())
  assert assert_no_flights()


@pytest.mark.parametrize('kind', [KeyboardInterrupt, SystemExit])
def test_a_keyboard_interrupt_ends_the_loop_once(cache: Cachette, kind: Any) -> None:
  calls: List[Any] = []

  async def compute() -> str:
    await asyncio.sleep(0.01)
    raise kind

  async def main() -> None:
    calls.extend(asyncio.ensure_future(cache.get_or_set('key', compute)) for _ in range(3))
    await asyncio.wait(calls)

  with pytest.raises(kind):
    run(main())
  assert all(call.cancelled() for call in calls)
  assert assert_no_flights()


# ---- A cache that fails


class Down(Cachette):
  """A cache whose server is down."""


@pytest.fixture
def down() -> Cachette:
  url = f'redis://127.0.0.1:{find_free_port()}'
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})
  return Down()


def test_get_or_set_computes_and_counts_while_the_backend_is_down(down: Cachette) -> None:
  async def main() -> None:
    with pytest.raises(BackendError):
      await down.fetch('key')
    for number in range(3):
      assert await down.get_or_set('key', f'value {number}') == f'value {number}'
      assert _fallbacks.count(Down) == number + 1

  run(main())
  Down.load_config(lambda: {'backend': 'inmemory'})
  assert _fallbacks.count(Down) == 0


def test_a_thousand_callers_run_the_factory_once_while_the_backend_is_down(down: Cachette) -> None:
  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(down.get_or_set('key', factory)) for _ in range(1000)]
    await until_waiting(down, 'key', 1000)
    factory.go.set()
    assert await asyncio.gather(*calls) == ['value'] * 1000
    assert factory.runs == 1

  run(main())
  assert _fallbacks.count(Down) == 1000


@inmemory_only
def test_a_value_that_the_backend_rejects_is_returned_and_counted(make_class: MakeClass) -> None:
  cache = make_class(memory_limit='1M')()
  large = 'v' * (1 << 20)
  assert run(cache.get_or_set('key', large)) == large
  assert _fallbacks.count(type(cache)) == 1


def test_unreadable_bytes_are_replaced_and_counted(make_class: MakeClass) -> None:
  name = f'shared-{os.urandom(8).hex()}'
  writer = make_class(memory_name=name)()
  reader = make_class(memory_name=name, codec='json')()

  async def main() -> None:
    await writer.put('key', 'no JSON')
    with pytest.raises(CodecError):
      await reader.fetch('key')
    assert await reader.get_or_set('key', [1]) == [1]
    assert await reader.fetch('key') == [1]

  run(main())
  assert _fallbacks.count(type(reader)) == 1
  assert _fallbacks.count(type(writer)) == 0


def test_a_value_that_the_codec_cannot_encode_is_an_error(make_class: MakeClass) -> None:
  cache = make_class(codec='json')()
  with pytest.raises(CodecError, match='cannot encode the value of "key"'):
    run(cache.get_or_set('key', object))
  assert _fallbacks.count(type(cache)) == 0
  assert assert_no_flights()


def test_an_error_of_another_cache_in_the_factory_propagates(
  cache: Cachette, down: Cachette
) -> None:
  async def compute() -> Any:
    return await down.fetch('key')

  with pytest.raises(CachetteError):
    run(cache.get_or_set('key', compute))
  assert _fallbacks.count(type(cache)) == 0
