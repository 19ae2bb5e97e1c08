# SPDX-License-Identifier: MIT
"""The file backend: values that survive a restart, its codec, and when its library is loaded."""

import asyncio
import logging
import os
import pathlib
import pickle
from typing import Any, Type

import pytest
from cachette import BackendError, Cachette, ConfigError
from conftest import linux_only, run_python


@pytest.fixture
def path(tmp_path: pathlib.Path) -> str:
  """The path of a file that does not exist yet."""
  return str(tmp_path / 'cache.pickle')


def new_class(path: str, **settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'pickle', 'pickle_path': path, **settings})
  return Own


def test_another_process_reads_the_values(path: str) -> None:
  values = {'text': 'grüß dich', 'number': 5, 'nested': {'a': [1, 2.5, None]}, 'bytes': b'\0'}

  async def put() -> None:
    await new_class(path)().put_many(values)

  asyncio.run(put())
  messages = run_python(
    f"""
    import asyncio
    from cachette import Cachette

    Cachette.load_config(lambda: {{'backend': 'file', 'pickle_path': {path!r}}})
    print(asyncio.run(Cachette().fetch_many({list(values)!r})))
    """
  )
  assert messages == f'{values}\n'


@pytest.mark.parametrize('backend', ['pickle', 'file'])
def test_values_are_pickled_unless_the_configuration_names_a_codec(path: str, backend: str) -> None:
  async def copy(into: Type[Cachette], value: Any) -> Any:
    await into().put('key', value)
    return await into().fetch('key')

  assert asyncio.run(copy(new_class(path, backend=backend), {'a': (1, 2)})) == {'a': (1, 2)}
  assert asyncio.run(copy(new_class(path, backend=backend, codec=None), (1, 2))) == (1, 2)
  assert asyncio.run(copy(new_class(path, backend=backend, codec='json'), (1, 2))) == [1, 2]
  assert asyncio.run(copy(new_class(path, backend=backend, codec='vanilla'), 5)) == '5'


def test_a_pickle_file_of_an_earlier_release_is_not_changed(path: str) -> None:
  with open(path, 'wb') as file:
    pickle.dump({'key': ('value', 1234567890)}, file)
  before = pathlib.Path(path).read_bytes()
  with pytest.raises(BackendError, match=r'is not a cachette file and was not changed'):
    asyncio.run(new_class(path)().put('key', 'value'))
  assert pathlib.Path(path).read_bytes() == before
  assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


def test_the_file_backend_needs_a_path() -> None:
  with pytest.raises(ValueError, match='"pickle_path" cannot be null when using file as backend'):

    class Own(Cachette):
      pass

    Own.load_config(lambda: {'backend': 'file'})
  assert issubclass(ConfigError, ValueError)


@linux_only
def test_the_library_is_loaded_on_first_use(path: str) -> None:
  messages = run_python(
    f"""
    import asyncio
    from cachette import Cachette

    def is_loaded():
      with open('/proc/self/maps') as maps:
        return 'cachette-file' in maps.read()

    class Memory(Cachette): pass
    class File(Cachette): pass

    Memory.load_config(lambda: {{'backend': 'inmemory'}})
    asyncio.run(Memory().fetch('key'))
    print(is_loaded())
    File.load_config(lambda: {{'backend': 'file', 'pickle_path': {path!r}}})
    asyncio.run(File().put('key', 'value'))
    print(is_loaded(), asyncio.run(File().fetch('key')))
    """
  )
  assert messages.split() == ['False', 'True', 'value']


def test_forked_workers_share_the_file(path: str) -> None:
  messages = run_python(
    f"""
    import asyncio, os, warnings
    from cachette import Cachette

    warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside threads
    Cachette.load_config(lambda: {{'backend': 'file', 'pickle_path': {path!r}, 'timeout': 20}})

    async def count():
      for _ in range(50):
        await asyncio.gather(*(Cachette().increment('counter') for _ in range(4)))

    asyncio.run(count())
    children = []
    for _ in range(3):
      child = os.fork()
      if child == 0:
        asyncio.run(count())
        os._exit(0)
      children.append(child)
    asyncio.run(count())
    for child in children:
      assert os.waitpid(child, 0)[1] == 0
    print(asyncio.run(Cachette().increment('counter', 0)))
    """
  )
  assert messages == '1000\n'


@pytest.mark.parametrize('blocking', [False, True], ids=['awaited', 'blocking'])
def test_a_damaged_file_is_logged_once(
  path: str, blocking: bool, caplog: pytest.LogCaptureFixture
) -> None:
  new_class(path).sync.put_many({f'key:{number}': 'v' * 1000 for number in range(100)})
  with open(path, 'r+b') as file:
    file.seek(4096)
    file.write(b'\xff' * 60_000)
  cache: Any = new_class(path)
  keys = [f'key:{number}' for number in range(100)]

  async def fetch() -> None:
    for _ in range(3):
      await cache().get_or_set(keys[1], lambda: 'made')
      await cache().fetch_many(keys)

  with caplog.at_level(logging.WARNING, 'cachette'):
    if blocking:
      with pytest.raises(BackendError, match='was damaged'):
        cache.sync.fetch_many(keys)
      cache.sync.fetch_many(keys)
    else:
      asyncio.run(fetch())
  messages, *fallbacks = [each.getMessage() for each in caplog.records if each.name == 'cachette']
  assert messages.startswith(f'The file "{path}" was damaged. It was renamed')
  assert len(fallbacks) == (0 if blocking else 1)
  assert all(each.startswith('Own continues without its cache: BackendError') for each in fallbacks)
