# SPDX-License-Identifier: MIT
"""A miss gives what a hit gives, and each caller gets an object of its own."""

import asyncio
import dataclasses
import datetime
import decimal
import threading
import uuid
from typing import Any, Callable, Dict, List

import pandas
import pytest
from cachette import BackendError, Cachette, CodecError
from conftest import MakeClass, inmemory_only
from services.process import find_free_port


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


@dataclasses.dataclass
class Point:
  x: int
  y: int = 0


NOW = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
UUID = uuid.UUID(int=5)

# By codec: what is computed, and what a hit gives.
PAIRS: Dict[str, List[Any]] = {
  'json': [({1: (2, 3)}, {'1': [2, 3]}), ((1, 'a'), [1, 'a']), ({'a': 'b'}, {'a': 'b'})],
  'orjson': [
    (Point(1, 2), {'x': 1, 'y': 2}),
    (UUID, str(UUID)),
    (NOW, NOW.isoformat()),
    ([float('inf')], [None]),
  ],
  'msgpack': [((1, (2,)), [1, [2]]), (bytearray(b'x'), b'x')],
  'pickle': [((1, {2}), (1, {2})), (Point(1), Point(1))],
  'vanilla': [('text', 'text')],
}
CASES = [(codec, *pair) for codec, pairs in PAIRS.items() for pair in pairs]
cases = pytest.mark.parametrize('codec, made, given', CASES, ids=lambda each: repr(each)[:20])


def same(one: Any, other: Any) -> bool:
  return type(one) is type(other) and repr(one) == repr(other)


@cases
def test_a_miss_gives_what_a_hit_gives(
  make_class: MakeClass, codec: str, made: Any, given: Any
) -> None:
  cls: Any = make_class(codec=codec)

  async def compute() -> Any:
    return made

  @cls.cached(key='cached')
  async def load():  # type: ignore[no-untyped-def]
    return made

  async def main() -> None:
    for factory in (lambda: made, compute):
      assert same(await cls().get_or_set('key', factory), given)
      assert same(await cls().get_or_set('key', factory), given)
      assert same(await cls().fetch('key'), given)
      await cls().clear(key='key')
    for _ in range(2):
      assert same(await load(), given)

  run(main())


@cases
def test_a_blocking_miss_does_too(make_class: MakeClass, codec: str, made: Any, given: Any) -> None:
  cls: Any = make_class(codec=codec)

  @cls.cached(key='cached')
  def load():  # type: ignore[no-untyped-def]
    return made

  for _ in range(2):
    assert same(cls.sync.get_or_set('key', lambda: made), given)
    assert same(load(), given)


@inmemory_only
@pytest.mark.parametrize('codec', ['json', 'pickle', 'msgpack', 'orjson'])
def test_a_value_in_the_place_of_a_factory_is_not_given_itself(
  make_class: MakeClass, codec: str
) -> None:
  cls: Any = make_class(codec=codec)
  value: List[Any] = [1, {'a': [2]}]
  found = run(cls().get_or_set('key', value))
  assert found == value and found is not value and found[1]['a'] is not value[1]['a']
  found[1]['a'].append(3)
  assert cls.sync.get_or_set('key', value) == value
  found = cls.sync.get_or_set('other', value)
  assert found == value and found is not value


def test_no_two_callers_of_a_flight_share_an_object(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  made: List[Any] = []

  async def main() -> None:
    go = asyncio.Event()

    async def compute() -> Any:
      await go.wait()
      made.append([{'count': 0}])
      return made[0]

    async def call() -> Any:
      value = await cls().get_or_set('key', compute)
      value[0]['count'] += 1
      await asyncio.sleep(0)
      return value

    calls = [asyncio.create_task(call()) for _ in range(50)]
    await asyncio.sleep(0.05)
    go.set()
    values = await asyncio.gather(*calls)
    assert values == [[{'count': 1}]] * 50
    assert len({id(value[0]) for value in [*values, made[0]]}) == 51
    assert await cls().fetch('key') == made[0] == [{'count': 0}]

  run(main())


def test_no_two_threads_share_an_object(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='pickle')
  go, made, values = threading.Event(), [{'count': 0}], []

  def compute() -> Any:
    assert go.wait(60)
    return made

  def call() -> None:
    values.append(cls.sync.get_or_set('key', compute))

  threads = [threading.Thread(target=call) for _ in range(10)]
  for thread in threads:
    thread.start()
  go.set()
  for thread in threads:
    thread.join(60)
  assert values == [made] * 10
  assert len({id(value[0]) for value in [*values, made]}) == 11


class Down(Cachette):
  """A cache whose server does not run."""


@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_without_its_backend_the_result_is_of_the_same_type(blocking: bool) -> None:
  url = f'redis://127.0.0.1:{find_free_port()}'
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5, 'codec': 'json'})

  def get(factory: Callable[[], Any]) -> Any:
    if blocking:
      return Down.sync.get_or_set('key', factory)
    return run(Down().get_or_set('key', factory))

  with pytest.raises(BackendError):
    Down.sync.fetch('key')
  assert get(lambda: {1: (2, 3)}) == {'1': [2, 3]}
  assert Down.stats().fallbacks == 1
  with pytest.raises(CodecError, match='cannot encode the value of "key"'):
    get(object)


