# SPDX-License-Identifier: MIT
# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What mypy --strict and pyright must refuse: each line here needs its "ignore". Never run."""

from cachette import Cachette


async def misuses(cache: Cachette) -> None:
  await cache.fetch()  # type: ignore[call-arg]
  await cache.fetch(5)  # type: ignore[arg-type]
  await cache.fetch(b'key')  # type: ignore[arg-type]
  await cache.put('key')  # type: ignore[call-arg]
  await cache.put('key', 'value', '60')  # type: ignore[arg-type]
  await cache.put('key', 'value', time=60)  # type: ignore[call-arg]
  await cache.clear(5)  # type: ignore[arg-type]
  await cache.flush('key')  # type: ignore[call-arg]
  left: str = (await cache.fetch_with_ttl('key'))[0]  # type: ignore[assignment]
  print(left)
  Cachette('key')  # type: ignore[call-arg]
  Cachette.load_config([('ttl', 60)])  # type: ignore[type-var]
  Cachette.register_codec('name', None, bytes)  # type: ignore[arg-type]
  cache.no_such_call()  # type: ignore[attr-defined]
