# SPDX-License-Identifier: MIT
"""Flights of threads: the first thread that misses computes, and the others wait for it."""

import threading
from typing import Any, Dict, Optional, Tuple

from .. import _fallbacks
from .._cachette import check_ttl, fetch_as_now, store_now
from .._exceptions import CachetteError, CodecError, OnlyIfCached
from . import _cycles
from ._common import MISSING, FlightKey, Job, Result, check_factory, reraise

_lock = threading.RLock()  # reentrant: the garbage collector may run code that comes here again


class _BlockingFlight:
  __slots__ = ('done', 'error', 'found', 'lease', 'node', 'result', 'traceback', 'waiting')

  def __init__(self, lease: Any) -> None:
    self.lease = lease
    self.node = _cycles.Node()
    self.done = threading.Event()
    self.waiting = 0
    # At most one of these is set. None is set if the computing thread was interrupted; then another
    # one tries.
    self.result: Optional[Result] = None
    self.error: Optional[Exception] = None
    self.found = False  # whether the value was in the cache
    self.traceback: Any = None


under_way: Dict[FlightKey, _BlockingFlight] = {}
_puts = 0  # the number of flights that have put a value


def get_or_set_blocking(
  cls: type, sync: Any, key: str, factory: Any, ttl: Any, returns: Any = None
) -> Any:
  """Runs `Cachette.get_or_set` for a thread; see compute_blocking()."""
  check_ttl(ttl)
  job = Job(cls, sync, key, factory, ttl, returns)
  puts_before = _puts
  value = _fetch(job)
  return value if value is not MISSING else _compute(job, puts_before)


def _fetch(job: Job) -> Any:
  """Returns the value, or MISSING on a miss or if the fetch fails."""
  try:
    return fetch_as_now(job.cls, job.key, MISSING, job.returns, job.ttl)
  except CachetteError as error:
    job.record_failure(error)
    return MISSING


def _fetch_again(job: Job) -> Any:
  """Fetches again after a miss, without counting a second miss."""
  try:
    return _fetch(job) if job.calls.exists(job.key) else MISSING
  except CachetteError as error:
    job.record_failure(error)
    return MISSING


def compute_blocking(cls: type, sync: Any, key: str, factory: Any, ttl: Any) -> Any:
  """Computes a value with the factory and puts it, or waits for the thread that does.

  cls: the class of the cache.
  sync: its blocking calls, of which this uses exists and clear.
  factory: a value or a function. It runs in the first thread that misses. If a KeyboardInterrupt or
    the like interrupts it there, the next waiting thread computes.
  """
  return _compute(Job(cls, sync, key, factory, ttl, None))


def _compute(job: Job, puts_before: Optional[int] = None) -> Any:
  """Computes the value of a job. `puts_before`: the value of `_puts` before the fetch, if known."""
  check_factory(job.factory)
  while True:
    with _lock:
      flight = under_way.get(job.flight_key)
      is_new = flight is None or not flight.lease.open
      if flight is None or is_new:
        flight = under_way[job.flight_key] = _BlockingFlight(job.take_lease())
      waiting_node = _cycles.begin_wait(flight.node)
      flight.waiting += waiting_node is not None and not is_new
    if waiting_node is None:
      return _run_factory(job, job.take_lease()).take(job)
    try:
      if is_new:
        return _lead(job, flight, puts_before)
      error, traceback = _wait_for(flight)
    finally:
      _cycles.end_wait(waiting_node, flight.node)
    # A call in the factory obeys the request of the thread that computes, not that of this one.
    if error is not None and not isinstance(error, OnlyIfCached):
      try:
        reraise(error, traceback)
      finally:
        del error, traceback
    if flight.result is not None:
      return _take(job, flight.result)
    value = _fetch(job) if flight.found else MISSING
    if value is not MISSING:
      return value


def _take(job: Job, result: Result) -> Any:
  try:
    return result.take(job)
  except CodecError as error:
    # The value is not of the type that this caller wants. A fetch would have failed in the same
    # way.
    job.record_failure(error)
    return _run_factory(job, job.take_lease()).take(job)


def _wait_for(flight: _BlockingFlight) -> Tuple[Optional[Exception], Any]:
  """Waits for the flight of another thread. Returns its exception, or None, and the traceback."""
  try:
    flight.done.wait()
  finally:
    # The last caller removes the exception from the flight, as in _loops.py.
    with _lock:
      error, traceback = flight.error, flight.traceback
      flight.waiting -= 1
      if flight.waiting == 0:
        flight.error = flight.traceback = None
  return error, traceback


def _lead(job: Job, flight: _BlockingFlight, puts_before: Optional[int]) -> Any:
  global _puts
  token = _cycles.enter(flight.node)
  try:
    # A flight of another thread may have finished after this thread's miss.
    value = _fetch_again(job) if not job.failed and puts_before != _puts else MISSING
    flight.found = value is not MISSING
    if flight.found:
      return value
    flight.result = _run_factory(job, flight.lease)
    return flight.result.take(job)
  except Exception as error:
    flight.error = error
    flight.traceback = error.__traceback__
    raise
  finally:
    _cycles.leave(token)
    with _lock:
      if under_way.get(job.flight_key) is flight:
        del under_way[job.flight_key]
      if flight.waiting == 0:
        flight.error = flight.traceback = None
      _puts += flight.result is not None
    flight.done.set()


def _run_factory(job: Job, lease: Any) -> Result:
  value: Any = job.factory() if callable(job.factory) else job.factory
  if hasattr(type(value), '__await__'):
    if hasattr(value, 'close'):
      value.close()
    raise TypeError('A blocking call cannot await the result of the factory. Use a plain function.')
  result = Result(job, value)
  if not job.failed:
    try:
      store_now(job.cls, lease, result.data, job.ttl)
      if lease.overtaken:
        job.calls.clear(key=job.key)
    except CachetteError as error:
      _fallbacks.record(job.cls, error)
  return result


def after_fork() -> None:
  """Replaces the lock, which another thread of the parent may have held."""
  global _lock
  _lock = threading.RLock()
  under_way.clear()
