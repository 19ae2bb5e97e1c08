# SPDX-License-Identifier: MIT
"""The awaitables that the calls return work wherever asyncio accepts a coroutine."""

import asyncio
import collections.abc
import contextlib
import gc
import inspect
import sys
import traceback
import warnings
import weakref
from typing import Any, Awaitable, Callable, Dict, Iterator, List

import pytest
from cachette import BackendError, Cachette, CodecError
from conftest import MakeClass, about, inmemory_only, on_pythons

REUSED = '^cannot reuse already awaited coroutine$'


def run_on_asyncio(main: Awaitable[Any], debug: bool = False) -> Any:
  return asyncio.run(main, debug=debug)  # type: ignore[arg-type]


def run_on_uvloop(main: Awaitable[Any], debug: bool = False) -> Any:
  uvloop = pytest.importorskip('uvloop', reason='uvloop is not installed')
  loop = uvloop.new_event_loop()
  try:
    loop.set_debug(debug)
    return loop.run_until_complete(main)
  finally:
    loop.close()


Run = Callable[..., Any]


@pytest.fixture(params=[run_on_asyncio, run_on_uvloop], ids=['asyncio', 'uvloop'])
def run(request: pytest.FixtureRequest) -> Run:
  function: Run = request.param
  return function


@pytest.fixture
def full(cache: Cachette) -> Cachette:
  """A cache that has "value" under "key"."""
  asyncio.run(cache.put('key', 'value'))
  return cache


class Odd(Cachette):
  """A codec that stores references to Python objects, so that fetch can return any type."""


objects: List[Any] = []


def keep(value: Any) -> bytes:
  objects.append(value)
  return b'%d' % (len(objects) - 1)


Cachette.register_codec('kept', keep, lambda raw: objects[int(raw)])
Odd.load_config(lambda: [('codec', 'kept')])


# ---- In an event loop


def test_all_calls_can_be_awaited(run: Run, cache: Cachette) -> None:
  async def main() -> None:
    assert await cache.put('ns:1', 'value') is None
    assert await cache.fetch('ns:1') == 'value'
    assert await cache.fetch_with_ttl('ns:1') == (about(60), 'value')
    assert await cache.clear('ns') == 1
    assert await cache.flush() == 0
    assert await cache.flush_expired() == 0

  run(main())
  run(main(), debug=True)


def test_calls_can_be_gathered(run: Run, cache: Cachette) -> None:
  async def main() -> None:
    assert await asyncio.gather(*(cache.put(f'{i}', i) for i in range(100))) == [None] * 100
    found = await asyncio.gather(*(cache.fetch(f'{i}') for i in range(101)))
    assert found == [str(i) for i in range(100)] + [None]
    await cache.put('text', 'abc')
    calls = cache.fetch('7'), cache.increment('text')
    mixed = await asyncio.gather(*calls, return_exceptions=True)
    assert mixed[0] == '7' and isinstance(mixed[1], CodecError)

  run(main())


def test_calls_can_be_tasks(run: Run, full: Cachette) -> None:
  async def main() -> None:
    task = asyncio.get_running_loop().create_task(full.fetch('key'))
    assert 'Cachette.fetch' in repr(task)
    assert await task == 'value'
    assert await asyncio.create_task(full.fetch_with_ttl('key')) == (about(60), 'value')
    assert await asyncio.ensure_future(full.fetch('key')) == 'value'
    assert await asyncio.shield(full.fetch('key')) == 'value'
    failing = asyncio.create_task(full.increment('key'))
    with pytest.raises(CodecError):
      await failing

  run(main())
  run(main(), debug=True)


def test_calls_can_be_waited_for(run: Run, full: Cachette) -> None:
  async def main() -> None:
    assert await asyncio.wait_for(full.fetch('key'), 10) == 'value'
    assert await asyncio.wait_for(full.fetch('key'), None) == 'value'
    for each in asyncio.as_completed([full.fetch('key'), full.fetch('other', 'value')]):
      assert await each == 'value'
    with pytest.raises(CodecError):
      await asyncio.wait_for(full.increment('key'), 10)

  run(main())


