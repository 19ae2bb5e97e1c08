# SPDX-License-Identifier: MIT
"""Redis and Valkey behind sentinels: which server is used, before and after a failover."""

import asyncio
import contextlib
from typing import Any, Iterator, List

import pytest
from cachette import BackendError, BackendUnavailable
from conftest import CHOSEN_BACKENDS, on_pythons
from redis_work import Work, open_cache
from services.gate import Gate
from services.process import find_free_port, wait_until
from services.redis_front import RedisFront
from services.redis_sentinel import NAME, RedisSentinel

IS_SUPPORTED = 'redis+sentinel' in CHOSEN_BACKENDS
pytestmark = on_pythons(IS_SUPPORTED, 'the library must support sentinels')


@pytest.fixture(params=['redis', 'valkey'])
def servers(request: pytest.FixtureRequest) -> Iterator[RedisSentinel]:
  """Servers of this test alone."""
  with RedisSentinel(request.param) as servers:
    yield servers


KEYS = [f'key:{number}' for number in range(48)]


async def wait_for(call: Any) -> Any:
  return await call


# ---- Which server


def test_keys_are_on_the_primary(redis_sentinel: RedisSentinel) -> None:
  for database in ('', '/0', '/3'):
    cache = open_cache(redis_sentinel.url + database, key_prefix='which:')
    asyncio.run(wait_for(cache.put('key', f'of {database}')))
    number = database[1:] or '0'
    found = redis_sentinel.primary.execute('-n', number, 'get', 'which:key')
    assert found == f'of {database}'


def test_sentinels_that_are_down_are_passed_over(redis_sentinel: RedisSentinel) -> None:
  dead = [f'127.0.0.1:{find_free_port()}' for _ in range(2)]
  alive = [f'127.0.0.1:{each.port}' for each in redis_sentinel.sentinels]
  cache = open_cache(f'redis+sentinel://{",".join(dead + alive)}/{NAME}', key_prefix='down:')

  async def main() -> None:
    await cache.put('key', 'value')
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


def test_the_error_names_the_sentinels_if_none_answers() -> None:
  ports = [find_free_port() for _ in range(2)]
  url = f'redis+sentinel://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/{NAME}'
  with pytest.raises(BackendUnavailable) as caught:
    asyncio.run(wait_for(open_cache(url, timeout=2).fetch('key')))
  assert any(str(port) in str(caught.value) for port in ports)


def test_the_error_names_a_primary_that_no_sentinel_knows(redis_sentinel: RedisSentinel) -> None:
  url = redis_sentinel.url.replace(NAME, 'unheard-of')
  with pytest.raises(BackendError, match='unheard-of'):
    asyncio.run(wait_for(open_cache(url, timeout=2).fetch('key')))


def test_sentinels_have_credentials_of_their_own() -> None:
  with RedisSentinel(password='of-servers', sentinel_password='of-sentinels') as servers:
    for sentinel in servers.sentinels:
      sentinel.call('acl', 'setuser', 'ann', 'on', '>of-ann', '+@all', '&*', '~*')
    for options in (
      {'sentinel_password': 'of-sentinels'},
      {'sentinel_username': 'ann', 'sentinel_password': 'of-ann'},
    ):
      cache = open_cache(servers.url, **options)
      asyncio.run(wait_for(cache.put('key', str(options))))
      assert servers.primary.call('get', 'key') == str(options)
    for options, secret in (
      ({'sentinel_password': 'hunter2'}, 'hunter2'),
      ({}, 'of-servers'),
    ):
      with pytest.raises(BackendError) as caught:
        asyncio.run(wait_for(open_cache(servers.url, timeout=2, **options).fetch('key')))
      assert secret not in str(caught.value)


def test_reads_go_to_replicas_if_asked_for(servers: RedisSentinel) -> None:
  cache = open_cache(servers.url, read_from='replica')
  servers.primary.call('set', 'key', 'value')

  async def main() -> None:
    for replica in servers.replicas:
      wait_until(lambda replica=replica: replica.call('get', 'key') == 'value', 'it is replicated')
    before = servers.primary.info('cmdstat_get', 'commandstats')
    for _ in range(20):
      assert await cache.fetch('key') == 'value'
    assert servers.primary.info('cmdstat_get', 'commandstats') == before
    await cache.put('other', 'value')
    assert servers.primary.call('get', 'other') == 'value'

  asyncio.run(main())


# ---- Failover


def test_only_calls_in_flight_fail_when_the_primary_is_killed(servers: RedisSentinel) -> None:
  work = Work(open_cache(servers.url), KEYS, loses_writes=True)
  old = servers.primary

  def change() -> float:
    old.kill()
    return servers.wait_for_takeover(old)

  taken_over = asyncio.run(work.during(change, after=1))
  assert work.wrong == []
  assert {each.verb for each in work.failures} <= {'increment'}, work.failures
  assert work.failures_since(taken_over) == []
  assert all(work.successes[key][-1] > taken_over for key in KEYS)


def test_a_failover_by_command_is_not_noticed(servers: RedisSentinel) -> None:
  work = Work(open_cache(servers.url), KEYS, loses_writes=True)
  asyncio.run(work.during(servers.fail_over, after=1))
  assert work.wrong == []
  assert {each.verb for each in work.failures} <= {'increment'}, work.failures


