# SPDX-License-Identifier: MIT
"""Factories that need each other: one that would close a cycle of waiting computes its value
itself."""

import asyncio
import collections
import contextlib
import random
import threading
import time
from typing import Any, Callable, Counter, Dict, List

import pytest
from cachette import Cachette
from conftest import MakeClass, inmemory_only

LONG = 30  # in seconds, longer than anything here takes


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


def run_all(*calls: Callable[[], Any]) -> List[Any]:
  """Runs calls in separate threads, checks that all end, and returns their results."""
  results: List[Any] = [None] * len(calls)

  def call(index: int) -> None:
    try:
      results[index] = calls[index]()
    except BaseException as error:
      results[index] = error

  threads = [threading.Thread(target=call, args=(each,), daemon=True) for each in range(len(calls))]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join(LONG)
  assert not any(thread.is_alive() for thread in threads), 'they wait for each other'
  return results


class Meeting:
  """A barrier: flights of several threads or tasks all start before any continues."""

  def __init__(self, count: int) -> None:
    self.count = count
    self.lock = threading.Lock()
    self.met = threading.Event()
    self.started: Counter[str] = collections.Counter()

  def arrive(self, name: str) -> int:
    with self.lock:
      self.started[name] += 1
      if len(self.started) >= self.count:
        self.met.set()
      return self.started[name]

  async def wait(self) -> None:
    deadline = time.monotonic() + LONG
    while not self.met.is_set():
      assert time.monotonic() < deadline
      await asyncio.sleep(0.001)


def needing(cache: Cachette, meeting: Meeting, name: str, other: Callable[[], Any]) -> Any:
  """A coroutine function whose first run needs the value of another; a second run does not."""

  async def compute() -> str:
    if meeting.arrive(name) > 1:
      return name
    await meeting.wait()
    return f'{name}({await other()})'

  return lambda: cache.get_or_set(name, compute)


def cycle_of(cache: Cachette, names: str) -> Dict[str, Any]:
  """Functions that need each other in turn; the last one needs the first."""
  meeting, calls = Meeting(len(names)), {}
  for index, name in enumerate(names):
    following = names[(index + 1) % len(names)]
    calls[name] = needing(cache, meeting, name, lambda following=following: calls[following]())
  return calls


def timed(coroutine: Any) -> Any:
  """Runs the coroutine, which must end together with all tasks that it started."""

  async def main() -> Any:
    return await asyncio.wait_for(coroutine, LONG)

  return run(main())


# ---- Tasks of one loop


@pytest.mark.parametrize('names', ['ab', 'abc', 'abcdefgh'])
def test_a_cycle_of_functions_in_one_loop_ends(cache: Cachette, names: str) -> None:
  async def main() -> List[str]:
    calls = cycle_of(cache, names)
    return await asyncio.gather(*(calls[name]() for name in names))

  for name, value in zip(names, timed(main())):
    assert value.startswith(f'{name}(') and value.count('(') <= len(names)
    assert run(cache.fetch(name)) == value


def test_a_caller_that_joins_a_cycle_later_ends(cache: Cachette) -> None:
  async def main() -> List[str]:
    calls = cycle_of(cache, 'ab')
    first = [asyncio.create_task(calls[name]()) for name in 'ab']
    later = []
    for _ in range(20):
      later += [asyncio.create_task(calls[name]()) for name in 'ab']
      await asyncio.sleep(0.001)
    return await asyncio.gather(*first, *later)

  assert all(timed(main()))


def test_a_cycle_through_a_nested_call_ends(cache: Cachette) -> None:
  """Only one is called: it starts the other, which then needs it."""
  runs: List[str] = []

  async def one() -> str:
    runs.append('one')
    return 'one' if len(runs) > 2 else f'one({await cache.get_or_set("two", two)})'

  async def two() -> str:
    runs.append('two')
    return f'two({await cache.get_or_set("one", one)})'

  assert timed(cache.get_or_set('one', one)) == 'one(two(one))'


def test_a_task_started_by_a_factory_belongs_to_its_flight(cache: Cachette) -> None:
  meeting = Meeting(2)
  calls: Dict[str, Any] = {}

  async def by_task(name: str) -> Any:
    async def deep() -> Any:
      return await asyncio.gather(asyncio.create_task(calls[name]()), asyncio.sleep(0))

    return (await asyncio.create_task(deep()))[0]

  calls['a'] = needing(cache, meeting, 'a', lambda: by_task('b'))
  calls['b'] = needing(cache, meeting, 'b', lambda: by_task('a'))

  async def main() -> List[str]:
    return await asyncio.gather(calls['a'](), calls['b']())

  assert all(timed(main()))


