# SPDX-License-Identifier: MIT
"""Redis through proxies and services that support only some of its commands."""

import asyncio
from typing import Any, Dict, List, Optional, Type

import pytest
from cachette import BackendError, BackendUnavailable, Cachette
from services.redis import RedisServer
from services.redis_front import (
  Answer,
  HangUp,
  RedisFront,
  Session,
  envoy,
  keydb,
  redis_5,
  redis_cluster_proxy,
  twemproxy,
  upstash,
  without_commands,
)

LONG_TIMEOUTS = {'timeout': 20, 'connect_timeout': 20}  # for a machine under load


def open_cache(url: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, **LONG_TIMEOUTS, **settings})
  return Own()


def url_of(front: RedisFront, user: str = '', database: int = 0) -> str:
  return f'redis://{user}127.0.0.1:{front.port}' + (f'/{database}' if database else '')


async def use_all(cache: Cachette) -> None:
  """Uses everything that each front supports."""
  await cache.put('key', 'value')
  assert await cache.fetch('key') == 'value'
  assert await cache.fetch_with_ttl('key') is not None
  assert await cache.exists('key')
  assert await cache.touch('key', ttl=50)
  assert await cache.clear(key='counter') in (0, 1)
  sums = [await cache.increment('counter', 5, ttl=90) for _ in range(3)]
  assert sums == [5, 10, 15]
  ttl, _ = await cache.fetch_with_ttl('counter')
  assert 60 < ttl <= 90
  assert await cache.clear(key='counter') == 1
  assert await cache.clear(key='key') == 1
  assert await cache.fetch('key') is None
  await cache.ping()


FRONTS: Dict[str, Answer] = {
  'envoy': envoy(),
  'envoy, recent': envoy(recent=True),
  'envoy without transactions': envoy(multi=False),
  'twemproxy': twemproxy(),
  'redis-cluster-proxy': redis_cluster_proxy,
  'upstash': upstash,
  'keydb': keydb,
  'redis 5': redis_5(),
}


@pytest.mark.parametrize('name', FRONTS)
def test_a_front_is_used_with_the_commands_it_supports(redis: RedisServer, name: str) -> None:
  with RedisFront(redis.port, FRONTS[name]) as front:
    cache = open_cache(front.url, key_prefix=f'{name}:')

    async def main() -> None:
      await use_all(cache)
      sums = await asyncio.gather(*(cache.increment('many', ttl=60) for _ in range(50)))
      assert sorted(sums) == list(range(1, 51))
      await cache.clear(key='many')

    asyncio.run(main())
    assert front.sessions <= 2, 'one connection serves all, and a second at most finds out how'


SECURED: Dict[str, Answer] = {
  'envoy': envoy('pass:word'),
  'envoy, recent': envoy('pass:word', recent=True),
  'twemproxy': twemproxy('pass:word'),
  'redis 5': redis_5('pass:word'),
}


@pytest.mark.parametrize('name', SECURED)
def test_a_front_accepts_the_password(redis: RedisServer, name: str) -> None:
  with RedisFront(redis.port, SECURED[name]) as front:
    cache = open_cache(url_of(front, ':pass%3Aword@'), key_prefix=f'{name}:')
    asyncio.run(use_all(cache))
    for user, message in (
      ('', 'requires a password'),
      (':wrong@', 'refuses the user name or the password'),
    ):
      cache = open_cache(url_of(front, user))
      with pytest.raises(BackendError, match=message) as caught:
        asyncio.run(cache.fetch('key'))
      assert 'wrong' not in str(caught.value)


@pytest.mark.parametrize('name', ['envoy', 'redis 5', 'twemproxy'])
def test_a_password_for_a_front_without_authentication_is_an_error(
  redis: RedisServer, name: str
) -> None:
  with RedisFront(redis.port, FRONTS[name]) as front:
    cache = open_cache(url_of(front, ':secret@'))
    with pytest.raises(BackendError, match='has no password.*remove it from the URL') as caught:
      asyncio.run(cache.fetch('key'))
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('secret', ['hunter2', 'h2', 'a-password-that-is-' + 'l' * 120 + 'ong'])
def test_a_server_that_echoes_its_input_does_not_reveal_the_password(
  redis: RedisServer, secret: str
) -> None:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] in ('HELLO', 'AUTH'):
      arguments = ''.join(f'`{word}`, ' for word in words[1:])[:128]
      return (
        f'-ERR unknown command `{words[0]}`, with args beginning with: {arguments}\r\n'.encode()
      )
    return None

  with RedisFront(redis.port, answer) as front:
    cache = open_cache(url_of(front, f':{secret}@'))
    with pytest.raises(BackendError, match='AUTH.*unknown command') as caught:
      asyncio.run(cache.fetch('key'))
    assert secret[:8] not in str(caught.value)


def test_the_user_name_is_omitted_if_only_the_password_is_supported(redis: RedisServer) -> None:
  with RedisFront(redis.port, redis_5('secret')) as front:
    asyncio.run(use_all(open_cache(url_of(front, 'default:secret@'), key_prefix='default:')))


