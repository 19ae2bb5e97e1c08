# SPDX-License-Identifier: MIT
"""Redis servers, and Valkey servers, which speak the same protocol."""

import os
import pathlib
import socket
import subprocess
from typing import Any, List, Optional

from services.process import Server, find_program
from services.resp import Connection

# `scripts/setup servers` installs it here.
VALKEY = pathlib.Path(__file__).resolve().parent.parent.parent / '.servers' / 'valkey-server'


def find_server(kind: str) -> str:
  """The path of a redis-server or a valkey-server. Raises RuntimeError if it is not installed."""
  if kind == 'valkey' and VALKEY.exists():
    return str(VALKEY)
  return find_program(f'{kind}-server')


class RedisServer(Server):
  """A redis-server. Its port is 0 if it listens only on its socket."""

  name = 'redis-server'
  kind = 'redis'
  password: Optional[str] = None

  @property
  def url(self) -> str:
    return f'{self.kind}://127.0.0.1:{self.port}'

  @property
  def socket(self) -> str:
    return os.path.join(self.directory, 'socket')

  def command(self) -> List[str]:
    options = ['--port', str(self.port), '--bind', '127.0.0.1', '--unixsocket', self.socket]
    options += ['--save', '', '--appendonly', 'no', '--dir', self.directory]
    return [find_server(self.kind), *options]

  def connect(self) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
      probe.connect(self.socket)

  def execute(self, *words: str) -> str:
    """Runs a command, and returns the reply as redis-cli prints it."""
    process = subprocess.run(
      ['redis-cli', '-s', self.socket, *words], capture_output=True, text=True, check=True
    )
    return process.stdout.rstrip('\n')

  def call(self, *words: object) -> Any:
    """Runs a command, and returns its reply. Raises ReplyError if that is an error, and OSError if
    the server is down."""
    with Connection(self.socket) as connection:
      if self.password is not None:
        connection.call('auth', self.password)
      return connection.call(*words)

  def info(self, field: str, section: str = 'replication') -> str:
    """A field of INFO; '' if it is absent."""
    for line in self.call('info', section).splitlines():
      name, _, value = line.partition(':')
      if name == field:
        return str(value)
    return ''


class ValkeyServer(RedisServer):
  """A valkey-server."""

  name = 'valkey-server'
  kind = 'valkey'
