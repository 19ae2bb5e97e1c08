# SPDX-License-Identifier: MIT
"""The ASGI middleware: answers from the store, and passes on what it cannot answer.

__call__   a hit: what its lane, in C, has found is sent. Nothing else is on that path
_serve     everything else that has to do with the cache
_lead      a run that others may wait for
_pass      a request that has nothing to do with the cache, except that it may invalidate
"""

from asyncio import get_running_loop
from types import FunctionType
from typing import Any, Awaitable, List, Optional, Tuple, Type

from .._cachette import (
  HTTP_ERROR,
  HTTP_HIT,
  HTTP_MISS,
  HTTP_PASS,
  HTTP_REVALIDATE,
  HTTP_STALE,
  HttpExchange,
  HttpPassed,
  HttpSend,
  any_obeys,
)
from .._core import Cachette
from .._exceptions import CachetteError
from ._answers import send_stored
from ._coalescing import FAILED, STORED, Flight, Message, Receive, Send
from ._control import RequestControl
from ._plans import CURRENT, Box, Plan, Values
from ._policy import Policy
from ._refresh import refresh
from ._routes import note_middleware
from ._run import Run, Scope
from ._servers import with_one_date
from ._shared import MARK, MAX_REFRESHES, Loop, shared_of
from ._trial import Trial

MAX_WAITS = 2  # runs of others that a request waits for, before it runs the application itself

_RUNS = (HTTP_MISS, HTTP_REVALIDATE)
_ANSWERS = (HTTP_HIT, HTTP_STALE, HTTP_ERROR)


class _Request:
  """A request that is not a hit.

  record: what the exchange has decided on, or None.
  seen: the number of the last run when the store was asked.
  body: what the client has sent, if it is in the key.
  """

  __slots__ = ('body', 'exchange', 'receive', 'record', 'scope', 'seen', 'send')

  def __init__(
    self,
    exchange: HttpExchange,
    record: Optional[bytes],
    seen: int,
    scope: Scope,
    receive: Receive,
    send: Send,
    body: Optional[bytes] = None,
  ) -> None:
    self.exchange = exchange
    self.record = record
    self.seen = seen
    self.scope = scope
    self.receive = receive
    self.send = send
    self.body = body


class _Ignored(Box):
  """The box of requests whose responses are not stored, whatever their routes want."""

  def use(self, plan: Plan, values: Values) -> None:
    pass


_IGNORED = _Ignored({})


