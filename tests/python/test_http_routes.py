# SPDX-License-Identifier: MIT
"""The policies of routes: `cache_response`, `no_cache` and `cache_control`.

A small middleware does for these tests what CacheMiddleware does with the policies of routes: it
offers a box to each run of the application, and keeps the boxes.
"""

import asyncio
import functools
import inspect
import logging
import textwrap
import warnings
from datetime import timedelta
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
from cachette.http import _routes as routes
from cachette.http import cache_control, cache_response, no_cache
from cachette.http._plans import CURRENT, Box
from conftest import run_python

httpx = pytest.importorskip('httpx')

boxes: List[Box] = []


class Recorder:
  """Offers a box to each run, and keeps it."""

  is_cache_middleware = True

  def __init__(self, app: Any) -> None:
    self.app = app

  async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
    token = CURRENT.set(Box(scope))
    if scope['type'] == 'http':
      box = CURRENT.get()
      assert box is not None
      boxes.append(box)
    try:
      await self.app(scope, receive, send)
    finally:
      CURRENT.reset(token)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
  """No middleware was noticed yet."""
  monkeypatch.setattr(routes._Noticed, 'middleware', False)
  boxes.clear()


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Box:
  """Calls a handler under a middleware, and returns the box."""
  box = Box({'type': 'http'})
  token = CURRENT.set(box)
  try:
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
      asyncio.run(result)
  finally:
    CURRENT.reset(token)
  return box


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

  text = {'media_type': litestar.MediaType.TEXT}

  @litestar.get('/async/{number:int}', **text)
  @decorate
  async def get_async(number: int) -> str:
    """Gets one."""
    return bump(number)

  @litestar.get('/sync/{number:int}', sync_to_thread=True, **text)
  @decorate
  def get_sync(number: int) -> str:
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
  async def fails(number: int) -> str:
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


def get(app: Any, *paths: str) -> List[Any]:
  """Gets paths, each in a request of its own, and returns the answers."""

  async def main() -> List[Any]:
    inner = app.app if isinstance(app, Recorder) else app
    if hasattr(inner, 'start') and not inner.started:
      await inner.start()
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url='http://test') as client:
      return [await client.get(path) for path in paths]

  return asyncio.run(main())


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


# ---- The decorators


def test_the_wrapper_looks_like_the_handler() -> None:
  @cache_response(60)
  async def handler(a: int, /, b: str = 'x', *rest: int, c: Optional[int] = None) -> str:
    """Does it."""
    return f'{a}{b}{rest}{c}'

  handler.own = 5  # type: ignore[attr-defined]

  @no_cache
  def plain(a: int) -> int:
    return a

  assert inspect.iscoroutinefunction(handler) and not inspect.iscoroutinefunction(plain)
  assert (handler.__name__, handler.__doc__) == ('handler', 'Does it.')
  assert handler.__module__ == __name__ and handler.__qualname__.endswith('.handler')
  assert str(inspect.signature(plain)) == '(a: int) -> int'
  assert list(inspect.signature(handler).parameters) == ['a', 'b', 'rest', 'c']
  assert asyncio.run(under_box(handler(1, 'y', 2, c=3))) == '1y(2,)3'
  with pytest.raises(TypeError, match='missing'):
    run(handler)


async def under_box(coroutine: Any) -> Any:
  CURRENT.set(Box({'type': 'http'}))
  return await coroutine


async def ok(number: int = 0) -> int:
  return number


@pytest.mark.parametrize(
  ('options', 'expected'),
  [
    ({'ttl': 60}, b'max-age=60'),
    ({'ttl': 0.2}, b'max-age=1'),
    ({'ttl': 59.5}, b'max-age=60'),
    ({'ttl': timedelta(hours=1)}, b'max-age=3600'),
    ({'ttl': 2**31}, b'max-age=2147483648'),
    ({'ttl': 60, 'swr': 30}, b'max-age=60, stale-while-revalidate=30'),
    ({'ttl': 60, 'swr': 0}, b'max-age=60, stale-while-revalidate=0'),
    ({'ttl': 60, 'sie': timedelta(days=1)}, b'max-age=60, stale-if-error=86400'),
    ({'ttl': 60, 'public': True}, b'max-age=60, public'),
  ],
)
def test_options_become_directives(options: Any, expected: bytes) -> None:
  assert run(cache_response(**options)(ok)).directives(200) == expected
  assert run(cache_control(**options)).directives(200) == expected


