# SPDX-License-Identifier: MIT
"""What codecs reject: values that would not round-trip, and the advice in their errors."""

import asyncio
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import pickle
import threading
import uuid
from typing import Any, Dict, List, Tuple

import msgpack
import numpy
import pandas
import pydantic
import pytest
from cachette import Cachette, CodecError
from cachette._cachette import has_odd_key
from conftest import MakeClass, id_of, inmemory_only


class User(pydantic.BaseModel):
  name: str = 'Ada'


@dataclasses.dataclass
class Point:
  x: int = 1


class Colour(enum.Enum):
  RED = 1


class Plain:
  pass


async def compute() -> int:
  return 1


def cache_of(codec: str) -> Any:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'codec': codec})
  return Own


def refusal(codec: str, value: Any) -> str:
  """The error message without the codec's name and the key."""
  sync = cache_of(codec).sync
  with pytest.raises(CodecError) as caught:
    sync.put('key', value)
  prefix = f'The "{codec}" codec cannot encode the value of "key": '
  message = str(caught.value)
  assert message.startswith(prefix)
  assert caught.value.__cause__ is not None
  assert sync.fetch('key') is None
  return message[len(prefix) :]


# ---- Keys of dicts


class Name(str):
  pass


LOST: List[Tuple[Any, str]] = [
  ({1: 'a', '1': 'b'}, "the keys 1 and '1'"),
  ({'1': 'a', 1: 'b'}, "the keys '1' and 1"),
  ({True: 'a', 'true': 'b'}, "the keys True and 'true'"),
  ({None: 'a', 'null': 'b'}, "the keys None and 'null'"),
  ({1.5: 'a', '1.5': 'b'}, "the keys 1.5 and '1.5'"),
  ({float('nan'): 'a', float('nan'): 'b'}, 'the keys nan and nan'),
  ([{'a': ({'b': {2: 1, '2': 3}},)}], "the keys 2 and '2'"),
]


@pytest.mark.parametrize(('value', 'words'), LOST, ids=repr)
def test_json_rejects_keys_that_would_collide(value: Any, words: str) -> None:
  assert refusal('json', value) == (
    f'{words} of a dict are the same in JSON, so one would be lost. '
    'Use keys that differ as text, or use the codec "msgpack" or "pickle".'
  )
  assert refusal('orjson', value).endswith('convert it to text, or use the codec "pickle".')


@pytest.mark.parametrize(
  'value',
  [
    {1: 'a', 2: 'b'},
    {1: 'a', '2': 'b', None: 'c', False: 'd', 2.5: 'e'},
    {0.0: 'a', '0': 'b'},
    {'1': 'a', 'a': {1: 'b'}},
    {Name('a'): 1, 'b': 2},
    {float('nan'): 1, 0.5: 2},
    {number: str(number) for number in range(1000)},
  ],
  ids=lambda value: repr(value)[:30],
)
def test_json_accepts_keys_that_do_not_collide(value: Any) -> None:
  sync = cache_of('json').sync
  sync.put('key', value)
  fetched = sync.fetch('key')
  assert fetched == json.loads(json.dumps(value)) and len(fetched) == len(value)


@pytest.mark.parametrize(
  'value',
  [
    {(1, 2): 'a'},
    {(): 'a'},
    [{'a': ({(1,): 1},)}],
    {1: {('a', 'b'): {}}},
  ],
  ids=repr,
)
def test_msgpack_rejects_keys_that_it_cannot_read(value: Any) -> None:
  with pytest.raises(TypeError):
    msgpack.unpackb(msgpack.packb(value), strict_map_key=False)
  message = refusal('msgpack', value)
  assert 'of a dict is a tuple, which cannot be read back. Convert it to text' in message


@pytest.mark.parametrize(
  'value',
  [
    {1: 'a', None: 'b', 1.5: 'c', b'd': 'd', '': 'e', False: {0: 1}},
    {msgpack.ExtType(5, b'data'): 1},
    {msgpack.Timestamp(5): 1},
    {'a': (1, 2)},
  ],
  ids=repr,
)
def test_msgpack_accepts_other_keys(value: Any) -> None:
  sync = cache_of('msgpack').sync
  sync.put('key', value)
  assert sync.fetch('key') == msgpack.unpackb(msgpack.packb(value), strict_map_key=False)
  assert sync.fetch('key').keys() == value.keys()


