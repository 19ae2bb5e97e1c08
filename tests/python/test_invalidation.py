# SPDX-License-Identifier: MIT
"""A write invalidates the flights of its keys: a value computed before the write is not stored
after it."""

import asyncio
import contextlib
import threading
import uuid
from typing import Any, Dict, List

import pytest
from cachette import BackendError, Cachette, testing
from conftest import MakeClass, inmemory_only
from flights import COUNTS, FORMS, KEY, LONG, WRITES, Source, run
from services.redis import RedisServer

# ---- What invalidates a flight


@pytest.mark.parametrize('kind', FORMS)
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
    await FORMS[kind](write)(cache)
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
    clears = [
      lambda: load.invalidate(1),
      lambda: cls().clear('ns'),
      lambda: cls().clear(key=load.key(1)),
      lambda: cls().flush(),
    ]
    for kind in clears:
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
    for cls, expected in ((Sub, None), (other, 'old')):
      source = Source()
      first = asyncio.create_task(base().get_or_set(KEY, source))
      await source.read.wait()
      await cls().clear(key=KEY)
      source.go.set()
      await first
      assert await base().fetch(KEY) == expected

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
