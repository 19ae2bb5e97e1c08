# SPDX-License-Identifier: MIT
"""Single flight: of all who miss a key at once, one computes and the others wait for it.

    get_or_set   hit: gives the value                     (in memory no line of this module runs)
                 miss: compute()          a flight, shared by the callers of one event loop
                 miss: compute_blocking() a flight, shared by the threads of the process

A flight is found by configuration and key. Flights of one event loop are not shared with another:
what waits in a loop can only be woken safely by that loop. Nor are they shared with other
processes: each computes for itself.

A flight of an event loop is a task of its own, so that whoever is cancelled takes nobody along.
When the last who waited is cancelled, so is the flight, for nobody wants its value any more; that
caller goes on when the factory has cleaned up, just as if it had awaited the factory itself.
"""

import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn, Optional, Tuple

from . import _codecs, _fallbacks
from ._exceptions import BackendError, CachetteError, CodecError

if TYPE_CHECKING:
  from asyncio import AbstractEventLoop, Future, Task

MISSING = object()
"""A default for `fetch` that no cache holds: None is a value."""

TTL_MAX = 36525 * 24 * 3600  # a hundred years, as in cachette.h

_Place = Tuple[Any, str]  # configuration and key

# The marks of the flights that this code runs in: what computes a key may ask for it itself.
_within: ContextVar[Tuple[object, ...]] = ContextVar('cachette._flights', default=())


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


_lock = threading.Lock()  # of the flights of threads


# ---- The call

# The extension has fetched already where it can at once, and calls these with a ttl that is right.


class _Fetch:
  """Fetches of a key that are under way in a loop."""

  __slots__ = ('count', 'overtaken')

  def __init__(self) -> None:
    self.count = 0
    self.overtaken = False  # a flight has landed since the first of them was sent


_fetches: 'Dict[Tuple[AbstractEventLoop, _Place], _Fetch]' = {}


async def get_or_set(cache: Any, key: str, factory: Any, ttl: Any) -> Any:
  """What `Cachette.get_or_set` does on a backend that has to be waited for.

  Where a backend has several connections, a fetch may find nothing and yet arrive after the flight
  of another caller has put its value; it is then asked once more.
  """
  from asyncio import get_running_loop

  place = get_running_loop(), (type(cache)._config, key)
  fetch = _fetches.setdefault(place, _Fetch())
  fetch.count += 1
  try:
    value = await cache.fetch(key, MISSING)
    if value is MISSING and fetch.overtaken:
      value = await cache.fetch(key, MISSING)
  except CachetteError as error:
    return await missed(cache, key, factory, ttl, error)
  finally:
    fetch.count -= 1
    if fetch.count == 0:
      _fetches.pop(place, None)
  if value is not MISSING:
    return value
  return await compute(cache, key, factory, ttl)


async def missed(
  cache: Any, key: str, factory: Any, ttl: Any, error: Optional[CachetteError]
) -> Any:
  """The same where nothing was found, or the fetch failed with an error."""
  failed = error is not None and note_failure(type(cache), error)
  return await compute(cache, key, factory, ttl, failed)


# ---- Flights of an event loop


class _Flight:
  __slots__ = ('kept', 'landed', 'mark', 'task', 'traceback', 'waiting')

  def __init__(self, kept: bool) -> None:
    self.kept = kept  # whether its value is to be put into the cache
    self.landed = False
    self.mark = object()
    self.waiting: Dict[Future[None], None] = {}  # in the order of their coming
    self.task: Optional[Task[Any]] = None  # the loop itself holds tasks weakly
    self.traceback: Any = None

  def leave(self, turn: 'Future[None]') -> 'Tuple[Optional[Task[Any]], Any]':
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
_loops: 'Dict[AbstractEventLoop, Dict[_Place, _Flight]]' = {}


def _flights_of(loop: 'AbstractEventLoop') -> Dict[_Place, _Flight]:
  flights = _loops.get(loop)
  if flights is None:
    for other in list(_loops):
      if other.is_closed():
        _loops.pop(other, None)
    flights = _loops[loop] = {}
  return flights


