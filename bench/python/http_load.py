# SPDX-License-Identifier: MIT
"""Sends GETs over 8 connections, and prints how many were answered. It stands in for wrk.

http_load.py PORT SECONDS
"""

import asyncio
import re
import sys
from typing import cast

CONNECTIONS = 8
REQUEST = b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'


class Client(asyncio.Protocol):
  """One connection: the next request is sent when the response to the last one is complete."""

  def __init__(self) -> None:
    self.answered = 0
    self.received = b''

  def connection_made(self, transport: asyncio.BaseTransport) -> None:
    self.transport = cast(asyncio.Transport, transport)
    self.transport.write(REQUEST)

  def data_received(self, data: bytes) -> None:
    self.received += data
    head, _, body = self.received.partition(b'\r\n\r\n')
    if len(head) == len(self.received):
      return
    size = re.search(rb'(?i)\r\ncontent-length: *(\d+)', head)
    if size is None or not head.startswith(b'HTTP/1.1 200 '):
      sys.exit(f'http_load: {head!r}')
    if len(body) < int(size[1]):
      return
    self.received = b''
    self.answered += 1
    self.transport.write(REQUEST)


async def main(port: int, seconds: float) -> None:
  loop = asyncio.get_running_loop()
  clients = [
    (await loop.create_connection(Client, '127.0.0.1', port))[1] for _ in range(CONNECTIONS)
  ]
  await asyncio.sleep(seconds)
  print(sum(client.answered for client in clients))


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
