# SPDX-License-Identifier: MIT
"""Clusters of Redis and Valkey that lose nodes, under load. No answer may be another key's, and no
call may fail that could have waited."""

import asyncio
import contextlib
import random
from typing import Any, List, Sequence

import pytest
from cachette import BackendError, Cachette
from conftest import CHOSEN_BACKENDS, on_pythons
from redis_work import Work, open_cache
from services.redis_cluster import ClusterNode, RedisCluster
from services.redis_front import RedisFront

KINDS = [kind for kind in ('redis', 'valkey') if f'{kind}+cluster' in CHOSEN_BACKENDS]
pytestmark = on_pythons(bool(KINDS), 'the library must support clusters')


@pytest.fixture(params=KINDS)
def cluster(request: pytest.FixtureRequest) -> Any:
  """A cluster of this test alone."""
  with RedisCluster(request.param) as cluster:
    yield cluster


def keys_of(cluster: RedisCluster, nodes: Sequence[ClusterNode], count: int = 24) -> List[str]:
  return [key for node in nodes for key in cluster.keys_on(node, count)]


def test_only_calls_in_flight_fail_when_a_primary_is_killed(cluster: RedisCluster) -> None:
  lost, *others = cluster.primaries()
  theirs, rest = keys_of(cluster, [lost]), keys_of(cluster, others)
  work = Work(open_cache(cluster.url), theirs + rest, loses_writes=True)
  taken_over = asyncio.run(work.during(lambda: cluster.lose(lost), after=1))
  assert work.wrong == []
  # An increment that was sent may have been executed, so it is not sent again.
  assert {each.verb for each in work.failures} <= {'increment'}, work.failures
  assert {each.key[1:-9] for each in work.failures} <= set(theirs), work.failures
  assert work.failures_since(taken_over) == []
  for key in theirs:
    assert any(moment > taken_over for moment in work.successes[key]), 'no write succeeds again'


def test_the_old_primary_that_comes_back_is_a_replica(cluster: RedisCluster) -> None:
  """It is used neither for writes nor for reads from primaries."""
  lost = cluster.primaries()[0]
  keys = keys_of(cluster, [lost])
  work = Work(open_cache(cluster.url), keys, loses_writes=True)

  def change() -> None:
    cluster.lose(lost)
    lost.restart()
    cluster.wait_until_up()

  asyncio.run(work.during(change))
  assert work.wrong == [] and work.failures_of('put', 'fetch', 'fetch_many') == []
  assert not lost.is_primary
  assert lost.info('cmdstat_get', 'commandstats') == ''


def test_a_manual_failover_is_not_noticed(cluster: RedisCluster) -> None:
  work = Work(open_cache(cluster.url), keys_of(cluster, cluster.primaries()))

  def change() -> None:
    for node in cluster.primaries():
      cluster.fail_over(cluster.replica_of(node))
    cluster.wait_until_up()
    cluster.fail_over(cluster.replica_of(cluster.primaries()[0]))

  asyncio.run(work.during(change))
  assert work.wrong == []
  assert {each.verb for each in work.failures} <= {'increment'}, work.failures
  totals = {key: cluster.owner_of(key).call('get', key) for key in work.increments}
  expected = {key: str(count) for key, count in work.increments.items() if count > 0}
  assert expected.items() <= totals.items()


def test_writes_go_to_the_new_primary_at_the_first_call_after_a_failover(
  cluster: RedisCluster,
) -> None:
  """A client is not stuck to a demoted primary, and loses no slot by a write that failed."""
  cache = open_cache(cluster.url)
  keys = keys_of(cluster, cluster.primaries(), 10)

  async def main() -> None:
    await cache.put_many(dict.fromkeys(keys, 'old'))
    for old in cluster.primaries():
      cluster.fail_over(cluster.replica_of(old))
    for key in keys:
      await cache.put(key, 'new')
      assert await cache.increment('{' + key + '}:counter') == 1
    assert await cache.fetch_many(keys) == dict.fromkeys(keys, 'new')

  asyncio.run(main())


