# SPDX-License-Identifier: MIT
"""Times 64 tasks on a Redis server: `fetch`, and hits of the middleware; see worker.py.

ADDRESS is the server's URL. The value of `fetch` has the size of the record. The results are
seconds of wall-clock time and of user time per call.
"""

import asyncio
import resource
from time import perf_counter
from typing import Any, Awaitable, Callable, Dict

import http_apps
from http_apps import STORED, hello, make_scope, receive, send, with_cachette
from worker import serve_cases

TASKS = 64
VALUE = b'v' * 512
SPAN = 12_000  # calls that are timed

Work = Callable[[int], Awaitable[None]]


async def open_fetch() -> Work:
  from cachette import Cachette

  http_apps.configure()
  cache = Cachette()
  await cache.put('user:1', VALUE)

  async def work(count: int) -> None:
    for _ in range(count):
      await cache.fetch('user:1')

  return work


async def open_hits() -> Work:
  app = with_cachette(hello(STORED))
  await app(make_scope(), receive, send)
  before = http_apps.runs

  async def work(count: int) -> None:
    scope = make_scope()  # a hit does not change it
    for _ in range(count):
      await app(scope, receive, send)
    assert http_apps.runs == before, 'no hit'

  return work


OPENERS: Dict[str, Callable[[], Awaitable[Work]]] = {'fetch': open_fetch, 'hit': open_hits}


async def run(case: str, count: int) -> Dict[str, Any]:
  work = await OPENERS[case]()
  await asyncio.gather(*(work(20) for _ in range(TASKS)))
  user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
  begin = perf_counter()
  await asyncio.gather(*(work(count // TASKS) for _ in range(TASKS)))
  wall = perf_counter() - begin
  done = count // TASKS * TASKS
  user = resource.getrusage(resource.RUSAGE_SELF).ru_utime - user
  return {'seconds': wall / done, 'user': user / done}


serve_cases(lambda case, quick: asyncio.run(run(case, 640 if quick else SPAN)))
