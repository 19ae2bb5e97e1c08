# SPDX-License-Identifier: MIT
"""Each example of examples/asgi/ on a real server: in memory, and on a Redis server that stops and
comes back. Also the lifespan helper."""

import asyncio
import http.client
import logging
import os
import pathlib
import re
import time
from typing import Any, Dict, Set, Tuple

import pytest
from cachette import BackendUnavailable, Cachette
from conftest import ROOT, MakeClass
from servers import request, serve
from services.redis import RedisServer

EXAMPLES = os.path.join(ROOT, 'examples', 'asgi')
APPS = sorted(name[:-3] for name in os.listdir(EXAMPLES) if name.endswith('_app.py'))


def test_each_framework_has_an_example() -> None:
  assert APPS == ['blacksheep_app', 'fastapi_app', 'litestar_app', 'quart_app', 'starlette_app']


def exercise(port: int) -> None:
  assert request(port, 'GET', '/greeting') == (200, b'')
  status, body = request(port, 'DELETE', '/greeting')
  assert (status, body.strip()) == (200, b'{"cleared":0}')
  for key, path in [('greeting', '/greeting'), ('ü key', '/%C3%BC%20key'), ('a:b*', '/a:b*')]:
    status, body = request(port, 'POST', '/', {'key': key, 'value': 'grüß dich'})
    assert (status in (200, 201), body) == (True, b'OK')
    assert request(port, 'GET', path) == (200, 'grüß dich'.encode())
    status, body = request(port, 'DELETE', path)
    assert (status, body.replace(b' ', b'').strip()) == (200, b'{"cleared":1}')
    assert request(port, 'GET', path) == (200, b'')


@pytest.mark.parametrize(
  ('app', 'server'), [*((app, 'uvicorn') for app in APPS), ('quart_app', 'hypercorn')]
)
def test_the_example_works_in_memory(app: str, server: str) -> None:
  with serve(f'{app}:app', EXAMPLES, server) as port:
    exercise(port)


@pytest.mark.parametrize('app', APPS)
def test_the_example_caches_a_response(app: str) -> None:
  def get(**headers: str) -> Tuple[int, bytes, Dict[str, str]]:
    connection.request('GET', '/reports/sales', headers=headers)
    response = connection.getresponse()
    return response.status, response.read(), {k.lower(): v for k, v in response.getheaders()}

  with serve(f'{app}:app', EXAMPLES) as port:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    start = time.monotonic()
    status, body, fields = get()
    assert status == 200 and body.startswith(b'sales at ')
    assert time.monotonic() - start > 0.2 and ';stored' in fields['cache-status']
    status, again, fields = get()
    assert (status, again) == (200, body) and ';hit' in fields['cache-status']
    status, nothing, _ = get(**{'If-None-Match': fields['etag']})
    assert (status, nothing) == (304, b'')
    connection.close()


