# SPDX-License-Identifier: MIT
"""Flights of threads: the thread that missed first computes, and the others wait for it."""

import threading
from typing import Any, Dict, Optional, Tuple

from .. import _fallbacks
from .._cachette import store_now
from .._exceptions import CachetteError
from . import _circles
from ._common import (
  MISSING,
  Place,
  Made,
  check_factory,
  check_ttl,
  note_failure,
  raise_again,
)

_lock = threading.RLock()  # what the garbage collector runs inside may come here too


class _BlockingFlight:
  __slots__ = (
    *('error', 'failed', 'found', 'landed', 'lease', 'made', 'mark', 'traceback', 'waiting'),
  )

  def __init__(self, lease: Any, failed: bool) -> None:
    self.lease = lease
    self.failed = failed  # the backend, so that the value is not put
    self.mark = _circles.Mark()
    self.landed = threading.Event()
    self.waiting = 0
    # At most one of these; none if the thread that computed was stopped, so that another may try.
    self.made: Optional[Made] = None
    self.error: Optional[Exception] = None
    self.found = False  # the value was in the cache already
    self.traceback: Any = None


under_way: Dict[Place, _BlockingFlight] = {}


def get_or_set_blocking(cls: type, sync: Any, key: str, factory: Any, ttl: Any) -> Any:
  """What `Cachette.get_or_set` does, for a thread; see compute_blocking()."""
  check_ttl(ttl)
  failed = False
  # A value in the place of a factory was there before the call.
  lease = None if callable(factory) else cls._config.lease(key)  # type: ignore[attr-defined]
  try:
    value = sync.fetch(key, MISSING)
  except CachetteError as error:
    failed = note_failure(cls, error)
  else:
    if value is not MISSING:
      return value
  return compute_blocking(cls, sync, key, factory, ttl, failed, lease)


def compute_blocking(
  cls: type, sync: Any, key: str, factory: Any, ttl: Any, failed: bool = False, lease: Any = None
) -> Any:
  """The same as compute() for a thread, which waits for the flight of another thread.

  cls: the class of the cache. sync: its blocking calls, of which this uses fetch and clear. The
  factory is a value or a function, and runs in the thread that missed first. If a KeyboardInterrupt
  or its like ends it there, the next who waits computes.
  """
  check_factory(factory)
  place = cls._config, key  # type: ignore[attr-defined]
  while True:
    with _lock:
      flight = under_way.get(place)
      fresh = flight is None or not flight.lease.open
      if flight is None or fresh:
        flight = under_way[place] = _BlockingFlight(lease or place[0].lease(key), failed)
      waits = _circles.begin_wait(flight.mark)
      flight.waiting += waits is not None and not fresh
    if waits is None:
      unshared = _BlockingFlight(place[0].lease(key), failed)
      return _make_blocking(cls, sync, place, factory, ttl, unshared).take(place)
    try:
      if fresh:
        return _lead(cls, sync, place, factory, ttl, flight)
      error, traceback = _wait_for(flight)
    finally:
      _circles.end_wait(waits, flight.mark)
    if error is not None:
      try:
        raise_again(error, traceback)
      finally:
        del error, traceback
    if flight.made is not None:
      return flight.made.take(place)
    value = _fetch_again(cls, sync, key, flight) if flight.found else MISSING
    if value is not MISSING:
      return value


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
    value = _fetch_again(cls, sync, place[1], flight)
    flight.found = value is not MISSING
    if flight.found:
      return value
    flight.made = _make_blocking(cls, sync, place, factory, ttl, flight)
    return flight.made.take(place)
  except Exception as error:
    flight.error = error
    flight.traceback = error.__traceback__
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
  if flight.failed:
    return MISSING
  try:
    return sync.fetch(key, MISSING)
  except CachetteError as error:
    flight.failed = note_failure(cls, error)
    return MISSING


def _make_blocking(
  cls: type, sync: Any, place: Place, factory: Any, ttl: Any, flight: _BlockingFlight
) -> Made:
  value: Any = factory() if callable(factory) else factory
  if hasattr(type(value), '__await__'):
    if hasattr(value, 'close'):
      value.close()
    raise TypeError('A blocking call cannot await what the factory gave; use a plain function.')
  made = Made(place, value)
  if not flight.failed:
    _store(cls, sync, place[1], flight.lease, made.data, ttl)
  return made


def _store(cls: type, sync: Any, key: str, lease: Any, data: Any, ttl: Any) -> None:
  try:
    store_now(cls, lease, data, ttl)
    if lease.overtaken:
      sync.clear(key=key)
  except CachetteError as error:
    _fallbacks.note(cls, error)


def after_fork() -> None:
  """Another thread of the parent may have held the lock."""
  global _lock
  _lock = threading.RLock()
  under_way.clear()
