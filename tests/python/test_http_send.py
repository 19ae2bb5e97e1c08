# SPDX-License-Identifier: MIT
"""Requests that are passed on: HttpSend, and the run that a trial makes if it must store."""

import asyncio
import gc
import subprocess
import sys
import weakref
from collections import OrderedDict, UserDict
from importlib.util import find_spec
from typing import Any, Dict, List

import pytest
from asgi import (
  FRESH,
  App,
  Broken,
  Client,
  Message,
  Wrap,
  get,
  in_loop,
  make_scope,
  send_body,
  stats_of,
)
from cachette._cachette import HttpExchange, HttpPolicy, HttpSend
from cachette.http import cache_response, no_cache
from conftest import ROOT

COOKIE = {'cookie': 'session=1'}
PUBLIC = {'cache-control': 'public, max-age=60'}
START = 'http.response.start'
ADDED = [(b'cache-status', b'cachette;fwd=method')]


def record() -> Any:
  """Returns a `send`, and the messages that it got."""
  messages: List[Any] = []

  async def send(message: Any) -> None:
    messages.append(message)

  return send, messages


def run(awaitable: Any) -> None:
  async def main() -> None:
    await awaitable

  asyncio.run(main())


# ---- Messages


def test_the_start_gets_fields_and_other_messages_are_the_same_objects() -> None:
  send, messages = record()
  on_message = HttpSend(None, send, None, ADDED)
  hint = {'type': 'http.response.early_hint', 'links': []}
  headers = [(b'a', b'b')]
  start = {'type': START, 'status': 200, 'headers': headers, 'trailers': True}
  body = {'type': 'http.response.body', 'body': b'hello'}
  for each in (hint, start, body):
    run(on_message(each))
  assert messages[0] is hint and messages[2] is body
  assert messages[1] == {**start, 'headers': [*headers, *ADDED]}
  assert start['headers'] is headers and headers == [(b'a', b'b')]
  assert ADDED == [(b'cache-status', b'cachette;fwd=method')]


@pytest.mark.parametrize('kind', [dict, OrderedDict, UserDict])
def test_any_mapping_and_any_headers_are_taken(kind: Any) -> None:
  for headers in (iter([(b'a', b'b')]), ((b'a', b'b'),)):
    send, messages = record()
    run(HttpSend(None, send, None, ADDED)(kind(type=START, status=200, headers=headers)))
    assert messages == [{'type': START, 'status': 200, 'headers': [(b'a', b'b'), *ADDED]}]


def test_a_start_without_headers_gets_some() -> None:
  send, messages = record()
  run(HttpSend(None, send, None, ADDED)(message={'type': START, 'status': 204}))
  assert messages == [{'type': START, 'status': 204, 'headers': ADDED}]


def test_wrong_calls_are_refused() -> None:
  send, _ = record()
  wrong: Any = HttpSend
  exchange = HttpExchange(HttpPolicy(), make_scope(method='POST'))
  with pytest.raises(TypeError, match='exchange must be an HttpExchange, not str'):
    wrong(None, send, 'exchange')
  with pytest.raises(TypeError, match='added must be a list, not tuple'):
    wrong(None, send, exchange, ())
  for arguments in ((None, None), (None, ADDED, 'trial')):
    with pytest.raises(TypeError, match='without an exchange'):
      wrong(None, send, *arguments)
  on_message: Any = HttpSend(None, send, None, ADDED)
  for args in ((), ({}, {})):
    with pytest.raises(TypeError):
      on_message(*args)
  with pytest.raises(KeyError, match='type'):
    on_message({})
  with pytest.raises(TypeError):
    on_message({'type': START, 'status': 200, 'headers': 5})
  with pytest.raises(KeyError, match='status'):
    HttpSend(None, send, exchange, ADDED)({'type': START})


def test_garbage_with_a_send_is_collected() -> None:
  class Shared:
    pass

  async def send(message: Any) -> None:
    pass

  for _ in range(3):
    shared: Any = Shared()
    shared.send = HttpSend(shared, send, None, ADDED)
    gone = weakref.ref(shared)
    del shared
    gc.collect()
    assert gone() is None


# ---- Unsafe methods


