# SPDX-License-Identifier: MIT
"""A write invalidates the flights of its keys: a value computed before the write is not stored
after it."""

import asyncio
import contextlib
import itertools
import random
import threading
import time
import uuid
from typing import Any, Callable, Dict, Iterator, List

import pytest
from cachette import BackendError, Cachette, testing
from cachette._flights import _loops, _threads
from conftest import MakeClass, inmemory_only, linux_only, run_python
from services.gate import Gate
from services.redis import RedisServer

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


WAYS: Dict[str, Any] = {
  'awaited': lambda write: write,
  'sync in a thread': blocking_in_thread,
  'sync in the loop': blocking_in_loop,
  'in another loop': in_another_loop,
}


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


# ---- What ends a flight


@pytest.mark.parametrize('kind', WAYS)
@pytest.mark.parametrize('name', [*WRITES, *COUNTS])
def test_a_value_read_before_a_write_is_not_stored_after_it(
  cache: Cachette, name: str, kind: str
) -> None:
  write, stored = {**WRITES, **COUNTS}[name]

  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cache.get_or_set(KEY, source))
    await source.read.wait()
    source.data = 'new'
    await WAYS[kind](write)(cache)
    later = asyncio.create_task(cache.get_or_set(KEY, source))
    assert str(await asyncio.wait_for(later, LONG)) == (stored or 'new')
    source.go.set()
    assert await first == 'old'
    assert str(await cache.fetch(KEY)) == (stored or 'new')
    assert source.runs == (1 if stored else 2)

  run(main())


@pytest.mark.parametrize('name', [*WRITES, *COUNTS])
def test_a_write_invalidates_a_flight_of_threads(make_class: MakeClass, name: str) -> None:
  cls = make_class()
  write, stored = {**WRITES, **COUNTS}[name]
  read, go, data, runs, results = threading.Event(), threading.Event(), ['old'], [], []

  def compute() -> str:
    value = data[0]
    runs.append(1)
    if len(runs) == 1:
      read.set()
      assert go.wait(60)
    return value

  def call() -> None:
    results.append(cls.sync.get_or_set(KEY, compute))

  first = threading.Thread(target=call)
  first.start()
  assert read.wait(60)
  data[0] = 'new'
  write(cls.sync)
  later = threading.Thread(target=call)
  later.start()
  later.join(LONG)
  ended = not later.is_alive()
  go.set()
  first.join(60)
  later.join(60)
  assert ended and [str(each) for each in results] == [stored or 'new', 'old']
  assert str(cls.sync.fetch(KEY)) == (stored or 'new')


def test_every_kind_of_clear_invalidates_a_decorated_coroutine_function(
  make_class: MakeClass,
) -> None:
  cls: Any = make_class(codec='pickle')
  data, reads, go = ['old'], [], []

  @cls.cached(namespace='ns', key='{number}')
  async def load(number: int) -> str:
    value = data[0]
    reads[0].set()
    await go[0].wait()
    return value

  async def main() -> None:
    ways = [
      lambda: load.invalidate(1),
      lambda: cls().clear('ns'),
      lambda: cls().clear(key=load.key(1)),
      lambda: cls().flush(),
    ]
    for kind in ways:
      data[0] = 'old'
      reads[:], go[:] = [asyncio.Event()], [asyncio.Event()]
      first = asyncio.create_task(load(1))
      await reads[0].wait()
      data[0] = 'new'
      await kind()
      go[0].set()
      assert await first == 'old'
      assert await load(1) == 'new'
      await cls().flush()

  run(main())


def test_a_clear_invalidates_a_decorated_plain_function(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='pickle')
  data, read, go = ['old'], threading.Event(), threading.Event()

  @cls.cached(namespace='ns')
  def load() -> str:
    value = data[0]
    read.set()
    assert go.wait(60)
    return value

  results: List[str] = []
  thread = threading.Thread(target=lambda: results.append(load()))
  thread.start()
  assert read.wait(60)
  data[0] = 'new'
  cls.sync.clear('ns')
  go.set()
  thread.join(60)
  assert (results, load()) == (['old'], 'new')


def test_a_subclass_that_shares_the_configuration_invalidates_and_another_class_does_not(
  make_class: MakeClass,
) -> None:
  base, other = make_class(), make_class()

  class Sub(base):  # type: ignore[misc, valid-type]
    pass

  async def main() -> None:
    for cls, kept in ((Sub, None), (other, 'old')):
      source = Source()
      first = asyncio.create_task(base().get_or_set(KEY, source))
      await source.read.wait()
      await cls().clear(key=KEY)
      source.go.set()
      await first
      assert await base().fetch(KEY) == kept

  run(main())