@on_pythons(sys.version_info >= (3, 11), 'TaskGroup came with Python 3.11')
def test_calls_can_join_a_task_group(run: Run, full: Cachette) -> None:
  async def main() -> None:
    async with asyncio.TaskGroup() as group:
      tasks = [group.create_task(full.fetch('key')) for _ in range(10)]
    assert [task.result() for task in tasks] == ['value'] * 10

  run(main())


def test_a_call_can_be_run_with_asyncio_run(run: Run, full: Cachette) -> None:
  assert run(full.fetch('key')) == 'value'
  assert run(full.fetch_with_ttl('key')) == (about(60), 'value')
  with pytest.raises(CodecError):
    run(full.increment('key'))


def test_a_task_of_a_call_can_be_cancelled_before_it_begins(run: Run, full: Cachette) -> None:
  async def main() -> None:
    task = asyncio.create_task(full.fetch('key'))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
      await task
    assert task.cancelled()

  run(main())


def test_a_call_can_be_scheduled_from_another_thread(run: Run, full: Cachette) -> None:
  async def main() -> None:
    loop = asyncio.get_running_loop()

    def fetch_in_thread() -> Any:
      return asyncio.run_coroutine_threadsafe(full.fetch('key'), loop).result(10)

    assert await loop.run_in_executor(None, fetch_in_thread) == 'value'

  run(main())


def test_awaiting_a_cache_returns_it(run: Run, cache: Cachette) -> None:
  async def main() -> None:
    assert await cache is cache  # type: ignore[comparison-overlap]
    assert await asyncio.wait_for(cache, 1) is cache

  run(main())


@inmemory_only
def test_a_call_needs_no_event_loop(full: Cachette) -> None:
  with pytest.raises(StopIteration) as caught:
    full.fetch('key').send(None)
  assert caught.value.value == 'value'


@pytest.mark.parametrize(
  'value',
  [
    None,
    (),
    (1,),
    (1, 2),
    StopIteration('inner'),
    ValueError('a value, not an error'),
    ValueError,
    StopIteration,
    [],
    GeneratorExit(),
  ],
  ids=repr,
)
def test_results_of_every_type_are_returned_unchanged(run: Run, value: Any) -> None:
  async def main() -> None:
    await Odd().put('key', value)
    assert await Odd().fetch('key') is value
    assert await Odd().fetch('other', value) is value
    assert await asyncio.create_task(Odd().fetch('key')) is value
    assert await asyncio.gather(Odd().fetch('key')) == [value]

  run(main())
  with pytest.raises(StopIteration) as caught:
    Odd().fetch('key').send(None)
  assert caught.value.value is value
  with pytest.raises(StopIteration) as caught:
    next(Odd().fetch('key').__await__())
  assert caught.value.value is value

  def delegate() -> Iterator[Any]:
    return (yield from Odd().fetch('key').__await__())

  with pytest.raises(StopIteration) as caught:
    next(delegate())
  assert caught.value.value is value


# ---- Errors


