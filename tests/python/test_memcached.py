# SPDX-License-Identifier: MIT
"""What is specific to memcached: its data, several servers, authentication, errors."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest
from cachette import BackendError, BackendUnavailable, Cachette, ConfigError
from conftest import ROOT, linux_only
from load import CALLS, FAULTS, TASKS, Load, recover
from servers import request, serve
from services.memcached import MemcachedServer, make_sasl_users
from services.proxy import FaultProxy


def open_cache(host: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'memcached', 'memcached_host': host, **settings})
  return Own()


def test_memcached_stores_plain_data_with_its_ttl(memcached: MemcachedServer) -> None:
  cache = open_cache(memcached.host)
  asyncio.run(cache.put('plain', 'grüß dich', 300))
  assert memcached.send('mg plain v f t\r\n') == 'VA 11 f0 t300\r\ngrüß dich\r\n'
  memcached.send('ms theirs 5 T0 F7\r\nvalue\r\n')
  assert asyncio.run(cache.fetch_with_ttl('theirs')) == (-1, 'value')


def test_other_clients_can_increment_a_counter(memcached: MemcachedServer) -> None:
  cache = open_cache(memcached.host)
  assert asyncio.run(cache.increment('theirs:count', 5)) == 5
  assert memcached.send('incr theirs:count 2\r\n') == '7\r\n'
  assert asyncio.run(cache.increment('theirs:count')) == 8


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
  return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def test_clearing_a_namespace_on_three_servers_returns_the_exact_count() -> None:
  with MemcachedServer() as a, MemcachedServer() as b, MemcachedServer() as c:
    cache = open_cache(f'{a.host},{b.host}:2,{c.host}')

    async def main() -> None:
      await cache.put_many({f'ns:{number}': 'value' for number in range(1000)})
      await cache.put_many({'nsx': 'value', 'other:1': 'value'})
      assert len(await cache.fetch_many([f'ns:{number}' for number in range(1000)])) == 1000
      assert await cache.clear(namespace='ns') == 1000
      assert await cache.clear(namespace='ns') == 0
      assert await cache.fetch_many(['nsx', 'other:1']) == {'nsx': 'value', 'other:1': 'value'}

    asyncio.run(main())
    for server in (a, b, c):
      assert 'STAT cmd_set 0' not in server.send('stats\r\n')


def test_a_server_that_is_down_fails_only_its_keys() -> None:
  with MemcachedServer() as a, MemcachedServer() as b, MemcachedServer() as c:
    cache = open_cache(f'{a.host},{b.host},{c.host}')
    values = {f'key:{number}': str(number) for number in range(300)}

    async def fetch_each() -> Dict[str, Any]:
      found = {}
      for key in values:
        try:
          found[key] = await cache.fetch(key)
        except BackendUnavailable as error:
          assert b.host in str(error)
      return found

    async def main() -> None:
      await cache.put_many(values)
      b.kill()
      found = await fetch_each()
      assert 100 < len(found) < 250 and found.items() < values.items()
      calls: List[Tuple[Callable[[], Any], Dict[str, Any]]] = [
        (lambda: cache.fetch_many(values), found),
        (lambda: in_thread(type(cache).sync.fetch_many, values), found),
        (lambda: cache.put_many(values), {}),
        (lambda: cache.clear_many(values), {}),
      ]
      for call, expected in calls:
        with pytest.raises(BackendUnavailable, match=b.host) as caught:
          await call()
        assert caught.value.found == expected
        assert set(caught.value.failed) == values.keys() - found.keys()
        assert all(type(error) is BackendUnavailable for error in caught.value.failed.values())
      b.start()
      await asyncio.sleep(0.1)
      assert await recover(cache) < 6

    asyncio.run(main())


@pytest.mark.parametrize('kind', ['awaited', 'sync'])
def test_the_error_about_a_hanging_server_contains_the_other_values(kind: str) -> None:
  with MemcachedServer() as a, MemcachedServer() as b, MemcachedServer() as c:
    cache = open_cache(f'{a.host},{b.host},{c.host}', timeout=1)
    cls: Any = type(cache)
    values = {f'key:{number}': str(number) for number in range(30)}

    def call(name: str, argument: Any) -> Any:
      if kind == 'sync':
        return getattr(cls.sync, name)(argument)
      return asyncio.run(getattr(cls(), name)(argument))

    call('put_many', values)
    remaining = {
      key for key in values if any(key in server.send(f'get {key}\r\n') for server in (a, c))
    }
    assert 5 < len(remaining) < 28
    b.pause()
    found = {key: values[key] for key in remaining}
    for name, argument, expected in (
      ('fetch_many', values, found),
      ('put_many', values, {}),
      ('fetch_many', values, found),
      ('clear_many', values, {}),
    ):
      with pytest.raises(BackendError, match=b.host) as caught:
        call(name, argument)
      assert caught.value.found == expected
      assert set(caught.value.failed) == values.keys() - remaining
    b.resume()
    assert not any(key in server.send(f'get {key}\r\n') for key in remaining for server in (a, c))


def open_to_all(path: Path) -> None:
  """Gives the server's user access to a folder."""
  for folder in (path, *path.parents):
    if folder.stat().st_uid == os.getuid() and folder != Path('/'):
      folder.chmod(folder.stat().st_mode | 0o011)


