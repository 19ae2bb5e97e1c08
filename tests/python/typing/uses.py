# SPDX-License-Identifier: MIT
"""Uses that mypy --strict and pyright must accept, with the types that they must infer. Never
run."""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Awaitable, Callable, Coroutine, Dict, List, Mapping, Optional, Tuple, Type

import cachette
from cachette import (
  BackendError,
  BackendTimeout,
  BackendUnavailable,
  Cachette,
  CachetteError,
  CodecError,
  ConfigError,
  cached,
)
from cachette.http import Policy, cache_control, cache_response, check, no_cache
from typing_extensions import assert_type

assert_type(cachette.__version__, str)


@Cachette.load_config
def from_tuples() -> List[Tuple[str, object]]:
  return [('backend', 'inmemory'), ('ttl', 60)]


@Cachette.load_config
def from_mapping() -> Mapping[str, object]:
  return {'backend': 'redis', 'redis_url': 'redis://localhost'}


@dataclass
class Settings:
  ttl: int = 60


@Cachette.load_config
def from_settings() -> Settings:
  return Settings()


Cachette.load_config({'ttl': '60'})
Cachette.load_config([('ttl', timedelta(minutes=1))])
Cachette.load_config(os.environ)
assert_type(Cachette.load_config(Settings()), Settings)
assert_type(from_tuples(), List[Tuple[str, object]])
assert_type(from_mapping(), Mapping[str, object])
assert_type(from_settings(), Settings)


class Sessions(Cachette):
  """An independent cache."""


Sessions.load_config(lambda: {'codec': 'pickle'})
Cachette.register_codec('upper', lambda value: str(value).encode(), lambda raw: raw.decode())


async def calls(cache: Cachette) -> None:
  assert_type(await cache.fetch('key'), Any)
  assert_type(await cache.fetch('key', default=5), Any)
  assert_type(await cache.fetch_with_ttl('key'), Tuple[int, Any])
  left, value = await cache.fetch_with_ttl('key')
  assert_type(left, int)
  assert_type(value, Any)
  await cache.put('key', 'value')
  await cache.put('key', {'any': 'value'}, 5)
  await cache.put('key', 'value', ttl=2.5)
  await cache.put('key', 'value', ttl=None)
  await cache.put('key', 'value', ttl=timedelta(minutes=1))
  await cache.put_many({'key': 'value'}, Fraction(5, 2))
  await cache.touch('key', Decimal('2.5'))
  Cachette.sync.put('key', 'value', ttl=timedelta(minutes=1))
  assert_type(await cache.clear('namespace'), int)
  assert_type(await cache.clear(namespace='namespace'), int)
  assert_type(await cache.clear(key='key'), int)
  assert_type(await cache.clear(), int)
  assert_type(await cache.delete('key'), bool)
  assert_type(await cache.flush(), int)
  assert_type(await cache.flush_expired(), int)
  text: Optional[str] = await cache.fetch('key')
  number: int = await cache.fetch('key', 0)
  print(text, number)


async def as_coroutines(cache: Cachette) -> None:
  flush: Coroutine[Any, Any, int] = cache.flush()
  fetch: Awaitable[Any] = cache.fetch('key')
  assert_type(await asyncio.create_task(flush), int)
  assert_type(await asyncio.wait_for(cache.flush(), 1), int)
  one, two = await asyncio.gather(cache.flush(), cache.clear('namespace'))
  assert_type(one, int)
  assert_type(two, int)
  await fetch


def handed_on(cache: Cachette) -> None:
  put: Callable[[str, str], Coroutine[Any, Any, None]] = cache.put
  fetch: Callable[[Cachette, str], Awaitable[Any]] = Cachette.fetch
  blocking: Callable[[str], bool] = Cachette.sync.delete
  print(put, fetch, blocking)


async def load_count() -> int:
  return 1


def load_name() -> str:
  return 'name'


def load_anything() -> Any:
  return 1


async def computed(cache: Cachette) -> None:
  assert_type(await cache.get_or_set('key', load_count), int)
  assert_type(await cache.get_or_set('key', load_name, 5), str)
  assert_type(await cache.get_or_set('key', factory=lambda: 1.5, ttl=2.5), float)
  assert_type(await cache.get_or_set('key', 'value', ttl=None), str)
  assert_type(await cache.get_or_set('key', 'value', ttl=timedelta(days=1)), str)
  assert_type(await asyncio.wait_for(cache.get_or_set('key', load_count), 1), int)
  assert_type(await cache.get_or_set('key', load_anything, returns=Settings), Settings)
  assert_type(
    await cache.get_or_set('key', load_anything, 5, returns=List[Settings]), List[Settings]
  )
  print(await cache.get_or_set('key', load_anything, returns=Optional[Settings]))
  assert_type(cache.sync.get_or_set('key', load_name, 5), str)
  assert_type(cache.sync.get_or_set('key', load_anything, returns=Settings), Settings)


@cached(ttl=60)
async def load_user(number: int, *, fresh: bool = False) -> Dict[str, int]:
  return {'number': number, 'fresh': fresh}


@cached
async def load_all() -> List[int]:
  return []


@Sessions.cached(60, key='square:{number}', namespace='squares')
def square(number: int) -> int:
  return number * number


@cached(ttl=60, returns=Settings)
def load_settings():  # type: ignore[no-untyped-def]
  return Settings()


@cached(returns=Dict[str, int])
async def load_counts() -> Dict[str, int]:
  return {}


@cached(key=load_name)
def greet(name: str) -> str:
  return f'hello {name}'


