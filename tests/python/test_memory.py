# SPDX-License-Identifier: MIT
"""The in-memory backend stays within its limit."""

import asyncio

import pytest
from cachette import BackendError, Cachette
from conftest import linux_only, run_python


@linux_only
def test_a_hundred_megabytes_through_a_limit_of_eight_do_not_grow_the_process() -> None:
  printed = run_python(
    """
    import asyncio
    from cachette import Cachette

    Cachette.load_config(lambda: {'memory_limit': '8M', 'ttl': 3600})
    cachette = Cachette()
    hot = [f'hot:{i}' for i in range(100)]

    def resident():
      with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096

    async def main():
      await cachette.put('first', 'x' * 10_000)
      before = resident()
      for key in hot:
        await cachette.put(key, key * 20)
      most = 0
      for i in range(10_000):
        await cachette.put(f'new:{i}', f'{i:05}' * 2_000)
        if i % 10 == 0:
          for key in hot:
            assert i < 100 or await cachette.fetch(key) == key * 20, (i, key)
        if i % 1_000 == 999:
          most = max(most, resident() - before)
      assert await cachette.fetch('new:9999') == '09999' * 2_000
      print(most)

    asyncio.run(main())
    """
  )
  assert int(printed) <= 8.5 * 2**20


def test_a_value_above_a_quarter_of_the_limit_is_an_error_and_removes_the_old_one() -> None:
  class Small(Cachette):
    pass

  Small.load_config(lambda: {'memory_limit': '1M'})

  async def main() -> None:
    await Small().put('key', 'old')
    with pytest.raises(BackendError, match='a quarter of "memory_limit"'):
      await Small().put('key', 'x' * (2**18 + 1))
    assert await Small().fetch('key') is None
    await Small().put('key', 'x' * 2**18)
    assert await Small().fetch('key') == 'x' * 2**18

  asyncio.run(main())