def test_a_factory_that_needs_several_keys_at_once_ends(cache: Cachette) -> None:
  meeting = Meeting(3)
  calls: Dict[str, Any] = {}

  def all_of(names: str) -> Callable[[], Any]:
    async def wait() -> str:
      return '+'.join(await asyncio.gather(*(calls[name]() for name in names)))

    return wait

  for name, others in (('a', 'bc'), ('b', 'ca'), ('c', 'ab')):
    calls[name] = needing(cache, meeting, name, all_of(others))

  async def main() -> List[str]:
    return await asyncio.gather(*(calls[name]() for name in 'abc'))

  assert all(timed(main()))


def test_a_cycle_across_caches_ends(make_class: MakeClass) -> None:
  meeting, calls = Meeting(2), {}
  calls['a'] = needing(make_class()(), meeting, 'a', lambda: calls['b']())
  calls['b'] = needing(make_class()(), meeting, 'b', lambda: calls['a']())

  async def main() -> List[str]:
    return await asyncio.gather(calls['a'](), calls['b']())

  assert all(timed(main()))


def test_a_cycle_of_decorated_functions_ends(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  meeting = Meeting(2)

  @cls.cached(key='left:{number}')
  async def left(number: int) -> List[Any]:
    if meeting.arrive('left') > 1:
      return [number]
    await meeting.wait()
    return [await right(number)]

  @cls.cached(key='right:{number}')
  async def right(number: int) -> List[Any]:
    if meeting.arrive('right') > 1:
      return [number]
    await meeting.wait()
    return [await left(number)]

  async def main() -> Any:
    return await asyncio.gather(left(1), right(1))

  assert all(timed(main()))


@inmemory_only
def test_endless_recursion_is_an_error_and_not_a_hang(cache: Cachette) -> None:
  async def one() -> str:
    return await cache.get_or_set('two', two)  # type: ignore[no-any-return]

  async def two() -> str:
    return await cache.get_or_set('one', one)  # type: ignore[no-any-return]

  async def main() -> Any:
    return await asyncio.gather(
      cache.get_or_set('one', one), cache.get_or_set('two', two), return_exceptions=True
    )

  assert [type(each) for each in timed(main())] == [RecursionError] * 2


def test_a_shared_dependency_without_a_cycle_is_computed_once(cache: Cachette) -> None:
  runs: Counter[str] = collections.Counter()
  needs = {'top': 'ab', 'a': 'cd', 'b': 'cd', 'c': 'e', 'd': 'e', 'e': ''}

  async def compute(name: str) -> str:
    runs[name] += 1
    await asyncio.sleep(0.005)
    return name + ''.join(await asyncio.gather(*map(call, needs[name])))

  async def call(name: str) -> str:
    return await cache.get_or_set(name, lambda: compute(name))  # type: ignore[no-any-return]

  async def main() -> List[str]:
    return await asyncio.gather(*(call('top') for _ in range(5)), *(call('a') for _ in range(5)))

  assert timed(main()) == ['topacedebcede'] * 5 + ['acede'] * 5
  assert dict(runs) == dict.fromkeys(runs, 1)


def test_a_cancelled_caller_is_no_longer_part_of_a_cycle(cache: Cachette) -> None:
  async def main() -> None:
    go = asyncio.Event()
    runs: Counter[str] = collections.Counter()

    async def slow() -> str:
      runs['slow'] += 1
      await go.wait()
      return 'slow'

    async def call_with_timeout() -> str:
      with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(cache.get_or_set('slow', slow), 0.02)
      left.set()
      await go.wait()
      return 'impatient'

    left = asyncio.Event()

    async def slow_that_needs_it() -> str:
      runs['needs'] += 1
      await left.wait()
      return await cache.get_or_set('impatient', call_with_timeout)  # type: ignore[no-any-return]

    keeper = asyncio.ensure_future(cache.get_or_set('slow', slow))
    await asyncio.sleep(0.01)
    first = asyncio.ensure_future(cache.get_or_set('impatient', call_with_timeout))
    await left.wait()
    needs = asyncio.ensure_future(cache.get_or_set('needs', slow_that_needs_it))
    await asyncio.sleep(0.02)
    go.set()
    assert await asyncio.gather(keeper, first, needs) == ['slow', 'impatient', 'impatient']
    assert runs == {'slow': 1, 'needs': 1}

  timed(main())


# ---- Threads


def needing_in_thread(sync: Any, meeting: Meeting, name: str, other: Callable[[], Any]) -> Any:
  def compute() -> str:
    if meeting.arrive(name) > 1:
      return name
    assert meeting.met.wait(LONG)
    return f'{name}({other()})'

  return lambda: sync.get_or_set(name, compute)


@pytest.mark.parametrize('names', ['ab', 'abcd'])
def test_a_cycle_of_threads_ends(make_class: MakeClass, names: str) -> None:
  sync, meeting, calls = make_class().sync, Meeting(len(names)), {}
  for index, name in enumerate(names):
    following = names[(index + 1) % len(names)]
    calls[name] = needing_in_thread(
      sync, meeting, name, lambda following=following: calls[following]()
    )
  results = run_all(*(calls[name] for name in names), *(calls[name] for name in names))
  assert all(isinstance(each, str) for each in results)


def test_a_cycle_of_a_thread_and_a_loop_ends(make_class: MakeClass) -> None:
  """The flight of a coroutine waits for that of a thread, which needs the coroutine's key in its
  loop."""
  cls = make_class()
  meeting = Meeting(2)
  loops: List[asyncio.AbstractEventLoop] = []
  calls: Dict[str, Any] = {}

  async def call(name: str) -> Any:
    return await calls[name]()

  calls['a'] = needing(cls(), meeting, 'a', lambda: asyncio.to_thread(calls['b']))
  calls['b'] = needing_in_thread(
    cls.sync,
    meeting,
    'b',
    lambda: asyncio.run_coroutine_threadsafe(call('a'), loops[0]).result(LONG),
  )

  async def main() -> Any:
    loops.append(asyncio.get_running_loop())
    thread = asyncio.get_running_loop().run_in_executor(None, calls['b'])  # an empty context
    return await asyncio.gather(calls['a'](), thread)

  assert all(run_all(lambda: run(main()))[0])


def test_a_cycle_of_two_loops_ends(make_class: MakeClass) -> None:
  cls = make_class()
  meeting, loops, calls = Meeting(2), {}, {}
  ready = threading.Barrier(2)

  async def call(name: str) -> Any:
    return await calls[name]()

  def elsewhere(name: str) -> Any:
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(name), loops[name]))

  calls['a'] = needing(cls(), meeting, 'a', lambda: elsewhere('b'))
  calls['b'] = needing(cls(), meeting, 'b', lambda: elsewhere('a'))

  def run_calls(name: str) -> Any:
    async def main() -> Any:
      loops[name] = asyncio.get_running_loop()
      await asyncio.get_running_loop().run_in_executor(None, ready.wait)
      value = await calls[name]()
      await asyncio.get_running_loop().run_in_executor(None, ready.wait)
      return value

    return run(main())

  results = run_all(lambda: run_calls('a'), lambda: run_calls('b'))
  assert all(isinstance(each, str) for each in results), results


