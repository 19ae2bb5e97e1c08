# SPDX-License-Identifier: MIT
"""HttpPolicy, and HttpExchange as it begins: with a scope of ASGI."""

import copy
import gc
import pickle
from typing import Any, Iterator, List, Tuple

import pytest
from cachette import _cachette as ext
from cachette._cachette import (
  HTTP_HIT,
  HTTP_MISS,
  HTTP_PASS,
  HTTP_STORE,
  HttpExchange,
  HttpPolicy,
)
from exchanges import (
  FRESH,
  LARGE,
  NOW,
  QUERY,
  SAFE,
  ask,
  key_of,
  scope_of,
  store,
)

# ---- Policies


def test_a_policy_takes_all_members() -> None:
  HttpPolicy(
    sharing=1,
    set_cookie=2,
    query=2,
    request_control=2,
    normalize=3,
    vary_allow=3,
    default_ttl_ms=1,
    stale_while_revalidate_ms=1,
    stale_if_error_ms=1,
    max_body=1 << 40,
    heuristic=True,
    max_stale=True,
    cache_post=True,
    forward_preconditions=True,
    store_partial=True,
    trust_cookies=True,
    trust_must_revalidate=True,
    targeted=['CDN-Cache-Control'],
    key_cookies=('lang', 'currency'),
    session_cookies=iter(['sid']),
    no_vary_search='params=("utm_source")',
    name='mine',
  )


@pytest.mark.parametrize(
  ('members', 'error'),
  [
    ({'sharing': 2}, 'The policy\'s "sharing" is 2, which has no meaning.'),
    ({'set_cookie': -1}, 'The policy\'s "set_cookie" is -1'),
    ({'query': LARGE}, 'The policy\'s "query" is 2147483647'),
    ({'normalize': 4}, 'The policy\'s "normalize" has the flag 0x4'),
    ({'default_ttl_ms': -1}, 'The policy\'s "default_ttl_ms" must be between 0 and'),
    ({'stale_if_error_ms': LARGE}, 'The policy\'s "stale_if_error_ms" must be between 0 and'),
    ({'max_body': -LARGE}, 'The policy\'s "max_body" must be between 0 and'),
    ({'targeted': ['a b']}, 'The policy\'s "targeted" has "a b" at index 0'),
    ({'targeted': ['Cache-Control']}, 'has Cache-Control at index 0'),
    ({'key_cookies': ['a', '']}, 'The policy\'s "key_cookies" has "" at index 1'),
    ({'session_cookies': ['a;b']}, 'The policy\'s "session_cookies" has "a;b"'),
    ({'no_vary_search': '('}, 'The policy\'s "no_vary_search" is "("'),
    ({'name': 'a b'}, 'The policy\'s "name" is "a b"'),
    ({'name': '\udc80'}, 'surrogates not allowed'),
  ],
)
def test_a_policy_that_is_not_valid_raises_value_error(members: Any, error: str) -> None:
  with pytest.raises(ValueError) as raised:
    HttpPolicy(**members)
  assert error in str(raised.value)


@pytest.mark.parametrize(
  ('members', 'error'),
  [
    ({'sharing': '1'}, 'sharing must be an int, not str'),
    ({'sharing': True}, 'sharing must be an int, not bool'),
    ({'default_ttl_ms': 1.5}, 'default_ttl_ms must be an int, not float'),
    ({'heuristic': 1}, 'heuristic must be a bool, not int'),
    ({'targeted': 'CDN-Cache-Control'}, 'targeted must be a sequence of str, not str'),
    ({'targeted': 5}, 'targeted must be a sequence of str, not int'),
    ({'targeted': [b'a']}, 'targeted must be a str, not bytes'),
    ({'name': b'a'}, 'name must be a str, not bytes'),
    ({'max_boddy': 5}, "HttpPolicy() got an unexpected keyword argument 'max_boddy'"),
  ],
)
def test_a_wrong_type_of_a_member_raises_type_error(members: Any, error: str) -> None:
  with pytest.raises(TypeError) as raised:
    HttpPolicy(**members)
  assert str(raised.value) == error


