# SPDX-License-Identifier: MIT
"""Creates a checked configuration from the argument of `load_config`."""

import warnings
from typing import Any, List, NoReturn, Tuple

from . import _codecs, _settings
from ._cachette import Config, load
from ._exceptions import ConfigError

_Errors = List[Tuple[str, str]]


def load_settings(source: Any, owner: str = 'Cachette', depth: int = 2) -> Config:
  """Checks settings and returns a configuration.

  source: (name, value) tuples, a mapping, an object with fields (pydantic, dataclass), or a
    function
    that returns one of these.
  owner: the name of the class that is configured.
  depth: the stack level that warnings point to; 2 is the caller of this function.

  Raises TypeError if the settings cannot be read. Raises pydantic.ValidationError, or ConfigError
  if pydantic is not installed, with all errors in them.
  """
  settings = _settings.read(source, owner)
  pairs = [(name, _settings.join_keys(name, value)) for name, value in settings.pairs]
  codec = None
  for name, value in pairs:
    if name.lower() == 'codec':
      codec = value.lower() if _codecs.is_own(value) else None
  checked = [pair for pair in pairs if pair[0].lower() != 'codec'] if codec is not None else pairs
  config, errors = load(checked, settings.lenient, codec)
  errors = [
    (name, _codecs.add_own_names(message) if name == 'codec' else message)
    for name, message in errors
  ]
  error = _codecs.find_error(config.get('codec') or '')
  if error is not None:
    errors.append(('codec', error))
  if errors:
    _refuse(errors, owner)
  for message in (*settings.warnings, _settings.find_unused(pairs), config.warning()):
    if message is not None:
      warnings.warn(message, UserWarning, stacklevel=depth)
  return config


def _refuse(errors: _Errors, owner: str) -> NoReturn:
  try:
    from pydantic import ValidationError
    from pydantic_core import InitErrorDetails
  except ImportError:
    error: Any = ConfigError('\n'.join(message for _, message in errors))
    if hasattr(error, 'add_note'):  # since Python 3.11
      error.add_note(f'in the configuration of {owner}')
    raise error from None
  raise ValidationError.from_exception_data(
    owner,
    [
      InitErrorDetails(
        type='value_error', loc=(name,), input=None, ctx={'error': ValueError(message)}
      )
      for name, message in errors
    ],
    hide_input=True,
  )
