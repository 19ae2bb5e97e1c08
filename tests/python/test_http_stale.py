# SPDX-License-Identifier: MIT
"""Stale responses: the application fails, or makes a fresh one in the background."""

import asyncio
import contextvars
import logging
from typing import Any, Dict, List, Tuple

import pytest
from asgi import (
  App,
  Broken,
  Client,
  Message,
  Wrap,
  class_of,
  get,
  in_loop,
  make_scope,
  send_body,
  stats_of,
  stop_clock,
  turns,
)
from conftest import on_stores

# ---- Stale responses


class Flaky(App):
  """Works until `fails` is set: then it fails in that way."""

  fails = ''

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    if self.fails == 'raises':
      raise Broken
    if self.fails == 'raises after the start':
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      raise Broken
    if self.fails == 'sends nothing':
      return
    if self.fails.startswith('500'):
      await send({'type': 'http.response.start', 'status': 500, 'headers': []})
      await send({'type': 'http.response.body', 'body': b'failed'})
      if self.fails.endswith('raises'):
        raise Broken
      return
    await super().respond(scope, receive, send)


FAILURES = ['raises', 'raises after the start', 'sends nothing', '500', '500, then raises']


@on_stores
@pytest.mark.parametrize('fails', FAILURES)
@in_loop
async def test_a_stale_response_replaces_a_failure(
  wrap: Wrap, fails: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
  app = Flaky({'cache-control': 'max-age=60, stale-if-error=600', 'etag': '"1"'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  app.fails = fails
  for headers in ({}, {'range': 'bytes=0-1'}):
    with caplog.at_level(logging.ERROR, 'cachette.http'):
      response = await get(cached, '/', headers)
    assert (response.status, response.is_complete) == (206 if headers else 200, True)
    assert response.body == (b'he' if headers else b'hello')
    assert response['age'] == '61'
  raised = [record.exc_info for record in caplog.records if record.exc_info]
  assert (Broken in [info[0] for info in raised]) == ('raises' in fails)
  assert stats_of(cached).stale == 2
  advance(601)
  if 'raises' in fails:
    with pytest.raises(Broken):
      await get(cached)
  else:
    assert (await get(cached)).messages in ([], (await get(cached)).messages)


@on_stores
@in_loop
async def test_a_stale_response_is_refreshed_in_the_background_once(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = App({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  app.parts, app.gate = [b'newer'], asyncio.Event()
  for _ in range(5):
    response = await get(cached)
    assert (response.body, response['age']) == (b'hello', '61')
    await turns()
  assert app.active == 1
  app.gate.set()
  while app.active or stats_of(cached).stored < 2:
    await asyncio.sleep(0.001)
  assert (await get(cached)).body == b'newer'
  assert (app.runs, stats_of(cached).stale) == (2, 5)


@in_loop
async def test_a_refresh_has_its_own_request_and_context(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  variable: contextvars.ContextVar[str] = contextvars.ContextVar('variable')
  seen = []

  class Seeing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      seen.append((dict(scope['headers']), variable.get(), (await receive())['type']))
      assert len(seen) == 1 or 'extensions' not in scope, 'nobody would read a file'
      variable.set('changed')
      await super().respond(scope, receive, send)

  app = Seeing({'cache-control': 'max-age=60, stale-while-revalidate=600', 'etag': '"1"'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  variable.set('server')
  await get(cached)
  advance(61)
  wishes = {'range': 'bytes=0-1', 'if-none-match': '"9"', 'x-own': 'a'}
  scope = make_scope('/', wishes, extensions={'http.response.pathsend': {}})
  response = await Client(cached, scope).run()
  variable.set('the next request')
  await turns()
  headers, value, kind = seen[1]
  assert (response.status, value, kind) == (206, 'server', 'http.request')
  assert headers[b'if-none-match'] == b'"1"', 'that of the stored response'
  assert b'range' not in headers
  assert headers[b'x-own'] == b'a'
  assert scope['headers'] == make_scope('/', wishes)['headers']


@in_loop
async def test_a_refresh_that_fails_is_logged(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
  app = Flaky({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  app.fails = 'raises'
  await get(cached)
  await turns()
  assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [Broken]
  assert (await get(cached)).body == b'hello', 'it is still served'


@in_loop
async def test_a_refresh_that_has_become_an_endless_stream_ends(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = App({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app, max_body=1000)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)

  async def endless(scope: Any, receive: Any, send: Any) -> None:
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    while True:
      await send({'type': 'http.response.body', 'body': b'a' * 100, 'more_body': True})
      await turns(1)

  monkeypatch.setattr(cached, 'app', endless, raising=False)
  await get(cached)
  await turns(50)  # then no task is left, see in_loop()


class Lifespan:
  """The lifespan of an application, from outside."""

  def __init__(self, app: Any) -> None:
    self.incoming: asyncio.Queue[Message] = asyncio.Queue()
    self.outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {'type': 'lifespan', 'asgi': {'version': '3.0'}, 'state': {}}
    self.task = asyncio.ensure_future(app(scope, self.incoming.get, self.outgoing.put))

  async def tell(self, phase: str) -> Message:
    await self.incoming.put({'type': f'lifespan.{phase}'})
    return await self.outgoing.get()


@in_loop
async def test_refreshes_end_with_the_lifespan(wrap: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
  order = []

  class Live(App):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
      if scope['type'] == 'lifespan':
        for phase in ('startup', 'shutdown'):
          await receive()
          order.append(phase)
          await send({'type': f'lifespan.{phase}.complete'})
        return
      await super().__call__(scope, receive, send)

    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if self.runs > 1:
        try:
          await asyncio.Event().wait()
        finally:
          await turns(3)
          order.append('refresh')
      await super().respond(scope, receive, send)

  app = Live({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app)
  lifespan = Lifespan(cached)
  assert (await lifespan.tell('startup'))['type'] == 'lifespan.startup.complete'
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  await get(cached)
  await turns()
  assert app.active == 1
  assert (await lifespan.tell('shutdown'))['type'] == 'lifespan.shutdown.complete'
  await lifespan.task
  assert order == ['startup', 'refresh', 'shutdown']


@in_loop
async def test_refreshes_end_with_the_lifespan_of_the_class(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  """For frameworks whose middlewares do not see the lifespan."""
  app = App({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  async with class_of(cached).lifespan():
    app.gate = asyncio.Event()
    await get(cached)
    await turns()
    assert app.active == 1
  assert (app.active, app.cancelled) == (0, 1)


# ---- A refresh is a request of the cache, not of the client

STALE = {'cache-control': 'public, max-age=60, stale-while-revalidate=600'}


class Seen(App):
  """Remembers what it was asked, and answers with what `answer` makes of it."""

  def __init__(self, headers: Any = STALE) -> None:
    super().__init__(headers)
    self.asked: List[Dict[str, Any]] = []

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    body = (await receive()).get('body')
    self.asked.append({**dict(scope['headers']), 'method': scope['method'], 'body': body})
    self.parts = [b'run %d' % self.runs]
    if self.refuses(self.asked[-1]):
      await send({'type': 'http.response.start', 'status': 401, 'headers': []})
      await send({'type': 'http.response.body', 'body': b'who?'})
      return
    await super().respond(scope, receive, send)

  def refuses(self, asked: Dict[str, Any]) -> bool:
    return False


async def until_stored(cached: Any, count: int) -> None:
  for _ in range(2000):
    if stats_of(cached).stored >= count:
      return
    await asyncio.sleep(0.001)
  raise AssertionError(stats_of(cached))


@on_stores
@pytest.mark.parametrize('vary', [{}, {'vary': 'x-own'}])
@in_loop
async def test_a_head_that_gets_a_stale_response_refreshes_it(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, vary: Dict[str, str]
) -> None:
  app = Seen({**STALE, **vary})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  response = await get(cached, method='HEAD')
  assert (response.body, response['age']) == (b'', '61')
  await until_stored(cached, 2)
  assert app.asked[1]['method'] == 'GET'
  assert (await get(cached)).body == b'run 2'
  assert app.runs == 2


@on_stores
@pytest.mark.parametrize('method', ['QUERY', 'POST'])
@in_loop
async def test_a_refresh_has_the_body_that_is_in_the_key(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
  app = Seen()
  cached = wrap(app, methods=['GET', method])
  advance = stop_clock(cached, monkeypatch)
  fields = {'content-type': 'text/plain'}
  await send_body(cached, method, body=[b'que', b'stion'], headers=fields)
  advance(61)
  await send_body(cached, method, body=[b'question'], headers=fields)
  await until_stored(cached, 2)
  assert (app.asked[1]['method'], app.asked[1]['body']) == (method, b'question')


CLIENTS: Dict[str, Tuple[Dict[str, Any], Dict[str, str], Dict[str, str]]] = {
  'a session': ({}, {'cookie': 'session=1'}, {}),
  'a token': ({}, {'authorization': 'Bearer 1'}, {}),
  'a session and a cookie of the key': (
    {'key_cookies': ['language']},
    {'cookie': 'session=1; language=de; other=2'},
    {'cookie': 'language=de'},
  ),
  'cookies that the policy trusts': ({'trust_cookies': True}, {'cookie': 'theme=dark'}, {}),
  'a private cache': (
    {'shared': False},
    {'cookie': 'session=1', 'authorization': 'Bearer 1'},
    {'cookie': 'session=1', 'authorization': 'Bearer 1'},
  ),
  'wishes for caches': (
    {},
    {'cache-control': 'max-stale=5', 'pragma': 'no-cache', 'range': 'bytes=0-1', 'if-range': '"1"'},
    {},
  ),
  'what it has': (
    {},
    {'if-none-match': '"9"', 'if-modified-since': 'Sat, 29 Oct 1994 19:43:31 GMT'},
    {},
  ),
}
OWN = ('authorization', 'cache-control', 'cookie', 'if-modified-since', 'if-none-match', 'pragma')


@on_stores
@pytest.mark.parametrize('name', CLIENTS)
@in_loop
async def test_a_refresh_does_not_tell_who_the_client_is(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
  policy, sent, kept = CLIENTS[name]
  app = Seen()
  cached = wrap(app, etag='none', **policy)
  advance = stop_clock(cached, monkeypatch)
  await get(cached, '/', kept)
  advance(61)
  assert (await get(cached, '/', {**sent, 'x-own': 'a'}))['age'] == '61'
  await until_stored(cached, 2)
  seen = app.asked[1]
  assert {each: seen[each.encode()].decode() for each in OWN if each.encode() in seen} == kept
  assert seen[b'x-own'] == b'a'
  assert b'range' not in seen and b'if-range' not in seen


@on_stores
@in_loop
async def test_a_refresh_keeps_the_cookies_on_which_the_response_varies(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = Seen({**STALE, 'vary': 'cookie'})
  cached = wrap(app, vary_allow=['cookie'])
  advance = stop_clock(cached, monkeypatch)
  await get(cached, '/', {'cookie': 'a=1'})
  advance(61)
  assert (await get(cached, '/', {'cookie': 'a=1'}))['age'] == '61'
  await until_stored(cached, 2)
  assert app.asked[1][b'cookie'] == b'a=1'
  assert (await get(cached, '/', {'cookie': 'a=1'})).body == b'run 2'


@on_stores
@in_loop
async def test_a_refresh_that_is_refused_without_credentials_is_made_with_them(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  class Guarded(Seen):
    def refuses(self, asked: Dict[str, Any]) -> bool:
      return b'authorization' not in asked

  app = Guarded()
  cached = wrap(app)
  token = {'authorization': 'Bearer 1'}
  advance = stop_clock(cached, monkeypatch)
  await get(cached, '/', token)
  advance(61)
  while stats_of(cached).stored < 2:
    assert (await get(cached, '/', token)).status == 200
    await asyncio.sleep(0.001)
  assert app.runs == 3, 'one was refused'