def test_calls_that_change_no_value_invalidate_no_flight(cache: Cachette) -> None:
  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cache.get_or_set(KEY, source))
    await source.read.wait()
    await cache.clear()
    await cache.clear('n')
    await cache.clear(key='ns')
    await cache.clear(key='ns:ke')
    await cache.clear('ns:key')
    await cache.clear_many(['ns:key:', 'ns', 'ns:ke'])
    await cache.put('ns:key2', 'value')
    await cache.put_many({'ns:ke': 'value', 'ns': 'value'})
    await cache.touch(KEY)
    await cache.exists(KEY)
    await cache.fetch_many([KEY])
    await cache.flush_expired()
    second = asyncio.create_task(cache.get_or_set(KEY, source))
    await asyncio.sleep(0.01)
    source.go.set()
    assert (await first, await second, source.runs) == ('old', 'old', 1)
    assert await cache.fetch(KEY) == 'old'

  run(main())


@pytest.mark.parametrize('key', ['ns:\N{SNOWMAN}', 'ns:' + 'k' * 200, 'ns:a*[b]?', 'ns:a b'])
def test_keys_of_all_kinds_are_invalidated(
  make_class: MakeClass, backend: Dict[str, Any], key: str
) -> None:
  cache = (
    make_class(key_prefix=f'{uuid.uuid4()}:')() if backend['backend'] == 'redis' else make_class()()
  )

  class Text(str):
    __slots__ = ()

    def __hash__(self) -> int:
      return 1

  async def main() -> None:
    for write in (
      lambda: cache.clear('ns'),
      lambda: cache.clear(key=Text(key)),
      lambda: cache.clear_many([key[:3] + key[3:]]),
    ):
      source = Source()
      first = asyncio.create_task(cache.get_or_set(Text(key), source))
      await source.read.wait()
      await write()
      source.go.set()
      await first
      assert await cache.fetch(key) is None

  run(main())


def test_many_flights_are_invalidated_by_writes_to_many_keys(cache: Cachette) -> None:
  async def main() -> None:
    go, reads = asyncio.Event(), [0]

    async def compute() -> str:
      reads[0] += 1
      await go.wait()
      return 'old'

    flights = [asyncio.create_task(cache.get_or_set(f'k{n}', compute)) for n in range(1000)]
    while reads[0] < 1000:
      await asyncio.sleep(0.001)
    await cache.clear_many(f'k{n}' for n in range(0, 1500, 2))
    go.set()
    assert await asyncio.gather(*flights) == ['old'] * 1000
    found = await cache.fetch_many([f'k{n}' for n in range(1000)])
    assert sorted(found) == sorted(f'k{n}' for n in range(1, 1000, 2))

  run(main())


def test_a_plain_value_as_factory_is_not_stored_after_a_write(
  cache: Cachette,
) -> None:
  async def main() -> None:
    call = asyncio.ensure_future(cache.get_or_set(KEY, 'old'))
    await asyncio.sleep(0)  # its fetch is pending or complete
    await cache.clear(key=KEY)
    assert await call == 'old'
    stored = await cache.fetch(KEY)
    # If the value was stored before the clear, the clear removed it.
    assert stored is None

  run(main())


def test_a_failed_write_invalidates_the_flight() -> None:
  with RedisServer() as server:

    class Own(Cachette):
      pass

    Own.load_config(lambda: {'backend': 'redis', 'redis_url': server.url, 'timeout': 0.5})

    async def main() -> None:
      source = Source()
      first = asyncio.create_task(Own().get_or_set(KEY, source))
      await source.read.wait()
      server.pause()
      with pytest.raises(BackendError):
        await Own().clear(key=KEY)
      server.resume()
      while True:
        with contextlib.suppress(BackendError):
          await Own().ping()
          break
        await asyncio.sleep(0.05)
      source.go.set()
      assert await first == 'old'
      assert await Own().fetch(KEY) is None

    run(main())


def test_a_cancelled_write_invalidates_the_flight(cache: Cachette) -> None:
  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cache.get_or_set(KEY, source))
    await source.read.wait()

    async def write() -> None:
      await cache.clear(key=KEY)

    task = asyncio.ensure_future(write())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    source.go.set()
    assert await first == 'old'
    assert await cache.fetch(KEY) is None
    # The write has ended, so a value computed now is stored.
    assert await cache.get_or_set(KEY, 'new') == 'new'
    assert await cache.fetch(KEY) == 'new'

  run(main())


