# SPDX-License-Identifier: MIT
"""Times fetches on a cluster of Redis, and watches it while a primary is lost; see worker.py.

The first argument is the client, one of CLIENTS. ONE is the URL of a server alone, SEVERAL that of
a cluster. A case is a number of tasks, or `watch:SECONDS:KEY:OTHER`, which writes KEY and reads
OTHER.
"""

import asyncio
import os
import resource
import sys
import time
from typing import Any, Awaitable, Callable, Dict, List, NamedTuple
from urllib.parse import urlparse

from worker import serve_cases

VALUE = 'v' * 100
KEYS = [f'user:{number}' for number in range(600)]


class Client(NamedTuple):
  fetch: Callable[[str], Awaitable[Any]]
  put: Callable[[str, str], Awaitable[Any]]


async def open_cachette(url: str) -> Client:
  from cachette import Cachette

  names = {'backend': 'redis', 'redis_url': url, 'codec': 'vanilla', 'ttl': 3600, 'timeout': 10}
  Cachette.load_config(lambda: names)
  cache = Cachette()
  return Client(cache.fetch, cache.put)


async def open_redis_py(url: str) -> Client:
  from redis.asyncio.cluster import ClusterNode, RedisCluster

  hosts = [urlparse(f'//{each}') for each in url.partition('//')[2].split(',')]
  nodes = [ClusterNode(host.hostname, host.port) for host in hosts]
  client = RedisCluster(startup_nodes=nodes, max_connections=1000)
  return Client(client.get, client.set)


CLIENTS = {
  'one node': lambda: open_cachette(os.environ['ONE']),
  'cluster': lambda: open_cachette(os.environ['SEVERAL']),
  'redis-py': lambda: open_redis_py(os.environ['SEVERAL']),
}


async def run(tasks: int, count: int) -> Dict[str, float]:
  """Seconds per fetch of concurrent tasks, each with its own keys in turn. A single task has
  one key, so that it always waits for the same server."""
  client = await CLIENTS[sys.argv[1]]()
  for key in KEYS:
    await client.put(key, VALUE)

  async def work(number: int, count: int) -> None:
    keys = KEYS[number::tasks] if tasks > 1 else KEYS[:1]
    for turn in range(count):
      await client.fetch(keys[turn % len(keys)])

  await asyncio.gather(*(work(number, 20) for number in range(tasks)))  # opens the connections
  user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
  begin = time.perf_counter()
  await asyncio.gather(*(work(number, count // tasks) for number in range(tasks)))
  wall = time.perf_counter() - begin
  done = count // tasks * tasks
  return {
    'seconds': wall / done,
    'user': (resource.getrusage(resource.RUSAGE_SELF).ru_utime - user) / done,
  }


async def watch(seconds: float, key: str, other: str) -> Dict[str, Any]:
  """Writes a key and reads another, again and again. Returns when the writes succeeded, by the
  monotonic clock of the machine, and how many calls failed."""
  client = await CLIENTS[sys.argv[1]]()
  written: List[float] = []
  failed = {'writes': 0, 'reads': 0}
  slowest = 0.0
  end = time.monotonic() + seconds

  async def write() -> None:
    while time.monotonic() < end:
      try:
        await client.put(key, VALUE)
        written.append(time.monotonic())
      except Exception:
        failed['writes'] += 1
      await asyncio.sleep(0.001)

  async def read() -> None:
    nonlocal slowest
    while time.monotonic() < end:
      begin = time.monotonic()
      try:
        await client.fetch(other)
      except Exception:
        failed['reads'] += 1
      slowest = max(slowest, time.monotonic() - begin)
      await asyncio.sleep(0.001)

  await asyncio.gather(*(write() for _ in range(8)), *(read() for _ in range(8)))
  return {'written': sorted(written), 'slowest read': slowest, **failed}


def measure(case: str, quick: bool) -> Dict[str, Any]:
  first, *words = case.split(':')
  if first == 'watch':
    return asyncio.run(watch(float(words[0]), words[1], words[2]))
  tasks = int(first)
  count = max(tasks * 3, 200) if quick else 3000 if tasks == 1 else 20_000
  return asyncio.run(run(tasks, count))


serve_cases(measure)
