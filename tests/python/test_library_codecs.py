# SPDX-License-Identifier: MIT
"""The codecs that use other libraries: supported values, damaged bytes, missing libraries."""

import asyncio
import dataclasses
import datetime
import json
import pathlib
import sys
import uuid
from typing import Any, Callable, Dict, List, Tuple

import msgpack
import orjson
import pandas
import pytest
from cachette import Cachette, CodecError
from cachette._codecs import find
from conftest import MakeClass, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

CODECS = ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle', 'vanilla']

texts = st.text(st.characters(exclude_categories=['Cs']))
floats = st.floats(allow_nan=False, allow_infinity=False)


def nested(scalars: Any) -> Any:
  return st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
  )


def round_trip(cache: Cachette, value: Any) -> Any:
  async def main() -> Any:
    await cache.put('key', value)
    await cache.put_many({'other': value})
    fetched = await cache.fetch('key')
    assert type((await cache.fetch_many(['other']))['other']) is type(fetched)
    return fetched

  return asyncio.run(main())


def stored(make_class: MakeClass, codec: str, value: Any) -> bytes:
  """The bytes that a codec stores."""
  Cachette.register_codec('raw', bytes, bytes)
  asyncio.run(make_class(codec=codec, memory_name='shared')().put('key', value))
  raw: bytes = asyncio.run(make_class(codec='raw', memory_name='shared')().fetch('key'))
  return raw


def frame() -> pandas.DataFrame:
  return pandas.DataFrame(
    {
      'name': ['Ada', 'Grace', 'Jürgen, "the" man\n', '-'],
      'born': [1815, 1906, -1, 2**62],
      'height': [1.65, float('nan'), -1e300, 0.1],
      'alive': [False, False, True, True],
    }
  )


# ---- Supported values


@given(value=nested(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats | texts))
@settings(max_examples=200, deadline=None)
def test_orjson_and_msgpack_round_trip_supported_values(value: Any) -> None:
  for codec in ('orjson', 'msgpack'):
    dumps, loads = find(codec)
    again = loads(bytes(dumps(value)))
    assert again == value and repr(again) == repr(value)


@given(value=nested(st.binary() | st.dictionaries(st.integers(-1000, 1000), st.binary())))
@settings(max_examples=100, deadline=None)
def test_msgpack_round_trips_bytes_and_number_keys(value: Any) -> None:
  dumps, loads = find('msgpack')
  assert loads(dumps(value)) == value


def test_the_stored_bytes_are_those_of_the_library(make_class: MakeClass) -> None:
  value = {'a': [1, None, 'ü'], 'b': 1.5}
  assert stored(make_class, 'orjson', value) == orjson.dumps(value)
  assert stored(make_class, 'msgpack', value) == msgpack.packb(value)
  assert stored(make_class, 'csv', frame()) == frame().to_csv().encode()


@pytest.mark.parametrize('codec', ['orjson', 'msgpack'])
@pytest.mark.parametrize('value', [None, True, 0, '', [], {}, {'a': [1, {'b': None}]}, 2**63])
def test_values_round_trip_on_each_backend(make_class: MakeClass, codec: str, value: Any) -> None:
  assert round_trip(make_class(codec=codec)(), value) == value


@pytest.mark.parametrize('codec', ['csv', 'feather', 'parquet'])
def test_a_frame_round_trips_on_each_backend(make_class: MakeClass, codec: str) -> None:
  assert_frame_equal(round_trip(make_class(codec=codec)(), frame()), frame(), check_exact=True)


@pytest.mark.parametrize('codec', ['csv', 'parquet'])
def test_csv_and_parquet_preserve_the_index(make_class: MakeClass, codec: str) -> None:
  indexed = frame().set_index('name').iloc[:3]
  assert_frame_equal(round_trip(make_class(codec=codec)(), indexed), indexed)


