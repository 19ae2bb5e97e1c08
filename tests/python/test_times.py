# SPDX-License-Identifier: MIT
"""Times: seconds as any real number or as a timedelta, in every call and every time option.

A clock that stands still lets the tests check TTLs to the millisecond.
"""

import asyncio
import datetime
import decimal
import fractions
import math
import typing
from typing import Any, Callable, Dict, Iterator, Type

import numpy
import pandas
import pytest
from cachette import Cachette, testing
from cachette._cachette import options
from conftest import MakeClass, about, id_of, run_python

Fraction = fractions.Fraction
Decimal = decimal.Decimal
timedelta = datetime.timedelta


class Half:
  """Looks like a number, but is not one."""

  def __float__(self) -> float:
    return 0.5


# Valid times, with their milliseconds.
TIMES = [
  (timedelta(seconds=90), 90_000),
  (timedelta(milliseconds=1500), 1500),
  (timedelta(microseconds=1), 1),
  (timedelta(days=400), 400 * 86_400_000),
  (Fraction(3, 2), 1500),
  (Fraction(1, 3), 334),
  (Decimal('2.5'), 2500),
  (Decimal(60), 60_000),
  (numpy.float64(2.5), 2500),
  (numpy.float32(2.5), 2500),
  (numpy.int64(7), 7000),
  (numpy.uint8(7), 7000),
  (numpy.timedelta64(1500, 'ms'), 1500),
  (numpy.timedelta64(2, 'm'), 120_000),
  (pandas.Timedelta(seconds=2.5), 2500),
  (5, 5000),
  (2.5, 2500),
]

# Times that are out of range for a TTL.
OUT_OF_RANGE = [
  timedelta(0),
  timedelta(seconds=-5),
  timedelta(days=40_000),
  timedelta.max,
  timedelta.min,
  Fraction(0),
  Fraction(-1, 2),
  Fraction(10**400),
  Decimal(0),
  Decimal('-1'),
  Decimal('nan'),
  Decimal('sNaN'),
  Decimal('inf'),
  Decimal('-inf'),
  Decimal('1e999999'),
  numpy.float64('nan'),
  numpy.float32('inf'),
  numpy.int64(-1),
  numpy.timedelta64('NaT', 's'),
  pandas.NaT,
  math.nan,
  math.inf,
  0,
]

# Values that are not times.
WRONG = [
  *('60', b'60', True, False, 1j, [], (), {}, object(), Half(), datetime.time(1)),
  *(numpy.bool_(True), numpy.array([1.0]), datetime.datetime(2024, 1, 1)),
]


def displayed(value: Any) -> str:
  return f'{type(value).__name__}-{id_of(value)[:30]}'


# ---- In calls


class Local(Cachette):
  """A cache of numbers and strings."""


@pytest.fixture
def clock() -> Iterator[testing.Clock]:
  Local.load_config(lambda: {'codec': 'json'})
  with testing.isolated(Local) as isolation:
    yield isolation.clock


async def put(ttl: Any) -> None:
  await Local().put('key', 1, ttl)


async def put_by_name(ttl: Any) -> None:
  await Local().put(key='key', value=1, ttl=ttl)


async def put_many(ttl: Any) -> None:
  await Local().put_many({'key': 1}, ttl=ttl)


async def add(ttl: Any) -> None:
  assert await Local().add('key', 1, ttl)


async def touch(ttl: Any) -> None:
  await Local().put('key', 1, 10**6)
  assert await Local().touch('key', ttl)


async def increment(ttl: Any) -> None:
  assert await Local().increment('key', 1, ttl) == 1


async def get_or_set(ttl: Any) -> None:
  assert await Local().get_or_set('key', lambda: 1, ttl) == 1


async def cached(ttl: Any) -> None:
  @Local.cached(ttl, key='key')
  async def compute() -> int:
    return 1

  assert await compute() == 1


async def cached_by_name(ttl: Any) -> None:
  @Local.cached(ttl=ttl, key='key')
  def compute() -> int:
    return 1

  assert compute() == 1


