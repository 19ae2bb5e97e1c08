# SPDX-License-Identifier: MIT
"""What all middlewares with one cache and one policy share.

A framework may make several: Litestar makes one for each route handler.
"""

import os
from itertools import count
from logging import INFO, getLogger
from time import monotonic, time
from typing import (
  TYPE_CHECKING,
  Any,
  Awaitable,
  Dict,
  Iterable,
  List,
  Mapping,
  Optional,
  Set,
  Tuple,
  Type,
)
from weakref import WeakValueDictionary

from .._cachette import (
  HTTP_HIT,
  HTTP_REVALIDATE,
  HTTP_STALE,
  HTTP_UNSHARED_SECONDS,
  HTTP_VARIANT,
  HttpExchange,
  HttpLane,
  http_reason,
  running_loop,
)
from ._plans import Box
from ._purge import PURGED, VALID
from ._stats import counters_of
from ._store import CLEARED, Store

if TYPE_CHECKING:
  from asyncio import AbstractEventLoop, Task

  from .._core import Cachette
  from ._coalescing import Flight
  from ._policy import Policy

logger = getLogger('cachette.http')

MARK = 'cachette.http'  # in a scope whose request a middleware serves already

MAX_UNSHARED = 10_000
MAX_MARKS = 10_000
MAX_LOGGED = 1_000
MAX_REFRESHES = 100  # in the background at once, in an event loop

# Reasons that the library does not know.
_OWN = {
  'extension': 'it uses an ASGI extension, such as pathsend',
  'overtaken': 'a newer response was stored, or what is stored was cleared, while it was made',
}

_marks = count()  # the numbers of marks, see Shared.clear()

_USES = (HTTP_HIT, HTTP_STALE, HTTP_REVALIDATE)  # the decisions that use the record

# Reasons that say nothing about the route: the request has them, or the application failed.
_OBVIOUS = frozenset(('method', 'not-modified', 'origin-error', 'incomplete', 'host', 'malformed'))


