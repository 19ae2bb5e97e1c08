# SPDX-License-Identifier: MIT
"""The HTTP cache in each framework: all behaviours that users see, with requests in this process.

Each test skips if its framework is not installed.
"""

import asyncio
from typing import Any, Awaitable, Callable, Dict, List, Type

import pytest
from asgi_client import Answer, Client
from cachette import Cachette
from cachette.http import HttpStats, Policy, purge
from cachette.testing import Clock, isolated
from conftest import run_python
from http_apps import MAKERS, Shop

SITE = 'http://example.com'


class Site:
  """A shop that is open.

  cls: the cache of the middleware. clock: of this cache. framework: the name of the framework.
  """

  def __init__(self, framework: str, cls: Type[Cachette], clock: Clock, client: Client) -> None:
    self.framework = framework
    self.cls = cls
    self.clock = clock
    self.client = client
    self.get = client.get
    self.request = client.request

  shop: Shop

  @property
  def stats(self) -> HttpStats:
    stats = self.cls.stats().http
    assert stats is not None
    return stats

  async def until_run(self, name: str, count: int) -> None:
    """Waits until a handler has begun to run so often."""
    for _ in range(1000):
      if self.shop.runs[name] >= count:
        return
      await asyncio.sleep(0.002)
    raise AssertionError(f'{name} ran {self.shop.runs[name]} times')

  async def until_hit(self, path: str, body: bytes) -> Answer:
    """Waits until the store has this body for a path."""
    for _ in range(1000):
      answer = await self.get(path)
      if answer.is_hit and answer.body == body:
        return answer
      await asyncio.sleep(0.002)
    raise AssertionError(answer)


Test = Callable[[Site], Awaitable[None]]


def each_framework(*, without: 'tuple[str, ...]' = (), **policy: Any) -> Callable[[Test], Any]:
  """Runs a test in each framework, with this policy."""

  def decorate(test: Test) -> Any:
    @pytest.mark.filterwarnings('ignore::DeprecationWarning')
    @pytest.mark.parametrize('framework', [each for each in MAKERS if each not in without])
    def run(framework: str) -> None:
      asyncio.run(open_and(test, framework, Policy(**policy)))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run

  return decorate


async def open_and(test: Test, framework: str, policy: Policy) -> None:
  class Own(Cachette):
    pass

  shop = Shop()
  with isolated(Own) as isolation:
    app = MAKERS[framework](shop, {'policy': policy, 'cache': Own})
    async with Client(app) as client:
      site = Site(framework, Own, isolation.clock, client)
      site.shop = shop
      await test(site)


# ---- Hits


@each_framework()
async def test_a_miss_is_followed_by_a_hit(site: Site) -> None:
  miss = await site.get('/page')
  assert (miss.status, miss.body, miss.is_hit) == (200, b'page 1', False)
  assert 'stored' in miss['cache-status'] and 'age' not in miss
  site.clock.advance(10)
  hit = await site.get('/page')
  assert (hit.status, hit.body, hit.is_hit, hit.is_complete) == (200, b'page 1', True, True)
  assert hit['age'] == '10' and hit['content-length'] == '6'
  assert hit['content-type'] == miss['content-type']
  assert site.shop.runs['page'] == 1
  site.clock.advance(50)
  assert (await site.get('/page')).body == b'page 2'


@each_framework()
async def test_a_hit_has_each_field_of_the_response_once(site: Site) -> None:
  miss, hit = await site.get('/page'), await site.get('/page')
  names = [name for name, _ in hit.fields]
  assert len(names) == len(set(names)), names
  assert {name for name, _ in miss.fields} <= set(names)
  assert [each['type'] for each in hit.messages] == ['http.response.start', 'http.response.body']
  assert all(type(part) is bytes for pair in hit.start['headers'] for part in pair)


@each_framework()
async def test_a_query_is_part_of_the_key(site: Site) -> None:
  bodies = [(await site.get(f'/page{query}')).body for query in ('', '?a=1', '?a=2', '?a=1', '')]
  assert bodies == [b'page 1', b'page 2', b'page 3', b'page 2', b'page 1']


@each_framework(query='drop')
async def test_a_policy_drops_the_query(site: Site) -> None:
  assert {(await site.get(f'/page{query}')).body for query in ('', '?a=1', '?a=2')} == {b'page 1'}


