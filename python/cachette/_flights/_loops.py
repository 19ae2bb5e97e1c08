# SPDX-License-Identifier: MIT
"""Flights of an event loop.

A flight is a task of its own, so that whoever is cancelled takes nobody along. When the last who
waited is cancelled, so is the flight, for nobody wants its value any more; that caller goes on when
the factory has cleaned up, just as if it had awaited the factory itself.
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from .. import _fallbacks
from .._cachette import fetch_as, running_loop, store
from .._exceptions import CachetteError, CodecError
from . import _circles
from ._common import MISSING, Job, Made, Place, check_factory, raise_again

if TYPE_CHECKING:
  from asyncio import AbstractEventLoop, Future, Task

# ---- The call

# The extension has fetched already where it can at once, and calls these with a ttl that is right.


class _Fetch:
  """Fetches of a key that are under way in a loop."""

  __slots__ = ('count', 'overtaken')

  def __init__(self) -> None:
    self.count = 0
    self.overtaken = False  # a flight has landed since the first of them was sent


fetches: 'Dict[Tuple[AbstractEventLoop, Place], _Fetch]' = {}


async def get_or_set(cache: Any, key: str, factory: Any, ttl: Any, returns: Any) -> Any:
  """What `Cachette.get_or_set` does on a backend that has to be waited for.

  Where a backend has several connections, a fetch may find nothing and yet arrive after the flight
  of another caller has put its value; it is then asked once more.
  """
  job = Job(type(cache), cache, key, factory, ttl, returns)
  place = running_loop(), job.place
  fetch = fetches.setdefault(place, _Fetch())
  fetch.count += 1
  try:
    value = await _fetch(job)
    if value is MISSING and fetch.overtaken:
      value = await _fetch(job)
  except CachetteError as error:
    job.note_failure(error)
    value = MISSING
  finally:
    fetch.count -= 1
    if fetch.count == 0:
      fetches.pop(place, None)
  return value if value is not MISSING else await _compute(job)


def _fetch(job: Job) -> Any:
  if job.returns is None:
    return job.calls.fetch(job.place[1], MISSING)
  return fetch_as(job.cls, job.place[1], MISSING, job.returns)


def missed(
  cache: Any, key: str, factory: Any, ttl: Any, returns: Any, error: Optional[CachetteError]
) -> Any:
  """A coroutine: the same where nothing was found, or the fetch failed with an error."""
  job = Job(type(cache), cache, key, factory, ttl, returns)
  if error is not None:
    job.note_failure(error)
  return _compute(job)


# ---- Flights of an event loop


class _Flight:
  __slots__ = ('computed', 'landed', 'lease', 'mark', 'task', 'traceback', 'waiting')

  def __init__(self, lease: Any) -> None:
    self.lease = lease
    self.computed = False  # and not to be cancelled any more, so that writes know what is being put
    self.landed = False
    self.mark = _circles.Mark()
    self.waiting: Dict[Future[None], None] = {}  # in the order of their coming
    self.task: Optional[Task[Made]] = None  # the loop itself holds tasks weakly
    self.traceback: Any = None

  def leave(self, turn: 'Future[None]') -> 'Tuple[Optional[Task[Made]], Any]':
    """Ends the waiting of a caller, and gives it the task and the traceback of its exception.

    The last one takes them along: the exception has frames that know the flight, and a circle
    would keep them, and what the factory used, until the garbage collector comes.
    """
    task, traceback = self.task, self.traceback
    self.waiting.pop(turn, None)
    if self.landed and not self.waiting:
      self.task = self.traceback = None
    return task, traceback


# Of each event loop that has any in the air. Those of a loop that was closed over them stay until
# another loop has its first.
under_way: 'Dict[AbstractEventLoop, _Flights]' = {}
# By place; those that nobody is to join any more by their mark.
_Flights = Dict[Union[Place, _circles.Mark], _Flight]


def _flights_of(loop: 'AbstractEventLoop') -> _Flights:
  flights = under_way.get(loop)
  if flights is None:
    for other in list(under_way):
      if other.is_closed():
        under_way.pop(other, None)
    flights = under_way[loop] = {}
  return flights


async def compute(
  cache: Any, key: str, factory: Any, ttl: Any, failed: bool = False, returns: Any = None
) -> Any:
  """What the factory gives, which is put into the cache; or what a flight under way will give.

  cache: a Cachette that has no such key. ttl: checked. failed: the backend failed at fetching.
  """
  job = Job(type(cache), cache, key, factory, ttl, returns)
  job.failed = failed
  return await _compute(job)


async def _compute(job: Job) -> Any:
  """The same.

  An exception of the factory is raised to all who wait, and is the same object for all, as it is
  with a Future: a copy would call a constructor that nobody knows. Each gets it with the
  factory's own traceback and context, whatever the others have added to theirs.
  """
  check_factory(job.factory)
  loop = running_loop()
  flights = _flights_of(loop)
  flight = flights.get(job.place)
  if flight is not None and not flight.lease.open:
    flights[flight.mark] = flights.pop(job.place)
    flight = None
  fresh = flight is None
  if flight is None:
    flight = _Flight(job.take_lease())
  waits = _circles.begin_wait(flight.mark)
  if waits is None:
    # It would wait for itself. Without a cache it would call itself, and so it does.
    return await _compute_unshared(job)
  try:
    if fresh:
      flights[job.place] = flight  # first of all, for an eager task runs inside create_task()
      _start(loop, job, flight)
    made = await _wait_for(loop, job, flight)
  finally:
    _circles.end_wait(waits, flight.mark)
  try:
    return made.take(job)
  except CodecError as error:
    # It is not of the type that is asked for here. A fetch would have said so too.
    job.note_failure(error)
    return await _compute_unshared(job)


async def _compute_unshared(job: Job) -> Any:
  lease = job.take_lease()
  made = await _make(job)
  await _store(job, lease, made)
  return made.take(job)


async def _wait_for(loop: 'AbstractEventLoop', job: Job, flight: _Flight) -> Made:
  from asyncio import CancelledError, wait

  turn: Future[None] = loop.create_future()
  flight.waiting[turn] = None
  try:
    await turn
  except CancelledError:
    task, _ = flight.leave(turn)
    if not (task is None or task.done() or flight.waiting or flight.computed):
      _remove(loop, job.place, flight)
      # At the end of asyncio.run() it has been cancelled, and may be cleaning up.
      if getattr(task, 'cancelling', int)() == 0:
        task.cancel()
      await wait([task])
    raise
  except BaseException:
    flight.leave(turn)
    raise
  return _give(*flight.leave(turn))


def _start(loop: 'AbstractEventLoop', job: Job, flight: _Flight) -> None:
  """Starts a flight in a copy of the caller's context."""
  running, place = _run(job, flight), job.place
  try:
    flight.task = loop.create_task(running)
  except BaseException:
    running.close()
    _remove(loop, place, flight)
    raise

  def land(task: 'Task[Made]') -> None:
    # Not in the task itself: one that is cancelled before it began never runs.
    _remove(loop, place, flight)
    error = None if task.cancelled() else task.exception()
    flight.traceback = error.__traceback__ if error is not None else None
    flight.landed = True
    fetch = fetches.get((loop, place))
    if fetch is not None:
      fetch.overtaken = True
    for turn in flight.waiting:
      if not turn.done():
        turn.set_result(None)
    if not flight.waiting:
      flight.task = flight.traceback = None

  flight.task.add_done_callback(land)


