# SPDX-License-Identifier: MIT
"""One run of the application: sends its messages on, and stores the response.

    WAITING    nothing was sent yet. What comes before the start of the response is sent on.
    HOLDING    the response may be stored. Its start waits for the first part of the body, which
               shows whether the body is complete, so that the response can get an ETag.
    SENDING    the messages are sent on, and copied up to the policy's `max_body`.
    DROPPING   the client has its answer, or the application is asked again. Messages are dropped.
    PASSING    the response is not stored, and no other request waits. Messages are sent on.

A response is stored when its body is complete and clean: it has the announced length, or it is a
single message. Otherwise only the end of the run tells, because a middleware may complete the body
of a handler that has raised, or whose client is gone.
"""

from typing import Any, Awaitable, List, MutableMapping, Optional, Tuple

from .._cachette import (
  HTTP_FRESHEN,
  HTTP_MISS,
  HTTP_PASS,
  HTTP_REFETCH,
  HTTP_STALE,
  HTTP_STORE,
  HttpExchange,
)
from ._answers import (
  IN_304,
  content_length,
  has_etag_of,
  is_events,
  make_etag,
  send_stored,
  without_cache_status,
)
from ._coalescing import FAILED, STORED, UNSHARED, Flight, Message, Receive, Send
from ._plans import CURRENT, Box
from ._servers import Headers
from ._shared import Shared, logger

Scope = MutableMapping[str, Any]

WAITING, HOLDING, SENDING, DROPPING, PASSING = range(5)

# Messages that say nothing about whether the response can be stored.
_HARMLESS = ('http.response.push', 'http.response.debug', 'http.response.early_hint')


