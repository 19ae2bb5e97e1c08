# SPDX-License-Identifier: MIT
"""The blocking calls, for code without an event loop."""

import asyncio
import os
import threading
import time
from typing import Any, Callable, Dict, List

import pytest
from cachette import BackendUnavailable, Cachette, CodecError
from conftest import (
  MakeClass,
  about,
  allowed_size,
  count_descriptors,
  inmemory_only,
  linux_only,
  run_python,
)


def test_blocking_calls_return_what_the_awaited_calls_return(make_class: MakeClass) -> None:
  sync = make_class(codec='json').sync
  assert sync.put('key', [1, 2]) is None
  assert sync.fetch('key') == [1, 2]
  assert sync.fetch('absent') is None
  assert sync.fetch('absent', 7) == 7
  assert sync.fetch_with_ttl('key') == (about(60), [1, 2])
  assert sync.fetch_with_ttl('absent') == (-1, None)
  assert sync.put_many({'a': 1, 'b': 2}, ttl=500) is None
  assert sync.fetch_many(['a', 'b', 'c']) == {'a': 1, 'b': 2}
  assert sync.add('a', 2) is False
  assert sync.exists('a') is True
  assert sync.touch('a', 5) is True
  assert sync.increment('count', by=5) == 5
  assert sync.clear_many(['a', 'c']) == 1
  assert sync.clear(key='b') == 1
  sync.put('ns:1', 1)
  assert sync.clear('ns') == 1
  assert sync.ping() is None
  assert sync.flush_expired() == 0
  assert sync.flush() == 2


@pytest.mark.parametrize('size', [0, 1, 2047, 2048, 2049, 1_000_000])
def test_values_of_any_size_round_trip(
  make_class: MakeClass, backend: Dict[str, Any], size: int
) -> None:
  size = allowed_size(backend, size)
  sync = make_class(codec='pickle').sync
  sync.put('key', b'\xff' * size)
  assert sync.fetch('key') == b'\xff' * size


def test_blocking_and_awaited_calls_share_a_cache(make_class: MakeClass) -> None:
  cls = make_class()
  cls.sync.put('key', 'value')
  assert asyncio.run(cls().fetch('key')) == 'value'
  assert cls().sync.fetch('key') == 'value'


def test_blocking_calls_raise_errors(make_class: MakeClass) -> None:
  sync = make_class(codec='json').sync
  with pytest.raises(ValueError, match='empty'):
    sync.fetch('')
  with pytest.raises(TypeError, match='key must be a str'):
    sync.fetch(1)  # type: ignore[arg-type]
  with pytest.raises(CodecError):
    sync.put('key', object())
  with pytest.raises(TypeError, match="missing required argument 'key'"):
    sync.fetch()  # type: ignore[call-arg]
  with pytest.raises(TypeError, match='unexpected keyword'):
    sync.fetch('key', fallback=1)  # type: ignore[call-arg]


def test_blocking_calls_work_in_a_running_loop(make_class: MakeClass) -> None:
  cls = make_class()

  async def main() -> None:
    awaited = asyncio.ensure_future(cls().put('awaited', 'value'))
    cls.sync.put('key', 'value')
    assert cls.sync.fetch('key') == 'value'
    await awaited
    assert await asyncio.to_thread(cls.sync.fetch, 'awaited') == 'value'
    assert await cls().fetch('key') == 'value'

  asyncio.run(main())


def test_blocking_calls_start_no_loop_and_import_no_asyncio(backend: Any) -> None:
  program = f"""
    import sys
    from cachette import Cachette
    Cachette.load_config(lambda: {backend!r})
    Cachette.sync.put('no-loop', 'value')
    assert Cachette.sync.fetch('no-loop') == 'value'
    assert Cachette.sync.clear(key='no-loop') == 1
    assert 'asyncio' not in sys.modules
    print('fine')
  """
  assert run_python(program) == 'fine\n'


def run_threads(count: int, work: Callable[[int], None]) -> None:
  failures: List[BaseException] = []

  def run(number: int) -> None:
    try:
      work(number)
    except BaseException as error:
      failures.append(error)

  threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not failures, failures


def test_threads_can_use_a_cache_concurrently(make_class: MakeClass) -> None:
  cls = make_class()

  def work(number: int) -> None:
    for turn in range(300):
      cls.sync.put(f'{number}:{turn}', f'{number}:{turn}')
      assert cls.sync.fetch(f'{number}:{turn}') == f'{number}:{turn}'
      cls.sync.increment('count')

  run_threads(8, work)
  assert cls.sync.increment('count', 0) == 2400
  assert cls.stats().hits == 2400
  assert cls.stats().puts == 8 * 300 * 2 + 1


@linux_only
def test_a_thread_closes_its_connection_at_its_end(make_class: MakeClass) -> None:
  cls = make_class()
  cls.sync.put('key', 'value')
  before = count_descriptors()
  for _ in range(25):
    run_threads(4, lambda _: cls.sync.put('key', 'value'))
  # The file store has a few threads with a connection each, and starts them on demand. Before
  # Python 3.13, join() returns slightly before the thread's actual end.
  deadline = time.monotonic() + 10
  while count_descriptors() > before + 20:
    assert time.monotonic() < deadline
    time.sleep(0.01)


def test_a_forked_child_opens_its_own_connection(make_class: MakeClass) -> None:
  cls = make_class()
  cls.sync.put('key', 'parent')
  child = os.fork()
  if child == 0:
    status = 1
    try:
      status = 0 if cls.sync.fetch('key') == 'parent' else 2
    finally:
      os._exit(status)
  assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
  assert cls.sync.fetch('key') == 'parent'


@inmemory_only
def test_a_dead_server_is_an_immediate_error(make_class: MakeClass) -> None:
  class Dead(Cachette):
    pass

  Dead.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'})
  start = time.monotonic()
  with pytest.raises(BackendUnavailable, match='127.0.0.1:1'):
    Dead.sync.fetch('key')
  assert time.monotonic() - start < 10
  assert Dead.stats().errors == 1


@pytest.mark.parametrize('kind', ['awaited', 'sync', 'cached'])
def test_a_miss_is_counted_and_fetched_once(make_class: MakeClass, kind: str) -> None:
  cls = make_class(codec='json')

  @cls.cached(key='key')
  def compute() -> int:
    return 1

  if kind == 'awaited':
    asyncio.run(cls().get_or_set('key', lambda: 1))
  elif kind == 'sync':
    cls.sync.get_or_set('key', lambda: 1)
  else:
    compute()
  stats = cls.stats()
  assert (stats.hits, stats.misses, stats.puts) == (0, 1, 1)
