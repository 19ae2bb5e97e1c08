# SPDX-License-Identifier: MIT
"""The ASGI application that purges, by the JSON of draft-nottingham-http-invalidation."""

import asyncio
import json
from typing import Any, Dict, List, Optional, Tuple

import pytest
from cachette import Cachette
from cachette.http._epochs import PURGED, VALID
from cachette.http._purge import purge_app
from cachette.http._store import Store
from conftest import MakeClass, inmemory_only
from http_records import GROUP, SLOW, judge, make, scope_of
from services.redis import RedisServer


def ask(
  app: Any,
  body: Any,
  method: str = 'POST',
  media_type: Optional[bytes] = b'application/json',
  chunks: int = 1,
  token: bytes = b'Bearer secret',
) -> Tuple[int, Dict[bytes, bytes], Any]:
  """Sends a request, and returns status, headers and JSON."""
  data = body if isinstance(body, bytes) else json.dumps(body).encode()
  size = len(data) // chunks + 1
  messages = [
    {
      'type': 'http.request',
      'body': data[each * size : (each + 1) * size],
      'more_body': each < chunks - 1,
    }
    for each in range(chunks)
  ]
  headers = [(b'authorization', token)]
  if media_type is not None:
    headers.append((b'Content-Type', media_type))
  sent: List[Any] = []

  async def receive() -> Any:
    return messages.pop(0) if messages else {'type': 'http.disconnect'}

  async def send(message: Any) -> None:
    sent.append(message)

  scope = {'type': 'http', 'method': method, 'path': '/', 'headers': headers}
  asyncio.run(app(scope, receive, send))
  start, content = sent
  return start['status'], dict(start['headers']), json.loads(content['body'])


def allow(scope: Any) -> bool:
  return dict(scope['headers']).get(b'authorization') == b'Bearer secret'


async def allow_later(scope: Any) -> bool:
  await asyncio.sleep(0)
  return allow(scope)


WISHES: Dict[str, Tuple[Dict[str, Any], bool]] = {
  'uri': ({'type': 'uri', 'selectors': ['https://example.com/a']}, True),
  'purge': ({'type': 'uri', 'selectors': ['https://example.com/a'], 'purge': True}, True),
  'another uri': ({'type': 'uri', 'selectors': ['https://example.com/b']}, False),
  'two uris': ({'type': 'uri', 'selectors': ['https://b/', 'https://example.com/a']}, True),
  'uri-prefix': ({'type': 'uri-prefix', 'selectors': ['https://example.com/']}, True),
  'origin': ({'type': 'origin', 'selectors': ['https://example.com:443']}, True),
  'another origin': ({'type': 'origin', 'selectors': ['https://example.com:8443']}, False),
  'group': (
    {'type': 'group', 'selectors': ['https://example.com:443'], 'groups': ['articles']},
    True,
  ),
  'group elsewhere': (
    {'type': 'group', 'selectors': ['https://example.org:443'], 'groups': ['articles']},
    False,
  ),
  'a group at two origins': (
    {'type': 'group', 'selectors': ['https://a', 'https://example.com'], 'groups': ['articles']},
    True,
  ),
  'unknown members': ({'type': 'uri', 'selectors': ['https://example.com/a'], 'x': 1}, True),
}


@pytest.mark.parametrize('name', WISHES)
def test_the_application_purges(make_class: MakeClass, name: str) -> None:
  wish, is_purged = WISHES[name]
  cls = make_class()
  store = Store(cls, SLOW)
  asyncio.run(store.fetch('http:start'))  # type: ignore[arg-type]
  made = make(epoch=store.epochs.number, headers=[GROUP])
  status, headers, answer = ask(purge_app(allow_later, cache=cls), wish, chunks=3)
  assert (status, answer) == (200, {})
  assert headers[b'cache-control'] == b'no-store'
  assert judge(store, made) == (PURGED if is_purged else VALID)


URI = {'type': 'uri', 'selectors': ['https://example.com/a']}