@inmemory_only
def test_a_value_that_the_backend_does_not_take_is_converted_too(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json', memory_limit='1M')
  large = 'v' * (1 << 20)
  assert run(cls().get_or_set('key', lambda: (large,))) == [large]
  assert cls.sync.get_or_set('key', lambda: (large,)) == [large]
  assert cls.stats().fallbacks == 2


@inmemory_only
@pytest.mark.parametrize('codec', ['csv', 'feather', 'parquet'])
def test_frames_come_as_a_hit_brings_them(make_class: MakeClass, codec: str) -> None:
  cls: Any = make_class(codec=codec)
  frame = pandas.DataFrame({'number': [1, 2], 'name': ['a', 'b']})
  miss = run(cls().get_or_set('key', lambda: frame))
  hit = run(cls().fetch('key'))
  pandas.testing.assert_frame_equal(miss, hit)
  assert miss is not frame
  blocking = cls.sync.get_or_set('other', lambda: frame)
  pandas.testing.assert_frame_equal(blocking, hit)


@inmemory_only
def test_a_codec_of_the_applications_own_converts_too(make_class: MakeClass) -> None:
  Cachette.register_codec(
    'shouting', lambda value: memoryview(str(value).encode()), lambda data: data.decode().upper()
  )
  cls: Any = make_class(codec='shouting')
  assert run(cls().get_or_set('key', lambda: 'quiet')) == 'QUIET'
  assert cls.sync.get_or_set('other', 'quiet') == 'QUIET' == cls.sync.fetch('key')


@inmemory_only
@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_what_cannot_be_read_again_is_told_and_not_stored(
  make_class: MakeClass, blocking: bool
) -> None:
  cls: Any = make_class(codec='msgpack')

  def get() -> Any:
    if blocking:
      return cls.sync.get_or_set('key', lambda: {(1, 2): 3})
    return run(cls().get_or_set('key', lambda: {(1, 2): 3}))

  with pytest.raises(CodecError, match='cannot encode the value of "key"'):
    get()
  assert not cls.sync.exists('key')


@inmemory_only
def test_a_value_that_is_encoded_is_encoded_once(make_class: MakeClass) -> None:
  calls: List[str] = []

  def dumps(value: Any) -> bytes:
    calls.append('dumps')
    return str(value).encode()

  def loads(data: bytes) -> Any:
    calls.append('loads')
    return data.decode()

  Cachette.register_codec('counting', dumps, loads)
  cls: Any = make_class(codec='counting')
  assert run(cls().get_or_set('key', lambda: 5)) == '5'
  assert calls == ['dumps', 'loads']


def test_decimals_and_the_like_keep_their_type_where_the_codec_does(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='pickle')
  value = {decimal.Decimal('1.10'): UUID, NOW: {1, 2}}
  for _ in range(2):
    assert run(cls().get_or_set('key', lambda: value)) == value


@inmemory_only
@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_a_codec_that_is_configured_meanwhile_is_not_used_for_it(
  make_class: MakeClass, blocking: bool
) -> None:
  cls: Any = make_class(codec='json')

  def compute() -> Any:
    cls.load_config(lambda: {'codec': 'pickle'})
    return (1, 2)

  if blocking:
    assert cls.sync.get_or_set('key', compute) == [1, 2]
    assert cls.sync.get_or_set('key', (1, 2)) == (1, 2)
  else:
    assert run(cls().get_or_set('key', compute)) == [1, 2]
    assert run(cls().get_or_set('key', (1, 2))) == (1, 2)
