# SPDX-License-Identifier: MIT
"""A TLS URL for a plain port and a plain URL for a TLS port: the errors name the mistake and the
fix."""

import asyncio
import socket
from typing import Any, Dict, Iterator

import pytest
from cachette import BackendError, Cachette
from conftest import CHOSEN_BACKENDS, on_pythons
from services.http_fault import Answer, HttpServer
from services.memcached import MemcachedServer
from services.process import find_free_port
from services.redis import RedisServer
from services.tls import listen, make_certificate, tls_server

KEYS = {'aws_access_key_id': 'key', 'aws_secret_access_key': 'secret'}
TABLE = {'database_name': 'cachette', 'table_name': 'cache', 'region': 'eu-central-1'}


def open_cache(settings: Dict[str, Any]) -> Cachette:
  class Own(Cachette):
    pass

  Own.load_config(lambda: settings)
  return Own()


def error_of(settings: Dict[str, Any]) -> str:
  """The error message of a fetch, which must not succeed."""
  cache = open_cache({'timeout': 3, 'connect_timeout': 1.5, **settings})

  async def main() -> str:
    with pytest.raises(BackendError) as caught:
      await cache.fetch('key')
    return str(caught.value)

  return asyncio.run(main())


@pytest.fixture(scope='module')
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, str]:
  return make_certificate(tmp_path_factory.mktemp('certificate'))


@pytest.fixture
def tls_port(certificate: Dict[str, str]) -> Iterator[int]:
  with tls_server(certificate['cert'], certificate['key']) as port:
    yield port


# ---- Redis


@pytest.mark.parametrize('kind', ['redis', 'valkey'])
def test_redis_with_tls_to_a_plain_port(redis: RedisServer, kind: str) -> None:
  url = f'{kind}s://127.0.0.1:{redis.port}'
  for timeout in (0.3, 5):  # either the call or the connection times out first
    message = error_of({'backend': kind, f'{kind}_url': url, 'timeout': timeout})
    advice = f'If it does not speak TLS, begin the URL with "{kind}://" instead of "{kind}s://".'
    assert advice in message and f'127.0.0.1:{redis.port}' in message


@pytest.mark.parametrize('kind', ['redis', 'valkey'])
def test_redis_without_tls_to_a_tls_port(kind: str, certificate: Dict[str, str]) -> None:
  port = find_free_port()
  settings = ['--tls-port', str(port), '--tls-auth-clients', 'no']
  settings += ['--tls-cert-file', certificate['cert'], '--tls-key-file', certificate['key']]
  settings += ['--tls-ca-cert-file', certificate['cert']]
  with RedisServer(*settings):
    message = error_of({'backend': kind, f'{kind}_url': f'{kind}://127.0.0.1:{port}'})
    assert f'If it expects TLS, begin the URL with "{kind}s://" instead of "{kind}://".' in message
    secured = {f'{kind}_url': f'{kind}s://127.0.0.1:{port}', 'tls_ca_file': certificate['cert']}
    cache = open_cache({'backend': kind, 'timeout': 20, 'connect_timeout': 20, **secured})
    assert asyncio.run(_fetch(cache)) is None, 'the advice is good'


async def _fetch(cache: Cachette) -> Any:
  return await cache.fetch('key')


ALERT = b'\x15\x03\x01\x00\x02\x02\x46'  # fatal, protocol version


@pytest.mark.parametrize(
  ('settings', 'advice'),
  [
    ({'backend': 'redis', 'redis_url': 'redis://{}'}, 'begin the URL with "rediss://"'),
    ({'backend': 'memcached', 'memcached_host': '{}'}, 'set "memcached_tls" to true'),
  ],
)
@pytest.mark.parametrize('how', ['alert', 'end', 'silence'])
def test_a_tls_server_may_alert_close_or_wait(
  settings: Dict[str, str], advice: str, how: str
) -> None:
  def serve(connection: socket.socket) -> None:
    if how == 'alert':
      connection.sendall(ALERT)
    while how != 'end' and connection.recv(4096):
      pass

  with listen(serve) as port:
    own = {name: value.format(f'127.0.0.1:{port}') for name, value in settings.items()}
    message = error_of(own)
    assert advice in message
    assert ('speaks TLS; ' if how == 'alert' else 'If it expects TLS, ') in message
    message = error_of({**own, 'timeout': 0.3})
    assert advice in message


