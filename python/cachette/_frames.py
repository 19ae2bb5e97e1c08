# SPDX-License-Identifier: MIT
"""Codecs for pandas DataFrames. A frame that would change when it is read back is rejected.

Each format silently loses something: CSV guesses types and reads "NA" as a missing value, Parquet
converts some names to text. There is no complete list, and it changes with every release of pandas.
So `dumps` reads back what it wrote, and compares. The comparison is exact: types, values to the
last bit, order, index, names, `attrs` and `freq`. As in pandas, a RangeIndex equals an index of the
same ints, and None equals NaN in a column of objects.
"""

import json
from contextlib import suppress
from datetime import date
from decimal import Decimal
from io import BytesIO
from math import copysign
from typing import Any, Callable, Dict, List, Optional, Tuple
from uuid import UUID

import numpy
from pandas import CategoricalDtype, DataFrame, DatetimeIndex, MultiIndex, TimedeltaIndex, read_csv
from pandas import __version__ as pandas_version
from pandas.tseries.frequencies import to_offset

from ._advice import Refusal, join, short

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]
Same = Callable[[Any, Any], bool]


def csv() -> Tuple[Encode, Decode]:
  return _checked('csv', _to_csv, _from_csv, _find_lossy_text), _from_csv


def feather() -> Tuple[Encode, Decode]:
  import pyarrow  # noqa: F401 - fails here, not only when a frame is put

  return _checked('feather', _to_feather, _from_feather), _from_feather


def parquet() -> Tuple[Encode, Decode]:
  import pyarrow  # noqa: F401

  return _checked('parquet', _to_parquet, _from_parquet), _from_parquet


# ---- Reading back


def _no_explanation(frame: DataFrame) -> Optional[str]:
  return None


def _checked(
  name: str,
  encode: Encode,
  decode: Decode,
  explain: Callable[[DataFrame], Optional[str]] = _no_explanation,
) -> Encode:
  """Wraps `encode` to reject a frame that `decode` would change. `explain` may know the reason."""

  def dumps(frame: Any) -> bytes:
    if not isinstance(frame, DataFrame):
      raise Refusal(
        f'it stores only a pandas DataFrame, not {type(frame).__name__}', _advise_other(frame)
      )
    data, change = _try(encode, decode, frame)
    if change is None:
      return data
    raise Refusal(explain(frame) or change, _advise_frame(name, frame))

  return dumps


def _try(encode: Encode, decode: Decode, frame: DataFrame) -> Tuple[bytes, Optional[str]]:
  """Returns the encoded frame, and what would change or None."""
  try:
    data = encode(frame)
  except MemoryError:
    raise
  except Exception as error:
    return b'', ' '.join(f'{error}'.split()) or type(error).__name__
  try:
    return data, find_change(frame, decode(data))
  except MemoryError:
    raise
  except Exception as error:
    return b'', f'the encoded frame cannot be read back: {" ".join(f"{error}".split())}'


def _advise_other(value: Any) -> str:
  if hasattr(type(value), 'to_frame'):
    return f'Convert the {type(value).__name__} to a frame with to_frame().'
  if hasattr(type(value), '__await__'):
    return 'Await it first, and put the result.'
  return 'Configure another codec for it, such as "json" or "pickle".'


def _advise_frame(name: str, frame: DataFrame) -> str:
  """Names the codecs that can store the frame. It tries each, because there is no complete list."""
  from importlib.util import find_spec

  others = {'parquet': (_to_parquet, _from_parquet), 'feather': (_to_feather, _from_feather)}
  others.pop(name, None)
  if find_spec('pyarrow') is None:
    others.clear()
  holding = [f'"{other}"' for other, pair in others.items() if _try(*pair, frame)[1] is None]
  if _is_picklable(frame):
    holding.append('"pickle"')
  if not holding:
    return 'No other codec can store this frame. Use simpler columns.'
  return f'Use the codec {join(holding, "or")} for this frame.'