TIME = 'must be a number of seconds from 0 to 2,147,483,648 (68 years), not'


@pytest.mark.parametrize('function', [cache_response, cache_control])
@pytest.mark.parametrize(
  ('options', 'kind', 'message'),
  [
    ({'ttl': 0}, ValueError, 'ttl must be a positive number of seconds, not 0. Use no_cache'),
    ({'ttl': -1}, ValueError, f'ttl {TIME} -1.'),
    ({'ttl': '60'}, TypeError, "ttl must be a number of seconds, not str ('60')"),
    ({'ttl': True}, TypeError, 'ttl must be a number of seconds, not bool (True)'),
    ({'ttl': 60, 'swr': -1}, ValueError, f'swr {TIME} -1.'),
    ({'ttl': 60, 'sie': '1'}, TypeError, "sie must be a number of seconds, not str ('1')"),
    ({'ttl': 60, 'public': 1}, TypeError, 'public must be True or False, not int (1).'),
    ({'ttl': 60, 'vary': 'Accept'}, TypeError, 'vary must be a list or tuple of str, not a str'),
    ({'ttl': 60, 'vary': ['a b']}, ValueError, "vary has 'a b', which is not the name of a field."),
    (
      {'ttl': 60, 'tags': 'all'},
      TypeError,
      'tags must be a list or tuple of str, not a str: write',
    ),
    ({'ttl': 60, 'tags': [5]}, TypeError, 'tags must contain only str, not int (5).'),
    ({'ttl': 60, 'tags': ['']}, ValueError, "tags has '', which is empty."),
    ({'ttl': 60, 'tags': ['a\nb']}, ValueError, "tags has 'a\\nb', which has a line break or NUL."),
    (
      {'ttl': 60, 'tags': ['\ud800']},
      ValueError,
      "tags has '\\ud800', which is not valid Unicode.",
    ),
    ({'ttl': 60, 'tags': ['é' * 257]}, ValueError, 'which has more than 512 bytes in UTF-8.'),
    ({'ttl': 60, 'tags': ['a{']}, ValueError, 'is not a valid template'),
    ({'ttl': 60, 'tags': ['{}']}, ValueError, 'uses "{}", which is not a parameter of it.'),
  ],
)
def test_bad_options_are_refused(function: Any, options: Any, kind: Any, message: str) -> None:
  with pytest.raises(kind) as caught:
    made = function(**options)
    made(ok)
  assert message in str(caught.value)


def test_a_time_is_needed() -> None:
  with pytest.raises(TypeError, match=r'write @cache_response\(60\)'):
    cache_response(ok)  # type: ignore[arg-type]
  with pytest.raises(TypeError, match='either a time or no_store=True'):
    cache_control()
  with pytest.raises(TypeError, match='either a time or no_store=True'):
    cache_control(60, no_store=True)
  with pytest.raises(TypeError, match='no_store must be True or False'):
    cache_control(no_store=1)  # type: ignore[arg-type]


class View:
  async def get(self) -> int:
    return 1


def generate() -> Iterator[int]:
  yield 1


async def generate_later() -> Any:
  yield 1


@pytest.mark.parametrize('decorator', [cache_response(60), no_cache])
@pytest.mark.parametrize(
  ('thing', 'message'),
  [
    (View, 'decorates functions, not the class View: decorate its methods.'),
    (staticmethod(ok), 'decorates functions, not a staticmethod: put the decorator below @static'),
    (classmethod(ok), 'decorates functions, not a classmethod: put the decorator below @class'),
    (5, 'decorates functions, not int (5).'),
    (None, 'decorates functions, not NoneType (None).'),
    (functools.partial(ok), 'decorates functions, not partial ('),
    (generate, 'because it is a generator function. Return a streaming response'),
    (generate_later, 'because it is a generator function. Return a streaming response'),
  ],
)
def test_other_things_than_functions_are_refused(decorator: Any, thing: Any, message: str) -> None:
  with pytest.raises(TypeError) as caught:
    decorator(thing)
  assert message in str(caught.value)


