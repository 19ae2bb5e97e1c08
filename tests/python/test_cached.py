# SPDX-License-Identifier: MIT
"""The `cached` decorator: what it stores, and for which functions."""

import asyncio
import contextlib
import gc
import inspect
import pickle
import threading
import weakref
from typing import Any, List, Optional, Type

import pytest
from cachette import Cachette, CodecError, _fallbacks, _flights, cached
from cachette._flights import _threads
from conftest import MakeClass, about
from services.gate import Gate
from services.process import find_free_port


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


class Blocking:
  """The calls of a cache, each run in its own event loop."""

  def __init__(self, cls: Type[Cachette]) -> None:
    self.cls = cls

  def fetch(self, key: str, default: Any = None) -> Any:
    return run(self.cls().fetch(key, default))

  def exists(self, key: str) -> bool:
    return run(self.cls().exists(key))  # type: ignore[no-any-return]

  def put(self, key: str, value: Any, ttl: Any = None) -> None:
    run(self.cls().put(key, value, ttl))

  def clear(self, namespace: Optional[str] = None, key: Optional[str] = None) -> int:
    return run(self.cls().clear(namespace, key))  # type: ignore[no-any-return]


@pytest.fixture
def cls(make_class: MakeClass) -> Any:
  """A class that stores any object, with blocking calls if it has none itself."""
  result: Any = make_class(codec='pickle')
  if not hasattr(result, 'sync'):
    result.sync = Blocking(result)
  return result


class Local(Cachette):
  """An in-memory cache of any object."""


Local.load_config(lambda: {'codec': 'pickle'})


# ---- Coroutine functions


def test_a_coroutine_function_runs_once_for_equal_arguments(cls: Any) -> None:
  runs: List[Any] = []

  @cls.cached(ttl=60)
  async def add(a: int, b: int = 2, *, c: int = 3) -> int:
    runs.append((a, b, c))
    return a + b + c

  async def main() -> None:
    for _ in range(2):
      assert await add(1) == 6
      assert await add(1, 2) == 6
      assert await add(a=1, c=3) == 6
      assert await add(1, b=2, c=3) == 6
    assert await add(1, 3) == 7
    assert await add(1, c=4) == 7

  run(main())
  assert runs == [(1, 2, 3), (1, 3, 3), (1, 2, 4)]


def test_a_decorated_coroutine_function_has_its_name_and_signature(cls: Any) -> None:
  async def load(number: int, /, *more: int, fresh: bool = False, **others: str) -> int:
    """Loads."""
    return number

  for decorated in (cls.cached(load), cls.cached(60)(load), cls.cached(ttl=60)(load)):
    assert inspect.iscoroutinefunction(decorated) and asyncio.iscoroutinefunction(decorated)
    assert inspect.isfunction(decorated)
    assert inspect.signature(decorated) == inspect.signature(load)
    assert (decorated.__name__, decorated.__doc__) == ('load', 'Loads.')
    assert decorated.__qualname__ == load.__qualname__ and decorated.__module__ == __name__
    assert decorated.__wrapped__ is load
    assert inspect.iscoroutinefunction(decorated.invalidate)
    assert run(decorated(1, 2, fresh=True, other='x')) == 1


