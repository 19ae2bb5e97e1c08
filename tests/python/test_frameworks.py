# SPDX-License-Identifier: MIT
"""Frameworks inject the cache and use it, and FastAPI does so without a worker thread.

Each test skips if its framework is not installed.
"""

import asyncio
import importlib.metadata
import threading
from typing import Any, Callable, Dict, Type

import pytest
from cachette import Cachette
from conftest import on_pythons, unwraps_classes

httpx = pytest.importorskip('httpx')


def fastapi_unwraps() -> bool:
  """Whether this FastAPI unwraps decorators to find coroutine functions."""
  try:
    version = importlib.metadata.version('fastapi')
  except importlib.metadata.PackageNotFoundError:
    return True
  return tuple(int(part) for part in version.split('.')[:3]) >= (0, 123, 5)


awaits_classes = on_pythons(fastapi_unwraps(), 'older releases of FastAPI do not unwrap')


class Sub(Cachette):
  """Inherits everything."""


class Other(Cachette):
  """Has a separate configuration."""


class WithInit(Cachette):
  """Has a dependency itself."""

  def __init__(self, prefix: str = 'none') -> None:
    self.prefix = prefix
    self.thread = threading.current_thread()


CLASSES = [Cachette, Sub, Other]


@pytest.fixture(autouse=True)
def _configured() -> None:
  Cachette.load_config(lambda: [])
  Other.load_config(lambda: [('codec', 'json')])


async def exercise(app: Any) -> None:
  """Puts, fetches and clears a key with requests: POST /, GET /{key}, DELETE /{key}."""
  transport = httpx.ASGITransport(app=app)
  async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
    assert (await client.get('/greeting')).text == ''
    for number in range(3):
      answer = await client.post('/', json={'key': 'greeting', 'value': f'hello {number}'})
      assert answer.status_code in (200, 201), answer.text
      assert (await client.get('/greeting')).text == f'hello {number}'
    answer = await client.delete('/greeting')
    assert (answer.status_code, answer.json()) == (200, {'cleared': 1})
    assert (await client.get('/greeting')).text == ''
    found = await asyncio.gather(*(client.get(f'/{i}') for i in range(20)))
    assert [each.text for each in found] == [''] * 20


# ---- FastAPI


