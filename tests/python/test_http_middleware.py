# SPDX-License-Identifier: MIT
"""CacheMiddleware around a bare ASGI application, without a server."""

import asyncio
import logging
import time
from typing import Any, List

import pytest
from asgi import (
  FRESH,
  App,
  Broken,
  Client,
  Headers,
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
from cachette import Cachette
from cachette._cachette import http_describe
from cachette.http import CacheMiddleware, HttpStats, Policy, cache_response, no_cache, purge
from cachette.http._store import Hot, Store
from conftest import MakeClass, on_stores

# ---- Hits and misses


@on_stores
@in_loop
async def test_a_fresh_response_answers_the_next_request(wrap: Wrap) -> None:
  app = App({**FRESH, 'content-type': 'text/plain', 'x-own': 'a'})
  cached = wrap(app)
  first, second = await get(cached), await get(cached)
  assert app.runs == 1
  assert (first.status, first.body, first['x-own']) == (200, b'hello', 'a')
  assert (second.status, second.body, second['x-own']) == (200, b'hello', 'a')
  assert first.cache_status == 'cachette;fwd=uri-miss;fwd-status=200;stored'
  assert second.cache_status.startswith('cachette;hit;ttl=')
  assert second['age'] == '0'
  assert second['content-length'] == '5'
  assert len(second.all('date')) == 1


@on_stores
@in_loop
async def test_responses_that_vary_have_a_variant_each(wrap: Wrap) -> None:
  class Languages(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.parts = [dict(scope['headers']).get(b'accept-language', b'none')]
      await super().respond(scope, receive, send)

  app = Languages({**FRESH, 'vary': 'Accept-Language'})
  cached = wrap(app)
  for hit in (False, True, True):
    for language in ('de', 'fr', 'none'):
      headers = {} if language == 'none' else {'accept-language': language}
      response = await get(cached, '/', headers)
      assert (response.body.decode(), response.is_hit) == (language, hit)
  assert app.runs == 3


@in_loop
async def test_a_stale_response_is_confirmed_by_the_application(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  class Conditional(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if dict(scope['headers']).get(b'if-none-match') == b'"1"':
        start = {'type': 'http.response.start', 'status': 304}
        await send({**start, 'headers': [(b'etag', b'"1"'), (b'x-version', b'2')]})
        await send({'type': 'http.response.body', 'body': b''})
        return
      await super().respond(scope, receive, send)

  app = Conditional({**FRESH, 'etag': '"1"', 'x-version': '1'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  confirmed = await get(cached)
  assert (confirmed.status, confirmed.body, confirmed['x-version']) == (200, b'hello', '2')
  assert 'fwd=stale' in confirmed.cache_status
  assert (await get(cached)).is_hit
  assert (app.runs, stats_of(cached).revalidated) == (2, 1)


@in_loop
async def test_a_304_that_does_not_fit_asks_the_application_again(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  class Confused(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if any(name == b'if-none-match' for name, _ in scope['headers']):
        start = {'type': 'http.response.start', 'status': 304, 'headers': [(b'etag', b'"other"')]}
        await send(start)
        await send({'type': 'http.response.body', 'body': b''})
        return
      await super().respond(scope, receive, send)

  app = Confused({**FRESH, 'etag': '"1"'})
  cached = wrap(app)
  advance = stop_clock(cached, monkeypatch)
  await get(cached)
  advance(61)
  app.parts = [b'newer']
  response = await get(cached)
  assert (response.status, response.body, response.is_complete) == (200, b'newer', True)
  assert app.runs == 3
  assert (await get(cached)).body == b'newer'


@pytest.mark.parametrize('coalesce', [True, False])
@pytest.mark.parametrize(('method', 'body'), [('GET', [b'']), ('QUERY', [b'a', b'b'])])
@in_loop
async def test_an_application_that_is_asked_again_can_read_the_request_again(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch, coalesce: bool, method: str, body: List[bytes]
) -> None:
  read: List[bytes] = []

  class Reader(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      parts, more = [], True
      while more:
        message = await receive()
        assert message['type'] == 'http.request'
        parts.append(message.get('body', b''))
        more = message.get('more_body', False)
      read.append(b''.join(parts))
      is_conditional = any(name == b'if-none-match' for name, _ in scope['headers'])
      self.status, self.headers = (304, [('etag', '"other"')]) if is_conditional else (200, stored)
      await super().respond(scope, receive, send)

  stored = [*FRESH.items(), ('etag', '"1"')]
  cached = wrap(Reader(), coalesce=coalesce, methods=('GET', 'QUERY'))
  advance = stop_clock(cached, monkeypatch)
  for _ in range(2):
    fields = {'content-type': 'text/plain'} if method == 'QUERY' else {}
    response = await asyncio.wait_for(send_body(cached, method, '/', body, fields), 5)
    assert (response.status, response.body) == (200, b'hello')
    advance(61)
  assert read == [b''.join(body)] * 3


@in_loop
async def test_head_is_answered_from_what_get_has_stored(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  before = await get(cached, method='HEAD')
  assert not before.is_hit
  await get(cached)
  response = await get(cached, method='HEAD')
  assert response.is_hit
  assert (response.status, response.body, response['content-length']) == (200, b'', '5')
  assert app.runs == 2


@in_loop
async def test_ranges_are_answered_from_the_whole(wrap: Wrap) -> None:
  app = App({**FRESH, 'etag': '"1"'}, parts=[b'0123456789'])
  cached = wrap(app)
  await get(cached)
  part = await get(cached, '/', {'range': 'bytes=2-4'})
  assert (part.status, part.body, part['content-range']) == (206, b'234', 'bytes 2-4/10')
  assert part['content-length'] == '3'
  assert (await get(cached, '/', {'range': 'bytes=20-'})).status == 416
  assert app.runs == 1


@in_loop
async def test_only_if_cached_is_answered_without_the_application(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  response = await get(cached, '/', {'cache-control': 'only-if-cached'})
  assert (response.status, response.body, app.runs) == (504, b'', 0)
  await get(cached)
  assert (await get(cached, '/', {'cache-control': 'only-if-cached'})).body == b'hello'


@in_loop
async def test_methods_that_the_policy_leaves_out_pass(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app, methods=['GET'])
  await get(cached)
  assert not (await get(cached, method='HEAD')).is_hit
  assert (await get(cached)).is_hit


# ---- ETag


@pytest.mark.parametrize('kind', ['weak', 'strong', 'none'])
@in_loop
async def test_a_response_without_an_etag_gets_one(wrap: Wrap, kind: str) -> None:
  app = App(FRESH)
  cached = wrap(app, etag=kind)
  first, second = await get(cached), await get(cached)
  assert first['etag'] == second['etag']
  if kind == 'none':
    assert first['etag'] is None
    return
  assert first['etag'] is not None
  assert first['etag'].startswith('W/"' if kind == 'weak' else '"')
  app.parts = [b'other']
  assert (await get(cached, '/other'))['etag'] != first['etag']


@in_loop
async def test_only_a_whole_body_gets_an_etag(wrap: Wrap) -> None:
  for path, app in {
    '/stream': App(FRESH, [b'a', b'b'], length=-1),
    '/long': App(FRESH, [b'a', b'b']),
    '/404': App(FRESH, status=404),
    '/not-stored': App({}),
  }.items():
    assert (await get(wrap(app), path))['etag'] is None
  quart = App(FRESH, [b'hello', b''])
  assert (await get(wrap(quart), '/quart'))['etag'] is not None
  own = App({**FRESH, 'ETag': '"own"'})
  assert (await get(wrap(own), '/own')).all('etag') == ['"own"']


@on_stores
@in_loop
async def test_a_client_that_has_the_response_gets_a_304_before_the_application_runs(
  wrap: Wrap,
) -> None:
  app = App({**FRESH, 'content-type': 'text/plain'})
  cached = wrap(app)
  etag = (await get(cached))['etag'] or ''
  response = await get(cached, '/', {'if-none-match': f'"x", {etag}'})
  assert (response.status, response.body, response['etag']) == (304, b'', etag)
  assert response['content-length'] is None
  assert response.is_complete
  assert app.runs == 1
  assert (await get(cached, '/', {'if-none-match': '"x"'})).status == 200


@pytest.mark.parametrize('parts', [[b'hello'], [b'hello', b''], [b'hel', b'lo']])
@in_loop
async def test_a_miss_is_answered_with_a_304_too_and_stored(wrap: Wrap, parts: List[bytes]) -> None:
  own = {'etag': '"own"'} if len(parts) == 2 and parts[1] else {}
  app = App({**FRESH, **own, 'content-type': 'text/plain'}, parts)
  cached = wrap(app)
  etag = (await get(cached, '/first'))['etag'] or ''
  response = await get(cached, '/second', {'if-none-match': etag})
  assert (response.status, response.body, response['etag']) == (304, b'', etag)
  assert response.is_complete
  assert response['content-length'] is None and response['content-type'] is None
  assert 'stored' in response.cache_status
  stored = await get(cached, '/second')
  assert (stored.status, stored.body, stored.is_hit) == (200, b'hello', True)


@in_loop
async def test_a_304_is_for_the_same_etag_only(wrap: Wrap) -> None:
  cached = wrap(App(FRESH))
  for tags, status in {'"x"': 200, '*': 304, 'W/"x"': 200, '': 200, 'hello': 200}.items():
    response = await get(cached, f'/{tags}', {'if-none-match': tags})
    assert response.status == status, tags


# ---- Invalidation


@on_stores
@in_loop
async def test_a_post_forgets_what_is_stored_before_its_response_begins(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  await get(cached)
  hits = []

  async def look(message: Message) -> None:
    if message['type'] == 'http.response.start':
      hits.append((await get(cached)).is_hit)

  client = Client(cached, make_scope(method='POST'), on_message=look)
  await client.run()
  assert hits == [False]


@in_loop
async def test_a_post_that_fails_forgets_nothing(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  await get(cached)
  app.status = 500
  await send_body(cached, 'POST')
  assert (await get(cached)).is_hit


# ---- Methods with a body in their key


@on_stores
@pytest.mark.parametrize('method', ['QUERY', 'POST'])
@in_loop
async def test_the_body_of_a_query_is_part_of_its_key(wrap: Wrap, method: str) -> None:
  class Echo(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      message = await receive()
      assert message['more_body'] is False or method == 'POST'
      self.parts = [message['body']]
      while message.get('more_body', False):
        message = await receive()
        self.parts.append(message['body'])
      self.parts = [b''.join(self.parts)]
      await super().respond(scope, receive, send)

  app = Echo(FRESH)
  cached = wrap(app, methods=['GET', 'HEAD', method], max_body=100)
  headers = {'content-type': 'text/plain'}
  for hit in (False, True):
    for body in ([b'one'], [b't', b'wo'], [b'']):
      response = await send_body(cached, method, '/', body, headers)
      assert (response.body, response.is_hit) == (b''.join(body), hit)
  assert app.runs == 3


@in_loop
async def test_a_body_that_is_too_large_for_a_key_passes_whole(wrap: Wrap) -> None:
  class Echo(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.parts, more = [], True
      while more:
        message = await receive()
        self.parts.append(message['body'])
        more = message['more_body']
      await super().respond(scope, receive, send)

  app = Echo(FRESH)
  cached = wrap(app, methods=['GET', 'QUERY'], max_body=10)
  for _ in range(2):
    parts = [b'a' * 8, b'b' * 8, b'c' * 8]
    response = await send_body(cached, 'QUERY', '/', parts, {'content-type': 'text/plain'})
    assert (response.body, response.is_hit) == (b''.join(parts), False)


@in_loop
async def test_a_post_that_cannot_be_cached_still_forgets(wrap: Wrap) -> None:
  cached = wrap(App(FRESH), methods=['GET', 'POST'], max_body=10)
  await get(cached)
  await send_body(cached, 'POST', '/', [b'a' * 11])
  assert not (await get(cached)).is_hit


@in_loop
async def test_a_query_whose_client_leaves_passes(wrap: Wrap) -> None:
  seen = []

  async def app(scope: Any, receive: Any, send: Any) -> None:
    seen.extend([(await receive())['type'], (await receive())['type']])

  messages = [
    {'type': 'http.request', 'body': b'a', 'more_body': True},
    {'type': 'http.disconnect'},
  ]

  async def receive() -> Message:
    return messages.pop(0)

  async def send(message: Message) -> None:
    raise AssertionError

  cached = wrap(app, methods=['GET', 'QUERY'])
  scope = make_scope('/', {'content-type': 'text/plain'}, 'QUERY')
  await cached(scope, receive, send)
  assert seen == ['http.request', 'http.disconnect']


# ---- The store


class Down:
  """A port that refuses, or that never answers."""


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
  """After `store_timeout`."""

  async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
      await reader.read()
    finally:
      writer.close()

  server = await asyncio.start_server(never, '127.0.0.1', 0)
  port = server.sockets[0].getsockname()[1]

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': f'redis://127.0.0.1:{port}', 'timeout': 1})
  app = App({})  # a response that is not stored, which would take the time-out of the class
  cached = CacheMiddleware(app, policy=Policy(store_timeout=0.05), cache=Own)
  started = time.monotonic()
  assert (await get(cached)).body == b'hello'
  assert time.monotonic() - started < 0.9
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
  if answer != 'shared':
    await get(cached)
  if answer in ('stale', 'confirmed'):
    advance(61)

  async def nothing(self: Store, key: str, record: bytes) -> None:
    return None

  monkeypatch.setattr(Store, 'fetch_body', nothing)
  monkeypatch.setattr(Store, 'hot', lambda self: Cold(self, self._linked(), self._records))
  app.gate = asyncio.Event()
  tasks = [Client(cached, make_scope()).start() for _ in range(2)]
  await turns()
  app.gate.set()
  responses = await asyncio.gather(*tasks, return_exceptions=True)
  failed = [each for each in responses if isinstance(each, Broken)]
  assert len(failed) == (answer == 'stale')
  for each in responses:
    assert each in failed or (each.status, each.body, each.is_complete) == (200, b'hello', True)


class Cold(Hot):
  """A store that has only the heads of records."""

  def __init__(self, store: Any, link: Any, records: Any) -> None:
    super().__init__(store, link, records)

    async def fetch(key: str) -> Any:
      record = await records.fetch(key)
      info = http_describe(record) if record is not None else None
      return record[: info[0]] if info is not None else record

    self.fetch = fetch


# ---- More than one middleware


@in_loop
async def test_the_inner_of_two_middlewares_passes(wrap: Wrap, make_http_class: MakeClass) -> None:
  """Also for an application that is mounted in another."""
  app = App(FRESH)
  inner = CacheMiddleware(app, cache=make_http_class())

  async def mount(scope: Any, receive: Any, send: Any) -> None:
    await inner({**scope, 'root_path': '/mounted'}, receive, send)

  cached = wrap(mount)
  first, second = await get(cached), await get(cached)
  assert len(first.all('cache-status')) == len(second.all('cache-status')) == 1
  assert second.is_hit
  for headers in ({'cookie': 'a=b'}, {'if-none-match': '"x"'}):
    response = await get(cached, '/2', headers)
    assert len(response.all('cache-status')) == 1
  assert stats_of(inner).hits + stats_of(inner).misses == 0


@in_loop
async def test_a_scope_that_is_changed_by_the_application_does_not_change_the_key(
  wrap: Wrap,
) -> None:
  class Router(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      scope.update(path='/changed', root_path='/mounted', endpoint=self)
      await super().respond(scope, receive, send)

  app = Router(FRESH)
  cached = wrap(app)
  for path in ('/a', '/b', '/a', '/b'):
    await get(cached, path)
  assert app.runs == 2


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


# ---- Date


class Cycle:
  """Like the object of Uvicorn that sends: adds its own fields to each response."""

  def __init__(self) -> None:
    self.default_headers = [(b'date', b'now'), (b'server', b'uvicorn')]
    self.sent: List[Message] = []

  async def run_asgi(self, app: Any) -> None: ...

  async def send(self, message: Message) -> None:
    if message['type'] == 'http.response.start':
      message = {**message, 'headers': self.default_headers + list(message['headers'])}
    self.sent.append(message)


Cycle.__module__ = 'uvicorn.protocols.http.httptools_impl'


@in_loop
async def test_an_answer_from_the_store_has_the_stored_date_only(wrap: Wrap) -> None:
  date = 'Sun, 29 Nov 2020 10:00:00 GMT'
  cached = wrap(App({'cache-control': 'max-age=999999999', 'date': date}))
  await get(cached)
  plain = Cycle()
  await cached(make_scope(), Client(cached, {}).receive, plain.send)
  wrapped = Cycle()

  async def outer(send: Any) -> None:
    async def send_through(message: Message) -> None:
      await send(message)

    await cached(make_scope(), Client(cached, {}).receive, send_through)

  await outer(wrapped.send)
  for cycle in (plain, wrapped):
    headers = cycle.sent[0]['headers']
    assert [value for name, value in headers if name == b'date'] == [date.encode()]
    assert (b'server', b'uvicorn') in headers


class HypercornConfig:
  include_date_header = True
  keep_alive_max_requests = 1000

  def response_headers(self, protocol: str) -> Headers:
    return [(b'date', b'now'), (b'server', protocol.encode())]


class Connection:
  """Like the object of Hypercorn that writes: adds the fields of its configuration."""

  def __init__(self, config: HypercornConfig) -> None:
    self.config = config
    self.sent: List[Headers] = []
    self.is_broken = False

  async def stream_send(self, headers: Headers) -> None:
    if self.is_broken:
      raise OSError
    headers = headers + self.config.response_headers('h2')
    assert self.config.keep_alive_max_requests == 1000
    await asyncio.sleep(0)
    self.sent.append(headers)


class Stream:
  """Like the object of Hypercorn that gets the messages of one request."""

  def __init__(self, connection: Connection) -> None:
    self.config = connection.config
    self.send = connection.stream_send

  async def app_send(self, message: Message) -> None:
    if message['type'] == 'http.response.start':
      await self.send(list(message['headers']))


Stream.__module__ = 'hypercorn.protocol.http_stream'


@in_loop
async def test_hypercorn_adds_its_date_to_all_responses_but_those_from_the_store(
  wrap: Wrap,
) -> None:
  date = b'Sun, 29 Nov 2020 10:00:00 GMT'
  cached = wrap(App({'cache-control': 'max-age=999999999', 'date': date.decode()}))
  await get(cached)
  config = HypercornConfig()
  connection = Connection(config)

  async def ask(app: Any) -> None:
    await app(make_scope(), Client(app, {}).receive, Stream(connection).app_send)

  await asyncio.gather(ask(cached), ask(App()), ask(cached))  # three streams at once
  await ask(App())
  dates = [[value for name, value in each if name == b'date'] for each in connection.sent]
  assert sorted(dates) == sorted([[date], [date], [b'now'], [b'now']])
  assert all((b'server', b'h2') in each for each in connection.sent)
  connection.is_broken = True
  with pytest.raises(OSError):
    await ask(cached)
  assert connection.config is config


# ---- What users see


@in_loop
async def test_each_answer_has_cache_status_unless_it_is_switched_off(wrap: Wrap) -> None:
  app = App(FRESH)
  for setting, name in ((True, 'cachette'), ('edge', 'edge'), (False, None)):
    cached = wrap(app, cache_status=setting)
    etag = (await get(cached, f'/{setting}'))['etag'] or ''
    for path, headers, method in (
      (f'/{setting}', {}, 'GET'),
      (f'/{setting}', {}, 'POST'),
      (f'/{setting}/b', {'cookie': 'a=b'}, 'GET'),
      (f'/{setting}/c', {'if-none-match': etag}, 'GET'),
      (f'/{setting}/d', {'cache-control': 'only-if-cached'}, 'GET'),
    ):
      response = await get(cached, path, headers, method=method)
      if name is None:
        assert response['cache-status'] is None
      else:
        assert response.cache_status.startswith(f'{name};')


@in_loop
async def test_the_reason_is_logged_once_for_each_route(
  wrap: Wrap, caplog: pytest.LogCaptureFixture
) -> None:
  class Route:  # like those of Starlette and FastAPI, it has no hash
    path = '/items/{id}'
    __hash__ = None  # type: ignore[assignment]

  class Routed(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      scope['route'] = Route()
      await super().respond(scope, receive, send)

  app = Routed({**FRESH, 'set-cookie': 'a=b'})
  cached = wrap(app)
  with caplog.at_level(logging.INFO, 'cachette.http'):
    for i in range(5):
      await get(cached, f'/items/{i}')
    app.headers = [('cache-control', 'no-store')]
    await get(cached, '/items/5')
  lines = [record.getMessage() for record in caplog.records]
  assert len(lines) == 2
  assert '/items/{id}' in lines[0] and 'cookie' in lines[0]
  assert 'no-store' in lines[1]


@in_loop
async def test_what_was_done_is_counted(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  await get(cached)
  await get(cached)
  await get(cached, method='HEAD')
  await send_body(cached, 'POST')
  app.headers = [('cache-control', 'private')]
  await get(cached, '/private')
  assert stats_of(cached) == HttpStats(
    hits=2,
    misses=2,
    stale=0,
    revalidated=0,
    passed={'method': 1, 'private': 1},
    coalesced=0,
    stored=1,
    bytes=5,
    errors=0,
  )


def test_wrong_arguments_are_refused() -> None:
  app: Any = App()
  for arguments, message in (
    ({'policy': Policy}, 'write policy=Policy'),
    ({'policy': 60}, 'policy must be a cachette.http.Policy'),
    ({'cache': Cachette()}, 'without parentheses'),
    ({'cache': None}, 'cache must be'),
  ):
    with pytest.raises(TypeError, match=message):
      CacheMiddleware(app, **arguments)  # type: ignore[arg-type]
  with pytest.raises(TypeError, match='ASGI application'):
    CacheMiddleware(None)


# ---- Calls of the handler


@pytest.mark.parametrize('obeys', [True, False])
@in_loop
async def test_calls_of_the_handler_obey_the_request_if_their_class_wants_that(
  wrap: Wrap, obeys: bool
) -> None:
  """Without RequestControl, which is for applications that have no CacheMiddleware."""

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'inmemory', 'request_control': obeys})
  computed = 0

  def compute() -> str:
    nonlocal computed
    computed += 1
    return str(computed)

  class Computing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.parts = [(await Own().get_or_set('key', compute)).encode()]
      await super().respond(scope, receive, send)

  cached = wrap(Computing())
  for headers in ({}, {'cookie': 'a=b'}):
    for method in ('GET', 'PUT'):
      computed = 0
      await Own().flush()
      path = f'/{method}/{len(headers)}'
      assert (await get(cached, path, headers, method=method)).body == b'1'
      assert (await get(cached, path, headers, method=method)).body == b'1'
      forced = await get(cached, path, {**headers, 'cache-control': 'no-cache'}, method=method)
      assert forced.body == (b'2' if obeys else b'1')
