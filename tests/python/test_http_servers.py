# SPDX-License-Identifier: MIT
"""The HTTP cache behind real servers: processes, sockets, and what is on the wire."""

import asyncio
import contextlib
import email.utils
import http.client
import json
import os
import random
import socket
import time
import uuid
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from conftest import ROOT
from http_served import PARTS
from servers import require, serve
from services.redis import RedisServer

FOLDER = os.path.join(ROOT, 'tests', 'python')
APP = 'http_served:app'
SERVERS = ['h11', 'httptools', 'hypercorn', 'granian']
STREAM = b''.join(b'part %02d\n' % number for number in range(PARTS))


class Answer:
  """A response, read to its end."""

  def __init__(self, response: http.client.HTTPResponse, method: str) -> None:
    self.status = response.status
    self.fields = [(name.lower(), value) for name, value in response.getheaders()]
    self.body = response.read()
    status = ' '.join(self.all('cache-status'))
    # A client that asks again at once may wait for the end of the run that has just answered it.
    self.is_hit = ';hit' in status or ';collapsed' in status

  def all(self, name: str) -> List[str]:
    return [value for each, value in self.fields if each == name]

  def one(self, name: str) -> str:
    """The value of a field that must be there once."""
    (value,) = self.all(name)
    return value

  def __repr__(self) -> str:
    return f'{self.status} {self.fields} {self.body[:200]!r}'


class Client:
  """One connection, which must stay open."""

  def __init__(self, port: int) -> None:
    self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    self.connection.connect()
    self.socket = self.connection.sock

  def request(self, method: str, path: str, body: Any = None, **fields: str) -> Answer:
    headers = {name.replace('_', '-'): value for name, value in fields.items()}
    self.connection.request(method, path, body, headers)
    answer = Answer(self.connection.getresponse(), method)
    assert self.connection.sock is self.socket, f'{method} {path} closed the connection: {answer}'
    return answer

  def get(self, path: str, **fields: str) -> Answer:
    return self.request('GET', path, **fields)

  def runs(self) -> Dict[str, int]:
    found: Dict[str, int] = json.loads(self.get('/runs').body)
    return found

  def until_hit(self, path: str, body: bytes, seconds: float = 20, **fields: str) -> Answer:
    deadline = time.monotonic() + seconds
    while True:
      answer = self.get(path, **fields)
      if answer.is_hit and answer.body == body:
        return answer
      assert time.monotonic() < deadline, answer
      time.sleep(0.02)

  def __enter__(self) -> 'Client':
    return self

  def __exit__(self, *_: object) -> None:
    self.connection.close()


