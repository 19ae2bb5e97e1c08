# SPDX-License-Identifier: MIT
"""From what `load_config` is given to a configuration that was checked."""

import warnings
from typing import Any, List, NoReturn, Tuple

from . import _codecs, _settings
from ._cachette import Config, load
from ._exceptions import ConfigError

_Faults = List[Tuple[str, str]]


def load_settings(given: Any, owner: str = 'Cachette', depth: int = 2) -> Config:
  """Checks settings and makes a configuration of them.

  given: (name, value) tuples, a mapping, an object with fields (pydantic, dataclass), or a function
  that gives one of these. owner: the name of the class that is configured. depth: of the caller at
  whom warnings point; 2 is the one of this function.

  Raises TypeError if it is none of these; else, for all faults at once, pydantic.ValidationError
  or, where pydantic is not installed, ConfigError.
  """
  settings = _settings.read(given, owner)
  pairs = [(name, _settings.join_keys(name, value)) for name, value in settings.pairs]
  codec = None
  for name, value in pairs:
    if name.lower() == 'codec':
      codec = value.lower() if _codecs.is_own(value) else None
  checked = [pair for pair in pairs if pair[0].lower() != 'codec'] if codec is not None else pairs
  config, faults = load(checked, settings.lenient, codec)
  faults = [
    (name, _codecs.name_own(message) if name == 'codec' else message) for name, message in faults
  ]
  fault = _codecs.find_fault(config.get('codec') or '')
  if fault is not None:
    faults.append(('codec', fault))
  if faults:
    _refuse(faults, owner)
  for message in (*settings.warnings, _settings.find_unused(pairs), config.warning()):
    if message is not None:
      warnings.warn(message, UserWarning, stacklevel=depth)
  return config


def _refuse(faults: _Faults, owner: str) -> NoReturn:
  try:
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails
  except ImportError:
    error: Any = ConfigError('\n'.join(message for _, message in faults))
    if hasattr(error, 'add_note'):  # since Python 3.11
      error.add_note(f'in the configuration of {owner}')
    raise error from None
  raise ValidationError.from_exception_data(
    owner,
    [
      InitErrorDetails(
        type='value_error', loc=(name,), input=None, ctx={'error': ValueError(message)}
      )
      for name, message in faults
    ],
    hide_input=True,
  )
