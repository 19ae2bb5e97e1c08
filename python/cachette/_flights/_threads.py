# SPDX-License-Identifier: MIT
"""Flights of threads: the thread that missed first computes, and the others wait for it."""

import threading
from typing import Any, Dict, Optional, Tuple

from .. import _fallbacks
from .._cachette import check_ttl, fetch_as_now, store_now
from .._exceptions import CachetteError, CodecError
from . import _circles
from ._common import MISSING, Job, Made, Place, check_factory, raise_again

_lock = threading.RLock()  # what the garbage collector runs inside may come here too


class _BlockingFlight:
  __slots__ = ('error', 'found', 'landed', 'lease', 'made', 'mark', 'traceback', 'waiting')

  def __init__(self, lease: Any) -> None:
    self.lease = lease
    self.mark = _circles.Mark()
    self.landed = threading.Event()
    self.waiting = 0
    # At most one of these; none if the thread that computed was stopped, so that another may try.
    self.made: Optional[Made] = None
    self.error: Optional[Exception] = None
    self.found = False  # the value was in the cache already
    self.traceback: Any = None


under_way: Dict[Place, _BlockingFlight] = {}
_landings = 0  # flights that have put a value


def get_or_set_blocking(
  cls: type, sync: Any, key: str, factory: Any, ttl: Any, returns: Any = None
) -> Any:
  """What `Cachette.get_or_set` does, for a thread; see compute_blocking()."""
  check_ttl(ttl)
  job = Job(cls, sync, key, factory, ttl, returns)
  seen = _landings
  value = _fetch(job)
  return value if value is not MISSING else _compute(job, seen)


def _fetch(job: Job) -> Any:
  """The value, or MISSING: also if the fetch fails."""
  try:
    if job.returns is None:
      return job.calls.fetch(job.place[1], MISSING)
    return fetch_as_now(job.cls, job.place[1], MISSING, job.returns)
  except CachetteError as error:
    job.note_failure(error)
    return MISSING


def _fetch_again(job: Job) -> Any:
  """The same after a miss, which is not counted twice."""
  try:
    return _fetch(job) if job.calls.exists(job.place[1]) else MISSING
  except CachetteError as error:
    job.note_failure(error)
    return MISSING


def compute_blocking(cls: type, sync: Any, key: str, factory: Any, ttl: Any) -> Any:
  """The same as compute() for a thread, which waits for the flight of another thread.

  cls: the class of the cache. sync: its blocking calls, of which this uses fetch, exists and
  clear. The factory is a value or a function, and runs in the thread that missed first. If a
  KeyboardInterrupt or its like ends it there, the next who waits computes.
  """
  return _compute(Job(cls, sync, key, factory, ttl, None))


def _compute(job: Job, seen: Optional[int] = None) -> Any:
  """seen: the landings before it was fetched; None: unknown."""
  check_factory(job.factory)
  while True:
    with _lock:
      flight = under_way.get(job.place)
      fresh = flight is None or not flight.lease.open
      if flight is None or fresh:
        flight = under_way[job.place] = _BlockingFlight(job.take_lease())
      waits = _circles.begin_wait(flight.mark)
      flight.waiting += waits is not None and not fresh
    if waits is None:
      return _make(job, job.take_lease()).take(job)
    try:
      if fresh:
        return _lead(job, flight, seen)
      error, traceback = _wait_for(flight)
    finally:
      _circles.end_wait(waits, flight.mark)
    if error is not None:
      try:
        raise_again(error, traceback)
      finally:
        del error, traceback
    if flight.made is not None:
      return _take(job, flight.made)
    value = _fetch(job) if flight.found else MISSING
    if value is not MISSING:
      return value


def _take(job: Job, made: Made) -> Any:
  try:
    return made.take(job)
  except CodecError as error:
    # It is not of the type that is asked for here. A fetch would have said so too.
    job.note_failure(error)
    return _make(job, job.take_lease()).take(job)


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


def _lead(job: Job, flight: _BlockingFlight, seen: Optional[int]) -> Any:
  global _landings
  token = _circles.enter(flight.mark)
  try:
    # Between this thread's miss and now the flight of another may have landed.
    value = _fetch_again(job) if not job.failed and seen != _landings else MISSING
    flight.found = value is not MISSING
    if flight.found:
      return value
    flight.made = _make(job, flight.lease)
    return flight.made.take(job)
  except Exception as error:
    flight.error = error
    flight.traceback = error.__traceback__
    raise
  finally:
    _circles.leave(token)
    with _lock:
      if under_way.get(job.place) is flight:
        del under_way[job.place]
      if flight.waiting == 0:
        flight.error = flight.traceback = None
      _landings += flight.made is not None
    flight.landed.set()


def _make(job: Job, lease: Any) -> Made:
  value: Any = job.factory() if callable(job.factory) else job.factory
  if hasattr(type(value), '__await__'):
    if hasattr(value, 'close'):
      value.close()
    raise TypeError('A blocking call cannot await what the factory gave; use a plain function.')
  made = Made(job, value)
  if not job.failed:
    try:
      store_now(job.cls, lease, made.data, job.ttl)
      if lease.overtaken:
        job.calls.clear(key=job.place[1])
    except CachetteError as error:
      _fallbacks.note(job.cls, error)
  return made


def after_fork() -> None:
  """Another thread of the parent may have held the lock."""
  global _lock
  _lock = threading.RLock()
  under_way.clear()
