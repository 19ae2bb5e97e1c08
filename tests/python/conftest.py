# SPDX-License-Identifier: MIT
"""Shared fixtures and helpers: the backends, and an empty cache for each test."""

import asyncio
import contextlib
import functools
import inspect
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import time
import uuid
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type

import pytest
from cachette import Cachette

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, os.path.join(ROOT, 'tests'))

from services.dynamodb import dynamodb_url, settings_of  # noqa: E402
from services.memcached import MemcachedServer  # noqa: E402
from services.mongodb import mongodb_url  # noqa: E402
from services.redis import RedisServer, ValkeyServer  # noqa: E402
from services.redis_cluster import RedisCluster  # noqa: E402
from services.redis_sentinel import RedisSentinel  # noqa: E402


def redis_settings(name: str, request: pytest.FixtureRequest) -> Dict[str, Any]:
  """The settings that select a server or several: CACHETTE_TEST_<NAME>_URL if it is set, else what
  the tests start. `redis+cluster` is REDIS_CLUSTER there."""
  fixture = name.replace('+', '_')
  url_from_env = os.environ.get(f'CACHETTE_TEST_{fixture.upper()}_URL')
  url = url_from_env or request.getfixturevalue(fixture).url
  return {f'{name.partition("+")[0]}_url': url}


def host_of(request: pytest.FixtureRequest) -> str:
  """The host of memcached: CACHETTE_TEST_MEMCACHED_HOST if it is set, else a server that the tests
  start."""
  url_from_env = os.environ.get('CACHETTE_TEST_MEMCACHED_HOST')
  host: str = url_from_env or request.getfixturevalue('memcached').host
  return host


# Redis and Valkey alone, as a cluster, and behind sentinels.
REDIS_BACKENDS = ['redis', 'valkey', 'redis+cluster', 'valkey+cluster', 'redis+sentinel']