@pytest.mark.parametrize('app', APPS)
def test_the_example_works_on_redis_and_survives_its_failure(
  app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
  with RedisServer() as server:
    monkeypatch.setenv('CACHETTE_BACKEND', 'redis')
    monkeypatch.setenv('CACHETTE_REDIS_URL', server.url)
    with serve(f'{app}:app', EXAMPLES, logged='connection refused') as port:
      exercise(port)
      request(port, 'POST', '/', {'key': 'greeting', 'value': 'hello'})
      assert server.execute('get', 'greeting') == 'hello'
      assert 50 < int(server.execute('ttl', 'greeting')) <= 60
      server.kill()
      start = time.monotonic()
      assert request(port, 'GET', '/greeting')[0] == 500
      assert time.monotonic() - start < 10
      server.start()
      while request(port, 'GET', '/greeting')[0] != 200:
        assert time.monotonic() - start < 40
        time.sleep(0.02)


@pytest.mark.parametrize('app', APPS)
def test_the_example_puts_in_a_background_task(app: str, monkeypatch: pytest.MonkeyPatch) -> None:
  """A `put` that is passed to the framework runs after the response was sent."""
  with RedisServer() as server:
    monkeypatch.setenv('CACHETTE_BACKEND', 'redis')
    monkeypatch.setenv('CACHETTE_REDIS_URL', server.url)
    with serve(f'{app}:app', EXAMPLES) as port:
      for key, value in [('first', 'hello'), ('second', 'grüß dich')]:
        assert server.execute('exists', key) == '0'
        assert request(port, 'POST', '/later', {'key': key, 'value': value}) == (202, b'OK')
        deadline = time.monotonic() + 20
        while server.execute('exists', key) != '1':
          assert time.monotonic() < deadline, f'{key} was never stored'
          time.sleep(0.02)
        assert request(port, 'GET', f'/{key}') == (200, value.encode())
        assert 30 < int(server.execute('ttl', key)) <= 60


def test_the_example_on_a_file_has_its_values_after_a_restart(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setenv('CACHETTE_BACKEND', 'pickle')
  monkeypatch.setenv('CACHETTE_PICKLE_PATH', str(tmp_path / 'cache.pickle'))
  with serve('fastapi_app:app', EXAMPLES) as port:
    exercise(port)
    request(port, 'POST', '/', {'key': 'greeting', 'value': 'hello'})
  with serve('fastapi_app:app', EXAMPLES) as port:
    assert request(port, 'GET', '/greeting') == (200, b'hello')


def test_the_example_works_on_mongodb(mongodb: str, monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setenv('CACHETTE_BACKEND', 'mongodb')
  monkeypatch.setenv('CACHETTE_MONGODB_URL', mongodb)
  monkeypatch.setenv('CACHETTE_TABLE_NAME', 'examples')
  with serve('fastapi_app:app', EXAMPLES) as port:
    exercise(port)


def test_the_example_works_on_dynamodb(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> None:
  monkeypatch.setenv('CACHETTE_BACKEND', 'dynamodb')
  monkeypatch.setenv('CACHETTE_DYNAMODB_URL', dynamodb)
  monkeypatch.setenv('CACHETTE_TABLE_NAME', 'examples')
  monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'id')
  monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
  with serve('fastapi_app:app', EXAMPLES) as port:
    exercise(port)


# ---- The lifespan


def find_clients(redis: RedisServer) -> Set[str]:
  """The ids of the cache connections of a server."""
  return set(
    re.findall('^id=([0-9]+) .* name=cachette ', redis.execute('client', 'list'), re.MULTILINE)
  )


def test_a_lifespan_connects_and_closes(redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url})
  before = find_clients(redis)

  async def main() -> None:
    async with Own.lifespan(object()):
      assert len(find_clients(redis) - before) == 1
      await Own().put('lifespan', 'value')
    for _ in range(100):
      if not find_clients(redis) - before:
        break
      await asyncio.sleep(0.01)
    assert not find_clients(redis) - before
    assert await Own().fetch('lifespan') == 'value'  # opened again

  asyncio.run(main())
  assert Own.stats().hits == 1


def test_a_lifespan_on_a_dead_server_warns_and_continues(caplog: Any) -> None:
  class Dead(Cachette):
    pass

  Dead.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'})

  async def main() -> None:
    async with Dead.lifespan():
      with pytest.raises(BackendUnavailable):
        await Dead().fetch('key')

  with caplog.at_level(logging.WARNING, 'cachette'):
    asyncio.run(main())
  assert 'does not answer yet: Cannot connect to 127.0.0.1:1' in caplog.text


def test_calls_waiting_at_the_end_of_a_lifespan_raise(redis: RedisServer) -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url})

  async def main() -> None:
    try:
      async with Own.lifespan():
        redis.pause()
        late = asyncio.ensure_future(Own().fetch('late'))
        await asyncio.sleep(0.05)
    finally:
      redis.resume()
    with pytest.raises(BackendUnavailable, match='closed'):
      await late

  asyncio.run(main())


def test_in_memory_a_lifespan_does_nothing(make_class: MakeClass) -> None:
  cls = make_class()

  async def main() -> None:
    async with cls.lifespan():
      await cls().put('key', 'value')
    assert await cls().fetch('key') == 'value'

  asyncio.run(main())
