# SPDX-License-Identifier: MIT
"""Data frames: each round-trips exactly, or is rejected when it is stored."""

import asyncio
import datetime
import decimal
import io
import random
import sys
import uuid
import warnings
from typing import Any, Callable, Dict, List, Tuple

import numpy
import pandas
import pytest
from cachette import Cachette, CodecError
from cachette._codecs import find
from conftest import MakeClass
from pandas import DataFrame, Series
from pandas.testing import assert_frame_equal

CODECS = ['csv', 'feather', 'parquet']
VERSION = tuple(map(int, pandas.__version__.split('.')[:2]))

nan = float('nan')
day = datetime.date(2024, 2, 29)


def same(fetched: Any, frame: DataFrame) -> None:
  """Equal to pandas, and equal in what pandas does not compare."""
  assert type(fetched) is type(frame)
  assert_frame_equal(fetched, frame, check_exact=True)
  assert fetched.attrs == frame.attrs
  assert fetched.flags == frame.flags
  for number in range(frame.shape[1]):
    assert cells(fetched.iloc[:, number]) == cells(frame.iloc[:, number])
  for one, two in (fetched.index, frame.index), (fetched.columns, frame.columns):
    for level in range(two.nlevels):
      assert cells(one.get_level_values(level)) == cells(two.get_level_values(level))


def cells(values: Any) -> List[Tuple[type, str]]:
  """The types and texts of cells. pandas treats None and NaN as the same in a column of objects."""
  return [(type(cell), text_of(cell)) for cell in values.tolist() if not is_missing(cell)]


def is_missing(cell: Any) -> bool:
  return cell is None or (isinstance(cell, float) and cell != cell)


def text_of(cell: Any) -> str:
  return repr(cell.normalize() if isinstance(cell, decimal.Decimal) else cell)


def text(*words: Any) -> Series:
  """The type of text in pandas: `str` is a separate type from pandas 3 on."""
  return Series(list(words))


# ---- Plain frames


pytestmark = pytest.mark.filterwarnings('ignore:The DataFrame has column names of mixed type')

INDEXED = VERSION >= (
  2,
  1,
)  # before, pandas could store only the default index in a Feather file

PLAIN: Dict[str, Callable[[], DataFrame]] = {
  'numbers': lambda: DataFrame({'a': [1, -2], 'b': [0.1, nan], 'c': [True, False]}),
  'extremes': lambda: DataFrame({'a': [2**63 - 1, -(2**63)], 'b': [-0.0, float('inf')]}),
  'unsigned': lambda: DataFrame({'a': [2**64 - 1, 0]}),
  'floats': lambda: DataFrame({'a': [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -1e22]}),
  'text': lambda: DataFrame({'a': text('x', 'grüß, "Gott"'), 'b': text(' blank ', 'two\nlines')}),
  'missing': lambda: DataFrame({'a': text('x', nan), 'b': [nan, nan], 'c': [1.0, nan]}),
  'words': lambda: DataFrame({'a': text('true', 'x'), 'b': text('1', 'x'), 'c': text('-', '1e')}),
  'flags': lambda: DataFrame({'a': [True, nan, False]}, dtype=object),
  'index': lambda: DataFrame({'a': [1, 2]}, index=[5, 3]),
  'range': lambda: DataFrame({'a': [1, 2]}, index=range(4, 0, -2)),
  'named': lambda: DataFrame({'a': [1, 2], 'b': text('x', 'y')}).set_index('b'),
  'floating': lambda: DataFrame({'a': [1, 2]}, index=[0.5, nan]),
  'repeated': lambda: DataFrame({'a': [1, 2]}, index=[7, 7]),
  'names': lambda: DataFrame({'a b': [1], 'c,d': [2], '"e"': [3], 'ü': [4], ' ': [5], '1': [6]}),
}

WRITERS: Dict[str, Callable[[DataFrame, Any], None]] = {
  'csv': lambda frame, file: frame.to_csv(file),
  'feather': lambda frame, file: frame.to_feather(file),
  'parquet': lambda frame, file: frame.to_parquet(file, engine='pyarrow'),
}