@pytest.mark.parametrize(
  'status, forgets', [(200, True), (303, True), (399, True), (400, False), (404, False)]
)
@in_loop
async def test_only_a_success_makes_what_is_stored_invalid(
  wrap: Wrap, status: int, forgets: bool
) -> None:
  app = App(FRESH)
  cached = wrap(app)
  await get(cached)
  app.status = status
  assert (await send_body(cached, 'DELETE')).cache_status == 'cachette;fwd=method'
  app.status = 200
  assert (await get(cached)).is_hit != forgets


@pytest.mark.parametrize(
  'method, forgets',
  [
    *((method, False) for method in ('OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH')),
    *((method, True) for method in ('POST', 'PATCH', 'MKCOL', 'M-SEARCH', 'search')),
  ],
)
@in_loop
async def test_only_unsafe_methods_make_what_is_stored_invalid(
  wrap: Wrap, method: str, forgets: bool
) -> None:
  cached = wrap(App(FRESH))
  await get(cached)
  assert (await send_body(cached, method)).cache_status == 'cachette;fwd=method'
  assert (await get(cached)).is_hit != forgets


@in_loop
async def test_location_and_the_uri_are_both_forgotten(wrap: Wrap) -> None:
  app = App(FRESH)
  cached = wrap(app)
  for path in ('/a', '/b', '/c'):
    await get(cached, path)
  app.headers = [*FRESH.items(), ('location', '/b')]
  await send_body(cached, 'POST', '/a')
  assert [(await get(cached, path)).is_hit for path in ('/a', '/b', '/c')] == [False, False, True]


@in_loop
async def test_tags_of_a_uri_are_purged_if_keys_have_cookies(wrap: Wrap) -> None:
  cached = wrap(App(PUBLIC), key_cookies=['theme'])
  dark = {'cookie': 'theme=dark'}
  await get(cached, '/', dark)
  assert (await get(cached, '/', dark)).is_hit
  await send_body(cached, 'PUT')
  assert not (await get(cached, '/', dark)).is_hit


# ---- Trials


@in_loop
async def test_what_passes_has_its_fields_in_form_and_a_reason(wrap: Wrap) -> None:
  class Odd(App):
    def all_headers(self) -> Any:
      name = b'x-twice'
      return [
        *((b'Content-Length', b'5'), (b'Connection', b'x-hop'), (b'X-Hop', b'1')),
        *((name, b'1'), (b'X-Space', b' a \t'), (name, b'2'), [b'x-list', bytearray(b'b')]),
        (b'cache-control', b'no-store'),
      ]

  cached = wrap(Odd())
  response = await get(cached, '/', COOKIE)
  assert response.start['headers'] == [
    *((b'content-length', b'5'), (b'x-twice', b'1'), (b'x-space', b'a'), (b'x-twice', b'2')),
    *((b'x-list', b'b'), (b'cache-control', b'no-store')),
    (b'cache-status', b'cachette;fwd=uri-miss;fwd-status=200;detail=no-store'),
  ]
  assert response.body == b'hello' and response.is_complete
  assert stats_of(cached).passed == {'no-store': 1}


@in_loop
async def test_what_passes_has_no_cache_status_if_the_policy_wants_none(wrap: Wrap) -> None:
  cached = wrap(App({'cache-control': 'no-store'}), cache_status=False)
  for more in ({}, {'method': 'OPTIONS'}, {'method': 'POST'}):
    response = await get(cached, '/', COOKIE, **more)
    assert [name for name, _ in response.start['headers']] == [b'content-length', b'cache-control']


@pytest.mark.parametrize('parts, length', [([b'hello'], None), ([b'he', b'llo'], None)])
@pytest.mark.parametrize('more', [{}, {'headers': COOKIE}])
@in_loop
async def test_a_trial_stores_what_can_be_stored(
  wrap: Wrap, parts: List[bytes], length: Any, more: Dict[str, Any]
) -> None:
  app = App({'cache-control': 'private'}, parts, length=length)
  cached = wrap(app)
  await get(cached)  # now it is known that requests cannot share
  app.headers = list(PUBLIC.items())
  response = await get(cached, **more)
  assert response.body == b'hello' and ';stored' in response.cache_status
  assert (await get(cached)).is_hit
  assert stats_of(cached).stored == 1