async def compute(cache: Any, key: str, factory: Any, ttl: Any, failed: bool = False) -> Any:
  """What the factory gives, which is put into the cache; or what a flight under way will give.

  cache: a Cachette that has no such key. ttl: checked. failed: the backend failed at fetching:
  then the value is not put, so that no caller waits twice for a server that is down.

  An exception of the factory is raised to all who wait, and is the same object for all, as it is
  with a Future: a copy would call a constructor that nobody knows. Each gets it with the
  factory's own traceback and context, whatever the others have added to theirs.
  """
  from asyncio import CancelledError, get_running_loop, wait

  _check_factory(factory)
  loop = get_running_loop()
  flights = _flights_of(loop)
  place = type(cache)._config, key
  flight = flights.get(place)
  if flight is None:
    flight = _start(loop, flights, place, cache, factory, ttl, failed)
  elif flight.mark in _within.get():
    # It would wait for itself. Without a cache it would call itself, and so it does.
    return await _make(cache, key, factory, ttl, _Flight(not failed))
  turn: Future[None] = loop.create_future()
  flight.waiting[turn] = None
  try:
    await turn
  except CancelledError:
    task, _ = flight.leave(turn)
    if task is not None and not task.done() and not flight.waiting:
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


def _start(
  loop: 'AbstractEventLoop',
  flights: Dict[_Place, _Flight],
  place: _Place,
  cache: Any,
  factory: Any,
  ttl: Any,
  failed: bool,
) -> _Flight:
  """Starts a flight in a copy of the caller's context."""
  # It is listed first: a loop with eager tasks runs the factory inside create_task().
  flight = flights[place] = _Flight(not failed)
  running = _run(cache, place[1], factory, ttl, flight)
  try:
    flight.task = loop.create_task(running)
  except BaseException:
    running.close()
    _remove(loop, place, flight)
    raise

  def land(task: 'Task[Any]') -> None:
    # Not in the task itself: one that is cancelled before it began never runs.
    _remove(loop, place, flight)
    error = None if task.cancelled() else task.exception()
    flight.traceback = error.__traceback__ if error is not None else None
    flight.landed = True
    fetch = _fetches.get((loop, place))
    if fetch is not None:
      fetch.overtaken = True
    for turn in flight.waiting:
      if not turn.done():
        turn.set_result(None)
    if not flight.waiting:
      flight.task = flight.traceback = None

  flight.task.add_done_callback(land)
  return flight


def _remove(loop: 'AbstractEventLoop', place: _Place, flight: _Flight) -> None:
  flights = _loops.get(loop)
  if flights is None:
    return
  if flights.get(place) is flight:
    del flights[place]
  if not flights:
    _loops.pop(loop, None)


async def _run(cache: Any, key: str, factory: Any, ttl: Any, flight: _Flight) -> Any:
  _within.set((*_within.get(), flight.mark))
  return await _make(cache, key, factory, ttl, flight)


async def _make(cache: Any, key: str, factory: Any, ttl: Any, flight: _Flight) -> Any:
  value: Any = factory() if callable(factory) else factory
  if hasattr(type(value), '__await__'):
    value = await value
  _check_kept(type(cache), key, value)
  if flight.kept:
    try:
      await cache.put(key, value, ttl)
    except CodecError:
      raise  # this value can never be stored: a fault of the program, not of the backend
    except CachetteError as error:
      _fallbacks.note(type(cache), error)
  return value


def _give(task: 'Optional[Task[Any]]', traceback: Any) -> Any:
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
    _raise(error, traceback)
  finally:
    del error, traceback


def _raise(error: BaseException, traceback: Any) -> NoReturn:
  """Raises an exception that others are given too, as the factory left it."""
  context = error.__context__
  try:
    raise error.with_traceback(traceback)
  finally:
    error.__context__ = context
    del error, context, traceback  # the frame is in the traceback, and would close a circle