@pytest.mark.parametrize(
  ('codec', 'name'),
  [
    (codec, name)
    for codec in CODECS
    for name in PLAIN
    if codec != 'feather' or INDEXED or PLAIN[name]().index.tolist() in ([0], [0, 1], [0, 1, 2])
  ],
)
def test_a_plain_frame_round_trips_and_its_bytes_are_those_of_pandas(codec: str, name: str) -> None:
  frame = PLAIN[name]()
  dumps, loads = find(codec)
  file = io.BytesIO()
  WRITERS[codec](frame, file)
  assert dumps(frame) == file.getvalue()
  same(loads(dumps(frame)), frame)


@pytest.mark.parametrize('codec', CODECS)
def test_a_plain_frame_round_trips_on_each_backend(make_class: MakeClass, codec: str) -> None:
  cache = make_class(codec=codec)()
  frame = PLAIN['text']()

  async def main() -> None:
    await cache.put('one', frame)
    await cache.put_many({'two': frame})
    assert await cache.add('three', frame)
    same(await cache.fetch('one'), frame)
    for fetched in (await cache.fetch_many(['one', 'two', 'three'])).values():
      same(fetched, frame)
    with pytest.raises(CodecError, match='attrs|Series'):
      await cache.put_many({'four': frame, 'five': frame['a']})
    assert await cache.fetch('five') is None

  asyncio.run(main())


# ---- Frames that a format does not support


def renamed(*names: Any) -> DataFrame:
  return DataFrame([list(range(len(names)))], columns=list(names))


def indexed(**named: Any) -> DataFrame:
  return DataFrame({'a': [1, 2], 'b': [3, 4]}, **named)


class Own(DataFrame):  # type: ignore[misc]
  """A frame of a custom class."""

  @property
  def _constructor(self) -> Any:
    return Own


def with_attrs(attrs: Any) -> DataFrame:
  frame = DataFrame({'a': [1]})
  frame.attrs = attrs
  return frame


# What CSV does not preserve: the frame, and what the error says about it.
NOT_CSV: Dict[str, Tuple[Callable[[], DataFrame], str]] = {
  'empty text': (lambda: DataFrame({'a': text('x', '')}), "row 1 of column 'a' is the text \"\""),
  'NA': (lambda: DataFrame({'a': text('NA', 'x')}), 'row 0 of column \'a\' is the text "NA"'),
  'null': (lambda: DataFrame({'a': text('null', 'x')}), 'the text "null"'),
  'digits': (lambda: DataFrame({'zip': text('01234', '1')}), "column 'zip' .* int64"),
  'numbers': (lambda: DataFrame({'a': text('1.50', 'nan')}), "column 'a'|the text"),
  'words of truth': (lambda: DataFrame({'a': text('True', 'False')}), "column 'a' .* bool"),
  'ints and text': (lambda: DataFrame({'a': [1, 'x']}, dtype=object), "column 'a'"),
  'NaT': (lambda: DataFrame({'a': ['x', pandas.NaT]}, dtype=object), "column 'a'"),
  'dates': (lambda: DataFrame({'a': [day]}), "column 'a'"),
  'times': (lambda: DataFrame({'a': pandas.to_datetime(['2024-01-01'])}), "column 'a' .* datetime"),
  'categories': (lambda: DataFrame({'a': pandas.Categorical(['x', 'y'])}), 'not category'),
  'small numbers': (lambda: DataFrame({'a': numpy.array([1], 'i1')}), 'as int64, not int8'),
  'nullable': (lambda: DataFrame({'a': pandas.array([1, None], dtype='Int64')}), 'Int64'),
  'complex': (lambda: DataFrame({'a': [1j]}), 'complex128'),
  'bytes': (lambda: DataFrame({'a': [b'x']}), "column 'a'"),
  'empty name': (lambda: renamed('', 'a'), "column '' would be named 'Unnamed: 1'"),
  'names that are numbers': (lambda: renamed(0, 1), "column 0 would be named '0'"),
  'names that are alike': (lambda: renamed('1', 1), "column 1 would be named '1.1'"),
  'the same name': (lambda: renamed('a', 'a'), 'columns with the same name'),
  'names of levels': (
    lambda: DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([('a', 'b')])),
    'an index with several levels',
  ),
  'the name of the names': (lambda: renamed('a').rename_axis(columns='n'), 'named None'),
  'levels': (lambda: indexed().set_index(['a', 'b']), 'an index with several levels'),
  'the index a column': (lambda: indexed().set_index('a', drop=False), "column 'a' would be named"),
  'an index of text that is digits': (lambda: indexed(index=['01', '02']), 'the index .* int64'),
  'an index of times': (lambda: indexed(index=pandas.date_range('2024', periods=2)), 'the index'),
  'an empty name of the index': (lambda: indexed().rename_axis(''), 'index would be named None'),
  'no rows': (lambda: DataFrame({'a': [1.5]}).iloc[:0], 'the index|column'),
  'nothing': (lambda: DataFrame(), 'index|shape'),
  'a byte order mark': (lambda: indexed().rename_axis('\ufeffn'), 'the index would be named'),
  'attrs': (lambda: with_attrs({'unit': 'm'}), 'attrs'),
  'surrogates': (lambda: DataFrame({'a': Series(['\ud800'], dtype=object)}), 'surrogates'),
}  # fmt: skip

