# SPDX-License-Identifier: MIT
"""Requests and responses that once fooled other caches, each by the name of what it did.

A row has two requests. What the first one gets must not reach the second one: so the second one
must run the application. A row in `SAME` is the reverse: without it, a cache that stores nothing
would pass.
"""

import asyncio
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

import pytest
from asgi import App, Client, Response, Wrap, get, in_loop, make_scope, send_body, turns
from conftest import on_stores

pytestmark = on_stores

Headers = Iterable[Tuple[str, str]]

PUBLIC: Headers = (('cache-control', 'max-age=60'),)


class Counting(App):
  """Its body is the number of the run, so that it shows whose response this is."""

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    self.parts = [b'run %d' % self.runs]
    await super().respond(scope, receive, send)


class Request(NamedTuple):
  path: str = '/'
  headers: Headers = ()
  method: str = 'GET'
  more: Dict[str, Any] = {}

  def scope(self) -> Dict[str, Any]:
    return {**make_scope(self.path, self.headers, self.method), **self.more}


async def ask(app: Any, request: Request) -> Response:
  return await Client(app, request.scope()).run()


def raw(path: bytes, decoded: str, query: bytes = b'') -> Dict[str, Any]:
  """A target as servers deliver it: raw and decoded."""
  return {'raw_path': path, 'path': decoded, 'query_string': query}


# ---- Who may have it

ALICE = Request('/', [('cookie', 'session=alice')])
BOB = Request('/', [('cookie', 'session=bob')])
ALICE_TOKEN = Request('/', [('authorization', 'Bearer alice')])
BOB_TOKEN = Request('/', [('authorization', 'Bearer bob')])
ANYONE = Request('/')

OTHERS: Dict[str, Tuple[Request, Request]] = {
  'the cookie of one user to another': (ALICE, BOB),
  'the cookie of a user to anyone': (ALICE, ANYONE),
  'a user gets what anyone got': (ANYONE, ALICE),
  'authorization of one user to another': (ALICE_TOKEN, BOB_TOKEN),
  'authorization to anyone (CVE-2024-35195 class)': (ALICE_TOKEN, ANYONE),
  'authorization, lower-case scheme': (Request('/', [('AUTHORIZATION', 'bearer alice')]), ANYONE),
  'an empty authorization': (Request('/', [('authorization', '')]), ANYONE),
  'two cookie lines': (Request('/', [('cookie', 'a=1'), ('cookie', 'session=alice')]), ANYONE),
  # The key
  'another host': (Request('/', [('host', 'a.example')]), Request('/', [('host', 'b.example')])),
  'another port': (Request('/', [('host', 'a.example')]), Request('/', [('host', 'a.example:81')])),
  'another scheme': (Request(), Request(more={'scheme': 'https'})),
  'the query left out (CVE-2026-30246, Fiber)': (Request('/?id=1'), Request('/?id=2')),
  'a query and none': (Request('/?id=1'), Request('/')),
  'the order of parameters': (Request('/?a=1&b=2'), Request('/?b=2&a=1')),
  'a semicolon as separator (CVE-2021-23336)': (Request('/?a=1;b=2'), Request('/?a=1&b=2')),
  'case of the path': (Request('/a'), Request('/A')),
  'a slash at the end': (Request('/a'), Request('/a/')),
  'a percent-encoded slash': (
    Request(more=raw(b'/a%2Fb', '/a/b')),
    Request(more=raw(b'/a/b', '/a/b')),
  ),
  'a percent-encoded question mark': (
    Request(more=raw(b'/a%3Fb=1', '/a?b=1')),
    Request(more=raw(b'/a', '/a', b'b=1')),
  ),
  'a percent-encoded letter': (Request(more=raw(b'/%61', '/a')), Request(more=raw(b'/a', '/a'))),
  'a path that is not encoded': (
    Request(more=raw(b'/\xc3\xa9', '/\xe9')),
    Request(more=raw(b'/%C3%A9', '/\xe9')),
  ),
  'the decoded path only': (
    Request(more={'raw_path': None, 'path': '/a?b=1'}),
    Request(more=raw(b'/a', '/a', b'b=1')),
  ),
  'a Kelvin sign (CVE-2026-25480, Litestar)': (
    Request(more=raw(b'/%E2%84%AA', '/\u212a')),
    Request(more=raw(b'/K', '/K')),
  ),
  'dot segments': (Request('/static/..%2Fmy'), Request('/my')),
  'two slashes': (Request('//a'), Request('/a')),
  'a matrix parameter': (Request('/my;a.css'), Request('/my')),
}