@pytest.mark.parametrize('codec', ['feather', 'parquet'])
def test_feather_and_parquet_preserve_types(make_class: MakeClass, codec: str) -> None:
  typed = pandas.DataFrame(
    {
      'when': pandas.to_datetime(['2024-01-01T12:00:00', None]),
      'zone': pandas.to_datetime(['2024-01-01', '2024-06-01']).tz_localize('Europe/Berlin'),
      'kind': pandas.Categorical(['a', 'b']),
      'bytes': [b'\0\xff', None],
      'small': pandas.array([1, None], dtype='Int8'),
    }
  )
  assert_frame_equal(round_trip(make_class(codec=codec)(), typed), typed)


def test_orjson_supports_types_that_json_does_not() -> None:
  @dataclasses.dataclass
  class Point:
    x: int

  dumps, loads = find('orjson')
  number = uuid.UUID(int=5)
  when = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
  assert loads(dumps([Point(1), number, when])) == [{'x': 1}, str(number), when.isoformat()]


# ---- Unsupported values


REFUSED: List[Tuple[str, Any]] = [
  ('orjson', {1, 2}),
  ('orjson', 2**64),
  ('orjson', {1: 'a'}),
  ('orjson', '\ud800'),
  ('orjson', b'bytes'),
  ('msgpack', {1, 2}),
  ('msgpack', 2**64),
  ('msgpack', '\ud800'),
  ('msgpack', datetime.date(2024, 1, 1)),
  ('csv', {'a': [1]}),
  ('csv', 'text'),
  ('csv', frame().set_index(['name', 'born'])),
  ('csv', pandas.DataFrame([[1, 2]], columns=pandas.MultiIndex.from_tuples([(1, 2), (1, 3)]))),
  ('csv', pandas.DataFrame([[1, 2]], columns=['same', 'same'])),
  ('csv', pandas.DataFrame({'a': pandas.Series(['\ud800'], dtype=object)})),
  ('feather', {'a': [1]}),
  ('feather', pandas.DataFrame({'a': [2**70]})),
  ('feather', pandas.DataFrame([[1, 2]], columns=['same', 'same'])),
  ('feather', pandas.DataFrame({'mixed': [1, 'a', object()]})),
  ('parquet', [1]),
  ('parquet', pandas.DataFrame({'mixed': [1, 'a', object()]})),
]


@pytest.mark.parametrize(('codec', 'value'), REFUSED)
def test_an_unsupported_value_is_a_codec_error(
  make_class: MakeClass, codec: str, value: Any
) -> None:
  cache = make_class(codec=codec)()
  with pytest.raises(CodecError, match=f'"{codec}" codec cannot encode the value of "key"') as info:
    asyncio.run(cache.put('key', value))
  assert info.value.__cause__ is not None
  assert asyncio.run(cache.fetch('key')) is None


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack', 'pickle'])
def test_an_endlessly_nested_value_is_a_codec_error(make_class: MakeClass, codec: str) -> None:
  value: List[Any] = []
  inner = value
  for _ in range(100_000):
    inner.append([])
    inner = inner[0]
  with pytest.raises(CodecError):
    asyncio.run(make_class(codec=codec)().put('key', value))
  while value:  # or freeing it would need an equally deep stack
    value = value.pop()


NAN = float('nan')
WHEN = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)

# Values that come back as something else, as the table in cachette/_codecs.py documents.
CHANGED: List[Tuple[str, Any, Any]] = [
  ('json', {2: 'a', None: 'b', True: 'c'}, {'2': 'a', 'null': 'b', 'true': 'c'}),
  ('json', (1, (2,)), [1, [2]]),
  ('orjson', [NAN, float('-inf')], [None, None]),
  ('orjson', (1, 2), [1, 2]),
  ('orjson', WHEN.replace(tzinfo=None), '2024-01-01T00:00:00'),
  ('msgpack', (1, bytearray(b'a')), [1, b'a']),
  ('vanilla', None, 'None'),
  ('vanilla', NAN, 'nan'),
]

