# SPDX-License-Identifier: MIT
"""Redis servers that reject some commands: by an ACL, by a renamed command, or in a front."""

import asyncio
from contextlib import contextmanager
from random import Random
from typing import Any, Awaitable, Callable, Dict, Iterator, List, Optional, Set, Tuple

import pytest
from cachette import BackendError, Cachette, CodecError
from services.redis import RedisServer
from services.redis_front import Answer, HangUp, RedisFront, Session, without_commands

LONG_TIMEOUTS = {'timeout': 20, 'connect_timeout': 20}  # for a machine under load


def open_cache(url: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, **LONG_TIMEOUTS, **settings})
  return Own()


@contextmanager
def user_with(*rules: str, settings: Tuple[str, ...] = ()) -> Iterator[Tuple[RedisServer, str]]:
  """A server with a user who has these ACL rules, and the URL of the user."""
  with RedisServer(*settings) as server:
    server.execute('acl', 'setuser', 'ann', 'on', '>secret', '~*', *rules)
    yield server, f'redis://ann:secret@127.0.0.1:{server.port}'


# Each command that the cache sends, and a call that sends it.
CALLS: Dict[str, Callable[[Cachette], Awaitable[Any]]] = {
  'get': lambda cache: cache.fetch('key'),
  'pttl': lambda cache: cache.fetch_with_ttl('key'),
  'set': lambda cache: cache.put('key', 'other'),
  'exists': lambda cache: cache.exists('key'),
  'pexpire': lambda cache: cache.touch('key', ttl=30),
  'incrby': lambda cache: cache.increment('counter'),
  'scan': lambda cache: cache.clear(namespace='ns'),
  'flushdb': lambda cache: cache.flush(),
}


def state_of(server: RedisServer) -> List[str]:
  return [server.execute('get', 'key'), server.execute('get', 'counter'), server.execute('dbsize')]


def fill(server: RedisServer) -> List[str]:
  server.execute('set', 'key', 'value', 'px', '900000')
  server.execute('set', 'counter', '5', 'px', '900000')
  server.execute('set', 'ns:1', 'value', 'px', '900000')
  return state_of(server)


async def _result_or_error(call: Awaitable[Any]) -> Any:
  try:
    return await call
  except Exception as error:
    return error


@pytest.mark.parametrize('command', CALLS)
def test_a_command_without_permission_is_an_error_of_its_call_only(command: str) -> None:
  with user_with('+@all', f'-{command}') as (server, _), RedisFront(server.port) as front:
    before = fill(server)
    cache = open_cache(f'redis://ann:secret@127.0.0.1:{front.port}')

    async def main() -> Any:
      outcome = await _result_or_error(CALLS[command](cache))
      found = await asyncio.gather(
        *(cache.exists(f'absent:{i}') for i in range(9)), return_exceptions=True
      )
      if command != 'exists':
        assert found == [False] * 9
      return outcome

    outcome = asyncio.run(main())
    assert isinstance(outcome, BackendError)
    assert 'does not allow' in str(outcome)
    assert f' {command.upper()}' in str(outcome), 'it names the command'
    assert f"run the '{command}' command" in str(outcome), 'and has the words of the server'
    assert f'"+{command}"' in str(outcome), 'and says what to do'
    assert state_of(server) == before
    assert front.sessions == 1


@pytest.mark.parametrize('command', CALLS)
def test_a_renamed_command_is_an_error_of_its_call_only(command: str) -> None:
  with RedisServer('--rename-command', command, f'hidden-{command}') as server:
    server.execute('set' if command != 'set' else 'hidden-set', 'key', 'value', 'px', '900000')
    server.execute('set' if command != 'set' else 'hidden-set', 'counter', '5', 'px', '900000')
    before = server.execute('dbsize')
    cache = open_cache(server.url)
    outcome = asyncio.run(_result_or_error(CALLS[command](cache)))
    assert isinstance(outcome, BackendError)
    assert command.upper() in str(outcome) and 'unknown command' in str(outcome)
    assert server.execute('dbsize') == before
    assert server.execute('get' if command != 'get' else 'hidden-get', 'counter') == '5'


