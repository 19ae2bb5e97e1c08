# SPDX-License-Identifier: MIT
"""Redis servers that temporarily reject commands: demoted, loading, without their primary, busy."""

import asyncio
import contextlib
import threading
import time
from typing import Any, Awaitable, Callable, Dict, Iterator, List

import pytest
from cachette import BackendError, BackendTimeout, BackendUnavailable, Cachette
from services.process import find_free_port
from services.redis import RedisServer
from services.redis_front import RedisFront

STALE = ('--replica-serve-stale-data', 'no')
AT_ONCE = ('--repl-diskless-sync-delay', '0')
LONG_TIMEOUTS = {'timeout': 30, 'connect_timeout': 30}  # for a machine under load


def open_cache(url: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, **LONG_TIMEOUTS, **settings})
  return Own()


def field(server: RedisServer, name: str) -> str:
  """A field of the server's replication info; '' if it is absent."""
  for line in server.execute('info', 'replication').splitlines():
    if line.startswith(f'{name}:'):
      return line[len(name) + 1 :].strip()
  return ''


def wait_until(condition: Callable[[], bool]) -> None:
  deadline = time.monotonic() + 60
  while not condition():
    assert time.monotonic() < deadline
    time.sleep(0.02)


def catch_up(replica: RedisServer, primary: RedisServer) -> None:
  """Waits until the replica has all data of the primary."""
  offset = int(field(primary, 'master_repl_offset'))
  wait_until(lambda: int(field(replica, 'slave_repl_offset') or -1) >= offset)


def follow(replica: RedisServer, primary: RedisServer) -> None:
  """Makes a server the replica of another, and waits until it has its data."""
  replica.execute('replicaof', '127.0.0.1', str(primary.port))
  wait_until(lambda: field(replica, 'master_link_status') == 'up')
  catch_up(replica, primary)


def fail_over(old: RedisServer, new: RedisServer) -> None:
  new.execute('replicaof', 'no', 'one')
  follow(old, new)


@contextlib.contextmanager
def pair() -> Iterator[Any]:
  """A primary, its replica, and a front that stands for the name of the primary."""
  with RedisServer(*AT_ONCE) as primary, RedisServer(*AT_ONCE) as replica:
    follow(replica, primary)
    with RedisFront(primary.port) as front:
      yield primary, replica, front


# Each verb that writes, and the server's answer to a query afterwards.
WRITES: Dict[str, Any] = {
  'put': (lambda cache: cache.put('key', 'new'), None, ('get', 'key'), 'new'),
  'add': (lambda cache: cache.add('absent', 'new'), True, ('get', 'absent'), 'new'),
  'put_many': (lambda cache: cache.put_many({'key': 'a', 'b': 'c'}), None, ('get', 'b'), 'c'),
  'touch': (lambda cache: cache.touch('key', ttl=5000), True, ('exists', 'key'), '1'),
  'increment': (lambda cache: cache.increment('counter', 2), 7, ('get', 'counter'), '7'),
  'clear': (lambda cache: cache.clear(key='key'), 1, ('exists', 'key'), '0'),
  'clear_many': (lambda cache: cache.clear_many(['key', 'counter', 'x']), 2, ('dbsize',), '2'),
  'clear_namespace': (lambda cache: cache.clear(namespace='ns'), 2, ('dbsize',), '2'),
  'flush': (lambda cache: cache.flush(), 4, ('dbsize',), '0'),
}


def fill(server: RedisServer) -> None:
  server.execute('mset', 'key', 'old', 'counter', '5', 'ns:1', 'x', 'ns:2', 'x')


@pytest.mark.parametrize('verb', WRITES)
def test_a_write_reconnects_to_the_new_primary(verb: str) -> None:
  call, expected, question, answer = WRITES[verb]
  with pair() as (old, new, front):
    cache = open_cache(front.url)

    async def main() -> Any:
      assert await cache.fetch('warm') is None
      fill(old)
      catch_up(new, old)
      fail_over(old, new)
      front.target = new.port
      return await call(cache)

    outcome = asyncio.run(main())
    assert outcome == expected or expected is None
    assert new.execute(*question) == answer
    assert front.sessions == 2


@pytest.mark.parametrize('how', ['the name moves', 'it is promoted'])
def test_a_write_waits_for_a_primary(how: str) -> None:
  with pair() as (old, new, front):
    cache = open_cache(front.url)

    async def main() -> None:
      await cache.put('warm', 'value')
      fail_over(old, new)
      waiting = [asyncio.ensure_future(cache.increment('counter')) for _ in range(20)]
      waiting += [asyncio.ensure_future(cache.put(f'{i}', 'value')) for i in range(20)]
      await asyncio.sleep(0.3)
      assert not any(each.done() for each in waiting)
      if how == 'the name moves':
        front.target = new.port
      else:
        old.execute('replicaof', 'no', 'one')
      outcomes = await asyncio.gather(*waiting)
      assert sorted(outcomes[:20]) == list(range(1, 21))

    asyncio.run(main())
    server = new if how == 'the name moves' else old
    assert server.execute('get', 'counter') == '20'
    assert server.execute('get', '19') == 'value'