async def sync_put(ttl: Any) -> None:
  Local.sync.put('key', 1, ttl)


async def sync_put_many(ttl: Any) -> None:
  Local.sync.put_many({'key': 1}, ttl)


async def sync_add(ttl: Any) -> None:
  assert Local.sync.add('key', 1, ttl=ttl)


async def sync_touch(ttl: Any) -> None:
  Local.sync.put('key', 1, 10**6)
  assert Local.sync.touch('key', ttl)


async def sync_increment(ttl: Any) -> None:
  assert Local.sync.increment('key', ttl=ttl) == 1


async def sync_get_or_set(ttl: Any) -> None:
  assert Local.sync.get_or_set('key', 1, ttl) == 1


CALLS: Dict[str, Callable[[Any], Any]] = {
  each.__name__: each
  for each in (put, put_by_name, put_many, add, touch, increment, get_or_set, cached)
  + (cached_by_name, sync_put, sync_put_many, sync_add, sync_touch, sync_increment)
  + (sync_get_or_set,)
}


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.parametrize(('ttl', 'ms'), TIMES, ids=displayed)
def test_every_call_takes_every_kind_of_time(
  clock: testing.Clock, call: str, ttl: Any, ms: int
) -> None:
  async def main() -> None:
    await CALLS[call](ttl)
    clock.advance((ms - 1) / 1000)
    assert await Local().fetch('key') == 1
    clock.advance(0.001)
    assert await Local().fetch('key') is None

  asyncio.run(main())


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.parametrize('ttl', OUT_OF_RANGE, ids=displayed)
def test_a_time_out_of_range_is_a_value_error_of_every_call(
  clock: testing.Clock, call: str, ttl: Any
) -> None:
  with pytest.raises(
    ValueError, match='ttl must be a positive number of seconds, at most'
  ) as caught:
    asyncio.run(CALLS[call](ttl))
  if len(repr(ttl)) < 100:
    assert repr(ttl) in str(caught.value)


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.parametrize('ttl', WRONG, ids=displayed)
def test_a_non_time_is_a_type_error_of_every_call(
  clock: testing.Clock, call: str, ttl: Any
) -> None:
  with pytest.raises(TypeError, match='ttl must be a number of seconds, not') as caught:
    asyncio.run(CALLS[call](ttl))
  assert type(ttl).__name__ in str(caught.value) and 'timedelta' in str(caught.value)


def test_every_backend_accepts_a_timedelta(make_class: MakeClass) -> None:
  async def main() -> None:
    cache = make_class(codec='json')()
    await cache.put('key', 1, ttl=timedelta(minutes=2))
    assert await cache.fetch_with_ttl('key') == (about(120), 1)
    await cache.put_many({'key': 2}, ttl=Decimal(30))
    assert await cache.fetch_with_ttl('key') == (about(30), 2)
    assert await cache.get_or_set('other', lambda: 3, ttl=Fraction(50)) == 3
    assert await cache.fetch_with_ttl('other') == (about(50), 3)

  asyncio.run(main())


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_a_numpy_timedelta_without_a_unit_is_not_a_time() -> None:
  try:
    bare = numpy.timedelta64(5)
  except (TypeError, ValueError):
    return  # a newer NumPy, which has no generic unit
  with pytest.raises(TypeError, match='ttl must be a number of seconds, not timedelta64'):
    Local.sync.put('key', 1, ttl=bare)


def test_an_error_of_a_conversion_to_float_propagates() -> None:
  class Broken(Fraction):
    def __float__(self) -> float:
      raise LookupError('no seconds')

  class Late(timedelta):
    def total_seconds(self) -> float:
      raise LookupError('no seconds')

  for ttl in (Broken(5), Late(5)):
    with pytest.raises(LookupError, match='no seconds'):
      Local.sync.put('key', 1, ttl=ttl)


def test_the_clock_of_a_test_takes_every_kind_of_time(clock: testing.Clock) -> None:
  Local.sync.put('key', 1, ttl=5)
  clock.advance(timedelta(seconds=2))
  clock.advance(Fraction(29, 10))
  assert Local.sync.fetch('key') == 1
  clock.advance(Decimal('0.1'))
  assert Local.sync.fetch('key') is None
  with pytest.raises(TypeError, match="seconds must be a number of seconds, not str \\('5'\\)"):
    clock.advance('5')  # type: ignore[arg-type]