# Each backend with its settings. Tests of the calls run on all of them, or on those in
# CACHETTE_TEST_BACKENDS. A server starts when it is first needed.
BACKENDS: Dict[str, Callable[[pytest.FixtureRequest], Dict[str, Any]]] = {
  'inmemory': lambda request: {},
  **{name: functools.partial(redis_settings, name) for name in REDIS_BACKENDS},
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
  """A Redis server that all tests share; each test has its own key prefix."""
  with RedisServer() as server:
    yield server


@pytest.fixture(scope='session')
def valkey() -> Iterator[ValkeyServer]:
  """A Valkey server that all tests share; each test has its own key prefix."""
  with ValkeyServer() as server:
    yield server


@pytest.fixture(scope='session')
def redis_cluster() -> Iterator[RedisCluster]:
  """A cluster of Redis that all tests share; each test has its own key prefix."""
  with RedisCluster('redis') as cluster:
    yield cluster


@pytest.fixture(scope='session')
def valkey_cluster() -> Iterator[RedisCluster]:
  """A cluster of Valkey that all tests share; each test has its own key prefix."""
  with RedisCluster('valkey') as cluster:
    yield cluster


@pytest.fixture(scope='session')
def redis_sentinel() -> Iterator[RedisSentinel]:
  """A Redis behind sentinels that all tests share; each test has its own key prefix."""
  with RedisSentinel('redis') as servers:
    yield servers


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
  """A Redis that a test may stop, kill or empty."""
  with RedisServer() as server:
    yield server


@pytest.fixture(scope='session')
def memcached() -> Iterator[MemcachedServer]:
  """A memcached that all tests share; each test has its own key prefix."""
  with MemcachedServer('-m', '256', '-I', '16m') as server:
    yield server


@pytest.fixture(scope='session')
def mongodb() -> Iterator[str]:
  """The URL of a MongoDB server that all tests share; each test has its own key prefix."""
  with mongodb_url() as url:
    yield url


@pytest.fixture(scope='session')
def dynamodb() -> Iterator[str]:
  """The URL of a DynamoDB that all tests share; each test has its own key prefix."""
  with dynamodb_url() as url:
    yield url


@pytest.fixture(scope='session')
def pickle_path(tmp_path_factory: pytest.TempPathFactory) -> str:
  """The path of a file that all tests share; each test has its own key prefix."""
  return str(tmp_path_factory.mktemp('file') / 'cache.db')


if sys.platform == 'darwin':
  del BACKENDS['mongodb']  # Homebrew has only version 2 of its driver

CHOSEN_BACKENDS = os.environ.get('CACHETTE_TEST_BACKENDS', ','.join(BACKENDS)).split(',')


def settings_for(name: str, request: pytest.FixtureRequest) -> Dict[str, Any]:
  """The settings for a running backend, with time-outs for a machine under load."""
  timeouts = {} if name == 'inmemory' else {'timeout': 10, 'connect_timeout': 10}
  return {'backend': name.partition('+')[0], **timeouts, **BACKENDS[name](request)}


@pytest.fixture(params=CHOSEN_BACKENDS)
def backend(request: pytest.FixtureRequest) -> Dict[str, Any]:
  """The settings for a running backend."""
  return settings_for(request.param, request)


def name_of(backend: Dict[str, Any]) -> str:
  """A text that differs between backends, for what is kept for several tests."""
  return repr(sorted(backend.items()))


# For tests of calls that complete without an event loop.
inmemory_only = pytest.mark.parametrize('backend', ['inmemory'], indirect=True)


def id_of(value: object) -> str:
  """A parameter in the name of a test: its repr, but the same in each process. So an object has no
  address, and the items of a set have an order."""
  if isinstance(value, (set, frozenset)):
    return f'{type(value).__name__}({sorted(value, key=repr)})'
  return re.sub(r' at 0x[0-9a-f]+', '', repr(value))


def expected_counter(backend: Dict[str, Any], number: int) -> int:
  """The value of a counter on this backend: memcached's counters stop at zero."""
  return max(number, 0) if backend['backend'] == 'memcached' else number


def allowed_size(backend: Dict[str, Any], size: int) -> int:
  """The size, limited to what the backend stores: a DynamoDB item has at most 400 KB."""
  return min(size, 400_000) if backend['backend'] == 'dynamodb' else size


def clear_aws_environment(monkeypatch: pytest.MonkeyPatch, home: pathlib.Path) -> None:
  """Removes the variables of AWS and of proxies, and sets the home folder."""
  for name in list(os.environ):
    if name.startswith('AWS_') or name.lower().endswith('_proxy'):
      monkeypatch.delenv(name)
  monkeypatch.setenv('HOME', str(home))
  monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')


_test_began = time.monotonic()


def pytest_runtest_call() -> None:
  global _test_began
  _test_began = time.monotonic()


class about:
  """Equal to the remaining seconds of a TTL that was set after `since`, by default in this test: a
  server's clock may tick in between, and a busy machine may take seconds for a call."""

  def __init__(self, seconds: int, since: Optional[float] = None) -> None:
    self.seconds = seconds
    passed = time.monotonic() - (_test_began if since is None else since)
    self.least = seconds - 1 - int(passed)

  def __eq__(self, left: object) -> bool:
    return type(left) is int and self.least <= left <= self.seconds

  def __repr__(self) -> str:
    return f'{self.least} to {self.seconds}'


def short_ttl(backend: Dict[str, Any]) -> Tuple[float, float]:
  """A short TTL, and how long to wait until it has expired. Memcached counts whole seconds."""
  return (1, 2.1) if backend['backend'] == 'memcached' else (0.05, 0.1)


MakeClass = Callable[..., Type[Cachette]]


@contextlib.contextmanager
def empty_classes(backend: Dict[str, Any]) -> Iterator[MakeClass]:
  """Creates classes that are empty caches on a backend, and empties them at the end."""
  classes = []

  def make_class(**settings: Any) -> Type[Cachette]:
    class Own(Cachette):
      pass

    prefix = {}
    if backend['backend'] != 'inmemory':
      prefix['key_prefix'] = f'{settings.get("memory_name", uuid.uuid4())}:'
    Own.load_config(lambda: {**backend, **prefix, **settings})
    classes.append(Own)
    return Own

  yield make_class

  async def flush() -> None:
    for cls in classes:
      await cls().flush()

  if backend['backend'] != 'inmemory':
    asyncio.run(flush())


@pytest.fixture
def make_class(backend: Dict[str, Any]) -> Iterator[MakeClass]:
  """Creates a class that is an empty cache on the backend, with additional settings."""
  with empty_classes(backend) as make_class:
    yield make_class


@pytest.fixture
def cache(make_class: MakeClass) -> Cachette:
  """An empty cache with the default codec and TTL."""
  return make_class()()


@pytest.fixture(params=['inmemory'])
def make_http_class(request: pytest.FixtureRequest) -> Iterator[MakeClass]:
  """Creates a class that is an empty cache for HTTP.

  For most tests of HTTP all stores are the same. For those with `on_stores` it matters whether a
  store answers at once, or later.
  """
  with empty_classes(settings_for(request.param, request)) as make_class:
    yield make_class


on_stores = pytest.mark.parametrize('make_http_class', ['inmemory', 'redis'], indirect=True)


@pytest.fixture
def wrap(make_http_class: MakeClass) -> Callable[..., Any]:
  """Puts a CacheMiddleware with an empty cache around an application, with options of a policy."""
  from cachette.http import CacheMiddleware, Policy
  from cachette.http._store import Store

  cls = make_http_class()
  # The first requests to an empty server are about who starts the log of purges.
  asyncio.run(Store(cls, 5).fetch('key'))

  def wrap(app: Any, **policy: Any) -> CacheMiddleware:
    policy.setdefault('store_timeout', 5)
    return CacheMiddleware(app, policy=Policy(**policy), cache=cls)

  return wrap


def run_python(
  code: str,
  *,
  python: str = sys.executable,
  env: Optional[Dict[str, str]] = None,
  timeout: float = 120,
) -> str:
  """Runs a program in a new interpreter, which must succeed without stderr output. Returns its
  stdout."""
  process = subprocess.run(
    [python, '-X', 'faulthandler', '-W', 'error::RuntimeWarning', '-c', textwrap.dedent(code)],
    capture_output=True,
    encoding='utf-8',
    errors='replace',
    env={**os.environ, 'PYTHONIOENCODING': 'utf-8', **(env or {})},
    timeout=timeout,
  )
  assert process.returncode == 0, (
    f'exit status {process.returncode}\n{process.stdout}\n{process.stderr}'
  )
  assert process.stderr == ''
  return process.stdout


class _Wrapper:
  __wrapped__ = len


def on_pythons(condition: bool, why: str) -> pytest.MarkDecorator:
  """Marks a test for some Pythons only. On the others it is deselected, so that it does not count
  as skipped."""
  return pytest.mark.on_pythons(condition, why)


# These are about codecs and Python rather than a store, so one kind of Redis is enough.
ON_ONE_REDIS = [
  *('awaitables', 'circles', 'codecs', 'conversions', 'coroutine_functions', 'frames'),
  *('get_or_set_failures', 'library_codecs', 'lifetimes', 'returns', 'times'),
]
# A handle of a cluster has several connections.
ALSO_ON_A_CLUSTER = ['lifetimes']


def _is_repetition(item: Any) -> bool:
  """Whether the test runs on another kind of Redis and would do the same on this one."""
  backend = item.callspec.params.get('backend') if hasattr(item, 'callspec') else None
  module = item.path.stem[len('test_') :]
  if backend == 'redis+cluster' and module in ALSO_ON_A_CLUSTER:
    return False
  others = [name for name in REDIS_BACKENDS if name != 'redis' and 'redis' in CHOSEN_BACKENDS]
  return backend in others and module in ON_ONE_REDIS


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
  selected, deselected = [], []
  for item in items:
    is_for_this_python = all(mark.args[0] for mark in item.iter_markers('on_pythons'))
    is_selected = is_for_this_python and not _is_repetition(item)
    (selected if is_selected else deselected).append(item)
  config.hook.pytest_deselected(items=deselected)
  items[:] = selected


unwraps_classes = on_pythons(
  inspect.unwrap(_Wrapper) is not _Wrapper,
  'inspect.unwrap() of newer ones stops at classes (CPython issue 112006), so that FastAPI builds '
  'every class in its thread pool',
)


def count_descriptors() -> int:
  """The number of open descriptors of this process."""
  return len(os.listdir('/proc/self/fd'))


linux_only = pytest.mark.skipif(
  not os.path.isdir('/proc/self/fd'), reason='descriptors are counted through /proc'
)
