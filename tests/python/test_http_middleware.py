# SPDX-License-Identifier: MIT
"""CacheMiddleware around a bare ASGI application, without a server."""

import asyncio
from typing import Any, List

import pytest
from asgi import (
  FRESH,
  App,
  Client,
  Message,
  Wrap,
  get,
  in_loop,
  make_scope,
  send_body,
  stats_of,
  stop_clock,
)
from cachette import Cachette
from cachette.http import CacheMiddleware, Policy
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


# ---- Arguments


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
