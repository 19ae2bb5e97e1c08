# SPDX-License-Identifier: MIT
"""Flights of an event loop.

A flight runs in a separate task, so cancelling one caller does not affect the others. When the last
waiting caller is cancelled, no one wants the value, so the flight is cancelled too. That caller
continues when the factory has cleaned up, as if it had awaited the factory itself.
"""

import itertools
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from .. import _fallbacks
from .._cachette import fetch_as, running_loop, store
from .._exceptions import CachetteError, CodecError, OnlyIfCached
from . import _cycles
from ._common import MISSING, FlightKey, Job, Result, check_factory, reraise

if TYPE_CHECKING:
  from asyncio import AbstractEventLoop, Future, Task

# ---- get_or_set

# The extension calls these functions with a valid ttl, after it has fetched if the store answers at
# once.


class _Finished:
  """The flights that have finished.

  If the backend has several connections, a fetch may miss and yet return after the flight of
  another caller has put the value. So a caller notes `count` before it fetches; after a miss,
  `overtook` tells whether it has to fetch again.
  """

  __slots__ = ('_latest', '_numbers', 'count')

  def __init__(self) -> None:
    self.count = 0
    self._numbers = itertools.count(1)  # no two threads get the same one
    self._latest = [0] * 256  # by hash, so that it neither grows nor keeps a configuration alive

  def add(self, flight_key: FlightKey) -> None:
    number = next(self._numbers)
    self._latest[hash(flight_key) & 255] = number
    self.count = number

  def overtook(self, flight_key: FlightKey, count: int) -> bool:
    """Whether a flight of the key may have finished since `count` was noted."""
    return self._latest[hash(flight_key) & 255] > count


finished = _Finished()


async def get_or_set(cache: Any, key: str, factory: Any, ttl: Any, returns: Any) -> Any:
  """Runs `Cachette.get_or_set` on a backend that answers later."""
  job = Job(type(cache), cache, key, factory, ttl, returns)
  count = finished.count
  try:
    value = await _fetch(job)
  except CachetteError as error:
    job.record_failure(error)
    return await _compute(job)
  return value if value is not MISSING else await _compute_if_absent(job, count)


async def _compute_if_absent(job: Job, count: int) -> Any:
  """Computes the value after a miss, unless a flight has overtaken the fetch and put the value.
  `count`: that of `finished` before the fetch."""
  value: Any = MISSING
  if finished.overtook(job.flight_key, count):
    try:
      value = await _fetch(job)
    except CachetteError as error:
      job.record_failure(error)
  return value if value is not MISSING else await _compute(job)


def _fetch(job: Job) -> Any:
  if job.returns is None and not job.config.obeys:
    return job.calls.fetch(job.key, MISSING)
  return fetch_as(job.cls, job.key, MISSING, job.returns, job.ttl)


def missed(
  cache: Any, key: str, factory: Any, ttl: Any, returns: Any, error: Optional[CachetteError]
) -> Any:
  """Returns a coroutine that computes the value after a miss, or after a fetch failed."""
  job = Job(type(cache), cache, key, factory, ttl, returns)
  if error is not None:
    job.record_failure(error)
  return _compute(job)


# ---- Flights of an event loop


class _Flight:
  __slots__ = ('computed', 'done', 'lease', 'node', 'task', 'traceback', 'waiting')

  def __init__(self, lease: Any) -> None:
    self.lease = lease
    self.computed = False  # whether the put has started; from then on the task is not cancelled
    self.done = False
    self.node = _cycles.Node()
    self.waiting: Dict[Future[None], None] = {}  # in order of arrival
    self.task: Optional[Task[Result]] = None  # the loop has only a weak reference
    self.traceback: Any = None

  def remove_waiter(self, waiter: 'Future[None]') -> 'Tuple[Optional[Task[Result]], Any]':
    """Ends the wait of a caller. Returns the task and the traceback of its exception.

    The last caller also removes them from the flight. The frames of the exception refer to the
    flight, so a reference cycle would keep the flight and the factory's objects alive until the
    garbage collector runs.
    """
    task, traceback = self.task, self.traceback
    self.waiting.pop(waiter, None)
    if self.done and not self.waiting:
      self.task = self.traceback = None
    return task, traceback


# The flights of each event loop that has any. Those of a closed loop stay until a new loop has its
# first flight.
under_way: 'Dict[AbstractEventLoop, _Flights]' = {}
# By flight key. A flight that no further caller may join is stored under its node.
_Flights = Dict[Union[FlightKey, _cycles.Node], _Flight]


def _flights_of(loop: 'AbstractEventLoop') -> _Flights:
  flights = under_way.get(loop)
  if flights is None:
    for other in list(under_way):
      if other.is_closed():
        under_way.pop(other, None)
    flights = under_way[loop] = {}
  return flights


async def compute(
  cache: Any, key: str, factory: Any, ttl: Any, failed: bool, count: int, returns: Any = None
) -> Any:
  """Computes a value with the factory and puts it, or waits for the flight that does.

  cache: a Cachette that had no value for the key.
  ttl: must be valid.
  failed: whether the backend failed to fetch the key.
  count: that of `finished` before the fetch.
  """
  job = Job(type(cache), cache, key, factory, ttl, returns)
  job.failed = failed
  return await (_compute(job) if failed else _compute_if_absent(job, count))


