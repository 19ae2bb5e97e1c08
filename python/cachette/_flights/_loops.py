# SPDX-License-Identifier: MIT
"""Flights of an event loop.

A flight is a task of its own, so that whoever is cancelled takes nobody along. When the last who
waited is cancelled, so is the flight, for nobody wants its value any more; that caller goes on when
the factory has cleaned up, just as if it had awaited the factory itself.
"""

from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from .. import _fallbacks
from .._cachette import store
from .._exceptions import CachetteError
from . import _circles
from ._common import MISSING, Made, Place, check_factory, note_failure, raise_again

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


async def get_or_set(cache: Any, key: str, factory: Any, ttl: Any) -> Any:
  """What `Cachette.get_or_set` does on a backend that has to be waited for.

  Where a backend has several connections, a fetch may find nothing and yet arrive after the flight
  of another caller has put its value; it is then asked once more.
  """
  from asyncio import get_running_loop

  lease = _lease_now(cache, key, factory)
  place = get_running_loop(), (type(cache)._config, key)
  fetch = fetches.setdefault(place, _Fetch())
  fetch.count += 1
  try:
    value = await cache.fetch(key, MISSING)
    if value is MISSING and fetch.overtaken:
      value = await cache.fetch(key, MISSING)
  except CachetteError as error:
    return await _missed(cache, key, factory, ttl, error, lease)
  finally:
    fetch.count -= 1
    if fetch.count == 0:
      fetches.pop(place, None)
  if value is not MISSING:
    return value
  return await compute(cache, key, factory, ttl, lease=lease)


def missed(cache: Any, key: str, factory: Any, ttl: Any, error: Optional[CachetteError]) -> Any:
  """A coroutine: the same where nothing was found, or the fetch failed with an error."""
  return _missed(cache, key, factory, ttl, error, _lease_now(cache, key, factory))


async def _missed(
  cache: Any, key: str, factory: Any, ttl: Any, error: Optional[CachetteError], lease: Any
) -> Any:
  failed = error is not None and note_failure(type(cache), error)
  return await compute(cache, key, factory, ttl, failed, lease)


def _lease_now(cache: Any, key: str, factory: Any) -> Any:
  """A value in the place of a factory was there before the call: its lease begins with that."""
  return None if callable(factory) else type(cache)._config.lease(key)


# ---- Flights of an event loop


class _Flight:
  __slots__ = ('landed', 'lease', 'mark', 'task', 'traceback', 'waiting')

  def __init__(self, lease: Any) -> None:
    self.lease = lease
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
  cache: Any, key: str, factory: Any, ttl: Any, failed: bool = False, lease: Any = None
) -> Any:
  """What the factory gives, which is put into the cache; or what a flight under way will give.

  cache: a Cachette that has no such key. ttl: checked. failed: the backend failed at fetching:
  then the value is not put, so that no caller waits twice for a server that is down. lease: None,
  or one that was taken before the value was read.

  An exception of the factory is raised to all who wait, and is the same object for all, as it is
  with a Future: a copy would call a constructor that nobody knows. Each gets it with the
  factory's own traceback and context, whatever the others have added to theirs.
  """
  from asyncio import get_running_loop

  check_factory(factory)
  loop = get_running_loop()
  flights = _flights_of(loop)
  place = type(cache)._config, key
  flight = flights.get(place)
  if flight is not None and not flight.lease.open:
    flights[flight.mark] = flights.pop(place)
    flight = None
  fresh = flight is None
  if flight is None:
    flight = _Flight(lease or place[0].lease(key))
  waits = _circles.begin_wait(flight.mark)
  if waits is None:
    # It would wait for itself. Without a cache it would call itself, and so it does.
    made = await _make(cache, place, factory, ttl, place[0].lease(key), failed)
    return made.take(place)
  try:
    if fresh:
      flights[place] = flight  # first of all, for an eager task runs inside create_task()
      _start(loop, place, flight, _run(cache, place, factory, ttl, flight, failed))
    made = await _wait_for(loop, place, flight)
  finally:
    _circles.end_wait(waits, flight.mark)
  return made.take(place)


async def _wait_for(loop: 'AbstractEventLoop', place: Place, flight: _Flight) -> Made:
  from asyncio import CancelledError, wait

  turn: Future[None] = loop.create_future()
  flight.waiting[turn] = None
  try:
    await turn
  except CancelledError:
    task, _ = flight.leave(turn)
    # What is being put stays under way, so that writes know of it.
    if not (task is None or task.done() or flight.waiting or flight.lease.storing):
      _remove(loop, place, flight)
      # At the end of asyncio.run() it has been cancelled, and may be cleaning up.
      if getattr(task, 'cancelling', int)() == 0:
        task.cancel()
      await wait([task])
    raise
  except BaseException:
    flight.leave(turn)
    raise
  return _give(*flight.leave(turn))


def _start(loop: 'AbstractEventLoop', place: Place, flight: _Flight, running: Any) -> None:
  """Starts a flight in a copy of the caller's context."""
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


async def _run(
  cache: Any, place: Place, factory: Any, ttl: Any, flight: _Flight, failed: bool
) -> Made:
  _circles.enter(flight.mark)
  return await _make(cache, place, factory, ttl, flight.lease, failed)


async def _make(
  cache: Any, place: Place, factory: Any, ttl: Any, lease: Any, failed: bool
) -> Made:
  value: Any = factory() if callable(factory) else factory
  if hasattr(type(value), '__await__'):
    value = await value
  made = Made(place, value)
  if not failed:
    await _store(cache, place[1], lease, made.data, ttl)
  return made


async def _store(cache: Any, key: str, lease: Any, data: Any, ttl: Any) -> None:
  try:
    await store(type(cache), lease, data, ttl)
    if lease.overtaken:
      await cache.clear(key=key)
  except CachetteError as error:
    _fallbacks.note(type(cache), error)


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
