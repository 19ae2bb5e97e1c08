# SPDX-License-Identifier: MIT
"""The policies of routes in each framework."""

import asyncio
import inspect
import textwrap
from typing import Any, Dict, List

import pytest
from cachette.http import cache_control, cache_response, no_cache
from route_policies import Recorder, boxes, forget, get

httpx = pytest.importorskip('httpx')


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
  forget(monkeypatch)


# ---- The frameworks
#
# Each function builds an application with the same routes:
#   /async/{number}  /sync/{number}   @cache_response, on `async def` and on `def`
#   /never                            @no_cache
#   /plain                            without a policy
#   /fails/{number}                   @cache_response, and raises

decorate = cache_response(
  60, swr=30, sie=3600, tags=['items', 'item:{number}'], vary=['Accept-Language'], public=True
)


def bump(number: int) -> str:
  """The argument was converted, so the framework saw the signature of the handler."""
  assert type(number) is int
  return f'{number + 1}'


def make_fastapi() -> Any:
  fastapi = pytest.importorskip('fastapi')
  app = fastapi.FastAPI()
  Text = fastapi.responses.PlainTextResponse

  def suffix() -> str:
    return ''

  @app.get('/async/{number}', response_class=Text)
  @decorate
  async def get_async(number: int, more: str = fastapi.Depends(suffix)) -> Any:
    """Gets one."""
    return bump(number) + more

  @app.get('/sync/{number}', response_class=Text)
  @decorate
  def get_sync(number: int, more: str = fastapi.Depends(suffix)) -> Any:
    return bump(number) + more

  @app.get('/never', response_class=Text)
  @no_cache
  async def never() -> str:
    return 'never'

  @app.get('/plain', response_class=Text)
  async def plain() -> str:
    return 'plain'

  @app.get('/fails/{number}')
  @decorate
  async def fails(number: int) -> Any:
    raise fastapi.HTTPException(404)

  app.add_middleware(Recorder)
  return app


def make_starlette() -> Any:
  pytest.importorskip('starlette')
  from starlette.applications import Starlette
  from starlette.exceptions import HTTPException
  from starlette.middleware import Middleware
  from starlette.responses import PlainTextResponse
  from starlette.routing import Route

  def number_of(request: Any) -> List[str]:
    return ['items', f'item:{request.path_params["number"]}']

  decorate = cache_response(
    60, swr=30, sie=3600, tags=number_of, vary=['Accept-Language'], public=True
  )

  @decorate
  async def get_async(request: Any) -> Any:
    return PlainTextResponse(bump(request.path_params['number']))

  @decorate
  def get_sync(request: Any) -> Any:
    return PlainTextResponse(bump(request.path_params['number']))

  @no_cache
  async def never(request: Any) -> Any:
    return PlainTextResponse('never')

  async def plain(request: Any) -> Any:
    return PlainTextResponse('plain')

  @decorate
  async def fails(request: Any) -> Any:
    raise HTTPException(404)

  table = [
    Route('/async/{number:int}', get_async),
    Route('/sync/{number:int}', get_sync),
    Route('/never', never),
    Route('/plain', plain),
    Route('/fails/{number:int}', fails),
  ]
  return Starlette(routes=table, middleware=[Middleware(Recorder)])


def make_litestar() -> Any:
  litestar = pytest.importorskip('litestar')
  from litestar.middleware import DefineMiddleware
  from litestar.params import FromPath

  text = {'media_type': litestar.MediaType.TEXT}

  @litestar.get('/async/{number:int}', **text)
  @decorate
  async def get_async(number: FromPath[int]) -> str:
    """Gets one."""
    return bump(number)

  @litestar.get('/sync/{number:int}', sync_to_thread=True, **text)
  @decorate
  def get_sync(number: FromPath[int]) -> str:
    return bump(number)

  @litestar.get('/never', **text)
  @no_cache
  async def never() -> str:
    return 'never'

  @litestar.get('/plain', **text)
  async def plain() -> str:
    return 'plain'

  @litestar.get('/fails/{number:int}')
  @decorate
  async def fails(number: FromPath[int]) -> str:
    raise litestar.exceptions.NotFoundException

  return litestar.Litestar(
    [get_async, get_sync, never, plain, fails], middleware=[DefineMiddleware(Recorder)]
  )


