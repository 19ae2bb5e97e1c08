# SPDX-License-Identifier: MIT
"""One run of the application for requests that miss the same response at once."""

import asyncio
import contextvars
import random
import time
from typing import Any, Callable, Dict, List, Set

import pytest
from asgi import (
  FRESH,
  App,
  Broken,
  Client,
  Message,
  Response,
  Wrap,
  get,
  in_loop,
  left_tasks,
  make_scope,
  send_body,
  stop_clock,
  turns,
)
from cachette.http import CacheMiddleware, Policy, _shared, _store
from conftest import on_stores


async def until(condition: Callable[[], bool]) -> None:
  """Waits until something has happened. The store may be a server."""
  for _ in range(2000):
    if condition():
      return
    await asyncio.sleep(0.001)
  raise AssertionError('it did not happen')


def waiting(app: CacheMiddleware) -> int:
  """How many requests wait for the run of another."""
  loops = app._shared.loops.values()
  return sum(len(flight.waiters) for loop in loops for flight in loop.flights.values())


class Gated(App):
  """Waits for `gate` before it sends."""

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **kwargs)
    self.gate = asyncio.Event()


# ---- Sharing


@on_stores
@in_loop
async def test_concurrent_misses_run_the_application_once(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  stop_clock(cached, monkeypatch)
  tasks = [Client(cached, make_scope()).start() for _ in range(20)]
  await until(lambda: waiting(cached) == 19)
  app.gate.set()
  responses = await asyncio.gather(*tasks)
  assert app.runs == 1
  assert [each.body for each in responses] == [b'hello'] * 20
  assert all(each.is_complete for each in responses)
  assert sorted(each.cache_status for each in responses) == [
    *['cachette;fwd=uri-miss;collapsed;ttl=60'] * 19,
    'cachette;fwd=uri-miss;fwd-status=200;stored',
  ]
  assert cached._shared.counters.coalesced == 19


@on_stores
@in_loop
async def test_a_stream_reaches_the_leader_at_once_and_followers_when_it_is_complete(
  wrap: Wrap,
) -> None:
  step = asyncio.Event()

  class Stream(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': b'first', 'more_body': True})
      await step.wait()
      await send({'type': 'http.response.body', 'body': b'second', 'more_body': False})

  cached = wrap(Stream(FRESH, length=-1))
  leader = Client(cached, make_scope())
  first = leader.start()
  await until(lambda: len(leader.messages) == 2)
  follower = Client(cached, make_scope())
  second = follower.start()
  await until(lambda: waiting(cached) == 1)
  assert follower.messages == []
  step.set()
  assert (await first).body == (await second).body == b'firstsecond'


@on_stores
@in_loop
async def test_followers_do_not_wait_for_the_client_of_the_leader(wrap: Wrap) -> None:
  app = Gated(FRESH, parts=[b'a' * 1000] * 10)
  cached = wrap(app)
  never = asyncio.Event()

  async def block(message: Message) -> None:
    await never.wait()

  leader = Client(cached, make_scope(), on_message=block).start()
  await until(lambda: app.runs == 1)
  follower = Client(cached, make_scope()).start()
  await until(lambda: waiting(cached) == 1)
  app.gate.set()
  assert (await follower).body == b'a' * 10_000
  never.set()
  assert (await leader).body == b'a' * 10_000
  assert app.runs == 1


@on_stores
@in_loop
async def test_a_follower_of_a_variant_says_why_it_waited(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = Gated({**FRESH, 'vary': 'x-own'})
  cached = wrap(app)
  stop_clock(cached, monkeypatch)
  app.gate.set()
  await get(cached, '/', {'x-own': 'a'})
  app.gate.clear()
  tasks = [Client(cached, make_scope('/', {'x-own': 'b'})).start() for _ in range(3)]
  await until(lambda: waiting(cached) == 2)
  app.gate.set()
  assert sorted([(await each).cache_status for each in tasks]) == [
    *['cachette;fwd=vary-miss;collapsed;ttl=60'] * 2,
    'cachette;fwd=vary-miss;fwd-status=200;stored',
  ]


@in_loop
async def test_a_revalidation_that_clients_ask_for_is_shared() -> None:
  """In the mode `safe`, a flood of no-cache runs the application once at a time."""
  app = Gated({**FRESH, 'etag': '"1"'})
  app.gate.set()
  cached = CacheMiddleware(app, policy=Policy(), cache=_new_class())
  await get(cached)
  app.gate.clear()
  tasks = [
    Client(cached, make_scope('/', {'cache-control': 'no-cache'})).start() for _ in range(10)
  ]
  await until(lambda: waiting(cached) == 9)
  app.gate.set()
  assert {(await each).body for each in tasks} == {b'hello'}
  assert app.runs == 2


def _new_class() -> Any:
  from cachette import Cachette

  class Own(Cachette):
    pass

  Own.load_config({'backend': 'inmemory'})
  return Own


# ---- Leaving


@on_stores
@in_loop
async def test_followers_are_not_cancelled_with_their_leader(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  leader = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 1)
  followers = [Client(cached, make_scope()).start() for _ in range(3)]
  await until(lambda: waiting(cached) == 3)
  leader.cancel()
  with pytest.raises(asyncio.CancelledError):
    await leader
  app.gate.set()
  assert {(await each).body for each in followers} == {b'hello'}
  assert (app.runs, app.cancelled) == (1, 0)
  assert (await get(cached)).is_hit


@on_stores
@in_loop
async def test_a_follower_that_is_cancelled_leaves_the_others_alone(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  tasks = [Client(cached, make_scope()).start() for _ in range(4)]
  await until(lambda: waiting(cached) == 3)
  tasks[2].cancel()
  with pytest.raises(asyncio.CancelledError):
    await tasks[2]
  app.gate.set()
  for each in (tasks[0], tasks[1], tasks[3]):
    assert (await each).body == b'hello'
  assert (app.runs, app.cancelled) == (1, 0)


@on_stores
@in_loop
async def test_a_run_is_cancelled_with_the_last_request_that_waits_for_it(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  tasks = [Client(cached, make_scope()).start() for _ in range(3)]
  await until(lambda: waiting(cached) == 2)
  for each in tasks:
    assert app.cancelled == 0
    each.cancel()
    await asyncio.wait([each])
  await turns()
  assert (app.cancelled, app.active) == (1, 0)
  app.gate.set()
  assert not (await get(cached)).is_hit
  assert app.runs == 2


@in_loop
async def test_a_cancelled_request_ends_after_its_run_has_cleaned_up(wrap: Wrap) -> None:
  cleaned = asyncio.Event()

  async def app(scope: Any, receive: Any, send: Any) -> None:
    try:
      await asyncio.Event().wait()
    finally:
      await turns(3)
      cleaned.set()

  task = Client(wrap(app), make_scope()).start()
  await turns()
  task.cancel()
  with pytest.raises(asyncio.CancelledError):
    await task
  assert cleaned.is_set()


class Listening(App):
  """Like a framework: cancels its handler when it receives that the client is gone."""

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **kwargs)
    self.go = asyncio.Event()
    self.received: List[str] = []

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())['type'] == 'http.request'
    handler = asyncio.ensure_future(self.go.wait())
    listener = asyncio.ensure_future(receive())
    await asyncio.wait({handler, listener}, return_when=asyncio.FIRST_COMPLETED)
    if listener.done():
      self.received.append(listener.result()['type'])
      handler.cancel()
      return
    listener.cancel()
    await super().respond(scope, receive, send)


@on_stores
@in_loop
async def test_a_disconnect_of_the_leader_is_not_told_while_others_wait(wrap: Wrap) -> None:
  app = Listening(FRESH)
  cached = wrap(app)
  leader = Client(cached, make_scope())
  first = leader.start()
  await until(lambda: app.runs == 1)
  second = Client(cached, make_scope()).start()
  await until(lambda: waiting(cached) == 1)
  leader.gone.set()
  await turns()
  assert app.received == []
  app.go.set()
  assert (await second).body == b'hello'
  await first
  assert app.runs == 1


@on_stores
@in_loop
async def test_a_disconnect_is_told_if_no_one_else_waits(wrap: Wrap) -> None:
  app = Listening(FRESH)
  cached = wrap(app)
  leader = Client(cached, make_scope())
  task = leader.start()
  await until(lambda: app.runs == 1)
  await turns()
  leader.gone.set()
  assert (await task).messages == []
  assert app.received == ['http.disconnect']
  app.go.set()
  assert not (await get(cached)).is_hit, 'nothing was stored'


@in_loop
async def test_no_one_joins_a_run_that_was_told_to_end(wrap: Wrap) -> None:
  app = Listening(FRESH)
  cached = wrap(app)
  leader = Client(cached, make_scope())
  task = leader.start()
  await turns()
  leader.gone.set()
  await turns(1)
  app.go.set()
  second = Client(cached, make_scope()).start()
  await task
  assert (await second).body == b'hello'
  assert app.runs == 2


@in_loop
async def test_a_disconnect_is_told_when_the_last_follower_leaves(wrap: Wrap) -> None:
  app = Listening(FRESH)
  cached = wrap(app)
  leader = Client(cached, make_scope())
  first = leader.start()
  await turns()
  second = Client(cached, make_scope()).start()
  await turns()
  leader.gone.set()
  await turns()
  second.cancel()
  await asyncio.wait([second])
  await first
  assert app.received == ['http.disconnect']


@in_loop
async def test_a_run_without_a_leader_ends_if_no_one_may_have_its_response(wrap: Wrap) -> None:
  body = asyncio.Event()

  class Private(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      headers = self.all_headers()
      await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
      await body.wait()
      await send({'type': 'http.response.body', 'body': b'hello'})

  app = Private({'cache-control': 'private'})
  app.gate = asyncio.Event()
  cached = wrap(app)
  leader = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 1)
  follower = Client(cached, make_scope()).start()
  await until(lambda: waiting(cached) == 1)
  leader.cancel()
  await asyncio.wait([leader])
  assert app.cancelled == 0
  app.gate.set()
  await until(lambda: app.runs == 2)
  await turns()
  assert (app.cancelled, app.active) == (1, 1)
  body.set()
  assert (await follower).body == b'hello'


# ---- What cannot be shared

UNSHARED: Dict[str, Dict[str, str]] = {
  'no-store': {'cache-control': 'no-store'},
  'private': {'cache-control': 'private, max-age=60'},
  'set-cookie': {**FRESH, 'set-cookie': 'user=1'},
  'no freshness': {},
  'Vary: *': {**FRESH, 'vary': '*'},
}


@pytest.mark.parametrize('headers', UNSHARED.values(), ids=list(UNSHARED))
@in_loop
async def test_followers_that_cannot_share_run_in_parallel(
  wrap: Wrap, headers: Dict[str, str]
) -> None:
  """They begin when the leader's response begins: its body may be endless."""
  body = asyncio.Event()

  class Slow(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await body.wait()
      await send({'type': 'http.response.body', 'body': b'hello'})

  app = Slow(headers)
  app.gate = asyncio.Event()
  cached = wrap(app)
  tasks = [Client(cached, make_scope()).start() for _ in range(5)]
  await until(lambda: waiting(cached) == 4)
  assert app.runs == 1
  app.gate.set()
  await until(lambda: app.active == 5)
  body.set()
  for each in tasks:
    assert (await each).body == b'hello'
  assert app.runs == 5


@in_loop
async def test_that_requests_cannot_share_is_remembered_for_30_seconds(
  wrap: Wrap, monkeypatch: pytest.MonkeyPatch
) -> None:
  app = Gated({'cache-control': 'no-store'})
  app.gate.set()
  cached = wrap(app)
  await get(cached)
  start = time.monotonic()
  for later, together in ((29, 3), (31, 1)):
    app.gate.clear()
    monkeypatch.setattr(_shared, 'monotonic', lambda later=later: start + later)
    monkeypatch.setattr(_store, 'clock', lambda later=later: start + later)
    cached._shared.link_lane()  # to the clock
    tasks = [Client(cached, make_scope()).start() for _ in range(3)]
    await turns(50)
    assert app.active == together
    monkeypatch.undo()
    app.gate.set()
    await asyncio.gather(*tasks)


@in_loop
async def test_an_error_is_not_remembered(wrap: Wrap) -> None:
  app = Gated(status=500)
  app.gate.set()
  cached = wrap(app)
  await get(cached)
  app.gate.clear()
  app.status, app.headers = 200, list(FRESH.items())
  tasks = [Client(cached, make_scope()).start() for _ in range(3)]
  await turns(50)
  assert app.active == 1
  app.gate.set()
  await asyncio.gather(*tasks)
  assert app.runs == 2


@in_loop
async def test_followers_go_on_when_the_body_becomes_too_large(wrap: Wrap) -> None:
  more = asyncio.Event()

  class Large(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      await send({'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()})
      await send({'type': 'http.response.body', 'body': b'a' * 100, 'more_body': True})
      await more.wait()
      await send({'type': 'http.response.body', 'body': b'b' * 100, 'more_body': False})

  app = Large(FRESH, length=-1)
  cached = wrap(app, max_body=150)
  tasks = [Client(cached, make_scope()).start() for _ in range(3)]
  await until(lambda: waiting(cached) == 2)
  more.set()
  for each in tasks:
    assert (await each).body == b'a' * 100 + b'b' * 100
  assert app.runs == 3


@in_loop
async def test_a_follower_that_needs_another_variant_runs_for_itself(wrap: Wrap) -> None:
  class Languages(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      self.parts = [dict(scope['headers'])[b'accept-language']]
      await super().respond(scope, receive, send)

  app = Languages({**FRESH, 'vary': 'Accept-Language'})
  app.gate = asyncio.Event()
  cached = wrap(app)
  languages = ['de', 'de', 'fr', 'fr', 'en']
  tasks = [Client(cached, make_scope('/', {'accept-language': each})).start() for each in languages]
  await until(lambda: waiting(cached) == 4)
  app.gate.set()
  assert [(await each).body.decode() for each in tasks] == languages
  assert app.runs == 3


@in_loop
async def test_requests_with_credentials_do_not_wait(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  tasks = [Client(cached, make_scope('/', {'cookie': f'user={i}'})).start() for i in range(3)]
  await turns(50)
  assert app.active == 3
  app.gate.set()
  await asyncio.gather(*tasks)


@in_loop
async def test_a_policy_can_forbid_to_wait(wrap: Wrap) -> None:
  app = Gated(FRESH)
  tasks = [Client(wrap(app, coalesce=False), make_scope()).start() for _ in range(3)]
  await turns(50)
  assert app.active == 3
  app.gate.set()
  await asyncio.gather(*tasks)


# ---- Failures


@in_loop
async def test_each_request_runs_the_application_if_it_fails_for_the_leader(wrap: Wrap) -> None:
  class Failing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if self.runs == 1:
        raise Broken
      await super().respond(scope, receive, send)

  app = Failing(FRESH)
  app.gate = asyncio.Event()
  cached = wrap(app)
  tasks = [Client(cached, make_scope()).start() for _ in range(3)]
  await until(lambda: waiting(cached) == 2)
  app.gate.set()
  with pytest.raises(Broken):
    await tasks[0]
  assert (await tasks[1]).body == (await tasks[2]).body == b'hello'


@in_loop
async def test_all_get_the_stale_response_of_one_failure(wrap: Wrap) -> None:
  class Failing(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if self.runs > 1:
        raise Broken
      await super().respond(scope, receive, send)

  app = Failing({'cache-control': 'max-age=0, stale-if-error=60', 'etag': '"1"'})
  cached = wrap(app)
  await get(cached)
  app.gate = asyncio.Event()
  tasks = [Client(cached, make_scope()).start() for _ in range(5)]
  await until(lambda: waiting(cached) == 4)
  app.gate.set()
  assert {(await each).body for each in tasks} == {b'hello'}
  assert app.runs == 2


@in_loop
async def test_a_leader_that_hangs_is_replaced(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app, wait=0.05)
  first = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 1)
  followers = [Client(cached, make_scope()).start() for _ in range(5)]
  await until(lambda: app.runs == 2)
  await until(lambda: waiting(cached) == 4)  # for the new leader
  assert app.active == 2
  app.gate.set()
  assert {(await each).body for each in [first, *followers]} == {b'hello'}
  assert app.runs == 2


@in_loop
async def test_no_request_waits_more_than_twice(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app, wait=0.02)
  tasks = [Client(cached, make_scope()).start() for _ in range(4)]
  await until(lambda: app.active == 4)
  app.gate.set()
  await asyncio.gather(*tasks)


@on_stores
@in_loop
async def test_a_run_that_was_replaced_does_not_store_over_the_newer_response(wrap: Wrap) -> None:
  gates = [asyncio.Event(), asyncio.Event()]

  class Numbered(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      number = self.runs
      await gates[number - 1].wait()
      self.parts = [b'run %d' % number]
      await super().respond(scope, receive, send)

  app = Numbered(FRESH)
  cached = wrap(app, wait=0.05)
  old = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 1)
  new = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 2)
  gates[1].set()
  assert (await new).body == b'run 2'
  gates[0].set()
  assert (await old).body == b'run 1'
  assert (await get(cached)).body == b'run 2'


@on_stores
@in_loop
async def test_a_response_that_was_made_before_a_post_is_not_stored_after_it(wrap: Wrap) -> None:
  app = Gated(FRESH)
  cached = wrap(app)
  reader = Client(cached, make_scope()).start()
  await until(lambda: app.runs == 1)
  writer = Client(cached, make_scope(method='POST')).start()
  await until(lambda: app.runs == 2)
  app.gate.set()
  await asyncio.gather(reader, writer)
  app.parts = [b'newer']
  assert (await get(cached)).body == b'newer'


@in_loop
async def test_no_one_joins_a_run_that_began_before_a_post(wrap: Wrap) -> None:
  class Resource(App):
    async def respond(self, scope: Any, receive: Any, send: Any) -> None:
      if scope['method'] == 'POST':
        self.value = b'new'
      value = getattr(self, 'value', b'old')
      if self.runs == 1:
        await go.wait()
      self.parts = [value]
      await super().respond(scope, receive, send)

  go = asyncio.Event()
  app = Resource(FRESH)
  cached = wrap(app)
  first = Client(cached, make_scope()).start()
  await turns()
  await send_body(cached, 'POST')
  assert (await get(cached)).body == b'new'
  go.set()
  assert (await first).body == b'old'
  assert (await get(cached)).body == b'new'


# ---- The run


@in_loop
async def test_the_run_has_a_copy_of_the_context(wrap: Wrap) -> None:
  variable: contextvars.ContextVar[str] = contextvars.ContextVar('variable', default='unset')
  seen = []

  async def app(scope: Any, receive: Any, send: Any) -> None:
    seen.append(variable.get())
    variable.set('by the application')
    await App(FRESH)(scope, receive, send)

  variable.set('by the server')
  await get(wrap(app))
  assert seen == ['by the server']
  assert variable.get() == 'by the server'


@in_loop
async def test_middlewares_of_one_cache_share_runs(wrap: Wrap) -> None:
  """Litestar makes a middleware for each route handler."""
  app = Gated(FRESH)
  one, two = wrap(app), wrap(app)
  tasks = [Client(each, make_scope()).start() for each in (one, two)]
  await turns()
  assert app.active == 1
  app.gate.set()
  assert [(await each).body for each in tasks] == [b'hello'] * 2
  assert app.runs == 1


def test_a_middleware_works_in_one_event_loop_after_another() -> None:
  app = App(FRESH)
  cached = CacheMiddleware(app, cache=_new_class())

  async def two() -> List[Response]:
    app.gate = asyncio.Event()
    tasks = [Client(cached, make_scope(f'/{app.runs}')).start() for _ in range(2)]
    await turns()
    app.gate.set()
    return list(await asyncio.gather(*tasks))

  for _ in range(3):
    assert [each.body for each in asyncio.run(two())] == [b'hello'] * 2
  assert app.runs == 3


# ---- Requests that are cancelled at any moment


class Chaos(App):
  """Sends the path as its body, in one to four parts and with pauses, or fails."""

  def __init__(self, rng: random.Random) -> None:
    super().__init__()
    self.rng = rng

  async def pause(self) -> None:
    for _ in range(self.rng.choice((0, 0, 0, 1, 2, 5))):
      await asyncio.sleep(0)

  async def respond(self, scope: Any, receive: Any, send: Any) -> None:
    rng = self.rng
    path = scope['path'].encode()
    body = path * 50
    await self.pause()
    kind = rng.random()
    if kind < 0.05:
      raise Broken
    headers: Dict[str, str] = {'x-path': scope['path']}
    if kind < 0.8:
      headers['cache-control'] = 'max-age=60'
    if kind < 0.2:
      headers['vary'] = 'accept-language'
    count = rng.randint(1, 4)
    size = len(body) // count + 1
    self.parts = []
    parts = [body[i * size : (i + 1) * size] for i in range(count)]
    self.headers = list(headers.items())
    self.length = rng.choice((len(body), -1))
    start = {'type': 'http.response.start', 'status': 200, 'headers': self.all_headers()}
    await send(start)
    for i, part in enumerate(parts):
      await self.pause()
      if rng.random() < 0.02:
        raise Broken
      await send({'type': 'http.response.body', 'body': part, 'more_body': i < count - 1})
    await self.pause()


@on_stores
def test_10000_requests_that_are_cancelled_at_any_moment(wrap: Wrap) -> None:
  """No wrong body, no incomplete one that is taken for a whole, no hang, and nothing is left."""
  seed = random.randrange(2**32)
  rng = random.Random(seed)
  total = 10_000

  async def request(cached: Any, number: int) -> None:
    path = f'/{rng.randrange(40)}'
    scope = make_scope(path, {'accept-language': rng.choice(('de', 'en'))})

    async def maybe_slow(message: Message) -> None:
      for _ in range(rng.choice((0, 0, 0, 1, 3))):
        await asyncio.sleep(0)

    client = Client(cached, scope, on_message=maybe_slow)
    task = client.start()
    if rng.random() < 0.5:
      for _ in range(rng.randrange(12)):
        await asyncio.sleep(0)
      if rng.random() < 0.2:
        client.gone.set()
      else:
        task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    assert done, f'it hangs (seed {seed})'
    if task.cancelled() or task.exception() is not None:
      assert task.cancelled() or isinstance(task.exception(), Broken), (seed, task)
      return
    if client.messages:
      response = Response(client.messages)
      assert response['x-path'] == path, seed
      assert response.body == path.encode() * 50, (seed, response.messages)
      assert response.is_complete, (seed, response.messages)

  async def main() -> None:
    app = Chaos(rng)
    cached = wrap(app, wait=1)
    cls = cached._shared.cls
    pending: Set[Any] = set()
    for number in range(total):
      pending.add(asyncio.ensure_future(request(cached, number)))
      if number % 100 == 99:
        await cls().flush()  # so that there are misses
      if len(pending) >= 50:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
          each.result()
    await asyncio.gather(*pending)
    assert await left_tasks() == [], seed
    assert app.active == 0
    (loop,) = cached._shared.loops.values()
    assert (loop.flights, loop.tasks, loop.refreshes) == ({}, set(), 0), seed
    assert cached._shared.counters.coalesced > 20

  asyncio.run(main())
