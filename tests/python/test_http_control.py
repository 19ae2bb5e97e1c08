# SPDX-License-Identifier: MIT
"""RequestControl: calls obey the Cache-Control of the request, if their configuration opts in."""

import asyncio
import pickle
import threading
import uuid
from datetime import timedelta
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple, Type

import pytest
from cachette import BackendError, Cachette, CachetteError
from cachette._cachette import current_control, http_control
from cachette.http import OnlyIfCached, RequestControl
from cachette.http._control import control_of
from conftest import MakeClass, inmemory_only

Main = Callable[[], Awaitable[Any]]


def scope_of(control: Optional[str], name: str = 'cache-control') -> Dict[str, Any]:
  headers = [(b'host', b'test')]
  if control is not None:
    headers.append((name.encode(), control.encode()))
  return {'type': 'http', 'method': 'GET', 'path': '/', 'headers': headers}


async def receive() -> Any:
  raise AssertionError


async def answer(send: Any, status: int = 200) -> None:
  await send({'type': 'http.response.start', 'status': status, 'headers': []})
  await send({'type': 'http.response.body', 'body': b'of the application'})


async def call_app(app: Any, scope: Dict[str, Any]) -> Tuple[int, bytes]:
  """Calls an application. Returns the status and the body of its only answer."""
  sent: List[Any] = []

  async def send(message: Any) -> None:
    sent.append(message)

  await app(scope, receive, send)
  start, *bodies = sent
  assert start['type'] == 'http.response.start'
  assert [each['type'] for each in bodies] == ['http.response.body'] * len(bodies)
  return start['status'], b''.join(each['body'] for each in bodies)


async def request(main: Main, control: Optional[str], name: str = 'cache-control') -> Any:
  """Runs `main` in an application, for a request. Returns its result, or the status of an error."""
  results = []

  async def app(scope: Any, receive: Any, send: Any) -> None:
    results.append(await main())
    await answer(send)

  status, _ = await call_app(RequestControl(app), scope_of(control, name))
  return results[0] if status == 200 else status


def make_own(make_class: MakeClass, **settings: Any) -> Type[Cachette]:
  return make_class(request_control=True, **settings)


# ---- What each directive does

MISSES = ['no-cache', 'max-age=0', 'max-age=0, max-age=60', 'NO-CACHE', 'no-cache="x"', 'max-age=x']
HITS = [None, '', 'foo', 'max-age=50', 'min-fresh=50', 'no-store', 'only-if-cached', 'max-stale=5']


@pytest.mark.parametrize('control', MISSES)
def test_no_cache_makes_every_fetch_miss(make_class: MakeClass, control: str) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    await cache.put('key', 'old')
    await cache.put('other', 'old')
    assert await request(lambda: cache.fetch('key', 'missed'), control) == 'missed'
    assert await request(lambda: cache.fetch_with_ttl('key'), control) == (-1, None)
    assert await request(lambda: cache.fetch_many(['key', 'other']), control) == {}
    assert await request(lambda: cache.get_or_set('key', 'new'), control) == 'new'
    assert await cache.fetch('key') == 'new'
    assert await cache.fetch('other') == 'old'

  asyncio.run(main())


@pytest.mark.parametrize('control', HITS)
def test_others_leave_a_hit(make_class: MakeClass, control: Optional[str]) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    await cache.put('key', 'old')
    assert await request(lambda: cache.fetch('key', 'missed'), control) == 'old'
    ttl, value = await request(lambda: cache.fetch_with_ttl('key'), control)
    assert (ttl in (59, 60), value) == (True, 'old')
    assert await request(lambda: cache.fetch_many(['key']), control) == {'key': 'old'}
    assert await request(lambda: cache.get_or_set('key', 'new'), control) == 'old'

  asyncio.run(main())