def _is_picklable(frame: DataFrame) -> bool:
  """Only tries to pickle: some objects that pickle preserves do not compare as equal."""
  import pickle

  try:
    pickle.loads(pickle.dumps(frame))
  except Exception:
    return False
  return True


# ---- CSV

# Texts that read_csv() reads as a missing value (its `na_values`).
_NO_VALUE = {
  *('', '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN'),
  *('<NA>', 'N/A', 'NA', 'NULL', 'NaN', 'None', 'n/a', 'nan', 'null'),
}

_version = tuple(map(int, pandas_version.split('.')[:2]))
# Since pandas 3.1 this is the default, and the parameter is deprecated.
_exact_floats: Dict[str, Any] = {'float_precision': 'round_trip'} if _version < (3, 1) else {}


def _to_csv(frame: DataFrame) -> bytes:
  if frame.index.nlevels > 1 or frame.columns.nlevels > 1:
    raise ValueError('CSV cannot store an index with several levels')
  if not frame.columns.is_unique:
    raise ValueError('columns with the same name would come back renamed')
  data: bytes = frame.to_csv().encode()
  return data


def _from_csv(data: bytes) -> DataFrame:
  if not data.endswith(b'\n'):  # a cut line could end in another number
    raise ValueError('its last line is incomplete, so it is truncated or not a CSV file')
  # Guesses types from whole columns, and reads floats to the last bit.
  return read_csv(BytesIO(data), index_col=0, low_memory=False, **_exact_floats)


def _find_lossy_text(frame: DataFrame) -> Optional[str]:
  """Finds text that CSV does not preserve, which is the likely reason for any change."""
  for number in range(frame.shape[1]):
    column = frame.iloc[:, number]
    if column.dtype.kind != 'O':
      continue
    for row, cell in enumerate(column):
      if not isinstance(cell, str):
        continue
      where = f'row {row} of column {short(frame.columns[number])}'
      if cell in _NO_VALUE:
        return f'{where} is the text "{cell}", which CSV cannot distinguish from a missing value'
      if '\r' in cell and _is_cell_lost(cell):
        return f'{where} contains a carriage return, which CSV reads as the end of a line'
  return None


def _is_cell_lost(cell: str) -> bool:
  """Since Python 3.13 a carriage return is quoted, so it is preserved."""
  return _try(_to_csv, _from_csv, DataFrame({'a': [cell, 'x']}))[1] is not None


# ---- Feather and Parquet

# The metadata key for the `freq` of an index, which Arrow does not store.
_FREQ = b'cachette.freq'


def _table_with_freq(frame: DataFrame) -> Any:
  """Returns an Arrow table that stores the `freq` of the index, or None if the index has none."""
  from pyarrow import Table

  freq = getattr(frame.index, 'freq', None)
  if freq is None or not isinstance(frame.index, (DatetimeIndex, TimedeltaIndex)):
    return None
  table = Table.from_pandas(frame)
  metadata = {**table.schema.metadata, _FREQ: freq.freqstr}
  if frame.attrs:
    metadata['PANDAS_ATTRS'] = json.dumps(frame.attrs)  # as pandas does
  return table.replace_schema_metadata(metadata)


def _restore_freq(frame: DataFrame, metadata: Any) -> None:
  """Restores the `freq` of the index. Ignores one that this version of pandas does not know."""
  freq = (metadata or {}).get(_FREQ)
  if freq is not None:
    index: Any = frame.index
    with suppress(ValueError):
      index.freq = to_offset(freq.decode())


def _to_feather(frame: DataFrame) -> bytes:
  from pyarrow import feather

  file = BytesIO()
  frame.to_feather(file)
  table = _table_with_freq(frame)
  if table is not None:
    file = BytesIO()
    feather.write_feather(table, file)
  return file.getvalue()


def _from_feather(data: bytes) -> Any:
  from pyarrow import feather

  table = feather.read_table(BytesIO(data))
  table.validate(full=True)  # checks offsets, which may be damaged
  frame = table.to_pandas()
  _restore_freq(frame, table.schema.metadata)
  return frame