def test_a_wrong_argument_raises_at_the_call(run: Run, cache: Cachette) -> None:
  calls: List[Any] = [
    (lambda: cache.fetch(''), ValueError),
    (lambda: cache.fetch('k' * 65537), ValueError),
    (lambda: cache.fetch(5), TypeError),  # type: ignore[arg-type]
    (lambda: cache.fetch_with_ttl(''), ValueError),
    (lambda: cache.put('', 'value'), ValueError),
    (lambda: cache.put('key', 'value', -1), ValueError),
    (lambda: cache.put('key', 'value', '1'), TypeError),  # type: ignore[arg-type]
    (lambda: cache.add('', 'value'), ValueError),
    (lambda: cache.exists(''), ValueError),
    (lambda: cache.touch('key', 0), ValueError),
    (lambda: cache.increment('key', 1.5), TypeError),  # type: ignore[arg-type]
    (lambda: cache.delete(''), ValueError),
    (lambda: cache.clear(''), ValueError),
    (lambda: cache.clear(key=''), ValueError),
    (lambda: cache.fetch_many(['key', '']), ValueError),
    (lambda: cache.fetch_many(['key', 5]), TypeError),  # type: ignore[list-item]
    (lambda: cache.put_many({'': 'value'}), ValueError),
    (lambda: cache.clear_many('key'), TypeError),
    (lambda: cache.get_or_set('', 'value'), ValueError),
    (lambda: cache.get_or_set('key', 'value', -1), ValueError),
    (lambda: cache.get_or_set(5, 'value'), TypeError),  # type: ignore[call-overload]
  ]

  async def main() -> None:
    for call, exception in calls:
      with pytest.raises(exception):
        call()

  run(main())


def test_errors_of_the_backend_and_the_codec_are_raised_by_await(
  run: Run, make_class: MakeClass
) -> None:
  class Elsewhere(Cachette):
    pass

  Elsewhere.load_config(lambda: [('backend', 'redis'), ('redis_url', 'redis://127.0.0.1:1')])
  json = make_class(codec='json')()

  async def main() -> None:
    calls: List[Any] = [
      (lambda: Elsewhere().fetch('key'), BackendError),
      (lambda: Elsewhere().fetch_many(['key']), BackendError),
      (lambda: Elsewhere().flush(), BackendError),
      (lambda: json.put('key', {1}), CodecError),
      (lambda: json.put_many({'key': {1}}), CodecError),
      (lambda: json.increment('count', 2**63 - 1), None),
      (lambda: json.increment('count', 1), ValueError),
    ]
    for call, exception in calls:
      with pytest.raises(exception) if exception else contextlib.nullcontext():
        await call()

  run(main())


def test_the_traceback_of_an_error_contains_the_await(cache: Cachette) -> None:
  async def fetch_absent() -> None:
    await cache.fetch('')

  with pytest.raises(ValueError) as caught:
    asyncio.run(fetch_absent())
  names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
  assert names[-1] == 'fetch_absent'


def test_an_error_in_an_except_block_has_its_context(cache: Cachette) -> None:
  async def main() -> None:
    try:
      raise LookupError('first')
    except LookupError:
      await cache.fetch('')

  with pytest.raises(ValueError) as caught:
    asyncio.run(main())
  assert repr(caught.value.__context__) == "LookupError('first')"
  assert caught.value.__cause__ is None


# ---- The protocol of a coroutine


def test_a_call_is_a_coroutine_to_abc_and_inspect(cache: Cachette) -> None:
  call = cache.fetch('key')
  assert isinstance(call, collections.abc.Coroutine)
  assert isinstance(call, collections.abc.Awaitable)
  assert inspect.isawaitable(call)
  assert asyncio.iscoroutine(call)
  assert not asyncio.isfuture(call)
  call.close()
  assert inspect.isawaitable(cache)
  assert not asyncio.iscoroutine(cache)


def resume_by_send(call: Any) -> Any:
  return call.send(None)


def resume_by_next(call: Any) -> Any:
  return next(call.__await__())


def resume_by_await(call: Any) -> Any:
  async def main() -> Any:
    return await call

  main_call = main()
  try:
    return main_call.send(None)
  finally:
    main_call.close()


@pytest.mark.parametrize('resume', [resume_by_send, resume_by_next, resume_by_await])
@inmemory_only
def test_a_call_can_be_awaited_only_once(full: Cachette, resume: Callable[[Any], Any]) -> None:
  for call in (full.fetch('key'), full.put('key', 'value')):
    with pytest.raises(StopIteration):
      resume(call)
    for _ in range(2):
      with pytest.raises(RuntimeError, match=REUSED):
        resume(call)
  failing = full.increment('key')
  with pytest.raises(CodecError):
    resume(failing)
  with pytest.raises(RuntimeError, match=REUSED):
    resume(failing)