@pytest.mark.parametrize('name', OTHERS)
@in_loop
async def test_a_response_is_not_for(wrap: Wrap, name: str) -> None:
  first, second = OTHERS[name]
  app = Counting(PUBLIC)
  cached = wrap(app)
  assert (await ask(cached, first)).body == b'run 1'
  assert (await ask(cached, second)).body == b'run 2'


SAME: Dict[str, Tuple[Request, Request]] = {
  'the same request': (Request('/a?b=1'), Request('/a?b=1')),
  'case of the host': (
    Request('/', [('host', 'A.Example')]),
    Request('/', [('host', 'a.example')]),
  ),
  'the default port': (
    Request('/', [('host', 'a.example:80')]),
    Request('/', [('host', 'a.example')]),
  ),
  'X-Forwarded-Host is no part of the key': (
    Request('/', [('x-forwarded-host', 'evil.example')]),
    Request('/', [('x-forwarded-host', 'other.example')]),
  ),
}


@pytest.mark.parametrize('name', SAME)
@in_loop
async def test_a_response_is_for(wrap: Wrap, name: str) -> None:
  first, second = SAME[name]
  cached = wrap(Counting(PUBLIC))
  assert (await ask(cached, first)).body == (await ask(cached, second)).body == b'run 1'


# Requests that neither get a stored response nor store one.
BYPASS: Dict[str, Request] = {
  'a fragment in the path': Request(more=raw(b'/#a', '/#a')),
  'a fragment in the query': Request(more=raw(b'/', '/', b'#a')),
  'two hosts': Request('/', [('host', 'example.com'), ('host', 'evil.example')]),
  'no host': Request(more={'headers': []}),
  'an empty host': Request('/', [('host', '')]),
  'a host with a path': Request('/', [('host', 'example.com/evil')]),
  'a host with a user': Request('/', [('host', 'a@example.com')]),
  'an asterisk': Request(more=raw(b'*', '*')),
  'a body on GET (fat GET)': Request('/', [('content-length', '5')]),
  'a body on GET in chunks': Request('/', [('transfer-encoding', 'chunked')]),
  'two lengths (request smuggling)': Request(
    '/', [('content-length', '0'), ('transfer-encoding', 'chunked')]
  ),
  'X-HTTP-Method-Override (CPDoS)': Request('/', [('x-http-method-override', 'POST')]),
  'X-HTTP-Method': Request('/', [('x-http-method', 'DELETE')]),
  'X-Method-Override': Request('/', [('x-method-override', 'PUT')]),
  'X-Original-URL': Request('/', [('x-original-url', '/admin')]),
  'X-Rewrite-URL': Request('/', [('x-rewrite-url', '/admin')]),
  'a line feed in a field': Request('/', [('x-a', 'b\nc: d')]),
  'a NUL in a field': Request('/', [('x-a', 'b\0')]),
  'a method in lower case': Request(method='get'),
  'PURGE without permission': Request(method='PURGE'),
  'TRACE': Request(method='TRACE'),
  'OPTIONS': Request(method='OPTIONS'),
}


@pytest.mark.parametrize('name', BYPASS)
@in_loop
async def test_a_request_passes_that_has(wrap: Wrap, name: str) -> None:
  request = BYPASS[name]
  app = Counting(PUBLIC)
  cached = wrap(app)
  assert (await ask(cached, Request('/'))).body == b'run 1'
  assert (await ask(cached, request)).body == b'run 2', 'it got a stored response'
  assert (await ask(cached, request)).body == b'run 3', 'it stored its own response'


# ---- What may be stored