@each_framework()
async def test_a_client_that_has_the_response_gets_304(site: Site) -> None:
  await site.get('/page')
  tag = (await site.get('/page'))['etag']
  assert tag.startswith('W/"')
  answer = await site.get('/page', if_none_match=tag)
  assert (answer.status, answer.body, answer['etag']) == (304, b'', tag)
  assert 'content-length' not in answer and answer['cache-control'] == 'max-age=60'
  assert (await site.get('/page', if_none_match='"other"')).status == 200
  assert site.shop.runs['page'] == 1


@each_framework()
async def test_the_first_response_has_the_etag_of_the_later_ones(site: Site) -> None:
  assert (await site.get('/page'))['etag'] == (await site.get('/page'))['etag']


@each_framework(etag='none')
async def test_a_policy_makes_no_etag(site: Site) -> None:
  for _ in range(2):
    assert 'etag' not in await site.get('/page')


@each_framework()
async def test_a_range_is_answered_from_the_stored_response(site: Site) -> None:
  await site.get('/page')
  answer = await site.get('/page', range='bytes=0-3')
  assert (answer.status, answer.body) == (206, b'page')
  assert answer['content-range'] == 'bytes 0-3/6' and answer['content-length'] == '4'
  beyond = await site.get('/page', range='bytes=10-')
  assert (beyond.status, beyond['content-range']) == (416, 'bytes */6')
  whole = await site.get('/page')
  assert (whole.status, whole.body, whole.is_hit) == (200, b'page 1', True)


@each_framework(without=('litestar',))
async def test_head_is_answered_from_the_stored_response(site: Site) -> None:
  got = await site.get('/page')
  head = await site.request('HEAD', '/page')
  assert (head.status, head.body, head.is_hit) == (200, b'', True)
  assert head['content-length'] == '6' and head['content-type'] == got['content-type']
  assert site.shop.runs['page'] == 1


@each_framework()
async def test_head_does_not_poison_get(site: Site) -> None:
  await site.request('HEAD', '/page')
  answer = await site.get('/page')
  assert not answer.is_hit and answer.body.startswith(b'page ')


@each_framework()
async def test_a_get_with_a_body_passes(site: Site) -> None:
  for count in (1, 2):
    answer = await site.request('GET', '/page', body=b'{"a": 1}')
    assert answer.body == b'page %d' % count
    assert not answer.is_hit
  assert not (await site.get('/page')).is_hit


@each_framework()
async def test_each_language_has_its_own_response(site: Site) -> None:
  for count, language in enumerate(('de', 'fr'), 1):
    for is_hit in (False, True):
      answer = await site.get('/language', accept_language=language)
      assert answer.body == f'{language} language {count}'.encode()
      assert answer.is_hit == is_hit
  assert (await site.get('/language')).body == b'None language 3'


# ---- Stale responses


@each_framework()
async def test_a_stale_response_is_served_while_it_is_refreshed(site: Site) -> None:
  await site.get('/items/1')
  site.clock.advance(70)
  site.shop.gate = asyncio.Event()
  for _ in range(3):
    stale = await site.get('/items/1')
    assert (stale.status, stale.body, stale['age']) == (200, b'item 1 1', '70')
  await site.until_run('item 1', 2)
  site.shop.gate.set()
  fresh = await site.until_hit('/items/1', b'item 1 2')
  assert fresh['age'] == '0' and site.shop.runs['item 1'] == 2


@each_framework()
async def test_a_stale_response_is_served_while_the_handler_fails(site: Site) -> None:
  await site.get('/items/1')
  site.clock.advance(60 + 3599)
  site.shop.failing = True
  stale = await site.get('/items/1')
  assert (stale.status, stale.body, stale.error) == (200, b'item 1 1', None)
  assert stale['age'] == '3659'
  site.clock.advance(2)
  await assert_fails(site, '/items/1')
  site.shop.failing = False
  assert (await site.get('/items/1')).body == b'item 1 4'


async def assert_fails(site: Site, path: str) -> None:
  """Some frameworks send 500, some raise, and some do both."""
  answer = await site.get(path)
  assert answer.error is not None or answer.status == 500
  assert not answer.messages or answer.status == 500


@each_framework()
async def test_a_refresh_that_fails_keeps_the_stale_response(site: Site) -> None:
  await site.get('/items/1')
  site.clock.advance(70)
  site.shop.failing = True
  assert (await site.get('/items/1')).body == b'item 1 1'
  await site.until_run('item 1', 2)
  assert (await site.get('/items/1')).body == b'item 1 1'
  site.shop.failing = False
  await site.get('/items/1')
  await site.until_hit('/items/1', f'item 1 {site.shop.runs["item 1"]}'.encode())


