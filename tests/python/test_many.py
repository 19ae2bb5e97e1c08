# SPDX-License-Identifier: MIT
"""The calls on many keys, on counters, and those without a value: exists, touch, delete and
ping."""

import asyncio
import collections
import pickle
import uuid
from typing import Any, Dict

import pytest
from cachette import BackendError, BackendUnavailable, Cachette, CodecError
from conftest import MakeClass, about, allowed_size, expected_counter, inmemory_only, short_ttl


def run(awaitable: Any) -> Any:
  return asyncio.run(awaitable)


# ---- Many keys


def test_many_keys_are_put_fetched_and_cleared(cache: Cachette) -> None:
  values = {f'key:{number}': f'value {number} ü' for number in range(1000)}

  async def main() -> None:
    assert await cache.put_many(values, 300) is None
    found = await cache.fetch_many([*values, 'absent'])
    assert found == values
    assert list(found) == list(values)
    assert (await cache.fetch_with_ttl('key:7'))[0] in range(298, 301)
    assert await cache.clear_many(['key:1', 'absent', 'key:2']) == 2
    assert await cache.fetch_many(['key:1', 'key:2', 'key:3']) == {'key:3': 'value 3 ü'}

  run(main())


def test_calls_on_many_keys_accept_no_keys(cache: Cachette) -> None:
  async def main() -> None:
    assert await cache.fetch_many([]) == {}
    assert await cache.put_many({}) is None
    assert await cache.clear_many(()) == 0

  run(main())


def test_any_iterable_and_any_mapping_are_accepted(cache: Cachette) -> None:
  async def main() -> None:
    await cache.put_many(collections.OrderedDict(a='1', b='2'))
    await cache.put_many(collections.ChainMap({'c': '3'}, {'d': '4'}))
    assert await cache.fetch_many(key for key in 'abcd') == dict(a='1', b='2', c='3', d='4')
    assert await cache.fetch_many({'a', 'b'}) == {'a': '1', 'b': '2'}
    assert await cache.fetch_many(['a', 'a']) == {'a': '1'}
    assert await cache.clear_many({'a': None, 'b': None}) == 2

  run(main())