NOT_STORED: Dict[str, Headers] = {
  'private=""': [('cache-control', 'private="", max-age=60')],
  'private=","': [('cache-control', 'private=",", max-age=60')],
  'private in both forms': [('cache-control', 'private, private="x", max-age=60')],
  'private with blanks (CVE-2026-14643)': [('cache-control', 'private ="a", max-age=60')],
  'Private in capitals (CVE-2026-8404, Django)': [('cache-control', 'PRIVATE, max-age=60')],
  'NO-STORE in capitals': [('cache-control', 'No-Store, max-age=60')],
  'two lines': [('cache-control', 'max-age=60'), ('cache-control', 'no-store')],
  'no-store after an open quote': [('cache-control', 'max-age=60, a="b, no-store')],
  'no-store with an odd byte': [('cache-control', 'max-age=60, no-store\x0b')],
  'max-age=0 as well': [('cache-control', 'max-age=60, max-age=0')],
  'max-age of nothing': [('cache-control', 'max-age')],
  'a max-age that overflows below zero': [('cache-control', 'max-age=-1')],
  'Set-Cookie': [*PUBLIC, ('set-cookie', 'session=alice')],
  'Set-Cookie in capitals': [*PUBLIC, ('SET-COOKIE', 'session=alice')],
  'Vary: *': [*PUBLIC, ('vary', '*')],
  'Vary: * with blanks (CVE-2026-48587, Django)': [*PUBLIC, ('vary', ' accept , * ')],
  'Vary: * on a second line': [*PUBLIC, ('vary', 'accept'), ('vary', '*')],
  'Vary: Cookie (CVE-2026-44457, Hono)': [*PUBLIC, ('vary', 'Cookie')],
  'Vary: Authorization': [*PUBLIC, ('vary', 'accept, authorization')],
  'an Age beyond the lifetime': [*PUBLIC, ('age', '61')],
  'an Age that overflows': [*PUBLIC, ('age', '9' * 30)],
  'a line feed in a field': [*PUBLIC, ('x-a', 'b\nset-cookie: c')],
}


@pytest.mark.parametrize('name', NOT_STORED)
@in_loop
async def test_a_response_is_not_stored_with(wrap: Wrap, name: str) -> None:
  cached = wrap(Counting(NOT_STORED[name]))
  assert (await get(cached)).body == b'run 1'
  assert (await get(cached)).body == b'run 2'


STORED: Dict[str, Headers] = {
  'a quoted private in an unknown directive': [('cache-control', 'ext="private", max-age=60')],
  'a max-age that overflows': [('cache-control', f'max-age={"9" * 30}')],
  'the first of two Ages': [*PUBLIC, ('age', '1'), ('age', '99')],
}


@pytest.mark.parametrize('name', STORED)
@in_loop
async def test_a_response_is_stored_with(wrap: Wrap, name: str) -> None:
  cached = wrap(Counting(STORED[name]))
  assert (await get(cached)).body == (await get(cached)).body == b'run 1'


@pytest.mark.parametrize('status', [206, 304, 400, 401, 403, 404, 413, 429, 500, 503])
@in_loop
async def test_an_error_page_is_not_stored_by_default_ttl(wrap: Wrap, status: int) -> None:
  """Cache-poisoned denial of service."""
  app = Counting(status=status)
  cached = wrap(app, default_ttl=60)
  await get(cached)
  await get(cached)
  assert app.runs == 2


@in_loop
async def test_a_route_cannot_override_private_of_its_handler_with_default_ttl(wrap: Wrap) -> None:
  app = Counting([('cache-control', 'private')])
  cached = wrap(app, default_ttl=60)
  await get(cached)
  assert (await get(cached)).body == b'run 2'


# ---- Vary in all forms


class Echo(App):
  """Its body is the value of a field of the request, or "-"."""

  def __init__(self, vary: Headers, field: str = 'x-a') -> None:
    super().__init__([*PUBLIC, *vary])
    self.field = field.encode()

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    values = [value for name, value in scope['headers'] if name == self.field]
    self.parts = [b'|'.join(values) if values else b'-']
    await super().respond(scope, receive, send)