def test_a_policy_takes_no_positional_arguments_and_cannot_be_changed() -> None:
  with pytest.raises(TypeError, match='only keyword arguments'):
    HttpPolicy(5)  # type: ignore[misc]
  with pytest.raises(AttributeError):
    SAFE.sharing = 1  # type: ignore[attr-defined]


def test_a_policy_keeps_its_names() -> None:
  names = ''.join(['CDN', '-Cache-Control'])
  policy = HttpPolicy(targeted=[names], name=''.join(['mi', 'ne']))
  del names
  gc.collect()
  exchange = ask(policy)
  exchange.receive(200, [(b'cdn-cache-control', b'max-age=60')], 5, NOW, now_ms=NOW)
  assert exchange.action == HTTP_STORE
  assert exchange.answer(200, [])[-1][1].startswith(b'mine;')


def test_a_policy_outlives_its_name_in_an_exchange() -> None:
  exchange = HttpExchange(HttpPolicy(name='other'), scope_of())
  gc.collect()
  exchange.decide(None, NOW)
  assert exchange.answer(404, []) == [(b'cache-status', b'other;fwd=uri-miss')]


# ---- Scopes


def test_the_key_is_that_of_the_uri() -> None:
  exchange = HttpExchange(SAFE, scope_of('/a?b=c'))
  assert exchange.action == HTTP_MISS
  assert exchange.key == exchange.index_key == ext.http_uri_key(SAFE, 'http://example.com/a?b=c')
  assert exchange.key.startswith('http:') and len(exchange.key) == len('http:') + 64
  assert set(exchange.key[5:]) <= set('0123456789abcdef')


def test_each_part_of_the_uri_is_in_the_key() -> None:
  keys = {
    key_of(),
    key_of(target='/b'),
    key_of(target='/a?x'),
    key_of(target='/a?y'),
    key_of(scheme='https'),
    key_of(headers=[(b'host', b'example.org')]),
    key_of(raw_path=b'/%61'),
  }
  assert len(keys) == 7


@pytest.mark.parametrize(
  ('path', 'raw'),
  [
    ('/a', b'/a'),
    ('/', b'/'),
    ('/ä/😀', b'/%C3%A4/%F0%9F%98%80'),
    ('/a b%?#"<>[]^`{|}\\', b'/a%20b%25%3F%23%22%3C%3E%5B%5D%5E%60%7B%7C%7D%5C'),
    ("/-._~!$&'()*+,;=:@", b"/-._~!$&'()*+,;=:@"),
    ('/\x00\x7f', b'/%00%7F'),
    ('/\udc80', b'/%ED%B2%80'),
  ],
)
def test_without_raw_path_the_path_is_quoted(path: str, raw: bytes) -> None:
  quoted = scope_of(raw_path=raw)
  for raw_path in ({}, {'raw_path': None}):
    scope = scope_of()
    del scope['raw_path']
    scope.update(raw_path, path=path)
    assert HttpExchange(SAFE, scope).key == HttpExchange(SAFE, quoted).key


def test_a_query_in_raw_path_does_not_count() -> None:
  assert key_of(raw_path=b'/a?x=1', query_string=b'x=1') == key_of(target='/a?x=1')


def test_an_empty_query_is_the_same_as_none() -> None:
  scope = scope_of()
  del scope['query_string']
  assert HttpExchange(SAFE, scope).key == key_of() == key_of(query_string=None)


def test_a_scope_without_scheme_is_one_of_http() -> None:
  scope = scope_of()
  del scope['scheme']
  assert HttpExchange(SAFE, scope).key == key_of()


def pairs() -> Iterator[Tuple[bytes, bytes]]:
  yield b'Host', b'example.com'
  yield b'Accept', b'a'


