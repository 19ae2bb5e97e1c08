# SPDX-License-Identifier: MIT
"""A configuration endpoint as Amazon ElastiCache has it, in front of a memcached."""

import asyncio
import struct
import threading
from typing import Any, List, Optional, Set

CONFIG_GET = 0x60  # the command in the binary protocol


class MemcachedFront:
  """Answers `config get cluster`, and passes all else to the memcached on the port `target`. Serves
  in its own thread.

  servers: what it announces, as name|address|port. raw: sent instead, in the text protocol; then it
  hangs up. delay: seconds before each answer.
  """

  def __init__(self, target: int) -> None:
    self.target = target
    self.version = 1
    self.servers: List[str] = []
    self.raw: Optional[bytes] = None
    self.delay = 0.0
    self.asked = 0
    self.port = 0
    self._open: Set[asyncio.StreamWriter] = set()
    # Before Python 3.12 nothing else references the tasks.
    self._tasks: Set[Any] = set()
    self._thread: Optional[threading.Thread] = None
    self.start()

  @property
  def host(self) -> str:
    return f'127.0.0.1:{self.port}'

  def announce(self, version: int, *servers: str) -> None:
    self.version, self.servers, self.raw = version, list(servers), None

  def close_sessions(self) -> None:
    """Closes all connections, like a network that has failed for a moment."""
    self._loop.call_soon_threadsafe(lambda: [writer.close() for writer in self._open])

  def start(self) -> None:
    """Starts, on the same port if it was started before."""
    started = threading.Event()
    self._loop = asyncio.new_event_loop()
    self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
    self._thread.start()
    started.wait()

  def stop(self) -> None:
    """Refuses connections from now on."""
    if self._thread is not None:
      self._loop.call_soon_threadsafe(self._loop.stop)
      self._thread.join()
      self._thread = None

  def __enter__(self) -> 'MemcachedFront':
    return self

  def __exit__(self, *_: Any) -> None:
    self.stop()

  def _run(self, started: threading.Event) -> None:
    asyncio.set_event_loop(self._loop)
    server = self._loop.run_until_complete(
      asyncio.start_server(self._serve, '127.0.0.1', self.port, reuse_address=True)
    )
    self.port = server.sockets[0].getsockname()[1]
    started.set()
    self._loop.run_forever()
    server.close()
    for task in asyncio.all_tasks(self._loop):
      task.cancel()
    self._loop.run_until_complete(asyncio.sleep(0.01))
    self._loop.close()

  async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    self._open.add(writer)
    self._tasks.add(asyncio.current_task())
    upstream: Optional[asyncio.StreamWriter] = None
    try:
      replies, upstream = await asyncio.open_connection('127.0.0.1', self.target)
      self._tasks.add(asyncio.ensure_future(copy(replies, writer)))
      first = await reader.readexactly(1)
      read = read_frame if first == b'\x80' else read_line
      while True:
        command = await read(first, reader)
        first = b''
        if not is_config_get(command):
          upstream.write(command)
        elif not await self._answer(writer, is_binary=command[:1] == b'\x80'):
          return
    except (OSError, EOFError, asyncio.CancelledError):
      pass
    finally:
      self._open.discard(writer)
      self._tasks.discard(asyncio.current_task())
      writer.close()
      if upstream is not None:
        upstream.close()

  async def _answer(self, writer: asyncio.StreamWriter, is_binary: bool) -> bool:
    """Returns false to hang up."""
    self.asked += 1
    await asyncio.sleep(self.delay)
    value = f'{self.version}\n{" ".join(self.servers)}\n'.encode()
    if is_binary:
      head = struct.pack('>BBHBBHIIQ', 0x81, CONFIG_GET, 0, 4, 0, 0, 4 + len(value), 0, 0)
      writer.write(head + bytes(4) + value)
    else:
      full = b'CONFIG cluster 0 %d\r\n%s\r\nEND\r\n' % (len(value), value)
      writer.write(full if self.raw is None else self.raw)
    await writer.drain()
    return self.raw is None


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
  try:
    while data := await source.read(65536):
      sink.write(data)
      await sink.drain()
  except (OSError, asyncio.CancelledError):
    pass
  finally:
    sink.close()


async def read_line(first: bytes, reader: asyncio.StreamReader) -> bytes:
  return first + await reader.readuntil(b'\n')


async def read_frame(first: bytes, reader: asyncio.StreamReader) -> bytes:
  head = first + await reader.readexactly(24 - len(first))
  return head + await reader.readexactly(int.from_bytes(head[8:12], 'big'))


def is_config_get(command: bytes) -> bool:
  if command[:1] == b'\x80':
    return command[1] == CONFIG_GET and command[24:] == b'cluster'
  return command.rstrip() == b'config get cluster'