def test_none_is_cached(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached
  async def nothing() -> None:
    runs.append(1)

  assert run(nothing()) is None
  assert run(nothing()) is None
  assert runs == [1]


def test_the_ttl_comes_from_the_decorator_or_the_configuration(make_class: MakeClass) -> None:
  cls = make_class(codec='pickle', ttl=3600)

  @cls.cached(5)
  async def short() -> int:
    return 1

  @cls.cached()
  async def configured() -> int:
    return 2

  async def main() -> None:
    await short()
    await configured()
    assert await cls().fetch_with_ttl(short.key()) == (about(5), 1)
    assert await cls().fetch_with_ttl(configured.key()) == (about(3600), 2)

  run(main())


def test_a_thousand_concurrent_calls_run_the_function_once(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached
  async def slow(number: int) -> int:
    runs.append(number)
    await asyncio.sleep(0.05)
    return number

  async def main() -> None:
    assert await asyncio.gather(*(slow(5) for _ in range(1000))) == [5] * 1000

  run(main())
  assert runs == [5]


@pytest.mark.parametrize('call', ['cached', 'get_or_set'])
def test_a_miss_that_returns_after_the_flight_of_another_call(mongodb: str, call: str) -> None:
  """MongoDB has several connections, so the miss of one call may come after the put of another."""
  runs: List[int] = []

  async def compute(number: int) -> int:
    runs.append(number)
    return number

  async def main(gate: Gate) -> List[int]:
    class Several(Cachette):
      pass

    url = f'mongodb://127.0.0.1:{gate.port}'
    Several.load_config({'backend': 'mongodb', 'mongodb_url': url, 'codec': 'pickle'})
    load = Several.cached(key=f'{call}:{{number}}')(compute)
    if call == 'get_or_set':
      load = lambda number: Several().get_or_set(f'{call}:{number}', lambda: compute(number))  # noqa: E731
    await load(0)
    gate.hold_reply = f'{call}:5'
    late = asyncio.ensure_future(load(5))
    await asyncio.to_thread(gate.held.wait)
    gate.hold_reply = None
    values = [await load(5)]
    gate.open()
    return [*values, await late]

  with Gate('127.0.0.1', int(mongodb.rpartition(':')[2])) as gate:
    assert run(main(gate)) == [5, 5]
  assert runs == [0, 5]


def test_an_exception_is_raised_and_not_cached(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached
  async def broken() -> int:
    runs.append(1)
    raise LookupError('no such thing')

  for _ in range(2):
    with pytest.raises(LookupError, match='no such thing'):
      run(broken())
  assert runs == [1, 1]


def test_invalidate_clears_the_key_of_a_call(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached
  async def load(number: int) -> int:
    runs.append(number)
    return number

  async def main() -> None:
    await load(1)
    await load(2)
    assert await load.invalidate(number=1) == 1
    assert await load.invalidate(1) == 0
    await load(1)
    await load(2)

  run(main())
  assert runs == [1, 2, 1]


def test_a_value_computed_during_an_invalidation_is_not_stored(cls: Any) -> None:
  data = ['old']

  async def main() -> None:
    read, go = asyncio.Event(), asyncio.Event()

    @cls.cached
    async def load() -> str:
      value = data[0]
      read.set()
      await go.wait()
      return value

    first = asyncio.create_task(load())
    await read.wait()
    data[0] = 'new'
    await load.invalidate()
    second = asyncio.create_task(load())
    await asyncio.sleep(0.02)
    go.set()
    assert (await first, await second) == ('old', 'new')
    assert await load() == 'new'

  run(main())


def test_key_returns_the_key_of_the_stored_value(cls: Any) -> None:
  @cls.cached
  async def load(number: int) -> int:
    return number * 2

  assert run(load(21)) == 42
  assert run(cls().fetch(load.key(21))) == 42


def test_the_function_runs_while_the_backend_is_down() -> None:
  class Down(Cachette):
    pass

  url = f'redis://127.0.0.1:{find_free_port()}'
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})

  @Down.cached
  async def load() -> str:
    return 'value'

  assert [run(load()) for _ in range(2)] == ['value', 'value']
  assert _fallbacks.count(Down) == 2
  with pytest.raises(ConnectionError):
    run(load.invalidate())


def test_cached_of_the_package_uses_the_cache_of_the_package() -> None:
  Cachette.load_config(lambda: {'backend': 'inmemory', 'codec': 'json'})

  @cached(key='k:{number}')
  async def load(number: int) -> List[int]:
    return [number]

  assert run(load(5)) == [5]
  assert run(Cachette().fetch('k:5')) == [5]
  assert run(load.invalidate(5)) == 1


def test_a_cache_that_is_configured_after_the_decoration_is_used(make_class: MakeClass) -> None:
  class Late(Cachette):
    pass

  @Late.cached(key='key')
  async def load() -> List[int]:
    return [1]

  Late.load_config(lambda: {'codec': 'json'})
  assert run(load()) == [1]
  Late.load_config(lambda: {'codec': 'pickle'})
  assert run(load()) == [1]
  assert run(Late().flush()) == 1


def test_the_vanilla_codec_is_rejected_for_values_other_than_str(cache: Cachette) -> None:
  cls: Any = type(cache)

  @cls.cached
  async def name() -> str:
    return 'name'

  @cls.cached
  async def count() -> int:
    return 5

  assert [run(name()) for _ in range(2)] == ['name', 'name']
  with pytest.raises(
    CodecError, match=r'"vanilla" codec stores only text.* the key ".*count:\w+" is int'
  ):
    run(count())


def test_a_value_that_cannot_be_encoded_is_a_codec_error(make_class: MakeClass) -> None:
  cls: Any = make_class(codec='json')

  @cls.cached
  async def load() -> object:
    return object()

  with pytest.raises(CodecError, match='cannot encode'):
    run(load())


def test_fastapi_treats_a_decorated_function_like_the_function() -> None:
  fastapi = pytest.importorskip('fastapi')
  httpx = pytest.importorskip('httpx')
  app, runs = fastapi.FastAPI(), []

  async def get_name() -> str:
    return 'name'

  @app.get('/users/{number}')
  @Local.cached(ttl=60)
  async def read(number: int, fresh: bool = False, name: str = fastapi.Depends(get_name)) -> Any:
    runs.append(number)
    return [number, fresh, name]

  async def main() -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      for _ in range(2):
        assert (await client.get('/users/5?fresh=1')).json() == [5, True, 'name']
      assert (await client.get('/users/x')).status_code == 422

  run(main())
  assert runs == [5]


# ---- Plain functions


def test_a_decorated_plain_function_is_a_plain_function(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached(ttl=60)
  def double(number: int) -> int:
    runs.append(number)
    return number * 2

  assert not inspect.iscoroutinefunction(double)
  assert [double(2), double(number=2), double(3)] == [4, 4, 6]
  assert runs == [2, 3]
  assert double.invalidate(2) == 1
  assert double(2) == 4
  assert runs == [2, 3, 2]


def test_a_plain_function_runs_while_the_backend_is_down() -> None:
  class Down(Cachette):
    pass

  url = f'redis://127.0.0.1:{find_free_port()}'
  Down.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 0.5})
  down: Any = Down
  if not hasattr(down, 'sync'):
    down.sync = Blocking(Down)

  @down.cached
  def load() -> str:
    return 'value'

  assert [load() for _ in range(2)] == ['value', 'value']
  assert _fallbacks.count(Down) == 2
  with pytest.raises(ConnectionError):
    load.invalidate()


def test_a_plain_function_may_return_none_or_fail(cls: Any) -> None:
  runs: List[int] = []

  @cls.cached
  def nothing() -> None:
    runs.append(1)

  @cls.cached
  def broken() -> None:
    runs.append(2)
    raise LookupError

  assert nothing() is None and nothing() is None
  for _ in range(2):
    with pytest.raises(LookupError):
      broken()
  assert runs == [1, 2, 2]


def test_concurrent_threads_run_a_plain_function_once(cls: Any) -> None:
  runs: List[int] = []
  started, go = threading.Event(), threading.Event()

  @cls.cached
  def slow() -> str:
    runs.append(1)
    started.set()
    assert go.wait(20)
    return 'value'

  results: List[str] = []
  threads = [threading.Thread(target=lambda: results.append(slow())) for _ in range(20)]
  for thread in threads:
    thread.start()
  assert started.wait(20)
  go.set()
  for thread in threads:
    thread.join(60)
  assert (results, runs) == (['value'] * 20, [1])
  assert not _threads.under_way


class Resource:
  """An object that a function uses, tracked by weak references."""


def test_an_exception_of_a_plain_function_reaches_all_waiting_threads() -> None:
  sync, go, runs = Blocking(Local), threading.Event(), []
  died: List[int] = []

  def broken() -> None:
    resource = Resource()
    weakref.finalize(resource, died.append, 1)
    runs.append(1)
    assert go.wait(20)
    raise LookupError('no such thing')

  results: List[str] = []

  def call() -> None:
    try:
      _flights.compute_blocking(Local, sync, 'broken', broken, None)
    except LookupError as error:
      results.append(str(error))

  threads = [threading.Thread(target=call) for _ in range(10)]
  for thread in threads:
    thread.start()
  index = (Local._config, 'broken')
  while index not in _threads.under_way or _threads.under_way[index].waiting < 9:
    assert any(thread.is_alive() for thread in threads)
  gc.collect()
  gc.disable()
  try:
    go.set()
    for thread in threads:
      thread.join(60)
    assert (results, runs, died) == (['no such thing'] * 10, [1], [1])
  finally:
    gc.enable()


def test_a_waiting_thread_computes_when_the_computing_thread_is_interrupted() -> None:
  sync, go, runs = Blocking(Local), threading.Event(), []

  def compute() -> str:
    runs.append(1)
    if len(runs) == 1:
      assert go.wait(20)
      raise SystemExit
    return 'value'

  results: List[Any] = []

  def call() -> None:
    with contextlib.suppress(SystemExit):
      results.append(_flights.compute_blocking(Local, sync, 'stopped', compute, None))

  threads = [threading.Thread(target=call) for _ in range(5)]
  for thread in threads:
    thread.start()
  index = (Local._config, 'stopped')
  while index not in _threads.under_way or _threads.under_way[index].waiting < 4:
    assert any(thread.is_alive() for thread in threads)
  go.set()
  for thread in threads:
    thread.join(60)
  assert results == ['value'] * 4
  assert run(Local().fetch('stopped')) == 'value'


def test_a_plain_function_may_recurse_with_the_same_arguments() -> None:
  depth: List[int] = []
  sync = Blocking(Local)

  def compute() -> str:
    depth.append(1)
    if len(depth) < 3:
      return f'{_flights.compute_blocking(Local, sync, "own", compute, None)}!'
    return 'value'

  assert _flights.compute_blocking(Local, sync, 'own', compute, None) == 'value!!'


def test_a_plain_function_that_returns_a_coroutine_is_an_error(cls: Any) -> None:
  async def work() -> int:
    return 1

  @cls.cached
  def load() -> Any:
    return work()

  with pytest.raises(TypeError, match='cannot await'):
    load()


# ---- Methods


class Shop:
  """A class with decorated methods."""

  runs: List[str] = []

  def __init__(self, name: str = 'shop') -> None:
    self.name = name

  @Local.cached(exclude=('self',))
  async def price(self, article: str) -> str:
    self.runs.append(article)
    return f'{self.name} {article}'

  @Local.cached(key='{self.name}:{article}', namespace='shops')
  async def stock(self, article: str) -> str:
    return f'{self.name} {article}'

  @Local.cached
  async def without_key(self) -> int:
    return 1

  @Local.cached(exclude=('cls',))
  @classmethod
  async def count(cls, kind: str) -> str:
    return f'{cls.__name__} {kind}'

  @Local.cached
  @staticmethod
  async def double(number: int) -> int:
    return 2 * number

  @staticmethod
  @Local.cached
  async def treble(number: int) -> int:
    return 3 * number

  @classmethod
  @Local.cached(exclude=('cls',))
  async def kinds(cls, number: int) -> str:
    return f'{cls.__name__} {number}'


@pytest.fixture(autouse=True)
def _empty_local() -> None:
  run(Local().flush())
  Shop.runs.clear()


def test_self_is_part_of_the_key() -> None:
  one, two = Shop('one'), Shop('two')

  async def main() -> None:
    assert await one.stock('bread') == 'one bread'
    assert await two.stock(article='bread') == 'two bread'
    assert await Shop.stock(one, 'bread') == 'one bread'
    assert one.stock.key('bread') == Shop.stock.key(one, 'bread') == 'shops:one:bread'
    assert await two.stock.invalidate('bread') == 1
    assert await two.stock.invalidate('bread') == 0
    assert await Local().clear('shops') == 1

  run(main())


def test_an_excluded_self_is_not_part_of_the_key() -> None:
  one, two = Shop('one'), Shop('two')
  assert one.price.key('bread') == two.price.key(article='bread')
  assert run(one.price('bread')) == run(two.price('bread')) == 'one bread'
  assert Shop.runs == ['bread']


def test_a_self_without_a_key_is_an_error() -> None:
  with pytest.raises(
    TypeError, match=r'"self" of .*without_key\(\) is a Shop,.*exclude=\(.self.,\)'
  ):
    run(Shop().without_key())


def test_a_decorated_method_looks_like_a_bound_method() -> None:
  shop = Shop()
  assert inspect.iscoroutinefunction(shop.price) and inspect.iscoroutinefunction(Shop.price)
  assert inspect.iscoroutinefunction(shop.price.invalidate)
  assert inspect.iscoroutinefunction(Shop.__dict__['price'])
  assert list(inspect.signature(shop.price).parameters) == ['article']
  assert list(inspect.signature(Shop.price).parameters) == ['self', 'article']
  assert shop.price.__name__ == 'price' and shop.price.__self__ is shop
  assert shop.price == shop.price and shop.price != Shop().price
  assert hash(shop.price) == hash(shop.price)
  assert shop.price != shop.stock
  with pytest.raises(AttributeError):
    _ = shop.price.no_such_attribute
  again = pickle.loads(pickle.dumps(Shop.price))
  assert again is Shop.price


def test_a_method_does_not_keep_its_object_alive() -> None:
  shop = Shop()
  gone = weakref.ref(shop)
  run(shop.price('bread'))
  del shop
  gc.collect()
  assert gone() is None


def test_class_methods_and_static_methods_are_cached() -> None:
  class Branch(Shop):
    pass

  async def main() -> None:
    assert await Shop.count('bread') == 'Shop bread'
    assert await Branch().count('bread') == 'Shop bread'  # cls is excluded
    assert await Shop.count.invalidate('bread') == 1
    assert await Branch.count('bread') == 'Branch bread'
    assert inspect.iscoroutinefunction(Shop.count)
    for function, factor in ((Shop.double, 2), (Shop().double, 2), (Shop.treble, 3)):
      assert await function(5) == 5 * factor
      assert await function(number=5) == 5 * factor
      assert function.key(5) == function.key(number=5)
      assert inspect.iscoroutinefunction(function)
    assert await Shop.treble.invalidate(5) == 1
    assert await Shop.kinds(5) == 'Shop 5'
    assert await Branch().kinds(5) == 'Shop 5'

  run(main())


def test_inherited_methods_and_super_calls_are_cached() -> None:
  class Branch(Shop):
    @Local.cached(exclude=('self',))
    async def price(self, article: str) -> str:
      return await super().price(article) + '!'

  assert run(Branch('branch').price('bread')) == 'branch bread!'
  assert Branch.price.key(None, 'bread') != Shop.price.key(None, 'bread')
