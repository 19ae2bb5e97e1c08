# SPDX-License-Identifier: MIT
"""Codecs: how values become bytes and bytes become values.

A codec is a pair of functions, found by its name when it is first used. `vanilla` (text) is part
of the extension.
"""

from typing import Any, Callable, Dict, Tuple

from ._exceptions import CodecError

Codec = Tuple[Callable[[Any], Any], Callable[[bytes], Any]]
"""`dumps`, which gives an object that holds bytes, and `loads`, which is given bytes."""


def _json() -> Codec:
  import json

  def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()

  return dumps, json.loads


def _pickle() -> Codec:
  import pickle

  return pickle.dumps, pickle.loads


_table: Dict[str, Callable[[], Codec]] = {'json': _json, 'pickle': _pickle}
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


def find(name: str) -> Codec:
  """The functions of a codec; CodecError if this release has none of that name."""
  if name in _own:
    return _own[name]
  if name not in _table:
    known = ', '.join(f'"{each}"' for each in sorted([*_table, *_own, 'vanilla']))
    raise CodecError(f'The "{name}" codec is not part of this release; there are {known}.')
  return _table[name]()
