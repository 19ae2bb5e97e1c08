# SPDX-License-Identifier: MIT
"""Nothing leaks or breaks across loops, threads, forks, interpreters and garbage collections."""

import asyncio
import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from typing import Any, List, Type

import cachette as package
import pytest
from cachette import Cachette
from conftest import ROOT, MakeClass, count_descriptors, inmemory_only, linux_only, run_python

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS = 100_000


# ---- Leaks


def measure_leaks(python: str, path: str, calls: int) -> None:
  done = subprocess.run(
    [python, '-X', 'faulthandler', os.path.join(HERE, 'leaks.py'), str(calls)],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    encoding='utf-8',
    errors='replace',
    env={**os.environ, 'PYTHONPATH': path},
    timeout=300,
  )
  leaks = [line for line in done.stdout.splitlines() if not line.endswith('nothing grew')]
  assert (done.returncode, leaks) == (0, []), done.stdout


@linux_only
def test_no_call_leaks_when_made_100000_times() -> None:
  measure_leaks(sys.executable, os.environ.get('PYTHONPATH', ''), CALLS)


def find_debug_python() -> str:
  """A debug interpreter that has its headers; on Debian it is python3.N-dbg."""
  for version in range(9, 15):
    found = shutil.which(f'python3.{version}-dbg')
    if found is None:
      continue
    headers = subprocess.run(
      [found, '-c', 'import sysconfig; print(sysconfig.get_path("include"))'],
      stdout=subprocess.PIPE,
      encoding='utf-8',
    ).stdout.strip()
    if os.path.exists(os.path.join(headers, 'Python.h')):
      return found
  pytest.skip('no debug interpreter with headers (Debian: python3-dbg)')