def make_quart() -> Any:
  quart = pytest.importorskip('quart')
  app = quart.Quart(__name__)

  @app.get('/async/<int:number>')
  @decorate
  async def get_async(number: int) -> str:
    return bump(number)

  @app.get('/sync/<int:number>')
  @decorate
  def get_sync(number: int) -> str:
    return bump(number)

  @app.get('/never')
  @no_cache
  async def never() -> str:
    return 'never'

  @app.get('/plain')
  async def plain() -> str:
    return 'plain'

  @app.get('/fails/<int:number>')
  @decorate
  async def fails(number: int) -> Any:
    quart.abort(404)

  app.asgi_app = Recorder(app.asgi_app)
  return app


def make_blacksheep() -> Any:
  blacksheep = pytest.importorskip('blacksheep')
  app = blacksheep.Application(router=blacksheep.Router())

  @app.router.get('/async/{number}')
  @decorate
  async def get_async(number: int) -> Any:
    return blacksheep.text(bump(number))

  @app.router.get('/sync/{number}')
  @decorate
  def get_sync(number: int) -> Any:
    return blacksheep.text(bump(number))

  @app.router.get('/never')
  @no_cache
  async def never() -> Any:
    return blacksheep.text('never')

  @app.router.get('/plain')
  async def plain() -> Any:
    return blacksheep.text('plain')

  @app.router.get('/fails/{number}')
  @decorate
  async def fails(number: int) -> Any:
    raise blacksheep.exceptions.NotFound

  return Recorder(app)


FRAMEWORKS = {
  'fastapi': make_fastapi,
  'starlette': make_starlette,
  'litestar': make_litestar,
  'quart': make_quart,
  'blacksheep': make_blacksheep,
}

frameworks = pytest.mark.parametrize('framework', FRAMEWORKS)


@frameworks
@pytest.mark.parametrize('kind', ['async', 'sync'])
def test_the_policy_of_a_handler_reaches_the_middleware(framework: str, kind: str) -> None:
  (answer,) = get(FRAMEWORKS[framework](), f'/{kind}/41')
  assert (answer.status_code, answer.text) == (200, '42')
  (box,) = boxes
  expected = b'max-age=60, stale-while-revalidate=30, stale-if-error=3600, public'
  assert box.directives(200) == expected
  assert box.tags == [b'items', b'item:41']
  assert box.vary == ['Accept-Language']
  assert not box.no_store


@frameworks
def test_a_handler_that_must_not_be_cached(framework: str) -> None:
  (answer,) = get(FRAMEWORKS[framework](), '/never')
  assert (answer.status_code, answer.text) == (200, 'never')
  assert [each.directives(200) for each in boxes] == [b'no-store']


@frameworks
def test_a_handler_without_a_policy_leaves_the_box_empty(framework: str) -> None:
  (answer,) = get(FRAMEWORKS[framework](), '/plain')
  assert (answer.status_code, answer.text) == (200, 'plain')
  assert [each.directives(200) for each in boxes] == [b'']


@frameworks
def test_an_exception_takes_the_policy_back(framework: str) -> None:
  (answer,) = get(FRAMEWORKS[framework](), '/fails/41')
  assert answer.status_code == 404
  assert [each.directives(200) for each in boxes] == [b'']


@frameworks
def test_requests_at_the_same_time_have_boxes_of_their_own(framework: str) -> None:
  app = FRAMEWORKS[framework]()

  async def main() -> None:
    inner = app.app if isinstance(app, Recorder) else app
    if hasattr(inner, 'start'):
      await inner.start()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      paths = [f'/{"sync" if i % 2 else "async"}/{i}' for i in range(20)]
      await asyncio.gather(*(client.get(path) for path in paths))

  asyncio.run(main())
  tags = sorted(box.tags for box in boxes)
  assert tags == sorted([b'items', b'item:%d' % i] for i in range(20))