def _remove(loop: 'AbstractEventLoop', place: Place, flight: _Flight) -> None:
  flights = under_way.get(loop)
  if flights is None:
    return
  for key in (place, flight.mark):
    if flights.get(key) is flight:
      del flights[key]
  if not flights:
    under_way.pop(loop, None)


async def _run(job: Job, flight: _Flight) -> Made:
  _circles.enter(flight.mark)
  made = await _make(job)
  flight.computed = True
  await _store(job, flight.lease, made)
  return made


async def _make(job: Job) -> Made:
  value: Any = job.factory() if callable(job.factory) else job.factory
  if hasattr(type(value), '__await__'):
    value = await value
  return Made(job, value)


async def _store(job: Job, lease: Any, made: Made) -> None:
  if job.failed:
    return
  try:
    await store(job.cls, lease, made.data, job.ttl)
    if lease.overtaken:
      await job.calls.clear(key=job.place[1])
  except CachetteError as error:
    _fallbacks.note(job.cls, error)


def _give(task: 'Optional[Task[Made]]', traceback: Any) -> Made:
  """The result of a flight that has landed."""
  from asyncio import CancelledError

  assert task is not None
  error = None if task.cancelled() else task.exception()
  # KeyboardInterrupt and SystemExit have left the loop already, and are not to do so again for
  # each who waited.
  if task.cancelled() or isinstance(error, (KeyboardInterrupt, SystemExit)):
    raise CancelledError('What computed the value was cancelled.')
  if error is None:
    return task.result()
  del task
  try:
    raise_again(error, traceback)
  finally:
    del error, traceback


def after_fork() -> None:
  under_way.clear()
  fetches.clear()


# As tracebacks, warnings and tasks name them.
get_or_set.__qualname__ = _compute.__qualname__ = 'Cachette.get_or_set'
