# SPDX-License-Identifier: MIT
"""A proxy between a client and a server that simulates network faults."""

import asyncio
import random
import socket
import struct
import threading
from typing import Any, Awaitable, Callable, Optional, Set

_RESET = struct.pack('ii', 1, 0)  # SO_LINGER enabled with a time of zero: close() sends a reset


class FaultProxy:
  """Forwards bytes in its own thread, with the fault that `fault` currently names.

  None: no fault. 'latency': each chunk is delayed by 5 ms. 'slices': one byte at a time. 'cut':
  closes in the middle of a reply. 'reset': the same with a reset. 'black hole': forwards nothing.
  'garbage': replies are random bytes. 'slow close': like 'cut', but closes after a delay. 'refuse':
  closes new connections at once.
  """

  def __init__(self, host: str, port: int) -> None:
    self.target = (host, port)
    self.fault: Optional[str] = None
    self.port = 0
    self._loop = asyncio.new_event_loop()
    self._tasks: Set[asyncio.Task[None]] = set()
    started = threading.Event()
    self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
    self._thread.start()
    started.wait()

  @property
  def url(self) -> str:
    return f'redis://127.0.0.1:{self.port}'

  def close(self) -> None:
    self._loop.call_soon_threadsafe(self._loop.stop)
    self._thread.join()

  def __enter__(self) -> 'FaultProxy':
    return self

  def __exit__(self, *_: Any) -> None:
    self.close()

  def _run(self, started: threading.Event) -> None:
    asyncio.set_event_loop(self._loop)
    server = self._loop.run_until_complete(asyncio.start_server(self._serve, '127.0.0.1', 0))
    self.port = server.sockets[0].getsockname()[1]
    started.set()
    self._loop.run_forever()
    server.close()
    for task in asyncio.all_tasks(self._loop):
      task.cancel()
    self._loop.run_until_complete(asyncio.sleep(0.01))
    self._loop.close()

  async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
      if self.fault == 'refuse':
        return
      server_reader, server_writer = await asyncio.open_connection(*self.target)
      try:
        requests = self._forward(reader, server_writer, writer, self._send)
        replies = self._forward(server_reader, writer, writer, self._send_with_fault)
        await asyncio.wait(
          [asyncio.ensure_future(requests), asyncio.ensure_future(replies)],
          return_when=asyncio.FIRST_COMPLETED,
        )
      finally:
        server_writer.close()
    except OSError:
      pass
    finally:
      if self.fault == 'slow close':
        await asyncio.sleep(0.05)
      writer.close()

  async def _forward(
    self,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    client: asyncio.StreamWriter,
    send: Callable[[asyncio.StreamWriter, bytes], Awaitable[bool]],
  ) -> None:
    try:
      while True:
        data = await reader.read(65536)
        if self.fault == 'black hole':
          await asyncio.sleep(3600)
        if not data or not await send(writer, data):
          return
    except OSError:
      pass

  async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
    writer.write(data)
    await writer.drain()
    return True

  async def _send_with_fault(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
    """Returns False if the connection must be closed."""
    if self.fault == 'latency':
      await asyncio.sleep(0.005)
    elif self.fault == 'slices':
      for index in range(len(data)):
        writer.write(data[index : index + 1])
        if index % 16 == 0:
          await asyncio.sleep(0)
      return True
    elif self.fault in ('cut', 'reset', 'slow close') and random.random() < 0.05:
      writer.write(data[: random.randrange(len(data))])
      if self.fault == 'reset':
        writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
      return False
    elif self.fault == 'garbage' and random.random() < 0.05:
      writer.write(bytes(random.randrange(256) for _ in range(100)))
      return True
    return await self._send(writer, data)