@pytest.mark.parametrize(
  'vary',
  [
    [('vary', 'X-A')],
    [('vary', 'x-a')],
    [('Vary', ' X-A ')],
    [('vary', 'X-B, X-A')],
    [('vary', 'X-B'), ('vary', 'X-A')],
    [('vary', 'X-A, x-a')],
  ],
)
@in_loop
async def test_a_response_varies_on_what_it_names(wrap: Wrap, vary: Headers) -> None:
  cached = wrap(Echo(vary))
  rows: List[Tuple[Headers, bytes]] = [
    ([('x-a', '1')], b'1'),
    ([('x-a', '2')], b'2'),
    ([('x-a', '')], b''),  # CVE-2026-113593, Django: an empty field is not a missing one
    ([], b'-'),
    ([('x-a', '1,2')], b'1,2'),
    ([('x-a', '1'), ('x-a', '3')], b'1|3'),
    ([('x-a', '12'), ('x-b', '3')], b'12'),
    ([('x-a', '1'), ('x-b', '23')], b'1'),
  ]
  for _ in range(2):
    for headers, body in rows:
      assert (await get(cached, '/', headers)).body == body


@in_loop
async def test_vary_of_the_request_has_no_meaning(wrap: Wrap) -> None:
  """CVE-2025-71381, Hono."""
  app = Counting(PUBLIC)
  cached = wrap(app)
  await get(cached, '/', {'vary': '*'})
  assert (await get(cached)).body == b'run 1'


@in_loop
async def test_many_variants_do_not_fill_the_store(wrap: Wrap) -> None:
  cached = wrap(Echo([('vary', 'x-a')]))
  for i in range(20):
    assert (await get(cached, '/', {'x-a': str(i)})).body == str(i).encode()
  hits = [(await get(cached, '/', {'x-a': str(i)})).is_hit for i in range(19, 11, -1)]
  assert hits == [True] * 8
  assert not (await get(cached, '/', {'x-a': '0'})).is_hit


@in_loop
async def test_followers_do_not_get_the_variant_of_their_leader(wrap: Wrap) -> None:
  """Request collapsing without a look at Vary."""
  app = Echo([('vary', 'x-a')])
  cached = wrap(app)
  await get(cached, '/warm')
  app.gate = asyncio.Event()
  tasks = [Client(cached, make_scope('/', {'x-a': str(i)})).start() for i in range(5)]
  while not app.active:
    await asyncio.sleep(0.001)
  await turns(50)
  app.gate.set()
  assert [(await each).body for each in tasks] == [b'0', b'1', b'2', b'3', b'4']


@in_loop
async def test_followers_do_not_get_the_private_response_of_their_leader(wrap: Wrap) -> None:
  app = Counting([('cache-control', 'private, max-age=60')])
  cached = wrap(app)
  await get(cached, '/warm')
  app.runs = 0
  tasks = [Client(cached, make_scope('/')).start() for _ in range(5)]
  bodies = [(await each).body for each in tasks]
  assert sorted(bodies) == [b'run %d' % i for i in range(1, 6)]


# ---- Poisoning by other requests


@in_loop
async def test_head_does_not_poison_get(wrap: Wrap) -> None:
  cached = wrap(Counting(PUBLIC))
  await get(cached, method='HEAD')
  assert (await get(cached)).body == b'run 2'


