# SPDX-License-Identifier: MIT
"""Records that hit again and again: what the lane remembers of them changes no answer."""

import os
import time
import tracemalloc
from typing import Any, List, Tuple

import pytest
from cachette._cachette import HTTP_HIT, HTTP_MISS, HttpExchange
from conftest import MakeClass, on_stores, run_python
from exchanges import scope_of
from test_http_lane import Site, in_loop, is_hit

NOTED = 3  # hits after which a record is known
ROW = len('http:00')  # only one of the keys that begin alike, up to here, is known


async def find_known(site: Site, *fields: Tuple[bytes, bytes], **changes: Any) -> Any:
  """What the lane finds after it has found the same before."""
  for _ in range(NOTED):
    await site.find(*fields)
  return await site.find(*fields, **changes)


async def is_known(site: Site, *fields: Tuple[bytes, bytes]) -> bool:
  """Whether hits share the body of what is remembered."""
  first, second = await site.find(*fields), await site.find(*fields)
  return first[1]['body'] is second[1]['body']


async def put(site: Site, key: str, record: bytes) -> None:
  await site.store._put(site.store._records, key, record, 60_000)


@on_stores
def test_a_known_record_has_the_answer_that_a_new_one_has(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    site.cls._config.stop_clock()
    await site.keep()
    assert not await is_known(site)
    answers = [await site.find() for _ in range(NOTED + 2)]
    assert await is_known(site)
    assert all(answer == answers[0] and is_hit(answer) for answer in answers)
    assert [list(start) for start, _ in answers] == [['type', 'status', 'headers']] * len(answers)
    assert site.shared.counters.hits == NOTED + 6
    assert site.shared.counters.bytes == 5 * (NOTED + 6)

  in_loop(main())


@on_stores
def test_whoever_changes_a_message_changes_only_that(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    site.cls._config.stop_clock()
    await site.keep()
    expected = repr(await site.find())
    for _ in range(NOTED + 2):
      start, rest = found = await site.find()
      assert repr(found) == expected
      start['headers'].append((b'set-cookie', b'session=1'))
      start['headers'][0] = (b'x', b'y')
      start.clear()
      rest['body'] = b'other'
    assert await is_known(site)

  in_loop(main())


@on_stores
def test_the_age_of_a_known_record_grows_until_it_is_stale(make_http_class: MakeClass) -> None:
  async def main() -> None:
    cls = make_http_class()
    site = await Site(cls).start()
    cls._config.stop_clock()
    await site.keep()
    ages = []
    await find_known(site)
    for _ in range(100):
      found = await site.find()
      ages.append(int(dict(found[0]['headers'])[b'age']))
      new = await Site(cls).start()  # a lane that knows nothing
      assert found == await new.find() and await is_known(site)
      cls._config.advance(500)
    assert ages == sorted(ages) and len(set(ages)) > 40
    cls._config.advance(20_000)
    exchange, _ = await site.find()
    assert exchange.action != HTTP_HIT

  in_loop(main())


@pytest.mark.parametrize(
  'fields, method, status, body',
  [
    ([(b'if-none-match', b'"a"')], 'GET', 304, b''),
    ([(b'if-match', b'"b"')], 'GET', 412, b''),
    ([(b'range', b'bytes=1-2')], 'GET', 206, b'el'),
    ([(b'range', b'bytes=0-4')], 'GET', 206, b'hello'),
    ([(b'range', b'bytes=7-')], 'GET', 416, b''),
    ([], 'HEAD', 200, b''),
  ],
)
@on_stores
def test_a_known_record_answers_conditions_ranges_and_head(
  make_http_class: MakeClass,
  fields: List[Tuple[bytes, bytes]],
  method: str,
  status: int,
  body: bytes,
) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    site.cls._config.stop_clock()
    await site.keep()
    before = await site.find(*fields, method=method)
    await find_known(site)
    for _ in range(NOTED + 1):
      after = await site.find(*fields, method=method)
      assert after == before
      assert (after[0]['status'], after[1]['body']) == (status, body)
    assert await is_known(site) and is_hit(await site.find())

  in_loop(main())


@on_stores
def test_a_known_record_objects_to_what_any_record_objects_to(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class(), request_control='full').start()
    await site.keep()
    await find_known(site)
    for fields in ((b'cache-control', b'no-cache'), (b'authorization', b'a')):
      exchange, _ = await site.find(fields)
      assert exchange.action != HTTP_HIT
    assert await is_known(site)

  in_loop(main())


@on_stores
def test_another_record_of_the_key_is_another_answer(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    ((key, head),) = (await site.keep()).items()
    await find_known(site)
    for stored, body in ((head + b'jello', b'jello'), (head + b'hello', b'hello')):
      await put(site, key, stored)
      assert [(await site.find())[1]['body'] for _ in range(NOTED + 1)] == [body] * (NOTED + 1)
    damaged = bytes([head[0], *head[1:30], head[30] ^ 1, *head[31:]]) + b'hello'
    for stored in (damaged, head[:-1], b''):
      await put(site, key, stored)
      exchange, _ = await site.find()
      assert exchange.action == HTTP_MISS
    await site.store._records.clear_many([key])
    exchange, record = await site.find()
    assert exchange.action == HTTP_MISS and record is None

  in_loop(main())


@on_stores
def test_a_known_record_in_the_place_of_another_is_no_hit(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    ((key, head),) = (await site.keep()).items()
    await find_known(site)
    other = HttpExchange(site.shared.c_policy, scope_of('/b'))
    await put(site, other.key, head + b'hello')
    for _ in range(NOTED):
      begun: Any = site.lane.begin(scope_of('/b'))
      assert await begun == head + b'hello' and begun.action == HTTP_MISS

  in_loop(main())


@on_stores
def test_a_known_record_is_no_hit_after_a_purge(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    site.store.epochs.newest = 0
    ((_, head),) = (await site.keep(epoch=5)).items()
    await find_known(site)
    assert await is_known(site)
    site.store.epochs.newest = 6
    exchange, record = await site.find()
    assert (exchange.action, record) == (HTTP_HIT, head + b'hello')
    site.store.epochs.newest = 5
    assert await is_known(site)

  in_loop(main())


@on_stores
def test_variants_are_known_apart(make_http_class: MakeClass) -> None:
  german = (b'accept-language', b'de')

  async def main() -> None:
    site = await Site(make_http_class()).start()
    key = next(iter(await site.keep(german, vary=b'accept-language')))
    await find_known(site, german)
    for language in (b'fr', b'es', b'it', b'nl', b'pl'):
      other = (b'accept-language', language)
      exchange, _ = await site.find(other)
      assert exchange.action == HTTP_MISS
      other_key = next(iter(await site.keep(other, vary=b'accept-language')))
      if other_key[:ROW] != key[:ROW]:
        break
    site.store._linked().memo.clear()
    await find_known(site, german)
    for _ in range(NOTED):
      assert is_hit(await site.find(german)) and is_hit(await site.find(other))
    assert await is_known(site, german) and await is_known(site, other)

  in_loop(main())


@on_stores
def test_answers_without_cache_status_lack_it_when_the_record_is_known(
  make_http_class: MakeClass,
) -> None:
  async def main() -> None:
    site = await Site(make_http_class(), cache_status=False).start()
    await site.keep()
    start, _ = await find_known(site)
    assert await is_known(site)
    assert b'cache-status' not in dict(start['headers']) and b'age' in dict(start['headers'])

  in_loop(main())


# ---- Memory


async def keep_large(site: Site, count: int, size: int) -> List[Any]:
  """Stores responses. Returns the scopes of their requests."""
  scopes = [scope_of(f'/{number}') for number in range(count)]
  body, now, epoch = b'x' * size, int(time.time() * 1000), site.store.epochs.number
  for scope in scopes:
    exchange = HttpExchange(site.shared.c_policy, scope)
    exchange.decide(None)
    exchange.receive(200, [(b'cache-control', b'max-age=60')], size, now)
    await put(site, exchange.key, exchange.record([body], (), epoch) + body)
  return scopes


def hit_all(site: Site, scopes: List[Any]) -> None:
  for scope in scopes:
    for _ in range(NOTED):
      found = site.lane.begin(scope)
      assert isinstance(found, tuple), scope


def test_what_is_known_is_bounded_and_is_forgotten(make_http_class: MakeClass) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    scopes = await keep_large(site, 1000, 5000)
    hit_all(site, scopes[:1])
    site.shared.link_lane()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    hit_all(site, scopes[:20])
    some = tracemalloc.get_traced_memory()[0] - before
    assert some > 20 * 10_000  # a record and its body
    hit_all(site, scopes)
    assert tracemalloc.get_traced_memory()[0] - before < 2 << 20
    site.shared.link_lane()  # as after another configuration
    assert tracemalloc.get_traced_memory()[0] - before < some // 10
    hit_all(site, scopes[:20])
    site.shared.lane = site.lane = None  # type: ignore[assignment]
    assert tracemalloc.get_traced_memory()[0] - before < some // 10

  try:
    in_loop(main())
  finally:
    tracemalloc.stop()


@pytest.mark.parametrize('size, expected', [(7000, True), (9000, False)])
def test_large_records_are_not_remembered(
  make_http_class: MakeClass, size: int, expected: bool
) -> None:
  async def main() -> None:
    site = await Site(make_http_class()).start()
    (scope,) = await keep_large(site, 1, size)
    hit_all(site, [scope])
    bodies: List[Any] = [site.lane.begin(scope) for _ in range(2)]
    assert (bodies[0][1]['body'] is bodies[1][1]['body']) == expected

  in_loop(main())


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
  site.cls._config.stop_clock()
  await site.keep()
  scope = scope_of('/a')
  expected = site.lane.begin(scope)
  assert is_hit(expected)
  for hits in range(5):  # before the one in which an allocation fails
    failed = 0
    for nth in range(150):
      site.shared.link_lane()  # forgets
      for _ in range(hits):
        site.lane.begin(scope)
      set_nomemory(nth, nth + 1)
      try:
        found = site.lane.begin(scope)
      except MemoryError:
        found = None
        failed += 1
      finally:
        remove_mem_hooks()
      assert found is None or found == expected or not isinstance(found, tuple), found
      for _ in range(3):
        assert site.lane.begin(scope) == expected
    assert failed > 3, failed

asyncio.run(main())
"""


def _has_testcapi() -> bool:
  try:
    import _testcapi  # noqa: F401
  except ImportError:
    return False
  return True


if _has_testcapi():

  def test_each_allocation_of_a_hit_on_a_known_record_may_fail() -> None:
    run_python(NO_MEMORY.format(path=os.path.dirname(os.path.abspath(__file__))))
