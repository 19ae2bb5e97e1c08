# SPDX-License-Identifier: MIT
"""What is specific to Redis: plain data, server errors, network faults."""

import asyncio
import gc
import os
import threading
import time
from typing import Any, List, Type

import pytest
from cachette import BackendError, BackendTimeout, BackendUnavailable, Cachette
from conftest import count_descriptors, linux_only
from load import CALLS, FAULTS, TASKS, Load, recover
from services.gate import Gate
from services.proxy import FaultProxy
from services.redis import RedisServer


def open_cache(url: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, **settings})
  return Own()


# ---- Data


def test_redis_stores_plain_data_with_its_ttl(redis: RedisServer) -> None:
  cache = open_cache(redis.url, ttl=100)
  asyncio.run(cache.put('plain', 'grüß'))
  assert redis.execute('get', 'plain') == 'grüß'
  assert 90 < int(redis.execute('ttl', 'plain')) <= 100
  redis.execute('set', 'theirs', 'value')
  assert asyncio.run(cache.fetch_with_ttl('theirs')) == (-1, 'value')


def test_the_prefix_precedes_every_key(redis: RedisServer) -> None:
  cache = open_cache(redis.url, key_prefix='app:')
  asyncio.run(cache.put('key', 'value'))
  assert redis.execute('get', 'app:key') == 'value'


def test_a_connection_over_a_unix_socket(redis: RedisServer) -> None:
  cache = open_cache(f'unix://{redis.socket}?db=3')
  asyncio.run(cache.put('key', 'value'))
  assert redis.execute('-n', '3', 'get', 'key') == 'value'


@pytest.mark.parametrize('size', [1 << 20, 64 << 20])
def test_large_values_round_trip(redis: RedisServer, size: int) -> None:
  cache = open_cache(redis.url, timeout=20)
  value = 'v' * size
  asyncio.run(cache.put('large', value))
  assert asyncio.run(cache.fetch('large')) == value
  asyncio.run(cache.clear(key='large'))


# ---- Errors


def test_errors_are_descriptive_and_contain_no_secrets(redis: RedisServer) -> None:
  redis.execute('rpush', 'list', 'element')
  with pytest.raises(BackendError, match='does not hold a string under "list"'):
    asyncio.run(open_cache(redis.url).fetch('list'))
  url = f'redis://ann:hunter2@127.0.0.1:{redis.port}'
  with pytest.raises(BackendError, match='refuses the user name or the password') as caught:
    asyncio.run(open_cache(url).fetch('key'))
  assert 'hunter2' not in str(caught.value) and f'127.0.0.1:{redis.port}' in str(caught.value)


def test_a_missing_permission_is_an_error() -> None:
  with RedisServer() as server:
    server.execute('acl', 'setuser', 'p@ul', 'on', '>s:/#crét', '~mine:*', '+get', '+set')
    url = f'redis://p%40ul:s%3A%2F%23cr%C3%A9t@127.0.0.1:{server.port}'
    cache = open_cache(url)
    asyncio.run(cache.put('mine:1', 'value'))
    assert asyncio.run(cache.fetch('mine:1')) == 'value'
    with pytest.raises(BackendError, match='does not allow'):
      asyncio.run(cache.fetch('yours:1'))
    with pytest.raises(BackendError, match='does not allow'):
      asyncio.run(cache.clear(key='mine:1'))


def test_a_full_server_is_an_error() -> None:
  with RedisServer('--maxmemory', '2mb') as server:
    cache = open_cache(server.url)

    async def fill() -> None:
      for number in range(100):
        await cache.put(f'key:{number}', 'v' * 100_000)

    with pytest.raises(BackendError, match='"maxmemory"'):
      asyncio.run(fill())


