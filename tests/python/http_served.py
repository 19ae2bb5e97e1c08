# SPDX-License-Identifier: MIT
"""What the tests of the HTTP cache serve.

CACHETTE_SERVED_URL is the Redis server of the cache, and CACHETTE_SERVED_PREFIX its key prefix.
Without them the cache is in memory.
CACHETTE_SERVED_BUDGET is how long a fetch may take, in seconds.
"""

import asyncio
import json
import os
from collections import Counter
from typing import Any, AsyncIterator, Dict, Tuple

from cachette import Cachette
from cachette.http import CacheMiddleware, Policy, cache_response, purge_app

PARTS = 20  # of a stream
FRESH = {'Cache-Control': 'max-age=60'}

runs: 'Counter[str]' = Counter()
is_failing = False


@Cachette.load_config
def get_cachette_config() -> Dict[str, Any]:
  if 'CACHETTE_SERVED_URL' not in os.environ:
    return {}
  prefix = os.environ['CACHETTE_SERVED_PREFIX']
  return {
    'backend': 'redis',
    'redis_url': os.environ['CACHETTE_SERVED_URL'],
    'key_prefix': prefix,
  }


def count(path: str) -> str:
  runs[path] += 1
  if is_failing:
    raise RuntimeError('the shop is closed')
  return f'{path} {runs[path]}'


@cache_response(60, swr=600)
async def refreshed(path: str) -> str:
  return count(path)


@cache_response(60, sie=600)
async def failing(path: str) -> str:
  return count(path)


@cache_response(60, tags=['items'])
async def item(path: str) -> str:
  return count(path)


@cache_response(60)
async def slow(path: str) -> str:
  text = count(path)
  await asyncio.sleep(0.5)
  return text


@cache_response(60)
async def large(path: str) -> str:
  return count(path) + 'x' * 300_000


async def changed(path: str) -> str:
  global is_failing
  if path in ('/close', '/open'):
    is_failing = path == '/close'
  return 'OK'


async def shown(path: str) -> str:
  return json.dumps(runs)


HANDLERS = {
  'refreshed': refreshed,
  'failing': failing,
  'items': item,
  'slow': slow,
  'large': large,
  'runs': shown,
}

# Responses that are this old when they come, so that they are stale at once.
AGES = {'refreshed': 100, 'failing': 100}


@cache_response(60)
async def begin_stream(path: str) -> None:
  count(path)


async def parts(pause: float) -> AsyncIterator[bytes]:
  for number in range(PARTS):
    yield b'part %02d\n' % number
    await asyncio.sleep(pause)


async def send_stream(send: Any, path: str) -> None:
  await begin_stream(path)
  headers = [(b'content-type', b'text/plain')]
  if 'announced' in path:
    headers.append((b'content-length', b'%d' % (PARTS * len(b'part 00\n'))))
  await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
  async for part in parts(0.02):
    await send({'type': 'http.response.body', 'body': part, 'more_body': True})
  await send({'type': 'http.response.body', 'body': b'', 'more_body': False})


purges = purge_app(lambda scope: (b'authorization', b'Bearer secret') in scope['headers'])


async def shop(scope: Any, receive: Any, send: Any) -> None:
  if scope['type'] == 'lifespan':
    for name in ('startup', 'shutdown'):
      await receive()
      await send({'type': f'lifespan.{name}.complete'})
    return
  path = scope['path']
  if path == '/purge':
    await purges(scope, receive, send)
  elif path.startswith('/stream'):
    await send_stream(send, path)
  else:
    kind = path.split('/')[1]
    handler = changed if scope['method'] == 'POST' else HANDLERS[kind]
    while (await receive()).get('more_body', False):
      pass  # Hypercorn closes the connection if the body was not read
    await send_text(send, await handler(path), AGES.get(kind, 0))


async def send_text(send: Any, text: str, age: int) -> None:
  headers: Tuple[Tuple[bytes, bytes], ...] = (
    (b'content-type', b'text/plain'),
    (b'content-length', b'%d' % len(text)),
  )
  if age:
    headers = (*headers, (b'age', b'%d' % age))
  await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
  await send({'type': 'http.response.body', 'body': text.encode()})


# A machine under load may need longer than the 50 ms that a store usually has.
BUDGET = float(os.environ.get('CACHETTE_SERVED_BUDGET', 10))

app = CacheMiddleware(shop, policy=Policy(store_timeout=BUDGET))
