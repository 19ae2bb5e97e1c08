# SPDX-License-Identifier: MIT
"""Times fetches from a Redis server by one client, one case at a time; see worker.py.

The client is the first argument: cachette, redis-py or valkey-glide; REDIS_URL names the server.
A case is `tasks[:uvloop]`; what is given back are seconds of wall-clock and of user time per fetch.
"""

import asyncio
import os
import sys
import time
from typing import Any, Awaitable, Callable, Dict
from urllib.parse import urlparse

from worker import serve_cases

URL = os.environ['REDIS_URL']
VALUE = 'v' * 100


async def open_cachette() -> Callable[[], Awaitable[Any]]:
  from cachette import Cachette

  Cachette.load_config(lambda: {'backend': 'redis', 'redis_url': URL, 'ttl': 3600})
  cache = Cachette()
  await cache.put('user:1', VALUE)
  return lambda: cache.fetch('user:1')


async def open_redis_py() -> Callable[[], Awaitable[Any]]:
  import redis.asyncio

  client = redis.asyncio.Redis.from_url(URL, max_connections=1000)
  await client.set('user:1', VALUE)
  return lambda: client.get('user:1')


async def open_glide() -> Callable[[], Awaitable[Any]]:
  from glide import GlideClient, GlideClientConfiguration, NodeAddress

  address = urlparse(URL)
  client = await GlideClient.create(
    GlideClientConfiguration([NodeAddress(address.hostname or '', address.port or 6379)])
  )
  await client.set('user:1', VALUE)
  return lambda: client.get('user:1')


CLIENTS = {'cachette': open_cachette, 'redis-py': open_redis_py, 'valkey-glide': open_glide}


async def run(client: str, tasks: int, count: int) -> Dict[str, float]:
  """Seconds of each fetch, when so many tasks fetch one after another."""
  fetch = await CLIENTS[client]()
  await fetch()

  async def work() -> None:
    for _ in range(count // tasks):
      await fetch()

  await asyncio.gather(*(work() for _ in range(tasks)))  # connections are made here
  user = os.times().user
  begin = time.perf_counter()
  await asyncio.gather(*(work() for _ in range(tasks)))
  wall = time.perf_counter() - begin
  return {
    'seconds': wall / (count // tasks * tasks),
    'user': (os.times().user - user) / (count // tasks * tasks),
  }


def time_case(case: str, quick: bool) -> Dict[str, float]:
  tasks, _, loop = case.partition(':')
  count = max(int(tasks), 200) if quick else 3000 if tasks == '1' else 12_000
  main = run(sys.argv[1], int(tasks), count)
  if loop == 'uvloop':
    import uvloop

    return uvloop.run(main)
  return asyncio.run(main)


serve_cases(time_case)
