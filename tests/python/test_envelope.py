# SPDX-License-Identifier: MIT
"""Signed and compressed values, with every codec and on every backend."""

import asyncio
import pickle
from typing import Any, Type

import pandas
import pytest
from cachette import BackendError, Cachette, CodecError
from conftest import MakeClass, about
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECRET, OTHER = '0123456789abcdef', 'fedcba9876543210'
OPTIONS = [
  {'secret': SECRET},
  {'compression': 'zlib'},
  {'compression': 'zstd', 'compression_threshold': 10},
  {'compression': 'zstd', 'compression_threshold': 0, 'secret': [SECRET, OTHER]},
]


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


def raw_class(make_class: MakeClass, name: str) -> Type[Cachette]:
  """A class that reads the same entries as raw stored bytes."""
  Cachette.register_codec('raw', bytes, bytes)
  return make_class(codec='raw', memory_name=name)


@pytest.mark.parametrize('options', OPTIONS, ids=str)
@pytest.mark.parametrize('codec', ['vanilla', 'json', 'orjson', 'msgpack', 'pickle'])
def test_signed_and_compressed_values_round_trip(
  make_class: MakeClass, codec: str, options: Any
) -> None:
  cache = make_class(codec=codec, memory_name='sealed', **options)()
  values = {'empty': '', 'short': 'ü', 'long': 'text ' * 10_000}

  async def main() -> None:
    for key, value in values.items():
      await cache.put(key, value, 300)
      assert await cache.fetch(key) == value
      assert await cache.fetch_with_ttl(key) == (about(300), value)
    assert await cache.fetch_many(values) == values
    assert await cache.add('short', 'other') is False
    assert await cache.touch('short', 5) and await cache.exists('short')
    assert await cache.clear_many(values) == 3
    assert await cache.fetch('long') is None

  run(main())
  cache.sync.put('key', 'value' * 1000)
  assert cache.sync.fetch('key') == 'value' * 1000


@pytest.mark.parametrize('codec', ['csv', 'feather', 'parquet'])
def test_signed_and_compressed_frames_round_trip(make_class: MakeClass, codec: str) -> None:
  cache = make_class(codec=codec, **OPTIONS[3])()
  frame = pandas.DataFrame({'a': range(1000), 'b': [0.5] * 1000})
  run(cache.put('key', frame))
  pandas.testing.assert_frame_equal(run(cache.fetch('key')), frame)


@given(value=st.text(st.characters(exclude_categories=['Cs'])), key=st.text('abc', min_size=1))
@settings(
  max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_key_and_value_round_trip(make_class: MakeClass, key: str, value: str) -> None:
  cache = make_class(**OPTIONS[3])()
  run(cache.put(key, value))
  assert run(cache.fetch(key)) == value


def test_compression_shrinks_the_stored_bytes_and_no_option_leaves_them_plain(
  make_class: MakeClass,
) -> None:
  text = 'text ' * 10_000
  run(make_class(memory_name='one', compression='zstd')().put('small', text))
  run(make_class(memory_name='one')().put('plain', text))
  stored = run(raw_class(make_class, 'one')().fetch_many(['small', 'plain']))
  assert len(stored['small']) < 1000
  assert stored['plain'] == text.encode()


def test_a_forged_pickle_is_never_loaded(make_class: MakeClass) -> None:
  class Exploit:
    def __reduce__(self) -> Any:
      return pytest.fail, ('the pickle was loaded',)

  reader = make_class(codec='pickle', memory_name='one', secret=SECRET)()
  run(reader.put('key', 'value'))
  attacker = raw_class(make_class, 'one')()
  stored = run(attacker.fetch('key'))
  payload = pickle.dumps(Exploit())
  size = len(payload)
  assert stored[:6] == b'\xc1ch\x02\x83\x20' and size < 128
  field = b'\x81' + bytes([size]) + payload  # signed, unsigned, and the same as stored by 1.0
  old = size.to_bytes(8, 'little') + stored[6:38] + payload
  for forged in (
    *(payload, stored[:38] + field, stored[:4] + field, stored + field),
    *(b'\xc1ch\x01\x01' + old, b'\xc1ch\x01\0' + old[:8] + payload),
  ):
    run(attacker.put('key', forged))
    with pytest.raises(CodecError, match='"key"'):
      run(reader.fetch('key'))
    with pytest.raises(CodecError):
      run(reader.fetch_many(['key']))


def test_a_signature_is_valid_for_its_key_codec_and_secret_only(make_class: MakeClass) -> None:
  cache = make_class(codec='json', memory_name='one', secret=SECRET)()
  run(cache.put_many({'mine': 1, 'yours': 2}))
  attacker = raw_class(make_class, 'one')()
  stored = run(attacker.fetch_many(['mine', 'yours']))
  run(attacker.put_many({'mine': stored['yours'], 'cut': stored['mine'][:-1]}))
  for key in ('mine', 'cut'):
    with pytest.raises(CodecError, match=f'"{key}" has a signature'):
      run(cache.fetch(key))
  assert run(cache.fetch('yours')) == 2
  Cachette.register_codec('own-json', lambda value: b'', bytes)
  for options in ({'codec': 'orjson'}, {'codec': 'own-json'}, {'codec': 'json', 'secret': OTHER}):
    other = make_class(**{'memory_name': 'one', 'secret': SECRET, **options})()
    with pytest.raises(CodecError, match='has a signature that matches no key'):
      run(other.fetch('yours'))


def test_a_secret_can_be_rotated(make_class: MakeClass) -> None:
  old = make_class(memory_name='one', secret=SECRET)()
  both = make_class(memory_name='one', secret=[OTHER, SECRET])()
  new = make_class(memory_name='one', secret=OTHER)()
  run(old.put('old', 'value'))
  assert run(both.fetch('old')) == 'value'
  with pytest.raises(CodecError):
    run(new.fetch('old'))
  run(both.put('new', 'value'))
  assert run(new.fetch('new')) == 'value'


def test_plain_values_are_read_only_with_accept_plain(make_class: MakeClass) -> None:
  run(make_class(memory_name='one')().put('key', 'value'))
  for options in ({'secret': SECRET}, {'compression': 'zlib'}):
    with pytest.raises(CodecError, match='accept_plain'):
      run(make_class(memory_name='one', **options)().fetch('key'))
    assert (
      run(make_class(memory_name='one', accept_plain=True, **options)().fetch('key')) == 'value'
    )


def test_counters_are_not_available_with_a_secret(make_class: MakeClass) -> None:
  with pytest.raises(BackendError, match='not available with "secret"'):
    run(make_class(secret=SECRET)().increment('n'))
  counting = make_class(compression='zlib')()
  assert run(counting.increment('n', 5)) == 5
  assert run(counting.increment('n', 0)) == 5


@pytest.mark.parametrize(
  'secret', ['short', [SECRET, 'short'], '', [], [SECRET, 5], [f'{SECRET},x'], 5, b'bytes' * 9]
)
def test_an_invalid_secret_is_rejected_and_not_displayed(
  make_class: MakeClass, secret: Any
) -> None:
  with pytest.raises(ValueError) as caught:
    make_class(secret=secret)
  assert 'secret' in str(caught.value)
  assert SECRET not in str(caught.value) and 'short' not in str(caught.value)


def test_a_secret_is_displayed_nowhere(make_class: MakeClass) -> None:
  cls = make_class(secret=SECRET)
  assert SECRET not in repr(cls()) + str(cls.stats()) + repr(cls._config)
  assert cls._config.get('secret') is None
