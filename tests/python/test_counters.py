# SPDX-License-Identifier: MIT
"""A counter is fetched as an int with every codec, and no stored value is mistaken for a
counter."""

import asyncio
import random
import uuid
from typing import Any, Awaitable, Callable, Dict, List, Optional, Union

import msgpack
import pytest
from cachette import Cachette, CodecError
from cachette._codecs import find
from conftest import MakeClass, about, expected_counter, inmemory_only

CODECS = ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle', 'vanilla']
HOLD_NUMBERS = ['json', 'msgpack', 'orjson', 'pickle']
MOST, LEAST = 2**63 - 1, -(2**63)
NUMBERS = [0, 1, 7, 9, 10, 55, 300, 10**18, MOST, -1, -9, -10, -300, LEAST]
SECRET = '0123456789abcdef'

Call = Callable[[str], Callable[..., Awaitable[Any]]]


def calls_by_name(cache: Cachette, kind: str) -> Call:
  """The calls by name, awaited or blocking; both kinds are awaited here."""
  if kind == 'awaited':
    return lambda name: getattr(cache, name)

  def blocking(name: str) -> Callable[..., Awaitable[Any]]:
    async def call(*args: Any, **named: Any) -> Any:
      return getattr(type(cache).sync, name)(*args, **named)

    return call

  return blocking


def fetched_counter(codec: str, number: int) -> Any:
  """What a fetch returns for a counter: "vanilla" stores text, and cannot distinguish "7" from
  7."""
  return str(number) if codec == 'vanilla' else number


def same(fetched: Any, expected: Any) -> None:
  assert type(fetched) is type(expected) and fetched == expected


def numbers_of(backend: Dict[str, Any]) -> List[int]:
  return [number for number in NUMBERS if expected_counter(backend, number) == number]


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize('kind', ['awaited', 'sync'])
@pytest.mark.parametrize('options', [{}, {'compression': 'zlib'}], ids=['plain', 'compressed'])
def test_a_counter_is_fetched_as_its_int(
  make_class: MakeClass, backend: Dict[str, Any], codec: str, kind: str, options: Dict[str, Any]
) -> None:
  call = calls_by_name(make_class(codec=codec, **options)(), kind)

  async def main() -> None:
    counters = {f'counter{number}': number for number in numbers_of(backend)}
    for key, number in counters.items():
      assert await call('increment')(key, number, ttl=30) == number
      same(await call('fetch')(key), fetched_counter(codec, number))
      left, fetched = await call('fetch_with_ttl')(key)
      assert about(30) == left
      same(fetched, fetched_counter(codec, number))
      same(await call('get_or_set')(key, lambda: 'computed'), fetched_counter(codec, number))
    found = await call('fetch_many')([*counters, 'absent'])
    assert list(found) == list(counters)
    for key, number in counters.items():
      same(found[key], fetched_counter(codec, number))
      assert await call('increment')(key, 0) == number

  asyncio.run(main())


@pytest.mark.parametrize('codec', [each for each in CODECS if each != 'vanilla'])
@pytest.mark.parametrize('options', [{}, {'compression': 'zstd'}], ids=['plain', 'compressed'])
def test_a_counter_with_fewer_digits_is_fetched_as_its_int(
  make_class: MakeClass, codec: str, options: Dict[str, Any]
) -> None:
  sync = make_class(
    codec=codec, **options
  ).sync  # memcached retains the length, and pads with spaces
  for begin in (10, 1000):
    for by in (-1, -900):
      sync.clear(key='counter')
      number = sync.increment('counter', begin)
      if begin + by < 0:
        continue
      number = sync.increment('counter', by)
      same(sync.fetch('counter'), begin + by)
      same(sync.fetch_many(['counter'])['counter'], number)


