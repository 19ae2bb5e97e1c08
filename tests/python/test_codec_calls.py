# SPDX-License-Identifier: MIT
"""Each call with each codec on each backend, and with keys of any text."""

import asyncio
from typing import Any, Awaitable, Callable, Dict, Tuple

import pandas
import pytest
from cachette import Cachette
from conftest import MakeClass, expected_counter, name_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

CODECS = ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle', 'vanilla']
FRAMES = ('csv', 'feather', 'parquet')


def values_for(codec: str) -> Tuple[Any, Any]:
  """Two values that the codec supports."""
  if codec in FRAMES:
    return pandas.DataFrame({'a': [1, 2], 'b': ['x', 'ü']}), pandas.DataFrame({'c': [0.5]})
  if codec == 'vanilla':
    return 'text', 'ümläut'
  return {'a': [1, None, 'ü'], 'b': {}}, ['two', 2.5, False]


def same(fetched: Any, value: Any) -> None:
  if isinstance(value, pandas.DataFrame):
    assert_frame_equal(fetched, value)
  else:
    assert type(fetched) is type(value) and fetched == value


async def awaited(value: Any) -> Any:
  return value


Call = Callable[..., Awaitable[Any]]


def calls_of(cache: Cachette, kind: str) -> Callable[[str], Call]:
  """The calls by name, awaited or blocking; both kinds are awaited here."""
  if kind == 'awaited':
    return lambda name: getattr(cache, name)
  sync = type(cache).sync
  return lambda name: lambda *args, **named: awaited(getattr(sync, name)(*args, **named))


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> str:
  name: str = request.param
  return name


@pytest.fixture(params=['awaited', 'sync'])
def call(
  request: pytest.FixtureRequest, make_class: MakeClass, codec: str
) -> Callable[[str], Call]:
  return calls_of(make_class(codec=codec)(), request.param)


def test_put_fetch_and_clear(call: Callable[[str], Call], codec: str) -> None:
  one, two = values_for(codec)

  async def main() -> None:
    assert await call('fetch')('key') is None
    same(await call('fetch')('key', one), one)
    assert await call('fetch_with_ttl')('key') == (-1, None)
    await call('put')('key', one)
    same(await call('fetch')('key'), one)
    await call('put')('key', two, ttl=30)
    left, fetched = await call('fetch_with_ttl')('key')
    assert left == 30
    same(fetched, two)
    assert await call('exists')('key') is True
    assert await call('touch')('key', 40) is True
    left, fetched = await call('fetch_with_ttl')('key')
    assert left == 40
    same(fetched, two)
    assert await call('clear')(key='key') == 1
    assert await call('exists')('key') is False
    assert await call('fetch')('key') is None

  asyncio.run(main())


def test_add_stores_only_absent_keys(call: Callable[[str], Call], codec: str) -> None:
  one, two = values_for(codec)

  async def main() -> None:
    assert await call('add')('key', one) is True
    assert await call('add')('key', two) is False
    same(await call('fetch')('key'), one)

  asyncio.run(main())


def test_calls_on_many_keys_work_with_each_codec(call: Callable[[str], Call], codec: str) -> None:
  one, two = values_for(codec)

  async def main() -> None:
    await call('put_many')({'space:1': one, 'space:2': two, 'other': one}, ttl=20)
    found: Dict[str, Any] = await call('fetch_many')(['space:1', 'absent', 'space:2'])
    assert list(found) == ['space:1', 'space:2']
    same(found['space:1'], one)
    same(found['space:2'], two)
    assert await call('clear_many')(['space:1', 'absent']) == 1
    assert await call('clear')(namespace='space') == 1
    same(await call('fetch')('other'), one)
    await call('flush_expired')()
    await call('ping')()
    assert await call('flush')() == 1
    assert await call('fetch')('other') is None

  asyncio.run(main())


def test_counters_work_with_each_codec(
  call: Callable[[str], Call], backend: Dict[str, Any]
) -> None:
  async def main() -> None:
    assert await call('increment')('counter') == 1
    assert await call('increment')('counter', 5) == 6
    assert await call('increment')('counter', by=-7) == expected_counter(backend, -1)

  asyncio.run(main())


_caches: Dict[Tuple[str, str], Cachette] = {}


def cache_of(backend: Dict[str, Any], codec: str) -> Cachette:
  """One cache for all examples, which clear their keys one by one."""
  key = (name_of(backend), codec)
  if key not in _caches:

    class Own(Cachette):
      pass

    own = {} if backend['backend'] == 'inmemory' else {'key_prefix': f'keys-{codec}:'}
    Own.load_config(lambda: {**backend, **own, 'codec': codec})
    _caches[key] = Own()
  return _caches[key]


@given(keys=st.sets(st.text(st.characters(exclude_categories=['Cs']), min_size=1), max_size=8))
@settings(
  max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_keys_of_any_text_are_distinct(backend: Dict[str, Any], keys: Any) -> None:
  for codec in ('json', 'vanilla'):
    sync = type(cache_of(backend, codec)).sync
    values = {key: f'value of {key}' for key in keys}
    sync.put_many(values)
    assert sync.fetch_many(keys) == values
    for key in keys:
      assert sync.fetch(key) == values[key]
    assert sync.clear_many(keys) == len(keys)
    assert sync.fetch_many(keys) == {}