def test_pragma_counts_without_cache_control(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    await cache.put('key', 'old')
    assert await request(lambda: cache.fetch('key'), 'no-cache', 'pragma') is None
    assert await request(lambda: cache.fetch('key'), 'no-caches', 'pragma') == 'old'
    scope = scope_of('no-cache', 'Pragma')
    scope['headers'].append((b'Cache-Control', b'max-age=50'))
    control = control_of(scope)
    assert control is not None
    assert (control.no_cache, control.max_age, control.min_fresh) == (False, 50, None)

  asyncio.run(main())


def test_no_store_stores_nothing_and_leaves_nothing_old(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    await cache.put_many({'a': 'old', 'b': 'old', 'c': 'old'})
    assert await request(lambda: cache.put('a', 'new'), 'no-store') is None
    assert await request(lambda: cache.put_many({'b': 'new', 'd': 'new'}), 'no-store') is None
    assert await cache.fetch_many(list('abcd')) == {'c': 'old'}
    assert await request(lambda: cache.get_or_set('c', 'new'), 'no-store') == 'old'
    assert await request(lambda: cache.get_or_set('d', 'new'), 'no-store') == 'new'
    assert await cache.fetch('d') is None
    assert await request(lambda: cache.get_or_set('c', 'new'), 'no-store, no-cache') == 'new'
    assert await cache.fetch('c') == 'old'
    await cache.get_or_set('d', 'stored')
    assert await cache.fetch('d') == 'stored'

  asyncio.run(main())


def test_calls_that_are_for_more_than_caching_stay_as_they_are(make_class: MakeClass) -> None:
  cache = make_own(make_class)()
  control = 'no-cache, no-store'

  async def main() -> None:
    await cache.put('key', 'old')
    assert await request(lambda: cache.exists('key'), control) is True
    assert await request(lambda: cache.add('key', 'new'), control) is False
    assert await request(lambda: cache.add('added', 'new'), control) is True
    assert await request(lambda: cache.increment('counter', 2), control) == 2
    assert await request(lambda: cache.increment('counter', 2), control) == 4
    assert await request(lambda: cache.touch('key', 30), control) is True
    assert await cache.fetch('added') == 'new'
    assert await request(lambda: cache.delete('key'), control) is True
    assert await request(lambda: cache.clear_many(['added']), control) == 1
    assert await cache.fetch_many(['key', 'added']) == {}

  asyncio.run(main())


def make_aged(make_class: MakeClass, ttl: float = 100) -> Tuple[Cachette, Cachette]:
  """A cache whose TTL is `ttl`, and one of the same entries that puts with 60."""
  name = str(uuid.uuid4())
  reader = make_own(make_class, memory_name=name, ttl=ttl)()
  return reader, make_class(memory_name=name, ttl=60)()


@pytest.mark.parametrize(
  ('control', 'hit'),
  [
    ('max-age=45', True),
    ('max-age=35', False),
    ('min-fresh=55', True),
    ('min-fresh=65', False),
    ('max-age=45, min-fresh=55', True),
    ('max-age=45, min-fresh=65', False),
    ('max-age=35, min-fresh=55', False),
    ('max-age=45, no-cache', False),
    ('max-age=3000000000', True),
    ('min-fresh=3000000000', False),
  ],
)
def test_age_and_time_left_decide(make_class: MakeClass, control: str, hit: bool) -> None:
  cache, writer = make_aged(make_class)  # the entry seems to be 40 seconds old
  expected = 'old' if hit else None

  async def main() -> None:
    await writer.put('key', 'old')
    assert await request(lambda: cache.fetch('key'), control) == expected
    assert (await request(lambda: cache.fetch_with_ttl('key'), control))[1] == expected
    many = await request(lambda: cache.fetch_many(['key', 'none']), control)
    assert many == ({'key': 'old'} if hit else {})
    found = await request(lambda: cache.get_or_set('key', 'new'), control)
    assert found == ('old' if hit else 'new')
    assert await cache.fetch('key') == found

  asyncio.run(main())


def test_get_or_set_knows_the_ttl_of_its_own_puts(make_class: MakeClass) -> None:
  cache, writer = make_aged(make_class)
  calls: Any = cache

  async def main() -> None:
    await writer.put('key', 'old')
    for ttl in (60, 80, timedelta(seconds=80)):
      assert (
        await request(lambda ttl=ttl: calls.get_or_set('key', 'new', ttl), 'max-age=25') == 'old'
      )
    assert await request(lambda: calls.get_or_set('key', 'new', 30), 'max-age=3600') == 'new'
    assert await request(lambda: calls.get_or_set('key', 'newer', 30), 'max-age=5') == 'new'

  asyncio.run(main())


def test_a_longer_put_makes_no_other_entry_younger(make_class: MakeClass) -> None:
  cache, writer = make_aged(make_class)

  async def main() -> None:
    await writer.put('key', 'old')
    assert await request(lambda: cache.fetch('key'), 'max-age=45') == 'old'
    await cache.put('other', 'value', ttl=3600)
    assert await request(lambda: cache.fetch('other'), 'max-age=5') == 'value'
    assert await request(lambda: cache.fetch('key'), 'max-age=45') is None
    assert await request(lambda: cache.fetch('key'), 'max-age=3550') == 'old'

  asyncio.run(main())


def test_an_unknown_age_is_a_miss(make_class: MakeClass) -> None:
  cache, writer = make_aged(make_class, ttl=30)

  async def main() -> None:
    await writer.put('key', 'longer than configured')
    await cache.put('own', 'value')
    assert await request(lambda: cache.fetch('key'), 'max-age=3600') is None
    assert await request(lambda: cache.fetch('own'), 'max-age=3600') == 'value'
    await cache.touch('own')
    assert await request(lambda: cache.fetch('own'), 'max-age=3600') is None
    assert await request(lambda: cache.fetch('own'), 'min-fresh=20') == 'value'

  asyncio.run(main())


def test_only_if_cached_turns_a_miss_into_504(make_class: MakeClass) -> None:
  cache = make_own(make_class)()
  control = 'only-if-cached'

  def factory() -> str:
    raise AssertionError

  async def main() -> None:
    await cache.put('key', 'value')
    for call in (
      lambda: cache.fetch('none', 'default'),
      lambda: cache.fetch_with_ttl('none'),
      lambda: cache.fetch_many(['key', 'none']),
      lambda: cache.get_or_set('none', factory),
    ):
      assert await request(call, control) == 504
    assert await request(lambda: cache.fetch('key'), 'only-if-cached, no-cache') == 504
    assert await request(lambda: cache.fetch('key'), 'only-if-cached, min-fresh=70') == 504
    assert await request(lambda: cache.fetch_many([]), control) == {}
    assert await request(lambda: cache.fetch_many(['key']), control) == {'key': 'value'}
    assert await request(lambda: cache.get_or_set('key', factory), control) == 'value'

  asyncio.run(main())


@pytest.mark.parametrize('control', [None, 'no-cache', 'max-age=50', 'no-store', 'only-if-cached'])
def test_wrong_arguments_are_errors_as_ever(make_class: MakeClass, control: str) -> None:
  cache = make_own(make_class, codec='json')()
  calls: Any = cache

  async def main() -> Any:
    for key in ('', 'k' * 65_537):
      for call in (calls.fetch, calls.fetch_with_ttl, lambda key: calls.fetch_many(['a', key])):
        with pytest.raises(ValueError, match='key must'):
          await call(key)
    for wrong in (lambda: calls.fetch(5), lambda: calls.get_or_set(5, 'value')):
      with pytest.raises(TypeError, match='key must be a str'):
        await wrong()
    with pytest.raises(ValueError, match='ttl must be'):
      await calls.put('key', 'value', -1)
    with pytest.raises(CachetteError, match='json'):
      await calls.put('key', object())
    return 'done'

  assert asyncio.run(request(main, control)) == 'done'


# ---- Functions with `cached`, types and the blocking calls


def test_cached_functions_obey(make_class: MakeClass) -> None:
  own = make_own(make_class, codec='json')
  runs: List[int] = []

  @own.cached(ttl=100, key='plain')
  async def plain() -> Any:
    runs.append(1)
    return len(runs)

  @own.cached(key='typed', returns=Tuple[int, int])
  async def typed() -> Any:
    runs.append(1)
    return len(runs), 0

  @own.cached(ttl=100, key='blocking')
  def blocking() -> Any:
    runs.append(1)
    return len(runs)

  async def run_blocking() -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, in_context(blocking))

  async def main() -> None:
    for function in (plain, typed, run_blocking):
      calls: Any = function
      first = await request(calls, 'only-if-cached')
      assert first == 504
      first = await request(calls, 'no-store')
      second = await request(calls, None)
      assert second != first
      assert await request(calls, 'only-if-cached, max-age=5') == second
      third = await request(calls, 'no-cache')
      assert third != second
      assert await request(calls, None) == third

  def in_context(function: Any) -> Any:
    import contextvars

    context = contextvars.copy_context()
    return lambda: context.run(function)

  asyncio.run(main())


def test_blocking_calls_obey(make_class: MakeClass) -> None:
  own = make_own(make_class)
  sync = own.sync

  def main(control: str, call: Callable[[], Any]) -> Any:
    token = current_control.set(http_control([(b'cache-control', control.encode())]))
    try:
      return call()
    finally:
      current_control.reset(token)

  sync.put('key', 'old')
  assert main('no-cache', lambda: sync.fetch('key', 'missed')) == 'missed'
  assert main('no-cache', lambda: sync.fetch_many(['key'])) == {}
  assert main('no-cache', lambda: sync.get_or_set('key', 'new')) == 'new'
  assert main('max-age=50', lambda: sync.fetch('key')) == 'new'
  assert main('min-fresh=70', lambda: sync.fetch('key')) is None
  assert main('no-store', lambda: sync.get_or_set('none', lambda: 'value')) == 'value'
  assert sync.fetch('none') is None
  with pytest.raises(OnlyIfCached, match='not in the cache'):
    main('only-if-cached', lambda: sync.get_or_set('none', lambda: 'value'))
  with pytest.raises(OnlyIfCached):
    main('only-if-cached', lambda: sync.fetch_many(['none', 'key']))
  assert main('no-store', lambda: sync.put('key', 'newer')) is None
  assert sync.fetch('key') is None


def test_the_blocking_flight_of_another_request_is_joined_or_tried_again() -> None:
  class Inner(Cachette):
    pass

  class Outer(Cachette):
    pass

  Inner.load_config({'request_control': True})
  Outer.load_config({})
  leading, waiting = threading.Event(), threading.Event()
  results: Dict[str, Any] = {}

  def factory() -> Any:
    leading.set()
    waiting.wait(10)
    return Inner.sync.get_or_set('inner', 'value')

  def visit(name: str, control: str) -> None:
    current_control.set(http_control([(b'cache-control', control.encode())]))
    try:
      results[name] = Outer.sync.get_or_set('outer', factory)
    except OnlyIfCached as error:
      results[name] = error

  leader = threading.Thread(target=visit, args=('leader', 'only-if-cached'))
  leader.start()
  assert leading.wait(10)
  follower = threading.Thread(target=visit, args=('follower', 'foo'))
  follower.start()
  threading.Timer(0.2, waiting.set).start()
  leader.join(10)
  follower.join(10)
  assert type(results['leader']) is OnlyIfCached
  assert results['follower'] == 'value'


# ---- Requests do not mix


@inmemory_only
def test_a_follower_does_not_get_the_504_of_its_leader(make_class: MakeClass) -> None:
  inner, outer = make_own(make_class)(), make_class()()

  async def factory() -> Any:
    await asyncio.sleep(0.01)
    return await inner.get_or_set('inner', 'value')

  async def main() -> None:
    def visit() -> Any:
      return outer.get_or_set('outer', factory)

    controls = ['only-if-cached', None, 'only-if-cached', 'no-cache', 'only-if-cached']
    found = await asyncio.gather(*(request(visit, control) for control in controls))
    assert found == [504, 'value', 'value', 'value', 'value']

  asyncio.run(main())


def test_concurrent_requests_do_not_mix(make_class: MakeClass) -> None:
  cache = make_own(make_class)()
  expected = {None: 'value', 'no-cache': 'missed', 'max-age=50': 'value', 'min-fresh=70': 'missed'}

  async def visit() -> Any:
    found = set()
    for _ in range(5):
      await asyncio.sleep(0)
      found.add(await cache.fetch('key', 'missed'))
      found.add(await asyncio.ensure_future(cache.fetch('key', 'missed')))
      found.add(await asyncio.create_task(inner()))
    return found

  async def inner() -> Any:
    return await cache.fetch('key', 'missed')

  async def main() -> None:
    await cache.put('key', 'value')
    controls = list(expected) * 25
    found = await asyncio.gather(*(request(visit, control) for control in controls))
    assert found == [{expected[control]} for control in controls]
    assert current_control.get(None) is None

  asyncio.run(main())


def test_a_request_within_a_request_has_its_own_control(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def fetch() -> Any:
    return await cache.fetch('key', 'missed')

  async def nested() -> Any:
    return [await fetch(), await request(fetch, None), await fetch()]

  async def main() -> None:
    await cache.put('key', 'value')
    assert await request(nested, 'no-cache') == ['missed', 'value', 'missed']

  asyncio.run(main())


def test_what_a_request_leaves_running_does_not_obey_it(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    answered = asyncio.Event()

    async def later() -> Any:
      await answered.wait()
      await cache.put('key', 'value')
      return await cache.fetch('key')

    async def visit() -> Any:
      return asyncio.create_task(later())

    task = await request(visit, 'no-store, no-cache')
    answered.set()
    assert await task == 'value'
    assert await cache.fetch('key') == 'value'

  asyncio.run(main())


# ---- Off


@pytest.mark.parametrize('settings', [{}, {'request_control': False}, {'request_control': 'off'}])
def test_calls_of_other_configurations_do_not_obey(
  make_class: MakeClass, settings: Dict[str, Any]
) -> None:
  own = make_class(**settings)
  cache = own()

  async def main() -> None:
    for control in ('no-cache', 'no-store', 'max-age=0', 'min-fresh=70', 'only-if-cached'):
      await request(lambda: cache.put('key', 'value'), control)
      assert await request(lambda: cache.fetch('key'), control) == 'value'
      assert await request(lambda: cache.get_or_set('key', 'new'), control) == 'value'
      assert await request(lambda: cache.fetch('none', 'default'), control) == 'default'
      own.sync.clear(key='set')
      assert await request(lambda: cache.get_or_set('set', 'new'), control) == 'new'
      assert await cache.fetch('set') == 'new'

  asyncio.run(main())


@inmemory_only
def test_without_the_middleware_nothing_changes(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def main() -> None:
    await cache.put('key', 'value')
    assert await cache.fetch('key') == 'value'
    assert await cache.fetch('none', 5) == 5
    assert await cache.get_or_set('key', 'new') == 'value'
    assert await cache.get_or_set('new', 'new') == 'new'

  asyncio.run(main())


# ---- The backend fails


def test_a_failing_backend_answers_no_request_that_wants_no_computation() -> None:
  class Own(Cachette):
    pass

  Own.load_config({'redis_url': 'redis://127.0.0.1:1', 'backend': 'redis', 'request_control': True})

  @Own.cached(key='key')
  async def function() -> str:
    return 'computed'

  async def fetch() -> Any:
    with pytest.raises(BackendError):
      await Own().fetch('key')
    return 'failed'

  async def main() -> None:
    assert await request(lambda: Own().get_or_set('key', 'value'), None) == 'value'
    assert await request(lambda: Own().get_or_set('key', 'value'), 'only-if-cached') == 504
    assert await request(function, 'no-store') == 'computed'
    assert await request(function, 'only-if-cached') == 504
    assert await request(fetch, 'only-if-cached') == 'failed'

  asyncio.run(main())


# ---- The middleware


def test_headers_may_be_any_iterable_of_pairs() -> None:
  pair = (b'cache-control', b'no-store')
  for headers in ([pair], (pair,), iter([pair]), [list(pair)], [(b'CACHE-Control', b'no-store')]):
    control = http_control(headers)
    assert control is not None
    assert control.no_store
    assert not control.no_cache
  assert http_control([]) is None
  assert http_control([(b'cache-control', b'foo'), (b'accept', b'no-store')]) is None
  many = http_control([(b'cache-control', b'max-age=%d' % age) for age in range(500, 100, -1)])
  assert many is not None
  assert many.max_age == 101
  wrong: Any
  for wrong in (None, [5], [('cache-control', 'no-store')], [(b'cache-control',)]):
    with pytest.raises(TypeError):
      http_control(wrong)


def test_other_scopes_pass() -> None:
  seen = []

  async def app(scope: Any, receive: Any, send: Any) -> None:
    seen.append((scope['type'], current_control.get(None)))

  async def main() -> None:
    for kind in ('websocket', 'lifespan'):
      await RequestControl(app)({'type': kind}, receive, receive)  # type: ignore[arg-type]
      assert control_of({'type': kind}) is None

  asyncio.run(main())
  assert seen == [('websocket', None), ('lifespan', None)]


@inmemory_only
@pytest.mark.parametrize('method', ['GET', 'HEAD'])
def test_the_504_replaces_only_an_error_page(make_class: MakeClass, method: str) -> None:
  cache = make_own(make_class)()
  text = b'' if method == 'HEAD' else b'not in the cache'

  def catching(status: int, reraises: bool = False) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
      try:
        await cache.fetch('none')
      except OnlyIfCached:
        await answer(send, status)
        if reraises:
          raise

    return RequestControl(app)

  async def main() -> None:
    scope = {**scope_of('only-if-cached'), 'method': method}
    for reraises in (False, True):
      status, body = await call_app(catching(500, reraises), dict(scope))
      assert status == 504
      assert text in body
      assert b'application' not in body
    assert await call_app(catching(200), dict(scope)) == (200, b'of the application')
    assert await call_app(catching(503), dict(scope)) == (503, b'of the application')
    with pytest.raises(OnlyIfCached):
      await call_app(catching(200, reraises=True), dict(scope))

  asyncio.run(main())


@inmemory_only
def test_other_errors_pass(make_class: MakeClass) -> None:
  cache = make_own(make_class)()

  async def failing(scope: Any, receive: Any, send: Any) -> None:
    try:
      await cache.fetch('none')
    except OnlyIfCached:
      raise KeyError('another') from None

  async def error_page(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, 500)

  async def main() -> None:
    for control in (None, 'no-cache', 'only-if-cached'):
      with pytest.raises(KeyError if control == 'only-if-cached' else BaseException):
        await call_app(RequestControl(failing), scope_of(control))
      expected = (500, b'of the application')
      assert await call_app(RequestControl(error_page), scope_of(control)) == expected

  asyncio.run(main())


def test_the_exception_is_no_failure_of_the_cache() -> None:
  assert not issubclass(OnlyIfCached, CachetteError)
  copy = pickle.loads(pickle.dumps(OnlyIfCached('text')))
  assert (type(copy), str(copy)) == (OnlyIfCached, 'text')
  assert (OnlyIfCached.__module__, OnlyIfCached.__name__) == ('cachette.http', 'OnlyIfCached')
