# SPDX-License-Identifier: MIT
"""What one worker clears while another makes the response. Two middlewares with different policies
know as little of each other as two processes."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, Iterator, List

import pytest
from asgi import App, Client, Wrap, class_of, get, in_loop, make_scope, send_body, stats_of
from cachette.http import Policy, _shared
from conftest import MakeClass, inmemory_only, on_stores


class Site(App):
  """A page with a version, which a POST increments."""

  version = 1

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    self.version += scope['method'] == 'POST'
    seen = self.version
    if b'x-slow' in dict(scope['headers']):
      self.slow = asyncio.Event()
      await self.slow.wait()
    self.parts = [b'version %d' % seen]
    await super().respond(scope, receive, send)


VARY: Any = pytest.mark.parametrize('vary', [{}, {'vary': 'x-own'}])


@on_stores
@VARY
@pytest.mark.parametrize('before', ['nothing', 'a response', 'a clear'])
@in_loop
async def test_a_run_from_before_a_post_to_another_worker_is_not_stored(
  wrap: Wrap, vary: Dict[str, str], before: str
) -> None:
  site = Site({'cache-control': 'max-age=60', **vary})
  one, two = wrap(site), wrap(site, wait=4)
  if before == 'a clear':
    await send_body(two, 'POST')
  if before != 'nothing':
    await get(one)
  if before == 'a clear':
    await send_body(two, 'POST')
  slow = Client(one, make_scope('/', {'x-slow': '1', 'cache-control': 'no-cache'})).start()
  while not site.active:
    await asyncio.sleep(0.001)
  old = b'version %d' % site.version
  await send_body(two, 'POST')
  site.slow.set()
  assert (await slow).body == old
  for worker in (two, one):
    response = await get(worker)
    assert response.body == b'version %d' % site.version, response.cache_status
  assert response.is_hit, 'a run from after the clear is stored'
  assert stats_of(one).passed['overtaken'] == 1


@on_stores
@VARY
@in_loop
async def test_a_run_from_after_a_post_to_another_worker_is_stored(
  wrap: Wrap, vary: Dict[str, str]
) -> None:
  site = Site({'cache-control': 'max-age=60', **vary})
  one, two = wrap(site), wrap(site, wait=4)
  for _ in range(3):
    await send_body(two, 'POST')
    response = await get(one)
    assert response.cache_status == 'cachette;fwd=uri-miss;fwd-status=200;stored'
    assert (await get(one)).is_hit and (await get(two)).is_hit


@on_stores
@in_loop
async def test_requests_do_not_join_a_run_from_before_a_post_to_another_worker(wrap: Wrap) -> None:
  site = Site({'cache-control': 'max-age=60'})
  one, two = wrap(site), wrap(site, wait=4)
  slow = Client(one, make_scope('/', {'x-slow': '1'})).start()
  while not site.active:
    await asyncio.sleep(0.001)
  await send_body(two, 'POST')
  assert (await get(one)).body == b'version 2'
  site.slow.set()
  await slow
  assert (await get(one)).body == (await get(two)).body == b'version 2'


@in_loop
async def test_what_is_known_of_clears_is_bounded(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(_shared, 'MAX_MARKS', 10)
  site = Site({'cache-control': 'max-age=60'})
  one, two = wrap(site), wrap(site, wait=4)
  for i in range(50):
    await send_body(one, 'POST', f'/{i}')
    await get(two, f'/{i}')
    assert max(len(each._shared._cleared) for each in (one, two)) <= 10
  assert (await get(one, '/49')).is_hit
  assert class_of(one) is class_of(two)


# ---- Threads


@pytest.fixture
def switching() -> Iterator[None]:
  """Lets threads take turns as often as they can."""
  before = sys.getswitchinterval()
  sys.setswitchinterval(1e-6)
  yield
  sys.setswitchinterval(before)


@inmemory_only
def test_event_loops_in_threads_share_numbers_marks_and_what_is_not_shared(
  make_class: MakeClass, switching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setattr(_shared, 'MAX_MARKS', 20)
  monkeypatch.setattr(_shared, 'MAX_UNSHARED', 20)
  monkeypatch.setattr(_shared, 'HTTP_UNSHARED_SECONDS', 0.0001)
  shared = _shared.Shared(make_class(), Policy())

  def work(name: int) -> List[int]:
    numbers = []
    for i in range(3000):
      numbers.append(shared.next_number())
      shared.mark(f'{name} {i}', numbers[-1])
      shared.remember_unshared(f'{name} {i}')
      shared.is_unshared(f'{name} {i - 1}')
    return numbers

  with ThreadPoolExecutor(8) as pool:
    taken = [each for numbers in pool.map(work, range(8)) for each in numbers]
  assert len(set(taken)) == len(taken) == 24_000