def test_a_thread_started_by_a_factory_may_need_the_same_key(make_class: MakeClass) -> None:
  import contextvars

  sync, runs = make_class().sync, []

  def compute() -> str:
    runs.append(1)
    if len(runs) > 1:
      return 'inner'
    found: List[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(
      target=lambda: found.append(context.run(sync.get_or_set, 'key', compute)), daemon=True
    )
    thread.start()
    thread.join(LONG)
    return f'outer({found[0]})'

  assert run_all(lambda: sync.get_or_set('key', compute)) == ['outer(inner)']


# ---- Random tests


@pytest.mark.parametrize('seed', range(5))
def test_random_cycles_of_functions_end(make_class: MakeClass, seed: int) -> None:
  cls: Any = make_class(codec='json', timeout=60)
  chance = random.Random(seed)
  names = 'abcdefgh'
  needs = {name: chance.sample(names, chance.randrange(3)) for name in names}
  depth: Counter[str] = collections.Counter()

  async def compute(name: str, inside: str) -> Any:
    await asyncio.sleep(chance.choice([0, 0.001]))
    # A function that runs inside itself ends there, as it would without a cache.
    if name in inside:
      return name
    depth[name] += 1
    return [await call(each, inside + name) for each in needs[name]]

  async def call(name: str, inside: str = '') -> Any:
    return await cls().get_or_set(name, lambda: compute(name, inside))

  async def main() -> None:
    for _ in range(5):
      await asyncio.gather(*(call(chance.choice(names)) for _ in range(20)))
      await cls().flush()

  results = run_all(lambda: run(main()), lambda: run(main()))
  assert results == [None, None], results


@pytest.mark.parametrize('seed', range(3))
def test_random_cycles_of_threads_end(make_class: MakeClass, seed: int) -> None:
  cls: Any = make_class(codec='json', timeout=60)
  chance = random.Random(seed)
  names = 'abcdef'
  needs = {name: chance.sample(names, chance.randrange(3)) for name in names}

  def compute(name: str, inside: str) -> Any:
    time.sleep(0.001)
    return name if name in inside else [call(each, inside + name) for each in needs[name]]

  def call(name: str, inside: str = '') -> Any:
    return cls.sync.get_or_set(name, lambda: compute(name, inside))

  def run_calls() -> None:
    for name in names * 3:
      call(name)
      cls.sync.clear(key=chance.choice(names))

  assert run_all(*[run_calls] * 6) == [None] * 6
