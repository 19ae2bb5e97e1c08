# SPDX-License-Identifier: MIT
"""The errors that occur are those that the pages of the backends list."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import sqlite3
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest
from cachette import Cachette
from conftest import ROOT
from pymongo import MongoClient
from services.dynamodb import DynamodbServer, raw_client, settings_of
from services.memcached import MemcachedServer
from services.mongodb import MongodServer
from services.process import Server
from services.redis import RedisServer
from services.redis_front import RedisFront, redis_5
from services.tls import make_certificate, tls_server

ROW = re.compile(r'^\| (?P<what>[^|]+) \| `(?P<name>\w+)` \| `(?P<message>[^|]+)` \|$', re.M)

Ways = Dict[str, Callable[[], Any]]  # what happened -> a function that makes it happen


def read_rows() -> Dict[Tuple[str, str], Tuple[str, str]]:
  """Returns (page, what happened) -> the exception and its message."""
  found = {}
  for page in sorted(pathlib.Path(ROOT, 'docs', 'backends').glob('*.md')):
    section = page.read_text(encoding='utf-8').partition('## Errors')[2].partition('\n## ')[0]
    for row in ROW.finditer(section):
      found[page.stem, row['what']] = row['name'], row['message']
    assert section.count('\n| ') == 1 + sum(name == page.stem for name, _ in found), page
  return found


ROWS = read_rows()


def new_cache(**settings: Any) -> Any:
  class Own(Cachette):
    pass

  Own.load_config(lambda: settings)
  return Own.sync


def increment_a_non_counter(cache: Any) -> None:
  cache.put('key', 'value')
  cache.increment('key')


def put_too_much(cache: Any, size: int) -> None:
  """The failed put also removes the old value, as the pages explain."""
  cache.put('key', 'old')
  try:
    cache.put('key', 'v' * size)
  finally:
    assert cache.fetch('key') is None


def server_errors(server: Server, cache: Any) -> Ways:
  def down() -> None:
    cache.put('key', 'value')
    server.kill()
    cache.fetch('key')

  def hangs() -> None:
    cache.put('key', 'value')
    server.pause()
    cache.fetch('key')

  def hangs_on() -> None:
    with contextlib.suppress(TimeoutError):
      hangs()
    cache.fetch('key')

  return {
    'the server is down': down,
    'the endpoint is down': down,
    'the server hangs': hangs,
    'the server still hangs': hangs_on,
    '`increment` found no counter': lambda: increment_a_non_counter(cache),
  }


def tls_mistakes(server: Server, folder: pathlib.Path, open_at: Callable[[int, bool], Any]) -> Ways:
  def without() -> None:
    certificate = make_certificate(folder)
    with tls_server(certificate['cert'], certificate['key']) as port:
      open_at(port, False).fetch('key')

  return {
    'the server expects TLS': without,
    'the server does not speak TLS': lambda: open_at(server.port, True).fetch('key'),
  }


# ---- The backends


@contextlib.contextmanager
def inmemory(tmp_path: pathlib.Path) -> Iterator[Ways]:
  cache = new_cache(memory_limit='1M')
  yield {
    'the value is too large': lambda: put_too_much(cache, 300_000),
    '`increment` found no counter': lambda: increment_a_non_counter(cache),
  }


@contextlib.contextmanager
def redis(tmp_path: pathlib.Path) -> Iterator[Ways]:
  words = ('--requirepass', 'right', '--maxmemory', '3mb', '--maxmemory-policy', 'noeviction')
  with RedisServer(*words) as server:

    def new_client(credentials: str, timeout: float = 0.5) -> Any:
      url = server.url.replace('//', f'//{credentials}')
      return new_cache(backend='redis', redis_url=url, timeout=timeout)

    cache = new_client(':right@')

    def fill() -> None:
      for number in range(100):
        cache.put(f'key:{number}', 'v' * 100_000)

    yield {
      **server_errors(server, cache),
      'the server is full and evicts nothing': fill,
      'the password is wrong': lambda: new_client(':wrong@').fetch('key'),
      'the URL has no password': lambda: new_client('').fetch('key'),
      **refusals_of_redis(server, new_client),
      **tls_mistakes(server, tmp_path, redis_with),
    }


def redis_with(port: int, tls: bool) -> Any:
  return new_cache(
    backend='redis', redis_url=f'redis{"s" if tls else ""}://127.0.0.1:{port}', timeout=1
  )


def refusals_of_redis(server: RedisServer, new_client: Callable[..., Any]) -> Ways:
  def say(*words: str) -> None:
    server.execute('-a', 'right', '--no-auth-warning', *words)

  def replica() -> None:
    say('replicaof', '127.0.0.1', '1')
    new_client(':right@', 3).put('key', 'value')

  def not_permitted(key: str, rule: str) -> None:
    say('acl', 'setuser', 'ann', 'on', '>secret', '~mine:*', '+@all', rule)
    new_client('ann:secret@').put(key, 'value')

  def no_password() -> None:
    with RedisFront(server.port, redis_5()) as front:
      new_cache(backend='redis', redis_url=f'redis://:needless@127.0.0.1:{front.port}').fetch('key')

  return {
    'the server is a replica': replica,
    'a command is not permitted': lambda: not_permitted('mine:1', '-set'),
    'a key is not permitted': lambda: not_permitted('yours:1', '+set'),
    'a server older than Redis 6 has no password': no_password,
  }


@contextlib.contextmanager
def memcached(tmp_path: pathlib.Path) -> Iterator[Ways]:
  with MemcachedServer() as server, MemcachedServer('-X') as silent:
    cache = new_cache(backend='memcached', memcached_host=server.host, timeout=0.5)
    no_list = new_cache(backend='memcached', memcached_host=silent.host)
    discovery: Dict[str, Any] = {'backend': 'memcached', 'memcached_discovery': True}
    no_endpoint = new_cache(**discovery, memcached_host=server.host)
    down = new_cache(**discovery, memcached_host='127.0.0.1:1')
    yield {
      **server_errors(server, cache),
      'the value is too large': lambda: put_too_much(cache, 2_000_000),
      'the namespace is too long to be cleared': lambda: cache.clear(namespace='n' * 121),
      'the endpoint does not announce servers': lambda: no_endpoint.fetch('key'),
      'the endpoint is down': lambda: down.fetch('key'),
      'the server does not list its keys': lambda: no_list.clear(namespace='ns'),
      **tls_mistakes(server, tmp_path, memcached_with),
    }


def memcached_with(port: int, tls: bool) -> Any:
  host = f'127.0.0.1:{port}'
  return new_cache(backend='memcached', memcached_host=host, memcached_tls=tls, timeout=1)


@contextlib.contextmanager
def mongodb(tmp_path: pathlib.Path) -> Iterator[Ways]:
  with MongodServer('--auth') as server:
    users = {'root': ['root'], 'nobody': []}
    with MongoClient(server.url) as client:
      client.admin.command('createUser', 'root', pwd='right', roles=users['root'])
    with MongoClient(server.url.replace('//', '//root:right@')) as client:
      client.admin.command('createUser', 'nobody', pwd='right', roles=users['nobody'])

    def new_client(user: str) -> Any:
      url = server.url.replace('//', f'//{user}@') + '/?authSource=admin'
      return new_cache(backend='mongodb', mongodb_url=url, timeout=2)

    cache = new_client('root:right')
    yield {
      **server_errors(server, cache),
      'the password is wrong': lambda: new_client('root:wrong').fetch('key'),
      'the user lacks the role': lambda: new_client('nobody:right').fetch('key'),
      'the value is too large': lambda: put_too_much(cache, 16 << 20),
    }


@contextlib.contextmanager
def dynamodb(tmp_path: pathlib.Path) -> Iterator[Ways]:
  with DynamodbServer() as server, pytest.MonkeyPatch.context() as patch:
    for name in os.environ:
      if name.startswith('AWS_'):
        patch.delenv(name)
    patch.setenv('HOME', str(tmp_path))
    patch.setenv('AWS_EC2_METADATA_DISABLED', 'true')

    def new_client(table: str = 'cachette') -> Any:
      settings = settings_of(server.url)
      return new_cache(backend='dynamodb', timeout=3, table_name=table, **settings)

    def another_table() -> None:
      raw_client(server.url).create_table(
        TableName='other',
        BillingMode='PAY_PER_REQUEST',
        AttributeDefinitions=[{'AttributeName': 'id', 'AttributeType': 'N'}],
        KeySchema=[{'AttributeName': 'id', 'KeyType': 'HASH'}],
      )
      new_client('other').fetch('key')

    def with_profile(name: str, *lines: str) -> None:
      (tmp_path / '.aws').mkdir(exist_ok=True)
      (tmp_path / '.aws' / 'config').write_text('\n'.join(['[profile it]', *lines]))
      patch.setenv('AWS_PROFILE', name)
      new_cache(**no_keys).fetch('key')

    cache = new_client()
    login = ['sso_account_id=1', 'sso_role_name=r', 'sso_start_url=u', 'sso_region=eu-west-1']
    expired = json.dumps({'accessToken': 't', 'expiresAt': '2020-01-31T12:34:56Z'})
    folder = tmp_path / '.aws' / 'sso' / 'cache'

    def with_an_old_login() -> None:
      folder.mkdir(parents=True)
      (folder / f'{hashlib.sha1(b"u").hexdigest()}.json').write_text(expired)
      with_profile('it', *login)

    no_keys = {'backend': 'dynamodb', 'dynamodb_url': server.url, 'region': 'us-east-1'}
    yield {
      **server_errors(server, cache),
      'no region and no endpoint were found': lambda: new_cache(backend='dynamodb').fetch('key'),
      'the profile does not exist': lambda: with_profile('other'),
      'the SSO login has expired': with_an_old_login,
      '`credential_process` fails': lambda: with_profile(
        'it', "credential_process = sh -c 'echo why >&2; exit 1'"
      ),
      'no credentials were found': lambda: new_cache(**no_keys).fetch('key'),
      'the table has another key': another_table,
      'the value is too large': lambda: put_too_much(cache, 500_000),
    }


@contextlib.contextmanager
def file(tmp_path: pathlib.Path) -> Iterator[Ways]:
  path = tmp_path / 'cache.db'

  def new_client(**settings: Any) -> Any:
    return new_cache(backend='file', pickle_path=str(path), **settings)

  def not_ours() -> None:
    path.write_bytes(b'something else')
    new_client().fetch('key')

  def damaged() -> None:
    new_client().put_many({f'key:{number}': 'v' * 1000 for number in range(100)})
    with open(path, 'r+b') as opened:
      opened.seek(4096)
      opened.write(b'\xff' * 60_000)
    new_client().fetch_many([f'key:{number}' for number in range(100)])

  def locked() -> None:
    cache = new_client(timeout=1)
    cache.put('key', 'value')
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
      other.execute('BEGIN IMMEDIATE')
      cache.put('key', 'value')

  yield {
    'the folder does not exist': lambda: new_cache(
      backend='file', pickle_path=f'{tmp_path}/no/cache'
    ),
    'the file belongs to another program': not_ours,
    'the file is damaged': damaged,
    'another process keeps the file locked': locked,
    'the value is too large': lambda: put_too_much(new_client(file_limit='1M'), 2_000_000),
    '`increment` found no counter': lambda: increment_a_non_counter(new_client()),
  }


BACKENDS: Dict[str, Callable[[pathlib.Path], Any]] = {
  'inmemory': inmemory,
  'redis': redis,
  'memcached': memcached,
  'mongodb': mongodb,
  'dynamodb': dynamodb,
  'file': file,
}


@pytest.mark.parametrize(('page', 'what'), ROWS, ids=[f'{page}, {what}' for page, what in ROWS])
def test_an_error_matches_its_page(page: str, what: str, tmp_path: pathlib.Path) -> None:
  name, message = ROWS[page, what]
  pattern = '.+'.join(map(re.escape, message.split('…')))
  with BACKENDS[page](tmp_path) as actions, pytest.raises(Exception) as caught:
    actions[what]()
  message = str(caught.value)
  if name == 'ConfigError':
    assert isinstance(caught.value, ValueError) and re.search(pattern, message), message
  else:
    assert (type(caught.value).__name__, bool(re.fullmatch(pattern, message))) == (name, True), (
      message
    )


def test_every_page_lists_its_errors() -> None:
  assert {page for page, _ in ROWS} == set(BACKENDS)
