# SPDX-License-Identifier: MIT
# pyright: reportUnnecessaryTypeIgnoreComment=true
"""Misuses that mypy --strict and pyright must reject: each line needs its "ignore". Never run."""

from typing import Any

from cachette import Cachette, cached
from cachette.http import Policy, cache_response, no_cache


async def misuses(cache: Cachette) -> None:
  await cache.fetch()  # type: ignore[call-arg]
  await cache.fetch(5)  # type: ignore[arg-type]
  await cache.fetch(b'key')  # type: ignore[arg-type]
  await cache.put('key')  # type: ignore[call-arg]
  await cache.put('key', 'value', '60')  # type: ignore[arg-type]
  await cache.put('key', 'value', ttl=1j)  # type: ignore[arg-type]
  await cache.put('key', 'value', time=60)  # type: ignore[call-arg]
  await cache.clear(5)  # type: ignore[arg-type]
  await cache.flush('key')  # type: ignore[call-arg]
  left: str = (await cache.fetch_with_ttl('key'))[0]  # type: ignore[assignment]
  print(left)
  Cachette('key')  # type: ignore[call-arg]
  Cachette.register_codec('name', None, bytes)  # type: ignore[arg-type]
  await cache.get_or_set('key')  # type: ignore[call-overload]
  await cache.get_or_set(5, 'value')  # type: ignore[call-overload]
  await cache.get_or_set('key', 'value', ttl='60')  # type: ignore[call-overload]
  name: str = await cache.get_or_set('key', load_count)  # type: ignore[arg-type]
  print(name)
  cache.no_such_call()  # type: ignore[attr-defined]
  Cachette.fetch('key')  # type: ignore[call-arg, arg-type, unused-coroutine]


async def forgotten_awaits(cache: Cachette) -> None:
  cache.put('key', 'value')  # type: ignore[unused-coroutine]
  if cache.exists('key'):  # type: ignore[truthy-bool]
    print('always')
  if not cache.add('key', 'value'):  # type: ignore[truthy-bool]
    print('never')
  while cache.touch('key'):  # type: ignore[truthy-bool]
    break
  print(cache.fetch('key') + 1)  # type: ignore[operator]


async def load_count() -> int:
  return 1


@cached(ttl=60)
async def load_user(number: int) -> str:
  return str(number)


@cached(exclude=('self',))
async def price(shop: Any, article: str) -> int:
  return len(article)


class Shop:
  @cached(exclude=('self',))
  def price(self, article: str) -> int:
    return len(article)

  @cached
  @staticmethod
  async def double(number: int) -> int:
    return 2 * number


async def misuses_of_decorated(shop: Shop) -> None:
  await load_user('5')  # type: ignore[arg-type]
  await load_user()  # type: ignore[call-arg]
  load_user.key('5')  # type: ignore[arg-type]
  await load_user.invalidate(5, 6)  # type: ignore[call-arg]
  number: int = await load_user(5)  # type: ignore[assignment]
  print(number)
  shop.price(5)  # type: ignore[arg-type]
  shop.price('bread', 5)  # type: ignore[call-arg]
  shop.price.key()  # type: ignore[call-arg]
  await shop.double('5')  # type: ignore[arg-type]
  await Shop.double()  # type: ignore[call-arg]
  shop.double.key(5, 6)  # type: ignore[call-arg]
  load_user.no_such_attribute  # type: ignore[attr-defined]
  cached(ttl='60')  # type: ignore[call-overload]
  cached(exclude=5)  # type: ignore[call-overload]
  cached(name='name')  # type: ignore[call-overload]


def http_misuses() -> None:
  Policy(60)  # type: ignore[call-arg]
  Policy(default_ttl='60')  # type: ignore[arg-type]
  Policy(query='other')  # type: ignore[arg-type]
  Policy(methods=['PUT'])  # type: ignore[list-item]
  Policy(default_tll=60)  # type: ignore[call-arg]
  Policy().query = 'drop'  # type: ignore[misc]
  cache_response(60, 30)  # type: ignore[call-arg]
  cache_response(load_count)  # type: ignore[arg-type]
  no_cache(5)  # type: ignore[type-var]
