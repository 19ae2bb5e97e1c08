# SPDX-License-Identifier: MIT
"""One run of the application for several requests that miss the same key at once.

    leader    makes a flight: a task that runs the application. It takes the messages of the run
              from a pipe and sends them to its client.
    follower  waits until it is known whether the response is stored. Then it decides on the record
              like a hit, or runs the application itself.

No one is cancelled with another. A run that no request waits for any more is cancelled, or gets
http.disconnect, like every run whose client is gone.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Coroutine, Deque, Dict, Optional, Set

from ._shared import Loop, logger

if TYPE_CHECKING:
  from asyncio import AbstractEventLoop, Future, Task

Message = Any
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

# How a flight ends for followers.
STORED = 'stored'  # decide on the records
UNSHARED = 'unshared'  # run the application
FAILED = 'failed'  # the application failed: use a stale response, if there is one


class Pipe:
  """Hands messages from a run to the request that leads it.

  While the run is recorded, it does not wait for the client: what a slow client has not taken yet
  is in memory anyway. Otherwise each message waits until the client has taken those before it.
  """

  __slots__ = ('_drained', '_loop', '_messages', '_ready', 'closed', 'ended', 'is_recorded')

  def __init__(self, loop: 'AbstractEventLoop') -> None:
    self._loop = loop
    self._messages: Deque[Message] = deque()
    self._ready: Optional[Future[None]] = None
    self._drained: Optional[Future[None]] = None
    self.closed = self.ended = False
    self.is_recorded = True

  async def put(self, message: Message) -> None:
    if self.closed:
      return
    self._messages.append(message)
    _wake(self._ready)
    while not (self.is_recorded or self.closed) and self._messages:
      self._drained = self._loop.create_future()
      await self._drained

  async def get(self) -> Message:
    """Returns the next message, or None at the end."""
    while not self._messages:
      _wake(self._drained)
      if self.ended:
        return None
      self._ready = self._loop.create_future()
      await self._ready
    return self._messages.popleft()

  def end(self) -> None:
    """The run has ended: there are no more messages."""
    self.ended = True
    _wake(self._ready)

  def close(self) -> None:
    """The reader is gone."""
    self.closed = True
    self._messages.clear()
    _wake(self._drained)


def _wake(future: 'Optional[Future[None]]') -> None:
  if future is not None and not future.done():
    future.set_result(None)


class Flight:
  """A run that requests wait for.

  number: of the run, see Shared.
  records: what it has stored, by key.
  has_leader: whether the request that began it still takes its messages.
  client_gone: whether that request's client has disconnected.
  is_background: whether it is a refresh, which nobody needs to wait for.
  abandoned: set when no one wants the response any more, or it is complete.
  """

  __slots__ = (
    *('_loop', '_state', 'abandoned', 'client_gone', 'has_leader', 'is_background', 'key'),
    *('number', 'outcome', 'pipe', 'records', 'task', 'waiters'),
  )

  def __init__(self, state: Loop, key: str, number: int, is_background: bool = False) -> None:
    from asyncio import Event, get_running_loop

    self._loop = get_running_loop()
    self._state = state
    self.key = key
    self.number = number
    self.outcome: Optional[str] = None
    self.records: Dict[str, bytes] = {}
    self.waiters: Set[Future[None]] = set()
    self.pipe = Pipe(self._loop)
    self.abandoned = Event()
    self.client_gone = False
    self.is_background = is_background
    self.has_leader = not is_background
    if is_background:
      self.pipe.close()
    self.task: Optional[Task[None]] = None

  def start(self, run: 'Coroutine[Any, Any, None]') -> 'Task[None]':
    """Runs the application in a task with a copy of the context."""
    self._state.flights[self.key] = self  # first, because create_task() may run an eager task
    try:
      self.task = task = self._loop.create_task(run)
    except BaseException:
      run.close()
      self.leave_table()
      raise
    if self.is_background:
      self._state.tasks.add(task)
      self._state.refreshes += 1
    task.add_done_callback(self._finish)
    return task

  def _finish(self, task: 'Task[None]') -> None:
    self._state.tasks.discard(task)
    self._state.refreshes -= self.is_background
    self.settle(FAILED)
    self.pipe.end()
    error = None if task.cancelled() else task.exception()
    if error is not None and not self.has_leader:
      logger.error('The application failed while no client waited for it.', exc_info=error)

  def settle(self, outcome: str) -> None:
    """Tells the followers how it went. The first call counts."""
    if self.outcome is not None:
      return
    self.outcome = outcome
    self.leave_table()
    for waiter in self.waiters:
      _wake(waiter)
    if outcome == UNSHARED and not (self.has_leader or self.is_background):
      self.cancel()

  def cancel(self) -> None:
    """Cancels a run that no one wants. The run itself may call this."""
    self.abandoned.set()
    if self.task is not None:
      self.task.cancel()

  def leave_table(self) -> None:
    """Lets no further request join."""
    if self._state.flights.get(self.key) is self:
      del self._state.flights[self.key]

  async def wait(self, seconds: float) -> Optional[str]:
    """Waits for the outcome. Returns None if it takes too long."""
    waiter: Future[None] = self._loop.create_future()
    self.waiters.add(waiter)
    timer = self._loop.call_later(seconds, _wake, waiter)
    try:
      await waiter
    finally:
      timer.cancel()
      self.waiters.discard(waiter)
      if self.outcome is None:
        self._check_interest()
    return self.outcome

  def disconnect(self) -> None:
    """The leader's client is gone."""
    self.client_gone = True
    self._check_interest()

  async def leave(self) -> None:
    """The leader is cancelled, or cannot send. Waits for the end of a run that ends with it."""
    from asyncio import wait

    self.has_leader = False
    self.pipe.close()
    self._check_interest()
    task = self.task
    if task is None or task.done():
      return
    self._state.tasks.add(task)
    if self.abandoned.is_set():
      task.cancel()
      await wait([task])

  def _check_interest(self) -> None:
    """Abandons the run if no one wants its response."""
    if self.waiters or self.is_background or (self.has_leader and not self.client_gone):
      return
    self.leave_table()
    self.abandoned.set()
    if not self.has_leader and self.outcome is None:
      self.cancel()
