# SPDX-License-Identifier: MIT
"""Times a FastAPI GET, one case at a time, in seconds per request; see worker.py.

Two routes differ only in their dependency: a `Cachette` from which the value is fetched, or an
async function that returns a constant. They are called like an ASGI server does, without a network.
The `cachette` package is that of the interpreter's environment.
"""

import asyncio
from typing import Any, Dict, Optional

from cachette import Cachette
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from worker import serve, time_chunks

CHUNK = 10  # requests in a chunk

VALUE = 'v' * 100

app = FastAPI()


@Cachette.load_config
def get_cachette_config():
  return [('backend', 'inmemory'), ('ttl', 3600)]


async def get_constant() -> str:
  return VALUE


@app.get('/cached/{key}', response_class=PlainTextResponse)
async def cached(key: str, cachette: Cachette = Depends()) -> Optional[str]:
  return await cachette.fetch(key)


@app.get('/constant/{key}', response_class=PlainTextResponse)
async def constant(key: str, value: str = Depends(get_constant)) -> Optional[str]:
  return value


async def receive() -> Dict[str, Any]:
  return {'type': 'http.request', 'body': b'', 'more_body': False}


async def get(path: str) -> bytes:
  """The response body of a GET."""
  scope = {
    'type': 'http',
    'asgi': {'version': '3.0'},
    'http_version': '1.1',
    'method': 'GET',
    'scheme': 'http',
    'path': path,
    'raw_path': path.encode(),
    'query_string': b'',
    'root_path': '',
    'headers': [(b'host', b'127.0.0.1')],
    'client': ('127.0.0.1', 40000),
    'server': ('127.0.0.1', 8000),
  }
  body = b''

  async def send(message: Dict[str, Any]) -> None:
    nonlocal body
    body += message.get('body', b'')

  await app(scope, receive, send)
  return body


async def fill() -> None:
  await Cachette().put('one', VALUE)


async def time_case(path: str) -> float:
  """Seconds per request. The first request builds the application's middleware, and is not
  timed."""

  async def chunk() -> None:
    for _ in range(CHUNK):
      await get(path)

  assert await get(path) == VALUE.encode()
  return await time_chunks(chunk) / CHUNK


def main() -> None:
  paths = {'cached': '/cached/one', 'constant': '/constant/one'}
  loop = asyncio.new_event_loop()
  loop.run_until_complete(fill())
  serve(lambda case: loop.run_until_complete(time_case(paths[case])))
  loop.run_until_complete(loop.shutdown_default_executor())
  loop.close()


if __name__ == '__main__':
  main()
