# SPDX-License-Identifier: MIT
"""Bodies on their way through CacheMiddleware: what is sent on, and what is stored of it."""

import asyncio
import tracemalloc
from typing import Any, Dict, List, Tuple

import pytest
from asgi import (
  FRESH,
  App,
  Broken,
  Client,
  Message,
  Response,
  Wrap,
  get,
  in_loop,
  make_scope,
  send_body,
  stats_of,
  turns,
)
from conftest import on_stores

# ---- Streams


@on_stores
@pytest.mark.parametrize('headers', [FRESH, {}], ids=['stored', 'passed'])
@in_loop
async def test_a_stream_is_sent_on_at_once(wrap: Wrap, headers: Dict[str, str]) -> None:
  client: Client

  class Stream(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      for i in range(3):
        await send({'type': 'http.response.body', 'body': b'%d' % i, 'more_body': i < 2})
        await turns(5)
        assert len(client.messages) == i + 2

  cached = wrap(Stream(headers, length=-1))
  client = Client(cached, make_scope())
  assert (await client.run()).body == b'012'
  assert (await get(cached)).is_hit == bool(headers) if headers else True


@in_loop
async def test_a_body_is_stored_up_to_max_body(wrap: Wrap) -> None:
  for size, stored in ((100, True), (101, False)):
    for parts in ([b'a' * size], [b'a' * (size - 1), b'a']):
      for length in (None, -1):
        cached = wrap(App(FRESH, parts, length=length), max_body=100)
        path = f'/{size}/{len(parts)}/{length}'
        assert (await get(cached, path)).body == b'a' * size
        assert (await get(cached, path)).is_hit == stored


class Wrong(App):
  """Ends its body before the announced length, or after it."""


@pytest.mark.parametrize('length', [4, 6, 10**6])
@pytest.mark.parametrize('parts', [[b'hello'], [b'hel', b'lo']], ids=['one', 'two'])
@in_loop
async def test_a_body_of_another_length_than_announced_is_not_stored(
  wrap: Wrap, parts: List[bytes], length: int
) -> None:
  cached = wrap(App(FRESH, parts, length=length))
  assert (await get(cached)).body == b'hello'
  assert not (await get(cached)).is_hit


@in_loop
async def test_a_chunk_may_be_a_bytearray_that_the_application_uses_again(wrap: Wrap) -> None:
  class Reusing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      buffer = bytearray(b'one')
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': buffer, 'more_body': True})
      await turns()
      buffer[:] = b'two'
      await send({'type': 'http.response.body', 'body': memoryview(buffer)})

  cached = wrap(Reusing(FRESH, length=6))
  await get(cached)
  assert (await get(cached)).body == b'onetwo'


@in_loop
async def test_headers_may_be_an_iterator(wrap: Wrap) -> None:
  class Iterator(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      headers = ([name, value] for name, value in [(b'Cache-Control', b'max-age=60')])
      await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
      await send({'type': 'http.response.body', 'body': b'hello'})

  cached = wrap(Iterator())
  assert (await get(cached))['cache-control'] == 'max-age=60'
  assert (await get(cached)).is_hit


@pytest.mark.parametrize('headers', [FRESH, {}], ids=['stored', 'passed'])
@in_loop
async def test_a_stream_of_1_gb_passes_with_little_memory(
  wrap: Wrap, headers: Dict[str, str]
) -> None:
  """Also to a client that is slow, and with the default policy."""
  chunk, count = b'a' * 65536, 16384

  class Large(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      for i in range(count):
        body = bytearray(chunk)  # a new one, so that it counts if it is kept
        await send({'type': 'http.response.body', 'body': body, 'more_body': i < count - 1})

  got = 0

  class Sink(Client):
    async def send(self, message: Message) -> None:
      nonlocal got
      if got % 1000 == 0:
        await turns(10)
      got += len(message.get('body', b''))

  app = wrap(Large(headers, length=-1))
  await get(wrap(App()), '/other')  # what is made once
  tracemalloc.start()
  try:
    await app(make_scope(), Client(app, make_scope()).receive, Sink(app, make_scope()).send)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert got == len(chunk) * count
  assert peak <= 2 << 20


@in_loop
async def test_a_client_that_does_not_read_stops_the_application(wrap: Wrap) -> None:
  """After what may be stored was copied, the application goes on as fast as the client."""
  sent = 0
  read = asyncio.Event()

  class Endless(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      nonlocal sent
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      while True:
        await send({'type': 'http.response.body', 'body': b'a' * 100, 'more_body': True})
        sent += 1

  async def block(message: Message) -> None:
    await read.wait()

  cached = wrap(Endless(FRESH, length=-1), max_body=1000)
  task = Client(cached, make_scope(), on_message=block).start()
  await turns(200)
  assert sent == 10
  await turns(200)
  assert sent == 10
  task.cancel()
  await asyncio.wait([task])


# ---- What is not clean is not stored


@in_loop
async def test_a_response_whose_application_raises_is_not_stored(wrap: Wrap) -> None:
  class Raising(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      if scope['path'] != '/start':
        await send({'type': 'http.response.body', 'body': b'a', 'more_body': True})
      raise Broken

  app = Raising(FRESH, length=-1)
  cached = wrap(app)
  for path in ('/start', '/body'):
    for runs in (1, 2):
      with pytest.raises(Broken):
        await get(cached, path)
    assert app.runs == 2
    app.runs = 0


@in_loop
async def test_a_response_that_another_middleware_completes_is_not_stored(wrap: Wrap) -> None:
  """BaseHTTPMiddleware of Starlette ends the body when the handler raises, then raises."""

  class Completing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      if scope['path'] == '/two':
        await send({'type': 'http.response.body', 'body': b'half of it', 'more_body': True})
      await send({'type': 'http.response.body', 'body': b'', 'more_body': False})
      raise Broken

  cached = wrap(Completing(FRESH, length=-1))
  for path in ('/two', '/one'):
    for _ in range(2):
      client = Client(cached, make_scope(path))
      with pytest.raises(Broken):
        await client.run()
      assert not Response(client.messages).is_hit


@in_loop
async def test_a_response_that_a_disconnect_has_cut_is_not_stored(wrap: Wrap) -> None:
  """BaseHTTPMiddleware ends the body, too, when the client disconnects, and returns."""

  class Cut(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': b'half of it', 'more_body': True})
      while (await receive())['type'] != 'http.disconnect':
        pass
      if scope['path'] == '/ended':
        await send({'type': 'http.response.body', 'body': b'', 'more_body': False})

  cached = wrap(Cut(FRESH, length=-1))
  for path in ('/ended', '/open'):
    for policy in ({}, {'if-none-match': '"x"'}):  # with a task of its own, and without
      for _ in range(2):
        client = Client(cached, make_scope(path, policy))
        task = client.start()
        await turns()
        client.gone.set()
        assert not (await task).is_hit


@in_loop
async def test_a_cancelled_response_is_not_stored(wrap: Wrap) -> None:
  class Slow(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': b'half of it', 'more_body': True})
      await asyncio.Event().wait()

  app = Slow(FRESH, length=-1)
  cached = wrap(app)
  for headers in ({}, {'if-none-match': '"x"'}):
    for _ in range(2):
      client = Client(cached, make_scope('/', headers))
      task = client.start()
      await turns()
      assert client.messages
      task.cancel()
      with pytest.raises(asyncio.CancelledError):
        await task
  assert (app.runs, app.cancelled, app.active) == (4, 4, 0)


@in_loop
async def test_an_application_that_sends_nothing_is_left_to_the_server(wrap: Wrap) -> None:
  async def nothing(scope: Any, receive: Any, send: Any) -> None:
    pass

  assert (await get(wrap(nothing))).messages == []


@in_loop
async def test_exceptions_are_raised_to_the_server(wrap: Wrap) -> None:
  async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise Broken('why')

  for headers in ({}, {'cookie': 'a=b'}, {'if-none-match': '"x"'}):
    with pytest.raises(Broken, match='why'):
      await get(wrap(broken), '/', headers)


# ---- What passes untouched


class Sends:
  """Sends messages that were given."""

  def __init__(self, *messages: Message) -> None:
    self.messages = messages
    self.runs = 0

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    self.runs += 1
    for message in self.messages:
      await send(message)


def _start(*headers: Tuple[bytes, bytes], **more: Any) -> Message:
  fields = [(b'cache-control', b'max-age=60'), *headers]
  return {'type': 'http.response.start', 'status': 200, 'headers': fields, **more}


_BODY = {'type': 'http.response.body', 'body': b'hello', 'more_body': False}

UNTOUCHED: Dict[str, Tuple[Message, ...]] = {
  'server-sent events': (
    _start((b'content-type', b'text/event-stream; charset=utf-8')),
    {'type': 'http.response.body', 'body': b'data: 1\n\n', 'more_body': True},
    {'type': 'http.response.body', 'body': b'data: 2\n\n', 'more_body': False},
  ),
  'trailers': (
    _start(trailers=True),
    _BODY,
    {'type': 'http.response.trailers', 'headers': [(b'a', b'b')], 'more_trailers': False},
  ),
  'pathsend': (_start(), {'type': 'http.response.pathsend', 'path': '/a/file'}),
  'zerocopysend': (
    _start((b'content-length', b'5')),
    {'type': 'http.response.zerocopysend', 'file': 3, 'more_body': False},
  ),
}


@pytest.mark.parametrize('messages', UNTOUCHED.values(), ids=list(UNTOUCHED))
@in_loop
async def test_extensions_pass_untouched(wrap: Wrap, messages: Tuple[Message, ...]) -> None:
  app = Sends(*messages)
  cached = wrap(app)
  for _ in range(2):
    response = await get(cached)
    start = response.messages[0]
    assert start['headers'][:-1] == messages[0]['headers']
    assert {**start, 'headers': messages[0]['headers']} == messages[0]
    assert response.messages[1:] == list(messages[1:])
    assert 'stored' not in response.cache_status
  assert app.runs == 2


@in_loop
async def test_early_hints_pass_and_the_response_is_stored(wrap: Wrap) -> None:
  hint = {'type': 'http.response.early_hint', 'links': [b'</a.css>; rel=preload']}
  push = {'type': 'http.response.push', 'path': '/a', 'headers': []}
  app = Sends(hint, push, _start(), push, _BODY)
  cached = wrap(app)
  first = await get(cached)
  assert [each['type'] for each in first.messages] == [
    'http.response.early_hint',
    'http.response.push',
    'http.response.push',
    'http.response.start',
    'http.response.body',
  ]
  assert (await get(cached)).body == b'hello'
  assert app.runs == 1


@in_loop
async def test_events_reach_the_client_one_by_one(wrap: Wrap) -> None:
  """The start, too, although no event follows for long."""

  class Events(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await go.wait()

  go = asyncio.Event()
  client = Client(wrap(Events({**FRESH, 'content-type': 'text/event-stream'})), make_scope())
  task = client.start()
  await turns()
  assert len(client.messages) == 1
  go.set()
  await task


@in_loop
async def test_websockets_pass(wrap: Wrap) -> None:
  seen = []

  async def app(scope: Any, receive: Any, send: Any) -> None:
    seen.extend((scope, receive, send))

  client = Client(app, {'type': 'websocket', 'path': '/'})
  await wrap(app)(client.scope, client.receive, client.send)
  assert seen[0] is client.scope
  assert seen[1:] == [client.receive, client.send]


@in_loop
async def test_other_requests_pass_with_their_body(wrap: Wrap) -> None:
  class Echo(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.parts, more = [], True
      while more:
        message = await receive()
        self.parts.append(message['body'])
        more = message['more_body']
      await super().respond(scope, receive, send)

  app = Echo(FRESH)
  cached = wrap(app)
  for method in ('POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PURGE', 'get'):
    for _ in range(2):
      response = await send_body(cached, method, body=[b'a', b'b', b'c'])
      assert (response.body, response.is_hit) == (b'abc', False)
  assert app.runs == 16


@in_loop
async def test_an_application_can_listen_for_the_end_of_the_client(wrap: Wrap) -> None:
  """Streams in Starlette do so while they send."""
  seen: List[str] = []

  class Stream(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      listener = asyncio.ensure_future(self.listen(receive))
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      while not listener.done():
        await send({'type': 'http.response.body', 'body': b'a', 'more_body': True})
        await turns(1)

    async def listen(self, receive: Any) -> None:
      while True:
        message = await receive()
        seen.append(message['type'])
        if message['type'] == 'http.disconnect':
          return

  for headers in (FRESH, {}):
    for cookie in ({}, {'cookie': 'a=b'}):
      seen.clear()
      client = Client(wrap(Stream(headers, length=-1)), make_scope('/', cookie))
      task = client.start()
      await turns(50)
      client.gone.set()
      await task
      assert seen == ['http.request', 'http.disconnect']


@in_loop
async def test_the_end_of_a_response_is_a_disconnect(wrap: Wrap) -> None:
  """Servers tell it, so that listeners end."""
  seen = []

  class Listens(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await super().respond(scope, receive, send)
      seen.append((await receive())['type'])
      seen.append((await receive())['type'])

  await get(wrap(Listens(FRESH)), '/stored')
  await get(wrap(Listens()), '/passed')
  assert seen == ['http.request', 'http.disconnect'] * 2


# ---- Background tasks of the application


@on_stores
@in_loop
async def test_background_tasks_do_not_delay_storing(wrap: Wrap) -> None:
  end = asyncio.Event()

  class Background(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await super().respond(scope, receive, send)
      await end.wait()

  for parts in ([b'hello'], [b'hel', b'lo'], [b'hello', b'']):
    end.clear()
    app = Background(FRESH, parts)
    cached = wrap(app)
    path = f'/{len(parts)}/{parts[-1].decode()}'
    client = Client(cached, make_scope(path))
    task = client.start()
    while app.runs == 0 or not client.gone.is_set() or stats_of(cached).stored == 0:
      await asyncio.sleep(0.001)
    response = await asyncio.wait_for(get(cached, path), 5)
    assert (response.body, response.is_hit, app.runs) == (b'hello', True, 1)
    assert not task.done()
    end.set()
    await task
    cached._shared.counters.reset()


@in_loop
async def test_an_error_in_a_background_task_does_not_undo_the_response(wrap: Wrap) -> None:
  class Background(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await super().respond(scope, receive, send)
      raise Broken

  cached = wrap(Background(FRESH))
  client = Client(cached, make_scope())
  with pytest.raises(Broken):
    await client.run()
  assert Response(client.messages).is_complete
  assert (await get(cached)).is_hit
