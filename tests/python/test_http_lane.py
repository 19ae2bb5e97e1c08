# SPDX-License-Identifier: MIT
"""HttpLane: what it answers itself, what it leaves to Python, and that it keeps nothing."""

import asyncio
import gc
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

import pytest
from cachette import BackendTimeout, Cachette
from cachette._cachette import (
  HTTP_HIT,
  HTTP_MISS,
  HTTP_PASS,
  HTTP_STORE,
  HttpCounters,
  HttpEpochs,
  HttpExchange,
  HttpLane,
  HttpPolicy,
)
from cachette.http import Policy
from cachette.http import _store as store_module
from cachette.http._shared import MARK, Shared
from conftest import MakeClass, on_stores, run_python
from exchanges import SAFE, TAGGED, scope_of
from services.redis import RedisServer

Stored = Dict[str, bytes]


class Site:
  """The lane of a cache, and the store behind it."""

  def __init__(self, cls: Type[Cachette], **policy: Any) -> None:
    self.cls = cls
    self.shared = Shared(cls, Policy(**{'store_timeout': 5, **policy}))
    self.store = self.shared.store
    self.lane = self.shared.lane

  async def start(self) -> 'Site':
    await self.store.fetch('http:start')  # after which it is known what was purged
    self.shared.link_lane()
    return self

  @property
  def is_local(self) -> bool:
    return self.store._linked().backend == 'inmemory'

  async def keep(self, *fields: Tuple[bytes, bytes], vary: bytes = b'', epoch: int = 0) -> Stored:
    """Stores a response to GET /a. Returns the records by their keys."""
    now = int(time.time() * 1000)
    exchange = HttpExchange(self.shared.c_policy, scope_of('/a', *fields))
    if exchange.decide(await self.store.fetch(exchange.key, memo=False)) != HTTP_MISS:
      exchange.decide(None)
    headers = [*TAGGED, (b'vary', vary)] if vary else TAGGED
    assert exchange.receive(200, headers, 5, now) == HTTP_STORE
    kept = {exchange.key: exchange.record([b'hello'], (), epoch or self.store.epochs.number)}
    await self.store.put(exchange.key, kept[exchange.key], [b'hello'], 60_000)
    if exchange.store_index:
      kept[exchange.index_key] = exchange.index()
      await self.store._put(self.store._records, exchange.index_key, exchange.index(), 60_000)
    return kept

  async def find(self, *fields: Tuple[bytes, bytes], **changes: Any) -> Any:
    """What the lane finds for GET /a: both messages, or the exchange and its record."""
    begun = self.lane.begin(scope_of('/a', *fields, **changes))
    if not isinstance(begun, HttpExchange) or not begun.is_awaitable:
      return begun
    found = await begun
    return found if isinstance(found, tuple) else (begun, found)


in_loop: Callable[[Any], Any] = asyncio.run


def is_hit(found: Any) -> bool:
  return isinstance(found, tuple) and isinstance(found[0], dict) and found[1]['body'] == b'hello'


# ---- Hits


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@on_stores
def test_a_hit_is_both_messages_of_the_answer(make_http_class: MakeClass, method: str) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    ((key, head),) = (await site.keep()).items()
    for _ in range(3):
      found = await site.find(method=method)
      other = HttpExchange(site.shared.c_policy, scope_of('/a', method=method))
      assert other.decide(head + b'hello') == HTTP_HIT
      body = b'hello' if method == 'GET' else b''
      start, rest = found
      assert rest == {'type': 'http.response.body', 'body': body, 'more_body': False}
      assert start['type'], start['status'] == ('http.response.start', 200)
      ours, theirs = dict(start['headers']), dict(other.answer())
      assert ours.keys() == theirs.keys() and ours[b'etag'] == b'"a"'
      assert ours[b'content-length'] == b'5' and b'hit' in ours[b'cache-status']
      start['headers'].clear()  # each hit has messages of its own
      rest.clear()
    assert site.shared.counters.hits == 3
    assert site.shared.counters.bytes == (15 if method == 'GET' else 0)

  in_loop(main())


@pytest.mark.parametrize(
  'fields, status, body',
  [
    ((b'if-none-match', b'"a"'), 304, b''),
    ((b'range', b'bytes=1-2'), 206, b'el'),
    ((b'range', b'bytes=0-4'), 206, b'hello'),
    ((b'range', b'bytes=7-'), 416, b''),
  ],
)
@on_stores
def test_conditions_and_ranges_are_answered(
  make_http_class: MakeClass, fields: Tuple[bytes, bytes], status: int, body: bytes
) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    await site.keep()
    start, rest = await site.find(fields)
    assert (start['status'], rest['body']) == (status, body)
    assert site.shared.counters.bytes == len(body)

  in_loop(main())


