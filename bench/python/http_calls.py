# SPDX-License-Identifier: MIT
"""Times an ASGI application behind a cache, called without a server; see worker.py.

The first argument is the application, one of MAKERS in http_apps.py. The cases are `hit`, and the
requests and responses of PASSED, which caches only pass on. The result is seconds per call.

  http_calls.py APPLICATION --run CASE COUNT   only makes calls, for a profiler
"""

import asyncio
import sys
from statistics import median
from time import perf_counter
from typing import Any, Callable, Dict

import http_apps
from http_apps import MAKERS, STORED, UNSTORED, App, hello, make_scope, receive, send
from worker import SECONDS, serve_cases

CHUNK = 10  # calls that are timed together

SCOPES: Dict[str, Callable[[], Any]] = {
  'hit': make_scope,
  'options': lambda: make_scope('OPTIONS'),
  'post': lambda: make_scope('POST', fields=[(b'content-length', b'0')]),
  'no-store': lambda: make_scope(fields=[(b'cache-control', b'no-store')]),
  'cookie': lambda: make_scope(path='/cookie', fields=[(b'cookie', b'session=1')]),
  'unstored': lambda: make_scope(path='/unstored'),  # the response has no-store
}


def open_apps() -> Dict[str, App]:
  make = MAKERS[sys.argv[1]]
  stored = make(hello(STORED))
  apps = {case: stored for case in SCOPES}
  if sys.argv[1] in ('plain', 'cachette'):
    apps['unstored'] = make(hello(UNSTORED))
  return apps


async def fill(app: App, case: str) -> None:
  """Lets the cache store the response, and checks that it has."""
  for _ in range(2):
    await app(SCOPES[case](), receive, send)
    await asyncio.sleep(0.05)  # some store in the background
  before = http_apps.runs
  await app(SCOPES[case](), receive, send)
  is_hit = http_apps.runs == before
  assert is_hit == (case == 'hit' and sys.argv[1] not in ('plain', 'fastapi')), 'no hit'


async def time_calls(app: App, case: str) -> float:
  """Returns the median of chunks. The scopes are made in time that is not measured."""
  scope_of = SCOPES[case]
  await app(scope_of(), receive, send)
  taken = []
  first = end = perf_counter()
  while end - first < SECONDS:
    scopes = [scope_of() for _ in range(CHUNK)]
    start = perf_counter()
    for scope in scopes:
      await app(scope, receive, send)
    end = perf_counter()
    taken.append((end - start) / CHUNK)
  return median(taken)


async def run(app: App, case: str, count: int) -> None:
  scope_of = SCOPES[case]
  for _ in range(count):
    await app(scope_of(), receive, send)


def main() -> None:
  loop = asyncio.new_event_loop()
  apps = open_apps()
  filled = set()

  def ready(case: str) -> App:
    if case not in filled:
      loop.run_until_complete(fill(apps[case], case))
      filled.add(case)
    return apps[case]

  if sys.argv[2:3] == ['--run']:
    case, count = sys.argv[3], int(sys.argv[4])
    loop.run_until_complete(run(ready(case), case, count))
  else:
    serve_cases(
      lambda case, quick: {'seconds': loop.run_until_complete(time_calls(ready(case), case))}
    )
  close: Any = getattr(apps['hit'], 'aclose', None)  # hishel's thread keeps the process alive
  if close is not None:
    loop.run_until_complete(close())
  loop.close()


if __name__ == '__main__':
  main()