# These are lost up to Python 3.12, whose csv module does not quote them.
RETURNS: Dict[str, Tuple[Callable[[], DataFrame], str]] = {
  'carriage return': (
    lambda: DataFrame({'a': text('x\ry', 'z')}),
    "row 0 of column 'a' contains a",
  ),
  'carriage return in the index': (lambda: indexed(index=['x\ry', 'z']), 'shape|index'),
  'carriage return in a name': (lambda: renamed('x\ry', 'z'), 'cannot be read|shape|column'),
}
(NOT_CSV if sys.version_info < (3, 13) else {}).update(RETURNS)

NOT_PARQUET: Dict[str, Tuple[Callable[[], DataFrame], str]] = {
  'names that are alike': (lambda: renamed('1', 1), 'cannot be read|named|column'),
  'the same name': (lambda: renamed('a', 'a'), '[Dd]uplicate'),
  'text and numbers': (lambda: DataFrame({'a': [1, 'x']}, dtype=object), 'a'),
  'lists': (lambda: DataFrame({'a': [['x'], ['y']]}), 'row 0: ndarray instead of list'),
  'tuples': (lambda: DataFrame({'a': [(1,), (2,)]}), 'row 0: ndarray instead of tuple'),
  'dicts': (lambda: DataFrame({'a': [{'x': 1}, {'y': 2}]}), "column 'a' .* row 0"),
  'mixed keys': (lambda: DataFrame({'a': [{1: 'x'}]}), 'a'),
  'huge ints': (lambda: DataFrame({'a': [2**70]}), 'a'),
  'complex': (lambda: DataFrame({'a': [1j]}), 'complex128|NumPy type|numpy type'),
  'flags': (lambda: DataFrame({'a': [1]}).set_flags(allows_duplicate_labels=False), 'flags'),
  'a class of its own': (lambda: Own({'a': [1]}), 'it is a Own'),
  'attrs that are no JSON': (lambda: with_attrs({'a': {1, 2}}), 'attrs|JSON'),
  'attrs that JSON changes': (lambda: with_attrs({'a': (1, 2)}), 'attrs'),
  'surrogates': (lambda: DataFrame({'a': Series(['\ud800'], dtype=object)}), 'surrogates'),
}  # fmt: skip

CASES = (
  [('csv', name) for name in NOT_CSV]
  + [('parquet', name) for name in NOT_PARQUET]
  + [('feather', name) for name in NOT_PARQUET]
)