def test_two_tasks_cannot_await_the_same_call(run: Run, full: Cachette) -> None:
  async def main() -> None:
    call = full.fetch('key')
    found = await asyncio.gather(
      asyncio.create_task(call), asyncio.create_task(call), return_exceptions=True
    )
    assert found[0] == 'value'
    assert isinstance(found[1], RuntimeError)

  run(main())


def test_gather_awaits_a_call_that_is_given_twice_once(run: Run, full: Cachette) -> None:
  async def main() -> None:
    call = full.fetch('key')
    assert await asyncio.gather(call, call) == ['value', 'value']

  run(main())


def test_close_drops_the_result(full: Cachette) -> None:
  call = full.fetch('key')
  assert call.close() is None  # type: ignore[func-returns-value]
  call.close()
  with pytest.raises(RuntimeError, match=REUSED):
    call.send(None)


@contextlib.contextmanager
def as_coroutine() -> Iterator[Any]:
  """A coroutine for comparison."""

  async def coroutine() -> str:
    return 'value'

  created = coroutine()
  yield created
  created.close()


THROWN: List[Any] = [
  (ValueError('thrown'),),
  (ValueError,),
  (ValueError, 'thrown'),
  (ValueError, ValueError('thrown')),
  (ValueError, None, None),
  (KeyboardInterrupt,),
  (GeneratorExit,),
]


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('args', THROWN, ids=repr)
def test_throw_raises_like_that_of_a_coroutine(full: Cachette, args: Any) -> None:
  with as_coroutine() as model:
    call = full.fetch('key')
    with pytest.raises(BaseException) as expected:
      model.throw(*args)
    with pytest.raises(type(expected.value)) as caught:
      call.throw(*args)
    assert caught.value.args == expected.value.args
    for each in (call, model):
      with pytest.raises(RuntimeError, match=REUSED):
        each.send(None)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('args', [(), (5,), (int,), (None,), (ValueError(), 5)], ids=repr)
@inmemory_only
def test_throwing_a_non_exception_is_a_type_error(full: Cachette, args: Any) -> None:
  call = full.fetch('key')
  with pytest.raises(TypeError):
    call.throw(*args)
  with pytest.raises(StopIteration):
    call.send(None)


@inmemory_only
def test_throw_on_an_awaited_call_is_an_error(full: Cachette) -> None:
  call = full.fetch('key')
  with pytest.raises(StopIteration):
    call.send(None)
  with pytest.raises(RuntimeError, match=REUSED):
    call.throw(ValueError)


@inmemory_only
def test_a_value_cannot_be_sent_to_a_call_that_has_not_started(full: Cachette) -> None:
  call = full.fetch('key')
  with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
    call.send('value')
  with pytest.raises(StopIteration):
    call.send(None)


def test_awaitables_cannot_be_instantiated_or_subclassed(full: Cachette) -> None:
  call = full.fetch('key')
  call.close()
  kind: Any = type(call)
  for make in (kind, lambda: kind.__new__(kind), lambda: type('Sub', (kind,), {})):
    with pytest.raises(TypeError):
      make()
  config: Any = type(type(full)._config)  # type: ignore[attr-defined]
  for make in (config, lambda: config.__new__(config), lambda: type('Sub', (config,), {})):
    with pytest.raises(TypeError):
      make()