@pytest.fixture(scope='module', params=SERVERS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
  require(request.param)
  with serve(APP, FOLDER, request.param) as port:
    yield port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
  with Client(port) as client:
    yield client


@pytest.fixture
def name() -> str:
  """A path that no other test has."""
  return f'/{uuid.uuid4().hex}'


def exchange_bytes(port: int, data: bytes) -> bytes:
  """Sends requests on a connection of its own, and returns all bytes of the answers."""
  with socket.create_connection(('127.0.0.1', port), 20) as connection:
    connection.sendall(data)
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
      while part := connection.recv(65536):
        received += part
  return bytes(received)


# ---- The core, on one connection


def test_each_kind_of_answer_leaves_the_connection_usable(client: Client, name: str) -> None:
  path = f'/items{name}'
  miss, hit = client.get(path), client.get(path)
  expected = f'{path} 1'.encode()
  assert [(each.status, each.body, each.is_hit) for each in (miss, hit)] == [
    (200, expected, False),
    (200, expected, True),
  ]
  tag = hit.one('etag')
  assert miss.one('etag') == tag
  unchanged = client.get(path, if_none_match=tag)
  assert (unchanged.status, unchanged.body, unchanged.one('etag')) == (304, b'', tag)
  part = client.get(path, range='bytes=1-5')
  assert (part.status, part.body) == (206, b'items')
  assert part.one('content-range') == f'bytes 1-5/{len(expected)}'
  assert client.get(path, range='bytes=500-').status == 416
  head = client.request('HEAD', path)
  assert (head.status, head.body, head.one('content-length')) == (200, b'', str(len(expected)))
  refused = client.get('/items/absent' + name, cache_control='only-if-cached')
  assert refused.status == 504
  assert client.request('POST', path, b'new').body == b'OK'
  changed = client.get(path)
  assert (changed.body, changed.is_hit) == (f'{path} 2'.encode(), False)
  assert client.get(path).is_hit


def test_there_is_one_date_and_the_age_fits_it(client: Client, name: str) -> None:
  path = f'/items{name}'
  miss = client.get(path)
  stored = time.time()
  time.sleep(1.1)
  for each in (client.get(path), client.request('HEAD', path)):
    assert each.is_hit
    age, date = int(each.one('age')), email.utils.parsedate_to_datetime(each.one('date'))
    assert 1 <= age <= time.time() - stored + 1.5
    # What a client computes as the age (RFC 9111, 4.2.3).
    apparent = time.time() - date.timestamp()
    assert max(apparent, age) <= time.time() - stored + 2
  unchanged = client.get(path, if_none_match=each.one('etag'))
  assert unchanged.status == 304 and len(unchanged.all('date')) == 1
  assert len(miss.all('date')) == 1 and not miss.all('age')
  # The next response has the Date of the server again.
  other = client.get('/runs')
  sent = email.utils.parsedate_to_datetime(other.one('date'))
  assert abs(time.time() - sent.timestamp()) < 3


def test_each_field_is_sent_once(client: Client, name: str) -> None:
  for _ in range(2):
    answer = client.get(f'/items{name}')
    names = [field for field, _ in answer.fields]
    assert len(names) == len(set(names)), answer
    assert answer.one('content-length') == str(len(answer.body))
    assert not answer.all('transfer-encoding')


def test_a_304_and_a_head_have_no_body_on_the_wire(port: int, client: Client, name: str) -> None:
  path = f'/items{name}'
  client.get(path)
  tag = client.get(path).one('etag')
  host = f'Host: 127.0.0.1:{port}\r\n'
  received = exchange_bytes(
    port,
    f'GET {path} HTTP/1.1\r\n{host}If-None-Match: {tag}\r\n\r\n'
    f'HEAD {path} HTTP/1.1\r\n{host}\r\n'
    f'GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n'.encode(),
  )
  unchanged, head, got, body = received.split(b'\r\n\r\n')
  assert unchanged.startswith(b'HTTP/1.1 304')
  assert b'content-length' not in unchanged.lower()
  assert b'transfer-encoding' not in unchanged.lower()
  assert head.startswith(b'HTTP/1.1 200') and got.startswith(b'HTTP/1.1 200')
  assert b'content-length: %d' % len(body) in head.lower()
  assert body == f'{path} 1'.encode()


def test_an_old_client_gets_a_hit(port: int, client: Client, name: str) -> None:
  path = f'/items{name}'
  host = f'Host: 127.0.0.1:{port}\r\n'
  client.get(path)
  received = exchange_bytes(port, f'GET {path} HTTP/1.0\r\n{host}\r\n'.encode())
  head, body = received.split(b'\r\n\r\n')
  assert b';hit' in head and body == f'{path} 1'.encode()


def test_a_large_body(client: Client, name: str) -> None:
  path = f'/large{name}'
  miss, hit = client.get(path), client.get(path)
  assert hit.is_hit and hit.body == miss.body and len(hit.body) > 300_000
  part = client.get(path, range='bytes=-5')
  assert (part.status, part.body) == (206, b'xxxxx')


# ---- Streams


@pytest.mark.parametrize('kind', ['stream', 'stream-announced'])
def test_a_stream_arrives_while_it_runs_and_is_a_hit_later(
  client: Client, name: str, kind: str
) -> None:
  path = f'/{kind}{name}'
  client.connection.request('GET', path)
  response = client.connection.getresponse()
  start = time.monotonic()
  first = response.read(8)
  begun = time.monotonic() - start
  assert first + response.read() == STREAM
  assert time.monotonic() - start - begun > 0.1  # the rest took its time
  hit = client.until_hit(path, STREAM)  # a request before the last message has waited for the run
  assert hit.one('content-length') == str(len(STREAM))
  assert client.runs()[path] == 1


@pytest.mark.parametrize('kind', ['stream', 'stream-announced'])
def test_a_client_that_leaves_in_mid_stream_harms_no_other(
  port: int, client: Client, name: str, kind: str
) -> None:
  path = f'/{kind}{name}'
  with socket.create_connection(('127.0.0.1', port), 20) as leaving:
    leaving.sendall(f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n'.encode())
    while b'part 00' not in leaving.recv(65536):
      pass
  for _ in range(2):
    answer = client.get(path)
    assert (answer.status, answer.body) == (200, STREAM)
  client.until_hit(path, STREAM)


@pytest.mark.parametrize('server', SERVERS)
def test_a_stream_of_litestar_is_stored(server: str) -> None:
  pytest.importorskip('litestar')
  require(server)
  with serve('http_served_litestar:app', FOLDER, server) as port, Client(port) as client:
    assert client.get('/stream').body == STREAM
    assert client.until_hit('/stream', STREAM).one('content-length') == str(len(STREAM))


# ---- Stale responses


def test_a_stale_response_is_refreshed_in_the_background(client: Client, name: str) -> None:
  path = f'/refreshed{name}'
  client.get(path)
  stale = client.get(path)
  assert stale.body == f'{path} 1'.encode() and int(stale.one('age')) >= 100
  deadline = time.monotonic() + 10
  while (fresh := client.get(path)).body == stale.body:
    assert time.monotonic() < deadline
    time.sleep(0.01)
  assert fresh.body == f'{path} 2'.encode()


@pytest.mark.parametrize('server', SERVERS)
def test_a_stale_response_is_served_while_the_handler_fails(server: str) -> None:
  require(server)
  with serve(APP, FOLDER, server, logged='the shop is closed') as port, Client(port) as client:
    client.get('/failing/1')
    client.request('POST', '/close', b'')
    for _ in range(2):
      stale = client.get('/failing/1')
      assert (stale.status, stale.body) == (200, b'/failing/1 1')
      assert 'origin-error' in stale.one('cache-status')
    client.request('POST', '/open', b'')
    assert client.get('/failing/1').body == b'/failing/1 4'


# ---- Concurrent requests


def get_together(ports: List[int], path: str, count: int) -> List[bytes]:
  """Makes requests at the same time, on connections to these ports in turn."""

  async def get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(f'GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n'.encode())
    received = await reader.read()
    writer.close()
    head, _, body = received.partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.1 200'), received
    return body

  async def main() -> List[bytes]:
    return await asyncio.gather(*(get(ports[i % len(ports)]) for i in range(count)))

  return asyncio.run(main())


def test_concurrent_misses_run_the_handler_once(port: int, client: Client, name: str) -> None:
  path = f'/slow{name}'
  assert set(get_together([port], path, 20)) == {f'{path} 1'.encode()}
  assert client.runs()[path] == 1


def test_thousands_of_requests_on_keep_alive_connections(port: int, name: str) -> None:
  """Each answer belongs to its request, whatever kind it is of."""
  choice = random.Random(1)
  with contextlib.ExitStack() as stack:
    clients = [stack.enter_context(Client(port)) for _ in range(8)]
    for _ in range(2000):
      client, path = choice.choice(clients), f'/items{name}/{choice.randrange(20)}'
      kind = choice.randrange(10)
      if kind == 0:
        assert client.request('POST', path, b'new').body == b'OK'
      elif kind == 1:
        assert client.request('HEAD', path).body == b''
      elif kind == 2:
        answer = client.get(path, range='bytes=0-5')
        assert answer.body in (b'/items', client.get(path).body)
      elif kind == 3:
        tag = client.get(path).one('etag')
        assert client.get(path, if_none_match=tag).status == 304
      else:
        assert client.get(path).body.rpartition(b' ')[0] == path.encode()


# ---- Two workers and one Redis


@pytest.fixture
def pair(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tuple[int, int]]:
  """The ports of two processes with one store."""
  monkeypatch.setenv('CACHETTE_SERVED_URL', redis.url)
  monkeypatch.setenv('CACHETTE_SERVED_PREFIX', f'{uuid.uuid4()}:')
  with serve(APP, FOLDER) as one, serve(APP, FOLDER) as two:
    yield one, two


HOST = {'host': 'shop'}  # workers of one site have one name


def test_what_one_worker_stores_is_a_hit_in_the_other(pair: Tuple[int, int]) -> None:
  with Client(pair[0]) as one, Client(pair[1]) as two:
    for path in ('/items/1', '/large/1', '/stream/1'):
      miss = one.get(path, **HOST)
      one.until_hit(path, miss.body, **HOST)  # it is stored after it was sent
      two.until_hit(path, miss.body, **HOST)
      assert not miss.is_hit
      assert path not in two.runs()


def test_a_purge_reaches_the_other_worker_within_a_second(pair: Tuple[int, int]) -> None:
  wishes: List[Dict[str, Any]] = [
    {'type': 'uri', 'selectors': ['http://shop/items/1']},
    {'type': 'uri-prefix', 'selectors': ['http://shop/items/']},
    {'type': 'origin', 'selectors': ['http://shop:80']},
  ]
  with Client(pair[0]) as one, Client(pair[1]) as two:
    fields = {**HOST, 'content-type': 'application/json'}
    assert one.request('POST', '/purge', json.dumps(wishes[0]), **fields).status == 401
    for wish in wishes:
      for client in (one, two):
        client.until_hit('/items/1', client.get('/items/1', **HOST).body, **HOST)
      before = two.get('/items/1', **HOST).body
      done = one.request(
        'POST', '/purge', json.dumps(wish), authorization='Bearer secret', **fields
      )
      assert done.status == 200
      start = time.monotonic()
      while two.get('/items/1', **HOST).body == before:
        assert time.monotonic() - start < 1.5, wish
        time.sleep(0.02)


def test_a_post_to_one_worker_invalidates_in_the_other(pair: Tuple[int, int]) -> None:
  with Client(pair[0]) as one, Client(pair[1]) as two:
    body = one.get('/items/1', **HOST).body
    one.until_hit('/items/1', body, **HOST)
    two.until_hit('/items/1', body, **HOST)
    one.request('POST', '/items/1', b'new', **HOST)
    assert not two.get('/items/1', **HOST).is_hit


def test_concurrent_misses_run_the_handler_once_in_each_worker(pair: Tuple[int, int]) -> None:
  bodies = get_together([*pair], '/slow/1', 40)
  assert set(bodies) == {b'/slow/1 1'}
  with Client(pair[0]) as one, Client(pair[1]) as two:
    assert (one.runs()['/slow/1'], two.runs()['/slow/1']) == (1, 1)


def test_workers_go_on_without_their_store(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  with RedisServer() as server:
    monkeypatch.setenv('CACHETTE_SERVED_URL', server.url)
    monkeypatch.setenv('CACHETTE_SERVED_PREFIX', 'served:')
    monkeypatch.setenv('CACHETTE_SERVED_BUDGET', '0.05')
    with serve(APP, FOLDER) as port, Client(port) as client:
      client.get('/items/1')
      client.until_hit('/items/1', client.get('/items/1').body)
      server.pause()
      for _ in range(3):
        start = time.monotonic()
        assert client.get('/items/1').status == 200
        assert time.monotonic() - start < 2
      server.resume()
      server.kill()
      assert client.get('/items/1').status == 200
      server.start()
      deadline = time.monotonic() + 30
      while not client.get('/items/1').is_hit:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_workers_of_one_server_share_a_store(
  redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setenv('CACHETTE_SERVED_URL', redis.url)
  monkeypatch.setenv('CACHETTE_SERVED_PREFIX', f'{uuid.uuid4()}:')
  with serve(APP, FOLDER, 'workers') as port:
    for _ in range(3):
      with Client(port) as client:
        client.until_hit('/items/1', client.get('/items/1', **HOST).body, **HOST)
      for _ in range(20):
        with Client(port) as client:  # the kernel chooses a worker for each connection
          assert client.get('/items/1', **HOST).is_hit
      with Client(port) as client:
        client.request('POST', '/items/1', b'new', **HOST)
