# SPDX-License-Identifier: MIT
"""The calls count as coroutine functions, so a framework that receives one awaits its result."""

import asyncio
import copy
import functools
import gc
import inspect
import pickle
import sys
import types
import typing
import unittest.mock
import weakref
from typing import Any, Awaitable, Callable, Iterator, List

import httpx
import pytest
from cachette import Cachette
from conftest import MakeClass

CALLS = [
  *('add', 'clear', 'clear_many', 'delete', 'exists', 'fetch', 'fetch_many', 'fetch_with_ttl'),
  *('flush', 'flush_expired', 'get_or_set', 'increment', 'ping', 'put', 'put_many', 'touch'),
]


class Sub(Cachette):
  """Inherits everything."""


class Own(Cachette):
  """Overrides a call and uses the inherited one."""

  async def put(self, key: str, value: Any, ttl: Any = None) -> None:
    await super().put(key, [value], ttl)


def forms(cls: Any, name: str) -> Iterator[Any]:
  """A call in each form in which it can be passed on."""
  bound, unbound = getattr(cls(), name), getattr(cls, name)
  yield from (bound, unbound)
  yield functools.partial(unbound, cls())
  if sys.version_info >= (3, 10):  # inspect in Python 3.9 does not recognize methods in a partial
    yield functools.partial(bound)
    yield functools.partial(functools.partial(bound))
  yield types.MethodType(unbound, cls())
  yield unbound.__get__(cls())
  if sys.version_info >= (3, 13):  # from there on inspect unwraps partials
    yield functools.partialmethod(unbound)


def test_the_list_of_calls_is_complete() -> None:
  names = [name for name in dir(Cachette) if not name.startswith('_')]
  found = [name for name in names if inspect.iscoroutinefunction(getattr(Cachette, name))]
  assert found == sorted([*CALLS, 'inject'])


@pytest.mark.filterwarnings(
  'ignore::DeprecationWarning'
)  # asyncio.iscoroutinefunction is deprecated from Python 3.14 on
@pytest.mark.parametrize('cls', [Cachette, Sub, Own])
@pytest.mark.parametrize('name', CALLS)
def test_each_call_is_a_coroutine_function(cls: Any, name: str) -> None:
  for form in forms(cls, name):
    assert inspect.iscoroutinefunction(form), form
    assert asyncio.iscoroutinefunction(form), form
    assert not inspect.isasyncgenfunction(form) and not inspect.isgeneratorfunction(form)


@pytest.mark.parametrize('name', CALLS)
def test_blocking_calls_are_not_coroutine_functions(name: str) -> None:
  for form in (getattr(Cachette.sync, name), getattr(type(Cachette.sync), name)):
    assert not inspect.iscoroutinefunction(form)
    assert inspect.isroutine(form) and callable(form)


@pytest.mark.parametrize('name', CALLS)
def test_each_call_has_the_attributes_of_a_function(name: str) -> None:
  unbound, bound = getattr(Cachette, name), getattr(Cachette(), name)
  assert inspect.isfunction(unbound) and inspect.ismethod(bound)
  assert bound.__func__ is unbound and getattr(Sub, name) is unbound
  assert (unbound.__name__, unbound.__qualname__) == (name, f'Cachette.{name}')
  assert (unbound.__module__, bound.__module__) == ('cachette', 'cachette')
  assert repr(unbound).startswith(f'<function Cachette.{name} at ')
  assert pickle.loads(pickle.dumps(unbound)) is unbound
  assert copy.copy(unbound) is copy.deepcopy(unbound) is unbound
  assert weakref.ref(unbound)() is unbound
  assert weakref.WeakMethod(bound)() == bound
  assert inspect.unwrap(unbound) is unbound
  assert inspect.getfile(unbound).endswith('_core.py')
  assert f'async def {name}(' in inspect.getsource(unbound)
  assert 'return' in typing.get_type_hints(unbound)

  @functools.wraps(unbound)
  def wrapper() -> None: ...

  assert inspect.signature(wrapper) == inspect.signature(unbound)


def test_function_objects_of_the_extension_cannot_be_created_or_changed() -> None:
  kind: Any = type(Cachette.fetch)
  for make in (kind, lambda: kind.__new__(kind), lambda: type('Sub', (kind,), {})):
    with pytest.raises(TypeError):
      make()
  with pytest.raises(AttributeError):
    Cachette.fetch.name = 'other'  # type: ignore[attr-defined]
  with pytest.raises(AttributeError):
    Cachette.fetch.no_such_attribute  # type: ignore[attr-defined]
  from cachette import _cachette

  for wrap in (_cachette.call, _cachette.blocking_call):
    with pytest.raises(TypeError):
      wrap(len)
    with pytest.raises(ValueError, match='there is no call'):
      wrap(make_nothing)


def make_nothing() -> None: ...


@pytest.mark.parametrize('name', CALLS)
def test_a_call_on_the_class_is_an_error_that_explains_the_instance(name: str) -> None:
  for args in ((), ('key',), (Sub, 'key'), (5,)):
    with pytest.raises(TypeError, match=rf'called on the class.*Cachette\(\)\.{name}\('):
      getattr(Cachette, name)(*args)
  if name != 'get_or_set':
    with pytest.raises(TypeError, match=rf'Cachette\.sync\.{name}\('):
      getattr(type(Cachette.sync), name)('key')


def test_a_call_on_the_class_accepts_an_instance(make_class: MakeClass) -> None:
  cls = make_class()

  async def main() -> None:
    await Cachette.put(cls(), 'key', 'value')
    assert await Cachette.fetch(cls(), 'key') == 'value'

  asyncio.run(main())


def test_a_subclass_may_override_a_call_and_use_it() -> None:
  Own.load_config(lambda: {'codec': 'json'})

  async def main() -> None:
    await Own().put('key', 'value')
    assert await Own().fetch('key') == ['value']

  asyncio.run(main())