def test_an_invalid_write_invalidates_no_flight(make_class: MakeClass) -> None:
  cache: Any = make_class(codec='json')()

  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cache.get_or_set(KEY, source))
    await source.read.wait()
    for wrong in (
      lambda: cache.put(KEY, object()),
      lambda: cache.put(KEY, 'value', -1),
      lambda: cache.clear_many([KEY, 5]),
      lambda: cache.clear(key=5),
    ):
      with pytest.raises(Exception):
        await wrong()
    source.go.set()
    assert await first == 'old'
    assert await cache.fetch(KEY) == 'old'

  run(main())


# ---- Another configuration


@inmemory_only
def test_a_configuration_that_is_loaded_during_a_flight_does_not_store_its_value(
  make_class: MakeClass,
) -> None:
  cls = make_class()

  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cls().get_or_set(KEY, source))
    await source.read.wait()
    cls.load_config(lambda: {'backend': 'inmemory', 'codec': 'json'})
    later = asyncio.create_task(cls().get_or_set(KEY, lambda: 'later'))
    assert await asyncio.wait_for(later, LONG) == 'later'
    await cls().flush()
    source.go.set()
    assert await first == 'old'
    assert await cls().fetch(KEY) is None

  run(main())


@inmemory_only
def test_a_flight_does_not_store_across_the_border_of_an_isolated_cache(
  make_class: MakeClass,
) -> None:
  cls = make_class()

  async def main() -> None:
    source = Source()
    first = asyncio.create_task(cls().get_or_set(KEY, source))
    await source.read.wait()
    with testing.isolated(cls) as isolation:
      source.go.set()
      assert await first == 'old'
      assert await cls().fetch(KEY) is None
      inner = Source()
      second = asyncio.create_task(cls().get_or_set('inner', inner))
      await inner.read.wait()
      with isolation.off():
        third = asyncio.create_task(cls().get_or_set('off', lambda: 'value'))
        assert await third == 'value'
    inner.go.set()
    assert await second == 'old'
    assert await cls().fetch('inner') is None
    assert await cls().fetch('off') is None

  run(main())


# ---- What is on the wire


@pytest.fixture
def server() -> Iterator[RedisServer]:
  with RedisServer() as server:
    yield server


@pytest.fixture
def gate(server: RedisServer) -> Iterator[Gate]:
  with Gate('127.0.0.1', server.port) as gate:

    class Own(Cachette):
      """A cache behind the gate."""

    url = f'redis://127.0.0.1:{gate.port}'
    Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 60})
    gate.cls = Own  # type: ignore[attr-defined]
    yield gate


SET = rf'SET\r\n\${len(KEY)}\r\n{KEY}'
UNLINK = rf'UNLINK\r\n\${len(KEY)}\r\n{KEY}'


async def until(condition: Callable[[], bool]) -> None:
  deadline = time.monotonic() + 60
  while not condition():
    assert time.monotonic() < deadline
    await asyncio.sleep(0.005)


async def settle(task: 'asyncio.Future[Any]') -> None:
  """Waits a short time for a call that should not wait."""
  await asyncio.wait([task], timeout=0.3)


def test_a_value_read_before_the_answer_to_a_clear_is_not_stored(gate: Any) -> None:
  cls, read = gate.cls, []

  async def compute() -> str:
    read.append(1)
    return 'old' if len(read) < 2 else 'new'

  async def main() -> None:
    await cls().put(KEY, 'older')
    gate.hold_reply = UNLINK
    clear = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await until(gate.held.is_set)  # executed but not yet answered
    assert await cls().get_or_set(KEY, compute) == 'old'
    gate.open()
    assert await clear == 1
    assert await cls().get_or_set(KEY, compute) == 'new'
    assert await cls().fetch(KEY) == 'new'

  run(main())


def test_a_flight_started_during_a_clear_is_not_joined_after_it(
  gate: Any,
) -> None:
  cls = gate.cls

  async def main() -> None:
    source = Source()
    gate.hold_reply = UNLINK
    clear = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await until(gate.held.is_set)
    first = asyncio.ensure_future(cls().get_or_set(KEY, source))
    await source.read.wait()
    second = asyncio.ensure_future(cls().get_or_set(KEY, source))  # joins the flight
    await asyncio.sleep(0.05)
    assert source.runs == 1
    source.data = 'new'
    gate.open()
    await clear
    later = asyncio.ensure_future(cls().get_or_set(KEY, source))
    assert await asyncio.wait_for(later, LONG) == 'new'
    source.go.set()
    assert (await first, await second) == ('old', 'old')
    assert await cls().fetch(KEY) == 'new'

  run(main())


