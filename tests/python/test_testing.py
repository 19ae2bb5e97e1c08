# SPDX-License-Identifier: MIT
"""cachette.testing: a cache for each test, a clock that the test controls, a switch, and the
fixture."""

import asyncio
import pathlib
import subprocess
import sys
import textwrap
import threading
from typing import Any, Dict, Iterator, Type

import pytest
from cachette import BackendError, Cachette, cached
from cachette.testing import Isolation, isolated
from conftest import run_python
from services.redis import RedisServer


class Shop(Cachette):
  """The cache of an application, on a server that does not exist."""


def get_shop_config() -> Dict[str, Any]:
  return {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1', 'codec': 'json', 'ttl': 30}


Shop.load_config(get_shop_config)


@pytest.fixture
def isolation() -> Iterator[Isolation]:
  with isolated() as isolation:
    yield isolation


# ---- Isolation


def test_every_cache_is_empty_and_in_memory(isolation: Isolation) -> None:
  async def main() -> None:
    assert await Shop().fetch('key') is None
    await Shop().put('key', {'a': [1]})
    assert await Shop().fetch('key') == {'a': [1]}
    assert await Cachette().fetch('key') is None

  asyncio.run(main())
  assert Shop.sync.fetch('key') == {'a': [1]}


def test_entries_are_restored_after_isolation() -> None:
  Cachette.sync.put('key', 'before')
  for _ in range(2):
    with isolated():
      assert Cachette.sync.fetch('key') is None
      Cachette.sync.put('key', 'meanwhile')
  assert Cachette.sync.fetch('key') == 'before'
  with pytest.raises(OSError):
    Shop.sync.fetch('key')
  Cachette.sync.clear(key='key')


def test_isolation_ends_when_the_test_fails() -> None:
  with pytest.raises(LookupError), isolated():
    Cachette.sync.put('key', 'meanwhile')
    raise LookupError
  assert Cachette.sync.fetch('key') is None


def test_isolation_can_be_limited_to_classes() -> None:
  with isolated(Shop):
    Shop.sync.put('key', 1)
    Cachette.sync.put('key', 'stays')
  assert Cachette.sync.fetch('key') == 'stays'
  assert Cachette.sync.clear(key='key') == 1


def test_a_configuration_that_is_loaded_during_isolation_applies_afterwards(
  redis: RedisServer,
) -> None:
  class Own(Cachette):
    pass

  with isolated() as isolation:
    Own.load_config(lambda: {'backend': 'redis', 'redis_url': redis.url, 'ttl': 7})
    with pytest.raises(ValueError, match='redis_url'):
      Own.load_config(lambda: {'backend': 'redis'})
    Own.sync.put('isolated', 'value')
    isolation.clock.advance(6.999)
    assert Own.sync.fetch('isolated') == 'value'
    isolation.clock.advance(0.001)
    assert Own.sync.fetch('isolated') is None
    Own.sync.put('isolated', 'value', ttl=60)
  assert Own.sync.fetch('isolated') is None
  Own.sync.put('isolated', 'on the server')
  assert 'on the server' in redis.execute('GET', 'isolated')
  assert Own.sync.clear(key='isolated') == 1


def test_isolation_can_be_nested() -> None:
  class Own(Cachette):
    pass

  with isolated() as outer:
    Shop.sync.put('key', 'outer')
    with isolated() as inner:
      assert Shop.sync.fetch('key') is None
      Own.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'})
      Own.sync.put('key', 'inner')
      inner.clock.advance(1000)
    assert Shop.sync.fetch('key') == 'outer'
    assert Own.sync.fetch('key') is None
    outer.clock.advance(30)
    assert Shop.sync.fetch('key') is None
  with pytest.raises(OSError):
    Own.sync.fetch('key')


def test_a_class_with_two_parents_is_isolated_once() -> None:
  class Left(Cachette):
    pass

  class Right(Cachette):
    pass

  class Both(Left, Right):
    pass

  for cls in (Left, Right, Both):
    cls.load_config(lambda: {})
  Both.sync.put('key', 'before')
  with isolated():
    assert Both.sync.fetch('key') is None
  assert Both.sync.fetch('key') == 'before'


def test_a_class_that_inherits_its_configuration_can_be_isolated_alone() -> None:
  class Parent(Cachette):
    pass

  class Child(Parent):
    pass

  Parent.load_config(lambda: {'codec': 'json'})
  Parent.sync.put('key', 1)
  with isolated(Child):
    assert Child.sync.fetch('key') is None
    Child.sync.put('key', [2])
    assert Parent.sync.fetch('key') == 1
  assert Child.sync.fetch('key') == 1
  Parent.load_config(lambda: {'ttl': 7})
  assert Child.sync.fetch('key') is None
  for named in ((Parent, Child), (Child, Parent)):
    with isolated(*named):
      Parent.sync.put('key', 'shared')
      assert Child.sync.fetch('key') == 'shared'


def test_isolation_replaces_only_the_backend() -> None:
  class Own(Cachette):
    pass

  server = {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'}
  Own.load_config(lambda: {**server, 'secret': 'a key of sixteen or more', 'memory_limit': '1M'})
  with isolated():
    Own.sync.put('key', 'value')
    assert Own.sync.fetch('key') == 'value'
    with pytest.raises(BackendError, match='secret'):
      Own.sync.increment('counter')
    with pytest.raises(BackendError, match='quarter of "memory_limit", here 262144'):
      Own.sync.put('key', 'v' * 300_000)


def test_isolation_preserves_custom_codecs() -> None:
  class Own(Cachette):
    pass

  Own.register_codec('backwards', lambda text: text[::-1].encode(), lambda data: data.decode())
  Own.load_config(lambda: {'codec': 'backwards'})
  with isolated():
    Own.sync.put('key', 'abc')
    assert Own.sync.fetch('key') == 'cba'


def test_threads_and_their_loops_share_the_isolated_cache(isolation: Isolation) -> None:
  found = []

  async def main() -> None:
    found.append(await Shop().fetch('key'))

  Shop.sync.put('key', 'value')
  threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
  for each in threads:
    each.start()
  for each in threads:
    each.join()
  assert found == ['value'] * 4


# ---- The clock


def test_the_clock_advances_only_when_the_test_moves_it(isolation: Isolation) -> None:
  cache: Any = Shop.sync
  cache.put('default', 1)
  cache.put('short', 1, ttl=0.5)
  isolation.clock.advance(0.499)
  assert cache.fetch_many(['default', 'short']) == {'default': 1, 'short': 1}
  isolation.clock.advance(0.001)
  assert cache.fetch_many(['default', 'short']) == {'default': 1}
  assert cache.fetch_with_ttl('default') == (30, 1)
  isolation.clock.advance(20)
  assert cache.fetch_with_ttl('default') == (10, 1)
  assert cache.touch('default', 100)
  isolation.clock.advance(99)
  assert cache.exists('default')
  isolation.clock.advance(1)
  assert not cache.exists('default')
  with pytest.raises(ValueError, match='cannot go back'):
    isolation.clock.advance(-1)


def test_a_class_defined_later_has_the_same_clock(isolation: Isolation) -> None:
  isolation.clock.advance(1e6)

  class Own(Cachette):
    pass

  Own.load_config(lambda: {'ttl': 5})
  Own.sync.put('key', 'value')
  isolation.clock.advance(5)
  assert Own.sync.fetch('key') is None


def test_the_clock_applies_to_decorated_functions_and_get_or_set(isolation: Isolation) -> None:
  calls = []

  @Shop.cached(ttl=10)
  async def compute(number: int) -> int:
    calls.append(number)
    return number * 2

  async def main() -> None:
    assert [await compute(1), await compute(1)] == [2, 2] and calls == [1]
    isolation.clock.advance(10)
    assert await compute(1) == 2 and calls == [1, 1]
    with isolation.off():
      assert [await compute(1), await compute(1)] == [2, 2] and calls == [1, 1, 1, 1]
      assert await Shop().get_or_set('key', lambda: 'made') == 'made'
      assert await Shop().fetch('key') is None
    assert await compute(1) == 2 and len(calls) == 4

  asyncio.run(main())


# ---- The switch


def test_disabled_caching_stores_nothing_and_raises_nothing(isolation: Isolation) -> None:
  cache: Any = Shop.sync
  cache.put('before', 1)
  with isolation.off():
    cache.put('key', 1)
    cache.put_many({'a': 1})
    assert cache.fetch('key') is None and cache.fetch('before') is None
    assert cache.fetch_many(['key', 'a']) == {}
    assert cache.add('key', 1) and cache.add('key', 1)
    assert cache.increment('n', 5) == 5 and cache.increment('n', 5) == 5
    assert not cache.exists('key') and not cache.touch('key')
    assert cache.clear(key='key') == cache.flush() == cache.flush_expired() == 0
    cache.ping()
    with isolation.off():
      assert cache.fetch('before') is None
    assert cache.fetch('before') is None
  assert cache.fetch('before') == 1


def test_entries_are_restored_after_caching_was_disabled() -> None:
  with isolated() as outer:
    Shop.sync.put('key', 'outer')
    with isolated() as inner:
      Shop.sync.put('key', 'inner')
      with outer.off():
        assert Shop.sync.fetch('key') is None
      assert Shop.sync.fetch('key') == 'inner'
      with inner.off():
        Shop.load_config(lambda: {'codec': 'pickle'})
        assert Shop.sync.fetch('key') is None
      Shop.sync.put('key', {1, 2})
      assert Shop.sync.fetch('key') == {1, 2}
  Shop.load_config(get_shop_config)


def test_caching_can_be_disabled_in_a_configuration() -> None:
  class Own(Cachette):
    pass

  Own.load_config(lambda: {'backend': 'none', 'codec': 'json'})

  async def main() -> None:
    await Own().put('key', [1])
    assert await Own().fetch('key', 'default') == 'default'
    assert await Own().get_or_set('key', lambda: [2]) == [2]

  asyncio.run(main())
  stats = Own.stats()
  assert (stats.hits, stats.misses, stats.entries) == (0, 2, 0)


# ---- pytest

APPLICATION = """
  from cachette import Cachette
  from fastapi import Depends, FastAPI

  Cachette.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1', 'ttl': 60})
  app = FastAPI()

  @app.get('/{key}')
  async def getter(key: str, cachette: Cachette = Depends()):
    return await cachette.get_or_set(key, lambda: f'made {key}')
"""

TESTS = """
  import asyncio
  import pytest
  from cachette import Cachette
  from fastapi.testclient import TestClient
  from app import app

  client = TestClient(app)

  @pytest.mark.parametrize('turn', [1, 2])
  def test_plain(isolated_cache, turn):
    assert Cachette.stats().hits == 0
    assert client.get('/key').json() == 'made key'
    assert client.get('/key').json() == 'made key'
    assert Cachette.stats().hits == 1
    isolated_cache.clock.advance(60)
    client.get('/key')
    assert Cachette.stats().hits == 1
    with isolated_cache.off():
      assert client.get('/key').json() == 'made key'

  @pytest.mark.anyio
  async def test_awaited(isolated_cache):
    await Cachette().put('key', 'value')
    assert await Cachette().fetch('key') == 'value'

  def test_without_it():
    with pytest.raises(OSError):
      Cachette.sync.fetch('key')
"""


def test_the_fixture_works_in_a_separate_project(tmp_path: pathlib.Path) -> None:
  (tmp_path / 'app.py').write_text(textwrap.dedent(APPLICATION))
  (tmp_path / 'test_app.py').write_text(textwrap.dedent(TESTS))
  process = subprocess.run(
    [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'test_app.py'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    timeout=120,
  )
  assert process.returncode == 0, process.stdout + process.stderr
  assert 'passed' in process.stdout and 'failed' not in process.stdout


def test_the_package_does_not_import_its_testing_module() -> None:
  output = run_python(
    """
    import sys, cachette
    print([name for name in sys.modules if name.startswith(('cachette.testing', 'pytest'))])
    """
  )
  assert output == '[]\n'


def test_the_functions_match_their_types() -> None:
  cls: Type[Cachette] = Shop
  found: Dict[str, Any] = {}
  with isolated(cls) as isolation:
    assert isinstance(isolation, Isolation) and callable(cached)
    found.update(cls.sync.fetch_many(['a']))
  assert found == {}
