# SPDX-License-Identifier: MIT
"""Writes that must not overtake the put of a flight.

A flight has sent its put; then another connection, such as that of a thread, clears the key. If the
server ran the clear first, the value would be stored after the clear. So the write waits until the
put is done.

That is rare and short, so the wait polls. The put may run in another loop, which may be closed, or
in another thread, so it cannot be relied on to wake the waiting code.
"""

import threading
import time
from typing import Any, Iterator, List

POLL_INTERVAL = 0.0005  # seconds


def _while_storing(leases: List[Any]) -> Iterator[None]:
  """Yields until the puts are done.

  Each is done within the configured time-out, unless its loop is blocked. Such a put is marked as
  overtaken.
  """
  started = time.monotonic()
  for lease in leases:
    while lease.storing and time.monotonic() - started < float(lease.config.get('timeout')) + 1:
      yield
    lease.overtake()


async def write_after_puts(write: Any, leases: List[Any]) -> Any:
  """Awaits a write after the puts of some leases are done."""
  from asyncio import sleep

  for _ in _while_storing(leases):
    await sleep(POLL_INTERVAL)
  return await write


def wait_for_puts(leases: List[Any]) -> None:
  """Blocks until the puts of some leases are done; the caller writes in this thread.

  A put of an event loop of this thread cannot proceed meanwhile, so it is not waited for. Its
  flight clears the key when it sees that the put was overtaken.
  """
  this_thread = threading.get_ident()
  for lease in leases:
    if lease.thread == this_thread:
      lease.overtake()
  for _ in _while_storing([lease for lease in leases if lease.thread != this_thread]):
    time.sleep(POLL_INTERVAL)
