# SPDX-License-Identifier: MIT
"""Redis servers."""

import os
import socket
import subprocess
from typing import List

from services.process import Server, find_program


class RedisServer(Server):
  """A redis-server. Its port is 0 if it listens only on its socket."""

  name = 'redis-server'

  @property
  def url(self) -> str:
    return f'redis://127.0.0.1:{self.port}'

  @property
  def socket(self) -> str:
    return os.path.join(self.directory, 'socket')

  def command(self) -> List[str]:
    options = ['--port', str(self.port), '--bind', '127.0.0.1', '--unixsocket', self.socket]
    options += ['--save', '', '--appendonly', 'no', '--dir', self.directory]
    return [find_program('redis-server'), *options]

  def connect(self) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
      probe.connect(self.socket)

  def execute(self, *words: str) -> str:
    """Runs a command, and returns the reply as redis-cli prints it."""
    process = subprocess.run(
      ['redis-cli', '-s', self.socket, *words], capture_output=True, text=True, check=True
    )
    return process.stdout.rstrip('\n')