CALLS: Dict[str, Callable[[Cachette], Any]] = {
  'fetch': lambda cache: cache.fetch('key'),
  'fetch_with_ttl': lambda cache: cache.fetch_with_ttl('key'),
  'fetch_many': lambda cache: cache.fetch_many(['key']),
  'put': lambda cache: cache.put('key', 'value'),
  'put_many': lambda cache: cache.put_many({'key': 'value'}),
  'add': lambda cache: cache.add('key', 'value'),
  'exists': lambda cache: cache.exists('key'),
  'touch': lambda cache: cache.touch('key'),
  'increment': lambda cache: cache.increment('count'),
  'delete': lambda cache: cache.delete('key'),
  'clear': lambda cache: cache.clear('key'),
  'clear_many': lambda cache: cache.clear_many(['key']),
  'flush': lambda cache: cache.flush(),
  'flush_expired': lambda cache: cache.flush_expired(),
  'ping': lambda cache: cache.ping(),
  'get_or_set': lambda cache: cache.get_or_set('key', 'value'),
}


def never_awaited(caught: List[warnings.WarningMessage]) -> List[warnings.WarningMessage]:
  """The warnings about calls that were never awaited. Other tests' leftovers may warn at any
  time."""
  return [each for each in caught if 'never awaited' in str(each.message)]


@pytest.mark.parametrize('name', CALLS)
def test_a_call_that_is_never_awaited_warns(run: Run, cache: Cachette, name: str) -> None:
  async def main() -> None:
    CALLS[name](cache)

  def warned() -> List[str]:
    with warnings.catch_warnings(record=True) as caught:
      warnings.simplefilter('always')
      run(main())
      CALLS[name](cache)  # outside a loop too
    reported = never_awaited(caught)
    assert [each.category for each in reported] == [RuntimeWarning] * 2
    assert all(each.filename == __file__ for each in reported)
    return [str(each.message) for each in reported]

  for _ in range(3):  # the extension reuses awaitables
    assert warned() == [f"coroutine 'Cachette.{name}' was never awaited"] * 2


@pytest.mark.parametrize('name', CALLS)
def test_in_debug_mode_the_warning_contains_the_origin_of_the_call(
  cache: Cachette, name: str
) -> None:
  async def main() -> None:
    CALLS[name](cache)

  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    asyncio.run(main(), debug=True)
  (warning,) = never_awaited(caught)
  message = str(warning.message)
  assert message.startswith(f"coroutine 'Cachette.{name}' was never awaited\nCoroutine created at")
  assert message.rstrip().endswith('CALLS[name](cache)') or 'lambda cache' in message


OVER: Dict[str, Callable[[Any], Any]] = {
  'list': list,
  'dict': dict,
  'iter': iter,
  'for': lambda call: [each for each in call],
  'star': lambda call: (*call,),
  'in': lambda call: 'key' in call,
  'zip': lambda call: list(zip(call)),
}


@pytest.mark.parametrize('over', OVER)
@pytest.mark.parametrize('name', ['fetch', 'fetch_many', 'put', 'get_or_set'])
def test_a_call_is_not_iterable_and_warns(run: Run, cache: Cachette, name: str, over: str) -> None:
  async def main() -> None:
    try:
      OVER[over](CALLS[name](cache))
    except TypeError as error:
      reported = str(error)
      traceback.clear_frames(error.__traceback__)  # they reference the call
    assert 'iterable' in reported
    if name != 'get_or_set' and over != 'in':  # a coroutine, for which Python warns itself
      assert f"'Cachette.{name}' is not iterable: await it" in reported

  with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter('always')
    run(main())
  assert len(never_awaited(warned)) == 1


def test_dunder_await_may_return_that_of_a_call(run: Run, cache: Cachette) -> None:
  class ByYieldFrom:
    def __await__(self) -> Any:
      return (yield from cache.fetch('key').__await__())

  class ByReturn:
    def __await__(self) -> Any:
      return cache.fetch('key').__await__()

  async def main() -> None:
    await cache.put('key', 'value')
    assert await ByYieldFrom() == await ByReturn() == 'value'  # type: ignore[misc]
    assert await asyncio.ensure_future(ByYieldFrom()) == 'value'  # type: ignore[arg-type]
    task = asyncio.ensure_future(ByReturn())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
      assert await task == 'value'
    assert await asyncio.ensure_future(cache) is cache  # type: ignore[arg-type]

  run(main())


