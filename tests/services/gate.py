# SPDX-License-Identifier: MIT
"""A proxy between a client and a server that can hold back a request or a reply."""

import contextlib
import re
import socket
import threading
from typing import Any, List, Optional


class Gate:
  """Forwards bytes in its own threads.

  hold_request: a regular expression. Bytes of a connection that match it are held back, with
  everything after them. hold_reply: the same for the replies on a connection whose request matches,
  except for their first `reply_prefix` bytes. `held` is set when something is held back. `open()`
  releases it.
  """

  def __init__(self, host: str, port: int) -> None:
    self.target = (host, port)
    self.hold_request: Optional[str] = None
    self.hold_reply: Optional[str] = None
    self.reply_prefix = 0
    self.held = threading.Event()
    self.waiting = 0  # connections, or directions of a connection
    self._frozen = 0  # so many connections, the oldest ones
    self._released = threading.Event()
    self._sockets: List[socket.socket] = []
    self._server = socket.create_server(('127.0.0.1', 0))
    self.port: int = self._server.getsockname()[1]
    threading.Thread(target=self._accept, daemon=True).start()

  def open(self) -> None:
    self.hold_request = self.hold_reply = None
    self._released.set()

  def freeze(self) -> None:
    """Forwards nothing more on current connections, and leaves them open, as if the other end were
    gone without a word. New ones work."""
    self._frozen = len(self._sockets)

  def close_connections(self) -> None:
    """Closes all current connections."""
    for endpoint in self._sockets:
      with contextlib.suppress(OSError):
        endpoint.shutdown(socket.SHUT_RDWR)

  def close(self) -> None:
    self.open()
    for endpoint in [self._server, *self._sockets]:
      with contextlib.suppress(OSError):
        endpoint.shutdown(socket.SHUT_RDWR)
      endpoint.close()

  def __enter__(self) -> 'Gate':
    return self

  def __exit__(self, *_: Any) -> None:
    self.close()

  def _accept(self) -> None:
    with contextlib.suppress(OSError):
      while True:
        client, _ = self._server.accept()
        server = socket.create_connection(self.target)
        number = len(self._sockets)
        self._sockets += [client, server]
        hold_replies = threading.Event()  # set when the replies of this connection are held
        for forward in (self._forward_requests, self._forward_replies):
          threading.Thread(
            target=forward, args=(number, client, server, hold_replies), daemon=True
          ).start()

  def _wait(self) -> None:
    self.waiting += 1
    self.held.set()
    self._released.wait()

  def _wait_if_frozen(self, number: int) -> None:
    if number < self._frozen:
      self._released.wait()

  def _forward_requests(
    self, number: int, client: socket.socket, server: socket.socket, hold_replies: threading.Event
  ) -> None:
    with contextlib.suppress(OSError):
      while True:
        data = client.recv(65536)
        self._wait_if_frozen(number)
        text = data.decode('latin-1')
        if self.hold_request is not None and re.search(self.hold_request, text):
          self._wait()
        if self.hold_reply is not None and re.search(self.hold_reply, text):
          hold_replies.set()
        if not data:
          server.shutdown(socket.SHUT_WR)
          return
        server.sendall(data)

  def _forward_replies(
    self, number: int, client: socket.socket, server: socket.socket, hold_replies: threading.Event
  ) -> None:
    with contextlib.suppress(OSError):
      while True:
        data = server.recv(65536)
        self._wait_if_frozen(number)
        if hold_replies.is_set():
          client.sendall(data[: self.reply_prefix])
          data = data[self.reply_prefix :]
          self._wait()
        if not data:
          client.shutdown(socket.SHUT_WR)
          return
        client.sendall(data)