def test_a_primary_that_dies_without_a_word(cluster: RedisCluster) -> None:
  lost, *others = cluster.primaries()
  theirs, rest = keys_of(cluster, [lost]), keys_of(cluster, others)
  cache = open_cache(cluster.url, timeout=1)
  work = Work(cache, theirs + rest, tasks=len(theirs + rest), loses_writes=True)
  replica = cluster.replica_of(lost)
  for node in cluster.nodes:  # or they all refuse calls until a replica takes over: longer than 1 s
    node.call('config', 'set', 'cluster-require-full-coverage', 'no')

  def change() -> float:
    lost.pause()
    return cluster.wait_for_takeover(replica)

  try:
    taken_over = asyncio.run(work.during(change, after=3))
    assert work.wrong == []
    assert {each.key.strip('{}').partition('}')[0] for each in work.failures} <= set(theirs)
    for key in theirs:
      assert any(moment > taken_over for moment in work.successes[key]), 'no write succeeds again'
  finally:
    lost.resume()
  cluster.wait_until_up()

  async def main() -> None:
    for key in theirs + rest:
      await cache.put(key, 'after')
      assert await cache.fetch(key) == 'after'

  asyncio.run(main())


def test_all_addresses_change_at_once(cluster: RedisCluster) -> None:
  """Only the seeds' names lead to the nodes again. Fronts stand for these names."""
  with contextlib.ExitStack() as stack:
    seeds = [stack.enter_context(RedisFront(node.port)) for node in cluster.nodes[:2]]
    hosts = ','.join(f'127.0.0.1:{seed.port}' for seed in seeds)
    cache = open_cache(f'{cluster.scheme}://{hosts}')
    keys = keys_of(cluster, cluster.primaries(), 10)

    async def main() -> None:
      await cache.put_many(dict.fromkeys(keys, 'old'))

      def move() -> None:
        cluster.move()
        for seed, node in zip(seeds, cluster.nodes):
          seed.close_sessions()
          seed.target = node.port

      waiting = asyncio.get_running_loop().run_in_executor(None, move)
      await asyncio.sleep(0.5)
      calls = [asyncio.ensure_future(cache.put(key, 'new')) for key in keys]
      await waiting
      await asyncio.gather(*calls)
      assert await cache.fetch_many(keys) == dict.fromkeys(keys, 'new')

    asyncio.run(main())


def test_all_nodes_start_again_at_their_addresses(cluster: RedisCluster) -> None:
  cache = open_cache(cluster.url)
  keys = keys_of(cluster, cluster.primaries(), 10)

  def restart_all() -> None:
    for node in cluster.nodes:
      node.kill()
    for node in cluster.nodes:
      node.restart()

  async def main() -> None:
    await cache.put_many(dict.fromkeys(keys, 'old'))
    await asyncio.get_running_loop().run_in_executor(None, restart_all)
    for key in keys:  # the cluster is down for two more seconds
      await cache.put(key, 'new')
      assert await cache.increment('{' + key + '}:counter') == 1
    assert await cache.fetch_many(keys) == dict.fromkeys(keys, 'new')

  asyncio.run(main())


def test_a_cluster_that_misses_slots_is_waited_for(cluster: RedisCluster) -> None:
  node = cluster.primaries()[0]
  (key,) = cluster.keys_on(node)
  cache = open_cache(cluster.url)
  slots = sorted(cluster.slots_of(node))
  ranges = [slots[0], slots[-1]]

  async def main() -> None:
    await cache.put(key, 'value')
    for each in cluster.nodes:
      if each.is_primary:
        each.call('cluster', 'delslotsrange', *ranges)
    waiting = [asyncio.ensure_future(cache.increment('{' + key + '}:n')) for _ in range(20)]
    await asyncio.sleep(0.3)
    assert not any(each.done() for each in waiting)
    node.call('cluster', 'addslotsrange', *ranges)
    assert sorted(await asyncio.gather(*waiting)) == list(range(1, 21))

  asyncio.run(main())


def test_a_call_that_waits_in_vain_fails_with_the_reason(cluster: RedisCluster) -> None:
  lost = cluster.primaries()[0]
  (key,) = cluster.keys_on(lost)
  cache = open_cache(cluster.url, timeout=2)
  cluster.replica_of(lost).kill()
  lost.kill()

  async def main() -> None:
    for _ in range(3):
      with pytest.raises(BackendError, match=r'127\.0\.0\.1:\d+'):
        await cache.put(key, 'value')

  asyncio.run(main())