def test_the_error_names_the_key_without_permission() -> None:
  with user_with('resetkeys', '~mine:*', '+@all') as (server, url):
    server.execute('set', 'yours:1', 'value')
    cache = open_cache(url)

    async def main() -> None:
      await cache.put_many({'mine:1': 'a', 'mine:2': 'b'})
      for call in (cache.fetch('yours:1'), cache.put('yours:1', 'x'), cache.clear(key='yours:1')):
        with pytest.raises(BackendError, match='does not allow.*key "yours:1".*ermissions'):
          await call
      assert await cache.clear(key='mine:1') == 1

    asyncio.run(main())
    assert server.execute('get', 'yours:1') == 'value'


# ---- Increments


# Rules that prevent an increment from using a transaction.
WITHOUT_MULTI: List[Tuple[str, ...]] = [
  ('+@read', '+@write'),
  ('+@all', '-multi'),
  ('+@all', '-exec'),
  ('+@all', '-multi', '-exec'),
  ('+@all', '-@transaction'),
  ('+get', '+set', '+incrby', '+pttl', '+pexpire', '+del'),
  ('+get', '+set', '+incrby', '+del'),
]


@pytest.mark.parametrize('rules', WITHOUT_MULTI, ids=' '.join)
def test_increments_work_without_transactions(rules: Tuple[str, ...]) -> None:
  with user_with(*rules) as (server, url):
    cache = open_cache(url)

    async def main() -> None:
      sums = await asyncio.gather(*(cache.increment('hits', ttl=500) for _ in range(100)))
      assert sorted(sums) == list(range(1, 101))
      assert 400_000 < int(server.execute('pttl', 'hits')) <= 500_000
      server.execute('set', 'theirs', '7', 'px', '90000')
      assert await cache.increment('theirs', 5, ttl=500) == 12
      assert 0 < int(server.execute('pttl', 'theirs')) <= 90000, 'what is there keeps its time'
      server.execute('set', 'endless', '7')
      assert await cache.increment('endless', -3) == 4
      assert server.execute('pttl', 'endless') == '-1'
      server.execute('set', 'text', 'abc')
      with pytest.raises(CodecError, match='not a counter'):
        await cache.increment('text')
      server.execute('set', 'large', str(2**63 - 1))
      with pytest.raises(ValueError, match='would exceed the range'):
        await cache.increment('large')
      assert await cache.increment('zero', 0, ttl=500) == 0
      assert await cache.increment('zero', 0, ttl=500) == 0
      assert int(server.execute('pttl', 'zero')) > 0
      assert await cache.increment('hits') == 101

    asyncio.run(main())


@pytest.mark.parametrize('name', ['MULTI', 'EXEC', 'INCRBY', 'PTTL', 'PEXPIRE'])
@pytest.mark.parametrize('how', ['', 'secret-'])
def test_increments_work_with_a_renamed_command(name: str, how: str) -> None:
  settings = ('--rename-command', name, how + name if how else '')
  with RedisServer(*settings) as server, RedisFront(server.port) as front:
    cache = open_cache(front.url)

    async def main() -> None:
      calls = [cache.increment('hits', ttl=500) for _ in range(20)]
      sums = await asyncio.gather(*calls, return_exceptions=True)
      if name == 'INCRBY':
        assert all(isinstance(each, BackendError) for each in sums)
        assert all('INCRBY' in str(each) for each in sums)
      else:
        assert sorted(sums) == list(range(1, 21))
      await asyncio.gather(*(cache.put(f'{i}', 'x') for i in range(20)))

    asyncio.run(main())
    if name == 'INCRBY':
      assert server.execute('exists', 'hits') == '0'
    assert front.sessions == 1