def test_calls_can_be_specs_of_mocks() -> None:
  for mock in (
    unittest.mock.create_autospec(Cachette, instance=True),
    unittest.mock.create_autospec(Cachette()),
    unittest.mock.AsyncMock(spec=Cachette),
    unittest.mock.AsyncMock(spec_set=Sub()),
    unittest.mock.MagicMock(spec=Cachette),
  ):
    for name in CALLS:
      found = getattr(mock, name)
      assert isinstance(found, unittest.mock.AsyncMock) or inspect.iscoroutinefunction(found), name
    mock.fetch.return_value = 'value'
    assert asyncio.run(mock.fetch('key')) == 'value'
    mock.fetch.assert_awaited_once_with('key')


def test_a_bound_call_releases_its_references() -> None:
  cache = Sub()
  gone = weakref.ref(cache)
  bound = cache.fetch
  del cache
  assert gone() is not None
  del bound
  gc.collect()
  assert gone() is None


# ---- Frameworks and libraries that receive a call


async def request(app: Any, path: str = '/') -> Any:
  transport = httpx.ASGITransport(app=app)
  async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
    answer = await client.get(path)
  assert answer.status_code == 200, answer.text
  return answer


async def stored(cache: Cachette, key: str = 'key') -> Any:
  """Returns the stored value, waiting up to a time that is long enough for any task."""
  for _ in range(1000):
    found = await cache.fetch(key)
    if found is not None:
      return found
    await asyncio.sleep(0.01)
  return None


def test_starlette_runs_a_call_in_the_background(cache: Cachette) -> None:
  from starlette.applications import Starlette
  from starlette.background import BackgroundTask, BackgroundTasks
  from starlette.responses import PlainTextResponse
  from starlette.routing import Route

  async def one(_: Any) -> PlainTextResponse:
    return PlainTextResponse('', background=BackgroundTask(cache.put, 'key', 'value', ttl=60))

  async def many(_: Any) -> PlainTextResponse:
    tasks = BackgroundTasks()
    tasks.add_task(functools.partial(cache.put, 'a', 'first'))
    tasks.add_task(type(cache).put, cache, 'b', 'second')
    return PlainTextResponse('', background=tasks)

  app = Starlette(routes=[Route('/', one), Route('/many', many)])

  async def main() -> None:
    await request(app)
    assert await cache.fetch('key') == 'value'
    await request(app, '/many')
    assert await cache.fetch_many(['a', 'b']) == {'a': 'first', 'b': 'second'}

  asyncio.run(main())


def test_fastapi_accepts_a_call_as_task_dependency_and_endpoint(cache: Cachette) -> None:
  import fastapi

  app = fastapi.FastAPI()

  @app.get('/', dependencies=[fastapi.Depends(cache.ping)])
  async def one(tasks: fastapi.BackgroundTasks) -> None:
    tasks.add_task(cache.put, 'key', 'value')

  @app.get('/depends')
  async def depends(found: Any = fastapi.Depends(cache.fetch)) -> Any:
    return found

  app.add_api_route('/ping', cache.ping)
  app.get('/fetch')(cache.fetch)

  async def main() -> None:
    await request(app)
    assert await cache.fetch('key') == 'value'
    assert (await request(app, '/ping')).json() is None
    assert (await request(app, '/fetch?key=key')).json() == 'value'
    assert (await request(app, '/depends?key=key')).json() == 'value'

  asyncio.run(main())


def test_litestar_runs_a_call_in_the_background(cache: Cachette) -> None:
  import litestar
  from litestar.background_tasks import BackgroundTask

  @litestar.get('/')
  async def one() -> litestar.Response[str]:
    return litestar.Response('', background=BackgroundTask(cache.put, 'key', 'value', ttl=60))

  async def main() -> None:
    await request(litestar.Litestar([one], openapi_config=None))
    assert await stored(cache) == 'value'

  asyncio.run(main())


def test_quart_runs_a_call_in_the_background(cache: Cachette) -> None:
  import quart

  app = quart.Quart('app')

  @app.get('/')
  async def one() -> str:
    app.add_background_task(cache.put, 'key', 'value', ttl=60)
    return ''

  async def main() -> None:
    await request(app)
    assert await stored(cache) == 'value'

  asyncio.run(main())


def test_a_scheduler_awaits_a_call(cache: Cachette) -> None:
  from apscheduler.schedulers.asyncio import AsyncIOScheduler

  async def main() -> None:
    scheduler = AsyncIOScheduler()
    scheduler.start()
    scheduler.add_job(cache.put, args=('key', 'value'))
    assert await stored(cache) == 'value'
    scheduler.shutdown()

  asyncio.run(main())


def test_asgiref_refuses_to_run_a_call_in_a_thread(cache: Cachette) -> None:
  from asgiref.sync import async_to_sync, sync_to_async

  with pytest.raises(TypeError, match='sync functions'):
    sync_to_async(cache.put)
  async_to_sync(cache.put)('key', 'value')
  assert async_to_sync(cache.fetch)('key') == 'value'


def test_decorators_that_check_for_coroutine_functions_await_a_call(make_class: MakeClass) -> None:
  """Retries, metrics and other decorators wrap a coroutine function differently from a function."""

  def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
      raise AssertionError('taken for a plain function')

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
      found.append(function.__name__)
      return await function(*args, **kwargs)

    return wrapper

  found: List[str] = []
  own = make_class()

  async def main() -> None:
    put: Callable[..., Awaitable[None]] = counted(own().put)
    await put('key', 'value')
    assert await counted(own.fetch)(own(), 'key') == 'value'

  asyncio.run(main())
  assert found == ['put', 'fetch']
