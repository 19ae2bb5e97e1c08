# SPDX-License-Identifier: MIT
"""A miss returns what a hit returns, and each caller receives its own object."""

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

# For each codec: a computed value, and what a hit returns.
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
cases = pytest.mark.parametrize(
  'codec, computed, returned', CASES, ids=lambda each: repr(each)[:20]
)


def same(one: Any, other: Any) -> bool:
  return type(one) is type(other) and repr(one) == repr(other)


@cases
def test_a_miss_returns_what_a_hit_returns(
  make_class: MakeClass, codec: str, computed: Any, returned: Any
) -> None:
  cls: Any = make_class(codec=codec)

  async def compute() -> Any:
    return computed

  @cls.cached(key='cached')
  async def load():  # type: ignore[no-untyped-def]
    return computed

  async def main() -> None:
    for factory in (lambda: computed, compute):
      assert same(await cls().get_or_set('key', factory), returned)
      assert same(await cls().get_or_set('key', factory), returned)
      assert same(await cls().fetch('key'), returned)
      await cls().clear(key='key')
    for _ in range(2):
      assert same(await load(), returned)

  run(main())


@cases
def test_a_blocking_miss_returns_what_a_hit_returns(
  make_class: MakeClass, codec: str, computed: Any, returned: Any
) -> None:
  cls: Any = make_class(codec=codec)

  @cls.cached(key='cached')
  def load():  # type: ignore[no-untyped-def]
    return computed

  for _ in range(2):
    assert same(cls.sync.get_or_set('key', lambda: computed), returned)
    assert same(load(), returned)


@inmemory_only
@pytest.mark.parametrize('codec', ['json', 'pickle', 'msgpack', 'orjson'])
def test_a_plain_value_as_factory_is_copied(make_class: MakeClass, codec: str) -> None:
  cls: Any = make_class(codec=codec)
  value: List[Any] = [1, {'a': [2]}]
  found = run(cls().get_or_set('key', value))
  assert found == value and found is not value and found[1]['a'] is not value[1]['a']
  found[1]['a'].append(3)
  assert cls.sync.get_or_set('key', value) == value
  found = cls.sync.get_or_set('other', value)
  assert found == value and found is not value


def test_callers_of_a_flight_receive_separate_objects(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')
  computed: List[Any] = []

  async def main() -> None:
    go = asyncio.Event()

    async def compute() -> Any:
      await go.wait()
      computed.append([{'count': 0}])
      return computed[0]

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
    assert len({id(value[0]) for value in [*values, computed[0]]}) == 51
    assert await cls().fetch('key') == computed[0] == [{'count': 0}]

  run(main())


def test_threads_receive_separate_objects(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='pickle')
  go, computed, values = threading.Event(), [{'count': 0}], []

  def compute() -> Any:
    assert go.wait(60)
    return computed

  def call() -> None:
    values.append(cls.sync.get_or_set('key', compute))

  threads = [threading.Thread(target=call) for _ in range(10)]
  for thread in threads:
    thread.start()
  go.set()
  for thread in threads:
    thread.join(60)
  assert values == [computed] * 10
  assert len({id(value[0]) for value in [*values, computed]}) == 11


class Down(Cachette):
  """A cache whose server is down."""


@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_the_result_has_the_same_type_while_the_backend_is_down(blocking: bool) -> None:
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
def test_a_value_that_the_backend_rejects_is_converted_too(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json', memory_limit='1M')
  large = 'v' * (1 << 20)
  assert run(cls().get_or_set('key', lambda: (large,))) == [large]
  assert cls.sync.get_or_set('key', lambda: (large,)) == [large]
  assert cls.stats().fallbacks == 2


@inmemory_only
@pytest.mark.parametrize('codec', ['csv', 'feather', 'parquet'])
def test_a_miss_returns_frames_like_a_hit(make_class: MakeClass, codec: str) -> None:
  cls: Any = make_class(codec=codec)
  frame = pandas.DataFrame({'number': [1, 2], 'name': ['a', 'b']})
  miss = run(cls().get_or_set('key', lambda: frame))
  hit = run(cls().fetch('key'))
  pandas.testing.assert_frame_equal(miss, hit)
  assert miss is not frame
  blocking = cls.sync.get_or_set('other', lambda: frame)
  pandas.testing.assert_frame_equal(blocking, hit)


@inmemory_only
def test_a_custom_codec_converts_too(make_class: MakeClass) -> None:
  Cachette.register_codec(
    'shouting', lambda value: memoryview(str(value).encode()), lambda data: data.decode().upper()
  )
  cls: Any = make_class(codec='shouting')
  assert run(cls().get_or_set('key', lambda: 'quiet')) == 'QUIET'
  assert cls.sync.get_or_set('other', 'quiet') == 'QUIET' == cls.sync.fetch('key')


@inmemory_only
@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_a_value_that_cannot_be_decoded_is_an_error_and_not_stored(
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
def test_a_value_is_encoded_once(make_class: MakeClass) -> None:
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


def test_types_are_preserved_if_the_codec_preserves_them(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='pickle')
  value = {decimal.Decimal('1.10'): UUID, NOW: {1, 2}}
  for _ in range(2):
    assert run(cls().get_or_set('key', lambda: value)) == value


@inmemory_only
@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_a_codec_that_is_configured_during_a_flight_is_not_used_for_it(
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