@pytest.mark.parametrize('command', ['set', 'incrby'])
@pytest.mark.parametrize('rules', [('+@all',), ('+@all', '-@transaction')], ids=' '.join)
def test_an_increment_without_permission_changes_nothing(
  rules: Tuple[str, ...], command: str
) -> None:
  with user_with(*rules, f'-{command}') as (server, _), RedisFront(server.port) as front:
    server.execute('set', 'hits', '5', 'px', '900000')
    cache = open_cache(f'redis://ann:secret@127.0.0.1:{front.port}')

    async def main() -> None:
      calls: List[Any] = [cache.increment('hits') for _ in range(5)]
      calls += [cache.fetch_with_ttl('hits') for _ in range(5)]
      calls += [cache.increment('hits', 3) for _ in range(5)]
      outcomes = await asyncio.gather(*calls, return_exceptions=True)
      for each in outcomes[:5] + outcomes[10:]:
        assert isinstance(each, BackendError) and f'"+{command}"' in str(each)
      assert [value for _, value in outcomes[5:10]] == ['5'] * 5

    asyncio.run(main())
    assert server.execute('get', 'hits') == '5'
    assert front.sessions == 1


def test_increments_survive_a_permission_that_is_revoked() -> None:
  with user_with('+@all') as (server, url):
    cache = open_cache(url)

    async def main() -> None:
      total = 0
      for rule in ('-multi', '+multi', '-exec', '+exec', '-@transaction', '+@transaction'):
        assert await cache.increment('hits', ttl=500) == total + 1
        server.execute('acl', 'setuser', 'ann', rule)
        sums = await asyncio.gather(*(cache.increment('hits') for _ in range(10)))
        total += 11
        assert sorted(sums) == list(range(total - 9, total + 1))
        assert await cache.fetch('absent') is None
      assert int(server.execute('pttl', 'hits')) > 0

    asyncio.run(main())


def reject_exec_after(permitted: int) -> Answer:
  """Answers as a server that rejects the EXEC of a MULTI, and so stays in the transaction, after
  `permitted` transactions."""
  open_in: Set[int] = set()
  done: List[int] = []

  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] == 'MULTI':
      open_in.add(session.number)
    if words[0] == 'EXEC' and session.number in open_in:
      done.append(1)
      if len(done) > permitted:
        return b"-NOPERM this user has no permissions to run the 'exec' command\r\n"
      open_in.discard(session.number)
    return None

  return answer


@pytest.mark.parametrize('permitted', [0, 1, 3])
def test_a_transaction_without_exec_blocks_no_other_call(
  redis: RedisServer, permitted: int
) -> None:
  with RedisFront(redis.port, reject_exec_after(permitted)) as front:
    cache = open_cache(front.url, key_prefix=f'ended:{permitted}:')

    async def main() -> None:
      await cache.put('key', 'value')
      for sum in range(1, 6):
        calls: List[Any] = [cache.increment('hits', ttl=50)]
        calls += [cache.fetch('key') for _ in range(20)]
        assert await asyncio.gather(*calls) == [sum, *['value'] * 20]
      await cache.clear(key='hits')

    asyncio.run(main())
    assert front.sessions == 2


def test_increments_work_on_a_server_that_closes_at_transactions(redis: RedisServer) -> None:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] in ('MULTI', 'EXEC'):
      raise HangUp
    return None

  with RedisFront(redis.port, answer) as front:
    cache = open_cache(front.url, key_prefix='hangs:')

    async def main() -> None:
      sums = await asyncio.gather(*(cache.increment('hits', ttl=50) for _ in range(20)))
      assert sorted(sums) == list(range(1, 21))
      await cache.clear(key='hits')

    asyncio.run(main())
    assert front.sessions == 2


