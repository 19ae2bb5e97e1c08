# SPDX-License-Identifier: MIT
"""Converts the argument of `load_config` to pairs of names and values.

Other programs use the environment too. So from `os.environ`, or a copy of it, only variables with
the prefix `CACHETTE_` are read: REDIS_URL may belong to another program, CACHETTE_REDIS_URL is the
option `redis_url`.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Dict, List, NamedTuple, NoReturn, Optional, Tuple

from ._cachette import options

Pairs = List[Tuple[str, Any]]

_PREFIX = 'CACHETTE_'


class Settings(NamedTuple):
  """Settings that were read.

  lenient: whether to ignore names that are not options.
  warnings: probable mistakes, as messages.
  """

  pairs: Pairs
  lenient: bool = False
  warnings: Tuple[str, ...] = ()


def read(source: Any, owner: str) -> Settings:
  """Reads settings, or calls a function and reads its result.

  owner: the name of the class that is configured.

  Raises TypeError if these are not settings.
  """
  settings = _resolve(source, owner)
  fields = _field_names(settings)
  if fields is not None:
    return _read_fields(settings, fields)
  items = settings.items() if isinstance(settings, Mapping) else settings
  if not isinstance(items, Iterable) or isinstance(items, (str, bytes)):
    _refuse_type(settings, owner)
  if isinstance(settings, type(os.environ)):
    return _read_environment([(os.fsdecode(name), os.fsdecode(value)) for name, value in items])
  pairs: List[Any] = list(items)
  if not all(map(_is_pair, pairs)):
    _refuse_type(settings, owner)
  if any(_has_prefix(name) for name, _ in pairs):
    return _read_environment(pairs, is_copy=True)
  return Settings([(_clean_name(name), _plain_value(value)) for name, value in pairs])


# ---- Functions


def _resolve(source: Any, owner: str) -> Any:
  """Returns the argument, or its result if it is a function."""
  settings: Any = source
  if callable(source) and not isinstance(source, Mapping) and _field_names(source) is None:
    settings = source()
  kind = type(settings)
  if hasattr(kind, '__await__') or hasattr(kind, '__anext__'):
    close: Any = getattr(settings, 'close', None)
    if close is not None:
      close()  # prevents the warning that it was never awaited
    _refuse_coroutine(source, owner)
  return settings


def _refuse_coroutine(source: Any, owner: str) -> NoReturn:
  name = getattr(source, '__qualname__', type(source).__name__)
  raise TypeError(
    f'A configuration function must be a plain "def": {owner}.load_config calls it at once, '
    f'without an event loop. {name} is asynchronous (an "async def").'
  )


# ---- Settings objects


def _field_names(settings: Any) -> Optional[List[str]]:
  """Returns the names of the fields of a settings object, or None for other objects."""
  if hasattr(type(settings), 'model_fields'):
    return list(type(settings).model_fields)
  if hasattr(type(settings), '__dataclass_fields__'):
    from dataclasses import fields

    return [field.name for field in fields(settings)]
  return None


def _read_fields(settings: Any, fields: List[str]) -> Settings:
  names = {row['name'] for row in options()}
  warnings: Tuple[str, ...] = ()
  if not any(field.lower() in names for field in fields):
    warnings = (
      f'No field of {type(settings).__name__} is an option, so all options keep their '
      'defaults. Name the fields like the options, such as "backend" and "ttl".',
    )
  pairs = [(_clean_name(field), _plain_value(getattr(settings, field))) for field in fields]
  return Settings(pairs, True, warnings)


# ---- The environment


def _has_prefix(name: str) -> bool:
  return name[: len(_PREFIX)].upper() == _PREFIX


def _read_environment(variables: Pairs, is_copy: bool = False) -> Settings:
  """Reads variables with the prefix.

  is_copy: whether the variables are a copy of the environment, to which options may have been
    added.
    Then names that are not in capitals are options too.
  """
  names = {row['name'] for row in options()}
  pairs, warnings = [], []
  for name, value in variables:
    option = name.lower()
    if _has_prefix(name):
      option = option[len(_PREFIX) :]
      value = value.strip() if isinstance(value, str) else value
    elif not is_copy or name == name.upper():
      continue
    if option in names:
      pairs.append((option, _plain_value(value)))
      continue
    similar = _find_similar(option, names)
    if similar is not None:
      meant = _PREFIX + similar.upper() if _has_prefix(name) else similar
      warnings.append(f'{_clean_name(name)} is not an option; did you mean {meant}?')
  return Settings(pairs, True, tuple(sorted(warnings)))


def _find_similar(name: str, names: Iterable[str]) -> Optional[str]:
  """Returns a similar name of about the same length, which was probably meant, or None."""
  from difflib import get_close_matches

  candidates = [each for each in sorted(names) if abs(len(each) - len(name)) <= 2]
  return next(iter(get_close_matches(name, candidates, 1, 0.65)), None)


# ---- Names and values


def _clean_name(name: str) -> str:
  """Returns the name as valid text for C. No option has a question mark in its name."""
  return name.replace('\0', '?').encode('utf-8', 'replace').decode()


def _plain_value(value: Any) -> Any:
  """Converts secrets and URLs of pydantic and paths to str. Returns other values unchanged."""
  if hasattr(value, 'get_secret_value'):
    value = value.get_secret_value()
  if hasattr(value, '__fspath__'):
    value = value.__fspath__()
  if type(value).__module__.partition('.')[0] in ('pydantic', 'pydantic_core'):
    value = str(value)
  return value


def join_keys(name: str, value: Any) -> Any:
  """Joins several keys of `secret` to one text, which the library reads."""
  if name.lower() != 'secret' or not isinstance(value, (list, tuple)):
    return value
  keys = [_plain_value(key) for key in value]
  if not all(isinstance(key, str) and ',' not in key for key in keys):
    return value  # the library rejects it because of its type
  return ','.join(keys)


def _refuse_type(settings: object, owner: str) -> NoReturn:
  got = type(settings).__name__
  if isinstance(settings, type):
    got = f'the class {settings.__name__}: call it'
  elif isinstance(settings, (list, tuple)):
    wrong = next(each for each in settings if not _is_pair(each))
    got = f'a {got} that contains {type(wrong).__name__}, which is not such a tuple'
  raise TypeError(
    'The configuration must be a list of (name, value) tuples, a mapping, or a settings object '
    f'such as a pydantic "BaseSettings"; got {got}. {owner}.load_config takes that, or a function '
    'that returns it.'
  )


def _is_pair(value: Any) -> bool:
  return isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str)


# ---- Probable mistakes


def find_unused(pairs: Pairs) -> Optional[str]:
  """Returns a warning if options of a backend are set but `backend` is not; else None."""
  values: Dict[str, Any] = {name.lower(): value for name, value in pairs}
  if values.get('backend') is not None:
    return None
  rows = {row['name']: row for row in options()}
  backends = rows['backend']['choices'].split('|')
  found: Dict[str, str] = {}
  for name, row in rows.items():
    value, default = values.get(name), row['default']
    backend = _backend_of(row, backends)
    unset = value in (None, '') or str(value).lower() == str(default).lower()
    if backend is not None and not unset:
      found[name] = backend
  if not found:
    return None
  names = ', '.join(f'"{name}"' for name in found)
  return (
    f'{names} {"is" if len(found) == 1 else "are"} set, but "backend" is not, so entries stay in '
    f'memory. Set "backend" to "{next(iter(found.values()))}", or to '
    f'"{rows["backend"]["default"]}" if that is intended.'
  )


def _backend_of(row: Dict[str, Any], backends: List[str]) -> Optional[str]:
  """Returns the backend that an option belongs to, or None if it belongs to several or to all."""
  if row['needed_by'] and row['default'] is None:
    return str(row['needed_by'].split('|')[-1])
  prefix = row['name'].partition('_')[0]
  return prefix if prefix in backends else None