def test_values_of_any_size_round_trip(make_class: MakeClass, backend: Dict[str, Any]) -> None:
  cache = make_class(codec='pickle')()
  sizes = [allowed_size(backend, size) for size in (0, 2, 2000, 3000, 200_000, 2_000_000)]
  values = {f'{size}': b'\0\xff' * (size // 2) for size in sizes}

  async def main() -> None:
    await cache.put_many(values)
    assert await cache.fetch_many(values) == values

  run(main())


@pytest.mark.parametrize('keys', ['abc', b'abc', 7, None, [1], ['a', None]])
def test_keys_that_are_not_an_iterable_of_str_are_a_type_error(cache: Cachette, keys: Any) -> None:
  with pytest.raises(TypeError):
    run(cache.fetch_many(keys))
  with pytest.raises(TypeError):
    run(cache.clear_many(keys))


@pytest.mark.parametrize('mapping', [[('a', '1')], 'abc', 7, None, {1: 'a'}])
def test_values_that_are_not_a_mapping_of_str_are_a_type_error(
  cache: Cachette, mapping: Any
) -> None:
  with pytest.raises(TypeError):
    run(cache.put_many(mapping))


def test_an_empty_key_among_many_stores_nothing(cache: Cachette) -> None:
  with pytest.raises(ValueError, match='empty'):
    run(cache.put_many({'a': '1', '': '2'}))
  assert run(cache.fetch('a')) is None


def test_a_value_that_cannot_be_encoded_stores_nothing(make_class: MakeClass) -> None:
  cache = make_class(codec='json')()
  with pytest.raises(CodecError, match='"b"'):
    run(cache.put_many({'a': 1, 'b': object()}))
  assert run(cache.fetch('a')) is None


def test_the_error_names_the_value_that_cannot_be_decoded(make_class: MakeClass) -> None:
  text, json = make_class(memory_name='one'), make_class(memory_name='one', codec='json')
  run(text().put_many({'a': '1', 'b': '{'}))
  with pytest.raises(CodecError, match='"b"'):
    run(json().fetch_many(['a', 'b']))


@inmemory_only
def test_a_value_that_is_too_large_does_not_prevent_the_others(make_class: MakeClass) -> None:
  cache = make_class(memory_limit='1M')()
  with pytest.raises(BackendError, match='"large"'):
    run(cache.put_many({'a': '1', 'large': 'x' * (1 << 20), 'b': '2'}))
  assert run(cache.fetch_many(['a', 'large', 'b'])) == {'a': '1', 'b': '2'}


# ---- Counters


# ---- Many keys of which some fail


async def put_some(make_class: MakeClass) -> Cachette:
  """A JSON cache in which "good:1" and "good:2" are readable, and "bad:1" and "bad:2" are not."""
  # The memory name is part of the key prefix on other backends.
  settings = {'memory_name': f'{uuid.uuid4()}'}
  await make_class(**settings)().put_many({'bad:1': '{', 'bad:2': 'no JSON'})
  cache = make_class(codec='json', **settings)()
  await cache.put_many({'good:1': {'n': 1}, 'good:2': [2]})
  return cache


KEYS = ['good:1', 'bad:1', 'absent', 'good:2', 'bad:2']
FOUND = {'good:1': {'n': 1}, 'good:2': [2]}


def check_some(error: CodecError) -> None:
  assert error.found == FOUND
  assert list(error.failed) == ['bad:1', 'bad:2']
  for key, each in error.failed.items():
    assert type(each) is CodecError and key in str(each)
    assert (each.found, each.failed) == ({}, {})
  assert '"bad:1"' in str(error) and '2 of 5 keys failed' in str(error)


def test_the_error_contains_the_values_that_could_be_read(make_class: MakeClass) -> None:
  async def main() -> Cachette:
    cache = await put_some(make_class)
    with pytest.raises(CodecError) as caught:
      await cache.fetch_many(KEYS)
    check_some(caught.value)
    check_some(pickle.loads(pickle.dumps(caught.value)))
    assert await cache.fetch_many(KEYS[:1]) == {'good:1': {'n': 1}}
    return cache

  cache = run(main())
  with pytest.raises(CodecError) as caught:
    type(cache).sync.fetch_many(KEYS)
  check_some(caught.value)


def test_the_error_about_forged_values_contains_the_others(make_class: MakeClass) -> None:
  async def main() -> None:
    settings = {'memory_name': f'{uuid.uuid4()}'}
    signed = make_class(secret='of sixteen bytes and more', **settings)()
    await signed.put_many({'a': 'first', 'c': 'third'})
    await make_class(**settings)().put('b', 'forged')
    with pytest.raises(CodecError) as caught:
      await signed.fetch_many(['a', 'b', 'c'])
    assert caught.value.found == {'a': 'first', 'c': 'third'}
    assert list(caught.value.failed) == ['b']

  run(main())


def test_all_keys_fail_if_the_backend_does() -> None:
  class Gone(Cachette):
    pass

  Gone.load_config(lambda: {'backend': 'redis', 'redis_url': 'redis://127.0.0.1:1'})

  async def main() -> None:
    for call in (
      Gone().fetch_many(['a', 'b']),
      Gone().put_many({'a': '1', 'b': '2'}),
      Gone().clear_many(['a', 'b']),
    ):
      with pytest.raises(BackendUnavailable, match='127.0.0.1') as caught:
        await call
      assert caught.value.found == {} and list(caught.value.failed) == ['a', 'b']
      for each in caught.value.failed.values():
        assert isinstance(each, BackendUnavailable) and '127.0.0.1' in str(each)

  run(main())


def test_an_error_of_one_key_has_no_found_values(make_class: MakeClass) -> None:
  async def main() -> None:
    cache = await put_some(make_class)
    with pytest.raises(CodecError) as caught:
      await cache.fetch('bad:1')
    assert (caught.value.found, caught.value.failed) == ({}, {})
    with pytest.raises(TypeError):
      caught.value.found['key'] = 1  # type: ignore[index]

  run(main())


def test_an_error_unrelated_to_a_key_is_raised_unchanged(make_class: MakeClass) -> None:
  def loads(data: bytes) -> Any:
    raise KeyboardInterrupt

  Cachette.register_codec('interrupted', lambda value: b'%d' % value, loads)
  cache = make_class(codec='interrupted')
  cache.sync.put('key', 7)
  with pytest.raises(KeyboardInterrupt):
    cache.sync.fetch_many(['key'])


# ---- One key


def test_delete_returns_whether_there_was_an_entry(cache: Cachette) -> None:
  async def main() -> None:
    await cache.put('key', 'value')
    await cache.put('key:1', 'value')
    assert await cache.delete('key') is True
    assert await cache.delete('key') is False
    assert await cache.fetch('key:1') == 'value'
    assert await cache.delete(key='key:1') is True

  run(main())
  sync = type(cache).sync
  sync.put('key', 'value')
  assert (sync.delete('key'), sync.delete('key')) == (True, False)


# ---- Counters


def test_increment_adds_and_returns_the_counter(
  make_class: MakeClass, backend: Dict[str, Any]
) -> None:
  for codec in ('vanilla', 'json', 'pickle'):
    cache = make_class(codec=codec)()

    async def main(cache: Cachette = cache) -> None:
      assert await cache.increment('visits') == 1
      assert await cache.increment('visits', 41) == 42
      assert await cache.increment('visits', by=-50, ttl=3) == expected_counter(backend, -8)
      assert await cache.increment('visits', 0) == expected_counter(backend, -8)
      assert await cache.increment('other', ttl=500, by=2**62) == 2**62

    run(main())


def test_a_counter_is_stored_as_digits_and_retains_its_ttl(cache: Cachette) -> None:
  async def main() -> None:
    assert await cache.increment('count', 7, 500) == 7
    assert await cache.increment('count', 1, 5) == 8
    left, value = await cache.fetch_with_ttl('count')
    assert value == '8' and left in range(495, 501)
    await cache.put('count', '100')
    assert await cache.increment('count') == 101

  run(main())


def test_concurrent_increments_are_all_counted(make_class: MakeClass) -> None:
  cache = make_class(timeout=30)()  # a backend that uses compare-and-set may need many attempts

  async def main() -> None:
    counts = await asyncio.gather(*(cache.increment('count') for _ in range(1000)))
    assert sorted(counts) == list(range(1, 1001))

  run(main())


def test_incrementing_a_non_counter_is_a_codec_error_that_changes_nothing(cache: Cachette) -> None:
  run(cache.put('key', 'text'))
  with pytest.raises(CodecError, match='"key" is not a counter'):
    run(cache.increment('key'))
  assert run(cache.fetch('key')) == 'text'


def test_a_counter_of_more_than_64_bits_is_a_value_error(cache: Cachette) -> None:
  run(cache.increment('key', 2**63 - 1))
  with pytest.raises(ValueError, match='64-bit'):
    run(cache.increment('key'))
  assert run(cache.increment('key', 0)) == 2**63 - 1
  for by in (2**63, -(2**63) - 1, 10**30):
    with pytest.raises(ValueError, match='64 bits'):
      run(cache.increment('key', by))


@pytest.mark.parametrize('by', [1.0, '1', True, [1]])
def test_the_amount_of_an_increment_must_be_an_int(cache: Cachette, by: Any) -> None:
  with pytest.raises(TypeError, match='by must be an int'):
    run(cache.increment('key', by))


# ---- Add, exists, touch, ping


def test_add_stores_only_absent_keys(cache: Cachette) -> None:
  async def main() -> None:
    assert await cache.add('key', 'first', 500) is True
    assert await cache.add('key', 'second') is False
    left, value = await cache.fetch_with_ttl('key')
    assert value == 'first' and left in range(498, 501)
    await cache.clear(key='key')
    assert await cache.add('key', value='third') is True
    assert sum(await asyncio.gather(*(cache.add('lock', f'{i}') for i in range(100)))) == 1

  run(main())


def test_exists_does_not_count_as_hit_or_miss(
  make_class: MakeClass, backend: Dict[str, Any]
) -> None:
  cls = make_class()
  ttl, wait = short_ttl(backend)
  cache = cls()

  async def main() -> None:
    await cache.put('key', '')
    assert await cache.exists('key') is True
    assert await cache.exists('absent') is False
    await cache.put('short', 'value', ttl)
    await asyncio.sleep(wait)
    assert await cache.exists('short') is False

  run(main())
  assert cls.stats().hits == cls.stats().misses == 0


def test_touch_changes_only_the_ttl(cache: Cachette, backend: Dict[str, Any]) -> None:
  ttl, wait = short_ttl(backend)

  async def main() -> None:
    await cache.put('key', 'value', 5)
    assert await cache.touch('key', 500) is True
    assert await cache.fetch_with_ttl('key') == (about(500), 'value')
    assert await cache.touch('key', ttl) is True
    await asyncio.sleep(wait)
    assert await cache.touch('key', 500) is False
    assert await cache.fetch('key') is None
    assert await cache.touch('absent', 5) is False

  run(main())


@pytest.mark.parametrize('ttl', [0, -1, float('nan'), float('inf')])
def test_an_invalid_ttl_is_a_value_error(cache: Cachette, ttl: float) -> None:
  for call in (
    lambda: cache.add('key', 'value', ttl),
    lambda: cache.touch('key', ttl),
    lambda: cache.increment('key', 1, ttl),
    lambda: cache.put_many({'key': 'value'}, ttl),
  ):
    with pytest.raises(ValueError, match='ttl'):
      run(call())


def test_ping_is_answered(cache: Cachette) -> None:
  assert run(cache.ping()) is None


# ---- Statistics


def test_stats_count_across_loops(make_class: MakeClass) -> None:
  cls = make_class()
  cache = cls()

  async def work() -> None:
    await cache.put_many({'a': '1', 'b': '2'})
    await cache.fetch_many(['a', 'b', 'c'])
    await cache.fetch('d')
    await cache.increment('n')
    await cache.clear_many(['a', 'c'])
    with pytest.raises(ValueError):
      await cache.fetch('')

  run(work())
  run(work())
  stats = cls.stats()
  assert cache.stats()[:6] == stats[:6]
  assert (stats.hits, stats.misses, stats.puts, stats.clears) == (4, 4, 6, 2)
  assert (stats.errors, stats.pending) == (2, 0)
  assert stats.seconds >= 0
  cls.load_config(lambda: {})
  assert cls.stats().hits == 0


@inmemory_only
def test_stats_include_the_in_memory_store(make_class: MakeClass) -> None:
  cls = make_class(memory_limit='1M')
  for _ in range(1000):
    run(cls().put_many({f'{number}': 'x' * 100 for number in range(10)}))
  stats = cls.stats()
  assert stats.entries == 10
  assert stats.limit == 1 << 20
  assert stats.bytes is not None and 1000 < stats.bytes <= stats.limit
  assert stats.evictions == 0 and stats.expirations == 0
  assert stats.seconds > 0
