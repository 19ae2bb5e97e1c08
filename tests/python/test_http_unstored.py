# SPDX-License-Identifier: MIT
"""Requests whose last response could not be stored: what passes at once, and what does not."""

import asyncio
import gc
import sys
import time
import weakref
from importlib.util import find_spec
from typing import Any, Dict, List, Tuple

import pytest
from asgi import FRESH, App, Client, Response, Wrap, class_of, get, in_loop, make_scope, stats_of
from cachette._cachette import HttpPassed
from cachette.http import CacheMiddleware, Policy, cache_response, no_cache
from conftest import ROOT, run_python

COOKIE = {'cookie': 'session=1'}
UNSTORED = {'cache-control': 'no-store'}
PUBLIC = {'cache-control': 'public, max-age=60'}
LOOKS = 3  # requests after which each is remembered that ever will be


def is_remembered(cached: CacheMiddleware, scope: Dict[str, Any]) -> bool:
  """Whether the request would pass at once."""
  return isinstance(cached._shared.lane.begin(scope, print), HttpPassed)


async def remember(
  cached: CacheMiddleware, path: str = '/', headers: Any = (), **more: Any
) -> List[Response]:
  responses = [await get(cached, path, headers, **more) for _ in range(LOOKS)]
  assert is_remembered(cached, make_scope(path, headers, **more))
  return responses


# ---- What passes at once


@pytest.mark.parametrize(
  'response, request_headers, more, reason',
  [
    (FRESH, COOKIE, {}, 'credentials'),
    (FRESH, {'authorization': 'Basic a'}, {}, 'credentials'),
    (FRESH, {'cache-control': 'no-store'}, {}, 'no-store'),
    (FRESH, {}, {'method': 'HEAD'}, 'method'),
    (UNSTORED, {}, {}, 'no-store'),
    (UNSTORED, {'cache-control': 'no-cache'}, {}, 'no-store'),
    ({'cache-control': 'private'}, {}, {}, 'private'),
    ({**FRESH, 'set-cookie': 'a=b'}, {}, {}, 'set-cookie'),
    ({**FRESH, 'vary': '*'}, {}, {}, 'vary-any'),
    ({**FRESH, 'vary': 'cookie'}, {}, {}, 'vary-user'),
    ({'cache-control': 'no-cache'}, {}, {}, 'no-cache'),
    ({}, {}, {}, 'no-freshness'),
  ],
)
@in_loop
async def test_what_cannot_be_stored_is_answered_alike_when_it_is_remembered(
  wrap: Wrap, response: Any, request_headers: Any, more: Any, reason: str
) -> None:
  app = App(response)
  cached = wrap(app, etag='none')
  before = await remember(cached, '/a', request_headers, **more)
  stats = stats_of(cached)
  answer = await get(cached, '/a', request_headers, **more)
  assert answer.messages == before[-1].messages
  assert answer.cache_status == f'cachette;fwd=uri-miss;fwd-status=200;detail={reason}'
  after = stats_of(cached)
  assert after.misses == stats.misses + 1 and app.runs == LOOKS + 1
  assert after.passed == {**stats.passed, reason: stats.passed[reason] + 1}


@in_loop
async def test_the_policy_may_want_no_cache_status(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED), cache_status=False)
  await remember(cached)
  assert [name for name, _ in (await get(cached)).start['headers']] == [
    b'content-length',
    b'cache-control',
  ]


@in_loop
async def test_messages_and_fields_of_the_application_stay_as_they_are(wrap: Wrap) -> None:
  sent: List[Any] = []
  hint = {'type': 'http.response.early_hint', 'links': []}
  headers = ((b'cache-control', b'no-store'),)
  start = {'type': 'http.response.start', 'status': 200, 'headers': headers, 'trailers': True}
  body = {'type': 'http.response.body', 'body': b'a'}

  async def app(scope: Any, receive: Any, send: Any) -> None:
    for each in (hint, start, body):
      await send(each)

  cached = wrap(app)
  await remember(cached)

  async def send(message: Any) -> None:
    sent.append(message)

  client = Client(cached, make_scope())
  await cached(make_scope(), client.receive, send)
  assert sent[0] is hint and sent[2] is body and start['headers'] is headers
  assert sent[1]['trailers'] and sent[1]['headers'][0] is headers[0]


# ---- What does not


