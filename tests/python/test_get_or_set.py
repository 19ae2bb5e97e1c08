# SPDX-License-Identifier: MIT
"""get_or_set: hits, misses, single flight, loops, threads and forks."""

import asyncio
import contextvars
import gc
import os
import sys
import threading
import weakref
from typing import Any, List, Type

import pytest
from cachette import Cachette, CodecError
from cachette._flights import _loops
from conftest import MakeClass, run_python
from flights import Factory, assert_no_flights, run, until, until_waiting

# ---- Hits and misses


def test_a_factory_may_be_a_value_a_function_or_a_coroutine_function(cache: Cachette) -> None:
  async def compute() -> str:
    return 'coroutine function'

  def awaitable() -> 'asyncio.Future[str]':
    future = asyncio.get_running_loop().create_future()
    future.set_result('function that gives an awaitable')
    return future

  async def main() -> None:
    factories: List[Any] = ['value', lambda: 'function', compute, awaitable]
    expected = ['value', 'function', 'coroutine function', 'function that gives an awaitable']
    for number, factory in enumerate(factories):
      assert await cache.get_or_set(str(number), factory) == expected[number]
      assert await cache.fetch(str(number)) == expected[number]
      assert await cache.get_or_set(str(number), 'another') == expected[number]

  run(main())
  assert assert_no_flights()


def test_a_hit_runs_no_factory(cache: Cachette) -> None:
  async def main() -> None:
    await cache.put('key', 'stored')

    def factory() -> str:
      raise AssertionError

    assert await cache.get_or_set('key', factory) == 'stored'
    assert await cache.get_or_set(key='key', factory=factory, ttl=5) == 'stored'

  run(main())


def test_none_is_stored_as_a_value(make_class: MakeClass) -> None:
  cache = make_class(codec='pickle')()
  runs = []
  for _ in range(2):
    assert run(cache.get_or_set('key', lambda: runs.append(1))) is None
  assert len(runs) == 1
  assert run(cache.get_or_set('other', None)) is None
  assert run(cache.fetch('other', 'missing')) is None


def test_the_vanilla_codec_is_rejected_for_values_that_would_become_text(cache: Cachette) -> None:
  for value in ({'a': 1}, 5, None, b'bytes'):
    with pytest.raises(CodecError, match='"vanilla" codec stores only text.* the key "key"'):
      run(cache.get_or_set('key', lambda value=value: value))
    with pytest.raises(CodecError, match='would come back as str'):
      type(cache).sync.get_or_set('key', value)
  assert run(cache.fetch('key', 'nothing')) == 'nothing'


def test_the_ttl_comes_from_the_call_or_the_configuration(make_class: MakeClass) -> None:
  cache = make_class(ttl=3600)()

  async def main() -> None:
    await cache.get_or_set('own', 'value', 5)
    await cache.get_or_set('configured', 'value')
    assert (await cache.fetch_with_ttl('own'))[0] == 5
    assert (await cache.fetch_with_ttl('configured'))[0] == 3600

  run(main())


@pytest.mark.parametrize('ttl', [0, -1, -0.5, float('nan'), float('inf'), 10**400, '5', True, []])
def test_a_wrong_ttl_raises_the_error_of_put_before_the_factory_runs(
  cache: Cachette, ttl: Any
) -> None:
  runs: List[int] = []
  with pytest.raises((TypeError, ValueError)) as expected:
    run(cache.put('key', 'value', ttl))
  with pytest.raises(expected.type) as raised:
    run(cache.get_or_set('key', lambda: runs.append(1), ttl))
  assert str(raised.value) == str(expected.value)
  assert runs == []
  run(cache.put('key', 'value'))
  with pytest.raises(expected.type):
    run(cache.get_or_set('key', 'value', ttl))


@pytest.mark.parametrize(
  'key', ['', 'k' * 65537, '\udc80', 5, None], ids=lambda key: ascii(key)[:9]
)
def test_a_wrong_key_raises_before_the_factory_runs(cache: Cachette, key: Any) -> None:
  runs: List[int] = []
  with pytest.raises((TypeError, ValueError)):
    run(cache.get_or_set(key, lambda: runs.append(1)))
  assert runs == []


def test_a_coroutine_object_is_rejected_as_factory(cache: Cachette) -> None:
  async def compute() -> str:
    return 'value'

  with pytest.raises(TypeError, match='factory must be a value, a function or a coroutine fun'):
    run(cache.get_or_set('key', compute()))
  assert run(cache.fetch('key')) is None