def test_keys_that_are_not_str_are_found_at_any_depth() -> None:
  for accepted in (
    None,
    1,
    'a',
    [],
    (),
    {},
    {'a': [{'b': ({Name('c'): {}},)}]},
    [[['a']]],
    {1},
    b'',
  ):
    assert not has_odd_key(accepted)
  for unusual in ({1: 1}, {'a': 1, None: 2}, [[{'a': ({b'b': 1},)}]], ({'a': {'b': {('c',): 1}}},)):
    assert has_odd_key(unusual)

  class OwnDict(Dict[Any, Any]):
    pass

  class OwnList(List[Any]):
    pass

  assert has_odd_key(OwnList([OwnDict({1: 2})]))
  assert not has_odd_key(OwnList([OwnDict({'1': 2})]))


def test_an_endlessly_nested_value_is_an_error() -> None:
  value: Any = {}
  for _ in range(200_000):
    value = [value]
  with pytest.raises(RecursionError):
    has_odd_key(value)
  while value:  # or freeing it would need an equally deep stack
    value = value[0]


# ---- Advice


MODEL = (
  ' is a pydantic model (User): put its model_dump(mode="json"), or use the codec "pickle". '
  '@cached returns models if the function has a return annotation'
)
TIME = 'put its isoformat(), or use the codec "orjson", which does that, or "pickle".'
TEXT = 'put its str(), or use the codec "pickle".'
BYTES = 'use the codec "msgpack" or "pickle", or convert it to text, for example with base64.'
DATA = 'convert it to plain data (dict, list, str, numbers), or use the codec "pickle".'
FLAT = 'it is nested too deeply, or contains itself; put flatter data.'

ADVICE: List[Tuple[str, Any, str]] = [
  *((codec, User(), f'The value{MODEL}') for codec in ('json', 'orjson', 'msgpack')),
  ('json', {'users': [1, User()]}, f"The value at ['users'][1]{MODEL}"),
  ('json', [Point()], 'The value at [0] is of type Point: put dataclasses.asdict() of it'),
  ('msgpack', Point(), 'The value is of type Point: put dataclasses.asdict() of it'),
  ('json', datetime.datetime(2024, 1, 1), f'The value is of type datetime: {TIME}'),
  ('json', datetime.date(2024, 1, 1), f'The value is of type date: {TIME}'),
  ('msgpack', datetime.time(1), f'The value is of type time: {TIME}'),
  ('orjson', datetime.timedelta(1), 'The value is of type timedelta: put its total_seconds()'),
  ('json', decimal.Decimal('1.5'), f'The value is of type Decimal: {TEXT}'),
  ('json', uuid.UUID(int=5), f'The value is of type UUID: {TEXT}'),
  ('json', {'a': pathlib.Path('x')}, "The value at ['a'] is of type "),
  ('json', pathlib.PurePosixPath('x'), f'The value is of type PurePosixPath: {TEXT}'),
  ('json', Colour.RED, 'The value is of type Colour: put its value'),
  ('json', {1, 2}, 'The value is of type set: put a list of it, or use the codec "pickle".'),
  ('orjson', [frozenset()], 'The value at [0] is of type frozenset: put a list of it'),
  ('json', b'x', f'The value is of type bytes: {BYTES}'),
  ('orjson', [bytearray(b'x')], f'The value at [0] is of type bytearray: {BYTES}'),
  ('json', numpy.int64(5), 'The value is of type int64: put its tolist()'),
  ('msgpack', numpy.array([1]), 'The value is of type ndarray: put its tolist()'),
  ('json', pandas.DataFrame(), 'The value is of type DataFrame: use the codec "parquet".'),
  ('json', Plain(), f'The value is of type Plain: {DATA}'),
  ('msgpack', {'a': Plain()}, f"The value at ['a'] is of type Plain: {DATA}"),
  ('orjson', 2**64, 'The value is of type int: it has more than 64 bits'),
  ('msgpack', [2**64], 'The value at [0] is of type int: it has more than 64 bits'),
  ('orjson', '\ud800', 'The value is of type str: it is not valid Unicode'),
  ('msgpack', ['\ud800'], 'The value at [0] is of type str: it is not valid Unicode'),
  ('vanilla', '\ud800', 'The codecs "json" and "pickle" hold such text.'),
  ('json', {(1, 2): 1}, 'A key of the dict is of type tuple: convert it to text'),
  ('orjson', {'a': {1: 1}}, "A key of the dict at ['a'] is of type int: convert it to text"),
  ('pickle', threading.Lock(), 'The value is of type lock, which cannot be pickled: convert'),
  ('pickle', {'a': lambda: None}, "The value at ['a'] is of type function, which cannot be"),
]  # fmt: skip


