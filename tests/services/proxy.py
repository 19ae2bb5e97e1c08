# SPDX-License-Identifier: MIT
"""A proxy between a client and a server that does what networks do on a bad day."""

import asyncio
import random
import socket
import struct
import threading
from typing import Any, Awaitable, Callable, Optional, Set

_RESET = struct.pack('ii', 1, 0)  # SO_LINGER: on, and no time, which makes close() a reset


class FaultProxy:
  """Passes bytes on, in a thread of its own, with the fault that `fault` names at the moment.

  None: none. 'latency': each piece waits for 5 ms. 'slices': one byte at a time. 'cut': ends in the
  middle of a reply. 'reset': so, with a reset. 'black hole': nothing passes any more. 'garbage':
  what comes back is no reply. 'slow close': ends in the middle too, but lingers. 'refuse': new
  connections are ended.
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
      back_reader, back_writer = await asyncio.open_connection(*self.target)
      try:
        forth = self._pass(reader, back_writer, writer, self._send_plainly)
        back = self._pass(back_reader, writer, writer, self._send_faultily)
        await asyncio.wait(
          [asyncio.ensure_future(forth), asyncio.ensure_future(back)],
          return_when=asyncio.FIRST_COMPLETED,
        )
      finally:
        back_writer.close()
    except OSError:
      pass
    finally:
      if self.fault == 'slow close':
        await asyncio.sleep(0.05)
      writer.close()

  async def _pass(
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

  async def _send_plainly(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
    writer.write(data)
    await writer.drain()
    return True

  async def _send_faultily(self, writer: asyncio.StreamWriter, data: bytes) -> bool:
    """False: the connection ends here."""
    if self.fault == 'latency':
      await asyncio.sleep(0.005)
    elif self.fault == 'slices':
      for place in range(len(data)):
        writer.write(data[place : place + 1])
        if place % 16 == 0:
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
    return await self._send_plainly(writer, data)