def _to_parquet(frame: DataFrame) -> bytes:
  from pyarrow import parquet

  file = BytesIO()
  table = _table_with_freq(frame)
  if table is None:
    frame.to_parquet(file, engine='pyarrow')
  else:
    parquet.write_table(table, file)
  return file.getvalue()


def _from_parquet(data: bytes) -> Any:
  from pandas import read_parquet
  from pyarrow import parquet

  frame = read_parquet(BytesIO(data), engine='pyarrow')
  if _FREQ in data:  # rare, so the schema is seldom read twice
    _restore_freq(frame, parquet.read_schema(BytesIO(data)).metadata)
  return frame


# ---- Comparing


def find_change(put: DataFrame, got: Any) -> Optional[str]:
  """Returns what would change in a frame, in words, or None if nothing would."""
  if type(got) is not type(put):
    return f'it is a {type(put).__name__}, and would come back as a {type(got).__name__}'
  if got.shape != put.shape:
    return f'its shape would be {got.shape}, not {put.shape}'
  change = _find_change_of_names(put.columns, got.columns) or _find_change_of_index(
    'the index', put.index, got.index
  )
  if change is not None:
    return change
  change = _find_change_in_columns(put, got)
  if change is not None:
    return change
  if not _is_same(put.attrs, got.attrs):
    return 'its attrs would be lost or changed'
  if put.flags.allows_duplicate_labels != got.flags.allows_duplicate_labels:
    return 'its flags would be lost'
  return None


def _find_change_in_columns(put: DataFrame, got: DataFrame) -> Optional[str]:
  dtypes = set(put.dtypes)
  at_once = len(dtypes) == 1 and dtypes == set(got.dtypes) and dtypes.issubset(_NUMBERS)
  if at_once and _is_each_same(put.to_numpy(), got.to_numpy(), _is_same):
    return None  # pandas is slow at iterating over columns
  for (name, one), (_, two) in zip(put.items(), got.items()):
    change = _find_change_of_values(one, two, _is_cell_same)
    if change is not None:
      return f'column {short(name)} {change}'
  return None


def _find_change_of_names(put: Any, got: Any) -> Optional[str]:
  for one, two in zip(put, got):
    if not _is_same(one, two):
      return f'column {short(one)} would be named {short(two)}'
  return _find_change_of_index('the index of the columns', put, got)


def _find_change_of_index(what: str, put: Any, got: Any) -> Optional[str]:
  if isinstance(put, MultiIndex) != isinstance(got, MultiIndex) or put.nlevels != got.nlevels:
    return f'{what} would come back as {_describe_levels(got)}, not {_describe_levels(put)}'
  for level in range(put.nlevels):
    change = _find_change_of_level(put, got, level)
    if change is not None:
      return f'{what} {change}'
  if not _is_same(list(put.names), list(got.names)):
    return f'{what} would be named {short(got.names[0])}, not {short(put.names[0])}'
  if what == 'the index' and getattr(put, 'freq', None) != getattr(got, 'freq', None):
    return f'{what} would lose its freq'
  return None


def _find_change_of_level(put: Any, got: Any, level: int) -> Optional[str]:
  if not isinstance(put, MultiIndex):
    return _find_change_of_values(put, got, _is_same)
  dtypes = (
    put.levels[level].dtype,
    got.levels[level].dtype,
  )  # may differ from that of the values
  if not _is_same_dtype(*dtypes):
    return _describe_dtypes(*dtypes)
  return _find_change_of_values(put.get_level_values(level), got.get_level_values(level), _is_same)


def _describe_levels(index: Any) -> str:
  return f'a MultiIndex of {index.nlevels}' if isinstance(index, MultiIndex) else 'a plain one'


def _find_change_of_values(put: Any, got: Any, is_same: Same) -> Optional[str]:
  """Compares a column or a level of an index. Returns text that continues its name, or None."""
  dtype = put.dtype
  if not _is_same_dtype(dtype, got.dtype):
    return _describe_dtypes(dtype, got.dtype)
  if isinstance(dtype, numpy.dtype):
    same = _is_each_same(put.to_numpy(), got.to_numpy(), is_same)
  elif isinstance(dtype, CategoricalDtype):
    same = _is_each_same(put.array.codes, got.array.codes, is_same)
  else:
    same = _is_extension_same(put.array, got.array)
  if same:
    return None
  for row, (one, two) in enumerate(zip(put, got)):
    if not is_same(one, two):
      return f'would come back changed, in row {row}{_describe_types(one, two)}'
  return 'would come back changed'


