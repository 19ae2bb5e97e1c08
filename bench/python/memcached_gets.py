# SPDX-License-Identifier: MIT
"""Times fetches from a memcached by one client, one case at a time; see worker.py.

The client is the first argument: cachette, aiomcache, emcache or pymemcache; MEMCACHED_HOST
names the server.
A case is `tasks[:uvloop]`; what is given back are seconds of wall-clock and of user time per fetch.
"""

import asyncio
import os
import sys
import time
from typing import Any, Awaitable, Callable, Dict, Tuple

from worker import serve_cases

HOST = os.environ['MEMCACHED_HOST']
VALUE = 'v' * 100


async def open_cachette() -> Callable[[], Awaitable[Any]]:
  from cachette import Cachette

  Cachette.load_config(lambda: {'backend': 'memcached', 'memcached_host': HOST, 'ttl': 3600})
  cache = Cachette()
  await cache.put('user:1', VALUE)
  return lambda: cache.fetch('user:1')


async def open_aiomcache() -> Callable[[], Awaitable[Any]]:
  import aiomcache

  client = aiomcache.Client(*address(), pool_size=64)
  await client.set(b'user:1', VALUE.encode())
  return lambda: client.get(b'user:1')


async def open_emcache() -> Callable[[], Awaitable[Any]]:
  import emcache

  client = await emcache.create_client([emcache.MemcachedHostAddress(*address())])
  await client.set(b'user:1', VALUE.encode())
  return lambda: client.get(b'user:1')


async def open_pymemcache() -> Callable[[], Awaitable[Any]]:
  """One client, called in the event loop itself, which waits for each answer."""
  from pymemcache.client.base import Client

  client = Client(address())
  client.set('user:1', VALUE)

  async def fetch() -> Any:
    return client.get('user:1')

  return fetch


def address() -> Tuple[str, int]:
  host, _, port = HOST.partition(':')
  return host, int(port)


CLIENTS = {
  'cachette': open_cachette,
  'aiomcache': open_aiomcache,
  'emcache': open_emcache,
  'pymemcache': open_pymemcache,
}


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
