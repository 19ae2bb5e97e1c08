# SPDX-License-Identifier: MIT
"""Times fetching a hundred keys from a Redis server, in seconds; see worker.py.

The first argument is the client: cachette or redis-py. REDIS_URL is the server. The cases are
`many` (fetch_many, or MGET) and, for cachette, `each` (one awaited fetch after another).
"""

import asyncio
import os
import sys
from typing import Any, Awaitable, Callable, Dict

from worker import serve, time_chunks

URL = os.environ['REDIS_URL']
VALUE = 'v' * 100
KEYS = [f'many:{number}' for number in range(100)]


async def open_cachette() -> Dict[str, Callable[[], Awaitable[Any]]]:
  from cachette import Cachette

  Cachette.load_config(lambda: {'backend': 'redis', 'redis_url': URL, 'ttl': 3600})
  cache = Cachette()
  await cache.put_many(dict.fromkeys(KEYS, VALUE))

  async def each() -> None:
    for key in KEYS:
      await cache.fetch(key)

  return {'many': lambda: cache.fetch_many(KEYS), 'each': each}


async def open_redis_py() -> Dict[str, Callable[[], Awaitable[Any]]]:
  import redis.asyncio

  client = redis.asyncio.Redis.from_url(URL, decode_responses=True)
  await client.mset(dict.fromkeys(KEYS, VALUE))

  async def many() -> Dict[str, Any]:
    return dict(zip(KEYS, await client.mget(KEYS)))

  return {'many': many}


CLIENTS = {'cachette': open_cachette, 'redis-py': open_redis_py}


async def time_case(case: str) -> float:
  call = (await CLIENTS[sys.argv[1]]())[case]
  await call()
  return await time_chunks(call)


serve(lambda case: asyncio.run(time_case(case)))