@pytest.mark.parametrize('decorator', [cache_response(60), no_cache])
def test_a_handler_object_of_litestar_is_refused(decorator: Any) -> None:
  litestar = pytest.importorskip('litestar')

  @litestar.get('/')
  async def handler() -> str:
    return ''

  with pytest.raises(TypeError, match='a route handler .* below the decorator of the route'):
    decorator(handler)


def test_methods_of_a_class_are_decorated() -> None:
  class Items:
    @cache_response(60, tags=['item:{number}'])
    async def get(self, number: int) -> int:
      return number

    @staticmethod
    @no_cache
    def put() -> int:
      return 1

  assert run(Items().get, 5).tags == [b'item:5']
  assert run(Items.put).no_store


# ---- Tags


@pytest.mark.parametrize(
  ('tags', 'expected'),
  [
    ([], []),
    (['a', 'b', 'a'], [b'a', b'b']),
    (('item:{number}',), [b'item:7']),
    (['{number:03}', '{kind!r}', 'é'], [b'\xc3\xa9', b'007', b"'bread'"]),
    (['{{}}'], [b'{}']),
    (lambda number: [f'n{number}'], [b'n7']),
    (lambda kind, number: (kind, str(number)), [b'bread', b'7']),
    (lambda *, kind: {kind}, [b'bread']),
    (lambda number, other=1: [f'{number}{other}'], [b'71']),
    (lambda **arguments: sorted(arguments), [b'kind', b'number']),
    (lambda: ['all'], [b'all']),
    (lambda *none: list(none), []),
  ],
)
@pytest.mark.parametrize('positional', [True, False])
def test_tags_come_from_the_arguments(tags: Any, expected: List[bytes], positional: bool) -> None:
  @cache_response(60, tags=tags)
  def handler(number: int, kind: str = 'bread') -> None:
    pass

  box = run(handler, 7) if positional else run(handler, number=7)
  assert box.tags == expected
  assert not box.no_store


async def coroutine_of_tags(number: int) -> List[str]:
  return []


@pytest.mark.parametrize(
  ('tags', 'kind', 'message'),
  [
    (['{other}'], ValueError, 'uses "{other}", which is not a parameter of it.'),
    (lambda other: [], ValueError, 'has the parameter "other", which is not a parameter of'),
    (lambda number, /: [], ValueError, 'has the parameter "number", which is not a parameter of'),
    (coroutine_of_tags, TypeError, 'must be a plain function, without async.'),
  ],
)
def test_tags_that_do_not_fit_the_handler_are_refused(tags: Any, kind: Any, message: str) -> None:
  with pytest.raises(kind) as caught:
    cache_response(60, tags=tags)(ok)
  assert message in str(caught.value)


@pytest.mark.parametrize('tag', ['', 'a\r', '\0', '\ud800', 'x' * 513])
def test_a_response_with_a_tag_that_cannot_be_stored_is_not_stored(tag: str, caplog: Any) -> None:
  """A purge of this tag would not find it."""

  @cache_response(60, tags=['{tag}', 'good'])
  async def handler(tag: str) -> None: ...

  with caplog.at_level(logging.WARNING, 'cachette.http'):
    assert run(handler, tag).directives(200) == b'no-store'
    assert run(handler, tag).directives(200) == b'no-store'
  (record,) = caplog.records
  assert 'handler is not stored: the tag' in record.getMessage()
  assert run(handler, 'x' * 512).directives(200) == b'max-age=60'


def test_a_response_with_too_many_tags_is_not_stored(caplog: Any) -> None:
  @cache_response(60, tags=lambda count: [f'{i}' for i in range(count)])
  async def handler(count: int) -> None: ...

  assert not run(handler, 512).no_store
  assert run(handler, 513).no_store
  assert len(run(handler, 10**6).tags) == 513
  assert 'the response has more than 512 tags' in caplog.text


def test_a_function_of_tags_that_fails_is_seen() -> None:
  @cache_response(60, tags=lambda: 'text')
  def wrong() -> None: ...

  with pytest.raises(TypeError, match='The result of the function tags must be a list or tuple'):
    run(wrong)

  @cache_response(60, tags=lambda: [][0])
  def broken() -> None: ...

  with pytest.raises(IndexError):
    run(broken)


