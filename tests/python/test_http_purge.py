# SPDX-License-Identifier: MIT
"""Purges: what is named is forgotten in every worker within a second, and nothing else; in doubt,
more is forgotten."""

import asyncio
import subprocess
import sys
import textwrap
import threading
import time
from typing import Any, Awaitable, Dict, List, Optional, Tuple, Type

import pytest
from cachette import BackendError, Cachette, testing
from cachette._cachette import HttpExchange, HttpPolicy, http_describe
from cachette.http import _epochs
from cachette.http._epochs import PURGED, SOFT, VALID, Entry, Epochs
from cachette.http._purge import purge
from cachette.http._store import Store
from conftest import CHOSEN_BACKENDS, MakeClass, inmemory_only
from http_records import GROUP, SLOW, Made, judge, make, put, read, scope_of
from services.redis import RedisServer


class Worker:
  """What another process does: it has its own knowledge of what was purged."""

  def __init__(self, cls: Type[Cachette]) -> None:
    class Own(Cachette):
      pass

    if cls._config.get('backend') == 'inmemory':  # there all of a process share what they know
      Own._config = cls._config
    else:
      Own._config = cls._config.raw('vanilla', 0, cls._config.is_signed())
    self.store = Store(Own, SLOW)

  async def judge(self, made: Made) -> int:
    """Judges a record as a request would that comes half a second after the last one."""
    self.store.epochs._checked = min(self.store.epochs._checked, _epochs.clock() - 0.6)
    self.store.epochs._begun = self.store.epochs._checked
    await self.store.fetch(made.key)
    return judge(self.store, made)


# ---- What is purged

# A purge, and the paths that it is about, of those in PATHS.
PATHS = [b'/', b'/a', b'/a/', b'/a/1', b'/ab', b'/b?x=1', b'/%61/2', b'/caf%c3%a9']


def split(path: bytes) -> Dict[str, bytes]:
  path, _, query = path.partition(b'?')
  return {'path': path, 'query': query}


PURGES: Dict[str, Tuple[Dict[str, Any], List[bytes]]] = {
  'a URL': ({'url': 'https://example.com/a'}, [b'/a']),
  'a URL with a slash more': ({'url': 'https://example.com/a/'}, [b'/a/']),
  'a URL without a path': ({'url': 'https://example.com'}, [b'/']),
  'a URL in capitals': ({'url': 'HTTPS://EXAMPLE.com:443/a'}, [b'/a']),
  'a URL with dots': ({'url': 'https://example.com/b/../a#top'}, [b'/a']),
  'a URL with a query': ({'url': 'https://example.com/b?x=1'}, [b'/b?x=1']),
  'a URL without the query': ({'url': 'https://example.com/b'}, []),
  'a URL of another scheme': ({'url': 'http://example.com/a'}, []),
  'a URL of another host': ({'url': 'https://example.org/a'}, []),
  'a URL of another port': ({'url': 'https://example.com:8443/a'}, []),
  'a URL spelled otherwise': ({'url': 'https://example.com/a/2'}, [b'/%61/2']),
  'a URL with capital digits': ({'url': 'https://example.com/caf%C3%A9'}, [b'/caf%c3%a9']),
  'an IRI': ({'url': 'https://example.com/café'}, [b'/caf%c3%a9']),
  'two URLs': ({'url': ['https://example.com/a', 'https://example.com/']}, [b'/a', b'/']),
  'a prefix': ({'prefix': 'https://example.com/a/'}, [b'/a/', b'/a/1', b'/%61/2']),
  'a prefix in a word': (
    {'prefix': 'https://example.com/a'},
    [b'/a', b'/a/', b'/a/1', b'/ab', b'/%61/2'],
  ),
  'a prefix of a query': ({'prefix': 'https://example.com/b?x='}, [b'/b?x=1']),
  'a prefix of the origin': ({'prefix': 'https://EXAMPLE.com'}, PATHS),
  'a prefix of another origin': ({'prefix': 'https://example.co/'}, []),
  'all': ({'all': True}, PATHS),
}