@pytest.mark.parametrize(
  'headers',
  [
    [(b'host', b'example.com'), (b'accept', b'a')],
    ((b'HOST', b'example.com'), (b'accept', b'a')),
    [[b'host', b'example.com'], [b'accept', b'a']],
    pairs(),
    iter([(b'host', b'example.com'), (b'accept', b'a')]),
    [(bytearray(b'host'), memoryview(b'example.com')), iter([b'accept', b'a'])],
    [(b'host', b' \texample.com\t '), (b'accept', b'a \t')],
  ],
)
def test_headers_are_any_iterable_of_pairs_of_bytes(headers: Any) -> None:
  exchange = HttpExchange(SAFE, scope_of(headers=headers))
  gc.collect()
  assert exchange.forward() == [(b'host', b'example.com'), (b'accept', b'a')]


@pytest.mark.parametrize(
  ('changes', 'error'),
  [
    ({'method': None}, ValueError('The scope has no method. Only a scope of type http has one.')),
    ({'method': b'GET'}, TypeError("the scope's method must be a str, not bytes")),
    ({'scheme': b'http'}, TypeError("the scope's scheme must be a str, not bytes")),
    ({'raw_path': '/a'}, TypeError("the scope's raw_path must be bytes, not str")),
    ({'raw_path': None, 'path': None}, TypeError('the scope has no path that is a str')),
    ({'raw_path': None, 'path': b'/'}, TypeError('the scope has no path that is a str')),
    ({'query_string': 'a'}, TypeError("the scope's query_string must be bytes, not str")),
    ({'headers': 5}, TypeError('headers must be an iterable of pairs of bytes')),
    ({'headers': 'ab'}, TypeError('headers must be pairs of a name and a value, not str')),
    ({'headers': b'ab'}, TypeError('headers must be pairs of a name and a value, not int')),
    ({'headers': [b'ab']}, TypeError('headers must be pairs of a name and a value, not bytes')),
    (
      {'headers': [(b'a', b'b', b'c')]},
      TypeError('headers must be pairs of a name and a value, not tuple'),
    ),
    ({'headers': [None]}, TypeError('headers must be pairs of a name and a value, not NoneType')),
    (
      {'headers': [('host', 'a')]},
      TypeError('names and values of headers must be bytes, not str'),
    ),
    (
      {'headers': [(b'host', None)]},
      TypeError('names and values of headers must be bytes, not NoneType'),
    ),
    (
      {'headers': {b'host': b'a'}},
      TypeError('headers must be pairs of a name and a value, not bytes'),
    ),
  ],
)
def test_a_wrong_scope_raises(changes: Any, error: Exception) -> None:
  with pytest.raises(type(error)) as raised:
    HttpExchange(SAFE, scope_of(**changes))
  assert str(raised.value) == str(error)


@pytest.mark.parametrize(
  ('arguments', 'error'),
  [
    ((), "HttpExchange() missing required argument 'policy'"),
    ((SAFE,), "HttpExchange() missing required argument 'scope'"),
    ((SAFE, {}, b'', 5), 'HttpExchange() takes at most 3 arguments (4 given)'),
    ((None, {}), 'policy must be an HttpPolicy, not NoneType'),
    ((SAFE, []), 'scope must be a dict, not list'),
    ((SAFE, scope_of(), 'body'), 'body must be bytes, not str'),
  ],
)
def test_wrong_arguments_of_an_exchange_raise_type_error(arguments: Any, error: str) -> None:
  with pytest.raises(TypeError) as raised:
    HttpExchange(*arguments)
  assert str(raised.value) == error


def test_an_exchange_takes_keywords_but_cannot_be_made_otherwise() -> None:
  assert HttpExchange(policy=SAFE, scope=scope_of(), body=None).action == HTTP_MISS
  with pytest.raises(TypeError):
    HttpExchange(SAFE, scope_of(), boddy=b'')  # type: ignore[call-arg]
  with pytest.raises((TypeError, AttributeError)):
    HttpExchange.__new__(HttpExchange)
  with pytest.raises(TypeError):
    type('Sub', (HttpExchange,), {})
  for make in (copy.copy, copy.deepcopy, pickle.dumps):
    with pytest.raises(TypeError):
      make(HttpExchange(SAFE, scope_of()))


