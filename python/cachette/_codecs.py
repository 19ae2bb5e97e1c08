# SPDX-License-Identifier: MIT
"""Codecs: how values become bytes and bytes become values.

A codec is a pair of functions over the library that its field uses, which is imported when the
codec is first used. `vanilla` (text) is part of the extension.

  vanilla   str; other values as str(value). Gives str back
  json      what the json module takes; tuples come back as lists, keys of dicts as str
  orjson    the same by orjson, and datetimes, UUIDs and dataclasses, which come back as str or dict
  msgpack   None, bool, int, float, str, bytes, list, dict; tuples come back as lists
  pickle    nearly everything. Reading it can run code: only where nobody else can write to the
            cache, or with a `secret`
  csv       a pandas DataFrame, index included, as text: types are guessed when it is read
  feather   a pandas DataFrame; types are kept (an index too from pandas 3 on, else the default one)
  parquet   a pandas DataFrame; types and index are kept

The bytes are those of cachette 0.1.x.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from ._exceptions import CodecError

Codec = Tuple[Callable[[Any], Any], Callable[[bytes], Any]]
"""`dumps`, which gives an object that holds bytes, and `loads`, which is given bytes."""


def _json() -> Codec:
  import json

  def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()

  return dumps, json.loads


def _orjson() -> Codec:
  import orjson

  return orjson.dumps, orjson.loads


def _msgpack() -> Codec:
  import msgpack

  def loads(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False)

  return msgpack.packb, loads


def _pickle() -> Codec:
  import pickle

  return pickle.dumps, pickle.loads


def _require_frame(value: Any) -> Any:
  from pandas import DataFrame

  if not isinstance(value, DataFrame):
    raise TypeError(f'it holds a pandas DataFrame, not {type(value).__name__}')
  return value


def _csv() -> Codec:
  from io import BytesIO

  from pandas import DataFrame, read_csv

  def dumps(frame: Any) -> bytes:
    data: bytes = _require_frame(frame).to_csv().encode()
    return data

  def loads(data: bytes) -> DataFrame:
    return read_csv(BytesIO(data), index_col=0)

  return dumps, loads


def _damaged(error: MemoryError) -> ValueError:
  """Arrow asks for as much memory as the bytes say that it needs."""
  return ValueError(f'it asks for more memory than there is, and so seems damaged: {error}')


def _feather() -> Codec:
  from io import BytesIO

  from pyarrow import feather

  def dumps(frame: Any) -> bytes:
    file = BytesIO()
    _require_frame(frame).to_feather(file)
    return file.getvalue()

  def loads(data: bytes) -> Any:
    try:
      table = feather.read_table(BytesIO(data))
    except MemoryError as error:
      raise _damaged(error) from error
    table.validate(full=True)  # or damaged offsets would be followed
    return table.to_pandas()

  return dumps, loads


def _parquet() -> Codec:
  from io import BytesIO

  from pandas import read_parquet

  def dumps(frame: Any) -> bytes:
    file = BytesIO()
    _require_frame(frame).to_parquet(file, engine='pyarrow')
    return file.getvalue()

  def loads(data: bytes) -> Any:
    try:
      return read_parquet(BytesIO(data), engine='pyarrow')
    except MemoryError as error:
      raise _damaged(error) from error

  return dumps, loads


class _Known(NamedTuple):
  make: Callable[[], Codec]
  packages: Tuple[str, ...] = ()
  extra: str = ''


_table: Dict[str, _Known] = {
  'csv': _Known(_csv, ('pandas',), 'dataframe'),
  'feather': _Known(_feather, ('pandas', 'pyarrow'), 'dataframe'),
  'json': _Known(_json),
  'msgpack': _Known(_msgpack, ('msgpack',), 'msgpack'),
  'orjson': _Known(_orjson, ('orjson',), 'orjson'),
  'parquet': _Known(_parquet, ('pandas', 'pyarrow'), 'dataframe'),
  'pickle': _Known(_pickle),
}
_own: Dict[str, Codec] = {}


def register(name: str, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
  """Adds a codec of the application's own, or replaces one that it added before."""
  if not isinstance(name, str) or not name:
    raise ValueError('The name of a codec must be a non-empty str.')
  if not callable(dumps) or not callable(loads):
    raise TypeError(f'The codec "{name}" needs two functions, dumps and loads.')
  _own[name.lower()] = dumps, loads


def is_own(name: object) -> bool:
  """Whether the application has registered a codec of that name."""
  return isinstance(name, str) and name.lower() in _own


def find_fault(name: str) -> Optional[str]:
  """What keeps a codec from being used here, with what to do; None if nothing does."""
  if name in _own or name not in _table:
    return None
  from importlib.util import find_spec

  known = _table[name]
  missing = [f'"{each}"' for each in known.packages if find_spec(each) is None]
  if not missing:
    return None
  packages = ' and '.join(missing)
  return (
    f'The "{name}" codec needs {packages}, not installed here: '
    f'pip install "cachette[{known.extra}]".'
  )


def find(name: str) -> Codec:
  """The functions of a codec that there is. Raises CodecError if its library cannot be had."""
  if name in _own:
    return _own[name]
  try:
    return _table[name].make()
  except ImportError as error:
    raise CodecError(find_fault(name) or f'The "{name}" codec cannot be used: {error}.') from error