@pytest.mark.parametrize('name', PURGES)
def test_what_is_named_is_purged_and_nothing_else(make_class: MakeClass, name: str) -> None:
  arguments, expected = PURGES[name]
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> Tuple[Dict[bytes, int], Dict[bytes, int]]:
    await store.fetch('http:start')
    await worker.store.fetch('http:start')
    made = {path: make(epoch=store.epochs.number, **split(path)) for path in PATHS}
    for each in made.values():
      assert judge(store, each) == VALID
    await purge(cache=cls, **arguments)
    here = {path: judge(store, each) for path, each in made.items()}
    there = {path: await worker.judge(each) for path, each in made.items()}
    return here, there

  here, there = asyncio.run(main())
  assert [path for path in PATHS if here[path] == PURGED] == [p for p in PATHS if p in expected]
  assert there == here
  assert set(here.values()) <= {VALID, PURGED}


TAGS: Dict[str, Tuple[Dict[str, Any], bool]] = {
  'its tag': ({'tags': 'mine'}, True),
  'one of several tags': ({'tags': ['no', 'mine']}, True),
  'a tag of Surrogate-Key': ({'tags': 'surrogate'}, True),
  'a tag of Cache-Tag': ({'tags': ('cdn tag',)}, True),
  'a tag that is not ASCII': ({'tags': 'größe'}, True),
  'a part of a tag': ({'tags': 'min'}, False),
  'another tag': ({'tags': 'other'}, False),
  'its group': ({'group': 'articles'}, True),
  'its group with a space': ({'group': 'with space'}, True),
  'its group at its origin': ({'group': 'articles', 'origin': 'https://example.com'}, True),
  'its group at its port': ({'group': 'articles', 'origin': 'https://Example.com:443'}, True),
  'its group elsewhere': ({'group': 'articles', 'origin': 'https://example.org'}, False),
  'another group': ({'group': 'article'}, False),
  'a tag as a group': ({'group': 'mine'}, False),
  'a group as a tag': ({'tags': 'articles'}, False),
}


@pytest.mark.parametrize('name', TAGS)
@pytest.mark.parametrize('soft', [False, True])
def test_tags_and_groups_are_purged(make_class: MakeClass, name: str, soft: bool) -> None:
  arguments, is_purged = TAGS[name]
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> List[int]:
    await store.fetch('http:start')
    made = make(
      epoch=store.epochs.number,
      tags=[b'mine', 'größe'.encode()],
      headers=[(b'surrogate-key', b'a surrogate'), (b'cache-tag', b'x, cdn tag'), GROUP],
    )
    other = make(epoch=store.epochs.number, path=b'/other')
    await purge(cache=cls, soft=soft, **arguments)
    return [judge(store, made), await worker.judge(made), judge(store, other)]

  expected = (SOFT if soft else PURGED) if is_purged else VALID
  assert asyncio.run(main()) == [expected, expected, VALID]


def test_a_soft_purge_of_all_and_then_a_hard_one(make_class: MakeClass) -> None:
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> List[int]:
    await store.fetch('http:start')
    made = make(epoch=store.epochs.number)
    await purge(all=True, soft=True, cache=cls)
    results = [judge(store, made), await worker.judge(made)]
    await purge(url='https://example.com/a', cache=cls)
    results += [judge(store, made), await worker.judge(made)]
    await purge(all=True, soft=True, cache=cls)
    return [*results, judge(store, made)]

  assert asyncio.run(main()) == [SOFT, SOFT, PURGED, PURGED, PURGED]


def test_a_purge_of_a_url_clears_its_record_and_a_soft_one_does_not(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)
  made = make()

  async def main() -> List[Optional[bytes]]:
    await put(store, made)
    await purge(url='https://example.com/a', soft=True, cache=cls)
    kept = await read(store, made)
    await purge(url='https://example.com/a', cache=cls)
    return [kept, await read(store, made)]

  assert asyncio.run(main()) == [b'hello', None]


