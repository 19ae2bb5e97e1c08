# SPDX-License-Identifier: MIT
"""Shared by the tests of HTTP caching: applications, clients, and requests without a server."""

import asyncio
import functools
import time
from typing import Any, Awaitable, Callable, Dict, Iterable, List, Optional, Tuple, Type, Union

import pytest
from cachette import Cachette
from cachette.http import CacheMiddleware, HttpStats

Message = Dict[str, Any]
Headers = List[Tuple[bytes, bytes]]
Wrap = Callable[..., CacheMiddleware]
HeadersLike = Union[Dict[str, str], Iterable[Tuple[str, str]]]


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
  """Runs a test in an event loop, and checks that it leaves no task."""

  @functools.wraps(test)
  def run(*args: Any, **kwargs: Any) -> None:
    async def main() -> None:
      await asyncio.wait_for(test(*args, **kwargs), 60)
      assert await left_tasks() == []

    asyncio.run(main())

  return run


async def left_tasks() -> List[str]:
  """The other tasks of the loop, after they had some turns to end."""
  others = set()
  for _ in range(20):
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if not others:
      break
    await asyncio.sleep(0)
  return [repr(task) for task in others]


async def turns(count: int = 20) -> None:
  """Lets the other tasks go on until they wait for something else than the loop."""
  for _ in range(count):
    await asyncio.sleep(0)


def encode(headers: HeadersLike) -> Headers:
  pairs = headers.items() if isinstance(headers, dict) else headers
  return [(name.lower().encode('latin-1'), value.encode('latin-1')) for name, value in pairs]


def make_scope(
  path: str = '/', headers: HeadersLike = (), method: str = 'GET', **more: Any
) -> Dict[str, Any]:
  raw_path, _, query = path.partition('?')
  fields = encode(headers)
  if not any(name == b'host' for name, _ in fields):
    fields.insert(0, (b'host', b'example.com'))
  return {
    'type': 'http',
    'asgi': {'version': '3.0', 'spec_version': '2.3'},
    'http_version': '1.1',
    'method': method,
    'scheme': 'http',
    'path': raw_path,
    'raw_path': raw_path.encode('latin-1'),
    'query_string': query.encode('latin-1'),
    'root_path': '',
    'headers': fields,
    'client': ('127.0.0.1', 50000),
    'server': ('127.0.0.1', 80),
    **more,
  }


class Response:
  """The messages that a client got, as a response."""

  def __init__(self, messages: List[Message]) -> None:
    self.messages = messages

  @property
  def start(self) -> Message:
    starts = [each for each in self.messages if each['type'] == 'http.response.start']
    assert len(starts) == 1, self.messages
    return starts[0]

  @property
  def status(self) -> int:
    status: int = self.start['status']
    return status

  @property
  def body(self) -> bytes:
    bodies = [each for each in self.messages if each['type'] == 'http.response.body']
    return b''.join(bytes(each.get('body', b'')) for each in bodies)

  @property
  def is_complete(self) -> bool:
    """Whether exactly one body message is the last, and is at the end."""
    bodies = [each for each in self.messages if each['type'] == 'http.response.body']
    ends = [each for each in bodies if not each.get('more_body', False)]
    return len(ends) == 1 and ends[0] is bodies[-1]

  def all(self, name: str) -> List[str]:
    headers = self.start['headers']
    return [value.decode('latin-1') for key, value in headers if key == name.encode()]

  def __getitem__(self, name: str) -> Optional[str]:
    values = self.all(name)
    return ', '.join(values) if values else None

  @property
  def cache_status(self) -> str:
    return self['cache-status'] or ''

  @property
  def is_hit(self) -> bool:
    return ';hit' in self.cache_status


class Client:
  """A client of an application, and the server between.

  body: the parts of the request's body.
  on_message: is awaited with each message before it is taken.
  """

  def __init__(
    self,
    app: Any,
    scope: Dict[str, Any],
    body: Iterable[bytes] = (b'',),
    on_message: Optional[Callable[[Message], Awaitable[None]]] = None,
  ) -> None:
    self.app = app
    self.scope = scope
    self.parts = list(body)
    self.messages: List[Message] = []
    self.gone = asyncio.Event()
    self.received = 0  # calls of receive() that have returned
    self._on_message = on_message

  async def receive(self) -> Message:
    if self.parts:
      part = self.parts.pop(0)
      self.received += 1
      return {'type': 'http.request', 'body': part, 'more_body': bool(self.parts)}
    await self.gone.wait()
    self.received += 1
    return {'type': 'http.disconnect'}

  async def send(self, message: Message) -> None:
    if self._on_message is not None:
      await self._on_message(message)
    self.messages.append(message)
    if message['type'] == 'http.response.body' and not message.get('more_body', False):
      self.gone.set()  # servers say so when the response is complete

  async def run(self) -> Response:
    await self.app(self.scope, self.receive, self.send)
    return Response(self.messages)

  def start(self) -> 'asyncio.Task[Response]':
    return asyncio.get_running_loop().create_task(self.run())


async def get(app: Any, path: str = '/', headers: HeadersLike = (), **more: Any) -> Response:
  return await Client(app, make_scope(path, headers, **more)).run()


async def send_body(
  app: Any, method: str, path: str = '/', body: Iterable[bytes] = (b'',), headers: HeadersLike = ()
) -> Response:
  return await Client(app, make_scope(path, headers, method), body).run()


class App:
  """An application that sends the same response again and again, and counts its runs.

  parts: of the body; `b''.join(parts)` is the whole. One part is sent as one message.
  length: the Content-Length. None: that of the body; -1: none.
  gate: if set, each run waits for it before it sends anything.
  """

  def __init__(
    self,
    headers: HeadersLike = (),
    parts: Iterable[bytes] = (b'hello',),
    status: int = 200,
    length: Optional[int] = None,
  ) -> None:
    self.headers = list(headers.items() if isinstance(headers, dict) else headers)
    self.parts = list(parts)
    self.status = status
    self.length = length
    self.runs = 0
    self.active = 0
    self.cancelled = 0
    self.scopes: List[Dict[str, Any]] = []
    self.gate: Optional[asyncio.Event] = None

  def all_headers(self) -> Headers:
    length = sum(map(len, self.parts)) if self.length is None else self.length
    own = [] if length < 0 else [('content-length', str(length))]
    return encode([*own, *self.headers])

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    self.runs += 1
    self.active += 1
    self.scopes.append(scope)
    try:
      if self.gate is not None:
        await self.gate.wait()
      await self.respond(scope, receive, send)
    except asyncio.CancelledError:
      self.cancelled += 1
      raise
    finally:
      self.active -= 1

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    parts = self.parts  # of this run
    await send(
      {'type': 'http.response.start', 'status': self.status, 'headers': self.all_headers()}
    )
    for i, part in enumerate(parts):
      more = i < len(parts) - 1
      await send({'type': 'http.response.body', 'body': part, 'more_body': more})


FRESH = {'cache-control': 'max-age=60'}


class Broken(Exception):
  """What an application raises in a test."""


# ---- The middleware


def class_of(cached: CacheMiddleware) -> Type[Cachette]:
  return cached._shared.cls


def stats_of(cached: CacheMiddleware) -> HttpStats:
  stats = class_of(cached).stats().http
  assert stats is not None
  return stats


def stop_clock(cached: CacheMiddleware, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
  """Stops the clock of HTTP; returns a function that moves it."""
  config = cached._shared.cls._config
  stopped = config.stopped_ms() or 0
  config.advance(int(time.time() * 1000) - stopped)

  def advance(seconds: float) -> None:
    config.advance(int(seconds * 1000))

  return advance