@pytest.mark.parametrize('rules', [('+@all',), ('+@read', '+@write')], ids=' '.join)
def test_cancelled_increments_do_not_mix_up_results(rules: Tuple[str, ...]) -> None:
  with user_with(*rules) as (server, url):
    cache = open_cache(url)
    random = Random(1)

    async def main() -> None:
      sums = [await cache.increment('hits', ttl=500)]
      for _ in range(30):
        tasks = [asyncio.ensure_future(cache.increment('hits', ttl=500)) for _ in range(40)]
        tasks += [asyncio.ensure_future(cache.exists('absent')) for _ in range(5)]
        await asyncio.sleep(random.choice([0, 0, 0.001]))
        for task in random.sample(tasks[:40], 15):
          task.cancel()
        for outcome in (await asyncio.gather(*tasks, return_exceptions=True))[:40]:
          if not isinstance(outcome, asyncio.CancelledError):
            sums.append(outcome)
      assert len(set(sums)) == len(sums), 'no two are told the same sum'
      assert len(sums) <= int(server.execute('get', 'hits')) <= 30 * 40 + 1
      assert int(server.execute('pttl', 'hits')) > 0

    asyncio.run(main())


def slow_expiry(server: RedisServer, key: str, before: str) -> Any:
  """Removes the key just before a command reaches the server, once, like an expiry at that
  moment."""
  deleted: List[str] = []

  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] in ('MULTI', 'EXEC'):
      return b'-ERR unknown command\r\n'
    if words[0] == before and words[1] == key and not deleted:
      deleted.append(server.execute('del', key))
    return None

  return answer


@pytest.mark.parametrize('before', ['PTTL', 'INCRBY'])
def test_a_counter_that_expires_during_an_increment_restarts_with_a_ttl(
  redis: RedisServer, before: str
) -> None:
  with RedisFront(redis.port, slow_expiry(redis, 'ends', before)) as front:
    redis.execute('set', 'ends', '41', 'px', '900000')
    assert asyncio.run(open_cache(front.url).increment('ends', 7, ttl=500)) == 7
    assert 400_000 < int(redis.execute('pttl', 'ends')) <= 500_000
    redis.execute('del', 'ends')


def test_a_counter_of_zero_retains_its_ttl_without_transactions(redis: RedisServer) -> None:
  with RedisFront(redis.port, without_commands('MULTI')) as front:
    cache = open_cache(front.url)
    redis.execute('set', 'zero', '0', 'px', '90000')
    assert asyncio.run(cache.increment('zero', 7, ttl=500)) == 7
    assert 0 < int(redis.execute('pttl', 'zero')) <= 90000
    redis.execute('set', 'zero', '0')
    assert asyncio.run(cache.increment('zero', 7, ttl=500)) == 7
    assert redis.execute('pttl', 'zero') == '-1'
    redis.execute('del', 'zero')


def test_a_transaction_is_used_if_supported(redis: RedisServer) -> None:
  with RedisFront(redis.port) as front:
    cache = open_cache(front.url, key_prefix='transactions:')

    async def main() -> None:
      for _ in range(5):
        await cache.increment('hits', ttl=50)
      await cache.clear(key='hits')

    asyncio.run(main())
    names = [command.words[0] for command in front.commands]
    assert names[-1 - 4 * 4 : -1] == ['MULTI', 'SET', 'INCRBY', 'EXEC'] * 4


# ---- Clearing


@pytest.mark.parametrize(
  'rules', [('+@read', '+@write', '-unlink'), ('+@all', '-unlink')], ids=' '.join
)
def test_del_replaces_an_unlink_without_permission(rules: Tuple[str, ...]) -> None:
  with user_with(*rules) as (server, url):
    cache = open_cache(url, key_prefix='app:')

    async def main() -> None:
      await cache.put_many({f'ns:{i}': 'x' for i in range(5)})
      await cache.put_many({f'{i}': 'x' for i in range(5)})
      assert await cache.clear(key='0') == 1
      assert await cache.clear(key='0') == 0
      assert await cache.clear_many(['1', '2', 'absent']) == 2
      assert await cache.clear(namespace='ns') == 5
      assert await cache.flush() == 2

    asyncio.run(main())
    assert server.execute('dbsize') == '0'