# ---- Single flight


def test_a_thousand_concurrent_callers_run_the_factory_once(cache: Cachette) -> None:
  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(1000)]
    await until_waiting(cache, 'key', 1000)
    factory.go.set()
    assert await asyncio.gather(*calls) == ['value'] * 1000
    assert factory.runs == 1

  run(main())
  assert assert_no_flights()


def test_callers_that_join_later_run_the_factory_once(cache: Cachette) -> None:
  runs = []

  async def compute() -> str:
    runs.append(1)
    await asyncio.sleep(0.01)
    return 'value'

  async def call(number: int) -> str:
    await asyncio.sleep(number / 20_000)
    return await cache.get_or_set('key', compute)

  async def main() -> None:
    assert await asyncio.gather(*map(call, range(1000))) == ['value'] * 1000

  run(main())
  assert len(runs) == 1


def test_each_key_and_each_configuration_has_a_separate_flight(make_class: MakeClass) -> None:
  one, two = make_class()(), make_class()()

  async def main() -> None:
    factories = [Factory('a'), Factory('b'), Factory('c')]
    calls = [
      asyncio.create_task(cache.get_or_set(key, factory))
      for cache, key, factory in zip([one, one, two], ['a', 'b', 'a'], factories)
    ]
    await until(lambda: all(factory.runs for factory in factories))
    for factory in factories:
      factory.go.set()
    assert await asyncio.gather(*calls) == ['a', 'b', 'c']

  run(main())


def test_a_class_that_inherits_its_configuration_shares_the_flight(make_class: MakeClass) -> None:
  base = make_class()

  class Sub(base):  # type: ignore[misc, valid-type]
    pass

  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(cls().get_or_set('key', factory)) for cls in (base, Sub, base)]
    await until_waiting(base(), 'key', 3)
    factory.go.set()
    assert await asyncio.gather(*calls) == ['value'] * 3
    assert factory.runs == 1

  run(main())


def test_the_factory_runs_in_a_copy_of_the_first_callers_context(cache: Cachette) -> None:
  request = contextvars.ContextVar('request', default='none')
  seen = []

  async def compute() -> str:
    await asyncio.sleep(0.01)
    seen.append(request.get())
    request.set('changed')
    return 'value'

  async def call(name: str) -> None:
    request.set(name)
    await cache.get_or_set('key', compute)
    assert request.get() == name

  async def main() -> None:
    await asyncio.gather(call('first'), call('second'))

  run(main())
  assert seen in (['first'], ['second'])  # the first caller that learned of the miss


def test_a_factory_that_needs_its_own_key_computes_it(cache: Cachette) -> None:
  depth = []

  async def compute() -> str:
    depth.append(1)
    if len(depth) < 3:
      return await cache.get_or_set('key', compute) + '!'
    return 'value'

  async def main() -> None:
    assert await asyncio.wait_for(cache.get_or_set('key', compute), 10) == 'value!!'

  run(main())


def test_factories_may_need_other_keys(cache: Cachette) -> None:
  async def compute(number: int) -> str:
    if number == 0:
      return 'end'
    return await cache.get_or_set(f'{number - 1}', lambda: compute(number - 1))

  assert run(compute(20)) == 'end'
  assert run(cache.flush()) == 20


def test_a_flight_survives_garbage_collection(cache: Cachette) -> None:
  async def main() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    hold = weakref.ref(future)

    async def compute(future: Any = future) -> Any:
      return await future

    call = asyncio.create_task(cache.get_or_set('key', compute))
    await until_waiting(cache, 'key', 1)
    del future, compute
    for _ in range(3):
      gc.collect()
      await asyncio.sleep(0)
    found = hold()
    assert found is not None
    found.set_result('value')
    assert await call == 'value'

  run(main())


# ---- Loops, threads, forks