def test_all_variants_of_a_url_are_purged(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)

  async def main() -> List[int]:
    await store.fetch('http:start')
    variants = [
      make(
        epoch=store.epochs.number,
        headers=[(b'vary', b'accept-language')],
      ),
      make(epoch=store.epochs.number, path=b'/b', headers=[(b'vary', b'accept-language')]),
    ]
    await purge(url='https://example.com/a', cache=cls)
    return [judge(store, each) for each in variants]

  assert asyncio.run(main()) == [PURGED, VALID]


@inmemory_only
def test_a_url_whose_key_has_cookies_is_purged(make_class: MakeClass) -> None:
  policy = HttpPolicy(default_ttl_ms=60_000, key_cookies=['plan'], query=1)
  cls = make_class()
  store = Store(cls, policy=policy)

  async def main() -> List[int]:
    scope = scope_of(query=b'x=1', headers=[(b'cookie', b'plan=gold')])
    exchange = HttpExchange(policy, scope)
    exchange.decide(None)
    exchange.receive(200, [], 2, time.time_ns() // 1_000_000)
    head = exchange.record([b'ok'], (), store.epochs.number)
    assert exchange.index_key != make(policy=policy).index_key
    epochs = store.epochs
    before = epochs.judge(head, exchange.index_key, scope)
    await purge(url='https://example.com/a', cache=cls)
    return [before, epochs.judge(head, exchange.index_key, scope)]

  assert asyncio.run(main()) == [VALID, PURGED]


@inmemory_only
@pytest.mark.parametrize('is_given', [True, False], ids=['given', 'of the store'])
def test_a_url_is_purged_by_the_key_that_the_policy_makes(
  make_class: MakeClass, is_given: bool
) -> None:
  """The policy drops queries, so the record of /a?x=1 is that of /a."""
  policy = HttpPolicy(default_ttl_ms=60_000, query=1)
  cls = make_class()
  store = Store(cls, policy=None if is_given else policy)

  async def main() -> List[int]:
    made = make(epoch=store.epochs.number, policy=policy, query=b'x=1')
    plain = make(epoch=store.epochs.number, query=b'x=1')
    await purge(url='https://example.com/a', cache=cls, policy=policy if is_given else None)
    return [judge(store, made), judge(store, plain)]

  assert asyncio.run(main()) == [PURGED, VALID]


# ---- When


def test_a_response_under_way_during_a_purge_is_purged(make_class: MakeClass) -> None:
  """Its epoch is from before the purge, in the worker that purges and in any other."""
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> List[int]:
    await store.fetch('http:start')
    await worker.store.fetch('http:start')
    under_way = [make(epoch=each.epochs.number) for each in (store, worker.store)]
    await purge(url='https://example.com/a', cache=cls)
    for made in under_way:  # they are complete only now
      await put(store, made)
    results = [judge(store, made) for made in under_way]
    results += [await worker.judge(made) for made in under_way]
    later = [make(epoch=each.epochs.number) for each in (store, worker.store)]
    return [*results, *(judge(store, made) for made in later)]

  assert asyncio.run(main()) == [PURGED] * 4 + [VALID] * 2


def test_a_response_of_after_its_purge_stays_valid_when_others_are_purged(
  make_class: MakeClass,
) -> None:
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> List[int]:
    await store.fetch('http:start')
    await purge(tags='t', cache=cls)
    made = make(epoch=store.epochs.number, tags=[b't'])
    await purge(tags='other', cache=cls)
    return [judge(store, made), await worker.judge(made)]

  assert asyncio.run(main()) == [VALID, VALID]


def test_a_worker_that_knows_too_little_makes_records_that_are_purged_too_often(
  make_class: MakeClass,
) -> None:
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)
  if cls._config.get('backend') == 'inmemory':
    return  # all know the same at once

  async def main() -> List[int]:
    await worker.store.fetch('http:start')
    await purge(tags='t', cache=cls)
    made = make(epoch=worker.store.epochs.number, tags=[b't'])  # asked for after the purge
    await store.fetch('http:start')
    return [judge(store, made)]

  assert asyncio.run(main()) == [PURGED]