@pytest.mark.parametrize(('codec', 'value', 'advice'), ADVICE, ids=lambda each: id_of(each)[:40])
def test_the_error_names_the_part_and_gives_advice(codec: str, value: Any, advice: str) -> None:
  message = refusal(codec, value)
  assert f'. {advice}' in message
  assert '..' not in message and message.endswith('.')


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])
def test_the_model_dump_that_the_error_advises_can_be_put(codec: str) -> None:
  class Booking(pydantic.BaseModel):
    user: User = User()
    when: datetime.datetime = datetime.datetime(2024, 1, 1)
    price: decimal.Decimal = decimal.Decimal('1.50')

  sync = cache_of(codec).sync
  with pytest.raises(CodecError, match=r'model_dump\(mode="json"\)'):
    sync.put('key', Booking())
  sync.put('key', Booking().model_dump(mode='json'))
  assert Booking(**sync.fetch('key')) == Booking()


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack', 'pickle'])
@pytest.mark.filterwarnings('ignore:coroutine .* was never awaited')
def test_the_error_about_a_coroutine_advises_to_await_it(codec: str) -> None:
  coroutine = compute()
  message = refusal(codec, {'a': coroutine})
  coroutine.close()
  assert (
    "The value at ['a'] is awaitable (coroutine): await it first, and put the result" in message
  )


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack'])
def test_the_error_about_a_value_that_contains_itself_says_so(codec: str) -> None:
  value: List[Any] = []
  value.append(value)
  message = refusal(codec, value)
  assert message.endswith(f'The value is of type list: {FLAT}') or 'recursion' in message.lower()


def test_the_error_about_an_int_with_too_many_digits_says_so() -> None:
  try:
    json.dumps(10**5000)
  except ValueError:
    assert 'The value is of type int: it has too many digits; put its hex()' in refusal(
      'json', 10**5000
    )


def test_the_error_does_not_contain_the_value() -> None:
  class Secret:
    def __repr__(self) -> str:
      return 'hunter2'

  for codec in ('json', 'orjson', 'msgpack'):
    for value in (Secret(), ['hunter2', Secret()], {'a': ('hunter2', Secret())}):
      assert 'hunter2' not in refusal(codec, value)


def test_a_long_path_to_the_part_is_cut() -> None:
  value: Any = Plain()
  for _ in range(30):
    value = {'k' * 1000: value}
  assert len(refusal('json', value)) < 1000


def test_unusual_keys_and_values_do_not_break_the_advice() -> None:
  class Odd:
    def __repr__(self) -> str:
      raise RuntimeError('no text')

    def __getattribute__(self, name: str) -> Any:
      raise RuntimeError('no attributes')

  for codec in ('json', 'orjson', 'msgpack'):
    for value in (Odd(), [Odd()], {'a': Odd()}, {Odd(): 1}):
      assert refusal(codec, value)


def test_the_error_of_a_custom_codec_has_no_advice() -> None:
  def dumps(value: Any) -> bytes:
    raise TypeError('not this one')

  Cachette.register_codec('refusing', dumps, bytes)
  assert refusal('refusing', User()) == 'not this one'


@pytest.mark.parametrize('call', ['put', 'add', 'put_many', 'get_or_set', 'cached'])
@pytest.mark.parametrize('kind', ['awaited', 'sync'])
@inmemory_only
def test_each_call_that_puts_gives_the_advice(make_class: MakeClass, call: str, kind: str) -> None:
  cls = make_class(codec='json')

  class Thing:  # no annotation tells its type
    pass

  async def main() -> None:
    if call == 'cached':

      @cls.cached(key='key')
      async def find():  # type: ignore[no-untyped-def]
        return Thing()

      @cls.cached(key='key')
      def find_blocking():  # type: ignore[no-untyped-def]
        return Thing()

      await find() if kind == 'awaited' else find_blocking()
      return
    target: Any = cls() if kind == 'awaited' else cls.sync
    made = {'put_many': lambda: target.put_many({'key': Thing()})}.get(
      call, lambda: getattr(target, call)('key', Thing())
    )()
    if kind == 'awaited':
      await made

  with pytest.raises(CodecError, match='The value (at .* )?is of type Thing: convert it to plain'):
    asyncio.run(main())


def test_the_error_can_be_pickled_with_its_cause() -> None:
  for codec, value in (('json', {1: 2, '1': 3}), ('csv', {'a': 1}), ('json', Plain())):
    sync = cache_of(codec).sync
    with pytest.raises(CodecError) as caught:
      sync.put('key', value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert str(again.__cause__) == str(caught.value.__cause__)
