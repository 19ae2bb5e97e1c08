# SPDX-License-Identifier: MIT
"""Handlers under CacheMiddleware: policies of routes, purges, and their own calls of the cache."""

import asyncio
from typing import Any, Dict, Type

import pytest
from asgi import (
  FRESH,
  App,
  Client,
  Wrap,
  class_of,
  get,
  in_loop,
  make_scope,
  stats_of,
  stop_clock,
  turns,
)
from cachette import Cachette
from cachette.http import RequestControl, cache_response, no_cache, purge
from conftest import on_stores, run_python

# ---- Routes


@in_loop
async def test_a_route_says_how_long_its_response_is_fresh(wrap: Wrap) -> None:
  @cache_response(60, tags=['all'], vary=['Accept-Language'])
  async def handler() -> None:
    pass

  class Route(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await handler()
      await super().respond(scope, receive, send)

  app = Route({'vary': 'accept-encoding'})
  cached = wrap(app)
  first = await get(cached, '/', {'accept-language': 'de'})
  assert first['vary'] == 'accept-encoding, Accept-Language'
  assert (await get(cached, '/', {'accept-language': 'de'})).is_hit
  assert not (await get(cached, '/', {'accept-language': 'fr'})).is_hit
  await purge(tags=['all'], cache=class_of(cached))
  assert not (await get(cached, '/', {'accept-language': 'de'})).is_hit


@in_loop
async def test_a_route_can_forbid_to_store(wrap: Wrap) -> None:
  @no_cache
  def handler() -> None:
    pass

  class Route(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      handler()
      await super().respond(scope, receive, send)

  cached = wrap(Route(FRESH))
  await get(cached)
  assert not (await get(cached)).is_hit


@in_loop
async def test_handlers_of_requests_that_pass_know_that_there_is_a_middleware(
  wrap: Wrap, recwarn: pytest.WarningsRecorder
) -> None:
  @cache_response(60)
  def handler() -> None:
    pass

  class Route(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      handler()
      await super().respond(scope, receive, send)

  await get(wrap(Route()), method='POST')
  assert not recwarn.list


@in_loop
async def test_the_tags_of_a_response_stay_when_it_is_confirmed(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  """The handler may not run again, or not say its tags again."""

  @cache_response(60, tags=['mine'])
  def handler() -> None:
    pass

  class Route(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if any(name == b'if-none-match' for name, _ in scope['headers']):
        start = {'type': 'http.response.start', 'status': 304, 'headers': [(b'etag', b'"1"')]}
        await send({**start, 'headers': [(b'etag', b'"1"'), (b'cache-control', b'max-age=60')]})
        await send({'type': 'http.response.body', 'body': b''})
        return
      handler()
      await super().respond(scope, receive, send)

  app = Route({'etag': '"1"'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  await get(cached)
  assert (await get(cached)).is_hit
  await purge(tags=['mine'], cache=class_of(cached))
  assert not (await get(cached)).is_hit


# ---- Purges


@on_stores
@in_loop
async def test_a_response_under_way_during_a_purge_is_not_served_after_it(wrap: Wrap) -> None:
  app = App(FRESH)
  app.gate = asyncio.Event()
  cached = wrap(app)
  task = Client(cached, make_scope()).start()
  while not app.active:
    await asyncio.sleep(0.001)
  await purge(all=True, cache=class_of(cached))
  app.gate.set()
  assert (await task).body == b'hello'
  app.parts = [b'newer']
  assert (await get(cached)).body == b'newer'


@on_stores
@in_loop
async def test_a_purged_response_is_not_served_while_it_is_refreshed(wrap: Wrap) -> None:
  app = App({'cache-control': 'max-age=60, stale-while-revalidate=600, stale-if-error=600'})
  cached = wrap(app)
  await get(cached)
  await purge(all=True, cache=class_of(cached))
  app.parts = [b'newer']
  assert (await get(cached)).body == b'newer'


@in_loop
async def test_a_soft_purge_makes_responses_stale(wrap: Wrap) -> None:
  app = App({'cache-control': 'max-age=60, stale-while-revalidate=600'})
  cached = wrap(app)
  await get(cached)
  await purge(all=True, soft=True, cache=class_of(cached))
  app.parts = [b'newer']
  stale = await get(cached)
  assert (stale.body, stats_of(cached).stale) == (b'hello', 1)
  await turns()
  assert (await get(cached)).body == b'newer'


# ---- Calls of the handler


class Computing(App):
  """Answers with what a call of the cache returns: how often it was computed."""

  def __init__(self, cls: Type[Cachette]) -> None:
    super().__init__()
    self.cls = cls
    self.computed = 0

  def compute(self) -> str:
    self.computed += 1
    return str(self.computed)

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    self.parts = [(await self.cls().get_or_set('key', self.compute)).encode()]
    await super().respond(scope, receive, send)


def computing(obeys: bool) -> Computing:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'inmemory', 'request_control': obeys})
  return Computing(Own)


# Requests that run the application, each in another way: one that others may wait for, one that
# nobody may wait for, one with credentials, another method, and one whose body is in the key.
REQUESTS: Dict[str, Any] = {
  'alone': ({'coalesce': False}, {}, 'GET'),
  'credentials': ({}, {'cookie': 'a=b'}, 'GET'),
  'leader': ({}, {}, 'GET'),
  'method': ({}, {}, 'PUT'),
  'query': ({'methods': ['GET', 'QUERY']}, {'content-type': 'text/plain'}, 'QUERY'),
}


@pytest.mark.parametrize('kind', REQUESTS)
@pytest.mark.parametrize('obeys', [True, False])
@in_loop
async def test_calls_of_the_handler_obey_the_request_if_their_class_wants_that(
  wrap: Wrap, obeys: bool, kind: str
) -> None:
  """Without RequestControl, which is for applications that have no CacheMiddleware."""
  policy, headers, method = REQUESTS[kind]
  app = computing(obeys)
  cached = wrap(app, **policy)

  async def ask(**control: str) -> bytes:
    fields = {**headers, **{name.replace('_', '-'): value for name, value in control.items()}}
    return (await get(cached, '/', fields, method=method)).body

  assert (await ask(), await ask()) == (b'1', b'1')
  assert await ask(cache_control='min-fresh=10') == b'1'
  count = 1
  for control in ({'cache_control': 'no-cache'}, {'cache_control': 'max-age=0'}):
    count += obeys
    assert await ask(**control) == b'%d' % count
  assert await ask(pragma='no-cache') == b'%d' % (count + obeys)
  assert await ask(cache_control='min-fresh=100') == b'%d' % (count + 2 * obeys)
  assert await ask() == b'%d' % (count + 2 * obeys)  # what was computed is stored
  await app.cls().flush()
  await ask(cache_control='no-store')
  assert await app.cls().exists('key') is not obeys


@pytest.mark.parametrize('obeys', [True, False])
@in_loop
async def test_a_request_that_wants_no_computation_gets_a_504(wrap: Wrap, obeys: bool) -> None:
  app = computing(obeys)
  cached = wrap(app, request_control='ignore')  # of responses: the application runs
  for method in ('GET', 'PUT'):
    await app.cls().flush()
    response = await get(cached, '/', {'cache-control': 'only-if-cached'}, method=method)
    assert response.status == (504 if obeys else 200)
  assert app.computed == (0 if obeys else 2)


@in_loop
async def test_a_refresh_in_the_background_obeys_no_request(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  """Not even if RequestControl is around the middleware."""
  app = computing(True)
  app.headers = [('cache-control', 'max-age=60, stale-while-revalidate=600')]
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  await app.cls().flush()
  control = {'cache-control': 'only-if-cached'}
  assert (await get(RequestControl(cached), '/', control)).body == b'1'
  await turns()
  assert (await get(cached)).body == b'2'


def test_applications_without_the_option_are_not_wrapped() -> None:
  code = """
    from cachette import Cachette
    from cachette._cachette import any_obeys
    from cachette.http import CacheMiddleware
    class Other(Cachette): pass
    async def app(scope, receive, send): pass
    cached = CacheMiddleware(app)
    Other.load_config({})
    print(any_obeys(), cached._inner() is app)
    Other.load_config({'request_control': True})
    print(any_obeys(), cached._inner() is app)
  """
  assert run_python(code) == 'False True\nTrue False\n'