@pytest.mark.filterwarnings('ignore:Could not serialize pd.DataFrame.attrs')
@pytest.mark.parametrize(('codec', 'name'), CASES)
def test_a_frame_that_would_not_round_trip_is_rejected(codec: str, name: str) -> None:
  make, words = (NOT_CSV if codec == 'csv' else NOT_PARQUET)[name]

  class Frames(Cachette):
    pass

  Frames.load_config(lambda: {'codec': codec})
  for put in (
    Frames.sync.put,
    Frames.sync.add,
    lambda key, frame: Frames.sync.put_many({key: frame}),
  ):
    with pytest.raises(CodecError, match=words) as caught:
      put('key', make())
    assert str(caught.value).startswith(f'The "{codec}" codec cannot encode the value of "key": ')
    assert Frames.sync.fetch('key') is None


@pytest.mark.parametrize('name', RETURNS)
def test_a_carriage_return_round_trips_or_is_rejected(name: str) -> None:
  frame = RETURNS[name][0]()
  dumps, loads = find('csv')
  try:
    raw = dumps(frame)
  except ValueError:
    assert sys.version_info < (3, 13)
  else:
    same(loads(raw), frame)


@pytest.mark.parametrize(
  ('codec', 'name', 'advice'),
  [
    ('csv', 'digits', 'Use the codec "parquet", "feather" or "pickle" for this frame.'),
    ('csv', 'names that are alike', 'Use the codec "pickle" for this frame.'),
    ('parquet', 'lists', 'Use the codec "pickle" for this frame.'),
    ('feather', 'lists', 'Use the codec "pickle" for this frame.'),
  ],
)
def test_the_error_names_the_codecs_that_support_the_frame(
  codec: str, name: str, advice: str
) -> None:
  frame = (NOT_CSV if codec == 'csv' else NOT_PARQUET)[name][0]()

  class Frames(Cachette):
    pass

  Frames.load_config(lambda: {'codec': codec})
  with pytest.raises(CodecError) as caught:
    Frames.sync.put('key', frame)
  assert str(caught.value).endswith(advice)
  for other in CODECS + ['pickle']:
    dumps, loads = find(other)
    if f'"{other}"' in advice:
      same(loads(dumps(frame)), frame)
    elif other != 'pickle':
      with pytest.raises(ValueError):
        dumps(frame)


def test_a_frame_that_no_codec_supports_is_reported() -> None:
  class Frames(Cachette):
    pass

  Frames.load_config(lambda: {'codec': 'parquet'})
  with pytest.raises(CodecError, match='No other codec can store this frame. Use simpler columns.'):
    Frames.sync.put('key', DataFrame({'a': [lambda: None]}))


@pytest.mark.parametrize('codec', CODECS)
@pytest.mark.parametrize(
  ('value', 'advice'),
  [
    ({'a': [1]}, 'not dict. Configure another codec for it, such as "json" or "pickle".'),
    (Series([1]), 'not Series. Convert the Series to a frame with to_frame().'),
  ],
)
def test_a_value_that_is_not_a_frame_is_rejected(codec: str, value: Any, advice: str) -> None:
  class Frames(Cachette):
    pass

  Frames.load_config(lambda: {'codec': codec})
  with pytest.raises(CodecError) as caught:
    Frames.sync.put('key', value)
  assert str(caught.value).endswith(advice)


def test_the_error_does_not_contain_cells() -> None:
  for codec, frame in (
    ('csv', DataFrame({'a': ['secret text', '']})),
    ('csv', DataFrame({'a': ['secret text', day]})),
    *((codec, DataFrame({'a': [('secret text',)]})) for codec in CODECS),
    *((codec, DataFrame({'a': [{'b': 'secret text'}, {'c': 1}]})) for codec in CODECS),
  ):
    with pytest.raises(ValueError) as caught:
      find(codec)[0](frame)
    assert 'secret' not in str(caught.value)


# ---- Inferred types, and the freq of indexes


def test_csv_infers_types_from_the_whole_column() -> None:
  rows = 300_000  # more than pandas reads at once
  number = DataFrame({'a': text(*['1'] * rows, 'x')})
  dumps, loads = find('csv')
  same(loads(dumps(number)), number)
  mixed = DataFrame({'a': [1] * rows + ['x']}, dtype=object)
  with pytest.raises(ValueError, match="column 'a'"):
    dumps(mixed)
  with warnings.catch_warnings():
    warnings.simplefilter('error', pandas.errors.DtypeWarning)
    assert loads(mixed.to_csv().encode()).iloc[:, 0].map(type).nunique() == 1


