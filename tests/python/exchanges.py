# SPDX-License-Identifier: MIT
"""Scopes, exchanges and records for the tests of HTTP caching."""

from typing import Any, Dict, List, Tuple

from cachette._cachette import HTTP_MISS, HTTP_STORE, HTTP_VARIANT, HttpExchange, HttpPolicy

Headers = List[Tuple[bytes, bytes]]

NOW = 1_800_000_000_000  # Fri, 15 Jan 2027 08:00:00 GMT
DATE = b'Fri, 15 Jan 2027 08:00:00 GMT'
SAFE = HttpPolicy()
FRESH: Headers = [(b'cache-control', b'max-age=60')]
TAGGED: Headers = [*FRESH, (b'etag', b'"a"')]
LARGE = 1 << 70
QUERY = {'method': 'QUERY', 'headers': [(b'host', b'a.com'), (b'content-type', b'text/plain')]}


def scope_of(target: str = '/a', *fields: Tuple[bytes, bytes], **changes: Any) -> Dict[str, Any]:
  """A scope as uvicorn makes it."""
  path, _, query = target.partition('?')
  return {
    'type': 'http',
    'asgi': {'version': '3.0', 'spec_version': '2.3'},
    'http_version': '1.1',
    'server': ('127.0.0.1', 8000),
    'client': ('127.0.0.1', 40000),
    'scheme': 'http',
    'method': 'GET',
    'root_path': '',
    'path': path,
    'raw_path': path.encode(),
    'query_string': query.encode(),
    'headers': [(b'host', b'example.com'), (b'accept', b'*/*'), *fields],
    'state': {},
    **changes,
  }


def ask(
  policy: HttpPolicy = SAFE, *fields: Tuple[bytes, bytes], record: Any = None, at: int = NOW
) -> HttpExchange:
  """An exchange that has decided about a record."""
  exchange = HttpExchange(policy, scope_of('/a', *fields))
  exchange.decide(record, at)
  return exchange


def store(
  headers: Headers = FRESH, *, policy: HttpPolicy = SAFE, body: bytes = b'hello', at: int = NOW
) -> bytes:
  """The record of a response to GET http://example.com/a."""
  exchange = ask(policy, at=at)
  assert exchange.receive(200, headers, len(body), at, now_ms=at) == HTTP_STORE
  return exchange.record([body]) + body


def key_of(**changes: Any) -> str:
  return HttpExchange(SAFE, scope_of(**changes)).key


def received(status: int = 200, headers: Headers = FRESH) -> HttpExchange:
  exchange = ask()
  exchange.receive(status, headers, 5, NOW, now_ms=NOW)
  return exchange


def store_variants(count: int) -> Dict[str, bytes]:
  """A store with variants of /a for the languages 0, 1, ..."""
  kept: Dict[str, bytes] = {}
  for i in range(count):
    exchange = HttpExchange(SAFE, scope_of('/a', (b'accept-language', b'%d' % i)))
    if exchange.decide(kept.get(exchange.key), NOW) == HTTP_VARIANT:
      exchange.decide(kept.get(exchange.key), NOW)
    assert exchange.action == HTTP_MISS
    exchange.receive(200, [*FRESH, (b'vary', b'accept-language')], 1, NOW, now_ms=NOW)
    assert exchange.store_index
    kept[exchange.index_key] = exchange.index()
    kept[exchange.key] = exchange.record([b'%d' % i]) + b'%d' % i
  return kept
