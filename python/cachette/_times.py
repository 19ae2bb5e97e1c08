# SPDX-License-Identifier: MIT
"""Times that are not an int or a float: a timedelta, a Fraction, a number of NumPy and so on.

The extension reads int and float itself, and calls this module for all other types. Nothing is
imported before that, so `datetime` and `decimal` types are recognized by their attributes.
"""

import sys
from typing import Any, Protocol, SupportsFloat, Union


class Delta(Protocol):
  """A duration that knows its seconds, such as a datetime.timedelta."""

  def total_seconds(self) -> float: ...


Delta.__module__ = 'cachette'  # help() shows no private module

Time = Union[int, float, SupportsFloat, Delta]
"""A time argument: a real number of seconds or a timedelta."""


def read_seconds(value: Any) -> Any:
  """Returns the seconds of a time as an int or a float; None if the value is not a time."""
  if isinstance(value, bool):
    return None
  if isinstance(value, (int, float)):
    return value
  if hasattr(type(value), 'total_seconds'):
    return value.total_seconds()
  if type(value).__module__ == 'numpy' and type(value).__name__ == 'timedelta64':
    try:
      return float(value / type(value)(1_000_000_000, 'ns')) if '[' in value.dtype.str else None
    except TypeError:  # years and months, which have no fixed length
      return None
  return _read_number(value)


def _read_number(value: Any) -> Any:
  from numbers import Real

  decimal: Any = sys.modules.get('decimal')
  if decimal is not None and isinstance(value, decimal.Decimal):
    return float(value) if value.is_finite() else float('nan')
  if not isinstance(value, Real):
    return None
  try:
    return float(value)
  except OverflowError:
    return float('inf')


def seconds_of(name: str, value: Any) -> Any:
  """Same as read_seconds(), but raises TypeError for other values. `name` names the argument."""
  seconds = read_seconds(value)
  if seconds is None:
    from ._advice import short

    raise TypeError(
      f'{name} must be a number of seconds, not {type(value).__name__} ({short(value)}): '
      'give an int, a float or a timedelta'
    )
  return seconds
