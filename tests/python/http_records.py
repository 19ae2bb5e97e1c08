# SPDX-License-Identifier: MIT
"""Requests and records for the tests of cachette.http."""

import time
from typing import Any, Dict, Iterable, NamedTuple, Optional, Tuple

from cachette._cachette import HTTP_STORE, HttpExchange, HttpPolicy
from cachette.http._store import Store

SLOW = 10  # seconds that a fetch may take

GROUP = (b'cache-groups', b'"articles", "with space"')

Headers = Iterable[Tuple[bytes, bytes]]

POLICY = HttpPolicy(default_ttl_ms=3_600_000, max_body=64 << 20)


def scope_of(
  path: bytes = b'/a',
  query: bytes = b'',
  host: bytes = b'example.com',
  scheme: str = 'https',
  headers: Headers = (),
) -> Dict[str, Any]:
  """The scope of a GET request."""
  return {
    'type': 'http',
    'method': 'GET',
    'scheme': scheme,
    'path': path.decode(),
    'raw_path': path,
    'query_string': query,
    'headers': [(b'host', host), *headers],
  }


class Made(NamedTuple):
  """A record."""

  scope: Dict[str, Any]
  key: str
  index_key: str
  head: bytes
  body: bytes
  keep_ms: int
  index: Optional[bytes]  # of a response that varies


def make(
  body: bytes = b'hello',
  epoch: int = 0,
  tags: Iterable[bytes] = (),
  headers: Headers = (),
  policy: HttpPolicy = POLICY,
  **request: Any,
) -> Made:
  """Makes the record of a response, as the middleware does."""
  scope = scope_of(**request)
  exchange = HttpExchange(policy, scope)
  exchange.decide(None)
  now = time.time_ns() // 1_000_000
  action = exchange.receive(200, [(b'content-type', b'text/plain'), *headers], len(body), now)
  assert action == HTTP_STORE, exchange.not_stored
  head = exchange.record([body], tags, epoch)
  index = exchange.index() if exchange.store_index else None
  return Made(scope, exchange.key, exchange.index_key, head, body, exchange.keep_ms, index)


async def put(store: Store, made: Made) -> bool:
  return await store.put(made.key, made.head, [made.body], made.keep_ms)


async def read(store: Store, made: Made) -> Optional[bytes]:
  """Returns the body of a stored record; None: a miss."""
  record = await store.fetch(made.key)
  if record is None:
    return None
  parts = await store.fetch_body(made.key, record)
  return b''.join(parts) if parts is not None else None


def judge(store: Store, made: Made) -> int:
  """Returns whether a record was purged, as far as a store knows."""
  return store.epochs.judge(made.head, made.index_key, made.scope)