def test_a_plain_server_may_answer_a_tls_client() -> None:
  def serve(connection: socket.socket) -> None:
    connection.sendall(b"-ERR unknown command '\\x16\\x03\\x01'\r\n")
    while connection.recv(4096):
      pass

  with listen(serve) as port:
    message = error_of({'backend': 'redis', 'redis_url': f'rediss://127.0.0.1:{port}'})
    assert (
      'it does not speak TLS. For a server without TLS, begin the URL with "redis://"' in message
    )
  with listen(lambda connection: None) as port:
    message = error_of({'backend': 'redis', 'redis_url': f'rediss://127.0.0.1:{port}'})
    assert 'begin the URL with "redis://"' in message


# ---- memcached


def test_memcached_with_tls_to_a_plain_port(memcached: MemcachedServer) -> None:
  host = f'127.0.0.1:{memcached.port}'
  message = error_of({'backend': 'memcached', 'memcached_host': host, 'memcached_tls': True})
  assert 'it does not speak TLS. For a server without TLS, set "memcached_tls" to false.' in message


def test_memcached_without_tls_to_a_tls_port(certificate: Dict[str, str]) -> None:
  settings = ['-Z', '-o', f'ssl_chain_cert={certificate["cert"]},ssl_key={certificate["key"]}']
  with MemcachedServer(*settings) as server:
    message = error_of({'backend': 'memcached', 'memcached_host': server.host})
    assert 'If it expects TLS, set "memcached_tls" to true.' in message
    secured = {'memcached_tls': True, 'tls_ca_file': certificate['cert'], 'timeout': 20}
    settings_of = {'backend': 'memcached', 'memcached_host': server.host, 'connect_timeout': 20}
    assert asyncio.run(_fetch(open_cache({**settings_of, **secured}))) is None


# ---- Others


@on_pythons('mongodb' in CHOSEN_BACKENDS, 'it needs a server of MongoDB')
def test_mongodb_with_tls_to_a_plain_port(request: pytest.FixtureRequest) -> None:
  url: str = request.getfixturevalue('mongodb')
  message = error_of({'backend': 'mongodb', 'mongodb_url': url.rstrip('/') + '/?tls=true', **TABLE})
  assert 'If it does not speak TLS, remove "tls=true" from "mongodb_url".' in message


def test_mongodb_without_tls_to_a_tls_port(tls_port: int) -> None:
  message = error_of(
    {'backend': 'mongodb', 'mongodb_url': f'mongodb://127.0.0.1:{tls_port}', **TABLE}
  )
  assert 'If it expects TLS, add "tls=true" to "mongodb_url".' in message


def test_dynamodb_with_tls_to_a_plain_port() -> None:
  with HttpServer(lambda request: Answer()) as server:
    url = server.url.replace('http://', 'https://')
    message = error_of({'backend': 'dynamodb', 'dynamodb_url': url, **TABLE, **KEYS})
  assert 'It does not speak TLS; begin "dynamodb_url" with "http://".' in message


def test_dynamodb_without_tls_to_a_tls_port(tls_port: int) -> None:
  url = f'http://127.0.0.1:{tls_port}'
  message = error_of({'backend': 'dynamodb', 'dynamodb_url': url, **TABLE, **KEYS})
  assert 'If it expects TLS, begin "dynamodb_url" with "https://".' in message


def test_dynamodb_without_tls_to_a_tls_port_from_the_environment(
  tls_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setenv('AWS_ENDPOINT_URL_DYNAMODB', f'http://127.0.0.1:{tls_port}')
  message = error_of({'backend': 'dynamodb', **TABLE, **KEYS})
  assert 'If it expects TLS, begin its URL with "https://".' in message