class Shared:
  """The store, the flights and the counts of a cache with a policy.

  cache_status: whether answers have the field Cache-Status.
  left_out: the fields that are added to the response to a method that the policy leaves out.
  bodies: the methods whose body is part of the key.
  lane: on which hits pass the middleware.
  unshared: until when a key has no response that can be stored, as far as that is known. The store
    is not asked for it, and requests do not wait for each other.
  """

  __slots__ = (
    *('__weakref__', '_cleared', '_floor', '_logged', '_marks', '_numbers', 'bodies', 'c_policy'),
    *(
      'cache_status',
      'cls',
      'counters',
      'has_uri_tags',
      'lane',
      'left_out',
      'loops',
      'methods',
      'number',
      'policy',
      'store',
      'unshared',
    ),
  )

  def __init__(self, cls: 'Type[Cachette]', policy: 'Policy') -> None:
    self.cls = cls
    self.policy = policy
    self.c_policy = policy.to_c()
    self.store = Store(cls, policy.store_timeout, policy)
    self.counters = counters_of(cls)
    self.cache_status = policy.cache_status is not False
    self.left_out: List[Tuple[bytes, bytes]] = []
    if self.cache_status:
      name = policy.cache_status if isinstance(policy.cache_status, str) else 'cachette'
      self.left_out.append((b'cache-status', name.encode() + b';fwd=method'))
    self.methods = frozenset(policy.methods)
    self.bodies = self.methods & {'QUERY', 'POST'}
    self.has_uri_tags = bool(self.bodies or policy.key_cookies)
    self.loops: Dict[AbstractEventLoop, Loop] = {}
    self.unshared: Dict[str, float] = {}
    self.lane = HttpLane(
      self.c_policy,
      cls,
      self.methods - self.bodies,
      MARK,
      self.unshared,
      self.counters,
      self.cache_status,
      Box,
      self.bodies,
    )
    self._logged: Set[Tuple[str, str]] = set()
    self._marks: Dict[str, Tuple[int, int]] = {}
    self._cleared: Dict[str, bytes] = {}
    self._numbers = count(1)
    self.number = self._floor = 0

  def link_lane(self) -> None:
    """Lets hits use the current configuration of the class."""
    self.store.link_lane(self.lane)

  def loop(self, running: 'AbstractEventLoop') -> 'Loop':
    """Returns what the middlewares share in an event loop. Futures belong to one."""
    loop = self.loops.get(running)
    if loop is None:
      for other in list(self.loops):
        if other.is_closed():
          self.loops.pop(other, None)
      loop = self.loops.setdefault(running, Loop())
    return loop

  async def end(self, running: 'AbstractEventLoop') -> None:
    """Ends what runs in the background of an event loop."""
    loop = self.loops.pop(running, None)
    if loop is not None:
      await loop.end()

  def now(self) -> int:
    """The time in milliseconds."""
    stopped = self.store.now_ms
    return int(time() * 1000) if stopped is None else stopped

  # ---- Order
  #
  # A response that was made before a key was cleared, or before a newer response was stored, must
  # not be stored after it. So runs have numbers, and so have keys: of the run whose response was
  # stored last, or of the time at which they were cleared. Other processes do not know the numbers.
  # So a mark stands in the store where a record was cleared, and beside it. A request that finds
  # one learns it. After a response was stored, the mark beside it is looked for: one that is new to
  # this process is from after the run began, so the response is taken back. purge() reaches other
  # processes, too: records have the number of the last purge.

  def next_number(self) -> int:
    self.number = number = next(self._numbers)  # event loops of other threads take some, too
    return number

  def mark(self, key: str, number: int) -> None:
    number = max(number, self._marks.pop(key, (0, 0))[0])
    self._marks[key] = number, self.next_number()  # the last one in the dict
    if len(self._marks) > MAX_MARKS:
      self._drop_marks()

  def _drop_marks(self) -> None:
    for oldest in list(self._marks)[: MAX_MARKS // 10 + 1]:
      self._floor = max(self._floor, self._marks.pop(oldest, (0, 0))[0])

  def is_overtaken(self, number: int, *keys: str) -> bool:
    """Returns whether a run must not store under these keys."""
    return any(self._marks.get(key, (self._floor, 0))[0] > number for key in keys)

  def has_changed(self, key: str, seen: int) -> bool:
    """Returns whether a key was stored or cleared after `number` was `seen`. The run that stored it
    may have begun before that."""
    return self._marks.get(key, (0, 0))[1] > seen

  def remember_unshared(self, key: str) -> None:
    now = monotonic()
    if len(self.unshared) >= MAX_UNSHARED:
      for each in [each for each, end in list(self.unshared.items()) if end <= now]:
        self.unshared.pop(each, None)  # the lane has the same dict
    if len(self.unshared) < MAX_UNSHARED:
      self.unshared[key] = now + HTTP_UNSHARED_SECONDS

  def is_unshared(self, key: str) -> bool:
    end = self.unshared.get(key)
    if end is None:
      return False
    if end > monotonic():
      return True
    self.unshared.pop(key, None)
    return False

  def invalidate(self, exchange: HttpExchange) -> Awaitable[object]:
    """Forgets what a response has made invalid. Await the result before the response is sent."""
    return self._forget(exchange.invalidated())

  def invalidate_target(self, key: str) -> Awaitable[object]:
    """Does the same for a response that makes only the URI of its request invalid."""
    records = self.store.own_records() if not self.has_uri_tags else None
    if records is None:
      return self._forget([(key, b'uri ' + key.rpartition(':')[2].encode())])
    # Whoever puts a record is in this process, and sees in `_marks` that the key was cleared.
    self.number = number = next(self._numbers)  # like next_number(), without a call
    marks = self._marks
    marks.pop(key, None)
    marks[key] = number, number
    if len(marks) > MAX_MARKS:
      self._drop_marks()
    if self.unshared:
      self.unshared.pop(key, None)
    return records.delete(key)

  def _forget(self, items: List[Tuple[Optional[str], bytes]]) -> Awaitable[object]:
    mark = self._clear([key for key, _ in items if key is not None])
    return self.store.forget(items, mark, self.has_uri_tags)

  def take_back(self, key: str, index_key: str) -> Awaitable[bool]:
    """Clears what a run has stored although it was overtaken. No other run is overtaken by that."""
    mark = self._cleared.get(index_key)
    if mark is None:  # a newer response was stored
      return self.store.clear([key, index_key])
    return self.store.put_mark([key, index_key], mark, is_new=False)

  def _clear(self, keys: Iterable[str]) -> bytes:
    # Others must not know the mark. Without others, a number is new, and costs less.
    fresh = b'%d' % next(_marks) if self.store.is_alone else os.urandom(16)
    mark = CLEARED + fresh
    number = self.next_number()
    for key in keys:
      self.mark(key, number)
      self._know_cleared(key, mark)
      if self.unshared:
        self.unshared.pop(key, None)
    return mark

  def _know_cleared(self, key: str, mark: bytes) -> None:
    if len(self._cleared) >= MAX_MARKS:
      self._cleared.clear()
    self._cleared[key] = mark

  def is_cleared(self, key: str, record: bytes) -> bool:
    """Returns whether this stands where a record was cleared, and learns it."""
    if not record.startswith(CLEARED):
      return False
    if self._cleared.get(key) != record:
      self._know_cleared(key, record)
      self.mark(key, self.next_number())
    return True

  async def is_overtaken_elsewhere(self, number: int, key: str, index_key: str) -> bool:
    """Returns whether a run must take back what it has stored, which only the store may know."""
    has_answered, mark = await self.store.fetch_mark(index_key)
    if mark is not None:
      self.is_cleared(index_key, mark)
    return not has_answered or self.is_overtaken(number, key, index_key)

  # ---- Records

  async def look_up(
    self,
    exchange: HttpExchange,
    scope: Mapping[str, Any],
    known: Optional[Mapping[str, bytes]] = None,
  ) -> Optional[bytes]:
    """Decides on what the store has for a request. Returns the record of the response.

    known: records that were just stored, by key.
    """
    key = exchange.key
    record = known.get(key) if known is not None else None
    if record is None:
      record = await self.store.fetch(key)
    exchange.decide(record, self.store.now_ms)
    return await self.go_on(exchange, scope, record, known)

  async def go_on(
    self,
    exchange: HttpExchange,
    scope: Mapping[str, Any],
    record: Optional[bytes],
    known: Optional[Mapping[str, bytes]] = None,
  ) -> Optional[bytes]:
    """Goes on after the first decision. Returns the record of the response."""
    store = self.store
    record = self._without_cleared(exchange, record)
    while exchange.action == HTTP_VARIANT:
      assert record is not None
      store.remember(exchange.index_key, record)
      key = exchange.key
      record = known.get(key) if known is not None else None
      if record is None:
        record = await store.fetch(key)
      exchange.decide(record, store.now_ms)
      record = self._without_cleared(exchange, record)
    if record is None or not (exchange.action in _USES or exchange.usable_if_error):
      return record
    verdict = store.epochs.judge(record, exchange.index_key, scope)
    if verdict == VALID:
      return record
    return self._without_purged(exchange, record, verdict)

  def _without_cleared(self, exchange: HttpExchange, record: Optional[bytes]) -> Optional[bytes]:
    if record is None or not self.is_cleared(exchange.key, record):
      return record
    exchange.decide(None, self.store.now_ms)
    return None

  def _without_purged(self, exchange: HttpExchange, record: bytes, verdict: int) -> Optional[bytes]:
    """Decides again, on a record that was purged. Returns it if it can still be of use."""
    if verdict == PURGED:
      exchange.decide(None, self.store.now_ms)
      return None
    if exchange.ttl_ms > 0:
      exchange.decide(record, self.now() + exchange.ttl_ms)
    return record

  # ---- What HttpSend calls

  @staticmethod
  async def send_after(awaitable: Awaitable[object], send: Any, message: Any) -> None:
    """Sends a message when something else is done."""
    await awaitable
    await send(message)

  # ---- Log

  def note_unstored(self, scope: Mapping[str, Any], reason: str) -> None:
    """Counts and logs that the response of a route is not stored."""
    passed = self.counters.passed
    passed[reason] = passed.get(reason, 0) + 1
    if reason not in _OBVIOUS and logger.isEnabledFor(INFO):
      self._log_once(scope, reason)

  def _log_once(self, scope: Mapping[str, Any], reason: str) -> None:
    """Logs why the response of a route is not stored."""
    route = scope.get('route') or scope.get('path_template') or scope['path']
    title = str(getattr(route, 'path', route))  # a route itself may have no hash
    if (title, reason) in self._logged or len(self._logged) >= MAX_LOGGED:
      return
    self._logged.add((title, reason))
    logger.info(
      '%s %s is not stored: %s', scope['method'], title, _OWN.get(reason) or http_reason(reason)
    )


class Loop:
  """What middlewares share in an event loop.

  flights: runs that others may wait for, by key.
  tasks: runs in the background, and those whose request is gone.
  refreshes: how many of them are refreshes.
  """

  __slots__ = ('flights', 'refreshes', 'tasks')

  def __init__(self) -> None:
    self.flights: Dict[str, Flight] = {}
    self.tasks: Set[Task[None]] = set()
    self.refreshes = 0

  async def end(self) -> None:
    """Cancels what runs in the background, and waits until it has ended."""
    from asyncio import wait

    while self.tasks:
      tasks: List[Task[None]] = list(self.tasks)
      for task in tasks:
        task.cancel()
      await wait(tasks)
      self.tasks.difference_update(tasks)


_all: 'WeakValueDictionary[Tuple[type, Policy], Shared]' = WeakValueDictionary()


def shared_of(cls: 'Type[Cachette]', policy: 'Policy') -> Shared:
  shared = _all.get((cls, policy))
  return shared if shared is not None else _all.setdefault((cls, policy), Shared(cls, policy))


async def end_background(cls: 'Type[Cachette]') -> None:
  """Ends what the middlewares of a class run in the background of this event loop."""
  running = running_loop()
  for shared in list(_all.values()):
    if shared.cls is cls:
      await shared.end(running)
