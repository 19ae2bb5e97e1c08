# SPDX-License-Identifier: MIT
"""Discovery of memcached servers: real servers, and an endpoint that announces them.

The endpoint is asked once a minute and when a server is lost, so the tests close the connections to
a server to have it asked.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from cachette import BackendError, BackendUnavailable, Cachette, ConfigError
from services.memcached import MemcachedServer, make_sasl_users
from services.memcached_front import MemcachedFront
from services.tls import make_certificate, tls_front
from test_memcached import open_to_all

VALUES = {f'found:{number}': str(number) for number in range(300)}


def open_discovered(host: str, **settings: Any) -> Cachette:
  class Own(Cachette):
    pass

  given = {'backend': 'memcached', 'memcached_host': host, 'memcached_discovery': True}
  Own.load_config(lambda: {**given, **settings})
  return Own()


class Cluster:
  """Servers, a front before each, and an endpoint."""

  def __init__(self, stack: contextlib.ExitStack, count: int) -> None:
    self.servers = [stack.enter_context(MemcachedServer()) for _ in range(count)]
    self.fronts = [stack.enter_context(MemcachedFront(server.port)) for server in self.servers]
    self.endpoint = stack.enter_context(MemcachedFront(self.servers[0].port))

  def announce(self, version: int, *numbers: int) -> None:
    names = [f'127.0.0.1||{self.fronts[number].port}' for number in numbers]
    self.endpoint.announce(version, *names)

  async def be_asked(self) -> None:
    """Has the endpoint asked, and waits until the answer was taken."""
    asked = self.endpoint.asked
    self.fronts[0].close_sessions()
    await wait_until(lambda: self.endpoint.asked > asked)
    await asyncio.sleep(0.2)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
  with contextlib.ExitStack() as stack:
    yield Cluster(stack, 3)


async def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
  for _ in range(int(seconds * 100)):
    if condition():
      return
    await asyncio.sleep(0.01)
  raise AssertionError('waited in vain')


async def put_and_fetch_all(cache: Cachette) -> None:
  await cache.put_many(VALUES)
  assert await cache.fetch_many(VALUES) == VALUES


def count_items(server: MemcachedServer) -> int:
  lines = server.send('stats\r\n').splitlines()
  return int(next(line for line in lines if line.startswith('STAT curr_items ')).split()[2])


def test_calls_wait_for_the_first_list(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1, 2)
  cluster.endpoint.delay = 0.3
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    found = await asyncio.gather(*(cache.fetch(key) for key in VALUES))
    assert found == [None] * len(VALUES)
    await put_and_fetch_all(cache)
    assert await cache.clear(namespace='found') == len(VALUES)
    await cache.put_many(VALUES)
    await cache.ping()

  asyncio.run(main())
  assert sum(map(count_items, cluster.servers)) == len(VALUES)
  assert all(count_items(server) > 50 for server in cluster.servers)
  assert cache.sync.fetch('found:7') == '7'
  assert cluster.endpoint.asked == 1


def test_a_cluster_that_grows_moves_only_the_keys_of_the_new_server(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    assert count_items(cluster.servers[2]) == 0
    cluster.announce(2, 0, 1, 2)
    await cluster.be_asked()
    found = await cache.fetch_many(VALUES)
    assert found.items() <= VALUES.items()
    moved = len(VALUES) - len(found)
    assert 50 < moved < 150
    await put_and_fetch_all(cache)
    assert count_items(cluster.servers[2]) == moved

  asyncio.run(main())


def test_a_cluster_that_shrinks_moves_only_the_keys_of_the_old_server(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1, 2)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    gone = count_items(cluster.servers[2])
    cluster.announce(2, 0, 1)
    await cluster.be_asked()
    cluster.servers[2].kill()
    found = await cache.fetch_many(VALUES)
    assert found.items() <= VALUES.items() and len(found) == len(VALUES) - gone
    await put_and_fetch_all(cache)
    await cache.ping()

  asyncio.run(main())


def test_a_server_that_was_killed_is_replaced_by_the_list_without_it(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1, 2)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    asked = cluster.endpoint.asked
    cluster.announce(2, 0, 1)
    cluster.servers[2].kill()
    cluster.fronts[2].stop()
    cluster.fronts[2].close_sessions = lambda: None  # type: ignore[method-assign]
    await wait_until(lambda: cluster.endpoint.asked > asked)
    await asyncio.sleep(0.2)
    await put_and_fetch_all(cache)

  asyncio.run(main())


UNUSABLE: Dict[str, bytes] = {
  'error': b'ERROR\r\n',
  'nothing': b'END\r\n',
  'empty': b'CONFIG cluster 0 3\r\n9\n\n\r\nEND\r\n',
  'malformed': b'CONFIG cluster 0 4\r\n9\na\n\r\nEND\r\n',
  'half a reply': b'CONFIG cluster 0 90\r\n9\n127.0.0.1||112',
  'huge': b'CONFIG cluster 0 1073741824\r\n9\n',
}


@pytest.mark.parametrize('reply', UNUSABLE)
def test_a_reply_that_cannot_be_used_leaves_the_servers_in_use(
  cluster: Cluster, reply: str, caplog: pytest.LogCaptureFixture
) -> None:
  cluster.announce(5, 0, 1)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    cluster.endpoint.raw = UNUSABLE[reply]
    await cluster.be_asked()
    assert await cache.fetch_many(VALUES) == VALUES
    assert_noticed(caplog, cluster.endpoint.host)
    cluster.announce(6, 0, 1, 2)
    await cluster.be_asked()
    await put_and_fetch_all(cache)
    assert count_items(cluster.servers[2]) > 50

  with caplog.at_level(logging.INFO):
    asyncio.run(main())


def assert_noticed(caplog: pytest.LogCaptureFixture, words: str) -> None:
  notices = [text for text in caplog.messages if '"memcached_discovery" keeps its servers' in text]
  assert any(words in text for text in notices), caplog.messages


def test_an_older_version_is_not_used(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
  cluster.announce(5, 0, 1)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    cluster.announce(4, 0, 2)
    await cluster.be_asked()
    assert await cache.fetch_many(VALUES) == VALUES
    assert_noticed(caplog, 'sent version 4')

  with caplog.at_level(logging.INFO):
    asyncio.run(main())


def test_an_endpoint_that_dies_leaves_the_servers_in_use(
  cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
  cluster.announce(1, 0, 1)
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    await put_and_fetch_all(cache)
    cluster.endpoint.stop()
    cluster.fronts[0].close_sessions()
    await asyncio.sleep(0.3)
    assert await cache.fetch_many(VALUES) == VALUES
    assert_noticed(caplog, cluster.endpoint.host)
    cluster.announce(2, 0, 1, 2)
    cluster.endpoint.start()
    await wait_until(lambda: cluster.endpoint.asked > 1)
    await asyncio.sleep(0.2)
    await put_and_fetch_all(cache)
    assert count_items(cluster.servers[2]) > 50

  with caplog.at_level(logging.INFO):
    asyncio.run(main())


def test_without_an_endpoint_calls_fail_at_once_until_it_is_there(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1)
  cluster.endpoint.stop()
  cache = open_discovered(cluster.endpoint.host, timeout=10)

  async def main() -> None:
    for _ in range(3):
      with pytest.raises(BackendUnavailable, match=r'"memcached_discovery".*refused') as caught:
        await cache.fetch('key')
      assert cluster.endpoint.host in str(caught.value)
    cluster.endpoint.start()
    await wait_until(lambda: cluster.endpoint.asked > 0)
    await asyncio.sleep(0.2)
    await put_and_fetch_all(cache)

  asyncio.run(main())


def test_a_plain_memcached_is_no_endpoint() -> None:
  with MemcachedServer() as server:
    cache = open_discovered(server.host)
    with pytest.raises(BackendError, match='Is the "memcached_host" a configuration endpoint') as e:
      asyncio.run(cache.fetch('key'))
    assert server.host in str(e.value)


def test_handles_of_several_event_loops_ask_once(cluster: Cluster) -> None:
  cluster.announce(1, 0, 1)
  cache = open_discovered(cluster.endpoint.host, timeout=10)
  for _ in range(5):
    asyncio.run(put_and_fetch_all(cache))
  assert cluster.endpoint.asked == 1


@pytest.mark.parametrize('name', ['node.example', 'other.example'])
def test_with_tls_a_server_has_a_certificate_of_its_announced_name(
  tmp_path: Path, name: str
) -> None:
  paths: List[Dict[str, str]] = []
  for folder, names in (('node', 'DNS:node.example'), ('endpoint', 'IP:127.0.0.1')):
    (tmp_path / folder).mkdir()
    paths.append(make_certificate(tmp_path / folder, names))
    Path(paths[-1]['key']).chmod(0o644)
    open_to_all(tmp_path / folder)
  trusted = tmp_path / 'trusted.pem'
  trusted.write_text(''.join(Path(each['cert']).read_text(encoding='utf-8') for each in paths))
  node, endpoint = paths
  tls = ['-Z', '-o', f'ssl_chain_cert={node["cert"]},ssl_key={node["key"]}']
  with MemcachedServer(*tls) as server, MemcachedServer() as plain:
    cert, key = endpoint['cert'], endpoint['key']
    with MemcachedFront(plain.port) as front, tls_front(cert, key, front.port) as port:
      front.announce(1, f'{name}|127.0.0.1|{server.port}')
      cache = open_discovered(
        f'127.0.0.1:{port}', memcached_tls=True, tls_ca_file=str(trusted), timeout=10
      )
      if name == 'node.example':
        asyncio.run(put_and_fetch_all(cache))
      else:
        with pytest.raises(BackendUnavailable, match=r'certificate.*other\.example'):
          asyncio.run(cache.fetch('key'))


@pytest.mark.parametrize('auth', ['ascii', 'sasl'])
def test_the_endpoint_and_the_servers_get_the_password(tmp_path: Path, auth: str) -> None:
  users = tmp_path / 'users'
  users.write_text('app:correct-horse\n', encoding='utf-8')
  users.chmod(0o644)
  env = make_sasl_users(tmp_path, {'app': 'correct-horse'})
  open_to_all(tmp_path)
  settings = ['-S'] if auth == 'sasl' else ['-Y', str(users)]
  user = {'memcached_auth': auth, 'memcached_username': 'app'}
  with MemcachedServer(*settings, env=env) as one, MemcachedServer(*settings, env=env) as two:
    with MemcachedFront(one.port) as front:
      front.announce(1, f'127.0.0.1||{one.port}', f'127.0.0.1||{two.port}')
      cache = open_discovered(front.host, **user, memcached_password='correct-horse', timeout=10)
      asyncio.run(put_and_fetch_all(cache))
      wrong = open_discovered(front.host, **user, memcached_password='battery-staple')
      with pytest.raises(BackendError, match='refuses the user name or the password') as caught:
        asyncio.run(wrong.fetch('key'))
      assert front.host in str(caught.value) and '"memcached_discovery"' in str(caught.value)
      assert 'battery' not in str(caught.value)


def test_an_endpoint_has_no_weight() -> None:
  with pytest.raises((ConfigError, ValueError), match='memcached_host'):
    open_discovered('host:11211:2')
