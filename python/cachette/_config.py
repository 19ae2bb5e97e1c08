# SPDX-License-Identifier: MIT
"""From what `load_config` is given to a configuration that was checked."""

from collections.abc import Iterable, Mapping
from typing import Any, List, NoReturn, Optional, Tuple

from . import _codecs
from ._cachette import Config, load
from ._exceptions import ConfigError

_Pairs = List[Tuple[str, Any]]


def load_settings(settings: object) -> Config:
  """Checks settings and makes a configuration of them.

  settings: (name, value) tuples, a mapping, or an object with fields (pydantic, dataclass).
  Raises TypeError if it is none of these; else, for all faults at once, pydantic.ValidationError
  or, where pydantic is not installed, ConfigError.
  """
  pairs, lenient = _read(settings)
  pairs = [(name, _joined(name, value)) for name, value in pairs]
  codec = None
  for name, value in pairs:
    if name.lower() == 'codec':
      codec = value.lower() if _codecs.is_own(value) else None
  if codec is not None:
    pairs = [pair for pair in pairs if pair[0].lower() != 'codec']
  config, faults = load(pairs, lenient, codec)
  fault = _codecs.find_fault(config.get('codec') or '')
  if fault is not None:
    faults.append(('codec', fault))
  if faults:
    _refuse(faults)
  return config


def _read(settings: object) -> Tuple[_Pairs, bool]:
  """The settings as pairs, and whether names that are no options are to be left alone."""
  fields = _fields(settings)
  if fields is not None:
    return [(name, _plain(getattr(settings, name))) for name in fields], True
  items = settings.items() if isinstance(settings, Mapping) else settings
  if not isinstance(items, Iterable) or isinstance(items, (str, bytes)):
    _refuse_type(settings)
  pairs: List[Any] = [tuple(pair) if isinstance(pair, (tuple, list)) else () for pair in items]
  if not all(len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
    _refuse_type(settings)
  return [(_name(name), _plain(value)) for name, value in pairs], False


def _fields(settings: Any) -> Optional[List[str]]:
  """The names of the fields of a settings object; None of what is no such object."""
  if hasattr(type(settings), 'model_fields'):
    return list(type(settings).model_fields)
  if hasattr(type(settings), '__dataclass_fields__'):
    from dataclasses import fields

    return [field.name for field in fields(settings)]
  return None


def _name(name: str) -> str:
  """A name without what C text cannot hold; no option has a question mark in its name."""
  return name.replace('\0', '?').encode('utf-8', 'replace').decode()


def _plain(value: Any) -> Any:
  """A str for pydantic's secrets and URLs and for paths; other values as they are."""
  if hasattr(value, 'get_secret_value'):
    value = value.get_secret_value()
  if hasattr(value, '__fspath__'):
    value = value.__fspath__()
  if type(value).__module__.partition('.')[0] in ('pydantic', 'pydantic_core'):
    value = str(value)
  return value


def _joined(name: str, value: Any) -> Any:
  """Several keys of `secret` as the one text that the library reads."""
  if name.lower() != 'secret' or not isinstance(value, (list, tuple)):
    return value
  keys = [_plain(key) for key in value]
  if not all(isinstance(key, str) and ',' not in key for key in keys):
    return value  # refused for its type
  return ','.join(keys)


def _refuse_type(settings: object) -> NoReturn:
  raise TypeError(
    'The configuration must be a list of (name, value) tuples, a mapping, or a settings object '
    f'such as a pydantic "BaseSettings"; got {type(settings).__name__}.'
  )


def _refuse(faults: _Pairs) -> NoReturn:
  try:
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails
  except ImportError:
    raise ConfigError('\n'.join(message for _, message in faults)) from None
  raise ValidationError.from_exception_data(
    'Cachette',
    [
      InitErrorDetails(
        type='value_error', loc=(name,), input=None, ctx={'error': ValueError(message)}
      )
      for name, message in faults
    ],
    hide_input=True,
  )