def test_event_loops_in_threads_share_values_but_not_flights(make_class: MakeClass) -> None:
  async def compute() -> str:
    await asyncio.sleep(0.01)
    return 'value'

  def race(cls: Type[Cachette]) -> List[Any]:
    barrier = threading.Barrier(4)
    results: List[Any] = []

    async def main() -> None:
      barrier.wait(20)
      results.append(await asyncio.gather(*(cls().get_or_set('key', compute) for _ in range(50))))

    threads = [threading.Thread(target=lambda: run(main())) for _ in range(4)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join(60)
    return results

  for _ in range(20):
    assert race(make_class()) == [['value'] * 50] * 4
  assert assert_no_flights()


def test_values_are_available_in_a_later_loop(cache: Cachette) -> None:
  for number in range(20):
    assert run(cache.get_or_set(str(number // 2), str(number))) == str(number // 2 * 2)


def test_a_loop_that_was_closed_with_flights_is_released(cache: Cachette) -> None:
  loop = asyncio.new_event_loop()

  async def start() -> Any:
    call = asyncio.ensure_future(cache.get_or_set('key', Factory()))
    await until_waiting(cache, 'key', 1)
    return call

  call = loop.run_until_complete(start())
  call._log_destroy_pending = False
  for flight in _loops.under_way[loop].values():
    assert flight.task is not None
    flight.task._log_destroy_pending = False  # type: ignore[attr-defined]
  loop.close()
  assert run(cache.get_or_set('key', 'value')) == 'value'
  assert assert_no_flights()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork')
def test_a_forked_child_does_not_wait_for_flights_of_its_parent() -> None:
  output = run_python("""
    import asyncio, os, threading, time, warnings
    from cachette import Cachette, _flights
    from cachette._flights import _loops, _threads
    warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside threads
    class Blocking:
      def fetch(self, key, default):
        return asyncio.run(Cachette().fetch(key, default))
      def exists(self, key):
        return asyncio.run(Cachette().exists(key))
      def put(self, key, value, ttl):
        asyncio.run(Cachette().put(key, value, ttl))
    def compute_blocking(key, factory):
      return _flights.compute_blocking(Cachette, Blocking(), key, factory, None)
    started, go = [], threading.Event()
    async def compute():
      started.append(1)
      while not go.is_set():
        await asyncio.sleep(0.01)
      return 'parent'
    def wait():
      started.append(1)
      go.wait()
      return 'parent'
    threads = [
      threading.Thread(target=lambda: asyncio.run(Cachette().get_or_set('key', compute))),
      threading.Thread(target=lambda: compute_blocking('key of threads', wait)),
    ]
    for thread in threads:
      thread.start()
    while len(started) < 2:
      time.sleep(0.01)
    assert _loops.under_way and _threads.under_way
    if os.fork() == 0:
      async def main():
        return await asyncio.wait_for(Cachette().get_or_set('key', lambda: 'child'), 10)
      print(asyncio.run(main()), compute_blocking('key of threads', lambda: 'child'), flush=True)
      os._exit(0)
    os.wait()
    go.set()
    for thread in threads:
      thread.join()
    print(*(asyncio.run(Cachette().fetch(key)) for key in ('key', 'key of threads')))
    """)
  assert output == 'child child\nparent parent\n'


# ---- Other event loops


def test_single_flight_on_uvloop(cache: Cachette) -> None:
  uvloop = pytest.importorskip('uvloop')

  async def main() -> None:
    factory = Factory()
    calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(100)]
    await until_waiting(cache, 'key', 100)
    for call in calls[:50]:
      call.cancel()
    await until_waiting(cache, 'key', 50)
    factory.go.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[50:] == ['value'] * 50 and factory.runs == 1
    lonely = Factory()
    with pytest.raises(asyncio.TimeoutError):
      await asyncio.wait_for(cache.get_or_set('other', lonely), 0.02)
    assert lonely.cleaned

  loop = uvloop.new_event_loop()
  try:
    loop.run_until_complete(main())
  finally:
    loop.close()
  assert assert_no_flights()


if sys.version_info >= (3, 12):  # eager tasks are available from that version on

  def test_single_flight_with_eager_tasks(cache: Cachette) -> None:
    async def broken() -> str:
      raise LookupError

    async def nested() -> str:
      runs.append(1)
      return await cache.get_or_set('nested', nested) if len(runs) < 2 else 'value'

    runs: List[int] = []

    async def main() -> None:
      asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
      assert await cache.get_or_set('plain', lambda: 'value') == 'value'
      assert await cache.get_or_set('nested', nested) == 'value'
      with pytest.raises(LookupError):
        await cache.get_or_set('broken', broken)
      factory = Factory()
      calls = [asyncio.create_task(cache.get_or_set('key', factory)) for _ in range(100)]
      await until_waiting(cache, 'key', 100)
      factory.go.set()
      assert await asyncio.gather(*calls) == ['value'] * 100
      assert factory.runs == 1

    run(main())
    assert assert_no_flights()