REFUSED: Dict[str, Tuple[int, Any, Dict[str, Any]]] = {
  'no token': (401, URI, {'token': b''}),
  'a wrong token': (401, URI, {'token': b'Bearer secres'}),
  'GET': (405, URI, {'method': 'GET'}),
  'PURGE': (405, URI, {'method': 'PURGE'}),
  'no media type': (415, URI, {'media_type': None}),
  'text': (415, URI, {'media_type': b'text/plain'}),
  'a form': (415, URI, {'media_type': b'application/x-www-form-urlencoded'}),
  'no JSON': (400, b'{"type"', {}),
  'no UTF-8': (400, b'"\xff"', {}),
  'nothing': (400, b'', {}),
  'deep JSON': (400, b'[' * 200_000, {}),
  'an array': (400, [URI], {}),
  'no type': (400, {'selectors': ['https://example.com/a']}, {}),
  'a type that is no string': (400, {**URI, 'type': 1}, {}),
  'no selectors': (400, {'type': 'uri'}, {}),
  'empty selectors': (400, {'type': 'uri', 'selectors': []}, {}),
  'an empty selector': (400, {'type': 'uri', 'selectors': ['']}, {}),
  'selectors that are a string': (400, {'type': 'uri', 'selectors': 'https://a/'}, {}),
  'a selector that is a number': (400, {'type': 'uri', 'selectors': [1]}, {}),
  'a relative uri': (400, {'type': 'uri', 'selectors': ['/a']}, {}),
  'a relative prefix': (400, {'type': 'uri-prefix', 'selectors': ['a']}, {}),
  'an origin with a path': (400, {'type': 'origin', 'selectors': ['https://a/b']}, {}),
  'a group without groups': (400, {'type': 'group', 'selectors': ['https://a']}, {}),
  'purge that is no boolean': (400, {**URI, 'purge': 'yes'}, {}),
  'an unknown type': (501, {**URI, 'type': 'URI'}, {}),
  'a large body': (413, {**URI, 'x': 'x' * (1 << 20)}, {}),
}


@inmemory_only
@pytest.mark.parametrize('name', REFUSED)
def test_the_application_refuses(make_class: MakeClass, name: str) -> None:
  expected, body, request = REFUSED[name]
  cls = make_class()
  store = Store(cls)
  made = make(epoch=store.epochs.number)
  status, headers, answer = ask(purge_app(allow, cache=cls), body, **request)
  assert status == expected
  assert answer['error']
  assert headers.get(b'allow') == (b'POST' if expected == 405 else None)
  assert (b'www-authenticate' in headers) == (expected == 401)
  assert judge(store, made) == VALID


@inmemory_only
def test_the_application_reads_no_body_without_authorization(make_class: MakeClass) -> None:
  app = purge_app(lambda scope: False, cache=make_class())

  async def receive() -> Any:
    raise AssertionError('the body was read')

  sent: List[Any] = []

  async def send(message: Any) -> None:
    sent.append(message)

  scope = {**scope_of(), 'method': 'POST'}
  asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
  assert sent[0]['status'] == 401


def test_the_application_tells_that_the_cache_failed(own_redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url, 'timeout': 0.3})
  own_redis.kill()
  status, _, answer = ask(purge_app(allow, cache=Own), URI)
  assert status == 503 and answer['error'].startswith('the cache failed: Backend')


@inmemory_only
def test_the_application_needs_auth(make_class: MakeClass) -> None:
  with pytest.raises(TypeError, match='auth must be a function'):
    purge_app(True)  # type: ignore[arg-type]
  with pytest.raises(TypeError):
    purge_app()  # type: ignore[call-arg]


@inmemory_only
def test_the_application_runs_alone(make_class: MakeClass) -> None:
  """A server sends it the events of lifespan, and perhaps a WebSocket."""
  app: Any = purge_app(allow, cache=make_class())

  def run(kind: str, *messages: str) -> List[str]:
    incoming = list(messages)
    sent: List[str] = []

    async def receive() -> Any:
      return {'type': incoming.pop(0)}

    async def send(message: Any) -> None:
      sent.append(message['type'])

    asyncio.run(app({'type': kind}, receive, send))
    return sent

  lifespan = run('lifespan', 'lifespan.startup', 'lifespan.shutdown')
  assert lifespan == ['lifespan.startup.complete', 'lifespan.shutdown.complete']
  assert run('websocket', 'websocket.connect') == ['websocket.close']
