# SPDX-License-Identifier: MIT
"""A client that calls an ASGI application in this process, message by message."""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type
from urllib.parse import unquote

Message = Dict[str, Any]


class Answer:
  """What an application sent for a request.

  error: the exception that the application raised, or None.
  """

  def __init__(self, messages: List[Message], error: Optional[BaseException] = None) -> None:
    self.messages = messages
    self.error = error

  @property
  def start(self) -> Message:
    (start,) = (each for each in self.messages if each['type'] == 'http.response.start')
    return start

  @property
  def status(self) -> int:
    status: int = self.start['status']
    return status

  @property
  def fields(self) -> List[Tuple[str, str]]:
    return [(name.decode().lower(), value.decode()) for name, value in self.start['headers']]

  def all(self, name: str) -> List[str]:
    """The values of a field, one for each line."""
    return [value for each, value in self.fields if each == name]

  def __getitem__(self, name: str) -> str:
    (value,) = self.all(name)
    return value

  def __contains__(self, name: str) -> bool:
    return bool(self.all(name))

  @property
  def parts(self) -> List[bytes]:
    """The parts of the body that are not empty."""
    bodies = [each for each in self.messages if each['type'] == 'http.response.body']
    return [bytes(each['body']) for each in bodies if each.get('body')]

  @property
  def body(self) -> bytes:
    return b''.join(self.parts)

  @property
  def is_complete(self) -> bool:
    return (
      bool(self.messages)
      and self.messages[-1]['type'] == 'http.response.body'
      and (not self.messages[-1].get('more_body', False))
    )

  @property
  def is_hit(self) -> bool:
    """Whether it says that it is from the store."""
    return 'hit' in self['cache-status'].replace(',', ';').replace(' ', '').split(';')

  def __repr__(self) -> str:
    return f'{self.messages} {self.error!r}'


class Exchange:
  """A request that is under way. Its messages arrive one by one."""

  def __init__(self, app: Any, scope: Dict[str, Any], body: bytes = b'') -> None:
    self.answer = Answer([])
    self.scope = scope
    self._requests: List[Message] = [{'type': 'http.request', 'body': body, 'more_body': False}]
    self._gone = asyncio.Event()
    self._news = asyncio.Event()
    self.task = asyncio.ensure_future(self._run(app))

  async def _run(self, app: Any) -> None:
    try:
      await app(self.scope, self._receive, self._send)
    except Exception as error:
      self.answer.error = error
    finally:
      self._news.set()

  async def _receive(self) -> Message:
    if self._requests:
      return self._requests.pop()
    await self._gone.wait()
    return {'type': 'http.disconnect'}

  async def _send(self, message: Message) -> None:
    if not self._gone.is_set():  # servers ignore messages for a client that has gone
      self.answer.messages.append(dict(message))
    if message['type'] == 'http.response.body' and not message.get('more_body', False):
      self._gone.set()  # to the application that is the same
    self._news.set()
    await asyncio.sleep(0)

  def disconnect(self) -> None:
    self._gone.set()

  async def wait_for_parts(self, count: int) -> None:
    """Waits until so many parts of the body have arrived."""
    while len(self.answer.parts) < count:
      assert not self.task.done(), self.answer
      self._news.clear()
      await asyncio.wait_for(self._news.wait(), 10)

  async def wait(self) -> Answer:
    """Waits until the application has returned."""
    await asyncio.wait_for(asyncio.shield(self.task), 20)
    return self.answer


class Client:
  """Makes requests to an application, and runs its lifespan in a with statement."""

  def __init__(self, app: Any) -> None:
    self.app = app
    self._inbox: asyncio.Queue[Message] = asyncio.Queue()
    self._outbox: asyncio.Queue[Message] = asyncio.Queue()

  async def __aenter__(self) -> 'Client':
    scope: Dict[str, Any] = {'type': 'lifespan', 'asgi': {'version': '3.0'}, 'state': {}}
    self._lifespan = asyncio.ensure_future(self.app(scope, self._inbox.get, self._outbox.put))
    await self._signal('startup')
    return self

  async def __aexit__(
    self,
    kind: Optional[Type[BaseException]],
    error: Optional[BaseException],
    traceback: Optional[TracebackType],
  ) -> None:
    await self._signal('shutdown')
    with contextlib.suppress(asyncio.CancelledError):
      await asyncio.wait_for(self._lifespan, 20)

  async def _signal(self, name: str) -> None:
    self._inbox.put_nowait({'type': f'lifespan.{name}'})
    message = await asyncio.wait_for(self._outbox.get(), 20)
    assert message['type'] == f'lifespan.{name}.complete', message

  def begin(
    self,
    method: str,
    target: str,
    headers: Optional[Mapping[str, str]] = None,
    body: bytes = b'',
    extensions: Optional[Dict[str, Any]] = None,
  ) -> Exchange:
    """Sends a request, and does not wait for the answer."""
    raw_path, _, query = target.partition('?')
    fields = {'host': 'example.com', **(headers or {})}
    if body:
      fields['content-length'] = str(len(body))
    scope = {
      'type': 'http',
      'asgi': {'version': '3.0', 'spec_version': '2.3'},
      'http_version': '1.1',
      'method': method,
      'scheme': 'http',
      'path': unquote(raw_path),
      'raw_path': raw_path.encode(),
      'query_string': query.encode(),
      'root_path': '',
      'headers': [(name.lower().encode(), value.encode()) for name, value in fields.items()],
      'server': ('example.com', 80),
      'client': ('127.0.0.1', 1),
      'state': {},
      'extensions': extensions or {},
    }
    return Exchange(self.app, scope, body)

  async def request(self, method: str, target: str, **how: Any) -> Answer:
    return await self.begin(method, target, **how).wait()

  async def get(self, target: str, **headers: str) -> Answer:
    """Sends GET. Keywords are fields, with `_` for `-`."""
    fields = {name.replace('_', '-'): value for name, value in headers.items()}
    return await self.request('GET', target, headers=fields)