def test_the_counter_is_read_at_most_twice_a_second(
  make_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  now = [1000.0]
  monkeypatch.setattr(_epochs, 'clock', lambda: now[0])
  cls = make_class()
  store = Store(cls, SLOW)
  reads: List[float] = []
  refresh = Epochs.refresh

  async def counted(self: Epochs, log: Any) -> None:
    reads.append(now[0])
    await refresh(self, log)

  monkeypatch.setattr(Epochs, 'refresh', counted)

  async def main() -> None:
    for _ in range(40):
      await store.fetch('http:any')
      now[0] += 0.1

  asyncio.run(main())
  is_local = cls._config.get('backend') == 'inmemory'
  assert len(reads) == 0 if is_local else 6 <= len(reads) <= 8
  assert all(later - earlier > 0.5 for earlier, later in zip(reads, reads[1:]))


# ---- The log


def test_many_purges_are_read_at_once(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)

  async def main() -> List[int]:
    await store.fetch('http:start')
    made = [make(epoch=store.epochs.number, tags=[b'%d' % each]) for each in (0, 299, 300)]
    for number in range(300):
      await purge(tags=str(number), cache=cls)
    worker = Worker(cls)
    results = [await worker.judge(each) for each in made]
    assert worker.store.epochs.number == store.epochs.number
    return results

  assert asyncio.run(main()) == [PURGED, PURGED, VALID]


def lose(cls: Type[Cachette], *keys: str) -> Awaitable[Any]:
  """Removes keys from the store, like an eviction."""
  return Store(cls)._linked().log(10_000).entries.clear_many(keys)


SERVERS = [each for each in CHOSEN_BACKENDS if each != 'inmemory']
servers_only = pytest.mark.parametrize('backend', SERVERS, indirect=True)


@servers_only
def test_when_the_counter_is_lost_everything_older_is_purged(make_class: MakeClass) -> None:
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> Tuple[List[int], List[int]]:
    await store.fetch('http:start')
    await worker.store.fetch('http:start')
    made = make(epoch=store.epochs.number)
    assert await worker.judge(made) == VALID
    await lose(cls, _epochs.COUNTER, _epochs.STARTING)
    old = [await worker.judge(made), await Worker(cls).judge(made)]
    new = make(epoch=worker.store.epochs.number)
    return old, [await worker.judge(new), await Worker(cls).judge(new)]

  assert asyncio.run(main()) == ([PURGED, PURGED], [VALID, VALID])


@servers_only
def test_when_an_entry_is_lost_everything_older_is_purged(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)

  async def main() -> List[int]:
    await store.fetch('http:start')
    made = make(epoch=store.epochs.number)
    await purge(tags='a', cache=cls)
    between = make(epoch=store.epochs.number)
    lost = store.epochs.number + 1
    await purge(tags='b', cache=cls)
    after = make(epoch=store.epochs.number)
    await purge(tags='c', cache=cls)
    await lose(cls, _epochs.ENTRY.format(lost))
    return [await Worker(cls).judge(each) for each in (made, between, after)]

  assert asyncio.run(main()) == [PURGED, PURGED, VALID]


@servers_only
@pytest.mark.parametrize(
  'damage',
  [
    *(b'', b'[]', b'{"all":1', b'{"keys":[1]}', b'{"new":["x"]}', b'[' * 200_000),
    *(b'{"%s":["\\ud800"]}' % each for each in (b'tags', b'groups', b'keys', b'urls')),
  ],
  ids=lambda damage: damage[:20].decode(),
)
def test_an_entry_that_cannot_be_read_is_lost(make_class: MakeClass, damage: bytes) -> None:
  cls = make_class()
  store = Store(cls, SLOW)

  async def main() -> int:
    await store.fetch('http:start')
    made = make(epoch=store.epochs.number)
    await purge(tags='a', cache=cls)
    entry = _epochs.ENTRY.format(store.epochs.number)
    await store._log.entries.put(entry, damage, 60)
    return await Worker(cls).judge(made)

  assert asyncio.run(main()) == PURGED


@servers_only
@pytest.mark.parametrize('counter', [b'%d' % 2**63, b'9' * 40, b'9' * 5000, b'x', b'-5'])
def test_a_counter_that_is_none_is_a_miss_or_starts_anew(
  make_class: MakeClass, counter: bytes
) -> None:
  cls = make_class()
  store = Store(cls, SLOW)

  async def main() -> None:
    await store._log.counters.put(_epochs.COUNTER, counter, 60)
    for _ in range(2):
      assert await store.fetch('http:a') is None
      assert 0 <= store.epochs.number < 2**63

  store._linked()
  asyncio.run(main())


@servers_only
def test_an_entry_that_is_being_put_is_waited_for(
  make_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  """The counter is ahead of the entries for a moment. That purges nothing else."""
  now = [1000.0]
  monkeypatch.setattr(_epochs, 'clock', lambda: now[0])
  cls = make_class()
  store, worker = Store(cls, SLOW), Worker(cls)

  async def main() -> List[List[int]]:
    await store.fetch('http:start')
    await worker.store.fetch('http:start')
    made = [make(epoch=store.epochs.number, tags=[tag]) for tag in (b't', b'other')]
    number = await store._log.counters.increment(_epochs.COUNTER, 1)
    now[0] += 0.6
    results = [[await worker.judge(each) for each in made]]
    await store._log.entries.put(_epochs.ENTRY.format(number), Entry(tags=('t',)).dump(), 60)
    now[0] += 0.6
    results.append([await worker.judge(each) for each in made])
    await store._log.counters.increment(_epochs.COUNTER, 1)  # of a worker that was killed then
    for _ in range(4):
      now[0] += 0.6
      results.append([await worker.judge(each) for each in made])
    return results

  results = asyncio.run(main())
  assert results[:3] == [[VALID, VALID], [PURGED, VALID], [PURGED, VALID]]
  assert results[-1] == [PURGED, PURGED]


@servers_only
def test_workers_that_start_at_once_start_one_counter(make_class: MakeClass) -> None:
  cls = make_class()
  workers = [Worker(cls) for _ in range(8)]

  async def main() -> List[int]:
    await asyncio.gather(*(each.store.fetch('http:start') for each in workers))
    for each in workers:
      while each.store.epochs.number == 0:
        await each.store.fetch('http:start')
        await asyncio.sleep(0.01)
    return [each.store.epochs.number for each in workers]

  numbers = asyncio.run(main())
  assert len(set(numbers)) == 1
  assert abs(numbers[0] - time.time() * 1e6) < 120e6


def test_purges_of_many_workers_at_once_are_all_known(make_class: MakeClass) -> None:
  cls = make_class()
  workers = [Worker(cls) for _ in range(4)]

  async def main() -> List[int]:
    for each in workers:
      await each.store.fetch('http:start')
    start = workers[0].store.epochs.number
    made = [make(epoch=start, tags=[b'%d' % each]) for each in range(20)]
    await asyncio.gather(
      *(workers[each % 4].store.purge(Entry(tags=(str(each),))) for each in range(20))
    )
    return [await worker.judge(each) for worker in workers for each in made]

  assert asyncio.run(main()) == [PURGED] * 80


@inmemory_only
def test_a_process_keeps_a_limited_number_of_entries(
  make_class: MakeClass, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(_epochs, '_RULES_MAX', 100)
  monkeypatch.setattr(_epochs, '_PREFIXES_MAX', 10)
  cls = make_class()
  store = Store(cls)

  def count() -> int:
    return sum(map(len, store.epochs._rules._tables))

  async def main() -> None:
    old = make(epoch=store.epochs.number)
    for number in range(500):
      await purge(tags=f't{number}', cache=cls)
      assert count() <= 100
    assert judge(store, old) == PURGED  # the entries that could tell are forgotten
    new = make(epoch=store.epochs.number, tags=[b'last'])
    for number in range(40):
      await purge(prefix=f'https://example.com/{number}', cache=cls)
      assert len(store.epochs._rules.prefixes) <= 10
    assert judge(store, new) == PURGED
    newest = make(epoch=store.epochs.number, tags=[b'last'])
    assert judge(store, newest) == VALID
    await purge(tags='last', cache=cls)
    assert judge(store, newest) == PURGED

  asyncio.run(main())


@inmemory_only
def test_the_epoch_is_where_the_form_of_a_record_has_it(make_class: MakeClass) -> None:
  made = make(epoch=0x0102030405060708)
  info = http_describe(made.head)
  assert info is not None and info.epoch == 0x0102030405060708
  assert _epochs.epoch_of(made.head, _epochs.EPOCH_AT) == (info.epoch,)


@inmemory_only
def test_caches_with_the_same_memory_share_what_was_purged(make_class: MakeClass) -> None:
  first, second = make_class(memory_name='shared'), make_class(memory_name='shared')
  store = Store(first)

  async def main() -> int:
    made = make(epoch=store.epochs.number, tags=[b't'])
    await purge(tags='t', cache=second)
    return judge(store, made)

  assert asyncio.run(main()) == PURGED


def test_a_signed_log_has_signed_entries(make_class: MakeClass) -> None:
  """Who cannot sign cannot purge one thing; all that is left is to spoil entries, which purges."""
  cls = make_class(secret='a key of the application')
  store = Store(cls, SLOW)
  if cls._config.get('backend') == 'inmemory':
    return

  async def main() -> List[int]:
    await store.fetch('http:start')
    made = [make(epoch=store.epochs.number, tags=[tag]) for tag in (b't', b'other')]
    await purge(tags='t', cache=cls)
    worker = Worker(cls)
    results = [await worker.judge(each) for each in made]
    entry = _epochs.ENTRY.format(store.epochs.number)
    await store._log.counters.put(entry, Entry(tags=('x',)).dump(), 60)
    forged = Worker(cls)
    await forged.store.fetch('http:start')
    return [*results, forged.store.errors, forged.store.epochs.number]

  assert asyncio.run(main()) == [PURGED, VALID, 1, 0]  # not known: the worker uses no record


# ---- Workers


WORKER = """
  import asyncio, sys, time
  sys.path[:0] = sys.argv[2:]
  from cachette import Cachette
  from cachette.http._store import Store
  from http_records import make

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': sys.argv[1], 'timeout': 10})
  store = Store(Own, 10)

  async def main():
    await store.fetch('http:start')
    made = make(epoch=store.epochs.number, tags=[b't'])
    print('ready', flush=True)
    while True:
      await store.fetch(made.key)
      if store.epochs.judge(made.head, made.index_key, made.scope):
        break
      await asyncio.sleep(0.01)
    print(time.monotonic(), flush=True)

  asyncio.run(main())
"""


def test_two_processes_know_of_a_purge_within_a_second(own_redis: RedisServer) -> None:
  paths = [path for path in sys.path if path]
  command = [sys.executable, '-c', textwrap.dedent(WORKER), own_redis.url, *paths]
  workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url})
  try:
    for worker in workers:
      assert worker.stdout is not None and worker.stdout.readline() == 'ready\n'
    asyncio.run(_purge_tag(Own))
    purged = time.monotonic()
    for worker in workers:
      assert worker.stdout is not None
      assert float(worker.stdout.readline()) - purged < 1.5  # a second, on a machine under load
      assert worker.wait(30) == 0
  finally:
    for worker in workers:
      worker.kill()
      worker.communicate()


async def _purge_tag(cls: Type[Cachette]) -> None:
  await purge(tags='t', cache=cls)


def test_event_loops_in_threads_share_what_was_purged(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls, SLOW)
  ready, purged = threading.Barrier(3), threading.Event()
  results: List[Any] = []

  async def work() -> None:
    await store.fetch('http:start')
    made = make(epoch=store.epochs.number, tags=[b't'])
    before = judge(store, made)
    ready.wait(30)
    purged.wait(30)
    results.append((before, judge(store, made)))  # at once: the purge was in this process

  threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(2)]
  for thread in threads:
    thread.start()
  ready.wait(30)
  asyncio.run(_purge_tag(cls))
  purged.set()
  for thread in threads:
    thread.join()
  assert results == [(VALID, PURGED)] * 2