class Run:
  """A run of the application for a request.

  exchange: has decided on MISS, REVALIDATE, or on a STALE that needs a refresh.
  record: the stored record that it decided on, or None.
  flight: what others wait for, or None.
  body: that of the request, for a flight.
  """

  # These are attributes of the class because most runs end with the same values.
  _state = WAITING
  _start: Message = None
  _headers: Headers
  _parts: Optional[List[bytes]] = None  # None: the response is not copied
  _size = 0  # of these
  _declared: Optional[int] = None  # the Content-Length
  _is_complete = _is_single = False
  _disconnected = False  # before the response was complete
  _answered = False  # the client has got a 304 meanwhile
  _from_record = False  # the answer is from the store
  _refetch = False  # the application is to be asked again
  _body_given = False
  _received: Tuple[Message, ...] = ()  # the request, as far as the application has read it
  _replayed: Tuple[Message, ...] = ()  # what it reads again when it is asked again
  _unwanted = 0  # bytes that a refresh has sent to no one

  def __init__(
    self,
    shared: Shared,
    app: Any,
    exchange: HttpExchange,
    scope: Scope,
    receive: Receive,
    send: Send,
    record: Optional[bytes],
    number: int,
    flight: Optional[Flight] = None,
    body: bytes = b'',
  ) -> None:
    self._shared = shared
    self._app = app
    self._exchange = exchange
    self._scope = scope
    self._receive = receive
    self._server = send
    self._send = send if flight is None else flight.pipe.put
    self._record = record
    if record is not None:
      self._record_key = exchange.key
    self._number = number
    self._flight = flight
    self._body = body

  @property
  def status(self) -> int:
    """That of the application's response; 0 if there is none."""
    return self._start['status'] if self._start is not None else 0

  async def drive(self) -> None:
    """Runs the application, and again if its first response cannot be used."""
    while True:
      self._epoch = self._shared.store.epochs.number
      self._requested = self._shared.now()
      scope = self._scope
      if self._exchange.action != HTTP_MISS:
        scope = {**scope, 'headers': self._exchange.forward()}
      self._box = Box(scope)
      token = CURRENT.set(self._box)
      try:
        await self._app(scope, self._receive_for_app, self._on_message)
      except Exception as error:
        if not await self._use_stale(error):
          raise
        return
      finally:
        CURRENT.reset(token)
      if not self._refetch:
        break
      self._state, self._refetch, self._is_complete = WAITING, False, False
      self._disconnected = self._body_given = False
      self._replayed = self._received
    await self.end()

  def take_over(self, box: Box, requested: int, epoch: int, disconnected: bool) -> Send:
    """Goes on with a run of the application that another object has begun. Returns what takes its
    messages, from the start of the response on. Call end() when the application has returned.

    requested: when the run began, in milliseconds.
    epoch: the number of the last purge at that time.
    """
    self._box = box
    self._requested = requested
    self._epoch = epoch
    self._disconnected = disconnected
    return self._on_message

  # ---- What the application receives

  async def _receive_for_app(self) -> Message:
    if self._flight is not None:
      return await self._receive_shared(self._flight)
    if self._replayed:
      message, *rest = self._replayed
      self._replayed = tuple(rest)
      return message
    message = await self._receive()
    if message['type'] == 'http.disconnect':
      self.note_disconnect()
    else:
      self._received += (message,)
    return message

  async def _receive_shared(self, flight: Flight) -> Message:
    """A shared run has a request without a body, or whose body is known. Its client is gone when
    those of all requests are."""
    if not self._body_given:
      self._body_given = True
      return {'type': 'http.request', 'body': self._body, 'more_body': False}
    while flight.has_leader and not flight.client_gone:
      message = await self._receive()
      if message['type'] == 'http.disconnect':
        flight.disconnect()
    await flight.abandoned.wait()
    self.note_disconnect()
    return {'type': 'http.disconnect'}

  def note_disconnect(self) -> None:
    """The client is gone."""
    if not self._is_complete:
      self._disconnected = True

  # ---- What the application sends

  def _on_message(self, message: Message) -> Awaitable[None]:
    """The application's `send`. It is no coroutine function, because it costs less so."""
    state = self._state
    if state == PASSING:
      return self._send(message)
    kind = message['type']
    if state == WAITING:
      return self._on_start(message) if kind == 'http.response.start' else self._send(message)
    if state == SENDING:
      return self._on_body(message) if kind == 'http.response.body' else self._on_other(message)
    if state == HOLDING:
      return self._on_held(message)
    return _nothing()

  async def _on_held(self, message: Message) -> None:
    """What follows a start that was held back."""
    kind = message['type']
    if kind == 'http.response.body':
      await self._on_first_body(message)
      return
    if kind not in _HARMLESS:
      await self._send_unstored()
    await self._send(message)

  async def _on_other(self, message: Message) -> None:
    if message['type'] not in _HARMLESS:
      self._give_up('extension')
    await self._send(message)

  async def _on_start(self, message: Message) -> None:
    exchange, status, box = self._exchange, message['status'], self._box
    self._start = message
    self._headers = headers = [*message.get('headers', ())]
    if box.vary:
      headers.append((b'vary', ', '.join(box.vary).encode('ascii')))
    now = self._shared.store.now_ms
    action = exchange.receive(status, headers, -1, self._requested, box.directives(status), now)
    if action == HTTP_STORE and (message.get('trailers') or is_events(headers)):
      action = self._take(status, b'no-store', -1)
    if exchange.invalidates:
      await self._shared.invalidate(exchange)
    if action == HTTP_PASS:
      self._note_unstored(exchange.not_stored, status)
      await self._send(self._make_start())
      if self._flight is None:
        self._state = PASSING
    elif action == HTTP_STORE:
      self._state = HOLDING
      self._declared = content_length(headers)
    elif action == HTTP_REFETCH:
      self._state, self._refetch = DROPPING, True
    elif not await self._answer_from_record(action):  # FRESHEN or STALE
      await self._do_without_record(action)

  def _take(self, status: int, control: bytes, size: int) -> int:
    return self._exchange.receive(
      status, self._headers, size, self._requested, control, self._shared.store.now_ms
    )

  async def _on_first_body(self, message: Message) -> None:
    body, more = message.get('body', b''), message.get('more_body', False)
    status = self._start['status']
    is_whole = len(body) == self._declared if more else self._declared in (None, len(body))
    # An empty one may be the end that a middleware makes for a handler that has raised.
    self._is_single = not more and len(body) > 0
    etag = make_etag(self._shared.policy.etag, self._headers, body) if is_whole else None
    if etag is not None and status == 200:
      self._headers.append((b'etag', etag))
      self._take(status, self._box.directives(status), len(body))
    if self._exchange.action != HTTP_STORE:
      await self._send_unstored()
      await self._send(message)
      return
    self._parts = []
    self._state = SENDING
    if status == 200 and has_etag_of(self._scope, self._headers):
      await self._send_not_modified()
    else:
      await self._send(self._make_start())
    await self._on_body(message)

  async def _on_body(self, message: Message) -> None:
    """Sends a part of the body on and copies it."""
    body, more = message.get('body', b''), message.get('more_body', False)
    if self._is_complete:
      if not self._answered:
        await self._send(message)  # the server says what is wrong
      return
    if self._parts is not None:
      if type(body) is not bytes:  # the application may change it, or use it again
        body = bytes(body)
        message = {**message, 'body': body}
      self._copy(body)
    if not more:
      self._is_complete = True
      if self._parts is not None and not self._is_of_announced_size():
        self._give_up('incomplete')
    if not self._answered:
      await self._send(message)
    if self._parts is None:
      self._count_unwanted(len(body))
    if not more:
      await self._on_complete()

  def _copy(self, body: bytes) -> None:
    assert self._parts is not None
    self._size += len(body)
    if self._size > self._shared.policy.max_body:
      self._give_up('too-large')
    elif body:
      self._parts.append(body)

  def _is_of_announced_size(self) -> bool:
    return self._declared is None or self._declared == self._size

  def _count_unwanted(self, size: int) -> None:
    """Ends a refresh that turns out to be an endless stream."""
    flight = self._flight
    if flight is None or not flight.pipe.closed:
      return
    self._unwanted += size
    if self._unwanted > self._shared.policy.max_body:
      flight.cancel()

  async def _on_complete(self) -> None:
    if self._flight is not None and self._parts is None:
      self._flight.abandoned.set()
    if self._parts is not None and (self._is_single or self._declared is not None):
      await self._store()

  # ---- Sending

  def _make_start(self) -> Message:
    """Returns the start of the application's response, to send it."""
    self._state = SENDING
    message = self._start
    headers = self._exchange.answer(message['status'], self._headers)
    if not self._shared.cache_status:
      headers = without_cache_status(headers)
    return {**message, 'headers': headers}

  async def _send_unstored(self) -> None:
    """Sends a start that was held back, after it turned out that the response is not stored."""
    status, reason = self._start['status'], self._exchange.not_stored
    if self._exchange.action == HTTP_STORE:
      self._take(status, b'no-store', -1)
      reason = 'extension'
    self._note_unstored(reason, status)
    await self._send(self._make_start())

  async def _send_not_modified(self) -> None:
    """Answers a client that has this very response already. The body is still copied."""
    headers = self._exchange.answer(self._start['status'], self._headers)
    if not self._shared.cache_status:
      headers = without_cache_status(headers)
    headers = [each for each in headers if each[0] in IN_304]
    self._answered = True
    await self._send({'type': 'http.response.start', 'status': 304, 'headers': headers})
    await self._send({'type': 'http.response.body', 'body': b'', 'more_body': False})

  async def _answer_from_record(self, action: int) -> bool:
    """Answers from the record that the application has confirmed, or that replaces its error.
    Returns False if its body has disappeared from the store."""
    shared, exchange, flight = self._shared, self._exchange, self._flight
    assert self._record is not None
    parts = await shared.store.fetch_body(self._record_key, self._record)
    if parts is None:
      return False
    self._state, self._from_record = DROPPING, True
    if action == HTTP_FRESHEN:
      shared.counters.revalidated += 1
    if flight is None or not flight.pipe.closed:
      shared.counters.stale += action == HTTP_STALE
      await send_stored(shared, exchange, parts, self._send, server=self._server)
    self._is_complete = True
    if action == HTTP_FRESHEN and not exchange.not_stored and exchange.keep_ms > 0:
      self._parts = list(parts)
      await self._store()
    elif flight is not None:
      flight.settle(FAILED if action == HTTP_STALE else UNSHARED)
      flight.abandoned.set()
    return True

  async def _do_without_record(self, action: int) -> None:
    if action == HTTP_FRESHEN:
      shared = self._shared
      self._exchange = HttpExchange(shared.c_policy, self._scope, self._body or None)
      self._state, self._refetch = DROPPING, True
    else:
      self._note_unstored('origin-error', self._start['status'])
      await self._send(self._make_start())

  # ---- The end of a run

  async def end(self) -> None:
    """The application has returned."""
    if self._state == PASSING:
      return
    if self._state == WAITING:
      await self._use_stale(None)
    elif self._state == HOLDING:
      await self._send_unstored()
    elif self._parts is not None:
      if self._is_complete and not self._disconnected:
        await self._store()
      else:
        self._give_up('incomplete')

  async def _use_stale(self, error: Optional[Exception]) -> bool:
    """The application has failed. Returns whether the client has a stored response instead.

    error: what it has raised. None: it has sent nothing.
    """
    exchange = self._exchange
    if self._state in (WAITING, HOLDING) and exchange.usable_if_error:
      action = exchange.fail(self._shared.store.now_ms)
      if action == HTTP_STALE:
        await self._answer_from_record(action)
    if self._from_record and exchange.action == HTTP_STALE:
      if error is not None:
        logger.error('The application failed. The client got a stale response.', exc_info=error)
      return True
    self._parts = None
    return False

  def _note_unstored(self, reason: str, status: int) -> None:
    """The response is sent on and not stored."""
    shared, flight = self._shared, self._flight
    shared.note_unstored(self._scope, reason)
    if flight is not None:
      flight.pipe.is_recorded = False
      if status < 500 and self._record is None:
        shared.remember_unshared(flight.key)
      flight.settle(UNSHARED)

  def _give_up(self, reason: str) -> None:
    """The response is not stored after all."""
    if self._parts is None:
      return
    self._parts = None
    self._note_unstored(reason, self._start['status'])

  async def _store(self) -> None:
    """Stores the response with the copied body, unless that is outdated."""
    exchange, shared, parts = self._exchange, self._shared, self._parts
    self._parts = None
    assert parts is not None
    key, index_key = exchange.key, exchange.index_key
    try:
      head = exchange.record(parts, self._box.tags, self._epoch)
      index = exchange.index() if exchange.store_index else None
    except ValueError:
      self._settle_unstored(exchange.not_stored or 'too-large')
      return
    if shared.is_overtaken(self._number, key, index_key):
      self._settle_unstored('overtaken')
      return
    shared.mark(key, self._number)
    if shared.unshared:
      shared.unshared.pop(key, None)
      shared.unshared.pop(index_key, None)
    shared.lane.forget(index_key)
    flight = self._flight
    if flight is not None:
      flight.records[key] = b''.join((head, *parts))
      if index is not None:
        flight.records[index_key] = index
    await self._put(key, head, parts, index_key, index)
    if flight is not None:
      flight.settle(STORED)
      flight.abandoned.set()

  async def _put(
    self, key: str, head: bytes, parts: List[bytes], index_key: str, index: Optional[bytes]
  ) -> None:
    exchange, shared = self._exchange, self._shared
    stored = await shared.store.put(key, head, parts, exchange.keep_ms)
    if stored and index is not None:
      stored = await shared.store.put_index(index_key, index)
    if await shared.is_overtaken_elsewhere(self._number, key, index_key):
      shared.counters.pass_on('overtaken')
      await shared.take_back(key, index_key)
    elif stored:
      shared.counters.stored += 1

  def _settle_unstored(self, reason: str) -> None:
    self._parts = None
    self._shared.counters.pass_on(reason)
    if self._flight is not None:
      self._flight.settle(UNSHARED)
      self._flight.abandoned.set()


async def _nothing() -> None:
  """Sends nothing."""
