# SPDX-License-Identifier: MIT
"""`cache_response`, `no_cache` and `cache_control`: what they accept, and what they say."""

import asyncio
import functools
import inspect
import logging
import warnings
from datetime import timedelta
from typing import Any, Iterator, List, Optional

import pytest
from cachette.http import _routes as routes
from cachette.http import cache_control, cache_response, no_cache
from cachette.http._plans import CURRENT, Box
from conftest import run_python
from route_policies import forget, ok, run


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
  forget(monkeypatch)


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


def test_a_path_without_the_parameter_of_a_tag_is_not_stored(caplog: Any) -> None:
  dependency = cache_control(60, tags=['item:{number}'])
  assert run(dependency).directives(200) == b'no-store'
  assert run(dependency).directives(200) == b'no-store'
  assert caplog.text.count('the path has no parameter "number", which tags uses') == 1


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
  assert '@cache_response on test_http_decorators.test_a_run_without' in texts[0]
  assert '@no_cache on test_http_decorators.' in texts[1]
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