def make_fastapi(cls: Type[Cachette], marker: Any) -> Any:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()
  PlainText = fastapi.responses.PlainTextResponse

  @app.post('/', response_class=PlainText)
  async def setter(payload: Dict[str, str], cachette: cls = marker) -> str:  # type: ignore[valid-type]
    await cachette.put(payload['key'], payload['value'])  # type: ignore[attr-defined]
    return 'OK'

  @app.get('/{key}', response_class=PlainText)
  async def getter(key: str, cachette: cls = marker) -> Any:  # type: ignore[valid-type]
    assert type(cachette) is cls
    return await cachette.fetch(key)  # type: ignore[attr-defined]

  @app.delete('/{key}')
  async def deleter(key: str, cachette: cls = marker) -> Dict[str, int]:  # type: ignore[valid-type]
    return {'cleared': await cachette.clear(key=key)}  # type: ignore[attr-defined]

  return app


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
  """Makes every hop to a worker thread an error."""
  anyio_to_thread = pytest.importorskip('anyio.to_thread')

  async def run_sync(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError(f'a worker thread was asked for: {args}')

  monkeypatch.setattr(anyio_to_thread, 'run_sync', run_sync)
  monkeypatch.setattr(asyncio, 'to_thread', run_sync, raising=False)


@pytest.mark.parametrize('cls', CLASSES)
def test_fastapi_injects_a_cache(cls: Type[Cachette]) -> None:
  fastapi = pytest.importorskip('fastapi')
  asyncio.run(exercise(make_fastapi(cls, fastapi.Depends())))
  asyncio.run(exercise(make_fastapi(cls, fastapi.Depends(cls))))


@unwraps_classes
@awaits_classes
@pytest.mark.parametrize('cls', CLASSES)
def test_fastapi_injects_a_cache_without_a_thread(
  monkeypatch: pytest.MonkeyPatch, cls: Type[Cachette]
) -> None:
  fastapi = pytest.importorskip('fastapi')
  app = make_fastapi(cls, fastapi.Depends())
  refuse_threads(monkeypatch)
  asyncio.run(exercise(app))


@unwraps_classes
@awaits_classes
@pytest.mark.parametrize('cls', CLASSES)
def test_fastapi_injects_a_class_named_in_depends_without_a_thread(
  monkeypatch: pytest.MonkeyPatch, cls: Type[Cachette]
) -> None:
  fastapi = pytest.importorskip('fastapi')
  refuse_threads(monkeypatch)
  asyncio.run(exercise(make_fastapi(cls, fastapi.Depends(cls))))
  asyncio.run(exercise(make_fastapi(cls, fastapi.Depends(cls, use_cache=False))))


@pytest.mark.parametrize('cls', CLASSES)
def test_fastapi_awaits_inject_on_every_python(
  monkeypatch: pytest.MonkeyPatch, cls: Type[Cachette]
) -> None:
  fastapi = pytest.importorskip('fastapi')
  refuse_threads(monkeypatch)
  asyncio.run(exercise(make_fastapi(cls, fastapi.Depends(cls.inject))))


def test_a_plain_class_is_created_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
  """The control: the tests above would detect a hop."""
  fastapi = pytest.importorskip('fastapi')

  class Plain:
    pass

  app = fastapi.FastAPI()

  @app.get('/')
  async def getter(plain: Plain = fastapi.Depends()) -> None: ...

  refuse_threads(monkeypatch)
  with pytest.raises(AssertionError, match='a worker thread was asked for'):
    asyncio.run(exercise_root(app))


async def exercise_root(app: Any) -> Any:
  transport = httpx.ASGITransport(app=app)
  async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
    return await client.get('/?prefix=here')


def test_fastapi_injects_a_subclass_with_parameters() -> None:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()

  @app.get('/')
  async def getter(cachette: WithInit = fastapi.Depends()) -> Any:
    await cachette.put('key', 'value')
    return [cachette.prefix, await cachette.fetch('key')]

  assert asyncio.run(exercise_root(app)).json() == ['here', 'value']


def test_fastapi_injects_a_subclass_that_depends_on_another_cache() -> None:
  fastapi = pytest.importorskip('fastapi')

  class Nested(Cachette):
    def __init__(self, other: Other = fastapi.Depends()) -> None:
      self.other = other

  app = fastapi.FastAPI()

  @app.get('/')
  async def getter(cachette: Nested = fastapi.Depends()) -> Any:
    await cachette.other.put('key', [1])
    return await cachette.other.fetch('key')

  assert asyncio.run(exercise_root(app)).json() == [1]


def test_fastapi_shares_one_instance_within_a_request() -> None:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()

  def dependency(cachette: Cachette = fastapi.Depends()) -> Cachette:
    return cachette

  @app.get('/')
  async def getter(
    one: Cachette = fastapi.Depends(), two: Cachette = fastapi.Depends(dependency)
  ) -> bool:
    return one is two

  assert asyncio.run(exercise_root(app)).json() is True


def test_fastapi_dependency_overrides_replace_a_cache() -> None:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()

  @app.get('/')
  async def getter(cachette: Cachette = fastapi.Depends()) -> Any:
    return await cachette.fetch('key', 'none')

  async def main() -> None:
    await Other().put('key', 'overridden')
    app.dependency_overrides[Cachette] = Other
    assert (await exercise_root(app)).json() == 'overridden'
    app.dependency_overrides[Cachette] = lambda: Other()
    assert (await exercise_root(app)).json() == 'overridden'
    app.dependency_overrides.clear()
    assert (await exercise_root(app)).json() == 'none'

  asyncio.run(main())


def test_fastapi_documents_no_parameter_for_a_cache() -> None:
  fastapi = pytest.importorskip('fastapi')
  paths = make_fastapi(Cachette, fastapi.Depends()).openapi()['paths']
  assert [each['name'] for each in paths['/{key}']['get']['parameters']] == ['key']
  assert 'parameters' not in paths['/']['post']


# ---- The others


def make_starlette(cls: Type[Cachette]) -> Any:
  applications = pytest.importorskip('starlette.applications')
  from starlette.requests import Request
  from starlette.responses import JSONResponse, PlainTextResponse, Response
  from starlette.routing import Route

  async def setter(request: Request) -> Response:
    payload = await request.json()
    await cls().put(payload['key'], payload['value'])
    return PlainTextResponse('OK')

  async def getter(request: Request) -> Response:
    return PlainTextResponse(await cls().fetch(request.path_params['key']))

  async def deleter(request: Request) -> Response:
    return JSONResponse({'cleared': await cls().clear(key=request.path_params['key'])})

  return applications.Starlette(
    routes=[
      Route('/', setter, methods=['POST']),
      Route('/{key}', getter),
      Route('/{key}', deleter, methods=['DELETE']),
    ]
  )


def make_litestar(cls: Type[Cachette]) -> Any:
  litestar = pytest.importorskip('litestar')
  from litestar.di import Provide

  async def provide() -> Any:
    return cls()

  async def setter(data: Dict[str, str], cachette: Cachette) -> str:
    await cachette.put(data['key'], data['value'])
    return 'OK'

  async def getter(key: str, cachette: Cachette) -> str:
    assert type(cachette) is cls
    return str(await cachette.fetch(key, ''))

  async def deleter(key: str, direct: Cachette) -> Dict[str, int]:
    assert type(direct) is cls
    return {'cleared': await direct.clear(key=key)}

  text = litestar.MediaType.TEXT
  return litestar.Litestar(
    [
      litestar.post('/', media_type=text)(setter),
      litestar.get('/{key:str}', media_type=text)(getter),
      litestar.delete('/{key:str}', status_code=200)(deleter),
    ],
    dependencies={
      'cachette': Provide(provide),
      'direct': Provide(cls, sync_to_thread=False),
    },
  )


def make_quart(cls: Type[Cachette]) -> Any:
  quart = pytest.importorskip('quart')
  app = quart.Quart(__name__)

  async def setter() -> str:
    payload = await quart.request.get_json()
    await cls().put(payload['key'], payload['value'])
    return 'OK'

  async def getter(key: str) -> str:
    return str(await cls().fetch(key, ''))

  async def deleter(key: str) -> Dict[str, int]:
    return {'cleared': await cls().clear(key=key)}

  app.post('/')(setter)
  app.get('/<key>')(getter)
  app.delete('/<key>')(deleter)
  return app


@pytest.mark.parametrize('cls', CLASSES)
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('make_app', [make_starlette, make_litestar, make_quart])
def test_an_application_serves_requests(
  make_app: Callable[[Any], Any], cls: Type[Cachette]
) -> None:
  asyncio.run(exercise(make_app(cls)))


@pytest.mark.parametrize('cls', CLASSES)
@pytest.mark.parametrize('lifetime', ['add_transient', 'add_scoped', 'add_singleton'])
def test_blacksheep_injects_a_cache(cls: Type[Cachette], lifetime: str) -> None:
  blacksheep = pytest.importorskip('blacksheep')
  from blacksheep.server.routing import Router
  from blacksheep.testing import TestClient

  app = blacksheep.Application(router=Router())
  getattr(app.services, lifetime)(cls)

  async def setter(payload: blacksheep.FromJSON[dict], cachette: cls) -> Any:  # type: ignore
    await cachette.put(payload.value['key'], payload.value['value'])
    return blacksheep.text('OK')

  async def getter(key: str, cachette: cls) -> Any:  # type: ignore[valid-type]
    assert type(cachette) is cls
    return blacksheep.text(await cachette.fetch(key, ''))  # type: ignore[attr-defined]

  async def deleter(key: str, cachette: cls) -> Any:  # type: ignore[valid-type]
    return blacksheep.json({'cleared': await cachette.clear(key=key)})  # type: ignore

  app.router.post('/')(setter)
  app.router.get('/{key}')(getter)
  app.router.delete('/{key}')(deleter)

  async def main() -> None:
    await app.start()
    client = TestClient(app)
    assert await (await client.get('/greeting')).text() == ''
    content = blacksheep.JSONContent({'key': 'greeting', 'value': 'hello'})
    assert await (await client.post('/', content=content)).text() == 'OK'
    assert await (await client.get('/greeting')).text() == 'hello'
    assert await (await client.delete('/greeting')).json() == {'cleared': 1}
    await app.stop()

  asyncio.run(main())


# ---- trio


def test_under_trio_a_call_that_waits_is_an_error_that_names_asyncio(cache: Cachette) -> None:
  import trio

  async def main() -> None:
    for call in (cache.fetch('key'), cache.put('key', 'value'), cache.get_or_set('key', load)):
      with pytest.raises(RuntimeError, match=r'asyncio.*trio.*Cachette\.sync'):
        await call
    await trio.to_thread.run_sync(sync.put, 'key', 'value')
    assert await trio.to_thread.run_sync(sync.fetch, 'key') == 'value'

  async def load() -> str:
    return 'computed'

  sync = type(cache).sync
  if cache._config.get('backend') == 'inmemory':  # type: ignore[attr-defined]
    trio.run(in_memory, cache)
  else:
    trio.run(main)


async def in_memory(cache: Cachette) -> None:
  """A call that needs no waiting works; one that may wait for another caller does not."""
  await cache.put('key', 'value')
  assert await cache.fetch('key') == 'value'
  assert await cache.get_or_set('key', 'other') == 'value'
  with pytest.raises(RuntimeError, match=r'asyncio.*trio.*Cachette\.sync'):
    await cache.get_or_set('absent', 'value')