@pytest.mark.parametrize(
  'name',
  [
    *('if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since', 'if-range'),
    *('range', 'transfer-encoding', 'x-http-method', 'x-http-method-override'),
    *('x-method-override', 'x-original-url', 'x-rewrite-url'),
  ],
)
@in_loop
async def test_requests_with_conditions_and_the_like_are_not_remembered(
  wrap: Wrap, name: str
) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  for written in (name, name.title()):
    headers = [(written.lower(), '"a"')]
    for _ in range(LOOKS):
      await get(cached, '/', headers)
    scope = make_scope('/', headers)
    scope['headers'][-1] = (written.encode(), b'"a"')
    assert not is_remembered(cached, scope)


@in_loop
async def test_only_the_same_request_is_remembered(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached, '/a?b')
  others: List[Dict[str, Any]] = [
    make_scope('/a'),
    make_scope('/a?c'),
    make_scope('/A?b'),
    make_scope('/a?b', method='HEAD'),
    make_scope('/a?b', scheme='https'),
    make_scope('/a?b', {'host': 'example.org'}),
    make_scope('/a?b', [('host', 'example.com'), ('host', 'example.com')]),
    make_scope('/a?b', COOKIE),
    make_scope('/a?b', {'authorization': 'a'}),
    make_scope('/a?b', {'cache-control': 'max-age=0'}),
    make_scope('/a?b', {'pragma': 'no-cache'}),
    make_scope('/a?b', {'content-length': '1'}),
    make_scope('/a?b', {'connection': 'cookie'}),
    {**make_scope('/a?b'), 'raw_path': None},
    make_scope('/a?b', raw_path=b'/' + b'a' * 600),
  ]
  for scope in others:
    assert not is_remembered(cached, scope), scope
  for headers in ({'accept': 'a'}, {'user-agent': 'b'}, {'cookie': ' ; '}):
    assert is_remembered(cached, make_scope('/a?b', headers))


