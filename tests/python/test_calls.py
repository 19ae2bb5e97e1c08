# SPDX-License-Identifier: MIT
"""The basic calls: their results and their errors."""

import asyncio
import math
import time
from typing import Any, Dict

import pytest
from cachette import BackendError, Cachette, CodecError
from conftest import MakeClass, about, allowed_size, id_of, inmemory_only

HUNDRED_YEARS = 100 * 365.25 * 24 * 3600


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


# ---- Fetch and put


def test_a_value_put_is_fetched(cache: Cachette) -> None:
  assert run(cache.put('key', 'value')) is None
  assert run(cache.fetch('key')) == 'value'


def test_fetch_of_an_absent_key_returns_the_default(cache: Cachette) -> None:
  default = object()
  assert run(cache.fetch('key')) is None
  assert run(cache.fetch('key', default)) is default
  assert run(cache.fetch(key='key', default=default)) is default
  assert run(cache.fetch_with_ttl('key')) == (-1, None)


def test_fetch_of_a_present_key_ignores_the_default(cache: Cachette) -> None:
  run(cache.put('key', ''))
  assert run(cache.fetch('key', 'default')) == ''


def test_a_second_put_replaces_value_and_ttl(cache: Cachette) -> None:
  run(cache.put('key', 'one', 1000))
  run(cache.put('key', 'two', ttl=10))
  assert run(cache.fetch_with_ttl('key')) == (about(10), 'two')


