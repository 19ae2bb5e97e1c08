# SPDX-License-Identifier: MIT
"""Times fetches and puts on a server or a file; see worker.py.

The first argument is the client, one of CLIENTS. ADDRESS is the URL, host or path of its server. A
case is `tasks[:put][:uvloop]`. The results are seconds of wall-clock time and of user time per
call.
"""

import asyncio
import functools
import os
import resource
import sys
import time
from typing import Any, Awaitable, Callable, Dict, NamedTuple, Optional, Tuple
from urllib.parse import urlparse

from worker import serve_cases

ADDRESS = os.environ['ADDRESS']
KEY, VALUE = 'user:1', 'v' * 100


class Client(NamedTuple):
  """Two calls, each with a fixed key and value."""

  fetch: Callable[[], Awaitable[Any]]
  put: Callable[[], Awaitable[Any]]


async def open_cachette(backend: str, option: str, **settings: Any) -> Client:
  from cachette import Cachette

  names = {'backend': backend, option: ADDRESS, 'codec': 'vanilla', 'ttl': 3600, **settings}
  Cachette.load_config(lambda: names)
  cache = Cachette()
  return Client(lambda: cache.fetch(KEY), lambda: cache.put(KEY, VALUE))


def open_cachette_backend(backend: str, option: str) -> Callable[[], Awaitable[Client]]:
  return functools.partial(open_cachette, backend, option)


async def open_redis_py() -> Client:
  import redis.asyncio

  client = redis.asyncio.Redis.from_url(ADDRESS, max_connections=1000)
  return Client(lambda: client.get(KEY), lambda: client.set(KEY, VALUE))


async def open_glide() -> Client:
  from glide import GlideClient, GlideClientConfiguration, NodeAddress

  address = urlparse(ADDRESS)
  client = await GlideClient.create(
    GlideClientConfiguration([NodeAddress(address.hostname or '', address.port or 6379)])
  )
  return Client(lambda: client.get(KEY), lambda: client.set(KEY, VALUE))


def memcached_address() -> Tuple[str, int]:
  host, _, port = ADDRESS.partition(':')
  return host, int(port)


async def open_aiomcache() -> Client:
  import aiomcache

  client = aiomcache.Client(*memcached_address(), pool_size=64)
  key, value = KEY.encode(), VALUE.encode()
  return Client(lambda: client.get(key), lambda: client.set(key, value))


async def open_emcache() -> Client:
  import emcache

  client = await emcache.create_client([emcache.MemcachedHostAddress(*memcached_address())])
  key, value = KEY.encode(), VALUE.encode()
  return Client(lambda: client.get(key), lambda: client.set(key, value))


async def open_pymemcache() -> Client:
  """One synchronous client, called in the event loop, which blocks until each reply."""
  from pymemcache.client.base import Client as Plain

  client = Plain(memcached_address())

  async def fetch() -> Any:
    return client.get(KEY)

  async def put() -> Any:
    return client.set(KEY, VALUE)

  return Client(fetch, put)


def use_collection(collection: Any) -> Client:
  """Implements a cache with a collection that has an index on its keys."""

  async def fetch() -> Optional[bytes]:
    found = await collection.find_one({'key': KEY})
    return None if found is None or found['expires'] < time.time() else found['value']

  def put() -> Awaitable[Any]:
    entry = {'value': VALUE.encode(), 'expires': int(time.time()) + 3600}
    return collection.update_one({'key': KEY}, {'$set': entry}, upsert=True)

  return Client(fetch, put)


async def open_pymongo() -> Client:
  from pymongo import AsyncMongoClient

  collection = AsyncMongoClient(ADDRESS)['bench']['entries']
  await collection.create_index('key', unique=True)
  return use_collection(collection)


async def open_motor() -> Client:
  from motor.motor_asyncio import AsyncIOMotorClient

  collection = AsyncIOMotorClient(ADDRESS)['bench']['entries']
  await collection.create_index('key', unique=True)
  return use_collection(collection)


async def open_aiobotocore() -> Client:
  from aiobotocore.config import AioConfig
  from aiobotocore.session import get_session

  keys = {'aws_access_key_id': 'id', 'aws_secret_access_key': 'secret'}
  client = await (
    get_session()
    .create_client(
      'dynamodb',
      region_name='us-east-1',
      endpoint_url=ADDRESS,
      config=AioConfig(max_pool_connections=64),
      **keys,
    )
    .__aenter__()
  )

  async def fetch() -> Optional[bytes]:
    found = (await client.get_item(TableName='cachette', Key={'key': {'S': KEY}})).get('Item')
    if found is None or float(found['expires']['N']) < time.time():
      return None
    return found['value']['B']

  def put() -> Awaitable[Any]:
    entry = {'value': {'B': VALUE.encode()}, 'expires': {'N': str(int(time.time()) + 3600)}}
    return client.put_item(TableName='cachette', Item={'key': {'S': KEY}, **entry})

  return Client(fetch, put)


async def open_diskcache() -> Client:
  """Runs in asyncio's default thread pool."""
  from diskcache import Cache

  cache = Cache(ADDRESS + '.diskcache')
  loop = asyncio.get_running_loop()
  return Client(
    lambda: loop.run_in_executor(None, cache.get, KEY),
    lambda: loop.run_in_executor(None, cache.set, KEY, VALUE, 3600),
  )


CLIENTS = {
  'redis': open_cachette_backend('redis', 'redis_url'),
  'redis-py': open_redis_py,
  'valkey-glide': open_glide,
  'memcached': open_cachette_backend('memcached', 'memcached_host'),
  'aiomcache': open_aiomcache,
  'emcache': open_emcache,
  'pymemcache': open_pymemcache,
  'dynamodb': functools.partial(
    open_cachette,
    'dynamodb',
    'dynamodb_url',
    aws_access_key_id='id',
    aws_secret_access_key='secret',
    timeout=10,
  ),
  'aiobotocore': open_aiobotocore,
  'mongodb': open_cachette_backend('mongodb', 'mongodb_url'),
  'pymongo': open_pymongo,
  'motor': open_motor,
  'file': open_cachette_backend('file', 'pickle_path'),
  'diskcache': open_diskcache,
}


async def run(client: str, put: bool, tasks: int, count: int) -> Dict[str, float]:
  """Seconds per call of concurrent tasks that each make one call after another."""
  calls = await CLIENTS[client]()
  await calls.put()
  call = calls.put if put else calls.fetch

  async def work(count: int) -> None:
    for _ in range(count):
      await call()

  await asyncio.gather(*(work(20) for _ in range(tasks)))  # opens the connections
  user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
  begin = time.perf_counter()
  await asyncio.gather(*(work(count // tasks) for _ in range(tasks)))
  wall = time.perf_counter() - begin
  done = count // tasks * tasks
  return {
    'seconds': wall / done,
    'user': (resource.getrusage(resource.RUSAGE_SELF).ru_utime - user) / done,
  }


def time_case(case: str, quick: bool) -> Dict[str, float]:
  tasks, *words = case.split(':')
  count = max(int(tasks), 200) if quick else 3000 if tasks == '1' else 12_000
  main = run(sys.argv[1], 'put' in words, int(tasks), count)
  if 'uvloop' in words:
    import uvloop

    return uvloop.run(main)
  return asyncio.run(main)


serve_cases(time_case)
