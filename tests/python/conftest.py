# SPDX-License-Identifier: MIT
"""What the tests share: the backends, and a cache of its own for each test."""

import asyncio
import inspect
import os
import pathlib
import subprocess
import sys
import textwrap
import uuid
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type

import pytest
from cachette import Cachette

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, os.path.join(ROOT, 'tests'))

from services.dynamodb import dynamodb_url, settings_of  # noqa: E402
from services.memcached import MemcachedServer  # noqa: E402
from services.mongodb import mongodb_url  # noqa: E402
from services.redis import RedisServer  # noqa: E402


def url_of(name: str, request: pytest.FixtureRequest) -> str:
  """A server's URL: what CACHETTE_TEST_<NAME>_URL names, or one that the tests start."""
  named = os.environ.get(f'CACHETTE_TEST_{name.upper()}_URL')
  url: str = named or request.getfixturevalue(name).url
  return url


def host_of(request: pytest.FixtureRequest) -> str:
  """The same for memcached, by CACHETTE_TEST_MEMCACHED_HOST."""
  named = os.environ.get('CACHETTE_TEST_MEMCACHED_HOST')
  host: str = named or request.getfixturevalue('memcached').host
  return host


# Every test of the calls runs on each of these, or those that CACHETTE_TEST_BACKENDS names; a
# server is started when it is first needed.
BACKENDS: Dict[str, Callable[[pytest.FixtureRequest], Dict[str, Any]]] = {
  'inmemory': lambda request: {},
  'redis': lambda request: {'redis_url': url_of('redis', request)},
  'memcached': lambda request: {'memcached_host': host_of(request)},
  'mongodb': lambda request: {'mongodb_url': request.getfixturevalue('mongodb')},
  'dynamodb': lambda request: {
    **settings_of(request.getfixturevalue('dynamodb')),
    'consistent_read': True,
  },
  'pickle': lambda request: {
    'pickle_path': request.getfixturevalue('pickle_path'),
    'codec': 'vanilla',
  },
}


@pytest.fixture(scope='session')
def redis() -> Iterator[RedisServer]:
  """A Redis server that all tests share; each has keys of its own, by a prefix."""
  with RedisServer() as server:
    yield server


@pytest.fixture(scope='session')
def memcached() -> Iterator[MemcachedServer]:
  """A memcached that all tests share; each has keys of its own, by a prefix."""
  with MemcachedServer('-m', '256', '-I', '16m') as server:
    yield server


@pytest.fixture(scope='session')
def mongodb() -> Iterator[str]:
  """The URL of a MongoDB server that all tests share; each has keys of its own, by a prefix."""
  with mongodb_url() as url:
    yield url


@pytest.fixture(scope='session')
def dynamodb() -> Iterator[str]:
  """The URL of a DynamoDB that all tests share; each has keys of its own, by a prefix."""
  with dynamodb_url() as url:
    yield url


@pytest.fixture(scope='session')
def pickle_path(tmp_path_factory: pytest.TempPathFactory) -> str:
  """The path of a file that all tests share; each has keys of its own, by a prefix."""
  return str(tmp_path_factory.mktemp('file') / 'cache.db')


if sys.platform == 'darwin':
  del BACKENDS['mongodb']  # Homebrew has its driver in version 2 only

CHOSEN = os.environ.get('CACHETTE_TEST_BACKENDS', ','.join(BACKENDS)).split(',')


@pytest.fixture(params=CHOSEN)
def backend(request: pytest.FixtureRequest) -> Dict[str, Any]:
  """The settings that choose a backend whose server, if it has one, runs: maybe slowly."""
  patience = {} if request.param == 'inmemory' else {'timeout': 10, 'connect_timeout': 10}
  return {'backend': request.param, **patience, **BACKENDS[request.param](request)}


# For a test of calls that are answered at once, without an event loop.
at_once = pytest.mark.parametrize('backend', ['inmemory'], indirect=True)


