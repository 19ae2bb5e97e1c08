# SPDX-License-Identifier: MIT
"""What flights of loops and of threads have in common."""

from typing import Any, NoReturn, Tuple

from .. import _codecs, _fallbacks
from .._exceptions import BackendError, CachetteError, CodecError

MISSING = object()
"""A default for `fetch` that no cache holds: None is a value."""

TTL_MAX = 36525 * 24 * 3600  # a hundred years, as in cachette.h

Place = Tuple[Any, str]
"""By which a flight is found: its configuration and key."""


def check_ttl(ttl: Any) -> None:
  """Raises what `put` raises for a time to live, but before anything was computed for it."""
  if ttl is None:
    return
  if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
    raise TypeError(f'ttl must be a number of seconds, not {type(ttl).__name__}')
  if not 0 < ttl <= TTL_MAX:
    raise ValueError(
      f'ttl must be a positive number of seconds, at most a hundred years, not {ttl!r}'
    )


def check_factory(factory: Any) -> None:
  if not callable(factory) and hasattr(type(factory), '__await__'):
    if hasattr(factory, 'close'):
      factory.close()
    raise TypeError(
      'factory must be a value, a function or a coroutine function, not '
      f'{type(factory).__name__}: give the function itself, without calling it.'
    )


class Made:
  """What was computed, as the cache gives it back: each who takes it gets an object of its own."""

  __slots__ = ('_first', 'data')

  def __init__(self, place: Place, value: Any) -> None:
    """Raises CodecError if the codec cannot hold the value or cannot read it again."""
    config, key = place
    _check_kept(config, key, value)
    self.data = config.encode(key, value)
    self._first = [config.decode(key, self.data)]

  def take(self, place: Place) -> Any:
    try:
      return self._first.pop()  # which no two threads can do
    except IndexError:
      return place[0].decode(place[1], self.data)


def _check_kept(config: Any, key: str, value: Any) -> None:
  """Refuses what the codec "vanilla" would bring back as text, though it was none."""
  if type(value) is str or config.get('codec') != 'vanilla' or _codecs.is_own('vanilla'):
    return
  raise CodecError(
    f'The "vanilla" codec keeps text only, and what was computed for the key "{key[:128]}" is '
    f'{type(value).__name__}, which would come back as str. Configure another codec, such as '
    '"json" or "pickle".'
  )


def note_failure(cls: type, error: CachetteError) -> bool:
  """Counts a fetch that failed, and tells whether a put is to be spared.

  After a CodecError it is not: what stands there and cannot be read is replaced.
  """
  _fallbacks.note(cls, error)
  return isinstance(error, BackendError)


def raise_again(error: BaseException, traceback: Any) -> NoReturn:
  """Raises an exception that others are given too, as the factory left it."""
  context = error.__context__
  try:
    raise error.with_traceback(traceback)
  finally:
    error.__context__ = context
    del error, context, traceback  # the frame is in the traceback, and would close a circle
