# SPDX-License-Identifier: MIT
"""Whatever is called in whatever order, HttpExchange keeps what it needs, and nothing else."""

import gc
import os
import random
import subprocess
import sys
from typing import Any, Callable, Dict, List, Optional, Set

from cachette._cachette import (
  HttpExchange,
  HttpPolicy,
)
from exchanges import (
  DATE,
  NOW,
  SAFE,
  TAGGED,
  key_of,
  scope_of,
  store,
  store_variants,
)


def test_an_exchange_keeps_what_it_needs_and_no_longer() -> None:
  # Made at run time, so that nothing else refers to them.
  record = store(at=int(NOW))
  made = [bytes(bytearray(text)) for text in (b'/a', b'x=', b'host', b'example.com', b'no-store')]
  path, query, name, host, value = made
  control, index = bytes(bytearray(b'max-age=1')), bytes(bytearray(record))
  policy = HttpPolicy(name='mine')
  watched = [*made, control, record, index, policy]
  del made

  def counts() -> List[int]:
    gc.collect()
    return [sys.getrefcount(each) for each in watched]

  before = counts()
  scope = scope_of(raw_path=path, query_string=query, headers=iter([[name, host]]))
  exchange = HttpExchange(policy, scope)
  for each in (index, record, record):
    exchange.decide(each, NOW)
  exchange.receive(200, iter([[b'cache-control', value]]), 5, NOW, control)
  del scope, each
  assert [now - then for now, then in zip(counts(), before)] == [1] * len(watched)
  del exchange
  assert counts() == before


def test_an_exchange_may_be_part_of_garbage() -> None:
  class Bytes(bytes):
    pass

  for _ in range(100):
    value: Any = Bytes(b'value')
    exchange = HttpExchange(SAFE, scope_of('/a', (b'x', value)))
    exchange.decide(store_variants(1)[key_of()], NOW)
    value.exchange = exchange
    del value, exchange
  gc.collect()


RANDOM = """
import random, sys
sys.path.insert(0, {path!r})
from test_http_random import call_at_random
call_at_random({seed}, {calls})
"""

FIELDS = [
  *[(b'cache-control', value) for value in (b'max-age=5', b'no-cache', b'no-store', b'public')],
  *[(b'vary', value) for value in (b'accept', b'x, accept', b'*', b'cookie')],
  *[(b'etag', b'"a"'), (b'etag', b'"b"'), (b'if-none-match', b'"a"'), (b'range', b'bytes=1-2')],
  *[(b'content-range', b'bytes 0-2/5'), (b'content-range', b'bytes 2-4/5')],
  *[(b'cookie', b'a=b'), (b'set-cookie', b'a=b'), (b'x', b'y' * 300), (b'accept', b'b')],
  (b'cache-control', b'only-if-cached'),
  *[(b'content-length', b'5'), (b'surrogate-key', b'a b c'), (b'last-modified', DATE)],
  *[(b'cache-control', b'max-age=1, stale-while-revalidate=9, stale-if-error=9')],
]


def call_at_random(seed: int, calls: int) -> Set[int]:
  """Calls methods in any order, and returns the actions that came up."""
  chance = random.Random(seed)
  policies = [
    SAFE,
    HttpPolicy(store_partial=True, cache_post=True, vary_allow=3, trust_cookies=True),
  ]
  kept: Dict[str, bytes] = {}
  seen: Set[int] = set()

  def headers() -> Any:
    fields: Any = chance.choices(FIELDS, k=chance.choice((0, 0, 1, 2, 3)))
    if chance.random() < 0.5:
      fields += TAGGED
    if chance.random() < 0.02:
      fields += [(b'x', b'y')] * 60
    return chance.choice((list, tuple, iter))(fields)  # type: ignore[operator]

  def begin() -> HttpExchange:
    method = chance.choice((*['GET'] * 9, 'HEAD', 'POST', 'QUERY', 'PUT'))
    fields = [(b'host', b'a.com'), *headers()]
    path = b'/' if chance.random() < 0.9 else b'/' + b'a' * 2000
    scope = scope_of(method=method, headers=fields, raw_path=path)
    return HttpExchange(chance.choice(policies), scope, chance.choice((None, None, b'', b'body')))

  def damage(record: Optional[bytes]) -> Optional[bytes]:
    if record and chance.random() < 0.05:
      at = chance.randrange(len(record))
      return chance.choice((record[:at], record[:at] + b'x' + record[at + 1 :]))
    return record

  def keep() -> None:
    head = exchange.record([b'hel', b'lo'], [b'tag'] * chance.choice((0, 3)), 7)
    kept[exchange.key] = head + b'hello'

  def keep_index() -> None:
    kept[exchange.index_key] = exchange.index()

  def now() -> int:
    return NOW + chance.choice((0, 2000, 7000, -(1 << 62), 1 << 62))

  def receive() -> int:
    status = chance.choice((200, 200, 206, 304, 304, 404, 500))
    size, control = chance.choice((None, 0, 3, 5)), chance.choice((None, b'max-age=9, public'))
    return exchange.receive(status, headers(), size, now(), control, now())

  methods: List[Callable[[], Any]] = [
    *[lambda: exchange.decide(damage(kept.get(exchange.key)), now())] * 3,
    lambda: exchange.answer(None, None, chance.choice((True, False))),
    lambda: exchange.answer(200, headers()),
    lambda: exchange.forward(),
    *[receive] * 2,
    lambda: exchange.fail(now()),
    *[keep] * 3,
    *[keep_index] * 2,
    lambda: exchange.invalidated(),
    lambda: exchange.combine(b'hel', b'llo'),
    lambda: exchange.body(damage(kept.get(exchange.key)) or b''),
    lambda: [getattr(exchange, name) for name in dir(exchange)],
    lambda: kept.clear() if chance.random() < 0.1 else None,
  ]
  exchange = begin()
  for _ in range(calls):
    if chance.random() < 0.1:
      exchange = begin()
    try:
      chance.choice(methods)()
    except (RuntimeError, ValueError):
      pass
    seen.add(exchange.action)
  return seen


def test_ten_thousand_random_calls_do_not_crash() -> None:
  code = RANDOM.format(path=os.path.dirname(os.path.abspath(__file__)), seed=1, calls=10_000)
  done = subprocess.run(
    [sys.executable, '-X', 'faulthandler', '-c', code],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    env={**os.environ, 'PYTHONMALLOC': 'debug'},
    timeout=300,
  )
  assert done.returncode == 0, done.stdout


def test_random_calls_reach_every_action() -> None:
  assert call_at_random(2, 30_000) == set(range(10))
