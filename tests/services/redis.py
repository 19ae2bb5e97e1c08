# SPDX-License-Identifier: MIT
"""Redis servers."""

import os
import socket
import subprocess
from typing import List

from services.process import Server, find_program


class RedisServer(Server):
  """A redis-server; its port is 0 if it listens elsewhere only."""

  name = 'redis-server'

  @property
  def url(self) -> str:
    return f'redis://127.0.0.1:{self.port}'

  @property
  def socket(self) -> str:
    return os.path.join(self.directory, 'socket')

  def command(self) -> List[str]:
    own = ['--port', str(self.port), '--bind', '127.0.0.1', '--unixsocket', self.socket]
    own += ['--save', '', '--appendonly', 'no', '--dir', self.directory]
    return [find_program('redis-server'), *own]

  def connect(self) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
      probe.connect(self.socket)

  def say(self, *words: str) -> str:
    """What the server answers to a command, as redis-cli prints it."""
    done = subprocess.run(
      ['redis-cli', '-s', self.socket, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip('\n')