def test_a_namespace_is_cleared_while_primaries_change(cluster: RedisCluster) -> None:
  cache = open_cache(cluster.url)
  stopping: List[bool] = []

  def change() -> None:
    for node in cluster.primaries():
      cluster.fail_over(cluster.replica_of(node))

  async def clear(name: str) -> None:
    while not stopping:
      await cache.put_many({f'{name}:{number}': 'value' for number in range(300)})
      await cache.clear(namespace=name)
      found = await cache.fetch_many([f'{name}:{number}' for number in range(300)])
      assert found == {}

  async def main() -> None:
    work = asyncio.gather(*(clear(f'ns{number}') for number in range(6)))
    await asyncio.sleep(0.2)
    await asyncio.get_running_loop().run_in_executor(None, change)
    await asyncio.sleep(0.2)
    stopping.append(True)
    await work

  asyncio.run(main())


def test_a_refresh_storm_does_not_happen(cluster: RedisCluster) -> None:
  """64 tasks that all lose their node ask for the map a few times in all."""
  lost = cluster.primaries()[0]
  work = Work(open_cache(cluster.url), cluster.keys_on(lost, 64), tasks=64, loses_writes=True)
  others = [node for node in cluster.nodes if node is not lost]
  before = cluster.count('cluster|slots', others)
  asyncio.run(work.during(lambda: cluster.lose(lost)))
  assert cluster.count('cluster|slots', others) - before <= 30, 'in about three seconds'


# ---- Cancellations


CANCELLED = 10_000


async def cancel_randomly(cache: Cachette, keys: Sequence[str], wrong: List[Any]) -> int:
  """Cancels CANCELLED calls at random moments, and checks what the others return."""
  rng = random.Random(0)
  count = 0

  async def call(key: str, verb: int) -> None:
    if verb == 0:
      await cache.put(key, f'{key}=x')
    elif verb == 1:
      found = await cache.fetch(key)
      if found is not None and found.partition('=')[0] != key:
        wrong.append((key, found))
    elif verb == 2:
      some = rng.sample(keys, 5)
      for name, value in (await cache.fetch_many(some)).items():
        if name not in some or value.partition('=')[0] != name:
          wrong.append((some, name, value))
    elif verb == 3:
      total = await cache.increment('{' + key + '}:counter')
      if type(total) is not int or total < 1:
        wrong.append((key, total))
    elif verb == 4:
      await cache.put_many({name: f'{name}=y' for name in rng.sample(keys, 3)})
    elif await cache.exists(key) not in (True, False):
      wrong.append(key)

  async def work() -> None:
    nonlocal count
    while count < CANCELLED:
      task = asyncio.ensure_future(call(rng.choice(keys), rng.randrange(6)))
      await asyncio.sleep(rng.choice([0, 0, 0.001, 0.003]))
      task.cancel()
      try:
        await task
      except asyncio.CancelledError:
        count += 1
      except BackendError:
        await asyncio.sleep(0.002)

  await asyncio.gather(*(work() for _ in range(48)))
  return count


def test_cancellations_across_failovers_mix_up_no_answers(cluster: RedisCluster) -> None:
  cache = open_cache(cluster.url)
  keys = keys_of(cluster, cluster.primaries(), 30)
  wrong: List[Any] = []

  def change() -> None:
    source, target = cluster.primaries()[:2]
    cluster.migrate(sorted(cluster.slots_of(source))[:50], source, target)
    cluster.fail_over(cluster.replica_of(source))
    lost = cluster.primaries()[-1]
    cluster.lose(lost)
    lost.restart()
    cluster.wait_until_up()

  async def main() -> int:
    changes = asyncio.get_running_loop().run_in_executor(None, change)
    cancelled = 0
    while not changes.done() or cancelled < CANCELLED:
      cancelled += await cancel_randomly(cache, keys, wrong)
    await changes
    for key in keys:
      await cache.put(key, f'{key}=end')
    assert await cache.fetch_many(keys) == {key: f'{key}=end' for key in keys}
    return cancelled

  assert asyncio.run(main()) >= CANCELLED
  assert wrong == []
