# SPDX-License-Identifier: MIT
"""Makes each call many times, and reports what grew. test_lifetimes.py runs it in a separate
interpreter, which may be a debug build. It needs only the package.

usage: leaks.py CALLS
"""

import asyncio
import gc
import sys
import time
import warnings
from datetime import timedelta
from typing import Any, Callable, Dict, List

from cachette import Cachette, CachetteError
from cachette._cachette import (
  HttpCounters,
  HttpEpochs,
  HttpExchange,
  HttpLane,
  HttpPassed,
  HttpPolicy,
  HttpSend,
  any_obeys,
  configure,
  current_control,
  fetch_as,
  http_control,
  http_describe,
  http_matches,
  http_tags,
  http_uri_key,
  store,
  store_now,
)
from cachette.http import OnlyIfCached


class Json(Cachette):
  pass


class Raw(Cachette):
  pass


class Text(Cachette):
  """The store of Json, read as text."""


class Own(Cachette):
  pass


class Elsewhere(Cachette):
  pass


class Missing(Cachette):
  pass


def fail(_: Any) -> Any:
  raise LookupError('never')


Cachette.register_codec('failing', fail, fail)
Json.load_config(lambda: [('codec', 'json'), ('memory_name', 'json')])
Text.load_config(lambda: [('memory_name', 'json')])
Own.load_config(lambda: [('codec', 'failing')])


class First(Cachette):
  pass


First.load_config(lambda: [('memory_name', 'disputed')])
Elsewhere.load_config(lambda: [('memory_name', 'disputed'), ('memory_limit', '3M')])
Missing.load_config(lambda: [('codec', 'pickle')])
sys.modules['pickle'] = None  # type: ignore[assignment]  # as if it were missing


class Signed(Cachette):
  pass


Signed.load_config(lambda: [('secret', 'of sixteen bytes'), ('compression', 'zlib')])


class Obeying(Cachette):
  pass


Obeying.load_config(lambda: [('request_control', True), ('memory_name', 'obeying')])

KEY, LONG, VALUE = 'key:1', 'k' * 65537, 'value' * 20
LARGE = 'v' * 5000
LONG_TIME = timedelta(minutes=50)
cache, json, signed = Cachette(), Json(), Signed()
READY: Any = cache.fetch(KEY)
READY.close()
warnings.simplefilter('ignore', RuntimeWarning)  # some calls are deliberately never awaited


@Cachette.cached
async def decorated(number: int) -> str:
  return VALUE


class Shop:
  @Cachette.cached(exclude=('self',))
  async def price(self, article: str) -> str:
    return VALUE


shop = Shop()


# One loop for all calls. With a loop for each call, Python itself grows for several thousand of
# them.
loop = asyncio.new_event_loop()


def fail_all() -> None:
  async def call() -> None:
    try:
      await cache.get_or_set('absent', lambda: fail(1))
    except LookupError:
      pass

  async def main() -> None:
    await asyncio.gather(*(call() for _ in range(5)))

  loop.run_until_complete(main())