def test_errors_of_iterables_are_raised() -> None:
  def broken() -> Iterator[Any]:
    yield b'host', b'example.com'
    raise LookupError('broken')

  with pytest.raises(LookupError):
    HttpExchange(SAFE, scope_of(headers=broken()))
  with pytest.raises(LookupError):
    HttpExchange(SAFE, scope_of(headers=[broken()]))
  with pytest.raises(LookupError):
    HttpPolicy(targeted=broken())


def test_a_list_of_headers_may_change_while_it_is_read() -> None:
  headers: List[Any] = []

  def shrink() -> Iterator[bytes]:
    headers.clear()
    yield b'x'
    yield b'y'

  headers.extend([(b'host', b'example.com'), shrink(), *[(b'a', b'b')] * 50])
  assert HttpExchange(SAFE, scope_of(headers=headers)).forward() == [
    (b'host', b'example.com'),
    (b'x', b'y'),
  ]


def test_an_exchange_does_not_see_later_changes_of_the_scope() -> None:
  scope = scope_of()
  exchange = HttpExchange(SAFE, scope)
  before = exchange.forward()
  scope['headers'].clear()
  scope.clear()
  gc.collect()
  assert exchange.forward() == before
  exchange.decide(store(), NOW)
  assert exchange.action == HTTP_HIT


@pytest.mark.parametrize('count', [0, 1, 22, 23, 24, 25, 47, 48, 49, 1000])
def test_any_number_of_headers(count: int) -> None:
  many = [(b'x-%d' % i, b'%d' % i) for i in range(count)]
  exchange = ask(SAFE, *many)
  assert exchange.forward()[2:] == many
  exchange.receive(200, [*FRESH, *many], 5, NOW, now_ms=NOW)
  assert exchange.answer(200, [*FRESH, *many])[1:-1] == many
  record = exchange.record([b'hello'])
  assert ask(record=record).answer()[1 : 1 + count] == many


def test_requests_that_are_not_for_the_cache_pass() -> None:
  reasons = {
    'method': scope_of(method='PUT'),
    'host': scope_of(headers=[]),
    'body': scope_of('/a', (b'content-length', b'1')),
    'method-override': scope_of('/a', (b'x-http-method-override', b'PUT')),
    'malformed': scope_of('/a', (b'x', b'a\nb')),
  }
  for reason, scope in reasons.items():
    exchange = HttpExchange(SAFE, scope)
    found = (exchange.action, exchange.forwarded, exchange.not_stored)
    assert found == (HTTP_PASS, reason, reason)
    assert exchange.decide(store(), NOW) == HTTP_PASS
    assert exchange.receive(200, FRESH, 5, NOW) == HTTP_PASS


# ---- Bodies of requests


def test_the_body_of_a_query_is_in_the_key() -> None:
  bodies: List[bytes] = [b'a', b'b']
  first, second = (HttpExchange(SAFE, scope_of(**QUERY), body) for body in bodies)
  assert (first.action, second.action) == (HTTP_MISS, HTTP_MISS)
  assert first.key != second.key
  assert HttpExchange(SAFE, scope_of(**QUERY), b'a').key == first.key


def test_a_query_whose_body_was_not_read_passes() -> None:
  exchange = HttpExchange(SAFE, scope_of(**QUERY))
  assert (exchange.action, exchange.forwarded) == (HTTP_PASS, 'body')


def test_post_is_cached_if_the_policy_says_so() -> None:
  scope = scope_of(method='POST')
  assert HttpExchange(SAFE, scope, b'a').action == HTTP_PASS
  assert HttpExchange(HttpPolicy(cache_post=True), scope, b'a').action == HTTP_MISS
  assert HttpExchange(HttpPolicy(cache_post=True), scope, b'').action == HTTP_MISS
  assert HttpExchange(HttpPolicy(cache_post=True), scope).action == HTTP_PASS


def test_a_get_with_a_body_passes() -> None:
  assert HttpExchange(SAFE, scope_of(), b'').action == HTTP_MISS
  exchange = HttpExchange(SAFE, scope_of(), b'a')
  assert (exchange.action, exchange.forwarded) == (HTTP_PASS, 'body')