class Shop:
  @cached(exclude=('self',))
  async def price(self, article: str) -> int:
    return len(article)

  @cached(exclude=('self',))
  def title(self, article: str) -> str:
    return article

  @cached(exclude=('cls',))
  @classmethod
  async def count(cls, kind: str) -> int:
    return len(kind)

  @cached
  @classmethod
  async def kinds(cls, kind: str) -> int:
    return len(kind)

  @cached
  @classmethod
  def names(cls, kind: str) -> str:
    return kind

  @cached(ttl=timedelta(minutes=1))
  @classmethod
  def places(cls, kind: str) -> str:
    return kind

  @cached
  @staticmethod
  async def double(number: int) -> int:
    return 2 * number

  @cached(ttl=60)
  @staticmethod
  async def treble(number: int) -> int:
    return 3 * number

  @cached
  @staticmethod
  def half(number: int) -> float:
    return number / 2

  @cached(ttl=60)
  @staticmethod
  def third(number: int, *, exact: bool = False) -> float:
    return number / 3

  @staticmethod
  @cached
  async def inside(number: int) -> int:
    return number

  @staticmethod
  @cached(ttl=60)
  def plain_inside(number: int) -> int:
    return number


async def static_and_class_methods(shop: Shop) -> None:
  assert_type(await Shop.double(5), int)
  assert_type(await shop.double(5), int)
  assert_type(await Shop.double(number=5), int)
  assert_type(Shop.double.key(5), str)
  assert_type(await shop.double.invalidate(5), int)
  assert_type(await Shop.treble(5), int)
  assert_type(await shop.treble(number=5), int)
  assert_type(await shop.treble.invalidate(5), int)
  assert_type(Shop.half(5), float)
  assert_type(shop.half(5), float)
  assert_type(shop.half.key(number=5), str)
  assert_type(Shop.half.invalidate(5), int)
  assert_type(Shop.third(5, exact=True), float)
  assert_type(shop.third(5), float)
  assert_type(shop.third.invalidate(5), int)
  assert_type(await Shop.inside(5), int)
  assert_type(await shop.inside(5), int)
  assert_type(Shop.plain_inside(5), int)
  assert_type(shop.plain_inside(5), int)
  assert_type(await Shop.kinds('bread'), int)
  assert_type(await shop.kinds('bread'), int)
  assert_type(await shop.kinds.invalidate('bread'), int)
  assert_type(Shop.names('bread'), str)
  assert_type(shop.names(kind='bread'), str)
  assert_type(Shop.places('bread'), str)
  assert_type(shop.places.key('bread'), str)


async def decorated(shop: Shop) -> None:
  assert_type(await load_user(5), Dict[str, int])
  assert_type(await load_user(number=5, fresh=True), Dict[str, int])
  assert_type(load_user.key(5, fresh=True), str)
  assert_type(await load_user.invalidate(5), int)
  assert_type(await load_all(), List[int])
  assert_type(await load_counts(), Dict[str, int])
  assert_type(square(5), int)
  assert_type(square.key(number=5), str)
  assert_type(square.invalidate(5), int)
  assert_type(greet('you'), str)
  assert_type(await shop.price('bread'), int)
  assert_type(shop.price.key('bread'), str)
  assert_type(await shop.price.invalidate('bread'), int)
  assert_type(shop.title('bread'), str)
  assert_type(await Shop.count('bread'), int)
  assert_type(await shop.count.invalidate('bread'), int)
  handler: Callable[[int], Coroutine[Any, Any, Dict[str, int]]] = load_user
  task = asyncio.create_task(load_user(5))
  print(handler, await task)


async def injected() -> None:
  assert_type(Cachette(), Cachette)
  assert_type(Sessions(), Sessions)
  assert_type(await Sessions(), Sessions)
  kinds: Dict[str, Type[Cachette]] = {'cache': Cachette, 'sessions': Sessions}
  print(kinds)


assert_type(asyncio.run(Cachette().fetch_with_ttl('key')), Tuple[int, Any])


def errors() -> None:
  try:
    asyncio.run(Cachette().flush())
  except BackendTimeout as error:
    as_timeout: TimeoutError = error
    print(as_timeout)
  except BackendUnavailable as error:
    as_connection: ConnectionError = error
    print(as_connection)
  except (BackendError, CodecError) as error:
    as_base: CachetteError = error
    print(as_base)
    assert_type(error.found, Mapping[str, Any])
    assert_type(error.failed, Mapping[str, CachetteError])
  except ConfigError as error:
    as_value: ValueError = error
    print(as_value)


# ---- HTTP

policy = Policy(default_ttl=timedelta(minutes=1), methods=['GET', 'QUERY'], session_cookies=('id',))
assert_type(policy.default_ttl, Optional[float])
assert_type(policy.session_cookies, Optional[Tuple[str, ...]])
assert_type(policy.max_body, int)
assert_type(Policy.rfc(query='sort'), Policy)


@cache_response(60, swr=Decimal(30), sie=timedelta(days=1), tags=['item:{number}'], public=True)
async def get_item(number: int) -> str:
  return str(number)


def tags_of_item(number: int) -> List[str]:
  return [f'item:{number}']


@cache_response(60, tags=tags_of_item, vary=('Accept-Language',))
def get_item_sync(number: int) -> str:
  return str(number)


@no_cache
async def get_user() -> str:
  return 'you'


async def handlers() -> None:
  assert_type(await get_item(number=5), str)
  assert_type(get_item_sync(5), str)
  assert_type(await get_user(), str)
  dependencies: List[Callable[..., Awaitable[None]]] = [
    cache_control(60, tags=['items']),
    cache_control(no_store=True),
  ]
  print(dependencies)
  check(object())