def test_all_callers_receive_their_replies_when_the_server_is_demoted() -> None:
  with pair() as (old, new, front):
    cache = open_cache(front.url)
    wrong: List[Any] = []

    async def read(number: int) -> None:
      for _ in range(40):
        found = await cache.fetch(f'{number}')
        if found != f'{number}':
          wrong.append(found)

    async def write(number: int) -> None:
      for round in range(40):
        await cache.put(f'own:{number}', f'{round}')
        await cache.increment('counter')

    def demote() -> None:
      # A demoted server discards what its new primary has not received, so writes are paused for
      # the demotion.
      old.execute('client', 'pause', '60000', 'write')
      catch_up(new, old)
      new.execute('replicaof', 'no', 'one')
      front.target = new.port
      follow(old, new)
      old.execute('client', 'unpause')

    async def main() -> None:
      await cache.put_many({f'{i}': f'{i}' for i in range(20)})
      catch_up(new, old)
      work = asyncio.gather(*(read(i) for i in range(20)), *(write(i) for i in range(20)))
      await asyncio.sleep(0.01)
      await asyncio.get_running_loop().run_in_executor(None, demote)
      await work

    asyncio.run(main())
    assert wrong == []
    assert new.execute('get', 'counter') == '800'
    assert {new.execute('get', f'own:{i}') for i in range(20)} == {'39'}
    assert front.sessions == 2, 'one new connection for all'


def test_a_replica_serves_reads_and_is_rarely_reconnected() -> None:
  with pair() as (primary, replica, _), RedisFront(replica.port) as front:
    primary.execute('set', 'key', 'value')
    catch_up(replica, primary)
    cache = open_cache(front.url, timeout=2)

    async def write() -> None:
      for _ in range(3):
        with pytest.raises(BackendError, match='is a read-only replica; use the primary instead'):
          await cache.put('key', 'other')

    async def main() -> int:
      await cache.fetch('key')
      done = asyncio.ensure_future(
        asyncio.wait({asyncio.ensure_future(write()) for _ in range(50)})
      )
      reads = 0
      while not done.done():
        assert await cache.fetch('key') == 'value'
        reads += 1
      for task in (await done)[0]:
        task.result()
      return reads

    assert asyncio.run(main()) > 10
    assert front.sessions < 40
    assert primary.execute('get', 'key') == 'value'


def loading_server(server: RedisServer, keys: int, delay: int = 1000) -> None:
  """Kills the server, and restarts it with `keys` keys to load, each delayed by `delay`
  microseconds."""
  server.execute('eval', f"for i = 1, {keys} do redis.call('set', 'key:' .. i, i) end", '0')
  server.execute('save')
  server.kill()
  server.settings = (
    '--key-load-delay',
    str(delay),
    '--loading-process-events-interval-bytes',
    '1024',
  )
  server.start()


def test_calls_wait_until_the_server_has_loaded() -> None:
  with RedisServer() as server:
    loading_server(server, 2000)
    cache = open_cache(server.url)

    async def main() -> None:
      found, sums, _, cleared = await asyncio.gather(
        asyncio.gather(*(cache.fetch(f'key:{i}') for i in range(1, 50))),
        asyncio.gather(*(cache.increment('counter') for _ in range(50))),
        cache.ping(),
        cache.clear(namespace='none'),
      )
      assert found == [f'{i}' for i in range(1, 50)]
      assert sorted(sums) == list(range(1, 51))
      assert cleared == 0

    asyncio.run(main())


def test_a_server_that_loads_for_long_delays_calls_by_at_most_a_deadline() -> None:
  with RedisServer() as server, RedisFront(server.port) as front:
    loading_server(server, 200_000, 200)
    cache = open_cache(front.url, timeout=1)

    async def fetch() -> None:
      with pytest.raises(BackendUnavailable, match='is still loading its data'):
        await cache.fetch('key')

    async def main() -> None:
      start = time.monotonic()
      while time.monotonic() < start + 1.5:
        with contextlib.suppress(BackendTimeout):
          await fetch()
      before = front.count('GET')
      for _ in range(20):
        await fetch()
      assert front.count('GET') - before < 40, 'a call fails at once and is not asked again'

    asyncio.run(main())