@linux_only
def test_no_call_leaks_a_reference_in_a_debug_interpreter(tmp_path: Any) -> None:
  python = find_debug_python()
  path = os.pathsep.join([os.path.dirname(sys.executable), os.environ['PATH']])
  meson = shutil.which('meson', path=path)
  if meson is None or shutil.which('ninja', path=path) is None:
    pytest.skip('meson and ninja are needed to build for the debug interpreter')
  (tmp_path / 'debug.ini').write_text(f"[binaries]\npython = '{python}'\n")
  build, target = str(tmp_path / 'build'), str(tmp_path / 'target')
  setup = [meson, 'setup', build, ROOT, '-Dpython=true', '-Dlibrary=false', '--prefix=/usr']
  setup += [f'--native-file={tmp_path}/debug.ini', '-Dpython.purelibdir=/lib']
  setup += ['-Dpython.platlibdir=/lib']
  for command in (setup, [meson, 'compile', '-C', build], [meson, 'install', '-C', build]):
    done = subprocess.run(
      command,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      encoding='utf-8',
      env={**os.environ, 'PATH': path, 'DESTDIR': target},
    )
    assert done.returncode == 0, done.stdout
  measure_leaks(python, os.path.join(target, 'lib'), CALLS // 10)


# ---- Event loops


@linux_only
def test_a_thousand_event_loops_leave_nothing_behind(cache: Cachette) -> None:
  async def main(number: int) -> None:
    await cache.put('key', number)
    assert await asyncio.create_task(cache.fetch('key')) == str(number)
    assert (await asyncio.gather(cache.fetch_with_ttl('key')))[0][1] == str(number)

  for number in range(20):
    asyncio.run(main(number))
  gc.collect()
  before = count_descriptors(), len(gc.get_objects())
  for number in range(1000):
    asyncio.run(main(number))
  gc.collect()
  after = count_descriptors(), len(gc.get_objects())
  assert after[0] - before[0] < 100  # other libraries in this process open some too
  assert after[1] - before[1] < 200


def test_entries_outlive_the_event_loop(cache: Cachette) -> None:
  asyncio.run(cache.put('key', 'value'))
  assert asyncio.run(cache.fetch('key')) == 'value'


# ---- Threads


def test_threads_with_a_loop_each_share_the_entries(make_class: MakeClass) -> None:
  cls = make_class(memory_limit='64M')
  failures: List[BaseException] = []
  barrier = threading.Barrier(8)

  async def work(number: int) -> None:
    cache = cls()
    for turn in range(500):
      await cache.put(f'{number}:{turn}', f'value {number}:{turn}')
      assert await cache.fetch(f'{number}:{turn}') == f'value {number}:{turn}'
      assert await cache.fetch(f'{(number + 1) % 8}:none') is None
      await cache.put('common', number)
      assert int(await cache.fetch('common')) in range(8)
      if turn % 100 == 0:
        await asyncio.sleep(0)

  def run(number: int) -> None:
    try:
      barrier.wait(10)
      asyncio.run(work(number))
    except BaseException as error:
      failures.append(error)

  threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not failures, failures
  assert asyncio.run(cls().clear('3')) == 500
  assert asyncio.run(cls().flush()) == 3501


def test_concurrent_first_uses_in_threads_do_not_mix_up_caches(
  make_class: MakeClass,
) -> None:
  failures: List[BaseException] = []
  interval = sys.getswitchinterval()

  def run(cls: Type[Cachette], barrier: threading.Barrier, number: int) -> None:
    async def work() -> None:
      barrier.wait(10)
      await cls().put(f'{number}', 'value')
      assert await cls().fetch(f'{number}') == 'value'

    try:
      asyncio.run(work())
    except BaseException as error:
      failures.append(error)

  sys.setswitchinterval(1e-6)
  try:
    for _ in range(20):
      cls, barrier = make_class(), threading.Barrier(8)
      threads = [threading.Thread(target=run, args=(cls, barrier, number)) for number in range(8)]
      for thread in threads:
        thread.start()
      for thread in threads:
        thread.join()
  finally:
    sys.setswitchinterval(interval)
  assert not failures, failures


def test_load_config_is_safe_while_other_threads_work(make_class: MakeClass) -> None:
  cls = make_class()
  stop = threading.Event()
  failures: List[BaseException] = []

  async def work() -> None:
    while not stop.is_set():
      for _ in range(50):
        await cls().put('key', 'value')
        assert await cls().fetch('key') in ('value', None)

  def run() -> None:
    try:
      asyncio.run(work())
    except BaseException as error:
      failures.append(error)

  threads = [threading.Thread(target=run) for _ in range(4)]
  for thread in threads:
    thread.start()
  for _ in range(100):
    cls.load_config(lambda: [])
    time.sleep(0.001)
  stop.set()
  for thread in threads:
    thread.join()
  assert not failures, failures


# ---- Forks

forks = pytest.mark.skipif(not hasattr(os, 'fork'), reason='the system has no fork')


@forks
@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
@inmemory_only
def test_a_forked_child_inherits_entries_and_is_then_independent(cache: Cachette) -> None:
  async def main() -> None:
    await cache.put('before', 'value')
    await cache.put('both', 'of the parent')

  async def child() -> int:
    assert await cache.fetch('before') == 'value'
    assert await cache.fetch('after') is None
    await cache.put('both', 'of the child')
    await cache.put('new', 'of the child')
    assert await cache.fetch('both') == 'of the child'
    assert await cache.clear(key='before') == 1
    return await cache.flush()

  asyncio.run(main())
  question, answer = os.pipe()
  go_on, wait = os.pipe()
  pid = os.fork()
  if pid == 0:
    status = 1
    try:
      os.read(go_on, 1)
      status = 0 if asyncio.run(child()) == 2 else 2
      os.write(answer, b'x')
      gc.collect()
    finally:
      os._exit(status)
  asyncio.run(cache.put('after', 'value'))
  os.write(wait, b'x')
  assert os.read(question, 1) == b'x'
  assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
  for descriptor in (question, answer, go_on, wait):
    os.close(descriptor)
  assert asyncio.run(cache.fetch('before')) == 'value'
  assert asyncio.run(cache.fetch('both')) == 'of the parent'
  assert asyncio.run(cache.fetch('new')) is None


@forks
@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
@inmemory_only
def test_a_grandchild_inherits_the_entries_of_its_parent(cache: Cachette) -> None:
  asyncio.run(cache.put('key', '0'))

  def descend(generation: int) -> int:
    if asyncio.run(cache.fetch('key')) != str(generation):
      return 1
    if generation == 4:
      return 0
    asyncio.run(cache.put('key', generation + 1))
    pid = os.fork()
    if pid == 0:
      os._exit(descend(generation + 1))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

  pid = os.fork()
  if pid == 0:
    os._exit(descend(0))
  assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
  assert asyncio.run(cache.fetch('key')) == '0'


@forks
@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
def test_a_fork_while_other_threads_work_does_not_hang(cache: Cachette) -> None:
  stop = threading.Event()

  def work() -> None:
    while not stop.is_set():
      for number in range(100):
        cache.put(f'key:{number}', 'value').close()

  threads = [threading.Thread(target=work) for _ in range(3)]
  for thread in threads:
    thread.start()
  try:
    for _ in range(50):
      pid = os.fork()
      if pid == 0:
        status = 1
        try:
          cache.put('mine', 'value').close()
          status = 0
        finally:
          os._exit(status)
      assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
  finally:
    stop.set()
    for thread in threads:
      thread.join()


class OfThePool(Cachette):
  pass


def fetch_and_put(number: int) -> Any:
  async def main() -> Any:
    seen = await OfThePool().fetch('key')
    await OfThePool().put('key', f'of child {number}')
    return seen, await OfThePool().fetch('key')

  return asyncio.run(main())


@forks
@pytest.mark.filterwarnings('ignore:This process .* is multi-threaded:DeprecationWarning')
def test_workers_of_a_forked_pool_inherit_entries() -> None:
  OfThePool.load_config(lambda: [])
  asyncio.run(OfThePool().put('key', 'of the parent'))
  with multiprocessing.get_context('fork').Pool(2, maxtasksperchild=1) as pool:
    found = pool.map(fetch_and_put, range(6), chunksize=1)
  assert found == [('of the parent', f'of child {number}') for number in range(6)]
  assert asyncio.run(OfThePool().fetch('key')) == 'of the parent'


@forks
@linux_only
def test_a_forked_child_exits_normally() -> None:
  run_python("""
    import asyncio, os, sys
    from cachette import Cachette
    asyncio.run(Cachette().put('key', 'value'))
    pid = os.fork()
    assert asyncio.run(Cachette().fetch('key')) == 'value'
    if pid == 0:
      sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    """)


# ---- Interpreters and collections


def test_the_interpreter_exits_cleanly_with_live_objects() -> None:
  """Runs with the debugging allocator, which detects the use of freed memory."""
  code = """
    import asyncio, atexit, sys, warnings
    from cachette import Cachette
    warnings.simplefilter('ignore')  # of calls that are never awaited
    class Late:
      def __init__(self):
        self.cache, self.call = Cachette(), Cachette().fetch('key', self)
      def __del__(self):
        self.cache.put('late', 'value')
        self.cache.fetch('late')
    for _ in range(30):
      Cachette().fetch('key')
    held = [Cachette().fetch('key') for _ in range(30)]
    late = Late()
    late.itself = late
    sys.late = Late()
    atexit.register(lambda: asyncio.run(Cachette().put('key', 'value')))
    """
  for allocator in ('debug', 'malloc', 'default'):
    run_python(code, env={'PYTHONMALLOC': allocator})


def test_the_module_can_be_imported_repeatedly() -> None:
  run_python(
    """
    import asyncio, gc, sys, warnings
    warnings.simplefilter('ignore')  # of calls that are never awaited
    held = []
    for turn in range(20):
      import cachette
      from cachette import Cachette
      assert asyncio.run(Cachette().fetch('key')) is None
      asyncio.run(Cachette().put('key', turn))
      assert asyncio.run(Cachette().fetch('key')) == str(turn)
      call = Cachette().fetch('key')
      if turn % 3 == 0:
        held.append((Cachette, call))
      for name in [name for name in sys.modules if name.partition('.')[0] == 'cachette']:
        del sys.modules[name]
      del cachette, Cachette, call
      gc.collect()
    for cls, call in held:
      assert asyncio.run(cls().fetch('key')) == asyncio.run(call)
    """,
    env={'PYTHONMALLOC': 'debug'},
  )


def test_a_subinterpreter_has_its_own_module_or_refuses_the_import() -> None:
  pytest.importorskip('_xxsubinterpreters' if sys.version_info < (3, 13) else '_interpreters')
  code = """
    import asyncio, sys
    try:
      import _interpreters as interpreters
    except ImportError:
      import _xxsubinterpreters as interpreters
    from cachette import Cachette
    asyncio.run(Cachette().put('key', 'of main'))
    script = '''if True:
      import sys
      sys.path[:] = {path!r}
      from cachette import Cachette
      def end(call):
        try:
          call.send(None)
        except StopIteration as stop:
          return stop.value
      assert end(Cachette().fetch('key')) is None
      end(Cachette().put('key', 'of the other'))
      assert end(Cachette().fetch('key')) == 'of the other'
      held = [Cachette().fetch('key') for _ in range(20)]
    '''.format(path=sys.path)
    for _ in range(5):
      if sys.version_info >= (3, 13):
        interpreter = interpreters.create('legacy')
      else:
        interpreter = interpreters.create(isolated=False)
      error = interpreters.run_string(interpreter, script)
      assert error is None, error
      interpreters.destroy(interpreter)
      assert asyncio.run(Cachette().fetch('key')) == 'of main'
    """
  run_python(code, env={'PYTHONMALLOC': 'debug'})


def test_an_unused_class_is_collected(make_class: MakeClass) -> None:
  def count() -> int:
    gc.collect()
    return sum(1 for each in gc.get_objects() if type(each).__name__ == 'Config')

  def use_one() -> None:
    class Own(Cachette):
      pass

    Own.load_config(lambda: [])
    asyncio.run(Own().put('key', 'value'))

  use_one()
  before = count()
  for _ in range(20):
    use_one()
  assert count() <= before


def test_the_extension_is_statically_linked_with_the_core() -> None:
  """A wheel needs nothing beyond system libraries."""
  from cachette import _cachette

  assert os.path.dirname(_cachette.__file__ or '') == os.path.dirname(package.__file__)
  assert (_cachette.__file__ or '').endswith(sysconfig.get_config_var('EXT_SUFFIX'))
  if shutil.which('ldd') is None:
    pytest.skip('ldd is not installed')
  linked = subprocess.run(
    ['ldd', str(_cachette.__file__)], stdout=subprocess.PIPE, encoding='utf-8'
  ).stdout
  assert 'libcachette' not in linked and 'libuv' in linked