@on_stores
def test_an_answer_without_cache_status_lacks_only_that(make_http_class: MakeClass) -> None:
  async def main() -> None:
    cls = make_http_class()
    names = []
    for wanted in (True, False):
      site = await Site(cls, cache_status=wanted).start()
      await site.keep()
      names.append([name for name, _ in (await site.find())[0]['headers']])
    assert names[0] == [*names[1], b'cache-status']

  in_loop(main())


@on_stores
def test_a_hit_follows_an_index_which_is_remembered_for_a_second(
  make_http_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  now = [1000.0]
  monkeypatch.setattr(store_module, 'clock', lambda: now[0])
  fields = (b'accept-language', b'de')

  async def main() -> None:
    site = await Site(make_http_class()).start()
    site.store.epochs._checked = now[0]
    kept = await site.keep(fields, vary=b'accept-language')
    index_key = list(kept)[1]
    assert is_hit(await site.find(fields))
    exchange, record = await site.find((b'accept-language', b'fr'))
    assert exchange.action == HTTP_MISS and record == kept[index_key]
    await site.store._records.clear_many([index_key])
    assert is_hit(await site.find(fields)) != site.is_local  # a store in memory is asked
    exchange, record = await site.find((b'accept-language', b'fr'))
    assert exchange.action == HTTP_MISS and (record is None) == site.is_local
    now[0] += 1.001
    site.store.epochs._checked = now[0]
    exchange, record = await site.find(fields)
    assert exchange.action == HTTP_MISS and record is None

  in_loop(main())


@on_stores
def test_the_memo_of_index_records_is_bounded(make_http_class: MakeClass) -> None:
  fields = (b'accept-language', b'de')

  async def main() -> None:
    site = await Site(make_http_class()).start()
    await site.keep(fields, vary=b'accept-language')
    memo = site.store._linked().memo
    memo.clear()
    memo.update({str(i): (0.0, b'') for i in range(store_module._MEMO_MAX)})
    assert is_hit(await site.find(fields))
    assert len(memo) == (store_module._MEMO_MAX if site.is_local else 1)

  in_loop(main())


# ---- What leaves the lane


@on_stores
def test_what_is_not_a_hit_comes_with_its_record(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    exchange, record = await site.find()
    assert (exchange.action, record) == (HTTP_MISS, None)
    ((key, head),) = (await site.keep(epoch=5)).items()
    assert is_hit(await site.find()) == (site.store.epochs.newest <= 5)
    site.store.epochs.newest = 6
    for stored, action in (
      (head + b'hello', HTTP_HIT),  # it may be purged
      (head + b'hell', HTTP_HIT),  # its body is elsewhere
      (b'damaged', HTTP_MISS),
    ):
      site.store.epochs.newest = 6 if stored == head + b'hello' else 0
      await site.store._put(site.store._records, key, stored, 60_000)
      exchange, record = await site.find()
      assert (exchange.action, record) == (action, stored)
      assert not exchange.is_awaitable
    assert site.shared.counters.hits <= 1

  in_loop(main())


@on_stores
def test_a_record_of_the_future_epoch_is_a_hit(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    await site.keep(epoch=2**63 + 5)
    for newest, expected in ((2**63 + 5, True), (2**63 + 6, False)):
      site.store.epochs.newest = newest
      assert is_hit(await site.find()) == expected

  in_loop(main())


@on_stores
def test_other_scopes_are_not_for_the_lane(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class(), methods=('GET', 'QUERY')).start()
    await site.keep()
    not_a_dict: Any = list(scope_of('/a').items())
    others: List[Any] = [
      *[scope_of('/a', type=kind) for kind in ('websocket', 'lifespan', None, 5)],
      *[scope_of('/a', method=method) for method in ('POST', 'QUERY', 'HEAD', None)],
      {**scope_of('/a'), MARK: True},
      {'type': 'http'},
      {},
      not_a_dict,
    ]
    for scope in others:
      assert site.lane.begin(scope) is None, scope
    assert is_hit(await site.find())
    with pytest.raises(TypeError):
      site.lane.begin(scope_of('/a', method=[]))
    with pytest.raises(TypeError):
      site.lane.begin(scope_of('/a', raw_path=5))

  in_loop(main())


@on_stores
def test_a_request_that_passes_has_an_exchange_that_says_why(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    begun: Any = site.lane.begin(scope_of('/a', (b'content-length', b'5')))
    assert (begun.action, begun.forwarded, begun.is_awaitable) == (HTTP_PASS, 'body', False)
    with pytest.raises(RuntimeError, match='nothing to await'):
      await begun

  in_loop(main())


@on_stores
def test_keys_that_cannot_be_shared_are_not_fetched(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    ((key, _),) = (await site.keep()).items()
    site.shared.remember_unshared(key)
    begun: Any = site.lane.begin(scope_of('/a'))
    assert begun.key == key and begun.action == HTTP_MISS and not begun.is_awaitable
    site.shared.unshared.clear()
    assert is_hit(await site.find())

  in_loop(main())


@on_stores
def test_nothing_is_fetched_while_it_is_not_known_what_was_purged(
  make_http_class: MakeClass,
) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    await site.keep()
    site.store.epochs._checked -= 1
    begun: Any = site.lane.begin(scope_of('/a'))
    assert is_hit(begun) if site.is_local else not begun.is_awaitable

  in_loop(main())


@on_stores
def test_another_configuration_needs_another_link(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = Site(make_http_class())
    assert site.lane.begin(scope_of('/a')) is None  # not linked yet
    await site.start()
    await site.keep()
    assert is_hit(await site.find())
    old, new = site.cls._config, make_http_class()._config
    site.cls._config = new
    store_module.configure(site.cls, new)
    assert site.lane.begin(scope_of('/a')) is None
    await site.start()
    exchange, record = await site.find()
    assert (exchange.action, record) == (HTTP_MISS, None)
    store_module.configure(site.cls, old)
    await site.start()
    assert is_hit(await site.find())

  in_loop(main())


# ---- Waiting for a server


def on_redis(work: Callable[[Site, RedisServer], Any], **options: Any) -> None:
  """Runs work with a server of its own, which it may stop."""
  with RedisServer() as server:

    class Own(Cachette):
      pass

    settings = {'timeout': 10, 'connect_timeout': 10, **options}
    Own.load_config(lambda: {'backend': 'redis', 'redis_url': server.url, **settings})

    async def main() -> None:
      site = await Site(Own).start()
      await site.keep()
      site.store.epochs._checked = float('inf')  # so that it is always known what was purged
      await work(site, server)

    in_loop(main())


def test_an_exchange_can_be_cancelled_closed_and_forgotten() -> None:
  async def work(site: Site, server: RedisServer) -> None:
    async def hit() -> bool:
      return is_hit(await site.find())

    server.pause()  # no answer comes before the task is cancelled
    for turns in range(3):
      task = asyncio.ensure_future(hit())
      for _ in range(turns):
        await asyncio.sleep(0)
      task.cancel()
      with pytest.raises(asyncio.CancelledError):
        await task
    server.resume()
    closed: Any = site.lane.begin(scope_of('/a'))
    closed.close()
    closed.close()
    with pytest.raises(RuntimeError, match='nothing to await'):
      await closed
    thrown: Any = site.lane.begin(scope_of('/a'))
    with pytest.raises(ZeroDivisionError):
      thrown.throw(ZeroDivisionError)
    with pytest.raises(TypeError):
      thrown.throw(5)
    with pytest.warns(RuntimeWarning, match='never awaited'):
      site.lane.begin(scope_of('/a'))
      gc.collect()
    assert all(await asyncio.gather(*(hit() for _ in range(100))))

  on_redis(work)


def test_an_exchange_is_awaited_once() -> None:
  async def work(site: Site, server: RedisServer) -> None:
    begun: Any = site.lane.begin(scope_of('/a'))

    async def wait() -> Any:
      return await begun

    first, second = await asyncio.gather(wait(), wait(), return_exceptions=True)
    assert is_hit(first) and 'is being awaited already' in str(second)
    other: Any = site.lane.begin(scope_of('/a'))
    assert is_hit(await other)
    with pytest.raises(RuntimeError, match='nothing to await'):
      await other

  on_redis(work)


def test_an_error_of_the_store_is_raised_when_the_exchange_is_awaited() -> None:
  async def work(site: Site, server: RedisServer) -> None:
    site.store._timeout_ms = 100
    site.store._config = None
    await site.start()
    server.pause()
    begun: Any = site.lane.begin(scope_of('/a'))
    with pytest.raises(BackendTimeout):
      await begun
    assert begun.decide(None) == HTTP_MISS  # it can go on
    with pytest.raises(RuntimeError):
      await begun
    server.resume()

  on_redis(work)


def test_an_exchange_that_waits_may_be_part_of_garbage() -> None:
  async def work(site: Site, server: RedisServer) -> None:
    before = sys.getrefcount(site.lane)
    for _ in range(50):
      begun: Any = site.lane.begin(scope_of('/a'))

      async def wait(exchange: Any) -> None:
        await exchange

      waiting = wait(begun)
      future = waiting.send(None)
      future.add_done_callback(begun.decide)  # the future refers to what waits for it
      assert begun.is_awaitable
      waiting.close()
      del waiting, begun, future
    for _ in range(3):
      await asyncio.sleep(0)
    gc.collect()
    after = sys.getrefcount(site.lane)
    assert after == before

  on_redis(work)


# ---- Arguments and memory


def test_wrong_arguments() -> None:
  counters, epochs = HttpCounters(), HttpEpochs()
  right: List[Any] = [SAFE, Cachette, frozenset(['GET']), MARK, {}, counters, True, object]
  right.append(frozenset(['POST']))
  for count in (7, 8, 9):
    HttpLane(*right[:count])
  wrong: List[Any] = [None, 'Cachette', {'GET'}, b'mark', [], object(), ..., 'Box', []]
  for i, each in enumerate(wrong):
    if each is not ...:
      with pytest.raises(TypeError):
        HttpLane(*right[:i], each, *right[i + 1 :])
  for arguments in ((), right[:6], [*right, 1]):
    with pytest.raises(TypeError):
      HttpLane(*arguments)
  with pytest.raises(TypeError):
    HttpLane(*right, policy=HttpPolicy())  # type: ignore[call-arg, misc]

  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'inmemory'})
  lane = HttpLane(*right)
  links: List[Any] = [Own._config, Own, epochs, {}, time.monotonic]
  lane.link(*links)
  for i, other in enumerate([None, 'Own', counters, [], 5]):
    with pytest.raises(TypeError):
      lane.link(*links[:i], other, *links[i + 1 :])
  with pytest.raises(TypeError):
    lane.link()  # type: ignore[call-arg]


def test_a_clock_that_fails_is_an_error() -> None:
  class Own(Cachette):
    pass

  def fail() -> float:
    raise ZeroDivisionError

  Own.load_config(lambda: {'backend': 'inmemory'})
  lane = HttpLane(SAFE, Own, frozenset(['GET']), MARK, {}, HttpCounters(), True)
  for clock, error in ((fail, ZeroDivisionError), (lambda: 'now', TypeError)):
    lane.link(Own._config, Own, HttpEpochs(), {}, clock)  # type: ignore[arg-type]
    with pytest.raises(error):
      lane.begin(scope_of('/a'))


NO_MEMORY = """
import asyncio, sys
from _testcapi import remove_mem_hooks, set_nomemory
sys.path.insert(0, {path!r})
from cachette import Cachette
from test_http_lane import Site, is_hit
from exchanges import scope_of

class Own(Cachette):
  pass

Own.load_config(lambda: {{'backend': 'inmemory'}})

async def main():
  site = await Site(Own).start()
  fields = (b'accept-language', b'de')
  await site.keep(fields, vary=b'accept-language')
  scope = scope_of('/a', fields)
  assert is_hit(site.lane.begin(scope))
  failed = 0
  for nth in range(1000):
    set_nomemory(nth, nth + 1)
    try:
      found = site.lane.begin(scope)
    except MemoryError:
      found = None
      failed += 1
    finally:
      remove_mem_hooks()
    if found is not None and is_hit(found):
      break
  assert failed > 5 and is_hit(site.lane.begin(scope)), failed

asyncio.run(main())
"""


def _has_testcapi() -> bool:
  try:
    import _testcapi  # noqa: F401
  except ImportError:
    return False
  return True


if _has_testcapi():

  def test_each_allocation_of_a_hit_may_fail() -> None:
    import os

    run_python(NO_MEMORY.format(path=os.path.dirname(os.path.abspath(__file__))))


def test_a_lane_keeps_nothing(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    await site.keep()
    scope = scope_of('/a')
    watched: List[Any] = [
      site.lane,
      site.shared.c_policy,
      scope['headers'],
      scope['raw_path'],
      scope,
    ]

    def counts() -> List[int]:
      gc.collect()
      return [sys.getrefcount(each) for each in watched]

    before = counts()
    for _ in range(200):
      found: Optional[Any] = site.lane.begin(scope)
      assert is_hit(found)
      del found
    assert counts() == before

  in_loop(main())
