# SPDX-License-Identifier: MIT
"""CacheMiddleware on a store that is down, slow, or has lost the body of a response."""

import asyncio
from typing import Any

import pytest
from asgi import (
  FRESH,
  App,
  Broken,
  Client,
  Wrap,
  get,
  in_loop,
  make_scope,
  stats_of,
  stop_clock,
  turns,
)
from cachette import Cachette
from cachette.http import CacheMiddleware, Policy
from cachette.http._store import Store


@in_loop
async def test_requests_go_on_if_the_store_is_down() -> None:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1', 'timeout': 1})
  app = App(FRESH)
  cached = CacheMiddleware(app, cache=Own)
  for _ in range(3):
    response = await get(cached)
    assert (response.body, response.is_hit) == (b'hello', False)
  assert app.runs == 3
  assert stats_of(cached).errors >= 3


@in_loop
async def test_requests_go_on_if_the_store_is_slow() -> None:
  """After `store_timeout`, and not after the time-out of the class."""

  async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
      await reader.read()
    finally:
      writer.close()

  server = await asyncio.start_server(never, '127.0.0.1', 0)
  port = server.sockets[0].getsockname()[1]

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': f'redis://127.0.0.1:{port}', 'timeout': 300})
  app = App({})  # nothing is stored, so the only call of the store is a fetch
  cached = CacheMiddleware(app, policy=Policy(store_timeout=0.05), cache=Own)
  assert (await get(cached)).body == b'hello'
  server.close()
  from cachette._cachette import close

  cached._shared.store.close()
  close(Own)
  await asyncio.sleep(0.05)


@in_loop
async def test_a_record_whose_body_has_disappeared_is_a_miss(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Nothing is sent before the whole body is there."""
  app = App(FRESH, parts=[b'a' * 5000])
  cached = wrap(app)

  async def put(self: Store, key: str, head: bytes, body: Any, keep_ms: int) -> bool:
    await original(self, key, head, (), keep_ms)
    return True

  original = Store.put
  monkeypatch.setattr(Store, 'put', put)
  await get(cached)
  response = await get(cached)
  assert (response.body, response.is_hit, response.is_complete) == (b'a' * 5000, False, True)


@in_loop
async def test_a_class_may_be_configured_after_the_middleware_is_made() -> None:
  class Own(Cachette):
    pass

  app = App(FRESH)
  cached = CacheMiddleware(app, cache=Own)
  for _ in range(2):
    Own.load_config({'backend': 'inmemory'})
    assert not (await get(cached)).is_hit
    assert (await get(cached)).is_hit


@pytest.mark.parametrize('answer', ['hit', 'shared', 'stale', 'confirmed'])
@in_loop
async def test_a_body_that_disappears_makes_any_answer_a_miss(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
  class Site(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if self.runs == 2 and answer == 'stale':
        raise Broken
      if answer == 'confirmed' and any(name == b'if-none-match' for name, _ in scope['headers']):
        start = {'type': 'http.response.start', 'status': 304, 'headers': [(b'etag', b'"1"')]}
        await send(start)
        await send({'type': 'http.response.body', 'body': b''})
        return
      await super().respond(scope, receive, send)

  app = Site({'cache-control': 'max-age=60, stale-if-error=600', 'etag': '"1"'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  cached._shared.store._linked().limit = 1  # so that bodies are stored apart from their heads
  if answer != 'shared':
    await get(cached)
  if answer in ('stale', 'confirmed'):
    advance(61)

  async def nothing(self: Store, key: str, record: bytes) -> None:
    return None

  monkeypatch.setattr(Store, 'fetch_body', nothing)
  app.gate = asyncio.Event()
  tasks = [Client(cached, make_scope()).start() for _ in range(2)]
  await turns()
  app.gate.set()
  responses = await asyncio.gather(*tasks, return_exceptions=True)
  failed = [each for each in responses if isinstance(each, Broken)]
  assert len(failed) == (answer == 'stale')
  for each in responses:
    assert each in failed or (each.status, each.body, each.is_complete) == (200, b'hello', True)
