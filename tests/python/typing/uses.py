# SPDX-License-Identifier: MIT
"""What mypy --strict and pyright must accept, and which types they must see. Never run."""

import asyncio
from dataclasses import dataclass
from typing import Any, Awaitable, Coroutine, Dict, List, Mapping, Optional, Tuple, Type

import cachette
from cachette import (
  BackendError,
  BackendTimeout,
  BackendUnavailable,
  Cachette,
  CachetteError,
  CodecError,
  ConfigError,
)
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
  assert_type(await cache.clear('namespace'), int)
  assert_type(await cache.clear(namespace='namespace'), int)
  assert_type(await cache.clear(key='key'), int)
  assert_type(await cache.clear(), int)
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
  except ConfigError as error:
    as_value: ValueError = error
    print(as_value)