@each_framework()
async def test_the_application_confirms_a_stale_response(site: Site) -> None:
  await site.get('/checked')
  site.clock.advance(11)
  confirmed = await site.get('/checked')
  assert (confirmed.status, confirmed.body, confirmed['etag']) == (200, b'checked 1', '"v1"')
  assert site.shop.runs['checked'] == 2
  hit = await site.get('/checked')
  assert (hit.body, hit.is_hit) == (b'checked 1', True)
  assert (await site.get('/checked', if_none_match='"v1"')).status == 304
  assert site.shop.runs['checked'] == 2
  assert site.stats.revalidated == 1


# ---- Invalidation


@each_framework()
async def test_a_post_invalidates_its_uri(site: Site) -> None:
  for number in (1, 2):
    await site.get(f'/items/{number}')
  assert (await site.request('POST', '/items/1', body=b'new')).status == 200
  changed = await site.get('/items/1')
  assert (changed.body, changed.is_hit) == (b'item 1 2', False)
  assert (await site.get('/items/2')).is_hit


@each_framework()
async def test_a_post_that_fails_invalidates_nothing(site: Site) -> None:
  await site.get('/items/1')
  site.shop.failing = True
  await site.request('POST', '/items/1', body=b'new')
  assert (await site.get('/items/1')).is_hit


