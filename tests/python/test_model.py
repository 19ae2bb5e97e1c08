# SPDX-License-Identifier: MIT
"""Random calls change a cache exactly like a dictionary."""

import asyncio
import random
from typing import Any, Dict, List, Tuple

import pytest
from conftest import MakeClass

OPERATIONS = 20_000
ROUND_TRIPS = 5_000  # where each call goes to a server or a file

NAMESPACES = ['', 'a:', 'b:', 'a:b:', 'ab:', 'ü:']


def choose_key(rng: random.Random) -> str:
  return rng.choice(NAMESPACES) + str(rng.randrange(1, 40))


def choose_value(rng: random.Random) -> str:
  return chr(rng.choice([97, 252, 37749, 128477])) * rng.choice([0, 1, 5, 100, 600, 2048, 3000])


async def compare(cache: Any, rng: random.Random, operations: int) -> None:
  model: Dict[str, Tuple[int, str]] = {}
  history: List[Any] = []
  for _ in range(operations):
    key = choose_key(rng)
    verb = rng.choices(
      ['put', 'fetch', 'fetch_with_ttl', 'clear', 'namespace', 'flush', 'expired', 'many'],
      [40, 30, 10, 10, 2, 0.1, 0.5, 1],
    )[0]
    history = [*history[-20:], (verb, key)]
    result: Any = None
    expected: Any = None
    if verb == 'put':
      value, ttl = choose_value(rng), rng.choice([None, 1000, 2500.5, 10**6])
      result = await cache.put(key, value, ttl)
      model[key] = (60 if ttl is None else int(ttl + 0.5), value)
    elif verb == 'fetch':
      result, expected = await cache.fetch(key, 'none'), model.get(key, (0, 'none'))[1]
    elif verb == 'fetch_with_ttl':
      left, value = await cache.fetch_with_ttl(key)
      max_size, expected = model.get(key, (-1, None))
      result = value if max_size - 20 <= left <= max_size else (left, max_size)
    elif verb == 'clear':
      result, expected = await cache.clear(key=key), int(model.pop(key, None) is not None)
    elif verb == 'namespace':
      namespace = rng.choice(['a', 'b', 'a:b', 'ab', 'ü', 'none'])
      gone = [each for each in model if each.startswith(namespace + ':')]
      result, expected = await cache.clear(namespace), len(gone)
      for each in gone:
        del model[each]
    elif verb == 'flush':
      result, expected = await cache.flush(), len(model)
      model.clear()
    elif verb == 'expired':
      result, expected = await cache.flush_expired(), 0
    else:
      keys = [choose_key(rng) for _ in range(10)]
      result = await asyncio.gather(*(cache.fetch(each) for each in keys))
      expected = [model.get(each, (0, None))[1] for each in keys]
    assert result == expected, history
  assert await cache.flush() == len(model)


@pytest.mark.parametrize('codec', ['vanilla', 'json', 'pickle'])
@pytest.mark.parametrize('seed', [1, 2])
def test_random_calls_agree_with_a_dictionary(
  backend: Dict[str, Any], make_class: MakeClass, codec: str, seed: int
) -> None:
  operations = OPERATIONS if backend['backend'] == 'inmemory' else ROUND_TRIPS
  asyncio.run(compare(make_class(codec=codec)(), random.Random(seed), operations))


def test_interleaved_tasks_agree_with_a_dictionary_each(make_class: MakeClass) -> None:
  """Each task has its own keys, and their results never mix."""

  async def work(cache: Any, number: int) -> None:
    rng = random.Random(number)
    model: Dict[str, str] = {}
    for _ in range(300):
      key = f'{number}:{rng.randrange(20)}'
      if rng.random() < 0.5:
        model[key] = choose_value(rng)
        await cache.put(key, model[key])
      else:
        assert await cache.fetch(key) == model.get(key)
      await asyncio.sleep(0)
    assert await cache.clear(str(number)) == len(model)

  async def main() -> None:
    cache = make_class()()
    await asyncio.gather(*(work(cache, number) for number in range(32)))
    assert await cache.flush() == 0

  asyncio.run(main())
