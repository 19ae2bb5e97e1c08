# SPDX-License-Identifier: MIT
"""Writes, and the puts of flights, reach the server in the right order. A gate holds back
requests and replies."""

import asyncio
import threading
from typing import Any, Iterator, List

import pytest
from cachette import Cachette
from conftest import linux_only, run_python
from flights import FORMS, KEY, LONG, WRITES, Source, in_thread, run, until
from services.gate import Gate
from services.redis import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
  with RedisServer() as server:
    yield server


@pytest.fixture
def gate(server: RedisServer) -> Iterator[Gate]:
  with Gate('127.0.0.1', server.port) as gate:

    class Own(Cachette):
      """A cache behind the gate."""

    url = f'redis://127.0.0.1:{gate.port}'
    Own.load_config(lambda: {'backend': 'redis', 'redis_url': url, 'timeout': 60})
    gate.cls = Own  # type: ignore[attr-defined]
    yield gate


SET = rf'SET\r\n\${len(KEY)}\r\n{KEY}'
UNLINK = rf'UNLINK\r\n\${len(KEY)}\r\n{KEY}'


async def settle(task: 'asyncio.Future[Any]') -> None:
  """Waits a short time for a call that should not wait."""
  await asyncio.wait([task], timeout=0.3)


def test_a_value_read_before_the_answer_to_a_clear_is_not_stored(gate: Any) -> None:
  cls, read = gate.cls, []

  async def compute() -> str:
    read.append(1)
    return 'old' if len(read) < 2 else 'new'

  async def main() -> None:
    await cls().put(KEY, 'older')
    gate.hold_reply = UNLINK
    clear = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await until(gate.held.is_set)  # executed but not yet answered
    assert await cls().get_or_set(KEY, compute) == 'old'
    gate.open()
    assert await clear == 1
    assert await cls().get_or_set(KEY, compute) == 'new'
    assert await cls().fetch(KEY) == 'new'

  run(main())


def test_a_flight_started_during_a_clear_is_not_joined_after_it(
  gate: Any,
) -> None:
  cls = gate.cls

  async def main() -> None:
    source = Source()
    gate.hold_reply = UNLINK
    clear = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await until(gate.held.is_set)
    first = asyncio.ensure_future(cls().get_or_set(KEY, source))
    await source.read.wait()
    second = asyncio.ensure_future(cls().get_or_set(KEY, source))  # joins the flight
    await asyncio.sleep(0.05)
    assert source.runs == 1
    source.data = 'new'
    gate.open()
    await clear
    later = asyncio.ensure_future(cls().get_or_set(KEY, source))
    assert await asyncio.wait_for(later, LONG) == 'new'
    source.go.set()
    assert (await first, await second) == ('old', 'old')
    assert await cls().fetch(KEY) == 'new'

  run(main())


@pytest.mark.parametrize('kind', ['sync in a thread', 'in another loop', 'awaited'])
@pytest.mark.parametrize('name', WRITES)
def test_a_write_waits_for_the_put_of_a_flight(gate: Any, name: str, kind: str) -> None:
  cls = gate.cls
  write, stored = WRITES[name]

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(FORMS[kind](write)(cls()))
    await settle(call)
    later = asyncio.ensure_future(cls().fetch(KEY))
    gate.open()
    assert await first == 'old'
    await call
    await later
    expected = 'old' if name == 'add' else stored  # the value was present when it was executed
    assert await cls().fetch(KEY) == expected

  run(main())


@pytest.mark.parametrize('kind', ['sync in a thread', 'in another loop'])
def test_a_write_waits_for_the_put_of_a_thread(gate: Any, kind: str) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(in_thread(lambda: cls.sync.get_or_set(KEY, 'old')))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(FORMS[kind](lambda cache: cache.clear(key=KEY))(cls()))
    await settle(call)
    gate.open()
    assert await first == 'old'
    await call
    assert await cls().fetch(KEY) is None

  run(main())


def test_a_blocking_write_in_the_loop_of_a_put_is_followed_by_a_clear(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    cls.sync.clear(key=KEY)  # it cannot wait for this loop, which it blocks
    gate.open()
    assert await first == 'old'
    assert await cls().fetch(KEY) is None

  run(main())


def test_a_write_waits_for_a_put_whose_caller_was_cancelled(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
      await first
    call = asyncio.ensure_future(in_thread(lambda: cls.sync.clear(key=KEY)))
    await settle(call)
    gate.open()
    await call
    await asyncio.sleep(0.05)
    assert await cls().fetch(KEY) is None
    # After a caller came and went, nothing blocks the key.
    assert await cls().get_or_set(KEY, 'new') == 'new'
    assert await cls().fetch(KEY) == 'new'

  run(main())


def test_a_write_to_another_key_does_not_wait_for_a_put(gate: Any) -> None:
  cls = gate.cls

  async def main() -> None:
    gate.hold_request = SET
    first = asyncio.ensure_future(cls().get_or_set(KEY, 'old'))
    await until(gate.held.is_set)
    call = asyncio.ensure_future(in_thread(lambda: cls.sync.put('another', 'value')))
    await asyncio.wait_for(call, LONG)
    gate.open()
    assert await first == 'old'
    assert await cls().fetch(KEY) == 'old'

  run(main())


@linux_only
def test_a_forked_child_does_not_wait_for_writes_and_puts_of_its_parent() -> None:
  with RedisServer() as server, Gate('127.0.0.1', server.port) as gate:
    gate.hold_request = r'(?:UNLINK|SET)\r\n\$\d+\r\nheld'
    code = f"""
    import asyncio, os, threading, time, warnings
    from cachette import Cachette
    warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside threads
    Cachette.load_config(lambda: {{
      'backend': 'redis', 'redis_url': 'redis://127.0.0.1:{gate.port}', 'timeout': 60
    }})
    def in_loop(make):
      async def main():
        await make()
      asyncio.run(main())
    calls = [
      lambda: Cachette.sync.clear(key='held1'),
      lambda: Cachette.sync.get_or_set('held2', 'parent'),
      lambda: in_loop(lambda: Cachette().clear(key='held3')),
      lambda: in_loop(lambda: Cachette().get_or_set('held4', 'parent')),
    ]
    for call in calls:
      threading.Thread(target=call, daemon=True).start()
    while Cachette.sync.fetch('go') is None:
      time.sleep(0.01)
    if os.fork() == 0:
      async def main():
        for name in ('held3', 'held4'):
          await Cachette().get_or_set(name, 'child')
          print(await Cachette().fetch(name), await Cachette().clear(key=name))
      for name in ('held1', 'held2'):
        Cachette.sync.get_or_set(name, 'child')
        print(Cachette.sync.fetch(name), Cachette.sync.clear(key=name))
      asyncio.run(main())
      print('done', flush=True)
      os._exit(0)
    os.wait()
    os._exit(0)
    """
    printed: List[str] = []
    program = threading.Thread(target=lambda: printed.append(run_python(code)))
    program.start()
    run(until(lambda: gate.waiting == 4 or not program.is_alive()))
    gate.hold_request = None
    server.execute('SET', 'go', '1')
    program.join(100)
    assert printed == ['child 1\n' * 4 + 'done\n']