@in_loop
async def test_a_wish_for_a_stored_response_only_is_still_obeyed(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  for _ in range(LOOKS):
    assert (await get(cached, '/', {'cache-control': 'only-if-cached'})).status == 504


@pytest.mark.parametrize('cookies', [{'key_cookies': ['a']}, {'session_cookies': ['a']}])
@in_loop
async def test_each_cookie_counts_if_the_policy_names_some(wrap: Wrap, cookies: Any) -> None:
  cached = wrap(App({'cache-control': 'private'}), **cookies)
  await remember(cached, '/', {'cookie': 'a=1'})
  assert not is_remembered(cached, make_scope('/', {'cookie': 'a=2'}))
  assert not is_remembered(cached, make_scope('/'))


@pytest.mark.parametrize('status, length', [(500, None), (503, None), (200, 2_000_000)])
@in_loop
async def test_errors_and_what_depends_on_the_size_are_not_remembered(
  wrap: Wrap, status: int, length: Any
) -> None:
  cached = wrap(App({'cache-control': 'public, max-age=60'}, status=status, length=length))
  for _ in range(LOOKS):
    await get(cached, '/', COOKIE)
  assert not is_remembered(cached, make_scope('/', COOKIE))


@in_loop
async def test_fields_that_are_not_sent_on_are_removed_each_time(wrap: Wrap) -> None:
  class Odd(App):
    def all_headers(self) -> Any:
      return [(b'Connection', b'x-hop'), (b'x-hop', b'1'), (b'cache-control', b'no-store')]

  cached = wrap(Odd())
  for _ in range(5):
    response = await get(cached)
    assert [name for name, _ in response.start['headers']] == [b'cache-control', b'cache-status']


# ---- Responses that differ


@pytest.mark.parametrize('request_headers', [{}, COOKIE])
@in_loop
async def test_a_response_that_differs_is_sent_on_and_the_next_one_is_stored(
  wrap: Wrap, request_headers: Any
) -> None:
  app = App({'cache-control': 'private'})
  cached = wrap(app)
  await remember(cached, '/', request_headers)
  app.headers = list(PUBLIC.items())
  response = await get(cached, '/', request_headers)
  assert response.cache_status == 'cachette;fwd=uri-miss;fwd-status=200;detail=remembered'
  assert response.body == b'hello' and response['cache-control'] == PUBLIC['cache-control']
  assert stats_of(cached).passed['remembered'] == 1 and stats_of(cached).stored == 0
  assert ';stored' in (await get(cached, '/', request_headers)).cache_status
  assert (await get(cached, '/', request_headers)).is_hit


@pytest.mark.parametrize(
  'change',
  [
    {'status': 404},
    {'headers': [('cache-control', 'no-store, private')]},
    {'headers': [*UNSTORED.items(), ('vary', 'accept')]},
    {'headers': [*UNSTORED.items(), ('expires', '0')]},
    {'headers': [*UNSTORED.items(), ('last-modified', '0')]},
    {'headers': [*UNSTORED.items(), ('set-cookie', 'a=b')]},
    {'headers': [*UNSTORED.items(), ('cdn-cache-control', 'max-age=60')]},
    {'headers': [*UNSTORED.items(), ('connection', 'close')]},
  ],
)
@in_loop
async def test_each_field_that_matters_makes_a_response_different(wrap: Wrap, change: Any) -> None:
  app = App(UNSTORED)
  cached = wrap(app, targeted=['CDN-Cache-Control'])
  await remember(cached)
  app.headers.append(('x', 'y'))
  await get(cached)
  assert 'remembered' not in stats_of(cached).passed
  for name, value in change.items():
    setattr(app, name, value)
  assert 'detail=remembered' in (await get(cached)).cache_status
  assert not is_remembered(cached, make_scope())


@in_loop
async def test_responses_that_differ_each_time_are_looked_at(wrap: Wrap) -> None:
  app = App(UNSTORED)
  cached = wrap(app)
  await remember(cached)
  for headers, stored in ((PUBLIC, 0), (UNSTORED, 0), (UNSTORED, 0), (PUBLIC, 1)):
    app.headers = list(headers.items())
    await get(cached)
    assert stats_of(cached).stored == stored


@in_loop
async def test_what_a_get_has_stored_is_used_at_once(wrap: Wrap) -> None:
  cached = wrap(App(FRESH))
  await remember(cached, method='HEAD')
  await remember(cached, '/', {'cache-control': 'no-store'})
  await remember(cached, '/other', method='HEAD')
  assert ';stored' in (await get(cached)).cache_status
  assert (await get(cached, method='HEAD')).is_hit
  assert (await get(cached, '/', {'cache-control': 'no-store'})).is_hit
  assert is_remembered(cached, make_scope('/other', method='HEAD'))


@in_loop
async def test_variants_that_are_stored_are_found(wrap: Wrap) -> None:
  app = App({**PUBLIC, 'vary': 'accept-language'})
  cached = wrap(app)
  german, english = {'accept-language': 'de'}, {'accept-language': 'en'}
  await get(cached, '/', german)
  app.headers = [('cache-control', 'private')]
  for _ in range(LOOKS):
    await get(cached, '/', english)
  assert (await get(cached, '/', german)).is_hit


# ---- Routes


@in_loop
async def test_routes_still_say_what_they_want(wrap: Wrap) -> None:
  @no_cache
  def forbid() -> None:
    pass

  @cache_response(60, public=True, vary=['accept-language'])
  def allow() -> None:
    pass

  class Route(App):
    route = staticmethod(forbid)

    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.route()
      await super().respond(scope, receive, send)

  app = Route(PUBLIC)
  cached = wrap(app)
  for _ in range(LOOKS + 1):
    assert 'detail=no-store' in (await get(cached, '/', COOKIE)).cache_status
  assert is_remembered(cached, make_scope('/', COOKIE))
  app.route = allow  # type: ignore[method-assign, assignment]
  response = await get(cached, '/', COOKIE)
  assert response['vary'] == 'accept-language' and 'detail=remembered' in response.cache_status
  assert ';stored' in (await get(cached, '/', COOKIE)).cache_status
  assert (await get(cached, '/', COOKIE)).is_hit


def passed_of(cached: CacheMiddleware, send: Any = print) -> Any:
  begun = cached._shared.lane.begin(make_scope(), send)
  assert isinstance(begun, HttpPassed)
  return begun


@in_loop
async def test_a_passed_request_is_the_box_of_its_route(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  passed = passed_of(cached)
  assert passed.plan is None and passed.scope['path'] == '/'
  with pytest.raises(AttributeError, match='after use'):
    passed.plan = None
  with pytest.raises(TypeError):
    passed.use()

  @cache_response(60)
  def route() -> None:
    pass

  plan = route._cachette_plan  # type: ignore[attr-defined]
  passed.use(plan, dict)
  assert passed.plan is plan
  passed.plan = None
  assert passed.plan is None


# ---- How long, and how many


@in_loop
async def test_it_is_remembered_for_30_seconds(wrap: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
  from cachette.http import _store

  now = time.monotonic()
  monkeypatch.setattr(_store, 'clock', lambda: now)
  cached = wrap(App(FRESH))
  cached._shared.link_lane()
  scope = make_scope('/', COOKIE)
  await get(cached, '/', COOKIE)
  for later, remembered in ((29, True), (31, False), (29, True)):
    monkeypatch.setattr(_store, 'clock', lambda later=later: now + later)
    cached._shared.link_lane()
    assert is_remembered(cached, dict(scope)) == remembered
  monkeypatch.setattr(_store, 'clock', lambda: now + 31)
  cached._shared.link_lane()
  await get(cached, '/', COOKIE)
  assert is_remembered(cached, dict(scope))


@in_loop
async def test_another_configuration_remembers_nothing(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  class_of(cached).load_config(lambda: {'backend': 'inmemory'})
  await get(cached, '/other')
  assert not is_remembered(cached, make_scope())


@in_loop
async def test_many_requests_replace_the_oldest_ones(wrap: Wrap) -> None:
  cached = wrap(App(FRESH))
  scopes = [make_scope(f'/{i}', COOKIE) for i in range(3000)]
  for i in range(3000):
    response = await get(cached, f'/{i}', COOKIE)
    assert 'detail=credentials' in response.cache_status
  remembered = [is_remembered(cached, scope) for scope in scopes]
  assert 500 < sum(remembered) <= 1024
  assert remembered[-1] and not any(remembered[:100])


@in_loop
async def test_a_stopped_clock_looks_at_each_response(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  class_of(cached)._config.advance(1)
  assert not is_remembered(cached, make_scope())


# ---- Wrong use, and memory


@pytest.mark.parametrize(
  'change',
  [
    {'headers': None},
    {'headers': 'host'},
    {'headers': [(b'host', 'a')]},
    {'headers': [b'ho']},
    {'headers': [(b'host',)]},
    {'query_string': 5},
    {'raw_path': 'a'},
    {'raw_path': None, 'path': '\udc80'},
    {'raw_path': None, 'path': None},
  ],
)
@in_loop
async def test_a_scope_of_another_form_is_not_remembered(wrap: Wrap, change: Any) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  try:
    assert not is_remembered(cached, {**make_scope(), **change})
  except (TypeError, ValueError):
    pass  # the exchange says what is wrong


@in_loop
async def test_wrong_messages_are_refused(wrap: Wrap) -> None:
  cached = wrap(App(UNSTORED))
  await remember(cached)
  start = {'type': 'http.response.start', 'status': 200}
  for message, error in (
    *(({}, KeyError), (5, TypeError), ({'type': start['type']}, KeyError)),
    *(({**start, 'headers': 5}, TypeError), ({**start, 'status': 'a'}, TypeError)),
    ({**start, 'status': 99}, ValueError),
  ):
    with pytest.raises(error):
      passed_of(cached)(message)
  for args in ((), (start, start)):
    with pytest.raises(TypeError):
      passed_of(cached)(*args)
  with pytest.raises(TypeError):
    HttpPassed()
  for args in ((), ({}, print, cached._shared, 1)):
    with pytest.raises(TypeError):
      cached._shared.lane.begin(*args)  # type: ignore[arg-type]
  for key in (5, 'http:1', 'http:' + '\u20ac' * 64, 'http:' + 'z' * 64):
    cached._shared.lane.forget(key)  # type: ignore[arg-type]
  assert is_remembered(cached, make_scope())


@in_loop
async def test_a_clock_that_fails_is_an_error(wrap: Wrap, monkeypatch: pytest.MonkeyPatch) -> None:
  from cachette.http import _store

  def fail() -> float:
    raise ZeroDivisionError

  cached = wrap(App(UNSTORED))
  await remember(cached)
  monkeypatch.setattr(_store, 'clock', fail)
  cached._shared.link_lane()
  with pytest.raises(ZeroDivisionError):
    is_remembered(cached, make_scope())


@in_loop
async def test_a_passed_request_keeps_nothing(wrap: Wrap) -> None:
  app = App(UNSTORED)
  cached = wrap(app)
  await remember(cached)

  async def send(message: Any) -> None:
    pass

  scope = make_scope()
  watched: Tuple[Any, ...] = (scope['headers'], scope['headers'][0], cached._shared.lane, send)

  def counts() -> List[int]:
    app.scopes.clear()
    gc.collect()
    return [sys.getrefcount(each) for each in watched]

  before = counts()
  for _ in range(100):
    client = Client(cached, dict(scope))
    await cached(client.scope, client.receive, send)
  del client
  assert counts() == before


@in_loop
async def test_garbage_with_a_passed_request_is_collected(wrap: Wrap) -> None:
  class Kept:
    pass

  cached = wrap(App(UNSTORED))
  await remember(cached)
  kept: Any = Kept()
  scope = make_scope(state=kept)
  kept.passed = cached._shared.lane.begin(scope, print)
  assert isinstance(kept.passed, HttpPassed)
  gone = weakref.ref(kept)
  del kept, scope
  gc.collect()
  assert gone() is None


FAILING = """
import asyncio, sys
sys.path.insert(0, {path!r})
from _testcapi import remove_mem_hooks, set_nomemory
from asgi import make_scope
from cachette import Cachette
from cachette._cachette import HttpPassed
from cachette.http import CacheMiddleware, cache_response

Cachette.load_config(lambda: {{'backend': 'inmemory'}})
headers = [(b'cache-control', b'no-store')]
start = {{'type': 'http.response.start', 'status': 200, 'headers': headers}}
other = {{**start, 'status': 404}}

@cache_response(60, vary=['accept'])
def route():
  pass

# Memory is short in calls of the extension only: CPython 3.12 and 3.13 crash if there is none for a
# generator.
failing = None  # the number of the allocation that fails in the application's send()

async def app(scope, receive, send):
  if failing is None:
    return await send(start)
  set_nomemory(failing, failing + 1)
  try:
    sent = send(start)
  finally:
    remove_mem_hooks()
  await sent

async def drop(message):
  pass

def give_back(message):
  return message

cached = CacheMiddleware(app)
lane = cached._shared.lane

async def ask(path):
  await cached(make_scope(path), None, drop)

def begin(scope):
  passed = lane.begin(scope, give_back)
  assert isinstance(passed, HttpPassed), passed
  return passed

def answer(scope):
  return begin(scope)(start)

def answer_other(scope):
  return begin(scope)(other)

def answer_route(scope):
  passed = begin(scope)
  passed.use(route._cachette_plan, dict)
  return passed(start)

def answer_post(scope):
  return lane.begin(scope, give_back, cached._shared)(start)

def fail_each(call, least, method='GET'):
  failed = 0
  for nth in range(1000):
    path = f'/{{call.__name__}}/{{nth}}'
    for _ in range(3):
      asyncio.run(ask(path))
    begin(make_scope(path))
    scope = make_scope(path, method=method)
    set_nomemory(nth, nth + 1)
    try:
      result = call(scope)
    except MemoryError:
      failed += 1
      continue
    finally:
      remove_mem_hooks()
    if failed < nth - 30:
      break
  assert failed >= least, (call, failed)
  assert result['headers'][-1][0] == b'cache-status', result

fail_each(answer, 3)
fail_each(answer_other, 4)
fail_each(answer_route, 6)
fail_each(answer_post, 4, 'POST')

async def remember(nth):
  # One request in which an allocation fails: it may not be remembered, but the next one is.
  global failing
  path = f'/remember/{{nth}}'
  await ask(path)
  failing = nth
  try:
    await ask(path)
  except MemoryError:
    return True
  finally:
    failing = None
    await ask(path)
    await ask(path)
    begin(make_scope(path))
  return False

assert sum(asyncio.run(remember(nth)) for nth in range(120)) > 5
print('done')
"""


if find_spec('_testcapi') is not None:

  def test_each_allocation_may_fail() -> None:
    run_python(FAILING.format(path=f'{ROOT}/tests/python'))


# ---- Policies that share a store


@pytest.mark.parametrize('policies', [1, 2])
@in_loop
async def test_a_response_from_before_a_post_is_not_stored(
  make_http_class: Any, policies: int
) -> None:
  cls = make_http_class()
  app, gate = App(FRESH), asyncio.Event()
  caches = [CacheMiddleware(app, Policy(wait=wait), cls) for wait in (1, 2)]
  if policies == 2:
    await get(caches[1], '/elsewhere')
  app.gate = gate
  client = Client(caches[0], make_scope()).start()
  while not app.active:
    await asyncio.sleep(0)
  app.gate = None
  await get(caches[policies - 1], '/', method='POST')
  gate.set()
  await client
  assert not (await get(caches[0])).is_hit
  assert (await get(caches[0])).is_hit
  await get(caches[policies - 1], '/', method='DELETE')
  assert not (await get(caches[0])).is_hit
