# SPDX-License-Identifier: MIT
"""Stale responses: the application fails, or makes a fresh one in the background."""

import asyncio
import contextvars
import logging
from typing import Any

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