# ---- The box


@pytest.mark.parametrize('status', [200, 203, 300, 301, 308])
def test_a_policy_counts_for_usual_responses(status: int) -> None:
  assert run(cache_response(60)(ok)).directives(status) == b'max-age=60'


@pytest.mark.parametrize(
  'status', [201, 204, 206, 302, 303, 304, 307, 400, 401, 403, 404, 500, 503]
)
def test_a_policy_does_not_count_for_other_responses(status: int) -> None:
  assert run(cache_response(60)(ok)).directives(status) == b''
  assert run(no_cache(ok)).directives(status) == b'no-store'


def test_the_policy_of_a_handler_counts_after_it_called_others() -> None:
  @cache_response(3600, tags=['inner'], vary=['B', 'A'])
  async def inner() -> None: ...

  @cache_response(60, tags=['outer'], vary=['A'])
  async def outer() -> None:
    await inner()

  box = run(outer)
  assert box.directives(200) == b'max-age=60'
  assert (box.tags, box.vary) == ([b'outer', b'inner'], ['A', 'B'])


def test_a_handler_that_sends_its_response_itself_has_its_policy_by_then() -> None:
  seen = []

  @cache_response(60)
  async def handler() -> None:
    box = CURRENT.get()
    assert box is not None
    seen.append(box.directives(200))

  run(handler)
  assert seen == [b'max-age=60']


def test_what_must_not_be_cached_stays_so() -> None:
  @no_cache
  async def never() -> None: ...

  @cache_response(60)
  async def calls_it() -> None:
    await never()

  assert run(calls_it).directives(200) == b'no-store'
  assert run(cache_response(60)(never)).directives(200) == b'no-store'
  assert run(no_cache(cache_response(60)(ok))).directives(200) == b'no-store'


def test_an_exception_brings_the_policy_of_the_router_back() -> None:
  box = Box({'type': 'http'})

  @cache_response(60)
  def fails() -> None:
    raise LookupError

  async def main() -> None:
    CURRENT.set(box)
    await cache_control(5)()
    with pytest.raises(LookupError):
      fails()

  asyncio.run(main())
  assert box.directives(200) == b'max-age=5'


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

  hook = cache_control(60, tags=['item:{number}'])

  @litestar.get('/items/{number:int}', before_request=hook)
  async def item(number: int) -> int:
    return number

  @litestar.get('/guarded/{number:int}', guards=[hook])
  async def guarded(number: int) -> int:
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


def test_a_path_without_the_parameter_of_a_tag_is_not_stored(caplog: Any) -> None:
  dependency = cache_control(60, tags=['item:{number}'])
  assert run(dependency).directives(200) == b'no-store'
  assert run(dependency).directives(200) == b'no-store'
  assert caplog.text.count('the path has no parameter "number", which tags uses') == 1


# ---- Without a middleware


def test_a_run_without_a_middleware_warns_once() -> None:
  @cache_response(60)
  async def handler() -> int:
    return 1

  @no_cache
  def other() -> int:
    return 2

  with pytest.warns(UserWarning, match='no CacheMiddleware') as caught:
    assert asyncio.run(handler()) == 1
    assert asyncio.run(handler()) == 1
    assert other() == 2
    asyncio.run(cache_control(60)())  # type: ignore[arg-type]
  texts = [str(each.message) for each in caught]
  assert len(texts) == 3
  assert '@cache_response on test_http_routes.test_a_run_without' in texts[0]
  assert '@no_cache on test_http_routes.' in texts[1]
  assert 'around cache_control()' in texts[2]
  assert caught[0].filename == __file__


def test_the_warning_shows_the_handler() -> None:
  code = """
    import warnings
    from cachette.http import cache_response
    @cache_response(60, tags=lambda: 1 / 0)
    def handler(): return 'fine'
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter('default')
      assert handler() == handler() == 'fine'
    print(len(caught), caught[0].lineno)
  """
  assert run_python(code) == '1 4\n'


def test_a_run_that_a_middleware_passes_does_not_warn() -> None:
  @cache_response(60)
  async def handler() -> int:
    return 1

  routes.note_middleware()
  with warnings.catch_warnings():
    warnings.simplefilter('error')
    assert asyncio.run(handler()) == 1