def _is_same_dtype(put: Any, got: Any) -> bool:
  """Compares dtypes, including the order and the type of categories."""
  if put != got:
    return False
  categories = getattr(put, 'categories', None)
  if categories is None:
    return True
  same = _find_change_of_index('', categories, got.categories) is None
  return bool(same and put.ordered == got.ordered)


def _describe_dtypes(put: Any, got: Any) -> str:
  if str(put) != str(got):
    return f'would come back as {got}, not {put}'
  if repr(put) != repr(got):
    return f'would come back as {got!r}, not {put!r}'
  return f'would come back with another {put}'


def _describe_types(put: Any, got: Any) -> str:
  if type(put) is type(got):
    return ''
  return f': {_describe(got)} instead of {_describe(put)}'


def _describe(cell: Any) -> str:
  """Describes a cell without its content, which may be private."""
  return 'NaN' if isinstance(cell, float) and cell != cell else type(cell).__name__


def _is_extension_same(put: Any, got: Any) -> bool:
  try:
    return bool(put.equals(got))
  except Exception:  # Arrow does not compare nested types
    return _is_each_object_same(list(put), list(got), _is_same)


def _is_each_same(put: Any, got: Any, is_same: Same) -> bool:
  """Compares arrays of one NumPy type. 0.0 differs from -0.0; NaN equals NaN."""
  kind = put.dtype.kind
  if kind == 'O':
    return _is_each_object_same(put.tolist(), got.tolist(), is_same)
  if kind in 'mM':
    put, got = put.view('i8'), got.view('i8')
  equal = put == got
  if kind == 'f':
    equal &= numpy.signbit(put) == numpy.signbit(got)
  if kind in 'fc':
    equal |= (put != put) & (got != got)
  return bool(equal.all())


# Types whose `==` is a sufficient comparison of two values of the same type.
_SIMPLE = {bool, bytes, int, str, type(None), date, Decimal, UUID}

_NUMBERS = set(map(numpy.dtype, ['bool', 'int64', 'float64', 'float32', 'int32', 'uint8']))


def _is_each_object_same(put: List[Any], got: List[Any], is_same: Same) -> bool:
  if _SIMPLE.issuperset(map(type, put)) and put == got:
    return list(map(type, put)) == list(map(type, got))
  return len(put) == len(got) and all(map(is_same, put, got))


def _is_cell_same(put: Any, got: Any) -> bool:
  """In a column None and NaN both mean a missing value, as when pandas compares frames."""
  return _is_same(put, got) or (_is_missing(put) and _is_missing(got))


def _is_missing(cell: Any) -> bool:
  return cell is None or (isinstance(cell, float) and cell != cell)


def _is_same(put: Any, got: Any) -> bool:
  """Returns whether two objects have the same type, value and content."""
  if put is got:
    return True
  if type(put) is not type(got):
    return False
  if isinstance(put, float):
    if put == got:
      return copysign(1, put) == copysign(1, got)
    return put != put and got != got
  if isinstance(put, numpy.ndarray):
    same_kind = put.dtype == got.dtype and put.shape == got.shape
    return same_kind and _is_each_same(put.ravel(), got.ravel(), _is_same)
  if isinstance(put, (list, tuple)):
    return _is_each_object_same(list(put), list(got), _is_same)
  if isinstance(put, dict):
    return put.keys() == got.keys() and all(_is_same(put[key], got[key]) for key in put)
  try:
    same = bool(put == got) or bool(put != put and got != got)
  except Exception:  # not comparable, so not known to be the same
    return False
  return same and getattr(put, 'tzinfo', None) == getattr(got, 'tzinfo', None)