def _check_factory(factory: Any) -> None:
  if not callable(factory) and hasattr(type(factory), '__await__'):
    if hasattr(factory, 'close'):
      factory.close()
    raise TypeError(
      'factory must be a value, a function or a coroutine function, not '
      f'{type(factory).__name__}: give the function itself, without calling it.'
    )


# ---- Flights of threads


class _BlockingFlight:
  __slots__ = ('error', 'kept', 'landed', 'mark', 'retry', 'traceback', 'value', 'waiting')

  def __init__(self, kept: bool) -> None:
    self.kept = kept
    self.mark = object()
    self.landed = threading.Event()
    self.waiting = 0
    self.value: Any = None
    self.error: Optional[Exception] = None
    self.traceback: Any = None
    self.retry = False  # the thread that computed was stopped; another may try


_threads: Dict[_Place, _BlockingFlight] = {}


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
  _check_factory(factory)
  place = cls._config, key  # type: ignore[attr-defined]
  while True:
    new = _BlockingFlight(not failed)
    with _lock:
      flight = _threads.setdefault(place, new)
      waits = flight is not new and flight.mark not in _within.get()
      flight.waiting += waits
    if flight is new:
      return _lead(cls, sync, place, factory, ttl, flight)
    if not waits:
      return _make_blocking(cls, sync, key, factory, ttl, new)
    try:
      flight.landed.wait()
    finally:
      error, traceback = _leave(flight)
    if error is not None:
      try:
        _raise(error, traceback)
      finally:
        del error, traceback
    if not flight.retry:
      return flight.value


def _leave(flight: _BlockingFlight) -> Tuple[Optional[Exception], Any]:
  """Ends the waiting of a thread. The last one takes the exception along, as in _Flight.leave()."""
  with _lock:
    error, traceback = flight.error, flight.traceback
    flight.waiting -= 1
    if flight.waiting == 0:
      flight.error = flight.traceback = None
  return error, traceback


def _lead(
  cls: type, sync: Any, place: _Place, factory: Any, ttl: Any, flight: _BlockingFlight
) -> Any:
  token = _within.set((*_within.get(), flight.mark))
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
    _within.reset(token)
    with _lock:
      if _threads.get(place) is flight:
        del _threads[place]
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
  _check_kept(cls, key, value)
  if flight.kept:
    try:
      sync.put(key, value, ttl)
    except CodecError:
      raise
    except CachetteError as error:
      _fallbacks.note(cls, error)
  return value


# ---- Both


def _check_kept(cls: Any, key: str, value: Any) -> None:
  """Refuses what the codec "vanilla" would bring back as text, though it was none."""
  if type(value) is str or cls._config.get('codec') != 'vanilla' or _codecs.is_own('vanilla'):
    return
  raise CodecError(
    f'The "vanilla" codec keeps text only, and what was computed for the key "{key[:128]}" is '
    f'{type(value).__name__}, which would come back as str. Configure another codec, such as '
    '"json" or "pickle".'
  )


def forget(cls: type, key: str) -> None:
  """The key is invalid from now on: flights under way give their value, but do not put it."""
  place = cls._config, key  # type: ignore[attr-defined]
  found: List[Any] = [flights.pop(place, None) for flights in list(_loops.values())]
  with _lock:
    found.append(_threads.pop(place, None))
  for flight in found:
    if flight is not None:
      flight.kept = False


def note_failure(cls: type, error: CachetteError) -> bool:
  """Counts a fetch that failed, and tells whether a put is to be spared.

  After a CodecError it is not: what stands there and cannot be read is replaced.
  """
  _fallbacks.note(cls, error)
  return isinstance(error, BackendError)


def _after_fork() -> None:
  """What computes in the parent does not land in the child."""
  global _lock
  _lock = threading.Lock()
  _threads.clear()
  _loops.clear()
  _fetches.clear()
  _fallbacks.after_fork()


if hasattr(os, 'register_at_fork'):
  os.register_at_fork(after_in_child=_after_fork)
