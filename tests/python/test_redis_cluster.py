# SPDX-License-Identifier: MIT
"""Clusters of Redis and Valkey: keys on several nodes, redirects, and what a node answers of the
map."""

import asyncio
import threading
import time
from typing import Any, Dict, Iterator, List, Set

import pytest
from cachette import BackendError, BackendUnavailable, Cachette, CodecError
from conftest import CHOSEN_BACKENDS, on_pythons
from redis_work import Work, open_cache
from services.process import find_free_port, wait_until
from services.redis import RedisServer
from services.redis_cluster import ClusterNode, RedisCluster, slot_of
from services.tls import make_certificate

KINDS = [kind for kind in ('redis', 'valkey') if f'{kind}+cluster' in CHOSEN_BACKENDS]
pytestmark = on_pythons(bool(KINDS), 'the library must support clusters')


@pytest.fixture(params=KINDS)
def cluster(request: pytest.FixtureRequest) -> RedisCluster:
  """A cluster that all tests share. Tests use names of their own, and leave its nodes alone."""
  shared: RedisCluster = request.getfixturevalue(f'{request.param}_cluster')
  return shared


@pytest.fixture(scope='module', params=KINDS)
def own_cluster(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
  """A cluster for tests that move slots or empty it."""
  with RedisCluster(request.param) as cluster:
    yield cluster


@pytest.fixture(params=KINDS)
def one_kind(request: pytest.FixtureRequest) -> str:
  kind: str = request.param
  return kind


def spread(cluster: RedisCluster, count: int) -> List[str]:
  """Keys of all primaries."""
  primaries = cluster.primaries()
  return [key for node in primaries for key in cluster.keys_on(node, count // len(primaries))]


def owner_after(cluster: RedisCluster, key: str) -> ClusterNode:
  """A primary that does not have the slot of a key."""
  owner = cluster.owner_of(key)
  return next(node for node in cluster.primaries() if node is not owner)


async def wait_for(call: Any) -> Any:
  return await call


# ---- Keys


def test_keys_are_where_the_servers_look_for_them(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url, key_prefix='app{x}:')
  plain = open_cache(own_cluster.url)
  keys = [*spread(own_cluster, 30), '{tag}:1', '{tag}:2', '{}empty', '{unclosed', 'a}{b}']

  async def main() -> None:
    await plain.put_many({key: f'value of {key}' for key in keys})
    await cache.put('key', 'tagged by its prefix')

  asyncio.run(main())
  for key in keys:
    assert own_cluster.owner_of(key).call('get', key) == f'value of {key}'
  assert own_cluster.owner_of('{x}').call('get', 'app{x}:key') == 'tagged by its prefix'


def test_many_keys_of_several_nodes(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url)
  values = {key: f'value of {key}' for key in spread(own_cluster, 600)}

  async def main() -> None:
    await cache.put_many(values)
    absent = [f'absent:{number}' for number in range(100)]
    assert await cache.fetch_many([*values, *absent]) == values
    assert await cache.clear_many([*list(values)[:200], *absent]) == 200
    assert len(await cache.fetch_many(list(values))) == 400

  asyncio.run(main())


def test_a_namespace_is_cleared_on_all_nodes(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url, key_prefix='clear:')

  async def main() -> None:
    await cache.put_many({f'ns:{number}': 'value' for number in range(2000)})
    await cache.put_many({f'other:{number}': 'value' for number in range(20)})
    assert await cache.clear(namespace='ns') == 2000
    assert await cache.clear(namespace='ns') == 0
    assert len(await cache.fetch_many([f'other:{number}' for number in range(20)])) == 20
    assert await cache.flush() == 20

  asyncio.run(main())


def test_flush_without_a_prefix_empties_all_nodes(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url)
  own_cluster.on_primaries('flushall')

  async def main() -> None:
    await cache.put_many(dict.fromkeys(spread(own_cluster, 90), 'value'))
    assert await cache.flush() == 90

  asyncio.run(main())
  assert own_cluster.on_primaries('dbsize') == [0, 0, 0]


# ---- URLs


def test_a_plain_url_of_a_node_serves_the_whole_cluster(cluster: RedisCluster) -> None:
  for node in (cluster.primaries()[0], cluster.replicas()[0]):
    cache = open_cache(f'{cluster.kind}://127.0.0.1:{node.port}', key_prefix=f'plain {node.port}:')

    async def main(cache: Cachette = cache) -> None:
      values = {f'key:{number}': f'{number}' for number in range(100)}
      await cache.put_many(values)
      assert await cache.fetch_many(list(values)) == values
      assert [await cache.fetch(key) for key in values] == list(values.values())
      assert await cache.increment('counter') == 1
      assert await cache.flush() == 101

    asyncio.run(main())


def test_seeds_that_are_down_are_passed_over(cluster: RedisCluster) -> None:
  dead = [f'127.0.0.1:{find_free_port()}' for _ in range(3)]
  alive = f'127.0.0.1:{cluster.nodes[-1].port}'
  cache = open_cache(f'{cluster.scheme}://{",".join([*dead, alive])}', key_prefix='seeds:')

  async def main() -> None:
    await cache.put('key', 'value')
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


def test_the_error_names_all_seeds_if_none_answers(one_kind: str) -> None:
  ports = [find_free_port() for _ in range(2)]
  cache = open_cache(f'{one_kind}+cluster://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}', timeout=2)
  with pytest.raises(BackendUnavailable) as caught:
    asyncio.run(wait_for(cache.fetch('key')))
  assert any(str(port) in str(caught.value) for port in ports)


def test_a_database_other_than_zero_is_an_error_that_says_why(cluster: RedisCluster) -> None:
  with pytest.raises(ValueError, match='database'):
    asyncio.run(wait_for(open_cache(f'{cluster.url}/3').fetch('key')))
  plain = f'{cluster.kind}://127.0.0.1:{cluster.nodes[0].port}/3'
  for _ in range(2):
    with pytest.raises(BackendError, match='(?i)cluster.*database|database.*cluster'):
      asyncio.run(wait_for(open_cache(plain, timeout=3).fetch('key')))


def test_a_password_is_used_for_all_nodes(one_kind: str) -> None:
  with RedisCluster(one_kind, password='secret') as cluster:
    cache = open_cache(cluster.url.replace('://', '://:secret@'))

    async def main() -> None:
      values = {f'key:{number}': f'{number}' for number in range(100)}
      await cache.put_many(values)
      assert await cache.fetch_many(list(values)) == values

    asyncio.run(main())
    with pytest.raises(BackendError, match='password') as caught:
      asyncio.run(wait_for(open_cache(cluster.url.replace('://', '://:hunter2@')).fetch('key')))
    assert 'hunter2' not in str(caught.value)


# ---- What nodes answer of the map


def test_a_null_host_is_the_node_that_was_asked(one_kind: str) -> None:
  with RedisCluster(one_kind, '--cluster-preferred-endpoint-type', 'unknown-endpoint') as cluster:
    assert cluster.nodes[0].call('cluster', 'slots')[0][2][0] is None
    use_through_a_migration(cluster, open_cache(cluster.url_of(cluster.nodes[:1])))


def test_announced_host_names_are_used(one_kind: str) -> None:
  settings = ('--cluster-announce-hostname', 'localhost')
  settings += ('--cluster-preferred-endpoint-type', 'hostname')
  with RedisCluster(one_kind, *settings) as cluster:
    assert cluster.nodes[0].call('cluster', 'slots')[0][2][0] == 'localhost'
    use_through_a_migration(cluster, open_cache(cluster.url_of(cluster.nodes[:1])))


def test_a_node_without_a_known_name_is_skipped(one_kind: str) -> None:
  with RedisCluster(one_kind, '--cluster-preferred-endpoint-type', 'hostname') as cluster:
    for node in cluster.nodes:
      if node is not cluster.replicas()[0]:
        node.call('config', 'set', 'cluster-announce-hostname', 'localhost')

    def is_announced() -> bool:
      rows = [row for node in cluster.nodes for row in node.call('cluster', 'slots')]
      return [server[0] for row in rows for server in row[2:]].count('localhost') == 6 * 5

    wait_until(is_announced, 'all know the names')
    hosts = {server[0] for row in cluster.nodes[0].call('cluster', 'slots') for server in row[2:]}
    assert hosts == {'localhost', '?'}
    use_through_a_migration(cluster, open_cache(cluster.url_of(cluster.nodes[:1])))


def use_through_a_migration(cluster: RedisCluster, cache: Cachette) -> None:
  """Uses all nodes, and follows a redirect."""
  keys = spread(cluster, 30)

  async def main() -> None:
    await cache.put_many(dict.fromkeys(keys, 'value'))
    source = cluster.owner_of(keys[0])
    target = next(node for node in cluster.primaries() if node is not source)
    cluster.migrate([slot_of(keys[0])], source, target)
    assert [await cache.fetch(key) for key in keys] == ['value'] * len(keys)
    assert await cache.increment('{' + keys[0] + '}:counter') == 1

  asyncio.run(main())


def test_an_empty_map_does_not_replace_a_good_one(cluster: RedisCluster) -> None:
  """A seed that was reset knows of no slots."""
  bus = ('--cluster-port', str(find_free_port()))
  with RedisServer('--cluster-enabled', 'yes', *bus) as empty:
    assert empty.call('cluster', 'slots') == []
    seeds = [f'127.0.0.1:{empty.port}', f'127.0.0.1:{cluster.nodes[0].port}']
    cache = open_cache(f'{cluster.scheme}://{",".join(seeds)}', key_prefix='empty:')

    async def main() -> None:
      values = {f'key:{number}': f'{number}' for number in range(100)}
      for _ in range(3):
        await cache.put_many(values)
        assert await cache.fetch_many(list(values)) == values
        assert await cache.clear(namespace='key') == 100

    asyncio.run(main())


def test_a_cluster_of_one_node(one_kind: str) -> None:
  with RedisCluster(one_kind, primaries=1, replicas=0) as cluster:
    # It was never met, so it does not know its own address.
    assert cluster.nodes[0].call('cluster', 'slots')[0][2][0] in ('', None, '127.0.0.1')
    for url in (cluster.url, f'{one_kind}://127.0.0.1:{cluster.nodes[0].port}'):
      cache = open_cache(url)

      async def main(cache: Cachette = cache) -> None:
        values = {f'ns:{number}': f'{number}' for number in range(300)}
        await cache.put_many(values)
        assert await cache.fetch_many(list(values)) == values
        assert await cache.increment('counter') == 1
        assert await cache.clear(namespace='ns') == 300
        await cache.ping()
        assert await cache.flush() == 1

      asyncio.run(main())


def certificate(folder: Any, name: str, names: str) -> Dict[str, str]:
  (folder / name).mkdir()
  return make_certificate(folder / name, names)


@pytest.mark.parametrize('scheme', ['rediss+cluster', 'rediss'])
@pytest.mark.parametrize('announces', [True, False])
def test_the_certificate_is_checked_against_a_name(
  tmp_path: Any, announces: bool, scheme: str
) -> None:
  """Nodes announce an IP address, and with it a host name or not. No certificate has the IP."""
  seed = certificate(tmp_path, 'seed', 'DNS:localhost')
  other = certificate(tmp_path, 'other', 'DNS:node.test' if announces else 'DNS:localhost')
  bundle = tmp_path / 'ca.pem'
  with bundle.open('w') as file:
    for each in (seed, other):
      with open(each['cert'], encoding='utf-8') as source:
        file.write(source.read())
  paths = [{**each, 'ca': str(bundle)} for each in (seed, other)]
  with RedisCluster('redis', certificates=[paths[0], *[paths[1]] * 5]) as cluster:
    if announces:
      for node in cluster.nodes[1:]:
        node.call('config', 'set', 'cluster-announce-hostname', 'node.test')
      cluster.nodes[0].call('config', 'set', 'cluster-announce-hostname', 'localhost')
      wait_until(
        lambda: all(
          str(node.call('cluster', 'slots')).count('.test') == 5 for node in cluster.nodes
        ),
        'all know the names',
      )
    url = f'{scheme}://localhost:{cluster.nodes[0].port}'
    cache = open_cache(url, tls_ca_file=str(bundle))
    use_through_a_migration(cluster, cache)


# ---- Slots that move


def test_all_calls_work_on_keys_of_a_slot_that_is_moving(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url)
  (tag,) = own_cluster.keys_on(own_cluster.primaries()[0])
  source, target = own_cluster.owner_of(tag), owner_after(own_cluster, tag)
  keys = [f'{{{tag}}}:{number}' for number in range(20)]

  async def main() -> None:
    await cache.put_many({key: f'old {key}' for key in keys})
    assert await cache.increment(f'{{{tag}}}:counter', 5) == 5
    with own_cluster.migrating(slot_of(tag), source, target):
      source.call(*('migrate', '127.0.0.1', target.port, '', 0, 5000, 'keys', *keys[::2]))
      assert await cache.fetch_many(keys) == {key: f'old {key}' for key in keys}
      assert [await cache.fetch(key) for key in keys] == [f'old {key}' for key in keys]
      assert [await cache.exists(key) for key in keys] == [True] * 20
      assert [await cache.touch(key, ttl=500) for key in keys] == [True] * 20
      assert await cache.add(keys[0], 'new') is False and await cache.add(keys[1], 'new') is False
      assert await cache.add(f'{{{tag}}}:absent', 'new') is True
      for number in range(20):  # some are new, and so are the target's; each has a TTL
        assert await cache.increment(f'{{{tag}}}:counter:{number}', 2) == 2
        assert await cache.increment(f'{{{tag}}}:counter:{number}') == 3
      assert await cache.increment(f'{{{tag}}}:counter') == 6
      for key in keys:
        await cache.put(key, f'new {key}')
      assert await cache.fetch_many(keys) == {key: f'new {key}' for key in keys}
      ttls = [(await cache.fetch_with_ttl(key))[0] for key in keys]
      assert all(0 < ttl <= 3600 for ttl in ttls)
      assert await cache.clear(key=keys[0]) == 1 and await cache.clear(key=keys[1]) == 1
      assert await cache.clear_many(keys) == 18
    assert await cache.fetch(f'{{{tag}}}:absent') == 'new'

  asyncio.run(main())


def test_a_namespace_in_a_slot_that_is_moving_is_cleared_once(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url)
  (tag,) = own_cluster.keys_on(own_cluster.primaries()[0])
  source, target = own_cluster.owner_of(tag), owner_after(own_cluster, tag)
  keys = [f'moving:{{{tag}}}:{number}' for number in range(100)]
  others = {f'moving:{number}': 'value' for number in range(100)}

  async def main() -> None:
    await cache.put_many({**dict.fromkeys(keys, 'value'), **others})
    with own_cluster.migrating(slot_of(tag), source, target):
      source.call(*('migrate', '127.0.0.1', target.port, '', 0, 5000, 'keys', *keys[:50]))
      assert await cache.clear(namespace='moving') == 200
    assert await cache.fetch_many([*keys, *others]) == {}

  asyncio.run(main())


def test_foreign_keys_are_cleared_where_they_live(one_kind: str) -> None:
  """A node that has lost a slot without its keys still lists them."""
  with RedisCluster(one_kind) as cluster:
    source, target = cluster.primaries()[:2]
    (tag,) = cluster.keys_on(source)
    keys = [f'foreign:{{{tag}}}:{number}' for number in range(20)]
    cache = open_cache(cluster.url)

    async def main() -> None:
      await cache.put_many(dict.fromkeys(keys, 'old'))
      cluster.take_slot(slot_of(tag), source, target)
      assert len(source.call('keys', 'foreign:*')) == 20
      await cache.put_many(dict.fromkeys(keys[:10], 'new'))
      await cache.put_many({f'foreign:{number}': 'value' for number in range(50)})
      assert await cache.clear(namespace='foreign') == 60
      assert await cache.fetch_many(keys) == {}
      assert target.call('keys', 'foreign:*') == []

    asyncio.run(main())


def keys_of_slots(slots: Set[int]) -> List[str]:
  """A key of each slot."""
  found: Dict[int, str] = {}
  number = 0
  while len(found) < len(slots):
    number += 1
    if slot_of(f'key:{number}') in slots:
      found.setdefault(slot_of(f'key:{number}'), f'key:{number}')
  return list(found.values())


def migrate_at_once(
  cluster: RedisCluster, slots: List[int], source: ClusterNode, target: ClusterNode
) -> None:
  """The way of Valkey 9, which moves whole slots."""
  words = [str(each) for slot in slots for each in (slot, slot)]
  source.call('cluster', 'migrateslots', 'slotsrange', *words, 'node', target.id)
  wait_until(lambda: not set(slots) & cluster.slots_of(source), 'the slots have moved')


# Only Valkey 9 moves whole slots.
WAYS = [(kind, 'key by key') for kind in KINDS]
WAYS += [(kind, 'whole slots') for kind in KINDS if kind == 'valkey']


@pytest.mark.parametrize(('one_kind', 'how'), WAYS)
def test_a_migration_of_slots_under_load_is_not_noticed(one_kind: str, how: str) -> None:
  with RedisCluster(one_kind) as cluster:
    source, target = cluster.primaries()[:2]
    slots = sorted(cluster.slots_of(source))[:100]
    work = Work(open_cache(cluster.url), [*keys_of_slots(set(slots)), *spread(cluster, 30)])
    migrate = cluster.migrate if how == 'key by key' else None

    def change() -> None:
      for start, end in ((source, target), (target, source)):
        if migrate is not None:
          migrate(slots, start, end, at_once=1)
        else:
          migrate_at_once(cluster, slots, start, end)

    asyncio.run(work.during(change))
    assert (work.failures, work.wrong) == ([], [])
    assert work.done > 1000
    totals = {key: cluster.owner_of(key).call('get', key) for key in work.increments}
    assert totals == {key: str(count) for key, count in work.increments.items()}


def test_a_slot_that_moved_is_asked_at_its_new_owner(own_cluster: RedisCluster) -> None:
  """A client that follows redirects for ever without learning asks two servers each time."""
  cache = open_cache(own_cluster.url)
  source, target = own_cluster.primaries()[:2]
  slots = sorted(own_cluster.slots_of(source))[:20]
  keys = keys_of_slots(set(slots))

  def redirects() -> int:
    values = own_cluster.on_primaries('info', 'errorstats')
    counts = [
      line.rpartition('=')[2] for each in values for line in each.split() if 'MOVED' in line
    ]
    return sum(map(int, counts))

  async def main() -> None:
    await cache.put_many(dict.fromkeys(keys, 'value'))
    own_cluster.migrate(slots, source, target)
    before = redirects()
    for _ in range(5):
      assert len(await cache.fetch_many(keys)) == len(keys)
    assert 0 < redirects() - before <= len(keys)
    await asyncio.sleep(2)  # the map was asked for
    before = redirects()
    assert len(await cache.fetch_many(keys)) == len(keys)
    assert redirects() == before

  asyncio.run(main())


# ---- Reading from replicas


def count_reads(cluster: RedisCluster) -> Dict[bool, int]:
  """The GETs that primaries (True) and replicas (False) executed."""
  counts = {True: 0, False: 0}
  for node in cluster.running():
    value = node.info('cmdstat_get', 'commandstats')
    counts[node.is_primary] += int(value.split(',')[0].partition('=')[2] or 0)
  return counts


@pytest.mark.parametrize('read_from', ['primary', 'replica', 'prefer_replica'])
def test_reads_go_where_read_from_says(own_cluster: RedisCluster, read_from: str) -> None:
  cache = open_cache(own_cluster.url, read_from=read_from)
  keys = spread(own_cluster, 30)

  async def main() -> None:
    await cache.put_many(dict.fromkeys(keys, 'value'))
    own_cluster.catch_up()
    before = count_reads(own_cluster)
    for key in keys:
      assert await cache.fetch(key) == 'value'
    after = count_reads(own_cluster)
    from_primary = read_from == 'primary'
    assert after[from_primary] - before[from_primary] >= len(keys)
    assert after[not from_primary] == before[not from_primary]
    assert await cache.increment(keys[0] + ':counter') == 1
    assert await cache.touch(keys[0], ttl=10) is True
    assert await cache.clear_many(keys) == len(keys)

  asyncio.run(main())


def test_primaries_are_read_from_when_the_replicas_are_gone(one_kind: str) -> None:
  with RedisCluster(one_kind) as cluster:
    preferring = open_cache(cluster.url, read_from='prefer_replica')
    demanding = open_cache(cluster.url, read_from='replica', timeout=2)
    keys = spread(cluster, 30)

    async def main() -> None:
      await preferring.put_many(dict.fromkeys(keys, 'value'))
      cluster.catch_up()
      assert len(await demanding.fetch_many(keys)) == len(keys)
      primary = cluster.owner_of(keys[0])
      for node in cluster.replicas():
        node.kill()
      for key in keys:
        assert await preferring.fetch(key) == 'value'
      is_alone = lambda: all(len(row) == 3 for row in primary.call('cluster', 'slots'))  # noqa: E731
      wait_until(is_alone, 'the primary lists no replica')
      with pytest.raises(BackendError, match=f'{primary.address} has no replica'):
        await demanding.fetch(keys[0])

    asyncio.run(main())


# ---- Errors


def test_errors_and_ping_name_the_node(one_kind: str) -> None:
  with RedisCluster(one_kind, '--cluster-require-full-coverage', 'no', replicas=0) as cluster:
    cache = open_cache(cluster.url, timeout=2)
    keys = {node: cluster.keys_on(node, 5) for node in cluster.nodes}
    dead = cluster.nodes[1]
    alive = [key for node in keys if node is not dead for key in keys[node]]

    async def main() -> None:
      await cache.put_many(dict.fromkeys([key for each in keys.values() for key in each], 'value'))
      dead.kill()
      for call in (cache.fetch(keys[dead][0]), cache.ping()):
        with pytest.raises(BackendError, match=dead.address):
          await call
      with pytest.raises(BackendError, match=dead.address) as caught:
        await cache.fetch_many([*keys[dead], *alive])
      assert caught.value.found == dict.fromkeys(alive, 'value')  # type: ignore[attr-defined]
      assert [await cache.fetch(key) for key in alive] == ['value'] * len(alive)

    asyncio.run(main())


def test_errors_of_a_server_are_those_of_one_server(cluster: RedisCluster) -> None:
  cache = open_cache(cluster.url, key_prefix='errors:')
  (key,) = cluster.keys_on(cluster.primaries()[1])
  key = f'{{{key}}}'
  cluster.primaries()[1].call('rpush', f'errors:{key}', 'element')

  async def main() -> None:
    await cache.put('text', 'value')
    with pytest.raises(BackendError, match='does not hold a string under'):
      await cache.fetch(key)
    with pytest.raises(BackendError, match='does not hold a string under') as caught:
      await cache.fetch_many(['text', key])
    assert caught.value.found == {'text': 'value'}  # type: ignore[attr-defined]
    with pytest.raises(CodecError, match='"text" is not a counter'):
      await cache.increment('text')
    assert await cache.clear_many(['text', key]) == 2

  asyncio.run(main())


# ---- Handles


def test_threads_and_loops_share_one_map(one_kind: str) -> None:
  """Handles of one configuration together ask for the map at most five times a second."""
  with RedisCluster(one_kind) as cluster:
    cache = open_cache(cluster.url)
    (key,) = cluster.keys_on(cluster.primaries()[0])
    loops = [asyncio.new_event_loop() for _ in range(200)]

    def fetch_in_all() -> None:
      for loop in loops:
        assert loop.run_until_complete(wait_for(cache.fetch(key))) == 'value'

    asyncio.run(wait_for(cache.put(key, 'value')))
    cluster.catch_up()
    began = time.monotonic()
    before = cluster.count('cluster|slots')
    fetch_in_all()
    old = cluster.owner_of(key)
    cluster.fail_over(cluster.replica_of(old))
    fetch_in_all()
    asked = cluster.count('cluster|slots') - before
    for loop in loops:
      loop.close()
    assert asked <= 5 * (time.monotonic() - began) + 5


def test_threads_use_a_cluster_while_slots_move(own_cluster: RedisCluster) -> None:
  cache = open_cache(own_cluster.url, key_prefix='threads:')
  wrong: List[Any] = []

  async def work(name: int) -> None:
    for number in range(150):
      await cache.put(f'{name}:{number % 10}', f'{name}')
      found = await asyncio.gather(*(cache.fetch(f'{name}:{i}') for i in range(10)))
      wrong.extend(each for each in found if each not in (None, f'{name}'))

  threads = [threading.Thread(target=asyncio.run, args=(work(name),)) for name in range(4)]
  for thread in threads:
    thread.start()
  source, target = own_cluster.primaries()[:2]
  slots = sorted(own_cluster.slots_of(source))[:200]
  own_cluster.migrate(slots, source, target)
  own_cluster.migrate(slots, target, source)
  for thread in threads:
    thread.join()
  assert wrong == []