def test_a_database_that_cannot_be_selected_is_an_error(redis: RedisServer) -> None:
  for answer in (envoy(), upstash):
    with RedisFront(redis.port, answer) as front:
      with pytest.raises(BackendError, match=r'SELECT.*(unsupported command|not available)'):
        asyncio.run(open_cache(url_of(front, database=3)).fetch('key'))


def test_a_database_is_selected_without_hello(redis: RedisServer) -> None:
  with RedisFront(redis.port, redis_5('secret')) as front:
    cache = open_cache(url_of(front, ':secret@', 3), key_prefix='selected:')
    asyncio.run(use_all(cache))
    asyncio.run(cache.put('key', 'value'))
    assert redis.execute('-n', '3', 'exists', 'selected:key') == '1'


WORDINGS = [
  "ERR unknown command 'HELLO'",
  'ERR unknown command `HELLO`, with args beginning with: `3`, ',
  "ERR unknown command 'HELLO', with args beginning with: ",
  "unsupported command 'HELLO'",
  "ERR unsupported command 'HELLO'",
  "ERR Unsupported command 'HELLO'",
  "ERR Command is not available: 'HELLO'",
  'ERR command HELLO not support for normal user',
  "ERR handle request, command 'HELLO' is not allowed",
  'ERR invalid request',
  'invalid request',
  'ERR syntax error',
  "ERR wrong number of arguments for 'hello' command",
  'NOPROTO unsupported protocol version',
  'NOPROTO sorry, this protocol version is not supported',
  "NOPERM this user has no permissions to run the 'hello' command or its subcommand",
  'ERR Syntax error in HELLO option setname',
  'EUNKNOWN something that nobody has thought of',
]


@pytest.mark.parametrize('wording', WORDINGS)
def test_hello_may_be_rejected_with_any_message(redis: RedisServer, wording: str) -> None:
  with RedisFront(redis.port, without_commands('HELLO', reply=wording)) as front:
    asyncio.run(use_all(open_cache(front.url, key_prefix='wordings:')))
    assert front.sessions == 1


@pytest.mark.parametrize('wording', WORDINGS)
def test_a_client_name_may_be_rejected_with_any_message(redis: RedisServer, wording: str) -> None:
  with RedisFront(
    redis.port, without_commands('CLIENT', reply=wording.replace('HELLO', 'CLIENT'))
  ) as front:
    asyncio.run(use_all(open_cache(front.url, key_prefix='names:')))
    assert front.sessions == 1


def test_a_connection_has_a_client_name_if_supported() -> None:
  with RedisServer() as server:
    cache = open_cache(server.url)

    async def main() -> str:
      await use_all(cache)
      return server.execute('client', 'list')

    assert ' name=cachette ' in asyncio.run(main())


def hangs_up_at(*names: str) -> Answer:
  def answer(session: Session, words: List[str]) -> Optional[bytes]:
    if words[0] in names:
      raise HangUp
    return None

  return answer


@pytest.mark.parametrize('names', [('HELLO',), ('CLIENT',), ('HELLO', 'CLIENT')])
def test_a_server_that_closes_at_the_handshake_is_retried_without_it(
  redis: RedisServer, names: Any
) -> None:
  with RedisFront(redis.port, hangs_up_at(*names)) as front:
    asyncio.run(use_all(open_cache(front.url, key_prefix='hangs:')))
    assert front.sessions == 2


def test_hello_is_not_retried_at_every_connection(redis: RedisServer) -> None:
  with RedisFront(redis.port, twemproxy()) as front:
    cache = open_cache(front.url, key_prefix='again:')

    async def main() -> None:
      for _ in range(10):
        await cache.put('key', 'value')
        front.close_sessions()
        await asyncio.sleep(0.05)
      await cache.clear(key='key')

    asyncio.run(main())
    assert front.count('HELLO') == 1


def test_a_server_that_always_closes_is_unavailable() -> None:
  with RedisServer() as redis, RedisFront(redis.port, hangs_up_at('HELLO', 'PING')) as front:
    cache = open_cache(front.url)

    async def main() -> None:
      for _ in range(200):
        with pytest.raises(BackendUnavailable, match='closed'):
          await cache.fetch('key')

    asyncio.run(main())
    assert front.sessions < 100, 'it is left alone for a while'


@pytest.mark.parametrize(
  ('wording', 'kind', 'message'),
  [
    ('ERR max number of clients reached', BackendUnavailable, 'maxclients'),
    ('DENIED Redis is running in protected mode because', BackendError, 'protected mode'),
    ('LOADING Redis is loading the dataset in memory', BackendUnavailable, 'still loading'),
    ('WRONGPASS invalid username-password pair or user is disabled.', BackendError, 'refuses the'),
  ],
)
def test_a_server_that_rejects_all_clients_is_not_treated_as_an_old_one(
  redis: RedisServer, wording: str, kind: Type[Exception], message: str
) -> None:
  with RedisFront(redis.port, without_commands('HELLO', 'CLIENT', 'PING', reply=wording)) as front:
    with pytest.raises(kind, match=message):
      asyncio.run(open_cache(front.url).fetch('key'))