def test_a_primary_that_dies_without_a_word(servers: RedisSentinel) -> None:
  cache = open_cache(servers.url, timeout=1)
  work = Work(cache, KEYS, tasks=len(KEYS), loses_writes=True)
  old = servers.primary

  def change() -> float:
    old.pause()
    return servers.wait_for_takeover(old)

  try:
    taken_over = asyncio.run(work.during(change, after=3))
  finally:
    old.resume()
  assert work.wrong == []
  assert all(work.successes[key][-1] > taken_over for key in KEYS)


def test_the_old_primary_that_starts_again_gets_no_writes(servers: RedisSentinel) -> None:
  """It believes to be a primary until the sentinels tell it otherwise, after ten seconds."""
  work = Work(open_cache(servers.url), KEYS, loses_writes=True)
  old = servers.primary

  taken: List[str] = []  # the statistics of its writes while it is a primary

  def is_replica() -> bool:
    writes = old.info('cmdstat_incrby', 'commandstats')
    if not old.is_primary:  # from now on it executes what the new primary sends it
      return True
    taken.append(writes)
    return False

  def change() -> None:
    old.kill()
    servers.wait_for_takeover(old)
    old.restart()
    wait_until(is_replica, 'the old primary is made a replica')

  asyncio.run(work.during(change))
  assert work.wrong == []
  assert taken and set(taken) == {''}
  assert work.failures_of('put', 'fetch', 'fetch_many') == []


def test_the_same_holds_for_a_client_that_connects_then(servers: RedisSentinel) -> None:
  old = servers.primary
  old.kill()
  servers.wait_for_takeover(old)
  old.restart()
  cache = open_cache(servers.url)
  asyncio.run(wait_for(cache.put('key', 'value')))
  assert servers.primary.call('get', 'key') == 'value'
  assert old.info('cmdstat_set', 'commandstats') == ''


def test_a_sentinel_with_an_old_opinion_is_outvoted(servers: RedisSentinel) -> None:
  """It was stopped during the failover, and names the server that was the primary."""
  old = servers.primary
  servers.sentinels[0].pause()
  old.kill()
  running = servers.sentinels[1:]
  wait_until(
    lambda: (
      {each.call('sentinel', 'get-master-addr-by-name', NAME)[1] for each in running}
      != {str(old.port)}
    ),
    'the others agree',
  )
  old.restart()
  servers.sentinels[0].resume()
  cache = open_cache(servers.url)

  async def main() -> None:
    for number in range(50):
      await cache.put(f'key:{number}', 'value')

  asyncio.run(main())
  assert old.info('cmdstat_set', 'commandstats') == ''


def test_another_primary_of_the_same_sentinels_is_not_taken_for_ours() -> None:
  with RedisSentinel(other='second') as servers:
    work = Work(open_cache(servers.url), KEYS)
    primary = servers.primary

    def change() -> None:
      servers.fail_over('second')

    asyncio.run(work.during(change, after=1))
    assert (work.failures, work.wrong) == ([], [])
    assert servers.primary is primary
    for server in servers.others:
      assert server.info('cmdstat_incrby', 'commandstats') == ''
    second = open_cache(servers.url_of(servers.sentinels, 'second'))
    asyncio.run(wait_for(second.put('key', 'value')))
    assert servers.primary_of('second').call('get', 'key') == 'value'


def test_half_open_sentinels_do_not_hide_a_failover(servers: RedisSentinel) -> None:
  """Connections to sentinels that are dead without a word deliver no event."""
  with contextlib.ExitStack() as stack:
    gates = [
      stack.enter_context(Gate('127.0.0.1', sentinel.port)) for sentinel in servers.sentinels
    ]
    hosts = ','.join(f'127.0.0.1:{gate.port}' for gate in gates)
    cache = open_cache(f'{servers.kind}+sentinel://{hosts}/{NAME}')
    work = Work(cache, KEYS, loses_writes=True)
    old = servers.primary

    def change() -> float:
      for gate in gates[:2]:  # new connections work, old ones do not
        gate.freeze()
      old.kill()
      return servers.wait_for_takeover(old)

    taken_over = asyncio.run(work.during(change, after=2))
    assert work.wrong == []
    assert all(work.successes[key][-1] > taken_over for key in KEYS)


def test_a_demoted_primary_that_stays_connected_is_left(servers: RedisSentinel) -> None:
  """READONLY makes the client ask the sentinels, which it does not trust otherwise."""
  cache = open_cache(servers.url)

  async def main() -> None:
    await cache.put('warm', 'value')
    await asyncio.get_running_loop().run_in_executor(None, servers.fail_over)
    waiting: List[Any] = [cache.put(f'key:{number}', 'value') for number in range(20)]
    await asyncio.gather(*waiting)
    assert await cache.increment('counter') == 1

  asyncio.run(main())
  assert servers.primary.call('get', 'counter') == '1'


def test_sentinels_are_asked_rarely(redis_sentinel: RedisSentinel) -> None:
  """Work on a healthy primary does not burden the sentinels."""
  sentinel = redis_sentinel.sentinels[0]
  with RedisFront(sentinel.port) as front:
    url = f'redis+sentinel://127.0.0.1:{front.port}/{NAME}'
    work = Work(open_cache(url, key_prefix='rarely:'), KEYS)
    asyncio.run(work.during(lambda: None, after=1))
    assert (work.failures, work.wrong) == ([], [])
    assert front.sessions <= 3 and len(front.commands) <= 20
