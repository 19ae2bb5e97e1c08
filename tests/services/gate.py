# SPDX-License-Identifier: MIT
"""A proxy between a client and a server that holds one request or one reply until it is let go."""

import contextlib
import re
import socket
import threading
from typing import Any, List, Optional


class Gate:
  """Passes bytes on, in threads of its own.

  hold_request: a pattern; the bytes of a connection that match it, and all that follow there, wait.
  hold_reply: the same for what comes back on the connection of such a request, but for the first
  `reply_most` bytes. `held` tells that something waits, `open()` lets it go.
  """

  def __init__(self, host: str, port: int) -> None:
    self.target = (host, port)
    self.hold_request: Optional[str] = None
    self.hold_reply: Optional[str] = None
    self.reply_most = 0
    self.held = threading.Event()
    self.waiting = 0  # connections, or directions of one
    self._go = threading.Event()
    self._sockets: List[socket.socket] = []
    self._server = socket.create_server(('127.0.0.1', 0))
    self.port: int = self._server.getsockname()[1]
    threading.Thread(target=self._accept, daemon=True).start()

  def open(self) -> None:
    self.hold_request = self.hold_reply = None
    self._go.set()

  def cut(self) -> None:
    """Ends the connections that there are."""
    for each in self._sockets:
      with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)

  def close(self) -> None:
    self.open()
    for each in [self._server, *self._sockets]:
      with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
      each.close()

  def __enter__(self) -> 'Gate':
    return self

  def __exit__(self, *_: Any) -> None:
    self.close()

  def _accept(self) -> None:
    with contextlib.suppress(OSError):
      while True:
        client, _ = self._server.accept()
        server = socket.create_connection(self.target)
        self._sockets += [client, server]
        waits = threading.Event()  # the replies of this connection do
        for pass_on in (self._forth, self._back):
          threading.Thread(target=pass_on, args=(client, server, waits), daemon=True).start()

  def _wait(self) -> None:
    self.waiting += 1
    self.held.set()
    self._go.wait()

  def _forth(self, client: socket.socket, server: socket.socket, waits: threading.Event) -> None:
    with contextlib.suppress(OSError):
      while True:
        data = client.recv(65536)
        text = data.decode('latin-1')
        if self.hold_request is not None and re.search(self.hold_request, text):
          self._wait()
        if self.hold_reply is not None and re.search(self.hold_reply, text):
          waits.set()
        if not data:
          server.shutdown(socket.SHUT_WR)
          return
        server.sendall(data)

  def _back(self, client: socket.socket, server: socket.socket, waits: threading.Event) -> None:
    with contextlib.suppress(OSError):
      while True:
        data = server.recv(65536)
        if waits.is_set():
          client.sendall(data[: self.reply_most])
          data = data[self.reply_most :]
          self._wait()
        if not data:
          client.shutdown(socket.SHUT_WR)
          return
        client.sendall(data)