def test_a_started_or_closed_call_does_not_warn(run: Run, cache: Cachette) -> None:
  async def main() -> None:
    cache.fetch('key').close()
    with pytest.raises(KeyError):
      cache.fetch('key').throw(KeyError())
    task = asyncio.create_task(cache.fetch('key'))
    task.cancel()
    await asyncio.wait([task])
    task = asyncio.create_task(cache.fetch('key'))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(TypeError):
      cache.fetch(5)  # type: ignore[arg-type]
    assert await cache is cache  # type: ignore[misc]

  with warnings.catch_warnings():
    warnings.simplefilter('error')
    run(main())
    gc.collect()


def test_a_never_awaited_call_in_a_reference_cycle_warns(cache: Cachette) -> None:
  references: List[Any] = []
  references.append(cache.fetch('key', references))
  del references
  with pytest.warns(RuntimeWarning, match=r"'Cachette.fetch' was never awaited"):
    gc.collect()
  for _ in range(20):  # a call that the garbage collector found warns when it is used again
    with pytest.warns(RuntimeWarning, match=r"'Cachette.fetch' was never awaited"):
      cache.fetch('key')


@inmemory_only
def test_a_call_takes_effect_without_being_awaited(cache: Cachette) -> None:
  with pytest.warns(RuntimeWarning, match=r"'Cachette.put' was never awaited"):
    cache.put('key', 'value')
  assert asyncio.run(cache.fetch('key')) == 'value'


def test_a_warning_as_an_error_is_reported_and_breaks_nothing(cache: Cachette) -> None:
  reported: List[Any] = []
  hook, sys.unraisablehook = sys.unraisablehook, reported.append
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('error')
      for _ in range(3):
        cache.fetch('key')
  finally:
    sys.unraisablehook = hook
  assert [type(each.exc_value) for each in reported] == [RuntimeWarning] * 3
  assert asyncio.run(cache.fetch('key')) is None


@inmemory_only
def test_results_are_not_retained(cache: Cachette) -> None:
  class Value:
    pass

  value = Value()
  gone = weakref.ref(value)
  call = cache.fetch('key', value)
  del value
  assert gone() is not None
  with pytest.raises(StopIteration):
    call.send(None)
  assert gone() is None
  value = Value()
  gone = weakref.ref(value)
  call = cache.fetch('key', value)
  call.close()
  del value, call
  assert gone() is None


def test_a_reference_cycle_through_a_call_is_collected(cache: Cachette) -> None:
  class Value:
    call: Any

  value = Value()
  value.call = cache.fetch('key', value)
  gone = weakref.ref(value)
  del value
  assert gone() is not None
  with pytest.warns(RuntimeWarning, match='never awaited'):
    gc.collect()
  assert gone() is None


def test_calls_can_be_nested_as_defaults(cache: Cachette) -> None:
  call: Any = None
  for _ in range(200_000):
    call = cache.fetch('key', call)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    del call
    gc.collect()


@inmemory_only
def test_results_can_be_nested_calls(cache: Cachette) -> None:
  call: Any = None
  for _ in range(500_000):
    call = cache.fetch('key', call)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    del call
    gc.collect()


@inmemory_only
def test_a_call_may_be_made_while_another_is_deallocated(cache: Cachette) -> None:
  class Value:
    def __del__(self) -> None:
      for _ in range(20):
        cache.put('key', 'value')
        cache.fetch('key')

  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    for _ in range(100):
      calls = [cache.fetch('other', Value()) for _ in range(20)]
      calls.pop().close()
      del calls
  assert asyncio.run(cache.fetch('key')) == 'value'