@pytest.mark.parametrize('settings', [{}, {'secret': 'of sixteen bytes and more'}])
def test_a_timeout_error_contains_the_values_received_in_time(
  redis: RedisServer, settings: Any
) -> None:
  values = {f'key:{number}': str(number) * 30 for number in range(10)}
  with Gate('127.0.0.1', redis.port) as gate:
    cache = open_cache(f'redis://127.0.0.1:{gate.port}', timeout=1, key_prefix='part:', **settings)

    async def main() -> None:
      await cache.put_many(values)
      gate.hold_reply, gate.reply_prefix = 'key:0', 250  # a few values, and part of another
      with pytest.raises(BackendTimeout, match=str(gate.port)) as caught:
        await cache.fetch_many(values)
      found, failed = caught.value.found, caught.value.failed
      assert 0 < len(found) < 9 and found.items() < values.items()
      assert failed.keys() == values.keys() - found.keys()
      assert all(type(each) is BackendTimeout for each in failed.values())
      gate.open()
      assert await recover(cache) < 6
      assert await cache.fetch_many(values) == values

    asyncio.run(main())


def test_a_write_to_a_replica_is_an_error(redis: RedisServer) -> None:
  with RedisServer('--replicaof', f'127.0.0.1 {redis.port}') as replica:
    deadline = time.monotonic() + 20
    while 'link_status:up' not in replica.execute('info', 'replication'):
      assert time.monotonic() < deadline
      time.sleep(0.05)
    with pytest.raises(BackendError, match='read-only replica'):
      asyncio.run(open_cache(replica.url).put('key', 'value'))


def test_a_loading_server_is_an_error() -> None:
  with RedisServer() as server:
    server.execute('eval', "for i = 1, 20000 do redis.call('set', 'key:' .. i, i) end", '0')
    server.execute('save')
    server.kill()
    server.settings = ('--key-load-delay', '200', '--loading-process-events-interval-bytes', '1024')
    server.start()
    with pytest.raises(BackendUnavailable, match='still loading'):
      asyncio.run(open_cache(server.url).fetch('key'))


def test_a_refused_connection_is_an_immediate_error() -> None:
  with RedisServer() as server:
    url = server.url
  cache = open_cache(url)

  async def main() -> None:
    start = time.monotonic()
    for _ in range(2000):
      with pytest.raises(BackendUnavailable, match='connection refused'):
        await cache.fetch('key')
    assert time.monotonic() - start < 20

  asyncio.run(main())


# ---- Network faults


@pytest.mark.parametrize('fault', [None, *FAULTS])
def test_network_faults_cause_no_wrong_value_and_no_hang(redis: RedisServer, fault: Any) -> None:
  with FaultProxy('127.0.0.1', redis.port) as proxy:
    timeout = 0.5 if fault else 20  # without a fault no call may fail, however busy the machine is
    cache = open_cache(proxy.url, timeout=timeout, connect_timeout=timeout, key_prefix=f'{fault}:')
    load = Load(cache)

    async def main() -> float:
      await recover(cache)
      proxy.fault = fault
      await load.run()
      proxy.fault = None
      return await recover(cache)

    recovered = asyncio.run(main())
  assert load.wrong_values == []
  assert sum(load.counts.values()) == TASKS * CALLS
  assert load.max_seconds < timeout + 5, 'a call took far longer than its deadline'
  assert recovered < 10  # one back-off, at most 5 s
  if fault is None:
    assert load.errors == set()


@linux_only
@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_a_server_that_stops_under_load_recovers(how: str) -> None:
  with RedisServer() as server:
    cache = open_cache(server.url, timeout=0.3, connect_timeout=0.3)
    load = Load(cache)

    async def disturb() -> None:
      await asyncio.sleep(0.1)
      if how == 'stop':
        server.pause()
        await asyncio.sleep(1)
        server.resume()
      else:
        server.kill()
        await asyncio.sleep(0.5)
        server.start()

    async def main() -> None:
      await recover(cache)
      disturbance = asyncio.ensure_future(disturb())
      while not disturbance.done():
        await load.run()
      await disturbance
      await recover(cache)

    asyncio.run(main())
    assert load.wrong_values == []
    assert load.max_seconds < 6
    assert load.counts['failed'] > 0


def test_a_server_that_does_not_answer_is_a_timeout(redis: RedisServer) -> None:
  with FaultProxy('127.0.0.1', redis.port) as proxy:
    cache = open_cache(proxy.url, timeout=0.2)

    async def main() -> None:
      await recover(cache)
      proxy.fault = 'black hole'
      with pytest.raises(BackendTimeout, match=r'did not answer within 0\.2 s'):
        await cache.fetch('key')
      await asyncio.sleep(0.05)
      start = time.monotonic()
      for _ in range(20):  # most fail at once; one at a time probes whether the server is back
        with pytest.raises((BackendUnavailable, BackendTimeout)):
          await cache.fetch('key')
      assert time.monotonic() - start < 20 * 0.2

    asyncio.run(main())