@pytest.mark.parametrize('size', [0, 1, 2047, 2048, 2049, 100_000, 10_000_000])
def test_values_of_every_size_round_trip(
  make_class: MakeClass, backend: Dict[str, Any], size: int
) -> None:
  size = allowed_size(backend, size)
  for codec, value in [('vanilla', 'ü' * (size // 2) + 'x' * (size % 2)), ('pickle', b'\0' * size)]:
    cache = make_class(codec=codec)()
    run(cache.put('key', value))
    assert run(cache.fetch('key')) == value
    assert run(cache.fetch_with_ttl('key')) == (about(60), value)


@inmemory_only  # The maximum size of a value depends on the server.
def test_a_value_over_the_size_limit_is_an_error_and_removes_the_old_one(
  make_class: MakeClass,
) -> None:
  cache = make_class(memory_limit='1M')()
  run(cache.put('key', 'value'))
  with pytest.raises(BackendError, match='takes up to'):
    run(cache.put('key', 'v' * (1 << 20)))
  assert run(cache.fetch('key')) is None


@inmemory_only
def test_the_memory_limit_is_not_exceeded(make_class: MakeClass) -> None:
  cache = make_class(memory_limit='1M')()

  async def main() -> None:
    for number in range(3000):
      await cache.put(f'key:{number}', 'v' * 1000)
    assert await cache.fetch('key:2999') is not None
    assert await cache.fetch('key:0') is None
    assert 100 < await cache.flush() < 1100

  run(main())


# ---- Time to live


def test_the_default_ttl_is_the_configured_one(make_class: MakeClass) -> None:
  cache = make_class(ttl=3600)()
  run(cache.put('key', 'value'))
  assert run(cache.fetch_with_ttl('key')) == (about(3600), 'value')
  run(cache.put('key', 'value', None))
  assert run(cache.fetch_with_ttl('key')) == (about(3600), 'value')


@pytest.mark.parametrize(
  'ttl', [1, 7, 3601, 10**9, 0.2, 1.0, 2.5, 1e9, HUNDRED_YEARS, int(HUNDRED_YEARS)]
)
def test_the_seconds_left_are_whole_and_rounded_up(
  cache: Cachette, backend: Any, ttl: float
) -> None:
  start = time.monotonic()
  run(cache.put('key', 'value', ttl))
  left, value = run(cache.fetch_with_ttl('key'))
  was_slow = time.monotonic() - start > 0.15  # the machine is under load
  assert type(left) is int
  if backend['backend'] == 'memcached':  # whose dates end in 2038
    ttl = min(ttl, 2**31 - 1 - time.time())
    assert math.ceil(ttl) - left in (-1, 0, 1) and value == 'value'
  else:
    assert (left, value) == (math.ceil(ttl), 'value') or was_slow


@pytest.mark.parametrize(
  'ttl',
  [0, -1, 0.0, -0.0, -0.5, math.inf, -math.inf, math.nan, 10**400, -(10**400), HUNDRED_YEARS + 1],
)
def test_a_ttl_that_is_not_positive_and_finite_is_a_value_error(cache: Cachette, ttl: Any) -> None:
  run(cache.put('key', 'before'))
  with pytest.raises(ValueError, match='ttl must be a positive number of seconds'):
    run(cache.put('key', 'value', ttl))
  assert run(cache.fetch('key')) == 'before'


def test_a_ttl_too_long_to_be_printed_is_a_value_error(cache: Cachette) -> None:
  with pytest.raises(ValueError):
    run(cache.put('key', 'value', 10**5000))


@pytest.mark.parametrize('ttl', ['60', True, False, [], b'1', 1j])
def test_a_ttl_that_is_not_a_time_is_a_type_error(cache: Cachette, ttl: Any) -> None:
  with pytest.raises(TypeError, match='ttl must be a number of seconds, not'):
    run(cache.put('key', 'value', ttl))


def test_an_entry_expires_after_its_ttl(cache: Cachette, backend: Any) -> None:
  # The clock of memcached ticks once a second, so a TTL of one second may expire at the very next
  # tick.
  ttl = 1.05 if backend['backend'] == 'memcached' else 0.05

  async def main() -> None:
    await cache.put('short', 'value', ttl=ttl)
    await cache.put('shortest', 'value', ttl=1e-9)
    await cache.put('long', 'value', ttl=60)
    found = await cache.fetch('short')
    assert found == 'value' or time.monotonic() - start > ttl  # a machine under load is slow
    deadline = time.monotonic() + 5
    while await cache.fetch('short') is not None:
      assert time.monotonic() < deadline
      await asyncio.sleep(0.01)
    assert await cache.fetch('shortest', 'default') == 'default'
    assert await cache.fetch_with_ttl('short') == (-1, None)
    assert await cache.clear(key='short') == 0
    assert await cache.fetch('long') == 'value'

  start = time.monotonic()
  run(main())
  assert time.monotonic() - start >= 0.04


# ---- Clear and flush


def fill(cache: Cachette, *keys: str) -> None:
  async def main() -> None:
    for key in keys:
      await cache.put(key, 'value')

  run(main())


def test_clearing_a_key_returns_whether_it_existed(cache: Cachette) -> None:
  fill(cache, 'a', 'b')
  assert run(cache.clear(key='a')) == 1
  assert run(cache.clear(key='a')) == 0
  assert run(cache.fetch('a')) is None
  assert run(cache.fetch('b')) == 'value'


def test_a_namespace_is_all_keys_with_the_prefix_and_a_colon(cache: Cachette) -> None:
  stay = ['ns', 'nsa:1', 'NS:1', 'ans:1', 'n:1', ' ns:1', 'a:ns:1']
  fill(cache, 'ns:', 'ns:1', 'ns:2', 'ns::', 'ns:a:b', *stay)
  assert run(cache.clear('ns')) == 5
  assert run(cache.clear(namespace='ns')) == 0
  assert run(cache.flush()) == len(stay)


def test_a_namespace_may_contain_colons_and_any_script(cache: Cachette) -> None:
  fill(cache, 'a:b:c', 'a:b', 'a:bc:d', 'schlüssel:1', '鍵:1', '*:1', 'x:1', '[a]:1', '%:1', '\\:1')
  assert run(cache.clear('a:b')) == 1
  for namespace in ('schlüssel', '鍵', '*', '[a]', '%', '\\'):
    assert run(cache.clear(namespace)) == 1
  assert run(cache.flush()) == 3


def test_clearing_a_namespace_and_a_key_clears_the_namespace(cache: Cachette) -> None:
  fill(cache, 'ns:1', 'ns:2', 'key')
  assert run(cache.clear('ns', 'key')) == 2
  assert run(cache.fetch('key')) == 'value'


def test_clear_without_arguments_clears_nothing(cache: Cachette) -> None:
  fill(cache, 'ns:1', 'key')
  assert run(cache.clear()) == 0
  assert run(cache.clear(None, None)) == 0
  assert run(cache.flush()) == 2


def test_flush_returns_the_number_of_entries(cache: Cachette) -> None:
  assert run(cache.flush()) == 0
  fill(cache, 'a', 'b', 'c')
  assert run(cache.flush()) == 3
  assert run(cache.fetch('a')) is None
  assert run(cache.flush()) == 0


def test_flush_expired_removes_only_expired_entries(cache: Cachette, backend: Any) -> None:
  async def main() -> None:
    await cache.put('dead', 'value', ttl=0.01)
    await cache.put('alive', 'value')
    await asyncio.sleep(0.05)
    gone = await cache.flush_expired()
    assert gone == 1 or (gone == 0 and backend['backend'] != 'inmemory')
    assert await cache.flush_expired() == 0
    assert await cache.fetch('alive') == 'value'

  run(main())


# ---- Keys


@pytest.mark.parametrize(
  'key',
  ['a', ' ', '\0', 'a\0b', '\n', 'a b\r\n', 'ключ', '鍵', '🗝', '\U0010ffff', '\x7f', 'k' * 65536],
  ids=ascii,
)
def test_any_text_can_be_a_key(cache: Cachette, key: str) -> None:
  try:
    run(cache.put(key, 'value'))
  except BackendError as error:  # old servers have no index for such a key
    assert len(key) > 1000 and 'MongoDB 4.2 and newer take longer ones' in str(error)
    return
  assert run(cache.fetch(key)) == 'value'
  assert run(cache.fetch(key[:-1] or 'other')) is None
  assert run(cache.clear(key=key)) == 1


def test_keys_that_differ_after_a_nul_are_different(cache: Cachette) -> None:
  run(cache.put('a\0b', 'one'))
  run(cache.put('a\0c', 'two'))
  assert run(cache.fetch('a\0b')) == 'one'
  assert run(cache.fetch('a')) is None


def test_a_key_may_be_an_instance_of_a_str_subclass(cache: Cachette) -> None:
  class Key(str):
    pass

  run(cache.put(Key('key'), 'value'))
  assert run(cache.fetch('key')) == 'value'


def calls_with_key(cache: Cachette, key: Any) -> Any:
  yield lambda: cache.fetch(key)
  yield lambda: cache.fetch(key, 'default')
  yield lambda: cache.fetch_with_ttl(key)
  yield lambda: cache.put(key, 'value')
  yield lambda: cache.clear(key=key)


@pytest.mark.parametrize(
  'key', ['', 'k' * 65537, 'ü' * 32769, '\udc80', 'a\ud800'], ids=lambda key: ascii(key)[:20]
)
def test_a_key_that_is_empty_too_long_or_not_utf8_is_a_value_error(
  cache: Cachette, key: str
) -> None:
  for call in calls_with_key(cache, key):
    with pytest.raises(ValueError) as caught:
      run(call())
    assert not isinstance(caught.value, CodecError)
  assert run(cache.flush()) == 0


@pytest.mark.parametrize('key', [5, b'key', None, ['key'], object()], ids=id_of)
def test_a_key_that_is_not_a_str_is_a_type_error(cache: Cachette, key: Any) -> None:
  for call in list(calls_with_key(cache, key))[: 4 if key is None else None]:
    with pytest.raises(TypeError, match='key must be a str'):
      run(call())


@pytest.mark.parametrize(
  'namespace', ['', 'n' * 65537, '\udc80'], ids=lambda name: ascii(name)[:20]
)
def test_an_invalid_namespace_is_a_value_error(cache: Cachette, namespace: str) -> None:
  fill(cache, ':1', 'key')
  with pytest.raises(ValueError):
    run(cache.clear(namespace))
  assert run(cache.flush()) == 2


def test_a_namespace_that_is_not_a_str_is_a_type_error(cache: Cachette) -> None:
  with pytest.raises(TypeError, match='namespace must be a str'):
    run(cache.clear(5))  # type: ignore[arg-type]


# ---- Signatures


@pytest.mark.parametrize(
  ('call', 'message'),
  [
    (lambda c: c.fetch(), r"fetch\(\) missing required argument 'key'"),
    (lambda c: c.fetch(default=1), r"fetch\(\) missing required argument 'key'"),
    (lambda c: c.fetch('a', 'b', 'c'), r'fetch\(\) takes at most 2 arguments \(3 given\)'),
    (lambda c: c.fetch('a', key='a'), r"fetch\(\) got multiple values for argument 'key'"),
    (lambda c: c.fetch('a', ttl=1), r"fetch\(\) got an unexpected keyword argument 'ttl'"),
    (lambda c: c.fetch_with_ttl(), r"fetch_with_ttl\(\) missing required argument 'key'"),
    (lambda c: c.fetch_with_ttl('a', 'b'), r'fetch_with_ttl\(\) takes at most 1 argument'),
    (lambda c: c.put('a'), r"put\(\) missing required argument 'value'"),
    (lambda c: c.put(value=1), r"put\(\) missing required argument 'key'"),
    (lambda c: c.put('a', 'b', 1, 2), r'put\(\) takes at most 3 arguments \(4 given\)'),
    (lambda c: c.clear('a', 'b', 'c'), r'clear\(\) takes at most 2 arguments \(3 given\)'),
    (lambda c: c.clear(keys='a'), r"clear\(\) got an unexpected keyword argument 'keys'"),
    (lambda c: c.flush('a'), r'flush\(\) takes '),
    (lambda c: c.flush(x=1), r"flush\(\) got an unexpected keyword argument 'x'"),
    (lambda c: c.flush_expired('a'), r'flush_expired\(\) takes '),
  ],
)
def test_a_call_with_wrong_parameters_is_an_immediate_type_error(
  cache: Cachette, call: Any, message: str
) -> None:
  with pytest.raises(TypeError, match=message):
    call(cache)


def test_parameters_may_be_passed_by_name(cache: Cachette) -> None:
  run(cache.put(ttl=7, value='value', key='key'))
  assert run(cache.fetch(default=1, key='key')) == 'value'
  assert run(cache.fetch_with_ttl(key='key')) == (about(7), 'value')
  assert run(cache.clear(key='key', namespace=None)) == 1