def test_calls_wait_for_a_replica_without_its_primary() -> None:
  with RedisServer(*AT_ONCE) as primary, RedisServer(*STALE) as replica:
    follow(replica, primary)
    primary.execute('set', 'key', 'value')
    catch_up(replica, primary)
    primary.kill()
    wait_until(lambda: field(replica, 'master_link_status') == 'down')
    with pytest.raises(BackendUnavailable, match='is a replica that has lost its primary'):
      asyncio.run(wait_for(open_cache(replica.url, timeout=2).fetch('key')))
    cache = open_cache(replica.url)

    async def main() -> None:
      waiting = asyncio.ensure_future(cache.fetch('key'))
      await asyncio.sleep(0.2)
      assert not waiting.done()
      replica.execute('replicaof', 'no', 'one')
      assert await waiting == 'value'

    asyncio.run(main())


async def wait_for(call: Awaitable[Any]) -> Any:
  return await call


def test_calls_wait_for_a_server_that_is_busy_with_a_script() -> None:
  with RedisServer('--lua-time-limit', '10') as server:
    script = (
      "local t = redis.call('time') while true do local n = redis.call('time') "
      'if (n[1] - t[1]) * 1000000 + n[2] - t[2] > 1500000 then return 1 end end'
    )
    thread = threading.Thread(target=server.execute, args=('eval', script, '0'))
    cache = open_cache(server.url)

    async def main() -> None:
      await cache.put('key', 'value')
      thread.start()
      await asyncio.sleep(0.3)
      assert await asyncio.gather(cache.fetch('key'), cache.increment('n')) == ['value', 1]

    asyncio.run(main())
    thread.join()


def test_calls_wait_for_a_cluster_that_is_down() -> None:
  bus = ('--cluster-port', str(find_free_port()))  # otherwise it is that of the clients, 10,000
  with RedisServer('--cluster-enabled', 'yes', *bus) as server:
    with pytest.raises(BackendError, match='hash slot'):
      asyncio.run(wait_for(open_cache(server.url, timeout=2).fetch('key')))
    cache = open_cache(server.url)

    async def main() -> None:
      waiting = asyncio.ensure_future(cache.increment('counter'))
      await asyncio.sleep(0.2)
      server.execute('cluster', 'addslotsrange', '0', '16383')
      assert await waiting == 1

    asyncio.run(main())


def test_writes_wait_for_a_primary_without_replicas() -> None:
  with RedisServer('--min-replicas-to-write', '1') as server:
    with pytest.raises(BackendUnavailable, match='too few replicas'):
      asyncio.run(wait_for(open_cache(server.url, timeout=2).put('key', 'value')))
    cache = open_cache(server.url)

    async def main() -> None:
      waiting = asyncio.ensure_future(cache.put('key', 'value'))
      await asyncio.sleep(0.2)
      server.execute('config', 'set', 'min-replicas-to-write', '0')
      await waiting

    asyncio.run(main())
    assert server.execute('get', 'key') == 'value'


def test_waiting_calls_can_be_cancelled() -> None:
  with pair() as (old, new, front):
    cache = open_cache(front.url)

    async def main() -> None:
      await cache.put('ns:1', 'value')
      catch_up(new, old)
      fail_over(old, new)
      calls: List[Callable[[int], Awaitable[Any]]] = [
        lambda i: cache.put(f'{i}', 'value'),
        lambda i: cache.increment('counter'),
        lambda i: cache.put_many({f'{i}:a': 'x', f'{i}:b': 'x'}),
        lambda i: cache.clear(namespace='ns'),
      ]
      waiting = [asyncio.ensure_future(calls[i % 4](i)) for i in range(80)]
      await asyncio.sleep(0.1)
      for task in waiting[:40]:
        task.cancel()
      front.target = new.port
      outcomes = await asyncio.gather(*waiting, return_exceptions=True)
      assert all(isinstance(each, asyncio.CancelledError) for each in outcomes[:40])
      assert not any(isinstance(each, BaseException) for each in outcomes[40:])

    asyncio.run(main())
    assert new.execute('get', 'counter') == '10'


def test_a_cache_can_be_closed_while_calls_wait() -> None:
  with pair() as (old, new, front):
    cache = open_cache(front.url)

    async def main() -> None:
      await cache.put('ns:1', 'value')
      catch_up(new, old)
      fail_over(old, new)
      for i in range(20):
        asyncio.ensure_future(cache.put(f'{i}', 'value'))
      asyncio.ensure_future(cache.clear(namespace='ns'))
      await asyncio.sleep(0.1)

    asyncio.run(main())
    assert old.execute('dbsize') == '1'


def test_an_unreachable_new_primary_is_an_error(redis: RedisServer) -> None:
  with pair() as (old, new, _):
    port = find_free_port()
    with RedisFront(old.port) as front:
      cache = open_cache(front.url)

      async def main() -> None:
        await cache.put('warm', 'value')
        fail_over(old, new)
        front.target = port
        with pytest.raises(BackendUnavailable, match='closed'):
          await cache.put('key', 'value')

      asyncio.run(main())
