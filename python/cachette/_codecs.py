# SPDX-License-Identifier: MIT
"""Codecs: how values become bytes and bytes become values.

A codec is a pair of functions of a library, which is imported when the codec is first used. The
codec `vanilla` (text) is part of the extension.

  vanilla   str; other values are stored as str(value). Returns str
  json      what the json module accepts, including NaN, lone surrogates and ints of up to 4300
            digits. Tuples return as lists, keys of dicts as str. Keys that would be equal as text
            are rejected
  orjson    similar, but ints have 64 bits and keys are str. Datetimes, UUIDs and dataclasses return
            as str or dict, NaN and infinity as None
  msgpack   None, bool, float, str, bytes, list, dict, ints of 64 bits. Tuples return as lists,
            bytearrays as bytes. A dict with a tuple as a key cannot be decoded, so it is rejected
  pickle    nearly everything. Decoding can run code: use it only if no one else can write to the
            cache, or with a `secret`
  csv       a pandas DataFrame, as text; feather, parquet: with its types. A frame that would
            change is rejected; see _frames.py

A value that a codec cannot encode is a CodecError when it is put. Damaged bytes are a CodecError
when they are fetched, as far as the format can detect it. _advice.py adds what to do about it.

The bytes are those of cachette 0.1.x, with two exceptions that 0.1.x can decode as well: ints from
48 to 57 in MessagePack, and an index with a `freq`. The extension decodes the digits of a counter
itself, before it calls the codec; see decode_by_codec() in codec.c.
"""

from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple, cast

from ._cachette import has_odd_key
from ._exceptions import CodecError

Codec = Tuple[Callable[[Any], Any], Callable[[bytes], Any]]
"""`dumps`, which returns an object with bytes, and `loads`, which takes bytes."""


def _json() -> Codec:
  import json

  def dumps(value: Any) -> bytes:
    text = json.dumps(value)
    if has_odd_key(value):
      _refuse_equal_keys(value)
    return text.encode()

  return dumps, json.loads


def _refuse_equal_keys(value: Any) -> None:
  """Rejects a dict with keys that are equal as JSON text, because only one would be stored."""
  import json

  from ._advice import Refusal, short

  for keys in _dicts_of(value):
    kinds = set(map(type, keys))
    if len(kinds) == 1 and kinds <= {int, str, bool, type(None)}:
      continue  # keys of one such type have different texts
    texts = json.loads(json.dumps(dict.fromkeys(keys)), object_pairs_hook=list)
    seen: Dict[str, Any] = {}
    for key, (text, _) in zip(keys, texts):
      if text in seen:
        raise Refusal(
          f'the keys {short(seen[text])} and {short(key)} of a dict are the same in JSON, so one '
          'would be lost',
          'Use keys that differ as text, or use the codec "msgpack" or "pickle".',
        )
      seen[text] = key


def _dicts_of(value: Any) -> Iterator[Dict[Any, Any]]:
  """Yields the dicts in a value of dicts, lists and tuples without cycles."""
  stack = [value]
  while stack:
    each = stack.pop()
    if isinstance(each, dict):
      yield each
      stack.extend(each.values())
    elif isinstance(each, (list, tuple)):
      stack.extend(each)


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
    # 48 to 57 would be encoded as the bytes "0" to "9", which mean a counter. So they get the
    # longer form of MessagePack.
    return b'\xcc' + data if len(data) == 1 and data.isdigit() else data

  def refuse_tuple_keys(value: Any) -> None:
    from ._advice import Refusal, short

    for keys in _dicts_of(value):
      for key in keys:
        if isinstance(key, tuple) and not isinstance(key, msgpack.ExtType):
          raise Refusal(
            f'the key {short(key)} of a dict is a tuple, which cannot be read back',
            'Convert it to text, or use the codec "pickle".',
          )

  def loads(data: bytes) -> Any:
    return msgpack.unpackb(data, strict_map_key=False)

  return dumps, loads


def _guard_memory(loads: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
  """Wraps `loads` so that running out of memory is reported as damaged bytes.

  Damaged bytes may ask for any amount of memory.
  """

  def guarded(data: bytes) -> Any:
    try:
      return loads(data)
    except MemoryError as error:
      raise ValueError(
        f'it needs more memory than available, so it is probably damaged: {error}'
      ) from error

  return guarded


def _pickle() -> Codec:
  import pickle

  return pickle.dumps, _guard_memory(pickle.loads)


def _csv() -> Codec:
  from . import _frames

  return _frames.csv()


def _feather() -> Codec:
  from . import _frames

  dumps, loads = _frames.feather()
  return dumps, _guard_memory(loads)


def _parquet() -> Codec:
  from . import _frames

  dumps, loads = _frames.parquet()
  return dumps, _guard_memory(loads)


class _BuiltIn(NamedTuple):
  make: Callable[[], Codec]
  packages: Tuple[str, ...] = ()
  extra: str = ''


_table: Dict[str, _BuiltIn] = {
  'csv': _BuiltIn(_csv, ('pandas',), 'dataframe'),
  'feather': _BuiltIn(_feather, ('pandas', 'pyarrow'), 'dataframe'),
  'json': _BuiltIn(_json),
  'msgpack': _BuiltIn(_msgpack, ('msgpack',), 'msgpack'),
  'orjson': _BuiltIn(_orjson, ('orjson',), 'orjson'),
  'parquet': _BuiltIn(_parquet, ('pandas', 'pyarrow'), 'dataframe'),
  'pickle': _BuiltIn(_pickle),
}
_own: Dict[str, Codec] = {}


def register(name: str, dumps: Callable[[Any], Any], loads: Callable[[bytes], Any]) -> None:
  """Adds a custom codec, or replaces one with the same name."""
  if not isinstance(name, str) or not name:
    raise ValueError('The name of a codec must be a non-empty str.')
  if not callable(dumps) or not callable(loads):
    raise TypeError(f'The codec "{name}" needs two functions, dumps and loads.')
  _own[name.lower()] = dumps, loads


def is_own(name: object) -> bool:
  """Returns whether the application has registered a codec with this name."""
  return isinstance(name, str) and name.lower() in _own


def add_own_names(message: str) -> str:
  """Appends the names of custom codecs to a message that lists the valid names."""
  if 'must be one of' not in message or not _own:
    return message
  names = ', '.join(f'"{name}"' for name in _own)
  return f'{message} Codecs of your own: {names}.'


def find_error(name: str) -> Optional[str]:
  """Returns why a codec cannot be used here and what to do, or None if it can be used."""
  if name in _own or name not in _table:
    return None
  from importlib.util import find_spec

  codec = _table[name]
  missing = [f'"{each}"' for each in codec.packages if find_spec(each) is None]
  if not missing:
    return None
  packages = ' and '.join(missing)
  return (
    f'The "{name}" codec needs {packages}, not installed here: '
    f'pip install "cachette[{codec.extra}]>=1".'
  )


def find(name: str) -> Codec:
  """Returns the functions of a codec. Raises CodecError if its library cannot be imported."""
  if name in _own:
    return _own[name]
  try:
    return _table[name].make()
  except Exception as error:  # any error: a broken installation can raise ValueError
    reason = f'{type(error).__name__}: {error}'.rstrip('.')
    raise CodecError(
      find_error(name) or f'The library of the "{name}" codec cannot be imported: {reason}.'
    ) from error