@pytest.mark.parametrize('codec', ['json', 'msgpack', 'orjson'])
@pytest.mark.parametrize('number', [7, 0, 10, 12345])
def test_a_counter_is_fetched_as_the_given_type(
  make_class: MakeClass, codec: str, number: int
) -> None:
  sync = make_class(codec=codec).sync
  sync.increment('counter', 100_000)
  sync.increment('counter', number - 100_000)  # memcached pads with spaces
  types: List[Any] = [int, Optional[int], Union[uuid.UUID, int]]
  for returns in types:
    same(sync.get_or_set('counter', lambda: 1, returns=returns), number)


@pytest.mark.parametrize('codec', HOLD_NUMBERS)
def test_a_stored_number_is_fetched_unchanged(make_class: MakeClass, codec: str) -> None:
  numbers = [*range(-300, 301), 10**18, MOST, LEAST, 2**64 - 1]
  values: Dict[str, Any] = {f'int {number}': number for number in numbers}
  values.update({f'text {number}': str(number) for number in numbers})
  values.update({f'nested {number}': [number, {'a': number}] for number in range(40, 60)})
  sync = make_class(codec=codec).sync
  keys = list(values)
  for begin in range(0, len(keys), 200):
    part = keys[begin : begin + 200]
    sync.put_many({key: values[key] for key in part})
    found = sync.fetch_many(part)
    assert list(found) == part
    for key in part:
      same(found[key], values[key])


@pytest.mark.parametrize('codec', HOLD_NUMBERS)
def test_a_stored_digit_is_fetched_by_each_call(make_class: MakeClass, codec: str) -> None:
  cache = make_class(codec=codec)()

  async def main() -> None:
    for number in range(47, 59):
      await cache.put('put', number)
      await cache.clear(key='added')
      assert await cache.add('added', number)
      assert await cache.get_or_set(f'set {number}', lambda: number) == number
      for key in ('put', 'added', f'set {number}'):
        same(await cache.fetch(key), number)
        same((await cache.fetch_with_ttl(key))[1], number)

  asyncio.run(main())


@pytest.mark.parametrize('options', [{}, {'compression': 'zstd'}], ids=['plain', 'compressed'])
def test_vanilla_returns_the_text_of_a_counter_with_fewer_digits(
  make_class: MakeClass, options: Dict[str, Any]
) -> None:
  sync = make_class(**options).sync
  sync.increment('counter', 10)
  sync.increment('counter', -1)
  assert sync.fetch('counter').rstrip(' ') == '9' and int(sync.fetch('counter')) == 9
  assert sync.increment('counter', 0) == 9


def test_vanilla_returns_the_stored_text(make_class: MakeClass) -> None:
  sync = make_class().sync
  for text in ('7', '-7', '0', '007', '-0', ' 7', '7 ', '+7', '7.0', str(MOST + 1), '٧'):
    sync.put('key', text)
    same(sync.fetch('key'), text)


@inmemory_only
def test_msgpack_stores_a_digit_so_that_every_client_reads_it(make_class: MakeClass) -> None:
  Cachette.register_codec('raw', bytes, bytes)
  sync = make_class(codec='msgpack', memory_name='msgpack').sync
  raw = make_class(codec='raw', memory_name='msgpack').sync
  for number in range(-40, 200):
    sync.put('key', number)
    stored = raw.fetch('key')
    assert msgpack.unpackb(stored) == number
    assert (stored == b'\xcc%c' % number) if 48 <= number <= 57 else stored == msgpack.packb(number)


def test_a_number_stored_by_msgpack_is_not_a_counter(make_class: MakeClass) -> None:
  sync = make_class(codec='msgpack').sync
  for number in range(40, 60):
    sync.put('key', number)
    with pytest.raises(CodecError, match='is not a counter'):
      sync.increment('key')
    assert sync.fetch('key') == number