@each_framework()
async def test_a_response_from_before_a_post_is_not_stored_after_it(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  early = site.client.begin('GET', '/items/1')
  await site.until_run('item 1', 1)
  gate, site.shop.gate = site.shop.gate, None
  await site.request('POST', '/items/1', body=b'new')
  gate.set()
  assert (await early.wait()).body == b'item 1 1'
  assert (await site.get('/items/1')).body == b'item 1 2'


PURGES: Dict[str, Dict[str, Any]] = {
  'url': {'url': f'{SITE}/items/1'},
  'prefix': {'prefix': f'{SITE}/items/1'},
  'tags': {'tags': ['item:1']},
}


@each_framework()
async def test_purges_forget_what_they_name_and_nothing_else(site: Site) -> None:
  for count, (name, what) in enumerate(PURGES.items(), 1):
    for number in (1, 2):
      await site.get(f'/items/{number}')
      assert (await site.get(f'/items/{number}')).is_hit, name
    await purge(**what, cache=site.cls)
    assert (await site.get('/items/1')).body == b'item 1 %d' % (count + 1), name
    assert (await site.get('/items/2')).body == b'item 2 1', name


@each_framework()
async def test_a_purge_of_a_tag_or_of_all_forgets_several(site: Site) -> None:
  paths = ['/items/1', '/items/2', '/dependency']
  for what in ({'tags': 'items'}, {'all': True}):
    for path in paths:
      await site.get(path)
      assert (await site.get(path)).is_hit
    await purge(**what, cache=site.cls)
    for path in paths:
      assert not (await site.get(path)).is_hit, (what, path)


@each_framework()
async def test_a_soft_purge_serves_the_stale_response_while_it_is_refreshed(site: Site) -> None:
  await site.get('/items/1')
  await purge(tags=['items'], soft=True, cache=site.cls)
  assert (await site.get('/items/1')).body == b'item 1 1'
  await site.until_hit('/items/1', b'item 1 2')


@each_framework()
async def test_a_response_from_before_a_purge_is_not_stored_after_it(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  early = site.client.begin('GET', '/items/1')
  await site.until_run('item 1', 1)
  await purge(tags=['item:1'], cache=site.cls)
  site.shop.gate.set()
  assert (await early.wait()).body == b'item 1 1'
  assert (await site.get('/items/1')).body == b'item 1 2'


# ---- Users


@each_framework()
async def test_credentials_are_never_shared(site: Site) -> None:
  for name in ('authorization', 'cookie'):
    for value in ('alice', 'bob', 'alice'):
      answer = await site.get('/user', **{name: value})
      assert answer.body.count(value.encode()) == 1 and not answer.is_hit
  anonymous = await site.get('/user')
  assert (anonymous.body, anonymous.is_hit) == (b'for None None', False)
  assert (await site.get('/user')).is_hit
  assert (await site.get('/user', authorization='alice')).body == b'for alice None'
  assert (await site.get('/user')).body == b'for None None'


@each_framework(session_cookies=['session'])
async def test_a_policy_ignores_cookies_that_are_no_credentials(site: Site) -> None:
  await site.get('/page', cookie='theme=dark')
  assert (await site.get('/page', cookie='theme=light')).is_hit
  assert not (await site.get('/page', cookie='theme=dark; session=1')).is_hit


@each_framework(key_cookies=['language'])
async def test_a_policy_makes_a_cookie_part_of_the_key(site: Site) -> None:
  for value in ('de', 'fr'):
    for is_hit in (False, True):
      answer = await site.get('/user', cookie=f'language={value}')
      assert (answer.body, answer.is_hit) == (f'for None language={value}'.encode(), is_hit)


@each_framework()
async def test_a_response_that_sets_a_cookie_is_not_stored(site: Site) -> None:
  for count in (1, 2):
    answer = await site.get('/login')
    assert (answer['set-cookie'], answer.is_hit) == (f'session={count}', False)


@each_framework(set_cookie='strip')
async def test_a_policy_stores_responses_without_their_cookies(site: Site) -> None:
  await site.get('/login')
  hit = await site.get('/login')
  assert (hit.body, hit.is_hit) == (b'login 1', True)
  assert 'set-cookie' not in hit


# ---- Streams


@each_framework()
async def test_a_stream_is_sent_at_once_and_stored(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  exchange = site.client.begin('GET', '/stream')
  await exchange.wait_for_parts(1)
  assert exchange.answer.body == b'one '
  site.shop.gate.set()
  assert (await exchange.wait()).body == b'one two three'
  hit = await site.get('/stream')
  assert (hit.body, hit.is_hit, hit['content-length']) == (b'one two three', True, '13')
  assert 'transfer-encoding' not in hit
  assert site.shop.runs['stream'] == 1


@each_framework(max_body=8)
async def test_a_stream_that_is_too_long_is_not_stored(site: Site) -> None:
  for _ in range(2):
    answer = await site.get('/stream')
    assert (answer.body, answer.is_hit) == (b'one two three', False)


@each_framework()
async def test_a_stream_that_breaks_is_not_stored(site: Site) -> None:
  torn = await site.get('/torn')
  assert torn.body.startswith(b'begun ') and b'ended' not in torn.body
  whole = await site.get('/torn')
  assert (whole.body, whole.is_hit) == (b'begun ended', False)
  assert (await site.get('/torn')).is_hit


@each_framework()
async def test_a_client_that_leaves_a_stream_harms_no_other(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  exchange = site.client.begin('GET', '/stream')
  await exchange.wait_for_parts(1)
  exchange.disconnect()
  await asyncio.sleep(0.01)
  site.shop.gate.set()
  await exchange.wait()
  for _ in range(2):
    answer = await site.get('/stream')
    assert (answer.body, answer.is_complete) == (b'one two three', True)
  assert (await site.get('/stream')).is_hit


@each_framework()
async def test_events_pass_untouched(site: Site) -> None:
  for count in (1, 2):
    answer = await site.get('/events')
    assert answer.parts == [b'data: 0\n\n', b'data: 1\n\n', b'data: 2\n\n']
    assert site.shop.runs['events'] == count


# ---- Exceptions and concurrent requests


@each_framework()
async def test_an_exception_reaches_the_client_and_is_not_stored(site: Site) -> None:
  site.shop.failing = True
  await assert_fails(site, '/page')
  await assert_fails(site, '/items/1')
  site.shop.failing = False
  assert (await site.get('/page')).body == b'page 2'
  assert (await site.get('/items/1')).body == b'item 1 2'


@each_framework()
async def test_concurrent_misses_run_the_handler_once(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  exchanges = [site.client.begin('GET', '/page') for _ in range(20)]
  await site.until_run('page', 1)
  await asyncio.sleep(0.01)
  site.shop.gate.set()
  assert {(await each.wait()).body for each in exchanges} == {b'page 1'}
  assert site.shop.runs['page'] == 1
  assert site.stats.coalesced == 19


@each_framework()
async def test_concurrent_requests_that_cannot_share_run_in_parallel(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  exchanges = [site.client.begin('GET', '/never') for _ in range(5)]
  await site.until_run('never', 1)
  site.shop.gate.set()
  bodies = {(await each.wait()).body for each in exchanges}
  assert bodies == {b'never %d' % number for number in range(1, 6)}


@each_framework()
async def test_the_run_goes_on_if_its_client_leaves(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  first = site.client.begin('GET', '/page')
  await site.until_run('page', 1)
  second = site.client.begin('GET', '/page')
  await asyncio.sleep(0.01)
  first.disconnect()
  await asyncio.sleep(0.01)
  site.shop.gate.set()
  await first.wait()
  assert (await second.wait()).body == b'page 1'
  assert site.shop.runs['page'] == 1


@each_framework()
async def test_a_cancelled_request_harms_no_other(site: Site) -> None:
  site.shop.gate = asyncio.Event()
  first = site.client.begin('GET', '/page')
  await site.until_run('page', 1)
  second = site.client.begin('GET', '/page')
  await asyncio.sleep(0.01)
  first.task.cancel()
  await asyncio.sleep(0.01)
  site.shop.gate.set()
  assert (await second.wait()).body == b'page 1'


@each_framework()
async def test_refreshes_end_with_the_application(site: Site) -> None:
  await site.get('/items/1')
  site.clock.advance(70)
  site.shop.gate = asyncio.Event()  # it never opens
  await site.get('/items/1')
  await site.until_run('item 1', 2)


# ---- Routes


@each_framework()
async def test_a_policy_of_a_route_also_works_on_a_plain_function(site: Site) -> None:
  assert [(await site.get('/plain')).body for _ in range(2)] == [b'plain 1'] * 2


@each_framework()
async def test_a_policy_as_a_dependency(site: Site) -> None:
  assert [(await site.get('/dependency')).body for _ in range(2)] == [b'dependency 1'] * 2


@each_framework()
async def test_no_cache_prevails_over_the_fields_of_the_response(site: Site) -> None:
  assert [(await site.get('/never')).body for _ in range(2)] == [b'never 1', b'never 2']


@each_framework()
async def test_the_policy_of_a_route_is_not_sent_to_the_client(site: Site) -> None:
  for _ in range(2):
    assert 'cache-control' not in await site.get('/items/1')


@each_framework(default_ttl=60)
async def test_a_default_ttl_stores_responses_without_freshness(site: Site) -> None:
  await site.get('/items/1')
  assert (await site.get('/items/1')).is_hit
  missing = [await site.get('/absent/x/y') for _ in range(2)] if site.framework != 'bare' else []
  assert all(answer.status == 404 and not answer.all('age') for answer in missing)


@each_framework()
async def test_a_mounted_application_has_its_own_keys(site: Site) -> None:
  for path, body in (('/page', b'page 1'), ('/mounted/page', b'mounted 1')):
    for is_hit in (False, True):
      answer = await site.get(path)
      assert (answer.body, answer.is_hit) == (body, is_hit)
      assert len(answer.all('cache-status')) == 1


# ---- Counts and names


@each_framework()
async def test_the_counts_of_a_cache(site: Site) -> None:
  before = site.stats
  assert (before.hits, before.misses, before.stored, before.bytes) == (0, 0, 0, 0)
  for path in ('/page', '/page', '/page', '/login', '/never'):
    await site.get(path)
  stats = site.stats
  assert (stats.hits, stats.misses, stats.stored, stats.errors) == (2, 3, 1, 0)
  assert stats.bytes == 12
  assert sum(stats.passed.values()) == 2 and 'set-cookie' in stats.passed


@each_framework(cache_status='edge')
async def test_a_policy_names_the_cache(site: Site) -> None:
  assert (await site.get('/page'))['cache-status'].startswith('edge;')
  assert (await site.get('/page'))['cache-status'].startswith('edge;hit')


@each_framework(cache_status=False)
async def test_a_policy_hides_the_cache(site: Site) -> None:
  for _ in range(2):
    assert 'cache-status' not in await site.get('/page')
  assert site.shop.runs['page'] == 1


@each_framework()
async def test_a_class_names_another_cache(site: Site) -> None:
  await site.get('/page')
  await purge(all=True, cache=Cachette)
  assert (await site.get('/page')).is_hit
  await site.cls().flush()
  assert not (await site.get('/page')).is_hit


# ---- Frameworks of their own kinds


def test_the_tasks_of_a_handler_do_not_delay_storing() -> None:
  pytest.importorskip('starlette')
  from cachette.http import CacheMiddleware
  from starlette.applications import Starlette
  from starlette.background import BackgroundTask
  from starlette.requests import Request
  from starlette.responses import PlainTextResponse, Response
  from starlette.routing import Route

  gates: List[asyncio.Event] = []  # Python 3.9 wants one to be made in the loop

  async def page(request: Request) -> Response:
    task = BackgroundTask(gates[0].wait)
    return PlainTextResponse('page', headers={'Cache-Control': 'max-age=60'}, background=task)

  class Own(Cachette):
    pass

  app = Starlette(routes=[Route('/page', page)])
  app.add_middleware(CacheMiddleware, cache=Own)

  async def main() -> None:
    gate = asyncio.Event()
    gates.append(gate)
    async with Client(app) as client:
      first = client.begin('GET', '/page')
      await first.wait_for_parts(1)
      for _ in range(100):
        if (await client.get('/page')).is_hit:
          break
        await asyncio.sleep(0.01)
      assert (await client.get('/page')).is_hit and not gate.is_set()
      gate.set()
      await first.wait()

  with isolated(Own):
    asyncio.run(main())


def test_a_stream_that_breaks_below_a_base_middleware_is_not_stored() -> None:
  """BaseHTTPMiddleware ends such a body as if it were complete, and raises after that."""
  pytest.importorskip('starlette')
  from cachette.http import CacheMiddleware
  from starlette.applications import Starlette
  from starlette.middleware.base import BaseHTTPMiddleware
  from starlette.requests import Request
  from starlette.responses import Response, StreamingResponse
  from starlette.routing import Route

  shop = Shop()

  async def torn(request: Request) -> Response:
    return StreamingResponse(shop.torn(), headers={'Cache-Control': 'max-age=60'})

  async def call(request: Request, call_next: Any) -> Any:
    return await call_next(request)

  class Own(Cachette):
    pass

  app = Starlette(routes=[Route('/torn', torn)])
  app.add_middleware(BaseHTTPMiddleware, dispatch=call)
  app.add_middleware(CacheMiddleware, cache=Own)

  async def main() -> None:
    async with Client(app) as client:
      await client.get('/torn')
      answers = [await client.get('/torn') for _ in range(2)]
      assert [each.body for each in answers] == [b'begun ended'] * 2
      assert [each.is_hit for each in answers] == [False, True]

  with isolated(Own):
    asyncio.run(main())


# ---- A missing middleware

WITHOUT: Dict[str, str] = {
  'fastapi': """
    from fastapi import FastAPI
    app = FastAPI(lifespan=Cachette.lifespan)
    @app.get('/covered/{number}')
    @cache_response(60)
    async def handler(number: int) -> str: return 'x'
  """,
  'starlette': """
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    @cache_response(60)
    async def handler(request): return PlainTextResponse('x')
    app = Starlette(routes=[Route('/covered/{number}', handler)], lifespan=Cachette.lifespan)
  """,
  'litestar': """
    from litestar import Litestar, get
    @get('/covered/{number:int}')
    @cache_response(60)
    async def handler() -> str: return 'x'
    app = Litestar([handler], lifespan=[Cachette.lifespan])
  """,
  'quart': """
    from quart import Quart
    app = Quart('shop')
    @app.get('/covered/<int:number>')
    @cache_response(60)
    async def handler(number): return 'x'
    app.before_serving(lambda: check(app))
  """,
  'blacksheep': """
    from blacksheep import Application, text
    app = Application()
    @app.router.get('/covered/{number}')
    @cache_response(60)
    async def handler(number: int): return text('x')
    @app.on_start
    async def on_start(app): check(app)
  """,
}

PROGRAM = """
import asyncio, sys, textwrap, warnings
sys.path.insert(0, {folder!r})
from asgi_client import Client
from cachette import Cachette
from cachette.http import CacheMiddleware, cache_response, check
warnings.simplefilter('ignore')
exec(textwrap.dedent({code!r}))
async def main():
  async with Client({wrap}) as client:
    for _ in range(2):
      assert (await client.get('/covered/1')).status == 200
with warnings.catch_warnings(record=True) as caught:
  warnings.simplefilter('always')
  asyncio.run(main())
for each in caught:
  if each.category is UserWarning:
    print(each.message)
"""


def warnings_of(framework: str, wrap: str) -> List[str]:
  pytest.importorskip(framework)
  import os

  folder = os.path.dirname(os.path.abspath(__file__))
  program = PROGRAM.format(folder=folder, code=WITHOUT[framework], wrap=wrap)
  return run_python(program).splitlines()


@pytest.mark.parametrize('framework', WITHOUT)
def test_a_policy_without_a_middleware_warns_at_start_up(framework: str) -> None:
  first, *others = warnings_of(framework, 'app')
  assert '/covered/' in first and 'CacheMiddleware' in first, first
  assert len(others) <= 1, others


@pytest.mark.parametrize('framework', WITHOUT)
def test_a_policy_with_a_middleware_does_not_warn(framework: str) -> None:
  assert warnings_of(framework, 'CacheMiddleware(app)') == []