# Values that round-trip, although that might not be obvious.
UNCHANGED: List[Tuple[str, Any]] = [
  ('json', [NAN, float('inf'), -0.0, 5e-324]),
  ('json', ['\ud800', {'\ud800\0': 2**70, '': -(10**4299)}]),
  ('msgpack', [NAN, float('-inf'), -0.0, None, b'\0\xff', 2**64 - 1, -(2**63)]),
  ('msgpack', {1: 'a', None: 'b', 1.5: 'c', b'd': 'd', '': 'e'}),
  ('pickle', [NAN, '\ud800', 2**70, b'\xff', {(1, None): WHEN}, WHEN.replace(tzinfo=None), ...]),
]


@pytest.mark.parametrize(
  ('codec', 'value', 'fetched'), CHANGED + [(codec, value, value) for codec, value in UNCHANGED]
)
def test_special_values_come_back_as_documented(
  make_class: MakeClass, codec: str, value: Any, fetched: Any
) -> None:
  assert repr(round_trip(make_class(codec=codec)(), value)) == repr(fetched)


@pytest.mark.parametrize('codec', ['json', 'orjson', 'msgpack', 'pickle'])
def test_a_value_that_can_be_put_can_be_fetched_at_any_depth(codec: str) -> None:
  dumps, loads = find(codec)
  for depth in (100, 200, 250, 253, 254, 255, 500, 510, 511, 512, 700, 900):
    value: Any = None
    for _ in range(depth):
      value = [value]
    try:
      encoded = dumps(value)
    except Exception:
      assert depth >= 250
    else:
      assert loads(bytes(encoded)) == value


columns = st.dictionaries(
  texts.filter(bool),
  st.sampled_from([st.integers(-(2**63), 2**63 - 1), floats, texts, st.booleans(), st.binary()]),
  min_size=1,
  max_size=4,
)