def test_openapi_of_fastapi_is_that_of_the_handler() -> None:
  path = make_fastapi().openapi()['paths']['/async/{number}']['get']
  (parameter,) = path['parameters']
  assert (parameter['name'], parameter['schema']['type']) == ('number', 'integer')
  assert (path['summary'], path['description']) == ('Get Async', 'Gets one.')


def test_openapi_of_litestar_is_that_of_the_handler() -> None:
  path = make_litestar().openapi_schema.to_schema()['paths']['/async/{number}']['get']
  (parameter,) = path['parameters']
  assert (parameter['name'], parameter['schema']['type']) == ('number', 'integer')


def test_a_module_with_annotations_as_text_can_be_decorated() -> None:
  """Frameworks evaluate such annotations in the globals of the wrapper or of the handler."""
  fastapi = pytest.importorskip('fastapi')
  names: Dict[str, Any] = {'__name__': 'own', 'cache_response': cache_response}
  code = """
    from __future__ import annotations
    Number = int
    @cache_response(60)
    async def handler(number: Number) -> Number: return number
  """
  exec(textwrap.dedent(code), names)
  handler = names['handler']
  assert handler.__globals__ is names
  assert eval(handler.__annotations__['number'], handler.__globals__) is names['Number']
  assert inspect.signature(handler).parameters['number'].annotation == 'Number'
  app = fastapi.FastAPI()
  app.get('/{number}')(handler)
  assert [each.json() for each in get(Recorder(app), '/7')] == [7]
  assert [each.directives(200) for each in boxes] == [b'max-age=60']


# ---- The dependency


def test_a_dependency_of_fastapi() -> None:
  fastapi = pytest.importorskip('fastapi')
  Depends = fastapi.Depends
  router = fastapi.APIRouter(dependencies=[Depends(cache_control(60, tags=['item:{number}']))])
  app = fastapi.FastAPI()

  @router.get('/items/{number}')
  async def item(number: int) -> int:
    return number

  @router.get('/short/{number}')
  @cache_response(5)
  async def short(number: int) -> int:
    return number

  @router.get('/never/{number}', dependencies=[Depends(cache_control(no_store=True))])
  async def never(number: int) -> int:
    return number

  app.include_router(router, prefix='/v1')
  app.add_middleware(Recorder)
  answers = get(app, '/v1/items/41', '/v1/short/1', '/v1/never/2')
  assert [each.status_code for each in answers] == [200, 200, 200]
  assert [each.directives(200) for each in boxes] == [b'max-age=60', b'max-age=5', b'no-store']
  assert [each.tags for each in boxes] == [[b'item:41'], [b'item:1'], [b'item:2']]
  for path in app.openapi()['paths'].values():
    assert [each['name'] for each in path['get']['parameters']] == ['number']


def test_a_hook_of_litestar() -> None:
  litestar = pytest.importorskip('litestar')
  from litestar.middleware import DefineMiddleware
  from litestar.params import FromPath

  hook = cache_control(60, tags=['item:{number}'])

  @litestar.get('/items/{number:int}', before_request=hook)
  async def item(number: FromPath[int]) -> int:
    return number

  @litestar.get('/guarded/{number:int}', guards=[hook])
  async def guarded(number: FromPath[int]) -> int:
    return number

  app = litestar.Litestar([item, guarded], middleware=[DefineMiddleware(Recorder)])
  answers = get(app, '/items/41', '/guarded/5')
  assert [each.text for each in answers] == ['41', '5']
  assert [each.directives(200) for each in boxes] == [b'max-age=60', b'max-age=60']
  assert [each.tags for each in boxes] == [[b'item:41'], [b'item:5']]


def test_a_hook_of_quart() -> None:
  quart = pytest.importorskip('quart')
  app = quart.Quart(__name__)
  app.before_request(cache_control(60, tags=['all']))

  @app.get('/items')
  async def items() -> str:
    return 'items'

  app.asgi_app = Recorder(app.asgi_app)
  (answer,) = get(app, '/items')
  assert answer.text == 'items'
  assert [(each.directives(200), each.tags) for each in boxes] == [(b'max-age=60', [b'all'])]
