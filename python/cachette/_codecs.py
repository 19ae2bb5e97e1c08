# SPDX-License-Identifier: MIT
"""Codecs: how values become bytes and bytes become values.

A codec is a pair of functions over the library that its field uses, which is imported when the
codec is first used. `vanilla` (text) is part of the extension.

  vanilla   str; other values as str(value). Gives str back
  json      what the json module takes, NaN, lone surrogates and ints of up to 4300 digits included;
            tuples come back as lists, keys of dicts as str. Keys that would be the same are refused
  orjson    much the same by orjson, in which ints have 64 bits and keys are str; datetimes, UUIDs
            and dataclasses come back as str or dict, and NaN and infinity as None
  msgpack   None, bool, float, str, bytes, list, dict, ints of 64 bits; tuples come back as lists,
            bytearrays as bytes. A key of a dict that is a tuple could not be read, and is refused
  pickle    nearly everything. Reading it can run code: only where nobody else can write to the
            cache, or with a `secret`
  csv       a pandas DataFrame, as text; feather, parquet: with its types. A frame that would not
            come back as it was is refused; see _frames.py

What a codec does not hold is a CodecError when it is put; damaged bytes are one when they are
fetched, as far as the format can tell. What is to be done about it is in _advice.py.

The bytes are those of cachette 0.1.x, but for two cases, which that reads as well: MessagePack's
ints from 48 to 57, and an index with a `freq`. Digits that are a counter are read as its int before
the codec is asked; see decode() in values.c.
"""

from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, cast

from ._cachette import has_odd_key
from ._exceptions import CodecError

Codec = Tuple[Callable[[Any], Any], Callable[[bytes], Any]]
"""`dumps`, which gives an object that holds bytes, and `loads`, which is given bytes."""


def _json() -> Codec:
  import json

  def dumps(value: Any) -> bytes:
    text = json.dumps(value)
    if has_odd_key(value):
      _refuse_equal_keys(value)
    return text.encode()

  return dumps, json.loads


def _refuse_equal_keys(value: Any) -> None:
  """Refuses a dict of whose keys JSON makes the same text, for only one would come back."""
  import json

  from ._advice import Refusal, short

  for keys in _dicts_of(value):
    kinds = set(map(type, keys))
    if len(kinds) == 1 and kinds <= {int, str, bool, type(None)}:
      continue  # different ones have different texts
    texts = json.loads(json.dumps(dict.fromkeys(keys)), object_pairs_hook=list)
    seen: Dict[str, Any] = {}
    for key, (text, _) in zip(keys, texts):
      if text in seen:
        raise Refusal(
          f'the keys {short(seen[text])} and {short(key)} of a dict are the same in JSON, so that '
          'one would be lost',
          'Make different texts of the keys, or use the codec "msgpack" or "pickle".',
        )
      seen[text] = key


def _dicts_of(value: Any) -> Iterator[Dict[Any, Any]]:
  """The dicts in a value of dicts, lists and tuples, which does not hold itself."""
  waiting = [value]
  while waiting:
    each = waiting.pop()
    if isinstance(each, dict):
      yield each
      waiting.extend(each.values())
    elif isinstance(each, (list, tuple)):
      waiting.extend(each)


def _orjson() -> Codec:
  import orjson

  return orjson.dumps, orjson.loads


def _msgpack() -> Codec:
  import msgpack

  pack = cast('Callable[[Any], bytes]', msgpack.packb)

  def dumps(value: Any) -> bytes:
    data = pack(value)
    if has_odd_key(value):
      refuse_tuple_keys(value)
    # 48 to 57 are the bytes "0" to "9", and those are a counter's. So they get the longer form that
    # MessagePack has for them.
    return b'\xcc' + data if len(data) == 1 and data.isdigit() else data

  def refuse_tuple_keys(value: Any) -> None:
    from ._advice import Refusal, short

    for keys in _dicts_of(value):
      for key in keys:
        if isinstance(key, tuple) and not isinstance(key, msgpack.ExtType):
          raise Refusal(
            f'the key {short(key)} of a dict is a tuple, which could not be read again',
            'Make text of it, or use the codec "pickle".',
          )

  def loads(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False)

  return dumps, loads


def _guarded(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
  """`loads` that takes damaged bytes for damaged.

  It asks for as much memory as the bytes say that it needs, which, of damaged ones, is any amount.
  """

  def guarded(data: bytes) -> Any:
    try:
      return loads(data)
    except MemoryError as error:
      raise ValueError(
        f'it asks for more memory than there is, and so seems damaged: {error}'
      ) from error

  return guarded


def _pickle() -> Codec:
  import pickle

  return pickle.dumps, _guarded(pickle.loads)


def _csv() -> Codec:
  from . import _frames

  return _frames.csv()


def _feather() -> Codec:
  from . import _frames

  dumps, loads = _frames.feather()
  return dumps, _guarded(loads)


def _parquet() -> Codec:
  from . import _frames

  dumps, loads = _frames.parquet()
  return dumps, _guarded(loads)


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


def name_own(fault: str) -> str:
  """A fault that lists the codecs there are, with those of the application."""
  if 'must be one of' not in fault or not _own:
    return fault
  names = ', '.join(f'"{name}"' for name in _own)
  return f'{fault} Codecs of your own: {names}.'


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
    f'pip install "cachette[{known.extra}]>=1".'
  )


def find(name: str) -> Codec:
  """The functions of a codec that there is. Raises CodecError if its library cannot be had."""
  if name in _own:
    return _own[name]
  try:
    return _table[name].make()
  except Exception as error:  # a library built for another version of its own is a ValueError
    reason = f'{type(error).__name__}: {error}'.rstrip('.')
    raise CodecError(
      find_fault(name) or f'The library of the "{name}" codec cannot be imported: {reason}.'
    ) from error