def test_authentication_with_user_name_and_password(tmp_path: Path) -> None:
  users = tmp_path / 'users'
  users.write_text('app:correct-horse\n', encoding='utf-8')
  users.chmod(0o644)
  open_to_all(tmp_path)
  with MemcachedServer('-Y', str(users)) as server:
    good = open_cache(
      server.host, memcached_username='app', memcached_password='correct-horse', key_prefix='x:'
    )
    asyncio.run(good.put('key', 'value'))
    assert asyncio.run(good.fetch('key')) == 'value'
    assert good.sync.fetch('key') == 'value'
    wrong = open_cache(server.host, memcached_username='app', memcached_password='battery-staple')
    with pytest.raises(BackendError, match='refuses the user name or the password') as caught:
      asyncio.run(wrong.fetch('key'))
    assert 'battery' not in str(caught.value)
    with pytest.raises(BackendError, match='"memcached_username"'):
      asyncio.run(open_cache(server.host).fetch('key'))


def test_a_server_without_authentication_does_not_store_the_password() -> None:
  with MemcachedServer() as server:
    theirs = open_cache(server.host)
    asyncio.run(theirs.put('authentication', 'my own value'))
    cache = open_cache(server.host, memcached_username='app', memcached_password='hunter2')
    asyncio.run(cache.put('key', 'value'))
    assert asyncio.run(theirs.fetch('authentication')) == 'my own value'
    listed = server.send('lru_crawler metadump all\r\n')
    assert 'key=key ' in listed and 'key=authentication ' in listed and 'login' not in listed
    assert server.send('get cachette-login\r\n') == 'END\r\n'


def test_authentication_with_sasl(tmp_path: Path) -> None:
  env = make_sasl_users(tmp_path, {'app': 'correct horse'})
  open_to_all(tmp_path)
  with MemcachedServer('-S', env=env) as server:
    user = {'memcached_auth': 'sasl', 'memcached_username': 'app'}
    cache = open_cache(server.host, **user, memcached_password='correct horse')

    async def main() -> None:
      await cache.put_many({'a': 'x' * 100_000, 'b': ''}, 300)
      assert await cache.fetch_many(['a', 'b', 'c']) == {'a': 'x' * 100_000, 'b': ''}
      assert (await cache.fetch_with_ttl('a'))[0] in (299, 300)
      assert await cache.touch('a', 3000)
      left, value = await cache.fetch_with_ttl('a')
      assert left in (2999, 3000) and value == 'x' * 100_000
      assert await cache.add('a', 'other') is False
      assert await cache.increment('n', 5) == 5 and await cache.increment('n') == 6
      assert await cache.exists('a') and not await cache.exists('c')
      assert await cache.clear_many(['a', 'c']) == 1
      await cache.ping()
      with pytest.raises(BackendError, match='SASL'):
        await cache.clear(namespace='ns')
      assert await cache.flush() >= 2

    asyncio.run(main())
    wrong = open_cache(server.host, **user, memcached_password='battery staple')
    with pytest.raises(BackendError, match='refuses the user name or the password') as caught:
      asyncio.run(wrong.fetch('key'))
    assert 'battery' not in str(caught.value)
    with pytest.raises(BackendUnavailable, match='set "memcached_auth" to sasl'):
      asyncio.run(open_cache(server.host).fetch('key'))