@pytest.mark.parametrize('when', ['before', 'between', 'never'])
@in_loop
async def test_a_trial_does_not_store_what_is_cut_off(wrap: Wrap, when: str) -> None:
  class Listening(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if when == 'before':
        await leave()
        assert (await receive())['type'] == 'http.disconnect'
      await send({'type': START, 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': b'he', 'more_body': True})
      if when == 'between':
        await leave()
        assert (await receive())['type'] == 'http.disconnect'
      await send({'type': 'http.response.body', 'body': b'llo', 'more_body': True})
      await send({'type': 'http.response.body'})

  async def leave() -> None:
    client.parts.clear()
    client.gone.set()

  cached = wrap(Listening(PUBLIC, length=-1))
  client = Client(cached, make_scope('/', COOKIE))
  await client.run()
  assert stats_of(cached).stored == (when == 'never')


@pytest.mark.parametrize('sent', [0, 1, 2])
@in_loop
async def test_a_trial_that_raises_stores_nothing(wrap: Wrap, sent: int) -> None:
  class Raising(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      messages: List[Message] = [
        {'type': START, 'status': 200, 'headers': self.all_headers()},
        {'type': 'http.response.body', 'body': b'he', 'more_body': True},
      ]
      for message in messages[:sent]:
        await send(message)
      raise Broken

  cached = wrap(Raising(PUBLIC))
  client = Client(cached, make_scope('/', COOKIE))
  with pytest.raises(Broken):
    await client.run()
  assert len(client.messages) == (sent if sent == 2 else 0)  # a start waits for its body
  assert stats_of(cached).stored == 0


@in_loop
async def test_routes_reach_a_trial(wrap: Wrap) -> None:
  @no_cache
  def forbid() -> None:
    pass

  @cache_response(60, public=True, vary=['accept-language'])
  def allow() -> None:
    pass

  class Route(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      (allow if scope['path'] == '/allow' else forbid)()
      await super().respond(scope, receive, send)

  cached = wrap(Route(PUBLIC))
  english = {**COOKIE, 'accept-language': 'en'}
  first = await get(cached, '/allow', english)
  assert first['vary'] == 'accept-language' and ';stored' in first.cache_status
  assert (await get(cached, '/allow', english)).is_hit
  assert not (await get(cached, '/allow', {**COOKIE, 'accept-language': 'de'})).is_hit
  assert 'detail=no-store' in (await get(cached, '/forbid', english)).cache_status


# ---- Memory

FAILING = """
import asyncio, sys
sys.path.insert(0, {path!r})
from _testcapi import remove_mem_hooks, set_nomemory
from asgi import make_scope
from cachette._cachette import HttpExchange, HttpPolicy, HttpSend

class Shared:
  cache_status = True
  def invalidate(self, exchange): return None
  def invalidate_target(self, key): return None
  def send_after(self, awaitable, send, message): return send(message)
  def note_unstored(self, scope, reason): pass

class Trial:
  is_used, scope = False, {{}}

def send(message): return message

shared, policy, trial = Shared(), HttpPolicy(), Trial()
headers = [(b'cache-control', b'no-store')]
start = {{'type': 'http.response.start', 'status': 200, 'headers': headers}}
added = [(b'x', b'y')]

def make(method, added, trial):
  exchange = HttpExchange(policy, make_scope(method=method))
  if trial is not None:
    exchange.decide(None)
  return exchange

for method, added, trial in (('POST', added, None), ('GET', None, trial), ('POST', None, None)):
  failed = 0
  for index in range(200):
    exchange = make(method, added, trial)
    set_nomemory(index, index + 1)
    try:
      result = HttpSend(shared, send, exchange, added, trial)(start)
    except MemoryError:
      failed += 1
      continue
    finally:
      remove_mem_hooks()
    if failed < index - 30:
      break
  assert failed > 3, failed
  assert result['headers'][-1][0] in (b'x', b'cache-status'), result
print('done')
"""


if find_spec('_testcapi') is not None:

  def test_each_allocation_may_fail() -> None:
    code = FAILING.format(path=f'{ROOT}/tests/python')
    done = subprocess.run(
      [sys.executable, '-X', 'faulthandler', '-c', code],
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      encoding='utf-8',
      timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, 'done\n')
