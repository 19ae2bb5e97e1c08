# SPDX-License-Identifier: MIT
"""What flights of loops and of threads have in common."""

import contextlib
from typing import Any, NoReturn, Optional, Tuple

from .. import _codecs, _fallbacks
from .._exceptions import BackendError, CachetteError, CodecError
from .._returns import Returns

MISSING = object()
"""A default for `fetch` that no cache holds: None is a value."""

Place = Tuple[Any, str]
"""By which a flight is found: its configuration and key."""


class Job:
  """A value that is to be computed.

  cls: the class of the cache. calls: the Cachette, or its blocking calls. failed: the backend did
  when it was fetched; then it is not put, so that no caller waits twice for a server that is down.
  """

  __slots__ = ('_lease', 'calls', 'cls', 'factory', 'failed', 'noted', 'place', 'returns', 'ttl')

  def __init__(
    self, cls: Any, calls: Any, key: str, factory: Any, ttl: Any, returns: Optional[Returns]
  ) -> None:
    self.cls = cls
    self.calls = calls
    self.place: Place = (cls._config, key)
    self.factory = factory
    self.ttl = ttl
    self.returns = returns
    self.failed = False
    self.noted = False  # that the call goes on without the cache
    # A value in the place of a factory was there before the call: its lease begins with that.
    self._lease = None if callable(factory) else self.place[0].lease(key)

  def take_lease(self) -> Any:
    return self._lease or self.place[0].lease(self.place[1])

  def note_failure(self, error: CachetteError) -> None:
    """A fetch failed, or what it found cannot be read. What cannot be read is replaced."""
    if not self.noted:
      _fallbacks.note(self.cls, error)
    self.noted = True
    self.failed = isinstance(error, BackendError)


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

  __slots__ = ('_first', '_returns', 'data')

  def __init__(self, job: Job, value: Any) -> None:
    """Raises CodecError if the codec cannot hold the value or cannot read it again."""
    config, key = job.place
    _check_kept(config, key, value)
    if job.returns is not None and config.textual:
      self.data, first = job.returns.convert(config, key, value)
    else:
      self.data = config.encode(key, value)
      first = config.decode(key, self.data, None)
    self._first = [first]
    self._returns = job.returns

  def take(self, job: Job) -> Any:
    """Raises CodecError if who computed it had asked for another type."""
    if job.returns is self._returns:
      with contextlib.suppress(IndexError):
        return self._first.pop()  # which no two threads can do
    return job.place[0].decode(job.place[1], self.data, job.returns)


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
  """The same where there is no job yet. Gives whether the backend failed."""
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