@pytest.mark.parametrize(
  'wording',
  [
    "ERR unknown command 'UNLINK'",
    "unsupported command 'UNLINK'",
    "ERR Command is not available: 'UNLINK'",
    'finished with 1 error(s)',
  ],
)
def test_unlink_may_be_rejected_with_any_message(redis: RedisServer, wording: str) -> None:
  with RedisFront(redis.port, without_commands('UNLINK', reply=wording)) as front:
    cache = open_cache(front.url, key_prefix='unlink:')

    async def main() -> None:
      for _ in range(3):
        await cache.put_many({'a': '1', 'ns:1': '1', 'ns:2': '1'})
        assert await cache.clear_many(['a', 'b']) == 1
        assert await cache.clear(namespace='ns') == 2

    asyncio.run(main())
    assert front.count('UNLINK') == 2, 'one for each key of the first clear'


def test_clear_without_permission_to_delete_is_an_error() -> None:
  with user_with('+@all', '-unlink', '-del') as (server, url):
    before = fill(server)
    cache = open_cache(url)
    for call in (cache.clear(key='key'), cache.clear(namespace='ns')):
      with pytest.raises(BackendError, match=r'does not allow.* DEL.*"\+del"'):
        asyncio.run(_await(call))
    assert state_of(server) == before


async def _await(call: Awaitable[Any]) -> Any:
  return await call


def test_flush_works_without_dbsize() -> None:
  with user_with('+@all', '-dbsize') as (server, url):
    fill(server)
    asyncio.run(_await(open_cache(url).flush()))
    assert server.execute('dbsize') == '0'


@pytest.mark.parametrize(
  'wording',
  [
    'ERR syntax error',
    'ERR wrong number of arguments',
    'unsupported command',
    'NOPERM this user may not run it',
  ],
)
def test_flush_may_be_synchronous(redis: RedisServer, wording: str) -> None:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    return f'-{wording}\r\n'.encode() if words[1:] == ['ASYNC'] else None

  with RedisServer() as server, RedisFront(server.port, answer) as front:
    fill(server)
    assert asyncio.run(_await(open_cache(front.url).flush())) == 3
    assert server.execute('dbsize') == '0'


def test_a_rejected_ping_counts_as_an_answer() -> None:
  with user_with('+@read', '+@write') as (_, url):
    asyncio.run(_await(open_cache(url).ping()))


def test_a_database_without_permission_is_an_error() -> None:
  with user_with('+@read', '+@write') as (_, url):
    with pytest.raises(BackendError, match=r'does not allow.* SELECT.*"\+select"'):
      asyncio.run(_await(open_cache(url + '/3').fetch('key')))


def test_a_user_can_log_in_if_the_default_user_has_no_permissions() -> None:
  with user_with('+@read', '+@write') as (server, url):
    server.execute('acl', 'setuser', 'default', 'off', '-@all')
    cache = open_cache(url)
    asyncio.run(_await(cache.put('key', 'value')))
    assert asyncio.run(_await(cache.fetch('key'))) == 'value'


def test_a_rejected_command_that_is_not_retried_in_time_fails() -> None:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] != 'UNLINK':
      return None
    return b"-ERR unknown command 'UNLINK'\r\n" if words[1] == 'a' else b''  # which is not a reply

  with RedisServer() as server, RedisFront(server.port, answer) as front:
    server.execute('set', 'a', 'value')
    cache = open_cache(front.url, timeout=1)
    with pytest.raises(BackendError) as caught:
      asyncio.run(cache.clear_many(['a', 'b']))
    assert set(caught.value.failed) == {'a', 'b'}
    assert server.execute('get', 'a') == 'value'
