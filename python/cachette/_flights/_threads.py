# SPDX-License-Identifier: MIT
"""Flights of threads: the thread that missed first computes, and the others wait for it."""

import threading
from typing import Any, Dict, Optional, Tuple

from .. import _fallbacks
from .._exceptions import CachetteError, CodecError
from . import _circles
from ._common import (
  MISSING,
  Place,
  check_factory,
  check_kept,
  check_ttl,
  note_failure,
  raise_again,
)

_lock = threading.RLock()  # what the garbage collector runs inside may come here too


class _BlockingFlight:
  __slots__ = ('error', 'kept', 'landed', 'mark', 'retry', 'traceback', 'value', 'waiting')

  def __init__(self, kept: bool) -> None:
    self.kept = kept
    self.mark = _circles.Mark()
    self.landed = threading.Event()
    self.waiting = 0
    self.value: Any = None
    self.error: Optional[Exception] = None
    self.traceback: Any = None
    self.retry = False  # the thread that computed was stopped; another may try


under_way: Dict[Place, _BlockingFlight] = {}


def get_or_set_blocking(cls: type, sync: Any, key: str, factory: Any, ttl: Any) -> Any:
  """What `Cachette.get_or_set` does, for a thread; see compute_blocking()."""
  check_ttl(ttl)
  failed = False
  try:
    value = sync.fetch(key, MISSING)
  except CachetteError as error:
    failed = note_failure(cls, error)
  else:
    if value is not MISSING:
      return value
  return compute_blocking(cls, sync, key, factory, ttl, failed)


def compute_blocking(
  cls: type, sync: Any, key: str, factory: Any, ttl: Any, failed: bool = False
) -> Any:
  """The same as compute() for a thread, which waits for the flight of another thread.

  cls: the class of the cache. sync: its blocking calls, of which this uses fetch and put. The
  factory is a value or a function, and runs in the thread that missed first. If a KeyboardInterrupt
  or its like ends it there, the next who waits computes.
  """
  check_factory(factory)
  place = cls._config, key  # type: ignore[attr-defined]
  while True:
    new = _BlockingFlight(not failed)
    with _lock:
      flight = under_way.setdefault(place, new)
      waits = _circles.begin_wait(flight.mark)
      flight.waiting += waits is not None and flight is not new
    if waits is None:
      return _make_blocking(cls, sync, key, factory, ttl, new)
    try:
      if flight is new:
        return _lead(cls, sync, place, factory, ttl, flight)
      error, traceback = _wait_for(flight)
    finally:
      _circles.end_wait(waits, flight.mark)
    if error is not None:
      try:
        raise_again(error, traceback)
      finally:
        del error, traceback
    if not flight.retry:
      return flight.value


def _wait_for(flight: _BlockingFlight) -> Tuple[Optional[Exception], Any]:
  """Waits for the flight of another thread. Gives its exception, with the traceback."""
  try:
    flight.landed.wait()
  finally:
    # The last one takes the exception along, as in the flights of a loop.
    with _lock:
      error, traceback = flight.error, flight.traceback
      flight.waiting -= 1
      if flight.waiting == 0:
        flight.error = flight.traceback = None
  return error, traceback


def _lead(
  cls: type, sync: Any, place: Place, factory: Any, ttl: Any, flight: _BlockingFlight
) -> Any:
  token = _circles.enter(flight.mark)
  try:
    # Between this thread's miss and now the flight of another may have landed.
    flight.value = _fetch_again(cls, sync, place[1], flight)
    if flight.value is MISSING:
      flight.value = _make_blocking(cls, sync, place[1], factory, ttl, flight)
    return flight.value
  except Exception as error:
    flight.error = error
    flight.traceback = error.__traceback__
    raise
  except BaseException:
    flight.retry = True
    raise
  finally:
    _circles.leave(token)
    with _lock:
      if under_way.get(place) is flight:
        del under_way[place]
      if flight.waiting == 0:
        flight.error = flight.traceback = None
    flight.landed.set()


def _fetch_again(cls: type, sync: Any, key: str, flight: _BlockingFlight) -> Any:
  if not flight.kept:
    return MISSING  # the fetch has failed before
  try:
    return sync.fetch(key, MISSING)
  except CachetteError as error:
    flight.kept = not note_failure(cls, error)
    return MISSING


def _make_blocking(
  cls: type, sync: Any, key: str, factory: Any, ttl: Any, flight: _BlockingFlight
) -> Any:
  value: Any = factory() if callable(factory) else factory
  if hasattr(type(value), '__await__'):
    if hasattr(value, 'close'):
      value.close()
    raise TypeError('A blocking call cannot await what the factory gave; use a plain function.')
  check_kept(cls, key, value)
  if flight.kept:
    try:
      sync.put(key, value, ttl)
    except CodecError:
      raise
    except CachetteError as error:
      _fallbacks.note(cls, error)
  return value


def forget(place: Place) -> None:
  """As that of the flights of loops."""
  with _lock:
    flight = under_way.pop(place, None)
  if flight is not None:
    flight.kept = False


def after_fork() -> None:
  """Another thread of the parent may have held the lock."""
  global _lock
  _lock = threading.RLock()
  under_way.clear()