@pytest.mark.parametrize('kind', ['sync in a thread', 'in another loop', 'awaited'])
@pytest.mark.parametrize('name', WRITES)
def test_a_write_waits_for_the_put_of_a_flight(gate: Any, name: str, kind: str) -> None:
  cls = gate.cls
  write, stored = WRITES[name]

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(WAYS[kind](write)(cls()))
    await settle(call)
    later = asyncio.ensure_future(cls().fetch(KEY))
    gate.open()
    assert await first == 'old'
    await call
    await later
    expected = 'old' if name == 'add' else stored  # the value was present when it was executed
    assert await cls().fetch(KEY) == expected

  run(main())


@pytest.mark.parametrize('kind', ['sync in a thread', 'in another loop'])
def test_a_write_waits_for_the_put_of_a_thread(gate: Any, kind: str) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(in_thread(lambda: cls.sync.get_or_set(KEY, 'old')))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(WAYS[kind](lambda cache: cache.clear(key=KEY))(cls()))
    await settle(call)
    gate.open()
    assert await first == 'old'
    await call
    assert await cls().fetch(KEY) is None

  run(main())


def test_a_blocking_write_in_the_loop_of_a_put_is_followed_by_a_clear(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    cls.sync.clear(key=KEY)  # it cannot wait for this loop, which it blocks
    gate.open()
    assert await first == 'old'
    assert await cls().fetch(KEY) is None

  run(main())


def test_a_write_waits_for_a_put_whose_caller_was_cancelled(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
      await first
    call = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await settle(call)
    gate.open()
    await call
    await asyncio.sleep(0.05)
    assert await cls().fetch(KEY) is None
    # After a caller came and went, nothing blocks the key.
    assert await cls().get_or_set(KEY, 'new') == 'new'
    assert await cls().fetch(KEY) == 'new'

  run(main())


def test_a_write_to_another_key_does_not_wait_for_a_put(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(in_thread(lambda: cls.sync.put('another', 'value')))
    await asyncio.wait_for(call, LONG)
    gate.open()
    assert await first == 'old'
    assert await cls().fetch(KEY) == 'old'

  run(main())


@linux_only
def test_a_forked_child_does_not_wait_for_writes_and_puts_of_its_parent() -> None:
  with RedisServer() as server, Gate('127.0.0.1', server.port) as gate:
    gate.hold_request = r'(?:UNLINK|SET)\r\n\$\d+\r\nheld'
    code = f"""
    import asyncio, os, threading, time, warnings
    from cachette import Cachette
    warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside threads
    Cachette.load_config(lambda: {{
      'backend': 'redis', 'redis_url': 'redis://127.0.0.1:{gate.port}', 'timeout': 60
    }})
    def in_loop(make):
      async def main():
        await make()
      asyncio.run(main())
    calls = [
      lambda: Cachette.sync.clear(key='held1'),
      lambda: Cachette.sync.get_or_set('held2', 'parent'),
      lambda: in_loop(lambda: Cachette().clear(key='held3')),
      lambda: in_loop(lambda: Cachette().get_or_set('held4', 'parent')),
    ]
    for call in calls:
      threading.Thread(target=call, daemon=True).start()
    while Cachette.sync.fetch('go') is None:
      time.sleep(0.01)
    if os.fork() == 0:
      async def main():
        for name in ('held3', 'held4'):
          await Cachette().get_or_set(name, 'child')
          print(await Cachette().fetch(name), await Cachette().clear(key=name))
      for name in ('held1', 'held2'):
        Cachette.sync.get_or_set(name, 'child')
        print(Cachette.sync.fetch(name), Cachette.sync.clear(key=name))
      asyncio.run(main())
      print('done', flush=True)
      os._exit(0)
    os.wait()
    os._exit(0)
    """
    printed: List[str] = []
    program = threading.Thread(target=lambda: printed.append(run_python(code)))
    program.start()
    run(until(lambda: gate.waiting == 4 or not program.is_alive()))
    gate.hold_request = None
    server.execute('SET', 'go', '1')
    program.join(100)
    assert printed == ['child 1\n' * 4 + 'done\n']


# ---- At random


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
  faults: List[BaseException] = []

  def guarded(call: Callable[[], Any]) -> None:
    try:
      call()
    except BaseException as fault:
      faults.append(fault)

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
  if faults:
    raise faults[0]
  assert not _loops.under_way and not _threads.under_way and not _loops.fetches
