# SPDX-License-Identifier: MIT
"""The FastAPI example serves real requests on real sockets, and loses none."""

import asyncio
import os
import time
from typing import Dict

import pytest
from conftest import ROOT
from servers import COMMANDS, Connection, request, require, serve
from services.redis import RedisServer

pytest.importorskip('fastapi')

EXAMPLES = os.path.join(ROOT, 'examples', 'asgi')
APP = 'fastapi_app:app'
REQUESTS, CONNECTIONS = 10_000, 32


@pytest.mark.parametrize('server', [each for each in COMMANDS if each != 'workers'])
def test_the_example_works_on_each_server(server: str) -> None:
  require(server)
  with serve(APP, EXAMPLES, server) as port:
    assert request(port, 'GET', '/greeting') == (200, b'')
    assert request(port, 'POST', '/', {'key': 'greeting', 'value': 'grüß dich'}) == (200, b'OK')
    assert request(port, 'GET', '/greeting') == (200, 'grüß dich'.encode())
    assert request(port, 'DELETE', '/greeting') == (200, b'{"cleared":1}')
    assert request(port, 'DELETE', '/greeting') == (200, b'{"cleared":0}')
    assert request(port, 'GET', '/greeting') == (200, b'')
    assert request(port, 'POST', '/', {'key': 'greeting'})[0] == 422


def test_a_value_expires_after_its_ttl(tmp_path: object) -> None:
  with open(os.path.join(EXAMPLES, 'fastapi_app.py'), encoding='utf-8') as example:
    code = example.read()
  assert 'ttl: int = 60' in code
  with open(f'{tmp_path}/brief.py', 'w', encoding='utf-8') as short:
    short.write(code.replace('ttl: int = 60', 'ttl: int = 1'))
  with serve('brief:app', str(tmp_path)) as port:
    start = time.monotonic()
    request(port, 'POST', '/', {'key': 'greeting', 'value': 'hello'})
    assert request(port, 'GET', '/greeting') == (200, b'hello')
    while request(port, 'GET', '/greeting') != (200, b''):
      assert time.monotonic() - start < 10
      time.sleep(0.02)
    assert time.monotonic() - start >= 0.9


def test_the_example_works_on_redis_and_survives_its_failure(
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  with RedisServer() as server:
    monkeypatch.setenv('CACHETTE_BACKEND', 'redis')
    monkeypatch.setenv('CACHETTE_REDIS_URL', server.url)
    logged = f'BackendUnavailable: Cannot connect to 127.0.0.1:{server.port}: connection refused.'
    with serve(APP, EXAMPLES, logged=logged) as port:
      assert request(port, 'POST', '/', {'key': 'greeting', 'value': 'grüß dich'}) == (200, b'OK')
      assert request(port, 'GET', '/greeting') == (200, 'grüß dich'.encode())
      assert server.execute('get', 'greeting') == 'grüß dich'
      assert 50 < int(server.execute('ttl', 'greeting')) <= 60
      server.kill()
      start = time.monotonic()
      assert request(port, 'GET', '/greeting')[0] == 500
      assert time.monotonic() - start < 10
      server.start()
      while request(port, 'GET', '/greeting')[0] != 200:
        assert time.monotonic() - start < 40
        time.sleep(0.02)


def test_ten_thousand_requests_on_32_connections_have_correct_responses() -> None:
  pytest.importorskip('uvicorn')
  each = REQUESTS // CONNECTIONS + 1
  counted = 0

  async def work(port: int, number: int) -> None:
    nonlocal counted
    model: Dict[str, str] = {}
    async with Connection(port) as connection:
      for turn in range(each if number < REQUESTS % CONNECTIONS else each - 1):
        key = f'{number}:{turn // 3 % 20}'
        if turn % 3 == 0:
          model[key] = f'value {number} {turn} ' + 'x' * (turn % 300)
          answer = await connection.request('POST', '/', {'key': key, 'value': model[key]})
          assert answer == (200, b'OK')
        elif turn % 15 == 14:
          expected = b'{"cleared":%d}' % (key in model)
          assert await connection.request('DELETE', f'/{key}') == (200, expected)
          model.pop(key, None)
        else:
          answer = await connection.request('GET', f'/{key}')
          assert answer == (200, model.get(key, '').encode())
        counted += 1

  async def main(port: int) -> None:
    await asyncio.gather(*(work(port, number) for number in range(CONNECTIONS)))

  with serve(APP, EXAMPLES) as port:
    asyncio.run(main(port))
  assert counted == REQUESTS