def test_csv_round_trips_floats_exactly() -> None:
  draw = random.Random(7)
  values = [draw.uniform(-1, 1) * 10 ** draw.randint(-300, 300) for _ in range(20_000)]
  dumps, loads = find('csv')
  fetched = loads(dumps(DataFrame({'a': values})))
  assert fetched['a'].tolist() == values


@pytest.mark.parametrize('codec', ['parquet'] + ['feather'] * INDEXED)
@pytest.mark.parametrize(
  'index',
  [
    lambda: pandas.date_range('2024-01-31', periods=4, freq='D'),
    lambda: pandas.date_range('2024-01-31', periods=4, freq='B'),
    lambda: pandas.date_range('2024-01-31', periods=4, freq='W'),
    lambda: pandas.date_range('2024-03-30', periods=3, freq='D', tz='Europe/Berlin'),
    lambda: pandas.date_range('2024', periods=3, freq=pandas.offsets.MonthEnd()),
    lambda: pandas.date_range('2024', periods=3, freq=pandas.offsets.Minute(90)),
    lambda: pandas.date_range('2024', periods=0, freq='D'),
    lambda: pandas.timedelta_range('1h', periods=3, freq=pandas.offsets.Hour(2)),
    lambda: pandas.period_range('2024', periods=3, freq='D'),
    lambda: pandas.to_datetime(['2024-01-01', '2024-01-02']),
  ],
)  # fmt: skip
def test_the_freq_of_an_index_round_trips(codec: str, index: Callable[[], Any]) -> None:
  times = index()
  frame = DataFrame({'a': range(len(times))}, index=times)
  if codec == 'parquet' and VERSION >= (2, 1):
    frame.attrs = {'unit': 'm'}
  dumps, loads = find(codec)
  fetched = loads(dumps(frame))
  same(fetched, frame)
  assert fetched.index.freq == frame.index.freq


def test_a_freq_that_would_not_round_trip_is_rejected() -> None:
  holiday = pandas.offsets.CustomBusinessDay(holidays=['2024-01-02'])
  frame = DataFrame({'a': [1, 2]}, index=pandas.date_range('2024-01-03', periods=2, freq=holiday))
  with pytest.raises(ValueError, match='would lose its freq'):
    find('parquet')[0](frame)


def test_an_unreadable_freq_of_another_version_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
  from cachette import _frames

  frame = DataFrame({'a': [1, 2]}, index=pandas.date_range('2024', periods=2))
  dumps, loads = find('parquet')
  raw = dumps(frame)
  fetched = loads(raw.replace(b'cachette.freq', b'cachette.fr3q'))  # as 0.1.8 reads it
  assert fetched.index.freq is None

  def refuse(text: str) -> Any:
    raise ValueError(f'Invalid frequency: {text}')

  monkeypatch.setattr(_frames, 'to_offset', refuse)
  fetched = loads(raw)
  assert fetched.index.freq is None
  assert_frame_equal(fetched, frame, check_freq=False)


# ---- Any frame


WORDS = [
  *('x', 'yes', 'grüß', 'a,b', '"', 'two\nlines', ' blank ', '1', '01', '-1', '1.5', '1e5', '0x1'),
  *(
    '',
    'NA',
    'null',
    'nan',
    'None',
    'NaN',
    'inf',
    'true',
    'False',
    'TRUE',
    '\r',
    'x\ry',
    '\0',
    '\t',
  ),
  *(
    '\ufeff',
    '\ud800',
    "'",
    '#',
    '\\',
    '2024-01-01',
    '٣',
    '\x85',
    '\u2028',
    'x' * 300,
    '1' * 30,
    '-',
  ),
]
NAMES: List[Any] = [*'abcde', 'Unnamed: 0', 'a.1', 'index', '__index_level_0__', *WORDS]
ODD_NAMES: List[Any] = [
  0,
  1,
  2**70,
  True,
  1.5,
  nan,
  None,
  ('a', 1),
  b'a',
  day,
  pandas.Timestamp('2024'),
]


