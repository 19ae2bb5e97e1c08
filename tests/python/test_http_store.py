# SPDX-License-Identifier: MIT
"""Records of responses in every backend: what was put is fetched, whole or not at all."""

import asyncio
import gc
import logging
import time
from typing import Any, Awaitable, Callable, Dict, List, Optional, Type

import pytest
from cachette import Cachette, testing
from cachette._cachette import http_describe
from cachette.http import _epochs, _store
from cachette.http._store import Store
from conftest import MakeClass, inmemory_only, run_python
from http_records import Made, make, put, read
from services.redis import RedisServer

KIB = 1 << 10
SECRET = 'a key of the application'
SLOW = 10  # seconds that a fetch may take in tests that are not about time

CHUNKED = ('memcached', 'mongodb', 'dynamodb')

# Around every limit: nothing, one byte, small buffers of the extension, items of the backends.
SIZES = [0, 1, 600, 1024, 2048, 64 * KIB, 350_000, 512 * KIB, 1024 * KIB, 3000 * KIB]


def bytes_of(size: int) -> bytes:
  """Bytes that repeat only after 64 KiB and a bit, so that parts in a wrong order are noticed."""
  block = bytes((i * 7 + (i >> 8) * 13) & 255 for i in range(64 * KIB + 17))
  return (block * (size // len(block) + 1))[:size]


def limit_of(cls: Type[Cachette]) -> int:
  return _store.link_of(cls).limit


def records_of(store: Store) -> Any:
  """The calls with which the store works."""
  store._linked()
  return store._records


@pytest.mark.parametrize('size', SIZES)
def test_a_record_of_any_size_is_fetched_as_it_was_put(make_class: MakeClass, size: int) -> None:
  store = Store(make_class(), SLOW)
  made = make(bytes_of(size))

  async def main() -> Optional[bytes]:
    assert await store.fetch(made.key) is None
    assert await put(store, made)
    return await read(store, made)

  assert asyncio.run(main()) == made.body
  assert store.errors == 0


def test_a_body_in_parts_and_in_any_type_of_bytes_is_one_body(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)
  made = make(b'hello world')
  body: List[Any] = [b'hel', bytearray(b'lo '), memoryview(b'world')]

  async def main() -> Optional[bytes]:
    assert await store.put(made.key, made.head, body, made.keep_ms)
    return await read(store, made)

  assert asyncio.run(main()) == b'hello world'


@pytest.mark.parametrize('codec', ['vanilla', 'json', 'pickle', 'msgpack'])
def test_records_are_stored_whatever_the_codec_is(make_class: MakeClass, codec: str) -> None:
  cls = make_class(codec=codec)
  store = Store(cls, SLOW)
  made = make(b'\xff\x00 bytes')

  async def main() -> Optional[bytes]:
    assert await put(store, made)
    await cls().put('own', 'value')
    assert await cls().fetch('own') == 'value'
    return await read(store, made)

  assert asyncio.run(main()) == b'\xff\x00 bytes'


@pytest.mark.parametrize('size', [100, 600 * KIB])
def test_records_are_compressed_and_signed_like_values(make_class: MakeClass, size: int) -> None:
  settings = {'secret': SECRET, 'compression': 'zlib', 'memory_name': 'signed'}
  cls, stranger = make_class(**settings), make_class(memory_name='signed')
  store = Store(cls, SLOW)
  made = make(bytes_of(size))

  async def main() -> List[Optional[bytes]]:
    assert await put(store, made)
    own = await read(store, made)
    # A record that someone without the secret has written is a miss, and no error.
    assert await Store(stranger, SLOW).put(made.key, made.head, [made.body], made.keep_ms)
    return [own, await store.fetch(made.key)]

  assert asyncio.run(main()) == [made.body, None]
  assert store.errors == 1


@inmemory_only
def test_a_signed_value_of_the_application_is_no_record(make_class: MakeClass) -> None:
  """The same bytes under the same key with the same secret: only the codec's name differs."""
  cls = make_class(secret=SECRET, memory_name='mixed')
  Cachette.register_codec('test-own-bytes', bytes, bytes)
  own = make_class(secret=SECRET, memory_name='mixed', codec='test-own-bytes')
  made = make()

  async def main() -> Optional[bytes]:
    await own().put(made.key, made.head + made.body)
    return await Store(cls).fetch(made.key)

  assert asyncio.run(main()) is None


def test_a_record_expires_after_its_time(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)
  made = make()

  async def main() -> List[bool]:
    await store.put(made.key, made.head, [made.body], 1000)
    found = [await store.fetch(made.key) is not None]
    for _ in range(100):
      if not found[-1]:
        break
      await asyncio.sleep(0.05)
      found.append(await store.fetch(made.key) is not None)
    return [found[0], found[-1]]

  assert asyncio.run(main()) == [True, False]


def test_a_record_that_is_not_worth_keeping_is_not_put(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)
  made = make()

  async def main() -> Optional[bytes]:
    await store.put(made.key, made.head, [made.body], 0)
    return await store.fetch(made.key)

  assert asyncio.run(main()) is None


def test_cleared_records_are_gone(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)
  first, second = make(path=b'/1'), make(path=b'/2')

  async def main() -> List[Optional[bytes]]:
    await put(store, first)
    await put(store, second)
    assert await store.clear([first.key])
    assert await store.clear([])
    return [await read(store, first), await read(store, second)]

  assert asyncio.run(main()) == [None, b'hello']


# ---- Bodies in parts


def part_keys(made: Made, limit: int) -> List[str]:
  info = http_describe(made.head)
  assert info is not None
  return _store._part_keys(made.key, info.body_checksum, info.body_size, limit)


# What may happen to the parts of a body between a put and a fetch: each is a miss.
DAMAGES: Dict[str, Callable[[Any, List[str], Made], Awaitable[Any]]] = {
  'the first is missing': lambda cache, keys, made: cache.clear_many(keys[:1]),
  'the last is missing': lambda cache, keys, made: cache.clear_many(keys[-1:]),
  'all are missing': lambda cache, keys, made: cache.clear_many(keys),
  'one is cut': lambda cache, keys, made: cache.put(keys[1], b'cut', 60),
  'one is empty': lambda cache, keys, made: cache.put(keys[1], b'', 60),
  'one is longer': lambda cache, keys, made: cache.put(keys[-1], bytes(200_000), 60),
  'two are swapped': lambda cache, keys, made: cache.put_many(
    {keys[0]: made.body[1000:2000], keys[1]: made.body[:1000]}, 60
  ),
  'one is of another body': lambda cache, keys, made: cache.put(keys[1], bytes(1000), 60),
}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
  """Parts of a thousand bytes on every backend."""
  monkeypatch.setattr(_store, '_NO_LIMIT', 1000)
  monkeypatch.setattr(_store, '_LIMITS', dict.fromkeys(CHUNKED, 1000))
  return 1000


@pytest.mark.parametrize('damage', DAMAGES)
def test_a_body_with_a_damaged_part_is_a_miss(
  make_class: MakeClass, small_parts: int, damage: str
) -> None:
  store = Store(make_class(), SLOW)
  made = make(bytes_of(3500))

  async def main() -> List[Optional[bytes]]:
    await put(store, made)
    whole = await read(store, made)
    keys = part_keys(made, small_parts)
    assert len(keys) == 4
    await DAMAGES[damage](records_of(store), keys, made)
    return [whole, await read(store, made)]

  assert asyncio.run(main()) == [made.body, None]


def test_a_head_finds_the_parts_of_its_own_body(make_class: MakeClass, small_parts: int) -> None:
  """While a new body is put, in whatever order, readers of the old head still find the old one."""
  store = Store(make_class(), SLOW)
  old, new = make(bytes_of(3500)), make(bytes_of(3500)[::-1])
  assert old.key == new.key

  async def main() -> List[Optional[bytes]]:
    await put(store, old)
    old_record = await store.fetch(old.key)
    assert old_record is not None
    await put(store, new)
    parts = await store.fetch_body(old.key, old_record)
    return [b''.join(parts or ()), await read(store, new)]

  assert asyncio.run(main()) == [old.body, new.body]


def test_the_head_is_put_last(make_class: MakeClass, small_parts: int) -> None:
  """If a part cannot be put, no head tells of it."""
  store = Store(make_class(), SLOW)
  made = make(bytes_of(3500))

  async def main() -> List[Any]:
    await store.fetch(made.key)
    link = store._linked()

    class Failing:
      async def put_many(self, *_: Any) -> None:
        from cachette import BackendError

        raise BackendError('no room')

      async def put(self, *_: Any) -> None:
        raise AssertionError('the head was put')

    healthy, store._records = store._records, Failing()  # type: ignore[assignment]
    stored = await put(store, made)
    store._records = healthy
    return [stored, link.errors, await store.fetch(made.key)]

  assert asyncio.run(main()) == [False, 1, None]


@inmemory_only
def test_a_body_of_one_part_more_or_less_has_that_many_keys(make_class: MakeClass) -> None:
  keys = [len(_store._part_keys('k', 1, size, 1000)) for size in (1, 999, 1000, 1001, 2000, 2001)]
  assert keys == [1, 1, 1, 2, 2, 3]


def test_a_record_at_the_limit_is_one_item_and_above_it_is_in_parts(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)
  limit = limit_of(cls)
  if limit == _store._NO_LIMIT:
    limit = 1 << 20  # no backend without a limit of its own has a smaller one
  head_size = len(make().head)

  async def main() -> None:
    for more in (-1, 0, 1):
      made = make(bytes_of(limit - head_size + more), path=b'/%d' % (more + 2))
      assert len(made.head) == head_size
      assert await put(store, made)
      record = await store.fetch(made.key)
      assert record is not None
      is_whole = more <= 0 or limit_of(cls) == _store._NO_LIMIT
      assert len(record) == (head_size + len(made.body) if is_whole else head_size)
      assert await read(store, made) == made.body

  asyncio.run(main())
  assert store.errors == 0


# ---- Index records


def test_a_remembered_index_record_takes_no_round_trip_for_a_second(
  make_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  now = [1000.0]
  monkeypatch.setattr(_store, 'clock', lambda: now[0])
  cls = make_class()
  store = Store(cls, SLOW)
  made = make(headers=[(b'vary', b'accept-language')])
  assert made.index is not None and made.key != made.index_key

  async def main() -> List[Optional[bytes]]:
    assert await store.put_index(made.index_key, made.index or b'')
    await records_of(store).clear_many([made.index_key])
    remembered = await store.fetch(made.index_key)
    asked = await store.fetch(made.index_key, memo=False)
    now[0] += 1.001
    return [remembered, asked, await store.fetch(made.index_key)]

  remembered, asked, later = asyncio.run(main())
  is_immediate = cls._config.get('backend') == 'inmemory'  # there a fetch costs no round trip
  assert remembered == (None if is_immediate else made.index)
  assert asked is None and later is None


def test_an_index_record_is_stored_for_other_workers(make_class: MakeClass) -> None:
  cls = make_class()
  made = make(headers=[(b'vary', b'accept-language')])

  async def main() -> Optional[bytes]:
    assert await Store(cls, SLOW).put_index(made.index_key, made.index or b'')
    return await Store(cls, SLOW).fetch(made.index_key, memo=False)

  assert asyncio.run(main()) == made.index


def test_clearing_an_index_record_forgets_it(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)

  async def main() -> Optional[bytes]:
    await store.put_index('http:index', b'bytes')
    await store.clear(['http:index'])
    return await store.fetch('http:index')

  assert asyncio.run(main()) is None


def test_at_most_1024_index_records_are_remembered(make_class: MakeClass) -> None:
  store = Store(make_class(), SLOW)
  for number in range(3000):
    store.remember(f'http:{number}', b'index')
  assert 0 < len(store._linked().memo) <= 1024


# ---- Configurations


def test_a_class_may_be_configured_after_the_store_was_created(make_class: MakeClass) -> None:
  class Late(Cachette):
    pass

  store = Store(Late, SLOW)
  configured = make_class()
  Late._config = configured._config  # what load_config does, with the settings of the fixture
  made = make()

  async def main() -> Optional[bytes]:
    await put(store, made)
    return await read(Store(configured, SLOW), made)

  assert asyncio.run(main()) == b'hello'


@inmemory_only
def test_a_class_may_be_configured_anew(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls)
  made = make()

  async def main() -> List[Optional[bytes]]:
    await put(store, made)
    before = await read(store, made)
    cls.load_config({'ttl': 5})
    return [before, await read(store, made)]

  assert asyncio.run(main()) == [b'hello', None]


def test_an_isolated_cache_has_its_own_records_and_clock(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)
  made = make()

  async def main() -> List[Any]:
    await put(store, made)
    assert store.now_ms is None
    with testing.isolated(cls) as isolation:
      found = [await read(store, made)]
      await put(store, made)
      found.append(await read(store, made))
      with isolation.off():
        found.append(await read(store, made))
      epochs = store.epochs
      record = await store.fetch(made.key)
      assert record is not None and epochs is store.epochs
      before = store.now_ms
      isolation.clock.advance(made.keep_ms / 1000 + 1)
      assert before is not None and store.now_ms == before + made.keep_ms + 1000
      found.append(await read(store, made))
    return [*found, await read(store, made)]

  assert asyncio.run(main()) == [None, b'hello', None, None, b'hello']


@inmemory_only
def test_turning_an_isolated_cache_off_and_on_purges_nothing(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls)

  async def main() -> List[int]:
    with testing.isolated(cls) as isolation:
      made = make(epoch=store.epochs.number)
      with isolation.off():
        assert store.epochs.number > 0
      return [store.epochs.judge(made.head, made.index_key, made.scope)]

  assert asyncio.run(main()) == [_epochs.VALID]


def test_a_subclass_without_a_configuration_shares_the_records(make_class: MakeClass) -> None:
  cls = make_class()

  class Sub(cls):  # type: ignore[valid-type, misc]
    pass

  made = make()

  async def main() -> Optional[bytes]:
    await put(Store(cls, SLOW), made)
    assert Store(cls).epochs is Store(Sub).epochs
    return await read(Store(Sub, SLOW), made)

  assert asyncio.run(main()) == b'hello'


def test_stores_work_in_many_threads_and_event_loops(make_class: MakeClass) -> None:
  from concurrent.futures import ThreadPoolExecutor

  store = Store(make_class(), SLOW)

  async def main(number: int) -> bool:
    made = make(bytes_of(2000 + number), path=b'/%d' % number)
    await asyncio.gather(*(put(store, made) for _ in range(5)))
    return await read(store, made) == made.body

  with ThreadPoolExecutor(8) as pool:
    results = list(pool.map(lambda number: asyncio.run(main(number)), range(16)))
  assert results == [True] * 16
  assert store.errors == 0


@inmemory_only
def test_importing_cachette_does_not_import_the_http_package(backend: Dict[str, Any]) -> None:
  code = 'import cachette, sys; print([name for name in sys.modules if "cachette.http" in name])'
  assert run_python(code) == '[]\n'


@inmemory_only
def test_a_store_does_not_keep_a_configuration_alive(make_class: MakeClass) -> None:
  code = """
    import asyncio, gc
    from cachette import Cachette
    from cachette.http._store import Store

    class Own(Cachette):
      pass

    async def main():
      for _ in range(20):
        Own.load_config({'memory_limit': '64M'})
        await store.put('http:key', b'head', [bytes(1 << 20)], 60_000)

    def count():
      gc.collect()
      return sum(type(each).__name__ == 'Config' for each in gc.get_objects())

    store = Store(Own)
    before = count()
    asyncio.run(main())
    print(count() - before)
    """
  assert run_python(code) == '2\n'  # the current one and its copy; before, it had none


# ---- A store that fails


def redis_class(server: RedisServer) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': server.url, 'timeout': 5})
  return Own


async def timed(call: Awaitable[Any]) -> Any:
  start = time.monotonic()
  result = await call
  return result, time.monotonic() - start


def test_a_store_that_hangs_is_a_miss_within_the_budget(
  own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
  store = Store(redis_class(own_redis), 0.05)
  made = make()

  async def main() -> List[Any]:
    assert await put(store, made)
    while await store.fetch(made.key) is None:  # a machine under load may miss a budget
      pass
    errors = store.errors
    own_redis.pause()
    slow = await timed(store.fetch(made.key))
    results = await timed(asyncio.gather(*(store.fetch(made.key) for _ in range(100))))
    counted = store.errors - errors
    own_redis.resume()
    deadline = time.monotonic() + 30
    while await read(store, made) is None:
      assert time.monotonic() < deadline
      await asyncio.sleep(0.01)
    return [slow, results, counted]

  with caplog.at_level(logging.WARNING, 'cachette.http'):
    (found, seconds), (many, all_seconds), counted = asyncio.run(main())
  assert found is None and many == [None] * 100
  assert counted == 101
  assert 0.04 < seconds < 1 and all_seconds < 1  # not the 5 seconds of the option timeout
  lines = [record.getMessage() for record in caplog.records if record.name == 'cachette.http']
  assert len(lines) == 1 and 'Responses are not cached' in lines[0]


def test_a_store_that_is_killed_is_a_miss_until_it_is_back(own_redis: RedisServer) -> None:
  store = Store(redis_class(own_redis), 0.2)
  made = make()

  async def main() -> List[Any]:
    await put(store, made)
    own_redis.kill()
    down = [await timed(store.fetch(made.key)) for _ in range(3)]
    stored = await store.clear([made.key])
    own_redis.start()
    deadline = time.monotonic() + 30
    while await read(store, made) is None:
      assert time.monotonic() < deadline
      await asyncio.sleep(0.01)
      await put(store, made)
    return [down, stored]

  down, stored = asyncio.run(main())
  assert all(found is None and seconds < 1.5 for found, seconds in down)
  assert stored is False
  assert store.errors >= 4


def test_a_store_that_hangs_while_it_is_written_is_counted(own_redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url, 'timeout': 0.3})
  store = Store(Own, SLOW)
  made = make()

  async def main() -> List[bool]:
    await store.fetch(made.key)
    own_redis.pause()
    results = [await put(store, made), await store.put_index('http:i', b'i')]
    own_redis.resume()
    return results

  assert asyncio.run(main()) == [False, False]
  assert store.errors == 2


def test_a_cancelled_fetch_leaves_nothing(own_redis: RedisServer) -> None:
  store = Store(redis_class(own_redis), SLOW)
  made = make()

  async def main() -> Optional[bytes]:
    await put(store, made)
    for _ in range(200):
      task = asyncio.ensure_future(store.fetch(made.key))
      await asyncio.sleep(0)
      task.cancel()
      with pytest.raises(asyncio.CancelledError):
        await task
    return await read(store, made)

  assert asyncio.run(main()) == b'hello'
  assert store.errors == 0


# ---- What was purged is read once for all who wait for it


def test_the_first_requests_to_an_empty_server_start_the_log_once(own_redis: RedisServer) -> None:
  store = Store(redis_class(own_redis), SLOW)

  async def main() -> List[Any]:
    return await asyncio.gather(*(store.fetch(f'http:{each}') for each in range(100)))

  asyncio.run(main())
  assert (store.errors, store.epochs.is_due()) == (0, False)
  stats = own_redis.execute('info', 'commandstats')
  assert 'cmdstat_incrby:calls=2,' in stats, 'one asks for the counter, and starts it'


def test_a_request_that_is_cancelled_does_not_stop_the_start_of_the_log(
  own_redis: RedisServer,
) -> None:
  store = Store(redis_class(own_redis), SLOW)

  async def main() -> Any:
    first = asyncio.ensure_future(store.fetch('http:a'))
    others = [asyncio.ensure_future(store.fetch('http:b')) for _ in range(10)]
    await asyncio.sleep(0)
    first.cancel()
    return await asyncio.gather(*others, return_exceptions=True)

  assert asyncio.run(main()) == [None] * 10
  assert (store.errors, store.epochs.is_due()) == (0, False)


def test_a_failing_read_of_the_log_is_a_miss_for_all_who_wait(
  own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
  store = Store(redis_class(own_redis), 0.05)
  own_redis.pause()

  async def main() -> Any:
    found = await asyncio.gather(*(store.fetch('http:a') for _ in range(10)))
    cancelled = asyncio.ensure_future(store.fetch('http:a'))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0.2)
    return found

  found = asyncio.run(main())
  own_redis.resume()
  gc.collect()
  assert found == [None] * 10
  assert not [each for each in caplog.records if each.name == 'asyncio'], 'an error is lost'
