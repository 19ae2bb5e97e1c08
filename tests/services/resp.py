# SPDX-License-Identifier: MIT
"""A blocking client of Redis for the tests' own questions. It shares no code with the library."""

import socket
from typing import Any, Union


class ReplyError(Exception):
  """An error that the server answered."""


class Connection:
  """A connection that speaks RESP2. Strings are decoded as UTF-8.

  address: the path of a Unix socket, or a port of 127.0.0.1.
  """

  def __init__(self, address: Union[str, int], timeout: float = 10) -> None:
    if isinstance(address, str):
      self._socket = socket.socket(socket.AF_UNIX)
      self._socket.settimeout(timeout)
      try:
        self._socket.connect(address)
      except BaseException:
        self._socket.close()
        raise
    else:
      self._socket = socket.create_connection(('127.0.0.1', address), timeout)
    self._file = self._socket.makefile('rb')

  def close(self) -> None:
    self._file.close()
    self._socket.close()

  def __enter__(self) -> 'Connection':
    return self

  def __exit__(self, *_: Any) -> None:
    self.close()

  def call(self, *words: object) -> Any:
    """Sends a command and returns its reply. Raises ReplyError if that is an error, and OSError if
    the connection is lost."""
    parts = [f'*{len(words)}\r\n'.encode()]
    for word in words:
      data = str(word).encode()
      parts.append(b'$%d\r\n%b\r\n' % (len(data), data))
    self._socket.sendall(b''.join(parts))
    return self.read()

  def read(self) -> Any:
    """Reads one reply, or a message of a subscription."""
    reply = self._read()
    if isinstance(reply, ReplyError):
      raise reply
    return reply

  def _read(self) -> Any:
    line = self._file.readline()
    if not line.endswith(b'\r\n'):
      raise ConnectionError('the server closed the connection')
    kind, text = line[:1], line[1:-2].decode()
    if kind == b'+':
      return text
    if kind == b'-':
      return ReplyError(text)
    if kind == b':':
      return int(text)
    length = int(text)
    if length < 0:
      return None
    if kind == b'*':
      return [self._read() for _ in range(length)]
    assert kind == b'$', line
    data = self._file.read(length + 2)
    if len(data) != length + 2:
      raise ConnectionError('the server closed the connection')
    return data[:-2].decode('utf-8', 'replace')