# ---- In options


def new_class(**settings: Any) -> Type[Cachette]:
  class Own(Cachette):
    pass

  Own.load_config(lambda: settings)
  return Own


TIME_OPTIONS = [row['name'] for row in options() if row['type'] in ('seconds', 'duration')]


def text_of(cls: Type[Cachette], name: str) -> Any:
  return cls._config.get(name)


def test_the_time_options_are_known() -> None:
  assert {'ttl', 'timeout', 'connect_timeout'} <= set(TIME_OPTIONS)


@pytest.mark.parametrize('name', TIME_OPTIONS)
@pytest.mark.parametrize(('value', 'ms'), TIMES, ids=displayed)
def test_an_option_takes_every_kind_of_time(name: str, value: Any, ms: int) -> None:
  if ms > 3_600_000 or ms == 1 or (name == 'ttl' and ms < 1000):
    with pytest.raises(ValueError, match=f'The "{name}" value must'):
      new_class(**{name: value})
  else:
    assert abs(float(text_of(new_class(**{name: value}), name)) * 1000 - ms) <= 1


@pytest.mark.parametrize('name', TIME_OPTIONS)
@pytest.mark.parametrize('value', OUT_OF_RANGE, ids=displayed)
def test_a_time_out_of_range_is_an_error_of_the_option(name: str, value: Any) -> None:
  with pytest.raises(ValueError, match=f'The "{name}" value must (be )?between'):
    new_class(**{name: value})


@pytest.mark.parametrize('name', TIME_OPTIONS)
@pytest.mark.parametrize('value', [each for each in WRONG if each != '60'], ids=displayed)
def test_a_non_time_is_an_error_of_the_option(name: str, value: Any) -> None:
  match = rf'The "{name}" value must be a number of seconds or a timedelta, not [\w.]+\.'
  with pytest.raises(ValueError, match=match) as caught:
    new_class(**{name: value})
  assert f'{type(value).__name__}.' in str(caught.value)


def test_the_error_about_a_ttl_out_of_range_mentions_the_calls() -> None:
  with pytest.raises(ValueError, match='It is "7200". The ttl of a single call, .*may be longer'):
    new_class(ttl=timedelta(hours=2))
  with pytest.raises(ValueError, match='It is "0.25". The ttl of a single call, .*may be shorter'):
    new_class(ttl=Fraction(1, 4))
  Cachette.sync.put('key', 'value', ttl=timedelta(hours=2))


def test_whole_seconds_are_displayed_without_a_fraction() -> None:
  for value in (60.0, timedelta(minutes=1), Fraction(60), Decimal('60.0'), numpy.float64(60)):
    assert repr(new_class(ttl=value)()).endswith('ttl=60>')


def test_a_configured_ttl_may_have_a_fraction() -> None:
  with testing.isolated() as isolation:
    cache = new_class(ttl=timedelta(milliseconds=1500)).sync
    cache.put('key', 'value')
    isolation.clock.advance(1.499)
    assert cache.fetch('key') == 'value'
    isolation.clock.advance(0.001)
    assert cache.fetch('key') is None


# ---- Annotations


@pytest.mark.parametrize('call', [Cachette.put, Cachette.get_or_set, Cachette.sync.put_many])
def test_the_annotation_of_a_time_evaluates(call: Any) -> None:
  kinds = typing.get_args(typing.get_type_hints(call)['ttl'])
  assert {int, float, type(None), typing.SupportsFloat} < set(kinds)


def test_a_number_as_time_imports_nothing() -> None:
  output = run_python("""
    import sys
    from cachette import Cachette
    before = set(sys.modules)
    Cachette.sync.put('key', 'value', ttl=5)
    Cachette.sync.put('key', 'value', ttl=2.5)
    print(set(sys.modules) - before)
    """)
  assert output == 'set()\n'
