# SPDX-License-Identifier: MIT
"""Writes that must not overtake the put of a flight.

A flight has put its value, which is on the wire; then somebody clears the key over another
connection, of a thread say. Carried out in the wrong order, the value would stand there after the
clear. So the write waits until the put has been answered.

That is rare and short, so it looks every now and then: what puts may run in another loop, which may
be closed, or in another thread, so there is nobody who could be relied on to wake it up.
"""

import threading
import time
from typing import Any, Iterator, List

PAUSE = 0.0005  # seconds between two looks


def _while_storing(stores: List[Any]) -> Iterator[None]:
  """Yields until the puts are over.

  All are within the configured time, unless the loop that puts is stuck; such a put is overtaken.
  """
  begun = time.monotonic()
  for lease in stores:
    while lease.storing and time.monotonic() - begun < float(lease.config.get('timeout')) + 1:
      yield
    lease.overtake()


async def behind(write: Any, stores: List[Any]) -> Any:
  """Awaits a write when the puts of some leases are over."""
  from asyncio import sleep

  for _ in _while_storing(stores):
    await sleep(PAUSE)
  return await write


def behind_now(stores: List[Any]) -> None:
  """Waits for the puts of some leases, in the thread that is going to write.

  A put of a loop of this thread cannot go on while it waits, and so is not waited for; its flight
  clears the key when it finds that it was overtaken.
  """
  me = threading.get_ident()
  for lease in stores:
    if lease.thread == me:
      lease.overtake()
  for _ in _while_storing([lease for lease in stores if lease.thread != me]):
    time.sleep(PAUSE)