@pytest.mark.parametrize('codec', ['csv', 'feather', 'msgpack', 'parquet', 'pickle'])
def test_no_encoded_value_looks_like_a_counter(codec: str) -> None:
  loads = find(codec)[1]
  draw = random.Random(5)
  digits = [*range(-1000, 1001), MOST, LEAST, *(draw.randint(LEAST, MOST) for _ in range(1000))]
  for number in digits:
    if codec == 'msgpack' and 0 <= number <= 9:
      assert loads(str(number).encode()) == number + 48  # stored in two bytes
      continue
    with pytest.raises(Exception):
      loads(str(number).encode())


@inmemory_only
@pytest.mark.parametrize('codec', [each for each in CODECS if each not in ('vanilla', 'pickle')])
def test_only_digits_of_64_bits_are_a_counter(make_class: MakeClass, codec: str) -> None:
  Cachette.register_codec('raw', bytes, bytes)
  raw = make_class(codec='raw', memory_name=codec).sync
  sync = make_class(codec=codec, memory_name=codec).sync
  others = [b'007', b'-0', b'-', b'+7', b' 7', b'7.', b'1e3', b'--1', b' ', b'\xd9\xa7']
  others += [str(beyond).encode() for beyond in (MOST + 1, LEAST - 1, 10**19, 10**30)]
  loads = find(codec)[1]
  for stored in others:
    raw.put('key', stored)
    try:
      expected = loads(stored)
    except Exception:
      with pytest.raises(CodecError):
        sync.fetch('key')
    else:
      same(sync.fetch('key'), expected)


# ---- Custom codecs, and envelopes


@inmemory_only
def test_a_custom_codec_receives_the_digits(make_class: MakeClass) -> None:
  given: List[bytes] = []

  def loads(raw: bytes) -> Any:
    given.append(raw)
    return int(raw)

  for name in ('own', 'json'):  # a custom codec may replace a built-in one
    Cachette.register_codec(name, lambda value: b'7', loads)
    try:
      sync = make_class(codec=name).sync
      sync.increment('counter', 7)
      assert sync.fetch('counter') == 7
      sync.put('value', object())
      assert sync.fetch('value') == 7
    finally:
      _forget(name)
  assert given == [b'7'] * 4


def _forget(name: str) -> None:
  from cachette import _codecs

  del _codecs._own[name]


@inmemory_only
def test_a_custom_codec_that_cannot_read_a_counter_is_an_error_with_advice(
  make_class: MakeClass,
) -> None:
  def loads(raw: bytes) -> Any:
    raise ValueError('no token')

  Cachette.register_codec('own', bytes, loads)
  sync = make_class(codec='own').sync
  sync.increment('counter', 12)
  with pytest.raises(CodecError) as caught:
    sync.fetch('counter')
  assert str(caught.value) == (
    'The "own" codec cannot decode the value of "counter": no token. '
    'It looks like a counter: read it with increment("counter", 0), or let `loads` return '
    'an int for digits.'
  )
  sync.put('value', b'no digits')
  with pytest.raises(CodecError) as caught:
    sync.fetch('value')
  assert str(caught.value) == 'The "own" codec cannot decode the value of "value": no token'


@pytest.mark.parametrize('codec', CODECS)
def test_counters_are_rejected_if_values_are_signed(make_class: MakeClass, codec: str) -> None:
  name = f'signed-{codec}'
  counting = make_class(codec=codec, memory_name=name).sync
  signed = make_class(codec=codec, memory_name=name, secret=SECRET).sync
  trusting = make_class(codec=codec, memory_name=name, secret=SECRET, accept_plain=True).sync
  counting.increment('counter', 12)
  for fetch in (signed.fetch, signed.fetch_with_ttl, lambda key: signed.fetch_many([key])):
    with pytest.raises(CodecError) as caught:
      fetch('counter')
    assert str(caught.value) == (
      'The value of "counter" is not signed. It looks like a counter, and counters are never '
      'signed: read it with increment(key, 0) in a cache without "secret", or clear it.'
    )
  same(trusting.fetch('counter'), fetched_counter(codec, 12))