def draw_list(draw: random.Random, rows: int, *choices: Any) -> List[Any]:
  return [draw.choice(choices) for _ in range(rows)]


def draw_missing(draw: random.Random, values: List[Any], missing: Any) -> List[Any]:
  return [missing if draw.random() < 0.2 else value for value in values]


def draw_words(draw: random.Random, rows: int) -> List[Any]:
  few = draw.sample(WORDS, draw.randint(1, 4)) if draw.random() < 0.7 else WORDS[:6]
  return draw_list(draw, rows, *few)


INTS = (0, 1, -1, 2**31, -(2**63), 2**63 - 1)
FLOATS = (0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, float('inf'), -float('inf'), nan, 1 / 3)
TIMES = ('2024-02-29T12:34:56', '1970-01-01T00:00:00', '2024-10-27T02:30:00')


OBJECTS: List[Tuple[Any, ...]] = [
  *((1, 'x'), ('x', b'x'), (1, 1.0, True), (2**70, 1), (b'', b'\xff'), (numpy.float64(1.5), 1.5)),
  *(([1], [1, 2]), ([], ['x', None]), ([[1], []],), ((1, 2), ()), ({'a': 1}, {'a': 2})),
  *(({'a': 1}, {'b': None}, {}), (numpy.array([1.5, nan]), numpy.array([2.0])), (complex(1, 2),)),
  *((day, datetime.date(1, 1, 1)), (datetime.time(1), datetime.time(2, 3)), (None,), (nan,)),
  *((datetime.timedelta(1),), (datetime.datetime(1, 1, 1),), (pandas.Timestamp('2024'), day)),
  *((decimal.Decimal('1.10'), decimal.Decimal('2')), (pandas.NA,), (uuid.UUID(int=1),)),
]


def draw_values(draw: random.Random, rows: int) -> Any:
  """Draws the values of a column or an index, of any kind."""
  kind = draw.randint(0, 31)
  if kind <= 2:
    return draw_words(draw, rows)
  if kind == 3:
    return draw_missing(
      draw, draw_words(draw, rows), draw.choice([None, nan, pandas.NA, pandas.NaT])
    )
  if kind <= 6:
    return draw_list(draw, rows, *INTS)
  if kind <= 9:
    return draw_list(draw, rows, *FLOATS)
  if kind == 10:
    return draw_list(draw, rows, True, False)
  if kind == 11:
    return Series(
      draw_missing(draw, draw_list(draw, rows, True, False), draw.choice([None, nan])), dtype=object
    )
  if kind == 12:
    return numpy.array(
      draw_list(draw, rows, 0, 1, 100), draw.choice(['i1', 'u2', 'i4', 'u8', 'f2', 'f4', 'c16'])
    )
  if kind <= 14:
    times = numpy.array(draw_missing(draw, draw_list(draw, rows, *TIMES), 'NaT'), 'M8[s]')
    return times.astype(f'M8[{draw.choice(["s", "ms", "us", "ns"])}]')
  if kind == 15:
    times = Series(pandas.to_datetime(draw_list(draw, rows, *TIMES[:2])))
    return times.dt.tz_localize(
      draw.choice(['UTC', 'Europe/Berlin', datetime.timezone(datetime.timedelta(hours=1))])
    )
  if kind == 16:
    return numpy.array(
      draw_list(draw, rows, 0, 1, -5), f'm8[{draw.choice(["s", "ms", "us", "ns"])}]'
    )
  if kind <= 18:
    values = draw_list(draw, rows, *draw.choice([('x', 'y', ''), (1, 2), (1.5, nan), (day,)]))
    return pandas.Categorical(values, ordered=draw.random() < 0.5)
  if kind == 19:
    return pandas.Categorical(
      draw_list(draw, rows, 'x', 'y'), categories=draw.choice([['y', 'x', 'z'], ['x', 'y']])
    )
  if kind == 20:
    return pandas.array(
      draw_missing(draw, draw_list(draw, rows, 0, 5), None),
      dtype=draw.choice(['Int64', 'UInt8', 'Float64']),
    )
  if kind == 21:
    return pandas.array(
      draw_missing(draw, draw_list(draw, rows, True, False), None), dtype='boolean'
    )
  if kind == 22:
    return pandas.array(
      draw_missing(draw, draw_list(draw, rows, 'x', '', 'NA', '1'), None), dtype='string'
    )
  if kind == 23:
    return pandas.period_range('2024-01', periods=rows, freq='D')
  if kind == 24:
    return pandas.interval_range(0, rows) if rows else []
  if kind == 25:
    return pandas.arrays.SparseArray(draw_list(draw, rows, 0, 1))
  values = Series(draw_list(draw, rows, *draw.choice(OBJECTS)), dtype=object)
  return values if draw.random() < 0.8 else values.where(values.index % 2 == 0, None)