def test_an_emptied_server_has_nothing_valid_from_before(own_redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url, 'timeout': 10})
  worker, other = Worker(Own), Worker(Own)

  async def main() -> List[int]:
    under_way = make(epoch=0)
    for each in (worker, other):
      await each.store.fetch('http:start')
      under_way = make(epoch=each.store.epochs.number)
    own_redis.execute('flushall')
    await put(worker.store, under_way)
    results = [await each.judge(under_way) for each in (worker, other, Worker(Own))]
    fresh = make(epoch=worker.store.epochs.number)
    return [*results, *[await each.judge(fresh) for each in (worker, other, Worker(Own))]]

  assert asyncio.run(main()) == [PURGED] * 3 + [VALID] * 3


def test_a_purge_that_fails_raises(own_redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url, 'timeout': 0.3})
  own_redis.kill()
  with pytest.raises(BackendError):
    asyncio.run(purge(all=True, cache=Own))


def test_a_worker_that_cannot_ask_uses_no_record(own_redis: RedisServer) -> None:
  """A worker whose connection to the counter hangs does not know what was purged."""

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'redis', 'redis_url': own_redis.url, 'timeout': 10})
  store = Store(Own, SLOW)
  made = make()

  class Hanging:
    async def fetch(self, key: str) -> bytes:
      raise BackendError('hangs')

  async def main() -> List[Optional[bytes]]:
    await put(store, made)
    before = await read(store, made)
    store._log = store._log._replace(counters=Hanging())  # type: ignore[arg-type]
    at_once = await read(store, made)
    store.epochs._checked -= 1.1
    store.epochs._begun -= 1.1
    return [before, at_once, await read(store, made)]

  assert asyncio.run(main()) == [b'hello', b'hello', None]