@pytest.mark.parametrize('auth', ['ascii', 'sasl'])
def test_the_fastapi_example_authenticates(
  tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
  users = tmp_path / 'users'
  users.write_text('app:correct-horse\n', encoding='utf-8')
  users.chmod(0o644)
  env = make_sasl_users(tmp_path, {'app': 'correct-horse'})
  open_to_all(tmp_path)
  settings = ['-S'] if auth == 'sasl' else ['-Y', str(users)]
  examples = os.path.join(ROOT, 'examples', 'asgi')
  with MemcachedServer(*settings, env=env) as server:
    monkeypatch.setenv('CACHETTE_BACKEND', 'memcached')
    monkeypatch.setenv('CACHETTE_MEMCACHED_HOST', server.host)
    monkeypatch.setenv('CACHETTE_MEMCACHED_USERNAME', 'app')
    monkeypatch.setenv('CACHETTE_MEMCACHED_AUTH', auth)
    monkeypatch.setenv('CACHETTE_MEMCACHED_PASSWORD', 'correct-horse')
    with serve('fastapi_app:app', examples) as port:
      assert request(port, 'POST', '/', {'key': 'key', 'value': 'grüß dich'})[0] == 200
      assert request(port, 'GET', '/key') == (200, 'grüß dich'.encode())
      assert request(port, 'DELETE', '/key') == (200, b'{"cleared":1}')
    monkeypatch.setenv('CACHETTE_MEMCACHED_PASSWORD', 'battery-staple')
    with serve('fastapi_app:app', examples, logged='refuses the user name') as port:
      assert request(port, 'GET', '/key')[0] == 500


def make_certificate(folder: Path) -> None:
  subprocess.run(
    ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=tests']
    + ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', 'key.pem', '-out', 'cert.pem'],
    cwd=folder,
    check=True,
    capture_output=True,
  )
  for name in ('key.pem', 'cert.pem'):
    (folder / name).chmod(0o644)


def test_tls_connections(tmp_path: Path) -> None:
  make_certificate(tmp_path)
  open_to_all(tmp_path)
  settings = ['-Z', '-o', f'ssl_chain_cert={tmp_path}/cert.pem,ssl_key={tmp_path}/key.pem']
  with MemcachedServer(*settings) as server:
    cache = open_cache(server.host, memcached_tls=True, tls_ca_file=str(tmp_path / 'cert.pem'))
    asyncio.run(cache.put('key', 'value' * 10_000))
    assert asyncio.run(cache.fetch('key')) == 'value' * 10_000
    with pytest.raises(BackendUnavailable, match='certificate'):
      asyncio.run(open_cache(server.host, memcached_tls=True).fetch('key'))
    unchecked = open_cache(server.host, memcached_tls=True, tls_verify=False)
    assert asyncio.run(unchecked.exists('key'))


@pytest.mark.parametrize(
  ('settings', 'name'),
  [
    ({'memcached_host': 'host:x'}, 'memcached_host'),
    ({'memcached_host': 'memcached://host'}, 'memcached_host'),
    ({'memcached_host': 'a,a'}, 'memcached_host'),
    ({'memcached_username': 'app'}, 'memcached_password'),
    ({'memcached_auth': 'sasl'}, 'memcached_username'),
    ({'memcached_username': 'app', 'memcached_auth': 'sasl'}, 'memcached_password'),
    ({'memcached_password': 'secret', 'memcached_auth': 'ascii'}, 'memcached_username'),
    ({'memcached_username': 'a b', 'memcached_password': 'secret'}, 'memcached_username'),
    ({'memcached_tls': True, 'tls_ca_file': '/no/such/file'}, 'tls_ca_file'),
  ],
)
def test_invalid_settings_raise_in_load_config(settings: Any, name: str) -> None:
  settings = dict(settings)
  with pytest.raises((ConfigError, ValueError), match=name) as caught:
    open_cache(**{'host': settings.pop('memcached_host', 'host'), **settings})
  assert 'secret' not in str(caught.value)


def test_a_value_that_is_too_large_is_an_error_and_removes_the_old_one() -> None:
  with MemcachedServer() as server:
    cache = open_cache(server.host)
    asyncio.run(cache.put('key', 'value'))
    with pytest.raises(BackendError, match='takes at most 1048576 bytes'):
      asyncio.run(cache.put('key', 'x' * (1 << 20)))
    assert asyncio.run(cache.fetch('key')) is None


def test_a_full_server_evicts_entries() -> None:
  with MemcachedServer('-m', '4') as server:
    cache = open_cache(server.host)

    async def main() -> None:
      for start in range(0, 4000, 100):
        await cache.put_many({f'{start + i}': 'x' * 5000 for i in range(100)})
      assert await cache.fetch('3999') == 'x' * 5000
      assert await cache.fetch('0') is None

    asyncio.run(main())


@pytest.mark.parametrize('fault', [None, *FAULTS])
def test_network_faults_cause_no_wrong_value_and_no_hang(
  memcached: MemcachedServer, fault: Any
) -> None:
  with FaultProxy('127.0.0.1', memcached.port) as proxy:
    host = f'127.0.0.1:{proxy.port}'
    prefix = f'{str(fault).replace(" ", "")}:'
    timeout = 0.5 if fault else 20  # without a fault no call may fail, however busy the machine is
    cache = open_cache(host, timeout=timeout, connect_timeout=timeout, key_prefix=prefix)
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
  assert load.max_seconds < timeout + 5.5, 'a call took far longer than its deadline'
  assert recovered < 6
  if fault is None:
    assert load.errors == set()


@linux_only
def test_a_server_that_hangs_under_load_recovers() -> None:
  with MemcachedServer() as server:
    cache = open_cache(server.host, timeout=0.3, connect_timeout=0.3)
    load = Load(cache)

    async def disturb() -> None:
      await asyncio.sleep(0.1)
      server.pause()
      await asyncio.sleep(1)
      server.resume()

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


def test_a_refused_connection_is_an_immediate_error() -> None:
  cache = open_cache('127.0.0.1:1')
  start = time.monotonic()
  for _ in range(3):
    with pytest.raises(BackendUnavailable, match='127.0.0.1:1'):
      asyncio.run(cache.fetch('key'))
  assert time.monotonic() - start < 10
