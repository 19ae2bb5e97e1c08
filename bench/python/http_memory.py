# SPDX-License-Identifier: MIT
"""Measures the memory that a long stream takes on its way through an application; see worker.py.

The first argument is the application, `plain` or `cachette`. The cases are `fast` and `slow`: the
client takes each part at once, or later. The result is the growth of the process in bytes, at most.
"""

import asyncio
import os
import resource
import sys
from typing import Any, Dict

from http_apps import MAKERS, Message, make_scope, receive
from worker import serve_cases

PART = 64 << 10
PARTS = 16_384  # 1 GiB
QUICK_PARTS = 64
STREAM = [(b'content-type', b'text/plain'), (b'cache-control', b'max-age=3600')]


def resident() -> int:
  """The memory of the process: what it is now, or on other systems than Linux, the most so far."""
  try:
    with open('/proc/self/statm') as file:
      return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
  except OSError:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == 'darwin' else most << 10


async def measure(case: str, parts: int) -> Dict[str, Any]:
  async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send({'type': 'http.response.start', 'status': 200, 'headers': STREAM})
    for number in range(parts):
      part = number.to_bytes(8, 'big') * (PART // 8)
      await send({'type': 'http.response.body', 'body': part, 'more_body': True})
    await send({'type': 'http.response.body', 'body': b'', 'more_body': False})

  most = received = 0

  async def send(message: Message) -> None:
    nonlocal most, received
    received += len(message.get('body', b''))
    most = max(most, resident())
    if case == 'slow':
      await asyncio.sleep(0)

  app = MAKERS[sys.argv[1]](stream)
  parts, wanted = 8, parts  # imports, and the first use of everything
  await app(make_scope(), receive, send)
  parts, received, most = wanted, 0, 0
  before = resident()
  await app(make_scope(path='/long'), receive, send)
  assert received == parts * PART
  return {'bytes': most - before}


serve_cases(lambda case, quick: asyncio.run(measure(case, QUICK_PARTS if quick else PARTS)))