class CacheMiddleware:
  """Caches the responses of an ASGI application.

  Add it like any ASGI middleware: `app.add_middleware(CacheMiddleware, policy=Policy(...))` in
  FastAPI and Starlette, `DefineMiddleware(CacheMiddleware, policy=...)` in Litestar, or around an
  application: `app = CacheMiddleware(app, policy=...)`. Where there is one inside another, the
  inner one only passes on.

  Args:
    app: The ASGI application.
    policy: What may be stored, for how long and for whom. None selects `Policy()`, with which a
      response is stored if it says so itself.
    cache: The class of the cache that stores the responses. It may be configured later.

  Raises:
    TypeError: An argument is of the wrong type.
  """

  __slots__ = ('_begin', '_controlled', '_shared', 'app')

  is_cache_middleware = True  # check() recognizes the class by it

  def __init__(
    self, app: Any, policy: Optional[Policy] = None, cache: 'Type[Cachette]' = Cachette
  ) -> None:
    if not callable(app):
      raise TypeError(f'app must be an ASGI application, not {type(app).__name__}.')
    if policy is not None and not isinstance(policy, Policy):
      raise TypeError(
        f'policy must be a cachette.http.Policy, not {type(policy).__name__}: write '
        'policy=Policy(...).'
      )
    if not (isinstance(cache, type) and issubclass(cache, Cachette)):
      raise TypeError(
        'cache must be the class Cachette or a subclass, without parentheses, not '
        f'{type(cache).__name__}.'
      )
    self.app: Any = app
    self._controlled = RequestControl(self.app)
    self._shared = shared_of(cache, policy if policy is not None else Policy())
    self._begin = self._shared.lane.begin
    note_middleware()

  # Any: each framework has its own types for these, which no common type fits.
  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    shared = self._shared
    seen = shared.number
    begin = self._begin  # a call of self._begin() looks for a method first
    found: Any = begin(scope, send, shared)
    if type(found) is not tuple:
      if type(found) is HttpSend:
        if CURRENT.get() is None:
          await (self._controlled if any_obeys() else self.app)(scope, receive, found)
        else:
          await self._run_unstored(scope, receive, found)
        return
      if type(found) is HttpPassed:
        token = CURRENT.set(found)
        try:
          await (self._controlled if any_obeys() else self.app)(scope, receive, found)
        finally:
          CURRENT.reset(token)
        return
      if found is None:
        await self._leave_lane(scope, receive, send)
        return
      exchange: HttpExchange = found
      if exchange.is_awaitable:
        try:
          found = await exchange
        except CachetteError as error:
          shared.store.failed(error)
          found = None
          exchange.decide(None, shared.store.now_ms)
      elif exchange.action != HTTP_MISS:
        await self._pass(exchange, scope, receive, send)
        return
      elif shared.is_unshared(exchange.key) and exchange.decide(None) == HTTP_MISS:
        await self._run(exchange, None, scope, receive, send)
        return
      else:  # it must first be known what was purged
        found = await shared.store.fetch(exchange.key)
        exchange.decide(found, shared.store.now_ms)
      if type(found) is not tuple:
        await self._miss(_Request(exchange, found, seen, scope, receive, send))
        return
    start, body = found
    if type(send) is not FunctionType or 'send' in send.__code__.co_freevars:
      start['headers'] = with_one_date(send, start['headers'])
    await send(start)
    await send(body)

  async def _miss(self, request: _Request) -> None:
    """Goes on with a decision that is not a hit, or not one that the lane can answer."""
    shared, exchange, record = self._shared, request.exchange, request.record
    if record is not None:
      request.record = record = await shared.go_on(exchange, request.scope, record)
    if exchange.action in _RUNS and not exchange.coalesce:
      await self._run(exchange, record, request.scope, request.receive, request.send)
    else:
      await self._serve(request)

  def _leave_lane(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Serves what the lane does not know. It is no coroutine, which would cost as much as the rest
    of a request that passes."""
    shared = self._shared
    if scope['type'] != 'http' or MARK in scope:
      return self._other(scope, receive, send)
    if scope['method'] in shared.bodies:
      return self._serve_body(scope, receive, send)
    shared.link_lane()  # the class has another configuration
    return self(scope, receive, send)

  def _inner(self) -> Any:
    """The application, with calls that obey the request if a configuration wants that."""
    return self._controlled if any_obeys() else self.app

  # ---- What is not a hit

  async def _serve(self, request: _Request) -> None:
    """Answers from the record if it can, or runs the application, or waits for another's run."""
    shared = self._shared
    waits = MAX_WAITS if shared.policy.coalesce else 0  # that are left
    while True:
      if request.exchange.action in _ANSWERS and await self._answer(request):
        return
      exchange = request.exchange
      if not (waits and exchange.coalesce):
        break
      waits -= 1
      if shared.has_changed(exchange.key, request.seen):
        await self._look_again(request)  # a run has stored it since the store was asked
        continue
      loop = shared.loop(get_running_loop())
      flight = loop.flights.get(exchange.key)
      if flight is None or shared.is_overtaken(flight.number, flight.key, exchange.index_key):
        if shared.is_unshared(exchange.key):
          break
        await self._lead(request, loop)
        return
      may_wait = await self._follow(request, flight)
      if may_wait is None:
        return
      waits = waits if may_wait else 0
    if exchange.action == HTTP_PASS:
      await self._pass(exchange, request.scope, request.receive, request.send)
    else:
      await self._run(exchange, request.record, request.scope, request.receive, request.send)

  async def _answer(self, request: _Request, collapsed: bool = False) -> bool:
    """Answers from the record, or with an error of the cache. Returns False if the body of the
    record has disappeared. Then it is a miss."""
    shared, exchange, record = self._shared, request.exchange, request.record
    action = exchange.action
    if action == HTTP_ERROR:
      await send_stored(shared, exchange, (), request.send)
      shared.counters.pass_on('only-if-cached')
      return True
    assert record is not None
    parts = await shared.store.fetch_body(exchange.key, record)
    if parts is None:
      request.exchange = HttpExchange(shared.c_policy, request.scope, request.body)
      request.exchange.decide(None)
      request.record = None
      return False
    await send_stored(shared, exchange, parts, request.send, collapsed)
    if collapsed:
      shared.counters.coalesced += 1
    elif action == HTTP_HIT:
      shared.counters.hits += 1
    else:
      shared.counters.stale += 1
    # Another refresh may have ended while the client took the answer.
    has_changed = shared.has_changed(exchange.key, request.seen)
    if exchange.refresh and not has_changed:
      self._refresh(request)
    return True

  async def _look_again(self, request: _Request, flight: Optional[Flight] = None) -> None:
    """Begins anew: an exchange that has followed an index, or failed, cannot go on."""
    shared = self._shared
    request.seen = shared.number
    request.exchange = HttpExchange(shared.c_policy, request.scope, request.body)
    known = flight.records if flight is not None else None
    request.record = await shared.look_up(request.exchange, request.scope, known)

  # ---- Runs

  async def _follow(self, request: _Request, flight: Flight) -> Optional[bool]:
    """Waits for the run of another request, and answers from what it has stored. Returns None if
    that is done, else whether this request may wait for one more run."""
    shared, exchange = self._shared, request.exchange
    outcome = await flight.wait(shared.policy.wait)
    if outcome is None:
      flight.leave_table()  # it hangs: another run takes its place
      return True
    if outcome == STORED:
      return await self._share(request, flight)
    if outcome == FAILED and exchange.usable_if_error:
      if exchange.fail(shared.store.now_ms) == HTTP_STALE and await self._answer(request):
        return None
      await self._look_again(request)
    return False

  async def _share(self, request: _Request, flight: Flight) -> Optional[bool]:
    """Answers from what a flight has stored, if this request may have it.

    A wish for a newer response is fulfilled then, because the run ended after the request came.
    """
    exchange, key = request.exchange, request.exchange.key
    request.record = await self._shared.look_up(exchange, request.scope, flight.records)
    if exchange.action in (HTTP_HIT, HTTP_STALE) and await self._answer(request, collapsed=True):
      return None
    await self._look_again(request, flight)
    return request.exchange.key != key  # that of another variant

  async def _run(
    self,
    exchange: HttpExchange,
    record: Optional[bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
  ) -> None:
    """Runs the application for one request only. Most of their responses are not stored."""
    shared = self._shared
    shared.counters.misses += 1
    number = shared.next_number()
    scope[MARK] = True
    store = shared.store
    is_of_use = record is not None and exchange.forwarded != 'credentials'
    if store.now_ms is not None or is_of_use or exchange.action != HTTP_MISS:
      await Run(shared, self._inner(), exchange, scope, receive, send, record, number).drive()
      return
    rest = shared, exchange, send, record, number, store.epochs.number
    trial = Trial(scope, receive, rest)
    token = CURRENT.set(trial)
    try:
      await self._inner()(
        scope, trial.receive, HttpSend(shared, send, exchange, None, trial, shared.lane)
      )
    finally:
      CURRENT.reset(token)
    if trial.run is not None:
      await trial.run.end()

  async def _lead(self, request: _Request, loop: Loop) -> None:
    """Runs the application in a task, and sends its messages to the client."""
    shared, exchange, scope = self._shared, request.exchange, request.scope
    shared.counters.misses += 1
    scope[MARK] = True
    flight = Flight(loop, exchange.key, shared.next_number())
    run = Run(
      shared,
      self._inner(),
      exchange,
      scope,
      request.receive,
      request.send,
      request.record,
      flight.number,
      flight,
      request.body or b'',
    )
    task = flight.start(run.drive())
    try:
      while True:
        message = await flight.pipe.get()
        if message is None:
          break
        await request.send(message)
    except BaseException:
      await flight.leave()
      raise
    task.result()

  def _refresh(self, request: _Request) -> None:
    """Asks the application for a fresh response in the background, if no one does so already."""
    shared, exchange = self._shared, request.exchange
    loop = shared.loop(get_running_loop())
    if exchange.key in loop.flights or loop.refreshes >= MAX_REFRESHES:
      return
    flight = Flight(loop, exchange.key, shared.next_number(), is_background=True)
    run = refresh(
      *(shared, self.app, exchange, request.record, request.scope, request.body, flight)
    )
    flight.start(run)

  # ---- Requests that pass

  async def _pass(self, exchange: HttpExchange, scope: Scope, receive: Receive, send: Send) -> None:
    """Passes a request on that has a method of the policy but cannot be cached."""
    shared = self._shared
    shared.counters.pass_on(exchange.forwarded)
    await self._run_unstored(scope, receive, HttpSend(shared, send, exchange))

  async def _run_unstored(self, scope: Scope, receive: Receive, send: HttpSend) -> None:
    """Runs the application, whatever policies its routes have."""
    scope[MARK] = True
    if CURRENT.get() is None:
      await self._inner()(scope, receive, send)
      return
    token = CURRENT.set(_IGNORED)
    try:
      await self._inner()(scope, receive, send)
    finally:
      CURRENT.reset(token)

  # ---- Requests whose body is part of the key

  async def _serve_body(self, scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body of a QUERY or POST. One that is too large, or not complete, passes."""
    shared = self._shared
    messages, body = await _read_body(receive, shared.policy.max_body)

    async def replay() -> Message:
      return messages.pop(0) if messages else await receive()

    seen = shared.number
    exchange = HttpExchange(shared.c_policy, scope, body)
    if body is None or exchange.action != HTTP_MISS:
      await self._pass(exchange, scope, replay, send)
      return
    record = await shared.look_up(exchange, scope)
    await self._serve(_Request(exchange, record, seen, scope, replay, send, body))

  # ---- What is not a request, or has a middleware already

  async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
    if scope['type'] != 'lifespan':
      await self.app(scope, receive, send)
      return
    running = get_running_loop()

    async def receive_lifespan() -> Message:
      message = await receive()
      if message['type'] == 'lifespan.shutdown':
        await self._shared.end(running)  # before the application closes what refreshes use
      return message

    token = CURRENT.set(Box(scope))
    try:
      await self.app(scope, receive_lifespan, send)
    finally:
      CURRENT.reset(token)
      await self._shared.end(running)


async def _read_body(receive: Receive, limit: int) -> Tuple[List[Message], Optional[bytes]]:
  """Returns the messages that were read, and the body, or None if it is too large or incomplete."""
  messages: List[Message] = []
  parts: List[bytes] = []
  size = 0
  while True:
    message = await receive()
    messages.append(message)
    if message['type'] != 'http.request':
      return messages, None
    part = message.get('body', b'')
    size += len(part)
    if size > limit:
      return messages, None
    parts.append(part)
    if not message.get('more_body', False):
      return messages, b''.join(parts)
