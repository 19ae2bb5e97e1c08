# SPDX-License-Identifier: MIT
"""MongoDB: its library is loaded only on first use, and a hanging server blocks nothing."""

import asyncio
import pathlib
import time
from typing import Any, Iterator, Type

import pytest
from cachette import BackendError, BackendTimeout, Cachette
from conftest import linux_only, run_python
from services.mongodb import MongodServer


@pytest.fixture
def mongod() -> Iterator[MongodServer]:
  """A server for one test, which may pause and kill it."""
  with MongodServer() as server:
    yield server


def new_class(server: MongodServer, **settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'mongodb', 'mongodb_url': server.url, **settings})
  return Own


@linux_only
def test_the_library_is_loaded_on_first_use(mongodb: str) -> None:
  output = run_python(
    f"""
    import asyncio
    from cachette import Cachette

    def is_loaded():
      with open('/proc/self/maps') as maps:
        return 'libmongoc' in maps.read()

    class Memory(Cachette): pass
    class MongoDB(Cachette): pass

    Memory.load_config(lambda: {{'backend': 'inmemory'}})
    asyncio.run(Memory().fetch('key'))
    print(is_loaded())
    MongoDB.load_config(lambda: {{'backend': 'mongodb', 'mongodb_url': {mongodb!r}}})
    asyncio.run(MongoDB().put('loaded', 'value'))
    print(is_loaded(), asyncio.run(MongoDB().fetch('loaded')))
    """
  )
  assert output.split() == ['False', 'True', 'value']


def test_the_library_prints_nothing(mongodb: str) -> None:
  run_python(
    f"""
    import asyncio
    from cachette import BackendError, Cachette

    class Own(Cachette): pass

    for url in ({mongodb!r} + '/?unheardof=1', 'mongodb://127.0.0.1:1/?unheardof=1'):
      Own.load_config(lambda: {{'backend': 'mongodb', 'mongodb_url': url}})
      try:
        asyncio.run(Own().fetch('key'))
      except BackendError:
        pass
    """
  )


@pytest.mark.parametrize('url', ['mongodb://u:hunter2@h:x', 'mongodb://u:hun/ter2@h', 'http://h'])
def test_an_invalid_url_is_an_error_without_its_password(url: str) -> None:
  class Own(Cachette):
    pass

  with pytest.raises(ValueError, match='mongodb_url') as raised:
    Own.load_config(lambda: {'backend': 'mongodb', 'mongodb_url': url})
  assert 'hun' not in str(raised.value)


def test_a_hanging_server_blocks_neither_the_loop_nor_its_end(mongod: MongodServer) -> None:
  cache = new_class(mongod, timeout=2)()
  asyncio.run(new_class(mongod, timeout=20)().put('key', 'value'))

  async def main() -> float:
    await cache.put('key', 'value')
    mongod.pause()
    waiting = [asyncio.ensure_future(cache.fetch('key')) for _ in range(30)]
    max_delay, before = 0.0, time.monotonic()
    while not all(each.done() for each in waiting):
      tick = time.monotonic()
      await asyncio.sleep(0.01)
      max_delay = max(max_delay, time.monotonic() - tick)
    for each in waiting:
      with pytest.raises(BackendTimeout, match='MongoDB at 127.0.0.1'):
        await each
    assert time.monotonic() - before < 8
    last = [asyncio.ensure_future(cache.fetch('key')) for _ in range(3)]
    await asyncio.sleep(0)
    for each in last:
      each.cancel()
    return max_delay

  before = time.monotonic()
  max_delay = asyncio.run(main())
  assert time.monotonic() - before < 16
  assert max_delay < 1.5
  mongod.resume()
  assert asyncio.run(new_class(mongod, timeout=5)().fetch('key')) == 'value'


def test_a_process_exits_while_its_server_hangs(mongod: MongodServer) -> None:
  cache = new_class(mongod)()
  asyncio.run(cache.put('key', 'value'))
  mongod.pause()
  before = time.monotonic()
  output = run_python(
    f"""
    import asyncio
    from cachette import BackendError, Cachette

    class Own(Cachette): pass

    Own.load_config(lambda: {{'backend': 'mongodb', 'mongodb_url': {mongod.url!r}, 'timeout': 0.5}})

    async def main():
      try:
        await asyncio.gather(*(Own().fetch('key') for _ in range(20)))
      except BackendError:
        print('failed')

    asyncio.run(main())
    """
  )
  assert output == 'failed\n'
  assert time.monotonic() - before < 25


def test_a_killed_server_is_an_error_until_it_is_back(mongod: MongodServer) -> None:
  cache = new_class(mongod, timeout=2)()
  asyncio.run(new_class(mongod, timeout=20)().put('key', 'value'))

  async def main() -> None:
    await cache.put('key', 'value')
    mongod.kill()
    before = time.monotonic()
    with pytest.raises(BackendError, match='MongoDB at 127.0.0.1'):
      await cache.fetch('key')
    assert time.monotonic() - before < 10
    mongod.start()
    deadline = time.monotonic() + 10
    while True:
      try:
        await cache.put('key', 'again')
        break
      except BackendError:
        assert time.monotonic() < deadline
    assert await cache.fetch('key') == 'again'

  asyncio.run(main())


@linux_only
def test_servers_are_found_by_srv_records(mongod: MongodServer) -> None:
  """Runs in a process with its own name server; other names do not resolve."""
  program = f"""
    import asyncio, ctypes, subprocess, tempfile
    from cachette import Cachette
    from services.dns import A, SRV, NameServer, address, service

    with tempfile.NamedTemporaryFile('w') as file:
      file.write('nameserver 127.7.7.53')
      file.flush()
      CLONE_NEWNS = 0x20000
      assert ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0, 'this test mounts a file: run it as root'
      subprocess.run(['mount', '--make-rprivate', '/'], check=True)
      subprocess.run(['mount', '--bind', file.name, '/etc/resolv.conf'], check=True)

    class Known(Cachette): pass
    class Unknown(Cachette): pass

    TLS_IS_OFF = '.cachette.test/?tls=false'
    for cache, name in (Known, 'db'), (Unknown, 'absent'):
      url = f'mongodb+srv://{{name}}{{TLS_IS_OFF}}'
      settings = {{'backend': 'mongodb', 'mongodb_url': url, 'timeout': 10}}
      cache.load_config(lambda: settings)

    async def main():
      await Known().put('key', 'value')
      print(await Known().fetch('key'))
      try:
        await Unknown().fetch('key')
      except Exception as error:
        print(type(error).__name__, error)

    records = {{
      ('_mongodb._tcp.db.cachette.test', SRV): service('one.cachette.test', {mongod.port}),
      ('one.cachette.test', A): address('127.0.0.1'),
    }}
    with NameServer(records, '127.7.7.53'):
      asyncio.run(main())
    """
  folder = str(pathlib.Path(__file__).parent.parent)
  found, missed = run_python(program, env={'PYTHONPATH': folder}).splitlines()
  assert found == 'value'
  assert 'absent.cachette.test' in missed and missed.startswith('Backend')