# ---- Lifetimes


@linux_only
def test_closed_loops_leave_no_descriptor_open(redis: RedisServer) -> None:
  cache = open_cache(redis.url)
  asyncio.run(cache.put('key', 'value'))
  before = count_descriptors()
  for _ in range(300):
    assert asyncio.run(cache.fetch('key')) == 'value'
  assert count_descriptors() <= before + 5


@linux_only
def test_replaced_configurations_leave_no_descriptor_open(redis: RedisServer) -> None:
  before = count_descriptors()

  async def main() -> None:
    for _ in range(500):
      assert await open_cache(redis.url).fetch('nothing') is None

  asyncio.run(main())
  gc.collect()
  assert count_descriptors() <= before + 5


def test_a_loop_can_be_closed_with_pending_calls(redis: RedisServer) -> None:
  cache = open_cache(redis.url)
  for _ in range(20):
    loop = asyncio.new_event_loop()

    async def main(pending: List[Any]) -> None:
      pending.extend(asyncio.ensure_future(cache.fetch(f'key:{i}')) for i in range(50))
      await asyncio.sleep(0)

    pending: List[Any] = []
    loop.run_until_complete(main(pending))
    for task in pending:
      task.cancel()
    loop.close()
    del pending
  assert asyncio.run(cache.fetch('absent')) is None


def test_threads_with_a_loop_each_use_the_server(redis: RedisServer) -> None:
  cache = open_cache(redis.url, key_prefix='threads:')
  wrong: List[Any] = []

  async def work(name: int) -> None:
    for number in range(200):
      await cache.put(f'{name}:{number % 10}', f'{name}')
      found = await asyncio.gather(*(cache.fetch(f'{name}:{i}') for i in range(10)))
      wrong.extend(each for each in found if each not in (None, f'{name}'))

  threads = [threading.Thread(target=asyncio.run, args=(work(name),)) for name in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert wrong == []


@linux_only
def test_workers_forked_before_and_after_the_first_use(redis: RedisServer) -> None:
  cache = open_cache(redis.url, key_prefix='forks:')

  def in_child() -> int:
    pid = os.fork()
    if pid == 0:
      try:
        asyncio.run(cache.put('child', 'was here'))
        os._exit(0 if asyncio.run(cache.fetch('child')) == 'was here' else 1)
      finally:
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

  assert in_child() == 0
  asyncio.run(cache.put('key', 'value'))
  assert in_child() == 0

  async def fork_in_loop() -> None:
    assert await cache.fetch('key') == 'value'
    assert in_child_of_loop() == 0
    assert await cache.fetch('key') == 'value'

  def in_child_of_loop() -> int:
    pid = os.fork()
    if pid == 0:
      asyncio._set_running_loop(None)
      try:
        os._exit(0 if asyncio.run(cache.fetch('key')) == 'value' else 1)
      finally:
        os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

  asyncio.run(fork_in_loop())


@linux_only
def test_memory_does_not_grow_with_fetches(redis: RedisServer) -> None:
  cache = open_cache(redis.url)

  def resident() -> int:
    with open('/proc/self/statm') as file:
      return int(file.read().split()[1]) * os.sysconf('SC_PAGESIZE')

  async def main() -> int:
    await cache.put('key', 'v' * 100)

    async def work(count: int) -> None:
      for _ in range(count):
        await cache.fetch('key')

    await asyncio.gather(*(work(500) for _ in range(64)))
    before = resident()
    await asyncio.gather(*(work(3000) for _ in range(64)))
    return resident() - before

  assert asyncio.run(main()) < 4 << 20


def test_two_caches_share_a_server(redis: RedisServer) -> None:
  one, other = open_cache(redis.url), open_cache(redis.url)
  kinds: List[Type[Cachette]] = [type(one), type(other)]

  async def main() -> None:
    await one.put('shared', 'value')
    assert await other.fetch('shared') == 'value'

  asyncio.run(main())
  assert kinds[0] is not kinds[1]
