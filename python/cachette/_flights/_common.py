# SPDX-License-Identifier: MIT
"""What the flights of event loops and of threads have in common."""

import contextlib
from typing import Any, NoReturn, Optional, Tuple, cast

from .. import _codecs, _fallbacks
from .._exceptions import BackendError, CachetteError, CodecError
from .._returns import Returns

MISSING = object()
"""A default for `fetch` that no cache can contain: None is a valid value."""

FlightKey = Tuple[Any, str]
"""Identifies a flight: a configuration and a key."""


class Job:
  """A value to compute.

  cls: the class of the cache.
  calls: an instance of it, or its blocking calls.
  failed: the backend failed when the key was fetched. Then the value is not put, so that no caller
    waits twice for a server that is down.
  """

  __slots__ = (
    *('_lease', 'calls', 'cls', 'config', 'factory', 'failed', 'flight_key', 'key', 'recorded'),
    *('returns', 'ttl'),
  )

  def __init__(
    self, cls: Any, calls: Any, key: str, factory: Any, ttl: Any, returns: Optional[Returns]
  ) -> None:
    self.cls = cls
    self.calls = calls
    self.config = cls._config
    self.key = key
    self.flight_key: FlightKey = (self.config, key)
    self.factory = factory
    self.ttl = ttl
    self.returns = returns
    self.failed = False
    self.recorded = False  # whether the fallback is counted already
    # A plain value exists before the call, so its lease starts now.
    self._lease = None if callable(factory) else self.config.lease(key)

  def take_lease(self) -> Any:
    return self._lease or self.config.lease(self.key)

  def record_failure(self, error: CachetteError) -> None:
    """Records that a fetch failed or a value cannot be decoded. The latter is replaced.

    Raises OnlyIfCached if the request wants no value that must be computed.
    """
    self.config.check_miss()
    if not self.recorded:
      _fallbacks.record(self.cls, error)
    self.recorded = True
    self.failed = isinstance(error, BackendError)


def check_factory(factory: Any) -> None:
  """Raises TypeError for an awaitable, such as the result of calling a coroutine function."""
  if not callable(factory) and hasattr(type(factory), '__await__'):
    if hasattr(factory, 'close'):
      factory.close()
    raise TypeError(
      'factory must be a value, a function or a coroutine function, not '
      f'{type(factory).__name__}: pass the function itself, without calling it.'
    )


class Result:
  """A computed value as the cache returns it: each caller gets a separate object."""

  __slots__ = ('_first', '_returns', 'data')

  def __init__(self, job: Job, value: Any) -> None:
    """Raises CodecError if the codec cannot encode the value or cannot decode it again."""
    config, key = job.flight_key
    _check_text_only(config, key, value)
    if job.returns is not None and config.textual:
      self.data, first = job.returns.convert(config, key, value)
    else:
      self.data = config.encode(key, value)
      first = config.decode(key, self.data, None)
    self._first = [first]
    self._returns = job.returns

  def take(self, job: Job) -> Any:
    """Returns the value. Raises CodecError if it was computed for another type."""
    if job.returns is self._returns:
      with contextlib.suppress(IndexError):
        return self._first.pop()  # only one thread gets it
    return job.config.decode(job.key, self.data, job.returns)


def _check_text_only(config: Any, key: str, value: Any) -> None:
  """Rejects a value that the codec "vanilla" would return as text, although it is not text."""
  if type(value) is str or config.get('codec') != 'vanilla' or _codecs.is_own('vanilla'):
    return
  raise CodecError(
    f'The "vanilla" codec stores only text. The value computed for the key "{key[:128]}" is '
    f'{type(value).__name__} and would come back as str. Configure another codec, such as "json" '
    'or "pickle".'
  )


def record_failure(cls: type, error: CachetteError) -> bool:
  """Records a failure when there is no Job yet. Returns whether the backend failed.

  Raises OnlyIfCached if the request wants no value that must be computed.
  """
  cast(Any, cls)._config.check_miss()
  _fallbacks.record(cls, error)
  return isinstance(error, BackendError)


def reraise(error: BaseException, traceback: Any) -> NoReturn:
  """Raises an exception that several callers get, with its original traceback and context."""
  context = error.__context__
  try:
    raise error.with_traceback(traceback)
  finally:
    error.__context__ = context
    del error, context, traceback  # the traceback has this frame: break the reference cycle