def counted(backend: Dict[str, Any], number: int) -> int:
  """What a counter of that number is on a backend: memcached's stop at zero."""
  return max(number, 0) if backend['backend'] == 'memcached' else number


def fitting(backend: Dict[str, Any], size: int) -> int:
  """Bytes of a value, no more than the backend takes: an item of DynamoDB's has at most 400 KB."""
  return min(size, 400_000) if backend['backend'] == 'dynamodb' else size


def forget_aws(monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
  """An environment without anything of AWS's or of proxies, and with a home of the test's own."""
  for name in list(os.environ):
    if name.startswith('AWS_') or name.lower().endswith('_proxy'):
      monkeypatch.delenv(name)
  monkeypatch.setenv('HOME', str(home))
  monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')


class about:
  """The seconds left of a time to live just given: a server's clock may tick in between."""

  def __init__(self, seconds: int) -> None:
    self.seconds = seconds

  def __eq__(self, left: object) -> bool:
    return type(left) is int and self.seconds - 1 <= left <= self.seconds

  def __repr__(self) -> str:
    return f'{self.seconds} or one less'


def brief(backend: Dict[str, Any]) -> Tuple[float, float]:
  """A short time to live, and how long to wait until it is over: memcached counts whole seconds."""
  return (1, 2.1) if backend['backend'] == 'memcached' else (0.05, 0.1)


Make = Callable[..., Type[Cachette]]


@pytest.fixture
def make(backend: Dict[str, Any]) -> Iterator[Make]:
  """Makes a class that is an empty cache of its own on the backend, with further settings."""
  made = []

  def make(**settings: Any) -> Type[Cachette]:
    class Own(Cachette):
      pass

    own = {}
    if backend['backend'] != 'inmemory':
      own['key_prefix'] = f'{settings.get("memory_name", uuid.uuid4())}:'
    Own.load_config(lambda: {**backend, **own, **settings})
    made.append(Own)
    return Own

  yield make

  async def flush() -> None:
    for each in made:
      await each().flush()

  if backend['backend'] != 'inmemory':
    asyncio.run(flush())


@pytest.fixture
def cache(make: Make) -> Cachette:
  """An empty cache with the default codec and time to live."""
  return make()()


def run_python(
  code: str,
  *,
  python: str = sys.executable,
  env: Optional[Dict[str, str]] = None,
  timeout: float = 120,
) -> str:
  """What a program prints in a fresh interpreter, which must end well and quietly."""
  done = subprocess.run(
    [python, '-X', 'faulthandler', '-W', 'error::RuntimeWarning', '-c', textwrap.dedent(code)],
    capture_output=True,
    encoding='utf-8',
    errors='replace',
    env={**os.environ, 'PYTHONIOENCODING': 'utf-8', **(env or {})},
    timeout=timeout,
  )
  assert done.returncode == 0, f'exit status {done.returncode}\n{done.stdout}\n{done.stderr}'
  assert done.stderr == ''
  return done.stdout


class _Wrapper:
  __wrapped__ = len


def on_pythons(fitting: bool, why: str) -> pytest.MarkDecorator:
  """Marks a test that is for some Pythons only; on others it is none, so it is not skipped."""
  return pytest.mark.on_pythons(fitting, why)


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
  kept, left = [], []
  for item in items:
    marks = item.iter_markers('on_pythons')
    (kept if all(mark.args[0] for mark in marks) else left).append(item)
  config.hook.pytest_deselected(items=left)
  items[:] = kept


unwraps_classes = on_pythons(
  inspect.unwrap(_Wrapper) is not _Wrapper,
  'inspect.unwrap() of newer ones stops at classes (CPython issue 112006), so that FastAPI builds '
  'every class in its thread pool',
)


def count_descriptors() -> int:
  """How many descriptors this process has open."""
  return len(os.listdir('/proc/self/fd'))


linux_only = pytest.mark.skipif(
  not os.path.isdir('/proc/self/fd'), reason='descriptors are counted through /proc'
)
