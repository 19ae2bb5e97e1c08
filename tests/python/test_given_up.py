# SPDX-License-Identifier: MIT
"""Calls that are cancelled while a connection is opened or reopened: later calls and concurrent
calls still receive their own replies, and a server that was only slow is not treated as down."""

import asyncio
import contextlib
import random
import re
import warnings
from typing import Any, Callable, Dict, Iterator, List

import pytest
from cachette import BackendError, BackendTimeout, Cachette
from conftest import CHOSEN_BACKENDS, MakeClass, settings_for
from services.gate import Gate

Call = Callable[[Cachette], Any]

CALLS: Dict[str, Call] = {
  'fetch': lambda cache: cache.fetch('given'),
  'fetch_many': lambda cache: cache.fetch_many(['given', 'up']),
  'put': lambda cache: cache.put('given', 'up'),
  'put_many': lambda cache: cache.put_many({'given': 'up', 'a': 'b'}),
  'get_or_set': lambda cache: cache.get_or_set('given', lambda: 'up'),
  'increment': lambda cache: cache.increment('count'),
  'touch': lambda cache: cache.touch('given'),
  'exists': lambda cache: cache.exists('given'),
  'delete': lambda cache: cache.delete('given'),
  'clear': lambda cache: cache.clear('given'),
  'clear_namespace': lambda cache: cache.clear(namespace='given'),
  'flush': lambda cache: cache.flush(),
  'ping': lambda cache: cache.ping(),
}


async def start_and_cancel(call: Any) -> None:
  task = asyncio.ensure_future(call)
  await asyncio.sleep(0)
  task.cancel()
  with contextlib.suppress(asyncio.CancelledError):
    await task


async def put_and_fetch(cache: Cachette, key: str = 'next') -> Any:
  await cache.put(key, 'value')
  return await cache.fetch(key)


@pytest.mark.parametrize('name', CALLS)
def test_after_a_cancelled_first_call_the_next_receives_its_reply(
  make_class: MakeClass, name: str
) -> None:
  async def main(cache: Cachette) -> Any:
    await start_and_cancel(CALLS[name](cache))
    return await put_and_fetch(cache)

  assert asyncio.run(main(make_class()())) == 'value'


@pytest.mark.parametrize('name', CALLS)
def test_after_a_first_call_that_is_never_awaited_the_next_receives_its_reply(
  make_class: MakeClass, name: str
) -> None:
  async def main(cache: Cachette) -> Any:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', RuntimeWarning)
      CALLS[name](cache)
    return await put_and_fetch(cache)

  assert asyncio.run(main(make_class()())) == 'value'


def test_a_blocking_call_after_a_cancelled_one_receives_its_reply(make_class: MakeClass) -> None:
  cls = make_class()

  async def main() -> None:
    await start_and_cancel(cls().fetch('given'))

  asyncio.run(main())
  cls.sync.put('next', 'value')
  assert cls.sync.fetch('next') == 'value'


# ---- Behind a gate


# A client of a cluster learns addresses that are not the gate's.
SERVERS = [
  name for name in CHOSEN_BACKENDS if name not in ('inmemory', 'pickle') and '+' not in name
]


class Front:
  """A cache class whose server is reached through a gate."""

  def __init__(self, backend: Dict[str, Any], gate: Gate, name: str) -> None:
    self.backend, self.gate, self.name = backend, gate, name

  def cls(self, **settings: Any) -> Any:
    class Own(Cachette):
      pass

    own = {name: self.through_gate(value) for name, value in self.backend.items()}
    Own.load_config(lambda: {**own, 'key_prefix': f'{self.name}:', **settings})
    return Own

  def through_gate(self, value: Any) -> Any:
    here = f'127.0.0.1:{self.gate.port}'
    return re.sub(r'127\.0\.0\.1:\d+', here, value) if isinstance(value, str) else value


@pytest.fixture(params=SERVERS)
def front(request: pytest.FixtureRequest) -> Iterator[Front]:
  backend = settings_for(request.param, request)
  (port,) = {
    int(found.group(1))
    for value in backend.values()
    if isinstance(value, str)
    for found in [re.search(r'127\.0\.0\.1:(\d+)', value)]
    if found
  }
  with Gate('127.0.0.1', port) as gate:
    yield Front(backend, gate, request.node.name)


def test_a_connection_that_opens_after_a_timeout_serves_the_waiting_calls(front: Front) -> None:
  cache = front.cls()()

  async def main() -> Any:
    front.gate.hold_reply = '.'
    first = [asyncio.ensure_future(cache.fetch(f'given {number}')) for number in range(4)]
    waits = asyncio.ensure_future(put_and_fetch(cache, 'waits'))
    first += [asyncio.ensure_future(cache.fetch(f'given {number}')) for number in range(4, 8)]
    _, pending = await asyncio.wait(first, timeout=0.3)
    for each in pending:
      each.cancel()
    await asyncio.sleep(0.1)
    later = asyncio.ensure_future(put_and_fetch(cache, 'later'))
    await asyncio.sleep(0.1)
    front.gate.open()
    return await asyncio.gather(waits, later, put_and_fetch(cache))

  assert asyncio.run(main()) == ['value'] * 3


def test_a_handshake_too_late_for_one_call_serves_the_next(front: Front) -> None:
  cache = front.cls(timeout=1, connect_timeout=60)()

  async def main() -> Any:
    front.gate.hold_reply = '.'
    with pytest.raises(BackendError):
      await cache.fetch('given')
    front.gate.open()
    for _ in range(3):  # a machine under load may need more than a second once
      with contextlib.suppress(BackendTimeout):
        return await put_and_fetch(cache)
    return await put_and_fetch(cache)

  assert asyncio.run(main()) == 'value'


@pytest.mark.parametrize('name', CALLS)
def test_a_call_cancelled_after_the_server_closed_the_connection(front: Front, name: str) -> None:
  cache = front.cls()()

  async def main() -> Any:
    await put_and_fetch(cache, 'first')
    front.gate.close_connections()
    await start_and_cancel(CALLS[name](cache))
    answers = [await put_and_fetch(cache)]
    front.gate.close_connections()
    await asyncio.sleep(0.05)
    await start_and_cancel(CALLS[name](cache))
    return [*answers, await put_and_fetch(cache)]

  assert asyncio.run(main()) == ['value'] * 2


@pytest.mark.parametrize('seed', range(4))
def test_random_cancellations_while_connections_close_at_random(front: Front, seed: int) -> None:
  cache, chance = front.cls()(), random.Random(seed)

  async def use(number: int) -> None:
    key = f'key {number}'
    for turn in range(20):
      value = f'{number} {turn}'
      # The connection may close again after a resend; a cancelled call may fail before its resend.
      with contextlib.suppress(BackendError):
        if chance.random() < 0.3:
          await start_and_cancel(cache.fetch(key))
        elif chance.random() < 0.2:
          await start_and_cancel(
            cache.put(f'given {key}', value)
          )  # it may still be stored, at any time
        else:
          await cache.put(key, value)
          assert await cache.fetch(key) == value
      if chance.random() < 0.02:
        front.gate.close_connections()

  async def main() -> List[Any]:
    await asyncio.gather(*(use(number) for number in range(10)))
    for _ in range(100):  # after a refused connection the cache backs off for a moment
      with contextlib.suppress(BackendError):
        return [await put_and_fetch(cache, f'key {number}') for number in range(10)]
      await asyncio.sleep(0.1)
    raise AssertionError('it does not come back')

  assert asyncio.run(main()) == ['value'] * 10
