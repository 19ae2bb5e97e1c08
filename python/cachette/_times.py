# SPDX-License-Identifier: MIT
"""Times that are no int and no float: a timedelta, a Fraction, a number of NumPy's and so on.

The extension reads int and float by itself, and asks here for anything else. Nothing is imported
before that, so `datetime` and `decimal` are known by what their values have.
"""

import sys
from typing import Any, Protocol, SupportsFloat, Union


class Delta(Protocol):
  """A length of time that knows its seconds, as a datetime.timedelta does."""

  def total_seconds(self) -> float: ...


Time = Union[int, float, SupportsFloat, Delta]
"""What may be given for a time: a real number of seconds or a timedelta."""


def read_seconds(value: Any) -> Any:
  """The seconds of a time, an int or a float; None of what is no time."""
  if isinstance(value, bool):
    return None
  if isinstance(value, (int, float)):
    return value
  if hasattr(type(value), 'total_seconds'):
    return value.total_seconds()
  if type(value).__module__ == 'numpy' and type(value).__name__ == 'timedelta64':
    try:
      return float(value / type(value)(1_000_000_000, 'ns')) if '[' in value.dtype.str else None
    except TypeError:  # years and months, which have no length
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
  """The same; raises TypeError, by the name of the argument, for what is no time."""
  seconds = read_seconds(value)
  if seconds is None:
    from ._advice import short

    raise TypeError(
      f'{name} must be a number of seconds, not {type(value).__name__} ({short(value)}): '
      'give an int, a float or a timedelta'
    )
  return seconds