async def _compute(job: Job) -> Any:
  """Computes the value of a job, or waits for the flight that does.

  All callers get the same exception object of the factory, as with a Future: a copy would need to
  call a constructor with unknown parameters. Each caller gets it with the original traceback and
  context of the factory.
  """
  check_factory(job.factory)
  loop = running_loop()
  result = None
  while result is None:
    flights = _flights_of(loop)
    flight = flights.get(job.flight_key)
    if flight is not None and not flight.lease.open:
      flights[flight.node] = flights.pop(job.flight_key)
      flight = None
    is_new = flight is None
    if flight is None:
      flight = _Flight(job.take_lease())
    waiting_node = _cycles.begin_wait(flight.node)
    if waiting_node is None:
      # It would wait for itself, so compute without sharing, as if there were no cache.
      return await _compute_unshared(job)
    try:
      if is_new:
        flights[job.flight_key] = flight  # before create_task(), which runs an eager task at once
        _start(loop, job, flight)
      result = await _wait_for(loop, job, flight)
    except OnlyIfCached:
      # A call in the factory obeys the request of the first caller, not that of this one.
      if is_new:
        raise
    finally:
      _cycles.end_wait(waiting_node, flight.node)
  try:
    return result.take(job)
  except CodecError as error:
    # The value is not of the type that this caller wants. A fetch would have failed in the same
    # way.
    job.record_failure(error)
    return await _compute_unshared(job)


async def _compute_unshared(job: Job) -> Any:
  lease = job.take_lease()
  result = await _run_factory(job)
  await _store(job, lease, result)
  return result.take(job)


async def _wait_for(loop: 'AbstractEventLoop', job: Job, flight: _Flight) -> Result:
  from asyncio import CancelledError, wait

  waiter: Future[None] = loop.create_future()
  flight.waiting[waiter] = None
  try:
    await waiter
  except CancelledError:
    task, _ = flight.remove_waiter(waiter)
    if not (task is None or task.done() or flight.waiting or flight.computed):
      _remove(loop, job.flight_key, flight)
      # At the end of asyncio.run() the task is cancelled already, and may be cleaning up.
      if getattr(task, 'cancelling', int)() == 0:
        task.cancel()
      await wait([task])
    raise
  except BaseException:
    flight.remove_waiter(waiter)
    raise
  return _take_result(*flight.remove_waiter(waiter))


def _start(loop: 'AbstractEventLoop', job: Job, flight: _Flight) -> None:
  """Starts a flight in a copy of the caller's context."""
  running, flight_key = _run(job, flight), job.flight_key
  try:
    flight.task = loop.create_task(running)
  except BaseException:
    running.close()
    _remove(loop, flight_key, flight)
    raise

  def finish(task: 'Task[Result]') -> None:
    # This is not done in the task: a task that is cancelled before it starts never runs.
    _remove(loop, flight_key, flight)
    error = None if task.cancelled() else task.exception()
    flight.traceback = error.__traceback__ if error is not None else None
    flight.done = True
    finished.add(flight_key)
    for waiter in flight.waiting:
      if not waiter.done():
        waiter.set_result(None)
    if not flight.waiting:
      flight.task = flight.traceback = None

  flight.task.add_done_callback(finish)


def _remove(loop: 'AbstractEventLoop', flight_key: FlightKey, flight: _Flight) -> None:
  flights = under_way.get(loop)
  if flights is None:
    return
  for key in (flight_key, flight.node):
    if flights.get(key) is flight:
      del flights[key]
  if not flights:
    under_way.pop(loop, None)


async def _run(job: Job, flight: _Flight) -> Result:
  _cycles.enter(flight.node)
  result = await _run_factory(job)
  flight.computed = True
  await _store(job, flight.lease, result)
  return result


async def _run_factory(job: Job) -> Result:
  value: Any = job.factory() if callable(job.factory) else job.factory
  if hasattr(type(value), '__await__'):
    value = await value
  return Result(job, value)


async def _store(job: Job, lease: Any, result: Result) -> None:
  if job.failed:
    return
  try:
    await store(job.cls, lease, result.data, job.ttl)
    if lease.overtaken:
      await job.calls.clear(key=job.key)
  except CachetteError as error:
    _fallbacks.record(job.cls, error)


def _take_result(task: 'Optional[Task[Result]]', traceback: Any) -> Result:
  """Returns the result of a finished flight, or raises its exception."""
  from asyncio import CancelledError

  assert task is not None
  error = None if task.cancelled() else task.exception()
  # KeyboardInterrupt and SystemExit have left the loop already, and must not leave it again for
  # each caller.
  if task.cancelled() or isinstance(error, (KeyboardInterrupt, SystemExit)):
    raise CancelledError('The computation of the value was cancelled.')
  if error is None:
    return task.result()
  del task
  try:
    reraise(error, traceback)
  finally:
    del error, traceback


def after_fork() -> None:
  under_way.clear()


# The name that tracebacks, warnings and tasks show.
get_or_set.__qualname__ = _compute.__qualname__ = 'Cachette.get_or_set'
