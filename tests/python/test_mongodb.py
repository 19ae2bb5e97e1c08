# SPDX-License-Identifier: MIT
"""MongoDB: its library comes only with its first use, and a server that hangs holds nothing up."""

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
  """A server of the test's own, which it may stop and kill."""
  with MongodServer() as server:
    yield server


def own(server: MongodServer, **settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'mongodb', 'mongodb_url': server.url, **settings})
  return Own


@linux_only
def test_the_library_is_loaded_by_its_first_user_alone(mongodb: str) -> None:
  told = run_python(
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
  assert told.split() == ['False', 'True', 'value']


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
def test_a_url_that_is_not_valid_is_refused_without_its_password(url: str) -> None:
  class Own(Cachette):
    pass

  with pytest.raises(ValueError, match='mongodb_url') as raised:
    Own.load_config(lambda: {'backend': 'mongodb', 'mongodb_url': url})
  assert 'hun' not in str(raised.value)


def test_a_server_that_hangs_holds_neither_the_loop_nor_its_end_up(mongod: MongodServer) -> None:
  cache = own(mongod, timeout=2)()

  async def main() -> float:
    await cache.put('key', 'value')
    mongod.pause()
    waiting = [asyncio.ensure_future(cache.fetch('key')) for _ in range(30)]
    longest, before = 0.0, time.monotonic()
    while not all(each.done() for each in waiting):
      tick = time.monotonic()
      await asyncio.sleep(0.01)
      longest = max(longest, time.monotonic() - tick)
    for each in waiting:
      with pytest.raises(BackendTimeout, match='MongoDB at 127.0.0.1'):
        await each
    assert time.monotonic() - before < 8
    last = [asyncio.ensure_future(cache.fetch('key')) for _ in range(3)]
    await asyncio.sleep(0)
    for each in last:
      each.cancel()
    return longest

  before = time.monotonic()
  longest = asyncio.run(main())
  assert time.monotonic() - before < 16
  assert longest < 1.5
  mongod.resume()
  assert asyncio.run(own(mongod, timeout=5)().fetch('key')) == 'value'


def test_a_process_ends_though_its_server_hangs(mongod: MongodServer) -> None:
  cache = own(mongod)()
  asyncio.run(cache.put('key', 'value'))
  mongod.pause()
  before = time.monotonic()
  told = run_python(
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
  assert told == 'failed\n'
  assert time.monotonic() - before < 25


def test_a_server_that_is_gone_is_told_of_and_used_when_it_is_back(mongod: MongodServer) -> None:
  cache = own(mongod, timeout=2)()

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
def test_servers_are_found_by_the_name_of_their_service(mongod: MongodServer) -> None:
  """In a process that has a name server of its own; other names are not known to it."""
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