def draw_index(draw: random.Random, rows: int, names: List[Any]) -> Any:
  kind = draw.randint(0, 9)
  if kind <= 3:
    return pandas.RangeIndex(draw.choice([0, 0, 5]), draw.choice([0, 0, 5]) + rows, 1)[:rows]
  name = draw.choice([None, 'n', *names, *NAMES])
  if kind == 4:
    start, freq = draw.choice(['2024-01-31', '1700-01-01']), draw.choice(['D', 'B', 'W'])
    return pandas.date_range(start, periods=rows, freq=freq, name=name)
  if kind == 5:
    levels = [list(draw_values(draw, rows)) for _ in range(draw.randint(1, 3))]
    return pandas.MultiIndex.from_arrays(
      levels, names=draw_list(draw, len(levels), None, 'n', name)
    )
  return pandas.Index(draw_values(draw, rows), name=name)


def draw_names(draw: random.Random, count: int) -> Any:
  kind = draw.randint(0, 9)
  if kind <= 3:
    return list('abcde'[:count])
  if kind <= 6:
    return draw.sample(NAMES, count)
  if kind == 7:
    return draw.sample(ODD_NAMES + NAMES[:5] + ['1', '0', 'True'], count)
  if kind == 8:
    return draw_index(draw, count, [])
  return draw_list(draw, count, 'a', 'b')


def draw_frame(draw: random.Random) -> DataFrame:
  rows, count = draw.choice([0, 1, 2, 3, 5, 8]), draw.choice([0, 1, 1, 2, 3])
  names = draw_names(draw, count)
  index = draw_index(draw, rows, list(names))
  if draw.random() < 0.1:
    frame = DataFrame(numpy.arange(float(rows * count)).reshape(rows, count), index=index)
  else:
    frame = DataFrame({n: Series(draw_values(draw, rows)).array for n in range(count)}, index=index)
  frame.columns = names
  if draw.random() < 0.05:
    frame = frame.rename_axis(columns=draw.choice(['n', '', 0]))
  if draw.random() < 0.05:
    frame.attrs = draw.choice([{'unit': 'm'}, {'a': (1,)}, {'a': [1.5, None]}])
  return frame.set_flags(allows_duplicate_labels=True)


def random_frame(seed: int) -> DataFrame:
  """The frame of a seed. A frame that pandas itself rejects is drawn again."""
  draw = random.Random(seed)
  while True:
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return draw_frame(draw)
    except (
      ValueError,
      TypeError,
      OverflowError,
      NotImplementedError,
      pandas.errors.OutOfBoundsDatetime,
    ):
      continue


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('codec', CODECS)
def test_any_frame_round_trips_or_is_rejected(codec: str) -> None:
  dumps, loads = find(codec)
  round_trips = 0
  for seed in range(600):
    frame = random_frame(seed)
    try:
      raw = dumps(frame)
    except ValueError:
      continue
    round_trips += 1
    try:
      same(loads(raw), frame)
    except Exception as error:
      raise AssertionError(f'seed {seed}: {frame.to_dict("split")}') from error
  assert round_trips > 60  # otherwise the test proves nothing