@given(data=st.data(), kinds=columns, rows=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_frames_with_any_columns_round_trip(
  data: st.DataObject, kinds: Dict[str, Any], rows: int
) -> None:
  frame = pandas.DataFrame(
    {name: data.draw(st.lists(kind, min_size=rows, max_size=rows)) for name, kind in kinds.items()}
  )
  for codec in ('feather', 'parquet'):
    dumps, loads = find(codec)
    assert_frame_equal(loads(dumps(frame)), frame)


csv_columns = st.dictionaries(
  st.text('abc,"\n ü', min_size=1).map(lambda name: f'_{name}_'),  # or '' would be "Unnamed"
  st.sampled_from([st.integers(-(2**63), 2**63 - 1), floats, st.booleans()]),
  min_size=1,
  max_size=4,
)


@given(data=st.data(), kinds=csv_columns, rows=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_csv_round_trips_numbers(data: st.DataObject, kinds: Dict[str, Any], rows: int) -> None:
  frame = pandas.DataFrame(
    {name: data.draw(st.lists(kind, min_size=rows, max_size=rows)) for name, kind in kinds.items()}
  )
  dumps, loads = find('csv')
  assert_frame_equal(loads(dumps(frame)), frame)


# ---- Damaged bytes

SAMPLES: Dict[str, Callable[[], Any]] = {
  'csv': frame,
  'feather': frame,
  'parquet': frame,
  'json': lambda: {'a': [1, None, 'text'], 'b': {'c': 1.5}},
  'orjson': lambda: {'a': [1, None, 'text'], 'b': {'c': 1.5}},
  'msgpack': lambda: {'a': [1, None, 'text'], 'b': {'c': 1.5}},
  'pickle': lambda: {'a': [1, None, 'text'], 'b': {'c': 1.5}},
  'vanilla': lambda: 'text, and ümläute',
}


def fetch_damaged(codec: str, damaged: List[bytes]) -> int:
  """Fetches each byte string as a value of the codec. Returns how many were rejected."""
  refused = 0

  class Raw(Cachette):
    pass

  class Reader(Cachette):
    pass

  Cachette.register_codec('raw', bytes, bytes)
  Raw.load_config(lambda: {'codec': 'raw', 'memory_name': 'damaged'})
  Reader.load_config(lambda: {'codec': codec, 'memory_name': 'damaged'})
  for number, raw in enumerate(damaged):
    Raw.sync.put(f'{number}', raw)
    try:
      Reader.sync.fetch(f'{number}')
    except CodecError:
      refused += 1
  return refused


def encoded(codec: str) -> bytes:
  if codec == 'vanilla':
    return str(SAMPLES[codec]()).encode()
  return bytes(find(codec)[0](SAMPLES[codec]()))


@pytest.mark.parametrize('codec', ['feather', 'json', 'msgpack', 'orjson', 'parquet', 'pickle'])
def test_truncated_bytes_are_a_codec_error(codec: str) -> None:
  raw = encoded(codec)
  step = max(1, len(raw) // 200)
  cut = [raw[:size] for size in range(0, len(raw) - 1, step)]
  if codec == 'feather':
    cut = [each for each in cut if len(each) < len(raw) - 16]  # its end is padding
  assert fetch_damaged(codec, cut) == len(cut)


def test_a_csv_file_truncated_within_a_line_is_a_codec_error() -> None:
  raw = encoded('csv')
  ends = [size for size in range(len(raw)) if raw[:size].endswith(b'\n')]
  cut = [raw[:size] for size in range(len(raw)) if size not in ends]
  assert fetch_damaged('csv', cut) == len(cut)


@pytest.mark.skipif(sys.platform != 'linux', reason='memory is bounded by RLIMIT_AS')
@pytest.mark.parametrize(
  'raw',
  [b'Nr\xff\xff\xff\xff.', b'\x80\x05\x8e\xff\xff\xff\xff\xff\0\0\0.'],
  ids=['index', 'size'],
)
def test_a_pickle_that_requests_all_memory_is_a_codec_error(raw: bytes) -> None:
  program = f"""
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    from cachette import Cachette, CodecError
    class Raw(Cachette): pass
    Cachette.register_codec('raw', bytes, bytes)
    Raw.load_config(lambda: [('codec', 'raw'), ('memory_name', 'shared')])
    Cachette.load_config(lambda: [('codec', 'pickle'), ('memory_name', 'shared')])
    Raw.sync.put('key', {raw!r})
    try:
      Cachette.sync.fetch('key')
    except CodecError as error:
      print(error, type(error.__cause__).__name__)
  """
  output = run_python(program)
  assert output.startswith('The "pickle" codec cannot decode the value of "key": ')


# In a separate process: a damaged pickle may name any function, with any arguments.
@pytest.mark.skipif(sys.platform != 'linux', reason='memory is bounded by RLIMIT_AS')
def test_flipped_bits_of_a_pickle_never_crash() -> None:
  program = f"""
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    from cachette import Cachette, CodecError
    class Raw(Cachette): pass
    Cachette.register_codec('raw', bytes, bytes)
    Raw.load_config(lambda: [('codec', 'raw'), ('memory_name', 'shared')])
    Cachette.load_config(lambda: [('codec', 'pickle'), ('memory_name', 'shared')])
    raw = {encoded('pickle')!r}
    refused = 0
    for place in range(len(raw) * 8):
      damaged = bytearray(raw)
      damaged[place // 8] ^= 1 << place % 8
      if damaged[place // 8] == 0x96:  # BYTEARRAY8: without memory for it, CPython complains aloud
        continue
      Raw.sync.put('key', damaged)
      try:
        Cachette.sync.fetch('key')
      except CodecError:
        refused += 1
    print(refused)
  """
  assert int(run_python(program)) > 100


@pytest.mark.parametrize('codec', [each for each in CODECS if each != 'pickle'])
def test_flipped_bits_never_crash(codec: str) -> None:
  raw = encoded(codec)
  step = max(1, len(raw) * 8 // 1000)
  flipped = []
  for place in range(0, len(raw) * 8, step):
    damaged = bytearray(raw)
    damaged[place // 8] ^= 1 << place % 8
    flipped.append(bytes(damaged))
  refused = fetch_damaged(codec, flipped)
  assert refused > 0


@pytest.mark.parametrize('codec', ['csv', 'feather', 'json', 'msgpack', 'orjson', 'parquet'])
def test_bytes_of_another_codec_are_a_codec_error(codec: str) -> None:
  like = {'json': {'json', 'orjson'}, 'orjson': {'json', 'orjson'}}
  others = [each for each in CODECS if each not in like.get(codec, {codec})]
  if codec == 'msgpack':  # a first byte below 0x80 is a number, and more bytes are an error
    assert fetch_damaged(codec, [b'1']) == 0
  assert fetch_damaged(codec, [encoded(each) for each in others]) == len(others)


# ---- Missing libraries


@pytest.mark.parametrize(
  ('codec', 'missing', 'extra'),
  [
    ('orjson', 'orjson', 'orjson'),
    ('msgpack', 'msgpack', 'msgpack'),
    ('csv', 'pandas', 'dataframe'),
    ('feather', 'pyarrow', 'dataframe'),
    ('parquet', 'pandas', 'dataframe'),
  ],
)
@pytest.mark.parametrize('pydantic', [True, False])
def test_a_missing_library_is_a_configuration_error(
  codec: str, missing: str, extra: str, pydantic: bool
) -> None:
  program = f"""
    import sys
    sys.modules[{missing!r}] = None
    if not {pydantic}:
      sys.modules['pydantic'] = None
    from cachette import Cachette
    try:
      Cachette.load_config(lambda: [('codec', {codec.upper()!r}), ('ttl', 0)])
    except ValueError as error:
      print(type(error).__name__)
      print(error)
  """
  output = run_python(program)
  assert output.startswith('ValidationError' if pydantic else 'ConfigError')
  assert f'The "{codec}" codec needs "{missing}", not installed here' in output
  assert f'pip install "cachette[{extra}]>=1"' in output
  assert '"ttl"' in output


@pytest.mark.parametrize('error', ['ImportError', 'ValueError'])
def test_a_library_that_cannot_be_imported_is_a_codec_error_with_its_cause(
  tmp_path: pathlib.Path, error: str
) -> None:
  (tmp_path / 'msgpack.py').write_text(f'raise {error}("built for another version")')
  program = """
    from cachette import Cachette, CodecError
    Cachette.load_config(lambda: [('codec', 'msgpack')])
    try:
      Cachette.sync.put('key', 1)
    except CodecError as error:
      print(error, type(error.__cause__).__name__)
  """
  output = run_python(program, env={'PYTHONPATH': str(tmp_path)})
  assert output == (
    f'The library of the "msgpack" codec cannot be imported: {error}: built for another version. '
    f'{error}\n'
  )


def test_a_library_is_imported_on_first_use_of_its_codec() -> None:
  program = """
    import sys
    from cachette import Cachette
    Cachette.load_config(lambda: [('codec', 'csv')])
    assert 'pandas' not in sys.modules
    assert Cachette.sync.fetch('key') is None
    assert 'pandas' not in sys.modules
    import pandas
    Cachette.sync.put('key', pandas.DataFrame({'a': [1]}))
    print(Cachette.sync.fetch('key')['a'][0])
  """
  assert run_python(program) == '1\n'


def test_json_and_orjson_read_each_others_data(make_class: MakeClass) -> None:
  value = {'a': [1, None, 'ü']}
  assert json.loads(stored(make_class, 'orjson', value)) == value
  assert orjson.loads(stored(make_class, 'json', value)) == value