@in_loop
async def test_a_206_does_not_poison_the_whole(wrap: Wrap) -> None:
  """Apache bug 49113."""

  class Ranges(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if any(name == b'range' for name, _ in scope['headers']):
        self.status, self.parts = 206, [b'he']
        self.headers = [*PUBLIC, ('content-range', 'bytes 0-1/5'), ('etag', '"1"')]
      else:
        self.status, self.parts, self.headers = 200, [b'hello'], [*PUBLIC, ('etag', '"1"')]
      await super().respond(scope, receive, send)

  for store_partial in (False, True):
    cached = wrap(Ranges(), store_partial=store_partial)
    path = f'/{store_partial}'
    assert (await get(cached, path, {'range': 'bytes=0-1'})).body == b'he'
    whole = await get(cached, path)
    assert (whole.status, whole.body) == (200, b'hello')


@in_loop
async def test_a_304_to_the_validator_of_a_client_does_not_resurrect(wrap: Wrap) -> None:
  """It is not stored as a response without a body, and goes to that client only."""

  class Conditional(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      is_known = any(name == b'if-none-match' for name, _ in scope['headers'])
      self.status, self.parts = (304, [b'']) if is_known else (200, [b'hello'])
      self.length = -1 if is_known else None
      await super().respond(scope, receive, send)

  cached = wrap(Conditional([*PUBLIC, ('etag', '"1"')]))
  assert (await get(cached, '/', {'if-none-match': '"1"'})).status == 304
  assert (await get(cached)).body == b'hello'
  assert (await get(cached, '/', {'if-none-match': '"other"'})).body == b'hello'


@in_loop
async def test_a_post_elsewhere_leads_to_no_stale_answer(wrap: Wrap) -> None:
  """Location and Content-Location of its response are forgotten, of the same host only."""

  class Site(Counting):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if scope['method'] == 'POST':
        self.headers = [('location', dict(scope['headers'])[b'x-location'].decode())]
      else:
        self.headers = list(PUBLIC)
      await super().respond(scope, receive, send)

  cached = wrap(Site())
  await get(cached, '/list')
  await send_body(cached, 'POST', '/items', headers={'x-location': '/list'})
  assert not (await get(cached, '/list')).is_hit
  foreign = {'x-location': 'http://other.example/list', 'host': 'evil.example'}
  assert (await get(cached, '/list')).is_hit
  await send_body(cached, 'POST', '/items', headers=foreign)
  mine = {'x-location': 'http://example.com/list', 'host': 'evil.example'}
  await send_body(cached, 'POST', '/items', headers=mine)
  assert (await get(cached, '/list')).is_hit


@in_loop
async def test_an_age_from_the_application_counts(wrap: Wrap) -> None:
  cached = wrap(App([('cache-control', 'max-age=60'), ('age', '50')]))
  await get(cached)
  response = await get(cached)
  assert response.is_hit
  assert int(response['age'] or 0) >= 50


@in_loop
async def test_fields_that_connection_names_are_not_stored(wrap: Wrap) -> None:
  """CVE-2022-45059, Varnish, and the like."""
  headers = [*PUBLIC, ('connection', 'x-internal'), ('x-internal', 'a'), ('keep-alive', 'b')]
  cached = wrap(App(headers))
  await get(cached)
  response = await get(cached)
  assert response.is_hit
  assert response['x-internal'] is response['keep-alive'] is response['connection'] is None


@in_loop
async def test_a_flood_of_no_cache_stores_no_less(wrap: Wrap) -> None:
  """A client can make the application confirm what is stored, but cannot remove it."""
  app = Counting([*PUBLIC, ('etag', '"1"')])
  cached = wrap(app)
  await get(cached)
  for wish in ('no-cache', 'max-age=0', 'no-store', 'no-store, no-cache'):
    await get(cached, '/', {'cache-control': wish})
    assert (await get(cached)).is_hit


@in_loop
async def test_a_page_of_a_user_is_not_stored_at_the_wish_of_an_attacker(wrap: Wrap) -> None:
  """Web cache deception: no rule looks at how a path ends."""
  cached = wrap(Counting(), default_ttl=60)
  for path in ('/account/a.css', '/account%2Fa.js', '/static/..%2Faccount', '/account;a.png'):
    await get(cached, path, {'cookie': 'session=alice'})
    assert not (await get(cached, path)).is_hit


@in_loop
async def test_a_record_of_another_application_is_not_trusted(wrap: Wrap) -> None:
  """The store is not to be trusted: a record for another key, or one that is damaged."""
  app = Counting(PUBLIC)
  cached = wrap(app)
  await get(cached, '/a')
  await get(cached, '/b')
  store = cached._shared.store
  from cachette._cachette import HttpExchange

  keys = [HttpExchange(cached._shared.c_policy, make_scope(path)).key for path in ('/a', '/b')]
  record = await store.fetch(keys[0])
  assert record is not None
  for bad in (record, record[:-1], record[:50], b'', b'cHTP', record[:-1] + b'\0'):
    await store._records.put(keys[1], bad, 60)
    runs = app.runs
    assert (await get(cached, '/b')).body == b'run %d' % (runs + 1)