def cancel_all() -> None:
  async def compute() -> None:
    await asyncio.sleep(60)

  async def main() -> None:
    calls = [asyncio.ensure_future(cache.get_or_set('absent', compute)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for call in calls:
      call.cancel()
    await asyncio.wait(calls)

  loop.run_until_complete(main())


def write_during_flight() -> None:
  async def compute() -> str:
    await cache.clear(key='absent')
    await cache.put('other', VALUE)
    return VALUE

  async def main() -> None:
    await asyncio.gather(*(cache.get_or_set('absent', compute) for _ in range(5)))
    assert not await cache.exists('absent')

  loop.run_until_complete(main())


def store_after_write() -> None:
  lease = Cachette._config.lease('absent')
  finish(cache.clear_many(['absent', 'other']))
  finish(store(Cachette, lease, VALUE, None))
  assert not Cachette.sync.exists('absent')


def sync_miss() -> None:
  Cachette.sync.get_or_set('absent', lambda: VALUE)
  Cachette.sync.clear(key='absent')


def finish(call: Any) -> None:
  """Awaits a call without an event loop."""
  try:
    call.send(None)
  except StopIteration:
    pass


finish(First().fetch(KEY))  # opens the store of that name with another limit


def refuse(call: Callable[[], Any]) -> None:
  """Makes a call that must fail, at once or when it is awaited."""
  try:
    call().send(None)
  except (CachetteError, ValueError, TypeError):
    return
  raise AssertionError('it did not fail')


def refuse_at_once(call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
  try:
    call(*args, **kwargs)
  except TypeError:
    return
  raise AssertionError('it did not fail')


def reuse() -> None:
  call = cache.fetch(KEY)
  finish(call)
  try:
    call.send(None)
  except RuntimeError:
    pass


def throw() -> None:
  for error in (ValueError('thrown'), ValueError):
    try:
      cache.fetch(KEY).throw(error)
    except ValueError:
      pass
  try:
    cache.fetch(KEY).throw(5)  # type: ignore[call-overload]
  except TypeError:
    pass


def close() -> None:
  cache.fetch(KEY).close()


def cycle() -> None:
  references: List[Any] = []
  references.append(cache.fetch('absent', references))


def put_and_clear() -> None:
  finish(cache.put('other', VALUE))
  finish(cache.clear(key='other'))


def put_expiring() -> None:
  finish(cache.put('short', VALUE, 0.001))


def fail_config() -> None:
  try:
    Json.load_config(lambda: [('ttl', 0), ('backends', 'x'), ('redis_url', b''), ('\0', '\udc80')])
  except ValueError:
    pass


FIELDS = [(b'host', b'a.com'), (b'accept', b'a')]
SCOPE: Dict[str, Any] = {'method': 'GET', 'raw_path': b'/a', 'headers': FIELDS}
POLICY = HttpPolicy(targeted=['a'])
NOW = 1_800_000_000_000  # milliseconds
ANSWER = [(b'cache-control', b'max-age=60'), [b'vary', b'accept'], (b'x', b'y' * 300)]


def http_ask(record: Any = None) -> HttpExchange:
  exchange = HttpExchange(POLICY, SCOPE)
  exchange.decide(record, NOW)
  return exchange


def http_store() -> Dict[str, bytes]:
  exchange = http_ask()
  exchange.receive(200, iter(ANSWER), 5, NOW, b'max-age=60', NOW)
  exchange.answer(200, ANSWER)
  record = exchange.record([b'hello'], [b'tag'], 1 << 60)
  return {exchange.index_key: exchange.index(), exchange.key: record + b'hello'}


STORED = http_store()


def http_hit() -> None:
  exchange = http_ask(STORED[http_ask().key])
  record = STORED[exchange.key]
  exchange.decide(record, NOW)
  exchange.answer()
  exchange.body(record)
  http_describe(record), http_tags(record), http_matches(record, [b'hello'])


configure(Raw, Cachette._config.raw('cachette-http', 5000, False))
LANE = HttpLane(POLICY, Raw, frozenset(['GET', 'QUERY']), 'mark', {}, HttpCounters(), False)
EPOCHS = HttpEpochs()


def http_link(memo: Any) -> None:
  for key, record in STORED.items():
    finish(Raw().put(key, record))
  LANE.link(Raw._config, Raw, EPOCHS, memo, time.monotonic)


def http_lane() -> None:
  http_link(None)
  for _ in range(4):  # until the record is known
    LANE.begin({**SCOPE, 'type': 'http'})
  for scope in (SCOPE, {**SCOPE, 'raw_path': b'/absent'}, {**SCOPE, 'method': 'POST'}):
    begun: Any = LANE.begin({**SCOPE, 'type': 'http', **scope})
    if isinstance(begun, HttpExchange) and begun.is_awaitable:
      finish(begun)


def http_lane_variants() -> None:
  memo: Dict[str, Any] = {}
  http_link(memo)
  EPOCHS._checked = float('inf')
  for _ in range(5):
    LANE.begin({**SCOPE, 'type': 'http'})
  assert memo
  EPOCHS._checked = 0.0
  LANE.begin({**SCOPE, 'type': 'http'})


def http_lane_refuse() -> None:
  refuse_at_once(LANE.link, Raw._config, Raw, EPOCHS, None, 5)
  refuse_at_once(LANE.begin, {**SCOPE, 'type': 'http', 'raw_path': 5})
  begun: Any = LANE.begin({**SCOPE, 'type': 'http', 'raw_path': b'/absent'})
  if begun is not None:
    begun.close()
    try:
      begun.send(None)
    except RuntimeError:
      pass


def http_pass() -> None:
  exchange = HttpExchange(
    POLICY, {**SCOPE, 'method': 'POST', 'path': '/\xe4', 'raw_path': None}, b'b'
  )
  exchange.forward()
  exchange.receive(303, FIELDS * 20, None, 0)
  exchange.invalidated()
  exchange.answer(303, FIELDS * 40)


class Passing:
  """What HttpSend uses of cachette.http, as a trial too."""

  cache_status, is_used, scope, vary, left_out = True, True, SCOPE, (), FIELDS

  def invalidate(self, exchange: HttpExchange) -> Any:
    return cache.delete('absent')

  def invalidate_target(self, key: str) -> Any:
    return cache.delete(key)

  def note_unstored(self, scope: Any, reason: str) -> None:
    pass

  def use(self, plan: Any, values: Any) -> None:
    self.plan, self.vary = plan, values

  def directives(self, status: int) -> bytes:
    return b'no-store' if status == 200 else b'max-age=60'

  def take_over(self, requested: int) -> Any:
    return lambda message: None


passing = Passing()


def http_send() -> None:
  def send(message: Any) -> None:
    pass

  post = {**SCOPE, 'method': 'POST'}
  for status in (200, 404, 500):
    start = {'type': 'http.response.start', 'status': status, 'headers': FIELDS * 20}
    for on_message in (
      HttpSend(passing, send, None, FIELDS),
      HttpSend(passing, send, HttpExchange(POLICY, post), FIELDS),
      HttpSend(passing, send, HttpExchange(POLICY, post)),
      HttpSend(passing, send, http_ask(), None, passing),
    ):
      on_message(start)
      on_message({'type': 'http.response.body'})
  refuse(lambda: HttpSend(passing, send))
  refuse(lambda: HttpSend(passing, send, None, ()))  # type: ignore[arg-type]
  refuse(lambda: HttpSend(passing, send, None, FIELDS)({**start, 'headers': 5}))


class Counters(HttpCounters):
  passed: Dict[str, int] = {}


class Box(Passing):
  def __init__(self, scope: Any) -> None:
    pass


REMEMBERING = HttpLane(
  POLICY, Raw, frozenset(['GET']), 'mark', {}, Counters(), True, Box, frozenset()
)


def http_remember() -> None:
  """Remembers a request, which then passes at once."""
  REMEMBERING.link(Raw._config, Raw, EPOCHS, None, time.monotonic)
  start = {'type': 'http.response.start', 'status': 200, 'headers': FIELDS[1:]}
  HttpSend(passing, list, http_ask(), None, passing, REMEMBERING)(start)  # type: ignore[arg-type]

  def begin() -> Any:
    passed = REMEMBERING.begin({**SCOPE, 'type': 'http'}, list)  # type: ignore[arg-type]
    assert isinstance(passed, HttpPassed), passed
    return passed

  passed = begin()
  passed.use('plan', ())
  passed.plan = passed.plan
  passed(start), passed({'type': 'http.response.body'})
  refuse(lambda: begin()({**start, 'status': 'a'}))
  refuse(lambda: passed.use())
  passed = begin()
  passed.use('plan', ['a'])
  passed(start)
  REMEMBERING.forget(http_ask().index_key)
  post = {**SCOPE, 'type': 'http', 'method': 'POST'}
  for method in ('POST', 'OPTIONS'):
    assert isinstance(REMEMBERING.begin({**post, 'method': method}, print, passing), HttpSend)
  refuse(lambda: REMEMBERING.begin({**post, 'raw_path': 5}, print, passing))


def http_refuse() -> None:
  for changes in ({'method': None}, {'raw_path': 5}, {'headers': [*FIELDS, ('a', b'b')]}):
    refuse(lambda changes=changes: HttpExchange(POLICY, {**SCOPE, **changes}))
  exchange = http_ask()
  refuse(lambda: exchange.receive(200, [*FIELDS, (b'a', None)], 5, 0))  # type: ignore[list-item]
  refuse(lambda: exchange.receive(200, FIELDS, 5, 0, 'a'))  # type: ignore[arg-type]
  exchange.receive(200, ANSWER, 5, NOW, b'max-age=60', NOW)  # type: ignore[arg-type]
  refuse(lambda: exchange.record([b'hell']))
  refuse(lambda: exchange.record([b'hello', 5]))  # type: ignore[list-item]
  refuse(lambda: exchange.record([b'hello'], [b'tag', 'tag']))  # type: ignore[list-item]
  refuse(lambda: HttpPolicy(targeted=['a', 'b c']))
  refuse(lambda: HttpPolicy(targeted=['a', 5]))  # type: ignore[list-item]
  refuse(lambda: http_uri_key(POLICY, 'a'))


CONTROLLED = [
  (b'host', b'a.com'),
  (b'Cache-Control', b'max-age=60'),
  (b'cache-control', b'no-store'),
]


def http_controlled() -> None:
  control = http_control(CONTROLLED)
  assert control is not None and control.max_age == 60 and control.min_fresh is None
  token = current_control.set(control)
  finish(Obeying().put(KEY, VALUE))
  finish(Obeying().fetch(KEY))
  control.end()
  finish(Obeying().fetch(KEY))
  current_control.reset(token)


def http_only_if_cached() -> None:
  token = current_control.set(http_control([(b'cache-control', b'only-if-cached')]))
  try:
    finish(Obeying().fetch('absent'))
  except OnlyIfCached:
    return
  finally:
    current_control.reset(token)
  raise AssertionError('it did not fail')


def http_uncontrolled() -> None:
  assert http_control(FIELDS) is None and any_obeys()
  refuse_at_once(http_control, 5)
  refuse_at_once(http_control, [*CONTROLLED, (b'pragma', 'no-cache')])
  refuse_at_once(http_control, [*CONTROLLED, (b'pragma',)])


CALLS: Dict[str, Callable[[], Any]] = {
  'construct': Cachette,
  'repr': lambda: repr(cache),
  'await a cache': lambda: finish(cache.__await__()),  # type: ignore[attr-defined]
  'fetch, hit': lambda: finish(cache.fetch(KEY)),
  'fetch, large': lambda: finish(cache.fetch('large')),
  'fetch, miss': lambda: finish(cache.fetch('absent', VALUE)),
  'fetch, never awaited': lambda: cache.fetch(KEY),
  'fetch, by name': lambda: finish(cache.fetch(key=KEY, default=VALUE)),
  'fetch_with_ttl, hit': lambda: finish(cache.fetch_with_ttl(KEY)),
  'fetch_with_ttl, miss': lambda: finish(cache.fetch_with_ttl('absent')),
  'put': lambda: finish(cache.put(KEY, VALUE)),
  'put, ttl': lambda: finish(cache.put(KEY, VALUE, ttl=5555.5)),
  'put, no text': lambda: finish(cache.put('number', 123456)),
  'put, large': lambda: finish(cache.put('large', LARGE)),
  'put, expiring': put_expiring,
  'put and clear': put_and_clear,
  'clear a namespace': lambda: finish(cache.clear('none')),
  'clear nothing': lambda: finish(cache.clear()),
  'flush_expired': lambda: finish(cache.flush_expired()),
  'flush': lambda: finish(Missing().flush()),
  'json, put': lambda: finish(json.put(KEY, [VALUE])),
  'json, fetch': lambda: finish(json.fetch(KEY)),
  'json, wrong value': lambda: refuse(lambda: json.put(KEY, {1})),
  'failing codec': lambda: refuse(lambda: Own().put(KEY, VALUE)),
  'missing codec': lambda: refuse(lambda: Missing().put(KEY, VALUE)),
  'store that cannot be opened': lambda: refuse(lambda: Elsewhere().fetch(KEY)),
  'empty key': lambda: refuse(lambda: cache.fetch('')),
  'long key': lambda: refuse(lambda: cache.put(LONG, VALUE)),
  'no key': lambda: refuse(lambda: cache.fetch(5)),  # type: ignore[arg-type]
  'surrogate key': lambda: refuse(lambda: cache.fetch('\udc80')),
  'surrogate value': lambda: refuse(lambda: cache.put(KEY, '\udc80')),
  'wrong ttl': lambda: refuse(lambda: cache.put(KEY, VALUE, -1)),
  'wrong type of ttl': lambda: refuse(lambda: cache.put(KEY, VALUE, '1')),  # type: ignore[arg-type]
  'ttl, a timedelta': lambda: finish(cache.put(KEY, VALUE, LONG_TIME)),
  'wrong ttl, a timedelta': lambda: refuse(lambda: cache.put(KEY, VALUE, -LONG_TIME)),
  'a cache': Cachette,
  'a cache, with arguments': lambda: refuse_at_once(Cachette, ttl=5),
  'error, never awaited': lambda: Elsewhere().fetch(KEY),
  'too many arguments': lambda: refuse_at_once(cache.fetch, 1, 2, 3),
  'too few arguments': lambda: refuse_at_once(cache.put, KEY),
  'unknown argument': lambda: refuse_at_once(cache.flush, key=KEY),
  'get_or_set, hit': lambda: finish(cache.get_or_set(KEY, VALUE)),
  'get_or_set, as a type': lambda: finish(json.get_or_set(KEY, VALUE, returns=List[str])),
  'fetch as a type': lambda: finish(fetch_as(Json, KEY, None, None, None)),
  'lease': lambda: Cachette._config.lease(KEY),
  'lease, wrong key': lambda: refuse_at_once(Cachette._config.lease, 5),
  'lease, attributes': lambda: Cachette._config.lease(KEY).config,
  'store': lambda: finish(store(Cachette, Cachette._config.lease(KEY), VALUE, None)),
  'store, blocking': lambda: store_now(Cachette, Cachette._config.lease(KEY), VALUE, None),
  'store after a write': store_after_write,
  'store, wrong': lambda: refuse_at_once(store_now, Cachette, KEY, VALUE, None),
  'encode and decode': lambda: Json._config.decode(KEY, Json._config.encode(KEY, [VALUE]), None),
  'encode, wrong': lambda: refuse_at_once(Json._config.encode, 5, VALUE),
  'sync, get_or_set, miss': sync_miss,
  'get_or_set, wrong ttl': lambda: refuse(lambda: cache.get_or_set(KEY, VALUE, -1)),
  'cached, hit': lambda: finish(decorated(1)),
  'cached, method, hit': lambda: finish(shop.price('bread')),
  'cached, key': lambda: decorated.key([1, 'two']),  # type: ignore[arg-type]
  'cached, no key': lambda: refuse(lambda: decorated(cache)),  # type: ignore[arg-type]
  'fetch_many': lambda: finish(cache.fetch_many([KEY, 'absent', 'large'])),
  'fetch_many, no iterable': lambda: refuse(lambda: cache.fetch_many(5)),  # type: ignore[arg-type]
  'fetch_many, no keys': lambda: refuse(lambda: cache.fetch_many([KEY, 5])),  # type: ignore[list-item]
  'fetch_many, never awaited': lambda: cache.fetch_many([KEY]),
  'put_many': lambda: finish(cache.put_many({KEY: VALUE, 'large': LARGE})),
  'put_many, no mapping': lambda: refuse(lambda: cache.put_many([KEY])),  # type: ignore[arg-type]
  'put_many, failing': lambda: refuse(lambda: Own().put_many({KEY: VALUE, 'b': VALUE})),
  'put_many, wrong value': lambda: refuse(lambda: json.put_many({KEY: [VALUE], 'b': {1}})),
  'delete': lambda: finish(cache.delete('absent')),
  'fetch_many, some fail': lambda: refuse(lambda: json.fetch_many([KEY, 'text'])),
  'called on the class': lambda: refuse(lambda: Cachette.fetch(KEY)),  # type: ignore
  'a bound call': lambda: (cache.fetch, Cachette.fetch.__doc__, Cachette.fetch.__get__(cache)),
  'clear_many': lambda: finish(cache.clear_many(['absent', 'none'])),
  'add': lambda: finish(cache.add(KEY, VALUE)),
  'exists': lambda: finish(cache.exists(KEY)),
  'touch': lambda: finish(cache.touch(KEY, 5555)),
  'increment': lambda: finish(cache.increment('count')),
  'increment, no number': lambda: refuse(lambda: cache.increment(KEY)),
  'increment, too much': lambda: refuse(lambda: cache.increment('count', 2**70)),
  'ping': lambda: finish(cache.ping()),
  'stats': Cachette.stats,
  'sync': lambda: Cachette.sync,
  'sync, fetch': lambda: Cachette.sync.fetch(KEY),
  'sync, fetch_many': lambda: Cachette.sync.fetch_many([KEY, 'large']),
  'sync, put': lambda: Cachette.sync.put(KEY, VALUE),
  'signed, put and fetch': lambda: (finish(signed.put(KEY, VALUE)), finish(signed.fetch(KEY))),
  'signed, refused': lambda: refuse(lambda: signed.increment(KEY)),
  'HTTP, store': http_store,
  'HTTP, hit': http_hit,
  'HTTP, lane': http_lane,
  'HTTP, lane with variants': http_lane_variants,
  'HTTP, lane, refused': http_lane_refuse,
  'HTTP, pass': http_pass,
  'HTTP, send': http_send,
  'HTTP, passed at once': http_remember,
  'HTTP, refused': http_refuse,
  'HTTP, key': lambda: http_uri_key(POLICY, 'http://a.com/'),
  'HTTP, policy': lambda: HttpPolicy(key_cookies=['a', 'b'], no_vary_search='key-order'),
  'HTTP, controlled calls': http_controlled,
  'HTTP, only if cached': http_only_if_cached,
  'HTTP, no control': http_uncontrolled,
  'twice': reuse,
  'throw': throw,
  'close': close,
  'cycle': cycle,
}

SLOW: Dict[str, Callable[[], Any]] = {
  'load_config': lambda: Own.load_config(lambda: [('codec', 'failing'), ('table_name', 'x' * 50)]),
  'load_config and use': lambda: (
    Json.load_config(lambda: [('codec', 'json')]),
    finish(json.put(KEY, 1)),
  ),
  'load_config, times and text': lambda: Own.load_config(
    {'ttl': LONG_TIME, 'timeout': '1', 'mongodb_pool_size': '8', 'backend': 'inmemory'}
  ),
  'load_config, failing': fail_config,
  'a class': lambda: finish(type('Sub', (Cachette,), {})().fetch(KEY)),
  'get_or_set, miss': lambda: (
    asyncio.run(cache.get_or_set('absent', VALUE)),
    finish(cache.clear(key='absent')),
  ),
  'get_or_set, failing': fail_all,
  'get_or_set, cancelled': cancel_all,
  'get_or_set, written meanwhile': write_during_flight,
  'cached, miss': lambda: (asyncio.run(decorated(2)), finish(cache.clear(key=decorated.key(2)))),
  'cached, decoration': lambda: Cachette.cached(key='{call}')(finish),
  'an event loop': lambda: asyncio.run(cache.fetch(KEY)),  # type: ignore[arg-type]
}


def resident() -> int:
  """The resident memory of this process, in bytes."""
  with open('/proc/self/statm') as statm:
    return int(statm.read().split()[1]) * 4096


def measure(call: Callable[[], Any], count: int) -> Dict[str, int]:
  """Measures what grew while a call was made `count` times."""

  def counts() -> Dict[str, int]:
    gc.collect()
    found = {
      'blocks': sys.getallocatedblocks(),
      'objects': len(gc.get_objects()),
      'references to None': sys.getrefcount(None),
      'references to the key': sys.getrefcount(KEY),
      'references to the value': sys.getrefcount(VALUE),
      'references to the class': sys.getrefcount(Cachette),
      'references to the awaitables': sys.getrefcount(type(READY)),
    }
    if hasattr(sys, 'gettotalrefcount'):
      found['references'] = sys.gettotalrefcount()
    return found

  for _ in range(1000):
    call()
  counts()
  before, memory = counts(), resident()
  for _ in range(count):
    call()
  after = counts()
  grown = {name: after[name] - before[name] for name in before}
  grown['pages'] = (resident() - memory) // 4096
  return grown


def suspects(call: Callable[[], Any], count: int) -> Dict[str, int]:
  """Returns what grows with the number of calls.

  Interpreters specialize code and fill caches as they run, so growth counts only if it is
  proportional to the calls, and if it happens again. Memory that the C library allocates is visible
  in the pages.
  """
  limits = {'pages': 256}
  found: Dict[str, int] = {}
  for _ in range(2):
    grown = measure(call, count)
    found = {what: n for what, n in grown.items() if n > limits.get(what, count // 5)}
    if not found:
      break
  return found


def main(calls: int) -> int:
  finish(cache.put(KEY, VALUE))
  finish(cache.put('large', LARGE))
  finish(json.put(KEY, [VALUE]))
  finish(Text().put('text', '{'))
  asyncio.run(decorated(1))
  asyncio.run(shop.price('bread'))
  leaking = 0
  for table, count in ((CALLS, calls), (SLOW, 1000)):
    for name, call in table.items():
      suspect = suspects(call, count)
      print(f'{name}: {suspect or "nothing grew"}')
      leaking += bool(suspect)
  loop.close()
  return leaking


if __name__ == '__main__':
  sys.exit(main(int(sys.argv[1])))