# ---- Arguments

WRONG: Dict[str, Tuple[Dict[str, Any], Type[Exception], str]] = {
  'nothing': ({}, TypeError, 'needs something to purge'),
  'empty tags': ({'tags': []}, TypeError, 'needs something to purge'),
  'an empty tag': ({'tags': ['']}, TypeError, 'tags must be a non-empty str'),
  'bytes': ({'tags': [b'x']}, TypeError, 'tags must be a non-empty str'),
  'a number': ({'url': [1]}, TypeError, 'url must be a non-empty str'),
  'a number alone': ({'url': 1}, TypeError, 'url must be a non-empty str'),
  'half of a character': ({'tags': '\ud800'}, ValueError, 'tags has .* not valid Unicode'),
  'half of a character in a group': ({'group': '\ud800'}, ValueError, 'group has'),
  'half of a character in a url': ({'url': 'https://a/\ud800'}, ValueError, 'url has'),
  'a relative url': ({'url': '/a'}, ValueError, 'not an absolute'),
  'a relative prefix': ({'prefix': '/a'}, ValueError, 'not an absolute'),
  'all that is not True': ({'all': 'no'}, TypeError, 'all must be True or False'),
  'soft that is not True': ({'all': True, 'soft': 1}, TypeError, 'soft must be True or False'),
  'an origin without a group': ({'tags': 'x', 'origin': 'https://a'}, TypeError, 'origin is for'),
}


@inmemory_only
@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_argument_is_named(make_class: MakeClass, name: str) -> None:
  arguments, error, message = WRONG[name]
  with pytest.raises(error, match=message):
    asyncio.run(purge(cache=make_class(), **arguments))


@inmemory_only
def test_an_isolated_cache_forgets_the_purges_of_a_test(make_class: MakeClass) -> None:
  cls = make_class()
  store = Store(cls)

  async def main() -> List[int]:
    made = make(epoch=store.epochs.number)
    with testing.isolated(cls):
      inner = make(epoch=store.epochs.number)
      await purge(all=True, cache=cls)
      isolated = judge(store, inner)
    return [isolated, judge(store, made)]

  assert asyncio.run(main()) == [PURGED, VALID]
