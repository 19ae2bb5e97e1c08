# SPDX-License-Identifier: MIT
"""One round of timings of a FastAPI GET: a JSON object of seconds per request, on one line.

Two routes that differ in their dependency alone, a `Cachette` from which the value is fetched or an
async function that gives a constant, are called in turns as an ASGI server calls them, without a
network. It runs with whatever package `cachette` stands in the interpreter's environment.
"""

import asyncio
import json
import sys
from statistics import median
from time import perf_counter
from typing import Any, Dict, List, Optional

from cachette import Cachette
from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse

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
  """The body of the answer to a GET."""
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


async def time_path(path: str, requests: int) -> float:
  """Seconds a request."""
  begin = perf_counter()
  for _ in range(requests):
    await get(path)
  return (perf_counter() - begin) / requests


async def main(turns: int, requests: int) -> Dict[str, float]:
  await Cachette().put('one', VALUE)
  paths = {'cached': '/cached/one', 'constant': '/constant/one'}
  taken: Dict[str, List[float]] = {name: [] for name in paths}
  for path in paths.values():  # the first request builds the application's middleware
    assert await get(path) == VALUE.encode(), path
  for _ in range(turns):
    for name, path in paths.items():
      taken[name].append(await time_path(path, requests))
  return {name: median(each) for name, each in taken.items()}


if __name__ == '__main__':
  turns, requests = (2, 10) if '--quick' in sys.argv else (25, 80)
  print(json.dumps(asyncio.run(main(turns, requests))))
