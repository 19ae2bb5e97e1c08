# SPDX-License-Identifier: MIT
"""Annotations of decorated functions evaluate as they do without the decorator, also as strings.

The import below makes all annotations of this file strings. Frameworks evaluate them in the globals
of the function that they receive, and some in those of the function that it wraps.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import sys
import types
import typing
from typing import Any, Callable, Dict, List, Optional

import pytest
from cachette import Cachette

httpx = pytest.importorskip('httpx')

# The annotations below use these names, so they must be globals of this module.
fastapi: Any = pytest.importorskip('fastapi')
pydantic = pytest.importorskip('pydantic')
starlette_requests = pytest.importorskip('starlette.requests')
Request = starlette_requests.Request


class Local(Cachette):
  """An in-memory cache of any object."""


@pytest.fixture(autouse=True)
def _empty_local() -> None:
  Local.load_config(lambda: {'codec': 'pickle'})


class Colour(enum.Enum):
  RED = 'red'


class Item(pydantic.BaseModel):  # type: ignore[name-defined,misc]
  """A request body and a response."""

  name: str
  size: int = 1


@dataclasses.dataclass
class Order:
  """The same for frameworks without pydantic."""

  name: str
  size: int = 1


# ---- Without a framework


def plain(number: int, colour: Optional[Colour] = None, *, item: Item) -> Item:
  return item


async def coroutine(number: int, colour: Optional[Colour] = None, *, item: Item) -> Item:
  return item


def with_odd_names(type: int, plain: Colour, compute: Item = Item(name='default')) -> List[Item]:
  return [compute]


class Shop:
  """Decorated and plain methods."""

  async def price(self, article: Item, colour: Colour) -> Order:
    return Order(article.name)

  kept_price = Local.cached(exclude=('self',))(price)

  @Local.cached(exclude=('self',))
  async def in_body(self, article: Item, colour: Colour) -> Order:
    return Order(article.name)

  def title(self, article: Item) -> Order:
    return Order(article.name)

  kept_title = Local.cached(exclude=('self',))(title)

  @Local.cached
  @staticmethod
  async def double(item: Item) -> Item:
    return item

  @Local.cached(exclude=('cls',))
  @classmethod
  async def count(cls, item: Item) -> Item:
    return item


SHOP = Shop()


def evaluate_like_old_fastapi(call: Any) -> Dict[str, Any]:
  """Returns the parameter annotations, evaluated in the globals of the callable itself."""
  names = getattr(call, '__globals__', {})
  found = {}
  for name, parameter in inspect.signature(call).parameters.items():
    found[name] = eval(parameter.annotation, names)
  return found


PAIRS: List[Any] = [
  (plain, Local.cached(plain)),
  (plain, Local.cached(ttl=5)(plain)),
  (plain, Local.cached(key='{number}')(plain)),
  (plain, Local.cached(key=lambda *_, **__: 'key', namespace='names')(plain)),
  (coroutine, Local.cached(coroutine)),
  (coroutine, Local.cached(key='{number}', exclude=('item',))(coroutine)),
  (coroutine, Local.cached(Local.cached(coroutine))),
  (with_odd_names, Local.cached(with_odd_names)),
  (Shop.price, Shop.in_body),
  (SHOP.price, SHOP.in_body),
  (SHOP.price, types.MethodType(Shop.kept_price, SHOP)),
  (SHOP.title, types.MethodType(Shop.kept_title, SHOP)),
]


@pytest.mark.parametrize(('bare', 'decorated'), PAIRS, ids=lambda each: type(each).__name__)
def test_annotations_evaluate_as_on_the_undecorated_function(bare: Any, decorated: Any) -> None:
  expected = {name: kind for name, kind in typing.get_type_hints(bare).items() if name != 'self'}
  assert typing.get_type_hints(decorated) == typing.get_type_hints(bare)
  annotations = {name: kind for name, kind in expected.items() if name != 'return'}
  found = {
    name: kind
    for name, kind in zip(inspect.signature(bare).parameters, evaluate_all(decorated))
    if name != 'self'
  }
  assert found == annotations
  assert decorated.__globals__ is bare.__globals__
  assert decorated.__annotations__ == bare.__annotations__
  if sys.version_info >= (3, 10):
    assert inspect.signature(decorated, eval_str=True) == inspect.signature(bare, eval_str=True)


def evaluate_all(call: Any) -> List[Any]:
  parameters = inspect.signature(call).parameters
  names = call.__globals__
  return [
    None if parameter.annotation is parameter.empty else eval(parameter.annotation, names)
    for parameter in parameters.values()
  ]


@pytest.mark.parametrize('call', [Shop.double, SHOP.double, Shop.count, SHOP.count])
def test_annotations_of_static_and_class_methods_evaluate(call: Any) -> None:
  assert evaluate_like_old_fastapi(call) == {'item': Item}
  hints = typing.get_type_hints(call)
  assert (hints['item'], hints['return']) == (Item, Item)


def test_nothing_is_added_to_the_globals_of_a_function() -> None:
  module = types.ModuleType('an_application')
  module.__dict__['cached'] = Local.cached
  exec('async def load(number: int = 3) -> str: return str(number)', module.__dict__)
  before = dict(module.__dict__)
  decorated = module.__dict__['cached'](module.__dict__['load'])
  assert asyncio.run(decorated()) == asyncio.run(decorated(3)) == '3'
  assert decorated.key() == decorated.key(number=3)
  assert module.__dict__ == before


def test_a_function_with_empty_globals_can_be_decorated() -> None:
  code = (lambda number: str(number)).__code__
  names: Dict[str, Any] = {'__name__': 'bare', '__builtins__': {'str': str}}
  function = types.FunctionType(code, names, 'load')
  decorated = Local.cached(function)
  assert (decorated(5), decorated.key(5)) == ('5', decorated.key(number=5))
  assert set(names) == {'__name__', '__builtins__'}


def test_a_decorated_function_reads_current_globals() -> None:
  module = types.ModuleType('another')
  exec('rate = 2\nasync def load(number): return number * rate', module.__dict__)
  decorated = Local.cached(module.__dict__['load'])
  assert asyncio.run(decorated(2)) == 4
  module.__dict__['rate'] = 3
  assert asyncio.run(decorated(4)) == 12


def test_globals_do_not_shadow_names_of_the_decorator() -> None:
  module = types.ModuleType('odd')
  names = ['type', 'partial', 'tuple', '_cachette_key', '_cachette_type', '_cachette_fetch', 'call']
  exec('\n'.join(f'{name} = None' for name in names), module.__dict__)
  exec('async def load(type, partial=1): return type', module.__dict__)
  exec('def wait(type, partial=1): return type', module.__dict__)
  assert asyncio.run(Local.cached(module.__dict__['load'])(7)) == 7
  assert Local.cached(module.__dict__['wait'])(7) == 7


# ---- FastAPI


async def find_user(number: int, colour: Optional[Colour] = None) -> Dict[str, Any]:
  return {'number': number, 'colour': colour and colour.name}


async def get_user_agent(request: Request) -> str:
  return f'agent {request.headers["user-agent"]}'


async def make_item(item: Item, cachette: Local) -> Item:
  await cachette.put('made', item)
  return item


class Controller:
  @Local.cached(exclude=('self',))
  async def show(self, number: int, colour: Colour) -> Item:
    return Item(name=f'shown {colour.name}', size=number)

  @Local.cached(exclude=('self',))
  def show_plain(self, number: int, colour: Colour) -> Item:
    return Item(name=f'plain {colour.name}', size=number)

  @Local.cached
  @staticmethod
  async def show_static(number: int) -> Item:
    return Item(name='static', size=number)


def make_fastapi() -> Any:
  app = fastapi.FastAPI()
  app.get('/bare/{number}')(find_user)
  app.get('/users/{number}')(Local.cached(find_user))
  app.get('/timed/{number}')(Local.cached(ttl=5)(find_user))
  app.get('/agent')(Local.cached(key='agent', exclude=())(get_user_agent))

  @app.get('/plain/{number}')
  @Local.cached
  def find_undecorated(number: int, colour: Optional[Colour] = None) -> Dict[str, Any]:
    return {'number': number, 'colour': colour and colour.name}

  @app.post('/items')
  @Local.cached(exclude=('cachette',))
  async def make(item: Item, cachette: Local = fastapi.Depends()) -> Item:
    return await make_item(item, cachette)

  @Local.cached(exclude=('request',))
  async def current_user(request: Request, number: int) -> Order:
    return Order('user', number)

  @app.get('/orders')
  async def order(user: Order = fastapi.Depends(current_user)) -> int:
    return user.size

  controller = Controller()
  app.get('/show/{number}')(controller.show)
  app.get('/show_plain/{number}')(controller.show_plain)
  app.get('/show_static/{number}')(controller.show_static)
  return app


async def request(app: Any, method: str, path: str, **how: Any) -> Any:
  transport = httpx.ASGITransport(app=app)
  async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
    answer = await client.request(method, path, headers={'user-agent': 'me'}, **how)
    assert answer.status_code in (200, 201), (path, answer.text)
    return answer.json() if 'json' in answer.headers['content-type'] else answer.text


FASTAPI: List[Any] = [
  ('GET', '/bare/5?colour=red', {'number': 5, 'colour': 'RED'}),
  ('GET', '/users/5?colour=red', {'number': 5, 'colour': 'RED'}),
  ('GET', '/users/5', {'number': 5, 'colour': None}),
  ('GET', '/timed/5?colour=red', {'number': 5, 'colour': 'RED'}),
  ('GET', '/plain/5?colour=red', {'number': 5, 'colour': 'RED'}),
  ('GET', '/agent', 'agent me'),
  ('GET', '/orders?number=7', 7),
  ('GET', '/show/5?colour=red', {'name': 'shown RED', 'size': 5}),
  ('GET', '/show_plain/5?colour=red', {'name': 'plain RED', 'size': 5}),
  ('GET', '/show_static/5', {'name': 'static', 'size': 5}),
]


@pytest.mark.parametrize(('method', 'path', 'answer'), FASTAPI, ids=lambda each: str(each))
def test_fastapi_serves_decorated_functions(method: str, path: str, answer: Any) -> None:
  app = make_fastapi()
  for _ in range(2):
    assert asyncio.run(request(app, method, path)) == answer


def test_fastapi_parses_the_body_for_a_decorated_function() -> None:
  app = make_fastapi()
  for _ in range(2):
    created = asyncio.run(request(app, 'POST', '/items', json={'name': 'bread'}))
    assert created == {'name': 'bread', 'size': 1}
  assert asyncio.run(Local().fetch('made')) == Item(name='bread')


def test_fastapi_rejects_a_value_that_does_not_match_the_annotation() -> None:
  app = make_fastapi()
  transport = httpx.ASGITransport(app=app)

  async def main() -> None:
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      assert (await client.get('/users/five')).status_code == 422
      assert (await client.get('/users/5?colour=none')).status_code == 422
      assert (await client.post('/items', json={'size': 1})).status_code == 422

  asyncio.run(main())


def test_fastapi_documents_a_decorated_function_like_a_plain_one() -> None:
  paths = make_fastapi().openapi()['paths']

  def parameters(path: str) -> Any:
    return paths[path]['get']['parameters']

  bare = parameters('/bare/{number}')
  assert [each['name'] for each in bare] == ['number', 'colour']
  assert parameters('/users/{number}') == parameters('/timed/{number}') == bare
  schema = paths['/items']['post']['responses']['200']['content']['application/json']['schema']
  assert schema['$ref'].endswith('/Item')


# ---- The others

# Old releases of Litestar have no other way to declare parameters; new ones warn about it.
inferred = pytest.mark.filterwarnings('ignore:.*(nferred|body marker)')


async def echo(request: Request) -> Any:
  return starlette_responses().PlainTextResponse(f'hello {request.path_params["name"]}')


def starlette_responses() -> Any:
  return pytest.importorskip('starlette.responses')


def test_starlette_serves_decorated_functions() -> None:
  applications = pytest.importorskip('starlette.applications')
  routing = pytest.importorskip('starlette.routing')
  runs: List[str] = []

  @Local.cached(key=lambda request: request.url.path)
  async def greet(request: Request) -> Any:
    runs.append(request.url.path)
    return await echo(request)

  app = applications.Starlette(routes=[routing.Route('/{name}', greet)])
  for _ in range(2):
    assert asyncio.run(request(app, 'GET', '/you')) == 'hello you'
  assert runs == ['/you']


@inferred
def test_litestar_serves_decorated_functions() -> None:
  litestar = pytest.importorskip('litestar')
  di = pytest.importorskip('litestar.di')

  @Local.cached
  async def provide_order(number: int) -> Order:
    return Order('order', number)

  @Local.cached
  async def find(number: int, colour: Optional[Colour] = None) -> Dict[str, Any]:
    return {'number': number, 'colour': colour and colour.name}

  @Local.cached
  def find_undecorated(number: int, colour: Optional[Colour] = None) -> Dict[str, Any]:
    return {'number': number, 'colour': colour and colour.name}

  @Local.cached
  async def make(data: Order) -> Order:
    return data

  @Local.cached
  async def order(found: Order) -> int:
    return found.size

  app = litestar.Litestar(
    [
      litestar.get('/users/{number:int}')(find),
      litestar.get('/plain/{number:int}', sync_to_thread=True)(find_undecorated),
      litestar.post('/orders')(make),
      litestar.get('/orders', dependencies={'found': di.Provide(provide_order)})(order),
    ]
  )
  for _ in range(2):
    expected = {'number': 5, 'colour': 'RED'}
    assert asyncio.run(request(app, 'GET', '/users/5?colour=red')) == expected
    assert asyncio.run(request(app, 'GET', '/plain/5?colour=red')) == expected
    created = asyncio.run(request(app, 'POST', '/orders', json={'name': 'bread', 'size': 2}))
    assert created == {'name': 'bread', 'size': 2}
    assert asyncio.run(request(app, 'GET', '/orders?number=7')) == 7


@inferred
def test_litestar_injects_a_cache() -> None:
  litestar = pytest.importorskip('litestar')
  di = pytest.importorskip('litestar.di')

  @litestar.get('/')  # type: ignore[untyped-decorator,unused-ignore]
  async def getter(cachette: Any) -> str:
    assert type(cachette) is Local
    return str(await cachette.fetch('key', 'none'))

  app = litestar.Litestar([getter], dependencies={'cachette': di.Provide(Local.inject)})
  assert asyncio.run(request(app, 'GET', '/')) == 'none'


def test_quart_serves_decorated_functions() -> None:
  quart = pytest.importorskip('quart')
  app = quart.Quart(__name__)

  @app.get('/users/<int:number>')  # type: ignore[untyped-decorator,unused-ignore]
  @Local.cached
  async def find(number: int) -> Dict[str, Any]:
    return {'number': number}

  @app.get('/plain/<int:number>')  # type: ignore[untyped-decorator,unused-ignore]
  @Local.cached
  def find_undecorated(number: int) -> Dict[str, Any]:
    return {'plain': number}

  for _ in range(2):
    assert asyncio.run(request(app, 'GET', '/users/5')) == {'number': 5}
    assert asyncio.run(request(app, 'GET', '/plain/5')) == {'plain': 5}


def test_blacksheep_serves_decorated_functions() -> None:
  blacksheep = pytest.importorskip('blacksheep')
  routing = pytest.importorskip('blacksheep.server.routing')
  testing = pytest.importorskip('blacksheep.testing')
  app = blacksheep.Application(router=routing.Router())

  @Local.cached
  async def find(number: int, colour: str) -> Dict[str, Any]:
    return {'number': number, 'colour': colour}

  @Local.cached
  def find_undecorated(number: int) -> Dict[str, Any]:
    return {'plain': number}

  app.router.get('/users/{number}')(find)
  app.router.get('/plain/{number}')(find_undecorated)

  async def main() -> None:
    await app.start()
    client = testing.TestClient(app)
    for _ in range(2):
      answer = await client.get('/users/5', query={'colour': 'red'})
      assert await answer.json() == {'number': 5, 'colour': 'red'}
      assert await (await client.get('/plain/5')).json() == {'plain': 5}
    await app.stop()

  asyncio.run(main())


# ---- Functions of the package


@pytest.mark.parametrize('call', [Cachette.inject, Cachette.lifespan, Cachette.stats])
def test_annotations_of_inject_evaluate(call: Callable[..., Any]) -> None:
  typing.get_type_hints(call)
